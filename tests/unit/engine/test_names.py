# SPDX-License-Identifier: Apache-2.0
"""Writing hosts and resolv.conf into a record, and following the host's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pypod.engine import names
from pypod.errors import PypodError
from pypod.kernel import fastjson, paths
from pypod.net import programs
from pypod.spec.reach import Reach
from pypod.store.objects import Container, Staging

PASTA = Reach("pasta", "10.0.2.100", "", "10.0.2.3", "192.0.2.2")
PLAIN = Reach("pasta", "10.0.2.100")


class Record:
    """A container's record in a store of its own."""

    def __init__(self, root: Path, **options: Any) -> None:
        places = paths.Places(str(root / "graph"), str(root / "run"))
        paths.prepare(places)
        self.options = options
        staging = Staging(places, "box")
        with staging:
            files = [f"{staging.final}/{name}" for name in ("hosts", "resolv.conf")]
            self.config: dict[str, Any] = {
                "hostname": "c0ffee",
                "mounts": [{"destination": "/etc/x", "source": file} for file in files],
            }
            self.create = {"name": "box", "network": "pasta", "options": options}
            staging.write("config.json", fastjson.dumps(self.config))
            staging.write("create.json", fastjson.dumps(self.create))
            staging.write("state.json", fastjson.dumps({"name": "box"}))
            self.container, self.lock = staging.publish()
        self.directory = Path(self.container.directory)

    def refresh(self, reach: Reach) -> list[str]:
        return names.refresh(self.container, self.config, self.create, reach)

    def follow(self) -> bool:
        return names.follow(Container(self.container.places, self.container.id))

    def text(self, name: str = "resolv.conf") -> str:
        return (self.directory / name).read_text()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "host.conf"
    path.write_text("search lan\nnameserver 127.0.0.1\n")
    monkeypatch.setenv("PYPOD_RESOLV_CONF", str(path))
    return path


def test_pasta_a_start_writes_both_files_and_says_what_to_watch(record: Record, host: Path) -> None:
    assert record.refresh(PASTA) == [str(host)]
    assert record.text() == "search lan\nnameserver 10.0.2.3\n"
    assert "10.0.2.100\tc0ffee box\n" in record.text("hosts")
    assert "192.0.2.2\thost.containers.internal host.docker.internal\n" in record.text("hosts")
    for name in ("hosts", "resolv.conf"):
        assert (record.directory / name).stat().st_mode & 0o777 == 0o644


def test_pasta_a_change_is_followed_on_the_same_inode(record: Record, host: Path) -> None:
    record.refresh(PASTA)
    inode = (record.directory / "resolv.conf").stat().st_ino
    host.write_text("nameserver 192.0.2.1\n")
    assert record.follow() is True
    assert record.follow() is False  # once is enough
    assert record.text() == "nameserver 192.0.2.1\n"
    assert (record.directory / "resolv.conf").stat().st_ino == inode


def test_pasta_without_a_forwarder_the_stub_of_resolved_is_looked_behind(
    record: Record, host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = tmp_path / "upstream.conf"
    upstream.write_text("nameserver 192.0.2.9\n")
    monkeypatch.setattr(names, "UPSTREAM", str(upstream))
    host.write_text("nameserver 127.0.0.53\n")
    assert record.refresh(PLAIN) == [str(host), str(upstream)]
    assert record.text() == "nameserver 192.0.2.9\n"
    upstream.write_text("nameserver 192.0.2.10\n")
    assert record.follow() is True
    assert record.text() == "nameserver 192.0.2.10\n"


def test_pasta_no_server_at_all_is_said_and_no_public_one_is_taken(
    record: Record, host: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    record.refresh(PLAIN)
    assert record.text() == "search lan\n"
    assert "names no server that box can reach" in capfd.readouterr().err


def test_pasta_the_host_is_found_where_it_moved(record: Record, host: Path) -> None:
    record.refresh(PASTA)
    now = programs.address_of(programs.external_interface()) or PASTA.host
    host.write_text("nameserver 192.0.2.1\n")
    assert record.follow() is True
    assert f"{now}\thost.containers.internal " in record.text("hosts")
    kept = fastjson.loads((record.directory / names.RECORD).read_bytes())
    assert kept["host"] == now


def test_what_was_edited_in_the_container_stays(record: Record, host: Path) -> None:
    record.refresh(PASTA)
    (record.directory / "resolv.conf").write_text("nameserver 192.0.2.7\n")
    host.write_text("nameserver 192.0.2.1\n")
    assert record.follow() is False
    assert record.text() == "nameserver 192.0.2.7\n"


@pytest.mark.parametrize(
    "text", [None, "", "not json", "{}", '{"kind": "wifi"}', '{"kind": "none"}']
)
def test_a_record_that_says_nothing_is_not_followed(
    record: Record, host: Path, text: str | None
) -> None:
    record.refresh(PASTA)
    host.write_text("nameserver 192.0.2.1\n")
    if text is None:
        (record.directory / names.RECORD).unlink()
    else:
        (record.directory / names.RECORD).write_text(text)
    assert record.follow() is False


def test_files_that_are_not_bound_are_not_written(record: Record, host: Path) -> None:
    record.config["mounts"].clear()
    assert record.refresh(PASTA) == []
    assert not (record.directory / "hosts").exists()
    assert not (record.directory / "resolv.conf").exists()


def test_a_joined_network_leaves_the_files_to_the_other(record: Record, host: Path) -> None:
    assert record.refresh(Reach("container")) == []
    assert not (record.directory / "hosts").exists()


def test_a_hosts_file_that_is_gone_is_an_error_with_its_name(tmp_path: Path, host: Path) -> None:
    record = Record(tmp_path, hosts_file=str(tmp_path / "gone"))
    with pytest.raises(PypodError, match="gone: No such file"):
        record.refresh(PASTA)


def test_a_file_that_the_container_made_huge_costs_nothing(record: Record, host: Path) -> None:
    record.refresh(PASTA)
    os.truncate(record.directory / "resolv.conf", 1 << 40)
    assert record.follow() is False
    record.refresh(PASTA)
    assert record.text() == "search lan\nnameserver 10.0.2.3\n"
