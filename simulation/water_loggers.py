"""The data loggers' exports: one file per logger and day with a value every quarter hour, one bulletin a day for all.

Belongs here: stamps, late and repeated files, silences, bulletins and everything that goes wrong with them.
Does not: how much water passes (`water_district`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import Axis, Flags, Floats, french
from simulation.truth import BAD_DATE, BAD_NUMBER
from simulation.water_district import STEPS_PER_HOUR, District, Logger, Signals, district, night, signals
from simulation.water_network import STEP_MINUTES, leak, leaking_tank

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "water_loggers"
HEADER = "Enregistreur;Horodatage;Debit_m3h;Pression_bar"
BULLETIN_HEADER = "Enregistreur;Date;Volume_j;Qmin;Qmax;Qmoy;Qnuit"
LOGGER_TRUTH = (
    "logger_id", "business_date", "volume_m3", "flow_min_m3_h", "flow_max_m3_h", "flow_mean_m3_h", "flow_night_m3_h",
    "readings_expected", "readings_sent",
)  # fmt: skip
SECTOR_TRUTH = ("sector_id", "business_date", "volume_m3", "night_flow_m3_h", "leak_m3")
LEAK_TRUTH = ("sector_id", "onset_time", "leak_m3")
WRONG_TRUTH = ("logger_id", "business_date", "volume_m3", "reported_volume_m3")
_BAD_SHARE, _TWICE_SHARE = 0.004, 0.006  # of the files
_BAD_VALUES = ("###", "ERR")
_LATE_DAYS = 3  # without network; the next day's file brings them
_GAP_HOURS = (10.0, 13.5)
_BLIND_SHARE = 2e-4  # of the readings: the pressure sensor answers nothing
_CORRECTED_ROWS = 8
_OLDEST_DAYS = 2400  # since a logger was put in service
_WRONG = 1.27  # what the one bulletin that disagrees says is that many times what passed


@dataclass(frozen=True)
class _Series:
    """One logger's readings over the period, as text, and the flow behind them (rounded as the logger does)."""

    logger: Logger
    flow: Floats
    cells: list[str]


@dataclass
class _Plan:
    """What goes wrong with one file: positions are rows of that file, from 0."""

    bad: dict[int, int] = field(default_factory=dict)  # row -> which kind of bad
    twice: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Roles:
    """Which logger suffers what, by number; the leaking sector's are spared where there are others."""

    late: int
    resent: int
    corrected: int
    holed: int
    wrong: int
    silent: int


def write(job: Job) -> None:
    """Readings, bulletins, and what is true of loggers, sectors and the leak."""
    axis = job.axis(STEP_MINUTES)
    network = district(job)
    truth = signals(job, axis, network)
    series = [_series(job, axis, truth, logger) for logger in network.loggers]
    roles = _roles(network)
    sent = _sent(axis, roles, len(series))
    _write_readings(job, axis, series, sent, roles)
    _write_bulletins(job, axis, series, sent, roles)
    _tell(job, axis, network, truth)


def things(job: Job) -> list[Asset]:
    """The loggers, as the register lists them."""
    return [_thing(job, logger) for logger in district(job).loggers]


def _thing(job: Job, logger: Logger) -> Asset:
    rng = job.rng("assets", SOURCE, logger.native_id)
    home = logger.sector.commune
    longitude, latitude = assets.near(rng, home.longitude, home.latitude)
    since = job.start - timedelta(days=30 + int(rng.integers(_OLDEST_DAYS)))
    place = (home, longitude, latitude, since)
    return assets.Asset(SOURCE, logger.native_id, logger.label, "enregistreur", *place, "débit et pression")


def _series(job: Job, axis: Axis, truth: Signals, logger: Logger) -> _Series:
    """Two decimals; a sensor of pressure that is blind leaves a blank."""
    rng = job.rng(SOURCE, logger.native_id)
    rounded = np.round(truth.flow[logger.native_id], 2) + 0.0  # no -0.00
    flows = _decimals(rounded)
    blind = (rng.random(len(axis.epoch)) < _BLIND_SHARE).tolist()
    pressures = _decimals(truth.pressure[logger.native_id])
    cells = [f"{f};{'' if b else p}" for f, p, b in zip(flows, pressures, blind, strict=True)]
    return _Series(logger, rounded, cells)


def _roles(network: District) -> _Roles:
    border = [n for n, logger in enumerate(network.loggers) if logger.kind != "branch"]
    leaking = leaking_tank(len(network.zones))
    calm = [n for n in border if network.loggers[n].sector.zone != leaking] or border
    late, resent, corrected, holed, wrong = (calm[n % len(calm)] for n in range(5))
    silent = [n for n in calm if network.loggers[n].kind in {"inlet_b", "transfer"}][-1]
    return _Roles(late, resent, corrected, holed, wrong, silent)


def _late_span(days: int) -> tuple[int, int]:
    """First and last of the days that come together, on the last; the same when the period is too short."""
    first = days // 4
    return first, min(first + _LATE_DAYS, days - 1)


def _silent_from(days: int) -> int:
    return max(1, days * 3 // 4)


def _sent(axis: Axis, roles: _Roles, loggers: int) -> Flags:
    """Which readings ever reach us, by logger and step."""
    sent = np.ones((loggers, len(axis.epoch)), dtype=np.bool_)
    sent[roles.silent] &= axis.day < _silent_from(axis.days)
    begin, end = _GAP_HOURS
    sent[roles.holed] &= ~((axis.day == axis.days // 5) & (axis.hour >= begin) & (axis.hour < end))
    return sent


def _write_readings(job: Job, axis: Axis, series: list[_Series], sent: Flags, roles: _Roles) -> None:
    stamps = french(axis.local)
    first_late, last_late = _late_span(job.days)
    plans = _plans(job, axis, len(series), roles)
    for number, one in enumerate(series):
        for day, when in enumerate(job.dates()):
            begin, end = axis.bounds[day]
            if number == roles.late and first_late <= day <= last_late:
                if day < last_late:
                    continue
                begin = axis.bounds[first_late][0]
            kept = [n for n in range(begin, end) if sent[number, n]]
            if not kept:
                continue
            rows = [f"{one.logger.native_id};{stamps[n]};{one.cells[n]}" for n in kept]
            stem = f"{one.logger.native_id}_{when:%Y%m%d}"
            _write_file(job, f"{stem}.csv", rows, plans.get((number, day), _Plan()), when)
            if number == roles.resent and day == job.days // 2:
                _write_file(job, f"{stem}_R1.csv", rows, _Plan(), when, known=len(rows))
            if number == roles.corrected and day == job.days // 3:
                right = _corrected(rows)
                _write_file(job, f"{stem}_R1.csv", right, _Plan(), when, known=len(rows) - _CORRECTED_ROWS)


def _plans(job: Job, axis: Axis, loggers: int, roles: _Roles) -> dict[tuple[int, int], _Plan]:
    """Refused and repeated rows, in files of loggers that suffer nothing else."""
    rng = job.rng(SOURCE, "faults")
    spared = {roles.late, roles.resent, roles.corrected, roles.holed, roles.silent}
    files = [(n, day) for n in range(loggers) if n not in spared for day in range(job.days)]
    bad = max(2, round(_BAD_SHARE * len(files)))
    total = min(len(files), bad + max(1, round(_TWICE_SHARE * len(files))))
    plans: dict[tuple[int, int], _Plan] = {}
    for rank, pick in enumerate(rng.choice(len(files), size=total, replace=False).tolist()):
        number, day = files[pick]
        begin, end = axis.bounds[day]
        # Never in the hour that comes twice: a second line there is a second hour.
        row = int(rng.choice(np.flatnonzero(~axis.ambiguous[begin:end])))
        plans[number, day] = _Plan(bad={row: rank}) if rank < bad else _Plan(twice={row})
    return plans


def _write_file(job: Job, name: str, rows: list[str], plan: _Plan, when: date, *, known: int = 0) -> None:
    """One file; `known` rows of it were in an earlier one."""
    lines: list[str] = []
    for position, row in enumerate(rows):
        if position in plan.bad:
            column, reason, text = _spoil(row, plan.bad[position], when)
            lines.append(text)
            job.truth.refuse(SOURCE, name, line=len(lines) + 1, column=column, reason=reason)
        else:
            lines += [row] * (2 if position in plan.twice else 1)
    (job.folder(SOURCE) / name).write_bytes(("\r\n".join([HEADER, *lines]) + "\r\n").encode("ascii"))
    job.truth.file(SOURCE, name, read=len(lines), duplicate=known + len(plan.twice), quarantined=len(plan.bad))


def _spoil(row: str, kind: int, when: date) -> tuple[str, str, str]:
    """A row no reader can take: a value that is not a number, or a day that does not exist."""
    cells = row.split(";")
    if kind % 3 == 1:
        cells[1] = f"31/02/{when.year} {cells[1][11:]}"
        return "Horodatage", BAD_DATE, ";".join(cells)
    cells[3] = _BAD_VALUES[kind % 3 // 2]
    return "Pression_bar", BAD_NUMBER, ";".join(cells)


def _corrected(rows: list[str]) -> list[str]:
    """The same day, a few pressures recalibrated by a tenth of a bar."""
    middle = len(rows) // 2
    right = list(rows)
    for n in range(middle, middle + _CORRECTED_ROWS):
        *head, pressure = rows[n].split(";")
        new = float(pressure.replace(",", ".") or 4) + 0.1
        right[n] = ";".join([*head, f"{new:.2f}".replace(".", ",")])
    return right


def _write_bulletins(job: Job, axis: Axis, series: list[_Series], sent: Flags, roles: _Roles) -> None:
    """One line per meter and day, computed by the logger itself: a gap in the readings is no gap in its bulletin.

    A late logger's line is blank until the day it is heard again, with the days before; a silent one's stays blank.
    """
    daily = [_daily(axis, one) for one in series]
    _tell_loggers(job, axis, series, sent, daily)
    days, middle = list(job.dates()), job.days // 2
    right = daily[roles.wrong][middle]
    daily[roles.wrong][middle] = (right[0] * _WRONG, *right[1:])
    said = (series[roles.wrong].logger.native_id, days[middle].isoformat(), f"{right[0]:.2f}")
    job.truth.table("water_bulletin_wrong", WRONG_TRUTH, [(*said, f"{right[0] * _WRONG:.2f}")])
    for day, when in enumerate(days):
        lines: list[str] = []
        for number, one in enumerate(series):
            for past, heard in _told(job.days, roles, number, day):
                figures = _decimals(np.array(daily[number][past])) if heard else [""] * len(right)
                lines.append(";".join([one.logger.native_id, f"{days[past]:%d/%m/%Y}", *figures]))
        name = f"bulletin_{when:%Y%m%d}.csv"
        (job.folder(SOURCE) / name).write_bytes(("\r\n".join([BULLETIN_HEADER, *lines]) + "\r\n").encode("ascii"))
        job.truth.file(SOURCE, name, read=len(lines))


def _told(days: int, roles: _Roles, number: int, day: int) -> list[tuple[int, bool]]:
    """The days that a logger's lines in one bulletin are about, and whether it was heard."""
    first, last = _late_span(days)
    if number == roles.silent and day >= _silent_from(days):
        return [(day, False)]
    if number == roles.late and first <= day <= last:
        return [(day, False)] if day < last else [(past, True) for past in range(first, last + 1)]
    return [(day, True)]


def _daily(axis: Axis, one: _Series) -> list[tuple[float, ...]]:
    """Volume, smallest, largest, mean and night flow of each business day."""
    asleep = night(axis)
    found: list[tuple[float, ...]] = []
    for begin, end in axis.bounds:
        rate, dark = one.flow[begin:end], asleep[begin:end]
        found.append((
            float(rate.sum()) / STEPS_PER_HOUR, float(rate.min()), float(rate.max()), float(rate.mean()),
            float(rate[dark].mean()),
        ))  # fmt: skip
    return found


def _tell_loggers(
    job: Job, axis: Axis, series: list[_Series], sent: Flags, daily: list[list[tuple[float, ...]]]
) -> None:
    rows = []
    expected = axis.daily(np.ones(len(axis.epoch)))
    for number, one in enumerate(series):
        received = axis.daily(sent[number].astype(np.int64))
        rows += [
            (one.logger.native_id, when.isoformat(), *(f"{v:.4f}" for v in daily[number][day]),
             int(expected[day]), int(received[day]))
            for day, when in enumerate(job.dates())
        ]  # fmt: skip
    job.truth.table("water_loggers_daily", LOGGER_TRUTH, rows)


def _tell(job: Job, axis: Axis, network: District, truth: Signals) -> None:
    """What each sector took, its night flow, and the leak."""
    rows: list[tuple[object, ...]] = []
    asleep = night(axis)
    for sector in network.sectors:
        name = sector.sector_id
        net, lost = truth.drawn[name] + truth.lost[name], truth.lost[name] / STEPS_PER_HOUR
        volume, leaked = axis.daily(net / STEPS_PER_HOUR), axis.daily(lost)
        for day, when in enumerate(job.dates()):
            begin, end = axis.bounds[day]
            dark = net[begin:end][asleep[begin:end]].mean()
            rows.append((name, when.isoformat(), f"{volume[day]:.3f}", f"{dark:.4f}", f"{leaked[day]:.3f}"))
    job.truth.table("water_sector_daily", SECTOR_TRUTH, rows)
    hole = leak(axis)
    onset = datetime.fromtimestamp(int(axis.epoch[hole.onset]), UTC).isoformat()
    where = network.zone(leaking_tank(len(network.zones)))[-1].sector_id
    job.truth.table("water_leak", LEAK_TRUTH, [(where, onset, f"{hole.rate.sum() / STEPS_PER_HOUR:.3f}")])


def _decimals(values: Floats) -> list[str]:
    return [f"{value:.2f}".replace(".", ",") for value in values.tolist()]
