"""The schedule export of the bus network: a GTFS archive at the start, another when the timetable changes.

Belongs here: the files of the archive, their columns, and the export's faults. Does not: stops, lines and trips
(`transit_network`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulation.archives import write_archive
from simulation.files import csv_text
from simulation.transit_network import (
    FARES,
    SATURDAY,
    SUNDAY,
    WEEKDAY,
    Line,
    Place,
    Timetable,
    in_force,
    places,
    service_on,
    timetables,
    trips_on,
)
from simulation.truth import BAD_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from simulation.job import Job

SOURCE = "transit_gtfs"
AGENCY = "TANEO"
_BUS = 3
_DEPOT = "Dépôt"  # no trip stops there, and its latitude is written with a comma
_RENAMED = ("Courlis", "Courlis Médiathèque")  # in the second export
_RUN_ON = {WEEKDAY: "1111100", SATURDAY: "0000010", SUNDAY: "0000001"}  # holidays only by date: VAC has no weekdays
_ADDED, _REMOVED = 1, 2
_TRANSFER_S = 180

Rows = list[tuple[object, ...]]


def write(job: Job) -> None:
    """One archive per timetable, named by the day it was published."""
    tables = timetables(job)
    for table in tables:
        files = _files(job, table)
        name = f"gtfs_{table.published:%Y%m%d}.zip"
        members: dict[str, bytes] = {}
        for file, (header, rows) in files.items():
            text = csv_text(header, rows, end="\r\n")
            members[file] = text.encode("utf-8-sig" if file == "stops.txt" else "utf-8")
            if file not in ("stops.txt", "shapes.txt"):
                job.truth.file(SOURCE, f"{name}!{file}", read=len(rows))
        # The export repeats the last point of its last shape.
        job.truth.file(SOURCE, f"{name}!shapes.txt", read=len(files["shapes.txt"][1]), duplicate=1)
        stops = files["stops.txt"][1]
        job.truth.file(SOURCE, f"{name}!stops.txt", read=len(stops), quarantined=1)
        job.truth.refuse(SOURCE, f"{name}!stops.txt", line=len(stops) + 1, column="stop_lat", reason=BAD_NUMBER)
        write_archive(job.folder(SOURCE) / name, members)
    job.truth.table("transit_offer_daily", ("service_date", "feed", "service_id", "trips", "stop_times"), _offer(job))


def _offer(job: Job) -> Iterator[tuple[object, ...]]:
    """Trips and stops that each day should have."""
    tables = timetables(job)
    for day in job.dates():
        trips = trips_on(tables, day)
        feed = f"gtfs_{in_force(tables, day).published:%Y%m%d}.zip"
        yield day.isoformat(), feed, service_on(day) or "", len(trips), sum(len(t.line.places) for t in trips)


def _files(job: Job, table: Timetable) -> dict[str, tuple[Sequence[str], Rows]]:
    """Header and rows of each file, in the order the tool writes them."""
    return {
        "agency.txt": (
            ("agency_id", "agency_name", "agency_url", "agency_timezone", "agency_lang", "agency_phone"),
            [(AGENCY, "Réseau Tanéo", "https://transport.example/", job.territory.zone.key, "fr", "")],
        ),
        "calendar.txt": _calendar(table),
        "calendar_dates.txt": _calendar_dates(table),
        "fare_attributes.txt": (
            ("fare_id", "price", "currency_type", "payment_method", "transfers", "agency_id", "transfer_duration"),
            [(c, f"{p:.2f}", "EUR", int(is_pass), "", AGENCY, "" if is_pass else 3600) for c, _, p, is_pass in FARES],
        ),
        "fare_rules.txt": (("fare_id", "route_id"), [(code, line.id) for code, *_ in FARES for line in table.lines]),
        "feed_info.txt": (
            ("feed_publisher_name", "feed_publisher_url", "feed_lang", "feed_start_date", "feed_end_date",
             "feed_version"),
            [(job.territory.name, "https://transport.example/", "fr", _ymd(table.first), _ymd(table.last),
              f"{table.published:%Y}-{table.number + 1}")],
        ),
        "routes.txt": (
            ("route_id", "agency_id", "route_short_name", "route_long_name", "route_type", "route_color",
             "route_text_color"),
            [(line.id, AGENCY, line.id, line.name, _BUS, line.colour, "FFFFFF") for line in table.lines],
        ),
        "shapes.txt": _shapes(table),
        "stop_times.txt": _stop_times(table),
        "stops.txt": _stops(job, table),
        "transfers.txt": (
            ("from_stop_id", "to_stop_id", "transfer_type", "min_transfer_time"),
            [(p.point(0), p.point(1), 2, _TRANSFER_S) for p in _served(table)],
        ),
        "trips.txt": (
            ("route_id", "service_id", "trip_id", "trip_headsign", "direction_id", "block_id", "shape_id",
             "wheelchair_accessible", "bikes_allowed"),
            [(t.line.id, t.service, t.id, t.line.stops(t.direction)[-1].name, t.direction, t.vehicle,
              _shape(t.line, t.direction), 1, 2) for t in table.trips],
        ),
    }  # fmt: skip


def _calendar(table: Timetable) -> tuple[Sequence[str], Rows]:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    period = (_ymd(table.first), _ymd(table.last))
    return ("service_id", *days, "start_date", "end_date"), [(s, *on, *period) for s, on in _RUN_ON.items()]


def _calendar_dates(table: Timetable) -> tuple[Sequence[str], Rows]:
    """Every day that is not what its weekday says."""
    rows: Rows = []
    for number in range((table.last - table.first).days + 1):
        day = table.first + timedelta(days=number)
        usual, real = next(s for s, on in _RUN_ON.items() if on[day.weekday()] == "1"), service_on(day)
        if usual != real:
            rows.append((usual, _ymd(day), _REMOVED))
            rows += [(real, _ymd(day), _ADDED)] if real else []
    return ("service_id", "date", "exception_type"), rows


def _served(table: Timetable) -> list[Place]:
    """Each stop of the lines, once."""
    return list({place.code: place for line in table.lines for place in line.places}.values())


def _stops(job: Job, table: Timetable) -> tuple[Sequence[str], Rows]:
    """A station per place and a stop point per side of the street; last comes the depot, with its faulty latitude."""
    rows: Rows = []
    for place in _served(table):
        name = _RENAMED[1] if table.number and place.name == _RENAMED[0] else place.name
        town, lat, lon = place.commune.name, place.latitude, place.longitude
        rows.append((place.code, "", name, town, f"{lat:.6f}", f"{lon:.6f}", 1, "", ""))
        rows += [
            (
                place.point(d),
                f"{place.code[1:]}{d + 1}",
                name,
                town,
                f"{lat + e:.6f}",
                f"{lon - e:.6f}",
                0,
                place.code,
                1,
            )
            for d, e in ((0, 0.00008), (1, -0.00008))
        ]
    depot = places(job)[_DEPOT]
    latitude = f"{depot.latitude:.6f}".replace(".", ",")
    rows.append((depot.code, "", depot.name, depot.commune.name, latitude, f"{depot.longitude:.6f}", 0, "", 0))
    header = (
        "stop_id", "stop_code", "stop_name", "stop_desc", "stop_lat", "stop_lon", "location_type", "parent_station",
        "wheelchair_boarding",
    )  # fmt: skip
    return header, rows


def _stop_times(table: Timetable) -> tuple[Sequence[str], Rows]:
    """One row per stop of each trip; the last stop is for getting off only."""
    clocks: dict[int, str] = {}
    rows: Rows = []
    for trip in table.trips:
        last = len(trip.points)
        for number, (point, time) in enumerate(zip(trip.points, trip.times.tolist(), strict=True), start=1):
            clock = clocks.setdefault(time, _clock(time))
            rows.append((trip.id, clock, clock, point, number, int(number == last), int(number == 1)))
    header = ("trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence", "pickup_type", "drop_off_type")
    return header, rows


def _shapes(table: Timetable) -> tuple[Sequence[str], Rows]:
    """Straight from stop to stop."""
    rows: Rows = [
        (_shape(line, direction), f"{place.latitude:.6f}", f"{place.longitude:.6f}", number)
        for line in table.lines
        for direction in (0, 1)
        for number, place in enumerate(line.stops(direction), start=1)
    ]
    return ("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"), [*rows, rows[-1]]


def _shape(line: Line, direction: int) -> str:
    return f"{line.id}-{'AR'[direction]}"


def _clock(seconds: int) -> str:
    """`25:10:00` is ten past one the night after."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def _ymd(day: date) -> str:
    return f"{day:%Y%m%d}"
