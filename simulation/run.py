"""The one entry point: every platform's writer in turn, then the truth.

Belongs here: finding the platforms, and their order. Does not: anything one platform alone knows.
"""

from __future__ import annotations

import pkgutil
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import simulation
from ingestion.territory import load_territory
from simulation.job import Job
from simulation.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def platforms() -> dict[str, ModuleType]:
    """Modules that write a source, in name order: the order of the ledger.

    Each draws from its own generator, so none moves another. A module that has `things` lists its things for the
    register.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(simulation.__path__, "simulation."))
    modules = [import_module(name) for name in names]
    found = [m for m in modules if hasattr(m, "SOURCE") and hasattr(m, "write")]
    return {module.SOURCE: module for module in sorted(found, key=lambda m: str(m.SOURCE))}


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
    for source, platform in platforms().items():
        if progress is not None:
            progress(source)
        platform.write(job)
    job.truth.write(job.out / "_truth")
