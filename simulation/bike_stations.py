"""The shared bikes' feeds (GBFS), taken every hour, one archive a day; the operator changes version on the way.

Belongs here: how full stations are, both versions of the documents, the feed's faults (a cache that does not move, a
station that falls silent). Does not: how places are drawn (`roadside`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from simulation import assets
from simulation.archives import write_archive
from simulation.clock import HOUR, Axis, Flags, Ints, iso, profile, utc
from simulation.roadside import numbered, stand, wander, zoned
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "bike_stations"
_EVERY_MIN = 60
_UPGRADE_DAY = 24  # from which the operator serves version 3
_CACHED_EVERY, _CACHED_HOUR = 2, 4  # every other day the cache serves the document of 3 o'clock again at 4
_BROKEN_DAY = 1  # its list of stations has a latitude with a comma
_SILENT_S = 9 * HOUR

# Name, commune, docks, how its day goes: full by day where people work, by night where they live.
_STATIONS = (
    ("Gare SNCF", "Nevers", 24, "work"),
    ("Place Carnot", "Nevers", 20, "work"),
    ("Hôtel de Ville", "Nevers", 16, "work"),
    ("Palais Ducal", "Nevers", 16, "leisure"),
    ("Bords de Loire", "Nevers", 18, "leisure"),
    ("Université", "Nevers", 16, "work"),
    ("Banlay", "Nevers", 14, "home"),
    ("Grande Pâture", "Nevers", 14, "home"),
    ("Montapins", "Nevers", 12, "home"),
    ("Pôle hospitalier", "Nevers", 16, "work"),
    ("Mairie", "Varennes-Vauzelles", 14, "home"),
    ("Centre", "Coulanges-lès-Nevers", 12, "home"),
    ("Mairie", "Fourchambault", 12, "home"),
    ("Voie verte", "Sermoise-sur-Loire", 10, "leisure"),
)
_DAYS: dict[str, dict[float, float]] = {
    "work": {0: 0.35, 6: 0.35, 9: 0.75, 12: 0.7, 17: 0.65, 20: 0.4},
    "home": {0: 0.7, 6: 0.72, 9: 0.3, 12: 0.35, 17: 0.4, 20: 0.65},
    "leisure": {0: 0.6, 8: 0.6, 12: 0.45, 16: 0.3, 20: 0.55},
}
TRUTH = ("station_id", "snapshot_time", "bikes", "docks")


@dataclass(frozen=True)
class _Station:
    """One station's true life: bikes and free docks at each snapshot, and what it last reported."""

    asset: Asset
    docks: int
    bikes: Ints
    electric: Ints
    broken: int  # docks out of order
    reported: Ints
    silent: Flags

    @property
    def free(self) -> Ints:
        """Docks that a bike can be given back to."""
        return self.docks - self.broken - self.bikes


def things(job: Job) -> list[Asset]:
    """The stations, for the register."""
    found = []
    for index in range(job.count(len(_STATIONS), least=2)):
        rng = job.rng("assets", SOURCE, index)
        name, town, _, _ = _STATIONS[index % len(_STATIONS)]
        title = f"Station vélo {numbered(name, index, len(_STATIONS))}"
        place = stand(job, rng, town)
        found.append(assets.Asset(SOURCE, str(4100 + 7 * index), title, "station_velo", *place, usage="vélo partagé"))
    return found


def write(job: Job) -> None:
    """One archive per local day."""
    axis = job.axis(_EVERY_MIN)
    stations = [_station(job, axis, index, asset) for index, asset in enumerate(things(job))]
    told: set[tuple[str, int]] = set()
    for number, (day, (begin, end)) in enumerate(zip(job.dates(), axis.bounds, strict=True)):
        serve = _version_3 if number >= _UPGRADE_DAY else _version_2
        name = f"gbfs_{day:%Y%m%d}.zip"
        members: dict[str, bytes] = {}
        _list(job, axis, stations, name, members, at=begin, broken=number == _BROKEN_DAY, serve=serve)
        for position in range(begin, end):
            cached = number % _CACHED_EVERY == 0 and position - begin == _CACHED_HOUR
            shown = position - 1 if cached else position
            member = f"station_status_{_stamp(axis, position)}.json"
            members[member] = _document(axis, shown, [serve(station, axis, shown) for station in stations], serve)
            again = sum((station.asset.native_id, shown) in told for station in stations)
            told |= {(station.asset.native_id, shown) for station in stations}
            job.truth.file(SOURCE, f"{name}!{member}", read=len(stations), duplicate=again)
        write_archive(job.folder(SOURCE) / name, dict(sorted(members.items())))
    times = utc(axis.epoch)
    job.truth.table(
        "bike_stations_hourly",
        TRUTH,
        [
            (s.asset.native_id, times[p], int(s.bikes[p]), int(s.free[p]))
            for s in stations
            for p in range(len(times))
            if (s.asset.native_id, p) in told
        ],
    )


def _station(job: Job, axis: Axis, index: int, asset: Asset) -> _Station:
    """The second station loses its link for hours on one day: the feed goes on telling its last word."""
    rng = job.rng(SOURCE, index)
    _, _, docks, kind = _STATIONS[index % len(_STATIONS)]
    level = profile(axis.hour, _DAYS[kind]) + wander(rng, len(axis.epoch), 0.9, 0.12)
    broken = int(rng.integers(0, 2))
    bikes = (level * docks).round().clip(0, docks - broken).astype(np.int64)
    reported = axis.epoch - rng.integers(20, 600, len(axis.epoch))
    silent = np.zeros(len(axis.epoch), dtype=np.bool_)
    if index == 1:
        began = int(axis.epoch[axis.bounds[job.days // 2][0]]) + 11 * HOUR
        silent = (axis.epoch >= began) & (axis.epoch < began + _SILENT_S)
        last = int(np.argmax(silent)) - 1
        bikes[silent], reported[silent] = bikes[last], reported[last]
    electric = rng.binomial(bikes, 0.45)
    electric[silent] = electric[int(np.argmax(silent)) - 1] if silent.any() else 0
    return _Station(asset, docks, bikes, electric, broken, reported, silent)


def _list(
    job: Job,
    axis: Axis,
    stations: list[_Station],
    name: str,
    members: dict[str, bytes],
    *,
    at: int,
    broken: bool,
    serve: Any,
) -> None:
    """The day's list of stations."""
    member = f"station_information_{_stamp(axis, at)}.json"
    rows = [_information(station, version_3=serve is _version_3) for station in stations]
    if broken:
        rows[0]["lat"] = str(rows[0]["lat"]).replace(".", ",")
        job.truth.refuse(SOURCE, f"{name}!{member}", line=1, column="lat", reason=BAD_NUMBER)
    members[member] = _document(axis, at, rows, serve)
    job.truth.file(SOURCE, f"{name}!{member}", read=len(rows), quarantined=int(broken))


def _information(station: _Station, *, version_3: bool) -> dict[str, Any]:
    asset = station.asset
    name: Any = [{"text": asset.name, "language": "fr"}] if version_3 else asset.name
    return {
        "station_id": asset.native_id,
        "name": name,
        "lat": asset.latitude,
        "lon": asset.longitude,
        "capacity": station.docks,
        "post_code": "58000",
        "is_virtual_station": False,
    }


def _version_2(station: _Station, _axis: Axis, at: int) -> dict[str, Any]:
    bikes, electric = int(station.bikes[at]), int(station.electric[at])
    return {
        "station_id": station.asset.native_id,
        "num_bikes_available": bikes,
        "num_bikes_available_types": [{"mechanical": bikes - electric}, {"ebike": electric}],
        "num_bikes_disabled": 0,
        "num_docks_available": int(station.free[at]),
        "num_docks_disabled": station.broken,
        "is_installed": 1,
        "is_renting": 1,
        "is_returning": 1,
        "last_reported": int(station.reported[at]),
    }


def _version_3(station: _Station, axis: Axis, at: int) -> dict[str, Any]:
    bikes, electric = int(station.bikes[at]), int(station.electric[at])
    offset = int(axis.local[at] - axis.epoch[at])
    reported = station.reported[at : at + 1]
    return {
        "station_id": station.asset.native_id,
        "num_vehicles_available": bikes,
        "vehicle_types_available": [
            {"vehicle_type_id": "bike", "count": bikes - electric},
            {"vehicle_type_id": "ebike", "count": electric},
        ],
        "num_vehicles_disabled": 0,
        "num_docks_available": int(station.free[at]),
        "num_docks_disabled": station.broken,
        "is_installed": True,
        "is_renting": True,
        "is_returning": True,
        "last_reported": zoned(reported, reported + offset)[0],
    }


def _document(axis: Axis, at: int, stations: list[dict[str, Any]], serve: Any) -> bytes:
    new = serve is _version_3
    now: Any = zoned(axis.epoch[at : at + 1], axis.local[at : at + 1])[0] if new else int(axis.epoch[at])
    document = {"last_updated": now, "ttl": 60, "version": "3.0" if new else "2.3", "data": {"stations": stations}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _stamp(axis: Axis, at: int) -> str:
    return _stamped(int(axis.epoch[at]))


@cache
def _stamped(instant: int) -> str:
    return f"{iso(np.array([instant]))[0].replace('-', '').replace(':', '')[:13]}Z"
