# SPDX-License-Identifier: Apache-2.0
"""login and logout. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

_AUTHFILE: Option = ("--authfile", "authfile", "str", "FILE", "Keep credentials in this file")

LOGIN_COMMANDS: dict[str, Command] = {
    "login": (
        "pypod.cli.login:login",
        "Prove a user name and password to a registry and keep them",
        "[REGISTRY]",
        (
            _AUTHFILE,
            ("--cert-dir", "cert_dir", "str", "DIR", "Certificates: *.crt, and *.cert with *.key"),
            ("--get-login", "get_login", "bool", "", "Print who is logged in"),
            ("--password -p", "password", "str", "PASSWORD", "Password, for all the host to see"),
            ("--password-stdin", "password_stdin", "bool", "", "Read it from standard input"),
            ("--tls-verify", "tls_verify", "optbool", "", "Verify the registry's certificate"),
            ("--username -u", "username", "str", "USER", "User name"),
            ("--verbose -v", "verbose", "bool", "", "Say where the credentials are kept"),
        ),
    ),
    "logout": (
        "pypod.cli.login:logout",
        "Forget the credentials of a registry",
        "[REGISTRY]",
        (
            ("--all -a", "all", "bool", "", "All registries"),
            _AUTHFILE,
        ),
    ),
}
