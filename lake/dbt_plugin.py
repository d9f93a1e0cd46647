"""dbt's door to the lake: what dbt-duckdb loads as the plugin `lake`.

Belongs here: preparing dbt's DuckDB connection, and passing the calls of `dbt_project/macros/lake.sql` on to
lake/candidate.py. Does not: any rule about when a candidate is good (the macros and tests say so).

dbt-duckdb lets a macro reach Python in one way, `adapter.store_relation(plugin, relation, columns, path, format,
config)`; `config['action']` says what is wanted, and answers are put back into `config`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbt.adapters.duckdb.plugins import BasePlugin

from lake import candidate, ops
from lake import table as delta
from lake.engine import attach_lake, attach_table, extension_path, prepare
from lake.home import dbt_dir

if TYPE_CHECKING:
    import duckdb
    from dbt.adapters.duckdb.credentials import DuckDBCredentials
    from dbt.adapters.duckdb.utils import TargetConfig


class Plugin(BasePlugin):
    """Offline extensions, the lake as views, and candidates."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:  # noqa: ARG002 - dbt-duckdb's signature
        """Nothing is known before the connection is."""
        self._con: duckdb.DuckDBPyConnection | None = None
        self._just_attached = False

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:  # noqa: ARG002
        """DuckDB does not make the folder of its database."""
        dbt_dir().mkdir(parents=True, exist_ok=True)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Prepare dbt's connection as ours are."""
        prepare(conn)
        conn.execute(f"LOAD '{extension_path('spatial')}'")  # 50 ms and 20 MB: silver settles places, nobody else does
        # The order of rows is nobody's business before publication, and keeping it costs memory.
        conn.execute("set preserve_insertion_order = false")
        self._con = conn
        self._attach(conn)
        self._just_attached = True

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """The zone is a setting of the session: each cursor needs it."""
        cursor.execute("set TimeZone = 'UTC'")

    def store(self, target_config: TargetConfig) -> None:
        """Do what `config['action']` says: attach, stage, promote or discard."""
        if self._con is None:
            msg = "the lake plugin was called before dbt opened its connection"
            raise RuntimeError(msg)
        options: dict[str, Any] = target_config.config
        layer, table = str(target_config.relation.schema), str(target_config.relation.identifier)
        cursor = self._con.cursor()
        try:
            self.configure_cursor(cursor)
            if options["action"] == "attach":
                # The first command of a connection finds what `configure_connection` made a moment ago.
                if not self._just_attached:
                    self._attach(cursor)
                self._just_attached = False
            elif options["action"] == "stage":
                self._stage(cursor, layer, table, options)
            elif options["action"] == "promote":
                # No candidate: no day was at stake, and the current version is already the right one.
                before = delta.version(layer, table)
                waits = candidate.find(layer, table) is not None
                options["version"] = candidate.promote(layer, table) if waits else before
                options["committed"] = options["version"] != before
                attach_table(cursor, layer, table)
            else:
                candidate.discard(layer, table)
                cursor.execute(f'drop view if exists {layer}."{table}"')
                attach_table(cursor, layer, table)
        finally:
            cursor.close()

    @staticmethod
    def _attach(con: duckdb.DuckDBPyConnection) -> None:
        """Views of the tables that exist now, and of no other: dbt's database file outlives candidates."""
        ops.ensure()
        for schema in ("silver", "gold", "fresh"):
            con.execute(f"drop schema if exists {schema} cascade")
        con.execute("create schema fresh")
        attach_lake(con)

    @staticmethod
    def _stage(con: duckdb.DuckDBPyConnection, layer: str, table: str, options: dict[str, Any]) -> None:
        if options["strategy"] == "replace_by_day" and not options["days"]:
            candidate.discard(layer, table)
        else:
            candidate.stage(
                con,
                candidate.Candidate(
                    layer=layer,
                    table=table,
                    model=options["unique_id"],
                    invocation_id=options["invocation_id"],
                    rows=0,
                    strategy=options["strategy"],
                    day_column=options["day_column"],
                    days=tuple(options["days"]),
                    partition_by=_names(options["partition_by"]),
                    unique_key=_names(options["unique_key"]),
                ),
                options["sql"],
            )
        options["view_sql"] = whole = candidate.view_sql(layer, table)
        fresh = candidate.find(layer, table)
        options["fresh_sql"] = f"select * from {fresh.relation()}" if fresh else f"select * from ({whole}) where false"


def _names(value: str | list[str] | None) -> tuple[str, ...]:
    """Configs hold one name or a list."""
    return (value,) if isinstance(value, str) else tuple(value or ())
