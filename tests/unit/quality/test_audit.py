"""The audit: a valid candidate passes; each kind of defect is caught, counted, and explained to whom must act."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from candidates_of_standards import ROWS, Candidate

from quality.audit import AuditRules, LastVersion, audit
from quality.standard import load_standard

Make = Callable[[str], Candidate]
COVOIT, COUNT, ENERGY, WATER = (
    "lieux-covoiturage",
    "comptage-mobilites",
    "consommation-energie-batiments",
    "eau-volumes-journaliers",
)


@pytest.mark.parametrize("standard_id", ROWS)
def test_a_valid_candidate_passes(candidate: Make, standard_id: str) -> None:
    verdict = candidate(standard_id).audit()
    assert verdict.status == "passed", verdict.failures
    assert verdict.rows == {table: len(rows) for table, rows in ROWS[standard_id].items()}


# standard, what damages it, then rule, table (None: the standard's only one), column and count of wrong rows expected
ERRORS = [
    (COVOIT, "UPDATE {T} SET id_local = 'P1' WHERE id_local = 'P2'", "unique", None, "id_local", 2),
    (COVOIT, "UPDATE {T} SET nom_lieu = NULL WHERE id_local < 'P4'", "required", None, "nom_lieu", 3),
    (COVOIT, "UPDATE {T} SET nom_lieu = ' ' WHERE id_local = 'P1'", "not_blank", None, "nom_lieu", 1),
    (COVOIT, "UPDATE {T} SET insee = '5819' WHERE id_local = 'P1'", "pattern", None, "insee", 1),
    (COVOIT, "UPDATE {T} SET insee = 'x58194' WHERE id_local = 'P1'", "pattern", None, "insee", 1),
    (COVOIT, "UPDATE {T} SET type = 'parking' WHERE id_local <= 'P2'", "enum", None, "type", 2),
    (COVOIT, 'UPDATE {T} SET "Ylat" = 469.88', "range", None, "Ylat", 8),
    (COVOIT, "UPDATE {T} SET nbre_pl = -1 WHERE id_local = 'P1'", "range", None, "nbre_pl", 1),
    (COVOIT, "UPDATE {T} SET source = '245804407' WHERE id_local = 'P1'", "siren", None, "source", 1),
    (
        COVOIT,
        """UPDATE {T} SET "Xlong" = "Ylat", "Ylat" = "Xlong" WHERE id_local = 'P1'""",
        "inside_france",
        None,
        "Xlong, Ylat",
        1,
    ),
    (COUNT, "UPDATE {site} SET site_id = 'S1'", "primary_key", "site", "site_id", 2),
    (COUNT, "UPDATE {channel} SET site_id = 'S9' WHERE channel_id = 'C2'", "foreign_key", "channel", "site_id", 1),
    (COUNT, "DELETE FROM {channel} WHERE channel_id = 'C1'", "foreign_key", "measure", "channel_id", 4),
    (COUNT, "UPDATE {channel} SET mobility_type = 'BIKE,CARS'", "pattern", "channel", "mobility_type", 2),
    (
        COUNT,
        "INSERT INTO {measure} SELECT * FROM {measure} WHERE count = 1",
        "unique",
        "measure",
        "channel_id, start_datetime",
        4,
    ),
    (
        COUNT,
        "UPDATE {measure} SET end_datetime = start_datetime WHERE count = 1",
        "chronology",
        "measure",
        "start_datetime, end_datetime",
        2,
    ),
    (COUNT, "UPDATE {measure} SET count = -1 WHERE count = 1", "at_least", "measure", "count", 2),
    (COUNT, "UPDATE {measure} SET count = 'nan' WHERE count = 1", "finite", "measure", "count", 2),
    (
        COUNT,
        "UPDATE {channel} SET time_step = NULL WHERE channel_id = 'C1'; UPDATE {measure} SET end_datetime = NULL",
        "required_unless",
        "measure",
        "end_datetime",
        4,
    ),
    (ENERGY, "INSERT INTO {T} SELECT * FROM {T} LIMIT 1", "primary_key", None, "batiment_id, date", 2),
    (ENERGY, "UPDATE {T} SET part_mesuree = 98", "range", None, "part_mesuree", 6),
    (
        ENERGY,
        "UPDATE {T} SET latitude = NULL WHERE batiment_id LIKE 'BAT%'",
        "together",
        None,
        "longitude, latitude",
        3,
    ),
    (WATER, "UPDATE {T} SET nature = 'fuite' WHERE nature = 'production'", "enum", None, "nature", 1),
    (WATER, "UPDATE {T} SET volume_m3 = -3 WHERE nature = 'production'", "range", None, "volume_m3", 1),
]


@pytest.mark.parametrize(("standard_id", "damage", "rule", "table", "column", "count"), ERRORS)
def test_a_defect_is_rejected_named_and_counted(
    candidate: Make, standard_id: str, damage: str, rule: str, table: str | None, column: str, count: int
) -> None:
    damaged = candidate(standard_id)
    damaged.sql(damage)
    verdict = damaged.audit()
    assert verdict.status == "failed"
    found = {(c.rule, c.table, c.column): c for c in verdict.failures}
    check = found[(rule, table or standard_id, column)]
    assert check.severity == "error"
    assert check.unexpected_rows == count
    assert f"colonne {column}" in check.message
    assert f"{count} ligne(s)" in check.message
    assert not check.message.endswith("conforme.")


WARNINGS = [
    (COVOIT, "UPDATE {T} SET horaires = 'de 8h à 20h' WHERE id_local = 'P1'", "opening_hours", 1),
    (COVOIT, 'UPDATE {T} SET "Xlong" = 3.157, "Ylat" = 46.98', "decimals", 8),
    (COVOIT, "UPDATE {T} SET date_maj = DATE '2026-03-11' WHERE id_local = 'P1'", "not_future", 1),
    (COUNT, "UPDATE {channel} SET last_updated_at = '2026-03-10 08:00:01Z' WHERE channel_id = 'C1'", "not_future", 1),
    (COUNT, "UPDATE {channel} SET comment = repeat('x', 51)", "max_length", 2),
]


@pytest.mark.parametrize(("standard_id", "damage", "rule", "count"), WARNINGS)
def test_advice_warns_and_does_not_hold_back(
    candidate: Make, standard_id: str, damage: str, rule: str, count: int
) -> None:
    damaged = candidate(standard_id)
    damaged.sql(damage)
    verdict = damaged.audit()
    assert verdict.status == "warned", verdict.failures
    assert [(c.rule, c.severity, c.unexpected_rows) for c in verdict.failures] == [(rule, "warning", count)]


def test_today_in_paris_is_not_the_future_although_utc_is_still_yesterday(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.sql("UPDATE {T} SET date_maj = DATE '2026-03-11'")
    assert places.audit(now=datetime(2026, 3, 10, 23, 30, tzinfo=UTC)).status == "passed"


def test_half_the_rows_gone_is_rejected_with_both_figures(candidate: Make) -> None:
    places = candidate(COVOIT)
    assert places.audit(last=LastVersion({COVOIT: 16})).status == "passed"
    (check,) = places.failures(last=LastVersion({COVOIT: 17}))
    assert (check.rule, check.severity) == ("row_drop", "error")
    assert "8 ligne(s)" in check.message
    assert "17" in check.message
    assert places.audit(AuditRules(max_drop_share=0.6), last=LastVersion({COVOIT: 17})).status == "passed"


def test_an_empty_table_is_rejected(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.sql("DELETE FROM {T}")
    (check,) = places.failures()
    assert check.rule == "min_rows"
    assert "0 ligne(s), 1 attendue(s)" in check.message
    assert places.audit(AuditRules(min_rows=0)).status == "passed"


def test_an_empty_table_has_every_rule_in_its_verdict(candidate: Make) -> None:
    """Rules that no row can break are not asked, and are told as kept."""
    places = candidate(COVOIT)
    filled = places.audit(AuditRules(min_rows=0)).checks
    places.sql("DELETE FROM {T}")
    assert places.audit(AuditRules(min_rows=0)).checks == filled


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("ALTER TABLE {T} DROP COLUMN horaires", "colonne(s) manquante(s) : horaires"),
        ("ALTER TABLE {T} ADD COLUMN telephone VARCHAR", "colonne(s) en trop : telephone"),
        ("CREATE OR REPLACE TABLE {T} AS SELECT nom_lieu, * EXCLUDE (nom_lieu) FROM {T}", "ordre différent"),
    ],
)
def test_other_columns_than_the_standard_s_are_rejected(candidate: Make, damage: str, told: str) -> None:
    places = candidate(COVOIT)
    places.sql(damage)
    (check,) = places.failures()
    assert check.rule == "columns"
    assert told in check.message


def test_a_missing_column_does_not_hide_other_defects(candidate: Make) -> None:
    tables = candidate(COUNT)
    tables.sql("ALTER TABLE {site} DROP COLUMN site_id; UPDATE {measure} SET count = -1")
    assert {(c.rule, c.table) for c in tables.failures()} == {("columns", "site"), ("at_least", "measure")}


@pytest.mark.parametrize(
    ("standard_id", "change", "column", "seen"),
    [
        (COVOIT, "ALTER TABLE {T} ALTER insee TYPE INTEGER", "insee", "INTEGER"),
        (COVOIT, "ALTER TABLE {T} ALTER date_maj TYPE VARCHAR", "date_maj", "VARCHAR"),
        (COVOIT, "ALTER TABLE {T} ALTER nbre_pl TYPE DOUBLE", "nbre_pl", "DOUBLE"),
        (COUNT, "ALTER TABLE {measure} ALTER start_datetime TYPE TIMESTAMP", "start_datetime", "TIMESTAMP"),
    ],
)
def test_a_column_of_another_type_is_rejected(
    candidate: Make, standard_id: str, change: str, column: str, seen: str
) -> None:
    damaged = candidate(standard_id)
    damaged.sql(change)
    (check,) = damaged.failures()
    assert (check.rule, check.column, check.observed) == ("type", column, f"type {seen}")


def test_stale_data_warns_with_its_latest_value(candidate: Make) -> None:
    tables = candidate(COUNT)
    stale = AuditRules.model_validate({"freshness": [{"table": "measure", "column": "end_datetime", "days": 5}]})
    (check,) = tables.failures(stale)
    assert (check.rule, check.severity, check.unexpected_rows) == ("freshness", "warning", 0)
    assert "2026-03-04" in check.message
    fresh = AuditRules.model_validate({"freshness": [{"table": "measure", "column": "end_datetime", "days": 6}]})
    assert tables.audit(fresh).status == "passed"


def test_a_place_outside_the_territory_is_rejected(candidate: Make) -> None:
    places = candidate(COVOIT)
    rules = AuditRules.model_validate(
        {"perimeter": [{"table": COVOIT, "longitude": "Xlong", "latitude": "Ylat", "commune_code": "insee"}]}
    )
    assert places.audit(rules).status == "passed"
    places.sql("""UPDATE {T} SET "Xlong" = 2.352222, "Ylat" = 48.856613, insee = '75056' WHERE id_local = 'P1'""")
    found = {c.rule: c for c in places.failures(rules)}
    assert found.keys() == {"perimeter", "perimeter_commune"}
    assert found["perimeter"].examples == ("2.352222 / 48.856613",)
    assert found["perimeter_commune"].examples == ("75056",)


def extra(**given: Any) -> AuditRules:
    base = {"table": "measure", "label": "Plafond", "advice": "Vérifier le compteur."}
    return AuditRules.model_validate({"expectations": [base | given]})


def test_a_card_adds_expectations_of_its_own(candidate: Make) -> None:
    tables = candidate(COUNT)
    limits = {"column": "count", "max_value": 3}
    rules = extra(type="expect_column_values_to_be_between", kwargs=limits, severity="warning")
    (check,) = tables.failures(rules)
    assert (check.column, check.severity, check.unexpected_rows) == ("count", "warning", 2)
    assert check.message.startswith("Plafond (table measure, colonne count) : 2 ligne(s)")
    query = "SELECT channel_id FROM {batch} WHERE regexp_matches(channel_id, '^C[0-9]{{1}}$') AND count > 3"
    (check,) = tables.failures(extra(type="unexpected_rows_expectation", kwargs={"unexpected_rows_query": query}))
    assert (check.severity, check.unexpected_rows) == ("error", 2)


def test_a_rule_that_cannot_be_evaluated_holds_the_dataset_back(
    candidate: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    query = "SELECT no_such_column FROM {batch}"
    rules = extra(type="unexpected_rows_expectation", kwargs={"unexpected_rows_query": query}, severity="warning")
    verdict = candidate(COUNT).audit(rules)
    assert verdict.status == "failed"
    (check,) = verdict.failures
    assert "impossible à évaluer" in check.message
    assert "no_such_column" in check.message


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"freshness": [{"table": "mesure", "column": "count", "days": 1}]}, "no table `mesure`.*measure"),
        ({"freshness": [{"table": "measure", "column": "date", "days": 1}]}, "no column `date`.*start_datetime"),
        (
            {"expectations": [{"table": "site", "type": "expect_x", "kwargs": {}, "label": "a", "advice": "b"}]},
            "has no `expect_x`",
        ),
    ],
)
def test_rules_that_name_unknown_things_are_refused(candidate: Make, rules: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        candidate(COUNT).audit(AuditRules.model_validate(rules))


def test_relations_must_be_those_of_the_standard(candidate: Make) -> None:
    tables = candidate(COUNT)
    del (relations := tables.relations)["measure"]
    with pytest.raises(ValueError, match="measure"):
        audit("jeu", load_standard(COUNT), relations, AuditRules(), tables.con)


def test_checks_are_json_and_examples_are_few_distinct_and_short(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.sql("UPDATE {T} SET type = id_local || repeat('x', 200)")
    (check,) = places.failures()
    assert len(set(check.examples)) == len(check.examples) == 5
    assert max(map(len, check.examples)) <= 80
    assert json.loads(json.dumps(check.as_dict()))["unexpected_rows"] == 8


def test_the_caller_s_connection_transaction_and_views_are_left_as_they_were(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.con.execute("BEGIN")
    places.sql("UPDATE {T} SET type = 'faux'")
    before = places.con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    assert places.audit().status == "failed"  # it saw what the transaction has not committed yet
    assert places.con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == before
    places.con.execute("ROLLBACK")
    assert places.audit().status == "passed"


def test_a_relation_may_be_a_temporary_view_of_the_connection(con: duckdb.DuckDBPyConnection, candidate: Make) -> None:
    places = candidate(COVOIT)
    con.execute(f'CREATE TEMP VIEW "Candidat d\'essai" AS SELECT * FROM {places.relation(COVOIT)}')
    relations = {COVOIT: '"Candidat d\'essai"'}
    assert audit("jeu", places.standard, relations, AuditRules(), con).status != "failed"


def test_an_audit_writes_no_file_and_calls_nobody(
    candidate: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        msg = "an audit must not open a connection"
        raise AssertionError(msg)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    candidate(COVOIT).audit()
    assert list(tmp_path.rglob("*")) == []
