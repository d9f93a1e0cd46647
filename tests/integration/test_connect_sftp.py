"""SFTP connectors against a real server of this process: what is new, resumption, known hosts."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from ingestion.connectors.collect import Fetched, collect
from ingestion.connectors.sftp import WINDOW
from tests.integration.servers import LOCAL, SftpServer, connector, sftp_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import House

NOW = datetime(2026, 10, 5, 9, 30, tzinfo=UTC)
YESTERDAY = (NOW - timedelta(days=1)).timestamp()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    with sftp_server(tmp_path / "remote") as made:
        yield made


class Asker:
    """Collects the source `drops`."""

    def __init__(self, house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.house, self.server, self._patch = house, server, monkeypatch
        self.folder = house.landing / "drops"
        self.url("territoire:s3cret%2Fde%23test")
        monkeypatch.setenv("DATANEVERS_SFTP_KNOWN_HOSTS", str(server.known_hosts(tmp_path / "known_hosts")))

    def url(self, user: str, port: int | None = None) -> None:
        self._patch.setenv("DROPS_URL", f"sftp://{user}@{LOCAL}:{port or self.server.port}")

    def __call__(self, *, now: datetime = NOW, **declared: Any) -> Fetched:
        wanted = connector(kind="sftp", url_env="DROPS_URL", **declared)
        return collect("drops", wanted, self.house.landing, now=now, force=True)

    def landed(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted(self.folder.iterdir())} if self.folder.is_dir() else {}


@pytest.fixture
def ask(house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asker:
    return Asker(house, server, monkeypatch, tmp_path)


def test_what_is_new_or_changed_lands_and_nothing_is_deleted(ask: Asker, server: SftpServer) -> None:
    server.put("a.csv", b"1\n", YESTERDAY)
    server.put("b.csv", b"2\n", YESTERDAY)
    server.put("notes.txt", b"3\n", YESTERDAY)
    assert ask(files=r".*\.csv").files == ("a.csv", "b.csv")
    assert ask.landed() == {"a.csv": b"1\n", "b.csv": b"2\n"}
    assert (ask.folder / "a.csv").stat().st_mtime == YESTERDAY, "the source's own time of the file"

    server.put("b.csv", b"2 corrected\n", YESTERDAY + 3600)
    server.put("a.csv", b"1\n", YESTERDAY + 3600)  # touched, not changed
    done = ask(files=r".*\.csv")
    assert done.files == ("b.csv",)
    assert [o.status for o in done.outcomes] == ["not_modified", "fetched"]
    assert ask.landed()["b.csv"] == b"2 corrected\n"
    (left,) = ask(files=r".*\.csv").outcomes
    assert left.status == "not_modified"
    assert sorted(p.name for p in server.root.iterdir()) == ["a.csv", "b.csv", "notes.txt"]


def test_files_under_way_and_names_with_a_meaning_are_not_taken(ask: Asker, server: SftpServer) -> None:
    server.put("young.csv", b"1", NOW.timestamp() - 5)
    for name in ("half.csv.part", ".hidden", "a.zip!b.csv"):
        server.put(name, b"1", YESTERDAY)
    (server.root / "folder").mkdir()
    (failure,) = ask().failures
    assert "nom de fichier refusé" in failure
    assert ask.landed() == {}
    assert ask(now=NOW + timedelta(minutes=2)).files == ("young.csv",)


def test_what_the_server_forgot_is_forgotten(ask: Asker, server: SftpServer) -> None:
    server.put("a.csv", b"1\n", YESTERDAY)
    ask()
    (server.root / "a.csv").unlink()
    ask()
    assert ask.house.sql("SELECT item FROM ops.connector_state") == [("",)]
    server.put("a.csv", b"1\n", YESTERDAY)
    assert ask().files == ("a.csv",)


def test_a_cut_transfer_goes_on_where_it_was(ask: Asker, server: SftpServer) -> None:
    body = random.Random(1).randbytes(5 * WINDOW)
    server.put("big.zip", body, YESTERDAY)
    server.cut_after = 3 * WINDOW + 1000
    assert len(ask().failures) == 1
    assert [p.name for p in ask.folder.iterdir()] == [f"big.zip.{len(body)}-{int(YESTERDAY)}.part"]
    server.reads.clear()
    assert ask().files == ("big.zip",)
    assert ask.landed() == {"big.zip": body}
    # two windows at least had come, and all but the last is taken for written
    assert min(offset for _, offset, _ in server.reads) >= WINDOW


def test_a_cut_transfer_of_a_file_that_changed_starts_again(ask: Asker, server: SftpServer) -> None:
    server.put("big.zip", b"x" * (5 * WINDOW), YESTERDAY)
    server.cut_after = 3 * WINDOW
    assert len(ask().failures) == 1
    body = random.Random(2).randbytes(4 * WINDOW)
    server.put("big.zip", body, YESTERDAY + 60)
    assert ask().files == ("big.zip",)
    assert ask.landed() == {"big.zip": body}


def test_a_file_that_may_not_be_read_does_not_stop_the_others(ask: Asker, server: SftpServer) -> None:
    for name in ("a.csv", "b.csv"):
        server.put(name, b"1", YESTERDAY)
    (server.root / "a.csv").chmod(0)
    done = ask(max_mb=1)
    assert done.files == ("b.csv",)
    assert done.failures[0].startswith("a.csv : PermissionError")
    server.put("c.csv", b"1" * 1_000_001, YESTERDAY)
    assert "c.csv : fichier de plus de 1 Mo" in ask(max_mb=1).failures


def test_only_a_known_server_is_talked_to(
    ask: Asker, server: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.put("a.csv", b"1", YESTERDAY)
    key = paramiko.ECDSAKey.generate()
    other, empty = tmp_path / "other", tmp_path / "empty"
    other.write_text(f"[{LOCAL}]:{server.port} {key.get_name()} {key.get_base64()}\n")
    empty.touch()
    cases = {other: "n'est pas celle de DATANEVERS_SFTP_KNOWN_HOSTS", empty: "not found in known_hosts"}
    for path, reason in (cases | {tmp_path / "none": "DATANEVERS_SFTP_KNOWN_HOSTS : fichier illisible"}).items():
        monkeypatch.setenv("DATANEVERS_SFTP_KNOWN_HOSTS", str(path))
        (failure,) = ask().failures
        assert reason in failure
    monkeypatch.delenv("DATANEVERS_SFTP_KNOWN_HOSTS")
    assert ask().skipped == "variable d'environnement absente : DATANEVERS_SFTP_KNOWN_HOSTS"
    assert ask.landed() == {}


def test_a_key_instead_of_a_password(
    ask: Asker, server: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.put("a.csv", b"1", YESTERDAY)
    server.authorized = paramiko.ECDSAKey.generate()
    server.authorized.write_private_key_file(str(tmp_path / "id"))
    ask.url("territoire")
    (failure,) = ask().failures
    assert failure.startswith(". : ")
    monkeypatch.setenv("DROPS_KEY", str(tmp_path / "id"))
    assert ask(key_env="DROPS_KEY").files == ("a.csv",)
