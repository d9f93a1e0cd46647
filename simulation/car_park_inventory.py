"""The parking department's workbook: one line for each car park, counted by the occupancy platform or not.

Belongs here: what does not change from one hour to the next: names, spaces, gauge, prices, who runs it. Does not: free
spaces (`car_parks`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulation import car_parks
from simulation.assets import Asset
from simulation.roadside import stand
from simulation.territory_files import Sheet, workbook
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from datetime import date

    from simulation.job import Job

SOURCE = "car_park_inventory"
HEADER = (
    "Code", "Nom du parc", "Adresse", "Code postal", "Code INSEE", "Longitude", "Latitude", "Ouvert à", "Gratuit",
    "Places", "dont P+R", "dont PMR", "dont recharge", "dont autopartage", "dont covoiturage", "Vélos", "Motos",
    "Hauteur max (cm)", "SIRET exploitant", "Ouvrage", "Tarif PMR", "1 h", "2 h", "3 h", "4 h", "24 h",
    "Abonnement résident", "Abonnement", "Page", "Remarques",
)  # fmt: skip
TRUTH = ("car_park_id", "insee_code", "total_space_count", "operator_siret", "max_height_cm", "price_24h_eur")
_SHEET = "Parcs"
FIRST_ROW = 4  # two lines of title, the headers, then this
_AGAIN = 21  # days to the second workbook
# Name, commune, spaces: free of charge, without a counter at the entrance.
_UNCOUNTED = (
    ("Parking du Stade", "Nevers", 140), ("Parking de la Mairie", "Varennes-Vauzelles", 60),
    ("Parking du Marché", "Fourchambault", 45), ("Parking des Thermes", "Pougues-les-Eaux", 80),
    ("Parking de la Halte", "Garchizy", 30),
)  # fmt: skip
_POSTCODES = {"Nevers": "58000", "Varennes-Vauzelles": "58640", "Fourchambault": "58600"}
_POSTCODE = "58320"  # of the communes around Pougues-les-Eaux
_DELEGATE = "99900010"  # of a made-up company, its key to be added
_OFFICE = "0001"
_HEIGHTS = (190, 210, None)


def write(job: Job) -> None:
    """A workbook at the start; three weeks later a second one, with a car park more at its top and dearer days."""
    counted, uncounted = car_parks.things(job), _uncounted(job)
    lines = [_line(job, park, n, counted=True) for n, park in enumerate(counted)]
    lines += [_line(job, park, n, counted=False) for n, park in enumerate(uncounted[:-1])]
    _write(job, job.start, lines)
    if job.days > _AGAIN:
        dearer = [{**line, "24 h": line["24 h"] + 1} if line["24 h"] else line for line in lines]  # type: ignore[operator]
        lines = [_line(job, uncounted[-1], len(uncounted) - 1, counted=False), *dearer]
        _write(job, job.start + timedelta(days=_AGAIN), lines)
    rows = [
        tuple(line[c] for c in ("Code", "Code INSEE", "Places", "SIRET exploitant", "Hauteur max (cm)", "24 h"))
        for line in lines
    ]
    job.truth.table("car_park_inventory", TRUTH, [tuple("" if v in (None, "sans") else v for v in r) for r in rows])


def keyed(digits: str) -> str:
    """`digits` and the one that makes Luhn's key right, as SIREN and SIRET have it."""
    doubled = (int(digit) * (2 - rank % 2) for rank, digit in enumerate(reversed(digits)))
    return f"{digits}{-sum(d - 9 * (d > 9) for d in doubled) % 10}"


def _uncounted(job: Job) -> list[Asset]:
    return [
        Asset(SOURCE, f"E{n + 1:02d}", name, "parking", *stand(job, job.rng(SOURCE, n), town))
        for n, (name, town, _) in enumerate(_UNCOUNTED)
    ]


def _line(job: Job, park: Asset, n: int, *, counted: bool) -> dict[str, object]:
    """The cells of one car park: those with a counter have to be paid for, and a company runs them."""
    spaces = car_parks.spaces(n) if counted else _UNCOUNTED[n][2]
    height = _HEIGHTS[n % len(_HEIGHTS)] if counted else None
    hour = 1.2 + 0.2 * (n % 3)
    operator = keyed(_DELEGATE) if counted else job.territory.siren
    prices = [round(hour * hours, 2) if counted else None for hours in (1, 2, 3, 4)]
    return {
        "Code": park.native_id, "Nom du parc": park.name, "Adresse": f"{3 + 4 * n} avenue de la Gare",
        "Code postal": _POSTCODES.get(park.commune.name, _POSTCODE), "Code INSEE": park.commune.insee,
        "Longitude": round(park.longitude, 6), "Latitude": round(park.latitude, 6),
        "Ouvert à": "abonnés" if counted and n % 6 == 4 else "tous", "Gratuit": "non" if counted else "oui",
        "Places": spaces, "dont P+R": 40 if counted and n % 6 == 5 else None, "dont PMR": max(1, spaces // 50),
        "dont recharge": 4 if counted else None, "dont autopartage": 2 if counted and n == 0 else None,
        "dont covoiturage": None if counted else 5, "Vélos": 12 + 2 * n, "Motos": 6 if counted else None,
        "Hauteur max (cm)": height or "sans", "SIRET exploitant": keyed(operator + _OFFICE),
        "Ouvrage": "ouvrage" if height else "surface", "Tarif PMR": "gratuit" if n % 2 else "normal",
        **dict(zip(("1 h", "2 h", "3 h", "4 h"), prices, strict=True)), "24 h": 12.0 + n if counted else None,
        "Abonnement résident": 38.5 if counted else None, "Abonnement": 61.9 if counted else None,
        "Page": f"https://stationnement.exemple.example/{park.native_id.lower()}" if counted else None,
        "Remarques": "Gratuit le dimanche" if counted and n % 2 == 0 else None,
    }  # fmt: skip


def _write(job: Job, day: date, lines: list[dict[str, object]]) -> None:
    """The lines, then one that is not finished: its number of spaces is in words."""
    path = job.folder(SOURCE) / f"parcs_stationnement_{day:%Y%m%d}.xlsx"
    unfinished = {**lines[-1], "Code": "E99", "Nom du parc": "Parking à créer", "Places": "à définir"}
    rows = [tuple(line[column] for column in HEADER) for line in (*lines, unfinished)]
    titles = ("Parcs de stationnement", f"État au {day:%d/%m/%Y}")
    workbook(path, [Sheet(_SHEET, [HEADER, *rows], titles=titles, first_row=FIRST_ROW - 1)])
    name = f"{path.name}!{_SHEET}"
    job.truth.refuse(SOURCE, name, line=FIRST_ROW + len(lines), column="Places", reason=BAD_NUMBER)
    job.truth.file(SOURCE, name, read=len(rows), quarantined=1)
