# SPDX-License-Identifier: Apache-2.0
"""What containers and images change, of what is below them or of one another, by pypod-files."""

from __future__ import annotations

from pypod.engine import container_files, images
from pypod.errors import NoSuchContainer, PypodError
from pypod.plan import tools
from pypod.runtime import files
from pypod.store import objects
from pypod.store.layers import Layers
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container

    Pairs = list[tuple[str, str]]

_OURS = frozenset(
    (
        "/dev /etc/hostname /etc/hosts /etc/mtab /etc/resolv.conf /proc /run /run/.containerenv"
        " /run/notify /run/secrets /sys"
    ).split()
)
"""Places that pypod makes in every container: no change of the container's (podman's list)."""


class Stack(Value):
    """The layers of a container or an image, the uppermost first."""

    layers: tuple[str, ...]
    config: dict[str, Any] | None = None
    """A container's, whose id map its own layer needs."""


def stack(places: Places, facts: HostFacts, word: str, kind: str = "") -> Stack:
    """Return the layers of what a word means; `kind` is container, image, or nothing for both.

    Raises NoSuchContainer, ImageNotKnown, PypodError.
    """
    if kind != "image":
        try:
            return of_container(objects.find(places, word), facts)
        except NoSuchContainer:
            if kind == "container":
                raise
    return _of_image(images.find(places, word), places, facts)


def of_container(container: Container, facts: HostFacts) -> Stack:
    """Return the layers of a container. Raises PypodError for one without an image."""
    facts = container_files.facts_of(container, facts)
    layers = Layers(container.places, facts)
    lowers = [layers.path(chain) for chain in reversed(container.create["chain_ids"])]
    return Stack((container_files.upper(container), *lowers), container.config)


def _of_image(image: ImageRecord, places: Places, facts: HostFacts) -> Stack:
    layers = Layers(places, facts)
    missing = layers.missing(image.chain_ids)
    if missing:
        raise PypodError(f"layer {missing[0][:12]} is not unpacked", hint="pull the image again")
    return Stack(tuple(layers.path(chain) for chain in reversed(image.chain_ids)))


def own(facts: HostFacts, one: Stack) -> Pairs:
    """Return (A, C or D, path) for what the uppermost layer changes of those below, by path."""
    if not one.layers:
        return []
    return _run(facts, ["diff", *one.layers], one.config)


def between(facts: HostFacts, one: Stack, base: Stack) -> Pairs:
    """Return what is other in `one` than in `base`, by path: A is only in `one`, D in `base`."""
    config = one.config or base.config
    pairs = _run(facts, ["between", *one.layers, "", *base.layers], config)
    said = {path for _kind, path in pairs}
    above: set[str] = set()
    for _kind, path in pairs:
        while (path := path.rpartition("/")[0]) and path not in above:
            above.add(path)
    pairs += [("C", path) for path in above - said]  # directories that lead to a change
    return sorted(pairs, key=lambda pair: pair[1])


def _run(facts: HostFacts, words: list[str], config: dict[str, Any] | None) -> Pairs:
    plan = None
    if config is not None:
        argv = ["pypod-files", *words]
        plan = tools.compile_in_map(config, facts, argv, files.PROGRAM)
    answer = files.run(facts, words, "diff", plan=plan)
    found = [one.decode("utf-8", "surrogateescape") for one in answer.split(b"\0") if one]
    pairs = [(one[0], one[2:]) for one in found]
    return sorted((one for one in pairs if one[1] not in _OURS), key=lambda pair: pair[1])
