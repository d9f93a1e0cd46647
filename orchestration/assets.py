"""Dagster assets: one per bronze table, dbt model and published dataset.

Belongs here: turning contracts, dbt's manifest and dataset cards into assets, and calling pipeline.py. Does not: the
work itself.

Every step yields what it could do and goes on; what failed is in ops.failure, shown as a failed check, and the last
step fails the run for it. A source, model or dataset in trouble thus never keeps the others from being published.
"""


import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets

from ingestion import declarations
from ingestion.contract import SourceContract, load_contracts
from lake import engine, table
from orchestration import pipeline, policies
from publication.card import Card, load_cards
from quality.standard import load_standard

# A partition is a UTC day of events. A day, never a quarter of an hour: the UI slows beyond some 10 000 partitions.
DAYS = dg.DailyPartitionsDefinition(start_date="2015-01-01")
LOADED = "fichiers_acceptes"


def bronze_key(contract: SourceContract) -> dg.AssetKey:
    """Asset key of a source's table."""
    return dg.AssetKey(["bronze", contract.bronze])


def _owner(email: str) -> list[str]:
    return [email]


def _columns(contract: SourceContract) -> dg.TableSchema:
    notes = {c.name: c for c in contract.columns}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=_column_note(notes[field.name].description, notes[field.name].unit)
                if field.name in notes
                else "Trace",
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
        group_name="bronze",
        description=f"{contract.title}. {contract.description}",
        owners=_owner(contract.owner_email),
        kinds={contract.format.reader, "deltalake"},
        tags={"cadence": contract.cadence, "criticality": contract.criticality},
        metadata={
            "dagster/column_schema": _columns(contract),
            "plateforme": contract.platform,
            "direction": contract.department,
            "fournisseur": contract.supplier,
            "base_legale": contract.legal.basis,
            "dossier": f"landing/{contract.id}/",
        },
        partitions_def=DAYS if contract.mode == "append" else None,
        backfill_policy=dg.BackfillPolicy.single_run() if contract.mode == "append" else None,
        retry_policy=policies.RETRY,
        freshness_policy=policies.freshness(contract),
        check_specs=[dg.AssetCheckSpec(LOADED, asset=bronze_key(contract), description="Aucun fichier mis de côté")],
    )
    def load_source(context: dg.AssetExecutionContext) -> Iterator[Any]:
        done = pipeline.ingest_source(contract, run_id=context.run_id, **_request(context))
        report = _file_report(contract, context.run_id)
        if contract.mode == "append" and not context.has_partition_key_range:
            for day in report["days"]:
                context.log_event(dg.AssetMaterialization(bronze_key(contract), partition=day))
        yield dg.MaterializeResult(
            asset_key=bronze_key(contract),
            metadata={
                "dagster/row_count": report["rows"],
                "fichiers": done.files if done else 0,
                "lignes_lues": done.rows_read if done else 0,
                "lignes_chargees": done.rows_loaded if done else 0,
                "doublons": done.rows_duplicate if done else 0,
                "quarantaine": done.rows_quarantined if done else 0,
                "version_delta": table.version("bronze", contract.bronze) or 0,
            },
        )
        yield dg.AssetCheckResult(
            check_name=LOADED,
            asset_key=bronze_key(contract),
            passed=done is not None and not report["held"],
            severity=dg.AssetCheckSeverity.WARN if done is not None else dg.AssetCheckSeverity.ERROR,
            metadata={"fichiers mis de côté": dg.MetadataValue.md(_bullets(report["held"]))},
        )

    return load_source


def _request(context: dg.AssetExecutionContext) -> dict[str, Any]:
    """Where to look and for which days, when the run was started from the command line."""
    asked = json.loads(context.run.tags.get("datanevers/request", "{}"))
    return pipeline.parse_request(asked)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "aucun"


def _file_report(contract: SourceContract, run_id: str) -> dict[str, Any]:
    """Rows in the table, UTC days this run loaded, and the files now held back with their reason."""
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", "ingest_file")
        engine.attach_table(con, "bronze", contract.bronze)
        days = con.execute(
            "SELECT DISTINCT unnest(event_dates)::VARCHAR FROM ops.ingest_file WHERE source = ? AND run_id = ? ORDER BY 1",
            [contract.id, run_id],
        ).fetchall()
        held = con.execute(
            "SELECT file || ' : ' || reason FROM ops.ingest_file WHERE source = ? AND status = 'held' ORDER BY file LIMIT 50",
            [contract.id],
        ).fetchall()
        rows = con.execute(f'SELECT count(*) FROM bronze."{contract.bronze}"').fetchone() or (0,)
    return {"days": [d for (d,) in days], "held": [h for (h,) in held], "rows": rows[0]}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(["bronze", name], group_name="bronze", kinds={"yaml", "deltalake"}, description=text)
        for name, text in {
            "territory__commune": "Communes du territoire, d'après territory.yml",
            "contract__source": "Contrats de source, d'après ingestion/contracts",
        }.items()
    ],
    can_subset=True,
    name="declarations",
)
def declared(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Our own declarations, as tables that models can join."""
    declarations.write()
    for key in context.selected_asset_keys:
        yield dg.MaterializeResult(asset_key=key)


# dbt --------------------------------------------------------------------------------------------------------------


class Translator(DagsterDbtTranslator):
    """Names and groups of dbt models, as they are in the lake."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`<schema>/<table>`."""
        props = dbt_resource_props
        if props["resource_type"] == "source":
            return dg.AssetKey([props["source_name"], props["name"]])
        return dg.AssetKey([props["schema"], props["alias"] if "alias" in props else props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder of the model: staging, conformed, marts or opendata."""
        fqn = dbt_resource_props["fqn"]
        return str(fqn[1]) if len(fqn) > 2 else "reference"  # noqa: PLR2004 - project, folder, model

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """One team makes the conformed model."""
        del dbt_resource_props
        return ["team:donnees"]


@cache
def manifest() -> dict[str, Any]:
    """dbt's parsed project."""
    content: dict[str, Any] = json.loads(pipeline.manifest_path().read_text(encoding="utf-8"))
    return content


def dbt_models() -> dg.AssetsDefinition:
    """All dbt models as one step: dbt knows its own order, and one invocation is far cheaper than thirty."""
    translator = Translator()

    @dbt_assets(manifest=manifest(), dagster_dbt_translator=translator, name="dbt_build")
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        nodes = {n["name"]: n for n in manifest()["nodes"].values()}
        keys = {name: translator.get_asset_key(n) for name, n in nodes.items() if n["resource_type"] in ("model", "seed")}
        wanted = [name for name in _in_order(nodes) if keys.get(name) in context.selected_asset_keys]
        everything = set(wanted) == {n for n, k in keys.items() if k in _all_keys(context)}
        with pipeline.building():
            result = pipeline.build(run_id=context.run_id, select=() if everything else wanted)
        for name in wanted:
            status = result.models.get(name, "skipped")
            yield dg.MaterializeResult(
                asset_key=keys[name],
                metadata={
                    "resultat": "construit" if status == "success" else f"{status} : dernière bonne version conservée",
                    "duree_s": result.seconds.get(name, 0.0),
                },
            )
        yield from _test_results(context, result, nodes, keys)

    return models


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
    by_id = {n["unique_id"]: n for n in nodes.values()}
    for name, node in nodes.items():
        attached = by_id.get(node.get("attached_node") or "")
        if node["resource_type"] != "test" or attached is None:
            continue
        if dg.AssetCheckKey(keys[attached["name"]], name) not in context.selected_asset_check_keys:
            continue
        status = result.tests.get(name, "skipped")
        yield dg.AssetCheckResult(
            asset_key=keys[attached["name"]],
            check_name=name,
            passed=status in ("pass", "success"),
            severity=dg.AssetCheckSeverity.WARN if status == "warn" else dg.AssetCheckSeverity.ERROR,
            metadata={"statut": status, "message": result.messages.get(name, "")},
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
        owners=["team:donnees"],
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
            verdicts = pipeline.audit(run_id=context.run_id, datasets=[c.id for c in wanted])
            report = pipeline.publish(verdicts, run_id=context.run_id)
        outcomes = {o.dataset: o for o in report.outcomes}
        for card in wanted:
            outcome = outcomes[card.id]
            if outcome.result in ("published", "unchanged"):
                yield dg.MaterializeResult(
                    asset_key=dataset_key(card), metadata={"resultat": outcome.result, "version": outcome.version or 0}
                )
        for card in wanted:
            yield _audit_result(card, verdicts)
        if troubles := pipeline.failures(context.run_id):
            raise dg.Failure(
                "des étapes ont échoué, le reste est publié",
                metadata={"échecs": dg.MetadataValue.md(_bullets([f"{s} {subject} : {why}" for s, subject, why in troubles]))},
                allow_retries=False,
            )

    return publish


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
        metadata={
            "verdict": verdict.status if verdict else "absent",
            "lignes": sum(verdict.rows.values()) if verdict else 0,
            "écarts": dg.MetadataValue.md(_bullets(lines)),
        },
    )
