"""Delimited text (CSV and its French cousins) to raw text columns, as a stream of Arrow batches.

Belongs here: header, metadata header, quoting, ragged rows. Does not: which column is which (tabular.py), decimal
commas or dates (typing.py).
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from ingestion.landing import UNREADABLE, SourceFile, Stream
from ingestion.readers import MAX_REFUSED, FileNotes, Unusable, tabular
from ingestion.readers.tabular import raw_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from ingestion.contract import SourceContract

__all__ = ["locate", "raw_schema", "read"]

BLOCK = 1 << 20  # a record longer than this is no record of a table; it bounds memory
RAW_KEPT = 2000  # characters of a ragged line
csv.field_size_limit(4 * BLOCK)  # Python's own limit, 128 kB, is under what Arrow lets through (up to three blocks)


def read(
    files: Sequence[tuple[int, SourceFile]], contract: SourceContract, notes: dict[int, FileNotes]
) -> Iterator[pa.RecordBatch]:
    """Records of several files, one after the other.

    Args:
        files: (file number, file) in the order to read them.
        contract: what the columns are called in the file.
        notes: filled per file number; when a file turns out to be unreadable half-way, batches of it may already
            have been given: the caller must drop the rows of files whose notes say `held`.
    """
    import pyarrow as pa

    for number, file in files:
        try:
            with file.open() as stream:
                yield from _read_one(stream, number, file, contract, notes[number])
            if notes[number].multiline and (line := _runaway_quote(file, contract)):
                notes[number].hold(f"guillemet ouvert ligne {line} et mal refermé : la suite du fichier s'y confond")
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):  # a header alone is a file of no rows
                notes[number].hold(_explain_arrow(error))
        except UnicodeDecodeError as error:
            notes[number].hold(f"encodage : {contract.format.encoding} attendu, octet invalide ({error.reason})")
        except csv.Error as error:
            notes[number].hold(f"en-tête illisible ({error}) : fins de ligne LF ou CRLF attendues")
        except Unusable as error:
            notes[number].hold(str(error))
        except UNREADABLE as error:
            notes[number].hold(f"fichier illisible ({error}) : le redéposer complet")


def _explain_arrow(error: Exception) -> str:
    if "straddling" in str(error):
        return f"un enregistrement dépasse {BLOCK} octets : guillemet non fermé ou fichier sans fins de ligne"
    return f"lecture impossible : {error}"


def _read_one(
    stream: Stream, number: int, file: SourceFile, contract: SourceContract, notes: FileNotes
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pacsv

    head = _read_head(stream, file, contract)
    if isinstance(head, str):
        notes.hold(head)
        return
    header, constants = head
    found = tabular.layout(header, constants, contract, notes)
    if found is None:
        return

    def ragged(row: pacsv.InvalidRow) -> str:
        reason = f"{row.expected_columns} colonnes attendues, {row.actual_columns} trouvées"
        notes.rejects.append((row.number, row.text[:RAW_KEPT], reason))
        notes.multiline |= "\n" in row.text
        if len(notes.rejects) <= MAX_REFUSED:
            return "skip"
        notes.hold(f"plus de {MAX_REFUSED} lignes refusées : {reason}")
        return "error"

    fmt = contract.format
    reader = pacsv.open_csv(
        stream,
        read_options=pacsv.ReadOptions(
            use_threads=False, block_size=BLOCK, column_names=header, encoding=_codec(fmt.encoding)
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=fmt.delimiter,
            quote_char=fmt.quote or False,
            newlines_in_values=bool(fmt.quote),
            invalid_row_handler=ragged,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.string() for name in header}, strings_can_be_null=False
        ),
    )
    read = 0
    for batch in reader:
        rows = _row_numbers(read, batch.num_rows, [n for n, _, _ in notes.rejects])
        read = int(rows[-1]) if len(rows) else read
        notes.multiline = notes.multiline or _has_newline(batch)
        yield from tabular.batches(found, batch.columns, rows, number, contract)
    notes.rejects[:] = [(tabular.first_record(found, n), text, reason) for n, text, reason in notes.rejects]


def _has_newline(batch: pa.RecordBatch) -> bool:
    return any(b"\n" in values.to_pybytes() for column in batch.columns if (values := column.buffers()[2]) is not None)


def _runaway_quote(file: SourceFile, contract: SourceContract) -> int | None:
    """Line of the first record that swallows the next ones because its quote is not properly closed, or None."""
    with file.open() as stream:
        text = io.TextIOWrapper(stream, encoding=contract.format.encoding, errors="replace", newline="")
        kept = _Remember(text)
        reader = _csv_reader(kept, contract, strict=True)
        try:
            while True:
                try:
                    next(reader)
                except StopIteration:
                    return None
                except csv.Error as error:  # the reader goes on with the next line
                    if "end of data" in str(error) or "\n" in kept.text.rstrip("\r\n"):
                        return kept.start
                kept.forget()
        finally:
            text.detach()


def _codec(encoding: str) -> str:
    return "utf8" if encoding == "utf-8" else encoding


def _read_head(stream: Stream, file: SourceFile, contract: SourceContract) -> tuple[list[str], dict[str, str]] | str:
    """Header names and constant values (`meta:`, `file:`) of a file, or why there is no usable header."""
    fmt = contract.format
    constants = tabular.file_constants(file, contract)
    if fmt.preamble is not None:
        names, values = _line(stream, contract), _line(stream, contract)
        if len(names) != len(values):
            return f"en-tête de métadonnées : {len(names)} noms en ligne 1, {len(values)} valeurs en ligne 2"
        constants |= {f"meta:{k}": v for k, v in zip(names, values, strict=True)}
    for _ in range(1, fmt.header_row):
        stream.readline(BLOCK)
    header = _line(stream, contract)
    if not any(header):
        return "pas de ligne d'en-tête"
    return header, constants


def _lines_above(contract: SourceContract) -> int:
    """Lines above the first record."""
    return (2 if contract.format.preamble is not None else 0) + contract.format.header_row


def _line(stream: Stream, contract: SourceContract) -> list[str]:
    text = stream.readline(BLOCK).decode(contract.format.encoding, errors="replace")
    text = text.removeprefix("\ufeff").rstrip("\r\n")
    return next(_csv_reader(io.StringIO(text), contract), []) if text else []


def _csv_reader(lines: Iterable[str], contract: SourceContract, *, strict: bool = False) -> Iterator[list[str]]:
    fmt = contract.format
    if not fmt.quote:
        return csv.reader(lines, delimiter=fmt.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=fmt.delimiter, quotechar=fmt.quote, strict=strict)


def _row_numbers(read: int, count: int, rejected: list[int]) -> pa.Int64Array:
    """Record numbers of the next `count` good records after record `read`, leaving out the rejected ones."""
    import numpy as np

    candidates = np.arange(read + 1, read + 1 + count + len(rejected))
    return candidates[~np.isin(candidates, rejected)][:count]


def locate(file: SourceFile, contract: SourceContract, records: set[int]) -> dict[int, tuple[int, str]]:
    """Physical line (from 1) and text of given records, by reading the file again up to the last of them.

    Only files with something to quarantine pay for this second pass.
    """
    width = _records_of_a_line(file, contract)
    wanted: dict[int, list[int]] = {}
    for record in records:
        wanted.setdefault((record - 1) // width + 1, []).append(record)
    found: dict[int, tuple[int, str]] = {}
    above = _lines_above(contract)
    with file.open() as stream:
        text = io.TextIOWrapper(stream, encoding=contract.format.encoding, errors="replace", newline="")
        for _ in range(above):
            text.readline()
        kept = _Remember(text, above)
        last, line = max(wanted, default=0), 0
        for cells in _csv_reader(kept, contract):
            start = kept.start
            kept.forget()
            line += 1 if cells else 0
            if cells and line in wanted:
                found |= dict.fromkeys(wanted[line], (start, kept.text.rstrip("\r\n")))
            if line >= last:
                break
        text.detach()
    return found


def _records_of_a_line(file: SourceFile, contract: SourceContract) -> int:
    if contract.format.unpivot is None:
        return 1
    with file.open() as stream:
        head = _read_head(stream, file, contract)
    found = None if isinstance(head, str) else tabular.layout(*head, contract, FileNotes())
    return found.width if found else 1


class _Remember:
    """Iterates over lines and keeps the text and first line number of the record under way."""

    def __init__(self, lines: Iterable[str], before: int = 0) -> None:
        self._lines = iter(lines)
        self._fresh = True
        self._count = before
        self.start = 0
        self.text = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._count += 1
        if self._fresh:
            self.start, self.text, self._fresh = self._count, "", False
        self.text += line
        return line

    def forget(self) -> None:
        """The record is complete: the next line starts another."""
        self._fresh = True
