"""One collection of one source: where its files land, what it remembers, what it tells.

Belongs here: what all connectors share, that is finished files and nothing else visible in landing, and outcomes kept
without credentials. Does not: talking to a platform.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.connectors.secrets import Secrets
from ingestion.connectors.state import Outcome, State, Status, Value, record

PART = ".part"  # landing.discover leaves such files alone
STAMP = "%Y%m%dT%H%M%SZ"
MEGABYTE = 1_000_000
REASON_LENGTH = 1000


class FetchError(Exception):
    """Something could not be fetched; the message is for the operator and holds no credential."""

    def __init__(self, reason: str, *, http_status: int | None = None) -> None:
        super().__init__(reason)
        self.http_status = http_status


@dataclass
class Arrival:
    """Handed to a connector, which fetches into it."""

    source: str
    kind: str
    folder: Path  # landing/<source>
    secrets: Secrets
    state: State
    now: datetime  # when this collection began: it names the files
    run_id: str | None = None
    sleep: Callable[[float], None] = time.sleep
    outcomes: list[Outcome] = field(default_factory=list)

    def part(self, file: str) -> Path:
        """Where a file is while it is being written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{file}{PART}"

    def remember(self, name: str, values: dict[str, Value]) -> None:
        """Keep values by item of `name`."""
        self.state.put(name, values, datetime.now(UTC))

    def tell(self, name: str, status: Status, **known: Any) -> None:
        """Record an answer: what landed, that nothing is new, or why it failed."""
        if known.get("reason"):
            known["reason"] = self.secrets.redact(known["reason"])[:REASON_LENGTH]
        outcome = Outcome(name, status, datetime.now(UTC), **known)
        self.outcomes.append(outcome)
        record(self.source, self.kind, self.run_id, outcome)

    def fail(self, name: str, error: Exception) -> None:
        """Record a failure: the one place where the text of a client library's error goes through, without secrets."""
        text = str(error) if isinstance(error, FetchError) else f"{type(error).__name__} : {error}"
        self.tell(name, "failed", reason=text, http_status=getattr(error, "http_status", None))


def file_name(name: str, instant: datetime, page: int | None, extension: str) -> str:
    """`<name>_<YYYYmmddTHHMMSSZ>_p0001.<extension>`; without `_p0001` when there is no page."""
    place = "" if page is None else f"_p{page:04d}"
    return f"{name}_{instant.astimezone(UTC):{STAMP}}{place}.{extension}"


def land(part: Path, final: Path, *, modified: float | None = None) -> None:
    """Make a finished file visible under its own name, whatever happens to the machine next."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    if modified is not None:
        os.utime(part, (modified, modified))
    part.rename(final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder safe."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sha256_of(path: Path) -> str:
    """Digest of a file, in bounded memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def leftovers(folder: Path, start: str) -> Iterator[Path]:
    """Unfinished files of an earlier process whose names begin so."""
    if folder.is_dir():
        yield from sorted(
            p for p in folder.iterdir() if p.name.startswith(start) and p.name.endswith(PART) and p.is_file()
        )


def due(value: Value, now: datetime, every_min: int) -> bool:
    """Whether it is time to ask again, from what was remembered when the last collection ended.

    A tenth early counts: a schedule that runs a second sooner than the hour before must not skip its turn.
    """
    finished = value.get("finished")
    return finished is None or (now - datetime.fromisoformat(finished)).total_seconds() >= every_min * 54
