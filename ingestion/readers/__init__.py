"""One module per file format: from bytes to raw text columns, in bounded memory, file order kept.

Belongs here: structure (separators, headers, objects), and finding a record's line again for an error message. Does
not: types, time zones or keys (typing.py, load.py).

Every reader gives, for each record, the contract's columns as text (null when absent), `extra` (what the contract
does not know), `source_row` (record number in the file, from 1) and `file_no` (number of the file in the batch).
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Refused rows of one file that are written one by one. A file with more is not one with faults but another file: it is
# held back whole, which also keeps memory and the quarantine bounded.
MAX_REFUSED = 100_000


class Unusable(Exception):
    """The file as a whole cannot be used; the message says why and what to do, in French."""


@dataclass
class FileNotes:
    """What a reader notices about one file besides its records.

    `held` says why the file as a whole cannot be used; `rejects` are records that have no place in the table
    (record number, text, reason); `new_columns` and `missing_columns` are drift.
    """

    held: str | None = None
    dialect: str | None = None  # the variant that a field of the file tells
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    new_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    type_changed: list[tuple[str, str]] = field(default_factory=list)
    multiline: bool = False  # some record runs over several lines, as a quote that is not closed also makes it

    def hold(self, reason: str) -> None:
        """Hold the file back; the first reason is the one that counts."""
        self.held = self.held or reason

    def drift(self) -> list[tuple[str, str, str]]:
        """(kind, column, detail) of every difference between the file and the contract."""
        return [
            *(("new_column", c, "colonne inconnue du contrat, gardée dans `extra`") for c in self.new_columns),
            *(("missing_column", c, "colonne absente du fichier") for c in self.missing_columns),
            *(("type_changed", c, detail) for c, detail in self.type_changed),
        ]
