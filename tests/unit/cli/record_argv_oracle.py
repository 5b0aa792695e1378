# SPDX-License-Identifier: Apache-2.0
"""Ask a real podman what it does with each command line, and write argv_oracle.json.

    record_argv_oracle.py [PODMAN WORDS...] < argv_oracle.txt > argv_oracle.json

Run it as an ordinary user whose store has `localhost/bb:1` (any image without CMD and ENTRYPOINT,
with a static busybox at /bin/busybox and /bin/sh). A line of the input is one argv, in shell
quoting. A command line that makes a container is judged by `podman inspect`, any other by whether
podman's parser refuses it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

PODMAN = sys.argv[1:] or ["podman", "--runtime", "runc"]
DEFAULT_ENV = {"PATH", "TERM", "container", "HOSTNAME", "HOME"}
REFUSALS = (
    "unknown", "invalid argument", "flag needs an argument", "accepts", "requires", "bad flag",
    "unrecognized", "missing command", "must specify", "takes no arguments",
    "you must provide", "must provide", "image name or ID must be specified",
)  # fmt: skip


def podman(*words: str) -> subprocess.CompletedProcess[str]:
    """Run podman with a closed standard input."""
    return subprocess.run(
        [*PODMAN, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )


def container_facts(id: str) -> dict[str, Any]:
    """Return what a container shows of the options that made it."""
    found = json.loads(podman("container", "inspect", id).stdout)[0]
    config, host = found["Config"], found["HostConfig"]
    env = dict(word.split("=", 1) for word in config["Env"])
    return {
        "command": config["Cmd"] or [],
        "env": {key: env[key] for key in sorted(env) if key not in DEFAULT_ENV},
        "labels": config["Labels"] or {},
        "tty": config["Tty"],
        "interactive": config["OpenStdin"],
        "user": config["User"],
        "workdir": config["WorkingDir"],
        "entrypoint": config["Entrypoint"] or "",
        "hostname": "" if config["Hostname"] == found["Id"][:12] else config["Hostname"],
        "stop_timeout": config["StopTimeout"],
        "privileged": host["Privileged"],
        "read_only": host["ReadonlyRootfs"],
        "rm": host["AutoRemove"],
        "cap_add": host["CapAdd"] if not host["Privileged"] else [],
        "cap_drop": host["CapDrop"] if not host["Privileged"] else [],
        "init": config["Annotations"].get("io.podman.annotations.init") == "TRUE",
        "tmpfs": sorted(host["Tmpfs"] or {}),
        "binds": sorted(":".join(bind.split(":")[:2]) for bind in host["Binds"] or ()),
    }


def row(line: str) -> dict[str, Any]:
    """Return {argv, then `facts`, or `error` of the parser, or `accepted`}."""
    argv = shlex.split(line)
    done = podman(*argv)
    first = done.stderr.strip().splitlines()[:1]
    message = first[0].removeprefix("Error: ") if first else ""
    answer: dict[str, Any] = {"argv": argv}
    last = done.stdout.strip().splitlines()[-1:]
    creates = argv[0] in ("run", "create") or argv[:2] in (
        ["container", "run"],
        ["container", "create"],
    )
    if creates and last and len(last[0]) == 64:
        answer["facts"] = container_facts(last[0])
        podman("rm", "-f", "-t", "0", last[0])
    elif done.returncode == 125 and any(word in message for word in REFUSALS):
        answer["error"] = message
    elif "--help" in argv or (not message and "Usage:" in done.stdout):
        answer["help"] = True
    else:
        answer["accepted"] = message or True
    return answer


def main() -> None:
    """Write a row for each line."""
    rows = [row(line) for line in sys.stdin.read().splitlines() if line and line[0] != "#"]
    print("[\n" + ",\n".join(json.dumps(one) for one in rows) + "\n]")


if __name__ == "__main__":
    main()
