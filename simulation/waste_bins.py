"""Fill levels of the drop-off containers, as the supplier's interface gives them once a day.

Belongs here: how containers fill and are emptied, what an ultrasonic sensor gets wrong, documents that overlap.
Does not: when a round should pass.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import DAY, HOUR, Flags, Floats, Ints, is_holiday, midnight, utc
from simulation.roadside import numbered, stand
from simulation.truth import BAD_DATE, BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "waste_bins"
TRUTH = ("bin_id", "emptied_time", "fill_before_pct", "fill_after_pct")
_BINS = 100
_EVERY_S, _WINDOW_S = 6 * HOUR, 30 * HOUR  # the second as the contract's connector asks
_POLL_S = 3 * HOUR  # after midnight
_ROUND_S, _WORTH_PCT = 8 * HOUR, 62  # rounds begin at eight and leave what is not worth a stop
_MISSED = 0.2  # of the stops are put off to the next day
# Stream, litres, usual filling in % a day.
_STREAMS = (("VERRE", 4000, 7.0), ("EMBALLAGES", 5000, 15.0), ("PAPIER", 5000, 9.0), ("OMR", 3000, 19.0))
_LABELS = {"VERRE": "verre", "EMBALLAGES": "emballages", "PAPIER": "papier", "OMR": "ordures ménagères"}
_PLACES = ("Place du Marché", "Rue des Écoles", "Parking du Stade", "Salle des fêtes", "Route de la Gare", "Cimetière")
_TOWN_STEP = 5
_NOISE_PCT = 1.2
_LOST, _UNSURE = 0.01, 0.02
_BAD_TIME, _BAD_LEVEL = 1, 2  # kinds of measures that cannot be read


@dataclass(frozen=True)
class _Bin:
    """One container's measures."""

    asset: Asset
    stream: int
    time: Ints
    level: Floats  # nan where the echo was lost
    status: list[str]
    temperature: Floats
    battery: Floats
    sent: Flags
    bad: Ints


def things(job: Job) -> list[Asset]:
    """The containers."""
    found: list[Asset] = []
    communes = job.territory.communes
    for index in range(job.count(_BINS)):
        # Two in five stand in the largest commune.
        largest = max(communes, key=lambda c: c.population)
        town = largest if index % 5 < 2 else communes[index * _TOWN_STEP % len(communes)]
        place = stand(job, job.rng("assets", SOURCE, index), town.name)
        stream = _STREAMS[index % len(_STREAMS)][0]
        name = numbered(f"{_PLACES[index % len(_PLACES)]} {place[0].name}", index, len(_PLACES) * len(communes))
        title = f"{name} ({_LABELS[stream]})"
        found.append(Asset(SOURCE, f"PAV-{index + 1:04d}", title, "conteneur", *place, _LABELS[stream]))
    return found


def write(job: Job) -> None:
    """One document a day: every container with the measures of its last thirty hours."""
    emptied: list[tuple[object, ...]] = []
    bins: list[_Bin] = []
    for number, asset in enumerate(things(job)):
        made, rounds = _bin(job, number, asset)
        bins.append(made)
        emptied += rounds
    known: set[tuple[int, int]] = set()
    for day in range(job.days):
        poll = midnight(job.start + timedelta(days=day + 1), job.territory.zone) + _POLL_S
        _write_document(job, bins, poll, known)
    job.truth.table("waste_bin_emptyings", TRUTH, emptied)


def _write_document(job: Job, bins: list[_Bin], poll: int, known: set[tuple[int, int]]) -> None:
    stamp = utc(np.array([poll], dtype=np.int64))[0]
    name = f"{SOURCE}_{stamp.translate({45: None, 58: None})}_p0001.json"
    read = again = refused = 0
    containers = []
    for number, one in enumerate(bins):
        measures = []
        for n in np.flatnonzero((one.time > poll - _WINDOW_S) & (one.time <= poll) & one.sent).tolist():
            measures.append(_measure(one, n))
            read += 1
            if one.bad[n]:
                refused += 1
                column, reason = ("at", BAD_DATE) if one.bad[n] == _BAD_TIME else ("fillLevel", BAD_NUMBER)
                job.truth.refuse(SOURCE, name, line=number + 1, column=column, reason=reason)  # of the container
            else:
                again += (number, n) in known
                known.add((number, n))
        containers.append(_container(one, measures))
    document = {"generatedAt": stamp, "count": len(containers), "containers": containers}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (job.folder(SOURCE) / name).write_text(text + "\n", encoding="utf-8", newline="")
    job.truth.file(SOURCE, name, read=read, duplicate=again, quarantined=refused)


def _container(one: _Bin, measures: list[dict[str, object]]) -> dict[str, object]:
    stream, litres, _ = _STREAMS[one.stream]
    asset = one.asset
    return {
        "id": asset.native_id, "name": asset.name, "stream": stream, "capacityLitres": litres,
        "location": {"lat": asset.latitude, "lon": asset.longitude, "cityCode": asset.commune.insee},
        "measurements": measures,
    }  # fmt: skip


def _measure(one: _Bin, n: int) -> dict[str, object]:
    """A measure; what the sensor does not know is left out."""
    at = utc(one.time[n : n + 1])[0]
    measure: dict[str, object] = {"at": at[:-1] if one.bad[n] == _BAD_TIME else at}
    if one.bad[n] == _BAD_LEVEL:
        measure["fillLevel"] = "ERR"
    elif one.level[n] == one.level[n]:
        measure["fillLevel"] = int(one.level[n])
    return measure | {
        "status": one.status[n],
        "temperature": float(one.temperature[n]),
        "battery": float(one.battery[n]),
    }


def _bin(job: Job, number: int, asset: Asset) -> tuple[_Bin, list[tuple[object, ...]]]:
    """Fills steadily, more in some places; the second sensor sticks, the last is silent for two days."""
    rng = job.rng(SOURCE, "bin", number)
    start, end = (midnight(job.start + timedelta(days=n), job.territory.zone) for n in (0, job.days))
    stream = number % len(_STREAMS)
    rate = _STREAMS[stream][2] * float(rng.lognormal(0, 0.35)) / DAY
    rounds, since, first = _rounds(job, rng, rate)
    time = np.arange(start + int(rng.integers(_EVERY_S)), end, _EVERY_S, dtype=np.int64)
    time = time + rng.integers(0, 90, len(time))
    fresh, left = np.array([start, *since]), np.array([first, *(after for _, _, after in rounds)])
    last = np.searchsorted(fresh, time, side="right") - 1
    filled = left[last] + rate * (time - fresh[last])
    level = np.clip(np.round(filled + rng.normal(0, _NOISE_PCT, len(time))), 0, 100)
    draw = rng.random(len(time))
    status = np.where(draw < _LOST, "error", np.where(draw < _LOST + _UNSURE, "unsure", "ok"))
    level = np.where(status == "error", np.nan, np.where(status == "unsure", np.clip(level + 35, 0, 100), level))
    sent = np.ones(len(time), dtype=np.bool_)
    bad = np.zeros(len(time), dtype=np.int64)
    if number == 1:
        third = slice(len(time) // 3, len(time) // 3 + 20)
        level[third] = level[third.start]
    if number == job.count(_BINS) - 1:
        sent[len(time) // 2 : len(time) // 2 + 8] = False
    if number == 0:
        bad[[len(time) // 5, len(time) // 2]] = _BAD_TIME, _BAD_LEVEL
    warm = 12 + 5 * np.sin(2 * np.pi * (time % DAY / DAY - 0.35)) + rng.normal(0, 0.6, len(time))
    battery = 3.61 - 0.0002 * np.arange(len(time)) + rng.normal(0, 0.004, len(time))
    made = _Bin(
        asset, stream, time, level, [str(s) for s in status.tolist()], warm.round(1), battery.round(2), sent, bad
    )
    truth: list[tuple[object, ...]] = [
        (asset.native_id, utc(np.array([when], dtype=np.int64))[0], f"{before:.1f}", f"{after:.1f}")
        for when, before, after in rounds
    ]
    return made, truth


def _rounds(job: Job, rng: np.random.Generator, rate: float) -> tuple[list[tuple[int, float, float]], list[int], float]:
    """Emptyings of one container (instant, filling before and after), and how full it was at the start."""
    first = float(rng.uniform(0, 55))
    level, since = first, midnight(job.start, job.territory.zone)
    found: list[tuple[int, float, float]] = []
    for number, day in enumerate(job.dates()):
        missed, minutes, left = float(rng.random()), int(rng.integers(240)), float(rng.uniform(0, 4))
        if day.weekday() >= 5 or is_holiday(day) or missed < _MISSED:
            continue
        stop = midnight(job.start + timedelta(days=number + 1), job.territory.zone) - DAY + _ROUND_S + 60 * minutes
        before = min(100.0, level + rate * (stop - since))
        if before >= _WORTH_PCT:
            found.append((stop, before, left))
            level, since = left, stop
    return found, [when for when, _, _ in found], first
