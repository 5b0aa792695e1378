# SPDX-License-Identifier: Apache-2.0
"""A repository opened as the configuration and the command line say: of a mirror, or its own."""

from __future__ import annotations

from pypod.engine import image_peek, workers
from pypod.errors import IntegrityError, RegistryError
from pypod.kernel import config, log
from pypod.oci import registries
from pypod.oci.registries import Endpoint
from pypod.registry import auth
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pypod.kernel.config import Config
    from pypod.kernel.paths import Places
    from pypod.oci.reference import Reference
    from pypod.registry.auth import Credentials
    from pypod.registry.repository import Patience, Repository

    T = TypeVar("T")


class Access(Value):
    """How a registry may be spoken to."""

    tls_verify: bool | None = None
    credentials: Credentials | None = None
    authfile: str = ""
    cert_dir: str = ""
    patience: Patience | None = None


def repository(
    places: Places,
    wanted: Reference,
    access: Access,
    *,
    actions: str = "pull",
    mounts: tuple[str, ...] = (),
) -> Repository:
    """Return a repository, not connected yet; no mirror. `actions`, `mounts` are a token's.

    Raises RegistryError for credentials that cannot be read.
    """
    settings = config.load(places)
    endpoint = registries.endpoints(settings.registries, wanted)[-1]
    if actions != "pull":  # what is written goes where the user said
        same = endpoint.reference.domain == wanted.domain
        # Another host that may be insecure says nothing of this one.
        endpoint = Endpoint(wanted, endpoint.insecure and same, False)
    return _opened(settings, wanted, endpoint, access, actions, mounts)


def first(
    places: Places,
    wanted: Reference,
    access: Access,
    act: Callable[[Repository, str], T],
) -> T:
    """Act on mirrors until one does it, then on the location; only its error is an error.

    `act` gets a repository that is not connected, to be closed by it unless it returns it, and what
    to ask it for. What a mirror sends wrong is passed over as what it lacks. Raises RegistryError.
    """
    settings = config.load(places)
    *mirrors, last = registries.endpoints(settings.registries, wanted)
    for endpoint in mirrors:
        opened = _opened(settings, wanted, endpoint, access)
        try:
            return act(opened, endpoint.reference.wanted)
        except (RegistryError, IntegrityError) as error:
            log.warn(f"mirror {endpoint.reference.domain}: {error.message}")
    return act(_opened(settings, wanted, last, access), last.reference.wanted)


def holding(places: Places, wanted: Reference, access: Access) -> tuple[Repository, str]:
    """Return the repository that an image is read from, and what to ask it for.

    The first mirror that has the manifest counts; the location itself is not asked yet.
    """
    settings = config.load(places)
    last = registries.endpoints(settings.registries, wanted)[-1].reference

    def look(opened: Repository, asked: str) -> tuple[Repository, str]:
        if (opened.domain, opened.path) == (last.domain, last.path):
            return opened, asked

        def there() -> None:
            opened.connect()
            image_peek.document(opened, asked)

        try:
            workers.awake(there, opened.cancel)
        except BaseException:
            opened.close()
            raise
        return opened, asked

    return first(places, wanted, access, look)


def tags(places: Places, wanted: Reference, access: Access) -> list[str]:
    """Return the tags of a repository. Raises RegistryError."""

    def act(opened: Repository, _asked: str) -> list[str]:
        def listed() -> list[str]:
            opened.connect()
            return opened.tags()

        try:
            return workers.awake(listed, opened.cancel)
        finally:
            opened.close()

    return first(places, wanted, access, act)


def _opened(
    settings: Config,
    wanted: Reference,
    endpoint: Endpoint,
    access: Access,
    actions: str = "pull",
    mounts: tuple[str, ...] = (),
) -> Repository:
    """Return the repository of one endpoint. Credentials are those of its own host."""
    from pypod.registry.repository import Patience, Repository

    source = endpoint.reference
    given = access.credentials
    if given is not None and source.domain != wanted.domain:
        # Those of the command line are for the host that it names.
        if not endpoint.mirror:
            log.warn(
                f"--creds are for {wanted.domain}: they are not sent to {source.domain},"
                " where the configuration leads"
            )
        given = None
    helpers = settings.registries.helpers
    verify = access.tls_verify
    if verify is None:
        verify = not (endpoint.insecure or source.domain in settings.insecure)
    if not verify:
        log.warn(f"TLS of registry {source.domain} is not verified: anybody could answer")
    return Repository(
        source.domain,
        source.path,
        credentials=given or auth.find(source.domain, source.path, access.authfile, helpers),
        tls_verify=verify,
        trusted_realms=settings.trusted_realms,
        patience=(access.patience or Patience()).replace(idle=settings.idle_seconds),
        cert_dir=access.cert_dir,
        actions=actions,
        mounts=mounts,
        asked=wanted,
    )
