"""A table too heavy for one CSV: a file a year, told of as one table, and everything else as before."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import frictionless
import pytest
import rdflib

from publication import export
from publication.publish import publish
from tests.unit.publication.conftest import verdict
from tests.unit.publication.test_export import export_of

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from publication.card import Card

STEM = "comptages-mobilite_measure"
DAY = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CSV_LIMIT_BYTES", 1000)


@pytest.fixture
def years(con: duckdb.DuckDBPyConnection) -> None:
    """Measures of three years in Paris: the first of 2026 is still of 2025 in UTC."""
    con.execute(
        "INSERT INTO gold.comptages_mobilite_measure SELECT 'C1', NULL, start, start + INTERVAL 1 HOUR, 1 FROM "
        "(SELECT TIMESTAMPTZ '2024-12-31 12:00:00+00' + i * INTERVAL 1 DAY AS start FROM range(20) r(i) "
        "UNION ALL SELECT TIMESTAMPTZ '2025-12-31 23:30:00+00')"
    )


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


@pytest.mark.usefixtures("years")
def test_each_year_is_a_file_and_together_they_are_the_table(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = export_of(cards["comptages-mobilite"], "measure")
    (tmp_path / "cut").mkdir()
    found = export.write(con, measure, tmp_path / "cut").files
    assert [(f.path.name, f.part, f.rows) for f in found] == [
        (f"{STEM}_2024.csv", "2024", 1),
        (f"{STEM}_2025.csv", "2025", 19),
        (f"{STEM}_2026.csv", "2026", 13),
        (f"{STEM}.parquet", "", 33),
    ]
    assert not (tmp_path / "cut" / f"{STEM}.csv").exists()
    monkeypatch.setattr(export, "CSV_LIMIT_BYTES", 10**6)
    (tmp_path / "whole").mkdir()
    header, *rows = cells(export.write(con, measure, tmp_path / "whole").path("csv"))
    parts = [cells(file.path) for file in found if file.format == "csv"]
    assert all(part[0] == header for part in parts)
    assert sorted(row for part in parts for row in part[1:]) == sorted(rows)


def test_rows_without_a_date_have_a_file_of_their_own(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CSV_LIMIT_BYTES", 200)
    con.execute("UPDATE gold.comptages_mobilite_measure SET start_datetime = NULL WHERE count = 4")
    measure = export_of(cards["comptages-mobilite"], "measure")
    found = [(f.path.name, f.rows) for f in export.write(con, measure, tmp_path).files if f.format == "csv"]
    assert found == [(f"{STEM}_2026.csv", 11), (f"{STEM}_sans-date.csv", 1)]


def test_a_table_without_dates_stays_whole(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CSV_LIMIT_BYTES", 1)
    site = export_of(cards["comptages-mobilite"], "site")
    assert export.write(con, site, tmp_path).path("csv").name == "comptages-mobilite_site.csv"


@pytest.mark.usefixtures("years")
def test_every_part_is_published_told_of_and_left_alone_when_its_year_does_not_change(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], home: Path
) -> None:
    card = cards["comptages-mobilite"]
    verdicts = {card.id: verdict(card.id, "passed")}
    publish(con, [card], verdicts, run_id="one", now=DAY)
    folder = home / "publication" / card.folder
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    (resource,) = [r for r in package["resources"] if r["name"] == STEM]
    assert resource["path"] == [f"{STEM}_{year}.csv" for year in (2024, 2025, 2026)]
    for part in resource["parts"]:
        content = (folder / part["path"]).read_bytes()
        assert (part["bytes"], part["hash"]) == (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
        assert part["rows"] == content.count(b"\n") - 1
    report = frictionless.Package.from_descriptor(str(folder / "datapackage.json")).validate()
    assert report.valid, report.flatten(["type", "note"])
    assert 33 in [task.stats.get("rows") for task in report.tasks], "the parts are read as one table"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}"' in page for name in resource["path"])
    assert "33\u00a0lignes" in page
    graph = rdflib.Graph().parse(home / "publication/catalog.ttl")
    sums = {str(s): str(o) for s, o in graph.subject_objects(rdflib.URIRef("http://spdx.org/rdf/terms#checksum"))}
    listed = [node for name in resource["path"] for node in sums if node.endswith(f"/{name}")]
    assert len({sums[node] for node in listed}) == len(listed) == 3
    # a new hour of 2026 changes its file, and no other year's
    con.execute("UPDATE gold.comptages_mobilite_measure SET count = 7 WHERE count = 12.5")
    publish(con, [card], verdicts, run_id="two", now=DAY.replace(day=2))
    graph = rdflib.Graph().parse(home / "publication/catalog.ttl")
    changed = {
        str(node).rsplit("/", 1)[1]: str(when)[:10]
        for node, when in graph.subject_objects(rdflib.DCTERMS.modified)
        if STEM in str(node)
    }
    assert changed == {
        f"{STEM}_2024.csv": "2026-04-01",
        f"{STEM}_2025.csv": "2026-04-01",
        f"{STEM}_2026.csv": "2026-04-02",
        f"{STEM}.parquet": "2026-04-02",
    }
