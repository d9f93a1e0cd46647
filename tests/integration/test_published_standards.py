"""Every published file of the simulated territory, by frictionless: the official schema, ours, and the national checks.

The checks that Table Schema cannot say are read in the official schema and computed here a second time, in Python.
"""

from __future__ import annotations

import csv
import json
import operator
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from publication.card import Card, CardTable, load_cards
from publication.package import schema_file
from quality.standard import load_standard
from tests.integration.national import geojson_validator

if TYPE_CHECKING:
    from tests.integration.conftest import Done, Town

STANDARDS = Path(__file__).resolve().parents[3] / "shared/standards"
# The catalogue has a mere pointer: the AITF keeps the Table Schema of addresses.
ELSEWHERE = {"schema-bal": "bal-1.5/bal_schema_v1.5.json"}
PARTS = [(card, part) for card in load_cards() for part in card.tables]
by_table = pytest.mark.parametrize(("card", "part"), PARTS, ids=[f"{c.id}.{p.name}" for c, p in PARTS])
Row = dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def ended(whole_run: Done) -> Done:
    return whole_run.ok()


def official_schema(card: Card, part: CardTable) -> Path:
    """The national schema's file; skips when there is none, or when it is not at hand."""
    standard = load_standard(card.standard)
    if standard.official is None:
        pytest.skip("the authority's own schema")
    if not STANDARDS.is_dir():
        pytest.skip("the official schema files are not at hand")
    official, name = standard.official, standard.official.schemas[part.name]
    published = f"published/{official.owner}/{name}/{standard.version}/{official.file}"
    path = STANDARDS / ELSEWHERE.get(name, published)
    assert path.is_file(), path
    return path


def delimiter(card: Card, part: CardTable) -> str:
    return load_standard(card.standard).table(part.name).delimiter


def errors(data: Path, schema: Path, separator: str) -> list[Any]:
    from frictionless import Dialect, Resource, Schema, formats, system

    descriptor = json.loads(schema.read_text("utf-8"))
    descriptor.pop("foreignKeys", None)  # test_e2e_simulated.py: whole packages
    with system.use_context(trusted=True):
        dialect = Dialect(controls=[formats.CsvControl(delimiter=separator)])
        resource = Resource(path=str(data), schema=Schema.from_descriptor(descriptor), dialect=dialect)
        return resource.validate().flatten(["rowNumber", "fieldName", "type", "note"])


def csv_file(town: Town, card: Card, part: CardTable) -> Path:
    return town.publication / card.folder / f"{card.stem(part.name)}.csv"


def rows(town: Town, card: Card, part: CardTable) -> list[Row]:
    with csv_file(town, card, part).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter(card, part)))


@pytest.mark.parametrize("card", load_cards(), ids=[card.id for card in load_cards()])
def test_the_data_package_is_valid_its_files_whole_and_its_tables_as_their_schemas_say(
    whole_town: Town, card: Card
) -> None:
    """Every file by its bytes and sha256, every CSV by its schema, every key between tables."""
    from frictionless import Package, system

    folder = whole_town.publication / card.folder
    descriptor = json.loads((folder / "datapackage.json").read_text("utf-8"))
    with system.use_context(trusted=True):
        package = Package.from_descriptor(str(folder / "datapackage.json"))
        report = package.validate()
    assert report.flatten(["taskNumber", "rowNumber", "fieldName", "type", "note"]) == []
    offered = {
        p.name for p in folder.iterdir() if not p.name.endswith(("schema.json", ".html", ".svg", "datapackage.json"))
    }
    assert {resource["path"] for resource in descriptor["resources"]} == offered
    assert all(resource["hash"].startswith("sha256:") and resource["bytes"] for resource in descriptor["resources"])
    by_name = {resource["name"]: resource for resource in descriptor["resources"]}
    for part in card.tables:
        assert rows(whole_town, card, part), "nothing was published"
        published = json.loads((folder / schema_file(card, part.name)).read_text("utf-8"))
        assert by_name[card.stem(part.name)]["schema"] == published


@by_table
def test_the_national_schema_accepts_the_file(whole_town: Town, card: Card, part: CardTable) -> None:
    schema, data = official_schema(card, part), csv_file(whole_town, card, part)
    if load_standard(card.standard).describes("geojson"):
        document = json.loads(schema.read_text("utf-8"))
        collection = json.loads(data.with_suffix(".geojson").read_text("utf-8"))
        assert collection["features"]
        found = geojson_validator(document).iter_errors(collection)
        assert [f"{list(e.absolute_path)}: {e.message}"[:200] for e in found] == []
    else:
        assert errors(data, schema, delimiter(card, part)) == []
        names = [field["name"] for field in json.loads(schema.read_text("utf-8"))["fields"]]
        with data.open(encoding="utf-8", newline="") as stream:
            assert next(csv.reader(stream, delimiter=delimiter(card, part))) == names


def luhn(number: str) -> bool:
    doubled = (int(d) * (1 + rank % 2) for rank, d in enumerate(reversed(number)))
    return number.isdigit() and sum(sum(map(int, str(value))) for value in doubled) % 10 == 0


def siret(number: str) -> bool:
    if number.startswith("356000000") and number != "35600000000048":
        return sum(map(int, number)) % 5 == 0
    return len(number) == 14 and luhn(number) and luhn(number[:9])


def years(text: str) -> bool:
    first, _, second = text.partition("/")
    return first.isdigit() and len(first) == 4 and (not second or (len(second) == 4 and int(second) > int(first)))


def comparable(text: str) -> Any:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text


OPERATORS = {">": operator.gt, ">=": operator.ge, "==": operator.eq, "<=": operator.le, "<": operator.lt}
MATTERS = {"commande publique", "urbanisme", "domaine et patrimoine", "fonction publique",
           "institutions et vie politique", "libertés publiques et pouvoirs de police", "finances locales",
           "domaines de compétences par thèmes", "autres domaines de compétences"}  # fmt: skip


def holds(name: str, params: dict[str, Any], row: Row) -> bool:
    """Whether a row meets one of Validata's checks; an absent value is not asked anything."""
    column = row.get(params.get("column", ""), "")
    match name:
        case "one-of-required":
            return bool(row[params["column1"]] or row[params["column2"]])
        case "cohesive-columns-value":
            return len({bool(value) for value in (column, *(row[c] for c in params["othercolumns"]))}) == 1
        case _ if not column:
            return True
        case "french-siret-value":
            return siret(column)
        case "french-siren-value":
            return len(column) == 9 and luhn(column)
        case "year-interval-value":
            return years(column)
        case "phone-number-value":
            return len(re.sub(r"\D", "", column)) in (2, 3, 4, 6, 10, 11, 12)
        case "nomenclature-actes-value":
            return column.split("/")[0].lower() in MATTERS and "/" in column and "/ " not in column
        case "compare-columns-value":
            other = row[params["column2"]]
            return not other or OPERATORS[params["op"]](comparable(column), comparable(other))
        case "sum-columns-value":
            parts = [row[c] for c in params["columns"]]
            return not all(parts) or float(column) == sum(map(float, parts))
        case "opening-hours-value":
            return re.search(r"24/7|\d\d:\d\d|off|closed|open|sunrise", column) is not None
    pytest.fail(f"no second computation of `{name}`; write it here")


@by_table
def test_the_checks_of_the_national_validator_hold(whole_town: Town, card: Card, part: CardTable) -> None:
    asked = json.loads(official_schema(card, part).read_text("utf-8")).get("custom_checks") or []
    found = rows(whole_town, card, part)
    broken = [
        (c["name"], c["params"], row) for c, row in product(asked, found) if not holds(c["name"], c["params"], row)
    ]
    assert broken[:3] == []


def test_the_second_computation_can_fail() -> None:
    row = {"a": "24580440600017", "b": "2", "c": "", "d": "Finances locales / Divers", "e": "2026/2025", "f": "9"}
    wrong = [
        ("french-siret-value", {"column": "a"}),
        ("cohesive-columns-value", {"column": "b", "othercolumns": ["c"]}),
        ("nomenclature-actes-value", {"column": "d"}),
        ("year-interval-value", {"column": "e"}),
        ("compare-columns-value", {"column": "b", "op": ">=", "column2": "f"}),
        ("sum-columns-value", {"column": "f", "columns": ["b", "b"]}),
    ]
    assert [name for name, params in wrong if holds(name, params, row)] == []
