"""The forms of a place: what a table's place is in SQL, and the GeoParquet of it.

Belongs here: SQL of geometries, the metadata that GeoParquet 1.1 asks for. Does not: which tables have a place
(export.py), or how files are written.

DuckDB writes GeoParquet 1.0, without the covering that lets a reader skip rows outside its window. So the geometry is
written as plain WKB and the file's `geo` metadata is given here: a few constants, and the extent found in the rows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lake.engine import extension_path

if TYPE_CHECKING:
    import duckdb

# Columns that a Parquet file has beyond those of its standard; the names every GeoParquet reader expects.
GEOMETRY, BBOX = "geometry", "bbox"
VERSION = "1.1.0"
DECIMALS = 6  # about 0.1 m

_TYPES = {
    "POINT": "Point",
    "LINESTRING": "LineString",
    "POLYGON": "Polygon",
    "MULTIPOINT": "MultiPoint",
    "MULTILINESTRING": "MultiLineString",
    "MULTIPOLYGON": "MultiPolygon",
    "GEOMETRYCOLLECTION": "GeometryCollection",
}
_AREAS = "('POLYGON', 'MULTIPOLYGON')"
_PLACE = '"place of the row"'


def load(con: duckdb.DuckDBPyConnection) -> None:
    """Make the functions of this module's SQL known; costs nothing the second time."""
    con.execute(f"LOAD '{extension_path('spatial')}'")


def published_wkt(text: str) -> str:
    """SQL of the WKT that is published for a WKT: plane, at most 6 decimals, outer rings counter-clockwise.

    RFC 7946 and GeoParquet ask for that order of rings; shapefiles come in the other one. Normalised, areas have their
    outer rings clockwise and their holes the other way, so reversing them is enough. Lines keep their direction.
    """
    number = r"-?[0-9.]+(?:[eE][-+]?[0-9]+)?"
    short_number = f"(round(part::DOUBLE, {DECIMALS}) + 0.0)::VARCHAR"
    cell = f"CASE WHEN regexp_full_match(part, '{number}') THEN {short_number} ELSE part END"
    parts = f"regexp_extract_all({text}, '{number}|[^-0-9]+')"
    rounded = f"array_to_string(list_transform({parts}, lambda part: {cell}), '')"
    short = rf"CASE WHEN regexp_matches({text}, '\.[0-9]{{{DECIMALS + 1}}}') THEN {rounded} ELSE {text} END"
    shape = f"ST_Force2D(ST_GeomFromText({short}))"
    right_handed = (
        f"CASE WHEN ST_GeometryType({shape}) IN {_AREAS} THEN ST_Reverse(ST_Normalize({shape})) ELSE {shape} END"
    )
    return f"ST_AsText({right_handed})"


def with_columns(select: str, place: str) -> str:
    """The query `select` with the columns of GeoParquet, from the SQL of a row's place."""
    sides = ", ".join(f"'{side}': ST_{side[0].upper()}{side[1:].title()}({_PLACE})" for side in _SIDES)
    return (
        f"SELECT * EXCLUDE ({_PLACE}), ST_AsWKB({_PLACE}) AS {GEOMETRY}, "
        f"CASE WHEN {_PLACE} IS NOT NULL THEN {{{sides}}} END AS {BBOX} "
        f"FROM (SELECT *, {place} AS {_PLACE} FROM ({select}))"
    )


_SIDES = ("xmin", "ymin", "xmax", "ymax")


def metadata(con: duckdb.DuckDBPyConnection, select: str, place: str) -> str:
    """What the Parquet file of `select` says under the key `geo`. WGS84, longitude first, is what no `crs` means."""
    found = con.execute(
        f"SELECT min(ST_XMin(p)), min(ST_YMin(p)), max(ST_XMax(p)), max(ST_YMax(p)), "
        f"list(DISTINCT ST_GeometryType(p)::VARCHAR) FROM (SELECT {place} AS p FROM ({select})) WHERE p IS NOT NULL"
    ).fetchone()
    *extent, kinds = found or (None,)
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(_TYPES[kind] for kind in kinds or ()),
        "orientation": "counterclockwise",
        "covering": {"bbox": {side: [BBOX, side] for side in _SIDES}},
    }
    if kinds:
        column["bbox"] = extent
    return json.dumps({"version": VERSION, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}})
