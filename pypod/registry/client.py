# SPDX-License-Identifier: Apache-2.0
"""HTTP to a stranger: bounded sizes, redirects by hand, no credentials to others.

The only user of requests. From the environment come proxies and the certificate bundle, never a
netrc. Certificates are verified unless the caller says no. What is under way can be cancelled from
another thread.
"""

from __future__ import annotations

import os
import ssl
import threading
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from pypod import __version__
from pypod.errors import BodyCut, RegistryError
from pypod.kernel import log
from pypod.registry import certificates
from pypod.registry.auth import is_loopback, may_lead
from pypod.registry.certificates import Certificates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

REDIRECTS_MOST = 10
_CONNECT_SECONDS = 15.0
_LOOPBACK_SECONDS = 5.0
_CHUNK = 1 << 17
_POOL = 8
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the machine's authorities; certifi's list knows no company's own."""


_WANTS_CLIENT = (
    "certificate required",
    "alert bad certificate",
    "alert unknown ca",
    "alert certificate unknown",
    "alert handshake failure",
)
"""What servers answer to a client without a certificate, or with one that they do not know."""


class Unreachable(RegistryError):
    """Nothing came back."""

    def __init__(self, message: str, *, hint: str | None = None, kind: str) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        """certificate, tls, refused, name, timeout, cut or other."""


class Cancelled(RegistryError):
    """Another thread said stop."""


class Answer:
    """The answer to a request; close it, or use it in a `with` block."""

    def __init__(self, client: Client, response: requests.Response) -> None:
        self._client, self._response = client, response
        self.status = response.status_code
        self.url: str = response.url or ""

    def header(self, name: str) -> str:
        """Return a header, empty when it is not there; several of a name are joined by commas."""
        return self._response.headers.get(name, "")

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes, undecoded. Raises BodyCut, Cancelled."""
        try:
            yield from self._response.raw.stream(_CHUNK, decode_content=False)
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
            self._client.check()
            reason = "silent for too long" if _find(error, TimeoutError) else "the connection ended"
            raise BodyCut(f"{self._client.name}: {reason}") from None
        self._client.check()

    def read(self, most: int, noun: str) -> bytes:
        """Return the whole body. Raises RegistryError when it has more than `most` bytes."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > most:
                raise RegistryError(f"{self._client.name}: {noun} has more than {most} bytes")
        return bytes(body)

    def stop(self) -> None:
        """Wake a thread that waits for this body. One that has just ended needs no waking."""
        try:
            self._response.raw.shutdown()
        except (OSError, ValueError, AttributeError, RuntimeError):
            pass  # RuntimeError: the connection went back to its pool

    def close(self) -> None:
        """Let the connection go."""
        self._client.forget(self)
        self._response.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


class _Adapter(HTTPAdapter):
    """Connections with certificates of our own beside those of the machine."""

    def __init__(self, found: Certificates, *, verify: bool) -> None:
        self._context: ssl.SSLContext | None = None
        if found.authorities or found.clients:
            self._context = certificates.context(found, verify=verify)
        super().__init__(pool_maxsize=_POOL)

    def init_poolmanager(self, *words: Any, **options: Any) -> None:
        """Give the pools our context; `verify` adds the machine's authorities to it."""
        if self._context is not None:
            options["ssl_context"] = self._context
        super().init_poolmanager(*words, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same behind a proxy."""
        if self._context is not None:
            options["ssl_context"] = self._context
        return super().proxy_manager_for(proxy, **options)


class Outgoing:
    """The body of a request: so many bytes, made as they are sent."""

    def __init__(self, length: int, chunks: Callable[[], Iterable[bytes]]) -> None:
        self._length, self._chunks = length, chunks

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks()


class Client:
    """Connections to one registry and to where it sends us. Safe to use from several threads."""

    def __init__(
        self,
        host: str,
        *,
        verify: bool,
        idle_seconds: float,
        certificates: Certificates | None = None,
    ) -> None:
        self.name = f"registry {host}"
        self._host = urlsplit(f"//{host}").hostname or ""
        self._verify: bool | str = _authorities() if verify else False
        if not verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._idle = idle_seconds
        self._cancelled = threading.Event()
        self._live: set[Answer] = set()
        self._lock = threading.Lock()
        found = certificates or Certificates()
        # The authorities of a registry count for all that it sends us to, as with docker and
        # podman; who we are is for the registry's own host alone.
        self._own = _Adapter(found, verify=verify)
        self._others = _Adapter(found.replace(clients=()), verify=verify)
        self._headers = {"User-Agent": f"pypod/{__version__}", "Accept-Encoding": "identity"}

    def request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        *,
        authorization: str = "",
        form: dict[str, str] | None = None,
        method: str = "GET",
        body: bytes | Outgoing | None = None,
    ) -> Answer:
        """GET, another method, or POST a form. Only the same origin sees the authorization.

        Redirects are followed where nothing is sent. Raises Unreachable, Cancelled, and
        RegistryError for a redirect that is refused.
        """
        start = url
        for _hop in range(REDIRECTS_MOST + 1):
            sent = dict(headers or {})
            if authorization and origin(url) == origin(start):
                sent["Authorization"] = authorization
            answer = self._send("POST" if form is not None else method, url, sent, form or body)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            with answer:
                url = self.target(url, answer.header("Location"))
            if form is not None or method not in ("GET", "HEAD"):
                what = "an upload" if form is None else "a token request"
                raise RegistryError(f"{self.name} redirects {what} to {shown(url)}: refused")
        raise RegistryError(f"{self.name}: more than {REDIRECTS_MOST} redirects")

    def target(self, url: str, location: str) -> str:
        """Return where a Location header of `url` leads. Raises RegistryError when refused."""
        try:
            target = urljoin(url, location)
            parts = urlsplit(target)
            host, _port = parts.hostname or "", parts.port
        except ValueError:
            raise RegistryError(f"{self.name} redirects to {shown(location)}: refused") from None
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            reason = "that is no web address"
        elif parts.scheme == "http" and url.startswith("https:"):
            reason = "that is not https"
        elif not may_lead(self._host, host):
            reason = "that is an address of this machine"
        else:
            return target
        raise RegistryError(f"{self.name} redirects to {shown(target)}: refused, {reason}")

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | Outgoing | dict[str, str] | None,
    ) -> Answer:
        self.check()
        local = is_loopback(urlsplit(url).hostname or "")
        try:
            # Not Session.send: it reads the whole body of a redirect, and has cookies and netrc.
            own = urlsplit(url).hostname == self._host
            response = (self._own if own else self._others).send(
                requests.Request(
                    method, url, headers={**self._headers, **headers}, data=body
                ).prepare(),
                stream=True,
                timeout=(_LOOPBACK_SECONDS if local else _CONNECT_SECONDS, self._idle),
                verify=self._verify,
                proxies={} if local else get_environ_proxies(url),
            )
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            self.check()
            raise self._unreachable(url, error) from None
        except ValueError:
            raise RegistryError(f"{self.name}: {shown(url)} is no web address") from None
        if log.debugging():
            log.debug(f"{method} {shown(url)}: {response.status_code}")  # without headers
        answer = Answer(self, response)
        with self._lock:
            self._live.add(answer)
        if self._cancelled.is_set():
            answer.close()
            self.check()
        return answer

    def _unreachable(self, url: str, error: Exception) -> Unreachable:
        parts = urlsplit(url)
        where = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
        name = self.name if self.name.endswith(f" {where}") else f"{self.name}: {where}"
        certificate = _find(error, ssl.SSLCertVerificationError)
        if isinstance(certificate, ssl.SSLCertVerificationError):
            return Unreachable(
                f"{name}: its certificate is not trusted: {certificate.verify_message}",
                hint=f"trust its authority: {certificates.PLACE}/{where}/ca.crt or --cert-dir DIR;"
                " --tls-verify=false goes on without knowing who answers",
                kind="certificate",
            )
        tls = _find(error, ssl.SSLError)
        if isinstance(tls, ssl.SSLError):
            words = (tls.reason or "no TLS").lower().replace("_", " ")
            if any(said in words for said in _WANTS_CLIENT):
                return Unreachable(
                    f"{name}: TLS failed: it wants a client certificate that it knows ({words})",
                    hint=f"{certificates.PLACE}/{where}/client.cert and client.key, or --cert-dir",
                    kind="tls",
                )
            return Unreachable(
                f"{name}: TLS failed: {words}",
                hint="a registry of plain http needs --tls-verify=false",
                kind="tls",
            )
        if _find(error, TimeoutError) or isinstance(error, requests.exceptions.Timeout):
            return Unreachable(f"{name} does not answer", kind="timeout")
        if _find(error, ConnectionRefusedError):
            return Unreachable(f"{name}: connection refused", kind="refused")
        if _find(error, urllib3.exceptions.NameResolutionError):
            return Unreachable(f"{name}: no such host", kind="name")
        if _find(error, ConnectionError) or _find(error, urllib3.exceptions.ProtocolError):
            return Unreachable(f"{name}: the connection was closed", kind="cut")
        system = _find(error, OSError)
        reason = os.strerror(system.errno) if isinstance(system, OSError) and system.errno else ""
        return Unreachable(
            f"{name} cannot be reached: {reason or type(error).__name__}", kind="other"
        )

    def pause(self, seconds: float) -> None:
        """Wait. Raises Cancelled."""
        self._cancelled.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise Cancelled after `cancel`."""
        if self._cancelled.is_set():
            raise Cancelled("cancelled")

    def cancel(self) -> None:
        """Stop everything that is under way and everything to come."""
        self._cancelled.set()
        with self._lock:
            live = list(self._live)
        for answer in live:
            answer.stop()

    def forget(self, answer: Answer) -> None:
        """Take an answer off the list of those to cancel."""
        with self._lock:
            self._live.discard(answer)

    def close(self) -> None:
        """Close the connections."""
        self._own.close()
        self._others.close()


def _authorities() -> bool | str:
    for path in (os.environ.get("SSL_CERT_FILE"), os.environ.get("REQUESTS_CA_BUNDLE"), *_BUNDLES):
        if path and os.path.exists(path):
            return path
    return True


def origin(url: str) -> tuple[str, str, int]:
    """Return what two addresses of the same server agree on (RFC 6454)."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        parts.hostname or "",
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def shown(url: str) -> str:
    """Return an address fit for messages and logs.

    Without its query, which of a redirect is often as good as a password, and without a user.
    """
    try:
        parts = urlsplit(url)
        place = f"{parts.scheme}:" if parts.scheme else ""
        place += f"//{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
        place += parts.path
    except ValueError:
        place = url.partition("?")[0].rpartition("@")[2]
    return ascii(place)[1:-1][:200]


def _find(error: object, kind: type[BaseException]) -> BaseException | None:
    """Return the first exception of a kind among those that an error was made of."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        if isinstance(one, kind):
            return one
        seen.add(id(one))
        pending += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return None
