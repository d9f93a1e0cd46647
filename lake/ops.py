"""The ops tables: what happened, as data.

Belongs here: their schemas (the one place), and writing rows to them. Does not: deciding what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from lake import table

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def schemas() -> dict[str, pa.Schema]:
    """Arrow schema of every ops table, by name."""
    import pyarrow as pa

    text, count, when = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")
    return {
        # The ledger: one row per file. rows_read = rows_loaded + rows_duplicate + rows_quarantined.
        "ingest_file": pa.schema(
            [
                ("source", text),
                ("bronze_table", text),  # a source may have several
                ("file", text),  # relative to landing/<source>/; a member of an archive is `archive.zip!member.csv`
                ("sha256", text),  # of the file's (member's) own bytes as received
                ("bytes", count),
                ("rows_read", count),
                ("rows_loaded", count),
                ("rows_duplicate", count),
                ("rows_quarantined", count),
                ("status", text),  # loaded | duplicate | held
                ("reason", text),  # why it is held
                ("file_time", when),  # the source's own time of the file: from its name, else its modification time
                ("event_dates", pa.list_(pa.date32())),  # UTC days that the loaded rows touch
                ("contract_sha256", text),
                ("delta_version", count),  # of bronze.<source>__<table> that holds the rows
                ("run_id", text),
                ("ingested_time", when),
            ]
        ),
        # The container file as found, so that an unchanged one need not be hashed again.
        "landing_file": pa.schema(
            [
                ("source", text),
                ("bronze_table", text),
                ("path", text),
                ("bytes", count),
                ("modified_ns", count),
                ("contract_sha256", text),
                ("held", pa.bool_()),
            ]
        ),
        # `rows` is 1, or the number of rows of a file that is held back whole.
        "quarantine": pa.schema(
            [
                ("source", text),
                ("bronze_table", text),  # a source may have several
                ("file", text),
                ("sha256", text),
                ("line", count),
                ("column", text),
                ("reason", text),
                ("raw", text),
                ("rows", count),
                ("run_id", text),
                ("quarantined_time", when),
            ]
        ),
        "schema_drift": pa.schema(
            [
                ("source", text),
                ("bronze_table", text),  # a source may have several
                ("file", text),
                ("sha256", text),
                ("kind", text),  # new_column | missing_column | type_changed
                ("column", text),
                ("detail", text),
                ("run_id", text),
                ("observed_time", when),
            ]
        ),
        # What the conformed model has consumed: bronze version per table.
        "build_input": pa.schema(
            [("bronze_table", text), ("delta_version", count), ("run_id", text), ("built_time", when)]
        ),
        # Models that the last build did not bring through: they are built again until they are.
        "unfinished": pa.schema([("model", text), ("run_id", text), ("failed_time", when)]),
        # What each step last finished, and from which inputs: a step whose fingerprint is unchanged has nothing to do.
        "completed": pa.schema([("step", text), ("fingerprint", text), ("run_id", text), ("completed_time", when)]),
        "audit": pa.schema(
            [
                ("dataset", text),
                ("audit_id", text),
                ("audited_time", when),
                ("verdict", text),
                ("rows", count),
                ("table_rows", text),  # JSON, rows of each table
                ("delta_versions", text),  # JSON, version of each gold table after the verdict
                ("checks", text),  # JSON, every check with what it observed
                ("run_id", text),
            ]
        ),
        "publication": pa.schema(
            [
                ("dataset", text),
                ("version", count),
                ("file", text),
                ("sha256", text),
                ("bytes", count),
                ("rows", count),
                ("modified_time", when),
                ("run_id", text),
            ]
        ),
        # Data that a test of a model refused on its way into a dataset, as of the last build: empty when all is well.
        "refusal": pa.schema(
            [("dataset", text), ("test", text), ("reason", text), ("run_id", text), ("refused_time", when)]
        ),
        # One row per step of a run that failed, for the person who must act.
        "failure": pa.schema(
            [("run_id", text), ("step", text), ("subject", text), ("reason", text), ("failed_time", when)]
        ),
        # Every answer of a platform we asked: a row per file that landed, per answer with nothing new, per failure.
        "fetch": pa.schema(
            [
                ("source", text),
                ("connector", text),  # http | sql | mqtt | sftp
                ("name", text),  # resource, query, topics or folder that was asked for
                ("file", text),  # relative to landing/<source>/, when one landed
                ("status", text),  # fetched | not_modified | failed
                ("reason", text),  # why it failed
                ("http_status", count),
                ("bytes", count),
                ("rows", count),  # records, where the connector can tell
                ("run_id", text),
                ("fetched_time", when),
            ]
        ),
        # Where each connector is: what to ask for next time. `item` is '' for the whole of `name`, else one part of it.
        "connector_state": pa.schema(
            [
                ("source", text),
                ("name", text),
                ("item", text),  # digest of a page's address, name of a remote file
                ("value", text),  # JSON: watermark, cursor, ETag, Last-Modified, sha256, size ...; never a credential
                ("updated_time", when),
            ]
        ),
    }


def ensure() -> None:
    """Create the ops tables that do not exist yet."""
    for name, schema in schemas().items():
        table.create("ops", name, schema)


def record(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Append rows to an ops table in one commit; nothing to write, no commit."""
    if rows:
        import pyarrow as pa

        ensure()
        table.append("ops", name, pa.Table.from_pylist(list(rows), schema=schemas()[name]))


def replace(name: str, rows: Sequence[dict[str, Any]], *, where: str) -> None:
    """Replace the rows that meet a SQL predicate by `rows`, which all meet it, in one commit.

    Running it twice changes nothing.
    """
    import pyarrow as pa

    ensure()
    if rows:
        table.overwrite("ops", name, pa.Table.from_pylist(list(rows), schema=schemas()[name]), where=where)
    else:
        table.delete("ops", name, where)


def put(name: str, rows: Sequence[dict[str, Any]], *, key: Sequence[str]) -> None:
    """Insert or replace rows by key; running it twice changes nothing."""
    if rows:
        import pyarrow as pa

        ensure()
        table.upsert("ops", name, pa.Table.from_pylist(list(rows), schema=schemas()[name]), key=key)
