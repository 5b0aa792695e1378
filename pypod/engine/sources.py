# SPDX-License-Identifier: Apache-2.0
"""Where a pulled image comes from: what a short name means, mirrors before the registry itself.

Knows no terminal: who may be asked is a function that the caller gives, or None.
"""

from __future__ import annotations

from pypod.engine import images, transfer
from pypod.errors import IntegrityError, RegistryError, UsageError
from pypod.kernel import config, log, short_names
from pypod.oci import reference, registries
from pypod.registry import auth
from pypod.registry.login import NotThere
from pypod.registry.repository import Patience, Repository
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import TypeVar

    from pypod.engine.place import Progress
    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.oci.manifest import Platform
    from pypod.oci.reference import Reference
    from pypod.oci.registries import Endpoint
    from pypod.registry.auth import Credentials
    from pypod.spec.facts import HostFacts

    Ask = Callable[[str, list[str]], str]
    """Gets a question and the answers there are; returns one."""
    T = TypeVar("T")
    Show = Callable[[], AbstractContextManager[Progress]]


class Wishes(Value):
    """What the caller says about every image."""

    platform: Platform
    tls_verify: bool | None = None
    credentials: Credentials | None = None
    authfile: str = ""
    cert_dir: str = ""
    patience: Patience | None = None
    policy_file: str = ""
    check_stored: bool = True
    """Hash the blobs that are here already, and fetch those anew that are damaged."""


class Sources:
    """Pulls by name, with one configuration."""

    def __init__(
        self, places: Places, facts: HostFacts, wishes: Wishes, show: Show, ask: Ask | None
    ) -> None:
        self.places, self.facts, self.wishes = places, facts, wishes
        self.show, self.ask = show, ask
        self._settings = config.load(places)

    def pull(self, name: str) -> ImageRecord:
        """Pull an image by any of its names. Raises RegistryError, UsageError, PypodError."""
        if images.is_embedded(name):
            return images.embedded(self.places)
        return self._first(name, self._pull)

    def tags(self, name: str) -> list[Reference]:
        """Return every image of a repository. Raises RegistryError, UsageError."""
        return self._first(name, self._tags)

    def pull_one(self, wanted: Reference) -> ImageRecord:
        """Pull by a complete name."""
        return self._pull(wanted)

    def _first(self, name: str, act: Callable[[Reference], T]) -> T:
        """Act on what a name may mean, in this order, until one is there."""
        found, chosen = self._meanings(name.removeprefix("docker://"))
        for wanted in found[:-1]:
            try:
                return act(wanted)
            except (NotThere, registries.Blocked) as error:
                log.info(error.message)
        done = act(found[-1])
        if chosen:
            short_names.remember(chosen, found[-1].repository)
        return done

    def _meanings(self, name: str) -> tuple[list[Reference], str]:
        """Return what a name may mean, and the short name that somebody chose it for."""
        wanted = reference.parse(name)
        if not reference.is_short(name):
            return [wanted], ""
        names = self._settings.registries
        found, said = registries.short_names(names, name)
        if registries.is_open(names, found, terminal=self.ask is not None):
            assert self.ask is not None
            shown = [str(one) for one in found]
            chosen = found[shown.index(self.ask(f"Which image is {name}?", shown))]
            return [chosen], registries.bare(name)
        if self.wishes.credentials is not None and len({one.domain for one in found}) > 1:
            # podman sends them to one after the other, docker.io's token server among them.
            raise UsageError(
                f"--creds are for one registry, and {name} may be of"
                f" {', '.join(one.domain for one in found)}",
                hint=f"give the full name, such as {found[0]}",
            )
        if said:
            with self.show() as progress:
                progress.note(said)
        return found, ""

    def _pull(self, wanted: Reference) -> ImageRecord:
        def act(endpoint: Endpoint) -> ImageRecord:
            with self.show() as progress:
                source = "" if endpoint.reference == wanted else f" from {endpoint.reference}"
                progress.note(f"Trying to pull {wanted}{source}...")
                options = self._options(wanted, endpoint)
                return transfer.pull(self.places, self.facts, wanted, options, progress)

        return self._from_endpoints(wanted, act)

    def _tags(self, wanted: Reference) -> list[Reference]:
        def act(endpoint: Endpoint) -> list[Reference]:
            options, source = self._options(wanted, endpoint), endpoint.reference
            repository = Repository(
                source.domain,
                source.path,
                credentials=options.credentials,
                tls_verify=options.tls_verify,
                trusted_realms=options.trusted_realms,
                patience=options.patience,
                cert_dir=options.cert_dir,
            )
            try:
                repository.connect()
                return [wanted.replace(tag=tag, digest="") for tag in repository.tags()]
            finally:
                repository.close()

        found = self._from_endpoints(wanted, act)
        if not found:
            raise NotThere(f"{wanted.repository}: the registry knows no tag of it")
        # A tag comes from a stranger: it is a name only if it reads as one.
        return [reference.parse(str(one)) for one in found]

    def _from_endpoints(self, wanted: Reference, act: Callable[[Endpoint], T]) -> T:
        """Act on the mirrors, then on the location; only the last one's error is an error.

        What a mirror sends is verified as anybody's is: one that sends it wrong is passed over.
        """
        *mirrors, last = registries.endpoints(self._settings.registries, wanted)
        for endpoint in mirrors:
            try:
                return act(endpoint)
            except (RegistryError, IntegrityError) as error:
                log.warn(f"mirror {endpoint.reference.domain}: {error.message}")
        return act(last)

    def _options(self, wanted: Reference, endpoint: Endpoint) -> transfer.Options:
        """Return how to ask an endpoint. Credentials are those that were stored for its host."""
        source, wishes = endpoint.reference, self.wishes
        credentials = wishes.credentials
        if credentials is not None and source.domain != wanted.domain:
            if not endpoint.mirror:
                log.warn(
                    f"--creds are for {wanted.domain}: they are not sent to {source.domain},"
                    " where the configuration leads"
                )
            credentials = None
        credentials = credentials or auth.find(
            source.domain, source.path, wishes.authfile, self._settings.registries.helpers
        )
        verify = wishes.tls_verify
        if verify is None:
            verify = not (endpoint.insecure or source.domain in self._settings.insecure)
        if not verify:
            log.warn(f"TLS of registry {source.domain} is not verified: anybody could answer")
        return transfer.Options(
            platform=wishes.platform,
            tls_verify=verify,
            credentials=credentials,
            trusted_realms=self._settings.trusted_realms,
            patience=(wishes.patience or Patience()).replace(idle=self._settings.idle_seconds),
            source=source,
            cert_dir=wishes.cert_dir,
            policy_file=wishes.policy_file,
            check_stored=wishes.check_stored,
        )
