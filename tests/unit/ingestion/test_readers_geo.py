"""Layers, attributes and shapes of geographic files; and that a damaged one never gives fewer features in silence."""

from __future__ import annotations

import io
import json
import random
import re
import sqlite3
import struct
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.readers import geo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tests.unit.ingestion.conftest import Probe, Said

FAST = settings(max_examples=30, deadline=None)
SHAPE = {"wkt": "geometry:wkt", "lon": "geometry:lon", "lat": "geometry:lat", "kind": "geometry:type"}
NEVERS = (3.159, 46.987)
LAMBERT_93 = (
    'PROJCS["RGF93_Lambert_93",GEOGCS["GCS_RGF_1993",DATUM["D_RGF_1993",SPHEROID["GRS_1980",6378137.0,298.257222101]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic"],'
    'PARAMETER["False_Easting",700000.0],PARAMETER["False_Northing",6600000.0],PARAMETER["Central_Meridian",3.0],'
    'PARAMETER["Standard_Parallel_1",44.0],PARAMETER["Standard_Parallel_2",49.0],'
    'PARAMETER["Latitude_Of_Origin",46.5],UNIT["Meter",1.0]]'
)


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def point(x: float, y: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y]}


def collection(*features: Any, **more: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features), **more}, ensure_ascii=False)


# GeoJSON --------------------------------------------------------------------------------------------------------------

SCALARS: st.SearchStrategy[tuple[Any, str | None]] = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8).map(lambda t: (t, t)),
    st.integers(-(2**60), 2**60).map(lambda n: (n, str(n))),
    st.booleans().map(lambda b: (b, "true" if b else "false")),
    st.decimals(-1000, 1000, places=3).map(float).map(lambda f: (f, str(int(f)) if f.is_integer() else repr(f))),
    st.just((None, None)),
    st.just(({"a": [1, None]}, '{"a":[1,null]}')),
)


@FAST
@given(st.lists(st.tuples(SCALARS, SCALARS), max_size=8))
def test_properties_come_back(probe: Probe, table: list[tuple[tuple[Any, str | None], ...]]) -> None:
    content = collection(*(feature(None, **{"Nom é": a[0], 'x"y': b[0]}) for a, b in table))
    wanted = probe.contract({"a": "Nom é", "b": 'x"y', **SHAPE}, reader="geo")
    said = probe.table("geo", probe.file("any.geojson", content), wanted)
    assert said.notes.held is None
    assert said.columns("a", "b", "wkt") == [(a[1], b[1], None) for a, b in table]


def test_geometries_in_degrees_to_the_centimetre(probe: Probe) -> None:
    square = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]]}
    shapes = [
        ({"type": "Point", "coordinates": [3.12345678912, 46.9, 180.5]}, ("POINT (3.1234568 46.9)", "3.1234568", "46.9", "POINT")),
        (square, ("POLYGON ((0 0, 2 0, 2 1, 0 1, 0 0))", "1", "0.5", "POLYGON")),
        ({"type": "LineString", "coordinates": [[-1e-12, 0], [4, 2]]}, ("LINESTRING (0 0, 4 2)", "2", "1", "LINESTRING")),
        ({"type": "MultiPoint", "coordinates": [[0, 0], [1, 1]]}, ("MULTIPOINT (0 0, 1 1)", "0.5", "0.5", "MULTIPOINT")),
        ({"type": "Point", "coordinates": []}, (None, None, None, None)),
        (None, (None, None, None, None)),
    ]  # fmt: skip
    content = collection(*(feature(shape, n=n) for n, (shape, _) in enumerate(shapes)))
    said = probe.table("geo", probe.file("shapes.geojson", content), probe.contract({"n": "n", **SHAPE}, reader="geo"))
    assert said.columns("wkt", "lon", "lat", "kind") == [expected for _, expected in shapes]


def test_a_declared_system_is_followed_even_after_the_features(probe: Probe) -> None:
    wanted = probe.contract({"n": "n", **SHAPE}, reader="geo")
    for name in ("urn:ogc:def:crs:EPSG::2154", "EPSG:2154", "urn:ogc:def:crs:EPSG:9.8:2154"):
        crs = {"type": "name", "properties": {"name": name}}
        content = collection(feature(point(700000, 6600000), n=1), crs=crs)
        assert probe.table("geo", probe.file("l93.geojson", content), wanted).columns("lon", "lat") == [("3", "46.5")]
    crs84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    said = probe.table("geo", probe.file("84.geojson", collection(feature(point(*NEVERS), n=1), crs=crs84)), wanted)
    assert said.columns("lon", "lat") == [("3.159", "46.987")]
    unknown = {"type": "link", "properties": {"href": "http://example.test/crs"}}
    said = probe.table("geo", probe.file("link.geojson", collection(feature(point(1, 2)), crs=unknown)), wanted)
    assert said.held.startswith("système de coordonnées absent ou indéfini")
    absurd = {"type": "name", "properties": {"name": "EPSG:99999"}}
    said = probe.table("geo", probe.file("absurd.geojson", collection(feature(point(1, 2)), crs=absurd)), wanted)
    assert said.held == "système de coordonnées inconnu : EPSG:99999"


def test_features_that_cannot_be_placed_are_refused_one_by_one(probe: Probe) -> None:
    content = collection(
        feature(point(*NEVERS), n=1), feature({"type": "Point", "coordinates": ["x"]}, n=2),
        feature(point(700000, 6600000), n=3), 5, feature(point(*NEVERS), n=5),
    )  # fmt: skip
    wanted = probe.contract({"n": "n", **SHAPE}, reader="geo")
    said = probe.table("geo", probe.file("bad.geojson", content), wanted)
    assert said.columns("source_row", "n", "lon") == [(1, "1", "3.159"), (4, None, None), (5, "5", "3.159")]
    assert said.records[1]["extra"] == [("#text", "5")], "what is no feature is kept"
    assert [(n, reason[:18]) for n, _, reason in said.notes.rejects] == [
        (2, "géométrie illisibl"),
        (3, "coordonnées hors d"),
    ]
    assert geo.locate(said.file, wanted, {3, 4}) == {3: (3, "3 ; "), 4: (4, " ; 5")}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (collection(feature(None, a=1))[:-3], "JSON invalide ou tronqué, ligne 1"),
        ('{"type": "Topology", "objects": {}}', "« features » absent du document ; trouvé : type, objects"),
        ('{"features": {"a": ' * 200, "plus de 100 niveaux imbriqués"),
        (b'{"features": [{"properties": {"a": "\xe9"}}]}', "JSON invalide ou tronqué"),
        ("<kml/>", "ce n'est ni un GeoPackage"),
        (b"", "ce n'est ni un GeoPackage"),
    ],
)
def test_what_is_no_geojson_is_held(probe: Probe, content: str | bytes, reason: str) -> None:
    said = probe.table("geo", probe.file("broken.geojson", content), probe.contract({"a": "a"}, reader="geo"))
    assert said.held.startswith(reason)


# GeoPackage -----------------------------------------------------------------------------------------------------------


def geopackage(
    probe: Probe,
    rows: Sequence[Sequence[Any]],
    columns: str = "nom TEXT",
    name: str = "réseau — cana d'eau",
    srs: int = 2154,
) -> bytes:
    """A GeoPackage with one layer of points; each row is geometry and the columns."""
    path = probe.folder / "made.gpkg"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as con:
        con.executescript(
            f"""CREATE TABLE gpkg_spatial_ref_sys (srs_name, srs_id, organization, organization_coordsys_id, definition);
            CREATE TABLE gpkg_contents (table_name, data_type, srs_id);
            CREATE TABLE gpkg_geometry_columns (table_name, column_name, geometry_type_name, srs_id, z, m);
            INSERT INTO gpkg_spatial_ref_sys VALUES ('L93', 2154, 'EPSG', 2154, ''), ('?', 0, 'NONE', 0, 'undefined'),
                ('WGS 84', 4326, 'epsg', 4326, ''), ('ours', 100001, 'NEVERS', 1, '{LAMBERT_93}');
            CREATE TABLE "{name}" (fid INTEGER PRIMARY KEY, geom POINT, {columns});"""
        )
        con.execute(
            "INSERT INTO gpkg_contents VALUES (?, 'features', ?), ('layer_styles', 'attributes', 0)", (name, srs)
        )
        con.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'POINT', ?, 0, 0)", (name, srs))
        for row in rows:
            con.execute(f'INSERT INTO "{name}" VALUES (NULL, {", ".join("?" * len(row))})', row)
        con.commit()
    return path.read_bytes()


def gpb(x: float, y: float, envelope: int = 0) -> bytes:
    sizes = {0: 0, 1: 4, 2: 6, 3: 6, 4: 8}
    wkb = struct.pack("<BIdd", 1, 1, x, y)
    return b"GP\0" + bytes([1 | envelope << 1]) + struct.pack("<i", 2154) + bytes(8 * sizes[envelope]) + wkb


def test_a_layer_with_every_kind_of_value(probe: Probe) -> None:
    columns = '"Nom de l\'entité ""x""" TEXT, d REAL, n MEDIUMINT, b BOOLEAN, j DATE, t DATETIME, o BLOB'
    rows = [
        (gpb(700000, 6600000), "É", 3.0, 7, 1, "2026-10-05", "2026-10-05T09:15:00.000Z", b"\x01\xff"),
        (gpb(700000, 6600000, envelope=1), None, 0.5, "douze", 0, None, "2026-10-05T09:15:00.250Z", None),
        (None, "", 1e300, -(2**62), None, "x", None, None),
        (b"GP\0\x11" + bytes(4), None, None, None, None, None, None, None),
    ]
    names = {"nom": 'Nom de l\'entité "x"', **{c: c for c in "dnbjto"}, **SHAPE}
    said = probe.table(
        "geo", probe.file("all.gpkg", geopackage(probe, rows, columns)), probe.contract(names, reader="geo")
    )
    assert said.columns("nom", *"dnbjto", "lon", "kind") == [
        ("É", "3", "7", "true", "2026-10-05", "2026-10-05T09:15:00Z", "01ff", "3", "POINT"),
        (None, "0.5", "douze", "false", None, "2026-10-05T09:15:00.250Z", None, "3", "POINT"),
        ("", "1e+300", str(-(2**62)), None, "x", None, None, None, None),
        (None, None, None, None, None, None, None, None, None),
    ]
    assert said.notes.new_columns == [], "the row's own number is of the file format"


def test_the_layer_is_chosen_by_name_or_is_the_only_one(probe: Probe) -> None:
    content = geopackage(probe, [(gpb(700000, 6600000), "a")])
    read: Callable[..., Said] = lambda **fmt: probe.table(  # noqa: E731
        "geo", probe.file("layer.gpkg", content), probe.contract({"a": "nom", "id": "fid"}, reader="geo", **fmt)
    )
    assert read().columns("a", "id") == [("a", "1")]
    assert read(layer="réseau — cana d'eau").columns("a") == [("a",)]
    assert read(layer="réseau — .*").columns("a") == [("a",)]
    assert read(layer="autre").held == "couche « autre » attendue, trouvées : layer_styles, réseau — cana d'eau"


def test_the_system_of_a_geopackage(probe: Probe) -> None:
    wanted = probe.contract({"a": "nom", **SHAPE}, reader="geo")
    of = lambda srs, x, y: probe.table(  # noqa: E731
        "geo", probe.file("srs.gpkg", geopackage(probe, [(gpb(x, y), "a")], srs=srs)), wanted
    )
    assert of(4326, *NEVERS).columns("lon", "lat") == [("3.159", "46.987")]
    assert of(100001, 700000, 6600000).columns("lon", "lat") == [("3", "46.5")]
    for undefined in (0, -1, 77):
        assert of(undefined, *NEVERS).held.startswith("système de coordonnées absent ou indéfini")
    said = probe.table(
        "geo",
        probe.file("srs.gpkg", geopackage(probe, [(b"no", "a")], srs=0)),
        probe.contract({"a": "nom"}, reader="geo"),
    )
    assert said.columns("a") == [("a",)], "who asks for no geometry needs no system"


def test_a_geometry_that_is_none_is_refused(probe: Probe) -> None:
    rows = [
        (gpb(700000, 6600000), "a"),
        (b"no geometry", "b"),
        (gpb(1, 1)[:-4], "c"),
        ("text", "d"),
        (gpb(float("nan"), 1), "e"),
    ]
    wanted = probe.contract({"a": "nom", **SHAPE}, reader="geo")
    said = probe.table("geo", probe.file("odd.gpkg", geopackage(probe, rows)), wanted)
    assert {n for n, *_ in said.notes.rejects} >= {2, 3, 4}
    assert len(said.records) + len(said.notes.rejects) == len(rows)


def test_a_damaged_geopackage_is_held_and_never_short(probe: Probe) -> None:
    rows = [(gpb(700000 + n, 6600000), f"conduite {n}") for n in range(2000)]
    good, rnd = geopackage(probe, rows), random.Random(11)
    wanted = probe.contract({"a": "nom", **SHAPE}, reader="geo")
    short = 0
    for _ in range(60):
        content = damaged(good, rnd)
        said = probe.table("geo", probe.file("damaged.gpkg", content), wanted)
        if said.notes.held is None:
            assert len(said.records) + len(said.notes.rejects) == len(rows)
        else:
            short += 1
    assert 10 < short < 60, "the damage must hit some files and spare others for this to be a test"


def damaged(content: bytes, rnd: random.Random) -> bytes:
    raw = bytearray(content)
    place, size = rnd.randrange(len(raw)), rnd.choice([8, 512, 4096])
    how = rnd.choice(["flip", "flip", "cut", "zero", "twice"])
    if how == "flip":
        for _ in range(rnd.choice([1, 8, 64])):
            raw[rnd.randrange(len(raw))] ^= 1 << rnd.randrange(8)
    elif how == "cut":
        del raw[place:]
    elif how == "zero":
        raw[place : place + size] = bytes(len(raw[place : place + size]))
    else:
        raw[place:place] = raw[place : place + size]
    return bytes(raw)


def test_a_database_that_is_no_geopackage(probe: Probe) -> None:
    path = probe.folder / "other.gpkg"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (a)")
        con.commit()
    said = probe.table("geo", probe.at(path), probe.contract({"a": "a"}, reader="geo"))
    assert said.held.startswith("GeoPackage abîmé ou incomplet (no such table: gpkg_contents)")


# Shapefile ------------------------------------------------------------------------------------------------------------


def dbf(
    fields: Sequence[tuple[str, str, int]], rows: Iterable[Sequence[str]], encoding: str = "utf-8", driver: int = 0
) -> bytes:
    """A dBASE table; a row that begins with `*` is a deleted one."""
    body, count = b"", 0
    for row in rows:
        flag, cells = (b"*", row[1:]) if row and row[0] == "*" else (b" ", row)
        body += flag + b"".join(c.encode(encoding).ljust(f[2])[: f[2]] for c, f in zip(cells, fields, strict=True))
        count += 1
    width = 1 + sum(f[2] for f in fields)
    head = struct.pack("<BBBBIHH17xBxx", 3, 126, 1, 1, count, 33 + 32 * len(fields), width, driver)
    heads = b"".join(
        struct.pack("<11sc4xBB14x", name.encode(encoding), kind.encode(), size, 0) for name, kind, size in fields
    )
    return head + heads + b"\r" + body + b"\x1a"


def shp(points: Sequence[tuple[float, float] | None]) -> tuple[bytes, bytes]:
    """Shapes and index of points; None is a null shape."""
    shapes, index = b"", b""
    for number, place in enumerate(points, start=1):
        content = struct.pack("<i", 0) if place is None else struct.pack("<idd", 1, *place)
        index += struct.pack(">ii", (100 + len(shapes)) // 2, len(content) // 2)
        shapes += struct.pack(">ii", number, len(content) // 2) + content
    heads = [struct.pack(">i20xi", 9994, (100 + len(b)) // 2) + struct.pack("<ii64x", 1000, 1) for b in (shapes, index)]
    return heads[0] + shapes, heads[1] + index


def zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


FIELDS = [("NOM", "C", 20), ("HAUTEUR", "N", 8), ("POSE", "D", 8), ("ACTIF", "L", 1)]
LAMPS = [
    ("Candélabre", "  12.50", "20261005", "T"), ("*", "supprimé", "", "", ""), ("Poteau", "abc", "", "?"), ("", "", "00000000", "F"),
]  # fmt: skip
PLACES = [(700000.0, 6600000.0), (1.0, 1.0), None, (700000.0, 6600000.0)]


def lamps(stem: str = "eclairage", **changed: bytes | None) -> dict[str, bytes]:
    shapes, index = shp(PLACES)
    table = dbf(FIELDS, LAMPS, "cp1252", 0x57)
    parts = {"shp": shapes, "shx": index, "dbf": table, "prj": LAMBERT_93.encode()} | changed
    return {f"{stem}.{suffix}": content for suffix, content in parts.items() if content is not None}


WANTED = {"nom": "NOM", "h": "HAUTEUR", "pose": "POSE", "actif": "ACTIF", **SHAPE}
READ = [
    ("Candélabre", "12.50", "2026-10-05", "true", "3", "POINT"),
    ("Poteau", "abc", None, None, None, None),
    (None, None, None, "false", "3", "POINT"),
]


def lamp_columns(said: Said) -> list[tuple[Any, ...]]:
    return said.columns("nom", "h", "pose", "actif", "lon", "kind")


def test_a_zipped_shapefile(probe: Probe) -> None:
    said = probe.table("geo", probe.file("lamps.zip", zipped(lamps())), probe.contract(WANTED, reader="geo"))
    assert said.notes.held is None
    assert lamp_columns(said) == READ
    assert [r["source_row"] for r in said.records] == [1, 2, 3], "a deleted line is no record"


def test_the_encoding_of_attributes_is_told_never_guessed(probe: Probe) -> None:
    latin = dbf(FIELDS, LAMPS, "cp1252")
    read: Callable[..., Said] = lambda fmt, **parts: probe.table(  # noqa: E731
        "geo", probe.file("enc.zip", zipped(lamps(**parts))), probe.contract(WANTED, reader="geo", **fmt)
    )
    for page in (b"1252", b"ANSI 1252", b"ISO-8859-1", b"ISO 88591", b"windows-1252", b"LATIN1"):
        assert lamp_columns(read({}, dbf=latin, cpg=page)) == READ, page
    assert lamp_columns(read({}, dbf=dbf(FIELDS, LAMPS), cpg=b"UTF-8\r\n")) == READ
    assert lamp_columns(read({}, dbf=dbf(FIELDS, LAMPS))) == READ, "UTF-8, strictly, when nobody says"
    assert lamp_columns(read({"encoding": "cp1252"}, dbf=latin, cpg=b"UTF-8")) == READ, "the contract has the last word"
    assert read({}, dbf=latin).held.startswith("encodage des attributs : utf-8 attendu")
    assert read({}, dbf=latin, cpg=b"UTF-8").held.startswith("encodage des attributs : utf-8 attendu")
    assert read({}, dbf=latin, cpg=b"klingon").held == "encodage « klingon » du .cpg inconnu : l'écrire UTF-8 ou 1252"


def test_archives_of_several_layers_and_of_none(probe: Probe) -> None:
    two = lamps("a") | lamps("dossier/b")
    read: Callable[..., Said] = lambda parts, **fmt: probe.table(  # noqa: E731
        "geo", probe.file("layers.zip", zipped(parts)), probe.contract(WANTED, reader="geo", **fmt)
    )
    assert lamp_columns(read(two, layer="b")) == READ
    assert read(two).held == "couche unique (ou nommée par le contrat) attendue, trouvées : a, b"
    assert read(lamps("x/a") | lamps("y/a")).held.startswith("l'archive contient deux shapefiles du même nom")
    assert read({"lisez-moi.txt": b"x"}).held.startswith("l'archive ne contient pas de shapefile")
    assert read(lamps(dbf=None)).held.startswith("shapefile incomplet : .dbf absent")
    assert read(lamps(prj=None)).held.startswith("système de coordonnées absent")
    assert lamp_columns(read(lamps("é tage/L'éclairage public"))) == READ
    assert lamp_columns(read(lamps() | {"__MACOSX/._eclairage.shp": b"x"})) == READ


def test_a_path_that_climbs_out_is_never_extracted(probe: Probe) -> None:
    before = set(probe.folder.rglob("*")) | set(probe.folder.parent.iterdir())
    for stem in ("../../evil", "/tmp/evil", "..\\..\\evil", "C:/evil"):
        said = probe.table("geo", probe.file("climb.zip", zipped(lamps(stem))), probe.contract(WANTED, reader="geo"))
        assert said.held.startswith("l'archive ne contient pas de shapefile")
        assert (
            lamp_columns(
                probe.table(
                    "geo", probe.file("climb.zip", zipped(lamps() | lamps(stem))), probe.contract(WANTED, reader="geo")
                )
            )
            == READ
        )
    after = set(probe.folder.rglob("*")) | set(probe.folder.parent.iterdir())
    assert {p.name for p in after - before} <= {"climb.zip"}


def test_a_damaged_shapefile_is_held_and_never_short(probe: Probe) -> None:
    rnd = random.Random(7)
    places = [(700000.0 + n, 6600000.0) for n in range(500)]
    shapes, index = shp(places)
    table = dbf([("N", "N", 6)], [(str(n),) for n in range(500)])
    wanted = probe.contract({"n": "N", **SHAPE}, reader="geo")
    held = 0
    for _ in range(80):
        parts = {"shp": shapes, "shx": index, "dbf": table, "prj": LAMBERT_93.encode()}
        hit = rnd.choice(["shp", "shx", "dbf"])
        parts[hit] = damaged(parts[hit], rnd)
        content = zipped({f"l.{suffix}": part for suffix, part in parts.items()})
        said = probe.table("geo", probe.file("damaged.zip", content), wanted)
        held += said.notes.held is not None
        if said.notes.held is None:
            deleted = parts["dbf"][65 : 65 + 7 * 500 : 7].count(b"*")
            assert len(said.records) + len(said.notes.rejects) == 500 - deleted, hit
    assert 20 < held < 80


# Real files -----------------------------------------------------------------------------------------------------------


def test_the_real_water_network(probe: Probe, real: Path) -> None:
    path = real / "water_network/FDR_eau_potable_V6.gpkg"
    pipes = probe.contract(
        {"m": "materiau", "d": "diametre_equivalent", **SHAPE}, reader="geo", layer="eau_potable — aep_canalisation"
    )
    said = probe.table("geo", probe.at(path), pipes)
    assert len(said.records) == 289
    assert {r["kind"] for r in said.records} == {"LINESTRING"}
    assert all(-5 < float(r["lon"]) < -4 and 48 < float(r["lat"]) < 49 for r in said.records)
    repairs = probe.contract({"m": "materiau", **SHAPE}, reader="geo", layer="eau_potable — aep_reparation")
    assert len(probe.table("geo", probe.at(path), repairs).records) == 5
    said = probe.table("geo", probe.at(path), probe.contract({"m": "materiau"}, reader="geo"))
    assert "aep_perimetre, eau_potable — aep_canalisation, eau_potable — aep_reparation" in said.held


def test_the_real_street_lights_of_montpellier(probe: Probe, real: Path) -> None:
    path = real / "fr_montpellier_2014/VilleMTP_MTP_EclairagePublic/VilleMTP_MTP_EclairagePublic.zip"
    said = probe.table("geo", probe.at(path), probe.contract({"kind_of": "type_lante", **SHAPE}, reader="geo"))
    assert len(said.records) == 29_969
    assert all(re.fullmatch(r"POINT \(3\.\d+ 43\.\d+\)", r["wkt"]) for r in said.records if r["wkt"])


def test_the_real_fountains_and_those_that_do_not_say_their_system(probe: Probe, real: Path) -> None:
    folder = real / "fr_montpellier_2014"
    wanted = probe.contract({"nom": "Nom", **SHAPE}, reader="geo")
    said = probe.table("geo", probe.at(folder / "VilleMTP_MTP_Fontaines/VilleMTP_MTP_Fontaines.geojson"), wanted)
    assert len(said.records) == 48
    # in Lambert 93 without a word: every one is refused rather than placed in the ocean
    said = probe.table(
        "geo", probe.at(folder / "VilleMTP_MTP_Defibrillateurs/VilleMTP_MTP_Defibrilateurs.geojson"), wanted
    )
    assert (len(said.records), len(said.notes.rejects)) == (0, 167)
