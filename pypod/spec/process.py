# SPDX-License-Identifier: Apache-2.0
"""The process of a container: what it runs, its environment, its signals; and that of exec."""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec import ids, security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from pypod.spec.options import ExecOptions

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SIGNALS = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP"
    " TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
_RTMIN, _RTMAX = 34, 64

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


def signal_number(word: str) -> int:
    """Return the number of a signal: `TERM`, `SIGTERM`, `15`, `RTMIN+3` (signal(7)).

    Raises UsageError.
    """
    name = word.strip().upper().removeprefix("SIG") if word.isascii() else ""
    if name.isdigit() and 1 <= int(name) <= _RTMAX:
        return int(name)
    if name in _SIGNALS:
        return _SIGNALS.index(name) + 1
    for base, start, sign in (("RTMIN", _RTMIN, 1), ("RTMAX", _RTMAX, -1)):
        if name.startswith(base):
            rest = name.removeprefix(base)
            if not rest:
                return start
            number = rest[1:]
            if rest[0] == "+-"[sign < 0] and number.isdigit() and int(number) <= 30:
                return start + sign * int(number)
    raise UsageError(
        f'invalid signal: "{word}"', hint="names such as TERM or SIGTERM, numbers from 1 to 64"
    )


def signal_name(number: int) -> str:
    """Return the name of a signal, `SIGTERM` or `SIGRTMIN+3`; of a number that is none, itself."""
    if 1 <= number <= len(_SIGNALS):
        return "SIG" + _SIGNALS[number - 1]
    if _RTMIN <= number <= _RTMAX:
        return f"SIGRTMIN+{number - _RTMIN}" if number > _RTMIN else "SIGRTMIN"
    return str(number)


def command(
    entrypoint: Sequence[str] | None,
    words: Sequence[str],
    image_entrypoint: Sequence[str],
    image_cmd: Sequence[str],
) -> tuple[list[str], list[str], list[str]]:
    """Return (argv, entrypoint, cmd): --entrypoint replaces the image's and drops its CMD.

    Raises PypodError when there is nothing to run.
    """
    if entrypoint is not None:
        head, tail = list(entrypoint), list(words)
    else:
        head = list(image_entrypoint)
        tail = list(words) if words else list(image_cmd)
    argv = head + tail
    if not argv or not argv[0]:
        raise PypodError(
            "no command or entrypoint provided, and no CMD or ENTRYPOINT from image",
            hint="put a command after the image: pypod run IMAGE COMMAND",
        )
    return argv, head, tail


def environment(
    image: Iterable[str],
    files: Iterable[str],
    options: Iterable[str],
    host: Mapping[str, str],
    defaults: Mapping[str, str],
) -> list[str]:
    """Return the environment, lowest precedence first: defaults, image, --env-file, --env.

    Entries of an image are NAME=VALUE or dropped: they never reach the host's environment
    (CVE-2026-57231). Raises UsageError for a bad line of a file.
    """
    found = dict(defaults)
    for entry in image:
        name, equals, value = entry.partition("=")
        if equals and name and "\0" not in entry:
            found[name] = value
    for line in file_lines(files):
        _add(found, line, host, "--env-file")
    for entry in options:
        _add(found, entry, host, "--env")
    return [f"{name}={value}" for name, value in found.items()]


def base_environment(
    image: Iterable[str],
    defaults: Mapping[str, str],
    host: Mapping[str, str],
    unset: Iterable[str],
    *,
    unset_all: bool,
) -> dict[str, str]:
    """Return what --env-file and --env add to: defaults, image, --env-host, in this order.

    `unset` and `unset_all` (--unsetenv, --unsetenv-all) take away what pypod and the image set;
    HOME and HOSTNAME are facts of the container and stay, as with podman. `host` is the caller's
    environment where --env-host asks for it, else empty.
    """
    entries = (entry.partition("=") for entry in environment(image, (), (), {}, defaults))
    found = {name: value for name, _, value in entries}
    kept: dict[str, str] = {}
    for name in ("HOME", "HOSTNAME"):
        if name in found:
            kept[name] = found[name]
    for name in tuple(found) if unset_all else unset:
        found.pop(name, None)
    return {**found, **kept, **host}


def file_lines(texts: Iterable[str]) -> Iterable[str]:
    """Yield the entries of --label-file and its kin: a line each, without comments."""
    for text in texts:
        for line in text.splitlines():
            line = line.lstrip()
            if line and not line.startswith("#"):
                yield line


def _add(found: dict[str, str], entry: str, host: Mapping[str, str], option: str) -> None:
    name, equals, value = entry.partition("=")
    if not name or "\0" in entry or (option == "--env-file" and " " in name.rstrip()):
        raise UsageError(f'{option}: invalid variable "{entry}"', hint="NAME=VALUE, or NAME alone")
    if equals:
        found[name] = value
    elif name.endswith("*"):
        prefix = name[:-1]
        found.update((key, host[key]) for key in host if key.startswith(prefix))
    elif name in host:
        found[name] = host[name]


def proxy_env(host: Mapping[str, str]) -> list[str]:
    """Return the caller's proxy variables: added at start, kept in no record (containers.conf)."""
    return [
        f"{name}={host[name]}"
        for proxy in _PROXIES
        for name in (proxy, proxy.upper())
        if host.get(name)
    ]


def exec_process(config: dict[str, Any], options: ExecOptions, bounding: int) -> dict[str, Any]:
    """Return the OCI process of `exec`: the container's own, with what the options change.

    A user's name stays a name (`user.username`): pypod-init finds it in the running container.
    `bounding` is the caller's bounding set. Raises PypodError.
    """
    base = config["process"]
    own = dict(entry.partition("=")[::2] for entry in base["env"])
    if options.tty and "TERM" not in own:
        own["TERM"] = "xterm"
    user: dict[str, Any] = dict(base["user"])
    uid = user["uid"]
    if options.user:
        own.pop("HOME", None)
        name, group = ids.split_user(options.user)
        ids.number(name, options.user)
        if group is not None:
            ids.number(group, options.user)
        user = {"username": options.user, "umask": user.get("umask", 0o22)}
        # Root keeps its capabilities; any other id, and any name but root, gets none.
        uid = 0 if name in ("0", "root") else 1
    env = environment((), options.env_file, options.env, options.environment, own)
    caps = base.get("capabilities", {})
    if options.privileged:
        caps = security.capabilities((), (), True, bounding, uid)
    elif options.user:
        held = caps.get("bounding", [])
        effective = held if uid == 0 else []
        caps = {
            "bounding": held,
            "effective": effective,
            "permitted": effective,
            "inheritable": [],
            "ambient": [],
        }
    process = {
        **base,
        "terminal": options.tty,
        "user": user,
        "args": list(options.command),
        "env": env,
        "cwd": options.workdir or base["cwd"],
        "capabilities": caps,
    }
    if options.privileged:
        process["seccomp"] = False
        process["noNewPrivileges"] = False
        for label in ("selinuxLabel", "apparmorProfile"):
            process.pop(label, None)
    return process
