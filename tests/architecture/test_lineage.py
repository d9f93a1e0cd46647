"""What a card says a dataset is made from, and what dbt's graph says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingestion.contract import load_contracts
from orchestration import lineage, pipeline
from publication.card import Card, load_cards

if TYPE_CHECKING:
    from pathlib import Path

# Where the territory and its communes are: every located row goes through them, no dataset is made of them alone. What
# stewards put right changes rows and makes none. What we declare and what the platform did come from no source.
FRAME = {"territory", "contract", "commune_contours", "corrections", "card", "ops"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home: Path = tmp_path_factory.mktemp("lineage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(home))
        return lineage.read_manifest(pipeline.manifest_path())


@pytest.mark.parametrize("card", load_cards(), ids=lambda card: card.id)
def test_a_card_names_the_sources_its_models_are_made_from(card: Card, manifest: dict[str, Any]) -> None:
    near, all_above = lineage.upstream(manifest), lineage.upstream(manifest, through_common=True)
    models = [part.model for part in card.tables]
    made_from = set().union(*(near[model] for model in models)) - FRAME
    reachable = set().union(*(all_above[model] for model in models))
    assert made_from <= set(card.sources), "dbt reads sources that the card does not name"
    assert set(card.sources) <= reachable, "the card names sources that dbt does not read"


def test_the_graph_tells_a_real_source_from_a_common_table() -> None:
    """Three models: one reads a source, one a table common to all sources, one both."""
    sources = {f"source.x.bronze.{name}": {"name": name} for name in ("car_parks__space", "wifi__session")}
    node = {"resource_type": "model", "columns": {}}
    nodes = {
        "m.stg": node | {"name": "stg", "fqn": ["x", "staging", "stg"], "columns": {"source_id": {}}},
        "m.common": node | {"name": "common", "fqn": ["x", "conformed", "common"], "columns": {"source_id": {}}},
        "m.a": node | {"name": "a", "fqn": ["x", "opendata", "a"]},
        "m.b": node | {"name": "b", "fqn": ["x", "opendata", "b"]},
        "m.ab": node | {"name": "ab", "fqn": ["x", "opendata", "ab"]},
    }
    parents = {
        "m.stg": ["source.x.bronze.car_parks__space"],
        "m.common": ["source.x.bronze.wifi__session", "m.stg"],
        "m.a": ["m.stg"],
        "m.b": ["m.common"],
        "m.ab": ["m.a", "m.common"],
    }
    found = {"sources": sources, "nodes": nodes, "parent_map": parents}
    assert lineage.upstream(found) == {"a": {"car_parks"}, "b": set(), "ab": {"car_parks"}}
    assert lineage.upstream(found, through_common=True)["b"] == {"car_parks", "wifi"}


def test_every_source_a_card_names_has_a_contract() -> None:
    known = {contract.id for contract in load_contracts()}
    assert {source for card in load_cards() for source in card.sources} <= known


def test_the_steps_of_a_table_come_in_the_order_they_are_built(manifest: dict[str, Any]) -> None:
    for model, steps in lineage.steps(manifest).items():
        assert steps[-1] == ("opendata", model)
        assert len(steps) == len(set(steps))
    volumes = lineage.steps(manifest)["eau_volumes_journaliers"]
    names = [name for _, name in volumes]
    assert ("marts", "water_volume_day") in volumes
    assert names.index("water_volume_day") < names.index("eau_volumes_journaliers")
