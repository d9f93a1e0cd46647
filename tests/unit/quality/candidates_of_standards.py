"""Small valid candidates of each standard, to be damaged one way at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from quality.audit import AuditRules, Check, Verdict, audit
from quality.standard import FieldType, Standard, TableStandard

NOW = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
TYPES: dict[FieldType, str] = {
    "string": "VARCHAR",
    "integer": "INTEGER",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMPTZ",
}
# Published by the national catalogue; beside the checkout when the reference material is there.
REFERENCE = Path(__file__).resolve().parents[4] / "shared"

PLACE = {
    "nom_lieu": "Quai",
    "insee": "58194",
    "type": "Parking",
    "date_maj": "2026-03-02",
    "ouvert": "true",
    "source": "245804406",
    "Ylat": "46.988096",
    "nbre_pl": "12",
    "horaires": "Mo-Fr 07:00-20:00; Sa,Su off",
}
ROWS: dict[str, dict[str, list[dict[str, str]]]] = {
    "lieux-covoiturage": {
        "lieux-covoiturage": [{**PLACE, "id_local": f"P{n}", "Xlong": f"3.15700{n}"} for n in range(1, 9)]
    },
    "comptage-mobilites": {
        "site": [
            {"site_id": "S1", "site_name": "Pont", "xlong": "3.158102", "ylat": "46.983774"},
            {"site_id": "S2", "site_name": "Gare", "xlong": "3.150222", "ylat": "46.987111"},
        ],
        "channel": [
            {
                "channel_id": f"C{n}",
                "site_id": f"S{n}",
                "mobility_type": "BIKE,PEDESTRIAN",
                "counter_type": "RADAR SENSOR",
                "started_at": "2025-01-01T00:00:00Z",
                "time_step": "3600",
            }
            for n in (1, 2)
        ],
        "measure": [
            {
                "channel_id": channel,
                "start_datetime": f"2026-03-0{day}T13:00:00Z",
                "end_datetime": f"2026-03-0{day}T14:00:00Z",
                "count": str(day),
            }
            for channel in ("C1", "C2")
            for day in range(1, 5)
        ],
    },
    "consommation-energie-batiments": {
        "consommation-energie-batiments": [
            {
                "batiment_id": building,
                "code_insee": "58194",
                "longitude": "3.157004",
                "latitude": "46.988096",
                "date": f"2026-03-0{day}",
                "energie_kwh": "318.4",
                "puissance_max_kw": "41.2",
                "part_mesuree": "1",
            }
            for building in ("BAT-3bc324bdbe", "PDL-463d71288d")
            for day in (1, 2, 3)
        ]
    },
    "eau-volumes-journaliers": {
        "eau-volumes-journaliers": [
            {
                "site_id": "SEC-07",
                "nature": nature,
                "date": "2026-03-01",
                "volume_m3": "1204.5",
                "part_mesuree": "0.9",
                "nombre_compteurs": "3",
            }
            for nature in ("production", "distribution", "sectorisation", "gros consommateurs")
        ]
    },
}


def select_typed(table: TableStandard, relation: str) -> str:
    """SELECT giving the columns of `table`, typed, from a relation of text columns; what is not a value is absent."""
    columns = (f'TRY_CAST("{f.name}" AS {TYPES[f.type]}) AS "{f.name}"' for f in table.fields)
    return f"SELECT {', '.join(columns)} FROM {relation}"


@dataclass
class Candidate:
    """The tables of one standard in schema `gold` of an in-memory database."""

    con: duckdb.DuckDBPyConnection
    standard: Standard

    def relation(self, table: str) -> str:
        return f'gold."{table}"'

    @property
    def relations(self) -> dict[str, str]:
        return {table.name: self.relation(table.name) for table in self.standard.tables}

    def sql(self, statement: str) -> None:
        """Run a statement in which {table} stands for that table; plain `T` for the only or first one."""
        names = {table.name.replace("-", "_"): self.relation(table.name) for table in self.standard.tables}
        self.con.execute(statement.format(T=self.relation(self.standard.tables[0].name), **names))

    def audit(self, rules: AuditRules | None = None, **arguments: Any) -> Verdict:
        arguments = {"now": NOW} | arguments
        rules = rules or AuditRules()
        return audit("jeu", self.standard, self.relations, rules, self.con, **arguments)

    def failures(self, rules: AuditRules | None = None, **arguments: Any) -> tuple[Check, ...]:
        return self.audit(rules, **arguments).failures


def literal(value: str | None) -> str:
    return "NULL::VARCHAR" if value is None else "'" + value.replace("'", "''") + "'"
