"""Hourly traffic counted by citizens' cameras, one file a month; beside them, the exports of the cycle ways' counters.

Belongs here: the cameras' columns, what a camera sees (nothing at night), its habit of labelling both 02:00 hours of
the October night CET. Does not: the sites' names and places (`assets`), nor the other counters (`eco_counters`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets, eco_counters
from simulation.clock import Axis, Flags, Floats, Ints, is_holiday, iso, profile, utc

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "traffic_counts"
HEADER = (
    "instance_id,segment_fullname,segment_id,date,interval,uptime,heavy,car,bike,pedestrian,heavy_lft,heavy_rgt,"
    "car_lft,car_rgt,bike_lft,bike_rgt,pedestrian_lft,pedestrian_rgt,direction,timezone,v85,day,hour,weekday,holiday,"
    "uptime_quality"
)
TRUTH = ("segment_id", "start_time", "car", "heavy", "bike", "pedestrian", "measured")
_KINDS = ("heavy", "car", "bike", "pedestrian")  # in the export's order
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Vehicles an hour at the busiest.
_PEAKS: dict[str, dict[str, float]] = {
    "MUNICIPAL ROAD": {"heavy": 14, "car": 420, "bike": 22, "pedestrian": 45},
    "DEPARTMENTAL ROAD": {"heavy": 70, "car": 760, "bike": 9, "pedestrian": 6},
    "CYCLE TRACK": {"heavy": 0, "car": 0, "bike": 85, "pedestrian": 60},
}
_COMMUTE: dict[float, float] = {
    0: 0.04, 4: 0.03, 6: 0.2, 7.5: 0.9, 9: 0.6, 12: 0.7, 14: 0.6, 17: 1.0, 19: 0.55, 22: 0.12,
}  # fmt: skip
_LEISURE: dict[float, float] = {0: 0.06, 5: 0.03, 9: 0.25, 11: 0.55, 15: 0.75, 18: 0.6, 21: 0.2}
_GOOD_UPTIME = 0.7


def write(job: Job) -> None:
    """One file per month touched, segments in order of their number, hours in order of time; then the counters'."""
    axis = job.axis(60)
    months: dict[str, list[str]] = {}
    truth: list[tuple[object, ...]] = []
    for number, site in enumerate(assets.sites(job)):
        rng = job.rng(SOURCE, number)
        true = _true(rng, axis, site)
        uptime = _uptime(rng, axis)
        for month, line in zip(_months(axis), _lines(rng, axis, site, true, uptime), strict=True):
            months.setdefault(month, []).append(line)
        truth += _hourly(axis, site, true, uptime > 0)
    for month in sorted(months):
        name = f"telraam_{month}.csv"
        text = "\n".join([HEADER, *months[month]]) + "\n"
        (job.folder(SOURCE) / name).write_text(text, encoding="utf-8", newline="")
        job.truth.file(SOURCE, name, read=len(months[month]))
    job.truth.table("traffic_hourly", TRUTH, truth)
    eco_counters.write_exports(job)


def things(job: Job) -> list[Asset]:
    """Things of this source that `assets` does not list: the counters of the cycle ways."""
    return eco_counters.counters(job)


def _true(rng: np.random.Generator, axis: Axis, site: Asset) -> dict[str, Ints]:
    """Everyone who went by, seen or not."""
    peaks = _PEAKS[site.usage]
    size = float(rng.uniform(0.6, 1.3))
    shape = np.where(axis.working, profile(axis.hour, _COMMUTE), profile(axis.hour, _LEISURE))
    return {
        kind: rng.poisson(peaks[kind] * size * shape * rng.normal(1.0, 0.08, len(shape)).clip(0.6, 1.5))
        for kind in _KINDS
    }


def _uptime(rng: np.random.Generator, axis: Axis) -> Floats:
    """Share of the hour the camera watched; 0 in the dark. Day length from the season, at 47 degrees north."""
    year = np.array([date.fromisoformat(t[:10]).timetuple().tm_yday for t in iso(axis.local)])
    half = 6.1 + 2.0 * np.sin(2 * np.pi * (year - 80) / 365.25)  # hours between sunrise and solar noon
    noon = 12 + (axis.local - axis.epoch) / 3600 - 0.2  # solar noon at 3 degrees east, on the wall clock
    seen = (axis.hour >= noon - half) & (axis.hour + 1 <= noon + half)
    return np.where(seen, rng.uniform(0.5, 0.85, len(half)), 0.0).round(10)


def _lines(rng: np.random.Generator, axis: Axis, site: Asset, true: dict[str, Ints], uptime: Floats) -> list[str]:
    """The camera counts during its uptime and the platform scales up to the hour: hence fractions."""
    share = np.where(uptime > 0, uptime, 1.0)
    left: dict[str, list[str]] = {}
    right: dict[str, list[str]] = {}
    total: dict[str, list[str]] = {}
    for kind in _KINDS:
        seen = np.where(uptime > 0, rng.binomial(true[kind], uptime), 0)
        half = rng.binomial(seen, 0.5)
        left[kind], right[kind], total[kind] = (
            [str(v) for v in (n / share).round(10).tolist()] for n in (half, seen - half, seen)
        )
    speed = [str(v) for v in (rng.integers(60, 120, len(uptime)) / 2).tolist()]
    calendar = _calendar(axis)
    name = f"{site.native_id} - {''.join(w[:6].title() for w in site.name.split()[-2:])}"
    return [
        f"-1,{name},{site.native_id}.0,{stamp},hourly,{up},"
        + ",".join(total[kind][n] for kind in _KINDS)
        + ","
        + ",".join(f"{left[kind][n]},{right[kind][n]}" for kind in _KINDS)
        + f",1,Europe/Paris,{speed[n] if total['car'][n] != '0.0' else ''},{rest},{up > _GOOD_UPTIME}"
        for n, (stamp, rest, up) in enumerate(zip(_stamps(axis), calendar, uptime.tolist(), strict=True))
    ]


def _stamps(axis: Axis) -> list[str]:
    """`2026-10-25 02:00:00 CET` twice: the platform's label is wrong on the first of the two."""
    summer = (axis.local - axis.epoch == 7200) & ~axis.ambiguous
    labels = np.where(summer, "CEST", "CET").tolist()
    return [f"{text.replace('T', ' ')} {label}" for text, label in zip(iso(axis.local), labels, strict=True)]


def _calendar(axis: Axis) -> list[str]:
    days = axis.local // 86400
    holiday = {text: is_holiday(date.fromisoformat(text)) for text in sorted({t[:10] for t in iso(axis.local)})}
    return [
        f"{day}.0,{int(hour)},{_WEEKDAYS[weekday]},{holiday[text[:10]]}"
        for day, hour, weekday, text in zip(
            days.tolist(), axis.hour.tolist(), axis.weekday.tolist(), iso(axis.local), strict=True
        )
    ]


def _months(axis: Axis) -> list[str]:
    return [text[:7] for text in iso(axis.local)]


def _hourly(axis: Axis, site: Asset, true: dict[str, Ints], measured: Flags) -> list[tuple[object, ...]]:
    columns = [true[kind].tolist() for kind in TRUTH[2:6]]
    return [
        (site.native_id, start, car, heavy, bike, pedestrian, int(seen))
        for start, car, heavy, bike, pedestrian, seen in zip(utc(axis.epoch), *columns, measured.tolist(), strict=True)
    ]
