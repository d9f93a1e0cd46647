"""What every expectation of ours is made with, whatever rule it holds.

Belongs here: what an expectation tells about itself, making it, and what a suite must know of its surroundings. Does
not: the rules (`suite`, `declared`, `history`, `personal`), how GX reaches DuckDB (`duckdb_bridge`).

Every expectation carries a `meta`, the contract with `audit` and with reports:
  rule      stable slug, English          label     what the rule is called, French
  table     table of the standard         column    column(s) in question, comma-separated, None for the whole table
  severity  error | warning               advice    what to do when it fails, French
  stage     structure | content           needs     `[table, column]` pairs that must exist, well typed, to evaluate it
  counts    whether what it finds are wrong rows (a stale table has none)
  private   whether what it finds must not be quoted
  position  rank of the expectation in its suite
A query may give two columns of its own beside the wrong values: `OBSERVED`, what was found, in French, and `SWAPPED`,
whether longitude and latitude of the row would be right the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ingestion.territory import load_territory
from quality.standard import FieldType, Severity, TableStandard

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

OBSERVED, SWAPPED = "gate_observed", "gate_swapped"


def quote(identifier: str) -> str:
    """`identifier` as SQL writes it."""
    return '"' + identifier.replace('"', '""') + '"'


def moment(kind: FieldType, instant: datetime) -> str:
    """SQL literal of `instant`, to be compared with a date or datetime column."""
    if kind == "date":
        return f"DATE '{instant.astimezone(load_territory().zone).date().isoformat()}'"
    return f"to_timestamp({instant.timestamp()})"  # no colon: SQLAlchemy would take it for a parameter


@dataclass(frozen=True)
class SourceState:
    """How fresh a source is: the time of its newest file, and how old that may be before the source counts as late."""

    source: str
    newest: datetime | None
    late_after: timedelta


@dataclass(frozen=True)
class Surroundings:
    """What a suite needs beyond the declarations.

    `relations` are the tables as they would be published, whole. `last` are the tables of the last good version, where
    there is one, `last_columns` their columns, `last_rows` how many rows they had. `day_columns`
    are the columns of the days of tables of which only some days are new. `now` is aware.
    """

    relations: Mapping[str, str]
    last_rows: Mapping[str, int]
    now: datetime
    last: Mapping[str, str] = field(default_factory=dict)
    last_columns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    day_columns: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[SourceState, ...] = ()

    def was(self, table: str, column: str) -> bool:
        """Whether the last good version of a table has the column."""
        return column in self.last_columns.get(table, frozenset())


@dataclass(frozen=True)
class Rule:
    """What an expectation tells about itself; see the module's docstring."""

    slug: str
    columns: tuple[str, ...]
    severity: Severity
    label: str
    advice: str
    stage: Literal["structure", "content"] = "content"
    needs: tuple[tuple[str, str], ...] = ()
    counts: bool = True
    private: bool = False


@dataclass(frozen=True)
class Maker:
    """Makes the expectations of one table, each with its `meta`.

    `{batch}` is what is audited row by row: the rows that are new. `whole` is the table as it would be published.
    """

    table: TableStandard
    gxe: Any
    whole: str
    day_column: str | None = None

    def kind_of(self, column: str) -> FieldType:
        """Type of a column of the table."""
        return next(found.type for found in self.table.fields if found.name == column)

    def make(self, kind: str, rule: Rule, **kwargs: Any) -> Expectation:
        """The GX expectation of class `kind`, telling about itself what `rule` says."""
        meta = {
            "rule": rule.slug,
            "table": self.table.name,
            "column": ", ".join(rule.columns) or None,
            "severity": rule.severity,
            "label": rule.label,
            "advice": rule.advice,
            "stage": rule.stage,
            "needs": [[self.table.name, column] for column in rule.columns] + [list(need) for need in rule.needs],
            "counts": rule.counts,
            "private": rule.private,
        }
        severity = "critical" if rule.severity == "error" else "warning"
        expectation: Expectation = getattr(self.gxe, kind)(meta=meta, severity=severity, **kwargs)
        return expectation

    def rows(self, rule: Rule, where: str, *, swapped: str | None = None) -> Expectation:
        """Rows of the table, aliased `b`, for which the SQL condition `where` is true are wrong.

        `swapped` is the condition for their coordinates to be right the other way round.
        """
        columns = ", ".join(f"b.{quote(column)}" for column in rule.columns)
        also = f", ({swapped}) AS {SWAPPED}" if swapped else ""
        return self.sql(rule, f"SELECT {columns}{braced(also)} FROM {{batch}} AS b WHERE {braced(where)}")

    def sql(self, rule: Rule, query: str) -> Expectation:
        """The rows `query` gives are wrong; `{batch}` stands for the table, other braces are doubled (`braced`)."""
        if "{batch}" not in query:  # GX would print a reproach on standard output: the rule is on whole tables
            query += " /* {batch} */"
        return self.make("UnexpectedRowsExpectation", rule, unexpected_rows_query=query)

    def unique(self, slug: str, columns: tuple[str, ...], severity: Severity) -> Expectation:
        """Each row that shares its key is wrong; a GROUP BY, lighter than GX's window over all rows.

        A key that holds the day cannot be shared with the days that did not change.
        """
        rows = "{batch}" if self.day_column in (None, *columns) else self.whole
        advice = "Supprimer les doublons dans la source, ou corriger le modèle qui les produit."
        key = ", ".join(map(quote, columns))
        query = (
            f"SELECT {key}, unnest(range(copies)) AS copy FROM (SELECT {key}, count(*) AS copies "
            f"FROM {rows} AS b GROUP BY {key} HAVING count(*) > 1) AS d ORDER BY copy"
        )
        return self.sql(Rule(slug, columns, severity, "Clé unique", advice), query)


def braced(sql: str) -> str:
    """GX formats its queries: a brace of ours, a {16} quantifier say, must be doubled to stay a brace."""
    return sql.replace("{", "{{").replace("}", "}}")
