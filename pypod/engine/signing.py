# SPDX-License-Identifier: Apache-2.0
"""Who signs what is copied: a key of sigstore's, or one of the user's gpg.

A signer is made, and its key opened, before anything is sent: a wrong passphrase costs no upload.
"""

from __future__ import annotations

import time

from pypod.engine import openpgp, sigstore
from pypod.errors import IntegrityError, PypodError
from pypod.kernel import fastjson, strictjson, trust_files
from pypod.oci import signed
from pypod.oci.signed import Signature, Signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Signer(Protocol):
        """Makes signatures of one kind."""

        kind: str

        def sign(self, what: Signed) -> Signature:
            """Return a signature. Raises PypodError."""

        def made(self, found: Signature, what: Signed) -> bool:
            """Say whether a signature is one that this signer made of the same."""


class Sigstore:
    """Signs with a private key in a file."""

    kind = signed.COSIGN

    def __init__(self, path: str, passphrase: bytes | None) -> None:
        """Raises PypodError for what is no key, and for a wrong passphrase."""
        self._key = sigstore.PrivateKey(trust_files.read(path), path, passphrase)

    def sign(self, what: Signed) -> Signature:
        """Return a signature."""
        payload = _payload(what, self.kind)
        notes = ((signed.ANNOTATION, self._key.sign(payload)),)
        return Signature(self.kind, payload, signed.LAYER, notes)

    def made(self, found: Signature, what: Signed) -> bool:
        """Say whether a signature is one that this key made of the same."""
        if found.kind != self.kind:
            return False
        try:
            signature = sigstore.decoded(dict(found.annotations).get(signed.ANNOTATION))
            return self._key.signed(signature, found.data) and _says(found.data, self.kind, what)
        except IntegrityError:
            return False


class OpenPgp:
    """Signs with a key of the user's gpg, named as gpg names keys."""

    kind = signed.SIMPLE

    def __init__(self, key: str, passphrase: bytes | None) -> None:
        """Raises PypodError when the key cannot sign."""
        if key.startswith("-"):
            raise PypodError(f"--sign-by {key}: that is no fingerprint")
        self._name, self._passphrase = key, passphrase
        self._ring = b""
        openpgp.sign(b"a trial, before anything is sent", key, passphrase)

    def sign(self, what: Signed) -> Signature:
        """Return a signature. Raises PypodError."""
        content = _payload(what, self.kind)
        return Signature(self.kind, openpgp.sign(content, self._name, self._passphrase))

    def made(self, found: Signature, what: Signed) -> bool:
        """Say whether a signature is one that this key made of the same."""
        if found.kind != self.kind:
            return False
        try:
            self._ring = self._ring or openpgp.exported(self._name)
            return _says(openpgp.verify(found.data, self._ring), self.kind, what)
        except PypodError:
            return False  # another's, or no gpgv to tell: then one more does no harm


def asks_for_passphrase(path: str) -> bool:
    """Say whether the key in a file needs a passphrase. Raises PypodError."""
    return sigstore.is_encrypted(trust_files.read(path))


def _payload(what: Signed, kind: str) -> bytes:
    return fastjson.dumps(signed.document(what, kind, int(time.time()))).encode()


def _says(content: bytes, kind: str, what: Signed) -> bool:
    """Say whether what was signed is this. Raises IntegrityError for what is no such document."""
    found = signed.parse(strictjson.loads(content, "what it signs"), kind)
    return (found.digest, found.name) == (what.digest, what.name)
