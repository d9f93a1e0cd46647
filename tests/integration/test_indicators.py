"""The programme's indicators and the list of sources, on a small loaded lake, counted a second way."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import yaml

from ingestion.contract import CONTRACTS_DIR, load_contracts, read_contracts
from ingestion.load import ensure_tables, ingest
from ingestion.territory import load_territory
from lake.home import ROOT
from orchestration import declared
from simulation import lorawan_uplinks, water_scada, wifi_sessions
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.simulated import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import House

LOADED = (lorawan_uplinks, water_scada, wifi_sessions)


def command(home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATANEVERS_", "COVERAGE_"))}
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *argv],
        env=kept | {"DATANEVERS_HOME": str(home), "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def document(home: Path, *argv: str) -> Any:
    done = command(home, *argv, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def values(home: Path) -> dict[str, float]:
    return {one["code"]: one["value"] for one in document(home, "indicators")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three days of three platforms, and the silver tables that the indicators count."""
    where = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(where))
        patch.setenv("DBT_LOG_PATH", str(where / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        job = Job(where / "landing", 58, date(2026, 10, 23), 3, 0.2, load_territory(), Truth())
        for module in LOADED:
            module.write(job)
        job.truth.write(where / "landing/_truth")
        ensure_tables(load_contracts())
        declared.write()
        for contract in load_contracts():
            if contract.id in {m.SOURCE for m in LOADED}:
                ingest(contract)
        assert build("platform", "datastream")
        yield where


def truth(home: Path) -> list[dict[str, str]]:
    with (home / "landing/_truth/ledger.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_platforms_are_those_of_the_contracts(home: Path) -> None:
    found = values(home)
    contracts = [yaml.safe_load(path.read_text("utf-8")) for path in CONTRACTS_DIR.glob("*/*.yml")]
    assert found["platforms_declared"] == len({c["platform"] for c in contracts})
    loaded = {c["platform"] for c in contracts if c["id"] in {m.SOURCE for m in LOADED}}
    assert found["platforms_integrated"] == len(loaded) == 3

    def over(c: dict[str, Any]) -> bool:
        return c["integration"] == "replace" and bool(c.get("contract_end")) and c["contract_end"] < date.today()  # noqa: DTZ011

    alive = {c["platform"] for c in contracts if not over(c)}
    assert found["platforms_shut_down"] == len({c["platform"] for c in contracts} - alive)
    assert found["platform_cost"] == sum(c.get("cost_eur_year") or 0 for c in contracts if not over(c))


def test_rows_and_bytes_are_those_of_the_files(home: Path) -> None:
    found = values(home)
    assert found["rows_kept"] == sum(int(row["rows_loaded"]) for row in truth(home))
    containers = {row["file"]: home / "landing" / row["source"] / row["file"] for row in truth(home)}
    whole = {name: path.stat().st_size for name, path in containers.items() if "!" not in name}
    assert found["bytes_received"] >= sum(whole.values()) > 0
    kept = [p for p in (home / "lake").rglob("*.parquet") if "_delta_log" not in p.parts]
    assert 0 < found["bytes_kept"] <= sum(p.stat().st_size for p in kept)


def test_sensors_are_the_devices_that_were_heard(home: Path) -> None:
    """LoRaWAN devices with a value, and the units of the water network; wifi counts people, not sensors."""
    from lake import engine

    with pytest.MonkeyPatch.context() as patch, engine.connect() as con:
        patch.setenv("DATANEVERS_HOME", str(home))
        units = con.execute("SELECT count(DISTINCT unit_id) FROM bronze.water_scada__reading").fetchall()[0][0]
        sources = {s for (s,) in con.execute("SELECT DISTINCT source_id FROM silver.datastream").fetchall()}
        devices = con.execute(
            "SELECT count(DISTINCT thing_id) FROM silver.datastream WHERE source_id = 'lorawan_uplinks'"
        ).fetchall()[0][0]
    assert sources == {"lorawan_uplinks", "water_scada"}
    assert units >= 4
    assert devices > 0
    assert values(home)["sensors_connected"] == units + devices


def test_gateways_are_those_that_frames_name(home: Path) -> None:
    """Three days are all within the last week: another engine reads the table, and ChirpStack's files are read again."""
    frames = pl.read_delta(str(home / "lake/bronze/lorawan_uplinks__uplink"), columns=["gateways"])
    named = set(frames["gateways"].explode().struct.field("gateway_id").drop_nulls().to_list())
    assert values(home)["gateways_active"] == len(named) > 1
    heard = set()
    for path in (home / "landing/lorawan_uplinks").glob("chirpstack*.gz"):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            heard |= {str(g.get("gatewayId") or g.get("gatewayID")) for g in json.loads(line)["rxInfo"]}
    assert heard
    assert heard <= named


def test_nothing_is_published_yet(home: Path) -> None:
    assert values(home)["datasets_published"] == 0


def test_an_empty_installation_counts_nothing(tmp_path: Path) -> None:
    found = document(tmp_path / "home", "indicators")
    assert all(set(one) == {"code", "title", "value", "unit"} for one in found)
    assert {one["value"] for one in found} == {0}
    assert all(one["title"] and one["unit"] for one in found)


def test_the_table_of_indicators_is_for_people(home: Path) -> None:
    done = command(home, "indicators")
    assert done.returncode == 0
    assert "Plateformes dont des données sont chargées" in done.stdout


def test_sources_by_platform_and_department(home: Path) -> None:
    found = document(home, "sources")
    assert all(set(one) >= {"id", "platform", "department", "format", "rows_loaded"} for one in found)
    assert [one["id"] for one in found] == sorted({c.id for c in load_contracts()})
    rows: dict[str, int] = {}
    for row in truth(home):
        rows[row["source"]] = rows.get(row["source"], 0) + int(row["rows_loaded"])
    assert {one["id"]: one["rows_loaded"] for one in found if one["rows_loaded"]} == rows
    by_id = {one["id"]: one for one in found}
    assert by_id["lorawan_uplinks"]["format"] == "jsonl, xml"
    assert set(by_id["urban_assets"]["format"].split(", ")) == {"csv", "xlsx", "geo"}
    assert by_id["transit_gtfs"]["tables"][0].startswith("transit_gtfs__")


# a new source, from a file


NOISE = (
    "Capteur;Début mesure;LAeq (dB);Étage\r\n"
    "B01;05/10/2026 08:00;55,2;1\r\n"
    "B01;05/10/2026 08:15;57,0;1\r\n"
    "B02;05/10/2026 08:00;49,8;2\r\n"
)
PARTS = ("ingestion", "lake", "orchestration", "publication", "quality", "simulation", "dbt_project", "docs")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code, in which a command may write."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "target", "logs", "images")
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=ignored)
    for name in ("territory.yml", "pyproject.toml"):
        shutil.copy2(ROOT / name, copy / name)
    return copy


def in_copy(checkout: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATANEVERS_", "COVERAGE_"))}
    more = {"DATANEVERS_HOME": str(checkout / "var"), "PYTHONPATH": str(checkout), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *argv],
        env=kept | more,
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_new_source_writes_what_loads(checkout: Path, house: House) -> None:
    sample = checkout / "bruit_20261005.csv"
    sample.write_bytes(NOISE.encode("cp1252"))
    options = (
        "new-source",
        "noise_meters",
        "--sample",
        str(sample),
        "--domain",
        "environment",
        "--table",
        "quarter_hour",
    )
    done = in_copy(checkout, *options)
    assert done.returncode == 0, done.stderr
    written = {line.removeprefix("écrit : ") for line in done.stdout.splitlines() if line.startswith("écrit : ")}
    contract = "ingestion/contracts/environment/noise_meters.yml"
    staging = "dbt_project/models/staging/stg_noise_meters__quarter_hour"
    assert written >= {
        contract, f"{staging}.sql", f"{staging}.yml", "tests/fixtures/sources/noise_meters/bruit_20261005.csv",
        "dbt_project/models/staging/_sources.yml", "docs/sources/noise_meters.md",
    }  # fmt: skip
    assert all((checkout / name).is_file() for name in written)
    assert not (ROOT / contract).exists(), "the copy was written, not this checkout"
    (declared,) = read_contracts(checkout / contract)
    assert declared.bronze == "noise_meters__quarter_hour"
    house.put("noise_meters", "bruit_20261006.csv", NOISE.encode("cp1252"))
    (loaded,) = house.ingest(declared)
    assert (loaded.rows_read, loaded.rows_loaded) == (3, 3)
    again = in_copy(checkout, *options)
    assert again.returncode == 2
    assert "existe déjà" in again.stderr


def test_new_source_of_a_file_that_says_nothing(checkout: Path) -> None:
    sample = checkout / "x.pdf"
    sample.write_bytes(b"%PDF")
    done = in_copy(checkout, "new-source", "x", "--sample", str(sample), "--domain", "water")
    assert done.returncode == 2
    assert "extension inconnue" in done.stderr
