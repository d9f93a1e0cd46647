"""Round sheets of the waste collection, one workbook a week, kept by hand.

Belongs here: who collects what where, weighbridge tickets, and everything that hands do to a workbook. Does not: the
containers' own sensors (`waste_bins`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import xlsxwriter

from simulation.assets import commune
from simulation.truth import BAD_DATE, BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "waste_collections"
SHEET = "Tournées"
COLUMNS = ("Date", "Tournée", "Camion", "Secteur", "Flux", "Tonnage (t)", "Km", "Observations")
TRUTH = ("collection_date", "round_id", "waste_stream", "tonnage_t", "insee_code")
HEADER_ROW = 4
_WEEK = 7
_WORDS = {
    "OMR": "residual", "Emballages": "packaging", "Verre": "glass", "Papier": "paper", "Biodéchets": "bio_waste",
}  # fmt: skip
# Round, sector, stream, weekdays (0 is Monday), usual tonnage, usual distance.
_ROUNDS = (
    ("T01", "Nevers - Centre", "OMR", (0, 2, 4), 8.6, 38), ("T02", "Nevers - Banlay", "OMR", (1, 3), 9.4, 44),
    ("T03", "Nevers - Courlis", "OMR", (1, 4), 7.9, 41), ("T04", "Varennes-Vauzelles", "OMR", (0, 3), 9.1, 52),
    ("T05", "Fourchambault", "OMR", (2,), 6.2, 47), ("T06", "Marzy", "OMR", (2,), 4.3, 58),
    ("T07", "Coulanges-lès-Nevers", "OMR", (4,), 4.9, 49), ("T08", "Pougues-les-Eaux", "OMR", (3,), 3.7, 66),
    ("T09", "Garchizy", "OMR", (1,), 4.5, 55), ("T20", "Nevers - Centre", "Emballages", (3,), 3.1, 40),
    ("T21", "Nevers - Banlay", "Emballages", (0,), 2.8, 45), ("T22", "Varennes-Vauzelles", "Emballages", (2,), 2.9, 54),
    ("T30", "Tous secteurs", "Verre", (1, 4), 5.4, 92), ("T31", "Tous secteurs", "Papier", (2,), 3.0, 88),
    ("T40", "Nevers - Centre", "Biodéchets", (0, 3), 1.6, 33),
)  # fmt: skip
_TRUCKS = ("BOM-01", "BOM-02", "BOM-03", "BOM-04", "BOM-05", "GRUE-1")
_NO_TICKET, _BY_HAND = 0.03, 0.12
_REMARKS = ("", "", "", "", "", "Circulation difficile", "Bacs non sortis", "Pesée le lendemain")


@dataclass(frozen=True)
class _Round:
    """One line of the sheet. `tonnage` is None when the weighbridge gave no ticket."""

    day: date
    number: str
    truck: str
    sector: str
    stream: str
    tonnage: float | None
    km: int
    remark: str
    by_hand: bool  # date and weight typed as text
    unreadable: bool = False


def write(job: Job) -> None:
    """One workbook a week, named by its last day; the second week comes again with two weights corrected."""
    truth: list[tuple[object, ...]] = []
    for week, first in enumerate(range(0, job.days, _WEEK)):
        last = min(first + _WEEK, job.days) - 1
        rounds = _week(job, first, last, spoil=week == 0)
        stem = f"tournees_{job.start + timedelta(days=last):%Y%m%d}"
        if week == min(1, (job.days - 1) // _WEEK):
            wrong = _before_correction(rounds)
            _write_book(job, f"{stem}.xlsx", wrong)
            changed = sum(a != b for a, b in zip(rounds, wrong, strict=True))
            known = sum(not r.unreadable for r in rounds) - changed
            if changed:  # a week without rounds has nothing to correct
                _write_book(job, f"{stem}_rectif.xlsx", rounds, known=known)
        else:
            _write_book(job, f"{stem}.xlsx", rounds)
        truth += [
            (r.day.isoformat(), r.number, _WORDS[r.stream], "" if r.tonnage is None else f"{r.tonnage:.2f}",
             _insee(job, r.sector))
            for r in rounds if not r.unreadable
        ]  # fmt: skip
    job.truth.table("waste_rounds", TRUTH, truth)


def _insee(job: Job, sector: str) -> str:
    town = sector.split(" - ", maxsplit=1)[0]
    return commune(job, town).insee if any(c.name == town for c in job.territory.communes) else ""


def _week(job: Job, first: int, last: int, *, spoil: bool) -> list[_Round]:
    """The rounds of a week in order; in the first one a weight cannot be read."""
    rng = job.rng(SOURCE, "week", first)
    scheduled = _ROUNDS[: job.count(len(_ROUNDS))]
    found: list[_Round] = []
    for offset in range(first, last + 1):
        day = job.start + timedelta(days=offset)
        for number, sector, stream, weekdays, usual, km in scheduled:
            if day.weekday() not in weekdays:
                continue
            tonnage = None if rng.random() < _NO_TICKET else round(usual * float(rng.gamma(60, 1 / 60)), 2)
            truck = _TRUCKS[-1] if stream in ("Verre", "Papier") else _TRUCKS[int(rng.integers(len(_TRUCKS) - 1))]
            remark = _REMARKS[int(rng.integers(len(_REMARKS)))]
            by_hand = bool(rng.random() < _BY_HAND)
            distance = km + int(rng.integers(-4, 9))
            found.append(_Round(day, number, truck, sector, stream, tonnage, distance, remark, by_hand))
    if spoil and len(found) > 2:
        found[2] = replace(found[2], unreadable=True)
    return found


def _before_correction(rounds: list[_Round]) -> list[_Round]:
    """What was first written down: two weights one ton too high."""
    weighed = [n for n, r in enumerate(rounds) if r.tonnage is not None and not r.unreadable][:2]
    return [replace(r, tonnage=round((r.tonnage or 0) + 1, 2)) if n in weighed else r for n, r in enumerate(rounds)]


def _write_book(job: Job, name: str, rounds: list[_Round], *, known: int = 0) -> None:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        # The only clock in the file: xlsxwriter would write the time of day.
        book.set_properties({"created": datetime(2026, 1, 1)})  # noqa: DTZ001
        bold, plain = book.add_format({"bold": True}), book.add_format({"num_format": "dd/mm/yyyy"})
        sheet = book.add_worksheet(SHEET)
        sheet.merge_range(0, 0, 0, len(COLUMNS) - 1, "Nevers Agglomération - Régie de collecte", bold)
        sheet.write(1, 0, "Feuille de tournées de la semaine")
        sheet.write_row(HEADER_ROW - 1, 0, COLUMNS, bold)
        for place, one in enumerate(rounds):
            _write_round(sheet, HEADER_ROW + place, one, plain)
        total = HEADER_ROW + len(rounds)
        sheet.write(total, 0, "Total", bold)
        weight = sum(r.tonnage or 0 for r in rounds if not r.unreadable)
        sheet.write_formula(total, 5, f"=SUM(F{HEADER_ROW + 1}:F{total})", bold, round(weight, 2))
        book.add_worksheet("Notes").write(0, 0, "Pesées au quai de transfert, tare déduite.")
    (job.folder(SOURCE) / name).write_bytes(buffer.getvalue())
    file = f"{name}!{SHEET}"
    for place, one in enumerate(rounds):
        if one.unreadable:
            job.truth.refuse(SOURCE, file, line=HEADER_ROW + 1 + place, column="Tonnage (t)", reason=BAD_NUMBER)
    job.truth.refuse(SOURCE, file, line=total + 1, column="Date", reason=BAD_DATE)
    refused = 1 + sum(r.unreadable for r in rounds)
    job.truth.file(SOURCE, file, read=len(rounds) + 1, duplicate=known, quarantined=refused)


def _write_round(sheet: xlsxwriter.worksheet.Worksheet, row: int, one: _Round, plain: xlsxwriter.format.Format) -> None:
    if one.by_hand:
        sheet.write_string(row, 0, f"{one.day:%d/%m/%Y}")
    else:
        sheet.write_datetime(row, 0, datetime(one.day.year, one.day.month, one.day.day), plain)  # noqa: DTZ001
    sheet.write_row(row, 1, (one.number, one.truck, one.sector, one.stream))
    if one.unreadable:
        sheet.write_string(row, 5, "voir ticket")
    elif one.tonnage is not None and one.by_hand:
        sheet.write_string(row, 5, f"{one.tonnage:.2f}".replace(".", ","))
    elif one.tonnage is not None:
        sheet.write_number(row, 5, one.tonnage)
    sheet.write_number(row, 6, one.km)
    sheet.write_string(row, 7, one.remark)
