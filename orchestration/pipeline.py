"""The steps from landing to publication, as plain functions that the command line and Dagster share.

Belongs here: order, locks, what is recorded as done or failed. Does not: Dagster objects (assets.py) or printing
(cli.py).

A step that fails for one source, model or dataset goes on with the others: the failure becomes a row in ops.failure,
and whoever runs the step raises at its end.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from ingestion import declarations, load
from ingestion.contract import SourceContract, load_contracts
from lake import engine, ops, table
from lake.home import ROOT, data_docs_dir, dbt_dir, home, landing_dir
from orchestration import lineage, progress, refusal, stake

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

    from publication.card import Card
    from publication.publish import PublishReport
    from quality.audit import Verdict

DBT_PROJECT = ROOT / "dbt_project"
WITHOUT_FILES = ("--no-write-json",)  # what a build did is kept in ops; manifest.json is written when it is parsed
FAILED = {"error", "fail", "runtime error"}  # dbt's words for it
# What the published tree is made from besides the gold tables.
PUBLICATION_CODE = (ROOT / "publication", ROOT / "quality", ROOT / "ingestion" / "contracts", ROOT / "territory.yml")

# No tool in the chain may call home. Set before any of them is imported, by whoever imports this module.
QUIET = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
}
os.environ.update(QUIET)


@dataclass
class BuildResult:
    """What dbt did: status by model name and by test name (`success`, `pass`, `warn`, `fail`, `error`, `skipped`).

    Models and tests that are not named were not at stake, or, when `broken`, not reached.
    """

    models: dict[str, str] = field(default_factory=dict)
    tests: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    broken: bool = False

    @property
    def failed(self) -> dict[str, str]:
        """Message by the name of what failed."""
        return {n: self.messages.get(n, "") for n, s in (self.models | self.tests).items() if s in FAILED}


def fail(run_id: str, step: str, subject: str, reason: str) -> None:
    """Record a failure for the person who must act."""
    ops.record(
        "failure",
        [{"run_id": run_id, "step": step, "subject": subject, "reason": reason, "failed_time": datetime.now(UTC)}],
    )


def failures(run_id: str) -> list[tuple[str, str, str]]:
    """(step, subject, reason) of everything that failed in a run."""
    if not table.exists("ops", "failure"):
        return []
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", "failure")
        return con.execute(
            "SELECT step, subject, reason FROM ops.failure WHERE run_id = ? ORDER BY failed_time", [run_id]
        ).fetchall()


# ingest -----------------------------------------------------------------------------------------------------------


def chosen(sources: Iterable[str] | None) -> tuple[SourceContract, ...]:
    """Contracts of the given source ids, or all.

    Raises:
        LookupError: naming the id that is unknown and those that exist.
    """
    contracts = load_contracts()
    if not sources:
        return contracts
    known = dict.fromkeys(c.id for c in contracts)
    if unknown := sorted(set(sources) - set(known)):
        msg = f"source inconnue : {', '.join(unknown)} ; sources déclarées : {', '.join(known)}"
        raise LookupError(msg)
    return tuple(c for c in contracts if c.id in set(sources))


def ingest_source(
    contract: SourceContract,
    *,
    run_id: str,
    landing: Path | None = None,
    days: load.Days = (None, None),
    last_try: bool = True,
) -> load.Ingested | None:
    """Load one table of a source; None when it failed, with a row in ops.failure.

    Raises:
        OSError: when the disk or object store failed and this is not the `last_try`.
    """
    progress.tell(f"ingestion {contract.bronze}")
    try:
        return load.ingest(
            contract,
            landing=landing,
            run_id=run_id,
            days=days,
            progress=lambda source, done, total: progress.tell(f"ingestion {source}", done, total),
        )
    except Exception as error:  # the boundary of one source: recorded, and raised again at the end
        if isinstance(error, OSError) and not last_try:
            raise
        fail(run_id, "ingest", contract.bronze, f"{type(error).__name__}: {error}"[:2000])
        return None


# build ------------------------------------------------------------------------------------------------------------


def make_request(landing: Path | None, days: load.Days, sources: Sequence[str] = ()) -> dict[str, str | list[str]]:
    """What a person asked for on the command line, in a form that travels as a run tag."""
    first, last = days
    asked: dict[str, str | list[str] | None] = {
        "landing": str(landing) if landing else None,
        "from": first.isoformat() if first else None,
        "to": last.isoformat() if last else None,
        "sources": list(sources) or None,
    }
    return {k: v for k, v in asked.items() if v is not None}


def parse_request(asked: dict[str, str]) -> dict[str, Any]:
    """Arguments of `ingest_source` from a run tag."""
    days = tuple(date.fromisoformat(asked[k]) if k in asked else None for k in ("from", "to"))
    return {"landing": Path(asked["landing"]) if "landing" in asked else None, "days": days}


@contextmanager
def building() -> Iterator[None]:
    """One build, audit or publication at a time on this installation."""
    home().mkdir(parents=True, exist_ok=True)
    (home() / "locks").mkdir(exist_ok=True)
    with FileLock(home() / "locks" / "build.lock"):
        yield


def code_fingerprint(*roots: Path) -> str:
    """Hash of the files that decide what a step makes."""
    digest = hashlib.sha256()
    for root in roots:
        paths = sorted(root.rglob("*")) if root.is_dir() else [root]
        for path in paths:
            skipped = {"target", "logs", "__pycache__"} & set(path.relative_to(ROOT).parts)
            if path.is_file() and not skipped:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def bronze_versions() -> dict[str, int]:
    """Version of each bronze table, by table name."""
    return {name: table.version("bronze", name) or 0 for name in table.tables("bronze")}


def build_fingerprint() -> str:
    """What the conformed model is a function of: code and bronze versions."""
    parts = [code_fingerprint(DBT_PROJECT), *(f"{k}={v}" for k, v in sorted(bronze_versions().items()))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def completed() -> dict[str, str]:
    """Fingerprint with which each step last completed."""
    return {step: fingerprint for step, fingerprint, _ in _completed()}


def _completed() -> list[tuple[str, str, datetime]]:
    if not table.exists("ops", "completed"):
        return []
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", "completed")
        return con.execute("SELECT step, fingerprint, completed_time FROM ops.completed").fetchall()


def complete(step: str, fingerprint: str, run_id: str) -> None:
    """Remember that a step has nothing left to do until its inputs change."""
    row = {"step": step, "fingerprint": fingerprint, "run_id": run_id, "completed_time": datetime.now(UTC)}
    ops.put("completed", [row], key=("step",))


def dbt(*arguments: str) -> Any:
    """Run dbt in this process, a third of the time of a subprocess, on the project as it was last parsed."""
    return _invoke(arguments, _parsed())


def manifest_path() -> Path:
    """Dbt's parsed project, for Dagster's asset graph; parsed again when the project or dbt changed."""
    target = dbt_dir() / "target"
    manifest, stamp = target / "manifest.json", target / "datanevers.sha256"
    fingerprint = "\n".join([code_fingerprint(DBT_PROJECT), *(f"{n} {version(n)}" for n in ("dbt-core", "dbt-duckdb"))])
    if manifest.is_file() and stamp.is_file() and stamp.read_text() == fingerprint:
        return manifest
    result = _invoke(["parse"])
    if not result.success:
        msg = f"dbt parse a échoué : {result.exception or result.result}"
        raise RuntimeError(msg)
    stamp.write_text(fingerprint)
    return manifest


def _parsed() -> Manifest:
    """The parsed project as an object of its own: a build changes it.

    Left to itself, dbt reads the same file, looks at every file of the project again and writes five megabytes of
    manifest.json, twice: 3.5 s of processor time a build; where DATANEVERS_HOME moved, it parses all again: 12 s.
    """
    from dbt.contracts.graph.manifest import Manifest

    kept = manifest_path().with_name("partial_parse.msgpack")
    manifest = Manifest.from_msgpack(kept.read_bytes())
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    return manifest


def _invoke(arguments: Sequence[str], manifest: Manifest | None = None) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    os.environ["DATANEVERS_HOME"] = str(home())
    os.environ["DBT_LOG_PATH"] = str(dbt_dir() / "logs")
    dbt_dir().mkdir(parents=True, exist_ok=True)
    common = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT), "--no-use-colors"]
    try:
        # dbt prints what fails on standard output, which is the command's own
        with redirect_stdout(sys.stderr):
            return dbtRunner(manifest=manifest).invoke(["--quiet", *arguments, *common])
    finally:
        # else this process keeps the lock on dbt's database
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def build(*, run_id: str, select: Sequence[str] = ()) -> BuildResult:
    """Build silver and gold; models whose tests fail keep their last good version.

    Only what is downstream of a bronze table that changed since it was last consumed is built; everything when the dbt
    project changed. What failed or was refused is built again by the next build; a bronze table counts as consumed once
    all that it adds days or keys to succeeded.

    Args:
        run_id: recorded with failures.
        select: dbt model names; what is at stake when empty.
    """
    progress.tell("construction (dbt)")
    load.ensure_tables(load_contracts())
    # taken before dbt reads: what arrives meanwhile is for the next build
    fingerprint, versions, code = build_fingerprint(), bronze_versions(), code_fingerprint(DBT_PROJECT)
    refresh = completed().get("dbt_project") != code
    # unit tests prove the code, not the data: they run in `make test`
    arguments = ["build", "--exclude-resource-type", "unit_test", *WITHOUT_FILES]
    if select:
        return _dbt_build([*arguments, "--select", *select], run_id)[0]
    if refresh or not stake.can_resume():
        arguments += ["--full-refresh"] if refresh else []
    else:
        chosen = stake.selection(_dbt_nodes(), stake.changed(versions))
        arguments = [*arguments, "--select", *chosen] if chosen else []
    result, unfinished = _dbt_build(arguments, run_id) if arguments else (BuildResult(), set())
    if not result.broken:
        nodes = _dbt_nodes()
        stake.finish((nodes[i]["name"] for i in unfinished), run_id)
        parts = stake.made_in_parts(unfinished, nodes)
        stake.consume(versions, kept=stake.sources_of(parts, nodes), run_id=run_id)
        # newer code must not add to the parts that older code made: these tables are refreshed until that succeeds
        if refresh and not parts:
            complete("dbt_project", code, run_id)
        if not unfinished and completed().get("build") != fingerprint:
            complete("build", fingerprint, run_id)
    return result


def _dbt_build(arguments: Sequence[str], run_id: str) -> tuple[BuildResult, set[str]]:
    """Run dbt; what it did, and the ids of the models that did not come through, with those a failed test looked at."""
    from dbt.artifacts.schemas.run import RunExecutionResult

    outcome = dbt(*arguments)
    result = BuildResult(broken=not isinstance(outcome.result, RunExecutionResult))
    unfinished: set[str] = set()
    for node in () if result.broken else outcome.result.results:
        kind, status = node.node.resource_type, str(node.status)
        if kind in ("model", "test", "seed"):
            group = result.models if kind in ("model", "seed") else result.tests
            group[node.node.name] = status
            result.messages[node.node.name] = node.message or ""
            result.seconds[node.node.name] = node.execution_time
        if kind == "test" and status in FAILED:
            unfinished |= {i for i in node.node.depends_on.nodes if i.startswith("model.")}
        elif kind in ("model", "seed") and status != "success":
            unfinished.add(node.node.unique_id)
    if outcome.exception is not None:
        result.broken = True
        fail(run_id, "build", "dbt", str(outcome.exception)[:2000])
    refusals = _refusals(outcome, result, run_id)
    for name, message in result.failed.items():
        if name not in refusals:
            fail(run_id, "build", name, message[:2000])
    return result, unfinished


def _dbt_nodes() -> stake.Nodes:
    """Models, seeds, tests and sources of the project as the last build parsed it, by id."""
    parsed = lineage.read_manifest(dbt_dir() / "target" / "manifest.json")
    nodes: stake.Nodes = parsed["nodes"] | parsed["sources"]
    return nodes


def _refusals(outcome: Any, result: BuildResult, run_id: str) -> set[str]:
    """Keep what tests refused on its way into a dataset; names of these tests."""
    from publication.card import load_cards

    dataset_of = {t.model: card.id for card in load_cards() for t in card.tables}
    manifest = lineage.read_manifest(dbt_dir() / "target" / "manifest.json")
    results = outcome.result.results if result.models else ()
    refusals = refusal.refused(results, manifest["child_map"], dataset_of)
    refusal.keep(refusals, run_id, (dataset_of[name] for name in result.models if name in dataset_of))
    return {r.test for r in refusals}


# audit, publish ---------------------------------------------------------------------------------------------------


def publish_fingerprint(built: str | None) -> str:
    """What the published tree is a function of: the conformed model (its fingerprint), cards, standards and code."""
    return hashlib.sha256(f"{built}\n{code_fingerprint(*PUBLICATION_CODE)}".encode()).hexdigest()


def audit(*, run_id: str, datasets: Sequence[str] = ()) -> dict[str, Verdict]:
    """Run the gate: audit candidates, promote those that pass; verdicts that still hold are not asked for again."""
    from publication.card import load_cards
    from publication.gate import run_gate
    from quality import data_docs

    progress.tell("contrôle (Great Expectations)")
    cards = [c for c in load_cards() if not datasets or c.id in datasets]
    holding = _holding(cards)
    upstream = lineage.upstream(lineage.read_manifest(manifest_path()))
    waiting = [c for c in cards if c.id not in holding]
    verdicts = run_gate(waiting, run_id=run_id, refused=refusal.current(), upstream=upstream)
    data_docs.build(verdicts, data_docs_dir(), run_id=run_id)
    return holding | verdicts


def publish(verdicts: dict[str, Verdict], *, run_id: str) -> PublishReport:
    """Bring the published tree level with the gold tables of datasets that passed."""
    from publication.card import load_cards
    from publication.publish import publish as publish_tree

    progress.tell("publication")
    fingerprint, cards = publish_fingerprint(completed().get("build")), load_cards()
    settled_ones = _holding(cards)
    with engine.connect() as con:
        news = {name: verdict for name, verdict in verdicts.items() if name not in settled_ones}
        steps = lineage.steps(lineage.read_manifest(manifest_path()))
        report = publish_tree(con, cards, news, run_id=run_id, steps=steps)
    if {card.id for card in cards} <= verdicts.keys():  # one dataset published alone leaves work for the others
        complete("publish", fingerprint, run_id)
        complete("publication_code", code_fingerprint(*PUBLICATION_CODE), run_id)
    return report


def _holding(cards: Sequence[Card]) -> dict[str, Verdict]:
    """Verdicts that still hold, of datasets that were published since by the code of today."""
    from orchestration import settled

    told = {step: (fingerprint, when) for step, fingerprint, when in _completed()}
    code, published_time = told.get("publication_code", ("", datetime.min.replace(tzinfo=UTC)))
    if code != code_fingerprint(*PUBLICATION_CODE):
        return {}
    return settled.verdicts(cards, refused=refusal.current(), published_time=published_time)


# the whole ----------------------------------------------------------------------------------------------------------


def prepare() -> None:
    """Set up what Dagster needs: its folder, its settings, and dbt's parsed project."""
    settings = home() / "dagster" / "dagster.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    wanted = (Path(__file__).parent / "dagster.yaml").read_text(encoding="utf-8")
    if not settings.is_file() or settings.read_text(encoding="utf-8") != wanted:
        settings.write_text(wanted, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(settings.parent)
    manifest_path()


def nothing_new(landing: Path | None = None, contracts: Sequence[SourceContract] = ()) -> bool:
    """Whether no file, declaration or model changed, and no correction lapsed, since the last run that completed."""
    if load.pending(contracts or load_contracts(), landing or landing_dir()):
        return False
    done = completed()
    if "build" not in done or declarations.changed() or stake.lapsed():
        return False
    return done["build"] == build_fingerprint() and done.get("publish") == publish_fingerprint(done["build"])
