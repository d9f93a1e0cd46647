"""Candidates: nothing is current before its promotion, and a promotion writes what differs and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from duckdb import ConversionException

from lake import candidate, engine, table
from lake.candidate import Candidate, day_predicate, discard, find, pending, promote, stage, view_sql
from lake.home import table_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

THREE_DAYS = "select * from (values (date '2026-10-05', 1, 'a'), (date '2026-10-06', 2, 'b'), (date '2026-10-07', 3, 'c')) as t (day, id, name)"


@pytest.fixture
def con(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of an installation that has nothing yet."""
    monkeypatch.setenv("DATANEVERS_HOME", str(tmp_path))
    monkeypatch.delenv("DATANEVERS_LAKE", raising=False)
    opened = engine.connect(attach=False)
    yield opened
    opened.close()


def _new(**settings: object) -> Candidate:
    defaults: dict[str, object] = {"layer": "silver", "table": "t", "model": "m", "invocation_id": "i", "rows": 0}
    return Candidate(**(defaults | settings))  # type: ignore[arg-type]


def _put(con: duckdb.DuckDBPyConnection, sql: str, **settings: object) -> int:
    stage(con, _new(**settings), sql)
    return promote("silver", "t")


def _rows(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return con.execute(f"select * from delta_scan('{table_uri('silver', 't')}') order by all").fetchall()


def _added_days(version: int) -> set[str]:
    log = Path(table_uri("silver", "t")) / "_delta_log" / f"{version:020d}.json"
    actions = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return {action["add"]["partitionValues"]["day"] for action in actions if "add" in action}


def test_candidate_is_not_current_before_its_promotion(con: duckdb.DuckDBPyConnection) -> None:
    staged = stage(con, _new(), "select 1 as id")
    assert staged.rows == 1
    assert table.version("silver", "t") is None
    assert con.execute(view_sql("silver", "t")).fetchall() == [(1,)]

    assert promote("silver", "t") == 0
    stage(con, _new(), "select 2 as id")
    assert _rows(con) == [(1,)]
    assert con.execute(view_sql("silver", "t")).fetchall() == [(2,)]
    assert promote("silver", "t") == 1
    assert _rows(con) == [(2,)]
    assert pending() == []


def test_same_content_in_another_order_is_no_version(con: duckdb.DuckDBPyConnection) -> None:
    assert _put(con, THREE_DAYS) == 0
    assert _put(con, f"{THREE_DAYS} order by id desc") == 0
    assert pending() == []


def test_a_row_that_is_there_twice_is_a_change(con: duckdb.DuckDBPyConnection) -> None:
    assert _put(con, "select 1 as id") == 0
    assert _put(con, "select 1 as id union all select 1") == 1
    assert _rows(con) == [(1,), (1,)]


def test_replace_by_day_rewrites_the_days_that_differ(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, THREE_DAYS, partition_by=("day",))
    fresh = "select * from (values (date '2026-10-06', 2, 'b'), (date '2026-10-07', 3, 'changed')) as t (day, id, name)"
    settings = {
        "strategy": "replace_by_day",
        "day_column": "day",
        "days": ("2026-10-06", "2026-10-07"),
        "partition_by": ("day",),
    }
    stage(con, _new(**settings), fresh)
    assert [row[2] for row in con.execute(f"{view_sql('silver', 't')} order by id").fetchall()] == ["a", "b", "changed"]
    assert promote("silver", "t") == 1
    assert [row[2] for row in _rows(con)] == ["a", "b", "changed"]
    assert _added_days(1) == {"2026-10-07"}


def test_replace_by_day_empties_a_day_that_has_no_rows_any_more(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, THREE_DAYS, partition_by=("day",))
    settings = {"strategy": "replace_by_day", "day_column": "day", "days": ("2026-10-06",), "partition_by": ("day",)}
    assert _put(con, f"{THREE_DAYS} limit 0", **settings) == 1
    assert [row[2] for row in _rows(con)] == ["a", "c"]


def test_replace_by_day_with_other_columns_asks_for_a_full_refresh(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, THREE_DAYS)
    stage(
        con,
        _new(strategy="replace_by_day", day_column="day", days=("2026-10-06",)),
        "select date '2026-10-06' as day, 'two' as id, 'b' as name",
    )
    with pytest.raises(candidate.SchemaChangedError, match="--full-refresh"):
        promote("silver", "t")
    assert table.version("silver", "t") == 0


def test_merge_replaces_and_adds_by_key(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, "select * from (values ('a', 1), ('b', 2)) as t (k, v)")
    settings = {"strategy": "merge", "unique_key": ("k",)}
    fresh = "select * from (values ('b', 3), ('c', 4)) as t (k, v)"
    stage(con, _new(**settings), fresh)
    expected = [("a", 1), ("b", 3), ("c", 4)]
    assert con.execute(f"{view_sql('silver', 't')} order by k").fetchall() == expected
    assert promote("silver", "t") == 1
    assert _rows(con) == expected
    assert _put(con, fresh, **settings) == 1


def test_an_empty_result_keeps_its_columns(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, THREE_DAYS)
    assert _put(con, f"{THREE_DAYS} limit 0") == 1
    assert _rows(con) == []
    described = con.execute(f"describe select * from delta_scan('{table_uri('silver', 't')}')").fetchall()
    assert [row[0] for row in described] == ["day", "id", "name"]


def test_a_query_that_fails_leaves_the_earlier_candidate(con: duckdb.DuckDBPyConnection) -> None:
    stage(con, _new(), "select 1 as id")
    with pytest.raises(ConversionException):
        stage(con, _new(), "select cast('x' as integer) as id")
    assert [waiting.rows for waiting in pending()] == [1]
    assert con.execute(view_sql("silver", "t")).fetchall() == [(1,)]


def test_a_folder_left_by_a_crash_is_no_candidate(con: duckdb.DuckDBPyConnection) -> None:
    stage(con, _new(), "select 1 as id")
    half = candidate._folder("silver", ".u.0123")
    half.mkdir()
    (half / "candidate.json").write_text("{}", encoding="utf-8")
    assert [waiting.table for waiting in pending()] == ["t"]


def test_attach_shows_the_content_to_audit(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, "select 1 as id")
    stage(con, _new(), "select 2 as id")
    stage(con, _new(layer="gold", table="u"), "select 3 as id")
    candidate.attach(con)
    assert con.execute("select id from candidate.t union all select id from candidate.u").fetchall() == [(2,), (3,)]


def test_discard_forgets(con: duckdb.DuckDBPyConnection) -> None:
    stage(con, _new(), "select 1 as id")
    discard("silver", "t")
    discard("silver", "t")
    assert find("silver", "t") is None
    with pytest.raises(LookupError, match="build its model first"):
        promote("silver", "t")
    with pytest.raises(LookupError, match=r"silver\.t has neither"):
        view_sql("silver", "t")


@pytest.mark.parametrize(
    "settings",
    [{"strategy": "merge"}, {"strategy": "replace_by_day"}, {"strategy": "replace_by_day", "days": ("2026-10-05",)}],
)
def test_a_strategy_needs_its_settings(con: duckdb.DuckDBPyConnection, settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs"):
        stage(con, _new(**settings), "select 1 as id")


def test_days_in_a_row_need_no_list(con: duckdb.DuckDBPyConnection) -> None:
    assert day_predicate("d", ["2026-10-06", "2026-10-05"]) == "d between date '2026-10-05' and date '2026-10-06'"
    apart = day_predicate("d", ["2026-10-05", "2026-10-07"])
    counted = con.execute(f"select count(*) from ({THREE_DAYS.replace('(day', '(d')}) where {apart}").fetchone()
    assert counted == (2,)


def test_the_commit_says_which_model_made_it(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, "select 1 as k, 2 as v", model="model.datanevers.t", invocation_id="run-1")
    _put(
        con,
        "select 1 as k, 3 as v",
        model="model.datanevers.t",
        invocation_id="run-2",
        strategy="merge",
        unique_key=("k",),
    )
    commits = table.commits_since("silver", "t", -1)
    assert [commit.get("dbt_invocation") for commit in commits] == ["run-1", "run-2"]
    assert {commit.get("dbt_model") for commit in commits} == {"model.datanevers.t"}


@pytest.fixture
def a_part_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of more than one partition are written in parts."""
    monkeypatch.setattr(candidate, "_PARTITIONS_AT_ONCE", 1)


@pytest.mark.usefixtures("a_part_a_day")
def test_many_partitions_come_in_parts_and_become_current_at_once(con: duckdb.DuckDBPyConnection) -> None:
    settings = {"partition_by": ("day",)}
    some = f"{THREE_DAYS} union all select null, 4, 'née'"
    assert _put(con, some, **settings) == 0
    assert _rows(con) == con.execute(f"{some} order by all").fetchall()
    assert _added_days(0) == {"2026-10-05", "2026-10-06", "2026-10-07", None}
    assert _put(con, some, **settings) == 0
    changed = "select *, timestamptz '2026-10-05 10:00:00.123456+00' as at_time from (" + THREE_DAYS + ") where id > 1"
    assert _put(con, changed, **settings) == 1
    assert _rows(con) == con.execute(f"{changed} order by all").fetchall()
    found = con.execute(
        f"select name from delta_scan('{table_uri('silver', 't')}') "
        "where id = 2 and at_time > timestamptz '2026-10-05 10:00:00.123+00'"
    )
    assert found.fetchall() == [("b",)]


@pytest.mark.usefixtures("a_part_a_day")
def test_a_table_made_in_parts_is_replaced_by_day_like_any_other(con: duckdb.DuckDBPyConnection) -> None:
    _put(con, THREE_DAYS, partition_by=("day",))
    version = _put(
        con, "select date '2026-10-06' as day, 9 as id, 'z' as name",
        partition_by=("day",), strategy="replace_by_day", day_column="day", days=("2026-10-06",),
    )  # fmt: skip
    assert version == 1
    assert _added_days(1) == {"2026-10-06"}
    assert [row[1] for row in _rows(con)] == [1, 9, 3]


@pytest.mark.usefixtures("a_part_a_day")
def test_a_crash_between_the_parts_changes_nothing(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(con, THREE_DAYS, partition_by=("day",))
    before = _rows(con)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    stage(con, _new(partition_by=("day",)), f"select day, id + 10 as id, name from ({THREE_DAYS})")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(table, "_add_action", killed)
        promote("silver", "t")
    assert (_rows(con), table.version("silver", "t")) == (before, 0)
    assert promote("silver", "t") == 1
    assert [row[1] for row in _rows(con)] == [11, 12, 13]
