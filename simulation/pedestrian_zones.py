"""Streets that the communes' orders give to pedestrians, drawn as areas.

Belongs here: the zones and the orders that create them. Does not: how many people walk there.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from simulation.roadside import stand
from simulation.territory_files import geojson
from simulation.truth import BAD_DATE

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "pedestrian_zones"
TRUTH = ("zone_id", "insee_code", "zone_type", "start_date", "end_date")
_ZONES = (
    ("Rue du Commerce", "Nevers", "aire piétonne", "24/7"),
    ("Place Ducale", "Nevers", "aire piétonne", "24/7"),
    ("Rue Saint-Martin", "Nevers", "zone de rencontre", "24/7"),
    ("Rue de l'École Jules-Ferry", "Nevers", "rue scolaire", "Mo-Fr 08:10-08:45,16:15-16:50"),
    ("Quai des Mariniers", "Nevers", "aire piétonne", "Jun-Sep Sa,Su 10:00-20:00"),
    ("Place de l'Église", "Pougues-les-Eaux", "zone de rencontre", "24/7"),
    ("Rue de la Mairie", "Fourchambault", "zone de rencontre", "24/7"),
    ("Rue des Écoles", "Varennes-Vauzelles", "rue scolaire", "Mo,Tu,Th,Fr 08:15-08:40,16:20-16:45"),
)  # fmt: skip
_KINDS = {"aire piétonne": "pedestrian_area", "zone de rencontre": "shared_zone", "rue scolaire": "school_street"}
_METRES_PER_DEGREE = 111_320
_LONG_M, _WIDE_M = 120, 14
_TRIAL_DAYS = 400


def write(job: Job) -> None:
    """One map at the start: the zones, and one whose order is not signed yet."""
    features: list[tuple[dict[str, object], dict[str, object]]] = []
    rows: list[tuple[object, ...]] = []
    for n, (name, town, regime, hours) in enumerate(_ZONES[: job.count(len(_ZONES), least=5)]):
        home, longitude, latitude, opened = stand(job, job.rng(SOURCE, n), town)
        # a street given to pedestrians in summer is a trial: it has an end
        end = (opened + timedelta(days=_TRIAL_DAYS)).isoformat() if hours.startswith("Jun") else None
        cells: dict[str, object] = {
            "id_zone": f"ZP-{home.insee}-{n + 1:02d}", "nom": name, "regime": regime, "insee": home.insee,
            "arrete": f"{opened.year}-{100 + 37 * n:04d}", "date_arrete": (opened - timedelta(days=21)).isoformat(),
            "debut": opened.isoformat(), "fin": end, "horaires": hours,
            "livraisons": "Mo-Sa 06:00-10:30" if regime == "aire piétonne" else None,
            "velos": "non" if regime == "rue scolaire" else "oui",
        }  # fmt: skip
        ring = _rectangle(longitude, latitude)
        features.append((cells, {"type": "Polygon", "coordinates": [ring]}))
        rows.append((cells["id_zone"], home.insee, _KINDS[regime], cells["debut"], end or ""))
    first, area = features[0]
    features.append(({**first, "id_zone": "ZP-PROJET", "date_arrete": "à signer"}, area))
    name = f"zones_pietonnes_{job.start:%Y%m%d}.geojson"
    geojson(job.folder(SOURCE) / name, features)
    job.truth.refuse(SOURCE, name, line=len(features), column="date_arrete", reason=BAD_DATE)
    job.truth.file(SOURCE, name, read=len(features), quarantined=1)
    job.truth.table("pedestrian_zones", TRUTH, rows)


def _rectangle(longitude: float, latitude: float) -> list[list[float]]:
    """A closed ring around a place, a street long and wide."""
    per_degree = _METRES_PER_DEGREE * math.cos(math.radians(latitude))
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    return [
        [round(longitude + x * _LONG_M / 2 / per_degree, 6), round(latitude + y * _WIDE_M / 2 / _METRES_PER_DEGREE, 6)]
        for x, y in corners
    ]
