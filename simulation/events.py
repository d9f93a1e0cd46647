"""Public events of three agendas, as OpenAgenda's own JSON gives them: everything once, then what changed each week.

Belongs here: venues, programmes, and how events are moved, cancelled, shared and withdrawn. Does not: the copy of the
same agendas that other portals resell in other forms.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from simulation.assets import commune, near
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import numpy as np

    from simulation.job import Job

SOURCE = "events"
MISSING = "missing"
_AGENDAS = (
    ("48210933", "Agenda de l'agglomération"),
    ("71500214", "Ville de Nevers"),
    ("90377162", "Maison de la culture"),
)
_EVENTS = 45  # per agenda, in the first file
_PAGE = 30  # events in one answer
_WEEK = 7
_SCHEDULED, _RESCHEDULED, _CANCELLED = 1, 2, 6
_ON_SITE, _ONLINE = 1, 2
_VENUES = (
    ("Maison de la culture", "Nevers"), ("Palais ducal", "Nevers"), ("Médiathèque Jean Jaurès", "Nevers"),
    ("Le Café Charbon", "Nevers"), ("Parc Rosa Bonheur", "Varennes-Vauzelles"), ("Salle des fêtes", "Garchizy"),
    ("Parc thermal", "Pougues-les-Eaux"), ("Centre socioculturel", "Fourchambault"), ("Salle du Pont", "Challuy"),
    ("Grande salle", "Marzy"), ("Bec d'Allier", "Gimouille"), ("Foyer rural", "Parigny-les-Vaux"),
)  # fmt: skip
_TITLES = (
    "Concert de la rentrée", "Atelier compostage", "Visite guidée : les bords de Loire", "Conférence « L'eau demain »",
    "Marché des producteurs", "Ciné-débat", "Fête du vélo", "Exposition « Lumières »", "Lecture à voix haute",
    "Permanence numérique", "Bourse aux livres",
)  # fmt: skip
_KEYWORDS = ("gratuit", "famille", "musique", "environnement", "patrimoine", "numérique")


@dataclass(frozen=True)
class Event:
    """One event in one agenda, as it stands; `stamp` is its last change, in seconds."""

    uid: int
    agenda: str
    number: int
    stamp: int
    timings: tuple[tuple[int, int], ...]
    status: int = _SCHEDULED
    removed: bool = False

    @property
    def online(self) -> bool:
        """Held without a place."""
        return self.number % 15 == 11


def write(job: Job) -> None:
    """Every agenda whole at the start, in pages; then one file a week of what is new, changed or withdrawn.

    A weekly file repeats one event that has not changed. Some events are in two agendas, under the same number.
    """
    standing: dict[tuple[str, int], Event] = {}
    for rank, (agenda, _) in enumerate(_AGENDAS):
        known = _first(job, rank)
        for page, begin in enumerate(range(0, len(known), _PAGE), start=1):
            _write_file(job, agenda, job.start, known[begin : begin + _PAGE], total=len(known), page=page)
        for week, offset in enumerate(range(_WEEK, job.days, _WEEK), start=1):
            day = job.start + timedelta(days=offset)
            same, changed = known[0], _next(job, rank, week, day, known)
            _write_file(job, agenda, day, [same, *changed], total=len(changed) + 1, repeated=1)
            renewed = {event.uid: event for event in changed}
            known = [renewed.pop(event.uid, event) for event in known if not event.removed] + list(renewed.values())
        standing |= {(event.agenda, event.uid): event for event in known}
    _write_truth(job, list(standing.values()))


def _write_truth(job: Job, standing: list[Event]) -> None:
    """Per event, its last version in any agenda where it still is."""
    kept: dict[int, Event] = {}
    for event in sorted(standing, key=lambda e: (e.stamp, e.agenda)):
        if not event.removed:
            kept[event.uid] = event
    rows = [(e.uid, e.status, len(e.timings), int(e.online), _venue(job, e)[1]) for e in kept.values()]
    job.truth.table("events", ("uid", "status", "timings", "online", "insee_code"), sorted(rows))


def _first(job: Job, rank: int) -> list[Event]:
    """The programme: the first events of the second agenda are those of the first one, shared."""
    found = []
    for number in range(job.count(_EVENTS, least=6)):
        shared = rank == 1 and number < 3
        rng = job.rng(SOURCE, 0 if shared else rank, number)
        uid = 10_000_000 + (0 if shared else rank) * 1_000_000 + number * 1009 + int(rng.integers(1000))
        day = job.start + timedelta(days=int(rng.integers(-20, 70)))
        stamp = _at(job.start, -1 - int(rng.integers(90)), 9.0 + number / 100, job.territory.zone)
        found.append(Event(uid, _AGENDAS[rank][0], number, stamp, _programme(rng, day, job.territory.zone)))
    return found


def _next(job: Job, rank: int, week: int, day: date, known: list[Event]) -> list[Event]:
    """What a week changes: one event moved, one cancelled, one withdrawn, one new."""
    rng = job.rng(SOURCE, "week", rank, week)
    moved, cancelled, gone = (known[1 + int(n)] for n in rng.permutation(len(known) - 1)[:3])
    stamps = [_at(day, -1 - n, 11.0 + n, job.territory.zone) for n in range(4)]
    later = tuple((begin + 7 * 86400, end + 7 * 86400) for begin, end in moved.timings)
    number = 1000 + 10 * week
    uid = 10_000_000 + rank * 1_000_000 + number * 97 + week
    return [
        replace(moved, stamp=stamps[0], timings=later, status=_RESCHEDULED),
        replace(cancelled, stamp=stamps[1], status=_CANCELLED),
        replace(gone, stamp=stamps[2], removed=True),
        Event(uid, _AGENDAS[rank][0], number, stamps[3], _programme(rng, day + timedelta(days=9), job.territory.zone)),
    ]


def _programme(rng: np.random.Generator, day: date, zone: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """One to six times, a day apart, one to three hours each."""
    hour, hours = 9 + int(rng.integers(11)), 1 + int(rng.integers(3))
    return tuple((_at(day, n, hour, zone), _at(day, n, hour + hours, zone)) for n in range(1 + int(rng.integers(6))))


def _at(day: date, days: int, hour: float, zone: ZoneInfo) -> int:
    """A moment by the clock on the wall."""
    moment = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=days, hours=hour)
    return int(moment.timestamp())


def _venue(job: Job, event: Event) -> tuple[str, str, float, float, str]:
    name, town = _VENUES[event.number % len(_VENUES)]
    home = commune(job, town)
    longitude, latitude = near(job.rng(SOURCE, "venue", event.number % len(_VENUES)), home.longitude, home.latitude)
    return name, "" if event.online else home.insee, longitude, latitude, home.name


def _write_file(
    job: Job, agenda: str, day: date, events: list[Event], *, total: int, page: int = 0, repeated: int = 0
) -> None:
    """One answer of the service, as it came; full answers end with two events that cannot be used."""
    name = f"agenda_{agenda}_{day:%Y%m%d}{f'_p{page}' if page else ''}.json"
    records = [_record(job, event) for event in events]
    if page:
        nameless, misplaced = _record(job, events[0]), _record(job, events[0])
        del nameless["uid"]
        misplaced |= {"uid": int(agenda) + page, "location": _place(job, events[0]) | {"latitude": "47° N"}}
        records += [nameless, misplaced]
        for line, column, reason in ((len(events), "uid", MISSING), (len(events) + 1, "location.latitude", BAD_NUMBER)):
            job.truth.refuse(SOURCE, name, line=line + 1, column=column, reason=reason)
    after = [str(events[-1].stamp), str(events[-1].uid)] if page * _PAGE < total and page else None
    answer = {"total": total, "events": records, "after": after, "success": True}
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    (job.folder(SOURCE) / name).write_text(text, encoding="utf-8")
    refused = len(records) - len(events)
    job.truth.file(SOURCE, name, read=len(records), duplicate=repeated, quarantined=refused)


def _record(job: Job, event: Event) -> dict[str, object]:
    """An event as the service tells it; of one that was withdrawn, only that."""
    if event.removed:
        return {"uid": event.uid, "removed": True, "updatedAt": _utc(event.stamp)}
    title = f"{_TITLES[event.number % len(_TITLES)]} {event.number + 1}"
    number = event.number
    return {
        "uid": event.uid,
        "slug": f"evenement-{event.uid}",
        "title": {"en": title} if number % 20 == 13 else {"fr": title, "en": title},
        "description": {"fr": f"{title}, proposé par {dict(_AGENDAS)[event.agenda]}."},
        "longDescription": {"fr": f"<p><strong>{title}</strong> &amp; rencontre.<br>Entrée libre.</p>"},
        "keywords": {"fr": [_KEYWORDS[number % len(_KEYWORDS)], _KEYWORDS[(number + 2) % len(_KEYWORDS)]]},
        "image": None
        if number % 4 == 1
        else {"filename": f"{event.uid:x}.base.image.jpg", "base": "https://cdn.agenda.example/main/"},
        "registration": [{"type": "email", "value": f"accueil{number}@association.example"}],
        "accessibility": {"hi": False, "mi": number % 3 == 0, "vi": False, "pi": False, "ii": False},
        "timings": [
            {"begin": _local(begin, job.territory.zone), "end": _local(end, job.territory.zone)}
            for begin, end in event.timings
        ],
        "timezone": job.territory.time_zone,
        "age": {"min": 6, "max": 12} if number % 9 == 2 else None,
        "attendanceMode": _ONLINE if event.online else _ON_SITE,
        "onlineAccessLink": f"https://visio.example/{event.uid}" if event.online else None,
        "status": event.status,
        "state": 2,
        "location": None if event.online else _place(job, event),
        "originAgenda": {"uid": int(_AGENDAS[0][0]), "title": _AGENDAS[0][1]},
        "createdAt": _utc(event.stamp - 86400 * 3),
        "updatedAt": _utc(event.stamp),
    }


def _place(job: Job, event: Event) -> dict[str, object]:
    """The venue; every fifth one has no INSEE code."""
    name, insee, longitude, latitude, town = _venue(job, event)
    rank = event.number % len(_VENUES)
    return {
        "uid": 60_000_000 + rank,
        "name": name,
        "address": f"{1 + rank} place de la Mairie, {town}",
        "city": town.upper() if rank % 4 == 2 else town,
        "postalCode": "58000",
        "insee": None if rank % 5 == 3 else insee,
        "latitude": latitude,
        "longitude": longitude,
        "countryCode": "FR",
    }


def _local(stamp: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(stamp, tz=zone).isoformat()


def _utc(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
