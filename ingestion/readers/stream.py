"""Every format but JSON lines as one stream of raw rows.

Belongs here: which module reads what, and objects of documents (JSON, XML, protobuf) turned into rows by the paths of
the contract. Does not: any format. JSON lines go to DuckDB directly (jsonl.py): they are the bulk of what arrives.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson

from ingestion.readers.jsonl import MAX_NEW
from ingestion.readers.tabular import raw_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from ingestion.contract import Column, SourceContract
    from ingestion.landing import SourceFile
    from ingestion.readers import FileNotes

TABLES = {"csv": "delimited", "xlsx": "sheet", "geo": "geo"}  # a header, then rows
DOCUMENTS = {"json": "document", "xml": "markup", "protobuf": "protobuf"}  # objects inside one document
# Objects turned into rows at a time: past what Arrow gains by size, and a bound on memory when texts are long.
BATCH, BATCH_BYTES, GROUP_BYTES = 4096, 8 << 20, 200

__all__ = ["locate", "raw_schema", "read"]


def _module(reader: str) -> Any:
    return import_module(f"ingestion.readers.{(TABLES | DOCUMENTS)[reader]}")


def read(
    files: Sequence[tuple[int, SourceFile]], contract: SourceContract, notes: dict[int, FileNotes]
) -> Iterator[pa.RecordBatch]:
    """Records of several files of one dialect, one after the other, as batches of `raw_schema(contract)`."""
    module = _module(contract.format.reader)
    if contract.format.reader in TABLES:
        yield from module.read(files, contract, notes)
        return
    for number, file in files:
        yield from _rows(module.objects(file, contract, notes[number]), number, file, contract, notes=notes[number])


def locate(file: SourceFile, contract: SourceContract, records: set[int]) -> dict[int, tuple[int, str]]:
    """Place in the file as a person sees it (line; number of the record where there are none), and text, of records."""
    from ingestion.readers import FileNotes

    module = _module(contract.format.reader)
    if contract.format.reader in TABLES:
        places: dict[int, tuple[int, str]] = module.locate(file, contract, records)
        return places
    found = {}
    for number, (line, value) in enumerate(module.objects(file, contract, FileNotes()), start=1):
        if number in records:
            found[number] = (line, orjson.dumps(value, default=str).decode())
        if len(found) == len(records):
            break
    return found


def _rows(
    objects: Iterator[tuple[int, dict[str, Any]]],
    number: int,
    file: SourceFile,
    contract: SourceContract,
    *,
    notes: FileNotes,
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = raw_schema(contract)
    done, new = 0, dict[str, None]()
    for chunk in _chunks(_values(objects, file, contract, new, notes=notes)):
        *columns, extras = zip(*chunk, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip([*columns, extras], schema, strict=False)]
        rows = pa.array(range(done + 1, done + 1 + len(chunk)), pa.int64())
        done += len(chunk)
        files = pa.repeat(pa.scalar(number, pa.int32()), len(chunk))
        yield pa.RecordBatch.from_arrays([*arrays, rows, files], schema=schema)
    notes.new_columns.extend(new)


def _values(
    objects: Iterator[tuple[int, dict[str, Any]]],
    file: SourceFile,
    contract: SourceContract,
    new: dict[str, None],
    *,
    notes: FileNotes,
) -> Iterator[list[Any]]:
    """For each object the contract's columns and `extra`; the object itself, which may be large, is let go."""
    getters: list[Callable[[dict[str, Any]], Any]] = []
    known: set[str] = set()
    for _, value in objects:
        if not getters:
            variant = _variant(value, contract, notes)
            if notes.held:
                return
            constants = {f"file:{k}": v for k, v in file.groups(contract).items()}
            getters = [_getter(c, variant, constants) for c in contract.columns]
            known = _known(contract, variant)
        extra = _extra(value, known)
        new |= dict.fromkeys(key for key, _ in extra or ())
        if len(new) > MAX_NEW:
            notes.hold(f"plus de {MAX_NEW} champs inconnus ({', '.join(list(new)[:8])}…) : autre format ?")
            return
        yield [*(get(value) for get in getters), extra]


def _chunks(rows: Iterator[list[Any]]) -> Iterator[list[list[Any]]]:
    chunk: list[list[Any]] = []
    size = 0
    for row in rows:
        chunk.append(row)
        for value in row:
            if value.__class__ is str:
                size += len(value)
            elif value:
                size += len(value) * GROUP_BYTES
        if len(chunk) >= BATCH or size > BATCH_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _variant(first: dict[str, Any], contract: SourceContract, notes: FileNotes) -> str | None:
    """Dialect of a document, by a field of its first record."""
    if not contract.variants:
        return None
    for variant in contract.variants:
        if _follow(first, (variant.has_field or "").split(".")) is not None:
            return variant.name
    wanted = " ou ".join(v.has_field or "" for v in contract.variants)
    notes.hold(f"format inconnu : champ {wanted} attendu, trouvés : {', '.join(list(first)[:8])} (autre serveur ?)")
    return None


def _known(contract: SourceContract, variant: str | None) -> set[str]:
    """Top-level fields that some column reads."""
    paths = [path for column in contract.columns for path in column.paths(variant)]
    return {path if _is_flat(path) else path.split(".")[0].removesuffix("[]") for path in paths}


def _is_flat(path: str) -> bool:
    return path.startswith(("doc:", "up:", "file:", "const:"))


def _getter(column: Column, variant: str | None, constants: dict[str, str]) -> Callable[[dict[str, Any]], Any]:
    """What finds a column's raw value in an object: its text, or a list of groups."""
    paths = column.paths(variant)
    if column.type == "nested":
        fields = [(f.name, f.path(variant)) for f in column.fields]
        return lambda value: _groups(value, paths, fields)
    finders = [_finder(path, constants) for path in paths]
    if len(finders) == 1:
        return finders[0]
    return lambda value: next((text for find in finders if (text := find(value)) is not None), None)


def _finder(path: str, constants: dict[str, str]) -> Callable[[dict[str, Any]], str | None]:
    """What finds the text of one place in an object."""
    if path.startswith(("const:", "file:")):
        text = path.removeprefix("const:") if path.startswith("const:") else constants.get(path)
        return lambda _: text
    steps = [path] if _is_flat(path) else path.split(".")
    if len(steps) > 1 or path.endswith("[]"):
        return lambda value: _text(_follow(value, steps))
    return lambda value: found if (found := value.get(path)).__class__ is str else _text(found)


def _groups(value: dict[str, Any], paths: Sequence[str], fields: Sequence[tuple[str, str | None]]) -> Any:
    for path in paths:
        found = _follow(value, path.split("."))
        if isinstance(found, dict):  # XML: a group that is there once is no list
            found = [found]
        if isinstance(found, list):
            return [
                {name: _text(_follow(group, inner.split("."))) if inner else None for name, inner in fields}
                for group in found
                if isinstance(group, dict)
            ]
    return None


def _follow(value: Any, steps: Sequence[str]) -> Any:
    """The value at a path; `a[].b` is the first element of `a` that has one."""
    for depth, step in enumerate(steps):
        if not isinstance(value, dict):
            return None
        if step.endswith("[]"):
            group = value.get(step[:-2])
            group = [group] if isinstance(group, dict) else group
            rest = steps[depth + 1 :]
            found = [_follow(element, rest) for element in group] if isinstance(group, list) else []
            return next((value for value in found if value is not None), None)
        value = value.get(step)
    return value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=str).decode()
    return str(value)


def _extra(value: dict[str, Any], known: set[str]) -> list[tuple[str, str | None]] | None:
    rest = [(key, _text(v)) for key, v in value.items() if key not in known and not _is_flat(key)]
    return rest or None
