"""Heat meters of the district heating substations, as the M-Bus collector writes them: one CSV a day.

Belongs here: the substations, what their registers show, and what befalls them (roll-over, replacement, silence, a
stuck reading and its late correction). Does not: the buildings behind the substations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import DAY, HOUR, Axis, Flags, Floats, Ints, french, profile
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "heat_network"
HEADER = (
    "Sous-station", "Compteur", "Horodatage", "Energie (kWh)", "Volume (m3)", "T depart (°C)", "T retour (°C)",
    "Statut",
)  # fmt: skip
TRUTH = (
    "substation_id",
    "business_date",
    "energy_kwh",
    "volume_m3",
    "readings_expected",
    "readings_sent",
    "rolled_over",
)
REPLACED = ("substation_id", "old_meter_id", "new_meter_id", "replacement_time", "old_energy_kwh", "old_volume_m3")
ENERGY_MODULO, VOLUME_MODULO = 10_000_000, 1_000_000
_COLLECTOR_OFFSET = HOUR  # the collector's clock keeps winter time all year
_BAD_SHARE = 2e-4
_RESENT_DAY = 4

# Name, use and kilowatt hours on a cold day; another territory gets the same names in its own communes.
_SUBSTATIONS = (
    ("Résidence du Banlay A", "logement", 2600), ("Résidence du Banlay B", "logement", 2300),
    ("Résidence de la Grande Pâture 1", "logement", 3100), ("Résidence de la Grande Pâture 2", "logement", 2900),
    ("Les Courlis tour 1", "logement", 3400), ("Les Courlis tour 2", "logement", 3300),
    ("Les Courlis tour 3", "logement", 3500), ("Les Montôts A", "logement", 2100),
    ("Les Montôts B", "logement", 2200), ("La Baratte", "logement", 1800),
    ("Centre hospitalier nord", "hôpital", 9200), ("Centre hospitalier sud", "hôpital", 8100),
    ("Lycée du Banlay", "enseignement", 3900), ("Lycée des Courlis", "enseignement", 3600),
    ("Collège des Loges", "enseignement", 1900), ("Collège des Courlis", "enseignement", 2000),
    ("Groupe scolaire de la Grande Pâture", "enseignement", 900), ("Groupe scolaire des Montôts", "enseignement", 850),
    ("Centre aquatique", "piscine", 6400), ("Gymnase du Banlay", "gymnase", 700),
    ("Maison de la culture", "administration", 2400), ("Hôtel de l'agglomération", "administration", 1500),
    ("Médiathèque", "administration", 1300), ("Résidence autonomie des Bords de Loire", "logement", 1700),
    ("Foyer des jeunes travailleurs", "logement", 1600),
)  # fmt: skip
# Share of a day's heat, by hour: the morning's reheating, then the evening; schools sleep at night.
_CURVES: dict[str, dict[float, float]] = {
    "enseignement": {0: 0.4, 4: 0.7, 6: 2.2, 9: 1.7, 12: 1.2, 16: 1.0, 18: 0.5, 22: 0.4},
    "administration": {0: 0.4, 4: 0.6, 6: 2.1, 9: 1.7, 13: 1.3, 17: 0.9, 19: 0.5, 22: 0.4},
    "gymnase": {0: 0.4, 6: 1.2, 9: 1.3, 16: 1.4, 20: 1.5, 23: 0.5},
}
_ALL_DAY: dict[float, float] = {0: 0.8, 5: 0.9, 7: 1.4, 10: 1.05, 14: 0.85, 18: 1.25, 21: 1.15, 23: 0.85}
_HOT_WATER = {"logement": 0.28, "hôpital": 0.35, "piscine": 0.6}


@dataclass(frozen=True)
class _Meter:
    """One substation: heat and water of each hour, what the registers show at its end, what of it is written."""

    site: Asset
    serials: list[str]  # of the meter in place, by reading
    energy: Ints  # kWh in each hour
    volume: Ints  # hundredths of a cubic metre in each hour
    lines: list[str]  # by reading, as they should be
    wrong: dict[int, str]  # readings first sent otherwise, put right by the correction file
    sent: Flags  # readings in the daily files
    late: Flags  # readings in the correction file
    rolled: Ints  # readings at which a register went through zero
    replaced: int  # first reading of a new meter, -1 when there is none


def substations(job: Job) -> list[Asset]:
    """Substations of the network; never fewer than four, one for each of the things that befall them."""
    found: list[Asset] = []
    for index in range(job.count(len(_SUBSTATIONS), least=4)):
        name, usage, _ = _SUBSTATIONS[index % len(_SUBSTATIONS)]
        rng = job.rng("assets", SOURCE, index)
        home = assets.commune(job, "Nevers")
        longitude, latitude = assets.near(rng, home.longitude, home.latitude)
        title = name if index < len(_SUBSTATIONS) else f"{name} n°{index // len(_SUBSTATIONS) + 1}"
        since = job.start - timedelta(days=400 + int(rng.integers(3000)))
        native = f"SST{index + 1:02d}"
        found.append(assets.Asset(SOURCE, native, title, "sous-station", home, longitude, latitude, since, usage))
    return found


def things(job: Job) -> list[Asset]:
    """What the register is told of."""
    return substations(job)


def write(job: Job) -> None:
    """One file per day of the collector's clock, one of them sent again; then the correction file."""
    hours = job.axis(60)
    cold = _cold(job, hours)
    meters = [_meter(job, hours, cold, number, site) for number, site in enumerate(substations(job))]
    # A register is read at the end of an hour: the period's first reading is its opening.
    read_at = np.append(hours.epoch, hours.epoch[-1] + HOUR)
    days = (read_at + _COLLECTOR_OFFSET) // DAY
    for number, day in enumerate(sorted(set(days.tolist()))):
        _write_day(job, meters, np.flatnonzero(days == day), day, number)
    _write_corrections(job, meters, int(days[-1]))
    job.truth.table("heat_daily", TRUTH, _daily(job, hours, meters))
    job.truth.table("heat_replaced_meters", REPLACED, _replacements(meters, read_at))


def _write_day(job: Job, meters: list[_Meter], readings: Ints, day: int, number: int) -> None:
    """One day of all substations, by hour; a cell in error now and then; the fifth file comes twice."""
    rng = job.rng(SOURCE, "day", day)
    lines: list[str] = []
    refused: list[int] = []
    for reading in readings.tolist():
        for meter in meters:
            if not meter.sent[reading]:
                continue
            line = meter.wrong.get(reading, meter.lines[reading])
            # An extra line: the collector's first try, before the one that worked. One at least, in the second file.
            if rng.random() < _BAD_SHARE or (
                number == 1 and reading == readings[min(2, len(readings) - 1)] and meter is meters[0]
            ):
                lines.append(";".join([*line.split(";")[:3], "-----", *line.split(";")[4:]]))
                refused.append(len(lines) + 1)
            lines.append(line)
    when = datetime.fromtimestamp(day * DAY, UTC)
    for name in [f"mbus_{when:%Y%m%d}.csv", *([f"mbus_{when:%Y%m%d}_bis.csv"] if number == _RESENT_DAY else [])]:
        again = name.endswith("_bis.csv")
        _put(job, name, lines)
        job.truth.file(
            SOURCE, name, read=len(lines), duplicate=again * (len(lines) - len(refused)), quarantined=len(refused)
        )
        for line_number in refused:
            job.truth.refuse(SOURCE, name, line=line_number, column=HEADER[3], reason=BAD_NUMBER)


def _write_corrections(job: Job, meters: list[_Meter], day: int) -> None:
    """What was missing or wrong, put right by hand three days after the period."""
    lines = [
        meter.lines[reading]
        for meter in meters
        for reading in sorted({*np.flatnonzero(meter.late).tolist(), *meter.wrong})
    ]
    name = f"mbus_{datetime.fromtimestamp((day + 3) * DAY, UTC):%Y%m%d}_corrections.csv"
    _put(job, name, lines)
    job.truth.file(SOURCE, name, read=len(lines))


def _put(job: Job, name: str, lines: Iterable[str]) -> None:
    text = "\r\n".join([";".join(HEADER), *lines]) + "\r\n"
    (job.folder(SOURCE) / name).write_bytes(text.encode("cp1252"))


def _cold(job: Job, hours: Axis) -> Floats:
    """How much of a cold day's heat each day asks for: autumn comes, days differ."""
    rng = job.rng(SOURCE, "cold")
    trend = np.linspace(0.35, 0.75, hours.days) if hours.days > 1 else np.array([0.5])
    return np.asarray((trend * rng.normal(1.0, 0.09, hours.days)).clip(0.15, 1.0)[hours.day], dtype=np.float64)


def _meter(job: Job, hours: Axis, cold: Floats, number: int, site: Asset) -> _Meter:
    """The first rolls over (energy), the second too (volume), the third is replaced, the fourth falls silent twice.

    The last one's registers stick for half a day, which only the correction file puts right.
    """
    rng = job.rng(SOURCE, "substation", number)
    energy, volume, flow_temperature, return_temperature = _heat(rng, hours, cold, number, site)
    middle = len(energy) // 2
    first_energy, first_volume = int(rng.integers(400_000, 4_000_000)), int(rng.integers(2_000_000, 40_000_000))
    if number == 0:
        first_energy = ENERGY_MODULO - int(energy[:middle].sum()) - 1
    if number == 1:
        first_volume = 100 * VOLUME_MODULO - int(volume[:middle].sum()) - 1
    registers = [np.concatenate([[s], s + np.cumsum(a)]) for s, a in ((first_energy, energy), (first_volume, volume))]
    serial = int(rng.integers(60_000_000, 69_000_000))
    serials = [f"{serial}"] * len(registers[0])
    replaced = -1
    if number == 2:
        # The new registers count from 0 the hour in which the meter was fitted.
        replaced = int(np.argmax((hours.day == hours.days * 3 // 5) & (hours.hour >= 10))) + 1
        registers = [np.where(np.arange(len(r)) >= replaced, r - r[replaced - 1], r) for r in registers]
        serials[replaced:] = [f"{serial + 4_417_009}"] * (len(serials) - replaced)
    moduli = (ENERGY_MODULO, 100 * VOLUME_MODULO)
    rolled = np.unique(
        np.concatenate([np.flatnonzero(np.diff(r // m)) + 1 for r, m in zip(registers, moduli, strict=True)])
    )
    shown = [r % m for r, m in zip(registers, moduli, strict=True)]
    stamps = french(np.append(hours.epoch, hours.epoch[-1] + HOUR) + _COLLECTOR_OFFSET)
    readings = [
        _line(site.native_id, *parts)
        for parts in zip(
            serials, stamps, shown[0].tolist(), shown[1].tolist(), flow_temperature.tolist(),
            return_temperature.tolist(), strict=True,
        )
    ]  # fmt: skip
    sent, late = _silences(hours, number)
    wrong: dict[int, str] = {}
    if number == len(substations(job)) - 1:
        stuck = _stuck(hours)
        for reading in stuck:
            held = (int(shown[0][stuck[0] - 1]), int(shown[1][stuck[0] - 1]))
            wrong[reading] = _line(
                site.native_id, serials[reading], stamps[reading], *held, flow_temperature[reading],
                return_temperature[reading], "DEFAUT",
            )  # fmt: skip
    return _Meter(site, serials, energy, volume, readings, wrong, sent, late, rolled, replaced)


def _heat(
    rng: np.random.Generator, hours: Axis, cold: Floats, number: int, site: Asset
) -> tuple[Ints, Ints, Floats, Floats]:
    """Whole kilowatt hours and hundredths of cubic metres per hour; temperatures at each reading."""
    daily = _SUBSTATIONS[number % len(_SUBSTATIONS)][2] * float(rng.uniform(0.9, 1.1))
    shape = profile(hours.hour, _CURVES.get(site.usage, _ALL_DAY))
    if site.usage in _CURVES:
        shape = shape * np.where(hours.working, 1.0, 0.55)
    hot_water = _HOT_WATER.get(site.usage, 0.05)
    level = daily / 24 * shape * (hot_water + (1 - hot_water) * cold)
    energy = rng.poisson(level).astype(np.int64)
    flow = 72 + 14 * np.append(cold, cold[-1]) + rng.normal(0, 0.7, len(energy) + 1)
    back = flow - 26 - 4 * np.append(cold, cold[-1]) + rng.normal(0, 0.5, len(energy) + 1)
    volume = (energy / (1.163 * (flow - back)[1:]) * 100).round().astype(np.int64)
    return energy, volume, flow, back


def _line(
    substation: str, serial: str, stamp: str, energy: int, volume: int, flow: float, back: float, status: str = "OK"
) -> str:
    cubic_metres = f"{volume // 100},{volume % 100:02d}"
    return f"{substation};{serial};{stamp[:16]};{energy};{cubic_metres};{_comma(flow)};{_comma(back)};{status}"


def _comma(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")


def _silences(hours: Axis, number: int) -> tuple[Flags, Flags]:
    """Readings that are sent, and those that come late: the fourth is silent one morning, and one evening for good."""
    sent = np.ones(len(hours.epoch) + 1, dtype=np.bool_)
    late = np.zeros(len(sent), dtype=np.bool_)
    if number == 3:
        day, hour = np.append(hours.day, -1), np.append(hours.hour, -1.0)
        late = (day == hours.days // 4) & (hour >= 7) & (hour < 12)
        lost = (day == hours.days // 2) & (hour >= 17) & (hour < 23)
        sent = ~(late | lost)
    return sent, late


def _stuck(hours: Axis) -> list[int]:
    """Readings at which the last substation told the same registers again."""
    day = hours.days // 3
    return [int(n) for n in np.flatnonzero((hours.day == day) & (hours.hour >= 6) & (hours.hour < 18))]


def _daily(job: Job, hours: Axis, meters: list[_Meter]) -> list[tuple[object, ...]]:
    """Heat of each business day, from its midnight to the next; readings are those of the instants in it."""
    rows: list[tuple[object, ...]] = []
    for meter in meters:
        energy, volume = hours.daily(meter.energy), hours.daily(meter.volume)
        expected = hours.daily(np.ones(len(meter.energy)))
        told = hours.daily((meter.sent | meter.late)[:-1].astype(np.int64))
        rolled = np.zeros(hours.days, dtype=np.int64)
        np.add.at(rolled, hours.day[meter.rolled - 1], 1)
        rows += [
            (
                meter.site.native_id, when.isoformat(), int(energy[n]), f"{volume[n] / 100:.2f}", int(expected[n]),
                int(told[n]), int(rolled[n]),
            )
            for n, when in enumerate(job.dates())
        ]  # fmt: skip
    return rows


def _replacements(meters: list[_Meter], read_at: Ints) -> list[tuple[object, ...]]:
    """Old and new meter, the first reading of the new one, and what the old one last showed."""
    rows: list[tuple[object, ...]] = []
    for meter in meters:
        if meter.replaced < 0:
            continue
        last = meter.lines[meter.replaced - 1].split(";")
        when = datetime.fromtimestamp(int(read_at[meter.replaced]), UTC)
        rows.append(
            (
                meter.site.native_id, meter.serials[meter.replaced - 1], meter.serials[meter.replaced],
                f"{when:%Y-%m-%dT%H:%M:%SZ}", last[3], last[4].replace(",", "."),
            )
        )  # fmt: skip
    return rows
