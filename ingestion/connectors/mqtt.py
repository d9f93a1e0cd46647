"""MQTT: messages of a broker into files, none acknowledged before it is on disk.

Belongs here: the session with the broker, the file under way, and the order between the two. Does not: which sources to
listen to, or signals (orchestration/collect.py).

A message is written, then the file is synced, then the message is acknowledged: whatever is killed in between, the
broker sends it again. A message may so be there twice; the key of the source's contract drops the second.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import select
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

import orjson

from ingestion.connectors.arrival import MEGABYTE, Arrival, FetchError, file_name, land, leftovers, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paho.mqtt.client import Client, MQTTMessage

    from ingestion.connectors.declared import Mqtt

BATCH = 100  # messages synced at once, at most: what may come twice after a kill
BATCH_BYTES = 4 * MEGABYTE
KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 20
LONGEST_WAIT_S = 60.0


class Stop:
    """Ends every listener at once, also one that waits for the network."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.waiting, self._ring = socket.socketpair()

    def set(self) -> None:
        """End; safe in a signal handler."""
        if not self._event.is_set():
            self._event.set()
            self._ring.send(b".")  # never read: it stays readable for all

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, or so long; whether it is the end."""
        return self._event.wait(seconds)

    @property
    def is_set(self) -> bool:
        """Whether it is the end."""
        return self._event.is_set()


def listen(arrival: Arrival, connector: Mqtt, stop: Stop, ready: Callable[[], None] = lambda: None) -> None:
    """Receive until `stop`, over every loss of the broker; `ready` is called each time the subscription stands."""
    name = connector.name or arrival.source
    journal = _Journal(arrival, name, connector)
    tries, told = 0, None
    while not stop.is_set:
        session = _Session(arrival, connector, journal, ready)
        try:
            journal.recover()
            session.run(stop)
        except Exception as error:  # noqa: BLE001 - the boundary of one session: recorded, and another one begun
            journal.undo()
            tries = 1 if session.subscribed else tries + 1
            if str(error) != told:  # once, not at each of a night's tries
                told = str(error)
                _tell_failure(arrival, name, error)
            stop.wait(random.uniform(0.5, 1.0) * min(2.0**tries, LONGEST_WAIT_S))  # noqa: S311 - jitter
    journal.finish()


def _tell_failure(arrival: Arrival, name: str, error: Exception) -> None:
    """Record it; when even that fails, at least say it."""
    try:
        arrival.fail(name, error)
        arrival.outcomes.clear()
    except Exception as worse:  # noqa: BLE001 - the lake is away: listening goes on
        told = arrival.secrets.redact(f"{arrival.source} : {error} ; non consigné : {worse}")
        sys.stderr.write(f"{told}\n")


class _Session:
    """One connection to the broker, within the session that the broker keeps for us."""

    def __init__(self, arrival: Arrival, connector: Mqtt, journal: _Journal, ready: Callable[[], None]) -> None:
        self._arrival = arrival
        self._connector = connector
        self._journal = journal
        self._ready = ready
        self._unacknowledged: list[int] = []
        self._problem: str | None = None
        self.subscribed = False

    def run(self, stop: Stop) -> None:
        """Receive until `stop`.

        Raises:
            FetchError: when the broker refuses or is lost.
        """
        from paho.mqtt.enums import MQTTErrorCode

        client = self._connect()
        try:
            while not stop.is_set:
                lost = self._receive(client, stop) != MQTTErrorCode.MQTT_ERR_SUCCESS
                self._commit(client)
                lost = client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS or lost
                if self._problem or lost:
                    raise FetchError(self._problem or "liaison avec le courtier perdue")
                self._journal.rotate_when_due()
        finally:
            client.disconnect()

    def _connect(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        connector, secrets = self._connector, self._arrival.secrets
        scheme, host, port, user, password = _address(secrets.get(connector.url_env), connector.url_env)
        v5 = connector.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=connector.client_id or f"datanevers-{self._arrival.source}",
            clean_session=None if v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_message = self._on_message
        if user is not None:
            client.username_pw_set(user, password)
        if scheme == "mqtts":
            client.tls_set(ca_certs=secrets.get(connector.ca_env) if connector.ca_env else None)
        if v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = connector.session_expiry_h * 3600
            client.connect(host, port, KEEPALIVE_S, clean_start=False, properties=properties)
        else:
            client.connect(host, port, KEEPALIVE_S)
        return client

    def _on_connect(self, client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        from paho.mqtt.subscribeoptions import SubscribeOptions

        if reason.is_failure:
            self._problem = f"le courtier refuse la connexion ({reason}) : vérifier {self._connector.url_env}"
        elif self._connector.version == "5":
            # Retained messages once, not at every reconnection.
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            client.subscribe([(topic, options) for topic in self._connector.topics])
        else:
            client.subscribe([(topic, 1) for topic in self._connector.topics])

    def _on_subscribe(self, _client: object, _data: object, _mid: int, reasons: list[Any], _properties: object) -> None:
        granted = zip(self._connector.topics, reasons, strict=False)
        if refused := [topic for topic, reason in granted if reason.is_failure]:
            self._problem = f"le courtier refuse l'abonnement à {', '.join(refused)}"
        else:
            self.subscribed = True
            self._ready()

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        self._journal.append(line_of(message, datetime.now(UTC), envelope=self._connector.envelope))
        if message.qos == 1:
            self._unacknowledged.append(message.mid)

    def _receive(self, client: Client, stop: Stop) -> int:
        """Read what is there, one batch at most; what paho says of the line."""
        sock = client.socket()
        if sock is None:
            return 1
        # A batch may have ended while TLS still held decrypted bytes that no select can see.
        pending = getattr(sock, "pending", lambda: 0)
        wanted = [sock] if client.want_write() else []
        readable, writable, _ = select.select([sock, stop.waiting], wanted, [], 0 if pending() else 1.0)
        status = int(client.loop_write()) if writable else 0
        while status == 0 and (sock in readable or pending()):
            status = int(client.loop_read())
            if self._problem or len(self._unacknowledged) >= BATCH or self._journal.pending >= BATCH_BYTES:
                break
            if client.socket() is not sock:
                return status or 1
            readable = select.select([sock], [], [], 0)[0]
        return status

    def _commit(self, client: Client) -> None:
        """On disk first, then acknowledged."""
        self._journal.commit()
        for mid in self._unacknowledged:
            client.ack(mid, 1)
        self._unacknowledged.clear()


class _Journal:
    """The file under way: opened by the first message, finished by size, age or the end."""

    def __init__(self, arrival: Arrival, name: str, connector: Mqtt) -> None:
        self._arrival = arrival
        self._name = name
        self._most_bytes = connector.rotate_mb * MEGABYTE
        self._most_seconds = connector.rotate_min * 60.0
        self._sink: BinaryIO | None = None
        self._part = self._final = arrival.folder
        self._opened = 0.0
        self._rows = self._committed_rows = self._committed = 0

    @property
    def pending(self) -> int:
        """Bytes that are not on disk yet."""
        return 0 if self._sink is None else self._sink.tell() - self._committed

    def recover(self) -> None:
        """Finish what a process that was killed left: all but a last line without end, which was not acknowledged."""
        if self._sink is not None:
            return
        for part in leftovers(self._arrival.folder, f"{self._name}_"):
            if not part.name.endswith(".jsonl.part"):
                continue
            rows = _drop_torn_line(part)
            self._land(part, part.with_suffix(""), rows)

    def append(self, line: bytes) -> None:
        """Write a line; it is safe after `commit`."""
        sink = self._sink or self._open()
        sink.write(line)
        self._rows += 1

    def _open(self) -> BinaryIO:
        number, now = 1, datetime.now(UTC)
        while True:
            file = file_name(self._name, now, number, "jsonl")
            self._final, self._part = self._arrival.folder / file, self._arrival.part(file)
            if not self._final.exists() and not self._part.exists():
                break
            number += 1
        sink = self._sink = self._part.open("wb")
        sync_folder(self._part.parent)
        self._opened = time.monotonic()
        self._rows = self._committed_rows = self._committed = 0
        return sink

    def commit(self) -> None:
        """Make all that was written safe."""
        if self._sink is not None and self._rows > self._committed_rows:
            self._sink.flush()
            os.fsync(self._sink.fileno())
            self._committed, self._committed_rows = self._sink.tell(), self._rows

    def undo(self) -> None:
        """Forget what was not committed: it comes again. A full disk leaves half a line, which must not stay."""
        if self._sink is not None:
            with contextlib.suppress(OSError):  # it tries to write the rest
                self._sink.close()
            self._sink = self._part.open("r+b")
            self._sink.truncate(self._committed)
            self._sink.seek(self._committed)
            self._rows = self._committed_rows

    def rotate_when_due(self) -> None:
        """Finish a file that is big or old enough."""
        if self._sink is not None and (
            self._committed >= self._most_bytes or time.monotonic() - self._opened >= self._most_seconds
        ):
            self.finish()

    def finish(self) -> None:
        """Make the file visible under its own name."""
        if self._sink is not None:
            self.commit()
            self._sink.close()
            self._sink = None
            self._land(self._part, self._final, self._rows)

    def _land(self, part: Path, final: Path, rows: int) -> None:
        size = part.stat().st_size
        if size == 0:
            part.unlink()
            return
        land(part, final)
        self._arrival.tell(self._name, "fetched", file=final.name, bytes=size, rows=rows)
        self._arrival.outcomes.clear()  # a daemon lives long


def _drop_torn_line(part: Path) -> int:
    """Cut what follows the last line end; the number of lines that stay."""
    rows = end = 0
    with part.open("r+b") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                rows += 1
                end += len(line)
        stream.truncate(end)
    return rows


def line_of(message: MQTTMessage, arrived: datetime, *, envelope: bool) -> bytes:
    """One JSON line of a message, its numbers and texts as the sender wrote them."""
    payload = bytes(message.payload)
    kind = _json_kind(payload)
    if kind is not None:  # a line end in JSON is but white space: in a text it would be escaped
        payload = payload.replace(b"\n", b" ").replace(b"\r", b" ")
    if kind is dict and not envelope:
        return payload + b"\n"
    content: dict[str, Any] = {"_topic": _topic(message), "_time": arrived.isoformat().replace("+00:00", "Z")}
    if kind is None:
        content["_payload_base64"] = base64.b64encode(payload).decode()
    else:
        content["_payload"] = orjson.Fragment(payload)
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _json_kind(payload: bytes) -> type | None:
    try:
        return type(orjson.loads(payload))
    except orjson.JSONDecodeError:
        return None


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return "?"


def _address(text: str, variable: str) -> tuple[str, str, int, str | None, str | None]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"mqtt", "mqtts"} or not host:  # outside the except: it may hold a piece of the password
        raise FetchError(f"{variable} n'est pas une adresse mqtt:// ou mqtts:// (caractères à encoder en %xx ?)")
    user, password = (unquote(part) if part is not None else None for part in (parts.username, parts.password))
    return parts.scheme, host, port or (8883 if parts.scheme == "mqtts" else 1883), user, password
