# SPDX-License-Identifier: Apache-2.0
"""Completion as people use it: real bash, zsh and fish, a line and the Tab key."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures.program import Program

pytestmark = pytest.mark.own
Complete = Callable[[str], list[str]]

BASH = r"""
source "$1"
# As readline does it: words are torn at COMP_WORDBREAKS too.
COMP_LINE=$2 COMP_POINT=${#2}
mapfile -t COMP_WORDS < <("$3" "$2")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_pypod 2>&1
printf '%s\n' "${COMPREPLY[@]}"
"""
SPLIT = r"""#!/usr/bin/python3
import re, sys
for word in re.findall(r"[=:]+|[^\s=:]+|(?<=\s)$", sys.argv[1]):
    print(word)
if sys.argv[1][-1] in "=:":
    print()
"""
ZSH = r"""
PS1=
fpath=({scripts} $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {{
    local -a hits
    [[ " ${{(j: :)argv[1,${{argv[(i)--]}}]}} " == *" -"[OAD]" "* ]] || {{
        builtin compadd -O hits "$@"
        (( $#hits )) && print -rl -- $hits >> {out}
    }}
    builtin compadd "$@"
}}
probe() {{ _main_complete; print -r -- DONE >> {out}; compstate[insert]=; compstate[list]= }}
zle -C probe complete-word probe
bindkey '^T' probe
print -r -- DONE >> {out}
"""


@pytest.fixture
def scripts(pypod: Program, tmp_path: Path) -> Path:
    """Return a directory with the three scripts, as pypod itself prints them."""
    directory = tmp_path / "scripts"
    directory.mkdir()
    for shell, name in (("bash", "pypod.bash"), ("zsh", "_pypod"), ("fish", "pypod.fish")):
        pypod("completion", shell, "-f", str(directory / name))
    return directory


@pytest.fixture
def bash(scripts: Path, tmp_path: Path) -> Complete:
    """Complete as bash does."""
    split = tmp_path / "split"
    split.write_text(SPLIT)
    split.chmod(0o755)

    def complete(line: str) -> list[str]:
        words = ["bash", "-c", BASH, "-", str(scripts / "pypod.bash"), line, str(split)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert done.stderr == ""
        return done.stdout.split()

    return complete


@pytest.fixture
def fish(scripts: Path) -> Complete:
    """Complete as fish does."""

    def complete(line: str) -> list[str]:
        source = shlex.quote(str(scripts / "pypod.fish"))
        words = ["fish", "-N", "-c", f"source {source}; complete -C {shlex.quote(line)}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert done.stderr == ""
        return done.stdout.splitlines()

    return complete


@pytest.fixture
def zsh(scripts: Path, tmp_path: Path) -> Iterator[Complete]:
    """Complete as zsh does: an interactive one, whose matches are written to a file."""
    out, setup = tmp_path / "out", tmp_path / "setup.zsh"
    setup.write_text(ZSH.format(scripts=scripts, out=out))
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("zsh", ["zsh", "-f", "-i"])

    def wait() -> list[str]:
        end = time.monotonic() + 20
        seen = b""
        while time.monotonic() < end:
            if select.select([fd], [], [], 0.02)[0]:
                seen += os.read(fd, 65536)
            words = out.read_text().split() if out.exists() else []
            if words[-1:] == ["DONE"]:
                return words[:-1]
        raise AssertionError(f"zsh does not answer: {seen[-2000:]!r}")

    def complete(line: str) -> list[str]:
        out.unlink()
        os.write(fd, line.encode() + b"\x14")
        found = wait()
        os.write(fd, b"\x15")
        return found

    os.write(fd, f"source {shlex.quote(str(setup))}\n".encode())
    wait()
    yield complete
    os.close(fd)
    os.waitpid(pid, 0)


@pytest.fixture
def shells(bash: Complete, zsh: Complete, fish: Complete) -> dict[str, Complete]:
    """Return the three; each gives words, and fish a tab and a description behind."""
    return {
        "bash": bash,
        "zsh": zsh,
        "fish": lambda line: [row.partition("\t")[0] for row in fish(line)],
    }


@pytest.mark.passes("user")
def test_commands_options_and_values_are_completed(shells: dict[str, Complete]) -> None:
    for line, wanted in {
        "pypod imag": {"image", "images"},
        "pypod container rena": {"rename"},
        "pypod run --na": {"--name"},
        "pypod container run --na": {"--name"},
        "pypod run --pull ": {"missing", "always", "never", "newer"},
        "pypod run --rm --pull al": {"always"},
        "pypod --log-level wa": {"warn"},
        "pypod completion z": {"zsh"},
        "pypod run --stop-signal US": {"USR1", "USR2"},
        "pypod run -it --cap-drop NET_A": {"NET_ADMIN"},
        "pypod run -e HOM": {"HOME"},
        "pypod run image command --na": set(),
        "pypod exec container -": set(),
        "pypod nonsense --a": set(),
    }.items():
        for shell, complete in shells.items():
            assert set(complete(line)) == wanted, (shell, line)


@pytest.mark.passes("user")
def test_a_value_behind_an_equals_sign_is_completed(shells: dict[str, Complete]) -> None:
    # bash and zsh give what comes behind the sign, fish the whole word
    for shell, complete in shells.items():
        found = complete("pypod run --pull=al")
        assert [word.removeprefix("--pull=") for word in found] == ["always"], shell
        found = complete("pypod ps --filter=status=exi")
        assert [word.rpartition("=")[2] for word in found] == ["exited"], shell


@pytest.mark.passes("user")
def test_short_flags_in_a_bundle_are_completed(shells: dict[str, Complete]) -> None:
    for shell, complete in shells.items():
        assert "-itd" in complete("pypod run -it"), shell
        found = complete("pypod run -ieHOM")
        assert [word.removeprefix("-ie") for word in found] == ["HOME"], shell
        assert complete("pypod run -itw /") == [], shell


@pytest.mark.passes("user")
def test_files_and_directories_are_completed(shells: dict[str, Complete], tmp_path: Path) -> None:
    (tmp_path / "here" / "directory").mkdir(parents=True)
    (tmp_path / "here" / "diary").write_text("")
    begun = f"{tmp_path}/here/di"
    for shell, complete in shells.items():
        for line, wanted in {
            f"pypod run --env-file {begun}": {"directory", "diary"},
            f"pypod --root {begun}": {"directory"},
            f"pypod run -v {begun}": {"directory"},
        }.items():
            found = {os.path.basename(word.rstrip("/:")) for word in complete(line)}
            assert found == wanted, (shell, line)


@pytest.mark.passes("user")
def test_the_tab_key_of_bash_completes(scripts: Path, pypod: Program, image: str) -> None:
    pypod("create", "--name", "compl-tab", image)
    source = shlex.quote(str(scripts / "pypod.bash"))
    with Program("bash").terminal("--norc", "--noprofile", "-i") as shell:
        shell.send(
            f"PS1='$ '; bind 'set enable-bracketed-paste off'; source {source}; echo REA''DY\n"
        )
        shell.expect("READY\r\n")
        shell.send("\x15: ; pypod run --pull=alw\t")  # a command behind another one
        shell.expect("--pull=always ")
        shell.send("\x15pypod rm compl-t\t")
        shell.expect("compl-tab ")
        shell.send("\x15pypod --vers\t\n")
        shell.expect("pypod version ")
        shell.send("exit\n")
        assert shell.wait() == 0


def test_names_are_completed(pypod: Program, image: str, shells: dict[str, Complete]) -> None:
    pypod("run", "-d", "--name", "compl-runs", image, "sleep", "100")
    pypod("create", "--name", "compl-made", image)
    id = pypod("inspect", "-f", "{{.Id}}", "compl-made").line
    pypod("volume", "create", "compl-data")
    for shell, complete in shells.items():
        for line in ("pypod volume rm compl-", "pypod volume inspect compl-"):
            assert complete(line) == ["compl-data"], (shell, line)
        found = complete("pypod run -v compl-")
        assert [word.rstrip(":") for word in found] == ["compl-data"], shell
        for verb in ("exec", "stop", "kill", "attach"):
            assert set(complete(f"pypod {verb} compl-")) == {"compl-runs"}, (shell, verb)
        for verb in ("rm", "start", "logs", "container inspect"):
            assert set(complete(f"pypod {verb} compl-")) == {"compl-runs", "compl-made"}, shell
        assert set(complete("pypod stop -t 3 compl-runs comp")) == {"compl-runs"}
        assert complete(f"pypod rm {id[:6]}") == [id[:12]], shell
        names = {"compl-runs", "compl-made", "compl-data"}
        assert set(complete("pypod inspect compl-")) == names, shell
        found = complete("pypod run --network container:compl-r")
        assert [word.rpartition(":")[2] for word in found] == ["compl-runs"], shell
        for line in ("pypod run --rm test/busyb", "pypod rmi test/busyb"):
            assert "test/busybox" in complete(line), (shell, line)
        assert complete("pypod run test/busybox compl-") == [], shell
    pypod("volume", "rm", "compl-data")
    full = {
        shell: complete(f"pypod rmi {image.rpartition(':')[0][:-2]}")
        for shell, complete in shells.items()
    }
    assert full["fish"] == full["zsh"] == [image]
    assert image.endswith(full["bash"][0])  # less what readline keeps: up to the last colon


@pytest.mark.passes("user")
def test_names_come_from_the_store_of_the_line(
    pypod: Program, image: str, shells: dict[str, Complete], tmp_path: Path
) -> None:
    pypod("create", "--name", "compl-here", image)
    for shell, complete in shells.items():
        for line in (
            f"pypod --root {tmp_path}/other rm compl-",
            f"pypod --root={tmp_path}/other rm compl-",
        ):
            assert complete(line) == [], (shell, line)
        assert complete("pypod --log-level debug rm compl-") == ["compl-here"], shell
    assert not (tmp_path / "other").exists()


@pytest.mark.passes("user")
def test_fish_shows_what_a_word_is(pypod: Program, image: str, fish: Complete) -> None:
    pypod("create", "--name", "compl-one", image)
    assert fish("pypod renam") == ["rename\tRename a container"]
    assert fish("pypod rm compl-") == [f"compl-one\tcreated, {image}"]


def test_a_question_for_names_is_never_an_error(pypod: Program, tmp_path: Path) -> None:
    for words in ((), ("nonsense",), ("container", "-x"), ("image", "--help", "more")):
        done = pypod("internal", "complete", *words)
        assert (done.out, done.err) == ("", "")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "index.json").write_text("no json")
    (tmp_path / "containers").write_text("no directory")
    for kind in ("container", "image", "object", "volume"):
        done = pypod("--root", str(tmp_path), "internal", "complete", kind, "x")
        assert (done.out, done.err) == ("", "")


def test_completion_of_bad_input_is_refused(pypod: Program, tmp_path: Path) -> None:
    done = pypod("completion", "csh", check=125)
    assert done.err.startswith('Error: no completion for shell "csh"\nHint: ')
    done = pypod("completion", "bash", "-f", str(tmp_path / "no" / "file"), check=125)
    assert done.err.startswith(f"Error: --file {tmp_path}/no/file: No such file or directory")


@pytest.mark.passes("user")
def test_a_script_is_written_to_a_file(pypod: Program, tmp_path: Path) -> None:
    pypod("completion", "bash", "-f", str(tmp_path / "script"))
    assert (tmp_path / "script").read_text() == pypod("completion", "bash").out


def test_the_shells_are_here() -> None:
    assert all(shutil.which(shell) for shell in ("bash", "zsh", "fish"))
