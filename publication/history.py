"""What the lake remembers of each dataset: its versions, the updates that were refused, the files it was made from.

Belongs here: reading ops.publication, ops.audit and ops.ingest_file for the pages. Does not: writing them, or how they
are told.

Nothing here moves when a run finds nothing new: audits that say the same are one event, and files are counted up to
the version they made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lake.engine import attach_table, connect
from lake.table import exists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import duckdb

    from publication.state import Entry

LAST_EVENTS = 20
Status = Literal["passed", "warned", "failed"]


@dataclass(frozen=True)
class Event:
    """A version published at `time`, or updates refused from `time` to `until` (None: refused still)."""

    time: datetime
    version: int | None = None
    rows: int = 0
    verdict: Status | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Receipt:
    """Files of one source received before a version was made, and when the last one was."""

    files: int
    last: datetime


@dataclass(frozen=True)
class Step:
    """One model on the way from sources to a published table: `layer` as in the lake, 'staging' for its reading."""

    layer: str
    name: str


@dataclass(frozen=True)
class Memory:
    """Everything of the above, by dataset; receipts by source."""

    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    receipts: Mapping[str, Mapping[str, Receipt]] = field(default_factory=dict)


def remember(entries: Sequence[Entry]) -> Memory:
    """Read what is told of these datasets."""
    with connect(attach=False) as con:
        for name in ("publication", "audit", "ingest_file"):
            attach_table(con, "ops", name)
        verdicts = _verdicts(con)
        refusals = _refusals(con)
        versions = _versions(con)
        receipts = _receipts(con, entries)
    events = {
        entry.card.id: _timeline(
            _with_current(versions.get(entry.card.id, {}), entry),
            verdicts,
            entry.card.id,
            refusals.get(entry.card.id, ()),
        )
        for entry in entries
    }
    return Memory(events, receipts)


def _versions(con: duckdb.DuckDBPyConnection) -> dict[str, dict[int, tuple[datetime, int, str]]]:
    """Time, rows and run of each version ever published, by dataset."""
    if not exists("ops", "publication"):
        return {}
    rows = con.execute(
        "SELECT dataset, version, max(modified_time), sum(rows) FILTER (file LIKE '%.csv')::BIGINT, any_value(run_id) "
        "FROM ops.publication GROUP BY dataset, version ORDER BY dataset, version DESC"
    ).fetchall()
    found: dict[str, dict[int, tuple[datetime, int, str]]] = {}
    for dataset, version, time, count, run_id in rows:
        found.setdefault(dataset, {})[version] = (time, count or 0, run_id)
    return found


def _with_current(versions: dict[int, tuple[datetime, int, str]], entry: Entry) -> dict[int, tuple[datetime, int, str]]:
    """The version being published is not in ops.publication yet."""
    published = entry.published
    count = sum(file.rows for file in published.files if file.format == "csv")
    return {**versions, published.version: (published.modified, count, published.run_id)}


def _verdicts(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Status]:
    """Verdict of each (dataset, run)."""
    if not exists("ops", "audit"):
        return {}
    rows = con.execute(
        "SELECT dataset, run_id, arg_max(verdict, audited_time) FROM ops.audit GROUP BY dataset, run_id"
    ).fetchall()
    return {(dataset, run): verdict for dataset, run, verdict in rows}


def _refusals(con: duckdb.DuckDBPyConnection) -> dict[str, list[Event]]:
    """Audits in a row that failed, as one event each: from the first of them to the next one that did not fail."""
    if not exists("ops", "audit"):
        return {}
    rows = con.execute(
        """
        WITH told AS (
            SELECT dataset, audited_time, verdict = 'failed' AS refused,
                lag(verdict = 'failed', 1, false) OVER w AS was_refused
            FROM ops.audit WINDOW w AS (PARTITION BY dataset ORDER BY audited_time, audit_id)
        ),
        turns AS (
            SELECT *, lead(audited_time) OVER (PARTITION BY dataset ORDER BY audited_time) AS until
            FROM told WHERE refused <> was_refused
        )
        SELECT dataset, audited_time, until FROM turns WHERE refused ORDER BY dataset, audited_time DESC
        """
    ).fetchall()
    found: dict[str, list[Event]] = {}
    for dataset, time, until in rows:
        found.setdefault(dataset, []).append(Event(time, verdict="failed", until=until))
    return found


def _timeline(
    versions: Mapping[int, tuple[datetime, int, str]],
    verdicts: Mapping[tuple[str, str], Status],
    dataset: str,
    refusals: Sequence[Event],
) -> tuple[Event, ...]:
    """Newest first, at most the last twenty."""
    published = [
        Event(time, version, rows, verdicts.get((dataset, run))) for version, (time, rows, run) in versions.items()
    ]
    merged = sorted([*published, *refusals], key=lambda event: (event.time, event.version or 0), reverse=True)
    return tuple(merged[:LAST_EVENTS])


def _receipts(con: duckdb.DuckDBPyConnection, entries: Sequence[Entry]) -> dict[str, dict[str, Receipt]]:
    """Files behind the published version of each dataset, by source."""
    asked = [(e.card.id, source, e.published.modified) for e in entries for source in e.card.sources]
    if not asked or not exists("ops", "ingest_file"):
        return {}
    rows = con.execute(
        """
        WITH asked AS (SELECT unnest(?) AS dataset, unnest(?) AS source, unnest(?::TIMESTAMPTZ[]) AS made),
        files AS (
            SELECT source, split_part(file, '!', 1) AS file, min(ingested_time) AS first
            FROM ops.ingest_file WHERE status <> 'held' GROUP BY ALL
        )
        SELECT dataset, source, count(*), max(first) FROM asked JOIN files USING (source)
        WHERE first <= made GROUP BY dataset, source
        """,
        [[a[0] for a in asked], [a[1] for a in asked], [a[2] for a in asked]],
    ).fetchall()
    found: dict[str, dict[str, Receipt]] = {}
    for dataset, source, count, last in rows:
        found.setdefault(dataset, {})[source] = Receipt(count, last)
    return found
