"""Nothing phones home, and nothing is written outside the installation: the whole chain, watched."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.simulated import FED

if TYPE_CHECKING:
    from tests.integration.conftest import Done, Town

ROOT = Path(__file__).resolve().parents[2]

# Python starts with this: every name looked up and every address connected or sent to is a line in a file.
WATCH = """
import os, sys

def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"):
        with open(os.environ["SEEN"], "a") as seen:
            seen.write(f"{event} {args!r}\\n")

sys.addaudithook(watch)
"""

SETTINGS = """
import json, os, sys
from orchestration import pipeline
pipeline.prepare()
from dagster_shared.telemetry import get_telemetry_enabled_from_dagster_yaml
from dbt.cli.flags import Flags
from dbt.cli.main import cli
from quality.duckdb_bridge import load_gx
gx = load_gx()
where = ["--project-dir", str(pipeline.DBT_PROJECT), "--profiles-dir", str(pipeline.DBT_PROJECT)]
with cli.make_context("dbt", ["parse", *where]) as above:
    with cli.get_command(above, "parse").make_context("parse", list(where), parent=above) as context:
        flags = Flags(context)
json.dump({
    "dagster": get_telemetry_enabled_from_dagster_yaml(),
    "dbt": flags.SEND_ANONYMOUS_USAGE_STATS,
    "gx": bool(gx.get_context(mode="ephemeral").variables.analytics_enabled),
    "for versions of gx that ask": os.environ["GX_ANALYTICS_ENABLED"],
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone would hold."""
    copy = tmp_path_factory.mktemp("clone") / "datanevers"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: there is no telling which files belong to it")
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def isolated() -> tuple[str, ...]:
    """A prefix that gives a command no network at all, not even this machine's; empty where that is not allowed."""
    prefix = ("unshare", "--net", "--map-root-user")
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return ()
    return prefix if allowed else ()


def files(*roots: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    found = (p for root in roots for p in root.rglob("*") if p.is_file())
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in found}


@pytest.mark.timeout(400)
def test_a_whole_run_stays_on_this_machine_and_in_its_home(
    town: Town, first_run: Done, exports: Path, checkout: Path, tmp_path: Path
) -> None:
    """From simulation to publication, in a copy of the checkout, as a user who has nothing yet.

    Two nets: an audit hook sees every attempt made from Python, were it to fail in silence; an empty network lets none
    of the native code succeed either.
    """
    first_run.ok()
    seen, user, temporary, home = (tmp_path / name for name in ("seen", "user", "temporary", "home"))
    for folder in (user, temporary, tmp_path / "hook"):
        folder.mkdir()
    seen.touch()
    (tmp_path / "hook/sitecustomize.py").write_text(WATCH, "utf-8")
    stranger = type(town)(home, town._commands)
    env = {
        "SEEN": str(seen),
        "PYTHONPATH": str(tmp_path / "hook"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(user),
        "XDG_CONFIG_HOME": str(user / ".config"),
        "XDG_CACHE_HOME": str(user / ".cache"),
        "TMPDIR": str(temporary),
    }
    before = files(checkout, user, temporary, exports)
    program = (*isolated(), sys.executable, "-m", "orchestration.cli")
    done = stranger.cold("run", "--landing", str(exports), "--json", program=program, cwd=checkout, **env).ok()
    assert {d["id"] for d in done.document["datasets"] if d["published_version"] == 1} == FED
    assert (home / "publication/index.html").is_file()
    outside = [line for line in seen.read_text().splitlines() if not stays(line)]
    assert outside == []
    after = files(checkout, user, temporary, exports)
    assert {path for path in after if after[path] != before.get(path)} == set()
    assert set(before) - set(after) == set()


def stays(line: str) -> bool:
    """Whether what was seen is this machine: a path (a local socket), or the loopback."""
    return any(word in line for word in ("'127.0.0.1'", "'::1'", "'localhost'", "AF_UNIX", "'/"))


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WATCH, "utf-8")
    code = "import socket\ntry: socket.create_connection(('192.0.2.1', 9), 0.01)\nexcept OSError: pass"
    env = {"SEEN": str(tmp_path / "seen"), "PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    lines = (tmp_path / "seen").read_text().splitlines()
    assert any("192.0.2.1" in line for line in lines)
    assert not all(stays(line) for line in lines)


def test_the_empty_network_is_empty() -> None:
    if not (prefix := isolated()):
        pytest.skip("this user may not make network namespaces")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
        assert subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, check=False).returncode != 0


def test_telemetry_is_off_without_being_told(same_town: Town, tmp_path: Path) -> None:
    """The tools' own idea of their settings, in an environment that says nothing about telemetry."""
    (tmp_path / "settings.py").write_text(SETTINGS, "utf-8")
    done = same_town.cold(program=(sys.executable, str(tmp_path / "settings.py")), PYTHONPATH=str(ROOT))
    assert done.code == 0, done.err
    found = json.loads(done.out.strip().splitlines()[-1])
    assert found.pop("for versions of gx that ask") == "false"
    assert found == {"dagster": False, "dbt": False, "gx": False}
