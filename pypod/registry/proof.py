# SPDX-License-Identifier: Apache-2.0
"""Whether credentials are good: asking a registry for nothing, with them.

Sources: distribution-spec (/v2/), distribution's token authentication specification.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from pypod.errors import RegistryError
from pypod.registry import auth, certificates, challenge
from pypod.registry.client import Client, Unreachable, origin, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.registry.auth import Credentials
    from pypod.registry.client import Answer

_SECONDS = 30.0
_HOSTS = {"docker.io": "registry-1.docker.io"}


class Wrong(RegistryError):
    """The registry does not take these credentials."""

    def __init__(self, domain: str) -> None:
        super().__init__(f'logging into "{domain}": invalid username/password')


def check(
    domain: str,
    credentials: Credentials,
    *,
    tls_verify: bool = True,
    cert_dir: str = "",
    trusted_realms: tuple[str, ...] = (),
) -> None:
    """Raise Wrong unless a registry takes the credentials; RegistryError when it cannot be asked.

    They go where pulling would send them, and nowhere else.
    """
    host = _HOSTS.get(domain, domain)
    client = Client(
        host,
        verify=tls_verify,
        idle_seconds=_SECONDS,
        certificates=certificates.find(domain, cert_dir),
    )
    try:
        answer = _first(client, host, tls_verify)
        plain = answer.url.startswith("http:")
        with answer:
            status, header = answer.status, answer.header("WWW-Authenticate")
        asked = f"{'http' if plain else 'https'}://{host}/v2/"
        if status == 401 and origin(answer.url) != origin(asked):
            raise RegistryError(
                f"logging into {domain}: it redirects to {shown(answer.url)}, which wants"
                " credentials: that is another host, none were sent"
            )
        if status == 401:
            status = _answer(client, host, credentials, header, answer.url, plain, trusted_realms)
        if status in (401, 403):
            raise Wrong(domain)
        if status != 200:
            raise RegistryError(f"logging into {domain}: HTTP {status}")
    finally:
        client.close()


def _first(client: Client, host: str, tls_verify: bool) -> Answer:
    """Ask without credentials, https first; plain http by the rule that pulls have."""
    loopback = auth.is_loopback(urlsplit(f"//{host}").hostname or "")
    try:
        return client.request(f"https://{host}/v2/")
    except Unreachable as error:
        if error.kind == "certificate" or (tls_verify and not loopback):
            raise
        try:
            answer = client.request(f"http://{host}/v2/")
        except Unreachable:
            raise error from None
        if error.kind == "tls" and answer.status == 400:  # a TLS server's answer to plain http
            answer.close()
            raise
        return answer


def _answer(
    client: Client,
    host: str,
    credentials: Credentials,
    header: str,
    url: str,
    plain: bool,
    trusted_realms: tuple[str, ...],
) -> int:
    """Answer a challenge; return the status of what came of it."""
    for one in challenge.parse(header):
        if one.scheme == "basic":
            with client.request(url, authorization=credentials.basic) as answer:
                return answer.status
        realm = one.parameters.get("realm", "")
        if one.scheme == "bearer" and realm:
            auth.check_realm(
                realm, host, plain=plain, with_credentials=True, trusted=trusted_realms
            )
            query = {"account": credentials.username, "service": one.parameters.get("service", "")}
            asked = realm + ("&" if "?" in realm else "?")
            asked += urlencode({key: text for key, text in query.items() if text})
            with client.request(asked, authorization=credentials.basic) as answer:
                return answer.status
    raise RegistryError(f"registry {host}: it asks for no user name and password")
