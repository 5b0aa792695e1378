# SPDX-License-Identifier: Apache-2.0
"""What a container can reach by its network, known when it starts."""

from __future__ import annotations

from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KINDS = ("none", "host", "pasta", "slirp4netns", "loopback", "container", "path")
"""`loopback`: a network was asked for and none could be had; `path`: `--network ns:PATH`."""


class Reach(Value):
    """What a container can reach by its network: all that the composer of names must know."""

    kind: str
    """One of KINDS."""
    address: str = ""
    """The container's own IPv4 address, the first one; empty when unknown."""
    address6: str = ""
    """The container's own IPv6 address."""
    dns: str = ""
    """Where a forwarder to the host's own resolver answers (pasta's --dns-forward, slirp4netns'
    10.0.2.3); empty where there is none."""
    host: str = ""
    """Where the container reaches the host without the host's loopback being open to it; empty
    where it does not."""


def from_record(document: dict[str, Any]) -> Reach:
    """Return the Reach that `as_dict` wrote. Fields that this version does not know are ignored.

    Raises ValueError when it is none.
    """
    kind = document.get("kind")
    if kind not in KINDS:
        raise ValueError(f"a reach of kind {kind!r}")
    known = {field: document[field] for field in Reach._fields if field in document}
    if not all(isinstance(value, str) for value in known.values()):
        raise ValueError("a reach whose fields are no text")
    return Reach(**known)
