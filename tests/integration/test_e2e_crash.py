"""A run killed without warning, again and again, at moments spread over its course: the end is that of a quiet run.

Each run starts from what the killed one before it left, and is killed further on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import SOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Done, Town

    Progress = Callable[[Path], object]  # of a home: something that changes when a run gets there


def commits(table: str) -> Progress:
    """The commits of a Delta table."""
    return lambda home: sorted(p.name for p in (home / "lake" / table / "_delta_log").glob("*.json"))


def trees(home: Path) -> object:
    """Published trees under construction."""
    return sorted(p.name for p in home.glob(".publications/*") if p.name.isdigit())


def link(home: Path) -> object:
    """The tree that readers see."""
    return (home / "publication").readlink() if (home / "publication").is_symlink() else None


def killed(town: Town, progress: Progress, *argv: str) -> None:
    """One command, killed when `progress` moves."""
    before = progress(town.home)
    assert town.start(*argv).kill_when(lambda: progress(town.home) != before), f"{argv} ended before it got there"


def check_readable(town: Town) -> None:
    """Nothing half-written is visible: every table can be read to its end, the tree is whole by its own manifest."""
    for name in town.tables():
        town.sql(f"SELECT count(*), count(COLUMNS(*)) FROM {name.replace('/', '.')}")
    if town.publication.is_symlink():
        files = json.loads((town.publication / ".state.json").read_text("utf-8"))["files"]
        for path, entry in files.items():
            assert hashlib.sha256((town.publication / path).read_bytes()).hexdigest() == entry["sha256"], path


def check_ledger(town: Town) -> None:
    """Rows read are rows loaded, duplicate or quarantined, and what is loaded is what bronze holds."""
    rows = town.sql(
        """SELECT bronze_table, sum(rows_read)::BIGINT, sum(rows_loaded)::BIGINT,
        sum(rows_loaded + rows_duplicate + rows_quarantined)::BIGINT FROM ops.ingest_file GROUP BY bronze_table"""
    )
    assert len(rows) > len(SOURCES), "some sources have several tables"
    for name, read, loaded, accounted in rows:
        assert read == accounted, name
        assert town.sql(f"SELECT count(*) FROM bronze.{name}") == [(loaded,)], name


@pytest.mark.timeout(600)
def test_a_first_run_killed_at_every_stage(
    new_town: Callable[[], Town], exports: Path, grown: Town, second_run: Done
) -> None:
    """Also: seven days at once give what six and then one gave. Landing and code are enough to have it all again."""
    second_run.ok()
    town = new_town()
    for progress in (
        commits("bronze/water_scada__reading"),  # loaded, and not yet in the ledger
        commits("silver/observation"),  # at the end of dbt: some tables are current, the others wait
    ):
        killed(town, progress, "run", "--landing", str(exports))
        check_readable(town)
        assert not town.publication.exists()
    town("run", "--landing", str(exports), "--json").ok()
    assert town.content() == grown.content()
    assert town.data_files() == grown.data_files()
    check_ledger(town)
    assert town("run", "--landing", str(exports), "--json").ok().document["changed"] is False


@pytest.mark.timeout(600)
def test_a_later_run_killed_at_every_stage(
    same_town: Town, town: Town, grown: Town, second_run: Done, deliver_last_day: Callable[[Town], None]
) -> None:
    second_run.ok()
    deliver_last_day(same_town)
    before, after = town.data_files(), grown.data_files()
    for command, progress, published in (
        ("run", commits("gold/eau_volumes_journaliers"), before),  # audited and current, and not yet published
        ("publish", trees, before),  # a new tree half written
        ("publish", link, after),  # published, and not yet recorded
    ):
        killed(same_town, progress, command)
        check_readable(same_town)
        assert same_town.data_files() == published
    same_town("run", "--json").ok()
    assert same_town.content() == grown.content()
    assert same_town.data_files() == after
    check_ledger(same_town)
    recorded = same_town.sql("SELECT dataset, max(version), count(DISTINCT version) FROM ops.publication GROUP BY ALL")
    assert {d: (v, n) for d, v, n in recorded}["eau-volumes-journaliers"] == (2, 2)
