"""The Dagster code location: assets, jobs, schedules and the landing sensor."""

from __future__ import annotations

import warnings

import dagster as dg

from ingestion.contract import load_contracts
from orchestration import assets, automation, pipeline

# Backfill and freshness policies are marked beta in 1.13; the pin holds their behaviour still.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

pipeline.prepare()


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster shows."""
    return dg.Definitions(
        assets=[
            *(assets.bronze_asset(c) for c in load_contracts()),
            assets.declared,
            *assets.ops_specs(),
            assets.dbt_models(),
            assets.publication_assets(),
        ],
        jobs=[automation.full_run, automation.hourly_run, automation.collect],
        schedules=[automation.hourly, automation.nightly, automation.collecting],
        sensors=[automation.landing],
        # The steps are few and share imports that cost seconds: one process runs them in 1/20 of the time of one each.
        executor=dg.in_process_executor,
    )
