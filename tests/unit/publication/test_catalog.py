"""The catalogue: one graph in three notations, each rule of the harvesters, paging, and what validators ask for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import cycle, islice
from typing import TYPE_CHECKING

import pytest
from rdflib import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD, Graph, Literal, URIRef
from rdflib.compare import isomorphic

from ingestion.territory import load_territory
from lake.home import ROOT
from publication import catalog
from publication.card import load_cards
from publication.state import Entry, LastAudit, PublishedDataset, PublishedFile
from quality.standard import load_standard
from tests.fixtures.dcat import (
    BASE,
    CATALOG,
    DCATAP,
    HYDRA,
    NOTATIONS,
    SERVICE,
    SPDX,
    VCARD,
    harvest,
    needs_shapes,
    parse,
    violated,
)

if TYPE_CHECKING:
    from publication.card import Card
    from publication.vocabulary import FileFormat

SCHEMAS = ROOT.parent / "shared" / "standards" / "_catalogue" / "schemas.json"
EU = "http://publications.europa.eu/resource/authority/"
WHEN = datetime(2026, 4, 1, 5, 30, 12, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")


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


def many(count: int) -> list[Entry]:
    """As many entries as asked for, of the real cards over and over under ids of their own."""
    found = []
    for number, entry in enumerate(islice(cycle([entry_of(card) for card in load_cards()]), count)):
        card = entry.card.model_copy(update={"id": f"{entry.card.id}-{number}"})
        files = tuple(
            file.model_copy(update={"path": file.path.replace(entry.card.id, card.id)})
            for file in entry.published.files
        )
        found.append(replace(entry, card=card, published=entry.published.model_copy(update={"files": files})))
    return found


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    """Every card, one of them made a high-value dataset."""
    high = "eau-volumes-journaliers"
    return [
        entry_of(card.model_copy(update={"hvd_category": "c_dd313021"}) if card.id == high else card)
        for card in load_cards()
    ]


@pytest.fixture(scope="module")
def files(entries: list[Entry]) -> dict[str, bytes]:
    return catalog.files(load_territory(), entries)


@pytest.fixture(scope="module")
def graph(files: dict[str, bytes]) -> Graph:
    return parse(files, "catalog.ttl")


@pytest.fixture(scope="module")
def strict(files: dict[str, bytes]) -> Graph:
    return parse(files, "catalog-dcat-ap.ttl")


# notations and bytes -------------------------------------------------------------------------------------------------


def test_the_three_notations_say_the_same(files: dict[str, bytes], graph: Graph) -> None:
    assert set(files) == {"catalog.ttl", "catalog.rdf", "catalog.jsonld", "catalog-dcat-ap.ttl"}
    assert isomorphic(graph, parse(files, "catalog.rdf"))
    assert isomorphic(graph, parse(files, "catalog.jsonld"))


def test_json_ld_brings_its_context(files: dict[str, bytes]) -> None:
    document = json.loads(files["catalog.jsonld"])
    assert all(isinstance(value, str) for value in document["@context"].values())
    assert document["@context"]["dcat"] == str(DCAT)
    assert not [key for node in document["@graph"] for key in node if key.startswith("http")]


def test_bytes_do_not_depend_on_the_process() -> None:
    code = (
        "import hashlib, runpy, sys; from publication import catalog; from publication.card import load_cards\n"
        "from ingestion.territory import load_territory; entry_of = runpy.run_path(sys.argv[1])['entry_of']\n"
        "files = catalog.files(load_territory(), [entry_of(c) for c in load_cards()])\n"
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


# the catalogue and its datasets --------------------------------------------------------------------------------------


def test_the_catalogue_says_who_publishes_it(graph: Graph) -> None:
    for predicate in (DCTERMS.title, DCTERMS.description, DCTERMS.language, FOAF.homepage, DCTERMS.modified):
        assert len(list(graph.objects(CATALOG, predicate))) == 1, predicate
    publisher = graph.value(CATALOG, DCTERMS.publisher)
    assert graph.value(publisher, FOAF.name) == Literal(load_territory().name, lang="fr")


def test_every_dataset_has_one_identifier_its_own(graph: Graph, entries: list[Entry]) -> None:
    datasets = set(graph.subjects(RDF.type, DCAT.Dataset))
    assert datasets == {URIRef(f"{BASE}/id/dataset/{entry.card.id}") for entry in entries}
    assert set(graph.objects(CATALOG, DCAT.dataset)) == datasets
    for dataset in datasets:
        assert list(graph.objects(dataset, DCTERMS.identifier)) == [Literal(str(dataset))]


def test_titles_and_descriptions_are_french_and_long_enough(graph: Graph) -> None:
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        (title,), (description,) = graph.objects(dataset, DCTERMS.title), graph.objects(dataset, DCTERMS.description)
        assert isinstance(title, Literal)
        assert isinstance(description, Literal)
        assert title.language == description.language == "fr"
        assert len(description) > 100, dataset


def test_the_licence_is_the_one_that_is_recognised(graph: Graph) -> None:
    licence = URIRef("https://www.etalab.gouv.fr/licence-ouverte-open-licence")
    for kind in (DCAT.Catalog, DCAT.Dataset, DCAT.Distribution, DCAT.DataService):
        nodes = list(graph.subjects(RDF.type, kind))
        assert nodes
        assert all(list(graph.objects(node, DCTERMS.license)) == [licence] for node in nodes), kind


def test_coverage_in_time_and_space_has_the_forms_that_are_kept(graph: Graph) -> None:
    department = URIRef(f"http://id.insee.fr/geo/departement/{load_territory().department_code}")
    wkt = URIRef("http://www.opengis.net/ont/geosparql#wktLiteral")
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        period = graph.value(dataset, DCTERMS.temporal, any=False)
        assert not isinstance(period, URIRef)
        assert graph.value(period, DCAT.startDate) == Literal("2026-01-01", datatype=XSD.date)
        assert graph.value(period, DCAT.endDate) == Literal("2026-03-31", datatype=XSD.date)
        places = set(graph.objects(dataset, DCTERMS.spatial))
        assert department in places
        (box,) = (box for place in places for box in graph.objects(place, DCAT.bbox))
        assert isinstance(box, Literal)
        assert box.datatype == wkt
        assert re.fullmatch(r"POLYGON\(\((-?[\d.]+ -?[\d.]+,?){5}\)\)", str(box))


def test_frequency_theme_and_rights_are_european_codes(graph: Graph) -> None:
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        assert str(graph.value(dataset, DCTERMS.accrualPeriodicity, any=False)).startswith(f"{EU}frequency/")
        assert str(graph.value(dataset, DCTERMS.accessRights, any=False)) == f"{EU}access-right/PUBLIC"
        themes = list(graph.objects(dataset, DCAT.theme))
        assert any(str(theme).startswith(f"{EU}data-theme/") for theme in themes)
        assert all(graph.value(theme, SKOS.prefLabel) for theme in themes)


def test_whom_to_write_to_and_who_publishes_are_in_the_page(graph: Graph) -> None:
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        contact = graph.value(dataset, DCAT.contactPoint, any=False)
        assert graph.value(contact, VCARD.fn)
        assert str(graph.value(contact, VCARD.hasEmail)).startswith("mailto:")
        assert graph.value(graph.value(dataset, DCTERMS.publisher, any=False), FOAF.name)


def test_no_keyword_makes_ckan_refuse_a_dataset(graph: Graph) -> None:
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        keywords = list(graph.objects(dataset, DCAT.keyword))
        assert keywords
        assert all(re.fullmatch(r"[\w .-]{3,96}", str(keyword)) for keyword in keywords)


def test_the_rest_of_a_dataset_is_there(graph: Graph) -> None:
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        for predicate in (DCAT.landingPage, DCTERMS.issued, DCTERMS.modified, DCAT.version, DCTERMS.provenance):
            assert len(list(graph.objects(dataset, predicate))) == 1, (dataset, predicate)
        assert graph.value(graph.value(dataset, DCTERMS.provenance), RDFS.label)


def test_high_value_datasets_say_it_in_both_forms(graph: Graph) -> None:
    category = URIRef("http://data.europa.eu/bna/c_dd313021")
    law = URIRef("http://data.europa.eu/eli/reg_impl/2023/138/oj")
    dataset = URIRef(f"{BASE}/id/dataset/eau-volumes-journaliers")
    assert (dataset, DCATAP.hvdCategory, category) in graph
    assert (dataset, DCAT.theme, category) in graph
    for node in (dataset, *graph.objects(dataset, DCAT.distribution)):
        assert (node, DCATAP.applicableLegislation, law) in graph
    other = URIRef(f"{BASE}/id/dataset/lieux-covoiturage")
    assert graph.value(other, DCATAP.applicableLegislation) is None


def test_no_statement_that_breaks_a_harvester(graph: Graph) -> None:
    assert not [p for p in graph.predicates() if str(p).startswith("http://www.w3.org/ns/prov#")]
    assert not list(graph.subject_objects(DCAT.accessService)), "data.gouv.fr would leave the service out"


# what it is about ----------------------------------------------------------------------------------------------------


def corners(polygon: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split() for pair in re.findall(r"[\d.]+ [\d.]+", polygon))]


def test_the_bounding_box_holds_every_commune() -> None:
    ring = corners(catalog.coverage(load_territory()))
    assert ring[0] == ring[-1]
    for commune in load_territory().communes:
        assert min(x for x, _ in ring) < commune.longitude < max(x for x, _ in ring)
        assert min(y for _, y in ring) < commune.latitude < max(y for _, y in ring)


def test_the_bounding_box_is_that_of_the_contours_when_they_are_known() -> None:
    area = catalog.Box(3.001285, 46.87574, 3.268462, 47.132216)
    assert catalog.coverage(load_territory(), area) == (
        "POLYGON((3.001 46.875,3.269 46.875,3.269 47.133,3.001 47.133,3.001 46.875))"
    )


# distributions -------------------------------------------------------------------------------------------------------


def test_distributions_can_be_found_fetched_and_checked(graph: Graph) -> None:
    distributions = list(graph.subjects(RDF.type, DCAT.Distribution))
    assert distributions
    for node in distributions:
        download, access = graph.value(node, DCAT.downloadURL), graph.value(node, DCAT.accessURL)
        assert str(download).startswith(f"{BASE}/datasets/")
        assert download != access
        assert graph.value(node, DCTERMS.title)
        assert graph.value(node, DCTERMS.description)
        assert graph.value(node, DCAT.byteSize) == Literal("1234", datatype=XSD.nonNegativeInteger)
        assert str(graph.value(node, DCAT.mediaType)).startswith("https://www.iana.org/assignments/media-types/")
        kind = graph.value(node, DCTERMS["format"], any=False)
        assert str(kind).startswith(f"{EU}file-type/")
        assert (kind, RDF.type, DCTERMS.IMT) in graph
        assert graph.value(kind, RDFS.label) == Literal(str(kind).rsplit("/", 1)[-1])


def test_a_checksum_has_the_one_form_that_is_kept(graph: Graph) -> None:
    for node in graph.subjects(RDF.type, DCAT.Distribution):
        checksum = graph.value(node, SPDX.checksum, any=False)
        assert graph.value(checksum, SPDX.checksumValue) == Literal("ab" * 32)
        assert graph.value(checksum, SPDX.algorithm) == SPDX.checksumAlgorithm_sha256
        assert graph.value(checksum, RDF.type) is None


def test_only_a_csv_claims_the_national_schema(graph: Graph) -> None:
    for node in graph.subjects(RDF.type, DCAT.Distribution):
        (schema,) = graph.objects(node, DCTERMS.conformsTo)
        national = r"https://schema\.data\.gouv\.fr/schemas/[^/]+/[^/]+/\d+\.\d+\.\d+/[\w-]+\.(json|yml)"
        assert str(schema).startswith(f"{BASE}/") or re.fullmatch(national, str(schema)) or "gtfs" in str(schema)

    def schema_of(name: str) -> str:
        return str(graph.value(URIRef(f"{BASE}/id/distribution/{name}"), DCTERMS.conformsTo))

    national = "https://schema.data.gouv.fr/schemas/etalab/schema-lieux-covoiturage/0.3.1/schema.json"
    assert schema_of("lieux-covoiturage/lieux-covoiturage.csv") == national
    assert schema_of("lieux-covoiturage/lieux-covoiturage.parquet") == f"{BASE}/datasets/lieux-covoiturage/schema.json"
    own = f"{BASE}/datasets/comptages-mobilite/comptages-mobilite_site.schema.json"
    assert schema_of("comptages-mobilite/comptages-mobilite_site.parquet") == own


@pytest.mark.skipif(not SCHEMAS.is_file(), reason="the national list of schemas is not beside the checkout")
def test_claimed_schemas_are_in_the_national_list(graph: Graph) -> None:
    """data.gouv.fr recognises a schema when its address is that of the list, to the letter."""
    listed = {v["schema_url"] for schema in json.loads(SCHEMAS.read_text())["schemas"] for v in schema["versions"]}
    claimed = {str(o) for o in graph.objects(None, DCTERMS.conformsTo) if "schema.data.gouv.fr" in str(o)}
    assert claimed
    assert claimed <= listed


# the data API --------------------------------------------------------------------------------------------------------


def test_the_data_api_is_described(graph: Graph) -> None:
    assert list(graph.objects(CATALOG, DCAT.service)) == [SERVICE]
    assert graph.value(SERVICE, DCTERMS.identifier) == Literal(str(SERVICE))
    assert graph.value(SERVICE, DCAT.endpointURL) == URIRef(f"{BASE}/api/")
    assert graph.value(SERVICE, DCAT.endpointDescription) == URIRef(f"{BASE}/api/openapi.json")
    assert set(graph.objects(SERVICE, DCAT.servesDataset)) == set(graph.subjects(RDF.type, DCAT.Dataset))
    assert graph.value(graph.value(SERVICE, DCTERMS.publisher), FOAF.name)
    assert graph.value(graph.value(SERVICE, DCAT.contactPoint), VCARD.hasEmail)


# pages ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paged(entries: list[Entry]) -> dict[str, bytes]:
    return catalog.files(load_territory(), entries, page_datasets=15)


def test_every_notation_leads_through_all_datasets_once(paged: dict[str, bytes], entries: list[Entry]) -> None:
    ids = [f"{BASE}/id/dataset/{entry.card.id}" for entry in entries]
    for first in ("catalog.ttl", "catalog.rdf", "catalog.jsonld", "catalog-dcat-ap.ttl"):
        stem, ending = first.split(".")
        pages = list(harvest(paged, first))
        assert [name for name, _ in pages] == [first, f"{stem}-2.{ending}", f"{stem}-3.{ending}"]
        found = [
            str(page.value(d, DCTERMS.identifier)) for _, page in pages for d in page.subjects(RDF.type, DCAT.Dataset)
        ]
        assert sorted(found) == ids, first
        assert [len(list(page.objects(CATALOG, DCAT.dataset))) for _, page in pages] == [15, 15, len(ids) - 30]


def test_pages_know_their_neighbours(paged: dict[str, bytes], entries: list[Entry]) -> None:
    def links(number: str) -> dict[str, str]:
        page = parse(paged, f"catalog{number}.ttl")
        view = page.value(CATALOG, HYDRA.view, any=False)
        assert view == URIRef(f"{BASE}/catalog{number}.ttl")
        assert (CATALOG, RDF.type, HYDRA.Collection) in page
        assert page.value(CATALOG, HYDRA.totalItems) == Literal(len(entries))
        return {str(p).removeprefix(str(HYDRA)): str(o).removeprefix(f"{BASE}/") for p, o in page.predicate_objects(view)
                if p != RDF.type}  # fmt: skip

    ends = {"first": "catalog.ttl", "last": "catalog-3.ttl"}
    assert links("") == ends | {"next": "catalog-2.ttl"}
    assert links("-2") == ends | {"previous": "catalog.ttl", "next": "catalog-3.ttl"}
    assert links("-3") == ends | {"previous": "catalog-2.ttl"}


def test_notations_of_a_page_differ_by_the_ending_of_its_links_alone(paged: dict[str, bytes]) -> None:
    for number in ("", "-2", "-3"):
        turtle = parse(paged, f"catalog{number}.ttl")
        for ending in ("rdf", "jsonld"):
            name = f"catalog{number}.{ending}"
            renamed = re.sub(rf"(/catalog(-\d)?)\.{ending}\b".encode(), rb"\1.ttl", paged[name])
            assert isomorphic(turtle, parse({name: renamed}, name)), name


def test_each_page_can_be_read_alone(paged: dict[str, bytes]) -> None:
    """What a page refers to is described in it: publisher, contact, codes."""
    for name, page in harvest(paged, "catalog.ttl"):
        assert page.value(CATALOG, DCTERMS.title)
        for dataset in page.subjects(RDF.type, DCAT.Dataset):
            assert page.value(page.value(dataset, DCTERMS.publisher), FOAF.name), name
            assert page.value(page.value(dataset, DCTERMS.accessRights), RDF.type), name
            assert all(page.value(theme, SKOS.prefLabel) for theme in page.objects(dataset, DCAT.theme)), name


def test_the_service_is_on_one_page_with_the_identifiers_of_all_datasets(
    paged: dict[str, bytes], entries: list[Entry]
) -> None:
    """data.gouv.fr finds served datasets by identifier, in the page; a bare dcat:Dataset would be one more to CKAN."""
    first, *others = [page for _, page in harvest(paged, "catalog.ttl")]
    assert not [page for page in others if (None, RDF.type, DCAT.DataService) in page]
    served = list(first.objects(SERVICE, DCAT.servesDataset))
    assert len(served) == len(entries)
    assert all(first.value(dataset, DCTERMS.identifier) == Literal(str(dataset)) for dataset in served)
    assert len(set(first.subjects(RDF.type, DCAT.Dataset))) == 15


def test_a_page_too_large_is_split(entries: list[Entry]) -> None:
    whole = catalog.files(load_territory(), entries)
    limit = max(map(len, whole.values())) // 2
    smaller = catalog.files(load_territory(), entries, page_bytes=limit)
    assert max(map(len, smaller.values())) <= limit
    assert sum(1 for name in smaller if name.endswith(".rdf")) > 2


def test_two_thousand_datasets_take_less_than_ten_seconds() -> None:
    """All notations, paged. Processor time: what else runs on the machine does not count."""
    entries = many(2000)
    started = time.process_time()
    files = catalog.files(load_territory(), entries)
    assert time.process_time() - started < 10
    assert max(map(len, files.values())) < catalog.PAGE_BYTES
    assert sorted(name for name in files if name.endswith(".ttl") and "dcat-ap" not in name) == [
        "catalog-2.ttl", "catalog-3.ttl", "catalog-4.ttl", "catalog.ttl",
    ]  # fmt: skip
    assert {name.rsplit(".", 1)[-1] for name in files} == set(NOTATIONS)
    last = parse(files, "catalog-4.ttl")
    assert len(set(last.objects(CATALOG, DCAT.dataset))) == len(set(last.subjects(RDF.type, DCAT.Dataset))) == 500


def test_the_catalogue_changes_when_a_dataset_comes_or_goes(entries: list[Entry]) -> None:
    files = catalog.files(load_territory(), entries, listed_since=WHEN.replace(day=9))
    page = parse(files, "catalog.ttl")
    assert page.value(CATALOG, DCTERMS.modified) == Literal("2026-04-09T05:30:12+00:00", datatype=XSD.dateTime)


# validators ----------------------------------------------------------------------------------------------------------


def test_the_strict_file_differs_by_types_and_schemes_alone(graph: Graph, strict: Graph) -> None:
    for node in strict.subjects(RDF.type, DCAT.Distribution):
        checksum = strict.value(node, SPDX.checksum)
        assert (checksum, RDF.type, SPDX.Checksum) in strict
        assert strict.value(checksum, SPDX.checksumValue) == Literal("ab" * 32, datatype=XSD.hexBinary)
    for page in (graph, strict):
        page.remove((None, SPDX.checksumValue, None))
        page.remove((None, RDF.type, SPDX.Checksum))
        page.remove((None, RDF.type, DCTERMS.MediaTypeOrExtent))
        page.remove((None, SKOS.inScheme, None))
    assert isomorphic(graph, strict)


@needs_shapes
@pytest.mark.parametrize(
    ("name", "shapes", "known"),
    [
        ("catalog.ttl", "dcat-ap-3.0.1/shapes.ttl", set()),
        ("catalog.ttl", "dcat-ap-3.0.1/shapes_recommended.ttl", set()),
        # Harvesters lose a checksum typed spdx:Checksum and a format typed other than dct:IMT.
        ("catalog.ttl", "dcat-ap-3.0.1/dcat-ap-SHACL.ttl", {SPDX.checksum, DCTERMS["format"]}),
        ("catalog-dcat-ap.ttl", "dcat-ap-3.0.1/dcat-ap-SHACL.ttl", set()),
        ("catalog-dcat-ap.ttl", "dcat-ap-3.0.1/range.ttl", set()),
        # These want the algorithm under https, which is not the namespace of SPDX.
        ("catalog-dcat-ap.ttl", "dcat-ap-3.0.1/mdr-vocabularies.shape.ttl", {SPDX.algorithm}),
    ],
)
def test_shacl_finds_no_violation(files: dict[str, bytes], name: str, shapes: str, known: set[URIRef]) -> None:
    assert violated(parse(files, name), shapes) == known


@needs_shapes
@pytest.mark.parametrize("shapes", ["hvd-SHACL-base.ttl", "hvd-SHACL-full.ttl"])
def test_shacl_for_high_value_datasets_finds_no_violation(entries: list[Entry], shapes: str) -> None:
    """These shapes take every dataset for one of high value, so they are asked of those alone."""
    chosen = [entry for entry in entries if entry.card.hvd_category]
    files = catalog.files(load_territory(), chosen)
    assert violated(parse(files, "catalog-dcat-ap.ttl"), f"dcat-ap-hvd-3.0.0/{shapes}") == set()


@needs_shapes
def test_shacl_accepts_every_page_alone(paged: dict[str, bytes]) -> None:
    for name, page in harvest(paged, "catalog.ttl"):
        assert violated(page, "dcat-ap-3.0.1/shapes.ttl") == set(), name
