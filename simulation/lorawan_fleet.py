"""Sensors that departments bought with a network server of their own: hourly frames on six servers, weekly exports.

Belongs here: the devices, when they send, and all that happens to their frames (repeats, resets, rollover, messages
that are no uplinks, payloads cut short). Does not: payloads (`lorawan_makers`), envelopes (`lorawan_servers`).
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from simulation import assets, lorawan_servers
from simulation.assets import Asset
from simulation.clock import DAY, utc_date, wall
from simulation.files import write_gzip
from simulation.lorawan_gateways import FREQUENCIES, Gateway, gateways, nearest, radio
from simulation.lorawan_makers import MAKERS, Values
from simulation.lorawan_servers import WRITERS, Device, Frame, Heard

if TYPE_CHECKING:
    from datetime import date

    from simulation.job import Job

DEVICES = (
    "dev_eui", "server", "profile", "sent_frames", "lost_frames", "received_frames", "repeated_frames",
    "resent_frames", "refused_frames", "resets", "rollovers",
)  # fmt: skip
VALUES = ("dev_eui", "received_time", "f_cnt", "property", "value")
REFUSED = "not_an_uplink"
BAD_PAYLOAD = "bad_payload"
_LOST, _RESENT = 0.03, 0.005
_LATER = 4.5  # a message delivered twice comes back some lines later
_ROLL = 65_536
_PORTS = {"ers-co2": 5, "em400-udl": 85, "dl-trs12": 1}


@dataclass(frozen=True)
class _Purchase:
    """What a department bought: devices of one model on one server. `opaque` is the share that arrives undecoded."""

    server: str
    count: int
    usage: str
    prefix: str
    maker: str
    profile: str
    every_h: int
    opaque: float


_PURCHASES = (
    _Purchase("tts", 3, "humidité du sol", "SOL", "decentlab", "dl-trs12", 1, 0.0),
    _Purchase("thingpark", 3, "niveau d'eau", "PUITS", "milesight", "em400-udl", 1, 1.0),
    _Purchase("thingparkxml", 1, "niveau d'eau", "PUISARD", "milesight", "em400-udl", 6, 1.0),
    _Purchase("kerlink", 3, "qualité de l'air intérieur", "CLASSE", "elsys", "ers-co2", 1, 1.0),
    _Purchase("loriot", 2, "niveau d'eau", "BASSIN", "milesight", "em400-udl", 1, 1.0),
    _Purchase("helium", 2, "qualité de l'air intérieur", "SALLE", "elsys", "ers-co2", 1, 0.2),
)
# Kerlink and Loriot do not say what a device is: their exports are one file per model, named in the file's name.
_NAMED_BY_FILE = {"kerlink", "loriot"}
_OBJECT_COLUMN = {"thingpark": "DevEUI_uplink.payload"}  # where a decoded object would have been


@dataclass(frozen=True)
class _Message:
    """One line to deliver, and what becomes of it: `column` names the contract's place that refuses it."""

    time_ms: int
    line: str
    column: str = ""
    reason: str = ""
    twice: bool = False


@dataclass(frozen=True)
class _Life:
    """One device over the period: frames in order of time; `repeats` are the later copies of a frame."""

    device: Device
    frames: list[Frame]
    repeats: list[Frame]
    values: list[Values]  # of `frames`, whoever decodes them
    cut: set[int]  # frames whose payload was cut short: the codec refuses them
    lost: int
    resets: int
    rollovers: int


def devices(job: Job, source: str) -> list[Asset]:
    """All of them; at least one on each server."""
    found: list[Asset] = []
    for purchase in _PURCHASES:
        for index in range(job.count(purchase.count)):
            rng = job.rng("assets", source, purchase.server, index)
            town = job.territory.communes[int(rng.integers(len(job.territory.communes)))]
            longitude, latitude = assets.near(rng, town.longitude, town.latitude)
            # 70b3d5: a block of addresses that small makers share; the counters keep identifiers unique
            eui = f"70b3d5{_PURCHASES.index(purchase):02x}{int(rng.integers(65_536)):04x}{index:04x}"
            name = f"{purchase.prefix}-{town.name.upper().replace(' ', '-')}-{index + 1:02d}"
            place = (town, longitude, latitude, _since(job, rng))
            found.append(Asset(source, eui, name, "capteur", *place, purchase.usage, variant=purchase.server))
    return found


def _since(job: Job, rng: np.random.Generator) -> date:
    return utc_date(job.axis(60).epoch[0].item() - DAY * (30 + int(rng.integers(900))))


def write(job: Job, source: str) -> None:
    """Every server's weeks, and the truth: frames per device, and each value that a frame carries."""
    known = gateways(job)
    lives = [_life(job, asset, number, known) for number, asset in enumerate(devices(job, source))]
    rows: list[tuple[object, ...]] = []
    deliveries: dict[tuple[str, str], list[_Message]] = defaultdict(list)
    for number, life in enumerate(lives):
        server, profile = life.device.asset.variant, life.device.profile
        messages = _messages(job, life, number)
        deliveries[server, profile if server in _NAMED_BY_FILE else ""] += messages
        refused = sum(bool(m.column) for m in messages)
        twice = sum(m.twice for m in messages)
        received = len(life.frames)
        rows.append((
            life.device.asset.native_id, server, profile, received + life.lost, life.lost, received,
            len(life.repeats), twice, refused, life.resets, life.rollovers,
        ))  # fmt: skip
    for (server, profile), messages in deliveries.items():
        _deliver(job, source, server, profile, sorted(messages, key=lambda m: m.time_ms))
    job.truth.table("lorawan_fleet", DEVICES, sorted(rows, key=lambda row: str(row[0])))
    job.truth.table("lorawan_values", VALUES, [row for life in lives for row in _true_values(life)])


def joins(job: Job, source: str) -> list[tuple[Device, Frame]]:
    """Devices that joined again during the period, and the first frame after it."""
    known = gateways(job)
    lives = [_life(job, asset, number, known) for number, asset in enumerate(devices(job, source))]
    return [(life.device, f) for life in lives if life.resets for f in life.frames if not f.count]


def _purchase(asset: Asset) -> _Purchase:
    return next(p for p in _PURCHASES if p.server == asset.variant)


def _life(job: Job, asset: Asset, number: int, known: list[Gateway]) -> _Life:
    """The first device of The Things Stack restarts half-way, the first of ThingPark rolls over (16-bit counter)."""
    rng = job.rng("lorawan_uplinks", "fleet", asset.variant, number)
    purchase = _purchase(asset)
    device = Device(asset, purchase.maker, purchase.profile, f"27{int(rng.integers(2**24)):06x}", job.territory.zone)
    hours = job.axis(60).epoch[:: purchase.every_h]
    size = len(hours)
    time_ms = (hours + int(rng.integers(60, 3400))) * 1000 + rng.integers(0, 90_000, size)
    first = asset.native_id.endswith("0000")
    count = np.arange(size) + int(rng.integers(1, 40_000))
    if resets := int(first and purchase.server == "tts"):
        count[size // 2 :] = np.arange(size - size // 2)
    if rollovers := int(first and purchase.server == "thingpark"):
        count = (np.arange(size) + _ROLL - size // 2) % _ROLL
    measures = MAKERS[purchase.profile](rng, wall(job.start, job.days, time_ms // 1000, job.territory.zone))
    received = rng.random(size) >= _LOST
    received[[0, size // 2]] = True  # else a restart could not be told from a long absence
    opaque = rng.random(size) < purchase.opaque
    bare = (rng.random(size) < 0.01) & (purchase.server == "kerlink")  # network housekeeping, without a payload
    channels, heard, strengths, ratios = radio(rng, size)
    spreading = (7, 7, 7, 8, 9, 12)[int(rng.integers(6))]
    near = nearest(known, asset)
    kept = np.flatnonzero(received).tolist()
    frames = [
        Frame(
            time_ms=int(time_ms[n]),
            count=int(count[n]),
            port=0 if bare[n] else _PORTS[purchase.profile],
            payload=b"" if bare[n] else measures.payloads[n],
            values=None if opaque[n] or bare[n] else measures.values[n],
            heard=tuple(Heard(near[k], strengths[n][k], ratios[n][k]) for k in range(heard[n])),
            frequency_hz=FREQUENCIES[channels[n]],
            spreading=spreading,
            confirmed=purchase.server == "kerlink",
            number=2 * n,
        )
        for n in kept
    ]
    cut = {1, len(frames) // 3} if first and purchase.server in ("loriot", "thingpark") else set()
    values = [{} if bare[n] or i in cut else measures.values[n] for i, n in enumerate(kept)]
    frames = [replace(f, payload=f.payload[:-1]) if i in cut else f for i, f in enumerate(frames)]
    return _Life(device, frames, _repeats(rng, frames, near), values, cut, size - len(frames), resets, rollovers)


def _repeats(rng: np.random.Generator, frames: list[Frame], near: list[Gateway]) -> list[Frame]:
    """Confirmed frames whose answer was lost are sent again; Helium sells a frame twice, by another hotspot."""
    found: list[Frame] = []
    for frame, chance, wait in zip(frames, rng.random(len(frames)), rng.integers(1, 6, len(frames)), strict=True):
        again = replace(frame, time_ms=frame.time_ms + int(wait) * 1000 + 137, number=frame.number + 1)
        if frame.confirmed and chance < 0.04:
            found.append(again)
        elif frame.values is not None and not frame.confirmed and frame.port == _PORTS["ers-co2"] and chance < 0.12:
            found.append(replace(again, heard=(Heard(near[-1], -119, -9.2),)))
    return found


def _messages(job: Job, life: _Life, number: int) -> list[_Message]:
    """All that the server delivers of a device."""
    rng = job.rng("lorawan_uplinks", "delivery", life.device.asset.variant, number)
    server, device = life.device.asset.variant, life.device
    write_one = WRITERS[server]
    resent = (rng.random(len(life.frames)) < _RESENT) & (server != "thingparkxml")
    found = []
    for position, frame in enumerate(life.frames):
        column = _OBJECT_COLUMN.get(server, "object") if position in life.cut else ""
        reason = BAD_PAYLOAD if column else ""
        twice = bool(resent[position]) and not column
        found.append(_Message(frame.time_ms, write_one(device, frame), column, reason, twice))
    found += [_Message(frame.time_ms, write_one(device, frame)) for frame in life.repeats]
    return found + _others(life)


def _others(life: _Life) -> list[_Message]:
    """What servers deliver to an application besides uplinks."""
    device, server = life.device, life.device.asset.variant
    half = life.frames[len(life.frames) // 2]
    if life.resets:
        join = next(f for f in life.frames if not f.count)
        time_ms = join.time_ms - 4000
        accepted = lorawan_servers.tts_join(device, join, time_ms)
        return [_Message(time_ms, accepted, "uplink_message.rx_metadata", REFUSED)]
    if server == "thingpark" and life.rollovers:
        request, report = replace(half, time_ms=half.time_ms + 2000), replace(half, time_ms=half.time_ms + 3000)
        return [
            _Message(request.time_ms, lorawan_servers.thingpark_join(device, request), "DevEUI_uplink.MType", REFUSED),
            _Message(report.time_ms, lorawan_servers.thingpark_sent(device, report), "DevEUI_uplink.DevEUI", REFUSED),
        ]
    return []


def _deliver(job: Job, source: str, server: str, profile: str, messages: list[_Message]) -> None:
    """One file per ISO week (UTC)."""
    weeks: dict[str, list[_Message]] = defaultdict(list)
    for message in messages:
        weeks[iso_week(message.time_ms // 1000)].append(message)
    for week, todo in weeks.items():
        stem = f"{server}_{week}" + (f"__{profile}" if profile else "")
        (_deliver_documents if server == "thingparkxml" else _deliver_lines)(job, source, stem, todo)


def iso_week(seconds: int) -> str:
    """`2026-W43`."""
    year, week, _ = utc_date(seconds).isocalendar()
    return f"{year}-W{week:02d}"


def _deliver_lines(job: Job, source: str, stem: str, todo: list[_Message]) -> None:
    """Lines in order of time, those that come twice a little later again."""
    ranked = [(float(rank), False, message) for rank, message in enumerate(todo)]
    ranked += [(rank + _LATER, True, message) for rank, message in enumerate(todo) if message.twice]
    ranked.sort(key=lambda entry: entry[:2])
    name = f"{stem}.jsonl.gz"
    write_gzip(job.folder(source) / name, ("\n".join(m.line for *_, m in ranked) + "\n").encode("utf-8"))
    for line, (*_, message) in enumerate(ranked, start=1):
        if message.column:
            job.truth.refuse(source, name, line=line, column=message.column, reason=message.reason)
    twice, refused = sum(again for _, again, _ in ranked), sum(bool(m.column) for *_, m in ranked)
    job.truth.file(source, name, read=len(ranked), duplicate=twice, quarantined=refused)


def _deliver_documents(job: Job, source: str, stem: str, todo: list[_Message]) -> None:
    """One XML document per message, a week of them in an archive."""
    with zipfile.ZipFile(job.folder(source) / f"{stem}.zip", "w") as archive:
        for number, message in enumerate(todo, start=1):
            entry = zipfile.ZipInfo(f"{number:04d}.xml", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, message.line.encode("utf-8"))
            job.truth.file(source, f"{stem}.zip!{number:04d}.xml", read=1)


def _true_values(life: _Life) -> list[tuple[object, ...]]:
    """Each value once, whatever the copies of its frame; what cannot be decoded is not there."""
    eui = life.device.asset.native_id
    return [
        (eui, f"{np.datetime64(frame.time_ms, 'ms')}Z", frame.count, name, value)
        for frame, values in zip(life.frames, life.values, strict=True)
        for name, value in values.items()
    ]
