"""JSON lines to raw columns, read by DuckDB with explicit columns (no inference, 2.5 times its speed).

Belongs here: the dialect of a file, the column declaration for `read_json`, paths into objects. Does not: what the
values mean (typing.py).
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from ingestion.typing import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ingestion.contract import Column, SourceContract
    from ingestion.landing import SourceFile
    from ingestion.readers import FileNotes

# Lines that tell the dialect and most fields. Of a longer file DuckDB lists the names of all objects besides, which
# costs a quarter of the time it takes to read them.
SAMPLE_LINES, SAMPLE_BYTES = 500, 8 << 20
BLOCK = 1 << 18  # bytes of lines counted at a time
MAX_OBJECT = 1 << 20  # bytes of one line; DuckDB reads twice that at a time, so small means even work for its threads
MAX_LINE = 4 * MAX_OBJECT  # longer than what DuckDB lets through: not even looked at
MAX_NEW = 500  # unknown fields; more are values used as names, of which no table can be made
BOM = b"\xef\xbb\xbf"
FLAT = ("doc:", "up:")  # names with a prefix are one field, whatever dots are in them
OURS = ("const:", "file:")  # values that are not in the objects
ITEM = "item_of_group"  # in lambdas; a field of that name would hide it


def select(
    path: Path,
    number: int,
    contract: SourceContract,
    notes: FileNotes,
    *,
    groups: Mapping[str, str] | None = None,
) -> str | None:
    """SQL that yields the raw rows of an unpacked file, or None when notes say that it is held.

    Rows come in file order but without `source_row`: numbering them here would keep DuckDB on one thread. The caller
    spools one file per Parquet file and takes the row's place in it.

    Args:
        path: unpacked, UTF-8.
        number: becomes `file_no`.
        contract: which fields become which columns, per variant.
        notes: filled with drift, or with the reason why the file is held.
        groups: named groups of the file's name, which the contract may read as `file:GROUP`.
    """
    if _has_endless_line(path):
        notes.hold(f"une ligne dépasse {MAX_LINE >> 20} Mo : une ligne = un objet est attendu")
        return None
    samples, faulty, whole = _samples(path)
    if not samples:
        notes.hold("aucun objet JSON lisible : une ligne = un objet est attendu")
        return None
    names = [] if whole else _all_names(path)
    fields = [
        name for name in dict.fromkeys([*(key for sample in samples for key in sample), *names]) if name is not None
    ]
    # the first object that any dialect knows: a server's export may begin with a message of another kind
    known = ((v.name for v in contract.variants if v.has_field and _has(sample, v.has_field)) for sample in samples)
    notes.dialect = variant = next((name for names in known for name in names), None)
    if contract.variants and variant is None:
        wanted = " ou ".join(v.has_field or "" for v in contract.variants)
        notes.hold(f"format inconnu : champ {wanted} attendu, trouvés : {', '.join(fields[:8])} (autre serveur ?)")
        return None
    tree = _tree(contract, variant)
    notes.new_columns.extend(f for f in fields if f not in tree)
    if len(notes.new_columns) > MAX_NEW:
        notes.hold(f"plus de {MAX_NEW} champs inconnus ({', '.join(notes.new_columns[:8])}…) : autre format ?")
        return None
    query = _Query(path, number, contract, variant, groups or {})
    return query.sql(tree, notes.new_columns, faulty=faulty or None in names)


def _has_endless_line(path: Path) -> bool:
    """Whether one of the first lines is longer than any object; DuckDB finds those further on."""
    with path.open("rb") as stream:
        return any(len(stream.readline(MAX_LINE + 1)) > MAX_LINE for _ in range(SAMPLE_LINES))


def _samples(path: Path) -> tuple[list[dict[str, Any]], bool, bool]:
    """Objects of the first lines, whether some of those lines are not JSON, and whether there are no other lines."""
    found, faulty, left = [], False, SAMPLE_BYTES
    with path.open("rb") as stream:
        for line in islice(stream, SAMPLE_LINES):
            left -= len(line)
            try:
                value = orjson.loads(line.removeprefix(BOM))
            except orjson.JSONDecodeError:
                faulty |= bool(line.strip())
                continue
            if isinstance(value, dict):
                found.append(value)
            if left < 0:
                break
        return found, faulty, not stream.read(1)


def _all_names(path: Path) -> list[str | None]:
    """Top-level field names of all objects of a file, in name order; None among them when some line is not JSON."""
    import duckdb

    with duckdb.connect(config={"memory_limit": "200MB"}) as con:
        con.execute("SET enable_progress_bar = false")
        names = "unnest(coalesce(json_keys(json), [NULL]))"
        return [row[0] for row in con.execute(f"SELECT DISTINCT {names} FROM {_objects(path)} ORDER BY 1").fetchall()]


def _objects(path: Path) -> str:
    return f"read_json_objects({quote(str(path))}, {_OPTIONS})"


_OPTIONS = (
    f"format='newline_delimited', ignore_errors=true, maximum_object_size={MAX_OBJECT}, compression='uncompressed'"
)


def _has(sample: Any, path: str) -> bool:
    for step in path.split("."):
        if not isinstance(sample, dict) or step not in sample:
            return False
        sample = sample[step]
    return True


# What the contract reads ----------------------------------------------------------------------------------------------


def _steps(path: str) -> list[str]:
    return [path] if path.startswith(FLAT) else path.split(".")


def _tree(contract: SourceContract, variant: str | None) -> dict[str, Any]:
    """Nested dict of the fields the contract reads: leaves are None, repeated groups are lists of one dict."""
    tree: dict[str, Any] = {}
    for column in contract.columns:
        for path in column.paths(variant):
            if path.startswith(OURS):
                continue
            if column.type != "nested":
                _plant(tree, _steps(path))
                continue
            group = _plant(tree, [*_steps(path)[:-1], f"{_steps(path)[-1]}[]"])
            for field in column.fields:
                if (inner := field.path(variant)) is not None:
                    _plant(group, _steps(inner))
    return tree


def _plant(tree: dict[str, Any], steps: list[str]) -> Any:
    """Make room for a path; gives the dict of a group that ends it."""
    head, rest = steps[0], steps[1:]
    if head.endswith("[]"):
        group = tree.setdefault(head[:-2], [{}])
        return _plant(group[0], rest) if rest else group[0]
    if rest:
        node = tree.setdefault(head, {})
        return _plant(node[0] if isinstance(node, list) else node, rest)
    return tree.setdefault(head, None)


def _type(node: Any) -> str:
    if node is None:
        return "VARCHAR"  # scalars arrive as text: what cannot be read is seen, not nulled
    if isinstance(node, list):
        return f"{_type(node[0])}[]"
    return "STRUCT(" + ", ".join(f"{_name(k)} {_type(v)}" for k, v in node.items()) + ")"


def _name(text: str) -> str:
    """A field name as SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def _columns(tree: dict[str, Any]) -> str:
    return ", ".join(f"{_name(name)}: {quote(_type(node))}" for name, node in tree.items())


def declared_columns(contract: SourceContract, variant: str | None) -> str:
    """The `columns` argument of `read_json` for a dialect of a source: what the contract reads, and nothing else."""
    return "{" + _columns(_tree(contract, variant)) + "}"


def _structure(node: Any) -> Any:
    """What `from_json` wants to know of a tree."""
    if node is None:
        return "VARCHAR"
    if isinstance(node, list):
        return [_structure(node[0])]
    return {name: _structure(inner) for name, inner in node.items()}


# SQL ------------------------------------------------------------------------------------------------------------------


class _Query:
    """The SQL of one file; `base` is what the contract's fields are found in."""

    def __init__(
        self, path: Path, number: int, contract: SourceContract, variant: str | None, groups: Mapping[str, str]
    ) -> None:
        self._path = path
        self._number = number
        self._contract = contract
        self._variant = variant
        self._groups = groups

    def sql(self, tree: dict[str, Any], new: list[str], *, faulty: bool) -> str:
        """Rows of all objects; fields under a new name are kept in `extra`."""
        with self._path.open("rb") as stream:
            marked = stream.read(len(BOM)) == BOM
        if faulty or marked or not tree or not _are_columns([*tree, *new]):
            return self._of_whole_objects(tree, new, marked=marked)
        columns = _columns(tree) + "".join(f", {_name(name)}: 'JSON'" for name in new)
        pairs = ", ".join(f"{quote(name)}, r.{_name(name)}" for name in new)
        extra = f"nullif(json_merge_patch('{{}}', json_object({pairs})), '{{}}')" if new else "NULL"
        return (
            f"SELECT {self._values('r')}, {extra} AS extra, {self._number}::INTEGER AS file_no "
            f"FROM read_json({quote(str(self._path))}, columns={{{columns}}}, records=true, {_OPTIONS}) AS r"
        )

    def _of_whole_objects(self, tree: dict[str, Any], new: list[str], *, marked: bool) -> str:
        """The same from whole objects.

        Half as fast, but names are told apart to the letter, any first line will do, and a line cut off where a value
        should begin (`{"a":`) does not take the next one with it, as it does in DuckDB 1.5's `read_json`.
        """
        objects = f"SELECT json FROM {_objects(self._path)}"
        if marked:  # DuckDB takes a byte order mark for a fault of the first line
            objects = f"(SELECT {self._first_line()} AS json) UNION ALL ({objects} OFFSET 1)"
        extra = "NULL"
        if new:
            known = quote(json.dumps(dict.fromkeys(tree)))
            rest = f"json_merge_patch('{{}}', json_merge_patch(json, {known}))"
            extra = f"CASE WHEN json_type(json) = 'OBJECT' THEN nullif({rest}, '{{}}') END"
        structure = quote(json.dumps(_structure(tree or {"": None})))
        return (
            f"SELECT {self._values('v')}, {extra} AS extra, {self._number}::INTEGER AS file_no "
            f"FROM (SELECT from_json(json, {structure}) AS v, json FROM ({objects}))"
        )

    def _first_line(self) -> str:
        with self._path.open("rb") as stream:
            line = stream.readline(MAX_OBJECT).removeprefix(BOM).strip()
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = ""
        return f"TRY_CAST({quote(text)} AS JSON)" if "\x00" not in text else "NULL::JSON"

    def _values(self, base: str) -> str:
        return ", ".join(f"{self._value(c, base)} AS {c.name}" for c in self._contract.columns)

    def _value(self, column: Column, base: str) -> str:
        paths = column.paths(self._variant)
        if not paths and column.type == "nested":
            return f"NULL::{_type([{f.name: None for f in column.fields}])}"
        if not paths:
            return "NULL::VARCHAR"
        if column.type == "nested":
            places = {f.name: f.path(self._variant) for f in column.fields}
            inner = ", ".join(f"'{name}': {_dotted(ITEM, p) if p else 'NULL::VARCHAR'}" for name, p in places.items())
            return f"list_transform({_dotted(base, paths[0])}, lambda {ITEM}: {{{inner}}})"
        exprs = [self._expression(path, base) for path in paths]
        return exprs[0] if len(exprs) == 1 else f"coalesce({', '.join(exprs)})"

    def _expression(self, path: str, base: str) -> str:
        if path.startswith("const:"):
            return quote(path.removeprefix("const:"))
        if path.startswith("file:"):
            text = self._groups.get(path.removeprefix("file:"))
            return "NULL::VARCHAR" if text is None else quote(text)
        if "[]." not in path or path.startswith(FLAT):
            return _dotted(base, path)
        group, inner = path.split("[].", 1)
        found = f"list_transform({_dotted(base, group)}, lambda {ITEM}: {_dotted(ITEM, inner)})"
        return f"list_filter({found}, lambda {ITEM}: {ITEM} IS NOT NULL)[1]"


def _are_columns(names: list[str]) -> bool:
    """Whether SQL can name them all: none is empty or holds a NUL, and no two differ in case only (fCntUp, fcntUp)."""
    return all(name and "\x00" not in name for name in names) and len({n.lower() for n in names}) == len(names)


def _dotted(base: str, path: str) -> str:
    return base + "".join(f".{_name(step)}" for step in _steps(path))


# Lines ----------------------------------------------------------------------------------------------------------------


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
                text = line.decode("utf-8", errors="replace").rstrip("\r\n")
                found[record] = (number, text.removeprefix("\ufeff"))
    return found


def fault(raw: str | None) -> str | None:
    """Why a line is not a JSON object in UTF-8 at all, or None when it is one."""
    if raw and "\ufffd" in raw:
        return "octets invalides : UTF-8 attendu (ligne en cp1252 ?)"
    try:
        value = orjson.loads(raw or "")
    except orjson.JSONDecodeError as error:
        return f"ligne JSON invalide : {error}"
    return None if isinstance(value, dict) else "un objet JSON par ligne est attendu"
