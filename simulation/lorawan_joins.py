"""Devices that join the network, as ChirpStack v3 and v4 and The Things Stack tell it: one file per server and week.

Belongs here: join events, and devices on the shelf that try every day. Does not: the uplinks that follow.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from simulation import lorawan_fleet, lorawan_servers, lorawan_uplinks
from simulation.clock import DAY
from simulation.files import write_gzip
from simulation.lorawan_gateways import FREQUENCIES, Gateway, gateways

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "lorawan_joins"
TRUTH = ("dev_eui", "joined_time", "server")
BAD_IDENTIFIER = "bad_identifier"
_WEEK = 7
_SHELF = {"chirpstack4": 3, "chirpstack3": 2}  # devices that were set up and not yet installed
_BEFORE_MS = 4000  # between a join and the first frame of the new session


@dataclass(frozen=True)
class _Join:
    """One event: `line` is what the server writes."""

    time_ms: int
    dev_eui: str
    server: str
    line: str


def write(job: Job) -> None:
    """Files of seven days, named by the last; the first event of each comes twice, one identifier is cut short."""
    known = gateways(job)
    events = [*_rejoined(job), *_of_fleet(job), *_on_shelf(job, known)]
    weeks: dict[tuple[str, int], list[_Join]] = defaultdict(list)
    first = int(job.axis(60).epoch[0])
    for event in sorted(events, key=lambda e: (e.time_ms, e.dev_eui)):
        weeks[event.server, (event.time_ms // 1000 - first) // (_WEEK * DAY)].append(event)
    for (server, week), mine in weeks.items():
        last = job.start + timedelta(days=min(_WEEK * (week + 1), job.days) - 1)
        name = f"{server}_join_{last:%Y%m%d}.jsonl.gz"
        lines = [event.line for event in mine] + [mine[0].line]
        spoilt = server == "chirpstack3" and week == 0
        if spoilt:
            lines.append(lines[0].replace(_base64(mine[0].dev_eui), "AgICAgI="))
            job.truth.refuse(SOURCE, name, line=len(lines), column="devEUI", reason=BAD_IDENTIFIER)
        write_gzip(job.folder(SOURCE) / name, ("\n".join(lines) + "\n").encode("utf-8"))
        job.truth.file(SOURCE, name, read=len(lines), duplicate=1, quarantined=int(spoilt))
    rows = [(e.dev_eui, f"{np.datetime64(e.time_ms, 'ms')}Z", e.server) for e in events]
    job.truth.table("lorawan_joins", TRUTH, sorted(rows))


def _rejoined(job: Job) -> list[_Join]:
    sensor, time_ns = lorawan_uplinks.restarted(job)
    time_ms = time_ns // 1_000_000 - _BEFORE_MS
    if sensor.variant != "chirpstack4":
        return []
    rng = job.rng(SOURCE, "rejoined")
    line = _v4(rng, sensor.native_id, sensor.name, sensor.usage, time_ms)
    return [_Join(time_ms, sensor.native_id, "chirpstack4", line)]


def _of_fleet(job: Job) -> list[_Join]:
    found = []
    for device, frame in lorawan_fleet.joins(job, lorawan_uplinks.SOURCE):
        time_ms = frame.time_ms - _BEFORE_MS
        line = lorawan_servers.tts_join(device, frame, time_ms)
        found.append(_Join(time_ms, device.asset.native_id, "tts", line))
    return found


def _on_shelf(job: Job, known: list[Gateway]) -> list[_Join]:
    """Once a day each, as long as nobody carries them out."""
    found = []
    midnights = job.axis(60).epoch[[begin for begin, _ in job.axis(60).bounds]].tolist()
    for server, count in _SHELF.items():
        for index in range(job.count(count)):
            rng = job.rng(SOURCE, "shelf", server, index)
            eui = f"a81758fffeff{int(rng.integers(256)):02x}{index:02x}"
            for midnight in midnights:
                time_ms = (midnight + int(rng.integers(3600, 80_000))) * 1000 + int(rng.integers(1000))
                name = f"STOCK-{index + 1:02d}"
                line = (
                    _v4(rng, eui, name, "stock", time_ms)
                    if server == "chirpstack4"
                    else _v3(rng, eui, name, known[index % len(known)], time_ms)
                )
                found.append(_Join(time_ms, eui, server, line))
    return found


def _v4(rng: np.random.Generator, eui: str, name: str, usage: str, time_ms: int) -> str:
    """ChirpStack v4: no radio in a join event, the device as in its uplinks."""
    event = {
        "deduplicationId": str(UUID(bytes=rng.bytes(16), version=4)), "time": f"{_stamp(time_ms)}+00:00",
        "deviceInfo": {
            "tenantName": "Agglomération", "applicationName": usage, "deviceProfileName": f"profil {usage}",
            "deviceName": name, "devEui": eui, "deviceClassEnabled": "CLASS_A", "tags": {},
        },
        "devAddr": f"26{int(rng.integers(2**24)):06x}", "regionConfigId": "eu868",
    }  # fmt: skip
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _v3(rng: np.random.Generator, eui: str, name: str, gateway: Gateway, time_ms: int) -> str:
    """ChirpStack v3: identifiers in base64, as its protobuf marshaler writes bytes."""
    event = {
        "applicationID": "9", "applicationName": "stock", "deviceName": name, "devEUI": _base64(eui),
        "devAddr": _base64(f"26{int(rng.integers(2**24)):06x}"),
        "rxInfo": [{"gatewayID": _base64(gateway.identifier), "rssi": -int(rng.integers(60, 90)), "loRaSNR": 8.5}],
        "txInfo": {"frequency": FREQUENCIES[0], "modulation": "LORA"}, "dr": 5,
        "publishedAt": f"{_stamp(time_ms)}Z",
    }  # fmt: skip
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _stamp(time_ms: int) -> str:
    return f"{np.datetime64(time_ms, 'ms')}000000"


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode("ascii")
