"""Probes in the ground of parks and squares, every hour, one file a week.

Belongs here: how soil dries, is watered and drains, and what batteries and loose probes do to it.
Does not: when to water.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.assets import Asset
from simulation.clock import DAY, Axis, Flags, Floats
from simulation.roadside import Export, decimals, numbered, silences, stand, wander, zoned
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "soil_moisture"
HEADER = "sonde;horodatage;humidite_10cm;humidite_30cm;humidite_60cm;temperature_sol;tension_pile"
TRUTH = ("probe_id", "readings", "mean_10cm_pct", "mean_30cm_pct", "mean_60cm_pct")
_WEEK = 7
_CATALOGUE = (
    ("Parc Roger-Salengro", "Nevers"), ("Square de la Résistance", "Nevers"), ("Jardin du Palais ducal", "Nevers"),
    ("Promenade des Remparts", "Nevers"), ("Stade des Senets", "Nevers"), ("Parc des Loges", "Varennes-Vauzelles"),
    ("Parc thermal", "Pougues-les-Eaux"), ("Square Bessemer", "Fourchambault"), ("Bords de Loire", "Nevers"),
    ("Jardin de la Mairie", "Coulanges-lès-Nevers"),
)  # fmt: skip
# Depth in cm, volumetric water content when drained, what a watering adds, how long the soil remembers it (hours).
_LAYERS = ((10, 17.0, 11.0, 60.0), (30, 22.0, 5.0, 150.0), (60, 26.0, 1.8, 400.0))
_BAD = 2


@dataclass(frozen=True)
class _Probe:
    """One probe over the period."""

    asset: Asset
    layers: list[Floats]
    temperature: Floats
    battery: Floats
    sent: Flags


def things(job: Job) -> list[Asset]:
    """The probes."""
    found: list[Asset] = []
    for index in range(job.count(len(_CATALOGUE))):
        name, town = _CATALOGUE[index % len(_CATALOGUE)]
        place = stand(job, job.rng("assets", SOURCE, index), town)
        found.append(Asset(SOURCE, f"SOL-{index + 1:02d}", numbered(name, index, len(_CATALOGUE)), "sonde_sol", *place))
    return found


def write(job: Job) -> None:
    """One file per seven days, named by its last day; each begins with the last day of the one before."""
    axis = job.axis(60)
    probes = [_probe(job, axis, number, asset) for number, asset in enumerate(things(job))]
    stamps = zoned(axis.epoch, axis.local)
    lines = [_lines(probe, stamps) for probe in probes]
    rng = job.rng(SOURCE, "faults")
    # Never on a day that comes twice: it would be refused twice.
    plain = np.flatnonzero(probes[0].sent & (axis.day % _WEEK != _WEEK - 1))
    bad = set(rng.choice(plain, _BAD, replace=False).tolist())
    for first in range(0, job.days, _WEEK):
        last = min(first + _WEEK, job.days) - 1
        export = Export(job, SOURCE, f"sondes_sol_{job.start + timedelta(days=last):%Y%m%d}.csv", [HEADER])
        for number, (probe, mine) in enumerate(zip(probes, lines, strict=True)):
            for step in range(axis.bounds[max(first - 1, 0)][0], axis.bounds[last][1]):
                if number == 0 and step in bad:
                    export.spoil(mine[step].replace(",", ",,"), "humidite_10cm", BAD_NUMBER)
                elif probe.sent[step]:
                    export.add(mine[step], known=bool(axis.day[step] < first))
        export.write()
    job.truth.table("soil_probes", TRUTH, [_mean(probe, bad if n == 0 else set()) for n, probe in enumerate(probes)])


def _lines(probe: _Probe, stamps: list[str]) -> list[str]:
    cells = [
        *(decimals(layer, 1, "-9999") for layer in probe.layers), decimals(probe.temperature, 1, "N/D"),
        decimals(probe.battery, 2),
    ]  # fmt: skip
    return [";".join([probe.asset.native_id, *row]) for row in zip(stamps, *cells, strict=True)]


def _probe(job: Job, axis: Axis, number: int, asset: Asset) -> _Probe:
    """Watered every few days at six; the third probe's deepest point is loose, the last one's battery gives up."""
    rng = job.rng(SOURCE, "probe", number)
    size = len(axis.epoch)
    watered = ((axis.hour == 6) & (rng.random(size) < 0.35)).astype(np.float64)
    layers = []
    for _, drained, gain, memory in _LAYERS:
        lags = np.exp(-np.arange(min(size, int(5 * memory))) / memory)
        level = drained + gain * np.convolve(watered, lags)[:size] + wander(rng, size, 0.9, 0.15)
        layers.append(np.clip(level, 3, 48).round(1))
    if number % 10 == 2:
        layers[2] = np.where(silences(rng, size, 2, 3, 30), np.nan, layers[2])
    daily = 1.5 * np.sin(2 * np.pi * (axis.epoch % DAY / DAY - 0.4))
    warm = 13 - 0.12 * axis.day + daily + wander(rng, size, 0.98, 0.8)
    sent = ~silences(rng, size, 3, 2, 20) if number == len(things(job)) - 1 else np.ones(size, dtype=np.bool_)
    battery = 3.62 - 0.0001 * np.arange(size) + rng.normal(0, 0.004, size)
    return _Probe(asset, layers, np.asarray(warm.round(1), dtype=np.float64), battery.round(2), sent)


def _mean(probe: _Probe, bad: set[int]) -> tuple[object, ...]:
    told = probe.sent.copy()
    told[sorted(bad)] = False
    return (probe.asset.native_id, int(told.sum()), *(f"{np.nanmean(layer[told]):.4f}" for layer in probe.layers))
