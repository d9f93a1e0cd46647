"""Limits of communes, made-up and true, through the one contract to silver."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestion.contract import load_contracts
from ingestion.load import ensure_tables
from ingestion.territory import load_territory
from orchestration import declared
from simulation import asset_register, commune_contours
from simulation.job import Job
from simulation.truth import Truth
from tests.integration.simulated import build, query

if TYPE_CHECKING:
    from tests.conftest import House

TRUE_CONTOURS = Path(__file__).resolve().parents[3] / "shared/standards/communes_nevers/nevers-agglo-communes.geojson"


@pytest.fixture
def registered(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The register of assets, whose places are within a kilometre of the centres, and no contours."""
    monkeypatch.setenv("DBT_LOG_PATH", str(house.home / "dbt/logs"))
    ensure_tables(load_contracts())
    declared.write()
    asset_register.write(job(house))
    house.ingest("asset_register")
    return house


def job(house: House) -> Job:
    return Job(house.landing, 58, date(2026, 10, 5), 1, 0.3, load_territory(), Truth())


def qualities() -> dict[str, int]:
    return dict(query("SELECT insee_code_quality, count(*) FROM silver.location GROUP BY 1"))


def test_places_are_declared_before_the_contours_come_and_located_after(registered: House) -> None:
    assert build("location")
    before = query("SELECT thing_id, insee_code FROM silver.location ORDER BY 1")
    assert qualities() == {"declared": len(before)}
    commune_contours.write(job(registered))
    registered.ingest("commune_contours")
    assert build("location")
    assert query("SELECT thing_id, insee_code FROM silver.location ORDER BY 1") == before
    assert qualities() == {"located": len(before)}


@pytest.mark.skipif(not TRUE_CONTOURS.is_file(), reason="the true contours are not beside this checkout")
def test_true_contours_load_as_they_are(registered: House) -> None:
    """Named and drawn as they come; the centres that territory.yml gives are in the communes that it names."""
    registered.put("commune_contours", TRUE_CONTOURS.name, TRUE_CONTOURS.read_bytes())
    communes = load_territory().communes
    lines = ["source;identifiant;nom;categorie;code_insee;longitude;latitude;usage;surface_m2;mise_en_service"]
    # declared in another commune: only the contours can put it right
    other = {c.insee: communes[n - 1].insee for n, c in enumerate(communes)}
    lines += [f"s;{c.insee};{c.name};x;{other[c.insee]};{c.longitude};{c.latitude};;;" for c in communes]
    registered.put("asset_register", "registre_20261201.csv", "\n".join(lines) + "\n")
    registered.ingest("commune_contours", "asset_register")
    assert registered.counts(TRUE_CONTOURS.name) == (14, 14, 0, 0)
    assert build("location")
    found = query("SELECT thing_id, insee_code, insee_code_quality, commune_name FROM silver.location ORDER BY 1")
    assert found == [(f"s:{c.insee}", c.insee, "conflict", c.name) for c in sorted(communes, key=lambda c: c.insee)]
    names = query("SELECT insee_code, commune_name FROM silver.commune_contour ORDER BY 1")
    assert names == sorted((c.insee, c.name) for c in communes)
