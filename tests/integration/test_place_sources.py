"""Equipment that its keepers list: what the conformed model knows of it is what the simulation made.

Belongs here: facilities, fountains, defibrillators, hydrants against their truth. Does not: what is published of them.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Done, Town

# what the truth says, as SQL that says it of the conformed table
KEPT = {
    "public_facilities": (
        "public_facility",
        {"facility_type": "facility_type", "name": "name"},
    ),
    "drinking_fountains": (
        "drinking_fountain",
        {
            "fountain_type": "fountain_type",
            "out_of_service_date": "coalesce(out_of_service_date::varchar, '')",
        },
    ),
    "defibrillators": (
        "defibrillator",
        {
            "serial_number": "serial_number",
            "available_days": "coalesce(available_days, 'non renseigné')",
            "available_hours": "coalesce(available_hours, 'non renseigné')",
        },
    ),
    "hydrants": (
        "fire_hydrant",
        {
            "hydrant_type": "hydrant_type",
            "diameter_mm": "coalesce(diameter_mm::int::varchar, '')",
            "is_available": "is_available::int::varchar",
        },
    ),
}


@pytest.mark.parametrize("truth", KEPT)
def test_every_asset_is_known_as_it_is(truth: str, whole_town: Town, whole_run: Done) -> None:
    whole_run.ok()
    table, told = KEPT[truth]
    with (whole_town.landing / f"_truth/{truth}.csv").open(encoding="utf-8", newline="") as stream:
        made = list(csv.DictReader(stream))
    key = next(iter(made[0]))
    columns = ", ".join((key, "insee_code", "insee_code_quality", "longitude", "latitude", *told.values()))
    found = {str(row[0]): row[1:] for row in whole_town.sql(f"SELECT {columns} FROM silver.{table}")}
    assert found.keys() == {row[key] for row in made}
    for row in made:
        insee_code, quality, longitude, latitude, *rest = found[row[key]]
        # by its place: nothing here lies on a border
        assert (insee_code, quality) == (row["insee_code"], "located")
        # 1e-6 degree is 0.1 m: the truth is rounded to it, and so is what is made of Lambert-93
        assert longitude == pytest.approx(float(row["longitude"]), abs=1.5e-6)
        assert latitude == pytest.approx(float(row["latitude"]), abs=1.5e-6)
        assert rest == [row[name] for name in told]


@pytest.mark.parametrize(
    ("truth", "table"), [("drinking_fountains", "drinking_fountain"), ("defibrillators", "defibrillator")]
)
def test_what_a_commune_lists_too_is_the_same_asset(truth: str, table: str, whole_town: Town) -> None:
    with (whole_town.landing / f"_truth/{truth}.csv").open(encoding="utf-8", newline="") as stream:
        made = list(csv.reader(stream))
    listed = {row[0] for row in made if row[made[0].index("is_listed_by_commune")] == "1"}
    matched = {
        row[0] for row in whole_town.sql(f"SELECT {made[0][0]} FROM silver.{table} WHERE equipment_id IS NOT NULL")
    }
    assert matched <= listed
    # one line of the communes' lists has no place to be known by
    assert len(listed - matched) <= 1
