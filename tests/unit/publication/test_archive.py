"""The archive of all tables: members as another program wants them, the same bytes, and told of like any file."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import rdflib

from publication.card import Archive
from publication.export import Exported, TableExport, write, write_archive
from publication.publish import publish
from quality.standard import load_standard
from tests.unit.publication.conftest import verdict

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from publication.card import Card

SPECIFICATION = "https://example.org/specification"
ARCHIVE = Archive(
    name="all-tables",
    member_suffix=".txt",
    date_format="%Y%m%d",
    title="Toutes les tables",
    specification=SPECIFICATION,
)


def written(con: duckdb.DuckDBPyConnection, card: Card, folder: Path) -> list[tuple[TableExport, Exported]]:
    standard = load_standard(card.standard)
    exports = [
        TableExport(t.relation, standard.table(t.name), card.stem(t.name), t.sort, t.coordinates) for t in card.tables
    ]
    folder.mkdir(exist_ok=True)
    return [(export, write(con, export, folder)) for export in exports]


def members(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def test_members_are_the_tables_with_dates_and_texts_as_programs_read_them(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path
) -> None:
    water = members(
        write_archive(con, written(con, cards["eau-volumes-journaliers"], tmp_path / "a"), ARCHIVE, tmp_path)
    )
    lines = water["eau_volumes_journaliers.txt"].splitlines()
    assert lines[:2] == [
        "site_id,site_nom,nature,code_insee,commune_nom,date,volume_m3,part_mesuree,nombre_compteurs",
        "W0,,distribution,,,20260301,1204.5,0.958333,1",
    ]
    assert lines[-1].startswith("W1,,distribution,,,20260305,")
    place = members(write_archive(con, written(con, cards["lieux-covoiturage"], tmp_path / "b"), ARCHIVE, tmp_path))
    # a spreadsheet is warned of a formula, a program gets the text itself
    assert '"=HYPERLINK(""x"")"' in place["lieux_covoiturage.txt"]
    assert "'=HYPERLINK" not in place["lieux_covoiturage.txt"]
    counts = members(write_archive(con, written(con, cards["comptages-mobilite"], tmp_path / "c"), ARCHIVE, tmp_path))
    assert list(counts) == ["site.txt", "channel.txt", "measure.txt"]
    starts = [line.split(",")[2] for line in counts["measure.txt"].splitlines()[1:]]
    assert starts == sorted(starts)
    assert len(starts) == 12


def test_the_same_rows_give_the_same_bytes(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path
) -> None:
    card = cards["comptages-mobilite"]
    first = write_archive(con, written(con, card, tmp_path / "a"), ARCHIVE, tmp_path / "a").read_bytes()
    con.execute("CREATE TABLE upside AS FROM gold.comptages_mobilite_measure ORDER BY start_datetime")
    con.execute("DELETE FROM gold.comptages_mobilite_measure; INSERT INTO gold.comptages_mobilite_measure FROM upside")
    con.execute("SET preserve_insertion_order = false")
    again = write_archive(con, written(con, card, tmp_path / "b"), ARCHIVE, tmp_path / "b").read_bytes()
    assert again == first
    assert sorted(path.name for path in (tmp_path / "b").iterdir() if path.suffix not in (".csv", ".parquet")) == [
        "all-tables.zip",
        "comptages-mobilite_site.geojson",
    ]


@pytest.mark.usefixtures("home")
def test_the_archive_is_published_told_of_and_left_alone(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], home: Path
) -> None:
    card = cards["comptages-mobilite"].model_copy(update={"archive": ARCHIVE})
    verdicts = {card.id: verdict(card.id, "passed")}
    day = datetime(2026, 4, 1, tzinfo=UTC)
    assert publish(con, [card], verdicts, run_id="one", now=day).outcomes[0].version == 1
    folder = home / "publication/datasets/comptages-mobilite"
    assert set(members(folder / "all-tables.zip")) == {"site.txt", "channel.txt", "measure.txt"}
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    (resource,) = [r for r in package["resources"] if r["path"] == "all-tables.zip"]
    assert (resource["mediatype"], resource["type"]) == ("application/zip", "file")
    assert resource["bytes"] == (folder / "all-tables.zip").stat().st_size
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert 'href="all-tables.zip"' in page
    assert "Toutes les tables" in page
    graph = rdflib.Graph().parse(home / "publication/catalog.ttl")
    conforms = rdflib.URIRef("http://purl.org/dc/terms/conformsTo")
    (node,) = graph.subjects(conforms, rdflib.URIRef(SPECIFICATION))
    assert str(node).endswith("/comptages-mobilite/all-tables.zip")
    assert publish(con, [card], verdicts, run_id="two", now=day).outcomes[0].result == "unchanged"
    # another form of the archive is another version, of the archive alone
    form = ARCHIVE.model_copy(update={"member_suffix": ".csv"})
    report = publish(con, [card.model_copy(update={"archive": form})], verdicts, run_id="three", now=day)
    assert (report.outcomes[0].result, report.outcomes[0].version) == ("published", 2)
    assert set(members(folder / "all-tables.zip")) == {"site.csv", "channel.csv", "measure.csv"}
