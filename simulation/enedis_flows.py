"""The grid operator's daily subscriptions, XML in zips: R50 (C5 load curves) and R171 (C4 registers).

Belongs here: the two documents, what the operator sends late or twice, and the delivery points known through R50 alone.
Does not: the shape of a building's day, nor the histories in CSV (`building_energy`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import HOUR, Axis, Flags, Ints, iso, midnight, utc, wall
from simulation.files import write_zip
from simulation.truth import BAD_DATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "building_energy"
INDEX_TRUTH = ("prm", "reading_time", "time_class", "energy_wh", "state")
# Small sites behind a communicating meter: name, commune, use, floor area.
_SITES = (
    ("Mairie de Challuy", "Challuy", "mairie", 290),
    ("École de Sermoise", "Sermoise-sur-Loire", "école", 620),
    ("Salle des fêtes de Germigny", "Germigny-sur-Loire", "salle polyvalente", 410),
    ("Accueil de loisirs de Garchizy", "Garchizy", "école", 350),
    ("Bibliothèque de Pougues", "Pougues-les-Eaux", "médiathèque", 280),
    ("Vestiaires du stade de Coulanges", "Coulanges-lès-Nevers", "gymnase", 240),
    ("Mairie de Saincaize-Meauce", "Saincaize-Meauce", "mairie", 180),
    ("Maison de quartier de la Grande Pâture", "Nevers", "salle polyvalente", 520),
    ("Crèche des Courlis", "Nevers", "école", 430),
    ("Poste de police municipale", "Nevers", "bureaux", 210),
)
_STEP_S = 1800
_SUBSCRIPTION, _CONTRACT = "3182417", "2617402"
_RECTIFIED = 2  # the day that is sent again, put right
_RECTIFIED_AFTER = 14  # days

# Tariff classes of the operator's calendar: peak hours are 6 to 22, the high season November to March.
CLASSES: dict[str, str] = {
    "HPH": "Heures Pleines Hiver / Saison Haute",
    "HCE": "Heures Creuses Eté",
    "HCH": "Heures Creuses Hiver / Saison Haute",
    "HPE": "Heures Pleines Eté",
}
_HIGH_SEASON = (11, 12, 1, 2, 3)
# Physical quantities, with their unit: excess time, running time, maximal power, reactive and active energy, excess.
QUANTITIES: dict[str, str] = {"DD": "s", "TF": "s", "PMA": "VA", "ERC": "VARh", "EA": "Wh", "ERI": "VARh", "DQ": "VA"}
_QUANTUM = 1000  # registers of energy and power turn in thousands
_POWER_FACTOR = 0.93
_CAPACITIVE, _INDUCTIVE = 0.04, 0.05  # reactive energy for one of active
# Local seconds after midnight at which a meter is read; the third's hour happens twice one night in October.
_READ_AT = (721, 3905, 9476, 15_050)


@dataclass(frozen=True)
class Curve:
    """A delivery point's clean power, and what its curve lacks."""

    site: Asset
    axis: Axis
    power: Ints
    missing: Flags


def sites(job: Job) -> list[Asset]:
    """Delivery points that only R50 tells of."""
    found: list[Asset] = []
    for index in range(job.count(len(_SITES), least=2)):
        rng = job.rng("assets", SOURCE, "R50", index)
        name, town, usage, surface = _SITES[index % len(_SITES)]
        home = assets.commune(job, town)
        longitude, latitude = assets.near(rng, home.longitude, home.latitude)
        lead = "09" if index % 2 == 0 else "30"
        native = f"{lead}{int(rng.integers(10**8)):08d}6{index:03d}"
        title = name if index < len(_SITES) else f"{name} n°{index // len(_SITES) + 1}"
        since = job.start - timedelta(days=30 + int(rng.integers(2000)))
        found.append(
            assets.Asset(SOURCE, native, title, "batiment", home, longitude, latitude, since, usage, surface, "R50")
        )
    return found


# R50: load curves ----------------------------------------------------------------------------------------------------


def write_r50(job: Job, curves: Sequence[Curve]) -> None:
    """One archive a day, two nights later.

    From three days on, the last point's second day comes with the third, and the third is sent again, put right: the
    afternoon of the first point was wrong in it.
    """
    late = job.days > _RECTIFIED
    for day, when in enumerate(job.dates()):
        wanted = [(curve, day) for curve in curves if not (late and curve is curves[-1] and day == 1)]
        if late and day == _RECTIFIED:
            wanted.append((curves[-1], 1))
        blocks = [_r50_block(job, curve, d) for curve, d in wanted]
        rows = sum(block.count("<PDC>") for block in blocks)
        created = _created(job, when, 2)
        if not (late and day == _RECTIFIED):
            _put(job, "R50", created, _r50(job, created, blocks), read=rows)
            continue
        sent = [_r50_block(job, curves[0], day, wrong=True), *blocks[1:]]
        _put(job, "R50", created, _r50(job, created, sent), read=rows)
        same = sum(a == b for a, b in zip(_points(sent), _points(blocks), strict=True))
        created = _created(job, when, _RECTIFIED_AFTER, hour=9)
        _put(job, "R50", created, _r50(job, created, blocks), read=rows, duplicate=same)


def _points(blocks: Sequence[str]) -> list[str]:
    return [line for block in blocks for line in block.splitlines() if line.startswith("<PDC>")]


def _r50_block(job: Job, curve: Curve, day: int, *, wrong: bool = False) -> str:
    """One day of one point; each value is stamped at the END of its half hour, with the offset of that instant."""
    here = (curve.axis.day == day) & ~curve.missing
    clock = wall(job.start, job.days, curve.axis.epoch[here] + _STEP_S, job.territory.zone)
    power, hour = curve.power[here], curve.axis.hour[here]
    if wrong:
        power = np.where((hour >= 14) & (hour < 17), power * 3 + 11, power)
    rng = job.rng(SOURCE, "R50", curve.site.native_id, day)
    doubtful = rng.random(len(power)) < 0.003
    offset = (clock.local - clock.epoch) // HOUR
    points = "\n".join(
        f"<PDC><H>{stamp}+0{hours}:00</H><V>{value}</V><IV>{doubt:d}</IV></PDC>"
        for stamp, hours, value, doubt in zip(
            iso(clock.local), offset.tolist(), power.tolist(), doubtful.tolist(), strict=True
        )
    )
    return (
        f"<PRM><Id_PRM>{curve.site.native_id}</Id_PRM>\n<Donnees_Releve>"
        f"<Date_Releve>{job.start + timedelta(days=day)}</Date_Releve>"
        f"<Id_Affaire>M{int(rng.integers(16**7)):07X}</Id_Affaire>\n{points}\n</Donnees_Releve>\n</PRM>"
    )


def _r50(job: Job, created: datetime, blocks: Sequence[str]) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<R50 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><En_Tete_Flux><Identifiant_Flux>R50</Identifiant_Flux>'
        "<Libelle_Flux>Courbes de charge des PRM du segment C5 sur abonnement</Libelle_Flux>"
        "<Version_XSD>1.1.0</Version_XSD><Identifiant_Emetteur>ERDF</Identifiant_Emetteur>"
        f"<Identifiant_Destinataire>{_CONTRACT}</Identifiant_Destinataire>"
        f"<Date_Creation>{created.astimezone(job.territory.zone).isoformat()}</Date_Creation><Identifiant_Contrat>{_CONTRACT}</Identifiant_Contrat>"
        f"<Numero_Abonnement>{_SUBSCRIPTION}</Numero_Abonnement><Pas_Publication>30</Pas_Publication></En_Tete_Flux>\n"
        + "\n".join(blocks)
        + "\n</R50>\n"
    )


# R171: registers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reading:
    """One meter read once: when, and the value of each register by (quantity, class)."""

    prm: str
    epoch: int
    local: str
    ambiguous: bool
    values: dict[tuple[str, str], int]
    energy: dict[str, float]  # unrounded, by class: the truth


def write_r171(job: Job, curves: Sequence[Curve]) -> None:
    """One archive a morning. The first of several points is not read on the third day; the second file comes again.

    The document tells the clock on the wall without its offset: a reading in the hour that happens twice is of no use.
    """
    rows: list[tuple[object, ...]] = []
    readings = [_readings(job, number, curve) for number, curve in enumerate(curves)]
    for day, when in enumerate(job.dates()):
        silent = readings[0][day] if day == _RECTIFIED and len(readings) > 1 else None
        sent = [of_meter[day] for of_meter in readings if of_meter[day] is not silent]
        rows += [
            (r.prm, utc(np.array([r.epoch]))[0], code, f"{r.energy[code]:.3f}", _state(r, silent))
            for r in (of_meter[day] for of_meter in readings)
            for code in CLASSES
        ]
        for again in (0, 1) if day == 1 else (0,):
            _put_r171(job, when, sent, again=again)
    job.truth.table("building_index", INDEX_TRUTH, rows)


def _state(reading: _Reading, silent: _Reading | None) -> str:
    return "missing" if reading is silent else "ambiguous" if reading.ambiguous else "sent"


def _put_r171(job: Job, when: date, readings: Sequence[_Reading], *, again: int) -> None:
    """The file, its ledger and what it is refused for; sent again, all that could be loaded is known."""
    created = _created(job, when, 0, hour=8 if again else 5)
    document, lines = _r171(created, readings)
    refused = [line for line, reading in lines if reading.ambiguous]
    count = len(lines)
    name = _put(
        job, "R171", created, document, read=count, duplicate=again * (count - len(refused)), quarantined=len(refused)
    )
    for line in refused:
        job.truth.refuse(SOURCE, name, line=line, column="dateFin", reason=BAD_DATE)


def _readings(job: Job, number: int, curve: Curve) -> list[_Reading]:
    """A meter read once a night; energies grow for ever, times and powers are those of the month so far."""
    rng = job.rng(SOURCE, "R171", curve.site.native_id)
    axis, prm = curve.axis, curve.site.native_id
    start = {code: float(rng.integers(40_000, 400_000)) * _QUANTUM for code in CLASSES}
    of_class = _class_of(axis, job.start)
    step_h = float(axis.epoch[1] - axis.epoch[0]) / HOUR
    edges = np.append(axis.epoch, axis.epoch[-1] + int(step_h * HOUR))
    grown = {code: np.concatenate([[0.0], np.cumsum(curve.power * step_h * (of_class == code))]) for code in CLASSES}
    after = _READ_AT[number % len(_READ_AT)] + int(rng.integers(60))
    found: list[_Reading] = []
    for when in job.dates():
        epoch = midnight(when, job.territory.zone) + after
        clock = wall(job.start, job.days, np.array([epoch]), job.territory.zone)
        energy = {code: start[code] + float(np.interp(epoch, edges, grown[code])) for code in CLASSES}
        month = (axis.epoch >= midnight(when.replace(day=1), job.territory.zone)) & (axis.epoch < epoch)
        values = _registers(energy, {code: curve.power[month & (of_class == code)] for code in CLASSES}, step_h)
        found.append(_Reading(prm, epoch, iso(clock.local)[0], bool(clock.ambiguous[0]), values, energy))
    return found


def _registers(energy: dict[str, float], power: dict[str, Ints], step_h: float) -> dict[tuple[str, str], int]:
    """What the meter shows, by quantity and class."""
    values: dict[tuple[str, str], int] = {}
    for code in CLASSES:
        highest = float(power[code].max()) / _POWER_FACTOR if len(power[code]) else 0.0
        amounts: dict[str, float] = {
            "DD": 0, "TF": len(power[code]) * step_h * HOUR, "PMA": highest, "ERC": energy[code] * _CAPACITIVE,
            "EA": energy[code], "ERI": energy[code] * _INDUCTIVE, "DQ": 0,
        }  # fmt: skip
        for quantity, amount in amounts.items():
            quantum = 1 if QUANTITIES[quantity] == "s" else _QUANTUM
            values[quantity, code] = int(amount // quantum) * quantum
    return values


def _class_of(axis: Axis, start: date) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    months = np.array([(start + timedelta(days=d)).month for d in range(axis.days)])
    high = np.isin(months, _HIGH_SEASON)[np.clip(axis.day, 0, axis.days - 1)]
    peak = (axis.hour >= 6) & (axis.hour < 22)
    return np.select([peak & high, peak, high], ["HPH", "HPE", "HCH"], "HCE")


def _r171(created: datetime, readings: Sequence[_Reading]) -> tuple[str, list[tuple[int, _Reading]]]:
    """The document, and for each record its line and reading."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
        '<ns2:R171 xmlns:ns2="http://www.enedis.fr/stm/R171">',
        "    <entete>",
        "        <emetteur>Enedis</emetteur>",
        f"        <destinataire>{_CONTRACT}</destinataire>",
        f"        <dateHeureCreation>{created:%Y-%m-%dT%H:%M:%S}</dateHeureCreation>",
        "        <flux>R171</flux>",
        "        <version>1.0</version>",
        "    </entete>",
        "    <serieMesuresDateesListe>",
    ]
    places: list[tuple[int, _Reading]] = []
    for reading in readings:
        for quantity, unit in QUANTITIES.items():
            for code, label in CLASSES.items():
                series = _series(reading, quantity, unit, code, label)
                measure = next(n for n, line in enumerate(series) if "<mesureDatee>" in line)
                places.append((len(lines) + measure + 1, reading))
                lines += series
    lines += ["    </serieMesuresDateesListe>", "</ns2:R171>"]
    return "\n".join(lines) + "\n", places


def _series(reading: _Reading, quantity: str, unit: str, code: str, label: str) -> list[str]:
    indent = " " * 8
    inside = [
        f"<prmId>{reading.prm}</prmId>",
        "<type>INDEX</type>",
        "<grandeurMetier>CONS</grandeurMetier>",
        f"<grandeurPhysique>{quantity}</grandeurPhysique>",
        "<typeCalendrier>D</typeCalendrier>",
        f"<codeClasseTemporelle>{code}</codeClasseTemporelle>",
        f"<libelleClasseTemporelle>{label}</libelleClasseTemporelle>",
        f"<unite>{unit}</unite>",
        "<mesuresDateesListe>",
        "    <mesureDatee>",
        f"        <dateFin>{reading.local}</dateFin>",
        f"        <valeur>{reading.values[quantity, code]}</valeur>",
        "    </mesureDatee>",
        "</mesuresDateesListe>",
    ]
    return [
        f"{indent}<serieMesuresDatees>",
        *(f"{indent}    {line}" for line in inside),
        f"{indent}</serieMesuresDatees>",
    ]


# both ----------------------------------------------------------------------------------------------------------------


def _created(job: Job, when: date, nights: int, *, hour: int = 3) -> datetime:
    """When the operator wrote the file: some nights after the day it tells of; its name, so two are never the same."""
    return datetime.fromtimestamp(midnight(when + timedelta(days=nights), job.territory.zone) + hour * HOUR + 41, UTC)


def _put(
    job: Job, flow: str, created: datetime, document: str, *, read: int, duplicate: int = 0, quarantined: int = 0
) -> str:
    """Write the archive of one document, tell the ledger, and give the member's ledger name."""
    stem = f"ENEDIS_{flow}_17X100A100A0581N_{_SUBSCRIPTION}_00001_00001_{created:%Y%m%d%H%M%S}"
    write_zip(job.folder(SOURCE) / f"{stem}.zip", f"{stem}.xml", document.encode("utf-8"))
    name = f"{stem}.zip!{stem}.xml"
    job.truth.file(SOURCE, name, read=read, duplicate=duplicate, quarantined=quarantined)
    return name
