"""Fixtures of the quality tests: a database, and the valid candidate of each standard in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pytest
from candidates_of_standards import ROWS, Candidate, literal, select_typed

from quality.standard import load_standard


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE SCHEMA gold")
    yield connection
    connection.close()


@pytest.fixture
def candidate(con: duckdb.DuckDBPyConnection) -> Callable[[str], Candidate]:
    """Makes the valid candidate of a standard."""

    def make(standard_id: str) -> Candidate:
        made = Candidate(con, load_standard(standard_id))
        for table in made.standard.tables:
            rows = ROWS[standard_id][table.name]
            cells = ", ".join("(" + ", ".join(literal(row.get(c)) for c in table.columns) + ")" for row in rows)
            names = ", ".join(f'"{column}"' for column in table.columns)
            con.execute(
                f"CREATE TABLE {made.relation(table.name)} AS "
                + select_typed(table, f"(SELECT * FROM (VALUES {cells}) AS v({names}))")
            )
        return made

    return make
