"""The catalogue of 2 000 datasets in all its notations, against rdflib writing the same pages.

Ours states, pages and writes Turtle, RDF/XML, JSON-LD and the strict file. The peer has the statements already, read
from our Turtle before the clock starts, and only writes the three notations.

Run as a program it is the child process: `ours` or `peer`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, date, datetime
from itertools import cycle, islice
from typing import TYPE_CHECKING

from benchmarks.measure import Result, middle, timed

if TYPE_CHECKING:
    from pathlib import Path

    from publication.state import Entry

DATASETS = 2000
LIMIT_SECONDS = 10
ROUNDS = 3
_WHEN = datetime(2026, 4, 1, tzinfo=UTC)


def entries() -> list[Entry]:
    """The real cards over and over, each time under an id of its own."""
    from publication.card import Card, load_cards
    from publication.state import Entry, LastAudit, PublishedDataset, PublishedFile
    from quality.standard import load_standard

    def published(card: Card) -> PublishedDataset:
        files = tuple(
            PublishedFile(
                path=f"{card.folder}/{card.stem(table.name)}.{form}", table=table.name, format=form,
                sha256="ab" * 32, bytes=1234, rows=5, modified=_WHEN,
            )
            for table in card.tables
            for form in ("csv", "parquet")
        )  # fmt: skip
        return PublishedDataset(
            version=1, issued=_WHEN, run_id="bench", fingerprint="", days=(date(2026, 1, 1), date(2026, 3, 31)),
            files=files, audit=LastAudit(status="passed", checks=1, failed=()),
        )  # fmt: skip

    found = []
    for number, card in enumerate(islice(cycle(load_cards()), DATASETS)):
        named = card.model_copy(update={"id": f"{card.id}-{number}"})
        found.append(Entry(named, load_standard(card.standard), published(named)))
    return found


def run(home: Path) -> list[Result]:
    """Time and peak memory of ours, its ratio to the peer and to what a publication may take."""
    ours = middle([timed("benchmarks.catalogue", "ours", home=home) for _ in range(ROUNDS)])
    peer = timed("benchmarks.catalogue", "peer", home=home)
    name = f"catalogue of {DATASETS} datasets"
    return [
        Result(name, ours.seconds, "s", "rdflib writing the same pages", peer.seconds / ours.seconds, ours.peak_mb),
        Result(name, ours.seconds, "s", f"{LIMIT_SECONDS} s", LIMIT_SECONDS / ours.seconds, ours.peak_mb),
    ]


def _child(kind: str) -> float:
    from ingestion.territory import load_territory
    from publication import catalog

    listed = entries()
    started = time.perf_counter()
    files = catalog.files(load_territory(), listed)
    if kind == "ours":
        return time.perf_counter() - started
    from rdflib import Graph

    names = [name for name in files if name.endswith(".ttl") and not name.startswith("catalog-dcat-ap")]
    pages = [Graph().parse(data=files[name], format="turtle") for name in names]
    started = time.perf_counter()
    for page in pages:
        for notation in ("turtle", "xml", "json-ld"):
            page.serialize(format=notation)
    return time.perf_counter() - started


if __name__ == "__main__":
    seconds = _child(sys.argv[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))
