"""The gate: audit what would be published, and only then let it become current.

Belongs here: which relations a dataset is audited on, the record in ops.audit, and the promotion of candidates. Does
not: what is checked (quality/), how candidates work (lake/candidate.py), or the published files (publish.py).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lake import candidate, engine, ops, table
from quality.audit import Check, Verdict, audit
from quality.standard import load_standard

if TYPE_CHECKING:
    import duckdb

    from publication.card import Card


def run_gate(
    cards: Sequence[Card], *, run_id: str, refused: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Verdict]:
    """Audit each dataset on its candidates (or its current tables when nothing waits), and promote what is good.

    A dataset that fails keeps its current tables; its candidates stay aside until the next build replaces them. Every
    verdict is a row in ops.audit.

    Args:
        cards: the datasets.
        run_id: recorded with the verdicts.
        refused: reasons, in French, by id of the datasets whose new data did not come as far as their audit: they fail.

    Returns:
        The verdict of each dataset whose tables exist, by dataset id.
    """
    verdicts: dict[str, Verdict] = {}
    with engine.connect() as con:
        candidate.attach(con)
        last = _last_rows(con)
        for card in cards:
            if reasons := (refused or {}).get(card.id):
                verdicts[card.id] = _refusal(card, reasons)
                continue
            relations = _relations(card)
            if relations is None:
                continue
            verdict = audit(
                card.id, load_standard(card.standard), relations, card.rules, con, last_rows=last.get(card.id)
            )
            verdicts[card.id] = verdict
    for card in cards:
        if card.id in verdicts:
            _record(card, verdicts[card.id], _promote(card, verdicts[card.id]), run_id)
    return verdicts


def _refusal(card: Card, reasons: Sequence[str]) -> Verdict:
    """The verdict on data that was stopped before its audit."""
    tables = ", ".join(part.name for part in card.tables)
    checks = (Check("model", tables, None, "error", passed=False, observed=text, message=text) for text in reasons)
    return Verdict(card.id, "failed", {}, tuple(checks))


def _relations(card: Card) -> dict[str, str] | None:
    """Relation to audit for each table, or None when one was never built."""
    relations = {}
    for part in card.tables:
        if candidate.find("gold", part.model) is not None:
            relations[part.name] = f'candidate."{part.model}"'
        elif table.exists("gold", part.model):
            relations[part.name] = part.relation
        else:
            return None
    return relations


def _promote(card: Card, verdict: Verdict) -> dict[str, int | None]:
    """Versions of the dataset's tables after the verdict."""
    if verdict.status != "failed":
        for part in card.tables:
            if candidate.find("gold", part.model) is not None:
                candidate.promote("gold", part.model)
    return {part.model: table.version("gold", part.model) for part in card.tables}


def _last_rows(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Rows per table of each dataset's last audit that did not fail: what a sudden loss is measured against."""
    if not table.exists("ops", "audit"):
        return {}
    rows = con.execute(
        "SELECT dataset, arg_max(table_rows, audited_time) FROM ops.audit WHERE verdict <> 'failed' GROUP BY dataset"
    ).fetchall()
    return {dataset: json.loads(counts) for dataset, counts in rows}


def _record(card: Card, verdict: Verdict, versions: dict[str, int | None], run_id: str) -> None:
    ops.record(
        "audit",
        [
            {
                "dataset": card.id,
                "audit_id": uuid.uuid4().hex,
                "audited_time": datetime.now(UTC),
                "verdict": verdict.status,
                "rows": sum(verdict.rows.values()),
                "table_rows": json.dumps(dict(verdict.rows)),
                "delta_versions": json.dumps(versions),
                "checks": json.dumps([c.as_dict() for c in verdict.checks], ensure_ascii=False, default=str),
                "run_id": run_id,
            }
        ],
    )
