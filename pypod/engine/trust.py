# SPDX-License-Identifier: Apache-2.0
"""The one place where it is decided whether an image may come in: policy.json, enforced.

Asked when the manifest is known and before any layer is fetched, so an image that is refused leaves
nothing. A signature counts for the manifest that it names or, signed once for all machines, for the
index around it: the index names the manifest by digest. Source: containers-policy.json(5).
"""

from __future__ import annotations

import os

from pypod.engine.daemon_place import DaemonSource
from pypod.engine.store_place import StoreSource
from pypod.errors import IntegrityError, PypodError
from pypod.kernel import trust_files
from pypod.oci import digest as oci_digest
from pypod.oci import policy, signed
from pypod.oci.policy import Requirement
from pypod.oci.reference import Reference
from pypod.oci.signed import Signature
from pypod.transport.docker_archive import DockerArchiveSource
from pypod.transport.oci_layout import LayoutSource
from pypod.transport.plain_dir import PlainDirSource
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pypod.engine.place import Source

_REASONS_MOST = 3


class Refused(PypodError):
    """The policy does not let the image in."""


class Origin(Value):
    """Where an image comes from, as policies call it."""

    transport: str
    scopes: tuple[str, ...]
    shown: str
    name: Reference | None = None
    """What a registry's image was asked for as, whichever mirror answers."""


def check(
    source: Source,
    wanted: str,
    digests: list[str],
    *,
    name: Reference | None = None,
    policy_file: str = "",
) -> None:
    """Raise Refused unless the policy lets an image in.

    `digests` are those that a signature may name: of the manifest, of the index around it. `name`
    is what the user asked for, where a mirror answers. `policy_file` is --signature-policy.
    """
    if isinstance(source, StoreSource) or getattr(source, "let_in", False):
        return  # it was let in before
    origin = _origin(source, wanted, name)
    try:
        path = trust_files.policy_path(policy_file)
        if not path:
            return
        rules = trust_files.read_policy(path)
    except PypodError as error:
        raise Refused(f"{origin.shown}: {error.message}", hint=error.hint) from None
    said, needed = rules.rule(origin.transport, list(origin.scopes))
    for requirement in needed:
        try:
            _fulfil(requirement, origin, source, list(dict.fromkeys(digests)))
        except PypodError as error:
            if type(error).__name__ == "Cancelled":
                raise
            raise Refused(
                f"{origin.shown}: refused by {path} ({said}: {requirement.kind}): {error.message}",
                hint=error.hint,
            ) from None


def _origin(source: Source, wanted: str, name: Reference | None) -> Origin:
    if isinstance(source, DaemonSource):
        scopes = () if source.name is None else tuple(policy.scopes_of(source.name))
        return Origin("docker-daemon", scopes, f"docker-daemon:{source.asked}", source.name)
    if isinstance(source, DockerArchiveSource):
        return Origin("docker-archive", (), source.noun)
    if isinstance(source, LayoutSource | PlainDirSource):
        kind = "dir"
        if isinstance(source, LayoutSource):
            kind = "oci-archive" if source.archived else "oci"
        return Origin(
            kind, tuple(policy.scopes_of_path(os.path.realpath(source.noun))), source.noun
        )
    from pypod.registry.repository import Repository  # loading an archive needs no requests

    if isinstance(source, Repository):
        own = {"digest" if oci_digest.is_digest(wanted) else "tag": wanted}
        name = name or source.asked or Reference(source.domain, source.path, **own)
        return Origin("docker", tuple(policy.scopes_of(name)), str(name), name)
    return Origin("", (), "the image")


def _fulfil(needed: Requirement, origin: Origin, source: Source, digests: list[str]) -> None:
    """Raise PypodError unless the image fulfils one requirement."""
    if needed.kind == policy.ACCEPT:
        return
    if needed.kind == policy.REJECT:
        raise PypodError("such images are not wanted here")
    if needed.cannot:
        raise PypodError(f"{needed.cannot}: pypod cannot verify that")
    if origin.transport not in ("docker", "dir"):
        raise PypodError(f"images of {origin.transport} carry no signatures")
    found = _openpgp if needed.kind == policy.SIGNED_BY else _sigstore
    reasons: list[str] = []
    for check_one in found(needed, origin, source, digests):
        try:
            return check_one()
        except IntegrityError as error:
            reasons.append(error.message)
    if not reasons:
        raise PypodError("it is not signed")
    shown = "; ".join(dict.fromkeys(reasons[:_REASONS_MOST]))
    raise PypodError(f"no good signature: {shown}")


def _openpgp(
    needed: Requirement, origin: Origin, source: Source, digests: list[str]
) -> Iterator[Callable[[], None]]:
    from pypod.engine import openpgp, signatures

    openpgp.find_gpgv()
    ring = openpgp.keyring([data for _, data in signatures.keys(needed)])
    for digest in digests:
        for found in signatures.of(source, digest, signed.SIMPLE):

            def one(data: bytes = found.data, digest: str = digest) -> None:
                _compare(openpgp.verify(data, ring), needed, origin, digest)

            yield one


def _sigstore(
    needed: Requirement, origin: Origin, source: Source, digests: list[str]
) -> Iterator[Callable[[], None]]:
    from pypod.engine import signatures, sigstore

    keys = [sigstore.PublicKey(data, name) for name, data in signatures.keys(needed)]
    for digest in digests:
        for found in signatures.of(source, digest, signed.COSIGN):

            def one(found: Signature = found, digest: str = digest) -> None:
                signature = sigstore.decoded(dict(found.annotations).get(signed.ANNOTATION))
                if not any(key.signed(signature, found.data) for key in keys):
                    raise IntegrityError("it was made by another key, or is damaged")
                _compare(found.data, needed, origin, digest)

            yield one
    repository: Any = source
    if origin.transport == "docker" and not signatures.are_attached(repository):
        raise PypodError(
            "registries.d does not say use-sigstore-attachments",
            hint=f"docker: {{{repository.domain}: {{use-sigstore-attachments: true}}}}"
            " in a file of ~/.config/containers/registries.d",
        )


def _compare(content: bytes, needed: Requirement, origin: Origin, digest: str) -> None:
    """Raise IntegrityError unless what was signed is this manifest under this name."""
    from pypod.kernel import strictjson

    kind = signed.SIMPLE if needed.kind == policy.SIGNED_BY else signed.COSIGN
    found = signed.parse(strictjson.loads(content, "what it signs"), kind)
    if found.digest != digest:
        raise IntegrityError(f"it is for {found.digest[:19]}, the image is {digest[:19]}")
    if not policy.matches(needed.identity, origin.name, found.name):
        raise IntegrityError(f"it is for the name {ascii(found.name)[1:-1][:200]}")
