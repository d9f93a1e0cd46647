"""The DCAT catalogue: one graph, written as Turtle, RDF/XML and JSON-LD, page by page.

Belongs here: what harvesters (udata, CKAN, the European portal) need, in the forms they recognise. Does not: notations
(rdf.py), pages for people.

Several forms look odd and are not: they are what the harvesters' own code keeps. The licence is the Etalab IRI, the
frequency an `http://publications.europa.eu` IRI, the spatial coverage a WKT polygon without CRS, the checksum a plain
string on a node without a type. Validators want some of them otherwise, so the same statements leave a second time as
`catalog-dcat-ap.ttl`, in the forms of DCAT-AP. Identifiers hang on `base_url` and the first id a dataset had: they
never move, not even when it is renamed.

Past `PAGE_DATASETS` datasets the catalogue has several pages, `catalog.ttl`, `catalog-2.ttl` and so on. Each repeats
the catalogue, its publisher and the codes it uses, because a harvester reads one page at a time. The links between
pages alone differ from one notation to the next: they lead to pages in the same notation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pyoxigraph import Literal, NamedNode, Triple

from ingestion.contract import load_contracts
from publication import rdf
from publication.package import schema_file
from publication.rdf import Statements, iri, typed
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
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from ingestion.territory import Territory
    from publication.rdf import Term
    from publication.state import Entry, PublishedFile

# Harvesters hold a page in memory and have a limit for it.
PAGE_DATASETS = 500
PAGE_BYTES = 50_000_000
# Half the width of a commune here: the envelope of commune centres, grown by it, holds their area.
COVERAGE_MARGIN_DEG = 0.05
# Envelopes of contours are rounded outwards to about a hundred metres: a corrected vertex does not touch every dataset.
COVERAGE_STEPS_PER_DEG = 1000


class Box(NamedTuple):
    """An envelope in WGS84 degrees."""

    west: float
    south: float
    east: float
    north: float


def files(
    territory: Territory,
    entries: Sequence[Entry],
    *,
    area: Box | None = None,
    listed_since: datetime | None = None,
    page_datasets: int = PAGE_DATASETS,
    page_bytes: int = PAGE_BYTES,
) -> dict[str, bytes]:
    """Every file of the catalogue by name, datasets in the order given; the same bytes for the same arguments.

    Args:
        territory: who publishes.
        entries: the published datasets.
        area: what the territory covers; the surroundings of its communes' centres when it is not known.
        listed_since: when a dataset last came or went; the catalogue changed then too.
        page_datasets: most datasets on a page. Halved until no page is over `page_bytes`.
        page_bytes: size that no page may pass.
    """
    setting = _Setting.of(territory, entries, area, listed_since)
    count = max(1, math.ceil(len(entries) / page_datasets))
    written: dict[str, bytes] = {}
    for number in range(1, count + 1):
        listed = entries[(number - 1) * page_datasets : number * page_datasets]
        said = list(_Page(setting).describe(listed, with_service=number == 1))
        view = _View(f"{territory.base}/catalog", number, count, len(entries))
        written |= {
            view.file("catalog", "ttl"): rdf.turtle([*said, *view.links("catalog", "ttl")]),
            view.file("catalog", "rdf"): rdf.rdf_xml([*said, *view.links("catalog", "rdf")]),
            view.file("catalog", "jsonld"): rdf.json_ld([*said, *view.links("catalog", "jsonld")]),
            view.file("catalog-dcat-ap", "ttl"): rdf.turtle([*_strict(said), *view.links("catalog-dcat-ap", "ttl")]),
        }
        if page_datasets > 1 and max(map(len, written.values())) > page_bytes:
            return files(
                territory, entries, area=area, listed_since=listed_since,
                page_datasets=page_datasets // 2, page_bytes=page_bytes,
            )  # fmt: skip
    return written


def coverage(territory: Territory, area: Box | None = None) -> str:
    """WKT polygon (longitude latitude, WGS84) of the area all datasets are about, counter-clockwise."""
    steps = COVERAGE_STEPS_PER_DEG
    if area is None:
        longitudes = [commune.longitude for commune in territory.communes]
        latitudes = [commune.latitude for commune in territory.communes]
        margin, steps = COVERAGE_MARGIN_DEG, 100
        area = Box(min(longitudes) - margin, min(latitudes) - margin, max(longitudes) + margin, max(latitudes) + margin)
    west, south = (math.floor(value * steps) / steps for value in (area.west, area.south))
    east, north = (math.ceil(value * steps) / steps for value in (area.east, area.north))
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return f"POLYGON(({','.join(f'{x} {y}' for x, y in corners)}))"


def _strict(said: Iterable[Triple]) -> Iterator[Triple]:
    """The same statements with the types that DCAT-AP asks for and harvesters stumble over."""
    kind, value = iri("rdf:type"), iri("spdx:checksumValue")
    listed = {iri("skos:Concept"), iri("skos:ConceptScheme")}  # these have their scheme, or are one
    for triple in said:
        subject = triple.subject
        if triple.predicate == value and isinstance(triple.object, Literal):
            yield Triple(subject, kind, iri("spdx:Checksum"))
            yield Triple(subject, value, typed(triple.object.value, "xsd:hexBinary"))
        else:
            yield triple
        if triple.object == iri("dct:IMT"):
            yield Triple(subject, kind, iri("dct:MediaTypeOrExtent"))
        is_kind = triple.predicate == kind and triple.object not in listed
        if is_kind and isinstance(subject, NamedNode) and subject.value.startswith(EU):
            yield Triple(subject, iri("skos:inScheme"), NamedNode(subject.value.rsplit("/", 1)[0]))


@dataclass(frozen=True)
class _View:
    """Where one page stands among the others, in the terms of Hydra; a catalogue of one page says nothing of it."""

    catalog: str
    number: int
    count: int
    datasets: int

    def file(self, stem: str, ending: str, number: int | None = None) -> str:
        """Name of a page's file: the first has no number, so that the catalogue's address stays."""
        number = number or self.number
        return f"{stem}.{ending}" if number == 1 else f"{stem}-{number}.{ending}"

    def links(self, stem: str, ending: str) -> Statements:
        """Links to the neighbouring pages in the same notation: a harvester reads them all as it reads the first."""
        said = Statements()
        if self.count == 1:
            return said
        base = self.catalog.rsplit("/", 1)[0]
        linked = {"first": 1, "previous": self.number - 1, "next": self.number + 1, "last": self.count}
        view = said.named(f"{base}/{self.file(stem, ending)}", "hydra:PartialCollectionView", [
            (f"hydra:{name}", NamedNode(f"{base}/{self.file(stem, ending, number)}"))
            for name, number in linked.items() if 1 <= number <= self.count
        ])  # fmt: skip
        said.named(self.catalog, "hydra:Collection", [
            ("hydra:totalItems", typed(str(self.datasets), "xsd:integer")),
            ("hydra:view", view),
        ])  # fmt: skip
        return said


@dataclass(frozen=True)
class _Setting:
    """What all pages share."""

    territory: Territory
    entries: Sequence[Entry]
    polygon: str
    issued: datetime | None
    modified: datetime | None
    sources: Mapping[str, str]

    @classmethod
    def of(cls, territory: Territory, entries: Sequence[Entry], area: Box | None, since: datetime | None) -> _Setting:
        issued = [entry.published.issued for entry in entries]
        changes = [*(entry.published.modified for entry in entries), *([since] if since else [])]
        return cls(
            territory=territory,
            entries=entries,
            polygon=coverage(territory, area),
            issued=min(issued, default=None),
            modified=max(changes, default=None),
            sources={contract.id: contract.title for contract in load_contracts()},
        )


class _Page:
    """Builds one page; every method adds statements about one kind of thing."""

    def __init__(self, setting: _Setting) -> None:
        self.setting = setting
        self.territory = setting.territory
        self.said = Statements()
        self.terms = NamedNode(licence(self.territory.licence).iri)
        self.french = NamedNode(f"{EU}language/FRA")
        self.publisher = NamedNode(f"{self.territory.base}/id/organisation")

    def describe(self, listed: Sequence[Entry], *, with_service: bool) -> Statements:
        """The catalogue, the datasets of this page, and the codes they use."""
        territory, setting, name = self.territory, self.setting, self.territory.name
        catalog = self.said.named(f"{territory.base}/catalog", "dcat:Catalog", [
            ("dct:title", self._fr(f"Catalogue des données ouvertes de {name}")),
            ("dct:description", self._fr(
                f"Jeux de données publiés par {name} : chacun est contrôlé avant publication, décrit colonne par "
                "colonne et accompagné de son schéma."
            )),
            ("dct:publisher", self.publisher),
            ("dct:language", self.french),
            ("dct:license", self.terms),
            ("foaf:homepage", self.said.named(f"{territory.base}/", "foaf:Document")),
            ("dcat:themeTaxonomy", self._scheme(f"{EU}data-theme")),
            *(("dct:issued", _time(moment)) for moment in [setting.issued] if moment),
            *(("dct:modified", _time(moment)) for moment in [setting.modified] if moment),
        ])  # fmt: skip
        self._vocabulary()
        self.said.add(catalog, None, [("dcat:dataset", self._dataset(entry)) for entry in listed])
        if with_service:
            self.said.add(catalog, None, [("dcat:service", self._service())])
        return self.said

    def _service(self) -> NamedNode:
        """The data API, on the first page only: on every page, the last one read would be all of it.

        A dataset of another page is given by its identifier alone: data.gouv.fr looks for that, and a dcat:Dataset
        without a title would be a broken dataset to CKAN. No distribution names the service (dcat:accessService):
        data.gouv.fr would take the file for an API and leave the service out.
        """
        base = self.territory.base
        served = []
        for entry in self.setting.entries:
            dataset = NamedNode(entry.card.iri(base))
            self.said.add(dataset, None, [("dct:identifier", Literal(dataset.value))])
            served.append(dataset)
        categories = sorted({e.card.hvd_category for e in self.setting.entries if e.card.hvd_category is not None})
        address = f"{base}/id/service/api"
        return self.said.named(address, "dcat:DataService", [
            ("dct:identifier", Literal(address)),
            ("dct:title", self._fr(f"Interface de consultation des données de {self.territory.name}")),
            ("dct:description", self._fr(
                "Lecture de chaque table publiée, ligne à ligne, en JSON ou en CSV : profil, filtres, tri, "
                "pagination et agrégats, sans clé ni inscription."
            )),
            ("dct:publisher", self.publisher),
            ("dct:language", self.french),
            ("dct:license", self.terms),
            ("dct:accessRights", self.said.named(f"{EU}access-right/PUBLIC", "dct:RightsStatement")),
            ("dcat:contactPoint", self._contact("service")),
            ("dcat:endpointURL", self.said.named(f"{base}/api/", "rdfs:Resource")),
            ("dcat:endpointDescription", self.said.named(f"{base}/api/openapi.json", "rdfs:Resource")),
            ("foaf:page", self.said.named(f"{base}/", "foaf:Document")),
            *(("dcat:servesDataset", dataset) for dataset in served),
            *(fact for category in categories for fact in self._high_value(category)),
        ])  # fmt: skip

    def _vocabulary(self) -> None:
        """The agents and codes that every dataset refers to, described in the page itself as harvesters need."""
        territory, said = self.territory, self.said
        said.add(self.publisher, "foaf:Agent", [
            ("rdf:type", iri("foaf:Organization")),
            ("foaf:name", self._fr(territory.name)),
            ("foaf:homepage", said.named(str(territory.homepage), "foaf:Document")),
            ("foaf:mbox", NamedNode(f"mailto:{territory.contact.email}")),
            ("dct:type", self._concept(
                "http://purl.org/adms/publishertype/LocalAuthority",
                PUBLISHER_TYPES,
                "Collectivité locale",
            )),
        ])  # fmt: skip
        said.add(self.terms, "dct:LicenseDocument", [])
        said.add(self.french, "dct:LinguisticSystem", [])
        said.add(iri("spdx:checksumAlgorithm_sha256"), "spdx:ChecksumAlgorithm", [])

    def _dataset(self, entry: Entry) -> NamedNode:
        """One dcat:Dataset and its distributions."""
        card, published, base, said = entry.card, entry.published, self.territory.base, self.said
        address = card.iri(base)
        return said.named(address, "dcat:Dataset", [
            ("dct:identifier", Literal(address)),
            ("dct:title", self._fr(card.title)),
            ("dct:description", self._fr(card.description)),
            ("dct:publisher", self.publisher),
            ("dct:language", self.french),
            ("dct:license", self.terms),
            ("dct:accessRights", said.named(f"{EU}access-right/PUBLIC", "dct:RightsStatement")),
            ("dct:accrualPeriodicity", said.named(f"{EU}frequency/{card.frequency}", "dct:Frequency")),
            ("dct:issued", _time(published.issued)),
            ("dct:modified", _time(published.modified)),
            ("dct:provenance", said.blank(f"{card.id}-provenance", "dct:ProvenanceStatement", [
                ("rdfs:label", self._fr(self._provenance(entry))),
            ])),
            ("dct:spatial", said.blank(f"{card.id}-spatial", "dct:Location", [
                ("dcat:bbox", typed(self.setting.polygon, "geo:wktLiteral")),
            ])),
            ("dct:spatial", self._department()),
            ("dcat:contactPoint", self._contact(card.id)),
            ("dcat:landingPage", said.named(f"{base}/{card.folder}/", "foaf:Document")),
            ("dcat:theme", self._concept(f"{EU}data-theme/{card.theme}", f"{EU}data-theme", THEMES[card.theme])),
            ("dcat:version", Literal(str(published.version))),
            *(("dcat:keyword", self._fr(keyword)) for keyword in card.keywords),
            *self._temporal(entry),
            *(self._high_value(card.hvd_category) if card.hvd_category else ()),
            *(("dcat:distribution", self._distribution(entry, file)) for file in published.files),
        ])  # fmt: skip

    def _distribution(self, entry: Entry, file: PublishedFile) -> NamedNode:
        """One dcat:Distribution: a file, where to get it, and how to check it."""
        card, base, form, said = entry.card, self.territory.base, FORMATS[file.format], self.said
        address = f"{base}/id/distribution/{card.identity}/{card.identity_of(file.name)}"
        return said.named(address, "dcat:Distribution", [
            ("dct:identifier", Literal(address)),
            ("dct:title", self._fr(f"{entry.title(file)} ({form.label})")),
            ("dct:description", self._fr(f"{entry.description(file)} Format {form.label} : {form.use}.")),
            ("dct:language", self.french),
            ("dct:license", self.terms),
            ("dct:issued", _time(entry.published.issued)),
            ("dct:modified", _time(file.modified)),
            ("dct:format", said.named(f"{EU}file-type/{form.eu}", "dct:IMT", [("rdfs:label", Literal(form.eu))])),
            ("dct:conformsTo", self._conforms_to(entry, file)),
            ("dcat:mediaType", said.named(
                f"https://www.iana.org/assignments/media-types/{form.media_type}", "dct:MediaType"
            )),
            ("dcat:accessURL", said.named(f"{base}/{card.folder}/", "rdfs:Resource")),
            ("dcat:downloadURL", said.named(f"{base}/{file.path}", "rdfs:Resource")),
            ("dcat:byteSize", typed(str(file.bytes), "xsd:nonNegativeInteger")),
            ("dcatap:availability", self._concept(
                f"{EU}planned-availability/STABLE", f"{EU}planned-availability", "stable"
            )),
            ("spdx:checksum", said.blank(f"{card.id}-checksum-{file.name}", None, [
                ("spdx:algorithm", iri("spdx:checksumAlgorithm_sha256")),
                ("spdx:checksumValue", Literal(file.sha256)),
            ])),
            *(self._legislation() if card.hvd_category else ()),
        ])  # fmt: skip

    def _conforms_to(self, entry: Entry, file: PublishedFile) -> NamedNode:
        """Exactly one: the official schema for the format it describes, else our own schema file.

        Validators run the official schema on whatever claims it, and would fail on the other formats.
        """
        if entry.card.archive and not file.table:
            return self.said.named(entry.card.archive.specification, "dct:Standard")
        official = entry.standard.schema_iri(file.table) if entry.standard.describes(file.format) else None
        own = f"{self.territory.base}/{entry.card.folder}/{schema_file(entry.card, file.table)}"
        return self.said.named(official or own, "dct:Standard")

    def _temporal(self, entry: Entry) -> list[tuple[str, Term]]:
        if entry.published.days is None:
            return []
        first, last = entry.published.days
        period = self.said.blank(f"{entry.card.id}-temporal", "dct:PeriodOfTime", [
            ("dcat:startDate", typed(first.isoformat(), "xsd:date")),
            ("dcat:endDate", typed(last.isoformat(), "xsd:date")),
        ])  # fmt: skip
        return [("dct:temporal", period)]

    def _high_value(self, code: str) -> list[tuple[str, Term]]:
        """High-value datasets say so twice: portals read the category from dcat:theme, validators from dcatap."""
        category = self._concept(f"http://data.europa.eu/bna/{code}", HVD_SCHEME, HVD_CATEGORIES[code])
        return [("dcatap:hvdCategory", category), ("dcat:theme", category), *self._legislation()]

    def _legislation(self) -> list[tuple[str, Term]]:
        return [("dcatap:applicableLegislation", self.said.named(HVD_LEGISLATION, "eli:LegalResource"))]

    def _contact(self, label: str) -> Term:
        return self.said.blank(f"{label}-contact", "vcard:Kind", [
            ("rdf:type", iri("vcard:Organization")),
            ("vcard:fn", self._fr(self.territory.contact.name)),
            ("vcard:hasEmail", self.said.named(f"mailto:{self.territory.contact.email}", "rdfs:Resource")),
        ])  # fmt: skip

    def _department(self) -> NamedNode:
        return self.said.named(f"http://id.insee.fr/geo/departement/{self.territory.department_code}", "dct:Location")

    def _scheme(self, address: str) -> NamedNode:
        """A vocabulary, with the title that DCAT-AP wants next to any reference to it."""
        return self.said.named(address, "skos:ConceptScheme", [("dct:title", self._fr(SCHEMES[address]))])

    def _concept(self, address: str, scheme: str, label: str) -> NamedNode:
        return self.said.named(address, "skos:Concept", [
            ("skos:inScheme", self._scheme(scheme)),
            ("skos:prefLabel", self._fr(label)),
        ])  # fmt: skip

    def _provenance(self, entry: Entry) -> str:
        sources = ", ".join(self.setting.sources.get(source, source) for source in entry.card.sources)
        return f"{' '.join(entry.card.methodology.split())} Sources : {sources}. Norme : {entry.standard.title}."

    def _fr(self, words: str) -> Literal:
        return rdf.text(words, self.territory.language)


def _time(moment: datetime) -> Literal:
    return typed(moment.isoformat(timespec="seconds"), "xsd:dateTime")
