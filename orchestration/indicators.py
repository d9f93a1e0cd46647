"""The programme's own indicators: what the platform has gathered so far, computed when asked for.

Belongs here: the indicators, their words and their SQL over contracts, ledger, silver and publication. Does not: the
indicators of a public service (marts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lake import engine, table

# A gateway, or a sensor, is active when it was heard in the last week of what the lake holds.
ACTIVE_DAYS = 7


@dataclass(frozen=True)
class Indicator:
    """One figure: its code, words, unit, the tables it needs, and the query that gives it."""

    code: str
    title: str
    unit: str
    needs: tuple[str, ...]
    sql: str


INDICATORS = (
    Indicator(
        "platforms_declared", "Plateformes déclarées", "plateformes", ("silver.platform",),
        "SELECT count(DISTINCT platform) FROM silver.platform",
    ),
    Indicator(
        "platforms_integrated", "Plateformes dont des données sont chargées", "plateformes",
        ("silver.platform", "ops.ingest_file"),
        """SELECT count(DISTINCT p.platform) FROM silver.platform AS p
        SEMI JOIN (SELECT source FROM ops.ingest_file WHERE rows_loaded > 0) AS f ON p.source_id = f.source""",
    ),
    Indicator(
        "platforms_shut_down", "Plateformes remplacées, contrat terminé", "plateformes", ("silver.platform",),
        """SELECT count(*) FROM (SELECT platform FROM silver.platform GROUP BY platform
        HAVING bool_and(integration = 'replace' AND coalesce(contract_end_date < current_date, false)))""",
    ),
    Indicator(
        "platform_cost", "Coût annuel des plateformes en service", "EUR/an", ("silver.platform",),
        """SELECT coalesce(sum(cost_eur_year), 0) FROM silver.platform
        WHERE integration <> 'replace' OR contract_end_date IS NULL OR contract_end_date >= current_date""",
    ),
    Indicator(
        "sensors_connected", "Capteurs et appareils observés", "appareils", ("silver.datastream",),
        "SELECT count(DISTINCT thing_id) FROM silver.datastream",
    ),
    Indicator(
        "gateways_active", f"Passerelles LoRaWAN entendues sur {ACTIVE_DAYS} jours", "passerelles",
        ("bronze.lorawan_uplinks__uplink",),
        f"""SELECT count(DISTINCT g.gateway_id) FROM (
            SELECT unnest(gateways) AS g FROM bronze.lorawan_uplinks__uplink
            WHERE event_date > (SELECT max(event_date) FROM bronze.lorawan_uplinks__uplink) - {ACTIVE_DAYS})""",
    ),
    Indicator(
        "rows_kept", "Lignes chargées", "lignes", ("ops.ingest_file",),
        "SELECT coalesce(sum(rows_loaded), 0)::BIGINT FROM ops.ingest_file",
    ),
    Indicator(
        "bytes_received", "Octets reçus et tracés", "octets", ("ops.ingest_file",),
        "SELECT coalesce(sum(bytes), 0)::BIGINT FROM ops.ingest_file",
    ),
    Indicator(
        "datasets_published", "Jeux de données publiés", "jeux", ("ops.publication",),
        "SELECT count(DISTINCT dataset) FROM ops.publication",
    ),
)  # fmt: skip


def values() -> list[dict[str, Any]]:
    """Every indicator with its value; 0 where the tables it counts do not exist yet."""
    with engine.connect(attach=False) as con:
        found = []
        for one in INDICATORS:
            there = all(_attached(con, name) for name in one.needs)
            value = con.execute(one.sql).fetchall()[0][0] if there else 0
            found.append({"code": one.code, "title": one.title, "value": value, "unit": one.unit})
        found.append(_bytes_kept())
        return found


def _attached(con: Any, name: str) -> bool:
    layer, of = name.split(".")
    if table.exists(layer, of):
        engine.attach_table(con, layer, of)
        return True
    return False


def _bytes_kept() -> dict[str, Any]:
    from lake.home import LAYERS

    kept = sum(table.size(layer, name) for layer in LAYERS for name in table.tables(layer))
    return {"code": "bytes_kept", "title": "Octets gardés dans le lac", "value": kept, "unit": "octets"}
