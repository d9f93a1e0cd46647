"""From declarations to Great Expectations suites.

Belongs here: one function per kind of rule, each giving expectations that know their own name, severity and advice.
Does not: running them (`audit`), the declarations (`standard`, `rules`), how GX reaches DuckDB (`duckdb_bridge`).

Every expectation carries a `meta`, the contract with `audit` and with reports:
  rule      stable slug, English          label     what the rule is called, French
  table     table of the standard         column    column(s) in question, comma-separated, None for the whole table
  severity  error | warning               advice    what to do when it fails, French
  stage     structure | content           needs     `[table, column]` pairs that must exist, well typed, to evaluate it
  counts    whether what it finds are wrong rows (a stale table has none)
  position  rank of the expectation in its suite
Rules that GX can put together into one aggregate query per table (null, pattern, enumeration, range) use GX's own
expectations; the others say in SQL which rows are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ingestion.territory import load_territory
from quality.duckdb_bridge import load_gx
from quality.rules import AuditRules, ExtraExpectation, Freshness, Perimeter
from quality.standard import (
    DeclaredCheck,
    Field,
    FieldType,
    ForeignKey,
    Reference,
    Severity,
    Standard,
    TableStandard,
)

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
DUCKDB_TYPES_OF: dict[FieldType, tuple[str, ...]] = {
    "string": ("VARCHAR",),
    "integer": _INTEGERS,
    "number": (*_INTEGERS, "DOUBLE", "FLOAT", "DECIMAL"),
    "boolean": ("BOOLEAN",),
    "date": ("DATE",),
    # Published as ...Z: a naive TIMESTAMP would be published as UTC without anyone having said it is.
    "datetime": ("TIMESTAMP_WITH_TIME_ZONE",),
}

# West, south, east, north of mainland France with Corsica, then of the overseas territories that have INSEE codes.
_FRANCE = (
    (-5.3, 41.3, 9.7, 51.2),
    (-61.9, 15.8, -60.9, 16.6),
    (-61.3, 14.3, -60.7, 15.0),
    (-54.7, 2.0, -51.5, 5.9),
    (55.1, -21.5, 55.9, -20.8),
    (44.9, -13.1, 45.4, -12.5),
    (-56.5, 46.7, -56.1, 47.2),
    (-63.2, 17.8, -62.7, 18.2),
)

# The common part of OpenStreetMap's opening_hours grammar. Partial on purpose: it accepts month, date, week, day, time,
# sun-event, state and comment selectors in their usual order, joined by `;`, `,` or `||`; it knows no year ranges with
# steps, no `easter`, no variable dates, and does not tell an impossible date. Hence a warning, never a rejection.
_TIME = r"(?:(?:[0-3]?\d|4[0-8]):[0-5]\d|\(?(?:sunrise|sunset|dawn|dusk)(?:[+-]\d\d:\d\d\))?)"
_SPAN = rf"{_TIME}(?: ?- ?{_TIME})?\+?"
_DAY = r"(?:Mo|Tu|We|Th|Fr|Sa|Su|PH|SH)(?: ?- ?(?:Mo|Tu|We|Th|Fr|Sa|Su))?(?:\[-?[1-5](?:[,-]-?[1-5])*\])?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?: [0-3]?\d)?"
_DATE = rf"(?:\d\d\d\d )?{_MONTH}(?: ?- ?(?:(?:\d\d\d\d )?{_MONTH}|[0-3]?\d))?"
_WEEK = r"week [0-5]?\d(?:-[0-5]?\d)?"
_STATE = r"(?:open|closed|off|unknown)"
_SELECTORS = (
    rf"(?:24/7|(?:(?:{_DATE}(?:, ?{_DATE})*|{_WEEK}):? ?)?(?:{_DAY}(?:, ?{_DAY})*)? ?(?:{_SPAN}(?:, ?{_SPAN})*)?)"
)
_RULE = rf'{_SELECTORS} ?{_STATE}?(?: ?"[^"]*")?'
OPENING_HOURS = rf"{_RULE}(?: ?(?:;|,|\|\|) ?{_RULE})*;?"


def quote(identifier: str) -> str:
    """`identifier` as SQL writes it."""
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(frozen=True)
class Surroundings:
    """What a suite needs beyond the declarations: where the tables are, what was published, what time it is (aware)."""

    relations: Mapping[str, str]
    last_rows: Mapping[str, int]
    now: datetime


def suite_for(table: TableStandard, standard: Standard, rules: AuditRules, around: Surroundings) -> ExpectationSuite:
    """The expectations of one table: structure first, then content, volume, links and freshness.

    Raises:
        ValueError: an extra expectation of `rules` that GX does not know or whose parameters it refuses.
    """
    gx = load_gx()
    make = _Maker(table, gx.expectations)
    expectations = [
        *_structure(make),
        *(e for field in table.fields for e in _field(make, field)),
        *_finite(make),
        *([make.unique("primary_key", table.primary_key, "error")] if table.primary_key else []),
        *(_foreign_key(make, key, around) for key in table.foreign_keys),
        *(_declared(make, check, around) for check in table.checks),
        *_volume(make, rules, around),
        *(_freshness(make, rule, around) for rule in rules.freshness if rule.table == table.name),
        *(e for rule in rules.perimeter if rule.table == table.name for e in _perimeter(make, rule)),
        *(_extra(make, extra) for extra in rules.expectations if extra.table == table.name),
    ]
    for position, expectation in enumerate(expectations):
        expectation.meta = (expectation.meta or {}) | {"position": position}
    suite: ExpectationSuite = gx.ExpectationSuite(name=f"{standard.id}.{table.name}", expectations=expectations)
    return suite


@dataclass(frozen=True)
class _Rule:
    """What an expectation tells about itself; see the module's docstring."""

    slug: str
    columns: tuple[str, ...]
    severity: Severity
    label: str
    advice: str
    stage: Literal["structure", "content"] = "content"
    needs: tuple[tuple[str, str], ...] = ()
    counts: bool = True


@dataclass(frozen=True)
class _Maker:
    """Makes the expectations of one table, each with its `meta`."""

    table: TableStandard
    gxe: Any

    def make(self, kind: str, rule: _Rule, **kwargs: Any) -> Expectation:
        """The GX expectation of class `kind`, telling about itself what `rule` says."""
        meta = {
            "rule": rule.slug,
            "table": self.table.name,
            "column": ", ".join(rule.columns) or None,
            "severity": rule.severity,
            "label": rule.label,
            "advice": rule.advice,
            "stage": rule.stage,
            "needs": [[self.table.name, column] for column in rule.columns] + [list(need) for need in rule.needs],
            "counts": rule.counts,
        }
        severity = "critical" if rule.severity == "error" else "warning"
        expectation: Expectation = getattr(self.gxe, kind)(meta=meta, severity=severity, **kwargs)
        return expectation

    def rows(self, rule: _Rule, where: str) -> Expectation:
        """Rows of the table, aliased `b`, for which the SQL condition `where` is true are wrong."""
        # GX formats the query: a brace of ours, a {16} quantifier say, must be doubled to stay a brace.
        where = where.replace("{", "{{").replace("}", "}}")
        columns = ", ".join(f"b.{quote(column)}" for column in rule.columns)
        return self.sql(rule, f"SELECT {columns} FROM {{batch}} AS b WHERE {where}")

    def sql(self, rule: _Rule, query: str) -> Expectation:
        """The rows `query` gives are wrong; `{batch}` stands for the table."""
        return self.make("UnexpectedRowsExpectation", rule, unexpected_rows_query=query)

    def unique(self, slug: str, columns: tuple[str, ...], severity: Severity) -> Expectation:
        """Each row that shares its key is wrong; a GROUP BY, lighter than GX's window over all rows."""
        advice = "Supprimer les doublons dans la source, ou corriger le modèle qui les produit."
        key = ", ".join(map(quote, columns))
        query = (
            f"SELECT {key}, unnest(range(copies)) AS copy FROM (SELECT {key}, count(*) AS copies "
            f"FROM {{batch}} AS b GROUP BY {key} HAVING count(*) > 1) AS d ORDER BY copy"
        )
        return self.sql(_Rule(slug, columns, severity, "Clé unique", advice), query)


def _structure(make: _Maker) -> Iterator[Expectation]:
    advice = "Donner au modèle exactement les colonnes du standard, dans son ordre."
    rule = _Rule("columns", (), "error", "Colonnes", advice, stage="structure")
    yield make.make("ExpectTableColumnsToMatchOrderedList", rule, column_list=list(make.table.columns))
    for field in make.table.fields:
        accepted = list(DUCKDB_TYPES_OF[field.type])
        advice = f"Convertir la colonne dans le modèle (types acceptés : {', '.join(accepted).replace('_', ' ')})."
        rule = _Rule("type", (field.name,), "error", "Type de colonne", advice, stage="structure")
        yield make.make("ExpectColumnValuesToBeInTypeList", rule, column=field.name, type_list=accepted)


def _field(make: _Maker, field: Field) -> Iterator[Expectation]:
    def rule(slug: str, label: str, advice: str) -> _Rule:
        return _Rule(slug, (field.name,), "error", label, advice)

    complete = "Compléter la valeur dans la source, ou écarter la ligne en amont."
    if field.required:
        absent = rule("required", "Valeur obligatoire", complete)
        yield make.make("ExpectColumnValuesToNotBeNull", absent, column=field.name)
    if field.required and field.type == "string" and field.pattern is None and not field.enum:
        # An empty cell of the CSV is an absent value, so '' would be published as one.
        blank = rule("not_blank", "Valeur vide", complete)
        yield make.make("ExpectColumnValuesToMatchRegex", blank, column=field.name, regex=r"(?s).*\S.*")
    if field.pattern is not None:
        advice = f"Corriger la valeur ; forme attendue : {field.pattern} (exemple : {field.example})."
        pattern = rule("pattern", "Format", advice)
        yield make.make("ExpectColumnValuesToMatchRegex", pattern, column=field.name, regex=field.pattern)
    if field.enum:
        enum = rule("enum", "Liste de valeurs", f"Employer une valeur de la liste : {' ; '.join(field.enum)}.")
        yield make.make("ExpectColumnValuesToBeInSet", enum, column=field.name, value_set=list(field.enum))
    if field.minimum is not None or field.maximum is not None:
        advice = f"Vérifier la valeur et son unité ; attendu : {_bounds(field.minimum, field.maximum)}."
        bounds = {"min_value": field.minimum, "max_value": field.maximum}
        bounded = rule("range", "Bornes", advice)
        yield make.make("ExpectColumnValuesToBeBetween", bounded, column=field.name, **bounds)


def _bounds(low: float | None, high: float | None) -> str:
    parts = [f"au moins {low}"] if low is not None else []
    return ", ".join(parts + ([f"au plus {high}"] if high is not None else []))


def _finite(make: _Maker) -> Iterator[Expectation]:
    """NaN and infinities pass a one-sided range, and no CSV reader knows what to make of them."""
    if columns := tuple(field.name for field in make.table.fields if field.type == "number"):
        advice = "Remplacer NaN et infini par une valeur absente (NULL) dans le modèle."
        where = " OR ".join(f"NOT isfinite(b.{quote(column)})" for column in columns)
        yield make.rows(_Rule("finite", columns, "error", "Nombre fini", advice), where)


def _foreign_key(make: _Maker, key: ForeignKey, around: Surroundings) -> Expectation:
    present = " AND ".join(f"b.{quote(column)} IS NOT NULL" for column in key.columns)
    match = " AND ".join(
        f"r.{quote(theirs)} = b.{quote(ours)}" for ours, theirs in zip(key.columns, key.references, strict=True)
    )
    advice = (
        f"Ajouter les lignes manquantes à la table {key.table} (colonne {', '.join(key.references)}), "
        "ou écarter celles qui y renvoient."
    )
    needs = tuple((key.table, column) for column in key.references)
    rule = _Rule("foreign_key", key.columns, "error", "Lien entre tables", advice, needs=needs)
    target = around.relations[key.table]
    return make.rows(rule, f"{present} AND NOT EXISTS (SELECT 1 FROM {target} AS r WHERE {match})")


def _declared(make: _Maker, check: DeclaredCheck, around: Surroundings) -> Expectation:
    """The expectation of one `checks:` entry of a standard."""
    columns, severity = check.columns, check.severity
    if check.rule == "unique":
        return make.unique("unique", columns, severity)
    if check.rule == "at_least":
        rule = _Rule("at_least", columns, severity, "Bornes", f"Vérifier la valeur ; au moins {check.limit} attendu.")
        return make.make("ExpectColumnValuesToBeBetween", rule, column=columns[0], min_value=check.limit)
    if check.rule == "opening_hours":
        advice = "Écrire les horaires dans la grammaire opening_hours, par exemple « Mo-Fr 07:00-20:00; Sa off »."
        rule = _Rule("opening_hours", columns, severity, "Horaires OpenStreetMap", advice)
        return make.make("ExpectColumnValuesToMatchRegex", rule, column=columns[0], regex=OPENING_HOURS)
    if (ref := check.reference) is not None:
        return _required_unless(make, check, ref, around)
    label, advice, where = _row_condition(make.table, check, around.now)
    return make.rows(_Rule(check.rule, columns, severity, label, advice), where)


def _required_unless(make: _Maker, check: DeclaredCheck, ref: Reference, around: Surroundings) -> Expectation:
    rule = _Rule(
        check.rule,
        check.columns,
        check.severity,
        "Valeur obligatoire sous condition",
        f"Renseigner la valeur, ou la colonne {ref.column} de la table {ref.table}.",
        needs=((make.table.name, ref.key), (ref.table, ref.key), (ref.table, ref.column)),
    )
    key = quote(ref.key)
    given = f"r.{key} = b.{key} AND r.{quote(ref.column)} IS NOT NULL"
    elsewhere = f"EXISTS (SELECT 1 FROM {around.relations[ref.table]} AS r WHERE {given})"
    return make.rows(rule, f"b.{quote(check.columns[0])} IS NULL AND NOT {elsewhere}")


def _row_condition(table: TableStandard, check: DeclaredCheck, now: datetime) -> tuple[str, str, str]:
    """Label, advice and the SQL condition of the wrong rows; an absent value is never wrong here."""
    first, last = (f"b.{quote(check.columns[rank])}" for rank in (0, -1))
    match check.rule:
        case "siren":
            label, where = "SIREN", f"({_luhn_sum(first)}) % 10 <> 0"
            advice = "Corriger le numéro : sa clé de contrôle (algorithme de Luhn) est fausse, un chiffre est erroné."
        case "decimals":
            # Both at once: one coordinate in ten truly ends in 0, two coordinates seldom do together.
            digits = (check.limit or 0) - 1
            label, where = "Précision", " AND ".join(f"round({c}, {digits}) = {c}" for c in (first, last))
            advice = f"Relever les coordonnées avec au moins {check.limit} décimales."
        case "inside_france":
            label, where = "Coordonnées en France", f"NOT ({_inside_france(first, last)})"
            advice = "Vérifier que longitude et latitude ne sont pas inversées et sont en degrés WGS84."
        case "not_future":
            kind = next(field.type for field in table.fields if field.name == check.columns[0])
            label, where = "Date passée", f"{first} > {_moment(kind, now)}"
            advice = "Vérifier la date dans la source : elle est dans l'avenir."
        case "max_length":
            label, where = "Longueur", f"length({first}) > {check.limit}"
            advice = f"Raccourcir à {check.limit} caractères au plus."
        case "chronology":
            label, where = "Chronologie", f"{last} <= {first}"
            advice = "Corriger les bornes : la fin doit venir après le début."
        case "together":
            label, where = "Colonnes solidaires", f"({first} IS NULL) <> ({last} IS NULL)"
            advice = "Renseigner les deux colonnes, ou aucune."
        case _:
            msg = f"no SQL condition for check `{check.rule}`; add it to quality/suite.py"
            raise NotImplementedError(msg)
    return label, advice, where


def _inside_france(longitude: str, latitude: str) -> str:
    boxes = (
        f"({longitude} BETWEEN {west} AND {east} AND {latitude} BETWEEN {south} AND {north})"
        for west, south, east, north in _FRANCE
    )
    return " OR ".join(boxes)


def _luhn_sum(value: str) -> str:
    """SQL of the Luhn sum of a nine-digit text: the digits of even rank count double, less 9 beyond 9.

    NULL for anything but digits: the pattern check tells those.
    """
    terms = []
    for rank in range(1, 10):
        digit = f"TRY_CAST(substr({value}, {rank}, 1) AS INTEGER)"
        terms.append(digit if rank % 2 else f"({digit} * 2 - CASE WHEN {digit} > 4 THEN 9 ELSE 0 END)")
    return " + ".join(terms)


def _moment(kind: FieldType, instant: datetime) -> str:
    """SQL literal of `instant`, to be compared with a date or datetime column."""
    if kind == "date":
        return f"DATE '{instant.astimezone(load_territory().zone).date().isoformat()}'"
    return f"to_timestamp({instant.timestamp()})"  # no colon: SQLAlchemy would take it for a parameter


def _volume(make: _Maker, rules: AuditRules, around: Surroundings) -> Iterator[Expectation]:
    kind = "ExpectTableRowCountToBeBetween"
    advice = "Vérifier que les fichiers attendus sont arrivés et que le modèle ne les filtre pas."
    enough = _Rule("min_rows", (), "error", "Nombre minimal de lignes", advice)
    yield make.make(kind, enough, min_value=rules.min_rows)
    if last := around.last_rows.get(make.table.name):
        advice = (
            f"La dernière version publiée en avait {last}. Si la baisse est voulue, relever `max_drop_share` "
            "dans la fiche du jeu de données ; sinon chercher les fichiers manquants."
        )
        kept = _Rule("row_drop", (), "error", "Chute du nombre de lignes", advice)
        yield make.make(kind, kept, min_value=math.ceil(last * (1 - rules.max_drop_share)))


def _freshness(make: _Maker, wanted: Freshness, around: Surroundings) -> Expectation:
    kind = next(field.type for field in make.table.fields if field.name == wanted.column)
    oldest = _moment(kind, around.now - timedelta(days=wanted.days))
    advice = f"La valeur la plus récente doit dater de {wanted.days} jour(s) au plus ; vérifier l'arrivée des fichiers."
    rule = _Rule("freshness", (wanted.column,), wanted.severity, "Fraîcheur", advice, counts=False)
    column = quote(wanted.column)
    latest = f"SELECT max(b.{column}) AS {column} FROM {{batch}} AS b"
    return make.sql(rule, f"SELECT {column} FROM ({latest}) AS m WHERE {column} IS NULL OR {column} < {oldest}")


def _perimeter(make: _Maker, wanted: Perimeter) -> Iterator[Expectation]:
    communes = load_territory().communes
    if wanted.longitude is not None and wanted.latitude is not None:
        advice = "Corriger les coordonnées, ou écarter le lieu s'il n'est pas dans l'agglomération."
        label = "Coordonnées dans le territoire"
        rule = _Rule("perimeter", (wanted.longitude, wanted.latitude), wanted.severity, label, advice)
        inside = (
            _around(wanted.longitude, [commune.longitude for commune in communes], wanted.margin),
            _around(wanted.latitude, [commune.latitude for commune in communes], wanted.margin),
        )
        yield make.rows(rule, f"NOT ({' AND '.join(inside)})")
    if wanted.commune_code is not None:
        advice = "Corriger le code INSEE, ou écarter la ligne si elle n'est pas dans l'agglomération."
        rule = _Rule("perimeter_commune", (wanted.commune_code,), wanted.severity, "Commune du territoire", advice)
        codes = [commune.insee for commune in communes]
        yield make.make("ExpectColumnValuesToBeInSet", rule, column=wanted.commune_code, value_set=codes)


def _around(column: str, centroids: list[float], margin: float) -> str:
    return f"b.{quote(column)} BETWEEN {min(centroids) - margin:.6f} AND {max(centroids) + margin:.6f}"


def _extra(make: _Maker, extra: ExtraExpectation) -> Expectation:
    kind = "".join(part.capitalize() for part in extra.type.split("_"))
    if not hasattr(make.gxe, kind):
        msg = f"rules.expectations, table `{extra.table}`: Great Expectations has no `{extra.type}`; check its name"
        raise ValueError(msg)
    column = extra.kwargs.get("column")
    columns = (column,) if isinstance(column, str) else ()
    return make.make(kind, _Rule(extra.type, columns, extra.severity, extra.label, extra.advice), **extra.kwargs)
