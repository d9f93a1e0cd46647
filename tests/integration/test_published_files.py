"""The published files of the simulated territory say the same in every format, and open where people open them."""

from __future__ import annotations

import csv
import json
import re
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from publication.card import Card, CardTable, load_cards
from quality.standard import Field, TableStandard, load_standard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Done, Town

CARDS = load_cards()
by_dataset = pytest.mark.parametrize("card", CARDS, ids=[card.id for card in CARDS])
PARTS = [(card, part) for card in CARDS for part in card.tables]
by_table = pytest.mark.parametrize(("card", "part"), PARTS, ids=[f"{c.id}.{p.name}" for c, p in PARTS])
PLACES = [(c, p) for c, p in PARTS if p.coordinates or any(f.type.startswith("geo") for f in load_standard(c.standard).table(p.name).fields)]  # fmt: skip
by_place = pytest.mark.parametrize(("card", "part"), PLACES, ids=[f"{c.id}.{p.name}" for c, p in PLACES])


@pytest.fixture(scope="module", autouse=True)
def ended(whole_run: Done) -> Done:
    return whole_run.ok()


def path(town: Town, card: Card, part: CardTable, ending: str) -> Path:
    return town.publication / card.folder / f"{card.stem(part.name)}.{ending}"


def standard(card: Card, part: CardTable) -> TableStandard:
    return load_standard(card.standard).table(part.name)


def value(text: str, field: Field) -> Any:
    """What a cell of a CSV says, by the schema."""
    if not text:
        return None
    match field.type:
        case "integer":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            return {field.true_value: True, field.false_value: False}[text]
        case "date":
            return date.fromisoformat(text)
        case "datetime":
            assert text.endswith("Z")
            return datetime.fromisoformat(text)
        case _:
            # an apostrophe before what a spreadsheet would run
            return text[1:] if text[0] == "'" and text[1:2] in tuple("=+-@\t\n") else text


@by_table
def test_the_parquet_says_what_the_csv_says_row_by_row(whole_town: Town, card: Card, part: CardTable) -> None:
    table = standard(card, part)
    with path(whole_town, card, part, "csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream, delimiter=table.delimiter)
    assert tuple(header) == table.columns
    parquet = pq.read_table(path(whole_town, card, part, "parquet"))
    added = ["geometry", "bbox"] if (card, part) in PLACES else []
    assert parquet.column_names == [*table.columns, *added]
    columns = parquet.select(list(table.columns)).to_pydict()
    for rank, field in enumerate(table.fields):
        assert [value(row[rank], field) for row in rows] == columns[field.name], field.name


def polygons(geometry: dict[str, Any]) -> list[list[list[list[float]]]]:
    """The polygons of a geometry, each its outer ring then its holes."""
    return {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}.get(geometry["type"], [])


def turns_left(ring: list[list[float]]) -> bool:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) > 0


@by_place
def test_places_are_the_same_in_geojson_and_geoparquet_and_keep_their_rules(
    whole_town: Town, card: Card, part: CardTable
) -> None:
    from geopandas import read_parquet
    from shapely.geometry import shape

    text = path(whole_town, card, part, "geojson").read_text(encoding="utf-8")
    document = json.loads(text)
    assert set(document) == {"type", "features"}  # RFC 7946 has no `crs`
    shapes = [feature["geometry"] for feature in document["features"]]
    parquet = path(whole_town, card, part, "parquet")
    frame = read_parquet(parquet)  # checks the metadata, and reads each geometry
    assert frame.crs.to_string() == "OGC:CRS84"
    found = [place for place in frame.geometry if place is not None]
    assert found, "nothing has a place"
    assert [place.wkb for place in found] == [shape(geometry).wkb for geometry in shapes if geometry]
    assert all(place.is_valid for place in found)
    told = json.loads(pq.read_metadata(parquet).metadata[b"geo"])["columns"]["geometry"]
    assert told["bbox"] == list(frame.total_bounds)
    west, south, east, north = told["bbox"]
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    assert set(told["geometry_types"]) == {place.geom_type for place in found}
    window = (west, south, west, north)  # through the covering, which knows rows by their rectangles
    assert len(read_parquet(parquet, bbox=window)) == sum(place.bounds[0] <= west for place in found)
    written = re.findall(r"\.(\d+)", " ".join(re.findall(r'"coordinates":(.*?)\},"properties"', text)))
    assert 1 <= max(map(len, written)) <= 6
    for outer, *holes in (polygon for place in shapes if place for polygon in polygons(place)):
        assert turns_left(outer)
        assert not any(turns_left(hole) for hole in holes)


@by_dataset
def test_the_dictionary_tells_of_every_column_of_every_file(whole_town: Town, card: Card) -> None:
    folder = whole_town.publication / card.folder
    with (folder / "dictionnaire.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for part in card.tables:
        said = [row for row in rows if row["table"] == part.name]
        in_parquet = pq.read_schema(path(whole_town, card, part, "parquet")).names
        assert [row["colonne"] for row in said] == in_parquet
        in_csv = [row["colonne"] for row in said if "CSV" in row["formats"]]
        assert in_csv == list(standard(card, part).columns)
        assert all(row["titre"] and row["type"] and row["description"] and row["origine"] for row in said)
    assert not [cell for row in rows for cell in row.values() if cell[:1] in tuple("=@\t\r")]
