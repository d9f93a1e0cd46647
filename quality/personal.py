"""What must not leave in a text: addresses, numbers and identifiers of people and of their devices.

Belongs here: how each is recognised, in SQL on tables and in Python on what messages quote. Does not: which columns may
hold a service's contacts (`rules.AuditRules.public_contacts`).

A number that has a key (social security, IBAN) is told by its key, so that other long numbers are not taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lake.engine import literal
from quality.expectation import Maker, Rule, braced, quote
from quality.standard import Field

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

# No lookaround in DuckDB's regular expressions: what stands before and after is matched too. A number inside a longer
# one, an identifier or decimals (`46.0386684600`) is not a number of its own.
_BEFORE, _AFTER = r"(^|[^0-9A-Za-z.,_-]|[^0-9][.,])", r"($|[^0-9A-Za-z_])"
_GAP = "[ .\u00a0\u202f-]?"
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*[.][A-Za-z]{2,}"
_PHONE = rf"((\+|00)33{_GAP}(\(0\){_GAP})?|0)[1-9]({_GAP}[0-9]{{2}}){{4}}"
_SOCIAL_SECURITY = r"[12] ?[0-9]{2} ?(0[1-9]|1[0-2]|[2-9][0-9]) ?([0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"
_IBAN = r"[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,4})?"
_MAC = r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}([:-][0-9A-Fa-f]{2}){0,2}"
# Bare: a word of its own, or behind a label, so that a fingerprint inside an identifier is not taken for it.
_EUI, _EUI_BEFORE = r"[0-9A-Fa-f]{12}|[0-9A-Fa-f]{16}", r"(^|[ =(,;])"
# In a message; the keys are not asked: better to hide a number too many.
_HIDDEN = re.compile(
    "|".join([_EMAIL, *(f"(?<![0-9A-Za-z]){form}(?![0-9A-Za-z])" for form in (_PHONE, _SOCIAL_SECURITY, _IBAN, _MAC))])
)

LABELS = ("adresse électronique", "numéro de téléphone", "numéro de sécurité sociale", "IBAN", "identifiant d'appareil")


def hidden(text: str) -> str:
    """`text` without what it may tell of a person."""
    return _HIDDEN.sub("(masqué)", text)


def expectations(make: Maker, *, contacts: tuple[str, ...], official: bool) -> Iterator[Expectation]:
    """One expectation per text column. A closed list has nothing to hide; a national schema asks for its addresses."""
    for field in make.table.fields:
        asked_for = official and field.format in ("uri", "email")
        if field.type == "string" and not field.enum and field.name not in contacts and not asked_for:
            yield _expectation(make, field)


def _expectation(make: Maker, field: Field) -> Expectation:
    advice = (
        "Retirer la valeur à la source ou dans le modèle. Si c'est le contact d'un service public, déclarer la colonne "
        "dans `public_contacts` de la fiche."
    )
    rule = Rule("personal", (field.name,), "error", "Donnée personnelle", advice)
    column = quote(field.name)
    # each value once: most texts repeat
    values = f"SELECT {column} AS v, count(*) AS copies FROM {{batch}} AS b WHERE length({column}) >= 6 GROUP BY 1"
    kind = braced(kind_of("v", devices=field.pattern is None and field.format is None))
    found = f"SELECT {kind} AS kind, copies FROM ({values}) AS d"
    # the kind under the column's name: the value itself never leaves the query
    wrong = f"SELECT kind AS {column}, unnest(range(copies)) AS copy FROM ({found}) AS k WHERE kind IS NOT NULL"
    return make.sql(rule, wrong)


def kind_of(value: str, *, devices: bool) -> str:
    """SQL of what is personal in a text, one of LABELS, else NULL.

    `devices`: whether to look for identifiers of devices, which a column with a declared form may hold.
    """
    email, phone, social_security, iban, device = map(literal, LABELS)
    cases = [
        f"WHEN regexp_matches({value}, {literal(_EMAIL)}) THEN {email}",
        f"WHEN regexp_matches({value}, {literal(_BEFORE + _PHONE + _AFTER)}) THEN {phone}",
        f"WHEN {_any(value, _SOCIAL_SECURITY, _social_security_key('x'))} THEN {social_security}",
        f"WHEN {_any(value, _IBAN, _iban_key('x'))} THEN {iban}",
    ]
    if devices:
        hexadecimal = "regexp_matches(x, '[0-9]') AND regexp_matches(x, '[A-Fa-f]')"
        mac = f"regexp_matches({value}, {literal(_BEFORE + _MAC + _AFTER)})"
        cases.append(f"WHEN {mac} OR {_any(value, _EUI, hexadecimal, _EUI_BEFORE)} THEN {device}")
    return f"CASE {' '.join(cases)} END"


def _any(value: str, form: str, key: str, before: str = _BEFORE) -> str:
    """SQL true when one of the places in a text that have a form (`x`) has its key."""
    found = f"regexp_extract_all({value}, {literal(f'{before}({form}){_AFTER}')}, 2)"
    return f"len(list_filter({found}, lambda x : {key})) > 0"


def _social_security_key(value: str) -> str:
    """The last two digits are 97 less the rest of the others divided by 97; Corsica's 2A counts as 19, 2B as 18."""
    bare = f"replace(replace(replace(upper({value}), ' ', ''), '2A', '19'), '2B', '18')"
    return f"97 - TRY_CAST(substr({bare}, 1, 13) AS BIGINT) % 97 = TRY_CAST(substr({bare}, 14, 2) AS BIGINT)"


def _iban_key(value: str) -> str:
    """With its first four characters moved to the end and letters counted from 10, the rest by 97 is 1 (ISO 7064)."""
    bare = f"replace({value}, ' ', '')"
    turned = f"substr({bare}, 5) || substr({bare}, 1, 4)"
    digits = f"list_transform(string_split({turned}, ''), lambda c : coalesce(TRY_CAST(c AS INTEGER), ascii(c) - 55))"
    rest = f"list_reduce({digits}, lambda r, d : (r * (CASE WHEN d > 9 THEN 100 ELSE 10 END) + d) % 97)"
    return f"length({bare}) >= 15 AND {rest} = 1"
