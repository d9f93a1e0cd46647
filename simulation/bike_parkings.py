"""The agglomeration's survey of bicycle racks, as its map software writes it.

Belongs here: racks, what they look like, and what the surveyor got wrong. Does not: shared bikes (`bike_stations`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulation.roadside import stand
from simulation.territory_files import geojson
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "bike_parkings"
TRUTH = ("rack_id", "insee_code", "longitude", "latitude", "capacity", "furniture")
_RACKS = 60
# Furniture, what can be fastened, how it is closed, bicycles on one of them; common ones more often.
_KINDS = (
    ("arceau", "cadre et roue", "ouvert", 2), ("arceau", "cadre et roue", "ouvert", 2),
    ("râtelier", "roue", "ouvert", 6), ("potelet", "cadre", "ouvert", 1),
    ("double étage", "cadre et roue", "consigne", 24), ("grand arceau", "cadre et roue", "ouvert", 1),
    ("aucun", "aucune", "box", 4),
)  # fmt: skip
_WRONG_TOWN = 8  # the commune written on this one is that of the one before


def write(job: Job) -> None:
    """One survey at the start: the racks, the first one again, and one that nobody counted."""
    communes = job.territory.communes
    features: list[tuple[dict[str, object], dict[str, object]]] = []
    rows: list[tuple[object, ...]] = []
    for n in range(job.count(_RACKS, least=len(communes))):
        home, longitude, latitude, opened = stand(job, job.rng(SOURCE, n), communes[n % len(communes)].name)
        furniture, fastening, protection, each = _KINDS[n % len(_KINDS)]
        closed = protection != "ouvert"
        capacity = each * (2 + n % 4)
        written = communes[(n - 1) % len(communes)].insee if n == _WRONG_TOWN else home.insee
        cells = {
            "numero": f"VEL{n + 1:04d}", "insee": written, "places": capacity,
            "places_cargo": 2 if furniture == "grand arceau" else None, "accroche": fastening, "mobilier": furniture,
            "acces": "abonnement" if closed else "libre", "gratuit": "non" if closed else "oui",
            "protection": protection, "couvert": "oui" if closed else "non", "surveille": None, "eclaire": "oui",
            "page": "https://velo.exemple.example/consignes" if closed else None, "annee": opened.year,
            "proprietaire": home.name if n % 3 else "Nevers Agglomération", "gestionnaire": "Nevers Agglomération",
            "producteur": "Nevers Agglomération", "releve": (job.start - timedelta(days=10 + n % 90)).isoformat(),
            "remarque": "Sous le porche" if n % 11 == 5 else None,
        }  # fmt: skip
        features.append((cells, {"type": "Point", "coordinates": [longitude, latitude]}))
        rows.append((cells["numero"], home.insee, longitude, latitude, capacity, furniture))
    first, place = features[0]
    features += [features[0], ({**first, "numero": "VEL9999", "places": "à compter"}, place)]
    name = f"stationnements_velo_{job.start:%Y%m%d}.geojson"
    geojson(job.folder(SOURCE) / name, features)
    job.truth.refuse(SOURCE, name, line=len(features), column="places", reason=BAD_NUMBER)
    job.truth.file(SOURCE, name, read=len(features), duplicate=1, quarantined=1)
    job.truth.table("bike_parkings", TRUTH, rows)
