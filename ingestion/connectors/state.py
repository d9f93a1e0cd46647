"""What a connector remembers between two runs, and what it tells of each: rows of `ops.connector_state`, `ops.fetch`.

Belongs here: reading and writing those rows, a crash between any two of them harmless. Does not: their schemas
(lake/ops.py), or what a value means (each connector).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from lake import engine, ops, table

Status = Literal["fetched", "not_modified", "failed"]
Value = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One answer of a platform."""

    name: str
    status: Status
    fetched_time: datetime
    file: str | None = None
    reason: str | None = None
    http_status: int | None = None
    bytes: int | None = None
    rows: int | None = None


class State:
    """The rows of one source, read once and written through."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._values = dict(_read(source))

    def get(self, name: str, item: str = "") -> Value:
        """What was last put, {} when nothing was."""
        return self._values.get((name, item), {})

    def put(self, name: str, values: dict[str, Value], when: datetime) -> None:
        """Remember values by item, all or none."""
        self._values |= {(name, item): value for item, value in values.items()}
        rows = [
            {
                "source": self._source,
                "name": name,
                "item": item,
                "value": json.dumps(value, ensure_ascii=False, sort_keys=True),
                "updated_time": when,
            }
            for item, value in values.items()
        ]
        ops.put("connector_state", rows, key=("source", "name", "item"))

    def keep_only(self, name: str, items: set[str]) -> None:
        """Forget the parts of `name` that are not in `items`: what the platform no longer has."""
        gone = [i for n, i in self._values if n == name and i and i not in items]
        if gone:
            quoted = ", ".join(engine.literal(item) for item in gone)
            where = f"source = {engine.literal(self._source)} AND name = {engine.literal(name)} AND item IN ({quoted})"
            table.delete("ops", "connector_state", where)
            for item in gone:
                del self._values[name, item]


def record(source: str, connector: str, run_id: str | None, outcome: Outcome) -> None:
    """Record an answer."""
    ops.record("fetch", [asdict(outcome) | {"source": source, "connector": connector, "run_id": run_id}])


def _read(source: str) -> list[tuple[tuple[str, str], Value]]:
    if not table.exists("ops", "connector_state"):
        return []
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", "connector_state")
        rows = con.execute("SELECT name, item, value FROM ops.connector_state WHERE source = ?", [source]).fetchall()
    return [((name, item), json.loads(value)) for name, item, value in rows]
