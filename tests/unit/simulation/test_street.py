"""Street and environment platforms: what their files say, read naively, is the truth kept beside them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingestion.territory import load_territory
from simulation import (
    air_stations,
    car_parks,
    charging_points,
    parking_events,
    soil_moisture,
    traffic_signals,
    waste_bins,
    waste_collections,
    weather_stations,
)
from simulation.job import Job
from simulation.truth import Truth

PLATFORMS: tuple[ModuleType, ...] = (
    air_stations, car_parks, charging_points, parking_events, soil_moisture, traffic_signals, waste_bins,
    waste_collections, weather_stations,
)  # fmt: skip
CP1252 = {"air_stations", "car_parks"}
PARIS = ZoneInfo("Europe/Paris")
AUTUMN, SPRING = date(2026, 10, 25), date(2026, 3, 29)


def make(out: Path, start: date, days: int, scale: float, seed: int = 58) -> Job:
    job = Job(out=out, seed=seed, start=start, days=days, scale=scale, territory=load_territory(), truth=Truth())
    for platform in PLATFORMS:
        platform.write(job)
    job.truth.write(out / "_truth")
    return job


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days over the one of 25 hours."""
    out = tmp_path_factory.mktemp("autumn")
    make(out, date(2026, 10, 19), 10, 0.5)
    return out


@pytest.fixture(scope="module")
def spring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days over the one of 23 hours."""
    out = tmp_path_factory.mktemp("spring")
    make(out, date(2026, 3, 28), 3, 0.5)
    return out


def truth(out: Path, name: str) -> list[dict[str, str]]:
    with (out / "_truth" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def table(path: Path) -> list[dict[str, str]]:
    encoding = "cp1252" if path.parent.name in CP1252 else "utf-8-sig"
    delimiter = "," if path.parent.name == "charging_points" else ";"
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(encoding)), delimiter=delimiter))


def sheet(path: Path) -> list[list[Any]]:
    """Lines of the round sheet under its header."""
    from python_calamine import CalamineWorkbook

    lines = CalamineWorkbook.from_path(path).get_sheet_by_name(waste_collections.SHEET).to_python()
    assert tuple(lines[waste_collections.HEADER_ROW - 1]) == waste_collections.COLUMNS
    return lines[waste_collections.HEADER_ROW :]


def records(path: Path) -> list[Any]:
    """Records of a file, as its reader counts them."""
    if path.suffix == ".gz":
        return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    if path.suffix == ".xlsx":
        return sheet(path)
    if path.suffix == ".csv":
        return table(path)
    document = json.loads(path.read_bytes())
    if "containers" in document:
        return [{"bin": c["id"], **m} for c in document["containers"] for m in c["measurements"]]
    events: list[Any] = document["evenements"]
    return events


def everything(out: Path, source: str) -> list[Any]:
    return [record for path in sorted((out / source).iterdir()) for record in records(path)]


def number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return None if value == -9999 else value


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    made = [tmp_path / name for name in ("one", "two", "other")]
    for out, seed in zip(made, (7, 7, 8), strict=True):
        make(out, date(2026, 10, 22), 4, 0.2, seed)
    first, second, other = (
        {p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()} for out in made
    )
    assert first == second
    assert {p.parent.name for p in first if first[p] != other.get(p)} >= {p.SOURCE for p in PLATFORMS}


@pytest.mark.parametrize("which", ["autumn", "spring"])
def test_the_ledger_counts_the_records_of_every_file(which: str, request: pytest.FixtureRequest) -> None:
    out: Path = request.getfixturevalue(which)
    ledger = truth(out, "ledger")
    read = {
        (p.parent.name, f"{p.name}!{waste_collections.SHEET}" if p.suffix == ".xlsx" else p.name): len(records(p))
        for platform in PLATFORMS
        for p in (out / platform.SOURCE).iterdir()
    }
    assert {(e["source"], e["file"]): int(e["rows_read"]) for e in ledger} == read
    assert len(ledger) == len(read)
    refused = Counter((r["source"], r["file"]) for r in truth(out, "quarantine"))
    for e in ledger:
        loaded, duplicate, quarantined = (int(e[f"rows_{k}"]) for k in ("loaded", "duplicate", "quarantined"))
        assert int(e["rows_read"]) == loaded + duplicate + quarantined
        assert min(loaded, duplicate) >= 0
        assert quarantined == refused[e["source"], e["file"]]
    by_source = {s: [e for e in ledger if e["source"] == s] for s in {e["source"] for e in ledger}}
    assert set(by_source) == {p.SOURCE for p in PLATFORMS}
    if which == "autumn":
        assert all(any(int(e["rows_duplicate"]) for e in entries) for entries in by_source.values())
        assert all(any(int(e["rows_quarantined"]) for e in entries) for entries in by_source.values())


def test_the_quarantine_points_at_a_cell_that_cannot_be_read(autumn: Path) -> None:
    seen = set()
    for entry in truth(autumn, "quarantine"):
        path = autumn / entry["source"] / entry["file"].split("!")[0]
        above = {".csv": 2, ".xlsx": waste_collections.HEADER_ROW + 1}.get(path.suffix, 1)
        found = records(path)
        if entry["source"] == "waste_bins":  # the line is the container's: one of its measures
            names = sorted({r["bin"] for r in found})
            found = [r for r in found if r["bin"] == names[int(entry["line"]) - 1]]
            cells = [str(r.get(entry["column"])) for r in found]
            assert "ERR" in cells or any(len(cell) == 19 for cell in cells), entry
            continue
        record = found[int(entry["line"]) - above]
        if path.suffix == ".xlsx":
            record = dict(zip(waste_collections.COLUMNS, record, strict=True))
        cell = record[entry["column"]]
        assert (
            cell in {"ERR", "ERREUR", "#####", "ETAT", "22 kW", "Total", "voir ticket"}
            or (entry["reason_kind"] == "bad_date" and (cell.startswith(("31/02/", "1970-")) or cell[-6:-5] != "+"))
            or (entry["source"] == "soil_moisture" and ",," in cell)
        ), entry
        seen.add((entry["source"], entry["reason_kind"]))
    assert len(seen) >= 10


def test_every_thing_is_registered_and_known_by_one_name(tmp_path: Path) -> None:
    job = Job(tmp_path, 58, AUTUMN, 1, 0.5, load_territory(), Truth())
    communes = {c.insee: c for c in job.territory.communes}
    for platform in PLATFORMS:
        if platform is waste_collections:
            continue
        things = platform.things(job)
        assert things
        assert {t.source for t in things} == {platform.SOURCE}
        assert len({t.native_id for t in things}) == len(things)
        for thing in things:
            home = communes[thing.commune.insee]
            assert abs(thing.latitude - home.latitude) < 0.01
            assert abs(thing.longitude - home.longitude) < 0.014


# Mobility


def test_signals_faults_begin_and_end_as_they_did(autumn: Path) -> None:
    events = {e["id_evenement"]: e for e in everything(autumn, "traffic_signals")}
    told: dict[tuple[str, str, int], list[tuple[str, str]]] = defaultdict(list)
    for e in events.values():
        if e["code"] != "PLAN":
            told[e["id_carrefour"], e["code"], e["ligne"] or 0].append((e["horodatage"], e["etat"]))
    words = {"DEFAUT": "fault", "LAMPE": "lamp_failure", "SECTEUR": "power_loss", "COM": "communication_loss"}
    found = set()
    for (controller, code, group), mine in told.items():
        mine.sort()
        for n, (time, state) in enumerate(mine):
            if state == "D":
                end = mine[n + 1][0] if n + 1 < len(mine) else ""
                found.add((controller, words[code], str(group or ""), time[:19] + "Z", end and end[:19] + "Z"))
    expected = truth(autumn, "signal_faults")
    assert found == {tuple(r.values()) for r in expected}
    assert len(expected) > 10
    assert any(not r["end_time"] for r in expected)
    assert any(r["end_time"] for r in expected)


def test_signals_arrive_late_when_the_line_is_cut_and_overlap_from_night_to_night(autumn: Path) -> None:
    files = sorted((autumn / "traffic_signals").iterdir())
    assert len(files) == 10
    for before, after in pairwise(files):
        ids = [[e["id_evenement"] for e in records(p)] for p in (before, after)]
        assert ids[1] == sorted(ids[1])
        assert set(ids[0][-traffic_signals.OVERLAP :]) <= set(ids[1])
    delays = [
        datetime.fromisoformat(e["reception"]) - datetime.fromisoformat(e["horodatage"])
        for e in everything(autumn, "traffic_signals")
    ]
    usual = [d for d in delays if d < timedelta(days=1)]
    assert max(usual) > timedelta(minutes=3)
    assert sum(d > timedelta(days=10_000) for d in delays) == 1  # the controller that woke up in 1970


def test_signals_change_plans_by_the_clock_on_the_wall(spring: Path) -> None:
    hours = {
        datetime.fromisoformat(e["horodatage"]).astimezone(PARIS).strftime("%A %H:%M")
        for e in everything(spring, "traffic_signals")
        if e["code"] == "PLAN" and not e["horodatage"].startswith("1970")
    }
    assert hours == {
        *(f"{day} {hour}" for day in ("Saturday", "Sunday") for hour in ("08:00", "22:30")),
        *(f"Monday {hour}" for hour in ("06:30", "09:00", "16:30", "19:30", "22:30")),
    }


def _readable(event: dict[str, Any]) -> bool:
    return event["type"] in {"ARR", "DEP"} and event["horodatage"][-6:-5] == "+"


def test_parking_events_tell_the_true_stays(autumn: Path) -> None:
    events = {e["id"]: e for e in everything(autumn, "parking_events") if _readable(e)}
    on: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for e in events.values():
        on[e["place"]].append((datetime.fromisoformat(e["horodatage"]).astimezone(UTC), e["type"]))
    found = set()
    for space, mine in on.items():
        mine.sort()
        for n, (time, kind) in enumerate(mine):
            following = mine[n + 1] if n + 1 < len(mine) else (None, "")
            if kind == "ARR":
                outcome = {"DEP": "complete", "ARR": "departure_missing", "": "open"}[following[1]]
                left = following[0] if following[1] == "DEP" else None
                outcome = "stuck" if left and left - time > timedelta(days=1) else outcome
                found.add((space, _utc(time), _utc(left), outcome))
            elif not n or mine[n - 1][1] == "DEP":
                found.add((space, "", _utc(time), "arrival_missing"))
    expected = truth(autumn, "parking_stays")
    assert found == {(r["space_id"], r["arrival_time"], r["departure_time"], r["outcome"]) for r in expected}
    assert {r["outcome"] for r in expected} == {"complete", "departure_missing", "open", "arrival_missing", "stuck"}


def _utc(time: datetime | None) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else ""


def test_parking_minutes_within_the_regulation(autumn: Path) -> None:
    """Counted again minute by minute, by the clock on the wall."""
    stays = [r for r in truth(autumn, "parking_stays") if r["outcome"] == "complete"]
    some = [*stays[:150], *(r for r in stays if r["arrival_time"] < "2026-10-25T00:00" < r["departure_time"])]
    for r in some:
        begin, end = (datetime.fromisoformat(r[f"{k}_time"]) for k in ("arrival", "departure"))
        seconds, step = 0, timedelta(seconds=10)
        time = begin + step / 2
        while time < end:
            wall = time.astimezone(PARIS)
            seconds += 10 * (wall.weekday() < 6 and (9 <= wall.hour < 12 or 14 <= wall.hour < 19))
            time += step
        assert float(r["regulated_min"]) == pytest.approx(seconds / 60, abs=0.4), r
    assert any(float(r["regulated_min"]) > 90 for r in stays)


def test_parking_occupancy_is_rotation_times_mean_stay(autumn: Path) -> None:
    days = truth(autumn, "parking_zone_days")
    taken = sum(float(r["occupied_min"]) for r in days)
    arrivals = sum(int(r["arrivals"]) for r in days)
    stays = [r for r in truth(autumn, "parking_stays") if r["outcome"] in {"complete", "stuck"}]
    length = [
        (datetime.fromisoformat(r["departure_time"]) - datetime.fromisoformat(r["arrival_time"])).total_seconds() / 60
        for r in stays
    ]
    assert taken == pytest.approx(arrivals * sum(length) / len(length), rel=0.03)


def test_parking_pages_are_full_but_the_last_and_repeat_themselves(autumn: Path) -> None:
    polls: dict[str, list[Path]] = defaultdict(list)
    for path in sorted((autumn / "parking_events").iterdir()):
        polls[path.name.rsplit("_", 1)[0]].append(path)
    repeated = 0
    for pages in polls.values():
        sizes = [len(records(p)) for p in pages]
        assert all(size == parking_events.PAGE for size in sizes[:-1])
        assert sizes[-1] < parking_events.PAGE
        ids = [e["id"] for p in pages for e in records(p)]
        repeated += len(ids) - len(set(ids))
    assert repeated > 0
    assert max(len(pages) for pages in polls.values()) > 1
    late = [
        e for e in everything(autumn, "parking_events")
        if e["recu"] > e["horodatage"][:19] and _readable(e)
        and datetime.fromisoformat(e["recu"]) - datetime.fromisoformat(e["horodatage"]) > timedelta(hours=1)
    ]  # fmt: skip
    assert {e["zone"] for e in late} == {"Z3"}


def test_car_parks_blanks_mean_unchanged(autumn: Path) -> None:
    last: dict[str, list[str]] = {}
    found = set()
    passes: Counter[tuple[str, str]] = Counter()
    blank = 0
    for path in sorted((autumn / "car_parks").glob("parkings_????????.csv")):
        before = None
        for row in table(path):
            if row == before:
                continue
            before = row
            cells = [row["Capacité"], row["Places libres"], row["État"]]
            blank += cells.count("")
            if "ERR" in cells:
                continue
            last[row["Code"]] = [new or old for new, old in zip(cells, last.get(row["Code"], cells), strict=True)]
            again = passes[row["Code"], row["Horodatage"]]
            time = datetime.strptime(row["Horodatage"], "%d/%m/%Y %H:%M").replace(tzinfo=PARIS, fold=again)
            passes[row["Code"], row["Horodatage"]] += 1
            words = {"Ouvert": "open", "Complet": "full", "Fermé": "closed"}
            capacity, free, status = last[row["Code"]]
            found.add((row["Code"], _utc(time.astimezone(UTC)), capacity, free, words[status]))
    expected = {tuple(r.values()) for r in truth(autumn, "car_park_snapshots")}
    assert found == expected
    assert blank > len(expected)
    assert {int(r[3]) for r in expected} & set(range(-10, 0))  # a counter that drifts


def test_charging_points_states_are_those_of_the_feed(autumn: Path) -> None:
    seen = {}
    for path in sorted((autumn / "charging_points").glob("irve_dynamique_*.csv")):
        for row in table(path):
            if len(row["horodatage"]) > 19:
                time = _utc(datetime.fromisoformat(row["horodatage"]).astimezone(UTC))
                seen[row["id_pdc_itinerance"], time] = (row["etat_pdc"], row["occupation_pdc"])
    expected = truth(autumn, "charging_statuses")
    words = {"in_service": "en_service", "out_of_service": "hors_service", "unknown": "inconnu", "free": "libre",
             "occupied": "occupe", "reserved": "reserve"}  # fmt: skip
    assert seen == {
        (r["charging_point_id"], r["status_time"]): (words[r["operating_status"]], words[r["occupancy_status"]])
        for r in expected
    }
    offsets = {row["horodatage"][19:] for row in everything(autumn, "charging_points") if "horodatage" in row}
    assert offsets == {"+0000", "+01:00", "+02:00", ""}


def test_charging_inventory_has_the_habits_of_operators(tmp_path: Path) -> None:
    job = Job(tmp_path, 58, date(2026, 10, 5), 25, 1.0, load_territory(), Truth())
    charging_points.write(job)
    first, second = (table(p) for p in sorted((tmp_path / "charging_points").glob("irve_statique_*.csv")))
    assert len(first) - len(second) == 1
    assert list(first[0]) == list(charging_points.STATIC)
    assert {r["puissance_nominale"] for r in second} - {r["puissance_nominale"] for r in first} == {"24"}
    assert sum(r["id_pdc_itinerance"] == "Non concerné" for r in first) == 1
    assert {r["code_insee_commune"] for r in first} - {c.insee for c in job.territory.communes} == {"58000"}
    longitudes = {float(r["coordonneesXY"].strip("[]").split(",")[0]) for r in first}
    assert len({x for x in longitudes if x > 40}) == 1  # one station gives its coordinates the wrong way round


# Environment


def test_air_means_are_those_of_the_good_values_once_corrected(autumn: Path) -> None:
    headers = dict(
        zip(("NO2 (µg/m³)", "O3 (µg/m³)", "PM10 (µg/m³)", "PM2,5 (µg/m³)"), air_stations.PROPERTIES, strict=True)
    )
    points: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted((autumn / "air_stations").iterdir(), key=lambda p: p.stem):  # the correction comes after
        for row in table(path):
            if "#####" not in row.values() and not row["Date/heure (TU)"].startswith("31/02"):
                points[row["Code station"], row["Date/heure (TU)"]] = row
    good: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (station, time), row in points.items():
        day = datetime.strptime(time, "%d/%m/%Y %H:%M").replace(tzinfo=UTC).astimezone(PARIS).date().isoformat()
        for header, name in headers.items():
            if row["Validité"] == "Valide" and (value := number(row[header])) is not None:
                good[station, day, name].append(value)
    expected = truth(autumn, "air_daily")
    for r in expected:
        mine = good[r["station_id"], r["business_date"], r["property"]]
        assert len(mine) == int(r["good_values"])
        if mine:
            assert sum(mine) / len(mine) == pytest.approx(float(r["mean_ug_m3"]), abs=0.051)
    assert {r["good_values"] for r in expected} > {"96"}
    texts = {cell for row in everything(autumn, "air_stations") for cell in row.values()}
    assert {"-9999", "N/D", "Invalide", "Douteuse"} <= texts


def test_the_corrected_day_of_the_air_differs_in_one_station(autumn: Path) -> None:
    (again,) = (autumn / "air_stations").glob("*_v2.csv")
    first = table(again.with_name(again.name.replace("_v2", "")))
    changed = [(a, b) for a, b in zip(first, table(again), strict=True) if a != b]
    assert len({a["Code station"] for a, _ in changed}) == 1
    assert {k for a, b in changed for k in a if a[k] != b[k]} == {"NO2 (µg/m³)"}
    assert len(changed) > 60


@pytest.mark.parametrize(("which", "day", "hours"), [("autumn", AUTUMN, 25), ("spring", SPRING, 23)])
def test_weather_days_of_25_and_23_hours(which: str, day: date, hours: int, request: pytest.FixtureRequest) -> None:
    out: Path = request.getfixturevalue(which)
    rows = table(out / "weather_stations" / f"meteo_{day:%Y%m%d}.csv")
    distinct = [row for before, row in pairwise([None, *rows]) if row != before]
    counts = Counter(row["Station"] for row in distinct)
    assert set(counts.values()) == {4 * hours}
    clock = [row["Date et heure"][11:16] for row in distinct if row["Station"] == "MTO01"]
    if hours == 25:
        assert clock[8:17] == ["02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00"]
    else:
        assert clock[7:9] == ["01:45", "03:00"]


def test_weather_extremes_and_rain(autumn: Path) -> None:
    warm: dict[tuple[str, str], list[float]] = defaultdict(list)
    rain: Counter[tuple[str, str]] = Counter()
    for path in sorted((autumn / "weather_stations").iterdir()):
        day = f"{path.stem[-8:-4]}-{path.stem[-4:-2]}-{path.stem[-2:]}"
        before = None
        for row in table(path):
            if row != before and row["Température (°C)"] != "ERREUR":
                key = (row["Station"], day)
                warm[key] += [v] if (v := number(row["Température (°C)"])) is not None else []
                rain[key] += round(10 * (number(row["Pluie (mm)"]) or 0))
            before = row
    expected = truth(autumn, "weather_daily")
    for r in expected:
        mine = warm[r["station_id"], r["business_date"]]
        assert (len(mine), min(mine), max(mine)) == (int(r["measures"]), float(r["lowest_c"]), float(r["highest_c"]))
        assert rain[r["station_id"], r["business_date"]] == round(10 * float(r["rainfall_mm"]))
    assert len(expected) == 2 * 10


def test_soil_readings(autumn: Path) -> None:
    points = {
        (r["sonde"], r["horodatage"]): r for r in everything(autumn, "soil_moisture") if ",," not in r["humidite_10cm"]
    }
    expected = truth(autumn, "soil_probes")
    for r in expected:
        mine = [p for (probe, _), p in points.items() if probe == r["probe_id"]]
        assert len(mine) == int(r["readings"])
        for depth in (10, 30, 60):
            values = [v for p in mine if (v := number(p[f"humidite_{depth}cm"])) is not None]
            assert sum(values) / len(values) == pytest.approx(float(r[f"mean_{depth}cm_pct"]), abs=0.001)
    assert len({r["readings"] for r in expected}) > 1
    assert {t[19:] for _, t in points} == {"+02:00", "+01:00"}


def test_bins_are_emptied_when_it_was_worth_it(autumn: Path) -> None:
    levels: dict[str, dict[datetime, tuple[int, str]]] = defaultdict(dict)
    for m in everything(autumn, "waste_bins"):
        if isinstance(m.get("fillLevel"), int) and m["at"].endswith("Z"):
            levels[m["bin"]][datetime.fromisoformat(m["at"])] = (m["fillLevel"], m["status"])
    rounds = truth(autumn, "waste_bin_emptyings")
    compared = 0
    for r in rounds:
        when = datetime.fromisoformat(r["emptied_time"])
        mine = sorted(levels[r["bin_id"]].items())
        before = [v for t, v in mine if timedelta() < when - t < timedelta(hours=6.1)]
        after = [v for t, v in mine if timedelta() < t - when < timedelta(hours=6.1)]
        assert float(r["fill_before_pct"]) >= 62
        if r["bin_id"] != "PAV-0002" and before and after and {before[-1][1], after[0][1]} == {"ok"}:
            assert before[-1][0] == pytest.approx(float(r["fill_before_pct"]), abs=12)
            assert after[0][0] == pytest.approx(float(r["fill_after_pct"]), abs=12)
            compared += 1
    assert compared > 20


def test_bins_say_what_they_are_unsure_of(autumn: Path) -> None:
    measures = everything(autumn, "waste_bins")
    assert {m["status"] for m in measures} == {"ok", "unsure", "error"}
    assert all(("fillLevel" in m) == (m["status"] != "error") for m in measures if m.get("fillLevel") != "ERR")


def test_round_sheets_carry_the_true_weights(autumn: Path) -> None:
    said = {}
    for path in sorted((autumn / "waste_collections").iterdir(), key=lambda p: p.stem):
        *lines, total = sheet(path)
        assert total[0] == "Total"
        weight = 0.0
        for when, name, _, _, _, tonnage, *_ in lines:
            day = when if isinstance(when, date) else date(*map(int, reversed(when.split("/"))))
            if tonnage != "voir ticket":
                value = number(str(tonnage)) if tonnage != "" else None
                said[day.isoformat()[:10], name] = value
                weight += value or 0
        assert total[5] == pytest.approx(weight)
    expected = truth(autumn, "waste_rounds")
    assert said == {(r["collection_date"], r["round_id"]): number(r["tonnage_t"]) for r in expected}
    assert {r["insee_code"] for r in expected} <= {"", *(c.insee for c in load_territory().communes)}
    assert list((autumn / "waste_collections").glob("*_rectif.xlsx"))
