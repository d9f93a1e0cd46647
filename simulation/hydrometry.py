"""Heights and discharges of the Loire at Nevers, as the national API answers: pages of JSON, twice a day.

Belongs here: the river's rise and fall, the pages, observations that are corrected later. Does not: any forecast.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets
from simulation.clock import HOUR, Axis, Flags, Floats, Ints, iso, utc

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "hydrometry"
STATION, _SITE, _LABEL = "K193001010", "K1930010", "La Loire à Nevers"
_LONGITUDE, _LATITUDE, _TOWN = 3.165332168, 46.982812367, "Nevers"
TRUTH = ("station_id", "observed_time", "height_mm", "discharge_l_s")
_BASE = "https://hubeau.eaufrance.fr/api/v2/hydrometrie/observations_tr"
_STEP_MINUTES = 15
_EVERY_HOURS, _OVERLAP_HOURS = 12, 2  # asked twice a day, with what may have been corrected since
_PAGE = 60
_LOW_MM, _CREST_MM = -420.0, 2650.0  # the gauge's zero stands above the bed at low water
_RISE_DAYS, _FALL_DAYS = 1.5, 4.0
_RAW, _GOOD = 16, 20  # codes of qualification: not qualified, good
_METHODS = {"H": (0, "Mesure"), "Q": (12, "Interpolation")}
_GAUGED = "HQ"
_CORRECTION_MM = 6

_State = tuple[int | None, int]  # value and qualification


@dataclass(frozen=True)
class _River:
    """The river on its axis: what is true, and what the gauge said at first."""

    axis: Axis
    height: Ints
    first: Ints
    silent: Flags
    blank: int  # position of the observation that comes without its value


def write(job: Job) -> None:
    """The answers to every request of the period, page by page; a request goes back a little before the last one."""
    river = _river(job)
    end = int(river.axis.epoch[-1]) + _STEP_MINUTES * 60
    known: dict[tuple[str, int], _State] = {}
    asked = int(river.axis.epoch[0]) + _EVERY_HOURS * HOUR
    while asked <= end:
        _write_answer(job, river, asked, known)
        asked += _EVERY_HOURS * HOUR
    rows = zip(utc(river.axis.epoch), river.height.tolist(), _discharge(river.height).tolist(), strict=True)
    job.truth.table("river_level", TRUTH, [(STATION, *row) for row in rows])


def things(job: Job) -> list[Asset]:
    """The gauging station."""
    home = assets.commune(job, _TOWN)
    since = job.start.replace(year=1984, day=1)
    return [
        assets.Asset(SOURCE, STATION, _LABEL, "station_hydrometrique", home, round(_LONGITUDE, 6), round(_LATITUDE, 6),
                     since, "hauteur et débit")
    ]  # fmt: skip


def _river(job: Job) -> _River:
    """Low water, then one flood; a few heights are corrected by some millimetres in the next answer."""
    axis = job.axis(_STEP_MINUTES)
    rng = job.rng(SOURCE)
    days = (axis.epoch - axis.epoch[0]) / 86_400
    crest = job.days * 0.6
    rise, fall = np.exp((days - crest) / _RISE_DAYS), np.exp((crest - days) / _FALL_DAYS)
    flood = np.where(days < crest, rise, fall)
    slow: Floats = 120 * np.sin(2 * np.pi * days / 17)
    height = (_LOW_MM + slow + (_CREST_MM - _LOW_MM) * flood + rng.normal(0, 2, len(days))).round().astype(np.int64)
    wrong = rng.random(len(days)) < 0.01
    first = height + np.where(wrong, _CORRECTION_MM, 0)
    begin, length = int(rng.integers(len(days) // 2)), int(rng.integers(3, 9))
    silent = np.zeros(len(days), dtype=np.bool_)
    silent[begin : begin + length] = True
    return _River(axis, height, first, silent, begin + length)


def _discharge(height: Ints) -> Ints:
    """Rating curve, l/s: 60 m3/s at low water, 1 600 m3/s at the crest."""
    stage = (height - _LOW_MM + 400) / 1000
    return (60_000 * (stage.clip(0.05) / 0.4) ** 1.55).round().astype(np.int64)


def _write_answer(job: Job, river: _River, asked: int, known: dict[tuple[str, int], _State]) -> None:
    """`known` is what earlier answers said: value and qualification; the same again is a duplicate."""
    epoch = river.axis.epoch
    since = asked - (_EVERY_HOURS + _OVERLAP_HOURS) * HOUR
    chosen = np.flatnonzero((epoch >= since) & (epoch < asked) & ~river.silent)
    records: list[tuple[dict[str, object], bool]] = []
    for quantity in _GAUGED:
        for n in chosen.tolist():
            old = int(epoch[n]) < asked - _EVERY_HOURS * HOUR
            height = river.height[n : n + 1] if old else river.first[n : n + 1]
            value = int(height[0] if quantity == "H" else _discharge(height)[0])
            state = (None if n == river.blank else value, _GOOD if old and quantity == "H" else _RAW)
            records.append((_record(river, quantity, n, state, (since, asked)), known.get((quantity, n)) == state))
            known[quantity, n] = state
    pages = [records[begin : begin + _PAGE] for begin in range(0, len(records), _PAGE)]
    stamp = iso(np.array([asked]))[0].replace("-", "").replace(":", "")
    for number, page in enumerate(pages, start=1):
        _write_page(job, f"{SOURCE}_{stamp}Z_p{number:04d}.json", page, len(records), number, last=len(pages))


def _record(river: _River, quantity: str, n: int, state: _State, span: tuple[int, int]) -> dict[str, object]:
    method, label = _METHODS[quantity]
    first, last, observed = utc(np.array([*span, int(river.axis.epoch[n])]))
    return {
        "code_site": _SITE,
        "code_station": STATION,
        "grandeur_hydro": quantity,
        "date_debut_serie": first,
        "date_fin_serie": last,
        "statut_serie": 4,
        "code_systeme_alti_serie": 31,
        "date_obs": observed,
        "resultat_obs": None if state[0] is None else float(state[0]),
        "code_methode_obs": method,
        "libelle_methode_obs": label,
        "code_qualification_obs": state[1],
        "libelle_qualification_obs": "Bonne" if state[1] == _GOOD else "Non qualifiée",
        "continuite_obs_hydro": True,
        "longitude": _LONGITUDE,
        "latitude": _LATITUDE,
    }


def _write_page(
    job: Job, name: str, page: list[tuple[dict[str, object], bool]], count: int, number: int, *, last: int
) -> None:
    """One page, compact, with the links to its neighbours."""
    link = f"{_BASE}?code_entite={STATION}&size={_PAGE}&page="
    records = [record for record, _ in page]
    document = {
        "count": count,
        "first": f"{link}1",
        "prev": f"{link}{number - 1}" if number > 1 else None,
        "next": f"{link}{number + 1}" if number < last else None,
        "api_version": "2.0.1",
        "data": records,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    (job.folder(SOURCE) / name).write_bytes(text.encode("utf-8"))
    job.truth.file(SOURCE, name, read=len(page), duplicate=sum(again for _, again in page))
