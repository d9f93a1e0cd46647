"""Hourly and daily marts of heat, weather, rivers, indoor air and LoRaWAN: what they say is true, whatever the build.

Half of every source's files are loaded and built, then the rest: what a late file touches is built again, and nothing
else. A full rebuild must say the same.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion import declarations
from ingestion.contract import load_contracts
from ingestion.load import ensure_tables, ingest
from ingestion.territory import load_territory
from lake import ops
from lake.home import landing_dir
from orchestration.pipeline import bronze_versions
from simulation import (
    air_stations,
    building_bms,
    heat_network,
    hydrometry,
    lorawan_gateway_stats,
    lorawan_joins,
    lorawan_uplinks,
    weather_stations,
)
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.simulated import build, query, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = (
    air_stations, building_bms, heat_network, hydrometry, lorawan_gateway_stats, lorawan_joins,
    lorawan_uplinks, weather_stations,
)  # fmt: skip
SOURCES = {module.SOURCE for module in MODULES}
MARTS = (
    "gold.ambient_air_day", "gold.degree_day", "gold.heat_delivery_day", "gold.lorawan_gateway_day",
    "gold.lorawan_network_day", "gold.measure_hour", "silver.lorawan_frame",
)  # fmt: skip
Rows = dict[str, list[tuple[Any, ...]]]


def _load(landing: Path) -> None:
    for contract in load_contracts():
        if contract.id in SOURCES:
            ingest(contract, landing=landing)
    ensure_tables(load_contracts())
    declarations.write()


def _build(*, full_refresh: bool = False) -> None:
    """Build the marts, and remember what was read, as a build of everything does."""
    versions = bronze_versions()
    assert build(*(name.split(".")[1] for name in MARTS), full_refresh=full_refresh)
    rows = [
        {"bronze_table": name, "delta_version": version, "run_id": "test", "built_time": datetime.now(UTC)}
        for name, version in versions.items()
    ]
    ops.put("build_input", rows, key=("bronze_table",))


def _rows() -> Rows:
    return {name: query(f"SELECT * FROM {name} ORDER BY ALL") for name in MARTS}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Rows after half of the files, after all of them, and rebuilt from nothing: nine days over the 25-hour day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DBT_LOG_PATH", str(Path(os.environ["DATANEVERS_HOME"]) / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        out = landing_dir()
        job = Job(out, 58, date(2026, 10, 19), 9, 0.2, load_territory(), Truth())
        for module in MODULES:
            module.write(job)
        job.truth.write(out / "_truth")
        early = tmp_path_factory.mktemp("early")
        for source in SOURCES:
            (early / source).mkdir()
            paths = sorted((out / source).iterdir())
            for path in paths[: (len(paths) + 1) // 2]:
                (early / source / path.name).hardlink_to(path)
        _load(early)
        _build()
        half = _rows()
        _load(out)
        _build()
        whole = _rows()
        _build(full_refresh=True)
        yield half, whole, _rows()


@pytest.mark.parametrize("mart", MARTS)
def test_day_by_day_says_what_a_full_rebuild_says(built: tuple[Rows, Rows, Rows], mart: str) -> None:
    half, whole, rebuilt = built
    assert whole[mart] == rebuilt[mart]
    assert half[mart] != []
    assert half[mart] != whole[mart]


@pytest.mark.usefixtures("built")
def test_heat_of_each_day_is_true() -> None:
    found = {
        (thing.split(":")[1], day.isoformat()): values
        for thing, day, *values in query(
            "SELECT thing_id, business_date, energy_kwh, volume_m3, measured_share FROM gold.heat_delivery_day"
        )
    }
    rows = {(r["substation_id"], r["business_date"]): r for r in truth("heat_daily")}
    assert found.keys() == rows.keys()
    for key, row in rows.items():
        energy, volume, share = found[key]
        assert energy == pytest.approx(int(row["energy_kwh"]), abs=1e-6)
        assert volume == pytest.approx(float(row["volume_m3"]), abs=0.001)
        assert share == 1  # what was counted during a silence of some hours is known when it ends


@pytest.mark.usefixtures("built")
def test_degree_days_are_those_of_the_true_extremes() -> None:
    """The professional formula a second time, from the truth; the extremes themselves must be found."""
    found = {
        (thing.split(":")[1], day.isoformat()): values
        for thing, day, *values in query(
            """SELECT thing_id, business_date, temperature_min_cel, temperature_max_cel, heating_degrees_simple_cel,
                heating_degrees_professional_cel FROM gold.degree_day WHERE measured_share >= 0.9"""
        )
    }
    assert len(found) >= 7
    rows = {(r["station_id"], r["business_date"]): r for r in truth("weather_daily")}
    for key, (lowest, highest, simple, professional) in found.items():
        low, high = float(rows[key]["lowest_c"]), float(rows[key]["highest_c"])
        assert (lowest, highest) == (low, high)
        assert simple == pytest.approx(max(0.0, 18 - (low + high) / 2), abs=1e-6)
        below = 18 - low
        expected = below - (high - low) / 2 if high <= 18 else below * (0.08 + 0.42 * below / (high - low))
        assert professional == pytest.approx(expected if low < 18 else 0, abs=1e-6)


@pytest.mark.usefixtures("built")
def test_hours_of_the_river_are_means_of_its_quarters() -> None:
    quarters: dict[datetime, list[tuple[int, int]]] = defaultdict(list)
    for row in truth("river_level"):
        hour = datetime.fromisoformat(row["observed_time"]).replace(minute=0)
        quarters[hour].append((int(row["height_mm"]), int(row["discharge_l_s"])))
    found = query(
        """SELECT start_time, property_code, value, measured_share FROM gold.measure_hour
        WHERE source_id = 'hydrometry'"""
    )
    full = [(start.astimezone(UTC), code, value) for start, code, value, share in found if share == 1]
    assert len(full) > 0.9 * 2 * len(quarters)
    for start, code, value in full:
        place = 0 if code == "height" else 1
        true = sum(pair[place] for pair in quarters[start]) / 4
        # The gauge is at most 6 mm wrong before it is corrected; its flow is never corrected.
        assert value == pytest.approx(true, abs=6) if code == "height" else value == pytest.approx(true, rel=0.02)


@pytest.mark.usefixtures("built")
def test_frames_lost_are_those_that_were_lost() -> None:
    """Frames that were refused (a payload cut short) are lost to us; those lost last leave no trace yet."""
    found = {
        thing.split(":")[1]: values
        for thing, *values in query(
            "SELECT thing_id, count(*), sum(expected_count) - count(*) FROM silver.lorawan_frame GROUP BY thing_id"
        )
    }
    true = {r["dev_eui"]: r for r in [*truth("lorawan_fleet"), *truth("lorawan_devices")]}
    assert found.keys() == true.keys()
    cut = {r["dev_eui"]: int(r["received_frames"]) - found[r["dev_eui"]][0] for r in true.values()}
    assert set(cut.values()) == {0, 2}
    for device, (_, lost) in found.items():
        assert int(true[device]["lost_frames"]) + cut[device] - lost in (0, 1)


@pytest.mark.usefixtures("built")
def test_gateways_are_available_when_they_tell() -> None:
    """The third gateway is silent for 60 messages: ten hours, of the 25 of one day or of two days."""
    shares: dict[str, float] = defaultdict(float)
    for thing, day, share in query("SELECT thing_id, business_date, available_share FROM gold.lorawan_gateway_day"):
        shares[thing] += (1 - share) * (25 if day == date(2026, 10, 25) else 24)
    assert sorted(round(hours, 3) for hours in shares.values()) == [0, 0, 0, 0, 0, 10]


@pytest.mark.usefixtures("built")
def test_confinement_is_that_of_the_values() -> None:
    """Index and shares a second time, in Python, from the observations of one building's opening hours."""
    zone = load_territory().zone
    values: dict[tuple[str, date], list[float]] = defaultdict(list)
    for series, instant, result in query(
        """SELECT datastream_id, phenomenon_time, result FROM silver.observation
        WHERE datastream_id LIKE 'building_bms:%:AMB1_CO2' AND result IS NOT NULL"""
    ):
        local = instant.astimezone(zone)
        if local.isoweekday() <= 5 and 8 <= local.hour < 18 and 0 < result <= 5000:
            values[f"building_bms:{series.split(':')[1]}", local.date()].append(result)
    found = {
        (thing, day): (over, index)
        for thing, day, over, index in query(
            """SELECT thing_id, business_date, co2_over_800_share, confinement_index FROM gold.ambient_air_day
            WHERE thing_id LIKE 'building_bms:%' AND confinement_index IS NOT NULL"""
        )
    }
    assert found.keys() == values.keys()
    for key, told in values.items():
        first, second = sum(1000 <= v <= 1700 for v in told), sum(v > 1700 for v in told)
        index = 2.5 * math.log2(1 + first / len(told) + 3 * second / len(told))
        over = sum(v > 800 for v in told) / len(told)
        assert found[key] == (pytest.approx(over, abs=1e-6), pytest.approx(index, abs=1e-6))
