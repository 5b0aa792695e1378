# SPDX-License-Identifier: Apache-2.0
"""Logging in to a registry: its challenges answered, by password or by a token for what is to do.

Sources: distribution-spec (error codes), distribution's token authentication specification.
"""

from __future__ import annotations

import threading
import time
from urllib.parse import urlencode, urlsplit

from pypod.errors import RegistryError
from pypod.registry import auth, challenge, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.registry.auth import Credentials
    from pypod.registry.client import Answer, Client

_TOKEN_MOST = 1 << 20
_ERROR_MOST = 1 << 20
_SAID_MOST = 200
_SECRET_LEAST = 4
"""Characters of what is looked for in messages: less is in every word."""
_TOKEN_SECONDS = 60.0
"""A token without expires_in lives this long (distribution's token specification)."""


class Refused(RegistryError):
    """The registry answered, and not with what was asked for."""

    def __init__(
        self, message: str, *, hint: str | None = None, status: int = 0, reason: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason
        """The registry's own error code (distribution-spec, error codes), or nothing."""


class NotThere(Refused):
    """The registry has no such repository, tag or blob."""


class Login:
    """What proves to a registry who we are. Safe to use from several threads."""

    def __init__(
        self,
        client: Client,
        host: str,
        credentials: Credentials | None,
        trusted: tuple[str, ...],
        scopes: list[str],
    ) -> None:
        """`scopes` are what a token is to be good for."""
        self._client, self._host = client, host
        self._credentials, self._trusted, self._scopes = credentials, trusted, scopes
        self._base = ""
        self._lock = threading.Lock()
        self._authorization, self._expires = "", float("inf")
        self._bearer: dict[str, str] = {}

    @property
    def cure(self) -> str:
        """What helps against a 401."""
        return f"pypod login {self._host}, or --creds USER:PASSWORD"

    @property
    def has_credentials(self) -> bool:
        """Whether there is a password or a token to be refused."""
        return self._credentials is not None

    def harmless(self, text: str) -> str:
        """Return what a registry says without what we have told it: some say it all again."""
        secrets = [self._authorization.partition(" ")[2]]
        if self._credentials is not None:
            own = self._credentials
            secrets += [own.password, own.identity_token, own.basic.partition(" ")[2]]
        for secret in secrets:
            if len(secret) >= _SECRET_LEAST:
                text = text.replace(ascii(secret)[1:-1], "[secret]")
        return text

    @property
    def only_pulls(self) -> bool:
        """Whether nothing is to be changed."""
        return self._scopes[0].endswith(":pull")

    def _wanted(self, asked: str) -> list[str]:
        """Return the scopes of a token; to pull alone, what the registry asks for."""
        return [asked] if self.only_pulls and asked else self._scopes

    def current(self) -> str:
        """Return the authorization to use, a fresh one where the token's time is over."""
        with self._lock:
            if time.monotonic() >= self._expires:
                self._authorize(self._bearer)
            return self._authorization

    def renew(self, used: str, header: str) -> None:
        """Log in again after a 401, unless another thread has done so meanwhile."""
        with self._lock:
            if self._authorization == used or not used:
                self.answer(header, self._base)

    def answer(self, header: str, base: str) -> None:
        """Answer a challenge, by Basic or by a token of its realm. Raises RegistryError."""
        self._base = base
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
            f"registry {self._host}: authentication required",
            hint=self.cure,
        )

    def _authorize(self, parameters: dict[str, str]) -> None:
        """Get a token (distribution's token specification; oauth2 for an identity token)."""
        realm = parameters["realm"]
        credentials = self._credentials
        auth.check_realm(
            realm,
            self._host,
            plain=self._base.startswith("http:"),
            with_credentials=credentials is not None,
            trusted=self._trusted,
        )
        query: dict[str, str | list[str]] = {
            "service": parameters.get("service", ""),
            "scope": self._wanted(parameters.get("scope", "")),
        }
        if credentials is not None and credentials.identity_token:
            form = {
                "grant_type": "refresh_token",
                "client_id": "pypod",
                "refresh_token": credentials.identity_token,
                "service": parameters.get("service", ""),
                "scope": " ".join(query["scope"]),
            }
            answer = self._client.request(realm, form=form)
        else:
            separator = "&" if "?" in realm else "?"
            answer = self._client.request(
                realm + separator + urlencode({k: v for k, v in query.items() if v}, doseq=True),
                authorization=credentials.basic if credentials else "",
            )
        noun = f"token of {ascii(realm)[1:-1][:200]}"
        with answer:
            if answer.status in (400, 401, 403) and len(self._scopes) > 1:
                # Some servers give nothing at all to who asks for too much: do without mounts.
                self._scopes = self._scopes[:1]
                return self._authorize(parameters)
            if answer.status != 200:
                raise refused(answer, noun, self, own=True)
            document = words.document(answer.read(_TOKEN_MOST, noun))
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryError(f"registry {self._host}: {noun}: there is none in the answer")
        given = document.get("expires_in")
        seconds = float(given) if isinstance(given, int) and given > 0 else _TOKEN_SECONDS
        # Asked for again a little early: what is under way when it ends costs a 401 each.
        self._expires = time.monotonic() + seconds * 0.9
        self._authorization = f"Bearer {token}"


def refused(answer: Answer, noun: str, login: Login, *, own: bool) -> RegistryError:
    """Return the error of an answer; `own` says that it came from the registry itself."""
    status, hint = answer.status, None
    said = reason = ""
    try:
        said, reason = words.error(words.document(answer.read(_ERROR_MOST, "the error")))
        said = login.harmless(said)[:_SAID_MOST]
    except RegistryError:
        pass
    if status in (401, 403) and not own:
        said = f"HTTP {status} from {urlsplit(answer.url).netloc}, where it redirects to"
    elif status == 401:
        said = "authentication required"
        if login.has_credentials:
            right = "read it" if login.only_pulls else "do this"
            said = f"wrong user name or password, or no right to {right}"
        hint = login.cure
    elif status == 403:
        said = said or "access denied"
    elif status == 404:
        said = said or ("manifest unknown" if noun.startswith("reading") else "not found")
        return NotThere(f"{noun}: {said}", status=status, reason=reason)
    else:
        said = f"HTTP {status}" + (f": {said}" if said else "")
    return Refused(f"{noun}: {said}", hint=hint, status=status, reason=reason)
