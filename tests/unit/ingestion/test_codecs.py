"""Payload codecs: what they decode, computed a second time in Python, and everything that a codec can do wrong."""

from __future__ import annotations

import base64
import json
import os
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from ingestion import codecs
from ingestion.codecs import Codec, Decoder, decode, payload_hex, register
from ingestion.contract import CONTRACTS_DIR, load_contracts
from simulation.clock import wall
from simulation.lorawan_makers import MAKERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestion.contract import SourceContract

NOON = datetime(2026, 10, 25, 12, 0, 0, 123_000, tzinfo=UTC)
MILLISECONDS = int(NOON.timestamp() * 1000)
PORTS = {"ers-co2": 5, "em400-udl": 85, "dl-trs12": 1}


@pytest.fixture(scope="module")
def uplinks() -> SourceContract:
    return next(c for c in load_contracts() if c.id == "lorawan_uplinks")


def one(source: str, payload: bytes = b"\x01\x02\x03\x04", port: int = 2) -> codecs.Decoded:
    """What a codec of this text makes of one frame."""
    (verdict,) = decode(Codec("un.js", source), [(payload.hex(), port, MILLISECONDS)])
    return verdict


def data(source: str) -> Any:
    decoded, error = one(source)
    assert error is None
    return json.loads(decoded or "")


def reason(source: str) -> str:
    decoded, error = one(source)
    assert decoded is None
    assert error is not None
    assert error.startswith("décodage impossible, codec un.js : ")
    return error.removeprefix("décodage impossible, codec un.js : ")


def of_model(contract: SourceContract, model: str, *payloads: bytes) -> list[codecs.Decoded]:
    stamp = MILLISECONDS * 1000
    return Decoder.of(contract).rows([(model, p.hex(), PORTS.get(model, 1), stamp, "hexadecimal") for p in payloads])


# the codecs of the contracts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CONTRACTS_DIR.glob("*/codecs/*.js")), ids=lambda path: path.name)
def test_every_codec_loads_and_is_used(path: Path) -> None:
    (_, error), *_ = decode(Codec(path.name, path.read_text("utf-8")), [("ff", 1, 0)])
    assert error is None or "codec illisible" not in error
    named = {f for c in load_contracts() if c.codecs for f in c.codecs.files.values()}
    assert path.name in named


@pytest.mark.parametrize(
    ("model", "payload", "expected"),
    [
        ("ers-co2", "0100e2022906012d070e1a", {"temperature": 22.6, "humidity": 41, "co2": 301, "battery": 3.61}),
        ("ELSYS EMS", "01ff6a0250", {"temperature": -15.0, "humidity": 80}),
        ("elsys ext", "0cfff60e04d20b00010000", {"external_temperature": -1.0, "distance": 1234, "pulse_count": 65_536}),
        ("ems", "0303fd7f0d010f0212ff", {"acceleration_x": 3, "acceleration_y": -3, "acceleration_z": 127, "contact": 1,
                                       "acceleration_events": 2, "water_leak": 255}),
        ("ems", "3e4b0701", {}),
        ("em500-udl", "01756403821e00", {"battery_level": 100, "distance": 30}),
        ("em400-udl", "03670d010482e803050001", {"temperature": 26.9, "distance": 1000, "tilted": True}),
        ("EM400-UDL", "036717ff0482ffff", {"temperature": -23.3}),
        ("dl-trs12", "0211c000035bf87fff007b0ba4", {"soil_moisture": 21.77, "soil_temperature": -0.1,
                                                    "soil_conductivity": 123, "battery": 2.98}),
        ("dl-trs12", "0211c000020ba4", {"battery": 2.98}),
    ],
)  # fmt: skip
def test_vectors(uplinks: SourceContract, model: str, payload: str, expected: dict[str, float]) -> None:
    ((decoded, error),) = of_model(uplinks, model, bytes.fromhex(payload))
    assert error is None
    assert json.loads(decoded or "") == expected


@pytest.mark.parametrize(
    ("model", "payload", "says"),
    [
        ("ers-co2", "", None),
        ("ers-co2", "0100", "is cut off"),
        ("ers-co2", "0100e2ff", "unknown type 0xff at byte 3"),
        ("em400-udl", "017560036771000482d5", "is cut off"),
        ("em400-udl", "0a990000", "unknown channel 10, type 0x99"),
        ("dl-trs12", "0311c000020ba4", "protocol version 3, 2 expected"),
        ("dl-trs12", "0211c000030ba4", "7 bytes, 13 expected"),
    ],
)
def test_what_the_codecs_refuse(uplinks: SourceContract, model: str, payload: str, says: str | None) -> None:
    ((decoded, error),) = of_model(uplinks, model, bytes.fromhex(payload))
    assert decoded is None
    assert error is None if says is None else says in str(error)


def _elsys(raw: bytes) -> dict[str, float]:
    (t,), (c,), (b,) = (struct.unpack_from(f, raw, at) for f, at in ((">h", 1), (">H", 6), (">H", 9)))
    return {"temperature": t / 10, "humidity": raw[4], "co2": c, "battery": b / 1000}


def _milesight(raw: bytes) -> dict[str, float]:
    percent, tenths, distance = raw[2], *struct.unpack_from("<hxxH", raw, 5)
    told = {"battery_level": percent, "temperature": tenths / 10}
    return told if distance == 0xFFFF else told | {"distance": distance}


def _decentlab(raw: bytes) -> dict[str, float]:
    water, warmth, conductivity, battery = struct.unpack_from(">4H", raw, 5)
    return {
        "soil_moisture": (water * 0.00003879 - 0.6956) * 100, "soil_temperature": (warmth - 32_768) / 10,
        "soil_conductivity": conductivity, "battery": battery / 1000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "second"), [("ers-co2", _elsys), ("em400-udl", _milesight), ("dl-trs12", _decentlab)]
)
def test_a_second_computation_agrees(
    uplinks: SourceContract, model: str, second: Callable[[bytes], dict[str, float]]
) -> None:
    """A week of simulated payloads: the codec, the bytes read in Python, and the values that were encoded."""
    rng = np.random.default_rng(58)
    from zoneinfo import ZoneInfo

    clock = wall(date(2026, 10, 5), 7, 1_791_151_200 + 3600 * np.arange(168), ZoneInfo("Europe/Paris"))
    measures = MAKERS[model](rng, clock)
    decoded = of_model(uplinks, model, *measures.payloads)
    for raw, truth, (text, error) in zip(measures.payloads, measures.values, decoded, strict=True):
        assert error is None
        found = json.loads(text or "")
        assert found == pytest.approx(truth, abs=0.0051)
        assert found == pytest.approx(second(raw), abs=0.0051)


# what a codec can do wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("while (true) {}", "ne s'arrête pas (plus de 0,1 s)"),
        ("for (;;) { try { while (true) {} } catch (e) {} finally { continue } }", "ne s'arrête pas (plus de 0,1 s)"),
        ("return {data: {get a() { while (true) {} }}}", "ne s'arrête pas (plus de 0,1 s)"),
        ("return {data: {a: /^(a+)+$/.test('a'.repeat(40) + 'b')}}", "arrêté de force"),
        ("Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)", "arrêté de force"),
        # by the engine's limit on memory, or on a busy machine by the kernel's on time
        ("const a = []; while (true) a.push(new Array(1000).fill(1))", "mémoire dépassée"),
        ("let s = 'a'; while (true) s += s", "mémoire dépassée (16 Mo)"),
        ("const f = () => f() + 1; return f()", "erreur : stack overflow"),
        ("throw new Error('capteur\\ninconnu')", "erreur : capteur inconnu"),
        ("throw null", "erreur : null"),
        ("throw 'x\\ud800'", "erreur : "),
        ("return undefinedName", "erreur : 'undefinedName' is not defined"),
        ("return {errors: ['trop court', 'port inconnu']}", "trame refusée : trop court ; port inconnu"),
        ("return {errors: 'trop court'}", "trame refusée : trop court"),
        ("return {errors: ['oui'], data: {a: 1}}", "trame refusée : oui"),
        ("return {data: [1]}", "le résultat n'a pas d'objet `data`"),
        ("return {data: null}", "le résultat n'a pas d'objet `data`"),
        ("return {data: {toJSON() { return 5 }}}", "le résultat n'a pas d'objet `data`"),
        ("return 5", "le résultat n'a pas d'objet `data`"),
        ("", "le résultat n'a pas d'objet `data`"),
        ("return Promise.resolve({data: {}})", "le résultat n'a pas d'objet `data`"),
        ("return new Proxy({}, {get() { throw new Error('non') }})", "erreur : non"),
        ("return {data: {a: 1n}}", "erreur : bigint are forbidden in JSON.stringify"),
        ("return {data: {a: '\\ud800'}}", "le résultat n'est pas du JSON"),
        ("return {data: {a: 'x'.repeat(70000)}}", "résultat trop long"),
        ("const a = {}; a.a = a; return {data: a}", "erreur : circular reference"),
        ("let a = {}; for (let i = 0; i < 1e5; i++) a = {a}; return {data: a}", ""),
        ("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", "erreur : cannot block in this thread"),
    ],
)
def test_what_goes_wrong_costs_the_frame_and_says_why(body: str, says: str) -> None:
    before = time.monotonic()
    assert says in reason(f"function decodeUplink(input) {{ {body} }}")
    assert time.monotonic() - before < 20, "not even a busy machine makes this a hang"
    assert data("function decodeUplink(input) { return {data: {fine: true}} }") == {"fine": True}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("function decodeUplink(input) {", "codec illisible : SyntaxError"),
        ("function Decode(port, bytes) { return {} }", "codec illisible : TypeError: decodeUplink is not a function"),
        ("throw new Error('au chargement')", "codec illisible : Error: au chargement"),
        ("while (true) {}", "codec illisible : InternalError: interrupted"),
        ("Object.defineProperty(globalThis, 'mine', {value: 1}); function decodeUplink() {}", "codec illisible : "),
    ],
)
def test_a_codec_that_does_not_load(source: str, says: str) -> None:
    assert reason(source).startswith(says)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return {data: {n: input.bytes, p: input.fPort, t: input.recvTime.toISOString()}}",
         {"n": [1, 2, 3, 4], "p": 2, "t": "2026-10-25T12:00:00.123Z"}),
        ("return {data: {isArray: Array.isArray(input.bytes), isDate: input.recvTime instanceof Date}}",
         {"isArray": True, "isDate": True}),
        ("return {data: {a: NaN, b: -Infinity, c: undefined, d() {}, e: 'é', f: 'x\\u0000y'}, errors: [], warnings: ['w']}",
         {"a": None, "b": None, "e": "é", "f": "x\0y"}),
        ("for (i = 0; i < 3; i++) {} console.log('bruit'); return {data: {i}}", {"i": 3}),
        ("return {data: {now: Date.now(), made: +new Date(), other: +new (new Date(0)).constructor(), r: Math.random()}}",
         {"now": MILLISECONDS, "made": MILLISECONDS, "other": MILLISECONDS, "r": 0.5}),
        ("return {data: {hour: new Date('2026-10-25T12:00:00Z').getHours()}}", {"hour": 12}),
    ],
)  # fmt: skip
def test_what_a_codec_is_given(body: str, expected: dict[str, Any]) -> None:
    assert data(f"function decodeUplink(input) {{ {body} }}") == expected


def test_codecs_may_be_modules() -> None:
    assert data("exports.decodeUplink = (input) => ({data: {n: input.bytes.length}})") == {"n": 4}
    assert data("'use strict'; module.exports = {decodeUplink: () => ({data: {a: 1}})} // fin") == {"a": 1}


def test_frames_know_nothing_of_each_other() -> None:
    """Variables of the codec, globals it forgot to declare, and what it does to the language itself."""
    source = """
    let seen = 0;
    if (!String.prototype.shout) String.prototype.shout = function () { return this.toUpperCase(); };
    function decodeUplink(input) {
      const before = {seen: seen++, leaked: typeof leaked, mine: typeof globalThis.mine, x: ({}).x, join: [1, 2].join(),
                      text: JSON.stringify({a: 1}), shout: 'a'.shout()};
      leaked = 1;
      globalThis.mine = 2;
      Object.prototype.x = 1;
      Array.prototype.join = null;
      JSON.stringify = () => '{}';
      if (input.fPort === 3) Object.defineProperty(globalThis, 'stuck', {value: 1});
      return {data: {before}};
    }"""
    frames = [("00", port, MILLISECONDS) for port in (1, 2, 3, 4, 5)]
    verdicts = decode(Codec("un.js", source), frames)
    assert {error for _, error in verdicts} == {None}
    assert len({text for text, _ in verdicts}) == 1
    assert json.loads(verdicts[0][0] or "")["before"] == {
        "seen": 0, "leaked": "undefined", "mine": "undefined", "join": "1,2", "text": '{"a":1}', "shout": "A",
    }  # fmt: skip


def test_there_is_no_host() -> None:
    names = [
        "std",
        "os",
        "require",
        "process",
        "fetch",
        "XMLHttpRequest",
        "Deno",
        "Bun",
        "load",
        "print",
        "WebAssembly",
    ]
    body = f"return {{data: {{found: {json.dumps(names)}.filter((n) => n in globalThis)}}}}"
    assert data(f"function decodeUplink(input) {{ {body} }}") == {"found": []}
    assert one("function decodeUplink() { import('os'); return {data: {}} }") == ("{}", None), "a promise, never kept"


def test_no_credential_is_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATANEVERS_PSEUDONYM_KEY", "secret")
    process = codecs._Process()
    try:
        assert process.ask(Codec("un.js", "function decodeUplink() { return {data: {}} }"), [("00", 1, 0)]) == ["d{}"]
        environment = Path(f"/proc/{process._child.pid}/environ").read_bytes()
    finally:
        process.close()
    assert environment == b"TZ=UTC\0"


def test_one_bad_frame_costs_one_frame() -> None:
    """A loop, a native loop and a thrown error among good frames, in one request."""
    source = """function decodeUplink(input) {
      const n = input.bytes[0];
      if (n === 10) while (true) {}
      if (n === 20) /^(a+)+$/.test('a'.repeat(40) + 'b');
      if (n === 30) throw new Error('trente');
      return {data: {n}};
    }"""
    codec = Codec("un.js", source)
    verdicts = decode(codec, [(f"{n:02x}", 1, 0) for n in range(40)])
    assert [n for n, (_, error) in enumerate(verdicts) if error] == [10, 20, 30]
    assert [json.loads(t)["n"] for t, _ in verdicts if t] == [n for n in range(40) if n not in (10, 20, 30)]
    assert codec.wasted == codecs.INTERRUPTED + codecs.ENDED


@pytest.mark.parametrize(
    "body", ["while (true) {}", "Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)"], ids=["loop", "native"]
)
def test_a_codec_that_always_loops_does_not_cost_the_night(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "BUDGET", 2 * codecs.ENDED)
    codec = Codec("un.js", f"function decodeUplink(input) {{ {body} }}")
    before = time.monotonic()
    verdicts = decode(codec, [("00", 1, 0)] * 5000) + decode(codec, [("00", 1, 0)] * 5000)
    assert time.monotonic() - before < 60
    assert len(verdicts) == 10_000
    assert all(decoded is None for decoded, _ in verdicts)
    assert sum("suspendu" in str(error) for _, error in verdicts) == 10_000 - (
        codecs.BUDGET // (codecs.ENDED if "indexOf" in body else codecs.INTERRUPTED)
    )


def test_a_process_ended_by_somebody_else_is_replaced_without_blame() -> None:
    codec = Codec("un.js", "function decodeUplink(input) { return {data: {n: input.bytes[0]}} }")
    decode(codec, [("01", 1, 0)])
    for process in codecs._idle:
        os.kill(process._child.pid, 15)
        process._child.wait()
    assert decode(codec, [("02", 1, 0), ("03", 1, 0)]) == [('{"n":2}', None), ('{"n":3}', None)]
    assert codec.wasted == 0


def test_a_sandbox_that_cannot_start_is_our_fault_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "codec_sandbox.py"
    broken.write_text("raise SystemExit(3)\n")
    monkeypatch.setattr(codecs, "_SANDBOX", broken)
    monkeypatch.setattr(codecs, "_idle", [])
    with pytest.raises(RuntimeError, match="is quickjs installed"):
        one("function decodeUplink() { return {data: {}} }")


# payloads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "encoding", "expected"),
    [
        ("0a50f6830000", None, "0a50f6830000"),
        ("0A50F683", None, "0a50f683"),
        ("qg==", None, "aa"),
        ("AQBGAlMD", None, "010046025303"),
        ("-_-_", None, "fbffbf"),
        ("gkHe", None, "8241de"),
        ("aGVsbG8", None, "68656c6c6f"),  # without its padding
        ("abcd", None, "abcd"),
        ("abcd", "base64", "69b71d"),
        ("abcd", "BASE64", "69b71d"),
        ("abcd", "hexadecimal", "abcd"),
        ("0aF1", "HEXA", "0af1"),
        ("abc", "hexadecimal", None),
        ("zz", "hexadecimal", None),
        ("pas du base64 !", None, None),
        ("a", "base64", None),
        ("00" * 255, None, "00" * 255),
        ("00" * 256, None, None),
    ],
)
def test_payloads(payload: str, encoding: str | None, expected: str | None) -> None:
    assert payload_hex(payload, encoding) == expected


def test_bytes_come_through_both_encodings() -> None:
    rng = np.random.default_rng(58)
    for size in range(1, 60):
        raw = rng.bytes(size)
        assert payload_hex(raw.hex(), "hexadecimal") == raw.hex()
        assert payload_hex(base64.b64encode(raw).decode(), "base64") == raw.hex()


# as a function of DuckDB ---------------------------------------------------------------------------------------------


@pytest.fixture
def con(uplinks: SourceContract) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    register(con, uplinks)
    return con


def test_null_where_there_is_nothing_to_decode(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute(
        """SELECT decode_payload(profile, payload, port, '2026-10-25 12:00:00Z'::TIMESTAMPTZ) FROM (VALUES
        ('ers-co2', '0100e2', 5), ('ers-co2', 'AQDi', 5), ('ers-co2', NULL, 5), ('ers-co2', '0100e2', 0),
        ('ers-co2', '0100e2', NULL), ('profil bruit', '0100e2', 5), (NULL, '0100e2', 5), ('ers-co2', '?', 5)
        ) AS t (profile, payload, port)"""
    ).fetchall()
    nothing = {"object": None, "error": None}
    assert [r[0] for r in rows[:7]] == [{"object": '{"temperature":22.6}', "error": None}] * 2 + [nothing] * 5
    assert rows[7][0] == {
        "object": None,
        "error": "charge utile illisible : hexadécimal ou base64 attendu, 255 octets au plus",
    }


def test_the_encoding_can_be_said(con: duckdb.DuckDBPyConnection) -> None:
    """Three bytes whose base64 looks like hexadecimal."""
    call = "SELECT decode_payload('ers-co2', '0200', 5, now(){}).object"
    assert con.execute(call.format("")).fetchall() == [('{"humidity":0}',)]
    assert con.execute(call.format(", 'hexadecimal'")).fetchall() == [('{"humidity":0}',)]
    assert con.execute(call.format(", 'base64'")).fetchall() == [(None,)]


def test_only_rows_that_need_it_are_decoded(con: duckdb.DuckDBPyConnection) -> None:
    """Many chunks, several threads: each row gets its own answer, the others none."""
    con.execute("SET threads = 4")
    con.execute(
        """CREATE TABLE frame AS SELECT i, CASE WHEN i % 3 = 0 THEN '{}' END AS object,
        '01' || lpad(to_hex(i % 300), 4, '0') AS payload FROM range(20000) AS t (i)"""
    )
    wrong = con.execute(
        """SELECT count(*) FILTER (object IS NOT NULL AND decoded IS NOT NULL),
            count(*) FILTER (object IS NULL AND (decoded.object->>'temperature')::DOUBLE IS DISTINCT FROM (i % 300) / 10)
        FROM (SELECT *, CASE WHEN object IS NULL THEN
            decode_payload('ers-co2', payload, 5, '2026-10-25 12:00:00Z'::TIMESTAMPTZ) END AS decoded FROM frame)"""
    ).fetchall()
    assert wrong == [(0, 0)]


def test_several_connections_at_once(uplinks: SourceContract) -> None:
    def work(number: int) -> list[tuple[Any, ...]]:
        with duckdb.connect() as mine:
            register(mine, uplinks)
            return mine.execute(
                f"""SELECT count(DISTINCT decoded.object), count(decoded.error) FROM (SELECT decode_payload('ers-co2',
                '01' || lpad(to_hex(i + {number * 5000}), 4, '0'), 5, now()) AS decoded FROM range(3000) AS t (i))"""
            ).fetchall()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[(3000, 0)]] * 4


def test_a_codec_that_is_not_there(uplinks: SourceContract, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lorawan_uplinks: codec 'elsys.js' is in no folder"):
        register(duckdb.connect(), uplinks, tmp_path)
