"""What each column type accepts, and what it refuses rather than guess."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contract import SourceContract
from ingestion.typing import MASKED, expected_form, quote, typed_select

CON = duckdb.connect()
CON.execute("SET TimeZone = 'UTC'")


REGISTER = dict.fromkeys(("purpose", "subjects", "categories", "recipients", "safeguards"), "x")


def probe(column: dict[str, Any], *, decimal: str = ".", reader: str = "csv", **more: Any) -> SourceContract:
    """A contract of one column, `c`."""
    declared = {"name": "c", "from": "c", "description": "", **column}
    return SourceContract.model_validate(
        {
            "id": "probe",
            "table": "row",
            **dict.fromkeys(("title", "description", "platform", "department", "supplier", "owner_email"), "x"),
            "legal": {"basis": "x", "ownership": "x", "licence": "x"},
            "cadence": "daily",
            "criticality": "low",
            "integration": "keep",
            "retention_months": 12,
            "personal": REGISTER if "personal" in column else None,
            "drift": "mask" if "personal" in column else "keep",
            "files": "x",
            "format": {"reader": reader, "decimal": decimal},
            "mode": "snapshot",
            "key": ["c"],
            "columns": [declared, *more.pop("columns", [])],
            **more,
        }
    )


def typed(contract: SourceContract, *rows: dict[str, str | None]) -> list[dict[str, Any]]:
    """Rows of texts as `typed_select` gives them; values as text, so that no client's zone comes in between."""
    names = [c.name for c in contract.columns]
    cells = [", ".join("NULL" if r.get(n) is None else quote(str(r[n])) for n in names) for r in rows]
    values = ", ".join(f"({cell}, {number})" for number, cell in enumerate(cells, start=1))
    raw = (
        f"(SELECT *, map {{'Nom': 'Camille'}} AS extra, 0 AS file_no "
        f"FROM (VALUES {values}) AS v({', '.join(names)}, source_row))"
    )
    found = CON.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({typed_select(contract, raw)}) ORDER BY source_row::INT")
    titles = [d[0] for d in found.description or ()]
    return [dict(zip(titles, row, strict=True)) for row in found.fetchall()]


def read(kind: str, text: str | None, *, decimal: str = ".", **more: Any) -> tuple[Any, bool]:
    """(value, refused) of a text in a column of that type."""
    (row,) = typed(probe({"type": kind, **more}, decimal=decimal), {"c": text})
    return row["c"], row["bad_column"] is not None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12", "12"),
        ("integer", " -3 ", "-3"),
        ("integer", "7.0", "7"),
        ("integer", "9007199254740993", "9007199254740993"),
        ("number", "1.5", "1.5"),
        ("number", "1e-3", "0.001"),
        ("number", "-0", "-0.0"),
        ("boolean", "true", "true"),
        ("boolean", "false", "false"),
        ("eui64", "0004A30B001C0530", "0004a30b001c0530"),
        ("eui64", "AASjCwAcBTA=", "0004a30b001c0530"),
        ("timestamp", "2026-10-05T09:30:00+02:00", "2026-10-05 07:30:00+00"),
        ("timestamp", "2026-10-05T09:30:00.123456789Z", "2026-10-05 09:30:00.123456+00"),
        ("string", "  a  ", "a"),
        ("string", "", None),
        ("number", "   ", None),
        ("integer", None, None),
    ],
)
def test_accepted(kind: str, text: str | None, value: str | None) -> None:
    assert read(kind, text) == (value, False)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            ("integer", t)
            for t in ("3.7", "1_000", "0x1F", "0b11", "1 000", "nan", "12a", "99999999999999999999", "1,5")
        ),
        *(
            ("number", t)
            for t in ("1_000", "nan", "NaN", "inf", "-Infinity", "1e400", "-1e400", "1 000", "1,5", "--", "e", "0x1p3")
        ),
        *(("boolean", t) for t in ("TRUE", "1", "oui", "vrai")),
        *(("eui64", t) for t in ("0004A30B001C053", "0004A30B001C053G", "AASjCwAcBTAA", "AASjCwAcBT==", "é" * 16)),
        *(
            ("timestamp", t)
            for t in (
                "2026-10-05T09:30:00",
                "2026-10-05",
                "2026-10-05 09:30",
                "2026-02-31T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "9999-12-31T00:00:00Z",
                "1970-01-01T00:00:00Z",
                "infinity",
                "1696494600",
            )
        ),
    ],
)
def test_refused(kind: str, text: str) -> None:
    _, refused = read(kind, text)
    assert refused


@pytest.mark.parametrize("text", ["1.234,5", "1 234,5", "1.5", "1,2,3", ",", "nan"])
def test_a_decimal_comma_platform_writes_no_points(text: str) -> None:
    assert read("number", text, decimal=",") == (None, True)


@settings(max_examples=150, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([".", ","]))
def test_numbers_round_trip(number: float, decimal: str) -> None:
    value, refused = read("number", repr(number).replace(".", decimal), decimal=decimal)
    assert not refused
    assert float(value) == number
    assert math.copysign(1, float(value)) == math.copysign(1, number)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=8))
def test_no_text_is_read_as_a_number_that_python_would_not_read(text: str) -> None:
    value, refused = read("number", text.replace("\0", ""))
    if value is not None:
        assert not refused
        assert float(value) == float(text.replace("\0", ""))


@pytest.mark.parametrize(
    "text", ["31/02/2026 10:00:00", "00/01/2026 10:00:00", "05/10/2026", "05/10/2026 25:00:00", "05-10-2026 10:00:00"]
)
def test_dates_are_read_in_their_declared_form_only(text: str) -> None:
    assert read("date", text, format="%d/%m/%Y %H:%M:%S") == (None, True)


def test_null_values_strip_and_required() -> None:
    assert read("number", "n/a", null_values=("n/a",)) == (None, False)
    assert read("number", "n/a", null_values=("n/a",), required=True) == (None, True)
    assert read("integer", None, null_is=0) == ("0", False)
    assert read("string", "9000.0", strip=r"\.0$") == ("9000", False)


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        ("s", "1791185400"),
        ("s", "1791185400.0"),
        ("s", "1791185400.000"),
        ("ms", "1791185400000"),
        ("ms", "1791185400000.0"),
        ("us", "1791185400000000"),
        ("ns", "1791185400000000000"),
        ("s", "2026-10-05T09:30:00+02:00"),  # a platform may send both
    ],
)
def test_an_instant_may_be_a_count_since_1970(epoch: str, text: str) -> None:
    assert read("timestamp", text, epoch=epoch) == ("2026-10-05 07:30:00+00", False)


def test_fractions_of_a_second_of_a_count_are_kept() -> None:
    assert read("timestamp", "1791185400123", epoch="ms") == ("2026-10-05 07:30:00.123+00", False)
    assert read("timestamp", "1791185400123456789", epoch="ns") == ("2026-10-05 07:30:00.123456+00", False)


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        ("s", "1791185400000"),  # milliseconds: the server changed its unit
        ("ms", "1791185400"),
        ("us", "1791185400000"),
        ("s", "1791185400.5"),
        ("s", "-179118540"),
        ("s", "+1791185400"),
        ("s", "1.7911854e9"),
        ("s", "179118540"),  # 1975: a clock that was never set
        ("s", "9999999999"),  # 2286
        ("s", "0"),
    ],
)
def test_a_count_in_another_unit_is_refused(epoch: str, text: str) -> None:
    assert read("timestamp", text, epoch=epoch)[1]


def test_units_of_a_count_may_differ_by_dialect() -> None:
    epoch = {"chirpstack": "s", "loriot": "ms"}
    for text in ("1791185400", "1791185400000", "2026-10-05T07:30:00Z"):
        assert read("timestamp", text, epoch=epoch) == ("2026-10-05 07:30:00+00", False)
    assert read("timestamp", "1791185400000000", epoch=epoch)[1]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-05T09:30:00+0200", "2026-10-05 07:30:00+00"),
        ("2026-10-05 09:30:00+02:00", "2026-10-05 07:30:00+00"),
        ("2026-10-05T09:30:00-0930", "2026-10-05 19:00:00+00"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25 00:30:00+00"),
        ("2026-10-25T02:30:00+0100", "2026-10-25 01:30:00+00"),
    ],
)
def test_offsets_with_and_without_colon(text: str, instant: str) -> None:
    assert read("timestamp", text) == (instant, False)


@pytest.mark.parametrize("text", ["2026-10-05T09:30+02:00", "09:30:00+0200", "2026-10-05T09:30:00 Europe/Paris"])
def test_an_instant_is_written_to_the_second(text: str) -> None:
    assert read("timestamp", text)[1]


FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%Y")


@pytest.mark.parametrize(
    ("text", "day"),
    [("2026-10-05", "2026-10-05"), ("05/10/2026", "2026-10-05"), ("20261005", "2026-10-05"), ("2019", "2019-01-01")],
)
def test_several_forms_of_a_date_are_tried_in_order(text: str, day: str) -> None:
    assert read("date", text, format=FORMS) == (day, False)


@pytest.mark.parametrize("text", ["5 octobre", "2026/10/05", "31/02/2026", "10/2026", "26"])
def test_a_form_that_is_not_listed_is_refused(text: str) -> None:
    assert read("date", text, format=FORMS)[1]
    assert read("date", text, format=FORMS[0])[1]


@pytest.mark.parametrize("text", ["05/10/26", "05/10/0926"])
def test_a_year_of_two_digits_is_not_the_year_26(text: str) -> None:
    assert read("date", text, format="%d/%m/%Y")[1]
    assert read("date", "05/10/26", format="%d/%m/%y") == ("2026-10-05", False)


def test_the_reason_lists_the_forms_and_the_words() -> None:
    contract = probe({"type": "date", "format": FORMS[:2]})
    assert expected_form(contract.column("c"), contract) == "une date de forme %Y-%m-%d ou %d/%m/%Y"
    contract = probe({"type": "string", "values": {"PMR": "disabled_parking", "Banc": "bench"}})
    assert expected_form(contract.column("c"), contract) == "un de : PMR, Banc"


WORDS = {"Place PMR": "disabled_parking", "L'eau": "fountain"}


def test_a_platforms_words_in_ours() -> None:
    assert read("string", "Place PMR", values=WORDS) == ("disabled_parking", False)
    assert read("string", " L'eau ", values=WORDS) == ("fountain", False)
    assert read("string", None, values=WORDS) == (None, False)
    assert read("string", "", values=WORDS) == (None, False)
    assert read("string", "place pmr", values=WORDS) == (None, True), "other words are not guessed at"
    assert read("string", "disabled_parking", values=WORDS) == (None, True)
    assert read("string", "place pmr", values=WORDS, values_else="keep") == ("place pmr", False)
    assert read("string", "Place PMR", values=WORDS, values_else="keep") == ("disabled_parking", False)


@pytest.mark.parametrize(
    ("column", "text", "coarse"),
    [
        ({"type": "timestamp", "coarsen": "hour"}, "2026-10-05T09:59:59.9+02:00", "2026-10-05 07:00:00+00"),
        ({"type": "timestamp", "coarsen": "day"}, "2026-10-05T01:30:00+02:00", "2026-10-04 00:00:00+00"),
        ({"type": "timestamp", "coarsen": "year"}, "2026-10-05T09:30:00Z", "2026-01-01 00:00:00+00"),
        ({"type": "date", "format": "%d/%m/%Y", "coarsen": "month"}, "17/06/1981", "1981-06-01"),
        ({"type": "date", "format": "%d/%m/%Y", "coarsen": "year"}, "17/06/1981", "1981-01-01"),
        ({"type": "number", "coarsen": 2}, "46.98765", "46.99"),
        ({"type": "number", "coarsen": 0}, "46.98765", "47.0"),
        ({"type": "string", "coarsen": "prefix:2"}, "58194", "58"),
        ({"type": "string", "coarsen": "prefix:9"}, "58", "58"),
        ({"type": "string", "coarsen": "prefix:2"}, None, None),
        ({"type": "number", "coarsen": 2}, "", None),
    ],
)
def test_coarsened_at_the_door(column: dict[str, Any], text: str | None, coarse: str | None) -> None:
    (row,) = typed(probe({"personal": "coarsen", **column}), {"c": text})
    assert (row["c"], row["bad_column"]) == (coarse, None)


@pytest.mark.parametrize(
    ("how", "coarse"),
    [
        ("hour", "2026-10-24 22:00:00+00"),
        ("day", "2026-10-24 22:00:00+00"),  # midnight in Nevers
        ("month", "2026-09-30 22:00:00+00"),
        ("year", "2025-12-31 23:00:00+00"),
    ],
)
def test_a_local_day_begins_at_the_sources_midnight(how: str, coarse: str) -> None:
    column = {"type": "local_timestamp", "format": "%d/%m/%Y %H:%M", "personal": "coarsen", "coarsen": how}
    contract = probe(column, event_time={"column": "c", "zone": "Europe/Paris"})
    (row,) = typed(contract, {"c": "25/10/2026 00:45"})
    assert row["c"] == coarse


def test_a_dropped_column_is_null_and_never_refused() -> None:
    (row,) = typed(probe({"type": "integer", "personal": "drop"}), {"c": "Camille"})
    assert (row["c"], row["bad_column"], row["bad_value"], row["extra"]) == (None, None, None, None)


def test_a_source_with_personal_columns_shows_no_value_of_any_column() -> None:
    other = {"name": "other", "from": "other", "type": "integer", "description": ""}
    (row, absent) = typed(
        probe(
            {"type": "date", "format": "%Y", "personal": "coarsen", "coarsen": "year", "required": True},
            columns=[other],
        ),
        {"c": "1981", "other": "Camille Dupont"},
        {"c": None, "other": "1"},
    )
    assert (row["bad_column"], row["bad_value"], row["extra"]) == ("other", MASKED, None)
    assert (absent["bad_column"], absent["bad_value"]) == ("c", None), "an absent value is told from a bad one"
    (plain,) = typed(probe({"type": "string"}, columns=[other]), {"c": "1", "other": "Camille Dupont"})
    assert plain["bad_value"] == "Camille Dupont"
    assert "Camille" in plain["extra"]


def test_a_local_clock_without_series_is_read_in_its_zone() -> None:
    column = {"type": "local_timestamp", "format": ["%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M"]}
    contract = probe(column, event_time={"column": "c", "zone": "Europe/Paris"})
    plain, twice, never, iso = typed(
        contract,
        *({"c": text} for text in ("05/10/2026 09:30", "25/10/2026 02:30", "29/03/2026 02:30", "2026-12-05T09:30")),
    )
    assert (plain["c"], plain["clock"]) == ("2026-10-05 07:30:00+00", "0")
    assert (twice["local_time"], twice["clock"]) == ("2026-10-25 02:30:00", "1")
    assert never["clock"] == "2"
    assert (iso["c"], iso["clock"]) == ("2026-12-05 08:30:00+00", "0")
