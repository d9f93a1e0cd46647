"""Rules against the last good version: communes gone, stale data come back, another distribution, late sources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from candidates_of_standards import NOW, Candidate

from ingestion.territory import load_territory
from quality.audit import AuditRules, Check, LastVersion, NewDays, SourceState

Make = Callable[[str], Candidate]
COVOIT, COUNT, ENERGY = "lieux-covoiturage", "comptage-mobilites", "consommation-energie-batiments"


def published(candidate: Candidate) -> LastVersion:
    """The candidate as it is now becomes the last good version."""
    relations = {}
    for table, relation in candidate.relations.items():
        candidate.con.execute(f'CREATE TABLE "last_{table}" AS SELECT * FROM {relation}')
        relations[table] = f'"last_{table}"'
    return LastVersion(relations=relations)


def rules(kind: str, table: str, **given: Any) -> AuditRules:
    return AuditRules.model_validate({kind: [{"table": table} | given]})


def failures(candidate: Candidate, asked: AuditRules, **arguments: Any) -> list[Check]:
    return list(candidate.failures(asked, **arguments))


def test_a_commune_that_is_gone_is_named(candidate: Make) -> None:
    places = candidate(COVOIT)
    places.sql("UPDATE {T} SET insee = '58121' WHERE id_local <= 'P3'")
    asked, last = rules("coverage", COVOIT, commune_code="insee"), published(places)
    assert failures(places, asked, last=last) == []
    places.sql("DELETE FROM {T} WHERE insee = '58121'")
    (check,) = failures(places, asked, last=last)
    assert (check.rule, check.severity, check.column) == ("coverage", "error", "insee")
    assert check.observed == "1 commune(s) sans ligne, 58121 Garchizy"
    assert places.audit(asked).status == "passed"  # a first version has lost nothing


def test_a_complete_dataset_needs_each_of_the_communes(candidate: Make) -> None:
    places = candidate(COVOIT)
    communes = [commune.insee for commune in load_territory().communes]
    asked = rules("coverage", COVOIT, commune_code="insee", complete=True)
    (check,) = failures(places, asked)
    assert check.observed.startswith("13 commune(s) sans ligne, ")
    assert "58194" not in check.observed
    values = ", ".join(f"('{code}')" for code in communes)
    places.sql(
        f"CREATE OR REPLACE TABLE {{T}} AS SELECT 'P' || code AS id_local, nom_lieu, ad_lieu, com_lieu, code AS insee, "
        f"* EXCLUDE (id_local, nom_lieu, ad_lieu, com_lieu, insee, code) FROM (SELECT * FROM {{T}} LIMIT 1), "
        f"(VALUES {values}) AS c(code)"
    )
    assert [c.rule for c in failures(places, asked)] == []


def test_stale_data_that_comes_back_is_rejected_with_both_dates(candidate: Make) -> None:
    tables = candidate(COUNT)
    asked, last = rules("freshness", "measure", column="start_datetime", days=30), published(tables)
    assert failures(tables, asked, last=last) == []
    tables.sql("DELETE FROM {measure} WHERE start_datetime > '2026-03-03'")
    (check,) = failures(tables, asked, last=last)
    assert (check.rule, check.severity, check.column) == ("regression", "error", "start_datetime")
    assert "2026-03-02" in check.observed
    assert "2026-03-04" in check.observed


@pytest.mark.parametrize(
    ("share", "told"), [(0.2, None), (0.4, "40 % des lignes")]
)  # of 1000 rows, those that become another category
def test_categories_that_change_places_are_told(candidate: Make, share: float, told: str | None) -> None:
    tables = candidate(COUNT)
    tables.sql(
        "CREATE OR REPLACE TABLE {channel} AS SELECT 'C' || i AS channel_id, * EXCLUDE (channel_id) "
        "FROM (SELECT * FROM {channel} LIMIT 1), range(1000) AS r(i)"
    )
    tables.sql("DELETE FROM {measure} WHERE channel_id = 'C2'")
    asked, last = rules("drift", "channel", column="counter_type"), published(tables)
    tables.sql(
        f"UPDATE {{channel}} SET counter_type = 'OPTICAL SENSOR' WHERE substr(channel_id, 2)::INT < {share * 1000}"
    )
    found = [c for c in failures(tables, asked, last=last) if c.rule == "drift"]
    assert [(c.severity, c.column) for c in found] == ([("warning", "counter_type")] if told else [])
    assert not told or told in found[0].observed


def test_numbers_in_another_unit_are_told_and_noise_is_not(candidate: Make) -> None:
    tables = candidate(COUNT)
    tables.sql(
        "CREATE OR REPLACE TABLE {measure} AS SELECT channel_id, counter_id, start_datetime + i * INTERVAL 1 HOUR AS "
        "start_datetime, end_datetime + i * INTERVAL 1 HOUR AS end_datetime, 20.0 + i % 11 AS count "
        "FROM (SELECT * FROM {measure} WHERE channel_id = 'C1' AND count = 1), range(100) AS r(i)"
    )
    asked, last = rules("drift", "measure", column="count"), published(tables)
    # median 25, quartiles 22.5 and 27.5: a shift of more than 2.5 is told
    tables.sql("UPDATE {measure} SET count = count + 2")
    assert failures(tables, asked, last=last) == []
    tables.sql("UPDATE {measure} SET count = count * 1000")
    (check,) = failures(tables, asked, last=last)
    assert (check.rule, check.column) == ("drift", "count")
    assert "au lieu de 25" in check.observed


def test_a_column_the_last_version_did_not_have_is_not_compared(candidate: Make) -> None:
    tables = candidate(COUNT)
    asked, last = rules("drift", "measure", column="count"), published(tables)
    tables.con.execute("ALTER TABLE last_measure DROP COLUMN count")
    tables.sql("UPDATE {measure} SET count = count * 1000")
    assert failures(tables, asked, last=last) == []


def test_a_source_that_no_longer_delivers_is_named(candidate: Make) -> None:
    places = candidate(COVOIT)

    def source(name: str, newest: datetime | None) -> SourceState:
        return SourceState(name, newest, timedelta(hours=36))

    fresh = source("carpool_sites", NOW - timedelta(hours=35))
    assert failures(places, AuditRules(), sources=(fresh,)) == []
    late = (fresh, source("urban_assets", datetime(2026, 3, 8, 19, tzinfo=UTC)), source("car_parks", None))
    (check,) = failures(places, AuditRules(), sources=late)
    assert (check.rule, check.severity) == ("source_freshness", "warning")
    assert check.observed == "urban_assets, dernier fichier du 2026-03-08 ; car_parks, aucun fichier"


def test_rows_are_asked_of_new_days_alone_and_tables_of_all_days(candidate: Make) -> None:
    """A wrong old value is not found again each day; an old row whose parent is gone is."""
    energy = candidate(ENERGY)
    energy.sql("UPDATE {T} SET part_mesuree = 98 WHERE date = DATE '2026-03-01'")
    table = energy.relation(ENERGY)
    new = {ENERGY: NewDays(f"(SELECT * FROM {table} WHERE date = DATE '2026-03-03')", "date")}
    assert [c.rule for c in energy.failures()] == ["range"]
    verdict = energy.audit(AuditRules(min_rows=5), new_days=new)
    assert (verdict.status, verdict.rows) == ("passed", {ENERGY: 6})
    tables = candidate(COUNT)
    tables.sql("DELETE FROM {channel} WHERE channel_id = 'C1'")
    measure = tables.relation("measure")
    new = {"measure": NewDays(f"(SELECT * FROM {measure} WHERE channel_id = 'C2')", "start_datetime")}
    assert [(c.rule, c.unexpected_rows) for c in tables.failures(new_days=new)] == [("foreign_key", 4)]
