"""The yearly report of the private operator that runs the water service of two communes.

Belongs here: the figures of its workbook and their correction. Does not: the communes it serves (`water_district`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from simulation.water_district import DELEGATED, district
from simulation.water_workbook import write_workbook

if TYPE_CHECKING:
    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "water_delegate"
SHEET = "Indicateurs"
ABOVE = ("Rapport annuel du délégataire", "Service public de l'eau potable - données par commune")
HEADER = (
    "Code INSEE", "Commune", "Exercice", "Arrêté au", "Abonnés", "Habitants desservis", "Volume produit (m³)",
    "Volume acheté en gros (m³)", "Volume vendu en gros (m³)", "Volume comptabilisé domestique (m³)",
    "Volume comptabilisé non domestique (m³)", "Volume consommé sans comptage (m³)", "Volume de service (m³)",
    "Linéaire de réseau hors branchements (km)", "Linéaire renouvelé (km)", "Branchements", "Branchements plomb",
    "Fuites réparées sur conduites", "Fuites réparées sur branchements", "Réclamations écrites",
    "Rendement déclaré (%)",
)  # fmt: skip
TRUTH = (
    "insee_code", "year", "subscribers", "imported_m3", "metered_domestic_m3", "metered_other_m3", "unmetered_m3",
    "service_m3", "network_km", "efficiency_pct",
)  # fmt: skip
YEARS = 3
_NOT_KNOWN = "n.c."
_DAILY_M3_PER_CONNECTION = 0.36  # bought in bulk, leaks included


def write(job: Job) -> None:
    """A workbook for each of the last years, and a second one where the year before last was wrong."""
    truth: list[tuple[object, ...]] = []
    for year in range(job.start.year - YEARS, job.start.year):
        right = [_figures(job, commune, year) for commune in _communes(job)]
        corrected = year == job.start.year - 2
        first = [_mistaken(row) if n == 0 else row for n, row in enumerate(right)] if corrected else right
        _write_year(job, f"RAD_{year}.xlsx", year, first)
        if corrected:
            _write_year(job, f"RAD_{year}_v2.xlsx", year, right, known=len(right) - 1)
        truth += [(row[0], row[2], row[4], row[7], *row[9:14], row[20]) for row in right]
    job.truth.table("water_delegate_year", TRUTH, truth)


def _communes(job: Job) -> list[Commune]:
    return [commune for commune in job.territory.communes if commune.name in DELEGATED] or [job.territory.communes[0]]


def _figures(job: Job, commune: Commune, year: int) -> tuple[object, ...]:
    """A commune's year: all its water is bought from the authority."""
    rng = job.rng(SOURCE, commune.insee, year)
    sectors = [sector for sector in district(job).sectors if sector.commune.insee == commune.insee]
    connections = sum(s.connections for s in sectors) or round(commune.population / 2.2)
    length = sum(s.length_km for s in sectors) or round(commune.population / 100, 1)
    bought = round(connections * _DAILY_M3_PER_CONNECTION * 365 * float(rng.uniform(0.97, 1.03)))
    domestic, other = round(bought * float(rng.uniform(0.66, 0.7))), round(bought * float(rng.uniform(0.11, 0.13)))
    unmetered, service = round(bought * 0.008), round(bought * 0.012)
    efficiency = round(100 * (domestic + other + unmetered + service) / bought, 1)
    return (
        commune.insee, commune.name, year, date(year, 12, 31), connections, commune.population, 0, bought, 0, domestic,
        other, unmetered, service, length, round(length * float(rng.uniform(0.002, 0.012)), 3), connections,
        int(rng.integers(0, 9)), int(rng.integers(2, 9)), int(rng.integers(4, 16)), int(rng.integers(0, 5)), efficiency,
    )  # fmt: skip


def _mistaken(row: tuple[object, ...]) -> tuple[object, ...]:
    """Two figures of the volume swapped by hand, as the first version of a report had them."""
    return (*row[:9], row[10], row[9], *row[11:])


def _write_year(job: Job, name: str, year: int, rows: list[tuple[object, ...]], *, known: int = 0) -> None:
    """`known` rows were in an earlier version. The last row sums up the two communes: it is no commune's."""
    shown: list[tuple[object, ...]] = [
        (
            int(str(row[0])),
            *(_NOT_KNOWN if column == 16 and year % 2 else cell for column, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    sums = [sum(float(str(row[n])) for row in rows) if 4 <= n <= 15 else None for n in range(1, len(HEADER))]
    shown.append((None, "Ensemble", year, date(year, 12, 31), *sums[3:]))
    made = date(year + 1, 6, 1)
    write_workbook(job.folder(SOURCE) / name, SHEET, (*ABOVE, f"Exercice {year}", ""), HEADER, shown, made)
    ledger = f"{name}!{SHEET}"
    job.truth.file(SOURCE, ledger, read=len(shown), duplicate=known, quarantined=1)
    job.truth.refuse(SOURCE, ledger, line=len(ABOVE) + 3 + len(shown), column="Code INSEE", reason="missing")
