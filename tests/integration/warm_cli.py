"""The command line in real processes that need not import for ten seconds each.

Belongs here: a process that imports the heavy libraries once, then forks one child per command. Does not: any test.

A child is a process of its own, in a session of its own: it has its environment, its standard streams and its exit
code, and can be killed. Nothing of ours is imported before the fork, and no library is used: there is no work of theirs
to lose and no state to share.

Orders are lines of JSON on standard input, each with a `number` that its answer repeats:
`{"argv": [...], "env": {...}, "out": path, "err": path}`, answered by
`{"pid": n}`, and `{"wait": pid}`, answered by `{"code": n}` (negative: the signal that ended it).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from pathlib import Path

HEAVY = (
    "dagster",
    "dagster_dbt",
    "dbt.cli.main",
    "dbt.adapters.duckdb",
    "deltalake",
    "duckdb_engine",
    "great_expectations",
    "jinja2",
    "pyarrow.parquet",
    "pyoxigraph",
    "rich.progress",
)


def _run(argv: list[str], out: str, err: str, env: dict[str, str]) -> None:
    """In the child: become the command."""
    os.setsid()
    for number, path in ((1, out), (2, err)):
        stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["datanevers", *argv]
    from orchestration.cli import main as command

    command()


def main() -> None:
    """Serve orders until standard input ends."""
    root = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(root))
    os.chdir(root)
    sys.modules["pyspark"] = None  # type: ignore[assignment]  # GX imports any Spark it finds; no command wants it
    for name in HEAVY:
        importlib.import_module(name)
    importlib.import_module(
        "duckdb"
    ).default_connection().close()  # opened by the import, with threads a fork would lose
    gc.freeze()
    # Answers must not be mixed with what a library prints.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        number = order.pop("number")
        if "wait" in order:
            answer = {"code": os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])}
        else:
            pid = os.fork()
            if pid == 0:
                answers.close()
                os.close(0)
                os.open(os.devnull, os.O_RDONLY)
                _run(**order)
                return
            answer = {"pid": pid}
        answers.write(json.dumps(answer | {"number": number}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
