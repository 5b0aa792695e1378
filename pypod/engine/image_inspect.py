# SPDX-License-Identifier: Apache-2.0
"""What `image inspect` and `images --format` show of an image, in podman's keys."""

from __future__ import annotations

from pypod.engine import images
from pypod.oci import reference
from pypod.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord


def inspect(places: Places, name: str) -> dict[str, Any]:
    """Return the document of an image. Raises ImageNotKnown."""
    image = images.find(places, name)
    entries = [entry for entry in layout.read(places) if layout.image_of(entry) == image.id]
    names = [layout.name_of(entry) for entry in entries if layout.name_of(entry)]
    return {
        "Id": image.id.removeprefix("sha256:"),
        "Digest": image.original or image.manifest,
        "RepoTags": names,
        "RepoDigests": repo_digests(image, names),
        "Parent": "",
        "Comment": "",
        "Created": image.created,
        "Config": _config(image.config),
        "Version": "",
        "Author": image.author,
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Name": "overlay", "Data": {}},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Labels": image.config.get("labels"),
        "Annotations": {},
        "ManifestType": (
            "application/vnd.docker.distribution.manifest.v2+json"
            if image.original
            else "application/vnd.oci.image.manifest.v1+json"
        ),
        "User": image.config.get("user", ""),
        "History": list(image.history),
        "NamesHistory": names,
    }


def repo_digests(image: ImageRecord, names: list[str]) -> list[str]:
    """Return the repositories with the digests that a registry knows the image by."""
    digests = [one for one in (image.index, image.original or image.manifest) if one]
    repositories = dict.fromkeys(reference.parse(name).repository for name in names)
    return [f"{repository}@{digest}" for repository in repositories for digest in digests]


def _config(config: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, own in (
        ("User", "user"),
        ("Env", "env"),
        ("Entrypoint", "entrypoint"),
        ("Cmd", "cmd"),
        ("WorkingDir", "workdir"),
        ("Labels", "labels"),
        ("StopSignal", "stop_signal"),
    ):
        if config.get(own):
            document[key] = config[own]
    for key, own in (("Volumes", "volumes"), ("ExposedPorts", "exposed_ports")):
        if config.get(own):
            document[key] = {name: {} for name in config[own]}
    return document
