# SPDX-License-Identifier: Apache-2.0
"""What a place of images is to those who move them: somewhere to read from, somewhere to write to.

An image is an immutable value wherever it lies: bytes of a manifest or index, and the blobs that it
names by digest. So a source is two questions and a target three; registries, archives, directories
and the store answer them, and `engine/copy` knows none of them by name.
"""

from __future__ import annotations

from pypod.errors import BodyCut, IntegrityError
from pypod.store import blobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol, TypeGuard

    from pypod.oci.convert import Document
    from pypod.oci.manifest import Descriptor
    from pypod.oci.signed import Signature

    Read = Callable[[int], Iterable[bytes]]
    """The verified bytes of a blob from an offset on; may be called again."""

    class Body(Protocol):
        """A blob on its way; iterate over it in a `with` block."""

        @property
        def offset(self) -> int:
            """Where it begins; not where it was asked to when the place cannot do that."""

        def __iter__(self) -> Iterator[bytes]:
            """Yield the bytes."""

        def __enter__(self) -> Body:
            """Return the body itself."""

        def __exit__(self, kind: object, error: object, trace: object) -> None:
            """Let it go."""

    class Source(Protocol):
        """Where an image is read from. Safe to use from several threads after `connect`."""

        @property
        def tries(self) -> int:
            """How often a blob is asked for that is cut off."""

        def connect(self) -> None:
            """Get ready. Raises PypodError."""

        def manifest(self, wanted: str) -> tuple[bytes, str, str]:
            """Return bytes, media type and digest, where known, of a tag or digest.

            Nothing wanted is the image that the source was opened for. The caller verifies.
            """

        def blob(self, digest: str, size: int, offset: int = 0) -> Body:
            """Return a blob; the caller verifies it."""

        def wait(self, attempt: int) -> None:
            """Wait before the next try of what was cut off."""

        def cancel(self) -> None:
            """Stop what is under way; called from another thread."""

        def close(self) -> None:
            """Let go."""

    class Target(Protocol):
        """Where an image is written to. `put` is called from several threads."""

        noun: str
        """What messages call it."""
        kinds: tuple[str, ...]
        """Media types of the manifests that it takes, the preferred one first."""
        plain_layers: bool
        """It takes layers as plain tars only."""
        packs_layers: bool
        """Plain layers are better compressed on their way to it."""
        several: bool
        """It can hold an index and its images."""
        in_order: bool
        """It is one stream: the same image must be the same stream each time."""

        def connect(self) -> None:
            """Get ready. Raises PypodError."""

        def has(self, blob: Descriptor) -> bool:
            """Say whether a blob is there already."""

        def put(self, blob: Descriptor, read: Read) -> None:
            """Write a blob. Raises PypodError."""

        def put_manifest(self, document: Document, *, top: bool) -> None:
            """Write a manifest or index, after all that it names; the top one has the name."""

        def finish(self) -> None:
            """Make what was written durable and visible, where that was not so at once."""

        def cancel(self) -> None:
            """Stop what is under way; called from another thread."""

        def close(self) -> None:
            """Let go; what was not finished is thrown away."""

    class Keeper(Target, Protocol):
        """A target that keeps signatures, too."""

        identity: str
        """What an image that is written there is signed as; empty when it has no name there."""

        def check_signatures(self, kinds: set[str]) -> None:
            """Raise PypodError unless signatures of these kinds can be kept."""

        def signatures_of(self, digest: str, kinds: set[str]) -> list[Signature]:
            """Return the signatures of a manifest that are there and stay. Raises PypodError."""

        def put_signatures(self, digest: str, found: list[Signature], *, top: bool) -> None:
            """Write the signatures of a manifest. Raises PypodError."""

    class Progress(Protocol):
        """Shows how far a transfer is; called from several threads."""

        def note(self, text: str) -> None:
            """Show one line."""

        def begin(self, blob: Descriptor, *, here: bool) -> None:
            """A blob begins to move, or is there already."""

        def update(self, blob: Descriptor, done: int) -> None:
            """So many bytes of a blob are there."""


_STEP = 1 << 20
"""A connection that brought so many new bytes before it was cut does not count as a failed try."""


def keeps_signatures(target: Target) -> TypeGuard[Keeper]:
    """Say whether a target keeps signatures."""
    return hasattr(target, "put_signatures")


class Silent:
    """Progress that nobody looks at."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def begin(self, blob: Descriptor, *, here: bool) -> None:
        """Say nothing."""

    def update(self, blob: Descriptor, done: int) -> None:
        """Say nothing."""


def stream(
    source: Source,
    blob: Descriptor,
    offset: int = 0,
    update: Callable[[int], None] | None = None,
) -> Iterator[bytes]:
    """Yield a blob from `offset` on, going on where it is cut off.

    From its beginning it is verified, its last bytes before they are given away. Raises
    IntegrityError, RegistryError.
    """
    at, best, failed = offset, 0, 0
    digest = blobs.Hash() if offset == 0 else None
    held = b""
    while at < blob.size:
        try:
            with source.blob(blob.digest, blob.size, at) as body:
                skip = at - body.offset
                for chunk in body:
                    fresh = chunk[skip:] if skip < len(chunk) else b""
                    skip = max(0, skip - len(chunk))
                    at += len(fresh)
                    if digest is not None:
                        digest.update(fresh)
                    if held:
                        yield held
                    held = fresh
                    if update is not None:
                        update(at)
        except BodyCut:
            failed = 1 if at >= best + _STEP else failed + 1
            best = max(best, at)
            if failed >= source.tries:
                raise
            source.wait(failed)
            continue
        if at < blob.size:
            raise IntegrityError(f"blob {blob.digest} ended after {at} of {blob.size} bytes")
    if digest is not None and digest.digest != blob.digest:
        raise IntegrityError(f"blob {blob.digest} arrived as {digest.digest}: wrong digest")
    if held:
        yield held


def small(source: Source, blob: Descriptor) -> bytes:
    """Return a small blob, verified. Raises IntegrityError, RegistryError."""
    return b"".join(stream(source, blob))
