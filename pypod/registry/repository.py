# SPDX-License-Identifier: Apache-2.0
"""One repository of a registry: manifests, blobs (OCI distribution-spec), and logging in.

Bytes are verified by the caller, who knows their digest; sizes are bounded here.
"""

from __future__ import annotations

import random
import threading
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urljoin, urlsplit

from pypod.errors import IntegrityError, RegistryError
from pypod.kernel import fastjson, log
from pypod.oci import digest as oci_digest
from pypod.oci.manifest import ACCEPT, MANIFEST_BYTES_MOST
from pypod.registry import auth, certificates, challenge
from pypod.registry.client import BodyCut, Client, Unreachable
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.registry.auth import Credentials
    from pypod.registry.client import Answer

_TOKEN_MOST = 1 << 20
_ERROR_MOST = 1 << 20
_TOKEN_SECONDS = 60.0
"""A token without expires_in lives this long (distribution's token specification)."""
_RETRY = (408, 429, 500, 502, 503, 504)
_HOPELESS = ("certificate", "tls", "name")
"""What another try does not change."""
_TAGS_MOST = 100_000
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


class NotThere(RegistryError):
    """The registry has no such repository, tag or blob."""


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
    """A repository to pull from. After `connect` it is safe to use from several threads."""

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
    ) -> None:
        self.domain, self.path = domain, path
        self.host = _HOSTS.get(domain, domain)
        self._credentials, self._trusted = credentials, trusted_realms
        self._patience = patience or Patience()
        self.client = Client(
            self.host,
            verify=tls_verify,
            idle_seconds=self._patience.idle,
            certificates=certificates.find(domain, cert_dir),
        )
        loopback = auth.is_loopback(urlsplit(f"//{self.host}").hostname or "")
        self._schemes = ("https", "http") if loopback or not tls_verify else ("https",)
        self._base = ""
        self._lock = threading.Lock()
        self._authorization, self._expires = "", float("inf")
        self._bearer: dict[str, str] = {}

    def connect(self) -> None:
        """Find out how the registry speaks, https first. Raises RegistryError.

        Plain http only without TLS verification, or on loopback when nothing there speaks TLS: a
        certificate that is not trusted is never a reason to go on without one.
        """
        for attempt in range(1, self._patience.connects):
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
                    self._login(answer.header("WWW-Authenticate"))
                return
        assert first is not None
        raise first

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return bytes, content type and Docker-Content-Digest of a tag or digest.

        Raises RegistryError.
        """
        noun = f"reading manifest {wanted} in {self.domain}/{self.path}"
        url = f"{self._base}/v2/{self.path}/manifests/{wanted}"
        for last in (False, True):
            with self._get(url, {"Accept": ", ".join(ACCEPT)}, noun) as answer:
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
        url = f"{self._base}/v2/{self.path}/tags/list"
        found: list[str] = []
        asked: set[str] = set()
        # A registry that leads in circles or elsewhere gets no more requests.
        while url and url not in asked and len(found) < _TAGS_MOST:
            if not url.startswith(f"{self._base}/"):
                raise RegistryError(f"{noun}: the next page is on another host")
            asked.add(url)
            with self._get(url, {}, noun) as answer:
                names = _json(answer.read(MANIFEST_BYTES_MOST, "the list of tags")).get("tags")
                following = _next_page(answer.header("Link"))
                url = urljoin(url, following) if following else ""
            if not isinstance(names, list) or not names:
                break
            found += [name for name in names if isinstance(name, str)]
        return list(dict.fromkeys(found))

    def blob(self, digest: str, size: int, offset: int = 0) -> Body:
        """Ask for a blob from `offset` on. Raises RegistryError."""
        noun = f"registry {self.host}: blob {oci_digest.check(digest)}"
        url = f"{self._base}/v2/{self.path}/blobs/{digest}"
        answer = self._get(url, {"Range": f"bytes={offset}-"} if offset else {}, noun)
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

    def _get(self, url: str, headers: dict[str, str], noun: str) -> Answer:
        """GET with authorization and a few retries. Raises RegistryError."""
        asked = False
        for attempt in range(1, self._patience.tries + 1):
            last = attempt == self._patience.tries
            try:
                used = self._current()
                answer = self.client.request(url, headers, authorization=used)
                # Where a redirect led to has no say about our credentials.
                if answer.status == 401 and self._is_own(answer) and not asked:
                    asked = True
                    with answer:
                        self._renew(used, answer.header("WWW-Authenticate"))
                    used = self._current()
                    answer = self.client.request(url, headers, authorization=used)
            except Unreachable as error:
                if last or error.kind in _HOPELESS:
                    raise
                self.wait(attempt)
                continue
            if answer.status in (200, 206):
                return answer
            with answer:
                if answer.status == 416 and "Range" in headers:
                    headers = {key: value for key, value in headers.items() if key != "Range"}
                elif answer.status in _RETRY and not last:
                    self.wait(attempt, answer.header("Retry-After"))
                else:
                    raise self._refused(answer, noun, own=self._is_own(answer))
        raise RegistryError(f"{noun}: too many tries")

    def _is_own(self, answer: Answer) -> bool:
        return answer.url.startswith(f"{self._base}/")

    def wait(self, attempt: int, retry_after: str = "") -> None:
        """Wait before another try, as long as the registry asks for. Raises Cancelled."""
        patience = self._patience
        seconds = patience.wait_first * (1 if patience.steady else 2 ** (attempt - 1))
        asked = _seconds(retry_after)
        if asked is not None:
            seconds = min(max(asked, 0.0), patience.wait_most)
            log.warn(f"registry {self.host} is busy: waiting {seconds:.0f} s")
        # Jitter only adds: what the registry asked for is the least.
        most = max(patience.wait_most, patience.wait_first if patience.steady else 0.0)
        self.client.pause(min(seconds * random.uniform(1.0, 1.25), most))

    def _current(self) -> str:
        """Return the authorization to use, a fresh one where the token's time is over."""
        with self._lock:
            if time.monotonic() >= self._expires:
                self._authorize(self._bearer)
            return self._authorization

    def _renew(self, used: str, header: str) -> None:
        """Log in again after a 401, unless another thread has done so meanwhile."""
        with self._lock:
            if self._authorization == used or not used:
                self._login(header)

    def _login(self, header: str) -> None:
        """Answer a challenge, by Basic or by a token of its realm. Raises RegistryError."""
        for one in challenge.parse(header):
            credentials = self._credentials
            if one.scheme == "basic" and credentials and not credentials.identity_token:
                self._authorization = credentials.basic
                return
            if one.scheme == "bearer" and one.parameters.get("realm"):
                self._bearer = one.parameters
                self._authorize(one.parameters)
                return
        raise RegistryError(
            f"registry {self.host}: authentication required",
            hint="--creds USER:PASSWORD, or an entry in auth.json",
        )

    def _authorize(self, parameters: dict[str, str]) -> None:
        """Get a token (distribution's token specification; oauth2 for an identity token)."""
        realm = parameters["realm"]
        credentials = self._credentials
        auth.check_realm(
            realm,
            self.host,
            plain=self._base.startswith("http:"),
            with_credentials=credentials is not None,
            trusted=self._trusted,
        )
        query = {
            "service": parameters.get("service", ""),
            "scope": parameters.get("scope") or f"repository:{self.path}:pull",
        }
        if credentials is not None and credentials.identity_token:
            form = {
                "grant_type": "refresh_token",
                "client_id": "pypod",
                "refresh_token": credentials.identity_token,
                **query,
            }
            answer = self.client.request(realm, form=form)
        else:
            separator = "&" if "?" in realm else "?"
            answer = self.client.request(
                realm + separator + urlencode({key: text for key, text in query.items() if text}),
                authorization=credentials.basic if credentials else "",
            )
        noun = f"token of {ascii(realm)[1:-1][:200]}"
        with answer:
            if answer.status != 200:
                raise self._refused(answer, noun, own=True)
            document = _json(answer.read(_TOKEN_MOST, noun))
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryError(f"registry {self.host}: {noun}: there is none in the answer")
        given = document.get("expires_in")
        seconds = float(given) if isinstance(given, int) and given > 0 else _TOKEN_SECONDS
        # Asked for again a little early: what is under way when it ends costs a 401 each.
        self._expires = time.monotonic() + seconds * 0.9
        self._authorization = f"Bearer {token}"

    def _refused(self, answer: Answer, noun: str, *, own: bool) -> RegistryError:
        status, hint = answer.status, None
        said = ""
        try:
            said = _words(_json(answer.read(_ERROR_MOST, "the error")))
        except RegistryError:
            pass
        if status in (401, 403) and not own:
            said = f"HTTP {status} from {urlsplit(answer.url).netloc}, where it redirects to"
        elif status == 401:
            said = "authentication required"
            if self._credentials is not None:
                said = "wrong user name or password, or no right to read it"
            hint = "--creds USER:PASSWORD, or an entry in auth.json"
        elif status == 403:
            said = said or "access denied"
        elif status == 404:
            said = said or ("manifest unknown" if noun.startswith("reading") else "not found")
            return NotThere(f"{noun}: {said}")
        else:
            said = f"HTTP {status}" + (f": {said}" if said else "")
        return RegistryError(f"{noun}: {said}", hint=hint)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def _seconds(retry_after: str) -> float | None:
    """Return what Retry-After asks for: seconds, or a date (RFC 9110 section 10.2.3)."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None


def _next_page(link: str) -> str:
    """Return the target of a Link header of relation `next` (RFC 8288), as registries write it."""
    target, _, rest = link.partition(">")
    is_next = 'rel="next"' in rest.replace(" ", "") or "rel=next" in rest.replace(" ", "")
    return target.strip().removeprefix("<") if is_next else ""


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = fastjson.loads(body)
    except fastjson.BadJson:
        return {}
    return document if isinstance(document, dict) else {}


def _words(document: dict[str, Any]) -> str:
    """Return the message of an error (distribution-spec, error codes), fit for a terminal."""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    text = first.get("message") or first.get("code") if isinstance(first, dict) else None
    return ascii(text)[1:-1][:200] if isinstance(text, str) else ""
