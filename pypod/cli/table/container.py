# SPDX-License-Identifier: Apache-2.0
"""The commands of containers. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

from pypod.cli.table import upkeep
from pypod.cli.table.make_images import CONTAINER_COMMANDS
from pypod.cli.table.run_idmaps import IDMAP_OPTIONS
from pypod.cli.table.run_images import IMAGE_OPTIONS
from pypod.cli.table.run_names import NAMES_OPTIONS
from pypod.cli.table.run_network import NETWORK_OPTIONS
from pypod.cli.table.run_sandbox import SANDBOX_OPTIONS
from pypod.cli.table.run_terminal import PRESERVE_FDS, TERMINAL_OPTIONS
from pypod.cli.table.run_units import UNIT_OPTIONS
from pypod.cli.table.run_volumes import VOLUME_OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

_ALL = ("--all -a", "all", "bool", "", "All containers")
_LATEST = ("--latest -l", "latest", "bool", "", "The container that was made last")
_KEYS = (
    "--detach-keys",
    "detach_keys",
    "opt",
    "KEYS",
    "Keys that detach from the container, none with an empty value [default: containers.conf's, or"
    " ctrl-p,ctrl-q]",
)
_PROXY = ("--sig-proxy", "sig_proxy", "bool", "", "Pass signals on to the process", True)
_FORMAT = ("--format", "format", "str", "TEMPLATE", "json, or a Go template")
_FILTER = ("--filter -f", "filter", "csv", "KEY=VALUE", "Those that match")
_IDS = ("--cidfile", "cidfile", "list", "FILE", "The container whose id is in the file")
_ENV = ("--env -e", "env", "list", "NAME=VALUE", "Set an environment variable")
_ENV_FILE = ("--env-file", "env_file", "csv", "FILE", "Read environment variables from a file")
_INTERACTIVE = ("--interactive -i", "interactive", "bool", "", "Pass standard input on")
_TTY = ("--tty -t", "tty", "bool", "", "Give the process a terminal")
_USER = ("--user -u", "user", "str", "USER[:GROUP]", "User and group, names or numbers")
_WORKDIR = ("--workdir -w", "workdir", "str", "DIR", "Working directory in the container")
_PRIVILEGED = ("--privileged", "privileged", "bool", "", "Give every right that the user has")

CREATE_OPTIONS: tuple[Option, ...] = (
    ("--attach -a", "attach", "csv", "STREAM", "Attach to stdin, stdout or stderr"),
    ("--cap-add", "cap_add", "csv", "CAP", "Add a capability"),
    ("--cap-drop", "cap_drop", "csv", "CAP", "Drop a capability"),
    ("--cidfile", "cidfile", "str", "FILE", "Write the container id to a new file"),
    ("--entrypoint", "entrypoint", "opt", "WORD|JSON", "Replace the image's entry point"),
    _ENV,
    _ENV_FILE,
    ("--hostname -h", "hostname", "str", "NAME", "Host name of the container"),
    ("--init", "init", "bool", "", "Run a small init that forwards signals and reaps processes"),
    _INTERACTIVE,
    ("--label -l", "label", "list", "NAME=VALUE", "Set a label"),
    ("--name", "name", "str", "NAME", "Name of the container"),
    *NETWORK_OPTIONS,
    ("--pidfile", "pidfile", "str", "FILE", "Write the process id to a file"),
    _PRIVILEGED,
    ("--pull", "pull", "str", "POLICY", "Pull the image: missing, always, never, newer", "missing"),
    ("--read-only", "read_only", "bool", "", "Make the root file system read-only"),
    ("--replace", "replace", "bool", "", "Remove a container of the same name first"),
    ("--rm", "rm", "bool", "", "Remove the container when it ends"),
    ("--stop-signal", "stop_signal", "str", "SIGNAL", "Signal that stop sends first"),
    ("--stop-timeout", "stop_timeout", "uint", "SECONDS", "Patience of stop before KILL", 10),
    *TERMINAL_OPTIONS,
    _TTY,
    _USER,
    *VOLUME_OPTIONS,
    _WORKDIR,
    *NAMES_OPTIONS,
    *IMAGE_OPTIONS,
    *UNIT_OPTIONS,
    *SANDBOX_OPTIONS,
    *IDMAP_OPTIONS,
)

RUN_OPTIONS: tuple[Option, ...] = (
    *CREATE_OPTIONS,
    ("--detach -d", "detach", "bool", "", "Leave the container in the background, print its id"),
    _KEYS,
    PRESERVE_FDS,
    _PROXY,
)

COMMANDS: dict[str, Command] = {
    **CONTAINER_COMMANDS,
    **upkeep.CONTAINER_COMMANDS,
    "run": (
        "pypod.cli.run:run",
        "Make a container of an image and run a command in it",
        "IMAGE [COMMAND...]",
        RUN_OPTIONS,
    ),
    "create": (
        "pypod.cli.run:create_",
        "Make a container without starting it",
        "IMAGE [COMMAND...]",
        CREATE_OPTIONS,
    ),
    "start": (
        "pypod.cli.lifecycle:start_",
        "Start containers",
        "[CONTAINERS...]",
        (
            ("--all", "all", "bool", "", "All containers"),
            ("--attach -a", "attach", "bool", "", "Attach to its output and exit code"),
            _KEYS,
            _FILTER,
            _INTERACTIVE,
            _LATEST,
            ("--sig-proxy", "sig_proxy", "bool", "", "Pass signals on to the process", True),
        ),
    ),
    "stop": (
        "pypod.cli.lifecycle:stop_",
        "Stop containers",
        "[CONTAINERS...]",
        (
            _ALL,
            _IDS,
            _FILTER,
            ("--ignore -i", "ignore", "bool", "", "Say nothing of containers that are not there"),
            _LATEST,
            ("--signal -s", "signal", "str", "SIGNAL", "Which signal comes before KILL"),
            ("--time -t", "time", "optuint", "SECONDS", "Patience before KILL"),
        ),
    ),
    "restart": (
        "pypod.cli.lifecycle:restart",
        "Stop containers and start them again",
        "[CONTAINERS...]",
        (
            _ALL,
            _IDS,
            _FILTER,
            _LATEST,
            ("--running", "running", "bool", "", "All that run"),
            ("--time -t", "time", "optuint", "SECONDS", "Patience before KILL"),
        ),
    ),
    "kill": (
        "pypod.cli.lifecycle:kill",
        "Send a signal to containers",
        "[CONTAINERS...]",
        (
            _ALL,
            _IDS,
            _LATEST,
            ("--signal -s", "signal", "str", "SIGNAL", "Which signal", "KILL"),
        ),
    ),
    "rm": (
        "pypod.cli.lifecycle:rm",
        "Remove containers",
        "[CONTAINERS...]",
        (
            _ALL,
            _IDS,
            ("--filter", "filter", "csv", "KEY=VALUE", "Those that match"),
            ("--force -f", "force", "bool", "", "Also running ones; say nothing of missing ones"),
            ("--ignore -i", "ignore", "bool", "", "Say nothing of containers that are not there"),
            _LATEST,
            ("--time -t", "time", "optuint", "SECONDS", "Patience of --force before KILL"),
            ("--volumes -v", "volumes", "bool", "", "Also their anonymous volumes"),
        ),
    ),
    "ps": (
        "pypod.cli.ps:ps",
        "List containers",
        "",
        (
            ("--all -a", "all", "bool", "", "Also those that do not run"),
            ("--filter -f", "filter", "csv", "KEY=VALUE", "Only those that match"),
            _FORMAT,
            ("--last -n", "last", "int", "COUNT", "The last ones made, running or not", -1),
            _LATEST,
            ("--no-trunc", "no_trunc", "bool", "", "Show ids and commands in full"),
            ("--noheading", "noheading", "bool", "", "Leave the headings out"),
            ("--quiet -q", "quiet", "bool", "", "Show ids only"),
            ("--size -s", "size", "bool", "", "Show sizes"),
        ),
    ),
    "exec": (
        "pypod.cli.exec:exec_",
        "Run a command in a running container",
        "[CONTAINER] [COMMAND...]",
        (
            ("--detach -d", "detach", "bool", "", "Leave the command in the background"),
            _KEYS,
            _ENV,
            _ENV_FILE,
            _INTERACTIVE,
            _LATEST,
            PRESERVE_FDS,
            _PRIVILEGED,
            _TTY,
            _USER,
            _WORKDIR,
        ),
    ),
    "attach": (
        "pypod.cli.lifecycle:attach",
        "Join the streams of a running container",
        "[CONTAINER]",
        (
            _KEYS,
            _LATEST,
            ("--no-stdin", "no_stdin", "bool", "", "Do not pass standard input on"),
            _PROXY,
        ),
    ),
    "logs": (
        "pypod.cli.logs:logs",
        "Show what a container wrote",
        "[CONTAINER]",
        (
            ("--follow -f", "follow", "bool", "", "Go on until the container ends"),
            _LATEST,
            ("--since", "since", "str", "TIME", "From this time on: 10m, RFC 3339, seconds"),
            ("--tail", "tail", "int", "COUNT", "Only the last lines", -1),
            ("--timestamps -t", "timestamps", "bool", "", "Show the time of each line"),
            ("--until", "until", "str", "TIME", "Up to this time"),
        ),
    ),
    "wait": (
        "pypod.cli.lifecycle:wait",
        "Wait for containers to end and print their exit codes",
        "[CONTAINERS...]",
        (
            ("--ignore", "ignore", "bool", "", "Say nothing of containers that are not there"),
            _LATEST,
        ),
    ),
    "rename": ("pypod.cli.lifecycle:rename", "Rename a container", "CONTAINER NAME", ()),
    "port": (
        "pypod.cli.port:port",
        "Show the published ports of containers",
        "[CONTAINER] [PORT]",
        (_ALL, _LATEST),
    ),
    "container exists": (
        "pypod.cli.lifecycle:exists",
        "End 0 when the container exists, else 1",
        "CONTAINER",
        (),
    ),
    "container inspect": (
        "pypod.cli.inspect:container_inspect",
        "Show containers in full",
        "[CONTAINERS...]",
        (
            ("--format -f", "format", "str", "TEMPLATE", "json, or a Go template"),
            _LATEST,
            ("--size -s", "size", "bool", "", "Show sizes"),
        ),
    ),
    "container cleanup": (
        "pypod.cli.internal:cleanup",
        "",
        "CONTAINERS...",
        (),
    ),
    "container refresh-names": (
        "pypod.cli.internal:refresh_names",
        "",
        "CONTAINERS...",
        (),
    ),
}
