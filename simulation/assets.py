"""The authority's assets: what stands where, and the native identifier each platform gives it.

Belongs here: identities, names, places. Does not: what an asset measures (its platform's module says), nor the format
of the register that publishes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np

    from ingestion.territory import Commune
    from simulation.job import Job

# Catalogues: a plausible name and its commune. Another territory keeps the names and gets communes by rotation.
_PLANTS = (
    ("Usine du Bout du Pont", "Nevers"),
    ("Usine de Germigny", "Germigny-sur-Loire"),
    ("Usine des Grèves", "Sermoise-sur-Loire"),
    ("Station de Soulangy", "Varennes-Vauzelles"),
)
_TANKS = (
    ("Réservoir des Courlis", "Nevers"),
    ("Réservoir du Banlay", "Nevers"),
    ("Réservoir des Montapins", "Nevers"),
    ("Réservoir de la Croix Joyeuse", "Coulanges-lès-Nevers"),
    ("Réservoir du Crot Cizeau", "Varennes-Vauzelles"),
    ("Réservoir de Veninges", "Varennes-Vauzelles"),
    ("Réservoir de la Garenne", "Fourchambault"),
    ("Réservoir des Chevannes", "Garchizy"),
    ("Réservoir de Corcelles", "Marzy"),
    ("Réservoir du Mont Givre", "Pougues-les-Eaux"),
    ("Réservoir de Satinges", "Parigny-les-Vaux"),
    ("Réservoir d'Aglan", "Challuy"),
    ("Réservoir de Trangy", "Saint-Éloi"),
    ("Réservoir du Bec d'Allier", "Gimouille"),
)
_BOOSTERS = (("Surpresseur du Pont Patin", "Coulanges-lès-Nevers"), ("Surpresseur de Meauce", "Saincaize-Meauce"))
_CHAMBERS = (("Chambre de sectorisation Gare", "Nevers"), ("Chambre de sectorisation RD 40", "Fourchambault"))

# What a sensor measures: usage in the register, prefix of its name on the network server.
SENSOR_KINDS = (
    ("qualité de l'air intérieur", "CO2"),
    ("météo urbaine", "METEO"),
    ("niveau d'eau", "NIVEAU"),
    ("remplissage des déchets", "DECHETS"),
    ("bruit", "BRUIT"),
)
SERVERS = ("chirpstack3", "chirpstack4")

_SITES = (
    ("Avenue du Général de Gaulle", "Nevers", "MUNICIPAL ROAD"),
    ("Boulevard du Grand Pré des Bordes", "Nevers", "MUNICIPAL ROAD"),
    ("Pont de Loire", "Nevers", "DEPARTMENTAL ROAD"),
    ("Route de Lyon", "Challuy", "DEPARTMENTAL ROAD"),
    ("Voie verte du canal", "Sermoise-sur-Loire", "CYCLE TRACK"),
    ("Avenue Louis Fouchère", "Varennes-Vauzelles", "MUNICIPAL ROAD"),
    ("Rue Gambetta", "Fourchambault", "MUNICIPAL ROAD"),
    ("Route de Paris", "Pougues-les-Eaux", "DEPARTMENTAL ROAD"),
    ("Piste cyclable des Bords de Loire", "Nevers", "CYCLE TRACK"),
    ("Route de Corcelles", "Marzy", "DEPARTMENTAL ROAD"),
)
# C4: above 36 kVA. C5: up to 36 kVA. Floor areas are orders of magnitude for the use.
_BUILDINGS_C4 = (
    ("Centre aquatique des Bords de Loire", "Nevers", "piscine", 3900),
    ("Médiathèque Jean Jaurès", "Nevers", "médiathèque", 3100),
    ("Groupe scolaire du Banlay", "Nevers", "école", 2800),
    ("Mairie de Varennes-Vauzelles", "Varennes-Vauzelles", "mairie", 1750),
    ("Gymnase des Montôts", "Nevers", "gymnase", 2200),
    ("Siège de l'agglomération", "Nevers", "bureaux", 2600),
    ("Groupe scolaire de la Garenne", "Fourchambault", "école", 2300),
    ("Centre technique communautaire", "Varennes-Vauzelles", "atelier", 4100),
)
_BUILDINGS_C5 = (
    ("École de Satinges", "Parigny-les-Vaux", "école", 480),
    ("Mairie de Gimouille", "Gimouille", "mairie", 260),
    ("Salle des fêtes de Saint-Éloi", "Saint-Éloi", "salle polyvalente", 540),
    ("Bibliothèque de Marzy", "Marzy", "médiathèque", 310),
)
_METERS = (
    ("Centre hospitalier", "hôpital"),
    ("Lycée", "enseignement"),
    ("Fonderie", "industrie"),
    ("Résidence autonomie", "hébergement"),
    ("Collège", "enseignement"),
    ("Laiterie", "industrie"),
    ("Centre commercial", "commerce"),
    ("Hôtel de ville", "administration"),
    ("Centre aquatique", "piscine"),
    ("Exploitation maraîchère", "agriculture"),
)

_RECENT_DAYS, _OLD_DAYS = 2400, 22_000
_METRES_PER_DEGREE = 111_320
_SPREAD_M = 900  # assets stand within a kilometre of their commune's centroid


@dataclass(frozen=True)
class Asset:
    """One line of the inventory. `variant` is what only its platform cares about (server, metering segment)."""

    source: str
    native_id: str
    name: str
    category: str
    commune: Commune
    longitude: float
    latitude: float
    in_service: date
    usage: str = ""
    surface_m2: int | None = None
    variant: str = ""


def units(job: Job) -> list[Asset]:
    """Remote units of the water network: plants, tanks, boosters, chambers, numbered in that order."""
    groups = (("usine", _PLANTS), ("reservoir", _TANKS), ("surpresseur", _BOOSTERS), ("chambre", _CHAMBERS))
    found: list[Asset] = []
    for category, catalogue in groups:
        for index in range(job.count(len(catalogue))):
            name, town = catalogue[index % len(catalogue)]
            native = f"RTU{len(found) + 1:02d}"
            rng = job.rng("assets", "water_scada", category, index)
            title = _nth(name, index, len(catalogue))
            place = _stand(job, rng, town, recent=False)
            found.append(Asset("water_scada", native, title, category, *place))
    return found


def sensors(job: Job) -> list[Asset]:
    """LoRaWAN sensors, every other one on each network server; at least one on each."""
    found: list[Asset] = []
    for index in range(job.count(40, least=len(SERVERS))):
        rng = job.rng("assets", "lorawan_uplinks", index)
        usage, prefix = SENSOR_KINDS[index // 2 % len(SENSOR_KINDS)]
        # A81758: a maker's prefix; the counter keeps identifiers unique whatever is drawn.
        dev_eui = f"a81758fffe{int(rng.integers(256)):02x}{index:04x}"
        town = job.territory.communes[int(rng.integers(len(job.territory.communes)))].name
        name = f"{prefix}-{town.upper().replace(' ', '-')}-{index + 1:02d}"
        server = SERVERS[index % len(SERVERS)]
        place = _stand(job, rng, town, recent=True)
        found.append(Asset("lorawan_uplinks", dev_eui, name, "capteur", *place, usage, variant=server))
    return found


def sites(job: Job) -> list[Asset]:
    """Traffic counting sites, by segment number."""
    found: list[Asset] = []
    for index in range(job.count(len(_SITES))):
        rng = job.rng("assets", "traffic_counts", index)
        name, town, usage = _SITES[index % len(_SITES)]
        native = str(9_000_003_000 + 137 * index + int(rng.integers(100)))
        title = _nth(name, index, len(_SITES))
        place = _stand(job, rng, town, recent=True)
        found.append(Asset("traffic_counts", native, title, "site_comptage", *place, usage))
    return found


def buildings(job: Job) -> list[Asset]:
    """Metered public buildings; `variant` is the metering segment."""
    found: list[Asset] = []
    for segment, catalogue in (("C4", _BUILDINGS_C4), ("C5", _BUILDINGS_C5)):
        for index in range(job.count(len(catalogue))):
            rng = job.rng("assets", "building_energy", segment, index)
            name, town, usage, surface = catalogue[index % len(catalogue)]
            # Every third delivery point begins with 0: a number to be read as text.
            lead = "09" if index % 3 == 1 else "30"
            native = f"{lead}{int(rng.integers(10**8)):08d}{segment[1]}{index:03d}"
            title = _nth(name, index, len(catalogue))
            place = _stand(job, rng, town, recent=False)
            found.append(Asset("building_energy", native, title, "batiment", *place, usage, surface, segment))
    return found


def meters(job: Job) -> list[Asset]:
    """Large water meters, by user key."""
    found: list[Asset] = []
    for index in range(job.count(50)):
        rng = job.rng("assets", "water_meters", index)
        name, usage = _METERS[index % len(_METERS)]
        key = str(UUID(bytes=rng.bytes(16), version=4))
        town = job.territory.communes[(index * 5 + 7) % len(job.territory.communes)].name
        title = f"{name} de {town}" if index < len(_METERS) else f"{name} de {town} ({index + 1})"
        place = _stand(job, rng, town, recent=True)
        found.append(Asset("water_meters", key, title, "compteur", *place, usage))
    return sorted(found, key=lambda asset: asset.native_id)


def near(rng: np.random.Generator, longitude: float, latitude: float) -> tuple[float, float]:
    """A point of the disc around another, 6 decimals (0.1 m)."""
    radius, angle = _SPREAD_M * math.sqrt(rng.random()), 2 * math.pi * rng.random()
    east, north = radius * math.cos(angle), radius * math.sin(angle)
    per_degree = _METRES_PER_DEGREE * math.cos(math.radians(latitude))
    return round(longitude + east / per_degree, 6), round(latitude + north / _METRES_PER_DEGREE, 6)


def commune(job: Job, name: str) -> Commune:
    """The commune of that name, else any other, always the same."""
    communes = job.territory.communes
    return next((c for c in communes if c.name == name), communes[len(name) % len(communes)])


def _nth(name: str, index: int, length: int) -> str:
    return name if index < length else f"{name} n°{index // length + 1}"


def _stand(job: Job, rng: np.random.Generator, town: str, *, recent: bool) -> tuple[Commune, float, float, date]:
    """Where an asset stands and since when. Sensors and counters are recent, works and buildings may be old."""
    home = commune(job, town)
    longitude, latitude = near(rng, home.longitude, home.latitude)
    oldest = _RECENT_DAYS if recent else _OLD_DAYS
    return home, longitude, latitude, job.start - timedelta(days=30 + int(rng.integers(oldest)))
