# SPDX-License-Identifier: Apache-2.0
"""What command lines say about registries and platforms, the same for every command that has it."""

from __future__ import annotations

import os
import sys

from pypod.errors import UsageError
from pypod.oci.manifest import Platform, architecture_of
from pypod.registry import auth
from pypod.text.units import parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.registry.auth import Credentials
    from pypod.registry.repository import Patience
    from pypod.spec.facts import HostFacts


def verified(word: str | None) -> bool | None:
    """Return what --tls-verify says; None when nothing was said."""
    return None if word is None else word == "true"


def credentials(option: str, text: str) -> Credentials | None:
    """Return USER:PASSWORD, asking the terminal for a missing password; None when empty."""
    if not text:
        return None
    if ":" not in text:
        if not os.isatty(0):
            raise UsageError(
                f"{option} USER:PASSWORD: there is no password, and no terminal to ask"
            )
        text = f"{text}:{hidden('Password: ')}"
    return auth.parse_creds(text)


def hidden(prompt: str) -> str:
    """Return what is typed on the terminal, unseen. Raises UsageError where it ends instead."""
    from getpass import getpass

    try:
        return getpass(prompt, stream=sys.stderr)
    except EOFError:
        raise UsageError(f"{prompt.rstrip(': ')}: nothing was typed") from None


def patience(args: Args) -> Patience:
    """Return how often to try: --retry counts the tries after the first, as podman's."""
    from pypod.registry.repository import Patience

    changes: dict[str, object] = {}
    if args.retry is not None:
        changes.update(tries=args.retry + 1, connects=args.retry + 1)
    if args.retry_delay:
        try:
            seconds = parse_duration(args.retry_delay)
        except ValueError as error:
            raise UsageError(f"--retry-delay: {error}") from None
        if seconds < 0:
            raise UsageError(f"--retry-delay {args.retry_delay}: time does not go backwards")
        changes.update(wait_first=seconds, steady=True)
    made: Patience = Patience().replace(**changes)
    return made


def machine(facts: HostFacts) -> Platform:
    """Return this machine's platform."""
    return Platform("linux", *architecture_of(facts.machine))


def platform(args: Args, facts: HostFacts) -> Platform:
    """Return what --platform says, or --os, --arch and --variant; else this machine's."""
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
