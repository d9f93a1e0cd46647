"""Buses, shared bikes and counters, from their platforms' files to silver: what was true is what is there.

The simulated part is one story on one installation: three weeks, built; then the rest, which changes days already
built. The real files are not part of the repository: they are looked for in ../shared/real beside the checkout.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import zipfile
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.contract import load_contracts
from ingestion.load import ensure_tables
from ingestion.territory import load_territory
from lake import engine, ops, table
from orchestration import declared, pipeline
from simulation import (
    asset_register,
    bike_stations,
    traffic_counts,
    transit_gtfs,
    transit_realtime,
    transit_validations,
)
from simulation.job import Job
from simulation.truth import Truth
from tests.parsed import parsed_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import House

SOURCES = ("bike_stations", "traffic_counts", "transit_gtfs", "transit_realtime", "transit_validations")
START, DAYS = date(2026, 10, 5), 30
LATER = "20261026"  # files from this day on come after the first build
MODELS = (
    "transit_stop", "transit_route", "transit_trip", "transit_service_date", "transit_delay", "transit_vehicle_position",
    "transit_alert", "transit_validation", "transit_line_usage_hour", "transit_stop_usage_day", "bike_station",
    "traffic_site", "traffic_channel", "observation", "datastream",
)  # fmt: skip
REAL = Path(__file__).resolve().parents[3] / "shared/real"
FIXTURES = REAL / "fr_transport_fixtures"


def truth(landing: Path, name: str) -> list[dict[str, str]]:
    with (landing / "_truth" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty days of these sources: the clock changes, the timetable too, and the bikes' feed."""
    out = tmp_path_factory.mktemp("landing")
    made = Job(out=out, seed=58, start=START, days=DAYS, scale=0.2, territory=load_territory(), truth=Truth())
    for module in (asset_register, bike_stations, traffic_counts, transit_gtfs, transit_realtime, transit_validations):
        module.write(made)
    made.truth.write(out / "_truth")
    return out


@pytest.fixture(scope="module")
def loaded(landing: Path, new_house: Callable[[], House]) -> Iterator[House]:
    """Loaded and built in two goes."""
    house = new_house()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(house.home))
        patch.setenv("DATANEVERS_PSEUDONYM_KEY", "a key of these tests alone, long enough to be one")
        patch.setenv("DBT_LOG_PATH", str(house.home / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        ensure_tables(load_contracts())
        declared.write()
        early = lambda path: (re.search(r"20\d{6}", path.name) or [""])[0] < LATER  # noqa: E731
        for first in (True, False):
            _deliver(landing, house.landing, only=early if first else lambda _: True)
            house.ingest(*SOURCES, "asset_register")
            _build()
        yield house


def _deliver(landing: Path, to: Path, *, only: Callable[[Path], bool]) -> None:
    for source in (*SOURCES, "asset_register"):
        (to / source).mkdir(parents=True, exist_ok=True)
        for path in (landing / source).iterdir():
            if only(path) and not (to / source / path.name).exists():
                shutil.copy2(path, to / source)


def _build() -> None:
    """Build the models of these sources; what they read is recorded, so that the next build looks at what is new."""
    names = [c.bronze for c in load_contracts()]
    versions = {name: table.version("bronze", name) for name in names}
    parsed_into(Path(os.environ["DATANEVERS_HOME"]))
    models = [f"+{name}" for name in MODELS]
    done = pipeline.dbt("build", "--exclude-resource-type", "unit_test", "test", "--select", *models)
    failed = [(r.node.name, r.message) for r in done.result or () if str(r.status) not in ("success", "pass")]
    assert done.success, (done.exception, failed[:5])
    built = [
        {"bronze_table": n, "delta_version": v, "run_id": "test", "built_time": datetime.now(UTC)}
        for n, v in versions.items()
    ]
    ops.put("build_input", built, key=("bronze_table",))


def silver(query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as con:
        return con.execute(query).fetchall()


# What came in ---------------------------------------------------------------------------------------------------------


def test_the_ledger_is_the_truth(loaded: House, landing: Path) -> None:
    names = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    expected = {(t["source"], t["file"]): tuple(int(t[n]) for n in names) for t in truth(landing, "ledger")}
    found = {(key[0].split("__")[0], key[1]): counts[:4] for key, counts in loaded.ledger().items()}
    assert found == expected
    assert len(found) > 1800
    tables = sorted({key[0] for key in loaded.ledger()} - {"asset_register__asset"})
    assert len(tables) == 22
    for name in tables:
        rows = loaded.sql(f"SELECT source_file, source_sha256, count(*) FROM bronze.{name} GROUP BY ALL")
        kept = {(key[1], key[2]): counts[1] for key, counts in loaded.ledger().items() if key[0] == name and counts[1]}
        assert {(file, sha): n for file, sha, n in rows} == kept


def test_ridership_adds_up_and_nothing_small_is_told(loaded: House, landing: Path) -> None:
    """Both tables hold every accepted ticket of a day; each number, counted again, has 11 people behind it."""
    del loaded
    expected: dict[str, int] = defaultdict(int)
    for row in truth(landing, "transit_validations_daily"):
        expected[row["business_date"]] += int(row["accepted"])
    tickets = silver(
        """SELECT v.business_date, v.route_id, coalesce(s.parent_stop_id, s.stop_id, 'unknown'),
        coalesce(card_id, validation_id), hour(timezone('Europe/Paris', validation_time))
        FROM silver.transit_validation AS v LEFT JOIN silver.transit_stop AS s USING (stop_id) WHERE is_accepted"""
    )
    lines = silver("SELECT * EXCLUDE (line_count) FROM gold.transit_line_usage_hour")
    places = silver("SELECT business_date, place_id, validation_count FROM gold.transit_stop_usage_day")
    for rows in (lines, places):
        totals: dict[str, int] = defaultdict(int)
        for row in rows:
            totals[str(row[0])] += row[-1]
        assert dict(totals) == dict(expected)
    people: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    known = {(day, line) for day, line, *_ in lines} | {(day, place) for day, place, _ in places}
    for day, line, place, person, hour in tickets:
        of_line = line if (day, line) in known else "other"
        for begin, end in {(b, e) for d, n, b, e, _ in lines if (d, n) == (day, of_line) and b <= hour < e}:
            people[day, of_line, begin, end].add(person)
        people[day, place if (day, place) in known else "other"].add(person)
    assert set(people) == {tuple(row[:-1]) for row in (*lines, *places)}
    assert min(len(found) for found in people.values()) >= 11
    assert any(name == "other" for _, name, *_ in (*lines, *places))


def test_the_quarantine_is_the_truth(loaded: House, landing: Path) -> None:
    expected = {(t["file"], int(t["line"]), t["column"]) for t in truth(landing, "quarantine")}
    found = loaded.quarantine()
    assert {r[:3] for r in found} == expected
    assert len(found) == len(expected)
    assert {column for _, _, column, *_ in found} == {"date_heure", "lat", "stop_lat"}


def test_a_second_load_writes_nothing(loaded: House) -> None:
    before = loaded.versions()
    assert all(done.files == 0 for done in loaded.ingest(*SOURCES))
    assert loaded.versions() == before


def test_cards_are_pseudonyms_and_change_with_the_month(loaded: House, landing: Path) -> None:
    cards: dict[str, set[str]] = defaultdict(set)
    raw = set()
    months: dict[str, set[str]] = defaultdict(set)
    known = dict(loaded.sql("SELECT validation_id, card_id FROM bronze.transit_validations__validation"))
    for path in sorted((landing / "transit_validations").iterdir()):
        for row in csv.DictReader(path.read_text("cp1252").splitlines(), delimiter=";"):
            number, when = row["num_support"], row["date_heure"]
            raw.add(number)
            if number and "/1980" not in when:
                cards[number].add(known[row["id_validation"]])
                months[number].add(when[3:10])
    assert all(re.fullmatch(r"[0-9a-f]{16}", pseudonym) for own in cards.values() for pseudonym in own)
    # the month is that of UTC: its first two hours of the local one still belong to the month before
    assert {len(cards[number]) for number in cards if len(months[number]) == 1} == {1}
    assert 2 in {len(cards[number]) for number in cards if len(months[number]) == 2}
    everything = str(loaded.sql("SELECT raw, reason FROM ops.quarantine WHERE source = 'transit_validations'"))
    everything += str(loaded.sql("SELECT * FROM bronze.transit_validations__validation"))
    assert not any(number in everything for number in raw - {""})


def test_the_clock_of_a_service_day_is_text_in_bronze_and_seconds_in_silver(loaded: House, landing: Path) -> None:
    with zipfile.ZipFile(landing / f"transit_gtfs/gtfs_{START:%Y%m%d}.zip") as archive:
        rows = csv.DictReader(archive.read("stop_times.txt").decode().splitlines())
        latest = max(row["departure_time"] for row in rows)
    assert latest > "24:00:00"
    clocks = "SELECT max(departure_clock), any_value(typeof(departure_clock)) FROM bronze.transit_gtfs__stop_time"
    assert loaded.sql(clocks) == [(latest, "VARCHAR")]
    hours, minutes, seconds = map(int, latest.split(":"))
    assert silver("SELECT max(departure_s) FROM silver.transit_stop_time") == [(3600 * hours + 60 * minutes + seconds,)]


# What is there --------------------------------------------------------------------------------------------------------


def test_each_day_has_the_trips_of_its_timetable(loaded: House, landing: Path) -> None:
    del loaded
    found = silver(
        f"""SELECT service_date::VARCHAR, feed_id, service_id, count(*), sum(stop_count)::INTEGER
        FROM silver.transit_service_date JOIN silver.transit_trip USING (feed_id, service_id)
        WHERE service_date BETWEEN '{START}' AND '{START}'::DATE + {DAYS - 1} GROUP BY ALL"""
    )
    expected = {
        (t["service_date"], t["feed"], t["service_id"], int(t["trips"]), int(t["stop_times"]))
        for t in truth(landing, "transit_offer_daily")
    }
    assert set(found) == expected
    assert len({feed for _, feed, *_ in found}) == 2


def test_stops_have_a_commune_and_their_last_name(loaded: House) -> None:
    del loaded
    ((stops, stations, places),) = silver(
        """SELECT count_if(stop_kind = 'stop'), count_if(stop_kind = 'station'), count(insee_code)
        FROM silver.transit_stop"""
    )
    assert stops == 2 * stations
    assert places == stops + stations
    names = {name for (name,) in silver("SELECT DISTINCT stop_name FROM silver.transit_stop")}
    assert "Courlis Médiathèque" in names
    assert "Courlis" not in names


def test_delays_are_the_last_word_of_the_feed(loaded: House, landing: Path) -> None:
    del loaded
    found = {
        (day, trip, sequence or 0): (delay or 0, status)
        for day, trip, sequence, delay, status in silver(
            """SELECT service_date::VARCHAR, trip_id, stop_sequence, arrival_delay_s, trip_status
            FROM silver.transit_delay"""
        )
    }
    expected = {
        (t["service_date"], t["trip_id"], int(t["stop_sequence"])): int(t["delay_s"])
        for t in truth(landing, "transit_delays")
    }
    assert {key: delay for key, (delay, _) in found.items()} == expected
    assert {status for (*_, sequence), (_, status) in found.items() if sequence == 0} == {"canceled"}


def test_positions_are_each_there_once(loaded: House, landing: Path) -> None:
    del loaded
    ((rows, vehicles, without),) = silver(
        """SELECT count(*), count(DISTINCT (vehicle_id, position_time)), count_if(longitude IS NULL)
        FROM silver.transit_vehicle_position"""
    )
    daily = truth(landing, "transit_positions_daily")
    assert rows == vehicles == sum(int(t["positions"]) for t in daily)
    assert without == sum(int(t["without_place"]) for t in daily)


def test_alerts_have_their_last_text(loaded: House, landing: Path) -> None:
    del loaded
    found = silver(
        "SELECT alert_id, strftime(last_told_time, '%Y-%m-%dT%H:%M:%SZ'), description_text FROM silver.transit_alert"
    )
    assert set(found) == {
        (t["alert_id"], t["last_told_time"], t["description"]) for t in truth(landing, "transit_alerts")
    }
    assert silver("SELECT count(*) FROM silver.transit_alert WHERE route_ids IS NULL OR end_time <= start_time") == [
        (0,)
    ]


def test_validations_are_the_true_counts(loaded: House, landing: Path) -> None:
    del loaded
    found = silver(
        """SELECT business_date::VARCHAR, route_id, count(*), count_if(is_accepted), count_if(is_anonymous)
        FROM silver.transit_validation GROUP BY ALL"""
    )
    assert set(found) == {
        (t["business_date"], t["line_id"], int(t["validations"]), int(t["accepted"]), int(t["anonymous"]))
        for t in truth(landing, "transit_validations_daily")
    }


def test_a_vehicle_that_uploads_late_changes_a_day_already_built(loaded: House, landing: Path) -> None:
    """The last file before the first build misses what its first file after brings."""
    del loaded
    late = silver(
        f"""SELECT count(*) FROM silver.transit_validation
        WHERE strftime(business_date, '%Y%m%d') < '{LATER}' AND regexp_extract(source_file, '\\d{{8}}') >= '{LATER}'"""
    )
    first = (landing / f"transit_validations/validations_{LATER}.csv").read_text("cp1252").splitlines()[1:]
    assert late == [(sum(f";{LATER[6:]}/{LATER[4:6]}/" not in line and "/1980" not in line for line in first),)]
    assert late != [(0,)]


def test_bikes_are_observations(loaded: House, landing: Path) -> None:
    del loaded
    found = silver(
        """SELECT split_part(datastream_id, ':', 2), strftime(phenomenon_time, '%Y-%m-%dT%H:%M:%SZ'),
            max(result) FILTER (datastream_id LIKE '%:bikes')::INTEGER,
            max(result) FILTER (datastream_id LIKE '%:docks')::INTEGER
        FROM silver.observation WHERE source_id = 'bike_stations' GROUP BY ALL"""
    )
    assert set(found) == {
        (t["station_id"], t["snapshot_time"], int(t["bikes"]), int(t["docks"]))
        for t in truth(landing, "bike_stations_hourly")
    }
    streams = "SELECT DISTINCT observed_property, unit_ucum, declared_step_min FROM silver.datastream"
    assert set(silver(f"{streams} WHERE source_id = 'bike_stations'")) == {
        ("bikes_available", "1", 60),
        ("docks_available", "1", 60),
    }
    stations = silver("SELECT count(*), count(insee_code), count(commune_name) FROM silver.bike_station")
    assert stations == [(3, 3, 3)]


def test_counters_are_observations_with_both_ends(loaded: House, landing: Path) -> None:
    del loaded
    found = silver(
        """SELECT split_part(datastream_id, ':', 2), strftime(phenomenon_time, '%Y-%m-%dT%H:%M:%SZ'), result::INTEGER,
            quality, epoch(phenomenon_end_time - phenomenon_time)::INTEGER
        FROM silver.observation WHERE datastream_id LIKE 'traffic_counts:%:passages'"""
    )
    assert set(found) == {
        (t["channel_id"], t["start_time"], int(t["passages"]), "good", 3600)
        if t["measured"] == "1"
        else (t["channel_id"], t["start_time"], None, "missing", 3600)
        for t in truth(landing, "eco_counts_hourly")
    }
    cameras = silver("SELECT count(*) FROM silver.observation WHERE datastream_id LIKE 'traffic_counts:%:car'")
    assert cameras == [(len(truth(landing, "traffic_hourly")),)]
    assert silver("SELECT count(*), count(insee_code) FROM silver.traffic_site") == [(1, 1)]
    assert silver("SELECT DISTINCT mobility_types FROM silver.traffic_channel ORDER BY 1") == [
        ("BIKE",),
        ("PEDESTRIAN",),
    ]


# Real files -----------------------------------------------------------------------------------------------------------

real_files = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")


@pytest.fixture(scope="module")
def real(new_house: Callable[[], House]) -> House:
    house = new_house()
    wanted = {
        "transit_gtfs": sorted((FIXTURES / "files").glob("gtfs*.zip")),
        "transit_gtfs/gtfs_diff": sorted((FIXTURES / "files/gtfs_diff").glob("*.zip")),
        "transit_realtime": sorted((FIXTURES / "files").glob("*.pb")),
        "bike_stations": [*sorted((REAL / "gbfs").glob("*.json")), *sorted((FIXTURES / "gbfs").glob("station_*.json"))],
        "traffic_counts": [
            *sorted((REAL / "fr_schemas_examples").glob("comptage_*.csv")),
            REAL / "traffic_telraam_chateaubourg/traffic.csv",
        ],
    }
    for folder, paths in wanted.items():
        (house.landing / folder).mkdir(parents=True, exist_ok=True)
        for path in paths:
            (house.landing / folder / path.name).symlink_to(path)
    house.ingest(*wanted.keys() - {"transit_gtfs/gtfs_diff"})
    return house


@real_files
def test_real_schedules(real: House) -> None:
    """Every member is read; two archives lack a required column on purpose, checksums belong to no table."""
    counts = {key[1]: row[:5] for key, row in real.ledger().items() if key[0].startswith("transit_gtfs")}
    assert {name: row[1:] for name, row in counts.items() if row[4] != "loaded"} == {
        "gtfs.zip!ExportService.checksum.md5": (0, 0, 0, "held"),
        "gtfs_import.zip!ExportService.checksum.md5": (0, 0, 0, "held"),
        "gtfs_diff/gtfs_modified_columns.zip!calendar.txt": (0, 0, 1, "held"),
        "gtfs_diff/gtfs_modified_files.zip!calendar_dates.txt": (0, 0, 1, "held"),
    }
    for path in (FIXTURES / "files").rglob("gtfs*.zip"):
        inside = path.relative_to(FIXTURES / "files").as_posix()
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                lines = [line for line in archive.read(member).splitlines() if line.strip()]
                assert counts[f"{inside}!{member}"][0] == (0 if member.endswith(".md5") else len(lines) - 1)
    whole = {
        n: sum(row[1] for m, row in counts.items() if m.endswith(f"!{n}.txt")) for n in ("stop_times", "trips", "stops")
    }
    assert whole == {"stop_times": 192, "trips": 93, "stops": 35}
    assert real.sql(
        "SELECT count(*), min(latitude) > 43 FROM bronze.transit_gtfs__stop WHERE stop_name = 'Frioul'"
    ) == [(4, True)]
    # Dates with a digit too many would be refused, not guessed; these are whole.
    assert real.sql("SELECT max(end_date)::VARCHAR FROM bronze.transit_gtfs__calendar") == [("2023-01-31",)]


@real_files
def test_real_alerts(real: House) -> None:
    alerts = "bronze.transit_realtime__alert"
    assert real.counts("bibus-brest-gtfs-rt-alerts.pb") == (12, 12, 0, 0)
    assert real.sql(f"SELECT DISTINCT feed_time::VARCHAR FROM {alerts}") == [("2021-12-16 15:29:02+00",)]
    assert real.sql(f"SELECT count(DISTINCT alert_id), count(header_text), count(description_text) FROM {alerts}") == [
        (12, 12, 12)
    ]
    ((line, begin),) = real.sql(
        f"SELECT informed_entities[1].route_id, active_periods[1].start_epoch_s FROM {alerts} WHERE header_text LIKE 'L 45 %'"
    )
    assert (line, begin) == ("45", 1_631_635_200)


@real_files
def test_real_bike_stations_of_three_versions(real: House) -> None:
    files = {
        "velib_station_status.json": 1_495, "velib_station_information.json": 1_495, "station_status.2.2.json": 3,
        "station_status.3.0.json": 2, "station_information.2.2.json": 1, "station_information.3.0.json": 2,
    }  # fmt: skip
    assert {name: real.counts(name) for name in files} == {name: (n, n, 0, 0) for name, n in files.items()}
    status = "bronze.bike_stations__station_status"
    assert real.sql(
        f"""SELECT source_file, min(feed_time)::VARCHAR, sum(bike_count)::INTEGER > 0, count(reported_time) = count(*)
        FROM {status} GROUP BY ALL ORDER BY 1"""
    ) == [
        ("station_status.2.2.json", "2021-01-05 17:04:07+00", True, True),
        ("station_status.3.0.json", "2023-07-17 11:34:13+00", True, True),
        ("velib_station_status.json", "2025-10-18 09:09:16+00", True, True),
    ]
    # Huge identifiers beside small ones stay whole; both spellings of a count are one column.
    assert real.sql(f"SELECT bike_count, dock_count, mechanical_count, electric_count FROM {status} WHERE station_id = '19179944124'") == [(20, 7, 12, 8)]  # fmt: skip
    names = (
        "SELECT station_id, station_name FROM bronze.bike_stations__station_information WHERE source_file LIKE '%3.0%'"
    )
    assert real.sql(f"{names} ORDER BY 1") == [("pga", "Parking garage A"), ("station12", "SE Belmont & SE 10th")]
    drift = real.sql("SELECT \"column\" FROM ops.schema_drift WHERE source = 'bike_stations' AND kind = 'new_column'")
    assert drift == []


@real_files
def test_real_counters_and_cameras_keep_apart(real: House) -> None:
    files = {
        "comptage_measure_exemple-valide-eco-compteur.csv": 3_650, "comptage_measure_exemple-valide.csv": 9,
        "comptage_channel_exemple-valide-eco-compteur.csv": 10, "comptage_channel_exemple-valide.csv": 1,
        "comptage_site_exemple-valide-eco-compteur.csv": 3, "comptage_site_exemple-valide.csv": 1, "traffic.csv": 16_729,
    }  # fmt: skip
    assert {name: real.counts(name) for name in files} == {name: (n, n, 0, 0) for name, n in files.items()}
    counts = "bronze.traffic_counts__channel_count"
    assert real.sql(f"SELECT count(*), count(passage_count), count(DISTINCT channel_id) FROM {counts}") == [
        (3_659, 3_658, 13)
    ]
    # SOURCE.md: in autumn the platform's day begins an hour late and the hour before it is nobody's.
    hole = real.sql(
        f"""SELECT DISTINCT start_time::VARCHAR, end_time::VARCHAR FROM {counts}
        WHERE start_time BETWEEN '2022-10-28 12:00:00Z' AND '2022-10-30 12:00:00Z' ORDER BY 1"""
    )
    assert hole == [
        ("2022-10-28 22:00:00+00", "2022-10-29 22:00:00+00"),
        ("2022-10-29 23:00:00+00", "2022-10-30 23:00:00+00"),
    ]
    assert real.sql("SELECT mobility_types FROM bronze.traffic_counts__channel WHERE channel_id = 'C-C-01-Baix'") == [("E-SCOOTER,PEDESTRIAN",)]  # fmt: skip
