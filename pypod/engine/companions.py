# SPDX-License-Identifier: Apache-2.0
"""What travels with an image: its signatures, those that are there and those that are made.

Rules of skopeo: what signs an image signs one manifest, byte for byte, so a signed image is copied
as it is or not at all; a place that keeps no signatures gets it only without them, on request.
"""

from __future__ import annotations

from pypod.engine import signatures
from pypod.engine.place import keeps_signatures
from pypod.errors import PypodError, RegistryError, UsageError
from pypod.oci import reference
from pypod.oci.signed import Signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.engine.place import Source, Target
    from pypod.engine.signing import Signer
    from pypod.oci.signed import Signature

_LEAVE_OUT = "--remove-signatures leaves them out"


class Companions:
    """Signatures on their way from a source to a target."""

    def __init__(
        self,
        source: Source,
        target: Target,
        signers: tuple[Signer, ...],
        *,
        identity: str,
        remove: bool,
    ) -> None:
        """`identity` is what the image is signed as; nothing: as its name in the target.

        `remove` leaves the source's signatures out. Raises PypodError for what cannot be done.
        """
        self._source, self._target, self._signers = source, target, signers
        self._identity, self._remove = identity, remove
        if not signers:
            return
        if not keeps_signatures(target):
            raise UsageError(f"{target.noun} keeps no signatures: an image there is not signed")
        self._identity = identity or target.identity
        if not self._identity:
            raise UsageError(
                f"{target.noun} gives the image no name to be signed as", hint="--sign-identity"
            )
        reference.parse(self._identity)
        target.check_signatures({signer.kind for signer in signers})

    def of(self, digest: str) -> list[Signature]:
        """Return the signatures of a manifest. Raises PypodError when the target keeps none."""
        if self._remove:
            return []
        try:
            found = list(signatures.of(self._source, digest))
        except RegistryError as error:
            error.hint = error.hint or _LEAVE_OUT
            raise
        if not found:
            return []
        if not keeps_signatures(self._target):
            raise PypodError(
                f"the image is signed, and {self._target.noun} keeps no signatures",
                hint=_LEAVE_OUT,
            )
        self._target.check_signatures({one.kind for one in found})
        return found

    def write(self, digest: str, found: list[Signature], *, top: bool) -> None:
        """Write the signatures of a manifest, and those that are to be made. Raises PypodError."""
        if not keeps_signatures(self._target):
            return
        every, what = list(found), Signed(digest, self._identity)
        kinds = {signer.kind for signer in self._signers}
        there = self._target.signatures_of(digest, kinds) if kinds else []
        for signer in self._signers:
            # The same image pushed each night has one signature of a key, not a hundred.
            if not any(signer.made(one, what) for one in (*found, *there)):
                every.append(signer.sign(what))
        if every:
            self._target.put_signatures(digest, every, top=top)


def changed() -> PypodError:
    """Return the error of a signed image that would not stay as it is."""
    return PypodError(
        "the image is signed, and the target or an option needs another manifest: its signatures"
        " would be worth nothing",
        hint=_LEAVE_OUT,
    )
