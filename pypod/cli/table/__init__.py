# SPDX-License-Identifier: Apache-2.0
"""The declaration of every command and option, as plain tuples.

An option is (flags, dest, kind, metavar, help) and perhaps a default; kinds are in cli/parse.py,
the dest is the first long flag with `_` for `-`. A command is (handler, summary, positionals,
options); one without a summary is hidden. Positionals are the words of the usage line: `NAME` one,
`[NAME]` none or one, `[NAME...]` any number, `NAME...` at least one.

Everything reads this table and only this: the parser, help, completion, the tests. What podman and
docker have and pypod has not is in absent.py, which only wrong command lines load.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Option = tuple[str, str, str, str, str] | tuple[str, str, str, str, str, object]
    Command = tuple[str, str, str, tuple[Option, ...]]

GLOBAL_OPTIONS: tuple[Option, ...] = (
    ("--help -h", "help", "bool", "", "Show this text"),
    ("--log-level", "log_level", "str", "LEVEL", "Show messages from: debug, info, warn or error"),
    ("--registries-conf", "registries_conf", "str", "FILE", "Read this registries.conf"),
    ("--root", "root", "str", "PATH", "Keep images and containers in this directory"),
    ("--runroot", "runroot", "str", "PATH", "Keep sockets in this directory"),
    ("--version -v", "version", "bool", "", "Show the version"),
)
"""Options before the command; all but --version are taken after it too (cobra: persistent)."""

GROUPS = {
    "artifact": "Files that travel as images do",
    "container": "Manage containers",
    "generate": "Write systemd units",
    "image": "Manage images",
    "internal": "",
    "manifest": "Make images of several platforms",
    "system": "Manage pypod itself",
    "volume": "Manage volumes",
}
"""First words that are followed by a verb, and the modules of their tables; no text: hidden."""

TOP_LEVEL = {
    "attach": "container",
    "commit": "container",
    "completion": "system",
    "create": "container",
    "diff": "system",
    "exec": "container",
    "export": "container",
    "history": "image",
    "images": "image",
    "import": "image",
    "info": "system",
    "inspect": "system",
    "kill": "container",
    "load": "image",
    "login": "system",
    "logout": "system",
    "logs": "container",
    "port": "container",
    "ps": "container",
    "pull": "image",
    "push": "image",
    "rename": "container",
    "restart": "container",
    "rm": "container",
    "rmi": "image",
    "run": "container",
    "save": "image",
    "search": "image",
    "start": "container",
    "stop": "container",
    "tag": "image",
    "unshare": "system",
    "untag": "image",
    "version": "system",
    "wait": "container",
}
"""Commands that need no group, and whose table they are in."""

IN_GROUP = {
    **{("container", name): name for name, group in TOP_LEVEL.items() if group == "container"},
    ("container", "ls"): "ps",
    ("container", "list"): "ps",
    ("container", "diff"): "container diff",
    ("container", "prune"): "container prune",
    ("container", "exists"): "container exists",
    ("container", "inspect"): "container inspect",
    ("container", "cleanup"): "container cleanup",
    ("container", "refresh-names"): "container refresh-names",
    ("artifact", "add"): "artifact add",
    ("artifact", "extract"): "artifact extract",
    ("artifact", "inspect"): "artifact inspect",
    ("artifact", "list"): "artifact ls",
    ("artifact", "ls"): "artifact ls",
    ("artifact", "pull"): "artifact pull",
    ("artifact", "push"): "artifact push",
    ("artifact", "remove"): "artifact rm",
    ("artifact", "rm"): "artifact rm",
    ("generate", "systemd"): "generate systemd",
    ("image", "ls"): "images",
    ("image", "list"): "images",
    ("image", "rm"): "rmi",
    ("image", "diff"): "image diff",
    ("image", "mount"): "image mount",
    ("image", "umount"): "image unmount",
    ("image", "unmount"): "image unmount",
    ("image", "prune"): "image prune",
    ("image", "import"): "import",
    ("image", "pull"): "pull",
    ("image", "push"): "push",
    ("image", "tag"): "tag",
    ("image", "untag"): "untag",
    ("image", "tree"): "image tree",
    ("image", "list-tags"): "image list-tags",
    ("image", "delete"): "image delete",
    ("image", "copy"): "image copy",
    ("image", "save"): "save",
    ("image", "load"): "load",
    ("image", "history"): "history",
    ("image", "search"): "search",
    ("image", "sync"): "image sync",
    ("image", "exists"): "image exists",
    ("image", "inspect"): "image inspect",
    ("manifest", "add"): "manifest add",
    ("manifest", "annotate"): "manifest annotate",
    ("manifest", "create"): "manifest create",
    ("manifest", "exists"): "manifest exists",
    ("manifest", "inspect"): "manifest inspect",
    ("manifest", "push"): "manifest push",
    ("manifest", "remove"): "manifest remove",
    ("manifest", "rm"): "manifest rm",
    ("system", "check"): "system check",
    ("system", "df"): "system df",
    ("system", "info"): "info",
    ("system", "prune"): "system prune",
    ("internal", "complete"): "internal complete",
    ("volume", "create"): "volume create",
    ("volume", "exists"): "volume exists",
    ("volume", "inspect"): "volume inspect",
    ("volume", "ls"): "volume ls",
    ("volume", "list"): "volume ls",
    ("volume", "prune"): "volume prune",
    ("volume", "rm"): "volume rm",
    ("volume", "remove"): "volume rm",
}
"""What a group's verbs are in the tables; several spellings may be one command."""

STOP_AT_FIRST = frozenset(("run", "create", "exec", "unshare", "internal complete"))
"""Commands whose words after the first positional are the container's, whatever they look like."""

NEEDS = {
    "attach": '"pypod attach" requires a name, id, or the "--latest" flag',
    "container inspect": "no names or ids specified",
    "exec": "exec requires the name or ID of a container or the --latest flag",
    "image inspect": "no names or ids specified",
    "inspect": "no names or ids specified",
    "kill": "you must provide at least one name or id",
    "logs": "specify at least one container name or ID to log",
    "port": "you must supply a running container name or id",
    "restart": "you must provide at least one name or id",
    "rm": "you must provide at least one name or id",
    "rmi": "image name or ID must be specified",
    "start": "start requires at least one argument",
    "stop": "you must provide at least one name or id",
    "volume inspect": "provide one or more volume names or use --all",
    "volume rm": "choose either one or more volumes or all",
    "wait": '"pypod wait" requires a name, id, or the "--latest" flag',
}
"""What is said when nothing chooses an object: no name and none of the following options."""

INSTEAD_OF_NAMES = ("all", "latest", "cidfile", "filter", "running")
"""Options by which a command that NEEDS names gets its objects without them."""


def find(words: list[str]) -> tuple[str, str, Command, int] | None:
    """Return (name as typed, name in the table, command, words used) of the command, or None.

    Imports the one table that it needs.
    """
    first = words[0]
    group = TOP_LEVEL.get(first)
    if group is not None:
        return first, first, _table(group)[first], 1
    if first in GROUPS and len(words) > 1:
        key = IN_GROUP.get((first, words[1]))
        if key is not None:
            return f"{first} {words[1]}", key, _table(first)[key], 2
    return None


def _table(group: str) -> dict[str, Command]:
    if group == "container":
        from pypod.cli.table.container import COMMANDS
    elif group == "generate":
        from pypod.cli.table.generate import COMMANDS
    elif group == "image":
        from pypod.cli.table.image import COMMANDS
    elif group == "artifact":
        from pypod.cli.table.artifact import COMMANDS
    elif group == "manifest":
        from pypod.cli.table.manifest import COMMANDS
    elif group == "volume":
        from pypod.cli.table.volume import COMMANDS
    else:
        from pypod.cli.table.system import COMMANDS
    return COMMANDS


def every() -> dict[str, Command]:
    """Return all commands by name, hidden ones too."""
    found: dict[str, Command] = {}
    for group in GROUPS:
        found.update(_table(group))
    return found
