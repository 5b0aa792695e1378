# SPDX-License-Identifier: Apache-2.0
"""Finding pasta and slirp4netns, and what this version of them can do."""

from __future__ import annotations

import _socket
import fcntl
import os

from pypod.errors import PypodError
from pypod.kernel import fastjson
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.kernel.paths import Places

_DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/libexec/podman")
"""Never PATH: what connects a container is not to be replaced by a file in a directory (A72)."""
_TUN = "/dev/net/tun"
_SIOCGIFADDR = 0x8915
_LOCAL_MODE_SINCE = 20241127
"""The first pasta that works on a host with no interface but lo."""


class Pasta(Value):
    """A pasta and its ways."""

    path: str
    version: str
    splices: bool
    """Clients on the host's loopback appear as 127.0.0.1 in the container, and reach what listens
    on the container's loopback (the class of CVE-2021-20199). Since 2024-10-30 they do not."""
    needs_interface: bool
    """It refuses a host that has no interface with a default route."""


def find(name: str) -> str:
    """Return the absolute path of a program, "" when it is missing.

    $PYPOD_PASTA and $PYPOD_SLIRP4NETNS name others; `none` stands for a missing one.
    """
    chosen = os.environ.get("PYPOD_" + name.upper())
    if chosen:
        return chosen if os.access(chosen, os.X_OK) and chosen.startswith("/") else ""
    for directory in _DIRECTORIES:
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    return ""


def pasta(places: Places) -> Pasta | None:
    """Return the pasta of this host, None when there is none.

    It is asked once per version: the answer is kept, keyed by the file's path, size and time.
    """
    path = find("pasta")
    if not path:
        return None
    found = os.stat(path)
    key = [path, found.st_mtime_ns, found.st_size]
    cache = places.cache + "/pasta.json"
    try:
        with open(cache, "rb", buffering=0) as file:
            kept = fastjson.loads(file.read(4096))
        if kept["key"] == key:
            return Pasta(path, *kept["pasta"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    asked = describe(path, _output([path, "--version"]), _output([path, "--help"]))
    _keep(cache, {"key": key, "pasta": [asked.version, asked.splices, asked.needs_interface]})
    return asked


def describe(path: str, version: str, usage: str) -> Pasta:
    """Return what the two texts of a pasta say of it."""
    lines = [line[6:] for line in version.splitlines() if line.startswith("pasta ")]
    name = lines[0].strip() if lines else "unknown version"
    date = "".join(char for char in name.rpartition("git")[2][:12] if char.isdigit())[:8]
    local = len(date) == 8 and int(date) >= _LOCAL_MODE_SINCE
    return Pasta(path, name, "--host-lo-to-ns-lo" not in usage, not local)


def _keep(cache: str, document: dict[str, object]) -> None:
    temporary = f"{cache}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(fastjson.dumps(document))
        os.rename(temporary, cache)
    except OSError:
        pass  # a cache: the next command asks again


def _output(argv: list[str]) -> str:
    """Return what a program prints, on stdout and stderr."""
    read, write = os.pipe()
    try:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, write, 1),
            (os.POSIX_SPAWN_DUP2, write, 2),
        ]
        try:
            pid = os.posix_spawn(argv[0], argv, {"PATH": "/usr/bin:/bin"}, file_actions=actions)
        except OSError as error:
            raise PypodError(f"cannot run {argv[0]}: {error.strerror}") from None
    finally:
        os.close(write)
    with open(read, "rb") as file:
        text = file.read(1 << 20)
    os.waitpid(pid, 0)
    lines = text.decode("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith("Failed to send"))


def tun_refused() -> str:
    """Return why /dev/net/tun cannot be opened, "" when it can: both programs need it."""
    try:
        os.close(os.open(_TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{_TUN}: {error.strerror}"
    return ""


def external_interface() -> str:
    """Return the interface, other than lo, of the first default route, "" when there is none.

    Source: proc_net(5), route and ipv6_route.
    """
    for line in _lines("/proc/net/route")[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and fields[0] != "lo":
            return fields[0]
    for line in _lines("/proc/net/ipv6_route"):
        fields = line.split()
        if len(fields) > 9 and not fields[0].strip("0") and fields[1] == "00" and fields[9] != "lo":
            return fields[9]
    return ""


def address_of(interface: str) -> str:
    """Return the first IPv4 address of an interface, "" when it has none (netdevice(7))."""
    if not interface:
        return ""
    socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        answer = fcntl.ioctl(socket, _SIOCGIFADDR, interface.encode()[:15].ljust(40, b"\0"))
    except OSError:
        return ""
    finally:
        socket.close()
    return _socket.inet_ntoa(answer[20:24])


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
