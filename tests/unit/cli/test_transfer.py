# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from pypod.cli import parse, transfer
from pypod.errors import UsageError
from pypod.kernel.facts import facts
from pypod.oci.manifest import Platform


@pytest.mark.parametrize(
    ("name", "search", "expected"),
    [
        ("busybox", ("docker.io",), ["docker.io/library/busybox:latest"]),
        ("a/b:1", ("docker.io",), ["docker.io/a/b:1"]),
        ("quay.io/a", ("docker.io",), ["quay.io/a:latest"]),
        ("a", ("quay.io", "docker.io"), ["quay.io/a:latest", "docker.io/library/a:latest"]),
        ("localhost/a", ("quay.io", "docker.io"), ["localhost/a:latest"]),
        ("a", (), []),
    ],
)
def test_a_short_name_is_looked_for_in_the_search_list(
    name: str, search: tuple[str, ...], expected: list[str]
) -> None:
    assert [str(one) for one in transfer._references(name, search)] == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--platform", "linux/arm64/v8"], Platform("linux", "arm64", "v8")),
        (["--platform", "windows/amd64"], Platform("windows", "amd64")),
        (["--arch", "s390x"], Platform("linux", "s390x")),
        (["--arch", "arm", "--variant", "v6"], Platform("linux", "arm", "v6")),
    ],
)
def test_a_platform_is_put_together(words: list[str], expected: Platform) -> None:
    args = parse.parse(["pull", *words, "image"])
    assert transfer._platform(args, facts()) == expected


@pytest.mark.parametrize(
    "words", [["--platform=linux"], ["--platform=linux//"], ["--platform=a/b", "--arch=c"]]
)
def test_a_platform_that_is_none_is_refused(words: list[str]) -> None:
    args = parse.parse(["pull", *words, "image"])
    with pytest.raises(UsageError, match="--platform"):
        transfer._platform(args, facts())


def test_creds_without_a_password_need_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transfer._credentials("user:pa:ss").password == "pa:ss"
    monkeypatch.setattr("os.isatty", lambda _fd: False)
    with pytest.raises(UsageError, match="no password, and no terminal"):
        transfer._credentials("user")
