# SPDX-License-Identifier: Apache-2.0
"""registries.conf: short names, mirrors, rewriting, blocked and insecure registries, counted."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.names import Names, mirrored
from tests.fixtures.program import Terminal
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own

IMAGE = images.make([{"file": b"x"}])
OTHER = images.make([{"other": b"y"}])
FOREIGN = images.make([{"file": b"x"}], architecture="s390x")


def test_a_mirror_is_asked_first_and_the_registry_not_at_all(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    two.serve("copy/app", "1", IMAGE)
    names.write(mirrored(one, two))
    pulled = names("pull", "hub.test/team/app:1")
    assert pulled.line == IMAGE.id[7:]
    assert f"Trying to pull hub.test/team/app:1 from {two.host}/copy/app:1..." in pulled.err
    assert one.requests == []
    assert len(two.paths("/manifests/")) == 1
    assert len(two.paths("/blobs/")) == 2
    assert names.names() == ["hub.test/team/app:1"]


def test_what_the_mirror_lacks_comes_from_the_location(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    one.serve("real/app", "1", IMAGE)
    names.write(mirrored(one, two))
    pulled = names("pull", "hub.test/team/app:1")
    assert pulled.line == IMAGE.id[7:]
    assert f"WARN: mirror {two.host}: " in pulled.err
    assert len(two.paths("/manifests/")) == 1
    assert two.paths("/blobs/") == []
    assert len(one.paths("/manifests/")) == 1


@pytest.mark.parametrize(
    "fault",
    [faults.status(403), faults.wrong(), faults.status(302, {"Location": "ftp://x"})],
    ids=["forbidden", "wrong digest", "redirect"],
)
def test_a_mirror_that_sends_it_wrong_is_passed_over(
    names: Names, one: FaultRegistry, two: FaultRegistry, fault: faults.Answer
) -> None:
    one.serve("real/app", "1", IMAGE)
    two.serve("copy/app", "1", IMAGE)
    two.fault(f"/blobs/{IMAGE.layers[0]}", fault)
    names.write(mirrored(one, two))
    assert names("pull", "hub.test/team/app:1").line == IMAGE.id[7:]
    assert len(one.paths(f"/blobs/{IMAGE.layers[0]}")) == 1


def test_a_mirror_that_is_not_there_costs_one_warning(names: Names, one: FaultRegistry) -> None:
    one.serve("real/app", "1", IMAGE)
    gone = FaultRegistry()
    gone.close()
    names.write(mirrored(one, gone))
    pulled = names("pull", "-q", "hub.test/team/app:1")
    assert pulled.err == f"WARN: mirror {gone.host}: registry {gone.host}: connection refused\n"


def test_a_mirror_for_digests_only_sees_no_tag(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    one.serve("real/app", "1", IMAGE)
    two.serve("copy/app", "1", IMAGE)
    names.write(mirrored(one, two, "mirror-by-digest-only = true\n"))
    names("pull", "hub.test/team/app:1")
    assert two.requests == []
    before = len(one.requests)
    names("pull", f"hub.test/team/app@{IMAGE.digest}")
    assert len(two.paths("/manifests/sha256:")) == 1
    assert len(one.requests) == before
    names.write(mirrored(one, two) + 'pull-from-mirror = "tag-only"\n')
    names("pull", f"hub.test/team/app@{IMAGE.digest}")
    assert len(two.paths("/manifests/")) == 1
    names("pull", "hub.test/team/app:1")
    assert len(two.paths("/manifests/1")) == 1


def test_credentials_of_a_registry_never_reach_its_mirror(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    secret = base64.b64encode(b"me:secret").decode()
    basic = faults.needs(f"Basic {secret}", 'Basic realm="x"')
    one.serve("real/app", "1", IMAGE)
    two.serve("copy/app", "1", IMAGE)
    for registry in (one, two):
        registry.fault("/v2/", basic)
    names.write(
        f'[[registry]]\nprefix = "{one.host}"\nlocation = "{one.host}"\n'
        f'[[registry.mirror]]\nlocation = "{two.host}/copy"\n'
    )
    one.serve("app", "1", IMAGE)
    auth = Path(str(names.env["REGISTRY_AUTH_FILE"]))
    auth.write_text(json.dumps({"auths": {one.host: {"auth": secret}}}))
    for words in (("pull", "-q"), ("pull", "-q", "--creds=me:secret")):
        assert names(*words, f"{one.host}/app:1").line == IMAGE.id[7:]
        auth.unlink(missing_ok=True)
        auth.write_text("{}")
    assert len(two.requests) >= 2
    assert [each.authorization for each in two.requests if each.authorization] == []
    assert any(each.authorization for each in one.requests)
    auth.write_text(json.dumps({"auths": {two.host: {"auth": secret}}}))
    before = len(one.requests)
    names("pull", "-q", f"{one.host}/app:1")  # the mirror's own
    assert len(one.requests) == before


def test_creds_do_not_follow_a_rewritten_name_to_another_host(
    names: Names, one: FaultRegistry
) -> None:
    one.serve("real/app", "1", IMAGE)
    one.fault("/v2/", faults.needs("Basic x", 'Basic realm="x"'))
    names.write(f'[[registry]]\nprefix = "hub.test"\nlocation = "{one.host}/real"\n')
    refused = names("pull", "--creds", "me:secret", "hub.test/app:1", check=125)
    assert f"--creds are for hub.test: they are not sent to {one.host}" in refused.err
    assert [each.authorization for each in one.requests if each.authorization] == []


def test_a_blocked_registry_is_an_error_without_any_request(
    names: Names, one: FaultRegistry
) -> None:
    one.serve("app", "1", IMAGE)
    path = names.write(f'[[registry]]\nlocation = "{one.host}"\nblocked = true\n')
    for words in (("pull", "-q"), ("create",), ("run", "--rm", "--network=none")):
        refused = names(*words, f"{one.host}/app:1", check=125)
        error = f"Error: registry {one.host} is blocked in {path}\n"
        assert error in refused.err
    assert one.requests == []


def test_a_wildcard_is_rewritten_host_and_all(names: Names, one: FaultRegistry) -> None:
    one.serve("in/app", "1", IMAGE)
    names.write(f'[[registry]]\nprefix = "*.corp.test"\nlocation = "{one.host}/in"\n')
    assert names("pull", "-q", "a.corp.test/app:1").line == IMAGE.id[7:]
    assert names("pull", "-q", "a.b.corp.test:5000/app:1", check=125).out == ""
    assert len(one.paths("/v2/in/app/manifests/1")) == 1
    assert names.names() == ["a.corp.test/app:1"]


@pytest.mark.parametrize("blocked", [True, False])
def test_a_registry_that_is_insecure_needs_no_known_certificate(
    names: Names, tmp_path: Path, blocked: bool
) -> None:
    with FaultRegistry(faults.certificate(tmp_path, "self")) as secure:
        secure.serve("app", "1", IMAGE)
        flag = "false" if blocked else "true"
        names.write(f'[[registry]]\nlocation = "{secure.host}"\ninsecure = {flag}\n')
        pulled = names("pull", f"{secure.host}/app:1", check=125 if blocked else 0)
        assert ("its certificate is not trusted" in pulled.err) == blocked
        assert ("is not verified: anybody could answer" in pulled.err) != blocked


def test_an_insecure_mirror_makes_the_registry_no_less_secure(
    names: Names, tmp_path: Path
) -> None:
    with FaultRegistry(faults.certificate(tmp_path, "self")) as secure, FaultRegistry() as mirror:
        secure.serve("app", "1", IMAGE)
        names.write(
            f'[[registry]]\nlocation = "{secure.host}"\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
        )
        refused = names("pull", f"{secure.host}/app:1", check=125)
        assert f"TLS of registry {mirror.host} is not verified" in refused.err
        assert f"registry {secure.host}: its certificate is not trusted" in refused.err


def test_an_alias_is_what_a_short_name_means(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    one.serve("team/app", "latest", IMAGE)
    one.serve("team/app", "2", OTHER)
    path = names.write(
        f'unqualified-search-registries = ["{two.host}"]\n'
        f'[aliases]\n"shorty" = "{one.host}/team/app"\n'
    )
    pulled = names("pull", "shorty")
    assert pulled.line == IMAGE.id[7:]
    assert pulled.err.splitlines()[0] == f'Resolved "shorty" as an alias ({path})'
    assert names("pull", "-q", "shorty:2").line == OTHER.id[7:]
    assert two.requests == []
    assert sorted(names.names()) == [f"{one.host}/team/app:2", f"{one.host}/team/app:latest"]
    # What is here is found by it too, without a request.
    before = len(one.requests)
    assert names("create", "shorty:2", "/x").rc == 0
    names("rm", "-a")
    assert names("image", "inspect", "-f", "{{.Id}}", "shorty").line == IMAGE.id[7:]
    assert len(one.requests) == before


def test_localhost_is_looked_at_before_an_alias(names: Names, one: FaultRegistry) -> None:
    one.serve("app", "latest", IMAGE)
    one.serve("app", "2", OTHER)
    names("pull", "-q", f"{one.host}/app:2")
    names("tag", f"{one.host}/app:2", "shorty")
    names("pull", "-q", f"{one.host}/app")
    names.write(f'[aliases]\n"shorty" = "{one.host}/app"\n')
    assert names("image", "inspect", "-f", "{{.Id}}", "shorty").line == OTHER.id[7:]
    names("untag", "localhost/shorty")
    assert names("image", "inspect", "-f", "{{.Id}}", "shorty").line == IMAGE.id[7:]


def test_the_search_list_is_asked_in_its_order(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    two.serve("app", "latest", IMAGE)
    listed = f'unqualified-search-registries = ["{one.host}", "{two.host}"]\n'
    path = names.write(listed)
    pulled = names("pull", "app")
    assert pulled.line == IMAGE.id[7:]
    first = f'Resolving "app" using unqualified-search registries ({path})'
    assert pulled.err.splitlines()[0] == first
    assert len(one.paths("/manifests/latest")) == 1
    one.serve("app", "latest", OTHER)
    assert names("pull", "-q", "app").line == OTHER.id[7:]
    assert names("image", "inspect", "-f", "{{.Id}}", "app").line == OTHER.id[7:]


def test_enforcing_without_a_terminal_is_an_error_that_lists_them(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    one.serve("app", "latest", IMAGE)
    listed = f'unqualified-search-registries = ["{one.host}", "{two.host}"]\n'
    names.write(listed + 'short-name-mode = "enforcing"\n')
    refused = names("pull", "app", check=125)
    error, hint = refused.err.splitlines()
    assert error == (
        "Error: short-name resolution enforced but cannot prompt without a TTY: it may be "
        f"{one.host}/app:latest, {two.host}/app:latest"
    )
    assert hint.startswith("Hint: give the full name, or an alias")
    assert one.requests == two.requests == []
    names.write(listed + 'short-name-mode = "disabled"\n')
    assert names("pull", "-q", "app").line == IMAGE.id[7:]


@pytest.mark.passes("user", "single")  # as root the answer is kept in /var/cache
def test_on_a_terminal_people_choose_and_the_answer_is_remembered(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    two.serve("app", "1", IMAGE)
    names.write(f'unqualified-search-registries = ["{one.host}", "{two.host}"]\n')
    words = names.store.program.argv(*names.store.first, "pull", "app:1")
    settings = [f"{key}={value}" for key, value in names.env.items()]
    with Terminal(["/usr/bin/env", *settings, *words], 24, 100) as terminal:
        terminal.expect("Which image is app:1?")
        terminal.expect(f"2  {two.host}/app:1")
        terminal.expect("Number [1]: ")
        terminal.send("7\n")
        terminal.expect("Number [1]: ")
        terminal.send("2\n")
        assert terminal.wait() == 0
    assert one.requests == []
    kept = names.cache / "containers/short-name-aliases.conf"
    assert kept.read_text() == f'[aliases]\n  "app" = "{two.host}/app"\n'
    again = names("pull", "app:1")
    assert again.err.splitlines()[0] == f'Resolved "app" as an alias ({kept})'


def test_drop_ins_count_in_the_order_of_their_names(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    two.serve("app", "latest", IMAGE)
    names.write(f'unqualified-search-registries = ["{one.host}"]\n')
    blocked = f'[[registry]]\nlocation = "{two.host}"\nblocked = true\n'
    names.write(blocked, "registries.conf.d/1.conf")
    names.write("[aliases]\n", "registries.conf.d/3.txt")
    second = names.write(
        f'unqualified-search-registries = ["{two.host}"]\n[[registry]]\nlocation = "{two.host}"\n',
        "registries.conf.d/2.conf",
    )
    assert f"({second})" in names("pull", "app").err
    assert one.requests == []
    second.rename(second.with_name("0.conf"))
    assert "is blocked in" in names("pull", "app", check=125).err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\n[[registry]\n", 2),
        ('\n\n[[registry]]\nlocation = "https://quay.io"\n', 3),
        ('[aliases]\n"x" = "y"\n', 2),
    ],
)
def test_a_broken_file_is_one_line_with_its_name_and_line(
    names: Names, text: str, line: int
) -> None:
    path = names.write(text, "registries.conf.d/50-mine.conf")
    for words in (("pull", "busybox"), ("create", "busybox")):
        refused = names(*words, check=125)
        assert len(refused.err.splitlines()) == 1
        assert refused.err.startswith(f"Error: {path}:{line}: ")


def test_info_shows_the_registries_as_podman_does(names: Names) -> None:
    names.write(
        'unqualified-search-registries = ["quay.io", "docker.io"]\n'
        '[[registry]]\nprefix = "h.test:5000/x"\nlocation = "real.test"\ninsecure = true\n'
        '[[registry.mirror]]\nlocation = "m.test"\n'
    )
    shown = json.loads(names("info", "--format", "json").out)["registries"]
    assert shown["search"] == ["quay.io", "docker.io"]
    assert shown["h.test:5000/x"] == {
        "Prefix": "h.test:5000/x",
        "Location": "real.test",
        "Insecure": True,
        "PullFromMirror": "",
        "Mirrors": [{"Location": "m.test", "Insecure": False, "PullFromMirror": "all"}],
        "Blocked": False,
        "MirrorByDigestOnly": False,
    }
    names.write('[[registry]]\nprefix = "*.w.test"\nblocked = true\n')
    assert '  "*.w.test":\n    Prefix: "*.w.test"\n' in names("info").out  # a bare * is no YAML


def test_all_tags_pulls_every_tag(names: Names, one: FaultRegistry) -> None:
    one.serve("app", "1", IMAGE)
    one.serve("app", "2", OTHER)
    listed = {"Link": '</v2/app/tags/list?last=1&n=1>; rel="next"'}
    pages: list[tuple[str, list[str], dict[str, str]]] = [
        ("/v2/app/tags/list?last=1", ["2", "1"], {}),
        ("/v2/app/tags/list", ["1"], listed),
    ]
    for path, tags, headers in pages:
        body = json.dumps({"name": "app", "tags": tags}).encode()
        one.fault(path, faults.status(200, headers, body))
    pulled = names("pull", "-q", "--all-tags", f"{one.host}/app")
    assert pulled.out.split() == [IMAGE.id[7:], OTHER.id[7:]]
    assert sorted(names.names()) == [f"{one.host}/app:1", f"{one.host}/app:2"]
    refused = names("pull", "-a", f"{one.host}/app:1", check=125)
    assert "cannot be used with --all-tags" in refused.err


def test_all_tags_of_a_real_registry(names: Names, registry: Registry) -> None:
    for tag in ("a", "b"):
        registry.push(IMAGE, "names/tags", tag)
    assert names("pull", "-q", "-a", f"{registry.host}/names/tags").out.split() == [
        IMAGE.id[7:],
        IMAGE.id[7:],
    ]


@pytest.mark.parametrize(
    ("policy", "requests", "code"),
    [("missing", 0, 0), ("never", 0, 0), ("always", 1, 0), ("newer", 1, 0)],
)
def test_the_policy_of_pull_says_whether_to_ask(
    names: Names, one: FaultRegistry, policy: str, requests: int, code: int
) -> None:
    name = one.serve("app", "1", IMAGE)
    assert names("pull", "-q", "--policy=never", name, check=125).out == ""
    names("pull", "-q", name)
    before = len(one.paths("/manifests/1"))
    assert names("pull", "-q", "--policy", policy, name, check=code).line == IMAGE.id[7:]
    assert len(one.paths("/manifests/1")) - before == requests


def test_a_policy_that_is_none_is_bad_input(names: Names) -> None:
    assert "unknown policy" in names("pull", "--policy=often", "a", check=125).err


@pytest.mark.parametrize("verb", ["pull", "create"])
@pytest.mark.parametrize("retries", [0, 2])
def test_retry_is_how_often_a_busy_registry_is_asked_again(
    names: Names, one: FaultRegistry, retries: int, verb: str
) -> None:
    name = one.serve("app", "1", IMAGE)
    one.fault("/manifests/", faults.status(503))
    words = (verb, "--retry", str(retries), "--retry-delay", "10ms", name)
    assert "HTTP 503" in names(*words, check=125).err
    assert len(one.paths("/manifests/")) == retries + 1


def test_retries_end_when_the_registry_is_well(names: Names, one: FaultRegistry) -> None:
    name = one.serve("app", "1", IMAGE)
    one.fault("/manifests/", faults.status(503), times=2)
    names("pull", "--retry=2", "--retry-delay=10ms", "--disable-content-trust", name)
    one.fault("/v2/", faults.status(500), times=1)
    names("create", "--retry=1", "--retry-delay=10ms", "--disable-content-trust", name, "/x")
    names("rm", "-a")


def test_create_pulls_quietly_and_with_the_credentials_it_is_given(
    names: Names, one: FaultRegistry, tmp_path: Path
) -> None:
    secret = base64.b64encode(b"me:secret").decode()
    name = one.serve("app", "1", IMAGE)
    one.fault("/v2/", faults.needs(f"Basic {secret}", 'Basic realm="x"'))
    assert "authentication required" in names("create", name, "/x", check=125).err
    auth = tmp_path / "other.json"
    auth.write_text(json.dumps({"auths": {one.host: {"auth": secret}}}))
    for words in (("--creds", "me:secret"), ("--authfile", str(auth))):
        made = names("create", "-q", *words, name, "/x")
        assert made.err == ""
        names("rm", made.line)
        names("rmi", "-f", name)
    for creds in (("--creds", "me:secret"), ("--creds=me:secret",)):
        made = names("create", *creds, "--read-only", name, "/x", "--creds", "x")
        shown = names("inspect", made.line).out
        assert "secret" not in shown
        command = json.loads(shown)[0]["Config"]["CreateCommand"]
        assert command[-5:] == ["--read-only", name, "/x", "--creds", "x"]
        names("rm", made.line)


def test_create_takes_an_image_for_the_platform_it_is_told(
    names: Names, one: FaultRegistry
) -> None:
    body, media_type = images.index([(FOREIGN, "s390x"), (IMAGE, "amd64")])
    one.serve("app", FOREIGN.digest, FOREIGN)
    one.serve("app", IMAGE.digest, IMAGE)
    name = one.serve_bytes("app", "1", body, media_type)
    own = names("create", name, "/x").line
    for words in (
        ("--platform", "linux/s390x"),
        ("--os", "linux", "--arch", "s390x", "--variant", ""),
    ):
        made = names("create", *words, name, "/x")
        assert "image platform linux/s390x is not this machine's" in made.err
        assert names("inspect", "-f", "{{.Image}}", made.line).line == FOREIGN.id[7:]
    assert names("inspect", "-f", "{{.Image}}", own).line == IMAGE.id[7:]
    names("rm", "-a")


def test_create_verifies_tls_unless_it_is_told_not_to(names: Names, tmp_path: Path) -> None:
    with FaultRegistry(faults.certificate(tmp_path, "self")) as secure:
        name = secure.serve("app", "1", IMAGE)
        refused = names("create", name, "/x", check=125)
        assert "its certificate is not trusted" in refused.err
        names("create", "--tls-verify=false", name, "/x")
        names("rm", "-a")


def test_run_pulls_with_the_same_options_as_create(
    names: Names, registry: Registry, one: FaultRegistry, tmp_path: Path
) -> None:
    name = registry.push(images.busybox(), "names/run")
    auth = tmp_path / "other.json"
    auth.write_text(json.dumps({"auths": {registry.host: {"auth": "bWU6c2VjcmV0"}}}))
    for words in (
        ("--tls-verify=false", "--creds", "me:secret", "--retry", "1", "--retry-delay", "10ms"),
        ("--disable-content-trust", "--authfile", str(auth), "--platform", "linux/amd64"),
        ("--os", "linux", "--arch", "amd64", "--variant", "v1"),
    ):
        ran = names("run", "--rm", "--network=none", "--pull=always", "-q", *words, name, "id")
        assert ran.out.startswith("uid=0")
        assert "Copying" not in ran.err
    busy = one.serve("app", "1", IMAGE)
    one.fault("/manifests/", faults.status(503))
    names("run", "--rm", "--retry", "1", "--retry-delay=10ms", busy, check=125)
    assert len(one.paths("/manifests/")) == 2
