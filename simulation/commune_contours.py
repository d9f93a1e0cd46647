"""Limits of the communes, in the form of the national contours.

Belongs here: made-up limits, in which every commune has what is nearest to its centre, as far as its assets go. Does
not: true limits, which anyone may load in place of these, nor what stands in a commune (`assets`).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import duckdb

from lake.engine import extension_path
from simulation.territory_files import geojson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.territory import Commune
    from simulation.job import Job

SOURCE = "commune_contours"
# Assets stand within 2 km of their commune's centre; the nearest town that is none of ours is 5.8 km from one.
RADIUS_M = 3500
_METRES_PER_DEGREE = 111_320
_DIGITS = 1e-6  # a tenth of a metre


def write(job: Job) -> None:
    """One snapshot, dated at the start of the period."""
    communes = job.territory.communes
    features = [
        ({"code": c.insee, "nom": c.name}, geometry) for c, geometry in zip(communes, _areas(communes), strict=True)
    ]
    name = f"communes_{job.start:%Y%m%d}.geojson"
    geojson(job.folder(SOURCE) / name, features)
    job.truth.file(SOURCE, name, read=len(features))


def _areas(communes: Sequence[Commune]) -> list[dict[str, object]]:
    """Voronoi cells of the centres, each cut to a disc around its own: GeoJSON geometries, in the order given.

    Cells are drawn in metres, where nearest means nearest: degrees of longitude are shorter than those of latitude.
    """
    north = sum(c.latitude for c in communes) / len(communes)
    east_m, north_m = _METRES_PER_DEGREE * math.cos(math.radians(north)), _METRES_PER_DEGREE
    centres = ", ".join(f"({i}, {c.longitude * east_m!r}, {c.latitude * north_m!r})" for i, c in enumerate(communes))
    with duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": "1"}) as con:
        con.execute(f"LOAD '{extension_path('spatial')}'")
        found = con.execute(
            f"""WITH centre AS (SELECT i, ST_Point(x, y) AS point FROM (VALUES {centres}) AS told (i, x, y)),
            cell AS (SELECT unnest(ST_Dump(ST_VoronoiDiagram(ST_Collect(list(point)))), recursive := true) FROM centre)
            SELECT ST_AsGeoJSON(ST_ReducePrecision(
                ST_Affine(ST_Intersection(cell.geom, ST_Buffer(point, {RADIUS_M})),
                    1 / {east_m!r}, 0, 0, 1 / {north_m!r}, 0, 0), {_DIGITS}))
            FROM centre JOIN cell ON ST_Contains(cell.geom, point) ORDER BY i"""
        ).fetchall()
    return [json.loads(area) for (area,) in found]
