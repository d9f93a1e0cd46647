"""Datasets that leave their address: withdrawn for good, or renamed.

Belongs here: what moves with a renamed dataset, the tombstones of addresses that hold no dataset any more, and since
when the list of datasets is what it is. Does not: what tombstones look like (pages.py).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from publication import tree
from publication.state import Listing, Tombstone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from publication.card import Card
    from publication.state import Entry, PublishedDataset, State, TreeFile


def last_address(card: Card, known: Mapping[str, PublishedDataset], files: Mapping[str, TreeFile]) -> str | None:
    """The id under which a dataset was last published: its own, else its newest former one; None when it never was."""
    names = [name for name in (card.id, *reversed(card.formerly)) if name in known]
    there = (name for name in names if all(file.path in files for file in known[name].files))
    return next(there, names[0] if names else None)


def moved(prior: PublishedDataset, former: str, card: Card) -> PublishedDataset:
    """What was published under a former id, as if it had been under this one: versions and dates go on."""
    files = tuple(
        file.model_copy(update={"path": f"{card.folder}/{_renamed(file.name, former, card.id)}"})
        for file in prior.files
    )
    return prior.model_copy(update={"files": files})


def moved_files(
    before: PublishedDataset, after: PublishedDataset, current: Path, scratch: Path
) -> dict[str, tree.NewFile]:
    """The files of a renamed dataset by new path, ready to be moved in: links, for the current tree keeps its own."""
    found: dict[str, tree.NewFile] = {}
    for old, new in zip(before.files, after.files, strict=True):
        link = scratch / f"moved-{new.name}"
        os.link(current / old.path, link)
        found[new.path] = tree.NewFile(link, new.sha256, new.bytes)
    return found


def tombstones(
    before: State,
    known: Mapping[str, PublishedDataset],
    cards: Sequence[Card],
    entries: Sequence[Entry],
    moment: datetime,
) -> dict[str, Tombstone]:
    """One for every id that was published once and has no card now, with the dataset that took its place, if any."""
    present = {card.id for card in cards}
    titles = {name: published.title for name, published in known.items() if published.title}
    successors = {old: entry.card for entry in entries for old in entry.card.formerly}
    titles |= {old: card.title for old, card in successors.items()}
    found: dict[str, Tombstone] = {}
    for name in sorted((known.keys() | before.tombstones.keys()) - present):
        earlier = before.tombstones.get(name)
        found[name] = Tombstone(
            title=titles.get(name) or (earlier.title if earlier else name),
            since=earlier.since if earlier else moment,
            successor=successors[name].id if name in successors else None,
        )
    return found


def listing(before: State, entries: Sequence[Entry], moment: datetime) -> Listing:
    """The datasets there are, from now on when they are others than before.

    Without a manifest to compare with, the newest file says when: a lost tree that is made again is not news.
    """
    ids = tuple(entry.card.id for entry in entries)
    if before.listing is None:
        return Listing(datasets=ids, since=max((entry.published.modified for entry in entries), default=None))
    return before.listing if before.listing.datasets == ids else Listing(datasets=ids, since=moment)


def _renamed(name: str, former: str, now: str) -> str:
    return now + name.removeprefix(former) if name.startswith(former) else name
