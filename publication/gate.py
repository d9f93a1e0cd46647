"""The gate: audit what would be published, and only then let it become current.

Belongs here: which relations a dataset is audited on, whether it may be published at all, the record in ops.audit, and
the promotion of candidates. Does not: what is checked (quality/), how candidates work (lake/candidate.py), or the
published files (publish.py).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingestion.contract import SourceContract, load_contracts
from lake import candidate, engine, ops, table
from quality.audit import Check, LastVersion, NewDays, SourceState, Verdict, audit
from quality.standard import load_standard

if TYPE_CHECKING:
    import duckdb

    from publication.card import Card


def run_gate(
    cards: Sequence[Card],
    *,
    run_id: str,
    refused: Mapping[str, Sequence[str]] | None = None,
    upstream: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Verdict]:
    """Audit each dataset on its candidates (or its current tables when nothing waits), and promote what is good.

    A dataset that fails keeps its current tables; its candidates stay aside until the next build replaces them. Every
    verdict is a row in ops.audit.

    Args:
        cards: the datasets.
        run_id: recorded with the verdicts.
        refused: reasons, in French, by id of the datasets whose new data did not come as far as their audit: they fail.
        upstream: ids of the sources each gold model is made from, by model, besides those that its card names.

    Returns:
        The verdict of each dataset whose tables exist, by dataset id.
    """
    verdicts: dict[str, Verdict] = {}
    contracts: dict[str, list[SourceContract]] = {}
    for contract in load_contracts():
        contracts.setdefault(contract.id, []).append(contract)
    with engine.connect() as con:
        candidate.attach(con)
        rows, newest = _last_rows(con), _newest_files(con)
        for card in cards:
            made_from = {s: contracts[s] for s in sorted(_sources(card, upstream or {})) if s in contracts}
            if stopped := _stopped(card, (refused or {}).get(card.id, ()), made_from):
                verdicts[card.id] = stopped
            elif (relations := _relations(card)) is not None:
                verdicts[card.id] = audit(
                    card.id,
                    load_standard(card.standard),
                    relations,
                    card.rules,
                    con,
                    last=LastVersion(rows.get(card.id, {}), _last_relations(card)),
                    new_days=_new_days(card),
                    sources=tuple(
                        SourceState(s, newest.get(s), contracts[s][0].late_after)
                        for s in card.sources
                        if s in contracts
                    ),
                )
    for card in cards:
        if card.id in verdicts:
            _record(card, verdicts[card.id], _promote(card, verdicts[card.id]), run_id)
    return verdicts


def _sources(card: Card, upstream: Mapping[str, Collection[str]]) -> set[str]:
    return {*card.sources, *(source for part in card.tables for source in upstream.get(part.model, ()))}


def _stopped(card: Card, reasons: Sequence[str], made_from: Mapping[str, Sequence[SourceContract]]) -> Verdict | None:
    """The verdict on data that may not be published, or was stopped, before its audit."""
    tables = ", ".join(part.name for part in card.tables)
    found = [("model", reason) for reason in reasons] + [("legal", reason) for reason in _forbidden(made_from)]
    checks = [Check(rule, tables, None, "error", passed=False, observed=text, message=text) for rule, text in found]
    return Verdict(card.id, "failed", {}, tuple(checks)) if checks else None


def _forbidden(made_from: Mapping[str, Sequence[SourceContract]]) -> Iterator[str]:
    """Why nothing made from some sources may be published."""
    for source, contracts in made_from.items():
        ban = next((c for c in contracts if c.legal.confidential or not c.legal.reuse), None)
        if ban is not None:
            reason = "est confidentielle" if ban.legal.confidential else "ne permet pas la réutilisation"
            place = f"ingestion/contracts/{ban.domain}/{ban.id}.yml, `legal`"
            yield (
                f"Droit de publier : la source {source} ({ban.title}) {reason} selon son contrat ({place}). Rien de ce "
                "qui en dérive n'est publié ; retirer la source du jeu de données, ou faire corriger le contrat."
            )


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


def _last_relations(card: Card) -> dict[str, str]:
    """What was promoted last, of each table for which a candidate waits."""
    waiting = [part for part in card.tables if candidate.find("gold", part.model) is not None]
    return {part.name: part.relation for part in waiting if table.exists("gold", part.model)}


def _new_days(card: Card) -> dict[str, NewDays]:
    """The days at stake of each table of which only some days were built again."""
    found = {part: candidate.find("gold", part.model) for part in card.tables}
    return {
        part.name: NewDays(waiting.relation(), waiting.day_column)
        for part, waiting in found.items()
        if waiting is not None and waiting.day_column is not None and table.exists("gold", part.model)
    }


def _newest_files(con: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Time of the newest file of each source that was loaded."""
    if not table.exists("ops", "ingest_file"):
        return {}
    query = "SELECT source, max(file_time) FROM ops.ingest_file WHERE status <> 'held' GROUP BY source"
    return dict(con.execute(query).fetchall())


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
