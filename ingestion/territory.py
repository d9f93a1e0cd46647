"""The territory a platform serves: `territory.yml`, read once and frozen.

Belongs here: reading and checking that file. Does not: anything about a source, a dataset or a path.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints

TERRITORY_FILE = Path(__file__).resolve().parent.parent / "territory.yml"

Insee = Annotated[str, StringConstraints(pattern=r"^([013-9]\d|2[AB1-9])\d{3}$")]
Siren = Annotated[str, StringConstraints(pattern=r"^\d{9}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Commune(_Frozen):
    """One member commune; centroid in WGS84 degrees, populations in inhabitants."""

    insee: Insee
    name: str
    siren: Siren
    population: Annotated[int, Field(ge=0)]
    population_total: Annotated[int, Field(ge=0)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    latitude: Annotated[float, Field(ge=-90, le=90)]


class Contact(_Frozen):
    """Whom a reader of the open data writes to."""

    name: str
    email: str


class Territory(_Frozen):
    """The authority, its communes, and what every published thing repeats about it."""

    name: str
    legal_name: str
    siren: Siren
    department_code: str
    time_zone: str
    language: str
    licence: str
    base_url: HttpUrl
    homepage: HttpUrl
    contact: Contact
    # what the law asks a public site to name (legal notice); said to be unknown when absent
    publication_director: str | None = None
    host: str | None = None
    communes: tuple[Commune, ...]

    @property
    def zone(self) -> ZoneInfo:
        """The business day's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def base(self) -> str:
        """`base_url` without a closing slash, ready to be prefixed to a path."""
        return str(self.base_url).rstrip("/")


@cache
def load_territory(path: Path = TERRITORY_FILE) -> Territory:
    """Read `territory.yml`.

    Raises:
        pydantic.ValidationError: naming each field that is missing or malformed.
    """
    return Territory.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
