# SPDX-License-Identifier: Apache-2.0
"""Options of run and create for the network."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

NETWORK_OPTIONS: tuple[Option, ...] = (
    ("--expose", "expose", "csv", "PORT[/PROTOCOL]", "Declare a port that the container serves"),
    (
        "--network --net",
        "network",
        "str",
        "NETWORK",
        "pasta (the default), slirp4netns, none, host, container:NAME or ns:PATH",
    ),
    (
        "--publish -p",
        "publish",
        "csv",
        "[[IP:]PORT:]PORT",
        "Pass a port of the host on to the container: 8080:80, 127.0.0.1:53:53/udp",
    ),
    ("--publish-all -P", "publish_all", "bool", "", "Publish exposed ports on random ports"),
)
