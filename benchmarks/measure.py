"""Timing a piece of work in a process of its own.

Belongs here: wall time, peak memory, the record written to bench.json. Does not: what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Result:
    """One line of bench.json. `ratio` is ours against `limit`, measured in the same run: more is better."""

    name: str
    value: float
    unit: str
    limit: str
    ratio: float
    peak_mb: float


@dataclass(frozen=True)
class Timing:
    """What a child process reported: seconds of the work itself, peak resident memory of the process."""

    seconds: float
    peak_mb: float


def timed(module: str, *arguments: str, home: Path) -> Timing:
    """Run `python -m <module> <arguments>` and read the JSON on its last line: seconds and peak_mb.

    Raises:
        RuntimeError: when the child fails, with its stderr.
    """
    environment = os.environ | {"DATANEVERS_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{module} {arguments}: {done.stderr[-2000:]}")
    return Timing(**json.loads(done.stdout.strip().splitlines()[-1]))


def middle(timings: list[Timing]) -> Timing:
    """Median seconds, largest peak."""
    return Timing(median(t.seconds for t in timings), max(t.peak_mb for t in timings))


def write(results: list[Result], path: Path) -> None:
    """Write bench.json."""
    path.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n", encoding="utf-8")
