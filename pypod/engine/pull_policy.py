# SPDX-License-Identifier: Apache-2.0
"""An image by a policy (--pull, --policy): the one that is here, a fresh one, or the newer one."""

from __future__ import annotations

from pypod.engine import images
from pypod.errors import ImageNotKnown, PypodError, UsageError
from pypod.store.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.oci.manifest import Platform
    from pypod.spec.facts import HostFacts

    Pull = Callable[[str], ImageRecord]

POLICIES = ("missing", "always", "never", "newer", "ifnewer")


def check(option: str, policy: str) -> None:
    """Raise UsageError for a policy that is none."""
    if policy not in POLICIES:
        raise UsageError(f'{option}: unknown policy "{policy}"', hint=" ".join(POLICIES[:4]))


def choose(
    places: Places, name: str, policy: str, pull: Pull, platform: Platform | None = None
) -> ImageRecord:
    """Return an image, pulling it by the policy; its layers may still be packed.

    One that is here for another platform than `platform` does not count. Raises ImageNotKnown for
    `never`, and what `pull` raises.
    """
    here = None
    if policy != "always" or images.is_embedded(name):
        here = _here(places, name, platform)
    if here is not None and (policy in ("missing", "never") or images.is_embedded(name)):
        return here
    if policy == "never":
        raise ImageNotKnown(name, hint="--pull=missing fetches it")
    try:
        return pull(name)
    except PypodError:
        if here is None:
            raise
        return here


def ensure(
    places: Places,
    name: str,
    policy: str,
    facts: HostFacts,
    pull: Pull,
    platform: Platform | None = None,
) -> ImageRecord:
    """Return an image that can be run at once, pulling and unpacking by the policy.

    Raises what `choose` raises.
    """
    check("--pull", policy)
    image = choose(places, name, policy, pull, platform)
    if Layers(places, facts).missing(image.chain_ids):
        from pypod.engine import unpack

        unpack.unpack_stored(places, facts, image)
    return image


def _here(places: Places, name: str, platform: Platform | None) -> ImageRecord | None:
    try:
        found = images.find(places, name)
    except ImageNotKnown:
        return images.embedded(places) if images.is_embedded(name) else None
    if platform is not None:
        from pypod.oci.image import platform_of
        from pypod.oci.manifest import runs_on

        return found if runs_on(platform_of(found), platform) else None
    return found
