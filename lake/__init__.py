"""Where and how bytes are kept.

Belongs here: paths, the Delta write path (the only importer of deltalake), the DuckDB engine that reads the
lake, and the ops tables (ledger, quarantine, verdicts). Does not: what a source or a dataset means.
"""
