"""Candidates: what a model would put into the lake, written aside until it has been checked.

Belongs here: writing a candidate, showing what a table would hold with it, and promoting it in one commit. Does not:
dbt (lake/dbt_plugin.py), checks (dbt tests, quality/), or how a commit is made (lake/table.py).

A candidate is `<home>/tmp/candidate/<layer>/<table>/`: the rows as Parquet and a small JSON that says how they would
go in. The folder is renamed into place once whole, so a crash leaves either the former candidate or none.
"""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from lake import table as delta
from lake.engine import connect, literal
from lake.home import table_uri, tmp_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import duckdb

Strategy = Literal["overwrite", "replace_by_day", "merge"]

# Rows per Arrow batch while promoting: some tens of MB at most for the widest tables.
_BATCH_ROWS = 100_000

# Partitions written at once: each holds a writer of some MB.
_PARTITIONS_AT_ONCE = 100


class SchemaChangedError(Exception):
    """A part of a table cannot be replaced with rows of other columns or types."""


@dataclass(frozen=True)
class Candidate:
    """Rows waiting for a verdict, and how they would enter `<layer>.<table>`.

    `overwrite` replaces the table, `replace_by_day` the rows of `days` (UTC or business days of `day_column`), `merge`
    the rows with the same `unique_key`.
    """

    layer: str
    table: str
    model: str
    invocation_id: str
    rows: int
    strategy: Strategy = "overwrite"
    day_column: str | None = None
    days: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    unique_key: tuple[str, ...] = ()

    @property
    def parquet(self) -> Path:
        """File of the rows."""
        return _folder(self.layer, self.table) / "rows.parquet"

    def relation(self) -> str:
        """SQL for the candidate's own rows."""
        return f"read_parquet({literal(str(self.parquet))})"

    def check(self) -> None:
        """Raise `ValueError` when the strategy lacks what it needs."""
        if self.strategy == "replace_by_day" and not (self.day_column and self.days):
            msg = f"{self.model}: delta_strategy='replace_by_day' needs `day_column`, and at least one day"
            raise ValueError(msg)
        if self.strategy == "merge" and not self.unique_key:
            msg = f"{self.model}: delta_strategy='merge' needs `unique_key`"
            raise ValueError(msg)


def _root() -> Path:
    return tmp_dir() / "candidate"


def _folder(layer: str, table: str) -> Path:
    return _root() / layer / table


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def day_predicate(column: str, days: Sequence[str]) -> str:
    """SQL that is true for the given ISO days, in DuckDB as in DataFusion.

    The range comes first because it is what lets a reader skip files; the list is left out when it says nothing more.
    """
    ordered = sorted(set(days))
    first, last = ordered[0], ordered[-1]
    text = f"{column} between date '{first}' and date '{last}'"
    if (date.fromisoformat(last) - date.fromisoformat(first)).days + 1 == len(ordered):
        return text
    listed = ", ".join(f"date '{day}'" for day in ordered)
    return f"{text} and {column} in ({listed})"


def stage(con: duckdb.DuckDBPyConnection, candidate: Candidate, sql: str) -> Candidate:
    """Write the result of `sql` as the candidate of its table, in place of an earlier one.

    Streams: memory is DuckDB's own. An empty result is a valid candidate that keeps its columns.

    Returns:
        The candidate with the number of rows written.

    Raises:
        ValueError: when the strategy lacks what it needs.
        duckdb.Error: when the query fails; the earlier candidate, if any, is left as it was.
    """
    candidate.check()
    final = _folder(candidate.layer, candidate.table)
    aside = final.with_name(f".{candidate.table}.{uuid.uuid4().hex}")
    aside.mkdir(parents=True)
    try:
        target = literal(str(aside / candidate.parquet.name))
        options = "format parquet, compression zstd, compression_level 1, row_group_size 250000"
        counted = con.execute(f"copy ({sql}\n) to {target} ({options})").fetchone()
        written = replace(candidate, rows=int(counted[0]) if counted else 0)
        (aside / "candidate.json").write_text(json.dumps(asdict(written)), encoding="utf-8")
        discard(candidate.layer, candidate.table)
        aside.rename(final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return written


def find(layer: str, table: str) -> Candidate | None:
    """The candidate of a table, or None."""
    path = _folder(layer, table) / "candidate.json"
    if not path.is_file():
        return None
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for name in ("days", "partition_by", "unique_key"):
        stored[name] = tuple(stored[name])
    return Candidate(**stored)


def pending() -> list[Candidate]:
    """Every candidate that waits, by layer and table."""
    root = _root()
    if not root.is_dir():
        return []
    paths = sorted(path.parent for path in root.glob("*/*/candidate.json") if not path.parent.name.startswith("."))
    return [found for path in paths if (found := find(path.parent.name, path.name)) is not None]


def discard(layer: str, table: str) -> None:
    """Forget the candidate of a table; nothing happens when there is none."""
    folder = _folder(layer, table)
    if folder.is_dir():
        gone = folder.with_name(f".{table}.{uuid.uuid4().hex}")
        folder.rename(gone)
        shutil.rmtree(gone)


def _current(layer: str, table: str) -> str:
    return f"delta_scan({literal(table_uri(layer, table))})"


def view_sql(layer: str, table: str) -> str:
    """A query for the content the table would have once its candidate is promoted; the current one without candidate.

    Raises:
        LookupError: when there is neither a candidate nor a table.
    """
    candidate = find(layer, table)
    there = delta.exists(layer, table)
    if candidate is None:
        if not there:
            msg = f"{layer}.{table} has neither a version nor a candidate: build its model first"
            raise LookupError(msg)
        return f"select * from {_current(layer, table)}"
    fresh = f"select * from {candidate.relation()}"
    if not there or candidate.strategy == "overwrite":
        return fresh
    return f"{fresh} union all by name select * from {_current(layer, table)} as kept where {_kept(candidate)}"


def _kept(candidate: Candidate) -> str:
    """Predicate over the current rows (alias `kept`) that the candidate leaves alone."""
    if candidate.strategy == "replace_by_day":
        return f"({day_predicate(str(candidate.day_column), candidate.days)}) is not true"
    same = " and ".join(f'fresh."{key}" = kept."{key}"' for key in candidate.unique_key)
    return f"not exists (select 1 from {candidate.relation()} as fresh where {same})"


def attach(con: duckdb.DuckDBPyConnection) -> None:
    """One view `candidate.<table>` per pending candidate, with the whole content the table would have."""
    con.execute("drop schema if exists candidate cascade")
    con.execute("create schema candidate")
    for waiting in pending():
        con.execute(f'create view candidate."{waiting.table}" as {view_sql(waiting.layer, waiting.table)}')


def promote(layer: str, table: str) -> int:
    """Make the candidate current in one commit, and return the table's version.

    Only what differs is written: days (or keys, or the whole table) with equal content are left alone, and when nothing
    differs there is no commit. Doing it again after a crash is harmless.

    Raises:
        LookupError: when nothing waits for that table.
        SchemaChangedError: when part of a table would get other columns; a full refresh is needed.
    """
    candidate = find(layer, table)
    if candidate is None:
        msg = f"{layer}.{table} has no candidate to promote: build its model first"
        raise LookupError(msg)
    con = connect(attach=False)
    try:
        con.execute("set preserve_insertion_order = false")
        _commit(con, candidate)
    finally:
        con.close()
    discard(layer, table)
    current = delta.version(layer, table)
    if current is None:
        msg = f"{layer}.{table} has no version after its promotion: was the lake folder removed meanwhile?"
        raise LookupError(msg)
    return current


def _commit(con: duckdb.DuckDBPyConnection, candidate: Candidate) -> None:
    if not delta.exists(candidate.layer, candidate.table):
        _replace(con, candidate)
    elif candidate.strategy == "overwrite":
        if not _same_columns(con, candidate) or _changed(con, candidate, "1"):
            _replace(con, candidate)
    elif not _same_columns(con, candidate):
        msg = (
            f"{candidate.layer}.{candidate.table}: the columns of {candidate.model} changed, so a part of the table "
            "cannot be replaced; rebuild it whole with `dbt build --full-refresh`"
        )
        raise SchemaChangedError(msg)
    elif candidate.strategy == "replace_by_day":
        column = str(candidate.day_column)
        days = _changed(con, candidate, column, where=day_predicate(column, candidate.days))
        if days:
            _overwrite(con, candidate, day_predicate(column, [str(day) for day in days]))
    else:
        _merge(con, candidate)


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in con.execute(f"describe select * from {relation}").fetchall()]


def _same_columns(con: duckdb.DuckDBPyConnection, candidate: Candidate) -> bool:
    current = _columns(con, _current(candidate.layer, candidate.table))
    return _columns(con, candidate.relation()) == current


def _changed(con: duckdb.DuckDBPyConnection, candidate: Candidate, group: str, *, where: str = "true") -> list[Any]:
    """Groups whose rows are not the same, as a multiset, in the candidate and in the table.

    One pass over each side: a sum of 64-bit row hashes beside the count does not depend on the order of rows and needs
    no memory for them, where EXCEPT ALL would keep every row.
    """
    names = _quoted(name for name, _ in _columns(con, candidate.relation()))

    def print_of(relation: str) -> str:
        mark = f"count(*) as n, sum(hash({names})::hugeint) as h"
        return f"(select {group} as g, {mark} from {relation} where {where} group by 1)"

    fresh, current = print_of(candidate.relation()), print_of(_current(candidate.layer, candidate.table))
    query = (
        f"select coalesce(a.g, b.g) from {fresh} a full join {current} b on a.g = b.g "
        "where (a.n, a.h) is distinct from (b.n, b.h) order by 1"
    )
    return [row[0] for row in con.execute(query).fetchall()]


def _metadata(candidate: Candidate) -> dict[str, str]:
    return {"dbt_model": candidate.model, "dbt_invocation": candidate.invocation_id}


def _replace(con: duckdb.DuckDBPyConnection, candidate: Candidate) -> None:
    """Put the candidate in place of the whole table."""
    parts = _parts(con, candidate)
    if len(parts) < 2:
        _overwrite(con, candidate, None)
    else:
        reads = (con.execute(f"select * from {candidate.relation()} where {part}") for part in parts)
        delta.overwrite_in_parts(
            candidate.layer,
            candidate.table,
            (rows.to_arrow_reader(_BATCH_ROWS) for rows in reads),
            partition_by=candidate.partition_by,
            metadata=_metadata(candidate),
        )


def _parts(con: duckdb.DuckDBPyConnection, candidate: Candidate) -> list[str]:
    """Predicates that share the candidate's rows out by the first of its partition columns."""
    if not candidate.partition_by:
        return []
    column = f'"{candidate.partition_by[0]}"'
    query = f"select distinct {column} from {candidate.relation()} where {column} is not null order by 1"
    values = [str(row[0]) for row in con.execute(query).fetchall()]
    chosen = [values[start : start + _PARTITIONS_AT_ONCE] for start in range(0, len(values), _PARTITIONS_AT_ONCE)]
    parts = [f"{column} between {literal(some[0])} and {literal(some[-1])}" for some in chosen]
    return [f"({parts[0]} or {column} is null)", *parts[1:]] if parts else []


def _overwrite(con: duckdb.DuckDBPyConnection, candidate: Candidate, where: str | None) -> None:
    rows = con.execute(f"select * from {candidate.relation()} where {where or 'true'}").to_arrow_reader(_BATCH_ROWS)
    delta.overwrite(
        candidate.layer,
        candidate.table,
        rows,
        where=where,
        partition_by=candidate.partition_by,
        metadata=_metadata(candidate),
    )


def _merge(con: duckdb.DuckDBPyConnection, candidate: Candidate) -> None:
    # Tables that are merged are registers of things, not of measures: the rows that differ fit in memory.
    query = (
        f"select * from {candidate.relation()} except "
        f"select {_quoted(n for n, _ in _columns(con, candidate.relation()))} "
        f"from {_current(candidate.layer, candidate.table)}"
    )
    rows = con.execute(query).to_arrow_table()
    delta.upsert(candidate.layer, candidate.table, rows, key=candidate.unique_key, metadata=_metadata(candidate))
