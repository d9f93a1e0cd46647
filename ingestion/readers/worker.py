"""A process of its own for what native libraries read: workbooks and geographic files.

Belongs here: starting, limiting, talking to and outliving that process. Does not: any format.

Why: one stray cell in the last column of a 5 kB workbook makes its library ask for 500 GB and abort, and with it
whoever called it; damaged files do worse. Here the worst that a file can do is to end its worker: the file is held
with the reason, and the next one gets a new worker. An idle worker is kept, because starting one takes half a second.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import pickle
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ingestion.readers import FileNotes, Unusable
from ingestion.readers.tabular import raw_schema
from lake.home import home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from ingestion.contract import SourceContract
    from ingestion.landing import SourceFile

# A workbook is held in memory whole, about 80 bytes a cell: room for 12 million cells (a year of 15-minute readings
# of 300 points) beside the libraries themselves. More is no export, or should be CSV.
MEMORY = 1 << 30
PATIENCE = 120  # seconds without a sign of life: 12 million cells take 10
KEPT_BYTES = 300 << 20  # a worker that has grown larger than this is not kept
_HEAD = struct.Struct("<cQ")  # kind and length of a message
_BATCH, _RESULT, _FAULT = b"B", b"R", b"F"
_ROOT = Path(__file__).resolve().parents[2]

TOO_MUCH = (
    f"la lecture demande plus de {MEMORY >> 20} Mo (cellules isolées très loin du tableau, ou fichier trop grand) : "
    "effacer les lignes et colonnes vides au-delà du tableau, ou le découper, puis le redéposer"
)
BROKEN = "le fichier fait échouer la bibliothèque de lecture (abîmé ?) : l'enregistrer à nouveau et le redéposer"
FAILED = "le lecteur échoue sur ce fichier"
TOO_LONG = f"la lecture n'avance plus depuis {PATIENCE} secondes (fichier abîmé ?) : le redéposer"


class WorkerError(RuntimeError):
    """The reader itself is at fault, not the file; the message is the worker's own trace."""


class _Ended(Exception):
    """The worker is gone or silent; the message says why the file is held."""


def read(
    reader: str, files: Sequence[tuple[int, SourceFile]], contract: SourceContract, notes: dict[int, FileNotes]
) -> Iterator[pa.RecordBatch]:
    """What `<reader>.rows(file, number, contract, notes)` yields for each file, made in a worker."""
    schema = raw_schema(contract)
    for number, file in files:
        said: FileNotes = notes[number]
        question = (reader, "rows", (file, number, contract, said))
        worker = _hire()
        try:
            for kind, payload in worker.ask(question):
                if kind == _BATCH:
                    yield _unpacked(payload, schema)
            vars(said).update(vars(worker.answer))
            _let_go(worker)
        except _Ended as end:
            said.hold(str(end))
        except WorkerError as error:  # ours to repair; the file is tried again when the code has changed
            logging.getLogger(__name__).exception("%s", file.name)
            said.hold(f"{FAILED} ({str(error).strip().splitlines()[-1][:200]}) : le signaler avec le fichier")
        finally:
            worker.end_unless_idle()


def call(reader: str, function: str, *arguments: Any) -> Any:
    """What a function of a reader returns, computed in a worker; None when the file or the worker does not allow it."""
    worker = _hire()
    try:
        for _ in worker.ask((reader, function, arguments)):
            pass
        _let_go(worker)
        return worker.answer  # noqa: TRY300 - an else would stand after the except that explains it
    except _Ended:
        return None
    finally:
        worker.end_unless_idle()


def _unpacked(payload: bytes, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.ipc.read_record_batch(pa.py_buffer(payload), schema)


class _Worker:
    """One worker process, seen from outside."""

    def __init__(self) -> None:
        self.idle = False
        self.answer: Any = None
        self.grown = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        paths = os.pathsep.join(p for p in (str(_ROOT), os.environ.get("PYTHONPATH")) if p)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingestion.readers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | {"PYTHONPATH": paths, "ARROW_DEFAULT_MEMORY_POOL": "system", "RUST_BACKTRACE": "0"},
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout).fileno()

    def ask(self, question: tuple[str, str, tuple[Any, ...]]) -> Iterator[tuple[bytes, bytes]]:
        """Messages that answer a question; the last one is also in `answer`.

        Raises:
            _Ended: when the worker dies or falls silent.
            WorkerError: when our code failed in it.
        """
        try:
            _send(self._requests, _RESULT, pickle.dumps((str(home()), *question)))
        except BrokenPipeError as error:
            raise _Ended(self._epitaph()) from error
        kind = b""
        while kind != _RESULT:
            kind, length = _HEAD.unpack(self._receive(_HEAD.size))
            payload = self._receive(length)
            if kind == _FAULT:
                raise WorkerError(payload.decode())
            if kind == _RESULT:
                self.answer, peak = pickle.loads(payload)  # noqa: S301 - of our own process
                self.grown = peak > KEPT_BYTES
            yield kind, payload

    def _receive(self, length: int) -> bytes:
        parts = []
        while length:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            if not ready:
                raise _Ended(TOO_LONG)
            part = os.read(self._answers, min(length, 1 << 20))
            if not part:
                raise _Ended(self._epitaph())
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _epitaph(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        last_words = self._errors.read()[-4000:]
        return TOO_MUCH if b"memory" in last_words.lower() else BROKEN

    def end_unless_idle(self) -> None:
        """Stop the process, if it was not let go in good order."""
        if not self.idle:
            self.end()

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._requests, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


_idle: list[_Worker] = []
_lock = threading.Lock()


def _hire() -> _Worker:
    with _lock:
        worker = _idle.pop() if _idle else _Worker()
        worker.idle = False
        return worker


def _let_go(worker: _Worker) -> None:
    """Keep a worker for the next file, unless one waits already or it has grown."""
    with _lock:
        if not _idle and not worker.grown:
            worker.idle = True
            _idle.append(worker)


@atexit.register
def _dismiss() -> None:
    with _lock:
        while _idle:
            _idle.pop().end()


# The worker's own side ------------------------------------------------------------------------------------------------


def _send(stream: IO[bytes], kind: bytes, payload: bytes | memoryview) -> None:
    stream.write(_HEAD.pack(kind, len(payload)))
    stream.write(payload)
    stream.flush()


def _serve() -> None:
    """Answer questions until the one who asks is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us decides
    # not the address space, of which threads and allocators reserve much and use little
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    questions = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb", buffering=1 << 20) as answers:
        os.dup2(2, 1)  # a library that prints must not speak in our place
        while head := questions.read(_HEAD.size):
            _, length = _HEAD.unpack(head)
            try:
                _answer(answers, *pickle.loads(questions.read(length)))  # noqa: S301 - of the process that started us
            except MemoryError:
                sys.stderr.write("out of memory\n")
                sys.stderr.flush()
                os._exit(1)
            except BrokenPipeError:
                os._exit(0)
            except Exception:  # noqa: BLE001 - told to the process that asked, which raises it
                _send(answers, _FAULT, traceback.format_exc().encode())


def _answer(answers: IO[bytes], at: str, reader: str, function: str, arguments: tuple[Any, ...]) -> None:
    os.environ["DATANEVERS_HOME"] = at  # scratch files belong to the installation that asks
    module = import_module(f"ingestion.readers.{reader}")
    if function == "rows":
        for batch in module.rows(*arguments):
            _send(answers, _BATCH, memoryview(batch.serialize()))
        result = arguments[-1]  # the notes, filled
    else:
        try:
            result = getattr(module, function)(*arguments)
        except Unusable:
            result = None
    _send(answers, _RESULT, pickle.dumps((result, _peak())))


def _peak() -> int:
    """Largest resident memory of this process, bytes; `ru_maxrss` would count that of the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10


if __name__ == "__main__":
    _serve()
