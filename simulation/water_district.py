"""District metered areas: which sector drinks from which tank, the loggers on the pipes between, what they would show.

Belongs here: sectors, loggers, signs, and clean flows that add up: what enters a sector less what leaves it is drawn or
lost there. Does not: how much the tanks give (`water_network`), any file, any fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import Axis, Flags, Floats
from simulation.water_network import STEP_MINUTES, flows, leak, leaking_tank

if TYPE_CHECKING:
    from ingestion.territory import Commune
    from simulation.job import Job

STEPS_PER_HOUR = 60 // STEP_MINUTES
NIGHT_HOURS = (2.0, 4.0)  # the window of the minimum night flow, on the wall clock
METRES_PER_BAR = 10.197
# Communes whose network a private operator runs: the others' is run by the authority itself.
DELEGATED = ("Parigny-les-Vaux", "Saint-Éloi")

# For each tank of the catalogue in `assets`, in its order: label, commune, share of the tank's water, km of mains.
_CATALOGUE: tuple[tuple[tuple[str, str, float, float], ...], ...] = (
    (("Vieux Nevers", "Nevers", 0.40, 24), ("Gare et quais", "Nevers", 0.35, 20), ("Les Loges", "Nevers", 0.25, 18)),
    (("Le Banlay", "Nevers", 0.55, 22), ("La Grande Pâture", "Nevers", 0.45, 20)),
    (("Les Montapins", "Nevers", 1.0, 21),),
    (("Bourg de Coulanges", "Coulanges-lès-Nevers", 1.0, 22),),
    (("Vauzelles centre", "Varennes-Vauzelles", 1.0, 28),),
    (("Veninges", "Varennes-Vauzelles", 1.0, 22),),
    (("Fourchambault", "Fourchambault", 1.0, 20),),
    (("Garchizy", "Garchizy", 1.0, 22),),
    (("Marzy", "Marzy", 1.0, 27),),
    (("Bourg de Pougues", "Pougues-les-Eaux", 0.75, 20), ("Germigny", "Germigny-sur-Loire", 0.25, 10)),
    (("Parigny", "Parigny-les-Vaux", 1.0, 20),),
    (("Challuy", "Challuy", 0.5, 13), ("Sermoise", "Sermoise-sur-Loire", 0.5, 14)),
    (("Saint-Éloi", "Saint-Éloi", 1.0, 22),),
    (("Gimouille", "Gimouille", 0.53, 8), ("Saincaize", "Saincaize-Meauce", 0.47, 9)),
)  # fmt: skip
TRUNK_SHARE = 18 / 400  # of all mains: those that serve no sector, from plants to tanks
# Inhabitants behind one service connection: flats in the town, houses elsewhere.
_PER_CONNECTION = {"Nevers": 3.4, "Varennes-Vauzelles": 2.6}
_PER_CONNECTION_ELSEWHERE = 2.2
_FIRST_INLET = 0.68  # of the tank's water
_BRANCH_SHARE = 0.14  # of what its sector draws
_LINK_SHARE = 0.1  # at most, of the smaller neighbour's flow

CLOSED, ONE_WAY, REVERSIBLE = "closed", "one_way", "reversible"


@dataclass(frozen=True)
class Sector:
    """One metered area. `zone` is the number of its tank; `share` its part of that tank's water."""

    sector_id: str
    label: str
    commune: Commune
    zone: int
    share: float
    length_km: float
    connections: int
    inhabitants: int
    night_pressure_m: float


@dataclass(frozen=True)
class Logger:
    """One data logger, on a meter: at the border of a sector, or (`kind` branch) on a branch inside one."""

    native_id: str
    label: str
    kind: str
    sector: Sector  # where it stands


@dataclass(frozen=True)
class District:
    """All areas: `signs` are (sector, logger, +1 what comes in or -1 what goes out)."""

    sectors: tuple[Sector, ...]
    loggers: tuple[Logger, ...]
    signs: tuple[tuple[Sector, Logger, int], ...]

    def zone(self, number: int) -> list[Sector]:
        """The sectors of one tank, from upstream to downstream."""
        return [sector for sector in self.sectors if sector.zone == number]

    @property
    def zones(self) -> range:
        """Numbers of the tanks."""
        return range(self.sectors[-1].zone + 1)


@dataclass(frozen=True)
class Signals:
    """What happens: m3/h and bar by step and logger, and what each sector draws and loses."""

    flow: dict[str, Floats]
    pressure: dict[str, Floats]
    drawn: dict[str, Floats]
    lost: dict[str, Floats]


def district(job: Job) -> District:
    """The areas of the tanks that there are: 20 sectors and 66 loggers at scale 1."""
    tanks = [unit for unit in assets.units(job) if unit.category == "reservoir"]
    sectors: list[Sector] = []
    for zone in range(len(tanks)):
        sectors += [_sector(job, len(sectors) + n, zone, n) for n in range(len(_CATALOGUE[zone % len(_CATALOGUE)]))]
    areas = [[sector for sector in sectors if sector.zone == zone] for zone in range(len(tanks))]
    loggers: list[Logger] = []
    signs: list[tuple[Sector, Logger, int]] = []

    def add(kind: str, label: str, home: Sector, into: Sector | None, out_of: Sector | None) -> None:
        logger = Logger(f"ENR{len(loggers) + 1:03d}", label, kind, home)
        loggers.append(logger)
        signs.extend((sector, logger, sign) for sector, sign in ((into, 1), (out_of, -1)) if sector is not None)

    for area in areas:
        for kind, name in (("inlet_a", "Entrée principale"), ("inlet_b", "Entrée secondaire")):
            add(kind, f"{name} {area[0].label}", area[0], area[0], None)
        for upper, lower in pairwise(area):
            add("transfer", f"Transit {upper.label} - {lower.label}", lower, lower, upper)
        for sector in area:
            if sector.commune.name not in DELEGATED:
                add("branch", f"Antenne {sector.label}", sector, None, None)
    for zone, following in _links(len(areas)):
        upper, lower = areas[zone][-1], areas[following][0]
        add(_link_kind(zone), f"Maillage {upper.label} - {lower.label}", upper, lower, upper)
    return District(tuple(sectors), tuple(loggers), tuple(signs))


def _links(zones: int) -> list[tuple[int, int]]:
    """Neighbours that a pipe joins: a ring from three zones on."""
    if zones < 2:
        return []
    return [(zone, (zone + 1) % zones) for zone in range(zones if zones > 2 else 1)]


def _link_kind(zone: int) -> str:
    return (REVERSIBLE, CLOSED, ONE_WAY)[zone % 3]


def _sector(job: Job, number: int, zone: int, rank: int) -> Sector:
    """`number` counts all sectors, `rank` those of the zone."""
    rng = job.rng("water_district", "sector", number)
    label, town, share, length = _CATALOGUE[zone % len(_CATALOGUE)][rank]
    home = assets.commune(job, town)
    lengths = [entry[3] for area in _CATALOGUE for entry in area if entry[1] == town]
    inhabitants = round(home.population * length / sum(lengths))
    title = label if zone < len(_CATALOGUE) else f"{label} n°{zone // len(_CATALOGUE) + 1}"
    connections = round(inhabitants / _PER_CONNECTION.get(town, _PER_CONNECTION_ELSEWHERE))
    pressure = round(float(rng.uniform(38, 58)), 1)
    code = f"SEC{number + 1:02d}"
    return Sector(code, title, home, zone, share, float(length), connections, inhabitants, pressure)


def signals(job: Job, axis: Axis, network: District) -> Signals:
    """Flows that add up: for each sector, the signed sum of its loggers is what is drawn and lost in it."""
    tanks = [unit for unit in assets.units(job) if unit.category == "reservoir"]
    moved = flows(job, axis, tanks)
    given = [moved[tank.native_id].rate for tank in tanks]
    linked = _linked(job, axis, given)
    nothing = np.zeros(len(axis.epoch))
    flow: dict[str, Floats] = {}
    drawn: dict[str, Floats] = {}
    lost = {sector.sector_id: nothing for sector in network.sectors}
    loggers = {(logger.kind, logger.sector.sector_id): logger.native_id for logger in network.loggers}
    for zone in network.zones:
        area = network.zone(zone)
        came = linked.get((zone - 1) % len(given), nothing) if len(given) > 1 else nothing
        went = linked.get(zone, nothing)
        if zone == leaking_tank(len(given)):
            lost[area[-1].sector_id] = leak(axis).rate
        for sector, share in zip(area, _shares(job, axis, area), strict=True):
            drawn[sector.sector_id] = share * (given[zone] + came - went - lost[area[-1].sector_id])
        rng = job.rng("water_district", "inlet", zone)
        first = given[zone] * (_FIRST_INLET + rng.normal(0, 0.01, len(nothing)))
        flow[loggers["inlet_a", area[0].sector_id]] = first
        flow[loggers["inlet_b", area[0].sector_id]] = given[zone] - first
        below = went
        for sector in reversed(area[1:]):
            below = below + drawn[sector.sector_id] + lost[sector.sector_id]
            flow[loggers["transfer", sector.sector_id]] = below
        for sector in area:
            if ("branch", sector.sector_id) in loggers:
                flow[loggers["branch", sector.sector_id]] = _BRANCH_SHARE * drawn[sector.sector_id]
        if zone in linked:
            flow[loggers[_link_kind(zone), area[-1].sector_id]] = went
    return Signals(flow, _pressures(job, network, given), drawn, lost)


def _linked(job: Job, axis: Axis, given: list[Floats]) -> dict[int, Floats]:
    """What each zone sends to the next, m3/h; less than nothing when the next sends it."""
    found: dict[int, Floats] = {}
    for zone, following in _links(len(given)):
        rng = job.rng("water_district", "link", zone)
        size = _LINK_SHARE * np.minimum(given[zone], given[following])
        wave = np.cos(2 * np.pi * (axis.hour - 3) / 24) + rng.normal(0, 0.08, len(size))
        shape = {CLOSED: 0.0 * wave, ONE_WAY: 0.6 + 0.3 * wave, REVERSIBLE: 0.9 * wave}[_link_kind(zone)]
        found[zone] = np.asarray(size * shape, dtype=np.float64)
    return found


def _shares(job: Job, axis: Axis, area: list[Sector]) -> list[Floats]:
    """How the sectors of a zone divide what is drawn in it; one at every step."""
    rng = job.rng("water_district", "share", area[0].zone)
    parts = [sector.share * (1 + rng.normal(0, 0.03, len(axis.epoch)).clip(-0.1, 0.1)) for sector in area]
    return [part / np.sum(parts, axis=0) for part in parts]


def _pressures(job: Job, network: District, given: list[Floats]) -> dict[str, Floats]:
    """Bar at each logger: highest at night, when little is drawn."""
    found: dict[str, Floats] = {}
    for logger in network.loggers:
        rng = job.rng("water_district", "pressure", logger.native_id)
        rate = given[logger.sector.zone]
        night = logger.sector.night_pressure_m / METRES_PER_BAR + float(rng.uniform(-0.2, 0.2))
        fall = 0.35 * (rate / rate.mean() - 0.4)
        found[logger.native_id] = np.asarray(night - fall + rng.normal(0, 0.02, len(rate)), dtype=np.float64)
    return found


def night(axis: Axis) -> Flags:
    """The steps of the window of the minimum night flow."""
    begin, end = NIGHT_HOURS
    return (axis.hour >= begin) & (axis.hour < end)
