"""Exports about the territory itself: fourteen lists of street furniture, wifi, agendas, grants, acts, addresses."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from python_calamine import CalamineWorkbook

from ingestion.territory import load_territory
from simulation import addresses, deliberations, events, grants, urban_assets, wifi_sessions
from simulation.job import Job
from simulation.territory_files import lambert93
from simulation.truth import Truth
from simulation.urban_producers import CATEGORIES, PRODUCERS

MODULES = (addresses, deliberations, events, grants, urban_assets, wifi_sessions)
START = date(2026, 10, 5)


def written(out: Path, *, days: int = 35, scale: float = 0.3, seed: int = 58) -> Path:
    job = Job(out=out, seed=seed, start=START, days=days, scale=scale, territory=load_territory(), truth=Truth())
    for module in MODULES:
        module.write(job)
    job.truth.write(out / "_truth")
    return out


def truth(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "_truth" / f"{name}.csv").read_text("utf-8"))))


def digests(out: Path) -> dict[str, str]:
    return {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(out.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def territory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("territory"))


def table(path: Path, encoding: str, delimiter: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(encoding), newline=""), delimiter=delimiter))


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    """Workbooks, archives and shapefiles too, which like to hold the time at which they were written."""
    one, two = (digests(written(tmp_path / name, days=2, scale=0.05)) for name in ("one", "two"))
    assert one == two
    assert {Path(name).suffix for name in one} >= {".xlsx", ".zip", ".geojson", ".json", ".csv"}
    other = digests(written(tmp_path / "other", days=2, scale=0.05, seed=59))
    changed = {name.split("/")[0] for name, _ in set(one.items()) ^ set(other.items())}
    assert changed == {*(module.SOURCE for module in MODULES), "_truth"}


def test_the_smallest_territory(tmp_path: Path) -> None:
    out = written(tmp_path, days=1, scale=0.01)
    assert {r["source"] for r in truth(out, "ledger")} == {module.SOURCE for module in MODULES}
    assert all(int(r["rows_loaded"]) > 0 for r in truth(out, "ledger"))


def test_the_ledger_names_every_file(territory: Path) -> None:
    told = {(r["source"], r["file"].split("!")[0]) for r in truth(territory, "ledger")}
    there = {(p.parent.name, p.name) for p in territory.rglob("*") if p.is_file() and p.parent.name != "_truth"}
    assert told == there
    for row in truth(territory, "ledger"):
        read, *parts = (int(row[f"rows_{k}"]) for k in ("read", "loaded", "duplicate", "quarantined"))
        assert read == sum(parts)
    refused = Counter((r["source"], r["file"]) for r in truth(territory, "quarantine"))
    assert refused == Counter(
        {
            (r["source"], r["file"]): int(r["rows_quarantined"])
            for r in truth(territory, "ledger")
            if r["rows_quarantined"] != "0"
        }
    )


# what stands in the streets


def test_every_commune_lists_every_kind_in_its_own_words(territory: Path) -> None:
    assets = truth(territory, "urban_assets")
    communes = {c.siren for c in load_territory().communes}
    assert {(r["producer"], r["category"]) for r in assets} >= {(s, c) for s in communes for c in CATEGORIES}
    town_halls = [p for p in PRODUCERS if p.town]
    assert len({tuple(p.words.values()) for p in town_halls}) == len(town_halls) == 14


def test_no_two_lists_have_the_same_headers(territory: Path) -> None:
    headers = [
        tuple(path.read_bytes().split(b"\n", 1)[0].strip(b"\r\xef\xbb\xbf").split(b";"))
        for path in sorted((territory / "urban_assets").glob("*_20261005.csv"))
    ]
    assert len(set(headers)) == len(headers) == 10


def test_encodings_and_marks(territory: Path) -> None:
    folder = territory / "urban_assets"
    challuy = table(folder / "challuy_mobilier_20261005.csv", "cp1252", ";")
    assert re.fullmatch(r"3,\d{6}", challuy[0]["Longitude"])
    assert "Coût (€)" in table(folder / "germigny_liste_20261005.csv", "iso-8859-15", "\t")[0]
    assert (folder / "fourchambault_inventaire_20261005.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    sermoise = table(folder / "sermoise_mobilier_20261005.csv", "cp1252", ",")
    assert next(iter(sermoise[0])) == "ID,N,9,0"
    assert re.fullmatch(r"46,\d{6}", sermoise[0]["COORD_Y,C,50"])


def test_one_line_is_swapped_one_has_no_place_two_are_wrong(territory: Path) -> None:
    rows = table(territory / "urban_assets/challuy_mobilier_20261005.csv", "cp1252", ";")
    longitudes = [r["Longitude"] for r in rows]
    assert longitudes[1] == ""
    assert longitudes[2].startswith("46,")
    assert rows[-3] == rows[0]
    assert rows[-2]["Type"] == "Sculpture"
    assert rows[-1]["Longitude"] == "à relever"
    places = Counter((r["producer"], r["position"]) for r in truth(territory, "urban_assets"))
    challuy = next(c.siren for c in load_territory().communes if c.name == "Challuy")
    assert (places[challuy, "missing"], places[challuy, "swapped"]) == (1, 1)


def test_the_agglomeration_lists_some_a_second_time(territory: Path) -> None:
    twice = [r for r in truth(territory, "urban_assets") if r["listed_twice"] == "1"]
    assert {r["category"] for r in twice} == {"disabled_parking", "defibrillator"}
    assert all(r["longitude"] for r in twice), "an asset without a place cannot be recognised"
    read = {r["file"]: int(r["rows_read"]) for r in truth(territory, "ledger")}
    own = Counter(r["category"] for r in truth(territory, "urban_assets") if r["producer"] == load_territory().siren)
    both = Counter(r["category"] for r in twice)
    assert read["agglo_pmr_20261005.zip"] == own["disabled_parking"] + both["disabled_parking"] + 1
    assert read["agglo_dae_20261005.csv"] == own["defibrillator"] + both["defibrillator"] + 2


def test_a_second_list_says_what_changed(territory: Path) -> None:
    first, second = (
        table(territory / f"urban_assets/challuy_mobilier_{day}.csv", "cp1252", ";") for day in ("20261005", "20261102")
    )
    assert len(first) == len(second)
    gone = {r["Désignation"] for r in first} - {r["Désignation"] for r in second}
    assert len(gone) == 1
    assert "Banc neuf" in {r["Désignation"] for r in second}


def test_workbooks_have_titles_above_the_header(territory: Path) -> None:
    book = CalamineWorkbook.from_path(territory / "urban_assets/coulanges_equipements_20261005.xlsx")
    rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    assert rows[0][0] == "Ville de Coulanges-lès-Nevers"
    assert rows[3][:2] == ["N°", "Nature du mobilier"]
    assert re.fullmatch(r"47\.\d{6}, 3\.\d{6}", str(rows[4][3]))
    marzy = CalamineWorkbook.from_path(territory / "urban_assets/marzy_patrimoine_20261005.xlsx")
    assert marzy.sheet_names == ["Notice", "Mobilier urbain"]


def test_shapefiles_are_in_lambert_93(territory: Path) -> None:
    with zipfile.ZipFile(territory / "urban_assets/nevers_mobilier_20261005.zip") as archive:
        assert {Path(n).suffix for n in archive.namelist()} == {".cpg", ".dbf", ".prj", ".shp", ".shx"}
        assert "Lambert_93" in archive.read("NEVERS_MOBILIER.prj").decode()
        # bytes 36 to 68 of a .shp: its bounding box
        box = np.frombuffer(archive.read("NEVERS_MOBILIER.shp")[36:68], "<f8")
    assert (box > [700_000, 6_600_000, 700_000, 6_600_000]).all()
    assert (box < [730_000, 6_700_000, 730_000, 6_700_000]).all()


def test_lambert_93_of_known_points() -> None:
    """The origin by definition; the others by PROJ 9 (EPSG:4326 to EPSG:2154)."""
    x, y = lambert93(np.array([3.0, 3.157004, -4.5]), np.array([46.5, 46.988096, 48.4]))
    assert x == pytest.approx([700_000, 711_932.8048, 145_709.7889], abs=1e-3)
    assert y == pytest.approx([6_600_000, 6_654_220.5577, 6_837_422.0826], abs=1e-3)


# wifi


def test_sessions_add_up_to_the_truth(territory: Path) -> None:
    counted: Counter[str] = Counter()
    for path in sorted((territory / "wifi_sessions").glob("sessions_????????.csv")):
        lines = path.read_text("utf-8").splitlines()[1:-5]
        counted[path.stem[-8:]] = len(set(lines))
    told: Counter[str] = Counter()
    for row in truth(territory, "wifi_sessions_daily"):
        told[row["business_date"].replace("-", "")] += int(row["sessions"])
    assert counted == told
    assert sum(told.values()) > 1000


def test_sessions_carry_their_offset_through_the_night_of_25_hours(territory: Path) -> None:
    rows = table(territory / "wifi_sessions/sessions_20261025.csv", "utf-8", ";")[:-5]
    offsets = [r["Début"][-6:] for r in rows]
    assert set(offsets) == {"+02:00", "+01:00"}
    assert offsets == sorted(offsets, reverse=True)
    assert {r["Début"][:10] for r in rows} == {"2026-10-25"}


def test_what_must_not_be_found_again_is_in_the_files(territory: Path) -> None:
    """Else the test that looks for it in the lake would find nothing for the wrong reason."""
    secrets = truth(territory, "wifi_sessions_secret")
    text = "".join(p.read_text("utf-8") for p in (territory / "wifi_sessions").glob("*.csv"))
    for kind in ("mac", "device_name", "account"):
        assert len({s[kind] for s in secrets}) == len(secrets)
        assert sum(s[kind] in text for s in secrets) > len(secrets) / 3
    assert "Nom d'hôte DHCP" in text


# agendas


def test_agendas_are_told_whole_then_by_what_changes(territory: Path) -> None:
    folder = territory / "events"
    for agenda in ("48210933", "71500214", "90377162"):
        pages = [json.loads(p.read_text("utf-8")) for p in sorted(folder.glob(f"agenda_{agenda}_20261005_p*.json"))]
        assert sum(len(p["events"]) - 2 for p in pages) == pages[0]["total"]
        assert pages[-1]["after"] is None
        weekly = [json.loads(p.read_text("utf-8")) for p in sorted(folder.glob(f"agenda_{agenda}_2026????.json"))]
        assert len(weekly) == 4
        assert all(sum(bool(e.get("removed")) for e in w["events"]) == 1 for w in weekly)
        assert {e["status"] for w in weekly for e in w["events"] if "status" in e} >= {1, 2, 6}


def test_some_events_are_in_two_agendas_online_or_untold_in_french(territory: Path) -> None:
    found: dict[int, set[str]] = {}
    for path in (territory / "events").glob("*_p*.json"):
        for event in json.loads(path.read_text("utf-8"))["events"]:
            if "uid" in event:
                found.setdefault(event["uid"], set()).add(path.name[7:15])
    assert sum(len(agendas) == 2 for agendas in found.values()) == 3
    assert any(r["online"] == "1" and not r["insee_code"] for r in truth(territory, "events"))


# grants and acts


def luhn(number: str) -> bool:
    doubled = [int(d) * (1 + n % 2) for n, d in enumerate(reversed(number))]
    return sum(sum(map(int, str(d))) for d in doubled) % 10 == 0


def test_every_siret_is_one(territory: Path) -> None:
    sirets = [r["siret"] for r in truth(territory, "grants") if r["siret"]]
    assert all(len(s) == 14 and luhn(s) and luhn(s[:9]) for s in sirets)
    assert any(s.startswith("0") for s in sirets)
    assert luhn("38047555800058"), "a SIRET that the standard gives as an example"


def test_a_spreadsheet_has_lost_leading_zeros(territory: Path) -> None:
    path = territory / "grants/subventions_2026_20261005.xlsx"
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name(grants.SHEET).to_python(skip_empty_area=False)
    codes = [row[3] for row in rows[4:]]
    assert {type(code) for code in codes} == {str, float}
    assert any(len(f"{code:.0f}") == 13 for code in codes if isinstance(code, float))
    assert rows[-1][2] == "TOTAL"


def test_grants_are_decided_by_acts_that_exist(territory: Path) -> None:
    acts = {r["act_id"]: r for r in truth(territory, "deliberations")}
    found = truth(territory, "grants")
    assert {acts[r["act_id"]]["matter_code"] for r in found} == {deliberations.GRANTS_MATTER}
    assert all(r["convention_date"] > acts[r["act_id"]]["session_date"] for r in found)


def test_acts_come_again_with_what_the_prefecture_says(territory: Path) -> None:
    names = sorted(p.name for p in (territory / "deliberations").iterdir())
    assert names == [f"deliberations_{day}.csv" for day in ("20261005", "20261007", "20261104")]
    october, november = (table(territory / "deliberations" / n, "cp1252", ";") for n in names[1:])
    first = {r["N° de l'acte"]: r["Réf. préfecture"] for r in october if r["Date de séance"] == "07/10/2026"}
    again = {r["N° de l'acte"]: r["Réf. préfecture"] for r in november if r["Date de séance"] == "07/10/2026"}
    shared = set(first) & set(again)
    assert not any(first[a] for a in shared)
    assert sum(bool(again[a]) for a in shared) > len(shared) / 2
    assert any("\n" in r["Objet"] for r in november)


def test_votes_add_up(territory: Path) -> None:
    rows = table(territory / "deliberations/deliberations_20261005.csv", "cp1252", ";")[:-2]
    voted = [[int(r[k]) for k in ("Pour", "Contre", "Abstentions", "Votants", "Effectif")] for r in rows if r["Pour"]]
    assert all(a + b + c == n <= seats for a, b, c, n, seats in voted)
    assert {r["Résultat"] for r in rows} == {"Adopté à l\u2019unanimité", "Adopté à la majorité", "Ajourné"}


# addresses


def test_three_versions_of_the_format(territory: Path) -> None:
    headers = {
        tuple(p.read_text("utf-8-sig").splitlines()[0].split(";")[:4]) for p in (territory / "addresses").iterdir()
    }
    assert headers == {
        ("uid_adresse", "cle_interop", "commune_insee", "commune_nom"),
        ("id_ban_commune", "id_ban_toponyme", "id_ban_adresse", "cle_interop"),
        ("id_ban_commune", "id_ban_toponyme", "id_ban_adresse", "commune_insee"),
    }


def test_positions_agree_in_both_systems(territory: Path) -> None:
    rows = [
        r
        for path in sorted((territory / "addresses").glob("bal_58194_*.csv"))
        for r in table(path, "utf-8-sig", ";")
        if r["long"]
    ]
    x, y = lambert93(*(np.array([float(r[k]) for r in rows]) for k in ("long", "lat")))
    assert x == pytest.approx([float(r["x"]) for r in rows], abs=0.01)
    assert y == pytest.approx([float(r["y"]) for r in rows], abs=0.01)


def test_a_commune_renews_its_file(territory: Path) -> None:
    assert sorted(p.name for p in (territory / "addresses").glob("bal_58051_*")) == [
        "bal_58051_20261005.csv",
        "bal_58051_20261026.csv",
    ]
    first, second = (
        {r["cle_interop"] for r in table(p, "utf-8", ";")}
        for p in sorted((territory / "addresses").glob("bal_58051_*"))
    )
    assert len(first - second) == 1
    assert len(second - first) == 1
