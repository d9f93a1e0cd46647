"""LoRaWAN JSON lines to bronze, against DuckDB's bare `read_json` to Parquet with the same explicit columns.

Ours does what a load does: hash every file, read, type, refuse what is bad with line and reason, leave out what is
already there, commit to Delta with the ledger. The limit reads the same files into the same columns and writes Parquet.

Run as a program it is the child process: `ours <landing>` or `limit <landing>`.
"""

from __future__ import annotations

import base64
import json
import random
import resource
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Result, middle, timed

LINES, FILES = 2_000_000, 20
DUPLICATES, BROKEN = 0.01, 0.0001  # shares of lines sent again, and of lines cut short
ROUNDS = 3


def generate(landing: Path, lines: int = LINES) -> None:
    """Write `lines` ChirpStack v4 uplinks of about 1 KB, over two days, in equal files."""
    folder = landing / "lorawan_uplinks"
    folder.mkdir(parents=True)
    rng = random.Random(58)  # noqa: S311 - a workload, not a secret
    start = datetime(2026, 10, 5, tzinfo=UTC)
    per_file = lines // FILES
    for number in range(FILES):
        with (folder / f"uplinks_{number:02}.jsonl").open("w", encoding="utf-8") as out:
            previous = ""
            for index in range(number * per_file, (number + 1) * per_file):
                chance = rng.random()
                line = previous if previous and chance < DUPLICATES else _line(index, start, rng)
                out.write((line[: len(line) // 2] if chance > 1 - BROKEN else line) + "\n")
                previous = line


def _line(index: int, start: datetime, rng: random.Random) -> str:
    stamp = (start + timedelta(seconds=index * 0.08)).strftime("%Y-%m-%dT%H:%M:%S.%f000+00:00")
    device = index % 5000
    gateways = [
        {
            "gatewayId": f"0016c001f153a1{g:02x}",
            "uplinkId": rng.getrandbits(32),
            "nsTime": stamp,
            "rssi": -rng.randint(40, 120),
            "snr": round(rng.uniform(-15, 10), 1),
            "channel": g,
            "location": {"latitude": 46.98 + g / 100, "longitude": 3.15, "altitude": 200},
            "context": "E3OWOQ==",
            "metadata": {"region_name": "eu868", "region_common_name": "EU868"},
        }
        for g in range(1, 2 + device % 2)
    ]
    event = {
        "deduplicationId": f"{rng.getrandbits(128):032x}",
        "time": stamp,
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "Nevers Agglomération",
            "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97",
            "applicationName": "Bâtiments",
            "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
            "deviceProfileName": "CO2",
            "deviceName": f"capteur-{device:04}",
            "devEui": f"70b3d5{device:010x}",
            "tags": {"commune": "58194"},
        },
        "devAddr": f"{device:08x}",
        "adr": True,
        "dr": device % 6,
        "fCnt": index // 5000,
        "fPort": 5,
        "data": base64.b64encode(rng.randbytes(12)).decode(),
        "object": {"temperature": round(rng.uniform(5, 30), 2), "co2": rng.randint(400, 2000)},
        "rxInfo": gateways,
        "txInfo": {
            "frequency": 867100000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7 + device % 6, "codeRate": "CR_4_5"}},
        },
    }
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def run(home: Path, lines: int = LINES) -> Result:
    """Generate, then ours and the limit in turn, `ROUNDS` times; medians."""
    landing = home / "bench_landing"
    shutil.rmtree(landing, ignore_errors=True)
    generate(landing, lines)
    ours, limits = [], []
    try:
        for _ in range(ROUNDS):
            limits.append(timed(__name__, "limit", str(landing), home=home))
            shutil.rmtree(home / "bench_home", ignore_errors=True)
            ours.append(timed(__name__, "ours", str(landing), home=home / "bench_home"))
    finally:
        shutil.rmtree(landing, ignore_errors=True)
        shutil.rmtree(home / "bench_home", ignore_errors=True)
    our, limit = middle(ours), middle(limits)
    return Result(
        name="ingest_lorawan_jsonl",
        value=round(lines / our.seconds),
        unit="rows/s",
        limit="DuckDB read_json with the same columns to Parquet: "
        f"{lines / limit.seconds:,.0f} rows/s, peak {limit.peak_mb:.0f} MB",
        ratio=round(limit.seconds / our.seconds, 3),
        peak_mb=round(our.peak_mb),
    )


def ours(landing: Path) -> float:
    """Seconds of a whole load; fails when the ledger does not add up."""
    from ingestion.contract import load_contracts
    from ingestion.load import ingest

    contract = next(c for c in load_contracts() if c.id == "lorawan_uplinks")
    start = time.perf_counter()
    done = ingest(contract, landing=landing)
    seconds = time.perf_counter() - start
    if done.rows_read != done.rows_loaded + done.rows_duplicate + done.rows_quarantined or not done.rows_duplicate:
        raise RuntimeError(f"the ledger does not add up: {done}")
    return seconds


def limit(landing: Path) -> float:
    """Seconds of DuckDB alone, on the same files and columns."""
    import duckdb

    from ingestion.contract import load_contracts
    from ingestion.readers.jsonl import declared_columns
    from lake.home import tmp_dir

    contract = next(c for c in load_contracts() if c.id == "lorawan_uplinks")
    columns = declared_columns(contract, "chirpstack_v4")
    con = duckdb.connect()
    target = tmp_dir() / "limit.parquet"
    start = time.perf_counter()
    con.execute(
        f"COPY (SELECT * FROM read_json('{landing}/lorawan_uplinks/*.jsonl', format='newline_delimited', "
        f"columns={columns}, ignore_errors=true)) TO '{target}' (FORMAT parquet)"
    )
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


if __name__ == "__main__":
    work = {"ours": ours, "limit": limit}[sys.argv[1]]
    elapsed = work(Path(sys.argv[2]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": elapsed, "peak_mb": peak}) + "\n")
