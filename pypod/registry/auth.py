# SPDX-License-Identifier: Apache-2.0
"""Credentials: where they are found, and to whom they may go.

Files: $REGISTRY_AUTH_FILE, else containers' auth.json of the runtime directory, then of the
configuration directory, then docker's config.json (containers-auth.json(5)). Nothing here writes,
logs or shows a secret.
"""

from __future__ import annotations

import _socket
import base64
import binascii
import os
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from pypod.errors import RegistryError
from pypod.kernel import fastjson
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DOCKER_HUB = "docker.io"
_DOCKER_HUB_KEYS = ("docker.io", "index.docker.io", "registry-1.docker.io")
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


def find(domain: str, path: str, authfile: str = "") -> Credentials | None:
    """Return the credentials for a repository; in a file the longest match of host and path wins.

    Raises RegistryError for a named file that is not there and for one that cannot be read.
    """
    for name in [authfile] if authfile else _files():
        try:
            with open(name, "rb") as file:
                document = fastjson.loads(file.read())
        except FileNotFoundError:
            if authfile:
                raise RegistryError(f"--authfile {authfile}: no such file") from None
            continue
        except (OSError, fastjson.BadJson) as error:
            raise RegistryError(f"credentials in {name} cannot be read: {error}") from None
        entries = document.get("auths") if isinstance(document, dict) else None
        found = _entry(entries if isinstance(entries, dict) else {}, domain, path, name)
        if found is not None:
            return found
    return None


def _files() -> list[str]:
    environ = os.environ
    if environ.get("REGISTRY_AUTH_FILE"):
        return [environ["REGISTRY_AUTH_FILE"]]
    files = []
    if environ.get("XDG_RUNTIME_DIR"):
        files.append(environ["XDG_RUNTIME_DIR"] + "/containers/auth.json")
    home = os.path.expanduser("~")
    files.append((environ.get("XDG_CONFIG_HOME") or home + "/.config") + "/containers/auth.json")
    files.append((environ.get("DOCKER_CONFIG") or home + "/.docker") + "/config.json")
    return files


def _entry(entries: dict[str, Any], domain: str, path: str, file: str) -> Credentials | None:
    """Return the entry of `domain/a/b`, else of `domain/a`, else of `domain`."""
    parts = path.split("/")
    names = ["/".join([domain, *parts[:length]]) for length in range(len(parts), 0, -1)]
    names += _DOCKER_HUB_KEYS if domain == _DOCKER_HUB else (domain,)
    keys: dict[str, Any] = {}
    for key, entry in entries.items():
        keys.setdefault(_plain(key), entry)
    for name in names:
        entry = keys.get(name)
        if isinstance(entry, dict) and entry:
            return _decode(entry, name, file)
    return None


def _plain(key: str) -> str:
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
    elif is_inside(host) and not is_loopback(own):
        wrong = "that is an address of this machine"
    elif with_credentials and not (
        host == own or _is_docker(own, host) or {host, f"{host}:{port}"}.intersection(trusted)
    ):
        wrong, hint = "that is another host, no credentials were sent", _TRUST_HINT
    if wrong:
        shown = ascii(realm)[1:-1][:200]
        raise RegistryError(f"registry {registry} wants a token from {shown}: {wrong}", hint=hint)


def _is_docker(registry: str, realm: str) -> bool:
    return registry in _DOCKER_HUB_KEYS and realm == _DOCKER_REALM
