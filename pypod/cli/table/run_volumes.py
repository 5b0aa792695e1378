# SPDX-License-Identifier: Apache-2.0
"""Options of volumes and mounts of run and create."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

VOLUME_OPTIONS: tuple[Option, ...] = (
    (
        "--image-volume",
        "image_volume",
        "str",
        "TYPE",
        "The image's volumes: anonymous, tmpfs, ignore",
        "anonymous",
    ),
    ("--mount", "mount", "list", "TYPE,KEY=VALUE", "Mount a directory, a volume or a tmpfs"),
    ("--shm-size", "shm_size", "str", "SIZE", "Size of /dev/shm: 64m, 1g; 0 is no limit", "64m"),
    ("--tmpfs", "tmpfs", "list", "DIR[:OPTIONS]", "Mount a directory in memory"),
    (
        "--volume -v",
        "volume",
        "list",
        "[SOURCE:]DIR[:OPTIONS]",
        "Mount a volume or a directory of the host",
    ),
    (
        "--volumes-from",
        "volumes_from",
        "list",
        "CONTAINER[:OPTIONS]",
        "Mount the volumes of another container",
    ),
)
