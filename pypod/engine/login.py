# SPDX-License-Identifier: Apache-2.0
"""Logging in to registries and out: credentials are proved first, then kept."""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.kernel import config
from pypod.oci import reference
from pypod.registry import auth, credentials, proof
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.kernel.config import Config
    from pypod.kernel.paths import Places
    from pypod.registry.auth import Credentials


class Access(Value):
    """How to speak to a registry, and where credentials are kept."""

    key: str
    """HOST[:PORT], perhaps with a /NAMESPACE: what the credentials are for."""
    authfile: str = ""
    cert_dir: str = ""
    tls_verify: bool | None = None

    @property
    def domain(self) -> str:
        """Host and port."""
        return self.key.partition("/")[0]


def key_of(places: Places, typed: str) -> str:
    """Return what credentials are kept under; without a word, the first of the search list.

    Raises UsageError for what is no registry.
    """
    if not typed:
        search = config.load(places).registries.search
        if not search:
            raise UsageError("no registry in the search list: please name one")
        return search[0]
    bare = typed.removeprefix("https://").removeprefix("http://").rstrip("/")
    bare = bare.removesuffix("/v1").removesuffix("/v2") if bare != typed else bare
    domain, slash, rest = bare.partition("/")
    if domain in auth.DOCKER_HUB_KEYS:
        domain = reference.DEFAULT_DOMAIN
    key = domain + slash + rest
    try:
        parsed = reference.parse(key if rest else f"{domain}/a")
    except UsageError as error:
        raise UsageError(f"{typed}: {error.message.rpartition(': ')[2]}") from None
    if parsed.domain != domain or ":" in rest or "@" in rest:
        raise UsageError(f"{typed} is no registry", hint="HOST[:PORT][/NAMESPACE]")
    return key


def known(places: Places, access: Access) -> Credentials | None:
    """Return the credentials that are kept. Raises RegistryError."""
    if access.authfile and auth.read(access.authfile) is None:
        return None
    path = access.key.partition("/")[2]
    return auth.find(access.domain, path, access.authfile, _helpers(config.load(places)))


def check(places: Places, access: Access, given: Credentials) -> None:
    """Ask the registry whether it takes the credentials. Raises proof.Wrong, RegistryError."""
    settings = config.load(places)
    verify = access.tls_verify
    if verify is None:
        verify = not is_insecure(settings, access.domain)
    proof.check(
        access.domain,
        given,
        tls_verify=verify,
        cert_dir=access.cert_dir,
        trusted_realms=settings.trusted_realms,
    )


def keep(places: Places, access: Access, given: Credentials) -> str:
    """Keep credentials; return where. Raises RegistryError."""
    if ":" in given.username:
        raise UsageError("a user name has no colon (RFC 7617)")
    first = next(iter(_helpers(config.load(places))), auth.FILES)
    path = credentials.place(access.key, access.authfile)
    return credentials.keep(path, access.key, given, "" if first == auth.FILES else first)


def forget(places: Places, access: Access) -> None:
    """Take credentials away. Raises PypodError when there are none, or none that are ours."""
    helpers = [one for one in _helpers(config.load(places)) if one != auth.FILES]
    gone = False
    for path in _files(access.authfile):
        gone = credentials.forget(path, access.key) or gone
    for helper in helpers:
        gone = credentials.forget("", access.key, helper) or gone
    if gone:
        return
    if known(places, access) is not None:
        raise PypodError(
            f"not logged into {access.key} with pypod or podman: the credentials are docker's",
            hint=f"docker logout {access.key}",
        )
    raise PypodError(f"not logged into {access.key}")


def forget_all(authfile: str) -> None:
    """Take all credentials away that pypod or podman keeps. Raises RegistryError."""
    for path in _files(authfile):
        credentials.forget_all(path)


def is_insecure(settings: Config, domain: str) -> bool:
    """Say whether the configuration lets a registry be without a known certificate."""
    hosts = set(settings.insecure)
    for entry in settings.registries.entries:
        places = [(entry.location, entry.insecure)]
        places += [(mirror.location, mirror.insecure) for mirror in entry.mirrors]
        hosts.update(location.partition("/")[0] for location, insecure in places if insecure)
    return domain in hosts


def _files(authfile: str) -> list[str]:
    if authfile:
        return [authfile]
    found = auth.files()
    return found if len(found) == 1 else auth.own_files()


def _helpers(settings: Config) -> tuple[str, ...]:
    return settings.registries.helpers
