# SPDX-License-Identifier: Apache-2.0
"""push: an image of the store to a registry, or to any other place."""

from __future__ import annotations

import os

from pypod.cli import access
from pypod.engine import copy, images, list_names, locate
from pypod.engine.remote import Access
from pypod.errors import UsageError
from pypod.kernel import paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import convert, location
from pypod.output.progress import Bars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.engine.signing import Signer
    from pypod.oci.convert import Document

_PASSPHRASE_MOST = 1 << 12
"""Bytes: far below what a pipe takes while nobody reads."""


def push(args: Args) -> int:
    """Push an image; nothing is written to stdout."""
    paths.prepare(args.places)
    if list_names.known(args.places, args.image) is not None:
        from pypod.cli import manifest

        args.list, args.all, args.rm = args.image, True, False
        return manifest.push_(args)
    words = [args.image, *args.destination]
    if len(words) > 2:
        raise UsageError("push takes an image and at most one destination")
    if len(words) == 1:
        found = images.resolve(args.places, args.image)
        name = found.name or next(iter(images.names_of(args.places, found.id)), "")
        if not name or "@" in name:
            raise UsageError(f"{args.image}: the image has no name to push it to")
        words.append(name)
    where = location.parse(words[1], location.REGISTRY)
    options = copy_options(args, "all" if args.all else "system")
    how = Access(
        tls_verify=access.verified(args.tls_verify),
        credentials=access.credentials("--creds", args.creds),
        authfile=args.authfile,
        cert_dir=args.cert_dir,
        patience=access.patience(args),
    )
    source, wanted = locate.source(
        args.places, location.Location(location.STORE, "", args.image), how, whole=args.all
    )
    target = locate.target(args.places, where, how)
    try:
        with Bars(args.quiet) as bars:
            made = copy.copy(source, wanted, target, options, args.places.tmp, bars)
            target.finish()
    finally:
        source.close()
        target.close()
    write_digest(args.digestfile, made)
    return 0


def copy_options(args: Args, multi: str) -> copy.Options:
    """Return what the options of push and of image copy say. Raises UsageError."""
    if args.format and args.format not in convert.FORMATS:
        raise UsageError(f'unknown format "{args.format}": oci or v2s2')
    if args.compression_format not in ("", "gzip", "zstd"):
        raise UsageError(f'unknown compression "{args.compression_format}": gzip or zstd')
    return copy.Options(
        platform=access.machine(host_facts()),
        multi=multi,
        format=args.format,
        compression=args.compression_format,
        level=args.compression_level,
        force=args.force_compression,
        signers=signers(args),
        remove_signatures=args.remove_signatures,
    )


def signers(args: Args) -> tuple[Signer, ...]:
    """Return who signs, as the command line says, their keys opened. Raises PypodError."""
    path, key, file = (
        args.sign_by_sigstore_private_key,
        args.sign_by,
        args.sign_passphrase_file,
    )
    if not path and not key:
        if file:
            raise UsageError("--sign-passphrase-file: there is no key to sign with")
        return ()
    if path and key and file:
        raise UsageError(
            "only one of --sign-by and --sign-by-sigstore-private-key can be used with"
            " --sign-passphrase-file"
        )
    from pypod.engine import signing

    passphrase = _passphrase(file) if file else None
    made: list[Signer] = []
    if path:
        if passphrase is None and os.isatty(0) and signing.asks_for_passphrase(path):
            typed = access.hidden(f"Passphrase for {path}: ")
            passphrase = typed.encode("utf-8", "surrogateescape")
        made.append(signing.Sigstore(path, passphrase))
    if key:
        made.append(signing.OpenPgp(key, passphrase))
    return tuple(made)


def _passphrase(path: str) -> bytes:
    """Return the first line of a file, as podman does. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            line = file.readline(_PASSPHRASE_MOST + 1)
    except OSError as error:
        raise UsageError(f"--sign-passphrase-file {path}: {error.strerror}") from None
    if len(line) > _PASSPHRASE_MOST:
        raise UsageError(
            f"--sign-passphrase-file {path}: its first line has more than {_PASSPHRASE_MOST} bytes"
        )
    return line.strip()


def write_digest(path: str, document: Document) -> None:
    """Write the digest of what was copied to --digestfile, without a newline as podman does."""
    if not path:
        return
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(document.digest)
    except OSError as error:
        raise UsageError(f"--digestfile {path}: {error.strerror}") from None
