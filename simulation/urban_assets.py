"""What stands in the streets of fourteen communes, and the lists that say so, each with its faults.

Belongs here: the assets themselves, which lines of a list are wrong, and what the agglomeration lists a second time.
Does not: the form of any list (`urban_producers`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulation import wifi_sessions
from simulation.truth import BAD_NUMBER
from simulation.urban_producers import AED, BENCH, BIN, CATEGORIES, FOUNTAIN, PMR, PRODUCERS, WIFI, Line, Producer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "urban_assets"
BAD_CATEGORY = "bad_category"
# Per thousand inhabitants, at least one of each in every commune.
_DENSITY = {PMR: 4.5, BENCH: 9.0, BIN: 7.0, FOUNTAIN: 0.4, AED: 0.9, WIFI: 0.5}
_NAMES = {
    PMR: "Place réservée",
    BENCH: "Banc",
    BIN: "Corbeille",
    FOUNTAIN: "Fontaine",
    AED: "Défibrillateur",
    WIFI: "Wifi",
}
_STREETS = (
    "place de la Mairie", "rue des Écoles", "avenue de la Gare", "square du 8 Mai", "rue de l'Église", "quai du Port",
    "parking du stade", "allée du Cimetière", "rue Pasteur", "chemin du Lavoir",
)  # fmt: skip
_RADIUS_M, _METRES_PER_DEGREE = 900, 111_320
_GOLDEN = math.pi * (3 - math.sqrt(5))
_SHIFT_M = 3.0  # two people measuring the same thing differ by as much
_AGAIN = 28  # days to the second list of the producers below
_RELISTED = ("challuy_mobilier", "nevers_mobilier")
_AGGLO_ONLY = {PMR: 12, AED: 8}


@dataclass(frozen=True)
class Item:
    """One asset, as it truly stands."""

    commune: Commune
    category: str
    number: int  # in its commune, from 1
    longitude: float
    latitude: float
    installed: date
    name: str
    listed_twice: bool = False  # by its commune and by the agglomeration

    @property
    def street(self) -> str:
        """Where people say it is."""
        return f"{1 + self.number % 40} {_STREETS[self.number % len(_STREETS)]}"


def write(job: Job) -> None:
    """Every producer's list at the start, and a second one of two of them later: one asset gone, one new, one moved."""
    communes = job.territory.communes
    rows: list[tuple[object, ...]] = []
    mine: list[Item] = []
    for rank, producer in enumerate(p for p in PRODUCERS if p.town):
        home = next((c for c in communes if c.name == producer.town), communes[rank % len(communes)])
        items = _items(job, home)
        rows += _deliver(job, producer, items, home.siren)
        mine += items
    for producer in (p for p in PRODUCERS if not p.town):
        rows += _deliver(job, producer, _of_agglomeration(job, producer, mine), job.territory.siren)
    header = ("producer", "ref", "category", "insee_code", "longitude", "latitude", "position", "listed_twice")
    job.truth.table("urban_assets", header, rows)


def _items(job: Job, home: Commune) -> list[Item]:
    """A commune's assets by category, spread like the seeds of a sunflower: never two in one place."""
    found: list[Item] = []
    for rank, category in enumerate(CATEGORIES):
        count = job.count(round(_DENSITY[category] * home.population / 1000), least=1)
        rng = job.rng(SOURCE, home.insee, category)
        for index in range(count):
            radius = _RADIUS_M * math.sqrt((index + 0.5) / count)
            x, y = moved(home.longitude, home.latitude, radius, index * _GOLDEN + rank)
            number = len(found) + 1
            found.append(
                Item(
                    commune=home,
                    category=category,
                    number=number,
                    longitude=x,
                    latitude=y,
                    installed=job.start - timedelta(days=100 + int(rng.integers(6000))),
                    name=f"{_NAMES[category]} {number}",
                    listed_twice=number % 3 > 0 and index > 1 and category in {PMR, AED},
                )
            )
    return found


def standing(job: Job, category: str) -> list[Item]:
    """Every asset of a kind in the streets of the communes, as it truly stands."""
    return [item for home in job.territory.communes for item in _items(job, home) if item.category == category]


def moved(longitude: float, latitude: float, metres: float, angle: float) -> tuple[float, float]:
    """A point so many metres away, 6 decimals."""
    per_degree = _METRES_PER_DEGREE * math.cos(math.radians(latitude))
    east, north = metres * math.cos(angle), metres * math.sin(angle)
    return round(longitude + east / per_degree, 6), round(latitude + north / _METRES_PER_DEGREE, 6)


def _of_agglomeration(job: Job, producer: Producer, mine: Sequence[Item]) -> list[Item]:
    """What the agglomeration lists of one category: its own assets, and communes' assets as it measured them."""
    (category,) = producer.words
    if category == WIFI:
        return [
            Item(spot.commune, WIFI, number, spot.longitude, spot.latitude, spot.in_service, spot.name)
            for number, spot in enumerate(wifi_sessions.things(job), start=1)
        ]
    copies = []
    for item in (i for i in mine if i.category == category and i.listed_twice):
        rng = job.rng(SOURCE, "copy", item.commune.insee, item.number)
        x, y = moved(item.longitude, item.latitude, _SHIFT_M * rng.random(), 6.28 * rng.random())
        copies.append(replace(item, longitude=x, latitude=y))
    own = []
    for index in range(job.count(_AGGLO_ONLY[category])):
        home = job.territory.communes[index % len(job.territory.communes)]
        x, y = moved(home.longitude, home.latitude, 1100 + 40 * index, index)
        name = f"{_NAMES[category]} intercommunal {index + 1}"
        own.append(Item(home, category, index + 1, x, y, job.start - timedelta(days=400), name))
    return [replace(item, number=number) for number, item in enumerate((*own, *copies), start=1)]


def _deliver(job: Job, producer: Producer, items: list[Item], siren: str) -> list[tuple[object, ...]]:
    """Write a producer's lists; the true rows of what they say last."""
    _write_list(job, producer, job.start, items)
    if producer.stem in _RELISTED and job.days > _AGAIN:
        bench = next(n for n, item in enumerate(items) if item.category == BENCH)
        gone, last = items[bench], items[-1]
        x, y = moved(last.longitude, last.latitude, 30, 1.0)
        fresh = replace(gone, number=last.number + 1, longitude=x, latitude=last.latitude, name="Banc neuf")
        items = [i for i in items if i is not gone and i is not last]
        items += [replace(last, longitude=x, latitude=y), fresh]
        _write_list(job, producer, job.start + timedelta(days=_AGAIN), items)
    lines = [(_line(producer, item, n), item) for n, item in enumerate(items)]
    own = not producer.town
    return [
        (
            siren, line.ref, item.category, item.commune.insee,
            *((item.longitude, item.latitude) if (placed := _placed(producer, line)) else ("", "")),
            "missing" if not placed else "swapped" if _swapped(producer, n) and producer.wild_place else "given",
            int(item.listed_twice and not own),
        )
        for n, (line, item) in enumerate(lines)
        if not (own and item.listed_twice)
    ]  # fmt: skip


def _line(producer: Producer, item: Item, index: int) -> Line:
    """What the producer writes of an asset: the second of its list was not measured."""
    number = f"{item.number:03d}" if producer.prefix else str(item.number)
    ref = "" if producer.prefix is None else producer.prefix + number
    measured = index != 1 or producer.ending == "zip"
    place = (item.longitude, item.latitude) if measured else None
    word = producer.words[item.category]
    return Line(word, ref, item.name, item.street, place, item.installed, item.number, item.commune)


def _placed(producer: Producer, line: Line) -> bool:
    """Whether the list says where it is: one town has not got round to every third."""
    return line.place is not None and not (producer.stem == "varennes_parc" and line.number % 3 == 0)


def _swapped(producer: Producer, index: int) -> bool:
    """The third line of a table has longitude and latitude in each other's place; a map would show it at once."""
    return index == 2 and producer.ending in {"csv", "xlsx"}


def _write_list(job: Job, producer: Producer, day: date, items: Sequence[Item]) -> None:
    """The list, then its first line again, a word that stands for nothing, and a longitude in words."""
    lines = [_line(producer, item, n) for n, item in enumerate(items)]
    lines = [
        replace(line, place=line.place[::-1]) if line.place and _swapped(producer, n) else line
        for n, line in enumerate(lines)
    ]
    good = len(lines)
    lines.append(lines[0])
    refused: list[tuple[str, str]] = []
    if producer.category_column:
        lines.append(replace(lines[0], word="Sculpture"))
        refused.append((producer.category_column, BAD_CATEGORY))
    if producer.wild_place:
        lines.append(lines[0])
        refused.append((producer.wild_place, BAD_NUMBER))
    rows = [producer.cells(line) for line in lines]
    if producer.wild_place:
        rows[-1][producer.wild_place] = "à relever"
    path = job.folder(SOURCE) / f"{producer.stem}_{day:%Y%m%d}.{producer.ending}"
    producer.save(path, lines, rows, day)
    name = path.name + producer.part
    job.truth.file(SOURCE, name, read=len(rows), duplicate=1, quarantined=len(refused))
    for number, (column, reason) in enumerate(refused, start=good + 1 + producer.first):
        job.truth.refuse(SOURCE, name, line=number, column=column, reason=reason)
