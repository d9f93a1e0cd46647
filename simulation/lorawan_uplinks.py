"""LoRaWAN uplinks of the territory's own network servers, one file per server and UTC day.

Belongs here: the two envelopes (ChirpStack v3 and v4), frame counters, gateways, what is lost and what is sent twice.
Does not: what the sensors measure (`lorawan_sensors`), their names and places (`assets`), the servers that departments
bought beside (`lorawan_fleet`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from simulation import assets, lorawan_fleet
from simulation.clock import DAY, Flags, Ints, utc_date, wall
from simulation.files import write_gzip
from simulation.lorawan_gateways import FREQUENCIES, Gateway, gateways, nearest, radio
from simulation.lorawan_sensors import readings

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.assets import Asset
    from simulation.job import Job

SOURCE = "lorawan_uplinks"
TRUTH = (
    "dev_eui", "expected_frames", "sent_frames", "lost_frames", "received_frames", "resent_frames", "resets",
)  # fmt: skip
_PERIOD_S = 1200
_LOST, _RESENT = 0.03, 0.005
_LATER = 6.5  # a frame sent twice comes back some lines later
_RESTART = (11, 20)  # of the period
_NANO = 1_000_000_000
_PORT = 2


@dataclass(frozen=True)
class _Frames:
    """The frames of one device that reached its server, in order."""

    time: Ints  # ns
    count: Ints
    rate: int
    resent: Flags
    payloads: list[str]
    objects: list[str]


def write(job: Job) -> None:
    """Every server's days; a frame belongs to the UTC day of its time."""
    known = gateways(job)
    sensors = assets.sensors(job)
    writers: dict[str, Callable[[Job, Asset, _Frames, list[Gateway], int], list[str]]] = {
        "chirpstack3": _lines_v3,
        "chirpstack4": _lines_v4,
    }
    truth: list[tuple[object, ...]] = []
    for server in assets.SERVERS:
        times: list[Ints] = []
        resent: list[Flags] = []
        lines: list[str] = []
        for number, sensor in enumerate(sensors):
            if sensor.variant == server:
                frames, row = _frames(job, number, len(sensors), sensor)
                truth.append(row)
                lines += writers[server](job, sensor, frames, nearest(known, sensor), number)
                times.append(frames.time)
                resent.append(frames.resent)
        _write_days(job, server, np.concatenate(times), np.concatenate(resent), lines)
    job.truth.table("lorawan_devices", TRUTH, sorted(truth, key=lambda row: str(row[0])))
    lorawan_fleet.write(job, SOURCE)


def things(job: Job) -> list[Asset]:
    """Devices on the servers that departments bought; those of our own are in `assets`."""
    return lorawan_fleet.devices(job, SOURCE)


def restarted(job: Job) -> tuple[Asset, int]:
    """The sensor that joins again half-way, and the instant (ns) of its first frame after that."""
    sensors = assets.sensors(job)
    number = min(1, len(sensors) - 1)
    _, time = _slots(job, number)
    return sensors[number], int(time[len(time) * _RESTART[0] // _RESTART[1]])


def _write_days(job: Job, server: str, times: Ints, resent: Flags, lines: list[str]) -> None:
    """Lines in order of time, the repeated ones a little later in the same day's file."""
    days = times // (_NANO * DAY)
    for day in np.unique(days).tolist():
        here = np.flatnonzero(days == day)
        here = here[np.argsort(times[here], kind="stable")]
        again = np.flatnonzero(resent[here])
        order = np.concatenate([here, here[again]])
        rank = np.concatenate([np.arange(len(here), dtype=np.float64), again + _LATER])
        order = order[np.argsort(rank, kind="stable")]
        text = "\n".join([lines[position] for position in order.tolist()]) + "\n"
        name = f"{server}_{utc_date(day * DAY):%Y%m%d}.jsonl.gz"
        write_gzip(job.folder(SOURCE) / name, text.encode("utf-8"))
        job.truth.file(SOURCE, name, read=len(order), duplicate=len(again))


def _slots(job: Job, number: int) -> tuple[np.random.Generator, Ints]:
    """When a device sends (ns), and the generator that goes on from there."""
    rng = job.rng(SOURCE, "frames", number)
    hours = job.axis(60).epoch
    slots = np.arange(hours[0], hours[-1] + 3600, _PERIOD_S, dtype=np.int64)
    phase = int(rng.integers(0, _PERIOD_S - 60))
    return rng, (slots + phase) * _NANO + rng.integers(0, 45 * _NANO, len(slots))


def _frames(job: Job, number: int, total: int, sensor: Asset) -> tuple[_Frames, tuple[object, ...]]:
    """One device's life. The second restarts once (counter back to 0), the third (or the last) is silent for hours."""
    rng, time = _slots(job, number)
    sent = np.ones(len(time), dtype=np.bool_)
    if number == min(2, total - 1):
        silence = len(time) // 2
        sent[silence : silence + 15] = False
    count = np.cumsum(sent) - 1 + (0 if number % 4 == 0 else int(rng.integers(1, 40_000)))
    received = sent & (rng.random(len(time)) >= _LOST)
    resets = 0
    if number == min(1, total - 1):
        restart = len(time) * _RESTART[0] // _RESTART[1]
        count[restart:] -= count[restart]
        received[restart] = True  # else the restart could not be told from a long absence
        resets = 1
    local = wall(job.start, job.days, time // _NANO, job.territory.zone)
    payloads, objects = readings(rng, local, sensor.usage)
    kept = np.flatnonzero(received)
    resent = rng.random(len(kept)) < _RESENT
    # Far devices use the slow rates; rate 0 is left out of the envelope, as servers do with zeros.
    rate = (5, 5, 5, 4, 3, 0)[int(rng.integers(6))]
    frames = _Frames(
        time[kept], count[kept], rate, resent, [payloads[n] for n in kept.tolist()], [objects[n] for n in kept.tolist()]
    )
    emitted, heard = int(sent.sum()), len(kept)
    row = (sensor.native_id, len(time), emitted, emitted - heard, heard, int(resent.sum()), resets)
    return frames, row


def _lines_v3(job: Job, sensor: Asset, frames: _Frames, gateways: list[Gateway], number: int) -> list[str]:
    """ChirpStack v3: one object, `publishedAt` is the server's time."""
    rng = job.rng(SOURCE, "radio", number)
    channels, heard, strengths, ratios = radio(rng, len(frames.time))
    head = json.dumps(
        {"applicationID": _application(sensor), "applicationName": sensor.usage, "deviceName": sensor.name,
         "devEUI": sensor.native_id},
        ensure_ascii=False, separators=(",", ":"),
    )[:-1]  # fmt: skip
    tails = [f'"location":{{"latitude":{g.latitude},"longitude":{g.longitude},"altitude":210}}}}' for g in gateways]
    rate = f',"dr":{frames.rate}' if frames.rate else ""
    lines: list[str] = []
    for n, stamp in enumerate(_stamps(frames.time)):
        seen = ",".join(
            f'{{"gatewayID":"{g.identifier}",'
            + (f'"time":"{stamp[:26]}Z",' if g.clock else "")
            + f'"rssi":{strengths[n][k]},"loRaSNR":{ratios[n][k]},{tails[k]}'
            for k, g in enumerate(gateways[: heard[n]])
        )
        lines.append(
            f'{head},"rxInfo":[{seen}],"txInfo":{{"frequency":{FREQUENCIES[channels[n]]}{rate}}},"adr":true'
            f'{_counter(frames, n)},"fPort":{_PORT},"data":"{frames.payloads[n]}","object":{frames.objects[n]},'
            f'"publishedAt":"{stamp}Z"}}'
        )
    return lines


def _lines_v4(job: Job, sensor: Asset, frames: _Frames, gateways: list[Gateway], number: int) -> list[str]:
    """ChirpStack v4: device and modulation are objects of their own, `time` is the server's time."""
    rng = job.rng(SOURCE, "radio", number)
    size = len(frames.time)
    channels, heard, strengths, ratios = radio(rng, size)
    keys, uplinks = rng.bytes(16 * size), rng.integers(1, 2**32, (size, 3)).tolist()
    device, address = _device(job, sensor), f"26{int(rng.integers(2**24)):06x}"
    tails = [f'"location":{{"latitude":{g.latitude},"longitude":{g.longitude},"altitude":210.0}}' for g in gateways]
    rate = f'"dr":{frames.rate},' if frames.rate else ""
    lora = f'"bandwidth":125000,"spreadingFactor":{12 - frames.rate},"codeRate":"CR_4_5"'
    lines: list[str] = []
    for n, stamp in enumerate(_stamps(frames.time)):
        seen = ",".join(
            f'{{"gatewayId":"{g.identifier}","uplinkId":{uplinks[n][k]},'
            + (f'"nsTime":"{stamp}+00:00",' if g.clock else "")
            + f'"rssi":{strengths[n][k]},"snr":{ratios[n][k]},"channel":{channels[n]},{tails[k]},'
            '"metadata":{"region_common_name":"EU868","region_config_id":"eu868"},"crcStatus":"CRC_OK"}'
            for k, g in enumerate(gateways[: heard[n]])
        )
        lines.append(
            f'{{"deduplicationId":"{UUID(bytes=keys[16 * n : 16 * n + 16], version=4)}","time":"{stamp}+00:00",'
            f'"deviceInfo":{device},"devAddr":"{address}","adr":true,{rate}"fPort":{_PORT}{_counter(frames, n)},'
            f'"data":"{frames.payloads[n]}","object":{frames.objects[n]},"rxInfo":[{seen}],'
            f'"txInfo":{{"frequency":{FREQUENCIES[channels[n]]},"modulation":{{"lora":{{{lora}}}}}}}}}'
        )
    return lines


def _counter(frames: _Frames, n: int) -> str:
    """Zero is left out of the envelope."""
    return f',"fCnt":{frames.count[n]}' if frames.count[n] else ""


def _device(job: Job, sensor: Asset) -> str:
    def uuid(*parts: str) -> str:
        return str(UUID(bytes=job.rng(SOURCE, "uuid", *parts).bytes(16), version=4))

    tenant = job.territory.name
    info = {
        "tenantId": uuid("tenant"), "tenantName": tenant, "applicationId": uuid("application", sensor.usage),
        "applicationName": sensor.usage, "deviceProfileId": uuid("profile", sensor.usage),
        "deviceProfileName": f"profil {sensor.usage}", "deviceName": sensor.name, "devEui": sensor.native_id,
        "tags": {"commune": sensor.commune.insee},
    }  # fmt: skip
    return json.dumps(info, ensure_ascii=False, separators=(",", ":"))


def _application(sensor: Asset) -> str:
    return str(1 + next(n for n, (usage, _) in enumerate(assets.SENSOR_KINDS) if usage == sensor.usage))


def _stamps(time: Ints) -> list[str]:
    return [str(text) for text in np.datetime_as_string(time.astype("datetime64[ns]"))]
