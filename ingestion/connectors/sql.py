"""SQL: queries on a supplier's PostgreSQL or MariaDB, streamed into JSON lines.

Belongs here: connecting read-only, the watermark, and rows becoming lines. Does not: what a column means (contracts).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import orjson

from ingestion.connectors.arrival import Arrival, FetchError, due, file_name, land, leftovers
from ingestion.connectors.state import Value

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL, Connection, CursorResult
    from sqlalchemy.dialects.mysql.base import MySQLDialect

    from ingestion.connectors.declared import Query, Sql

BATCH = 2_000  # rows fetched from the server at a time
FILE_ROWS = 1_000_000  # of a query with a watermark: what a crash may cost of a first, long extraction
CONNECT_TIMEOUT_S = 10
DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mariadb": "mysql+pymysql",
    "mysql": "mysql+pymysql",
}
REPEATED_HOUR = timedelta(hours=1)  # a clock without zone goes back by so much in October
MYSQL_TIMESTAMP = 7  # the type that MariaDB keeps in UTC, unlike DATETIME


def collect(arrival: Arrival, connector: Sql, *, force: bool) -> None:
    """Run the queries whose turn it is; one that fails does not stop the others."""
    from sqlalchemy.exc import DBAPIError

    turn = [q for q in connector.queries if force or due(arrival.state.get(q.table), arrival.now, connector.every_min)]
    for query in turn:
        try:
            with _connected(arrival, connector) as connection:
                _Extraction(arrival, connector, query, connection).run()
        except DBAPIError as error:  # the database's own words, without the query and its parameters
            arrival.fail(query.table, FetchError(f"{type(error.orig).__name__} : {error.orig}"))
        except Exception as error:  # noqa: BLE001 - the boundary of one query: recorded
            arrival.fail(query.table, error)


@contextmanager
def _connected(arrival: Arrival, connector: Sql) -> Iterator[Connection]:
    """A connection that cannot write, whose clock is UTC and whose statements end in time."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    url = _url(arrival.secrets.get(connector.url_env), connector.url_env)
    seconds = connector.timeout_s
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args=_connect_args(url, seconds),
        json_deserializer=_json_as_it_is,
    )
    with engine.connect() as connection:
        if url.get_backend_name() == "mysql":
            connection.exec_driver_sql("SET SESSION time_zone = '+00:00'")
            maria = cast("MySQLDialect", connection.dialect).is_mariadb
            limit = f"max_statement_time = {seconds}" if maria else f"max_execution_time = {seconds * 1000}"
            connection.exec_driver_sql(f"SET SESSION {limit}")
            connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.commit()
        yield connection


def _url(text: str, variable: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
        driver = DRIVERS[url.drivername]
    except (ArgumentError, ValueError, KeyError):
        driver = None
    if driver is None:  # outside the except: the parser's text may hold a piece of the password
        raise FetchError(
            f"{variable} n'est pas une adresse postgresql:// ou mariadb:// (caractères à encoder en %xx ?)"
        )
    return url.set(drivername=driver)


def _connect_args(url: URL, seconds: int) -> dict[str, Any]:
    if url.get_backend_name() == "mysql":
        return {"connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": seconds, "charset": "utf8mb4"}
    settings = {
        "statement_timeout": f"{seconds}s",
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "repeatable\\ read",
        "timezone": "UTC",
    }
    own = url.query.get("options", "")  # ours go last: they win
    options = " ".join([own if isinstance(own, str) else " ".join(own), *(f"-c {k}={v}" for k, v in settings.items())])
    return {"connect_timeout": CONNECT_TIMEOUT_S, "options": options, "client_encoding": "utf8"}


class _Extraction:
    """One query, from its watermark to files."""

    def __init__(self, arrival: Arrival, connector: Sql, query: Query, connection: Connection) -> None:
        self._arrival = arrival
        self._zone = connector.zone
        self._query = query
        self._connection = connection
        self._state = arrival.state.get(query.table)
        self._instant = arrival.now.replace(microsecond=0)

    def run(self) -> None:
        """Land the rows, in files of at most FILE_ROWS when a watermark makes each of them final."""
        for part in leftovers(self._arrival.folder, f"{self._query.table}_"):
            part.unlink()
        with closing(self._execute()) as result:
            self._take(result)
        self._remember(finished=True)

    def _take(self, result: CursorResult[Any]) -> None:
        names = list(result.keys())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise FetchError(f"colonnes de même nom dans le résultat : {', '.join(twice)}")
        watermark = self._query.watermark
        if watermark is not None and watermark not in names:
            raise FetchError(f"le résultat n'a pas de colonne « {watermark} », déclarée watermark")
        place = names.index(watermark) if watermark else None
        lines, rows = _Lines(result, self._zone), iter(result)
        while self._file(rows, lines, place):
            pass

    def _execute(self) -> CursorResult[Any]:
        """Run the query on a server-side cursor.

        By the driver and not through `text()`, which would take the `:MI` of a date format for a parameter.
        """
        query, watermark = self._query, self._query.watermark
        # The drivers see a parameter in every `%`.
        sql = query.sql.replace("%", "%%")
        since = None
        if watermark is not None:
            column = f"q.{self._connection.dialect.identifier_preparer.quote(watermark)}"
            since = self._since()
            # Rows without a watermark come every time: none is lost, and bronze drops what it has.
            where = "" if since is None else f" WHERE {column} >= %(since)s OR {column} IS NULL"
            sql = f"SELECT * FROM (\n{sql}\n) AS q{where} ORDER BY {column}"
        return self._connection.execution_options(stream_results=True, yield_per=BATCH).exec_driver_sql(
            sql, {"since": since}
        )

    def _since(self) -> Any:
        known = self._state.get("watermark")
        if known is None:
            return None
        kind, text = known["kind"], known["value"]
        if kind == "integer":
            return int(text) - self._query.overlap
        overlap = timedelta(seconds=self._query.overlap)
        if kind == "date":
            return date.fromisoformat(text) - overlap
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            return instant - max(overlap, REPEATED_HOUR)
        mysql = self._connection.dialect.name == "mysql"  # its clock is UTC, and it has no other way to be told
        return instant.astimezone(UTC).replace(tzinfo=None if mysql else UTC) - overlap

    def _file(self, rows: Iterator[Any], lines: _Lines, place: int | None) -> bool:
        """Write and land one file; whether there may be more rows. `place` is the watermark's in a row."""
        while (self._arrival.folder / (file := file_name(self._query.table, self._instant, None, "jsonl.gz"))).exists():
            self._instant += timedelta(seconds=1)  # a file after the first says by its name that it is later
        part = self._arrival.part(file)
        limit = None if place is None else FILE_ROWS
        count, highest, digest = 0, None, hashlib.sha256()
        with part.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as sink:
            for row in islice(rows, limit):
                line = lines.line(row)
                digest.update(line)
                sink.write(line)
                count += 1
                if place is not None and row[place] is not None:
                    highest = row[place]
        watermark = None if highest is None else _kept(lines.with_zone(str(self._query.watermark), highest))
        self._land(part, file, count, watermark, digest.hexdigest())
        return limit is not None and count == limit

    def _land(self, part: Path, file: str, count: int, watermark: Value | None, digest: str) -> None:
        name = self._query.table
        if count == 0 or digest == self._state.get("sha256"):
            part.unlink()
            self._arrival.tell(name, "not_modified", rows=count)
        else:
            size = part.stat().st_size
            land(part, self._arrival.folder / file)
            self._arrival.tell(name, "fetched", file=file, bytes=size, rows=count)
        if count:
            self._state = {**self._state, "sha256": digest}
        if watermark is not None:
            self._state = {**self._state, "watermark": watermark}
        self._remember(finished=False)

    def _remember(self, *, finished: bool) -> None:
        if finished:
            self._state = {**self._state, "finished": self._arrival.now.isoformat()}
        self._arrival.remember(self._query.table, {"": self._state})


def _kept(value: Any) -> Value:
    """A watermark in a form that can be read back."""
    if isinstance(value, datetime):
        return {"kind": "instant", "value": value.isoformat()}
    if isinstance(value, date):
        return {"kind": "date", "value": value.isoformat()}
    if isinstance(value, int) or (isinstance(value, Decimal) and value == value.to_integral_value()):
        return {"kind": "integer", "value": str(int(value))}
    raise FetchError(f"watermark de type {type(value).__name__} : un entier, une date ou un instant est attendu")


class _Lines:
    """Rows to JSON lines: what JSON cannot say exactly is said as text, and nothing becomes null that was not."""

    def __init__(self, result: CursorResult[Any], zone: str | None) -> None:
        cursor = result.cursor
        description = (cursor.description if cursor is not None else None) or ()
        mysql = result.context.dialect.name == "mysql"
        self._names = [str(column[0]) for column in description]
        self._utc = {str(column[0]) for column in description if mysql and column[1] == MYSQL_TIMESTAMP}
        self._keep = zone == "keep"
        self._zone = ZoneInfo(zone) if zone and not self._keep else None

    def line(self, row: Any) -> bytes:
        """One row."""
        values = {n: v if type(v) in _NATIVE else self._said(n, v) for n, v in zip(self._names, row, strict=True)}
        return orjson.dumps(values, default=_said, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_APPEND_NEWLINE)

    def with_zone(self, name: str, value: Any) -> Any:
        """The value, with the zone that its column is in when the driver does not say it."""
        return value.replace(tzinfo=UTC) if name in self._utc and isinstance(value, datetime) else value

    def _said(self, name: str, value: Any) -> Any:
        value = self.with_zone(name, value)
        if not isinstance(value, datetime) or value.tzinfo is not None:
            return _said(value)
        if self._keep:
            return value.isoformat()
        if self._zone is None:
            raise FetchError(f"« {name} » n'a pas de fuseau : déclarer `zone` dans le connecteur (un fuseau ou keep)")
        first, second = (value.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():  # an hour that is there twice, or not at all: not guessed
            return value.isoformat()
        return _said(first)


_NATIVE = frozenset({str, int, bool, type(None)})


def _said(value: Any) -> Any:  # noqa: PLR0911 - a table of cases
    """A value in a form that JSON has; lists and objects are looked into by orjson, which comes back here."""
    match value:
        case Decimal():
            return orjson.Fragment(format(value, "f")) if value.is_finite() else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _clock(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case list() | dict() | orjson.Fragment():
            return value
        case _:
            return str(value)  # UUID, address, range ...


def _clock(duration: timedelta) -> str:
    """`-26:03:04.5`: hours may pass 24, as in MariaDB's TIME."""
    sign = "-" if duration < timedelta(0) else ""
    seconds, micros = divmod(abs(duration) // timedelta(microseconds=1), 1_000_000)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _json_as_it_is(text: str | bytes) -> orjson.Fragment:
    """A JSON value of PostgreSQL with its digits as they are, on one line (a line end in JSON is but white space)."""
    data = text.encode() if isinstance(text, str) else bytes(text)
    return orjson.Fragment(data.replace(b"\n", b" ").replace(b"\r", b" "))
