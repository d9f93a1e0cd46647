"""The tables as others open them: plain DuckDB, polars, and a Spark Connect server; one of each layer, as it is."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Done, Town

# Table to (key to sort by, columns to compare): bronze has a list of structures, all have instants.
TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "bronze/lorawan_uplinks__uplink": ("dev_eui, received_time", ("dev_eui", "f_cnt", "received_time", "event_date")),
    "silver/observation": (
        "datastream_id, phenomenon_time, source_file, source_row",
        ("datastream_id", "phenomenon_time", "phenomenon_date", "result", "quality"),
    ),
    "gold/comptages_mobilite_measure": ("channel_id, start_datetime", ("channel_id", "start_datetime", "count")),
    "ops/ingest_file": ("source, file", ("source", "file", "sha256", "rows_read", "ingested_time")),
}
SAMPLE = 50

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


@pytest.fixture(scope="module", autouse=True)
def ended(first_run: Done) -> None:
    first_run.ok()


def ours(town: Town, table: str) -> tuple[int, list[tuple[Any, ...]]]:
    """Number of rows, and the first rows."""
    order, columns = TABLES[table]
    ((count,),) = town.sql(f"SELECT count(*) FROM {table.replace('/', '.')}")
    rows = town.sql(f"SELECT {', '.join(columns)} FROM {table.replace('/', '.')} ORDER BY {order} LIMIT {SAMPLE}")
    return count, [tuple(plain(v) for v in row) for row in rows]


def plain(value: Any) -> Any:
    """Instants as seconds: engines differ in how they say UTC."""
    return value.timestamp() if hasattr(value, "timestamp") else value


def heard(town: Town) -> list[tuple[Any, ...]]:
    """Gateways of each frame: what is nested in bronze."""
    return town.sql(
        "SELECT dev_eui, epoch(received_time), len(gateways), gateways[1].gateway_id, gateways[1].rssi_dbm "
        f"FROM bronze.lorawan_uplinks__uplink ORDER BY 1, 2 LIMIT {SAMPLE}"
    )


def uri(town: Town, table: str) -> str:
    return str(town.home / "lake" / table)


@pytest.mark.parametrize("table", TABLES)
def test_plain_duckdb(town: Town, table: str) -> None:
    """Not our connection: no setting, only the extension that its wheel brings."""
    import duckdb_extension_delta

    (extension,) = Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
    order, columns = TABLES[table]
    with duckdb.connect() as con:
        con.execute(f"LOAD '{extension}'")
        con.execute("SET TimeZone = 'America/Martinique'")  # stored instants do not depend on who looks
        source = f"delta_scan('{uri(town, table)}')"
        ((count,),) = con.execute(f"SELECT count(*) FROM {source}").fetchall()
        rows = con.execute(f"SELECT {', '.join(columns)} FROM {source} ORDER BY {order} LIMIT {SAMPLE}").fetchall()
    assert (count, [tuple(plain(v) for v in row) for row in rows]) == ours(town, table)


@pytest.mark.parametrize("table", TABLES)
def test_polars(town: Town, table: str) -> None:
    order, columns = TABLES[table]
    frame = pl.read_delta(uri(town, table))
    rows = frame.sort(order.split(", "), nulls_last=True).select(columns).head(SAMPLE).rows()
    assert (frame.height, [tuple(plain(v) for v in row) for row in rows]) == ours(town, table)
    assert all(t.time_zone == "UTC" for t in frame.schema.values() if isinstance(t, pl.Datetime))


def test_polars_nested(town: Town) -> None:
    lazy = pl.scan_delta(uri(town, "bronze/lorawan_uplinks__uplink")).sort("dev_eui", "received_time").head(SAMPLE)
    first = pl.col("gateways").list.first().struct
    rows = lazy.select(
        "dev_eui",
        pl.col("received_time").dt.epoch("us") / 1e6,
        pl.col("gateways").list.len(),
        first.field("gateway_id"),
        first.field("rssi_dbm"),
    ).collect()
    assert rows.rows() == [(d, pytest.approx(t), n, g, r) for d, t, n, g, r in heard(town)]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session on a Spark Connect server without a JVM."""
    import pyspark
    from pyspark.sql import SparkSession

    # else pyspark ends a process that was not started from a bin folder, as workers of pytest are not
    patch = pytest.MonkeyPatch()
    patch.setenv("SPARK_HOME", str(Path(pyspark.__file__).parent))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("sail") / "server.log"
    with log.open("w") as stream:
        program = str(Path(sys.executable).with_name("sail"))
        server = subprocess.Popen(
            [program, "spark", "server", "--port", str(port)], stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent
        )
    try:
        wait_for(port, server, log)
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        yield session
        session.stop()
    finally:
        server.terminate()
        server.wait(timeout=30)
        patch.undo()


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"no Spark Connect server after a minute\n{log.read_text()}")


@pytest.mark.parametrize("table", TABLES)
def test_spark(spark: Any, town: Town, table: str) -> None:
    from pyspark.sql import functions as f

    order, columns = TABLES[table]
    frame = spark.read.format("delta").load(uri(town, table))
    ordered = frame.orderBy(*(f.col(c).asc_nulls_last() for c in order.split(", "))).select(*columns)
    instants = {n for n, t in frame.dtypes if t == "timestamp"}
    rows = ordered.select(*(f.unix_micros(c).alias(c) if c in instants else c for c in columns)).limit(SAMPLE).collect()
    found = [tuple(row[c] / 1e6 if c in instants and row[c] is not None else row[c] for c in columns) for row in rows]
    assert (frame.count(), found) == ours(town, table)
    assert instants


def test_spark_sql_nested(spark: Any, town: Town) -> None:
    rows = spark.sql(
        "SELECT dev_eui, unix_micros(received_time) AS t, size(gateways) AS n, gateways[0].gateway_id AS g, "
        f"gateways[0].rssi_dbm AS r FROM delta.`{uri(town, 'bronze/lorawan_uplinks__uplink')}` "
        f"ORDER BY dev_eui, received_time LIMIT {SAMPLE}"
    ).collect()
    found = [(r["dev_eui"], r["t"] / 1e6, r["n"], r["g"], r["r"]) for r in rows]
    assert found == [(d, pytest.approx(t), n, g, r) for d, t, n, g, r in heard(town)]
