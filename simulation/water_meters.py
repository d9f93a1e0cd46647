"""Remote readings of the large water meters, one archive a week.

Belongs here: the registers, their replacement, gaps, and the days sent twice. Does not: who the meters belong to
(`assets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import Axis, Flags, Ints, french, profile
from simulation.files import write_zip

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "water_meters"
HEADER = "user key;datetime;meter reading;diff"
TRUTH = ("user_key", "business_date", "volume_l", "readings_expected", "readings_sent", "replaced")
_WEEK = 7
_RESENT = 2  # meters whose last day of the week comes again in the next archive
_DUPLICATE_SHARE = 4e-4
# Litres a day, and the hours they are drawn at.
_DAILY: dict[str, float] = {
    "hôpital": 150_000, "industrie": 90_000, "enseignement": 14_000, "hébergement": 18_000, "commerce": 12_000,
    "administration": 5_000, "piscine": 60_000, "agriculture": 25_000,
}  # fmt: skip
_ROUND_THE_CLOCK = {"hôpital", "industrie"}
_CURVE: dict[float, float] = {
    0: 0.15, 4: 0.1, 6: 0.6, 8: 1.8, 10: 1.6, 12: 1.9, 14: 1.5, 17: 1.4, 19: 1.3, 22: 0.4,
}  # fmt: skip
_PULSE_L = 10  # large meters send one pulse every ten litres


@dataclass(frozen=True)
class _Meter:
    """One meter's readings: `drawn` is the clean volume of each hour, `lines` what the platform sends."""

    key: str
    axis: Axis
    drawn: Ints
    sent: Flags
    replaced: int  # position of the first reading of the new register, -1 when there is none
    lines: list[str]


def write(job: Job) -> None:
    """One archive per seven days, named by its last day; the second and later ones repeat a day of two meters."""
    meters = _meters(job)
    resent = {meter.key for meter in meters[:_RESENT]}
    for week, first in enumerate(range(0, job.days, _WEEK)):
        last = min(first + _WEEK, job.days) - 1
        rng = job.rng(SOURCE, "week", week)
        lines: list[str] = []
        repeated = 0
        for meter in meters:
            since = first - 1 if first and meter.key in resent else first
            day = meter.axis.day
            chosen = np.flatnonzero((day >= since) & (day <= last) & meter.sent)
            repeated += int((day[chosen] < first).sum())
            # Never a duplicate in the hour that comes twice: there, a second line is a second hour.
            twice = (rng.random(len(chosen)) < _DUPLICATE_SHARE) & ~meter.axis.ambiguous[chosen]
            for position, again in zip(chosen.tolist(), twice.tolist(), strict=True):
                lines += [meter.lines[position]] * (2 if again else 1)
            repeated += int(twice.sum())
        stem = f"releves_{job.start + timedelta(days=last):%Y%m%d}"
        text = "\r\n".join([HEADER, *lines]) + "\r\n"
        write_zip(job.folder(SOURCE) / f"{stem}.zip", f"{stem}.csv", text.encode("utf-8"))
        job.truth.file(SOURCE, f"{stem}.zip!{stem}.csv", read=len(lines), duplicate=repeated)
    job.truth.table("water_meters_daily", TRUTH, _daily(job, meters))


def _meters(job: Job) -> list[_Meter]:
    hours = job.axis(60)
    known = assets.meters(job)
    return [_meter(job, hours, asset, number, len(known)) for number, asset in enumerate(known)]


def _meter(job: Job, hours: Axis, asset: Asset, number: int, count: int) -> _Meter:
    """The fifth meter (or the last) is replaced one morning; one in twelve, and the last, lose some hours."""
    rng = job.rng(SOURCE, "meter", number)
    axis = hours.shifted(int(rng.integers(30, 3570)))
    drawn = _drawn(rng, axis, asset)
    register = int(rng.integers(20_000, 900_000)) * _PULSE_L + np.cumsum(drawn)
    replaced = -1
    if number == min(4, count - 1):
        # The new register counts the hour it was fitted in, so a reader that starts from 0 loses nothing.
        replaced = int(np.argmax((axis.day == job.days * 3 // 5) & (axis.hour >= 10)))
        register[replaced:] -= register[replaced - 1]
    sent = np.ones(len(drawn), dtype=np.bool_)
    if number % 12 == 3 or number == count - 1:
        begin, length = int(rng.integers(8, 12)), int(rng.integers(3, 10))
        sent = ~((axis.day == int(rng.integers(job.days))) & (axis.hour >= begin) & (axis.hour < begin + length))
    # What the platform calls diff is the difference with the last reading it received.
    differences = np.zeros(len(drawn), dtype=np.int64)
    received = np.flatnonzero(sent)
    differences[received] = np.diff(register[received], prepend=register[0] - drawn[0])
    lines = [
        f"{asset.native_id};{stamp};{reading};{difference}"
        for stamp, reading, difference in zip(french(axis.local), register.tolist(), differences.tolist(), strict=True)
    ]
    return _Meter(asset.native_id, axis, drawn, sent, replaced, lines)


def _drawn(rng: np.random.Generator, axis: Axis, asset: Asset) -> Ints:
    """Litres drawn in the hour before each reading, in whole pulses; most night hours draw none."""
    hourly = _DAILY[asset.usage] / 24 * float(rng.uniform(0.5, 1.5))
    shape = profile(axis.hour, _CURVE)
    if asset.usage in _ROUND_THE_CLOCK:
        shape = 0.5 + 0.5 * shape
    else:
        quiet = (axis.hour < 6) | (axis.hour >= 22)
        shape = np.where(quiet & (rng.random(len(shape)) < 0.8), 0.0, shape)
        shape *= np.where(axis.working, 1.0, 0.45)
    litres = hourly * shape * rng.gamma(6.0, 1 / 6.0, len(shape))
    return (litres / _PULSE_L).round().astype(np.int64) * _PULSE_L


def _daily(job: Job, meters: list[_Meter]) -> list[tuple[object, ...]]:
    """A reading's volume belongs to the business day it was read on."""
    rows: list[tuple[object, ...]] = []
    for meter in meters:
        volume = meter.axis.daily(meter.drawn)
        expected = meter.axis.daily(np.ones(len(meter.drawn)))
        sent = meter.axis.daily(meter.sent.astype(np.int64))
        day = int(meter.axis.day[meter.replaced]) if meter.replaced >= 0 else -1
        rows += [
            (meter.key, when.isoformat(), int(volume[n]), int(expected[n]), int(sent[n]), int(n == day))
            for n, when in enumerate(job.dates())
        ]
    return rows
