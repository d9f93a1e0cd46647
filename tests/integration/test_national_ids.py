"""The register of national ids over three deliveries: what a thing once got, it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestion.contract import load_contracts
from ingestion.load import ensure_tables
from orchestration import declared
from tests.integration.simulated import build, query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import House

REGISTER = "source;identifiant;nom;categorie;code_insee;longitude;latitude;usage;surface_m2;mise_en_service"
SNAPSHOTS = "Code;Parking;Horodatage;Capacité;Places libres;État"


def deliver(house: House, day: str, communes: dict[str, str], parks: Iterable[str]) -> None:
    """The register of a day (YYYYMMDD), and a snapshot of each car park at noon."""
    known = [f"car_parks;{code};Parc {code};parking;{insee};3.16;46.99;;;" for code, insee in communes.items()]
    house.put("asset_register", f"registre_{day}.csv", "\n".join([REGISTER, *known]) + "\n")
    told = [f"{code};Parc {code};{day[6:]}/{day[4:6]}/{day[:4]} 12:00;100;40;Ouvert" for code in parks]
    house.put("car_parks", f"parkings_{day}.csv", ("\n".join([SNAPSHOTS, *told]) + "\n").encode("cp1252"))
    house.ingest("asset_register", "car_parks")


def ids() -> dict[str, str]:
    return dict(query("SELECT thing_key, national_id FROM silver.national_id WHERE id_kind = 'stationnement'"))


@pytest.fixture
def two_parks(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Two car parks of Nevers, numbered."""
    monkeypatch.setenv("DBT_LOG_PATH", str(house.home / "dbt/logs"))
    ensure_tables(load_contracts())
    declared.write()
    deliver(house, "20261005", {"P5": "58194", "P7": "58194"}, ["P7", "P5"])
    assert build("national_id")
    assert ids() == {"car_parks:P5": "58194-P-001", "car_parks:P7": "58194-P-002"}
    return house


@pytest.mark.parametrize("full_refresh", [False, True])
def test_ids_outlive_order_moves_and_disappearance(two_parks: House, full_refresh: bool) -> None:
    """P5 moves, P7 is in the register no longer, and P1 comes with an earlier name and earlier snapshots."""
    deliver(two_parks, "20260901", {"P5": "58194", "P7": "58194"}, ["P1"])
    deliver(two_parks, "20261101", {"P1": "58194", "P2": "58117", "P5": "58117"}, ["P2", "P1"])
    assert build("national_id", full_refresh=full_refresh)
    expected = {
        "car_parks:P5": "58194-P-001",
        "car_parks:P7": "58194-P-002",
        "car_parks:P1": "58194-P-003",
        "car_parks:P2": "58117-P-001",
    }
    assert ids() == expected
    assert build("national_id", full_refresh=full_refresh)
    assert ids() == expected
