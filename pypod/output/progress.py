# SPDX-License-Identifier: Apache-2.0
"""How far a pull is: bars on a terminal's stderr, plain lines elsewhere. The only user of rich."""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.manifest import Descriptor


class Bars:
    """One bar or one line per layer, nothing at all when quiet; use it in a `with` block."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}
        self._lock = threading.Lock()
        if not quiet and os.isatty(2):
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TransferSpeedColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                console=Console(stderr=True),
            )

    def note(self, text: str) -> None:
        """Show one line for people."""
        if self._quiet:
            return
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            os.write(2, f"{text}\n".encode("utf-8", "replace"))

    def begin(self, blob: Descriptor, *, here: bool) -> None:
        """Show that a layer begins to come in, or that it is here already."""
        if self._progress is None:
            self.note(f"Copying blob {blob.digest}{' skipped: already exists' if here else ''}")
        else:
            self.update(blob, blob.size if here else 0)

    def update(self, blob: Descriptor, done: int) -> None:
        """Show how many bytes of a layer are there."""
        if self._progress is None:
            return
        with self._lock:
            if blob.digest not in self._tasks:
                self._tasks[blob.digest] = self._progress.add_task(
                    f"Copying blob {blob.digest[7:19]}", total=blob.size
                )
            self._progress.update(self._tasks[blob.digest], completed=done)

    def __enter__(self) -> Bars:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._progress is not None:
            self._progress.stop()
