"""The bridge fits the installed Great Expectations, says so when it does not, and leaves the rest of GX alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from quality.duckdb_bridge import GX_VERSION, BridgeError, check_fit, load_gx, session

ROOT = Path(__file__).resolve().parents[3]


def gx_classes() -> dict[str, type]:
    load_gx()
    from great_expectations.datasource.fluent import SQLDatasource
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine

    return {"SqlAlchemyExecutionEngine": SqlAlchemyExecutionEngine, "SQLDatasource": SQLDatasource}


def test_it_fits_the_installed_version() -> None:
    assert load_gx().__version__ == GX_VERSION


def test_another_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(BridgeError, match=rf"version 9\.9\.9 is installed.*great-expectations=={GX_VERSION}"):
        check_fit("9.9.9", gx_classes())


def test_a_method_that_is_gone_or_changed_is_refused() -> None:
    class Changed:
        def execute_query(self, query: str, timeout: int) -> None: ...

    with pytest.raises(BridgeError) as refused:
        check_fit(GX_VERSION, gx_classes() | {"SqlAlchemyExecutionEngine": Changed})
    assert "execute_query takes ('self', 'query', 'timeout')" in str(refused.value)
    assert "get_inspector is gone" in str(refused.value)


def test_telemetry_is_off_and_absent() -> None:
    load_gx()
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
    assert "posthog" not in sys.modules


def test_gx_itself_is_not_patched() -> None:
    classes = gx_classes()
    before = {name: dict(vars(cls)) for name, cls in classes.items()}
    with session(duckdb.connect()):
        pass
    for name, cls in classes.items():
        methods = {k: v for k, v in vars(cls).items() if callable(v)}
        assert methods == {k: v for k, v in before[name].items() if callable(v)}


def test_sessions_on_two_connections_do_not_mix() -> None:
    import great_expectations.expectations as gxe

    first, second = duckdb.connect(), duckdb.connect()
    first.execute("CREATE TABLE t AS SELECT 1 AS a")
    second.execute("CREATE TABLE t AS SELECT 2 AS a")
    expected = gxe.ExpectColumnValuesToBeInSet(column="a", value_set=[1])
    with session(first) as one, session(second) as two:
        assert one.batch("t").validate(expected).success
        assert not two.batch("t").validate(expected).success
    assert first.execute("SELECT a FROM t").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("value", "regex", "holds"), [("abc", "a.c", True), ("xabc", "a.c", False), ("a", "a|b", True)]
)
def test_a_pattern_must_match_the_whole_value(value: str, regex: str, *, holds: bool) -> None:
    import great_expectations.expectations as gxe

    con = duckdb.connect()
    con.execute("CREATE TABLE t AS SELECT ? AS a", [value])
    with session(con) as opened:
        found = opened.batch("t").validate(gxe.ExpectColumnValuesToMatchRegex(column="a", regex=regex))
    assert found.success is holds


def test_importing_quality_does_not_import_great_expectations() -> None:
    code = "import sys, quality.audit; raise SystemExit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_spark_that_ends_the_process_on_import_does_no_harm(tmp_path: Path) -> None:
    spark = tmp_path / "pyspark" / "__init__.py"
    spark.parent.mkdir()
    spark.write_text("raise SystemExit('no Spark home')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    code = "import sys; from quality.duckdb_bridge import load_gx; load_gx(); sys.exit('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0
