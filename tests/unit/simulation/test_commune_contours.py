"""Made-up limits of communes: every place is in the commune whose centre is nearest."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingestion.territory import load_territory
from simulation import commune_contours
from simulation.job import Job
from simulation.truth import Truth

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DEGREE_M = 111_320


def written(out: Path) -> Path:
    commune_contours.write(Job(out, 58, date(2026, 10, 5), 1, 1.0, load_territory(), Truth()))
    (path,) = (out / "commune_contours").iterdir()
    return path


@pytest.fixture(scope="module")
def areas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.float64]]:
    """Outline of each commune, by INSEE code."""
    features = json.loads(written(tmp_path_factory.mktemp("contours")).read_text("utf-8"))["features"]
    assert {f["geometry"]["type"] for f in features} == {"Polygon"}
    assert all(len(f["geometry"]["coordinates"]) == 1 for f in features)
    return {f["properties"]["code"]: np.array(f["geometry"]["coordinates"][0]) for f in features}


def inside(ring: NDArray[np.float64], x: float, y: float) -> bool:
    """Whether a ray to the east crosses the outline an odd number of times."""
    (x1, y1), (x2, y2) = ring[:-1].T, ring[1:].T
    crosses = (y1 > y) != (y2 > y)
    at = x1 + (y - y1) * (x2 - x1) / np.where(crosses, y2 - y1, 1)
    return bool((crosses & (at > x)).sum() % 2)


def metres(x: float, y: float, longitude: float, latitude: float) -> float:
    # one scale for the whole territory: over its 0.2 degrees of latitude it changes by 0.4 %
    return math.hypot((x - longitude) * math.cos(math.radians(47)), y - latitude) * DEGREE_M


def test_a_place_is_in_the_commune_of_the_nearest_centre(areas: dict[str, NDArray[np.float64]]) -> None:
    communes = load_territory().communes
    assert set(areas) == {c.insee for c in communes}
    rng = np.random.default_rng(1)
    checked = 0
    for x, y in zip(rng.uniform(3.0, 3.3, 2000), rng.uniform(46.85, 47.15, 2000), strict=True):
        first, second = sorted((metres(x, y, c.longitude, c.latitude), c.insee) for c in communes)[:2]
        if second[0] - first[0] < 50 or abs(first[0] - commune_contours.RADIUS_M) < 100:
            continue  # on a border, to the precision of this check; arcs are drawn with straight lines
        within = [insee for insee, ring in areas.items() if inside(ring, x, y)]
        assert within == ([first[1]] if first[0] < commune_contours.RADIUS_M else [])
        checked += 1
    assert checked > 1500


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
