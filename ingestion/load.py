"""From landing to bronze: every row loaded, known as a duplicate, or in quarantine with its reason; then the ledger.

Belongs here: the order of steps that keeps the ledger true through crashes and races. Does not: formats (readers/),
types (typing.py), Delta itself (lake/).

The order, per batch of files of one source:
1. read every file into a typed Parquet spool (DuckDB streams, memory bounded);
2. settle the clock hour that occurs twice, judge files that must be held back whole;
3. at table version V, find the rows that are already there;
4. write quarantine rows and drift (again and again if need be: they replace those of the same file);
5. append the new rows as version V + 1, with the ledger rows in the commit itself. If somebody committed meanwhile,
   back to 3;
6. copy the ledger rows to `ops.ingest_file`. A crash between 5 and 6 is healed by reading them back from the commit.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.contract import SourceContract, contract_sha256
from ingestion.landing import Container, SourceFile, Survey, count_lines, discover, members, survey
from ingestion.pseudonyms import give_key
from ingestion.readers import MAX_REFUSED, FileNotes, jsonl, stream
from ingestion.typing import MASKED, expected_form, quote, typed_select
from lake import engine, ops, table
from lake.home import home, landing_dir, tmp_dir

if TYPE_CHECKING:
    import duckdb

BATCH_BYTES = 256 << 20  # of landing bytes in one commit: bounds the spool on disk and the work lost by a crash
MEMORY = "400MB"  # of each of the two connections: one reads a batch while the other writes the one before
BATCH_FILES = 1000  # ledger rows in one commit record stay under about 500 kB
# A column of which at least half of a file's rows cannot be read has changed its type; below, rows are at fault.
# Files under 20 rows say too little for that and are judged row by row. So for rows of the wrong width.
FLIP_SHARE, FLIP_ROWS = 0.5, 20
RAW_SHOWN = 2000  # characters of a refused line kept in quarantine; the whole line stays in landing
LEDGER_KEY = "datanevers.files"
# What becomes of a column that the contract does not know, by its rule of drift.
UNKNOWN_COLUMN = {
    "keep": "colonne inconnue du contrat, gardée dans `extra`",
    "mask": "colonne inconnue du contrat, sa valeur n'est pas gardée",
    "stop": "colonne inconnue du contrat, le fichier est mis de côté",
}
_OBJECTS = ("jsonl", "json", "xml", "protobuf")  # readers whose records have no header: a field may be absent anywhere
# Read once or twice and thrown away: fast to write counts, small does not.
SPOOL = "FORMAT parquet, COMPRESSION lz4_raw"
# A row's place in a batch as one number: files are read in order, and none has 2^40 rows.
PLACE = "(g.file_no::BIGINT << 40) + g.source_row"

Progress = Callable[[str, int, int], None]  # source, files done, files to do


@dataclass
class Incoming:
    """One file on its way in."""

    number: int
    file: SourceFile
    survey: Survey
    path: Path  # of the content: the container, or an unpacked copy for a reader that wants a path
    contract: SourceContract  # as it applies to this file: its producer's format and words
    notes: FileNotes = field(default_factory=FileNotes)
    rows_read: int = 0
    twin_rows: int | None = None  # rows of the same content already loaded under another name
    twin: Incoming | None = None  # the file of the same batch with the same content


@dataclass(frozen=True)
class Ingested:
    """What one source's load did."""

    source: str
    table: str
    files: int = 0
    held: int = 0
    rows_read: int = 0
    rows_loaded: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0

    def __add__(self, other: Ingested) -> Ingested:
        sums = {k: getattr(self, k) + getattr(other, k) for k in vars(self) if k not in ("source", "table")}
        return Ingested(self.source, self.table, **sums)


def pending(contracts: Sequence[SourceContract], landing: Path | None = None) -> dict[str, list[Container]]:
    """Landing files, by bronze table, that are new, changed, or held back under an earlier version of the contract."""
    with engine.connect(attach=False) as con:
        return _pending(con, contracts, landing)


def _pending(
    con: duckdb.DuckDBPyConnection, contracts: Sequence[SourceContract], landing: Path | None
) -> dict[str, list[Container]]:
    done: dict[str, set[tuple[str, int, int]]] = {}
    if table.exists("ops", "landing_file"):
        engine.attach_table(con, "ops", "landing_file")
        con.execute(
            "SELECT source, bronze_table, path, bytes, modified_ns, contract_sha256, held FROM ops.landing_file"
        )
        for source, bronze, path, size, modified, made_with, held in con.fetchall():
            if not held or made_with == contract_sha256(source):
                done.setdefault(bronze, set()).add((path, size, modified))
    found = {c.bronze: discover(c, landing or landing_dir()) for c in contracts}
    return {
        bronze: new
        for bronze, containers in found.items()
        if (new := [c for c in containers if (c.name, c.bytes, c.modified_ns) not in done.get(bronze, set())])
    }


Days = tuple[date | None, date | None]


def _within(container: Container, contract: SourceContract, days: Days) -> bool:
    """Whether a file of the container is of a day between the bounds (included; None is open)."""
    first, last = days
    own = [f.file_time(contract).date() for f in members(container, contract)[0]] if first or last else []
    return not (first or last) or any((first or d) <= d <= (last or d) for d in own)


def ingest(
    contract: SourceContract,
    *,
    landing: Path | None = None,
    run_id: str = "",
    days: Days = (None, None),
    progress: Progress | None = None,
) -> Ingested:
    """Load every pending file of a source into bronze, or those whose own day lies within `days`.

    Safe to run twice, in two processes, and after a crash at any point.
    """
    from filelock import FileLock

    run_id = run_id or uuid.uuid4().hex
    ops.ensure()
    ensure_tables([contract])
    locks = home() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(locks / f"ingest_{contract.bronze}.lock"),
        engine.connect(attach=False, memory=MEMORY) as one,
    ):
        recover(contract, one)
        waiting = _pending(one, [contract], landing).get(contract.bronze, [])
        todo = [c for c in waiting if _within(c, contract, days)]
        if not todo:  # most tables of most runs: no second connection, and no key for what is not there
            return Ingested(contract.id, contract.table)
        with engine.connect(attach=False, memory=MEMORY) as other:
            for con in (one, other):
                _equip(con, contract, landing or landing_dir())
            batches = [
                _Batch((one, other)[number % 2], contract, containers, run_id)
                for number, containers in enumerate(_batches(todo))
            ]
            return _run(batches, contract, progress)


def _equip(con: duckdb.DuckDBPyConnection, contract: SourceContract, landing: Path) -> None:
    """What the contract's SQL needs of a connection besides DuckDB: the key of pseudonyms, codecs."""
    give_key(con, contract, landing)
    if contract.codecs:
        from ingestion import codecs

        codecs.register(con, contract)


def _run(batches: Sequence[_Batch], contract: SourceContract, progress: Progress | None) -> Ingested:
    """Commit each batch while the next one is read: reading and writing each leave processors idle."""
    total = Ingested(contract.id, contract.table)
    done, todo = 0, sum(len(b.containers) for b in batches)
    try:
        with ThreadPoolExecutor(max_workers=1) as ahead:
            reading = [ahead.submit(batch.read) for batch in batches[:1]]
            for number, batch in enumerate(batches):
                if progress:
                    progress(contract.bronze, done, todo)
                reading[number].result()
                reading += [ahead.submit(following.read) for following in batches[number + 1 : number + 2]]
                total += batch.write()
                done += len(batch.containers)
    finally:
        for batch in batches:
            batch.clear()
    if progress and todo:
        progress(contract.bronze, done, todo)
    return total


def ensure_tables(contracts: Iterable[SourceContract]) -> None:
    """Create the bronze tables that do not exist yet, empty: models read them all, whatever was delivered."""
    for contract in contracts:
        table.create("bronze", contract.bronze, contract.bronze_schema, partition_by=contract.partition_by)


def recover(contract: SourceContract, con: duckdb.DuckDBPyConnection) -> None:
    """Copy ledger rows that reached a bronze commit but not `ops.ingest_file` (a crash in between)."""
    if not table.exists("bronze", contract.bronze):
        return
    engine.attach_table(con, "ops", "ingest_file")
    # literals, here and below: parameters make DuckDB import pandas, a second of every process
    con.execute(
        f"SELECT coalesce(max(delta_version), -1) FROM ops.ingest_file WHERE bronze_table = {quote(contract.bronze)}"
    )
    last = con.fetchall()[0][0]
    for commit in table.commits_since("bronze", contract.bronze, last):
        if LEDGER_KEY in commit:
            _put_ledger([_revived(row) for row in json.loads(commit[LEDGER_KEY])])


def _revived(row: dict[str, Any]) -> dict[str, Any]:
    times = {k: datetime.fromisoformat(row[k]) for k in ("file_time", "ingested_time")}
    return row | times | {"event_dates": [date.fromisoformat(d) for d in row["event_dates"]]}


def _put_ledger(rows: Sequence[dict[str, Any]]) -> None:
    ops.put("ingest_file", rows, key=("bronze_table", "file", "sha256"))


def _batches(todo: Sequence[Container]) -> Iterator[list[Container]]:
    batch: list[Container] = []
    size = 0
    for container in todo:
        if batch and (size + container.bytes > BATCH_BYTES or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(container)
        size += container.bytes
    if batch:
        yield batch


def _told_by_content(contract: SourceContract) -> bool:
    """Whether the same bytes say the same under any name: not a snapshot, nothing read from the name."""
    variants = contract.variants
    places = [path for c in contract.columns for v in (None, *(v.name for v in variants)) for path in c.paths(v)]
    by_name = any(v.files for v in variants) or any(path.startswith("file:") for path in places)
    return contract.mode == "append" and not by_name


class _Batch:
    """One batch of containers of one source, through the six steps."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, contract: SourceContract, containers: list[Container], run_id: str
    ) -> None:
        self.con = con
        self.contract = contract
        self.containers = containers
        self.run_id = run_id
        self.now = datetime.now(UTC)
        self.fingerprint = contract_sha256(contract.id)
        self.told_by_content = _told_by_content(contract)
        self.work = tmp_dir() / f"ingest_{uuid.uuid4().hex}"
        self.version = -1
        self.files: list[Incoming] = []
        self.seen: list[tuple[SourceFile, str]] = []  # files of the batch, known ones too, with their hash

    def read(self) -> None:
        """Steps 1 and 2: the files are in the spool, and it is known which are held back."""
        self.work.mkdir()
        self._read_ledger()
        self._spool()
        self._settle_clock()
        self._judge()

    def write(self) -> Ingested:
        """Steps 3 to 6."""
        ledger = self._commit()
        self._remember()
        self.clear()
        return self._summary(ledger)

    def clear(self) -> None:
        """Remove the scratch folder."""
        shutil.rmtree(self.work, ignore_errors=True)

    # 1. what there is to read ------------------------------------------------------------------------------------

    def _read_ledger(self) -> None:
        """What earlier loads say of this source's files.

        `known`: (file, sha256) that need no further work, all but held ones that deserve another try. `held`: those
        that are held. `known_content`: rows read, by sha256, where the same content again can bring nothing.
        """
        engine.attach_table(self.con, "ops", "ingest_file")
        rows = self.con.execute(
            f"""SELECT file, sha256, status, contract_sha256 = {quote(self.fingerprint)}, rows_read, rows_quarantined
            FROM ops.ingest_file WHERE bronze_table = {quote(self.contract.bronze)}"""
        ).fetchall()
        self.held = {(f, sha) for f, sha, status, *_ in rows if status == "held"}
        self.known = {(f, sha) for f, sha, status, same, *_ in rows if status != "held" or same}
        # a snapshot under a new name is news whatever it says; so are rows that a changed contract may now accept
        self.known_content = {
            sha: read
            for _, sha, status, same, read, refused in rows
            if status != "held" and (same or not refused) and self.told_by_content
        }

    def _incoming(self) -> Iterator[Incoming]:
        """Files with work to do, surveyed one ahead of the caller: hashing overlaps with reading the one before."""
        todo = [
            (file, problem) for c in self.containers for files, problem in [members(c, self.contract)] for file in files
        ]
        first: dict[str, Incoming] = {}
        with ThreadPoolExecutor(max_workers=1) as ahead:
            coming = [ahead.submit(self._survey, 0, todo[0][0])] if todo else []
            for number, (file, problem) in enumerate(todo):
                if number + 1 < len(todo):
                    coming.append(ahead.submit(self._survey, number + 1, todo[number + 1][0]))
                path, surveyed = coming[number].result()
                self.seen.append((file, surveyed.sha256))
                if (file.name, surveyed.sha256) in self.known:
                    continue
                incoming = Incoming(
                    number,
                    file,
                    surveyed,
                    path,
                    self.contract.resolved(file.matches),
                    twin_rows=self.known_content.get(surveyed.sha256),
                )
                incoming.notes.held = problem or file.name_problem(self.contract) or surveyed.problem
                if self.told_by_content and incoming.notes.held is None:
                    incoming.twin = first.setdefault(surveyed.sha256, incoming)
                self.files.append(incoming)
                if incoming.notes.held is None and incoming.twin_rows is None and incoming.twin in (None, incoming):
                    yield incoming

    def _survey(self, number: int, file: SourceFile) -> tuple[Path, Survey]:
        fmt = self.contract.resolved(file.matches).format
        lines, text = fmt.reader == "jsonl", fmt.reader == "csv"
        packed = file.member is not None or file.base_name.lower().endswith(".gz")
        copy = self.work / f"{number}.unpacked" if lines and packed else None
        surveyed = survey(file, fmt.encoding if text else None, copy)
        return copy or file.container.path, surveyed

    # 2. read ------------------------------------------------------------------------------------------------------

    def _spool(self) -> None:
        """Typed rows of all files as Parquet: `rows_*` know their number in the file, `lines_*` have it as place."""
        parts = {"rows": 0, "lines": 0}
        by_dialect: dict[int, list[Incoming]] = {}
        for incoming in self._incoming():
            if incoming.contract.format.reader == "jsonl":
                parts["lines"] += self._spool_lines(incoming, parts["lines"])
            else:
                by_dialect.setdefault(id(incoming.contract), []).append(incoming)
        for files in by_dialect.values():
            self._spool_rows(files, files[0].contract, parts["rows"])
            parts["rows"] += 1
        if not any(parts.values()):
            self._spool_nothing()
            parts["rows"] = 1
        views = []
        for kind, count in parts.items():
            path = quote(str(self.work / f"{kind}_*.parquet"))
            numbered = "*" if kind == "rows" else "* EXCLUDE (file_row_number), file_row_number + 1 AS source_row"
            if count:
                views.append(f"SELECT {numbered} FROM read_parquet({path}, file_row_number={kind == 'lines'})")
        self.con.execute(f"CREATE OR REPLACE VIEW spool AS {' UNION ALL BY NAME '.join(views)}")

    def _spool_rows(self, files: list[Incoming], contract: SourceContract, number: int) -> None:
        """Files of one dialect, as one stream of rows."""
        import pyarrow as pa

        batches = stream.read([(f.number, f.file) for f in files], contract, {f.number: f.notes for f in files})
        self.con.register("raw", pa.RecordBatchReader.from_batches(stream.raw_schema(contract), batches))
        part = quote(str(self.work / f"rows_{number}.parquet"))
        self.con.execute(f"COPY ({typed_select(contract, 'raw')}) TO {part} ({SPOOL})")

    def _spool_nothing(self) -> None:
        """A spool without rows, of the right types."""
        fmt = self.contract.format.model_copy(update={"reader": "csv"})
        self._spool_rows([], self.contract.model_copy(update={"format": fmt}), 0)

    def _spool_lines(self, incoming: Incoming, number: int) -> bool:
        """One file of JSON lines; whether it could be read."""
        import duckdb

        part = self.work / f"lines_{number}.parquet"
        try:
            groups = incoming.file.groups(incoming.contract)
            sql = jsonl.select(incoming.path, incoming.number, incoming.contract, incoming.notes, groups=groups)
            if not sql:
                return False
            if incoming.notes.dialect:
                incoming.contract = incoming.contract.spoken(incoming.notes.dialect)
            self.con.execute(f"COPY ({typed_select(incoming.contract, f'({sql})')}) TO {quote(str(part))} ({SPOOL})")
        except duckdb.InvalidInputException as error:  # the file's fault; any other error is ours and ends the run
            incoming.notes.hold(f"lecture impossible : {str(error).splitlines()[0][:300]}")
            part.unlink(missing_ok=True)
            return False
        finally:
            if incoming.path.parent == self.work:
                incoming.path.unlink(missing_ok=True)
        return True

    def _settle_clock(self) -> None:
        """`typed`: the spool with the hour that occurs twice settled by order in the file, never by guess.

        Within a file, series and day that follow the clock, it steps back once, inside that hour: before that it is
        summer time, after it winter time. A series that never steps back, steps back elsewhere or more than once, or
        never steps forward (it may run backwards), cannot be settled: those rows go to quarantine.
        """
        event = self.contract.event_time
        if event is None or event.zone is None:
            self.con.execute("CREATE OR REPLACE VIEW typed AS SELECT * FROM spool")
            return
        series = ", ".join(("file_no", *event.series, "local_time::DATE"))
        followed = "".join(f"{name}, " for name in event.series)
        self.con.execute(
            f"""CREATE OR REPLACE TABLE fold AS
            WITH twice AS (SELECT DISTINCT local_time::DATE AS day FROM spool WHERE clock = 1 AND bad_column IS NULL),
            stepped AS (
                SELECT file_no, source_row, {followed}local_time, clock,
                    lag(local_time) OVER in_order AS earlier, lag(clock) OVER in_order AS earlier_clock
                FROM spool WHERE bad_column IS NULL AND local_time::DATE IN (SELECT day FROM twice)
                WINDOW in_order AS (PARTITION BY {series} ORDER BY source_row)),
            judged AS (
                SELECT *, coalesce(clock = 1 AND earlier_clock = 1 AND local_time <= earlier, false) AS back,
                    coalesce(local_time < earlier AND NOT back, false) AS disorder,
                    coalesce(local_time > earlier, false) AS forward
                FROM stepped),
            counted AS (
                SELECT file_no, source_row, clock,
                    count_if(back) OVER (PARTITION BY {series} ORDER BY source_row) AS passes,
                    count_if(back) OVER (PARTITION BY {series}) = 1
                        AND count_if(disorder) OVER (PARTITION BY {series}) = 0
                        AND count_if(forward) OVER (PARTITION BY {series}) > 0 AS settled
                FROM judged)
            SELECT file_no, source_row, CASE WHEN settled THEN passes END AS pass FROM counted WHERE clock = 1"""
        )
        time = event.column
        bad = f"""CASE WHEN s.bad_column IS NOT NULL THEN s.bad_column
            WHEN s.clock = 2 OR (s.clock = 1 AND f.pass IS NULL) THEN {quote(time)} END"""
        shown = quote(MASKED) if self.contract.personal_columns else "s.local_time::VARCHAR"
        value = f"coalesce(s.bad_value, CASE WHEN s.bad_column IS NULL AND s.clock > 0 THEN {shown} END)"
        settled = f"CASE WHEN s.clock = 1 AND f.pass = 0 THEN s.{time} - INTERVAL 1 HOUR ELSE s.{time} END"
        if self.contract.column(time).coarsen in ("day", "month", "year"):
            settled = f"s.{time}"  # a midnight or a first of the month, whichever hour it was
        self.con.execute(
            f"""CREATE OR REPLACE VIEW typed AS
            SELECT s.* REPLACE ({settled} AS {time}, {bad} AS bad_column, {value} AS bad_value)
            FROM spool AS s
            LEFT JOIN fold AS f ON s.clock = 1 AND s.file_no = f.file_no AND s.source_row = f.source_row"""
        )

    def _judge(self) -> None:
        """Count rows per file, and hold back files in which a column changed its type or is absent throughout."""
        counts = self.con.execute(
            """SELECT file_no, bad_column, count(*), count(bad_value), any_value(bad_value)
            FROM spool GROUP BY file_no, bad_column ORDER BY ALL"""
        ).fetchall()
        of_file: dict[int, list[tuple[Any, ...]]] = {}
        for number, *rest in counts:
            of_file.setdefault(number, []).append(tuple(rest))
        for incoming in self.files:
            if (twin := incoming.twin) and twin is not incoming:  # judged before: files are in order
                incoming.notes.held, incoming.twin_rows = twin.notes.held, twin.twin_rows or twin.rows_read
                incoming.rows_read = twin.rows_read
                continue
            if self.contract.drift == "stop" and incoming.notes.new_columns:
                incoming.notes.hold(f"colonnes inconnues du contrat : {', '.join(incoming.notes.new_columns)}")
            if incoming.notes.held:
                continue
            mine, rejects = of_file.get(incoming.number, []), incoming.notes.rejects
            incoming.rows_read = sum(count for _, count, _, _ in mine) + len(rejects)
            if incoming.rows_read >= FLIP_ROWS and len(rejects) >= FLIP_SHARE * incoming.rows_read:
                incoming.notes.hold(f"au moins une ligne sur deux est mal découpée : {rejects[0][2]}")
            for column, count, with_value, example in mine:
                if column:
                    self._judge_column(incoming, column, count, with_value, example)
            if (refused := sum(count for column, count, _, _ in mine if column) + len(rejects)) > MAX_REFUSED:
                incoming.notes.hold(f"{refused} lignes refusées : plus de {MAX_REFUSED}, le fichier est à revoir")

    def _judge_column(self, incoming: Incoming, column: str, count: int, with_value: int, example: str | None) -> None:
        label = self._label(column, incoming)
        codecs = self.contract.codecs
        if codecs and column == codecs.into:
            return  # a codec that refuses is at fault, not the file
        if with_value == 0 and count == incoming.rows_read and incoming.contract.format.reader in _OBJECTS:
            incoming.notes.hold(f"champ obligatoire absent de toutes les lignes : {label}")
        elif with_value and incoming.rows_read >= FLIP_ROWS and count >= FLIP_SHARE * incoming.rows_read:
            form = expected_form(incoming.contract.column(column), incoming.contract)
            incoming.notes.hold(f"la colonne {label} a changé de type : {form} attendu, trouvé « {example} »")
            incoming.notes.type_changed.append((label, f"{form} attendu, trouvé « {example} »"))

    def _label(self, column: str, incoming: Incoming) -> str:
        origin = incoming.contract.column(column).origin
        names = [*origin.values()] if isinstance(origin, dict) else [origin]
        flat = [n for name in names for n in (name if isinstance(name, tuple) else (name,))]
        return " / ".join(dict.fromkeys(flat)) or column

    # 3 to 6. compare, quarantine, commit, ledger -----------------------------------------------------------------

    def _commit(self) -> list[dict[str, Any]]:
        quarantined = False
        while True:
            # first of all: a file that a commit up to here holds is in the ledger below, a later commit is a conflict
            self.version = table.version("bronze", self.contract.bronze) or 0
            recover(self.contract, self.con)
            self._read_ledger()
            todo = [f for f in self.files if (f.file.name, f.survey.sha256) not in self.known]
            self._find_known_rows(todo)
            rows = self._ledger_rows(todo)
            if not quarantined:
                self._record_drift(todo)
                self._quarantine(todo)
                quarantined = True
            if any(r["rows_loaded"] for r in rows):
                try:
                    self._append(rows)
                except table.Conflict:
                    continue
            elif rows and table.version("bronze", self.contract.bronze) != self.version:
                continue
            _put_ledger(rows)
            return rows

    def _find_known_rows(self, todo: list[Incoming]) -> None:
        """`known_row`: (file_no, source_row) of good rows that an earlier row, here or in bronze, already says."""
        held = [f.number for f in todo if f.notes.held] or [-1]
        numbers = ", ".join(str(f.number) for f in todo) or "-1"
        self.con.execute(
            f"""CREATE OR REPLACE VIEW good AS SELECT * FROM typed WHERE bad_column IS NULL
            AND file_no IN ({numbers}) AND file_no NOT IN ({", ".join(map(str, held))})"""
        )
        columns = (*self.contract.key, *self.contract.revision_columns)
        scope = ("file_no",) if self.contract.mode == "snapshot" else ()
        identity = ", ".join(f'"{c}"' for c in (*columns, *scope))
        self.con.execute(
            f"""CREATE OR REPLACE TABLE known_row AS
            WITH repeated AS (
                SELECT {identity}, min({PLACE}) AS kept FROM good AS g GROUP BY {identity} HAVING count(*) > 1)
            SELECT g.file_no, g.source_row FROM good AS g JOIN repeated AS r
            ON {" AND ".join(f'g."{c}" IS NOT DISTINCT FROM r."{c}"' for c in (*columns, *scope))}
            WHERE {PLACE} <> r.kept"""
        )
        if self.contract.mode == "append" and self.version > 0:
            self._find_rows_in_bronze(columns)

    def _find_rows_in_bronze(self, columns: tuple[str, ...]) -> None:
        event = self.contract.event_time
        if event is None:
            return
        span = self.con.execute(f"SELECT min({event.column})::DATE, max({event.column})::DATE FROM good").fetchall()[0]
        if span[0] is None:
            return
        engine.attach_table(self.con, "bronze", self.contract.bronze)
        names = ", ".join(columns)
        same = " AND ".join(f'g."{c}" IS NOT DISTINCT FROM b."{c}"' for c in columns)
        # by name: a column that the contract gained since the last load is null in bronze
        self.con.execute(
            f"""INSERT INTO known_row SELECT g.file_no, g.source_row FROM good AS g
            SEMI JOIN (SELECT {names} FROM (
                SELECT {names} FROM good WHERE false UNION ALL BY NAME
                SELECT * FROM bronze."{self.contract.bronze}" WHERE event_date BETWEEN '{span[0]}' AND '{span[1]}'
            )) AS b ON {same}
            WHERE (g.file_no, g.source_row) NOT IN (SELECT (file_no, source_row) FROM known_row)"""
        )

    def _ledger_rows(self, todo: list[Incoming]) -> list[dict[str, Any]]:
        self.con.execute(
            """CREATE OR REPLACE VIEW fresh AS
            SELECT g.* FROM good AS g ANTI JOIN known_row AS k USING (file_no, source_row)"""
        )
        event = self.contract.event_time
        days = f"list_sort(list_distinct(list({event.column}::DATE)))" if event else "[]::DATE[]"
        loaded = {
            number: (count, dates)
            for number, count, dates in self.con.execute(
                f"SELECT file_no, count(*), {days} FROM fresh GROUP BY file_no"
            ).fetchall()
        }
        known = dict(self.con.execute("SELECT file_no, count(*) FROM known_row GROUP BY file_no").fetchall())
        at_version = self.version + 1 if loaded else self.version
        return [
            self._ledger_row(f, *loaded.get(f.number, (0, [])), known.get(f.number, 0), at_version=at_version)
            for f in todo
        ]

    def _ledger_row(
        self, incoming: Incoming, loaded: int, dates: list[date], duplicate: int, *, at_version: int
    ) -> dict[str, Any]:
        held, twin = incoming.notes.held, incoming.twin_rows
        read = incoming.rows_read
        if held:
            read = self._rows_held(incoming)
        elif twin is not None:
            read = duplicate = twin
        quarantined = read if held else read - loaded - duplicate
        return {
            "source": self.contract.id,
            "bronze_table": self.contract.bronze,
            "file": incoming.file.name,
            "sha256": incoming.survey.sha256,
            "bytes": incoming.survey.bytes,
            "rows_read": read,
            "rows_loaded": loaded,
            "rows_duplicate": duplicate,
            "rows_quarantined": quarantined,
            "status": "held" if held else "loaded" if loaded or not duplicate else "duplicate",
            "reason": self._discreet(held),
            "file_time": incoming.file.file_time(self.contract),
            "event_dates": dates,
            "contract_sha256": self.fingerprint,
            "delta_version": at_version,
            "run_id": self.run_id,
            "ingested_time": self.now,
        }

    def _discreet(self, reason: str | None) -> str | None:
        """A reason without what it quotes of the file, where the source holds personal data."""
        if not reason or not self.contract.personal_columns:
            return reason
        told = reason.split(" ; colonnes trouvées")[0]
        return re.sub(r"«[^»]*»", MASKED, re.sub(r"(?s)^lecture impossible : .*", "lecture impossible", told))

    def _append(self, rows: list[dict[str, Any]]) -> None:
        self._name_files(rows)
        columns = [f'f."{c.name}"' for c in self.contract.columns]
        if event := self.contract.event_time:
            columns.append(f"f.{event.column}::DATE AS event_date")
            if self.contract.partition == "month":
                columns.append(f"date_trunc('month', f.{event.column})::DATE AS event_month")
        trace = "f.extra, n.source_file, n.source_sha256, n.source_time, n.delivered_time, f.source_row"
        reader = self.con.execute(
            f"SELECT {', '.join(columns)}, {trace} FROM fresh AS f JOIN file_name AS n USING (file_no)"
        ).to_arrow_reader(16_384)
        entry = json.dumps(rows, default=lambda v: v.isoformat(), ensure_ascii=False)
        table.append_at(
            "bronze",
            self.contract.bronze,
            reader.cast(self.contract.bronze_schema),
            at_version=self.version,
            metadata={LEDGER_KEY: entry, "datanevers.run_id": self.run_id},
        )

    def _name_files(self, rows: list[dict[str, Any]]) -> None:
        """`file_name`: the trace columns of each file of the batch."""
        import pyarrow as pa

        files = {(f.file.name, f.survey.sha256): f for f in self.files}
        ordered = [files[r["file"], r["sha256"]] for r in rows]
        delivered = [f.file.container.modified_time for f in ordered]
        names = pa.table(
            {
                "file_no": pa.array([f.number for f in ordered], pa.int32()),
                "source_file": [r["file"] for r in rows],
                "source_sha256": [r["sha256"] for r in rows],
                "source_time": pa.array([r["file_time"] for r in rows], pa.timestamp("us", tz="UTC")),
                "delivered_time": pa.array(delivered, pa.timestamp("us", tz="UTC")),
            }
        )
        self.con.register("file_name_arrow", names)
        self.con.execute("CREATE OR REPLACE TABLE file_name AS SELECT * FROM file_name_arrow")

    def _quarantine(self, todo: list[Incoming]) -> None:
        """Write what is refused: rows one by one with line and text, files held back as one entry for all rows."""
        held = [f for f in todo if f.notes.held]
        entries = [
            self._entry(f, None, None, self._discreet(f.notes.held) or "", rows=self._rows_held(f)) for f in held
        ]
        suspects = ", ".join(str(f.number) for f in todo if not f.notes.held) or "-1"
        self.con.execute(
            f"""SELECT file_no, source_row, bad_column, bad_value, {"clock" if self._has_clock() else "0"}
            FROM typed WHERE bad_column IS NOT NULL AND file_no IN ({suspects}) ORDER BY file_no, source_row"""
        )
        faults = self.con.fetchall()
        of_file: dict[int, list[Any]] = {}
        for number, *fault in faults:
            of_file.setdefault(number, []).append(fault)
        for incoming in todo:
            if not incoming.notes.held:
                entries += self._row_entries(incoming, of_file.get(incoming.number, []))
        self._replace_entries(entries, {(f.file.name, f.survey.sha256) for f in todo})

    def _replace_entries(self, entries: list[dict[str, Any]], tried: set[tuple[str, str]]) -> None:
        """Write the entries of the files tried, in place of any that a crash or another contract left of them.

        The predicate knows only `=` and `IN`: delta-rs cannot read a function back when it looks for conflicts. Files
        whose other contents it would also meet are replaced one by one.
        """
        engine.attach_table(self.con, "ops", "quarantine")
        mine = f"bronze_table = {quote(self.contract.bronze)}"
        there = set(self.con.execute(f"SELECT DISTINCT file, sha256 FROM ops.quarantine WHERE {mine}").fetchall())
        written = {(e["file"], e["sha256"]) for e in entries} | tried & there
        files, hashes = {f for f, _ in written}, {sha for _, sha in written}
        others = {f for f, sha in there - written if f in files and sha in hashes}
        alone = [{w} for w in sorted(written) if w[0] in others]
        for group in [{w for w in written if w[0] not in others}, *alone]:
            if group:
                files_in, hashes_in = (
                    ", ".join(quote(t) for t in sorted(set(texts))) for texts in zip(*group, strict=True)
                )
                where = f"{mine} AND file IN ({files_in}) AND sha256 IN ({hashes_in})"
                ops.replace("quarantine", [e for e in entries if (e["file"], e["sha256"]) in group], where=where)

    def _has_clock(self) -> bool:
        return self.contract.event_time is not None and self.contract.event_time.zone is not None

    def _rows_held(self, incoming: Incoming) -> int:
        """Rows of a file that is held back: as counted, or its lines; a binary file that cannot be read has one."""
        if not incoming.rows_read:
            fmt = incoming.contract.format
            above = {"jsonl": 0, "csv": 3 if fmt.preamble is not None else 1}.get(fmt.reader)
            incoming.rows_read = 1 if above is None else max(count_lines(incoming.file) - above, 0)
        return incoming.rows_read

    def _row_entries(self, incoming: Incoming, faults: list[tuple[int, str, str | None, int]]) -> list[dict[str, Any]]:
        if not faults and not incoming.notes.rejects:
            return []
        records = {row for row, *_ in faults} | {row for row, *_ in incoming.notes.rejects}
        reader = incoming.contract.format.reader
        if reader == "jsonl":
            places = jsonl.locate(incoming.file, records, incoming.rows_read)
        else:
            places = stream.locate(incoming.file, incoming.contract, records)
        entries = []
        for row, column, value, clock in faults:
            line, raw = places.get(row, (None, None))
            label, reason = self._reason(incoming, column, value, clock=clock, raw=raw)
            entries.append(self._entry(incoming, line, label, reason, raw=raw))
        for row, text, reason in incoming.notes.rejects:
            line, raw = places.get(row, (None, text))
            entries.append(self._entry(incoming, line, None, reason, raw=raw))
        return entries

    def _reason(
        self, incoming: Incoming, column: str, value: str | None, *, clock: int, raw: str | None
    ) -> tuple[str | None, str]:
        contract = incoming.contract
        if contract.format.reader == "jsonl" and (fault := jsonl.fault(raw)):
            return None, fault
        label = self._label(column, incoming)
        declared = contract.column(column)
        if value is None:
            return label, "valeur obligatoire absente"
        if contract.codecs and column == contract.codecs.into:
            return label, value
        of_clock = self.contract.event_time is not None and column == self.contract.event_time.column
        if of_clock and clock == 1:
            return label, f"{value} : heure qui a lieu deux fois, l'ordre du fichier ne dit pas laquelle"
        if of_clock and clock == 2:
            return label, f"{value} : heure locale qui n'existe pas (passage à l'heure d'été)"
        return label, f"« {value} » : {expected_form(declared, contract)} attendu"

    def _entry(
        self,
        incoming: Incoming,
        line: int | None,
        column: str | None,
        reason: str,
        *,
        raw: str | None = None,
        rows: int = 1,
    ) -> dict[str, Any]:
        if self.contract.personal_columns:
            raw = MASKED if raw else raw
        return {
            "source": self.contract.id,
            "bronze_table": self.contract.bronze,
            "file": incoming.file.name,
            "sha256": incoming.survey.sha256,
            "line": line,
            "column": column,
            "reason": reason,
            "raw": raw[:RAW_SHOWN] if raw else raw,
            "rows": rows,
            "run_id": self.run_id,
            "quarantined_time": self.now,
        }

    def _record_drift(self, todo: list[Incoming]) -> None:
        drift = [
            {
                "source": self.contract.id,
                "bronze_table": self.contract.bronze,
                "file": incoming.file.name,
                "sha256": incoming.survey.sha256,
                "kind": kind,
                "column": column,
                "detail": detail,
                "run_id": self.run_id,
                "observed_time": self.now,
            }
            for incoming in todo
            for kind, column, detail in dict.fromkeys(self._drift_of(incoming))
        ]
        ops.put("schema_drift", drift, key=("bronze_table", "file", "sha256", "kind", "column"))

    def _drift_of(self, incoming: Incoming) -> Iterator[tuple[str, str, str]]:
        """Differences to record. A file without its header line has a person for a header: its names are not kept."""
        notes = incoming.notes
        headless = self.contract.personal_columns and notes.held and notes.missing_columns
        for kind, column, detail in notes.drift():
            if kind == "new_column":
                yield kind, MASKED if headless else column, UNKNOWN_COLUMN[self.contract.drift]
            else:
                yield kind, column, detail

    # afterwards ---------------------------------------------------------------------------------------------------

    def _remember(self) -> None:
        """Record the landing files as seen, so that the next run does not open them again."""
        self._read_ledger()
        held = {file.container.name for file, sha256 in self.seen if (file.name, sha256) in self.held}
        seen = [
            {
                "source": self.contract.id,
                "bronze_table": self.contract.bronze,
                "path": c.name,
                "bytes": c.bytes,
                "modified_ns": c.modified_ns,
                "contract_sha256": self.fingerprint,
                "held": c.name in held,
            }
            for c in self.containers
        ]
        ops.put("landing_file", seen, key=("bronze_table", "path"))

    def _summary(self, rows: Iterable[dict[str, Any]]) -> Ingested:
        total = Ingested(self.contract.id, self.contract.table)
        for row in rows:
            total += Ingested(
                self.contract.id,
                self.contract.table,
                files=1,
                held=row["status"] == "held",
                rows_read=row["rows_read"],
                rows_loaded=row["rows_loaded"],
                rows_duplicate=row["rows_duplicate"],
                rows_quarantined=row["rows_quarantined"],
            )
        return total
