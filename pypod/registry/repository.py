# SPDX-License-Identifier: Apache-2.0
"""One repository of a registry: manifests, blobs (OCI distribution-spec), and logging in.

Bytes are verified by the caller, who knows their digest; sizes are bounded here.
"""

from __future__ import annotations

import random
from urllib.parse import urljoin, urlsplit

from pypod.errors import BodyCut, IntegrityError, RegistryError
from pypod.kernel import log
from pypod.oci import digest as oci_digest
from pypod.oci.manifest import ACCEPT, MANIFEST_BYTES_MOST
from pypod.registry import auth, certificates, words
from pypod.registry.client import Client, Unreachable, origin
from pypod.registry.login import Login, refused
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.oci.reference import Reference
    from pypod.registry.auth import Credentials
    from pypod.registry.client import Answer, Outgoing

_HOPELESS = ("certificate", "tls", "name")
"""What another try does not change."""
_TAGS_MOST = 100_000
PASSING = (408, 429, 500, 502, 503, 504)
"""Answers after which another try may do better."""
_HOSTS = {"docker.io": "registry-1.docker.io"}


class Patience(Value):
    """How long to wait and how often to try; seconds."""

    tries: int = 4
    """The first one and podman's three more."""
    connects: int = 1
    """A registry that is not there at all is asked once, or as often as --retry says."""
    idle: float = 30.0
    """Of silence, until a connection counts as lost."""
    wait_first: float = 1.0
    steady: bool = False
    """Always wait as long as at first, not twice as long each time (--retry-delay)."""
    wait_most: float = 60.0


class Body:
    """A blob on its way; iterate over it, then close it."""

    def __init__(self, answer: Answer, offset: int, left: int, noun: str) -> None:
        self.offset = offset
        """Where it begins: 0 when the registry takes no Range."""
        self._answer, self._left, self._noun = answer, left, noun

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes. Raises BodyCut when they end too early, IntegrityError for too many."""
        promised = self._answer.header("Content-Length")
        if promised.isdigit() and int(promised) > self._left:
            raise self._too_long()
        for chunk in self._answer.chunks():
            self._left -= len(chunk)
            if self._left < 0:
                raise self._too_long()
            yield chunk
        if self._left:
            raise BodyCut(f"{self._noun} ended {self._left} bytes too early")

    def _too_long(self) -> IntegrityError:
        return IntegrityError(f"{self._noun} is longer than the manifest says")

    def __enter__(self) -> Body:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._answer.close()


class Repository:
    """A repository. After `connect` it is safe to use from several threads."""

    def __init__(
        self,
        domain: str,
        path: str,
        *,
        credentials: Credentials | None = None,
        tls_verify: bool = True,
        trusted_realms: tuple[str, ...] = (),
        patience: Patience | None = None,
        cert_dir: str = "",
        actions: str = "pull",
        mounts: tuple[str, ...] = (),
        asked: Reference | None = None,
    ) -> None:
        """`actions` are what a token is asked for, `mounts` are paths to take blobs from.

        `asked` is the name that led here: another one where a mirror answers.
        """
        self.domain, self.path, self.asked = domain, path, asked
        scopes = [f"repository:{path}:{actions}"]
        scopes += [f"repository:{mount}:pull" for mount in mounts]
        self.host = _HOSTS.get(domain, domain)
        self.patience = patience or Patience()
        elsewhere = asked is not None and asked.domain != domain
        self.client = Client(
            self.host,
            verify=tls_verify,
            idle_seconds=self.patience.idle,
            certificates=(certificates.others if elsewhere else certificates.find)(
                domain, cert_dir
            ),
        )
        loopback = auth.is_loopback(urlsplit(f"//{self.host}").hostname or "")
        self._schemes = ("https", "http") if loopback or not tls_verify else ("https",)
        self._base = ""
        self._login = Login(self.client, self.host, credentials, trusted_realms, scopes)

    def connect(self) -> None:
        """Find out how the registry speaks, https first. Raises RegistryError.

        Plain http only without TLS verification, or on loopback when nothing there speaks TLS: a
        certificate that is not trusted is never a reason to go on without one.
        """
        for attempt in range(1, self.patience.connects):
            try:
                return self._connect()
            except Unreachable as error:
                if error.kind in _HOPELESS:
                    raise
                self.wait(attempt)
        return self._connect()

    def _connect(self) -> None:
        first: Unreachable | None = None
        for scheme in self._schemes:
            base = f"{scheme}://{self.host}"
            try:
                answer = self.client.request(f"{base}/v2/")
            except Unreachable as error:
                if error.kind == "certificate":
                    raise
                first = first or error
                continue
            with answer:
                if first is not None and first.kind == "tls" and answer.status == 400:
                    raise first  # a TLS server's answer to plain http
                self._base = base
                if answer.status == 401:
                    self._login.answer(answer.header("WWW-Authenticate"), base)
                return
        assert first is not None
        raise first

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return bytes, content type and Docker-Content-Digest of a tag or digest.

        Raises RegistryError.
        """
        noun = f"reading manifest {wanted} in {self.domain}/{self.path}"
        url = f"{self.url}/manifests/{wanted}"
        for last in (False, True):
            with self.ask(url, noun, {"Accept": ", ".join(ACCEPT)}) as answer:
                try:
                    body = answer.read(MANIFEST_BYTES_MOST, "the manifest")
                except BodyCut:
                    if last:
                        raise
                    continue
                content_type = answer.header("Content-Type")
                return body, content_type, answer.header("Docker-Content-Digest")
        raise AssertionError("not reached")

    def tags(self) -> list[str]:
        """Return the tags (distribution-spec, listing tags), all pages. Raises RegistryError."""
        noun = f"listing tags of {self.domain}/{self.path}"
        url = f"{self.url}/tags/list"
        found: list[str] = []
        asked: set[str] = set()
        # A registry that leads in circles or elsewhere gets no more requests.
        while url and url not in asked and len(found) < _TAGS_MOST:
            if not url.startswith(f"{self._base}/"):
                raise RegistryError(f"{noun}: the next page is on another host")
            asked.add(url)
            with self.ask(url, noun) as answer:
                page = words.document(answer.read(MANIFEST_BYTES_MOST, "the list of tags"))
                names = page.get("tags")
                following = words.next_page(answer.header("Link"))
                url = urljoin(url, following) if following else ""
            if not isinstance(names, list) or not names:
                break
            found += [name for name in names if isinstance(name, str)]
        return list(dict.fromkeys(found))

    def blob(self, digest: str, size: int, offset: int = 0) -> Body:
        """Ask for a blob from `offset` on. Raises RegistryError."""
        noun = f"registry {self.host}: blob {oci_digest.check(digest)}"
        url = f"{self.url}/blobs/{digest}"
        answer = self.ask(url, noun, {"Range": f"bytes={offset}-"} if offset else {})
        if offset and answer.status == 206:
            given = answer.header("Content-Range")
            if not given.startswith(f"bytes {offset}-"):
                answer.close()
                raise RegistryError(
                    f"{noun}: asked for bytes {offset}-, got {ascii(given)[1:-1][:80]}"
                )
        else:
            offset = 0
        return Body(answer, offset, size - offset, noun)

    @property
    def tries(self) -> int:
        """How often a blob is asked for that is cut off."""
        return self.patience.tries

    @property
    def base(self) -> str:
        """The registry's address; known after `connect`."""
        return self._base

    @property
    def url(self) -> str:
        """The repository's address; known after `connect`."""
        return f"{self._base}/v2/{self.path}"

    def ask(
        self,
        url: str,
        noun: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | Outgoing | None = None,
        good: tuple[int, ...] = (200, 206),
        tries: int = 0,
    ) -> Answer:
        """Make a request with authorization and a few retries. Raises RegistryError.

        An address of another origin never sees the authorization.
        """
        asked = False
        tries, headers = tries or self.patience.tries, headers or {}

        def once(used: str) -> Answer:
            return self.client.request(
                url, headers, authorization=used, method=method, body=body
            )

        for attempt in range(1, tries + 1):
            last = attempt == tries
            try:
                used = self._login.current() if origin(url) == origin(self._base) else ""
                answer = once(used)
                # Where a redirect led to has no say about our credentials.
                if answer.status == 401 and self._is_own(answer) and not asked:
                    asked = True
                    with answer:
                        self._login.renew(used, answer.header("WWW-Authenticate"))
                    answer = once(self._login.current())
            except Unreachable as error:
                if last or error.kind in _HOPELESS:
                    raise
                self.wait(attempt)
                continue
            if answer.status in good:
                return answer
            with answer:
                if answer.status == 416 and "Range" in headers:
                    headers = {key: value for key, value in headers.items() if key != "Range"}
                elif answer.status in PASSING and not last:
                    self.wait(attempt, answer.header("Retry-After"))
                else:
                    raise self._refused(answer, noun, own=self._is_own(answer))
        raise RegistryError(f"{noun}: too many tries")

    def _is_own(self, answer: Answer) -> bool:
        return origin(answer.url) == origin(self._base)

    def wait(self, attempt: int, retry_after: str = "") -> None:
        """Wait before another try, as long as the registry asks for. Raises Cancelled."""
        patience = self.patience
        seconds = patience.wait_first * (1 if patience.steady else 2 ** (attempt - 1))
        asked = words.seconds(retry_after)
        if asked is not None:
            seconds = min(max(asked, 0.0), patience.wait_most)
            log.warn(f"registry {self.host} is busy: waiting {seconds:.0f} s")
        # Jitter only adds: what the registry asked for is the least.
        most = max(patience.wait_most, patience.wait_first if patience.steady else 0.0)
        self.client.pause(min(seconds * random.uniform(1.0, 1.25), most))

    def _refused(self, answer: Answer, noun: str, *, own: bool) -> RegistryError:
        return refused(answer, noun, self._login, own=own)

    def cancel(self) -> None:
        """Stop everything that is under way; called from another thread."""
        self.client.cancel()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
