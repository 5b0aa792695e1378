# SPDX-License-Identifier: Apache-2.0
"""image sync: many images from a registry to a directory, back, or to another registry."""

from __future__ import annotations

from pypod.cli import access, image_copy, push
from pypod.cli.lifecycle import report
from pypod.engine import copy as engine_copy
from pypod.engine import locate, sync
from pypod.errors import PypodError, UsageError
from pypod.kernel import paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import convert
from pypod.output.progress import Bars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.engine.signing import Signer
    from pypod.engine.sync import Step


def sync_(args: Args) -> int:
    """Copy every image that the source names, and print one line for each."""
    paths.prepare(args.places)
    if args.format and args.format not in convert.FORMATS:
        raise UsageError(f'unknown format "{args.format}": oci or v2s2')
    if not args.src or not args.dest:
        raise UsageError(
            "image sync needs --src and --dest: docker or dir",
            hint="--src yaml: a file that says what",
        )
    found = sync.steps(
        args.places,
        (args.src, args.source),
        (args.dest, args.destination),
        image_copy.side_access(args, "src"),
        scoped=args.scoped,
    )
    signers = push.signers(args)
    failures = 0
    for step in found:
        if not args.dry_run:
            try:
                _copy(args, step, signers)
            except PypodError as error:
                if not args.keep_going:
                    raise
                report(error)
                failures += 1
                continue
        print(f"{step.source} -> {step.target}", flush=True)
    if failures:
        raise PypodError(f"{failures} of {len(found)} images could not be copied")
    return 0


def _copy(args: Args, step: Step, signers: tuple[Signer, ...]) -> None:
    options = engine_copy.Options(
        platform=access.machine(host_facts()),
        multi="all" if args.all else "system",
        format=args.format,
        preserve=args.preserve_digests,
        signers=signers,
        remove_signatures=args.remove_signatures,
        referrers=args.referrers,
    )
    source, wanted = locate.source(args.places, step.source, step.access, whole=args.all)
    try:
        target = locate.target(args.places, step.target, image_copy.side_access(args, "dest"))
        try:
            with Bars(args.quiet) as bars:
                engine_copy.copy(source, wanted, target, options, args.places.tmp, bars)
            target.finish()
        finally:
            target.close()
    finally:
        source.close()
