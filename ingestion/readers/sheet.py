"""Workbooks (XLSX, XLS, ODS) to raw text columns.

Belongs here: choosing the sheet, the header under its titles, cells as text. Does not: which column is which
(tabular.py), what a text means (typing.py). Read in a process of its own (worker.py says why).

Cells become the text that a person would export: `2026-10-05`, `2026-10-05T09:15:00`, `09:15:00`, `true`, the shortest
decimal with the format's decimal mark, `#N/A`. A workbook does not say whether midnight is a day or an instant; the
contract does: columns read as timestamps always have a time.
"""

from __future__ import annotations

import io
import re
import zipfile
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from ingestion.landing import MAX_RATIO, MAX_UNPACKED, UNREADABLE
from ingestion.readers import FileNotes, Unusable, tabular, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from python_calamine import CalamineSheet, CalamineWorkbook

    from ingestion.contract import SourceContract
    from ingestion.landing import SourceFile

__all__ = ["locate", "read", "rows"]

LINES = 4096  # lines turned into a batch at a time
MAX_BYTES = 128 << 20  # a workbook's own bytes, which are held in memory besides its cells
ZIP, OLE = b"PK\x03\x04", bytes.fromhex("D0CF11E0A1B11AE1")
LOCKED = "classeur protégé par un mot de passe : le redéposer sans protection"
ERROR_BYTES = 1 << 16  # an error cell with its formula is shorter (Excel's limit is 8192 characters)
ROUNDING = timedelta(milliseconds=50)  # half of the sixth decimal of a day
SEPARATOR = " ; "  # between the cells of a refused line, as a person reads it

read = partial(worker.read, "sheet")


def locate(file: SourceFile, contract: SourceContract, records: set[int]) -> dict[int, tuple[int, str]]:
    """Line of the sheet (from 1) and text of given records."""
    return worker.call("sheet", "places", file, contract, records) or {}


def rows(file: SourceFile, number: int, contract: SourceContract, notes: FileNotes) -> Iterator[pa.RecordBatch]:
    """Batches of one workbook's sheet; the notes say why when there are none."""
    try:
        with _table(file, contract) as table:
            found = tabular.layout(table.header, tabular.file_constants(file, contract), contract, notes)
            if found is not None:
                yield from _batches(table, found, number, contract)
    except Unusable as reason:
        notes.hold(str(reason))


def places(file: SourceFile, contract: SourceContract, records: set[int]) -> dict[int, tuple[int, str]]:
    """`locate`, in the worker."""
    result: dict[int, tuple[int, str]] = {}
    with _table(file, contract) as table:
        found = tabular.layout(table.header, tabular.file_constants(file, contract), contract, FileNotes())
        if found is None:
            return {}
        wanted: dict[int, list[int]] = {}
        for record in records:
            wanted.setdefault(tabular.line_of(found, record), []).append(record)
        text = _texts(contract.format.decimal, with_time=False)
        for number, (line, cells) in enumerate(table.lines, start=1):
            if number in wanted:
                shown = SEPARATOR.join(_text(value, text) or "" for value in cells)
                result |= dict.fromkeys(wanted[number], (line, shown))
    return result


class _Table:
    """A sheet as header and lines, blank lines left out."""

    def __init__(self, sheet: CalamineSheet, header_row: int, errors: dict[tuple[int, int], str]) -> None:
        self._sheet = sheet
        self._header_row = header_row
        self._errors = errors
        self._first_column = sheet.start[1] if sheet.start else 0
        self._used, self.header = self._read_header()

    def _cells(self) -> Iterator[tuple[int, list[Any]]]:
        """(line from 1, cells) from the sheet's first line on."""
        first = self._first_column
        by_line: dict[int, list[tuple[int, str]]] = {}
        for (line, column), text in self._errors.items():
            by_line.setdefault(line, []).append((column - first, text))
        for line, cells in enumerate(self._sheet.iter_rows(), start=1):
            for column, text in by_line.get(line, ()):
                if 0 <= column < len(cells):
                    cells[column] = text
            yield line, cells

    def _read_header(self) -> tuple[list[int], list[str]]:
        """Columns that have a name or a value, and their names; one without a name has its letter as name."""
        lines = self._cells()
        head = next((cells for line, cells in lines if line == self._header_row), [])
        self._merge(head)
        names = [_name(value) for value in head]
        if not any(names):
            raise Unusable(f"pas de ligne d'en-tête en ligne {self._header_row} de la feuille « {self._sheet.name} »")
        empty = {i for i, name in enumerate(names) if not name}
        for _, cells in lines:
            if not empty:
                break
            empty -= {i for i in empty if cells[i] != ""}
        used = [i for i in range(len(names)) if names[i] or i not in empty]
        return used, [names[i] or f"colonne {_letters(i + self._first_column)}" for i in used]

    def _merge(self, head: list[Any]) -> None:
        """A name merged over several lines stands in the first of them; over several columns, it names the first."""
        for (top, left), (bottom, _) in self._sheet.merged_cell_ranges or ():
            column = left - self._first_column
            if top < self._header_row - 1 <= bottom and 0 <= column < len(head) and head[column] == "":
                line = next(islice(self._cells(), top, None), (0, head))[1]
                head[column] = line[column]

    @property
    def lines(self) -> Iterator[tuple[int, list[Any]]]:
        """(line in the sheet, cells of the used columns) of every line under the header that is not blank."""
        for line, cells in self._cells():
            if line > self._header_row:
                used = [cells[i] for i in self._used]
                if any(value != "" for value in used):
                    yield line, used


def _name(value: Any) -> str:
    """Name of a column: its header cell on one line, without double blanks."""
    return " ".join((_text(value, _texts(".", with_time=False)) or "").split())


def _letters(column: int) -> str:
    """What Excel calls a column: A, B ... Z, AA."""
    text, number = "", column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def _batches(table: _Table, found: tabular.Layout, number: int, contract: SourceContract) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa

    instants = {path for c in contract.columns if c.type in ("timestamp", "local_timestamp") for path in c.paths(None)}
    texts = [_texts(contract.format.decimal, with_time=name in instants) for name in table.header]
    lines, done = table.lines, 0
    while chunk := [cells for _, cells in islice(lines, LINES)]:
        columns = [
            pa.array([_text(value, text) for value in column], pa.string())
            for column, text in zip(zip(*chunk, strict=True), texts, strict=True)
        ]
        yield from tabular.batches(found, columns, np.arange(done + 1, done + 1 + len(chunk)), number, contract)
        done += len(chunk)


Texts = dict[type, "Callable[[Any], str | None]"]


def _text(value: Any, texts: Texts) -> str | None:
    return texts[type(value)](value)


def _texts(decimal: str, *, with_time: bool) -> Texts:
    """How a cell of each type is written."""
    number = partial(tabular.number_text, decimal=decimal)
    return {
        str: lambda v: v or None,
        float: number,
        int: str,
        bool: lambda v: "true" if v else "false",
        datetime: _instant,
        date: (lambda v: f"{v.isoformat()}T00:00:00") if with_time else date.isoformat,
        time: time.isoformat,
        timedelta: _duration,
    }


def _instant(value: datetime) -> str:
    """To the second where the rest is a rounding: an instant is a number of days, often cut after six decimals."""
    nearest = (value + timedelta(milliseconds=500)).replace(microsecond=0)
    if abs(nearest - value) <= ROUNDING:
        return nearest.isoformat()
    return value.isoformat(timespec="milliseconds")


def _duration(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    return f"{'-' * (seconds < 0)}{abs(seconds) // 3600:02d}:{abs(seconds) // 60 % 60:02d}:{abs(seconds) % 60:02d}"


# Opening --------------------------------------------------------------------------------------------------------------


@contextmanager
def _table(file: SourceFile, contract: SourceContract) -> Iterator[_Table]:
    """The contract's sheet of a workbook.

    Raises:
        Unusable: when the file is no workbook, is locked, or has no such sheet.
    """
    with _own_errors(), file.open() as stream:
        content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise Unusable(f"classeur de plus de {MAX_BYTES >> 20} Mo : le découper ou l'exporter en CSV")
        _refuse_bomb(content)
        book = _opened(content)
        name = _sheet_name(book, contract)
        errors = _error_cells(content, name)
        del content
        yield _Table(book.get_sheet_by_name(name), contract.format.header_row, errors)


@contextmanager
def _own_errors() -> Iterator[None]:
    """Whatever the library raises about a file, as a reason."""
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError as error:
        raise Unusable(LOCKED) from error
    except (CalamineError, *UNREADABLE) as error:
        raise Unusable(f"classeur illisible ({error}) : l'enregistrer à nouveau et le redéposer complet") from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # Rust's, which is no Exception
            raise Unusable(worker.BROKEN) from error
        raise


def _refuse_bomb(content: bytes) -> None:
    """The limits of any archive, for a workbook that is one."""
    if not content.startswith(ZIP):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        for part in parts.infolist():
            if part.file_size > MAX_UNPACKED and part.file_size > MAX_RATIO * part.compress_size:
                raise Unusable(f"{part.filename} : taux de compression anormal, classeur refusé")


def _opened(content: bytes) -> CalamineWorkbook:
    from python_calamine import load_workbook

    if not content.startswith((ZIP, OLE)):
        raise Unusable("ce n'est pas un classeur (XLSX, XLS ou ODS) : un tableau HTML ou CSV renommé ? Le réexporter")
    if content.startswith(OLE) and "EncryptedPackage".encode("utf-16-le") in content:
        raise Unusable(LOCKED)
    return load_workbook(io.BytesIO(content))


def _sheet_name(book: CalamineWorkbook, contract: SourceContract) -> str:
    """The sheet that the contract names, exactly or by a regular expression; the first visible one otherwise."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    wanted = contract.format.sheet
    sheets = [s for s in book.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet]
    names = [s.name for s in sheets]
    if wanted in names:
        return wanted
    if wanted is None:
        found = [s.name for s in sheets if s.visible == SheetVisibleEnum.Visible][:1]
    else:
        found = [name for name in names if re.fullmatch(wanted, name)]
    if len(found) != 1:
        asked = f"la feuille « {wanted} »" if wanted else "une feuille visible"
        raise Unusable(f"{asked} est attendue une fois, feuilles trouvées : {', '.join(names[:20]) or 'aucune'}")
    return found[0]


# Error cells ----------------------------------------------------------------------------------------------------------
# The library reads `#N/A` and its like as blanks; what a person sees in the cell is looked up in the sheet's own XML.

_ERROR_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*\bt=[\"']e[\"'][^>]*)>(.*?)</(?:\w+:)?c>", re.DOTALL)
_PLACE = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_VALUE = re.compile(rb"<(?:\w+:)?v[^>]*>(.*?)</", re.DOTALL)


def _error_cells(content: bytes, sheet: str) -> dict[tuple[int, int], str]:
    """(line from 1, column from 0) to text of a XLSX sheet's error cells."""
    if not content.startswith(ZIP):
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        name = _part_of(parts, sheet)
        if name is None:
            return {}
        found = {}
        with parts.open(name) as stream:
            rest = b""
            while chunk := stream.read(1 << 20):
                text = rest + chunk
                for match in _ERROR_CELL.finditer(text) if b't="e"' in text or b"t='e'" in text else ():
                    place, value = _PLACE.search(match[1]), _VALUE.search(match[2])
                    if place and value:
                        found[int(place[2]), _column(place[1])] = value[1].decode("utf-8", "replace")
                rest = text[max(text.rfind(b"<c "), text.rfind(b":c "), len(text) - ERROR_BYTES, 0) :]
    return found


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1


def _part_of(parts: zipfile.ZipFile, sheet: str) -> str | None:
    """Name of the part that holds a sheet's cells, as the workbook's relations say; None when it is no XLSX."""
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= set(parts.namelist()):
        return None
    book, relations = (_attributes(parts.read(f"xl/{n}")) for n in ("workbook.xml", "_rels/workbook.xml.rels"))
    ids = [a.get("id") for tag, a in book if tag == "sheet" and a.get("name") == sheet]
    targets = [a.get("Target", "") for tag, a in relations if tag == "Relationship" and a.get("Id") in ids]
    names = [t.removeprefix("/") if t.startswith("/") else f"xl/{t}" for t in targets]
    return next((name for name in names if name in parts.namelist()), None)


def _attributes(xml: bytes) -> list[tuple[str, dict[str, str]]]:
    """(local tag, attributes by local name) of every element."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(xml, parser)
    elements = root.iter(etree.Element) if root is not None else ()
    return [(_local(e.tag), {_local(name): text for name, text in e.attrib.items()}) for e in elements]


def _local(name: str) -> str:
    return name.rpartition("}")[2]
