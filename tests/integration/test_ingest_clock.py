"""Local clocks without zone over both change nights: exact UTC instants, settled by order in the file or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import House

PARIS = ZoneInfo("Europe/Paris")
HEADER = "Site;Voie;Libellé;Horodatage;Valeur;Unité;Qualité"
AUTUMN = "25/10/2026"


def row(stamp: str, value: int = 0, channel: str = "CH1") -> str:
    return f"RTU;{channel};Débit;{stamp};{value};m³/h;Bon"


def night(*clock: str, channel: str = "CH1") -> list[str]:
    """Rows of the autumn night, numbered in order."""
    return [row(f"{AUTUMN} {time}:00", number, channel) for number, time in enumerate(clock)]


def quarters(start: datetime, count: int) -> list[datetime]:
    return [start + timedelta(minutes=15 * n) for n in range(count)]


def as_export(instants: list[datetime], channel: str = "CH1") -> list[str]:
    return [row(f"{t.astimezone(PARIS):%d/%m/%Y %H:%M:%S}", n, channel) for n, t in enumerate(instants)]


AUTUMN_DAY = quarters(datetime(2026, 10, 24, 22, tzinfo=UTC), 100)
SPRING_DAY = quarters(datetime(2026, 3, 28, 23, tzinfo=UTC), 92)
INTERLEAVED = [r for pair in zip(as_export(AUTUMN_DAY), as_export(AUTUMN_DAY, "CH2"), strict=True) for r in pair]

# name -> (rows, UTC hours and minutes of the loaded ones in file order, lines in quarantine)
NIGHTS: dict[str, tuple[list[str], list[str], list[int]]] = {
    "HOURLY": (night("01:00", "02:00", "02:00", "03:00"), ["23:00", "00:00", "01:00", "02:00"], []),
    "GAPPED": (night("01:45", "02:30", "02:15", "03:00"), ["23:45", "00:30", "01:15", "02:00"], []),
    "REPEATED": (night("01:00", "01:00", "02:00", "02:00", "03:00"), ["23:00", "23:00", "00:00", "01:00", "02:00"], []),
    "ALONE": (night("01:00", "02:30", "03:00"), ["23:00", "02:00"], [3]),
    "ONEPASS": (night("02:00", "02:15", "02:30", "02:45", "03:00"), ["02:00"], [2, 3, 4, 5]),
    "THRICE": (night("02:00", "02:00", "02:00"), [], [2, 3, 4]),
    "BACKWARDS": (night("03:00", "02:00", "02:00", "01:00"), ["02:00", "23:00"], [3, 4]),
    "BAREPAIR": (night("02:30", "02:30"), [], [2, 3]),
    "SHUFFLED": (night("03:00", "01:00", "02:00", "02:00", "04:00"), ["02:00", "23:00", "03:00"], [4, 5]),
    "TWOSERIES": (
        [*night("01:00", "02:00", "02:00"), *night("01:00", "02:30", "03:00", channel="CH2")],
        ["23:00", "00:00", "01:00", "23:00", "02:00"],
        [6],
    ),
    "OTHERDAYS": (
        [row("24/10/2026 02:30:00"), row("26/10/2026 02:30:00"), row("25/10/2025 02:30:00")],
        ["00:30", "01:30", "00:30"],
        [],
    ),
    "BOUNDS": (
        night("01:59", "02:00", "02:59", "02:00", "02:59", "03:00"),
        ["23:59", "00:00", "00:59", "01:00", "01:59", "02:00"],
        [],
    ),
    "BADVALUE": ([*night("01:00", "02:00"), row(f"{AUTUMN} 02:00:00").replace(";0;", ";--;")], ["23:00"], [3, 4]),
    "SPRING": (
        [row(f"29/03/2026 {t}:00") for t in ("01:59", "02:00", "02:30", "02:59", "03:00")],
        ["00:59", "01:00"],
        [3, 4, 5],
    ),
}


@pytest.fixture(scope="module")
def nights(new_house: Callable[[], House]) -> House:
    house = new_house()
    for name, (rows, _, _) in NIGHTS.items():
        own = [r.replace("RTU;", f"{name};", 1) for r in rows]
        house.put("water_scada", f"SOFREL_{name}_20261025.csv", "\r\n".join([HEADER, *own, ""]).encode("cp1252"))
    for name, rows in {"DAY100": as_export(AUTUMN_DAY), "DAY92": as_export(SPRING_DAY), "MIXED": INTERLEAVED}.items():
        own = [r.replace("RTU;", f"{name};", 1) for r in rows]
        house.put("water_scada", f"SOFREL_{name}_20261025.csv", "\r\n".join([HEADER, *own, ""]).encode("cp1252"))
    house.ingest("water_scada")
    return house


def instants(house: House, unit: str, channel: str = "CH1") -> list[datetime]:
    rows = house.sql(
        f"""SELECT reading_time::VARCHAR FROM bronze.water_scada__reading
        WHERE unit_id = '{unit}' AND channel_id = '{channel}' ORDER BY source_row"""
    )
    return [datetime.fromisoformat(r[0]) for r in rows]


@pytest.mark.parametrize("name", NIGHTS)
def test_change_nights(nights: House, name: str) -> None:
    _, expected, refused = NIGHTS[name]
    times = nights.sql(
        f"""SELECT strftime(reading_time, '%H:%M') FROM bronze.water_scada__reading
        WHERE unit_id = '{name}' ORDER BY source_row"""
    )
    assert [t for (t,) in times] == expected
    entries = nights.quarantine(f"SOFREL_{name}_20261025.csv")
    assert [line for _, line, *_ in entries] == refused


def test_why(nights: House) -> None:
    def reasons(name: str) -> list[tuple[str, str]]:
        return [(column, reason) for _, _, column, reason, _, _ in nights.quarantine(f"SOFREL_{name}_20261025.csv")]

    ((column, reason),) = reasons("ALONE")
    assert column == "Horodatage"
    assert reason == "2026-10-25 02:30:00 : heure qui a lieu deux fois, l'ordre du fichier ne dit pas laquelle"
    assert {r for _, r in reasons("SPRING")} == {
        f"2026-03-29 02:{m}:00 : heure locale qui n'existe pas (passage à l'heure d'été)" for m in ("00", "30", "59")
    }
    # a row with a fault of its own says so, even within the doubtful hour
    assert [c for c, _ in reasons("BADVALUE")] == ["Horodatage", "Valeur"]
    assert "« -- »" in reasons("BADVALUE")[1][1]


@pytest.mark.parametrize(("unit", "expected"), [("DAY100", AUTUMN_DAY), ("DAY92", SPRING_DAY), ("MIXED", AUTUMN_DAY)])
def test_every_quarter_hour_of_the_long_and_the_short_day(nights: House, unit: str, expected: list[datetime]) -> None:
    assert instants(nights, unit) == expected
    if unit == "MIXED":
        assert instants(nights, unit, "CH2") == expected


def test_instants_with_an_offset_need_no_order(house: House) -> None:
    header = "Identifiant PRM;Type de donnees;Grandeur physique;Grandeur metier;Unite;Pas en minutes"
    rows = [
        "2026-10-25T02:00:00+01:00;2",
        "2026-10-25T02:00:00+02:00;1",
        "2026-10-25T02:30:00Z;3",
        "2026-10-25T02:00:00;4",
        "2026-10-25;5",
    ]
    content = "\n".join(["\ufeff" + header, "30001642617347;CdC;E;C;W;30", "Horodate;Valeur", *rows, ""])
    house.put("building_energy", "Enedis_SGE_HDM_X1.csv", content)
    house.ingest("building_energy")
    found = house.sql("SELECT epoch(stamp_time)::BIGINT, power_w FROM bronze.building_energy__load ORDER BY power_w")
    midnight = int(datetime(2026, 10, 25, tzinfo=UTC).timestamp())
    assert found == [(midnight, 1.0), (midnight + 3600, 2.0), (midnight + 9000, 3.0)]
    assert [(line, column) for _, line, column, *_ in house.quarantine()] == [(7, "Horodate"), (8, "Horodate")]
