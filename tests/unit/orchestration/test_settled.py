"""When a verdict still holds: same day, same code, same tables, published; and only when it passed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lake import candidate, engine, ops, table
from lake.home import publication_dir
from orchestration import settled
from publication.card import Card, load_cards
from publication.state import STATE_FILE, LastAudit, PublishedDataset, PublishedFile, State, TreeFile
from quality.audit import Check, Verdict

if TYPE_CHECKING:
    from pathlib import Path

AUDITED = datetime(2026, 11, 2, 9, tzinfo=UTC)
PUBLISHED = AUDITED + timedelta(minutes=1)
LATER = AUDITED + timedelta(hours=3)
PASSED = Check("freshness", "t", "date", "error", passed=True, observed="2026-11-01", message="", examples=("a",))


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """A dataset of one table, audited, current and published."""
    monkeypatch.setenv("DATANEVERS_HOME", str(tmp_path))
    monkeypatch.delenv("DATANEVERS_LAKE", raising=False)
    found = next(c for c in load_cards() if c.id == "lieux-covoiturage")
    table.overwrite("gold", "lieux_covoiturage", pa.table({"id_lieu": ["a"]}))
    audited("passed", AUDITED)
    path = f"{found.folder}/lieux-covoiturage.csv"
    (publication_dir() / path).parent.mkdir(parents=True)
    (publication_dir() / path).write_bytes(b"id_lieu\n")
    file = PublishedFile(
        path=path, table="lieux-covoiturage", format="csv", sha256="00", bytes=8, rows=0, modified=PUBLISHED
    )
    entry = PublishedDataset(
        version=1, issued=PUBLISHED, run_id="r", fingerprint="f", days=None, files=(file,),
        audit=LastAudit(status="passed", checks=1, failed=()),
    )  # fmt: skip
    state = State(datasets={found.id: entry}, files={path: TreeFile(sha256="00", bytes=8)})
    (publication_dir() / STATE_FILE).write_bytes(state.dump())
    return found


def audited(verdict: str, when: datetime) -> None:
    row: dict[str, Any] = {
        "dataset": "lieux-covoiturage", "audit_id": f"{when}", "audited_time": when, "verdict": verdict, "rows": 1,
        "table_rows": '{"lieux-covoiturage": 1}', "delta_versions": '{"lieux_covoiturage": 0}',
        "checks": json.dumps([PASSED.as_dict()]), "run_id": "r",
    }  # fmt: skip
    ops.record("audit", [row])


def holding(card: Card, now: datetime = LATER, **refused: object) -> dict[str, Verdict]:
    return settled.verdicts([card], refused=refused, published_time=PUBLISHED, now=now)


def test_it_is_the_verdict_as_it_was_given(card: Card) -> None:
    assert holding(card) == {card.id: Verdict(card.id, "passed", {"lieux-covoiturage": 1}, (PASSED,))}


def test_time_passes(card: Card) -> None:
    assert holding(card, now=AUDITED + timedelta(days=1)) == {}


def test_other_tables_are_another_matter(card: Card) -> None:
    table.append("gold", "lieux_covoiturage", pa.table({"id_lieu": ["b"]}))
    assert holding(card) == {}


def test_what_waits_is_to_be_audited(card: Card) -> None:
    waiting = candidate.Candidate("gold", "lieux_covoiturage", "model.datanevers.lieux_covoiturage", "i", 0)
    with engine.connect(attach=False) as con:
        candidate.stage(con, waiting, "SELECT 'b' AS id_lieu")
    assert holding(card) == {}


def test_refused_data_is_no_passed_verdict(card: Card) -> None:
    assert holding(card, **{card.id: ["Règle unique"]}) == {}


def test_warned_is_looked_at_again(card: Card) -> None:
    audited("warned", AUDITED + timedelta(seconds=1))
    assert holding(card) == {}


def test_what_was_audited_and_not_published_yet_is_gone_through_again(card: Card) -> None:
    audited("passed", PUBLISHED + timedelta(minutes=1))
    assert holding(card) == {}


def test_a_published_file_that_is_gone_is_written_again(card: Card) -> None:
    (publication_dir() / card.folder / "lieux-covoiturage.csv").unlink()
    assert holding(card) == {}
