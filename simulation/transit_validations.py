"""Tickets validated on board, one export a day.

Belongs here: passengers, cards, the export's columns and its faults (late uploads, a day sent again with corrections,
clocks that restarted). Does not: when the buses came (`transit_operation`), nor the fares (`transit_network`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from simulation.clock import Floats, Ints, french, profile, wall
from simulation.transit_network import FARES, SUNDAY, WEEKDAY, Timetable, in_force, service_on, timetables
from simulation.transit_operation import NEVER, Day, operated
from simulation.truth import BAD_DATE

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "transit_validations"
HEADER = (
    "id_validation;date_heure;num_support;code_titre;libelle_titre;ligne;sens;code_arret;nom_arret;vehicule;valideur;"
    "resultat;correspondance"
)
TRUTH = ("business_date", "line_id", "validations", "accepted", "anonymous")
_BASE = {WEEKDAY: 7200, "VAC": 4600, "SAM": 3900, SUNDAY: 620}  # validations a day
_RANKS = {"main": 5.0, "local": 1.6, "rare": 0.8, "shuttle": 1.2}  # weight of one departure
_HOURS: dict[float, float] = {
    4: 0.05, 6: 0.5, 7.5: 2.4, 9: 1.0, 12: 1.5, 14: 1.0, 16.5: 2.2, 18: 1.6, 20: 0.5, 23: 0.15,
}  # fmt: skip
_CARDS = 2500  # holders; each may have one card per kind of fare
_SHARES = (0.22, 0.08, 0.05, 0.29, 0.24, 0.12)  # of each fare, in their order
_REFUSED, _TRANSFER, _STOP_UNKNOWN = 0.012, 0.14, 0.006
_TWICE = 0.0015  # a validator that uploads the same line twice
_RESTARTED = 0.0004  # a validator whose clock restarted at 1980: refused
_AWAY_EVERY, _AGAIN_EVERY, _AGAIN_DAY = 4, 12, 6
_RESTART_STAMP = "01/01/1980 00:04:12"


@dataclass(frozen=True)
class _Batch:
    """Validations of one service day, in order of time."""

    lines: list[str]
    vehicle: list[str]
    line_id: list[str]
    accepted: list[bool]
    anonymous: list[bool]
    stamps: list[str]


@dataclass
class _Sent:
    """What was exported: lines already sent, and true counts by business day and line."""

    lines: set[str] = field(default_factory=set)
    counts: dict[tuple[str, str], list[int]] = field(default_factory=dict)


def write(job: Job) -> None:
    """One file per service day; what a vehicle could not upload comes with the next day's."""
    tables, sent = timetables(job), _Sent()
    numbers: dict[str, int] = {}
    late: list[str] = []
    for number, day in enumerate(job.dates()):
        rng = job.rng(SOURCE, day.isoformat())
        rows, late = late, []
        if operation := operated(job, tables, day):
            batch = _batch(job, rng, operation, tables, numbers)
            away = batch.vehicle[-1] if number % _AWAY_EVERY == 0 and number < job.days - 1 else ""
            late = _upload(rng, batch, rows, sent, away)
        _put(job, f"validations_{day:%Y%m%d}.csv", rows, sent)
        if number % _AGAIN_EVERY == _AGAIN_DAY:
            _put(job, f"validations_{day:%Y%m%d}_bis.csv", [_corrected(line) for line in rows], sent)
    rows_of_truth = [(*key, *counts) for key, counts in sorted(sent.counts.items())]
    job.truth.table("transit_validations_daily", TRUTH, rows_of_truth)


def _upload(rng: np.random.Generator, batch: _Batch, rows: list[str], sent: _Sent, away: str) -> list[str]:
    """Put a day's lines into `rows`, with its faults; those of the vehicle that is away are handed back."""
    late: list[str] = []
    restarted = rng.random(len(batch.lines)) < _RESTARTED
    for position, (line, vehicle) in enumerate(zip(batch.lines, batch.vehicle, strict=True)):
        if restarted[position]:
            rows.append(line.replace(batch.stamps[position], _RESTART_STAMP, 1))
            continue
        (late if vehicle == away else rows).append(line)
        _count(sent, batch, position)
    rows += [line for line in rows if rng.random() < _TWICE and _RESTART_STAMP not in line]
    return late


def _put(job: Job, name: str, rows: list[str], sent: _Sent) -> None:
    """Write a file and what becomes of its rows."""
    refused = [n for n, line in enumerate(rows, start=2) if _RESTART_STAMP in line]
    duplicate = 0
    for line in rows:
        if _RESTART_STAMP not in line:
            duplicate += line in sent.lines
            sent.lines.add(line)
    text = "\r\n".join([HEADER, *rows]) + "\r\n"
    (job.folder(SOURCE) / name).write_bytes(text.encode("cp1252"))
    job.truth.file(SOURCE, name, read=len(rows), duplicate=duplicate, quarantined=len(refused))
    for number in refused:
        job.truth.refuse(SOURCE, name, line=number, column="date_heure", reason=BAD_DATE)


def _corrected(line: str) -> str:
    """The day sent again: validations without a stop say so."""
    cells = line.split(";")
    return line if cells[7] else ";".join([*cells[:8], "Arrêt inconnu", *cells[9:]])


def _count(sent: _Sent, batch: _Batch, position: int) -> None:
    stamp = batch.stamps[position]
    day = f"{stamp[6:10]}-{stamp[3:5]}-{stamp[:2]}"
    counts = sent.counts.setdefault((day, batch.line_id[position]), [0, 0, 0])
    counts[0] += 1
    counts[1] += batch.accepted[position]
    counts[2] += batch.anonymous[position]


def _batch(job: Job, rng: np.random.Generator, day: Day, tables: list[Timetable], numbers: dict[str, int]) -> _Batch:
    row, stop = _boardings(job, rng, day)
    epoch = day.actual[row, stop] + rng.integers(-8, 25, len(row))
    order = np.argsort(epoch, kind="stable")
    row, stop, epoch = row[order], stop[order], epoch[order]
    count = len(row)
    fare = rng.choice(len(FARES), size=count, p=_SHARES)
    card = _cards(job, rng, fare)
    accepted = (rng.random(count) >= _REFUSED).tolist()
    transfer = (rng.random(count) < _TRANSFER).tolist()
    unknown = (rng.random(count) < _STOP_UNKNOWN).tolist()
    door = rng.integers(1, 3, count).tolist()
    local = wall(job.start, job.days, epoch, job.territory.zone).local
    stamps = french(local)
    trips = [day.trips[r] for r in row.tolist()]
    names = {p.point(d): p.name for line in in_force(tables, day.date).lines for p in line.places for d in (0, 1)}
    lines = []
    for n, trip in enumerate(trips):
        point = "" if unknown[n] else trip.points[int(stop[n])]
        code, label, *_ = FARES[int(fare[n])]
        device = f"{trip.vehicle}-{door[n]}"
        numbers[device] = numbers.get(device, 0) + 1
        lines.append(
            f"{device}-{numbers[device]:06d};{stamps[n]};{card[n]};{code};{label};{trip.line.id};{'AR'[trip.direction]};"
            f"{point};{names.get(point, '')};{trip.vehicle};{device};{'OK' if accepted[n] else 'REFUS'};"
            f"{'O' if transfer[n] else 'N'}"
        )
    line_ids = [trip.line.id for trip in trips]
    return _Batch(lines, [trip.vehicle for trip in trips], line_ids, accepted, [not number for number in card], stamps)


def _boardings(job: Job, rng: np.random.Generator, day: Day) -> tuple[Ints, Ints]:
    """Trip and stop of each passenger; nobody boards at the last stop, nor a trip that was cancelled."""
    served = day.actual < NEVER
    last = served.sum(axis=1) - 1
    served[np.arange(len(last)), last] = False
    served[day.cancelled] = False
    hours: Floats = np.array([t.departure / 3600 % 24 for t in day.trips])
    weight = np.array([_RANKS[t.line.rank] for t in day.trips]) * profile(hours, _HOURS)
    pull = 1.0 / (1.0 + 0.15 * np.arange(served.shape[1]))  # more get on early in a trip
    expected = served * weight[:, None] * pull
    lines = len({t.line.id for t in day.trips})
    share = min(1.0, lines / 15) * job.scale / max(job.scale, lines / 15)
    target = _BASE[service_on(day.date) or SUNDAY] * share * float(rng.normal(1.0, 0.05))
    drawn = rng.poisson(expected * target / expected.sum())
    row, stop = np.nonzero(drawn)
    times = drawn[row, stop]
    return np.repeat(row, times), np.repeat(stop, times)


def _cards(job: Job, rng: np.random.Generator, fare: Ints) -> list[str]:
    """Number of the card, blank for paper tickets; few holders make most journeys."""
    size = job.count(_CARDS, least=40)
    holder = (size * rng.random(len(fare)) ** 2.2).astype(np.int64)
    return [
        f"0250{(h * 7_919 + f * 104_729 + 10_000_019) % 10**8:08d}{f}" if f > 1 else ""
        for h, f in zip(holder.tolist(), fare.tolist(), strict=True)
    ]
