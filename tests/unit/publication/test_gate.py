"""The gate before any audit: what a source's contract forbids is published nowhere downstream of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.contract import SourceContract, load_contracts
from lake import engine
from publication import gate
from publication.card import load_cards
from publication.gate import run_gate

CARPOOL = next(card for card in load_cards() if card.id == "lieux-covoiturage")
WATER = next(card for card in load_cards() if card.id == "eau-volumes-journaliers")
Forbid = Callable[..., None]


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Forbid:
    """Changes the legal terms of a source, in an installation where nothing was built."""
    monkeypatch.setenv("DATANEVERS_HOME", str(tmp_path))
    monkeypatch.delenv("DATANEVERS_LAKE", raising=False)

    def change(source: str, **terms: Any) -> None:
        def told(contract: SourceContract) -> SourceContract:
            if contract.id != source:
                return contract
            return contract.model_copy(update={"legal": contract.legal.model_copy(update=terms)})

        monkeypatch.setattr(gate, "load_contracts", lambda: tuple(map(told, load_contracts())))

    return change


@pytest.mark.parametrize(
    ("terms", "told"), [({"confidential": True}, "est confidentielle"), ({"reuse": False}, "ne permet pas la réutil")]
)
def test_a_forbidden_source_stops_its_datasets_and_no_other(forbid: Forbid, terms: dict[str, bool], told: str) -> None:
    forbid("carpool_sites", **terms)
    verdicts = run_gate([CARPOOL, WATER], run_id="r")
    assert list(verdicts) == [CARPOOL.id]  # the other was not stopped; it was never built
    verdict = verdicts[CARPOOL.id]
    (check,) = verdict.checks
    assert (verdict.status, check.rule, check.severity, check.passed) == ("failed", "legal", "error", False)
    assert "la source carpool_sites" in check.message
    assert told in check.message
    assert "ingestion/contracts/mobility/carpool_sites.yml, `legal`" in check.message


def test_a_source_that_only_the_graph_knows_of_stops_the_dataset_too(forbid: Forbid) -> None:
    forbid("wifi_sessions", confidential=True)
    upstream = {"lieux_covoiturage": {"carpool_sites", "wifi_sessions"}, "eau_volumes_journaliers": {"water_scada"}}
    verdicts = run_gate([CARPOOL, WATER], run_id="r", upstream=upstream)
    assert [(v.dataset, v.status) for v in verdicts.values()] == [(CARPOOL.id, "failed")]


def test_the_refusal_is_recorded(forbid: Forbid) -> None:
    forbid("carpool_sites", confidential=True)
    run_gate([CARPOOL], run_id="r")
    with engine.connect() as con:
        rows = con.execute("SELECT dataset, verdict, run_id, checks FROM ops.audit").fetchall()
    assert [row[:3] for row in rows] == [(CARPOOL.id, "failed", "r")]
    assert [check["rule"] for check in json.loads(rows[0][3])] == ["legal"]


def test_no_source_of_today_is_forbidden() -> None:
    """Each dataset could be published: none names a source whose contract forbids it."""
    forbidden = {c.id for c in load_contracts() if c.legal.confidential or not c.legal.reuse}
    assert {card.id: forbidden & set(card.sources) for card in load_cards() if forbidden & set(card.sources)} == {}
