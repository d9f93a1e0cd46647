"""Wide tables become one record per cell, and every record is found again; constants and absent columns."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.readers import delimited, tabular

if TYPE_CHECKING:
    from tests.unit.ingestion.conftest import Probe

FAST = settings(max_examples=60, deadline=None)
WIDE = {"keep": ["Horodatage"]}
COLUMNS = {"time": "Horodatage", "point": "@name", "value": "@value"}
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0\ufeff"), max_size=8)


@FAST
@given(st.data())
def test_every_cell_of_a_wide_table_is_a_record_and_is_found_again(probe: Probe, data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 5))
    rows = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=6))
    times = [f"t{n}" for n in range(len(rows))]
    place = data.draw(st.integers(0, width))  # the kept column may stand anywhere
    points = [f"point {n}" for n in range(width)]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    for time, cells in [("Horodatage", points), *zip(times, rows, strict=True)]:
        writer.writerow([*cells[:place], time, *cells[place:]])
    wanted = probe.contract(COLUMNS, reader="csv", delimiter=";", unpivot=WIDE)
    said = probe.table("delimited", probe.file("wide.csv", out.getvalue()), wanted)
    assert said.notes.held is None
    assert said.columns("time", "point", "value") == [
        (time, point, cell)
        for time, row in zip(times, rows, strict=True)
        for point, cell in zip(points, row, strict=True)
    ]
    assert [r["source_row"] for r in said.records] == list(range(1, width * len(rows) + 1))
    found = delimited.locate(said.file, wanted, set(range(1, width * len(rows) + 1)))
    lines = {line for line, _ in found.values()}
    assert len(found) == width * len(rows)
    assert len(lines) == len(rows)


def test_a_ragged_line_of_a_wide_table_is_one_refused_record(probe: Probe) -> None:
    wanted = probe.contract(COLUMNS, reader="csv", delimiter=";", unpivot=WIDE)
    said = probe.table("delimited", probe.file("ragged.csv", "Horodatage;a;b\nt1;1;2\nt2;1\nt3;5;\n"), wanted)
    assert said.columns("source_row", "time", "point", "value") == [
        (1, "t1", "a", "1"),
        (2, "t1", "b", "2"),
        (5, "t3", "a", "5"),
        (6, "t3", "b", ""),
    ]
    assert [(n, text) for n, text, _ in said.notes.rejects] == [(3, "t2;1")]
    assert delimited.locate(said.file, wanted, {3, 6}) == {3: (3, "t2;1"), 6: (4, "t3;5;")}


def test_titles_above_the_header_of_a_delimited_file(probe: Probe) -> None:
    wanted = probe.contract({"a": "a"}, reader="csv", header_row=3)
    said = probe.table("delimited", probe.file("titled.csv", 'Export du "5"\n\na,b\n1,2\n\n3,4\n'), wanted)
    assert said.columns("a", "source_row") == [("1", 1), ("3", 2)]
    assert delimited.locate(said.file, wanted, {1, 2}) == {1: (4, "1,2"), 2: (6, "3,4")}


def test_a_wide_table_that_would_be_too_much_is_held(probe: Probe) -> None:
    wanted = probe.contract(COLUMNS, reader="csv", unpivot=WIDE)
    none = probe.table("delimited", probe.file("none.csv", "Horodatage\nt1\n"), wanted)
    assert "de 1 à 16384 colonnes de mesures" in none.held
    header = ",".join(["Horodatage", *(f"p{n}" for n in range(tabular.MAX_WIDTH + 1))])
    assert "trouvées : 16385" in probe.table("delimited", probe.file("wide.csv", header + "\n"), wanted).held
    kept = probe.table("delimited", probe.file("kept.csv", f"Horodatage,a\n{'x' * 1001},1\n"), wanted)
    assert "cellule de 1001 caractères" in kept.held


def test_constants_absent_columns_and_unknown_ones(probe: Probe) -> None:
    wanted = probe.contract(
        {
            "a": ["x", "A"],
            "commune": "const:58194",
            "series": "file:stem",
            "gone": "y",
            "maybe": {"from": "z", "optional": True},
        },
        reader="csv",
    )
    said = probe.table("delimited", probe.file("nevers.csv", "A,new\n1,2\n"), wanted)
    assert said.columns("a", "commune", "series", "gone", "maybe") == [("1", "58194", "nevers", None, None)]
    assert said.records[0]["extra"] == [("new", "2")]
    assert (said.notes.new_columns, said.notes.missing_columns) == (["new"], ["y"])


def test_a_producer_that_has_no_place_for_a_required_column_is_told(probe: Probe) -> None:
    wanted = probe.contract({"a": "a", "b": {"from": [], "required": True}}, reader="csv")
    said = probe.table("delimited", probe.file("x.csv", "a\n1\n"), wanted)
    assert said.held.startswith("colonne obligatoire absente : b (sans place pour ce producteur)")


def test_numbers_are_written_as_a_person_would() -> None:
    values = [1.0, -0.0, 2.5, 1e-7, 123456789012345.0, 1e15, 0.1 + 0.2, 5]
    assert [tabular.number_text(v, ".") for v in values] == [
        "1", "0", "2.5", "1e-07", "123456789012345", "1000000000000000", "0.30000000000000004", "5",
    ]  # fmt: skip
    assert tabular.number_text(2.5, ",") == "2,5"
