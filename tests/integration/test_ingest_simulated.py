"""The simulated territory, loaded: the ledger and the quarantine are the truth, and other engines read the tables."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest

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
    assert {k[:2]: v[:4] for k, v in house.ledger().items()} == expected
    house.check_ledger()


def test_the_quarantine_is_the_truth(loaded: tuple[House, Path]) -> None:
    house, landing = loaded
    expected = {(t["file"], int(t["line"]), t["column"]) for t in truth(landing, "quarantine")}
    found = house.quarantine()
    assert {r[:3] for r in found} == expected
    assert len(found) == len(expected)
    assert all(reason and raw and rows == 1 for *_, reason, raw, rows in found)


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
