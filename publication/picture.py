"""Which picture a dataset's page shows: what a card declares (`picture:`), else what its tables lend themselves to.

Belongs here: the declaration and the choice. Does not: reading data or drawing (drawing.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from publication.card import Card, CardTable
    from quality.standard import Standard, TableStandard

Kind = Literal["map", "series", "bars"]
Aggregate = Literal["sum", "mean", "max", "count"]
_PLACES = ("geometry", "geopoint")


class Picture(BaseModel):
    """A map, a time series or bars, of one table.

    `value` is the number shown, summed, averaged ... by `aggregate`; without it rows are counted. `category` is what
    colours a map's points, makes a series' lines or the bars. `time` is a series' moment. `where` keeps the rows whose
    columns have these values. `title` says what is seen; made of the column's own title when absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    table: str
    value: str | None = None
    aggregate: Aggregate = "count"
    category: str | None = None
    time: str | None = None
    where: dict[str, str] = Field(default_factory=dict)
    title: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Picture:
        if (self.value is None) != (self.aggregate == "count"):
            msg = "picture: `value` goes with `aggregate` sum, mean or max; without both, rows are counted"
            raise ValueError(msg)
        if self.kind == "series" and self.time is None:
            msg = "picture: a series needs `time`, the column that says when"
            raise ValueError(msg)
        if self.kind == "bars" and self.category is None:
            msg = "picture: bars need `category`, the column whose values they count"
            raise ValueError(msg)
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it names."""
        named = (self.value, self.category, self.time, *self.where)
        return tuple(name for name in named if name is not None)


def check_picture(picture: Picture, card: Card, standard: Standard) -> str | None:
    """What is wrong between a picture and the card's tables, None when nothing is."""
    part = next((table for table in card.tables if table.name == picture.table), None)
    if part is None:
        return f"picture: no table {picture.table!r} in this card"
    table = standard.table(picture.table)
    if missing := [name for name in picture.columns if name not in table.columns]:
        return f"picture: no such column in table {table.name}: {', '.join(missing)}"
    if picture.kind == "map" and not _has_place(part, table):
        return f"picture: table {table.name} has neither coordinates nor a geometry to put on a map"
    return None


def choose(card: Card, standard: Standard) -> Picture | None:
    """The card's picture, else the best its tables allow, None when there is nothing to see.

    A series where the date is part of what a row is (it sorts the table) and something is measured; a map where rows
    have a place; else bars of the first column with a list of values.
    """
    if card.picture is not None:
        return card.picture
    parts = [(part, standard.table(part.name)) for part in card.tables]
    for part, table in parts:
        if part.temporal in part.sort and (value := _measure(table)) is not None:
            return Picture(kind="series", table=table.name, value=value, aggregate="mean", time=part.temporal)
    for part, table in parts:
        if _has_place(part, table):
            return Picture(kind="map", table=table.name)
    for _, table in parts:
        listed = next((field.name for field in table.fields if field.enum), None)
        if listed is not None:
            return Picture(kind="bars", table=table.name, category=listed)
    return None


def _has_place(part: CardTable, table: TableStandard) -> bool:
    return part.coordinates is not None or any(field.type in _PLACES for field in table.fields)


def _measure(table: TableStandard) -> str | None:
    """The first number that has a unit."""
    return next((f.name for f in table.fields if f.type in ("number", "integer") and f.unit not in (None, "deg")), None)
