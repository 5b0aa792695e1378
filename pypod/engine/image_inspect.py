# SPDX-License-Identifier: Apache-2.0
"""What `image inspect` and `images --format` show of an image, in podman's keys."""

from __future__ import annotations

from pypod.engine import images
from pypod.errors import PypodError
from pypod.kernel import fastjson
from pypod.oci import reference
from pypod.oci.manifest import DOCKER_MANIFEST, OCI_MANIFEST
from pypod.store import blobs, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places


def inspect(places: Places, name: str) -> dict[str, Any]:
    """Return the document of an image. Raises ImageNotKnown."""
    image = images.find(places, name)
    entries = [entry for entry in layout.read(places) if layout.image_of(entry) == image.id]
    names = tagged_names(entries)
    return {
        "Id": image.id.removeprefix("sha256:"),
        "Digest": image.original or image.manifest,
        "RepoTags": names,
        "RepoDigests": repo_digests(entries),
        "Parent": "",
        "Comment": image.history[-1].get("comment", "") if image.history else "",
        "Created": image.created,
        "Config": _config(image.config),
        "Version": "",
        "Author": image.author,
        "Architecture": image.architecture,
        "Os": image.os,
        **({"Variant": image.variant} if image.variant else {}),
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Name": "overlay", "Data": {}},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Labels": image.config.get("labels"),
        "Annotations": _annotations(places, image.manifest),
        "ManifestType": DOCKER_MANIFEST if image.original else OCI_MANIFEST,
        "User": image.config.get("user", ""),
        "History": list(image.history),
        "NamesHistory": names,
    }


def tagged_names(entries: list[dict[str, Any]]) -> list[str]:
    """Return the names of an image's entries that have a tag; `repository@digest` is none."""
    names = (layout.name_of(entry) for entry in entries)
    return [name for name in names if name and "@" not in name]


def repo_digests(entries: list[dict[str, Any]]) -> list[str]:
    """Return the repositories with the digests that a registry knows the image by.

    Per repository: the index it was chosen from, if any, and this platform's manifest as it came.
    """
    found: dict[str, None] = {}
    for entry in entries:
        name = layout.name_of(entry)
        if name:
            repository, _tag = reference.split_stored(name)
            came_as = layout.original_of(entry) or str(entry.get("digest", ""))
            for digest in (layout.index_of(entry), came_as):
                if digest:
                    found[f"{repository}@{digest}"] = None
    return list(found)


def _annotations(places: Places, manifest: str) -> dict[str, str]:
    try:
        document = fastjson.loads(blobs.read(places, manifest))
    except (PypodError, fastjson.BadJson):
        return {}
    return layout.notes_of(document) if isinstance(document, dict) else {}


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
        ("Healthcheck", "healthcheck"),
        ("Shell", "shell"),
        ("OnBuild", "onbuild"),
    ):
        if config.get(own):
            document[key] = config[own]
    for key, own in (("Volumes", "volumes"), ("ExposedPorts", "exposed_ports")):
        if config.get(own):
            document[key] = {name: {} for name in config[own]}
    return document
