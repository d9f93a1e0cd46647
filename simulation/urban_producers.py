"""Files in which fourteen town halls and the agglomeration list what stands in their streets: no two are alike.

Belongs here: each producer's container, headers, words and ways of writing a place. Does not: what there is to list,
nor which lines are wrong (`urban_assets`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.territory_files import Sheet, geojson, shapefile, workbook

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from ingestion.territory import Commune

PMR, BENCH, BIN, FOUNTAIN, AED, WIFI = (
    "disabled_parking", "bench", "litter_bin", "fountain", "defibrillator", "public_wifi",
)  # fmt: skip
CATEGORIES = (PMR, BENCH, BIN, FOUNTAIN, AED, WIFI)
_SIDE = 2.5e-5  # half a parking space, in degrees
_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Line:
    """What a producer writes down of an asset: no place when nobody measured it."""

    word: str
    ref: str
    name: str
    street: str
    place: tuple[float, float] | None  # longitude, latitude
    installed: date
    number: int
    commune: Commune


Cells = dict[str, object]


@dataclass(frozen=True)
class Producer:
    """One producer's list. `town` is None for the agglomeration; `first` is the line or record of the first asset."""

    stem: str
    ending: str
    town: str | None
    words: Mapping[str, str]
    cells: Callable[[Line], Cells]
    save: Callable[[Path, Sequence[Line], Sequence[Cells], date], None]
    category_column: str = ""
    prefix: str | None = None  # of its own numbers; None when it gives none
    part: str = ""
    first: int = 2
    wild_place: str = ""  # the column of longitudes, where one line says in words that it is not known


def _words(*words: str) -> dict[str, str]:
    return dict(zip(CATEGORIES, words, strict=True))


def _comma(number: float | None) -> str:
    return "" if number is None else f"{number:.6f}".replace(".", ",")


def _dot(number: float | None, digits: int = 6) -> str:
    return "" if number is None else f"{number:.{digits}f}"


def _lon(line: Line) -> float | None:
    return line.place[0] if line.place else None


def _lat(line: Line) -> float | None:
    return line.place[1] if line.place else None


def _csv(
    encoding: str, delimiter: str, *, end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL
) -> Callable[[Path, Sequence[Line], Sequence[Cells], date], None]:
    """What saves a delimited file."""

    def save(path: Path, _: Sequence[Line], rows: Sequence[Cells], __: date) -> None:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)
        path.write_bytes(buffer.getvalue().encode(encoding))

    return save


def _xlsx(
    sheet: str, *titles: str, first_row: int = 1, last: bool = False
) -> Callable[[Path, Sequence[Line], Sequence[Cells], date], None]:
    """What saves a workbook; `last` puts a sheet of notes before the list."""

    def save(path: Path, _: Sequence[Line], rows: Sequence[Cells], __: date) -> None:
        table = [tuple(rows[0]), *(tuple(value if value != "" else None for value in r.values()) for r in rows)]
        page = Sheet(sheet, table, titles, first_row)
        notes = Sheet("Notice", [("Inventaire tenu par les services techniques",)])
        workbook(path, [notes, page] if last else [page])

    return save


def _points(path: Path, lines: Sequence[Line], rows: Sequence[Cells], _: date) -> None:
    """GeoJSON; parking spaces that have a mark of their own are drawn as rectangles."""
    features = []
    for line, row in zip(lines, rows, strict=True):
        geometry: dict[str, object] | None = None
        if line.place:
            x, y = line.place
            geometry = {"type": "Point", "coordinates": [x, y]}
            if row.pop("_drawn", False):
                ring = [[x + east * _SIDE, y + north * _SIDE] for east, north in _CORNERS]
                geometry = {"type": "Polygon", "coordinates": [ring]}
        row.pop("_drawn", None)
        features.append((row, geometry))
    geojson(path, features)


def _shape(layer: str) -> Callable[[Path, Sequence[Line], Sequence[Cells], date], None]:
    """What saves a zipped shapefile, which holds only assets that have a place."""

    def save(path: Path, lines: Sequence[Line], rows: Sequence[Cells], day: date) -> None:
        columns = {name: np.array([row[name] for row in rows], dtype=object) for name in rows[0]}
        places = np.array([line.place for line in lines], dtype=np.float64)
        shapefile(path, layer, columns, places[:, 0], places[:, 1], saved=day)

    return save


PRODUCERS = (
    Producer(
        "challuy_mobilier", "csv", "Challuy",
        _words("Place handicapé", "Banc", "Corbeille", "Fontaine", "DAE", "Wifi gratuit"),
        lambda a: {
            "Type": a.word, "Désignation": a.name, "Adresse": a.street, "Longitude": _comma(_lon(a)),
            "Latitude": _comma(_lat(a)), "Remarques": "à repeindre" if a.number % 7 == 3 else "",
        },
        _csv("cp1252", ";"), "Type", wild_place="Longitude",
    ),
    Producer(
        "coulanges_equipements", "xlsx", "Coulanges-lès-Nevers",
        _words("PMR", "BANC", "POUBELLE", "FONTAINE", "DÉFIBRILLATEUR", "BORNE WIFI"),
        lambda a: {
            "N°": int(a.ref), "Nature du mobilier": a.word, "Lieu": a.street,
            "Coordonnées GPS": f"{_dot(_lat(a))}, {_dot(_lon(a))}" if a.place else "", "Mis en service": a.installed,
        },
        _xlsx("Feuil1", "Ville de Coulanges-lès-Nevers", "Inventaire du mobilier", first_row=4),
        "Nature du mobilier", "", first=5,
    ),
    Producer(
        "fourchambault_inventaire", "csv", "Fourchambault",
        _words("stationnement_pmr", "banc", "corbeille", "fontaine", "dae", "wifi"),
        lambda a: {
            "id_local": a.ref, "categorie": a.word, "nom": a.name, "adresse": a.street, "lat": _dot(_lat(a), 8),
            "lon": _dot(_lon(a), 8), "date_pose": a.installed.isoformat(), "etat": ("bon", "moyen")[a.number % 2],
        },
        _csv("utf-8-sig", ",", end="\n"), "categorie", "FCB-", wild_place="lon",
    ),
    Producer(
        "garchizy", "geojson", "Garchizy",
        _words("Place GIG-GIC", "Banc public", "Poubelle de rue", "Point d'eau", "Défibrillateur", "Hotspot"),
        lambda a: {
            "ref": int(a.ref), "type_mobilier": a.word, "libelle": a.name, "pose": f"{a.installed:%d/%m/%Y}",
        },
        _points, "type_mobilier", "", first=1,
    ),
    Producer(
        "germigny_liste", "csv", "Germigny-sur-Loire",
        _words("place handicapés", "banc", "corbeille à papier", "borne fontaine", "défibrillateur", "wifi"),
        # what this list calls X is the latitude
        lambda a: {
            "Équipement": a.word, "Endroit": a.street, "X": _comma(_lat(a)), "Y": _comma(_lon(a)),
            "Coût (€)": 100 + a.number,
        },
        _csv("iso-8859-15", "\t"), "Équipement", wild_place="Y",
    ),
    Producer(
        "gimouille", "csv", "Gimouille",
        _words("parking handicapé", "banc", "poubelle", "fontaine", "défibrillateur", "wifi"),
        lambda a: {
            "Quoi": a.word, "Où": a.street, "GPS": f"{_dot(_lat(a))} {_dot(_lon(a))}" if a.place else "",
        },
        _csv("utf-8", ";"), "Quoi",
    ),
    Producer(
        "marzy_patrimoine", "xlsx", "Marzy", _words("PMR", "BNC", "CRB", "FTN", "DAE", "WIF"),
        lambda a: {
            "Code objet": a.ref, "Famille": a.word, "Voie": a.street, "Long.": _lon(a) or "", "Lat.": _lat(a) or "",
            "Accessible": a.number % 2 == 0, "Quantité": 1 + a.number % 3,
        },
        _xlsx("Mobilier urbain", "Patrimoine communal", first_row=2, last=True),
        "Famille", "MZ", "!Mobilier urbain", 3, "Long.",
    ),
    Producer(
        "nevers_mobilier", "zip", "Nevers",
        _words("STAT_PMR", "BANC", "CORBEILLE", "FONTAINE", "DAE", "WIFI"),
        lambda a: {
            "ID_OBJ": a.ref, "TYPE_MOB": a.word, "NOM_VOIE": a.street, "DATE_POSE": f"{a.installed:%Y%m%d}",
            "ETAT": ("BON", "MOYEN", "MAUVAIS")[a.number % 3],
        },
        _shape("NEVERS_MOBILIER"), "TYPE_MOB", "NV", first=1,
    ),
    Producer(
        "parigny", "csv", "Parigny-les-Vaux",
        _words("place PMR", "banc", "corbeille", "fontaine", "DAE", "borne wifi"),
        lambda a: {
            "objet": a.word, "repère": a.street, "lon/lat": f"{_dot(_lon(a), 5)}/{_dot(_lat(a), 5)}" if a.place else "",
        },
        _csv("utf-8", "|", end="\n"), "objet",
    ),
    Producer(
        "pougues_mobilier", "csv", "Pougues-les-Eaux",
        _words("PLACE HANDICAPES", "BANC", "POUBELLE", "FONTAINE A BOIRE", "DEFIBRILLATEUR", "WIFI"),
        lambda a: {
            "LIBELLE": a.name.upper(), "CATEGORIE": a.word, "COORD_X": _comma(_lon(a)), "COORD_Y": _comma(_lat(a)),
            "ANNEE": a.installed.year,
        },
        _csv("cp1252", ";"), "CATEGORIE", wild_place="COORD_X",
    ),
    Producer(
        "saincaize", "xlsx", "Saincaize-Meauce",
        _words("Stationnement handicapé", "Banc", "Corbeille", "Fontaine", "Défibrillateur", "Wifi"),
        lambda a: {
            "Équipement": a.word, "Emplacement": a.street, "Latitude": _lat(a) or "", "Longitude": _lon(a) or "",
            "Posé le": f"{a.installed:%d/%m/%Y}",
        },
        _xlsx("Équipements"), "Équipement", wild_place="Longitude",
    ),
    Producer(
        "saint_eloi_espace_public", "geojson", "Saint-Éloi",
        _words("handicap", "assise", "proprete", "eau", "secours", "internet"),
        lambda a: {
            "categorie": a.word, "nom": a.name, "code": a.ref, "_drawn": a.word == "handicap",
        },
        _points, "categorie", "SE-", first=1,
    ),
    Producer(
        "sermoise_mobilier", "csv", "Sermoise-sur-Loire",
        _words("Place PMR", "Banc", "Corbeille", "Borne-fontaine", "Défibrillateur", "Wifi"),
        lambda a: {
            "ID,N,9,0": int(a.ref), "TYPE,C,50": a.word, "NOM,C,254": a.name, "COORD_X,C,50": _comma(_lon(a)),
            "COORD_Y,C,50": _comma(_lat(a)),
        },
        _csv("cp1252", ",", end="\n"), "TYPE,C,50", "", wild_place="COORD_X,C,50",
    ),
    Producer(
        "varennes_parc", "csv", "Varennes-Vauzelles",
        _words("Emplacement PMR", "Banc", "Corbeille de propreté", "Fontaine", "Défibrillateur (DAE)", "Wifi public"),
        lambda a: {
            "Identifiant": a.ref, "Type de mobilier": a.word, "Rue": a.street,
            "Longitude": _dot(_lon(a)) if a.number % 3 else "", "Latitude": _dot(_lat(a)) if a.number % 3 else "",
            "Photo": f"https://photos.nevers-agglomeration.example/vv/{a.ref}.jpg",
        },
        _csv("utf-8", ";", quoting=csv.QUOTE_ALL), "Type de mobilier", "VV", wild_place="Longitude",
    ),
    Producer(
        "agglo_pmr", "zip", None, {PMR: "PMR"},
        lambda a: {"ID_PMR": a.ref, "INSEE": a.commune.insee, "VOIE": a.street, "NB_PLACES": 1 + a.number % 2},
        _shape("AGGLO_PMR"), prefix="PMR-", first=1,
    ),
    Producer(
        "agglo_dae", "csv", None, {AED: "DAE"},
        lambda a: {
            "id_dae": a.ref, "insee": a.commune.insee, "nom": a.name, "acces": ("intérieur", "extérieur")[a.number % 2],
            "lat_coor": _dot(_lat(a)), "long_coor": _dot(_lon(a)), "tel": "03 86 00 00 00",
        },
        _csv("utf-8", ",", end="\n"), prefix="DAE-", wild_place="long_coor",
    ),
    Producer(
        "agglo_wifi", "csv", None, {WIFI: "wifi"},
        lambda a: {
            "borne": a.ref, "commune": a.commune.name.upper(), "lieu": a.name, "ssid": "Nevers-Agglo-Public",
            "lon": _dot(_lon(a)), "lat": _dot(_lat(a)),
        },
        _csv("utf-8", ";"), prefix="AP-", wild_place="lon",
    ),
)  # fmt: skip
