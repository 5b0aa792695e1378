# SPDX-License-Identifier: Apache-2.0
"""pull: images from a registry."""

from __future__ import annotations

import os

from pypod.cli.lifecycle import report
from pypod.engine import images as engine_images
from pypod.engine import transfer
from pypod.errors import PypodError, UsageError
from pypod.kernel import config, log, paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import reference
from pypod.oci.manifest import Platform, architecture_of
from pypod.output.progress import Bars
from pypod.registry import auth
from pypod.registry.repository import NotThere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.oci.image import ImageRecord
    from pypod.oci.reference import Reference
    from pypod.registry.auth import Credentials
    from pypod.spec.facts import HostFacts


class _Wishes:
    """What the command line says about every image it names."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.tls_verify: bool | None = None
        self.credentials: Credentials | None = None
        self.authfile = ""
        self.quiet = False


def pull(args: Args) -> int:
    """Pull images; print the id of each as it is there. One that fails does not stop the others."""
    facts = host_facts()
    wishes = _Wishes(_platform(args, facts))
    if args.tls_verify is not None:
        wishes.tls_verify = args.tls_verify == "true"
    wishes.credentials = _credentials(args.creds) if args.creds else None
    wishes.authfile, wishes.quiet = args.authfile, args.quiet
    paths.prepare(args.places)
    if facts.single_reason:
        log.warn(facts.single_reason)
    code = 0
    for name in args.images:
        try:
            image = _pull(args, facts, name, wishes)
        except PypodError as error:
            if len(args.images) == 1:
                raise
            report(error)
            code = code or error.code
        else:
            print(image.id.removeprefix("sha256:"), flush=True)
    return code


def pull_for_run(args: Args, facts: HostFacts, name: str) -> ImageRecord:
    """Pull the image of `run` or `create`, whose stdout is the container's."""
    return _pull(args, facts, name, _Wishes(Platform("linux", *architecture_of(facts.machine))))


def _pull(args: Args, facts: HostFacts, name: str, wishes: _Wishes) -> ImageRecord:
    if engine_images.is_embedded(name):
        return engine_images.embedded(args.places)
    settings = config.load(args.places)
    found = _references(name.removeprefix("docker://"), settings.search)
    for number, wanted in enumerate(found):
        try:
            return _pull_one(args, facts, wanted, wishes, settings)
        except NotThere:
            if number == len(found) - 1:
                raise
    raise UsageError(f"{name}: a short name, and no registry to search for it")


def _pull_one(
    args: Args, facts: HostFacts, wanted: Reference, wishes: _Wishes, settings: config.Config
) -> ImageRecord:
    credentials = wishes.credentials or auth.find(wanted.domain, wanted.path, wishes.authfile)
    verify = wishes.tls_verify
    if verify is None:
        verify = wanted.domain not in settings.insecure
    if not verify:
        log.warn(f"TLS of registry {wanted.domain} is not verified: anybody could answer")
    options = transfer.Options(
        platform=wishes.platform,
        tls_verify=verify,
        credentials=credentials,
        trusted_realms=settings.trusted_realms,
    )
    with Bars(wishes.quiet) as bars:
        bars.note(f"Trying to pull {wanted}...")
        return transfer.pull(args.places, facts, wanted, options, bars)


def _references(name: str, search: tuple[str, ...]) -> list[Reference]:
    """Return where a name may be: a short one in each registry of the search list."""
    wanted = reference.parse(name)
    if not reference.is_short(name) or wanted.domain in search[:1]:
        return [wanted]
    return [reference.parse(f"{domain}/{name}") for domain in search]


def _credentials(text: str) -> Credentials:
    if ":" not in text:
        if not os.isatty(0):
            raise UsageError("--creds USER:PASSWORD: there is no password, and no terminal to ask")
        import getpass

        text = f"{text}:{getpass.getpass('Password: ')}"
    return auth.parse_creds(text)


def _platform(args: Args, facts: HostFacts) -> Platform:
    machine, variant = architecture_of(facts.machine)
    if args.platform:
        if args.os or args.arch or args.variant:
            raise UsageError(
                "--platform option can not be specified with --arch, --os or --variant"
            )
        parts = args.platform.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise UsageError(f"--platform {args.platform}: OS/ARCH[/VARIANT]")
        return Platform(*parts)
    if args.arch:
        machine, variant = args.arch, ""
    return Platform(args.os or "linux", machine, args.variant or variant)
