"""The published form of values: exact bytes, the same from one run to the next, accepted by a validator."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from publication.export import ExportError, TableExport, fingerprint, write
from quality.standard import load_standard

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from publication.card import Card


def export_of(card: Card, name: str) -> TableExport:
    table = next(t for t in card.tables if t.name == name)
    standard = load_standard(card.standard).table(name)
    return TableExport(table.relation, standard, card.stem(name), table.sort, table.coordinates, table.temporal)


ADDRESS = {
    "toponyme": "'Rue du Port, \"haut\"; bas'",
    "numero": "12",
    "suffixe": "'bis'",
    "long": "'3.140000'",
    "lat": "'46.900000'",
    "date_der_maj": "DATE '2026-03-02'",
    "certification_commune": "true",
}


@pytest.fixture
def carpool(cards: dict[str, Card]) -> TableExport:
    return export_of(cards["lieux-covoiturage"], "lieux-covoiturage")


@pytest.fixture
def measure(cards: dict[str, Card]) -> TableExport:
    return export_of(cards["comptages-mobilite"], "measure")


def test_csv_is_exactly_what_the_standard_asks(
    con: duckdb.DuckDBPyConnection, carpool: TableExport, tmp_path: Path
) -> None:
    write(con, carpool, tmp_path)
    expected = (
        "id_local,nom_lieu,ad_lieu,com_lieu,insee,type,date_maj,ouvert,source,Xlong,Ylat,nbre_pl,nbre_pmr,duree,"
        "horaires,proprio,lumiere,comm\n"
        "58194-C-001,Les Bords de Loire,,Nevers,58194,Aire de covoiturage,2025-12-31,true,,3.15714,46.9800,10,1,120,,"
        "Agglomération,true,+33 3 86 00 00 00\n"
        '58194-C-002,"Gare, côté ""nord""","1, rue de la Gare",Nevers,58194,Parking relais,2026-02-01,true,245804406,'
        '3.1400,46.9885,42,,,24/7,,false,"\'=HYPERLINK(""x"")"\n'
        "58303-C-001,Échangeur,,,58303,Parking,2026-01-15,false,,3.143786,47.037229,,,,,,,\n"
    )
    assert (tmp_path / "lieux-covoiturage.csv").read_bytes().decode() == expected


def test_a_standard_may_want_semicolons_and_coordinates_as_texts(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    table = load_standard("adresses").table("adresses")
    columns = ", ".join(f'NULL::VARCHAR AS "{f.name}"' for f in table.fields if f.name not in ADDRESS)
    values = ", ".join(f'{value} AS "{name}"' for name, value in ADDRESS.items())
    con.execute(f"CREATE TABLE gold.adresses AS SELECT {columns}, {values}")
    write(con, TableExport("gold.adresses", table, "adresses", ("numero",), ("long", "lat")), tmp_path)
    header, row = (tmp_path / "adresses.csv").read_text(encoding="utf-8").splitlines()
    assert header.split(";") == list(table.columns)
    assert row == ';;;;;;;"Rue du Port, ""haut""; bas";;12;bis;;;;3.140000;46.900000;;;2026-03-02;1'
    (feature,) = json.loads((tmp_path / "adresses.geojson").read_text(encoding="utf-8"))["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [3.14, 46.9]}


def test_instants_are_utc_and_numbers_have_no_exponent(
    con: duckdb.DuckDBPyConnection, measure: TableExport, tmp_path: Path
) -> None:
    exported = write(con, measure, tmp_path)
    lines = (tmp_path / "comptages-mobilite_measure.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1:6] == [
        "C1,,2026-03-28T22:00:00Z,2026-03-28T23:00:00Z,0",
        "C1,,2026-03-28T23:00:00Z,2026-03-29T00:00:00Z,",
        "C1,,2026-03-29T00:00:00Z,2026-03-29T01:00:00Z,12.5",
        "C1,,2026-03-29T01:00:00Z,2026-03-29T02:00:00Z,0.00001",
        "C1,,2026-03-29T02:00:00Z,2026-03-29T03:00:00Z,4",
    ]
    assert exported.rows == 12
    assert exported.days == (date(2026, 3, 28), date(2026, 3, 29))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1e15", "1000000000000000"),
        ("1.5e20", "150000000000000000000"),
        ("123456789.123456", "123456789.123456"),
        ("0.1 + 0.2", "0.3"),
        ("-1e-9", "0"),
        ("-0.000002", "-0.000002"),
        ("100", "100"),
    ],
)
def test_any_finite_number_is_written_plainly(
    con: duckdb.DuckDBPyConnection, measure: TableExport, tmp_path: Path, value: str, text: str
) -> None:
    con.execute(f"DELETE FROM gold.comptages_mobilite_measure; INSERT INTO gold.comptages_mobilite_measure "
                f"VALUES ('C1', NULL, '2026-01-01 00:00:00+00', NULL, ({value})::DOUBLE)")  # fmt: skip
    write(con, measure, tmp_path)
    assert (tmp_path / "comptages-mobilite_measure.csv").read_text().splitlines()[1].rsplit(",", 1)[1] == text


def test_equal_rows_give_equal_bytes_in_any_order_and_on_any_number_of_threads(
    con: duckdb.DuckDBPyConnection, measure: TableExport, tmp_path: Path
) -> None:
    con.execute(
        "INSERT INTO gold.comptages_mobilite_measure SELECT 'C' || (i % 7), NULL, TIMESTAMPTZ '2025-01-01 00:00:00+00' "
        "+ i * INTERVAL 15 MINUTE, NULL, i % 50 FROM range(150000) r(i)"
    )
    results = set()
    for attempt, threads in enumerate((1, 4)):
        con.execute(f"SET threads = {threads}")
        con.execute("SET preserve_insertion_order = false")
        con.execute(
            f"CREATE OR REPLACE TABLE gold.shuffled AS SELECT * FROM gold.comptages_mobilite_measure "
            f"ORDER BY hash(start_datetime, {attempt})"
        )
        shuffled = replace(measure, relation="gold.shuffled")
        folder = tmp_path / str(attempt)
        folder.mkdir()
        files = write(con, shuffled, folder).files
        results.add((fingerprint(con, shuffled), *(file.path.read_bytes() for file in files)))
    assert len(results) == 1
    assert con.execute("SELECT current_setting('preserve_insertion_order')").fetchone() == (False,)


def test_fingerprint_follows_published_values_only(con: duckdb.DuckDBPyConnection, carpool: TableExport) -> None:
    first = fingerprint(con, carpool)
    con.execute('UPDATE gold.lieux_covoiturage SET internal_note = \'x\', "Ylat" = "Ylat" + 1e-9')
    assert fingerprint(con, carpool) == first
    con.execute("UPDATE gold.lieux_covoiturage SET nbre_pl = 11 WHERE id_local = '58194-C-001'")
    assert fingerprint(con, carpool) != first


def test_parquet_is_sorted_typed_and_compressed(
    con: duckdb.DuckDBPyConnection, measure: TableExport, tmp_path: Path
) -> None:
    write(con, measure, tmp_path)
    file = pq.ParquetFile(tmp_path / "comptages-mobilite_measure.parquet")
    table = file.read()
    assert table.schema.names == list(measure.table.columns)
    assert str(table.schema.field("start_datetime").type) == "timestamp[us, tz=UTC]"
    starts = table["start_datetime"].to_pylist()
    assert starts == sorted(starts)
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_geojson_is_a_feature_collection_with_null_for_an_unknown_place(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path
) -> None:
    con.execute(
        "UPDATE gold.consommation_energie_batiments SET longitude = NULL, latitude = NULL WHERE date = '2026-03-02'"
    )
    export = export_of(cards["consommation-energie-batiments"], "consommation-energie-batiments")
    write(con, export, tmp_path)
    collection = json.loads((tmp_path / "consommation-energie-batiments.geojson").read_text(encoding="utf-8"))
    assert collection["type"] == "FeatureCollection"
    places = [feature["geometry"] for feature in collection["features"]]
    assert places[0] == {"type": "Point", "coordinates": [3.157004, 46.988096]}
    assert places[1] is None
    assert collection["features"][0]["properties"]["date"] == "2026-03-01"
    assert collection["features"][0]["properties"]["energie_kwh"] == 1234567.0


def test_an_empty_table_gives_valid_files(con: duckdb.DuckDBPyConnection, carpool: TableExport, tmp_path: Path) -> None:
    con.execute("DELETE FROM gold.lieux_covoiturage")
    exported = write(con, carpool, tmp_path)
    assert exported.rows == 0
    assert exported.days is None
    assert json.loads(exported.path("geojson").read_bytes())["features"] == []
    assert exported.path("csv").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE gold.lieux_covoiturage DROP COLUMN insee", "insee"),
        ("ALTER TABLE gold.lieux_covoiturage ALTER nbre_pl TYPE DOUBLE", "nbre_pl is DOUBLE"),
        ("UPDATE gold.lieux_covoiturage SET \"Xlong\" = 'infinity'", "gold.lieux_covoiturage"),
        ("DROP TABLE gold.lieux_covoiturage", "gold.lieux_covoiturage"),
    ],
)
def test_what_cannot_be_published_is_named(
    con: duckdb.DuckDBPyConnection, carpool: TableExport, tmp_path: Path, change: str, named: str
) -> None:
    con.execute(change)
    with pytest.raises(ExportError, match=named):
        write(con, carpool, tmp_path)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("\t=1+1", "'\t=1+1"),
        ("\r=1+1", "'\n=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        # what only looks like it
        ("+33 3 86 00 00 00", "+33 3 86 00 00 00"),
        ("+33 (0)3 86 00 00 00", "+33 (0)3 86 00 00 00"),
        ("-12,5", "-12,5"),
        ("a = b", "a = b"),
    ],
)
def test_a_free_text_never_runs_in_a_spreadsheet(
    con: duckdb.DuckDBPyConnection, carpool: TableExport, tmp_path: Path, text: str, cell: str
) -> None:
    con.execute("UPDATE gold.lieux_covoiturage SET comm = ?, \"Xlong\" = -1.5 WHERE id_local = '58194-C-001'", [text])
    files = write(con, carpool, tmp_path)
    with files.path("csv").open(encoding="utf-8", newline="") as stream:
        row = next(csv.DictReader(stream))
    assert row["comm"] == cell
    assert row["Xlong"] == "-1.5000"
    assert pq.read_table(files.path("parquet"))["comm"][0].as_py() == text
    assert json.loads(files.path("geojson").read_bytes())["features"][0]["properties"]["comm"] == text


def test_an_identifier_keeps_its_form(con: duckdb.DuckDBPyConnection, measure: TableExport, tmp_path: Path) -> None:
    """Whoever joins tables or asks for an id must find the id; the standard fixes it."""
    con.execute("UPDATE gold.comptages_mobilite_measure SET channel_id = '-C1'")
    assert write(con, measure, tmp_path).path("csv").read_text().splitlines()[1].startswith("-C1,")


def test_row_groups_are_what_a_reader_fetches(
    con: duckdb.DuckDBPyConnection, measure: TableExport, tmp_path: Path
) -> None:
    con.execute(
        "INSERT INTO gold.comptages_mobilite_measure SELECT 'D' || (i % 5), NULL, TIMESTAMPTZ '2025-01-01 00:00:00+00' "
        "+ i * INTERVAL 15 MINUTE, NULL, i % 50 FROM range(250000) r(i)"
    )
    metadata = pq.ParquetFile(write(con, measure, tmp_path).path("parquet")).metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert len(groups) == 3
    spans = [(g.column(0).statistics.min, g.column(0).statistics.max) for g in groups]
    assert spans == sorted(spans), "rows sorted by their key: a reader skips the groups of other keys"
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    assert all(g.column(i).statistics.has_min_max for g in groups for i in (0, 2, 4))
