"""Sessions on the public hotspots, as the supplier's controller exports them every night.

Belongs here: hotspots, the devices that come by, and the controller's faults. Does not: what may be kept of a person
(the contract says).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset, commune, near
from simulation.clock import HOUR, Axis, Floats, Ints, iso, profile
from simulation.truth import BAD_DATE, BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "wifi_sessions"
HEADER = (
    "Session", "Borne", "SSID", "Adresse MAC", "Nom de l'appareil", "Compte du portail", "Adresse IP", "Début", "Fin",
    "Durée (min)", "Reçus (ko)", "Émis (ko)",
)  # fmt: skip
MISSING, RAGGED = "missing", "ragged"
_SSID = "Nevers-Agglo-Public"
_PLACES = (
    ("Médiathèque Jean Jaurès", "Nevers"), ("Gare routière", "Nevers"), ("Place Carnot", "Nevers"),
    ("Palais ducal", "Nevers"), ("Parc Roger Salengro", "Nevers"), ("Plage de Loire", "Nevers"),
    ("Centre aquatique", "Nevers"), ("Siège de l'agglomération", "Nevers"), ("Marché Carnot", "Nevers"),
    ("Place de la République", "Varennes-Vauzelles"), ("Médiathèque", "Varennes-Vauzelles"),
    ("Mairie", "Fourchambault"), ("Salle polyvalente", "Garchizy"), ("Parc thermal", "Pougues-les-Eaux"),
    ("Bibliothèque", "Marzy"), ("Mairie", "Coulanges-lès-Nevers"), ("Salle des fêtes", "Saint-Éloi"),
    ("Mairie", "Sermoise-sur-Loire"), ("Mairie", "Challuy"), ("Agence postale", "Parigny-les-Vaux"),
    ("Mairie", "Germigny-sur-Loire"), ("Bec d'Allier", "Gimouille"), ("Mairie", "Saincaize-Meauce"),
    ("Halte nautique", "Nevers"), ("Point information jeunesse", "Nevers"),
)  # fmt: skip
_PER_DAY = 60.0  # sessions of the busiest kind of place
_CURVE: dict[float, float] = {0: 0.08, 6: 0.1, 8: 0.7, 10: 1.3, 12: 1.9, 14: 1.6, 17: 2.1, 19: 1.2, 22: 0.4}
_DEVICES = 120  # per hotspot
_FIRST_NAMES = (
    "Camille", "Nadia", "Léa", "Mehdi", "Chloé", "Gaël", "Inès", "Théo", "Zoé", "Jérôme", "Maëlys", "Yanis", "Solène",
    "Hugo", "Aïcha", "Benoît",
)  # fmt: skip
_MODELS = ("iPhone de {}", "Galaxy-S21-de-{}", "PC-{}", "iPad de {}", "Redmi Note ({})")
_TWICE_SHARE = 2e-3


@dataclass(frozen=True)
class _Devices:
    """Those that come by: what the controller knows of each must not be found again in the lake."""

    macs: list[str]
    names: list[str]
    accounts: list[str]


@dataclass(frozen=True)
class _Session:
    """One line, with what it truly says."""

    access_point: str
    device: int
    begin: int
    fields: tuple[str, ...]


def things(job: Job) -> list[Asset]:
    """The hotspots, by the controller's name for them."""
    found: list[Asset] = []
    for index in range(job.count(len(_PLACES))):
        rng = job.rng("assets", SOURCE, index)
        name, town = _PLACES[index % len(_PLACES)]
        home = commune(job, town)
        place = near(rng, home.longitude, home.latitude)
        since = job.start - timedelta(days=60 + int(rng.integers(1500)))
        title = name if index < len(_PLACES) else f"{name} n°{index // len(_PLACES) + 1}"
        found.append(Asset(SOURCE, f"AP-{index + 1:03d}", f"Wifi {title}", "borne_wifi", home, *place, since))
    return found


def write(job: Job) -> None:
    """One file a day, of the sessions that began that day; the second is sent again under another name.

    Every file ends with lines that cannot be kept; the copy has none of them. The last file has a column that nobody
    announced.
    """
    devices, spots = _devices(job), things(job)
    hours = job.axis(60)
    totals: list[tuple[object, ...]] = []
    for number, (day, (first, last)) in enumerate(zip(job.dates(), hours.bounds, strict=True)):
        rng = job.rng(SOURCE, "day", number)
        sessions = [s for spot in spots for s in _day(rng, hours, first, last, spot, devices)]
        sessions.sort(key=lambda session: (session.begin, session.access_point))
        totals += _totals(day, spots, sessions)
        _write_day(job, day, sessions, devices, surprise=number == job.days - 1, rng=rng)
        if number == 1:
            name = f"sessions_{day:%Y%m%d}_reprise.csv"
            _write_lines(job, name, [HEADER, *(s.fields for s in sessions)])
            job.truth.file(SOURCE, name, read=len(sessions), duplicate=len(sessions))
    secrets = zip(devices.macs, devices.names, devices.accounts, strict=True)
    job.truth.table("wifi_sessions_secret", ("mac", "device_name", "account"), secrets)
    header = ("business_date", "access_point", "sessions", "devices", "duration_min")
    job.truth.table("wifi_sessions_daily", header, totals)


def _devices(job: Job) -> _Devices:
    """Phones choose their address at random today: the bit that says so is set on two out of three."""
    rng = job.rng(SOURCE, "devices")
    count = _DEVICES * len(things(job))
    octets = rng.integers(0, 256, (count, 6))
    octets[:, 0] = np.where(np.arange(count) % 3 == 0, octets[:, 0] & 0xFC, (octets[:, 0] & 0xFC) | 2)
    macs = [":".join(f"{byte:02x}" for byte in row) for row in octets.tolist()]
    people = [f"{_FIRST_NAMES[n % len(_FIRST_NAMES)]}-{n:04x}" for n in range(count)]
    names = [_MODELS[n // 3 % len(_MODELS)].format(person) for n, person in enumerate(people)]
    return _Devices(macs, names, [f"{person.lower()}@courriel.example" for person in people])


def _day(
    rng: np.random.Generator, hours: Axis, first: int, last: int, spot: Asset, devices: _Devices
) -> list[_Session]:
    """The day's sessions at one hotspot."""
    number = int(spot.native_id[3:])
    level = profile(hours.hour[first:last], _CURVE) * np.where(hours.working[first:last], 1.0, 0.7)
    favour = 0.3 + 0.7 * (number % 7) / 6
    counts = rng.poisson(_PER_DAY / 24 * favour * level)
    begins = np.repeat(hours.epoch[first:last], counts) + rng.integers(0, HOUR, int(counts.sum()))
    offsets = np.repeat((hours.local - hours.epoch)[first:last], counts)
    stays = np.maximum(1, rng.exponential(18.0, len(begins)).astype(np.int64))
    who = _visitors(rng, len(begins), number - 1, len(devices.macs))
    amounts = rng.exponential(9000.0, (2, len(begins))).astype(np.int64)
    columns = _columns(begins, offsets, stays)
    return [
        _Session(
            spot.native_id,
            device,
            begin,
            (
                f"{begin:x}{device:05x}", spot.native_id, _SSID, devices.macs[device],
                "" if device % 4 == 1 else devices.names[device], devices.accounts[device],
                f"10.{number % 250}.{device % 250}.{device // 250 % 250}", start, end, str(stay), str(down), str(up),
            ),
        )
        for device, begin, start, end, stay, down, up in zip(
            who.tolist(), begins.tolist(), *columns, stays.tolist(), *amounts.tolist(), strict=True
        )
    ]  # fmt: skip


def _visitors(rng: np.random.Generator, count: int, spot: int, devices: int) -> Ints:
    """Mostly the hotspot's regulars; one in ten comes from anywhere."""
    own = spot * _DEVICES + np.floor(_DEVICES * rng.random(count) ** 2).astype(np.int64)
    away: Floats = rng.random(count)
    return np.where(away < 0.1, rng.integers(0, devices, count), own)


def _columns(begins: Ints, offsets: Ints, stays: Ints) -> tuple[list[str], list[str]]:
    """Start and end with their offset from UTC: the controller knows the zone, and both two o'clocks of October."""
    signs = [f"+{offset // HOUR:02d}:00" for offset in offsets.tolist()]
    texts = [
        [f"{text}{sign}" for text, sign in zip(iso(moment + offsets), signs, strict=True)]
        for moment in (begins, begins + 60 * stays)
    ]
    return texts[0], texts[1]


def _totals(day: date, spots: list[Asset], sessions: list[_Session]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for spot in spots:
        mine = [s for s in sessions if s.access_point == spot.native_id]
        minutes = sum(int(s.fields[9]) for s in mine)
        rows.append((day.isoformat(), spot.native_id, len(mine), len({s.device for s in mine}), minutes))
    return rows


def _write_day(
    job: Job,
    day: date,
    sessions: list[_Session],
    devices: _Devices,
    *,
    surprise: bool,
    rng: np.random.Generator,
) -> None:
    rows = [s.fields for s in sessions]
    rows += [rows[n] for n in np.flatnonzero(rng.random(len(rows)) < _TWICE_SHARE).tolist()]
    good = len(rows)
    moment = datetime(day.year, day.month, day.day, 23, 58, tzinfo=job.territory.zone).isoformat()
    refused = _refused(devices, int(rng.integers(len(devices.macs))), moment)
    rows += [row for row, _, _ in refused]
    header: tuple[str, ...] = HEADER
    if surprise:
        header = (*HEADER, "Nom d'hôte DHCP")
        rows = [(*row, devices.names[n % len(devices.names)]) for n, row in enumerate(rows)]
    name = f"sessions_{day:%Y%m%d}.csv"
    _write_lines(job, name, [header, *rows])
    job.truth.file(SOURCE, name, read=len(rows), duplicate=good - len(sessions), quarantined=len(refused))
    for line, (_, column, reason) in enumerate(refused, start=good + 2):
        job.truth.refuse(SOURCE, name, line=line, column=column, reason=reason)


def _write_lines(job: Job, name: str, rows: list[tuple[str, ...]]) -> None:
    """The controller never quotes."""
    text = "".join(f"{';'.join(row)}\r\n" for row in rows)
    (job.folder(SOURCE) / name).write_bytes(text.encode())


def _refused(devices: _Devices, device: int, moment: str) -> list[tuple[tuple[str, ...], str, str]]:
    """Lines that cannot be kept, with the column at fault and why; each would betray somebody if it were shown."""
    mac, owner = devices.macs[device], devices.names[device]
    begin = (f"ffff{device:05x}", "AP-001", _SSID)
    middle = (owner, devices.accounts[device], "10.1.0.0")
    end = (moment, "3", "12", "4")
    return [
        ((*begin, mac, *middle, "1970", *end), "Début", BAD_DATE),
        # columns that slipped: an address where the start should be, a name where the duration should be
        ((*begin, mac, *middle, mac, *end), "Début", BAD_DATE),
        ((*begin, mac, *middle, moment, moment, owner, "12", "4"), "Durée (min)", BAD_NUMBER),
        ((*begin, "", *middle, moment, *end), "Adresse MAC", MISSING),
        ((*begin, mac, f"{owner}; bureau", *middle[1:], moment, *end), "", RAGGED),
    ]
