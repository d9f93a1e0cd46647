"""The territory's LoRaWAN gateways: where they stand, who hears whom.

Belongs here: gateways and radio conditions, the same for every network server. Does not: any server's envelope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets

if TYPE_CHECKING:
    from ingestion.territory import Commune
    from simulation.assets import Asset
    from simulation.job import Job

TOWNS = ("Nevers", "Varennes-Vauzelles", "Fourchambault", "Pougues-les-Eaux", "Saint-Éloi", "Challuy")
FREQUENCIES = (868_100_000, 868_300_000, 868_500_000, 867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000)
_WITHOUT_CLOCK = {1, 4}  # gateways without GPS never tell the time


@dataclass(frozen=True)
class Gateway:
    """A gateway and the part of an uplink that never changes."""

    identifier: str
    longitude: float
    latitude: float
    clock: bool
    town: Commune


def gateways(job: Job) -> list[Gateway]:
    """All of them, whatever the scale: coverage does not shrink with the number of devices."""
    found: list[Gateway] = []
    for number, town in enumerate(TOWNS):
        rng = job.rng("lorawan_uplinks", "gateway", number)
        home = assets.commune(job, town)
        longitude, latitude = assets.near(rng, home.longitude, home.latitude)
        identifier = f"7276ff00{number:02x}{int(rng.integers(2**24)):06x}"
        found.append(Gateway(identifier, longitude, latitude, number not in _WITHOUT_CLOCK, home))
    return found


def nearest(known: list[Gateway], sensor: Asset) -> list[Gateway]:
    """The three gateways that may hear a sensor, nearest first."""
    return sorted(known, key=lambda gateway: _square(gateway, sensor))[:3]


def _square(gateway: Gateway, sensor: Asset) -> float:
    """Distance enough to sort by; a degree of longitude is two thirds of one of latitude here."""
    east, north = (gateway.longitude - sensor.longitude) * 0.68, gateway.latitude - sensor.latitude
    return east * east + north * north


def radio(rng: np.random.Generator, size: int) -> tuple[list[int], list[int], list[list[int]], list[list[float]]]:
    """Per frame: channel, number of gateways, and for each gateway the signal strength and its ratio to noise."""
    channels = rng.integers(len(FREQUENCIES), size=size).tolist()
    heard = rng.choice([1, 2, 3], size=size, p=[0.45, 0.35, 0.2]).tolist()
    far = np.array([0, 11, 19])
    strengths = (-78 - far - rng.integers(0, 22, (size, 3))).tolist()
    ratios = (9.5 - far / 3 - rng.integers(0, 50, (size, 3)) / 10).round(1).tolist()
    return channels, heard, strengths, ratios
