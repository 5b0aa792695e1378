# SPDX-License-Identifier: Apache-2.0
"""Manual pages, completions and the table agree; what is generated is committed and fresh."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pypod.cli import completion, table
from pypod.cli.table import absent, panels

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.append(str(CHECKOUT / "libexec" / "setup"))

import generated  # noqa: E402

import man  # noqa: E402

CURE = "run `make generated` and commit what it writes"
Flags = dict[str, set[str]]

COMMANDS = {name: command for name, command in table.every().items() if command[1]}
PAGES = man.pages()


def flags_of(options: tuple[table.Option, ...]) -> set[str]:
    return {flag for option in options for flag in option[0].split()}


def test_what_is_committed_is_what_the_table_makes() -> None:
    assert not generated.stale(), CURE


def test_manual_pages_have_the_options_of_the_table_and_no_more() -> None:
    pages = PAGES
    wanted = {"pypod.1": table.GLOBAL_OPTIONS}
    wanted.update({f"{man.page_name(name)}.1": one[3] for name, one in COMMANDS.items()})
    wanted.update({f"{man.page_name(group)}.1": () for group in completion.groups()})
    assert pages.keys() == wanted.keys()
    for name, options in wanted.items():
        rows = [
            row.replace("\\-", "-")
            for row in re.findall(r"^\.TP\n(\\fB\\-.*)", pages[name], re.MULTILINE)
        ]
        shown = {flag for row in rows for flag in re.findall(r"\\fB(-[^\\]+)\\fR", row)}
        assert shown == flags_of(options), name


def test_manual_pages_name_every_command_and_every_spelling() -> None:
    pages = {
        name: re.sub(r"\\f[BIR]|\\&", "", text).replace("\\-", "-")
        for name, text in PAGES.items()
    }
    for name in table.TOP_LEVEL:
        if table.every()[name][1]:
            assert f"\n.BR pypod-{name} (1)\n" in pages["pypod.1"], name
            assert f"\npypod {name} " in pages[f"pypod-{name}.1"], name
    for (group, verb), key in table.IN_GROUP.items():
        if key in COMMANDS:
            assert f"\n.TP\n{verb}\n" in pages[f"pypod-{group}.1"], (group, verb)
            assert f"\npypod {group} {verb} " in pages[f"{man.page_name(key)}.1"], (group, verb)


def announced(name: str) -> bool:
    """Say whether prose is there before its option, which absent.py still names."""
    command, _, dest = name.partition(" ")
    return bool(dest and absent.what_is_said(command, dest.replace("_", "-")))


def test_prose_belongs_to_a_command_or_to_an_option() -> None:
    groups = set(completion.groups())
    known = {"pypod", *groups, *(name.replace(" ", "-") for name in COMMANDS)}
    for name, command in {"pypod": ("", "", "", table.GLOBAL_OPTIONS), **COMMANDS}.items():
        known |= {f"{name.replace(' ', '-')} {option[1]}" for option in command[3]}
    unknown = {name for name in man.prose_files().keys() - known if not announced(name)}
    assert not unknown, f"man/prose has pages for what the table has not: {sorted(unknown)}"


def test_what_the_longest_options_take_is_written_down() -> None:
    """An option whose metavar has parts (SOURCE:DIR[:OPTIONS]) needs more than a line of help."""
    files = man.prose_files()
    for option in COMMANDS["run"][3]:
        if ":" in option[3] or "=" in option[3]:
            assert f"run {option[1]}" in files, (
                f"man/prose/run.{option[1]}.md is missing: say what {option[0].split()[0]} takes,"
                " its defaults and an example, then run `make generated`"
            )


def test_the_pages_are_good_roff(tmp_path: Path) -> None:
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    lint = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", *sorted(PAGES)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (lint.returncode, lint.stdout) == (0, "")


def test_the_script_of_bash_has_the_options_of_the_table_and_no_more() -> None:
    spellings = [" ".join(words) for line in completion.lines() for words in line.spellings]
    program = 'eval "$1"; shift; for one; do __pypod_command "$one" && echo "$one: $flags"; done'
    done = subprocess.run(
        ["bash", "-c", program, "-", completion.script("bash"), *spellings],
        capture_output=True,
        text=True,
        check=True,
    )
    shown = dict(row.split(": ") for row in done.stdout.splitlines())
    assert shown.keys() == set(spellings)
    for line in completion.lines():
        for words in line.spellings:
            wanted = flags_of(COMMANDS[line.key][3]) | common()
            assert set(shown[" ".join(words)].split()) == wanted, words


def common() -> set[str]:
    """Return the global options that a command takes too."""
    return flags_of(tuple(one for one in table.GLOBAL_OPTIONS if one[1] != "version"))


def test_the_script_of_zsh_has_the_options_of_the_table_and_no_more() -> None:
    functions = re.findall(r"^(_pypod[\w-]*)\(\) {\n(.*?)^}", completion.script("zsh"), re.M | re.S)
    bodies = dict(functions)
    for name in COMMANDS:
        body = bodies["_pypod_" + name.replace(" ", "_")]
        shown = set(re.findall(r"^ +'(?:\*|\(.*?\))(-{1,2}[\w-]+?)[+=]?\[", body, re.M))
        assert shown == flags_of(COMMANDS[name][3]) | common(), name
    for (group, verb), name in table.IN_GROUP.items():
        if name in COMMANDS:
            assert f"\n            '{verb}:" in bodies[f"_pypod_{group}"]
            assert f" {verb}) _pypod_{name.replace(' ', '_')} " in bodies[f"_pypod_{group}"]


def test_the_script_of_fish_has_the_options_of_the_table_and_no_more() -> None:
    shown: Flags = {}
    for row in completion.script("fish").splitlines():
        found = re.match(r"complete -c pypod -n '__pypod_at \\'(.*?)\\'' ((?:-[ls] \S+ ?)+)", row)
        if found:
            words = found[2].split()
            for sign, name in zip(words[::2], words[1::2], strict=True):
                shown.setdefault(found[1], set()).add("--" + name if sign == "-l" else "-" + name)
    for name in COMMANDS:
        assert shown[name] == flags_of(COMMANDS[name][3]) | common(), name
    assert shown[""] == flags_of(table.GLOBAL_OPTIONS)


def test_panels_are_those_of_help_in_the_page_of_run() -> None:
    text = man.pages()["pypod-run.1"]
    options = COMMANDS["run"][3]
    wanted = {panels.panel_of(option[1], len(options)) for option in options} - {panels.PLAIN}
    assert set(re.findall(r"^\.SS (.*)", text, re.M)) == wanted | {"Everyday"}
