"""Fetching from the platforms, as plain functions that the command line and Dagster share.

Belongs here: which contracts have a connector and what may be asked now; the listening process and its signals. Does
not: fetching (ingestion/connectors) or printing (cli.py).
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ingestion.connectors import collect as connectors
from ingestion.connectors.collect import BusyError, Fetched
from ingestion.connectors.declared import Connector, Mqtt
from ingestion.connectors.mqtt import Stop
from ingestion.connectors.secrets import missing
from ingestion.contract import load_contracts
from lake.home import landing_dir
from orchestration import progress

C = TypeVar("C", bound=Connector)


def collect_all(
    run_id: str | None = None, sources: Iterable[str] | None = None, landing: Path | None = None
) -> list[Fetched]:
    """Ask every platform whose turn it is; those whose variables are not set are skipped, and say which.

    Args:
        run_id: kept with the outcomes in ops.fetch.
        sources: only these, and at once, whenever they were last asked.
        landing: where files go; the installation's landing by default.

    Raises:
        LookupError: naming a source that is unknown or has nothing to ask.
    """
    results = []
    declared = {c.id: c.connector for c in load_contracts() if c.connector and not isinstance(c.connector, Mqtt)}
    for source, connector in _chosen(declared, sources).items():
        progress.tell(f"collecte {source}")
        where = landing or landing_dir()
        results.append(connectors.collect(source, connector, where, run_id=run_id, force=bool(sources)))
    return results


def listen(run_id: str | None = None, sources: Iterable[str] | None = None, landing: Path | None = None) -> list[str]:
    """Receive the messages of every MQTT source until SIGTERM or SIGINT, then finish the files.

    Returns:
        What was not listened to, and why; at once when that is every source.

    Raises:
        LookupError: naming a source that is unknown or is not MQTT.
    """
    stop, problems, threads = Stop(), list[str](), []
    declared = {c.id: c.connector for c in load_contracts() if isinstance(c.connector, Mqtt)}
    for source, connector in _chosen(declared, sources).items():
        if names := missing(connector):
            problems.append(f"{source} : variable d'environnement absente : {', '.join(names)}")
        else:
            arguments = (source, connector, landing or landing_dir(), stop, run_id, problems)
            threads.append(threading.Thread(target=_listen, args=arguments, name=f"mqtt {source}"))
    with _stopped_by_signals(stop):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return problems


def summary(fetched: Fetched) -> dict[str, Any]:
    """What came of one source, for a line of a table and for `--json`."""
    unchanged = sum(outcome.status == "not_modified" for outcome in fetched.outcomes)
    notes = [*fetched.failures, fetched.skipped, f"{unchanged} sans changement" if unchanged else None]
    return {
        "source": fetched.source,
        "kind": fetched.kind,
        "files": len(fetched.files),
        "bytes": fetched.bytes,
        "landed": list(fetched.files),
        "failed": bool(fetched.failures),
        "note": " ; ".join(note for note in notes if note),
    }


def _chosen(declared: dict[str, C], sources: Iterable[str] | None) -> dict[str, C]:
    if not sources:
        return declared
    if unknown := sorted(set(sources) - set(declared)):
        msg = f"rien à collecter ainsi pour {', '.join(unknown)} ; possibles : {', '.join(declared) or 'aucune'}"
        raise LookupError(msg)
    return {source: declared[source] for source in dict.fromkeys(sources)}


def _listen(source: str, connector: Mqtt, landing: Path, stop: Stop, run_id: str | None, problems: list[str]) -> None:
    """One listening thread: what ends it before its time is said at once, and the others go on."""
    try:
        connectors.listen(source, connector, landing, stop, run_id=run_id, ready=lambda: _say(f"{source} : abonné"))
    except BusyError as error:
        problems.append(f"{source} : {error}")
        _say(problems[-1])
    except Exception as error:  # noqa: BLE001 - the boundary of one source
        # Its text is not shown: nothing says that it holds no credential.
        problems.append(f"{source} : écoute interrompue ({type(error).__name__})")
        _say(problems[-1])


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def _stopped_by_signals(stop: Stop) -> Iterator[None]:
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
