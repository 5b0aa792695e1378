# SPDX-License-Identifier: Apache-2.0
"""Where an image can be: containers-transports(5), `transport:details`.

>>> parse("oci:/tmp/x:1.0")
Location(transport='oci', path='/tmp/x', reference='1.0')
>>> parse("docker://busybox").reference
'docker.io/library/busybox:latest'
>>> parse("busybox")
Location(transport='containers-storage', path='', reference='busybox')
"""

from __future__ import annotations

from pypod.errors import UsageError
from pypod.oci import digest as oci_digest
from pypod.oci import reference
from pypod.value import Value

STORE = "containers-storage"
"""pypod's own store."""
REGISTRY = "docker"
OCI, OCI_ARCHIVE = "oci", "oci-archive"
DOCKER_ARCHIVE, DOCKER_DAEMON, DIRECTORY = "docker-archive", "docker-daemon", "dir"
TRANSPORTS = (STORE, REGISTRY, OCI, OCI_ARCHIVE, DOCKER_ARCHIVE, DOCKER_DAEMON, DIRECTORY)
_ABSENT = ("ostree", "sif", "atomic", "tarball")


class Location(Value):
    """A place and, where it can hold several images, which of them."""

    transport: str
    path: str = ""
    """Of a file or directory; empty for the others."""
    reference: str = ""
    """A name: of a registry's image in full, in a layout any word, in an archive `name` or `@N`."""

    def __str__(self) -> str:
        if self.transport == REGISTRY:
            return f"docker://{self.reference}"
        if not self.path:
            return f"{self.transport}:{self.reference}"
        return f"{self.transport}:{self.path}" + (f":{self.reference}" if self.reference else "")


def is_elsewhere(text: str) -> bool:
    """Say whether a word names a place that is not the store."""
    kind, colon, rest = text.partition(":")
    if kind == REGISTRY:
        return rest.startswith("//")
    # An image of the store that is called `oci` is localhost/oci:latest.
    return bool(colon) and kind in TRANSPORTS and kind != STORE


def parse(text: str, default: str = STORE) -> Location:
    """Return the place that a word means; `default` is the transport of one without. UsageError."""
    kind, colon, rest = text.partition(":")
    if kind in _ABSENT and colon:
        raise UsageError(f"{text}: there is no transport {kind}:", hint=", ".join(TRANSPORTS))
    if kind not in TRANSPORTS or not colon:
        kind, rest = default, f"//{text}" if default == REGISTRY else text
    if kind == REGISTRY:
        if not rest.startswith("//"):
            raise UsageError(f"{text}: a registry's image is docker://NAME")
        return Location(kind, "", str(reference.parse(rest[2:])))
    if not rest:
        raise UsageError(f"{text}: nothing stands behind {kind}:")
    if kind == STORE:
        if rest.startswith("["):
            raise UsageError(f"{text}: another store is chosen by --root", hint="--root PATH")
        return Location(kind, "", rest)
    if kind == DOCKER_DAEMON:
        if not oci_digest.is_digest(rest):
            parsed = reference.parse(rest)
            if parsed.digest:
                raise UsageError(f"{text}: the daemon takes NAME:TAG or the id sha256:…")
            rest = parsed.familiar
        return Location(kind, "", rest)
    if kind == DIRECTORY:
        return Location(kind, rest)
    path, _, name = rest.partition(":")
    if not path:
        raise UsageError(f"{text}: no path stands behind {kind}:")
    if kind == DOCKER_ARCHIVE and name and not name.startswith("@"):
        parsed = reference.parse(name)
        if parsed.digest:
            raise UsageError(f"{text}: an archive has names with tags only")
        name = str(parsed)
    return Location(kind, path, name)
