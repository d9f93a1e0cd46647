"""The pipes under the streets: where they run, what they are made of, since when, and their past repairs.

Belongs here: a network of the right length for each sector, in Lambert-93, and the trunk mains that feed them.
Does not: the file it is delivered in (`water_gis`), the repairs of the period (`water_work_orders`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from simulation.water_district import DELEGATED, TRUNK_SHARE, Sector, district

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.territory import Commune
    from simulation.job import Job

Points = list[tuple[float, float]]

EN_SERVICE, ABANDON, EN_PROJET = "en_service", "abandon", "en_projet"
# Until when a material was laid, and what the mains of the time are made of.
_ERAS: tuple[tuple[int, tuple[str, ...], tuple[float, ...]], ...] = (
    (1950, ("fg", "acier"), (0.85, 0.15)),
    (1970, ("fg", "amci", "acier"), (0.6, 0.25, 0.15)),
    (1985, ("fd", "pvca", "amci"), (0.5, 0.38, 0.12)),
    (2005, ("fd", "pvc", "pehd"), (0.47, 0.43, 0.10)),
    (9999, ("fd", "pehd", "pvcbo", "pvc"), (0.42, 0.34, 0.14, 0.10)),
)
_DECADES = (1920, 1930, 1940, 1950, 1960, 1970, 1980, 1990, 2000, 2010, 2020)
_DECADE_SHARES = (0.03, 0.04, 0.03, 0.09, 0.20, 0.19, 0.13, 0.11, 0.09, 0.07, 0.02)
_DIAMETERS_MM = {"distribution": (60, 80, 100, 110, 125, 150, 200), "adduction": (200, 250, 300, 400)}
_STEP_M = {"distribution": (35.0, 150.0), "adduction": (250.0, 700.0)}
_UNKNOWN_YEAR_SHARE, _DECADE_ONLY_SHARE, _NO_CODE_SHARE = 0.12, 0.15, 0.01
_OUT_OF_USE = ((ABANDON, 0.03), (EN_PROJET, 0.004))  # beside the pipes in service, share of their number
_BRANCHING = 0.35  # how often a pipe leaves from an older knot than the last
_FRAGILE = {"fg": 3.0, "amci": 2.5, "acier": 2.0, "pvca": 1.8}  # against 1 for the others
_REPAIRS_PER_KM_YEAR = 0.11
_REPAIR_YEARS = 10
REPAIR_PLACES = ("Canalisation", "Branchement", "Robinetterie", "Fontainerie", "Indéterminé")
REPAIR_TYPES = ("Casse nette", "Fissure", "Joint", "Percement", "Casse longitudinale", "Indéterminé")
REPAIR_CAUSES = ("Mouvement de terrain", "Corrosion externe", "Corrosion interne", "Tiers", "Surpression", "Gel")

# Lambert-93 (EPSG:2154): the conformal conic of IGN, constants of its definition on GRS80.
_EXPONENT, _SCALE = 0.7256077650532670, 11_754_255.426096
_EAST_0, _NORTH_0, _MERIDIAN, _ECCENTRICITY = 700_000.0, 12_655_612.049876, 3.0, 0.0818191910428158


@dataclass(frozen=True)
class Pipe:
    """One pipe. `code` is the asset code, null for a few; `year` null when nobody knows; `years` when only roughly."""

    number: int
    code: str | None
    sector: Sector | None
    commune: Commune
    function: str
    state: str
    material: str
    diameter_mm: int
    year: int | None
    years: tuple[int | None, int | None]
    knots: tuple[int, int]
    points: tuple[tuple[float, float], ...]

    @property
    def length_m(self) -> float:
        """Length of its line."""
        return _length(self.points)

    @property
    def delegated(self) -> bool:
        """Whether the private operator runs it."""
        return self.commune.name in DELEGATED


@dataclass(frozen=True)
class Repair:
    """One repair of the past."""

    repair_id: str
    pipe: Pipe
    when: date
    point: tuple[float, float]
    place: str
    kind: str
    cause: str


def lambert93(longitude: float, latitude: float) -> tuple[float, float]:
    """Metres east and north of a point on GRS80 (WGS84 to a decimetre)."""
    sine = math.sin(math.radians(latitude))
    isometric = math.atanh(sine) - _ECCENTRICITY * math.atanh(_ECCENTRICITY * sine)
    radius = _SCALE * math.exp(-_EXPONENT * isometric)
    angle = _EXPONENT * math.radians(longitude - _MERIDIAN)
    return _EAST_0 + radius * math.sin(angle), _NORTH_0 - radius * math.cos(angle)


def pipes(job: Job) -> list[Pipe]:
    """Every pipe: the sectors' mains, exactly as long as the sectors' table says, the trunk mains, those out of use."""
    network = district(job)
    found: list[Pipe] = []
    knots = 0
    for sector in network.sectors:
        rng = job.rng("water_pipes", sector.sector_id)
        lines = list(_grown(rng, _centre(rng, sector.commune), sector.length_km * 1000, "distribution"))
        found += _laid(rng, lines, len(found), knots, sector.commune, sector)
        knots += len(lines) + 1
    trunk = sum(sector.length_km for sector in network.sectors) * 1000 * TRUNK_SHARE / (1 - TRUNK_SHARE)
    for zone in network.zones:
        home = network.zone(zone)[0].commune
        rng = job.rng("water_pipes", "trunk", zone)
        lines = list(_grown(rng, _centre(rng, home), trunk / len(network.zones), "adduction"))
        found += _laid(rng, lines, len(found), knots, home, None)
        knots += len(lines) + 1
    return found + _out_of_use(job, found)


def repairs(job: Job, known: list[Pipe]) -> list[Repair]:
    """The repairs of ten years up to a month before the period, oldest first; brittle materials break more often."""
    rng = job.rng("water_pipes", "repairs")
    used = [pipe for pipe in known if pipe.state == EN_SERVICE and pipe.code]
    length = np.array([pipe.length_m for pipe in used])
    weight = length * np.array([_FRAGILE.get(pipe.material, 1.0) for pipe in used])
    count = max(3, round(float(length.sum()) / 1000 * _REPAIRS_PER_KM_YEAR * _REPAIR_YEARS))
    chosen = rng.choice(len(used), size=count, p=weight / weight.sum()).tolist()
    ages = np.sort(rng.integers(30, 365 * _REPAIR_YEARS, count))[::-1].tolist()
    return [repair(rng, used[n], job.start - timedelta(days=age)) for n, age in zip(chosen, ages, strict=True)]


def repair(rng: np.random.Generator, pipe: Pipe, when: date) -> Repair:
    """A repair somewhere on a pipe."""
    (x1, y1), (x2, y2) = pipe.points[:2]
    at = float(rng.uniform(0.1, 0.9))
    return Repair(
        str(UUID(bytes=rng.bytes(16), version=4)),
        pipe,
        when,
        (x1 + at * (x2 - x1), y1 + at * (y2 - y1)),
        str(rng.choice(REPAIR_PLACES, p=(0.62, 0.22, 0.08, 0.04, 0.04))),
        str(rng.choice(REPAIR_TYPES, p=(0.28, 0.22, 0.2, 0.14, 0.1, 0.06))),
        str(rng.choice(REPAIR_CAUSES, p=(0.3, 0.28, 0.14, 0.12, 0.1, 0.06))),
    )


def _centre(rng: np.random.Generator, commune: Commune) -> tuple[float, float]:
    x, y = lambert93(commune.longitude, commune.latitude)
    return x + float(rng.uniform(-700, 700)), y + float(rng.uniform(-700, 700))


def _grown(
    rng: np.random.Generator, start: tuple[float, float], target: float, function: str
) -> Iterator[tuple[str, tuple[int, int], Points]]:
    """Lines that grow like streets from a centre, square to each other, until they have the length that is wanted."""
    heading = float(rng.uniform(0, math.pi / 2))
    ends = [(start, heading)]
    least, most = _STEP_M[function]
    while target > 0:
        origin = int(rng.integers(len(ends))) if rng.random() < _BRANCHING else len(ends) - 1
        (x, y), along = ends[origin]
        turn = float(rng.choice((0.0, math.pi / 2, -math.pi / 2), p=(0.6, 0.2, 0.2)))
        along += turn + float(rng.normal(0, 0.06))
        size = float(rng.uniform(least, most))
        if target - size < least:  # no stump: the last one takes the rest
            size = target
        bend = along + float(rng.normal(0, 0.1))
        middle = (x + size / 2 * math.cos(along), y + size / 2 * math.sin(along))
        end = (middle[0] + size / 2 * math.cos(bend), middle[1] + size / 2 * math.sin(bend))
        ends.append((end, along))
        target -= size
        yield function, (origin, len(ends) - 1), [(x, y), middle, end]


def _laid(
    rng: np.random.Generator,
    lines: list[tuple[str, tuple[int, int], Points]],
    before: int,
    knots: int,
    home: Commune,
    sector: Sector | None,
) -> list[Pipe]:
    """Pipes on these lines; streets are of one age, so years change along them only now and then."""
    laid: list[Pipe] = []
    year = _year(rng)
    for function, (begin, end), points in lines:
        if rng.random() < 0.25:
            year = _year(rng)
        number = before + len(laid) + 1
        known: int | None = year
        years: tuple[int | None, int | None] = (None, year)
        draw = float(rng.random())
        if draw < _UNKNOWN_YEAR_SHARE:
            known, years = None, (None, None)
        elif draw < _UNKNOWN_YEAR_SHARE + _DECADE_ONLY_SHARE:
            years = (year // 10 * 10, year // 10 * 10 + 9)
        code = None if rng.random() < _NO_CODE_SHARE else f"{home.insee}_AEP_CANA_{number:05d}"
        material = _material(rng, year)
        diameter = int(rng.choice(_DIAMETERS_MM[function]))
        laid.append(
            Pipe(
                number, code, sector, home, function, EN_SERVICE, material, diameter, known, years,
                (knots + begin + 1, knots + end + 1), tuple(points),
            )
        )  # fmt: skip
    return laid


def _out_of_use(job: Job, used: list[Pipe]) -> list[Pipe]:
    """Pipes left in the ground beside their successor, and pipes that are only planned."""
    rng = job.rng("water_pipes", "out_of_use")
    found: list[Pipe] = []
    for state, share in _OUT_OF_USE:
        for pick in rng.choice(len(used), size=max(1, round(share * len(used))), replace=False).tolist():
            twin = used[pick]
            number = len(used) + len(found) + 1
            old = state == ABANDON
            year = 1930 + int(rng.integers(35)) if old else job.start.year + 1
            points = tuple((x + 1.5, y + 1.5) for x, y in twin.points)
            found.append(
                Pipe(
                    number, f"{twin.commune.insee}_AEP_CANA_{number:05d}", twin.sector, twin.commune, twin.function,
                    state, "fg" if old else "fd", twin.diameter_mm, year if old else None,
                    (None, year if old else None), twin.knots, points,
                )
            )  # fmt: skip
    return found


def _year(rng: np.random.Generator) -> int:
    return int(rng.choice(_DECADES, p=_DECADE_SHARES)) + int(rng.integers(6))


def _material(rng: np.random.Generator, year: int) -> str:
    materials, shares = next((kinds, shares) for until, kinds, shares in _ERAS if year < until)
    return str(rng.choice(materials, p=shares))


def _length(points: tuple[tuple[float, float], ...]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))
