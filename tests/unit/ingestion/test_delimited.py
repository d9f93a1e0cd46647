"""Any table of text that a CSV writer can write comes back cell for cell, and every record is found again on its line."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contract import SourceContract
from ingestion.landing import Container, SourceFile
from ingestion.readers import FileNotes, delimited

FAST = settings(max_examples=60, deadline=None)


def contract(
    *columns: str, delimiter: str = ",", encoding: str = "utf-8", quote: str = '"', **more: object
) -> SourceContract:
    described = {"description": "", "type": "string"}
    return SourceContract.model_validate(
        {
            "id": "probe",
            "table": "row",
            **dict.fromkeys(("title", "description", "platform", "department", "supplier", "owner_email"), "x"),
            "legal": {"basis": "x", "ownership": "x", "licence": "x"},
            "cadence": "daily",
            "criticality": "low",
            "integration": "keep",
            "retention_months": 12,
            "files": r"^(?P<name>.+)\.csv$",
            "format": {"reader": "csv", "delimiter": delimiter, "encoding": encoding, "quote": quote},
            "mode": "snapshot",
            "key": [columns[0]],
            "columns": [{"name": c, "from": c, **described} for c in columns],
            **more,
        }
    )


def source_file(content: bytes) -> SourceFile:
    handle, name = tempfile.mkstemp(suffix=".csv")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    return SourceFile(Container(Path(name), Path(name).name, len(content), 0))


def read(content: bytes, wanted: SourceContract) -> tuple[list[dict[str, object]], FileNotes, SourceFile]:
    file, notes = source_file(content), FileNotes()
    rows = [r for batch in delimited.read([(7, file)], wanted, {7: notes}) for r in batch.to_pylist()]
    return rows, notes, file


def text(*, without: str = "") -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_characters="\r\0\ufeff" + without), max_size=12)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], str, str]:
    width = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(text(), min_size=width, max_size=width), max_size=8))
    return rows, draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n"]))


@FAST
@given(tables())
def test_cells_and_row_numbers_come_back(table: tuple[list[list[str]], str, str]) -> None:
    rows, delimiter, end = table
    names = [f"c{n}" for n in range(len(rows[0]) if rows else 2)]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(names)
    writer.writerows(rows)
    found, notes, file = read(out.getvalue().encode(), contract(*names, delimiter=delimiter))
    file.container.path.unlink()
    assert notes == FileNotes(multiline=notes.multiline)
    assert [[r[n] for n in names] for r in found] == rows
    assert [r["source_row"] for r in found] == list(range(1, len(rows) + 1))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[int, str, bool]]]:
    """A document with quoted newlines, blank lines and ragged rows; and (line, text, good) of each record."""
    document, line, records = "a,b\n", 2, []
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["plain", "multiline", "blank", "short", "long"]))
        cell = draw(st.text("xyz é", min_size=1, max_size=4))
        raw = {
            "plain": f"{cell},1",
            "multiline": f'"{cell}\n\n{cell}",""',
            "blank": "",
            "short": cell,
            "long": f"{cell},1,2",
        }[kind]
        if raw:
            records.append((line, raw, kind in ("plain", "multiline")))
        document += raw + "\n"
        line += 1 + raw.count("\n")
    return document, records


@FAST
@given(documents())
def test_every_record_is_found_again_on_its_line(case: tuple[str, list[tuple[int, str, bool]]]) -> None:
    document, records = case
    wanted = contract("a", "b")
    found, notes, file = read(document.encode(), wanted)
    good = [n for n, (_, _, fine) in enumerate(records, start=1) if fine]
    assert [r["source_row"] for r in found] == good
    assert [n for n, _, _ in notes.rejects] == [n for n in range(1, len(records) + 1) if n not in good]
    everywhere = delimited.locate(file, wanted, set(range(1, len(records) + 1)))
    file.container.path.unlink()
    assert everywhere == {n: (line, raw) for n, (line, raw, _) in enumerate(records, start=1)}


@FAST
@given(
    st.lists(
        st.text(st.characters(codec="cp1252", exclude_categories=["Cc"], exclude_characters=';"'), max_size=8),
        max_size=6,
    )
)
def test_a_platform_without_quotes_in_cp1252(cells: list[str]) -> None:
    content = "a;b\r\n" + "".join(f'"{c};{c}"\r\n' for c in cells)
    found, notes, file = read(content.encode("cp1252"), contract("a", "b", delimiter=";", encoding="cp1252", quote=""))
    file.container.path.unlink()
    assert notes.held is None
    assert [(r["a"], r["b"]) for r in found] == [(f'"{c}', f'{c}"') for c in cells]


def test_row_numbers_over_blocks_with_ragged_rows(monkeypatch: object) -> None:
    records = [f"{n},{'x' * 900}" if n % 7 else f"{n}" for n in range(1, 3001)]
    found, notes, file = read(("a,b\n" + "\n".join(records) + "\n").encode(), contract("a", "b"))
    file.container.path.unlink()
    assert len(records) * 900 > 2 * delimited.BLOCK
    assert all(int(str(r["a"])) == r["source_row"] for r in found)
    assert [n for n, _, _ in notes.rejects] == list(range(7, 3001, 7))


def test_constants_come_from_the_metadata_header_and_the_file_name() -> None:
    wanted = contract(
        "a",
        format={"reader": "csv", "delimiter": ";", "preamble": {}},
        columns=[
            {"name": "a", "from": "a", "type": "string", "description": ""},
            {"name": "meter", "from": "meta:Identifiant", "type": "string", "description": ""},
            {"name": "file", "from": "file:name", "type": "string", "description": ""},
            {"name": "absent", "from": ["x", "y"], "type": "string", "description": ""},
        ],
    )
    found, notes, file = read("\ufeffIdentifiant;Pas\n0123;\na\n1\n".encode(), wanted)
    assert found == [
        {
            "a": "1",
            "meter": "0123",
            "file": file.container.path.stem,
            "absent": None,
            "extra": None,
            "source_row": 1,
            "file_no": 7,
        }
    ]
    assert notes.missing_columns == ["x"]
    assert delimited.locate(file, wanted, {1}) == {1: (4, "1")}
    _, notes, _ = read(b"Identifiant;Pas\n0123\na\n1\n", wanted)
    assert notes.held == "en-tête de métadonnées : 2 noms en ligne 1, 1 valeurs en ligne 2"
