"""The simulated bus network: one schedule, one operation, and three platforms that tell it each in their own way."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from google.transit import gtfs_realtime_pb2

from ingestion.territory import load_territory
from simulation import transit_gtfs, transit_network, transit_realtime, transit_validations
from simulation.job import Job
from simulation.transit_operation import NEVER, operated
from simulation.truth import Truth

if TYPE_CHECKING:
    from pathlib import Path

PARIS = ZoneInfo("Europe/Paris")
START, DAYS = date(2026, 10, 5), 30  # the timetable changes on the 29th day, the clock on the 21st
MODULES = (transit_gtfs, transit_realtime, transit_validations)


def job(out: Path, **changes: object) -> Job:
    known = {"seed": 58, "start": START, "days": DAYS, "scale": 0.2, "territory": load_territory(), "truth": Truth()}
    return Job(out=out, **{**known, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = job(tmp_path_factory.mktemp("transit"))
    for module in MODULES:
        module.write(made)
    made.truth.write(made.out / "_truth")
    return made.out


def truth(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "_truth" / f"{name}.csv").read_text("utf-8"))))


def ledger(out: Path, source: str) -> dict[str, tuple[int, ...]]:
    """File to (read, loaded, duplicate, quarantined)."""
    names = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    return {r["file"]: tuple(int(r[n]) for n in names) for r in truth(out, "ledger") if r["source"] == source}


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def table(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))


def feed(out: Path, name: str) -> dict[str, list[dict[str, str]]]:
    return {member: table(text) for member, text in members(out / "transit_gtfs" / name).items()}


def messages(out: Path, kind: str) -> dict[str, Any]:
    found = {}
    for path in sorted((out / "transit_realtime").iterdir()):
        for member, data in members(path).items():
            if member.startswith(kind):
                found[f"{path.name}!{member}"] = gtfs_realtime_pb2.FeedMessage.FromString(data)
    return found


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("one", 58), ("two", 58), ("other", 59)):
        made = job(tmp_path / name, seed=seed, days=2, scale=0.1)
        for module in MODULES:
            module.write(made)
        files = sorted(p for p in made.out.rglob("*") if p.is_file())
        digests.append({str(p.relative_to(made.out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    one, two, other = digests
    assert one == two
    changed = {name.split("/")[0] for name in one if one[name] != other.get(name)}
    assert changed == {module.SOURCE for module in MODULES}


def test_every_file_is_in_the_ledger_and_adds_up(out: Path) -> None:
    for source in ("transit_gtfs", "transit_realtime"):
        files = {f"{path.name}!{m}" for path in (out / source).iterdir() for m in members(path)}
        assert set(ledger(out, source)) == files
    assert set(ledger(out, "transit_validations")) == {p.name for p in (out / "transit_validations").iterdir()}
    refused = Counter((r["source"], r["file"]) for r in truth(out, "quarantine"))
    for source in ("transit_gtfs", "transit_realtime", "transit_validations"):
        for name, (read, loaded, duplicate, quarantined) in ledger(out, source).items():
            assert read == loaded + duplicate + quarantined, name
            assert refused.get((source, name), 0) == quarantined, name


# The schedule ---------------------------------------------------------------------------------------------------------


def test_the_network_serves_every_commune(tmp_path: Path) -> None:
    whole = job(tmp_path, scale=1.0)
    lines = transit_network.lines(whole)
    assert len(lines) == 15
    assert {p.commune.insee for line in lines for p in line.places} == {c.insee for c in load_territory().communes}
    for line in lines:
        for direction in (0, 1):
            minutes = np.diff(line.offsets[direction]) / 60
            assert minutes.min() >= 1
            assert minutes.sum() < 75


def test_one_vehicle_is_never_at_two_places(tmp_path: Path) -> None:
    (timetable, *_) = transit_network.timetables(job(tmp_path, scale=1.0))
    for service, trips in timetable.of_service.items():
        worked: dict[str, list[transit_network.Trip]] = defaultdict(list)
        for trip in sorted(trips, key=lambda t: t.departure):
            worked[trip.vehicle].append(trip)
        for own in worked.values():
            for before, after in pairwise(own):
                assert before.times[-1] < after.departure, service
                assert before.direction != after.direction, "it leaves from where it came to"


def test_days_and_services() -> None:
    kinds = {"2026-10-05": "LAV", "2026-10-19": "VAC", "2026-10-24": "SAM", "2026-10-25": "DIM", "2026-11-11": "DIM"}
    assert {day: transit_network.service_on(date.fromisoformat(day)) for day in kinds} == kinds
    assert transit_network.service_on(date(2026, 12, 25)) is None


def test_the_calendars_say_what_runs(out: Path) -> None:
    """Read as the specification says, they give the days' true services and trips."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for expected in truth(out, "transit_offer_daily"):
        day = date.fromisoformat(expected["service_date"])
        files = feed(out, expected["feed"])
        running = {
            r["service_id"]
            for r in files["calendar.txt"]
            if r["start_date"] <= f"{day:%Y%m%d}" <= r["end_date"] and r[names[day.weekday()]] == "1"
        }
        for r in files["calendar_dates.txt"]:
            if r["date"] == f"{day:%Y%m%d}":
                (running.add if r["exception_type"] == "1" else running.discard)(r["service_id"])
        assert running == {expected["service_id"]}
        trips = {r["trip_id"] for r in files["trips.txt"] if r["service_id"] in running}
        assert len(trips) == int(expected["trips"])
        assert sum(r["trip_id"] in trips for r in files["stop_times.txt"]) == int(expected["stop_times"])


def test_exports_refer_to_what_they_hold(out: Path) -> None:
    for name in ("gtfs_20261005.zip", "gtfs_20261026.zip"):
        files = feed(out, name)
        stops, trips = ({r[f"{k}_id"] for r in files[f"{k}s.txt"]} for k in ("stop", "trip"))
        assert {r["stop_id"] for r in files["stop_times.txt"]} <= stops
        assert {r["trip_id"] for r in files["stop_times.txt"]} == trips
        assert {r["parent_station"] for r in files["stops.txt"] if r["parent_station"]} <= stops
        assert {r["shape_id"] for r in files["trips.txt"]} == {r["shape_id"] for r in files["shapes.txt"]}


def test_exports_have_their_faults(out: Path) -> None:
    files = feed(out, "gtfs_20261005.zip")
    assert "," in files["stops.txt"][-1]["stop_lat"]
    assert sum("," in r["stop_lat"] for r in files["stops.txt"]) == 1
    assert files["shapes.txt"][-1] == files["shapes.txt"][-2]
    assert any(r["arrival_time"] >= "24:00:00" for r in files["stop_times.txt"])
    assert members(out / "transit_gtfs/gtfs_20261005.zip")["stops.txt"].startswith(b"\xef\xbb\xbf")


def test_the_second_timetable_shifts_one_line_under_the_same_trips(out: Path) -> None:
    first, second = (
        {(r["trip_id"], r["stop_sequence"]): r["departure_time"] for r in feed(out, n)["stop_times.txt"]}
        for n in ("gtfs_20261005.zip", "gtfs_20261026.zip")
    )
    assert first.keys() == second.keys()
    shifted = {trip.split("-")[0] for trip, n in first if first[trip, n] != second[trip, n]}
    assert shifted == {transit_network.lines(job(out))[1].id}


# What happened --------------------------------------------------------------------------------------------------------


def test_the_operation_keeps_order_and_clock(tmp_path: Path) -> None:
    made = job(tmp_path)
    tables = transit_network.timetables(made)
    autumn = operated(made, tables, date(2026, 10, 25))
    assert autumn is not None
    for row, trip in enumerate(autumn.trips):
        actual = autumn.actual[row][autumn.actual[row] < NEVER]
        assert (np.diff(actual) >= 0).all()
        # times are counted from twelve hours before noon: nine o'clock is nine o'clock on the 25-hour day too
        planned = datetime.fromtimestamp(int(autumn.scheduled[row, 0]), PARIS)
        assert planned.hour * 3600 + planned.minute * 60 == trip.departure
    again = operated(made, tables, date(2026, 10, 25))
    assert again is not None
    assert (again.delay == autumn.delay).all()
    assert operated(made, tables, date(2026, 12, 25)) is None


def test_messages_tell_the_true_delays(out: Path) -> None:
    told: dict[tuple[str, str, int], int] = {}
    for name, message in sorted(messages(out, "trip_updates").items(), key=lambda m: m[1].header.timestamp):
        read, *_ = ledger(out, "transit_realtime")[name]
        assert len(message.entity) == read
        for entity in message.entity:
            trip = entity.trip_update.trip
            day = datetime.strptime(trip.start_date, "%Y%m%d").date().isoformat()  # noqa: DTZ007
            for update in entity.trip_update.stop_time_update:
                told[day, trip.trip_id, update.stop_sequence] = update.arrival.delay
            if trip.schedule_relationship == trip.CANCELED:
                assert not entity.trip_update.stop_time_update
                told[day, trip.trip_id, 0] = 0
    expected = {
        (r["service_date"], r["trip_id"], int(r["stop_sequence"])): int(r["delay_s"])
        for r in truth(out, "transit_delays")
    }
    assert told == expected
    assert any(sequence == 0 for *_, sequence in told), "some trip was cancelled"


def test_the_delay_at_the_next_stop_is_what_happened(out: Path) -> None:
    made = job(out)
    day = date(2026, 10, 6)
    operation = operated(made, transit_network.timetables(made), day)
    assert operation is not None
    rows = {trip.id: n for n, trip in enumerate(operation.trips)}
    seen = 0
    for message in messages(out, "trip_updates").values():
        for entity in message.entity:
            update = entity.trip_update
            if update.trip.start_date == f"{day:%Y%m%d}" and len(update.stop_time_update) > 1:
                next_stop = update.stop_time_update[0]
                assert (
                    next_stop.arrival.delay == operation.delay[rows[update.trip.trip_id], next_stop.stop_sequence - 1]
                )
                seen += 1
    assert seen > 20


def test_positions_are_told_once_or_known_as_repeated(out: Path) -> None:
    known: set[bytes] = set()
    lost, late = 0, 0
    for name, message in messages(out, "vehicle_positions").items():
        read, _, duplicate, _ = ledger(out, "transit_realtime")[name]
        own = [e.SerializeToString(deterministic=True) for e in message.entity]
        assert len(own) == read
        assert len({e.vehicle.vehicle.id for e in message.entity}) == read, "a vehicle is once in a message"
        assert sum(e in known for e in own) == duplicate, name
        known |= set(own)
        lost += sum(e.vehicle.position.latitude == 0 for e in message.entity)
        late += duplicate
    daily = truth(out, "transit_positions_daily")
    assert sum(int(r["positions"]) for r in daily) == len(known)
    assert lost >= sum(int(r["without_place"]) for r in daily) > 0
    assert late > 0


def test_a_message_fetched_again_is_all_known(out: Path) -> None:
    by_content: dict[bytes, list[str]] = defaultdict(list)
    for path in sorted((out / "transit_realtime").iterdir()):
        for member, data in members(path).items():
            if member.startswith("trip_updates"):
                by_content[data].append(f"{path.name}!{member}")
    again = [names[1] for names in by_content.values() if len(names) > 1]
    assert len(again) == DAYS // 3
    for name in again:
        read, loaded, duplicate, _ = ledger(out, "transit_realtime")[name]
        assert (loaded, duplicate) == (0, read)


def test_alerts_change_their_text(out: Path) -> None:
    texts: dict[str, list[str]] = defaultdict(list)
    empty = 0
    for message in messages(out, "alerts").values():
        empty += not message.entity
        for entity in message.entity:
            texts[entity.id].append(entity.alert.description_text.translation[0].text)
    assert empty, "often there is nothing to tell"
    assert {r["alert_id"]: r["description"] for r in truth(out, "transit_alerts")} == {
        k: v[-1] for k, v in texts.items()
    }
    assert any(len(set(told)) == 2 for told in texts.values())


# Tickets --------------------------------------------------------------------------------------------------------------


def _validations(out: Path) -> dict[str, list[dict[str, str]]]:
    return {
        path.name: list(csv.DictReader(io.StringIO(path.read_bytes().decode("cp1252")), delimiter=";"))
        for path in sorted((out / "transit_validations").iterdir())
    }


def test_validations_are_the_true_counts(out: Path) -> None:
    """Rows sent again and rows that cannot be dated left out, the last word of each counted."""
    last: dict[str, dict[str, str]] = {}
    known: set[str] = set()
    for name, rows in _validations(out).items():
        duplicate = quarantined = 0
        for row in rows:
            identity = "|".join(row.values())
            if row["date_heure"].endswith("1980 00:04:12"):
                quarantined += 1
                continue
            duplicate += identity in known
            known.add(identity)
            last[row["id_validation"]] = row
        assert ledger(out, "transit_validations")[name][2:] == (duplicate, quarantined), name
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in last.values():
        when = row["date_heure"]
        own = counts[f"{when[6:10]}-{when[3:5]}-{when[:2]}", row["ligne"]]
        own[0] += 1
        own[1] += row["resultat"] == "OK"
        own[2] += not row["num_support"]
    expected = {
        (r["business_date"], r["line_id"]): [int(r[k]) for k in ("validations", "accepted", "anonymous")]
        for r in truth(out, "transit_validations_daily")
    }
    assert dict(counts) == expected


def test_validations_have_their_faults(out: Path) -> None:
    files = _validations(out)
    rows = [row for own in files.values() for row in own]
    assert any(not row["code_arret"] for row in rows)
    assert any(not row["num_support"] for row in rows)
    assert any(name.endswith("_bis.csv") for name in files)
    assert {r["column"] for r in truth(out, "quarantine") if r["source"] == "transit_validations"} == {"date_heure"}
    late = [
        name
        for name, own in files.items()
        for stamp in (row["date_heure"] for row in own)
        if "/1980" not in stamp and f"validations_{stamp[6:10]}{stamp[3:5]}{stamp[:2]}" < name[:20]
    ]
    assert late, "a vehicle away for the night uploads the day after"


def test_refused_lines_are_where_the_truth_says(out: Path) -> None:
    for entry in truth(out, "quarantine"):
        if entry["source"] == "transit_validations":
            lines = (out / "transit_validations" / entry["file"]).read_bytes().decode("cp1252").split("\r\n")
            assert ";01/01/1980 " in lines[int(entry["line"]) - 1]


def test_nobody_boards_a_cancelled_trip_or_a_line_at_its_end(out: Path) -> None:
    made = job(out)
    tables = transit_network.timetables(made)
    ends = {line.stops(d)[-1].point(d) for line in transit_network.lines(made) for d in (0, 1)}
    only_ends = ends - {
        place.point(d) for line in transit_network.lines(made) for d in (0, 1) for place in line.stops(d)[:-1]
    }
    rows = [row for own in _validations(out).values() for row in own]
    assert only_ends
    assert not {row["code_arret"] for row in rows} & only_ends
    assert any(operated(made, tables, START + timedelta(days=n)).cancelled.any() for n in range(5))  # type: ignore[union-attr]
