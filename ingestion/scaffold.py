"""A first contract, fixture and staging model for a new source, from a look at one of its files.

Belongs here: guessing encoding, separator, decimal mark, forms of dates and candidate keys, with the loader's own
converters as judges; writing the files. Does not: anything a person must decide (owner, legal basis, units): those
stand as `À COMPLÉTER`, and the contract loads without them.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ingestion.contract import CONTRACTS_DIR, Column, SourceContract
from ingestion.landing import Container, SourceFile
from ingestion.typing import parsed_sql

if TYPE_CHECKING:
    import duckdb

SAMPLE_ROWS = 5000  # enough to see every form a column takes, and a day of a quarter-hourly file
FIXTURE_ROWS = 50
SHOWN = "À COMPLÉTER"
DELIMITERS = ";,\t|"
ENCODINGS = ("utf-8", "cp1252")
DATES = ("%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%Y%m%d", "%d/%m/%y")
CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f")
BOOLEANS = (("true", "false"), ("oui", "non"), ("Oui", "Non"), ("O", "N"), ("VRAI", "FAUX"), ("t", "f"))
MAX_KEY = 3  # columns of a candidate key
READERS = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".xls": "xlsx", ".ods": "xlsx", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".json": "json", ".geojson": "geo", ".gpkg": "geo",
}  # fmt: skip


class SampleError(Exception):
    """A sample that nothing can be made of; the message says why and what to do."""


@dataclass(frozen=True)
class Look:
    """What a sample shows."""

    format: dict[str, Any]
    columns: tuple[dict[str, Any], ...]
    rows: int
    keys: tuple[tuple[str, ...], ...]  # candidates, best first

    @property
    def event(self) -> dict[str, Any] | None:
        """The column that says when: the first that is an instant."""
        return next((c for c in self.columns if c["type"] in ("timestamp", "local_timestamp")), None)


def look(path: Path) -> Look:
    """Look at a sample file.

    Raises:
        SampleError: for a format that is not known, or a file without records.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(READERS))
        raise SampleError(f"{path.name} : extension inconnue ; connues : {known} (un XML s'écrit à la main)")
    guess: dict[str, Any] = {"reader": reader}
    if reader == "csv":
        guess |= _delimited(path)
    names, rows = _table(path, guess)
    if not names or not rows:
        raise SampleError(f"{path.name} : aucun enregistrement trouvé")
    columns = _columns(names, rows)
    if commas := [c for c in columns if c.pop("comma", False)]:
        guess["decimal"] = ","
        for column in columns:  # a file has one decimal mark: numbers with the other stay text
            if column["type"] == "number" and column not in commas:
                column["type"] = "string"
    return Look(guess, tuple(columns), len(rows), _keys(columns, rows))


def _delimited(path: Path) -> dict[str, Any]:
    """Encoding and separator of a delimited file."""
    data = path.read_bytes()[: 4 << 20]
    encoding = next((e for e in ENCODINGS if _decodes(data, e)), "iso-8859-15")
    text = data.decode(encoding, errors="replace").removeprefix("\ufeff")
    head = text.splitlines()[:200]
    if not head:
        raise SampleError(f"{path.name} : fichier vide")
    widths = {d: [len(r) for r in csv.reader(head, delimiter=d) if r] for d in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda d: (widths[d].count(widths[d][0]) if widths[d][0] > 1 else 0, widths[d][0]))
    return {"encoding": encoding, "delimiter": delimiter}


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start > len(data) - 4  # a character cut by the end of the sample
    return True


def _table(path: Path, guess: dict[str, Any]) -> tuple[list[str], list[list[str | None]]]:
    """Names and first records, as texts."""
    reader = guess["reader"]
    if reader == "csv":
        text = io.StringIO(path.read_bytes().decode(guess["encoding"], errors="replace").removeprefix("\ufeff"))
        lines = csv.reader(text, delimiter=guess["delimiter"])
        names = [n.strip() for n in next(lines, [])]
        return names, [[c or None for c in row] for row in islice(lines, SAMPLE_ROWS) if len(row) == len(names)]
    if reader == "xlsx":
        return _workbook(path, guess)
    if reader == "geo":
        return _features(path)
    return _objects(path, guess)


def _workbook(path: Path, guess: dict[str, Any]) -> tuple[list[str], list[list[str | None]]]:
    """The first sheet; its header is the first of the widest rows of texts."""
    from python_calamine import CalamineWorkbook

    rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python(nrows=SAMPLE_ROWS)
    texts = [[_text(cell) for cell in row] for row in rows]
    width = max((sum(c is not None for c in row) for row in texts), default=0)
    header = next((i for i, row in enumerate(texts) if sum(c is not None for c in row) == width), 0)
    if header:
        guess["header_row"] = header + 1
    return [c or f"colonne {i + 1}" for i, c in enumerate(texts[header])] if texts else [], texts[header + 1 :]


def _text(cell: Any) -> str | None:
    from datetime import date, datetime

    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date | datetime) else str(cell).strip()


def _features(path: Path) -> tuple[list[str], list[list[str | None]]]:
    import pyogrio

    frame = pyogrio.raw.read(path, max_features=SAMPLE_ROWS, read_geometry=False)
    names = [str(name) for name in frame[0]["fields"]]
    columns = [[None if v is None or str(v) == "nan" else _text(v) for v in c.tolist()] for c in frame[3]]
    count = len(columns[0]) if columns else 0
    rows = [[c[i] for c in columns] + [None] * 3 for i in range(count)]
    return [*names, "geometry:lon", "geometry:lat", "geometry:wkt"], rows


def _objects(path: Path, guess: dict[str, Any]) -> tuple[list[str], list[list[str | None]]]:
    """Objects of a JSON document or of JSON lines: their leaves by dotted path."""
    import orjson

    if guess["reader"] == "jsonl":
        with path.open("rb") as stream:
            objects = [orjson.loads(line) for line in islice(stream, SAMPLE_ROWS) if line.strip()]
    else:
        where, objects = _records(orjson.loads(path.read_bytes()))
        guess["records"] = where
    flat = [dict(_leaves(value)) for value in objects[:SAMPLE_ROWS] if isinstance(value, dict)]
    names = list(dict.fromkeys(name for value in flat for name in value))
    return names, [[value.get(name) for name in names] for value in flat]


def _records(value: Any, where: str = "") -> tuple[str, list[Any]]:
    """The longest array of objects in a document, and its path."""
    if isinstance(value, list):
        return where, value
    found = [_records(v, f"{where}.{k}".lstrip(".")) for k, v in value.items()] if isinstance(value, dict) else []
    return max(found, key=lambda f: sum(isinstance(o, dict) for o in f[1]), default=(where, []))


def _leaves(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            found += _leaves(inner, f"{prefix}{key}.")
        elif not isinstance(inner, list):
            found.append((f"{prefix}{key}", None if inner is None else _text(inner)))
    return found


# columns ----------------------------------------------------------------------------------------------------------


def _columns(names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[dict[str, Any]]:
    import duckdb

    taken: dict[str, int] = {}
    found = []
    with duckdb.connect() as con:
        for i, name in enumerate(names):
            values = list(dict.fromkeys(v.strip() for row in rows if (v := row[i]) and v.strip()))
            column = {"name": _unique(_snake(name), taken), "from": name, **_kind(con, values)}
            if all(row[i] for row in rows):
                column["required"] = True
            found.append(column)
    return found


def _snake(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "column"


def _unique(name: str, taken: dict[str, int]) -> str:
    name = name if name[0].isalpha() else f"c_{name}"
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else f"{name}_{taken[name]}"


def _kind(con: duckdb.DuckDBPyConnection, values: list[str]) -> dict[str, Any]:
    """The narrowest type whose converter takes every value; text when none does, or when a zero leads."""
    if not values or any(re.fullmatch(r"0\d+", v) for v in values):
        return {"type": "string"}
    import pyarrow as pa

    con.register("sample", pa.table({"x": values}))
    for declared in _candidates():
        told = {k: v for k, v in declared.items() if k != "comma"}
        column = Column.model_validate({"name": "x", "from": "x", "description": "", **told})
        if _takes_all(con, column, "," if "comma" in declared else "."):
            return declared
    return {"type": "string"}


def _candidates() -> list[dict[str, Any]]:
    clocks = [f"{day}{gap}{clock}" for day in DATES for gap in (" ", "T") for clock in CLOCKS]
    return [
        *({"type": "boolean", "true_values": [t], "false_values": [f]} for t, f in BOOLEANS),
        *({"type": "date", "format": form} for form in DATES),
        {"type": "integer"},
        {"type": "number"},
        {"type": "number", "comma": True},
        {"type": "timestamp"},
        *({"type": "local_timestamp", "format": form} for form in clocks),
    ]


def _takes_all(con: duckdb.DuckDBPyConnection, column: Column, decimal: str) -> bool:
    test = f"SELECT bool_and(({parsed_sql(column, decimal)}) IS NOT NULL) FROM sample"
    return bool(con.execute(test).fetchall()[0][0])


def _keys(columns: Sequence[dict[str, Any]], rows: Sequence[Sequence[str | None]]) -> tuple[tuple[str, ...], ...]:
    """Smallest sets of columns whose values tell all rows apart; measured numbers are no keys."""
    usable = [i for i, c in enumerate(columns) if c.get("required") and c["type"] not in ("number", "boolean")]
    found: list[tuple[int, ...]] = []
    for size in range(1, MAX_KEY + 1):
        found += [
            chosen
            for chosen in combinations(usable, size)
            if len({tuple(row[i] for i in chosen) for row in rows}) == len(rows)
        ]
        if found:
            break
    return tuple(tuple(columns[i]["name"] for i in chosen) for chosen in found[:5])


# writing ----------------------------------------------------------------------------------------------------------


def contract_of(source: str, table: str, sample: Path, seen: Look) -> dict[str, Any]:
    """A contract as a mapping, ready to be written; it loads as it is."""
    columns = []
    event = seen.event
    for column in seen.columns:
        kept = dict(column)
        if column["type"] == "local_timestamp" and column is not event:
            kept = {k: v for k, v in column.items() if k != "format"} | {"type": "string"}  # one clock a table
        columns.append({**kept, "description": f"{SHOWN} ({column['from']})"})
    stem, extension = re.escape(re.sub(r"\d{8}|\d{4}-\d{2}-\d{2}", "\0", sample.stem)), re.escape(sample.suffix)
    key = seen.keys[0] if seen.keys else tuple(c["name"] for c in columns if c.get("required")) or (columns[0]["name"],)
    declared: dict[str, Any] = {
        "id": source,
        "table": table,
        **dict.fromkeys(("title", "description", "platform", "department", "supplier"), SHOWN),
        "owner_email": "a-completer@nevers-agglomeration.example",
        "integration": "keep",
        "retention_months": 120,
        "legal": {"basis": SHOWN, "ownership": SHOWN, "licence": "etalab-2.0"},
        "cadence": "daily",
        "criticality": "low",
        "files": f"^{stem.replace(chr(0), '(?P<time>.+?)', 1).replace(chr(0), '.+?')}.*{extension}$",
        "format": seen.format,
        "mode": "append" if event else "snapshot",
        "key": list(key),
        "columns": columns,
    }
    if event:
        declared["partition"] = "month"
        declared["event_time"] = {"column": event["name"]}
        if event["type"] == "local_timestamp":
            series = [name for name in key if name != event["name"]]
            declared["event_time"] |= {"zone": "Europe/Paris", "series": series}
    return declared


def check_loads(declared: dict[str, Any]) -> SourceContract:
    """The contract, checked as any other."""
    return SourceContract.model_validate(declared)


def staging_sql(contract: SourceContract) -> str:
    """The staging model: the latest word on each key."""
    names = [c.name for c in contract.columns]
    trace = ["source_file", "source_sha256", "source_time", "source_row"]
    if contract.mode == "snapshot":
        chosen = f"where {{{{ is_latest_snapshot(source('bronze', '{contract.bronze}')) }}}}"
    else:
        key = ", ".join(f"'{name}'" for name in dict.fromkeys(("event_date", *contract.key)))
        chosen = f"qualify {{{{ is_latest_revision([{key}]) }}}}"
        trace.insert(0, "event_date")
    columns = ",\n    ".join([*names, *trace])
    return (
        f"with {contract.table} as (\n    select * from {{{{ source('bronze', '{contract.bronze}') }}}}\n),\n\n"
        f"latest as (\n    select * from {contract.table}\n    {chosen}\n)\n\nselect\n    {columns}\nfrom latest\n"
    )


def staging_yml(contract: SourceContract) -> str:
    """Its documentation."""
    trace = {
        "source_file": "File the row comes from",
        "source_sha256": "SHA-256 of that file",
        "source_time": "The file's own time; orders revisions",
        "source_row": "Record number in the file",
    }
    if contract.mode == "append":
        trace = {"event_date": "UTC day of the event", **trace}
    columns = [{"name": c.name, "description": c.description} for c in contract.columns]
    columns += [{"name": name, "description": text} for name, text in trace.items()]
    model = {"name": f"stg_{contract.bronze}", "description": contract.title, "columns": columns}
    return yaml.safe_dump({"version": 2, "models": [model]}, allow_unicode=True, sort_keys=False, width=110)


def scaffold(source: str, sample: Path, *, domain: str, table: str, root: Path) -> list[Path]:
    """Write contract, fixture and staging model of a new source.

    Args:
        source: id of the source.
        sample: a file as the platform exports it.
        domain: folder of the contract.
        table: name of the table.
        root: the checkout to write into.

    Raises:
        SampleError: when the sample is not understood, or the source exists.
    """
    seen = look(sample)
    contract = check_loads(declared := contract_of(source, table, sample, seen))
    problem = SourceFile(Container(sample, sample.name, 0, 0)).name_problem(contract)
    if problem:
        raise SampleError(f"{sample.name} : {problem}")
    staging = root / "dbt_project/models/staging" / f"stg_{contract.bronze}"
    others = "".join(f"#   {list(key)}\n" for key in seen.keys[1:])
    head = (
        f"# Proposé d'après {sample.name} ({seen.rows} lignes lues). À relire : clé, unités, et chaque « {SHOWN} ».\n"
    )
    text = yaml.safe_dump(declared, allow_unicode=True, sort_keys=False, width=110)
    written = {
        root / CONTRACTS_DIR.relative_to(CONTRACTS_DIR.parents[1]) / domain / f"{source}.yml": (
            f"{head}{f'# Autres clés possibles :{chr(10)}{others}' if others else ''}{text}"
        ).encode(),
        staging.with_suffix(".sql"): staging_sql(contract).encode(),
        staging.with_suffix(".yml"): staging_yml(contract).encode(),
        root / "tests/fixtures/sources" / source / sample.name: sample_head(sample, seen.format["reader"]),
    }
    if taken := [path for path in written if path.exists()]:
        raise SampleError(f"existe déjà : {', '.join(p.relative_to(root).as_posix() for p in taken)}")
    for path, content in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(written)


def sample_head(sample: Path, reader: str) -> bytes:
    """The first lines of a sample, where it has lines; the whole of it otherwise."""
    if reader not in ("csv", "jsonl"):
        return sample.read_bytes()
    with sample.open("rb") as stream:
        return b"".join(islice(stream, FIXTURE_ROWS + 1))
