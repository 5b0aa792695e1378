# SPDX-License-Identifier: Apache-2.0
"""Images out of containers and archives, and archives out of containers: commit, import, export."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

_CHANGE: Option = ("--change -c", "change", "list", "INSTRUCTION", "Apply it: CMD, ENV, USER …")
_MESSAGE: Option = ("--message -m", "message", "str", "TEXT", "Comment of the new image")

CONTAINER_COMMANDS: dict[str, Command] = {
    "commit": (
        "pypod.cli.make_images:commit",
        "Make an image of what a container changed",
        "CONTAINER [IMAGE]",
        (
            ("--author -a", "author", "str", "AUTHOR", "Author of the new image"),
            _CHANGE,
            ("--format -f", "format", "str", "FORMAT", "oci or docker", "oci"),
            ("--iidfile", "iidfile", "str", "FILE", "Write the id of the image to this file"),
            (
                "--include-volumes",
                "include_volumes",
                "bool",
                "",
                "The container's volumes become the image's",
            ),
            _MESSAGE,
            ("--pause -p", "pause", "bool", "", "Pause the container meanwhile"),
            ("--quiet -q", "quiet", "bool", "", "Show the id only"),
            ("--squash -s", "squash", "bool", "", "One layer of all that the container sees"),
        ),
    ),
    "export": (
        "pypod.cli.make_images:export",
        "Write a container's files to a tar archive",
        "CONTAINER",
        (("--output -o", "output", "str", "FILE", "Where to write it (default: stdout)"),),
    ),
}

IMAGE_COMMANDS: dict[str, Command] = {
    "import": (
        "pypod.cli.make_images:import_",
        "Make an image of the tar archive of a root file system",
        "ARCHIVE [IMAGE]",
        (
            ("--arch", "arch", "str", "ARCH", "Architecture of the image"),
            _CHANGE,
            _MESSAGE,
            ("--os", "os", "str", "OS", "Operating system of the image"),
            ("--quiet -q", "quiet", "bool", "", "Show the id only"),
            ("--variant", "variant", "str", "VARIANT", "Variant of the architecture"),
        ),
    ),
}
