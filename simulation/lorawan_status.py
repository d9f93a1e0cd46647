"""What devices of the territory's own servers answer about their battery and radio margin, once a day.

Belongs here: status events of ChirpStack v3 and v4, one file per server and week. Does not: uplinks.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from simulation import assets
from simulation.files import write_gzip

if TYPE_CHECKING:
    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "lorawan_status"
TRUTH = ("dev_eui", "status_time", "battery_level_pct", "is_external_power", "margin_db")
_WEEK = 7
_LEVELS = 254  # steps in which a device tells its battery
_Row = tuple[str, str, float | None, bool, int]


def write(job: Job) -> None:
    """Files of seven days, named by the last; the first answer of each comes twice."""
    sensors = assets.sensors(job)
    truth: list[_Row] = []
    for server in assets.SERVERS:
        mine = [(number, sensor) for number, sensor in enumerate(sensors) if sensor.variant == server]
        told = [answer for number, sensor in mine for answer in _answers(job, sensor, number, len(sensors))]
        truth += [row for _, _, row in told]
        for first in range(0, job.days, _WEEK):
            last = min(first + _WEEK, job.days) - 1
            lines = [line for day, line, _ in sorted(told, key=lambda a: a[2][1]) if first <= day <= last]
            lines.append(lines[0])
            name = f"{server}_status_{job.start + timedelta(days=last):%Y%m%d}.jsonl.gz"
            write_gzip(job.folder(SOURCE) / name, ("\n".join(lines) + "\n").encode("utf-8"))
            job.truth.file(SOURCE, name, read=len(lines), duplicate=1)
    rows = [(*row[:2], "" if row[2] is None else row[2], int(row[3]), row[4]) for row in truth]
    job.truth.table("lorawan_status", TRUTH, sorted(rows))


def _answers(job: Job, sensor: Asset, number: int, total: int) -> list[tuple[int, str, _Row]]:
    """(day, line, truth). The first device has mains power, the last cannot tell, the second's battery dies."""
    rng = job.rng(SOURCE, "device", number)
    midnights = job.axis(60).epoch[[begin for begin, _ in job.axis(60).bounds]]
    times = midnights * 1000 + rng.integers(1000, 80_000_000, job.days)
    steps = (float(rng.uniform(60, 99)) - 0.05 * np.arange(job.days)) / 100 * _LEVELS
    levels = (steps.round() / _LEVELS * 100).round(2)
    if number == 1:
        levels[job.days // 2 :] = 0.0
    margins = rng.integers(0, 25, job.days).tolist()
    external, unknown = number == 0, number == total - 1 and total > 2
    found = []
    for day, (time_ms, level, margin) in enumerate(zip(times.tolist(), levels.tolist(), margins, strict=True)):
        battery = None if external or unknown else level
        write_one = _v4 if sensor.variant == "chirpstack4" else _v3
        line = write_one(sensor, time_ms, battery, margin, external=external)
        found.append((day, line, (sensor.native_id, f"{np.datetime64(time_ms, 'ms')}Z", battery, external, margin)))
    return found


def _v4(sensor: Asset, time_ms: int, battery: float | None, margin: int, *, external: bool) -> str:
    """Zero and false are left out."""
    event: dict[str, Any] = {
        "deduplicationId": f"{time_ms:08x}-0000-4000-8000-{sensor.native_id[-12:]}",
        "time": f"{np.datetime64(time_ms, 'ms')}000000+00:00",
        "deviceInfo": {"applicationName": sensor.usage, "deviceName": sensor.name, "devEui": sensor.native_id,
                       "deviceProfileName": f"profil {sensor.usage}", "tags": {"commune": sensor.commune.insee}},
        "margin": margin, "externalPowerSource": external, "batteryLevelUnavailable": battery is None and not external,
        "batteryLevel": battery or 0,
    }  # fmt: skip
    return _json({k: v for k, v in event.items() if v not in (0, False)})


def _v3(sensor: Asset, time_ms: int, battery: float | None, margin: int, *, external: bool) -> str:
    """Every field is there."""
    return _json({
        "applicationName": sensor.usage, "deviceName": sensor.name, "devEUI": sensor.native_id, "margin": margin,
        "externalPowerSource": external, "batteryLevelUnavailable": battery is None and not external,
        "batteryLevel": battery or 0, "tags": {}, "publishedAt": f"{np.datetime64(time_ms, 'ms')}000000Z",
    })  # fmt: skip


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
