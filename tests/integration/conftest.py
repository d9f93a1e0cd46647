"""Installations driven by the command line, and one complete run over a small simulated territory.

Belongs here: starting real `datanevers` processes and looking at what they left. Does not: what should be there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from tests.conftest import reading
from tests.parsed import parsed_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "orchestration.cli")
START, DAYS, SCALE, SEED = "2026-10-22", 7, 0.25, 7  # over the 25-hour day of 2026-10-25
# Every published dataset's sources, and one source of each reader and of each way of connecting a file to a table. The
# command line does the same whatever the number of sources: all of them are loaded and built by test_ingest_simulated.py
# and test_dbt_build.py, once each.
SOURCES = (
    "addresses", "asset_register", "building_energy", "carpool_sites", "heat_network", "lorawan_uplinks",
    "traffic_counts", "transit_realtime", "urban_assets", "water_meters", "water_scada",
)  # fmt: skip
# What the last day brings is not delivered to `town`: tests do that.
DAILY, LAST_DAY = ("lorawan_uplinks", "water_scada"), "20261028"


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a command: this one's, pointed at an installation."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATANEVERS_", "DAGSTER_", "DBT_", "COVERAGE_"))}
    return kept | {"DATANEVERS_HOME": str(home), "COLUMNS": "200"} | more


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Any:
        """What `--json` printed: one document and nothing else."""
        return json.loads(self.out)

    def ok(self) -> Done:
        """Itself, when it ended with 0."""
        assert self.code == 0, f"{' '.join(self.argv)} ended with {self.code}\n{self.out}\n{self.err}"
        return self


class Commands:
    """The process of warm_cli.py: commands without their ten seconds of imports."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._count = self._asked = 0
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm_cli.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(logs / "warm_cli.err").open("w"),
            text=True,
            env=environment(logs / "no_home"),
        )

    def ask(self, order: dict[str, Any]) -> dict[str, int]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._asked += 1
        self._server.stdin.write(json.dumps(order | {"number": self._asked}) + "\n")
        self._server.stdin.flush()
        # a test that ran out of time left its answer behind
        for answer in iter(self._server.stdout.readline, ""):
            found: dict[str, int] = json.loads(answer)
            if found["number"] == self._asked:
                return found
        pytest.fail(f"warm_cli.py ended: {(self._logs / 'warm_cli.err').read_text()}")

    def start(self, argv: tuple[str, ...], env: dict[str, str]) -> Running:
        self._count += 1
        out, err = (self._logs / f"{self._count}.{name}" for name in ("out", "err"))
        begun = time.monotonic()
        pid = self.ask({"argv": argv, "env": env, "out": str(out), "err": str(err)})["pid"]
        return Running(self, argv, pid, out, err, begun)

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=30)


@dataclass(frozen=True)
class Running:
    """A command under way, in a session of its own."""

    commands: Commands
    argv: tuple[str, ...]
    pid: int
    out: Path
    err: Path
    begun: float

    def wait(self) -> Done:
        code = self.commands.ask({"wait": self.pid})["code"]
        seconds = time.monotonic() - self.begun
        return Done(self.argv, code, self.out.read_text("utf-8"), self.err.read_text("utf-8"), seconds)

    def kill_when(self, happened: Callable[[], bool]) -> bool:
        """Kill it with all its children, without warning, as soon as something happened; False when it ended first."""
        while not happened():
            if Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                self.wait()
                return False
            time.sleep(0.001)
        os.killpg(self.pid, signal.SIGKILL)
        return self.wait().code == -signal.SIGKILL


class Town:
    """An installation, driven by its command line."""

    def __init__(self, home: Path, commands: Commands) -> None:
        self.home = home
        self.landing = home / "landing"
        self.publication = home / "publication"
        self._commands = commands

    def start(self, *argv: str) -> Running:
        if argv[0] in ("run", "build", "audit", "publish"):
            parsed_into(self.home)
        return self._commands.start(argv, environment(self.home))

    def __call__(self, *argv: str) -> Done:
        return self.start(*argv).wait()

    def cold(self, *argv: str, program: tuple[str, ...] = COMMAND, cwd: Path = ROOT, **env: str) -> Done:
        """A command from a standing start, as a person gets it."""
        begun = time.monotonic()
        ended = subprocess.run(
            [*program, *argv],
            cwd=cwd,
            env=environment(self.home, **env),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )
        return Done(argv, ended.returncode, ended.stdout, ended.stderr, time.monotonic() - begun)

    def copy(self, home: Path, *parts: str) -> Town:
        """The same installation elsewhere, to be changed freely; `parts` of it when they are named."""
        for part in parts or (".",):
            shutil.copytree(self.home / part, home / part, symlinks=True, dirs_exist_ok=True)
        return Town(home, self._commands)

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        from lake import engine

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATANEVERS_HOME", str(self.home))
            patch.delenv("DATANEVERS_LAKE", raising=False)
            con = reading()
            for layer, name in set(re.findall(r"\b(bronze|silver|gold|ops)\.(\w+)", query)):
                # a table of the same name that another installation has must not be seen
                con.execute(f'CREATE SCHEMA IF NOT EXISTS {layer}; DROP VIEW IF EXISTS {layer}."{name}"')
                engine.attach_table(con, layer, name)
            return con.execute(query, values).fetchall()

    def tables(self) -> list[str]:
        """`<layer>/<table>`, as the folders of the lake say."""
        return sorted(
            p.parent.relative_to(self.home / "lake").as_posix() for p in self.home.glob("lake/*/*/_delta_log")
        )

    def versions(self) -> dict[str, int]:
        """Last committed version by table, as the logs on disk say."""
        logs = {name: (self.home / "lake" / name / "_delta_log").glob("*.json") for name in self.tables()}
        return {name: max(int(p.stem) for p in log) for name, log in logs.items()}

    def data_files(self) -> dict[str, str]:
        """SHA-256 of every published data file, by path in the tree; a dictionary describes data and is none."""
        paths = [
            p
            for p in self.publication.rglob("*")
            if p.suffix in (".csv", ".parquet", ".geojson") and p.name != "dictionnaire.csv"
        ]
        return {p.relative_to(self.publication).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Number of rows and order-free digest of every silver and gold table."""
        names = [n.replace("/", ".") for n in self.tables() if n.startswith(("silver/", "gold/"))]
        mark = "SELECT count(*), sum(hash(t)) FROM {} AS t"
        return {name: self.sql(mark.format(name)) for name in names}


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    made = Commands(tmp_path_factory.mktemp("commands"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def new_town(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Town]:
    """Makes installations in which nothing ever ran."""
    return lambda: Town(tmp_path_factory.mktemp("town"), commands)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def exports(commands: Commands, shared: Path) -> Path:
    """A landing with seven simulated days of `SOURCES`, and all truth under `_truth`. Do not write to it."""
    with FileLock(shared / "exports.lock"):
        if not (shared / "exports").is_dir():
            out = shared / "exports.part"
            options = {"out": out, "seed": SEED, "start": START, "days": DAYS, "scale": SCALE}
            Town(shared, commands)("simulate", *(str(x) for k, v in options.items() for x in (f"--{k}", v))).ok()
            for folder in out.iterdir():
                if folder.name not in (*SOURCES, "_truth"):
                    shutil.rmtree(folder)
            out.rename(shared / "exports")
    return shared / "exports"


def late_files(landing: Path) -> list[Path]:
    """Daily files of the last day."""
    return [path for source in DAILY for path in sorted((landing / source).glob(f"*_{LAST_DAY}.*"))]


@pytest.fixture(scope="session")
def deliver(exports: Path) -> Callable[[Town], None]:
    """Puts the exports of the first six days into an installation's landing; the truth is of seven."""

    def put(town: Town) -> None:
        shutil.copytree(exports, town.landing)
        for path in late_files(town.landing):
            path.unlink()

    return put


@pytest.fixture(scope="session")
def deliver_last_day(exports: Path) -> Callable[[Town], None]:
    """Adds the daily files of the seventh day."""

    def put(town: Town) -> None:
        for path in late_files(exports):
            shutil.copy2(path, town.landing / path.parent.name)

    return put


def made_once(shared: Path, name: str, make: Callable[[Path], Done]) -> Path:
    """A home that the first worker to ask makes with a command; what the command said is kept beside it."""
    home, said = shared / name, shared / f"{name}.json"
    with FileLock(shared / f"{name}.lock"):
        if not said.is_file():
            done = make(home)
            said.write_text(json.dumps([done.argv, done.code, done.out, done.err, done.seconds]), encoding="utf-8")
    return home


def said_by(town: Town) -> Done:
    """What the run that made an installation said."""
    argv, *rest = json.loads(town.home.with_suffix(".json").read_text("utf-8"))
    return Done(tuple(argv), *rest)


@pytest.fixture(scope="session")
def town(commands: Commands, shared: Path, deliver: Callable[[Town], None]) -> Town:
    """Six simulated days, from landing to publication in one `datanevers run`. Look, but leave it as it is."""

    def make(home: Path) -> Done:
        deliver(Town(home, commands))
        return Town(home, commands)("run", "--json")

    return Town(made_once(shared, "town", make), commands)


@pytest.fixture(scope="session")
def first_run(town: Town) -> Done:
    """What the run of `town` said."""
    return said_by(town)


@pytest.fixture(scope="session")
def grown(commands: Commands, shared: Path, town: Town, deliver_last_day: Callable[[Town], None]) -> Town:
    """`town` after its seventh day came in and a second run. Look, but leave it as it is."""

    def make(home: Path) -> Done:
        said_by(town).ok()
        made = town.copy(home)
        deliver_last_day(made)
        return made("run", "--json")

    return Town(made_once(shared, "grown", make), commands)


@pytest.fixture(scope="session")
def second_run(grown: Town) -> Done:
    """What the run of `grown` said."""
    return said_by(grown)


@pytest.fixture(scope="session")
def whole_town(commands: Commands, shared: Path) -> Town:
    """Every source of six simulated days, all datasets, in one `datanevers run`. Look, but leave it as it is."""

    def make(home: Path) -> Done:
        town = Town(home, commands)
        options = {"out": town.landing, "seed": SEED, "start": START, "days": DAYS - 1, "scale": SCALE}
        town("simulate", *(str(x) for k, v in options.items() for x in (f"--{k}", v))).ok()
        return town("run", "--json")

    return Town(made_once(shared, "whole_town", make), commands)


@pytest.fixture(scope="session")
def whole_run(whole_town: Town) -> Done:
    """What the run of `whole_town` said."""
    return said_by(whole_town)


@pytest.fixture
def same_town(town: Town, first_run: Done, tmp_path: Path) -> Town:
    """A copy of `town`, to be changed freely."""
    first_run.ok()
    return town.copy(tmp_path / "home")
