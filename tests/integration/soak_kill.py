"""Fifty runs killed at random moments, each taken up by the next: the tables are those of an undisturbed run.

Not collected by `make test` (it takes a quarter of an hour): `make soak`. The moments are drawn with a seed that is
printed; what is asserted holds for any.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Town

KILLS, KILLS_OF_ONE = 50, 10  # in all, and on one lake before it is compared
SEED = 20261122


def moment(seconds: float) -> Callable[[], bool]:
    """True from now on plus `seconds`."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until


def ledger(town: Town) -> list[tuple[object, ...]]:
    """What the ledger says of each file, without clocks and run ids."""
    return town.sql(
        """SELECT bronze_table, file, sha256, rows_read, rows_loaded, rows_duplicate, rows_quarantined, status
        FROM ops.ingest_file ORDER BY ALL"""
    )


@pytest.mark.timeout(7200)
def test_fifty_kills(new_town: Callable[[], Town], tmp_path: Path) -> None:
    exports = tmp_path / "exports"  # every source, over the 25-hour day; small, because time goes by runs, not by rows
    quiet = new_town()
    quiet("simulate", "--start", "2026-10-24", "--days", "2", "--scale", "0.05", "--out", str(exports)).ok()
    whole = quiet("run", "--landing", str(exports), "--json").ok().seconds
    content, files, said = quiet.content(), quiet.data_files(), ledger(quiet)
    assert len(content) > 40
    draw = random.Random(SEED)
    killed = 0
    while killed < KILLS:
        town = new_town()
        begun = killed
        while killed < KILLS and killed - begun < KILLS_OF_ONE:
            started = town.start("run", "--landing", str(exports))
            if not started.kill_when(moment(draw.uniform(0.05, 0.6) * whole)):
                break  # it got to its end between two kills
            killed += 1
        last = town("run", "--landing", str(exports), "--json").ok()
        assert town.content() == content, f"after {killed} kills, seed {SEED}"
        assert town.data_files() == files
        assert ledger(town) == said
        print(f"{killed} kills, {killed - begun} on this lake; last run {last.seconds:.0f} s of {whole:.0f} s")  # noqa: T201
        assert town("run", "--landing", str(exports), "--json").ok().document["changed"] is False
