"""Street and environment sources from landing to silver: ledger and quarantine are the truth, silver has the true values.

The simulated part is one story on one installation; the real files are looked for in ../shared/real beside the checkout.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.connectors.collect import collect
from ingestion.contract import SourceContract, load_contracts
from ingestion.load import ensure_tables, ingest
from ingestion.territory import load_territory
from lake.home import landing_dir
from orchestration import declared
from simulation import (
    air_stations,
    asset_register,
    car_parks,
    charging_points,
    parking_events,
    soil_moisture,
    traffic_signals,
    waste_bins,
    waste_collections,
    weather_stations,
)
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.servers import Asked, Reply, http_site, mariadb
from tests.integration.simulated import build, query, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import House

MODULES = (
    air_stations, asset_register, car_parks, charging_points, parking_events, soil_moisture, traffic_signals,
    waste_bins, waste_collections, weather_stations,
)  # fmt: skip
SOURCES = tuple(module.SOURCE for module in MODULES)
MODELS = (
    "car_park", "charging_point", "charging_status", "observation", "parking_event", "parking_stay", "signal_event",
    "thing", "waste_bin", "waste_collection",
)  # fmt: skip
REAL = Path(__file__).resolve().parents[3] / "shared/real/fr_schemas_examples"
COUNTS = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.fixture(scope="module")
def silver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ten days over the 25-hour day, loaded and built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DBT_LOG_PATH", str(Path(os.environ["DATANEVERS_HOME"]) / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        job = Job(landing_dir(), 58, date(2026, 10, 19), 10, 0.5, load_territory(), Truth())
        for module in MODULES:
            module.write(job)
        job.truth.write(landing_dir() / "_truth")
        for contract in load_contracts():
            if contract.id in SOURCES:
                ingest(contract)
        ensure_tables(load_contracts())
        declared.write()
        assert build(*MODELS)
        yield


@pytest.mark.usefixtures("silver")
def test_the_ledger_is_the_truth() -> None:
    expected = {(r["source"], r["file"]): tuple(int(r[n]) for n in COUNTS) for r in truth("ledger")}
    found = query(f"SELECT source, file, {', '.join(COUNTS)}, status FROM ops.ingest_file")
    assert {r[:2]: r[2:6] for r in found} == expected
    assert len(found) == len(expected)
    assert {r[6] for r in found} <= {"loaded", "duplicate"}


@pytest.mark.usefixtures("silver")
def test_the_quarantine_is_the_truth() -> None:
    expected = Counter((r["source"], r["file"], int(r["line"]), r["column"]) for r in truth("quarantine"))
    found = query('SELECT source, file, line, "column", reason, raw FROM ops.quarantine')
    assert Counter(r[:4] for r in found) == expected
    assert {r[0] for r in found} == set(SOURCES) - {"asset_register"}
    assert all(reason and raw for *_, reason, raw in found)


@pytest.mark.usefixtures("silver")
def test_a_second_run_loads_nothing() -> None:
    before = query("SELECT count(*), max(delta_version) FROM ops.ingest_file")
    assert all(ingest(c).files == 0 for c in load_contracts() if c.id in SOURCES)
    assert query("SELECT count(*), max(delta_version) FROM ops.ingest_file") == before


@pytest.mark.usefixtures("silver")
def test_signals_know_when_each_fault_ended() -> None:
    found = query(
        """SELECT controller_id, event_kind, signal_group, event_time, end_time FROM silver.signal_event
        WHERE transition = 'begin'"""
    )
    expected = [
        (r["controller_id"], r["event_kind"], int(r["signal_group"]) if r["signal_group"] else None,
         _time(r["begin_time"]), _time(r["end_time"]))
        for r in truth("signal_faults")
    ]  # fmt: skip
    assert Counter(found) == Counter(expected)
    assert {end is None for *_, end in found} == {True, False}
    late = "SELECT count(*) FROM silver.signal_event WHERE received_time > event_time + INTERVAL 10 MINUTE"
    assert query(late)[0][0] > 0


@pytest.mark.usefixtures("silver")
def test_parking_stays_are_the_true_ones() -> None:
    found = {
        (space, arrival, departure, outcome): minutes
        for space, arrival, departure, outcome, minutes in query(
            "SELECT space_id, arrival_time, departure_time, outcome, regulated_min FROM silver.parking_stay"
        )
    }
    rows = truth("parking_stays")
    expected = {
        (r["space_id"], _time(r["arrival_time"]), _time(r["departure_time"]), r["outcome"]): r["regulated_min"]
        for r in rows
    }
    assert found.keys() == expected.keys()
    assert len(found) == len(rows)
    for key, minutes in expected.items():
        assert found[key] == (pytest.approx(float(minutes), abs=0.006) if minutes else None), key
    limit = {"Z5": 30}
    over = Counter(
        space[:2] for (space, *_), minutes in expected.items() if minutes and float(minutes) > limit.get(space[:2], 90)
    )
    told = query("SELECT zone_id, count(*) FROM silver.parking_stay WHERE is_overstay GROUP BY zone_id")
    assert {zone: pytest.approx(n, abs=1) for zone, n in over.items()} == dict(told)


@pytest.mark.usefixtures("silver")
def test_parking_occupancy_is_that_of_the_zones() -> None:
    arrivals = {(r["zone_id"], r["business_date"]): int(r["arrivals"]) for r in truth("parking_zone_days")}
    told = query(
        """SELECT zone_id, business_date::VARCHAR, count(*) FROM silver.parking_stay
        WHERE outcome <> 'arrival_missing' GROUP BY ALL"""
    )
    lost = sum(arrivals.values()) - sum(n for *_, n in told)
    assert 0 < lost < 0.02 * sum(arrivals.values())
    assert all(0 <= arrivals[zone, day] - n <= 4 for zone, day, n in told)


@pytest.mark.usefixtures("silver")
def test_car_parks_are_as_full_as_they_were_through_blanks_and_the_hour_that_comes_twice() -> None:
    expected = {
        (r["car_park_id"], _time(r["snapshot_time"])): int(r["free_space_count"]) for r in truth("car_park_snapshots")
    }
    found = query(
        """SELECT split_part(datastream_id, ':', 2), phenomenon_time, result FROM silver.observation
        WHERE source_id = 'car_parks'"""
    )
    assert {(park, time): result for park, time, result in found} == expected
    last = {park: max(t for p, t in expected if p == park) for park, _ in expected}
    parks = query("SELECT car_park_id, last_snapshot_time, last_free_space_count, insee_code FROM silver.car_park")
    assert {p: (t, n) for p, t, n, _ in parks} == {p: (t, expected[p, t]) for p, t in last.items()}
    assert {insee for *_, insee in parks} <= {c.insee for c in load_territory().communes}


@pytest.mark.usefixtures("silver")
def test_charging_points_and_their_states() -> None:
    points = query(
        "SELECT charging_point_id, station_id, insee_code, longitude, latitude, nominal_power_kw FROM silver.charging_point"
    )
    assert sorted(points) == sorted(
        (r["charging_point_id"], r["station_id"], r["insee_code"], float(r["longitude"]), float(r["latitude"]),
         float(r["nominal_power_kw"]))
        for r in truth("charging_points")
    )  # fmt: skip
    corrected = query(
        "SELECT count(*), count_if(is_position_corrected), count_if(is_in_territory) FROM silver.charging_point"
    )
    ((total, turned, inside),) = corrected
    assert 0 < turned < total == inside
    states = query(
        "SELECT charging_point_id, status_time, operating_status, occupancy_status FROM silver.charging_status"
    )
    assert Counter(states) == Counter(
        (r["charging_point_id"], _time(r["status_time"]), r["operating_status"], r["occupancy_status"])
        for r in truth("charging_statuses")
    )
    open_ended = "SELECT count_if(end_time IS NULL), count(DISTINCT charging_point_id), bool_and(is_known_point) FROM silver.charging_status"
    ((last, seen, known),) = query(open_ended)
    assert (last, known) == (seen, True)


@pytest.mark.usefixtures("silver")
def test_air_is_as_good_as_it_was_once_corrected() -> None:
    found = {
        (station, day, code): (count, mean, most)
        for station, day, code, count, mean, most in query(
            """SELECT split_part(datastream_id, ':', 2), timezone('Europe/Paris', phenomenon_time)::DATE::VARCHAR,
                split_part(datastream_id, ':', 3), count(*), avg(result), max(result)
            FROM silver.observation WHERE source_id = 'air_stations' AND quality = 'good' GROUP BY ALL"""
        )
    }
    rows = [r for r in truth("air_daily") if int(r["good_values"])]
    assert len(found) == len(rows)
    for r in rows:
        count, mean, most = found[r["station_id"], r["business_date"], r["property"]]
        assert (count, most) == (int(r["good_values"]), float(r["max_ug_m3"]))
        assert mean == pytest.approx(float(r["mean_ug_m3"]), abs=0.051)
    flags = query("SELECT quality, count(*) FROM silver.observation WHERE source_id = 'air_stations' GROUP BY 1")
    assert {name for name, _ in flags} == {"good", "suspect", "bad", "missing"}


@pytest.mark.usefixtures("silver")
def test_weather_of_each_day() -> None:
    found = {
        (station, day): (count, low, high, rain)
        for station, day, count, low, high, rain in query(
            """SELECT split_part(datastream_id, ':', 2), timezone('Europe/Paris', phenomenon_time)::DATE::VARCHAR,
                count(result) FILTER (WHERE datastream_id LIKE '%:temperature'),
                min(result) FILTER (WHERE datastream_id LIKE '%:temperature'),
                max(result) FILTER (WHERE datastream_id LIKE '%:temperature'),
                sum(result) FILTER (WHERE datastream_id LIKE '%:rainfall')
            FROM silver.observation WHERE source_id = 'weather_stations' GROUP BY ALL"""
        )
    }
    rows = truth("weather_daily")
    assert len(found) == len(rows)
    for r in rows:
        count, low, high, rain = found[r["station_id"], r["business_date"]]
        assert (count, low, high) == (int(r["measures"]), float(r["lowest_c"]), float(r["highest_c"]))
        assert rain == pytest.approx(float(r["rainfall_mm"]), abs=0.05)
    assert any(r["measures"] == "100" for r in rows)


@pytest.mark.usefixtures("silver")
def test_soil_is_as_wet_as_it_was() -> None:
    found = {
        (probe, code): (count, mean)
        for probe, code, count, mean in query(
            """SELECT split_part(datastream_id, ':', 2), split_part(datastream_id, ':', 3), count(*), avg(result)
            FROM silver.observation WHERE source_id = 'soil_moisture' GROUP BY ALL"""
        )
    }
    rows = truth("soil_probes")
    for r in rows:
        for depth in (10, 30, 60):
            count, mean = found[r["probe_id"], f"moisture_{depth}cm"]
            assert count == int(r["readings"])
            assert mean == pytest.approx(float(r[f"mean_{depth}cm_pct"]), abs=0.001)
    assert len(found) == 5 * len(rows)


@pytest.mark.usefixtures("silver")
def test_bins_show_when_they_were_emptied() -> None:
    """A drop of thirty points between two sure measures is a round, and every round is one."""
    levels: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for name, time, result in query(
        """SELECT split_part(datastream_id, ':', 2), phenomenon_time, result FROM silver.observation
        WHERE datastream_id LIKE 'waste_bins:%:fill_level' AND quality = 'good' ORDER BY phenomenon_time"""
    ):
        levels[name].append((time, result))
    drops = {
        (name, after) for name, mine in levels.items() for (_, high), (after, low) in pairwise(mine) if high - low >= 30
    }
    rounds = [r for r in truth("waste_bin_emptyings") if r["bin_id"] != "PAV-0002"]  # its sensor sticks
    met = set()
    for r in rounds:
        when = datetime.fromisoformat(r["emptied_time"])
        met |= {(n, t) for n, t in drops if n == r["bin_id"] and timedelta() <= t - when < timedelta(hours=20)}
    assert len(met) >= 0.95 * len(rounds)
    assert len({d for d in drops if d[0] != "PAV-0002"} - met) <= 0.05 * len(rounds)
    bins = query("SELECT count(*), count(commune_name), count(DISTINCT waste_stream) FROM silver.waste_bin")
    assert bins == [(50, 50, 4)]


@pytest.mark.usefixtures("silver")
def test_every_tonne_that_was_weighed() -> None:
    found = query(
        "SELECT collection_date::VARCHAR, round_id, waste_stream, tonnage_t, insee_code FROM silver.waste_collection"
    )
    assert sorted(found, key=str) == sorted(
        (
            (r["collection_date"], r["round_id"], r["waste_stream"], float(r["tonnage_t"]) if r["tonnage_t"] else None,
             r["insee_code"] or None)
            for r in truth("waste_rounds")
        ),
        key=str,
    )  # fmt: skip


@pytest.mark.usefixtures("silver")
def test_everything_that_is_observed_stands_somewhere() -> None:
    telemetry = ("air_stations", "car_parks", "soil_moisture", "waste_bins", "weather_stations")
    lost = query(
        f"""SELECT thing_id FROM silver.thing WHERE source_id IN {telemetry} AND NOT (is_registered AND is_observed)"""
    )
    assert lost == []
    units = query(f"SELECT DISTINCT source_id, unit_ucum FROM silver.datastream WHERE source_id IN {telemetry}")
    assert None not in {unit for _, unit in units}
    assert {source for source, _ in units} == set(telemetry)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")
def test_the_official_irve_examples_load(new_house: Callable[[], House]) -> None:
    """Times without colon in their offset, coordinates as text, an identifier that the example itself calls invalid."""
    house = new_house()
    (house.landing / "charging_points").mkdir(parents=True)
    for name in ("irve_statique_exemple-valide-statique.csv", "irve_dynamique_exemple-valide-dynamique.csv"):
        (house.landing / "charging_points" / name).symlink_to(REAL / name)
    house.ingest("charging_points")
    assert {k[1]: v[:5] for k, v in house.ledger().items()} == {
        "irve_statique_exemple-valide-statique.csv": (2, 2, 0, 0, "loaded"),
        "irve_dynamique_exemple-valide-dynamique.csv": (2, 2, 0, 0, "loaded"),
    }
    house.check_ledger()
    assert house.sql(
        "SELECT charging_point_id, status_time::VARCHAR FROM bronze.charging_points__status ORDER BY 1"
    ) == [
        ("ESZUNE1111ER7", "2022-10-18 12:35:49+00"),
        ("FRA68P68021001", "2022-10-18 12:35:49+00"),
    ]
    point = "SELECT location_type, has_plug_ef, nominal_power_kw, access_condition FROM bronze.charging_points__point"
    assert house.sql(point) == [("on_street", True, 22.0, "open")] * 2
    assert house.sql("SELECT count(*) FROM ops.schema_drift") == [(0,)]


# How they arrive, as the contracts say it: the supplier's servers hold what the simulation wrote.


def _contract(source: str) -> SourceContract:
    return next(c for c in load_contracts() if c.id == source)


def _simulated(module: Any, folder: Path) -> list[Path]:
    job = Job(folder, 58, date(2026, 10, 22), 2, 0.6, load_territory(), Truth())
    module.write(job)
    return sorted((folder / module.SOURCE).iterdir())


def test_signals_come_from_the_database_of_the_supplier(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nights: the second asks for the last twenty rows again, which bronze already has."""
    contract = _contract("traffic_signals")
    assert contract.connector is not None
    lines = [
        json.loads(line)
        for path in _simulated(traffic_signals, tmp_path)
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    journal = {e["id_evenement"]: e for e in lines if not e["horodatage"].startswith("1970")}
    rows = [journal[key] | {"id_evenement": number} for number, key in enumerate(sorted(journal))]
    with mariadb() as database:
        monkeypatch.setenv("DATANEVERS_TRAFFIC_SIGNALS_URL", database.url)
        database.run(
            """CREATE TABLE evenement (id_evenement bigint PRIMARY KEY, id_carrefour varchar(8), horodatage datetime,
            reception datetime, code varchar(8), etat char(1), plan int, ligne int, libelle varchar(80)
            CHARACTER SET utf8mb4)"""
        )
        for night, some in enumerate((rows[:40], rows[40:])):
            with database.engine.begin() as connection:
                for e in some:
                    values = tuple(str(v)[:19] if k in {"horodatage", "reception"} else v for k, v in e.items())
                    connection.exec_driver_sql(f"INSERT INTO evenement VALUES ({', '.join(['%s'] * 9)})", values)
            now = datetime(2026, 10, 25 + night, 0, 20, tzinfo=UTC)
            done = collect(contract.id, contract.connector, house.landing, now=now)
            assert done.failures == ()
            assert len(done.files) == 1
            house.ingest("traffic_signals")
    assert [v[:4] for _, v in sorted(house.ledger().items())] == [
        (40, 40, 0, 0),
        (len(rows) - 20, len(rows) - 40, 20, 0),
    ]
    loaded = house.sql("SELECT event_id, event_time FROM bronze.traffic_signals__event")
    assert sorted(loaded) == sorted((str(e["id_evenement"]), _time(e["horodatage"])) for e in rows)


def test_parking_events_come_page_by_page_from_the_interface_of_the_supplier(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server gives what it received since the instant asked for, in pages of the size asked for."""
    contract = _contract("parking_events")
    assert contract.connector is not None
    assert contract.connector.kind == "http"
    documents = [json.loads(path.read_bytes()) for path in _simulated(parking_events, tmp_path)]
    known = {e["id"]: e for d in documents for e in d["evenements"] if e["type"] != "ETAT"}
    events = sorted((e for e in known.values() if len(e["horodatage"]) > 19), key=lambda e: (e["recu"][:19], e["id"]))
    now = [datetime(2026, 10, 22, 12, tzinfo=UTC)]

    def answer(asked: Asked) -> Reply:
        assert asked.headers["Authorization"] == "Bearer jeton-de-test"
        since = datetime.fromisoformat(asked.query["depuis"])
        told = [e for e in events if since <= datetime.fromisoformat(e["recu"]) <= now[0]]
        size, page = int(asked.query["taille"]), int(asked.query["page"])
        some = told[(page - 1) * size : page * size]
        return Reply(json.dumps({"page": page, "taille": size, "total": len(told), "evenements": some}).encode())

    monkeypatch.setenv("DATANEVERS_PARKING_EVENTS_TOKEN", "jeton-de-test")
    with http_site() as site:
        (resource,) = contract.connector.resources
        here = resource.model_copy(update={"url": site.script("/v1/evenements", answer)})
        connector = contract.connector.model_copy(update={"resources": (here,)})
        for _ in range(2):
            done = collect(contract.id, connector, house.landing, now=now[0])
            assert done.failures == ()
            house.ingest("parking_events")
            now[0] += timedelta(days=2)
    ledger = house.ledger()
    assert len(ledger) >= 4
    assert sum(v[2] for v in ledger.values()) > 0  # half an hour is asked for again
    assert sum(v[3] for v in ledger.values()) == 0
    loaded = house.sql("SELECT event_id FROM bronze.parking_events__event")
    assert sorted(loaded) == sorted((e["id"],) for e in events)
