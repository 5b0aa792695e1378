# SPDX-License-Identifier: Apache-2.0
"""Names of registries, by containers-registries.conf(5), version 2.

Parsed documents in, values out: which registries a short name is looked for in, and from which
endpoints (mirrors, then the location) an image comes. Nothing here reads a file.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.oci import reference
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.reference import Reference

MODES = ("enforcing", "permissive", "disabled")
DEFAULT_MODE = "permissive"
PULLS = ("all", "digest-only", "tag-only")
_KEYS = {
    "": (
        "unqualified-search-registries",
        "credential-helpers",
        "short-name-mode",
        "additional-layer-store-auth-helper",
        "aliases",
        "registry",
    ),
    "registry": ("prefix", "location", "insecure", "blocked", "mirror", "mirror-by-digest-only"),
    "mirror": ("location", "insecure", "pull-from-mirror"),
}


class BadEntry(PypodError):
    """A document makes no sense. The loader adds file and line: it knows where the entry stands."""

    def __init__(self, message: str, key: str = "", number: int = 0) -> None:
        super().__init__(message)
        self.key = key
        self.number = number
        """Which of several entries of the same key, from 0."""


class Blocked(PypodError):
    """The configuration forbids this registry."""


class Mirror(Value):
    """A copy of a registry, or of a part of it."""

    location: str
    insecure: bool = False
    pull: str = "all"
    """Of PULLS: which references may come from it."""


class Registry(Value):
    """A `[[registry]]` entry."""

    prefix: str
    location: str
    """What takes the place of the prefix; empty for a wildcard that rewrites nothing."""
    insecure: bool = False
    blocked: bool = False
    digest_only: bool = False
    """Of `mirror-by-digest-only`."""
    mirrors: tuple[Mirror, ...] = ()
    file: str = ""


class Endpoint(Value):
    """One place that an image may come from."""

    reference: Reference
    insecure: bool
    mirror: bool


class Registries(Value):
    """The whole configuration."""

    search: tuple[str, ...] = (reference.DEFAULT_DOMAIN,)
    """Registries to ask for a short name, in this order."""
    search_file: str = ""
    """Who says so; empty for the default."""
    mode: str = DEFAULT_MODE
    aliases: tuple[tuple[str, str, str], ...] = ()
    """(short name, repository, file)."""
    entries: tuple[Registry, ...] = ()
    helpers: tuple[str, ...] = ()
    """`credential-helpers`."""

    def alias(self, name: str) -> tuple[str, str]:
        """Return (repository, file) of a short name without tag; ("", "") when it has none."""
        for short, repository, file in self.aliases:
            if short == name:
                return repository, file
        return "", ""

    def find(self, wanted: Reference) -> Registry | None:
        """Return the entry with the longest prefix that matches."""
        best, rank = None, (-1, False, 0)
        for entry in self.entries:
            matched, wild = match(str(wanted), entry.prefix), entry.prefix.startswith("*.")
            # A wildcard is less than the same host written out.
            if matched >= 0 and (matched, not wild, len(entry.prefix)) > rank:
                best, rank = entry, (matched, not wild, len(entry.prefix))
        return best


def match(name: str, prefix: str) -> int:
    """Return how many characters of a full name a prefix stands for, -1 when it does not match.

    >>> match("a.example.com/x:1", "*.example.com"), match("h:5000/x:1", "h"), match("h/x:1", "h/x")
    (13, -1, 3)
    """
    if prefix.startswith("*."):
        host = name.partition("/")[0]
        return len(host) if host.endswith(prefix[1:]) and len(host) > len(prefix) - 1 else -1
    if not name.startswith(prefix):
        return -1
    rest = name[len(prefix) :]
    # After a host a colon begins a port: another registry (containers/image confuses the two).
    ends = "/:@" if "/" in prefix else "/"
    return len(prefix) if not rest or rest[0] in ends else -1


def endpoints(registries: Registries, wanted: Reference) -> list[Endpoint]:
    """Return where an image may come from: mirrors in their order, the location last.

    Raises Blocked, UsageError where rewriting makes no name.
    """
    entry = registries.find(wanted)
    if entry is None:
        return [Endpoint(wanted, False, False)]
    if entry.blocked:
        raise Blocked(
            f"registry {entry.prefix} is blocked in {entry.file}",
            hint="who wrote `blocked = true` there did not want images from it",
        )
    found = []
    for mirror in entry.mirrors:
        only = "digest-only" if entry.digest_only else mirror.pull
        if only == "all" or (only == "digest-only") == bool(wanted.digest):
            source = _rewrite(wanted, entry.prefix, mirror.location)
            found.append(Endpoint(source, mirror.insecure, True))
    source = _rewrite(wanted, entry.prefix, entry.location)
    return [*found, Endpoint(source, entry.insecure, False)]


def _rewrite(wanted: Reference, prefix: str, location: str) -> Reference:
    if not location or location == prefix:
        return wanted
    text = str(wanted)
    return reference.parse(location + text[match(text, prefix) :])


def short_names(registries: Registries, name: str) -> tuple[list[Reference], str]:
    """Return what a short name may mean on registries, and why in words for people.

    One alias is the answer; else every registry of the search list. Raises UsageError.
    """
    plain = bare(name)
    target, file = registries.alias(plain)
    if target:
        meant = reference.parse(target + name[len(plain) :])
        return [meant], f'Resolved "{plain}" as an alias ({file})'
    found = [reference.parse(f"{domain}/{name}") for domain in registries.search]
    if not found:
        said = f"no unqualified-search registries are defined in {registries.search_file}"
        raise UsageError(
            f'short-name "{plain}" did not resolve to an alias and {said}',
            hint="give the full name, such as docker.io/library/busybox",
        )
    if not registries.search_file:
        return found, ""
    said = f'Resolving "{plain}" using unqualified-search registries ({registries.search_file})'
    return found, said


def is_open(registries: Registries, found: list[Reference], *, terminal: bool) -> bool:
    """Say whether people must choose among what a short name may mean (short-name-mode).

    Raises UsageError where they must and there is no terminal to ask on.
    """
    if len(found) < 2 or registries.mode == "disabled":
        return False
    if not terminal and registries.mode == "enforcing":
        raise UsageError(
            "short-name resolution enforced but cannot prompt without a TTY: it may be "
            + ", ".join(map(str, found)),
            hint=f"give the full name, or an alias in [aliases] ({registries.search_file})",
        )
    return terminal


def bare(name: str) -> str:
    """Return a name without tag and digest."""
    name = name.partition("@")[0]
    first, slash, last = name.rpartition("/")
    return first + slash + last.partition(":")[0]


def merge(before: Registries, document: dict[str, Any], file: str) -> Registries:
    """Return the configuration with one more file: lists replace, entries and aliases add up.

    An entry replaces an earlier one of its prefix; an alias that is empty takes one away. Raises
    BadEntry.
    """
    if isinstance(document.get("registries"), dict):
        raise BadEntry("[registries.search] is version 1 of this format", "[registries")
    changes: dict[str, Any] = {}
    if "unqualified-search-registries" in document:
        key = "unqualified-search-registries"
        found = tuple(_location(domain, key, 0) for domain in _words(document, key))
        changes.update(search=found, search_file=file)
    if "credential-helpers" in document:
        changes["helpers"] = _words(document, "credential-helpers")
    if document.get("short-name-mode"):
        mode = document["short-name-mode"]
        if mode not in MODES:
            raise BadEntry(f"short-name-mode is one of {' '.join(MODES)}", "short-name-mode")
        changes["mode"] = mode
    if "aliases" in document:
        changes["aliases"] = _aliases(before, document["aliases"], file)
    entries = document.get("registry", [])
    if not isinstance(entries, list):
        raise BadEntry("registry is not a list: write [[registry]]", "[registry")
    if entries:
        known = {entry.prefix: entry for entry in before.entries}
        for number, entry in enumerate(entries):
            made = _registry(entry, number, file)
            known[made.prefix] = made
        changes["entries"] = tuple(known.values())
    made_of: Registries = before.replace(**changes)
    return made_of


def unknown_keys(document: dict[str, Any]) -> list[str]:
    """Return what a document says that nobody here understands."""
    found = [key for key in document if key not in _KEYS[""]]
    for entry in document.get("registry", []):
        found += [key for key in entry if key not in _KEYS["registry"]]
        for mirror in entry.get("mirror", []):
            found += [key for key in mirror if key not in _KEYS["mirror"]]
    return found


def _aliases(before: Registries, table: Any, file: str) -> tuple[tuple[str, str, str], ...]:
    if not isinstance(table, dict):
        raise BadEntry("aliases is not a table: write [aliases]", "aliases")
    known = {short: (short, repository, origin) for short, repository, origin in before.aliases}
    for short, target in table.items():
        if not isinstance(target, str):
            raise BadEntry(f"alias {short!a} is not a word", short)
        known.pop(short, None)
        if target:
            try:
                if not reference.is_short(short) or bare(short) != short:
                    raise UsageError(f"{short!a} has a registry, tag or digest")
                if reference.is_short(target) or bare(target) != target:
                    raise UsageError(f"{target!a} lacks its registry, or has a tag or digest")
                reference.parse(target)
            except UsageError as error:
                raise BadEntry(f"alias {short!a}: {error.message}", short) from None
            known[short] = (short, target, file)
    return tuple(known.values())


def _registry(entry: Any, number: int, file: str) -> Registry:
    key = "[[registry]]"
    if not isinstance(entry, dict):
        raise BadEntry("registry is not a list of tables", key, number)
    location = _location(entry.get("location", ""), key, number)
    prefix = _location(entry.get("prefix", ""), key, number) or location
    if not prefix:
        raise BadEntry("a registry has neither prefix nor location", key, number)
    if "*" in prefix and (not prefix.startswith("*.") or "/" in prefix or "*" in prefix[1:]):
        raise BadEntry(f"prefix {prefix!a}: a wildcard is *.example.com only", key, number)
    if "*" in location:
        raise BadEntry(f"location {location!a} has a wildcard", key, number)
    digest_only = _flag(entry, "mirror-by-digest-only", key, number)
    mirrors = []
    listed = entry.get("mirror", [])
    for mirror in listed if isinstance(listed, list) else [None]:
        if not isinstance(mirror, dict) or not mirror.get("location"):
            raise BadEntry(f"a mirror of {prefix} has no location", key, number)
        pull = mirror.get("pull-from-mirror", "") or "all"
        if pull not in PULLS:
            raise BadEntry(f"pull-from-mirror is one of {' '.join(PULLS)}", key, number)
        if digest_only and mirror.get("pull-from-mirror"):
            said = f"{prefix} has mirror-by-digest-only, and a mirror has pull-from-mirror"
            raise BadEntry(said, key, number)
        place = _location(mirror["location"], key, number)
        mirrors.append(Mirror(place, _flag(mirror, "insecure", key, number), pull))
    return Registry(
        prefix,
        location or ("" if prefix.startswith("*.") else prefix),
        _flag(entry, "insecure", key, number),
        _flag(entry, "blocked", key, number),
        digest_only,
        tuple(mirrors),
        file,
    )


def _location(given: Any, key: str, number: int) -> str:
    """Return a host and perhaps a path. Raises BadEntry for a URL and for what is no name."""
    if not isinstance(given, str):
        raise BadEntry(f"{given!a} is not a word", key, number)
    if "://" in given:
        raise BadEntry(f"{given!a}: no URL, HOST[:PORT][/PATH] only", key, number)
    text: str = given.rstrip("/")
    if not text or text.startswith("*."):
        return text
    try:
        # Of a bare host any repository will do to see whether it is one.
        parsed = reference.parse(text if "/" in text else f"{text}/a")
    except UsageError as error:
        raise BadEntry(f"{text!a}: {error.message.rpartition(': ')[2]}", key, number) from None
    if not (text == parsed.domain or text.startswith(f"{parsed.domain}/")):
        raise BadEntry(f"{text!a}: the registry in it has no dot and no port", key, number)
    return text


def _flag(entry: dict[str, Any], name: str, key: str, number: int) -> bool:
    value = entry.get(name, False)
    if not isinstance(value, bool):
        raise BadEntry(f"{name} is true or false, not {value!a}", key, number)
    return value


def _words(document: dict[str, Any], key: str) -> tuple[str, ...]:
    value = document[key]
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadEntry(f"{key} is not a list of words", key)
    return tuple(value)
