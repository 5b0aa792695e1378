# SPDX-License-Identifier: Apache-2.0
"""Whatever words an option or an image holds: a configuration or one error, never a traceback."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pypod.errors import PypodError
from pypod.spec.build import container_config, create_document, etc_files
from pypod.spec.options import CreateOptions
from tests.golden.make_configs import ROOT, SINGLE, USER, identity, image

PIECES = (
    "/ . .. : , = a b ro rw z U size mode uid /proc /sys /dev /etc x 0 00 1000 -1 + 4294967295 ٠ ²"
    " é \0 \n \x1b[2J * LC_* ALL CAP_SYS_ADMIN sys_admin no-new-privileges seccomp unconfined label"
    " SIGTERM RTMIN+ 15 bob root staff none host"
).split(" ")
LISTS = ("env", "env_file", "volume", "tmpfs", "cap_add", "cap_drop", "security_opt", "label")
WORDS = ("user", "workdir", "hostname", "network", "stop_signal")


def word(dice: random.Random) -> str:
    return "".join(dice.choices(PIECES, k=dice.randint(0, 4)))


def few(dice: random.Random) -> tuple[str, ...]:
    return tuple(word(dice) for _ in range(dice.randint(0, 2)))


def options(dice: random.Random) -> CreateOptions:
    given: dict[str, Any] = {}
    for name in dice.sample(LISTS, dice.randint(0, 2)):
        given[name] = few(dice)
    for name in dice.sample(WORDS, dice.randint(0, 2)):
        given[name] = word(dice)
    for name in ("read_only", "tty", "init", "privileged", "interactive"):
        given[name] = dice.random() < 0.3
    given["command"] = few(dice)
    given["entrypoint"] = dice.choice((None, few(dice)))
    return CreateOptions(**given)


@pytest.mark.parametrize("seed", range(20))
def test_random_options_and_images_compose_or_fail_with_an_error(seed: int) -> None:
    dice = random.Random(seed)
    made = 0
    for _ in range(100):
        asked = options(dice)
        record = image(
            env=list(few(dice)), cmd=["c", *few(dice)], user=dice.choice(("", word(dice))),
            workdir=dice.choice(("", "/" + word(dice))), labels={word(dice): word(dice)},
        )  # fmt: skip
        facts = dice.choice((USER, SINGLE, ROOT))
        who = identity(passwd="\n".join(few(dice)), group="\n".join(few(dice)))
        try:
            found = container_config(asked, record, facts, who)
            create_document(asked, record, facts, who)
            etc_files(asked, record, facts, who)
        except PypodError as error:
            assert error.code == 125
            continue
        made += 1
        check(found, asked, asked.user or record.config["user"])
    assert made > 0


def check(found: dict[str, Any], asked: CreateOptions, user: str) -> None:
    """What holds for every configuration."""
    process = found["process"]
    if process["user"]["uid"] == 0:
        assert user in ("", "0") or user.startswith("0:")
    for entry in process["env"]:
        name, equals, _value = entry.partition("=")
        assert name and equals and "\0" not in entry
        assert name != "SECRET" or asked.env or asked.env_file  # `-e '*'` means it
    for mount in found["mounts"][1:]:
        place = mount["destination"]
        assert place.startswith("/") and place != "/"
        assert ".." not in place.split("/")
        assert place == "/proc" or not place.startswith("/proc/")
    if not asked.privileged:
        assert found["linux"]["maskedPaths"]
        assert found["linux"]["readonlyPaths"]
