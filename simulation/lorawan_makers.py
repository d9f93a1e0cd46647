"""Sensors of three makers: what they measure, as the bytes that each maker's firmware sends.

Belongs here: payload layouts and what fits in them. Does not: how codecs read them (`ingestion/contracts/iot/codecs`,
written apart so that each checks the other), nor frames and servers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.lorawan_sensors import battery, indoor_air, outdoor, water_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.clock import Axis

Values = dict[str, float]


@dataclass(frozen=True)
class Measures:
    """Per frame: the payload, and the values that are in it once rounded to what it can hold."""

    payloads: list[bytes]
    values: list[Values]


def co2_sensor(rng: np.random.Generator, clock: Axis) -> Measures:
    """Elsys ERS CO2: type byte, then value, big-endian."""
    quantities = {name: series for name, series, _ in indoor_air(rng, clock)}
    tenths = (quantities["temperature"] * 10).round().astype(int).tolist()
    humidity = quantities["humidity"].round().astype(int).tolist()
    co2 = quantities["co2"].round().astype(int).tolist()
    millivolts = (battery(rng, clock) * 1000).round().astype(int).tolist()
    rows = list(zip(tenths, humidity, co2, millivolts, strict=True))
    return Measures(
        [struct.pack(">BhBBBHBH", 0x01, t, 0x02, h, 0x06, c, 0x07, b) for t, h, c, b in rows],
        [{"temperature": t / 10, "humidity": h, "co2": c, "battery": b / 1000} for t, h, c, b in rows],
    )


def level_sensor(rng: np.random.Generator, clock: Axis) -> Measures:
    """Milesight EM400-UDL: channel, type, value, little-endian. Now and then no echo comes back."""
    ((_, distance, _),) = water_level(rng, clock)
    millimetres = distance.round().astype(int).tolist()
    tenths = ((outdoor(clock) + rng.normal(0, 0.4, len(distance))) * 10).round().astype(int).tolist()
    per_cent = np.linspace(96, 93, len(distance)).round().astype(int).tolist()
    lost = (rng.random(len(distance)) < 0.01).tolist()
    rows = list(zip(per_cent, tenths, millimetres, lost, strict=True))
    return Measures(
        [
            struct.pack("<BBBBBhBBH", 0x01, 0x75, p, 0x03, 0x67, t, 0x04, 0x82, 0xFFFF if gone else d)
            for p, t, d, gone in rows
        ],
        [{"battery_level": p, "temperature": t / 10} | ({} if gone else {"distance": d}) for p, t, d, gone in rows],
    )


def soil_probe(rng: np.random.Generator, clock: Axis) -> Measures:
    """Decentlab DL-TRS12: version, device number, flags, then words. It dries, and is watered now and then."""
    size = len(clock.epoch)
    watered = np.cumsum(rng.random(size) < 0.012)
    since = np.arange(size) - np.maximum.accumulate(np.where(np.diff(watered, prepend=0) > 0, np.arange(size), 0))
    per_cent = 14 + 20 * np.exp(-since / 90) + rng.normal(0, 0.2, size)
    counts = ((per_cent / 100 + 0.6956) / 0.0003879 * 10).round().astype(int).tolist()
    warmth = 0.5 * outdoor(clock) + 6.5 + rng.normal(0, 0.1, size)
    tenths = (warmth * 10).round().astype(int).tolist()
    conductivity = (120 + 6 * per_cent + rng.normal(0, 4, size)).round().astype(int).tolist()
    millivolts = (battery(rng, clock) * 1000 - 600).round().astype(int).tolist()
    number = int(rng.integers(1000, 20_000))
    rows = list(zip(counts, tenths, conductivity, millivolts, strict=True))
    return Measures(
        [struct.pack(">BHHHHHH", 2, number, 0b11, w, t + 32_768, c, b) for w, t, c, b in rows],
        [
            {
                "soil_moisture": round((w / 10 * 0.0003879 - 0.6956) * 100, 2),
                "soil_temperature": t / 10,
                "soil_conductivity": c,
                "battery": b / 1000,
            }
            for w, t, c, b in rows
        ],
    )


MAKERS: dict[str, Callable[[np.random.Generator, Axis], Measures]] = {
    "ers-co2": co2_sensor,
    "em400-udl": level_sensor,
    "dl-trs12": soil_probe,
}
