"""What one published dataset asks of its data beyond its standard: the models of a card's `rules`.

Belongs here: those models. Does not: how they are checked (`suite`), the standard itself (`standard`).
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from quality.standard import Frozen, Severity, Standard


class Freshness(Frozen):
    """The latest value of a date or datetime column is at most `days` old."""

    table: str
    column: str
    days: Annotated[int, Field(ge=0)]
    severity: Severity = "warning"


class Perimeter(Frozen):
    """Places lie in the territory: within `margin` degrees of its communes' centroids, in one of its communes.

    `commune_code` alone, or `longitude` with `latitude`, may be left out.
    """

    table: str
    longitude: str | None = None
    latitude: str | None = None
    commune_code: str | None = None
    margin: Annotated[float, Field(gt=0, le=5)] = 0.15
    severity: Severity = "error"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.longitude is None) != (self.latitude is None):
            msg = f"perimeter of `{self.table}`: give `longitude` and `latitude` together"
            raise ValueError(msg)
        if self.longitude is None and self.commune_code is None:
            msg = f"perimeter of `{self.table}`: give coordinates, `commune_code`, or both"
            raise ValueError(msg)
        return self


class Coverage(Frozen):
    """No commune of the last published version is gone; when `complete`, each commune of the territory has a row."""

    table: str
    commune_code: str
    complete: bool = False
    severity: Severity = "error"


class SmallCounts(Frozen):
    """Counts of people: none between 1 and `k` - 1 is published (k-anonymity), the model leaves such values out."""

    table: str
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    k: Annotated[int, Field(ge=2)] = 11


class Drift(Frozen):
    """The values of a column are distributed much as in the last published version."""

    table: str
    column: str
    severity: Severity = "warning"


class ExtraExpectation(Frozen):
    """One Great Expectations expectation of the dataset's own.

    `type` is its snake-case name (`expect_column_values_to_be_between`, `unexpected_rows_expectation`), `kwargs` its
    parameters; in SQL, `{batch}` stands for the table and other braces are doubled. `label` names the rule and
    `advice` tells what to do, both in French.
    """

    table: str
    type: str
    kwargs: dict[str, Any]
    label: str
    advice: str
    severity: Severity = "error"


class AuditRules(Frozen):
    """What an audit asks beyond the standard; part of the dataset card.

    `min_rows` holds for each table. `max_drop_share` is the share of the last published rows that may be gone.
    `public_contacts` are columns that hold addresses and telephone numbers of services, on purpose.
    """

    min_rows: Annotated[int, Field(ge=0)] = 1
    max_drop_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    freshness: tuple[Freshness, ...] = ()
    perimeter: tuple[Perimeter, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    small_counts: tuple[SmallCounts, ...] = ()
    drift: tuple[Drift, ...] = ()
    public_contacts: tuple[str, ...] = ()
    expectations: tuple[ExtraExpectation, ...] = ()

    def check_against(self, standard: Standard) -> None:
        """Check that the rules name tables and columns of `standard`.

        Raises:
            ValueError: naming the rule, the table and the column that is not there.
        """
        named: list[tuple[str, str, str | None]] = [("freshness", rule.table, rule.column) for rule in self.freshness]
        for place in self.perimeter:
            wanted = (place.longitude, place.latitude, place.commune_code)
            named += [("perimeter", place.table, column) for column in wanted if column is not None]
        named += [("coverage", rule.table, rule.commune_code) for rule in self.coverage]
        named += [("small_counts", rule.table, column) for rule in self.small_counts for column in rule.columns]
        named += [("drift", rule.table, rule.column) for rule in self.drift]
        named += [("expectations", extra.table, extra.kwargs.get("column")) for extra in self.expectations]
        known = {table.name: table.columns for table in standard.tables}
        for rule, table, column in named:
            if table not in known:
                msg = f"rules.{rule}: standard `{standard.id}` has no table `{table}`; its tables: {', '.join(known)}"
                raise ValueError(msg)
            if column is not None and column not in known[table]:
                msg = f"rules.{rule}: table `{table}` has no column `{column}`; its columns: {', '.join(known[table])}"
                raise ValueError(msg)
