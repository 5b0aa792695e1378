# SPDX-License-Identifier: Apache-2.0
"""Options of run and create about names: /etc/hosts, /etc/resolv.conf (cli/table/__init__.py)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

NAMES_OPTIONS: tuple[Option, ...] = (
    ("--add-host", "add_host", "csv", "NAME:IP", "Add a line to /etc/hosts; IP or host-gateway"),
    ("--dns", "dns", "csv", "IP|none", "Name server; none leaves the image's resolv.conf"),
    ("--dns-option --dns-opt", "dns_option", "csv", "OPTION", "Option of /etc/resolv.conf"),
    ("--dns-search", "dns_search", "csv", "DOMAIN", "Search domain of names; . for none"),
    ("--hosts-file", "hosts_file", "str", "FILE|none", "Start /etc/hosts with a file's entries"),
    ("--network-alias", "network_alias", "csv", "NAME", "Another name for the container itself"),
    ("--no-hostname", "no_hostname", "bool", "", "Leave the image's /etc/hostname"),
    ("--no-hosts", "no_hosts", "bool", "", "Leave the image's /etc/hosts"),
)
