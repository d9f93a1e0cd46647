"""The simulated territory, loaded: the ledger and the quarantine are the truth, and other engines read the tables."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest

from ingestion.contract import load_contracts
from ingestion.typing import MASKED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import House


def truth(landing: Path, name: str) -> list[dict[str, str]]:
    with (landing / "_truth" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module", params=["autumn_landing", "spring_landing"])
def loaded(request: pytest.FixtureRequest, new_house: Callable[[], House]) -> tuple[House, Path]:
    landing: Path = request.getfixturevalue(request.param)
    house = new_house()
    house.ingest(landing=landing)
    return house, landing


def test_the_ledger_is_the_truth(loaded: tuple[House, Path]) -> None:
    house, landing = loaded
    names = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    expected = {(t["source"], t["file"]): tuple(int(t[n]) for n in names) for t in truth(landing, "ledger")}
    found = {(bronze.split("__")[0], file): row[:4] for (bronze, file, _), row in house.ledger().items()}
    assert found == expected
    assert {source for source, _ in found} == {c.id for c in load_contracts()}
    house.check_ledger()


def test_no_simulated_file_is_held(loaded: tuple[House, Path]) -> None:
    house, _ = loaded
    assert {k[1]: v[5] for k, v in house.ledger().items() if v[4] == "held"} == {}


def test_the_quarantine_is_the_truth(loaded: tuple[House, Path]) -> None:
    """Same places and same columns; a column of several dialects is named by all its places."""
    house, landing = loaded
    found = {(file, line): (column or "", *rest) for file, line, column, *rest in house.quarantine()}
    expected = {(t["file"], int(t["line"])): t["column"] for t in truth(landing, "quarantine")}
    assert set(found) == set(expected)
    assert len(found) == len(house.quarantine())
    for place, column in expected.items():
        label, reason, raw, rows = found[place]
        assert column in label.split(" / "), (place, label)
        assert reason, place
        assert raw, place
        assert rows == 1, place


def test_what_is_quarantined_of_personal_sources_is_masked(loaded: tuple[House, Path]) -> None:
    house, _ = loaded
    personal = {c.bronze for c in load_contracts() if c.personal_columns}
    shown = house.sql("SELECT bronze_table, raw FROM ops.quarantine")
    assert {bronze for bronze, _ in shown} & personal
    assert {raw for bronze, raw in shown if bronze in personal} == {MASKED}
    assert MASKED not in {raw for bronze, raw in shown if bronze not in personal}


def test_other_engines_read_bronze_as_it_is(loaded: tuple[House, Path]) -> None:
    house, _ = loaded
    path = house.home / "lake/bronze/water_scada__reading"
    frame = pl.read_delta(str(path))
    ((rows, values),) = house.sql("SELECT count(*), count(value) FROM bronze.water_scada__reading")
    assert (frame.height, frame["value"].count()) == (rows, values)
    assert frame.schema["reading_time"] == pl.Datetime("us", "UTC")
    from lake.engine import extension_path

    with duckdb.connect() as plain:  # not ours: no settings, only the extension
        plain.execute(f"LOAD '{extension_path('delta')}'")
        assert plain.execute(f"SELECT count(*) FROM delta_scan('{path}')").fetchall() == [(rows,)]
        gateways = (
            f"SELECT typeof(gateways) FROM delta_scan('{house.home}/lake/bronze/lorawan_uplinks__uplink') LIMIT 1"
        )
        assert plain.execute(gateways).fetchall()[0][0].startswith("STRUCT(gateway_id VARCHAR")


def test_a_second_run_writes_nothing(loaded: tuple[House, Path]) -> None:
    house, landing = loaded
    before = house.versions()
    assert all(done.files == 0 for done in house.ingest(landing=landing))
    assert house.versions() == before
