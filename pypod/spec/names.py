# SPDX-License-Identifier: Apache-2.0
"""Names inside a container: what /etc/hosts and /etc/resolv.conf say (hosts(5), resolv.conf(5)).

Options, the network's reach and the texts of the host's files go in, the texts of the container's
files come out. Composed at every start, since only then it is known what can be reached.
"""

from __future__ import annotations

from pypod.errors import UsageError
from pypod.spec.addresses import family, is_loopback
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pypod.spec.options import CreateOptions
    from pypod.spec.reach import Reach

GATEWAY = "host-gateway"
HOST_NAMES = ("host.containers.internal", "host.docker.internal")
STUBS = ("127.0.0.53", "127.0.0.54")
"""Where systemd-resolved listens; its own servers are in another file (resolved.conf(5))."""
NO_NETWORK = ("none", "loopback")
FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")

_LOCALHOST = (
    ("127.0.0.1", ("localhost", "localhost.localdomain", "localhost4", "localhost4.localdomain4")),
    ("::1", ("localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6")),
)
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")

Entry = tuple[str, tuple[str, ...]]
"""An address and its names: a line of hosts(5)."""


class Wanted(Value):
    """What the options say about names."""

    hostname: str
    name: str
    add_host: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_option: tuple[str, ...] = ()


class Resolver(Value):
    """The content of a resolv.conf(5): what pypod carries over of one."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class Shared(Value):
    """The names of a container whose network is joined: with its address go its names."""

    hostname: str
    files: tuple[tuple[str, str], ...]
    """(place in the container, source) of those of FILES that it has."""


def wanted(create: dict[str, Any], name: str, hostname: str) -> Wanted:
    """Return what create.json says; a record of an older version lacks most of it."""
    options = create.get("options", {})
    return Wanted(
        hostname,
        name,
        tuple(options.get("add_host", ())),
        tuple(options.get("network_alias", ())),
        tuple(options.get("dns", ())),
        tuple(options.get("dns_search", ())),
        tuple(options.get("dns_option", ())),
    )


def injected(options: CreateOptions, network: str) -> list[str]:
    """Return the files of the record that are bound into a container with this network."""
    files = [] if options.no_hosts else ["hosts"]
    files += [] if options.no_hostname else ["hostname"]
    files.append("containerenv")
    if network != "none" and options.dns != ("none",):
        files.append("resolv.conf")
    return files


def share(mounts: list[dict[str, Any]], other: Shared) -> list[dict[str, Any]]:
    """Return injected mounts with the other container's files; one that it lacks is left out."""
    sources = dict(other.files)
    return [
        {**mount, "source": sources.get(mount["destination"], mount["source"])}
        for mount in mounts
        if mount["destination"] not in FILES or mount["destination"] in sources
    ]


def check(options: CreateOptions, network: str) -> None:
    """Raise UsageError for options about names that are wrong or do not go together."""
    kind = network.partition(":")[0]
    if options.no_hosts and (options.add_host or options.hosts_file):
        other = "--add-host" if options.add_host else "--hosts-file"
        raise UsageError(f"--no-hosts and {other} cannot be set together")
    if kind in ("none", "container") and (options.dns or options.dns_search or options.dns_option):
        raise UsageError(f"conflicting options: dns and the network mode: {kind}")
    if kind == "container":
        _check_shared(options)
    for typed in options.add_host:
        add_host(typed)
    for server in options.dns:
        if server == "none" and len(options.dns) > 1:
            raise UsageError("none is not allowed to be specified with other DNS ip addresses")
        if server != "none" and not family(server):
            raise UsageError(f"{server} is not an ip address")
    if options.dns == ("none",) and (options.dns_search or options.dns_option):
        other = "search" if options.dns_search else "option"
        raise UsageError(f"--dns none and --dns-{other} cannot be set together")
    for domain in options.dns_search:
        if domain != "." and not _is_domain(domain):
            raise UsageError(f"{domain} is not a valid domain")
    if "." in options.dns_search and len(options.dns_search) > 1:
        raise UsageError("cannot pass additional search domains when also specifying '.'")
    if options.hosts_file == "image":
        raise UsageError("--hosts-file image is not there yet", hint="a path of the host, or none")
    for what, words in (
        ("dns-option", options.dns_option),
        ("network-alias", options.network_alias),
    ):
        for word in words:
            if not _is_word(word):
                raise UsageError(f"--{what} {word!r}: one word is needed")


def _check_shared(options: CreateOptions) -> None:
    """The files are the other container's, and so are their names."""
    if options.add_host:
        raise UsageError(
            "cannot set extra host entries when the container is joined to another containers"
            " network namespace: invalid configuration"
        )
    for option, given in (
        ("hostname", options.hostname),
        ("network-alias", options.network_alias),
        ("hosts-file", options.hosts_file),
    ):
        if given:
            raise UsageError(f"conflicting options: {option} and the network mode: container")


def add_host(typed: str) -> Entry:
    """Return (address or `host-gateway`, names) of `NAME[;NAME...]:IP` or `NAME=IP`.

    Raises UsageError.
    """
    names, separator, address = typed.partition("=")
    if not separator:
        names, separator, address = typed.partition(":")
    words = tuple(names.split(";"))
    if not separator or not all(_is_word(word) for word in words):
        raise UsageError(f'bad format for add-host: "{typed}"', hint="--add-host NAME:IP")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address != GATEWAY and not family(address):
        raise UsageError(f'invalid IP address in add-host: "{address}"')
    return address, words


def hosts(want: Wanted, reach: Reach, base: str = "") -> str:
    """Return the text of /etc/hosts; `base` is the text of a file whose entries come with it.

    A name that was given before is not given again: --add-host wins over `base`, that over what
    pypod adds. Raises UsageError for `host-gateway` where the host cannot be reached.
    """
    host = reach.host or ("127.0.0.1" if reach.kind == "host" else "")
    user: list[Entry] = []
    for typed in want.add_host:
        address, names = add_host(typed)
        if address == GATEWAY:
            if not host:
                raise UsageError(
                    f"--add-host {typed}: the container cannot reach the host",
                    hint="no network of this kind leads to it without opening its loopback",
                )
            address = host
        user.append((address, names))
    names = (want.hostname, want.name, *want.aliases)
    own = [(address, names) for address in (reach.address, reach.address6) if address]
    own = own or [("127.0.0.1", names)]
    internal: list[Entry] = [(host, HOST_NAMES)] if host else []
    taken: set[str] = set()
    kept = [_fresh(group, taken) for group in (user, _entries(base), _LOCALHOST, own, internal)]
    first_user, known, localhost, mine, its = kept
    lines = [*localhost, *known, *first_user, *its, *mine]
    return "".join(f"{address}\t{' '.join(names)}\n" for address, names in lines)


def _fresh(group: Iterable[Entry], taken: set[str]) -> list[Entry]:
    """Return the entries without names that earlier groups have, and mark theirs as taken."""
    left: list[Entry] = []
    seen: set[str] = set()
    for address, names in group:
        new = tuple(name for name in dict.fromkeys(names) if name and name not in taken)
        seen.update(new)
        if new:
            left.append((address, new))
    taken |= seen
    return left


def _entries(text: str) -> list[Entry]:
    found: list[Entry] = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1:
            found.append((words[0], tuple(words[1:])))
    return found


def read_resolver(text: str) -> Resolver:
    """Return what a resolv.conf(5) says; the last `search` or `domain` and `options` all count."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and len(words) > 1:
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options += words[1:]
    return Resolver(tuple(servers), search, tuple(options))


def needs_upstream(reach: Reach, host: str) -> bool:
    """Say whether systemd-resolved's own file must be read: its stub is all there is, and nobody
    forwards to it."""
    servers = read_resolver(host).servers
    if reach.dns or reach.kind in ("host", *NO_NETWORK) or not set(STUBS) & set(servers):
        return False
    return all(is_loopback(server) for server in servers)


def resolv_conf(want: Wanted, reach: Reach, host: str, upstream: str = "") -> str:
    """Return the text of /etc/resolv.conf.

    `host` is the host's own, `upstream` that of systemd-resolved, read when `needs_upstream`. With
    the host's network its text is taken as it is. Where nothing is left of it there is no server:
    podman's and docker's public ones would learn each name that a container asks for.
    """
    if reach.kind == "host" and not (want.dns or want.dns_search or want.dns_option):
        return host
    if reach.kind in NO_NETWORK:
        host = upstream = ""
    found = read_resolver(host)
    if upstream:
        found = read_resolver(upstream)
    servers = want.dns or found.servers
    if not want.dns and reach.kind != "host":
        servers = _reachable(servers, reach)
    search = want.dns_search or found.search
    options = want.dns_option or found.options
    lines = ["search " + " ".join(search)] if search and search != (".",) else []
    lines += [f"nameserver {server}" for server in dict.fromkeys(servers)]
    lines += ["options " + " ".join(options)] if options else []
    return "".join(line + "\n" for line in lines)


def _reachable(servers: Iterable[str], reach: Reach) -> tuple[str, ...]:
    """Return the servers that a container with a network of its own can ask.

    The forwarder stands in for those on the host's loopback, where they stood; scoped ones are left
    out. It is not put before the others, as podman does: pasta reads the host's resolv.conf once
    and would go on asking the server of the Wi-Fi that was left (measured; slirp4netns does not).
    """
    found: list[str] = []
    for server in servers:
        version = family(server)
        if version and is_loopback(server):
            found.append(reach.dns)
        elif version == 4 or (version == 6 and (reach.address6 or reach.kind != "slirp4netns")):
            found.append(server)
    return tuple(server for server in found if server) or ((reach.dns,) if reach.dns else ())


def lacks_server(reach: Reach, text: str) -> bool:
    """Say whether a container that has a network has no server to ask for a name."""
    return reach.kind not in ("host", *NO_NETWORK) and not read_resolver(text).servers


def follows(want: Wanted, reach: Reach) -> bool:
    """Say whether /etc/resolv.conf depends on the host's, which may change while it runs."""
    if reach.kind in (*NO_NETWORK, "container") or want.dns == ("none",):
        return False
    return not (want.dns and want.dns_search and want.dns_option)


def _is_word(text: str) -> bool:
    return text.isprintable() and len(text.partition("#")[0].split()) == 1 and "#" not in text


def _is_domain(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    return len(text) < 256 and all(
        0 < len(label) < 64 and _LABEL.issuperset(label) and "-" not in (label[0], label[-1])
        for label in labels
    )
