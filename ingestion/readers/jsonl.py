"""JSON lines to raw columns, read by DuckDB with explicit columns (no inference, 2.5 times its speed).

Belongs here: the dialect of a file, the column declaration for `read_json`, paths into objects. Does not: what the
values mean (typing.py).
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ingestion.contract import Column, SourceContract
    from ingestion.landing import SourceFile
    from ingestion.readers import FileNotes

# New top-level fields are looked for in the first lines only: reading every object twice would halve the speed.
SAMPLE_LINES = 500
BLOCK = 1 << 18  # bytes of lines counted at a time
MAX_OBJECT = 1 << 20  # bytes of one line; DuckDB reads twice that at a time, so small means even work for its threads


def select(path: Path, number: int, contract: SourceContract, notes: FileNotes) -> str | None:
    """SQL that yields the raw rows of an unpacked file, or None when notes say that it is held.

    Rows come in file order but without `source_row`: numbering them here would keep DuckDB on one thread. The caller
    spools one file per Parquet file and takes the row's place in it.

    Args:
        path: unpacked, UTF-8.
        number: becomes `file_no`.
        contract: which fields become which columns, per variant.
        notes: filled with drift, or with the reason why the file is held.
    """
    samples = _samples(path)
    if not samples:
        notes.held = "aucun objet JSON lisible : une ligne = un objet est attendu"
        return None
    fields = list(dict.fromkeys(key for sample in samples for key in sample))
    variant = next((v.name for v in contract.variants if v.has_field in samples[0]), None)
    if contract.variants and variant is None:
        wanted = " ou ".join(v.has_field for v in contract.variants)
        notes.held = f"format inconnu : champ {wanted} attendu, trouvés : {', '.join(fields[:8])} (autre serveur ?)"
        return None
    tree = _tree(contract, variant)
    notes.new_columns.extend(f for f in fields if f not in tree)
    return _sql(path, number, contract, variant, tree=tree, new=notes.new_columns)


def _samples(path: Path) -> list[dict[str, Any]]:
    found = []
    with path.open("rb") as stream:
        for line in islice(stream, SAMPLE_LINES):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
    return found


def _steps(path: str) -> list[str]:
    return path.split(".")


def _tree(contract: SourceContract, variant: str | None) -> dict[str, Any]:
    """Nested dict of the fields the contract reads: leaves are None, repeated groups are lists of one dict."""
    tree: dict[str, Any] = {}
    for column in contract.columns:
        for path in column.paths(variant):
            if column.type == "nested":
                group: dict[str, Any] = tree.setdefault(path, [{}])[0]
                for field in column.fields:
                    if (inner := field.path(variant)) is not None:
                        _plant(group, _steps(inner))
            else:
                _plant(tree, _steps(path))
    return tree


def _plant(tree: dict[str, Any], steps: list[str]) -> None:
    head, rest = steps[0], steps[1:]
    if head.endswith("[]"):
        group = tree.setdefault(head[:-2], [{}])
        _plant(group[0], rest)
    elif rest:
        node = tree.setdefault(head, {})
        _plant(node[0] if isinstance(node, list) else node, rest)
    else:
        tree.setdefault(head, None)


def _type(node: Any) -> str:
    if node is None:
        return "VARCHAR"  # scalars arrive as text: what cannot be read is seen, not nulled
    if isinstance(node, list):
        return f"{_type(node[0])}[]"
    return "STRUCT(" + ", ".join(f'"{k}" {_type(v)}' for k, v in node.items()) + ")"


def _columns(tree: dict[str, Any]) -> str:
    return ", ".join(f"\"{name}\": '{_type(node)}'" for name, node in tree.items())


def declared_columns(contract: SourceContract, variant: str | None) -> str:
    """The `columns` argument of `read_json` for a dialect of a source: what the contract reads, and nothing else."""
    return "{" + _columns(_tree(contract, variant)) + "}"


def _sql(
    path: Path, number: int, contract: SourceContract, variant: str | None, *, tree: dict[str, Any], new: Iterable[str]
) -> str:
    # a field under a new name is read as JSON and kept in `extra`
    extras = list(new)
    columns = _columns(tree) + "".join(f", \"{name}\": 'JSON'" for name in extras)
    exprs = [f"{_value(c, variant)} AS {c.name}" for c in contract.columns]
    extra = "NULL"
    if extras:
        pairs = ", ".join(f"'{n.replace(chr(39), chr(39) * 2)}', \"{n}\"" for n in extras)
        extra = f"nullif(json_merge_patch('{{}}', json_object({pairs})), '{{}}')"
    quoted = str(path).replace("'", "''")
    return (
        f"SELECT {', '.join(exprs)}, {extra} AS extra, {number}::INTEGER AS file_no "
        f"FROM read_json('{quoted}', format='newline_delimited', columns={{{columns}}}, ignore_errors=true, "
        f"maximum_object_size={MAX_OBJECT}, compression='uncompressed')"
    )


def _value(column: Column, variant: str | None) -> str:
    paths = column.paths(variant)
    if not paths:
        return "NULL::VARCHAR"
    if column.type == "nested":
        places = {f.name: f.path(variant) for f in column.fields}
        inner = ", ".join(f"'{name}': {_dotted('x', p) if p else 'NULL::VARCHAR'}" for name, p in places.items())
        return f'list_transform("{paths[0]}", lambda x: {{{inner}}})'
    exprs = [_expression(path) for path in paths]
    return exprs[0] if len(exprs) == 1 else f"coalesce({', '.join(exprs)})"


def _expression(path: str) -> str:
    if "[]." not in path:
        head, *rest = _steps(path)
        return _dotted(f'"{head}"', ".".join(rest)) if rest else f'"{head}"'
    group, inner = path.split("[].", 1)
    return f'list_filter(list_transform("{group}", lambda x: {_dotted("x", inner)}), lambda v: v IS NOT NULL)[1]'


def _dotted(base: str, path: str) -> str:
    return base + "".join(f'."{step}"' for step in _steps(path))


def locate(file: SourceFile, records: set[int], count: int) -> dict[int, tuple[int, str]]:
    """Physical line (from 1) and text of given records; blank lines are no records.

    Args:
        file: the file the records are in.
        records: record numbers, from 1.
        count: how many records the file has. When it has as many lines, none is blank, and counting line ends is all
            there is to do; otherwise every line is looked at.
    """
    found: dict[int, tuple[int, str]] = {}
    before = 0
    with file.open() as stream:
        while block := stream.read(BLOCK):
            block += stream.readline()
            lines = block.count(b"\n") + (not block.endswith(b"\n"))
            if any(before < record <= before + lines for record in records):
                found |= _among(block.splitlines(keepends=True), before, before, records)
            before += lines
    if before == count:
        return found
    with file.open() as stream:
        return _among(stream, 0, 0, records)


def _among(lines: Iterable[bytes], line_number: int, record: int, records: set[int]) -> dict[int, tuple[int, str]]:
    """Wanted records among lines that follow `line_number` lines and `record` records."""
    found = {}
    for number, line in enumerate(lines, start=line_number + 1):
        if line.strip():
            record += 1
            if record in records:
                found[record] = (number, line.decode("utf-8", errors="replace").rstrip("\r\n"))
    return found


def fault(raw: str | None) -> str | None:
    """Why a line is not a JSON object in UTF-8 at all, or None when it is one."""
    if raw and "\ufffd" in raw:
        return "octets invalides : UTF-8 attendu (ligne en cp1252 ?)"
    try:
        value = json.loads(raw or "")
    except ValueError as error:
        return f"ligne JSON invalide : {error}"
    return None if isinstance(value, dict) else "un objet JSON par ligne est attendu"
