# SPDX-License-Identifier: Apache-2.0
"""Run the embedded image as an ordinary user: demo.py PYPOD. As root, make or take such a user."""

from __future__ import annotations

import os
import pwd
import sys

import users

NAME = "pypoddemo"


def ordinary_user() -> pwd.struct_passwd:
    """Return who called sudo, or a user made for this."""
    if name := os.environ.get("SUDO_USER"):
        found = pwd.getpwnam(name)
        owners = {owner for owner, _, _ in users.ranges("/etc/subuid")}
        if found.pw_uid != 0 and name in owners:
            return found
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        print(f"demo: making the user {NAME} (userdel -r {NAME} removes it)", flush=True)
    return users.ensure(NAME)


def main() -> None:
    """Become that user and run the container."""
    command = [sys.argv[1], "run", "--rm", "pypod/hello"]
    if os.getuid() != 0:
        print("demo: $ pypod run --rm pypod/hello\n", flush=True)
        os.execv(command[0], command)
    user = ordinary_user()
    runtime = users.runtime_directory(user)
    print(f"demo: {user.pw_name}$ pypod run --rm pypod/hello\n", flush=True)
    users.become(user)
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
