"""The ops tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lake import ops, table

if TYPE_CHECKING:
    from tests.conftest import House


def refused(file: str, line: int | None = 1) -> dict[str, object]:
    return {"source": "s", "file": file, "sha256": "x", "line": line, "reason": "r", "rows": 1}


def test_they_are_created_with_their_schemas_once(house: House) -> None:
    assert table.tables("ops") == sorted(ops.schemas())
    before = house.versions()
    ops.ensure()
    assert house.versions() == before
    for name, schema in ops.schemas().items():
        described = house.sql(f"DESCRIBE SELECT * FROM ops.{name}")
        assert [d[0] for d in described] == schema.names


def test_nothing_to_write_is_no_commit(house: House) -> None:
    before = house.versions()
    ops.record("quarantine", [])
    ops.put("landing_file", [], key=("source", "path"))
    ops.replace("quarantine", [], where="source = 'nobody'")
    assert house.versions() == before


def test_replace_leaves_the_rest_and_can_be_repeated(house: House) -> None:
    ops.record("quarantine", [refused("a"), refused("a", None), refused("b")])
    for _ in range(2):
        ops.replace("quarantine", [refused("a", 7), refused("a", 8)], where="concat(file, '|', sha256) IN ('a|x')")
    assert house.sql("SELECT file, line FROM ops.quarantine ORDER BY ALL") == [("a", 7), ("a", 8), ("b", 1)]
    ops.replace("quarantine", [], where="file = 'a'")
    assert house.sql("SELECT file FROM ops.quarantine") == [("b",)]


def test_put_replaces_by_key(house: House) -> None:
    seen = {"source": "s", "path": "p", "bytes": 1, "modified_ns": 1, "contract_sha256": "c", "held": False}
    ops.put("landing_file", [seen], key=("source", "path"))
    ops.put("landing_file", [seen | {"bytes": 2}, seen | {"path": "q"}], key=("source", "path"))
    assert house.sql("SELECT path, bytes FROM ops.landing_file ORDER BY 1") == [("p", 2), ("q", 1)]
