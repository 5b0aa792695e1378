# SPDX-License-Identifier: Apache-2.0
"""What may stand where: the values of options and the words of usage lines, for completion.

Only completion scripts, tests and the hints of wrong lines load this. A completer is a tuple whose
first word is one of

- `file`, `dir`, `program`, `variable`: what every shell can list;
- `running`, `container`, `image`, `volume`, `object`: `pypod internal complete` lists them;
- `words`: the rest of the tuple. A word that ends in `=` or `:` goes on;
- `` (nothing): free text.

An option is looked up by `command dest`, by dest, then by its metavar. Rows that the table does not
have yet do no harm.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

Completer = tuple[str, ...]

RUNNING = frozenset(("attach", "exec", "kill", "pause", "port", "stats", "stop", "top"))
"""Commands whose containers are running ones."""

_SIGNALS = tuple("TERM KILL HUP INT QUIT USR1 USR2 STOP CONT WINCH".split())
_STATES = tuple(
    f"status={state}" for state in ("created", "running", "stopping", "exited", "unknown")
)
_CAPS = tuple(
    "all AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN"
    " DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE"
    " MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON"
    " SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT"
    " SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG SYSLOG WAKE_ALARM".split()
)
_FORMATS = ("words", "json", "table")

CLOSED: dict[str, tuple[str, ...]] = {
    "artifact add type": (),
    "compression_format": ("gzip", "zstd"),
    "commit format": ("oci", "docker"),
    "image copy format": ("oci", "v2s2"),
    "image sync dest": ("docker", "dir"),
    "image sync format": ("oci", "v2s2"),
    "image sync src": ("docker", "dir", "yaml"),
    "multi_arch": ("system", "all", "index-only"),
    "manifest push format": ("oci", "v2s2"),
    "push format": ("oci", "v2s2"),
    "save format": ("docker-archive", "docker-dir", "oci-archive", "oci-dir"),
    "attach": ("stdin", "stdout", "stderr"),
    "cgroups": ("enabled", "disabled", "no-conmon", "split"),
    "image_volume": ("anonymous", "bind", "tmpfs", "ignore"),
    "ipc": ("host", "private", "shareable", "none", "container:", "ns:"),
    "log_level": ("debug", "info", "warn", "error"),
    "network": ("none", "host", "private", "pasta", "slirp4netns", "container:", "ns:"),
    "pid": ("host", "private", "container:", "ns:"),
    "policy": ("missing", "always", "never", "newer"),
    "pull": ("missing", "always", "never", "newer"),
    "restart_policy": (
        "no",
        "on-success",
        "on-failure",
        "on-abnormal",
        "on-watchdog",
        "on-abort",
        "always",
    ),
    "sdnotify": ("container", "conmon", "ignore"),
    "security_opt": (
        "apparmor=",
        "label=",
        "mask=",
        "no-new-privileges",
        "proc-opts=",
        "seccomp=",
        "unmask=",
    ),
    "sort": ("created", "id", "repository", "size", "tag"),
    "type": ("container", "image", "volume", "all"),
    "uts": ("host", "private"),
}
"""Options, by dest, that take these words only, or these up to their `=` or `:`."""

SUGGESTED: dict[str, Completer] = {
    "userns": ("words", "host", "keep-id", "keep-id:uid=", "nomap", "auto", "auto:size="),
    "arch": ("words", "amd64", "arm64", "386", "arm", "ppc64le", "riscv64", "s390x"),
    "cap_add": ("words", *_CAPS),
    "cap_drop": ("words", *_CAPS),
    "device": ("file",),
    "env": ("variable",),
    "filter": ("words", *"ancestor= exited= id= label= name= volume=".split(), *_STATES),
    "images filter": (
        "words",
        *"before= containers=true containers=false dangling=true dangling=false".split(),
        *"digest= id= label= label!= manifest=true manifest=false".split(),
        *"reference= since= until=".split(),
    ),
    "mount": ("words", "type=bind", "type=volume", "type=tmpfs"),
    "os": ("words", "linux"),
    "platform": ("words", "linux/amd64", "linux/arm64", "linux/386", "linux/arm/v7"),
    "rootfs": (),
    "seccomp_policy": ("words", "default", "image"),
    "shm_size": ("words", "64m", "256m", "1g"),
    "tmpfs": (),
    "ulimit": ("words", "host", "nofile=", "nproc=", "core=", "memlock=", "stack=", "fsize="),
    "volume": ("bind",),
    "volume create opt": ("words", "type=", "device=", "o="),
    "volume ls filter": (
        "words",
        *"after= anonymous=true anonymous=false dangling=true dangling=false driver=".split(),
        *"label= label!= name= opt= scope= since= until=".split(),
    ),
    "volume prune filter": ("words", *"all=true label= label!= name= since= until=".split()),
    "search filter": ("words", "is-official", "is-automated", "stars="),
    "volumes_from": ("container",),
    "workdir": (),
}
"""Options that take other words too."""

METAVARS: dict[str, Completer] = {
    "CONTAINER": ("container",),
    "DIR": ("dir",),
    "FILE": ("file",),
    "IMAGE": ("image",),
    "PATH": ("dir",),
    "SIGNAL": ("words", *_SIGNALS),
    "TEMPLATE": _FORMATS,
    "VOLUME": ("volume",),
}

PLACES: dict[str, Completer] = {
    "CONTAINER": ("container",),
    "CONTAINERS": ("container",),
    "IMAGE": ("image",),
    "IMAGES": ("image",),
    "VOLUME": ("volume",),
    "VOLUMES": ("volume",),
    "inspect NAMES": ("object",),
    "diff OBJECTS": ("object",),
    "images NAME": ("image",),
    "untag NAMES": ("image",),
    "unshare COMMAND": ("program",),
    "completion SHELL": ("words", "bash", "fish", "zsh"),
    "generate systemd NAME": ("container",),
    "image copy SOURCE": ("image",),
    "image delete IMAGE": (),
    "artifact add PATHS": ("file",),
    "artifact extract PATH": ("file",),
    "manifest annotate IMAGE": (),
    "manifest remove IMAGE": (),
    "volume create NAME": (),
}
"""By `command PLACE` or by the place alone."""


def of_option(key: str, option: Option) -> Completer:
    """Return the completer of an option of a command of the table ("" for global options)."""
    dest, kind, metavar = option[1:4]
    if kind in ("bool", "optbool"):
        return ()
    for name in (f"{key} {dest}", dest):
        if name in SUGGESTED:
            return SUGGESTED[name]
    closed = values_of(key, option)
    if closed:
        return ("words", *closed)
    words = metavar.split("|")
    if metavar.islower():  # on|off says it itself
        return ("words", *words)
    return METAVARS.get(words[0].partition("[")[0], ())


def values_of(key: str, option: Option) -> tuple[str, ...]:
    """Return the only words that an option takes, nothing when it takes any."""
    if option[2] in ("bool", "optbool"):
        return ()
    return CLOSED.get(f"{key} {option[1]}", CLOSED.get(option[1], ()))


def of_places(key: str, positionals: str) -> tuple[tuple[Completer, ...], bool]:
    """Return a completer for each word of a usage line, and whether the last one repeats."""
    found = []
    for place in positionals.split():
        name = place.strip("[].")
        completer = PLACES.get(f"{key} {name}", PLACES.get(name, ()))
        verb = key.rpartition(" ")[2]
        if completer == ("container",) and verb in RUNNING:
            completer = ("running",)
        found.append(completer)
    return tuple(found), positionals.rstrip("]").endswith("...")
