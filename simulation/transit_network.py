"""The bus network of the territory: its stops, its lines, its timetable, and who works which trip.

Belongs here: what the schedule export, the live feeds and the ticketing all share. Does not: any of their formats, nor
what happens on a given day (delays, passengers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import Ints, is_holiday

if TYPE_CHECKING:
    from ingestion.territory import Commune
    from simulation.job import Job

# Name, commune, metres east and north of its centroid. Another territory keeps the names and gets communes by rotation.
_PLACES: dict[str, tuple[str, int, int]] = {
    "Gare SNCF": ("Nevers", -520, -90),
    "Carnot": ("Nevers", 20, 80),
    "Hôtel de Ville": ("Nevers", 240, -30),
    "Mossé": ("Nevers", 190, -420),
    "Saint-Pierre": ("Nevers", 420, 160),
    "Porte du Croux": ("Nevers", -330, -310),
    "Parc Roger Salengro": ("Nevers", -60, 330),
    "Maison de la Culture": ("Nevers", 90, -610),
    "Lycée Jules Renard": ("Nevers", 560, 720),
    "Banlay": ("Nevers", 690, 1350),
    "Grande Pâture": ("Nevers", -980, 1180),
    "Courlis": ("Nevers", -760, 1560),
    "Montôts": ("Nevers", -420, 1690),
    "Champ de Foire": ("Nevers", 780, -60),
    "Baratte": ("Nevers", 1890, -560),
    "Mouësse": ("Nevers", 1490, -330),
    "Lycée Raoul Follereau": ("Nevers", -210, 980),
    "Université": ("Nevers", 380, 1080),
    "Montapins": ("Nevers", -1370, 320),
    "Pôle hospitalier": ("Nevers", -1690, 980),
    "Saint-Gildard": ("Nevers", -330, 250),
    "Sablons": ("Nevers", 120, -1160),
    "Jonction": ("Nevers", 170, -1540),
    "Fonmorigny": ("Nevers", 310, 480),
    "Centre Expo": ("Nevers", 1060, -420),
    "Bords de Loire": ("Nevers", 640, -610),
    "Dépôt": ("Nevers", 1330, 640),
    "Vauzelles Mairie": ("Varennes-Vauzelles", -160, -330),
    "Crot Cizeau": ("Varennes-Vauzelles", 320, -680),
    "Technicentre": ("Varennes-Vauzelles", -420, -1010),
    "Carrefour des Bois": ("Varennes-Vauzelles", 540, -250),
    "Varennes Bourg": ("Varennes-Vauzelles", 210, 890),
    "Veninges": ("Varennes-Vauzelles", 60, 310),
    "Zone du Bengy": ("Varennes-Vauzelles", 780, -930),
    "Les Aciéries": ("Varennes-Vauzelles", -780, -640),
    "Fourchambault Mairie": ("Fourchambault", 30, -60),
    "Garenne": ("Fourchambault", 420, 210),
    "Meunier": ("Fourchambault", -210, -380),
    "Gambetta": ("Fourchambault", 160, 330),
    "Garchizy Gare": ("Garchizy", -240, -210),
    "Garchizy Bourg": ("Garchizy", 60, 40),
    "Chevannes": ("Garchizy", 560, 390),
    "Marzy Bourg": ("Marzy", 40, 60),
    "Corcelles": ("Marzy", 1180, 480),
    "Quatre Pavillons": ("Marzy", 1790, 260),
    "Pougues Thermes": ("Pougues-les-Eaux", 210, -310),
    "Pougues Mairie": ("Pougues-les-Eaux", -30, 60),
    "Mont Givre": ("Pougues-les-Eaux", 420, 380),
    "Pougues Casino": ("Pougues-les-Eaux", 110, -80),
    "Germigny Bourg": ("Germigny-sur-Loire", 60, -40),
    "Germigny Soulangy": ("Germigny-sur-Loire", 930, -720),
    "Coulanges Mairie": ("Coulanges-lès-Nevers", -110, -160),
    "Croix Joyeuse": ("Coulanges-lès-Nevers", -480, -610),
    "Pont Patin": ("Coulanges-lès-Nevers", -890, -1060),
    "Coulanges Stade": ("Coulanges-lès-Nevers", 260, 140),
    "Saint-Éloi Bourg": ("Saint-Éloi", 120, 60),
    "Trangy": ("Saint-Éloi", -780, -390),
    "Harlot": ("Saint-Éloi", -1560, -210),
    "Sermoise Bourg": ("Sermoise-sur-Loire", 180, -70),
    "Plagny": ("Sermoise-sur-Loire", -1980, -260),
    "Grèves": ("Sermoise-sur-Loire", -1310, 980),
    "Challuy Mairie": ("Challuy", 60, -30),
    "Aglan": ("Challuy", 560, 720),
    "Route de Lyon": ("Challuy", 820, 1480),
    "Gimouille Pont-Canal": ("Gimouille", -360, 210),
    "Gimouille Mairie": ("Gimouille", 120, -90),
    "Saincaize Gare": ("Saincaize-Meauce", 330, 410),
    "Meauce": ("Saincaize-Meauce", -610, -520),
    "Parigny Bourg": ("Parigny-les-Vaux", -40, 60),
    "Satinges": ("Parigny-les-Vaux", 310, -1480),
    "Mimont": ("Parigny-les-Vaux", -420, 690),
}

# Line, colour, rank of its frequency, stops from one end to the other. The first lines are those of a small scale.
_LINES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("T1", "E2001A", "main", (
        "Pôle hospitalier", "Grande Pâture", "Courlis", "Montôts", "Lycée Raoul Follereau", "Parc Roger Salengro",
        "Saint-Gildard", "Gare SNCF", "Carnot", "Hôtel de Ville", "Mossé", "Maison de la Culture", "Sablons",
        "Jonction", "Plagny")),
    ("10", "7A9A01", "local", (
        "Carnot", "Parc Roger Salengro", "Montôts", "Technicentre", "Les Aciéries", "Garchizy Gare", "Garchizy Bourg",
        "Chevannes", "Pougues Casino", "Pougues Thermes", "Pougues Mairie", "Mont Givre")),
    ("T2", "00843B", "main", (
        "Zone du Bengy", "Crot Cizeau", "Carrefour des Bois", "Vauzelles Mairie", "Technicentre", "Banlay",
        "Université", "Lycée Jules Renard", "Fonmorigny", "Carnot", "Gare SNCF", "Porte du Croux", "Montapins")),
    ("T3", "0064B0", "main", (
        "Baratte", "Mouësse", "Centre Expo", "Champ de Foire", "Saint-Pierre", "Hôtel de Ville", "Carnot",
        "Gare SNCF", "Montapins", "Quatre Pavillons", "Corcelles", "Marzy Bourg")),
    ("T4", "F39200", "main", (
        "Fourchambault Mairie", "Garenne", "Gambetta", "Meunier", "Les Aciéries", "Pôle hospitalier", "Grande Pâture",
        "Saint-Gildard", "Gare SNCF", "Carnot", "Saint-Pierre")),
    ("11", "9B5BA5", "local", (
        "Gare SNCF", "Carnot", "Fonmorigny", "Lycée Jules Renard", "Pont Patin", "Croix Joyeuse", "Coulanges Mairie",
        "Coulanges Stade")),
    ("12", "00A3A6", "local", (
        "Gare SNCF", "Carnot", "Champ de Foire", "Mouësse", "Harlot", "Trangy", "Saint-Éloi Bourg")),
    ("13", "B8860B", "local", (
        "Carnot", "Mossé", "Maison de la Culture", "Sablons", "Route de Lyon", "Aglan", "Challuy Mairie",
        "Gimouille Mairie", "Gimouille Pont-Canal")),
    ("14", "C2185B", "local", (
        "Carnot", "Mossé", "Sablons", "Jonction", "Grèves", "Plagny", "Sermoise Bourg")),
    ("15", "5D4037", "local", (
        "Gare SNCF", "Saint-Gildard", "Pôle hospitalier", "Fourchambault Mairie", "Garchizy Gare",
        "Germigny Soulangy", "Germigny Bourg")),
    ("16", "455A64", "rare", (
        "Carnot", "Banlay", "Vauzelles Mairie", "Veninges", "Varennes Bourg", "Satinges", "Parigny Bourg", "Mimont")),
    ("17", "689F38", "rare", (
        "Carnot", "Sablons", "Challuy Mairie", "Gimouille Mairie", "Saincaize Gare", "Meauce")),
    ("18", "1976D2", "rare", (
        "Lycée Raoul Follereau", "Parc Roger Salengro", "Carnot", "Mossé", "Bords de Loire", "Centre Expo",
        "Baratte")),
    ("19", "D81B60", "rare", (
        "Zone du Bengy", "Carrefour des Bois", "Vauzelles Mairie", "Les Aciéries", "Pôle hospitalier")),
    ("NCV", "607D8B", "shuttle", (
        "Gare SNCF", "Porte du Croux", "Mossé", "Hôtel de Ville", "Saint-Pierre", "Carnot", "Saint-Gildard",
        "Gare SNCF")),
)  # fmt: skip

WEEKDAY, VACATION, SATURDAY, SUNDAY = "LAV", "VAC", "SAM", "DIM"
# First and last departure (hours of the service day: past 24 is after midnight), minutes between two at the peaks and
# outside them, by service. A line that is not there does not run.
_SERVICE: dict[str, dict[str, tuple[float, float, int, int]]] = {
    "main": {
        WEEKDAY: (5.75, 21.0, 12, 20), VACATION: (6.0, 21.0, 20, 25), SATURDAY: (6.25, 24.25, 25, 30),
        SUNDAY: (8.5, 19.5, 60, 60),
    },
    "local": {WEEKDAY: (6.25, 19.5, 40, 75), VACATION: (6.5, 19.0, 75, 90), SATURDAY: (7.5, 18.5, 120, 120)},
    "rare": {WEEKDAY: (6.5, 18.75, 60, 180), VACATION: (7.0, 18.5, 180, 240), SATURDAY: (8.5, 17.5, 240, 240)},
    "shuttle": {WEEKDAY: (7.5, 19.25, 15, 15), VACATION: (8.0, 19.0, 20, 20), SATURDAY: (9.0, 19.0, 15, 15)},
}  # fmt: skip
_PEAKS = ((6.75, 9.0), (16.25, 18.75))

# Holidays of zone A, first day off and first day back.
_SCHOOL_HOLIDAYS = tuple(
    (date.fromisoformat(a), date.fromisoformat(b))
    for a, b in (
        ("2025-10-18", "2025-11-03"), ("2025-12-20", "2026-01-05"), ("2026-02-07", "2026-02-23"),
        ("2026-04-04", "2026-04-20"), ("2026-07-04", "2026-09-01"), ("2026-10-17", "2026-11-02"),
        ("2026-12-19", "2027-01-04"), ("2027-02-13", "2027-03-01"), ("2027-04-10", "2027-04-26"),
    )
)  # fmt: skip
_NO_SERVICE = {(1, 1), (5, 1), (12, 25)}

# Code, label, price in euros, whether it is a pass: schedule export and ticketing speak of the same products.
FARES = (
    ("TU", "Ticket unité", 1.3, False),
    ("C10", "Carnet 10 voyages", 10.5, False),
    ("J24", "Titre 24 heures", 3.5, False),
    ("MTP", "Mensuel tout public", 29.0, True),
    ("M26", "Mensuel moins de 26 ans", 19.0, True),
    ("SCO", "Scolaire", 0.0, True),
)

_METRES_PER_DEGREE = 111_320
_URBAN_M_MIN, _ROAD_M_MIN, _FAR_M = 290, 560, 1500  # 17 and 34 km/h; stops farther apart are on the open road
_DETOUR = 1.3  # streets are no straight lines
_PLACED_M = 25
_LAYOVER_S = 420  # before a vehicle leaves again

# The timetable changes once: announced on the 22nd day, in force from the 29th.
ANNOUNCED_DAY, CHANGED_DAY = 21, 28
_SHIFT_S = 300  # of the second line's departures


@dataclass(frozen=True)
class Place:
    """A stop as people know it; buses stop on one side of the street or the other."""

    code: str
    name: str
    commune: Commune
    longitude: float
    latitude: float

    def point(self, direction: int) -> str:
        """Identifier of the stop on the side of a direction."""
        return f"{self.code}{'AR'[direction]}"


@dataclass(frozen=True)
class Line:
    """A line; `offsets` are seconds from the first stop, for each direction."""

    id: str
    colour: str
    rank: str
    places: tuple[Place, ...]

    def stops(self, direction: int) -> tuple[Place, ...]:
        """In the order they are served."""
        return self.places if direction == 0 else self.places[::-1]

    @property
    def name(self) -> str:
        """`first - last`."""
        return f"{self.places[0].name} - {self.places[-1].name}"

    @cached_property
    def offsets(self) -> tuple[Ints, Ints]:
        """Whole minutes, at least one from a stop to the next."""
        legs = np.array([_minutes(a, b) for a, b in zip(self.places, self.places[1:], strict=False)], dtype=np.int64)
        return _sums(legs), _sums(legs[::-1])


@dataclass(frozen=True)
class Trip:
    """One scheduled trip of a service; `departure` is in seconds of the service day."""

    id: str
    line: Line
    direction: int
    service: str
    departure: int
    vehicle: str

    @property
    def times(self) -> Ints:
        """Seconds of the service day at each stop."""
        return self.departure + self.line.offsets[self.direction]

    @property
    def points(self) -> list[str]:
        """Stop of each time."""
        return [place.point(self.direction) for place in self.line.stops(self.direction)]


@dataclass(frozen=True)
class Timetable:
    """What one schedule export says, and the days it is in force from (included) to (excluded)."""

    number: int
    published: date
    first: date
    last: date
    lines: tuple[Line, ...]
    trips: tuple[Trip, ...]

    @cached_property
    def of_service(self) -> dict[str, list[Trip]]:
        """Trips by service."""
        found: dict[str, list[Trip]] = {}
        for trip in self.trips:
            found.setdefault(trip.service, []).append(trip)
        return found


def lines(job: Job) -> tuple[Line, ...]:
    """The lines, two at least."""
    known = places(job)
    kept = _LINES[: min(len(_LINES), job.count(len(_LINES), least=2))]
    return tuple(Line(ident, colour, rank, tuple(known[n] for n in names)) for ident, colour, rank, names in kept)


def places(job: Job) -> dict[str, Place]:
    """Every stop, by name, those of lines that a small scale leaves out too."""
    found: dict[str, Place] = {}
    for number, (name, (town, east, north)) in enumerate(_PLACES.items(), start=1):
        home = assets.commune(job, town)
        per_degree = _METRES_PER_DEGREE * math.cos(math.radians(home.latitude))
        # Where exactly the pole stands is another in each territory.
        aside, along = job.rng("transit", "place", number).uniform(-_PLACED_M, _PLACED_M, 2).tolist()
        longitude = home.longitude + (east + aside) / per_degree
        latitude = home.latitude + (north + along) / _METRES_PER_DEGREE
        found[name] = Place(f"S{number:03d}", name, home, round(longitude, 6), round(latitude, 6))
    return found


def service_on(day: date) -> str | None:
    """The service of a day, or None on the three days a year without any."""
    if (day.month, day.day) in _NO_SERVICE:
        return None
    if day.weekday() == 6 or is_holiday(day):
        return SUNDAY
    if day.weekday() == 5:
        return SATURDAY
    return VACATION if any(first <= day < back for first, back in _SCHOOL_HOLIDAYS) else WEEKDAY


def timetables(job: Job) -> list[Timetable]:
    """The timetable at the start of the period, and the one that replaces it when the period is long enough."""
    known = lines(job)
    begin, end = job.start - timedelta(days=35), job.start + timedelta(days=120)
    found = [Timetable(0, job.start, begin, end, known, _trips(known, 0))]
    if job.days > ANNOUNCED_DAY:
        announced, changed = (job.start + timedelta(days=n) for n in (ANNOUNCED_DAY, CHANGED_DAY))
        found.append(Timetable(1, announced, changed, end, known, _trips(known, _SHIFT_S)))
    return found


def in_force(tables: list[Timetable], day: date) -> Timetable:
    """The last timetable whose days have begun."""
    return next((t for t in reversed(tables) if t.first <= day), tables[0])


def trips_on(tables: list[Timetable], day: date) -> list[Trip]:
    """What is scheduled on a day."""
    service = service_on(day)
    return in_force(tables, day).of_service.get(service, []) if service else []


def noon_less_12(job: Job, day: date) -> int:
    """The instant that times of a service day are counted from: midnight, but for the two days the clock changes."""
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=job.territory.zone).timestamp()) - 43_200


def _trips(known: tuple[Line, ...], shift: int) -> tuple[Trip, ...]:
    found: list[Trip] = []
    for number, line in enumerate(known):
        late = shift if number == 1 else 0
        for service, hours in _SERVICE[line.rank].items():
            starts = [
                (start + late, direction, n) for n, start in enumerate(_departures(*hours)) for direction in (0, 1)
            ]
            vehicles = _vehicles(line, [(start, direction) for start, direction, _ in sorted(starts)])
            found += [
                Trip(
                    f"{line.id}-{'AR'[direction]}-{service}-{n:03d}", line, direction, service, start,
                    f"{100 + 20 * number + vehicle}",
                )
                for (start, direction, n), vehicle in zip(starts, vehicles, strict=True)
            ]  # fmt: skip
    return tuple(sorted(found, key=lambda trip: trip.id))


def _vehicles(line: Line, starts: list[tuple[int, int]]) -> list[int]:
    """Which vehicle of the line works each departure: one that has come to that end and rested, else another."""
    waiting: list[tuple[int, int]] = []  # end the vehicle is at, as the direction it can leave in; since when
    chosen: list[int] = []
    for start, direction in starts:
        free = [v for v, (end, since) in enumerate(waiting) if end == direction and since + _LAYOVER_S <= start]
        vehicle = free[0] if free else len(waiting)
        there = (1 - direction, start + int(line.offsets[direction][-1]))
        waiting[vehicle : vehicle + 1] = [there]
        chosen.append(vehicle)
    return chosen


def _departures(first: float, last: float, peak: int, off: int) -> list[int]:
    minute, found = round(first * 60), []
    while minute <= last * 60:
        found.append(minute * 60)
        minute += peak if any(a * 60 <= minute < b * 60 for a, b in _PEAKS) else off
    return found


def _minutes(one: Place, other: Place) -> int:
    metres = distance_m(one.longitude, one.latitude, other.longitude, other.latitude) * _DETOUR
    return max(1, round(metres / (_ROAD_M_MIN if metres > _FAR_M else _URBAN_M_MIN)))


def distance_m(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """Metres between two points of a town (the earth is flat there)."""
    east = (other_longitude - longitude) * math.cos(math.radians(latitude))
    return math.hypot(east, other_latitude - latitude) * _METRES_PER_DEGREE


def _sums(minutes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(minutes * 60)]).astype(np.int64)
