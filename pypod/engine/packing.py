# SPDX-License-Identifier: Apache-2.0
"""gzip and zstd, in and out; bzip2 and xz in. The only user of isal and zstandard.

What comes in is a stranger's: it is inflated in small pieces, with a bounded window.
"""

from __future__ import annotations

import zlib

from pypod.errors import IntegrityError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    Sink = Callable[[bytes], None]

    class Inflater(Protocol):
        """Turns compressed bytes into plain ones, never many at once."""

        def write(self, data: bytes) -> None:
            """Take compressed bytes. Raises IntegrityError."""

        def end(self) -> None:
            """Say that this was all. Raises IntegrityError when it cannot be."""


_PIECE = 1 << 18
"""Most bytes that are inflated at once: 1 MiB of gzip may hold a gigabyte (A54)."""
_ZSTD_WINDOW_MOST = 1 << 27
"""128 MiB: a frame that asks for more is refused (A54)."""
_XZ_MEMORY_MOST = 1 << 28
_USTAR = 257
"""Where the magic of a tar stands (tar(5))."""
_RATIO_MOST, _RATIO_FROM = 200, 1 << 30
"""From 1 GiB on, a layer of more than 200 times its compressed size is no layer but a bomb."""
LEVELS = {"gzip": (1, 9), "zstd": (1, 20)}
"""The levels that a user may ask for (podman's --compression-level)."""
_FAST_LEVEL = 3
"""isal's highest: about as small as gzip -3, and ten times as fast."""
_ZSTD_LEVEL = 3


class _Plain:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, data: bytes) -> None:
        self._sink(data)

    def end(self) -> None:
        pass


class _Gzip:
    """gzip with several members, by isal (3 times faster than zlib) where it is installed.

    A tar that is called gzip passes as it is: podman's docker-dir and some registries have such.
    """

    def __init__(self, sink: Sink) -> None:
        library: Any = zlib
        try:
            from isal import isal_zlib

            library = isal_zlib
        except ImportError:
            pass
        self._sink, self._error = sink, library.error
        self._new = library.decompressobj
        self._inflater = self._new(31)
        self._begun = self._plain = False

    def write(self, data: bytes) -> None:
        if not self._begun:
            self._begun, self._plain = True, data[_USTAR:].startswith(b"ustar")
        if self._plain:
            self._sink(data)
            return
        while data:
            if self._inflater.eof:
                if not data.strip(b"\0"):
                    return  # padding behind the last member
                self._inflater = self._new(31)
            try:
                plain = self._inflater.decompress(data, _PIECE)
            except (self._error, ValueError) as error:
                raise IntegrityError(f"the layer is not gzip: {error}") from None
            inflater = self._inflater
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if plain:
                self._sink(plain)

    def end(self) -> None:
        while not self._inflater.eof and not self._plain:
            try:
                plain = self._inflater.decompress(self._inflater.unconsumed_tail, _PIECE)
            except (self._error, ValueError):
                plain = b""
            if not plain:
                raise IntegrityError("the layer's gzip data ends too early")
            self._sink(plain)


class _Zstd:
    """zstd, several frames, a bounded window. A cut frame is found by the diff_id."""

    def __init__(self, sink: Sink) -> None:
        import zstandard

        self._sink, self._error = sink, zstandard.ZstdError
        context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MOST)
        self._writer = context.stream_writer(_File(sink), write_size=_PIECE)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
        except self._error as error:
            raise IntegrityError(f"the layer is not zstd: {error}") from None

    def end(self) -> None:
        pass


class _File:
    """What `zstandard` writes to."""

    def __init__(self, sink: Sink) -> None:
        self.write = sink


class _Stream:
    """bzip2 or xz, several streams: archives come so, layers do not."""

    def __init__(self, sink: Sink, kind: str) -> None:
        self._sink, self._kind = sink, kind
        self._error: Any
        self._new: Callable[[], Any]
        if kind == "bzip2":
            import bz2

            self._new, self._error = bz2.BZ2Decompressor, (OSError, ValueError)
        else:
            import lzma

            self._new = lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_MOST)
            self._error = (lzma.LZMAError, MemoryError)
        self._engine: Any = self._new()

    def write(self, data: bytes) -> None:
        while data or not (self._engine.needs_input or self._engine.eof):
            if self._engine.eof:
                if not data.strip(b"\0"):
                    return
                self._engine = self._new()
            try:
                plain = self._engine.decompress(data, _PIECE)
            except self._error as error:
                raise IntegrityError(f"the archive is not {self._kind}: {error}") from None
            data = self._engine.unused_data if self._engine.eof else b""
            if plain:
                self._sink(plain)

    def end(self) -> None:
        if not self._engine.eof:
            raise IntegrityError(f"the archive's {self._kind} data ends too early")


_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
}


def compression_of(head: bytes) -> str:
    """Return how bytes are packed that begin so; nothing for plain ones."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


_INFLATERS: dict[str, Callable[[Sink], Inflater]] = {
    "": _Plain,
    "gzip": _Gzip,
    "zstd": _Zstd,
    "bzip2": lambda sink: _Stream(sink, "bzip2"),
    "xz": lambda sink: _Stream(sink, "xz"),
}


def inflater(compression: str, sink: Sink) -> Inflater:
    """Return what inflates into `sink`; `compression` is gzip, zstd or nothing."""
    return _INFLATERS[compression](sink)


def check_level(compression: str, level: int | None) -> None:
    """Raise UsageError for a level that this compression has not."""
    least, most = LEVELS[compression]
    if level is not None and not least <= level <= most:
        raise UsageError(f"--compression-level {level}: {compression} has {least} to {most}")


def repack(
    chunks: Iterable[bytes],
    before: str,
    after: str,
    write: Sink,
    *,
    level: int | None = None,
    seen: Sink | None = None,
) -> None:
    """Inflate what is packed as `before` and write it packed as `after`; `seen` gets it plain.

    gzip has no time in its header, so that the same bytes are always packed the same way. Raises
    IntegrityError, also for a bomb.
    """
    engine = _zstd(level) if after == "zstd" else _gzip(level) if after else None
    given = found = 0

    def take(plain: bytes) -> None:
        nonlocal found
        found += len(plain)
        check_ratio("the layer", given, found)
        if seen is not None:
            seen(plain)
        data = engine.compress(plain) if engine else plain
        if data:
            write(data)

    source = inflater(before, take)
    for chunk in chunks:
        given += len(chunk)
        source.write(chunk)
    source.end()
    if engine:
        write(engine.flush())


def check_ratio(noun: str, given: int, plain: int) -> None:
    """Raise IntegrityError for a bomb."""
    if plain > _RATIO_FROM and plain > _RATIO_MOST * given:
        raise IntegrityError(f"{noun} unpacks to more than {_RATIO_MOST} times its size: refused")


def _gzip(level: int | None) -> Any:
    if level is None:
        try:
            from isal import isal_zlib

            return isal_zlib.compressobj(_FAST_LEVEL, isal_zlib.DEFLATED, 31)
        except ImportError:
            level = 6
    return zlib.compressobj(level, zlib.DEFLATED, 31)


def _zstd(level: int | None) -> Any:
    import zstandard

    return zstandard.ZstdCompressor(level=level or _ZSTD_LEVEL).compressobj()
