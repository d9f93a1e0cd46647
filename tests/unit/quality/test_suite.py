"""The two checks Validata runs beyond Table Schema, as we run them in DuckDB."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest
from candidates_of_standards import Candidate

from ingestion.territory import load_territory
from quality.declared import OPENING_HOURS


@pytest.mark.parametrize(
    "hours",
    [
        "24/7",
        "Mo-Fr 08:00-20:00",
        "Mo-Fr 08:00-12:00,14:00-18:00; Sa 09:00-12:00; Su,PH off",
        "Mo,Tu,Th 09:00-18:30",
        "08:00-20:00",
        "Mar-Oct Mo-Su 07:00-22:00; Nov-Feb Mo-Su 08:00-18:00",
        "Jul 14: closed",
        "Dec 25 off",
        "Mo-Sa 18:00-26:00",
        "sunrise-sunset",
        "(sunrise+01:00)-(sunset-00:30)",
        "Mo[1] 10:00-12:00",
        "week 1-26 Mo 08:00-12:00",
        "2026 Jan 1-2026 Feb 28 09:00-17:00",
        'Mo-Fr 09:00-12:00 "sur rendez-vous"',
        "Mo-Fr 10:00+",
        'Fr 08:00-18:00 || "appeler"',
        "Mo-Fr 08:00-12:00, Sa 09:00-12:00",
    ],
)  # fmt: skip
def test_usual_opening_hours_are_accepted(hours: str) -> None:
    assert duckdb.execute("SELECT regexp_full_match(?, ?)", [hours, OPENING_HOURS]).fetchone() == (True,)


@pytest.mark.parametrize(
    "hours",
    ["true", "oui", "Lu-Ve 8h-20h", "Mo-Fr 8h-20h", "Mo-Fr 08:00-20:70", "Mo-Fr 52:00-53:00", "7j/7", "Mon-Fri 9-17"],
)
def test_what_is_not_opening_hours_is_refused(hours: str) -> None:
    assert duckdb.execute("SELECT regexp_full_match(?, ?)", [hours, OPENING_HOURS]).fetchone() == (False,)


def test_real_siren_numbers_pass_and_any_wrong_digit_is_caught(candidate: Callable[[str], Candidate]) -> None:
    places = candidate("lieux-covoiturage")
    territory = load_territory()
    real = [territory.siren, *(commune.siren for commune in territory.communes)]
    wrong = [s[:i] + str((int(s[i]) + 1) % 10) + s[i + 1 :] for s in real for i in range(9)]
    table = places.relation("lieux-covoiturage")
    places.con.execute(f"CREATE TEMP TABLE one AS SELECT * EXCLUDE (id_local, source) FROM {table} LIMIT 1")
    for numbers, expected in ((real, []), (wrong, [("siren", len(wrong))])):
        places.con.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT printf('%d', row_number() OVER ()) AS id_local, "
            "nom_lieu, ad_lieu, com_lieu, insee, type, date_maj, ouvert, n AS source, "
            "* EXCLUDE (nom_lieu, ad_lieu, com_lieu, insee, type, date_maj, ouvert, n) "
            "FROM (SELECT unnest(?::VARCHAR[]) AS n), one",
            [numbers],
        )
        assert [(c.rule, c.unexpected_rows) for c in places.failures()] == expected
