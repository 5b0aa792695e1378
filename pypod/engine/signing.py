# SPDX-License-Identifier: Apache-2.0
"""Who signs what is copied: a key of sigstore's, or one of the user's gpg.

A signer is made, and its key opened, before anything is sent: a wrong passphrase costs no upload.
"""

from __future__ import annotations

import time

from pypod.errors import PypodError
from pypod.kernel import fastjson, trust_files
from pypod.oci import signed
from pypod.oci.signed import Signature, Signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Signer(Protocol):
        """Makes signatures of one kind."""

        kind: str

        def sign(self, found: Signed) -> Signature:
            """Return a signature. Raises PypodError."""


class Sigstore:
    """Signs with a private key in a file."""

    kind = signed.COSIGN

    def __init__(self, path: str, passphrase: bytes | None) -> None:
        """Raises PypodError for what is no key, and for a wrong passphrase."""
        from pypod.engine.sigstore import PrivateKey

        self._key = PrivateKey(trust_files.read(path), path, passphrase)

    def sign(self, found: Signed) -> Signature:
        """Return a signature."""
        payload = _payload(found, self.kind)
        notes = ((signed.ANNOTATION, self._key.sign(payload)),)
        return Signature(self.kind, payload, signed.LAYER, notes)


class OpenPgp:
    """Signs with a key of the user's gpg, named as gpg names keys."""

    kind = signed.SIMPLE

    def __init__(self, key: str, passphrase: bytes | None) -> None:
        """Raises PypodError when the key cannot sign."""
        if key.startswith("-"):
            raise PypodError(f"--sign-by {key}: that is no fingerprint")
        self._name, self._passphrase = key, passphrase
        self._made(b"a trial, before anything is sent")

    def _made(self, content: bytes) -> bytes:
        from pypod.engine import openpgp

        return openpgp.sign(content, self._name, self._passphrase)

    def sign(self, found: Signed) -> Signature:
        """Return a signature. Raises PypodError."""
        return Signature(self.kind, self._made(_payload(found, self.kind)))


def asks_for_passphrase(path: str) -> bool:
    """Say whether the key in a file needs a passphrase. Raises PypodError."""
    from pypod.engine import sigstore

    return sigstore.is_encrypted(trust_files.read(path))


def _payload(found: Signed, kind: str) -> bytes:
    return fastjson.dumps(signed.document(found, kind, int(time.time()))).encode()
