"""Cycle facilities drawn street by street, at the national template that the roads department works with.

Belongs here: segments, what is on their right and on their left. Does not: who rides there (`eco_counters`).
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from simulation.roadside import stand
from simulation.territory_files import geojson
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "cycle_facilities"
TRUTH = ("facility_id", "right_insee_code", "right_facility", "left_facility", "length_m")
_SEGMENTS = 45
# Right, left, traffic rule, place, speed of the traffic beside.
_KINDS = (
    ("PISTE CYCLABLE", "PISTE CYCLABLE", "EN AGGLOMERATION", "TROTTOIR", 50),
    ("BANDE CYCLABLE", "BANDE CYCLABLE", "EN AGGLOMERATION", "CHAUSSEE", 50),
    ("AUCUN", "DOUBLE SENS CYCLABLE NON MATERIALISE", "ZONE 30", "CHAUSSEE", 30),
    ("VOIE VERTE", "VOIE VERTE", "HORS AGGLOMERATION", "INTERMEDIAIRE", None),
    ("COULOIR BUS+VELO", "AUCUN", "EN AGGLOMERATION", "CHAUSSEE", 50),
    ("CHAUSSEE A VOIE CENTRALE BANALISEE", "CHAUSSEE A VOIE CENTRALE BANALISEE", "HORS AGGLOMERATION", "CHAUSSEE", 70),
)
_METRES_PER_DEGREE = 111_320


def write(job: Job) -> None:
    """One map at the start: the segments, and one whose width is in words."""
    communes = job.territory.communes
    features: list[tuple[dict[str, object], dict[str, object]]] = []
    rows: list[tuple[object, ...]] = []
    for n in range(job.count(_SEGMENTS, least=len(communes))):
        rng = job.rng(SOURCE, n)
        home, longitude, latitude, opened = stand(job, rng, communes[n % len(communes)].name)
        metres, angle = 80 + 40 * (n % 7), 2 * math.pi * float(rng.random())
        right, left, regime, place, speed = _KINDS[n % len(_KINDS)]
        both = {"code_com": home.insee, "regime": regime}
        cells = {
            "id_local": f"NEV-AC-{n + 1:04d}", "reseau_loc": ("Structurant", "Autre")[n % 2],
            "nom_loc": "V6;Boucle des bords de Loire" if n % 9 == 3 else None, "id_osm": None,
            "num_iti": "0006" if right == "VOIE VERTE" else None,
            **{f"{key}_{side}": value for side in "dg" for key, value in both.items()},
            **_side("d", right, place, 2.5 if n % 4 else None), **_side("g", left, place, 1.5 if n % 4 else None),
            "access_ame": ("VELO DE ROUTE", "VTC")[n % 2],
            "date_maj": (job.start - timedelta(days=15 + n)).isoformat(), "trafic_vit": speed,
            "lumiere": "true" if regime != "HORS AGGLOMERATION" else "false", "d_service": opened.year,
            "comm": "Forte pente" if n % 10 == 4 else None, "source": "Nevers Agglomération", "project_c": "RGF93",
            "ref_geo": "BD TOPO",
        }  # fmt: skip
        features.append((cells, {"type": "LineString", "coordinates": _line(longitude, latitude, metres, angle)}))
        rows.append((cells["id_local"], home.insee, right, left, metres))
    first, geometry = features[0]
    features.append(({**first, "id_local": "NEV-AC-9999", "largeur_d": "large"}, geometry))
    name = f"amenagements_cyclables_{job.start:%Y%m%d}.geojson"
    geojson(job.folder(SOURCE) / name, features)
    job.truth.refuse(SOURCE, name, line=len(features), column="largeur_d", reason=BAD_NUMBER)
    job.truth.file(SOURCE, name, read=len(features), quarantined=1)
    job.truth.table("cycle_facilities", TRUTH, rows)


def _side(side: str, facility: str, place: str, width: float | None) -> dict[str, object]:
    """What only a side that has a facility says."""
    there = facility != "AUCUN"
    return {
        f"ame_{side}": facility, f"sens_{side}": "UNIDIRECTIONNEL" if there else None,
        f"local_{side}": place if there else None, f"largeur_{side}": width if there else None,
        f"statut_{side}": "EN SERVICE" if there else None, f"revet_{side}": "LISSE" if there else None,
    }  # fmt: skip


def _line(longitude: float, latitude: float, metres: float, angle: float) -> list[list[float]]:
    """Half of the length towards an angle, and the other half a tenth of a radian beside it."""
    per_degree = _METRES_PER_DEGREE * math.cos(math.radians(latitude))
    points = [[longitude, latitude]]
    for turn in (angle, angle + 0.1):
        x, y = points[-1]
        east, north = metres / 2 * math.cos(turn), metres / 2 * math.sin(turn)
        points.append([round(x + east / per_degree, 6), round(y + north / _METRES_PER_DEGREE, 6)])
    return points
