"""Source contracts: everything that is specific to one source table, as a checked, frozen declaration.

Belongs here: the model of `ingestion/contracts/<domain>/<source>.yml`, the bronze schema that follows from it, and
loading. Does not: reading files (readers/) or SQL (typing.py).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

if TYPE_CHECKING:
    import pyarrow as pa

CONTRACTS_DIR = Path(__file__).resolve().parent / "contracts"

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
    value of a metadata header, or `file:GROUP` for a named group of the file-name pattern; a list is tried in order;
    a mapping gives one per variant.
    """

    name: Name
    origin: str | tuple[str, ...] | dict[str, str | tuple[str, ...]] = Field(alias="from")
    type: ColumnType
    description: str
    unit: str | None = None  # UCUM code
    required: bool = False
    optional: bool = False  # a file may lack the column altogether without that being drift
    format: str | None = None  # strptime form of a date or local_timestamp
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
        if self.type in ("date", "local_timestamp") and self.format is None:
            msg = f"column {self.name}: type {self.type} needs `format`, e.g. '%d/%m/%Y'"
            raise ValueError(msg)
        if (self.type == "nested") != bool(self.fields):
            msg = f"column {self.name}: `fields` goes with type nested, and only with it"
            raise ValueError(msg)
        return self


class Preamble(_Declared):
    """A metadata header above the table: one line of names, one of values."""

    names_line: Literal[1] = 1
    values_line: Literal[2] = 2


class FileFormat(_Declared):
    """How the bytes of a file are to be read. `.gz` and `.zip` are unpacked by name."""

    reader: Literal["csv", "jsonl"]
    encoding: Literal["utf-8", "cp1252", "iso-8859-15"] = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    decimal: Literal[".", ","] = "."
    preamble: Preamble | None = None


class Variant(_Declared):
    """A dialect of a JSON source, recognised by a top-level field that only it has."""

    name: Name
    has_field: str


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


class Legal(_Declared):
    """On what ground the data is held, and what may be done with it."""

    basis: str  # legal basis of the processing, French
    ownership: str  # data-ownership clause of the supplier's contract, French
    licence: str  # licence under which derived data may leave
    confidential: bool = False
    personal_data: str = "aucune"


class SourceContract(_Declared):
    """One source table. Validated on load; every later step trusts it."""

    id: Name
    table: Name
    title: str
    description: str
    platform: str
    department: str
    supplier: str
    owner_email: str
    legal: Legal
    cadence: Literal["hourly", "daily", "weekly", "monthly"]
    criticality: Literal["low", "medium", "high"]
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

    @cached_property
    def file_pattern(self) -> re.Pattern[str]:
        """Compiled `files`."""
        return re.compile(self.files)

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


def read_contract(path: Path) -> SourceContract:
    """Read and check one contract.

    Raises:
        ContractError: naming file and field.
    """
    try:
        contract = SourceContract.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ContractError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'contract'}: {e['msg']}" for e in error.errors())
        raise ContractError(f"{path}: {faults}") from error
    if contract.id != path.stem:
        raise ContractError(f"{path}: id is {contract.id!r} but the file is named {path.stem!r}: make them the same")
    return contract


@cache
def load_contracts(directory: Path = CONTRACTS_DIR) -> tuple[SourceContract, ...]:
    """Every contract, by id.

    Raises:
        ContractError: naming the file and field that is wrong.
    """
    return tuple(sorted((read_contract(p) for p in directory.glob("*/*.yml")), key=lambda c: c.id))


@cache
def contract_sha256(source_id: str, directory: Path = CONTRACTS_DIR) -> str:
    """Fingerprint of a contract and of the code that applies it: a held file is tried again when it changes."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent
    for path in [*directory.glob(f"*/{source_id}.yml"), *sorted(package.rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
