"""Street lighting as its supplier's database tells it: extracts of four tables, and a surveyor's map of the lights.

Belongs here: cabinets and light points, when they switch (the sun, the cut of the night, people, faults), the extracts
as the SQL connector lands them. Does not: the connector.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
from astral import Observer
from astral.sun import dawn, dusk

from simulation import assets
from simulation.clock import midnight
from simulation.files import write_gzip
from simulation.territory_files import shapefile
from simulation.truth import BAD_DATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "lighting"
LIGHTS, CABINETS = 1300, 60
TRUTH = ("cabinet_id", "business_date", "burning_h", "is_logged")
FAULT_TRUTH = ("fault_id", "cabinet_id", "light_point_id", "declared_time", "closed_time")
_TOWN = "Nevers"  # whose sky rules all cabinets
_CIVIL_DEG = 6.0
_EXTRACT = time(6, 15)  # UTC, each morning
_FULL_EVERY = 7  # days between works on the lights; a table without watermark lands in full when it changed
_OVERLAP = 5  # rows that the first file after a full extract repeats: the connector looks back a little
_CUTS = (("23:00", "05:30"), ("23:30", "05:00"), ("00:00", "05:00"), ("01:00", "05:00"))
_LAMPS = (("LED", 0.55, (32, 45, 58, 75)), ("SHP", 0.35, (70, 100, 150)), ("IM", 0.1, (70, 150)))
# Kelvins by lamp; since 2019 new lights of streets may not exceed 3000.
_COLOURS: dict[str, tuple[int, ...]] = {"LED": (2200, 2700, 3000, 4000), "SHP": (2000,), "IM": (4200,)}
_KINDS = (("Lanterne", 0.62), ("Luminaire d'ambiance", 0.2), ("Projecteur", 0.07), ("Encastré", 0.05), ("Borne", 0.06))
_STREETS = (
    "Rue de la République", "Avenue de la Loire", "Rue des Écoles", "Place de l'Église", "Rue du Stade",
    "Route de Paris", "Rue Jean Jaurès", "Allée des Tilleuls", "Chemin des Vignes", "Rue du Moulin",
    "Quai des Mariniers", "Rue du Lavoir",
)  # fmt: skip
_FAULTS = (("LAMPE ETEINTE", 0.6), ("ALLUMEE DE JOUR", 0.1), ("MAT ACCIDENTE", 0.08), ("CLIGNOTEMENT", 0.22))
_FAULTS_PER_LIGHT_DAY = 0.0009
_MISPLACED_M = 3.0  # between what the surveyor measured and what the database says


@dataclass(frozen=True)
class Cabinet:
    """A cabinet feeds some twenty lights; with a cut, it is dark in the middle of the night (local clock)."""

    asset: Asset
    cut: tuple[str, str] | None
    offset_s: int  # its cell or clock is a little early or late
    power_kva: float


@dataclass(frozen=True)
class Light:
    """A light point."""

    light_id: str
    cabinet: Cabinet
    lamp: str
    kind: str
    power_w: int
    height_m: float
    street: str
    longitude: float
    latitude: float
    installed: date
    colour_k: int | None  # the database does not tell it of every light


@dataclass(frozen=True)
class Switch:
    """A line of the switching log. `received` is when the supplier's server learned of it."""

    cabinet_id: str
    at: int
    state: str
    cause: str
    received: int


def cabinets(job: Job) -> list[Cabinet]:
    """Cabinets, more of them where more people live; never fewer than four, one for each fault of the log."""
    communes = sorted(job.territory.communes, key=lambda c: c.insee)
    weights = np.array([c.population for c in communes], dtype=np.float64)
    found: list[Cabinet] = []
    for number in range(1, job.count(CABINETS, least=4) + 1):
        rng = job.rng("assets", SOURCE, number)
        home = communes[int(rng.choice(len(communes), p=weights / weights.sum()))]
        longitude, latitude = assets.near(rng, home.longitude, home.latitude)
        since = job.start - timedelta(days=200 + int(rng.integers(9000)))
        asset = assets.Asset(
            SOURCE, f"ARM-{number:04d}", f"Armoire {home.name} {number}", "armoire", home, longitude, latitude, since
        )
        cut = _CUTS[int(rng.integers(len(_CUTS)))] if number % 5 in (0, 2) else None
        found.append(Cabinet(asset, cut, int(rng.integers(-180, 240)), float(rng.choice([6, 9, 12, 18]))))
    return found


def things(job: Job) -> list[Asset]:
    """What the register is told of: cabinets. Lights are in the inventory."""
    return [cabinet.asset for cabinet in cabinets(job)]


def lights(job: Job) -> list[Light]:
    """Light points, along their cabinet's streets."""
    known = cabinets(job)
    found: list[Light] = []
    for number in range(1, job.count(LIGHTS, least=2 * len(known)) + 1):
        rng = job.rng("assets", SOURCE, "light", number)
        cabinet = known[(number - 1) % len(known)]
        lamp, _, powers = _LAMPS[int(rng.choice(len(_LAMPS), p=[share for _, share, _ in _LAMPS]))]
        kind = _KINDS[int(rng.choice(len(_KINDS), p=[share for _, share in _KINDS]))][0]
        longitude = cabinet.asset.longitude + float(rng.normal(0, 0.002))
        latitude = cabinet.asset.latitude + float(rng.normal(0, 0.0014))
        street = _STREETS[(int(rng.integers(3)) + number % len(known)) % len(_STREETS)]
        installed = job.start - timedelta(days=100 + int(rng.integers(9000)))
        power, height = int(rng.choice(powers)), float(rng.choice([4, 6, 8, 10]))
        place = (round(longitude, 6), round(latitude, 6))
        colour = None if number % 25 == 9 else int(rng.choice(_COLOURS[lamp]))
        found.append(Light(f"PL-{number:05d}", cabinet, lamp, kind, power, height, street, *place, installed, colour))
    return found


def write(job: Job) -> None:
    """Extracts of the four tables, then the shapefile."""
    known, points = cabinets(job), lights(job)
    _write_tables(job, known, points)
    _write_switching(job, known)
    _write_faults(job, points)
    _write_inventory(job, points)


# extracts ------------------------------------------------------------------------------------------------------------


def _extract_time(job: Job, day: int) -> int:
    """When the connector asked, on the morning after a day; UTC."""
    when = job.start + timedelta(days=day + 1)
    return int(datetime.combine(when, _EXTRACT, UTC).timestamp())


def _iso(epoch: int) -> str:
    """An instant as the connector writes it."""
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def _land(job: Job, table: str, asked: int, rows: Sequence[Mapping[str, object]]) -> str:
    """Write one file of JSON lines and give its name."""
    name = f"{table}_{datetime.fromtimestamp(asked, UTC):%Y%m%dT%H%M%SZ}.jsonl.gz"
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    write_gzip(job.folder(SOURCE) / name, text.encode("utf-8"))
    return name


def _write_tables(job: Job, known: Sequence[Cabinet], points: Sequence[Light]) -> None:
    """Cabinets and lights in full, whenever they changed: cabinets never do, lights once a week."""
    name = _land(job, "cabinet", _extract_time(job, 0), [_cabinet_row(cabinet) for cabinet in known])
    job.truth.file(SOURCE, name, read=len(known))
    for day in range(0, job.days, _FULL_EVERY):
        current = _after(points, job, day // _FULL_EVERY)
        name = _land(job, "light_point", _extract_time(job, day), [_light_row(light) for light in current])
        job.truth.file(SOURCE, name, read=len(current))
    final = _after(points, job, (job.days - 1) // _FULL_EVERY)
    columns = ("light_point_id", "cabinet_id", "lamp_type", "power_w", "insee_code")
    job.truth.table(
        "lighting_light_points", columns,
        [(x.light_id, x.cabinet.asset.native_id, x.lamp, x.power_w, x.cabinet.asset.commune.insee) for x in final],
    )  # fmt: skip


def _after(points: Sequence[Light], job: Job, weeks: int) -> list[Light]:
    """The park after some weeks of works: each brings 12 LED lamps; the first takes a light away and adds another."""
    changed = list(points)
    old = [n for n, light in enumerate(points) if light.lamp != "LED"]
    for n in old[: 12 * weeks]:
        changed[n] = replace(points[n], lamp="LED", power_w=45, colour_k=2700)
    if weeks:
        gone = changed.pop()
        when = job.start + timedelta(days=_FULL_EVERY - 2)
        number = len(points) + 1
        changed.append(
            replace(gone, light_id=f"PL-{number:05d}", lamp="LED", power_w=32, installed=when, colour_k=2200)
        )
    return changed


def _cabinet_row(cabinet: Cabinet) -> dict[str, object]:
    asset = cabinet.asset
    return {
        "cabinet_id": asset.native_id, "label": asset.name, "insee": asset.commune.insee,
        "longitude": asset.longitude, "latitude": asset.latitude,
        "control_mode": "COUPURE" if cabinet.cut else "ASTRO",
        "cut_from": cabinet.cut[0] if cabinet.cut else None, "cut_to": cabinet.cut[1] if cabinet.cut else None,
        "subscribed_kva": cabinet.power_kva, "installed_on": asset.in_service.isoformat(),
    }  # fmt: skip


def _light_row(light: Light) -> dict[str, object]:
    return {
        "light_point_id": light.light_id, "cabinet_id": light.cabinet.asset.native_id, "lamp_type": light.lamp,
        "luminaire": light.kind, "power_w": light.power_w, "height_m": light.height_m, "street": light.street,
        "colour_k": light.colour_k,
        "insee": light.cabinet.asset.commune.insee, "longitude": light.longitude, "latitude": light.latitude,
        "installed_on": light.installed.isoformat(),
    }  # fmt: skip


# switching -----------------------------------------------------------------------------------------------------------


def _write_switching(job: Job, known: Sequence[Cabinet]) -> None:
    """The log by watermark: a number that grows in the order in which the server learned of things.

    One line of the third night tells 1970 (a clock that lost its date), and is refused; the connector looks back a few
    rows once, and they come twice.
    """
    log: list[Switch] = []
    rows: list[tuple[object, ...]] = []
    for number, cabinet in enumerate(known):
        real = _real(job, cabinet)
        told, silent = _told(job, number, len(known), real)
        log += told
        rows += _burning(job, cabinet, real, silent)
    log.sort(key=lambda s: (s.received, s.at, s.cabinet_id, s.state))
    lines = [
        {
            "switching_id": 880_000 + number, "cabinet_id": s.cabinet_id, "switched_at": _iso(s.at), "state": s.state,
            "cause": s.cause, "received_at": _iso(s.received),
        }
        for number, s in enumerate(log, start=1)
    ]  # fmt: skip
    done = 0
    for day in range(job.days):
        asked = _extract_time(job, day)
        upto = sum(s.received <= asked for s in log)
        begin = max(0, done - _OVERLAP) if day == 1 else done
        asked_rows = lines[begin:upto]
        if asked_rows:
            name = _land(job, "switching", asked, asked_rows)
            refused = [n for n, row in enumerate(asked_rows, start=1) if str(row["switched_at"]).startswith("1970")]
            job.truth.file(SOURCE, name, read=len(asked_rows), duplicate=done - begin, quarantined=len(refused))
            for line in refused:
                job.truth.refuse(SOURCE, name, line=line, column="switched_at", reason=BAD_DATE)
        done = upto
    job.truth.table("lighting_burning", TRUTH, rows)


def _real(job: Job, cabinet: Cabinet) -> list[Switch]:
    """What the cabinet really did, from the night before the period to its last midnight."""
    rng = job.rng(SOURCE, "switching", cabinet.asset.native_id)
    town = assets.commune(job, _TOWN)
    observer = Observer(latitude=town.latitude, longitude=town.longitude)
    found: list[Switch] = []
    for day in range(-1, job.days):
        evening, morning = job.start + timedelta(days=day), job.start + timedelta(days=day + 1)
        jitter = rng.integers(-20, 21, size=4)
        on = int(dusk(observer, evening, depression=_CIVIL_DEG).timestamp()) + cabinet.offset_s + int(jitter[0])
        off = int(dawn(observer, morning, depression=_CIVIL_DEG).timestamp()) - cabinet.offset_s + int(jitter[1])
        found.append(_switch(cabinet, on, "ON", "ASTRO"))
        if cabinet.cut:
            late = cabinet.cut[0] < "12:00"  # a cut after midnight is on the morning's date
            cut = _local(job, morning if late else evening, cabinet.cut[0]) + int(jitter[2]) % 3
            back = _local(job, morning, cabinet.cut[1]) + int(jitter[3]) % 3
            found += [_switch(cabinet, cut, "OFF", "COUPURE"), _switch(cabinet, back, "ON", "COUPURE")]
        found.append(_switch(cabinet, off, "OFF", "ASTRO"))
    end = midnight(job.start + timedelta(days=job.days), job.territory.zone)
    return [s for s in found if s.at < end]


def _switch(cabinet: Cabinet, at: int, state: str, cause: str) -> Switch:
    return Switch(cabinet.asset.native_id, at, state, cause, at + 40)


def _local(job: Job, day: date, clock: str) -> int:
    moment = datetime.combine(day, time.fromisoformat(clock), job.territory.zone)
    return int(moment.timestamp())


def _told(job: Job, number: int, count: int, real: list[Switch]) -> tuple[list[Switch], set[int]]:
    """What the log says of it, and the business days on which it is not the truth.

    The first cabinet loses an `OFF`. The second is lit by hand for two hours of daylight, which `real` gains. The third
    cannot reach the server for two nights: its lines come late. The last tells every third line twice, and once tells
    1970 beside the true line.
    """
    middle = job.start + timedelta(days=job.days // 2)
    if number == 1:
        by_hand = _local(job, middle, "10:00")
        real += [
            replace(real[0], at=by_hand + 73, state="ON", cause="FORCAGE", received=by_hand + 113),
            replace(real[0], at=by_hand + 7213, state="OFF", cause="FORCAGE", received=by_hand + 7253),
        ]
        real.sort(key=lambda s: s.at)
    told = list(real)
    silent: set[int] = set()
    if number == 0:
        morning = midnight(middle, job.territory.zone)
        lost = next(s for s in real if s.at > morning and s.state == "OFF" and s.cause == "ASTRO")
        told.remove(lost)
        silent = {job.days // 2 - 1, job.days // 2}
    if number == 2:
        dark, light = _local(job, middle, "12:00") - 2 * 86_400, _local(job, middle, "12:00")
        told = [replace(s, received=light + n) if dark <= s.at < light else s for n, s in enumerate(told)]
    if number == count - 1:
        again = [replace(s, received=s.received + 15, at=s.at + (n % 2)) for n, s in enumerate(told) if n % 3 == 1]
        astray = replace(told[-1], at=60)
        told = [*told, *again, astray]
    return told, silent


def _burning(job: Job, cabinet: Cabinet, real: list[Switch], silent: set[int]) -> list[tuple[object, ...]]:
    """Hours lit of each business day; what is lit at the end of the period is counted up to it."""
    bounds = [midnight(job.start + timedelta(days=d), job.territory.zone) for d in range(job.days + 1)]
    lit = np.zeros(job.days, dtype=np.int64)
    ends = [*(s.at for s in real[1:]), bounds[-1]]
    for s, end in zip(real, ends, strict=True):
        if s.state == "ON":
            for day in range(job.days):
                lit[day] += max(0, min(end, bounds[day + 1]) - max(s.at, bounds[day]))
    return [
        (cabinet.asset.native_id, when.isoformat(), f"{lit[day] / 3600:.4f}", int(day not in silent))
        for day, when in enumerate(job.dates())
    ]


# faults --------------------------------------------------------------------------------------------------------------


def _write_faults(job: Job, points: Sequence[Light]) -> None:
    """Faults by watermark on their last change: a fault comes again each time that it moves on."""
    rng = job.rng(SOURCE, "faults")
    rows: list[tuple[object, ...]] = []
    states: list[tuple[int, dict[str, object]]] = []
    begin, end = _extract_time(job, -1), _extract_time(job, job.days - 1)
    for number in range(max(2, int(rng.poisson(len(points) * _FAULTS_PER_LIGHT_DAY * job.days)))):
        light = points[int(rng.integers(len(points)))]
        declared = begin + 60 + int(rng.integers(max(1, end - begin - 3600)))
        taken, closed = declared + int(rng.gamma(2, 30_000)), declared + 3600 + int(rng.gamma(2, 150_000))
        cabinet_wide = number % 12 == 5
        fault = {
            "fault_id": 41_000 + number, "cabinet_id": light.cabinet.asset.native_id,
            "light_point_id": None if cabinet_wide else light.light_id,
            "kind": "DEPART EN DEFAUT" if cabinet_wide else _FAULTS[int(rng.choice(4, p=[p for _, p in _FAULTS]))][0],
            "declared_at": _iso(declared),
        }  # fmt: skip
        steps = [
            (declared, "OUVERT", None),
            (min(taken, closed - 60), "EN COURS", None),
            (closed, "CLOS", _iso(closed)),
        ]
        told = [step for step in steps if step[0] <= end]
        states += [(at, fault | {"status": s, "closed_at": c, "updated_at": _iso(at)}) for at, s, c in told]
        shown = told[-1][2] or ""
        rows.append((fault["fault_id"], fault["cabinet_id"], fault["light_point_id"] or "", _iso(declared), shown))
    states.sort(key=lambda state: (state[0], str(state[1]["fault_id"])))
    for day in range(job.days):
        since, upto = _extract_time(job, day - 1), _extract_time(job, day)
        # asked once a day, the database tells the last state alone
        changed = {row["fault_id"]: row for at, row in states if since < at <= upto}
        if changed:
            name = _land(job, "fault", upto, list(changed.values()))
            job.truth.file(SOURCE, name, read=len(changed))
    job.truth.table("lighting_faults", FAULT_TRUTH, rows)


# inventory -----------------------------------------------------------------------------------------------------------


def _write_inventory(job: Job, points: Sequence[Light]) -> None:
    """The surveyor's shapefile: one light in forty is not in the supplier's database and has no number."""
    rng = job.rng(SOURCE, "inventory")
    count = len(points)
    unknown = np.arange(count) % 40 == 17
    shift = rng.normal(0, _MISPLACED_M, (2, count))
    latitude = np.array([light.latitude for light in points]) + shift[0] / 111_320
    longitude = np.array([light.longitude for light in points]) + shift[1] / 76_000
    columns = {
        "num_pl": ["" if none else light.light_id for light, none in zip(points, unknown.tolist(), strict=True)],
        "type_lante": [light.kind for light in points],
        "hauteur": [f"{light.height_m:.1f}" for light in points],
        "insee": [light.cabinet.asset.commune.insee for light in points],
    }
    name = f"inventaire_eclairage_{job.start:%Y%m%d}.zip"
    shapefile(
        job.folder(SOURCE) / name,
        f"inventaire_eclairage_{job.start:%Y%m%d}",
        {key: np.array(values, dtype=object) for key, values in columns.items()},
        longitude,
        latitude,
        saved=job.start,
    )
    job.truth.file(SOURCE, name, read=count)
    job.truth.table("lighting_inventory", ("lights", "unknown"), [(count, int(unknown.sum()))])
