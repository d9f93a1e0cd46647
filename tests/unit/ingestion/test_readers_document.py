"""JSON documents: records wherever they stand, values beside and above them, and documents made to harm."""

from __future__ import annotations

import gzip
import json
import resource
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.readers import document

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ingestion.conftest import Probe, Said

FAST = settings(max_examples=60, deadline=None)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def read(
    probe: Probe, content: str | bytes, *paths: str, records: str | None = "data", explode: str | None = None
) -> Said:
    wanted = probe.contract(
        {f"c{n}": p for n, p in enumerate(paths or ("a",))}, reader="json", records=records, explode=explode
    )
    return probe.objects("document", probe.file("some.json", content), wanted)


@FAST
@given(
    st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=5),
    st.sampled_from([None, "", "data", "a.b.c"]),
    st.data(),
)
def test_any_objects_come_back(
    probe: Probe, objects: list[dict[str, Any]], records: str | None, data: st.DataObject
) -> None:
    whole: Any = objects
    for name in reversed((records or "").split(".")):
        whole = {"avant": [1, {"data": [2]}], name: whole, "après": {"x": []}} if name else whole
    text = json.dumps(whole, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
    said = read(probe, data.draw(st.sampled_from(["", "\ufeff"])) + text, records=records)
    assert said.notes.held is None
    assert said.records == objects
    assert said.places == list(range(1, len(objects) + 1))


@FAST
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_never_changes_its_value(probe: Probe, number: Decimal) -> None:
    ((value,),) = (read(probe, f'{{"data": [{{"a": {number}}}]}}').columns("a"),)
    assert Decimal(str(value[0])) == number


def test_values_beside_the_records_before_and_after_them(probe: Probe) -> None:
    paths = ("a", "doc:ts", "doc:end.n", "doc:gone", "doc:flag")
    content = '{"ts": 1.5, "flag": null, "data": [{"a": 1, "ts": 9}], "ts": 2, "end": {"n": "x", "data": [{"a": 2}]}}'
    said = read(probe, content, *paths)
    assert said.columns(*paths) == [(1, 1.5, "x", None, None)]


def test_where_the_records_are(probe: Probe) -> None:
    assert read(probe, '{"data": {"a": 1}}').records == [{"a": 1}], "one object in place of the list"
    assert read(probe, '{"data": null}').records == []
    assert read(probe, '{"data": []}').records == []
    assert read(probe, '{"a": 1, "b": []}', records=None).records == [{"a": 1, "b": []}]
    assert read(probe, '{"data": [1, null, {"a": 2}, [3]]}').records == [
        {"#text": 1}, {"#text": None}, {"a": 2}, {"#text": [3]},
    ], "what is no object is kept for what it is"  # fmt: skip
    assert read(probe, '{"error": "quota", "code": 429}').held == "« data » absent du document ; trouvé : error, code"
    assert read(probe, '[{"data": [1]}]').held == "« data » absent du document ; trouvé : []"


def test_lists_inside_records_become_records(probe: Probe) -> None:
    content = {
        "data": [
            {"id": 1, "tu": {"trip": {"id": "t"}, "stu": [{"s": 1, "id": "own"}, {"s": 2}, 7]}},
            {"id": 2, "tu": {"stu": []}},
            {"id": 3},
            {"id": 4, "tu": [{"trip": {"id": "u"}, "stu": [{"s": 3}]}, {"stu": {"s": 4}}]},
        ],
        "ts": 5,
    }
    paths = ("s", "up:id", "up:trip.id", "up:tu.trip.id", "doc:ts")
    said = read(probe, json.dumps(content), *paths, explode="tu.stu")
    rows = [tuple(r.get(p) for p in paths) for r in said.records]
    assert rows == [
        (1, 1, "t", "t", 5),
        (2, 1, "t", "t", 5),
        (None, 1, "t", "t", 5),
        (3, 4, "u", None, 5),
        (4, 4, None, None, 5),
    ]
    assert said.places == [1, 1, 1, 4, 4]
    assert said.records[0]["id"] == "own"
    none = read(probe, '{"data": [{"id": 1}]}', "s", explode="stop_times")
    assert (none.records, none.notes.missing_columns) == ([], ["stop_times"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"data": [{"a": 1},\n{"a": 2},\n{"a":', "ligne 3, colonne 6 (octet 35)"),
        ('{"data": [{"a": 1},\n{"a": tru}]}', "ligne 2, colonne 10 (octet 29)"),
        ('\ufeff{"data": [{"a": x}]}', "ligne 1, colonne 20 (octet 19)"),
        ('{"data": [{"a": 1}]} {"data": [{"a": 2}]}', "trailing garbage"),
        ("", "premature EOF"),
        ("\ufeff", "premature EOF"),
        (b'{"data": [{"a": "\xe9"}]}', "invalid bytes in UTF8"),
        (b'{"data": [{"a": "x\x00y"}]}', "invalid character inside string"),
        ('{"data": [{"a": 1}]}'.encode("utf-16"), "JSON invalide ou tronqué, ligne 1"),
        ("[" * 1_000_000, "plus de 100 niveaux imbriqués"),
        ('{"a":' * 1_000_000, "plus de 100 niveaux imbriqués"),
        ('{"data": [' + "[" * 1_000_000, "plus de 100 niveaux imbriqués"),
        ('{"data": [{"a": ' + "1" * 10_000 + ', "b": 2}]}', "nombre démesuré"),
        ('{"data": [{"a": 1e' + "9" * 30 + "}]}", "nombre démesuré"),
    ],
)
def test_what_is_no_json_is_held_with_its_place(probe: Probe, content: str | bytes, reason: str) -> None:
    assert reason in read(probe, content).held


def test_the_place_of_a_fault_far_into_the_document(probe: Probe) -> None:
    good = '{"data": [\n' + "".join(f'{{"a": "{n:<90}"}},\n' for n in range(5000))
    assert len(good) > 5 * document.CHUNK
    said = read(probe, good + '{"a": §}]}')
    assert "ligne 5002, colonne 7 " in said.held
    assert len(said.records) >= 4000, "what was read before is given, and the notes say that it does not count"


@pytest.mark.parametrize(
    "content",
    [
        '{"data": [{"a": "' + "x" * (9 << 20) + '"}]}',
        '{"x": "' + "x" * (9 << 20) + '", "data": []}',
        "[[" + "7," * (5 << 20) + "7]]",
    ],
    ids=["in a record", "beside the records", "a list of another name"],
)
def test_what_has_no_end_is_held_before_it_fills_the_memory(probe: Probe, content: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = read(probe, content, records="data" if content[0] == "{" else "x")
    assert "un enregistrement dépasse 8 Mo" in said.held or "absent du document" in said.held
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_packed_document_that_is_cut(probe: Probe) -> None:
    packed = gzip.compress(json.dumps({"data": [{"a": n} for n in range(10_000)]}).encode())
    wanted = probe.contract({"a": "a"}, reader="json", records="data")
    good = probe.objects("document", probe.file("good.json.gz", packed), wanted)
    assert len(good.records) == 10_000
    cut = probe.objects("document", probe.file("cut.json.gz", packed[: len(packed) // 2]), wanted)
    assert cut.held.startswith("fichier illisible")


def test_real_documents(probe: Probe, real: Path) -> None:
    wanted = probe.contract(
        {"id": "station_id", "n": "num_bikes_available", "t": "doc:lastUpdatedOther"},
        reader="json",
        records="data.stations",
    )
    said = probe.objects("document", probe.at(real / "gbfs/velib_station_status.json"), wanted)
    assert len(said.records) > 1000
    assert all(isinstance(r["station_id"], int) and r["doc:lastUpdatedOther"] for r in said.records)
    wanted = probe.contract({"id": "recordid", "hits": "doc:nhits"}, reader="json", records="records")
    said = probe.objects("document", probe.at(real / "openagenda/events.json"), wanted)
    assert (len(said.records), said.records[0]["doc:nhits"]) == (40, 8033)
    wanted = probe.contract({"code": "code_station"}, reader="json", records="")
    stations = probe.objects("document", probe.at(real / "hubeau/demo_hydrotr_stations.json"), wanted)
    assert stations.notes.held is None
