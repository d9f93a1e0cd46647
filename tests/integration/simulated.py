"""Looking at a simulated landing that was loaded and built, from the test files of single domains.

Belongs here: building models, querying the lake, reading the truth, all of the installation that DATANEVERS_HOME names.
Does not: which sources, or what should be there.
"""

from __future__ import annotations

import csv
from typing import Any

from lake import engine
from lake.home import home, landing_dir
from tests.parsed import parsed_into

# The datasets that the sources of the small installation (conftest.py) give rows to; the others have none to publish.
FED = frozenset({
    "adresses", "comptages-mobilite", "consommation-energie-batiments", "eau-volumes-journaliers",
    "indicateurs-plateforme", "lieux-covoiturage", "mesures-environnement", "mobilier-urbain", "qualite-air-interieur",
    "reseau-chaleur", "stationnement-pmr", "wifi-public",
})  # fmt: skip


def build(*models: str, full_refresh: bool = False, tested: bool = False) -> bool:
    """Build models and what they read; whether dbt succeeded.

    dbt's own data tests are asked where they are `tested`: of simulated rows of all sources, test_dbt_build.py and the
    run of `whole_town` ask them all.
    """
    from orchestration import pipeline

    parsed_into(home())
    chosen = ["--select", *(f"+{m}" for m in models)]
    chosen += ["--exclude-resource-type", "unit_test", *(["test"] * (not tested))]
    chosen += ["--indirect-selection", "cautious"]  # tests between these and other models stay out
    chosen += ["--full-refresh"] * full_refresh
    return bool(pipeline.dbt("build", *pipeline.WITHOUT_FILES, *chosen).success)


def query(sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query over the lake."""
    with engine.connect() as con:
        return con.execute(sql).fetchall()


def truth(name: str) -> list[dict[str, str]]:
    """A table of true values of the landing."""
    with (landing_dir() / f"_truth/{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
