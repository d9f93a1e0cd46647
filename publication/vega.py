"""The Vega-Lite of each kind of picture, and its SVG as pages carry it.

Belongs here: marks, scales, colours, sizes. Does not: what the numbers are (drawing.py).

Colours are variables of the style that each SVG carries, light and dark, so that one file serves both; shapes and
dashes repeat what colours tell. Times reach Vega as if they were UTC, so that the machine's own zone plays no part.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_VEGA_LITE = "v5.21"
# name -> (light, dark). Okabe and Ito's hues, brought to a contrast of 3 to 1 or more on either ground.
_COLOURS = {
    "ink": ("#1c1f26", "#e9e6df"),
    "soft": ("#565c68", "#a5abb8"),
    "line": ("#c9c5bb", "#3f4656"),
    "land": ("#f1efe8", "#212733"),
    "p1": ("#1b479c", "#9dbcff"),
    "p2": ("#b8480b", "#f5a15d"),
    "p3": ("#00704f", "#5fd0ac"),
    "p4": ("#8f3f88", "#e29fd6"),
    "p5": ("#7d6000", "#e6c65c"),
    "p6": ("#3d4350", "#c9cdd6"),
}
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
_DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3]]


class Contour(NamedTuple):
    """One commune: its limits as GeoJSON, a point inside for its name, and (west, south, east, north)."""

    insee: str
    name: str
    shape: dict[str, Any]
    longitude: float
    latitude: float
    box: tuple[float, ...]


def _var(name: str) -> str:
    return f"var(--{name},{_COLOURS[name][0]})"


_HUES = [_var(f"p{i}") for i in range(1, 7)]
_CONFIG: dict[str, Any] = {
    "aria": False,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _var("soft"),
        "titleColor": _var("soft"),
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "gridColor": _var("line"),
        "gridOpacity": 0.6,
        "domainColor": _var("line"),
        "tickColor": _var("line"),
    },
    "legend": {
        "labelColor": _var("ink"),
        "titleColor": _var("soft"),
        "labelFontSize": 13,
        "orient": "top",
        "title": None,
        "columns": 2,
        "columnPadding": 34,
        "labelLimit": 260,
        "symbolStrokeWidth": 2.5,
    },
}


def points(around: Sequence[Contour], values: Sequence[dict[str, Any]], *, gathered: bool) -> dict[str, Any]:
    """Places on the communes; by size when there are several a place, by colour and shape when they have a category."""
    most = max(value["n"] for value in values)
    encoding: dict[str, Any] = {
        "longitude": {"field": "x", "type": "quantitative"},
        "latitude": {"field": "y", "type": "quantitative"},
    }
    if most > 1:
        top = 620 if gathered else 260
        scale = {"domain": [1, most], "range": [26, top], "zero": False}
        encoding["size"] = {"field": "n", "type": "quantitative", "scale": scale, "legend": None}
    mark: dict[str, Any] = {"type": "point", "filled": True, "opacity": 0.78, "color": _HUES[0], "size": 64}
    mark |= {"stroke": _var("land"), "strokeWidth": 0.6}
    kinds = _most_frequent([value["k"] for value in values if value["k"] is not None])
    if kinds and not gathered:
        named = {"field": "k", "type": "nominal"}
        encoding["color"] = named | {"scale": {"domain": kinds, "range": _HUES[: len(kinds)]}}
        encoding["shape"] = named | {"scale": {"domain": kinds, "range": _SHAPES[: len(kinds)]}}
        values = [v for v in values if v["k"] in kinds]
    return _on_communes(around, {"data": {"values": list(values)}, "mark": mark, "encoding": encoding})


def shapes(around: Sequence[Contour], geometries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lines and areas on the communes."""
    features = [{"type": "Feature", "geometry": _wound(shape)} for shape in geometries]
    filled = any("Polygon" in shape["type"] for shape in geometries)
    mark = {"type": "geoshape", "stroke": _HUES[0], "strokeWidth": 2.6, "strokeCap": "round", "strokeJoin": "round"}
    mark |= {"fill": _HUES[0], "fillOpacity": 0.35} if filled else {"fill": None}
    return _on_communes(around, {"data": {"values": features}, "mark": mark})


def series(values: Sequence[dict[str, Any]], step: str) -> dict[str, Any]:
    """Lines over time; points where a line has few."""
    lines = sorted({value["k"] for value in values})
    few = len(values) <= 20 * len(lines)
    layout = {"hour": "%d/%m %Hh", "day": "%d/%m/%y", "month": "%m/%Y"}[step]
    axis: dict[str, Any] = {
        "format": layout,
        "title": None,
        "labelOverlap": True,
        "labelSeparation": 12,
        "tickCount": 5,
        "grid": False,
    }
    if step == "day" and len({value["t"] for value in values}) <= 6:
        axis["values"] = sorted({value["t"] for value in values})
    encoding: dict[str, Any] = {
        "x": {"field": "t", "type": "temporal", "scale": {"type": "utc"}, "axis": axis},
        "y": {
            "field": "v",
            "type": "quantitative",
            "scale": {"zero": _near_zero([value["v"] for value in values])},
            "axis": {"title": None, "tickCount": 5},
        },
    }
    if len(lines) > 1:
        named = {"field": "k", "type": "nominal", "legend": {"symbolType": "stroke", "symbolSize": 500}}
        encoding["color"] = named | {"scale": {"domain": lines, "range": _HUES[: len(lines)]}}
        encoding["strokeDash"] = named | {"scale": {"domain": lines, "range": _DASHES[: len(lines)]}}
    mark: dict[str, Any] = {"type": "line", "strokeWidth": 2.2, "color": _HUES[0]}
    if few:
        mark["point"] = {"filled": True, "size": 40, "color": _HUES[0]} if len(lines) < 2 else {"size": 40}
    return _sized(470, 240) | {"data": {"values": list(values)}, "mark": mark, "encoding": encoding}


def bars(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Horizontal bars, the longest first, each with its number."""
    place = {"field": "k", "type": "nominal", "sort": None, "axis": None}
    length = {"field": "v", "type": "quantitative", "axis": None}
    # the name above its bar: long names stay readable on a phone
    layers = [
        {"mark": {"type": "bar", "color": _HUES[0], "height": 11, "yOffset": 9}, "encoding": {"x": length}},
        {
            "mark": {"type": "text", "align": "left", "x": 0, "dy": -6, "fontSize": 13, "color": _var("ink")},
            "encoding": {"text": {"field": "told"}},
        },
    ]
    told = [value | {"told": f"{value['k']} : {value['label']}"} for value in values]
    return _sized(440, 42 * len(values)) | {"data": {"values": told}, "encoding": {"y": place}, "layer": layers}


def svg(spec: dict[str, Any], title: str, description: str) -> bytes:
    """The picture's SVG: it scales, follows light and dark, and says what it shows."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(
        spec, vl_version=_VEGA_LITE, format_locale="fr-FR", time_format_locale="fr-FR"
    )
    opening = re.match(r"<svg[^>]*?viewBox=\"0 0 ([\d.]+) ([\d.]+)\">", drawn)
    if opening is None:
        msg = "vl-convert wrote an SVG that does not open as expected; see what changed in its new version"
        raise ValueError(msg)
    width, height = opening.groups()
    body = drawn[opening.end() :]
    body = re.sub(r"(\d\.\d)\d+", r"\1", body)  # a tenth of a pixel is enough
    body = re.sub(r' (?:class="[^"]*"|font-family="[^"]*"|opacity="1"|pointer-events="none")', "", body)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{escape(_FONT, {chr(34): "&quot;"})}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc><style>{_style()}</style>"
    )
    return f"{head}{body}\n".encode()


def _style() -> str:
    def values(which: int) -> str:
        return ";".join(f"--{name}:{pair[which]}" for name, pair in _COLOURS.items())

    return f":root{{{values(0)}}}@media (prefers-color-scheme:dark){{:root{{{values(1)}}}}}"


def _on_communes(around: Sequence[Contour], layer: dict[str, Any]) -> dict[str, Any]:
    """A layer over the communes and their names."""
    land = [{"type": "Feature", "geometry": _wound(contour.shape)} for contour in around]
    names = [{"name": c.name, "x": c.longitude, "y": c.latitude} for c in around]
    place = {
        "longitude": {"field": "x", "type": "quantitative"},
        "latitude": {"field": "y", "type": "quantitative"},
        "text": {"field": "name"},
    }
    ground = {"type": "geoshape", "fill": _var("land"), "stroke": _var("line"), "strokeWidth": 1.2}
    text = {"type": "text", "fontSize": 13, "color": _var("ink"), "dy": -11}
    # a name stays readable over points: its own outline, in the colour of the land, lies under it
    outline = text | {"stroke": _var("land"), "strokeWidth": 3.5, "strokeJoin": "round"}
    below = [{"data": {"values": land}, "mark": ground}] if land else []
    above = [{"data": {"values": names}, "mark": mark, "encoding": place} for mark in (outline, text) if names]
    return _sized(440, 600 if land else 440) | {"projection": {"type": "mercator"}, "layer": [*below, layer, *above]}


def _sized(width: int, height: int) -> dict[str, Any]:
    schema = "https://vega.github.io/schema/vega-lite/v5.json"
    return {"$schema": schema, "width": width, "height": height, "background": None, "config": _CONFIG}


def _wound(shape: dict[str, Any]) -> dict[str, Any]:
    """Exterior rings clockwise, as d3 wants them: the other way round an area is the whole globe but itself."""
    if shape["type"] == "Polygon":
        return shape | {"coordinates": _rings(shape["coordinates"])}
    if shape["type"] == "MultiPolygon":
        return shape | {"coordinates": [_rings(polygon) for polygon in shape["coordinates"]]}
    return shape


def _rings(polygon: list[list[list[float]]]) -> list[list[list[float]]]:
    return [ring if _is_clockwise(ring) == (i == 0) else ring[::-1] for i, ring in enumerate(polygon)]


def _is_clockwise(ring: list[list[float]]) -> bool:
    return sum((after[0] - before[0]) * (after[1] + before[1]) for before, after in pairwise(ring)) > 0


def _near_zero(values: Sequence[float]) -> bool:
    """Whether an axis from zero still shows the differences."""
    return min(values) >= 0 and min(values) < 0.6 * max(values)


def _most_frequent(kinds: Sequence[str]) -> list[str]:
    """At most six categories, the most frequent first."""
    return sorted(set(kinds), key=lambda kind: (-kinds.count(kind), kind))[:6]
