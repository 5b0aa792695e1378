# SPDX-License-Identifier: Apache-2.0
"""containers.conf(5), as far as pypod reads it: `[engine] detach_keys`.

The machine's, the administrator's and the user's file with their drop-ins, the later one wins, as
in podman 5; $CONTAINERS_CONF instead of all of them, $CONTAINERS_CONF_OVERRIDE after all of them.
docker's ~/.docker/config.json is not read.
"""

from __future__ import annotations

import os

from pypod.errors import PypodError

_SETTING = b"detach_keys"


def detach_keys() -> tuple[str, str] | None:
    """Return the keys that are set and the file that sets them; None where nobody does.

    Raises PypodError for a file that sets them and makes no sense.
    """
    found = None
    for path in _files():
        try:
            with open(path, "rb", buffering=0) as file:
                lines = file.read().splitlines()
        except OSError:
            continue  # most are not there; one that we may not read is not for us
        # TOML costs 10 ms, and every podman installs a file that is one long comment.
        if any(_SETTING in line and not line.lstrip().startswith(b"#") for line in lines):
            found = _read(path) or found
    return found


def _read(path: str) -> tuple[str, str] | None:
    from pypod.kernel import toml

    engine = toml.read(path)[0].get("engine", {})
    keys = engine.get("detach_keys") if isinstance(engine, dict) else None
    if keys is None:
        return None
    if not isinstance(keys, str):
        raise PypodError(f"{path}: [engine] detach_keys is not a text")
    return keys, path


def _files() -> list[str]:
    """Return the paths of the files that may be there, the weakest first."""
    only = os.environ.get("CONTAINERS_CONF")
    if only:
        files = [only]
    else:
        places = ["/usr/share/containers", "/etc/containers"]
        if os.geteuid():
            home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
            places.append(home + "/containers")
        files = []
        for place in places:
            files += [f"{place}/containers.conf", *_drop_ins(f"{place}/containers.conf.d")]
    override = os.environ.get("CONTAINERS_CONF_OVERRIDE")
    return [*files, override] if override else files


def _drop_ins(directory: str) -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [f"{directory}/{name}" for name in names if name.endswith(".conf")]
