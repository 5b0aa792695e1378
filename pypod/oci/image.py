# SPDX-License-Identifier: Apache-2.0
"""An image as the store knows it: the summary of its manifest and configuration.

Source: OCI image-spec, config.md. Everything from an image is data: a field of the wrong type
counts as absent, only known fields are kept, and nothing here can give a container more rights
(A29, A61).
"""

from __future__ import annotations

from pypod.errors import IntegrityError, RegistryError
from pypod.oci import digest as oci_digest
from pypod.oci.manifest import (
    DOCKER_CONFIG,
    OCI_CONFIG,
    Descriptor,
    Manifest,
    Platform,
)
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


SUMMARY_VERSION = 2
"""A summary of another version is made again from the image's blobs."""

_HISTORY_MOST = 2048
_CONFIGS = (OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream")
"""Types of a configuration; docker 1.10 pushed them as plain bytes."""


class ImageRecord(Value):
    """An image of this store. `id` is the digest of its configuration."""

    id: str
    manifest: str
    """Digest of this platform's OCI manifest."""
    config: dict[str, Any]
    """env, entrypoint, cmd, workdir, user, labels, stop_signal, volumes, exposed_ports, and for
    `inspect` alone healthcheck, shell, onbuild. Empty ones are left out."""
    created: str
    architecture: str
    os: str
    variant: str
    size: int
    """Bytes of the configuration and the layers as they are unpacked."""
    chain_ids: tuple[str, ...]
    """Names of the unpacked layers, hexadecimal, lowest first (image-spec, config.md: chain id)."""
    diff_ids: tuple[str, ...]
    layers: tuple[Descriptor, ...]
    history: tuple[dict[str, Any], ...]
    author: str = ""
    index: str = ""
    """Digest of the index that it was chosen from."""
    original: str = ""
    """Digest of the docker v2s2 manifest that it was pulled as."""
    sizes: tuple[int, ...] = ()
    """Bytes of each layer's tar (podman's and docker's size of a layer); before it was ever
    unpacked, of its blob."""

    @property
    def top(self) -> str:
        """The chain id of the whole image; empty when it has no layers."""
        return self.chain_ids[-1] if self.chain_ids else ""

    def to_summary(self) -> dict[str, Any]:
        """Return the JSON form that summary/<id>.json holds."""
        summary: dict[str, Any] = {"version": SUMMARY_VERSION, **self.as_dict()}
        summary["layers"] = [
            [layer.media_type, layer.digest, layer.size] for layer in self.layers
        ]
        return summary

    @staticmethod
    def from_summary(summary: dict[str, Any]) -> ImageRecord:
        """Return the value of a summary of ours. Raises KeyError, TypeError, ValueError."""
        if summary["version"] != SUMMARY_VERSION:
            raise ValueError("the summary is of another version of pypod")
        fields = {key: summary[key] for key in ImageRecord._fields}
        fields["layers"] = tuple(Descriptor(*entry) for entry in summary["layers"])
        for name in ("chain_ids", "diff_ids", "sizes", "history"):
            fields[name] = tuple(fields[name])
        return ImageRecord(**fields)


def weighed(image: ImageRecord, sizes: Iterable[int | None]) -> ImageRecord:
    """Return the image with the sizes of its layers, as far as they are known."""
    found = tuple(
        known if size is None else size for size, known in zip(sizes, image.sizes, strict=True)
    )
    made: ImageRecord = image.replace(sizes=found, size=image.size - sum(image.sizes) + sum(found))
    return made


def chain_ids(diff_ids: tuple[str, ...], sha256: Callable[[bytes], str]) -> tuple[str, ...]:
    """Return the chain ids, in hexadecimal; `sha256` hashes bytes to hexadecimal."""
    chain: list[str] = []
    for diff_id in diff_ids:
        if chain:
            chain.append(sha256(f"sha256:{chain[-1]} {diff_id}".encode()))
        else:
            chain.append(oci_digest.hex_of(diff_id))
    return tuple(chain)


def record(
    manifest: Manifest,
    manifest_digest: str,
    document: Any,
    sha256: Callable[[bytes], str],
    *,
    index: str = "",
    original: str = "",
) -> ImageRecord:
    """Return the record of an image whose configuration is `document`.

    Raises RegistryError, IntegrityError for a configuration that does not fit its manifest.
    """
    if not isinstance(document, dict):
        raise RegistryError("the image's configuration is not a JSON object")
    if manifest.config.media_type not in _CONFIGS:
        kind = ascii(manifest.config.media_type)[:100]
        raise RegistryError(f"not a container image: its configuration is of type {kind}")
    rootfs = document.get("rootfs")
    diffs = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diffs, list):
        raise RegistryError("the image's configuration has no rootfs.diff_ids")
    diff_ids = tuple(oci_digest.check(diff) for diff in diffs)
    if len(diff_ids) != len(manifest.layers):
        raise IntegrityError(
            f"the image has {len(manifest.layers)} layers and {len(diff_ids)} diff_ids"
        )
    config = document.get("config")
    history = document.get("history")
    return ImageRecord(
        id=manifest.config.digest,
        manifest=manifest_digest,
        config=_config(config if isinstance(config, dict) else {}),
        created=_text(document.get("created")),
        architecture=_text(document.get("architecture")),
        os=_text(document.get("os")),
        variant=_text(document.get("variant")),
        size=manifest.config.size + sum(layer.size for layer in manifest.layers),
        chain_ids=chain_ids(diff_ids, sha256),
        diff_ids=diff_ids,
        layers=manifest.layers,
        sizes=tuple(layer.size for layer in manifest.layers),
        history=_history(history),
        author=_text(document.get("author")),
        index=index,
        original=original,
    )


def platform_of(image: ImageRecord) -> Platform:
    """Return the platform that an image's configuration names."""
    return Platform(image.os, image.architecture, image.variant)


def _config(config: dict[str, Any]) -> dict[str, Any]:
    env = [entry for entry in _words(config.get("Env")) if _is_variable(entry)]
    kept: dict[str, Any] = {
        "env": env,
        "entrypoint": _words(config.get("Entrypoint")),
        "cmd": _words(config.get("Cmd")),
        "workdir": _text(config.get("WorkingDir")),
        "user": _text(config.get("User")),
        "labels": _labels(config.get("Labels")),
        "stop_signal": _text(config.get("StopSignal")),
        "volumes": _keys(config.get("Volumes")),
        "exposed_ports": _keys(config.get("ExposedPorts")),
        "healthcheck": _healthcheck(config.get("Healthcheck")),
        "shell": _words(config.get("Shell")),
        "onbuild": _words(config.get("OnBuild")),
    }
    return {key: value for key, value in kept.items() if value}


def _is_variable(entry: str) -> bool:
    name, equals, _ = entry.partition("=")
    return bool(name and equals)


def _is_text(value: Any) -> bool:
    """Say whether a value is text that can be a word of a command line and be written as UTF-8."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON's \u can spell
        return False
    return True


def _text(value: Any) -> str:
    return value if _is_text(value) else ""


def _words(value: Any) -> list[str]:
    return [word for word in value if _is_text(word)] if isinstance(value, list) else []


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if _is_text(key) and _is_text(text)}


def _keys(value: Any) -> list[str]:
    return sorted(key for key in value if _text(key)) if isinstance(value, dict) else []


def _healthcheck(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    kept: dict[str, Any] = {"Test": _words(value.get("Test"))}
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"):
        number = value.get(key)
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 1 << 63:
            kept[key] = number
    return kept if kept["Test"] else {}


def _history(value: Any) -> tuple[dict[str, Any], ...]:
    kept = []
    for entry in value[:_HISTORY_MOST] if isinstance(value, list) else ():
        if isinstance(entry, dict):
            step: dict[str, Any] = {
                key: entry[key]
                for key in ("created", "created_by", "author", "comment")
                if _text(entry.get(key))
            }
            if entry.get("empty_layer") is True:
                step["empty_layer"] = True
            kept.append(step)
    return tuple(kept)
