"""Source contracts: everything that is specific to one source table, as a checked, frozen declaration.

Belongs here: the model of `ingestion/contracts/<domain>/<source>.yml`, the bronze schema that follows from it, and
loading. Does not: reading files (readers/) or SQL (typing.py).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ingestion.connectors.declared import Connector

if TYPE_CHECKING:
    import pyarrow as pa

CONTRACTS_DIR = Path(__file__).resolve().parent / "contracts"

Reader = Literal["csv", "xlsx", "geo", "jsonl", "json", "xml", "protobuf"]
Epoch = Literal["s", "ms", "us", "ns"]
ColumnType = Literal[
    "string", "integer", "number", "boolean", "date", "timestamp", "local_timestamp", "json", "eui64", "nested"
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

# The columns that ingestion adds to every bronze table: they walk a row back to its file.
SOURCE_FILE, SOURCE_SHA256, SOURCE_TIME, DELIVERED_TIME, SOURCE_ROW, EXTRA = (
    "source_file",
    "source_sha256",
    "source_time",
    "delivered_time",
    "source_row",
    "extra",
)


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class NestedField(_Declared):
    """A field of a repeated group (a gateway that heard a frame)."""

    name: Name
    origin: str | dict[str, str] = Field(alias="from")
    type: Literal["string", "integer", "number", "timestamp"]
    unit: str | None = None
    required: bool = False
    description: str = ""

    def path(self, variant: str | None) -> str | None:
        """Where the field is inside the group for a variant, or None when the variant has none."""
        return self.origin if isinstance(self.origin, str) else self.origin.get(variant or "")


class Column(_Declared):
    """One bronze column: where it comes from and what form it must have.

    `from` is a header name, a dotted JSON path (`a.b`, `a[].b` for the first element that has one), `meta:NAME` for a
    value of a metadata header, `doc:PATH` for a value beside the records of a document, `up:PATH` for one of the
    record's parent, `file:GROUP` for a named group of the file-name pattern, `const:TEXT` for a text of our own; a
    list is tried in order; a mapping gives one per variant.
    """

    name: Name
    origin: str | tuple[str, ...] | dict[str, str | tuple[str, ...]] = Field(alias="from")
    type: ColumnType
    description: str
    personal: Literal["pseudonymise", "coarsen", "drop"] | None = None  # what is done with it before bronze
    rotate: Literal["day", "month", "year", "never"] = "month"  # how long one pseudonym lasts, by event time
    coarsen: str | int | None = None  # hour, day, month, year; decimals; or prefix:N
    unit: str | None = None  # UCUM code
    required: bool = False
    optional: bool = False  # a file may lack the column altogether without that being drift
    format: str | tuple[str, ...] | None = None  # strptime forms of a date or local_timestamp, tried in order
    epoch: Epoch | dict[str, Epoch] | None = None  # a timestamp may be a count since 1970; per variant when they differ
    values: dict[str, str] = Field(default_factory=dict)  # texts of the platform to ours
    values_else: Literal["refuse", "keep"] = "refuse"  # what becomes of a text that `values` does not have
    true_values: tuple[str, ...] = ("true",)
    false_values: tuple[str, ...] = ("false",)
    null_values: tuple[str, ...] = ()
    null_is: int | float | None = None  # servers that leave out zero: the value an absent field stands for
    strip: str | None = None  # regular expression removed from the text before it is read
    fields: tuple[NestedField, ...] = ()

    def paths(self, variant: str | None) -> tuple[str, ...]:
        """Places to look for the value, in order, for a variant of the format."""
        origin = self.origin.get(variant or "", ()) if isinstance(self.origin, dict) else self.origin
        return (origin,) if isinstance(origin, str) else tuple(origin)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.personal == "coarsen":
            _check_coarsen(self)
        elif self.coarsen is not None:
            raise ValueError(f"column {self.name}: `coarsen` goes with `personal: coarsen`, and only with it")
        if self.personal == "pseudonymise" and self.type != "string":
            raise ValueError(f"column {self.name}: only a string can be pseudonymised")
        if self.type in ("date", "local_timestamp") and self.format is None:
            msg = f"column {self.name}: type {self.type} needs `format`, e.g. '%d/%m/%Y'"
            raise ValueError(msg)
        if (self.type == "nested") != bool(self.fields):
            msg = f"column {self.name}: `fields` goes with type nested, and only with it"
            raise ValueError(msg)
        return self

    @property
    def formats(self) -> tuple[str, ...]:
        """The strptime forms, in the order they are tried."""
        return (self.format,) if isinstance(self.format, str) else self.format or ()


_COARSE_TIMES = ("hour", "day", "month", "year")


def _check_coarsen(column: Column) -> None:
    """What a column is coarsened to must fit its type."""
    how = column.coarsen
    fits = {
        "timestamp": how in _COARSE_TIMES,
        "local_timestamp": how in _COARSE_TIMES,
        "date": how in _COARSE_TIMES[1:],
        "number": isinstance(how, int),
        "string": isinstance(how, str) and re.fullmatch(r"prefix:\d+", how) is not None,
    }
    if not fits.get(column.type, False):
        msg = f"column {column.name}: `coarsen` is hour, day, month or year (times), a number of decimals, or prefix:N"
        raise ValueError(msg)


class Preamble(_Declared):
    """A metadata header above the table: one line of names, one of values."""

    names_line: Literal[1] = 1
    values_line: Literal[2] = 2


class Unpivot(_Declared):
    """A wide table, one column per point: each cell outside `keep` becomes a record of its own."""

    keep: tuple[str, ...]
    name: str = "@name"  # what a column's `from` calls the header of the cell
    value: str = "@value"  # ... and its text


class FileFormat(_Declared):
    """How the bytes of a file are to be read. `.gz` and `.zip` are unpacked by name (a zipped shapefile is one file).

    `sheet` and `layer` name the part of a workbook or GeoPackage (a sheet may be a regular expression); `header_row` is
    the line of a workbook's header; `records` is where a document has its records, `explode` a list inside a record
    whose elements are the records.
    """

    reader: Reader
    encoding: Literal["utf-8", "cp1252", "iso-8859-15"] = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    decimal: Literal[".", ","] = "."
    preamble: Preamble | None = None
    sheet: str | None = None
    header_row: int = 1
    layer: str | None = None
    records: str | None = None
    explode: str | None = None
    unpivot: Unpivot | None = None

    @property
    def part(self) -> str | None:
        """The part of a container that is read, when it has a name: it tells the ledger's files apart."""
        return self.layer or self.sheet


class Variant(_Declared):
    """A dialect of a source: of JSON, known by a field that only it has; or of one producer, known by its file names.

    A producer's dialect has its own format, and `columns` says where its files have each column (a column that is not
    named there is none of theirs); `values` are its words for ours.
    """

    name: Name
    has_field: str | None = None
    files: str | None = None
    format: FileFormat | None = None
    columns: dict[str, str | tuple[str, ...]] | None = None
    values: dict[str, dict[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.has_field is None) == (self.files is None):
            raise ValueError(f"variant {self.name}: one of has_field and files says how it is known")
        if self.files is None and (self.format or self.columns or self.values):
            raise ValueError(f"variant {self.name}: format, columns and values go with files")
        return self


class EventTime(_Declared):
    """Which column says when, and how a clock time without zone is understood."""

    column: Name
    zone: str | None = None  # for local_timestamp; None when the text carries its offset
    series: tuple[Name, ...] = ()  # columns within which a file's rows follow the clock

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except ZoneInfoNotFoundError as error:
                msg = f"unknown time zone {zone!r}: use an IANA name such as Europe/Paris"
                raise ValueError(msg) from error
        return zone


# One cadence, and the time to notice and deliver again.
_LATE_AFTER = {
    "hourly": timedelta(hours=6),
    "daily": timedelta(hours=36),
    "weekly": timedelta(days=9),
    "monthly": timedelta(days=40),
    "yearly": timedelta(days=400),
}


class Legal(_Declared):
    """On what ground the data is held, and what may be done with it."""

    basis: str  # legal basis of the processing, French
    ownership: str  # data-ownership clause of the supplier's contract, French
    licence: str  # licence under which derived data may leave
    confidential: bool = False  # nothing made from it is published
    reuse: bool = True  # whether what is made from it may be used by others: nothing is published where it may not


class Personal(_Declared):
    """What the register of processing activities (GDPR article 30) says of a source, French."""

    purpose: str
    subjects: str
    categories: str
    recipients: str
    safeguards: str


class Codecs(_Declared):
    """Vendors' JavaScript decoders for payloads that arrive undecoded."""

    into: Name  # column that holds the decoded object
    payload: Name
    port: Name
    profile: Name
    time: Name
    encoding: Name | None = None  # says how payloads are written (base64, hexadecimal), where the server does
    files: dict[str, str]  # regular expression on the device profile: file in contracts/iot/codecs/


class Quality(_Declared):
    """A platform's own words about a value, in ours; a word that is not listed is suspect."""

    column: Name
    good: tuple[str, ...]
    suspect: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()


class Result(_Declared):
    """One observed property of a table: a datastream per thing.

    `column` holds the value; a table that has one row per value names the column of the code instead of a code. A
    result without column is made by a model of its own (intermediate/), and is only described here.
    """

    column: Name | None = None
    code: str | None = None
    code_column: Name | None = None
    property: Name
    unit: str | None = None  # UCUM; the column's own when left out
    unit_column: Name | None = None
    step_min: int | None = None
    counter: bool = False  # a cumulative register: what counts are its increments
    modulo: float | None = None  # where the register starts again at zero

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.code is None) == (self.code_column is None):
            raise ValueError(f"result {self.property}: one of code and code_column")
        return self


class Telemetry(_Declared):
    """How rows become observations of the conformed model."""

    thing: Name
    time: Name
    end_time: Name | None = None
    quality: Quality | None = None
    results: tuple[Result, ...]


class SourceContract(_Declared):
    """One source table. Validated on load; every later step trusts it.

    A file with several tables lists them under `tables`; what they share is said once, above.
    """

    id: Name
    domain: Name = "other"  # folder of the contract; filled on load
    table: Name
    title: str
    description: str
    platform: str
    department: str
    supplier: str
    owner_email: str
    # What becomes of the supplier's platform: it stays; it stays and gets our results back; ours takes its place.
    integration: Literal["keep", "keep_and_push_back", "replace"]
    contract_end: date | None = None  # of the supplier's contract
    cost_eur_year: float | None = None  # of the platform
    retention_months: int = Field(gt=0)  # how long raw rows are kept
    legal: Legal
    personal: Personal | None = None
    cadence: Literal["hourly", "daily", "weekly", "monthly", "yearly"]
    criticality: Literal["low", "medium", "high"]
    # Columns that the contract does not know: kept in `extra`; known by name only; or the file is held back.
    drift: Literal["keep", "mask", "stop"] = "keep"
    connector: Connector | None = None
    siblings: tuple[str, ...] = ()  # `files` of the source's tables, this one's too; filled on load
    files: str  # regular expression the file name (member name inside an archive) must match
    file_time: str | None = None  # strptime form of the group `time` in `files`
    format: FileFormat
    variants: tuple[Variant, ...] = ()
    mode: Literal["append", "snapshot"] = "append"
    partition: Literal["day", "month", "none"] = "day"
    event_time: EventTime | None = None
    key: tuple[Name, ...]
    # Columns whose change makes a new revision of the same key, kept as history; None means all other columns,
    # () means that a second row with the same key is a duplicate whatever it says.
    revision: tuple[Name, ...] | None = None
    columns: tuple[Column, ...]
    codecs: Codecs | None = None
    telemetry: Telemetry | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        names = [c.name for c in self.columns]
        if twice := {n for n in names if names.count(n) > 1}:
            msg = f"columns declared twice: {sorted(twice)}"
            raise ValueError(msg)
        used = {*self.key, *(self.revision or ())}
        if self.event_time:
            used |= {self.event_time.column, *self.event_time.series}
        if unknown := used - set(names):
            msg = f"key, revision or event_time name columns that are not declared: {sorted(unknown)}"
            raise ValueError(msg)
        local = [c.name for c in self.columns if c.type == "local_timestamp"]
        if local and (self.event_time is None or [self.event_time.column] != local or self.event_time.zone is None):
            msg = f"local_timestamp columns {local}: only the event_time column may be one, and it needs a zone"
            raise ValueError(msg)
        if self.mode == "append" and self.event_time is None:
            msg = "an append source needs event_time: it is what partitions and prunes"
            raise ValueError(msg)
        re.compile(self.files)
        return self

    @model_validator(mode="after")
    def _personal_is_declared(self) -> Self:
        if self.personal_columns and (self.personal is None or self.drift == "keep"):
            msg = (
                f"columns {list(self.personal_columns)} are personal: `personal` must say why they are held, and "
                "`drift` must be mask or stop"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _parts_name_columns(self) -> Self:
        names = {c.name for c in self.columns}
        used: set[str | None] = set()
        if t := self.telemetry:
            used |= {t.thing, t.time, t.end_time, t.quality.column if t.quality else None}
            used |= {c for r in t.results for c in (r.column, r.code_column, r.unit_column)}
        if c := self.codecs:
            used |= {c.into, c.payload, c.port, c.profile, c.time, c.encoding}
        for variant in self.variants:
            used |= {*(variant.columns or ()), *variant.values}
        if unknown := used - names - {None}:
            msg = f"telemetry, codecs or variants name columns that are not declared: {sorted(map(str, unknown))}"
            raise ValueError(msg)
        return self

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed; what was computed from the old ones is left behind."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("_of_producer", "_of_dialect", "bronze_schema"):
            copied.__dict__.pop(name, None)
        return copied

    @property
    def late_after(self) -> timedelta:
        """How old the newest file may be before the source counts as late."""
        return _LATE_AFTER[self.cadence]

    @property
    def readers(self) -> tuple[str, ...]:
        """Formats that the table's files come in."""
        formats = [self.format, *(v.format for v in self.variants if v.format)]
        return tuple(dict.fromkeys(f.reader for f in formats))

    @property
    def personal_columns(self) -> tuple[str, ...]:
        """Columns that hold personal data."""
        return tuple(c.name for c in self.columns if c.personal)

    def resolved(self, matches: Callable[[str], bool]) -> SourceContract:
        """The contract as it applies to one file: its producer's format, places and words.

        Args:
            matches: whether the file's name matches a pattern.
        """
        chosen = next((v.name for v in self.variants if v.files is not None and matches(v.files)), None)
        return self._of_producer[chosen]

    @cached_property
    def _of_producer(self) -> dict[str | None, SourceContract]:
        dialects = tuple(v for v in self.variants if v.files is None)
        plain = self if len(dialects) == len(self.variants) else self.model_copy(update={"variants": dialects})
        return {None: plain, **{v.name: self._as_told_by(v) for v in self.variants if v.files is not None}}

    def spoken(self, dialect: str) -> SourceContract:
        """The contract as one dialect, known by a field, speaks it: the places, epoch and requirements of its own."""
        return self._of_dialect[dialect]

    @cached_property
    def _of_dialect(self) -> dict[str, SourceContract]:
        return {v.name: self._as_told_by(v) for v in self.variants if v.has_field is not None}

    def _as_told_by(self, variant: Variant) -> SourceContract:
        columns = []
        for column in self.columns:
            change: dict[str, object] = {}
            if variant.has_field and not column.paths(variant.name):
                change["required"] = False  # what a server never tells cannot be asked of it
            if variant.columns is not None:
                change["origin"] = variant.columns.get(column.name, ())
                change["optional"] = column.optional or column.name not in variant.columns
            elif isinstance(column.origin, dict):
                change["origin"] = column.origin.get(variant.name, ())
            if isinstance(column.epoch, dict):
                change["epoch"] = column.epoch.get(variant.name)
            if column.name in variant.values:
                change["values"] = variant.values[column.name]
            if column.fields:
                places = [(f, f.path(variant.name)) for f in column.fields]
                change["fields"] = tuple(f.model_copy(update={"origin": path or {}}) for f, path in places)
            columns.append(column.model_copy(update=change))
        return self.model_copy(
            update={"variants": (), "columns": tuple(columns), "format": variant.format or self.format}
        )

    @property
    def bronze(self) -> str:
        """Name of the bronze table."""
        return f"{self.id}__{self.table}"

    @property
    def revision_columns(self) -> tuple[str, ...]:
        """Columns that, with the key, tell two rows apart."""
        if self.revision is not None:
            return self.revision
        return tuple(c.name for c in self.columns if c.name not in self.key)

    @property
    def partition_by(self) -> tuple[str, ...]:
        """Partition columns of the bronze table."""
        if self.mode == "snapshot":
            return (SOURCE_FILE,)
        return {"day": ("event_date",), "month": ("event_month",), "none": ()}[self.partition]

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: when there is none.
        """
        return {c.name: c for c in self.columns}[name]

    @cached_property
    def bronze_schema(self) -> pa.Schema:
        """Arrow schema of the bronze table: contract columns, event date, then the trace."""
        import pyarrow as pa

        fields = [pa.field(c.name, _arrow_type(c), metadata=_arrow_metadata(c)) for c in self.columns]
        if self.event_time:
            fields.append(pa.field("event_date", pa.date32()))
            if self.partition == "month":
                fields.append(pa.field("event_month", pa.date32()))
        trace = {
            EXTRA: pa.string(),  # JSON of the columns that the contract does not know
            SOURCE_FILE: pa.string(),
            SOURCE_SHA256: pa.string(),
            SOURCE_TIME: pa.timestamp("us", tz="UTC"),  # orders revisions: the file's own time
            DELIVERED_TIME: pa.timestamp("us", tz="UTC"),  # when it was written in landing: settles a second delivery
            SOURCE_ROW: pa.int64(),  # record number in the file, 1 is the first after the header
        }
        return pa.schema([*fields, *(pa.field(name, kind) for name, kind in trace.items())])


def _arrow_metadata(column: Column) -> dict[str, str]:
    return {"comment": column.description} | ({"unit": column.unit} if column.unit else {})


def _arrow_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    scalar: dict[str, pa.DataType] = {
        "string": pa.string(),
        "json": pa.string(),
        "eui64": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "local_timestamp": pa.timestamp("us", tz="UTC"),
    }
    if column.type != "nested":
        return scalar[column.type]
    return pa.list_(pa.struct([pa.field(f.name, scalar[f.type]) for f in column.fields]))


class ContractError(Exception):
    """A contract file that cannot be used; the message names the file, the field and what was expected."""


def read_contracts(path: Path) -> tuple[SourceContract, ...]:
    """Read and check the contracts of one source, one per table.

    Raises:
        ContractError: naming file and field.
    """
    try:
        declared = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ContractError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(declared, dict):
        raise ContractError(f"{path}: a mapping is expected, such as `id: {path.stem}`")
    shared = {key: value for key, value in declared.items() if key != "tables"}
    tables = declared.get("tables", [{}])
    siblings = tuple(str(t.get("files", shared.get("files", ""))) for t in tables)
    contracts = tuple(
        _checked(path, shared | table | {"siblings": siblings, "domain": path.parent.name}) for table in tables
    )
    if shared.get("id") != path.stem:
        raise ContractError(
            f"{path}: id is {shared.get('id')!r} but the file is named {path.stem!r}: make them the same"
        )
    if len({c.table for c in contracts}) < len(contracts):
        raise ContractError(f"{path}: two tables have the same name")
    return contracts


def _checked(path: Path, declared: dict[str, object]) -> SourceContract:
    try:
        return SourceContract.model_validate(declared)
    except ValidationError as error:
        of = f"table {declared['table']}: " if "table" in declared else ""
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'contract'}: {e['msg']}" for e in error.errors())
        raise ContractError(f"{path}: {of}{faults}") from error


@cache
def load_contracts(directory: Path = CONTRACTS_DIR) -> tuple[SourceContract, ...]:
    """Every contract, one per table, by source id and then as the source lists them.

    Raises:
        ContractError: naming the file and field that is wrong.
    """
    paths = sorted(directory.glob("*/*.yml"), key=lambda p: p.stem)
    return tuple(contract for path in paths for contract in read_contracts(path))


@cache
def contract_sha256(source_id: str, directory: Path = CONTRACTS_DIR) -> str:
    """Fingerprint of a contract and of the code that applies it: a held file is tried again when it changes."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent
    codecs = sorted(directory.glob("*/codecs/*.js"))
    for path in [*directory.glob(f"*/{source_id}.yml"), *codecs, *sorted(package.rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
