"""Our own declarations as bronze tables, so that models can join the territory and the contracts.

Belongs here: `bronze.territory__commune`, `bronze.contract__source` and `bronze.contract__datastream`, rewritten when,
and only when, the declarations changed. Does not: anything received from a platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestion.contract import SourceContract, load_contracts
from ingestion.territory import load_territory
from lake import engine, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb
    import pyarrow as pa


NOTES = {
    "insee_code": "INSEE code",
    "name": "Official name",
    "siren": "SIREN of the commune",
    "population": "Inhabitants, municipal population",
    "population_total": "Inhabitants, total population",
    "longitude": "WGS84 longitude of the centroid",
    "latitude": "WGS84 latitude of the centroid",
    "source_id": "Source contract",
    "title": "Title (French)",
    "platform": "Platform",
    "department": "Department in charge",
    "supplier": "Supplier",
    "owner_email": "Address of the owner",
    "cadence": "Declared cadence",
    "criticality": "Criticality",
    "licence": "Licence of what may leave",
    "legal_basis": "Legal basis (French)",
    "integration": "What becomes of the platform: keep, keep_and_push_back or replace",
    "contract_end_date": "End of the supplier's contract",
    "cost_eur_year": "Yearly cost of the platform, EUR",
    "retention_months": "How long raw rows are kept, months",
    "is_personal": "Whether the source holds personal data",
    "is_confidential": "Whether nothing that comes of it may be published",
    "bronze_table": "Bronze table",
    "property_code": "Code of the property on its platform; null when each row has its own",
    "observed_property": "What is observed",
    "unit_ucum": "UCUM unit of results; null when rows say it",
    "declared_step_min": "Declared step, min; null when none is",
    "is_counter": "Whether results are readings of a cumulative register",
    "modulo": "Where the register starts again at zero",
}


def tables() -> dict[str, pa.Table]:
    """Bronze tables by name."""
    import pyarrow as pa

    communes = [c.model_dump() for c in load_territory().communes]
    renamed = [{"insee_code": c.pop("insee"), **c} for c in communes]
    contracts = load_contracts()
    first_tables = {c.id: c for c in reversed(contracts)}  # what is said of a source is said by each of its tables
    sources = [_source(first_tables[id_]) for id_ in sorted(first_tables)]
    return {
        "territory__commune": pa.Table.from_pylist(renamed),
        "contract__source": pa.Table.from_pylist(sources, schema=_schema(_SOURCE)),
        "contract__datastream": pa.Table.from_pylist(
            [stream for c in contracts for stream in _datastreams(c)], schema=_schema(_DATASTREAM)
        ),
    }


_SOURCE = {
    **dict.fromkeys(("source_id", "title", "platform", "department", "supplier", "owner_email"), "text"),
    **dict.fromkeys(("cadence", "criticality", "licence", "legal_basis", "integration"), "text"),
    "contract_end_date": "date",
    "cost_eur_year": "number",
    "retention_months": "count",
    "is_personal": "flag",
    "is_confidential": "flag",
}
_DATASTREAM = {
    **dict.fromkeys(("source_id", "bronze_table", "property_code", "observed_property", "unit_ucum"), "text"),
    "declared_step_min": "count",
    "is_counter": "flag",
    "modulo": "number",
}


def _schema(kinds: dict[str, str]) -> pa.Schema:
    import pyarrow as pa

    types = {"text": pa.string(), "count": pa.int32(), "flag": pa.bool_(), "date": pa.date32(), "number": pa.float64()}
    return pa.schema([(name, types[kind]) for name, kind in kinds.items()])


def _source(c: SourceContract) -> dict[str, Any]:
    return {
        "source_id": c.id,
        "title": c.title,
        "platform": c.platform,
        "department": c.department,
        "supplier": c.supplier,
        "owner_email": c.owner_email,
        "cadence": c.cadence,
        "criticality": c.criticality,
        "licence": c.legal.licence,
        "legal_basis": c.legal.basis,
        "integration": c.integration,
        "contract_end_date": c.contract_end,
        "cost_eur_year": c.cost_eur_year,
        "retention_months": c.retention_months,
        "is_personal": c.personal is not None,
        "is_confidential": c.legal.confidential,
    }


def _datastreams(c: SourceContract) -> Iterator[dict[str, Any]]:
    for result in c.telemetry.results if c.telemetry else ():
        unit = c.column(result.column).unit if result.column else None
        yield {
            "source_id": c.id,
            "bronze_table": c.bronze,
            "property_code": result.code,
            "observed_property": result.property,
            "unit_ucum": None if result.unit_column else result.unit or unit,
            "declared_step_min": result.step_min,
            "is_counter": result.counter,
            "modulo": result.modulo,
        }


def changed(declared: Mapping[str, pa.Table] | None = None) -> dict[str, pa.Table]:
    """Declared tables, those of this module unless others are given, that differ from what bronze holds, by name."""
    with engine.connect(attach=False) as con:
        return {
            name: wanted for name, wanted in (declared or tables()).items() if _current(con, name) != wanted.to_pylist()
        }


def _current(con: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]] | None:
    if not table.exists("bronze", name):
        return None
    engine.attach_table(con, "bronze", name)
    rows: list[dict[str, Any]] = con.execute(f"SELECT * FROM bronze.{name}").to_arrow_table().to_pylist()
    return rows


def write() -> list[str]:
    """Bring the tables up to date; names of those that changed."""
    new = changed()
    for name, wanted in new.items():
        table.overwrite("bronze", name, wanted)
    return list(new)
