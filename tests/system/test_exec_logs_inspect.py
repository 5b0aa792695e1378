# SPDX-License-Identifier: Apache-2.0
"""Looking at containers and into them: exec, logs, ps, inspect and their options."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from tests.fixtures.program import Program, within

NONE = ("--network", "none")
LOOP = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")


@pytest.fixture
def box(pypod: Program, image: str) -> str:
    """Return the name of a running container."""
    words = ("-e", "OWN=container", "-w", "/home", "-l", "role=box")
    pypod("run", "-d", "--name", "box", *words, *NONE, image, *LOOP)
    return "box"


def rows(pypod: Program, *words: str) -> list[str]:
    """Return the names that `ps` lists, the newest first: it lists the oldest first."""
    return pypod("ps", "--format", "{{.Names}}", *words).out.split()[::-1]


def field(text: str, name: str) -> int:
    """Return a hexadecimal field of /proc/PID/status."""
    return int(text.partition(name + ":")[2].split()[0], 16)


def test_exec_environment_and_directory(pypod: Program, box: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("FILE=file\nBOTH=file\n")
    words = ("-e", "NEW=x y", "--env", "BOTH=option", "-e", "HOST", "--env-file", str(file))
    out = pypod("exec", *words, box, "env", env={"HOST": "h", "SECRET": "s"}).out
    found = dict(line.split("=", 1) for line in out.splitlines())
    wanted = {"OWN": "container", "NEW": "x y", "BOTH": "option", "HOST": "h", "FILE": "file"}
    assert {key: found.get(key) for key in wanted} == wanted
    assert "SECRET" not in found
    assert pypod("exec", box, "pwd").line == "/home"
    assert pypod("exec", "-w", "/tmp", box, "pwd").line == "/tmp"
    assert pypod("exec", "--workdir=/etc", box, "pwd").line == "/etc"


@pytest.mark.passes("user", "root")
def test_exec_user(pypod: Program, box: str) -> None:
    for user, uid, gid in (("user", 1000, 1000), ("user:daemon", 1000, 1), ("7:8", 7, 8)):
        out = pypod("exec", "-u", user, box, "cat", "/proc/self/status").out
        assert re.search(rf"^Uid:\s{uid}\s", out, re.M) and re.search(rf"^Gid:\s{gid}\s", out, re.M)
        assert field(out, "CapEff") == 0
    assert "nobody_here" in pypod("exec", "--user", "nobody_here", box, "id", check=None).err
    assert pypod("exec", box, "id", "-u").line == "0"


def test_exec_interactive_and_tty(pypod: Program, box: str) -> None:
    assert pypod("exec", "-i", box, "cat", input="through\n").out == "through\n"
    assert pypod("exec", box, "cat", input="dropped\n").out == ""
    script = "stty size; tty; read x; echo got-$x; exit 6"
    words = ("exec", "-i", "-t", box, "sh", "-c", script)
    with pypod.terminal(*words, rows=21, columns=66) as terminal:
        assert "21 66" in terminal.expect("/dev/pts/")
        terminal.send("typed\n")
        terminal.expect("got-typed")
        assert terminal.wait() == 6


def test_exec_detach_keys(pypod: Program, box: str) -> None:
    script = "echo ready; read x; sleep 0.3; touch /detached"
    words = ("exec", "-it", "--detach-keys=ctrl-e,e", box, "sh", "-c", script)
    with pypod.terminal(*words) as terminal:
        terminal.expect("ready")
        for key in (b"\x05", b"e"):
            terminal.send(key)
            time.sleep(0.1)
        assert terminal.wait() == (255 if pypod.is_podman else 0)
    assert pypod("exec", box, "ls", "/detached", check=None).rc == 1


def test_exec_detached(pypod: Program, box: str) -> None:
    out = pypod("exec", "-d", box, "sh", "-c", "sleep 0.2; echo done > /tmp/file").line
    assert len(out) == 64 and int(out, 16)
    assert within(10, lambda: pypod("exec", box, "cat", "/tmp/file", check=None).out == "done\n")
    failed = pypod("exec", "--detach", box, "no-such-command", check=None)
    assert failed.rc == (125 if pypod.is_podman else 127)


def test_exec_privileged(pypod: Program, box: str) -> None:
    host = field(Path("/proc/self/status").read_text(), "CapBnd")
    plain = pypod("exec", box, "cat", "/proc/self/status").out
    privileged = pypod("exec", "--privileged", box, "cat", "/proc/self/status").out
    given = field(privileged, "CapEff")  # podman gives what the host lacks, too
    assert given == host or (pypod.is_podman and given & host == host)
    assert field(plain, "CapEff") != given
    assert field(plain, "Seccomp") == 2
    assert field(privileged, "Seccomp") == 0 or pypod.is_podman


def test_exec_needs_a_running_container(pypod: Program, image: str) -> None:
    pypod("create", "--name", "idle", *NONE, image, "true")
    refused = pypod("exec", "idle", "true", check=None)
    assert refused.rc == (255 if pypod.is_podman else 125) and "running" in refused.err
    assert len(pypod("exec", "absent", "true", check=125).err.splitlines()) == 1


@pytest.fixture
def talker(pypod: Program, image: str) -> str:
    """Return a container that said ten lines, two seconds apart in the middle."""
    script = "for i in 1 2 3 4 5; do echo o$i; done; sleep 2; for i in 6 7 8 9; do echo o$i; done"
    script += "; sleep 0.2; echo bad >&2; sleep 0.1; echo end"
    pypod("run", "--name", "talker", *NONE, image, "sh", "-c", script)
    return "talker"


def test_logs(pypod: Program, talker: str) -> None:
    lines = [f"o{number}" for number in range(1, 10)]
    whole = pypod("logs", talker)
    assert whole.out == "\n".join([*lines, "end\n"])
    assert whole.err == "bad\n"
    tail = pypod("logs", "--tail", "3", talker)
    assert (tail.out, tail.err) == ("o9\nend\n", "bad\n")
    assert pypod("logs", "--tail=0", talker).out == ""
    assert pypod("logs", "--tail=-1", talker).out == whole.out
    stamped = pypod("logs", "-t", talker).out.splitlines()
    assert len(stamped) == 10
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) o"
    assert all(re.match(pattern, line) for line in stamped[:9])
    sixth = stamped[5].split()[0]
    second = sixth[:19] + "Z"
    assert pypod("logs", "--since", second, talker).out.startswith("o6\n"), stamped
    if not pypod.is_podman:  # docker takes the very moment too, podman what comes after it
        assert pypod("logs", "--since", sixth, talker).out.startswith("o6\n"), stamped
    assert pypod("logs", "--since=1h", talker).out == whole.out
    assert pypod("logs", "--until", sixth, talker).out.startswith("o1\no2\no3\no4\no5\n")
    assert "end" not in pypod("logs", "--until", sixth, talker).out
    later = str(int(time.time()) + 60)
    assert pypod("logs", "--since", later, talker).out == ""
    assert "absent" in pypod("logs", "absent", check=125).err
    assert "yesterday" in pypod("logs", "--since", "yesterday", talker, check=125).err


@pytest.mark.own
def test_logs_keep_a_line_without_an_end(pypod: Program, image: str) -> None:
    script = "echo a; printf b; printf c >&2"
    pypod("run", "--name", "cut", *NONE, image, "sh", "-c", script)
    done = pypod("logs", "cut")
    assert (done.out, done.err) == ("a\nb", "c")


def test_logs_follow(pypod: Program, image: str) -> None:
    script = "echo first; while [ ! -e /go ]; do sleep 0.05; done; echo second"
    pypod("run", "-d", "--name", "slow", *NONE, image, "sh", "-c", script)
    child = pypod.start("logs", "-f", "slow")
    assert child.stdout
    assert child.stdout.readline() == b"first\n"
    assert child.poll() is None
    pypod("exec", "slow", "touch", "/go")
    out, _ = child.communicate(timeout=20)
    assert (child.returncode, out) == (0, b"second\n")
    assert pypod("logs", "--follow", "slow").out == "first\nsecond\n"


def test_ps_shows_what_runs_or_all_or_the_last(pypod: Program, box: str, image: str) -> None:
    pypod("create", "--name", "made", *NONE, image, "true")
    pypod("run", "--name", "over", *NONE, image, "sh", "-c", "exit 3", check=3)
    assert rows(pypod) == ["box"]
    assert rows(pypod, "-a") == ["over", "made", "box"]
    assert rows(pypod, "-l") == rows(pypod, "-n", "1") == ["over"]
    assert rows(pypod, "--last=2") == ["over", "made"]
    full = pypod("ps", "-q", "--no-trunc").line
    assert pypod("inspect", "-f", "{{.Id}}", box).line == full
    assert pypod("ps", "-q").line == full[:12]
    table = pypod("ps", "-a").out.splitlines()
    assert table[0].split() == "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES".split()
    assert len(table) == 4
    by_name = {line.split()[-1]: line for line in table[1:]}
    assert "Exited (3)" in by_name["over"] and "Created" in by_name["made"]
    assert "Up " in by_name["box"]
    assert full[:12] in by_name["box"] and full not in by_name["box"]
    assert full in pypod("ps", "--no-trunc").out
    assert LOOP[2] in pypod("ps", "--no-trunc").out.replace("\\", "")
    assert LOOP[2] not in pypod("ps").out


def test_ps_size(pypod: Program, box: str) -> None:
    pypod("exec", box, "dd", "if=/dev/zero", "of=/big", "bs=1k", "count=2000")
    plain, sized = pypod("ps").out, pypod("ps", "-s").out
    assert "SIZE" in sized.splitlines()[0] and "SIZE" not in plain
    found = re.search(r"([\d.]+)\s?MB \(virtual ([\d.]+)\s?MB\)", sized)
    assert found, sized
    assert 2.0 <= float(found[1]) < 2.2
    assert float(found[2]) > float(found[1]) or pypod.is_podman
    assert pypod("ps", "--size", "--format", "{{.Size}}").line.startswith(found[1])


def test_ps_filters(pypod: Program, box: str, image: str) -> None:
    pypod("run", "--name", "boxer", "-l", "role=other", *NONE, image, "true")
    pypod("create", "--name", "made", "-l", "plain", *NONE, image, "true")
    image_id = pypod("images", "-q", "--no-trunc", image).line.removeprefix("sha256:")
    for words, wanted in (
        (("name=box",), ["boxer", "box"]),
        (("name=^box$",), ["box"]),
        (("name=box", "name=made"), ["made", "boxer", "box"]),
        (("status=running",), ["box"]),
        (("status=exited",), ["boxer"]),
        (("status=created",), ["made"]),
        (("status=created", "status=exited"), ["made", "boxer"]),
        (("label=role",), ["boxer", "box"]),
        (("label=role=box",), ["box"]),
        (("label=plain", "name=box"), []),
        ((f"ancestor={image}",), ["made", "boxer", "box"]),
        ((f"ancestor={image_id}", "name=made"), ["made"]),
        (("ancestor=no/such:image",), []),
    ):
        filters = [one for word in words for one in ("--filter", word)]
        assert rows(pypod, "-a", *filters) == wanted, words
    assert rows(pypod, "-f", "status=exited") == ["boxer"]  # a status needs no -a
    assert "bogus" in pypod("ps", "--filter", "bogus=1", check=125).err
    assert "nonsense" in pypod("ps", "--filter", "status=nonsense", check=125).err


def test_ps_formats(pypod: Program, box: str, image: str) -> None:
    template = "{{.ID}}|{{.Image}}|{{.Labels.role}}|{{.State}}"
    parts = pypod("ps", "--format", template).line.split("|")
    assert len(parts[0]) == 12
    assert parts[1:3] == [image, "box"]
    assert parts[3] == "running" or pypod.is_podman  # docker's state, not podman's text
    table = pypod("ps", "--format", "table {{.Names}} {{.Image}}").out.splitlines()
    assert table[0].split() == ["NAMES", "IMAGE"] and table[1].split() == [box, image]
    assert pypod("ps", "--noheading", "--format", "table {{.Names}}").line.strip() == box
    document = json.loads(pypod("ps", "--format", "json").out)
    assert [one["Names"] for one in document] == [[box]]
    assert document[0]["Command"] == list(LOOP) and document[0]["State"] == "running"
    assert "Error" in pypod("ps", "--format", "{{.Nonsense}}", check=125).err
    assert "Error" in pypod("ps", "--format", "{{.Names", check=125).err


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{.Name}}", "box"),
        ("{{.State.Running}} {{.State.Status}}", "true running"),
        ("{{json .Config.Cmd}}", json.dumps(list(LOOP), separators=(",", ":"))),
        ("{{range .Config.Cmd}}<{{.}}>{{end}}", "".join(f"<{word}>" for word in LOOP)),
        ('{{index .Config.Labels "role"}}', "box"),
        ("{{index .Config.Cmd 1}}", "-c"),
        ("{{len .Config.Cmd}}{{if .State.Running}} up{{else}} down{{end}}", "3 up"),
        ("{{range $i, $e := .Config.Cmd}}{{if lt $i 2}}{{$i}}={{$e}} {{end}}{{end}}", "0=sh 1=-c "),
        ('{{.HostConfig.NetworkMode}}{{printf "-%s" .Config.WorkingDir}}', "none-/home"),
    ],
)
def test_inspect_templates(pypod: Program, box: str, template: str, wanted: str) -> None:
    assert pypod("inspect", "-f", template, box).line == wanted
    assert pypod("container", "inspect", "--format", template, box).line == wanted


def test_inspect(pypod: Program, box: str, image: str) -> None:
    pypod("create", "--name", "second", *NONE, image, "true")
    documents = json.loads(pypod("inspect", box, "second").out)
    assert [one["Name"] for one in documents] == ["box", "second"]
    assert documents[0]["State"]["Pid"] > 1 and documents[1]["State"]["Pid"] == 0
    assert os.path.exists(f"/proc/{documents[0]['State']['Pid']}")
    assert json.loads(pypod("inspect", "--format", "json", box).out)[0]["Name"] == "box"
    assert json.loads(pypod("inspect", image).out)[0]["Config"]["Cmd"] == ["/bin/sh"]
    assert json.loads(pypod("inspect", "--type", "image", image).out)[0]["Architecture"]
    assert pypod("inspect", "-t", "container", "-f", "{{.Name}}", box).line == "box"
    assert pypod("inspect", "--type=container", image, check=125).err.count("\n") == 1
    assert pypod("inspect", "-l", "-f", "{{.Name}}").line == "second"
    assert pypod("container", "inspect", "-l", "-f", "{{.Name}}").line == "second"
    sized = json.loads(pypod("inspect", "-s", "--type", "container", box).out)[0]
    assert sized["SizeRootFs"] > 0 and "SizeRw" not in documents[0]
    again = json.loads(pypod("container", "inspect", "--size", box).out)[0]
    assert again["SizeRootFs"] == sized["SizeRootFs"]
    part = pypod("inspect", box, "absent", check=125)
    assert [one["Name"] for one in json.loads(part.out)] == ["box"]
    assert "absent" in part.err and len(part.err.splitlines()) == 1
    assert "Error" in pypod("inspect", "-f", "{{.Nope}}", box, check=125).err


@pytest.mark.parametrize("verb", ["exec", "logs", "start", "stop", "kill", "rm", "wait", "attach"])
def test_the_latest_container(pypod: Program, image: str, box: str, verb: str) -> None:
    pypod("create", "-i", "--name", "newest", *NONE, image, "sh", "-c", "echo said; cat")
    if verb not in ("start", "rm", "wait"):
        pypod("start", "newest")
        assert within(10, lambda: pypod("logs", "newest").out)
    if verb == "exec":
        assert pypod("exec", "-l", "cat", "/etc/hostname").out != pypod(
            "exec", box, "cat", "/etc/hostname"
        ).out
    elif verb == "attach":
        if pypod.is_podman:  # its detached `start -i` closes the standard input
            return
        child = pypod.start("attach", "--latest", "--no-stdin")
        time.sleep(0.3)
        pypod("kill", "newest")
        assert child.wait(20) == 137
        child.communicate()
    else:
        words = ("-t", "0") if verb == "stop" else ()
        done = pypod(verb, "--latest", *words)
        assert done.out == "said\n" or verb != "logs"
    wanted = {"start": "running", "stop": "exited", "kill": "exited", "attach": "exited", "rm": ""}
    if verb in wanted:
        found = pypod("inspect", "-f", "{{.State.Status}}", "newest", check=None).line
        assert found == wanted[verb] or (pypod.is_podman and found == "stopped")
    assert rows(pypod, "--filter", "name=^box$") == ["box"]


def test_missing_containers_can_be_ignored(pypod: Program, box: str) -> None:
    for verb in ("stop", "rm"):
        pypod(verb, "absent", check=125 if verb == "stop" else 1)
        assert pypod(verb, "--ignore", "absent").err == ""
    if not pypod.is_podman:  # a later podman has it
        assert pypod("wait", "--ignore", "absent").out == ""
    assert pypod("container", "exists", box).rc == 0
    assert pypod("container", "exists", "absent", check=1).err == ""
