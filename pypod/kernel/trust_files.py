# SPDX-License-Identifier: Apache-2.0
"""policy.json and registries.d from where podman and skopeo have them. The only importer of YAML.

Source: containers-policy.json(5), containers-registries.d(5). A file that is there and cannot be
read or understood is an error, never the same as none.
"""

from __future__ import annotations

import os

from pypod.errors import IntegrityError, PypodError
from pypod.kernel import config, strictjson, yaml_file
from pypod.oci import lookaside, policy
from pypod.oci.lookaside import Lookasides
from pypod.oci.policy import ACCEPT, Policy, Requirement

_SYSTEM = "/etc/containers"
_MOST = 4 << 20
"""Bytes of a file."""


def policy_path(given: str = "") -> str:
    """Return the file that counts: the given one, the user's, the machine's; empty for none.

    Raises PypodError when it cannot be told.
    """
    if given:
        return given
    for home in (config.config_home() + "/containers", _SYSTEM):
        path = home + "/policy.json"
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise PypodError(f"{path}: {error.strerror}: no image is accepted") from None
        return path
    return ""


def read_policy(path: str) -> Policy:
    """Return the policy in a file; without a file everything is accepted. Raises PypodError."""
    if not path:
        return Policy((Requirement(ACCEPT),))
    try:
        return policy.parse(strictjson.loads(read(path), "it"))
    except IntegrityError as error:
        raise PypodError(f"{path}: {error.message}: no image is accepted") from None
    except policy.BadPolicy as error:
        raise PypodError(f"{path}: {error.message}: no image is accepted") from None


def describe() -> str:
    """Return which policy counts, for `info`; the problem of a file that is no policy."""
    try:
        path = policy_path()
        if not path:
            return f"{ACCEPT} (there is no policy.json)"
        rules = read_policy(path)
    except PypodError as error:
        return error.message
    return f"{path}, default {' '.join(one.kind for one in rules.default)}"


def read(path: str) -> bytes:
    """Return a small file. Raises PypodError."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise PypodError(f"{path}: {error.strerror}") from None
    if len(data) > _MOST:
        raise PypodError(f"{path}: more than {_MOST >> 20} MiB")
    return data


def lookasides() -> Lookasides:
    """Return registries.d: the user's directory, else the machine's. Raises PypodError."""
    own = config.config_home() + "/containers/registries.d"
    directory = own if os.path.isdir(own) else f"{_SYSTEM}/registries.d"
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".yaml"))
    except FileNotFoundError:
        return Lookasides()
    except OSError as error:
        raise PypodError(f"{directory}: {error.strerror}") from None
    found = Lookasides()
    for path in (f"{directory}/{name}" for name in names):
        try:
            found = lookaside.merge(found, yaml_file.parse(path, read(path)))
        except PypodError as error:
            said = error.message if error.message.startswith(path) else f"{path}: {error.message}"
            raise PypodError(said) from None
    return found


def default_lookaside() -> str:
    """Return where signatures are when no file says it: a directory of this machine."""
    if os.geteuid() == 0:
        return "file:///var/lib/containers/sigstore"
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return f"file://{home}/containers/sigstore"
