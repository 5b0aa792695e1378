# SPDX-License-Identifier: Apache-2.0
"""A signature as a file: there and back, and what is none."""

from __future__ import annotations

import pytest

from pypod.errors import IntegrityError
from pypod.oci import signed
from pypod.oci.signed import Signature
from pypod.transport import signature_file

BEGIN = b"\x00sigstore-json\n"


@pytest.mark.parametrize(
    "one",
    [
        Signature(signed.SIMPLE, b"\x88 OpenPGP"),
        Signature(signed.COSIGN, b"{}", signed.LAYER, ((signed.ANNOTATION, "eA=="), ("b", "c"))),
        Signature(signed.COSIGN, b"", "x/y"),
    ],
)
def test_a_signature_comes_back_from_a_file(one: Signature) -> None:
    assert signature_file.unpacked(signature_file.packed(one)) == one


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x00another-kind\n{}",
        BEGIN,
        BEGIN + b"[]",
        BEGIN + b'{"mimeType": "x", "payload": "?", "annotations": {}}',
        BEGIN + b'{"mimeType": "x", "payload": 7, "annotations": {}}',
        BEGIN + b'{"mimeType": "x", "payload": "eA==", "annotations": []}'.replace(b"[]", b"[1]"),
        BEGIN + b'{"mimeType": "x", "mimeType": "y", "payload": "eA=="}',
    ],
)
def test_what_is_no_signature_is_an_error(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        signature_file.unpacked(data)
