"""The catalogue: one graph in three forms, in the forms harvesters keep, stable from one run to the next."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from rdflib import DCAT, DCTERMS, RDF, XSD, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic

from ingestion.territory import load_territory
from lake.home import ROOT
from publication import catalog
from publication.state import Entry, LastAudit, PublishedDataset, PublishedFile
from quality.standard import load_standard

if TYPE_CHECKING:
    from publication.card import Card
    from publication.vocabulary import FileFormat

SHAPES = ROOT.parent / "shared" / "standards" / "shacl"  # kept beside the checkout
SPDX = Namespace("http://spdx.org/rdf/terms#")
BASE = load_territory().base
WHEN = datetime(2026, 4, 1, 5, 30, 12, tzinfo=UTC)


def entry_of(card: Card) -> Entry:
    forms: tuple[FileFormat, ...] = ("csv", "parquet")
    files = tuple(
        PublishedFile(
            path=f"{card.folder}/{card.stem(table.name)}.{form}",
            table=table.name,
            format=form,
            sha256="ab" * 32,
            bytes=1234,
            rows=5,
            modified=WHEN,
        )
        for table in card.tables
        for form in forms
    )
    published = PublishedDataset(
        version=3,
        issued=WHEN,
        run_id="r",
        fingerprint="",
        days=(date(2026, 1, 1), date(2026, 3, 31)),
        files=files,
        audit=LastAudit(status="passed", checks=1, failed=()),
    )
    return Entry(card, load_standard(card.standard), published)


@pytest.fixture(scope="module")
def entries(cards: dict[str, Card]) -> list[Entry]:
    """The four datasets, one of them made a high-value dataset."""
    water = cards["eau-volumes-journaliers"]
    high_value = water.model_copy(update={"hvd_category": "c_dd313021"})
    return [entry_of(high_value if card is water else card) for card in cards.values()]


@pytest.fixture(scope="module")
def graph(entries: list[Entry]) -> Graph:
    return catalog.build(load_territory(), entries)


def test_the_three_forms_say_the_same(graph: Graph) -> None:
    files = catalog.serialise(graph)
    turtle = Graph().parse(data=files["catalog.ttl"], format="turtle")
    assert len(turtle) == len(graph)
    assert isomorphic(turtle, Graph().parse(data=files["catalog.rdf"], format="xml"))
    assert isomorphic(turtle, Graph().parse(data=files["catalog.jsonld"], format="json-ld"))


def test_bytes_do_not_depend_on_the_process() -> None:
    code = (
        "import hashlib, runpy, sys; from publication import catalog; from publication.card import load_cards\n"
        "from ingestion.territory import load_territory; entry_of = runpy.run_path(sys.argv[1])['entry_of']\n"
        "files = catalog.serialise(catalog.build(load_territory(), [entry_of(c) for c in load_cards()]))\n"
        "print([hashlib.sha256(files[n]).hexdigest() for n in sorted(files)])\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code, __file__],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_datasets_carry_what_harvesters_keep(graph: Graph, cards: dict[str, Card]) -> None:
    licence = URIRef("https://www.etalab.gouv.fr/licence-ouverte-open-licence")
    datasets = set(graph.subjects(RDF.type, DCAT.Dataset))
    assert datasets == {URIRef(f"{BASE}/id/dataset/{name}") for name in cards}
    assert set(graph.objects(URIRef(f"{BASE}/catalog"), DCAT.dataset)) == datasets
    for dataset in datasets:
        assert list(graph.objects(dataset, DCTERMS.identifier)) == [Literal(str(dataset))]
        for node in (dataset, *graph.objects(dataset, DCAT.distribution)):
            assert list(graph.objects(node, DCTERMS.license)) == [licence]
        frequency = str(graph.value(dataset, DCTERMS.accrualPeriodicity))
        assert frequency.startswith("http://publications.europa.eu/resource/authority/frequency/")
        period = graph.value(dataset, DCTERMS.temporal)
        assert graph.value(period, DCAT.startDate) == Literal("2026-01-01", datatype=XSD.date)
        polygons = [
            str(box) for place in graph.objects(dataset, DCTERMS.spatial) for box in graph.objects(place, DCAT.bbox)
        ]
        assert len(polygons) == 1
        assert re.fullmatch(r"POLYGON\(\((-?[\d.]+ -?[\d.]+,?){5}\)\)", polygons[0])
        keywords = list(graph.objects(dataset, DCAT.keyword))
        assert keywords
        assert all(re.fullmatch(r"[\w .-]{3,96}", str(keyword)) for keyword in keywords)


def test_the_bounding_box_holds_every_commune() -> None:
    corners = [
        tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", catalog.coverage(load_territory()))
    ]
    assert corners[0] == corners[-1]
    west, east = min(x for x, _ in corners), max(x for x, _ in corners)
    south, north = min(y for _, y in corners), max(y for _, y in corners)
    for commune in load_territory().communes:
        assert west < commune.longitude < east
        assert south < commune.latitude < north


def test_distributions_can_be_found_fetched_and_checked(graph: Graph) -> None:
    distributions = list(graph.subjects(RDF.type, DCAT.Distribution))
    assert distributions
    for node in distributions:
        download, access = graph.value(node, DCAT.downloadURL), graph.value(node, DCAT.accessURL)
        assert str(download).startswith(f"{BASE}/datasets/")
        assert download != access
        assert graph.value(node, DCAT.byteSize) == Literal("1234", datatype=XSD.nonNegativeInteger)
        checksum = graph.value(node, SPDX.checksum)
        assert graph.value(checksum, SPDX.checksumValue) == Literal("ab" * 32)
        assert graph.value(checksum, SPDX.algorithm) == SPDX.checksumAlgorithm_sha256
        assert graph.value(checksum, RDF.type) is None
        assert len(list(graph.objects(node, DCTERMS.conformsTo))) == 1


def test_only_a_csv_claims_the_national_schema(graph: Graph) -> None:
    def schema(name: str) -> str:
        node = URIRef(f"{BASE}/id/distribution/{name.split('/', maxsplit=1)[0]}/{name.split('/')[1]}")
        return str(graph.value(node, DCTERMS.conformsTo))

    national = "https://schema.data.gouv.fr/schemas/etalab/schema-lieux-covoiturage/0.3.1/schema.json"
    assert schema("lieux-covoiturage/lieux-covoiturage.csv") == national
    assert schema("lieux-covoiturage/lieux-covoiturage.parquet") == f"{BASE}/datasets/lieux-covoiturage/schema.json"
    own = f"{BASE}/datasets/comptages-mobilite/comptages-mobilite_site.schema.json"
    assert schema("comptages-mobilite/comptages-mobilite_site.parquet") == own


@pytest.mark.skipif(not SHAPES.is_dir(), reason="the SHACL shapes of DCAT-AP are not beside the checkout")
@pytest.mark.parametrize(
    ("shapes", "high_value_only", "known"),
    [
        ("dcat-ap-3.0.1/shapes.ttl", False, set()),
        ("dcat-ap-3.0.1/shapes_recommended.ttl", False, set()),
        # Harvesters lose a checksum typed spdx:Checksum and a format typed other than dct:IMT; these two ranges give way.
        ("dcat-ap-3.0.1/dcat-ap-SHACL.ttl", False, {SPDX.checksum, DCTERMS.format}),
        ("dcat-ap-hvd-3.0.0/hvd-SHACL-base.ttl", True, set()),
    ],
)
def test_shacl_shapes_find_no_violation(
    entries: list[Entry], shapes: str, high_value_only: bool, known: set[URIRef]
) -> None:
    from pyshacl import validate

    chosen = [entry for entry in entries if entry.card.hvd_category or not high_value_only]
    graph = catalog.build(load_territory(), chosen)
    _, report, text = validate(graph, shacl_graph=Graph().parse(SHAPES / shapes), do_owl_imports=False)
    assert isinstance(report, Graph)
    sh = Namespace("http://www.w3.org/ns/shacl#")
    paths = {report.value(result, sh.resultPath) for result in report.subjects(sh.resultSeverity, sh.Violation)}
    assert paths == known, text
