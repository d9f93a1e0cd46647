"""Our declarations: sound in themselves, and in agreement with the official schema files when those are at hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from candidates_of_standards import NOW, REFERENCE, select_typed
from frictionless import Resource, Schema, validate
from pydantic import ValidationError

from quality.audit import AuditRules, audit
from quality.standard import DeclaredCheck, Standard, load_standard, standard_ids

STANDARDS = REFERENCE / "standards"
needs_reference = pytest.mark.skipif(not STANDARDS.is_dir(), reason="the official schema files are not at hand")
OFFICIAL = [
    (name, table, schema)
    for name in standard_ids()
    if (official := load_standard(name).official) and official.format == "csv"
    for table, schema in official.schemas.items()
]


def official_schema(standard_id: str, schema: str) -> dict[str, Any]:
    """The official schema file, as the national catalogue publishes it."""
    if schema == "schema-bal":  # the catalogue has a mere pointer: the AITF keeps the Table Schema of addresses
        aitf: dict[str, Any] = json.loads((STANDARDS / "bal-1.5/bal_schema_v1.5.json").read_text(encoding="utf-8"))
        return aitf
    standard = load_standard(standard_id)
    assert standard.official
    path = STANDARDS / "published" / standard.official.owner / schema / standard.version / standard.official.file
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def facts(field: dict[str, Any]) -> dict[str, Any]:
    """What a validator makes of a field, whatever way it is written."""
    form = field.get("format")
    # the schema of fountains writes the bounds of its coordinates as texts
    bounds = {k: float(v) for k, v in field.get("constraints", {}).items() if k in ("minimum", "maximum")}
    return {
        "name": field["name"],
        "type": field["type"],
        "format": None if form in ("default", "%Y-%m-%d") and field["type"] == "date" else form,
        "constraints": {"required": False} | field.get("constraints", {}) | bounds,
    }


@needs_reference
@pytest.mark.parametrize(("standard_id", "table", "schema"), OFFICIAL)
def test_our_declaration_agrees_with_the_official_schema(standard_id: str, table: str, schema: str) -> None:
    official = official_schema(standard_id, schema)
    standard = load_standard(standard_id)
    ours = standard.table(table).table_schema(standard)
    assert [facts(field) for field in ours["fields"]] == [facts(field) for field in official["fields"]]
    for mine, theirs in zip(ours["fields"], official["fields"], strict=True):
        # what we write is among what the standard reads (Table Schema's own words when it says nothing)
        assert set(mine.get("trueValues", ())) <= set(theirs.get("trueValues") or ["true", "1"]), mine["name"]
        assert set(mine.get("falseValues", ())) <= set(theirs.get("falseValues") or ["false", "0"]), mine["name"]
        assert mine["description"] != theirs["description"], f"{mine['name']}: say it in our own words"
    key = official.get("primaryKey")
    assert ours.get("primaryKey") == ([key] if isinstance(key, str) else key)
    assert ours.get("custom_checks") == official.get("custom_checks")
    assert set(ours["missingValues"]) <= set(official.get("missingValues", [""]))


@needs_reference
def test_our_declaration_agrees_with_the_official_json_schema() -> None:
    """Of cycle facilities, whose national schema describes the GeoJSON; we add the geometry, which it has elsewhere."""
    standard = load_standard("amenagements-cyclables")
    official = official_schema(standard.id, "schema-amenagements-cyclables")
    theirs = official["properties"]["features"]["items"]["properties"]["properties"]
    *ours, geometry = standard.tables[0].fields
    assert (geometry.name, geometry.type) == ("geometrie", "geometry")
    assert [field.name for field in ours] == list(theirs["properties"])
    for field, said in zip(ours, theirs["properties"].values(), strict=True):
        # a year is a whole number, of which the schema only says that it is one
        assert field.type in {said.get("format", said["type"]), {"number": "integer"}.get(said["type"])}, field.name
        assert (list(field.enum), field.pattern) == (said.get("enum", []), said.get("pattern")), field.name
        assert field.required == (field.name in theirs["required"]), field.name
        assert field.description != said.get("description"), f"{field.name}: say it in our own words"


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def official_example(folder: str, name: str) -> list[list[str]]:
    rows = rows_of(STANDARDS / folder / f"{name}.csv")
    # The stored example of lieux-covoiturage is of version 0.2, when `id_local` was called `id_lieu`.
    return [["id_local" if cell == "id_lieu" else cell for cell in rows[0]], *rows[1:]]


EXAMPLES = [
    ("lieux-covoiturage", "lieux-covoiturage", "lieux-covoiturage", "exemple-valide", True),
    *(
        ("comptage-mobilites", table, f"comptage-mobilites-{table}", example, True)
        for table in ("site", "channel", "measure")
        for example in ("exemple-valide", "exemple-valide-eco-compteur")
    ),
    ("comptage-mobilites", "channel", "comptage-mobilites-channel", "exemple-invalide", False),
    ("irve-statique", "irve-statique", "irve-statique", "exemple-valide-statique", True),
    ("irve-dynamique", "irve-dynamique", "irve-dynamique", "exemple-valide-dynamique", True),
    ("stationnement", "stationnement", "stationnement", "exemple-valide", True),
    ("stationnement", "stationnement", "stationnement", "exemple-invalide", False),
]


@needs_reference
@pytest.mark.parametrize(("standard_id", "table", "folder", "example", "valid"), EXAMPLES)
def test_frictionless_judges_official_examples_by_our_schema_as_they_are_meant(
    standard_id: str, table: str, folder: str, example: str, *, valid: bool
) -> None:
    standard = load_standard(standard_id)
    descriptor = standard.table(table).table_schema(standard)
    descriptor.pop("foreignKeys", None)  # one file alone: the table it refers to is not there
    rows: list[Any] = official_example(folder, example)
    report = validate(Resource(data=[[cell or None for cell in row] for row in rows], schema=_schema(descriptor)))
    assert report.valid is valid, report.flatten(["rowNumber", "fieldName", "type", "note"])[:5]


def _schema(descriptor: dict[str, Any]) -> Schema:
    return Schema.from_descriptor(descriptor)


def audit_official(con: duckdb.DuckDBPyConnection, standard_id: str, examples: dict[str, str]) -> set[tuple[str, ...]]:
    """Audit official files, loaded with our types; gives what fails as (severity, rule, table, column)."""
    standard = load_standard(standard_id)
    folders = {(sid, table): schema.removeprefix("schema-") for sid, table, schema in OFFICIAL}
    for table, example in examples.items():
        header, *rows = official_example(folders[standard_id, table], example)
        names = ", ".join(f'"{name}" VARCHAR' for name in header)
        con.execute(f'CREATE TABLE "{table}_text" ({names})')
        marks = ", ".join("?" for _ in header)
        con.executemany(f'INSERT INTO "{table}_text" VALUES ({marks})', [[c or None for c in row] for row in rows])
        con.execute(f'CREATE VIEW "{table}" AS ' + select_typed(standard.table(table), f'"{table}_text"'))
    relations = {table: f'"{table}"' for table in examples}
    verdict = audit("official", standard, relations, AuditRules(), con, now=NOW)
    return {(c.severity, c.rule, c.table, c.column or "") for c in verdict.failures}


@needs_reference
def test_the_official_carpool_example_passes_but_for_its_hours(con: duckdb.DuckDBPyConnection) -> None:
    found = audit_official(con, "lieux-covoiturage", {"lieux-covoiturage": "exemple-valide"})
    # The 0.2 example writes `true` where the field wants opening hours.
    assert found == {("warning", "opening_hours", "lieux-covoiturage", "horaires")}


@needs_reference
def test_a_real_counter_export_passes(con: duckdb.DuckDBPyConnection) -> None:
    example = "exemple-valide-eco-compteur"
    assert audit_official(con, "comptage-mobilites", dict.fromkeys(("site", "channel", "measure"), example)) == set()


@needs_reference
def test_official_examples_that_do_not_belong_together_fail_only_on_their_links(con: duckdb.DuckDBPyConnection) -> None:
    # The measures of the small example name channels its channel file does not hold.
    found = audit_official(con, "comptage-mobilites", dict.fromkeys(("site", "channel", "measure"), "exemple-valide"))
    assert found == {("error", "foreign_key", "measure", "channel_id")}


@needs_reference
def test_the_official_invalid_example_is_rejected_for_what_is_wrong_in_it(con: duckdb.DuckDBPyConnection) -> None:
    files = {"site": "exemple-valide", "channel": "exemple-invalide", "measure": "exemple-valide"}
    found = {(rule, column) for _, rule, table, column in audit_official(con, "comptage-mobilites", files)
             if table == "channel"}  # fmt: skip
    assert found >= {("primary_key", "channel_id"), ("required", "started_at"), ("pattern", "mobility_type")}


@pytest.mark.parametrize("standard_id", standard_ids())
def test_generated_schemas_are_valid_and_every_field_speaks_french_to_its_reader(standard_id: str) -> None:
    standard = load_standard(standard_id)
    for table in standard.tables:
        schema = _schema(json.loads(json.dumps(table.table_schema(standard))))
        assert tuple(field.name for field in schema.fields) == table.columns
        assert all(len(field.description) > 15 and field.title and field.example for field in table.fields)


@pytest.mark.parametrize("standard_id", standard_ids())
def test_the_examples_of_a_declaration_satisfy_it(standard_id: str) -> None:
    standard = load_standard(standard_id)
    for table in standard.tables:
        descriptor = table.table_schema(standard)
        descriptor.pop("foreignKeys", None)
        row = [field.example for field in table.fields]
        report = validate(Resource(data=[list(table.columns), row], schema=_schema(descriptor)))
        assert report.valid, report.flatten(["fieldName", "note"])


def test_official_tables_have_their_address_in_the_national_catalogue_and_ours_have_none() -> None:
    counts = load_standard("comptage-mobilites")
    assert (
        counts.schema_iri("measure")
        == "https://schema.data.gouv.fr/schemas/etalab/schema-comptage-mobilites-measure/0.2.5/schema.json"
    )
    charging = load_standard("irve-statique")
    assert (
        charging.schema_iri("irve-statique")
        == "https://schema.data.gouv.fr/schemas/etalab/schema-irve-statique/2.3.1/schema-statique.json"
    )
    own = load_standard("eau-volumes-journaliers")
    assert own.schema_iri(own.tables[0].name) is None
    assert "path" not in own.tables[0].table_schema(own)


def test_drinking_water_works_are_published_without_their_place() -> None:
    columns = load_standard("eau-volumes-journaliers").tables[0].columns
    assert not [c for c in columns if any(word in c for word in ("lon", "lat", "adresse", "coord"))]


def test_an_unknown_standard_or_table_is_told_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="lieux-covoiturage"):
        load_standard("lieux-de-covoiturage")
    with pytest.raises(KeyError, match="site, channel, measure"):
        load_standard("comptage-mobilites").table("mesure")


TABLE = {"name": "t", "title": "T", "description": "d",
         "fields": [{"name": "a", "type": "string", "title": "A", "description": "a"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"primary_key": ["b"]}, "not fields: b"),
        ({"foreign_keys": [{"columns": ["a"], "table": "u", "references": ["a"]}]}, "table `u`, which has no such"),
        ({"checks": [{"rule": "siren", "columns": ["z"], "severity": "error", "origin": "validata"}]}, "not fields: z"),
        ({"fields": TABLE["fields"] * 2}, "declared twice"),  # type: ignore[operator]
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_declaration_that_does_not_hold_together_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Standard.model_validate(
            {"id": "s", "version": "1", "title": "S", "description": "d", "tables": [TABLE | change]}
        )


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ({"rule": "decimals", "columns": ["a", "b"]}, "limit"),
        ({"rule": "chronology", "columns": ["a"]}, "2 expected"),
        ({"rule": "required_unless", "columns": ["a"]}, "reference"),
    ],
)
def test_a_check_without_its_parameters_is_refused(check: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        DeclaredCheck.model_validate(check | {"severity": "error", "origin": "datanevers"})


def test_a_pattern_with_escaped_letters_is_evaluated(con: duckdb.DuckDBPyConnection) -> None:
    """The standard of facilities writes its accents as `\\u00C0`, which DuckDB's engine does not read."""
    street = TABLE["fields"][0] | {"name": "street", "pattern": r"^[a-z\s\u00C0-\u00FF]+$"}  # type: ignore[operator]
    table = TABLE | {"fields": [street]}
    standard = Standard.model_validate({"id": "s", "version": "1", "title": "S", "description": "d", "tables": [table]})
    con.execute("CREATE TABLE streets AS SELECT unnest(['allée des érables', 'allée n. 3', NULL]) AS street")
    verdict = audit("s", standard, {"t": "streets"}, AuditRules(), con, now=NOW)
    assert [(c.rule, c.column, c.unexpected_rows) for c in verdict.failures] == [("pattern", "street", 1)]
