"""LoRaWAN sources from landing to silver: what was simulated is found again, eight servers' words end in one model."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.contract import load_contracts
from ingestion.load import ensure_tables, ingest
from ingestion.territory import load_territory
from lake.home import landing_dir
from orchestration import declared
from simulation import lorawan_gateway_stats, lorawan_joins, lorawan_status, lorawan_uplinks
from simulation.job import Job
from simulation.lorawan_gateways import FREQUENCIES
from simulation.truth import Truth
from tests.integration.simulated import build, query, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import House

MODULES = (lorawan_gateway_stats, lorawan_joins, lorawan_status, lorawan_uplinks)
SOURCES = tuple(module.SOURCE for module in MODULES)
COUNTS = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
UPLINKS = "bronze.lorawan_uplinks__uplink"


@pytest.fixture(scope="module")
def silver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nine days over the 25-hour day, loaded and built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("DBT_LOG_PATH", str(Path(os.environ["DATANEVERS_HOME"]) / "dbt/logs"))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        out = landing_dir()
        job = Job(out, 58, date(2026, 10, 19), 9, 0.3, load_territory(), Truth())
        for module in MODULES:
            module.write(job)
        job.truth.write(out / "_truth")
        for contract in load_contracts():
            if contract.id in SOURCES:
                ingest(contract)
        ensure_tables(load_contracts())
        declared.write()
        assert build("observation", "datastream", "lorawan_join", "lorawan_device_status")
        yield


@pytest.mark.usefixtures("silver")
def test_the_ledger_is_the_truth() -> None:
    expected = {(t["source"], t["file"]): tuple(int(t[n]) for n in COUNTS) for t in truth("ledger")}
    found = query(f"SELECT source, file, {', '.join(COUNTS)} FROM ops.ingest_file")
    assert {tuple(row[:2]): tuple(row[2:]) for row in found} == expected
    assert {source for source, _ in expected} == set(SOURCES)


@pytest.mark.usefixtures("silver")
def test_the_quarantine_is_the_truth() -> None:
    expected = sorted((t["source"], t["file"], int(t["line"]), t["column"]) for t in truth("quarantine"))
    assert query('SELECT source, file, line, "column" FROM ops.quarantine ORDER BY ALL') == expected
    reasons = dict(
        query("SELECT split_part(file, '_', 1) || ' ' || \"column\", any_value(reason) FROM ops.quarantine GROUP BY 1")
    )
    assert reasons == {
        "chirpstack3 devEUI": "« AgICAgI= » : un EUI-64 (16 chiffres hexadécimaux, ou 8 octets en base64) attendu",
        "loriot object": "décodage impossible, codec milesight_udl.js : erreur : the value at byte 9 is cut off",
        "thingpark DevEUI_uplink.payload": "décodage impossible, codec milesight_udl.js : erreur : the value at byte 9 is cut off",
        "thingpark DevEUI_uplink.MType": reasons["thingpark DevEUI_uplink.MType"],
        "thingpark DevEUI_uplink.DevEUI": "valeur obligatoire absente",
        "tts uplink_message.rx_metadata": "valeur obligatoire absente",
    }
    assert reasons["thingpark DevEUI_uplink.MType"].startswith("« 0 » : ")


@pytest.mark.usefixtures("silver")
def test_every_value_is_observed_once_whoever_decoded_it() -> None:
    """Those of the servers and those of the codecs; copies of a frame are not observed again."""
    path = landing_dir() / "_truth/lorawan_values.csv"
    ((both, true, observed, far, flagged),) = query(
        f"""WITH truth AS (SELECT 'lorawan_uplinks:' || dev_eui || ':' || property AS id, received_time::TIMESTAMPTZ AS time,
                value::DOUBLE AS value FROM read_csv('{path}', all_varchar = true)),
            found AS (SELECT * FROM silver.observation WHERE datastream_id LIKE 'lorawan_uplinks:70b3d5%')
        SELECT count(*), count(t.id), count(f.datastream_id), max(abs(f.result - t.value)), count_if(f.quality <> 'good')
        FROM truth AS t FULL JOIN found AS f
        ON t.id = f.datastream_id AND t.time = date_trunc('millisecond', f.phenomenon_time)"""
    )
    assert both == true == observed == len(truth("lorawan_values"))
    assert true > 3000
    assert far < 1e-9
    assert flagged == 0
    copies = sum(int(r["repeated_frames"]) for r in truth("lorawan_fleet"))
    assert copies > 10
    ((rows,),) = query(f"SELECT count(*) FROM {UPLINKS} WHERE dev_eui LIKE '70b3d5%'")
    refused = sum(int(r["refused_frames"]) for r in truth("lorawan_fleet")) - 3  # of which three were no uplinks
    assert rows == sum(int(r["received_frames"]) for r in truth("lorawan_fleet")) - refused + copies


@pytest.mark.usefixtures("silver")
def test_the_own_servers_frames_are_all_there() -> None:
    found = dict(query(f"SELECT dev_eui, count(*) FROM {UPLINKS} WHERE dev_eui LIKE 'a81758%' GROUP BY 1"))
    assert found == {r["dev_eui"]: int(r["received_frames"]) for r in truth("lorawan_devices")}


@pytest.mark.usefixtures("silver")
def test_eight_servers_one_form() -> None:
    """Gateways, radio and counters are in the same columns, whatever the server calls them."""
    rows = query(
        f"""SELECT server, count(*), min(heard), max(heard), count_if(gateway.rssi_dbm BETWEEN -130 AND -70),
            count(gateway.snr_db), count(gateway.gateway_id)
        FROM (SELECT split_part(source_file, '_', 1) AS server, len(gateways) AS heard, unnest(gateways) AS gateway
            FROM {UPLINKS}) GROUP BY 1"""
    )
    assert {r[0] for r in rows} == {
        "chirpstack3", "chirpstack4", "tts", "thingpark", "thingparkxml", "kerlink", "loriot", "helium",
    }  # fmt: skip
    assert all(most <= 3 and least >= 1 for _, _, least, most, *_ in rows)
    assert all(strong == noise == named == gateways for _, gateways, _, _, strong, noise, named in rows)
    frequencies = query(
        f"SELECT DISTINCT coalesce(frequency_hz, round(frequency_mhz * 1000) * 1000)::INTEGER FROM {UPLINKS}"
    )
    assert {f for (f,) in frequencies} == set(FREQUENCIES)
    spread = query(f"SELECT DISTINCT spreading_factor FROM {UPLINKS} WHERE dev_eui LIKE '70b3d5%' ORDER BY 1")
    assert {s for (s,) in spread} <= {7, 8, 9, 12}
    types = query(
        f"SELECT DISTINCT split_part(source_file, '_', 1), frame_type FROM {UPLINKS} WHERE frame_type IS NOT NULL ORDER BY 1"
    )
    assert types == [("kerlink", "confirmed"), ("thingpark", "unconfirmed"), ("thingparkxml", "unconfirmed")]


@pytest.mark.usefixtures("silver")
def test_properties_have_their_unit_on_every_server() -> None:
    rows = query(
        """SELECT DISTINCT property_code, observed_property, unit_ucum FROM silver.datastream
        WHERE source_id LIKE 'lorawan%' ORDER BY 1"""
    )
    assert rows == [
        ("battery", "battery_voltage", "V"),
        ("battery_level", "battery_level", "%"),
        ("co2", "carbon_dioxide", "[ppm]"),
        ("distance", "distance", "mm"),
        ("emitted", "radio_packets_emitted", "1"),
        ("fill_level", "fill_level", "%"),
        ("humidity", "relative_humidity", "%"),
        ("laeq", "sound_level_equivalent", "dB[SPL]"),
        ("received", "radio_packets_received", "1"),
        ("received_ok", "radio_packets_valid", "1"),
        ("soil_conductivity", "soil_conductivity", "uS/cm"),
        ("soil_moisture", "soil_moisture", "%"),
        ("soil_temperature", "soil_temperature", "Cel"),
        ("temperature", "air_temperature", "Cel"),
    ]


@pytest.mark.usefixtures("silver")
def test_joins() -> None:
    found = query("SELECT dev_eui, epoch_ms(joined_time), thing_id FROM silver.lorawan_join")
    ((own, first),) = query("SELECT count(*), count_if(previous_joined_time IS NULL) FROM silver.lorawan_join")
    expected = {(r["dev_eui"], r["joined_time"]) for r in truth("lorawan_joins")}
    assert {(e, t) for e, t, _ in found} == {(e, ms) for (e, t) in expected for ms in [_ms(t)]}
    assert own == len(expected)
    assert first == len({e for e, _ in expected})
    assert all(thing == f"lorawan_uplinks:{eui}" for eui, _, thing in found)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.usefixtures("silver")
def test_status() -> None:
    found = query(
        """SELECT dev_eui, epoch_ms(status_time), battery_level_pct, is_external_power, margin_db
        FROM silver.lorawan_device_status"""
    )
    expected = {
        (r["dev_eui"], _ms(r["status_time"]), float(r["battery_level_pct"]) if r["battery_level_pct"] else None,
         r["is_external_power"] == "1", int(r["margin_db"]))
        for r in truth("lorawan_status")
    }  # fmt: skip
    assert set(found) == expected
    assert len(found) == len(expected)
    assert any(level == 0 for _, _, level, *_ in found), "the battery that died is at zero, not unknown"


@pytest.mark.usefixtures("silver")
def test_gateways_are_things_whose_days_add_up() -> None:
    found = query(
        """SELECT split_part(datastream_id, ':', 2), phenomenon_date::VARCHAR, count_if(datastream_id LIKE '%:received'),
            sum(result) FILTER (datastream_id LIKE '%:received'), sum(result) FILTER (datastream_id LIKE '%:received_ok'),
            sum(result) FILTER (datastream_id LIKE '%:emitted')
        FROM silver.observation WHERE source_id = 'lorawan_gateway_stats' GROUP BY 1, 2"""
    )
    expected = {
        (r["gateway_id"], r["utc_date"]): [int(v) for v in list(r.values())[2:]] for r in truth("lorawan_gateway_days")
    }
    assert {(g, d): [int(v) for v in rest] for g, d, *rest in found} == expected


# one message at a time -----------------------------------------------------------------------------------------------


def loaded(house: House, name: str, content: bytes | str) -> list[dict[str, Any]]:
    """The bronze rows of one file."""
    house.put("lorawan_uplinks", name, content)
    house.ingest("lorawan_uplinks")
    columns = (
        "dev_eui",
        "f_cnt",
        "f_port",
        "payload",
        "payload_encoding",
        "object",
        "device_profile",
        "gateways",
        "dr",
    )
    rows = house.sql(
        f"SELECT {', '.join(columns)}, received_time::VARCHAR FROM {UPLINKS} WHERE source_file LIKE '{name}%' ORDER BY source_row"
    )
    return [dict(zip((*columns, "received_time"), row, strict=True)) for row in rows]


def lines(*messages: dict[str, Any]) -> str:
    return "".join(json.dumps(m) + "\n" for m in messages)


def thingpark(count: int, **more: Any) -> dict[str, Any]:
    inner = {
        "Time": f"2026-10-25T02:{count:02d}:00.5+01:00", "DevEUI": "70B3D50100000001", "FPort": "85", "FCntUp": str(count),
        "MType": "2", "payload_hex": "017564", "Lrrs": {"Lrr": [{"Lrrid": "08040059", "LrrRSSI": "-60.000000"}]},
    }  # fmt: skip
    return {"DevEUI_uplink": {k: v for k, v in (inner | more).items() if v is not None}}


KERLINK = {
    "id": "5e79", "endDevice": {"devEui": "70B3D50300000001", "devAddr": "2700AA01"}, "fPort": 5, "fport": 5, "fCntUp": 7,
    "fcntUp": 7, "confirmed": True, "adr": True, "payload": "AQDiAik=", "encodingType": "BASE64", "recvTime": 1792915200123,
}  # fmt: skip
LORIOT = {
    "cmd": "rx", "EUI": "70B3D50400000001", "ts": 1792915200123, "fcnt": 17, "port": 85, "data": "0482e803",
    "freq": 868100000, "dr": "SF12 BW125 4/5", "rssi": -97, "snr": -7.25,
}  # fmt: skip
HELIUM = {
    "dev_eui": "70B3D50500000001", "devaddr": "22000048", "port": 5, "payload": "Aik=", "reported_at": 1792915200123,
    "metadata": {"labels": [{"name": "ERS-CO2"}]}, "hotspots": [{"id": "11x", "rssi": -37, "snr": 11.5, "frequency": 868.1,
                                                                 "spreading": "SF9BW125"}],
}  # fmt: skip
TTS = {
    "end_device_ids": {"device_id": "a", "dev_eui": "70B3D50000000001"}, "received_at": "2026-10-25T00:00:01.0Z",
    "uplink_message": {"frm_payload": "gkHe", "received_at": "2026-10-25T00:00:00.123456789Z",
                       "rx_metadata": [{"gateway_ids": {"gateway_id": "g"}, "rssi": -35}]},
}  # fmt: skip


def test_an_absent_counter_is_zero(house: House) -> None:
    """Servers that leave zero out, and messages that lack it all the same."""
    (tts,) = loaded(house, "tts.jsonl", lines(TTS))
    assert (tts["f_cnt"], tts["f_port"], tts["dr"]) == (0, 0, None)
    assert tts["received_time"] == "2026-10-25 00:00:00.123456+00"
    (helium,) = loaded(house, "helium.jsonl", lines(HELIUM))
    assert helium["f_cnt"] == 0
    frame = {"time": "2026-10-25T00:00:00Z", "deviceInfo": {"devEui": "00" * 8}, "rxInfo": [{"gatewayId": "a"}]}
    (own,) = loaded(house, "v4.jsonl", lines(frame))
    assert (own["f_cnt"], own["f_port"], own["dr"]) == (0, 0, 0)


def test_servers_that_tell_no_gateways(house: House) -> None:
    (kerlink,) = loaded(house, "kerlink_2026__ers-co2.jsonl", lines(KERLINK))
    assert kerlink["gateways"] is None
    assert json.loads(kerlink["object"]) == {"temperature": 22.6, "humidity": 41}
    assert (kerlink["f_cnt"], kerlink["received_time"]) == (7, "2026-10-25 08:00:00.123+00")
    (loriot,) = loaded(house, "loriot_2026__em400-udl.jsonl", lines(LORIOT))
    assert (loriot["gateways"], json.loads(loriot["object"])) == (None, {"distance": 1000})
    (told,) = loaded(
        house, "k.jsonl", lines(KERLINK | {"fCntUp": 8, "gwInfo": [{"gwEui": "7276FF0039030872", "rssi": -47}]})
    )
    assert told["gateways"][0]["gateway_id"] == "7276FF0039030872"
    assert (told["device_profile"], told["object"]) == (None, None), "its file does not say what it is"


def test_a_payload_is_read_as_its_server_writes_it(house: House) -> None:
    """`0205` is two bytes to ThingPark, three others to Helium; nobody guesses."""
    (hexadecimal,) = loaded(
        house, "t.jsonl", lines(thingpark(1, payload_hex="0205", DriverCfg={"mod": {"mId": "ems"}}))
    )
    assert json.loads(hexadecimal["object"]) == {"humidity": 5}
    (row,) = loaded(
        house, "h.jsonl", lines(HELIUM | {"payload": "0205", "fcnt": 1}, HELIUM | {"payload": "Aik=", "fcnt": 2})
    )
    assert (row["f_cnt"], json.loads(row["object"])) == (2, {"humidity": 41})
    ((_, line, _, reason, *_),) = house.quarantine("h.jsonl")
    assert (line, reason) == (1, "décodage impossible, codec elsys.js : trame refusée : unknown type 0xd3 at byte 0")


def test_a_thingpark_export_may_begin_with_another_message(house: House) -> None:
    report = {"DevEUI_downlink_Sent": {"Time": "2026-10-25T02:00:00+01:00", "DevEUI": "70B3D50100000001"}}
    join = thingpark(3, MType="0", FPort=None, FCntUp=None, payload_hex=None)
    rows = loaded(house, "tp.jsonl", lines(report, thingpark(1), join, thingpark(2)))
    assert [r["f_cnt"] for r in rows] == [1, 2]
    found = [(line, column, reason[:20]) for _, line, column, reason, *_ in house.quarantine("tp.jsonl")]
    assert found == [
        (1, "DevEUI_uplink.DevEUI", "valeur obligatoire a"),
        (3, "DevEUI_uplink.MType", "« 0 » : un de : 2, 4"),
    ]


def test_thingpark_in_xml(house: House) -> None:
    """One gateway is no list in XML; objects inside are JSON text; documents come one by one or in an archive."""
    one = (
        '<?xml version="1.0"?><DevEUI_uplink xmlns="http://uri.actility.com/lora"><Time>2026-10-25T02:01:00.5+01:00</Time>'
        "<DevEUI>70B3D50200000001</DevEUI><FPort>85</FPort><FCntUp>1</FCntUp><MType>4</MType>"
        "<payload_hex>0482e803</payload_hex><Lrrs><Lrr><Lrrid>A</Lrrid><LrrRSSI>-60.0</LrrRSSI></Lrr></Lrrs>"
        '<DriverCfg>{"mod":{"mId":"em400-udl"}}</DriverCfg></DevEUI_uplink>'
    )
    (row,) = loaded(house, "one.xml", one)
    assert (json.loads(row["object"]), row["received_time"]) == ({"distance": 1000}, "2026-10-25 01:01:00.5+00")
    assert [g["gateway_id"] for g in row["gateways"]] == ["A"]
    path = house.landing / "lorawan_uplinks/many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.xml", one.replace("<FCntUp>1", "<FCntUp>2"))
        archive.writestr(
            "2.xml", one.replace("<FCntUp>1", "<FCntUp>3").replace("</Lrr>", "</Lrr><Lrr><Lrrid>B</Lrrid></Lrr>")
        )
        archive.writestr("3.xml", '<DevEUI_downlink xmlns="http://uri.actility.com/lora"/>')
    house.ingest("lorawan_uplinks")
    assert house.sql(f"SELECT f_cnt, len(gateways) FROM {UPLINKS} WHERE source_file LIKE 'many%' ORDER BY 1") == [
        (2, 1),
        (3, 2),
    ]
    assert house.counts("many.zip!3.xml") == (1, 0, 0, 1)


def test_a_join_or_a_status_in_the_wrong_folder_is_no_uplink(house: House) -> None:
    """ChirpStack's other events, beside uplinks: refused one by one, none of them loaded."""
    radio = [{"gatewayID": "AwMDAwMDAwM=", "time": "2026-10-25T00:00:00Z", "rssi": -48}]
    up = {"devEUI": "AgICAgICAgI=", "rxInfo": radio, "fCnt": 3, "fPort": 5, "data": "qg=="}
    join = {"devEUI": "AgICAgICAgI=", "rxInfo": radio, "devAddr": "AFE5Qg=="}
    answer = {"devEUI": "AgICAgICAgI=", "rxInfo": radio, "acknowledged": True, "fCnt": 15}
    status = {"devEUI": "AgICAgICAgI=", "margin": 6, "batteryLevel": 75.5, "publishedAt": "2026-10-25T00:00:00Z"}
    rows = loaded(house, "v3.jsonl", lines(up, join, answer, status))
    assert [(r["dev_eui"], r["f_cnt"]) for r in rows] == [("02" * 8, 3)]
    assert [(line, column) for _, line, column, *_ in house.quarantine("v3.jsonl")] == [
        (2, "fPort"),
        (3, "fPort"),
        (4, "rxInfo"),
    ]


def test_a_codec_at_fault_costs_its_frames_and_not_the_file(house: House) -> None:
    """More than half of a file's frames are refused by the codec: the others are loaded all the same."""
    frames = [
        KERLINK | {"fCntUp": n, "payload": "AQDiAik=" if n % 3 == 0 else "/w==", "recvTime": 1792915200123 + n}
        for n in range(60)
    ]
    rows = loaded(house, "k__ers-co2.jsonl.gz", gzip.compress(lines(*frames).encode()))
    assert [r["f_cnt"] for r in rows] == list(range(0, 60, 3))
    assert house.counts("k__ers-co2.jsonl.gz") == (60, 20, 0, 40)
    entries = house.quarantine("k__ers-co2.jsonl.gz")
    assert {(column, reason) for _, _, column, reason, *_ in entries} == {
        ("object", "décodage impossible, codec elsys.js : trame refusée : unknown type 0xff at byte 0")
    }
    house.check_ledger()


def test_what_a_server_decoded_is_not_decoded_again(house: House) -> None:
    """Even by a codec that would refuse it."""
    decoded = HELIUM | {"payload": "/w==", "fcnt": 3, "decoded": {"payload": {"temperature": 7}, "status": "success"}}
    (row,) = loaded(house, "d.jsonl", lines(decoded))
    assert json.loads(row["object"]) == {"temperature": 7}
