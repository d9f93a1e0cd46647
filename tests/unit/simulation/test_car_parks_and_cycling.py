"""Lists of car parks, bicycle racks, cycle facilities and pedestrian zones, as the departments export them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from ingestion.territory import load_territory
from simulation import bike_parkings, car_park_inventory, cycle_facilities, pedestrian_zones
from simulation.car_park_inventory import keyed
from simulation.job import Job
from simulation.truth import Truth

MODULES = (bike_parkings, car_park_inventory, cycle_facilities, pedestrian_zones)


def written(out: Path, *, days: int = 30, scale: float = 0.3) -> dict[str, bytes]:
    job = Job(out, 58, date(2026, 10, 5), days, scale, load_territory(), Truth())
    for module in MODULES:
        module.write(job)
    job.truth.write(out / "_truth")
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def features(files: dict[str, bytes], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(files[name])["features"]
    return found


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a") == written(tmp_path / "b")


@pytest.mark.parametrize(
    ("digits", "whole"),
    # an example of Luhn's formula as encyclopedias have it, and the SIREN of the authority
    [("7992739871", "79927398713"), ("24580440", "245804406"), ("0", "00")],
)
def test_keys_are_luhns(digits: str, whole: str) -> None:
    assert keyed(digits) == whole


def test_the_second_workbook_has_one_more_at_its_top_and_dearer_days(tmp_path: Path) -> None:
    written(tmp_path)
    first, second = (
        CalamineWorkbook.from_path(tmp_path / f"car_park_inventory/parcs_stationnement_{day}.xlsx")
        .get_sheet_by_name("Parcs")
        .to_python()[2:]
        for day in ("20261005", "20261026")
    )
    assert first[0] == second[0] == list(car_park_inventory.HEADER)
    codes = [[row[0] for row in rows[1:]] for rows in (first, second)]
    assert codes[1] == ["E05", *codes[0]]
    price = car_park_inventory.HEADER.index("24 h")
    assert [row[price] for row in second[2:4]] == [row[price] + 1 for row in first[1:3]]  # type: ignore[operator]


def test_every_commune_has_racks_and_facilities(tmp_path: Path) -> None:
    files = written(tmp_path, scale=0.01)
    members = [commune.insee for commune in load_territory().communes]
    racks = features(files, "bike_parkings/stationnements_velo_20261005.geojson")
    segments = features(files, "cycle_facilities/amenagements_cyclables_20261005.geojson")
    told = [rack["properties"]["insee"] for rack in racks[: len(members)]]
    # of one, the surveyor wrote another commune
    assert told == [*members[:8], members[7], *members[9:]]
    assert {segment["properties"]["code_com_d"] for segment in segments} == set(members)


def test_a_trial_has_an_end_and_nothing_else_has(tmp_path: Path) -> None:
    zones = features(written(tmp_path, scale=1), "pedestrian_zones/zones_pietonnes_20261005.geojson")
    ends = {z["properties"]["nom"] for z in zones if z["properties"]["fin"]}
    assert ends == {"Quai des Mariniers"}
    assert all(z["properties"]["date_arrete"] < z["properties"]["debut"] for z in zones[:-1])
