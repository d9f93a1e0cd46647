"""What the gateways tell of themselves every ten minutes: packets heard, packets that were whole, packets sent.

Belongs here: ChirpStack v4's gateway stats, one file per ISO week (UTC), and gateways that fall silent. Does not:
uplinks (a gateway also hears the networks of others).
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from simulation.assets import Asset
from simulation.clock import DAY, Ints, profile, utc_date, wall
from simulation.files import write_gzip
from simulation.lorawan_fleet import iso_week
from simulation.lorawan_gateways import FREQUENCIES, Gateway, gateways

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "lorawan_gateway_stats"
TRUTH = ("gateway_id", "utc_date", "messages", "received", "received_ok", "emitted")
_EVERY_S = 600
_TRAFFIC: dict[float, float] = {0: 70, 6: 80, 9: 140, 18: 150, 22: 90}  # packets in ten minutes
_SERVICE = date(2024, 3, 1)


def things(job: Job) -> list[Asset]:
    """The gateways."""
    return [
        Asset(
            SOURCE, g.identifier, f"Passerelle {g.town.name}", "passerelle", g.town, g.longitude, g.latitude, _SERVICE
        )
        for g in gateways(job)
    ]


def write(job: Job) -> None:
    """A week's messages in order of time; the last of each week comes twice."""
    weeks: dict[str, list[tuple[int, str]]] = {}
    truth: dict[tuple[str, int], list[int]] = {}
    for number, gateway in enumerate(gateways(job)):
        times, received, whole, sent = _counts(job, number)
        for time, heard, good, emitted in zip(
            times.tolist(), received.tolist(), whole.tolist(), sent.tolist(), strict=True
        ):
            weeks.setdefault(iso_week(time), []).append((time, _line(gateway, time, heard, good, emitted)))
            sums = truth.setdefault((gateway.identifier, time // DAY), [0, 0, 0, 0])
            for place, value in enumerate((1, heard, good, emitted)):
                sums[place] += value
    for week, messages in weeks.items():
        lines = [line for _, line in sorted(messages)]
        lines.append(lines[-1])
        name = f"stats_{week}.jsonl.gz"
        write_gzip(job.folder(SOURCE) / name, ("\n".join(lines) + "\n").encode("utf-8"))
        job.truth.file(SOURCE, name, read=len(lines), duplicate=1)
    rows = [(gateway, utc_date(day * DAY).isoformat(), *sums) for (gateway, day), sums in truth.items()]
    job.truth.table("lorawan_gateway_days", TRUTH, sorted(rows))


def _counts(job: Job, number: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Seconds, packets received, packets whole, packets emitted. The third gateway is cut off for a night."""
    rng = job.rng(SOURCE, "gateway", number)
    hours = job.axis(60).epoch
    times = np.arange(hours[0], hours[-1] + 3600, _EVERY_S, dtype=np.int64) + int(rng.integers(_EVERY_S))
    level = profile(wall(job.start, job.days, times, job.territory.zone).hour, _TRAFFIC) * float(rng.uniform(0.3, 1.2))
    received = rng.poisson(level).astype(np.int64)
    received[rng.random(len(times)) < 0.002] = 0  # a restart: zero is left out of the message
    whole = rng.binomial(received, 0.83).astype(np.int64)
    sent = rng.poisson(level / 40).astype(np.int64)
    alive = np.ones(len(times), dtype=np.bool_)
    if number == 2:
        alive[len(times) // 2 : len(times) // 2 + 60] = False
    return times[alive], received[alive], whole[alive], sent[alive]


def _line(gateway: Gateway, time: int, received: int, whole: int, sent: int) -> str:
    """Zero, and what is empty, is left out."""
    event: dict[str, Any] = {
        "gatewayId": gateway.identifier, "time": f"{np.datetime64(time, 's')}Z",
        "location": {"latitude": gateway.latitude, "longitude": gateway.longitude, "altitude": 210.0, "source": "GPS"}
        if gateway.clock else None,
        "rxPacketsReceived": received, "rxPacketsReceivedOk": whole, "txPacketsReceived": sent,
        "txPacketsEmitted": sent, "metadata": {"region_common_name": "EU868", "region_config_id": "eu868"},
        "rxPacketsPerFrequency": {str(FREQUENCIES[time // _EVERY_S % 8]): whole} if whole else None,
        "txPacketsPerStatus": {"OK": sent} if sent else None,
    }  # fmt: skip
    return json.dumps({k: v for k, v in event.items() if v}, separators=(",", ":"))
