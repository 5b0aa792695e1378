# SPDX-License-Identifier: Apache-2.0
"""Make manual pages: the option table, and prose from man/prose/.

`COMMAND.md` there holds a description and further sections (`# FILES`); `COMMAND.DEST.md` what is
to be said of one option beyond its line of help; those of run are for the same rows of other
commands too. A file's name has `-` for a blank (`container-exists.md`). The prose has paragraphs,
`- ` lists, lines indented by four (shown as they are), `bold` in backquotes, *emphasis* in stars.
"""

from __future__ import annotations

import re
from pathlib import Path

from pypod import __version__
from pypod.cli import completion, table
from pypod.cli.table import panels

PROSE = Path(__file__).resolve().parents[2] / "man" / "prose"
DATE = "2026-11-24"
"""Of this edition: a page must not change because the day did."""

RELATED = {
    "attach": "run exec logs",
    "create": "run start",
    "exec": "run attach unshare",
    "images": "pull rmi tag",
    "inspect": "ps images",
    "kill": "stop rm",
    "logs": "attach ps",
    "ps": "inspect logs",
    "pull": "images run",
    "rm": "stop ps",
    "rmi": "images",
    "run": "create exec logs stop rm pull ps",
    "start": "create stop attach",
    "stop": "kill start rm",
    "tag": "untag images",
    "untag": "tag rmi",
    "wait": "stop logs",
}
"""What SEE ALSO names besides pypod(1)."""


def pages() -> dict[str, str]:
    """Return every page by its file name."""
    found = {"pypod.1": _top()}
    found.update((page_name(group) + ".1", _group(group)) for group in completion.groups())
    found.update((page_name(line.key) + ".1", _command(line)) for line in completion.lines())
    return found


def page_name(key: str) -> str:
    """Return the name of the page of a command or group of the table."""
    return "pypod-" + key.replace(" ", "-")


def prose_files() -> dict[str, Path]:
    """Return the prose by `command` or `command dest`; an unknown name is for a test to find."""
    found = {}
    for path in sorted(PROSE.glob("*.md")):
        command, _, dest = path.name.removesuffix(".md").partition(".")
        found[f"{command} {dest}" if dest else command] = path
    return found


def _top() -> str:
    out = _title("pypod") + _name("pypod", "containers without root and without a daemon")
    out += ".SH SYNOPSIS\n" + _synopsis("pypod", "[OPTIONS] COMMAND [ARG...]")
    description, sections = _prose("pypod")
    out += _section("DESCRIPTION", description) + ".SH OPTIONS\n"
    out += "".join(_option("pypod", one) for one in table.GLOBAL_OPTIONS)
    out += ".PP\nAll of them but " + _bold("--version") + " are taken after the command too.\n"
    verbs = completion.verbs("")
    headings = dict.fromkeys([*panels.COMMANDS, *map(panels.command_panel, sorted(verbs))])
    out += ".SH COMMANDS\n"
    for heading in headings:
        names = [name for name in sorted(verbs) if panels.command_panel(name) == heading]
        if names:
            out += f".SS {_escaped(heading.partition(':')[0])}\n"
            out += "".join(f".TP\n{_reference(name)}\n{_text(verbs[name])}\n" for name in names)
    out += "".join(_section(heading, text) for heading, text in sections)
    out += _examples("") + ".SH SEE ALSO\n"
    return out + ".BR podman (1),\n.BR containers\\-registries.conf (5)\n"


def _group(group: str) -> str:
    text = completion.groups()[group]
    out = _title(page_name(group)) + _name(page_name(group), text)
    out += ".SH SYNOPSIS\n" + _synopsis(f"pypod {group}", "[OPTIONS] COMMAND [ARG...]")
    description, sections = _prose(group)
    out += _section("DESCRIPTION", description or f"{text}.")
    out += ".SH COMMANDS\n"
    for verb, summary in sorted(completion.verbs(group).items()):
        key = table.IN_GROUP[group, verb]
        page = "" if key == f"{group} {verb}" else f" See {_reference_text(key)}."
        out += f".TP\n{_bold(verb)}\n{_text(summary)}.{page}\n"
    out += "".join(_section(heading, text) for heading, text in sections)
    return out + ".SH SEE ALSO\n.BR pypod (1)\n"


def _command(line: completion.Line) -> str:
    _handler, summary, positionals, options = table.every()[line.key]
    name = page_name(line.key)
    out = _title(name) + _name(name, summary) + ".SH SYNOPSIS\n"
    spellings = sorted(" ".join(words) for words in line.spellings)
    spellings.sort(key=lambda words: words != line.key)
    out += ".br\n".join(
        _synopsis(f"pypod {words}", f"[OPTIONS] {positionals}".rstrip()) for words in spellings
    )
    description, sections = _prose(line.key)
    out += _section("DESCRIPTION", description or f"{summary}.") + ".SH OPTIONS\n"
    by_panel: dict[str, list[table.Option]] = {}
    for option in sorted(options, key=lambda one: one[1]):
        by_panel.setdefault(panels.panel_of(option[1], len(options)), []).append(option)
    order = [*panels.PANELS, panels.OTHER]
    for panel in sorted(by_panel, key=order.index):
        if len(by_panel) > 1:
            out += f".SS {_escaped('Everyday' if panel == panels.PLAIN else panel)}\n"
        out += "".join(_option(line.key, one) for one in by_panel[panel])
    if not options:
        out += "None of its own.\n"
    out += f".PP\nThe options of {_reference_text('')} are taken too, with " + (
        _bold("-h") + " for " + _bold("--hostname") + " here.\n"
        if any("-h" in option[0].split() for option in options)
        else _bold("--help") + " among them.\n"
    )
    out += "".join(_section(heading, text) for heading, text in sections)
    out += _examples(line.key)
    related = [name for name in RELATED.get(line.key, "").split() if name in table.TOP_LEVEL]
    rows = [".BR pypod (1)", *(f".BR {_escaped(page_name(one))} (1)" for one in related)]
    return out + ".SH SEE ALSO\n" + ",\n".join(rows) + "\n"


def _title(name: str) -> str:
    return (
        '.\\" Generated from the option table and man/prose by `make generated`: do not edit.\n'
        f'.TH {_escaped(name.upper())} 1 {DATE} "pypod {__version__}" "pypod manual"\n'
        ".nh\n"
    )


def _name(name: str, text: str) -> str:
    return f".SH NAME\n{_escaped(name)} \\- {_escaped(text[0].lower() + text[1:])}\n"


def _synopsis(name: str, rest: str) -> str:
    words = [f"\\fI{_escaped(word)}\\fR" for word in rest.split()]
    return f"{_bold(name)} {' '.join(words)}\n"


def _option(key: str, option: table.Option) -> str:
    flags, dest, kind, metavar, text = option[:5]
    heading = ", ".join(_bold(flag) for flag in flags.split())
    if kind not in ("bool", "optbool"):
        heading += f" \\fI{_escaped(metavar or 'VALUE')}\\fR"
    default = option[5] if len(option) > 5 else None
    said = text.rstrip(".") + "."
    if default not in (None, "", -1, False):
        said += f" Default: {str(default).lower() if default is True else default}."
    out = f".TP\n{heading}\n{_text(said)}\n"
    files = prose_files()
    like_run = option in table.every()["run"][3]
    for one in (key, "run") if like_run else (key,):
        path = files.get(f"{one.replace(' ', '-')} {dest}")
        if path is not None:
            return out + blocks(path.read_text(encoding="utf-8"), ".IP")
    return out


def _prose(key: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the description of a command and its further (heading, text) sections."""
    path = prose_files().get(key.replace(" ", "-"))
    if path is None:
        return "", []
    parts = re.split(r"^# (.+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return parts[0].strip(), list(zip(parts[1::2], parts[2::2], strict=True))


def _section(heading: str, text: str) -> str:
    body = blocks(text, ".PP").removeprefix(".PP\n")
    return f".SH {_escaped(heading.upper())}\n{body}"


def _examples(key: str) -> str:
    rows = panels.EXAMPLES.get(key, ())
    if not rows:
        return ""
    out = ".SH EXAMPLES\n"
    for number, (line, text) in enumerate(rows):
        out += ".PP\n" if number else ""
        out += f"{_text(text)}:\n.PP\n.RS 4\n.EX\npypod {_escaped(line)}\n.EE\n.RE\n"
    return out


def blocks(text: str, paragraph: str) -> str:
    """Return prose as man(7) macros; `paragraph` begins one: .PP, or .IP below an option."""
    out = ""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        rows = block.split("\n")
        if all(row.startswith("    ") for row in rows):
            shown = "\n".join(_escaped(row[4:]) for row in rows)
            out += f"{paragraph}\n.EX\n{shown}\n.EE\n"
        elif rows[0].startswith("- "):
            items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
            out += ".RS\n" if paragraph == ".IP" else ""
            out += "".join(f".IP \\(bu 2\n{_text(item)}\n" for item in items)
            out += ".RE\n" if paragraph == ".IP" else ""
        else:
            out += f"{paragraph}\n{_text(block)}\n"
    return out


def _text(text: str) -> str:
    """Return words as roff: escaped, with bold and emphasis, a sentence a line."""
    joined = re.sub(r"\s+", " ", text).strip()
    out = ""
    for number, piece in enumerate(re.split(r"`([^`]+)`", joined)):
        if number % 2:
            out += _bold(piece)
        else:
            words = re.split(r"(?<!\w)\*([^*\s][^*]*)\*", piece)
            out += "".join(
                f"\\fI{_escaped(word)}\\fR" if at % 2 else _escaped(word)
                for at, word in enumerate(words)
            )
    rows = re.sub(r"(?<=[a-z)R0-9][.:]) (?=[A-Z\\])", "\n", out).split("\n")
    return "\n".join(("\\&" if row[:1] in ".'" else "") + row for row in rows)


def _reference(name: str) -> str:
    return f".BR {_escaped(page_name(name))} (1)"


def _reference_text(key: str) -> str:
    return f"{_bold(page_name(key) if key else 'pypod')}(1)"


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _escaped(text: str) -> str:
    for sign, name in (("\\", "\\e"), ("-", "\\-"), ("~", "\\(ti"), ("^", "\\(ha")):
        text = text.replace(sign, name)
    return ("\\&" if text[:1] in (".", "'") else "") + text
