"""Great Expectations on the DuckDB connection the caller already has.

Belongs here: the only import of Great Expectations' internals, and the few methods of it we override.
Does not: expectations (`suite`), what to make of their results (`audit`).

Great Expectations (GX) has no DuckDB source. Through `duckdb-engine`'s SQLAlchemy dialect three things are missing:

1. it reads a result after its connection went back to the pool, and DuckDB then returns nothing: `execute_query`
   buffers the (always small) result while the connection is still held;
2. it knows regular expressions and column types only for the dialects it lists: `dialect_module` presents DuckDB's
   as PostgreSQL's, of which duckdb-engine is a subclass, so that a pattern becomes DuckDB's `~`, which matches the
   *whole* value, as Table Schema wants; column types come from `DESCRIBE`, which works for every relation;
3. it opens its own connection, so it would not see the caller's in-memory views: `_create_engine` lends it the
   caller's, without the right to close it or to touch its transaction.

All of it is done by subclassing: nothing of GX is patched, and other uses of GX in the process are not affected.
"""

from __future__ import annotations

import inspect
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import duckdb

if TYPE_CHECKING:
    from great_expectations.datasource.fluent.interfaces import Batch

GX_VERSION = "1.24.1"

# What we override or call, with the parameters we count on. A test fails when GX changes one of them.
_RELIED_ON: dict[str, tuple[str, ...]] = {
    "SqlAlchemyExecutionEngine.execute_query": ("self", "query"),
    "SqlAlchemyExecutionEngine.get_connection": ("self",),
    "SqlAlchemyExecutionEngine._execute_query_with_recovery": ("connection", "query"),
    "SqlAlchemyExecutionEngine.get_inspector": ("self",),
    "SQLDatasource._create_engine": ("self",),
    "SQLDatasource.get_engine": ("self",),
    "SQLDatasource.get_execution_engine": ("self",),
}

# DuckDB's scalar types as expectations name them: the SQL name without parameters, spaces made underscores.
DUCKDB_TYPES = (
    *("BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP_WITH_TIME_ZONE"),
    *("FLOAT", "DOUBLE", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)

_numbers = itertools.count(1)
_lent: dict[str, duckdb.DuckDBPyConnection] = {}


class BridgeError(RuntimeError):
    """The installed Great Expectations is not the one this bridge was written for."""


@cache
def load_gx() -> ModuleType:
    """Import Great Expectations, with its telemetry off, and check that the bridge fits it.

    Raises:
        BridgeError: other version, or a method the bridge overrides is gone or has other parameters.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read once, when GX is imported
    with _without_spark():
        import great_expectations
        from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
        from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine

    check_fit(
        great_expectations.__version__,
        {"SqlAlchemyExecutionEngine": SqlAlchemyExecutionEngine, "SQLDatasource": SQLDatasource},
    )
    return great_expectations


@contextmanager
def _without_spark() -> Iterator[None]:
    """Hide pyspark while GX is imported.

    GX imports whatever Spark it finds, and pyspark's client, which has no Spark home, ends the process (`sys.exit`)
    when the program was not started from its own bin folder, as Dagster's run workers are not.
    """
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "pyspark"}
    sys.modules["pyspark"] = None  # type: ignore[assignment]  # the import system's way to say: not there
    try:
        yield
    finally:
        del sys.modules["pyspark"]
        sys.modules.update(hidden)


def check_fit(version: str, classes: dict[str, type]) -> None:
    """Compare GX's version and the methods we rely on with what the bridge was written for.

    Raises:
        BridgeError: saying what differs and what to do.
    """
    differences = [] if version == GX_VERSION else [f"version {version} is installed, {GX_VERSION} is expected"]
    for name, parameters in _RELIED_ON.items():
        owner, method = name.split(".")
        function = getattr(classes[owner], method, None)
        if function is None:
            differences.append(f"{name} is gone")
        elif (found := tuple(inspect.signature(function).parameters)) != parameters:
            differences.append(f"{name} takes {found}, {parameters} is expected")
    if differences:
        msg = (
            f"quality/duckdb_bridge.py does not fit the installed great_expectations: {'; '.join(differences)}. "
            f"Install great-expectations=={GX_VERSION} (pyproject.toml), or adapt the bridge, update GX_VERSION and "
            "_RELIED_ON, and run tests/unit/quality/test_duckdb_bridge.py."
        )
        raise BridgeError(msg)


@dataclass(frozen=True)
class Session:
    """An ephemeral GX context (nothing on disk) over one DuckDB connection; made by `session`."""

    con: duckdb.DuckDBPyConnection
    datasource: Any

    def batch(self, relation: str) -> Batch:
        """A GX batch over `relation`: anything that can follow FROM, seen through a temporary view.

        Raises:
            duckdb.Error: the relation does not exist or cannot be read.
        """
        view = f"gx_batch_{next(_numbers)}"
        self.con.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM {relation}")
        asset = self.datasource.add_table_asset(view)
        batch: Batch = asset.add_batch_definition_whole_table("whole").get_batch()
        return batch

    def close(self) -> None:
        """Drop the temporary views."""
        for asset in self.datasource.assets:
            self.con.execute(f"DROP VIEW IF EXISTS {asset.name}")


@contextmanager
def session(con: duckdb.DuckDBPyConnection) -> Iterator[Session]:
    """Lend `con` to GX for the length of the block; everything GX runs, it runs on that very connection.

    Raises:
        BridgeError: see `load_gx`.
    """
    gx = load_gx()
    _datasource_class()
    address = f"duckdb://lent-{next(_numbers)}"
    _lent[address] = con
    try:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        opened = Session(con, context.data_sources.add_duckdb(name="duckdb", connection_string=address))
        try:
            yield opened
        finally:
            opened.close()
    finally:
        del _lent[address]


@cache
def _datasource_class() -> type:
    """Declare our datasource; GX registers it when the class is made, which must happen once per process."""
    import sqlalchemy as sa
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine

    borrowed, dialect_module = _borrowed_connection_class(), _dialect_module()

    class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.dialect_module = dialect_module

        def execute_query(self, query: Any) -> Any:
            with self.get_connection() as connection:
                result = self._execute_query_with_recovery(connection, query)
                return result.freeze()() if result.returns_rows else result

        def get_inspector(self) -> Any:
            return _Inspector(self.engine, dialect_module)

    class DuckDBDatasource(SQLDatasource):
        type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

        @property
        def execution_engine_type(self) -> Any:
            return DuckDBExecutionEngine

        def _create_engine(self) -> sa.Engine:
            con = _lent[str(self.connection_string)]
            return sa.create_engine("duckdb://", creator=lambda: borrowed(con), poolclass=sa.pool.StaticPool)

        def get_execution_engine(self) -> Any:
            if self._execution_engine is None:
                self._execution_engine = DuckDBExecutionEngine(engine=self.get_engine())
            return self._execution_engine

    return DuckDBDatasource


def _borrowed_connection_class() -> Any:
    import duckdb_engine

    class BorrowedConnection(duckdb_engine.ConnectionWrapper):  # type: ignore[misc,no-any-unimported,unused-ignore]
        """The caller's connection: an audit only reads, so its end and its transaction stay the caller's."""

        def close(self) -> None: ...

        def begin(self) -> None: ...

        def commit(self) -> None: ...

        def rollback(self) -> None: ...

    return BorrowedConnection


def _dialect_module() -> Any:
    """What GX looks into to know a dialect: its class, and one class per column type."""
    import duckdb_engine
    import sqlalchemy as sa

    types = {name: type(name, (sa.types.TypeEngine,), {}) for name in DUCKDB_TYPES}
    return SimpleNamespace(__name__="duckdb", dialect=duckdb_engine.Dialect, **types)


class _Inspector:
    """The part of SQLAlchemy's inspector GX uses, answered by DESCRIBE: names, order and types of the columns."""

    def __init__(self, engine: Any, dialect_module: Any) -> None:
        self.dialect = engine.dialect
        self._engine = engine
        self._types = dialect_module

    def get_columns(self, table_name: str, schema: str | None = None) -> list[dict[str, Any]]:
        import sqlalchemy as sa

        quoted = ".".join(f'"{part}"' for part in (schema, str(table_name)) if part)
        with self._engine.connect() as connection:
            described = connection.execute(sa.text(f"DESCRIBE {quoted}")).fetchall()
        return [{"name": row[0], "type": self._type(row[1])} for row in described]

    def get_pk_constraint(self, table_name: str, schema: str | None = None) -> dict[str, list[str]]:  # noqa: ARG002
        return {"constrained_columns": []}

    def _type(self, name: str) -> Any:
        import sqlalchemy as sa

        base = name.split("(", maxsplit=1)[0].strip().replace(" ", "_")
        known = getattr(self._types, base, None) or type(base, (sa.types.TypeEngine,), {})
        return known()
