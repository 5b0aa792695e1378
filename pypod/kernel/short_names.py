# SPDX-License-Identifier: Apache-2.0
"""Short names that were chosen at a prompt: ~/.cache/containers/short-name-aliases.conf.

The file is podman's too; what either writes the other reads (containers-registries.conf(5)).
"""

from __future__ import annotations

import os

from pypod.errors import PypodError
from pypod.kernel import config, log
from pypod.kernel.fastjson import dumps
from pypod.kernel.locks import Lock


def remember(name: str, repository: str) -> None:
    """Keep that a short name without tag means a repository. A failure is a warning only."""
    from pypod.kernel import toml

    path = config.alias_file()
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with Lock(f"{path}.lock", create=True):
            known = {}
            if os.path.exists(path):
                known = toml.read(path)[0].get("aliases", {})
            known[name] = repository
            # A JSON string of what a reference may hold is a TOML string too.
            lines = [f"  {dumps(short)} = {dumps(known[short])}\n" for short in sorted(known)]
            with open(temporary, "w", encoding="utf-8") as file:
                file.write("[aliases]\n" + "".join(lines))
            os.rename(temporary, path)
    except (OSError, PypodError) as error:
        said = error.strerror if isinstance(error, OSError) else error.message
        log.warn(f"{path}: {name} = {repository} is not remembered: {said}")
