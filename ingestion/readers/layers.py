"""The bytes of geographic files: layers, attributes as text, geometries as they stand, and their coordinate system.

Belongs here: GeoPackage (SQLite), GeoJSON, zipped shapefile, and the checks that each is whole. Does not: what becomes
of a geometry (geo.py).

Why not GDAL for all of them: measured on 660 damaged files, it and DuckDB's copy of it gave fewer features without a
word where SQLite itself says that the database is malformed, or where a .dbf is cut; and they read the text of a number
that is none as 0. So attributes are read here, and only the shapes of a shapefile are left to it, once counts and
offsets agree.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from ingestion.landing import MAX_RATIO, MAX_UNPACKED, UNREADABLE
from ingestion.readers import Unusable
from ingestion.readers.document import walk
from ingestion.readers.tabular import number_text
from lake.home import tmp_dir

if TYPE_CHECKING:
    from ingestion.contract import SourceContract
    from ingestion.landing import SourceFile

WGS84 = "EPSG:4326"
SQLITE, ZIP = b"SQLite format 3\x00", b"PK"
NAMES_SHOWN = 20
MAX_TEXT = 1 << 17  # characters of a side file (.prj, .cpg)
AGAIN = "le redéposer complet"


class Feature(NamedTuple):
    """One feature: attributes as text, and the geometry as WKB (GeoJSON text for GeoJSON)."""

    texts: tuple[str | None, ...]
    shape: bytes | str | None


@dataclass(frozen=True)
class Layer:
    """A layer of a file; `crs` is an authority code or WKT, None when the file does not say."""

    header: list[str]
    crs: str | None
    features: Callable[[], Iterator[Feature]]
    geojson: bool = False


@contextmanager
def opened(file: SourceFile, contract: SourceContract) -> Iterator[Layer]:
    """The contract's layer of a file.

    Raises:
        Unusable: when the file is none of the formats, is damaged, or has no such layer.
    """
    with tempfile.TemporaryDirectory(prefix="geo_", dir=tmp_dir()) as scratch:
        folder = Path(scratch)
        try:
            with file.open() as stream:
                head = stream.read(512)
            if head.startswith(SQLITE):
                with _geopackage(_local(file, folder), contract) as layer:
                    yield layer
            elif head.startswith(ZIP):
                yield _shapefile(_local(file, folder), folder, contract)
            elif head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
                with file.open() as stream:
                    yield _geojson(stream, folder / "features.jsonl", contract)
            else:
                raise Unusable("ce n'est ni un GeoPackage, ni un GeoJSON, ni un shapefile zippé : réexporter la couche")
        except UNREADABLE as error:
            raise Unusable(f"fichier illisible ({error}) : {AGAIN}") from error


def _local(file: SourceFile, folder: Path) -> Path:
    """The file's content at a path: its own, or a copy when it is packed."""
    if file.member is None and not file.base_name.lower().endswith(".gz"):
        return file.container.path
    copy = folder / "unpacked"
    with file.open() as stream, copy.open("wb") as sink:
        shutil.copyfileobj(stream, sink)
    return copy


def _chosen(names: list[str], wanted: str | None, what: str) -> str:
    """The one of some names that the contract asks for, exactly or by a regular expression; the only one otherwise."""
    if wanted in names:
        return str(wanted)
    found = [name for name in names if re.fullmatch(wanted, name)] if wanted else names
    if len(found) != 1:
        asked = f"{what} « {wanted} »" if wanted else f"{what} unique (ou nommée par le contrat)"
        raise Unusable(f"{asked} attendue, trouvées : {', '.join(names[:NAMES_SHOWN]) or 'aucune'}")
    return found[0]


# GeoPackage -----------------------------------------------------------------------------------------------------------

_ENVELOPES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}  # bytes before the WKB, by the code in the flags
_EMPTY = 0x10
UNREADABLE_SHAPE = b"?"
MAX_NESTED = 8  # collections of collections
_NO_FRACTION = re.compile(r"(:\d\d)\.0+(?=Z?$)")


@contextmanager
def _geopackage(path: Path, contract: SourceContract) -> Iterator[Layer]:
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as con:
            con.execute("PRAGMA trusted_schema = OFF")  # a view of theirs calls no function with effects
            con.execute("PRAGMA cell_size_check = ON")
            yield _GeoPackage(con, contract).layer
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise Unusable(f"GeoPackage abîmé ou incomplet ({error}) : {AGAIN}") from error


def _name(text: str) -> str:
    """A name as SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


class _GeoPackage:
    """One table of a GeoPackage."""

    def __init__(self, con: sqlite3.Connection, contract: SourceContract) -> None:
        self._con = con
        self._decimal = contract.format.decimal
        contents = con.execute("SELECT table_name, data_type, srs_id FROM gpkg_contents ORDER BY table_name").fetchall()
        names = [(name, kind) for name, kind, _ in contents if isinstance(name, str)]
        named = contract.format.layer
        self._table = _chosen([name for name, kind in names if named or kind == "features"], named, "couche")
        self._check()
        shapes = con.execute(
            "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (self._table,)
        ).fetchall()
        self._shape = shapes[0][0] if shapes else None
        asked = {path for column in contract.columns for path in column.paths(None)}
        columns = con.execute(f"PRAGMA table_info({_name(self._table)})").fetchall()
        # the row's own number is a column of the file format, not of the data, unless the contract reads it
        self._columns = [
            (name, (kind or "").upper())
            for _, name, kind, _, _, key in columns
            if name != self._shape and (name in asked or not (key and (kind or "").upper() == "INTEGER"))
        ]
        crs = self._crs(shapes[0][1]) if shapes else WGS84
        self.layer = Layer([name for name, _ in self._columns], crs, self._features)

    def _check(self) -> None:
        ((verdict,), *_) = self._con.execute("PRAGMA quick_check(1)").fetchall()
        if verdict != "ok":
            raise Unusable(f"GeoPackage abîmé ({str(verdict).splitlines()[0][:100]}) : {AGAIN}")

    def _crs(self, srs: int) -> str | None:
        """Authority code of a coordinate system, or its definition; None for the undefined ones (0 and -1)."""
        found = self._con.execute(
            "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?",
            (srs,),
        ).fetchall()
        if srs in (0, -1) or not found:
            return None
        organization, code, definition = found[0]
        return f"EPSG:{code}" if str(organization).upper() == "EPSG" else str(definition)

    def _features(self) -> Iterator[Feature]:
        names = [_name(name) for name, _ in self._columns]
        shape = _name(self._shape) if self._shape else "NULL"
        writers = [self._writer(kind) for _, kind in self._columns]
        for *values, blob in self._con.execute(f"SELECT {', '.join([*names, shape])} FROM {_name(self._table)}"):
            texts = tuple(write(value) for write, value in zip(writers, values, strict=True))
            yield Feature(texts, _wkb(blob))

    def _writer(self, kind: str) -> Callable[[Any], str | None]:
        def write(value: Any) -> str | None:
            if value is None or (isinstance(value, str) and kind not in ("DATETIME", "TIMESTAMP")):
                return value
            if isinstance(value, str):
                return _NO_FRACTION.sub(r"\1", value)
            if isinstance(value, bytes):
                return value.hex()
            if kind == "BOOLEAN" and value in (0, 1):
                return "true" if value else "false"
            return number_text(value, self._decimal)

        return write


def _wkb(blob: Any) -> bytes | None:
    """The WKB inside a GeoPackage's geometry; what is no such geometry is given as one that cannot be read."""
    if blob is None:
        return None
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP" or (blob[3] >> 1 & 7) not in _ENVELOPES:
        return UNREADABLE_SHAPE
    if blob[3] & _EMPTY:
        return None
    wkb = blob[8 + _ENVELOPES[blob[3] >> 1 & 7] :]
    try:
        return wkb if _wkb_end(wkb, 0, MAX_NESTED) == len(wkb) else UNREADABLE_SHAPE
    except (struct.error, ValueError):
        return UNREADABLE_SHAPE


def _wkb_end(wkb: bytes, start: int, levels: int) -> int:
    """Where a WKB geometry ends. What reads it next trusts its counts, and ends the process when they lie.

    Raises:
        struct.error, ValueError: when it is cut or malformed.
    """
    order = "<" if wkb[start : start + 1] == b"\x01" else ">"
    code = _unsigned(order, wkb, start + 1)
    kind, size = code % 1000, 8 * (2 + (code // 1000 + 1) // 2)  # with Z or M one more, with both two
    if not 1 <= kind <= 7 or code > 3007 or not levels:
        raise ValueError(code)
    if kind == 1:
        return start + 5 + size
    count = _unsigned(order, wkb, start + 5)
    end = start + 9
    if kind == 2:
        return end + count * size
    for _ in range(count):
        if kind == 3:
            end += 4 + _unsigned(order, wkb, end) * size
        else:
            end = _wkb_end(wkb, end, levels - 1)
    return end


def _unsigned(order: str, wkb: bytes, place: int) -> int:
    return int(struct.unpack_from(f"{order}I", wkb, place)[0])


# GeoJSON --------------------------------------------------------------------------------------------------------------

_EPSG = re.compile(r"(?i)(?:^|:)EPSG:(?:[0-9.]*:)?([0-9]{4,6})$")


def _geojson(stream: Any, scratch: Path, contract: SourceContract) -> Layer:
    """Features go to a scratch file first: which properties there are is known after the last one."""
    names: dict[str, None] = {}
    beside: dict[str, Any] = {}
    with scratch.open("wb") as sink:
        for feature in walk(stream, ("features",), ("crs.properties.name", "crs.type"), beside):
            properties, shape = _parts(feature)
            names |= dict.fromkeys(properties)
            sink.write(orjson.dumps([properties, shape], option=orjson.OPT_APPEND_NEWLINE))
    header = list(names)
    decimal = contract.format.decimal

    def features() -> Iterator[Feature]:
        with scratch.open("rb") as lines:
            for line in lines:
                properties, shape = orjson.loads(line)
                texts = tuple(_scalar(properties.get(name), decimal) for name in header)
                yield Feature(texts, None if shape is None else orjson.dumps(shape).decode())

    return Layer(header, _named_crs(beside), features, geojson=True)


def _parts(feature: Any) -> tuple[dict[str, Any], Any]:
    """Properties (the feature's own id among them) and geometry; what is no feature is one with that as its text."""
    if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
        return {"#text": feature}, None
    properties = feature.get("properties") or {}
    if feature.get("id") is not None:
        properties = {"id": feature["id"]} | properties
    return properties, feature.get("geometry")


def _scalar(value: Any, decimal: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return number_text(value, decimal)


def _named_crs(beside: dict[str, Any]) -> str | None:
    """WGS84 unless the document says otherwise, as those of before RFC 7946 do."""
    name = beside.get("crs.properties.name")
    if name is None and beside.get("crs.type") is None:
        return WGS84
    if found := _EPSG.search(str(name)):
        return f"EPSG:{found[1]}"
    return WGS84 if str(name).upper().endswith("CRS84") else None


# Shapefile ------------------------------------------------------------------------------------------------------------

_MISSING: Any = object()
_NEEDED, _WELCOME = (".shp", ".shx", ".dbf"), (".prj", ".cpg")


def _shapefile(archive: Path, folder: Path, contract: SourceContract) -> Layer:
    from ingestion.readers.dbase import Table
    from ingestion.readers.geo import shapes_of

    parts = _parts_of(archive, contract)
    with zipfile.ZipFile(archive) as packed:
        for suffix, entry in parts.items():  # under names of ours: theirs may lead anywhere
            if entry.file_size > MAX_UNPACKED and entry.file_size > MAX_RATIO * entry.compress_size:
                raise Unusable(f"{entry.filename} : taux de compression anormal, archive refusée")
            with packed.open(entry) as stream, (folder / f"layer{suffix}").open("wb") as sink:
                shutil.copyfileobj(stream, sink)
    declared = contract.format.encoding if "encoding" in contract.format.model_fields_set else None
    page = _short_text(folder / "layer.cpg") if ".cpg" in parts else None
    (folder / "layer.dbf").rename(folder / "attributes.dbf")  # the library that reads the shapes is not to look at it
    table = Table(folder / "attributes.dbf", declared, page)
    _check_shapes(folder, table.count)
    crs = _short_text(folder / "layer.prj") if ".prj" in parts else None

    def features() -> Iterator[Feature]:
        shapes = shapes_of(str(folder / "layer.shp"))
        for number, (texts, shape) in enumerate(zip_longest(table.records(), shapes, fillvalue=_MISSING), start=1):
            if _MISSING in (texts, shape):
                raise Unusable(f"shapefile abîmé : formes et attributs ne vont plus ensemble, objet {number}")
            if texts is not None:
                yield Feature(texts, shape)

    return Layer(table.header, crs or None, features)


def _short_text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(MAX_TEXT).strip("\x00 \r\n\t")


def _parts_of(archive: Path, contract: SourceContract) -> dict[str, zipfile.ZipInfo]:
    """Files of the contract's layer in an archive, by suffix. Names that climb out of it are none."""
    layers: dict[str, dict[str, zipfile.ZipInfo]] = {}
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            path = PurePosixPath(entry.filename.replace("\\", "/"))
            climbs = path.is_absolute() or ".." in path.parts or ":" in path.parts[0] if path.parts else True
            if not climbs and not path.name.startswith("._") and path.suffix.lower() in (*_NEEDED, *_WELCOME):
                layers.setdefault(str(path.with_suffix("")), {})[path.suffix.lower()] = entry
    found = [(PurePosixPath(stem).name, parts) for stem, parts in layers.items() if ".shp" in parts]
    with_shapes = dict(found)
    if not found:
        raise Unusable("l'archive ne contient pas de shapefile (.shp avec .shx et .dbf)")
    if len(with_shapes) < len(found):
        raise Unusable("l'archive contient deux shapefiles du même nom : n'en garder qu'un")
    chosen = with_shapes[_chosen(list(with_shapes), contract.format.layer, "couche")]
    if missing := [suffix for suffix in _NEEDED if suffix not in chosen]:
        raise Unusable(f"shapefile incomplet : {', '.join(missing)} absent de l'archive, {AGAIN}")
    return chosen


def _check_shapes(folder: Path, count: int) -> None:
    """The index, the shapes and the attributes must be of the same number and fit: otherwise some are lost silently."""
    import numpy as np

    size = (folder / "layer.shp").stat().st_size
    index = (folder / "layer.shx").read_bytes()
    if len(index) < 100 or (len(index) - 100) % 8 or size < 100:
        raise Unusable(f"shapefile tronqué (.shp ou .shx) : {AGAIN}")
    places = np.frombuffer(index, ">i4", offset=100).reshape(-1, 2).astype(np.int64) * 2
    if len(places) != count:
        raise Unusable(f"shapefile abîmé : {len(places)} formes pour {count} lignes d'attributs, {AGAIN}")
    starts, lengths = places[:, 0], places[:, 1]
    if count and (starts.min() < 100 or lengths.min() < 4 or (starts + 8 + lengths).max() > size):
        raise Unusable(f"shapefile tronqué : le .shp s'arrête avant la dernière forme, {AGAIN}")
    content = np.memmap(folder / "layer.shp", np.uint8, mode="r")
    heads = content[starts[:, None] + np.arange(12)].copy() if count else np.zeros((0, 12), np.uint8)
    numbers = heads[:, :8].copy().view(">i4")
    kinds = heads[:, 8:].copy().view("<i4")[:, 0]
    file_kind = int(content[32:36].copy().view("<i4")[0])
    whole = (numbers[:, 0] == np.arange(1, count + 1)) & (numbers[:, 1] * 2 == lengths)
    if not (whole & ((kinds == 0) | (kinds == file_kind))).all():
        first = int(np.argmin(whole & ((kinds == 0) | (kinds == file_kind)))) + 1
        raise Unusable(f"shapefile abîmé : la forme {first} n'est pas celle que dit l'index, {AGAIN}")
