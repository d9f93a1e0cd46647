"""Memory does not grow with the number of rows that are published."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MB = 256
# What Python, DuckDB and its extensions hold beside DuckDB's own limit, threads' buffers included.
BESIDE_MB = 350

# Not ru_maxrss: it begins with the memory of the process that started this one.
PROGRAM = """
import re, sys
from pathlib import Path
from lake.engine import connect
from publication.export import TableExport, write
from quality.standard import load_standard
rows, folder = int(sys.argv[1]), Path(sys.argv[2])
con = connect(attach=False, memory=sys.argv[3])
con.execute(f'''CREATE VIEW measure AS SELECT 'C' || (i * 7919 % 50) AS channel_id, 'counter of a long name ' || i AS
    counter_id, TIMESTAMPTZ '2024-01-01 00:00:00+00' + (i * 104729 % 20000) * INTERVAL 1 HOUR AS start_datetime,
    NULL::TIMESTAMPTZ AS end_datetime, random() AS count FROM range({rows}) r(i)''')
table = load_standard("comptage-mobilites").table("measure")
done = write(con, TableExport("measure", table, "m", ("channel_id", "start_datetime"), None, "start_datetime"), folder)
assert done.rows == rows
print(int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]) // 1024)
"""


def test_three_million_rows_are_written_within_the_limit(tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "DATANEVERS_HOME": str(tmp_path)}
    arguments = ["3000000", str(tmp_path), f"{LIMIT_MB}MB"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    parts = sorted(tmp_path.glob("m_*.csv"))
    assert parts, "more than a CSV of 100 MB, so cut by year"
    size = sum(part.stat().st_size for part in parts) >> 20
    for part in parts:
        part.unlink()
    assert size > 100
    peak = int(done.stdout)
    assert peak < LIMIT_MB + BESIDE_MB, f"{peak} MB"
