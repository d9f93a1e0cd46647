"""JSON lines through DuckDB: names, groups, marks, faults that do not spread, and fields that come late."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.readers import FileNotes, jsonl

if TYPE_CHECKING:
    from tests.unit.ingestion.conftest import Probe

FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.text(st.characters(codec="utf-8"), max_size=5)


def read(
    probe: Probe, content: str | bytes, columns: dict[str, Any], *, groups: dict[str, str] | None = None, **fmt: Any
) -> tuple[list[tuple[Any, ...]], FileNotes]:
    """Values of the columns, then `extra` as an object; and the notes."""
    file, notes = probe.file("lines.jsonl", content), FileNotes()
    sql = jsonl.select(file.container.path, 3, probe.contract(columns, reader="jsonl", **fmt), notes, groups=groups)
    if sql is None:
        return [], notes
    rows = CON.execute(sql).fetchall()
    assert {row[-1] for row in rows} <= {3}
    return [(*row[:-2], row[-2] and json.loads(row[-2])) for row in rows], notes


CON = duckdb.connect()


def lines(*objects: Any) -> str:
    return "".join((o if isinstance(o, str) else json.dumps(o)) + "\n" for o in objects)


A = {"a": "a"}


@FAST
@given(st.lists(st.dictionaries(NAMES, st.integers(-99, 99), max_size=4), min_size=1, max_size=5), st.data())
def test_fields_of_any_name_are_read_or_kept(probe: Probe, objects: list[dict[str, int]], data: st.DataObject) -> None:
    names = sorted({name for o in objects for name in o})
    places = [name for name in names if name and not set(name) & set(".[:\0")]  # those a contract can name
    wanted = data.draw(st.sampled_from([*places, "a"]))
    mark = data.draw(st.sampled_from(["", "\ufeff"]))
    rows, notes = read(probe, mark + lines(*objects), {"a": wanted})
    assert notes.held is None
    assert [row[0] for row in rows] == [str(o[wanted]) if wanted in o else None for o in objects]
    assert [row[1] or {} for row in rows] == [{k: v for k, v in o.items() if k != wanted} for o in objects]
    assert sorted(notes.new_columns) == [name for name in names if name != wanted]


def test_names_that_differ_in_case_only(probe: Probe) -> None:
    rows, notes = read(probe, lines({"fCntUp": 1, "fcntUp": 2, "x": {"k": None, "l": 1}}), {"a": "fCntUp"})
    assert rows == [("1", {"fcntUp": 2, "x": {"l": 1}})]
    assert notes.new_columns == ["fcntUp", "x"]


def test_groups_anywhere_and_values_that_are_ours(probe: Probe) -> None:
    content = lines({"g": {"h": [{"i": 1, "x": {"k": "K"}}, {"i": None}], "l": [{"m": None}, {"m": 5}]}, "x": 0})
    fields = [{"name": "i", "from": "i", "type": "string"}, {"name": "k", "from": "x.k", "type": "string"}]
    columns = {
        "m": "g.l[].m",
        "n": {"from": "g.h", "type": "nested", "fields": fields},
        "c": ["gone", "const:it's"],
        "f": "file:profile",
        "no": "file:gone",
        "x": "x",
    }
    rows, notes = read(probe, content, columns, groups={"profile": "O'ERS"})
    assert rows == [("5", [{"i": "1", "k": "K"}, {"i": None, "k": None}], "it's", "O'ERS", None, "0", None)]
    assert notes.new_columns == []


def test_a_field_that_comes_late_is_seen(probe: Probe) -> None:
    content = lines(*[{"a": n} for n in range(2000)], {"a": 1, "late": "x", "LATE": 2}, *[{"a": 1}] * 1000)
    rows, notes = read(probe, content, A)
    assert notes.new_columns == ["LATE", "late"]
    assert rows[2000] == ("1", {"late": "x", "LATE": 2})
    assert len(rows) == 3001


@pytest.mark.parametrize("late", [False, True])
def test_a_cut_line_costs_no_other(probe: Probe, late: bool) -> None:
    whole = json.dumps({"a": 1, "b": {"c": [[1.5, {"d": "é"}], None], "e": ""}, "f": 2})
    before = [{"a": 7}] * (600 if late else 1)
    for cut in range(1, len(whole)):
        rows, notes = read(probe, lines(*before, whole[:cut], {"a": 8, "b": 9}, {"a": 9}), A)
        assert [row[0] for row in rows][-4:] == ["7", None, "8", "9"], whole[:cut]
        assert notes.held is None


def test_the_dialect_may_be_told_by_a_field_inside_another(probe: Probe) -> None:
    variants = [{"name": "v1", "has_field": "meta.v1"}, {"name": "v2", "has_field": "meta.v2"}]
    columns = {"a": {"from": {"v1": "x", "v2": "y"}}}
    assert read(probe, lines({"meta": {"v2": None}, "y": 5}), columns, variants=variants)[0] == [("5", {"meta": {}})]
    rows, notes = read(probe, lines({"meta": 3, "y": 5}), columns, variants=variants)
    assert (rows, notes.held) == (
        [],
        "format inconnu : champ meta.v1 ou meta.v2 attendu, trouvés : meta, y (autre serveur ?)",
    )


def test_values_used_as_names_are_no_table(probe: Probe) -> None:
    _, notes = read(probe, lines(*[{f"capteur {n}": 1} for n in range(600)]), A)
    assert (notes.held or "").startswith("plus de 500 champs inconnus")


def test_nothing_breaks_the_query(probe: Probe) -> None:
    rnd = random.Random(9)
    good = lines(*[{"a": n, "b'\"": {"c": [n, None, "é'"]}, "A": 1e5} for n in range(30)]).encode()
    for _ in range(150):
        raw = bytearray(good)
        for _ in range(rnd.choice([1, 4, 30])):
            place = rnd.randrange(len(raw))
            raw[place : place + rnd.choice([0, 1, 1])] = bytes([rnd.choice(b"{}[]\",:\\\n\0\xff'ax9-.")])
        rows, notes = read(probe, bytes(raw), A)
        full = sum(1 for line in bytes(raw).split(b"\n") if line.strip())
        assert notes.held or len(rows) == full
