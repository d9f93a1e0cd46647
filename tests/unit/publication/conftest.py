"""Small gold tables for the four datasets, with values that are easy to get wrong, and a home of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from publication.card import Card, load_cards
from quality.audit import Check, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from quality.standard import Severity

GOLD = """
CREATE SCHEMA gold;
CREATE TABLE gold.lieux_covoiturage AS SELECT * FROM (VALUES
  ('58194-C-002', 'Gare, côté "nord"', '1, rue de la Gare', 'Nevers', '58194', 'Parking relais', DATE '2026-02-01', true,
   '245804406', 3.14::DOUBLE, 46.9885004::DOUBLE, 42::INTEGER, NULL::INTEGER, NULL::INTEGER, '24/7', '', false,
   '=HYPERLINK("x")'),
  ('58194-C-001', 'Les Bords de Loire', NULL, 'Nevers', '58194', 'Aire de covoiturage', DATE '2025-12-31', true, NULL,
   3.15713961::DOUBLE, 46.98::DOUBLE, 10, 1, 120, NULL, 'Agglomération', true, '+33 3 86 00 00 00'),
  ('58303-C-001', 'Échangeur', NULL, NULL, '58303', 'Parking', DATE '2026-01-15', false, NULL, 3.143786::DOUBLE,
   47.037229::DOUBLE, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) t(id_local, nom_lieu, ad_lieu, com_lieu, insee, type, date_maj, ouvert, source, "Xlong", "Ylat", nbre_pl, nbre_pmr,
    duree, horaires, proprio, lumiere, comm);
ALTER TABLE gold.lieux_covoiturage ADD COLUMN internal_note VARCHAR DEFAULT 'not for publication';

CREATE TABLE gold.comptages_mobilite_site AS SELECT * FROM (VALUES
  ('S1', NULL::VARCHAR, 'Pont de Loire', '58194', 3.158102::DOUBLE, 46.983774::DOUBLE, NULL::VARCHAR, 'GREENWAY')
) t(site_id, parent_site_id, site_name, fr_insee_code, xlong, ylat, external_ids, infrastructure_type);
CREATE TABLE gold.comptages_mobilite_channel AS SELECT 'C1' AS channel_id, NULL::VARCHAR AS channel_provider_id,
  NULL::VARCHAR AS site_provider_id, 'S1' AS site_id, 'BIKE' AS mobility_type, NULL::VARCHAR AS comment,
  'REMOTE TRANSMISSION' AS counter_transmission_type, 'MANUAL' AS publication_transmission_type,
  'VIDEO SENSOR' AS counter_type, 'N' AS direction, NULL::VARCHAR AS provider_direction_code,
  NULL::VARCHAR AS provider_direction_name, 'Agglo' AS data_provider_name, 'PERMANENT' AS temporality,
  TIMESTAMPTZ '2026-01-01 00:00:00+00' AS started_at, NULL::TIMESTAMPTZ AS ended_at,
  NULL::TIMESTAMPTZ AS last_updated_at, 3600::DOUBLE AS time_step, NULL::VARCHAR AS provider_portal_url;
CREATE TABLE gold.comptages_mobilite_measure AS SELECT 'C1' AS channel_id, NULL::VARCHAR AS counter_id,
  TIMESTAMPTZ '2026-03-28 22:00:00+00' + i * INTERVAL 1 HOUR AS start_datetime,
  TIMESTAMPTZ '2026-03-28 23:00:00+00' + i * INTERVAL 1 HOUR AS end_datetime,
  CASE i WHEN 0 THEN 0 WHEN 1 THEN NULL WHEN 2 THEN 12.5 WHEN 3 THEN 0.00001 ELSE i END::DOUBLE AS count
  FROM range(12) r(i) ORDER BY i DESC;

CREATE TABLE gold.consommation_energie_batiments AS SELECT 'BAT-3bc324bdbe' AS batiment_id, 'Mairie' AS batiment_nom,
  'mairie' AS usage, '58194' AS code_insee, 'Nevers' AS commune_nom, 3.157004::DOUBLE AS longitude,
  46.988096::DOUBLE AS latitude, DATE '2026-03-01' + i::INTEGER AS date, 1234567.0::DOUBLE + i AS energie_kwh,
  41.25::DOUBLE AS puissance_max_kw, 1::DOUBLE AS part_mesuree FROM range(3) r(i);

CREATE TABLE gold.eau_volumes_journaliers AS SELECT 'W' || s AS site_id, NULL::VARCHAR AS site_nom,
  'distribution' AS nature, NULL::VARCHAR AS code_insee, NULL::VARCHAR AS commune_nom,
  DATE '2026-03-01' + d::INTEGER AS date, 1204.5::DOUBLE + d AS volume_m3, 0.9583333333::DOUBLE AS part_mesuree,
  1::INTEGER AS nombre_compteurs FROM range(2) a(s), range(5) b(d);
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DATANEVERS_HOME."""
    monkeypatch.setenv("DATANEVERS_HOME", str(tmp_path))
    monkeypatch.delenv("DATANEVERS_LAKE", raising=False)
    return tmp_path


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees the gold tables."""
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute(GOLD)
        yield opened


@pytest.fixture(scope="session")
def cards() -> dict[str, Card]:
    """The real cards, by id."""
    return {card.id: card for card in load_cards()}


@pytest.fixture(scope="session")
def verdicts(cards: dict[str, Card]) -> Callable[..., dict[str, Verdict]]:
    """Makes a verdict for each card: `passed` unless said otherwise (ids with underscores)."""

    def make(**status: Status) -> dict[str, Verdict]:
        asked = {name.replace("_", "-"): value for name, value in status.items()}
        return {name: verdict(name, asked.get(name, "passed")) for name in cards}

    return make


@pytest.fixture(scope="session")
def published_portal(
    tmp_path_factory: pytest.TempPathFactory, cards: dict[str, Card], verdicts: Callable[..., dict[str, Verdict]]
) -> Path:
    """A home with a published tree, for tests that only read it."""
    from publication.publish import publish

    made = tmp_path_factory.mktemp("portal")
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as opened:
        patch.setenv("DATANEVERS_HOME", str(made))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute(GOLD)
        publish(opened, list(cards.values()), verdicts(), run_id="r")
    return made


def verdict(dataset: str, status: Status) -> Verdict:
    """A verdict with two checks; the second one does not pass unless the verdict is `passed`."""
    severity: Severity = "error" if status == "failed" else "warning"
    wrong = "Fraîcheur (table t, colonne date) : dernière valeur SECRET (exemples : SECRET). Relancer la source."
    return Verdict(
        dataset,
        status,
        {},
        (
            Check("columns", "t", None, "error", True, "conforme", "Colonnes (table t) : conforme."),
            Check("freshness", "t", "date", severity, status == "passed", "SECRET", wrong, 3),
        ),
    )
