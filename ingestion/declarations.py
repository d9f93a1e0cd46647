"""Our own declarations as bronze tables, so that models can join the territory and the contracts.

Belongs here: `bronze.territory__commune` and `bronze.contract__source`, rewritten when, and only when, the
declarations changed. Does not: anything received from a platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestion.contract import load_contracts
from ingestion.territory import load_territory
from lake import engine, table

if TYPE_CHECKING:
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
}


def tables() -> dict[str, pa.Table]:
    """Bronze tables by name."""
    import pyarrow as pa

    communes = [c.model_dump() for c in load_territory().communes]
    renamed = [{"insee_code": c.pop("insee"), **c} for c in communes]
    sources: list[dict[str, Any]] = [
        {
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
        }
        for c in load_contracts()
    ]
    return {"territory__commune": pa.Table.from_pylist(renamed), "contract__source": pa.Table.from_pylist(sources)}


def changed() -> dict[str, pa.Table]:
    """Declared tables that differ from what bronze holds, by name."""
    with engine.connect(attach=False) as con:
        return {name: wanted for name, wanted in tables().items() if _current(con, name) != wanted.to_pylist()}


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
