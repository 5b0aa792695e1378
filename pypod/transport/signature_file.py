# SPDX-License-Identifier: Apache-2.0
"""A signature as the bytes of a file: in `dir:` places and in lookaside ones.

An OpenPGP signature is the file. What sigstore has of one, several values, is JSON behind a line
that no OpenPGP message begins with. Source: signature-protocols.md and the `dir` transport of
containers/image.
"""

from __future__ import annotations

import base64
import binascii

from pypod.errors import IntegrityError
from pypod.kernel import fastjson, strictjson
from pypod.oci import signed
from pypod.oci.signed import Signature

_BEGIN, _SIGSTORE = b"\x00", b"\x00sigstore-json\n"
SIZE_MOST = 1 << 20
COUNT_MOST = 128
"""Signatures of one image that are looked at."""


def packed(one: Signature) -> bytes:
    """Return the bytes of a file."""
    if one.kind == signed.SIMPLE:
        return one.data
    document = {
        "mimeType": one.media_type,
        "payload": base64.b64encode(one.data).decode(),
        "annotations": dict(one.annotations),
    }
    return _SIGSTORE + fastjson.dumps(document).encode()


def unpacked(data: bytes) -> Signature:
    """Return what a file holds. Raises IntegrityError for a kind that is not known."""
    if not data.startswith(_BEGIN):
        return Signature(signed.SIMPLE, data)
    if not data.startswith(_SIGSTORE):
        raise IntegrityError("a signature of a kind that is not known to pypod")
    found = strictjson.loads(data[len(_SIGSTORE) :], "a signature")
    found = found if isinstance(found, dict) else {}
    kind, payload = found.get("mimeType"), found.get("payload")
    notes = found.get("annotations") or {}
    if not isinstance(kind, str) or not isinstance(payload, str) or not isinstance(notes, dict):
        raise IntegrityError("a signature in JSON is damaged")
    try:
        content = binascii.a2b_base64(payload, strict_mode=True)
    except ValueError:
        raise IntegrityError("a signature in JSON is damaged") from None
    return Signature(signed.COSIGN, content, kind, notes_of(notes))


def notes_of(notes: object) -> tuple[tuple[str, str], ...]:
    """Return the annotations that are texts."""
    if not isinstance(notes, dict):
        return ()
    return tuple((key, value) for key, value in notes.items() if isinstance(value, str))
