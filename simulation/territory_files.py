"""Workbooks, GeoJSON and zipped shapefiles as town halls send them, with bytes that depend on their content alone.

Belongs here: containers, and the Lambert-93 projection. Does not: any producer's headers or words.
"""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from simulation.clock import Floats

# The earliest date a zip entry can carry, and a workbook's own: now() would change the bytes.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_CREATED = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)

# RGF93 / Lambert-93 (EPSG:2154): GRS80 ellipsoid, two standard parallels.
_SEMI_MAJOR, _FLATTENING = 6_378_137.0, 1 / 298.257222101
_PARALLELS, _ORIGIN = (44.0, 49.0), (3.0, 46.5)
_FALSE_EASTING, _FALSE_NORTHING = 700_000.0, 6_600_000.0


@dataclass(frozen=True)
class Sheet:
    """One sheet: lines of text merged over the whole width, then rows from `first_row` (from 1) on."""

    name: str
    rows: Sequence[Sequence[object]]
    titles: Sequence[str] = ()
    first_row: int = 1
    number_formats: Mapping[int, str] = field(default_factory=dict)


def workbook(path: Path, sheets: Sequence[Sheet]) -> None:
    """An XLSX file; dates are date cells, numbers number cells, and None leaves the cell blank."""
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.set_properties({"created": _CREATED, "author": ""})
        title, day = book.add_format({"bold": True, "align": "center"}), book.add_format({"num_format": "dd/mm/yyyy"})
        for sheet in sheets:
            page = book.add_worksheet(sheet.name)
            width = max(len(row) for row in sheet.rows)
            for line, text in enumerate(sheet.titles):
                page.merge_range(line, 0, line, width - 1, text, title)
            shown = {column: book.add_format({"num_format": form}) for column, form in sheet.number_formats.items()}
            for line, row in enumerate(sheet.rows, start=sheet.first_row - 1):
                for column, value in enumerate(row):
                    if hasattr(value, "isoformat"):
                        page.write_datetime(line, column, value, day)
                    elif value is not None:
                        page.write(line, column, value, shown.get(column))
    path.write_bytes(buffer.getvalue())


def geojson(path: Path, features: Sequence[tuple[Mapping[str, object], Mapping[str, object] | None]]) -> None:
    """A feature collection of (properties, geometry), one feature a line, as QGIS writes it."""
    lines = [json.dumps({"type": "Feature", "properties": p, "geometry": g}, ensure_ascii=False) for p, g in features]
    path.write_text('{"type": "FeatureCollection", "features": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def shapefile(
    path: Path, layer: str, columns: Mapping[str, NDArray[np.object_]], lon: Floats, lat: Floats, *, saved: date
) -> None:
    """A zipped shapefile of points in Lambert-93, attributes in cp1252 (names of ten characters at most)."""
    from pyogrio import raw

    x, y = lambert93(lon, lat)
    # WKB, little endian, point
    points = np.array([struct.pack("<BIdd", 1, 1, *point) for point in zip(x, y, strict=True)], dtype=object)
    with tempfile.TemporaryDirectory() as folder:
        raw.write(
            Path(folder) / f"{layer}.shp",
            points,
            list(columns.values()),
            list(columns),
            driver="ESRI Shapefile",
            geometry_type="Point",
            crs="EPSG:2154",
            encoding="cp1252",
            layer_options={"DBF_DATE_LAST_UPDATE": saved.isoformat()},
        )
        parts = sorted(Path(folder).iterdir())
        write_archive(path, {part.name: part.read_bytes() for part in parts})


def write_archive(path: Path, members: Mapping[str, bytes]) -> None:
    """An archive of several members, without a clock or an owner."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)


def lambert93(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Metres east and north of WGS84 degrees: conformal conic projection with two standard parallels."""
    excentricity = np.sqrt(_FLATTENING * (2 - _FLATTENING))

    def isometric(latitude: Floats) -> Floats:
        sine = np.sin(latitude)
        stretch = ((1 - excentricity * sine) / (1 + excentricity * sine)) ** (excentricity / 2)
        return np.asarray(np.log(np.tan(np.pi / 4 + latitude / 2) * stretch))

    def radius(latitude: Floats) -> Floats:
        return np.asarray(np.cos(latitude) / np.sqrt(1 - (excentricity * np.sin(latitude)) ** 2))

    first, second, origin = (np.radians(np.array([angle])) for angle in (*_PARALLELS, _ORIGIN[1]))
    power = np.log(radius(first) / radius(second)) / (isometric(second) - isometric(first))
    scale = _SEMI_MAJOR * radius(first) / power * np.exp(power * isometric(first))
    distance = scale * np.exp(-power * isometric(np.radians(lat)))
    angle = power * np.radians(lon - _ORIGIN[0])
    top = scale * np.exp(-power * isometric(origin))
    east = _FALSE_EASTING + distance * np.sin(angle)
    north = _FALSE_NORTHING + top - distance * np.cos(angle)
    return east, north
