# SPDX-License-Identifier: Apache-2.0
"""Seccomp filters: an OCI profile to BPF, through pypod-seccomp, kept by hash.

The default filter is compiled at build time and shipped; any other is compiled once per store. A
filter that cannot be made is an error: a container never runs without the filter it asked for.
"""

from __future__ import annotations

import os

from pypod.errors import PypodError
from pypod.kernel import log, memfd
from pypod.kernel.paths import LIBEXEC
from pypod.spec.security import OTHERWISE
from pypod.spec.syscalls import NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    from _sha2 import sha256 as _sha256  # Python 3.12 and newer
except ImportError:
    from _sha256 import sha256 as _sha256

VERSION = "pypod-seccomp/1"


def words(profile: dict[str, Any]) -> bytes:
    """Return the profile in pypod-seccomp's words (libexec/PLAN.md): NUL-ended, VERB ARGC ARG...

    Raises PypodError for an action that pypod does not know.
    """
    out = [
        VERSION,
        "default",
        "1",
        _action(profile["defaultAction"], profile.get("defaultErrnoRet")),
    ]
    used = {name for rule in profile.get("syscalls", ()) for name in rule["names"]}
    for name, number in NUMBERS.items():
        if name in used:
            out += ["number", "2", name, str(number)]
    for rule in profile.get("syscalls", ()):
        action = _action(rule["action"], rule.get("errnoRet"))
        tests: list[str] = []
        for test in rule.get("args", ()):
            operator = test["op"].removeprefix("SCMP_CMP_").lower()
            tests += [
                str(test["index"]),
                operator,
                str(test["value"]),
                str(test.get("valueTwo", 0)),
            ]
        if tests:
            for name in rule["names"]:
                out += ["match", str(2 + len(tests)), name, action, *tests]
        else:
            out += ["always", str(1 + len(rule["names"])), action, *rule["names"]]
    for name, errno in profile.get(OTHERWISE, {}).items():
        out += ["otherwise", "2", name, f"errno:{errno}"]
    return "\0".join(out).encode() + b"\0"


def _action(name: str, errno: int | None) -> str:
    if name == "SCMP_ACT_ALLOW":
        return "allow"
    if name == "SCMP_ACT_ERRNO":
        return f"errno:{1 if errno is None else errno}"
    if name == "SCMP_ACT_TRACE":
        return f"trace:{1 if errno is None else errno}"
    if name.removeprefix("SCMP_ACT_") in ("KILL", "KILL_THREAD", "KILL_PROCESS", "LOG", "TRAP"):
        return name.removeprefix("SCMP_ACT_").lower()
    raise PypodError(f"seccomp: action {name} is not supported")


def filter_fd(profile: dict[str, Any], cache: str) -> int:
    """Return a close-on-exec descriptor of the BPF program for `profile`.

    `cache` is the store's cache directory. Raises PypodError.
    """
    text = words(profile)
    name = _sha256(text).hexdigest() + ".bpf"
    for directory in (LIBEXEC, cache):
        try:
            return os.open(f"{directory}/seccomp/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
    program = compile_filter(text)
    os.makedirs(cache + "/seccomp", mode=0o700, exist_ok=True)
    staged = f"{cache}/seccomp/.{name}.{os.getpid()}"
    with open(staged, "wb") as file:
        file.write(program)
    os.rename(staged, f"{cache}/seccomp/{name}")
    return os.open(f"{cache}/seccomp/{name}", os.O_RDONLY | os.O_CLOEXEC)


def compile_filter(text: bytes) -> bytes:
    """Run pypod-seccomp on `words(...)` and return the BPF program. Raises PypodError."""
    source = memfd.sealed("seccomp-words", text)
    program_out, program_in = os.pipe2(os.O_CLOEXEC)
    message_out, message_in = os.pipe2(os.O_CLOEXEC)
    path = memfd.helper_path("pypod-seccomp")
    try:
        actions = [
            (os.POSIX_SPAWN_DUP2, source, 0),
            (os.POSIX_SPAWN_DUP2, program_in, 1),
            (os.POSIX_SPAWN_DUP2, message_in, 2),
        ]
        pid = os.posix_spawn(path, [path], {"PATH": "/usr/bin:/bin"}, file_actions=actions)
    except OSError as error:
        raise PypodError(f"helper {path}: {error.strerror}", hint="reinstall pypod") from None
    finally:
        for fd in (source, program_in, message_in):
            os.close(fd)
    with open(program_out, "rb") as file:
        program = file.read()
    with open(message_out, "rb") as file:
        message = file.read().decode("utf-8", "replace").strip()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status or not program or len(program) % 8:
        raise PypodError(
            f"cannot make the seccomp filter: {message or f'pypod-seccomp ended {status}'}",
            hint="install libseccomp2 (Debian) or libseccomp (Fedora)",
        )
    for line in message.splitlines():
        log.debug(f"seccomp: the profile names a system call that is not known here: {line[9:]}")
    return program
