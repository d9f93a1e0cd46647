"""Kinds of defects that can be seeded in a published dataset, worked out from its standard and its card.

Belongs here: which kinds apply, how each damages a table in SQL, and which rule must catch it. Does not: whether it is
caught (test_gate_defects.py).

A kind damages a row, copies one, changes a whole column, takes rows away from the table, or changes its structure.
Damages to rows each take a row of their own, so that several fit into one audit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ingestion.territory import load_territory
from publication.card import Card
from quality.expectation import quote
from quality.standard import Field, TableStandard, load_standard

# The kinds that the programme asks for by name; others make up the number where a dataset has no such column.
NAMED = (
    "duplicate key",
    "broken enumeration",
    "swapped coordinates",
    "commune missing",
    "half the rows gone",
    "stale data",
    "personal value",
    "bad checksum",
)
PERSON = "Jean Dupont, jean.dupont@courrier.example, 06 12 34 56 78"
ELSEWHERE = "75056"  # Paris
LONG_AGO = 4000  # days


@dataclass(frozen=True)
class Defect:
    """One kind seeded in one table: the rules of which one must catch it, on `columns`.

    `edits` gives SQL by column, `where` the rows that stay: in `rows`, `n` numbers them from 1, `total` counts them.
    """

    kind: str
    table: str
    rules: tuple[str, ...]
    columns: tuple[str, ...] = ()
    edits: dict[str, str] = field(default_factory=dict)
    scope: Literal["row", "column", "copy", "table", "structure"] = "row"
    where: str = ""
    secret: str | None = None  # what no message may quote


def defects(card: Card) -> tuple[Defect, ...]:
    """One defect of each kind that applies to a dataset: in the first of its tables where it does."""
    found: dict[str, Defect] = {}
    for table in load_standard(card.standard).tables:
        for defect in (*_keys(table), *_values(table), *_checks(table), *_of_card(card, table), *_structure(table)):
            found.setdefault(defect.kind, defect)
    return tuple(found.values())


def _free_text(card: Card, table: TableStandard) -> Field | None:
    """A text in which a person could be named: not a key, not a list, no declared contact."""
    keys = {*table.primary_key, *(c for key in table.foreign_keys for c in key.columns)}
    texts = [
        f
        for f in table.fields
        if f.type == "string" and not f.enum and f.format is None and f.name not in (*card.rules.public_contacts,)
    ]
    return min(texts, key=lambda f: (f.name in keys, f.pattern is not None), default=None)


def _keys(table: TableStandard) -> Iterator[Defect]:
    uniques = [c.columns for c in table.checks if c.rule == "unique" and c.severity == "error"]
    uniques += [(f.name,) for f in table.fields if f.unique]
    for columns in [table.primary_key, *uniques][: 1 if table.primary_key else None]:
        yield Defect("duplicate key", table.name, ("primary_key", "unique"), columns, scope="copy")
    for key in table.foreign_keys[:1]:
        yield Defect(
            "broken link", table.name, ("foreign_key",), key.columns, dict.fromkeys(key.columns[:1], "'inconnu-0000'")
        )


def _values(table: TableStandard) -> Iterator[Defect]:
    keys = {c for key in table.foreign_keys for c in key.columns}
    for f in table.fields:
        if f.enum:
            yield Defect("broken enumeration", table.name, ("enum",), (f.name,), {f.name: "'hors liste'"})
        if f.pattern is not None and f.name not in keys:
            yield Defect("broken pattern", table.name, ("pattern",), (f.name,), {f.name: "'?!'"})
        if f.required:
            yield Defect("required value absent", table.name, ("required",), (f.name,), {f.name: "NULL"})
        if f.type == "number":
            yield Defect("not a number", table.name, ("finite",), (f.name,), {f.name: "'nan'"})
        if f.minimum is not None or f.maximum is not None:
            beyond = f.minimum - 1 if f.minimum is not None else (f.maximum or 0) + 1
            yield Defect("out of range", table.name, ("range",), (f.name,), {f.name: str(beyond)})
        if f.type == "geopoint":
            place = {f.name: "'[46.988096,3.157004]'"}
            yield Defect("swapped coordinates", table.name, ("geopoint_in_france",), (f.name,), place)
            yield Defect("broken geopoint", table.name, ("geopoint",), (f.name,), {f.name: "'47 N'"})
        if f.type == "geometry":
            swapped = "'LINESTRING (46.988096 3.157004, 46.989 3.158)'"
            yield Defect("swapped coordinates", table.name, ("geometry",), (f.name,), {f.name: swapped})
            yield Defect("broken geometry", table.name, ("geometry",), (f.name,), {f.name: "'LINESTRING (3.1'"})


def _checks(table: TableStandard) -> Iterator[Defect]:
    numbers = {"siren": "'245804407'", "siret": "'24580440600017'"}
    for check in table.checks:
        if check.rule in numbers and check.severity == "error":
            edit = {check.columns[0]: numbers[check.rule]}
            yield Defect("bad checksum", table.name, (check.rule,), check.columns, edit)
        if check.rule == "inside_france":
            edit = dict(zip(check.columns, ("46.988096", "3.157004"), strict=True))
            yield Defect("swapped coordinates", table.name, ("inside_france",), check.columns, edit)
        if check.rule == "together" and check.severity == "error":
            kinds = {f.name: f for f in table.fields}
            first, *others = check.columns
            given = {"string": "'x'", "integer": "1", "number": "1", "date": "DATE '2026-01-01'"}
            edit = {first: given.get(kinds[first].type, "'x'"), **dict.fromkeys(others, "NULL")}
            yield Defect("half of a pair", table.name, ("together",), check.columns, edit)


def _of_card(card: Card, table: TableStandard) -> Iterator[Defect]:
    rules = card.rules
    yield Defect(
        "half the rows gone", table.name, ("row_drop",), scope="table",
        where=f"n < ceil(total * {1 - rules.max_drop_share})",
    )  # fmt: skip
    for fresh in (r for r in rules.freshness if r.table == table.name):
        kind = next(f.type for f in table.fields if f.name == fresh.column)
        sql = "DATE" if kind == "date" else "TIMESTAMPTZ"
        edit = {fresh.column: f'CAST("{fresh.column}" - INTERVAL {LONG_AGO} DAY AS {sql})'}
        yield Defect("stale data", table.name, ("regression",), (fresh.column,), edit, scope="column")
    for place in (r for r in rules.perimeter if (r.table, r.severity) == (table.name, "error")):
        if place.longitude and place.latitude:
            edit = {place.longitude: "46.988096", place.latitude: "3.157004"}
            columns = (place.longitude, place.latitude)
            yield Defect("swapped coordinates", table.name, ("perimeter",), columns, edit)
        if place.commune_code:
            edit = {place.commune_code: f"'{ELSEWHERE}'"}
            columns = (place.commune_code,)
            yield Defect("another territory's commune", table.name, ("perimeter_commune",), columns, edit)
    for cover in (r for r in rules.coverage if (r.table, r.severity) == (table.name, "error")):
        codes = ", ".join(f"'{commune.insee}'" for commune in load_territory().communes)
        first = f'(SELECT min("{cover.commune_code}") FROM rows WHERE "{cover.commune_code}" IN ({codes}))'
        gone = f'"{cover.commune_code}" IS DISTINCT FROM {first}'
        yield Defect("commune missing", table.name, ("coverage",), (cover.commune_code,), scope="table", where=gone)
    for counts in (r for r in rules.small_counts if r.table == table.name):
        column = counts.columns[0]
        yield Defect("few people", table.name, ("small_counts",), (column,), {column: str(counts.k - 1)})
    if text := _free_text(card, table):
        edit = {text.name: f"'{PERSON}'"}
        yield Defect("personal value", table.name, ("personal",), (text.name,), edit, secret="jean.dupont")


def _structure(table: TableStandard) -> Iterator[Defect]:
    first, last = table.fields[0], table.fields[-1]
    yield Defect("column missing", table.name, ("columns",), (first.name,), scope="structure")
    other = "VARCHAR" if last.type not in ("string", "array", "geopoint", "geometry") else "BLOB"
    edit = {last.name: f"NULL::{other}"}
    yield Defect("column of another type", table.name, ("type",), (last.name,), edit, scope="structure")


def rounds(seeded: tuple[Defect, ...], rows: dict[str, int]) -> list[list[Defect]]:
    """The defects of a dataset in as few audits as rows allow: those of single rows, then of tables, then structure."""
    row = [d for d in seeded if d.scope in ("column", "copy", "row")]
    batches: list[list[Defect]] = []
    for defect in row:
        fits = (b for b in batches if sum(d.table == defect.table for d in b) < rows[defect.table])
        chosen = next(fits, None)
        if chosen is None:
            batches.append([defect])
        else:
            chosen.append(defect)
    others = [[d for d in seeded if d.scope == scope] for scope in ("table", "structure")]
    return [batch for batch in (*batches, *others) if batch]


def damaged(relation: str, types: dict[str, str], seeded: list[Defect]) -> str:
    """SQL of a table with defects seeded in it. `types` are the columns of `relation`, in order."""
    single = [d for d in seeded if d.scope == "row"]
    table = [d for d in seeded if d.scope == "table"]
    structure = [d for d in seeded if d.scope == "structure"]
    edits = {column: value for d in seeded if d.scope == "column" for column, value in d.edits.items()}
    whole = dict(edits)  # a copy goes with its column: a date may be part of the key
    for n, defect in enumerate(single, start=1):
        for column, value in defect.edits.items():
            before = edits.get(column, f'"{column}"')
            edits[column] = f"CASE WHEN n = {n} THEN CAST({value} AS {types[column]}) ELSE {before} END"
    for defect in structure:
        edits |= defect.edits
    left_out = {d.columns[0] for d in structure if d.rules == ("columns",)}
    columns = ", ".join(f'{edits.get(c, quote(c))} AS "{c}"' for c in types if c not in left_out)
    where = " AND ".join(d.where for d in table if d.where) or "true"
    body = f"SELECT {columns} FROM rows WHERE {where}"
    if any(d.scope == "copy" for d in seeded):
        copied = ", ".join(f'{whole.get(c, quote(c))} AS "{c}"' for c in types if c not in left_out)
        body += f" UNION ALL SELECT {copied} FROM rows WHERE n = total"
    return (
        f"WITH rows AS MATERIALIZED (SELECT *, row_number() OVER () AS n, count(*) OVER () AS total FROM {relation}) "
        f"{body}"
    )
