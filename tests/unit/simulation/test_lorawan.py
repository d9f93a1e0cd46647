"""The LoRaWAN sources as simulated: native envelopes, what goes wrong with frames, and a truth that adds up."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import re
import zipfile
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest

from ingestion.territory import load_territory
from simulation import lorawan_gateway_stats, lorawan_joins, lorawan_status, lorawan_uplinks
from simulation.job import Job
from simulation.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUTUMN = date(2026, 10, 25)  # the 25-hour day
MODULES = (lorawan_uplinks, lorawan_joins, lorawan_status, lorawan_gateway_stats)
NAMESPACE = "{http://uri.actility.com/lora}"


class Up(NamedTuple):
    """An uplink whichever server told it."""

    server: str
    file: str
    eui: str
    count: int
    time_ms: int
    payload: bytes
    decoded: dict[str, float] | None
    gateways: int


def write(out: Path, *, days: int = 9, scale: float = 0.3, seed: int = 58) -> Path:
    truth = Truth()
    start = AUTUMN - timedelta(days=6)
    job = Job(out=out, seed=seed, start=start, days=days, scale=scale, territory=load_territory(), truth=truth)
    for module in MODULES:
        module.write(job)
    truth.write(out / "_truth")
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("lorawan"))


def table(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "_truth" / f"{name}.csv").read_text("utf-8"))))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


INSTANT = re.compile(r"(.{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def iso_ms(text: str) -> int:
    """Milliseconds of an instant with up to nine decimals, cut."""
    match = INSTANT.fullmatch(text)
    assert match, text
    head, digits, zone = match.groups()
    return int(datetime.fromisoformat(head + zone.replace("Z", "+00:00")).timestamp()) * 1000 + int(
        f"{digits or '':0<3}"[:3]
    )


def read(server: str, message: dict[str, Any]) -> tuple[str, int, int, bytes, dict[str, float] | None, int] | None:
    """(eui, count, time, payload, decoded, gateways) of an uplink in the words of its server; None for other messages."""
    if server == "tts":
        up = message.get("uplink_message")
        return up and (
            message["end_device_ids"]["dev_eui"], up.get("f_cnt", 0), iso_ms(up["received_at"]),
            base64.b64decode(up["frm_payload"]), up.get("decoded_payload"), len(up["rx_metadata"]),
        )  # fmt: skip
    if server == "thingpark":
        up = message.get("DevEUI_uplink", {})
        assert all(isinstance(v, str | dict) for v in up.values()), "numbers are text"
        if up.get("MType") not in ("2", "4"):
            return None
        return (up["DevEUI"], int(up["FCntUp"]), iso_ms(up["Time"]), bytes.fromhex(up["payload_hex"]), None,
                len(up["Lrrs"]["Lrr"]))  # fmt: skip
    if server == "kerlink":
        assert message["fCntUp"] == message["fcntUp"]
        return (message["endDevice"]["devEui"], message["fCntUp"], message["recvTime"],
                bytes.fromhex(message["payload"]), None, len(message["gwInfo"]))  # fmt: skip
    if server == "loriot":
        return (message["EUI"], message["fcnt"], message["ts"], bytes.fromhex(message["data"]), None,
                len(message["gws"]))  # fmt: skip
    decoded = message.get("decoded", {}).get("payload")
    return (message["dev_eui"], message["fcnt"], message["reported_at"], base64.b64decode(message["payload"]), decoded,
            len(message["hotspots"]))  # fmt: skip


def uplinks(out: Path) -> Iterator[Up]:
    """Of the servers that departments bought, in the order of files and lines."""
    for path in sorted((out / "lorawan_uplinks").iterdir()):
        server = path.name.split("_")[0]
        if server.startswith("chirpstack"):
            continue
        if server == "thingparkxml":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    root = ET.fromstring(archive.read(name))
                    get = {e.tag.removeprefix(NAMESPACE): e.text or "" for e in root}
                    heard = len(root.findall(f"{NAMESPACE}Lrrs/{NAMESPACE}Lrr"))
                    yield Up(server, path.name, get["DevEUI"].lower(), int(get["FCntUp"]), iso_ms(get["Time"]),
                             bytes.fromhex(get["payload_hex"]), None, heard)  # fmt: skip
            continue
        for message in lines(path):
            if up := read(server, message):
                yield Up(server, path.name, up[0].lower(), *up[1:])


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    found = []
    for name, seed in (("one", 58), ("two", 58), ("other", 59)):
        folder = write(tmp_path / name, days=1, scale=0.05, seed=seed)
        found.append(
            {
                str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
                for p in folder.rglob("*")
                if p.is_file()
            }
        )
    one, two, other = found
    assert one == two
    changed = {name.split("/")[0] for name, _ in set(one.items()) ^ set(other.items())}
    assert changed == {name.split("/")[0] for name in one}


def test_the_ledger_counts_what_is_there(out: Path) -> None:
    """Lines (documents of archives), duplicates found by reading, refusals by their place."""
    ledger = {(r["source"], r["file"]): r for r in table(out, "ledger")}
    found: dict[tuple[str, str], list[bytes]] = {}
    for path in (p for p in out.rglob("*") if p.is_file() and p.parent.name != "_truth"):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                found |= {(path.parent.name, f"{path.name}!{n}"): [archive.read(n)] for n in archive.namelist()}
        else:
            found[path.parent.name, path.name] = gzip.decompress(path.read_bytes()).splitlines()
    assert set(ledger) == set(found)
    refused = Counter((r["source"], r["file"]) for r in table(out, "quarantine"))
    for key, rows in found.items():
        told = ledger[key]
        assert int(told["rows_read"]) == len(rows), key
        assert int(told["rows_duplicate"]) == len(rows) - len(set(rows)), key
        assert int(told["rows_quarantined"]) == refused[key], key
    for source in {s for s, _ in ledger}:
        assert sum(int(r["rows_duplicate"]) for r in ledger.values() if r["source"] == source) > 0


def test_refusals_are_what_they_say(out: Path) -> None:
    seen = set()
    for entry in table(out, "quarantine"):
        message = lines(out / entry["source"] / entry["file"])[int(entry["line"]) - 1]
        kind = entry["reason_kind"]
        seen.add((entry["file"].split("_")[0], kind))
        if kind == "not_an_uplink":
            assert "uplink_message" not in message
            assert message.get("DevEUI_uplink", {}).get("MType", "0") == "0"
        elif kind == "bad_identifier":
            assert len(base64.b64decode(message["devEUI"])) == 5
        else:
            payload = message.get("data") or message["DevEUI_uplink"]["payload_hex"]
            assert len(payload) == 2 * 10, "eleven bytes less one"
    assert seen == {
        ("tts", "not_an_uplink"), ("thingpark", "not_an_uplink"), ("thingpark", "bad_payload"),
        ("loriot", "bad_payload"), ("chirpstack3", "bad_identifier"),
    }  # fmt: skip


def test_every_server_and_its_files(out: Path) -> None:
    servers = Counter(p.name.split("_")[0] for p in (out / "lorawan_uplinks").iterdir())
    assert set(servers) == {
        "chirpstack3", "chirpstack4", "tts", "thingpark", "thingparkxml", "kerlink", "loriot", "helium",
    }  # fmt: skip
    for up in uplinks(out):
        assert f"_{datetime.fromtimestamp(up.time_ms / 1000, UTC):%G-W%V}" in up.file
        assert 1 <= up.gateways <= 3
    heard = Counter(up.gateways for up in uplinks(out))
    assert heard[2] > 100
    assert heard[3] > 100
    assert {p.name.split("__")[1].split(".")[0] for p in (out / "lorawan_uplinks").glob("*__*")} == {
        "ers-co2",
        "em400-udl",
    }


def test_frames_add_up(out: Path) -> None:
    truth = {r["dev_eui"]: {k: v if k in ("dev_eui", "server", "profile") else int(v) for k, v in r.items()}
             for r in table(out, "lorawan_fleet")}  # fmt: skip
    told = Counter(up.eui for up in uplinks(out))
    for eui, r in truth.items():
        assert told[eui] == r["received_frames"] + r["repeated_frames"] + r["resent_frames"], eui
        assert r["sent_frames"] == r["received_frames"] + r["lost_frames"]
    assert set(told) == set(truth)
    assert sum(r["resets"] for r in truth.values()) == 1
    assert sum(r["rollovers"] for r in truth.values()) == 1
    registered = {a.native_id for a in lorawan_uplinks.things(_job(out))}
    assert registered == set(truth)


def _job(out: Path) -> Job:
    start = AUTUMN - timedelta(days=6)
    return Job(out=out, seed=58, start=start, days=9, scale=0.3, territory=load_territory(), truth=Truth())


def test_one_counter_resets_and_one_rolls_over(out: Path) -> None:
    counts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for up in sorted(uplinks(out), key=lambda u: u.time_ms):
        counts[up.server, up.eui].append(up.count)
    drops = {key: [(a, b) for a, b in pairwise(values) if b < a] for key, values in counts.items()}
    falls = {key[0]: pair for key, pairs in drops.items() for pair in pairs}
    assert set(falls) == {"tts", "thingpark"}
    assert falls["tts"][1] == 0
    assert falls["tts"][0] < 60_000
    assert falls["thingpark"][0] > 65_500
    assert falls["thingpark"][1] < 40


def test_copies_have_counter_and_content_of_their_frame(out: Path) -> None:
    """Kerlink's confirmed frames and Helium's second hotspots; within seconds, and never the frame's own instant."""
    groups: dict[tuple[str, str, int], list[Up]] = defaultdict(list)
    for up in uplinks(out):
        if up.server in ("kerlink", "helium"):
            groups[up.server, up.eui, up.count].append(up)
    copies = Counter()
    for (server, _, _), ups in groups.items():
        assert len({up.payload for up in ups}) == 1
        times = sorted({up.time_ms for up in ups})
        assert times[-1] - times[0] < 10_000
        copies[server] += len(times) - 1
    truth = Counter()
    for r in table(out, "lorawan_fleet"):
        truth[r["server"]] += int(r["repeated_frames"])
    assert copies == +truth
    assert min(copies.values()) > 3


def test_values_are_told_once_each_and_by_the_server_where_it_decodes(out: Path) -> None:
    truth: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for r in table(out, "lorawan_values"):
        key = r["dev_eui"], iso_ms(r["received_time"])
        assert r["property"] not in truth[key]
        truth[key][r["property"]] = float(r["value"])
    opaque, told = Counter(), Counter()
    for up in uplinks(out):
        if up.decoded is not None and (up.eui, up.time_ms) in truth:
            assert up.decoded == truth[up.eui, up.time_ms]
            told[up.server] += 1
        elif up.payload and (up.eui, up.time_ms) in truth:
            opaque[up.server] += 1
    assert set(told) == {"tts", "helium"}
    assert set(opaque) == {"thingpark", "thingparkxml", "kerlink", "loriot", "helium"}
    assert 0.1 < opaque["helium"] / (opaque["helium"] + told["helium"]) < 0.3
    properties = Counter(p for values in truth.values() for p in values)
    assert set(properties) == {
        "temperature", "humidity", "co2", "distance", "battery", "battery_level", "soil_moisture", "soil_temperature",
        "soil_conductivity",
    }  # fmt: skip
    assert properties["distance"] < properties["battery_level"], "some echoes are lost"


def test_kerlink_sends_frames_without_payload(out: Path) -> None:
    bare = [up for up in uplinks(out) if not up.payload]
    assert bare
    assert {up.server for up in bare} == {"kerlink"}


def test_local_times_pass_through_the_hour_that_occurs_twice(out: Path) -> None:
    messages = [m for week in (43, 44) for m in lines(out / f"lorawan_uplinks/thingpark_2026-W{week}.jsonl.gz")]
    texts = [m["DevEUI_uplink"]["Time"] for m in messages if "DevEUI_uplink" in m]
    night = [t for t in texts if t.startswith("2026-10-25T02:")]
    assert {t[-6:] for t in night} == {"+02:00", "+01:00"}
    assert len(night) == 2 * len({m["DevEUI_uplink"]["DevEUI"] for m in messages if "DevEUI_uplink" in m})


# joins, status, gateways ---------------------------------------------------------------------------------------------


def test_joins(out: Path) -> None:
    truth = table(out, "lorawan_joins")
    found = set()
    for path in (out / "lorawan_joins").iterdir():
        for m in lines(path):
            if "join_accept" in m:
                found.add((m["end_device_ids"]["dev_eui"].lower(), iso_ms(m["join_accept"]["received_at"])))
            elif "deviceInfo" in m:
                found.add((m["deviceInfo"]["devEui"], iso_ms(m["time"])))
            elif len(eui := base64.b64decode(m["devEUI"])) == 8:
                found.add((eui.hex(), iso_ms(m["publishedAt"])))
    assert found == {(r["dev_eui"], iso_ms(r["joined_time"])) for r in truth}
    assert {r["server"] for r in truth} == {"chirpstack3", "chirpstack4", "tts"}


def test_a_reset_counter_follows_a_join(out: Path) -> None:
    joins = {(r["dev_eui"], iso_ms(r["joined_time"])) for r in table(out, "lorawan_joins")}
    (tts,) = [(e, t) for e, t in joins if e.startswith("70b3d500")]
    (first,) = [u for u in uplinks(out) if u.eui == tts[0] and u.count == 0]
    assert first.time_ms - tts[1] == 4000
    (reset,) = [r["dev_eui"] for r in table(out, "lorawan_devices") if r["resets"] == "1"]
    (own,) = [t for e, t in joins if e == reset]
    frames = [m for p in (out / "lorawan_uplinks").glob("chirpstack4_*") for m in lines(p)]
    zero = [iso_ms(m["time"]) for m in frames if m["deviceInfo"]["devEui"] == reset and "fCnt" not in m]
    assert min(t - own for t in zero if t >= own) == pytest.approx(4000, abs=1)


def test_status(out: Path) -> None:
    truth = {(r["dev_eui"], iso_ms(r["status_time"])): r for r in table(out, "lorawan_status")}
    seen = set()
    for path in (out / "lorawan_status").iterdir():
        for m in lines(path):
            v4 = "deviceInfo" in m
            key = (m["deviceInfo"]["devEui"] if v4 else m["devEUI"], iso_ms(m["time"] if v4 else m["publishedAt"]))
            r = truth[key]
            seen.add(key)
            assert m.get("margin", 0) == int(r["margin_db"])
            assert m.get("externalPowerSource", False) == bool(int(r["is_external_power"]))
            if r["battery_level_pct"]:
                assert m.get("batteryLevel", 0) == float(r["battery_level_pct"])
                assert not m.get("batteryLevelUnavailable")
            assert not v4 or 0 not in m.values(), "zero and false are left out"
    assert seen == set(truth)
    assert any(r["battery_level_pct"] == "0.0" for r in truth.values()), "one battery dies"
    assert any(r["is_external_power"] == "1" for r in truth.values())


def test_gateway_stats(out: Path) -> None:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    seen = set()
    for path in (out / "lorawan_gateway_stats").iterdir():
        for m in lines(path):
            key = m["gatewayId"], m["time"]
            if key in seen:
                continue
            seen.add(key)
            names = (None, "rxPacketsReceived", "rxPacketsReceivedOk", "txPacketsEmitted")
            for place, name in enumerate(names):
                sums[m["gatewayId"], m["time"][:10]][place] += 1 if name is None else m.get(name, 0)
            assert m.get("rxPacketsReceivedOk", 0) <= m.get("rxPacketsReceived", 0)
    truth = {
        (r["gateway_id"], r["utc_date"]): [int(v) for v in list(r.values())[2:]]
        for r in table(out, "lorawan_gateway_days")
    }
    assert dict(sums) == truth
    assert len({gateway for gateway, _ in truth}) == 6
    whole = [v[0] for (_, day), v in truth.items() if day == "2026-10-25"]
    assert set(whole) == {144}, "a UTC day has no 25 hours"
    assert sum(144 - v[0] for (_, day), v in truth.items() if "2026-10-19" <= day <= "2026-10-26") == 60, (
        "one is cut off"
    )
    ids = {t.native_id for t in lorawan_gateway_stats.things(_job(out))}
    assert ids == {gateway for gateway, _ in truth}
