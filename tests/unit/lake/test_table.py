"""Commits: all or nothing, safe between processes, and a compare-and-swap that notices everybody else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from lake import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import House

SCHEMA = pa.schema([("key", pa.string()), ("value", pa.int64())])


def rows(**values: int | None) -> pa.Table:
    return pa.table({"key": list(values), "value": list(values.values())}, schema=SCHEMA)


def stream(**values: int) -> pa.RecordBatchReader:
    return rows(**values).to_reader()


@pytest.fixture
def lake(house: House) -> House:
    table.create("ops", "t", SCHEMA)
    return house


def content(house: House) -> dict[str, int]:
    found = house.sql("SELECT key, value FROM ops.t ORDER BY ALL")
    assert len(dict(found)) == len(found)
    return dict(found)


def test_a_table_that_is_not_there(house: House) -> None:
    assert not table.exists("gold", "nothing")
    assert table.version("gold", "nothing") is None
    assert table.tables("gold") == []
    assert table.commits_since("gold", "nothing", -1) == []
    table.delete("gold", "nothing", "true")
    with pytest.raises(LookupError, match=r"gold\.nothing does not exist"):
        table.upsert("gold", "nothing", rows(a=1), key=["key"])


def test_create_leaves_an_existing_table_alone(lake: House) -> None:
    table.append("ops", "t", rows(a=1))
    table.create("ops", "t", SCHEMA)
    assert content(lake) == {"a": 1}
    assert table.version("ops", "t") == 1


class TestAppendAt:
    def test_it_commits_the_next_version_with_its_metadata(self, lake: House) -> None:
        assert table.append_at("ops", "t", stream(a=1), at_version=0, metadata={"who": "me"}) == 1
        assert content(lake) == {"a": 1}
        (commit,) = table.commits_since("ops", "t", 0)
        assert (commit["version"], commit["who"]) == (1, "me")

    @pytest.mark.parametrize("other", ["append", "overwrite", "upsert", "delete"])
    def test_any_commit_in_between_is_a_conflict(self, lake: House, other: str) -> None:
        table.append("ops", "t", rows(z=0))
        at = table.version("ops", "t")
        assert at is not None
        if other == "append":
            table.append("ops", "t", rows(b=2))
        elif other == "overwrite":
            table.overwrite("ops", "t", rows(b=2))
        elif other == "upsert":
            table.upsert("ops", "t", rows(b=2), key=["key"])
        else:
            table.delete("ops", "t", "key = 'z'")
        before = content(lake)
        with pytest.raises(table.Conflict, match=f"ops.t moved on from version {at}"):
            table.append_at("ops", "t", stream(a=1), at_version=at, metadata={})
        assert content(lake) == before

    def test_of_many_at_once_exactly_one_wins(self, lake: House) -> None:
        outcomes: list[str] = []

        def run(name: str) -> None:
            try:
                table.append_at("ops", "t", stream(**{name: 1}), at_version=0, metadata={})
            except table.Conflict:
                outcomes.append("conflict")
            else:
                outcomes.append(name)

        threads = [threading.Thread(target=run, args=(n,)) for n in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [o for o in outcomes if o != "conflict"]
        assert len(outcomes) == 4
        assert content(lake) == {winner: 1}

    def test_a_stream_that_breaks_off_leaves_nothing(self, lake: House) -> None:
        def broken() -> Iterator[pa.RecordBatch]:
            yield from rows(a=1).to_batches()
            raise OSError("disk")

        with pytest.raises(Exception, match="disk"):
            table.append_at("ops", "t", pa.RecordBatchReader.from_batches(SCHEMA, broken()), at_version=0, metadata={})
        assert content(lake) == {}
        assert table.version("ops", "t") == 0


def test_concurrent_replacements_and_merges_lose_nothing(lake: House) -> None:
    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            for number in range(3):
                table.overwrite("ops", "t", rows(**{f"replaced_{name}": number}), where=f"key = 'replaced_{name}'")
                table.upsert("ops", "t", rows(shared=number, **{f"merged_{name}": number}), key=["key"])
        except Exception as error:  # noqa: BLE001 - the assertion below shows it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert content(lake) == {"merged_a": 2, "merged_b": 2, "replaced_a": 2, "replaced_b": 2, "shared": 2}


def test_overwrite_whole_and_in_part(lake: House) -> None:
    table.append("ops", "t", rows(a=1, b=2, c=3))
    table.overwrite("ops", "t", rows(b=20), where="key = 'b'")
    assert content(lake) == {"a": 1, "b": 20, "c": 3}
    with pytest.raises(Exception, match=r"(?i)invalid data found"):
        table.overwrite("ops", "t", rows(x=1), where="key = 'b'")  # rows that the predicate does not cover
    assert content(lake) == {"a": 1, "b": 20, "c": 3}
    table.overwrite("ops", "t", pa.table({"other": [1]}))
    assert lake.sql("SELECT * FROM ops.t") == [(1,)]


def test_upsert_twice_is_once(lake: House) -> None:
    for _ in range(2):
        table.upsert("ops", "t", rows(a=1, b=2), key=["key"])
    table.upsert("ops", "t", rows(a=10, c=3), key=["key"])
    table.upsert("ops", "t", rows(b=99, d=4), key=["key"], update=False)
    assert content(lake) == {"a": 10, "b": 2, "c": 3, "d": 4}
    version = table.version("ops", "t")
    table.upsert("ops", "t", rows(), key=["key"])
    assert table.version("ops", "t") == version


def test_delete_of_nothing_is_no_commit(lake: House) -> None:
    table.append("ops", "t", rows(a=1, b=2))
    version = table.version("ops", "t")
    table.delete("ops", "t", "key = 'x'")
    assert table.version("ops", "t") == version
    table.delete("ops", "t", "key = 'a'")
    assert content(lake) == {"b": 2}


def test_columns_are_added_by_an_append(lake: House) -> None:
    table.append("ops", "t", rows(a=1))
    table.append("ops", "t", pa.table({"key": ["b"], "value": [2], "more": ["x"]}))
    assert lake.sql("SELECT key, more FROM ops.t ORDER BY 1") == [("a", None), ("b", "x")]
    assert table.tables("ops").count("t") == 1
