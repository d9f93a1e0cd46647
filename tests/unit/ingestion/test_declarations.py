"""The territory and the contracts as bronze tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion import declarations

if TYPE_CHECKING:
    from tests.conftest import House


def test_written_once_and_only_again_when_something_changed(house: House) -> None:
    assert sorted(declarations.write()) == ["contract__datastream", "contract__source", "territory__commune"]
    before = house.versions()
    assert declarations.write() == []
    assert house.versions() == before
    ((count, codes, population),) = house.sql(
        "SELECT count(*), list(DISTINCT length(insee_code)), min(population) FROM bronze.territory__commune"
    )
    assert (count, codes) == (14, [5])
    assert population > 0
    assert house.sql("SELECT owner_email FROM bronze.contract__source WHERE source_id = 'water_scada'")[0][0]
