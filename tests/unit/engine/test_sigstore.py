# SPDX-License-Identifier: Apache-2.0
"""Private keys: what is said where PyNaCl is missing, and what is no key."""

from __future__ import annotations

import sys

import pytest

from pypod.engine import sigstore
from pypod.errors import PypodError
from tests.fixtures import signing


def test_without_pynacl_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nacl.secret", None)
    monkeypatch.setitem(sys.modules, "nacl.exceptions", None)
    with pytest.raises(PypodError, match="needs PyNaCl") as caught:
        sigstore.PrivateKey(signing.COSIGN_KEY.encode(), "k", b"x")
    assert "pip install PyNaCl" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "pem",
    [b"", b"-----BEGIN ", b"-----BEGIN PUBLIC KEY-----", b"-----BEGIN PRIVATE KEY-----\nx\n"],
)
def test_what_is_no_key_is_an_error(pem: bytes) -> None:
    with pytest.raises(PypodError):
        sigstore.PrivateKey(pem, "k", b"x")
