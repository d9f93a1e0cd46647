"""Real files of the platforms, through to bronze: every count that their SOURCE.md states, and every refusal explained.

The files are not part of the repository: they are looked for in ../shared/real beside the checkout.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import House

REAL = Path(__file__).resolve().parents[3] / "shared/real"
CAMPUSIOT = REAL / "lorawan/campusiot_grenoble"
FILES = {
    "building_energy": [REAL / "energy_enedis_sge/Enedis_SGE_HDM_A06NW11N.csv"],
    "carpool_sites": [REAL / "covoiturage_bnlc/bnlc-.csv"],
    "lorawan_uplinks": sorted(CAMPUSIOT.glob("*.ndjson.gz")),
    "traffic_counts": [REAL / "traffic_telraam_chateaubourg/traffic.csv"],
    "water_meters": [REAL / "water_smart_meters/swm_trialA.zip"],
}
SAINT_EYNARD = "SaintEynard_logs_d1d1e80000000032_campusiot.ndjson.gz"

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")


@pytest.fixture(scope="module")
def real(new_house: Callable[[], House]) -> House:
    house = new_house()
    for source, paths in FILES.items():
        (house.landing / source).mkdir(parents=True)
        for path in paths:
            (house.landing / source / path.name).symlink_to(path)
    house.ingest(*FILES)
    return house


def test_the_ledger_of_all_of_them(real: House) -> None:
    assert {k[1]: v[:5] for k, v in real.ledger().items()} == {
        "Enedis_SGE_HDM_A06NW11N.csv": (105_120, 105_120, 0, 0, "loaded"),
        "bnlc-.csv": (2_473, 2_473, 0, 0, "loaded"),
        SAINT_EYNARD: (9_786, 9_418, 0, 368, "loaded"),
        "TourPerret_ems-tourperret-A81758FFFE04B1C1.ndjson.gz": (12_614, 4_504, 8_110, 0, "loaded"),
        "Helium_EMS_A81758FFFE04B1C1.ndjson.gz": (8_110, 8_110, 0, 0, "loaded"),
        "Helium_FTD_0018B20000020.ndjson.gz": (16_954, 16_954, 0, 0, "loaded"),
        "traffic.csv": (16_729, 16_729, 0, 0, "loaded"),
        "swm_trialA.zip!swm_trialA.csv": (674_019, 674_016, 0, 3, "loaded"),
    }
    real.check_ledger()


def test_no_file_is_held_and_one_device_of_two_files_is_loaded_once(real: House) -> None:
    """Frames of A81758FFFE04B1C1 are in two files, under two names: each is in bronze once."""
    assert [r for r in real.quarantine() if r[1] is None] == []
    rows = real.sql("SELECT dev_eui, count(*) FROM bronze.lorawan_uplinks__uplink GROUP BY 1 ORDER BY 2")
    assert [count for _, count in rows] == [513, 3_123, 9_418, 12_614, 13_318], "the last file holds three devices"


def test_carpool_sites(real: House) -> None:
    sites = "bronze.carpool_sites__site"
    assert real.sql(
        f"SELECT count(DISTINCT site_id), count(*) - count(space_count), max(updated_date)::VARCHAR FROM {sites}"
    ) == [(2_473, 870, "2026-12-13")]
    nievre = real.sql(f"SELECT commune_name, year(updated_date) FROM {sites} WHERE insee_code LIKE '58%' ORDER BY 1")
    assert nievre == [("DECIZE", 2019), ("GUERIGNY", 2019), ("LUCENAY LES AIX", 2019), ("ST GERMAIN CHASSENAY", 2019)]
    # SOURCE.md warns of leading zeros and of 2A and 2B; the file has 185 of the former and no Corsican site
    codes = f"SELECT list(DISTINCT length(insee_code)), count_if(insee_code LIKE '0%'), count_if(insee_code LIKE '2A%') FROM {sites}"
    assert real.sql(codes) == [([5], 185, 0)]


def test_building_energy(real: House) -> None:
    ((rows, blank, prms, first, last),) = real.sql(
        """SELECT count(*), count(*) - count(power_w), list(DISTINCT prm), min(stamp_time)::VARCHAR, max(stamp_time)::VARCHAR
        FROM bronze.building_energy__load"""
    )
    assert (rows, blank, prms) == (105_120, 2_448, ["30001642617347"])
    # the first and last stamps of the file, 2020-02-03T00:00:00+01:00 and 2022-02-01T23:50:00+01:00
    assert (first, last) == ("2020-02-02 23:00:00+00", "2022-02-01 22:50:00+00")
    unit = "SELECT DISTINCT declared_unit, declared_step_min, direction FROM bronze.building_energy__load"
    assert real.sql(unit) == [(None, None, "Consommation")]


def test_traffic_counts(real: House) -> None:
    hours = "bronze.traffic_counts__hour"
    assert real.sql(f"SELECT count(*), count_if(uptime = 0), count(DISTINCT segment_id) FROM {hours}") == [
        (16_729, 7_424, 2)
    ]
    assert real.sql(f"SELECT DISTINCT segment_id FROM {hours} ORDER BY 1") == [("9000001844",), ("9000002453",)]
    # SOURCE.md says that the label is CET all year; the file says CEST in summer, and CET on both passes of 02:00 on
    # 2022-10-30, which is why the label is not used. Both segments have the hour twice; its order settles it.
    night = real.sql(
        f"""SELECT segment_id, strftime(start_time, '%H') FROM {hours}
        WHERE start_time BETWEEN '2022-10-29 23:00:00Z' AND '2022-10-30 02:00:00Z' ORDER BY segment_id, source_row"""
    )
    assert night == [(s, h) for s in ("9000001844", "9000002453") for h in ("23", "00", "01", "02")]
    assert real.sql(f"SELECT count(*) FROM (SELECT DISTINCT segment_id, start_time FROM {hours})") == [(16_729,)]


def test_water_meters(real: House) -> None:
    readings = "bronze.water_meters__reading"
    ((rows, meters, negative, lowest),) = real.sql(
        f"SELECT count(*), count(DISTINCT meter_id), count_if(increment_l < 0), min(increment_l) FROM {readings}"
    )
    assert (rows, meters, negative, lowest) == (674_016, 92, 203, -248_520)


def test_the_repeated_readings_of_the_water_meters_are_the_hour_that_occurs_twice(real: House) -> None:
    """SOURCE.md counts 78 duplicates (meter, time): all of them are in the night of 2016-10-30, none is a duplicate."""
    with zipfile.ZipFile(FILES["water_meters"][0]) as archive:
        rows = list(csv.reader(io.StringIO(archive.read("swm_trialA.csv").decode()), delimiter=";"))[1:]
    repeated = [k for k, n in Counter((meter, time) for meter, time, *_ in rows).items() if n > 1]
    assert len(repeated) == 78
    assert {time[:13] for _, time in repeated} == {"30/10/2016 02"}
    assert sum(time.startswith("30/10/2016 02") for _, time, *_ in rows) == 178

    kept = real.sql(
        """SELECT meter_id, reading_time FROM bronze.water_meters__reading
        WHERE reading_time >= '2016-10-30 00:00:00Z' AND reading_time < '2016-10-30 02:00:00Z'"""
    )
    assert len(kept) == len(set(kept)) == 175
    # The other three are meters with a single reading in that hour and nothing that says which pass it was.
    alone = [
        (meter, n)
        for meter, n in Counter(m for m, time, *_ in rows if time.startswith("30/10/2016 02")).items()
        if n == 1
    ]
    entries = real.quarantine("swm_trialA.zip!swm_trialA.csv")
    assert {raw.split(";")[0] for *_, raw, _ in entries} == {meter for meter, _ in alone}
    assert {line for _, line, *_ in entries} == {
        n for n, r in enumerate(rows, start=2) if (r[0], 1) in alone and r[1].startswith("30/10/2016 02")
    }
    assert all("heure qui a lieu deux fois" in reason for _, _, _, reason, *_ in entries)


def test_lorawan(real: House) -> None:
    """SOURCE.md counts 368 lines without fCnt. They are no uplinks with counter 0 but device status events.

    Their `_topic` is application/status, they hold margin and battery level, no gateway and no payload: refused, one by
    one, each with its line. No uplink of the file has counter 0.
    """
    with gzip.open(CAMPUSIOT / SAINT_EYNARD, "rt", encoding="utf-8") as stream:
        events = [json.loads(line) for line in stream]
    status = {n for n, e in enumerate(events, start=1) if "fCnt" not in e}
    assert len(events) == 9_786
    assert len(status) == 368
    assert {events[n - 1]["_topic"] for n in status} == {"application/status"}
    assert not any("rxInfo" in events[n - 1] for n in status)
    entries = real.quarantine(SAINT_EYNARD)
    assert {line for _, line, *_ in entries} == status
    assert {(column, reason) for _, _, column, reason, *_ in entries} == {("rxInfo", "valeur obligatoire absente")}

    uplinks = f"bronze.lorawan_uplinks__uplink WHERE source_file = '{SAINT_EYNARD}'"
    ((rows, several, zero, device),) = real.sql(
        f"SELECT count(*), count_if(len(gateways) > 1), count_if(f_cnt = 0), list(DISTINCT dev_eui) FROM {uplinks}"
    )
    assert (rows, several, zero, device) == (9_418, 1_341, 0, ["d1d1e80000000032"])
    drift = {c for (c,) in real.sql("SELECT \"column\" FROM ops.schema_drift WHERE kind = 'new_column'")}
    assert {"_timestamp", "_topic", "margin", "batteryLevel"} <= drift


def test_again_changes_nothing(real: House) -> None:
    before = real.versions()
    assert all(done.files == 0 for done in real.ingest(*FILES))
    assert real.versions() == before
