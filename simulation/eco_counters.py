"""Counters of bikes and pedestrians along the cycle ways: exports in the national exchange format, one a week.

Belongs here: channels, what passes, the export's three files and its faults (counts that are validated a week later,
a counter without battery). Does not: the cameras, whose source this is a part of (`traffic_counts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import HOUR, Axis, Flags, Ints, profile, utc
from simulation.files import csv_text
from simulation.roadside import numbered, silences, stand, zoned

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

_SOURCE = "traffic_counts"  # not SOURCE: that is what marks a platform's writer
MEASURE = ("channel_id", "counter_id", "start_datetime", "end_datetime", "count")
CHANNEL = (
    "channel_id", "channel_provider_id", "site_provider_id", "site_id", "mobility_type", "comment",
    "counter_transmission_type", "publication_transmission_type", "counter_type", "direction",
    "provider_direction_code", "provider_direction_name", "data_provider_name", "temporality", "started_at", "ended_at",
    "last_updated_at", "time_step", "provider_portal_url",
)  # fmt: skip
SITE = (
    "site_id", "parent_site_id", "site_name", "fr_insee_code", "xlong", "ylat", "external_ids", "infrastructure_type",
)  # fmt: skip
TRUTH = ("channel_id", "start_time", "passages", "measured")
_WEEK = 7
_VALIDATED = 2  # days of the week before that come again, checked
_CORRECTED = 0.02  # of their hours, those whose count was wrong
# Name, commune, bikes and pedestrians an hour at the busiest, kind of way.
_SITES = (
    ("Voie verte du canal", "Nevers", 48, 36, "GREENWAY"),
    ("Pont de Loire", "Nevers", 34, 60, "CYCLE LANE"),
    ("Levée de la Jonction", "Challuy", 22, 14, "GREENWAY"),
    ("Bec d'Allier", "Gimouille", 30, 25, "GREENWAY"),
)
_FLOWS = (("BIKE", "IN"), ("BIKE", "OUT"), ("PEDESTRIAN", "IN"), ("PEDESTRIAN", "OUT"))
_DAY: dict[float, float] = {0: 0.02, 5: 0.03, 8: 0.6, 10: 0.5, 12: 0.7, 15: 0.8, 17.5: 1.0, 20: 0.35, 22: 0.08}


@dataclass(frozen=True)
class _Channel:
    """One flow: `passed` is what went by, `first` what the counter said before it was checked."""

    id: str
    site: Asset
    mode: str
    way: str
    counter: str
    passed: Ints
    first: Ints
    blank: Flags


def counters(job: Job) -> list[Asset]:
    """The counters' channels, for the register: one thing each, where their site is."""
    return [
        assets.Asset(
            _SOURCE, _channel_id(site, flow), f"{site.name} - {mode.lower()} {way}", "compteur_passage", site.commune,
            site.longitude, site.latitude, site.in_service, usage=site.usage,
        )
        for site in _sites(job)
        for flow, (mode, way) in enumerate(_FLOWS)
    ]  # fmt: skip


def write_exports(job: Job) -> None:
    """Channels and sites once; measures per week, named by its last day."""
    axis = job.axis(60)
    sites = _sites(job)
    channels = [_channel(job, axis, site, number, flow) for number, site in enumerate(sites) for flow in range(4)]
    _put(job, f"eco_channel_{job.start:%Y%m%d}.csv", CHANNEL, [_sheet(job, c) for c in channels])
    _put(job, f"eco_site_{job.start:%Y%m%d}.csv", SITE, [_place(site) for site in sites])
    starts, ends = zoned(axis.epoch, axis.local), zoned(axis.epoch + HOUR, _next_local(axis))
    for first in range(0, job.days, _WEEK):
        last = min(first + _WEEK, job.days) - 1
        rows: list[tuple[object, ...]] = []
        again = 0
        for c in channels:
            for p in np.flatnonzero((axis.day >= max(first - _VALIDATED, 0)) & (axis.day <= last)).tolist():
                checked = bool(axis.day[p] < first)
                count = c.passed[p] if checked else c.first[p]
                again += int(checked and (bool(c.blank[p]) or c.passed[p] == c.first[p]))
                rows.append((c.id, c.counter, starts[p], ends[p], "" if c.blank[p] else int(count)))
        name = f"eco_measure_{job.start + timedelta(days=last):%Y%m%d}.csv"
        _put(job, name, MEASURE, rows, duplicate=again)
    _write_truth(job, axis, channels)


def _put(job: Job, name: str, header: tuple[str, ...], rows: list[tuple[object, ...]], duplicate: int = 0) -> None:
    (job.folder(_SOURCE) / name).write_text(csv_text(header, rows), encoding="utf-8", newline="")
    job.truth.file(_SOURCE, name, read=len(rows), duplicate=duplicate)


def _write_truth(job: Job, axis: Axis, channels: list[_Channel]) -> None:
    """What went by; before it is checked (the last week's days but those), the platform's count may still be wrong."""
    checked = axis.day < (job.days - 1) // _WEEK * _WEEK
    late = (axis.day % _WEEK) >= _WEEK - _VALIDATED
    rows = []
    for c in channels:
        known = np.where(checked & late, c.passed, c.first)
        rows += [
            (c.id, time, passages, int(measured))
            for time, passages, measured in zip(utc(axis.epoch), known.tolist(), (~c.blank).tolist(), strict=True)
        ]
    job.truth.table("eco_counts_hourly", TRUTH, rows)


def _sites(job: Job) -> list[Asset]:
    found = []
    for index in range(job.count(len(_SITES))):
        rng = job.rng("assets", _SOURCE, "eco", index)
        name, town, _, _, way = _SITES[index % len(_SITES)]
        native = str(300_020_000 + 11 * index)
        title = numbered(name, index, len(_SITES))
        found.append(assets.Asset(_SOURCE, native, title, "site_comptage", *stand(job, rng, town), usage=way))
    return found


def _channel_id(site: Asset, flow: int) -> str:
    return str(int(site.native_id) + 53_000_000 + 3 * flow)


def _channel(job: Job, axis: Axis, site: Asset, number: int, flow: int) -> _Channel:
    """The last flow of the first site runs out of battery for some hours."""
    rng = job.rng(_SOURCE, "eco", number, flow)
    mode, way = _FLOWS[flow]
    _, _, bikes, walkers, _ = _SITES[number % len(_SITES)]
    peak = (bikes if mode == "BIKE" else walkers) * float(rng.uniform(0.4, 0.6))
    shape = profile(axis.hour, _DAY) * np.where(axis.working, 0.8, 1.3)
    passed = rng.poisson(peak * shape)
    wrong = rng.random(len(passed)) < _CORRECTED
    blank = np.zeros(len(passed), dtype=np.bool_)
    if number == 0 and flow == len(_FLOWS) - 1:
        blank = silences(rng, len(passed), 1, 5, 15)
    counter = f"YTH{int(site.native_id) % 100_000:05d}"
    return _Channel(_channel_id(site, flow), site, mode, way, counter, passed, passed + wrong * 7, blank)


def _sheet(job: Job, channel: _Channel) -> tuple[object, ...]:
    started = f"{channel.site.in_service.isoformat()}T00:00:00Z"
    return (
        channel.id, "", "", channel.site.native_id, channel.mode, "", "REMOTE TRANSMISSION", "MANUAL", "OTHER", "",
        channel.way, f"{channel.site.name} {channel.way}", job.territory.name, "PERMANENT", started, "",
        f"{job.start.isoformat()}T00:00:00Z", HOUR, "",
    )  # fmt: skip


def _place(site: Asset) -> tuple[object, ...]:
    place = (f"{site.longitude:.6f}", f"{site.latitude:.6f}")
    return site.native_id, "", site.name, site.commune.insee, *place, "", site.usage


def _next_local(axis: Axis) -> Ints:
    """What the wall clock says at the end of each hour."""
    return np.concatenate([axis.local[1:], [axis.local[-1] + HOUR]])
