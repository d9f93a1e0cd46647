"""The national base of carpooling sites, as full snapshots of a small country.

Belongs here: the base's columns, its habits (capitals, blanks, opening hours) and how sites change between snapshots.
Does not: anything measured.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulation.assets import near
from simulation.files import csv_text

if TYPE_CHECKING:
    import numpy as np

    from simulation.job import Job

SOURCE = "carpool_sites"
HEADER = (
    "id_lieu", "id_local", "nom_lieu", "ad_lieu", "com_lieu", "insee", "type", "date_maj", "ouvert", "source", "Xlong",
    "Ylat", "nbre_pl", "nbre_pmr", "duree", "horaires", "proprio", "lumiere", "comm",
)  # fmt: skip
_EVERY = 28  # days between snapshots
_HERE, _DEPARTMENT, _ELSEWHERE = 22, 6, 32

# INSEE code, name, longitude, latitude.
_NIEVRE = (
    ("58095", "Decize", 3.461, 46.829),
    ("58086", "Cosne-Cours-sur-Loire", 2.925, 47.411),
    ("58079", "Clamecy", 3.519, 47.460),
    ("58059", "La Charité-sur-Loire", 3.019, 47.178),
    ("58134", "Imphy", 3.259, 46.932),
    ("58264", "Saint-Pierre-le-Moûtier", 3.118, 46.791),
)
_FRANCE = (
    ("01004", "Ambérieu-en-Bugey", 5.360, 45.958), ("01053", "Bourg-en-Bresse", 5.226, 46.205),
    ("02408", "Laon", 3.624, 49.564), ("03190", "Moulins", 3.333, 46.566), ("03185", "Montluçon", 2.603, 46.340),
    ("04070", "Digne-les-Bains", 6.236, 44.092), ("05061", "Gap", 6.079, 44.559), ("07186", "Privas", 4.599, 44.735),
    ("09122", "Foix", 1.605, 42.966), ("10387", "Troyes", 4.074, 48.297), ("18033", "Bourges", 2.397, 47.081),
    ("21231", "Dijon", 5.041, 47.322), ("26362", "Valence", 4.892, 44.933), ("29019", "Brest", -4.486, 48.390),
    ("2A004", "Ajaccio", 8.737, 41.919), ("2A247", "Porto-Vecchio", 9.279, 41.591), ("2B033", "Bastia", 9.450, 42.697),
    ("2B096", "Corte", 9.149, 42.306), ("31555", "Toulouse", 1.444, 43.605), ("33063", "Bordeaux", -0.579, 44.838),
    ("35238", "Rennes", -1.678, 48.117), ("37261", "Tours", 0.685, 47.394), ("38185", "Grenoble", 5.724, 45.188),
    ("44109", "Nantes", -1.554, 47.218), ("45234", "Orléans", 1.909, 47.903), ("49007", "Angers", -0.563, 47.478),
    ("51454", "Reims", 4.032, 49.258), ("57463", "Metz", 6.176, 49.119), ("63113", "Clermont-Ferrand", 3.087, 45.778),
    ("69123", "Lyon", 4.835, 45.764), ("71270", "Mâcon", 4.832, 46.307), ("89024", "Auxerre", 3.574, 47.798),
)  # fmt: skip
_NAMES = ("Aire de covoiturage", "Parking du stade", "Parking de la gare", "Place de la Mairie", "Parking du cimetière")
_TYPES = (
    "Aire de covoiturage",
    "Parking",
    "Aire de covoiturage",
    "Parking relais",
    "Supermarché",
    "Sortie d'autoroute",
)
_HOURS = ("24/7", "Mo-Su 00:00-23:59", "Mo-Sa 07:00-22:00", "Mo-Su 09:00-20:00")


@dataclass(frozen=True)
class _Site:
    """One line of the base, as text."""

    id_lieu: str
    id_local: str
    nom_lieu: str
    ad_lieu: str
    com_lieu: str
    insee: str
    type: str
    date_maj: str
    ouvert: str
    source: str
    x: str
    y: str
    nbre_pl: str
    nbre_pmr: str
    duree: str
    horaires: str
    proprio: str
    lumiere: str
    comm: str

    def row(self) -> tuple[str, ...]:
        return tuple(vars(self).values())


def write(job: Job) -> None:
    """A snapshot at the start, then one every four weeks within the period."""
    sites = _first(job)
    changes: list[tuple[str, str, str]] = []
    for number, offset in enumerate(range(0, job.days, _EVERY)):
        day = job.start + timedelta(days=offset)
        if number:
            sites, moved = _next(job, sites, number, day)
            changes += [(day.isoformat(), site, change) for site, change in moved]
        name = f"bnlc_{day:%Y%m%d}.csv"
        text = csv_text(HEADER, [site.row() for site in sites])
        (job.folder(SOURCE) / name).write_text(text, encoding="utf-8", newline="")
        job.truth.file(SOURCE, name, read=len(sites))
    job.truth.table("carpool_changes", ("snapshot_date", "id_lieu", "change"), changes)


def _first(job: Job) -> list[_Site]:
    here = [(c.insee, c.name, c.longitude, c.latitude) for c in job.territory.communes]
    groups = (
        (here, _HERE, job.territory.siren), (_NIEVRE, _DEPARTMENT, "225800010"), (_FRANCE, _ELSEWHERE, ""),
    )  # fmt: skip
    seen: dict[str, int] = {}
    sites: list[_Site] = []
    for places, base, owner in groups:
        for index in range(job.count(base)):
            insee, town, x, y = places[index % len(places)]
            seen[insee] = seen.get(insee, 0) + 1
            sites.append(_site(job, len(sites), seen[insee], (insee, town, x, y), owner))
    return sorted(sites, key=lambda site: site.id_lieu)


def _site(job: Job, number: int, rank: int, place: tuple[str, str, float, float], owner: str) -> _Site:
    """One site; which habit it shows follows from its number, what it holds from the dice."""
    insee, town, x, y = place
    rng = job.rng(SOURCE, "site", number)
    lon, lat = near(rng, x, y)
    kind = _TYPES[int(rng.integers(len(_TYPES)))]
    title = _NAMES[int(rng.integers(len(_NAMES)))]
    # A third of the producers wrote the number with more digits than anyone can measure.
    digits = (6, 6, 9)[number % 3]
    street = f"{int(rng.integers(1, 90))} route de {town}"
    return _Site(
        id_lieu=f"{insee}-C-{rank:03d}",
        id_local="" if number % 17 == 5 else f"C-{rank:03d}",
        nom_lieu=f'{title} "{town}"' if number % 19 == 7 else f"{title} de {town}",
        ad_lieu=f"{street}, {town}" if number % 3 == 0 else street,
        com_lieu=_capitals(town) if number % 4 == 1 else town,
        insee=insee,
        type=kind,
        date_maj=(job.start - timedelta(days=20 + int(rng.integers(2200)))).isoformat(),
        ouvert="false" if number % 29 == 11 else "true",
        source=owner or _producer(insee),
        x=f"{lon + rng.random() * 1e-7:.{digits}f}",
        y=f"{lat + rng.random() * 1e-7:.{digits}f}",
        nbre_pl="" if number % 3 == 2 else _places(rng),
        nbre_pmr="" if number % 5 < 3 else str(int(rng.integers(0, 4))),
        duree="10080" if number % 31 == 13 else "",
        horaires=_HOURS[number // 7 % len(_HOURS)] if number % 7 == 3 else "",
        proprio="Commune" if number % 6 == 0 else "",
        lumiere=("", "", "", "true", "false")[number % 5],
        comm="Abri vélo à proximité, non couvert" if number % 13 == 4 else "",
    )


def _next(job: Job, sites: list[_Site], number: int, day: date) -> tuple[list[_Site], list[tuple[str, str]]]:
    """The next snapshot: one site in eight is updated, one appears, one disappears."""
    rng = job.rng(SOURCE, "snapshot", number)
    order = [int(position) for position in rng.permutation(len(sites))]
    # Never the last site of all: a base of one site must not become empty.
    gone = order[0] if len(sites) > 1 else -1
    touched = set(order[1 : 1 + max(1, len(sites) // 8)])
    kept: list[_Site] = []
    moved: list[tuple[str, str]] = []
    for position, site in enumerate(sites):
        if position == gone:
            moved.append((site.id_lieu, "disappeared"))
        elif position in touched:
            places = str(int(site.nbre_pl or 0) + int(rng.integers(1, 12)))
            when = (day - timedelta(days=int(rng.integers(1, _EVERY)))).isoformat()
            kept.append(replace(site, nbre_pl=places, date_maj=when))
            moved.append((site.id_lieu, "changed"))
        else:
            kept.append(site)
    home = job.territory.communes[number % len(job.territory.communes)]
    rank = 900 + number  # a number no other site bears
    place = (home.insee, home.name, home.longitude, home.latitude)
    fresh = _site(job, 10_000 + number, rank, place, job.territory.siren)
    fresh = replace(fresh, date_maj=(day - timedelta(days=3)).isoformat())
    moved.append((fresh.id_lieu, "appeared"))
    return sorted([*kept, fresh], key=lambda site: site.id_lieu), sorted(moved)


def _places(rng: np.random.Generator) -> str:
    return str(int(rng.choice([2, 3, 4, 5, 8, 10, 12, 16, 20, 24, 35, 50, 85])))


def _producer(insee: str) -> str:
    """The département that published the site; Corsica is one authority."""
    return "200076958" if insee.startswith(("2A", "2B")) else f"22{insee[:2]}00012"


def _capitals(name: str) -> str:
    """`Saint-Éloi` -> `SAINT ELOI`, as many producers write."""
    plain = unicodedata.normalize("NFD", name)
    return "".join(c for c in plain if not unicodedata.combining(c)).upper().replace("-", " ")
