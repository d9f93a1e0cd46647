"""The plain pages: an index, and one page per dataset, in French, without script or external resource.

Belongs here: what a page shows and how values are written in French. Does not: markup (templates/) or what is true.

Every time on a page comes from the manifest, none from the clock: rendering again gives the same bytes.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.contract import load_contracts
from publication.package import FORMULA_NOTE, schema_file
from publication.vocabulary import FIELD_TYPES, FORMATS, FREQUENCIES, THEMES, Licence, licence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from jinja2 import Environment

    from ingestion.territory import Territory
    from publication.state import Entry, LastAudit, PublishedFile, Tombstone
    from quality.standard import TableStandard

TEMPLATES = Path(__file__).resolve().parent / "templates"
PREVIEW_ROWS = 10

_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
# UCUM codes as people write them
_UNITS = {"m3": "m³", "deg": "°", "1": "sans unité", "Cel": "°C", "m3/h": "m³/h", "m3/km": "m³/km"}
_NARROW, _FIXED = "\u202f", "\u00a0"  # no-break spaces: between thousands, before a unit


@dataclass(frozen=True)
class Sheet:
    """One table on a dataset's page."""

    standard: TableStandard
    rows: int
    files: tuple[PublishedFile, ...]
    schema: str
    official: str | None
    preview: tuple[tuple[str, ...], ...]


def render(territory: Territory, entries: Sequence[Entry], locate: Callable[[PublishedFile], Path]) -> dict[str, bytes]:
    """Every page and the style sheet, by path in the tree. `locate` says where a data file is now."""
    environment = _environment(territory)
    shared: dict[str, Any] = {"territory": territory, "licence": licence(territory.licence)}
    index = environment.get_template("index.html.jinja").render(shared, root="", entries=entries)
    pages = {"index.html": index.encode(), "style.css": (TEMPLATES / "style.css").read_bytes()}
    sources = {contract.id: contract for contract in load_contracts()}
    dataset = environment.get_template("dataset.html.jinja")
    for entry in entries:
        html = dataset.render(
            shared,
            root="../../",
            entry=entry,
            sheets=[_sheet(entry, table.name, locate) for table in entry.card.tables],
            archives=[file for file in entry.published.files if not file.table],
            sources=[sources[name] for name in entry.card.sources if name in sources],
            formula_note=FORMULA_NOTE,
            linked_data=_linked_data(entry, territory, shared["licence"]),
        )
        pages[f"{entry.card.folder}/index.html"] = html.encode()
    return pages


def farewells(territory: Territory, left: Mapping[str, Tombstone]) -> dict[str, bytes]:
    """The page that stays at the address of a dataset that left: why, since when, and where it is now.

    A page, not an HTTP redirect: plain files cannot redirect, and a harvester that is redirected fails.
    """
    template = _environment(territory).get_template("tombstone.html.jinja")
    shared = {"territory": territory, "licence": licence(territory.licence), "root": "../../"}
    return {
        f"datasets/{name}/index.html": template.render(shared, tombstone=tombstone).encode()
        for name, tombstone in left.items()
    }


def _sheet(entry: Entry, name: str, locate: Callable[[PublishedFile], Path]) -> Sheet:
    files = tuple(file for file in entry.published.files if file.table == name)
    shown = next(file for file in files if file.format == "csv")
    standard = entry.standard.table(name)
    with locate(shown).open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, delimiter=standard.delimiter)
        preview = tuple(tuple(row) for row in islice(rows, 1, PREVIEW_ROWS + 1))
    return Sheet(
        standard=standard,
        rows=entry.published.rows(name),
        files=files,
        schema=schema_file(entry.card, name),
        official=entry.standard.schema_iri(name),
        preview=preview,
    )


def _environment(territory: Territory) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "day": french_day,
        "moment": lambda moment: french_moment(moment, territory),
        "size": french_size,
        "number": french_number,
        "french": french_text,
        "typed": lambda kind: FIELD_TYPES[kind],
        "unit": lambda unit: _UNITS.get(unit, unit),
        "format": lambda name: FORMATS[name],
        "frequency": lambda code: FREQUENCIES[code],
        "theme": lambda code: THEMES[code],
        "verdict": verdict_words,
        "first_sentence": lambda text: text.split(". ")[0].rstrip(".") + ".",
    }
    return environment


def french_day(day: date) -> str:
    """`1er mars 2026`."""
    number = "1er" if day.day == 1 else str(day.day)
    return f"{number}{_FIXED}{_MONTHS[day.month - 1]}{_FIXED}{day.year}"


def french_moment(moment: datetime, territory: Territory) -> str:
    """`1er mars 2026 à 06 h 14`, legal time of the territory."""
    local = moment.astimezone(territory.zone)
    return f"{french_day(local.date())} à {local:%H}{_FIXED}h{_FIXED}{local:%M}"


def french_number(value: int) -> str:
    """`12 345`."""
    return f"{value:,}".replace(",", _NARROW)


def french_text(text: str) -> str:
    """Prose set the French way: curved apostrophes, no line that begins with a colon or a closing guillemet."""
    text = text.replace("'", "\u2019").replace("« ", f"«{_FIXED}").replace(" »", f"{_FIXED}»")
    for mark in ":;?!":
        text = text.replace(f" {mark}", f"{_FIXED}{mark}")
    return text


def french_size(size: int) -> str:
    """Bytes as people read them: `812 octets`, `12,4 Ko`, `3,1 Mo` (powers of 1000)."""
    if size < 1000:
        return f"{size}{_FIXED}octets"
    value, unit = float(size), "octets"
    for unit in ("Ko", "Mo", "Go", "To"):  # noqa: B007 - read after the loop
        value /= 1000
        if value < 999.95:
            break
    return f"{value:.1f}".replace(".", ",") + f"{_FIXED}{unit}"


def verdict_words(audit: LastAudit) -> str:
    """The outcome of the last audit in a few words."""
    return {
        "passed": "Contrôlé, conforme",
        "warned": "Contrôlé, avec réserves",
        "failed": "Dernière version validée conservée",
    }[audit.status]


def _linked_data(entry: Entry, territory: Territory, terms: Licence) -> str:
    """schema.org Dataset, for search engines; safe inside a script element."""
    card, published, base = entry.card, entry.published, territory.base
    document: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": card.iri(base),
        "name": card.title,
        "description": card.description,
        "url": f"{base}/{card.folder}/",
        "identifier": card.iri(base),
        "version": str(published.version),
        "inLanguage": territory.language,
        "license": terms.iri,
        "keywords": list(card.keywords),
        "isAccessibleForFree": True,
        "datePublished": published.issued.isoformat(),
        "dateModified": published.modified.isoformat(),
        "creator": {"@type": "GovernmentOrganization", "name": territory.name, "url": str(territory.homepage)},
        "spatialCoverage": {"@type": "Place", "name": territory.name},
        "distribution": [
            {
                "@type": "DataDownload",
                "name": file.name,
                "encodingFormat": FORMATS[file.format].media_type,
                "contentUrl": f"{base}/{file.path}",
                "contentSize": f"{file.bytes} B",
                "sha256": file.sha256,
            }
            for file in published.files
        ],
    }
    if published.days is not None:
        document["temporalCoverage"] = "/".join(day.isoformat() for day in published.days)
    return json.dumps(document, ensure_ascii=False, indent=1).replace("<", "\\u003c")
