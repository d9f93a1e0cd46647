"""Dagster assets: one per bronze table, dbt model and published dataset.

Belongs here: turning contracts, dbt's manifest and dataset cards into assets, and calling pipeline.py. Does not: the
work itself.

Every step yields what it could do and goes on; what failed is in ops.failure, shown as a failed check, and the last
step fails the run for it. A source, model or dataset in trouble thus never keeps the others from being published.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, dbt_assets

from ingestion.contract import SourceContract
from lake import engine, ops, table
from lake.home import publication_dir
from orchestration import declared as declared_tables
from orchestration import pipeline, policies
from publication.card import Card, load_cards
from quality.standard import load_standard

# A partition is a UTC day of events. A day, never a quarter of an hour: the UI slows beyond some 10 000 partitions.
# Today is one of them: hourly sources deliver it before it is over.
DAYS = dg.DailyPartitionsDefinition(start_date=policies.FIRST_DAY, end_offset=1)
ACCEPTED = "fichiers_acceptes"
ON_TIME = "a_l_heure"
TESTS = "regles"
TEAM = ("team:donnees",)

TRACE = {
    "event_date": "UTC day of the event",
    "event_month": "First day of the UTC month of the event: partition of the table",
    "extra": "JSON of the columns that the contract does not know",
    "source_file": "File the row came from, below its source's folder",
    "source_sha256": "Hash of that file",
    "source_time": "The file's own time: orders revisions",
    "delivered_time": "When the file was written in landing: settles a second delivery under the same name",
    "source_row": "Record number in the file, 1 is the first after the header",
}


def bronze_key(contract: SourceContract) -> dg.AssetKey:
    """Asset key of a source's table."""
    return dg.AssetKey(["bronze", contract.bronze])


def _columns(contract: SourceContract) -> dg.TableSchema:
    notes = {c.name: c for c in contract.columns}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=_column_note(notes[field.name].description, notes[field.name].unit)
                if field.name in notes
                else TRACE[field.name],
            )
            for field in contract.bronze_schema
        ]
    )


def _column_note(description: str, unit: str | None) -> str:
    return f"{description} [{unit}]" if unit else description


def bronze_asset(contract: SourceContract) -> dg.AssetsDefinition:
    """The asset of one source: loads every file that is new, whatever day was asked for."""

    @dg.asset(
        key=bronze_key(contract),
        group_name=f"bronze_{contract.domain}",
        description=f"{contract.title}. {contract.description}",
        owners=[contract.owner_email],
        kinds={contract.format.reader, "deltalake"},
        tags={"cadence": contract.cadence, "criticality": contract.criticality},
        metadata={
            "dagster/column_schema": _columns(contract),
            "dagster/table_name": f"bronze.{contract.bronze}",
            "plateforme": contract.platform,
            "direction": contract.department,
            "fournisseur": contract.supplier,
            "base_legale": contract.legal.basis,
            "donnees_personnelles": contract.personal.categories if contract.personal else "aucune",
            "dossier": f"landing/{contract.id}/",
        },
        partitions_def=DAYS if contract.mode == "append" else None,
        backfill_policy=dg.BackfillPolicy.single_run() if contract.mode == "append" else None,
        retry_policy=policies.RETRY,
        freshness_policy=policies.freshness(contract),
        check_specs=_bronze_checks(contract),
    )
    def load_source(context: dg.AssetExecutionContext) -> Iterator[Any]:
        last_try = context.retry_number >= policies.RETRY.max_retries
        done = pipeline.ingest_source(contract, run_id=context.run.run_id, last_try=last_try, **_request(context))
        own = _own_days(context, contract)
        report = _file_report(contract, context.run.run_id, own)
        for day in report["days"]:
            if day not in own:
                rows = {"dagster/partition_row_count": report["rows_by_day"].get(day, 0)}
                context.log_event(dg.AssetMaterialization(bronze_key(contract), partition=day, metadata=rows))
        yield dg.MaterializeResult(
            asset_key=bronze_key(contract),
            metadata={
                "dagster/row_count": report["rows"],
                **({"dagster/partition_row_count": report["rows_by_day"].get(own[0], 0)} if len(own) == 1 else {}),
                "fichiers": done.files if done else 0,
                "lignes_lues": done.rows_read if done else 0,
                "lignes_chargees": done.rows_loaded if done else 0,
                "doublons": done.rows_duplicate if done else 0,
                "quarantaine": done.rows_quarantined if done else 0,
                "version_delta": table.version("bronze", contract.bronze) or 0,
            },
        )
        yield dg.AssetCheckResult(
            check_name=ACCEPTED,
            asset_key=bronze_key(contract),
            passed=done is not None and not report["held"],
            severity=dg.AssetCheckSeverity.WARN if done is not None else dg.AssetCheckSeverity.ERROR,
            description=None if done else "Chargement en échec : voir ops.failure",
            metadata={"fichiers mis de côté": dg.MetadataValue.md(_bullets(report["held"]))},
        )
        yield _on_time(contract, report["last"])

    return load_source


def _bronze_checks(contract: SourceContract) -> list[dg.AssetCheckSpec]:
    """Neither stops what follows: the other files, and the other sources, are good."""
    notes = {
        ACCEPTED: "Aucun fichier mis de côté",
        ON_TIME: f"Un fichier nouveau est arrivé depuis moins de {_span(contract.late_after)}",
    }
    return [dg.AssetCheckSpec(name, asset=bronze_key(contract), description=note) for name, note in notes.items()]


def _span(window: timedelta) -> str:
    hours = int(window.total_seconds() // 3600)
    return f"{hours} h" if hours < 72 else f"{hours // 24} jours"


def _on_time(contract: SourceContract, last: datetime | None) -> dg.AssetCheckResult:
    """Whether the supplier still delivers; the freshness policy only says that we still look."""
    return dg.AssetCheckResult(
        check_name=ON_TIME,
        asset_key=bronze_key(contract),
        passed=last is not None and datetime.now(UTC) - last <= contract.late_after,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "dernier fichier": dg.MetadataValue.timestamp(last) if last else "aucun",
            "à faire": f"Si le contrôle échoue, demander ses exports à {contract.supplier} ({contract.owner_email})",
        },
    )


def _own_days(context: dg.AssetExecutionContext, contract: SourceContract) -> Sequence[str]:
    """Days that the run was asked for: Dagster marks these itself."""
    asked = context.has_partition_key or context.has_partition_key_range
    return context.partition_keys if contract.mode == "append" and asked else ()


def _request(context: dg.AssetExecutionContext) -> dict[str, Any]:
    """Where to look and for which days, when the run was started from the command line."""
    asked = json.loads(context.run.tags.get("datanevers/request", "{}"))
    return pipeline.parse_request(asked)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "aucun"


@cache
def _reading() -> duckdb.DuckDBPyConnection:
    """One for all reports of a run: there are seventy, and opening takes longer than asking."""
    return engine.connect(attach=False)


def _file_report(contract: SourceContract, run_id: str, own_days: Sequence[str]) -> dict[str, Any]:
    """Rows in the table, UTC days this run loaded, rows of these and of `own_days`, files held back, last arrival."""
    with _reading().cursor() as con:
        engine.attach_table(con, "ops", "ingest_file")
        engine.attach_table(con, "bronze", contract.bronze)
        days = con.execute(
            "SELECT DISTINCT unnest(event_dates)::VARCHAR FROM ops.ingest_file "
            "WHERE bronze_table = ? AND run_id = ? ORDER BY 1",
            [contract.bronze, run_id],
        ).fetchall()
        held = con.execute(
            "SELECT file || ' : ' || reason FROM ops.ingest_file "
            "WHERE bronze_table = ? AND status = 'held' ORDER BY file LIMIT 50",
            [contract.bronze],
        ).fetchall()
        last = con.execute(
            "SELECT max(ingested_time) FROM ops.ingest_file WHERE bronze_table = ?", [contract.bronze]
        ).fetchone()
        rows = con.execute(f'SELECT count(*) FROM bronze."{contract.bronze}"').fetchone() or (0,)
        loaded = [d for (d,) in days]
        counted = sorted({*loaded, *own_days}) if contract.mode == "append" else []
        by_day = (
            con.execute(
                f"""SELECT event_date::VARCHAR, count(*) FROM bronze."{contract.bronze}"
            WHERE event_date IN (SELECT unnest(?::VARCHAR[])::DATE) GROUP BY 1""",
                [counted],
            ).fetchall()
            if counted
            else []
        )
    return {
        "days": loaded if contract.mode == "append" else [],
        "held": [h for (h,) in held],
        "rows": rows[0],
        "rows_by_day": dict(by_day),
        "last": last[0] if last else None,
    }


def _declared_spec(name: str, title: str) -> dg.AssetSpec:
    schema = declared_tables.tables()[name].schema
    columns = [dg.TableColumn(f.name, str(f.type), description=declared_tables.NOTES[f.name]) for f in schema]
    return dg.AssetSpec(
        ["bronze", name],
        group_name="bronze",
        description=title,
        owners=TEAM,
        kinds={"yaml", "deltalake"},
        metadata={"dagster/column_schema": dg.TableSchema(columns=columns), "dagster/table_name": f"bronze.{name}"},
    )


@dg.multi_asset(
    specs=[
        _declared_spec("territory__commune", "Communes du territoire, d'après territory.yml"),
        _declared_spec("contract__source", "Contrats de source, d'après ingestion/contracts"),
        _declared_spec("contract__datastream", "Grandeurs mesurées, d'après ingestion/contracts"),
        _declared_spec("card__dataset", "Jeux de données publiés, d'après publication/datasets"),
    ],
    can_subset=True,
    name="declarations",
)
def declared(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Our own declarations, as tables that models can join."""
    sizes = {name: data.num_rows for name, data in declared_tables.tables().items()}
    declared_tables.write()
    for key in context.selected_asset_keys:
        yield dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": sizes[key.path[-1]]})


def ops_specs() -> list[dg.AssetSpec]:
    """What the platform did, as far as models read it: written by every step, so no step's own asset."""
    schemas = ops.schemas()
    return [
        dg.AssetSpec(
            ["ops", name],
            group_name="ops",
            description=description,
            owners=TEAM,
            kinds={"deltalake"},
            metadata={
                "dagster/column_schema": dg.TableSchema(
                    columns=[
                        dg.TableColumn(f.name, str(f.type), description=declared_tables.OPS_NOTES[f.name])
                        for f in schemas[name]
                    ]
                ),
                "dagster/table_name": f"ops.{name}",
            },
        )
        for name, description in declared_tables.OPS.items()
    ]


# dbt --------------------------------------------------------------------------------------------------------------


class Translator(DagsterDbtTranslator):
    """Names and groups of dbt models, as they are in the lake."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`<schema>/<table>`."""
        props = dbt_resource_props
        if props["resource_type"] == "source":
            return dg.AssetKey([props["source_name"], props["identifier"]])
        return dg.AssetKey([props["schema"], props["alias"] if "alias" in props else props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder of the model: staging, conformed, marts or opendata."""
        fqn = dbt_resource_props["fqn"]
        return str(fqn[1]) if len(fqn) > 2 else "reference"  # project, folder, model

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """One team makes the conformed model."""
        del dbt_resource_props
        return TEAM

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The model's own words; its SQL is in the file that the metadata names."""
        return str(dbt_resource_props.get("description") or "")

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Columns, the table's name in the lake, and where to edit."""
        return {
            **super().get_metadata(dbt_resource_props),
            "dagster/table_name": ".".join(self.get_asset_key(dbt_resource_props).path),
            "fichier": f"{pipeline.DBT_PROJECT.name}/{dbt_resource_props['original_file_path']}",
        }

    def get_asset_check_spec(self, *args: Any, **kwargs: Any) -> dg.AssetCheckSpec | None:
        """One check for all tests of a model: Dagster writes each check of each run to its log, at 20 ms a piece.

        Never blocking: dbt keeps the last good version of a model that fails, and the others go on.
        """
        spec = super().get_asset_check_spec(*args, **kwargs)
        return dg.AssetCheckSpec(TESTS, asset=spec.asset_key, description="Règles dbt du modèle") if spec else None


@cache
def manifest() -> dict[str, Any]:
    """The project as dbt parsed it."""
    content: dict[str, Any] = json.loads(pipeline.manifest_path().read_text(encoding="utf-8"))
    return content


def dbt_models() -> dg.AssetsDefinition:
    """All dbt models as one step: dbt knows its own order, and one invocation is far cheaper than thirty."""
    translator = Translator()

    @dbt_assets(manifest=manifest(), dagster_dbt_translator=translator, name="dbt_build")
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        nodes = {n["name"]: n for n in manifest()["nodes"].values()}
        made = {name: n for name, n in nodes.items() if n["resource_type"] in ("model", "seed")}
        keys = {name: translator.get_asset_key(n) for name, n in made.items()}
        wanted = [name for name in _in_order(nodes) if keys.get(name) in context.selected_asset_keys]
        everything = set(wanted) == {n for n, k in keys.items() if k in _all_keys(context)}
        with pipeline.building():
            result = pipeline.build(run_id=context.run.run_id, select=() if everything else wanted)
        rows = _row_counts(nodes, [name for name in wanted if name in result.models])
        for name in wanted:
            yield dg.MaterializeResult(
                asset_key=keys[name],
                metadata={
                    "resultat": _outcome(result, name),
                    "duree_s": round(result.seconds.get(name, 0.0), 2),
                    **({"dagster/row_count": rows[name]} if name in rows else {}),
                },
            )
        yield from _test_results(context, result, nodes, keys)

    return models


def _outcome(result: pipeline.BuildResult, model: str) -> str:
    status = result.models.get(model, "skipped" if result.broken else "unchanged")
    words = {"success": "construit", "unchanged": "inchangé : rien de nouveau en amont"}
    return words.get(status, f"{status} : dernière bonne version conservée")


def _row_counts(nodes: Mapping[str, Any], names: Sequence[str]) -> dict[str, int]:
    """Rows of the tables that a build made current; those of open data wait for their audit."""
    delta = [n for n in names if nodes[n]["config"]["materialized"] == "delta"]
    made = [n for n in delta if "awaits_audit" not in nodes[n]["tags"]]
    with engine.connect(attach=False) as con:
        counts = {}
        for name in made:
            layer = nodes[name]["schema"]
            if table.exists(layer, name):
                engine.attach_table(con, layer, name)
                counts[name] = (con.execute(f'SELECT count(*) FROM {layer}."{name}"').fetchone() or (0,))[0]
    return counts


def _in_order(nodes: Mapping[str, Any]) -> list[str]:
    """Node names, each after those it reads: Dagster wants results in that order."""
    name_of = {n["unique_id"]: name for name, n in nodes.items()}
    reads = {name: [name_of[i] for i in n["depends_on"].get("nodes", []) if i in name_of] for name, n in nodes.items()}
    return list(TopologicalSorter(reads).static_order())


def _all_keys(context: dg.AssetExecutionContext) -> set[dg.AssetKey]:
    return set(context.assets_def.keys_by_output_name.values())


def _test_results(
    context: dg.AssetExecutionContext,
    result: pipeline.BuildResult,
    nodes: Mapping[str, Any],
    keys: Mapping[str, dg.AssetKey],
) -> Iterator[dg.AssetCheckResult]:
    """One check per model that was tested; one whose inputs did not change was not, and keeps its last result."""
    by_id = {n["unique_id"]: n for n in nodes.values()}
    tests: dict[str, list[str]] = {}
    for name, node in nodes.items():
        attached = by_id.get(node.get("attached_node") or "")
        if node["resource_type"] == "test" and attached is not None and name in result.tests:
            tests.setdefault(attached["name"], []).append(name)
    for model, names in tests.items():
        if dg.AssetCheckKey(keys[model], TESTS) in context.selected_asset_check_keys:
            yield _tests_result(keys[model], result, names)


def _tests_result(key: dg.AssetKey, result: pipeline.BuildResult, names: Sequence[str]) -> dg.AssetCheckResult:
    bad = [name for name in names if result.tests[name] not in ("pass", "success")]
    only_warned = all(result.tests[name] == "warn" for name in bad)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=TESTS,
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN if only_warned else dg.AssetCheckSeverity.ERROR,
        metadata={
            "règles": len(names),
            "écarts": dg.MetadataValue.md(
                _bullets([f"{name} ({result.tests[name]}) : {result.messages.get(name, '')}" for name in bad])
            ),
        },
    )


# publication --------------------------------------------------------------------------------------------------------


def dataset_key(card: Card) -> dg.AssetKey:
    """Asset key of a published dataset."""
    return dg.AssetKey(["publication", card.id])


def _dataset_spec(card: Card) -> dg.AssetSpec:
    standard = load_standard(card.standard)
    fields = [
        dg.TableColumn(
            name=f.name if len(standard.tables) == 1 else f"{t.name}.{f.name}", type=f.type, description=f.description
        )
        for t in standard.tables
        for f in t.fields
    ]
    return dg.AssetSpec(
        dataset_key(card),
        deps=[dg.AssetKey(["gold", t.model]) for t in card.tables],
        group_name="publication",
        description=f"{card.title}. {card.description}",
        owners=TEAM,
        kinds={"greatexpectations", "csv", "parquet"},
        metadata={
            "dagster/column_schema": dg.TableSchema(columns=fields),
            "standard": f"{standard.id} {standard.version}",
            "direction": card.owner,
        },
    )


def publication_assets() -> dg.AssetsDefinition:
    """Audit, promote and publish, in one step: what fails its audit never becomes current."""
    cards = load_cards()

    @dg.multi_asset(
        name="publication",
        specs=[_dataset_spec(c) for c in cards],
        check_specs=[
            dg.AssetCheckSpec("audit", asset=dataset_key(c), blocking=True, description="Suite Great Expectations")
            for c in cards
        ],
        can_subset=True,
    )
    def publish(context: dg.AssetExecutionContext) -> Iterator[Any]:
        wanted = [c for c in cards if dataset_key(c) in context.selected_asset_keys]
        with pipeline.building():
            verdicts = pipeline.audit(run_id=context.run.run_id, datasets=[c.id for c in wanted])
            report = pipeline.publish(verdicts, run_id=context.run.run_id)
        outcomes = {o.dataset: o for o in report.outcomes}
        for card in wanted:
            outcome = outcomes[card.id]
            if outcome.result in ("published", "unchanged"):
                yield dg.MaterializeResult(
                    asset_key=dataset_key(card),
                    metadata={
                        "dagster/row_count": sum(verdicts[card.id].rows.values()),
                        "resultat": {"published": "publié", "unchanged": "inchangé"}[outcome.result],
                        "version": outcome.version or 0,
                        "page": dg.MetadataValue.path(publication_dir() / "datasets" / card.id / "index.html"),
                    },
                )
        for card in wanted:
            yield _audit_result(card, verdicts)
        _raise_troubles(context.run.run_id, [c.id for c in wanted if outcomes[c.id].result in ("held", "absent")])

    return publish


def _raise_troubles(run_id: str, held: Sequence[str]) -> None:
    """Fail the run, in words, for what was held back or failed; the rest is published by now."""
    troubles = [f"{step} {subject} : {why}" for step, subject, why in pipeline.failures(run_id)]
    if held or troubles:
        parts = [f"mis de côté par leur audit : {', '.join(held)} (voir leur contrôle « audit »)"] if held else []
        parts += [f"{len(troubles)} échec(s) : {'; '.join(troubles)}"[:500]] if troubles else []
        raise dg.Failure(
            f"{'. '.join(parts)}. Le reste est publié, et chaque dernière bonne version conservée.",
            metadata={"échecs": dg.MetadataValue.md(_bullets(troubles))},
            allow_retries=False,
        )


def _audit_result(card: Card, verdicts: Mapping[str, Any]) -> dg.AssetCheckResult:
    verdict = verdicts.get(card.id)
    lines = [c.message for c in verdict.failures] if verdict else ["tables absentes : le modèle n'a pas été construit"]
    return dg.AssetCheckResult(
        asset_key=dataset_key(card),
        check_name="audit",
        passed=verdict is not None and verdict.status == "passed",
        severity=dg.AssetCheckSeverity.WARN
        if verdict is not None and verdict.status == "warned"
        else dg.AssetCheckSeverity.ERROR,
        description=" ".join(lines) or None,
        metadata={
            "verdict": verdict.status if verdict else "absent",
            "lignes": sum(verdict.rows.values()) if verdict else 0,
            "écarts": dg.MetadataValue.md(_bullets(lines)),
        },
    )
