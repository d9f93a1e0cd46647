"""Remote supervision of the water network: one file per remote unit and day, as the supervisor exports them.

Belongs here: channels, counters (roll-over, reset), quality flags and everything that goes wrong with such files.
Does not: how much water the network moves (`water_network`), the units' names and places (`assets`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import Axis, Flags, Floats, french
from simulation.truth import BAD_DATE, BAD_NUMBER
from simulation.water_network import STEP_MINUTES, Flow, flows, level, side_signals

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "water_scada"
HEADER = "Site;Voie;Libellé;Horodatage;Valeur;Unité;Qualité"
TRUTH = ("unit_id", "business_date", "measure", "volume_m3")
_COUNTER = 1_000_000  # six-digit registers
_BAD_VALUES = ("-----", "###")
_ABSURD = ("", "", "-9999,00", "65535,00")
_BAD_SHARE, _TWICE_SHARE = 0.02, 0.03  # of the files
_CORRECTED_ROWS = 6
_FRENCH = {"produced": "produit", "distributed": "distribué", "sector": "sectorisé"}
_FLOW_LABEL = {
    "usine": "Débit de refoulement", "reservoir": "Débit de distribution", "surpresseur": "Débit surpressé",
    "chambre": "Débit sectorisé",
}  # fmt: skip


@dataclass(frozen=True)
class _Channel:
    """One channel over the period, as text."""

    code: str
    label: str
    unit: str
    values: list[str]
    quality: list[str]


@dataclass
class _Plan:
    """What goes wrong with one file: positions are rows of that file, from 0."""

    bad: dict[int, int] = field(default_factory=dict)  # row -> which kind of bad
    twice: set[int] = field(default_factory=set)
    silent: bool = False
    corrected: bool = False


@dataclass(frozen=True)
class _Day:
    """One unit's business day: `times` are the stamps of the points that reached the supervisor."""

    unit: str
    when: date
    times: list[str]
    plan: _Plan

    @property
    def stem(self) -> str:
        """The export's name, without its ending."""
        return f"SOFREL_{self.unit}_{self.when:%Y%m%d}"


def write(job: Job) -> None:
    """Every unit, every day; the corrected day of one unit is exported a second time."""
    axis = job.axis(STEP_MINUTES)
    stamps = french(axis.local)
    units = assets.units(job)
    plans = _plans(job, axis, units)
    truth: list[tuple[object, ...]] = []
    moved = flows(job, axis, units)
    first = {"usine": True, "reservoir": True}
    for number, unit in enumerate(units):
        flow = moved[unit.native_id]
        channels = _channels(job, axis, unit, flow, first=first.pop(unit.category, False))
        truth += _daily(job, axis, unit, flow)
        for index in range(job.days):
            day, kept = _day(axis, unit, index, stamps, plans.get((number, index), _Plan()))
            _write_day(job, day, [_cut(channel, kept) for channel in channels])
    job.truth.table("water_daily_volume", TRUTH, truth)


def _channels(job: Job, axis: Axis, unit: Asset, flow: Flow, *, first: bool) -> list[_Channel]:
    """The unit's channels in order of their code."""
    rng = job.rng(SOURCE, unit.native_id)
    made: list[tuple[str, str, str, list[str]]] = []
    if flow.measure:
        made.append(("IDX01", f"Index volume {_FRENCH[flow.measure]}", "m³", _index(job, unit, flow, first=first)))
    made.append(("DEB01", _FLOW_LABEL[unit.category], "m³/h", _decimals(flow.rate, 1)))
    if unit.category == "reservoir":
        made.append(("NIV01", "Niveau réservoir cuve n°1", "m", _decimals(level(rng, axis), 2)))
    for code, label, symbol, values, digits in side_signals(rng, axis, unit.category, flow.rate):
        made.append((code, label, symbol, _decimals(values, digits)))
    return [_flagged(rng, axis, channel) for channel in sorted(made)]


def _flagged(rng: np.random.Generator, axis: Axis, channel: tuple[str, str, str, list[str]]) -> _Channel:
    """Quality flags: doubtful points keep their value, invalid ones lose it or show something absurd."""
    code, label, unit, values = channel
    draw = rng.random(len(axis.epoch))
    absurd = rng.integers(len(_ABSURD), size=len(draw)).tolist()
    quality = np.where(draw < 0.001, "Invalide", np.where(draw < 0.005, "Douteux", "Bon")).tolist()
    shown = [
        _ABSURD[absurd[n]] if flag == "Invalide" else value
        for n, (value, flag) in enumerate(zip(values, quality, strict=True))
    ]
    return _Channel(code, label, unit, shown, quality)


def _index(job: Job, unit: Asset, flow: Flow, *, first: bool) -> list[str]:
    """A totaliser: the volume passed before each stamp, whole cubic metres.

    The first plant's rolls over within the period, the first tank's is reset; all are six-digit.
    """
    rng = job.rng(SOURCE, "index", unit.native_id)
    passed = np.concatenate([[0.0], np.cumsum(flow.volume)[:-1]])
    begin = float(rng.integers(20_000, 500_000))
    if first and unit.category == "usine":
        begin = _COUNTER - 0.4 * float(passed[-1])
    register = begin + passed
    if first and unit.category == "reservoir":
        # The reset falls just after a reading: what passed since is on the new register, nothing is lost.
        at = len(register) * 11 // 20
        register[at:] -= register[at - 1]
    return [str(int(v)) for v in np.floor(register % _COUNTER).tolist()]


def _decimals(values: Floats, digits: int) -> list[str]:
    return [f"{value:.{digits}f}".replace(".", ",") for value in values.tolist()]


def _plans(job: Job, axis: Axis, units: list[Asset]) -> dict[tuple[int, int], _Plan]:
    """Which files suffer what; the silent file and the corrected one suffer nothing else, to stay readable in tests."""
    rng = job.rng(SOURCE, "faults")
    plans = {
        (len(units) - 1, job.days // 2): _Plan(silent=True),
        (_last_plant(units), job.days // 3): _Plan(corrected=True),
    }
    files = [(unit, day) for unit in range(len(units)) for day in range(job.days) if (unit, day) not in plans]
    bad = max(3, round(_BAD_SHARE * len(files)))
    total = min(len(files), bad + max(2, round(_TWICE_SHARE * len(files))))
    bad = min(bad, (total + 1) // 2)
    bounds = axis.bounds
    for rank, pick in enumerate(rng.choice(len(files), size=total, replace=False).tolist()):
        unit, day = files[pick]
        begin, end = bounds[day]
        # Never in the hour that comes twice: a second line there is a second hour. Every unit has two channels or more.
        calm = np.flatnonzero(~axis.ambiguous[begin:end])
        row = int(rng.integers(2)) * (end - begin) + int(rng.choice(calm))
        plans[unit, day] = _Plan(bad={row: rank}) if rank < bad else _Plan(twice={row})
    return plans


def _last_plant(units: list[Asset]) -> int:
    return max(number for number, unit in enumerate(units) if unit.category == "usine")


def _write_day(job: Job, day: _Day, channels: list[_Channel]) -> None:
    """One file, or two when the day was corrected: the second has the right values and is loaded after the first."""
    if not day.plan.corrected:
        _write_file(job, day, f"{day.stem}.csv", channels)
        return
    right, wrong = _correction(channels)
    _write_file(job, day, f"{day.stem}.csv", wrong)
    _write_file(job, day, f"{day.stem}_bis.csv", right, known=len(day.times) * len(right) - _CORRECTED_ROWS)


def _day(axis: Axis, unit: Asset, number: int, stamps: list[str], plan: _Plan) -> tuple[_Day, list[int]]:
    """A unit's day, and the positions on the axis of the points that reached the supervisor."""
    begin, end = axis.bounds[number]
    hour = axis.hour[begin:end]
    heard: Flags = ~((hour >= 9) & (hour < 15.5)) if plan.silent else np.ones(len(hour), dtype=np.bool_)
    kept = [begin + int(position) for position in np.flatnonzero(heard)]
    return _Day(unit.native_id, axis.start + timedelta(days=number), [stamps[n] for n in kept], plan), kept


def _cut(channel: _Channel, kept: list[int]) -> _Channel:
    return replace(channel, values=[channel.values[n] for n in kept], quality=[channel.quality[n] for n in kept])


def _correction(channels: list[_Channel]) -> tuple[list[_Channel], list[_Channel]]:
    """The day as it was, and as first exported: six points of the flow two fifths too high."""
    flow = next(n for n, channel in enumerate(channels) if channel.code == "DEB01")
    middle = len(channels[flow].values) // 2
    span = range(middle, middle + _CORRECTED_ROWS)
    right, wrong = list(channels), list(channels)
    values, quality = list(channels[flow].values), list(channels[flow].quality)
    neighbour = next(v for v, q in zip(values, quality, strict=True) if q == "Bon")
    for n in span:
        if quality[n] == "Invalide":
            values[n] = neighbour
        quality[n] = "Bon"
    right[flow] = replace(channels[flow], values=values, quality=quality)
    false = list(values)
    for n in span:
        false[n] = f"{float(values[n].replace(',', '.')) * 1.4 + 1:.1f}".replace(".", ",")
    wrong[flow] = replace(channels[flow], values=false, quality=quality)
    return right, wrong


def _write_file(job: Job, day: _Day, name: str, channels: list[_Channel], *, known: int = 0) -> None:
    """One export; `known` rows of it were already in an earlier one."""
    rows = [
        f"{day.unit};{c.code};{c.label};{time};{value};{c.unit};{quality}"
        for c in channels
        for time, value, quality in zip(day.times, c.values, c.quality, strict=True)
    ]
    plan, lines = day.plan, list[str]()
    for position, row in enumerate(rows):
        if position in plan.bad:
            column, reason, text = _spoil(row, plan.bad[position], day.when)
            lines.append(text)
            job.truth.refuse(SOURCE, name, line=len(lines) + 1, column=column, reason=reason)
        else:
            lines += [row] * (2 if position in plan.twice else 1)
    text = "\r\n".join([HEADER, *lines]) + "\r\n"
    (job.folder(SOURCE) / name).write_bytes(text.encode("cp1252"))
    job.truth.file(SOURCE, name, read=len(lines), duplicate=known + len(plan.twice), quarantined=len(plan.bad))


def _spoil(row: str, kind: int, when: date) -> tuple[str, str, str]:
    """A row no reader can take: a day that does not exist, or a value that is not a number."""
    cells = row.split(";")
    if kind % 3 == 1:
        cells[3] = f"31/02/{when.year} {cells[3][11:]}"
        return "Horodatage", BAD_DATE, ";".join(cells)
    cells[4] = _BAD_VALUES[kind % 3 // 2]
    return "Valeur", BAD_NUMBER, ";".join(cells)


def _daily(job: Job, axis: Axis, unit: Asset, flow: Flow) -> list[tuple[object, ...]]:
    if not flow.measure:
        return []
    volume = axis.daily(flow.volume)
    return [(unit.native_id, day.isoformat(), flow.measure, f"{volume[n]:.3f}") for n, day in enumerate(job.dates())]
