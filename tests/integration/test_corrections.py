"""Corrections from their file to the rows that they change: each takes effect, ends, or says why it does not."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestion.contract import load_contracts
from ingestion.load import ensure_tables, ingest
from ingestion.territory import load_territory
from lake.home import landing_dir
from orchestration import declared, pipeline, stake
from simulation import asset_register, corrections, soil_moisture
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.simulated import build, query, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

START = date(2026, 10, 19)
PROBE = "soil_moisture:SOL-01"
BATTERY = f"{PROBE}:battery"
MODELS = ("thing", "location", "equipment", "observation", "datastream", "correction")
HEADER = ";".join(corrections.HEADER)


def load(*sources: str) -> None:
    for contract in load_contracts():
        if contract.id in sources:
            ingest(contract)


def state(day: date, *lines: str) -> None:
    """A file of corrections, loaded."""
    path = landing_dir() / "corrections" / f"corrections_{day:%Y%m%d}.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    load("corrections")


def consumed(run_id: str) -> None:
    """What the pipeline records after a build that brought everything through."""
    stake.consume(pipeline.bronze_versions(), kept=(), run_id=run_id)


def battery_qualities(day: date) -> dict[tuple[str, str | None], int]:
    rows = query(
        f"""SELECT quality, correction_ids, count(*) FROM silver.observation
        WHERE datastream_id = '{BATTERY}' AND phenomenon_date = DATE '{day}' AND result IS NOT NULL GROUP BY ALL"""
    )
    return {(quality, ids): count for quality, ids, count in rows}


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ten days of soil probes, the register and the simulated corrections, built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DBT_LOG_PATH", str(Path(os.environ["DATANEVERS_HOME"]) / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        job = Job(landing_dir(), 58, START, 10, 0.5, load_territory(), Truth())
        for module in (asset_register, corrections, soil_moisture):
            module.write(job)
        job.truth.write(landing_dir() / "_truth")
        load("asset_register", "corrections", "soil_moisture")
        ensure_tables(load_contracts())
        declared.write()
        assert build(*MODELS)
        consumed("first")
        yield


@pytest.mark.usefixtures("corrected")
def test_each_ends_as_it_must() -> None:
    found = dict(query("SELECT correction_id, status FROM silver.correction"))
    assert found == {r["correction_id"]: r["status"] for r in truth("corrections")}


@pytest.mark.usefixtures("corrected")
def test_the_row_is_put_right_and_bronze_is_not() -> None:
    ((name, ids),) = query(f"SELECT name, correction_ids FROM silver.thing WHERE thing_id = '{PROBE}'")
    ((raw,),) = query("SELECT name FROM bronze.asset_register__asset WHERE native_id = 'SOL-01'")
    assert (name, ids) == (f"{raw} (pelouse sud)", "COR-001")
    assert query(f"SELECT correction_ids FROM silver.location WHERE thing_id = '{PROBE}'") == [(None,)]
    ((others,),) = query(f"SELECT count(correction_ids) FROM silver.thing WHERE thing_id <> '{PROBE}'")
    assert others == 0


@pytest.mark.usefixtures("corrected")
def test_observations_are_put_right_within_the_range_alone() -> None:
    """From 06:00 to 12:00 UTC of the first day; a reading every hour."""
    ((first, last, count),) = query(
        """SELECT min(phenomenon_time) AT TIME ZONE 'UTC', max(phenomenon_time) AT TIME ZONE 'UTC', count(*)
        FROM silver.observation WHERE quality = 'suspect' AND correction_ids = 'COR-002'"""
    )
    assert (first.hour, last.hour) == (6, 11)
    assert first.date() == last.date() == START
    assert 0 < count <= 6
    assert query("SELECT count(*) FROM silver.observation WHERE correction_ids IS NOT NULL") == [(count,)]


def test_a_correction_of_an_old_day_is_made_there_and_taken_back(corrected: None) -> None:
    """Stated after the day was built, then revised so that its last day is past: that day is made again, twice."""
    day = START + timedelta(days=4)
    before = battery_qualities(day)
    assert set(before) == {("good", None)}
    line = (
        f"COR-010;observation;{BATTERY};quality;;bad;{day}T00:00:00Z;{day + timedelta(days=1)}T00:00:00Z;Parcs;Panne;"
    )
    state(START + timedelta(days=20), f"{line}{day};")
    assert build(*MODELS)
    assert battery_qualities(day) == {("bad", "COR-010"): before["good", None]}
    assert battery_qualities(day + timedelta(days=2)).keys() == {("good", None)}
    consumed("second")
    state(START + timedelta(days=21), f"{line}{day};2026-01-01")
    assert build(*MODELS)
    assert battery_qualities(day) == before
    assert query("SELECT status FROM silver.correction WHERE correction_id = 'COR-010'") == [("lapsed",)]
    consumed("third")


def test_a_build_is_due_on_the_day_after_the_last(corrected: None) -> None:
    """Nothing arrives, and yet there is something to do."""
    today = datetime.now(load_territory().zone).date()
    state(START + timedelta(days=30), f"COR-020;thing;{PROBE};use;;pelouse;;;Parcs;Usage;2026-10-20;{today}")
    consumed("fourth")
    assert not stake.lapsed(today)
    assert stake.lapsed(today + timedelta(days=1))
    tomorrow = stake.changed(pipeline.bronze_versions(), today + timedelta(days=1))
    assert tomorrow == {"corrections__correction"}
    assert stake.changed(pipeline.bronze_versions(), today) == set()
