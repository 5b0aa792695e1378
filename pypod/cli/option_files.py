# SPDX-License-Identifier: Apache-2.0
"""Files that options of run and create name: read once, at create, in the caller's directory."""

from __future__ import annotations

import os

from pypod.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args

_PROFILE_MOST = 4 << 20


def read_file(option: str, path: str) -> str:
    """Return the text of a file. Raises UsageError with the option's name."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None


def read(args: Args, given: dict[str, Any]) -> None:
    """Put what the options' files hold into the fields of CreateOptions. Raises UsageError."""
    given["env_file"] = tuple(read_file("--env-file", path) for path in args.env_file)
    given["label_file"] = tuple(read_file("--label-file", path) for path in args.label_file)
    if args.security_opt:
        from pypod.spec import confine

        path = confine.read(args.security_opt).seccomp
        if path not in ("", "unconfined"):
            given["seccomp_profile"] = _profile(path)
    given["rootfs"] = os.path.abspath(args.image) if args.rootfs else ""


def _profile(path: str) -> bytes:
    option = f"--security-opt seccomp={path}"
    try:
        with open(path, "rb") as file:
            text = file.read(_PROFILE_MOST + 1)
    except OSError as error:
        raise UsageError(f"{option}: {error.strerror}") from None
    if not text:
        raise UsageError(f"{option}: the file is empty")
    return text
