"""The pages for people: a home to search from, one page per dataset, the state of all, and what the law asks for.

Belongs here: which pages there are and what each is given to show. Does not: markup (templates/), the written form of
values (french.py), pictures (facts.py), documents for programs (schema_org.py, feeds.py).

In French, without an external resource; script.js makes them better and none needs it. Every time on a page comes from
the manifest or the lake's own records, none from the clock: rendering again gives the same bytes.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from ingestion.contract import SourceContract, load_contracts
from publication import french
from publication.feeds import feeds
from publication.package import FORMULA_NOTE, schema_file
from publication.schema_org import linked_data
from publication.vocabulary import FIELD_TYPES, FORMATS, FREQUENCIES, THEMES, licence

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Environment

    from ingestion.territory import Territory
    from publication.card import Card
    from publication.facts import Facts
    from publication.history import Memory
    from publication.state import Entry, PublishedFile, Tombstone
    from quality.standard import TableStandard

TEMPLATES = Path(__file__).resolve().parent / "templates"
PREVIEW_ROWS = 10
PREVIEW_TEXT = 90  # characters of a cell: a geometry may have a hundred thousand
# A list of more datasets than this is too heavy for a phone: themes have pages of their own then.
LIST_LENGTH = 120
STATUS_ROWS = 240
ASSETS = ("style.css", "script.js")

_LAYERS = {
    "staging": "Lecture des fichiers reçus",
    "conformed": "Mise en commun dans un même modèle",
    "marts": "Calculs",
    "opendata": "Mise en forme selon la norme",
}


@dataclass(frozen=True)
class Portal:
    """What all pages share: the datasets listed, all cards (some may wait for a first version), model steps."""

    territory: Territory
    entries: Sequence[Entry]
    cards: Sequence[Card]
    steps: Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Sheet:
    """One table on a dataset's page."""

    standard: TableStandard
    stem: str
    rows: int
    files: tuple[PublishedFile, ...]
    schema: str
    official: str | None
    preview: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Source:
    """A source on a dataset's page, with the files received before the version shown was made."""

    contract: SourceContract
    files: int
    last: Any


def render(
    portal: Portal, memory: Memory, facts: Mapping[str, Facts], locate: Callable[[PublishedFile], Path]
) -> dict[str, bytes]:
    """Every page and what it loads, by path in the tree. `locate` says where a data file is now."""
    environment = _environment(portal.territory)
    folders = {"": "index", "accessibilite/": "accessibility", "mentions-legales/": "legal"}
    shared = _shared(portal)
    pages = {
        f"{folder}index.html": _page(environment, name, shared, "../" * folder.count("/"))
        for folder, name in folders.items()
    }
    lists = _themes(environment, shared) | _status(environment, shared)
    # served for any address: its links cannot be relative
    pages["404.html"] = _page(environment, "404", shared, f"{urlsplit(portal.territory.base).path}/")
    for entry in portal.entries:
        seen = _dataset(portal, entry, memory, facts.get(entry.card.id), locate)
        pages[f"{entry.card.folder}/index.html"] = _page(environment, "dataset", shared | seen, "../../")
    pages |= {name: (TEMPLATES / name).read_bytes() for name in ASSETS}
    pages["search.json"] = _search_index(portal, facts, is_long=shared["is_long"])
    return (
        pages
        | lists
        | feeds(portal.territory, portal.entries, [*folders, *(p.removesuffix("index.html") for p in lists)])
    )


def _page(environment: Environment, name: str, values: dict[str, Any], root: str) -> bytes:
    return environment.get_template(f"{name}.html.jinja").render(values, root=root).encode()


# lists --------------------------------------------------------------------------------------------------------------


def _shared(portal: Portal) -> dict[str, Any]:
    """What every page may show."""
    listed = {entry.card.id for entry in portal.entries}
    ordered = sorted(portal.entries, key=lambda e: (fold(THEMES[e.card.theme]), fold(e.card.title)))
    themes = {theme: list(found) for theme, found in groupby(ordered, key=lambda entry: entry.card.theme)}
    files = [file for entry in portal.entries for file in entry.published.files]
    return {
        "territory": portal.territory,
        "licence": licence(portal.territory.licence),
        "entries": portal.entries,
        "waiting": [card for card in portal.cards if card.id not in listed],
        "themes": themes,
        "is_long": len(portal.entries) > LIST_LENGTH,
        "formats": sorted({file.format for file in files}),
        "rows": sum(file.rows for file in files if file.format == "csv"),
        "newest": max((entry.published.modified for entry in portal.entries), default=None),
        "counts": {
            status: sum(entry.published.audit.status == status for entry in portal.entries)
            for status in ("passed", "warned", "failed")
        },
    }


def _status(environment: Environment, shared: dict[str, Any]) -> dict[str, bytes]:
    """The state of all datasets, those whose updates are refused first, on as many pages as it takes."""
    ordered = sorted(shared["entries"], key=lambda e: (e.published.audit.status != "failed", fold(e.card.title)))
    parts = [ordered[start : start + STATUS_ROWS] for start in range(0, len(ordered), STATUS_ROWS)] or [[]]
    found = {}
    for number, part in enumerate(parts, 1):
        folder = f"etat/{number}/" if number > 1 else "etat/"
        values = shared | {"part": part, "number": number, "pages": len(parts)}
        found[f"{folder}index.html"] = _page(environment, "status", values, "../" * folder.count("/"))
    return found


def _themes(environment: Environment, shared: dict[str, Any]) -> dict[str, bytes]:
    """Pages of each theme, when the home cannot list every dataset."""
    if not shared["is_long"]:
        return {}
    found = {}
    for theme, entries in shared["themes"].items():
        parts = [entries[start : start + LIST_LENGTH] for start in range(0, len(entries), LIST_LENGTH)]
        for number, part in enumerate(parts, 1):
            folder = f"themes/{theme.lower()}/" + (f"{number}/" if number > 1 else "")
            values = shared | {"theme": theme, "part": part, "number": number, "pages": len(parts)}
            found[f"{folder}index.html"] = _page(environment, "theme", values, "../" * folder.count("/"))
    return found


def _search_index(portal: Portal, facts: Mapping[str, Facts], *, is_long: bool) -> bytes:
    """What script.js searches in: words without accents, and what a result shows; less of each when there are many."""
    rows = []
    for entry in portal.entries:
        card = entry.card
        words = " ".join([card.title, *card.keywords, THEMES[card.theme], card.owner, card.id])
        words += "" if is_long else f" {card.description}"
        rows.append(
            {
                "id": card.id,
                "title": french.french_text(card.title),
                "text": "" if is_long else french.french_text(french.first_sentence(card.description)),
                "words": " ".join(dict.fromkeys(re.findall(r"\w+", fold(words)))),
                "theme": card.theme,
                "communes": facts[card.id].communes if card.id in facts else (),
                "formats": list(dict.fromkeys(file.format for file in entry.published.files)),
            }
        )
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def fold(text: str) -> str:
    """Lower case, without accents: as script.js folds what is typed."""
    apart = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


# one dataset --------------------------------------------------------------------------------------------------------


def _dataset(
    portal: Portal, entry: Entry, memory: Memory, facts: Facts | None, locate: Callable[[PublishedFile], Path]
) -> dict[str, Any]:
    """What a dataset's page shows besides what all share."""
    card = entry.card
    sheets = [_sheet(entry, table.name, locate) for table in card.tables]
    contracts = {contract.id: contract for contract in load_contracts()}
    receipts = memory.receipts.get(card.id, {})
    return {
        "entry": entry,
        "sheets": sheets,
        "archives": [file for file in entry.published.files if not file.table],
        "sources": [
            Source(contracts[name], *((r.files, r.last) if (r := receipts.get(name)) else (0, None)))
            for name in card.sources
            if name in contracts
        ],
        "steps": _steps(portal, card),
        "events": memory.events.get(card.id, ()),
        "thresholds": _thresholds(card),
        "facts": facts,
        "query": _query(portal.territory, entry, max(sheets, key=lambda sheet: sheet.rows)),
        "formula_note": FORMULA_NOTE,
        "linked_data": linked_data(entry, portal.territory, facts),
    }


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
        preview = tuple(tuple(map(_clipped, row)) for row in islice(rows, 1, PREVIEW_ROWS + 1))
    return Sheet(
        standard=standard,
        stem=entry.card.stem(name),
        rows=entry.published.rows(name),
        files=files,
        schema=schema_file(entry.card, name),
        official=entry.standard.schema_iri(name),
        preview=preview,
    )


def _clipped(cell: str) -> str:
    return cell if len(cell) <= PREVIEW_TEXT else f"{cell[:PREVIEW_TEXT].rstrip()}…"


def _steps(portal: Portal, card: Card) -> dict[str, list[str]]:
    """Models on the way to the dataset's tables, by what each layer is for."""
    found: dict[str, list[str]] = {label: [] for label in _LAYERS.values()}
    for table in card.tables:
        for layer, name in portal.steps.get(table.model, ()):
            if name not in found[_LAYERS[layer]]:
                found[_LAYERS[layer]].append(name)
    return {label: names for label, names in found.items() if names}


def _thresholds(card: Card) -> list[str]:
    """The limits an update must keep to, in words."""
    rules = card.rules
    told = [
        f"Au moins {french.plural(rules.min_rows, 'ligne')}.",
        f"Pas plus de {rules.max_drop_share:.0%} de lignes en moins que la version précédente.".replace("%", " %"),
    ]
    told += [f"{rule.column} : la valeur la plus récente a au plus {rule.days} jours." for rule in rules.freshness]
    if rules.perimeter:
        told.append("Chaque lieu est dans une commune de l'agglomération, et dans celle qui est dite.")
    told += [
        f"Aucune commune présente dans la version précédente ne disparaît ({rule.commune_code})."
        for rule in rules.coverage
    ]
    told += [f"Aucun effectif de 1 à {rule.k - 1} : {', '.join(rule.columns)}." for rule in rules.small_counts]
    told += [f"{rule.column} : la répartition des valeurs ne change pas de nature." for rule in rules.drift]
    told += [rule.label + "." for rule in rules.expectations]
    return list(dict.fromkeys(told))


def _query(territory: Territory, entry: Entry, sheet: Sheet) -> dict[str, str]:
    """Addresses of a first request to the data API and to the Parquet file, with a value that is in the data."""
    parquet = next(file for file in sheet.files if file.format == "parquet")
    base = f"{territory.base}/api/resources/{sheet.stem}/data/"
    wanted = [field.name for field in sheet.standard.fields if field.enum] + list(sheet.standard.columns)
    first = dict(zip(sheet.standard.columns, sheet.preview[0], strict=True)) if sheet.preview else {}
    column = next((name for name in wanted if first.get(name) and "…" not in first[name]), None)
    narrowed = f"{column}__exact={quote(first[column])}&" if column is not None else ""
    return {
        "stem": sheet.stem,
        "api": f"{base}?{narrowed}page_size=20",
        "profile": f"{territory.base}/api/resources/{sheet.stem}/profile/",
        "parquet": f"{territory.base}/{parquet.path}",
        "csv": f"{territory.base}/{next(f for f in sheet.files if f.format == 'csv').path}",
        "delimiter": sheet.standard.delimiter,
        "title": entry.card.title,
    }


# templates ----------------------------------------------------------------------------------------------------------


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
        "day": french.french_day,
        "span": lambda days: french.french_span(*days),
        "moment": lambda moment: french.french_moment(moment, territory),
        "size": french.french_size,
        "number": french.french_number,
        "french": french.french_text,
        "plural": french.plural,
        "typed": lambda kind: FIELD_TYPES[kind],
        "unit": french.french_unit,
        "format": lambda name: FORMATS[name],
        "frequency": lambda code: FREQUENCIES[code],
        "theme": lambda code: THEMES[code],
        "verdict": french.verdict_words,
        "verdict_of": lambda status: french.VERDICTS[status],
        "first_sentence": french.first_sentence,
    }
    return environment
