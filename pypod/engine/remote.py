# SPDX-License-Identifier: Apache-2.0
"""A repository opened as the configuration and the command line say."""

from __future__ import annotations

from pypod.kernel import config, log
from pypod.oci import registries
from pypod.registry import auth
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.kernel.paths import Places
    from pypod.oci.reference import Reference
    from pypod.registry.auth import Credentials
    from pypod.registry.repository import Patience, Repository


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
    """Return a repository, not connected yet. `actions` and `mounts` are what a token is for.

    Raises RegistryError for credentials that cannot be read.
    """
    from pypod.registry.repository import Repository

    settings, asked = config.load(places), wanted
    place = registries.endpoints(settings.registries, wanted)[-1]
    given = access.credentials
    if actions == "pull":  # what is written goes where the user said
        # Those of the command line are for the host that it names.
        given = given if place.reference.domain == wanted.domain else None
        wanted = place.reference
    helpers = settings.registries.helpers
    verify = access.tls_verify
    if verify is None:
        verify = not (place.insecure or wanted.domain in settings.insecure)
    if not verify:
        log.warn(f"TLS of registry {wanted.domain} is not verified: anybody could answer")
    return Repository(
        wanted.domain,
        wanted.path,
        credentials=given or auth.find(wanted.domain, wanted.path, access.authfile, helpers),
        tls_verify=verify,
        trusted_realms=settings.trusted_realms,
        patience=access.patience,
        cert_dir=access.cert_dir,
        actions=actions,
        mounts=mounts,
        asked=asked,
    )
