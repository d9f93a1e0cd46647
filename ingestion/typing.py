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
EARLIEST_DATE = "1000-01-01"  # '05/10/26' read as %d/%m/%Y is a day of the year 26
MASKED = "***"  # what is shown of a value where a source holds personal data

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
    if column.values and column.values_else == "refuse":
        return f"un de : {', '.join(column.values)}"
    if column.type in ("date", "local_timestamp"):
        return f"une date de forme {' ou '.join(column.formats)}"
    if column.epoch:
        return "un instant en secondes ou millisecondes depuis 1970, ou ISO 8601 avec décalage horaire"
    if column.type == "number":
        return f"un nombre à {'virgule' if contract.format.decimal == ',' else 'point'} décimal"
    if column.type == "boolean":
        return f"{' ou '.join(column.true_values)} / {' ou '.join(column.false_values)}"
    return _EXPECTED[column.type]


def parsed_sql(column: Column, decimal: str) -> str:
    """The expression that reads a column's text, named like the column, or null."""
    return _parsers(column, decimal).get(column.type, lambda: column.name)()


def typed_select(contract: SourceContract, raw: str) -> str:
    """SQL over a raw relation (a table name or a parenthesised query) that yields the typed relation."""
    columns = contract.columns
    row = "" if contract.format.reader == "jsonl" else "source_row, "  # readers/jsonl.py says why
    texts = ", ".join(f"{_text(c, contract)} AS {c.name}" for c in columns)
    values = ", ".join(f"{_parse(c, contract)} AS v_{c.name}" for c in columns)
    tests = [(c, test) for c in columns if (test := _bad(c, contract))]
    cases = " ".join(f"WHEN {test} THEN {quote(c.name)}" for c, test in tests)
    column = f"CASE {cases} END" if cases else "NULL::VARCHAR"
    shown = "CASE bad_column " + " ".join(f"WHEN {quote(c.name)} THEN {_shown(c, contract)}" for c in columns) + " END"
    final = ", ".join(f"{_final(c, contract)} AS {c.name}" for c in columns)
    return (
        f"WITH texts AS (SELECT file_no, {row}{_extra(contract)} AS extra, {texts} FROM {raw} AS raw), "
        f"parsed AS (SELECT *, {values} FROM texts), "
        f"decoded AS (SELECT *{_decoded(contract)} FROM parsed), "
        f"judged AS (SELECT *{_clock(contract)}, {column} AS bad_column FROM decoded) "
        f"SELECT file_no, {row}extra, {final}, bad_column, "
        f"CASE WHEN bad_column IS NOT NULL THEN left({shown}, 200) END AS bad_value"
        f"{', clock, local_time' if _local(contract) else ''} FROM judged"
    )


def _local(contract: SourceContract) -> bool:
    return contract.event_time is not None and contract.event_time.zone is not None


def _decoded(contract: SourceContract) -> str:
    """Payloads that arrived undecoded, through the device's codec (codecs.py registers the function)."""
    if (codecs := contract.codecs) is None:
        return ""
    names = (codecs.profile, codecs.payload, codecs.port, codecs.time, codecs.encoding)
    call = f"decode_payload({', '.join(f'v_{n}' for n in names if n)})"
    return f", CASE WHEN v_{codecs.into} IS NULL THEN {call} END AS decoded"


def _extra(contract: SourceContract) -> str:
    if contract.drift == "mask":
        return "NULL::VARCHAR"
    if contract.format.reader == "jsonl":
        return "extra::JSON::VARCHAR"
    return "CASE WHEN extra IS NOT NULL THEN to_json(extra)::VARCHAR END"


def _text(column: Column, contract: SourceContract) -> str:
    if column.type == "nested":
        return column.name
    if column.personal == "drop":
        return "NULL::VARCHAR"
    text = column.name
    if contract.format.reader != "jsonl":
        text = f"trim({text})"
    if column.strip:
        text = f"regexp_replace({text}, {quote(column.strip)}, '', 'g')"
    text = f"nullif({text}, '')"
    for null in column.null_values:
        text = f"nullif({text}, {quote(null)})"
    return text


def _parse(column: Column, contract: SourceContract) -> str:
    return parsed_sql(column, contract.format.decimal)


def _parsers(column: Column, decimal: str) -> dict[str, Callable[[], str]]:
    name, form = column.name, "[" + ", ".join(quote(f) for f in column.formats) + "]"
    return {
        "integer": lambda: _integer(name),
        "number": lambda: _number(name, decimal),
        "boolean": lambda: _boolean(column),
        "date": lambda: f"try_strptime({name}, {form})::DATE",
        "local_timestamp": lambda: f"try_strptime({name}, {form})",
        "timestamp": lambda: _instant(column),
        "string": lambda: _translated(column),
        "eui64": lambda: _eui64(name),
        "nested": lambda: _groups(column),
    }


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


def _translated(column: Column) -> str:
    """A platform's words in ours; without a dictionary, the text itself."""
    if not column.values:
        return column.name
    cases = " ".join(f"WHEN {quote(theirs)} THEN {quote(ours)}" for theirs, ours in column.values.items())
    return f"CASE {column.name} {cases}{f' ELSE {column.name}' if column.values_else == 'keep' else ''} END"


# Digits of a count since 1970 for any instant from 2001 to 2286: a server that changes its unit is noticed.
_EPOCH_DIGITS = {"s": 10, "ms": 13, "us": 16, "ns": 19}
_EPOCH_MICROSECONDS = {"s": "* 1000000", "ms": "* 1000", "us": "", "ns": "// 1000"}


def _instant(column: Column) -> str:
    # the colon tells an instant from a bare date, whose end ('-10-05') looks like an offset
    name = column.name
    signs = " OR ".join(f"left(right({name}, {width}), 1) IN ('+', '-')" for width in (6, 5))  # +02:00 and +0200
    offset = f"(right({name}, 1) = 'Z' OR {signs})"
    units = {column.epoch} if isinstance(column.epoch, str) else set((column.epoch or {}).values())
    counts = "".join(
        f" WHEN regexp_full_match({name}, '\\d{{{_EPOCH_DIGITS[unit]}}}(\\.0*)?') "
        f"THEN make_timestamptz(split_part({name}, '.', 1)::BIGINT {_EPOCH_MICROSECONDS[unit]})"
        for unit in sorted(units)
    )
    return f"CASE WHEN contains({name}, ':') AND {offset} THEN TRY_CAST({name} AS TIMESTAMPTZ){counts} END"


def _eui64(name: str) -> str:
    base64 = f"length({name}) = 12 AND regexp_full_match({name}, '[A-Za-z0-9+/]+=')"
    return (
        f"CASE WHEN length({name}) = 16 AND regexp_full_match({name}, '[0-9A-Fa-f]+') THEN lower({name}) "
        f"WHEN {base64} THEN lower(hex(from_base64({name}))) END"
    )


def _groups(column: Column) -> str:
    fields = ", ".join(f'"{f.name}" {_DDL[f.type]}' for f in column.fields)
    return f"TRY_CAST({column.name} AS STRUCT({fields})[])"


def _bad(column: Column, contract: SourceContract) -> str:
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
    if column.type not in ("string", "json") or (column.values and column.values_else == "refuse"):
        tests.append(f"({name} IS NOT NULL AND v_{name} IS NULL)")
    if column.type in ("timestamp", "local_timestamp"):
        tests.append(f"(v_{name} < '{EARLIEST}' OR v_{name} >= '{LATEST}')")
    if column.type == "date":
        tests.append(f"v_{name} < '{EARLIEST_DATE}'")
    if column.required:
        tests.append(f"{name} IS NULL")
    if contract.codecs and name == contract.codecs.into:
        tests.append("decoded.error IS NOT NULL")
    return " OR ".join(tests)


def _shown(column: Column, contract: SourceContract) -> str:
    if contract.personal_columns:  # of any column: a row cut in the wrong place shows one field under another's name
        return f"CASE WHEN {column.name} IS NOT NULL THEN {quote(MASKED)} END"
    if contract.codecs and column.name == contract.codecs.into:
        return f"coalesce(decoded.error, {column.name})"
    return f"{column.name}::VARCHAR" if column.type == "nested" else column.name


def _final(column: Column, contract: SourceContract) -> str:
    value = "utc_time" if column.type == "local_timestamp" else f"v_{column.name}"
    if column.personal == "pseudonymise":
        return _pseudonym(column, value, contract)
    if column.personal == "coarsen":
        return _coarse(column, value, contract)
    if column.null_is is not None:
        return f"coalesce({value}, {column.null_is})"
    if contract.codecs and column.name == contract.codecs.into:
        return f"coalesce({value}, decoded.object)"
    return value


def _pseudonym(column: Column, value: str, contract: SourceContract) -> str:
    """HMAC-SHA256 of source, period and text, 16 hexadecimal digits (64 bits: no collision among a town's devices).

    The period makes the key rotate: without the key, a person seen in two periods is two persons. `inner_pad` and
    `outer_pad` are variables of the connection (pseudonyms.py), so that the key is in no SQL text and no error.
    """
    period = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}.get(column.rotate)
    when = "''"
    if period and contract.event_time:
        event = contract.column(contract.event_time.column)
        when = f"strftime({'utc_time' if event.type == 'local_timestamp' else f'v_{event.name}'}, '{period}')"
    message = f"encode({quote(contract.id)} || chr(31) || {when} || chr(31) || lower({value}))"
    inner = f"from_hex(sha256(getvariable('inner_pad') || {message}))"
    return f"left(sha256(getvariable('outer_pad') || {inner}), 16)"


def _coarse(column: Column, value: str, contract: SourceContract) -> str:
    if isinstance(column.coarsen, int):
        return f"round({value}, {column.coarsen})"
    how = str(column.coarsen)
    if how.startswith("prefix:"):
        return f"left({value}, {how.removeprefix('prefix:')})"
    if column.type == "local_timestamp" and contract.event_time and contract.event_time.zone and how != "hour":
        zone = quote(contract.event_time.zone)  # a day, month or year begins at midnight of the source's clock
        return f"timezone({zone}, date_trunc('{how}', timezone({zone}, {value})))"
    day = "::DATE" if column.type == "date" else ""  # DuckDB gives a timestamp
    return f"date_trunc('{how}', {value}){day}"


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
