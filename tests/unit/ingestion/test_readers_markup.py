"""XML documents: records by path, what stands above them, and documents made to harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ingestion.conftest import Probe, Said

FAST = settings(max_examples=60, deadline=None)
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=8
)


def read(probe: Probe, content: str | bytes, *paths: str, records: str = "r/i", explode: str | None = None) -> Said:
    wanted = probe.contract(
        {f"c{n}": p for n, p in enumerate(paths or ("a",))}, reader="xml", records=records, explode=explode
    )
    return probe.objects("markup", probe.file("some.xml", content), wanted)


@FAST
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=6), st.sampled_from(["utf-8", "iso-8859-15", "utf-16"]))
def test_any_texts_and_attributes_come_back(probe: Probe, table: list[tuple[str, str, str]], encoding: str) -> None:
    lines = [f"<i k={quoteattr(k)}>\n <a>{escape(a)}</a><n:b>{escape(b)}</n:b>\n</i>\n" for k, a, b in table]
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<n:r xmlns:n="urn:n">\n<!-- c -->' + "".join(lines) + "</n:r>"
    said = read(probe, text.encode(encoding, errors="xmlcharrefreplace"))
    assert said.notes.held is None
    expected = [{"@k": k, "a": a.strip() or None, "b": b.strip() or None} for k, a, b in table]
    assert said.records == expected
    assert said.places == [3 + 3 * n for n in range(len(table))]


def test_elements_as_objects(probe: Probe) -> None:
    content = """<r><i k="2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x">
        <V u="W"> 5 </V><V>6</V>own <?pi x?><n><m>1</m></n><e/></i><i>bare</i><i/></r>"""
    said = read(probe, content)
    assert said.records == [
        {"@k": "2", "V.@u": "W", "V": ["5", "6"], "n": {"m": "1"}, "e": None, "#text": "own"},
        {"#text": "bare"},
        {"#text": None},
    ]
    looked_into = read(probe, '<r><i><V u="W">5</V></i></r>', "V.@u", "V.#text")
    assert looked_into.records == [{"V": {"@u": "W", "#text": "5"}}]


def test_what_stands_above_a_record(probe: Probe) -> None:
    content = """<r zone="A"><head><flux>F</flux><date>d</date></head><id>root</id>
        <p><id>1</id><q><i><a>x</a></i><i><a>y</a></i></q></p>
        <p><q unit="W"><id>deep</id><i><a>z</a></i></q></p></r>"""
    paths = ("a", "up:id", "up:head.flux", "up:@zone", "up:@unit", "up:gone")
    said = read(probe, content, *paths, records="r/p/q/i")
    rows = [tuple(r.get(p) for p in paths) for r in said.records]
    assert rows == [
        ("x", "1", "F", "A", None, None),
        ("y", "1", "F", "A", None, None),
        ("z", "deep", "F", "A", "W", None),
    ]


def test_a_value_that_follows_its_records_is_not_lost_in_silence(probe: Probe) -> None:
    said = read(probe, "<r><p><i><a>1</a></i>\n<id>7</id></p></r>", "a", "up:id", records="r/p/i")
    assert said.held == "« id » (ligne 2) suit les enregistrements qu'il concerne"
    late = read(probe, "<r><p><i><a>1</a></i></p><p></p><id>7</id></r>", "a", "up:id", records="r/p/i")
    assert "suit les enregistrements" in late.held
    assert read(probe, "<r><p/><id>7</id><p><i/></p></r>", "a", "up:id", records="r/p/i").notes.held is None


def test_lists_inside_records(probe: Probe) -> None:
    content = "<r><s><id>1</id><l><m><v>5</v></m><m><v>6</v></m></l></s><s><id>2</id><l><m><v>7</v></m></l></s><s><id>3</id></s></r>"
    said = read(probe, content, "v", "up:id", records="r/s", explode="l.m")
    assert [(r["v"], r["up:id"]) for r in said.records] == [("5", "1"), ("6", "1"), ("7", "2")]


def test_no_records_and_no_place_for_them(probe: Probe) -> None:
    assert read(probe, "<r/>").notes.held is None
    assert read(probe, "<r><j/></r>").records == []
    assert read(probe, "<q><i/></q>").held == "élément « r » absent du document"
    assert read(probe, "<r><x/></r>", records="r/p/i").held == "élément « r/p » absent du document"
    assert read(probe, "<i><a>1</a></i>", records="i").records == [{"a": "1"}]
    assert read(probe, "<j/>", records="i").held == "élément « i » absent du document"


LAUGHS = '<!DOCTYPE r [<!ENTITY l0 "lol">' + "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)
) + "]>"  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "<r><i><a>1</a></i>\n<i><b></i></r>",
            "XML invalide ou tronqué, ligne 2, colonne 11 : Opening and ending tag mismatch",
        ),
        ("<r><i><a>1</a></i>", "XML invalide ou tronqué, ligne 1, colonne 19 : Premature end of data"),
        ("<r><i/></r>\n<r/>", "XML invalide ou tronqué, ligne 2"),
        ("", "XML invalide ou tronqué"),
        ("a;b\n1;2\n", "XML invalide ou tronqué, ligne 1, colonne 1"),
        (b"<r><i><a>\x00</a></i></r>", "Char 0x0"),
        (b"<r><i><a>\xe9</a></i></r>", "XML invalide ou tronqué"),
        (b'<?xml version="1.0" encoding="klingon"?><r/>', "Unsupported encoding"),
        (LAUGHS + "<r><i><a>&l9;</a></i></r>", "entity amplification"),
        (LAUGHS + '<r><i a="&l9;"/></r>', "entity amplification"),
        (LAUGHS + "<r><i><a>no laugh</a></i></r>", "le document déclare des entités (l0, l1, l2"),
        (
            '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><i><a>&x;</a></i></r>',
            "le document déclare des entités (x)",
        ),
        ('<!DOCTYPE r SYSTEM "http://example.test/r.dtd"><r><i><a>&x;</a></i></r>', "référence d'entité &x; (ligne 1)"),
        ("<r>" + "<i>" * 200, "plus de 100 niveaux imbriqués"),
        ("<a>" * 500_000, "Excessive depth"),
        ("<r><i>" + "<a>1234567890</a>" * 700_000 + "</i></r>", "un élément dépasse 8 Mo"),
        ("<r><i><a>" + "x" * (11 << 20) + "</a></i></r>", "un élément dépasse 8 Mo"),
        ("<r>" + "x" * (30 << 20) + "</r>", "un élément dépasse 8 Mo"),
    ],
)
def test_what_is_no_xml_or_means_harm_is_held(probe: Probe, content: str | bytes, reason: str) -> None:
    said = read(probe, content)
    assert reason in said.held
    assert "root:" not in str(said.records)


def test_real_meter_flows(probe: Probe, real: Path) -> None:
    folder = real / "energy_enedis_sge"
    curve = probe.contract(
        {"t": "H", "w": "V", "prm": "up:Id_PRM", "day": "up:Date_Releve"},
        reader="xml",
        records="R50/PRM/Donnees_Releve/PDC",
    )
    said = probe.objects("markup", probe.at(folder / "R50.xml"), curve)
    assert len(said.records) == 48
    assert said.records[0] == {
        "H": "2022-02-02T00:30:00+01:00",
        "V": "476",
        "IV": "0",
        "up:Id_PRM": "09111642617347",
        "up:Date_Releve": "2022-02-02",
    }
    assert said.places == list(range(4, 52))
    index: dict[str, Any] = {
        "t": "dateFin",
        "v": "valeur",
        "prm": "up:prmId",
        "unit": "up:unite",
        "class": "up:codeClasseTemporelle",
    }
    series = "R171/serieMesuresDateesListe/serieMesuresDatees"
    by_path = probe.contract(index, reader="xml", records=f"{series}/mesuresDateesListe/mesureDatee")
    by_list = probe.contract(index, reader="xml", records=series, explode="mesuresDateesListe.mesureDatee")
    one, other = (probe.objects("markup", probe.at(folder / "R171.xml"), c) for c in (by_path, by_list))
    assert one.records == other.records
    assert len(one.records) == 28
    assert one.records[0]["up:prmId"] == "30001642617347"
