# SPDX-License-Identifier: Apache-2.0
"""login and logout: the credentials of registries."""

from __future__ import annotations

import os
import sys

from pypod.cli.access import hidden
from pypod.engine import login as engine
from pypod.errors import PypodError, UsageError
from pypod.kernel import log
from pypod.registry.auth import Credentials
from pypod.registry.proof import Wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def login(args: Args) -> int:
    """Prove credentials to a registry and keep them."""
    access = _access(args)
    if args.password_stdin and args.password:
        raise UsageError("--password-stdin and --password cannot be used together")
    if args.password_stdin and not args.username:
        raise UsageError("must provide --username with --password-stdin")
    known = engine.known(args.places, access)
    if args.get_login:
        if known is None:
            raise PypodError(f"not logged into {access.key}")
        print(known.username or "<token>")
        return 0
    if args.password:
        log.warn("--password can be seen by everybody on this host: --password-stdin cannot")
    given = _known_still_good(args, access, known)
    if given is None:
        given = _asked(args, access, known)
        engine.check(args.places, access, given)
        kept = engine.keep(args.places, access, given)
        print("Login Succeeded!")
        if args.verbose:
            print(f"Used: {kept}")
    return 0


def logout(args: Args) -> int:
    """Forget the credentials of a registry, or all."""
    if args.all:
        if args.registry:
            raise UsageError("--all takes no arguments")
        engine.forget_all(args.authfile)
        print("Removed login credentials for all registries")
        return 0
    access = _access(args)
    engine.forget(args.places, access)
    print(f"Removed login credentials for {access.key}")
    return 0


def _access(args: Args) -> engine.Access:
    key = engine.key_of(args.places, args.registry)
    if not args.registry:
        os.write(2, f"No registry is named: {key}, the first of the search list.\n".encode())
    return engine.Access(
        key=key,
        authfile=args.authfile,
        cert_dir=getattr(args, "cert_dir", ""),
        tls_verify=_flag(getattr(args, "tls_verify", None)),
    )


def _flag(word: str | None) -> bool | None:
    return None if word is None else word == "true"


def _known_still_good(
    args: Args, access: engine.Access, known: Credentials | None
) -> Credentials | None:
    """Return the credentials there are if nothing else was typed and the registry takes them."""
    if known is None or args.username or args.password or known.identity_token:
        return None
    os.write(2, f"Authenticating with existing credentials for {access.key}\n".encode())
    try:
        engine.check(args.places, access, known)
    except Wrong:
        os.write(2, b"Existing credentials are invalid, please enter valid ones\n")
        return None
    print(f"Existing credentials are valid. Already logged in to {access.key}")
    return known


def _asked(args: Args, access: engine.Access, known: Credentials | None) -> Credentials:
    """Return what was typed: in options, on standard input, on the terminal."""
    user, password = args.username, args.password
    if args.password_stdin:
        password = sys.stdin.read().rstrip("\r\n")
        if not password:
            raise UsageError("--password-stdin: nothing came in")
    if not user or not password:
        if not os.isatty(0):
            raise UsageError(
                f"logging into {access.key} needs a user name and a password, and there is no"
                " terminal to ask on",
                hint="--username USER --password-stdin",
            )
        if not user:
            shown = f" ({known.username})" if known and known.username else ""
            os.write(2, f"Username{shown}: ".encode())
            user = sys.stdin.readline().strip() or (known.username if known else "")
        password = password or hidden("Password: ")
    if not user or not password:
        raise UsageError("the user name or the password is empty")
    return Credentials(user, password)
