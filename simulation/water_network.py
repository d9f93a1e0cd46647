"""The water that moves through the network: what is drawn, what the plants make, what the instruments would show.

Belongs here: clean signals that balance (production = distribution + losses), the one leak among them.
Does not: any file, any fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.clock import DAY, Axis, Floats, profile

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

STEP_MINUTES = 15
# Cubic metres a day, first tanks serving the town; repeated when there are more tanks.
_TANK_DAILY = (2400, 1500, 1150, 900, 1250, 820, 760, 640, 600, 420, 230, 380, 310, 190)
_PLANT_SHARES = (0.45, 0.25, 0.18, 0.12)
_EFFICIENCY = 0.93  # of water made, what leaves the tanks; the rest is the plants' own use and trunk losses
_OTHER_DAILY = {"surpresseur": 260, "chambre": 700}
_DEMAND: dict[float, float] = {
    0: 0.45, 3: 0.35, 5: 0.5, 7.5: 1.75, 9: 1.35, 12: 1.4, 15: 0.95, 17: 1.1, 19.5: 1.7, 22: 0.8,
}  # fmt: skip
_LATE_DEMAND: dict[float, float] = {
    0: 0.5, 3: 0.35, 6: 0.4, 9.5: 1.6, 11: 1.6, 13: 1.4, 16: 1.0, 19.5: 1.6, 22: 0.9,
}  # fmt: skip
# Plants pump more at night, when electricity is cheaper.
_PUMPING: dict[float, float] = {0: 1.25, 5: 1.25, 8: 0.9, 13: 0.95, 19: 0.8, 22: 1.15}

# A leak that nobody has seen yet: it opens in mid-period on the second tank's network and grows.
_LEAK_ONSET_SHARE, _LEAK_ONSET_HOUR = 0.4, 14
_LEAK_FIRST_M3_H, _LEAK_GROWTH_M3_H = 0.6, 0.45  # at the onset, and what each day adds
_LEAK_NIGHT = 0.08  # at night, when pressure is high, that much more

_Signal = tuple[str, str, str, Floats, int]


@dataclass(frozen=True)
class Flow:
    """A unit's flow: `rate` in m3/h is the mean over the step that begins at the stamp. No `measure`, no counter."""

    measure: str
    rate: Floats

    @property
    def volume(self) -> Floats:
        """Cubic metres, by step."""
        return self.rate * (STEP_MINUTES / 60)


@dataclass(frozen=True)
class Leak:
    """Water lost through a hole: position of the first step concerned, and m3/h by step."""

    onset: int
    rate: Floats


def leak(axis: Axis) -> Leak:
    """The leak of the period."""
    begin, end = axis.bounds[int(axis.days * _LEAK_ONSET_SHARE)]
    onset = begin + int(np.argmax(axis.hour[begin:end] >= _LEAK_ONSET_HOUR))
    days = (axis.epoch - axis.epoch[onset]) / DAY
    pressure = 1 + _LEAK_NIGHT * np.cos(2 * np.pi * (axis.hour - 3) / 24)
    rate = np.where(days >= 0, (_LEAK_FIRST_M3_H + _LEAK_GROWTH_M3_H * days) * pressure, 0.0)
    return Leak(onset, np.asarray(rate, dtype=np.float64))


def leaking_tank(tanks: int) -> int:
    """Number of the tank, from 0, that feeds the leak."""
    return min(1, tanks - 1)


def flows(job: Job, axis: Axis, units: list[Asset]) -> dict[str, Flow]:
    """The flow of every unit. Plants make, day by day, what all tanks give out, divided by the efficiency."""
    found: dict[str, Flow] = {}
    tanks = [unit for unit in units if unit.category == "reservoir"]
    for number, unit in enumerate(tanks):
        base = _TANK_DAILY[number % len(_TANK_DAILY)]
        lost = leak(axis).rate if number == leaking_tank(len(tanks)) else 0.0
        found[unit.native_id] = Flow("distributed", _demand(job, axis, unit, base) + lost)
    given = axis.daily(np.sum([found[tank.native_id].volume for tank in tanks], axis=0))
    plants = [unit for unit in units if unit.category == "usine"]
    shares = np.array([_PLANT_SHARES[n % len(_PLANT_SHARES)] for n in range(len(plants))])
    for unit, share in zip(plants, shares / shares.sum(), strict=True):
        found[unit.native_id] = Flow("produced", _pumping(job, axis, unit, given / _EFFICIENCY * share))
    for unit in units:
        if unit.native_id not in found:
            measure = "sector" if unit.category == "chambre" else ""
            found[unit.native_id] = Flow(measure, _demand(job, axis, unit, _OTHER_DAILY[unit.category]))
    return found


def _demand(job: Job, axis: Axis, unit: Asset, daily: float) -> Floats:
    rng = job.rng("water_network", unit.native_id)
    shape = np.where(axis.working, profile(axis.hour, _DEMAND), profile(axis.hour, _LATE_DEMAND))
    by_day = rng.normal(1.0, 0.04, axis.days)[axis.day]
    return np.asarray(daily / 24 * shape * by_day * rng.normal(1.0, 0.05, len(shape)).clip(0.8, 1.2), dtype=np.float64)


def _pumping(job: Job, axis: Axis, unit: Asset, wanted: Floats) -> Floats:
    rng = job.rng("water_network", unit.native_id)
    shape = profile(axis.hour, _PUMPING) * rng.normal(1.0, 0.02, len(axis.epoch)).clip(0.9, 1.1)
    # Tanks store: a day's production is not exactly that day's demand.
    drawn = wanted * rng.normal(1.0, 0.015, axis.days)
    volume = shape / axis.daily(shape)[axis.day] * drawn[axis.day]
    return np.asarray(volume * (60 / STEP_MINUTES), dtype=np.float64)


def level(rng: np.random.Generator, axis: Axis) -> Floats:
    """Metres of water in a tank: full at dawn, low in the evening."""
    middle, swing = float(rng.uniform(2.6, 3.4)), float(rng.uniform(0.6, 1.1))
    wave = np.cos(2 * np.pi * (axis.hour - 6) / 24)
    return np.asarray(middle + swing * wave + rng.normal(0, 0.015, len(wave)), dtype=np.float64)


def side_signals(rng: np.random.Generator, axis: Axis, category: str, rate: Floats) -> list[_Signal]:
    """What else a unit measures: channel code, label, unit, values, decimals."""
    size = len(axis.epoch)
    relative = rate / rate.mean()
    if category == "usine":
        pressure = 6.2 - 0.4 * (relative - 1) + rng.normal(0, 0.03, size)
        chlorine = (0.32 + 0.05 * np.sin(2 * np.pi * axis.hour / 24) + rng.normal(0, 0.02, size)).clip(0.05, 0.8)
        power = rate * 0.46 + 4 + rng.normal(0, 0.5, size)
        return [
            ("PRS01", "Pression de refoulement", "bar", pressure, 2),
            ("CHL01", "Chlore résiduel libre", "mg/L", chlorine, 2),
            ("PUI01", "Puissance électrique appelée", "kW", power.clip(0), 1),
        ]
    if category == "reservoir":
        return []
    pressure = 4.6 - 0.5 * (relative - 1) + rng.normal(0, 0.04, size)
    return [("PRS01", "Pression amont" if category == "chambre" else "Pression aval", "bar", pressure.clip(0), 2)]
