"""The standards datasets are published to: declared in `standards/<id>.yml`, read once, frozen.

Belongs here: the models of a declaration, reading and checking it, and the Table Schema made from it.
Does not: how a rule is checked on data (`suite`), what the rules of one dataset add to its standard (`audit`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic import Field as Constraint

STANDARDS_DIR = Path(__file__).resolve().parent / "standards"
TABLE_SCHEMA_PROFILE = "https://specs.frictionlessdata.io/schemas/table-schema.json"

Severity = Literal["error", "warning"]
# `geopoint` is a text `[longitude,latitude]` (Table Schema's array form), `geometry` a WKT text, WGS84 both; `array` is
# the text of a JSON array.
FieldType = Literal["string", "integer", "number", "boolean", "date", "datetime", "array", "geopoint", "geometry"]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]

# Least number of columns of each rule, and the most (None: as many as there are).
_COLUMN_COUNT: dict[str, tuple[int, int | None]] = {
    "siren": (1, 1),
    "siret": (1, 1),
    "opening_hours": (1, 1),
    "phone": (1, 1),
    "year_interval": (1, 1),
    "nomenclature_actes": (1, 1),
    "not_future": (1, 1),
    "max_length": (1, 1),
    "at_least": (1, 1),
    "required_unless": (1, 1),
    "geopoint_in_france": (1, 1),
    "unique": (1, None),
    "decimals": (2, 2),
    "inside_france": (2, 2),
    "chronology": (2, 2),
    "compare": (2, 2),
    "together": (2, None),
    "one_of": (2, None),
    "sum": (2, None),
}
_NEEDS_LIMIT = frozenset({"decimals", "max_length", "at_least"})
# What Validata, the national validator, runs beyond Table Schema, under the names it knows.
_VALIDATA_NAMES = {
    "siren": "french-siren-value",
    "siret": "french-siret-value",
    "opening_hours": "opening-hours-value",
    "phone": "phone-number-value",
    "year_interval": "year-interval-value",
    "nomenclature_actes": "nomenclature-actes-value",
    "together": "cohesive-columns-value",
    "compare": "compare-columns-value",
    "sum": "sum-columns-value",
    "one_of": "one-of-required",
}
_FORMATS: dict[str, str] = {"date": "%Y-%m-%d", "geopoint": "array"}


class Frozen(BaseModel):
    """Base of every declaration: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Field(Frozen):
    """One column of a published table. `pattern` must match the whole value; an absent value is null, never ''."""

    name: str
    type: FieldType
    title: str
    description: str
    required: bool = False
    pattern: str | None = None
    enum: tuple[str, ...] | tuple[int, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    unique: bool = False
    format: Literal["email", "uri", "uuid"] | None = Constraint(default=None, description="form of a text")
    unit: str | None = Constraint(default=None, description="UCUM code of the values")
    true_value: str = "true"
    false_value: str = "false"
    example: str | None = None

    def table_schema(self) -> dict[str, Any]:
        """Table Schema descriptor of the field."""
        limits = {
            "pattern": self.pattern,
            "enum": list(self.enum) or None,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "unique": self.unique or None,
        }
        constraints = {"required": self.required} | {name: v for name, v in limits.items() if v is not None}
        descriptor: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "type": "string" if self.type == "geometry" else self.type,
        }
        if (form := _FORMATS.get(self.type, self.format)) is not None:
            descriptor["format"] = form
        if self.type == "boolean":
            descriptor |= {"trueValues": [self.true_value], "falseValues": [self.false_value]}
        if self.unit is not None:
            descriptor["unit"] = self.unit
        if self.example is not None:
            descriptor["example"] = self.example
        return descriptor | {"constraints": constraints}


class ForeignKey(Frozen):
    """`columns` of this table must be found in `references` of another table of the same standard."""

    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]


class Reference(Frozen):
    """A column of another table, reached by a key both tables hold."""

    table: str
    key: str
    column: str


class DeclaredCheck(Frozen):
    """A rule that Table Schema cannot say.

    `origin` tells who asks for it: `validata` (the national validator runs it), `documentation` (the standard's text
    asks for it) or `datanevers` (we add it). `limit` is the number of decimals (`decimals`), of characters
    (`max_length`) or the lowest value (`at_least`). Pairs are in order: longitude then latitude, start then end;
    `compare` says first `operator` second; the first of `sum` is the sum of the others; `together` are all given or
    none is, of `one_of` at least one is.
    """

    rule: Literal[
        "siren",
        "siret",
        "opening_hours",
        "phone",
        "year_interval",
        "nomenclature_actes",
        "geopoint_in_france",
        "compare",
        "sum",
        "one_of",
        "decimals",
        "unique",
        "inside_france",
        "not_future",
        "max_length",
        "at_least",
        "chronology",
        "together",
        "required_unless",
    ]
    columns: tuple[str, ...]
    severity: Severity
    origin: Literal["validata", "documentation", "datanevers"]
    limit: int | None = None
    operator: Literal[">", ">=", "==", "<=", "<"] | None = None
    reference: Reference | None = None

    @model_validator(mode="after")
    def _parameters_fit_rule(self) -> Self:
        least, most = _COLUMN_COUNT[self.rule]
        if not least <= len(self.columns) <= (most or len(self.columns)):
            expected = str(least) if least == most else f"{least} or more"
            msg = f"check `{self.rule}`: {len(self.columns)} column(s) given, {expected} expected; fix `columns`"
            raise ValueError(msg)
        if (self.limit is not None) != (self.rule in _NEEDS_LIMIT):
            msg = f"check `{self.rule}`: `limit` goes with {sorted(_NEEDS_LIMIT)} and with no other rule"
            raise ValueError(msg)
        if (self.operator is not None) != (self.rule == "compare"):
            msg = f"check `{self.rule}`: `operator` goes with `compare` and with no other rule"
            raise ValueError(msg)
        if (self.reference is not None) != (self.rule == "required_unless"):
            msg = f"check `{self.rule}`: `reference` goes with `required_unless` and with no other rule"
            raise ValueError(msg)
        return self

    def validata(self) -> dict[str, Any]:
        """The check as `custom_checks` of a schema says it, for the national validator."""
        first, *others = self.columns
        match self.rule:
            case "compare":
                rest: dict[str, Any] = {"op": self.operator, "column2": others[0]}
            case "together":
                rest = {"othercolumns": others}
            case "sum":
                rest = {"columns": others}
            case "year_interval":
                rest = {"allow-year-only": "yes"}
            case _:
                rest = {}
        params = {"column1": first, "column2": others[0]} if self.rule == "one_of" else {"column": first} | rest
        return {"name": _VALIDATA_NAMES[self.rule], "params": params}


class TableStandard(Frozen):
    """One table of a standard: its columns in published order, its keys, its checks."""

    name: Slug
    title: str
    description: str
    delimiter: Literal[",", ";"] = Constraint(default=",", description="between cells of the CSV")
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    fields: tuple[Field, ...]
    checks: tuple[DeclaredCheck, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in published order."""
        return tuple(field.name for field in self.fields)

    @model_validator(mode="after")
    def _named_columns_exist(self) -> Self:
        named = {*self.primary_key}
        named.update(column for key in self.foreign_keys for column in key.columns)
        named.update(column for check in self.checks for column in check.columns)
        if unknown := sorted(named - set(self.columns)):
            msg = f"table `{self.name}`: keys or checks name columns that are not fields: {', '.join(unknown)}"
            raise ValueError(msg)
        if len(set(self.columns)) != len(self.fields):
            msg = f"table `{self.name}`: a field is declared twice"
            raise ValueError(msg)
        return self

    def table_schema(self, standard: Standard) -> dict[str, Any]:
        """Table Schema of the table, ready for `json.dumps`.

        Foreign keys name the other table's resource by that table's name in the standard. `custom_checks` repeats
        what Validata runs on the official schema, so that validating against ours is as strict.
        """
        schema: dict[str, Any] = {
            "$schema": TABLE_SCHEMA_PROFILE,
            "name": standard.schema_name(self.name),
            "title": self.title,
            "description": self.description,
            "version": standard.version,
            "countryCode": "FR",
        }
        if (iri := standard.schema_iri(self.name)) is not None and standard.describes("csv"):
            schema["path"] = iri
        schema["fields"] = [field.table_schema() for field in self.fields]
        if self.primary_key:
            schema["primaryKey"] = list(self.primary_key)
        if self.foreign_keys:
            schema["foreignKeys"] = [
                {"fields": list(key.columns), "reference": {"resource": key.table, "fields": list(key.references)}}
                for key in self.foreign_keys
            ]
        custom = [check for check in self.checks if check.origin == "validata"]
        if custom:
            schema["custom_checks"] = [check.validata() for check in custom]
        return schema | {"missingValues": [""]}


class Official(Frozen):
    """Where a national standard is published: owner and schema name (per table) in the national catalogue.

    `file` is the schema's name there, `format` the one of our files that it describes: a Table Schema the CSV, a JSON
    Schema the GeoJSON.
    """

    owner: str
    schemas: dict[str, str]
    homepage: str
    file: str = "schema.json"
    format: Literal["csv", "geojson"] = "csv"


class Standard(Frozen):
    """A standard: national when `official` is set, else the authority's own schema."""

    id: Slug
    version: str
    title: str
    description: str
    official: Official | None = None
    tables: tuple[TableStandard, ...]

    @model_validator(mode="after")
    def _tables_fit_together(self) -> Self:
        columns = {table.name: set(table.columns) for table in self.tables}
        for table in self.tables:
            targets = [(key.table, set(key.references)) for key in table.foreign_keys]
            targets += [(c.reference.table, {c.reference.key, c.reference.column}) for c in table.checks if c.reference]
            for target, wanted in targets:
                if not wanted <= columns.get(target, set()):
                    msg = (
                        f"table `{table.name}` refers to {sorted(wanted)} of table `{target}`, which has no such field"
                    )
                    raise ValueError(msg)
        if self.official is not None and self.official.schemas.keys() != columns.keys():
            msg = f"standard `{self.id}`: `official.schemas` must name each of its tables: {sorted(columns)}"
            raise ValueError(msg)
        return self

    def table(self, name: str) -> TableStandard:
        """The table called `name`.

        Raises:
            KeyError: naming the tables there are.
        """
        for table in self.tables:
            if table.name == name:
                return table
        known = ", ".join(table.name for table in self.tables)
        msg = f"standard `{self.id}` has no table `{name}`; its tables: {known}"
        raise KeyError(msg)

    def schema_name(self, table: str) -> str:
        """Name of the table's schema: the official one, else the standard's id."""
        return self.official.schemas[table] if self.official is not None else self.id

    def describes(self, file_format: str) -> bool:
        """Whether a national schema describes the published files of that format."""
        return self.official is not None and self.official.format == file_format

    def schema_iri(self, table: str) -> str | None:
        """Address of the table's official schema in the national catalogue, None for the authority's own schemas."""
        if self.official is None:
            return None
        name = self.official.schemas[table]
        return f"https://schema.data.gouv.fr/schemas/{self.official.owner}/{name}/{self.version}/{self.official.file}"


def standard_ids() -> tuple[str, ...]:
    """Ids of the standards there are, sorted."""
    return tuple(sorted(path.stem for path in STANDARDS_DIR.glob("*.yml")))


@cache
def load_standard(standard_id: str) -> Standard:
    """Read `standards/<standard_id>.yml`.

    Raises:
        KeyError: no such standard; names those there are.
        pydantic.ValidationError: naming each key that is missing or malformed.
        ValueError: the id inside the file is not the file's name.
    """
    path = STANDARDS_DIR / f"{standard_id}.yml"
    if not path.is_file():
        msg = f"no standard `{standard_id}` in {STANDARDS_DIR}; there are: {', '.join(standard_ids())}"
        raise KeyError(msg)
    standard = Standard.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    if standard.id != standard_id:
        msg = f"{path}: `id: {standard.id}` must be the file's name, `{standard_id}`"
        raise ValueError(msg)
    return standard
