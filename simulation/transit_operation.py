"""What really happened on the bus network on one service day: which trips ran, and how late.

Belongs here: the signal that live feeds and ticketing both come from. Does not: the schedule (`transit_network`), nor
how either is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from simulation.clock import Flags, Ints
from simulation.transit_network import Timetable, Trip, noon_less_12, trips_on

if TYPE_CHECKING:
    from datetime import date

    from simulation.job import Job

_CANCELLED = 0.004  # of trips
_START_S, _STEP_S, _SPREAD_S = 35.0, 6.0, 22.0  # mean delay at departure, drift and spread from a stop to the next
_PEAK_HOURS, _PEAK_FACTOR = ((7, 9), (16, 19)), 2.5
_EARLY_S, _LATEST_S = -45, 1500
NEVER = np.iinfo(np.int64).max // 4  # pads rows of trips with fewer stops than the longest


@dataclass(frozen=True)
class Day:
    """One service day. Rows are trips; columns are stops in order, padded with NEVER."""

    date: date
    trips: list[Trip]
    cancelled: Flags
    scheduled: Ints  # instants, in seconds
    delay: Ints  # seconds, never so negative that a bus would pass a stop before the one ahead of it

    @cached_property
    def actual(self) -> Ints:
        """When the bus really was at each stop."""
        return np.where(self.scheduled < NEVER, self.scheduled + self.delay, NEVER)

    @cached_property
    def first(self) -> Ints:
        """Departure of each trip."""
        return self.actual[:, 0]

    @cached_property
    def end(self) -> Ints:
        """Arrival of each trip at its last stop."""
        return np.asarray(np.where(self.actual < NEVER, self.actual, 0).max(axis=1), dtype=np.int64)


def operated(job: Job, tables: list[Timetable], day: date) -> Day | None:
    """The day's operation, the same whoever asks; None when no bus runs."""
    trips = trips_on(tables, day)
    if not trips:
        return None
    rng = job.rng("transit", "operation", day.isoformat())
    times = [trip.times for trip in trips]
    width = max(len(t) for t in times)
    scheduled = np.full((len(trips), width), NEVER, dtype=np.int64)
    for row, own in enumerate(times):
        scheduled[row, : len(own)] = noon_less_12(job, day) + own
    hours = np.array([t.departure / 3600 for t in trips])
    busy = np.any([(hours >= a) & (hours < b) for a, b in _PEAK_HOURS], axis=0)
    factor = np.where(busy, _PEAK_FACTOR, 1.0)[:, None]
    steps = rng.normal(_STEP_S * factor, _SPREAD_S, (len(trips), width))
    steps[:, 0] = rng.exponential(_START_S, len(trips)) * factor[:, 0]
    drift = np.cumsum(steps, axis=1).clip(_EARLY_S, _LATEST_S).astype(np.int64)
    passed = np.maximum.accumulate(np.where(scheduled < NEVER, scheduled + drift, 0), axis=1)
    delay = np.where(scheduled < NEVER, passed - scheduled, 0)
    return Day(day, trips, rng.random(len(trips)) < _CANCELLED, scheduled, delay)
