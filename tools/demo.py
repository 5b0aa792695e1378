# SPDX-License-Identifier: Apache-2.0
"""Run the embedded image as an ordinary user: demo.py PYPOD. As root, make or take such a user."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

NAME = "pypoddemo"


def has_ids(name: str) -> bool:
    """Say whether the user has subordinate ids of both kinds."""
    return all(
        any(line.startswith(f"{name}:") for line in Path(path).read_text().splitlines())
        for path in ("/etc/subuid", "/etc/subgid")
        if Path(path).exists()
    )


def ordinary_user() -> pwd.struct_passwd:
    """Return who called sudo, or a user made for this."""
    if name := os.environ.get("SUDO_USER"):
        found = pwd.getpwnam(name)
        if found.pw_uid != 0 and has_ids(name):
            return found
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        print(f"demo: making the user {NAME} (remove it with: userdel -r {NAME})", flush=True)
        # Debian's useradd gives an ordinary user 65,536 subordinate ids by itself.
        subprocess.run(["/usr/sbin/useradd", "-m", "-s", "/bin/sh", NAME], check=True)
        return pwd.getpwnam(NAME)


def main() -> None:
    """Become that user and run the container."""
    command = [sys.argv[1], "run", "--rm", "pypod/hello"]
    if os.getuid() != 0:
        print("demo: $ pypod run --rm pypod/hello\n", flush=True)
        os.execv(command[0], command)
    user = ordinary_user()
    runtime = Path(f"/run/user/{user.pw_uid}")
    if not runtime.exists():  # logind makes it where there is one
        runtime.mkdir(parents=True, mode=0o700)
        os.chown(runtime, user.pw_uid, user.pw_gid)
    print(f"demo: {user.pw_name}$ pypod run --rm pypod/hello\n", flush=True)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.chdir(user.pw_dir)
    environment = {
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(runtime),
        "TERM": os.environ.get("TERM", "dumb"),
    }
    os.execve(command[0], command, environment)


main()
