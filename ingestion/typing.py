"""SQL that turns raw text columns into typed ones, generated from a contract.

Belongs here: the meaning of each column type, and the reason why a text is refused. Does not: file formats
(readers/), duplicates or writing (load.py).

The typed relation has the contract's columns, `event_date`, `extra`, `source_row`, `file_no`, and for each row
`bad_column` and `bad_value` (null when the row is good); for sources with a local clock also `clock`:
0 plain, 1 the hour that occurs twice in October, 2 the hour that does not exist in March.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestion.contract import Column, SourceContract

# Instants outside are broken clocks (1970, 2106), and would open absurd partitions.
EARLIEST, LATEST = "1990-01-01", "2100-01-01"

_DDL = {
    "string": "VARCHAR",
    "json": "VARCHAR",
    "eui64": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "local_timestamp": "TIMESTAMP",
}

_EXPECTED = {
    "string": "un texte",
    "json": "un objet JSON",
    "eui64": "un EUI-64 (16 chiffres hexadécimaux, ou 8 octets en base64)",
    "integer": "un nombre entier",
    "number": "un nombre",
    "boolean": "vrai ou faux",
    "timestamp": "un instant ISO 8601 avec décalage horaire (2026-10-05T09:30:00+02:00)",
    "nested": "une liste d'objets",
}


def quote(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def expected_form(column: Column, contract: SourceContract) -> str:
    """What a column's text must look like, in French, for the person who must correct it."""
    if column.type in ("date", "local_timestamp"):
        return f"une date de forme {column.format}"
    if column.type == "number":
        return f"un nombre à {'virgule' if contract.format.decimal == ',' else 'point'} décimal"
    if column.type == "boolean":
        return f"{' ou '.join(column.true_values)} / {' ou '.join(column.false_values)}"
    return _EXPECTED[column.type]


def typed_select(contract: SourceContract, raw: str) -> str:
    """SQL over a raw relation (a table name or a parenthesised query) that yields the typed relation."""
    columns = contract.columns
    row = "source_row, " if contract.format.reader == "csv" else ""  # readers/jsonl.py says why
    texts = ", ".join(f"{_text(c, contract)} AS {c.name}" for c in columns)
    values = ", ".join(f"{_parse(c, contract)} AS v_{c.name}" for c in columns)
    tests = [(c, test) for c in columns if (test := _bad(c))]
    cases = " ".join(f"WHEN {test} THEN {quote(c.name)}" for c, test in tests)
    column = f"CASE {cases} END" if cases else "NULL::VARCHAR"
    shown = "CASE bad_column " + " ".join(f"WHEN {quote(c.name)} THEN {_shown(c)}" for c in columns) + " END"
    final = ", ".join(f"{_final(c, contract)} AS {c.name}" for c in columns)
    return (
        f"WITH texts AS (SELECT file_no, {row}{_extra(contract)} AS extra, {texts} FROM {raw} AS raw), "
        f"parsed AS (SELECT *, {values} FROM texts), "
        f"judged AS (SELECT *{_clock(contract)}, {column} AS bad_column FROM parsed) "
        f"SELECT file_no, {row}extra, {final}, bad_column, "
        f"CASE WHEN bad_column IS NOT NULL THEN left({shown}, 200) END AS bad_value"
        f"{', clock, local_time' if _local(contract) else ''} FROM judged"
    )


def _local(contract: SourceContract) -> bool:
    return contract.event_time is not None and contract.event_time.zone is not None


def _extra(contract: SourceContract) -> str:
    if contract.format.reader == "jsonl":
        return "extra::JSON::VARCHAR"
    return "CASE WHEN extra IS NOT NULL THEN to_json(extra)::VARCHAR END"


def _text(column: Column, contract: SourceContract) -> str:
    if column.type == "nested":
        return column.name
    text = column.name
    if contract.format.reader != "jsonl":
        text = f"trim({text})"
    if column.strip:
        text = f"regexp_replace({text}, {quote(column.strip)}, '')"
    text = f"nullif({text}, '')"
    for null in column.null_values:
        text = f"nullif({text}, {quote(null)})"
    return text


def _parse(column: Column, contract: SourceContract) -> str:
    name, form = column.name, quote(column.format or "")
    parsers: dict[str, Callable[[], str]] = {
        "integer": lambda: _integer(name),
        "number": lambda: _number(name, contract.format.decimal),
        "boolean": lambda: _boolean(column),
        "date": lambda: f"try_strptime({name}, {form})::DATE",
        "local_timestamp": lambda: f"try_strptime({name}, {form})",
        "timestamp": lambda: _instant(name),
        "eui64": lambda: _eui64(name),
        "nested": lambda: _groups(column),
    }
    return parsers.get(column.type, lambda: name)()


def _integer(name: str) -> str:
    # a bare cast would round '3.7' and read '1_000' and '0x1F'; a double knows neither of the last two
    whole = f"NOT contains({name}, '_') AND TRY_CAST({name} AS DOUBLE) = TRY_CAST({name} AS BIGINT)"
    return f"CASE WHEN {whole} THEN TRY_CAST({name} AS BIGINT) END"


def _number(name: str, decimal: str) -> str:
    # underscores, words and overflow are numbers to DuckDB ('1_000', 'nan', '1e400'), not to a platform
    text = f"CASE WHEN NOT contains({name}, '.') THEN replace({name}, ',', '.') END" if decimal == "," else name
    value = f"TRY_CAST({text} AS DOUBLE)"
    return f"CASE WHEN NOT regexp_matches({name}, '[_a-df-zA-DF-Z]') AND isfinite({value}) THEN {value} END"


def _boolean(column: Column) -> str:
    true, false = (", ".join(quote(v) for v in values) for values in (column.true_values, column.false_values))
    return f"CASE WHEN {column.name} IN ({true}) THEN true WHEN {column.name} IN ({false}) THEN false END"


def _instant(name: str) -> str:
    # the colon tells an instant from a bare date, whose end ('-10-05') looks like an offset
    offset = f"(right({name}, 1) = 'Z' OR left(right({name}, 6), 1) IN ('+', '-'))"
    return f"CASE WHEN contains({name}, ':') AND {offset} THEN TRY_CAST({name} AS TIMESTAMPTZ) END"


def _eui64(name: str) -> str:
    base64 = f"length({name}) = 12 AND regexp_full_match({name}, '[A-Za-z0-9+/]+=')"
    return (
        f"CASE WHEN length({name}) = 16 AND regexp_full_match({name}, '[0-9A-Fa-f]+') THEN lower({name}) "
        f"WHEN {base64} THEN lower(hex(from_base64({name}))) END"
    )


def _groups(column: Column) -> str:
    fields = ", ".join(f'"{f.name}" {_DDL[f.type]}' for f in column.fields)
    return f"TRY_CAST({column.name} AS STRUCT({fields})[])"


def _bad(column: Column) -> str:
    name = column.name
    if column.type == "nested":
        leaves = [
            f"(x.{f.name} IS NOT NULL AND TRY_CAST(x.{f.name} AS {_DDL[f.type]}) IS NULL)"
            for f in column.fields
            if f.type != "string"
        ]
        leaves += [f"x.{f.name} IS NULL" for f in column.fields if f.required]
        tests = [f"len(list_filter({name}, lambda x: {' OR '.join(leaves)})) > 0"] if leaves else []
        return " OR ".join([*tests, *([f"coalesce(len({name}), 0) = 0"] if column.required else [])])
    tests = []
    if column.type not in ("string", "json"):
        tests.append(f"({name} IS NOT NULL AND v_{name} IS NULL)")
    if column.type in ("timestamp", "local_timestamp"):
        tests.append(f"(v_{name} < '{EARLIEST}' OR v_{name} >= '{LATEST}')")
    if column.required:
        tests.append(f"{name} IS NULL")
    return " OR ".join(tests)


def _shown(column: Column) -> str:
    return f"{column.name}::VARCHAR" if column.type == "nested" else column.name


def _final(column: Column, contract: SourceContract) -> str:
    value = f"v_{column.name}"
    if column.type == "local_timestamp":
        return "utc_time"
    if column.null_is is not None:
        return f"coalesce({value}, {column.null_is})"
    del contract
    return value


def _clock(contract: SourceContract) -> str:
    """Local clock to UTC; DuckDB takes the second pass of an hour that occurs twice, load.py settles which it was."""
    if contract.event_time is None or contract.event_time.zone is None:
        return ""
    zone, local = quote(contract.event_time.zone), f"v_{contract.event_time.column}"
    utc = f"timezone({zone}, {local})"
    return (
        f", {local} AS local_time, {utc} AS utc_time, "
        f"CASE WHEN timezone({zone}, {utc}) <> {local} THEN 2 "
        f"WHEN timezone({zone}, {utc} - INTERVAL 1 HOUR) = {local} THEN 1 ELSE 0 END::TINYINT AS clock"
    )
