# SPDX-License-Identifier: Apache-2.0
"""The shipped filter through a small BPF interpreter: also for ABIs that this kernel may lack."""

from __future__ import annotations

import errno
import json
import os
import struct
from pathlib import Path

import pytest

from pypod.errors import PypodError
from pypod.kernel.paths import LIBEXEC
from pypod.runtime import seccomp
from pypod.spec.security import DEFAULT_CAPS, OTHERWISE
from pypod.spec.security import seccomp as profile_of

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "probe.json").read_text())
X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
"""AUDIT_ARCH_* of linux/audit.h."""
X32 = 0x40000000
CLONE, SOCKET, PERSONALITY, UNSHARE = 56, 41, 135, 272

pytestmark = pytest.mark.usefixtures("on_x86_64")


@pytest.fixture(scope="module")
def on_x86_64() -> None:
    assert os.uname().machine == "x86_64", "the golden numbers are x86-64's"


def run_bpf(program: bytes, number: int, arch: int = X86_64, *args: int) -> int:
    """Return what a classic BPF program answers to a call (linux/filter.h, seccomp(2))."""
    words = list(args) + [0] * (6 - len(args))
    data = struct.pack("<IIQ6Q", number, arch, 0, *words)
    accumulator, at = 0, 0
    for _step in range(len(program)):
        code, jt, jf, k = struct.unpack_from("<HBBI", program, 8 * at)
        at += 1
        kind = code & 7
        if kind == 0:  # BPF_LD | BPF_W | BPF_ABS
            assert code == 0x20 and k % 4 == 0
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif kind == 4:  # BPF_ALU | BPF_AND | BPF_K
            assert code == 0x54
            accumulator &= k
        elif kind == 6:  # BPF_RET | BPF_K
            assert code == 0x06
            return k
        else:
            tests = {0x10: accumulator == k, 0x20: accumulator > k, 0x30: accumulator >= k}
            if code & 0xF0 == 0:
                at += k
            else:
                at += jt if tests[code & 0xF0] else jf
    raise AssertionError("the program does not end")


def verdict(program: bytes, number: int, arch: int = X86_64, *args: int) -> str:
    """Return ALLOW or the name of an errno."""
    answer = run_bpf(program, number, arch, *args)
    if answer == 0x7FFF0000:
        return "ALLOW"
    assert answer >> 16 == 0x0005, hex(answer)
    return errno.errorcode[answer & 0xFFFF]


@pytest.fixture(scope="module")
def shipped() -> bytes:
    """Return the filter that was compiled at build time."""
    (path,) = Path(LIBEXEC, "seccomp").glob("*.bpf")
    return path.read_bytes()


def compiled(*more: str) -> bytes:
    """Return the filter of the default capabilities and more."""
    return seccomp.compile_filter(seccomp.words(profile_of([*DEFAULT_CAPS, *more])))


def test_the_shipped_filter_is_the_default_one(shipped: bytes) -> None:
    assert shipped == compiled()
    assert len(shipped) < 8 * 4096


def test_the_default_filter_is_found_without_compiling(tmp_path: Path) -> None:
    fd = seccomp.filter_fd(profile_of(DEFAULT_CAPS), str(tmp_path))
    os.close(fd)
    assert list(tmp_path.iterdir()) == []


def test_another_filter_is_compiled_once(tmp_path: Path) -> None:
    profile = profile_of([*DEFAULT_CAPS, "CAP_SYS_PTRACE"])
    for _ in range(2):
        os.close(seccomp.filter_fd(profile, str(tmp_path)))
    (made,) = (tmp_path / "seccomp").iterdir()
    assert verdict(made.read_bytes(), 101) == "ALLOW"


def test_every_number_of_the_native_abi(shipped: bytes) -> None:
    wanted = {int(number): text for number, text in GOLDEN["syscalls"].items()}
    assert {number: verdict(shipped, number) for number in wanted} == wanted


@pytest.mark.parametrize("arch", [I386, AARCH64, 0])
def test_a_foreign_architecture_is_enosys_whatever_it_calls(shipped: bytes, arch: int) -> None:
    # 102 is socketcall(2) on i386: its arguments lie in memory, where no filter can look.
    assert {verdict(shipped, number, arch) for number in (*range(600), 102)} == {"ENOSYS"}


def test_the_x32_abi_is_enosys_whatever_it_calls(shipped: bytes) -> None:
    assert {verdict(shipped, number | X32) for number in range(600)} == {"ENOSYS"}
    assert verdict(shipped, 0xFFFFFFFF) == "ENOSYS"


def test_families_and_protocols(shipped: bytes) -> None:
    for family, wanted in GOLDEN["families"].items():
        assert verdict(shipped, SOCKET, X86_64, int(family), 1, 0) == wanted
        # The kernel reads 32 bits: an upper half must not make another family of it.
        assert verdict(shipped, SOCKET, X86_64, int(family) | 1 << 32, 1, 0) == wanted
    assert verdict(shipped, SOCKET, X86_64, 16, 3, 9) == "EINVAL"
    assert verdict(shipped, SOCKET, X86_64, 16, 3, 0) == "ALLOW"
    assert verdict(shipped, SOCKET, X86_64, 46, 1, 0) == "EAFNOSUPPORT"


def test_clone_takes_no_new_namespace(shipped: bytes) -> None:
    assert verdict(shipped, CLONE, X86_64, 17) == "ALLOW"
    for bit in range(32):
        namespace = 0x7E020000 >> bit & 1
        assert verdict(shipped, CLONE, X86_64, 1 << bit | 17) == ("EPERM" if namespace else "ALLOW")


def test_personality(shipped: bytes) -> None:
    for value, wanted in ((0, "ALLOW"), (8, "ALLOW"), (0xFFFFFFFF, "ALLOW"), (0x40000, "EPERM")):
        assert verdict(shipped, PERSONALITY, X86_64, value) == wanted


def test_a_capability_opens_its_calls_and_no_others() -> None:
    admin = compiled("CAP_SYS_ADMIN")
    for number in (CLONE, UNSHARE, 165):
        assert verdict(admin, number, X86_64, 0x10000000) == "ALLOW"
    assert verdict(admin, 435) == "ALLOW"  # clone3
    assert verdict(admin, 246) == "EPERM"  # kexec_load
    assert verdict(admin, SOCKET, X86_64, 38) == "EPERM"


@pytest.mark.parametrize(
    ("operator", "value", "hits", "misses"),
    [
        ("GT", 1 << 32, (2 << 32, (1 << 32) + 1), (1 << 32, 5, 0)),
        ("GE", 1 << 32, (1 << 32, 2 << 32), (0xFFFFFFFF, 0)),
        ("LT", 1 << 32, (0xFFFFFFFF, 0), (1 << 32, 2 << 32)),
        ("LE", 1 << 32, (1 << 32, 0), ((1 << 32) + 1, 2 << 32)),
        ("NE", 7, (6, 7 | 1 << 32), (7,)),
        ("EQ", 7, (7,), (6, 7 | 1 << 32)),
    ],
)
def test_comparisons_are_of_64_bits(
    operator: str, value: int, hits: tuple[int, ...], misses: tuple[int, ...]
) -> None:
    rule = {
        "names": ["read"],
        "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 2, "value": value, "valueTwo": 0, "op": f"SCMP_CMP_{operator}"}],
    }
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "syscalls": [rule],
        OTHERWISE: {"read": 1},
    }
    program = seccomp.compile_filter(seccomp.words(profile))
    for argument in hits:
        assert verdict(program, 0, X86_64, 0, 0, argument) == "ALLOW", argument
    for argument in misses:
        assert verdict(program, 0, X86_64, 0, 0, argument) == "EPERM", argument


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"pypod-seccomp/2\0",
        b"pypod-seccomp/1\0",
        b"pypod-seccomp/1\0default\x001\0nonsense\0",
        b"pypod-seccomp/1\0default\x001\0allow\0match\x006\0read\0allow\x009\0eq\x001\x000\0",
        b"pypod-seccomp/1\0default\x001\0allow\0otherwise\x002\0clone\0errno:1\0",
        b"pypod-seccomp/1\0default\x00999\0allow\0",
    ],
)
def test_a_profile_that_makes_no_sense_is_an_error_and_never_a_filter(text: bytes) -> None:
    with pytest.raises(PypodError, match="cannot make the seccomp filter"):
        seccomp.compile_filter(text)


def test_an_unknown_action_is_an_error() -> None:
    with pytest.raises(PypodError, match="SCMP_ACT_NOTIFY"):
        seccomp.words({"defaultAction": "SCMP_ACT_NOTIFY"})
