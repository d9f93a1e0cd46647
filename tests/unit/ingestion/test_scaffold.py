"""A new source from a look at one of its files: what is guessed, and that it loads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from ingestion.contract import read_contracts
from ingestion.scaffold import SampleError, look, scaffold

if TYPE_CHECKING:
    from tests.conftest import House

NOISE = (
    "Capteur;Début mesure;LAeq (dB);Étage;Actif;Code commune;Remarque\r\n"
    "B01;05/10/2026 08:00;55,2;1;Oui;58194;\r\n"
    "B01;05/10/2026 08:15;57,0;1;Non;58194;travaux été\r\n"
    "B02;05/10/2026 08:00;49,8;2;Oui;01004;\r\n"
    "B02;05/10/2026 08:15;;2;Oui;01004;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_what_a_french_export_shows(tmp_path: Path, encoding: str) -> None:
    sample = tmp_path / "bruit_20261005.csv"
    sample.write_bytes(NOISE.encode(encoding))
    seen = look(sample)
    assert seen.format == {"reader": "csv", "encoding": encoding, "delimiter": ";", "decimal": ","}
    kinds = {c["name"]: (c["type"], c.get("format")) for c in seen.columns}
    assert kinds == {
        "capteur": ("string", None),
        "debut_mesure": ("local_timestamp", "%d/%m/%Y %H:%M"),
        "laeq_db": ("number", None),
        "etage": ("integer", None),
        "actif": ("boolean", None),
        "code_commune": ("string", None),  # a zero leads
        "remarque": ("string", None),
    }
    assert seen.keys[0] == ("capteur", "debut_mesure")
    assert [c["name"] for c in seen.columns if not c.get("required")] == ["laeq_db", "remarque"]


def test_the_result_loads(tmp_path: Path, house: House) -> None:
    sample = tmp_path / "bruit_20261005.csv"
    sample.write_bytes(NOISE.encode("cp1252"))
    written = scaffold("noise_meters", sample, domain="environment", table="quarter_hour", root=tmp_path / "checkout")
    assert len(written) == 4
    (contract,) = read_contracts(next(p for p in written if "contracts" in p.parts))
    house.put("noise_meters", "bruit_20261006.csv", NOISE.encode("cp1252"))
    (done,) = house.ingest(contract)
    assert (done.rows_read, done.rows_loaded, done.rows_quarantined) == (4, 4, 0)
    values = house.sql("SELECT laeq_db, actif FROM bronze.noise_meters__quarter_hour ORDER BY capteur, debut_mesure")
    assert values == [(55.2, True), (57.0, False), (49.8, True), (None, True)]
    sql = next(p for p in written if p.suffix == ".sql").read_text(encoding="utf-8")
    assert "is_latest_revision(['event_date', 'capteur', 'debut_mesure'])" in sql
    yml = yaml.safe_load(next(p for p in written if "staging" in p.parts and p.suffix == ".yml").read_text("utf-8"))
    assert {c["name"] for c in yml["models"][0]["columns"]} >= {"capteur", "source_row"}


def test_objects_inside_a_document(tmp_path: Path) -> None:
    sample = tmp_path / "etat.json"
    sample.write_text('{"ttl": 60, "data": {"stations": [{"id": "1", "pos": {"lat": 46.9}}, {"id": "2", "n": 3}]}}')
    seen = look(sample)
    assert seen.format == {"reader": "json", "records": "data.stations"}
    assert [(c["name"], c["from"], c["type"]) for c in seen.columns] == [
        ("id", "id", "integer"),
        ("pos_lat", "pos.lat", "number"),
        ("n", "n", "integer"),
    ]
    assert seen.keys == (("id",),)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    sample = tmp_path / "a.csv"
    sample.write_text("a,b\n1,2\n")
    scaffold("twice", sample, domain="x", table="t", root=tmp_path / "checkout")
    with pytest.raises(SampleError, match=r"existe déjà : ingestion/contracts/x/twice\.yml"):
        scaffold("twice", sample, domain="x", table="t", root=tmp_path / "checkout")


@pytest.mark.parametrize(("name", "content"), [("a.pdf", "x"), ("a.csv", ""), ("b.csv", "a;b\n")])
def test_a_sample_that_says_nothing(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SampleError, match=name):
        look(tmp_path / name)
