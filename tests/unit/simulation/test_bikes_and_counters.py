"""The simulated shared bikes and the counters of the cycle ways: both versions of the feed, weeks that come twice."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.territory import load_territory
from simulation import bike_stations, eco_counters, traffic_counts
from simulation.job import Job
from simulation.truth import Truth

if TYPE_CHECKING:
    from pathlib import Path

START, DAYS = date(2026, 10, 5), 26  # the clock changes on the 21st day, the feed's version on the 25th


def job(out: Path, **changes: object) -> Job:
    known = {"seed": 58, "start": START, "days": DAYS, "scale": 0.5, "territory": load_territory(), "truth": Truth()}
    return Job(out=out, **{**known, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = job(tmp_path_factory.mktemp("bikes"))
    bike_stations.write(made)
    traffic_counts.write(made)
    made.truth.write(made.out / "_truth")
    return made.out


def truth(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "_truth" / f"{name}.csv").read_text("utf-8"))))


def ledger(out: Path, source: str) -> dict[str, tuple[int, ...]]:
    """File to (read, loaded, duplicate, quarantined)."""
    names = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    return {r["file"]: tuple(int(r[n]) for n in names) for r in truth(out, "ledger") if r["source"] == source}


def documents(out: Path, kind: str) -> dict[str, Any]:
    found = {}
    for path in sorted((out / "bike_stations").iterdir()):
        with zipfile.ZipFile(path) as archive:
            found |= {f"{path.name}!{n}": json.loads(archive.read(n)) for n in archive.namelist() if n.startswith(kind)}
    return found


def instant(value: int | str) -> str:
    moment = datetime.fromtimestamp(value, UTC) if isinstance(value, int) else datetime.fromisoformat(value)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("one", 58), ("two", 58), ("other", 59)):
        made = job(tmp_path / name, seed=seed, days=2)
        bike_stations.write(made)
        eco_counters.write_exports(made)
        files = sorted(p for p in made.out.rglob("*") if p.is_file())
        digests.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    assert digests[0] == digests[1]
    assert set(digests[0].values()).isdisjoint(digests[2].values())


# Bikes ----------------------------------------------------------------------------------------------------------------


def test_status_in_either_version_is_the_truth(out: Path) -> None:
    expected = {(r["station_id"], r["snapshot_time"]): (int(r["bikes"]), int(r["docks"])) for r in truth(out, "bike_stations_hourly")}  # fmt: skip
    told: dict[tuple[str, str], tuple[int, int]] = {}
    versions = set()
    for name, document in documents(out, "station_status").items():
        when = instant(document["last_updated"])
        again = 0
        versions.add(document["version"])
        for station in document["data"]["stations"]:
            bikes = station.get("num_bikes_available", station.get("num_vehicles_available"))
            again += (station["station_id"], when) in told
            told[station["station_id"], when] = (bikes, station["num_docks_available"])
        read, _, duplicate, _ = ledger(out, "bike_stations")[name]
        assert (len(document["data"]["stations"]), again) == (read, duplicate)
    assert told == expected
    assert versions == {"2.3", "3.0"}


def test_stations_are_never_fuller_than_they_are_large(out: Path) -> None:
    sizes = {s["station_id"]: s["capacity"] for d in documents(out, "station_information").values() for s in d["data"]["stations"]}  # fmt: skip
    for r in truth(out, "bike_stations_hourly"):
        assert int(r["bikes"]) >= 0
        assert int(r["docks"]) >= 0
        assert sizes[r["station_id"]] - 1 <= int(r["bikes"]) + int(r["docks"]) <= sizes[r["station_id"]]


def test_the_cache_leaves_holes_and_the_long_day_has_25_hours(out: Path) -> None:
    by_day: dict[str, int] = defaultdict(int)
    for name in documents(out, "station_status"):
        by_day[name[5:13]] += 1
    assert by_day["20261025"] == 25
    assert {n for day, n in by_day.items() if day != "20261025"} == {24}
    stations = {r["station_id"] for r in truth(out, "bike_stations_hourly")}
    hours = len({r["snapshot_time"] for r in truth(out, "bike_stations_hourly")})
    assert hours == DAYS * 24 + 1 - DAYS // 2
    assert len(truth(out, "bike_stations_hourly")) == hours * len(stations)


def test_a_silent_station_repeats_its_last_word(out: Path) -> None:
    reports: dict[str, list[str]] = defaultdict(list)
    for _, document in sorted(documents(out, "station_status").items()):
        for station in document["data"]["stations"]:
            reports[station["station_id"]].append(instant(station["last_reported"]))
    longest = {station: max(times.count(t) for t in times) for station, times in reports.items()}
    assert max(longest.values()) >= 9
    assert sorted(longest.values())[-2] <= 2


def test_one_list_has_a_latitude_with_a_comma(out: Path) -> None:
    (entry,) = [r for r in truth(out, "quarantine") if r["source"] == "bike_stations"]
    station = documents(out, "station_information")[entry["file"]]["data"]["stations"][int(entry["line"]) - 1]
    assert "," in station[entry["column"]]


# Counters -------------------------------------------------------------------------------------------------------------


def _measures(out: Path) -> dict[str, list[dict[str, str]]]:
    return {
        path.name: list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
        for path in sorted((out / "traffic_counts").glob("eco_measure_*.csv"))
    }


def test_the_last_word_of_each_hour_is_the_truth(out: Path) -> None:
    known: dict[tuple[str, str], str] = {}
    corrected = 0
    for name, rows in _measures(out).items():
        duplicate = 0
        for row in rows:
            key = (row["channel_id"], instant(row["start_datetime"]))
            duplicate += known.get(key) == row["count"]
            corrected += key in known and known[key] != row["count"]
            known[key] = row["count"]
        read, _, again, _ = ledger(out, "traffic_counts")[name]
        assert (len(rows), duplicate) == (read, again)
    expected = {
        (r["channel_id"], r["start_time"]): r["passages"] if r["measured"] == "1" else ""
        for r in truth(out, "eco_counts_hourly")
    }
    assert known == expected
    assert corrected > 0
    assert "" in known.values()


def test_every_step_is_an_hour_on_the_long_day_too(out: Path) -> None:
    for rows in _measures(out).values():
        for row in rows:
            begin, end = (datetime.fromisoformat(row[f"{k}_datetime"]) for k in ("start", "end"))
            assert end - begin == timedelta(hours=1)
    of_day = [r for r in truth(out, "eco_counts_hourly") if "2026-10-24T22" <= r["start_time"] < "2026-10-25T23"]
    assert len(of_day) == 25 * len({r["channel_id"] for r in of_day})


def test_channels_sites_and_register_agree(out: Path) -> None:
    channels, sites = (
        list(csv.DictReader(io.StringIO(next((out / "traffic_counts").glob(f"eco_{k}_*.csv")).read_text("utf-8"))))
        for k in ("channel", "site")
    )
    things = {asset.native_id: asset for asset in traffic_counts.things(job(out))}
    assert (
        {c["channel_id"] for c in channels} == set(things) == {r["channel_id"] for r in truth(out, "eco_counts_hourly")}
    )
    assert {c["site_id"] for c in channels} == {s["site_id"] for s in sites}
    assert {(s["fr_insee_code"], s["xlong"], s["ylat"]) for s in sites} == {
        (a.commune.insee, f"{a.longitude:.6f}", f"{a.latitude:.6f}") for a in things.values()
    }
