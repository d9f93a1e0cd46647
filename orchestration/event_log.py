"""Dagster's storage, with the databases of its event log kept open.

Belongs here: how connections to the event log are held. Does not: what is in it (Dagster's own classes).

A run writes about a thousand events, each into two databases. Dagster opens, checkpoints and closes them for every
single one and waits for the disk each time: 16 ms an event, half of the time of a run with one new file. Kept
open, and synchronised as SQLite advises for write-ahead logs (NORMAL: a power cut may lose the last events, never the
database), it is 4 ms. What runs did to the data is in the lake's own ledgers, not here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import create_engine, event
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from dagster._core.event_api import EventHandlerFn
    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine
    from watchdog.events import FileSystemEvent

# The index, the run under way, and a few that somebody looks at; the UI may be asked for hundreds.
KEPT_OPEN = 8


class EventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite, one database per run and an index over all."""

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        """One connection per database: callers hold the lock."""
        if shard not in self._engines:
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            event.listen(engine, "connect", _synchronise_seldom)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > KEPT_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Tell of a run's events as they come, which is how the UI shows a run under way."""
        super().watch(run_id, cursor, callback)
        observer: Any = self._obs
        observer.remove_handler_for_watch(*self._watchers[run_id][callback])
        watchdog = _WriteAheadWatchdog(self, run_id, callback, cursor)
        self._watchers[run_id][callback] = (watchdog, observer.schedule(watchdog, self._base_dir, recursive=True))

    def dispose(self) -> None:
        """Close everything."""
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
        super().dispose()


class _WriteAheadWatchdog(SqliteEventLogStorageWatchdog):
    """Watches the write-ahead log too: a database kept open is itself written only at checkpoints."""

    @property
    def patterns(self) -> list[str]:
        return [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, _: FileSystemEvent) -> None:
        self._process_log()


def _synchronise_seldom(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")


class Storage(DagsterSqliteStorage):
    """Dagster's default storage with our event log; the files are the same."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = EventLog(f"{base_dir}/history/runs")

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Storage:
        """From `dagster.yaml`."""
        return cls.from_local(inst_data=inst_data, **config_value)
