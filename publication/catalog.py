"""The DCAT catalogue: one graph, written as Turtle, RDF/XML and JSON-LD.

Belongs here: what harvesters (udata, CKAN, the European portal) need, in the forms they recognise. Does not: pages.

Several forms look odd and are not: they are what the harvesters' own code keeps. The licence is the Etalab IRI, the
frequency an `http://publications.europa.eu` IRI, the spatial coverage a WKT polygon without CRS, the checksum a plain
string on a node without a type. Identifiers hang on `base_url` and dataset ids alone, so they never move; blank nodes
have fixed labels and statements are added in a fixed order, so the same catalogue gives the same bytes.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from ingestion.contract import load_contracts
from publication.package import schema_file
from publication.vocabulary import (
    EU,
    FORMATS,
    HVD_CATEGORIES,
    HVD_LEGISLATION,
    HVD_SCHEME,
    PUBLISHER_TYPES,
    SCHEMES,
    THEMES,
    licence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rdflib import Graph, Namespace, URIRef
    from rdflib.term import Node

    from ingestion.territory import Territory
    from publication.state import Entry, PublishedFile

# Half the width of a commune here: the envelope of commune centres, grown by it, holds their area.
COVERAGE_MARGIN_DEG = 0.05

_NAMESPACES = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def build(territory: Territory, entries: Sequence[Entry]) -> Graph:
    """The catalogue's graph, datasets in the order given."""
    return _Catalogue(territory).describe(entries)


def serialise(graph: Graph) -> dict[str, bytes]:
    """The three files by name, the same bytes for the same graph."""
    return {
        "catalog.ttl": graph.serialize(format="turtle").encode(),
        "catalog.rdf": _rdf_xml(graph),
        "catalog.jsonld": _json_ld(graph),
    }


def _rdf_xml(graph: Graph) -> bytes:
    """RDF/XML in a fixed order: rdflib writes subjects as its store gives them, and only this store keeps an order."""
    from rdflib import Graph

    ordered = Graph(store="SimpleMemory", bind_namespaces="none")
    for prefix, iri in _NAMESPACES.items():
        ordered.bind(prefix, iri)
    for triple in sorted(graph, key=lambda triple: [term.n3() for term in triple]):
        ordered.add(triple)
    return ordered.serialize(format="xml", encoding="utf-8")


def _json_ld(graph: Graph) -> bytes:
    """JSON-LD with its context inside; nodes sorted, as rdflib gives them in the order of hashes."""
    context = {prefix: iri for prefix, iri in _NAMESPACES.items() if prefix != "rdf"}
    document = json.loads(graph.serialize(format="json-ld", context=context))
    document["@graph"].sort(key=lambda node: node["@id"])
    return (json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


def coverage(territory: Territory) -> str:
    """WKT polygon (longitude latitude, WGS84) of the area all datasets are about, counter-clockwise."""
    longitudes = [commune.longitude for commune in territory.communes]
    latitudes = [commune.latitude for commune in territory.communes]
    west, south = (math.floor((min(v) - COVERAGE_MARGIN_DEG) * 100) / 100 for v in (longitudes, latitudes))
    east, north = (math.ceil((max(v) + COVERAGE_MARGIN_DEG) * 100) / 100 for v in (longitudes, latitudes))
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return f"POLYGON(({','.join(f'{x} {y}' for x, y in corners)}))"


class _Catalogue:
    """Builds one graph; every method adds statements about one kind of thing."""

    def __init__(self, territory: Territory) -> None:
        from rdflib import Graph, Namespace, URIRef

        self.territory = territory
        self.graph = Graph(bind_namespaces="none")
        for prefix, iri in _NAMESPACES.items():
            self.graph.bind(prefix, iri)
        self.ns: dict[str, Namespace] = {prefix: Namespace(iri) for prefix, iri in _NAMESPACES.items()}
        self.terms = URIRef(licence(territory.licence).iri)
        self.french = URIRef(f"{EU}language/FRA")
        self.publisher = URIRef(f"{territory.base}/id/organisation")
        self.sources = {contract.id: contract.title for contract in load_contracts()}

    def describe(self, entries: Sequence[Entry]) -> Graph:
        """Add everything."""
        from rdflib import URIRef

        catalog = URIRef(f"{self.territory.base}/catalog")
        name = self.territory.name
        self._add(catalog, "dcat:Catalog", [
            ("dct:title", self._fr(f"Catalogue des données ouvertes de {name}")),
            ("dct:description", self._fr(
                f"Jeux de données publiés par {name} : chacun est contrôlé avant publication, décrit colonne par "
                "colonne et accompagné de son schéma."
            )),
            ("dct:publisher", self.publisher),
            ("dct:language", self.french),
            ("dct:license", self.terms),
            ("foaf:homepage", self._typed(f"{self.territory.base}/", "foaf:Document")),
            ("dcat:themeTaxonomy", self._scheme(f"{EU}data-theme")),
        ])  # fmt: skip
        if entries:
            self._add(catalog, None, [
                ("dct:issued", self._time(min(entry.published.issued for entry in entries))),
                ("dct:modified", self._time(max(entry.published.modified for entry in entries))),
            ])  # fmt: skip
        self._vocabulary()
        for entry in entries:
            self._add(catalog, None, [("dcat:dataset", self._dataset(entry))])
        return self.graph

    def _vocabulary(self) -> None:
        """The agents and codes that every dataset refers to, described in the page itself as harvesters need."""
        from rdflib import URIRef

        territory = self.territory
        self._add(self.publisher, "foaf:Agent", [
            ("rdf:type", self._iri("foaf:Organization")),
            ("foaf:name", self._fr(territory.name)),
            ("foaf:homepage", self._typed(str(territory.homepage), "foaf:Document")),
            ("foaf:mbox", URIRef(f"mailto:{territory.contact.email}")),
            ("dct:type", self._concept(
                "http://purl.org/adms/publishertype/LocalAuthority",
                PUBLISHER_TYPES,
                "Collectivité locale",
            )),
        ])  # fmt: skip
        self._typed(str(self.terms), "dct:LicenseDocument")
        self._typed(str(self.french), "dct:LinguisticSystem")
        self._typed(str(self._iri("spdx:checksumAlgorithm_sha256")), "spdx:ChecksumAlgorithm")

    def _dataset(self, entry: Entry) -> URIRef:
        """One dcat:Dataset and its distributions."""
        from rdflib import Literal, URIRef

        card, published, base = entry.card, entry.published, self.territory.base
        dataset = URIRef(f"{base}/id/dataset/{card.id}")
        self._add(dataset, "dcat:Dataset", [
            ("dct:identifier", Literal(str(dataset))),
            ("dct:title", self._fr(card.title)),
            ("dct:description", self._fr(card.description)),
            ("dct:publisher", self.publisher),
            ("dct:language", self.french),
            ("dct:license", self.terms),
            ("dct:accessRights", self._typed(f"{EU}access-right/PUBLIC", "dct:RightsStatement")),
            ("dct:accrualPeriodicity", self._typed(f"{EU}frequency/{card.frequency}", "dct:Frequency")),
            ("dct:issued", self._time(published.issued)),
            ("dct:modified", self._time(published.modified)),
            ("dct:provenance", self._node(f"{card.id}-provenance", "dct:ProvenanceStatement", [
                ("rdfs:label", self._fr(self._provenance(entry))),
            ])),
            ("dct:spatial", self._node(f"{card.id}-spatial", "dct:Location", [
                ("dcat:bbox", Literal(coverage(self.territory), datatype=self._iri("geo:wktLiteral"))),
            ])),
            ("dct:spatial", self._department()),
            ("dcat:contactPoint", self._node(f"{card.id}-contact", "vcard:Kind", [
                ("rdf:type", self._iri("vcard:Organization")),
                ("vcard:fn", self._fr(self.territory.contact.name)),
                ("vcard:hasEmail", URIRef(f"mailto:{self.territory.contact.email}")),
            ])),
            ("dcat:landingPage", self._typed(f"{base}/{card.folder}/", "foaf:Document")),
            ("dcat:theme", self._concept(f"{EU}data-theme/{card.theme}", f"{EU}data-theme", THEMES[card.theme])),
            ("dcat:version", Literal(str(published.version))),
            *(("dcat:keyword", self._fr(keyword)) for keyword in card.keywords),
            *self._temporal(entry),
            *self._high_value(entry),
            *(("dcat:distribution", self._distribution(entry, file)) for file in published.files),
        ])  # fmt: skip
        return dataset

    def _distribution(self, entry: Entry, file: PublishedFile) -> URIRef:
        """One dcat:Distribution: a file, where to get it, and how to check it."""
        from rdflib import Literal, URIRef

        card, base, form = entry.card, self.territory.base, FORMATS[file.format]
        node = URIRef(f"{base}/id/distribution/{card.id}/{file.name}")
        kind = self._typed(f"{EU}file-type/{form.eu}", "dct:IMT")
        self._add(kind, None, [("rdfs:label", Literal(form.eu))])
        size = Literal(str(file.bytes), datatype=self._iri("xsd:nonNegativeInteger"))
        self._add(node, "dcat:Distribution", [
            ("dct:identifier", Literal(str(node))),
            ("dct:title", self._fr(f"{entry.title(file)} ({form.label})")),
            ("dct:description", self._fr(f"{entry.description(file)} Format {form.label} : {form.use}.")),
            ("dct:language", self.french),
            ("dct:license", self.terms),
            ("dct:issued", self._time(entry.published.issued)),
            ("dct:modified", self._time(file.modified)),
            ("dct:format", kind),
            ("dct:conformsTo", self._conforms_to(entry, file)),
            ("dcat:mediaType", self._typed(
                f"https://www.iana.org/assignments/media-types/{form.media_type}", "dct:MediaType"
            )),
            ("dcat:accessURL", URIRef(f"{base}/{card.folder}/")),
            ("dcat:downloadURL", self._typed(f"{base}/{file.path}", "rdfs:Resource")),
            ("dcat:byteSize", size),
            ("dcatap:availability", self._concept(
                f"{EU}planned-availability/STABLE", f"{EU}planned-availability", "stable"
            )),
            ("spdx:checksum", self._node(f"{card.id}-checksum-{file.table or 'archive'}-{file.format}", None, [
                ("spdx:algorithm", self._iri("spdx:checksumAlgorithm_sha256")),
                ("spdx:checksumValue", Literal(file.sha256)),
            ])),
            *self._legislation(entry),
        ])  # fmt: skip
        return node

    def _conforms_to(self, entry: Entry, file: PublishedFile) -> URIRef:
        """Exactly one: the official schema for the format it describes, else our own schema file.

        Validators run the official schema on whatever claims it, and would fail on the other formats.
        """
        if entry.card.archive and not file.table:
            return self._typed(entry.card.archive.specification, "dct:Standard")
        official = entry.standard.schema_iri(file.table) if entry.standard.describes(file.format) else None
        own = f"{self.territory.base}/{entry.card.folder}/{schema_file(entry.card, file.table)}"
        return self._typed(official or own, "dct:Standard")

    def _temporal(self, entry: Entry) -> list[tuple[str, Node]]:
        from rdflib import Literal

        if entry.published.days is None:
            return []
        first, last = entry.published.days
        period = self._node(f"{entry.card.id}-temporal", "dct:PeriodOfTime", [
            ("dcat:startDate", Literal(first.isoformat(), datatype=self._iri("xsd:date"))),
            ("dcat:endDate", Literal(last.isoformat(), datatype=self._iri("xsd:date"))),
        ])  # fmt: skip
        return [("dct:temporal", period)]

    def _high_value(self, entry: Entry) -> list[tuple[str, Node]]:
        """High-value datasets say so twice: portals read the category from dcat:theme, validators from dcatap."""
        code = entry.card.hvd_category
        if code is None:
            return []
        category = self._concept(f"http://data.europa.eu/bna/{code}", HVD_SCHEME, HVD_CATEGORIES[code])
        return [("dcatap:hvdCategory", category), ("dcat:theme", category), *self._legislation(entry)]

    def _legislation(self, entry: Entry) -> list[tuple[str, Node]]:
        if entry.card.hvd_category is None:
            return []
        return [("dcatap:applicableLegislation", self._typed(HVD_LEGISLATION, "eli:LegalResource"))]

    def _department(self) -> URIRef:
        code = self.territory.department_code
        return self._typed(f"http://id.insee.fr/geo/departement/{code}", "dct:Location")

    def _scheme(self, iri: str) -> URIRef:
        """A vocabulary, with the title that DCAT-AP wants next to any reference to it."""
        scheme = self._typed(iri, "skos:ConceptScheme")
        self._add(scheme, None, [("dct:title", self._fr(SCHEMES[iri]))])
        return scheme

    def _provenance(self, entry: Entry) -> str:
        sources = ", ".join(self.sources.get(source, source) for source in entry.card.sources)
        return f"{' '.join(entry.card.methodology.split())} Sources : {sources}. Norme : {entry.standard.title}."

    # -- the small change of RDF

    def _iri(self, name: str) -> URIRef:
        prefix, local = name.split(":", 1)
        return self.ns[prefix][local]

    def _add(self, subject: Node, kind: str | None, facts: Sequence[tuple[str, Node]]) -> None:
        if kind is not None:
            self.graph.add((subject, self._iri("rdf:type"), self._iri(kind)))
        for predicate, value in facts:
            self.graph.add((subject, self._iri(predicate), value))

    def _node(self, label: str, kind: str | None, facts: Sequence[tuple[str, Node]]) -> Node:
        from rdflib import BNode

        node = BNode(f"n-{label}")
        self._add(node, kind, facts)
        return node

    def _typed(self, iri: str, kind: str) -> URIRef:
        from rdflib import URIRef

        node = URIRef(iri)
        self._add(node, kind, [])
        return node

    def _concept(self, iri: str, scheme: str, label: str) -> URIRef:
        node = self._typed(iri, "skos:Concept")
        self._add(node, None, [
            ("skos:inScheme", self._scheme(scheme)),
            ("skos:prefLabel", self._fr(label)),
        ])  # fmt: skip
        return node

    def _fr(self, text: str) -> Node:
        from rdflib import Literal

        return Literal(" ".join(text.split()), lang=self.territory.language)

    def _time(self, moment: datetime) -> Node:
        from rdflib import Literal

        return Literal(moment.isoformat(timespec="seconds"), datatype=self._iri("xsd:dateTime"))
