"""Automation policies, each named once with its reason.

Belongs here: when things run, how often they are tried again. Does not: what runs (assets.py), when data counts as
late (its contract says).
"""

from __future__ import annotations

import dagster as dg

from ingestion.contract import SourceContract

# Minute 12: suppliers write their hourly files in the first ten minutes of the hour.
HOURLY = "12 * * * *"
# 03:30 local: after the suppliers' daily exports (02:00) and clear of the hour that the clock change repeats or skips.
NIGHTLY = "30 3 * * *"
# Connectors keep their own pace; ten minutes is the finest that any declares.
COLLECTING = "*/10 * * * *"

# Conflicts between processes are settled inside the lake; what is left is a disk or an object store that hiccups.
RETRY = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL)

# First day that Dagster shows and can be asked for. Older files load all the same; put it back when history arrives,
# and no further than that: every day without data is drawn as missing.
FIRST_DAY = "2024-01-01"


def freshness(contract: SourceContract) -> dg.FreshnessPolicy:
    """When the table of a source must have been looked after."""
    window = contract.late_after
    return dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * 0.75)
