"""The event log kept open holds what Dagster's own would, where Dagster's own would look for it."""

from __future__ import annotations

import threading
from pathlib import Path

import dagster as dg
import pytest

from orchestration import event_log

SETTINGS = Path(event_log.__file__).with_name("dagster.yaml")


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="thing")])
def thing() -> dg.MaterializeResult:
    """Any asset with a check."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.job
def job() -> None:
    """A run of this is only written about."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(SETTINGS.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_dagster_finds_the_events_with_its_own_storage(place: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, event_log.EventLog)
        run = dg.materialize([thing], instance=instance).run_id
        written = [e.dagster_event_type for e in instance.all_logs(run)]
    (place / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.get() as instance:
        assert not isinstance(instance.event_log_storage, event_log.EventLog)
        assert [e.dagster_event_type for e in instance.all_logs(run)] == written
        last = instance.get_latest_materialization_event(dg.AssetKey("thing"))
    assert dg.DagsterEventType.ASSET_CHECK_EVALUATION in written
    assert last is not None
    assert last.run_id == run


def test_who_watches_a_run_is_told_of_its_events_while_it_goes_on(place: Path) -> None:
    """As the UI does, in a process of its own: the run's process keeps the log open, and may go on for minutes."""
    with dg.DagsterInstance.get() as running, dg.DagsterInstance.get() as looking:
        run = running.create_run_for_job(job)
        seen: list[str] = []
        told = threading.Event()

        def tell(entry: dg.EventLogEntry, _cursor: str) -> None:
            seen.append(entry.message)
            if seen[-1] == "after":
                told.set()

        running.report_engine_event("before", run)
        looking.watch_event_logs(run.run_id, None, tell)
        running.report_engine_event("after", run)
        assert told.wait(30)
        looking.end_watch_event_logs(run.run_id, tell)
    assert seen == ["before", "after"]


def test_looking_at_many_runs_does_not_leave_their_databases_open(place: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        runs = [dg.materialize([thing], instance=instance).run_id for _ in range(event_log.KEPT_OPEN + 3)]
        assert all(instance.all_logs(run) for run in runs)
        assert 1 <= len(open_databases(place)) <= event_log.KEPT_OPEN
    assert open_databases(place) == set()


def open_databases(place: Path) -> set[str]:
    """Event databases that this process has open."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    return {link for link in links if link.startswith(str(place / "history/runs")) and link.endswith(".db")}
