"""The DuckDB that reads the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from lake import engine, table

if TYPE_CHECKING:
    from tests.conftest import House


def test_every_table_is_a_view_of_its_current_version(house: House) -> None:
    table.create("bronze", "probe", pa.schema([("n", pa.int64())]))
    with engine.connect() as con:
        assert con.execute("SELECT count(*) FROM bronze.probe").fetchall() == [(0,)]
        assert con.execute("SELECT count(*) FROM ops.ingest_file").fetchall() == [(0,)]
        table.append("bronze", "probe", pa.table({"n": [1, 2]}))
        engine.attach_lake(con)
        assert con.execute("SELECT sum(n) FROM bronze.probe").fetchall() == [(3,)]
        engine.attach_table(con, "gold", "absent")
        with pytest.raises(duckdb.CatalogException):
            con.execute("SELECT * FROM gold.absent")


def test_it_thinks_in_utc_and_never_asks_the_network_for_an_extension(house: House) -> None:
    with engine.connect(attach=False) as con:
        assert con.execute("SELECT '2026-10-25 02:30:00+02:00'::TIMESTAMPTZ::VARCHAR").fetchall() == [
            ("2026-10-25 00:30:00+00",)
        ]
        settings = "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%_known_extensions' ORDER BY 1"
        assert [v for _, v in con.execute(settings).fetchall()] == ["false", "false"]
        with pytest.raises(duckdb.Error):
            con.execute("SELECT * FROM read_xlsx('x.xlsx')")


def test_a_missing_extension_says_what_to_do() -> None:
    with pytest.raises(ModuleNotFoundError, match="duckdb-extension-nothing is not installed; run `make setup`"):
        engine.extension_path("nothing")


def test_people_cannot_write_nor_look_elsewhere(house: House) -> None:
    (house.home / "secret.csv").write_text("a\n1\n", encoding="utf-8")
    with engine.connect_read_only() as con:
        assert con.execute("SELECT count(*) FROM ops.quarantine").fetchall() == [(0,)]
        for query in (
            f"SELECT * FROM read_csv('{house.home}/secret.csv')",
            f"COPY (SELECT 1) TO '{house.home}/out.csv'",
            "SET enable_external_access = true",
            "ATTACH '/tmp/x.duckdb'",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(query)
    assert not (house.home / "out.csv").exists()
