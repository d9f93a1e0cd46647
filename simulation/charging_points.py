"""Charging points at the national IRVE schemas: the inventory, and the last state of every point every two hours.

Belongs here: operators' habits (identifiers, swapped coordinates, post codes for INSEE codes, offsets without colon),
sessions and breakdowns as a poll sees them. Does not: energy drawn, prices charged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import HOUR, Ints, midnight, utc, wall
from simulation.files import csv_text
from simulation.roadside import numbered, stand, zoned
from simulation.truth import BAD_DATE, BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "charging_points"
STATIC = (
    "nom_amenageur", "siren_amenageur", "contact_amenageur", "nom_operateur", "contact_operateur",
    "telephone_operateur", "nom_enseigne", "id_station_itinerance", "id_station_local", "nom_station",
    "implantation_station", "adresse_station", "code_insee_commune", "coordonneesXY", "nbre_pdc", "id_pdc_itinerance",
    "id_pdc_local", "puissance_nominale", "prise_type_ef", "prise_type_2", "prise_type_combo_ccs",
    "prise_type_chademo", "prise_type_autre", "gratuit", "paiement_acte", "paiement_cb", "paiement_autre",
    "tarification", "condition_acces", "reservation", "horaires", "accessibilite_pmr", "restriction_gabarit",
    "station_deux_roues", "raccordement", "num_pdl", "date_mise_en_service", "observations", "date_maj",
    "cable_t2_attache",
)  # fmt: skip
DYNAMIC = (
    "id_pdc_itinerance", "etat_pdc", "occupation_pdc", "horodatage", "etat_prise_type_2", "etat_prise_type_combo_ccs",
    "etat_prise_type_chademo", "etat_prise_type_ef",
)  # fmt: skip
POINTS = ("charging_point_id", "station_id", "insee_code", "longitude", "latitude", "nominal_power_kw")
STATUSES = ("charging_point_id", "status_time", "operating_status", "occupancy_status")
NOT_CONCERNED = "Non concerné"
_STATIONS = 22
_POLL_S, _POLL_AT_S = 2 * HOUR, 600
_SNAPSHOT_DAYS = 21
_BAD_ROWS = 3
# Operator, its e-mail and telephone, commercial name, prefix of its identifiers, whether it writes +0000.
_OPERATORS = (
    ("Syndicat d'énergie", "recharge@syndicat-energie.example", "0386000001", "Bornes 58", "FRS58", False),
    ("Grande Enseigne", "bornes@enseigne.example", "0980000002", "Enseigne Recharge", "FRGRE", True),
)
_TOWNS = (
    "Nevers", "Nevers", "Varennes-Vauzelles", "Fourchambault", "Nevers", "Coulanges-lès-Nevers", "Marzy",
    "Pougues-les-Eaux", "Garchizy", "Saint-Éloi", "Challuy",
)  # fmt: skip
_PLACES = ("Parking de la Mairie", "Place du Marché", "Parking du Stade", "Avenue de la Gare", "Centre commercial")
_SIZES = (2, 2, 1, 4, 2)
_POWERS = (22.0, 22.0, 7.4, 50.0, 22.0, 150.0)
_STATE = {"en_service": "in_service", "hors_service": "out_of_service", "inconnu": "unknown"}
_TAKEN = {"libre": "free", "occupe": "occupied", "reserve": "reserved", "inconnu": "unknown"}


@dataclass(frozen=True)
class _Point:
    """A charging point, as its line of the inventory says and as it is."""

    cells: dict[str, str]
    station: Asset
    identifier: str  # what the dynamic feed calls it
    colonless: bool
    power_kw: float


@dataclass(frozen=True)
class _Life:
    """State of one point from each instant on."""

    time: Ints
    state: list[str]
    taken: list[str]


def things(job: Job) -> list[Asset]:
    """The stations."""
    found: list[Asset] = []
    for index in range(job.count(_STATIONS, least=2)):
        place = stand(job, job.rng("assets", SOURCE, index), _TOWNS[index % len(_TOWNS)])
        prefix = _OPERATORS[_operator(index)][4]
        name = numbered(f"{_PLACES[index % len(_PLACES)]} - {place[0].name}", index, len(_PLACES) * len(_TOWNS))
        found.append(Asset(SOURCE, f"{prefix}P{58000 + index:05d}", name, "station_recharge", *place))
    return found


def write(job: Job) -> None:
    """An inventory at the start and one three weeks later, then every collection of the states."""
    points = _points(job)
    later = _changed(points)
    first = midnight(job.start, job.territory.zone)
    shown = points
    for offset in range(0, job.days, _SNAPSHOT_DAYS):
        shown = later if offset else points
        _write_inventory(job, first + offset * 24 * HOUR + 5 * HOUR, job.start + timedelta(days=offset), shown)
    job.truth.table("charging_points", POINTS, _inventory(shown))
    _write_states(job, points)


def _operator(index: int) -> int:
    return 1 if index % 5 == 4 else 0


def _points(job: Job) -> list[_Point]:
    """Every point of every station."""
    found: list[_Point] = []
    for index, station in enumerate(things(job)):
        owner, contact, phone, brand, prefix, colonless = _OPERATORS[_operator(index)]
        rng = job.rng(SOURCE, "station", index)
        size, power = _SIZES[index % len(_SIZES)], _POWERS[index % len(_POWERS)]
        postcode = "58000" if station.commune.name == "Nevers" else "58640"
        # The first station of the second operator gives a post code for an INSEE code, its second swaps coordinates.
        insee = postcode if index == 4 else station.commune.insee
        xy = (station.latitude, station.longitude) if index == 9 else (station.longitude, station.latitude)
        for rank in range(size):
            identifier = f"{prefix}E{58000 + index:05d}{rank + 1}"
            private = index == 2  # a station that nobody from outside can use has no national identifier
            cells = {
                "nom_amenageur": owner, "siren_amenageur": job.territory.siren, "contact_amenageur": contact,
                "nom_operateur": owner, "contact_operateur": contact, "telephone_operateur": phone,
                "nom_enseigne": brand, "id_station_itinerance": NOT_CONCERNED if private else station.native_id,
                "id_station_local": f"ST{index:03d}", "nom_station": station.name,
                "implantation_station": "Parking public" if index % 3 else "Voirie",
                "adresse_station": f"{1 + index} rue de la Borne {postcode} {station.commune.name}",
                "code_insee_commune": insee, "coordonneesXY": f"[{xy[0]:.6f},{xy[1]:.6f}]", "nbre_pdc": str(size),
                "id_pdc_itinerance": NOT_CONCERNED if private else identifier, "id_pdc_local": f"ST{index:03d}-{rank}",
                "puissance_nominale": f"{power:g}", **_plugs(power), "gratuit": "false",
                "paiement_acte": "true", "paiement_cb": "true" if power >= 50 else "false", "paiement_autre": "",
                "tarification": "0,40 € / kWh", "condition_acces": "Accès réservé" if private else "Accès libre",
                "reservation": "false", "horaires": "Mo-Sa 08:30-20:00" if index % 5 == 4 else "24/7",
                "accessibilite_pmr": "Réservé PMR" if rank == 0 and size > 2 else "Accessibilité inconnue",
                "restriction_gabarit": "inconnu", "station_deux_roues": "FALSE", "raccordement": "Direct",
                "num_pdl": f"09{int(rng.integers(10**8)):08d}{index:04d}",
                "date_mise_en_service": station.in_service.isoformat(), "observations": "",
                "date_maj": job.start.isoformat(), "cable_t2_attache": "true" if power >= 50 else "",
            }  # fmt: skip
            found.append(_Point(cells, station, identifier, colonless, power))
    return found


def _plugs(power: float) -> dict[str, str]:
    fast = power >= 50
    return {
        "prise_type_ef": "false" if fast else "true", "prise_type_2": "true", "prise_type_combo_ccs": str(fast).lower(),
        "prise_type_chademo": str(fast).lower(), "prise_type_autre": "false",
    }  # fmt: skip


def _changed(points: list[_Point]) -> list[_Point]:
    """Three weeks later the first point is more powerful, and the last is gone."""
    stronger = replace(points[0], power_kw=24.0, cells=points[0].cells | {"puissance_nominale": "24"})
    return [stronger, *points[1:-1]]


def _write_inventory(job: Job, moment: int, day: date, points: list[_Point]) -> None:
    """One line, of a point that is on no other, writes its power with the unit."""
    name = f"irve_statique_{_stamp(moment)}_p0001.csv"
    last = {**points[-1].cells, "id_pdc_itinerance": "FRS58E99999", "id_pdc_local": "", "puissance_nominale": "22 kW"}
    rows = [*(p.cells | {"date_maj": day.isoformat()} for p in points), last]
    text = csv_text(STATIC, [[row[column] for column in STATIC] for row in rows])
    (job.folder(SOURCE) / name).write_text(text, encoding="utf-8", newline="")
    job.truth.refuse(SOURCE, name, line=len(rows) + 1, column="puissance_nominale", reason=BAD_NUMBER)
    job.truth.file(SOURCE, name, read=len(rows), quarantined=1)


def _inventory(points: list[_Point]) -> list[tuple[object, ...]]:
    return [
        (p.cells["id_pdc_local"] if p.cells["id_pdc_itinerance"] == NOT_CONCERNED else p.identifier,
         p.cells["id_station_local"] if p.cells["id_pdc_itinerance"] == NOT_CONCERNED else p.station.native_id,
         p.station.commune.insee, f"{p.station.longitude:.6f}", f"{p.station.latitude:.6f}", f"{p.power_kw:g}")
        for p in points
    ]  # fmt: skip


def _write_states(job: Job, points: list[_Point]) -> None:
    """What the feed shows at each collection: of every point the state it is in, since when."""
    start, end = (midnight(job.start + timedelta(days=n), job.territory.zone) for n in (0, job.days))
    public = [p for p in points if p.cells["id_pdc_itinerance"] != NOT_CONCERNED]
    lives = [_life(job, n, start, end) for n in range(len(public))]
    texts = [_stamps(job, point, life) for point, life in zip(public, lives, strict=True)]
    polls = np.arange(start + _POLL_AT_S, end, _POLL_S, dtype=np.int64)
    bad = set(job.rng(SOURCE, "bad").choice(len(polls), min(_BAD_ROWS, len(polls)), replace=False).tolist())
    known: dict[tuple[int, int], tuple[object, ...]] = {}
    for number, poll in enumerate(polls.tolist()):
        name = f"irve_dynamique_{_stamp(poll)}_p0001.csv"
        rows, again = [], 0
        for n, (point, life) in enumerate(zip(public, lives, strict=True)):
            since = int(np.searchsorted(life.time, poll, side="right")) - 1
            wrong = number in bad and n == 0
            stamp = texts[n][since][:16] if wrong else texts[n][since]
            rows.append(_row(point, life, since, stamp))
            if wrong:
                job.truth.refuse(SOURCE, name, line=len(rows) + 1, column="horodatage", reason=BAD_DATE)
                continue
            again += (n, since) in known
            known[n, since] = (
                point.identifier, utc(life.time[since : since + 1])[0], _STATE[life.state[since]],
                _TAKEN[life.taken[since]],
            )  # fmt: skip
        (job.folder(SOURCE) / name).write_text(csv_text(DYNAMIC, rows), encoding="utf-8", newline="")
        job.truth.file(SOURCE, name, read=len(rows), duplicate=again, quarantined=int(number in bad))
    job.truth.table("charging_statuses", STATUSES, [known[key] for key in sorted(known)])


def _row(point: _Point, life: _Life, since: int, stamp: str) -> list[str]:
    plug = "fonctionnel" if life.state[since] == "en_service" else life.state[since]
    fitted = [point.cells[f"prise_type_{kind}"] == "true" for kind in ("2", "combo_ccs", "chademo", "ef")]
    return [
        point.identifier, life.state[since], life.taken[since], stamp, *(plug if has else "" for has in fitted),
    ]  # fmt: skip


def _life(job: Job, number: int, start: int, end: int) -> _Life:
    """Sessions one after another, more of them by day; a breakdown now and then, and a line that is cut."""
    rng = job.rng(SOURCE, "life", number)
    time, state, taken = [start - int(rng.integers(60, 6 * HOUR))], ["en_service"], ["libre"]
    now = time[0]
    while True:
        now += int(rng.exponential(7 * HOUR)) + 300
        if now >= end:
            break
        draw = float(rng.random())
        if draw < 0.03:
            spell, length = ("hors_service", "inconnu"), int(rng.exponential(20 * HOUR))
        elif draw < 0.07:
            spell, length = ("inconnu", "inconnu"), int(rng.exponential(3 * HOUR))
        else:
            spell, length = ("en_service", "reserve" if draw < 0.1 else "occupe"), int(rng.exponential(2 * HOUR))
        time += [now, now + length + 300]
        state += [spell[0], "en_service"]
        taken += [spell[1], "libre"]
        now = time[-1]
    return _Life(np.array(time, dtype=np.int64), state, taken)


def _stamps(job: Job, point: _Point, life: _Life) -> list[str]:
    """One operator writes universal time, its offset without a colon, as the standard's own example does."""
    if point.colonless:
        return [t.replace("Z", "+0000") for t in utc(life.time)]
    return zoned(life.time, wall(job.start, job.days, life.time, job.territory.zone).local)


def _stamp(moment: int) -> str:
    return utc(np.array([moment], dtype=np.int64))[0].translate({45: None, 58: None})
