# SPDX-License-Identifier: Apache-2.0
"""Who gets credentials, and where they are never shown: what a review of every way has found."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images, signing
from tests.fixtures.authority import Authority
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.names import Names
from tests.fixtures.signing import Machine, Pgp
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

IMAGE = images.make([{"file": b"credentials"}])
CREDS = "me:se:cret-word"
BASIC = "Basic " + base64.b64encode(CREDS.encode()).decode()
ASKS = faults.needs(BASIC, 'Basic realm="x"')


def told(registry: FaultRegistry) -> list[str]:
    """Return what a registry was told that it should not know."""
    return [one.authorization for one in registry.requests if one.authorization]


def test_creds_of_a_pushed_list_are_for_its_destination_alone(
    store: Store, one: FaultRegistry, two: FaultRegistry, tmp_path: Path
) -> None:
    one.serve("app", "1", IMAGE)
    store("manifest", "create", "many", f"docker://{one.host}/app:1")
    # From now on the source asks for credentials: for a stranger's.
    one.fault("/blobs/", ASKS)
    two.fault("/v2/", ASKS)
    words = ("manifest", "push", "-q", "--creds", CREDS, "--retry", "0", "many")
    store(*words, f"docker://{two.host}/app:1", check=125)
    assert one.paths("/blobs/")
    assert told(one) == []
    # Of the same registry they are for both.
    store(*words, f"docker://{one.host}/copy:1")
    assert one.find("/v2/copy/manifests/1")[0]
    one.requests.clear()
    one.faults_done()
    one.fault("/v2/", ASKS)
    done = store("manifest", "push", "-q", "--tls-verify=false", "--cert-dir", str(tmp_path),
                 "--creds", CREDS, "many", f"dir:{tmp_path}/d", check=125)  # fmt: skip
    assert "authentication required" in done.err
    assert told(one) == []


def test_creds_are_for_one_registry_and_a_short_name_may_be_of_several(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    for registry in (one, two):
        registry.serve("app", "1", IMAGE)
        registry.fault("/v2/", ASKS)
    names.write(f'unqualified-search-registries = ["{one.host}", "{two.host}"]\n')
    for words in (("pull", "-q"), ("run", "--rm", "--network=none"), ("create",)):
        done = names(*words, "--creds", CREDS, "app:1", check=125)
        assert "--creds are for one registry" in done.err
    done = names("search", "--creds", CREDS, "app", check=125)
    assert "--creds are for one registry" in done.err
    assert told(one) + told(two) == []
    assert names("pull", "-q", "--creds", CREDS, f"{two.host}/app:1").line == IMAGE.id[7:]
    names.write(f'unqualified-search-registries = ["{two.host}"]\n')
    assert names("pull", "-q", "--creds", CREDS, "app:1").line == IMAGE.id[7:]
    assert told(one) == []


def test_a_login_that_is_redirected_tells_the_other_host_nothing(
    store: Store, one: FaultRegistry, two: FaultRegistry, tmp_path: Path
) -> None:
    one.fault("/v2/", faults.redirect(two.url + "{path}"))
    two.fault("/v2/", ASKS)
    user, _, password = CREDS.partition(":")
    done = store("login", "--authfile", str(tmp_path / "auth.json"), "-u", user,
                 "--password-stdin", one.host, input=password, check=125)  # fmt: skip
    assert "another host, none were sent" in done.err
    assert two.requests
    assert told(one) + told(two) == []
    assert not (tmp_path / "auth.json").exists()


def test_the_same_host_in_other_letters_is_the_same_host(
    store: Store, one: FaultRegistry
) -> None:
    host = f"localhost:{one.port}"
    one.serve("app", "1", IMAGE)
    store("pull", "-q", f"{one.host}/app:1")

    def upload(handler: faults.Handler, body: bytes, media_type: str) -> None:
        if handler.headers.get("Authorization") != BASIC:
            handler.send(401, b"{}", "application/json", {"WWW-Authenticate": 'Basic realm="x"'})
        elif handler.command == "POST":
            sent = one.uploads.answer("POST", handler.path, b"", {})
            place = sent[3]["Location"]
            handler.send(202, b"", "", {"Location": f"http://LOCALHOST:{one.port}{place}"})
        elif handler.command in ("PUT", "PATCH"):
            sent = one.uploads.answer(
                handler.command, handler.path, one.requests[-1].body, dict(handler.headers)
            )
            handler.send(*sent)
        else:
            handler.good(body if "/up/blobs/" not in handler.path else b"",
                         media_type if "/up/blobs/" not in handler.path else "")  # fmt: skip

    one.fault("/v2/", upload)
    store("push", "-q", "--creds", CREDS, f"{one.host}/app:1", f"{host}/up:1")


def test_what_a_registry_says_again_is_not_shown(
    store: Store, one: FaultRegistry, tmp_path: Path
) -> None:
    def echo(handler: faults.Handler, _body: bytes, _type: str) -> None:
        if not handler.headers.get("Authorization"):
            handler.send(401, b"{}", "application/json", {"WWW-Authenticate": 'Basic realm="x"'})
            return
        said = f"you said {handler.headers['Authorization']}, {CREDS.partition(':')[2]}, did you?"
        body = json.dumps({"errors": [{"code": "DENIED", "message": said}]}).encode()
        handler.send(403, body, "application/json")

    one.fault("/v2/", echo)
    for words in (("pull",), ("--log-level=debug", "image", "inspect", "--retry", "0")):
        name = f"{one.host}/app:1" if words == ("pull",) else f"docker://{one.host}/app:1"
        done = store(*words, "--creds", CREDS, name, check=125)
        assert "you said Basic [secret], [secret], did you?" in done.err
        assert CREDS.partition(":")[2] not in done.err
        assert BASIC.partition(" ")[2] not in done.err


def test_the_query_of_a_redirect_is_as_good_as_a_password(store: Store, tmp_path: Path) -> None:
    certificate = faults.certificate(tmp_path, "own")
    env: dict[str, str | None] = {"SSL_CERT_FILE": str(certificate)}
    with FaultRegistry(certificate) as secure:
        name = secure.serve("app", "1", IMAGE)
        for place in ("http://127.0.0.1:1/blob?X-Signature=hidden", "https://u:hidden@x.test/b",
                      "https://[::1/?hidden"):  # fmt: skip
            secure.faults_done()
            secure.fault("/blobs/", faults.redirect(place))
            done = store("--log-level=debug", "pull", "-q", name, check=125, env=env)
            assert "refused" in done.err
            assert "hidden" not in done.err


def test_a_user_in_a_lookaside_place_is_not_shown(
    store: Store, machine: Machine, one: FaultRegistry, two: FaultRegistry, pgp: Pgp
) -> None:
    name = one.serve("app", "1", IMAGE)
    key = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("good"))}
    machine.require(key)
    file = machine.home / "containers/registries.d/tests.yaml"
    place = two.url.replace("//", f"//{CREDS.replace(':', '-', 2).replace('-', ':', 1)}@")
    file.write_text(f'docker:\n  "{one.host}":\n    lookaside: "{place}"\n')
    for how in ("forbidden", "gone"):
        two.fault("signature-1", faults.status(403))
        done = store("--log-level=debug", "pull", "-q", name, check=125, env=machine.env)
        assert "cret-word" not in done.err
        assert two.host in done.err
        if how == "forbidden":
            two.close()
    # What is written there goes to nobody.
    signer = signing.Ecdsa(machine.home, "key")
    machine.require({"type": "insecureAcceptAnything"})
    done = store("image", "copy", "--sign-by", "good@example.com", "--sign-by-sigstore-private-key",
                 str(signer.key), f"docker://{name}", f"docker://{one.host}/x:1", check=125,
                 env={**machine.env, "GNUPGHOME": str(pgp.home)})  # fmt: skip
    assert "cret-word" not in done.err


def test_nobody_leads_to_where_clouds_keep_their_secrets(store: Store, one: FaultRegistry) -> None:
    name = one.serve("app", "1", IMAGE)
    for text, answer in (
        ("/blobs/", faults.redirect("http://169.254.169.254/latest/meta-data")),
        ("/v2/", faults.needs("x", 'Bearer realm="http://169.254.169.254/token"')),
    ):
        one.faults_done()
        one.fault(text, answer)
        done = store("pull", "-q", name, check=125)
        assert "that is an address of this machine" in done.err


def test_the_certificate_of_a_client_is_for_the_registry_that_was_named(
    names: Names, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    server = authority.issue("server")
    both = tmp_path / "server.crt"
    both.write_bytes(server[0].read_bytes())
    both.with_suffix(".key").write_bytes(server[1].read_bytes())
    directory = str(authority.directory(tmp_path / "own", authority.issue("myself")))
    with FaultRegistry(both) as one, FaultRegistry(both) as two:
        for registry in (one, two):
            registry.tls.verify_mode = ssl.CERT_OPTIONAL
            registry.tls.load_verify_locations(str(authority.certificate))
        one.serve("app", "1", IMAGE)
        names.write(
            f'[[registry]]\nlocation = "{one.host}"\n'
            f'[[registry.mirror]]\nlocation = "{two.host}/copy"\n'
        )
        names("pull", "-q", "--cert-dir", directory, f"{one.host}/app:1")
        names("image", "inspect", "-n", "--cert-dir", directory, f"docker://{one.host}/app:1")
        # Whom the mirror is trusted by counts for it, who we are does not.
        assert len(two.requests) >= 2
        assert {request.certificate for request in two.requests} == {""}
        assert {request.certificate for request in one.requests} == {"myself"}


def test_a_passphrase_is_in_no_argv_and_no_environment(
    store: Store, machine: Machine, one: FaultRegistry, tmp_path: Path
) -> None:
    name = one.serve("app", "1", IMAGE)
    shim = tmp_path / "seen"
    file = tmp_path / "passphrase"
    file.write_text("a-hidden-phrase\n")
    machine.require({"type": "insecureAcceptAnything"})
    machine.keep(one.host, staging=f"file://{tmp_path}/staging")
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    (home / "gpg.conf").write_text(f"log-file {shim}\nverbose\n")
    done = store("--log-level=debug", "image", "copy", "--sign-by", "nobody",
                 "--sign-passphrase-file", str(file), f"docker://{name}",
                 f"docker://{one.host}/b:1", check=125,
                 env={**machine.env, "GNUPGHOME": str(home)})  # fmt: skip
    assert "a-hidden-phrase" not in done.err
    assert not shim.exists() or "a-hidden-phrase" not in shim.read_text()
    subprocess.run(["/usr/bin/gpgconf", "--kill", "all"], check=False,
                   env={"GNUPGHOME": str(home), "PATH": "/usr/bin:/bin"})  # fmt: skip
