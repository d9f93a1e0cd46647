"""The water service's table of its sectors and of the loggers at their borders.

Belongs here: the table's form and its revision. Does not: the sectors themselves (`water_district`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from simulation.files import csv_text
from simulation.water_district import District, Sector, district

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "water_sectors"
HEADER = (
    "secteur", "libelle", "code_insee", "enregistreur", "signe", "lineaire_km", "branchements", "habitants",
    "pression_nuit_m",
)  # fmt: skip
TRUTH = ("sector_id", "label", "insee_code", "length_km", "connections", "inhabitants", "night_pressure_m", "loggers")
_REVISED_DAY = 20
_NEW_CONNECTIONS, _NEW_INHABITANTS = 6, 14


def write(job: Job) -> None:
    """The table as it is at the start; once more when a housing estate has been connected to the first sector."""
    network = district(job)
    known = {sector.sector_id: sector for sector in network.sectors}
    _write_table(job, network, known, 0)
    if job.days > _REVISED_DAY:
        first = network.sectors[0]
        grown = replace(
            first,
            connections=first.connections + _NEW_CONNECTIONS,
            inhabitants=first.inhabitants + _NEW_INHABITANTS,
        )
        known[first.sector_id] = grown
        _write_table(job, network, known, _REVISED_DAY)
    loggers = {s: sum(sector.sector_id == s for sector, *_ in network.signs) for s in known}
    job.truth.table("water_sectors", TRUTH, [(*_described(s), loggers[s.sector_id]) for s in known.values()])


def _described(sector: Sector) -> tuple[object, ...]:
    return (
        sector.sector_id, sector.label, sector.commune.insee, sector.length_km, sector.connections, sector.inhabitants,
        sector.night_pressure_m,
    )  # fmt: skip


def _write_table(job: Job, network: District, known: dict[str, Sector], day: int) -> None:
    rows = []
    for at_border, logger, sign in network.signs:
        code, label, insee, length, connections, inhabitants, pressure = _described(known[at_border.sector_id])
        rows.append((
            code, label, insee, logger.native_id, f"{sign:+d}", _decimal(length), connections, inhabitants,
            _decimal(pressure),
        ))  # fmt: skip
    # A sector still on the drawing board: somebody made its row, no logger stands there yet.
    planned = network.sectors[-1]
    rows.append(
        (f"SEC{len(known) + 1:02d}", f"{planned.label} (projet)", planned.commune.insee, "", "", "", "", "", "")
    )
    name = f"secteurs_{job.start + timedelta(days=day):%Y%m%d}.csv"
    text = csv_text(HEADER, rows, delimiter=";", end="\r\n")
    (job.folder(SOURCE) / name).write_bytes(text.encode("utf-8"))
    job.truth.file(SOURCE, name, read=len(rows), quarantined=1)
    job.truth.refuse(SOURCE, name, line=len(rows) + 1, column="enregistreur", reason="missing")


def _decimal(value: object) -> str:
    return f"{value:.1f}".replace(".", ",")
