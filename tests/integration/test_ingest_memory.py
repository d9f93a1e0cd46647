"""Memory does not grow with the size of a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import House

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20
WIDE = "rue de la République, section " + "x" * 600

# Not ru_maxrss: it begins with the memory of the process that started this one.
PROGRAM = """
import re, sys
from pathlib import Path
from ingestion.contract import load_contracts
from ingestion.load import ingest
(contract,) = [c for c in load_contracts() if c.bronze == sys.argv[1]]
ingest(contract)
print(int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024)
"""


def test_a_file_of_300_megabytes_loads_in_less_than_a_gigabyte(house: House) -> None:
    path = house.put("traffic_counts", "large.csv", "segment_id,segment_fullname,date,uptime,car,noise\n")
    rows = 0
    with path.open("a", encoding="utf-8") as stream:
        while stream.tell() < 300 * MEGABYTE:
            day = f"{2000 + rows // 8640}-{1 + rows // 720 % 12:02d}-{1 + rows // 24 % 28:02d}"
            block = [f"s{n},{WIDE},{day} {rows % 24:02d}:00:00 CEST,0.5,{n}.25,61" for n in range(200)]
            stream.write("\n".join(block) + "\n")
            rows += 1
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "traffic_counts__hour"], env=env, capture_output=True, text=True, check=True
    )
    peak = int(done.stdout)
    path.unlink()
    assert house.counts("large.csv")[0] == rows * 200
    house.check_ledger()
    assert peak < 1000 * MEGABYTE, f"{peak / MEGABYTE:.0f} MB"
