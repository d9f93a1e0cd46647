"""What each column type accepts, and what it refuses rather than guess."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contract import SourceContract
from ingestion.typing import typed_select

CON = duckdb.connect()
CON.execute("SET TimeZone = 'UTC'")


def read(kind: str, text: str | None, *, decimal: str = ".", **more: Any) -> tuple[Any, bool]:
    """(value, refused) of a text in a column of that type."""
    column = {"name": "c", "from": "c", "type": kind, "description": "", **more}
    contract = SourceContract.model_validate(
        {
            "id": "probe",
            "table": "row",
            **dict.fromkeys(("title", "description", "platform", "department", "supplier", "owner_email"), "x"),
            "legal": {"basis": "x", "ownership": "x", "licence": "x"},
            "cadence": "daily",
            "criticality": "low",
            "files": "x",
            "format": {"reader": "csv", "decimal": decimal},
            "mode": "snapshot",
            "key": ["c"],
            "columns": [column],
        }
    )
    literal = "NULL::VARCHAR" if text is None else "'" + text.replace("'", "''") + "'"
    raw = f"(SELECT {literal} AS c, NULL::MAP(VARCHAR, VARCHAR) AS extra, 1 AS source_row, 0 AS file_no)"
    ((value, bad),) = CON.execute(f"SELECT c::VARCHAR, bad_column FROM ({typed_select(contract, raw)})").fetchall()
    return value, bad is not None


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
