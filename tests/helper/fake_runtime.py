#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""A runtime for tests of pypod-monitor: speaks proto.h's status records, isolates nothing.

fake_runtime.py run WORD...               become the container: pid record, release, exec
fake_runtime.py tty WORD...               the same on a pty whose master goes to the monitor
fake_runtime.py error STAGE ERRNO TEXT    report a failed start
fake_runtime.py late-error STAGE ERRNO TEXT   the same after the pid record
fake_runtime.py exit CODE                 end without a word
fake_runtime.py garbage                   send something else
fake_runtime.py stranger                  name a process that is not the monitor's child
"""

import _socket
import array
import fcntl
import os
import sys
from _struct import pack

STATUS = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, 3)


def record(kind: int, stage: int = 0, err: int = 0, pid: int = 0, text: str = "") -> None:
    STATUS.send(pack("=IIiiii232s", 0x50595030, kind, stage, -1, err, pid, text.encode()))


def take_terminal() -> None:
    master, slave = os.openpty()
    console = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, 4)
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [master]).tobytes())]
    console.sendmsg([b"m"], rights)
    os.close(master)
    console.close()
    os.setsid()
    fcntl.ioctl(slave, 0x540E, 0)  # TIOCSCTTY
    for fd in range(3):
        os.dup2(slave, fd)


def main(mode: str, *words: str) -> int:
    os.set_inheritable(3, False)
    if mode == "exit":
        return int(words[0])
    if mode == "garbage":
        STATUS.send(b"hello")
        STATUS.recv(1)
    if mode == "stranger":
        record(1, pid=1)
        STATUS.recv(1)
    if mode == "error":
        record(2, int(words[0]), int(words[1]), text=words[2])
        return 1
    record(1, pid=os.getpid())
    if mode == "late-error":
        STATUS.recv(1)
        record(2, int(words[0]), int(words[1]), text=words[2])
        return 1
    if mode == "tty":
        take_terminal()
    if not STATUS.recv(1):
        return 1
    os.execv(words[0], words)


sys.exit(main(*sys.argv[1:]))
