"""Finding, opening and surveying files as received."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion.contract import load_contracts
from ingestion.landing import CHUNK, Container, SourceFile, count_lines, discover, members, survey

SCADA = next(c for c in load_contracts() if c.id == "water_scada")


def container(path: Path, content: bytes = b"") -> Container:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Container(path, path.name, len(content), 1_800_000_000_000_000_000)


def test_discover_leaves_hidden_and_half_transferred_files_alone(tmp_path: Path) -> None:
    for name in ("b.csv", "a/c.csv", ".hidden.csv", ".git/x.csv", "d.csv.part", "e.TMP", "f.csv~", "g.filepart"):
        container(tmp_path / "water_scada" / name)
    assert [c.name for c in discover(SCADA, tmp_path)] == ["a/c.csv", "b.csv"]
    assert discover(SCADA, tmp_path / "nowhere") == []


def test_survey_hashes_what_was_received_and_unpacks_a_copy(tmp_path: Path) -> None:
    content = "é\n".encode() * CHUNK
    packed = gzip.compress(content, 1)
    surveyed = survey(SourceFile(container(tmp_path / "a.jsonl.gz", packed)), None, tmp_path / "copy")
    assert (surveyed.sha256, surveyed.bytes, surveyed.problem) == (
        hashlib.sha256(packed).hexdigest(),
        len(packed),
        None,
    )
    assert (tmp_path / "copy").read_bytes() == content


def test_a_truncated_file_is_still_hashed_whole(tmp_path: Path) -> None:
    packed = gzip.compress(b"x\n" * 1000)[:-5] + b"tail"
    file = SourceFile(container(tmp_path / "a.jsonl.gz", packed))
    surveyed = survey(file, None)
    assert surveyed.sha256 == hashlib.sha256(packed).hexdigest()
    assert "tronqué ou abîmé" in (surveyed.problem or "")
    assert count_lines(file) == 1000


@pytest.mark.parametrize(
    ("content", "encoding", "problem"),
    [
        (b"", "utf-8", "fichier vide"),
        (b"abc\n", "utf-8", None),
        (b"abc\n", "cp1252", None),
        ("débit\n".encode(), "utf-8", None),
        ("débit\n".encode("cp1252"), "cp1252", None),
        ("débit\n".encode(), "cp1252", "encodage : cp1252 attendu, le fichier est en UTF-8"),
        (
            "a\nb\ndébit\n".encode("cp1252"),
            "utf-8",
            "encodage : UTF-8 attendu, octets invalides ligne 3 (fichier en cp1252 ?)",
        ),
        ("\ufeffabc".encode(), "cp1252", "encodage : cp1252 attendu, le fichier est en UTF-8"),
        (b"unit: \xb0", "cp1252", None),
        (b"caf\xc3", "cp1252", None),  # a first byte of UTF-8 that nothing follows is cp1252
        (b"a\ncaf\xc3", "utf-8", "encodage : UTF-8 attendu, octets invalides ligne 2 (fichier en cp1252 ?)"),
        # a character over the border of two chunks
        (b"x" * (CHUNK - 1) + "é\n".encode(), "utf-8", None),
        (b"x" * (CHUNK - 1) + "é\n".encode(), "cp1252", "encodage : cp1252 attendu, le fichier est en UTF-8"),
        (
            b"x" * (CHUNK - 2) + b"\n\xc3\n",
            "utf-8",
            "encodage : UTF-8 attendu, octets invalides ligne 2 (fichier en cp1252 ?)",
        ),
    ],
)
def test_encodings_are_told_apart(tmp_path: Path, content: bytes, encoding: str, problem: str | None) -> None:
    assert survey(SourceFile(container(tmp_path / "a.csv", content)), encoding).problem == problem


def test_members_in_name_order_folders_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("z.csv", "dir/", "dir/a.csv"):
            archive.writestr(name, "")
    files, problem = members(Container(path, "a.zip", 0, 0), SCADA)
    assert ([f.name for f in files], problem) == (["a.zip!dir/a.csv", "a.zip!z.csv"], None)


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("SOFREL_RTU01_20261025.csv", datetime(2026, 10, 25, tzinfo=UTC)),
        ("SOFREL_RTU01_20261301.csv", datetime(2027, 1, 15, 8, tzinfo=UTC)),  # when it was written
    ],
)
def test_the_time_of_a_file(tmp_path: Path, name: str, time: datetime) -> None:
    file = SourceFile(container(tmp_path / name))
    assert file.file_time(SCADA) == time
    assert (file.name_problem(SCADA) is None) == ("1025" in name)
