"""One collection: from a declared connector to files in landing and rows in ops.

Belongs here: which connector does it, one process at a time per source, and what came of it. Does not: choosing sources
(orchestration).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ingestion.connectors.arrival import Arrival
from ingestion.connectors.secrets import MissingVariableError, Secrets
from ingestion.connectors.state import Outcome, State
from lake.home import home

if TYPE_CHECKING:
    from ingestion.connectors.declared import Connector, Mqtt
    from ingestion.connectors.mqtt import Stop


class BusyError(Exception):
    """Another process of this installation collects the source."""


@dataclass(frozen=True)
class Fetched:
    """What one collection of one source did."""

    source: str
    kind: str
    outcomes: tuple[Outcome, ...] = ()
    skipped: str | None = None  # why nothing was asked (French)
    files: tuple[str, ...] = field(init=False)
    failures: tuple[str, ...] = field(init=False)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        landed = [o for o in self.outcomes if o.file is not None]
        object.__setattr__(self, "files", tuple(o.file for o in landed))
        object.__setattr__(self, "failures", tuple(f"{o.name} : {o.reason}" for o in self.outcomes if o.reason))
        object.__setattr__(self, "bytes", sum(o.bytes or 0 for o in landed))


def collect(
    source: str,
    connector: Connector,
    landing: Path,
    *,
    now: datetime | None = None,
    run_id: str | None = None,
    force: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Fetch what is new of a source into `landing/<source>/`. Failures are outcomes, and rows of ops.fetch: no raise.

    Args:
        source: id of the source.
        connector: how it is asked; not MQTT, which is listened to.
        landing: the landing folder.
        now: when this collection begins.
        run_id: kept with the outcomes.
        force: also ask what was asked less than `every_min` ago.
        sleep: how to wait between two tries.
    """
    try:
        with _arriving(source, connector, landing, now=now, run_id=run_id, sleep=sleep) as arrival:
            _collect(arrival, connector, force=force)
            skipped = None if arrival.outcomes else "demandée il y a moins que sa période"
            return Fetched(source, connector.kind, tuple(arrival.outcomes), skipped)
    except (MissingVariableError, BusyError) as error:
        return Fetched(source, connector.kind, skipped=str(error))


def listen(
    source: str,
    connector: Mqtt,
    landing: Path,
    stop: Stop,
    *,
    run_id: str | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Receive the messages of a source until `stop`.

    Raises:
        MissingVariableError: naming the variable.
        BusyError: when another process already listens.
    """
    from ingestion.connectors import mqtt

    with _arriving(source, connector, landing, run_id=run_id) as arrival:
        mqtt.listen(arrival, connector, stop, ready)


def _collect(arrival: Arrival, connector: Connector, *, force: bool) -> None:
    match connector.kind:
        case "http":
            from ingestion.connectors import http

            http.collect(arrival, connector, force=force)
        case "sql":
            from ingestion.connectors import sql

            sql.collect(arrival, connector, force=force)
        case "sftp":
            from ingestion.connectors import sftp

            sftp.collect(arrival, connector, force=force)
        case "mqtt":
            msg = f"{arrival.source}: MQTT is listened to, not collected"
            raise ValueError(msg)


@contextmanager
def _arriving(
    source: str,
    connector: Connector,
    landing: Path,
    *,
    now: datetime | None = None,
    run_id: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Arrival]:
    secrets = Secrets(connector)
    locks = home() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(locks / f"collect_{source}.lock", timeout=0).acquire()
    except Timeout:
        raise BusyError("collecte déjà en cours dans un autre processus") from None
    with lock:
        begun = now or datetime.now(UTC)
        yield Arrival(source, connector.kind, landing / source, secrets, State(source), begun, run_id, sleep)
