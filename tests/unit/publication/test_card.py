"""Dataset cards: the real ones are sound, and a wrong one says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ingestion.contract import load_contracts
from publication.card import CARDS_DIR, Card, CardError, load_cards, read_card

if TYPE_CHECKING:
    from pathlib import Path


def test_the_cards_name_sources_that_exist(cards: dict[str, Card]) -> None:
    known = {contract.id for contract in load_contracts()}
    for card in cards.values():
        assert set(card.sources) <= known, card.id


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"description": "Trop court."}, "description"),
        ({"keywords": ["plan d'eau"]}, "keywords"),
        ({"theme": "WATER"}, "theme"),
        ({"hvd_category": "c_0"}, "hvd_category"),
        ({"colour": "blue"}, "colour"),
        ({"id": "autre"}, "autre.yml"),
        ({"tables": [{"name": "nothing", "model": "m", "sort": ["date"]}]}, "nothing"),
        ({"tables": [{"name": "eau-volumes-journaliers", "model": "m", "sort": ["nothing"]}]}, "nothing"),
        (
            {"tables": [{"name": "eau-volumes-journaliers", "model": "m", "sort": ["date"], "longitude": "x"}]},
            "latitude",
        ),
        ({"rules": {"freshness": [{"table": "eau-volumes-journaliers", "column": "nothing", "days": 1}]}}, "nothing"),
        ({"picture": {"kind": "map", "table": "eau-volumes-journaliers"}}, "neither coordinates nor a geometry"),
        ({"picture": {"kind": "bars", "table": "eau-volumes-journaliers", "category": "nothing"}}, "nothing"),
        ({"picture": {"kind": "series", "table": "eau-volumes-journaliers"}}, "needs `time`"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    good = yaml.safe_load((CARDS_DIR / "water/eau-volumes-journaliers.yml").read_text(encoding="utf-8"))
    path = tmp_path / "eau-volumes-journaliers.yml"
    path.write_text(yaml.safe_dump(good | change), encoding="utf-8")
    with pytest.raises(CardError, match=named):
        read_card(path)


def test_two_cards_may_not_share_an_id(tmp_path: Path) -> None:
    card = (CARDS_DIR / "water/eau-volumes-journaliers.yml").read_text(encoding="utf-8")
    for domain in ("a", "b"):
        (tmp_path / domain).mkdir()
        (tmp_path / domain / "eau-volumes-journaliers.yml").write_text(card, encoding="utf-8")
    with pytest.raises(CardError, match="keep one"):
        load_cards(tmp_path)
