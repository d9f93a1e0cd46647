"""The network's map: the GeoPackage of pipes, repairs and service perimeters that the survey office delivers.

Belongs here: layers and attributes of the France Data Réseau model (version 6), in its own words.
Does not: the pipes (`water_pipes`), the repairs' work orders (`water_work_orders`).
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyogrio

from simulation.water_district import DELEGATED
from simulation.water_pipes import (
    ABANDON,
    EN_PROJET,
    Pipe,
    Repair,
    lambert93,
    pipes,
    repair,
    repairs,
)
from simulation.water_work_orders import LEAK_ON_MAIN, orders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simulation.job import Job

SOURCE = "water_network"
PIPES, REPAIRS, PERIMETERS = "eau_potable — aep_canalisation", "eau_potable — aep_reparation", "aep_perimetre"
TRUTH = (
    "pipe_number", "asset_code", "insee_code", "sector_id", "state", "material", "diameter_mm", "year", "length_m",
)  # fmt: skip
REPAIR_TRUTH = ("repair_id", "asset_code", "repair_date")
_SECOND_DAY = 28  # the map is delivered every four weeks
_NO_YEAR = -9999  # how the survey office writes that nobody knows
_MEASURED_SHARE = 0.7  # of the pipes: somebody has measured their length on the ground
_PRIVATE_OPERATOR = "Délégataire du service"  # a name where a SIREN is asked for: so do real maps
_RADIUS_M = 2500  # of a perimeter drawn by hand around a commune

_TEXT, _INT, _BIG, _REAL, _FLAG = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()
_TIME = pa.timestamp("ms", tz="UTC")
_PIPE_FIELDS = pa.schema([
    ("type_reseau", _TEXT), ("fictif", _FLAG), ("etat_service", _TEXT), ("insee_commune", _TEXT),
    ("localisation", _TEXT), ("maitre_ouvrage", _TEXT), ("exploitant", _TEXT), ("entreprise_pose", _TEXT),
    ("precision_xy", _TEXT), ("precision_z", _TEXT), ("an_pose_sup", _INT), ("an_pose_inf", _INT),
    ("an_service_sup", _INT), ("an_service_inf", _INT), ("an_abandon_sup", _INT), ("an_abandon_inf", _INT),
    ("an_rehab_sup", _INT), ("an_rehab_inf", _INT), ("date_creation", _TIME), ("origine_creation", _TEXT),
    ("date_maj", _TIME), ("origine_maj", _TEXT), ("lien_doc1", _TEXT), ("lien_doc2", _TEXT), ("commentaire", _TEXT),
    ("id_canalisation", _INT), ("mode_circulation", _TEXT), ("type_pose", _TEXT), ("raison_pose", _TEXT),
    ("materiau", _TEXT), ("revetement_interieur", _TEXT), ("diametre_equivalent", _INT), ("longueur_terrain", _REAL),
    ("sensible", _FLAG), ("noeudterminal", _INT), ("noeudinitial", _INT), ("forme", _TEXT), ("lien_detail", _TEXT),
    ("hauteur_interieure", _REAL), ("hauteur_exterieure", _REAL), ("largeur_interieure", _REAL),
    ("largeur_exterieure", _REAL), ("longueur_interieure", _REAL), ("longueur_exterieure", _REAL),
    ("id_aep_canalisation", _TEXT), ("fonction_canalisation", _TEXT), ("contenu_canalisation", _TEXT),
    ("protection_cathodique", _TEXT), ("etage_pression", _TEXT), ("type_pression", _TEXT),
    ("secteur_hydraulique", _TEXT), ("ref_udi", _TEXT), ("cote_debut", _REAL), ("cote_fin", _REAL),
    ("ref_reservoir", _INT),
])  # fmt: skip
_REPAIR_FIELDS = pa.schema([
    ("idReparation", _TEXT), ("supportIncident", _TEXT), ("dateIntervention", _TIME), ("qualiteGeolocalisation", _TEXT),
    ("materiau", _TEXT), ("diametreNominal", _BIG), ("datePose", _TIME), ("emplacement", _TEXT), ("type", _TEXT),
    ("causeProbable", _TEXT),
])  # fmt: skip
_PERIMETER_FIELDS = pa.schema([
    ("Id_perimetre", _TEXT), ("N° SIREN", _BIG),
    ("Nom de la collectivité de l'entité de gestion à laquelle la commune adhère", _TEXT),
    ("Identifiant SISPEA de la collectivité de l'entité de gestion à laquelle la commune adhère", _BIG),
    ("etat_service", _TEXT), ("type_perimetre_gestion", _TEXT),
])  # fmt: skip

_Row = tuple[bytes, dict[str, object]]


def write(job: Job) -> None:
    """The whole map at the start, and again four weeks later with the repairs since."""
    known = pipes(job)
    past = repairs(job, known)
    rng = job.rng(SOURCE, "repairs")
    mended = past
    fixed = [
        repair(rng, order.pipe, order.done)
        for order in orders(job, known)
        if order.kind == LEAK_ON_MAIN and order.pipe is not None
    ]
    pipe_rows, perimeter_rows = _pipe_rows(job, known), _perimeter_rows(job)
    for day in (0, _SECOND_DAY):
        if day >= job.days:
            break
        when = job.start + timedelta(days=day)
        mended = [*past, *(one for one in fixed if one.when < when)]
        name = f"FDR_eau_potable_{when:%Y%m%d}.gpkg"
        path = job.folder(SOURCE) / name
        path.unlink(missing_ok=True)
        # GDAL writes the time of day into the file, unless it is told which it is.
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{when:%Y-%m-%d}T00:00:00.000Z"})
        _write_layer(path, PIPES, "LineString", _PIPE_FIELDS, pipe_rows)
        _write_layer(path, REPAIRS, "Point", _REPAIR_FIELDS, _repair_rows(mended))
        _write_layer(path, PERIMETERS, "Polygon", _PERIMETER_FIELDS, perimeter_rows)
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
        job.truth.file(SOURCE, f"{name}!{PIPES}", read=len(pipe_rows), quarantined=1)
        job.truth.refuse(
            SOURCE, f"{name}!{PIPES}", line=len(pipe_rows), column="id_canalisation", reason="missing"
        )  # fmt: skip
        job.truth.file(SOURCE, f"{name}!{REPAIRS}", read=len(mended))
        job.truth.file(SOURCE, f"{name}!{PERIMETERS}", read=len(perimeter_rows))
    job.truth.table("water_pipes", TRUTH, [_true(pipe) for pipe in known])
    told = [(one.repair_id, one.pipe.code or "", one.when.isoformat()) for one in mended]
    job.truth.table("water_repairs", REPAIR_TRUTH, told)


def _true(pipe: Pipe) -> tuple[object, ...]:
    return (
        pipe.number, pipe.code or "", pipe.commune.insee, pipe.sector.sector_id if pipe.sector else "", pipe.state,
        pipe.material, pipe.diameter_mm, pipe.year or "", f"{pipe.length_m:.2f}",
    )  # fmt: skip


def _write_layer(path: Path, layer: str, geometry: str, fields: pa.Schema, rows: Sequence[_Row]) -> None:
    """One layer; what a row does not have is null."""
    columns = [pa.array([values.get(field.name) for _, values in rows], field.type) for field in fields]
    shapes = pa.array([shape for shape, _ in rows], pa.binary())
    table = pa.Table.from_arrays([*columns, shapes], names=[*fields.names, "geom"])
    pyogrio.write_arrow(
        table, path, layer=layer, driver="GPKG", geometry_name="geom", geometry_type=geometry, crs="EPSG:2154",
        append=path.exists(), layer_options={"GEOMETRY_NAME": "geom"},
    )  # fmt: skip


def _pipe_rows(job: Job, known: list[Pipe]) -> list[_Row]:
    """Every pipe, and a branch sketched after the survey: a line on the map that has no number yet."""
    rng = job.rng(SOURCE, "pipes")
    drawn = datetime(job.start.year - 1, 3, 2, tzinfo=UTC)
    rows = [(_line(pipe.points), _pipe(job, pipe, drawn, rng)) for pipe in known]
    beside = tuple((x + 40, y) for x, y in known[0].points)
    return [*rows, (_line(beside), {"type_reseau": "aep", "etat_service": EN_PROJET, "fictif": True})]


def _pipe(job: Job, pipe: Pipe, drawn: datetime, rng: np.random.Generator) -> dict[str, object]:
    first, last = pipe.years
    size = float(pipe.diameter_mm)
    measured = round(pipe.length_m * float(rng.normal(1, 0.004)), 1) if rng.random() < _MEASURED_SHARE else None
    return {
        "type_reseau": "aep",
        "fictif": False,
        "etat_service": pipe.state,
        "insee_commune": pipe.commune.insee,
        "maitre_ouvrage": job.territory.siren,
        "exploitant": _PRIVATE_OPERATOR if pipe.delegated else job.territory.siren,
        "precision_xy": "A" if (pipe.year or 0) >= 2005 else str(rng.choice(("B", "C"))),
        "precision_z": "C",
        "an_pose_sup": _NO_YEAR if last is None else last,
        "an_pose_inf": first,
        "an_abandon_sup": 2015 if pipe.state == ABANDON else None,
        "date_creation": drawn,
        "origine_creation": "plan_non_verifie",
        "date_maj": drawn + timedelta(days=int(rng.integers(400))),
        "id_canalisation": pipe.number,
        "mode_circulation": "force" if pipe.function == "adduction" else "gravitaire",
        "type_pose": "tranchee_ouverte",
        "raison_pose": "non_renseigne",
        "materiau": pipe.material,
        "revetement_interieur": "non_renseigne",
        "diametre_equivalent": pipe.diameter_mm,
        "longueur_terrain": measured,
        "noeudinitial": pipe.knots[0],
        "noeudterminal": pipe.knots[1],
        "forme": "circulaire",
        "hauteur_interieure": size,
        "hauteur_exterieure": round(size * 1.12),
        "largeur_interieure": size,
        "largeur_exterieure": round(size * 1.12),
        "id_aep_canalisation": pipe.code,
        "fonction_canalisation": pipe.function,
        "contenu_canalisation": "eau_potable",
        "protection_cathodique": "non",
        "type_pression": "gravitaire",
        "secteur_hydraulique": pipe.sector.sector_id if pipe.sector else None,
        "ref_udi": f"0{job.territory.department_code}{pipe.commune.insee[2:]}" if pipe.sector else None,
        "ref_reservoir": pipe.sector.zone + 1 if pipe.sector else None,
    }


def _repair_rows(mended: list[Repair]) -> list[_Row]:
    return [
        (
            _point(one.point),
            {
                "idReparation": one.repair_id,
                "supportIncident": one.pipe.code,
                "dateIntervention": _instant(one.when),
                "qualiteGeolocalisation": "A" if one.when.year >= 2020 else "B",
                "materiau": one.pipe.material,
                "diametreNominal": one.pipe.diameter_mm,
                "datePose": _instant(date(one.pipe.year, 1, 1)) if one.pipe.year else None,
                "emplacement": one.place,
                "type": one.kind,
                "causeProbable": one.cause,
            },
        )
        for one in mended
    ]


def _perimeter_rows(job: Job) -> list[_Row]:
    """One perimeter for each way the service is run: by the authority, by the private operator commune by commune."""
    rng = job.rng(SOURCE, "perimeters")
    name, sispea = _PERIMETER_FIELDS.names[2:4]
    communes = job.territory.communes
    served = [[c for c in communes if c.name not in DELEGATED], *([c] for c in communes if c.name in DELEGATED)]
    rows = []
    for number, members in enumerate(served):
        centres = [lambert93(c.longitude, c.latitude) for c in members]
        x, y = (sum(axis) / len(centres) for axis in zip(*centres, strict=True))
        radius = max(math.dist((x, y), centre) for centre in centres) + _RADIUS_M
        ring = [(x + radius * math.cos(n * math.pi / 4), y + radius * math.sin(n * math.pi / 4)) for n in range(8)]
        values: dict[str, object] = {
            "Id_perimetre": str(UUID(bytes=rng.bytes(16), version=4)),
            "N° SIREN": int(job.territory.siren),
            name: job.territory.name.upper(),
            sispea: 210_000 + number,
            "etat_service": "en_service",
            "type_perimetre_gestion": "administrative",
        }
        rows.append((_polygon([*ring, ring[0]]), values))
    return rows


def _instant(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _coordinates(points: Sequence[tuple[float, float]]) -> bytes:
    return struct.pack(f"<I{2 * len(points)}d", len(points), *(value for point in points for value in point))


def _line(points: Sequence[tuple[float, float]]) -> bytes:
    return struct.pack("<BI", 1, 2) + _coordinates(points)


def _polygon(ring: Sequence[tuple[float, float]]) -> bytes:
    return struct.pack("<BII", 1, 3, 1) + _coordinates(ring)


def _point(point: tuple[float, float]) -> bytes:
    return struct.pack("<BI2d", 1, 1, *point)
