"""The collective public facilities of fourteen communes, in the workbook that the agglomeration keeps for them.

Belongs here: which facilities a commune has, how people fill a workbook in, and what it does to codes. Does not: what
stands in the streets (`urban_assets`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulation.identifiers import miskeyed, siret
from simulation.postcodes import postcode
from simulation.territory_files import Sheet, workbook
from simulation.truth import BAD_DATE, BAD_NUMBER
from simulation.urban_assets import moved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "public_facilities"
HEADER = (
    "Collectivité", "SIRET", "INSEE", "Code", "N° d'ordre", "Type", "Nom", "N°", "Voie", "Code postal", "ERP n°",
    "ERP type", "ERP catégorie", "Latitude", "Longitude", "Horaires", "Téléphone", "Courriel", "Site", "Mise à jour",
)  # fmt: skip
TRUTH = ("facility_id", "facility_type", "name", "insee_code", "longitude", "latitude", "is_publishable")
SHEET = "Équipements"
_HEADER_ROW = 3
# Code of the nomenclature of public facilities, type, ERP type, smallest population of a commune that has one.
_KINDS = (
    ("01010401", "Mairie", "W", 0), ("07010100", "Église", "V", 0), ("07030100", "Cimetière", "", 0),
    ("06010400", "École élémentaire", "R", 0), ("08051300", "Salle polyvalente", "L", 0),
    ("05011700", "Stade", "PA", 500), ("08020500", "Bibliothèque", "S", 700),
    ("06010100", "École maternelle", "R", 900), ("05011200", "Gymnase", "X", 1400),
    ("04010200", "Crèche", "R", 2000), ("04020100", "Centre social", "L", 3500),
    ("01110200", "Déchèterie", "", 3600), ("05010100", "Piscine", "X", 9000),
    ("08070100", "Conservatoire", "R", 20_000),
)  # fmt: skip
_MORE = 3000  # inhabitants for one more school, of each kind
_HOURS = ("Mo-Fr 08:30-12:00,13:30-17:30", "Mo-Fr 08:30-12:00,13:30-17:30; Sa 09:00-12:00", "", "Tu-Sa 10:00-18:00")
# The standard's streets have neither full stops nor the letters and apostrophes that its pattern forgets.
_STREETS = ("rue de la Mairie", "place du Gal. de Gaulle", "allée du Sacré-Cœur", "rue de l’École", "Le Bourg")  # noqa: RUF001
_AGAIN = 28  # days to the second workbook
_MISKEYED = 4  # the facility of a collectivity with a wrong SIRET


@dataclass(frozen=True)
class Facility:
    """One facility, as it truly is. `order` tells apart those of a kind in a commune, from 1."""

    commune: Commune
    code: str
    kind: str
    erp: str
    order: int
    rank: int  # among all, from 0
    longitude: float
    latitude: float
    updated: date
    name: str

    @property
    def facility_id(self) -> str:
        """The standard's number."""
        return f"{self.commune.insee}-{self.code}-{self.order:03d}"


def write(job: Job) -> None:
    """The workbook at the start; four weeks later one facility has a new name and the last one is closed."""
    facilities = list(_facilities(job))
    _write_workbook(job, job.start, facilities)
    if job.days > _AGAIN:
        day = job.start + timedelta(days=_AGAIN)
        renamed = replace(facilities[3], name=f"École Simone Veil de {facilities[3].commune.name}", updated=day)
        facilities = [*facilities[:3], renamed, *facilities[4:-1]]
        _write_workbook(job, day, facilities)
    rows = [
        (f.facility_id, f.kind, f.name, f.commune.insee, f.longitude, f.latitude, int(f.rank != _MISKEYED))
        for f in facilities
    ]
    job.truth.table("public_facilities", TRUTH, rows)


def _facilities(job: Job) -> Iterator[Facility]:
    """What a commune of its size has; larger ones have several schools."""
    rank = 0
    for home in job.territory.communes:
        for code, kind, erp, least in _KINDS:
            if home.population < least:
                continue
            count = 1 + home.population // _MORE if code.startswith("06") else 1
            for order in range(1, count + 1):
                rng = job.rng(SOURCE, home.insee, code, order)
                x, y = moved(home.longitude, home.latitude, 800 * rng.random(), 6.28 * rng.random())
                updated = job.start - timedelta(days=10 + int(rng.integers(300)))
                name = f"{kind} de {home.name}" if order == 1 else f"{kind} n° {order} de {home.name}"
                yield Facility(home, code, kind, erp, order, rank, x, y, updated, name)
                rank += 1


def _write_workbook(job: Job, day: date, facilities: list[Facility]) -> None:
    """A title above the header; below the list its first line again, a latitude in words, and a day that is none."""
    rows = [_cells(facility) for facility in facilities]
    adrift, undated = list(rows[0]), list(rows[0])
    adrift[4], adrift[13] = 901, "à relever"
    undated[4], undated[19] = 902, "rentrée 2026"
    name = f"equipements_publics_{day:%Y%m%d}.xlsx"
    sheet = Sheet(SHEET, [HEADER, *rows, rows[0], adrift, undated], ("Équipements collectifs publics",), _HEADER_ROW)
    workbook(job.folder(SOURCE) / name, [sheet])
    part, last = f"{name}!{SHEET}", _HEADER_ROW + len(rows) + 1
    job.truth.file(SOURCE, part, read=len(rows) + 3, duplicate=1, quarantined=2)
    job.truth.refuse(SOURCE, part, line=last + 1, column="Latitude", reason=BAD_NUMBER)
    job.truth.refuse(SOURCE, part, line=last + 2, column="Mise à jour", reason=BAD_DATE)


def _cells(facility: Facility) -> tuple[object, ...]:
    """A line as it was typed: every third code is a number, which has lost its leading zero."""
    home, rank = facility.commune, facility.rank
    number = siret(home.siren, 1)
    return (
        f"Commune de {home.name}", miskeyed(number) if rank == _MISKEYED else number, home.insee,
        int(facility.code) if rank % 3 == 1 else facility.code, facility.order, facility.kind, facility.name,
        None if rank % 7 == 5 else 1 + rank % 40, _STREETS[rank % len(_STREETS)], postcode(home),
        f"E{home.insee}{rank:04d}" if facility.erp and rank % 2 else None, facility.erp or None,
        3 + rank % 3 if facility.erp else None, facility.latitude, facility.longitude,
        _HOURS[rank % len(_HOURS)] or None, f"03 53 01 {rank // 100:02d} {rank % 100:02d}" if rank % 4 else None,
        f"contact@commune-{home.insee}.example" if rank % 3 else None,
        f"https://commune-{home.insee}.example" if rank % 3 else None, facility.updated,
    )  # fmt: skip
