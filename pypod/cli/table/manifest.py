# SPDX-License-Identifier: Apache-2.0
"""The commands of lists of images. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

from pypod.cli.table.image_move import ANEW, ONE_REGISTRY, SIGNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

_TLS: Option = ("--tls-verify", "tls_verify", "optbool", "", "Verify the registry's certificate")
_AUTHFILE: Option = ("--authfile", "authfile", "str", "FILE", "Credentials of registries")
_PLATFORM: tuple[Option, ...] = (
    ("--annotation", "annotation", "list", "KEY=VALUE", "Set an annotation"),
    ("--arch", "arch", "str", "ARCH", "Architecture of the image"),
    ("--features", "features", "csv", "FEATURE", "Features that the image needs"),
    ("--os", "os", "str", "OS", "Operating system of the image"),
    ("--os-version", "os_version", "str", "VERSION", "Version of the operating system"),
    ("--variant", "variant", "str", "VARIANT", "Variant of the architecture"),
)

COMMANDS: dict[str, Command] = {
    "manifest add": (
        "pypod.cli.manifest:add",
        "Add images to a list",
        "LIST IMAGES...",
        (
            ("--all", "all", "bool", "", "All images of an index"),
            *_PLATFORM,
            *ONE_REGISTRY,
        ),
    ),
    "manifest annotate": (
        "pypod.cli.manifest:annotate",
        "Change what a list says of an image",
        "LIST [IMAGE...]",
        (
            *_PLATFORM,
            ("--index", "index", "bool", "", "Set annotations of the list itself"),
            ("--os-features", "os_features", "csv", "FEATURE", "Features of the system it needs"),
        ),
    ),
    "manifest create": (
        "pypod.cli.manifest:create",
        "Make a list of images",
        "LIST [IMAGES...]",
        (
            ("--all", "all", "bool", "", "All images of an index"),
            ("--amend -a", "amend", "bool", "", "Add to a list of this name that is there"),
            _TLS,
        ),
    ),
    "manifest exists": (
        "pypod.cli.manifest:exists",
        "End 0 when the list exists, else 1",
        "LIST",
        (),
    ),
    "manifest inspect": (
        "pypod.cli.manifest:inspect",
        "Show a list, of this store or a registry",
        "LIST",
        (_AUTHFILE, _TLS),
    ),
    "manifest push": (
        "pypod.cli.manifest:push_",
        "Push a list and its images",
        "LIST [DESTINATION...]",
        (
            ("--all", "all", "bool", "", "Push the images too", True),
            *ONE_REGISTRY,
            *ANEW,
            *SIGNING,
            ("--rm", "rm", "bool", "", "Remove the list when it is pushed"),
        ),
    ),
    "manifest remove": (
        "pypod.cli.manifest:remove",
        "Take an image out of a list",
        "LIST IMAGE",
        (),
    ),
    "manifest rm": (
        "pypod.cli.manifest:rm",
        "Remove lists",
        "LISTS...",
        (),
    ),
}
