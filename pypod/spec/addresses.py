# SPDX-License-Identifier: Apache-2.0
"""IP addresses as text, read strictly: `127.1`, `010.0.0.1` and scoped ones are none here.

`ipaddress` costs 4 ms and `_socket.inet_pton` is no pure function; RFC 4291 section 2.2 is short.
"""

from __future__ import annotations

_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_MAPPED = bytes(10) + b"\xff\xff"


def packed(text: str) -> bytes:
    """Return the 4 or 16 bytes of an address, network order; empty when `text` is none."""
    return _v6(text) if ":" in text else _v4(text)


def family(text: str) -> int:
    """Return 4 or 6, 0 for what is no address."""
    return {4: 4, 16: 6}.get(len(packed(text)), 0)


def is_loopback(text: str) -> bool:
    """Say whether an address stays within its network namespace: 127/8, ::1, and 0.0.0.0 and ::,
    which connect(2) takes for them; an IPv4 address written as IPv6 counts as what it is."""
    raw = packed(text)
    if raw.startswith(_MAPPED) and len(raw) == 16:
        raw = raw[12:]
    if len(raw) == 4:
        return raw[0] == 127 or raw == bytes(4)
    return len(raw) == 16 and raw[:15] == bytes(15) and raw[15] < 2


def _v4(text: str) -> bytes:
    fields = text.split(".")
    if len(fields) != 4:
        return b""
    for field in fields:
        if not 1 <= len(field) <= 3 or not _DIGITS.issuperset(field):
            return b""
        if int(field) > 255 or (len(field) > 1 and field[0] == "0"):
            return b""
    return bytes(int(field) for field in fields)


def _v6(text: str) -> bytes:
    head, gap, tail = text.partition("::")
    if not gap:
        raw = _groups(head, with_v4=True)
        return raw if raw is not None and len(raw) == 16 else b""
    left = _groups(head, with_v4=False)
    right = _groups(tail, with_v4=True)
    if left is None or right is None or len(left) + len(right) > 14:
        return b""
    return left + bytes(16 - len(left) - len(right)) + right


def _groups(text: str, *, with_v4: bool) -> bytes | None:
    """Return the bytes of groups separated by single colons; None when they make no sense."""
    if not text:
        return b""
    raw = b""
    fields = text.split(":")
    for at, field in enumerate(fields):
        if with_v4 and at == len(fields) - 1 and "." in field:
            last = _v4(field)
            return raw + last if last else None
        if not 1 <= len(field) <= 4 or not _HEX.issuperset(field):
            return None
        raw += int(field, 16).to_bytes(2, "big")
    return raw
