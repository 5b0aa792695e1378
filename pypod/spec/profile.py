# SPDX-License-Identifier: Apache-2.0
"""A seccomp profile as docker and podman write it, to OCI's `linux.seccomp`.

Sources: docker's seccomp documentation (includes, excludes, archMap), the OCI runtime
specification (config-linux.md, Seccomp), libseccomp's seccomp_rule_add(3) for what rules that meet
mean: of a call with an unconditional rule, its other rules do not count. Conditional rules are
tried in the order of the file.

A key of a rule that is not known is an error: a mistyped `args` would make the rule unconditional.
"""

from __future__ import annotations

import errno

from pypod.errors import PypodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_RULE_KEYS = frozenset("name names action args comment includes excludes errnoRet errno".split())
_TEST_KEYS = frozenset("index value valueTwo op".split())
_WHEN_KEYS = frozenset("caps arches minKernel".split())
_ACTIONS = frozenset(
    "SCMP_ACT_" + name
    for name in "KILL KILL_THREAD KILL_PROCESS TRAP ERRNO TRACE ALLOW LOG NOTIFY".split()
)
_OPERATORS = frozenset("SCMP_CMP_" + name for name in "NE LT LE EQ GE GT MASKED_EQ".split())
_FLAGS = frozenset(
    "SECCOMP_FILTER_FLAG_" + name for name in "TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV".split()
)
MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "x86",
}
"""uname(2)'s machine by the name that profiles use, where they differ."""
_NATIVE = {
    "x86_64": "SCMP_ARCH_X86_64",
    "aarch64": "SCMP_ARCH_AARCH64",
    "armv7l": "SCMP_ARCH_ARM",
    "armv6l": "SCMP_ARCH_ARM",
    "i686": "SCMP_ARCH_X86",
}


class _Wrong(PypodError):
    """The profile is not one."""


def seccomp(
    document: Any, caps: Iterable[str], machine: str, kernel: tuple[int, int], noun: str
) -> dict[str, Any]:
    """Return `linux.seccomp` of a parsed profile for a container whose bounding set is `caps`.

    `noun` begins the message: the file. Raises PypodError.
    """
    try:
        return _Reader(frozenset(caps), machine, kernel).profile(document)
    except _Wrong as error:
        raise PypodError(f"{noun}: {error.message}") from None


class _Reader:
    """What the conditions of a profile are asked about."""

    def __init__(self, caps: frozenset[str], machine: str, kernel: tuple[int, int]) -> None:
        self.caps = caps
        self.kernel = kernel
        self.arch = MACHINES.get(machine, machine)
        self.native = _NATIVE.get(machine, "SCMP_ARCH_" + machine.upper())

    def profile(self, document: Any) -> dict[str, Any]:
        """Return the whole profile."""
        if not isinstance(document, dict):
            raise _Wrong("a seccomp profile is a JSON object")
        if "defaultAction" not in document:
            raise _Wrong("defaultAction is missing")
        for key in ("listenerPath", "listenerMetadata"):
            if document.get(key):
                raise _Wrong(f"{key}: notifying another program is not there yet")
        default = self._action(document["defaultAction"], "defaultAction")
        found: dict[str, Any] = {"defaultAction": default}
        number = _errno(document, "defaultErrnoRet", "defaultErrno")
        if default[9:] in ("ERRNO", "TRACE"):
            found["defaultErrnoRet"] = errno.EPERM if number is None else number
        found["architectures"] = self._architectures(document)
        flags = _strings(document.get("flags"), "flags")
        if flags:
            for flag in flags:
                if flag not in _FLAGS:
                    raise _Wrong(f'unknown flag "{flag}"')
            found["flags"] = flags
        found["syscalls"] = self._syscalls(
            document.get("syscalls"), (default, found.get("defaultErrnoRet"))
        )
        return found

    def _architectures(self, document: dict[str, Any]) -> list[str]:
        listed = _strings(document.get("architectures"), "architectures")
        map_ = document.get("archMap") or []
        if listed and map_:
            raise _Wrong("architectures and archMap exclude each other")
        if not isinstance(map_, list):
            raise _Wrong("archMap is not a list")
        for entry in map_:
            if not isinstance(entry, dict):
                raise _Wrong("an entry of archMap is not an object")
            if entry.get("architecture") == self.native:
                listed = [self.native, *_strings(entry.get("subArchitectures"), "archMap")]
        for name in listed:
            if not name.startswith("SCMP_ARCH_"):
                raise _Wrong(f'unknown architecture "{name}"')
        return [self.native, *(name for name in listed if name != self.native)]

    def _syscalls(self, rules: Any, default: tuple[str, int | None]) -> list[dict[str, Any]]:
        if rules is not None and not isinstance(rules, list):
            raise _Wrong("syscalls is not a list")
        always: dict[str, tuple[str, int | None]] = {}
        conditional: dict[str, list[dict[str, Any]]] = {}
        for rule in rules or ():
            names, verdict, tests = self._rule(rule)
            if not self._applies(rule):
                continue
            for name in names:
                if tests:
                    conditional.setdefault(name, []).extend(_entries(name, verdict, tests))
                elif verdict != default:  # libseccomp refuses it, so runc leaves it out
                    always.setdefault(name, verdict)
        grouped: dict[tuple[str, int | None], list[str]] = {}
        for name, verdict in always.items():
            grouped.setdefault(verdict, []).append(name)
        made = [_entry(sorted(names), verdict) for verdict, names in grouped.items()]
        for name, entries in conditional.items():
            if name not in always:
                made += entries
        return made

    def _rule(self, rule: Any) -> tuple[list[str], tuple[str, int | None], list[dict[str, Any]]]:
        if not isinstance(rule, dict):
            raise _Wrong("an entry of syscalls is not an object")
        names = _strings(rule.get("names"), "names")
        if rule.get("name"):
            if names:
                raise _Wrong("name and names exclude each other")
            names = _strings([rule["name"]], "name")
        what = names[0] if names else "a rule without names"
        for key in rule:
            if key not in _RULE_KEYS:
                raise _Wrong(f'{what}: unknown key "{str(key)[:40]}"')
        if not names:
            raise _Wrong("a rule has no names")
        action = self._action(rule.get("action"), what)
        number = _errno(rule, "errnoRet", "errno")
        if action[9:] not in ("ERRNO", "TRACE"):
            number = None
        elif number is None:
            number = errno.EPERM
        tests = rule.get("args") or []
        if not isinstance(tests, list):
            raise _Wrong(f"{what}: args is not a list")
        return names, (action, number), [_test(test, what) for test in tests]

    def _action(self, action: Any, what: str) -> str:
        if not isinstance(action, str) or action not in _ACTIONS:
            raise _Wrong(f'{what}: unknown action "{str(action)[:40]}"')
        if action == "SCMP_ACT_NOTIFY":
            raise _Wrong(f"{what}: notifying another program (SCMP_ACT_NOTIFY) is not there yet")
        return action

    def _applies(self, rule: dict[str, Any]) -> bool:
        wanted, barred = (self._when(rule, key) for key in ("includes", "excludes"))
        if wanted["arches"] and self.arch not in wanted["arches"]:
            return False
        if not self.caps.issuperset(wanted["caps"]) or self.caps.intersection(barred["caps"]):
            return False
        if self.arch in barred["arches"]:
            return False
        if wanted["minKernel"] and self.kernel < wanted["minKernel"]:
            return False
        return not (barred["minKernel"] and self.kernel >= barred["minKernel"])

    def _when(self, rule: dict[str, Any], key: str) -> dict[str, Any]:
        when = {} if rule.get(key) is None else rule[key]
        if not isinstance(when, dict):
            raise _Wrong(f"{key} is not an object")
        for name in when:
            if name not in _WHEN_KEYS:
                raise _Wrong(f'{key}: unknown key "{str(name)[:40]}"')
        return {
            "arches": _strings(when.get("arches"), f"{key}.arches"),
            "caps": _strings(when.get("caps"), f"{key}.caps"),
            "minKernel": _kernel(when.get("minKernel")),
        }


def _strings(value: Any, what: str) -> list[str]:
    if value is None:
        return []
    good = isinstance(value, list) and all(
        isinstance(one, str) and one and "\0" not in one for one in value
    )
    if not good:
        raise _Wrong(f"{what} is not a list of words")
    return list(value)


def _errno(found: dict[str, Any], number_key: str, name_key: str) -> int | None:
    """Return an errno by podman's name or by OCI's number; None when neither is there."""
    name, number = found.get(name_key), found.get(number_key)
    if name:
        known = getattr(errno, str(name), None) if str(name).startswith("E") else None
        if not isinstance(known, int):
            raise _Wrong(f'{name_key}: unknown error "{str(name)[:40]}"')
        return known
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 4095:
        raise _Wrong(f"{number_key} is not an error number (0 to 4095)")
    return number


def _kernel(text: Any) -> tuple[int, int] | None:
    if text is None or text == "":
        return None
    parts = str(text).split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() for part in parts[:2]):
        raise _Wrong(f'minKernel: "{str(text)[:40]}" is not a version such as 4.8')
    return int(parts[0]), int(parts[1])


def _test(test: Any, what: str) -> dict[str, Any]:
    if not isinstance(test, dict):
        raise _Wrong(f"{what}: an argument's test is not an object")
    for key in test:
        if key not in _TEST_KEYS:
            raise _Wrong(f'{what}: unknown key "{str(key)[:40]}" in args')
    numbers = {}
    for key, most in (("index", 5), ("value", (1 << 64) - 1), ("valueTwo", (1 << 64) - 1)):
        value = test.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise _Wrong(f"{what}: {key} of an argument is not a number from 0 to {most}")
        numbers[key] = value
    if str(test.get("op")) not in _OPERATORS:
        raise _Wrong(f'{what}: unknown comparison "{str(test.get("op"))[:40]}"')
    return {**numbers, "op": test["op"]}


def _entries(
    name: str, verdict: tuple[str, int | None], tests: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rules of one call: several tests of one argument are alternatives, as in runc."""
    places = [test["index"] for test in tests]
    if len(set(places)) < len(places):
        return [_entry([name], verdict, [test]) for test in tests]
    return [_entry([name], verdict, tests)]


def _entry(
    names: list[str], verdict: tuple[str, int | None], tests: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {"names": names, "action": verdict[0]}
    if verdict[1] is not None:
        made["errnoRet"] = verdict[1]
    if tests:
        made["args"] = tests
    return made
