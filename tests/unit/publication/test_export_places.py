"""Places in the published files: the order of rings, decimals, and a Parquet that map tools read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import shapely
from geopandas import read_parquet

from publication import geo
from publication.export import TableExport, fingerprint, write
from quality.standard import load_standard
from tests.unit.publication.test_export import export_of

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from publication.card import Card

AREA = "zones-pietonnes"


@pytest.fixture
def zones(con: duckdb.DuckDBPyConnection) -> TableExport:
    """Two pedestrian zones; tests say their places."""
    table = load_standard(AREA).table(AREA)
    columns = ", ".join(f'NULL::{_sql_type(f.type)} AS "{f.name}"' for f in table.fields)
    con.execute(f"CREATE TABLE gold.zones AS SELECT {columns} FROM range(2)")
    con.execute("UPDATE gold.zones SET id_zone = 'ZP-58194-0' || (rowid + 1)")
    return TableExport("gold.zones", table, AREA, ("id_zone",), ("longitude", "latitude"))


def _sql_type(kind: str) -> str:
    return {"number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN", "date": "DATE"}.get(kind, "VARCHAR")


@pytest.mark.parametrize(
    ("given", "published"),
    [
        # clockwise, as shapefiles have them, with a hole the other way
        ("POLYGON ((0 0, 0 9, 9 9, 9 0, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))",
         "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 1 2, 2 2, 2 1, 1 1))"),
        ("MULTIPOLYGON Z (((3 0 5, 3 1 5, 4 1 5, 3 0 5)))", "MULTIPOLYGON (((3 0, 4 1, 3 1, 3 0)))"),
        # a way goes where it goes
        ("LINESTRING (3.12345678 46.5, 3.1 46.4000004, -0.00000001 3)", "LINESTRING (3.123457 46.5, 3.1 46.4, 0 3)"),
        ("POINT (3.1234565 46)", "POINT (3.123457 46)"),
    ],
)  # fmt: skip
def test_geometries_are_plane_short_and_right_handed_in_every_format(
    con: duckdb.DuckDBPyConnection, zones: TableExport, tmp_path: Path, given: str, published: str
) -> None:
    con.execute("UPDATE gold.zones SET geometrie = ? WHERE id_zone = 'ZP-58194-01'", [given])
    files = write(con, zones, tmp_path)
    expected = shapely.from_wkt(published)
    assert published in files.path("csv").read_text(encoding="utf-8")
    first, second = json.loads(files.path("geojson").read_bytes())["features"]
    assert shapely.geometry.shape(first["geometry"]).equals_exact(expected)
    assert second["geometry"] is None
    frame = read_parquet(files.path("parquet"))
    assert frame.geometry[0].equals_exact(expected)
    assert frame.geometry[1] is None
    assert frame.geometrie[0] == published


def test_a_reader_fetches_a_window_of_a_geoparquet(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path
) -> None:
    carpool = export_of(cards["lieux-covoiturage"], "lieux-covoiturage")
    parquet = write(con, carpool, tmp_path).path("parquet")
    north = read_parquet(parquet, bbox=(3.0, 47.0, 4.0, 48.0))
    assert list(north.id_local) == ["58303-C-001"]
    assert north.crs.to_string() == "OGC:CRS84"
    assert [tuple(point.coords[0]) for point in north.geometry] == [(3.143786, 47.037229)]
    # DuckDB too takes the column for what it is
    kinds = dict(con.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{parquet}')").fetchall())
    assert kinds["geometry"].startswith("GEOMETRY")


def test_a_table_without_rows_is_a_geoparquet_too(
    con: duckdb.DuckDBPyConnection, zones: TableExport, tmp_path: Path
) -> None:
    con.execute("DELETE FROM gold.zones")
    assert len(read_parquet(write(con, zones, tmp_path).path("parquet"))) == 0


def test_a_table_without_place_has_the_columns_of_its_standard_only(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path
) -> None:
    water = export_of(cards["eau-volumes-journaliers"], "eau-volumes-journaliers")
    parquet = write(con, water, tmp_path).path("parquet")
    names = [name for (name,) in con.execute(f"SELECT column_name FROM (DESCRIBE FROM '{parquet}')").fetchall()]
    assert tuple(names) == water.table.columns


def test_no_standard_has_a_column_that_geoparquet_would_hide(cards: dict[str, Card]) -> None:
    tables = [table for card in cards.values() for table in load_standard(card.standard).tables]
    assert [t.name for t in tables if {geo.GEOMETRY, geo.BBOX} & {name.lower() for name in t.columns}] == []


def test_places_give_the_same_bytes_in_any_order(
    con: duckdb.DuckDBPyConnection, cards: dict[str, Card], tmp_path: Path
) -> None:
    con.execute(
        "INSERT INTO gold.lieux_covoiturage BY NAME SELECT 'X' || i AS id_local, 3 + (i % 90) / 100 AS \"Xlong\", "
        'CASE WHEN i % 7 > 0 THEN 47 - (i % 80) / 100 END AS "Ylat" FROM range(120000) r(i)'
    )
    carpool = export_of(cards["lieux-covoiturage"], "lieux-covoiturage")
    results = set()
    for threads in (1, 4):
        con.execute(f"SET threads = {threads}")
        con.execute(f"CREATE TABLE turned AS FROM gold.lieux_covoiturage ORDER BY hash(id_local, {threads})")
        con.execute(
            "DELETE FROM gold.lieux_covoiturage; INSERT INTO gold.lieux_covoiturage FROM turned; DROP TABLE turned"
        )
        folder = tmp_path / str(threads)
        folder.mkdir()
        files = write(con, carpool, folder).files
        results.add((fingerprint(con, carpool), *(file.path.read_bytes() for file in files)))
    assert len(results) == 1
