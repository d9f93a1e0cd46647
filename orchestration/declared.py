"""Everything that is declared and that models join, as bronze tables: the territory, the contracts, the dataset cards.

Belongs here: `bronze.card__dataset`, and writing it with what ingestion declares (cards belong to publication, which
ingestion does not know); which ops tables models read. Does not: anything that changes from one run to the next.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from ingestion import declarations
from ingestion.territory import load_territory
from lake import table
from publication.card import load_cards
from publication.export import TableExport
from publication.vocabulary import THEMES
from quality.standard import load_standard

if TYPE_CHECKING:
    import pyarrow as pa

    from publication.card import Card

CARDS = "card__dataset"
NOTES = declarations.NOTES | {
    "dataset_id": "Dataset",
    "description": "Description (French)",
    "theme": "Theme of the European portals (French)",
    "keywords": "Keywords, lower case without accents, separated by semicolons",
    "frequency_code": "How often it is updated, code of the European list",
    "owner": "Department that answers for it",
    "source_ids": "Sources it is made from, separated by semicolons; empty when it is about the platform itself",
    "file_count": "Data files it is published in",
    "file_formats": "Their formats, separated by semicolons",
    "page_url": "Page of the dataset",
    "publisher_name": "Authority that publishes it",
    "publisher_siren": "Its SIREN",
}

# Of the ops tables, those that models read: what the platform did is data too.
OPS = {
    "ingest_file": "The ledger: one row per file received.",
    "publication": "Versions published, one row per file of each.",
}
OPS_NOTES = {
    "source": "Source contract",
    "bronze_table": "Bronze table",
    "file": "File, relative to the landing folder of its source, or to the published tree",
    "sha256": "SHA-256 of the file",
    "bytes": "Size, bytes",
    "rows_read": "Records read",
    "rows_loaded": "Rows loaded",
    "rows_duplicate": "Rows that were there already",
    "rows_quarantined": "Rows put aside, each with its reason",
    "status": "loaded, duplicate or held",
    "reason": "Why the file is held",
    "file_time": "The file's own time",
    "event_dates": "UTC days that the loaded rows touch",
    "contract_sha256": "SHA-256 of the contract it was read by",
    "delta_version": "Version of the bronze table that holds the rows",
    "run_id": "Run",
    "ingested_time": "When it was read",
    "dataset": "Dataset",
    "version": "Version of the dataset",
    "rows": "Rows in the file",
    "modified_time": "When the file last changed",
}


def tables() -> dict[str, pa.Table]:
    """Bronze tables by name."""
    import pyarrow as pa

    return declarations.tables() | {CARDS: pa.Table.from_pylist([_dataset(card) for card in load_cards()])}


def write() -> list[str]:
    """Bring the tables up to date; names of those that changed."""
    new = declarations.changed(tables())
    for name, wanted in new.items():
        table.overwrite("bronze", name, wanted)
    return list(new)


def _dataset(card: Card) -> dict[str, Any]:
    territory, standard = load_territory(), load_standard(card.standard)
    formats = [
        form
        for part in card.tables
        for form in TableExport(
            part.relation, standard.table(part.name), card.stem(part.name), part.sort, part.coordinates
        ).formats
    ]
    return {
        "dataset_id": card.id,
        "title": card.title,
        "description": card.description,
        "theme": THEMES[card.theme],
        "keywords": ";".join(_plain(word) for word in card.keywords),
        "frequency_code": card.frequency,
        "owner": card.owner,
        "source_ids": ";".join(card.sources),
        "file_count": len(formats),
        "file_formats": ";".join(dict.fromkeys(formats)),
        "page_url": f"{territory.base}/{card.folder}/",
        "publisher_name": territory.legal_name,
        "publisher_siren": territory.siren,
    }


def _plain(text: str) -> str:
    """Lower case, without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
