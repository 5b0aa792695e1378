# SPDX-License-Identifier: Apache-2.0
"""Writing to a repository: blobs in one piece or in chunks, manifests, deletion.

Source: OCI distribution-spec 1.1 (pushing blobs, mounting, pushing manifests, deleting). What
the registry has is not sent, what another of its repositories has is mounted. An upload that is
cut off goes on from where the registry says that it got to; a session that it lost is begun anew.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from pypod.errors import IntegrityError, RegistryError
from pypod.oci import digest as oci_digest
from pypod.registry.client import Outgoing, Unreachable
from pypod.registry.login import NotThere, Refused
from pypod.registry.repository import PASSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pypod.registry.client import Answer
    from pypod.registry.repository import Repository

    Read = Callable[[int], Iterable[bytes]]
    """The bytes of a blob from an offset on; may be called again."""

WHOLE_MOST = 64 << 20
"""A blob of at most so many bytes goes in one request, a larger one in chunks of this size."""
_SMALL_CHUNK = 8 << 20
"""What is tried when a registry, or a proxy before it, says 413 Content Too Large."""
_CHUNK_MOST = 1 << 30
_LOST = (404, 410, 416)
"""The session is gone, or stands elsewhere than we think."""


class Upload:
    """Puts blobs and manifests into a repository. Safe to use from several threads."""

    def __init__(self, repository: Repository, whole_most: int = WHOLE_MOST) -> None:
        self._repository = repository
        self._most = whole_most

    def _noun(self, act: str, what: str) -> str:
        return f"{act} {what} in {self._repository.domain}/{self._repository.path}"

    def has(self, digest: str) -> bool:
        """Ask whether a blob is there. Raises RegistryError."""
        url = f"{self._repository.url}/blobs/{oci_digest.check(digest)}"
        try:
            with self._repository.ask(url, self._noun("looking for blob", digest), method="HEAD"):
                return True
        except NotThere:
            return False

    def put(self, digest: str, size: int, read: Read, mount: str = "") -> bool:
        """Upload a blob, or take it from the repository `mount` of the same registry.

        False when that was enough. Raises RegistryError.
        """
        noun = self._noun("uploading blob", oci_digest.check(digest))
        location = self._begin(noun, f"?mount={digest}&from={mount}" if mount else "")
        if not location:
            return False
        self._send(noun, digest, size, read, location)
        return True

    def _begin(self, noun: str, query: str = "") -> str:
        """Begin a session; return its address, nothing when the blob was mounted."""
        url = f"{self._repository.url}/blobs/uploads/{query}"
        good = (201, 202) if query else (202,)
        with self._repository.ask(url, noun, method="POST", body=b"", good=good) as answer:
            if answer.status == 201:
                return ""
            least = answer.header("OCI-Chunk-Min-Length")
            if least.isdigit():
                self._most = max(self._most, min(int(least), _CHUNK_MOST))
            return self._location(answer, url, noun)

    def _location(self, answer: Answer, url: str, noun: str) -> str:
        """Return where the session goes on: perhaps another host, which gets no credentials."""
        location = answer.header("Location")
        if not location:
            raise RegistryError(f"{noun}: the registry gives no address to send it to")
        same = urlsplit(urljoin(url, location)).netloc.lower() == urlsplit(url).netloc.lower()
        if same and url.startswith("https:") and location.startswith("http:"):
            # A registry behind a proxy that ends TLS says http and means what it was asked by.
            location = "https:" + location.removeprefix("http:")
        return self._repository.client.target(url, location)

    def _send(self, noun: str, digest: str, size: int, read: Read, location: str) -> None:
        """Send the bytes; after an error go on where the registry is. Raises RegistryError."""
        offset = best = 0
        failed = 0
        while True:
            try:
                while size - offset > self._most or offset not in (0, size):
                    location, offset = self._chunk(noun, size, read, location, offset)
                body = b"" if offset == size else Outgoing(size, lambda: read(0))
                return self._end(noun, digest, location, body)
            except (Unreachable, Refused) as error:
                failed = 1 if offset > best else failed + 1
                best = max(best, offset)
                if not self._may_go_on(error) or failed >= self._repository.patience.tries:
                    raise
                self._repository.wait(failed)
                location, offset = self._resume(noun, location, size)

    def _may_go_on(self, error: Unreachable | Refused) -> bool:
        if isinstance(error, Unreachable):
            return error.kind not in ("certificate", "tls", "name")
        if error.status == 413 and self._most > _SMALL_CHUNK:
            self._most = _SMALL_CHUNK
            return True
        if error.status in PASSING or error.status in _LOST:
            return True
        return error.reason in ("BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN")

    def _chunk(
        self, noun: str, size: int, read: Read, location: str, offset: int
    ) -> tuple[str, int]:
        length = min(self._most, size - offset)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{offset}-{offset + length - 1}",
        }
        body = Outgoing(length, lambda: _first(read(offset), length))
        with self._repository.ask(
            location, noun, headers, method="PATCH", body=body, good=(202, 204), tries=1
        ) as answer:
            there = _end_of(answer.header("Range"))
            if there is not None and not offset < there <= offset + length:
                raise Refused(f"{noun}: the registry lost part of it", status=416)
            after = offset + length if there is None else there
            return self._location(answer, location, noun), after

    def _end(self, noun: str, digest: str, location: str, body: bytes | Outgoing) -> None:
        url = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        headers = {"Content-Type": "application/octet-stream"}
        with self._repository.ask(
            url, noun, headers, method="PUT", body=body, good=(201, 204), tries=1
        ) as answer:
            _check_digest(answer, digest, noun)

    def _resume(self, noun: str, location: str, size: int) -> tuple[str, int]:
        """Ask how far the upload got; begin a new session where there is none any more."""
        try:
            with self._repository.ask(location, noun, good=(200, 204), tries=1) as answer:
                there = _end_of(answer.header("Range")) or 0
                if there <= size and answer.header("Location"):
                    return self._location(answer, location, noun), there
        except (Unreachable, Refused):
            pass
        return self._begin(noun), 0

    def put_manifest(self, wanted: str, body: bytes, media_type: str, digest: str) -> bool:
        """Upload a manifest under a tag or its digest, after all it names. Raises RegistryError.

        True when the registry has noted what the manifest refers to (its `subject`).
        """
        noun = self._noun("writing manifest", wanted)
        with self._repository.ask(
            f"{self._repository.url}/manifests/{wanted}",
            noun,
            {"Content-Type": media_type},
            method="PUT",
            body=body,
            good=(200, 201, 202),
        ) as answer:
            _check_digest(answer, digest, noun)
            return bool(answer.header("OCI-Subject"))

    def delete_manifest(self, digest: str) -> None:
        """Delete a manifest and the tags that lead to it. Raises RegistryError."""
        url = f"{self._repository.url}/manifests/{oci_digest.check(digest)}"
        noun = self._noun("deleting", digest)
        try:
            with self._repository.ask(url, noun, method="DELETE", good=(200, 202, 204)):
                pass
        except Refused as error:
            if error.status == 405:
                raise Refused(
                    f"{noun}: the registry does not allow it",
                    hint="docker-registry: REGISTRY_STORAGE_DELETE_ENABLED=true",
                ) from None
            raise


def _first(chunks: Iterable[bytes], length: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:length]
        length -= len(chunk)
        if length <= 0:
            return


def _end_of(header: str) -> int | None:
    """Return how many bytes a Range header of an upload counts: `0-99` is 100."""
    first, dash, last = header.removeprefix("bytes=").partition("-")
    if first == "0" and dash and last.isascii() and last.isdigit():
        # docker-registry says 0-0 for nothing at all; a session of one byte is begun anew.
        return int(last) + 1 if last != "0" else 0
    return None


def _check_digest(answer: Answer, digest: str, noun: str) -> None:
    found = answer.header("Docker-Content-Digest")
    if found.startswith("sha256:") and found != digest:
        raise IntegrityError(f"{noun}: the registry has it as {ascii(found)[1:-1][:80]}")
