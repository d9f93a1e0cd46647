"""Free spaces of the car parks every quarter of an hour, one file a day; a cell is blank when nothing changed.

Belongs here: how full car parks are, counters that drift, lines cut, the blanks. Does not: what a blank is worth (the
staging model says).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import Axis, Flags, Ints, profile, utc
from simulation.roadside import Export, french_minutes, numbered, silences, stand, wander
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "car_parks"
HEADER = "Horodatage;Code;Parking;Capacité;Places libres;État"
TRUTH = ("car_park_id", "snapshot_time", "space_count", "free_space_count", "status")
STEP_MINUTES = 15
_STATUS = {"Ouvert": "open", "Complet": "full", "Fermé": "closed"}
_CATALOGUE = (
    ("Parking Saint-Pierre", "Nevers", 320), ("Parking Mossé", "Nevers", 180), ("Parking Carnot", "Nevers", 250),
    ("Parking de la Gare", "Nevers", 410), ("Parking du Parc Roger-Salengro", "Nevers", 90),
    ("Parking des Bords de Loire", "Nevers", 150),
)  # fmt: skip
_FILLING: dict[float, float] = {0: 0.08, 6: 0.1, 8: 0.45, 10: 0.85, 12: 0.8, 14: 0.9, 17: 0.75, 19: 0.35, 22: 0.15}
_CLOSED = (1.0, 6.0)  # the second one shuts at night
_REFRESH_HOUR = 3  # every cell is written once a night
_TWICE, _BAD = 3, 3
_BAD_TEXT = "ERR"


@dataclass(frozen=True)
class _Park:
    """One car park: what is true at each step, and what its line of the export says."""

    asset: Asset
    capacity: Ints
    free: Ints
    status: list[str]
    sent: Flags
    bad: Flags

    def lines(self, stamps: list[str], whole: Flags) -> list[str]:
        """The line of each step; cells are blank when they say the same as the line sent before."""
        last: tuple[str, str, str] | None = None
        lines: list[str] = []
        cells = zip(self.capacity.tolist(), self.free.tolist(), self.status, strict=True)
        for n, (capacity, free, status) in enumerate(cells):
            now = (str(capacity), str(free), status)
            before = now if last is None else last
            full = last is None or whole[n]
            shown = [a if full or a != b else "" for a, b in zip(now, before, strict=True)]
            if self.bad[n]:
                shown[1] = _BAD_TEXT
            lines.append(";".join([stamps[n], self.asset.native_id, self.asset.name, *shown]))
            if self.sent[n]:  # what follows an unreadable line is written in full
                last = None if self.bad[n] else now
        return lines


def things(job: Job) -> list[Asset]:
    """The car parks."""
    found: list[Asset] = []
    for index in range(job.count(len(_CATALOGUE))):
        name, town, _ = _CATALOGUE[index % len(_CATALOGUE)]
        place = stand(job, job.rng("assets", SOURCE, index), town)
        found.append(Asset(SOURCE, f"P{index + 1:02d}", numbered(name, index, len(_CATALOGUE)), "parking", *place))
    return found


def spaces(number: int) -> int:
    """Spaces of the car park of that number, from 0, when no works take some away."""
    return _CATALOGUE[number % len(_CATALOGUE)][2]


def write(job: Job) -> None:
    """All car parks at each step, one file per business day; one day comes a second time."""
    axis = job.axis(STEP_MINUTES)
    stamps = french_minutes(axis.local)
    parks = [_park(job, axis, number, asset) for number, asset in enumerate(things(job))]
    whole = (axis.local // 60 % 1440) == _REFRESH_HOUR * 60
    lines = [park.lines(stamps, whole) for park in parks]
    twice = set(job.rng(SOURCE, "twice").choice(np.flatnonzero(~axis.ambiguous), _TWICE, replace=False).tolist())
    for number, (day, steps) in enumerate(zip(job.dates(), axis.bounds, strict=True)):
        name = f"parkings_{day:%Y%m%d}"
        _write_file(job, f"{name}.csv", steps, lines, parks, twice)
        if number == job.days // 2:  # the whole day again, under another name
            _write_file(job, f"{name}_bis.csv", steps, lines, parks, set(), again=True)
    times = utc(axis.epoch)
    rows_true = [
        (park.asset.native_id, times[n], int(park.capacity[n]), int(park.free[n]), _STATUS[park.status[n]])
        for park in parks
        for n in np.flatnonzero(park.sent & ~park.bad).tolist()
    ]
    job.truth.table("car_park_snapshots", TRUTH, rows_true)


def _write_file(
    job: Job, name: str, steps: tuple[int, int], lines: list[list[str]], parks: list[_Park], twice: set[int],
    *, again: bool = False,
) -> None:  # fmt: skip
    """The day between two steps; `again` when it was delivered before."""
    export = Export(job, SOURCE, name, [HEADER])
    for step in range(*steps):
        for number, park in enumerate(parks):
            if park.bad[step]:
                export.spoil(lines[number][step], "Places libres", BAD_NUMBER)
            elif park.sent[step]:
                export.add(lines[number][step], copies=1 + (number == 0 and step in twice), known=again)
    export.write("cp1252")


def _park(job: Job, axis: Axis, number: int, asset: Asset) -> _Park:
    """Cars come and go around the day's curve; the third counter drifts, the last line is cut for hours."""
    rng = job.rng(SOURCE, "park", number)
    size = len(axis.epoch)
    capacity = np.full(size, spaces(number), dtype=np.int64)
    if number % 5 == 0:  # works take some spaces away for the second half of the period
        capacity[size // 2 :] -= 24
    drifts = number % 6 == 2  # the fullest, and the loop at its exit misses cars
    usual = 1.2 if drifts else float(rng.uniform(0.75, 1.1))
    share = profile(axis.hour, _FILLING) * np.where(axis.working, 1.0, 0.5) * usual
    moving = 0.15 + 0.85 * ((axis.hour >= 6) & (axis.hour < 23))  # at night hardly anything changes
    steps = np.round((share + 0.05 * moving * wander(rng, size, 0.97, 1.0)) * capacity * 0.25) * 4
    free = np.clip(capacity - steps.astype(np.int64), 0, capacity)
    status = np.where(free <= 3, "Complet", "Ouvert")
    if number % 6 == 1:
        status = np.where((axis.hour >= _CLOSED[0]) & (axis.hour < _CLOSED[1]), "Fermé", status)
    if drifts:
        free = free - (axis.hour / 4).astype(np.int64)
    cut = silences(rng, size, 2, 4, 30) if number == len(things(job)) - 1 else np.zeros(size, dtype=np.bool_)
    # Never in the hours that come twice: their order in the file is what tells them apart.
    sent = ~cut | axis.ambiguous
    bad = np.zeros(size, dtype=np.bool_)
    bad[rng.choice(np.flatnonzero(~axis.ambiguous), _BAD if number == 0 else 0, replace=False)] = True
    return _Park(asset, capacity, free, [str(s) for s in status.tolist()], sent, bad)
