"""From declarations to Great Expectations suites.

Belongs here: one function per kind of rule, each giving expectations that know their own name, severity and advice.
Does not: running them (`audit`), the declarations (`standard`, `rules`), conditions on one row (`declared`), what is
measured against the last good version (`history`) or looked for in texts (`personal`).

Rules that GX can put together into one aggregate query per table (null, pattern, enumeration, range) use GX's own
expectations; the others say in SQL which rows are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingestion.territory import load_territory
from quality import history, personal
from quality.declared import OPENING_HOURS, geometry_in_france, row_condition
from quality.duckdb_bridge import load_gx
from quality.expectation import Maker, Rule, Surroundings, quote
from quality.rules import AuditRules, ExtraExpectation, Perimeter, SmallCounts
from quality.standard import (
    DeclaredCheck,
    Field,
    FieldType,
    ForeignKey,
    Reference,
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
    "array": ("VARCHAR",),
    "geopoint": ("VARCHAR",),
    "geometry": ("VARCHAR",),
}

# Python's regular expressions let one escape any sign, as the schema of addresses does with a curly quote; DuckDB's
# allow it in ASCII only.
_NEEDLESS_ESCAPE = re.compile(r"\\([^\x00-\x7f])")

# A geopoint in Table Schema's array form, `[3.157004,46.988096]`.
GEOPOINT = r"\[-?\d{1,3}(\.\d+)?, ?-?\d{1,2}(\.\d+)?\]"
# The forms that Table Schema knows by name, as far as frictionless checks them.
_FORMATS = {
    "email": (r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", "nom@domaine"),
    "uri": (r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+", "https://..."),
    "uuid": (r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", "8-4-4-4-12 chiffres hexadécimaux"),
}


def suite_for(table: TableStandard, standard: Standard, rules: AuditRules, around: Surroundings) -> ExpectationSuite:
    """The expectations of one table: structure first, then content, volume, links and freshness.

    Raises:
        ValueError: an extra expectation of `rules` that GX does not know or whose parameters it refuses.
    """
    gx = load_gx()
    make = Maker(table, gx.expectations, around.relations[table.name], around.day_columns.get(table.name))
    expectations = [
        *_structure(make),
        *(e for field in table.fields for e in _field(make, field)),
        *_finite(make),
        *_geometries(make),
        *([make.unique("primary_key", table.primary_key, "error")] if table.primary_key else []),
        *(_foreign_key(make, key, around) for key in table.foreign_keys),
        *(_declared(make, check, around) for check in table.checks),
        *personal.expectations(make, contacts=rules.public_contacts, official=standard.official is not None),
        *(e for rule in rules.small_counts if rule.table == table.name for e in _small_counts(make, rule)),
        *history.expectations(make, rules, around),
        *(e for rule in rules.perimeter if rule.table == table.name for e in _perimeter(make, rule)),
        *(history.sources(make, around) if table == standard.tables[0] else ()),
        *(_extra(make, extra) for extra in rules.expectations if extra.table == table.name),
    ]
    for position, expectation in enumerate(expectations):
        expectation.meta = (expectation.meta or {}) | {"position": position}
    suite: ExpectationSuite = gx.ExpectationSuite(name=f"{standard.id}.{table.name}", expectations=expectations)
    return suite


def _structure(make: Maker) -> Iterator[Expectation]:
    advice = "Donner au modèle exactement les colonnes du standard, dans son ordre."
    rule = Rule("columns", (), "error", "Colonnes", advice, stage="structure")
    yield make.make("ExpectTableColumnsToMatchOrderedList", rule, column_list=list(make.table.columns))
    for field in make.table.fields:
        accepted = list(DUCKDB_TYPES_OF[field.type])
        advice = f"Convertir la colonne dans le modèle (types acceptés : {', '.join(accepted).replace('_', ' ')})."
        rule = Rule("type", (field.name,), "error", "Type de colonne", advice, stage="structure")
        yield make.make("ExpectColumnValuesToBeInTypeList", rule, column=field.name, type_list=accepted)


def _field(make: Maker, field: Field) -> Iterator[Expectation]:
    def rule(slug: str, label: str, advice: str) -> Rule:
        return Rule(slug, (field.name,), "error", label, advice)

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
        regex = _re2(_NEEDLESS_ESCAPE.sub(r"\1", field.pattern))
        yield make.make("ExpectColumnValuesToMatchRegex", pattern, column=field.name, regex=regex)
    for slug, (regex, form) in _forms(field).items():
        wrong = rule(slug, "Format", f"Corriger la valeur ; forme attendue : {form}.")
        yield make.make("ExpectColumnValuesToMatchRegex", wrong, column=field.name, regex=regex)
    if field.min_length is not None or field.max_length is not None:
        advice = f"Corriger la longueur ; attendu : {_bounds(field.min_length, field.max_length)} caractères."
        lengths = {"min_value": field.min_length, "max_value": field.max_length}
        length = rule("length", "Longueur", advice)
        yield make.make("ExpectColumnValueLengthsToBeBetween", length, column=field.name, **lengths)
    if field.unique:
        yield make.unique("unique", (field.name,), "error")
    if field.enum:
        enum = rule(
            "enum", "Liste de valeurs", f"Employer une valeur de la liste : {' ; '.join(map(str, field.enum))}."
        )
        yield make.make("ExpectColumnValuesToBeInSet", enum, column=field.name, value_set=list(field.enum))
    if field.minimum is not None or field.maximum is not None:
        advice = f"Vérifier la valeur et son unité ; attendu : {_bounds(field.minimum, field.maximum)}."
        bounds = {"min_value": field.minimum, "max_value": field.maximum}
        bounded = rule("range", "Bornes", advice)
        yield make.make("ExpectColumnValuesToBeBetween", bounded, column=field.name, **bounds)


def _re2(pattern: str) -> str:
    r"""A pattern of Table Schema as DuckDB's engine reads it: `\u00C0` is `\x{00C0}` there."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", r"\\x{\1}", pattern)


def _forms(field: Field) -> dict[str, tuple[str, str]]:
    """Regular expression and form, as people say it, by rule, of what the field's type or format says of its text."""
    if field.type == "geopoint":
        return {"geopoint": (GEOPOINT, "[longitude,latitude]")}
    if field.type == "array":
        return {"array": (r"\[.*\]", '["...", "..."]')}
    return {field.format: _FORMATS[field.format]} if field.format else {}


def _bounds(low: float | None, high: float | None) -> str:
    parts = [f"au moins {low}"] if low is not None else []
    return ", ".join(parts + ([f"au plus {high}"] if high is not None else []))


def _finite(make: Maker) -> Iterator[Expectation]:
    """NaN and infinities pass a one-sided range, and no CSV reader knows what to make of them."""
    if columns := tuple(field.name for field in make.table.fields if field.type == "number"):
        advice = "Remplacer NaN et infini par une valeur absente (NULL) dans le modèle."
        where = " OR ".join(f"NOT isfinite(b.{quote(column)})" for column in columns)
        yield make.rows(Rule("finite", columns, "error", "Nombre fini", advice), where)


def _geometries(make: Maker) -> Iterator[Expectation]:
    for column in (field.name for field in make.table.fields if field.type == "geometry"):
        found = geometry_in_france(f"b.{quote(column)}")
        rule = Rule("geometry", (column,), "error", found.label, found.advice)
        yield make.rows(rule, found.wrong, swapped=found.swapped)


def _foreign_key(make: Maker, key: ForeignKey, around: Surroundings) -> Expectation:
    present = " AND ".join(f"b.{quote(column)} IS NOT NULL" for column in key.columns)
    match = " AND ".join(
        f"r.{quote(theirs)} = b.{quote(ours)}" for ours, theirs in zip(key.columns, key.references, strict=True)
    )
    advice = (
        f"Ajouter les lignes manquantes à la table {key.table} (colonne {', '.join(key.references)}), "
        "ou écarter celles qui y renvoient."
    )
    needs = tuple((key.table, column) for column in key.references)
    rule = Rule("foreign_key", key.columns, "error", "Lien entre tables", advice, needs=needs)
    target = around.relations[key.table]
    columns = ", ".join(f"b.{quote(column)}" for column in key.columns)
    # whole tables on both sides: a row that did not change may have lost the one it refers to
    orphan = f"{present} AND NOT EXISTS (SELECT 1 FROM {target} AS r WHERE {match})"
    return make.sql(rule, f"SELECT {columns} FROM {make.whole} AS b WHERE {orphan}")


def _declared(make: Maker, check: DeclaredCheck, around: Surroundings) -> Expectation:
    """The expectation of one `checks:` entry of a standard."""
    columns, severity = check.columns, check.severity
    if check.rule == "unique":
        return make.unique("unique", columns, severity)
    if check.rule == "at_least":
        rule = Rule("at_least", columns, severity, "Bornes", f"Vérifier la valeur ; au moins {check.limit} attendu.")
        return make.make("ExpectColumnValuesToBeBetween", rule, column=columns[0], min_value=check.limit)
    if check.rule == "opening_hours":
        advice = "Écrire les horaires dans la grammaire opening_hours, par exemple « Mo-Fr 07:00-20:00; Sa off »."
        rule = Rule("opening_hours", columns, severity, "Horaires OpenStreetMap", advice)
        return make.make("ExpectColumnValuesToMatchRegex", rule, column=columns[0], regex=OPENING_HOURS)
    if (ref := check.reference) is not None:
        return _required_unless(make, check, ref, around)
    found = row_condition(make.table, check, around.now)
    return make.rows(Rule(check.rule, columns, severity, found.label, found.advice), found.wrong, swapped=found.swapped)


def _required_unless(make: Maker, check: DeclaredCheck, ref: Reference, around: Surroundings) -> Expectation:
    rule = Rule(
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


def _small_counts(make: Maker, wanted: SmallCounts) -> Iterator[Expectation]:
    advice = (
        f"Laisser vide tout nombre de personnes de 1 à {wanted.k - 1} dans le modèle, et ce qui permettrait de le "
        "retrouver par différence."
    )
    for column in wanted.columns:
        # the numbers themselves are what must not be known
        rule = Rule("small_counts", (column,), "error", "Petit effectif (k-anonymat)", advice, private=True)
        value = f"b.{quote(column)}"
        yield make.rows(rule, f"{value} > 0 AND {value} < {wanted.k}")


def _perimeter(make: Maker, wanted: Perimeter) -> Iterator[Expectation]:
    communes = load_territory().communes
    if wanted.longitude is not None and wanted.latitude is not None:
        advice = "Corriger les coordonnées, ou écarter le lieu s'il n'est pas dans l'agglomération."
        label = "Coordonnées dans le territoire"
        rule = Rule("perimeter", (wanted.longitude, wanted.latitude), wanted.severity, label, advice)
        inside, swapped = (
            f"{_around(longitude, [commune.longitude for commune in communes], wanted.margin)} AND "
            f"{_around(latitude, [commune.latitude for commune in communes], wanted.margin)}"
            for longitude, latitude in (
                (wanted.longitude, wanted.latitude),
                (wanted.latitude, wanted.longitude),
            )
        )
        yield make.rows(rule, f"NOT ({inside})", swapped=swapped)
    if wanted.commune_code is not None:
        advice = "Corriger le code INSEE, ou écarter la ligne si elle n'est pas dans l'agglomération."
        rule = Rule("perimeter_commune", (wanted.commune_code,), wanted.severity, "Commune du territoire", advice)
        codes = [commune.insee for commune in communes]
        yield make.make("ExpectColumnValuesToBeInSet", rule, column=wanted.commune_code, value_set=codes)


def _around(column: str, centroids: list[float], margin: float) -> str:
    # some national standards hold coordinates as texts; whether those are numbers is for their pattern to say
    value = f"TRY_CAST(b.{quote(column)} AS DOUBLE)"
    return f"{value} BETWEEN {min(centroids) - margin:.6f} AND {max(centroids) + margin:.6f}"


def _extra(make: Maker, extra: ExtraExpectation) -> Expectation:
    kind = "".join(part.capitalize() for part in extra.type.split("_"))
    if not hasattr(make.gxe, kind):
        msg = f"rules.expectations, table `{extra.table}`: Great Expectations has no `{extra.type}`; check its name"
        raise ValueError(msg)
    column = extra.kwargs.get("column")
    columns = (column,) if isinstance(column, str) else ()
    return make.make(kind, Rule(extra.type, columns, extra.severity, extra.label, extra.advice), **extra.kwargs)
