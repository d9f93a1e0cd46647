"""The water department's list of public drinking fountains, as its GIS exports it.

Belongs here: what the department knows of a fountain, and the faults of its list. Does not: where the fountains of the
communes stand (`urban_assets`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulation import urban_assets
from simulation.identifiers import miskeyed
from simulation.roadside import Export
from simulation.truth import BAD_NUMBER
from simulation.urban_producers import FOUNTAIN

if TYPE_CHECKING:
    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "drinking_fountains"
HEADER = (
    "N°;Type;Modèle;Gestionnaire;SIREN gestionnaire;Adresse;Précision;INSEE;Longitude;Latitude;Accès;Mise en service;"
    "Hors service depuis;PMR;Gourde"
)
TRUTH = (
    "fountain_id", "fountain_type", "insee_code", "longitude", "latitude", "operator_siren", "out_of_service_date",
    "is_listed_by_commune",
)  # fmt: skip
BAD_WORD = "bad_category"
_TYPES = {"BF": "street_fountain", "ROB": "tap", "WAL": "wallace_fountain", "DIV": "other"}
_MODELS = ("Oasis 2", "Fontaine Ducale", "Borne Loire", "")
_ACCESS = ("Libre", "Libre", "Libre", "Horaires", "Autre")
_SHIFT_M = 2.5  # the department and the commune do not measure from the same corner
_AGAIN = 28  # days to the second list
_MISKEYED = 3  # the line whose SIREN has a wrong digit


@dataclass(frozen=True)
class Fountain:
    """One fountain, as it truly is."""

    fountain_id: str
    kind: str
    commune: Commune
    number: int
    street: str
    longitude: float
    latitude: float
    installed: date
    listed: bool  # by its commune too
    broken_since: date | None = None


def write(job: Job) -> None:
    """The list at the start; four weeks later the first fountain is out of order and the last one is gone."""
    fountains = _fountains(job)
    _write_list(job, job.start, fountains)
    if job.days > _AGAIN:
        day = job.start + timedelta(days=_AGAIN)
        fountains = [replace(fountains[0], broken_since=day - timedelta(days=3)), *fountains[1:-1]]
        _write_list(job, day, fountains)
    rows = [
        (
            f.fountain_id, _TYPES[f.kind], f.commune.insee, f.longitude, f.latitude, f.commune.siren,
            f.broken_since or "", int(f.listed),
        )
        for f in fountains
    ]  # fmt: skip
    job.truth.table("drinking_fountains", TRUTH, rows)


def _fountains(job: Job) -> list[Fountain]:
    """Those of the communes' lists but for every seventh, which the department does not supply, and cemetery taps."""
    found = []
    for rank, item in enumerate(urban_assets.standing(job, FOUNTAIN)):
        if rank % 7 == 6:
            continue
        rng = job.rng(SOURCE, item.commune.insee, item.number)
        x, y = urban_assets.moved(item.longitude, item.latitude, _SHIFT_M * rng.random(), 6.28 * rng.random())
        found.append((item.commune, ("BF", "WAL", "BF", "DIV")[rank % 4], item.street, x, y, item.installed, True))
    for home in job.territory.communes:
        rng = job.rng(SOURCE, home.insee, "tap")
        x, y = urban_assets.moved(home.longitude, home.latitude, 300 + 100 * rng.random(), 6.28 * rng.random())
        since = job.start - timedelta(days=300 + int(rng.integers(9000)))
        found.append((home, "ROB", "Cimetière", x, y, since, False))
    return [
        Fountain(f"FE-{n:04d}", kind, home, n, street, x, y, installed, listed)
        for n, (home, kind, street, x, y, installed, listed) in enumerate(found, start=1)
    ]


def _write_list(job: Job, day: date, fountains: list[Fountain]) -> None:
    """The list, its first line again, a kind that nobody knows, and a longitude in words."""
    export = Export(job, SOURCE, f"fontaines_eau_{day:%Y%m%d}.csv", [HEADER])
    cells = [_cells(fountain) for fountain in fountains]
    export.add(";".join(cells[0]), copies=2)
    for line in cells[1:]:
        export.add(";".join(line))
    export.spoil(";".join(["FE-X1", "Lavoir", *cells[0][2:]]), "Type", BAD_WORD)
    export.spoil(";".join(["FE-X2", *cells[0][1:8], "à relever", *cells[0][9:]]), "Longitude", BAD_NUMBER)
    export.write("cp1252")


def _cells(fountain: Fountain) -> list[str]:
    operator = fountain.commune.siren
    return [
        fountain.fountain_id, fountain.kind, _MODELS[fountain.number % len(_MODELS)],
        f"Commune de {fountain.commune.name}", miskeyed(operator) if fountain.number == _MISKEYED else operator,
        fountain.street, "" if fountain.number % 3 else "près de l'entrée", fountain.commune.insee,
        f"{fountain.longitude:.6f}".replace(".", ","), f"{fountain.latitude:.6f}".replace(".", ","),
        "Horaires" if fountain.kind == "ROB" else _ACCESS[fountain.number % len(_ACCESS)],
        f"{fountain.installed:%d/%m/%Y}", f"{fountain.broken_since:%d/%m/%Y}" if fountain.broken_since else "",
        "Oui" if fountain.number % 4 else "Non", "Non" if fountain.kind == "WAL" else "Oui",
    ]  # fmt: skip
