"""For every published dataset: each kind of defect is stopped at the gate, and the last good version stays published.

The defects are seeded in the rows of a built territory and go through the real gate and the real publication, all
datasets together: one audit of each dataset takes several defects that do not hide one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from publication.card import Card, load_cards
from tests.integration.seeded_defects import NAMED, Defect, damaged, defects, rounds

if TYPE_CHECKING:
    from quality.audit import Check, Verdict
    from tests.integration.conftest import Done, Town

# the whole territory is built and then audited a few times over: two minutes, more where others work beside
pytestmark = pytest.mark.timeout(900)

CARDS = load_cards()
by_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


@dataclass
class Trial:
    """What became of one dataset."""

    before: Verdict
    files_before: dict[str, str]
    version_before: int
    found: dict[str, tuple[Defect, Verdict]] = field(default_factory=dict)
    files_after: dict[str, str] = field(default_factory=dict)
    version_after: int | None = None
    page_after: str = ""


@pytest.fixture(scope="module")
def trials(whole_town: Town, whole_run: Done, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Trial]]:
    whole_run.ok()
    town = whole_town.copy(tmp_path_factory.mktemp("defects"), "lake/gold", "lake/ops", "publication")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(town.home))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        yield _try_all(town)


def _try_all(town: Town) -> dict[str, Trial]:
    from lake import candidate, engine
    from publication.gate import run_gate
    from publication.publish import publish
    from publication.state import load_state

    def files(card: Card) -> dict[str, str]:
        return {path: sha for path, sha in town.data_files().items() if path.startswith(f"{card.folder}/")}

    def version(card: Card) -> int:
        return load_state(town.publication.resolve()).datasets[card.id].version

    good = run_gate(CARDS, run_id="good")
    trials = {card.id: Trial(good[card.id], files(card), version(card)) for card in CARDS if card.id in good}
    plans = {c.id: rounds(defects(c), dict(good[c.id].rows)) for c in CARDS if c.id in trials}
    refused: dict[str, Verdict] = {}
    for number in range(max(map(len, plans.values()))):
        tried = [card for card in CARDS if number < len(plans.get(card.id, ()))]
        with engine.connect() as con:
            for card in tried:
                _seed(con, card, plans[card.id][number])
        verdicts = run_gate(tried, run_id=f"defects-{number}")
        refused |= verdicts
        for card in tried:
            for defect in plans[card.id][number]:
                trials[card.id].found[defect.kind] = (defect, verdicts[card.id])
        for waiting in candidate.pending():
            candidate.discard(waiting.layer, waiting.table)
    with engine.connect() as con:
        publish(con, CARDS, refused, run_id="defects")
    for card in CARDS:
        if card.id in trials:
            trials[card.id].files_after, trials[card.id].version_after = files(card), version(card)
            trials[card.id].page_after = (town.publication / card.folder / "index.html").read_text("utf-8")
    return trials


def _seed(con, card: Card, seeded: list[Defect]) -> None:
    from lake import candidate

    for part in card.tables:
        if here := [defect for defect in seeded if defect.table == part.name]:
            types = {row[0]: row[1] for row in con.execute(f"DESCRIBE {part.relation}").fetchall()}
            waiting = candidate.Candidate("gold", part.model, part.model, "seeded", 0)
            candidate.stage(con, waiting, damaged(part.relation, types, here))


def caught(defect: Defect, verdict: Verdict) -> Check | None:
    """The error that tells of a defect: its rule, its table, its columns."""
    for check in verdict.failures:
        named = set(defect.columns) <= set((check.column or "").split(", ")) or defect.rules == ("columns",)
        if named and (check.severity, check.table) == ("error", defect.table) and check.rule in defect.rules:
            return check
    return None


@by_card
def test_eight_kinds_of_defects_apply(card: Card) -> None:
    kinds = {defect.kind for defect in defects(card)}
    assert len(kinds) >= 8, kinds
    assert kinds >= {"duplicate key", "half the rows gone", "column missing"}


def test_the_kinds_asked_for_by_name_are_each_tried_on_many_datasets() -> None:
    tried = {kind: [card.id for card in CARDS if kind in {d.kind for d in defects(card)}] for kind in NAMED}
    assert all(tried.values()), tried
    assert len(tried["duplicate key"]) == len(tried["half the rows gone"]) == len(CARDS)


@by_card
def test_each_seeded_defect_is_stopped_with_a_message_to_act_on(card: Card, trials: dict[str, Trial]) -> None:
    trial = trials[card.id]
    assert trial.before.status != "failed", trial.before.failures
    assert trial.found.keys() == {defect.kind for defect in defects(card)}
    for kind, (defect, verdict) in trial.found.items():
        assert verdict.status == "failed", kind
        check = caught(defect, verdict)
        assert check is not None, f"{kind}: {[(c.rule, c.table, c.column) for c in verdict.failures]}"
        assert f"table {defect.table}" in check.message
        assert all(column in check.message for column in defect.columns), check.message
        assert _counted(defect, check), check.message
        assert kind != "swapped coordinates" or "invers" in check.message
        if defect.secret:
            assert not [c.rule for c in verdict.checks if defect.secret in str(c)]


def _counted(defect: Defect, check: Check) -> bool:
    """Whether the message says how much is wrong: rows, communes, or the dates and columns that it is about."""
    told = {
        "stale data": r"\d{4}-\d\d-\d\d.*publiée va jusqu'au \d{4}-\d\d-\d\d",
        "commune missing": r"\d+ commune\(s\) sans ligne, 58\d{3}",
        "half the rows gone": r"\d+ ligne\(s\), \d+ attendue",
        "column missing": r"colonne\(s\) manquante\(s\) : ",
        "column of another type": r"type [A-Z]+",
    }
    return re.search(told.get(defect.kind, r"[1-9]\d* ligne\(s\) en écart"), check.message) is not None


@by_card
def test_the_last_good_version_stays_published(card: Card, trials: dict[str, Trial]) -> None:
    trial = trials[card.id]
    assert trial.files_before
    assert trial.files_after == trial.files_before
    assert trial.version_after == trial.version_before
    assert "Dernière version validée conservée" in trial.page_after
