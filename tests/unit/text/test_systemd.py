# SPDX-License-Identifier: Apache-2.0
"""Words survive the way through systemd's quoting, whatever is in them."""

from __future__ import annotations

import random

import pytest

from pypod.text import systemd

MADE_BY = systemd.Command(
    options=(("-e", "A=1"), ("--tty",)),
    rest=("img", "sh", "-c", "echo $HOME; true"),
    named=True,
    inherited=(),
    sdnotify="",
    relative=False,
)
SERVICE = systemd.Service("container-x", "x", "1", ("/usr/bin/pypod",), 10)


def read_word(text: str) -> str:
    """Read a word as systemd.syntax(7) and systemd.service(5) say: C escapes, `%%`, `$$`."""
    plain = bytearray()
    quoted = text.startswith('"')
    if quoted:
        assert len(text) > 1 and text.endswith('"')
        text = text[1:-1]
    at = 0
    while at < len(text):
        one = text[at]
        if one == "\\":
            assert quoted
            letter = text[at + 1]
            if letter == "x":
                plain.append(int(text[at + 2 : at + 4], 16))
                at += 4
                continue
            plain += {"n": b"\n", "t": b"\t", "r": b"\r", "\\": b"\\", '"': b'"'}[letter]
            at += 2
            continue
        assert one != '"' and (quoted or one not in " ';#\n\t")
        if one in "%$":
            assert text[at + 1] == one, f"a lone {one} in {text!r}"
            at += 1
        plain += one.encode()
        at += 1
    return plain.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("plain", "written"),
    [
        ("plain-1.0_x/y:z=@,+", "plain-1.0_x/y:z=@,+"),
        ("", '""'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ("${A}b", '"$${A}b"'),
        ("a b", '"a b"'),
        ("it's", '"it\'s"'),
        ('say "no"', '"say \\"no\\""'),
        ("back\\slash", '"back\\\\slash"'),
        (";", '";"'),
        ("#no comment", '"#no comment"'),
        ("two\nlines\t", '"two\\nlines\\t"'),
        ("\x1b\x7f", '"\\x1b\\x7f"'),
        ("é ü", '"é ü"'),
        (b"\xff".decode("utf-8", "surrogateescape"), '"\\xff"'),
    ],
)
def test_a_word_is_written_so_that_systemd_reads_it_back(plain: str, written: str) -> None:
    assert systemd.word(plain) == written
    assert read_word(written) == plain


def test_random_words_come_back() -> None:
    source = random.Random(4)
    letters = "ab \"'\\%$;#{}\n\t\r\x01\x7fé\udcff=-/*"
    for _ in range(3000):
        plain = "".join(source.choices(letters, k=source.randrange(12)))
        assert read_word(systemd.word(plain)) == plain
        assert "\n" not in systemd.word(plain)


def test_a_setting_that_is_no_command_keeps_its_dollars() -> None:
    assert systemd.value("A=$B 5%") == '"A=$B 5%%"'


def test_no_line_of_a_command_begins_like_a_comment() -> None:
    made_by = MADE_BY.replace(options=(("#a",), (";",)), rest=("#img", ";x"))
    text = systemd.new_container(SERVICE, made_by, "", template=False)
    for line in text.split("[Service]")[1].splitlines():
        assert not line.strip().startswith(("#", ";"))


def lines(text: str, key: str) -> list[str]:
    """Return the values of a setting, continued lines joined."""
    joined = text.replace(" \\\n\t", " ").splitlines()
    return [line.partition("=")[2] for line in joined if line.startswith(key + "=")]


def test_a_new_container_is_run_stopped_and_removed_by_its_id_file() -> None:
    text = systemd.new_container(SERVICE, MADE_BY, "x", template=False)
    assert lines(text, "ExecStart") == [
        "/usr/bin/pypod run --cidfile=%t/%n.ctr-id --cgroups=no-conmon --rm --sdnotify=conmon -d"
        ' --replace --name x -e A=1 --tty img sh -c "echo $$HOME; true"'
    ]
    for key, first in (("ExecStop", "stop --ignore"), ("ExecStopPost", "rm -f --ignore")):
        expected = f"/usr/bin/pypod {first} -t 10 --cidfile=%t/%n.ctr-id"
        assert lines(text, key) == [expected]
    assert lines(text, "Type") == ["notify"] and lines(text, "NotifyAccess") == ["all"]
    assert lines(text, "TimeoutStopSec") == ["70"]


def test_ready_comes_from_inside_where_that_was_asked_for() -> None:
    for asked, used in (("container", "container"), ("ignore", "conmon"), ("", "conmon")):
        made_by = MADE_BY.replace(sdnotify=asked)
        text = systemd.new_container(SERVICE, made_by, "", template=False)
        assert f" --sdnotify={used} " in lines(text, "ExecStart")[0]


def test_an_instance_adds_its_own_name() -> None:
    text = systemd.new_container(SERVICE, MADE_BY, "x", template=True)
    assert " --name x-%i " in lines(text, "ExecStart")[0]


def test_an_existing_container_is_started_and_stopped() -> None:
    text = systemd.existing_container(SERVICE, "x")
    assert lines(text, "ExecStart") == ["/usr/bin/pypod start x"]
    assert lines(text, "ExecStop") == lines(text, "ExecStopPost") == ["/usr/bin/pypod stop -t 10 x"]
    assert lines(text, "Type") == ["forking"] and not lines(text, "PIDFile")
