# SPDX-License-Identifier: Apache-2.0
"""The command that looks for images on registries. The tuples are described in __init__.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command

COMMANDS: dict[str, Command] = {
    "search": (
        "pypod.cli.search:search",
        "Look for images on registries",
        "TERM",
        (
            ("--authfile", "authfile", "str", "FILE", "Credentials of registries"),
            ("--cert-dir", "cert_dir", "str", "DIR", "Certificates: *.crt, and *.cert with *.key"),
            ("--compatible", "compatible", "bool", "", "Show stars, official and automated too"),
            ("--creds", "creds", "str", "USER[:PASSWORD]", "Credentials of this registry"),
            ("--filter -f", "filter", "csv", "KEY=VALUE", "Only those that match"),
            ("--format", "format", "str", "TEMPLATE", "json, or a Go template"),
            ("--limit", "limit", "optuint", "COUNT", "How many of each registry (25)"),
            ("--list-tags", "list_tags", "bool", "", "List the tags of one repository"),
            ("--no-trunc", "no_trunc", "bool", "", "Show descriptions in full"),
            ("--tls-verify", "tls_verify", "optbool", "", "Verify the registry's certificate"),
        ),
    ),
}
