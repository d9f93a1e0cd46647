"""The national register of defibrillators, as it exports the devices of the territory to their operators.

Belongs here: the register's columns and habits (lists in braces, `t` and `f`), what operators declare and get wrong.
Does not: where the communes' devices hang (`urban_assets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulation import urban_assets
from simulation.identifiers import miskeyed, siren, siret
from simulation.postcodes import postcode
from simulation.roadside import Export
from simulation.truth import BAD_DATE, BAD_NUMBER
from simulation.urban_producers import AED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "defibrillator_register"
HEADER = (
    "c_gid", "c_nom", "c_lat_coor1", "c_long_coor1", "c_adr_num", "c_adr_voie", "c_com_cp", "c_com_insee", "c_com_nom",
    "c_acc", "c_acc_lib", "c_acc_pcsec", "c_acc_acc", "c_dae_mobile", "c_acc_etg", "c_acc_complt", "c_photo1",
    "c_photo2", "c_disp_j", "c_disp_h", "c_disp_complt", "c_tel1", "c_tel2", "c_site_email", "c_date_instal", "c_etat",
    "c_etat_fonct", "c_fab_siren", "c_fab_rais", "c_mnt_siren", "c_mnt_rais", "c_modele", "c_num_serie", "c_id_euro",
    "c_lc_ped", "c_dtpr_lcped", "c_dtpr_lcad", "c_dtpr_bat", "c_freq_mnt", "c_dispsurv", "c_dermnt", "c_expt_siren",
    "c_expt_siret", "c_expt_rais", "c_expt_tel1", "c_expt_tel2", "c_expt_email", "c_maj_don",
)  # fmt: skip
TRUTH = (
    "device_id", "serial_number", "insee_code", "longitude", "latitude", "available_days", "available_hours",
    "is_publishable", "is_listed_by_commune",
)  # fmt: skip
_WORKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi")
_AVAILABLE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("7j/7",), ("24h/24",)),
    (_WORKDAYS, ("heures ouvrables",)),
    ((*_WORKDAYS, "samedi", "jours fériés"), ("heures ouvrables", "heures de nuit")),
    ((), ()),  # never filled in
    (("samedi", "dimanche", "événements"), ("heures ouvrables",)),
)
# Makers and models of nobody.
_MAKERS = (("Cardio Vivance", "CV-300"), ("Secours Électronique", "Alpha 2"), ("Rythme Médical", "RM One"))
_STATES = ("En fonctionnement", "En fonctionnement", "Inconnu", "Hors service", "Absent momentanément")
_SHIFT_M = 4.0
_AGAIN = 28  # days to the second export
_MISKEYED, _SHARED = 5, 8  # a device of an operator with a wrong SIREN, and one that bears another's serial number


@dataclass(frozen=True)
class Device:
    """One device, as it truly is."""

    number: int
    commune: Commune
    name: str
    street: str
    longitude: float
    latitude: float
    installed: date
    listed: bool

    @property
    def serial(self) -> str:
        """Its maker's number; one was typed from the device before it."""
        return f"SN{58_000 + 37 * (self.number - (self.number == _SHARED))}"

    @property
    def available(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Days and hours, in the register's words."""
        return _AVAILABLE[self.number % len(_AVAILABLE)]


def write(job: Job) -> None:
    """The register at the start; four weeks later the last device is no longer declared."""
    devices = list(_devices(job))
    _write_export(job, job.start, devices)
    if job.days > _AGAIN:
        devices = devices[:-1]
        _write_export(job, job.start + timedelta(days=_AGAIN), devices)
    rows = [
        (
            f"DAE-{d.number:05d}", d.serial, d.commune.insee, d.longitude, d.latitude,
            "|".join(d.available[0]) or "non renseigné", "|".join(d.available[1]) or "non renseigné",
            int(d.number not in (_MISKEYED, _SHARED)), int(d.listed),
        )
        for d in devices
    ]  # fmt: skip
    job.truth.table("defibrillators", TRUTH, rows)


def _devices(job: Job) -> Iterator[Device]:
    """The communes' devices, declared but for every ninth, and one in each sports hall, which no commune lists."""
    number = 0
    for rank, item in enumerate(urban_assets.standing(job, AED)):
        if rank % 9 == 8:
            continue
        number += 1
        rng = job.rng(SOURCE, item.commune.insee, item.number)
        x, y = urban_assets.moved(item.longitude, item.latitude, _SHIFT_M * rng.random(), 6.28 * rng.random())
        name = f"DAE {item.commune.name} {item.number}"
        yield Device(number, item.commune, name, item.street, x, y, item.installed, listed=True)
    for home in job.territory.communes:
        number += 1
        rng = job.rng(SOURCE, home.insee, "hall")
        x, y = urban_assets.moved(home.longitude, home.latitude, 500 + 100 * rng.random(), 6.28 * rng.random())
        since = job.start - timedelta(days=200 + int(rng.integers(2500)))
        yield Device(number, home, f"DAE Salle des sports {home.name}", "6 rue du Stade", x, y, since, listed=False)


def _write_export(job: Job, day: date, devices: list[Device]) -> None:
    """The export, its first line again, a device without a day of maintenance, and one nowhere."""
    export = Export(job, SOURCE, f"geodae_{day:%Y%m%d}.csv", [";".join(HEADER)])
    lines = [_cells(job, device, day) for device in devices]
    export.add(_text(lines[0]), copies=2)
    for line in lines[1:]:
        export.add(_text(line))
    export.spoil(_text(lines[0] | {"c_gid": "DAE-X1", "c_dermnt": "à faire"}), "c_dermnt", BAD_DATE)
    export.spoil(_text(lines[0] | {"c_gid": "DAE-X2", "c_lat_coor1": "nc"}), "c_lat_coor1", BAD_NUMBER)
    export.write()


def _text(cells: dict[str, str]) -> str:
    """A line of the export; lists have the quotes of a PostgreSQL array, doubled as CSV wants them."""
    quoted = ('"' + cell.replace('"', '""') + '"' if '"' in cell else cell for cell in cells.values())
    return ";".join(quoted)


def _array(words: tuple[str, ...]) -> str:
    """A list as PostgreSQL writes it: what has a space is quoted."""
    return "{" + ",".join(f'"{word}"' if " " in word else word for word in words) + "}" if words else ""


def _cells(job: Job, device: Device, day: date) -> dict[str, str]:
    n, home = device.number, device.commune
    rng = job.rng(SOURCE, "device", n)
    maker, model = _MAKERS[n % len(_MAKERS)]
    number, _, street = device.street.partition(" ")
    outside = n % 3 == 0
    checked = day - timedelta(days=20 + int(rng.integers(300)))
    days, hours = device.available
    # every other operator writes its telephone as people do
    phone = f"+3335301{n:04d}" if n % 2 else f"03 53 01 {n // 100:02d} {n % 100:02d}"
    operator = miskeyed(home.siren) if n == _MISKEYED else home.siren
    values = (
        f"DAE-{n:05d}", device.name, f"{device.latitude:.7f}", f"{device.longitude:.7f}", number, street,
        postcode(home), home.insee, home.name, "Extérieur" if outside else "Intérieur",
        "t" if outside or n % 2 else "f", "f", "" if outside else "t", "f", "" if outside else "0",
        "Sur la façade" if outside else "À l'accueil", f"https://photos.example.org/dae/{n}.jpg"
        if n % 4 == 1 else "", "", _array(days), _array(hours), "", phone, "",
        f"accueil@commune-{home.insee}.example", device.installed.isoformat(), "Actif", _STATES[n % len(_STATES)],
        siren(81_000_000 + n % len(_MAKERS)), maker, siren(82_000_000), "Maintenance Santé Loire", model,
        device.serial, "", "t" if n % 5 else "f",
        (checked + timedelta(days=400)).isoformat() if n % 5 else "", (checked + timedelta(days=500)).isoformat(),
        (checked + timedelta(days=900)).isoformat(), "Tous les ans", "f", checked.isoformat(), operator,
        siret(home.siren, 1) if n != _MISKEYED else "", f"Commune de {home.name}", phone, "",
        f"technique@commune-{home.insee}.example", checked.isoformat(),
    )  # fmt: skip
    return dict(zip(HEADER, values, strict=True))
