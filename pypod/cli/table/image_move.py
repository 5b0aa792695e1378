# SPDX-License-Identifier: Apache-2.0
"""The commands that move images between places. The tuples are described in cli/table/__init__."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

_PACKING: tuple[Option, ...] = (
    ("--compression-format", "compression_format", "str", "FORMAT", "gzip or zstd"),
    ("--compression-level", "compression_level", "optuint", "LEVEL", "How hard to compress"),
    ("--digestfile", "digestfile", "str", "FILE", "Write the digest of the result to this file"),
    ("--force-compression", "force_compression", "bool", "", "Compress what is compressed anew"),
    ("--format -f", "format", "str", "FORMAT", "oci or v2s2 (default: as it is)"),
    ("--quiet -q", "quiet", "bool", "", "Show no progress"),
    ("--retry", "retry", "optuint", "COUNT", "How often to try again (4)"),
    ("--retry-delay", "retry_delay", "str", "DURATION", "Wait between two tries, such as 2s"),
)

COMMANDS: dict[str, Command] = {
    "push": (
        "pypod.cli.push:push",
        "Push an image to a registry or another place",
        "IMAGE [DESTINATION...]",
        (
            ("--all", "all", "bool", "", "All images of the index that it was chosen from"),
            ("--authfile", "authfile", "str", "FILE", "Credentials of registries"),
            ("--cert-dir", "cert_dir", "str", "DIR", "Certificates: *.crt, and *.cert with *.key"),
            ("--creds", "creds", "str", "USER[:PASSWORD]", "Credentials of this registry"),
            *_PACKING,
            ("--tls-verify", "tls_verify", "optbool", "", "Verify the registry's certificate"),
        ),
    ),
}
