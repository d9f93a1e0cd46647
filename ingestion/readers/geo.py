"""Geographic files (GeoPackage, GeoJSON, zipped shapefile) to raw text columns, geometry included.

Belongs here: which layer, attributes as text, coordinates to WGS84. Does not: which column is which (tabular.py), what
a text means (typing.py), the bytes of each format (layers.py). Read in a process of its own (worker.py says why).

A contract asks for geometry as `geometry:wkt` (two dimensions, longitude then latitude), `geometry:lon` and
`geometry:lat` (of the point, or of the centroid), `geometry:type`; coordinates have seven decimals, which is a
centimetre.
"""

from __future__ import annotations

import re
from contextlib import closing
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ingestion.readers import MAX_REFUSED, FileNotes, Unusable, tabular, worker
from ingestion.readers.layers import WGS84, Feature, Layer, opened
from ingestion.typing import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    import pyarrow as pa

    from ingestion.contract import SourceContract
    from ingestion.landing import SourceFile

__all__ = ["locate", "read", "rows"]

PSEUDO = ("geometry:wkt", "geometry:lon", "geometry:lat", "geometry:type")
DECIMALS = 7
# Features turned into a batch at a time: a network's lines are short, a commune's outline is a megabyte.
FEATURES, FEATURE_BYTES = 4096, 8 << 20
MAX_CRS = 1 << 16  # characters; the wordiest definitions have 5000
SEPARATOR = " ; "  # between the attributes of a refused feature, as a person reads it
_COORDINATE = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")

read = partial(worker.read, "geo")


def locate(file: SourceFile, contract: SourceContract, records: set[int]) -> dict[int, tuple[int, str]]:
    """Number of the feature in the layer (from 1) and text of given records."""
    return worker.call("geo", "places", file, contract, records) or {}


def rows(file: SourceFile, number: int, contract: SourceContract, notes: FileNotes) -> Iterator[pa.RecordBatch]:
    """Batches of one file's layer; the notes say why when there are none."""
    try:
        with opened(file, contract) as layer:
            wanted = _wanted(contract)
            if wanted:
                _check_crs(layer.crs)
            header = [*layer.header, *wanted]
            found = tabular.layout(header, tabular.file_constants(file, contract), contract, notes)
            if found is not None:
                yield from _batches(layer, found, wanted, number, contract, notes=notes)
    except Unusable as reason:
        notes.hold(str(reason))


def places(file: SourceFile, contract: SourceContract, records: set[int]) -> dict[int, tuple[int, str]]:
    """`locate`, in the worker."""
    found = {}
    with opened(file, contract) as layer:
        for number, feature in enumerate(layer.features(), start=1):
            if number in records:
                found[number] = (number, SEPARATOR.join(text or "" for text in feature.texts))
    return found


def _wanted(contract: SourceContract) -> list[str]:
    paths = {path for column in contract.columns for path in column.paths(None)}
    return [name for name in PSEUDO if name in paths]


def _check_crs(crs: str | None) -> None:
    import duckdb

    if crs is None:
        raise Unusable("système de coordonnées absent ou indéfini : le déclarer (.prj, SRS) et redéposer")
    if len(crs) > MAX_CRS or "\x00" in crs:
        raise Unusable(f"système de coordonnées illisible : {_short(crs)!r}")
    try:
        _spatial().execute(f"SELECT ST_Transform(ST_Point(0, 0), {quote(crs)}, {quote(WGS84)}, always_xy := true)")
    except duckdb.Error as error:
        if "Could not create projection" in str(error):  # else it is the point that is outside
            raise Unusable(f"système de coordonnées inconnu : {_short(crs)}") from error


def _batches(
    layer: Layer, found: tabular.Layout, wanted: list[str], number: int, contract: SourceContract, *, notes: FileNotes
) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa

    done = 0
    for chunk in _chunks(layer.features()):
        texts: list[Sequence[str | None]] = list(zip(*(f.texts for f in chunk), strict=True))
        numbers = np.arange(done + 1, done + 1 + len(chunk))
        done += len(chunk)
        good = np.ones(len(chunk), dtype=bool)
        columns = [pa.array(column, pa.string()) for column in texts]
        if wanted:
            shapes = _shapes(layer, chunk)
            for i, shape in enumerate(shapes):
                if shape.fault:
                    good[i] = False
                    text = SEPARATOR.join(t or "" for t in chunk[i].texts)
                    notes.rejects.append((int(numbers[i]), text, shape.fault))
            columns += [pa.array([shape[PSEUDO.index(name)] for shape in shapes], pa.string()) for name in wanted]
            if len(notes.rejects) > MAX_REFUSED:
                raise Unusable(f"plus de {MAX_REFUSED} objets refusés : {notes.rejects[0][2]}")
        mask = pa.array(good)
        yield from tabular.batches(found, [c.filter(mask) for c in columns], numbers[good], number, contract)


def _chunks(features: Iterator[Feature]) -> Iterator[list[Feature]]:
    chunk: list[Feature] = []
    size = 0
    for feature in features:
        chunk.append(feature)
        size += len(feature.shape or b"") + sum(len(text or "") for text in feature.texts)
        if len(chunk) >= FEATURES or size > FEATURE_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


# Geometry -------------------------------------------------------------------------------------------------------------


class _Shape(NamedTuple):
    """What a contract may ask of a geometry, in the order of PSEUDO; and why there is none, when there should be."""

    wkt: str | None = None
    lon: str | None = None
    lat: str | None = None
    type: str | None = None
    fault: str | None = None


def _shapes(layer: Layer, features: list[Feature]) -> list[_Shape]:
    """Geometries of some features in WGS84; a null or empty one gives nulls."""
    import duckdb
    import pyarrow as pa

    con = _spatial()
    kind = pa.string() if layer.geojson else pa.binary()
    shapes = pa.array([f.shape for f in features], kind)
    con.register("features", pa.table({"i": range(len(features)), "shape": shapes}))
    made = "ST_GeomFromGeoJSON(shape)" if layer.geojson else "ST_GeomFromWKB(shape)"
    source = layer.crs or WGS84

    def degrees(geometry: str) -> str:
        moved = f"ST_Transform({geometry}, {quote(source)}, {quote(WGS84)}, always_xy := true)"
        return f"TRY({geometry if source == WGS84 else moved})"

    query = f"""WITH read AS (SELECT i, shape, TRY(ST_Force2D({made})) AS geom FROM features),
        solid AS (SELECT i, shape, geom IS NULL AS unread, CASE WHEN NOT ST_IsEmpty(geom) THEN geom END AS geom
            FROM read),
        moved AS (SELECT *, {degrees("geom")} AS there FROM solid),
        centred AS (SELECT *, CASE WHEN ST_GeometryType(geom) = 'POINT' THEN there
            ELSE {degrees("ST_Centroid(geom)")} END AS middle FROM moved)
        SELECT shape IS NOT NULL AND unread, geom IS NOT NULL AND there IS NULL, ST_AsText(there), ST_X(middle),
            ST_Y(middle), ST_GeometryType(there)::VARCHAR,
            ST_XMin(there), ST_YMin(there), ST_XMax(there), ST_YMax(there)
        FROM centred ORDER BY i"""
    try:
        found = con.execute(query).fetchall()
    except duckdb.Error as error:  # an internal one is also the end of the connection
        _spatial.cache_clear()
        raise Unusable(f"géométries illisibles : {str(error).splitlines()[0][:200]}") from error
    return [_shape(layer, *row) for row in found]


def _shape(layer: Layer, unread: bool, lost: bool, wkt: str | None, *rest: Any) -> _Shape:  # noqa: FBT001 - of a query
    lon, lat, kind, *bounds = rest
    if unread:
        return _Shape(fault="géométrie illisible (WKB ou GeoJSON invalide, ou courbe)")
    if lost or (wkt is not None and not _on_earth(*bounds)):
        return _Shape(fault=f"coordonnées hors du système déclaré ({_short(layer.crs)})")
    if wkt is None:
        return _Shape()
    return _Shape(_COORDINATE.sub(_rounded, wkt), _decimal(lon), _decimal(lat), kind)


def _on_earth(west: float | None, south: float | None, east: float | None, north: float | None) -> bool:
    if west is None or south is None or east is None or north is None:  # of coordinates that are no numbers
        return False
    return west >= -180 and east <= 180 and south >= -90 and north <= 90


def _short(crs: str | None) -> str:
    return (crs or "")[:60]


def _rounded(match: re.Match[str]) -> str:
    return _decimal(float(match[0]))


def _decimal(value: float) -> str:
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@cache
def _spatial() -> duckdb.DuckDBPyConnection:
    """DuckDB with its geometry functions and nothing else: no file, no network, one thread."""
    import duckdb

    from lake.engine import extension_path

    con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": "1", "memory_limit": "300MB"})
    con.execute(f"LOAD {quote(extension_path('spatial'))}")
    con.execute("SET enable_progress_bar = false")
    return con


def shapes_of(path: str) -> Iterator[bytes | None]:
    """Geometries of a shapefile as WKB, in file order.

    Raises:
        Unusable: when the library cannot read them.
    """
    import duckdb

    with closing(_spatial().cursor()) as con:
        try:
            con.execute(f"SELECT ST_AsWKB(geom) FROM ST_Read({quote(path)}, allowed_drivers = ['ESRI Shapefile'])")
            while rows := con.fetchmany(1024):
                yield from (row[0] for row in rows)
        except duckdb.Error as error:
            raise Unusable(f"shapefile illisible : {str(error).splitlines()[0][:200]}") from error
