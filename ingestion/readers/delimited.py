"""Delimited text (CSV and its French cousins) to raw text columns, as a stream of Arrow batches.

Belongs here: header, metadata header, quoting, ragged rows. Does not: decimal commas or dates (typing.py).
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from ingestion.landing import UNREADABLE, SourceFile, Stream
from ingestion.readers import MAX_REFUSED, FileNotes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from ingestion.contract import Column, SourceContract

BLOCK = 1 << 20  # a record longer than this is no record of a table; it bounds memory
NO_LINES_ABOVE = 1  # the header line itself
RAW_KEPT = 2000  # characters of a ragged line
csv.field_size_limit(4 * BLOCK)  # Python's own limit, 128 kB, is under what Arrow lets through (up to three blocks)


def raw_schema(contract: SourceContract) -> pa.Schema:
    """Schema of the batches: contract columns as text, then extra, source_row, file_no."""
    import pyarrow as pa

    columns = [pa.field(c.name, _raw_type(c)) for c in contract.columns]
    extra = pa.field("extra", pa.map_(pa.string(), pa.string()))
    return pa.schema([*columns, extra, pa.field("source_row", pa.int64()), pa.field("file_no", pa.int32())])


def _raw_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    if column.type != "nested":
        return pa.string()
    return pa.list_(pa.struct([pa.field(f.name, pa.string()) for f in column.fields]))


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
    places = _places(header, constants, contract, notes)
    if notes.held:
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
    unknown = [i for i, name in enumerate(header) if name in notes.new_columns]
    read = 0
    for batch in reader:
        rows = _row_numbers(read, batch.num_rows, [n for n, _, _ in notes.rejects])
        read = int(rows[-1]) if len(rows) else read
        notes.multiline = notes.multiline or _has_newline(batch)
        trace = [
            _extra(batch, unknown, header),
            pa.array(rows, pa.int64()),
            pa.repeat(pa.scalar(number, pa.int32()), len(rows)),
        ]
        yield pa.RecordBatch.from_arrays([*_columns(batch, places, contract), *trace], schema=raw_schema(contract))


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
    constants: dict[str, str] = {}
    if match := contract.file_pattern.match(file.base_name):
        constants |= {f"file:{k}": v for k, v in match.groupdict().items() if v is not None}
    if fmt.preamble is not None:
        names, values = _line(stream, contract), _line(stream, contract)
        if len(names) != len(values):
            return f"en-tête de métadonnées : {len(names)} noms en ligne 1, {len(values)} valeurs en ligne 2"
        constants |= {f"meta:{k}": v for k, v in zip(names, values, strict=True)}
    header = _line(stream, contract)
    if not any(header):
        return "pas de ligne d'en-tête"
    if len(set(header)) < len(header):
        twice = sorted({h for h in header if header.count(h) > 1})
        return f"en-tête : colonnes en double {twice}"
    return header, constants


def _line(stream: Stream, contract: SourceContract) -> list[str]:
    text = stream.readline(BLOCK).decode(contract.format.encoding, errors="replace")
    text = text.removeprefix("\ufeff").rstrip("\r\n")
    return next(_csv_reader(io.StringIO(text), contract), []) if text else []


def _csv_reader(lines: Iterable[str], contract: SourceContract, *, strict: bool = False) -> Iterator[list[str]]:
    fmt = contract.format
    if not fmt.quote:
        return csv.reader(lines, delimiter=fmt.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=fmt.delimiter, quotechar=fmt.quote, strict=strict)


def _places(
    header: list[str], constants: dict[str, str], contract: SourceContract, notes: FileNotes
) -> dict[str, int | str | None]:
    """For each contract column: index in the file, constant text, or None; notes what is new, missing or fatal."""
    places: dict[str, int | str | None] = {}
    used: set[str] = set()
    for column in contract.columns:
        paths = column.paths(None)
        found = next((p for p in paths if p in header or p in constants), None)
        used |= {p for p in paths if p in header}
        places[column.name] = None if found is None else (header.index(found) if found in header else constants[found])
        if found is None and column.required:
            wanted = " ou ".join(paths)
            notes.held = f"colonne obligatoire absente : « {wanted} » ; colonnes trouvées : {', '.join(header[:12])}"
            notes.missing_columns.append(paths[0])
        elif found is None and not column.optional:
            notes.missing_columns.append(paths[0])
    notes.new_columns.extend(name for name in header if name not in used)
    return places


def _row_numbers(read: int, count: int, rejected: list[int]) -> pa.Int64Array:
    """Record numbers of the next `count` good records after record `read`, leaving out the rejected ones."""
    import numpy as np

    candidates = np.arange(read + 1, read + 1 + count + len(rejected))
    return candidates[~np.isin(candidates, rejected)][:count]


def _columns(
    batch: pa.RecordBatch, places: dict[str, int | str | None], contract: SourceContract
) -> Iterator[pa.Array]:
    """The contract's columns, in its order: from the file, or one text all along (null when there is none)."""
    import pyarrow as pa

    for column in contract.columns:
        place = places[column.name]
        constant = isinstance(place, str) or place is None
        yield pa.repeat(pa.scalar(place, pa.string()), batch.num_rows) if constant else batch.column(place)


def _extra(batch: pa.RecordBatch, unknown: list[int], header: list[str]) -> pa.Array:
    """Map of the columns that the contract does not know, name to text."""
    import numpy as np
    import pyarrow as pa

    count, width = batch.num_rows, len(unknown)
    kind = pa.map_(pa.string(), pa.string())
    if not width:
        return pa.nulls(count, kind)
    order = np.arange(count * width).reshape(width, count).T.ravel()  # column after column -> row after row
    values = pa.concat_arrays([batch.column(i) for i in unknown]).take(pa.array(order))
    keys = pa.array([header[i] for i in unknown] * count, pa.string())
    return pa.MapArray.from_arrays(pa.array(np.arange(count + 1) * width, pa.int32()), keys, values).cast(kind)


def locate(file: SourceFile, contract: SourceContract, records: set[int]) -> dict[int, tuple[int, str]]:
    """Physical line (from 1) and text of given records, by reading the file again up to the last of them.

    Only files with something to quarantine pay for this second pass.
    """
    found: dict[int, tuple[int, str]] = {}
    above = 2 if contract.format.preamble is not None else 0
    with file.open() as stream:
        text = io.TextIOWrapper(stream, encoding=contract.format.encoding, errors="replace", newline="")
        kept = _Remember(text)
        reader = _csv_reader(kept, contract)
        last, record = max(records, default=0), 0 - NO_LINES_ABOVE - above
        for cells in reader:
            start = kept.start
            kept.forget()
            record += 1 if cells else 0
            if record in records and cells:
                found[record] = (start, kept.text.rstrip("\r\n"))
            if record >= last:
                break
        text.detach()
    return found


class _Remember:
    """Iterates over lines and keeps the text and first line number of the record under way."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._fresh = True
        self._count = 0
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
