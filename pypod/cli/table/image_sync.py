# SPDX-License-Identifier: Apache-2.0
"""The command that copies many images. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

from pypod.cli.table.image_move import SIGNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command

COMMANDS: dict[str, Command] = {
    "image sync": (
        "pypod.cli.image_sync:sync_",
        "Copy many images: registry to directory, back, or to another registry",
        "SOURCE DESTINATION",
        (
            ("--all -a", "all", "bool", "", "All images of an index, and the index"),
            ("--authfile", "authfile", "str", "FILE", "Credentials of both registries"),
            ("--dest -d", "dest", "str", "TRANSPORT", "docker or dir"),
            ("--dest-authfile", "dest_authfile", "str", "FILE", "Credentials of the target"),
            ("--dest-cert-dir", "dest_cert_dir", "str", "DIR", "Certificates of the target"),
            ("--dest-creds", "dest_creds", "str", "USER[:PASSWORD]", "Credentials of the target"),
            ("--dest-tls-verify", "dest_tls_verify", "optbool", "", "Verify the target"),
            ("--dry-run", "dry_run", "bool", "", "Say what would be copied, copy nothing"),
            ("--format -f", "format", "str", "FORMAT", "oci or v2s2 (default: as it is)"),
            ("--keep-going", "keep_going", "bool", "", "Copy the others when one fails"),
            ("--preserve-digests", "preserve_digests", "bool", "", "Fail rather than change one"),
            ("--quiet -q", "quiet", "bool", "", "Show no progress"),
            ("--referrers", "referrers", "bool", "", "Copy what refers to images too", True),
            ("--retry", "retry", "optuint", "COUNT", "How often to try again (3)"),
            ("--retry-delay", "retry_delay", "str", "DURATION", "Wait between two tries"),
            ("--scoped", "scoped", "bool", "", "Keep the whole names of images"),
            ("--src -s", "src", "str", "TRANSPORT", "docker, dir, or yaml: a list of images"),
            ("--src-authfile", "src_authfile", "str", "FILE", "Credentials of the source"),
            ("--src-cert-dir", "src_cert_dir", "str", "DIR", "Certificates of the source"),
            ("--src-creds", "src_creds", "str", "USER[:PASSWORD]", "Credentials of the source"),
            ("--src-tls-verify", "src_tls_verify", "optbool", "", "Verify the source"),
            *SIGNING,
        ),
    ),
}
