"""What a build looks at: what is made from tables that changed, what did not come through before, and nothing else.

The builds tell one story on one installation, each from where the former left it, because each takes seconds.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from ingestion.contract import load_contracts
from ingestion.load import ingest
from lake import candidate, ops, table
from lake.home import dbt_dir, landing_dir, table_uri
from orchestration import declared, pipeline, refusal, stake
from simulation.run import simulate
from tests.parsed import parsed_into

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)  # the first and the last build are of everything

SOURCES = ("asset_register", "building_energy", "carpool_sites", "water_scada")
CARPOOL = {"stg_carpool_sites__site", "carpool_site", "lieux_covoiturage"}
SILVER_OF_SCADA = {"stg_water_scada__reading", "observation", "datastream", "counter_increment", "observation_gap"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three days of four sources, loaded and built; open data promoted as after its audit."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("DATANEVERS_HOME", str(home))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        patch.setenv("DBT_LOG_PATH", str(home / "dbt/logs"))
        simulate(home / "exports", seed=7, start=date(2026, 10, 5), days=3, scale=0.1)
        for source in SOURCES:
            shutil.copytree(home / "exports" / source, landing_dir() / source)
        late = list((landing_dir() / "water_scada").glob("*_20261007.csv"))
        for path in late:
            path.rename(home / path.name)
        load()
        declared.write()
        parsed_into(home)
        assert pipeline.build(run_id="first").failed == {}
        promote()
        yield home


def load() -> None:
    """What a run ingests."""
    for contract in load_contracts():
        if contract.id in SOURCES:
            ingest(contract)


def promote() -> None:
    """What the audit does with all that passes."""
    for waiting in candidate.pending():
        candidate.promote(waiting.layer, waiting.table)


def versions() -> dict[str, int | None]:
    return {
        f"{layer}.{name}": table.version(layer, name) for layer in ("silver", "gold") for name in table.tables(layer)
    }


def downstream(model: str) -> set[str]:
    """What dbt's own graph makes from a model, itself included, and from tables of ops: these go with every build."""
    manifest = json.loads((dbt_dir() / "target" / "manifest.json").read_text(encoding="utf-8"))
    reached = {i for i, source in manifest["sources"].items() if source["schema"] != "bronze"}
    reached.add(f"model.datanevers.{model}")
    while more := {c for i in reached for c in manifest["child_map"][i] if c.startswith("model.")} - reached:
        reached |= more
    nodes = [manifest["nodes"][i] for i in reached if i.startswith("model.")]
    return {n["name"] for n in nodes if n["config"]["materialized"] != "ephemeral"}


def deliver_carpool(name: str, **changed: str) -> None:
    """A new national base: the last one, with other values in its first row of the department."""
    folder = landing_dir() / "carpool_sites"
    with max(folder.glob("*.csv")).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    next(row for row in rows if row["insee"].startswith("58")).update(changed)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (folder / name).write_text(text.getvalue(), encoding="utf-8")
    load()


def test_with_nothing_new_nothing_is_built(house: Path) -> None:
    assert stake.changed(pipeline.bronze_versions()) == set()
    done = pipeline.build(run_id="idle")
    assert (done.models, done.tests, done.broken) == ({}, {}, False)


def test_the_parsed_project_moves_with_the_installation(house: Path, tmp_path: Path) -> None:
    """Restored elsewhere, or under another name: dbt by itself would parse everything again."""
    shutil.copytree(house / "dbt", tmp_path / "dbt")
    kept = tmp_path / "dbt/target/partial_parse.msgpack"
    before = kept.stat().st_mtime_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path))
        done = pipeline.dbt("list", "--select", "carpool_site", "--resource-type", "model")
    assert [str(line) for line in done.result] == ["datanevers.conformed.carpool_site"]
    assert kept.stat().st_mtime_ns == before


def test_a_new_file_builds_what_is_made_from_it(house: Path) -> None:
    deliver_carpool("bnlc_20261101.csv", nom_lieu="Parking neuf")
    done = pipeline.build(run_id="one file")
    assert done.models == dict.fromkeys(downstream("stg_carpool_sites__site"), "success")
    assert set(done.models) >= CARPOOL
    assert not {"address", "grant_award", "stg_water_scada__reading"} & set(done.models)
    assert "unique_carpool_site_site_id" in done.tests
    assert "lieux_covoiturage" in {waiting.table for waiting in candidate.pending()}


def test_a_candidate_that_the_audit_held_back_waits(house: Path) -> None:
    assert pipeline.build(run_id="not its turn").models == {}
    assert "lieux_covoiturage" in {waiting.table for waiting in candidate.pending()}
    promote()


def test_a_held_candidate_that_is_lost_is_built_again(house: Path) -> None:
    row = {"dataset": "lieux-covoiturage", "audit_id": "a", "verdict": "failed", "rows": 0, "table_rows": "{}"}
    rest = {"delta_versions": "{}", "checks": "[]", "run_id": "held", "audited_time": datetime.now(UTC)}
    ops.record("audit", [row | rest])
    assert set(pipeline.build(run_id="lost").models) == downstream("lieux_covoiturage")
    assert pipeline.build(run_id="found").models == {}
    promote()
    table.delete("ops", "audit", "run_id = 'held'")


def test_what_was_refused_is_built_again_and_holds_nothing_else_up(house: Path) -> None:
    deliver_carpool("bnlc_20261102.csv", Xlong="500.5")  # not on earth
    done = pipeline.build(run_id="bad file")
    assert done.models["lieux_covoiturage"] == "skipped"
    assert "lieux-covoiturage" in refusal.current()
    assert stake.unfinished() >= {"carpool_site", "lieux_covoiturage"}

    for path in house.glob("*_20261007.csv"):  # a day of another source
        path.rename(landing_dir() / "water_scada" / path.name)
    load()
    done = pipeline.build(run_id="another source")
    assert done.models["lieux_covoiturage"] == "skipped"
    assert {done.models[name] for name in SILVER_OF_SCADA} == {"success"}
    assert "grant_award" not in done.models

    done = pipeline.build(run_id="once more")
    assert done.models["lieux_covoiturage"] == "skipped"
    deliver_carpool("bnlc_20261103.csv", Xlong="3.16")
    done = pipeline.build(run_id="good file")
    assert set(done.models.values()) == {"success"}
    assert set(done.models) >= downstream("carpool_site")
    assert refusal.current() == {}
    assert stake.unfinished() == stake.changed(pipeline.bronze_versions()) == set()
    promote()


def test_a_table_that_is_gone_is_built_again(house: Path) -> None:
    shutil.rmtree(table_uri("silver", "carpool_site"))
    assert set(pipeline.build(run_id="gone").models) == downstream("carpool_site")
    promote()


def test_a_full_build_finds_what_the_builds_in_parts_made(house: Path) -> None:
    """Equal content commits nothing: not one table gets another version."""
    before = versions()
    table.delete("ops", "completed", "step = 'dbt_project'")
    done = pipeline.build(run_id="whole")
    assert len(done.models) > 100
    promote()
    assert versions() == before
