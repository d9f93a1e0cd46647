"""GTFS-RT snapshots: entities as objects, and messages that are cut, altered or something else."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from google.transit.gtfs_realtime_pb2 import FeedMessage
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.readers import protobuf

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.unit.ingestion.conftest import Probe, Said

FAST = settings(max_examples=40, deadline=None)
PATHS = {
    "trip": "up:trip.trip_id",
    "entity": "up:id",
    "stop": "stop_id",
    "delay": "arrival.delay",
    "ts": "doc:header.timestamp",
}


def feed(trips: list[tuple[str, list[tuple[str, int]]]]) -> bytes:
    message = FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    message.header.timestamp = 1_790_000_000
    for number, (trip, stops) in enumerate(trips):
        entity = message.entity.add(id=f"e{number}")
        entity.trip_update.trip.trip_id = trip
        for stop, delay in stops:
            update = entity.trip_update.stop_time_update.add(stop_id=stop, schedule_relationship="SKIPPED")
            update.arrival.delay = delay
            update.arrival.time = 2**40
    return message.SerializeToString()


def read(probe: Probe, content: bytes, *, explode: str | None = "trip_update.stop_time_update") -> Said:
    wanted = probe.contract(PATHS, reader="protobuf", explode=explode)
    return probe.objects("protobuf", probe.file("feed.pb", content), wanted)


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)


@FAST
@given(st.lists(st.tuples(WORDS, st.lists(st.tuples(WORDS, st.integers(-9999, 9999)), max_size=4)), max_size=5))
def test_stop_times_come_back_with_their_trip(probe: Probe, trips: list[tuple[str, list[tuple[str, int]]]]) -> None:
    said = read(probe, feed(trips))
    assert said.notes.held is None
    assert [(r["up:trip.trip_id"], r["up:id"], r["stop_id"], r["arrival"]["delay"]) for r in said.records] == [
        (trip, f"e{n}", stop, delay) for n, (trip, stops) in enumerate(trips) for stop, delay in stops
    ]
    assert all(r["doc:header.timestamp"] == "1790000000" for r in said.records)
    assert all((r["schedule_relationship"], r["arrival"]["time"]) == ("SKIPPED", str(2**40)) for r in said.records)


def test_entities_whole(probe: Probe) -> None:
    said = read(probe, feed([("t", []), ("u", [("s", 1)])]), explode=None)
    assert [(p, r["id"], r["trip_update"]["trip"]) for p, r in zip(said.places, said.records, strict=True)] == [
        (1, "e0", {"trip_id": "t"}),
        (2, "e1", {"trip_id": "u"}),
    ]


def test_what_is_no_snapshot_is_held(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    good = feed([("t", [("s", 1)])])
    assert "illisible ou tronqué" in read(probe, good[:-3]).held
    assert "header absent" in read(probe, b"").held
    for other in (b"<html>404</html>", b'{"header": {}}', bytes(100)):
        assert "GTFS-RT" in read(probe, other).held
    unknown = good.replace(b"\x12", b"\x1a", 1)  # the tag of the first entity: field 2 becomes 3
    assert unknown != good
    assert "inconnus du format GTFS-RT" in read(probe, unknown).held
    monkeypatch.setattr(protobuf, "MAX_MESSAGE", 10)
    assert "message de plus de" in read(probe, good).held


def test_altered_messages_are_read_or_held(probe: Probe) -> None:
    good, rnd = feed([(f"trip {n}", [(f"s{k}", k) for k in range(5)]) for n in range(20)]), random.Random(3)
    held = 0
    for _ in range(300):
        raw = bytearray(good)
        for _ in range(rnd.choice([1, 3, 20])):
            raw[rnd.randrange(len(raw))] ^= 1 << rnd.randrange(8)
        held += read(probe, bytes(raw)).notes.held is not None
    assert 50 < held < 300


def test_the_real_alerts_of_brest(probe: Probe, real: Path) -> None:
    wanted = probe.contract({"id": "id", "route": "alert.informed_entity[].route_id"}, reader="protobuf")
    said = probe.objects(
        "protobuf", probe.at(real / "fr_transport_fixtures/files/bibus-brest-gtfs-rt-alerts.pb"), wanted
    )
    assert len(said.records) == 12
    assert said.records[0]["alert"]["cause"] == "CONSTRUCTION"
