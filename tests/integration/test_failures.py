"""One source in trouble is told to the person who must act, and keeps nobody else from loading."""

from __future__ import annotations

import pytest

from ingestion.contract import load_contracts
from lake.home import lake_uri, landing_dir
from orchestration import pipeline
from simulation import simulate


@pytest.fixture
def landing(tmp_path, monkeypatch):
    monkeypatch.setenv("DATANEVERS_HOME", str(tmp_path))
    simulate(landing_dir(), days=1, scale=0.05)


def test_a_table_that_cannot_be_written_is_a_failure_row_and_the_others_load(landing):
    from pathlib import Path

    blocked = Path(lake_uri()) / "bronze" / "traffic_counts__hour"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("not a folder")
    done = {c.id: pipeline.ingest_source(c, run_id="r1") for c in load_contracts()}
    assert [source for source, result in done.items() if result is None] == ["traffic_counts"]
    assert all(result.rows_loaded for source, result in done.items() if result is not None)
    ((step, subject, reason),) = pipeline.failures("r1")
    assert (step, subject) == ("ingest", "traffic_counts")
    assert "traffic_counts__hour" in reason

    blocked.unlink()
    again = pipeline.ingest_source(next(c for c in load_contracts() if c.id == "traffic_counts"), run_id="r2")
    assert again is not None
    assert again.rows_loaded > 0
    assert pipeline.failures("r2") == []
