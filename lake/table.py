"""The Delta write path; the only importer of deltalake.

Belongs here: existence and versions of tables, and commits that are atomic and safe between processes. Does not:
deciding which rows to write.

Two kinds of commit:
- `append_at`: compare-and-swap. The caller decided what to write by looking at version V; if somebody committed
  since, it fails with `Conflict` and the caller looks again. This is what makes check-then-append safe.
- the others (`append`, `overwrite`, `replace_where`, `upsert`): retried on conflict, as the content does not depend
  on what is there.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lake.home import lake_is_remote, lake_uri, storage_options, table_uri

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable, WriterProperties
    from deltalake.transaction import AddAction

T = TypeVar("T")

# Concurrent merges of two processes on one table needed at most 5 tries in 16 rounds; 8 leaves room.
MAX_TRIES = 8


class Conflict(Exception):
    """Another process committed to the table since it was looked at."""


def open_table(layer: str, table: str) -> DeltaTable | None:
    """The table as it is now, or None."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(table_uri(layer, table), storage_options=storage_options())
    except TableNotFoundError:
        return None


def exists(layer: str, table: str) -> bool:
    """Whether at least one version was committed."""
    if not lake_is_remote():
        log = Path(table_uri(layer, table)) / "_delta_log"
        return log.is_dir() and any(log.glob("*.json"))
    return open_table(layer, table) is not None


def version(layer: str, table: str) -> int | None:
    """Latest committed version, or None when there is no table."""
    if not lake_is_remote():  # the newest commit is never cleaned away, and listing is a hundredth of opening
        commits = (Path(table_uri(layer, table)) / "_delta_log").glob("[0-9]*.json")
        return max((int(path.stem) for path in commits if path.stem.isdigit()), default=None)
    opened = open_table(layer, table)
    return None if opened is None else opened.version()


def size(layer: str, table: str) -> int:
    """Bytes of the current version's data files."""
    import pyarrow as pa

    opened = open_table(layer, table)
    if opened is None:
        return 0
    actions = pa.table(opened.get_add_actions(flatten=True))
    return int(sum(actions["size_bytes"].to_pylist()))


def tables(layer: str) -> list[str]:
    """Names of the tables of a layer, sorted."""
    if lake_is_remote():
        return _remote_tables(layer)
    root = Path(lake_uri()) / layer
    return sorted(p.name for p in root.iterdir() if exists(layer, p.name)) if root.is_dir() else []


def _remote_tables(layer: str) -> list[str]:
    import pyarrow.fs as pafs

    scheme, rest = lake_uri().split("://", 1)
    options = storage_options() or {}
    endpoint = options.get("AWS_ENDPOINT_URL", "")
    fs = pafs.S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        region=options.get("AWS_REGION", "us-east-1"),
        endpoint_override=endpoint.split("://", 1)[-1] or None,
        scheme="http" if endpoint.startswith("http://") else "https",
    )
    if scheme != "s3":
        msg = f"DATANEVERS_LAKE={lake_uri()}: only a folder or s3://bucket/prefix is supported"
        raise ValueError(msg)
    found = fs.get_file_info(pafs.FileSelector(f"{rest}/{layer}", allow_not_found=True))
    return sorted(i.base_name for i in found if i.type == pafs.FileType.Directory and exists(layer, i.base_name))


def _writer() -> WriterProperties:
    from deltalake import ColumnProperties, WriterProperties

    # zstd halves the bytes of snappy on telemetry at the same read speed; level 1 keeps the write cheap. Statistics per
    # row group are what readers prune by; per page they cost a tenth of the write.
    statistics = ColumnProperties(statistics_enabled="CHUNK")
    return WriterProperties(
        compression="ZSTD", compression_level=1, max_row_group_size=250_000, default_column_properties=statistics
    )


def _commit(metadata: dict[str, str] | None, *, retries: int | None = None) -> CommitProperties:
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata=metadata, max_commit_retries=retries)


def _retry(action: Callable[[], T]) -> T:
    from deltalake.exceptions import CommitFailedError, DeltaError

    for attempt in range(MAX_TRIES):
        try:
            return action()
        except (CommitFailedError, DeltaError) as error:
            racing = isinstance(error, CommitFailedError) or "already exists" in str(error)
            if not racing or attempt == MAX_TRIES - 1:
                raise
            time.sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311 - jitter, not cryptography
    raise AssertionError


def create(layer: str, table: str, schema: pa.Schema, *, partition_by: Iterable[str] = ()) -> None:
    """Create an empty table if there is none, so that readers never meet a missing one."""
    if exists(layer, table):
        return
    from deltalake import DeltaTable

    _retry(
        lambda: DeltaTable.create(
            table_uri(layer, table),
            schema=schema,
            mode="ignore",
            partition_by=list(partition_by),
            storage_options=storage_options(),
        )
    )


def append_at(layer: str, table: str, data: pa.RecordBatchReader, *, at_version: int, metadata: dict[str, str]) -> int:
    """Append `data` as version `at_version + 1`, all or nothing, and return that version.

    Raises:
        Conflict: when the table is no longer at `at_version`. Nothing was written that a reader can see.
    """
    from deltalake import DeltaTable, write_deltalake
    from deltalake.exceptions import CommitFailedError

    target = DeltaTable(table_uri(layer, table), version=at_version, storage_options=storage_options())
    try:
        write_deltalake(
            target,
            data,
            mode="append",
            schema_mode="merge",
            writer_properties=_writer(),
            commit_properties=_commit(metadata, retries=0),
        )
    except CommitFailedError as error:
        raise Conflict(f"{layer}.{table} moved on from version {at_version}") from error
    return at_version + 1


def append(
    layer: str, table: str, data: pa.Table | pa.RecordBatchReader, *, metadata: dict[str, str] | None = None
) -> None:
    """Append in one commit; the table must exist."""
    from deltalake import write_deltalake

    write_deltalake(
        table_uri(layer, table),
        data,
        mode="append",
        schema_mode="merge",
        storage_options=storage_options(),
        writer_properties=_writer(),
        commit_properties=_commit(metadata),
    )


def overwrite(
    layer: str,
    table: str,
    data: pa.Table | pa.RecordBatchReader,
    *,
    where: str | None = None,
    partition_by: Iterable[str] = (),
    metadata: dict[str, str] | None = None,
) -> None:
    """Replace the whole table, or with `where` (a predicate that every row of `data` meets) only those rows.

    `where` compares columns with literals (=, <, IN, AND, OR): delta-rs cannot read a function back from a commit when
    it looks for conflicts.

    The schema is replaced with the data's when the whole table is; columns are added when a part is. A stream can be
    read only once: with one, a conflict is raised and not tried again.
    """
    import pyarrow as pa
    from deltalake import write_deltalake

    def write() -> None:
        there = exists(layer, table)
        partial = where is not None and there
        write_deltalake(
            table_uri(layer, table),
            data,
            mode="overwrite",
            predicate=where if partial else None,
            schema_mode=("merge" if partial else "overwrite") if there else None,
            partition_by=list(partition_by) or None,
            storage_options=storage_options(),
            writer_properties=_writer(),
            commit_properties=_commit(metadata),
        )

    if isinstance(data, pa.Table):
        _retry(write)
    else:
        write()


def overwrite_in_parts(
    layer: str,
    table: str,
    parts: Iterable[pa.RecordBatchReader],
    *,
    partition_by: Sequence[str],
    metadata: dict[str, str] | None = None,
) -> None:
    """Replace a whole table by `parts` of equal columns, each with partitions of its own, in one commit.

    delta-rs holds a writer, and its rows, for each partition of a write until the end of it: 1080 days of 19 000 rows
    took 3.9 GB. So each part is written by itself, to a table of its own in a folder within the table's; then one
    commit takes their files over. A crash before it leaves files that no version names.
    """
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake
    from deltalake.transaction import create_table_with_add_actions

    folder = f"whole-{uuid.uuid4().hex}"
    aside = f"{table_uri(layer, table)}/{folder}"
    for part in parts:
        write_deltalake(
            aside,
            part,
            mode="append",
            partition_by=list(partition_by),
            storage_options=storage_options(),
            writer_properties=_writer(),
        )
    written = DeltaTable(aside, storage_options=storage_options())
    found = pa.table(written.get_add_actions(flatten=False)).to_pylist()
    adds = [_add_action(folder, add) for add in found]
    if not exists(layer, table):
        create_table_with_add_actions(
            table_uri(layer, table),
            written.schema(),
            adds,
            mode="append",
            partition_by=list(partition_by),
            storage_options=storage_options(),
            commit_properties=_commit(metadata),
        )
    else:
        DeltaTable(table_uri(layer, table), storage_options=storage_options()).create_write_transaction(
            [*adds], "overwrite", written.schema(), list(partition_by), commit_properties=_commit(metadata)
        )


def _add_action(folder: str, add: dict[str, Any]) -> AddAction:
    """A file of a table in `folder`, as a file of the table around it."""
    from deltalake.transaction import AddAction

    stats = {
        "numRecords": add["num_records"],
        "minValues": {name: _as_stats(value) for name, value in (add.get("min") or {}).items()},
        "maxValues": {name: _as_stats(value) for name, value in (add.get("max") or {}).items()},
        "nullCount": add.get("null_count") or {},
    }
    return AddAction(
        path=f"{folder}/{add['path']}",
        size=add["size_bytes"],
        partition_values={k: None if v is None else str(v) for k, v in (add.get("partition") or {}).items()},
        modification_time=add["modification_time"],
        data_change=True,
        stats=json.dumps({name: _known(of) if isinstance(of, dict) else of for name, of in stats.items()}),
    )


def _as_stats(value: Any) -> Any:
    """A bound as delta-rs writes it: instants in milliseconds, which readers know to be cut off."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC) if value.tzinfo else value
        return f"{text:%Y-%m-%dT%H:%M:%S}.{text.microsecond // 1000:03d}{'Z' if value.tzinfo else ''}"
    return value.isoformat() if isinstance(value, date) else value


def _known(bounds: dict[str, Any]) -> dict[str, Any]:
    return {name: bound for name, bound in bounds.items() if bound is not None}


def upsert(
    layer: str,
    table: str,
    data: pa.Table,
    *,
    key: Iterable[str],
    update: bool = True,
    metadata: dict[str, str] | None = None,
) -> None:
    """Insert rows whose `key` is new and, unless `update` is false, replace those whose key is there.

    Key columns must not be null. Tried again when another process commits in between: running it twice changes nothing.
    """
    if data.num_rows == 0:
        return
    predicate = " AND ".join(f"t.{k} = s.{k}" for k in key)

    def merge() -> None:
        target = open_table(layer, table)
        if target is None:
            msg = f"{layer}.{table} does not exist: create it first"
            raise LookupError(msg)
        step = target.merge(
            data,
            predicate=predicate,
            source_alias="s",
            target_alias="t",
            writer_properties=_writer(),
            commit_properties=_commit(metadata),
        )
        step = step.when_not_matched_insert_all()
        (step.when_matched_update_all() if update else step).execute()

    _retry(merge)


def delete(layer: str, table: str, where: str) -> None:
    """Delete the rows that meet a SQL predicate; no commit when none does."""

    def remove() -> None:
        target = open_table(layer, table)
        if target is not None:
            target.delete(where)

    _retry(remove)


def commits_since(layer: str, table: str, after: int) -> list[dict[str, Any]]:
    """Commit records newer than version `after`, oldest first, each with `version` and its custom metadata."""
    current = version(layer, table)
    if current is None or current <= after:
        return []
    opened = open_table(layer, table)
    if opened is None:
        return []
    return sorted(opened.history(current - after), key=lambda commit: commit["version"])
