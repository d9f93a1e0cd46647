"""Ground sensors of the spaces with limited stay, as the supplier's interface gives them page by page.

Belongs here: who parks where and for how long, how much of it is within the hours of the regulation, what sensors miss
or invent, pages that overlap, come late or are missing. Does not: what an overstay costs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import DAY, HOUR, Flags, Floats, Ints, is_holiday, midnight, utc, wall
from simulation.roadside import split, stand, zoned
from simulation.truth import BAD_DATE

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "parking_events"
STAYS = ("space_id", "arrival_time", "departure_time", "outcome", "regulated_min")
DAYS = ("zone_id", "business_date", "arrivals", "occupied_min")
BAD_WORD = "bad_word"
PAGE, OVERLAP_S = 250, 1800  # as the contract says
_SPACES = 200
_POLL_EVERY_S, _POLL_AT_S = 6 * HOUR, 300
_FIRST_ID = 70_000_000
# Zone, district, longest stay, share of the spaces.
_ZONES = (
    ("Z1", "Zone bleue Gare", 90, 0.3), ("Z2", "Zone bleue Préfecture", 90, 0.25),
    ("Z3", "Zone bleue Saint-Arigle", 90, 0.2), ("Z4", "Zone bleue Victor-Hugo", 90, 0.15),
    ("Z5", "Arrêt minute Commerce", 30, 0.1),
)  # fmt: skip
_GAP_S, _STAY_S, _STAY_SPREAD = 9000.0, 2400.0, 0.9  # mean time free, median stay and its spread (log)
_REGULATED = ((9, 12), (14, 19))  # hours, Monday to Saturday
_SHORTEST_S, _LONGEST_S = 120, 10 * HOUR
_NIGHT, _SUNDAY = 0.94, 0.75  # shares of the stays that do not happen then
_LOST, _UNREADABLE = 0.004, 0.2  # of the arrivals, and of the departures; of these
_STUCK_S = 70 * HOUR
_OUTAGE_ZONE, _OUTAGE_HOURS = 2, (10, 15)  # one day a zone's gateway keeps everything to itself
_TWICE = 2  # at most so many events of a page come again at the head of the next
_NO_OFFSET, _HEARTBEAT = 1, 2  # an instant without its offset; a sign of life in the wrong feed


@dataclass(frozen=True)
class _Stays:
    """What happened on one space: arrivals and departures in seconds, and what the sensor made of it."""

    arrive: Ints
    leave: Ints
    arrival_lost: Flags
    departure_lost: Flags


@dataclass(frozen=True)
class _Events:
    """Events in order of reception, as columns."""

    space: list[str]
    zone: Ints
    arrives: Flags
    time: Ints
    received: Ints
    spoilt: Ints  # 0, or what makes it unreadable


def things(job: Job) -> list[Asset]:
    """The spaces that have a sensor."""
    found: list[Asset] = []
    for index, (zone, rank) in enumerate(_spaces(job)):
        name, title = _ZONES[zone][:2]
        place = stand(job, job.rng("assets", SOURCE, index), "Nevers")
        found.append(Asset(SOURCE, f"{name}-{rank:03d}", f"{title} place {rank}", "place_stationnement", *place, name))
    return found


def write(job: Job) -> None:
    """What each collection of the day gets, in pages."""
    spaces = [f"{_ZONES[zone][0]}-{rank:03d}" for zone, rank in _spaces(job)]
    zones = np.array([zone for zone, _ in _spaces(job)], dtype=np.int64)
    stays = [_stays(job, index) for index in range(len(spaces))]
    _write_pages(job, _events(job, spaces, zones, stays))
    job.truth.table("parking_stays", STAYS, _truth(job, spaces, stays))
    job.truth.table("parking_zone_days", DAYS, _zone_days(job, zones, stays))


def _spaces(job: Job) -> list[tuple[int, int]]:
    """Zone and rank within it of each space."""
    found: list[tuple[int, int]] = []
    for zone, (_, _, _, share) in enumerate(_ZONES):
        found += [(zone, rank + 1) for rank in range(job.count(round(_SPACES * share)))]
    return found


def _stays(job: Job, index: int) -> _Stays:
    """A space is free, taken, free ...; most of what would happen at night and on Sundays does not.

    The first space's sensor sticks for days; no two events in a row are lost, else two stays would look like one.
    """
    rng = job.rng(SOURCE, "space", index)
    begin, end = (midnight(job.start + timedelta(days=n), job.territory.zone) for n in (0, job.days))
    size = 3 + 3 * job.days * DAY // int(_GAP_S)
    gaps = rng.exponential(_GAP_S, size) + _SHORTEST_S
    lengths = np.clip(_STAY_S * rng.lognormal(0, _STAY_SPREAD, size), _SHORTEST_S, _LONGEST_S)
    if index == 0:
        lengths[size // 15] = _STUCK_S
    leave = begin + np.cumsum(gaps + lengths).astype(np.int64)
    arrive = leave - lengths.astype(np.int64)
    when = wall(job.start, job.days, arrive, job.territory.zone)
    quiet = ((when.hour < 7.5) | (when.hour >= 20)) & (rng.random(size) < _NIGHT)
    quiet |= (when.weekday == 6) & (rng.random(size) < _SUNDAY)
    kept = (arrive < end - 60) & ~(quiet & (lengths < _STUCK_S))
    arrive, leave = arrive[kept], leave[kept]
    return _Stays(arrive, leave, *_lost(rng, len(arrive), _LOST))


def _lost(rng: np.random.Generator, count: int, share: float) -> tuple[Flags, Flags]:
    """Which arrivals and which departures never reach the platform: single ones, with good neighbours."""
    draw = rng.random(count)
    fate = np.where(draw < share, 1, np.where(draw < 2 * share, 2, 0))
    fate[1:][fate[:-1] != 0] = 0
    return fate == 1, fate == 2


def _events(job: Job, spaces: list[str], zones: Ints, stays: list[_Stays]) -> _Events:
    """Everything the platform received, in that order. Some of what was lost did come, but nobody can read it."""
    rng = job.rng(SOURCE, "events")
    end = midnight(job.start + timedelta(days=job.days), job.territory.zone)
    owner = np.concatenate([np.full(2 * len(s.arrive), n) for n, s in enumerate(stays)])
    time = np.concatenate([t for s in stays for t in (s.arrive, s.leave)])
    arrives = np.concatenate([np.repeat([True, False], len(s.arrive)) for s in stays])
    lost = np.concatenate([f for s in stays for f in (s.arrival_lost, s.departure_lost)])
    spoilt = np.where(lost & (rng.random(len(lost)) < _UNREADABLE), _NO_OFFSET, 0)
    beats = max(2, len(time) // 20_000)
    beat_times = rng.integers(int(time.min()), end, beats)
    heard = np.concatenate([~lost | (spoilt > 0), np.ones(beats, dtype=np.bool_)])
    owner = np.concatenate([owner, rng.integers(len(spaces), size=beats)])[heard]
    time = np.concatenate([time, beat_times])[heard]
    arrives = np.concatenate([arrives, np.ones(beats, dtype=np.bool_)])[heard]
    spoilt = np.concatenate([spoilt, np.full(beats, _HEARTBEAT)])[heard]
    received = _received(job, rng, zones[owner], time)
    order = np.lexsort((time, received))
    order = order[time[order] < end]
    named = [spaces[n] for n in owner[order].tolist()]
    return _Events(named, zones[owner[order]], arrives[order], time[order], received[order], spoilt[order])


def _received(job: Job, rng: np.random.Generator, zone: Ints, time: Ints) -> Ints:
    """Seconds after the event; what one zone's gateway kept to itself comes when it is back."""
    received = time + rng.integers(1, 20, len(time))
    outage = midnight(job.start + timedelta(days=job.days // 2), job.territory.zone)
    cut, back = (outage + hour * HOUR for hour in _OUTAGE_HOURS)
    late = (zone == _OUTAGE_ZONE) & (time >= cut) & (time < back)
    return np.where(late, back + (received - cut) // 60, received)


def _write_pages(job: Job, events: _Events) -> None:
    """Four collections a day; one finds the server down, and the next has more to bring."""
    first = midnight(job.start, job.territory.zone)
    last = midnight(job.start + timedelta(days=job.days), job.territory.zone) + _POLL_EVERY_S
    polls = np.arange(first // DAY * DAY + _POLL_AT_S, last, _POLL_EVERY_S, dtype=np.int64)
    polls = polls[polls > first]
    polls = np.delete(polls, [len(polls) // 3])
    records = _records(job, events)
    rng = job.rng(SOURCE, "pages")
    known: set[int] = set()
    for poll, (begin, end) in zip(utc(polls), split(events.received, polls.tolist()), strict=True):
        since = events.received[begin - 1] - OVERLAP_S if begin else 0
        shown = range(int(np.searchsorted(events.received, since)), end)
        number, place = 1, 0
        while True:
            name = f"{SOURCE}_{poll.translate({45: None, 58: None})}_p{number:04d}.json"
            page = shown[place : place + PAGE]
            head = f'{{"page": {number}, "taille": {PAGE}, "total": {len(shown)}, "evenements": ['
            text = head + ",".join(f"\n  {records[n]}" for n in page) + "\n]}\n"
            (job.folder(SOURCE) / name).write_text(text, encoding="utf-8", newline="")
            _account(job, name, page, events.spoilt, known)
            if len(page) < PAGE:
                break
            place += PAGE - int(rng.integers(1, _TWICE + 1))
            number += 1


def _account(job: Job, name: str, page: range, spoilt: Ints, known: set[int]) -> None:
    """What a loader must make of a page: `known` are the events of earlier ones."""
    again = refused = 0
    for place, n in enumerate(page, start=1):
        if spoilt[n]:
            refused += 1
            column, reason = ("horodatage", BAD_DATE) if spoilt[n] == _NO_OFFSET else ("type", BAD_WORD)
            job.truth.refuse(SOURCE, name, line=place, column=column, reason=reason)
        else:
            again += n in known
            known.add(n)
    job.truth.file(SOURCE, name, read=len(page), duplicate=again, quarantined=refused)


def _records(job: Job, events: _Events) -> list[str]:
    """The events as JSON."""
    zone = job.territory.zone
    times, receptions = (zoned(t, wall(job.start, job.days, t, zone).local) for t in (events.time, events.received))
    charge = (96 - 0.02 * (events.time - events.time.min()) / DAY - 7 * (events.zone % 3)).round(1).tolist()
    words = np.where(events.spoilt == _HEARTBEAT, "ETAT", np.where(events.arrives, "ARR", "DEP")).tolist()
    bare = (events.spoilt == _NO_OFFSET).tolist()
    return [
        json.dumps(
            {"id": str(_FIRST_ID + n), "place": space, "zone": _ZONES[number][0], "type": words[n],
             "horodatage": times[n][:19] if bare[n] else times[n], "recu": receptions[n],
             "duree_max_min": _ZONES[number][2], "batterie_pct": charge[n]}
        )
        for n, (space, number) in enumerate(zip(events.space, events.zone.tolist(), strict=True))
    ]  # fmt: skip


def _truth(job: Job, spaces: list[str], stays: list[_Stays]) -> list[tuple[object, ...]]:
    """Each stay as far as it can be told from the events that a reader understands."""
    end = midnight(job.start + timedelta(days=job.days), job.territory.zone)
    limited = _regulated(job)
    rows: list[tuple[object, ...]] = []
    for space, mine in zip(spaces, stays, strict=True):
        gone = (mine.leave < end) & ~mine.departure_lost
        followed = np.arange(len(gone)) < len(gone) - 1
        complete = np.where(mine.leave - mine.arrive > DAY, "stuck", "complete")
        open_or_not = np.where(followed & mine.departure_lost, "departure_missing", "open")
        outcome = np.where(mine.arrival_lost, "arrival_missing", np.where(gone, complete, open_or_not))
        told = ~(mine.arrival_lost & ~gone)
        minutes = _minutes(mine, limited)
        for n in np.flatnonzero(told).tolist():
            arrival = "" if mine.arrival_lost[n] else utc(mine.arrive[n : n + 1])[0]
            departure = utc(mine.leave[n : n + 1])[0] if gone[n] else ""
            counted = f"{minutes[n]:.2f}" if outcome[n] == "complete" else ""
            rows.append((space, arrival, departure, str(outcome[n]), counted))
    return rows


def _regulated(job: Job) -> list[tuple[int, int]]:
    """Beginning and end of each stretch in which stays are limited, counted back from the midnight after it."""
    found: list[tuple[int, int]] = []
    for number, day in enumerate(job.dates()):
        after = midnight(job.start + timedelta(days=number + 1), job.territory.zone)
        if day.weekday() < 6 and not is_holiday(day):
            found += [(after - (24 - begin) * HOUR, after - (24 - end) * HOUR) for begin, end in _REGULATED]
    return found


def _minutes(stays: _Stays, limited: list[tuple[int, int]]) -> Floats:
    """Minutes of each stay within these stretches."""
    seconds = np.zeros(len(stays.arrive), dtype=np.int64)
    for begin, end in limited:
        seconds += np.clip(np.minimum(stays.leave, end) - np.maximum(stays.arrive, begin), 0, None)
    return seconds / 60


def _zone_days(job: Job, zones: Ints, stays: list[_Stays]) -> list[tuple[object, ...]]:
    """Arrivals and time taken up, by zone and business day, as they really were."""
    bounds = [midnight(job.start + timedelta(days=n), job.territory.zone) for n in range(job.days + 1)]
    rows: list[tuple[object, ...]] = []
    for zone, (name, *_) in enumerate(_ZONES):
        mine = [s for s, z in zip(stays, zones.tolist(), strict=True) if z == zone]
        arrive = np.concatenate([s.arrive for s in mine])
        leave = np.concatenate([s.leave for s in mine])
        for day, begin, end in zip(job.dates(), bounds[:-1], bounds[1:], strict=True):
            taken = float((np.clip(leave, begin, end) - np.clip(arrive, begin, end)).sum()) / 60
            arrivals = int(((arrive >= begin) & (arrive < end)).sum())
            rows.append((name, day.isoformat(), arrivals, f"{taken:.1f}"))
    return rows
