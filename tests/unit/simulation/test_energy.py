"""Energy sources: the true values follow from the exports, each fault is there, the same arguments give the same bytes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import etree
from python_calamine import load_workbook

from ingestion.territory import load_territory
from simulation import building_bms, building_energy, heat_network, lighting
from simulation.job import Job
from simulation.truth import Truth

PARIS = ZoneInfo("Europe/Paris")
UTC = ZoneInfo("UTC")
AUTUMN = date(2026, 10, 25)
MODULES = (building_bms, building_energy, heat_network, lighting)


def make(out: Path, *, start: date = date(2026, 10, 19), days: int = 9, scale: float = 0.5, seed: int = 58) -> Path:
    job = Job(out=out, seed=seed, start=start, days=days, scale=scale, territory=load_territory(), truth=Truth())
    for module in MODULES:
        module.write(job)
    job.truth.write(out / "_truth")
    return out


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days over the 25-hour day of 2026-10-25."""
    return make(tmp_path_factory.mktemp("autumn"))


def truth(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "_truth" / f"{name}.csv").read_text(encoding="utf-8"))))


def ledger(out: Path, source: str) -> dict[str, tuple[int, int, int, int]]:
    names = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    return {r["file"]: tuple(int(r[n]) for n in names) for r in truth(out, "ledger") if r["source"] == source}  # type: ignore[misc]


def refused(out: Path, source: str) -> list[tuple[str, int, str]]:
    return [(r["file"], int(r["line"]), r["column"]) for r in truth(out, "quarantine") if r["source"] == source]


def documents(out: Path, flow: str) -> dict[str, str]:
    found = {}
    for path in sorted((out / "building_energy").glob(f"ENEDIS_{flow}_*.zip")):
        with zipfile.ZipFile(path) as archive:
            (member,) = archive.namelist()
            found[f"{path.name}!{member}"] = archive.read(member).decode()
    return found


def digests(out: Path) -> dict[str, str]:
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in out.rglob("*") if p.is_file()}


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    one, two, other = (
        digests(make(tmp_path / name, start=AUTUMN, days=2, scale=0.1, seed=seed))
        for name, seed in (("one", 58), ("two", 58), ("other", 59))
    )
    assert one == two
    assert {Path(n).suffix for n in one} >= {".xlsx", ".zip", ".gz", ".csv"}
    assert {n.split("/")[0] for n, _ in set(one.items()) ^ set(other.items())} == {n.split("/")[0] for n in one}


@pytest.mark.parametrize(("start", "days", "scale"), [(date(2026, 3, 29), 1, 0.001), (date(2026, 12, 30), 4, 0.2)])
def test_any_period_and_size_gives_a_ledger_that_adds_up(tmp_path: Path, start: date, days: int, scale: float) -> None:
    out = make(tmp_path, start=start, days=days, scale=scale)
    for module in MODULES:
        entries = ledger(out, module.SOURCE)
        containers = {name.split("!")[0] for name in entries}
        assert containers == {p.name for p in (out / module.SOURCE).iterdir()}
        assert all(read == loaded + again + bad for read, loaded, again, bad in entries.values())
        assert Counter(f for f, _, _ in refused(out, module.SOURCE)) == {f: e[3] for f, e in entries.items() if e[3]}


def test_r50_points_give_the_true_energy(autumn: Path) -> None:
    """Stamps are ends of half hours with their offset; the last document has the last word."""
    power: dict[tuple[str, datetime], int] = {}
    entries = ledger(autumn, "building_energy")
    changed: Counter[str] = Counter()
    for name, text in documents(autumn, "R50").items():
        points = 0
        for prm in etree.fromstring(text.encode()).iter("PRM"):
            for point in prm.iter("PDC"):
                end = datetime.fromisoformat(point.findtext("H"))
                assert end.utcoffset() == end.astimezone(PARIS).utcoffset()
                key, value = (prm.findtext("Id_PRM"), end.astimezone(UTC)), int(point.findtext("V"))
                changed[name] += key in power and power[key] != value
                power[key] = value
                points += 1
        assert entries[name][0] == points
    assert (
        [entries[n][1] for n in documents(autumn, "R50") if entries[n][2]] == [v for v in changed.values() if v] == [6]
    )
    energy: dict[tuple[str, str], float] = defaultdict(float)
    steps: Counter[tuple[str, str]] = Counter()
    for (prm, end), value in power.items():
        day = (end - timedelta(minutes=30)).astimezone(PARIS).date().isoformat()
        energy[prm, day] += value / 2000
        steps[prm, day] += 1
    true = {(r["prm"], r["business_date"]): r for r in truth(autumn, "building_daily_energy_r50")}
    assert true.keys() == energy.keys()
    lost = 0
    for key, row in true.items():
        assert steps[key] == int(row["steps_expected"]) - int(row["steps_missing"])
        lost += int(row["steps_missing"])
        if row["steps_missing"] == "0":
            assert energy[key] == pytest.approx(float(row["energy_kwh"]), abs=0.001)
    assert lost == 12
    assert {int(r["steps_expected"]) for r in true.values() if r["business_date"] == "2026-10-25"} == {50}


def test_r171_registers_hold_the_true_energy(autumn: Path) -> None:
    true = {(r["prm"], r["reading_time"], r["time_class"]): r for r in truth(autumn, "building_index")}
    assert Counter(r["state"] for r in true.values()) == {"sent": 34 * 4, "missing": 4, "ambiguous": 4}
    shown: dict[tuple[str, str, str], int] = {}
    stamps: dict[tuple[str, str], set[str]] = defaultdict(set)
    for text in documents(autumn, "R171").values():
        for series in etree.fromstring(text.encode()).iter("serieMesuresDatees"):
            local = series.findtext("mesuresDateesListe/mesureDatee/dateFin")
            when = datetime.fromisoformat(local)
            assert when.tzinfo is None
            stamp = f"{when.replace(tzinfo=PARIS).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            prm, quantity = series.findtext("prmId"), series.findtext("grandeurPhysique")
            stamps[prm, quantity].add(stamp)
            if quantity == "EA":
                shown[prm, stamp, series.findtext("codeClasseTemporelle")] = int(
                    series.findtext("mesuresDateesListe/mesureDatee/valeur")
                )
    assert shown.keys() == {key for key, r in true.items() if r["state"] != "missing"}
    for key, value in shown.items():
        assert value % 1000 == 0
        assert 0 <= float(true[key]["energy_wh"]) - value < 1000
    assert {quantity for _, quantity in stamps} == {"DD", "TF", "PMA", "ERC", "EA", "ERI", "DQ"}


def test_r171_refusals_are_records_of_the_hour_that_happens_twice(autumn: Path) -> None:
    found = documents(autumn, "R171")
    places = refused(autumn, "building_energy")
    assert len(places) == 28
    for name, line, column in places:
        lines = found[name].splitlines()
        assert "<mesureDatee>" in lines[line - 1]
        assert "T02:" in lines[line]
        assert "2026-10-25" in lines[line]
        assert column == "dateFin"
    again = [e for n, e in ledger(autumn, "building_energy").items() if "_R171_" in n and e[2]]
    assert [(read, loaded, duplicate) for read, loaded, duplicate, _ in again] == [(112, 0, 112)]


def sheets(autumn: Path) -> dict[str, list[list[Any]]]:
    paths = sorted((autumn / "building_bms").glob("*.xlsx"))
    return {
        p.name: load_workbook(str(p)).get_sheet_by_name("Historique").to_python(skip_empty_area=False) for p in paths
    }


def test_bms_cells_give_the_true_points(autumn: Path) -> None:
    values: dict[tuple[str, str], dict[tuple[datetime, int], float]] = defaultdict(dict)
    bad = []
    for name, table in sheets(autumn).items():
        header = table[2]
        assert header[0] == "Horodatage"
        passes: Counter[tuple[int, datetime]] = Counter()
        for line, row in enumerate(table[3:], start=4):
            when = row[0] if isinstance(row[0], datetime) else datetime.combine(row[0], datetime.min.time())
            for place, cell in enumerate(row[1:], start=1):
                passes[place, when] += 1
                code = header[place].split(" ")[0].replace("CHAUF1_", "CH1_")
                if isinstance(cell, str) and cell:
                    bad.append((f"{name}!Historique", line, "@value"))
                elif cell != "":
                    values[code, when.date().isoformat()][when, passes[place, when]] = cell
    assert sorted(bad) == sorted(refused(autumn, "building_bms"))
    assert len(set(bad)) == len(bad) > 0
    true = {(r["point_id"], r["business_date"]): r for r in truth(autumn, "bms_points")}
    for key, row in true.items():
        found = values.get(key, {})
        assert len(found) == int(row["samples"]) - int(row["blank"]) - int(row["refused"])
        if found:
            assert sum(found.values()) / len(found) == pytest.approx(float(row["mean"]), abs=0.0006)
    assert {r["samples"] for r in true.values() if r["business_date"] == "2026-10-25"} == {"50"}
    assert sum(int(r["blank"]) for r in true.values()) == 7 * 48 + 2  # one probe, one week, the long day in it


def test_bms_closing_midnight_comes_twice_and_a_point_is_renamed(autumn: Path) -> None:
    entries = ledger(autumn, "building_bms")
    tables = sheets(autumn)
    for name, table in tables.items():
        read, _, again, _ = entries[f"{name}!Historique"]
        assert read == (len(table) - 3) * (len(table[2]) - 1)
        assert again in (0, len(table[2]) - 1)
    last = sorted(n for n in tables if n.startswith(f"GTC_UTL{len(building_bms.controllers(small())):02d}_"))
    assert len(last) == 9
    renamed = ["CHAUF1_TDEP" in " ".join(tables[n][2]) for n in last]
    assert renamed == [False] * 5 + [True] * 4
    assert [entries[f"{n}!Historique"][2] > 0 for n in last] == [False] + [True] * 8


def small() -> Job:
    return Job(Path(), 58, date(2026, 10, 19), 9, 0.5, load_territory(), Truth())


def heat_readings(out: Path) -> dict[str, dict[datetime, list[str]]]:
    """Per substation and instant, the last line that is not in error."""
    found: dict[str, dict[datetime, list[str]]] = defaultdict(dict)
    for path in sorted((out / "heat_network").iterdir()):
        header, *lines = path.read_bytes().decode("cp1252").splitlines()
        assert header.split(";") == list(heat_network.HEADER)
        for line in lines:
            cells = line.split(";")
            if cells[3] != "-----":
                when = datetime.strptime(cells[2], "%d/%m/%Y %H:%M").replace(tzinfo=UTC) - timedelta(hours=1)
                found[cells[0]][when] = cells
    return found


def test_heat_registers_give_the_true_heat(autumn: Path) -> None:
    """The difference between two midnights, past a roll-over or a new meter, is what the day used."""
    true = truth(autumn, "heat_daily")
    readings = heat_readings(autumn)
    flags: Counter[str] = Counter()
    for station, of_station in readings.items():
        used: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for (begin, before), (_, after) in pairwise(sorted(of_station.items())):
            day = begin.astimezone(PARIS).date().isoformat()
            for place, modulo in ((3, heat_network.ENERGY_MODULO), (4, heat_network.VOLUME_MODULO)):
                first, second = (float(cells[place].replace(",", ".")) for cells in (before, after))
                grown = second - first
                if grown < 0:
                    flag = "reset" if before[1] != after[1] else "rollover"
                    flags[flag] += 1
                    assert (first > 0.9 * modulo) == (flag == "rollover")
                    grown = second if flag == "reset" else grown + modulo
                used[day][place - 3] += grown
        for row in (r for r in true if r["substation_id"] == station):
            energy, volume = used[row["business_date"]]
            assert energy == int(row["energy_kwh"])
            assert volume == pytest.approx(float(row["volume_m3"]), abs=0.001)
    assert flags == {"rollover": 2, "reset": 2}
    assert sum(int(r["rolled_over"]) for r in true) == 2
    assert {r["readings_expected"] for r in true if r["business_date"] == "2026-10-25"} == {"25"}
    assert sum(int(r["readings_expected"]) - int(r["readings_sent"]) for r in true) == 6


def test_heat_meter_replaced_and_corrections(autumn: Path) -> None:
    (row,) = truth(autumn, "heat_replaced_meters")
    readings = heat_readings(autumn)[row["substation_id"]]
    when = datetime.fromisoformat(row["replacement_time"])
    assert readings[when][1] == row["new_meter_id"]
    assert readings[when - timedelta(hours=1)][1] == row["old_meter_id"]
    assert readings[when - timedelta(hours=1)][3] == row["old_energy_kwh"]
    assert int(readings[when][3]) < 1000
    entries = ledger(autumn, "heat_network")
    (corrections,) = [e for n, e in entries.items() if n.endswith("_corrections.csv")]
    assert corrections == (17, 17, 0, 0)
    (again,) = [e for n, e in entries.items() if n.endswith("_bis.csv")]
    assert again[1] == 0 < again[2]
    assert refused(autumn, "heat_network")
    for name, line, column in refused(autumn, "heat_network"):
        cells = (autumn / "heat_network" / name).read_bytes().decode("cp1252").splitlines()[line - 1].split(";")
        assert cells[heat_network.HEADER.index(column)] == "-----"


def rows_of(out: Path, table: str) -> list[dict[str, Any]]:
    paths = sorted((out / "lighting").glob(f"{table}_*.jsonl.gz"))
    return [json.loads(line) for p in paths for line in gzip.decompress(p.read_bytes()).splitlines()]


def test_lighting_log_gives_the_true_hours(autumn: Path) -> None:
    """Where the log is whole, on and off in turn; repeats are within a second or two of the line they repeat."""
    log = {r["switching_id"]: r for r in rows_of(autumn, "switching") if not r["switched_at"].startswith("1970")}
    by_cabinet: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for r in log.values():
        by_cabinet[r["cabinet_id"]].append((datetime.fromisoformat(r["switched_at"]), r["state"]))
    end = datetime(2026, 10, 28, tzinfo=PARIS)
    lit: dict[tuple[str, str], float] = defaultdict(float)
    lost = repeats = 0
    for cabinet, events in by_cabinet.items():
        events.sort()
        kept = events[:1]
        for when, state in events[1:]:
            if state != kept[-1][1]:
                kept.append((when, state))
            elif when - kept[-1][0] < timedelta(seconds=60):
                repeats += 1
            else:
                lost += 1
                kept.append((when, state))
        for (on, state), (off, _) in pairwise([*kept, (end, "OFF")]):
            day = on.astimezone(PARIS).date()
            while state == "ON" and datetime.combine(day, datetime.min.time(), PARIS) < off:
                bounds = [datetime.combine(day + timedelta(days=n), datetime.min.time(), PARIS) for n in (0, 1)]
                begin, stop = max(on, bounds[0].astimezone(UTC)), min(off, bounds[1].astimezone(UTC))
                lit[cabinet, day.isoformat()] += (stop - begin).total_seconds() / 3600
                day += timedelta(days=1)
    true = {(r["cabinet_id"], r["business_date"]): r for r in truth(autumn, "lighting_burning")}
    assert lost == 1
    assert repeats > 3
    for key, row in true.items():
        if row["is_logged"] == "1":
            assert lit[key] == pytest.approx(float(row["burning_h"]), abs=0.01), key
    assert Counter(r["is_logged"] for r in true.values())["0"] == 2
    nights = [float(r["burning_h"]) for r in true.values()]
    assert 5 < min(nights) < 8 < 12 < max(nights) < 14  # dark in the middle of the night, or not


def test_lighting_extracts(autumn: Path) -> None:
    lights, faults = rows_of(autumn, "light_point"), rows_of(autumn, "fault")
    first, second = (lights[: len(lights) // 2], lights[len(lights) // 2 :])
    assert len(first) == len(second) == 650
    assert len({r["light_point_id"] for r in first} ^ {r["light_point_id"] for r in second}) == 2
    assert sum(r["lamp_type"] == "LED" for r in second) - sum(r["lamp_type"] == "LED" for r in first) in (12, 13)
    assert len(rows_of(autumn, "cabinet")) == 30 == len({r["cabinet_id"] for r in first})
    true = {int(r["fault_id"]): r for r in truth(autumn, "lighting_faults")}
    last = {r["fault_id"]: r for r in faults}
    assert {k: r["closed_at"] or "" for k, r in last.items()} == {k: r["closed_time"] for k, r in true.items()}
    assert len(faults) > len(last)
    ids = [r["switching_id"] for r in rows_of(autumn, "switching")]
    assert len(ids) - len(set(ids)) == 5 == sum(e[2] for e in ledger(autumn, "lighting").values())
    ((name, line, _),) = refused(autumn, "lighting")
    text = gzip.decompress((autumn / "lighting" / name).read_bytes()).splitlines()[line - 1]
    assert json.loads(text)["switched_at"].startswith("1970-01-01")


def test_things_stand_in_the_territory() -> None:
    for module in MODULES:
        known = module.things(small())
        assert len({t.native_id for t in known}) == len(known) > 1
        assert {t.source for t in known} == {module.SOURCE}
        assert all(abs(t.latitude - t.commune.latitude) < 0.01 for t in known)
