"""What table readers share: a header and columns of text become raw batches.

Belongs here: where each contract column is found, what is unknown or missing, constants, cells of a wide table as
records of their own. Does not: bytes of any format (delimited.py, sheet.py, geo.py), types (typing.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion.readers import FileNotes, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pyarrow as pa

    from ingestion.contract import Column, SourceContract
    from ingestion.landing import SourceFile

CONST = "const:"  # a text of the contract's own
# What one line of a wide table may become: each cell repeats the line's kept columns, so both are bounded.
MAX_WIDTH = 16_384  # columns; a workbook cannot have more
MAX_KEPT = 1_000  # characters of a kept cell: it identifies, it does not tell
CELLS = 65_536  # cells turned into records at a time
NAMES_SHOWN = 12
EXACT = 1 << 53  # whole numbers up to here are exact as floats


@dataclass(frozen=True)
class Layout:
    """Where one file has what: `places` gives each contract column an index, a constant text, or nothing."""

    header: list[str]
    places: dict[str, int | str | None]
    unknown: list[int]
    kept: list[int]  # of a wide table: columns repeated with each cell ...
    cells: list[int]  # ... and columns that become cells; both empty for a plain table

    @property
    def width(self) -> int:
        """Records that one line of the file makes."""
        return len(self.cells) or 1


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


def file_constants(file: SourceFile, contract: SourceContract) -> dict[str, str]:
    """`file:GROUP` values of a file, from its name."""
    return {f"file:{name}": text for name, text in file.groups(contract).items()}


def layout(header: list[str], constants: dict[str, str], contract: SourceContract, notes: FileNotes) -> Layout | None:
    """Find the contract's columns in a header; None when the notes say why the file cannot be used.

    Args:
        header: names as they stand in the file.
        constants: values that hold for the whole file, by the name that a contract uses (`file:x`, `meta:x`).
        contract: what the columns are called.
        notes: filled with new and missing columns, or with the reason why the file is held.
    """
    if twice := sorted({name for name in header if header.count(name) > 1}):
        notes.hold(f"en-tête : colonnes en double « {', '.join(twice)} »")
        return None
    kept: list[int] = []
    cells: list[int] = []
    seen = header
    if wide := contract.format.unpivot:
        kept = [i for i, name in enumerate(header) if name in wide.keep]
        cells = [i for i, name in enumerate(header) if name not in wide.keep]
        seen = [*(header[i] for i in kept), wide.name, wide.value]
        if not 0 < len(cells) <= MAX_WIDTH:
            notes.hold(
                f"de 1 à {MAX_WIDTH} colonnes de mesures attendues à côté de {', '.join(wide.keep)}, "
                f"trouvées : {len(cells)}"
            )
            return None
    places = _places(seen, constants, contract, notes)
    if notes.held:
        return None
    unknown = [i for i, name in enumerate(seen) if name in notes.new_columns]
    return Layout(header, places, unknown, kept, cells)


def _places(
    header: list[str], constants: dict[str, str], contract: SourceContract, notes: FileNotes
) -> dict[str, int | str | None]:
    """For each contract column: index in the header, constant text, or None; notes what is new, missing or fatal."""
    places: dict[str, int | str | None] = {}
    wide = contract.format.unpivot
    used = {wide.name, wide.value} if wide else set()
    for column in contract.columns:
        paths = column.paths(None)
        found = next((place for p in paths if (place := _place(p, header, constants)) is not None), None)
        used |= {p for p in paths if p in header}
        places[column.name] = found
        if found is None and column.required:
            wanted = f"« {' ou '.join(paths)} »" if paths else f"{column.name} (sans place pour ce producteur)"
            notes.hold(f"colonne obligatoire absente : {wanted} ; colonnes trouvées : {_shown(header)}")
            notes.missing_columns.append(paths[0] if paths else column.name)
        elif found is None and paths and not column.optional:
            notes.missing_columns.append(paths[0])
    notes.new_columns.extend(name for name in header if name not in used)
    return places


def _place(path: str, header: list[str], constants: dict[str, str]) -> int | str | None:
    if path in header:
        return header.index(path)
    if path.startswith(CONST):
        return path.removeprefix(CONST)
    return constants.get(path)


def _shown(header: list[str]) -> str:
    return ", ".join(header[:NAMES_SHOWN])


def batches(
    found: Layout, columns: Sequence[pa.Array], rows: np.ndarray, number: int, contract: SourceContract
) -> Iterator[pa.RecordBatch]:
    """Raw batches of some lines of a file.

    Args:
        found: where the file has what.
        columns: the file's columns, as text.
        rows: number of each line, 1 is the first after the header.
        number: becomes `file_no`.
        contract: which columns, in which order.

    Raises:
        Unusable: when the lines cannot be made into records.
    """
    if not found.cells:
        yield _batch(found, columns, rows, number, contract)
        return
    step = max(CELLS // found.width, 1)
    for start in range(0, len(rows), step):
        part = [column.slice(start, step) for column in columns]
        yield _batch(found, _melted(found, part), _cell_numbers(found, rows[start : start + step]), number, contract)


def _melted(found: Layout, columns: Sequence[pa.Array]) -> list[pa.Array]:
    """The kept columns, the name and the value of every cell, line after line."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    count, width = len(columns[0]), found.width
    kept = [columns[i] for i in found.kept]
    longest = max((pc.max(pc.utf8_length(column)).as_py() or 0 for column in kept), default=0)
    if longest > MAX_KEPT:
        msg = f"une cellule de {longest} caractères est répétée à chaque mesure : {MAX_KEPT} au plus"
        raise Unusable(msg)
    lines = pa.array(np.repeat(np.arange(count), width))
    names = pa.array([found.header[i] for i in found.cells], pa.string())
    values = _by_line([columns[i] for i in found.cells])
    return [*(column.take(lines) for column in kept), names.take(pa.array(np.tile(np.arange(width), count))), values]


def _cell_numbers(found: Layout, rows: np.ndarray) -> np.ndarray:
    import numpy as np

    first = (np.asarray(rows) - 1) * found.width + 1
    return np.repeat(first, found.width) + np.tile(np.arange(found.width), len(rows))


def line_of(found: Layout, record: int) -> int:
    """Number of the line that a record comes from."""
    return (record - 1) // found.width + 1


def first_record(found: Layout, line: int) -> int:
    """Number of the first record that a line makes."""
    return (line - 1) * found.width + 1


def _by_line(columns: Sequence[pa.Array]) -> pa.Array:
    """Cells of several columns in one, line after line."""
    import numpy as np
    import pyarrow as pa

    count, width = len(columns[0]), len(columns)
    order = np.arange(count * width).reshape(width, count).T.ravel()
    return pa.concat_arrays(list(columns)).take(pa.array(order))


def _batch(
    found: Layout, columns: Sequence[pa.Array], rows: np.ndarray, number: int, contract: SourceContract
) -> pa.RecordBatch:
    import pyarrow as pa

    wide = contract.format.unpivot
    names = [*(found.header[i] for i in found.kept), wide.name, wide.value] if wide else found.header
    trace = [
        _extra(columns, found.unknown, names, len(rows)),
        pa.array(rows, pa.int64()),
        pa.repeat(pa.scalar(number, pa.int32()), len(rows)),
    ]
    return pa.RecordBatch.from_arrays(
        [*_columns(columns, found.places, contract, len(rows)), *trace], schema=raw_schema(contract)
    )


def _columns(
    columns: Sequence[pa.Array], places: dict[str, int | str | None], contract: SourceContract, count: int
) -> Iterator[pa.Array]:
    """The contract's columns, in its order: from the file, or one text all along (null when there is none)."""
    import pyarrow as pa

    for column in contract.columns:
        place = places[column.name]
        if column.type == "nested":
            yield pa.nulls(count, _raw_type(column))
        elif isinstance(place, int):
            yield columns[place]
        else:
            yield pa.repeat(pa.scalar(place, pa.string()), count)


def _extra(columns: Sequence[pa.Array], unknown: list[int], names: list[str], count: int) -> pa.Array:
    """Map of the columns that the contract does not know, name to text."""
    import numpy as np
    import pyarrow as pa

    kind = pa.map_(pa.string(), pa.string())
    width = len(unknown)
    if not width or not count:
        return pa.nulls(count, kind)
    keys = pa.array([names[i] for i in unknown] * count, pa.string())
    offsets = pa.array(np.arange(count + 1) * width, pa.int32())
    return pa.MapArray.from_arrays(offsets, keys, _by_line([columns[i] for i in unknown])).cast(kind)


def number_text(value: float, decimal: str) -> str:
    """The shortest decimal that is the number, without a fraction when it is whole, with the format's decimal mark."""
    if isinstance(value, int):
        return str(value)
    text = str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)
    return text.replace(".", ",") if decimal == "," else text
