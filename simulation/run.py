"""The one entry point: every platform's writer in turn, then the truth.

Belongs here: the list of platforms and their order. Does not: anything one platform alone knows.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.territory import load_territory
from simulation import (
    asset_register,
    building_energy,
    carpool_sites,
    lorawan_uplinks,
    traffic_counts,
    water_meters,
    water_scada,
)
from simulation.job import Job
from simulation.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable

# Sources in name order: the order of the ledger. Each writer draws from its own generator, so none moves another.
WRITERS: dict[str, Callable[[Job], None]] = {
    asset_register.SOURCE: asset_register.write,
    building_energy.SOURCE: building_energy.write,
    carpool_sites.SOURCE: carpool_sites.write,
    lorawan_uplinks.SOURCE: lorawan_uplinks.write,
    traffic_counts.SOURCE: traffic_counts.write,
    water_meters.SOURCE: water_meters.write,
    water_scada.SOURCE: water_scada.write,
}
DEFAULT_START = date(2026, 10, 5)  # with 35 days it holds the 25-hour day of 2026-10-25 and a change of month


def simulate(
    out: Path,
    *,
    seed: int = 58,
    start: date = DEFAULT_START,
    days: int = 35,
    scale: float = 1.0,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write `out/<source>/...` and `out/_truth/...`; the same arguments give the same bytes.

    Args:
        out: folder to fill; made when missing, files of the same name are replaced.
        seed: which territory, out of many alike.
        start: first business day (local).
        days: number of business days, at least 1.
        scale: multiplies the number of devices, sites, buildings and meters; never fewer than one of each kind.
        progress: told the name of each source before it is written.

    Raises:
        ValueError: when `days` or `scale` is not positive.
    """
    if days < 1:
        msg = f"days must be at least 1, got {days}"
        raise ValueError(msg)
    if not scale > 0:
        msg = f"scale must be positive, got {scale}"
        raise ValueError(msg)
    job = Job(out=Path(out), seed=seed, start=start, days=days, scale=scale, territory=load_territory(), truth=Truth())
    for source, write in WRITERS.items():
        if progress is not None:
            progress(source)
        write(job)
    job.truth.write(job.out / "_truth")
