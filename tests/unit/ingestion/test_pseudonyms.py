"""What is done with personal columns before bronze, computed a second time here with Python's own HMAC."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ingestion.contract import SourceContract
from ingestion.pseudonyms import KEY_ENV, KeyMissingError, give_key
from ingestion.typing import MASKED, typed_select

NOWHERE = Path("nowhere")  # a landing folder without a simulation's truth
KEY = "une clé de test, assez longue"
SOURCE = "probe"
MOMENT = "2026-10-25T01:30:00+02:00"  # 23:30 UTC of the day before

CON = duckdb.connect()
CON.execute("SET TimeZone = 'UTC'")


def contract(columns: list[dict[str, Any]], only: dict[str, Any] | None = None, **more: Any) -> SourceContract:
    when = {"name": "seen_time", "from": "when", "type": "timestamp", "required": True}
    return SourceContract.model_validate(
        {
            "id": SOURCE,
            "table": "row",
            **dict.fromkeys(("title", "description", "platform", "department", "supplier", "owner_email"), "x"),
            "integration": "keep",
            "retention_months": 12,
            "legal": {"basis": "x", "ownership": "x", "licence": "x"},
            "personal": dict.fromkeys(("purpose", "subjects", "categories", "recipients", "safeguards"), "x"),
            "cadence": "daily",
            "criticality": "low",
            "drift": "mask",
            "files": "x",
            "format": {"reader": "csv"},
            "event_time": {"column": "seen_time"},
            "key": ["seen_time"],
            "columns": [only] if only else [{"description": "", **c} for c in (when, *columns)],
            **more,
        }
    )


def literal(text: str | None) -> str:
    return "NULL::VARCHAR" if text is None else "'" + text.replace("'", "''") + "'"


def load(
    checked: SourceContract, *rows: dict[str, str | None], key: str = KEY, con: duckdb.DuckDBPyConnection = CON
) -> list[dict[str, Any]]:
    """Rows as they would reach bronze."""
    names = [c.name for c in checked.columns]
    values = ", ".join(f"({', '.join(literal(row.get(n)) for n in names)}, {n})" for n, row in enumerate(rows, start=1))
    raw = (
        f"(SELECT *, map {{'colonne': 'Camille'}} AS extra, 0 AS file_no "
        f"FROM (VALUES {values}) AS v({', '.join(names)}, source_row))"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_ENV, key)
        give_key(con, checked, NOWHERE)
    found = con.execute(f"SELECT * FROM ({typed_select(checked, raw)}) ORDER BY source_row")
    columns = [d[0] for d in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def second_opinion(text: str, period: str, *, key: str = KEY, source: str = SOURCE) -> str:
    message = f"{source}\x1f{period}\x1f{text.lower()}".encode()
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()[:16]


def device(rotate: str, **more: Any) -> dict[str, Any]:
    return {"name": "mac", "from": "mac", "type": "string", "personal": "pseudonymise", "rotate": rotate, **more}


@pytest.mark.parametrize(
    ("rotate", "period"), [("day", "2026-10-24"), ("month", "2026-10"), ("year", "2026"), ("never", "")]
)
def test_a_pseudonym_is_a_keyed_hash_of_the_text_and_its_period(rotate: str, period: str) -> None:
    (row,) = load(contract([device(rotate)]), {"seen_time": MOMENT, "mac": "AA:bb:cc:dd:ee:01"})
    assert row["mac"] == second_opinion("aa:bb:cc:dd:ee:01", period)
    assert row["bad_column"] is None


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], max_codepoint=0x24F), min_size=1, max_size=40),
    key=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=16, max_size=200),
)
def test_any_text_and_any_key(text: str, key: str) -> None:
    """Keys longer than a block of SHA-256 are hashed first, as RFC 2104 says; not every text is ASCII."""
    ((lowered,),) = CON.execute(f"SELECT lower({literal(text)})").fetchall()
    (row,) = load(contract([device("day")]), {"seen_time": MOMENT, "mac": text}, key=key)
    assert row["mac"] == second_opinion(lowered, "2026-10-24", key=key)


def test_a_known_answer_of_the_rfc() -> None:
    """RFC 4231, test case 2, through the same pads: nothing here depends on our own message."""
    with duckdb.connect() as con, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.pseudonyms.MIN_LENGTH", 4)
        patch.setenv(KEY_ENV, "Jefe")
        give_key(con, contract([device("day")]), NOWHERE)
        inner = "from_hex(sha256(getvariable('inner_pad') || encode('what do ya want for nothing?')))"
        ((digest,),) = con.execute(f"SELECT sha256(getvariable('outer_pad') || {inner})").fetchall()
    assert digest == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_the_key_rotates_with_event_time() -> None:
    checked = contract([device("day")])
    days = [f"2026-10-{day:02d}T12:00:00Z" for day in (5, 5, 6, 7)]
    found = [row["mac"] for row in load(checked, *({"seen_time": day, "mac": "aa:01"} for day in days))]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    monthly = load(contract([device("month")]), *({"seen_time": day, "mac": "aa:01"} for day in days))
    assert len({row["mac"] for row in monthly}) == 1


def test_another_key_or_another_source_gives_another_pseudonym() -> None:
    row = {"seen_time": MOMENT, "mac": "aa:01"}
    (one,), (two,) = load(contract([device("day")]), row), load(contract([device("day")]), row, key=KEY + "!")
    (other,) = load(contract([device("day")], id="elsewhere"), row)
    assert len({one["mac"], two["mac"], other["mac"]}) == 3
    assert other["mac"] == second_opinion("aa:01", "2026-10-24", source="elsewhere")


def test_one_device_is_one_pseudonym_however_it_is_spelt() -> None:
    checked = contract([device("day", strip="[:.-]")])
    spelt = ("AA:BB:CC:DD:EE:01", "aa-bb-cc-dd-ee-01", "aabb.ccdd.ee01", " aabbccddee01 ")
    found = {row["mac"] for row in load(checked, *({"seen_time": MOMENT, "mac": mac} for mac in spelt))}
    assert found == {second_opinion("aabbccddee01", "2026-10-24")}


def test_no_text_is_no_pseudonym() -> None:
    (row,) = load(contract([device("day")]), {"seen_time": MOMENT, "mac": "  "})
    assert row["mac"] is None


@pytest.mark.parametrize(
    ("kind", "coarsen", "text", "value"),
    [
        ("timestamp", "hour", "2026-10-25T02:59:59+01:00", datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ("timestamp", "day", "2026-10-25T01:59:59+02:00", datetime(2026, 10, 24, tzinfo=UTC)),
        ("date", "month", "2026-10-25", date(2026, 10, 1)),
        ("date", "year", "2026-10-25", date(2026, 1, 1)),
        ("number", 2, "46.988096", 46.99),
        ("number", 0, "46.988096", 47.0),
        ("string", "prefix:2", "58000", "58"),
        ("string", "prefix:2", None, None),
    ],
)
def test_coarsening(kind: str, coarsen: str | int, text: str | None, value: Any) -> None:
    column = {"name": "c", "from": "c", "type": kind, "personal": "coarsen", "coarsen": coarsen}
    if kind == "date":
        column["format"] = "%Y-%m-%d"
    (row,) = load(contract([column]), {"seen_time": MOMENT, "c": text})
    found = row["c"]
    # the first instant of a day is a day again by bronze's schema
    assert (found.date() if kind == "date" and isinstance(found, datetime) else found) == value


def test_a_local_clock_is_coarsened_after_its_zone_is_known() -> None:
    """01:30 of 25 October in Paris is of the day before in UTC: the day is that of the clock."""
    when = {"name": "seen_time", "from": "when", "type": "local_timestamp", "format": "%d/%m/%Y %H:%M"}
    for coarsen, expected in (
        ("hour", datetime(2026, 10, 24, 23, tzinfo=UTC)),
        ("day", datetime(2026, 10, 24, 22, tzinfo=UTC)),
        ("month", datetime(2026, 9, 30, 22, tzinfo=UTC)),
    ):
        column = {"description": "", "personal": "coarsen", "coarsen": coarsen, **when}
        checked = contract([], event_time={"column": "seen_time", "zone": "Europe/Paris"}, only=column)
        (row,) = load(checked, {"seen_time": "25/10/2026 01:30"})
        assert row["seen_time"] == expected


def test_dropped_is_dropped() -> None:
    column = {"name": "name", "from": "name", "type": "string", "personal": "drop"}
    (row,) = load(contract([column]), {"seen_time": MOMENT, "name": "Camille"})
    assert row["name"] is None
    assert row["bad_column"] is None


def test_what_is_refused_shows_nothing_of_anybody() -> None:
    """Whatever the column at fault: a row cut in the wrong place holds one field under another's name."""
    checked = contract([device("day", required=True), {"name": "n", "from": "n", "type": "integer"}])
    rows = load(
        checked,
        {"seen_time": MOMENT, "mac": "aa:01", "n": "Camille"},
        {"seen_time": "aa:01", "mac": "aa:01", "n": "1"},
        {"seen_time": MOMENT, "mac": None, "n": "1"},
    )
    assert [(r["bad_column"], r["bad_value"]) for r in rows] == [("n", MASKED), ("seen_time", MASKED), ("mac", None)]
    shown = " ".join(str(r[k]) for r in rows for k in ("bad_column", "bad_value", "extra"))
    assert "Camille" not in shown
    assert "aa:01" not in shown


def test_unknown_columns_are_not_kept() -> None:
    (row,) = load(contract([device("day")]), {"seen_time": MOMENT, "mac": "aa:01"})
    assert row["extra"] is None


def test_without_personal_columns_values_and_unknown_columns_are_kept() -> None:
    """The mask is for sources about people: elsewhere, an operator must see what was wrong."""
    plain = contract([{"name": "n", "from": "n", "type": "integer"}], personal=None, drift="keep")
    (row,) = load(plain, {"seen_time": MOMENT, "n": "douze"})
    assert (row["bad_column"], row["bad_value"], row["extra"]) == ("n", "douze", '{"colonne":"Camille"}')


@pytest.mark.parametrize("key", [None, "", "trop courte"])
def test_nothing_is_loaded_without_a_key(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV, raising=False)
    if key is not None:
        monkeypatch.setenv(KEY_ENV, key)
    with duckdb.connect() as con, pytest.raises(KeyMissingError, match=KEY_ENV) as told:
        give_key(con, contract([device("day")]), NOWHERE)
    assert not key or key not in str(told.value)


def test_sources_without_pseudonyms_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV, raising=False)
    with duckdb.connect() as con:
        give_key(con, contract([{"name": "n", "from": "n", "type": "integer"}], personal=None), NOWHERE)


def test_a_simulated_territory_needs_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has its truth beside its files and is nobody's data; a key of the operator's own counts there too."""
    (tmp_path / "_truth").mkdir()
    pads = []
    for key in (None, KEY):
        monkeypatch.delenv(KEY_ENV, raising=False)
        if key is not None:
            monkeypatch.setenv(KEY_ENV, key)
        with duckdb.connect() as con:
            give_key(con, contract([device("day")]), tmp_path)
            pads += con.execute("SELECT getvariable('inner_pad'), getvariable('outer_pad')").fetchall()
    assert len(set(pads)) == 2
    assert all(len(pad) == 64 for pair in pads for pad in pair)


def test_the_key_is_in_no_sql() -> None:
    sql = typed_select(contract([device("day")]), "raw")
    assert KEY not in sql
    assert KEY.encode().hex() not in sql


@pytest.mark.parametrize(
    "more",
    [
        {"personal": None},
        {"drift": "keep"},
    ],
)
def test_a_contract_with_personal_columns_says_why_and_keeps_no_unknown_column(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="personal"):
        contract([device("day")], **more)


@pytest.mark.parametrize(
    ("kind", "how"),
    [("integer", "pseudonymise"), ("timestamp", "pseudonymise"), ("integer", "coarsen"), ("string", "coarsen")],
)
def test_what_does_not_fit_is_refused_with_the_contract(kind: str, how: str) -> None:
    column = {"name": "c", "from": "c", "type": kind, "personal": how}
    with pytest.raises(ValidationError, match="column c"):
        contract([column | ({"coarsen": "hour"} if how == "coarsen" else {})])
