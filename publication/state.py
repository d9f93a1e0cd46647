"""What the published tree says about itself: `.state.json` at its root, never served.

Belongs here: the manifest's shape and its bytes. Does not: how a tree is built or swapped (tree.py).

The manifest is the truth for versions and modification times, because it is swapped together with the files it speaks
of: a crash cannot part them. The table ops.publication follows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from publication.vocabulary import FileFormat

if TYPE_CHECKING:
    from pathlib import Path

    from publication.card import Card
    from quality.standard import Standard

STATE_FILE = ".state.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublishedFile(_Frozen):
    """One data file: its path in the tree, the table it holds ('' for an archive of all of them), and since when."""

    path: str
    table: str
    format: FileFormat
    part: str = ""  # of a table cut by year: which one; "" for a whole table
    sha256: str
    bytes: int
    rows: int
    modified: datetime

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[-1]


class FailedCheck(_Frozen):
    """One check that did not pass, as readers are told about it: never a value of the data that was held back."""

    what: str
    severity: Literal["error", "warning"]
    rows: int


class CheckedRule(_Frozen):
    """A rule the newest audit asked, on however many columns, and how many of these checks did not pass."""

    label: str
    checks: int
    errors: int = 0
    warnings: int = 0


class LastAudit(_Frozen):
    """Outcome of the newest audit. It has no time of its own: an audit that finds the same changes nothing."""

    status: Literal["passed", "warned", "failed"]
    checks: int
    failed: tuple[FailedCheck, ...]
    refused_since: datetime | None = None  # first of the refusals in a row
    rules: tuple[CheckedRule, ...] = ()


class PublishedDataset(_Frozen):
    """One dataset as last published. Kept when it is withdrawn, so that its versions go on if it comes back."""

    version: int
    title: str = ""  # what a tombstone says of it once its card is gone
    issued: datetime  # first publication
    run_id: str  # the run that made this version
    fingerprint: str  # of the rows and of the way they are written
    days: tuple[date, date] | None
    files: tuple[PublishedFile, ...]
    audit: LastAudit

    @property
    def modified(self) -> datetime:
        """When a data file last changed."""
        return max(file.modified for file in self.files)

    def rows(self, table: str) -> int:
        """Rows of one table."""
        return max(file.rows for file in self.files if file.table == table)  # parts have fewer


class Tombstone(_Frozen):
    """A dataset that is no longer at its address: withdrawn, or renamed to `successor`."""

    title: str
    since: datetime
    successor: str | None = None


class Listing(_Frozen):
    """Which datasets the catalogue lists, and since when it is these."""

    datasets: tuple[str, ...]
    since: datetime | None


class TreeFile(_Frozen):
    """Any file of the tree, data or page."""

    sha256: str
    bytes: int


class State(_Frozen):
    """The manifest."""

    datasets: dict[str, PublishedDataset] = {}
    files: dict[str, TreeFile] = {}
    tombstones: dict[str, Tombstone] = {}
    listing: Listing | None = None

    def dump(self) -> bytes:
        """The manifest's bytes: the same for the same content."""
        text = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=1)
        return (text + "\n").encode()


def load_state(tree: Path) -> State:
    """The manifest of a tree; an empty one when there is no tree yet."""
    path = tree / STATE_FILE
    return State.model_validate_json(path.read_bytes()) if path.is_file() else State()


@dataclass(frozen=True)
class Entry:
    """One dataset as the catalogue and the pages list it: what people say of it, its columns, what is published."""

    card: Card
    standard: Standard
    published: PublishedDataset

    def title(self, file: PublishedFile) -> str:
        """What a data file holds, as people say it."""
        archive = self.card.archive
        title = archive.title if archive and not file.table else self.standard.table(file.table).title
        return f"{title}, {file.part.replace('-', ' ')}" if file.part else title

    def description(self, file: PublishedFile) -> str:
        """The same in a sentence."""
        if not file.table:
            return "Toutes les tables du jeu de données, chacune dans un fichier de l'archive."
        return self.standard.table(file.table).description
