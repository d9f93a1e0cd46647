"""What every source must have from end to end: a contract, a simulation that tells the truth, staging, and silver."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.contract import CONTRACTS_DIR, SourceContract, load_contracts
from simulation.run import platforms, simulate

ROOT = Path(__file__).resolve().parents[2]
STAGING = ROOT / "dbt_project/models/staging"
# A key that holds a secret, in YAML; names of environment variables are said in keys that end in `_env`.
SECRET_KEY = re.compile(r"(?i)(^|_)(password|passwd|pwd|secret|token|api_?key|credentials?|private_key)$")
SECRET_TEXT = re.compile(
    r"(?i)://[^/\s:@]+:[^/\s@]+@|\b(bearer|basic)\s+[a-z0-9+/_=.-]{8,}|-----BEGIN|\bAKIA[0-9A-Z]{16}\b"
    r"|[?&](token|api_?key|key|password|secret|signature|sig|appid)="
)

each_table = pytest.mark.parametrize("contract", load_contracts(), ids=lambda contract: contract.bronze)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What dbt itself understands of the project."""
    from orchestration.pipeline import manifest_path

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("manifest")))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        found: dict[str, Any] = json.loads(manifest_path().read_text("utf-8"))
    return found


def downstream(manifest: dict[str, Any], bronze: str) -> set[str]:
    """Models that depend on a bronze table, directly or not."""
    (start,) = (key for key, s in manifest["sources"].items() if (s["source_name"], s["name"]) == ("bronze", bronze))
    found: set[str] = set()
    todo = [start]
    while todo:
        new = {child for child in manifest["child_map"][todo.pop()] if child.startswith("model.")} - found
        found |= new
        todo += new
    return found


def in_silver(manifest: dict[str, Any], bronze: str) -> set[str]:
    """Names of the conformed models that a bronze table is upstream of."""
    nodes = [manifest["nodes"][key] for key in downstream(manifest, bronze)]
    return {node["name"] for node in nodes if node["path"].startswith("conformed/")}


def test_every_source_is_simulated() -> None:
    assert set(platforms()) == {contract.id for contract in load_contracts()}


def test_every_simulation_tells_the_truth_of_its_files(tmp_path: Path) -> None:
    """Every file that it writes is in the ledger of truth; that the truth is right is for the tests that load it."""
    simulate(tmp_path, days=1, scale=0.05)
    with (tmp_path / "_truth/ledger.csv").open(encoding="utf-8", newline="") as stream:
        told = {(row["source"], row["file"].split("!")[0]) for row in csv.DictReader(stream)}
    written = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    delivered = {(p.parts[0], "/".join(p.parts[1:])) for p in written if p.parts[0] != "_truth"}
    assert {source for source, _ in delivered} == set(platforms())
    assert delivered == told


@each_table
def test_every_table_has_a_staging_model(contract: SourceContract, manifest: dict[str, Any]) -> None:
    assert f"model.datanevers.stg_{contract.bronze}" in downstream(manifest, contract.bronze)


@each_table
def test_every_table_ends_in_silver(contract: SourceContract, manifest: dict[str, Any]) -> None:
    assert in_silver(manifest, contract.bronze)


@each_table
def test_every_telemetry_table_is_observed(contract: SourceContract, manifest: dict[str, Any]) -> None:
    if contract.telemetry is not None:
        assert {"observation", "datastream"} <= in_silver(manifest, contract.bronze)


@each_table
def test_every_staging_column_is_described(contract: SourceContract) -> None:
    """Also when one file declares it: a staging model has a yml of its own, and every column that it selects is there."""
    (model,) = yaml.safe_load((STAGING / f"stg_{contract.bronze}.yml").read_text("utf-8"))["models"]
    assert model["name"] == f"stg_{contract.bronze}"
    assert model["description"].strip()
    described = [column["name"] for column in model["columns"] if (column.get("description") or "").strip()]
    assert described == [column["name"] for column in model["columns"]]
    assert selected((STAGING / f"stg_{contract.bronze}.sql").read_text("utf-8")) == set(described)


def selected(sql: str) -> set[str]:
    """Columns of the final select, which our style has explicit and at the start of its own line."""
    code = re.sub(r"--.*", "", sql)
    last = re.split(r"^select\b(?:\s+distinct\b)?", code, flags=re.MULTILINE)[-1]
    items = re.split(r"^from\b", last, flags=re.MULTILINE)[0]
    names, depth, item = set(), 0, ""
    for char in items + ",":
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            names.add(re.findall(r"\w+", item)[-1])
            item = ""
        else:
            item += char
    return names


def test_the_columns_of_a_select_are_found() -> None:
    sql = "with a as (\n    select 1\n)\n\nselect\n    x,\n    f(y, 2) as z, -- why\n    t.w::text\n    as v\nfrom a\n"
    assert selected(sql) == {"x", "z", "v"}


@pytest.mark.parametrize("path", sorted(CONTRACTS_DIR.glob("*/*.yml")), ids=lambda path: path.stem)
def test_every_contract_says_what_becomes_of_the_platform_and_the_data(path: Path) -> None:
    """Written down, not left to a default: each is a decision of somebody."""
    declared = yaml.safe_load(path.read_text("utf-8"))
    said = {
        "title", "description", "platform", "department", "supplier", "owner_email", "integration",
        "retention_months", "legal", "cadence", "criticality",
    }  # fmt: skip
    assert said - set(declared) == set()
    assert declared["id"] == path.stem


@pytest.mark.parametrize("path", sorted(CONTRACTS_DIR.glob("*/*.yml")), ids=lambda path: path.stem)
def test_no_contract_names_a_credential(path: Path) -> None:
    """The names of environment variables are all that it knows of them."""
    text = path.read_text("utf-8")
    assert SECRET_TEXT.findall(text) == []
    connector = yaml.safe_load(text).get("connector") or {}
    assert [key for key in keys(connector) if SECRET_KEY.search(key)] == []
    variables = [value for key, value in pairs(connector) if key.endswith("_env")]
    assert all(re.fullmatch(r"DATANEVERS_[A-Z0-9_]+", variable) for variable in variables)


def test_a_credential_would_be_seen() -> None:
    assert SECRET_TEXT.search("url: postgresql://reader:hunter2@db.example/lighting")
    assert SECRET_TEXT.search("url: https://api.example/v1?format=json&token=abc")
    assert SECRET_KEY.search("password")
    assert not SECRET_TEXT.search("url: https://api.example/v1?format=json")


def pairs(node: Any) -> list[tuple[str, Any]]:
    """Every (key, value) of a document, at any depth."""
    if isinstance(node, dict):
        return [(str(k), v) for k, v in node.items()] + [pair for v in node.values() for pair in pairs(v)]
    return [pair for v in node for pair in pairs(v)] if isinstance(node, list) else []


def keys(node: Any) -> list[str]:
    return [key for key, _ in pairs(node)]
