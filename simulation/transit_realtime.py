"""The live feeds of the bus network: GTFS-RT messages of each hour, of each half hour at the peaks, in daily archives.

Belongs here: messages, how often they are taken, and the feeds' faults. Does not: what the buses did
(`transit_operation`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from simulation.archives import write_archive
from simulation.clock import HOUR, iso, midnight, utc
from simulation.transit_network import Line, lines, timetables
from simulation.transit_operation import NEVER, Day, operated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from simulation.job import Job

SOURCE = "transit_realtime"
_HALF_HOURS = (7, 8, 16, 17, 18)  # UTC hours with a message at half past; one on the hour is taken all day
_ALERTS_AT = (6, 12, 18)  # hours of the local day at which alerts are taken
_GPS_LOST, _SILENT = 0.004, 0.01  # shares of positions
_ANNOUNCED_S = HOUR  # a cancelled trip is in the feed from an hour before it should leave
_FETCHED_AGAIN = 3  # the third message of every third day is fetched a second time, a minute later
_ALERT_EVERY_DAYS = 5
_TRIP, _VEHICLE, _ALERT = "trip_updates", "vehicle_positions", "alerts"

# Cause and effect as the specification numbers them, header, text, and the text it gets half-way.
_NOTICES = (
    (10, 4, "Travaux rue de la Préfecture", "Ligne déviée dans les deux sens.", "Travaux prolongés de deux jours."),
    (8, 3, "Brouillard givrant", "Retards à prévoir en début de matinée.", "Retour progressif à la normale."),
    (7, 4, "Marché place Carnot", "Arrêt Carnot reporté à Saint-Pierre.", "Arrêt Carnot reporté jusqu'à 14 h."),
    (3, 2, "Véhicule immobilisé", "Une course sur deux est assurée.", "Service rétabli sauf dernières courses."),
)


@dataclass
class _Told:
    """What the feeds said so far."""

    delays: dict[tuple[str, str, int], int] = field(default_factory=dict)
    entities: dict[str, bytes] = field(default_factory=dict)  # last position of each vehicle
    positions: dict[str, list[int]] = field(default_factory=dict)  # business day: distinct positions, without a place


@dataclass(frozen=True)
class _Notice:
    """One alert: two texts, one after the other."""

    id: str
    begin: int
    end: int
    line: Line
    words: tuple[int, int, str, str, str]

    def text(self, now: int) -> str:
        """What it says at an instant."""
        return self.words[4] if now >= (self.begin + self.end) // 2 else self.words[3]


def write(job: Job) -> None:
    """One archive per local day."""
    tables, told, notices = timetables(job), _Told(), _notices(job)
    yesterday: Day | None = operated(job, tables, job.start - timedelta(days=1))
    last_text: dict[str, tuple[str, str]] = {}
    for number, day in enumerate(job.dates()):
        today = operated(job, tables, day)
        rng = job.rng(SOURCE, day.isoformat())
        members: dict[str, bytes] = {}
        counts: dict[str, tuple[int, int]] = {}
        for now in _instants(job, day):
            running = [d for d in (yesterday, today) if d is not None and _is_running(d, now)]
            if running:
                _take(members, counts, _TRIP, now, *_trip_updates(running, now, told))
                _take(members, counts, _VEHICLE, now, *_positions(job, rng, running, now, told))
        for now in (midnight(day, job.territory.zone) + hour * HOUR for hour in _ALERTS_AT):
            _take(members, counts, _ALERT, now, *_alerts(notices, now, last_text))
        if number % 3 == 2:
            _fetch_again(members, counts)
        name = f"gtfsrt_{day:%Y%m%d}.zip"
        write_archive(job.folder(SOURCE) / name, dict(sorted(members.items())))
        for member, (read, duplicate) in counts.items():
            job.truth.file(SOURCE, f"{name}!{member}", read=read, duplicate=duplicate)
        yesterday = today
    _write_truth(job, told, last_text)


def _write_truth(job: Job, told: _Told, last_text: dict[str, tuple[str, str]]) -> None:
    job.truth.table(
        "transit_delays",
        ("service_date", "trip_id", "stop_sequence", "delay_s"),
        [(*key, delay) for key, delay in sorted(told.delays.items())],
    )
    job.truth.table(
        "transit_positions_daily",
        ("business_date", "positions", "without_place"),
        [(day, *counts) for day, counts in sorted(told.positions.items())],
    )
    job.truth.table(
        "transit_alerts", ("alert_id", "last_told_time", "description"), [(k, *v) for k, v in sorted(last_text.items())]
    )


def _instants(job: Job, day: date) -> list[int]:
    zone = job.territory.zone
    halves = range(midnight(day, zone), midnight(day + timedelta(days=1), zone), HOUR // 2)
    return [now for now in halves if now % HOUR == 0 or now // HOUR % 24 in _HALF_HOURS]


def _is_running(day: Day, now: int) -> bool:
    return bool(((day.first <= now) & (day.end > now) & ~day.cancelled).any())


def _take(
    members: dict[str, bytes], counts: dict[str, tuple[int, int]], kind: str, now: int, message: bytes, read: int,
    duplicate: int,
) -> None:  # fmt: skip
    stamp = iso(np.array([now]))[0].replace("-", "").replace(":", "")[:13]
    members[f"{kind}_{stamp}Z.pb"] = message
    counts[f"{kind}_{stamp}Z.pb"] = (read, duplicate)


def _fetch_again(members: dict[str, bytes], counts: dict[str, tuple[int, int]]) -> None:
    """The same message under the name of the next minute."""
    known = sorted(name for name in members if name.startswith(_TRIP))
    if len(known) > _FETCHED_AGAIN:
        name = known[_FETCHED_AGAIN]
        again = f"{name[:-5]}{int(name[-5]) + 1}Z.pb"
        members[again], counts[again] = members[name], (counts[name][0], counts[name][0])


def _message(now: int) -> Any:
    from google.transit import gtfs_realtime_pb2

    message = gtfs_realtime_pb2.FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    message.header.timestamp = now
    return message


def _active(days: list[Day], now: int) -> Iterator[tuple[Day, int, int]]:
    """Day, trip and next stop of every bus on the road."""
    for day in days:
        for row in np.flatnonzero((day.first <= now) & (day.end > now) & ~day.cancelled).tolist():
            yield day, row, int(np.argmax(day.actual[row] > now))


def _trip_updates(days: list[Day], now: int, told: _Told) -> tuple[bytes, int, int]:
    """For each bus on the road its delay at the next stop and, carried over, at the last; and cancelled trips."""
    message = _message(now)
    for day, row, stop in _active(days, now):
        trip = day.trips[row]
        update = _trip_update(message, day, row)
        update.vehicle.id = trip.vehicle
        update.timestamp = now
        delay, last = int(day.delay[row, stop]), len(trip.points) - 1
        for place in dict.fromkeys((stop, last)):
            event = update.stop_time_update.add(stop_sequence=place + 1, stop_id=trip.points[place])
            event.arrival.delay = delay
            event.arrival.time = int(day.scheduled[row, place]) + delay
            told.delays[day.date.isoformat(), trip.id, place + 1] = delay
    for day in days:
        soon = day.cancelled & (day.scheduled[:, 0] - _ANNOUNCED_S <= now) & (day.end > now)
        for row in np.flatnonzero(soon).tolist():
            _trip_update(message, day, row).trip.schedule_relationship = 3  # CANCELED
            told.delays[day.date.isoformat(), day.trips[row].id, 0] = 0
    return message.SerializeToString(deterministic=True), len(message.entity), 0


def _trip_update(message: Any, day: Day, row: int) -> Any:
    trip = day.trips[row]
    update = message.entity.add(id=f"tu-{trip.id}").trip_update
    update.trip.trip_id = trip.id
    update.trip.route_id = trip.line.id
    update.trip.direction_id = trip.direction
    update.trip.start_date = f"{day.date:%Y%m%d}"
    return update


def _positions(job: Job, rng: np.random.Generator, days: list[Day], now: int, told: _Told) -> tuple[bytes, int, int]:
    """Where each bus is, between the stop behind and the next; a silent bus is told once more as it last was."""
    message, repeated = _message(now), 0
    seen: set[str] = set()
    for day, row, stop in _active(days, now):
        trip = day.trips[row]
        if trip.vehicle in seen:  # late: it is still on the trip before
            continue
        seen.add(trip.vehicle)
        lost, silent, age = rng.random() < _GPS_LOST, rng.random() < _SILENT, int(rng.integers(5, 55))
        if silent and trip.vehicle in told.entities:
            message.entity.add().ParseFromString(told.entities[trip.vehicle])
            repeated += 1
            continue
        entity = message.entity.add(id=f"vp-{trip.vehicle}")
        _fill_position(entity.vehicle, day, row, stop, lost=lost, now=now - age)
        told.entities[trip.vehicle] = entity.SerializeToString(deterministic=True)
        local = datetime.fromtimestamp(now - age, job.territory.zone).date()
        counts = told.positions.setdefault(local.isoformat(), [0, 0])
        counts[0] += 1
        counts[1] += int(lost)
    return message.SerializeToString(deterministic=True), len(message.entity), repeated


def _fill_position(vehicle: Any, day: Day, row: int, stop: int, *, lost: bool, now: int) -> None:
    trip = day.trips[row]
    places = trip.line.stops(trip.direction)
    ahead, behind = places[stop], places[max(stop - 1, 0)]
    left, arrives = int(day.actual[row, max(stop - 1, 0)]), int(day.actual[row, stop])
    share = min(max((now - left) / max(arrives - left, 1), 0.0), 1.0) if arrives < NEVER else 0.0
    vehicle.trip.trip_id = trip.id
    vehicle.trip.route_id = trip.line.id
    vehicle.trip.direction_id = trip.direction
    vehicle.trip.start_date = f"{day.date:%Y%m%d}"
    vehicle.vehicle.id = trip.vehicle
    vehicle.timestamp = now
    vehicle.current_stop_sequence = stop + 1
    vehicle.stop_id = trip.points[stop]
    east, north = ahead.longitude - behind.longitude, ahead.latitude - behind.latitude
    # A receiver without satellites says zero.
    vehicle.position.latitude = 0.0 if lost else behind.latitude + share * north
    vehicle.position.longitude = 0.0 if lost else behind.longitude + share * east
    if not lost:
        vehicle.position.bearing = round(math.degrees(math.atan2(east, north)) % 360)
        vehicle.position.speed = 8.5


def _notices(job: Job) -> list[_Notice]:
    found = []
    for number in range(-(-job.days // _ALERT_EVERY_DAYS)):
        rng = job.rng(SOURCE, "alert", number)
        day = job.start + timedelta(days=number * _ALERT_EVERY_DAYS)
        begin = midnight(day, job.territory.zone) + int(rng.integers(5, 11)) * HOUR
        end = begin + int(rng.integers(18, 96)) * HOUR
        known = lines(job)
        line = known[int(rng.integers(len(known)))]
        found.append(_Notice(f"A{number + 1:03d}", begin, end, line, _NOTICES[number % len(_NOTICES)]))
    return found


def _alerts(notices: list[_Notice], now: int, last_text: dict[str, tuple[str, str]]) -> tuple[bytes, int, int]:
    """Alerts under way; often there is none."""
    message = _message(now)
    for notice in notices:
        if notice.begin <= now < notice.end:
            cause, effect, header, *_ = notice.words
            alert = message.entity.add(id=notice.id).alert
            alert.cause, alert.effect = cause, effect
            alert.active_period.add(start=notice.begin, end=notice.end)
            alert.informed_entity.add(route_id=notice.line.id)
            alert.informed_entity.add(stop_id=notice.line.places[0].point(0))
            alert.header_text.translation.add(text=header, language="fr")
            alert.description_text.translation.add(text=notice.text(now), language="fr")
            last_text[notice.id] = (utc(np.array([now]))[0], notice.text(now))
    return message.SerializeToString(deterministic=True), len(message.entity), 0
