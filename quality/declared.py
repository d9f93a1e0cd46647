"""The checks a standard declares, as SQL conditions over one row.

Belongs here: one condition per rule of `standard.DeclaredCheck` that a row can break by itself. What Validata, the
national validator, runs under a name of its own is decided as it decides it (validata-core, python-stdnum,
phonenumbers). Does not: rules over several rows or tables (`suite`), the declarations (`standard`).

A row is aliased `b`. An absent value breaks no rule, but `one_of` and `together`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from lake.engine import literal
from quality.expectation import moment, quote
from quality.standard import DeclaredCheck, TableStandard

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

# Telephone numbers that France's numbering plan knows, spaces and punctuation taken away: ten digits, or nine behind
# the country's prefix; the short numbers that can be called; any number with another country's prefix.
_PHONE = (
    r"(0|(\+|00)330?)([1-589][0-9]{8}|6([0-24-8][0-9]|3[0-8]|9[589])[0-9]{6}|7[3-9][0-9]{7})"
    r"|1([578]|1[02459]|9[167]|0[0-9]{2}|16(00[06]|11[17])|18[0-9]{3})|3[0-9]{3}"
    r"|\+([124-9][0-9]|3[0-24-9])[0-9]{5,13}"
)
_PHONE_PUNCTUATION = "[ ./()\u00a0\u202f-]"

# First level of the nomenclature of acts sent to the prefecture (@CTES), as Validata compares it: no case, no accents.
_ACT_MATTERS = (
    "commande publique",
    "urbanisme",
    "domaine et patrimoine",
    "fonction publique",
    "institutions et vie politique",
    "libertes publiques et pouvoirs de police",
    "finances locales",
    "domaines de competences par themes",
    "autres domaines de competences",
)

_KEY_ADVICE = "Corriger le numéro : sa clé de contrôle est fausse, un chiffre est erroné."
# La Poste's offices: their SIRET have another key than Luhn's, but for that of its head office.
_POST, _POST_HEAD = "356000000", "35600000000048"


class Condition(NamedTuple):
    """What a rule is called and advises, in French, when a row is wrong, and when swapping would put it right (SQL)."""

    label: str
    advice: str
    wrong: str
    swapped: str | None = None


def row_condition(table: TableStandard, check: DeclaredCheck, now: datetime) -> Condition:
    """The condition of the wrong rows.

    Raises:
        NotImplementedError: no condition is written for the rule.
    """
    columns = [f"b.{quote(column)}" for column in check.columns]
    kinds = {field.name: field.type for field in table.fields}
    if check.rule == "not_future":
        advice = "Vérifier la date dans la source : elle est dans l'avenir."
        return Condition("Date passée", advice, f"{columns[0]} > {moment(kinds[check.columns[0]], now)}")
    if check.rule == "compare":
        return _compare(check, columns, text=all(kinds[column] == "string" for column in check.columns))
    found = (
        _value_condition(check, columns[0]) or _place_condition(check, columns) or _columns_condition(check, columns)
    )
    if found is None:
        msg = f"no SQL condition for check `{check.rule}`; add it to quality/declared.py"
        raise NotImplementedError(msg)
    return found


def _value_condition(check: DeclaredCheck, value: str) -> Condition | None:  # noqa: PLR0911 - a table
    """Wrong values of one column."""
    match check.rule:
        case "siren":
            return Condition("SIREN", _KEY_ADVICE, _not_luhn(value, 9))
        case "siret":
            return Condition("SIRET", _KEY_ADVICE, _not_siret(value))
        case "phone":
            bare = f"regexp_replace({value}, '{_PHONE_PUNCTUATION}', '', 'g')"
            advice = "Écrire un numéro français à dix chiffres (03 86 00 00 00), court (115) ou international (+33...)."
            return Condition("Numéro de téléphone", advice, f"NOT regexp_full_match({bare}, '{_PHONE}')")
        case "year_interval":
            return _year_interval(value)
        case "nomenclature_actes":
            return _act_matter(value)
        case "max_length":
            advice = f"Raccourcir à {check.limit} caractères au plus."
            return Condition("Longueur", advice, f"length({value}) > {check.limit}")
    return None


def _year_interval(value: str) -> Condition:
    years = [f"TRY_CAST(split_part({value}, '/', {rank}) AS INTEGER)" for rank in (1, 2)]
    form = f"NOT regexp_full_match({value}, '[0-9]{{4}}(/[0-9]{{4}})?')"
    advice = "Écrire AAAA, ou AAAA/AAAA avec la seconde année après la première."
    return Condition("Année ou période", advice, f"{form} OR coalesce({years[1]} <= {years[0]}, false)")


def _act_matter(value: str) -> Condition:
    matters = ", ".join(literal(matter) for matter in _ACT_MATTERS)
    known = f"strip_accents(lower(split_part({value}, '/', 1))) IN ({matters})"
    advice = (
        "Écrire « matière/sous-matière », sans espace autour de la barre, la matière étant l'une des neuf de "
        "la nomenclature @CTES, par exemple « Finances locales/Subventions »."
    )
    wrong = f"NOT ({known} AND contains({value}, '/') AND NOT contains({value}, '/ '))"
    return Condition("Nomenclature des actes", advice, wrong)


def _place_condition(check: DeclaredCheck, columns: list[str]) -> Condition | None:
    """Wrong places: imprecise, or elsewhere."""
    match check.rule:
        case "decimals":
            # Both at once: one coordinate in ten truly ends in 0, two coordinates seldom do together.
            where = " AND ".join(f"round({c}, {(check.limit or 0) - 1}) = {c}" for c in columns)
            return Condition("Précision", f"Relever les coordonnées avec au moins {check.limit} décimales.", where)
        case "inside_france":
            return in_france(*columns)
        case "geopoint_in_france":
            return in_france(*lon_lat(columns[0]))
    return None


def in_france(longitude: str, latitude: str) -> Condition:
    """Places outside France; those that would be inside the other way round are told."""
    advice = "Vérifier que longitude et latitude ne sont pas inversées et sont en degrés WGS84."
    wrong = f"NOT ({inside_france(longitude, latitude)})"
    return Condition("Coordonnées en France", advice, wrong, inside_france(latitude, longitude))


def geometry_in_france(value: str) -> Condition:
    """Texts that are not the WKT of a valid geometry in France. The connection has DuckDB's spatial extension."""
    shape = f"TRY(ST_GeomFromText({value}))"
    advice = "Écrire une géométrie WKT valide en WGS84, longitude avant latitude."
    here, swapped = (
        f"(({inside_france(f'{a}Min({shape})', f'{b}Min({shape})')}) AND "
        f"({inside_france(f'{a}Max({shape})', f'{b}Max({shape})')}))"
        for a, b in (("ST_X", "ST_Y"), ("ST_Y", "ST_X"))
    )
    wrong = f"{value} IS NOT NULL AND ({shape} IS NULL OR NOT ST_IsValid({shape}) OR NOT {here})"
    return Condition("Géométrie en France", advice, wrong, swapped)


def _compare(check: DeclaredCheck, columns: list[str], *, text: bool) -> Condition:
    """Two texts that are numbers compare as numbers, as Validata has it."""
    advice = f"Corriger l'une des valeurs : {check.columns[0]} {check.operator} {check.columns[1]} attendu."
    holds = f" {check.operator} ".join(columns)
    if text:
        holds = f"coalesce({f' {check.operator} '.join(f'TRY_CAST({c} AS DOUBLE)' for c in columns)}, {holds})"
    return Condition("Comparaison", advice, f"NOT ({holds})")


def _columns_condition(check: DeclaredCheck, columns: list[str]) -> Condition | None:
    """Columns of a row that do not fit together."""
    first, *others = columns
    names = ", ".join(check.columns)
    match check.rule:
        case "chronology":
            advice = "Corriger les bornes : la fin doit venir après le début."
            return Condition("Chronologie", advice, f"{others[0]} <= {first}")
        case "sum":
            advice = f"Corriger les nombres : {check.columns[0]} est la somme de {', '.join(check.columns[1:])}."
            return Condition("Somme", advice, f"{first} <> {' + '.join(others)}")
        case "one_of":
            where = " AND ".join(f"{column} IS NULL" for column in columns)
            return Condition("Valeur obligatoire", f"Renseigner l'une au moins des colonnes {names}.", where)
        case "together":
            given = " + ".join(f"({column} IS NOT NULL)::INTEGER" for column in columns)
            advice = f"Renseigner toutes les colonnes {names}, ou aucune."
            return Condition("Colonnes solidaires", advice, f"({given}) NOT IN (0, {len(columns)})")
    return None


def inside_france(longitude: str, latitude: str) -> str:
    """SQL true for places in the bounding boxes of France and its overseas territories."""
    boxes = (
        f"({longitude} BETWEEN {west} AND {east} AND {latitude} BETWEEN {south} AND {north})"
        for west, south, east, north in _FRANCE
    )
    return " OR ".join(boxes)


def lon_lat(geopoint: str) -> tuple[str, str]:
    """SQL of the longitude and the latitude of a geopoint; NULL when it has another form."""
    parts = f"string_split(trim({geopoint}, '[]'), ',')"
    return f"TRY_CAST({parts}[1] AS DOUBLE)", f"TRY_CAST({parts}[2] AS DOUBLE)"


def _not_luhn(value: str, length: int) -> str:
    """SQL true for all but `length` digits whose Luhn sum ten divides."""
    digits = f"regexp_full_match({value}, '[0-9]{{{length}}}')"
    return f"NOT {digits} OR ({_luhn_sum(value, length)}) % 10 <> 0"


def _not_siret(value: str) -> str:
    """SQL true for all but 14 digits with their key: La Poste's sum of digits, Luhn's for everyone else."""
    digits = " + ".join(f"TRY_CAST(substr({value}, {rank}, 1) AS INTEGER)" for rank in range(1, 15))
    post = f"starts_with({value}, '{_POST}') AND {value} <> '{_POST_HEAD}'"
    key = f"CASE WHEN {post} THEN ({digits}) % 5 ELSE ({_luhn_sum(value, 14)}) % 10 END"
    # the first nine digits are a SIREN, with its own key
    return f"NOT regexp_full_match({value}, '[0-9]{{14}}') OR {key} <> 0 OR ({_luhn_sum(value, 9)}) % 10 <> 0"


def _luhn_sum(value: str, length: int) -> str:
    """SQL of the Luhn sum of a text of `length` digits: each second one from the right counts double, less 9 beyond 9.

    Further characters are not looked at; NULL for anything but digits.
    """
    terms = []
    for rank in range(1, length + 1):
        digit = f"TRY_CAST(substr({value}, {rank}, 1) AS INTEGER)"
        terms.append(digit if (length - rank) % 2 == 0 else f"({digit} * 2 - CASE WHEN {digit} > 4 THEN 9 ELSE 0 END)")
    return " + ".join(terms)
