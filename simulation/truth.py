"""What really happened, kept beside the exports.

Belongs here: collecting truth while the signals are made, and writing it. Does not: reading an export back; truth comes
from the underlying signal, so that a fault of a writer shows as a difference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.files import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

BAD_NUMBER = "bad_number"
BAD_DATE = "bad_date"

_LEDGER = ("source", "file", "rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
_QUARANTINE = ("source", "file", "line", "column", "reason_kind")


@dataclass
class Truth:
    """The ledger a faultless load in name order would write, the rows it would refuse, and the true values."""

    _ledger: list[tuple[str, str, int, int, int, int]] = field(default_factory=list)
    _quarantine: list[tuple[str, str, int, str, str]] = field(default_factory=list)
    _tables: dict[str, tuple[Sequence[str], list[Sequence[object]]]] = field(default_factory=dict)

    def file(self, source: str, name: str, *, read: int, duplicate: int = 0, quarantined: int = 0) -> None:
        """One file (or member, `x.zip!y.csv`): what was read is loaded, duplicate or quarantined."""
        self._ledger.append((source, name, read, read - duplicate - quarantined, duplicate, quarantined))

    def refuse(self, source: str, name: str, *, line: int, column: str, reason: str) -> None:
        """One row to quarantine; `line` is the physical line, from 1."""
        self._quarantine.append((source, name, line, column, reason))

    def table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table of true values."""
        self._tables[name] = (header, list(rows))

    def write(self, folder: Path) -> None:
        """Write every table as CSV (UTF-8, comma, LF)."""
        folder.mkdir(parents=True, exist_ok=True)
        tables: dict[str, tuple[Sequence[str], Iterable[Sequence[object]]]] = {
            "ledger": (_LEDGER, sorted(self._ledger)),
            "quarantine": (_QUARANTINE, sorted(self._quarantine)),
            **self._tables,
        }
        for name, (header, rows) in tables.items():
            (folder / f"{name}.csv").write_text(csv_text(header, rows), encoding="utf-8", newline="")
