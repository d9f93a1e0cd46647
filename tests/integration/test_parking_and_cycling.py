"""Car parks, bicycle racks, cycle facilities and pedestrian zones: from the departments' files to what is published.

One installation, with two workbooks of car parks; the official JSON Schema is looked for in ../shared beside the checkout.
"""

from __future__ import annotations

import json
import math
import os
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from frictionless import Resource, Schema, validate

from ingestion.contract import load_contracts
from ingestion.load import ensure_tables, ingest
from ingestion.territory import load_territory
from lake.home import landing_dir, publication_dir
from orchestration import declared, pipeline
from quality.standard import load_standard
from simulation import (
    asset_register,
    bike_parkings,
    car_park_inventory,
    car_parks,
    commune_contours,
    cycle_facilities,
    pedestrian_zones,
)
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.national import geojson_validator
from tests.integration.simulated import build, query, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = (
    asset_register, bike_parkings, car_park_inventory, car_parks, commune_contours, cycle_facilities, pedestrian_zones,
)  # fmt: skip
LISTS = ("bike_parkings", "car_park_inventory", "cycle_facilities", "pedestrian_zones")
DATASETS = ("amenagements-cyclables", "stationnement", "stationnement-cyclable", "zones-pietonnes")
OFFICIAL = Path(__file__).resolve().parents[3] / "shared/standards/published"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Twenty-three days, so that the second workbook comes, loaded and built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DBT_LOG_PATH", str(Path(os.environ["DATANEVERS_HOME"]) / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        job = Job(landing_dir(), 58, date(2026, 9, 1), 23, 0.3, load_territory(), Truth())
        for module in MODULES:
            module.write(job)
        job.truth.write(landing_dir() / "_truth")
        ensure_tables(load_contracts())
        declared.write()
        for contract in load_contracts():
            if contract.id in {module.SOURCE for module in MODULES}:
                ingest(contract, run_id="test")
        models = ("amenagements_cyclables", "stationnement", "stationnement_cyclable", "zones_pietonnes")
        assert build(*models)
        yield


@pytest.fixture(scope="module")
def published(built: None) -> Path:
    """The folder of the datasets, once they passed the gate."""
    verdicts = pipeline.audit(run_id="test", datasets=DATASETS)
    assert {name: verdict.failures for name, verdict in verdicts.items() if verdict.status == "failed"} == {}
    pipeline.publish(verdicts, run_id="test")
    return publication_dir() / "datasets"


def geojson(published: Path, dataset: str) -> Any:
    return json.loads((published / dataset / f"{dataset}.geojson").read_bytes())


def official(standard_id: str) -> Any:
    standard = load_standard(standard_id)
    assert standard.official
    path = OFFICIAL / standard.official.owner / standard.official.schemas[standard_id] / standard.version
    if not path.is_dir():
        pytest.skip("the official schema files are not at hand")
    return json.loads((path / standard.official.file).read_text("utf-8"))


def metres(line: str) -> float:
    """Length of a short line in WKT, on a plane."""
    points = [tuple(map(float, point.split())) for point in line[line.index("(") + 1 : -1].split(",")]
    return sum(
        111_320 * math.hypot((there[0] - here[0]) * math.cos(math.radians(here[1])), there[1] - here[1])
        for here, there in pairwise(points)
    )


def test_the_ledger_and_the_quarantine_are_the_truth(built: None) -> None:
    told = [
        (row["source"], row["file"], *(int(row[f"rows_{n}"]) for n in ("read", "loaded", "duplicate", "quarantined")))
        for row in truth("ledger")
        if row["source"] in LISTS
    ]
    found = query(
        "SELECT source, file, rows_read, rows_loaded, rows_duplicate, rows_quarantined FROM ops.ingest_file "
        f"WHERE source IN {LISTS}"
    )
    assert sorted(found) == sorted(told)
    refused = {
        (r["source"], r["file"], int(r["line"]), r["column"]) for r in truth("quarantine") if r["source"] in LISTS
    }
    assert set(query(f'SELECT source, file, line, "column" FROM ops.quarantine WHERE source IN {LISTS}')) == refused


def test_a_car_park_is_one_whether_counted_listed_or_both(built: None) -> None:
    """The newest workbook's words, and the platform's counts of those that it counts."""
    told = {
        row["car_park_id"]: (
            row["insee_code"], int(row["total_space_count"]), row["operator_siret"],
            int(row["max_height_cm"]) if row["max_height_cm"] else None,
            float(row["price_24h_eur"]) if row["price_24h_eur"] else None,
        )
        for row in truth("car_park_inventory")
    }  # fmt: skip
    found = query(
        "SELECT car_park_id, insee_code, total_space_count, operator_siret, max_height_cm, price_24h_eur, "
        "space_count IS NOT NULL FROM silver.car_park"
    )
    assert {row[0]: row[1:6] for row in found} == told
    counted = {row["car_park_id"] for row in truth("car_park_snapshots")}
    assert {row[0] for row in found if row[6]} == counted
    assert counted < told.keys()


def test_the_place_tells_the_commune_of_a_rack(built: None) -> None:
    told = {
        (r["rack_id"], r["insee_code"], float(r["longitude"]), float(r["latitude"]), int(r["capacity"]))
        for r in truth("bike_parkings")
    }
    assert set(query("SELECT rack_id, insee_code, longitude, latitude, capacity FROM silver.bike_parking")) == told
    wrong = query("SELECT rack_id FROM silver.bike_parking WHERE insee_code_quality = 'conflict'")
    assert wrong == [("VEL0009",)]  # the one on which the surveyor wrote another commune


def test_facilities_are_as_long_as_they_were_drawn_and_zones_are_dated(built: None) -> None:
    told = {r["facility_id"]: (r["right_facility"], r["left_facility"]) for r in truth("cycle_facilities")}
    found = query("SELECT facility_id, right_facility, left_facility FROM silver.cycle_facility")
    assert {row[0]: row[1:] for row in found} == told
    lengths = {row[0]: metres(row[1]) for row in query("SELECT facility_id, geometry_wkt FROM silver.cycle_facility")}
    # coordinates have six decimals: each of the three points is at most 0.1 m off
    assert lengths == pytest.approx(
        {r["facility_id"]: float(r["length_m"]) for r in truth("cycle_facilities")}, abs=0.5
    )
    zones = {
        (r["zone_id"], r["insee_code"], r["zone_type"], r["start_date"], r["end_date"])
        for r in truth("pedestrian_zones")
    }
    assert zones == set(
        query(
            "SELECT zone_id, insee_code, zone_type, start_date::varchar, coalesce(end_date::varchar, '') "
            "FROM silver.pedestrian_zone"
        )
    )


@pytest.mark.parametrize("dataset", ["stationnement", "stationnement-cyclable"])
def test_the_official_schema_finds_nothing_to_say_of_the_csv(published: Path, dataset: str) -> None:
    schema = Schema.from_descriptor(official(dataset))
    report = validate(Resource(path=f"{dataset}.csv", basepath=str(published / dataset), schema=schema))
    assert report.tasks[0].stats["rows"] > 1
    assert report.valid, report.flatten(["rowNumber", "fieldName", "note"])[:5]


def test_the_official_json_schema_finds_nothing_to_say_of_the_geojson(published: Path) -> None:
    document = geojson(published, "amenagements-cyclables")
    validator = geojson_validator(official("amenagements-cyclables"))
    assert [error.message for error in validator.iter_errors(document)] == []
    assert len(document["features"]) == len(truth("cycle_facilities"))
    # it does look at the properties
    document["features"][0]["properties"]["ame_d"] = None
    assert not validator.is_valid(document)


def test_what_is_unknown_is_absent_from_the_geojson_and_lists_are_lists(published: Path) -> None:
    features = geojson(published, "amenagements-cyclables")["features"]
    routes = {f["properties"]["id_local"]: f["properties"].get("nom_loc") for f in features}
    assert routes["NEV-AC-0004"] == ["V6", "Boucle des bords de Loire"]
    assert "nom_loc" not in features[0]["properties"]
    assert all(value is not None for f in features for value in f["properties"].values())
    assert {f["geometry"]["type"] for f in features} == {"LineString"}


def test_zones_are_drawn_as_areas(published: Path) -> None:
    """In a dataset of ours, where an unknown value is a null."""
    features = geojson(published, "zones-pietonnes")["features"]
    assert {f["geometry"]["type"] for f in features} == {"Polygon"}
    assert {f["properties"]["date_fin"] for f in features} > {None}
    assert all(f["properties"]["surface_m2"] == pytest.approx(120 * 14, rel=0.01) for f in features)
