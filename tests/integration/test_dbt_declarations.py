"""What the dbt project says elsewhere too must agree with where it was said first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb
import jinja2
import pytest
import yaml

from ingestion.contract import load_contracts
from ingestion.territory import load_territory
from lake import ops
from lake.home import ROOT
from orchestration.declared import tables as declared_tables
from quality.standard import load_standard

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = ROOT / "dbt_project"
MODELS = sorted((PROJECT / "models").glob("*/*.sql"))


def _yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _declared(model: Path) -> dict[str, Any]:
    """What the yml beside a model says of it, or of all open data the generated one."""
    gold = model.parent.name == "opendata"
    path = model.with_name("_opendata.yml") if gold else model.with_suffix(".yml")
    (entry,) = [m for m in _yaml(path)["models"] if m["name"] == model.stem or not gold]
    return entry


def _sources() -> dict[str, list[tuple[str, str]]]:
    groups = _yaml(PROJECT / "models/staging/_sources.yml")["sources"]
    tables = [table for group in groups for table in group["tables"]]
    return {table["name"]: [(c["name"], c["data_type"]) for c in table["columns"]] for table in tables}


def _duckdb_columns(schema: Any) -> list[tuple[str, str]]:
    empty = schema.empty_table()
    described = duckdb.sql("describe select * from empty").fetchall()
    assert empty.num_rows == 0
    return [(row[0], row[1].lower()) for row in described]


def test_sources_are_the_contracts() -> None:
    expected = {contract.bronze: contract.bronze_schema for contract in load_contracts()}
    expected |= {name: table.schema for name, table in declared_tables().items()}
    expected |= {f"ops__{name}": ops.schemas()[name] for name in ("ingest_file", "publication")}
    found = _sources()
    assert sorted(found) == sorted(expected)
    for name, schema in expected.items():
        columns = [(column, kind.replace("timestamptz", "timestamp with time zone")) for column, kind in found[name]]
        assert columns == [(c, k) for c, k in _duckdb_columns(schema)], name


def test_every_source_has_its_staging_model() -> None:
    staged = {path.stem.removeprefix("stg_") for path in MODELS if path.parent.name == "staging"}
    assert staged == set(_sources())


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_every_model_has_one_yml_that_explains_every_column(model: Path) -> None:
    declared = _declared(model)
    assert declared["name"] == model.stem
    assert declared["description"]
    assert all(column["description"] for column in declared["columns"])
    select = re.search(r"\nselect\n(?:(?!\nselect\n).)*\Z", model.read_text(encoding="utf-8"), re.DOTALL)
    assert select
    # a star that is no product, and no count of rows
    assert re.findall(r"(?:^\s*|[\w)]\.)\*", select.group().split("\nfrom ")[0], re.MULTILINE) == []


def test_gold_reads_no_bronze() -> None:
    for model in MODELS:
        if model.parent.name in ("marts", "opendata"):
            text = model.read_text(encoding="utf-8")
            assert "source(" not in text, model
            assert "stg_" not in text, model


def test_territory_facts_agree() -> None:
    facts = _yaml(PROJECT / "dbt_project.yml")["vars"]
    territory = load_territory()
    assert facts == {"time_zone": territory.time_zone, "department_code": territory.department_code}


def test_infrastructure_types_are_those_of_the_standard() -> None:
    text = (PROJECT / "models/opendata/comptages_mobilite_site.sql").read_text(encoding="utf-8")
    listed = re.findall(r"'([^']+)'", text.split("road.use in (")[1].split(")")[0])
    (field,) = [f for f in load_standard("comptage-mobilites").table("site").fields if f.name == "infrastructure_type"]
    assert sorted(listed) == sorted(field.enum)


FAILING: dict[str, tuple[dict[str, Any], str, str]] = {
    "unique_key": ({"columns": ["a", "b"]}, "select 1 as a, 2 as b", "select 1 as a, 2 as b union all select 1, 2"),
    "in_range": ({"column_name": "a", "min": 0, "max": 1}, "select 0.5 as a union all select null", "select 1.5 as a"),
    "not_after": (
        {"column_name": "a", "end_column": "b"},
        "select 1 as a, 1 as b union all select 1, null",
        "select 2 as a, 1 as b",
    ),
    "matches": (
        {"column_name": "a", "pattern": "[0-9]{2}"},
        "select '12' as a union all select null",
        "select '123' as a",
    ),
}


@pytest.mark.parametrize("path", sorted((PROJECT / "tests/generic").glob("*.sql")), ids=lambda path: path.stem)
def test_generic_test_tells_good_from_bad(path: Path) -> None:
    body = re.search(r"{% test .*? %}(.*){% endtest %}", path.read_text(encoding="utf-8"), re.DOTALL)
    assert body
    arguments, good, bad = FAILING[path.stem]
    query = jinja2.Template(body.group(1))
    assert duckdb.sql(query.render(model=f"({good})", **arguments)).fetchall() == []
    assert len(duckdb.sql(query.render(model=f"({bad})", **arguments)).fetchall()) == 1


def test_in_range_checks_each_bound() -> None:
    body = re.search(
        r"{% test .*? %}(.*){% endtest %}", (PROJECT / "tests/generic/in_range.sql").read_text("utf-8"), re.DOTALL
    )
    assert body
    query = jinja2.Template(body.group(1)).render(model="(select -1 as a)", column_name="a", min=0, max=None)
    assert duckdb.sql(query).fetchall() == [(-1,)]
