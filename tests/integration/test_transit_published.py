"""The bus network's schedule from one archive to another: what is published, read again, is what came in."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

import pytest

from ingestion import declarations
from ingestion.contract import load_contracts
from ingestion.load import ensure_tables
from ingestion.territory import load_territory
from orchestration import pipeline
from simulation import transit_gtfs
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.simulated import build, query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import House


GTFS_TABLES = (
    "agency", "calendar", "calendar_date", "fare", "fare_rule", "feed_info", "route", "shape_point", "stop",
    "stop_time", "transfer", "trip",
)  # fmt: skip
# What GTFS requires of every feed.
GTFS_REQUIRED = {"agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt", "calendar.txt"}


@pytest.fixture(scope="module")
def house(new_house: Callable[[], House]) -> Iterator[House]:
    """Three weeks in which the timetable changes, loaded, built, audited and published."""
    made = new_house()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(made.home))
        patch.setenv("DBT_LOG_PATH", str(made.home / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        job = Job(made.landing, 58, date(2026, 10, 5), 24, 0.2, load_territory(), Truth())
        transit_gtfs.write(job)
        made.ingest("transit_gtfs")
        ensure_tables(load_contracts())
        declarations.write()
        assert build("transport_gtfs_*")
        verdicts = pipeline.audit(run_id="test", datasets=["transport-gtfs"])
        assert [c.message for c in verdicts["transport-gtfs"].failures if c.severity == "error"] == []
        pipeline.publish(verdicts, run_id="test")
        yield made


@pytest.fixture(scope="module")
def archive(house: House) -> Path:
    """The published archive."""
    return house.home / "publication/datasets/transport-gtfs/gtfs.zip"


def test_published_gtfs_read_again_is_the_last_export(
    house: House, archive: Path, new_house: Callable[[], House]
) -> None:
    """Through the same reader: every table, every column, less what only says that nothing is known."""
    again = new_house()
    again.put("transit_gtfs", "gtfs_20261231.zip", archive.read_bytes())
    again.ingest("transit_gtfs")
    assert again.sql("SELECT * FROM ops.quarantine") == []
    ((last,),) = query("SELECT feed_id FROM silver.transit_feed WHERE is_last")
    contracts = {c.table: c for c in load_contracts() if c.id == "transit_gtfs"}
    for name in GTFS_TABLES:
        columns = [column.name for column in contracts[name].columns]
        known = [
            f"nullif({c}, 0)" if c in ("wheelchair_accessible", "wheelchair_boarding", "bikes_allowed") else c
            for c in columns
        ]
        rows = f"SELECT {', '.join(known)} FROM bronze.transit_gtfs__{name}"
        expected = house.sql(f"{rows} WHERE split_part(source_file, '!', 1) = '{last}' ORDER BY ALL")
        assert expected, name
        assert again.sql(f"{rows} ORDER BY ALL") == expected, name


def test_published_gtfs_is_a_valid_feed(archive: Path) -> None:
    """As a router reads it: required files, known references, times that grow along a trip, days that exist."""
    with zipfile.ZipFile(archive) as bundle:
        feed = {name: list(csv.DictReader(io.StringIO(bundle.read(name).decode()))) for name in bundle.namelist()}
    assert feed.keys() >= GTFS_REQUIRED
    ids = {name: {row[column] for row in feed[f"{name}.txt"]} for name, column in (
        ("agency", "agency_id"), ("stops", "stop_id"), ("routes", "route_id"), ("trips", "trip_id"),
        ("shapes", "shape_id"), ("fare_attributes", "fare_id"),
    )}  # fmt: skip
    services = {row["service_id"] for name in ("calendar.txt", "calendar_dates.txt") for row in feed[name]}
    assert {row["service_id"] for row in feed["trips.txt"]} <= services
    for name, column, target in (
        ("routes", "agency_id", "agency"), ("trips", "route_id", "routes"), ("trips", "shape_id", "shapes"),
        ("stop_times", "trip_id", "trips"), ("stop_times", "stop_id", "stops"), ("stops", "parent_station", "stops"),
        ("fare_rules", "fare_id", "fare_attributes"), ("transfers", "from_stop_id", "stops"),
    ):  # fmt: skip
        assert {row[column] for row in feed[f"{name}.txt"]} - {""} <= ids[target], (name, column)
    assert {row["trip_id"] for row in feed["stop_times.txt"]} == ids["trips"]
    days = [row[c] for row in feed["calendar.txt"] for c in ("start_date", "end_date")]
    for day in (*days, *(row["date"] for row in feed["calendar_dates.txt"])):
        assert re.fullmatch(r"\d{8}", day)
        assert date.fromisoformat(day)
    courses: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in feed["stop_times.txt"]:
        clocks = [row["arrival_time"], row["departure_time"]]
        assert all(re.fullmatch(r"\d\d:[0-5]\d:[0-5]\d", clock) for clock in clocks)
        courses[row["trip_id"]] += [(int(row["stop_sequence"]), clock) for clock in clocks]
    for course in courses.values():
        assert course == sorted(course)
        assert [clock for _, clock in course] == sorted(clock for _, clock in course)
    assert any(clock >= "24:00:00" for course in courses.values() for _, clock in course)
