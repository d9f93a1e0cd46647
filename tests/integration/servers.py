"""Servers that the connectors' tests talk to: found on this machine, started when they are installed, or scripted.

Belongs here: making a server answer, and giving each test a place of its own on it. Does not: what a connector should
do. Without a server a test is skipped, except where `CI=true` says that all of them must be there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import TypeAdapter

from ingestion.connectors.declared import Connector

if TYPE_CHECKING:
    import paramiko
    from sqlalchemy import Engine

LOCAL = "127.0.0.1"


def connector(**declared: Any) -> Any:
    """A connector, as a contract declares it."""
    return TypeAdapter(Connector).validate_python(declared)


def unique(name: str) -> str:
    """A name that no other test and no other worker has."""
    return f"{name}_{uuid.uuid4().hex[:12]}"


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait for something that another process does; its value."""
    deadline, tick = time.monotonic() + seconds, threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s")
        tick.wait(0.01)
    return value


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOCAL, port)) == 0


def missing(what: str) -> None:
    """Skip, or fail where every server must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, but {what}")
    pytest.skip(what)


def _found_or_started(name: str, port: int, command: list[str]) -> None:
    """Make sure that a server of this machine answers."""
    if answers(port):
        return
    program = shutil.which(command[0]) or next((p for p in (f"/usr/sbin/{command[0]}",) if Path(p).exists()), None)
    if program is None:
        missing(f"{name} is not installed")
    subprocess.run([str(program), *command[1:]], capture_output=True, check=False, timeout=60)
    deadline, tick = time.monotonic() + 20, threading.Event()
    while not answers(port) and time.monotonic() < deadline:
        tick.wait(0.1)
    if not answers(port):
        missing(f"{name} does not answer on port {port}")


# Databases --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Database:
    """A schema (PostgreSQL) or database (MariaDB) of one test."""

    kind: str
    url: str
    engine: Engine

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@contextmanager
def postgresql() -> Iterator[Database]:
    """A schema of its own, which the URL makes the current one."""
    from sqlalchemy import create_engine

    version = next((p.name for p in sorted(Path("/etc/postgresql").glob("*"), reverse=True)), "15")
    _found_or_started("PostgreSQL", 5432, ["pg_ctlcluster", "--skip-systemctl-redirect", version, "main", "start"])
    schema = unique("connect")
    query = f"?options=-csearch_path%3D{schema}"
    engine = create_engine(f"postgresql+psycopg://postgres@{LOCAL}/test{query}")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    try:
        yield Database("postgresql", f"postgresql://postgres@{LOCAL}:5432/test{query}", engine)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        engine.dispose()


@contextmanager
def mariadb() -> Iterator[Database]:
    """A database of its own."""
    from sqlalchemy import create_engine

    start = ["start-stop-daemon", "--start", "--oknodo", "--background", "--exec", "/usr/sbin/mariadbd"]
    _found_or_started("MariaDB", 3306, start)
    name = unique("connect")
    server = create_engine(f"mysql+pymysql://root@{LOCAL}/test")
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = create_engine(f"mysql+pymysql://root@{LOCAL}/{name}")
    try:
        yield Database("mariadb", f"mariadb://root@{LOCAL}:3306/{name}", engine)
    finally:
        engine.dispose()
        with server.begin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
        server.dispose()


# MQTT -------------------------------------------------------------------------------------------------------------


def mosquitto() -> str:
    """Address of the broker of this machine."""
    _found_or_started("Mosquitto", 1883, ["mosquitto", "-d", "-c", "/etc/mosquitto/mosquitto.conf"])
    return f"mqtt://{LOCAL}:1883"


@contextmanager
def own_broker(folder: Path, *, user: str | None = None, password: str | None = None) -> Iterator[OwnBroker]:
    """A broker of one test, which can be killed; with a user, nobody else may come in."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(program).exists():
        missing("Mosquitto is not installed")
    folder.mkdir(parents=True)
    port = free_port()
    lines = [f"listener {port} {LOCAL}", f"allow_anonymous {'false' if user else 'true'}", "user root"]
    if user:
        users = folder / "users"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), user, str(password)], check=True, timeout=30)
        lines.append(f"password_file {users}")
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", "utf-8")
    broker = OwnBroker(program, folder / "mosquitto.conf", port)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@dataclass
class OwnBroker:
    """A Mosquitto process."""

    program: str
    configuration: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = self.configuration.with_suffix(".log").open("ab")
        self.process = subprocess.Popen([self.program, "-c", str(self.configuration)], stdout=log, stderr=log)
        until(lambda: answers(self.port), "the broker")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=30)
            self.process = None


# SFTP -------------------------------------------------------------------------------------------------------------


@dataclass
class SftpServer:
    """A paramiko server over a folder, in threads of this process."""

    root: Path
    port: int
    key: paramiko.PKey
    user: str = "territoire"
    password: str = "s3cret/de#test"
    authorized: paramiko.PKey | None = None
    cut_after: int | None = None  # bytes served before the line breaks, once
    reads: list[tuple[str, int, int]] = field(default_factory=list)  # name, offset, length

    def known_hosts(self, path: Path) -> Path:
        path.write_text(f"[{LOCAL}]:{self.port} {self.key.get_name()} {self.key.get_base64()}\n", "ascii")
        return path

    def put(self, name: str, content: bytes, modified: float) -> None:
        (self.root / name).write_bytes(content)
        os.utime(self.root / name, (modified, modified))


@contextmanager
def sftp_server(root: Path) -> Iterator[SftpServer]:
    """An SFTP server with one user."""
    import paramiko

    root.mkdir(parents=True, exist_ok=True)
    listener = socket.create_server((LOCAL, 0))
    served = SftpServer(root, listener.getsockname()[1], paramiko.ECDSAKey.generate())
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                transport = paramiko.Transport(line)
                transports.append(transport)
                transport.add_server_key(served.key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _sftp_interface(served, transport))
                with suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=_ssh_interface(served))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()
        thread.join(timeout=10)


def _ssh_interface(served: SftpServer) -> paramiko.ServerInterface:
    import paramiko

    class Interface(paramiko.ServerInterface):
        def check_auth_password(self, username: str, password: str) -> int:
            good = (username, password) == (served.user, served.password)
            return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

        def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
            good = username == served.user and key == served.authorized
            return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return paramiko.OPEN_SUCCEEDED

        def get_allowed_auths(self, username: str) -> str:
            return "password,publickey"

    return Interface()


def _sftp_interface(served: SftpServer, transport: paramiko.Transport) -> type[paramiko.SFTPServerInterface]:
    import paramiko

    def real(path: str) -> Path:
        return served.root / path.lstrip("/")

    class Handle(paramiko.SFTPHandle):
        def read(self, offset: int, length: int) -> bytes | int:
            served.reads.append((self.name, offset, length))
            if served.cut_after is not None:
                served.cut_after -= length
                if served.cut_after < 0:
                    served.cut_after = None
                    transport.close()
                    return paramiko.SFTP_FAILURE
            answer: bytes | int = super().read(offset, length)
            return answer

    class Interface(paramiko.SFTPServerInterface):
        def list_folder(self, path: str) -> list[paramiko.SFTPAttributes]:
            return [paramiko.SFTPAttributes.from_stat(p.stat(), p.name) for p in real(path).iterdir()]

        def stat(self, path: str) -> paramiko.SFTPAttributes | int:
            found = real(path)
            return paramiko.SFTPAttributes.from_stat(found.stat()) if found.exists() else paramiko.SFTP_NO_SUCH_FILE

        lstat = stat

        def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
            if real(path).stat().st_mode & 0o444 == 0:
                return paramiko.SFTP_PERMISSION_DENIED
            handle = Handle(flags)
            handle.name = Path(path).name
            handle.readfile = real(path).open("rb")
            return handle

    return Interface


# HTTP -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Reply:
    """What the server does with one request. `cut` closes the line after so many bytes; `hold` waits for ever."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    hold: bool = False


Script = Reply | Callable[[Asked], Reply]


class Site:
    """A real HTTP server that does what its script says."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.scripts: dict[str, list[Script]] = {}
        self.held = threading.Event()  # a request is being held
        self.release = threading.Event()
        self.server = ThreadingHTTPServer((LOCAL, 0), self._handler())
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://{LOCAL}:{self.server.server_address[1]}"

    def script(self, path: str, *replies: Script) -> str:
        """What happens to the requests of a path, in order, the last one for ever; its address."""
        self.scripts[path] = list(replies)
        return f"{self.url}{path}"

    def count(self, **query: str) -> int:
        """Requests with these parameters."""
        return sum(query.items() <= asked.query.items() for asked in self.asked)

    def reply(self, asked: Asked) -> Reply:
        replies = self.scripts.get(asked.path)
        if not replies:
            return Reply(b"not here", 404)
        script = replies.pop(0) if len(replies) > 1 else replies[0]
        return script(asked) if callable(script) else script

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                return

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = Asked(parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()))
                site.asked.append(asked)
                reply = site.reply(asked)
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    if reply.status != 304 or name != "Content-Length":
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body[: reply.cut])
                self.wfile.flush()
                if reply.hold:
                    site.held.set()
                    site.release.wait()
                if reply.cut is not None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)

        return Handler


@contextmanager
def http_site() -> Iterator[Site]:
    """A site without a page, until its script says so."""
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.release.set()
        site.server.shutdown()
        site.server.server_close()
        thread.join(timeout=10)


def with_etag(body: bytes, etag: str = '"v1"', **headers: str) -> Callable[[Asked], Reply]:
    """A resource with validators and ranges, as a good server gives it."""

    def answer(asked: Asked) -> Reply:
        own = {"ETag": etag, "Accept-Ranges": "bytes", **headers}
        if asked.headers.get("If-None-Match") == etag:
            return Reply(status=304, headers=own)
        wanted = asked.headers.get("Range")
        if wanted and asked.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            place = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            return Reply(body[start:], 206, own | place)
        return Reply(body, headers=own)

    return answer


def document(**content: Any) -> bytes:
    """A JSON body."""
    return json.dumps(content, separators=(",", ":")).encode()


# Processes --------------------------------------------------------------------------------------------------------


def python(code: str, *argv: str, **env: str) -> subprocess.Popen[str]:
    """A Python process of this project, to be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        env=os.environ | env,
        cwd=Path(__file__).resolve().parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )
