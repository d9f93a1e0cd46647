"""The names that tests, portals and operators rely on: layers, tables, columns and what their endings promise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.contract import load_contracts
from lake import ops
from orchestration.declared import tables as declared_tables
from publication.card import load_cards

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "dbt_project/models"
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
TABLE = re.compile(r"[a-z][a-z0-9]*(_{1,2}[a-z0-9]+)*")
# What the ending of a column says of its type, in the words of Arrow and of DuckDB.
INSTANT = {"timestamp[us, tz=UTC]", "timestamp with time zone", "timestamptz"}
DAY = {"date32[day]", "date"}
TEXT = {"string", "large_string", "varchar"}
# UCUM unit to the ending of its columns; the dimensionless and the angles have none.
ENDINGS = {
    "W": "_w", "kW": "_kw", "kWh": "_kwh", "L": "_l", "m3": "_m3", "m3/h": "_m3_h", "m2": "_m2", "m": "_m", "bar": "_bar",
    "km/h": "_km_h", "dBm": "_dbm", "dB": "_db", "Hz": "_hz", "MHz": "_mhz", "min": "_min", "h": "_h", "s": "_s",
    "Cel": "_cel", "%": "_pct", "V": "_v", "kV.A": "_kva", "kW.h": "_kwh", "W/m2": "_w_m2", "hPa": "_hpa", "mm": "_mm",
    "km": "_km", "cm": "_cm", "EUR": "_eur", "m/s": "_m_s", "t": "_t", "ug/m3": "_ug_m3", "kBy": "_kb", "K": "_k",
}  # fmt: skip
WITHOUT_ENDING = {"1", "deg"}
PARTITION_MONTH = "event_month"  # a day that stands for its month


def model_columns(*folders: str) -> Iterator[tuple[str, str, str]]:
    """(model, column, type) as the yml files of dbt declare them."""
    for folder in folders:
        for path in sorted((MODELS / folder).glob("*.yml")):
            for model in yaml.safe_load(path.read_text("utf-8")).get("models", ()):
                for column in model["columns"]:
                    yield model["name"], column["name"], str(column.get("data_type", "")).lower()


def columns() -> list[tuple[str, str, str]]:
    """(table, column, type) of every table of the lake whose names are ours; open data is named by its standards."""
    bronze = {c.bronze: c.bronze_schema for c in load_contracts()}
    bronze |= {name: table.schema for name, table in declared_tables().items()}
    named = [(f"bronze.{t}", f.name, str(f.type)) for t, schema in bronze.items() for f in schema]
    named += [(f"ops.{t}", f.name, str(f.type)) for t, schema in ops.schemas().items() for f in schema]
    return named + list(model_columns("conformed", "marts"))


def offenders(*, ending: str, types: set[str]) -> list[tuple[str, str, str]]:
    return [c for c in columns() if c[1].endswith(ending) and c[2] not in types]


def test_there_is_something_to_name() -> None:
    found = columns()
    assert len(found) > 200
    assert {t.split(".")[0] for t, *_ in found} >= {"bronze", "ops", "observation", "water_volume_day"}


def test_columns_are_snake_case() -> None:
    assert [c for c in columns() if not SNAKE.fullmatch(c[1])] == []


def test_times_are_instants_and_instants_are_times() -> None:
    assert offenders(ending="_time", types=INSTANT) == []
    assert [c for c in columns() if c[2] in INSTANT and not c[1].endswith("_time")] == []
    assert [c for c in columns() if "timestamp" in c[2] and c[2] not in INSTANT] == [], "no instant without its zone"


def test_dates_are_days_and_days_are_dates() -> None:
    assert offenders(ending="_date", types=DAY) == []
    assert [c for c in columns() if c[2] in DAY and not c[1].endswith("_date") and c[1] != PARTITION_MONTH] == []


@pytest.mark.parametrize("ending", ["_id", "insee_code", "siren", "siret", "prm", "dev_eui", "sha256"])
def test_identifiers_are_text(ending: str) -> None:
    assert offenders(ending=ending, types=TEXT) == []
    assert any(c[1].endswith(ending) for c in columns()) or ending == "siret"


def test_published_codes_are_text() -> None:
    """A leading zero lost is a commune lost."""
    codes = [c for c in model_columns("opendata") if re.search(r"insee|_id$|^id_|^source$|siren", c[1])]
    assert len(codes) > 8
    assert [c for c in codes if c[2] not in TEXT] == []


def test_the_unit_is_the_ending() -> None:
    measured = [(c.id, column) for c in load_contracts() for column in c.columns if column.unit]
    measured += [(c.id, f) for c in load_contracts() for column in c.columns for f in column.fields if f.unit]
    assert len(measured) > 20
    unknown = {column.unit for _, column in measured} - set(ENDINGS) - WITHOUT_ENDING
    assert unknown == set(), "say in ENDINGS how columns in these units end"
    wrong = [
        (source, column.name, column.unit)
        for source, column in measured
        if column.unit in ENDINGS and not column.name.endswith(ENDINGS[column.unit])
    ]
    assert wrong == []


def test_models_are_named_after_their_layer() -> None:
    for path in MODELS.glob("*/*.sql"):
        assert TABLE.fullmatch(path.stem), path
        prefix = {"staging": "stg_", "intermediate": "int_"}.get(path.parent.name)
        assert path.stem.startswith(prefix) if prefix else "__" not in path.stem, path
    schemas: dict[str, Any] = yaml.safe_load((ROOT / "dbt_project/dbt_project.yml").read_text("utf-8"))["models"][
        "datanevers"
    ]
    assert {name: config.get("+schema") for name, config in schemas.items()} == {
        "staging": "staging",
        "intermediate": None,
        "conformed": "silver",
        "marts": "gold",
        "opendata": "gold",
    }


def test_bronze_and_staging_carry_their_source() -> None:
    bronze = {c.bronze for c in load_contracts()} | set(declared_tables())
    assert all(re.fullmatch(r"[a-z0-9_]+?__[a-z0-9_]+", name) for name in bronze)
    # what the platform did is kept in ops: two of its tables are read by models too
    done = {"ops__ingest_file", "ops__publication"}
    assert {p.stem for p in (MODELS / "staging").glob("*.sql")} == {f"stg_{name}" for name in bronze | done}


def test_datasets_are_named_as_they_are_published() -> None:
    for card in load_cards():
        for table in card.tables:
            assert table.model == card.stem(table.name).replace("-", "_")


def test_python_files_and_folders_are_snake_case() -> None:
    packages = ("ingestion", "lake", "orchestration", "publication", "quality", "simulation", "tests", "benchmarks")
    files = [p.relative_to(ROOT) for package in packages for p in (ROOT / package).rglob("*.py")]
    parts = {part for path in files for part in (*path.parent.parts, path.stem)}
    assert {part for part in parts if not SNAKE.fullmatch(part.strip("_"))} == set()
