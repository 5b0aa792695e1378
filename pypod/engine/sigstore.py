# SPDX-License-Identifier: Apache-2.0
"""sigstore's signatures by a key: ECDSA with SHA-256. The only importer of `cryptography`."""

from __future__ import annotations

import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pypod.errors import IntegrityError, PypodError


class PublicKey:
    """A key that may have signed."""

    def __init__(self, pem: bytes, noun: str) -> None:
        """Raises PypodError for what is no ECDSA key in PEM."""
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise PypodError(f"{noun}: not a public key in PEM") from None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise PypodError(f"{noun}: not an ECDSA key, others are not known to pypod")
        self._key = key

    def signed(self, signature: bytes, payload: bytes) -> bool:
        """Say whether the key made a signature (DER) of these bytes."""
        try:
            self._key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def decoded(text: object) -> bytes:
    """Return the signature in an annotation. Raises IntegrityError."""
    if not isinstance(text, str):
        raise IntegrityError("it has no signature in its annotations")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise IntegrityError("it is not base64") from None
