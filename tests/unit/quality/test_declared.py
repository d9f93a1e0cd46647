"""The checks Validata runs beyond Table Schema, as we run them in SQL, against cases decided by hand.

The verdicts on telephone numbers, acts, years and numbers of La Poste are those of validata-core with phonenumbers and
python-stdnum; check digits are computed here a second time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import duckdb
import pytest

from quality.declared import row_condition
from quality.standard import DeclaredCheck, TableStandard

NOW = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)


def wrong(check: dict[str, Any], rows: list[tuple[Any, ...]], types: tuple[str, ...] = ("string",)) -> list[Any]:
    """Which rows break a check of columns a, b, c, d; a row of one column is given by its value."""
    names = "abcdefg"[: len(types)]
    fields = [{"name": n, "type": t, "title": n, "description": n} for n, t in zip(names, types, strict=True)]
    table = TableStandard.model_validate({"name": "t", "title": "t", "description": "t", "fields": fields})
    declared = DeclaredCheck.model_validate({"columns": list(names), "severity": "error", "origin": "validata"} | check)
    sql_type = {"string": "VARCHAR", "integer": "INTEGER", "date": "DATE"}
    con = duckdb.connect()
    con.execute(f"CREATE TABLE t ({', '.join(f'{n} {sql_type[t]}' for n, t in zip(names, types, strict=True))})")
    con.executemany(f"INSERT INTO t VALUES ({', '.join('?' for _ in names)})", rows)
    condition = row_condition(table, declared, NOW)
    found = con.execute(f"SELECT * FROM t AS b WHERE {condition.wrong}").fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


def values(check: str, given: list[str | None]) -> list[str]:
    return wrong({"rule": check}, [(value,) for value in given])


def luhn(number: str) -> int:
    doubled = [int(digit) * (1 + rank % 2) for rank, digit in enumerate(reversed(number))]
    return sum(sum(map(int, str(value))) for value in doubled) % 10


GOOD_PHONES = [
    "03 86 68 46 00", "0386684600", "03.86.68.46.00", "03-86-68-46-00", "03/86/68/46/00", "+33 3 86 68 46 00",
    "+33(0)3 86 68 46 00", "0033386684600", "0986684600", "0800123456", "15", "18", "112", "115", "119", "116000",
    "118218", "3949", "1015", "+32 2 512 34 56", "0600000000", "03\u00a086\u00a068\u00a046\u00a000",
]  # fmt: skip
BAD_PHONES = [
    "38668460", "0006684600", "0099999999", "12", "abc", "03 86 68 46 0", "03 86 68 46 000", "0386684600 poste 12",
    "0700123456", "", "néant", "+33 3 86 68 46", "0386684600 ou 0386684601",
]  # fmt: skip


def test_telephone_numbers_that_can_be_called_from_france_pass_and_others_do_not() -> None:
    assert values("phone", [*GOOD_PHONES, None]) == []
    assert values("phone", BAD_PHONES) == BAD_PHONES


def test_a_year_or_two_years_in_their_order() -> None:
    assert values("year_interval", ["2026", "2025/2026", "1999/2031", None]) == []
    bad = ["26", "2026/2026", "2026/2025", "2025-2026", "2025/26", " 2026", "2025/2026/2027", "an 2026"]
    assert values("year_interval", bad) == bad


def test_acts_begin_with_one_of_nine_matters_and_a_bare_oblique() -> None:
    good = [
        "Finances locales/Subventions", "finances locales/Divers", "LIBERTES PUBLIQUES ET POUVOIRS DE POLICE/Police",
        "Libertés publiques et pouvoirs de police/", "Domaines de compétences par thèmes/Culture/Musées", None,
    ]  # fmt: skip
    assert values("nomenclature_actes", good) == []
    bad = [
        "Finances locales", "Finances locales /Subventions", "Finances locales/ Subventions", "Finances/Subventions",
        "/Subventions", "7.5 Subventions", "Commande publique/Marchés/ Divers",
    ]  # fmt: skip
    assert values("nomenclature_actes", bad) == bad


def test_every_wrong_digit_of_a_siret_is_caught() -> None:
    good = ["24580440600016", "73282932000074"]
    assert [luhn(n) for n in good] == [0, 0]
    assert [luhn(n[:9]) for n in good] == [0, 0]
    assert values("siret", [*good, None]) == []
    bad = [n[:i] + str(d) + n[i + 1 :] for n, i, d in product(good, range(14), range(10)) if n[i] != str(d)]
    assert values("siret", bad) == bad


def test_a_siret_whose_own_key_is_right_but_whose_siren_s_is_not_is_caught() -> None:
    sirens = [f"24580440{digit}" for digit in range(10) if digit != 6]
    both = [next(n for n in (f"{siren}000{key:02}" for key in range(100)) if luhn(n) == 0) for siren in sirens]
    assert values("siret", both) == both


def test_the_post_s_offices_have_a_key_of_their_own() -> None:
    # digits sum to 14 (356000000) plus those of the office: five must divide
    offices = [f"356000000{n:05}" for n in range(1, 400)]
    right = [n for n in offices if sum(map(int, n)) % 5 == 0]
    head = "35600000000048"  # its sum is 26; it has Luhn's key
    assert (luhn(head), sum(map(int, head))) == (0, 26)
    assert values("siret", [*right, head]) == []
    assert values("siret", offices) == [n for n in offices if n not in right and n != head]


@pytest.mark.parametrize("rule", ["siren", "siret"])
def test_what_is_not_a_number_has_no_key(rule: str) -> None:
    bad = ["abc", "245 804 406", "245804406 00017", "2458044", "²45804406", ""]
    assert values(rule, bad) == bad


def test_columns_are_given_together_or_not_at_all() -> None:
    rows = [("x", "y", "z"), (None, None, None), ("x", None, None), (None, "y", "z")]
    assert wrong({"rule": "together"}, rows, ("string",) * 3) == rows[2:]


def test_one_of_the_columns_is_given() -> None:
    rows = [("x", None), (None, "y"), ("x", "y"), (None, None)]
    assert wrong({"rule": "one_of"}, rows, ("string",) * 2) == [(None, None)]


def test_a_sum_is_that_of_its_parts_and_is_not_asked_of_an_incomplete_row() -> None:
    rows = [(30, 20, 7, 3), (30, 20, 7, 4), (30, 20, 7, None), (None, 1, 1, 1), (0, 0, 0, 0)]
    assert wrong({"rule": "sum"}, rows, ("integer",) * 4) == [(30, 20, 7, 4)]


def test_columns_compare_by_their_type_and_texts_of_numbers_as_numbers() -> None:
    more = {"rule": "compare", "operator": ">="}
    assert wrong(more, [(9, 10), (10, 9), (9, 9), (None, 9)], ("integer",) * 2) == [(9, 10)]
    assert wrong(more, [("10", "9"), ("9", "10"), ("b", "a"), ("a", "b")], ("string",) * 2) == [("9", "10"), ("a", "b")]
    day = datetime(2026, 3, 9, tzinfo=UTC).date()
    later = datetime(2026, 3, 10, tzinfo=UTC).date()
    assert wrong(more, [(later, day), (day, later), (day, day)], ("date",) * 2) == [(day, later)]
