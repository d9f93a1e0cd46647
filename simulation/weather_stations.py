"""Weather stations every quarter of an hour, by the clock on the wall, one file a day.

Belongs here: the weather, each instrument's ways of saying nothing. Does not: what it does to buildings or plants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import DAY, Axis, Floats, french
from simulation.roadside import Export, decimals, numbered, silences, stand, wander
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "weather_stations"
HEADER = (
    "Station;Date et heure;Température (°C);Humidité (%);Pression (hPa);Vent moyen (km/h);Direction du vent (°);"
    "Rafale (km/h);Pluie (mm);Rayonnement (W/m²)"
)
TRUTH = ("station_id", "business_date", "measures", "lowest_c", "highest_c", "rainfall_mm")
STEP_MINUTES = 15
# Name, commune, what the town adds to the temperature at night.
_CATALOGUE = (
    ("Station météo Nevers Centre", "Nevers", 2.6), ("Station météo Aérodrome", "Marzy", 0.0),
    ("Station météo Pougues", "Pougues-les-Eaux", 0.4), ("Station météo Sermoise", "Sermoise-sur-Loire", 0.2),
)  # fmt: skip
_MISSING = ("-9999", "///", "N/D")
_DIGITS = {"temperature": 1, "humidity": 0, "pressure": 1, "wind": 1, "direction": 0, "gust": 1, "rain": 1, "sun": 0}
_CALM_KM_H = 1.0
_TIP_MM = 0.2  # the rain gauge tips every two tenths
_BAD, _TWICE = 2, 3


@dataclass(frozen=True)
class _Station:
    """One station over the period: nan where an instrument says nothing."""

    asset: Asset
    values: dict[str, Floats]

    def lines(self, stamps: list[str], number: int) -> list[str]:
        """The line of each step."""
        missing = _MISSING[number % len(_MISSING)]
        cells = [decimals(self.values[name], digits, missing) for name, digits in _DIGITS.items()]
        return [";".join([self.asset.native_id, *row]) for row in zip(stamps, *cells, strict=True)]


def things(job: Job) -> list[Asset]:
    """The stations."""
    found: list[Asset] = []
    for index in range(job.count(len(_CATALOGUE))):
        name, town, _ = _CATALOGUE[index % len(_CATALOGUE)]
        place = stand(job, job.rng("assets", SOURCE, index), town)
        title = numbered(name, index, len(_CATALOGUE))
        found.append(Asset(SOURCE, f"MTO{index + 1:02d}", title, "station_meteo", *place))
    return found


def write(job: Job) -> None:
    """All stations, one after the other, one file per business day."""
    axis = job.axis(STEP_MINUTES)
    stamps = french(axis.local)
    sky = _sky(job, axis)
    stations = [_station(job, axis, sky, number, asset) for number, asset in enumerate(things(job))]
    lines = [station.lines(stamps, number) for number, station in enumerate(stations)]
    # Never in the hour that comes twice: there, a second line is a second hour.
    calm = np.flatnonzero(~axis.ambiguous)
    picked = job.rng(SOURCE, "faults").choice(calm, _BAD + _TWICE, replace=False).tolist()
    bad, twice = set(picked[:_BAD]), set(picked[_BAD:])
    for day, steps in zip(job.dates(), axis.bounds, strict=True):
        export = Export(job, SOURCE, f"meteo_{day:%Y%m%d}.csv", [HEADER])
        for number, mine in enumerate(lines):
            for step in range(*steps):
                if number == 0 and step in bad:
                    cells = mine[step].split(";")
                    cells[2] = "ERREUR"
                    export.spoil(";".join(cells), "Température (°C)", BAD_NUMBER)
                else:
                    export.add(mine[step], copies=1 + (number == 0 and step in twice))
        export.write("utf-8-sig")
    job.truth.table("weather_daily", TRUTH, _daily(job, axis, stations, bad))


def _sky(job: Job, axis: Axis) -> dict[str, Floats]:
    """What all stations have in common: the season, fronts, showers, the sun."""
    rng = job.rng(SOURCE, "sky")
    size = len(axis.epoch)
    season = -np.cos(2 * np.pi * (axis.epoch / DAY - 20) / 365.25)  # coldest at the end of January
    height = np.sin(2 * np.pi * (axis.epoch % DAY / DAY - 0.24)) + 0.35 * season - 0.1
    front = wander(rng, size, 0.997, 1.0)
    cloud = 1 / (1 + np.exp(-1.5 * (front + 0.5 * wander(rng, size, 0.97, 1.0))))
    wet = (cloud > 0.72) & (wander(rng, size, 0.9, 1.0) > 0.2)
    return {
        "temperature": 11 + 9 * season + 4 * np.clip(height, -0.8, 1) * (1.2 - cloud) - 1.5 * front,
        "pressure": 1017 - 9 * front,
        "sun": np.clip(height, 0, None) * 750 * (1.05 - 0.85 * cloud),
        "wind": 9 + 5 * np.abs(wander(rng, size, 0.98, 1.0)) + 4 * np.clip(front, 0, None),
        "direction": 225 + 60 * wander(rng, size, 0.99, 1.0),
        "rain": np.where(wet, rng.gamma(0.6, 0.6, size), 0.0),
        "night": np.clip(-height, 0, 1) * (1.1 - cloud),
    }


def _station(job: Job, axis: Axis, sky: dict[str, Floats], number: int, asset: Asset) -> _Station:
    """The same sky, a little different everywhere; the town keeps its warmth at night."""
    rng = job.rng(SOURCE, "station", number)
    size = len(axis.epoch)
    island = _CATALOGUE[number % len(_CATALOGUE)][2]
    temperature = sky["temperature"] + island * sky["night"] + 0.3 * wander(rng, size, 0.9, 1.0)
    wind = np.clip(sky["wind"] * (0.6 if island > 1 else 1.0) + rng.normal(0, 2, size) - 4, 0, None)
    direction = np.where(wind < _CALM_KM_H, np.nan, np.mod(sky["direction"] + rng.normal(0, 12, size), 360))
    values = {
        "temperature": temperature,
        "humidity": np.clip(92 - 2.4 * (temperature - 6) + 25 * (sky["rain"] > 0), 25, 100),
        "pressure": sky["pressure"] + rng.normal(0, 0.1, size),
        "wind": wind,
        "direction": direction,
        "gust": wind * (1.3 + 0.5 * rng.random(size)),
        "rain": np.round(sky["rain"] * rng.uniform(0.7, 1.3) / _TIP_MM) * _TIP_MM,
        "sun": np.clip(sky["sun"] + rng.normal(0, 8, size) * (sky["sun"] > 0), 0, None),
    }
    # The last station loses one instrument after the other; in the hours that come twice all lines must be there.
    for name in ("temperature", "wind", "rain") if number == len(things(job)) - 1 else ():
        values[name] = np.where(silences(rng, size, 1, 4, 40), np.nan, values[name])
    return _Station(asset, {name: values[name].round(digits) for name, digits in _DIGITS.items()})


def _daily(job: Job, axis: Axis, stations: list[_Station], bad: set[int]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number, station in enumerate(stations):
        told = np.ones(len(axis.epoch), dtype=np.bool_)
        if number == 0:
            told[sorted(bad)] = False
        for day, (begin, end) in zip(job.dates(), axis.bounds, strict=True):
            warm = station.values["temperature"][begin:end][told[begin:end]]
            warm = warm[~np.isnan(warm)]
            rain = float(np.nansum(station.values["rain"][begin:end][told[begin:end]]))
            span = (f"{warm.min():.1f}", f"{warm.max():.1f}") if len(warm) else ("", "")
            rows.append((station.asset.native_id, day.isoformat(), len(warm), *span, f"{rain:.1f}"))
    return rows
