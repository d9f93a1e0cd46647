"""Great Expectations' Data Docs of the last audits: what was checked on each dataset, what was found.

Belongs here: verdicts as Great Expectations' own validation pages, and their index, for the people who keep the data.
Does not: the published pages (publication/pages.py), audits themselves.

Pages are made from verdicts, whose messages never quote a personal value, not from results, which would. What the pages
would load from other people's servers (styles, scripts, logos, a newsletter form) is taken out: they open offline.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quality.audit import Check, Verdict
from quality.duckdb_bridge import load_gx

_WORDS = {"passed": "conforme", "warned": "conforme, avec réserves", "failed": "refusé"}
_STYLE = """<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1.5rem; color: #1d2733; }
h1, h2, h3, h4, .header { line-height: 1.25; } a { color: #1d4f8c; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { border-top: 1px solid #d5dbe1; padding: .4rem .6rem; text-align: left; vertical-align: top; }
nav.breadcrumb, .navbar, .modal, #ge-cta-footer, .cooltip, .btn, .side-bar, footer { display: none; }
ul, ol { padding-left: 1.1rem; } .badge { font-size: .85em; }
.fa-check-circle::before { content: "✓"; color: #1c6b3c; } .fa-times::before { content: "✗"; color: #a3211b; }
.fa-exclamation-triangle::before { content: "!"; color: #8a5a00; } i.fas { font-style: normal; font-weight: 700; }
</style>"""
# Great Expectations speaks English; its readers here do not all.
_FRENCH = {
    "Expectation Validation Result": "Contrôles du jeu de données",
    "Evaluates whether a batch of data matches expectations.": "",
    "Validation Filter:": "",
    "Actions": "",
    "Table of Contents": "",
    "Overview": "Ensemble",
    "Expectation Suite:": "Jeu de données :",
    "Data asset:": "Table :",
    "Status:": "Verdict :",
    "Succeeded": "publiable",
    "Failed": "refusé",
    "Statistics": "Nombres",
    "Evaluated Expectations": "Contrôles",
    "Successful Expectations": "Conformes",
    "Unsuccessful Expectations": "En écart",
    "Success Percent": "Part conforme",
    "Table-Level Expectations": "Contrôles, les écarts d'abord",
    "Observed Value": "Constat",
    "Expectation": "Contrôle",
    "Status": "",
    "Run Info": "Exécution",
}
# Elements that fetch something, or are of no use without it.
_FOREIGN = re.compile(
    r"<(script|footer)\b.*?</\1>|<link\b[^>]*>|<img\b[^>]*>|<form\b.*?</form>|<iframe\b.*?</iframe>|</?a\b[^>]*>",
    re.DOTALL,
)
_TEXT = re.compile(r">(\s*)([^<>\s][^<>]*?)(\s*)<")


def build(verdicts: Mapping[str, Verdict], folder: Path, *, run_id: str, now: datetime | None = None) -> Path:
    """Write a page for each verdict, leave those of other datasets as they are, and list all in an index.

    Args:
        verdicts: by dataset id.
        folder: where the pages are; made when it is not there.
        run_id: shown on the pages.
        now: the instant of the audits (aware); the present by default.

    Returns:
        The index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    moment = now or datetime.now(UTC)
    view = _view() if verdicts else None
    for dataset, verdict in verdicts.items():
        (folder / f"{dataset}.html").write_text(_page(view, verdict, run_id, moment), encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index(sorted(p for p in folder.glob("*.html") if p != index)), encoding="utf-8")
    return index


def _view() -> Any:
    """What makes pages; one for all of them, because each compiles its templates anew."""
    load_gx()
    from great_expectations.render.view.view import DefaultJinjaPageView

    view: Any = DefaultJinjaPageView
    return view()


def _page(view: Any, verdict: Verdict, run_id: str, moment: datetime) -> str:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    held = sum(check.passed for check in verdict.checks)
    result = ExpectationSuiteValidationResult(
        success=verdict.status != "failed",
        results=[_result(check) for check in sorted(verdict.checks, key=lambda check: check.passed)],
        suite_name=verdict.dataset,
        suite_parameters={},
        statistics={
            "evaluated_expectations": len(verdict.checks),
            "successful_expectations": held,
            "unsuccessful_expectations": len(verdict.checks) - held,
            "success_percent": 100 * held / len(verdict.checks) if verdict.checks else None,
        },
        meta={
            "run_id": RunIdentifier(run_name=run_id, run_time=moment),
            "active_batch_definition": {"data_asset_name": verdict.dataset, "batch_identifiers": {}},
        },
    )
    renderer: Any = ValidationResultsPageRenderer(run_info_at_end=True)
    document = view.render(renderer.render(result))
    words = f'<meta charset="utf-8"><meta name="verdict" content="{verdict.status}">{_STYLE}'
    page = _FOREIGN.sub("", str(document)).replace("<head>", f"<head>{words}", 1)
    page = _TEXT.sub(lambda found: f">{found[1]}{_FRENCH.get(found[2], found[2])}{found[3]}<", page)
    return page.replace("<body>", '<body><p><a href="index.html">Tous les jeux de données</a></p>', 1)


def _result(check: Check) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    configuration = ExpectationConfiguration(
        type="unexpected_rows_expectation",
        kwargs={"unexpected_rows_query": "SELECT 1 FROM {batch}"},
        meta={"rule": check.rule, "table": check.table, "column": check.column},
        description=f"[{check.rule}] {check.message}",
        severity=FailureSeverity.CRITICAL if check.severity == "error" else FailureSeverity.WARNING,
    )
    return ExpectationValidationResult(
        success=check.passed,
        expectation_config=configuration,
        result={"observed_value": check.observed},
        meta={},
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )


def _index(pages: list[Path]) -> str:
    items = []
    for page in pages:
        status = re.search(r'<meta name="verdict" content="(\w+)">', page.read_text(encoding="utf-8"))
        words = _WORDS.get(status[1] if status else "", "")
        items.append(f'<li><a href="{html.escape(page.name)}">{html.escape(page.stem)}</a> : {words}</li>')
    return (
        '<!doctype html>\n<html lang="fr"><head><meta charset="utf-8">'
        f"<title>Contrôles qualité</title>{_STYLE}</head>\n"
        f"<body><h1>Contrôles qualité des jeux de données</h1>\n<ul>{''.join(items)}</ul></body></html>\n"
    )
