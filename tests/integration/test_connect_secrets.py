"""Credentials never leave the environment: every way to fail, and all that is written and said when it happens."""

from __future__ import annotations

import json
import logging
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.connectors import mqtt
from ingestion.connectors.collect import collect, listen
from ingestion.connectors.secrets import Secrets
from tests.integration.servers import (
    LOCAL,
    Reply,
    connector,
    document,
    free_port,
    http_site,
    mariadb,
    own_broker,
    postgresql,
    python,
    sftp_server,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import House

SECRET = "hunter2Qz/é#@:9"  # all that addresses, headers and logs like to write otherwise
ENCODED = "hunter2Qz%2F%C3%A9%23%40%3A9"
FRAGMENT = "hunter2"
SQL = {"kind": "sql", "queries": [{"table": "t", "sql": "SELECT 1 AS x"}]}


@dataclass(frozen=True)
class Case:
    declared: dict[str, Any]
    variables: dict[str, str]
    reason: str


def _refused() -> Iterator[Case]:
    port = free_port()
    at = f"{LOCAL}:{port}"
    yield Case(SQL, {"URL": f"postgresql://town:{ENCODED}@{at}/test"}, "OperationalError")
    yield Case(SQL, {"URL": f"mariadb://town:{ENCODED}@{at}/test"}, "OperationalError")
    yield Case({"kind": "sftp"}, {"URL": f"sftp://town:{ENCODED}@{at}"}, "connect")
    yield Case({"kind": "http"}, {"URL": f"http://town:{ENCODED}@{at}/x?token={ENCODED}"}, "ConnectError")
    yield Case({"kind": "http"}, {"URL": f"https://{at}/hunter2hunter2hunter2/feed"}, "ConnectError")


def _unreadable() -> Iterator[Case]:
    """A password with characters that an address cannot have is the likeliest mistake of all."""
    for scheme, kind in (("postgresql", "sql"), ("mariadb", "sql"), ("sftp", "sftp")):
        declared = SQL if kind == "sql" else {"kind": kind}
        for password in ("hunter2/x", "hunter2#x", "hunter2]x[", "hunter2:99999999"):
            yield Case(declared, {"URL": f"{scheme}://town:{password}@{LOCAL}:{free_port()}/test"}, "")
    yield Case({"kind": "http"}, {"URL": "http://town:hunter2]x[@/"}, "adresse invalide")
    yield Case({"kind": "http"}, {"URL": "hunter2 is not an address"}, "adresse invalide")
    yield Case(SQL, {"URL": "sqlite:///hunter2.db"}, "n'est pas une adresse postgresql:// ou mariadb://")


def _http() -> Iterator[Case]:
    with http_site() as site:
        for status in (401, 403, 500):
            url = site.script(f"/{status}", Reply(f"wrong token {SECRET}".encode(), status))
            yield Case({"kind": "http", "attempts": 1}, {"URL": f"{url}?token={ENCODED}"}, f"HTTP {status}")
            for auth in ("bearer", "basic"):
                declared = {"kind": "http", "auth": auth, "auth_env": "AUTH", "attempts": 1}
                yield Case(declared, {"URL": url, "AUTH": f"town:{FRAGMENT}Qz"}, f"HTTP {status}")
        url = site.script("/loop", Reply(status=302, headers={"Location": f"/loop?token={ENCODED}"}))
        yield Case({"kind": "http"}, {"URL": f"{url}?token={ENCODED}"}, "redirections")
        url = site.script("/cut", Reply(b"x" * 100, cut=10))
        yield Case({"kind": "http", "attempts": 1}, {"URL": f"{url}?token={ENCODED}"}, "RemoteProtocolError")
        url = site.script("/text", Reply(f"<p>{SECRET}".encode()))
        yield Case({"kind": "http", "pages": {"next": "n"}}, {"URL": f"{url}?token={ENCODED}"}, "pas du JSON")
        url = site.script("/turn", Reply(document(n=f"/turn?token={SECRET}")))
        yield Case({"kind": "http", "pages": {"next": "n"}}, {"URL": f"{url}?token={ENCODED}"}, "pagination")
        declared = {"kind": "http", "auth_env": "AUTH"}
        yield Case(declared, {"URL": url, "AUTH": f"{FRAGMENT}\nX-Evil: 1"}, "ne peuvent pas être envoyés")


def _wrong_password(folder: Path) -> Iterator[Case]:
    with mariadb():
        yield Case(SQL, {"URL": f"mariadb://root:{ENCODED}@{LOCAL}:3306/test"}, "Access denied")
    with postgresql():
        yield Case(SQL, {"URL": f"postgresql://town:{ENCODED}@{LOCAL}:5432/test"}, "OperationalError")
    with sftp_server(folder / "remote") as server:
        hosts = str(server.known_hosts(folder / "hosts"))
        variables = {"URL": f"sftp://town:{ENCODED}@{LOCAL}:{server.port}", "DATANEVERS_SFTP_KNOWN_HOSTS": hosts}
        yield Case({"kind": "sftp"}, variables, "refuse l'identification")


@pytest.mark.parametrize("cases", [_refused, _unreadable, _http, _wrong_password])
def test_no_failure_tells_a_credential(
    house: House,
    cases: Callable[..., Iterator[Case]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "none").touch()
    said = []
    for case in cases(tmp_path) if cases is _wrong_password else cases():
        monkeypatch.setenv("DATANEVERS_SFTP_KNOWN_HOSTS", str(tmp_path / "none"))
        for name, value in case.variables.items():
            monkeypatch.setenv(name, value)
        wanted = connector(url_env="URL", **case.declared)
        done = collect("feed", wanted, house.landing, force=True, sleep=lambda _: None)
        assert len(done.failures) == 1, case
        assert case.reason in done.failures[0]
        said += [repr(done), repr(wanted), repr(Secrets(wanted))]
    assert len(said) >= 9
    said += [caplog.text, *capfd.readouterr()]
    assert FRAGMENT not in "".join(said)
    for path in house.home.rglob("*"):
        assert not path.is_file() or FRAGMENT.encode() not in path.read_bytes(), path


def test_nor_does_a_broker_that_refuses(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    with own_broker(tmp_path / "broker", user="town", password="another") as broker:
        for url in (
            f"mqtt://town:{ENCODED}@{LOCAL}:{broker.port}",
            f"mqtt://town:{ENCODED}@{LOCAL}:{free_port()}",
            f"mqtt://town:hunter2/x@{LOCAL}:{broker.port}",
        ):
            monkeypatch.setenv("URL", url)
            stop = mqtt.Stop()
            declared = connector(kind="mqtt", url_env="URL", topics=["#"])
            thread = threading.Thread(target=listen, args=("feed", declared, house.landing, stop))
            before = len(house.sql("SELECT 1 FROM ops.fetch"))
            thread.start()
            until(lambda before=before: len(house.sql("SELECT 1 FROM ops.fetch")) > before, "the failure")
            stop.set()
            thread.join(timeout=30)
    reasons = house.sql("SELECT reason FROM ops.fetch ORDER BY fetched_time")
    assert [r[0].split(" ")[0] for r in reasons] == ["le", "ConnectionRefusedError", "URL"]
    assert FRAGMENT not in str(reasons) + caplog.text


INTERRUPTED = """
import json, logging, sys
from pathlib import Path
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from ingestion.connectors.collect import collect
from tests.integration.servers import connector
collect("feed", connector(**json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


def test_nor_does_the_traceback_of_an_interrupted_process(house: House) -> None:
    with http_site() as site:
        url = site.script("/held", Reply(b"12345", hold=True, cut=2))
        declared = {"kind": "http", "url_env": "URL", "auth_env": "AUTH", "extension": "txt"}
        process = python(
            INTERRUPTED,
            json.dumps(declared),
            str(house.landing),
            URL=f"{url}?token={ENCODED}",
            AUTH=f"{FRAGMENT}-bearer",
        )
        until(site.held.is_set, "the request", 60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    assert "Traceback" in said
    assert FRAGMENT not in said
    assert site.asked[0].headers["Authorization"] == f"Bearer {FRAGMENT}-bearer"
    assert site.asked[0].query["token"] == SECRET
