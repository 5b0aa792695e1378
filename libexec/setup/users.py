# SPDX-License-Identifier: Apache-2.0
"""Users for the demo and the tests: made when missing, with or without subordinate ids."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

TABLES = {"--add-subuids": "/etc/subuid", "--add-subgids": "/etc/subgid"}
REMOVE = {"/etc/subuid": "--del-subuids", "/etc/subgid": "--del-subgids"}
COUNT = 65536


def ranges(path: str) -> list[tuple[str, int, int]]:
    """Return (owner, first, count) of each line of /etc/subuid or /etc/subgid."""
    found = []
    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            found.append((fields[0], int(fields[1]), int(fields[2])))
    return found


def ensure(name: str, *, ids: bool = True) -> pwd.struct_passwd:
    """Return the user, made if it is missing; `ids` says whether it has subordinate ids."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["/usr/sbin/useradd", "-m", "-s", "/bin/sh", name], check=True)
    for option, path in TABLES.items():
        own = [(first, count) for owner, first, count in ranges(path) if owner == name]
        if ids and not own:
            # useradd does this by itself where login.defs and the files are Debian's.
            start = max([100000, *(first + count for _, first, count in ranges(path))])
            Path(path).touch()
            change = [option, f"{start}-{start + COUNT - 1}"]
            subprocess.run(["/usr/sbin/usermod", *change, name], check=True)
        for first, count in () if ids else own:
            change = [REMOVE[path], f"{first}-{first + count - 1}"]
            subprocess.run(["/usr/sbin/usermod", *change, name], check=True)
    return pwd.getpwnam(name)


def runtime_directory(user: pwd.struct_passwd) -> Path:
    """Return /run/user/UID, made where no logind does it."""
    path = Path(f"/run/user/{user.pw_uid}")
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o700)
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def become(user: pwd.struct_passwd) -> None:
    """Drop from root to the user, for good."""
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
