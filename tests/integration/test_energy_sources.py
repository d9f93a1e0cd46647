"""Energy sources from landing to silver: the ledger and the quarantine are the truth, silver holds the true values.

The simulated part is one story on one installation; the real files are looked for in ../shared/real beside the checkout.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.connectors.collect import collect
from ingestion.contract import load_contracts
from ingestion.load import ensure_tables, ingest
from ingestion.territory import load_territory
from lake.home import landing_dir
from orchestration import declared
from simulation import asset_register, building_bms, building_energy, heat_network, lighting
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.servers import postgresql
from tests.integration.simulated import build, query, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import House

MODULES = (asset_register, building_bms, building_energy, heat_network, lighting)
SOURCES = tuple(module.SOURCE for module in MODULES)
MODELS = (
    "counter_increment",
    "light_point",
    "lighting_cabinet",
    "lighting_switching",
    "lighting_fault",
    "thing_reference",
)
REAL = Path(__file__).resolve().parents[3] / "shared/real"
COUNTS = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")


def _job(out: Path) -> Job:
    return Job(out, 58, date(2026, 10, 19), 9, 0.5, load_territory(), Truth())


def _contracts() -> list[Any]:
    return [c for c in load_contracts() if c.id in SOURCES]


@pytest.fixture(scope="module")
def silver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nine days over the 25-hour day, loaded and built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DBT_LOG_PATH", str(Path(os.environ["DATANEVERS_HOME"]) / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        out = landing_dir()
        job = _job(out)
        for module in MODULES:
            module.write(job)
        job.truth.write(out / "_truth")
        for contract in _contracts():
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
def test_a_building_is_one_on_both_platforms() -> None:
    """The integrator wrote names in his own way and placed cabinets some metres off."""
    found = query(
        """SELECT native_id, split_part(thing_id, ':', 2), method, distance_m < 60 FROM silver.thing_reference
        WHERE decided AND source_id = 'building_bms'"""
    )
    expected = [(r["controller_id"], r["prm"], "place_and_name", True) for r in truth("same_buildings")]
    assert sorted(found) == sorted(expected)
    assert len({thing for _, thing, *_ in found}) == len(found) > 5
    names = query("SELECT thing_id, name FROM silver.thing WHERE source_id IN ('building_bms', 'building_energy')")
    assert len({name for _, name in names}) > len(found), "no name differs from one platform to the other"


@pytest.mark.usefixtures("silver")
def test_the_quarantine_is_the_truth() -> None:
    expected = Counter((r["source"], r["file"], int(r["line"]), r["column"]) for r in truth("quarantine"))
    found = query('SELECT source, file, line, "column", reason, raw FROM ops.quarantine')
    assert Counter(r[:4] for r in found) == expected
    assert {r[0] for r in found} == set(SOURCES) - {"asset_register"}
    assert all(reason and raw for *_, reason, raw in found)
    twice = [r[4] for r in found if r[0] == "building_energy"]
    assert all("heure qui a lieu deux fois" in reason for reason in twice)


@pytest.mark.usefixtures("silver")
def test_a_second_run_loads_nothing() -> None:
    before = query("SELECT count(*), max(delta_version) FROM ops.ingest_file")
    assert all(ingest(contract).files == 0 for contract in _contracts())
    assert query("SELECT count(*), max(delta_version) FROM ops.ingest_file") == before


@pytest.mark.usefixtures("silver")
def test_heat_of_each_day_is_true_past_rollover_replacement_and_gaps() -> None:
    """Energy is exact, whatever befell the register: an increment over a gap is that of all its hours."""
    found = {
        (station, day.isoformat(), code): (amount, flags)
        for station, day, code, amount, flags in query(
            """SELECT split_part(datastream_id, ':', 2), timezone('Europe/Paris', phenomenon_time)::DATE,
                split_part(datastream_id, ':', 3), sum(increment), list(DISTINCT flag)
            FROM silver.counter_increment WHERE datastream_id LIKE 'heat_network:%' GROUP BY ALL"""
        )
    }
    rows = truth("heat_daily")
    assert len(found) == 2 * len(rows)
    for row in rows:
        key = (row["substation_id"], row["business_date"])
        assert found[*key, "energy"][0] == int(row["energy_kwh"])
        assert found[*key, "volume"][0] == pytest.approx(float(row["volume_m3"]), abs=0.001)
        rolled = sum("rollover" in found[*key, code][1] for code in ("energy", "volume"))
        assert rolled == int(row["rolled_over"])
    gaps = query(
        "SELECT datastream_id, increment FROM silver.counter_increment WHERE is_over_gap AND datastream_id LIKE 'heat%'"
    )
    assert sorted(name for name, _ in gaps) == ["heat_network:SST04:energy", "heat_network:SST04:volume"]


@pytest.mark.usefixtures("silver")
def test_a_replaced_heat_meter_is_a_reset() -> None:
    (row,) = truth("heat_replaced_meters")
    resets = query(
        """SELECT split_part(datastream_id, ':', 2), phenomenon_end_time, count(*) FROM silver.counter_increment
        WHERE flag = 'reset' AND datastream_id LIKE 'heat_network:%' GROUP BY ALL"""
    )
    assert resets == [(row["substation_id"], datetime.fromisoformat(row["replacement_time"]), 2)]
    meters = "SELECT DISTINCT meter_id FROM bronze.heat_network__reading WHERE substation_id = "
    assert {m for (m,) in query(f"{meters} '{row['substation_id']}'")} == {row["old_meter_id"], row["new_meter_id"]}


@pytest.mark.usefixtures("silver")
def test_corrected_heat_readings_replace_the_wrong_ones() -> None:
    ((wrong,),) = query("SELECT count(*) FROM bronze.heat_network__reading WHERE status = 'DEFAUT'")
    ((suspect,),) = query(
        "SELECT count(*) FROM silver.observation WHERE source_id = 'heat_network' AND quality <> 'good'"
    )
    assert (wrong, suspect) == (12, 0)


@pytest.mark.usefixtures("silver")
def test_bms_points_are_true() -> None:
    found = {
        (series.removeprefix("building_bms:"), day.isoformat()): rest
        for series, day, *rest in query(
            """SELECT datastream_id, timezone('Europe/Paris', phenomenon_time)::DATE,
                avg(result), min(result), max(result), count_if(quality = 'good'), count_if(quality = 'missing')
            FROM silver.observation WHERE source_id = 'building_bms' GROUP BY ALL"""
        )
    }
    rows = truth("bms_points")
    blank = 0
    for row in rows:
        key = (
            f"{row['controller_id']}:{row['point_id'].removeprefix(row['controller_id'] + '_')}",
            row["business_date"],
        )
        mean, low, high, good, missing = found[key]
        assert good == int(row["samples"]) - int(row["blank"]) - int(row["refused"])
        assert missing == int(row["blank"])
        blank += missing
        if row["mean"]:
            true = [float(row[k]) for k in ("mean", "minimum", "maximum")]
            assert (mean, low, high) == pytest.approx(true, abs=0.001)
    assert blank == 7 * 48 + 2
    # besides the period's days, the midnight that closes it; a renamed point is no other series
    assert len(found) == len(rows) + len({r["point_id"] for r in rows})
    assert not [key for key in found if "CHAUF" in key[0]]
    units = query(
        """SELECT DISTINCT property_code, observed_property, unit_ucum, is_counter FROM silver.datastream
        WHERE source_id = 'building_bms' AND property_code IN ('CH1_VANNE', 'CPT_ELEC', 'AMB1_CO2') ORDER BY 1"""
    )
    assert units == [
        ("AMB1_CO2", "carbon_dioxide", "[ppm]", False),
        ("CH1_VANNE", "valve_opening", "%", False),
        ("CPT_ELEC", "energy_index", "kW.h", True),
    ]


@pytest.mark.usefixtures("silver")
def test_load_curves_of_r50_are_true() -> None:
    """Half hours stamped at their end belong to the day in which they begin; the rectified document has the last word."""
    found = {
        (prm, day.isoformat()): (kwh, steps)
        for prm, day, kwh, steps in query(
            """SELECT split_part(datastream_id, ':', 2), timezone('Europe/Paris', phenomenon_time)::DATE,
                sum(result * epoch(phenomenon_end_time - phenomenon_time)) / 3600000, count(*)
            FROM silver.observation WHERE datastream_id LIKE 'building_energy:%:active_power' GROUP BY ALL"""
        )
    }
    compared = 0
    for row in truth("building_daily_energy_r50"):
        kwh, steps = found[row["prm"], row["business_date"]]
        assert steps == int(row["steps_expected"]) - int(row["steps_missing"])
        if row["steps_missing"] == "0":
            assert kwh == pytest.approx(float(row["energy_kwh"]), abs=0.001), row
            compared += 1
    assert compared == 5 * 9 - 1


@pytest.mark.usefixtures("silver")
def test_registers_of_r171_are_true() -> None:
    shown = {
        (prm, code, f"{when:%Y-%m-%dT%H:%M:%SZ}"): value
        for prm, code, when, value in query(
            """SELECT split_part(datastream_id, ':', 2), split_part(datastream_id, ':', 3),
                timezone('UTC', phenomenon_time), result
            FROM silver.observation WHERE datastream_id LIKE 'building_energy:%:EA_%'"""
        )
    }
    rows = [r for r in truth("building_index") if r["state"] == "sent"]
    assert len(shown) == len(rows) == 34 * 4
    for row in rows:
        assert 0 <= float(row["energy_wh"]) - shown[row["prm"], f"EA_{row['time_class']}", row["reading_time"]] < 1000
    used = query(
        """SELECT sum(increment) FILTER (WHERE datastream_id LIKE '%:EA_HPE'), list(DISTINCT flag)
        FROM silver.counter_increment WHERE datastream_id LIKE 'building_energy:%'"""
    )
    assert used[0][0] > 0
    assert used[0][1] == ["normal"]
    series = query(
        """SELECT DISTINCT property_code, unit_ucum, is_counter FROM silver.datastream
        WHERE property_code IN ('EA_HCE', 'PMA_HPE', 'ERI_HPH', 'TF_HCH') ORDER BY 1"""
    )
    assert series == [
        ("EA_HCE", "W.h", True), ("ERI_HPH", "var.h", True), ("PMA_HPE", "V.A", False), ("TF_HCH", "s", False),
    ]  # fmt: skip


@pytest.mark.usefixtures("silver")
def test_burning_hours_are_true() -> None:
    """Each interval, cut at the midnights of the business day and at the end of the period."""
    found = {
        (cabinet, day.isoformat()): hours
        for cabinet, day, hours in query(
            """WITH day AS (
                SELECT d::DATE AS day, timezone('Europe/Paris', d) AS begins, timezone('Europe/Paris', d + INTERVAL 1 DAY) AS ends
                FROM generate_series(TIMESTAMP '2026-10-19', TIMESTAMP '2026-10-27', INTERVAL 1 DAY) AS t(d))
            SELECT cabinet_id, day, sum(greatest(0, epoch(least(coalesce(off_time, ends), ends)) - epoch(greatest(on_time, begins)))) / 3600
            FROM silver.lighting_switching, day WHERE status IN ('complete', 'open') GROUP BY ALL"""
        )
    }
    rows = truth("lighting_burning")
    assert len(rows) == 30 * 9
    for row in rows:
        if row["is_logged"] == "1":
            # a repeat may be a second off
            assert found[row["cabinet_id"], row["business_date"]] == pytest.approx(float(row["burning_h"]), abs=0.002)
    states = dict(query("SELECT status, count(*) FROM silver.lighting_switching GROUP BY ALL"))
    cuts = [cabinet.cut for cabinet in lighting.cabinets(_job(landing_dir()))]
    assert (states["off_lost"], states["open"]) == (1, sum(cut is None or cut[0] < "12:00" for cut in cuts))
    assert "on_lost" not in states
    assert query("SELECT DISTINCT cabinet_id FROM silver.lighting_switching WHERE on_cause = 'manual'") == [
        ("ARM-0002",)
    ]


@pytest.mark.usefixtures("silver")
def test_light_points_cabinets_and_faults_are_true() -> None:
    known = {
        row[0]: row[1:]
        for row in query(
            """SELECT light_point_id, cabinet_id, power_w, insee_code FROM silver.light_point
            WHERE is_in_supplier_database"""
        )
    }
    rows = {r["light_point_id"]: r for r in truth("lighting_light_points")}
    assert {k: (v[0], v[1], v[2]) for k, v in known.items()} == {
        k: (r["cabinet_id"], float(r["power_w"]), r["insee_code"]) for k, r in rows.items()
    }
    (survey,) = truth("lighting_inventory")
    alone = "SELECT count(*), count_if(light_point_id LIKE 'geo:%') FROM silver.light_point WHERE NOT is_in_supplier_database"
    # the light that was taken away is still on the map
    assert query(alone) == [(int(survey["unknown"]) + 1, int(survey["unknown"]))]
    ((far,),) = query(
        """SELECT count(*) FROM silver.light_point
        WHERE NOT (longitude BETWEEN 2.9 AND 3.4 AND latitude BETWEEN 46.8 AND 47.2) OR commune_name IS NULL"""
    )
    assert far == 0
    assert query("SELECT count(*), sum(light_point_count) FROM silver.lighting_cabinet") == [(30, 650)]
    faults = query("SELECT fault_id, cabinet_id, light_point_id, declared_time, closed_time FROM silver.lighting_fault")
    instant = {r["fault_id"]: r for r in truth("lighting_faults")}
    assert len(faults) == len(instant)
    for fault, cabinet, light, told, closed in faults:
        true = instant[fault]
        assert (cabinet, light or "") == (true["cabinet_id"], true["light_point_id"])
        assert told == datetime.fromisoformat(true["declared_time"])
        assert closed == (datetime.fromisoformat(true["closed_time"]) if true["closed_time"] else None)


# the supplier's database ---------------------------------------------------------------------------------------------

SCHEMA = (
    """CREATE TABLE cabinet (cabinet_id varchar(12) PRIMARY KEY, label text, insee char(5), longitude float8, latitude float8,
        control_mode varchar(12), cut_from varchar(5), cut_to varchar(5), subscribed_kva numeric(6,1), installed_on date)""",
    """CREATE TABLE light_point (light_point_id varchar(12) PRIMARY KEY, cabinet_id varchar(12), lamp_type varchar(8),
        luminaire text, power_w smallint, height_m numeric(4,1), street text, insee char(5), longitude float8, latitude float8,
        colour_k smallint, installed_on date, firmware text)""",
    """CREATE TABLE switching (switching_id bigint PRIMARY KEY, cabinet_id varchar(12), switched_at timestamptz,
        state varchar(3), cause varchar(12), received_at timestamptz)""",
    """CREATE TABLE fault (fault_id integer PRIMARY KEY, cabinet_id varchar(12), light_point_id varchar(12), kind text,
        declared_at timestamptz, status varchar(10), closed_at timestamptz, updated_at timestamptz)""",
)
KEYS = {"cabinet": "cabinet_id", "light_point": "light_point_id", "switching": "switching_id", "fault": "fault_id"}


def _extracted(landing: Path, table: str) -> dict[object, dict[str, Any]]:
    """Last simulated state of each row of a table; of light points, the first extract."""
    paths = sorted((landing / "lighting").glob(f"{table}_*.jsonl.gz"))
    chosen = paths[:1] if table == "light_point" else paths
    lines = [line for path in chosen for line in gzip.decompress(path.read_bytes()).splitlines()]
    return {row[KEYS[table]]: row for row in map(json.loads, lines)}


def _insert(table: str, row: dict[str, Any]) -> str:
    values = ", ".join("NULL" if v is None else "'" + str(v).replace("'", "''") + "'" for v in row.values())
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"


def test_the_suppliers_database_arrives_through_the_connector(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows asked of a real PostgreSQL land, load and are those of the simulated extracts; then only what is new."""
    simulated = tmp_path / "simulated"
    job = Job(simulated, 58, date(2026, 10, 23), 3, 0.1, load_territory(), Truth())
    lighting.write(job)
    tables = {name: _extracted(simulated, name) for name in KEYS}
    contracts = [c for c in load_contracts() if c.id == "lighting"]
    asked = datetime(2026, 10, 26, 6, 15, tzinfo=UTC)
    with postgresql() as database:
        database.run(*SCHEMA, *(_insert(name, row) for name, rows in tables.items() for row in rows.values()))
        monkeypatch.setenv("DATANEVERS_LIGHTING_URL", database.url)
        first = collect("lighting", contracts[0].connector, house.landing, now=asked)
        assert first.failures == ()
        assert sorted(first.files) == sorted(f"{name}_20261026T061500Z.jsonl.gz" for name in KEYS)
        house.ingest(*contracts)
        known = {k[1].rsplit("_", 1)[0]: v[:4] for k, v in house.ledger().items()}
        assert known == {
            name: (len(rows), len(rows) - (name == "switching"), 0, int(name == "switching"))
            for name, rows in tables.items()
        }
        for name, rows in tables.items():
            (own,) = (c for c in contracts if c.table == name)
            shown = house.sql(f"SELECT {own.key[0]}, cabinet_id FROM bronze.lighting__{name}")
            true = {
                str(k): r["cabinet_id"] for k, r in rows.items() if not str(r.get("switched_at")).startswith("1970")
            }
            assert dict(shown) == true
        times = house.sql("SELECT switching_id, switched_time, state FROM bronze.lighting__switching")
        for number, when, state in times:
            row = tables["switching"][int(number)]
            assert (when, state) == (datetime.fromisoformat(row["switched_at"]), row["state"].lower())

        database.run(
            "INSERT INTO switching VALUES (999999, 'ARM-0001', '2026-10-26 18:00:00+01', 'ON', 'ASTRO', '2026-10-26 18:01:00+01')",
            "UPDATE fault SET status = 'CLOS', closed_at = '2026-10-26 18:00:00+01', updated_at = '2026-10-26 18:00:00+01' "
            f"WHERE fault_id = {next(iter(tables['fault']))}",
        )
        second = collect("lighting", contracts[0].connector, house.landing, now=asked + timedelta(days=1))
        assert sorted(second.files) == ["fault_20261027T061500Z.jsonl.gz", "switching_20261027T061500Z.jsonl.gz"]
        house.ingest(*contracts)
        # the last row known is asked for again
        assert house.counts("switching_20261027T061500Z.jsonl.gz") == (2, 1, 1, 0)
        ((states, last),) = house.sql(
            f"""SELECT count(*), arg_max(status, updated_time) FROM bronze.lighting__fault
            WHERE fault_id = '{next(iter(tables["fault"]))}'"""
        )
        assert (states, last) == (2, "closed")
        house.check_ledger()


# real files ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(new_house: Callable[[], House]) -> House:
    if not REAL.is_dir():
        pytest.skip("the real files are not beside this checkout")
    house = new_house()
    for source, path in (
        ("building_energy", "energy_enedis_sge/R171.xml"),
        ("building_energy", "energy_enedis_sge/R50.xml"),
        ("lighting", "fr_montpellier_2014/VilleMTP_MTP_EclairagePublic/VilleMTP_MTP_EclairagePublic.zip"),
    ):
        folder = house.landing / source
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(path).name).symlink_to(REAL / path)
    house.ingest(*(c for c in load_contracts() if c.id in ("building_energy", "lighting")))
    return house


def test_real_files_load_whole(real: House) -> None:
    assert {k[1]: v[:5] for k, v in real.ledger().items()} == {
        "R171.xml": (28, 28, 0, 0, "loaded"),
        "R50.xml": (48, 48, 0, 0, "loaded"),
        # 124 points are those of another to the millimetre, 226 to the centimetre, and nothing else tells them apart
        "VilleMTP_MTP_EclairagePublic.zip": (29_969, 29_743, 226, 0, "loaded"),
    }
    real.check_ledger()


def test_real_r171(real: House) -> None:
    """The clock on the wall, 02:37:56 in winter; the sum of active energy is that of the document's four classes."""
    registers = "bronze.building_energy__index"
    ((rows, prm, when, energy, units),) = real.sql(
        f"""SELECT count(*), any_value(prm), list(DISTINCT strftime(timezone('UTC', reading_time), '%Y-%m-%d %H:%M:%S')),
            sum(value) FILTER (WHERE quantity = 'EA'), list_sort(list(DISTINCT unit)) FROM {registers}"""
    )
    assert (rows, prm, when) == (28, "30001642617347", ["2022-02-03 01:37:56"])
    assert energy == 429_229_000 + 60_091_000 + 175_013_000 + 129_034_000
    assert units == ["V.A", "W.h", "s", "var.h"]


def test_real_r50(real: House) -> None:
    ((rows, prm, first, last, watts, step, doubtful),) = real.sql(
        """SELECT count(*), any_value(prm), min(timezone('UTC', stamp_time))::VARCHAR, max(timezone('UTC', stamp_time))::VARCHAR,
            sum(power_w), list(DISTINCT declared_step_min), count_if(is_doubtful) FROM bronze.building_energy__load"""
    )
    assert (rows, prm, step, doubtful) == (48, "09111642617347", [30], 0)
    assert (first, last) == ("2022-02-01 23:30:00", "2022-02-02 23:00:00")
    assert watts == 41_362


def test_real_street_lights_are_in_montpellier(real: House) -> None:
    ((count, kinds, west, east, south, north),) = real.sql(
        """SELECT count(*), count(DISTINCT luminaire), min(longitude), max(longitude), min(latitude), max(latitude)
        FROM bronze.lighting__inventory"""
    )
    assert (count, kinds) == (29_743, 7)
    assert 3.80 < west < east < 3.95
    assert 43.56 < south < north < 43.66
