"""MQTT connectors against a real Mosquitto: nothing is lost, whoever is killed and when."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ingestion.connectors import mqtt
from ingestion.connectors.collect import BusyError, listen
from tests.integration.servers import connector, mosquitto, own_broker, python, unique, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import House


@pytest.fixture
def topic() -> str:
    return unique("territory")


@pytest.fixture
def declared(topic: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A connector to this machine's broker, with a session of its own that is forgotten at the end."""
    monkeypatch.setenv("UPLINKS_URL", mosquitto())
    made = {"kind": "mqtt", "url_env": "UPLINKS_URL", "topics": [f"{topic}/#"], "client_id": topic}
    yield made | {"session_expiry_h": 1}
    client = Client(CallbackAPIVersion.VERSION2, topic, clean_session=True)
    client.connect("127.0.0.1")
    client.loop_start()
    until(client.is_connected, "the broker")
    client.disconnect()
    client.loop_stop()


@contextmanager
def publisher(port: int = 1883, **login: str) -> Iterator[Callable[[str, str | bytes], None]]:
    """Publishes with QoS 1 and returns when the broker has it."""
    client = Client(CallbackAPIVersion.VERSION2, unique("publisher"), protocol=MQTTProtocolVersion.MQTTv311)
    if login:
        client.username_pw_set(login["user"], login["password"])
    client.connect("127.0.0.1", port)
    client.loop_start()

    def publish(topic: str, payload: str | bytes) -> None:
        client.publish(topic, payload, qos=1).wait_for_publish(timeout=30)

    try:
        yield publish
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def listening(house: House, declared: dict[str, Any]) -> Iterator[threading.Event]:
    """The source `uplinks`, listened to in a thread of this process; the event is set at each subscription."""
    stop, ready, broken = mqtt.Stop(), threading.Event(), []

    def run() -> None:
        try:
            listen("uplinks", connector(**declared), house.landing, stop, ready=ready.set)
        except BaseException as error:  # noqa: BLE001 - shown by the test that waits for it
            broken.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ready
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()
    assert broken == []


def lines(house: House) -> list[dict[str, Any]]:
    """All lines of all finished files, in order of arrival."""
    files = sorted((house.landing / "uplinks").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def written(house: House) -> int:
    """Lines written so far, finished files and the one under way."""
    count = 0
    for path in (house.landing / "uplinks").glob("*.jsonl*"):
        with suppress(FileNotFoundError):  # it has just been given its own name: the next look counts it
            count += path.read_bytes().count(b"\n")
    return count


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_messages_land_in_order_and_the_end_finishes_the_file(
    house: House, declared: dict[str, Any], topic: str, version: str
) -> None:
    with listening(house, declared | {"version": version}) as ready, publisher() as publish:
        assert ready.wait(30)
        for n in range(50):
            publish(f"{topic}/up", json.dumps({"n": n}))
        until(lambda: written(house) == 50, "50 lines")
        assert [p.suffix for p in (house.landing / "uplinks").iterdir()] == [".part"]
    assert lines(house) == [{"n": n} for n in range(50)]
    (file,) = (house.landing / "uplinks").iterdir()
    told = house.sql("SELECT source, connector, name, file, status, bytes, rows FROM ops.fetch")
    assert told == [("uplinks", "mqtt", "uplinks", file.name, "fetched", file.stat().st_size, 50)]


@pytest.mark.parametrize("envelope", [False, True])
def test_every_payload_is_one_line(house: House, declared: dict[str, Any], topic: str, envelope: bool) -> None:
    payloads: list[bytes] = [b'{"a": 1.500000000000000000001,\r\n "b": "x\\ny"}', b"[1, 2]", b"12.50", b"\xff\x00", b""]
    with listening(house, declared | {"envelope": envelope}) as ready, publisher() as publish:
        assert ready.wait(30)
        for number, payload in enumerate(payloads):
            publish(f"{topic}/{number}", payload)
        until(lambda: written(house) == len(payloads), "the lines")
    (file,) = (house.landing / "uplinks").iterdir()
    told = file.read_bytes().splitlines()
    kept = b'{"a": 1.500000000000000000001,   "b": "x\\ny"}'
    assert kept in told[0]
    assert (told[0] == kept) is not envelope
    for number, line in enumerate(told[0 if envelope else 1 :], 0 if envelope else 1):
        found = json.loads(line)
        assert found.pop("_topic") == f"{topic}/{number}"
        assert found.pop("_time").endswith("Z")
        expected: dict[str, Any] = {"_payload_base64": base64.b64encode(payloads[number]).decode()}
        if number < 3:
            expected = {"_payload": json.loads(payloads[number])}
        assert found == expected
    assert b'"_payload":12.50' in told[2]


def test_files_are_finished_by_size_and_names_do_not_collide(
    house: House, declared: dict[str, Any], topic: str
) -> None:
    with listening(house, declared | {"rotate_mb": 1, "name": "ttn"}) as ready, publisher() as publish:
        assert ready.wait(30)
        for n in range(24):
            publish(topic + "/up", json.dumps({"n": n, "pad": "x" * 100_000}))
        until(lambda: written(house) == 24, "24 lines")
    files = sorted(p.name for p in (house.landing / "uplinks").iterdir())
    assert len(files) in (2, 3), "a batch may go past the limit"
    assert all(name.startswith("ttn_20") and name.endswith(".jsonl") for name in files)
    assert [line["n"] for line in lines(house)] == list(range(24))


def test_files_are_finished_by_age(
    house: House, declared: dict[str, Any], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"late": 0.0}
    real = mqtt.time.monotonic
    monkeypatch.setattr(mqtt.time, "monotonic", lambda: real() + clock["late"])
    with listening(house, declared | {"rotate_min": 10}) as ready, publisher() as publish:
        assert ready.wait(30)
        publish(topic + "/up", '{"n": 1}')
        until(lambda: written(house) == 1, "a line")
        assert list((house.landing / "uplinks").glob("*.jsonl")) == []
        clock["late"] = 601.0
        until(lambda: lines(house) == [{"n": 1}], "the file")


def test_what_comes_while_nobody_listens_is_received_after(house: House, declared: dict[str, Any], topic: str) -> None:
    with publisher() as publish:
        with listening(house, declared) as ready:
            assert ready.wait(30)
        for n in range(200):
            publish(topic + "/up", json.dumps({"n": n}))
        with listening(house, declared):
            until(lambda: written(house) >= 200, "200 lines")
    assert {line["n"] for line in lines(house)} == set(range(200))


def test_one_process_listens_to_a_source(house: House, declared: dict[str, Any]) -> None:
    with listening(house, declared) as ready:
        assert ready.wait(30)
        with pytest.raises(BusyError, match="déjà en cours"):
            listen("uplinks", connector(**declared), house.landing, mqtt.Stop())


def test_a_torn_file_is_finished_up_to_its_last_whole_line(house: House, declared: dict[str, Any]) -> None:
    folder = house.landing / "uplinks"
    folder.mkdir(parents=True)
    (folder / "uplinks_20261005T093012Z_p0001.jsonl.part").write_bytes(b'{"n": 1}\n{"n": 2}\n{"n": ')
    (folder / "uplinks_20261005T093013Z_p0001.jsonl.part").write_bytes(b'{"n": ')
    with listening(house, declared) as ready:
        assert ready.wait(30)
    assert [p.name for p in folder.iterdir()] == ["uplinks_20261005T093012Z_p0001.jsonl"]
    assert lines(house) == [{"n": 1}, {"n": 2}]
    assert house.sql("SELECT rows, bytes FROM ops.fetch") == [(2, 18)]


def test_a_write_that_fails_loses_nothing(
    house: House, declared: dict[str, Any], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for a moment: half a line is on it, and the messages are not acknowledged."""
    full, real = threading.Event(), os.fsync
    stumbled = threading.Event()

    def fsync(descriptor: int) -> None:
        if full.is_set() and threading.current_thread() is not threading.main_thread():
            stumbled.set()
            full.clear()
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(mqtt.os, "fsync", fsync)
    with listening(house, declared) as ready, publisher() as publish:
        assert ready.wait(30)
        publish(topic + "/up", '{"n": 0}')
        until(lambda: written(house) == 1, "a line")
        full.set()
        publish(topic + "/up", '{"n": 1}')
        assert stumbled.wait(30)
        publish(topic + "/up", '{"n": 2}')
        until(lambda: written(house) >= 3, "what came again")
    assert [line["n"] for line in lines(house)] == [0, 1, 2]
    assert house.sql("SELECT reason FROM ops.fetch WHERE status = 'failed'") == [
        ("OSError : [Errno 28] No space left on device",)
    ]


def test_a_broker_that_goes_away_is_come_back_to(
    house: House, topic: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_broker(tmp_path / "broker") as broker:
        monkeypatch.setenv("UPLINKS_URL", f"mqtt://127.0.0.1:{broker.port}")
        with listening(house, {"kind": "mqtt", "url_env": "UPLINKS_URL", "topics": [f"{topic}/#"]}) as ready:
            assert ready.wait(30)
            with publisher(broker.port) as publish:
                publish(topic + "/up", '{"n": 1}')
                until(lambda: written(house) == 1, "a line")
            ready.clear()
            broker.kill()
            until(lambda: house.sql("SELECT 1 FROM ops.fetch WHERE status = 'failed'"), "the failure")
            broker.start()
            assert ready.wait(60)
            with publisher(broker.port) as publish:
                publish(topic + "/up", '{"n": 2}')
                until(lambda: written(house) == 2, "the second line")
    assert lines(house) == [{"n": 1}, {"n": 2}]


def test_a_broker_that_refuses_is_told_once_and_tried_again(
    house: House, topic: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_broker(tmp_path / "broker", user="ville", password="right-P4ss") as broker:
        monkeypatch.setenv("UPLINKS_URL", f"mqtt://ville:wrong-P4ss@127.0.0.1:{broker.port}")
        stumbles = threading.Semaphore(0)
        real = mqtt.Stop.wait

        def wait(stop: mqtt.Stop, seconds: float | None = None) -> bool:
            stumbles.release()
            return real(stop, 0.01)

        monkeypatch.setattr(mqtt.Stop, "wait", wait)
        declared = {"kind": "mqtt", "url_env": "UPLINKS_URL", "topics": [f"{topic}/#"]}
        with listening(house, declared) as ready:
            for _ in range(3):
                assert stumbles.acquire(timeout=30)
            assert not ready.is_set()
        reasons = house.sql("SELECT reason FROM ops.fetch")
        assert len(reasons) == 1
        assert "le courtier refuse la connexion" in reasons[0][0]
        assert "P4ss" not in str(reasons)
        monkeypatch.setenv("UPLINKS_URL", f"mqtt://ville:right-P4ss@127.0.0.1:{broker.port}")
        with listening(house, declared) as ready:
            assert ready.wait(30)


# Death ------------------------------------------------------------------------------------------------------------

DAEMON = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from orchestration import collect
from tests.integration.servers import connector
declared = json.loads(sys.argv[1])
collect.load_contracts = lambda: [SimpleNamespace(id="uplinks", connector=connector(**declared))]
sys.exit("; ".join(collect.listen(landing=Path(sys.argv[2]))) or 0)
"""


def numbers(house: House) -> set[bytes]:
    """What is written, whole lines of the file under way included, each once."""
    found = set()
    for path in (house.landing / "uplinks").glob("*.jsonl*"):
        with suppress(FileNotFoundError):  # it has just been given its own name
            found |= {line.split(b",")[0] for line in path.read_bytes().split(b"\n")[:-1]}
    return found


def daemon(house: House, declared: dict[str, Any]) -> subprocess.Popen[str]:
    """`datanevers collect mqtt`, subscribed."""
    process = python(DAEMON, json.dumps(declared), str(house.landing))
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "abonné" in said, said + process.stderr.read()
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(
    house: House, declared: dict[str, Any], topic: str, number: signal.Signals
) -> None:
    process = daemon(house, declared)
    with publisher() as publish:
        publish(topic + "/up", '{"n": 1}')
    until(lambda: written(house) == 1, "a line")
    process.send_signal(number)
    assert process.wait(timeout=30) == 0
    assert lines(house) == [{"n": 1}]
    assert not list((house.landing / "uplinks").glob("*.part"))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_killed_again_and_again_it_loses_nothing(
    house: House, declared: dict[str, Any], topic: str, version: str
) -> None:
    """Messages come all the time: before, while and after it is killed, at random moments."""
    moments, total = random.Random(5), 1_500
    wanted, sent = declared | {"version": version, "rotate_mb": 1}, threading.Event()

    def publish_all() -> None:
        # No more under way than this broker queues for a client that is away (1 000).
        with publisher() as publish:
            for n in range(total):
                publish(f"{topic}/up", json.dumps({"n": n, "pad": "x" * 900}))
                if n % 200 == 199:
                    until(lambda n=n: len(numbers(house)) >= n - 200, "the listener to follow", 120)
        sent.set()

    process = daemon(house, wanted)
    thread = threading.Thread(target=publish_all)
    thread.start()
    for kill in range(1, 4):
        goal = total * kill // 5 + moments.randrange(200)
        until(lambda goal=goal: len(numbers(house)) >= goal, f"{goal} messages", 120)
        process.kill()
        process.wait(timeout=30)
        process = daemon(house, wanted)
    assert sent.wait(120)
    thread.join()
    until(lambda: len(numbers(house)) == total, "all messages", 60)
    process.terminate()
    assert process.wait(timeout=30) == 0
    received = [line["n"] for line in lines(house)]
    assert set(received) == set(range(total))
    assert len(received) - total <= 3 * mqtt.BATCH, "at most what was under way at each death comes twice"


def test_a_source_whose_variable_is_missing_is_named(
    house: House, declared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = python(DAEMON, json.dumps(declared | {"url_env": "NOT_SET_URL"}), str(house.landing))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "uplinks : variable d'environnement absente : NOT_SET_URL" in said
