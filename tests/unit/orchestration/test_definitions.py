"""What Dagster shows: every declaration is an asset that explains itself, and what starts runs behaves."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.contract import load_contracts
from orchestration.declared import tables as declared_tables
from publication.card import load_cards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import dagster as dg


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(home))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        yield home


@pytest.fixture(scope="module")
def definitions(house: Path) -> dg.Definitions:
    from orchestration.definitions import defs

    return defs()


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {s.key.to_user_string(): s for s in definitions.resolve_all_asset_specs()}


def test_every_contract_model_and_card_is_an_asset(specs: dict[str, dg.AssetSpec]) -> None:
    from orchestration.assets import manifest

    models = [n for n in manifest()["nodes"].values() if n["resource_type"] in ("model", "seed")]
    stored = {f"{m['schema']}/{m['name']}" for m in models if m["config"]["materialized"] != "ephemeral"}
    bronze = {f"bronze/{c.bronze}" for c in load_contracts()}
    declared = {f"bronze/{name}" for name in declared_tables()}
    done = {"ops/ingest_file", "ops/publication"}
    assert set(specs) == stored | bronze | declared | done | {f"publication/{c.id}" for c in load_cards()}


def test_every_asset_explains_itself(specs: dict[str, dg.AssetSpec]) -> None:
    groups = {"bronze", "staging", "intermediate", "reference", "conformed", "marts", "opendata", "publication", "ops"}
    groups |= {f"bronze_{c.domain}" for c in load_contracts()}
    for name, spec in specs.items():
        assert spec.description, name
        assert "Raw SQL" not in spec.description, name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.group_name in groups, name
        columns = spec.metadata["dagster/column_schema"].columns
        assert columns, name
        assert not [c.name for c in columns if not (c.description and c.type)], name


def test_the_tables_named_in_the_ui_are_those_of_the_lake(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        if spec.group_name != "publication":
            assert spec.metadata["dagster/table_name"] == name.replace("/", ".")


def test_the_audit_blocks_and_nothing_else_does(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking = {
        (key.asset_key.path[0], key.name) for key in graph.asset_check_keys if graph.get_check_spec(key).blocking
    }
    assert blocking == {("publication", "audit")}, "a test of one model would keep every dataset from being published"
    audited = {k.asset_key.path[-1] for k in graph.asset_check_keys if k.name == "audit"}
    assert audited == {c.id for c in load_cards()}


def test_an_appending_source_has_a_partition_for_today(specs: dict[str, dg.AssetSpec]) -> None:
    from datetime import UTC, datetime

    for contract in load_contracts():
        days = specs[f"bronze/{contract.bronze}"].partitions_def
        assert (days is not None) == (contract.mode == "append"), contract.id
        if days is not None:
            assert days.get_last_partition_key() == f"{datetime.now(UTC):%Y-%m-%d}"


def test_two_schedules_and_a_sensor_start_runs_by_themselves(definitions: dg.Definitions) -> None:
    """Asking platforms is off until an operator wants it: an installation calls nobody unasked."""
    import dagster as dg

    found: dict[str, Any] = {s.name: s for s in [*(definitions.schedules or ()), *(definitions.sensors or ())]}
    assert set(found) == {"hourly", "nightly", "landing", "collecting"}
    running = {dg.DefaultScheduleStatus.RUNNING, dg.DefaultSensorStatus.RUNNING}
    assert {name for name, s in found.items() if s.default_status in running} == {"hourly", "nightly", "landing"}


def test_collecting_asks_nobody_without_credentials(
    house: Path, definitions: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources that need no credential are left out here: they would be asked over the network."""
    import dagster as dg

    from ingestion.connectors.secrets import missing
    from orchestration import collect

    needy = {c.id for c in load_contracts() if c.connector and c.connector.kind != "mqtt" and missing(c.connector)}
    assert needy
    monkeypatch.setattr(collect, "load_contracts", lambda: [c for c in load_contracts() if c.id in needy])
    with dg.DagsterInstance.ephemeral() as instance:
        assert definitions.resolve_job_def("collect").execute_in_process(instance=instance).success
    assert not [p for source in needy for p in (house / "landing" / source).rglob("*")]


def test_the_hourly_run_leaves_out_the_sources_of_other_cadences(definitions: dg.Definitions) -> None:
    keys = {k.to_user_string() for k in definitions.resolve_job_def("hourly_run").asset_layer.executable_asset_keys}
    expected = {f"bronze/{c.bronze}" for c in load_contracts() if c.cadence == "hourly"}
    declared = {f"bronze/{name}" for name in declared_tables()}
    assert {k for k in keys if k.startswith("bronze/")} == expected | declared
    assert {f"publication/{c.id}" for c in load_cards()} <= keys


def test_the_hourly_tick_asks_for_one_run_without_partition(definitions: dg.Definitions) -> None:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance)
        tick = definitions.resolve_schedule_def("hourly").evaluate_tick(context)
    (request,) = tick.run_requests or ()
    assert request.partition_key is None


def evaluate(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.SensorResult | Any:
    import dagster as dg

    with dg.build_sensor_context(instance=instance, definitions=definitions) as context:
        return definitions.resolve_sensor_def("landing").evaluate_tick(context)


def drop(house: Path, content: bytes) -> Path:
    file = house / "landing" / "water_scada" / "SOFREL_U1_20261005.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_the_sensor_asks_once_for_the_same_files(house: Path, definitions: dg.Definitions) -> None:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        assert "aucun fichier" in (evaluate(definitions, instance).skip_message or "")
        file = drop(house, b"Site;Voie\n")
        (first,), (again,) = (evaluate(definitions, instance).run_requests for _ in range(2))
        assert first.run_key == again.run_key
        file.write_bytes(b"Site;Voie\nlonger")
        (changed,) = evaluate(definitions, instance).run_requests
        file.unlink()
    assert changed.run_key != first.run_key


def test_the_sensor_waits_for_a_run_under_way(house: Path, definitions: dg.Definitions) -> None:
    import dagster as dg

    file = drop(house, b"Site;Voie\n")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_run(dg.DagsterRun("full_run", status=dg.DagsterRunStatus.STARTED))
        assert evaluate(definitions, instance).skip_message == "une exécution est en cours"
    file.unlink()


def test_a_command_that_was_killed_does_not_hold_the_queue(definitions: dg.Definitions) -> None:
    import socket

    import dagster as dg

    from orchestration.runs import PROCESS, release_abandoned

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with dg.DagsterInstance.ephemeral() as instance:
        for pid in (gone.pid, os.getpid()):
            tags = {PROCESS: f"{socket.gethostname()}:{pid}"}
            instance.add_run(dg.DagsterRun("full_run", status=dg.DagsterRunStatus.STARTED, tags=tags))
        release_abandoned(instance)
        statuses = {r.tags[PROCESS].rpartition(":")[2]: r.status for r in instance.get_runs()}
    assert statuses == {
        str(gone.pid): dg.DagsterRunStatus.FAILURE,
        str(os.getpid()): dg.DagsterRunStatus.STARTED,
    }


def test_a_dataset_held_by_its_audit_is_named_and_the_others_are_published(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from orchestration import assets, pipeline
    from publication.publish import Outcome, PublishReport
    from quality.audit import Verdict

    held, *others = [c.id for c in load_cards()]
    verdicts = {i: Verdict(i, "failed" if i == held else "passed", {"t": 3}, ()) for i in (held, *others)}
    outcomes = [Outcome(held, "held", 1, "audit"), *(Outcome(i, "published", 2) for i in others)]
    monkeypatch.setattr(pipeline, "audit", lambda **_: verdicts)
    monkeypatch.setattr(pipeline, "publish", lambda *_, **__: PublishReport(tuple(outcomes), swapped=True, tree=house))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([assets.publication_assets()], instance=instance, raise_on_error=False)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert held in (failure.step_failure_data.error_display_string or "")
    made = {e.asset_key.path[-1] for e in result.get_asset_materialization_events() if e.asset_key}
    assert made == set(others)
    checked = {e.asset_key.path[-1]: e.passed for e in result.get_asset_check_evaluations()}
    assert checked == {held: False} | dict.fromkeys(others, True)
