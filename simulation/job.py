"""What every platform's writer is given: where to write, for which period, how much, and its own random numbers.

Belongs here: the arguments of one simulation and what follows from them alone. Does not: any platform's format.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from simulation.clock import Axis, axis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingestion.territory import Territory
    from simulation.truth import Truth


@dataclass(frozen=True)
class Job:
    """One simulation."""

    out: Path
    seed: int
    start: date
    days: int
    scale: float
    territory: Territory
    truth: Truth

    def rng(self, *parts: str | int) -> np.random.Generator:
        """A generator of its own for each list of parts: what one platform draws never moves what another draws."""
        # crc32, not hash(): Python's hash of a text changes from one process to the next.
        words = [crc32(part.encode()) if isinstance(part, str) else part for part in parts]
        return np.random.default_rng([self.seed % 2**64, *words])

    def count(self, base: int, least: int = 1) -> int:
        """`base` devices, scaled."""
        return max(least, round(base * self.scale))

    def folder(self, source: str) -> Path:
        """Where a source's files go; made when missing."""
        path = self.out / source
        path.mkdir(parents=True, exist_ok=True)
        return path

    def axis(self, minutes: int) -> Axis:
        """The instants of the whole period, one every `minutes`."""
        return axis(self.start, self.days, minutes, self.territory.zone)

    def dates(self) -> Iterator[date]:
        """The business days."""
        return (self.start + timedelta(days=number) for number in range(self.days))
