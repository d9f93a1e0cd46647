"""Payloads that arrive undecoded: the vendor's JavaScript codec as a function of DuckDB.

Belongs here: which codec belongs to a device profile, the bytes of a payload, the processes that run codecs, what a
codec's failure is called. Does not: the inside of such a process (codec_sandbox.py), or when a payload is decoded
(typing.py).

A codec follows the LoRa Alliance payload codec API: `decodeUplink({bytes, fPort, recvTime}) -> {data, errors,
warnings}`. Whatever it does (throws, loops, fills the memory, returns nonsense) costs that frame, never the run.
"""

from __future__ import annotations

import atexit
import base64
import binascii
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ingestion.contract import CONTRACTS_DIR

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pyarrow as pa

    from ingestion.contract import SourceContract

FUNCTION = "decode_payload"
# The whole time a codec may waste: past it, its frames are refused unseen, so that a codec that always loops costs ten
# seconds and not the night. An interrupted frame costs 0.1 s, a process that had to be ended 1 s.
BUDGET = 100
INTERRUPTED, ENDED = 1, 10
MOST_FAILURES = 3  # processes that end without a frame's doing, for one request
MAX_BYTES = 255  # a LoRaWAN frame has no room for more
_SANDBOX = Path(__file__).with_name("codec_sandbox.py")
_LONGEST_REASON = 160
# How a process ends that a frame has ended: its processor time is over, or its memory was broken into.
_FAULTS = (signal.SIGPROF, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)

Frame = tuple[str, int, int]  # payload in hexadecimal, port, milliseconds since 1970
Decoded = tuple[str | None, str | None]  # the object as JSON, or why there is none
NOTHING: Decoded = (None, None)

_REASONS = {
    "r": "trame refusée : {}",
    "t": "erreur : {}",
    "n": "le résultat n'a pas d'objet `data`",
    "l": "résultat trop long",
    "s": "codec illisible : {}",
    "i": "ne s'arrête pas (plus de 0,1 s)",
    "m": "mémoire dépassée (16 Mo)",
}
_KILLED = "arrêté de force (boucle sans fin ou mémoire dépassée)"
_SUSPENDED = "suspendu pour ce chargement : trop de trames sur lesquelles il ne s'arrête pas"
_UNREADABLE = "charge utile illisible : hexadécimal ou base64 attendu, 255 octets au plus"
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+")


@dataclass
class Codec:
    """A codec file, and what it has wasted so far."""

    name: str
    source: str
    wasted: int = 0

    @property
    def key(self) -> str:
        """Tells codecs apart in a process that lives longer than a load."""
        return sha256(self.source.encode()).hexdigest()

    def reason(self, detail: str) -> str:
        """Why a frame is refused, French."""
        return f"décodage impossible, codec {self.name} : {detail}"[:_LONGEST_REASON]

    def verdict(self, answer: str) -> Decoded:
        """An answer of the process, in our words."""
        kind, said = answer[:1], answer[1:]
        if kind == "d":
            try:  # a text that JSON parsers disagree about (half a character) must not come further than here
                if isinstance(orjson.loads(said), dict):
                    return said, None
            except orjson.JSONDecodeError:
                return None, self.reason("le résultat n'est pas du JSON")
        self.wasted += INTERRUPTED if kind == "i" else 0
        return None, self.reason(_REASONS.get(kind, _REASONS["n"]).format(said or "sans message"))


class _Process:
    """A running sandbox. One frame at a time, one caller at a time."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(  # noqa: S603  (our own script, no shell)
            [sys.executable, "-I", str(_SANDBOX)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"TZ": "UTC"},  # nothing of ours: no credential is in reach of a codec
        )
        self._known: set[str] = set()

    def ask(self, codec: Codec, frames: Sequence[Frame]) -> list[str]:
        """Answers to the first frames: all, unless one was interrupted (the last answer) or ended the process."""
        lines = [orjson.dumps({"codec": codec.key, "frames": frames})]
        if codec.key not in self._known:
            lines.insert(0, orjson.dumps({"codec": codec.key, "source": codec.source}))
            self._known.add(codec.key)
        stdin, stdout = self._child.stdin, self._child.stdout
        answers: list[str] = []
        if stdin is None or stdout is None:
            return answers
        try:
            stdin.write(b"\n".join([*lines, b""]))
            stdin.flush()
        except BrokenPipeError:
            return answers
        while len(answers) < len(frames) and (line := stdout.readline()).endswith(b"\n"):
            answers.append(line[:-1].decode("utf-8", errors="replace"))
            if line.startswith(b"i"):
                break
        return answers

    def ended_by_frame(self) -> bool:
        """After an answer that did not come: whether the frame is to blame, or the process was ended from outside."""
        return -self._child.wait() in _FAULTS

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        self._child.communicate()


_idle: list[_Process] = []
_lock = threading.Lock()


@atexit.register
def _close_all() -> None:
    while _idle:
        _idle.pop().close()


os.register_at_fork(after_in_child=_idle.clear)  # a child that shared our pipes would read our answers


def _borrow() -> _Process:
    with _lock:
        return _idle.pop() if _idle else _Process()


def decode(codec: Codec, frames: Sequence[Frame]) -> list[Decoded]:
    """What a codec makes of frames, in order. Safe to call from several threads."""
    verdicts: list[Decoded] = []
    process, failures = _borrow(), 0
    while len(verdicts) < len(frames):
        if codec.wasted >= BUDGET:
            verdicts += [(None, codec.reason(_SUSPENDED))] * (len(frames) - len(verdicts))
            break
        answers = process.ask(codec, frames[len(verdicts) :])
        verdicts += [codec.verdict(answer) for answer in answers]
        if len(verdicts) == len(frames) or (answers and answers[-1].startswith("i")):
            continue
        if process.ended_by_frame():
            codec.wasted += ENDED
            verdicts.append((None, codec.reason(_KILLED)))
        else:  # it had nothing to do for a minute and left, or somebody ended it
            failures += 1
            if failures > MOST_FAILURES:
                raise RuntimeError(f"{_SANDBOX.name} does not start with {sys.executable}: is quickjs installed?")
        process.close()
        process = _Process()
    with _lock:
        _idle.append(process)
    return verdicts


def payload_hex(payload: str, encoding: str | None = None) -> str | None:
    """A payload in hexadecimal, or None when it is not one.

    Where the server does not say how it writes payloads, digits of one case in even number are hexadecimal, anything
    else is base64. The two can be confused only in payloads of three or six bytes, about once in a hundred or in
    thirty thousand; a contract that says the encoding leaves no doubt.
    """
    kind = (encoding or "").lower()
    try:
        if kind.startswith("hex") or (not kind and _HEXADECIMAL.fullmatch(payload)):
            raw = bytes.fromhex(payload)
        else:
            text = payload.replace("-", "+").replace("_", "/")
            raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw.hex() if len(raw) <= MAX_BYTES else None


@dataclass
class Decoder:
    """The codecs of one contract, as a function over columns."""

    codecs: tuple[tuple[re.Pattern[str], Codec], ...]
    _of_profile: dict[str, Codec | None] = field(default_factory=dict)

    @classmethod
    def of(cls, contract: SourceContract, directory: Path = CONTRACTS_DIR) -> Decoder:
        """The decoder that a contract declares.

        Raises:
            FileNotFoundError: when a codec file is not there.
        """
        files = contract.codecs.files if contract.codecs else {}
        read: dict[str, Codec] = {}
        for name in files.values():
            path = next(directory.glob(f"*/codecs/{name}"), None)
            if path is None:
                raise FileNotFoundError(f"{contract.id}: codec {name!r} is in no folder {directory}/*/codecs")
            read[name] = Codec(name, path.read_text(encoding="utf-8"))
        return cls(tuple((re.compile(pattern), read[name]) for pattern, name in files.items()))

    def codec(self, profile: str | None) -> Codec | None:
        """The codec of a device profile: the first whose pattern is found in it."""
        if profile is None:
            return None
        if profile not in self._of_profile:
            self._of_profile[profile] = next((c for pattern, c in self.codecs if pattern.search(profile)), None)
        return self._of_profile[profile]

    def rows(self, rows: Sequence[tuple[str | None, str | None, int | None, int | None, str | None]]) -> list[Decoded]:
        """Decode rows of profile, payload, port, microseconds since 1970 and encoding.

        Port 0 or none is no application data: such a frame has nothing to decode.
        """
        decoded = [NOTHING] * len(rows)
        waiting: dict[str, tuple[Codec, list[int], list[Frame]]] = {}
        for number, (profile, payload, port, time, encoding) in enumerate(rows):
            codec = self.codec(profile)
            if codec is None or not payload or not port:
                continue
            if (raw := payload_hex(payload, encoding)) is None:
                decoded[number] = (None, _UNREADABLE)
                continue
            _, places, frames = waiting.setdefault(codec.name, (codec, [], []))
            places.append(number)
            frames.append((raw, port, (time or 0) // 1000))
        for codec, places, frames in waiting.values():
            for number, verdict in zip(places, decode(codec, frames), strict=True):
                decoded[number] = verdict
        return decoded

    def chunk(self, *columns: pa.Array) -> pa.Array:
        """Over one chunk of DuckDB: profile, payload, port, time, encoding -> struct of object and error."""
        import pyarrow as pa

        profile, payload, port, time, encoding = columns
        lists = [c.to_pylist() for c in (profile, payload, port, time.cast(pa.int64()), encoding)]
        decoded = self.rows(list(zip(*lists, strict=True)))
        texts = [pa.array([row[i] for row in decoded], pa.string()) for i in (0, 1)]
        return pa.StructArray.from_arrays(texts, names=["object", "error"])


def register(con: duckdb.DuckDBPyConnection, contract: SourceContract, directory: Path = CONTRACTS_DIR) -> None:
    """Give a connection the function `decode_payload(profile, payload, port, time[, encoding])`.

    It returns `STRUCT("object" VARCHAR, error VARCHAR)`, both null where no codec is meant for the profile or there is
    nothing to decode. A process that runs codecs is started with the first frame that needs one.
    """
    import duckdb
    from duckdb import sqltypes
    from duckdb.func import FunctionNullHandling, PythonUDFType

    result: Any = duckdb.struct_type({"object": sqltypes.VARCHAR, "error": sqltypes.VARCHAR})
    text, number, instant = sqltypes.VARCHAR, sqltypes.BIGINT, sqltypes.TIMESTAMP_TZ
    decoder = Decoder.of(contract, directory)
    con.create_function(
        f"_{FUNCTION}",
        # DuckDB counts parameters and evaluates annotations, which would want pyarrow here
        lambda profile, payload, port, time, encoding: decoder.chunk(profile, payload, port, time, encoding),  # noqa: PLW0108
        [text, text, number, instant, text],
        result,
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
    )
    # a macro, because functions in Python cannot be overloaded
    con.execute(
        f"CREATE OR REPLACE TEMP MACRO {FUNCTION}(profile, payload, port, received) AS "
        f"_{FUNCTION}(profile, payload, port, received, NULL), "
        f"(profile, payload, port, received, encoding) AS _{FUNCTION}(profile, payload, port, received, encoding)"
    )
