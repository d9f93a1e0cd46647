"""Trend exports of the building management system: one workbook per building and week, one column per point.

Belongs here: the points of a building, the workbook, and what goes wrong with it: a probe that is not wired, cells in
error, a point renamed by the integrator, a closing line that opens the next export. Does not: the buildings (`assets`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import xlsxwriter

from simulation import assets
from simulation.clock import DAY, Axis, Flags, Floats, axis, profile
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from pathlib import Path

    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "building_bms"
SHEET = "Historique"
TIME_HEADER = "Horodatage"
HEADER_ROW = 3  # a title and a line without anything stand above
TRUTH = ("controller_id", "point_id", "business_date", "mean", "minimum", "maximum", "samples", "blank", "refused")
RENAMED = ("CH1_TDEP", "CHAUF1_TDEP")  # in the last building, the one that is exported every day
SAME = ("controller_id", "prm")
_CABINET_DEG = (0.0003, 0.0002)  # some 20 m each way: the meter is at the gate, the controller in the boiler room
_WEEK = 7
_MINUTES = 30
_ERRORS = ("###", "ERR")
_ERROR_SHARE = 8e-5
_LARGE_M2 = 2500  # buildings above have a second heating circuit and a ventilation unit

_OCCUPIED: dict[float, float] = {0: 0.0, 6: 0.05, 8: 0.8, 10: 1.0, 12: 0.6, 14: 0.95, 17: 0.6, 19: 0.1, 21: 0.0}
_OUTSIDE: dict[float, float] = {0: -2.4, 5: -3.6, 9: -0.8, 14: 4.1, 18: 1.6, 21: -0.9}  # around the mean of the day


@dataclass(frozen=True)
class _Point:
    """A column of the export: its code, its unit, and its clean values, rounded as they are exported."""

    code: str
    unit: str
    values: Floats

    def header(self, controller: str, *, renamed: bool) -> str:
        """What stands above the column."""
        code = RENAMED[1] if renamed and self.code == RENAMED[0] else self.code
        return f"{controller}_{code} ({self.unit})"


@dataclass(frozen=True)
class _Faults:
    """Cells that do not hold their value, by point and instant."""

    blank: Flags
    error: Flags


def controllers(job: Job) -> list[Asset]:
    """One controller per metered building."""
    return [
        replace(building, source=SOURCE, native_id=f"UTL{number:02d}", category="gtc", variant="")
        for number, building in enumerate(assets.buildings(job), start=1)
    ]


def things(job: Job) -> list[Asset]:
    """What the register is told of: the building again, as the integrator wrote its name and placed its cabinet."""
    east, north = _CABINET_DEG
    return [
        replace(
            controller,
            name=controller.name.upper() if number % 2 else controller.name.replace("-", " "),
            longitude=round(controller.longitude + east * (number % 3), 6),
            latitude=round(controller.latitude - north * (number % 2), 6),
        )
        for number, controller in enumerate(controllers(job))
    ]


def write(job: Job) -> None:
    """Weekly workbooks; the last building's are daily."""
    known = controllers(job)
    clock = _instants(job)
    weather = _outside(job, clock)
    rows: list[tuple[object, ...]] = []
    for number, controller in enumerate(known):
        points = _points(job, clock, weather, controller)
        days = 1 if number == len(known) - 1 else _WEEK
        faults = _faults(job, clock, points, number, days)
        _write_books(job, controller, clock, points, faults, days)
        rows += _truth(job, controller, clock, points, faults)
    job.truth.table("bms_points", TRUTH, rows)
    pairs = zip(known, assets.buildings(job), strict=True)
    job.truth.table("same_buildings", SAME, [(ours.native_id, theirs.native_id) for ours, theirs in pairs])


def _instants(job: Job) -> Axis:
    """Every half hour, the closing midnight included: the period's last export ends with it."""
    whole = axis(job.start, job.days + 1, _MINUTES, job.territory.zone)
    count = int(np.searchsorted(whole.day, job.days)) + 1
    parts = (whole.epoch, whole.local, whole.fold, whole.ambiguous)
    return Axis(job.start, job.days + 1, *(part[:count] for part in parts))  # type: ignore[arg-type]


def _outside(job: Job, clock: Axis) -> Floats:
    """Outside temperature: autumn comes, days differ, nights are cold."""
    rng = job.rng(SOURCE, "weather")
    season = 13.5 - 0.17 * np.arange(clock.days)
    spell = np.convolve(rng.normal(0, 2.2, clock.days + 4), np.ones(5) / 5, mode="valid")
    mean = (season + spell)[clock.day]
    return np.asarray(mean + profile(clock.hour, _OUTSIDE) + rng.normal(0, 0.15, len(mean)), dtype=np.float64)


def _points(job: Job, clock: Axis, weather: Floats, controller: Asset) -> list[_Point]:
    """The points of one building, in the order of its columns."""
    rng = job.rng(SOURCE, "points", controller.native_id)
    large = (controller.surface_m2 or 0) > _LARGE_M2
    busy = profile(clock.hour, _OCCUPIED) * np.where(clock.working, 1.0, 0.08)
    set_point = np.where((clock.hour >= 5) & (clock.hour < 19) & clock.working, 20.0, 16.0)
    points = [_Point("EXT_TEXT", "°C", (weather + rng.normal(0, 0.1, len(weather))).round(1))]
    for circuit in ("CH1", "CH2") if large else ("CH1",):
        points += _circuit(rng, circuit, weather, set_point)
    room = set_point + 0.9 * busy + np.where(set_point < 18, 1.4, 0.3) + rng.normal(0, 0.12, len(busy))
    carbon = 430 + busy * float(rng.uniform(500, 900)) + rng.normal(0, 15, len(busy))
    points += [
        _Point("AMB1_TEMP", "°C", room.round(1)),
        _Point("AMB1_CO2", "ppm", carbon.clip(400, 2000).round()),
    ]
    if large:
        points.append(_Point("CTA1_TSOUF", "°C", (18.5 + 1.5 * busy + rng.normal(0, 0.2, len(busy))).round(1)))
    peak_kw = (controller.surface_m2 or 800) * 0.011
    used = (0.18 + 0.82 * busy) * peak_kw * _MINUTES / 60 * rng.gamma(20, 1 / 20, len(busy))
    drawn = rng.poisson(0.35 * busy) * 0.1
    return [
        *points,
        _Point("CPT_ELEC", "kWh", np.floor(rng.integers(20_000, 600_000) + np.cumsum(used))),
        _Point("CPT_EAU", "m³", (int(rng.integers(300, 9000)) + np.cumsum(drawn)).round(1)),
    ]


def _circuit(rng: np.random.Generator, circuit: str, weather: Floats, set_point: Floats) -> list[_Point]:
    """A heating circuit: the colder it is outside, the hotter the water; the valve follows."""
    demand = (set_point - weather).clip(0, 25)
    wanted = np.where(demand > 2, 22 + 1.5 * demand, 20.0)
    start = wanted + rng.normal(0, 0.4, len(wanted))
    back = start - np.where(demand > 2, 3 + 0.35 * demand, 0.2) + rng.normal(0, 0.2, len(wanted))
    valve = (4.2 * demand + rng.normal(0, 2.5, len(wanted))).clip(0, 100)
    return [
        _Point(f"{circuit}_TDEP", "°C", start.round(1)),
        _Point(f"{circuit}_TRET", "°C", back.round(1)),
        _Point(f"{circuit}_CONS", "°C", wanted.round(1)),
        _Point(f"{circuit}_VANNE", "%", valve.round()),
    ]


def _faults(job: Job, clock: Axis, points: list[_Point], number: int, days: int) -> _Faults:
    """The first building's CO2 probe is not wired during its first export; errors never fall on a line told twice."""
    rng = job.rng(SOURCE, "faults", number)
    shape = (len(points), len(clock.epoch))
    blank = np.zeros(shape, dtype=np.bool_)
    if number == 0:
        probe = next(n for n, point in enumerate(points) if point.code == "AMB1_CO2")
        blank[probe, : int(np.searchsorted(clock.day, min(days, job.days)))] = True
    told_twice = clock.ambiguous | (clock.local % DAY == 0)
    wrong = (rng.random(len(clock.epoch)) < _ERROR_SHARE * len(points)) & ~told_twice
    wrong[30] = True  # at least one in every building, on the afternoon of the first day
    error = np.zeros(shape, dtype=np.bool_)
    error[rng.integers(len(points), size=len(wrong)), np.arange(len(wrong))] = wrong
    return _Faults(blank & ~error, error)


def _write_books(job: Job, controller: Asset, clock: Axis, points: list[_Point], faults: _Faults, days: int) -> None:
    """Each export ends with the midnight that the next one begins with: those cells come twice."""
    rename_day = max(1, job.days * 3 // 5) if days == 1 else job.days
    for first in range(0, job.days, days):
        last = min(first + days, job.days) - 1
        begin = int(np.searchsorted(clock.day, first))
        end = int(np.searchsorted(clock.day, last + 1)) + 1
        rows = np.arange(begin, end)
        when = job.start + timedelta(days=last)
        name = f"GTC_{controller.native_id}_{when:%Y%m%d}.xlsx"
        headers = [point.header(controller.native_id, renamed=first >= rename_day) for point in points]
        since = job.start + timedelta(days=first)
        title = f"Historique des points - {controller.name} - du {since:%d/%m/%Y} au {when:%d/%m/%Y}"
        cells = _cells(points, faults, rows)
        _book(job.folder(SOURCE) / name, title, when, headers, clock.local[rows].tolist(), cells)
        _tell(job, f"{name}!{SHEET}", cells, repeated=len(points) if first else 0)


def _cells(
    points: list[_Point], faults: _Faults, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> list[list[object]]:
    """Columns of a workbook: a number, nothing, or the word of an error."""
    columns: list[list[object]] = []
    for number, point in enumerate(points):
        column: list[object] = list(point.values[rows].tolist())
        for place in np.flatnonzero(faults.blank[number, rows]).tolist():
            column[place] = None
        for place in np.flatnonzero(faults.error[number, rows]).tolist():
            column[place] = _ERRORS[(place + number) % len(_ERRORS)]
        columns.append(column)
    return columns


def _tell(job: Job, name: str, columns: list[list[object]], *, repeated: int) -> None:
    """Ledger and quarantine: a record is a cell, its line that of the sheet, its column the one of all values."""
    refused = [
        HEADER_ROW + 1 + place for column in columns for place, cell in enumerate(column) if isinstance(cell, str)
    ]
    read = sum(len(column) for column in columns)
    job.truth.file(SOURCE, name, read=read, duplicate=repeated, quarantined=len(refused))
    for line in refused:
        job.truth.refuse(SOURCE, name, line=line, column="@value", reason=BAD_NUMBER)


def _book(
    path: Path, title: str, when: date, headers: list[str], local: list[int], columns: list[list[object]]
) -> None:
    """A workbook with native dates; its own date is that of its last day."""
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    book.set_properties({"title": title, "created": datetime(when.year, when.month, when.day)})  # noqa: DTZ001
    sheet = book.add_worksheet(SHEET)
    stamp = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
    sheet.write_string(0, 0, title)
    sheet.write_row(HEADER_ROW - 1, 0, [TIME_HEADER, *headers])
    midnight = datetime(1970, 1, 1)  # noqa: DTZ001  (the clock on the wall, as Excel keeps it)
    for row, seconds in enumerate(local):
        sheet.write_datetime(HEADER_ROW + row, 0, midnight + timedelta(seconds=seconds), stamp)
        for column, cells in enumerate(columns, start=1):
            cell = cells[row]
            if isinstance(cell, float):
                sheet.write_number(HEADER_ROW + row, column, cell)
            elif isinstance(cell, str):
                sheet.write_string(HEADER_ROW + row, column, cell)
    book.close()


def _truth(job: Job, controller: Asset, clock: Axis, points: list[_Point], faults: _Faults) -> list[tuple[object, ...]]:
    """Of each point and day, the clean values of the instants that are neither blank nor in error."""
    rows: list[tuple[object, ...]] = []
    for number, point in enumerate(points):
        for (begin, end), when in zip(clock.bounds, job.dates(), strict=False):
            blank, error = (int(flags[number, begin:end].sum()) for flags in (faults.blank, faults.error))
            kept = point.values[begin:end][~(faults.blank | faults.error)[number, begin:end]]
            amounts = [f"{f(kept):.3f}" if len(kept) else "" for f in (np.mean, np.min, np.max)]
            rows.append(
                (
                    controller.native_id, f"{controller.native_id}_{point.code}", when.isoformat(), *amounts,
                    end - begin, blank, error,
                )
            )  # fmt: skip
    return rows
