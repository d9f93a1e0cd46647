"""Personal data in texts: found by form and key, told without being quoted."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest
from candidates_of_standards import Candidate

from lake.engine import extension_path
from quality import personal
from quality.audit import AuditRules
from quality.declared import geometry_in_france

COVOIT = "lieux-covoiturage"
Make = Callable[[str], Candidate]


def social_security(first: str) -> str:
    """The number with its key, by the rule of INSEE."""
    counted = first.replace("2A", "19").replace("2B", "18")
    return f"{first}{97 - int(counted) % 97:02}"


def iban(country: str, account: str) -> str:
    turned = "".join(str(int(c, 36)) for c in f"{account}{country}00")
    return f"{country}{98 - int(turned) % 97:02}{account}"


NIR, CORSICAN = social_security("1850558194012"), social_security("299102A010034")
IBAN = iban("FR", "30006000011234567890189")
FOUND = [
    ("adresse électronique", "écrire à jean.dupont+velo@nevers.example.fr."),
    ("numéro de téléphone", "0386684600"),
    ("numéro de téléphone", "Tél.03 86 68 46 00"),
    ("numéro de téléphone", "appeler le +33 (0)6-12-34-56-78, merci"),
    ("numéro de téléphone", "06\u00a012\u00a034\u00a056\u00a078"),
    ("numéro de sécurité sociale", NIR),
    ("numéro de sécurité sociale", f"n° {NIR[0]} {NIR[1:3]} {NIR[3:5]} {NIR[5:7]} {NIR[7:10]} {NIR[10:13]} {NIR[13:]}"),
    ("numéro de sécurité sociale", CORSICAN),
    ("IBAN", IBAN),
    ("IBAN", f"virement : {' '.join(IBAN[i : i + 4] for i in range(0, 27, 4))} merci"),
    ("identifiant d'appareil", "a4:83:e7:2b:90:01"),
    ("identifiant d'appareil", "A4-83-E7-2B-90-01"),
    ("identifiant d'appareil", "70B3D5499E1F2A03"),
]
NOT_FOUND = [
    "Quai de Médine", "245804406", "24580440600016", "58194_0123_00012", "https://www.nevers.fr/stationnement",
    "Mo-Fr 08:00-12:00,14:00-18:00; Sa 09:00-12:00", "2026-10-22T08:00:00Z", "FRNEVP1234567890", "58194-P-001",
    "46.0386684600", "POINT (3.1571234567 46.9881234567)", "0123456789012345", "215800517:bench:#ad9aa3a1edc9", "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    f"{NIR[:14]}{(int(NIR[14]) + 1) % 10}", f"{IBAN[:-1]}{(int(IBAN[-1]) + 1) % 10}", "20261022080000", "3949", "@nevers",
]  # fmt: skip


def kind(text: str) -> str | None:
    (found,) = duckdb.execute(f"SELECT {personal.kind_of('v', devices=True)} FROM (SELECT ? AS v)", [text]).fetchone()
    return found


@pytest.mark.parametrize(("label", "text"), FOUND)
def test_personal_data_is_recognised(label: str, text: str) -> None:
    assert kind(text) == label


@pytest.mark.parametrize("text", NOT_FOUND)
def test_other_numbers_and_names_are_left_alone(text: str) -> None:
    assert kind(text) is None


@pytest.mark.parametrize(("label", "text"), FOUND[:10])
def test_what_a_message_quotes_is_hidden(label: str, text: str) -> None:
    assert "(masqué)" in personal.hidden(text)
    assert not [word for word in ("dupont", "0386684600", "68 46", NIR, IBAN) if word in personal.hidden(text)]


def test_the_message_names_the_column_and_the_rows_and_never_the_value(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.sql("UPDATE {T} SET ad_lieu = 'chez jean.dupont@nevers.example, 06 12 34 56 78' WHERE id_local <= 'P3'")
    (check,) = places.failures()
    assert (check.rule, check.severity, check.column, check.unexpected_rows) == ("personal", "error", "ad_lieu", 3)
    assert check.examples == ("adresse électronique",)
    assert "Donnée personnelle (table lieux-covoiturage, colonne ad_lieu) : 3 ligne(s)" in check.message
    assert "dupont" not in str(check)


def test_a_personal_value_that_breaks_another_rule_is_not_quoted_either(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.sql("UPDATE {T} SET type = 'jean.dupont@nevers.example', insee = '0612345678' WHERE id_local = 'P1'")
    failures = places.failures()
    assert {c.rule for c in failures} >= {"enum", "pattern"}
    assert not [c for c in failures if "dupont" in str(c) or "0612345678" in str(c)]


def test_a_declared_contact_of_a_service_is_published(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.sql("UPDATE {T} SET ad_lieu = 'mobilites@nevers.example'")
    assert places.audit(AuditRules(public_contacts=("ad_lieu",))).status == "passed"


def test_small_numbers_of_people_are_rejected_and_not_quoted(candidate: Make) -> None:
    places = candidate(COVOIT)
    rules = AuditRules.model_validate({"small_counts": [{"table": COVOIT, "columns": ["nbre_pl"]}]})
    places.sql("UPDATE {T} SET nbre_pl = CASE id_local WHEN 'P1' THEN 0 WHEN 'P2' THEN NULL ELSE 11 END")
    assert places.audit(rules).status == "passed"
    places.sql("UPDATE {T} SET nbre_pl = 10 WHERE id_local = 'P3'; UPDATE {T} SET nbre_pl = 1 WHERE id_local = 'P4'")
    (check,) = places.failures(rules)
    assert (check.rule, check.severity, check.column) == ("small_counts", "error", "nbre_pl")
    assert (check.unexpected_rows, check.examples) == (2, ())


def test_swapped_coordinates_are_called_so(candidate: Make) -> None:
    places = candidate(COVOIT)
    place = {"table": COVOIT, "longitude": "Xlong", "latitude": "Ylat"}
    rules = AuditRules.model_validate({"perimeter": [place]})
    swap = """UPDATE {T} SET "Xlong" = "Ylat", "Ylat" = "Xlong" WHERE id_local = 'P1'"""
    places.sql(swap)
    found = {c.rule: c.observed for c in places.failures(rules)}
    assert found == dict.fromkeys(
        ("inside_france", "perimeter"), "1 ligne(s) en écart ; longitude et latitude sont inversées"
    )
    places.sql(swap)
    places.sql("""UPDATE {T} SET "Xlong" = 2.352222, "Ylat" = 48.856613 WHERE id_local = 'P1'""")
    assert [(c.rule, c.observed) for c in places.failures(rules)] == [("perimeter", "1 ligne(s) en écart")]


@pytest.mark.parametrize(
    ("shape", "wrong", "swapped"),
    [
        ("LINESTRING (3.15 46.98, 3.16 46.99)", False, None),
        ("LINESTRING (46.98 3.15, 46.99 3.16)", True, True),
        ("POLYGON ((3.15 46.98, 3.16 46.99, 3.16 46.98, 3.15 46.99, 3.15 46.98))", True, False),  # crosses itself
        ("LINESTRING (3.15 46.98, 13.4 52.5)", True, False),  # to Berlin
        ("une ligne", True, None),
        (None, False, None),
    ],
)
def test_geometries_are_valid_and_in_france(shape: str | None, wrong: bool, swapped: bool | None) -> None:
    con = duckdb.connect()
    con.execute(f"LOAD '{extension_path('spatial')}'")
    found = geometry_in_france("v")
    asked = f"SELECT {found.wrong}, {found.swapped} FROM (SELECT ?::VARCHAR AS v)"
    is_wrong, is_swapped = con.execute(asked, [shape]).fetchone()
    assert bool(is_wrong) is wrong
    assert swapped is None or bool(is_swapped) is swapped
