"""Reading rows of published Parquet files within limits of time, memory and requests at once.

Belongs here: the DuckDB of the data API and who may use it when. Does not: the SQL of a
request (query.py), HTTP (routes.py).

Limits, each with its reason:
- one thread a query, `AT_ONCE` queries: more than processors, so that a page found in milliseconds does not wait behind
  totals of millions of rows; few enough that each has memory;
- `WAITING` requests may wait, `WAIT_SECONDS` at most: beyond, an honest 503 is better than a queue nobody waits for;
- `SECONDS` a request, all its queries together, then the query is interrupted;
- `MEMORY` for all queries together and no disk to spill to: what does not fit is refused;
- DuckDB may open the published trees and nothing else, and no setting can be changed back.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from lake.engine import literal
from lake.home import publication_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from publication.api.query import Query
    from publication.resources import Resource

T = TypeVar("T")

AT_ONCE, MEMORY = 8, "448MB"
SECONDS = 10.0
WAITING, WAIT_SECONDS = 64, 10.0
KNOWN_COUNTS = 10_000
# An export is a copy of a part; the whole is a file of the tree.
EXPORT_ROWS, ANSWER_BYTES = 50_000, 32_000_000
# Rows beyond a page that are counted. An exact total of a filter that leaves half of 5 million rows costs 20 to 50 ms
# of processor time at each new filter, three times the page itself, and nobody turns two hundred pages.
COUNTED_ON = 10_000
_BATCH = 2_000


class Busy(Exception):
    """Too many requests at once."""


class TooCostly(Exception):
    """A query that does not fit in the limits; the message says which one."""


@dataclass(frozen=True)
class Total:
    """How many rows match; when not exact, there are more."""

    rows: int
    is_exact: bool = True


class Engine:
    """One DuckDB for all requests."""

    def __init__(self) -> None:
        self._con: duckdb.DuckDBPyConnection | None = None
        self._opening, self._counting = Lock(), Lock()
        self._slots = anyio.Semaphore(AT_ONCE)
        self._counts: OrderedDict[tuple[Any, ...], int] = OrderedDict()

    async def run(self, work: Callable[[Reader], T]) -> T:
        """Do `work` with a reader of its own, in a thread, within the limits.

        Raises:
            Busy: when too many wait already, or no turn came in time.
            TooCostly: when time or memory did not suffice.
        """
        import duckdb

        if self._slots.statistics().tasks_waiting >= WAITING:
            raise Busy
        try:
            with anyio.fail_after(WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Busy from error
        try:
            reader = Reader(self, self._connection().cursor())
            stop = asyncio.get_running_loop().call_later(SECONDS, reader.cursor.interrupt)
            try:
                return await anyio.to_thread.run_sync(work, reader)
            finally:
                stop.cancel()
                reader.cursor.close()
        except duckdb.InterruptException as error:
            raise TooCostly(f"plus de {SECONDS:.0f} secondes") from error
        except duckdb.OutOfMemoryException as error:
            raise TooCostly("plus de mémoire qu'une requête ne peut en prendre") from error
        except (duckdb.OutOfRangeException, duckdb.ConversionException) as error:
            raise TooCostly("un résultat plus grand qu'un nombre ne peut l'être") from error
        finally:
            self._slots.release()

    def close(self) -> None:
        """Give the memory back."""
        if self._con is not None:
            self._con.close()
            self._con = None

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._con is None:
                self._con = _connect()
            return self._con

    def known_count(self, key: tuple[Any, ...]) -> int | None:
        """A total counted before for the same bytes and filters."""
        with self._counting:
            if key in self._counts:
                self._counts.move_to_end(key)
            return self._counts.get(key)

    def keep_count(self, key: tuple[Any, ...], total: int) -> None:
        """Remember a total; the least used are forgotten."""
        with self._counting:
            self._counts[key] = total
            if len(self._counts) > KNOWN_COUNTS:
                self._counts.popitem(last=False)


class Reader:
    """What one request may read with, until its time is over."""

    def __init__(self, engine: Engine, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor
        self._engine = engine
        self._until = time.monotonic() + SECONDS

    def page(self, resource: Resource, query: Query) -> tuple[list[str], Total]:
        """The rows of a page, each a JSON text, and the number of rows on all pages."""
        source = _source(resource)
        rows = self._rows(source, query) if query.group is None else self._groups(source, query)
        if len(rows) < query.page_size and (rows or query.page == 1):
            return rows, Total(query.offset + len(rows))  # the last page tells the total
        return rows, self.total(resource, query, query.offset + query.page_size + COUNTED_ON)

    def _rows(self, source: str, query: Query) -> list[str]:
        """The rows of a page: first where they are, then all their columns there and nowhere else.

        In one query, DuckDB reads every column wherever the filter leaves a row, which for rare rows is everywhere.
        """
        ranks = [row[0] for row in self._execute(query.ranks(source), query.values).fetchall()]
        if not ranks:
            return []
        found = dict(self._execute(query.json_at(source, ranks)).fetchall())
        if sum(map(len, found.values())) > ANSWER_BYTES:
            raise TooCostly(f"une réponse de plus de {ANSWER_BYTES // 1_000_000} Mo")
        return [found[rank] for rank in ranks]

    def _groups(self, source: str, query: Query) -> list[str]:
        return self._texts(query.json_rows(source, query.page_size, query.offset), query)

    def total(self, resource: Resource, query: Query, at_most: int) -> Total:
        """The number of rows that match, as far as `at_most`, or of groups; counted once for the same question."""
        if not query.filters and query.group is None:
            return Total(resource.file.rows)
        key = (resource.file.sha256, query.filters, query.values, query.group, at_most)
        total = self._engine.known_count(key)
        if total is None:
            (found,) = self._execute(query.count(_source(resource), at_most + 1), query.values).fetchall()
            total = int(found[0])
            self._engine.keep_count(key, total)
        return Total(total) if query.group is not None or total <= at_most else Total(at_most, is_exact=False)

    def export(self, resource: Resource, query: Query, *, as_csv: bool) -> list[str]:
        """Every row as CSV lines or JSON texts.

        Raises:
            TooCostly: when there are more than `EXPORT_ROWS`.
        """
        total = self.total(resource, query, EXPORT_ROWS)
        if total.rows > EXPORT_ROWS or not total.is_exact:
            raise TooCostly(f"plus de {EXPORT_ROWS} lignes, le plus qu'un export puisse compter")
        source = _source(resource)
        sql = query.csv_rows(source, EXPORT_ROWS) if as_csv else query.json_rows(source, EXPORT_ROWS, 0)
        return self._texts(sql, query)

    def _texts(self, sql: str, query: Query) -> list[str]:
        """The texts of a query, one a row, as long as an answer can hold them."""
        found: list[str] = []
        size = 0
        cursor = self._execute(sql, query.values)
        while batch := cursor.fetchmany(_BATCH):
            found += [row[0] for row in batch]
            size += sum(len(row[0]) for row in batch)
            if size > ANSWER_BYTES:
                raise TooCostly(f"une réponse de plus de {ANSWER_BYTES // 1_000_000} Mo")
        return found

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        import duckdb

        # an interruption between two queries of a request stops neither
        if time.monotonic() >= self._until:
            raise duckdb.InterruptException(f"{SECONDS} s")
        return self.cursor.execute(sql, list(values))


def _source(resource: Resource) -> str:
    return f"read_parquet({literal(str(resource.parquet))}, file_row_number = true)"


def _connect() -> duckdb.DuckDBPyConnection:
    import duckdb

    con = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": MEMORY,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "custom_user_agent": "datanevers",
        }
    )
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    con.execute("SET GLOBAL parquet_metadata_cache = true")  # a footer is read once a publication
    published = publication_dir()
    # the link, and the folder beside it that holds the trees it points to in turn
    folders = ", ".join(literal(f"{folder}/") for folder in (published, published.with_name(".publications")))
    con.execute(f"SET GLOBAL allowed_directories = [{folders}]")
    con.execute("SET GLOBAL enable_external_access = false")
    con.execute("SET GLOBAL lock_configuration = true")
    return con
