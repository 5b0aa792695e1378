# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from pypod.cli import access, parse
from pypod.errors import UsageError
from pypod.kernel.facts import facts
from pypod.oci.manifest import Platform


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
    assert access.platform(args, facts()) == expected


@pytest.mark.parametrize(
    "words", [["--platform=linux"], ["--platform=linux//"], ["--platform=a/b", "--arch=c"]]
)
def test_a_platform_that_is_none_is_refused(words: list[str]) -> None:
    args = parse.parse(["pull", *words, "image"])
    with pytest.raises(UsageError, match="--platform"):
        access.platform(args, facts())


def test_creds_without_a_password_need_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert access.credentials("--creds", "") is None
    found = access.credentials("--creds", "user:pa:ss")
    assert found is not None and found.password == "pa:ss"
    monkeypatch.setattr("os.isatty", lambda _fd: False)
    with pytest.raises(UsageError, match="no password, and no terminal"):
        access.credentials("--creds", "user")


@pytest.mark.parametrize(
    ("words", "tries", "connects", "first", "steady"),
    [
        ([], 4, 1, 1.0, False),
        (["--retry=0"], 1, 1, 1.0, False),
        (["--retry", "5", "--retry-delay", "200ms"], 6, 6, 0.2, True),
    ],
)
def test_retry_counts_the_tries_after_the_first(
    words: list[str], tries: int, connects: int, first: float, steady: bool
) -> None:
    found = access.patience(parse.parse(["pull", *words, "image"]))
    assert (found.tries, found.connects) == (tries, connects)
    assert (found.wait_first, found.steady) == (first, steady)


@pytest.mark.parametrize("delay", ["soon", "-1s", "10"])
def test_a_delay_that_is_none_is_refused(delay: str) -> None:
    with pytest.raises(UsageError, match="--retry-delay"):
        access.patience(parse.parse(["pull", f"--retry-delay={delay}", "image"]))
