"""Air quality stations every quarter of an hour, in universal time, one file a day.

Belongs here: what the air holds, instruments that are calibrated, fail or drift, and the corrections that follow.
Does not: any index or threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import Axis, Flags, Floats, profile
from simulation.roadside import Export, decimals, french_minutes, numbered, silences, stand, wander
from simulation.truth import BAD_DATE, BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "air_stations"
HEADER = "Code station;Station;Date/heure (TU);NO2 (µg/m³);O3 (µg/m³);PM10 (µg/m³);PM2,5 (µg/m³);Validité"
TRUTH = ("station_id", "business_date", "property", "good_values", "mean_ug_m3", "max_ug_m3")
PROPERTIES = ("no2", "o3", "pm10", "pm2_5")
STEP_MINUTES = 15
_CATALOGUE = (
    ("Nevers Pont de Loire (trafic)", "Nevers", 1.6), ("Nevers Parc Salengro (fond)", "Nevers", 1.0),
    ("Varennes-Vauzelles Centre (fond)", "Varennes-Vauzelles", 0.9),
    ("Parigny-les-Vaux (rural)", "Parigny-les-Vaux", 0.4),
)  # fmt: skip
_TRAFFIC: dict[float, float] = {0: 0.4, 5: 0.35, 8: 1.7, 11: 1.0, 15: 0.95, 18: 1.6, 21: 0.9, 23: 0.5}
_SUN: dict[float, float] = {0: 0.35, 7: 0.3, 15: 1.5, 20: 0.7}
_HEATING: dict[float, float] = {0: 1.0, 6: 0.9, 8: 1.2, 13: 0.7, 19: 1.3, 22: 1.35}
_MISSING, _ABSENT = "-9999", "N/D"
_CORRECTION = 0.9  # what a day of one analyser is worth once it is found to read too high
_DOUBTFUL, _INVALID = 0.006, 0.003
_BAD, _TWICE = 3, 4


@dataclass(frozen=True)
class _Station:
    """One station over the period; `values` by property are what it sends, nan where nothing."""

    asset: Asset
    values: dict[str, Floats]
    calibrated: Flags
    validity: list[str]

    def lines(self, stamps: list[str], factor: float = 1.0) -> list[str]:
        """The line of each step; `factor` changes what the NO2 analyser says."""
        cells = []
        for name, values in self.values.items():
            text = decimals(values * (factor if name == "no2" else 1.0), 1, _ABSENT)
            if name in ("no2", "o3"):
                text = [_MISSING if off else t for t, off in zip(text, self.calibrated.tolist(), strict=True)]
            cells.append(text)
        head = f"{self.asset.native_id};{self.asset.name}"
        return [";".join([head, *row]) for row in zip(stamps, *cells, self.validity, strict=True)]


def things(job: Job) -> list[Asset]:
    """The stations."""
    found: list[Asset] = []
    for index in range(job.count(len(_CATALOGUE))):
        name, town, _ = _CATALOGUE[index % len(_CATALOGUE)]
        place = stand(job, job.rng("assets", SOURCE, index), town)
        title = numbered(name, index, len(_CATALOGUE))
        found.append(Asset(SOURCE, f"AIR{index + 1:02d}", title, "station_air", *place))
    return found


def write(job: Job) -> None:
    """All stations, one after the other, one file per business day; one day comes again, corrected."""
    axis = job.axis(STEP_MINUTES)
    stamps = french_minutes(axis.epoch)
    stations = [_station(job, axis, number, asset) for number, asset in enumerate(things(job))]
    lines = [station.lines(stamps) for station in stations]
    high = stations[-1].lines(stamps, 1 / _CORRECTION)  # before the correction
    rng = job.rng(SOURCE, "faults")
    picked = rng.choice(len(axis.epoch), _BAD + _TWICE, replace=False).tolist()
    corrected = job.days // 3
    begin, end = axis.bounds[corrected]
    bad = {(0, step): kind for kind, step in enumerate(picked[:_BAD]) if not begin <= step < end}
    twice = {(0, step) for step in picked[_BAD:] if not begin <= step < end}
    for number, (day, steps) in enumerate(zip(job.dates(), axis.bounds, strict=True)):
        name = f"mesures_air_{day:%Y%m%d}"
        first = [*lines[:-1], high] if number == corrected else lines
        _write_file(job, f"{name}.csv", steps, first, bad, twice)
        if number == corrected:
            _write_file(job, f"{name}_v2.csv", steps, lines, {}, set(), before=first)
    job.truth.table("air_daily", TRUTH, _daily(job, axis, stations, bad))


def _write_file(
    job: Job, name: str, steps: tuple[int, int], lines: list[list[str]], bad: dict[tuple[int, int], int],
    twice: set[tuple[int, int]], before: list[list[str]] | None = None,
) -> None:  # fmt: skip
    """A day of all stations; `before` are the lines that an earlier file had."""
    export = Export(job, SOURCE, name, [HEADER])
    for number, mine in enumerate(lines):
        for step in range(*steps):
            if (number, step) in bad:
                export.spoil(*_spoilt(mine[step], bad[number, step]))
            else:
                known = before is not None and before[number][step] == mine[step]
                export.add(mine[step], copies=1 + ((number, step) in twice), known=known)
    export.write("cp1252")


def _spoilt(line: str, kind: int) -> tuple[str, str, str]:
    cells = line.split(";")
    if kind % 2:
        cells[2] = f"31/02/{cells[2][6:]}"
        return ";".join(cells), "Date/heure (TU)", BAD_DATE
    cells[5] = "#####"  # a spreadsheet with a column too narrow
    return ";".join(cells), "PM10 (µg/m³)", BAD_NUMBER


def _station(job: Job, axis: Axis, number: int, asset: Asset) -> _Station:
    """Traffic makes nitrogen dioxide, sun makes ozone and takes it, heating makes particles in the evening."""
    rng = job.rng(SOURCE, "station", number)
    size, busy = len(axis.epoch), _CATALOGUE[number % len(_CATALOGUE)][2]
    weather = np.exp(0.35 * wander(rng, size, 0.995, 1.0))
    traffic = profile(axis.hour, _TRAFFIC) * np.where(axis.working, 1.0, 0.6)
    no2 = 14 * busy * traffic * weather + rng.normal(0, 1.2, size)
    pm10 = (9 + 7 * busy) * profile(axis.hour, _HEATING) * weather + rng.normal(0, 1.0, size)
    values = {
        "no2": no2, "o3": 48 * profile(axis.hour, _SUN) / weather - 0.6 * no2, "pm10": pm10,
        "pm2_5": pm10 * (0.55 + 0.1 * rng.random(size)),
    }  # fmt: skip
    off = silences(rng, size, 2 if number == 1 else 0, 8, 60)  # a station without current says N/D
    clean = {name: np.where(off, np.nan, np.maximum(v, -0.4).round(1)) for name, v in values.items()}
    calibrated = (axis.hour >= 1) & (axis.hour < 1.5) & (axis.weekday == number % 7)
    draw = rng.random(size)
    validity = np.where(draw < _INVALID, "Invalide", np.where(draw < _DOUBTFUL + _INVALID, "Douteuse", "Valide"))
    clean["pm10"] = np.where(validity == "Invalide", clean["pm10"] + 900, clean["pm10"])
    return _Station(asset, clean, calibrated & ~off, [str(v) for v in validity.tolist()])


def _daily(job: Job, axis: Axis, stations: list[_Station], bad: dict[tuple[int, int], int]) -> list[tuple[object, ...]]:
    """Good values of each day, once everything is corrected."""
    rows: list[tuple[object, ...]] = []
    for number, station in enumerate(stations):
        good = np.array([v == "Valide" for v in station.validity])
        good[[step for n, step in bad if n == number]] = False
        for name, values in station.values.items():
            said = good & ~np.isnan(values) & ~(station.calibrated & (name in ("no2", "o3")))
            for day, (begin, end) in zip(job.dates(), axis.bounds, strict=True):
                mine = values[begin:end][said[begin:end]]
                figures = (f"{mine.mean():.4f}", f"{mine.max():.1f}") if len(mine) else ("", "")
                rows.append((station.asset.native_id, day.isoformat(), name, len(mine), *figures))
    return rows
