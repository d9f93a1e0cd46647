"""Jobs, schedules and the landing sensor.

Belongs here: which assets run together and what starts them. Does not: the times and limits (policies.py).
"""

from __future__ import annotations

import hashlib

import dagster as dg

from ingestion import load
from ingestion.contract import load_contracts
from ingestion.territory import load_territory
from orchestration import policies
from orchestration.assets import bronze_key
from orchestration.collect import collect_all, summary
from orchestration.runs import release_abandoned

FULL_RUN = "full_run"
UNDER_WAY = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

_ZONE = load_territory().time_zone
_BRONZE = [bronze_key(c) for c in load_contracts()]
_HOURLY = [bronze_key(c) for c in load_contracts() if c.cadence == "hourly"]

full_run = dg.define_asset_job(
    FULL_RUN, selection=dg.AssetSelection.all(), description="Tout ce qui est nouveau, de landing à la publication"
)
hourly_run = dg.define_asset_job(
    "hourly_run",
    selection=dg.AssetSelection.all() - (dg.AssetSelection.assets(*_BRONZE) - dg.AssetSelection.assets(*_HOURLY)),
    description="Les sources horaires, puis ce qui en dépend",
)
hourly = dg.ScheduleDefinition(
    name="hourly",
    job=hourly_run,
    description="Chaque heure, les sources horaires et ce qui en dépend",
    cron_schedule=policies.HOURLY,
    execution_timezone=_ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
nightly = dg.ScheduleDefinition(
    name="nightly",
    job=full_run,
    description="Chaque nuit, toutes les sources jusqu'à la publication",
    cron_schedule=policies.NIGHTLY,
    execution_timezone=_ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.op(retry_policy=policies.RETRY)
def ask_platforms(context) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - Dagster reads it, not as a text
    """Every platform whose connector is due and whose variables are set; files land, the landing sensor does the rest.

    What a platform refuses is a row in ops.fetch, and fails this run in words once all the others were asked.
    """
    done = [summary(fetched) for fetched in collect_all(run_id=context.run_id)]
    for one in done:
        context.log.info("%(source)s (%(kind)s) : %(files)s fichier(s). %(note)s" % one)  # noqa: G002, UP031
    if failed := [f"{one['source']} : {one['note']}" for one in done if one["failed"]]:
        raise dg.Failure(f"{len(failed)} plateforme(s) en échec. {' '.join(failed)}"[:1000], allow_retries=False)


@dg.job(name="collect", description="Aller chercher ce que les plateformes ont de nouveau")
def collect() -> None:
    """One step: connectors keep their own pace (`every_min`)."""
    ask_platforms()


# Off until somebody wants it: an installation calls nobody before its operator says so.
collecting = dg.ScheduleDefinition(
    name="collecting",
    job=collect,
    description="Toutes les dix minutes, les plateformes dont c'est le tour ; à activer une fois leurs accès donnés",
    cron_schedule=policies.COLLECTING,
    execution_timezone=_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
)


@dg.sensor(
    name="landing",
    job=full_run,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lance une exécution quand un fichier nouveau est déposé dans landing/",
)
def landing(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run per state of the landing folder: the same pending files never start a second one.

    While any run is under way, of the command line or another, it waits: that run may be loading these very files.
    """
    release_abandoned(context.instance)
    if context.instance.get_run_ids(dg.RunsFilter(statuses=UNDER_WAY), limit=1):
        return dg.SkipReason("une exécution est en cours")
    waiting = load.pending(load_contracts())
    if not waiting:
        return dg.SkipReason("aucun fichier nouveau dans landing/")
    digest = hashlib.sha256()
    for source, containers in sorted(waiting.items()):
        for c in containers:
            digest.update(f"{source}/{c.name}/{c.bytes}/{c.modified_ns}\n".encode())
    return dg.RunRequest(run_key=digest.hexdigest())
