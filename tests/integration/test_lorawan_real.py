"""Real LoRaWAN exports and the servers' own sample messages: each is loaded or says why not, each count is known.

The files are not part of the repository: they are looked for in ../shared/real beside the checkout.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.simulated import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import House

REAL = Path(__file__).resolve().parents[3] / "shared/real/lorawan"
CAMPUSIOT, SAMPLES = REAL / "campusiot_grenoble", REAL / "network_servers"
SAINT_EYNARD = "SaintEynard_logs_d1d1e80000000032_campusiot.ndjson.gz"
TOUR_PERRET = "TourPerret_ems-tourperret-A81758FFFE04B1C1.ndjson.gz"
EMS, FTD = "Helium_EMS_A81758FFFE04B1C1.ndjson.gz", "Helium_FTD_0018B20000020.ndjson.gz"
UPLINKS = "bronze.lorawan_uplinks__uplink"

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")


def events(name: str) -> list[dict[str, Any]]:
    with gzip.open(CAMPUSIOT / name, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


@pytest.fixture(scope="module")
def exports(new_house: Callable[[], House]) -> House:
    """The four exports of Grenoble in one landing."""
    house = new_house()
    folder = house.landing / "lorawan_uplinks"
    folder.mkdir(parents=True)
    for path in CAMPUSIOT.glob("*.ndjson.gz"):
        (folder / path.name).symlink_to(path)
    house.ingest("lorawan_uplinks")
    return house


def test_every_line_of_four_exports_is_accounted_for(exports: House) -> None:
    """The tower's device also spoke to Helium's own export: 8 110 frames are in both files."""
    assert {k[1]: v[:5] for k, v in exports.ledger().items()} == {
        SAINT_EYNARD: (9_786, 9_418, 0, 368, "loaded"),
        EMS: (8_110, 8_110, 0, 0, "loaded"),
        FTD: (16_954, 16_954, 0, 0, "loaded"),
        TOUR_PERRET: (12_614, 4_504, 8_110, 0, "loaded"),
    }
    exports.check_ledger()
    assert {(c, r) for _, _, c, r, *_ in exports.quarantine()} == {("rxInfo", "valeur obligatoire absente")}


def test_helium_in_our_columns(exports: House) -> None:
    """Counted a second time from the files themselves."""
    told = {name: events(name) for name in (EMS, FTD, TOUR_PERRET)}
    everything = {
        (e["dev_eui"].lower(), e["fcnt"], e["reported_at"]): e for name in (TOUR_PERRET, EMS, FTD) for e in told[name]
    }
    rows = exports.sql(
        f"""SELECT dev_eui, f_cnt, epoch_ms(received_time), f_port, spreading_factor, len(gateways),
            gateways[1].rssi_dbm, gateways[1].gateway_id, object, device_name, round(frequency_mhz, 1), dr
        FROM {UPLINKS} WHERE source_file <> '{SAINT_EYNARD}'"""
    )
    assert len(rows) == len(everything) == 29_568
    for eui, count, time, port, spreading, heard, rssi, gateway, text, name, frequency, rate in rows:
        event = everything[eui, count, time]
        spots = event["hotspots"]
        assert (port, heard, rssi, gateway, name) == (
            event["port"],
            len(spots),
            spots[0]["rssi"],
            spots[0]["id"],
            event["name"],
        )
        assert f"SF{spreading}BW125" == spots[0]["spreading"]
        assert json.loads(text) == event["decoded"]["payload"]
        assert (frequency, rate) == (round(spots[0]["frequency"], 1), None)
    assert Counter(r[0] for r in rows) == {
        "a81758fffe04b1c1": 12_614, "0018b20000020ca0": 13_318, "0018b20000020cbc": 3_123, "0018b20000020cac": 513,
    }  # fmt: skip
    assert sum(r[5] > 1 for r in rows) == sum(len(e["hotspots"]) > 1 for e in told[FTD])


def test_undecoded_the_codec_gives_what_the_network_decoded(house: House) -> None:
    """12 614 real payloads of an Elsys EMS, through the whole load, against the vendor's own decoding in the file."""
    ours = {
        "x": "acceleration_x", "y": "acceleration_y", "z": "acceleration_z", "vdd": "battery", "digital": "contact",
        "pulseAbs": "pulse_count", "accMotion": "acceleration_events", "waterleak": "water_leak",
    }  # fmt: skip
    expected = {}
    stripped = []
    for event in events(TOUR_PERRET):
        values = {ours.get(k, k): v for k, v in event.pop("decoded")["payload"].items()}
        if "battery" in values:
            values["battery"] /= 1000
        expected[event["fcnt"], event["reported_at"]] = values
        event["metadata"]["labels"] = [{"name": "ELSYS EMS"}]
        stripped.append(json.dumps(event))
    house.put("lorawan_uplinks", "opaque.jsonl.gz", gzip.compress("\n".join(stripped).encode(), 1))
    house.ingest("lorawan_uplinks")
    assert house.counts("opaque.jsonl.gz") == (12_614, 12_614, 0, 0)
    rows = house.sql(f"SELECT f_cnt, epoch_ms(received_time), object FROM {UPLINKS}")
    assert {(count, time): json.loads(text) for count, time, text in rows} == expected


def test_the_status_events_among_the_uplinks_have_a_table_of_their_own(house: House) -> None:
    """The 368 lines that the uplinks refuse, exported by themselves."""
    status = [e for e in events(SAINT_EYNARD) if e["_topic"] == "application/status"]
    house.put("lorawan_status", "SaintEynard_status.jsonl", "\n".join(json.dumps(e) for e in status) + "\n")
    house.ingest("lorawan_status")
    assert house.counts("SaintEynard_status.jsonl") == (368, 368, 0, 0)
    found = house.sql(
        """SELECT count(*), count(DISTINCT dev_eui), sum(margin_db), round(sum(battery_level_pct), 2), count_if(is_external_power)
        FROM bronze.lorawan_status__status"""
    )
    levels = round(sum(e["batteryLevel"] for e in status), 2)
    assert found == [(368, 1, sum(e["margin"] for e in status), levels, sum(e["externalPowerSource"] for e in status))]


@pytest.fixture(scope="module")
def silver(exports: House) -> House:
    from ingestion.contract import load_contracts
    from ingestion.load import ensure_tables
    from orchestration import declared

    with exports.lived_in(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_LOG_PATH", str(exports.home / "dbt/logs"))
        ensure_tables(load_contracts())
        declared.write()
        assert build("observation", tested=True)
    return exports


def test_a_frame_is_observed_once_however_often_it_came(silver: House) -> None:
    """Computed a second time in Python: same device, counter and content within the hour is a copy."""
    # of a frame in both exports, the one loaded first counts: it has nulls where the other lacks members
    told = {
        (e["dev_eui"].lower(), e["fcnt"], e["reported_at"]): e for name in (TOUR_PERRET, FTD, EMS) for e in events(name)
    }
    frames = sorted(
        ((eui, count, json.dumps(e["decoded"]["payload"]), time) for (eui, count, time), e in told.items()),
        key=lambda frame: frame[3],
    )
    last: dict[tuple[str, int, str], int] = {}
    numbers: Counter[str] = Counter()
    copies = 0
    for eui, count, text, time in frames:
        before = last.get((eui, count, text))
        last[eui, count, text] = time
        if before is not None and time - before <= 3_600_000:
            copies += 1
            continue
        values = json.loads(text).items()
        numbers.update(f"{eui}:{k}" for k, v in values if isinstance(v, int | float) and not isinstance(v, bool))
    assert copies > 8_000
    with silver.lived_in():
        from lake import engine

        with engine.connect() as con:
            con.execute(
                """SELECT split_part(datastream_id, ':', 2) || ':' || split_part(datastream_id, ':', 3), count(*)
                FROM silver.observation WHERE datastream_id NOT LIKE 'lorawan_uplinks:d1d1%' GROUP BY 1"""
            )
            found = dict(con.fetchall())
    assert found == dict(numbers)


# The servers' own documentation: (rows loaded, what is said of the others). Samples with placeholders instead of values
# are as good as any broken file.
FATES: dict[str, tuple[int, str]] = {
    "chirpstack_v3_events__01_json": (1, ""),
    "chirpstack_v3_events__02_json": (0, "champ obligatoire absent de toutes les lignes"),
    "chirpstack_v3_events__03_json": (0, "champ obligatoire absent de toutes les lignes : fPort"),
    "chirpstack_v3_events__04_json": (0, "champ obligatoire absent de toutes les lignes : fPort"),
    "chirpstack_v3_events__05_json": (0, "champ obligatoire absent de toutes les lignes"),
    "chirpstack_v3_events__06_json": (0, "champ obligatoire absent de toutes les lignes"),
    "chirpstack_v4_events__01_up_uplink_event": (1, ""),
    "chirpstack_v4_events__02_status_margin_and_battery_status": (0, "toutes les lignes : rxInfo"),
    "chirpstack_v4_events__03_join_device_join_event": (0, "toutes les lignes : rxInfo"),
    "chirpstack_v4_events__04_ack_confirmed_downlink_n_ack": (0, "toutes les lignes : rxInfo"),
    "chirpstack_v4_events__05_txack_downlink_transmission_ack": (0, "toutes les lignes : rxInfo"),
    "chirpstack_v4_events__06_log_log_or_error_event": (0, "toutes les lignes : rxInfo"),
    "chirpstack_v4_events__07_location_location_event": (0, "toutes les lignes : rxInfo"),
    "chirpstack_v4_events__08_integration_integration_event": (0, "toutes les lignes : rxInfo"),
    "kerlink_wmc_dataUpDto": (0, "« 54321 » : un EUI-64"),
    "kpn_thingpark_DevEUI_downlink_Sent__01_json_body": (0, "format inconnu"),
    "kpn_thingpark_DevEUI_location__01_json_body": (0, "format inconnu"),
    "kpn_thingpark_DevEUI_uplink_(join_request)__01_json_body": (0, "« XXXXXXXXXXXXXXXX » : un EUI-64"),
    "thingpark_x_iotflow_alarm__01_device_alarm": (0, "format inconnu"),
    "thingpark_x_iotflow_alarm__02_basestation_alarm": (0, "format inconnu"),
    "thingpark_x_iotflow_downlink__01_a_id_messages_original_message_a": (0, "format inconnu"),
    "thingpark_x_iotflow_downlink__02_a_id_messages_original_message_a": (0, "format inconnu"),
    "thingpark_x_iotflow_downlink__03_downlink_sent_message": (0, "format inconnu"),
    "thingpark_x_iotflow_downlink__04_downlink_rejected_message": (0, "format inconnu"),
    "thingpark_x_iotflow_location__01_location_message": (0, "format inconnu"),
    "thingpark_x_iotflow_notification__01_notification_message": (0, "format inconnu"),
    "thingpark_x_iotflow_uplink__01_joinrequest_message": (0, "« 0 » : "),
    "thingpark_x_iotflow_uplink__02_joinrequest_message": (0, "« 0 » : "),
    "thingpark_x_iotflow_uplink__03_legacy_format": (1, ""),
    "tp_ThingParkLocationSolver_uplink_frame": (0, "format inconnu"),
    "tp_TrackerCommandToChangeMode": (0, "format inconnu"),
    "tp_TrackerCommandToChangeParam": (0, "format inconnu"),
    "tp_TrackerCommandToGetParam": (0, "format inconnu"),
    "tp_TrackerCommandToSendRequest": (0, "format inconnu"),
    "tp_digimondo_ul_sample": (0, "format inconnu"),
    "tp_downlink_frame": (0, "format inconnu"),
    "tp_downlink_frame_sent_report": (0, "format inconnu"),
    "tp_helium_ul_sample": (0, "« 1607554959 » : un instant"),  # a count of seconds, as the console told before 2021
    "tp_kerlink_ul_sample": (1, ""),
    "tp_location_report": (0, "format inconnu"),
    "tp_loriot_ul_sample": (0, "« 1 » : un instant"),
    "tp_multitech_ul_sample": (0, "format inconnu"),
    "tp_notification_report": (0, "format inconnu"),
    "tp_senet_ul_sample": (0, "format inconnu"),
    "tp_senra_ul_sample": (0, "format inconnu"),
    "tp_ttn_ul_sample": (0, "format inconnu"),
    "tp_ulplink_data_sample_from_helium": (0, "« <YOUR_DEVEUI> » : un EUI-64"),
    "tp_uplink_frame": (1, ""),
    "tts_v3_data-formats__02_join_accept_messages": (0, "toutes les lignes : uplink_message.rx_metadata"),
    "tts_v3_data-formats__04_uplink_messages": (1, ""),
    "tts_v3_data-formats__06_downlink_events_messages": (0, "toutes les lignes : uplink_message.rx_metadata"),
    "tts_v3_data-formats__08_downlink_events_messages": (0, "toutes les lignes : end_device_ids.dev_eui"),
    "tts_v3_data-formats__10_downlink_messages": (0, "toutes les lignes : end_device_ids.dev_eui"),
}


def sample(path: Path) -> dict[str, Any] | None:
    """A sample of documentation as JSON; None for those that are commented or cut."""
    text = re.sub(r'}\s*"received_at"', '}, "received_at"', path.read_text("utf-8"))  # one lacks a comma
    try:
        value = json.loads(text)
    except ValueError:
        return None
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def told(new_house: Callable[[], House]) -> House:
    """Each sample as a file of one line; XML as it is."""
    house = new_house()
    for path in SAMPLES.glob("*.json"):
        if value := sample(path):
            house.put("lorawan_uplinks", f"{path.stem}.jsonl", json.dumps(value) + "\n")
    for path in SAMPLES.glob("*.xml"):
        house.put("lorawan_uplinks", path.name, path.read_bytes())
    house.ingest("lorawan_uplinks")
    return house


def test_every_sample_is_loaded_or_says_why_not(told: House) -> None:
    reasons = {file: reason for file, _, _, reason, *_ in told.quarantine()}
    ledger = {k[1].removesuffix(".jsonl"): v for k, v in told.ledger().items() if k[1].endswith(".jsonl")}
    assert set(ledger) == set(FATES)
    for name, (loaded, says) in FATES.items():
        assert ledger[name][:4] == (1, loaded, 0, 1 - loaded), name
        assert says in reasons.get(f"{name}.jsonl", ""), name
    told.check_ledger()


def test_the_samples_of_six_servers_in_our_columns(told: House) -> None:
    rows = told.sql(
        f"""SELECT regexp_extract(source_file, '^[a-z]+_[a-z0-9]+'), dev_eui, f_cnt, f_port, received_time::VARCHAR,
            payload, len(gateways), gateways[1].rssi_dbm, spreading_factor, frame_type, adr,
            coalesce(frequency_hz, round(frequency_mhz * 1000)::BIGINT * 1000)
        FROM {UPLINKS} ORDER BY source_file"""
    )
    assert rows == [
        ("chirpstack_v3", "0202020202020202", 10, 5, "2019-11-08 13:59:25.048445+00", "...", 1, -48.0, 11, None, True, 868_100_000),
        ("chirpstack_v4", "0101010101010101", 0, 1, "2022-07-18 09:34:15.775023+00", "qg==", 1, -36.0, 11, None, None, 867_100_000),
        ("thingpark_x", "20635f0108000e09", 265, 17, "2020-01-06 11:46:54.285+00", "0520be8800400108c9000000", 2, -65.0, 7,
         "unconfirmed", True, None),
        ("tp_kerlink", "20635f0108001158", 9, 17, "2019-10-11 08:35:46.959+00", "0a50f6830000", 1, -47.0, 10, "unconfirmed",
         True, 868_500_000),
        ("tp_uplink", "000000000f1d8693", 7011, 2, "2015-07-09 14:06:38.49+00", "0027bd00", 2, -60.0, 7, "confirmed", True, None),
        ("tts_v3", "0004a30b001c0530", 1, 0, "2020-02-12 15:15:45.789585+00", "gkHe", 1, -35.0, 7, None, None, 868_300_000),
    ]  # fmt: skip
    decoded = dict(told.sql(f"SELECT dev_eui, object FROM {UPLINKS} WHERE object IS NOT NULL"))
    assert json.loads(decoded["0004a30b001c0530"]) == {"temperature": 1.0, "luminosity": 0.64}
    assert json.loads(decoded["0202020202020202"]) == {"temperatureSensor": 25, "humiditySensor": 32}
    assert json.loads(decoded["20635f0108000e09"])["batteryVoltage"] == 3.85


def test_thingpark_says_the_same_in_xml_and_json(told: House) -> None:
    """The sample frame exists in both: the second to come is a duplicate; other documents are no uplinks."""
    assert told.counts("tp_uplink_frame.xml") == (1, 0, 1, 0)
    others = [p.name for p in SAMPLES.glob("*.xml") if p.name != "tp_uplink_frame.xml"]
    assert len(others) == 4
    assert {told.counts(name) for name in others} == {(1, 0, 0, 1)}
    reasons = {reason for file, _, _, reason, *_ in told.quarantine() if file in others}
    assert reasons == {"élément « DevEUI_uplink » absent du document"}


def test_the_xml_sample_alone(house: House) -> None:
    house.put("lorawan_uplinks", "a.xml", (SAMPLES / "tp_uplink_frame.xml").read_bytes())
    house.ingest("lorawan_uplinks")
    assert house.sql(
        f"""SELECT dev_eui, f_cnt, f_port, received_time::VARCHAR, payload, gateways[2].gateway_id, gateways[2].rssi_dbm,
            spreading_factor, frame_type, frequency_mhz, device_profile LIKE '%micro-tracker%' FROM {UPLINKS}"""
    ) == [
        (
            "000000000f1d8693",
            7011,
            2,
            "2015-07-09 14:06:38.49+00",
            "0027bd00",
            "33d13a41",
            -73.0,
            7,
            "confirmed",
            868.3,
            True,
        )
    ]
