"""The DuckDB that reads the lake.

Belongs here: making a connection with offline extensions, limits and one view per Delta table. Does not: writes to
the lake (lake/table.py) or SQL about a domain.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lake.home import LAYERS, lake_is_remote, lake_uri, table_uri, tmp_dir
from lake.table import exists, tables

if TYPE_CHECKING:
    import duckdb

# One machine, several processes (UI, runs): a quarter of a modest server's memory each, spilling to disk beyond.
MEMORY_LIMIT = os.environ.get("DATANEVERS_MEMORY", "800MB")

# To check who signed an extension, DuckDB hashes it (80 MB, 0.3 s) each time a connection loads it. Ours are loaded by
# path from wheels whose hashes are in requirements.lock: they were checked once, when they were installed.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "custom_user_agent": "datanevers",
    "allow_unsigned_extensions": "true",
}


def extension_path(name: str) -> str:
    """Path of an extension binary shipped by its wheel: loading by path never goes to the network.

    Raises:
        ModuleNotFoundError: when the wheel `duckdb-extension-<name>` is not installed.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        msg = f"duckdb-extension-{name} is not installed; run `make setup` (it installs requirements.lock)"
        raise ModuleNotFoundError(msg)
    found = sorted(Path(spec.origin).parent.glob(f"extensions/*/{name}.duckdb_extension"))
    return str(found[-1])


def prepare(con: duckdb.DuckDBPyConnection, memory: str | None = None) -> None:
    """Load extensions and set limits on any DuckDB connection (ours or dbt's)."""
    con.execute("SET autoinstall_known_extensions = false")
    con.execute("SET autoload_known_extensions = false")
    con.execute(f"LOAD '{extension_path('delta')}'")
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")  # it writes to stdout, where `--json` promises one document
    con.execute(f"SET memory_limit = '{memory or MEMORY_LIMIT}'")
    con.execute(f"SET temp_directory = '{tmp_dir() / 'spill'}'")
    if lake_is_remote():
        con.execute(f"LOAD '{extension_path('httpfs')}'")
        con.execute("CREATE OR REPLACE SECRET lake (TYPE s3, " + _s3_secret() + ")")


def _s3_secret() -> str:
    """DuckDB secret options from the same AWS_* variables that deltalake reads."""
    env = os.environ
    options = {
        "KEY_ID": env.get("AWS_ACCESS_KEY_ID", ""),
        "SECRET": env.get("AWS_SECRET_ACCESS_KEY", ""),
        "REGION": env.get("AWS_REGION", env.get("AWS_DEFAULT_REGION", "us-east-1")),
    }
    endpoint = env.get("AWS_ENDPOINT_URL", "")
    if endpoint:
        options["ENDPOINT"] = endpoint.split("://", 1)[-1]
        options["URL_STYLE"] = "path"
    quoted = ", ".join(f"{k} '{v}'" for k, v in options.items())
    return quoted + (", USE_SSL false" if endpoint.startswith("http://") else "")


def attach_lake(con: duckdb.DuckDBPyConnection) -> None:
    """(Re)create one view `<layer>.<table>` for every Delta table that exists now."""
    for layer in LAYERS:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
        for name in tables(layer):
            attach_table(con, layer, name)


def literal(text: str) -> str:
    """`text` as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def attach_table(con: duckdb.DuckDBPyConnection, layer: str, name: str) -> None:
    """(Re)create the view of one table, if it exists.

    Raises:
        RuntimeError: naming the table and its place, when its log cannot be read.
    """
    import duckdb

    if exists(layer, name):
        uri = table_uri(layer, name)
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
        try:
            con.execute(f"CREATE OR REPLACE VIEW {layer}.\"{name}\" AS SELECT * FROM delta_scan('{uri}')")
        except duckdb.Error as error:
            cause = str(error).strip().splitlines()[0]
            msg = f"{layer}.{name} ({uri}) est illisible, la restaurer d'une sauvegarde ou la reconstruire : {cause}"
            raise RuntimeError(msg) from error


def connect(*, attach: bool = True, memory: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB, in UTC, that sees the lake as views `<layer>.<table>` when `attach` is true.

    `memory` is what it may use before it spills to disk, `DATANEVERS_MEMORY` (800MB) by default.
    """
    import duckdb

    con = duckdb.connect(config=_CONFIG)
    prepare(con, memory)
    if attach:
        attach_lake(con)
    return con


def connect_read_only() -> duckdb.DuckDBPyConnection:
    """A connection for queries typed by people: it sees the lake and can neither write nor read other files.

    DuckDB's in-memory database takes no harm; what is locked is the outside: after the views are made, only the lake's
    own folder may be opened, and no setting may be changed back. DuckDB does not tell reading that folder from writing
    it: use `select`.
    """
    con = connect()
    con.execute(f"SET allowed_directories = ['{lake_uri()}', '{tmp_dir()}']")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    return con


def select(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
    """Run one query, and nothing that is not a query: COPY or ATTACH would write where the tables are.

    Raises:
        duckdb.Error: when it is not SQL, not a single query, or cannot be answered.
    """
    import duckdb

    kinds = [statement.type for statement in con.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        found = ", ".join(kind.name for kind in kinds) or "rien"
        msg = f"une seule requête de lecture est attendue (SELECT, FROM, DESCRIBE, SUMMARIZE…), trouvé : {found}"
        raise duckdb.PermissionException(msg)
    return con.execute(sql)


__all__ = [
    "attach_lake",
    "attach_table",
    "connect",
    "connect_read_only",
    "extension_path",
    "lake_uri",
    "prepare",
    "select",
]
