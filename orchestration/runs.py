"""Runs started from the command line, executed by Dagster in this process and kept in its instance.

Belongs here: choosing the assets of a command and reading back what a run did. Does not: the steps (pipeline.py).
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lake import engine, table
from orchestration import pipeline

if TYPE_CHECKING:
    import dagster as dg
    import duckdb

Step = Literal["run", "ingest", "build", "audit", "publish"]

PROCESS = "datanevers/process"  # run tag: host:pid of the command that carries the run


@dataclass
class RunReport:
    """What a command did, for people and for `--json`."""

    run_id: str | None
    changed: bool
    sources: list[dict[str, Any]] = field(default_factory=list)
    held_files: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    @property
    def held_back(self) -> bool:
        """Whether single files or datasets were held back."""
        return bool(self.held_files) or any(d["verdict"] == "failed" for d in self.datasets)

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def execute(step: Step, *, tags: dict[str, str], sources: Sequence[str] = ()) -> RunReport:
    """Run the assets of a command through Dagster.

    Raises:
        RuntimeError: when a step broke down in a way that ops.failure does not explain.
    """
    import dagster as dg

    from orchestration.automation import FULL_RUN
    from orchestration.definitions import defs

    pipeline.prepare()
    job = defs().resolve_job_def(FULL_RUN)
    with dg.DagsterInstance.get() as instance:
        release_abandoned(instance)
        result = job.execute_in_process(
            instance=instance,
            asset_selection=_selection(step, sources),
            tags={**tags, "datanevers/command": step, PROCESS: f"{socket.gethostname()}:{os.getpid()}"},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    report = report_of(result.run_id)
    if broken := _broken_steps(result):
        raise RuntimeError("; ".join(broken))
    return report


def release_abandoned(instance: dg.DagsterInstance) -> None:
    """Fail the runs of commands that were killed: Dagster would take them for running and let all others wait."""
    import dagster as dg

    for run in instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        host, _, pid = run.tags.get(PROCESS, "").rpartition(":")
        if host == socket.gethostname() and not _alive(int(pid)):
            instance.report_run_failed(run, "La commande a été interrompue ; la relancer reprend où elle en était.")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _broken_steps(result: dg.ExecuteInProcessResult) -> list[str]:
    """Steps that broke down, with the cause at the bottom; Dagster keeps the stack.

    A step that failed in words (`dg.Failure`) told what is held back or is in ops.failure: it is not among them.
    """
    broken = []
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.user_failure_data is None:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            broken.append(f"{event.step_key} : {error.message.strip() if error else 'échec sans message'}")
    return broken


def _selection(step: Step, sources: Sequence[str]) -> list[dg.AssetKey]:
    from orchestration import assets
    from publication.card import load_cards

    bronze = [assets.bronze_key(c) for c in pipeline.chosen(sources)]
    declared = list(assets.declared.keys)
    models = sorted(assets.dbt_models().keys)
    published = [assets.dataset_key(c) for c in load_cards()]
    chosen: dict[Step, list[dg.AssetKey]] = {
        "run": [*bronze, *declared, *models, *published],
        "ingest": [*bronze, *declared],
        "build": models,
        "audit": published,
        "publish": published,
    }
    return chosen[step]


def report_of(run_id: str | None) -> RunReport:
    """What a run left in the ops tables; with None, the state as it is."""
    report = RunReport(run_id=run_id, changed=run_id is not None, datasets=datasets())
    if table.exists("ops", "ingest_file"):
        with engine.connect(attach=False) as con:
            engine.attach_table(con, "ops", "ingest_file")
            report.held_files = rows(
                con.execute(
                    "SELECT source, file, reason FROM ops.ingest_file WHERE status = 'held' ORDER BY source, file"
                )
            )
            report.sources = _received(con, run_id) if run_id else []
    if run_id:
        report.failures = [{"step": s, "subject": w, "reason": r} for s, w, r in pipeline.failures(run_id)]
    return report


def _received(con: duckdb.DuckDBPyConnection, run_id: str) -> list[dict[str, Any]]:
    return rows(
        con.execute(
            """SELECT source, count(*) AS files, count_if(status = 'held') AS held,
            sum(rows_read)::BIGINT AS rows_read, sum(rows_loaded)::BIGINT AS rows_loaded,
            sum(rows_duplicate)::BIGINT AS rows_duplicate, sum(rows_quarantined)::BIGINT AS rows_quarantined
            FROM ops.ingest_file WHERE run_id = ? GROUP BY source ORDER BY source""",
            [run_id],
        )
    )


def rows(cursor: Any) -> list[dict[str, Any]]:
    """Rows of a query as dicts."""
    names = [d[0] for d in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def datasets() -> list[dict[str, Any]]:
    """Every card with its newest verdict and what is published."""
    from publication.card import load_cards

    verdicts: dict[str, dict[str, Any]] = {}
    published: dict[str, dict[str, Any]] = {}
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", "audit")
        engine.attach_table(con, "ops", "publication")
        if table.exists("ops", "audit"):
            found = rows(
                con.execute(
                    "SELECT dataset, verdict, checks FROM ops.audit QUALIFY row_number() OVER "
                    "(PARTITION BY dataset ORDER BY audited_time DESC) = 1"
                )
            )
            verdicts = {r["dataset"]: r for r in found}
        if table.exists("ops", "publication"):
            found = rows(
                con.execute(
                    """SELECT dataset, version, sum(rows) FILTER (file LIKE '%.csv')::BIGINT AS rows,
                    list(file ORDER BY file) AS files
                    FROM ops.publication GROUP BY dataset, version
                    QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY version DESC) = 1"""
                )
            )
            published = {r["dataset"]: r for r in found}
    return [
        {
            "id": card.id,
            "standard": card.standard,
            "verdict": verdicts.get(card.id, {}).get("verdict"),
            "published_version": published.get(card.id, {}).get("version"),
            "rows": published.get(card.id, {}).get("rows") or 0,
            "files": published.get(card.id, {}).get("files") or [],
            "reasons": [
                c["message"] for c in json.loads(verdicts.get(card.id, {}).get("checks") or "[]") if not c["passed"]
            ],
        }
        for card in load_cards()
    ]
