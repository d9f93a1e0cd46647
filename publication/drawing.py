"""A dataset's picture: its published Parquet aggregated in DuckDB, drawn to SVG by Vega-Lite, said in a sentence.

Belongs here: what is asked of the data for a map, a series or bars, and what is said of it. Does not: which picture a
dataset has (picture.py), the Vega-Lite of each (vega.py).

The same rows give the same bytes. A picture holds a few hundred points whatever the size of the table.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lake.engine import extension_path, literal
from publication import vega
from publication.french import french_number, french_span, french_unit, plural
from publication.vega import Contour

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from pathlib import Path

    import duckdb

    from ingestion.territory import Territory
    from publication.card import CardTable
    from publication.picture import Picture
    from quality.standard import Field, TableStandard

MAX_POINTS = 300  # beyond, points are gathered on a grid
GRID_CELLS = 18  # a side
MAX_LINES = 4
MAX_BARS = 12
MAX_SHAPES = 400
# What is lost below is less than a pixel of the map.
_SHAPE_TOLERANCE_DEG = 0.0003


@dataclass(frozen=True)
class Subject:
    """What to draw, and from where."""

    picture: Picture
    table: TableStandard
    part: CardTable
    parquet: Path
    commune_code: str | None  # column of the INSEE code

    @property
    def source(self) -> str:
        """The rows, as DuckDB reads them."""
        wanted = " AND ".join(f"{_q(c)}::VARCHAR = {literal(v)}" for c, v in sorted(self.picture.where.items()))
        return f"(SELECT * FROM read_parquet({literal(str(self.parquet))}) WHERE {wanted or 'true'})"

    def field(self, name: str) -> Field:
        """A column of the table."""
        return next(field for field in self.table.fields if field.name == name)

    @property
    def is_repeated(self) -> bool:
        """Whether a place has a row for each of its days: places are counted then, not rows."""
        return self.part.temporal is not None and self.part.temporal in self.part.sort

    @property
    def measured(self) -> str:
        """SQL of the number shown."""
        return "count(*)" if self.picture.value is None else f"{self.picture.aggregate}({_q(self.picture.value)})"

    @property
    def unit(self) -> str:
        """Of the number shown, '' when there is none to say."""
        if self.picture.value is None:
            return ""
        unit = self.field(self.picture.value).unit
        return "" if unit in (None, "1") else french_unit(str(unit))

    @property
    def label(self) -> str:
        """What the picture shows."""
        if self.picture.title is not None:
            return self.picture.title
        if self.picture.value is not None:
            return self.field(self.picture.value).title
        return self.table.title


@dataclass(frozen=True)
class Drawing:
    """A picture, and the same in words and figures for who does not see it."""

    title: str
    sentence: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    svg: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, so that a page keeps its place before it is loaded."""
        found = re.search(rb'width="([\d.]+)" height="([\d.]+)"', self.svg)
        return (round(float(found[1])), round(float(found[2]))) if found else (0, 0)


def contours(con: duckdb.DuckDBPyConnection) -> tuple[Contour, ...]:
    """Limits of the communes, thinned to what a map of this size shows; none when the lake has none."""
    there = "SELECT 1 FROM information_schema.tables WHERE table_schema = 'silver' AND table_name = 'commune_contour'"
    if con.execute(there).fetchone() is None:
        return ()
    con.execute(f"LOAD {literal(extension_path('spatial'))}")
    shape = f"ST_SimplifyPreserveTopology(ST_GeomFromText(geometry_wkt), {_SHAPE_TOLERANCE_DEG})"
    rows = con.execute(
        f"SELECT insee_code, commune_name, ST_AsGeoJSON({shape}), ST_X(ST_PointOnSurface({shape})), "
        f"ST_Y(ST_PointOnSurface({shape})), [west_deg, south_deg, east_deg, north_deg] "
        "FROM silver.commune_contour ORDER BY insee_code"
    ).fetchall()
    return tuple(Contour(code, name, json.loads(shape), x, y, tuple(box)) for code, name, shape, x, y, box in rows)


def draw(
    con: duckdb.DuckDBPyConnection, subject: Subject, around: Sequence[Contour], territory: Territory
) -> Drawing | None:
    """The picture of a subject, None when its table has nothing to show."""
    match subject.picture.kind:
        case "map":
            return _map(con, subject, around, territory)
        case "series":
            return _series(con, subject, territory)
        case "bars":
            return _bars(con, subject)


def communes(con: duckdb.DuckDBPyConnection, parquet: Path, column: str) -> tuple[str, ...]:
    """INSEE codes a table speaks of."""
    name = _q(column)
    query = f"SELECT DISTINCT {name} FROM read_parquet(?) WHERE {name} IS NOT NULL ORDER BY 1"
    return tuple(str(code) for (code,) in con.execute(query, [str(parquet)]).fetchall())


# maps ---------------------------------------------------------------------------------------------------------------


def _map(
    con: duckdb.DuckDBPyConnection, subject: Subject, around: Sequence[Contour], territory: Territory
) -> Drawing | None:
    geometry = next((f.name for f in subject.table.fields if f.type == "geometry"), None)
    if geometry is not None:
        places = _shapes(con, subject, geometry)
        sentence = f"Carte des communes avec {plural(len(places), 'tracé')}."
        spec = vega.shapes(around, places)
    else:
        everywhere, gathered = _points(con, subject)
        places = [place for place in everywhere if _is_near(place, around)]
        sentence = f"Carte des communes avec {plural(sum(p['n'] for p in places), 'point')}"
        sentence += ", regroupés par endroit : plus le rond est grand, plus il y en a." if gathered else "."
        if away := sum(place["n"] for place in everywhere) - sum(place["n"] for place in places):
            sentence += f" Hors du cadre : {plural(away, 'point')}."
        spec = vega.points(around, places, gathered=gathered) if places else {}
    if not places:
        return None
    rows = _by_commune(con, subject, territory)
    if len(rows) > 1 and rows[0][1] != rows[1][1]:
        sentence += f" La commune qui en a le plus est {rows[0][0]} : {rows[0][1]}."
    return Drawing(
        subject.label,
        sentence,
        ("Commune", "Nombre"),
        tuple(rows),
        vega.svg(spec, subject.label, sentence),
    )


def _points(con: duckdb.DuckDBPyConnection, subject: Subject) -> tuple[list[dict[str, Any]], bool]:
    """Distinct places with how many rows each has, gathered on a grid when they are too many to see."""
    if subject.part.coordinates is not None:
        x, y = (_q(name) for name in subject.part.coordinates)
    else:
        place = _q(next(f.name for f in subject.table.fields if f.type == "geopoint"))
        x, y = (f"json_extract({place}, '$[{i}]')" for i in (0, 1))
    weight = "1" if subject.is_repeated else "count(*)"
    category = f"min({_q(subject.picture.category)})" if subject.picture.category else "NULL"
    located = (
        f"SELECT at_x AS x, at_y AS y, {category} AS k, {weight} AS n "
        f"FROM (SELECT *, try_cast({x} AS DOUBLE) AS at_x, try_cast({y} AS DOUBLE) AS at_y FROM {subject.source}) "
        "WHERE at_x IS NOT NULL AND at_y IS NOT NULL GROUP BY ALL"
    )
    found = con.execute(f"SELECT count(*) FROM ({located})").fetchone()
    gathered = found is not None and found[0] > MAX_POINTS
    if gathered:
        cell = f"floor({{0}} * {GRID_CELLS} / greatest((SELECT max({{0}}) - min({{0}}) FROM p), 1e-9))"
        query = (
            f"WITH p AS ({located}) SELECT sum(x * n) / sum(n), sum(y * n) / sum(n), NULL, sum(n)::BIGINT AS n "
            f"FROM p GROUP BY {cell.format('x')}, {cell.format('y')} ORDER BY n DESC, 1, 2"
        )
    else:
        query = f"SELECT x, y, k, n FROM ({located}) ORDER BY n DESC, x, y"
    rows = con.execute(query).fetchall()
    return [{"x": round(x, 5), "y": round(y, 5), "k": k, "n": int(n)} for x, y, k, n in rows], gathered


def _is_near(place: dict[str, Any], around: Sequence[Contour]) -> bool:
    """Whether a place is in the frame of the communes: one far away would make them too small to read."""
    if not around:
        return True
    west, south = (min(contour.box[i] for contour in around) for i in (0, 1))
    east, north = (max(contour.box[i] for contour in around) for i in (2, 3))
    return bool(west <= place["x"] <= east and south <= place["y"] <= north)


def _shapes(con: duckdb.DuckDBPyConnection, subject: Subject, geometry: str) -> list[dict[str, Any]]:
    """Lines and areas as GeoJSON, thinned."""
    con.execute(f"LOAD {literal(extension_path('spatial'))}")
    # ST_Simplify keeps ends; a ring of another direction than d3 expects would fill the globe: exterior clockwise
    shape = f"ST_Simplify(ST_GeomFromText({_q(geometry)}), {_SHAPE_TOLERANCE_DEG / 5})"
    rows = con.execute(
        f"SELECT ST_AsGeoJSON({shape}) AS g FROM {subject.source} WHERE {_q(geometry)} IS NOT NULL "
        f"ORDER BY g LIMIT {MAX_SHAPES}"
    ).fetchall()
    return [json.loads(shape) for (shape,) in rows]


def _by_commune(con: duckdb.DuckDBPyConnection, subject: Subject, territory: Territory) -> list[tuple[str, str]]:
    """Places of each commune, the most first."""
    if subject.commune_code is None:
        return []
    names = {commune.insee: commune.name for commune in territory.communes}
    code = _q(subject.commune_code)
    what = f"DISTINCT {_q(subject.part.sort[0])}" if subject.is_repeated else "*"
    rows = con.execute(
        f"SELECT {code}, count({what}) AS n FROM {subject.source} WHERE {code} IS NOT NULL "
        "GROUP BY 1 ORDER BY n DESC, 1"
    ).fetchall()
    return [(names.get(insee, str(insee)), french_number(n)) for insee, n in rows[:30]]


# series -------------------------------------------------------------------------------------------------------------


def _series(con: duckdb.DuckDBPyConnection, subject: Subject, territory: Territory) -> Drawing | None:
    time = _local(subject, territory)
    span = con.execute(f"SELECT min({time})::DATE, max({time})::DATE FROM {subject.source}").fetchone()
    if span is None or span[0] is None:
        return None
    first, last = span
    step = _step(subject, (last - first).days)
    lines = _lines(con, subject)
    category = f"{_q(subject.picture.category)}::VARCHAR" if subject.picture.category else "''"
    kept = f"WHERE {category} IN ({', '.join(literal(line) for line in lines)})" if lines else ""
    rows = con.execute(
        f"SELECT date_trunc('{step}', {time}) AS t, {category} AS k, {subject.measured}::DOUBLE AS v "
        f"FROM {subject.source} {kept} GROUP BY 1, 2 HAVING v IS NOT NULL AND t IS NOT NULL ORDER BY k, t"
    ).fetchall()
    if not rows:
        return None
    values = [{"t": f"{t:%Y-%m-%dT%H:%M:%S}Z", "k": k, "v": round(v, 4)} for t, k, v in rows]
    title = _title(subject, {"hour": "par heure", "day": "par jour", "month": "par mois"}[step])
    title += f" ({subject.unit})" if subject.unit and subject.unit not in title else ""
    told = _extremes(rows, subject.unit, (first, last))
    table = _of_lines(rows, subject)
    return Drawing(title, told, *table, vega.svg(vega.series(values, step), title, told))


def _local(subject: Subject, territory: Territory) -> str:
    """SQL of the moment in legal time: an hour of the day is the town's."""
    time = subject.picture.time or ""
    if subject.field(time).type == "datetime":
        return f"timezone({literal(territory.time_zone)}, {_q(time)})"
    return f"{_q(time)}::TIMESTAMP"


def _step(subject: Subject, days: int) -> str:
    """Hours for a week, days for a year, months beyond."""
    if subject.field(subject.picture.time or "").type == "datetime" and days <= 7:
        return "hour"
    return "day" if days <= 366 else "month"


def _lines(con: duckdb.DuckDBPyConnection, subject: Subject) -> list[str]:
    """The categories with the most rows, when there is one line each."""
    if subject.picture.category is None:
        return []
    name = _q(subject.picture.category)
    rows = con.execute(
        f"SELECT {name}::VARCHAR FROM {subject.source} WHERE {name} IS NOT NULL GROUP BY 1 "
        f"ORDER BY count(*) DESC, 1 LIMIT {MAX_LINES}"
    ).fetchall()
    return [str(line) for (line,) in rows]


def _extremes(rows: Sequence[tuple[datetime, str, float]], unit: str, span: tuple[date, date]) -> str:
    """What a line says, line by line."""
    tail = f"\u00a0{unit}" if unit else ""
    parts = []
    for line in sorted({k for _, k, _ in rows}):
        values = [v for _, k, v in rows if k == line]
        low, high = (_short(v) for v in (min(values), max(values)))
        told = f"de {low} à {high}{tail}" if low != high else f"{low}{tail}"
        parts.append(f"{line}, {told}" if line else told)
    period = french_span(*span)
    return f"{period[0].upper()}{period[1:]} : {' ; '.join(parts)}."


def _of_lines(
    rows: Sequence[tuple[datetime, str, float]], subject: Subject
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Least, mean and greatest of each line."""
    unit = f" ({subject.unit})" if subject.unit else ""
    headers = ("Série", f"Minimum{unit}", f"Moyenne{unit}", f"Maximum{unit}")
    table = []
    for line in sorted({k for _, k, _ in rows}):
        values = [v for _, k, v in rows if k == line]
        figures = (min(values), sum(values) / len(values), max(values))
        table.append((line or subject.label, *(_short(v) for v in figures)))
    return headers, tuple(table)


# bars ---------------------------------------------------------------------------------------------------------------


def _bars(con: duckdb.DuckDBPyConnection, subject: Subject) -> Drawing | None:
    name = _q(subject.picture.category or "")
    rows = con.execute(
        f"SELECT {name}::VARCHAR AS k, {subject.measured}::DOUBLE AS v FROM {subject.source} WHERE {name} IS NOT NULL "
        "GROUP BY 1 HAVING v IS NOT NULL ORDER BY v DESC, k"
    ).fetchall()
    if len(rows) < 2:  # one bar alone compares nothing
        return None
    shown = rows[:MAX_BARS]
    tail = f"\u00a0{subject.unit}" if subject.unit else ""
    most, least = shown[0], shown[-1]
    title = _title(subject, f"par {_heading(subject).lower()}")
    sentence = f"La plus grande valeur est celle de « {most[0]} » : {_short(most[1])}{tail}"
    if least[1] < most[1]:
        sentence += f" ; la plus petite, celle de « {least[0]} » : {_short(least[1])}{tail}"
    if len(rows) > len(shown):
        sentence += f" (les {len(shown)} premières sur {len(rows)})"
    values = [{"k": k, "v": round(v, 4), "label": _short(v) + tail} for k, v in shown]
    headers = (_heading(subject), subject.label if subject.picture.value else "Nombre")
    table = tuple((k, _short(v) + tail) for k, v in shown)
    return Drawing(title, f"{sentence}.", headers, table, vega.svg(vega.bars(values), title, f"{sentence}."))


def _heading(subject: Subject) -> str:
    return subject.field(subject.picture.category or "").title


def _title(subject: Subject, rest: str) -> str:
    return subject.label if subject.picture.title is not None else f"{subject.label}, {rest}"


def _short(value: float) -> str:
    """A number with the decimals that say something at its size."""
    return french_number(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
