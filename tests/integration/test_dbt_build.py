"""Real dbt builds on a small simulated territory: what becomes current, when, and whether it is true.

The builds tell one story on one installation, each from where the former left it, because each takes seconds.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.contract import load_contracts
from ingestion.load import ingest
from lake import candidate, engine, ops, table
from lake.home import ROOT, home, landing_dir, table_uri
from orchestration import declared, pipeline
from publication.card import load_cards
from simulation.run import simulate
from tests.parsed import parsed_into

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = ROOT / "dbt_project"
START = date(2026, 10, 23)  # with 4 days it holds the 25-hour day
SILVER = ("carpool_site", "commune", "datastream", "location", "observation", "platform", "thing")
MARTS = ("building_energy_day", "traffic_count_hour", "water_volume_day")
OPENDATA = tuple(part.model for card in load_cards() for part in card.tables)


def _dbt(*arguments: str) -> Any:
    """One dbt command in this process; its database is let go afterwards."""
    parsed_into(home())
    return pipeline.dbt(*arguments)


def _versions() -> dict[str, int | None]:
    layers = {**dict.fromkeys(SILVER, "silver"), **dict.fromkeys(MARTS + OPENDATA, "gold")}
    return {name: table.version(layer, name) for name, layer in layers.items()}


def _query(sql: str) -> list[tuple[Any, ...]]:
    con = engine.connect(attach=False)
    try:
        for layer, name in set(re.findall(r"\b(bronze|silver|gold|ops)\.(\w+)", sql)):
            engine.attach_table(con, layer, name)
        candidate.attach(con)
        return con.execute(sql).fetchall()
    finally:
        con.close()


@dataclass
class Story:
    """What was seen along the way."""

    success: list[bool]
    versions: list[dict[str, int | None]]
    pending: list[set[str]]

    def build(self, *arguments: str) -> None:
        """A build, and what it left."""
        self.success.append(_dbt("build", "--exclude-resource-type", "unit_test", *arguments).success)
        self.versions.append(_versions())
        self.pending.append({waiting.table for waiting in candidate.pending()})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Four days, loaded and built once; open data promoted as after its audit; built again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DBT_LOG_PATH", str(Path(os.environ["DATANEVERS_HOME"]) / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        simulate(landing_dir(), seed=7, start=START, days=4, scale=0.25)
        for contract in load_contracts():
            ingest(contract)
        declared.write()
        story = Story([], [], [])
        story.build()
        for name in OPENDATA:
            candidate.promote("gold", name)
        story.build()
        yield story


def test_only_open_data_waits_for_its_audit(built: Story) -> None:
    assert built.success[0]
    assert {name for name, version in built.versions[0].items() if version is None} == set(OPENDATA)
    assert built.pending[0] == set(OPENDATA)


def test_unchanged_content_commits_nothing(built: Story) -> None:
    assert built.success[1]
    assert set(built.versions[1].values()) == {0}
    before = _versions()
    for name in OPENDATA:
        candidate.promote("gold", name)
    assert _versions() == before


def test_unit_tests_of_the_formulas(built: Story) -> None:
    results = _dbt("test", "--select", "test_type:unit").result.results
    units = [result for result in results if result.node.resource_type == "unit_test"]
    assert len(units) > 20
    assert {u.node.name: u.message for u in units if str(u.status) != "pass"} == {}


def test_water_volumes_are_true(built: Story) -> None:
    truth = landing_dir() / "_truth/water_daily_volume.csv"
    rows = _query(
        f"select t.volume_m3, m.volume_m3 from '{truth}' t join gold.eau_volumes_journaliers m "
        "on m.site_id = t.unit_id and m.date = t.business_date where m.part_mesuree = 1"
    )
    assert len(rows) >= 12
    for true, found in rows:
        # a register of whole cubic metres cannot be read closer than one
        assert found == pytest.approx(true, rel=0.005, abs=1)
    assert sum(r[1] for r in rows) == pytest.approx(sum(r[0] for r in rows), rel=0.005)


def test_energy_is_true(built: Story) -> None:
    truth = landing_dir() / "_truth/building_daily_energy.csv"
    rows = _query(
        f"select t.energy_kwh, m.energie_kwh from read_csv('{truth}', types = {{'prm': 'varchar'}}) t "
        "join gold.consommation_energie_batiments m on m.batiment_id = 'BAT-' || left(sha256(t.prm), 10) "
        "and m.date = t.business_date where m.part_mesuree = 1"
    )
    assert rows
    for true, found in rows:
        assert found == pytest.approx(true, rel=0.005)
    shares = _query(
        f"select (t.steps_blank + t.steps_missing) / t.steps_expected, 1 - m.measured_share "
        f"from read_csv('{truth}', types = {{'prm': 'varchar'}}) t join gold.building_energy_day m "
        "on m.thing_id = 'building_energy:' || t.prm and m.business_date = t.business_date"
    )
    assert len(shares) == 3 * 4
    assert [found for _, found in shares] == pytest.approx([true for true, _ in shares], abs=1e-5)


def test_the_delivery_point_is_published_nowhere(built: Story) -> None:
    (native,) = _query("select native_id from silver.thing where source_id = 'building_energy' limit 1")[0]
    for name in OPENDATA:
        assert _query(f"select 1 from gold.{name} as t where contains(to_json(t)::varchar, '{native}')") == []


def test_large_meters_leave_only_together(built: Story) -> None:
    rows = _query(
        "select distinct site_id, nombre_compteurs from gold.eau_volumes_journaliers where nature like 'gros%'"
    )
    assert rows == [("GROS-CONSOMMATEURS", 12)]


def test_every_observation_walks_back_to_a_file(built: Story) -> None:
    lost = _query(
        "select count(*) from silver.observation o anti join ops.ingest_file f "
        "on o.source_id = f.source and o.source_file = f.file and o.source_sha256 = f.sha256"
    )
    assert lost == [(0,)]


def _record_build() -> None:
    con = engine.connect()
    versions = con.execute("select source, max(delta_version) from ops.ingest_file group by source").fetchall()
    con.close()
    now = datetime.now(UTC)
    ops.record(
        "build_input",
        [{"source": s, "delta_version": v, "code_sha256": "", "run_id": "t", "built_time": now} for s, v in versions],
    )


def _land(source: str, name: str, text: str, encoding: str) -> None:
    (landing_dir() / source / name).write_bytes(text.encode(encoding))
    (contract,) = [contract for contract in load_contracts() if contract.id == source]
    assert ingest(contract).rows_loaded > 0


def _scada_day(day: date) -> str:
    rows = [f"RTU01;DEB01;Débit de refoulement;{day:%d/%m/%Y} {hour:02d}:00:00;12,5;m³/h;Bon" for hour in range(6, 12)]
    return "\r\n".join(["Site;Voie;Libellé;Horodatage;Valeur;Unité;Qualité", *rows]) + "\r\n"


@pytest.fixture(scope="module")
def next_day(built: Story) -> Story:
    """The build is recorded, one more day of one unit arrives, and silver is built again."""
    _record_build()
    day = START + timedelta(days=20)
    _land("water_scada", f"SOFREL_RTU01_{day:%Y%m%d}.csv", _scada_day(day), "cp1252")
    built.build("--select", "+observation", "datastream")
    return built


def test_a_new_day_touches_that_day_only(next_day: Story) -> None:
    assert next_day.success[-1]
    assert next_day.versions[-1]["observation"] == 1
    log = Path(table_uri("silver", "observation")) / "_delta_log/00000000000000000001.json"
    actions = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    day = (START + timedelta(days=20)).isoformat()
    assert [a["add"]["partitionValues"]["phenomenon_date"] for a in actions if "add" in a] == [day]
    assert [a for a in actions if "remove" in a] == []
    assert next_day.versions[-1]["datastream"] == 0


def test_a_series_that_sent_nothing_new_is_still_known(next_day: Story) -> None:
    (series,) = _query("select count(*) from silver.datastream")[0]
    (observed,) = _query("select count(distinct datastream_id) from silver.observation")[0]
    assert series == observed > 20


@pytest.fixture(scope="module")
def bad_snapshot(next_day: Story) -> Story:
    """A snapshot of carpool sites arrives with a place that is not on earth."""
    header = (landing_dir() / "carpool_sites/bnlc_20261023.csv").read_text(encoding="utf-8").splitlines()[0]
    row = "58194-C-099,,Lieu,,Nevers,58194,Parking,2026-10-01,true,,500.5,47.0,,,,,,,"
    _land("carpool_sites", "bnlc_20261101.csv", f"{header}\n{row}\n", "utf-8")
    next_day.build("--select", "stg_carpool_sites__site", "carpool_site", "lieux_covoiturage", "commune")
    return next_day


def test_a_failing_test_keeps_the_last_good_version(bad_snapshot: Story) -> None:
    assert not bad_snapshot.success[-1]
    assert bad_snapshot.versions[-1]["carpool_site"] == 0
    assert _query("select count(*) from silver.carpool_site where longitude > 180") == [(0,)]
    assert _query("select count(*) > 10 from silver.carpool_site") == [(True,)]


def test_what_depends_on_a_failure_is_held_back_too(bad_snapshot: Story) -> None:
    assert "carpool_site" not in bad_snapshot.pending[-1]
    assert "lieux_covoiturage" not in bad_snapshot.pending[-1]
    assert _query("select count(*) from gold.lieux_covoiturage where id_local = '58194-C-099'") == [(0,)]


def test_run_without_tests_promotes_nothing(bad_snapshot: Story) -> None:
    before = _versions()
    assert _dbt("run", "--select", "carpool_site").success
    assert _versions() == before
    candidate.discard("silver", "carpool_site")


def test_plain_command_line(bad_snapshot: Story) -> None:
    before = sorted(path for path in PROJECT.rglob("*"))
    done = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "build", "--select", "commune", "water_volume_day"],
        cwd=PROJECT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unchanged silver.commune, version 0" in done.stdout
    assert sorted(path for path in PROJECT.rglob("*")) == before
