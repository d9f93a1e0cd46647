"""Ten thousand damaged files over all readers, and the files that are made to harm: judged, counted, survived.

What is asserted of each: the load ends, the file is in the ledger, its equation holds against what bronze and
quarantine really hold, and what is not held back has as many records as another parser of the format finds in it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter
from google.transit.gtfs_realtime_pb2 import FeedMessage

from ingestion.contract import SourceContract
from ingestion.readers.worker import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import House

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20
FILES = 10_000
ROWS = [
    (f"capteur {n}", f"2026-10-05T{n:02d}:00:00Z", f"{n}.25", 'Débit "amont", rue de l\'Église; côté « Loire »')
    for n in range(12)
]
NAMES = ("id", "t", "v", "note")


# Base files -----------------------------------------------------------------------------------------------------------


def delimited_text() -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerows([NAMES, *ROWS])
    return out.getvalue().encode()


def objects() -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) | {"v": float(row[2]), "x": {"l": [1, {"m": None}]}} for row in ROWS]


def json_lines() -> bytes:
    return "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects()).encode()


def json_document() -> bytes:
    return json.dumps({"ts": 1, "data": objects(), "end": True}, ensure_ascii=False, indent=1).encode()


def xml_document() -> bytes:
    root = ET.Element("r", unit="m3")
    for row in ROWS:
        item = ET.SubElement(ET.SubElement(root, "p"), "i")
        for name, text in zip(NAMES, row, strict=True):
            ET.SubElement(item, name).text = text
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def protobuf_message() -> bytes:
    message = FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    for name, time, *_ in ROWS:
        entity = message.entity.add(id=name)
        entity.vehicle.stop_id = time
        entity.vehicle.position.latitude, entity.vehicle.position.longitude = 46.9, 3.1
    return message.SerializeToString()


def workbook(touch: Callable[[Any], object] = id) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        page = book.add_worksheet("Relevés")
        touch(page)
        for y, row in enumerate([NAMES, *ROWS]):
            for x, value in enumerate(row):
                page.write(y, x, float(value) if x == 2 and y else value)
    return out.getvalue()


def geojson() -> bytes:
    features = [
        {"type": "Feature", "properties": o, "geometry": {"type": "Point", "coordinates": [3.1, 46.9]}}
        for o in objects()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


def geopackage(folder: Path) -> bytes:
    path = folder / "base.gpkg"
    with closing(sqlite3.connect(path)) as con:
        con.executescript(
            """PRAGMA page_size = 512;
            CREATE TABLE gpkg_spatial_ref_sys (srs_id, organization, organization_coordsys_id, definition);
            CREATE TABLE gpkg_contents (table_name, data_type, srs_id);
            CREATE TABLE gpkg_geometry_columns (table_name, column_name, srs_id);
            INSERT INTO gpkg_spatial_ref_sys VALUES (4326, 'EPSG', 4326, '');
            INSERT INTO gpkg_contents VALUES ('points', 'features', 4326);
            INSERT INTO gpkg_geometry_columns VALUES ('points', 'geom', 4326);
            CREATE TABLE points (fid INTEGER PRIMARY KEY, geom BLOB, id TEXT, t TEXT, v REAL, note TEXT);"""
        )
        wkb = b"GP\0\1" + bytes(4) + bytes.fromhex("0101000000cdcccccccccc08403333333333734740")
        con.executemany("INSERT INTO points VALUES (NULL, ?, ?, ?, ?, ?)", [(wkb, *row) for row in ROWS])
        con.commit()
    return path.read_bytes()


def shapefile(folder: Path) -> bytes:
    import pyarrow as pa
    import pyogrio.raw

    path = folder / "points.shp"
    wkb = bytes.fromhex("0101000000cdcccccccccc08403333333333734740")
    table = pa.table(
        {**{n: [row[i] for row in ROWS] for i, n in enumerate(NAMES)}, "wkb": pa.array([wkb] * len(ROWS), pa.binary())}
    )
    pyogrio.raw.write_arrow(
        table,
        path,
        driver="ESRI Shapefile",
        geometry_name="wkb",
        geometry_type="Point",
        crs="EPSG:4326",
        encoding="UTF-8",
    )
    return zipped({p.name: p.read_bytes() for p in sorted(folder.glob("points.*"))})


def zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# Mutations ------------------------------------------------------------------------------------------------------------

BRACKETS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"'",
    b";",
    b",",
    b"<",
    b">",
    b"</",
    b"&x;",
    b"\\",
    b"\r",
    b"\n",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
]


def flip(raw: bytearray, rnd: random.Random) -> None:
    for _ in range(rnd.choice([1, 2, 8, 40])):
        raw[rnd.randrange(len(raw))] ^= 1 << rnd.randrange(8)


def cut(raw: bytearray, rnd: random.Random) -> None:
    del raw[rnd.randrange(len(raw)) :]


def drop(raw: bytearray, rnd: random.Random) -> None:
    start = rnd.randrange(len(raw))
    del raw[start : start + rnd.choice([1, 10, 100, 1000])]


def repeat(raw: bytearray, rnd: random.Random) -> None:
    start = rnd.randrange(len(raw))
    raw[start:start] = raw[start : start + rnd.choice([1, 10, 100, 1000])]


def blank(raw: bytearray, rnd: random.Random) -> None:
    start, size = rnd.randrange(len(raw)), rnd.choice([1, 10, 500])
    raw[start : start + size] = bytes([rnd.choice([0, 32, 255])]) * len(raw[start : start + size])


def sprinkle(raw: bytearray, rnd: random.Random) -> None:
    for _ in range(rnd.choice([1, 3, 10])):
        place = rnd.randrange(len(raw) + 1)
        raw[place:place] = rnd.choice(BRACKETS) * rnd.choice([1, 1, 1, 2, 5000])


def recode(raw: bytearray, rnd: random.Random) -> None:
    text = raw.decode("utf-8", "replace")
    raw[:] = text.encode(rnd.choice(["cp1252", "utf-16", "utf-8-sig", "utf-32"]), "replace")


def exaggerate(raw: bytearray, rnd: random.Random) -> None:
    numbers = list(re.finditer(rb"\d+", raw))
    if numbers:
        start, end = rnd.choice(numbers).span()
        raw[start:end] = rnd.choice([b"9" * 5000, b"1e400", b"-1", b"1e-400", b"NaN", b"99999999999999999999", b"0x1F"])


def shuffle(raw: bytearray, rnd: random.Random) -> None:
    lines = raw.splitlines(keepends=True)
    rnd.shuffle(lines)
    raw[:] = b"".join(lines)


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    flip, flip, cut, drop, repeat, blank, sprinkle, recode, exaggerate, shuffle,
]  # fmt: skip


def mutated(content: bytes, rnd: random.Random) -> bytes:
    raw = bytearray(content)
    for _ in range(rnd.choice([1, 1, 1, 2, 3])):
        if raw:
            rnd.choice(MUTATIONS)(raw, rnd)
    return bytes(raw)


def mutated_inside(content: bytes, rnd: random.Random) -> bytes:
    """One part of an archive is damaged and the archive made anew: what its checksums do not show."""
    if rnd.random() < 0.3:
        return mutated(content, rnd)
    parts = unzipped(content)
    name = rnd.choice(sorted(parts))
    return zipped(parts | {name: mutated(parts[name], rnd)})


# Another parser's count of records; None when it cannot tell -----------------------------------------------------------


def csv_records(content: bytes) -> int | None:
    try:
        text = content.decode().removeprefix("\ufeff")
        header, _, rest = text.partition("\n")
        return (
            None
            if "\r" in header.rstrip("\r")
            else sum(1 for r in csv.reader(io.StringIO(rest, newline=""), delimiter=";", strict=True) if r)
        )
    except (csv.Error, UnicodeDecodeError):
        return None


def line_records(content: bytes) -> int | None:
    return sum(1 for line in content.split(b"\n") if line.strip())


def json_records(name: str) -> Callable[[bytes], int | None]:
    def count(content: bytes) -> int | None:
        try:
            found = json.loads(content)[name]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return len(found) if isinstance(found, list) else None

    return count


def xml_records(content: bytes) -> int | None:
    try:
        root = ET.fromstring(content)
    except (ET.ParseError, ValueError, LookupError):
        return None
    return len(root.findall("./p/i")) if root.tag == "r" else None


def protobuf_records(content: bytes) -> int | None:
    try:
        return len(FeedMessage.FromString(content).entity)
    except Exception:  # noqa: BLE001 - whatever: then there is nothing to compare with
        return None


CASES: dict[str, tuple[dict[str, Any], str, Callable[[bytes], int | None] | None]] = {
    # reader: format, suffix, count
    "csv": ({"reader": "csv", "delimiter": ";"}, "csv", csv_records),
    "jsonl": ({"reader": "jsonl"}, "jsonl", line_records),
    "json": ({"reader": "json", "records": "data"}, "json", json_records("data")),
    "xml": ({"reader": "xml", "records": "r/p/i"}, "xml", xml_records),
    "protobuf": ({"reader": "protobuf"}, "pb", protobuf_records),
    "xlsx": ({"reader": "xlsx", "sheet": "Relevés"}, "xlsx", None),
    "geojson": ({"reader": "geo"}, "geojson", json_records("features")),
    "gpkg": ({"reader": "geo", "layer": "points"}, "gpkg", None),
    "shp": ({"reader": "geo"}, "zip", None),
}
PLACES = {
    "protobuf": {"id": "id", "t": "vehicle.stop_id", "v": "vehicle.position.latitude", "note": "vehicle.trip.trip_id"},
    "xml": {"note": ["note", "up:@unit"]},
    "json": {"note": ["note", "doc:ts"]},
    **{case: {"lon": "geometry:lon", "wkt": "geometry:wkt"} for case in ("geojson", "gpkg", "shp")},
}
# Share of the files: each of JSON lines is a query of its own, each of a workbook a question to another process.
SHARES = {"csv": 20, "jsonl": 8, "json": 18, "xml": 18, "protobuf": 12, "xlsx": 8, "geojson": 6, "gpkg": 6, "shp": 4}


def contract(case: str) -> SourceContract:
    places = {name: name for name in NAMES} | PLACES.get(case, {})
    kinds = {"t": "timestamp", "v": "number", "lon": "number"}
    words = ("title", "description", "platform", "department", "supplier", "owner_email")
    columns = [
        {"name": n, "from": p, "type": kinds.get(n, "string"), "description": "", "required": n in ("id", "t")}
        for n, p in places.items()
    ]
    return SourceContract.model_validate(
        {
            "id": f"mutant_{case}",
            "table": "row",
            **dict.fromkeys(words, "x"),
            "legal": {"basis": "x", "ownership": "x", "licence": "x"},
            "integration": "keep",
            "retention_months": 1,
            "cadence": "daily",
            "criticality": "low",
            "files": r"^.+$",
            "format": CASES[case][0],
            "partition": "none",
            "event_time": {"column": "t"},
            "key": ["id", "t"],
            "columns": columns,
        }
    )


def base(case: str, folder: Path) -> bytes:
    made: dict[str, Callable[[], bytes]] = {
        "csv": delimited_text,
        "jsonl": json_lines,
        "json": json_document,
        "xml": xml_document,
        "protobuf": protobuf_message,
        "xlsx": workbook,
        "geojson": geojson,
        "gpkg": lambda: geopackage(folder),
        "shp": lambda: shapefile(folder),
    }
    return made[case]()


@pytest.mark.parametrize("case", CASES)
def test_damaged_files_are_judged_one_by_one(house: House, case: str, tmp_path: Path) -> None:
    rnd = random.Random(f"{case} 20261005")
    good, suffix, count = base(case, tmp_path), CASES[case][1], CASES[case][2]
    damage = mutated_inside if case in ("xlsx", "shp") else mutated
    contents = {f"{n:05d}.{suffix}": damage(good, rnd) for n in range(1, FILES * SHARES[case] // 100)}
    house.put(f"mutant_{case}", f"00000.{suffix}", good)
    for name, content in contents.items():
        house.put(f"mutant_{case}", name, content)
    house.ingest(contract(case))

    house.check_ledger()
    part = CASES[case][0].get("sheet") or CASES[case][0].get("layer")
    ledger = {key[1].removesuffix(f"!{part}"): row for key, row in house.ledger().items()}
    assert ledger[f"00000.{suffix}"][:5] == (12, 12, 0, 0, "loaded")
    assert set(ledger) == {f"00000.{suffix}", *contents}, "a file is not in the ledger"
    held = {name for name, row in ledger.items() if row[4] == "held"}
    assert 0.1 < len(held) / len(contents) < 0.95, "damage must hold some files and spare others for this to be a test"
    assert all(ledger[name][5] for name in held)
    assert not [row[5] for row in ledger.values() if FAILED in (row[5] or "")], "our own fault, told as the file's"
    if count:
        told = {n: found for n, content in contents.items() if n not in held and (found := count(content)) is not None}
        assert len(told) > len(contents) // 50
        assert {n: ledger[n][0] for n in told} == told, "records are lost, or found twice"


# Files made to harm ---------------------------------------------------------------------------------------------------

GIGABYTE = 1 << 30
LAUGHS = b'<!DOCTYPE r [<!ENTITY l0 "lol">' + b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10)
) + b"]>"  # fmt: skip
# Not ru_maxrss of itself: it begins with the memory of the process that started this one.
HARM = """
import re, resource, sys
from pathlib import Path
from tests.integration.test_ingest_mutations import contract
from ingestion.load import ingest
for case in sys.argv[1:]:
    ingest(contract(case))
own = int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0])
print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def bomb() -> bytes:
    """An archive of a shapefile's parts, of which one unpacks to more than a gigabyte."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("a.shp", "w", force_zip64=True) as member:
            for _ in range(17):
                member.write(bytes(64 << 20))
        for suffix in ("shx", "dbf"):
            archive.writestr(f"a.{suffix}", b"x")
    return out.getvalue()


def put_harm(house: House) -> dict[str, str]:
    """Every named harm, for every reader it can come to; file name to part of the reason it must be held for."""
    expected: dict[str, str] = {}

    def put(case: str, name: str, content: bytes, reason: str) -> None:
        house.put(f"mutant_{case}", name, content)
        expected[name] = reason

    ratio = "taux de compression anormal"
    packed, archive = gzip.compress(bytes(4 << 20)) * 260, bomb()  # of many members, as gzip allows
    for case in ("csv", "jsonl"):
        put(case, f"packed.{case}.gz", packed, ratio)
        put(case, f"bomb_{case}.zip", archive, ratio)
    put("shp", "bomb_shp.zip", archive, ratio)
    put("xlsx", "bomb.xlsx", archive, ratio)
    starts = {"csv": delimited_text(), "jsonl": b'{"id": "', "json": b'{"data": [{"id": "', "xml": b"<r><p><i><id>"}
    starts |= {"geojson": b'{"features": [{"properties": {"id": "'}
    for case, start in starts.items():
        name = f"endless.{CASES[case][1]}"
        put(case, name, start, "")
        with (house.landing / f"mutant_{case}" / name).open("ab") as stream:
            stream.truncate(GIGABYTE)  # the rest is a hole of the disk: NUL after NUL, and no end of line
    put("xml", "laughs.xml", LAUGHS + b"<r><p><i><id>&l9;</id></i></p></r>", "entity amplification")
    outside = b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><p><i><id>&x;</id></i></p></r>'
    put("xml", "outside.xml", outside, "déclare des entités (x)")
    put("json", "deep.json", b'{"data": ' + b"[" * 5_000_000, "niveaux imbriqués")
    put("geojson", "deep.geojson", b'{"features": ' + b'{"a":' * 1_000_000, "niveaux imbriqués")
    far = workbook(lambda page: page.write(1_048_575, 16_383, "x"))
    put("xlsx", "far.xlsx", far, "la lecture demande plus de")
    climbing = zipped({f"../../evil.{s}": b"x" for s in ("shp", "shx", "dbf")})
    put("shp", "climbing.zip", climbing, "ne contient pas de shapefile")
    return expected


def test_files_made_to_harm_are_held_and_cost_no_memory(house: House) -> None:
    expected = put_harm(house)
    climbing = zipped({"../../evil.csv": delimited_text(), "/tmp/evil.csv": delimited_text()})
    house.put("mutant_csv", "climbing_csv.zip", climbing)
    house.put("mutant_csv", "nul.csv", delimited_text().replace(b"capteur 5", b"capt\x00eur"))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", HARM, *CASES], env=env, capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr[-3000:]
    own, workers = (int(text) * 1024 for text in done.stdout.split())
    house.check_ledger()
    reasons = {key[1].split("!")[0]: (row[4], row[5] or "") for key, row in house.ledger().items()}
    assert {n for n, (status, _) in reasons.items() if status == "held"} == set(expected)
    assert not {n: reasons[n] for n, part in expected.items() if part not in reasons[n][1]}
    assert not [r for _, r in reasons.values() if FAILED in r]
    # names of members are labels, and a NUL is a character like another: these are loaded
    assert house.counts("climbing_csv.zip!../../evil.csv")[0] == 12
    assert house.counts("nul.csv")[0] == 12
    assert not list(house.home.rglob("evil*"))
    assert not Path("/tmp/evil.csv").exists()
    assert own < 900 * MEGABYTE, f"{own / MEGABYTE:.0f} MB"
    assert workers < 1100 * MEGABYTE, f"{workers / MEGABYTE:.0f} MB"
