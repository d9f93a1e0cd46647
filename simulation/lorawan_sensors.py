"""What LoRaWAN sensors measure, as the bytes they send and the object the server decodes.

Belongs here: the signals and their encoding. Does not: frames, servers, losses.
"""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import numpy as np

from simulation.clock import Axis, Floats, profile

if TYPE_CHECKING:
    from collections.abc import Callable

Quantities = list[tuple[str, Floats, int]]  # name, values, decimals sent

_OCCUPIED: dict[float, float] = {0: 0.0, 8: 0.05, 9.5: 0.8, 12: 1.0, 13: 0.5, 15.5: 1.0, 18: 0.15, 20: 0.0}
_NOISE: dict[float, float] = {0: 41, 4: 38, 7.5: 60, 12: 58, 17.5: 63, 20: 55}


def readings(rng: np.random.Generator, clock: Axis, usage: str) -> tuple[list[str], list[str]]:
    """Per frame: the payload in base64, and the decoded object as JSON."""
    quantities = _SIGNALS[usage](rng, clock)
    quantities.append(("battery", battery(rng, clock), 2))
    columns = [values.round(digits).tolist() for _, values, digits in quantities]
    names = [name for name, _, _ in quantities]
    whole = [digits == 0 for _, _, digits in quantities]
    scales = [10**digits for _, _, digits in quantities]
    # One signed 16-bit big-endian integer a quantity, scaled by its decimals.
    packer = struct.Struct(f">{len(names)}h")
    payloads: list[str] = []
    objects: list[str] = []
    for row in zip(*columns, strict=True):
        raw = packer.pack(*(round(value * scale) for value, scale in zip(row, scales, strict=True)))
        payloads.append(base64.b64encode(raw).decode("ascii"))
        cells = (f'"{n}":{int(v) if w else v}' for n, v, w in zip(names, row, whole, strict=True))
        objects.append(f"{{{','.join(cells)}}}")
    return payloads, objects


def outdoor(clock: Axis) -> Floats:
    """Degrees Celsius of the season and the hour; every sensor of the territory shares this weather."""
    year = 2 * np.pi * ((clock.epoch / 86400) % 365.25 - 105) / 365.25
    week = np.sin(clock.epoch / 86400 / 1.9) + np.sin(clock.epoch / 86400 / 4.3)
    return np.asarray(11.5 + 9 * np.sin(year) + 4.5 * np.cos(2 * np.pi * (clock.hour - 15) / 24) + 1.8 * week)


def indoor_air(rng: np.random.Generator, clock: Axis) -> Quantities:
    """A room that people breathe in, on working days."""
    people = np.where(clock.working, profile(clock.hour, _OCCUPIED), 0.0) * float(rng.uniform(0.5, 1.4))
    size = len(people)
    co2 = 425 + 780 * people + rng.normal(0, 25, size)
    temperature = 18.2 + 2.6 * people + 0.08 * (outdoor(clock) - 10) + rng.normal(0, 0.15, size)
    humidity = 45 + 6 * people + rng.normal(0, 1.5, size)
    return [("temperature", temperature, 1), ("humidity", humidity.clip(15, 95), 1), ("co2", co2.clip(400, 5000), 0)]


def _weather(rng: np.random.Generator, clock: Axis) -> Quantities:
    size = len(clock.epoch)
    temperature = outdoor(clock) + float(rng.normal(0, 0.8)) + rng.normal(0, 0.2, size)
    humidity = 78 - 2.2 * (temperature - 11) + rng.normal(0, 2, size)
    return [("temperature", temperature, 1), ("humidity", humidity.clip(20, 100), 1)]


def water_level(rng: np.random.Generator, clock: Axis) -> Quantities:
    """Millimetres from the sensor down to the water."""
    walk = np.cumsum(rng.normal(0, 2.5, len(clock.epoch)))
    return [("distance", (float(rng.uniform(1500, 3500)) + walk).clip(300, 9900), 0)]


def _bin(rng: np.random.Generator, clock: Axis) -> Quantities:
    """Per cent full; emptied every few days at six in the morning."""
    every, rate = int(rng.integers(3, 8)), float(rng.uniform(8, 16))
    age = ((clock.local / 86400 - 0.25) + int(rng.integers(every))) % every
    return [("fill_level", (age * rate + rng.normal(0, 1, len(age))).clip(0, 100), 0)]


def _noise(rng: np.random.Generator, clock: Axis) -> Quantities:
    quiet = np.where(clock.working, 0.0, -4.0)
    level = profile(clock.hour, _NOISE) + quiet + rng.normal(0, 2.2, len(quiet))
    return [("laeq", level.clip(28, 100), 1)]


def battery(rng: np.random.Generator, clock: Axis) -> Floats:
    """Volts: a lithium cell that declines a little over the period."""
    worn = (clock.epoch - clock.epoch[0]) / 86400 * 0.0006
    return np.asarray(float(rng.uniform(3.45, 3.66)) - worn + rng.normal(0, 0.004, len(worn)))


_SIGNALS: dict[str, Callable[[np.random.Generator, Axis], Quantities]] = {
    "qualité de l'air intérieur": indoor_air,
    "météo urbaine": _weather,
    "niveau d'eau": water_level,
    "remplissage des déchets": _bin,
    "bruit": _noise,
}
