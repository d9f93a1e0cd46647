"""The stewards' ledger of corrections: one of each way in which a correction may end.

Belongs here: what is stated of a soil probe that nobody publishes, so that no other truth is moved. Does not: how a
statement takes effect.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from simulation import soil_moisture
from simulation.files import csv_text

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "corrections"
HEADER = (
    "id", "table", "cle", "colonne", "valeur_fausse", "valeur_juste", "debut", "fin", "service", "motif", "date",
    "jusqu_au",
)  # fmt: skip
TRUTH = ("correction_id", "status")
_PARKS, _DESK = "Service des espaces verts", "Mission données"


def write(job: Job) -> None:
    """One file, dated at the start of the period; its second line revises the first."""
    probe = soil_moisture.things(job)[0]
    thing = f"{probe.source}:{probe.native_id}"
    noon = datetime.combine(job.start, time(12), UTC)
    day, before = job.start.isoformat(), (job.start - timedelta(days=1)).isoformat()
    name = f"{probe.name} (pelouse sud)"
    rows = [
        ("COR-001", "thing", thing, "name", probe.name, probe.name.upper(), "", "", _PARKS, "Nom", day, ""),
        ("COR-001", "thing", thing, "name", probe.name, name, "", "", _PARKS, "Deux sondes dans ce parc", day, ""),
        ("COR-002", "observation", f"{thing}:battery", "quality", "good", "suspect",
         (noon - timedelta(hours=6)).isoformat(), noon.isoformat(), _PARKS, "Pile changée le matin", day, ""),
        ("COR-003", "location", thing, "insee_code", probe.commune.insee, "58000", "", "", _DESK,
         "En attente du contour", before, before),
        ("COR-004", "thing", thing, "category", "sonde", "sonde_sol", "", "", _DESK, "Catégorie d'avant", day, ""),
        ("COR-005", "equipment", "sans-numero", "condition", "", "neuf", "", "", _DESK, "Banc remplacé", day, ""),
        ("COR-006", "thing", thing, "floor_area_m2", "", "grande", "", "", _DESK, "Surface inconnue", day, ""),
    ]  # fmt: skip
    file = f"corrections_{job.start:%Y%m%d}.csv"
    (job.folder(SOURCE) / file).write_text(csv_text(HEADER, rows, delimiter=";"), encoding="utf-8", newline="")
    job.truth.file(SOURCE, file, read=len(rows))
    ended = ("applied", "applied", "lapsed", "no_longer_matches", "unknown_target", "refused")
    job.truth.table("corrections", TRUTH, [(f"COR-{n:03d}", status) for n, status in enumerate(ended, start=1)])
