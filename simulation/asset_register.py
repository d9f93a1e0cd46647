"""The authority's own inventory: which asset each platform's native identifier stands for.

Belongs here: the register's file. Does not: the assets themselves (`assets`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation import assets
from simulation.files import csv_text

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "asset_register"
HEADER = (
    "source", "identifiant", "nom", "categorie", "code_insee", "longitude", "latitude", "usage", "surface_m2",
    "mise_en_service",
)  # fmt: skip


def write(job: Job) -> None:
    """One snapshot, dated at the start of the period."""
    from simulation.run import platforms  # it imports this module

    inventory = [
        *assets.buildings(job), *assets.sensors(job), *assets.sites(job), *assets.meters(job), *assets.units(job),
        *(asset for platform in platforms().values() if hasattr(platform, "things") for asset in platform.things(job)),
    ]  # fmt: skip
    rows = [
        (
            asset.source, asset.native_id, asset.name, asset.category, asset.commune.insee, f"{asset.longitude:.6f}",
            f"{asset.latitude:.6f}", asset.usage, "" if asset.surface_m2 is None else asset.surface_m2,
            asset.in_service.isoformat(),
        )
        for asset in inventory
    ]  # fmt: skip
    name = f"registre_{job.start:%Y%m%d}.csv"
    (job.folder(SOURCE) / name).write_bytes(csv_text(HEADER, rows, delimiter=";").encode("utf-8-sig"))
    job.truth.file(SOURCE, name, read=len(rows))
