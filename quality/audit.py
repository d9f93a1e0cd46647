"""The audit: a candidate dataset is measured against its standard and its card's rules, and gets a verdict.

Belongs here: running the suites on DuckDB relations and turning results into checks a person can act on.
Does not: the expectations (`suite`), what follows from a verdict (promotion, publication: the caller's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from lake.engine import extension_path
from quality.duckdb_bridge import BridgeError, Session, session
from quality.expectation import OBSERVED, SWAPPED, SourceState, Surroundings
from quality.personal import hidden
from quality.rules import AuditRules
from quality.standard import Severity, Standard
from quality.suite import suite_for

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

__all__ = ["AuditRules", "Check", "LastVersion", "NewDays", "SourceState", "Status", "Verdict", "audit"]

Status = Literal["passed", "warned", "failed"]
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class Check:
    """One rule, checked. `column` is None for a rule on the whole table; several columns are comma-separated.

    `observed` is what was found, as text; `unexpected_rows` the number of wrong rows, 0 when it passed or when the
    rule is not about rows; `examples` up to five wrong values; `message` says in French what to do.
    """

    rule: str
    table: str
    column: str | None
    severity: Severity
    passed: bool
    observed: str
    message: str
    unexpected_rows: int = 0
    examples: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form, as kept in `ops.audit`."""
        return asdict(self) | {"examples": list(self.examples)}


@dataclass(frozen=True)
class Verdict:
    """What an audit concluded. `failed`: an error was found, the dataset is held back; `warned`: warnings only."""

    dataset: str
    status: Status
    rows: Mapping[str, int]
    checks: tuple[Check, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not pass, errors first."""
        return tuple(sorted((c for c in self.checks if not c.passed), key=lambda c: c.severity != "error"))


@dataclass(frozen=True)
class LastVersion:
    """The last good version of a dataset: its rows by table, and its tables' relations where they can be read."""

    rows: Mapping[str, int] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NewDays:
    """Of a table by day, the rows that are new (anything that can follow FROM), and the column of their day."""

    relation: str
    day_column: str


def audit(
    dataset: str,
    standard: Standard,
    relations: Mapping[str, str],
    rules: AuditRules,
    con: duckdb.DuckDBPyConnection,
    *,
    last: LastVersion | None = None,
    new_days: Mapping[str, NewDays] | None = None,
    sources: tuple[SourceState, ...] = (),
    now: datetime | None = None,
) -> Verdict:
    """Audit a dataset's tables, read through `con`; nothing is written, neither there nor on disk.

    Args:
        dataset: id of the dataset, repeated in the verdict.
        standard: what the tables must be.
        relations: for each table of the standard, what to read, whole: anything that can follow FROM.
        rules: what the dataset's card adds.
        con: the connection that sees the relations; used during the call, not closed.
        last: the last published version, if there is one.
        new_days: for tables of which only some days are new, these; rules about single rows are asked of them alone.
        sources: how fresh the dataset's sources are.
        now: the instant of the audit (aware), for freshness and future dates; the present by default.

    Raises:
        ValueError: `relations` does not name each table of the standard and no other, or `rules` name an unknown
            table, column or expectation.
        duckdb.Error: a relation cannot be read.
        quality.duckdb_bridge.BridgeError: the installed Great Expectations does not fit.
    """
    tables = [table.name for table in standard.tables]
    if sorted(relations) != sorted(tables):
        msg = f"{dataset}: relations are given for {sorted(relations)}, standard `{standard.id}` has {sorted(tables)}"
        raise ValueError(msg)
    rules.check_against(standard)
    if any(field.type == "geometry" for table in standard.tables for field in table.fields):
        con.execute(f"LOAD '{extension_path('spatial')}'")
    last, new_days = last or LastVersion(), new_days or {}
    around = Surroundings(
        relations,
        last.rows,
        now or datetime.now(UTC),
        last=last.relations,
        last_columns={table: frozenset(_columns(con, relation)) for table, relation in last.relations.items()},
        day_columns={table: days.day_column for table, days in new_days.items()},
        sources=sources,
    )
    rows = {table: _count(con, relations[table]) for table in tables}
    audited = dict(relations) | {table: days.relation for table, days in new_days.items()}
    with session(con) as opened:
        runs = [
            _TableRun(opened, suite_for(standard.table(table), standard, rules, around), audited[table])
            for table in tables
        ]
        checks = [check for run in runs for check in run.structure()]
        unsound = {
            (table, column)
            for run in runs
            for table, column in (*run.missing, *((c.table, c.column) for c in checks if not c.passed and c.column))
        }
        checks += [check for run in runs for check in run.content(unsound)]
    return Verdict(dataset, _status(checks), rows, tuple(checks))


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0


def _status(checks: Iterable[Check]) -> Status:
    broken = {check.severity for check in checks if not check.passed}
    if "error" in broken:
        return "failed"
    return "warned" if broken else "passed"


class _TableRun:
    """The suite of one table on its batch, in two stages: no rule on content is asked of a column that is not there."""

    def __init__(self, opened: Session, suite: ExpectationSuite, relation: str) -> None:
        self._suite = suite
        self._batch: Batch = opened.batch(relation)
        self._columns = _columns(opened.con, relation)
        self._is_empty = opened.con.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is None
        self.missing: set[tuple[str, str]] = set()

    def structure(self) -> list[Check]:
        """Columns and their types; fills `missing`."""
        wanted = [column for e in self._of_stage("structure") for column in (e.meta or {})["needs"]]
        self.missing = {(table, column) for table, column in wanted if column not in self._columns}
        askable = [e for e in self._of_stage("structure") if not self._lacks(e, self.missing)]
        results = self._validate(askable, "SUMMARY")
        return [_check(results[_position(e)]) for e in askable]

    def content(self, unsound: set[tuple[str, str]]) -> list[Check]:
        """Everything else, except rules on unsound columns, which the structure checks have reported already.

        A first pass asks only whether each rule holds: GX puts most of them into a single query. The few that do
        not hold are asked again, for counts and examples. Rules that look for wrong rows are not asked where there are
        no rows: most tables of a new installation, for a third of the time of its audits.
        """
        askable = [e for e in self._of_stage("content") if not self._lacks(e, unsound)]
        asked = [e for e in askable if not (self._is_empty and e.meta["counts"])]
        results = self._validate(asked, "BOOLEAN_ONLY")
        again = [e for e in asked if not (r := results[_position(e)]).success and _error_of(r) is None]
        in_sql = [e for e in again if "unexpected_rows_query" in e.configuration.kwargs]
        results |= self._validate(in_sql, "COMPLETE")
        results |= self._validate([e for e in again if e not in in_sql], "SUMMARY")
        return [_check(results[p]) if (p := _position(e)) in results else _conforming(e.meta) for e in askable]

    def _of_stage(self, stage: str) -> list[Any]:
        return [e for e in self._suite.expectations if (e.meta or {})["stage"] == stage]

    @staticmethod
    def _lacks(expectation: Any, unsound: set[tuple[str, str]]) -> bool:
        return any((table, column) in unsound for table, column in expectation.meta["needs"])

    def _validate(self, expectations: list[Any], result_format: str) -> dict[int, ExpectationValidationResult]:
        """Results by the position of their expectation in the suite."""
        if not expectations:
            return {}
        import great_expectations as gx

        suite = gx.ExpectationSuite(name=f"{self._suite.name}.{result_format}", expectations=expectations)
        chosen = {"result_format": result_format, "partial_unexpected_count": MAX_EXAMPLES}
        return {int(_meta(r)["position"]): r for r in self._batch.validate(suite, result_format=chosen).results}


def _position(expectation: Any) -> int:
    return int(expectation.meta["position"])


def _error_of(result: ExpectationValidationResult) -> str | None:
    """Why the rule could not be evaluated, None if it was. GX nests one report per metric when metrics failed."""
    info = result.exception_info or {}
    reports = [info] if "raised_exception" in info else [v for v in info.values() if isinstance(v, dict)]
    for report in reports:
        if report.get("raised_exception"):
            return str(report.get("exception_message") or "erreur inconnue").strip().splitlines()[0]
    return None


def _config(result: ExpectationValidationResult) -> ExpectationConfiguration:
    config = result.expectation_config
    if config is None:  # GX types it so; a result of a batch always has one
        msg = "Great Expectations gave a result without its expectation; see quality/duckdb_bridge.py"
        raise BridgeError(msg)
    return config


def _meta(result: ExpectationValidationResult) -> dict[str, Any]:
    return _config(result).meta or {}


def _check(result: ExpectationValidationResult) -> Check:
    meta = _meta(result)
    head = _head(meta)
    about = {"rule": meta["rule"], "table": meta["table"], "column": meta["column"]}
    if (error := _error_of(result)) is not None:
        # A rule nobody could check is not a rule that holds: the dataset is held back whatever its severity.
        message = f"{head} : règle impossible à évaluer. Corriger la règle ou le modèle. Détail : {error}"
        return Check(**about, severity="error", passed=False, observed=error, message=message)
    if result.success:
        return _conforming(meta)
    count, examples = _wrong_rows(result) if meta["counts"] else (0, ())
    if meta["private"]:
        examples = ()
    observed = _observed(result, count)
    shown = f" (exemples : {' ; '.join(examples)})" if examples else ""
    return Check(
        **about,
        severity=meta["severity"],
        passed=False,
        observed=observed,
        message=f"{head} : {observed}{shown}. {meta['advice']}",
        unexpected_rows=count,
        examples=examples,
    )


def _head(meta: Mapping[str, Any]) -> str:
    where = f"table {meta['table']}" + (f", colonne {meta['column']}" if meta["column"] else "")
    return f"{meta['label']} ({where})"


def _conforming(meta: Mapping[str, Any]) -> Check:
    about = {"rule": meta["rule"], "table": meta["table"], "column": meta["column"], "severity": meta["severity"]}
    return Check(**about, passed=True, observed="conforme", message=f"{_head(meta)} : conforme.")


def _wrong_rows(result: ExpectationValidationResult) -> tuple[int, tuple[str, ...]]:
    """Number of wrong rows, and some of their values."""
    found: dict[str, Any] = result.result
    if "unexpected_rows_query" in _config(result).kwargs:
        wrong = _unexpected_rows(result)
        names = str(_meta(result)["column"] or "").split(", ")
        values = [" / ".join(_text(v) for k, v in row.items() if k in names or names == [""]) for row in wrong]
        return int(found["observed_value"]), _distinct(values)
    if "unexpected_count" in found:
        values = [_text(value) for value in found.get("partial_unexpected_list") or [] if value is not None]
        return int(found["unexpected_count"]), _distinct(values)
    return 0, ()


def _unexpected_rows(result: ExpectationValidationResult) -> list[dict[str, Any]]:
    """Some of the rows that a query found, two hundred at most."""
    return (result.result.get("details") or {}).get("unexpected_rows") or []


def _text(value: Any) -> str:
    text = "(absent)" if value is None else hidden(str(value))
    return text if len(text) <= 80 else f"{text[:79]}…"


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(v for v in dict.fromkeys(values) if v)[:MAX_EXAMPLES]


def _observed(result: ExpectationValidationResult, count: int) -> str:
    """What was found, in French, without a full stop."""
    config, found, rule = _config(result), result.result, _meta(result)["rule"]
    if rule == "columns":
        return _column_difference(config.kwargs["column_list"], found["observed_value"])
    if rule == "type":
        return f"type {str(found['observed_value']).replace('_', ' ')}"
    rows = _unexpected_rows(result)
    if told := [str(row[OBSERVED]) for row in rows if OBSERVED in row]:
        return " ; ".join(told)
    swapped = " ; longitude et latitude sont inversées" if any(row.get(SWAPPED) for row in rows) else ""
    if count:
        return f"{count} ligne(s) en écart{swapped}"
    return f"valeur observée {_text(found.get('observed_value'))}"


def _column_difference(expected: list[str], found: list[str]) -> str:
    missing = [column for column in expected if column not in found]
    extra = [column for column in found if column not in expected]
    parts = [f"colonne(s) manquante(s) : {', '.join(missing)}"] if missing else []
    parts += [f"colonne(s) en trop : {', '.join(extra)}"] if extra else []
    return " ; ".join(parts) or f"ordre différent du standard : {', '.join(found)}"
