# SPDX-License-Identifier: Apache-2.0
"""image copy, list-tags, delete: images of places that are not the store (skopeo's verbs)."""

from __future__ import annotations

from pypod.cli import access, push
from pypod.engine import copy as engine_copy
from pypod.engine import locate, remote, transfer
from pypod.engine.remote import Access
from pypod.errors import PypodError, UsageError
from pypod.kernel import fastjson, log, paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import location, reference
from pypod.oci.convert import Document
from pypod.output.progress import Bars
from pypod.registry.upload import Upload
from pypod.store import blobs
from pypod.transport.docker_archive import DockerArchiveSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.engine.place import Source
    from pypod.oci.location import Location

_MULTI = ("system", "all", "index-only")


def copy(args: Args) -> int:
    """Copy an image from one place to another."""
    paths.prepare(args.places)
    multi = args.multi_arch or ("all" if args.all else "system")
    if multi not in _MULTI:
        raise UsageError(f'unknown --multi-arch "{multi}": {", ".join(_MULTI)}')
    if args.all and multi != "all":
        raise UsageError("--all and --multi-arch cannot be used together")
    where, there = location.parse(args.source), location.parse(args.destination)
    options = push.copy_options(args, multi)
    options = options.replace(
        platform=access.platform(args, host_facts()),
        preserve=args.preserve_digests,
        policy_file=args.signature_policy,
        identity=args.sign_identity,
        referrers=args.referrers,
    )
    if options.identity and not options.signers:
        raise UsageError("--sign-identity: there is no key to sign with")
    source, wanted = locate.source(
        args.places, where, side_access(args, "src"), whole=multi != "system"
    )
    try:
        with Bars(args.quiet) as bars:
            if there.transport == location.STORE:
                made = _into_store(args, source, wanted, there, options, bars)
            else:
                made = _elsewhere(args, source, wanted, there, options, bars)
    finally:
        source.close()
    push.write_digest(args.digestfile, made)
    return 0


def side_access(args: Args, side: str) -> Access:
    """Return what a command says about the registry of one side, `src` or `dest`."""
    given = vars(args)
    return Access(
        tls_verify=access.verified(given[f"{side}_tls_verify"]),
        credentials=access.credentials(f"--{side}-creds", given[f"{side}_creds"]),
        authfile=given[f"{side}_authfile"] or args.authfile,
        cert_dir=given[f"{side}_cert_dir"],
        patience=access.patience(args),
    )


def _elsewhere(
    args: Args,
    source: Source,
    wanted: str,
    there: Location,
    options: engine_copy.Options,
    bars: Bars,
) -> Document:
    names = tuple(_tag(there, word) for word in args.additional_tag)
    target = locate.target(args.places, there, side_access(args, "dest"), names)
    try:
        made = engine_copy.copy(source, wanted, target, options, args.places.tmp, bars)
        target.finish()
        return made
    finally:
        target.close()


def _tag(there: Location, word: str) -> str:
    """Return one more name for an image: of a registry's repository, its tag."""
    if there.transport == location.OCI or there.transport == location.OCI_ARCHIVE:
        return word
    if there.transport == location.REGISTRY:
        own = reference.parse(there.reference)
        other = reference.parse(word if ":" in word else f"{own.repository}:{word}")
        if other.repository != own.repository or other.digest:
            raise UsageError(f"--additional-tag {word}: it is not in {own.repository}")
        return other.tag
    parsed = reference.parse(word)
    if parsed.digest:
        raise UsageError(f"--additional-tag {word}: a name with a tag is needed")
    return str(parsed)


def _into_store(
    args: Args,
    source: Source,
    wanted: str,
    there: Location,
    options: engine_copy.Options,
    bars: Bars,
) -> Document:
    if options.format or options.compression or options.force or options.level is not None:
        raise UsageError("the store keeps images as they come: no --format, no compression")
    if options.signers:
        raise UsageError("the store keeps no signatures: an image there is not signed")
    if options.multi == "index-only":
        raise UsageError("--multi-arch index-only: the store keeps images, not an index alone")
    facts = host_facts()
    if facts.single_reason:
        log.warn(facts.single_reason)
    names = [reference.local(word).stored for word in (there.reference, *args.additional_tag)]
    asked = args.platform or args.os or args.arch or args.variant
    image = transfer.take(
        args.places,
        facts,
        source,
        wanted,
        names,
        options.platform if asked else None,
        bars,
        every=options.multi == "all",
        policy_file=options.policy_file,
    )
    digest = (image.index if options.multi == "all" else "") or image.original or image.manifest
    return Document(blobs.read(args.places, digest), "", digest)


def list_tags(args: Args) -> int:
    """Print the tags of a registry's repository, or the names in a docker archive, as JSON."""
    paths.prepare(args.places)
    where = location.parse(args.repository, location.REGISTRY)
    if where.transport == location.DOCKER_ARCHIVE:
        source, _ = locate.source(args.places, where, Access())
        assert isinstance(source, DockerArchiveSource)
        names = [name for _, own in source.images for name in own]
        source.close()
        print(fastjson.pretty({"Tags": names}, 4))
        return 0
    if where.transport != location.REGISTRY:
        raise UsageError(f"{where}: docker://REPOSITORY or docker-archive:FILE")
    wanted = reference.parse(where.reference)
    if wanted.digest or args.repository.rpartition("/")[2].count(":"):
        raise UsageError(f"{args.repository}: a repository has neither tag nor digest")
    tags = remote.tags(args.places, wanted, one_access(args))
    print(fastjson.pretty({"Repository": wanted.repository, "Tags": tags}, 4))
    return 0


def one_access(args: Args) -> Access:
    """Return what a command that names one registry says about it."""
    return Access(
        tls_verify=access.verified(args.tls_verify),
        credentials=access.credentials("--creds", args.creds),
        authfile=args.authfile,
        cert_dir=args.cert_dir,
        patience=access.patience(args),
    )


def delete(args: Args) -> int:
    """Delete an image from a registry."""
    paths.prepare(args.places)
    where = location.parse(args.image, location.REGISTRY)
    if where.transport != location.REGISTRY:
        raise UsageError(f"{where}: only a registry's image is deleted, docker://NAME")
    wanted = reference.parse(where.reference)
    repository = remote.repository(args.places, wanted, one_access(args), actions="*")
    try:
        repository.connect()
        body, _type, promised = repository.manifest(wanted.wanted)
        found = blobs.digest_of(body)
        if promised.startswith("sha256:") and promised != found:
            raise PypodError(f"{wanted}: its manifest arrived as {found}: wrong digest")
        Upload(repository).delete_manifest(found)
    finally:
        repository.close()
    return 0
