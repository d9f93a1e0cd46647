"""The lake on an object store: the same code, with DATANEVERS_LAKE=s3://…, against an S3 server on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow as pa
import pytest

from ingestion.contract import load_contracts
from ingestion.load import ingest
from lake import engine, table
from simulation import simulate


@pytest.fixture
def object_store(tmp_path, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "DATANEVERS_LAKE": "s3://lac/nevers",
        "DATANEVERS_HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(name, value)
    try:
        _wait_for_bucket(server, endpoint)
        yield
    finally:
        server.kill()
        server.wait()


def _wait_for_bucket(server, endpoint):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the S3 server stopped"
        try:
            request = urllib.request.Request(f"{endpoint}/lac", method="PUT")
            urllib.request.urlopen(request, timeout=5)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
            continue
        return
    pytest.fail("the S3 server does not answer")


def test_a_source_loads_and_reads_on_an_object_store(object_store, tmp_path):
    landing = tmp_path / "landing"
    simulate(landing, days=1, scale=0.1)
    contract = next(c for c in load_contracts() if c.bronze == "traffic_counts__hour")
    done = ingest(contract, landing=landing)
    assert done.rows_loaded > 0
    assert done.rows_read == done.rows_loaded + done.rows_duplicate + done.rows_quarantined
    assert ingest(contract, landing=landing).files == 0
    assert contract.bronze in table.tables("bronze")
    with engine.connect() as con:
        assert con.execute(f"SELECT count(*) FROM bronze.{contract.bronze}").fetchone() == (done.rows_loaded,)
        assert con.execute("SELECT sum(rows_loaded) FROM ops.ingest_file").fetchone() == (done.rows_loaded,)


def test_compare_and_swap_holds_on_an_object_store(object_store):
    rows = pa.table({"a": pa.array([1], pa.int64())})
    table.create("bronze", "swap__test", rows.schema)
    first = table.append_at("bronze", "swap__test", rows.to_reader(), at_version=0, metadata={})
    assert first == 1
    with pytest.raises(table.Conflict):
        table.append_at("bronze", "swap__test", rows.to_reader(), at_version=0, metadata={})
    with engine.connect() as con:
        assert con.execute("SELECT count(*) FROM bronze.swap__test").fetchone() == (1,)
