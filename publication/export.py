"""From a DuckDB relation to the files people download: CSV, Parquet and GeoJSON, the same bytes for the same rows.

Belongs here: the published form of a value and the order of rows. Does not: where files go, or whether they may.

The sorted Parquet file is written first; CSV and GeoJSON are read back from it in order, so a table is sorted once, the
three formats agree, and memory stays within DuckDB's limit (it spills) whatever the number of rows. Where a table has
a place, its Parquet is a GeoParquet: two columns more, `geometry` and `bbox`, that no other format has. A CSV that
would be heavy is cut by year.

Form of values, in every format unless said otherwise:
- an empty text is no value; numbers are rounded to 6 decimals (about 0.1 m for coordinates); instants are UTC, to the
  second;
- geometries are plane, their outer rings counter-clockwise (geo.py);
- CSV only: coordinates keep at least 4 decimals, as the national standards ask; a free text that a spreadsheet would
  run as a formula is preceded by an apostrophe. Identifiers, enumerations and patterned columns are left alone, because
  the standard fixes their form.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lake.engine import literal
from publication import geo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

    import duckdb

    from publication.card import Archive
    from publication.vocabulary import FileFormat
    from quality.standard import Field, TableStandard

# Raise it when the published form changes: every file is then written again, once.
FORM = 2

# A row group is what a reader fetches over HTTP to answer one range of keys. Measured by range requests on 5 M rows of
# telemetry (docs/adr/0020-published-files.md): a week of one sensor costs 7 requests and about 0.25 MB from 25 000 to
# 100 000 rows, 0.5 MB at 10 000 and at 250 000; a whole column costs twice the requests each time the size is halved.
ROW_GROUP_ROWS = 100_000
# The national portal previews and validates CSV up to about this size, and a spreadsheet opens no more.
CSV_LIMIT_BYTES = 100_000_000
UNDATED = "sans-date"  # the part of rows without a date
GEOJSON_BATCH_ROWS = 10_000

# What a member of an archive says of itself, always the same: the first day a ZIP knows, a file that all may read.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE = 0o100644 << 16

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_ACCEPTED: dict[str, set[str]] = {
    "integer": _INTEGERS,
    "number": _INTEGERS | {"DOUBLE", "FLOAT", "DECIMAL"},
    "boolean": {"BOOLEAN"},
    "date": {"DATE"},
    "datetime": {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"},
}
_TEXT = {"VARCHAR", "JSON", "UUID"}

# What makes a spreadsheet take a cell for a formula, wide forms included, and what is only a number or a telephone
# number: nothing in it can be called, so `-12`, `+33 3 86 ..` and `+33 (0)3` stay as they are.
_FORMULA, _FIGURES = r"^[=@\t\r\n+\-\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]", r"^[+\-][0-9 .,()/\x{00A0}\-]*$"


class ExportError(Exception):
    """A table that cannot be written in the published form; the message names relation, column and what was found."""


@dataclass(frozen=True)
class TableExport:
    """What to write: a relation, the standard's table it fills, and how."""

    relation: str
    table: TableStandard
    stem: str  # file name without its ending
    sort: tuple[str, ...]
    coordinates: tuple[str, str] | None = None  # (longitude, latitude) columns
    temporal: str | None = None  # column that says when
    zone: str = "Europe/Paris"  # of the days in `temporal`, when that column holds instants
    # Nulls stay out of the GeoJSON: where a national JSON Schema types its properties, null is of no such type.
    sparse: bool = False

    @property
    def formats(self) -> tuple[FileFormat, ...]:
        """The formats this table is published in."""
        return ("csv", "parquet") if self.coordinates is None and self.place is None else ("csv", "parquet", "geojson")

    @property
    def place(self) -> Field | None:
        """The column that holds a place in itself, a geometry rather than a point when there are both."""
        found = [f for f in self.table.fields if f.type in ("geometry", "geopoint")]
        return min(found, key=lambda f: f.type != "geometry", default=None)


@dataclass(frozen=True)
class DataFile:
    """One file written: its rows and, when it holds a year of the table only, which one."""

    format: FileFormat
    path: Path
    rows: int
    part: str = ""


@dataclass(frozen=True)
class Exported:
    """What was written: number of rows, files, first and last day covered (None when nothing is dated)."""

    rows: int
    files: tuple[DataFile, ...]
    days: tuple[date, date] | None

    def path(self, file_format: FileFormat) -> Path:
        """The file of one format, the first when there are several."""
        return next(file.path for file in self.files if file.format == file_format)


def fingerprint(con: duckdb.DuckDBPyConnection, export: TableExport) -> str:
    """A digest of what `write` would write, computed without sorting or writing: equal content, equal digest.

    Raises:
        ExportError: when the relation lacks a column or has one of the wrong type.
    """
    import duckdb

    select = _select(con, export)
    names = ", ".join(_quote(field.name) for field in export.table.fields)
    try:
        found = con.execute(f"SELECT count(*), sum(hash({names})), bit_xor(hash({names})) FROM ({select})").fetchone()
    except duckdb.Error as error:
        raise _unreadable(export, error) from error
    shape = [export.sort, export.coordinates, export.temporal, export.sparse]
    recipe = [FORM, ROW_GROUP_ROWS, CSV_LIMIT_BYTES, duckdb.__version__, select, *shape]
    csv = [_csv_value(field, export) for field in export.table.fields]
    text = json.dumps([recipe, csv, export.table.delimiter, export.stem, found], default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def write(con: duckdb.DuckDBPyConnection, export: TableExport, folder: Path) -> Exported:
    """Write every format of one table into `folder`.

    Raises:
        ExportError: when the relation lacks a column, has one of the wrong type, or holds a value that has no published
            form (an infinite number, for one).
    """
    import duckdb

    parquet = folder / f"{export.stem}.parquet"
    source = f"read_parquet({literal(str(parquet))})"
    try:
        with _in_order(con):
            write_parquet(con, export, parquet)
            rows = _count(con, source)
            files = _write_csvs(con, export, source, folder, rows)
            files.append(DataFile("parquet", parquet, rows))
            if "geojson" in export.formats:
                files.append(DataFile("geojson", folder / f"{export.stem}.geojson", rows))
                _write_geojson(con, export, source, files[-1].path)
        return Exported(rows, tuple(files), _days(con, export, source))
    except duckdb.Error as error:
        raise _unreadable(export, error) from error


def write_archive(
    con: duckdb.DuckDBPyConnection, written: Sequence[tuple[TableExport, Exported]], archive: Archive, folder: Path
) -> Path:
    """Write `<name>.zip` of tables that `write` has written, the same bytes for the same rows.

    Members have the published values as CSV does; texts are not made safe for spreadsheets, as readers of such an
    archive are programs.

    Raises:
        ExportError: when a table cannot be read back.
    """
    import duckdb

    target, member = folder / f"{archive.name}.zip", folder / f"{archive.name}.member"
    with zipfile.ZipFile(target, "w") as bundle:
        for export, exported in written:
            source = f"read_parquet({literal(str(exported.path('parquet')))})"
            values = [(field, _member_value(field, export, archive)) for field in export.table.fields]
            try:
                with _in_order(con):
                    _write_csv(con, source, values, member, ",")
            except duckdb.Error as error:
                raise _unreadable(export, error) from error
            entry = zipfile.ZipInfo(archive.member(export.table.name), _NO_TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _PLAIN_FILE
            with member.open("rb") as content, bundle.open(entry, "w") as out:
                shutil.copyfileobj(content, out)
    member.unlink(missing_ok=True)
    return target


@contextmanager
def _in_order(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Rows are written as they are read: else DuckDB may write batches as they come, and equal rows differ in bytes."""
    kept = con.execute("SELECT current_setting('preserve_insertion_order')").fetchone()
    con.execute("SET preserve_insertion_order = true")
    try:
        yield
    finally:
        con.execute(f"SET preserve_insertion_order = {str(bool(kept and kept[0])).lower()}")


def write_parquet(con: duckdb.DuckDBPyConnection, export: TableExport, path: Path) -> None:
    """The published columns, sorted; with the columns of GeoParquet when the table has a place."""
    select, options = _select(con, export), f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
    if (place := _place(con, export)) is not None:
        options += f", KV_METADATA {{geo: {literal(geo.metadata(con, select, place))}}}"
        select = geo.with_columns(select, place)
    con.execute(f"COPY ({select} ORDER BY {_order(export)}) TO {literal(str(path))} ({options})")


def _write_csvs(
    con: duckdb.DuckDBPyConnection, export: TableExport, source: str, folder: Path, rows: int
) -> list[DataFile]:
    """The CSV of a table, or one for each year when it would pass the limit and the table is dated."""
    values = [(field, _csv_value(field, export)) for field in export.table.fields]
    whole = folder / f"{export.stem}.csv"
    _write_csv(con, source, values, whole, export.table.delimiter)
    day = _day(export)
    if day is None or whole.stat().st_size <= CSV_LIMIT_BYTES:
        return [DataFile("csv", whole, rows)]
    whole.unlink()
    counted = con.execute(f"SELECT year({day}) AS year, count(*) FROM {source} GROUP BY ALL ORDER BY year NULLS LAST")
    parts: list[DataFile] = []
    for year, found in counted.fetchall():
        part = UNDATED if year is None else f"{year:04}"
        only = f"(SELECT * FROM {source} WHERE year({day}) IS NOT DISTINCT FROM {'NULL' if year is None else year})"
        parts.append(DataFile("csv", folder / f"{export.stem}_{part}.csv", found, part))
        _write_csv(con, only, values, parts[-1].path, export.table.delimiter)
    return parts


def _write_csv(
    con: duckdb.DuckDBPyConnection, source: str, values: Sequence[tuple[Field, str]], path: Path, delimiter: str
) -> None:
    """Rows of `source` as CSV, each field by the SQL of its text."""
    columns = ", ".join(f"{text} AS {_quote(field.name)}" for field, text in values)
    con.execute(
        f"COPY (SELECT {columns} FROM {source}) TO {literal(str(path))} "
        f"(FORMAT csv, HEADER true, DELIMITER '{delimiter}', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
    )


def _member_value(field: Field, export: TableExport, archive: Archive) -> str:
    """SQL of the text that stands for a published value in a member of an archive."""
    name = _quote(field.name)
    match field.type:
        case "date":
            return f"strftime({name}, {literal(archive.date_format)})"
        case "string":
            return name
        case _:
            return _csv_value(field, export)


def _unreadable(export: TableExport, error: Exception) -> ExportError:
    return ExportError(f"{export.relation}: cannot be published as {export.stem}: {error}")


def _select(con: duckdb.DuckDBPyConnection, export: TableExport) -> str:
    """The published columns, in the standard's order and types; columns the standard does not have stay behind."""
    import duckdb

    try:
        described = con.execute(f"DESCRIBE SELECT * FROM {export.relation}").fetchall()
    except duckdb.Error as error:
        raise _unreadable(export, error) from error
    if any(field.type == "geometry" for field in export.table.fields):
        geo.load(con)
    types = {str(row[0]): str(row[1]) for row in described}
    missing = [field.name for field in export.table.fields if field.name not in types]
    if missing:
        msg = f"{export.relation}: column {', '.join(missing)} of the standard is missing; correct the opendata model"
        raise ExportError(msg)
    columns = (
        f"{_published(field, types[field.name], export)} AS {_quote(field.name)}" for field in export.table.fields
    )
    return f"SELECT {', '.join(columns)} FROM {export.relation}"


def _published(field: Field, found: str, export: TableExport) -> str:
    """SQL of a column's published value, typed."""
    name, family = _quote(field.name), found.split("(", maxsplit=1)[0]
    accepted = _ACCEPTED.get(field.type, _TEXT)
    if family not in accepted:
        msg = (
            f"{export.relation}.{field.name} is {found}; the standard says {field.type}: cast it in the opendata model"
        )
        raise ExportError(msg)
    match field.type:
        case "integer":
            return f"{name}::BIGINT"
        case "number":
            return f"round({name}::DOUBLE, 6) + 0.0"  # + 0.0: no minus zero
        case "boolean" | "date":
            return name
        case "geometry":
            return geo.published_wkt(f"nullif({name}, '')")
        case "datetime":
            instant = name if family.endswith("ZONE") else f"({name} AT TIME ZONE 'UTC')"
            return f"date_trunc('second', {instant})"
        case _:
            return f"nullif({name}::VARCHAR, '')"


def _order(export: TableExport) -> str:
    """The declared order, then every other column, so that rows that tie do not move from one run to the next."""
    rest = [field.name for field in export.table.fields if field.name not in export.sort]
    return ", ".join(f"{_quote(name)} ASC NULLS LAST" for name in [*export.sort, *rest])


def _csv_value(field: Field, export: TableExport) -> str:
    """SQL of the text that stands for a published value in CSV."""
    name = _quote(field.name)
    match field.type:
        case "integer":
            text = f"{name}::VARCHAR"
        case "number" if export.coordinates is not None and field.name in export.coordinates:
            text = f"regexp_replace(({name}::DECIMAL(9, 6))::VARCHAR, '0{{1,2}}$', '')"
        case "number":
            text = plain_number(name)
        case "boolean":
            yes, no = literal(field.true_value), literal(field.false_value)
            text = f"CASE {name} WHEN true THEN {yes} WHEN false THEN {no} END"
        case "date" | "datetime":
            text = _iso(field)
        case _:
            text = safe_text(name, is_free=is_free_text(field, export.table))
    return text


def is_free_text(field: Field, table: TableStandard) -> bool:
    """Whether a text may be made safe for spreadsheets: the standard fixes neither its form nor that it is a key."""
    keys = {*table.primary_key, *(column for key in table.foreign_keys for column in key.columns)}
    identifier = field.name in keys or field.name.endswith("_id") or field.name.startswith("id_")
    return field.type == "string" and not (identifier or field.pattern or field.enum)


def _iso(field: Field) -> str:
    """A date as `2026-03-29`, an instant as `2026-03-29T01:00:00Z`."""
    name = _quote(field.name)
    if field.type == "date":
        return f"strftime({name}, '%Y-%m-%d')"
    return f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"


def plain_number(name: str) -> str:
    """A number without exponent, without a closing `.0`, at most 6 decimals.

    DuckDB writes an exponent below 1e-4 and from 1e16: the first has an exact decimal form here, as the value is
    already rounded to 6 decimals; the second is an integer.
    """
    return (
        f"CASE WHEN abs({name}) >= 1e15 THEN ({name}::HUGEINT)::VARCHAR "
        f"WHEN contains({name}::VARCHAR, 'e') THEN rtrim(({name}::DECIMAL(18, 6))::VARCHAR, '0') "
        f"ELSE regexp_replace({name}::VARCHAR, '\\.0$', '') END"
    )


def safe_text(name: str, *, is_free: bool) -> str:
    """SQL of a text with LF line ends; free text never starts a formula in a spreadsheet."""
    text = f"replace(replace({name}, chr(13) || chr(10), chr(10)), chr(13), chr(10))"
    if not is_free:
        return text
    formula = f"regexp_matches({name}, '{_FORMULA}') AND NOT regexp_matches({name}, '{_FIGURES}')"
    return f"CASE WHEN {formula} THEN chr(39) || {text} ELSE {text} END"


def _write_geojson(con: duckdb.DuckDBPyConnection, export: TableExport, source: str, path: Path) -> None:
    """One feature a row, a line each; a row without a place has a null geometry (RFC 7946, 3.2)."""
    told = [f for f in export.table.fields if f.type != "geometry"]
    properties = f"json_object({', '.join(f'{literal(f.name)}, {_json_value(f)}' for f in told)})"
    if export.sparse:
        properties = f"json_merge_patch('{{}}', {properties})"  # RFC 7396: a null removes the member
    geometry = f"ST_AsGeoJSON({_place(con, export)})"
    feature = f"json_object('type', 'Feature', 'geometry', {geometry}, 'properties', {properties})"
    reader = con.execute(f"SELECT ({feature})::VARCHAR AS feature FROM {source}").to_arrow_reader(GEOJSON_BATCH_ROWS)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write('{"type":"FeatureCollection","features":[')
        opening = "\n"
        for batch in reader:
            if batch.num_rows:
                out.write(opening + ",\n".join(batch.column(0).to_pylist()))
                opening = ",\n"
        out.write("\n]}\n")


def _place(con: duckdb.DuckDBPyConnection, export: TableExport) -> str | None:
    """SQL of a row's place, NULL for a row without one; None for a table without place."""
    if "geojson" not in export.formats:
        return None
    geo.load(con)
    place = export.place
    if place is not None and place.type == "geometry":
        return f"ST_GeomFromText({_quote(place.name)})"
    if export.coordinates is not None:
        x, y = (_quote(name) for name in export.coordinates)
    else:
        x, y = (f"({_quote(place.name if place else '')}::JSON ->> {rank})" for rank in (0, 1))
    return f"ST_Point({x}::DOUBLE, {y}::DOUBLE)"


def _json_value(field: Field) -> str:
    """SQL of a value in GeoJSON properties: numbers, booleans, lists as such, dates and instants in their CSV form."""
    if field.type == "array":
        return f"{_quote(field.name)}::JSON"
    return _iso(field) if field.type in ("date", "datetime") else _quote(field.name)


def _count(con: duckdb.DuckDBPyConnection, source: str) -> int:
    found = con.execute(f"SELECT count(*) FROM {source}").fetchone()
    return int(found[0]) if found else 0


def _day(export: TableExport) -> str | None:
    """SQL of the day a row is about, in the territory's time zone when the temporal column holds instants."""
    if export.temporal is None:
        return None
    name = _quote(export.temporal)
    kind = {field.name: field.type for field in export.table.fields}[export.temporal]
    return f"({name} AT TIME ZONE {literal(export.zone)})::DATE" if kind == "datetime" else f"{name}::DATE"


def _days(con: duckdb.DuckDBPyConnection, export: TableExport, source: str) -> tuple[date, date] | None:
    """First and last day of the temporal column."""
    day = _day(export)
    found = con.execute(f"SELECT min({day}), max({day}) FROM {source}").fetchone() if day else None
    return None if found is None or found[0] is None else (found[0], found[1])


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
