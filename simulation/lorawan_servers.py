"""Envelopes of the network servers that departments bought: one message as each of them writes it.

Belongs here: the JSON and XML of The Things Stack, ThingPark, Kerlink, Loriot and Helium. Does not: which device is on
which of them, when it sends or what (`lorawan_fleet`), nor our own servers (`lorawan_uplinks`).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from simulation.lorawan_gateways import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from simulation.assets import Asset
    from simulation.lorawan_makers import Values


@dataclass(frozen=True)
class Device:
    """A device as its server knows it. `profile` is the model's name, `maker` its maker's."""

    asset: Asset
    maker: str
    profile: str
    address: str
    zone: ZoneInfo


@dataclass(frozen=True)
class Heard:
    """A gateway that heard the frame."""

    gateway: Gateway
    rssi: int
    snr: float


@dataclass(frozen=True)
class Frame:
    """An uplink. An empty payload is a frame without application data; `values` is None where nobody decoded it."""

    time_ms: int
    count: int
    port: int
    payload: bytes
    values: Values | None
    heard: tuple[Heard, ...]
    frequency_hz: int
    spreading: int
    confirmed: bool
    number: int  # of all frames of the device, repeated ones too: what makes identifiers differ


def tts(device: Device, frame: Frame) -> str:
    """The Things Stack v3: nanoseconds, frequency as text, zero and false left out."""
    radio = {
        "data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": frame.spreading, "coding_rate": "4/5"}},
        "frequency": str(frame.frequency_hz), "timestamp": _ticks(frame),
    }  # fmt: skip
    heard = [
        {"gateway_ids": {"gateway_id": f"gw-{h.gateway.identifier[-6:]}", "eui": h.gateway.identifier.upper()},
         "timestamp": _ticks(frame), "rssi": h.rssi, "channel_rssi": h.rssi, "snr": h.snr,
         "location": {"latitude": h.gateway.latitude, "longitude": h.gateway.longitude, "altitude": 210,
                      "source": "SOURCE_REGISTRY"}}
        for h in frame.heard
    ]  # fmt: skip
    message: dict[str, Any] = {
        "session_key_id": "AZ" + device.address, "f_port": frame.port or None, "f_cnt": frame.count or None,
        "frm_payload": base64.b64encode(frame.payload).decode() or None, "decoded_payload": frame.values,
        "rx_metadata": heard, "settings": radio, "received_at": _nano(frame, 0), "confirmed": frame.confirmed or None,
        "consumed_airtime": "0.056576s",
        "version_ids": {"brand_id": device.maker, "model_id": device.profile, "hardware_version": "1.0",
                        "firmware_version": "1.1", "band_id": "EU_863_870"},
        "network_ids": {"net_id": "000013", "tenant_id": "ttn", "cluster_id": "eu1"},
    }  # fmt: skip
    return _json(_tts_head(device, frame) | {"uplink_message": {k: v for k, v in message.items() if v is not None}})


def tts_join(device: Device, frame: Frame, time_ms: int) -> str:
    """The Things Stack: the answer to the join request that precedes a frame, in the same stream as uplinks."""
    joined = replace(frame, time_ms=time_ms)
    accept = {"session_key_id": "AZ" + device.address, "received_at": _nano(joined, 0)}
    return _json(_tts_head(device, joined) | {"join_accept": accept})


def _tts_head(device: Device, frame: Frame) -> dict[str, Any]:
    asset = device.asset
    return {
        "end_device_ids": {
            "device_id": asset.name.lower(), "application_ids": {"application_id": _slug(asset.usage)},
            "dev_eui": asset.native_id.upper(), "join_eui": "800000000000000C", "dev_addr": device.address.upper(),
        },
        "correlation_ids": [f"gs:uplink:01J{device.address.upper()}{frame.number:08d}"],
        "received_at": _nano(frame, 31),
    }  # fmt: skip


def thingpark(device: Device, frame: Frame) -> str:
    """ThingPark: every number as text, local time with its offset."""
    return _json({"DevEUI_uplink": _thingpark(device, frame) | {"DriverCfg": _driver(device)}})


def thingpark_join(device: Device, frame: Frame) -> str:
    """ThingPark: a join request wears the envelope of uplinks."""
    request = _thingpark(device, frame)
    for name in ("FPort", "FCntUp", "ADRbit", "FCntDn", "payload_hex"):
        del request[name]
    request |= {"MType": "0", "rawJoinRequest": f"00{device.asset.native_id}{device.asset.native_id}0c40"}
    return _json({"DevEUI_uplink": request})


def thingpark_sent(device: Device, frame: Frame) -> str:
    """ThingPark: the report of a downlink, delivered to the same application."""
    report = {
        "Time": _local(frame, device.zone), "DevEUI": device.asset.native_id.upper(), "FPort": "1", "FCntDn": "12",
        "FCntUp": str(frame.count), "DeliveryStatus": "1", "Lrrid": frame.heard[0].gateway.identifier[-8:].upper(),
    }  # fmt: skip
    return _json({"DevEUI_downlink_Sent": report})


def thingpark_xml(device: Device, frame: Frame) -> str:
    """ThingPark: the same in XML, objects inside as JSON text."""
    message = _thingpark(device, frame) | {"DriverCfg": _json(_driver(device))}
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<DevEUI_uplink xmlns="http://uri.actility.com/lora">\n'
        + "".join(_elements(message))
        + "</DevEUI_uplink>\n"
    )


def _elements(value: dict[str, Any]) -> Iterator[str]:
    for name, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            content = "".join(_elements(one)) if isinstance(one, dict) else escape(one)
            yield f"<{name}>{content}</{name}>\n"


def _driver(device: Device) -> dict[str, Any]:
    model = {"pId": device.maker, "mId": device.profile, "ver": "1"}
    return {"mod": model, "app": model}


def _thingpark(device: Device, frame: Frame) -> dict[str, Any]:
    best = frame.heard[0]
    return {
        "Time": _local(frame, device.zone), "DevEUI": device.asset.native_id.upper(), "FPort": str(frame.port),
        "FCntUp": str(frame.count), "ADRbit": "1", "MType": "4" if frame.confirmed else "2", "FCntDn": "3",
        "payload_hex": frame.payload.hex(), "mic_hex": f"{frame.number * 2_654_435_761 % 2**32:08x}",
        "Lrcid": "00000065", "LrrRSSI": f"{best.rssi:.6f}", "LrrSNR": f"{best.snr:.6f}",
        "SpFact": str(frame.spreading), "SubBand": "G1", "Channel": "LC2", "DevLrrCnt": str(len(frame.heard)),
        "Lrrid": best.gateway.identifier[-8:].upper(), "Late": "0", "LrrLAT": f"{best.gateway.latitude:.6f}",
        "LrrLON": f"{best.gateway.longitude:.6f}",
        "Lrrs": {"Lrr": [
            {"Lrrid": h.gateway.identifier[-8:].upper(), "Chain": "0", "LrrRSSI": f"{h.rssi:.6f}",
             "LrrSNR": f"{h.snr:.6f}", "LrrESP": f"{h.rssi - 1:.6f}"}
            for h in frame.heard
        ]},
        "CustomerID": "100058000", "ModelCfg": "0", "DevAddr": device.address.upper(), "NbTrans": "1",
        "Frequency": f"{frame.frequency_hz / 1e6:.1f}", "DynamicClass": "A",
    }  # fmt: skip


def kerlink(device: Device, frame: Frame) -> str:
    """Kerlink Wanesy Management Center, dataUpDto: milliseconds, the counter under two names."""
    asset = device.asset
    return _json({
        "id": f"{frame.time_ms // 1000:08x}{device.address}{frame.number:08x}",
        "endDevice": {"devEui": asset.native_id.upper(), "devAddr": device.address.upper(), "cluster": {"id": 58}},
        "fPort": frame.port, "fport": frame.port, "fCntDown": 4, "fcntDown": 4, "fCntUp": frame.count,
        "fcntUp": frame.count, "adr": True, "confirmed": frame.confirmed, "encrypted": False,
        "payload": frame.payload.hex(), "encodingType": "HEXA", "recvTime": frame.time_ms, "classB": False,
        "delayed": False, "ulFrequency": frame.frequency_hz / 1e6, "modulation": "LORA",
        "dataRate": f"SF{frame.spreading}BW125", "codingRate": "4/5", "gwCnt": len(frame.heard),
        "gwInfo": [
            {"gwEui": h.gateway.identifier.upper(), "rfRegion": "EU868", "rssi": h.rssi, "snr": h.snr, "channel": 2,
             "radioId": 1}
            for h in frame.heard
        ],
    })  # fmt: skip


def loriot(device: Device, frame: Frame) -> str:
    """Loriot: a message per frame with all gateways."""
    return _json({
        "cmd": "gw", "seqno": frame.number, "EUI": device.asset.native_id.upper(), "ts": frame.time_ms,
        "fcnt": frame.count, "port": frame.port, "freq": frame.frequency_hz, "toa": 61,
        "dr": f"SF{frame.spreading} BW125 4/5", "ack": False,
        "gws": [
            {"rssi": h.rssi, "snr": h.snr, "ts": frame.time_ms, "gweui": h.gateway.identifier.upper(), "ant": 0,
             "lat": h.gateway.latitude, "lon": h.gateway.longitude}
            for h in frame.heard
        ],
        "bat": 255, "data": frame.payload.hex(),
    })  # fmt: skip


def helium(device: Device, frame: Frame) -> str:
    """Helium's console: hotspots, frequencies in single precision, the object inside `decoded`."""
    asset = device.asset
    frequency = float(np.float32(frame.frequency_hz / 1e6))
    message: dict[str, Any] = {
        "app_eui": "0000000000000000", "dev_eui": asset.native_id.upper(), "devaddr": device.address.upper(),
        "fcnt": frame.count, "id": f"{device.address}-{asset.native_id[-4:]}", "name": asset.name,
        "payload": base64.b64encode(frame.payload).decode(), "payload_size": len(frame.payload), "port": frame.port,
        "reported_at": frame.time_ms, "uuid": f"{device.address}-{frame.number:08d}",
        "metadata": {"adr_allowed": False, "labels": [{"id": "1", "name": device.profile}], "multi_buy": 2},
        "hotspots": [
            {"channel": 2, "frequency": frequency, "hold_time": 0, "id": f"11{h.gateway.identifier}", "lat":
             h.gateway.latitude, "long": h.gateway.longitude, "name": f"hotspot-{h.gateway.identifier[-4:]}",
             "reported_at": frame.time_ms, "rssi": h.rssi, "snr": h.snr, "spreading": f"SF{frame.spreading}BW125",
             "status": "success"}
            for h in frame.heard
        ],
    }  # fmt: skip
    if frame.values is not None:
        message["decoded"] = {"payload": frame.values, "status": "success"}
    return _json(message)


WRITERS: dict[str, Callable[[Device, Frame], str]] = {
    "tts": tts,
    "thingpark": thingpark,
    "thingparkxml": thingpark_xml,
    "kerlink": kerlink,
    "loriot": loriot,
    "helium": helium,
}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _ticks(frame: Frame) -> int:
    """A gateway's own microsecond counter, 32 bits."""
    return frame.time_ms * 1000 % 2**32


def _nano(frame: Frame, later_ms: int) -> str:
    """Nanoseconds whose last six digits are the server's business."""
    stamp = np.datetime_as_string(np.datetime64(frame.time_ms + later_ms, "ms"))
    return f"{stamp}{(frame.number * 7919 + 13) % 1000:03d}{(frame.number * 104_729) % 1000:03d}Z"


def _local(frame: Frame, zone: ZoneInfo) -> str:
    moment = datetime.fromtimestamp(frame.time_ms // 1000, UTC).astimezone(zone)
    return moment.replace(microsecond=frame.time_ms % 1000 * 1000).isoformat(timespec="milliseconds")


def _slug(text: str) -> str:
    plain = text.translate(str.maketrans("éèêàçîô' ", "eeeacio--"))
    return plain.lower()
