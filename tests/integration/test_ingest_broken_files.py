"""Broken and odd files, all in one landing: each is judged alone, nothing is dropped in silence, nobody else suffers."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import House

TELRAAM = "segment_id,segment_fullname,date,uptime,heavy,car,bike,pedestrian"
SCADA = "Site;Voie;Libellé;Horodatage;Valeur;Unité;Qualité"
GOOD_HOURS = 3


def hour(segment: str, number: int, **changed: str) -> str:
    cells = {
        "segment_id": segment,
        "segment_fullname": "rue du Commerce",
        "date": f"{datetime(2026, 9, 1, tzinfo=UTC) + timedelta(hours=number):%Y-%m-%d %H:%M:%S} CEST",
        "uptime": "0.5",
        "heavy": "1",
        "car": "2.5",
        "bike": "0",
        "pedestrian": "4",
    }
    return ",".join((cells | changed).values())


def telraam(segment: str, *rows: str, header: str = TELRAAM, end: str = "\n") -> str:
    """A good file of three hours, then the rows."""
    return end.join([header, *(hour(segment, n) for n in range(GOOD_HOURS)), *rows, ""])


def reading(unit: str, number: int, value: str = "1,5", when: str | None = None) -> str:
    stamp = when or f"{datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=number):%d/%m/%Y %H:%M:%S}"
    return f"{unit};CH1;Débit;{stamp};{value};m³/h;Bon"


def scada(unit: str, *rows: str) -> str:
    return "\r\n".join([SCADA, *(reading(unit, n) for n in range(GOOD_HOURS)), *rows, ""])


def sofrel(unit: str) -> str:
    return f"SOFREL_{unit}_20260901.csv"


def zipped(**members: bytes | str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def damaged(archive: bytes) -> bytes:
    """One bit of the compressed data flipped."""
    middle = archive.index(b"PK\x01\x02") // 2
    return archive[:middle] + bytes([archive[middle] ^ 0x10]) + archive[middle + 1 :]


def locked(archive: bytes) -> bytes:
    """The flag that says that the members are encrypted, in the central directory."""
    flags = archive.index(b"PK\x01\x02") + 8
    return archive[:flags] + b"\x01" + archive[flags + 1 :]


def meters(meter: str, rows: int = GOOD_HOURS) -> str:
    lines = [f"{meter};01/09/2026 {n:02d}:00:00;{100 + n};1" for n in range(rows)]
    return "\n".join(["user key;datetime;meter reading;diff", *lines, ""])


def uplink(device: int, number: int, **changed: Any) -> dict[str, Any]:
    frame = {
        "time": f"2026-09-01T10:{number:02d}:00+02:00",
        "deviceInfo": {"deviceName": "sonde é", "devEui": f"{device:016x}"},
        "fCnt": number,
        "rxInfo": [{"gatewayId": "aa", "rssi": -50, "snr": 3.5}],
    }
    return {k: v for k, v in (frame | changed).items() if v is not None}


def uplink_v3(device: int, number: int) -> dict[str, Any]:
    return {
        "devEUI": f"{device:016x}",
        "publishedAt": f"2026-09-01T08:{number:02d}:00Z",
        "fCnt": number,
        "fPort": 1,
        "rxInfo": [{"gatewayID": "aa", "rssi": -50, "loRaSNR": 3.5}],
    }


def lines(*frames: Any) -> str:
    return "".join((f if isinstance(f, str) else json.dumps(f, ensure_ascii=False)) + "\n" for f in frames)


NUL_ROW = reading("NUL", 9, "\x00")
LONG = "x" * 2_000_000
SWALLOWED = telraam("quote", hour("quote", 5, segment_fullname='"rue du Rempart'), hour("quote", 6), hour("quote", 7))

# file -> (source, content, (read, loaded, duplicate, quarantined), part of each quarantine reason by line)
FILES: dict[str, tuple[str, bytes | str, tuple[int, int, int, int], dict[int | None, str]]] = {
    # structure of delimited files
    "empty.csv": ("traffic_counts", b"", (0, 0, 0, 0), {None: "fichier vide"}),
    "header_only.csv": ("traffic_counts", TELRAAM + "\n", (0, 0, 0, 0), {}),
    "header_without_newline.csv": ("traffic_counts", TELRAAM, (0, 0, 0, 0), {}),
    "blank_only.csv": ("traffic_counts", "\n\n", (0, 0, 0, 0), {None: "pas de ligne d'en-tête"}),
    "crlf.csv": ("traffic_counts", telraam("crlf", end="\r\n"), (3, 3, 0, 0), {}),
    "cr_only.csv": ("traffic_counts", telraam("cr", end="\r"), (0, 0, 0, 0), {None: "fins de ligne"}),
    "no_last_newline.csv": ("traffic_counts", telraam("nln").rstrip(), (3, 3, 0, 0), {}),
    "bom.csv": ("traffic_counts", "\ufeff" + telraam("bom"), (3, 3, 0, 0), {}),
    "blank_lines.csv": (
        "traffic_counts",
        telraam("blank", "", "", hour("blank", 5), "", hour("blank", 6, car="two")),
        (5, 4, 0, 1),
        {9: "« two » : un nombre à point décimal attendu"},
    ),
    "ragged.csv": (
        "traffic_counts",
        telraam("ragged", hour("ragged", 5) + ",9", "ragged,short", hour("ragged", 6), hour("ragged", 7, uptime="")),
        (7, 4, 0, 3),
        {5: "8 colonnes attendues, 9 trouvées", 6: "8 colonnes attendues, 2 trouvées", 8: "valeur obligatoire absente"},
    ),
    "all_ragged.csv": (
        "traffic_counts",
        telraam("allragged", *(f"a;b;{n}" for n in range(40))),
        (43, 0, 0, 43),
        {None: "mal découpée : 8 colonnes attendues, 1 trouvées"},
    ),
    "quoted_newline.csv": (
        "traffic_counts",
        telraam("quoted", hour("quoted", 5, segment_fullname='"rue\ndu ""Rempart"""'), hour("quoted", 6, car="x")),
        (5, 4, 0, 1),
        {7: "« x »"},
    ),
    "unclosed_quote.csv": ("traffic_counts", SWALLOWED, (6, 0, 0, 6), {None: "guillemet ouvert ligne 5"}),
    "two_unclosed_quotes.csv": (
        "traffic_counts",
        SWALLOWED.replace("quote", "quotes") + hour("quotes", 8, segment_fullname='"rue du Rempart') + "\n",
        (7, 0, 0, 7),
        {None: "guillemet ouvert ligne 5"},
    ),
    "inch_mark.csv": (
        "traffic_counts",
        telraam("inch", hour("inch", 5, segment_fullname='tuyau 5"')),
        (4, 4, 0, 0),
        {},
    ),
    "long_line.csv": (
        "traffic_counts",
        telraam("long", hour("long", 5, segment_fullname=LONG), hour("long", 6, car="x")),
        (5, 4, 0, 1),
        {6: "« x »"},
    ),
    "endless_line.csv": (
        "traffic_counts",
        telraam("endless", hour("endless", 5, segment_fullname=LONG * 3)),
        (4, 0, 0, 4),
        {None: "un enregistrement dépasse 1048576 octets"},
    ),
    "no_date.csv": (
        "traffic_counts",
        telraam("nodate", header=TELRAAM.replace("date", "jour")),
        (3, 0, 0, 3),
        {None: "colonne obligatoire absente : « date »"},
    ),
    "twice.csv": (
        "traffic_counts",
        telraam("twice", header=TELRAAM.replace("bike", "car")),
        (3, 0, 0, 3),
        {None: "colonnes en double « car »"},
    ),
    "cp1252.csv": ("traffic_counts", telraam("é").encode("cp1252"), (3, 0, 0, 3), {None: "octets invalides ligne 2"}),
    "cut_character.csv": (
        "traffic_counts",
        telraam("cut").encode() + b"\xc3",
        (4, 0, 0, 4),
        {None: "octets invalides ligne 5"},
    ),
    "utf16.csv": (
        "traffic_counts",
        telraam("utf16").encode("utf-16"),
        (4, 0, 0, 4),
        {None: "octets invalides ligne 1"},
    ),
    "type_flip.csv": (
        "traffic_counts",
        telraam("flip", *(hour("flip", n, uptime="oui") for n in range(5, 35))),
        (33, 0, 0, 33),
        {None: "la colonne uptime a changé de type : un nombre à point décimal attendu, trouvé « oui »"},
    ),
    "clocks.csv": (
        "traffic_counts",
        telraam(
            "clocks",
            *(
                hour("clocks", 5, date=d)
                for d in ("2026-02-31 10:00:00 CET", "0001-01-01 00:00:00", "9999-12-31 00:00:00", "hier")
            ),
        ),
        (7, 3, 0, 4),
        dict.fromkeys(range(5, 9), "une date de forme %Y-%m-%d %H:%M:%S attendu"),
    ),
    "numbers.csv": (
        "traffic_counts",
        telraam(
            "numbers",
            *(
                hour("numbers", 5 + n, car=v)
                for n, v in enumerate(("1_000", "nan", "1e400", "inf", "0x1F", '"1,5"', "1 000"))
            ),
            *(hour("numbers", 15 + n, car=v) for n, v in enumerate(("", " 2 ", "1e3", "-0.5", "+7"))),
        ),
        (15, 8, 0, 7),
        dict.fromkeys(range(5, 12), "un nombre à point décimal attendu"),
    ),
    "nul.csv": (
        "traffic_counts",
        telraam("nul", hour("nul", 5, car="\x00"), hour("nul", 6)),
        (5, 4, 0, 1),
        {5: "un nombre"},
    ),
    "notes.txt": ("traffic_counts", "bonjour\n", (0, 0, 0, 0), {None: "nom de fichier inattendu"}),
    # a cp1252 platform
    sofrel("CP"): ("water_scada", scada("CP").encode("cp1252"), (3, 3, 0, 0), {}),
    sofrel("UTF"): (
        "water_scada",
        scada("UTF").encode(),
        (3, 0, 0, 3),
        {None: "cp1252 attendu, le fichier est en UTF-8"},
    ),
    sofrel("UNDEF"): (
        "water_scada",
        scada("UNDEF").encode("cp1252") + b"\x81\x8d;\r\n",
        (4, 0, 0, 4),
        {None: "encodage"},
    ),
    sofrel("LAST"): (
        "water_scada",
        scada("LAST").encode("cp1252").replace("Débit".encode("cp1252"), b"Debit") + b"\xe9",
        (4, 3, 0, 1),
        {5: "7 colonnes attendues, 1 trouvées"},
    ),
    sofrel("NUM"): (
        "water_scada",
        scada(
            "NUM", *(reading("NUM", 9 + n, v) for n, v in enumerate(("1.234,5", "1.5", "1 234,5", "12,", "", "-3,25")))
        ).encode("cp1252"),
        (9, 6, 0, 3),
        dict.fromkeys((5, 6, 7), "un nombre à virgule décimal attendu"),
    ),
    sofrel("QUOTE"): (
        "water_scada",  # this platform does not quote: a quotation mark is a character like another
        scada("QUOTE", reading("QUOTE", 9).replace("Débit", '"Débit')).encode("cp1252"),
        (4, 4, 0, 0),
        {},
    ),
    "SOFREL_DATE_20269999.csv": (
        "water_scada",
        scada("DATE").encode("cp1252"),
        (3, 0, 0, 3),
        {None: "20269999 n'est pas une date"},
    ),
    # archives
    "truncated.zip": (
        "water_meters",
        zipped(**{"a.csv": meters("tz", 20)})[:-40],
        (0, 0, 0, 0),
        {None: "archive zip illisible"},
    ),
    "not_a.zip": ("water_meters", b"PK\x03\x04 no", (0, 0, 0, 0), {None: "archive zip illisible"}),
    "void.zip": ("water_meters", zipped(), (0, 0, 0, 0), {None: "archive zip vide"}),
    "climbing.zip!../../../escaped.csv": (
        "water_meters",
        zipped(**{"../../../escaped.csv": meters("climb")}),
        (3, 3, 0, 0),
        {},
    ),
    "nested.zip!inner.zip": (
        "water_meters",
        zipped(**{"inner.zip": zipped(**{"a.csv": meters("inner")}), "b.csv": meters("beside")}),
        (1, 0, 0, 1),
        {None: "nom de fichier inattendu"},
    ),
    "damaged.zip!a.csv": (
        "water_meters",
        damaged(zipped(**{"a.csv": meters("damaged", 24)})),
        (0, 0, 0, 0),
        {None: "abîmé"},
    ),
    "locked.zip": ("water_meters", locked(zipped(**{"a.csv": meters("locked")})), (0, 0, 0, 0), {None: "protégée"}),
    # JSON lines
    "events.jsonl": (
        "lorawan_uplinks",
        lines(
            uplink(1, 1),
            "",
            '{"time":',
            "[1, 2]",
            "null",
            uplink(1, 2, fCnt="x"),
            uplink(1, 3, rxInfo=[]),
            uplink(1, 4, rxInfo=[1]),
            uplink(1, 5, rxInfo=None),
            uplink(1, 6, fCnt=None),
            uplink(1, 7, fCnt=7.5),
            uplink(1, 8, time="2026-09-01"),
            uplink(1, 9),
        ),
        (12, 3, 0, 9),
        {
            3: "ligne JSON invalide",
            4: "un objet JSON par ligne",
            5: "un objet JSON par ligne",
            6: "« x » : un nombre entier",
            7: "liste d'objets",
            8: "liste d'objets",
            9: "valeur obligatoire absente",
            11: "« 7.5 »",
            12: "décalage horaire",
        },
    ),
    "mixed.jsonl": (
        "lorawan_uplinks",
        lines(uplink(2, 1), uplink_v3(2, 2), uplink(2, 3)),
        (3, 2, 0, 1),
        {2: "valeur obligatoire absente"},
    ),
    "v3_base64.jsonl": ("lorawan_uplinks", lines(uplink_v3(3, 1) | {"devEUI": "AAAAAAAAAAM="}), (1, 1, 0, 0), {}),
    "pretty.jsonl": (
        "lorawan_uplinks",
        json.dumps(uplink(4, 1), indent=1),
        (15, 0, 0, 15),
        {None: "une ligne = un objet"},
    ),
    "array.jsonl": ("lorawan_uplinks", json.dumps([uplink(4, 1)]), (1, 0, 0, 1), {None: "une ligne = un objet"}),
    "other_server.jsonl": (
        "lorawan_uplinks",
        lines({"endpoint": {}, "received_at": "x"}) * 3,
        (3, 0, 0, 3),
        {None: "format inconnu"},
    ),
    "no_devices.jsonl": (
        "lorawan_uplinks",
        lines({"deviceInfo": {}, "x": 1}) * 3,
        (3, 0, 0, 3),
        {None: "absent de toutes les lignes"},
    ),
    "cp1252.jsonl": (
        "lorawan_uplinks",
        lines(uplink(5, 1)).encode() + lines(uplink(5, 2)).encode("cp1252") + lines(uplink(5, 3)).encode(),
        (3, 2, 0, 1),
        {2: "octets invalides : UTF-8 attendu"},
    ),
    "megabytes.jsonl": ("lorawan_uplinks", lines(uplink(6, 1, data=LONG), uplink(6, 2)), (2, 2, 0, 0), {}),
    "cut.jsonl": ("lorawan_uplinks", lines(uplink(7, 1), uplink(7, 2))[:-30], (2, 1, 0, 1), {2: "ligne JSON invalide"}),
    "truncated.jsonl.gz": (
        "lorawan_uplinks",
        gzip.compress(lines(*(uplink(8, n) for n in range(50))).encode())[:-10],
        (50, 0, 0, 50),
        {None: "tronqué"},
    ),
    "good.ndjson.gz": ("lorawan_uplinks", gzip.compress(lines(uplink(9, 1)).encode()), (1, 1, 0, 0), {}),
    # named unlike its content: neither is gzip
    "plain.jsonl.gz": ("lorawan_uplinks", lines(uplink(10, 1)), (0, 0, 0, 0), {None: "abîmé"}),
}


@pytest.fixture(scope="module")
def judged(new_house: Callable[[], House]) -> House:
    house = new_house()
    for name, (source, content, _, _) in FILES.items():
        house.put(source, name.split("!", maxsplit=1)[0], content)
    house.put("traffic_counts", ".hidden.csv", "x")
    house.put("traffic_counts", "arriving.csv.part", "x")
    house.ingest(*{source for source, *_ in FILES.values()})
    return house


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_counted_and_each_refusal_explained(judged: House, name: str) -> None:
    _, _, counts, reasons = FILES[name]
    entries = judged.quarantine(name)
    assert judged.counts(name) == counts, entries
    assert {line for _, line, *_ in entries} == set(reasons)
    for _, line, _, reason, _, _ in entries:
        assert reasons[line] in reason


def test_the_ledger_adds_up_over_all_of_them(judged: House) -> None:
    judged.check_ledger()
    landed = {name.split("!")[0] for name in FILES}
    assert {key[1].split("!")[0] for key in judged.ledger()} == landed, "hidden and half-written files are left alone"


def test_no_member_is_extracted_to_its_own_path(judged: House) -> None:
    assert list(judged.home.rglob("escaped.csv")) == []
    assert not (judged.home.parent / "escaped.csv").exists()
    assert list((judged.home / "tmp").glob("ingest_*")) == []


def test_a_refused_row_is_shown_as_it_stands_in_the_file(judged: House) -> None:
    ((_, line, column, _, raw, rows),) = judged.quarantine("quoted_newline.csv")
    assert (line, column, rows) == (7, "car", 1)
    assert raw == hour("quoted", 6, car="x")
    ((_, _, column, _, raw, _),) = judged.quarantine("cut.jsonl")
    assert raw.startswith('{"time": "2026-09-01T10:02')
    assert column is None


def test_values_arrive_as_written(judged: House) -> None:
    values = "SELECT car_count FROM bronze.traffic_counts__hour WHERE source_file = 'numbers.csv' ORDER BY source_row"
    assert judged.sql(values)[GOOD_HOURS:] == [(None,), (2.0,), (1000.0,), (-0.5,), (7.0,)]
    decimals = (
        f"SELECT value FROM bronze.water_scada__reading WHERE source_file = '{sofrel('NUM')}' ORDER BY source_row"
    )
    assert judged.sql(decimals)[GOOD_HOURS:] == [(12.0,), (None,), (-3.25,)]
    ((name,),) = judged.sql(
        "SELECT segment_name FROM bronze.traffic_counts__hour WHERE contains(segment_name, chr(10))"
    )
    assert name == 'rue\ndu "Rempart"'
    assert judged.sql(
        "SELECT DISTINCT dev_eui FROM bronze.lorawan_uplinks__uplink WHERE source_file = 'v3_base64.jsonl'"
    ) == [("0000000000000003",)]
    assert judged.sql(
        "SELECT f_cnt FROM bronze.lorawan_uplinks__uplink WHERE source_file = 'events.jsonl' AND source_row = 9"
    ) == [(0,)]
    labels = (
        f"SELECT DISTINCT channel_label, unit FROM bronze.water_scada__reading WHERE source_file = '{sofrel('CP')}'"
    )
    assert judged.sql(labels) == [("Débit", "m³/h")]


def test_judging_again_changes_nothing(judged: House) -> None:
    before, versions = judged.state(), judged.versions()
    judged.ingest(*{source for source, *_ in FILES.values()})
    assert judged.versions() == versions
    assert judged.state() == before
