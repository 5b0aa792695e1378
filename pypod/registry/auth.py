# SPDX-License-Identifier: Apache-2.0
"""Credentials: where they are found, and to whom they may go.

Files: $REGISTRY_AUTH_FILE, else containers' auth.json of the runtime directory, then of the
configuration directory, then docker's config.json (containers-auth.json(5)), and the programs that
they name. Nothing here writes, logs or shows a secret.
"""

from __future__ import annotations

import _socket
import base64
import binascii
import os
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from pypod.errors import RegistryError
from pypod.kernel import config, fastjson, log
from pypod.registry import credential_helpers
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILES = "containers-auth.json"
"""The word of `credential-helpers` that stands for the files."""
_DOCKER_HUB = "docker.io"
DOCKER_HUB_KEYS = ("docker.io", "index.docker.io", "registry-1.docker.io")
_DOCKER_REALM = "auth.docker.io"
_TRUST_HINT = "if you trust that host: [registries] trusted_realms in pypod.conf"


class Credentials(Value):
    """A user name and a password, or an identity token that a token server takes instead."""

    username: str
    password: str
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, ...)"

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        text = f"{self.username}:{self.password}".encode("utf-8", "surrogateescape")
        return "Basic " + base64.b64encode(text).decode()


def find(
    domain: str, path: str, authfile: str = "", helpers: tuple[str, ...] = ()
) -> Credentials | None:
    """Return the credentials for a repository; in a file the longest match of host and path wins.

    `helpers` are `credential-helpers` of registries.conf(5): programs, and FILES for the files.
    Raises RegistryError for a named file that is not there and for one that cannot be read.
    """
    for helper in helpers or (FILES,):
        of_files = helper == FILES
        found = _of_files(domain, path, authfile) if of_files else _of_helper(helper, domain)
        if found is not None:
            return found
    return None


def _of_files(domain: str, path: str, authfile: str) -> Credentials | None:
    for name in [authfile] if authfile else files():
        document = read(name)
        if document is None:
            if authfile:
                raise RegistryError(f"--authfile {authfile}: no such file")
            continue
        helper = helper_of(document, domain)
        found = _of_helper(helper, domain) if helper else None
        entries = document.get("auths")
        found = found or _entry(entries if isinstance(entries, dict) else {}, domain, path, name)
        store = document.get("credsStore")
        if found is None and isinstance(store, str) and store and store != helper:
            try:
                found = _of_helper(store, domain)
            except RegistryError as error:
                # A copied config.json often names a store that this machine has not: what is public
                # can be had without.
                log.warn(f"{name}: {error.message}")
        if found is not None:
            return found
    return None


def read(name: str) -> dict[str, Any] | None:
    """Return the document of a file; None when it is not there. Raises RegistryError."""
    try:
        with open(name, "rb") as file:
            document = fastjson.loads(file.read())
    except FileNotFoundError:
        return None
    except (OSError, fastjson.BadJson) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise RegistryError(f"credentials in {name} cannot be read: {said}") from None
    if not isinstance(document, dict):
        return {}
    return {"auths": document} if name.endswith("/.dockercfg") else document


def helper_of(document: dict[str, Any], domain: str) -> str:
    """Return the program that a file names for one registry; empty for none."""
    table = document.get("credHelpers")
    helper = table.get(domain) if isinstance(table, dict) else None
    return helper if isinstance(helper, str) else ""


def _of_helper(helper: str, domain: str) -> Credentials | None:
    found = credential_helpers.get(helper, domain)
    if found is None:
        return None
    user, secret = found
    # docker's convention for what a token server takes.
    return Credentials("", "", secret) if user == "<token>" else Credentials(user, secret)


def files() -> list[str]:
    """Return where credentials may be, in the order that they are looked for."""
    environ = os.environ
    if environ.get("REGISTRY_AUTH_FILE"):
        return [environ["REGISTRY_AUTH_FILE"]]
    home = os.path.expanduser("~")
    return [
        *own_files(),
        (environ.get("DOCKER_CONFIG") or home + "/.docker") + "/config.json",
        home + "/.dockercfg",
    ]


def own_files() -> list[str]:
    """Return the files that podman and we write: of the runtime directory, and the lasting one."""
    runtime = f"/run/containers/{os.geteuid()}"
    if os.environ.get("XDG_RUNTIME_DIR"):
        runtime = os.environ["XDG_RUNTIME_DIR"] + "/containers"
    return [f"{runtime}/auth.json", config.config_home() + "/containers/auth.json"]


def _entry(entries: dict[str, Any], domain: str, path: str, file: str) -> Credentials | None:
    """Return the entry of `domain/a/b`, else of `domain/a`, else of `domain`."""
    parts = path.split("/")
    names = ["/".join([domain, *parts[:length]]) for length in range(len(parts), 0, -1)]
    names += DOCKER_HUB_KEYS if domain == _DOCKER_HUB else (domain,)
    keys: dict[str, Any] = {}
    for key, entry in entries.items():
        keys.setdefault(plain(key), entry)
    for name in names:
        entry = keys.get(name)
        if isinstance(entry, dict) and entry:
            return _decode(entry, name, file)
    return None


def plain(key: str) -> str:
    """Return a key without what old dockers wrote around it: https://index.docker.io/v1/."""
    bare = key.removeprefix("https://").removeprefix("http://")
    if bare == key:
        return key
    return bare.rstrip("/").removesuffix("/v1").removesuffix("/v2")


def _decode(entry: dict[str, Any], name: str, file: str) -> Credentials | None:
    token, text = entry.get("identitytoken"), entry.get("auth")
    if isinstance(token, str) and token:
        return Credentials("", "", token)
    if not isinstance(text, str) or not text:
        return None
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user, colon, password = "", "", ""
    if not colon:
        raise RegistryError(
            f"the credentials for {name} in {file} are damaged", hint="log in again"
        )
    return Credentials(user, password.rstrip("\0"))


def parse_creds(text: str) -> Credentials:
    """Return the credentials of --creds USER[:PASSWORD]."""
    user, _, password = text.partition(":")
    return Credentials(user, password)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a literal means, in each of the spellings that resolvers take."""
    try:
        found = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        try:
            return IPv4Address(_socket.inet_aton(host))  # 127.1, 2130706433, 0x7f.1
        except (OSError, ValueError):
            return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped if mapped is not None else found


def is_loopback(host: str) -> bool:
    """Say whether a registry's host is this machine: plain http is allowed there."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_inside(host: str) -> bool:
    """Say whether a host means this machine or its link, where a stranger has no business."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    if address is None:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified


def may_lead(own: str, host: str) -> bool:
    """Say whether a host may send us to another, who might be a service of this machine.

    A registry on loopback may lead to loopback; nobody but itself leads to a link-local address,
    where clouds keep their machines' secrets (A65).
    """
    if not is_inside(host) or host == own:
        return True
    return is_loopback(own) and is_loopback(host)


def check_realm(
    realm: str,
    registry: str,
    *,
    plain: bool,
    with_credentials: bool,
    trusted: tuple[str, ...] = (),
) -> None:
    """Raise RegistryError, which names the realm, unless a registry may send us there for a token.

    `registry` is host[:port]. The realm is https unless the registry is `plain`, and loopback or
    link-local only for a registry on loopback. Credentials go to the same host on any port, from
    docker.io to auth.docker.io, and to those in the trusted list (security.md A65).
    """
    try:
        parts = urlsplit(realm)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    own = urlsplit(f"//{registry}").hostname or ""
    wrong = ""
    hint = None
    if parts.scheme not in ("https", "http") or not host or parts.username is not None:
        wrong = "that is no web address"
    elif parts.scheme == "http" and not plain:
        wrong = "that is not https"
    elif not may_lead(own, host):
        wrong = "that is an address of this machine"
    elif with_credentials and not (
        host == own or _is_docker(own, host) or {host, f"{host}:{port}"}.intersection(trusted)
    ):
        wrong, hint = "that is another host, no credentials were sent", _TRUST_HINT
    if wrong:
        shown = ascii(realm)[1:-1][:200]
        raise RegistryError(f"registry {registry} wants a token from {shown}: {wrong}", hint=hint)


def _is_docker(registry: str, realm: str) -> bool:
    return registry in DOCKER_HUB_KEYS and realm == _DOCKER_REALM
