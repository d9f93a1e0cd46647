"""The command line as scripts use it: help, exit codes, one JSON document, and a `query` that can do no harm."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestion.contract import load_contracts
from publication.card import load_cards

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Done, Town

COMMANDS = (
    "simulate", "run", "ingest", "collect", "build", "audit", "publish", "prepare", "tables", "sources", "indicators",
    "new-source", "datasets", "query", "serve",
)  # fmt: skip
SOURCES = {contract.id for contract in load_contracts()}


@pytest.fixture(scope="module", autouse=True)
def ended(first_run: Done) -> None:
    first_run.ok()


def test_the_console_script_is_the_command_line() -> None:
    (script,) = entry_points(group="console_scripts", name="datanevers")
    assert script.value == "orchestration.cli:main"
    assert Path(sys.executable).with_name("datanevers").is_file()


def test_every_command_has_help(town: Town) -> None:
    listed = town("--help").ok().out
    for command in COMMANDS:
        assert re.search(rf"^  {command}\b +\S", listed, re.MULTILINE), command
        helped = town(command, "--help").ok().out
        assert helped.startswith("Usage: ")
        assert "--help" in helped
    assert not set(re.findall(r"^  ([a-z-]+) ", listed.partition("Commands:")[2], re.MULTILINE)) - set(COMMANDS)


def test_tables(town: Town) -> None:
    found = town("tables", "--json").ok().document
    assert all(set(t) >= {"layer", "name", "version", "rows", "bytes"} for t in found)
    assert {f"{t['layer']}/{t['name']}": t["version"] for t in found} == town.versions()
    sizes = {f"{t['layer']}.{t['name']}": (t["rows"], t["bytes"]) for t in found}
    ((count,),) = town.sql("SELECT count(*) FROM silver.observation")
    assert sizes["silver.observation"][0] == count > 10_000
    assert all(size > 0 for rows, size in sizes.values() if rows)


def test_sources(town: Town) -> None:
    found = {s["id"]: s for s in town("sources", "--json").ok().document}
    assert set(found) == SOURCES
    assert all(set(s) >= {"id", "platform", "department", "format", "rows_loaded"} for s in found.values())
    for name, ((rows,),) in {
        "water_scada": town.sql("SELECT count(*) FROM bronze.water_scada__reading"),
        "lorawan_uplinks": town.sql("SELECT count(*) FROM bronze.lorawan_uplinks__uplink"),
    }.items():
        assert found[name]["rows_loaded"] == rows > 0


def test_datasets(town: Town) -> None:
    found = {d["id"]: d for d in town("datasets", "--json").ok().document}
    assert found.keys() == {card.id for card in load_cards()}
    for dataset in found.values():
        assert set(dataset) >= {"id", "standard", "verdict", "published_version", "rows"}
        assert dataset["verdict"] in ("passed", "warned", "failed", None)
    file = town.publication / "datasets/lieux-covoiturage/lieux-covoiturage.csv"
    assert found["lieux-covoiturage"]["rows"] == len(list(csv.DictReader(io.StringIO(file.read_text("utf-8")))))


def test_lists_can_be_asked_of_an_empty_installation(new_town: Callable[[], Town]) -> None:
    empty = new_town()
    assert empty("tables", "--json").ok().document == []
    assert {s["rows_loaded"] for s in empty("sources", "--json").ok().document} == {0}
    assert {d["published_version"] for d in empty("datasets", "--json").ok().document} == {None}


def test_a_run_says_one_document_on_standard_output(first_run: Done) -> None:
    """Also when there is much to log: the document is all there is, what is for people is elsewhere."""
    assert set(first_run.document) >= {"run_id", "changed", "sources", "datasets", "failures"}
    for source in first_run.document["sources"]:
        accounted = source["rows_loaded"] + source["rows_duplicate"] + source["rows_quarantined"]
        assert source["rows_read"] == accounted


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("run", "--source", "water_scadda"), SOURCES),
        (("ingest", "--source", "x", "--json"), SOURCES),
        (("run", "--landing", "/no/such/folder"), {"/no/such/folder"}),
        (("run", "--landing", __file__), {Path(__file__).name}),
        (("run", "--from", "25/10/2026"), {"25/10/2026", "%Y-%m-%d"}),
        (("simulate", "--out", "/tmp/x", "--days", "0"), {"--days"}),
        (("simulate",), {"--out"}),
        (("serve", "--port", "99999"), {"--port"}),
        (("lineage", "x"), {"lineage"}),
        (("query",), {"sql"}),
        (("run", "--no-such-option"), {"--no-such-option"}),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_wrong_use_ends_with_2_and_says_what_is_right(town: Town, argv: tuple[str, ...], named: set[str]) -> None:
    done = town(*argv)
    assert done.code == 2, done
    assert done.out == ""
    said = re.sub(r"\s+", " ", done.err)
    assert all(name in said for name in named), said
    assert "Traceback" not in said


SELECT = "SELECT site_id, nature, date, volume_m3 FROM gold.eau_volumes_journaliers ORDER BY ALL LIMIT 3"


def test_query_answers_in_three_forms(town: Town) -> None:
    rows = town.sql(SELECT)
    assert len(rows) == 3
    as_json = town("query", SELECT, "--json").ok().document
    assert [tuple(r.values()) for r in as_json] == [(a, b, str(c), d) for a, b, c, d in rows]
    as_csv = list(csv.DictReader(io.StringIO(town("query", SELECT, "--csv").ok().out)))
    assert [(r["site_id"], r["date"], float(r["volume_m3"])) for r in as_csv] == [(a, str(c), d) for a, _, c, d in rows]
    table = town("query", SELECT).ok().out
    assert "site_id" in table
    assert all(site in table for site, *_ in rows)


def test_a_unit_in_brackets_is_shown(town: Town) -> None:
    assert "[ppm]" in town("query", "SELECT '[ppm]' AS unit").ok().out


def test_query_of_nothing_is_no_error(town: Town) -> None:
    nothing = "SELECT site_id FROM gold.eau_volumes_journaliers WHERE false"
    assert town("query", nothing, "--json").ok().document == []
    assert town("query", nothing, "--csv").ok().out.strip().strip('"') == "site_id"


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{out}/written.csv'",
        "COPY gold.eau_volumes_journaliers TO '{lake}/gold/written.parquet'",
        "COPY (SELECT 1) TO '{tmp}/written.csv'",
        "EXPORT DATABASE '{out}/all'",
        "ATTACH '{out}/other.db' AS other",
        "ATTACH '{lake}/other.db' AS other",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('{landing}/asset_register/registre_20261022.csv')",
        "SELECT * FROM delta_scan('{out}')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{out}/any.duckdb_extension'",
        "SELECT * FROM read_csv('https://example.org/x.csv')",
        "SET enable_external_access = true",
        "RESET allowed_directories",
        "DELETE FROM bronze.water_scada__reading",
        "UPDATE ops.ingest_file SET rows_read = 0",
        "DROP VIEW gold.eau_volumes_journaliers",
        "CREATE TABLE mine AS SELECT 1",
        "SELECT 1; COPY (SELECT 1) TO '{out}/written.csv'",
        "SELECT getenv('HOME')",
        "SELEC 1",
    ],
)
def test_query_can_only_read_the_lake(town: Town, tmp_path: Path, sql: str) -> None:
    before = fingerprint(town.home)
    places = {"out": tmp_path, "lake": town.home / "lake", "tmp": town.home / "tmp", "landing": town.landing}
    done = town("query", sql.format(**places), "--json")
    assert done.code == 1, done.out[:500]
    assert done.out == ""
    assert "requête refusée" in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []
    assert fingerprint(town.home) == before


def fingerprint(home: Path) -> str:
    """Every file of an installation, by name and size; locks and logs of others who read it left out."""
    shown = (p for top in ("lake", "landing", "tmp") for p in sorted((home / top).rglob("*")) if p.is_file())
    lines = [f"{p.relative_to(home)} {p.stat().st_size}" for p in shown if "spill" not in p.parts]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_same_simulation_has_the_same_bytes(new_town: Callable[[], Town]) -> None:
    def bytes_of(seed: str) -> dict[str, str]:
        town = new_town()
        arguments = ("--seed", seed, "--start", "2026-10-24", "--days", "2", "--scale", "0.05")
        said = town("simulate", *arguments, "--out", str(town.landing), "--json").ok().document
        paths = sorted(p for p in town.landing.rglob("*") if p.is_file())
        assert (said["files"], said["bytes"]) == (len(paths), sum(p.stat().st_size for p in paths))
        assert (town.landing / "_truth/ledger.csv").is_file()
        return {str(p.relative_to(town.landing)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    once = bytes_of("1")
    assert {Path(path).parts[0] for path in once} == SOURCES | {"_truth"}
    assert bytes_of("1") == once
    assert bytes_of("2") != once


def test_a_broken_lake_is_said_in_a_line(same_town: Town) -> None:
    """What is wrong with the installation is for its operator: a line that names the place, and code 1."""
    broken = same_town.home / "lake/gold/lieux_covoiturage"
    (broken / "_delta_log" / f"{0:020}.json").write_text("{", "utf-8")
    for argv in (("tables", "--json"), ("query", "SELECT 1")):
        done = same_town(*argv)
        assert (done.code, done.out) == (1, ""), argv
        said = [line for line in done.err.splitlines() if line.startswith("datanevers : ")]
        assert len(said) == 1
        assert str(broken) in said[0]
        assert "Traceback" not in done.err
