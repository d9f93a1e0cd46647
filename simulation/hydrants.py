"""Fire-fighting water points, as the fire service's software exports them with what the last inspections measured.

Belongs here: where the points stand, how much they give, the export's habits and faults. Does not: the water network
(`water_pipes`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.roadside import Export
from simulation.territory_files import lambert93
from simulation.truth import BAD_NUMBER
from simulation.urban_assets import moved

if TYPE_CHECKING:
    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "hydrants"
HEADER = (
    "INSEE;N° SDIS;N° gestionnaire;Gestionnaire;Référence terrain;Nature;Type règlement;DN (mm);Canalisation (mm);"
    "Ressource;Statut;Établissement;Situation;P dynamique (bar);P statique (bar);Débit à 1 bar (m3/h);Volume (m3);"
    "Disponible;Changement d'état;Mise en service;Mise à jour;Contrôle technique;Reconnaissance;Précision;X L93;Y L93;"
    "Longitude;Latitude"
)
TRUTH = (
    "hydrant_id", "hydrant_type", "insee_code", "longitude", "latitude", "x_m", "y_m", "diameter_mm", "flow_m3_h",
    "is_available",
)  # fmt: skip
BAD_WORD = "bad_category"
_TYPES = {"PI": "pillar_hydrant", "BI": "underground_hydrant", "PA": "suction_point", "CI": "tank"}
_LOCAL = {"PI": "poteau", "BI": "bouche", "PA": "aire d'aspiration", "CI": "citerne souple"}
_KINDS = ("PI", "PI", "PI", "BI", "PI", "PA", "PI", "PI", "BI", "CI")
# 65: an old pillar of one outlet, which no standard knows any more.
_DIAMETERS = (100, 100, 100, 150, 80, 100, 65)
_STREETS = ("rue des Mariniers", "route de la Loire", "chemin des Vignes", "rue du Lavoir", "place de l'Église")
_DENSITY, _LEAST, _RADIUS_M = 4.0, 3, 900  # per thousand inhabitants
_GOLDEN = math.pi * (3 - math.sqrt(5))
_AGAIN = 28  # days to the second export


@dataclass(frozen=True)
class Hydrant:
    """One point, as it truly is. Pressures and flow are of points on a network, volume of tanks."""

    commune: Commune
    number: int  # in its commune, from 1
    rank: int
    kind: str
    longitude: float
    latitude: float
    x_m: float
    y_m: float
    in_service: date
    checked: date
    flow_m3_h: float | None
    available: bool = True

    @property
    def hydrant_id(self) -> str:
        """The fire service's number."""
        return f"{self.commune.insee}.{self.number:05d}"

    @property
    def diameter_mm(self) -> int | None:
        """Inner diameter of the pillar or outlet."""
        return _DIAMETERS[self.rank % len(_DIAMETERS)] if self.kind in ("PI", "BI") else None


def write(job: Job) -> None:
    """The export at the start; four weeks later the first point is out of order and the last one is gone."""
    hydrants = _hydrants(job)
    _write_export(job, job.start, hydrants)
    if job.days > _AGAIN:
        hydrants = [replace(hydrants[0], available=False), *hydrants[1:-1]]
        _write_export(job, job.start + timedelta(days=_AGAIN), hydrants)
    rows = [
        (
            h.hydrant_id, _TYPES[h.kind], h.commune.insee, h.longitude, h.latitude, h.x_m, h.y_m,
            h.diameter_mm or "", "" if h.flow_m3_h is None else h.flow_m3_h, int(h.available),
        )
        for h in hydrants
    ]  # fmt: skip
    job.truth.table("hydrants", TRUTH, rows)


def _hydrants(job: Job) -> list[Hydrant]:
    """Spread like the seeds of a sunflower in each commune; every fortieth is out of order."""
    found: list[Hydrant] = []
    for home in job.territory.communes:
        count = job.count(round(_DENSITY * home.population / 1000), least=_LEAST)
        rng = job.rng(SOURCE, home.insee)
        for index in range(count):
            radius = _RADIUS_M * math.sqrt((index + 0.5) / count)
            lon, lat = moved(home.longitude, home.latitude, radius, 2.0 + index * _GOLDEN)
            x, y = lambert93(np.array([lon]), np.array([lat]))
            kind = _KINDS[len(found) % len(_KINDS)]
            found.append(
                Hydrant(
                    commune=home,
                    number=index + 1,
                    rank=len(found),
                    kind=kind,
                    longitude=lon,
                    latitude=lat,
                    x_m=round(float(x[0]), 2),
                    y_m=round(float(y[0]), 2),
                    in_service=job.start - timedelta(days=400 + int(rng.integers(14_000))),
                    checked=job.start - timedelta(days=30 + int(rng.integers(700))),
                    flow_m3_h=float(rng.integers(30, 180)) if kind in ("PI", "BI") else None,
                    available=len(found) % 40 != 13,
                )
            )
    return found


def _write_export(job: Job, day: date, hydrants: list[Hydrant]) -> None:
    """The export, its first line again, a kind of point that is none, and a flow in words."""
    export = Export(job, SOURCE, f"pei_{day:%Y%m%d}.csv", [HEADER])
    lines = [_cells(hydrant, day) for hydrant in hydrants]
    export.add(";".join(lines[0]), copies=2)
    for line in lines[1:]:
        export.add(";".join(line))
    export.spoil(";".join([lines[0][0], "X1", *lines[0][2:5], "puits", *lines[0][6:]]), "Nature", BAD_WORD)
    untold = ";".join([lines[0][0], "X2", *lines[0][2:15], "non mesuré", *lines[0][16:]])
    export.spoil(untold, "Débit à 1 bar (m3/h)", BAD_NUMBER)
    export.write("cp1252")


def _cells(hydrant: Hydrant, day: date) -> list[str]:
    kind, rank = hydrant.kind, hydrant.rank
    piped, private = kind in ("PI", "BI"), rank % 23 == 17
    still = round(3.0 + rank % 30 / 10, 1)
    changed = hydrant.checked if hydrant.available else day - timedelta(days=2)
    return [
        hydrant.commune.insee, hydrant.hydrant_id, f"G{rank + 1:04d}", "Régie de l'eau de Nevers Agglomération",
        str(hydrant.number), kind, _LOCAL[kind], _text(hydrant.diameter_mm),
        str(100 + 25 * (rank % 3)) if piped else "",
        "AEP" if piped else ("COURS_EAU", "PLAN_EAU")[rank % 2] if kind == "PA" else "CITERNE",
        "Privé" if private else "Public", "Zone d'activités" if private else "",
        f"{1 + rank % 60} {_STREETS[rank % len(_STREETS)]}",
        _text(round(still - 1.2, 1)) if piped else "", _text(still) if piped else "", _text(hydrant.flow_m3_h),
        "120" if kind == "CI" else "", "O" if hydrant.available else "N", _french(changed), _french(hydrant.in_service),
        _french(day - timedelta(days=1)), _french(hydrant.checked) if rank % 9 else "", _french(hydrant.checked),
        ("01", "05", "", "10")[rank % 4], _text(hydrant.x_m), _text(hydrant.y_m), _text(hydrant.longitude),
        _text(hydrant.latitude),
    ]  # fmt: skip


def _text(number: float | None) -> str:
    return "" if number is None else str(number).replace(".", ",")


def _french(day: date) -> str:
    return f"{day:%d/%m/%Y}"
