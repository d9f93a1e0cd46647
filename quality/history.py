"""Rules against the last good version: what is gone, what went back in time, what changed its nature.

Belongs here: expectations that need the table as it was last published, or how fresh its sources are. Does not: where
that version is (publication/gate.py), rules that the new rows must meet by themselves (`suite`).

These rules read whole tables, but one or two of their columns only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from ingestion.territory import load_territory
from lake.engine import literal
from quality.expectation import OBSERVED, Maker, Rule, Surroundings, braced, moment, quote
from quality.rules import AuditRules, Coverage, Drift, Freshness

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

# Shares that may move between categories (half the sum of differences) before a distribution counts as another one.
# Two samples of 100 rows over 10 equal categories differ by 0.17 on average by chance alone (sqrt(k / (pi n))), and
# archives, which keep most of their rows from one version to the next, by far less.
DRIFT_SHARE = 0.25
# How far a median may move, in interquartile ranges of the last version. The median of n normal values varies by
# 0.93 / sqrt(n) of that range: at 30 rows, half a range is three standard deviations.
DRIFT_MEDIAN = 0.5
# Where half of the values are one, there is no range to measure by: a tenth of the median stands in for it.
_LEAST_RANGE = 0.1


def expectations(make: Maker, rules: AuditRules, around: Surroundings) -> Iterator[Expectation]:
    """Volume, freshness, coverage and drift of one table."""
    name = make.table.name
    yield from _volume(make, rules, around)
    for freshness in (rule for rule in rules.freshness if rule.table == name):
        yield _freshness(make, freshness, around)
        if around.was(name, freshness.column):
            yield _regression(make, freshness, around)
    for coverage in (rule for rule in rules.coverage if rule.table == name):
        if coverage.complete or around.was(name, coverage.commune_code):
            yield _coverage(make, coverage, around)
    for drift in (rule for rule in rules.drift if rule.table == name):
        if around.was(name, drift.column):
            yield _drift(make, drift, around)


def _volume(make: Maker, rules: AuditRules, around: Surroundings) -> Iterator[Expectation]:
    advice = "Vérifier que les fichiers attendus sont arrivés et que le modèle ne les filtre pas."
    enough = Rule("min_rows", (), "error", "Nombre minimal de lignes", advice, counts=False)
    yield _at_least(make, enough, rules.min_rows)
    if last := around.last_rows.get(make.table.name):
        advice = (
            f"La dernière version publiée en avait {last}. Si la baisse est voulue, relever `max_drop_share` "
            "dans la fiche du jeu de données ; sinon chercher les fichiers manquants."
        )
        kept = Rule("row_drop", (), "error", "Chute du nombre de lignes", advice, counts=False)
        yield _at_least(make, kept, math.ceil(last * (1 - rules.max_drop_share)))


def _at_least(make: Maker, rule: Rule, least: int) -> Expectation:
    told = f"n || ' ligne(s), {least} attendue(s) au moins' AS {OBSERVED}"
    return make.sql(rule, f"SELECT {told} FROM (SELECT count(*) AS n FROM {make.whole}) AS c WHERE n < {least}")


def _freshness(make: Maker, wanted: Freshness, around: Surroundings) -> Expectation:
    oldest = moment(make.kind_of(wanted.column), around.now - timedelta(days=wanted.days))
    advice = f"La valeur la plus récente doit dater de {wanted.days} jour(s) au plus ; vérifier l'arrivée des fichiers."
    rule = Rule("freshness", (wanted.column,), wanted.severity, "Fraîcheur", advice, counts=False)
    told = f"'dernière valeur ' || coalesce(CAST(newest AS VARCHAR), '(absente)') AS {OBSERVED}"
    latest = f"SELECT max({quote(wanted.column)}) AS newest FROM {make.whole}"
    return make.sql(rule, f"SELECT {told} FROM ({latest}) AS m WHERE newest IS NULL OR newest < {oldest}")


def _regression(make: Maker, wanted: Freshness, around: Surroundings) -> Expectation:
    advice = (
        "Chercher quel ancien fichier a remplacé un plus récent. Si le recul est voulu, retirer la fraîcheur de cette "
        "colonne de la fiche le temps d'une publication."
    )
    rule = Rule("regression", (wanted.column,), "error", "Retour en arrière", advice, counts=False)
    newest = f"max({quote(wanted.column)})"
    both = f"(SELECT {newest} FROM {make.whole}) AS new, (SELECT {newest} FROM {around.last[make.table.name]}) AS old"
    told = (
        "'dernière valeur ' || coalesce(CAST(new AS VARCHAR), '(absente)') || ', la version publiée va jusqu''au ' || "
        f"CAST(old AS VARCHAR) AS {OBSERVED}"
    )
    query = f"SELECT {told} FROM (SELECT {both}) AS m WHERE old IS NOT NULL AND (new IS NULL OR new < old)"
    return make.sql(rule, query)


def _coverage(make: Maker, wanted: Coverage, around: Surroundings) -> Expectation:
    """Communes of the territory without a row: all of them when complete, else those the last version had."""
    communes = load_territory().communes
    values = ", ".join(f"({literal(commune.insee)}, {literal(commune.name)})" for commune in communes)
    column = quote(wanted.commune_code)
    here = f"SELECT 1 FROM {make.whole} AS n WHERE n.{column} = c.code"
    gone = f"FROM (VALUES {values}) AS c(code, name) WHERE NOT EXISTS ({here})"
    if not wanted.complete:
        gone += f" AND EXISTS (SELECT 1 FROM {around.last[make.table.name]} AS l WHERE l.{column} = c.code)"
    advice = "Chercher les fichiers manquants de ces communes, ou ce qui écarte leurs lignes."
    rule = Rule("coverage", (wanted.commune_code,), wanted.severity, "Communes couvertes", advice, counts=False)
    listed = "string_agg(code || ' ' || name, ', ' ORDER BY code)"
    told = f"count(*) || ' commune(s) sans ligne, ' || {listed} AS {OBSERVED}"
    return make.sql(rule, f"SELECT {told} {gone} HAVING count(*) > 0")


def _drift(make: Maker, wanted: Drift, around: Surroundings) -> Expectation:
    advice = "Vérifier auprès de la source que ce changement est réel : unité, liste de valeurs, capteurs remplacés."
    rule = Rule("drift", (wanted.column,), wanted.severity, "Dérive des valeurs", advice, counts=False)
    kind = make.kind_of(wanted.column)
    measure = _median_shift if kind in ("integer", "number") else _share_moved
    return make.sql(rule, measure(quote(wanted.column), make.whole, around.last[make.table.name]))


def _share_moved(column: str, new: str, last: str) -> str:
    """Total variation distance; an absent value is a category. An empty side is told by the row counts."""
    share = f"SELECT {column} AS v, count(*) / sum(count(*)) OVER () AS p FROM {{relation}} GROUP BY 1"
    distance = (
        f"SELECT 0.5 * sum(abs(coalesce(a.p, 0) - coalesce(b.p, 0))) AS d FROM ({share.format(relation=new)}) AS a "
        f"FULL JOIN ({share.format(relation=last)}) AS b ON a.v IS NOT DISTINCT FROM b.v"
    )
    told = f"CAST(100 * d AS INTEGER) || ' % des lignes ont changé de valeur' AS {OBSERVED}"
    return f"SELECT {told} FROM ({distance}) AS m WHERE d > {DRIFT_SHARE}"


def _median_shift(column: str, new: str, last: str) -> str:
    """Shift of the median, or of the share of absent values."""
    stats = (
        f"SELECT median({column}) AS middle, count({column}) / greatest(count(*), 1) AS filled, "
        f"quantile_cont({column}, 0.75) - quantile_cont({column}, 0.25) AS spread FROM {{relation}}"
    )
    both = f"({stats.format(relation=new)}) AS n, ({stats.format(relation=last)}) AS l"
    unit = f"greatest(l.spread, {_LEAST_RANGE} * abs(l.middle))"
    moved = f"abs(n.middle - l.middle) > {DRIFT_MEDIAN} * {unit} OR abs(n.filled - l.filled) > {DRIFT_SHARE}"
    told = (
        "'médiane ' || coalesce(CAST(round(n.middle, 3) AS VARCHAR), '(absente)') || ' au lieu de ' || "
        "coalesce(CAST(round(l.middle, 3) AS VARCHAR), '(absente)') || ', ' || CAST(100 * n.filled AS INTEGER) || "
        f"' % de valeurs au lieu de ' || CAST(100 * l.filled AS INTEGER) || ' %' AS {OBSERVED}"
    )
    return f"SELECT {told} FROM {both} WHERE {moved}"


def sources(make: Maker, around: Surroundings) -> Iterator[Expectation]:
    """Whether the sources of the dataset still deliver, by the cadence of their contracts."""
    if around.sources:
        late = [s for s in around.sources if s.newest is None or around.now - s.newest > s.late_after]
        told = [
            f"{s.source}, {f'dernier fichier du {s.newest.date().isoformat()}' if s.newest else 'aucun fichier'}"
            for s in late
        ]
        values = ", ".join(f"({literal(text)})" for text in told) or "(NULL)"
        advice = "Demander ses exports au fournisseur (voir la fiche de la source dans docs/sources)."
        rule = Rule("source_freshness", (), "warning", "Arrivée des sources", advice, counts=False)
        query = f"SELECT told AS {OBSERVED} FROM (VALUES {values}) AS s(told) WHERE told IS NOT NULL"
        yield make.sql(rule, braced(query))
