# SPDX-License-Identifier: Apache-2.0
"""pull: images from a registry, for itself and for run and create."""

from __future__ import annotations

import sys

from pypod.cli import access
from pypod.cli.lifecycle import report
from pypod.engine import pull_policy
from pypod.engine.sources import Sources, Wishes
from pypod.errors import PypodError, UsageError
from pypod.kernel import log, paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import reference
from pypod.oci.manifest import Platform, architecture_of
from pypod.output import prompt
from pypod.output.progress import Bars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts


def pull(args: Args) -> int:
    """Pull images; print the id of each as it is there. One that fails does not stop the others."""
    facts = host_facts()
    pull_policy.check("--policy", args.policy)
    wishes = _wishes(args, facts)
    if args.all_tags:
        _check_untagged(args.images)
    paths.prepare(args.places)
    if facts.single_reason:
        log.warn(facts.single_reason)
    sources = _sources(args, facts, wishes)
    code = 0
    for name in args.images:
        try:
            if args.all_tags:
                code = _pull_tags(sources, name) or code
                continue
            asked = wishes.platform if _names_platform(args) else None
            image = pull_policy.choose(args.places, name, args.policy, sources.pull, asked)
        except PypodError as error:
            if len(args.images) == 1:
                raise
            report(error)
            code = code or error.code
        else:
            _print_id(image)
    return code


def pull_for_run(args: Args, facts: HostFacts, name: str) -> ImageRecord:
    """Pull the image of `run` or `create`, whose stdout is the container's.

    With --pull=always each start would read the whole image to check it: `pull` does that.
    """
    wishes = _wishes(args, facts).replace(check_stored=False)
    return _sources(args, facts, wishes).pull(name)


def platform_for_run(args: Args, facts: HostFacts) -> Platform | None:
    """Return the platform that `run` or `create` asks for; None for any that is here."""
    if not _names_platform(args):
        return None
    wanted, own = access.platform(args, facts), architecture_of(facts.machine)
    if (wanted.os, wanted.architecture) != ("linux", own[0]):
        log.warn(f"image platform {wanted} is not this machine's, linux/{own[0]}: emulation needed")
    return wanted


def _sources(args: Args, facts: HostFacts, wishes: Wishes) -> Sources:
    ask = prompt.choose if prompt.can_ask() else None
    return Sources(args.places, facts, wishes, lambda: Bars(args.quiet), ask)


def _wishes(args: Args, facts: HostFacts) -> Wishes:
    return Wishes(
        platform=access.platform(args, facts),
        tls_verify=access.verified(args.tls_verify),
        credentials=access.credentials("--creds", args.creds),
        authfile=args.authfile,
        cert_dir=args.cert_dir,
        patience=access.patience(args),
        policy_file=args.signature_policy,
    )


def _check_untagged(names: list[str]) -> None:
    for name in names:
        bare = reference.parse(name.removeprefix("docker://"))
        tagged = ":" in name.removeprefix("docker://").rpartition("/")[2]
        if bare.digest or tagged:
            raise UsageError(f"{name}: a tag or digest cannot be used with --all-tags")


def _pull_tags(sources: Sources, name: str) -> int:
    """Pull every tag of a repository; print the ids."""
    code = 0
    for wanted in sources.tags(name):
        try:
            _print_id(sources.pull_one(wanted))
        except PypodError as error:
            report(error)
            code = code or error.code
    return code


def _print_id(image: ImageRecord) -> None:
    sys.stdout.write(image.id.removeprefix("sha256:") + "\n")
    sys.stdout.flush()


def _names_platform(args: Args) -> bool:
    return bool(args.platform or args.os or args.arch or args.variant)
