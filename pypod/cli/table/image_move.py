# SPDX-License-Identifier: Apache-2.0
"""The commands that move images between places. The tuples are described in cli/table/__init__."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

ANEW: tuple[Option, ...] = (
    ("--compression-format", "compression_format", "str", "FORMAT", "gzip or zstd"),
    ("--compression-level", "compression_level", "optuint", "LEVEL", "How hard to compress"),
    ("--digestfile", "digestfile", "str", "FILE", "Write the digest of the result to this file"),
    ("--force-compression", "force_compression", "bool", "", "Compress what is compressed anew"),
    ("--format -f", "format", "str", "FORMAT", "oci or v2s2 (default: as it is)"),
    ("--quiet -q", "quiet", "bool", "", "Show no progress"),
)
SIGNING: tuple[Option, ...] = (
    ("--remove-signatures", "remove_signatures", "bool", "", "Leave the source's signatures out"),
    ("--sign-by", "sign_by", "str", "KEY", "Sign it with this key of gpg"),
    (
        "--sign-by-sigstore-private-key",
        "sign_by_sigstore_private_key",
        "str",
        "FILE",
        "Sign it with sigstore's key in this file",
    ),
    ("--sign-passphrase-file", "sign_passphrase_file", "str", "FILE", "The key's passphrase"),
)
_RETRY: tuple[Option, ...] = (
    ("--retry", "retry", "optuint", "COUNT", "How often to try again (3)"),
    ("--retry-delay", "retry_delay", "str", "DURATION", "Wait between two tries, such as 2s"),
)
ONE_REGISTRY: tuple[Option, ...] = (
    ("--authfile", "authfile", "str", "FILE", "Credentials of registries"),
    ("--cert-dir", "cert_dir", "str", "DIR", "Certificates: *.crt, and *.cert with *.key"),
    ("--creds", "creds", "str", "USER[:PASSWORD]", "Credentials of this registry"),
    *_RETRY,
    ("--tls-verify", "tls_verify", "optbool", "", "Verify the registry's certificate"),
)
_PLATFORM: tuple[Option, ...] = (
    ("--arch", "arch", "str", "ARCH", "Architecture of the image"),
    ("--os", "os", "str", "OS", "Operating system of the image"),
    ("--platform", "platform", "str", "OS/ARCH[/VARIANT]", "Platform of the image"),
    ("--variant", "variant", "str", "VARIANT", "Variant of the architecture"),
)

COMMANDS: dict[str, Command] = {
    "history": (
        "pypod.cli.history:history",
        "Show how an image was made",
        "IMAGE",
        (
            ("--format", "format", "str", "TEMPLATE", "json, or a Go template"),
            ("--human -H", "human", "bool", "", "Sizes and times for people", True),
            ("--no-trunc", "no_trunc", "bool", "", "Show everything in full"),
            ("--quiet -q", "quiet", "bool", "", "Show ids only"),
        ),
    ),
    "image copy": (
        "pypod.cli.image_copy:copy",
        "Copy an image from one place to another",
        "SOURCE DESTINATION",
        (
            ("--additional-tag", "additional_tag", "list", "NAME", "One more name for it there"),
            ("--all -a", "all", "bool", "", "All images of an index, and the index"),
            ("--authfile", "authfile", "str", "FILE", "Credentials of both registries"),
            ("--dest-authfile", "dest_authfile", "str", "FILE", "Credentials of the target"),
            ("--dest-cert-dir", "dest_cert_dir", "str", "DIR", "Certificates of the target"),
            ("--dest-creds", "dest_creds", "str", "USER[:PASSWORD]", "Credentials of the target"),
            ("--dest-tls-verify", "dest_tls_verify", "optbool", "", "Verify the target"),
            (
                "--multi-arch",
                "multi_arch",
                "str",
                "WHICH",
                "What of an index: the image of the platform, all, or the index alone",
            ),
            (
                "--preserve-digests",
                "preserve_digests",
                "bool",
                "",
                "Fail rather than change a digest",
            ),
            ("--referrers", "referrers", "bool", "", "Copy what refers to the image too", True),
            ("--sign-identity", "sign_identity", "str", "NAME", "What it is signed as"),
            ("--signature-policy", "signature_policy", "str", "FILE", "Another policy.json"),
            ("--src-authfile", "src_authfile", "str", "FILE", "Credentials of the source"),
            ("--src-cert-dir", "src_cert_dir", "str", "DIR", "Certificates of the source"),
            ("--src-creds", "src_creds", "str", "USER[:PASSWORD]", "Credentials of the source"),
            ("--src-tls-verify", "src_tls_verify", "optbool", "", "Verify the source"),
            *ANEW,
            *_PLATFORM,
            *_RETRY,
            *SIGNING,
        ),
    ),
    "image delete": (
        "pypod.cli.image_copy:delete",
        "Delete an image from a registry",
        "IMAGE",
        ONE_REGISTRY,
    ),
    "image inspect": (
        "pypod.cli.inspect:image_inspect",
        "Show images in full",
        "[IMAGES...]",
        (
            ("--config", "config", "bool", "", "Show the configuration"),
            ("--format -f", "format", "str", "TEMPLATE", "json, or a Go template"),
            ("--no-tags -n", "no_tags", "bool", "", "Do not list a registry's other tags"),
            ("--raw", "raw", "bool", "", "Show the manifest as it is, byte for byte"),
            *ONE_REGISTRY,
            *_PLATFORM,
        ),
    ),
    "image list-tags": (
        "pypod.cli.image_copy:list_tags",
        "List the tags of a registry's repository",
        "REPOSITORY",
        ONE_REGISTRY,
    ),
    "image tree": (
        "pypod.cli.history:tree",
        "Show the layers of an image",
        "IMAGE",
        (("--whatrequires", "whatrequires", "bool", "", "Show what others put on it"),),
    ),
    "load": (
        "pypod.cli.archive:load",
        "Load images from an archive",
        "",
        (
            ("--input -i", "input", "str", "FILE", "An archive or a directory (default: stdin)"),
            ("--quiet -q", "quiet", "bool", "", "Show no progress"),
            ("--signature-policy", "signature_policy", "str", "FILE", "Another policy.json"),
        ),
    ),
    "push": (
        "pypod.cli.push:push",
        "Push an image to a registry or another place",
        "IMAGE [DESTINATION...]",
        (
            ("--all", "all", "bool", "", "All images of the index that it was chosen from"),
            *ONE_REGISTRY,
            *ANEW,
            *SIGNING,
        ),
    ),
    "save": (
        "pypod.cli.archive:save",
        "Save images to an archive",
        "IMAGES...",
        (
            ("--compress", "compress", "bool", "", "Compress plain layers of a docker-dir"),
            (
                "--format",
                "format",
                "str",
                "FORMAT",
                "docker-archive, oci-archive, oci-dir or docker-dir",
                "docker-archive",
            ),
            ("--multi-image-archive -m", "multi_image_archive", "bool", "", "Several images"),
            ("--output -o", "output", "str", "FILE", "Where to write it (default: stdout)"),
            ("--quiet -q", "quiet", "bool", "", "Show no progress"),
            ("--uncompressed", "uncompressed", "bool", "", "Leave plain layers as they are"),
        ),
    ),
}
