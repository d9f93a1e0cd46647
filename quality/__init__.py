"""The gate between gold and publication: what published data must be, and the audit that says whether it is.

Belongs here: the standards we publish to (`standards/*.yml`, read by `standard`), the expectations made from them
(`suite`), the bridge that lets Great Expectations work on a live DuckDB connection (`duckdb_bridge`), and the audit
that runs them and gives a verdict (`audit`).
Does not: reading or writing lake tables, deciding what to do with a verdict, exporting files.

Nothing here imports Great Expectations when it is itself imported: that import takes seconds, so it waits for the
first audit.
"""
