# SPDX-License-Identifier: Apache-2.0
"""Keys that leave a container running: which they are, and what is typed beside them."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from tests.fixtures.program import Program, within
from tests.fixtures.seat import Seat

pytestmark = pytest.mark.own  # podman 4.3 sees keys only when each is read alone
DETACH = "\x10\x11"


def start(pypod: Program, image: str, seat: Seat, *options: str, **env: str) -> None:
    """Run the program that shows each byte it gets, as `keys`."""
    argv = pypod.argv("run", "-it", "--name", "keys", *options, image)
    seat.start(argv, env={**env})
    seat.sees("drawn 1")


def ended_detached(pypod: Program, seat: Seat) -> bool:
    """See the client end and the container go on."""
    return seat.wait() == 0 and pypod("ps", "--format", "{{.Names}}").line == "keys"


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        ("ctrl-p,ctrl-q", DETACH),
        ("x,y,z", "xyz"),
        ("ctrl-a,d", "\x01d"),
        ("ctrl-],ctrl-[", "\x1d\x1b"),
        ("q", "q"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "attach", "start", "exec"])
def test_the_keys_are_those_of_the_option(
    pypod: Program, screen_image: str, seat: Seat, verb: str, keys: str, typed: str
) -> None:
    options = ("--detach-keys", keys)
    if verb == "run":
        start(pypod, screen_image, seat, *options)
    elif verb == "exec":
        pypod("run", "-d", "--name", "keys", screen_image, "sleep", "1000")
        seat.start(pypod.argv("exec", "-it", *options, "keys", "/screen"))
    else:
        made = "create" if verb == "start" else "run"
        pypod(made, *(("-d",) if made == "run" else ()), "-it", "--name", "keys", screen_image)
        words = ("attach", *options) if verb == "attach" else ("start", "-ai", *options)
        seat.start(pypod.argv(*words, "keys"))
    seat.sees("drawn")
    assert within(10, lambda: seat.is_raw)
    seat.send(typed)
    assert ended_detached(pypod, seat)
    assert seat.is_restored


def test_keys_one_by_one_detach_too_and_half_of_them_waits(
    pypod: Program, screen_image: str, seat: Seat
) -> None:
    start(pypod, screen_image, seat)
    seat.send("\x10")
    time.sleep(0.1)
    seat.send("a")
    seat.sees("typed 10 61")  # it was no detaching: both came
    seat.send("\x10")
    time.sleep(0.1)
    seat.send("\x10")
    seat.sees("typed 10 61 10")
    seat.send("\x11")  # after a second Ctrl-P
    assert ended_detached(pypod, seat)


def test_pasted_text_arrives_whole_and_detaches_where_the_keys_are(
    pypod: Program, image: str, seat: Seat
) -> None:
    """4 KiB in one piece, the keys' first among them; what comes after the keys is nobody's."""
    script = "stty raw -echo; echo ready; dd bs=1 count=4096 2>/dev/null | md5sum; sleep 1000"
    seat.start(pypod.argv("run", "-it", "--name", "keys", image, "sh", "-c", script))
    seat.expect("ready")
    text = (b"pasted \x10 text \x10\x10 of a p \xff\r" * 200)[:4096]
    seat.send(text)
    seat.expect(hashlib.md5(text).hexdigest())
    seat.send(b"more" + DETACH.encode() + b"behind")
    assert ended_detached(pypod, seat)


def test_without_keys_nothing_detaches(pypod: Program, screen_image: str, seat: Seat) -> None:
    start(pypod, screen_image, seat, "--detach-keys", "")
    seat.send(DETACH)
    seat.sees("typed 10 11")
    seat.send("q")
    assert seat.wait() == 7


def test_the_keys_are_those_of_containers_conf(
    pypod: Program, screen_image: str, seat: Seat, tmp_path: Path
) -> None:
    conf = tmp_path / "containers.conf"
    conf.write_text('[engine]\n# detach_keys = "z"\ndetach_keys = "ctrl-a,d"\n')
    start(pypod, screen_image, seat, CONTAINERS_CONF=str(conf))
    seat.send(DETACH)
    seat.sees("typed 10 11")
    seat.send("\x01d")
    assert ended_detached(pypod, seat)
    # The option is stronger, and an override's key than the file's.
    seat.start(
        pypod.argv("attach", "--detach-keys", "y", "keys"), env={"CONTAINERS_CONF": str(conf)}
    )
    assert within(10, lambda: seat.is_raw)
    seat.send("y")
    assert ended_detached(pypod, seat)


@pytest.mark.passes("user", "single")
def test_the_users_containers_conf_is_read_and_dockers_file_is_not(
    pypod: Program, screen_image: str, seat: Seat, tmp_path: Path
) -> None:
    home = tmp_path / "config"
    (home / "containers" / "containers.conf.d").mkdir(parents=True)
    (home / "containers" / "containers.conf").write_text('[engine]\ndetach_keys = "x"\n')
    (home / "containers" / "containers.conf.d" / "9.conf").write_text("[engine]\ndetach_keys='u'\n")
    docker = tmp_path / "docker"
    docker.mkdir()
    (docker / "config.json").write_text('{"detachKeys": "w"}')
    start(pypod, screen_image, seat, XDG_CONFIG_HOME=str(home), DOCKER_CONFIG=str(docker))
    seat.send("wx")
    seat.sees("typed 77 78")
    seat.send("u")
    assert ended_detached(pypod, seat)


def test_keys_that_make_no_sense_are_named_before_anything_is_made(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    conf = tmp_path / "bad.conf"
    conf.write_text('[engine]\ndetach_keys = "ctrl-ä"\n')
    env: dict[str, str | None] = {"CONTAINERS_CONF_OVERRIDE": str(conf)}
    said = pypod("run", "-it", image, "true", check=125, env=env).err
    assert f'{conf}: invalid detach keys "ctrl-ä"' in said
    conf.write_text("[engine]\ndetach_keys = 3\n")
    assert "is not a text" in pypod("run", "-it", image, "true", check=125, env=env).err
    conf.write_text("[engine\ndetach_keys = 3\n")
    assert f"{conf}:1: " in pypod("run", "-it", image, "true", check=125, env=env).err
    assert not pypod("ps", "-a", "-q").line
    # Nobody is attached, or there is no terminal: the setting is of no account.
    pypod("run", "--rm", image, "true", env=env)
    pypod("run", "-dt", image, "true", env=env)
    assert "invalid detach keys" in pypod("run", "--detach-keys", "??", image, check=125).err
