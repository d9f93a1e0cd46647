"""Finding, opening and surveying files as received."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion.contract import SourceContract, load_contracts
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


def tables(*patterns: str, **more: Any) -> list[SourceContract]:
    """Contracts of one source, one per pattern."""
    return [SCADA.model_copy(update={"files": p, "siblings": patterns, **more}) for p in patterns]


def zipped(path: Path, *names: str) -> Container:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return Container(path, path.name, path.stat().st_size, 1_800_000_000_000_000_000)


def owners(file: SourceFile, contracts: list[SourceContract]) -> list[str]:
    return [c.files for c in contracts if file.belongs_to(c)]


def test_a_file_belongs_to_every_table_that_knows_its_name(tmp_path: Path) -> None:
    contracts = tables("^stops", "^(stops|trips)", "^trips_")
    at = {n: SourceFile(container(tmp_path / n)) for n in ("stops.txt", "trips.txt", "trips_2.txt", "readme.txt")}
    assert owners(at["stops.txt"], contracts) == ["^stops", "^(stops|trips)"]
    assert owners(at["trips.txt"], contracts) == ["^(stops|trips)"]
    assert owners(at["trips_2.txt"], contracts) == ["^(stops|trips)", "^trips_"]


def test_a_file_that_no_table_knows_is_the_first_ones_to_hold(tmp_path: Path) -> None:
    contracts = tables("^stops", "^trips")
    file = SourceFile(container(tmp_path / "readme.txt"))
    assert owners(file, contracts) == ["^stops"]
    assert "nom de fichier inattendu" in (file.name_problem(contracts[0]) or "")
    alone = SCADA.model_copy(update={"siblings": ()})
    assert file.belongs_to(alone), "a source of one table is responsible for all that lands"


def test_the_base_name_counts_not_the_folder(tmp_path: Path) -> None:
    (stops,) = tables("^stops")
    packed = zipped(tmp_path / "gtfs.zip", "feed/stops.txt", "stops/other.txt")
    files, _ = members(packed, stops)
    assert {f.name: f.matches("^stops") for f in files} == {
        "gtfs.zip!feed/stops.txt": True,
        "gtfs.zip!stops/other.txt": False,
    }


def test_a_pattern_with_an_exclamation_mark_is_about_container_and_member(tmp_path: Path) -> None:
    theoretical, real_time = tables(r"^gtfs_(?P<time>\d{8})\.zip!.*stops\.txt$", "^plan.*!stops")
    packed = zipped(tmp_path / "gtfs_20261005.zip", "feed/stops.txt", "feed/trips.txt")
    (stops, trips), problem = members(packed, theoretical)
    assert (problem, stops.name) == (None, "gtfs_20261005.zip!feed/stops.txt")
    assert stops.groups(theoretical) == {"time": "20261005"}
    assert (stops.name_problem(theoretical), trips.matches(theoretical.files)) == (None, False)
    assert members(packed, real_time) == ([], None)
    loose = SourceFile(container(tmp_path / "stops.txt"))
    assert not loose.matches(theoretical.files), "a file that is in no archive"


def test_each_table_takes_its_members_of_one_archive(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "gtfs.zip", "agency.txt", "stops.txt", "trips.txt")
    taken = {c.files: [f.member for f in members(packed, c)[0]] for c in tables("^stops", "^trips")}
    assert taken == {"^stops": ["agency.txt", "stops.txt"], "^trips": ["trips.txt"]}


def test_sheets_and_layers_are_files_of_their_own(tmp_path: Path) -> None:
    book = SCADA.format.model_copy(update={"reader": "xlsx", "sheet": "Tournées"})
    plan = SCADA.format.model_copy(update={"reader": "geo", "layer": "conduite"})
    for fmt, name in ((book, "t.xlsx"), (plan, "t.gpkg")):
        (contract,) = tables("^t", format=fmt)
        (file,), _ = members(container(tmp_path / name), contract)
        assert (file.name, file.base_name) == (f"{name}!{fmt.part}", name)


def test_a_zipped_shapefile_is_one_file(tmp_path: Path) -> None:
    (contract,) = tables("^lampes", format=SCADA.format.model_copy(update={"reader": "geo"}))
    packed = zipped(tmp_path / "lampes.zip", "lampes.shp", "lampes.dbf", "lampes.shx")
    assert [f.name for f in members(packed, contract)[0]] == ["lampes.zip"]


def test_a_producers_own_part(tmp_path: Path) -> None:
    """The sheet is that of the dialect which the file's name tells."""
    (contract,) = tables("^.*$")
    marzy = {"name": "marzy", "files": "^marzy_", "format": {"reader": "xlsx", "sheet": "Mobilier"}}
    contract = SourceContract.model_validate(contract.model_dump() | {"variants": [marzy]})
    for name, expected in (("marzy_1.xlsx", "marzy_1.xlsx!Mobilier"), ("nevers_1.csv", "nevers_1.csv")):
        (file,), _ = members(container(tmp_path / name), contract)
        assert file.name == expected


def test_an_archive_that_cannot_be_opened_stands_for_itself(tmp_path: Path) -> None:
    first, second = tables("^stops", "^trips")
    broken = container(tmp_path / "gtfs.zip", b"PK\x03\x04 cut")
    (file,), problem = members(broken, first)
    assert file.name == "gtfs.zip"
    assert "archive zip illisible" in (problem or "")
    assert members(broken, second)[0] == [], "one table holds it, not all"
