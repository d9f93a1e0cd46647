"""The small change of RDF: collecting statements in order, and writing them in three notations.

Belongs here: prefixes, terms, Turtle, RDF/XML, JSON-LD. Does not: what a catalogue says (catalog.py).

Statements are kept by subject, in the order in which subjects and their facts were first given, and blank nodes have
the labels they are given: the same statements make the same bytes in any process.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, Triple, serialize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Subject = NamedNode | BlankNode
    Term = NamedNode | BlankNode | Literal

NAMESPACES = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


@cache
def iri(name: str) -> NamedNode:
    """The IRI of `prefix:local`."""
    prefix, local = name.split(":", 1)
    return NamedNode(NAMESPACES[prefix] + local)


def text(value: str, language: str) -> Literal:
    """Prose in one language, on one line."""
    return Literal(" ".join(value.split()), language=language)


def typed(value: str, datatype: str) -> Literal:
    """A value with its datatype, named by prefix."""
    return Literal(value, datatype=iri(datatype))


class Statements:
    """A graph under construction: what is said of each subject, each thing once."""

    def __init__(self) -> None:
        self._said: dict[Subject, dict[Triple, None]] = {}

    def __iter__(self) -> Iterator[Triple]:
        return chain.from_iterable(self._said.values())

    def add(self, subject: Subject, kind: str | None, facts: Sequence[tuple[str, Term]]) -> None:
        """Say `facts` of a subject, and what kind of thing it is."""
        said = self._said.setdefault(subject, {})
        if kind is not None:
            said[Triple(subject, iri("rdf:type"), iri(kind))] = None
        for predicate, value in facts:
            said[Triple(subject, iri(predicate), value)] = None

    def named(self, address: str, kind: str, facts: Sequence[tuple[str, Term]] = ()) -> NamedNode:
        """A thing with an IRI."""
        node = NamedNode(address)
        self.add(node, kind, facts)
        return node

    def blank(self, label: str, kind: str | None, facts: Sequence[tuple[str, Term]]) -> BlankNode:
        """A thing without one, under a label that is unique in the graph."""
        node = BlankNode(f"n-{label}")
        self.add(node, kind, facts)
        return node


def turtle(triples: Iterable[Triple]) -> bytes:
    """Turtle."""
    return serialize(triples, format=RdfFormat.TURTLE, prefixes=NAMESPACES) or b""


def rdf_xml(triples: Iterable[Triple]) -> bytes:
    """RDF/XML."""
    return serialize(triples, format=RdfFormat.RDF_XML, prefixes=NAMESPACES) or b""


def json_ld(triples: Iterable[Triple]) -> bytes:
    """JSON-LD with its context inside, a line per subject: no harvester has to fetch a context from elsewhere."""
    nodes = json.loads(serialize(triples, format=RdfFormat.JSON_LD) or b"[]")
    context = {prefix: address for prefix, address in NAMESPACES.items() if prefix != "rdf"}
    lines = ",\n".join(json.dumps(_compact(node), ensure_ascii=False) for node in nodes)
    return f'{{"@context": {json.dumps(context)},\n"@graph": [\n{lines}\n]}}\n'.encode()


def _compact(node: dict[str, object]) -> dict[str, object]:
    """A node with prefixed names for predicates; values stay as they are, which is valid compact JSON-LD too."""
    kind = NAMESPACES["rdf"] + "type"
    named = {_prefixed(key): value for key, value in node.items() if key != kind}
    kinds = node.get(kind)
    if isinstance(kinds, list):
        named["@type"] = [_prefixed(value["@id"]) for value in kinds]
    return named


@cache
def _prefixed(address: str) -> str:
    for prefix, namespace in NAMESPACES.items():
        if address.startswith(namespace):
            return f"{prefix}:{address.removeprefix(namespace)}"
    return address
