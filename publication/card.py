"""Dataset cards: `publication/datasets/<domain>/<id>.yml`, one per published dataset, read once and frozen.

Belongs here: the shape of a card and what must hold between it and its standard. Does not: the columns (they are the
standard's, quality/standards/) or anything that changes from one run to the next.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from publication.picture import Picture, check_picture
from publication.vocabulary import HVD_CATEGORIES, Frequency, Theme
from quality.rules import AuditRules
from quality.standard import Standard, load_standard

CARDS_DIR = Path(__file__).resolve().parent / "datasets"

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
# CKAN refuses a whole dataset for one keyword outside this set (an apostrophe is enough).
Keyword = Annotated[str, StringConstraints(pattern=r"^[\w .-]{3,96}$")]


class CardError(ValueError):
    """A card that cannot be used; the message names the file, the field and what was expected."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CardTable(_Frozen):
    """One table of a dataset: which gold table fills which table of the standard, and how it is sorted."""

    name: str
    model: TableName
    sort: Annotated[tuple[str, ...], Field(min_length=1)]
    longitude: str | None = None
    latitude: str | None = None
    temporal: str | None = None

    @property
    def relation(self) -> str:
        """The gold table, as DuckDB names it."""
        return f"gold.{self.model}"

    @property
    def coordinates(self) -> tuple[str, str] | None:
        """Names of the (longitude, latitude) columns, WGS84 degrees, when the table has a place."""
        return None if self.longitude is None or self.latitude is None else (self.longitude, self.latitude)

    @model_validator(mode="after")
    def _both_coordinates_or_none(self) -> CardTable:
        if (self.longitude is None) != (self.latitude is None):
            msg = "longitude and latitude go together: name both columns or none"
            raise ValueError(msg)
        return self


class Archive(_Frozen):
    """One file more, `<name>.zip`, with every table as a member: the form that a format of several files asks for.

    Members are named after their table, with an underscore for a hyphen, followed by `member_suffix`; `date_format` is
    how dates are written in them (strftime). `specification` is the address of what the archive conforms to.
    """

    name: Identifier
    member_suffix: Annotated[str, StringConstraints(pattern=r"^\.[a-z]+$")]
    date_format: str
    title: Annotated[str, Field(min_length=5)]
    specification: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]

    def member(self, table: str) -> str:
        """Name of the member that holds one table."""
        return table.replace("-", "_") + self.member_suffix


class Card(_Frozen):
    """Everything about a published dataset that is said by people and not found in the data."""

    id: Identifier
    # Ids it had before, oldest first: renaming moves its pages and files, not what portals know it by.
    formerly: tuple[Identifier, ...] = ()
    title: Annotated[str, Field(min_length=5)]
    # Portals rank short descriptions as poor metadata; 100 characters is data.gouv.fr's threshold.
    description: Annotated[str, Field(min_length=101)]
    keywords: Annotated[tuple[Keyword, ...], Field(min_length=1)]
    theme: Theme
    hvd_category: str | None = None
    frequency: Frequency
    standard: str
    owner: str
    # none for what is said of the platform itself
    sources: tuple[str, ...]
    tables: Annotated[tuple[CardTable, ...], Field(min_length=1)]
    archive: Archive | None = None
    # what the page shows; chosen from the tables when absent
    picture: Picture | None = None
    rules: AuditRules = AuditRules()
    methodology: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _known_hvd_category(self) -> Card:
        if self.hvd_category is not None and self.hvd_category not in HVD_CATEGORIES:
            msg = f"hvd_category {self.hvd_category!r}: expected one of {', '.join(HVD_CATEGORIES)}"
            raise ValueError(msg)
        return self

    @property
    def folder(self) -> str:
        """The dataset's folder in the published tree."""
        return f"datasets/{self.id}"

    @property
    def identity(self) -> str:
        """The id in its IRIs: the first it ever had."""
        return self.formerly[0] if self.formerly else self.id

    def iri(self, base: str) -> str:
        """What the dataset is, wherever its page and files are; also its one dct:identifier."""
        return f"{base}/id/dataset/{self.identity}"

    def identity_of(self, name: str) -> str:
        """The name that a file of this dataset would have had under its first id."""
        return self.identity + name.removeprefix(self.id) if name.startswith(self.id) else name

    def stem(self, table: str) -> str:
        """File name, without its ending, of one table: the id, followed by the table's name when there are several."""
        return self.id if len(self.tables) == 1 else f"{self.id}_{table}"


def check_card(card: Card, standard: Standard) -> None:
    """Check that a card fills every table of its standard and names no other table or column.

    Raises:
        CardError: naming the card, the table and the missing name.
    """
    known = {table.name: {field.name for field in table.fields} for table in standard.tables}
    for table in card.tables:
        if table.name not in known:
            msg = f"card {card.id}: table {table.name!r} is not in standard {standard.id} ({', '.join(known)})"
            raise CardError(msg)
        named = [*table.sort, *(c for c in (table.longitude, table.latitude, table.temporal) if c is not None)]
        missing = [column for column in named if column not in known[table.name]]
        if missing:
            msg = f"card {card.id}, table {table.name}: no such column in the standard: {', '.join(missing)}"
            raise CardError(msg)
    if sorted(known) != sorted(table.name for table in card.tables):
        msg = f"card {card.id}: standard {standard.id} has tables {', '.join(known)}; give each of them, once"
        raise CardError(msg)
    if card.picture is not None and (fault := check_picture(card.picture, card, standard)):
        msg = f"card {card.id}: {fault}"
        raise CardError(msg)
    try:
        card.rules.check_against(standard)
    except ValueError as error:
        msg = f"card {card.id}: {error}"
        raise CardError(msg) from error


def read_card(path: Path) -> Card:
    """Read one card and check it against its standard.

    Raises:
        CardError: when a field is missing or malformed, or the file is not named after its id.
    """
    try:
        card = Card.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    except yaml.YAMLError as error:
        msg = f"{path}: not valid YAML: {error}"
        raise CardError(msg) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors())
        msg = f"{path}: {faults}"
        raise CardError(msg) from error
    if card.id != path.stem:
        msg = f"{path}: id is {card.id!r}, so the file must be named {card.id}.yml"
        raise CardError(msg)
    check_card(card, load_standard(card.standard))
    return card


@cache
def load_cards(folder: Path = CARDS_DIR) -> tuple[Card, ...]:
    """All cards, sorted by id.

    Raises:
        CardError: on the first card that cannot be used, or when two cards share an id, present or former.
    """
    cards = sorted((read_card(path) for path in folder.glob("*/*.yml")), key=lambda card: card.id)
    ids = [name for card in cards for name in {card.id, *card.formerly}]  # an id may be taken up again by its own
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        ids_twice = ", ".join(twice)
        msg = (
            f"{folder}: several cards for {ids_twice} (`id` or `formerly`); keep one, an id names one dataset for ever"
        )
        raise CardError(msg)
    return tuple(cards)
