"""Base Adresse Locale files of the member communes, in the versions of the format that their editors know.

Belongs here: streets, numbers, positions, and what town halls get wrong. Does not: what stands at an address.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from simulation.assets import near
from simulation.files import csv_text
from simulation.territory_files import lambert93
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "addresses"
_COMMON = (
    "commune_insee", "commune_nom", "commune_deleguee_insee", "commune_deleguee_nom", "{street}",
    "lieudit_complement_nom", "numero", "suffixe", "position", "x", "y", "long", "lat", "cad_parcelles", "source",
    "date_der_maj", "certification_commune",
)  # fmt: skip
# What comes before the columns that every version has, and what the street is called.
VERSIONS = {
    "1.3": (("uid_adresse", "cle_interop"), "voie_nom"),
    "1.4": (("id_ban_commune", "id_ban_toponyme", "id_ban_adresse", "cle_interop"), "voie_nom"),
    "1.5": (("id_ban_commune", "id_ban_toponyme", "id_ban_adresse"), "toponyme"),
}
_TOTAL = 3000
_STREETS = (
    "Rue de la République", "Avenue du Général de Gaulle", "Rue des Écoles", "Place de l'Église", "Rue du Moulin",
    "Chemin des Vignes", "Route de Nevers", "Impasse des Lilas", "Rue Jean Jaurès", "Boulevard Victor Hugo",
    "Rue de la Gare", "Allée des Tilleuls", "Rue Pasteur", "Quai de Loire", "Rue du 8 Mai 1945", "Rue Saint-Martin",
    "Rue de l'Ancienne Poste", "Rue du Port", "Square Émile Zola", "Rue des Quatre Vents",
)  # fmt: skip
_PLACES = ("Le Bec d'Allier", "Les Courtillets", "La Grande Brosse")
_NO_NUMBER = 99_999  # the format's own number for a place without numbers
_NUMBERS = 24  # per street, before another is opened
_SECOND_FILE = 21  # days later


@dataclass(frozen=True)
class Address:
    """One address, as it truly is; `rank` is its street's in the commune."""

    commune: Commune
    street: str
    rank: int
    number: int
    suffix: str
    longitude: float
    latitude: float
    certified: bool
    updated: date
    located: bool = True
    second_position: bool = False

    @property
    def key(self) -> str:
        """Interoperability key: commune, street code, number and suffix."""
        tail = f"_{self.suffix}" if self.suffix else ""
        return f"{self.commune.insee}_{self.rank:04d}_{self.number:05d}{tail}"


def write(job: Job) -> None:
    """One file per commune at the start, and a second one for the first and the last of them later.

    In the second, an address has gone, another is new, and the rest is certified. Each file ends with a line sent
    twice and one whose number holds its suffix.
    """
    last: list[Address] = []
    communes = job.territory.communes
    for number, home in enumerate(communes):
        version = list(VERSIONS)[number % len(VERSIONS)]
        known = _commune(job, number, home)
        _write_file(job, home, job.start, version, known)
        if number in {0, len(communes) - 1} and job.days > _SECOND_FILE:
            day = job.start + timedelta(days=_SECOND_FILE)
            fresh = replace(known[-2], number=known[-2].number + 2, suffix="", second_position=False)
            known = [replace(a, certified=True, updated=day) for a in (*known[1:-1], fresh, known[-1])]
            _write_file(job, home, day, version, known)
        last += known
    header = ("insee_code", "street", "number", "suffix", "longitude", "latitude", "certified", "positions")
    rows = [
        (
            a.commune.insee, a.street, a.number, a.suffix, a.longitude if a.located else "",
            a.latitude if a.located else "", int(a.certified), 2 if a.second_position else 1,
        )
        for a in last
    ]  # fmt: skip
    job.truth.table("addresses", header, rows)


def _commune(job: Job, number: int, home: Commune) -> list[Address]:
    """Addresses in proportion to the inhabitants, at least a few; the last ones are places without numbers."""
    rng = job.rng(SOURCE, "commune", number)
    inhabitants = sum(c.population for c in job.territory.communes)
    count = job.count(round(_TOTAL * home.population / inhabitants), least=6)
    found: list[Address] = []
    for index in range(count):
        rank = index // _NUMBERS
        street = _STREETS[rank % len(_STREETS)]
        if rank >= len(_STREETS):
            street += f" ({rank // len(_STREETS) + 1})"
        number_, suffix = 1 + 2 * (index % _NUMBERS), ("bis", "ter")[index % 2] if index % 11 == 7 else ""
        if index >= count - 1:
            street, rank, number_, suffix = _PLACES[number % len(_PLACES)], 9000, _NO_NUMBER, ""
        longitude, latitude = near(rng, home.longitude, home.latitude)
        found.append(
            Address(
                commune=home,
                street=street,
                rank=rank + 1,
                number=number_,
                suffix=suffix,
                longitude=longitude,
                latitude=latitude,
                certified=index % 3 > 0,
                updated=job.start - timedelta(days=10 + int(rng.integers(900))),
                located=index % 40 != 3,
                second_position=index % 25 == 4,
            )
        )
    return found


def _write_file(job: Job, home: Commune, day: date, version: str, known: list[Address]) -> None:
    lead, street = VERSIONS[version]
    header = (*lead, *(name.format(street=street) for name in _COMMON))
    rows: list[tuple[object, ...]] = []
    for address in known:
        rows.append((*_lead(job, address, version), *_row(address, version, "entrée")))
        if address.second_position:
            moved = replace(address, longitude=address.longitude + 0.0002)
            rows.append((*_lead(job, address, version), *_row(moved, version, "segment")))
    wrong = list(rows[0])
    at = header.index("numero")
    wrong[at : at + 2] = [f"{known[0].number}bis", ""]
    name = f"bal_{home.insee}_{day:%Y%m%d}.csv"
    text = csv_text(header, [*rows, rows[1], wrong], delimiter=";", end="\r\n" if version == "1.3" else "\n")
    (job.folder(SOURCE) / name).write_bytes(text.encode("utf-8-sig" if version == "1.4" else "utf-8"))
    job.truth.file(SOURCE, name, read=len(rows) + 2, duplicate=1, quarantined=1)
    job.truth.refuse(SOURCE, name, line=len(rows) + 3, column="numero", reason=BAD_NUMBER)


def _lead(job: Job, address: Address, version: str) -> tuple[str, ...]:
    """Identifiers: places without numbers have none of their own from version 1.4 on."""
    commune, street, own = (
        str(UUID(bytes=job.rng(SOURCE, "uuid", *parts).bytes(16), version=4))
        for parts in (
            (address.commune.insee,), (address.commune.insee, address.street), (address.commune.insee, address.key),
        )
    )  # fmt: skip
    if version == "1.3":
        return (f"@c:{commune} @v:{street} @a:{own}", address.key)
    ids = (commune, street, "" if address.number == _NO_NUMBER else own)
    return (*ids, address.key) if version == "1.4" else ids


def _row(address: Address, version: str, position: str) -> tuple[object, ...]:
    x, y = lambert93(np.array([address.longitude]), np.array([address.latitude]))
    place: tuple[str, ...] = ("", "", "", "")
    if address.located:
        place = (f"{x[0]:.2f}", f"{y[0]:.2f}", f"{address.longitude:.6f}", f"{address.latitude:.6f}")
    home = address.commune
    # editors of the oldest version write dates the French way
    updated = f"{address.updated:%d/%m/%Y}" if version == "1.3" else address.updated.isoformat()
    return (
        home.insee, home.name, "", "", address.street, "", address.number, address.suffix, position, *place,
        f"{home.insee}000{plain(address.street)[:2].upper()}{address.number % 10_000:04d}",
        f"Commune de {home.name}", updated, int(address.certified),
    )  # fmt: skip


def plain(text: str) -> str:
    """Letters only, without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if c.isascii() and c.isalpha())
