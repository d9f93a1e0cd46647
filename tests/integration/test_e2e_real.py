"""Real exports of five platforms, from landing to publication with the command line and nothing else."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Done, Town

SHARED = Path(__file__).resolve().parents[3] / "shared"
REAL = {
    "carpool_sites": ("covoiturage_bnlc", "bnlc-.csv"),
    "building_energy": ("energy_enedis_sge", "Enedis_SGE_HDM_A06NW11N.csv"),
    "traffic_counts": ("traffic_telraam_chateaubourg", "traffic.csv"),
    "water_meters": ("water_smart_meters", "swm_trialA.zip"),
    "lorawan_uplinks": ("lorawan/campusiot_grenoble", "*.ndjson.gz"),
}

pytestmark = [
    pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the real exports are not at hand"),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def real_town(new_town: Callable[[], Town]) -> tuple[Town, Done]:
    """One run over a landing of real files; the territory's own asset register is not among them."""
    town = new_town()
    for source, (folder, pattern) in REAL.items():
        (town.landing / source).mkdir(parents=True)
        for path in (SHARED / "real" / folder).glob(pattern):
            shutil.copyfile(path, town.landing / source / path.name)
    done = town("run", "--json")
    print(done.err)  # noqa: T201 - kept by pytest for who looks into a failure
    return town, done


def test_it_goes_through(real_town: tuple[Town, Done]) -> None:
    _, done = real_town
    said = done.ok().document
    assert said["failures"] == []
    for dataset in said["datasets"]:
        print(dataset["id"], dataset["verdict"], dataset["rows"], *dataset["reasons"], sep="\n    ")  # noqa: T201
    found = {d["id"]: (d["published_version"], d["verdict"]) for d in said["datasets"]}
    published = {name for name, (version, _) in found.items() if version}
    assert published == {
        "lieux-covoiturage",
        "consommation-energie-batiments",
        "eau-volumes-journaliers",
    }
    # copied a moment ago: no day of deliveries is over
    assert found["indicateurs-plateforme"] == (None, "failed")
    assert found["comptages-mobilite"] == (None, "failed")


def test_the_ledger_adds_up(real_town: tuple[Town, Done]) -> None:
    town, done = real_town
    found = {s["source"]: s for s in done.document["sources"]}
    assert set(found) == set(REAL)
    for source in found.values():
        assert source["rows_read"] == source["rows_loaded"] + source["rows_duplicate"] + source["rows_quarantined"] > 0
    quarantined = town.sql("SELECT source, sum(rows)::BIGINT FROM ops.quarantine GROUP BY source")
    assert dict(quarantined) == {s: n["rows_quarantined"] for s, n in found.items() if n["rows_quarantined"]}


def test_files_of_every_server_are_loaded(real_town: tuple[Town, Done]) -> None:
    """Four files; one device is in two of them, and each of its frames in bronze once."""
    town, done = real_town
    assert done.document["held_files"] == []
    files = town.sql("SELECT file, rows_loaded FROM ops.ingest_file WHERE source = 'lorawan_uplinks'")
    assert {file for file, _ in files} == {
        p.name for p in (SHARED / "real" / REAL["lorawan_uplinks"][0]).glob("*.ndjson.gz")
    }
    assert sorted(loaded for _, loaded in files) == [4_504, 8_110, 9_418, 16_954]


def test_counts_without_a_place_are_held_back_for_that_reason(real_town: tuple[Town, Done]) -> None:
    """The segments are in no asset register: nothing says where they are, so nothing can be published."""
    town, done = real_town
    (counts,) = (d for d in done.document["datasets"] if d["id"] == "comptages-mobilite")
    assert any("0 ligne(s)" in reason and "table site" in reason for reason in counts["reasons"])
    assert not (town.publication / "datasets/comptages-mobilite").exists()
    ((loaded,),) = town.sql("SELECT count(*) FROM gold.traffic_count_hour WHERE passage_count IS NOT NULL")
    assert loaded > 0


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_carpool_sites_of_the_department(real_town: tuple[Town, Done]) -> None:
    from frictionless import Resource, Schema, system

    town, _ = real_town
    path = town.publication / "datasets/lieux-covoiturage/lieux-covoiturage.csv"
    rows = read(path)
    assert len(rows) == 4
    assert all(r["insee"].startswith("58") and r["date_maj"].startswith("2019") for r in rows)
    source = {r["id_lieu"]: r for r in read(SHARED / "real/covoiturage_bnlc/bnlc-.csv") if r["insee"].startswith("58")}
    assert {(r["nom_lieu"], r["insee"], r["type"]) for r in rows} == {
        (r["nom_lieu"], r["insee"], r["type"]) for r in source.values()
    }
    with system.use_context(trusted=True):
        schema = Schema.from_descriptor(str(SHARED / "standards/lieux-covoiturage/schema.json"))
        report = Resource(path=str(path), schema=schema).validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "note"])


def test_no_delivery_point_number_leaves(real_town: tuple[Town, Done]) -> None:
    town, _ = real_town
    ((prm,),) = town.sql("SELECT DISTINCT prm FROM bronze.building_energy__load")
    assert re.fullmatch(r"\d{14}", prm)
    rows = read(town.publication / "datasets/consommation-energie-batiments/consommation-energie-batiments.csv")
    assert len(rows) >= 730
    assert len({r["batiment_id"] for r in rows}) == 1
    for file in town.publication.rglob("*"):
        if file.is_file():
            assert prm.encode() not in file.read_bytes(), file


def test_a_day_of_the_real_load_curve(real_town: tuple[Town, Done]) -> None:
    """Computed again from the file by hand: 144 stamps at the start of ten-minute steps, in W."""
    town, _ = real_town
    lines = (SHARED / "real/energy_enedis_sge/Enedis_SGE_HDM_A06NW11N.csv").read_text("utf-8-sig").splitlines()[3:]
    day = [line.split(";")[1] for line in lines if line.startswith("2021-06-15T")]
    assert len(day) == 144
    assert all(day)
    rows = read(town.publication / "datasets/consommation-energie-batiments/consommation-energie-batiments.csv")
    (row,) = (r for r in rows if r["date"] == "2021-06-15")
    assert float(row["energie_kwh"]) == pytest.approx(sum(map(float, day)) / 6 / 1000, abs=0.001)
    assert float(row["part_mesuree"]) == 1


def test_real_meters_leave_only_as_a_total(real_town: tuple[Town, Done]) -> None:
    town, _ = real_town
    rows: list[dict[str, Any]] = list(
        read(town.publication / "datasets/eau-volumes-journaliers/eau-volumes-journaliers.csv")
    )
    assert {r["site_id"] for r in rows} == {"GROS-CONSOMMATEURS"}
    assert all(int(r["nombre_compteurs"]) >= 11 and float(r["volume_m3"]) >= 0 for r in rows)
    assert len(rows) > 300
