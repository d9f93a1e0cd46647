"""Controllers of the signal-controlled junctions, as the central station's database is read every night.

Belongs here: the day's timing plans, faults and their ends, cut lines that bring events late, what a nightly query of
that database lands. Does not: how a database is queried (ingestion/connectors).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import HOUR, is_holiday, midnight, utc
from simulation.files import write_gzip
from simulation.roadside import numbered, split, stand
from simulation.truth import BAD_DATE

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "traffic_signals"
TRUTH = ("controller_id", "event_kind", "signal_group", "begin_time", "end_time")
_KINDS = {"DEFAUT": "fault", "LAMPE": "lamp_failure", "SECTEUR": "power_loss", "COM": "communication_loss"}
_CONTROLLERS = 40
_FIRST_ID = 4_100_000
OVERLAP = 20  # rows asked for again, as the contract says
_POLL_S = 1200  # after midnight
_EARLY_S = 6 * HOUR  # faults may have begun that long before the period
# Local hour and plan. The last one of the day is flashing amber.
_WORKING = ((6.5, 2), (9.0, 3), (16.5, 4), (19.5, 3), (22.5, 9))
_RESTING = ((8.0, 3), (22.5, 9))
# Kind: how many a day and controller, and the usual length in hours.
_FAULTS = {"DEFAUT": (0.02, 1.5), "LAMPE": (0.025, 30.0), "SECTEUR": (0.004, 0.5), "COM": (0.08, 0.4)}
_STORM_SHARE, _STORM_HOUR = 0.3, 17.5
_GROUPS = 8
_LABELS = {
    "PLAN": "Changement de plan", "DEFAUT": "Défaut contrôleur", "LAMPE": "Lampe rouge défaillante",
    "SECTEUR": "Absence secteur", "COM": "Perte de communication",
}  # fmt: skip
_JUNCTIONS = (
    ("Carrefour du Grand Courlis", "Nevers"), ("Carrefour de la Porte de Paris", "Nevers"),
    ("Carrefour Colbert", "Nevers"), ("Carrefour du Pont de Loire", "Nevers"), ("Carrefour de la Gare", "Nevers"),
    ("Carrefour des Grands Champs", "Varennes-Vauzelles"), ("Carrefour du Banlay", "Nevers"),
    ("Carrefour de la Baratte", "Saint-Éloi"), ("Carrefour de la Route de Lyon", "Challuy"),
    ("Carrefour Gambetta", "Fourchambault"), ("Carrefour de l'Éperon", "Coulanges-lès-Nevers"),
    ("Carrefour du 8 Mai", "Varennes-Vauzelles"),
)  # fmt: skip


@dataclass(frozen=True)
class _Event:
    """One line of the journal; times in seconds since 1970."""

    controller: str
    time: int
    received: int
    code: str
    state: str | None = None
    plan: int | None = None
    group: int | None = None
    lost_clock: bool = False  # the controller woke up in 1970


@dataclass(frozen=True)
class _Fault:
    """A fault from its beginning to its end."""

    code: str
    group: int | None
    begin: int
    end: int


def things(job: Job) -> list[Asset]:
    """The controllers, one per junction."""
    found: list[Asset] = []
    for index in range(job.count(_CONTROLLERS)):
        name, town = _JUNCTIONS[index % len(_JUNCTIONS)]
        place = stand(job, job.rng("assets", SOURCE, index), town)
        title = numbered(name, index, len(_JUNCTIONS))
        found.append(Asset(SOURCE, f"C{index + 1:03d}", title, "carrefour_feux", *place))
    return found


def write(job: Job) -> None:
    """One file a night: what came in since the last, after the last twenty rows again."""
    events: list[_Event] = []
    truth: list[tuple[object, ...]] = []
    for number, controller in enumerate(things(job)):
        mine, faults = _controller(job, number, controller.native_id)
        events += mine
        truth += faults
    events.sort(key=lambda e: (e.received, e.controller, e.time, e.code, e.state or ""))
    _write_files(job, events)
    job.truth.table("signal_faults", TRUTH, truth)


def _write_files(job: Job, events: list[_Event]) -> None:
    polls = [_midnight(job, day + 1) + _POLL_S for day in range(job.days)]
    received = np.array([e.received for e in events], dtype=np.int64)
    stamps = utc(np.array(polls, dtype=np.int64))
    for stamp, (begin, end) in zip(stamps, split(received, polls), strict=True):
        if begin == end:
            continue  # the connector writes no file when the query has no row
        first = max(0, begin - OVERLAP)
        name = f"event_{stamp.translate({45: None, 58: None})}_p0001.jsonl.gz"
        refused = 0
        for line, event in enumerate(events[first:end], start=1):
            if event.lost_clock:
                refused += 1
                job.truth.refuse(SOURCE, name, line=line, column="horodatage", reason=BAD_DATE)
        again = sum(not e.lost_clock for e in events[first:begin])
        lines = [_line(_FIRST_ID + first + n, event) for n, event in enumerate(events[first:end])]
        write_gzip(job.folder(SOURCE) / name, ("\n".join(lines) + "\n").encode("utf-8"))
        job.truth.file(SOURCE, name, read=len(lines), duplicate=again, quarantined=refused)


def _line(identifier: int, event: _Event) -> str:
    row = {
        "id_evenement": identifier, "id_carrefour": event.controller, "horodatage": _text(event.time),
        "reception": _text(event.received),
        "code": event.code, "etat": event.state, "plan": event.plan, "ligne": event.group,
        "libelle": _LABELS[event.code],
    }  # fmt: skip
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _controller(job: Job, number: int, controller: str) -> tuple[list[_Event], list[tuple[object, ...]]]:
    """A controller's journal. What it has to say while its line is cut arrives when the line is back."""
    rng = job.rng(SOURCE, "events", number)
    start, end = _midnight(job, 0), _midnight(job, job.days)
    faults = _faults(job, rng, number)
    events = [_Event(controller, time, 0, "PLAN", plan=plan) for time, plan in _plans(job, rng)]
    for fault in faults:
        events += [
            _Event(controller, time, 0, fault.code, state, group=fault.group)
            for time, state in ((fault.begin, "D"), (fault.end, "F"))
            if start <= time < end
        ]
    storm = [f for f in faults if f.code == "SECTEUR" and _storm(job) <= f.begin < _storm(job) + 600]
    if number == 0 and storm:  # one of them lost its clock with the current
        events.append(_Event(controller, storm[0].end + 5, 0, "PLAN", plan=3, lost_clock=True))
    cuts = [f for f in faults if f.code == "COM"]
    delays = rng.integers(1, 4, len(events)).tolist()
    heard = [replace(e, received=_received(e, cuts, delay)) for e, delay in zip(events, delays, strict=True)]
    kept = [e for e in heard if e.received < end]
    told = {(e.code, e.state, e.group, e.time) for e in kept}
    truth: list[tuple[object, ...]] = [
        (controller, _KINDS[f.code], f.group or "", _text(f.begin), _text(f.end) if _told(f, "F", told) else "")
        for f in faults
        if _told(f, "D", told)
    ]
    # A clock that starts again counts from 1970: only the reception says when it really was.
    return [replace(e, time=12 + e.time % 60) if e.lost_clock else e for e in kept], truth


def _told(fault: _Fault, state: str, told: set[tuple[str, str | None, int | None, int]]) -> bool:
    time = fault.begin if state == "D" else fault.end
    return (fault.code, state, fault.group, time) in told


def _text(seconds: int) -> str:
    return utc(np.array([seconds], dtype=np.int64))[0]


def _received(event: _Event, cuts: list[_Fault], delay: int) -> int:
    """The central station itself notices that a line is cut: only what the controller says waits."""
    if event.code != "COM":
        for cut in cuts:
            if cut.begin <= event.time < cut.end:
                return cut.end + delay
    return event.time + delay


def _plans(job: Job, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Instant and number of each plan of the period.

    All hours lie after the change of clocks: counted back from the next midnight they are right on days of 23 and 25
    hours too.
    """
    found: list[tuple[int, int]] = []
    for number, day in enumerate(job.dates()):
        resting = day.weekday() >= 5 or is_holiday(day)
        after = _midnight(job, number + 1)
        for hour, plan in _RESTING if resting else _WORKING:
            found.append((after - int((24 - hour) * HOUR) + int(rng.integers(4)), plan))
    return found


def _faults(job: Job, rng: np.random.Generator, number: int) -> list[_Fault]:
    """Faults of one controller in order; of one kind and line of lights none overlaps the next."""
    start, end = _midnight(job, 0), _midnight(job, job.days)
    drawn: list[_Fault] = []
    for code, (rate, hours) in _FAULTS.items():
        for _ in range(int(rng.poisson(rate * job.days))):
            begin = int(rng.integers(start - _EARLY_S, end))
            length = 60 + int(hours * HOUR * float(rng.lognormal(0, 0.8)))
            group = 1 + int(rng.integers(_GROUPS)) if code == "LAMPE" else None
            drawn.append(_Fault(code, group, begin, begin + length))
    if number == 0 or rng.random() < _STORM_SHARE:
        begin = _storm(job) + int(rng.integers(600))
        drawn.append(_Fault("SECTEUR", None, begin, begin + int(rng.integers(300, 2400))))
    if number == 0:  # a line cut over a change of plan, and a lamp that nobody has replaced yet
        drawn += [
            _Fault("COM", None, _storm(job) - 10 * HOUR, _storm(job) - 8 * HOUR),
            _Fault("LAMPE", 1, end - 5 * HOUR, end + 40 * HOUR),
        ]
    kept: list[_Fault] = []
    free: dict[tuple[str, int | None], int] = {}
    for fault in sorted(drawn, key=lambda f: (f.code, f.group or 0, f.begin)):
        if fault.begin > free.get((fault.code, fault.group), 0):
            free[fault.code, fault.group] = fault.end
            kept.append(fault)
    return sorted(kept, key=lambda f: (f.begin, f.code))


def _storm(job: Job) -> int:
    """Instant of the storm that cuts the current of several junctions at once."""
    return _midnight(job, job.days // 2 + 1) - int((24 - _STORM_HOUR) * HOUR)


def _midnight(job: Job, day: int) -> int:
    return midnight(job.start + timedelta(days=day), job.territory.zone)
