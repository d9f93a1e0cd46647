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
    sources = ("traffic_counts", "carpool_sites", "water_scada")  # the other tables of its source, and other sources
    contracts = [c for c in load_contracts() if c.id in sources]
    done = {c.bronze: pipeline.ingest_source(c, run_id="r1") for c in contracts}
    assert [name for name, result in done.items() if result is None] == ["traffic_counts__hour"]
    assert len(done) > len(sources)
    assert {"carpool_sites", "water_scada"} <= {r.source for r in done.values() if r and r.rows_loaded}
    assert any(r.rows_loaded for name, r in done.items() if r and name.startswith("traffic_counts__"))
    ((step, subject, reason),) = pipeline.failures("r1")
    assert (step, subject) == ("ingest", "traffic_counts__hour")
    assert "traffic_counts__hour" in reason

    blocked.unlink()
    again = pipeline.ingest_source(next(c for c in contracts if c.bronze == "traffic_counts__hour"), run_id="r2")
    assert again is not None
    assert again.rows_loaded > 0
    assert pipeline.failures("r2") == []
