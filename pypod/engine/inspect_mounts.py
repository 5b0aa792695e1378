# SPDX-License-Identifier: Apache-2.0
"""The mounts in what `inspect` shows of a container, in podman's shape."""

from __future__ import annotations

from pypod.spec.mounts import size
from pypod.spec.volumes import PROPAGATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHM_SIZE = 65536000
"""What podman shows for its default, which is a little more."""


def mounts(create: dict[str, Any], config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `Mounts`: binds and volumes, in the order in which they were asked for."""
    placed = {mount["destination"]: mount for mount in config["mounts"][1:]}
    return [
        _mount(record, placed[record["destination"]])
        for record in _records(create)
        if record["destination"] in placed
    ]


def _records(create: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in create.get("volumes", ()) if one["kind"] != "tmpfs"]


def _mount(record: dict[str, Any], mount: dict[str, Any]) -> dict[str, Any]:
    options = mount.get("options", [])
    is_volume = record["kind"] == "volume"
    shown: dict[str, Any] = {"Type": record["kind"]}
    if is_volume:
        shown["Name"] = record["source"]
    shown["Source"] = record.get("path") or record["source"]
    shown["Destination"] = record["destination"]
    shown["Driver"] = "local" if is_volume else ""
    shown["Mode"] = "O" if record.get("overlay") else "U" if record.get("chown") else ""
    shown["Options"] = [one for one in options if _is_shown(one)]
    shown["RW"] = "ro" not in options
    shown["Propagation"] = next((one for one in options if one in PROPAGATION), "rprivate")
    if record.get("subpath"):
        shown["SubPath"] = record["subpath"]
    return shown


def _is_shown(option: str) -> bool:
    plain = option not in ("ro", "rw", "userxattr") and option not in PROPAGATION
    return plain and not option.startswith(("X-pypod.", "lowerdir=", "upperdir=", "workdir="))


def binds(create: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """Return `Binds`: SOURCE:DESTINATION:OPTIONS of each mount, as podman writes them."""
    found = []
    for mount in mounts(create, config):
        words = ["rw" if mount["RW"] else "ro", mount["Propagation"], *mount["Options"]]
        source = mount.get("Name") or mount["Source"]
        found.append(f"{source}:{mount['Destination']}:{','.join(words)}")
    return found


def image_volumes(create: dict[str, Any]) -> dict[str, Any] | None:
    """Return `Volumes`: the places that the image or `-v /place` made volumes, None for none."""
    places: dict[str, Any] = {
        one["destination"]: {}
        for one in create.get("volumes", ())
        if one.get("image") or one.get("anonymous")
    }
    return places or None


def shm_size(text: str) -> int:
    """Return `ShmSize` in bytes."""
    return _SHM_SIZE if text in ("", "64m") else size(text, "--shm-size")
