"""What the writers of the street's and the environment's platforms share.

Belongs here: where a thing stands, how instants and decimals are spelt, stretches of silence, files that keep account
of their lines. Does not: any platform's columns or faults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import HOUR, Flags, Floats, Ints, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.territory import Commune
    from simulation.job import Job

_OLDEST_DAYS = 2400
Place = tuple["Commune", float, float, date]


@dataclass
class Export:
    """A delimited file while it is written, and what a loader must make of its lines."""

    job: Job
    source: str
    name: str
    lines: list[str]  # the header, to begin with
    duplicate: int = 0
    refused: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, line: str, *, copies: int = 1, known: bool = False) -> None:
        """A good line, so many times; `known` when an earlier file has it already."""
        self.lines += [line] * copies
        self.duplicate += copies - (not known)

    def spoil(self, line: str, column: str, reason: str) -> None:
        """A line that must be refused because of a column."""
        self.lines.append(line)
        self.refused.append((len(self.lines), column, reason))

    def write(self, encoding: str = "utf-8") -> None:
        """Write it, with Windows line ends, and tell the truth about it."""
        path = self.job.folder(self.source) / self.name
        path.write_bytes(("\r\n".join(self.lines) + "\r\n").encode(encoding))
        for line, column, reason in self.refused:
            self.job.truth.refuse(self.source, self.name, line=line, column=column, reason=reason)
        self.job.truth.file(
            self.source, self.name, read=len(self.lines) - 1, duplicate=self.duplicate, quarantined=len(self.refused)
        )


def stand(job: Job, rng: np.random.Generator, town: str) -> Place:
    """Commune, longitude, latitude and day of entry into service of a thing of that commune."""
    home = assets.commune(job, town)
    longitude, latitude = assets.near(rng, home.longitude, home.latitude)
    return home, longitude, latitude, job.start - timedelta(days=30 + int(rng.integers(_OLDEST_DAYS)))


def numbered(name: str, index: int, length: int) -> str:
    """A catalogue's name, told apart when the catalogue goes round again."""
    return name if index < length else f"{name} n°{index // length + 1}"


def zoned(epoch: Ints, local: Ints) -> list[str]:
    """`2026-10-25T02:30:00+02:00`: the wall clock with its distance from universal time."""
    hours = ((local - epoch) // HOUR).tolist()
    return [f"{text}+{offset:02d}:00" for text, offset in zip(iso(local), hours, strict=True)]


def french_minutes(seconds: Ints) -> list[str]:
    """`25/10/2026 02:30`."""
    return [f"{t[8:10]}/{t[5:7]}/{t[:4]} {t[11:16]}" for t in iso(seconds)]


def decimals(values: Floats, digits: int, missing: str = "", mark: str = ",") -> list[str]:
    """Numbers as text; what is not a number is written as the platform writes what is missing."""
    return [f"{v:.{digits}f}".replace(".", mark) if v == v else missing for v in values.tolist()]  # noqa: PLR0124


def wander(rng: np.random.Generator, size: int, memory: float, spread: float) -> Floats:
    """Noise that remembers: each value is `memory` times the last plus a draw; `spread` is its standard deviation."""
    draws = rng.normal(0, spread * (1 - memory**2) ** 0.5, size)
    kernel = memory ** np.arange(min(size, int(np.ceil(np.log(1e-3) / np.log(memory)))))
    return np.convolve(draws, kernel)[:size]


def silences(rng: np.random.Generator, size: int, count: int, shortest: int, longest: int) -> Flags:
    """True in `count` stretches of positions, each between two lengths."""
    silent = np.zeros(size, dtype=np.bool_)
    for _ in range(count):
        begin = int(rng.integers(max(1, size - longest)))
        silent[begin : begin + int(rng.integers(shortest, longest + 1))] = True
    return silent


def split(times: Ints, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """First and past-the-last position of the sorted times before each cut and not before the one above."""
    edges = [0, *np.searchsorted(times, np.asarray(cuts)).tolist()]
    return [(int(edges[n]), int(edges[n + 1])) for n in range(len(cuts))]
