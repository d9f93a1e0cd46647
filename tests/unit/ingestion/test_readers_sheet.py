"""Workbooks as people and tools really make them: titles, merged headers, errors, stray cells, locks, lies."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.readers import sheet, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    from tests.unit.ingestion.conftest import Probe

FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FIRST = datetime(1990, 1, 1)  # noqa: DTZ001 - a workbook knows no zone


def workbook(
    *sheets: Sequence[Sequence[Any]], names: Sequence[str] = (), touch: Callable[..., None] | None = None
) -> bytes:
    """A workbook of some sheets, each a list of rows; None is no cell."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        formats = {
            datetime: book.add_format({"num_format": "dd/mm/yyyy hh:mm"}),
            date: book.add_format({"num_format": "dd/mm/yyyy"}),
            time: book.add_format({"num_format": "hh:mm"}),
            timedelta: book.add_format({"num_format": "[h]:mm"}),
        }
        for number, rows in enumerate(sheets):
            page = book.add_worksheet(names[number] if names else None)
            for y, row in enumerate(rows):
                for x, value in enumerate(row):
                    _write(page, y, x, value, formats)
            if touch:
                touch(book, page)
    return out.getvalue()


def _write(page: Any, y: int, x: int, value: Any, formats: dict[type, Any]) -> None:
    if type(value) in formats:
        page.write_datetime(y, x, value, formats[type(value)])
    elif isinstance(value, str) and value.startswith("#"):
        page.write_formula(y, x, "=NA()", None, value)
    elif isinstance(value, str):
        page.write_string(y, x, value)
    elif value is not None:
        page.write(y, x, value)


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff_"), max_size=9
)
VALUES: st.SearchStrategy[tuple[Any, str | None]] = st.one_of(
    WORDS.filter(lambda t: t and not t.startswith("#")).map(lambda t: (t, t)),
    st.integers(-(10**14), 10**14).map(lambda n: (n, str(n))),
    st.decimals(-1000, 1000, places=3).map(lambda d: (float(d), _decimal(float(d)))),
    st.booleans().map(lambda b: (b, "true" if b else "false")),
    st.integers(0, 10**6)
    .map(lambda n: FIRST + n * timedelta(seconds=3467))
    .map(lambda t: (t, t.date().isoformat() if t.time() == time() else t.isoformat())),
    st.dates(date(1990, 1, 1), date(2099, 12, 31)).map(lambda d: (d, d.isoformat())),
    st.just((None, None)),
)


def _decimal(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


@FAST
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=6)))
def test_any_table_comes_back_cell_for_cell(probe: Probe, table: list[list[tuple[Any, str | None]]]) -> None:
    names = [f"c{n}" for n in range(len(table[0]) if table else 1)]
    content = workbook([names, *([value for value, _ in row] for row in table)])
    wanted = probe.contract({name: name for name in names}, reader="xlsx")
    said = probe.table("sheet", probe.file("any.xlsx", content), wanted)
    full = [(line, row) for line, row in enumerate(table, start=2) if any(text is not None for _, text in row)]
    assert said.notes.held is None
    assert said.columns(*names) == [tuple(text for _, text in row) for _, row in full]
    assert [r["source_row"] for r in said.records] == list(range(1, len(full) + 1))
    found = sheet.locate(said.file, wanted, set(range(1, len(full) + 1)))
    assert found == {
        n: (line, " ; ".join(text or "" for _, text in row)) for n, (line, row) in enumerate(full, start=1)
    }


def test_titles_merged_and_nameless_headers(probe: Probe) -> None:
    def merge(_: Any, page: Any) -> None:
        page.merge_range(2, 0, 3, 0, "Site")  # over two lines: its name stands in the first
        page.merge_range(3, 1, 3, 2, "Débit\nmoyen")  # over two columns: it names the first

    rows = [
        ["Station de Nevers"], [], [None, "groupe"], [None, None, None, "Remarque  libre", None, None],
        ["A", 1.5, 2, "x"], [], ["B", None, 7, None, None, "perdu"],
    ]  # fmt: skip
    wanted = probe.contract(
        {"site": "Site", "flow": "Débit moyen", "note": "Remarque libre"}, reader="xlsx", header_row=4
    )
    said = probe.table("sheet", probe.file("titles.xlsx", workbook(rows, touch=merge)), wanted)
    assert said.columns("site", "flow", "note") == [("A", "1.5", "x"), ("B", None, None)]
    # columns without a name are kept when something stands in them: C, under the merged name, and F
    assert said.notes.new_columns == ["colonne C", "colonne F"]
    assert said.records[1]["extra"] == [("colonne C", "7"), ("colonne F", "perdu")]
    assert sheet.locate(said.file, wanted, {2}) == {2: (7, "B ;  ; 7 ;  ; perdu")}


def test_cells_as_a_person_sees_them(probe: Probe) -> None:
    rows = [
        ["t", "v"],
        [datetime(2026, 10, 5), "#N/A"],  # noqa: DTZ001 - a workbook knows no zone
        [datetime(2026, 10, 5, 9, 14, 59, 990000), "#DIV/0!"],  # noqa: DTZ001
        [datetime(2026, 10, 5, 9, 15, 0, 250000), time(9, 15)],  # noqa: DTZ001
        [date(2026, 10, 5), timedelta(hours=26, minutes=30)],
        ["hier", True],
    ]
    content = workbook(rows)
    plain = probe.table("sheet", probe.file("cells.xlsx", content), probe.contract({"t": "t", "v": "v"}, reader="xlsx"))
    assert plain.columns("t", "v") == [
        ("2026-10-05", "#N/A"),
        ("2026-10-05T09:15:00", "#DIV/0!"),
        ("2026-10-05T09:15:00.250", "09:15:00"),
        ("2026-10-05", "26:30:00"),
        ("hier", "true"),
    ]
    wanted = probe.contract({"v": "v", "t": {"from": "t", "type": "date", "format": "%Y-%m-%d"}}, reader="xlsx")
    assert probe.table("sheet", plain.file, wanted).columns("t")[0] == ("2026-10-05",)


def test_midnight_is_an_instant_where_the_contract_says_so(probe: Probe) -> None:
    wanted = probe.contract({"v": "v", "t": {"from": "t", "type": "timestamp"}}, reader="xlsx")
    rows = [["t", "v"], [datetime(2026, 10, 5), 1], [datetime(2026, 10, 5, 1), 2]]  # noqa: DTZ001
    said = probe.table("sheet", probe.file("midnight.xlsx", workbook(rows)), wanted)
    assert said.columns("t") == [("2026-10-05T00:00:00",), ("2026-10-05T01:00:00",)]


def test_numbers_have_the_decimal_mark_of_the_format(probe: Probe) -> None:
    rows = [["v"], [2.5], ["3,5"], [1000000]]
    said = probe.table(
        "sheet", probe.file("comma.xlsx", workbook(rows)), probe.contract({"v": "v"}, reader="xlsx", decimal=",")
    )
    assert said.columns("v") == [("2,5",), ("3,5",), ("1000000",)]


def test_a_wide_sheet(probe: Probe) -> None:
    rows = [["Horodatage", "T1", "T2"], ["a", 1, None], [], ["b", "#N/A", 4]]
    wanted = probe.contract(
        {"time": "Horodatage", "point": "@name", "value": "@value"}, reader="xlsx", unpivot={"keep": ["Horodatage"]}
    )
    said = probe.table("sheet", probe.file("wide.xlsx", workbook(rows)), wanted)
    assert said.columns("source_row", "time", "point", "value") == [
        (1, "a", "T1", "1"), (2, "a", "T2", None), (3, "b", "T1", "#N/A"), (4, "b", "T2", "4"),
    ]  # fmt: skip
    assert sheet.locate(said.file, wanted, {3, 4}) == {3: (4, "b ; #N/A ; 4"), 4: (4, "b ; #N/A ; 4")}


def test_the_sheet_is_chosen_by_name_by_pattern_or_is_the_first_visible(probe: Probe) -> None:
    def hide(book: Any, page: Any) -> None:
        if page.get_name() == "Paramètres":
            page.hide()
        else:
            page.activate()

    names = ["Paramètres", "Relevés 2026", "Relevés 2025"]
    pages = [[["a"], ["cachée"]], [["a"], ["2026"]], [["a"], ["2025"]]]
    file = probe.file("sheets.xlsx", workbook(*pages, names=names, touch=hide))

    def read(name: str | None) -> Any:
        return probe.table("sheet", file, probe.contract({"a": "a"}, reader="xlsx", sheet=name))

    assert read(None).columns("a") == [("2026",)]
    assert read("Relevés 2025").columns("a") == [("2025",)]
    assert read("Paramètres").columns("a") == [("cachée",)]
    assert read(r"Relevés .*6").columns("a") == [("2026",)]
    everything = "est attendue une fois, feuilles trouvées : Paramètres, Relevés 2026, Relevés 2025"
    assert read(r"Relevés \d+").held == rf"la feuille « Relevés \d+ » {everything}"
    assert read("Feuil1").held == f"la feuille « Feuil1 » {everything}"


def test_drift_is_noted_as_for_any_table(probe: Probe) -> None:
    content = workbook([["a", "new"], [1, 2]])
    wanted = probe.contract({"a": "a", "b": {"from": "b", "required": True}}, reader="xlsx")
    said = probe.table("sheet", probe.file("drift.xlsx", content), wanted)
    assert said.held == "colonne obligatoire absente : « b » ; colonnes trouvées : a, new"
    said = probe.table("sheet", said.file, probe.contract({"a": "a", "c": "c"}, reader="xlsx"))
    assert (said.notes.new_columns, said.notes.missing_columns) == (["new"], ["c"])
    twice = probe.table("sheet", probe.file("twice.xlsx", workbook([["a", "a"], [1, 2]])), wanted)
    assert twice.held == "en-tête : colonnes en double « a »"


def test_files_that_are_no_workbook_are_held_with_what_to_do(probe: Probe) -> None:
    good = workbook([["a"], [1]])
    encrypted = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)
    reasons = {
        b"<html><table><tr><td>a</td></tr></table></html>": "ce n'est pas un classeur",
        b"a;b\n1;2\n": "ce n'est pas un classeur",
        good[: len(good) // 2]: "classeur illisible",
        encrypted: "classeur protégé par un mot de passe",
        bytes.fromhex("D0CF11E0A1B11AE1") + b"\xff" * 5000: "classeur illisible",
        zipped({"readme.txt": b"x"}): "classeur illisible",
        workbook([[None]]): "pas de ligne d'en-tête en ligne 1 de la feuille « Sheet1 »",
    }
    wanted = probe.contract({"a": "a"}, reader="xlsx")
    for content, reason in reasons.items():
        said = probe.table("sheet", probe.file("broken.xlsx", content), wanted)
        assert said.records == []
        assert said.held.startswith(reason), content[:40]
        assert sheet.locate(said.file, wanted, {1}) == {}


def zipped(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def edited(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """A workbook with one of its parts changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zipped({n: change(archive.read(n)) if n == part else archive.read(n) for n in archive.namelist()})


def test_a_stray_cell_at_the_end_of_the_sheet_costs_the_file_and_nothing_else(probe: Probe) -> None:
    wanted = probe.contract({"a": "a"}, reader="xlsx")
    far = workbook([["a"], [1]], touch=lambda _, page: page.write(1_048_575, 16_383, "x"))
    assert len(far) < 10_000
    said = probe.table("sheet", probe.file("far.xlsx", far), wanted)
    assert said.held.startswith("la lecture demande plus de 1024 Mo")
    assert probe.table("sheet", probe.file("near.xlsx", workbook([["a"], [1]])), wanted).columns("a") == [("1",)]


def test_several_files_of_which_one_kills_the_reader(probe: Probe) -> None:
    from ingestion.readers import FileNotes

    wanted = probe.contract({"a": "a"}, reader="xlsx")
    far = workbook([["a"], [1]], touch=lambda _, page: page.write(1_048_575, 16_383, "x"))
    contents = [workbook([["a"], ["first"]]), far, workbook([["a"], ["last"]])]
    files = [(n, probe.file(f"{n}.xlsx", content)) for n, content in enumerate(contents)]
    notes = {n: FileNotes() for n, _ in files}
    read = [r for batch in sheet.read(files, wanted, notes) for r in batch.to_pylist()]
    assert [(r["file_no"], r["a"]) for r in read] == [(0, "first"), (2, "last")]
    assert [n for n, note in notes.items() if note.held] == [1]


def test_a_workbook_that_is_a_bomb_is_refused_before_it_is_opened(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion.readers import FileNotes

    monkeypatch.setattr(sheet, "MAX_UNPACKED", 1 << 20)  # of 1 GB: the test needs no such file
    bomb = edited(workbook([["a"], [1]]), "xl/sharedStrings.xml", lambda _: b" " * (3 << 20))
    notes = FileNotes()
    wanted = probe.contract({"a": "a"}, reader="xlsx")
    assert list(sheet.rows(probe.file("bomb.xlsx", bomb), 1, wanted, notes)) == []
    assert notes.held == "xl/sharedStrings.xml : taux de compression anormal, classeur refusé"


def test_entities_in_a_workbook_are_not_expanded(probe: Probe) -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    content = edited(
        workbook([["a"], ["x"]]),
        "xl/sharedStrings.xml",
        lambda xml: xml.replace(b"<sst", laughs + b"<sst").replace(b"<t>x</t>", b"<t>&b;</t>"),
    )
    said = probe.table("sheet", probe.file("laughs.xlsx", content), probe.contract({"a": "a"}, reader="xlsx"))
    assert said.notes.held or "ha" not in str(said.columns("a"))


ODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">
<office:body><office:spreadsheet><table:table table:name="Feuille1">{rows}</table:table></office:spreadsheet>
</office:body></office:document-content>"""


def ods(rows: str) -> bytes:
    return zipped({
        "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
        "META-INF/manifest.xml": b'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        "content.xml": ODS.format(rows=rows).encode(),
    })  # fmt: skip


def cell(text: str, repeated: int = 1) -> str:
    return (
        f'<table:table-cell office:value-type="string" table:number-columns-repeated="{repeated}">'
        f"<text:p>{text}</text:p></table:table-cell>"
    )


def test_an_open_document_sheet(probe: Probe) -> None:
    wanted = probe.contract({"a": "a", "b": "b"}, reader="xlsx")
    number = '<table:table-cell office:value-type="float" office:value="2.5"><text:p>2,5</text:p></table:table-cell>'
    day = '<table:table-cell office:value-type="date" office:date-value="2026-10-05"><text:p>x</text:p></table:table-cell>'
    rows = "".join(f"<table:table-row>{r}</table:table-row>" for r in (cell("a") + cell("b"), number + day))
    said = probe.table("sheet", probe.file("table.ods", ods(rows)), wanted)
    assert said.columns("a", "b") == [("2.5", "2026-10-05")]
    million = f'<table:table-row table:number-rows-repeated="1048576">{cell("x", 16384)}</table:table-row>'
    said = probe.table("sheet", probe.file("repeated.ods", ods(million)), wanted)
    assert said.held, "a repeated cell must not fill the memory"


def xls(rows: Sequence[Sequence[str | float]]) -> bytes:
    """A BIFF8 workbook of one sheet in its compound file: the format of Excel 97, which old tools still export."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    def bof(kind: int) -> bytes:
        return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 0, 0, 6))

    cells = b""
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            place = struct.pack("<HHH", y, x, 0)
            if isinstance(value, str):
                cells += record(0x0204, place + struct.pack("<HB", len(value), 1) + value.encode("utf-16-le"))
            else:
                cells += record(0x0203, place + struct.pack("<d", value))
    page = bof(0x10) + cells + record(0x0A, b"")
    name = b"\x05\x00Table"
    head = bof(0x05) + record(0x0042, struct.pack("<H", 1200))
    start = len(head) + 4 + 6 + len(name) + 4
    book = head + record(0x0085, struct.pack("<IBB", start, 0, 0) + name) + record(0x0A, b"") + page
    return compound(book.ljust(4096, b"\0"))


def compound(stream: bytes) -> bytes:
    """A compound file with one stream named Workbook, of at least 4096 bytes."""
    sectors = -(-len(stream) // 512)
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *(n + 3 for n in range(sectors - 1)), 0xFFFFFFFE]
    table = struct.pack("<128I", *(chain + [0xFFFFFFFF] * (128 - len(chain))))

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        text = name.encode("utf-16-le") + b"\0\0"
        return struct.pack(
            "<64sHBBIII16sIQQIQ", text, len(text), kind, 1, 2**32 - 1, 2**32 - 1, child, b"", 0, 0, 0, start, size
        )

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry("Workbook", 2, 2**32 - 1, 2, len(stream))
    head = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII", bytes.fromhex("D0CF11E0A1B11AE1"), b"", 0x3E, 3, 0xFFFE, 9, 6, b"", 0, 1, 1, 0, 4096,
        0xFFFFFFFE, 0, 0xFFFFFFFE, 0,
    )  # fmt: skip
    head += struct.pack("<109I", 0, *([0xFFFFFFFF] * 108))
    return head + table + directory.ljust(512, b"\0") + stream.ljust(sectors * 512, b"\0")


def test_an_excel_97_sheet_and_one_that_names_cells_far_away(probe: Probe) -> None:
    wanted = probe.contract({"a": "a", "b": "Débit"}, reader="xlsx")
    good = xls([["a", "Débit"], ["é", 2.5], ["x", 3.0]])
    said = probe.table("sheet", probe.file("old.xls", good), wanted)
    assert said.columns("a", "b") == [("é", "2.5"), ("x", "3")]
    place = struct.pack("<HHH", 2, 1, 0)
    far = good.replace(place, struct.pack("<HHH", 65535, 65535, 0))
    said = probe.table("sheet", probe.file("far.xls", far), wanted)
    assert said.notes.held or len(said.records) < 4


def test_a_reader_that_falls_silent_is_given_up(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE", 0.0)
    said = probe.table(
        "sheet", probe.file("slow.xlsx", workbook([["a"], [1]])), probe.contract({"a": "a"}, reader="xlsx")
    )
    assert said.held == worker.TOO_LONG


def test_the_real_traffic_counts_of_montpellier(probe: Probe, real: Path) -> None:
    path = real / "fr_montpellier_2014/VilleMTP_MTP_Comptage/VilleMTP_MTP_Comptage.ods"
    wanted = probe.contract({"id": "IDENT,C,254", "day": "DDEBUT,D", "note": "COMMENTAIR,C,254"}, reader="xlsx")
    said = probe.table("sheet", probe.at(path), wanted)
    assert len(said.records) == 3314
    assert said.columns("id", "day", "note")[0] == ("9999TR9999", "2011-01-08", "#N/A")
