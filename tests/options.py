#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""List every option with the system test that uses it; end 1 when an option is without.

    python3 -m tests.options

Reads the option table and the syntax trees of tests/system: the words of each call, in order, are
read with the table like a command line. Names stand for what they were given in the function, the
module, a loop or `parametrize`; a helper that passes its words on is read where it is called.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from pypod.cli import table

SYSTEM = Path(__file__).parent / "system"
VALUED = ("str", "list", "csv", "opt", "int", "uint", "optuint")
UNKNOWN, MORE = "\0word", "\0words"
"""A word that only the running test knows; any number of them."""

RUN = (
    "-d -i -t --rm --name --replace -e --env-file -w -u -v --read-only --tmpfs --entrypoint -h"
    " --network --cap-add --cap-drop --privileged --security-opt --pull -l --init --stop-signal"
    " --stop-timeout --cidfile --pidfile -a --detach-keys --sig-proxy"
)
NAMED = {
    "run": RUN,
    "ps": "-a -q -l -n -s --no-trunc --filter --format",
    "inspect": "-f",
    "logs": "-f --tail --since -t",
    "exec": "-i -t -d -e -u -w --privileged",
    "stop": "-t -a",
    "kill": "-s",
    "rm": "-f -a -t",
    "start": "-a -i",
    "images": "-q -a --format --filter",
    "rmi": "-f -a",
    "pull": "--tls-verify",
}
"""What issue 3 names; the table must have it, and more is welcome."""

NO_USE = ("bad_input", "not_there_yet")
"""Tests whose command lines are wrong ones."""

Scope = dict[str, list[ast.expr]]


def scope_of(tree: ast.AST) -> Scope:
    """Return what each name may stand for: assignments, loops and parametrize decorators."""
    found: Scope = {}

    def bind(target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple | ast.List):
            for part, own in zip(target.elts, value.elts, strict=False):
                bind(part, own)

    def bind_each(target: ast.expr, values: ast.expr) -> None:
        for value in values.elts if isinstance(values, ast.Tuple | ast.List) else ():
            if isinstance(value, ast.Call):  # pytest.param(…)
                value = ast.Tuple(value.args, ast.Load())
            bind(target, value)

    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.value)
        elif isinstance(node, ast.For):
            bind_each(node.target, node.iter)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("parametrize"):
            names = node.args[0]
            if isinstance(names, ast.Constant):
                bind_each(ast.Name(str(names.value)), node.args[1])
            elif isinstance(names, ast.Tuple):
                words = [ast.Name(ast.literal_eval(name)) for name in names.elts]
                bind_each(ast.Tuple(list[ast.expr](words), ast.Load()), node.args[1])
    return found


def words_of(node: ast.expr, scope: Scope, depth: int = 0) -> Iterator[str]:
    """Yield the words that an argument is; UNKNOWN and MORE for what cannot be seen."""
    if isinstance(node, ast.Constant):
        yield str(node.value) if isinstance(node.value, str) else UNKNOWN
    elif isinstance(node, ast.Tuple | ast.List):
        for part in node.elts:
            yield from words_of(part, scope, depth)
    elif isinstance(node, ast.Starred):
        if isinstance(node.value, ast.Name) and node.value.id not in scope:
            yield MORE
        else:
            yield from words_of(node.value, scope, depth)
    elif isinstance(node, ast.Name) and node.id in scope and depth < 4:
        for value in scope[node.id]:
            yield from words_of(value, scope, depth + 1)
    elif isinstance(node, ast.JoinedStr):
        first = node.values[0]
        known = isinstance(first, ast.Constant) and str(first.value).startswith("-")
        yield str(first.value) if known and isinstance(first, ast.Constant) else UNKNOWN
    elif isinstance(node, ast.IfExp):
        yield from words_of(node.body, scope, depth)
        yield from words_of(node.orelse, scope, depth)
    elif isinstance(node, ast.ListComp | ast.BinOp):
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and str(part.value).startswith("-"):
                yield str(part.value)
        yield MORE
    else:
        yield UNKNOWN


def refused(call: ast.Call) -> bool:
    """Say whether a call is expected to be refused: then the option was not used."""
    return any(
        word.arg == "check" and isinstance(word.value, ast.Constant) and word.value.value == 125
        for word in call.keywords
    )


def sentences(node: ast.AST, scope: Scope) -> Iterator[list[str]]:
    """Yield the words of each call, tuple and list: those that are command lines are among them."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            parts = part.args if not refused(part) else []
        elif isinstance(part, ast.Tuple | ast.List):
            parts = part.elts
        else:
            continue
        first = parts[0] if parts else None
        rest = [word for one in parts[1:] for word in words_of(one, scope)]
        if isinstance(first, ast.Name):  # a verb that is a parameter
            for start in words_of(first, scope):
                yield [start, *rest]
        elif first is not None:
            yield [*words_of(first, scope), *rest]


def options_used(words: list[str]) -> Iterator[tuple[str, set[str]]]:
    """Read a command line with the table; yield the command and its flags, "" for global ones."""
    at = 0
    flags = {flag: option for option in table.GLOBAL_OPTIONS for flag in option[0].split()}
    used_before = set()
    while at < len(words) and (words[at] in flags or words[at] == MORE or "=" in words[at]):
        flag = words[at].partition("=")[0]
        at += 1
        if flag in flags:
            used_before.add(flag)
            at += flags[flag][2] in VALUED and "=" not in words[at - 1]
    yield "", used_before
    found = table.find(words[at:]) if words[at:] else None
    if found is not None:
        _typed, key, command, used = found
        yield key, read(words[at + used :], key, command[3])


def read(words: list[str], key: str, options: tuple[table.Option, ...]) -> set[str]:
    """Return the flags among the words of one command, up to its first positional if it stops."""
    kinds = {flag: option[2] for option in options for flag in option[0].split()}
    used: set[str] = set()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word.startswith("--"):
            flag, equals, _ = word.partition("=")
            used.add(flag)
            at += kinds.get(flag) in VALUED and not equals
        elif word.startswith("-") and len(word) > 1:
            for number, letter in enumerate(word[1:], 2):
                used.add("-" + letter)
                if kinds.get("-" + letter) in VALUED:
                    at += number == len(word)
                    break
        elif word != MORE and key in table.STOP_AT_FIRST:
            break
    return used


def helpers(tree: ast.AST, scope: Scope) -> dict[str, str]:
    """Return the functions that pass their words on, and to which command."""
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.args.vararg is None:
            continue
        own = {**scope, **scope_of(node)}
        for words in sentences(node, own):
            for key, _flags in options_used(words) if MORE in words else ():
                if key:
                    found[node.name] = key
    return found


def uses(path: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Yield (test, command, flags) of one file."""
    tree = ast.parse(path.read_text())
    module = scope_of(ast.Module([n for n in tree.body if isinstance(n, ast.Assign)], []))
    passed_on = helpers(tree, module)
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        if any(words in function.name for words in NO_USE):
            continue
        scope = {**module, **scope_of(function)}
        name = f"{path.stem}::{function.name}"
        for words in sentences(function, scope):
            for used in options_used(words):
                yield name, *used
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                key = passed_on.get(call.func.id)
                if key:
                    words = [word for one in call.args for word in words_of(one, scope)]
                    options = table.every()[key][3]
                    yield name, key, read([w for w in words if w != UNKNOWN], key, options)


def main() -> int:
    """Print the list; return 1 when an option has no test, or the table lacks one of the issue."""
    commands = table.every()
    everything = {"": table.GLOBAL_OPTIONS, **{key: one[3] for key, one in commands.items()}}
    tests: dict[tuple[str, str], str] = {}
    for path in sorted(SYSTEM.glob("test_*.py")):
        for test, key, flags in uses(path):
            own = {flag for option in everything[key] for flag in option[0].split()}
            for flag in flags:  # a global option may stand after the command
                tests.setdefault((key if flag in own else "", flag), test)
    without = 0
    # create is run without running: an option that run has too is the same code.
    for key, options in sorted(everything.items()):
        for option in options:
            flags = option[0].split()
            found = [tests[key, flag] for flag in flags if (key, flag) in tests]
            if not found and key == "create":
                found = [tests["run", flag] for flag in flags if ("run", flag) in tests]
            without += not found
            print(f"{key or 'pypod':18} {option[0]:22} {found[0] if found else 'NO TEST'}")
    for key, text in NAMED.items():
        known = {flag for option in everything[key] for flag in option[0].split()}
        for flag in text.split():
            if flag not in known:
                without += 1
                print(f"{key:18} {flag:22} NOT IN THE TABLE")
    return int(without > 0)


if __name__ == "__main__":
    sys.exit(main())
