"""The catalogue of the whole simulated territory: every dataset valid, every statement true of the files in the tree."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from rdflib import DCAT, DCTERMS, RDF, Graph
from rdflib.compare import isomorphic

from publication.card import load_cards
from publication.catalog import coverage
from publication.state import load_state
from tests.fixtures.dcat import BASE, CATALOG, DCATAP, NOTATIONS, SERVICE, SPDX, needs_shapes, violated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rdflib.term import Node

    from tests.integration.conftest import Done, Town


@pytest.fixture(scope="module")
def town(whole_town: Town, whole_run: Done) -> Town:
    whole_run.ok()
    return whole_town


@pytest.fixture(scope="module")
def graph(town: Town) -> Graph:
    return Graph().parse(town.publication / "catalog.ttl")


@pytest.fixture(scope="module")
def strict(town: Town) -> Graph:
    return Graph().parse(town.publication / "catalog-dcat-ap.ttl")


def test_every_published_dataset_is_in_it(graph: Graph, town: Town) -> None:
    folders = {path.name for path in (town.publication / "datasets").iterdir()}
    assert len(folders) >= 30
    assert {str(d) for d in graph.subjects(RDF.type, DCAT.Dataset)} == {f"{BASE}/id/dataset/{name}" for name in folders}


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_the_notations_are_one_graph(graph: Graph, town: Town) -> None:
    for ending in ("rdf", "jsonld"):
        assert isomorphic(graph, Graph().parse(town.publication / f"catalog.{ending}", format=NOTATIONS[ending]))


def test_what_it_says_of_a_file_is_true(graph: Graph, town: Town) -> None:
    now = datetime.now(UTC)
    listed = set()
    for node in graph.subjects(RDF.type, DCAT.Distribution):
        path = str(graph.value(node, DCAT.downloadURL)).removeprefix(f"{BASE}/")
        file = town.publication / path
        content = file.read_bytes()
        listed.add(path)
        assert (
            str(graph.value(graph.value(node, SPDX.checksum), SPDX.checksumValue))
            == hashlib.sha256(content).hexdigest()
        )
        assert int(str(graph.value(node, DCAT.byteSize))) == len(content)
        assert datetime.fromisoformat(str(graph.value(node, DCTERMS.modified))) <= now
        schema = str(graph.value(node, DCTERMS.conformsTo))
        assert not schema.startswith(f"{BASE}/") or (town.publication / schema.removeprefix(f"{BASE}/")).is_file()
        assert (
            town.publication / str(graph.value(node, DCAT.accessURL)).removeprefix(f"{BASE}/") / "index.html"
        ).is_file()
    manifest = load_state(town.publication)
    assert listed == {file.path for published in manifest.datasets.values() for file in published.files}


def test_coverage_is_that_of_the_contours(graph: Graph, town: Town) -> None:
    from ingestion.territory import load_territory

    assert coverage(load_territory()) not in {str(box) for box in graph.objects(None, DCAT.bbox)}
    ((west, east),) = town.sql("SELECT min(west_deg), max(east_deg) FROM silver.commune_contour")
    for box in graph.objects(None, DCAT.bbox):
        xs = [float(pair.split()[0]) for pair in str(box).removeprefix("POLYGON((").removesuffix("))").split(",")]
        assert min(xs) <= west < east <= max(xs)
        assert max(xs) - min(xs) < east - west + 0.01


@needs_shapes
@pytest.mark.parametrize("shapes", ["shapes.ttl", "shapes_recommended.ttl"])
def test_shacl_core_finds_no_violation(graph: Graph, shapes: str) -> None:
    assert violated(graph, f"dcat-ap-3.0.1/{shapes}") == set()


@needs_shapes
@pytest.mark.parametrize("shapes", ["shapes.ttl", "range.ttl", "dcat-ap-SHACL.ttl"])
def test_the_strict_file_passes_all_of_dcat_ap(strict: Graph, shapes: str) -> None:
    assert violated(strict, f"dcat-ap-3.0.1/{shapes}") == set()


@needs_shapes
@pytest.mark.parametrize("shapes", ["hvd-SHACL-base.ttl", "hvd-SHACL-full.ttl"])
def test_high_value_datasets_pass_their_own_shapes(strict: Graph, shapes: str) -> None:
    """The shapes take every dataset for one of high value, so the others are taken out first."""
    high = set(strict.subjects(DCATAP.hvdCategory, None)) - {SERVICE}
    assert len(high) == sum(card.hvd_category is not None for card in load_cards())
    kept = Graph()
    for triple in without(strict, set(strict.subjects(RDF.type, DCAT.Dataset)) - high):
        kept.add(triple)
    assert set(kept.objects(CATALOG, DCAT.dataset)) == high
    assert violated(kept, f"dcat-ap-hvd-3.0.0/{shapes}") == set()


def without(graph: Graph, datasets: set[Node]) -> Iterator[tuple[Node, Node, Node]]:
    """The statements of a catalogue that has these datasets not."""
    gone = datasets | {node for dataset in datasets for node in graph.objects(dataset, DCAT.distribution)}
    return (triple for triple in graph if not {triple[0], triple[2]} & gone)
