# SPDX-License-Identifier: Apache-2.0
"""certs.d: the authorities of a registry and who we are to it (containers-certs.d(5)).

HOST[:PORT]/*.crt are authorities, *.cert with *.key client certificates, in the first directory
that is there: the user's, /etc/containers/certs.d, /etc/docker/certs.d.
"""

from __future__ import annotations

import os
import ssl

from pypod.errors import RegistryError
from pypod.kernel import config
from pypod.value import Value

PLACE = "~/.config/containers/certs.d"
"""Where a hint sends people."""


class Certificates(Value):
    """Paths of files."""

    authorities: tuple[str, ...] = ()
    clients: tuple[tuple[str, str], ...] = ()
    """(certificate, key)."""


def find(host: str, directory: str = "") -> Certificates:
    """Return what is there for a registry HOST[:PORT]; `directory` is --cert-dir.

    Raises RegistryError for a directory that cannot be read and for half a pair.
    """
    if directory:
        return _read(directory, named=True)
    for place in (f"{config.config_home()}/containers", "/etc/containers", "/etc/docker"):
        if os.path.isdir(f"{place}/certs.d/{host}"):
            return _read(f"{place}/certs.d/{host}", named=False)
    return Certificates()


def others(host: str, directory: str) -> Certificates:
    """Return what is there for a host that stands in for the one that --cert-dir is for.

    Whom to trust counts for it too; who we are is said only to the host that it was made for.
    """
    own = find(host)
    if not directory:
        return own
    made: Certificates = own.replace(
        authorities=(*own.authorities, *find(host, directory).authorities)
    )
    return made


def _read(directory: str, *, named: bool) -> Certificates:
    option = "--cert-dir " if named else ""
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise RegistryError(f"{option}{directory}: {error.strerror}") from None
    clients = []
    for name in names:
        stem, dot, kind = name.rpartition(".")
        if not dot or kind not in ("cert", "key"):
            continue
        other = f"{stem}.key" if kind == "cert" else f"{stem}.cert"
        if other not in names:
            raise RegistryError(
                f"{directory}/{name} is alone: {other} is missing",
                hint="an authority's certificate ends in .crt, a client's in .cert",
            )
        if kind == "cert":
            clients.append((f"{directory}/{name}", f"{directory}/{other}"))
    authorities = tuple(f"{directory}/{name}" for name in names if name.endswith(".crt"))
    return Certificates(authorities, tuple(clients))


def context(found: Certificates, *, verify: bool) -> ssl.SSLContext:
    """Return a TLS context with these certificates. Raises RegistryError for a file that is none.

    A server gets the last client certificate: OpenSSL holds one of each kind of key.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    for path in found.authorities:
        try:
            made.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"{path}: {_words(error, 'no certificate in it')}") from None
    for certificate, key in found.clients:
        try:
            # A key with a pass phrase: nobody is asked in the middle of a pull.
            made.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            said = _words(error, f"no certificate that fits {key}")
            raise RegistryError(f"{certificate}: {said}") from None
    return made


def _no_password() -> str:
    raise ValueError("the key has a pass phrase")


def _words(error: Exception, otherwise: str) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or otherwise).lower().replace("_", " ")
    if isinstance(error, OSError):
        return error.strerror or otherwise
    return str(error)
