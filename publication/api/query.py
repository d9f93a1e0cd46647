"""From the parameters of a request to one SQL query over one resource.

Belongs here: the operators, what they accept, the SQL they become. Does not: running it (engine.py), HTTP (routes.py).

Names are looked up among the columns of the published schema and never taken from the request; every value is bound.
Operators and their names are those of data.gouv.fr's tabular API: `<column>__<operator>=<value>`, filters joined by
AND, aggregations without a value.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from lake.engine import literal
from publication.export import plain_number, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from publication.resources import Column, Resource

PAGE_SIZE, MAX_PAGE_SIZE, MAX_PAGE = 20, 50, 100_000_000
# Enough to say every operator of every column once; what is longer costs more to plan than to answer.
MAX_PARAMETERS, MAX_LIST, MAX_TEXT = 1000, 100, 500
ROW_ID = "__id"  # rank of the row in the file, from 1

_COMPARE = {"less": "<=", "greater": ">=", "strictly_less": "<", "strictly_greater": ">"}
_AGGREGATES = ("count", "avg", "min", "max", "sum")
_ALWAYS = ("isnull", "isnotnull")
_EQUAL = (*_ALWAYS, "exact", "differs", "sort", "groupby", "count")
_ORDERED = (*_EQUAL, *_COMPARE, "in", "notin", "min", "max")
# What may be asked of a column, by its type in the published schema; of any other type, only whether it has a value.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "string": (*_ORDERED, "contains", "notcontains"),
    "integer": (*_ORDERED, "avg", "sum"),
    "number": (*_ORDERED, "avg", "sum"),
    "date": _ORDERED,
    "datetime": _ORDERED,
    "boolean": _EQUAL,
}
WITHOUT_VALUE = frozenset({*_ALWAYS, "groupby", *_AGGREGATES})

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# An item of a list: between quotes, doubled inside, when it holds a comma.
_ITEM = re.compile(r'(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)', re.DOTALL)


class BadQuery(ValueError):
    """A request that cannot be answered: which parameter, what is wrong with it, what to do."""

    def __init__(self, parameter: str, what: str, advice: str) -> None:
        super().__init__(f"{parameter}: {what}")
        self.parameter, self.what, self.advice = parameter, what, advice


class Contradiction(BadQuery):
    """Parameters that are right one by one and cannot go together."""


@dataclass(frozen=True)
class Output:
    """A column of the answer: its name, the SQL that gives it, and its type in the published schema."""

    name: str
    sql: str
    type: str
    column: Column | None = None


@dataclass(frozen=True)
class Query:
    """What is asked of a resource. `filters` are SQL conditions, `values` what is bound to them, in order."""

    outputs: tuple[Output, ...]
    filters: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    group: tuple[str, ...] | None = None  # None: rows; else groups, () being the whole
    order: tuple[str, ...] = ()
    page: int = 1
    page_size: int = PAGE_SIZE

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.page_size

    @property
    def _from(self) -> str:
        where = f" WHERE {' AND '.join(self.filters)}" if self.filters else ""
        grouped = f" GROUP BY {', '.join(self.group)}" if self.group else ""
        return f"{where}{grouped}"

    def count(self, source: str, at_most: int) -> str:
        """SQL of the number of rows, `at_most` or so many, or of groups, on all pages."""
        if self.group is None:
            return f"SELECT count(*) FROM (SELECT 1 FROM {source}{self._from} LIMIT {at_most:d})"
        return f"SELECT count(*) FROM (SELECT {', '.join(self.group) or 'count(*)'} FROM {source}{self._from})"

    def ranks(self, source: str) -> str:
        """SQL of where the rows of a page are in the file, in order: only filtered and sorted columns are read."""
        limit = f"LIMIT {self.page_size:d} OFFSET {self.offset:d}"
        return f"SELECT file_row_number FROM {source}{self._from}{self._ordered} {limit}"

    def json_at(self, source: str, ranks: Sequence[int]) -> str:
        """SQL of (rank, JSON text) of some rows, in any order."""
        columns = ", ".join(f"{output.sql} AS {alias}" for alias, output in self._aliased())
        listed = ", ".join(f"{rank:d}" for rank in ranks)
        rows = f"SELECT {columns}, file_row_number FROM {source} WHERE file_row_number IN ({listed})"
        return f"SELECT file_row_number, {self._json_object} FROM ({rows})"

    def json_rows(self, source: str, limit: int, offset: int) -> str:
        """SQL of one JSON text a row, or group: only what is given is made into text."""
        return f"SELECT {self._json_object} FROM ({self._select(source, limit, offset)})"

    @property
    def _json_object(self) -> str:
        members = ", ".join(f"{literal(o.name)}, {_json(o, alias)}" for alias, o in self._aliased())
        return f"json_object({members})::VARCHAR"

    def csv_rows(self, source: str, limit: int) -> str:
        """SQL of one CSV line a row, values in the form of the published files."""
        cells = ", ',', ".join(_csv(o, alias) for alias, o in self._aliased() if o.name != ROW_ID)
        return f"SELECT concat({cells}) FROM ({self._select(source, limit, 0)})"

    def csv_header(self) -> str:
        """First line of the CSV."""
        return ",".join(_quoted_cell(o.name) for o in self.outputs if o.name != ROW_ID)

    def _aliased(self) -> list[tuple[str, Output]]:
        return [(f"c{number}", output) for number, output in enumerate(self.outputs)]

    def _select(self, source: str, limit: int, offset: int) -> str:
        columns = ", ".join(f"{output.sql} AS {alias}" for alias, output in self._aliased())
        # limit and offset are integers made here: written out, the planner stops reading early
        return f"SELECT {columns} FROM {source}{self._from}{self._ordered} LIMIT {limit:d} OFFSET {offset:d}"

    @property
    def _ordered(self) -> str:
        return f" ORDER BY {', '.join(self.order)}" if self.order else ""


def parse(resource: Resource, parameters: Sequence[tuple[str, str]], *, paged: bool = True) -> Query:
    """What the parameters of a request ask of a resource; `paged` is false for an export, which has no pages.

    Raises:
        BadQuery: on the first parameter that is unknown, out of range or not of its column's type.
    """
    if len(parameters) > MAX_PARAMETERS:
        raise BadQuery("requête", f"{len(parameters)} paramètres", f"En donner au plus {MAX_PARAMETERS}.")
    asked = _Asked(resource)
    for name, value in parameters:
        if not paged and name in ("page", "page_size"):
            raise BadQuery(name, "un export n'a pas de pages", f"Retirer {name}.")
        asked.take(name, value)
    return asked.query()


class _Asked:
    """The parameters taken so far."""

    def __init__(self, resource: Resource) -> None:
        self.columns = resource.columns
        self.single: dict[str, Any] = {}
        self.filters: list[str] = []
        self.values: list[Any] = []
        self.groups: list[Column] = []
        self.aggregates: list[Output] = []
        self.sorts: list[tuple[str, str, str]] = []  # parameter, column, direction

    def take(self, name: str, value: str) -> None:
        """Take one parameter."""
        if name in _SINGLE:
            if name in self.single:
                raise BadQuery(name, "donné deux fois", "Le donner une fois.")
            self.single[name] = _SINGLE[name](self, name, value)
            return
        column_name, _, operator = name.rpartition("__")
        if operator == "sort":
            # checked at the end: a sort may name an aggregate of the same request
            if value not in ("asc", "desc"):
                raise BadQuery(name, f"tri « {_shown(value)} » inconnu", "Donner asc ou desc.")
            self.sorts.append((name, column_name, value.upper()))
            return
        column = self.columns.get(column_name)
        if column is None:
            raise BadQuery(_shown(name), "paramètre inconnu", _known(self.columns))
        allowed = OPERATORS.get(column.type, _ALWAYS)
        if operator not in allowed:
            listed = ", ".join(f"{column.name}__{o}" for o in allowed)
            raise BadQuery(_shown(name), f"opérateur impossible sur une colonne {column.type}", f"Au choix : {listed}.")
        if operator in WITHOUT_VALUE and value not in ("", "true"):
            raise BadQuery(name, f"valeur « {_shown(value)} » inattendue", f"Donner {name} sans valeur.")
        self._apply(column, operator, name, value)

    def _apply(self, column: Column, operator: str, parameter: str, value: str) -> None:
        quoted = quote(column.name)
        if operator == "groupby":
            self.groups.append(column)
        elif operator in _AGGREGATES:
            self.aggregates.append(_aggregate(column, operator))
        elif operator in _ALWAYS:
            self.filters.append(f"{quoted} IS {'NOT ' if operator == 'isnotnull' else ''}NULL")
        elif operator in ("in", "notin"):
            items = [_typed(column, parameter, item) for item in _items(parameter, value)]
            marks = ", ".join("?" for _ in items)
            self._filter(f"{quoted} {'NOT ' if operator == 'notin' else ''}IN ({marks})", *items)
        elif operator in ("contains", "notcontains"):
            text = _typed(column, parameter, value)
            self._filter(f"{'NOT ' if operator == 'notcontains' else ''}contains(lower({quoted}), lower(?))", text)
        else:
            sign = {"exact": "=", "differs": "IS DISTINCT FROM", **_COMPARE}[operator]
            self._filter(f"{quoted} {sign} ?", _typed(column, parameter, value))

    def _filter(self, condition: str, *values: Any) -> None:
        self.filters.append(condition)
        self.values.extend(values)

    def query(self) -> Query:
        """The query all parameters make together."""
        common = Query(
            outputs=(),
            filters=tuple(self.filters),
            values=tuple(self.values),
            page=self.single.get("page", 1),
            page_size=self.single.get("page_size", PAGE_SIZE),
        )
        return self._groups(common) if self.groups or self.aggregates else self._rows(common)

    def _rows(self, common: Query) -> Query:
        names: list[str] = self.single.get("columns") or list(self.columns)
        outputs = [_output(self.columns[name]) for name in names]
        if "columns" not in self.single:
            outputs.insert(0, Output(ROW_ID, "file_row_number + 1", "integer"))
        sortable = {n for n, c in self.columns.items() if "sort" in OPERATORS.get(c.type, ())}
        order = self._order({name: quote(name) for name in sortable})
        if order:
            order.append("file_row_number")  # rows that tie stay in the file's order, from page to page
        return replace(common, outputs=tuple(outputs), order=tuple(order))

    def _groups(self, common: Query) -> Query:
        if "columns" in self.single:
            raise Contradiction(
                "columns", "impossible avec un regroupement", "Retirer columns, ou __groupby et ses calculs."
            )
        groups = list(dict.fromkeys(self.groups))
        outputs = {o.name: o for o in [*(_output(c) for c in groups), *self.aggregates]}
        order = self._order({name: output.sql for name, output in outputs.items()})
        keys = [quote(column.name) for column in groups]
        order += [f"{key} ASC NULLS LAST" for key in keys]
        return replace(common, outputs=tuple(outputs.values()), group=tuple(keys), order=tuple(order))

    def _order(self, sortable: Mapping[str, str]) -> list[str]:
        order = []
        for parameter, name, direction in self.sorts:
            if name not in sortable:
                raise Contradiction(_shown(parameter), "tri impossible", f"Trier par : {', '.join(sorted(sortable))}.")
            order.append(f"{sortable[name]} {direction} NULLS LAST")
        return order

    def page(self, name: str, value: str) -> int:
        """A page number."""
        return _bounded(name, value, MAX_PAGE)

    def page_size(self, name: str, value: str) -> int:
        """Rows a page."""
        return _bounded(name, value, MAX_PAGE_SIZE)

    def names(self, name: str, value: str) -> list[str]:
        """Columns to give, once each, in the order asked."""
        found = list(dict.fromkeys(_items(name, value)))
        unknown = [item for item in found if item not in self.columns]
        if unknown:
            raise BadQuery(name, f"colonne « {_shown(unknown[0])} » inconnue", _known(self.columns))
        return found


_SINGLE: dict[str, Callable[[_Asked, str, str], Any]] = {
    "page": _Asked.page,
    "page_size": _Asked.page_size,
    "columns": _Asked.names,
}


def _output(column: Column) -> Output:
    return Output(column.name, quote(column.name), column.type, column)


def _aggregate(column: Column, operator: str) -> Output:
    """`<column>__<operator>`, with the type its values have."""
    name, sql = f"{column.name}__{operator}", f"{operator}({quote(column.name)})"
    match operator:
        case "count":
            return Output(name, sql, "integer")
        case "avg":
            return Output(name, sql, "number")
        case "sum" if column.type == "integer":
            return Output(name, f"{sql}::BIGINT", "integer")  # a sum is of 128 bits
        case _:
            return Output(name, sql, column.type, column)


def _bounded(name: str, value: str, most: int) -> int:
    if not _INTEGER.fullmatch(value) or not 1 <= int(value) <= most:
        raise BadQuery(name, f"« {_shown(value)} » n'est pas un entier de 1 à {most}", f"Par exemple {name}=1.")
    return int(value)


def _items(parameter: str, value: str) -> list[str]:
    """The items of `a,b,"c,d"`."""
    found, end = [], 0
    while True:
        match = _ITEM.match(value, end)
        if match is None:
            raise BadQuery(parameter, "liste illisible", 'Séparer par des virgules ; entre guillemets : "a,b".')
        inside, plain = match.groups()
        found.append(plain if inside is None else inside.replace('""', '"'))
        if len(found) > MAX_LIST:
            raise BadQuery(parameter, "trop de valeurs", f"En donner au plus {MAX_LIST}.")
        if match.end() == len(value) and not match.group(0).endswith(","):
            return found
        end = match.end()


def _typed(column: Column, parameter: str, value: str) -> Any:
    """The value a text stands for, in the type of its column."""
    try:
        found = _READ.get(column.type, _text)(column, value)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        what = f"« {_shown(value)} » n'est pas une valeur de {column.name} ({column.type})"
        raise BadQuery(parameter, what, f"Attendu : {_EXPECTED[column.type]}.")
    return found


def _text(_: Column, value: str) -> str | None:
    return value if len(value) <= MAX_TEXT else None


def _integer(_: Column, value: str) -> int | None:
    return int(value) if _INTEGER.fullmatch(value) and -(2**63) <= int(value) < 2**63 else None


def _number(_: Column, value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value) and math.isfinite(float(value)) else None


def _boolean(column: Column, value: str) -> bool | None:
    return {"false": False, "true": True, column.false_value: False, column.true_value: True}.get(value)


def _day(_: Column, value: str) -> date | None:
    return date.fromisoformat(value) if _DATE.fullmatch(value) else None


def _instant(_: Column, value: str) -> datetime | None:
    """An instant; without a zone it is UTC, as published. A bare `+` of an offset arrives as a space."""
    found = datetime.fromisoformat(re.sub(r" (?=[0-9]{2}:?[0-9]{2}$)", "+", value) if "T" in value else value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


_READ: dict[str, Callable[[Column, str], Any]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _day,
    "datetime": _instant,
}
_EXPECTED = {
    "string": f"un texte d'au plus {MAX_TEXT} caractères",
    "integer": "un nombre entier",
    "number": "un nombre, avec un point pour les décimales",
    "boolean": "true ou false",
    "date": "une date comme 2026-03-29",
    "datetime": "un instant comme 2026-03-29T01:00:00Z",
}


def _json(output: Output, alias: str) -> str:
    """SQL of a value in JSON: numbers and booleans as such, dates and instants in their published form."""
    match output.type:
        case "date" | "datetime":
            return _iso(output.type, alias)
        case "array" | "geopoint":
            return f"{alias}::JSON"
        case _:
            return alias


def _csv(output: Output, alias: str) -> str:
    """SQL of a value's CSV cell."""
    column = output.column
    match output.type:
        case "date" | "datetime":
            return _iso(output.type, alias)
        case "integer":
            return f"{alias}::VARCHAR"
        case "number":
            return plain_number(alias)
        case "boolean":
            yes, no = (column.true_value, column.false_value) if column else ("true", "false")
            return f"CASE {alias} WHEN true THEN {literal(yes)} WHEN false THEN {literal(no)} END"
        case _:
            return _csv_text(alias, is_free=column is not None and column.is_free_text)


def _csv_text(alias: str, *, is_free: bool) -> str:
    """A text, between quotes where DuckDB's writer has them; a free text never starts a formula in a spreadsheet."""
    alias = f"({safe_text(alias, is_free=is_free)})"
    doubled = f"'\"' || replace({alias}, '\"', '\"\"') || '\"'"
    return f"CASE WHEN regexp_matches({alias}, '[\",#\\r\\n]') THEN {doubled} ELSE {alias} END"


def _iso(kind: str, alias: str) -> str:
    if kind == "date":
        return f"strftime({alias}, '%Y-%m-%d')"
    return f"strftime({alias} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"


def _known(columns: Mapping[str, Column]) -> str:
    return f"Colonnes : {', '.join(columns)}. Forme : <colonne>__<opérateur>=<valeur>."


def _shown(text: str) -> str:
    """What the request said, short and on one line."""
    return "".join(c if c.isprintable() else "?" for c in text[:60])


def _quoted_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in '",\n') else text


def quote(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
