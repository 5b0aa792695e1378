# SPDX-License-Identifier: Apache-2.0
"""sigstore's signatures by a key: ECDSA with SHA-256. The only importer of `cryptography`.

cosign encrypts its private keys with scrypt and NaCl's secretbox. `cryptography` has no XSalsa20:
PyNaCl opens the box, which only who signs with such a key needs. A cipher of our own was refused.
"""

from __future__ import annotations

import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from pypod.errors import IntegrityError, PypodError
from pypod.kernel import strictjson

_ENCRYPTED = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_OTHERS = ("PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
_MEMORY_MOST = 1 << 30
"""Bytes that scrypt may take: cosign's parameters need 32 or 64 MB."""
_BOX_KEY = 32
_NEEDS_NACL = (
    "pip install PyNaCl, or pypod[sign] (`make install` brings it);"
    " a key in PKCS#8 does not: openssl genpkey -algorithm EC -pkeyopt"
    " ec_paramgen_curve:P-256"
)


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
        return _verified(self._key, signature, payload)


def _verified(key: ec.EllipticCurvePublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
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


def is_encrypted(pem: bytes) -> bool:
    """Say whether a private key needs a passphrase."""
    label = _label(pem)
    return label.startswith("ENCRYPTED ") or b"Proc-Type: 4,ENCRYPTED" in pem


class PrivateKey:
    """A key that signs: in PEM, or as cosign makes them."""

    def __init__(self, pem: bytes, noun: str, passphrase: bytes | None) -> None:
        """Raises PypodError for what is no ECDSA key, and for a wrong passphrase."""
        label = _label(pem)
        if label not in (*_ENCRYPTED, *_OTHERS):
            raise PypodError(f"{noun}: not a private key in PEM or of cosign's")
        if is_encrypted(pem) and passphrase is None:
            raise PypodError(
                f"{noun}: the key has a passphrase", hint="--sign-passphrase-file FILE"
            )
        wrong = PypodError(f"{noun}: a wrong passphrase, or the key is damaged")
        try:
            if label in _ENCRYPTED:
                der = _opened(pem, noun, passphrase or b"")
                key = serialization.load_der_private_key(der, None)
            else:
                used = passphrase if is_encrypted(pem) else None
                key = serialization.load_pem_private_key(pem, used)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise wrong from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise PypodError(f"{noun}: not an ECDSA key, others are not known to pypod")
        self._key = key

    def signed(self, signature: bytes, payload: bytes) -> bool:
        """Say whether this key made a signature (DER) of these bytes."""
        return _verified(self._key.public_key(), signature, payload)

    def sign(self, payload: bytes) -> str:
        """Return the signature of these bytes, DER in base64."""
        made = self._key.sign(payload, ec.ECDSA(hashes.SHA256()))
        return binascii.b2a_base64(made, newline=False).decode()


def _label(pem: bytes) -> str:
    _before, begin, rest = pem.partition(b"-----BEGIN ")
    return rest.partition(b"-----")[0].decode("ascii", "replace") if begin else ""


def _opened(pem: bytes, noun: str, passphrase: bytes) -> bytes:
    """Return the key in cosign's box, PKCS#8. Raises PypodError, ValueError for a wrong one."""
    try:
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox
    except ImportError:
        raise PypodError(
            f"{noun}: cosign's encryption needs PyNaCl, which is not installed", hint=_NEEDS_NACL
        ) from None
    body = pem.partition(b"-----BEGIN ")[2].partition(b"-----")[2].partition(b"-----END ")[0]
    damaged = PypodError(f"{noun}: not a key as cosign writes them")
    try:
        found = strictjson.loads(binascii.a2b_base64(body), noun)
        kdf, cipher = found["kdf"], found["cipher"]
        if (kdf["name"], cipher["name"]) != ("scrypt", "nacl/secretbox"):
            raise damaged
        cost, block, side = (int(kdf["params"][name]) for name in ("N", "r", "p"))
        if not 0 < 128 * cost * block <= _MEMORY_MOST or not 0 < side <= 64:
            raise damaged
        salt, nonce, text = (
            binascii.a2b_base64(word, strict_mode=True)
            for word in (kdf["salt"], cipher["nonce"], found["ciphertext"])
        )
    except (ValueError, KeyError, TypeError, IntegrityError):
        raise damaged from None
    key = Scrypt(salt=salt, length=_BOX_KEY, n=cost, r=block, p=side).derive(passphrase)
    try:
        return bytes(SecretBox(key).decrypt(text, nonce))
    except CryptoError as error:
        raise ValueError from error
