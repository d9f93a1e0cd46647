"""The conformed model on years of telemetry: one more day, and everything again, against the same SQL in bare DuckDB.

Three installations hold 1, 12 and 36 months (of 30 days) of the same three sources, 18 816 observations a day, which
makes 20 million in 36 months: SCADA every 15 minutes, load curves every 5, LoRaWAN frames with two values. Bronze is
generated straight into Delta, one commit a month, in the form that the contracts give it.

Measured, each in a process of its own: the first build of each history, which is a full rebuild; then the builds of
three more days, one after the other. The limit runs the SQL that dbt compiled for the very same models, over the live
Parquet files of the same tables, and writes Parquet: no Delta, no candidate, no test, no dbt.

Run as a program it is the child process: `generate <from> <days>`, `full`, `build` or `limit`.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Result, Timing, middle, timed

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

HISTORIES = (1, 12, 36)  # months
DAYS = 30  # of a month
END = date(2026, 11, 1)  # first day after every history
MORE_DAYS = 3
OBSERVATIONS_PER_DAY = 18_816

Pair = tuple[Timing, Timing]  # ours, the limit

# What a day may take, how much more with the longest history than with the shortest, what a rebuild may hold.
DAY_SECONDS, GROWTH, PEAK_MB = 10, 1.2, 2048

# Columns that every bronze row has beside the source's own; `{at}` is an instant, `{day}` its UTC day.
_TRACE = """{day} AS event_date, NULL::VARCHAR AS extra, '{source}_' || {day} || '.csv' AS source_file,
    sha256({day}::VARCHAR) AS source_sha256, {day}::TIMESTAMPTZ AS source_time, {day}::TIMESTAMPTZ AS delivered_time,
    row_number() OVER (PARTITION BY {day}) AS source_row"""

_DAYS = "(SELECT unnest(range(DATE '{first}', DATE '{last}', INTERVAL 1 DAY))::DATE AS day)"

_SCADA = """
    SELECT 'RTU' || lpad(unit::VARCHAR, 2, '0') AS unit_id, channel.id AS channel_id, channel.label AS channel_label,
        day::TIMESTAMPTZ + to_minutes(15 * step) AS reading_time,
        CASE channel.id
            WHEN 'IDX01' THEN (datediff('day', DATE '2020-01-01', day) * 96 + step) * 3 % 1000000
            ELSE round(50 + 20 * sin(step / 15.3 + unit) + hash(day, unit, step, channel.id) % 100 / 20, 2)
        END::DOUBLE AS value,
        channel.unit AS unit, 'Bon' AS quality, {trace}
    FROM {days}, range(20) AS units (unit), range(96) AS steps (step), (SELECT unnest([
        {{'id': 'DEB01', 'label': 'Débit', 'unit': 'm³/h'}}, {{'id': 'IDX01', 'label': 'Index volume', 'unit': 'm³'}},
        {{'id': 'PRS01', 'label': 'Pression', 'unit': 'bar'}}, {{'id': 'PUI01', 'label': 'Puissance', 'unit': 'kW'}}
    ]) AS channel)"""

_LOAD = """
    SELECT (30000000000000 + meter)::VARCHAR AS prm, day::TIMESTAMPTZ + to_minutes(5 * step) AS stamp_time,
        (1000 * (20 + meter) + hash(day, meter, step) % 900)::DOUBLE AS power_w, NULL::VARCHAR AS declared_unit,
        5::BIGINT AS declared_step_min, 'Energie active' AS quantity, 'Consommation' AS direction,
        NULL::BOOLEAN AS is_doubtful, date_trunc('month', day)::DATE AS event_month, {trace}
    FROM {days}, range(12) AS meters (meter), range(288) AS steps (step)"""

_UPLINK = """
    SELECT '70b3d5' || lpad(device::VARCHAR, 10, '0') AS dev_eui,
        day::TIMESTAMPTZ + to_seconds(900 * step + device) AS received_time, 'unconfirmed' AS frame_type,
        (datediff('day', DATE '2020-01-01', day) * 96 + step) % 65536 AS f_cnt, 5 AS f_port,
        format(
            '{{{{"temperature":{{}},"co2":{{}}}}}}',
            round(15 + 5 * sin(step / 15.3 + device), 1), 400 + hash(day, device, step) % 900
        ) AS object,
        867100000 AS frequency_hz, 7 AS spreading_factor, {trace}
    FROM {days}, range(40) AS devices (device), range(96) AS steps (step)"""

_SOURCES = {
    ("water_scada", "reading"): _SCADA,
    ("building_energy", "load"): _LOAD,
    ("lorawan_uplinks", "uplink"): _UPLINK,
}


def generate(first: date, days: int) -> None:
    """Append days to the bronze tables, a commit per month and table, each with its row in the ledger."""
    from ingestion.contract import load_contracts
    from ingestion.load import ensure_tables
    from lake import engine, ops, table

    contracts = {(c.id, c.table): c for c in load_contracts()}
    ensure_tables(contracts.values())
    with engine.connect(attach=False) as con:
        for (source, name), sql in _SOURCES.items():
            contract = contracts[source, name]
            for offset in range(0, days, DAYS):
                start = first + timedelta(days=offset)
                end = first + timedelta(days=min(offset + DAYS, days))
                span = _DAYS.format(first=start, last=end)
                query = sql.format(days=span, trace=_TRACE.format(day="day", source=source))
                rows = _shaped(con.execute(query).to_arrow_table(), contract.bronze_schema)
                table.append("bronze", contract.bronze, rows)
                dates = [start + timedelta(days=n) for n in range((end - start).days)]
                ops.record("ingest_file", [_ledger(contract, dates, rows.num_rows)])


def _shaped(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows in the columns of a bronze table; what was not generated is null."""
    import pyarrow as pa

    given = set(rows.column_names)
    columns = [rows[f.name].cast(f.type) if f.name in given else pa.nulls(rows.num_rows, f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _ledger(contract: Any, dates: list[date], rows: int) -> dict[str, Any]:
    from lake import table

    now = datetime.now(UTC)
    return {
        "source": contract.id, "bronze_table": contract.bronze, "file": f"{dates[0]}.csv", "sha256": f"{dates[0]}",
        "bytes": rows, "rows_read": rows, "rows_loaded": rows, "rows_duplicate": 0, "rows_quarantined": 0,
        "status": "loaded", "file_time": now, "event_dates": dates, "contract_sha256": "", "run_id": "bench",
        "delta_version": table.version("bronze", contract.bronze), "ingested_time": now,
    }  # fmt: skip


def build() -> float:
    """Seconds of a build of what is at stake; what dbt ran is kept for the limit."""
    from lake.home import home
    from orchestration import pipeline

    outcomes: list[Any] = []
    invoke = pipeline.dbt

    def kept(*arguments: str) -> Any:
        outcomes.append(invoke(*arguments))
        return outcomes[-1]

    pipeline.dbt = kept
    start = time.perf_counter()
    result = pipeline.build(run_id="bench")
    seconds = time.perf_counter() - start
    if result.failed or "observation" not in result.models:
        raise RuntimeError(f"the build failed: {result.failed}")
    ran = [r.node for outcome in outcomes for r in outcome.result.results]
    sql = {node.unique_id: node.compiled_code for node in ran if node.resource_type == "model"}
    (home() / "ran.json").write_text(json.dumps(sql), encoding="utf-8")
    return seconds


def full() -> float:
    """Seconds of a build of everything from bronze; fails when it is not the number of observations that went in."""
    from lake import engine
    from orchestration import declared

    declared.write()
    seconds = build()
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "silver", "observation")
        found = con.execute("SELECT count(*), count(DISTINCT phenomenon_date) FROM silver.observation").fetchone()
    if found is None or found[0] != found[1] * OBSERVATIONS_PER_DAY:
        raise RuntimeError(f"observations and days: {found}")
    return seconds


def limit() -> float:
    """Seconds of the last build's SQL in bare DuckDB, over Parquet and to Parquet."""
    import duckdb

    from lake import engine
    from lake.home import dbt_dir, home, tmp_dir

    sql: dict[str, str] = json.loads((home() / "ran.json").read_text(encoding="utf-8"))
    nodes = json.loads((dbt_dir() / "target" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{engine.extension_path('spatial')}'")
    con.execute("SET TimeZone = 'UTC'")
    _attach(con, nodes)
    con.execute("USE dbt.main")
    target = tmp_dir() / "limit.parquet"
    start = time.perf_counter()
    for node in (n for n in sql if nodes[n]["config"]["materialized"] == "delta"):
        con.execute(f"COPY ({sql[node]}) TO '{target}' (FORMAT parquet)")
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


def _attach(con: duckdb.DuckDBPyConnection, nodes: dict[str, Any]) -> None:
    """What the SQL reads, as views over Parquet files; staging as dbt made it."""
    from lake import candidate, engine, table
    from lake.home import dbt_dir

    con.execute("ATTACH ':memory:' AS dbt")
    con.execute(f"ATTACH '{dbt_dir() / 'dbt.duckdb'}' AS made (READ_ONLY)")
    for schema in ("bronze", "staging", "silver", "gold", "ops", "reference"):
        con.execute(f"CREATE SCHEMA dbt.{schema}")
    with engine.connect() as lake:
        for layer in ("bronze", "silver", "gold", "ops"):
            for name in table.tables(layer):
                types = {row[0]: row[1] for row in lake.execute(f'DESCRIBE {layer}."{name}"').fetchall()}
                con.execute(_parquet(layer, name, types))
    for waiting in candidate.pending():
        con.execute(f'CREATE VIEW dbt.{waiting.layer}."{waiting.table}" AS FROM {waiting.relation()}')
    for name in (n["alias"] for n in nodes.values() if n["resource_type"] == "seed"):
        con.execute(f'CREATE TABLE dbt.reference."{name}" AS FROM made.reference."{name}"')
    con.execute("USE dbt.main")
    views = "SELECT sql FROM duckdb_views() WHERE database_name = 'made' AND schema_name = '{}' AND NOT internal"
    waiting = [row[0] for schema in ("staging", "main") for row in con.execute(views.format(schema)).fetchall()]
    while waiting:  # a view may read one that comes after it
        late = [sql for sql in waiting if not _made(con, sql)]
        if len(late) == len(waiting):
            raise RuntimeError(f"views that read what is not there: {late}")
        waiting = late


def _made(con: duckdb.DuckDBPyConnection, sql: str) -> bool:
    """Whether a view could be made."""
    import duckdb

    try:
        con.execute(sql)
    except duckdb.CatalogException:
        return False
    return True


def _parquet(layer: str, name: str, types: dict[str, str]) -> str:
    """SQL that makes a view over the live files of a Delta table; an empty table when it has none."""
    from lake import table

    opened = table.open_table(layer, name)
    files = opened.file_uris() if opened else []
    if opened is None or not files:
        columns = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
        return f'CREATE TABLE dbt.{layer}."{name}" ({columns})'
    typed = ", ".join(f"'{column}': {types[column]}" for column in opened.metadata().partition_columns)
    hive = f", hive_partitioning = true, hive_types = {{{typed}}}" if typed else ""
    return f'CREATE VIEW dbt.{layer}."{name}" AS FROM read_parquet({files!r}{hive})'


def run(home: Path) -> list[Result]:
    """Build the histories, then add days to all of them in turn, so that what else the machine does weighs on all."""
    scratch = home / "bench_observations"
    shutil.rmtree(scratch, ignore_errors=True)
    homes = {months: scratch / str(months) for months in HISTORIES}
    wholes: dict[int, Pair] = {}
    days: dict[int, list[Pair]] = {months: [] for months in HISTORIES}
    try:
        for months, place in homes.items():
            first = END - timedelta(days=DAYS * months)
            timed(__name__, "generate", first.isoformat(), str(DAYS * months), home=place)
            wholes[months] = timed(__name__, "full", home=place), timed(__name__, "limit", home=place)
        for number in range(MORE_DAYS):
            for months, place in homes.items():
                timed(__name__, "generate", (END + timedelta(days=number)).isoformat(), "1", home=place)
                days[months].append((timed(__name__, "build", home=place), timed(__name__, "limit", home=place)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    middles = {
        m: (middle([ours for ours, _ in pairs]), middle([bare for _, bare in pairs])) for m, pairs in days.items()
    }
    return [*_days(middles), *_rebuild(*max(wholes.items()))]


def _days(days: dict[int, Pair]) -> list[Result]:
    """One more day at each history, and the two bounds on it."""
    results = [
        Result(
            name=f"conformed_day_{months}_months",
            value=round(ours.seconds, 2),
            unit="s",
            limit=f"the same SQL in bare DuckDB over Parquet: {bare.seconds:.1f} s",
            ratio=round(bare.seconds / ours.seconds, 3),
            peak_mb=round(ours.peak_mb),
        )
        for months, (ours, bare) in days.items()
    ]
    slowest, fastest = max(r.value for r in results), min(r.value for r in results)
    peak = max(r.peak_mb for r in results)
    growth = round(slowest / fastest, 2)
    return [
        *results,
        Result("conformed_day_slowest", slowest, "s", f"{DAY_SECONDS} s", round(DAY_SECONDS / slowest, 3), peak),
        Result("conformed_day_growth", growth, "times", f"{GROWTH} times", round(GROWTH / growth, 3), peak),
    ]


def _rebuild(months: int, whole: Pair) -> list[Result]:
    """Everything again, and the bound on its memory."""
    ours, bare = whole
    rows, peak = months * DAYS * OBSERVATIONS_PER_DAY, round(ours.peak_mb)
    against = f"the same SQL in bare DuckDB over Parquet: {rows / bare.seconds:,.0f} rows/s, peak {bare.peak_mb:.0f} MB"
    speed, ratio = round(rows / ours.seconds), round(bare.seconds / ours.seconds, 3)
    return [
        Result("conformed_rebuild", speed, "rows/s", against, ratio, peak),
        Result("conformed_rebuild_peak", peak, "MB", f"{PEAK_MB} MB", round(PEAK_MB / peak, 3), peak),
    ]


def peak_mb() -> float:
    """Largest resident memory that this process ever had."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def main(work: str, *arguments: str) -> float:
    """Seconds of one piece of work."""
    if work == "generate":
        generate(date.fromisoformat(arguments[0]), int(arguments[1]))
        return 0
    return {"full": full, "build": build, "limit": limit}[work]()


if __name__ == "__main__":
    elapsed = main(*sys.argv[1:])
    sys.stdout.write(json.dumps({"seconds": elapsed, "peak_mb": peak_mb()}) + "\n")
