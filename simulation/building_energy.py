"""Electric load curves of public buildings as the grid operator hands them out: one history per delivery point.

Belongs here: the two metering segments (C4: every 10 minutes, stamped at the start; C5: every 30 or 60, stamped at the
end), their blanks and holes, the shape of a building's day. Does not: the buildings' names and places (`assets`), nor
the XML of the daily subscriptions (`enedis_flows`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets, enedis_flows
from simulation.clock import Axis, Flags, Floats, Ints, iso, profile

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "building_energy"
META = (
    "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;Grandeur metier;Etape metier;Unite;"
    "Pas en minutes"
)
HEADER = "Horodate;Valeur"
TRUTH = (
    "prm", "business_date", "energy_kwh", "step_minutes", "steps_expected", "steps_blank", "steps_missing",
    "blank_share",
)  # fmt: skip
_C4_MINUTES, _C5_MINUTES, _C5_OLD_MINUTES = 10, 30, 60
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"

# Share of the building's peak, by hour, on a working day; other days stay near the night level.
_WORKING: dict[str, dict[float, float]] = {
    "piscine": {0: 0.55, 6: 0.6, 8: 0.95, 12: 1.0, 20: 0.9, 22: 0.6},
    "école": {0: 0.12, 6: 0.15, 8: 0.9, 11: 1.0, 13: 0.75, 16: 0.8, 18: 0.25, 20: 0.12},
    "gymnase": {0: 0.1, 8: 0.3, 10: 0.5, 16: 0.6, 18: 1.0, 21: 0.95, 22.5: 0.15},
}
_OFFICE: dict[float, float] = {0: 0.15, 6: 0.2, 8.5: 0.9, 11: 1.0, 13: 0.85, 16: 0.95, 18: 0.4, 20: 0.15}
_OPEN_AT_WEEKENDS = {"piscine": 0.85, "gymnase": 0.7, "salle polyvalente": 0.9}


@dataclass(frozen=True)
class _Curve:
    """A meter's clean power over the period, and what the export leaves out."""

    axis: Axis
    step: Ints  # minutes, by point
    power: Ints
    blank: Flags
    missing: Flags


def things(job: Job) -> list[Asset]:
    """Delivery points beside the metered buildings that the register has anyway."""
    return enedis_flows.sites(job)


def write(job: Job) -> None:
    """One history per building for the whole period; then the subscriptions: registers of C4, curves of small sites."""
    rows: list[tuple[object, ...]] = []
    registers: list[enedis_flows.Curve] = []
    seen = {"C4": 0, "C5": 0}
    for number, building in enumerate(assets.buildings(job)):
        rank = seen[building.variant]
        seen[building.variant] += 1
        rng = job.rng(SOURCE, building.variant, rank)
        curve = _c4(job, rng, building) if building.variant == "C4" else _c5(job, rng, building, first=rank == 0)
        name = f"Enedis_SGE_HDM_{_code(rng, number)}.csv"
        lines = _lines(building, curve)
        text = "\n".join([META, _meta(job, building), HEADER, *lines]) + "\n"
        (job.folder(SOURCE) / name).write_bytes(text.encode("utf-8-sig"))
        job.truth.file(SOURCE, name, read=len(lines))
        rows += _daily(job, building, curve)
        if building.variant == "C4":
            registers.append(enedis_flows.Curve(building, curve.axis, curve.power, curve.missing))
    job.truth.table("building_daily_energy", TRUTH, rows)
    enedis_flows.write_r171(job, registers)
    _write_small_sites(job)


def _write_small_sites(job: Job) -> None:
    """Curves that come by subscription alone. The second site's meter was out of reach for a morning."""
    curves: list[enedis_flows.Curve] = []
    rows: list[tuple[object, ...]] = []
    for number, site in enumerate(enedis_flows.sites(job)):
        curve = _c5(job, job.rng(SOURCE, "R50", "curve", number), site, first=False)
        lost = (curve.axis.day == job.days // 2) & (curve.axis.hour >= 5) & (curve.axis.hour < 11) & (number == 1)
        curve = replace(curve, blank=np.zeros(len(lost), dtype=np.bool_), missing=lost)
        curves.append(enedis_flows.Curve(site, curve.axis, curve.power, curve.missing))
        rows += _daily(job, site, curve)
    job.truth.table("building_daily_energy_r50", TRUTH, rows)
    enedis_flows.write_r50(job, curves)


def _c4(job: Job, rng: np.random.Generator, building: Asset) -> _Curve:
    """Ten-minute curve in whole kilowatts: the clean signal is what the meter counts, so truth is exact."""
    axis = job.axis(_C4_MINUTES)
    power = np.maximum(1, np.round(_load(rng, axis, building) / 1000)).astype(np.int64) * 1000
    blank = rng.random(len(power)) < 0.004
    # Now and then the meter is unreachable: some hours in a row without a value, the stamps still there.
    for _ in range(max(1, job.days // 18)):
        begin = int(rng.integers(len(power)))
        blank[begin : begin + int(rng.integers(6, 60))] = True
    step = np.full(len(power), _C4_MINUTES, dtype=np.int64)
    return _Curve(axis, step, power, blank, np.zeros(len(power), dtype=np.bool_))


def _c5(job: Job, rng: np.random.Generator, building: Asset, *, first: bool) -> _Curve:
    """Half-hour curve in watts. The first meter was hourly until the middle of the period, and once lost some hours."""
    axis = job.axis(_C5_MINUTES)
    power = np.maximum(40, np.round(_load(rng, axis, building))).astype(np.int64)
    step = np.full(len(power), _C5_MINUTES, dtype=np.int64)
    missing = np.zeros(len(power), dtype=np.bool_)
    if first:
        # The change falls on a midnight: a day has one step. Half hours of the hourly days are merged into their hour.
        old = axis.day < job.days // 2
        pairs = power[old].reshape(-1, 2).mean(axis=1).round().astype(np.int64)
        keep = ~old
        keep[: int(old.sum()) : 2] = True
        power[: int(old.sum()) : 2] = pairs
        step[old] = _C5_OLD_MINUTES
        axis = Axis(axis.start, axis.days, axis.epoch[keep], axis.local[keep], axis.fold[keep], axis.ambiguous[keep])
        power, step, missing = power[keep], step[keep], missing[keep]
        missing = (axis.day == job.days * 2 // 3) & (axis.hour >= 7) & (axis.hour < 19.5)
    blank = (rng.random(len(power)) < 0.002) & ~missing
    return _Curve(axis, step, power, blank, missing)


def _load(rng: np.random.Generator, axis: Axis, building: Asset) -> Floats:
    """Power in watts: floor area sets the peak, use and calendar the shape."""
    surface = building.surface_m2 or 1000
    peak = surface * float(rng.uniform(22, 34)) if building.variant == "C4" else surface * float(rng.uniform(14, 24))
    curve = _WORKING.get(building.usage, _OFFICE)
    level = profile(axis.hour, curve)
    night = min(curve.values())
    idle = night + (level - night) * _OPEN_AT_WEEKENDS.get(building.usage, 0.06)
    level = np.where(axis.working, level, idle)
    # Days are colder or darker than one another; points flicker.
    daily = rng.normal(1.0, 0.05, axis.days)[axis.day]
    return np.asarray(peak * level * daily * rng.normal(1.0, 0.06, len(level)).clip(0.7, 1.4), dtype=np.float64)


def _lines(building: Asset, curve: _Curve) -> list[str]:
    """C5 stamps the end of the step. Near a change of clock the offset is that of the instant stamped."""
    offset = curve.axis.local - curve.axis.epoch
    stamps = iso(curve.axis.local)
    if building.variant == "C5":
        local = curve.axis.local + curve.step * 60
        following = np.append(offset[1:], offset[-1])  # a step that ends when the clock changes ends in the new offset
        stamps, offset = iso(local + following - offset), following
    texts = [
        f"{stamp}+0{hours}:00;{'' if blank else power}"
        for stamp, hours, power, blank in zip(
            stamps, (offset // 3600).tolist(), curve.power.tolist(), curve.blank.tolist(), strict=True
        )
    ]
    return [text for text, missing in zip(texts, curve.missing.tolist(), strict=True) if not missing]


def _meta(job: Job, building: Asset) -> str:
    """Dates of the order, end excluded; C4 tells neither unit nor step, C5 tells the step of the day it was asked."""
    end = job.start + timedelta(days=job.days)
    unit, step = ("", "") if building.variant == "C4" else ("W", str(_C5_MINUTES))
    period = f"{job.start:%d/%m/%Y};{end:%d/%m/%Y}"
    return f"{building.native_id};Courbe de charge;{period};Energie active;Consommation;Comptage Brut;{unit};{step}"


def _daily(job: Job, building: Asset, curve: _Curve) -> list[tuple[object, ...]]:
    ones = np.ones(len(curve.power))
    energy = curve.axis.daily(curve.power * curve.step / 60_000)
    expected, blank, missing = (
        curve.axis.daily(ones),
        curve.axis.daily(curve.blank.astype(np.int64)),
        curve.axis.daily(curve.missing.astype(np.int64)),
    )
    minutes = curve.axis.daily(curve.step) / expected
    return [
        (
            building.native_id, day.isoformat(), f"{energy[n]:.3f}", int(minutes[n]), int(expected[n]), int(blank[n]),
            int(missing[n]), f"{blank[n] / expected[n]:.4f}",
        )
        for n, day in enumerate(job.dates())
    ]  # fmt: skip


def _code(rng: np.random.Generator, number: int) -> str:
    """The order's code in the file name; the running number keeps it unique."""
    letters = "".join(_LETTERS[int(i)] for i in rng.integers(len(_LETTERS), size=3))
    return f"A{number + 1:02d}{letters[:2]}{int(rng.integers(100)):02d}{letters[2]}"
