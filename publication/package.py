"""The files that describe a dataset's files: `schema.json` (Table Schema) and `datapackage.json` (Data Package).

Belongs here: their content. Does not: the columns themselves (quality/standard.py), the words for people
(dictionary.py) or the catalogue (catalog.py).

The descriptors are Data Package version 1, which the national validator, CKAN and frictionless read alike; version 2
adds nothing that is used here. A CSV cut by year is one tabular resource whose `path` is the list of its parts: the
specification gives a list no `bytes` and no `hash`, so they are told part by part in `parts`.

With one table, `schema.json` is its Table Schema. With several, each table has `<id>_<table>.schema.json`, and
`schema.json` is that of the first table, so that a tool which looks for the dataset's schema finds a valid one, with
one more member, `tables`, that maps every table to its own schema file.
"""

from __future__ import annotations

import hashlib
import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from publication import dictionary, geo
from publication.vocabulary import FORMATS, licence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingestion.territory import Territory
    from publication.card import Card
    from publication.state import Entry, PublishedFile
    from quality.standard import Standard

FORMULA_NOTE = (
    "Dans le CSV, un texte libre qui commence par =, @, + ou - est précédé d'une apostrophe, pour qu'aucun tableur ne "
    "l'exécute comme une formule ; les nombres et les numéros de téléphone ne le sont pas, et les fichiers Parquet et "
    "GeoJSON donnent le texte tel quel."
)
GEOPARQUET_NOTE = (
    f"GeoParquet {geo.VERSION} : aux colonnes de la norme s'ajoutent {geo.GEOMETRY} (WKB, WGS 84) et {geo.BBOX}, que "
    "les autres formats n'ont pas."
)
_DIALECT = {"lineTerminator": "\n", "quoteChar": '"', "doubleQuote": True, "header": True}


def schema_file(card: Card, table: str) -> str:
    """Name of the file that holds one table's schema."""
    return "schema.json" if len(card.tables) == 1 else f"{card.stem(table)}.schema.json"


def schemas(card: Card, standard: Standard) -> dict[str, bytes]:
    """Every schema file of a dataset, by name."""
    found = {schema_file(card, t.name): _table_schema(card, standard, t.name) for t in card.tables}
    if len(card.tables) > 1:
        main = _table_schema(card, standard, card.tables[0].name)
        found["schema.json"] = main | {"tables": {t.name: schema_file(card, t.name) for t in card.tables}}
    return {name: _dump(schema) for name, schema in found.items()}


def datapackage(entry: Entry, territory: Territory) -> bytes:
    """The dataset's `datapackage.json`: each file with its sha256, bytes and, for CSV, its schema."""
    card, published = entry.card, entry.published
    terms = licence(territory.licence)
    package: dict[str, Any] = {
        "profile": "data-package",
        "name": card.id,
        "id": card.iri(territory.base),
        "title": card.title,
        "description": card.description,
        "version": str(published.version),
        "created": published.issued.isoformat().replace("+00:00", "Z"),
        "homepage": f"{territory.base}/{card.folder}/",
        "keywords": list(card.keywords),
        "licenses": [{"name": territory.licence, "title": terms.title, "path": terms.iri}],
        "contributors": [
            {"title": territory.name, "role": "publisher", "path": str(territory.homepage)},
            {"title": card.owner, "role": "author", "organization": territory.name},
            {"title": territory.contact.name, "role": "maintainer", "email": territory.contact.email},
        ],
        "resources": [*_resources(entry), _dictionary(entry)],
    }
    return _dump(package)


def _resources(entry: Entry) -> Iterator[dict[str, Any]]:
    """One resource a file, or a table cut by year."""
    whole_or_cut = groupby(entry.published.files, key=lambda file: (file.table, file.format))
    for _, found in whole_or_cut:
        files = list(found)
        resource = _resource(entry, files[0])
        yield resource if not files[0].part else _cut(entry, resource, files)


def _cut(entry: Entry, resource: dict[str, Any], files: Sequence[PublishedFile]) -> dict[str, Any]:
    """The resource of a table in several files, from that of the first."""
    title = f"{entry.standard.table(files[0].table).title} ({FORMATS[files[0].format].label})"
    parts = [
        {"path": f.name, "part": f.part, "rows": f.rows, "bytes": f.bytes, "hash": f"sha256:{f.sha256}"} for f in files
    ]
    rest = {name: value for name, value in resource.items() if name not in ("bytes", "hash")}
    return rest | {"title": title, "path": [file.name for file in files], "parts": parts}


def _dictionary(entry: Entry) -> dict[str, Any]:
    content = dictionary.render(entry)
    return {
        "name": "dictionnaire",
        "path": dictionary.FILE,
        "title": "Dictionnaire des données (CSV)",
        "description": "Toutes les colonnes du jeu de données : nature, unité, contraintes, description, origine.",
        "format": "csv",
        "mediatype": "text/csv",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "profile": "tabular-data-resource",
        "type": "table",
        "encoding": "utf-8",
        "dialect": _DIALECT | {"delimiter": ","},
        "schema": dictionary.schema(),
    }


def _resource(entry: Entry, file: PublishedFile) -> dict[str, Any]:
    card, form = entry.card, FORMATS[file.format]
    stem = card.stem(file.table) if file.table else card.id
    resource: dict[str, Any] = {
        "name": stem if file.format == "csv" else f"{stem}-{file.format}",
        "path": file.name,
        "title": f"{entry.title(file)} ({form.label})",
        "description": entry.description(file),
        "format": file.format,
        "mediatype": form.media_type,
        "bytes": file.bytes,
        "hash": f"sha256:{file.sha256}",
    }
    if file.format == "parquet" and any(f.format == "geojson" and f.table == file.table for f in entry.published.files):
        resource["description"] += f" {GEOPARQUET_NOTE}"
    if file.format != "csv":
        # `type: file`: validators check bytes and hash, and do not try to read it as a table
        return resource | {"profile": "data-resource", "type": "file"}
    return resource | {
        "profile": "tabular-data-resource",
        "type": "table",
        "description": f"{entry.description(file)} {FORMULA_NOTE}",
        "encoding": "utf-8",
        "dialect": _DIALECT | {"delimiter": entry.standard.table(file.table).delimiter},
        "schema": _table_schema(card, entry.standard, file.table),
    }


def _table_schema(card: Card, standard: Standard, table: str) -> dict[str, Any]:
    """The standard's Table Schema, its foreign keys naming the resources of this data package."""
    schema = standard.table(table).table_schema(standard)
    keys = [
        key | {"reference": key["reference"] | {"resource": card.stem(key["reference"]["resource"])}}
        for key in schema.get("foreignKeys", [])
    ]
    return schema | ({"foreignKeys": keys} if keys else {})


def _dump(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
