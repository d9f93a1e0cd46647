"""The command line, `datanevers`.

Belongs here: arguments, printing, exit codes (0 done, 1 failed, 2 usage). Does not: the work (pipeline.py, runs.py).
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lake.home import data_docs_dir, home, landing_dir, publication_dir
from orchestration import pipeline, progress

if TYPE_CHECKING:
    from orchestration.runs import RunReport, Step

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="DataNevers : des exports bruts aux données ouvertes contrôlées.",
)

SCREENFUL = 20  # lines of a list before the rest is only counted

AsJson = Annotated[bool, typer.Option("--json", help="Un document JSON sur la sortie standard.")]
Strict = Annotated[bool, typer.Option("--strict", help="Code 1 si un fichier ou un jeu de données est mis de côté.")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="Identifiant de source (répétable) ; toutes sinon.")
]
Landing = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, resolve_path=True, help="Dossier de dépôt, un sous-dossier par source."),
]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
From = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Fichiers datés à partir de.")]
To = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Fichiers datés jusqu'à.")]


def _emit(document: Any) -> None:
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write("\n")


def _table(title: str, rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    numeric = {key for key in columns if rows and all(isinstance(r.get(key), int) for r in rows)}
    for key, label in columns.items():
        drawn.add_column(escape(label), justify="right" if key in numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(_cell(row.get(key))) for key in columns))  # a unit such as [ppm] is no markup
    Console().print(drawn)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else str(value)


def _say(text: str) -> None:
    typer.echo(text)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(file_okay=False, resolve_path=True, help="Dossier à écrire.")],
    seed: Annotated[int, typer.Option(help="Graine : mêmes arguments, mêmes octets.")] = 58,
    start: Day = datetime(2026, 10, 5),  # noqa: DTZ001 - a calendar day; this one holds an October clock change
    days: Annotated[int, typer.Option(min=1)] = 35,
    scale: Annotated[float, typer.Option(min=0.01, help="Facteur sur le nombre d'appareils.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Écrire les exports bruts d'un territoire entier, avec leur vérité sous _truth/."""
    from simulation import simulate as write

    first = (start or datetime(2026, 10, 5)).date()  # noqa: DTZ001
    with progress.shown():
        write(
            out,
            seed=seed,
            start=first,
            days=days,
            scale=scale,
            progress=lambda name: progress.tell(f"simulation {name}"),
        )
    files = [p for p in out.rglob("*") if p.is_file()]
    if as_json:
        _emit({"out": str(out), "files": len(files), "bytes": sum(p.stat().st_size for p in files)})
    else:
        _say(f"Territoire simulé : {len(files)} fichiers sous {out}")


def _step(
    step: Step,
    *,
    landing: Path | None = None,
    sources: list[str] | None = None,
    days: tuple[datetime | None, datetime | None] = (None, None),
    strict: bool = False,
    as_json: bool = False,
) -> None:
    """Run one command's assets, print what it did, and leave with its code."""
    try:
        contracts = pipeline.chosen(sources)
    except LookupError as error:
        raise typer.BadParameter(str(error), param_hint="--source") from error
    bounds: tuple[date | None, date | None] = (days[0].date() if days[0] else None, days[1].date() if days[1] else None)
    idle = step == "run" and pipeline.nothing_new(landing, contracts)
    from orchestration.runs import execute, report_of

    if idle:
        report = report_of(None)
    else:
        request = pipeline.make_request(landing, bounds, sources or ())
        with progress.shown():
            report = execute(
                step, tags={"datanevers/request": json.dumps(request)} if request else {}, sources=sources or ()
            )
    if as_json:
        _emit(report.as_dict())
    else:
        _print(report, step)
    if report.failures or (strict and report.held_back):
        raise typer.Exit(1)


def _print(report: RunReport, step: Step) -> None:
    if not report.changed:
        _say("Rien de nouveau : aucun fichier, aucune déclaration, aucun modèle n'a changé.")
    if report.sources:
        labels = {"source": "source", "files": "fichiers", "held": "mis de côté", "rows_read": "lues"}
        labels |= {"rows_loaded": "chargées", "rows_duplicate": "doublons", "rows_quarantined": "quarantaine"}
        _table("Lignes reçues", report.sources, labels)
    for held in report.held_files[:SCREENFUL]:
        _say(f"  mis de côté : {held['source']}/{held['file']} : {held['reason']}")
    if (more := len(report.held_files) - SCREENFUL) > 0:
        _say(f'  … et {more} autres : datanevers query "SELECT * FROM ops.quarantine"')
    if step in ("run", "audit", "publish"):
        _print_datasets(report)
        _say(f"  contrôles en détail : {data_docs_dir() / 'index.html'}")
    for failure in report.failures:
        _say(f"ÉCHEC {failure['step']} {failure['subject']} : {failure['reason']}")
    if step == "run":
        _say(f"\nÀ lire : {publication_dir() / 'index.html'}   (make serve ; tableau de bord des exécutions : make ui)")


def _print_datasets(report: RunReport) -> None:
    columns = {"id": "jeu de données", "verdict": "verdict", "published_version": "version", "rows": "lignes"}
    _table("\nDonnées ouvertes", report.datasets, columns)
    for dataset in report.datasets:
        for reason in dataset["reasons"][:3]:
            _say(f"  {dataset['id']} : {reason}")
    for dataset in report.datasets:
        for file in dataset["files"]:
            _say(f"  {publication_dir() / file}")


@app.command()
def run(
    landing: Landing = None,
    source: Sources = None,
    from_: From = None,
    to: To = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Tout ce qui est nouveau, du dépôt à la publication ; sans rien de nouveau, ne change rien et le dit."""
    _step("run", landing=landing, sources=source, days=(from_, to), strict=strict, as_json=as_json)


@app.command()
def ingest(
    landing: Landing = None,
    source: Sources = None,
    from_: From = None,
    to: To = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Charger les fichiers nouveaux dans les tables bronze."""
    _step("ingest", landing=landing, sources=source, days=(from_, to), strict=strict, as_json=as_json)


@app.command()
def collect(
    way: Annotated[
        str | None, typer.Argument(help="`mqtt` : écouter jusqu'à l'arrêt ; rien : demander une fois.")
    ] = None,
    source: Sources = None,
    landing: Landing = None,
    as_json: AsJson = False,
) -> None:
    """Aller chercher les données des plateformes (HTTP, SQL, SFTP), ou écouter leurs messages (mqtt)."""
    from orchestration import collect as platforms

    if way not in (None, "mqtt"):
        raise typer.BadParameter(f"« {way} » : rien, ou mqtt", param_hint="WAY")
    try:
        if way == "mqtt":
            problems = platforms.listen(sources=source, landing=landing)
            for problem in problems:
                typer.echo(problem, err=True)
            raise typer.Exit(1 if problems else 0)
        with progress.shown():
            fetched = platforms.collect_all(sources=source, landing=landing)
    except LookupError as error:
        raise typer.BadParameter(str(error), param_hint="--source") from error
    rows = [platforms.summary(f) for f in fetched]
    columns = {"source": "source", "kind": "moyen", "files": "fichiers", "bytes": "octets", "note": "remarque"}
    _emit(rows) if as_json else _table("Collecte", rows, columns)
    if any(f.failures for f in fetched):
        raise typer.Exit(1)


@app.command()
def build(as_json: AsJson = False) -> None:
    """Construire les tables silver et gold avec dbt."""
    _step("build", as_json=as_json)


@app.command()
def audit(strict: Strict = False, as_json: AsJson = False) -> None:
    """Contrôler les jeux de données candidats, et retenir ceux qui passent."""
    _step("audit", strict=strict, as_json=as_json)


@app.command()
def publish(strict: Strict = False, as_json: AsJson = False) -> None:
    """Contrôler puis publier."""
    _step("publish", strict=strict, as_json=as_json)


@app.command()
def prepare() -> None:
    """Préparer ce que l'interface Dagster attend (réglages, projet dbt analysé)."""
    pipeline.prepare()


@app.command()
def tables(as_json: AsJson = False) -> None:
    """Les tables du lac : couche, version, lignes, octets."""
    from lake.engine import connect
    from lake.home import LAYERS
    from lake.table import size, version
    from lake.table import tables as names

    found = []
    with connect() as con:
        for layer in LAYERS:
            for name in names(layer):
                count = (con.execute(f'SELECT count(*) FROM {layer}."{name}"').fetchone() or (0,))[0]
                found.append(
                    {
                        "layer": layer,
                        "name": name,
                        "version": version(layer, name),
                        "rows": count,
                        "bytes": size(layer, name),
                    }
                )
    columns = {"layer": "couche", "name": "table", "version": "version", "rows": "lignes", "bytes": "octets"}
    _emit(found) if as_json else _table("Tables du lac", found, columns)


@app.command()
def sources(as_json: AsJson = False) -> None:
    """Les sources déclarées : plateforme, direction, format, lignes chargées."""
    from ingestion.contract import SourceContract, load_contracts
    from lake import engine, table

    loaded: dict[str, int] = {}
    if table.exists("ops", "ingest_file"):
        with engine.connect(attach=False) as con:
            engine.attach_table(con, "ops", "ingest_file")
            loaded = dict(
                con.execute("SELECT source, sum(rows_loaded)::BIGINT FROM ops.ingest_file GROUP BY source").fetchall()
            )
    tables: dict[str, list[SourceContract]] = {}
    for c in load_contracts():
        tables.setdefault(c.id, []).append(c)
    found = [
        {
            "id": source,
            "platform": of[0].platform,
            "department": of[0].department,
            "format": ", ".join(dict.fromkeys(reader for c in of for reader in c.readers)),
            "tables": [c.bronze for c in of],
            "rows_loaded": loaded.get(source, 0),
        }
        for source, of in tables.items()
    ]
    columns = {"id": "source", "platform": "plateforme", "department": "direction", "format": "format"}
    _emit(found) if as_json else _table("Sources", found, columns | {"rows_loaded": "lignes chargées"})


@app.command()
def indicators(as_json: AsJson = False) -> None:
    """Les indicateurs du programme : plateformes, capteurs, passerelles, lignes, octets, jeux publiés."""
    from orchestration.indicators import values

    found = values()
    columns = {"title": "indicateur", "value": "valeur", "unit": "unité"}
    _emit(found) if as_json else _table("Indicateurs du programme", found, columns)


@app.command()
def new_source(
    source: Annotated[str, typer.Argument(help="Identifiant de la source, par exemple noise_meters.")],
    sample: Annotated[Path, typer.Option(exists=True, dir_okay=False, resolve_path=True, help="Un fichier tel quel.")],
    domain: Annotated[str, typer.Option(help="Dossier du contrat : water, energy, mobility, iot, territory…")],
    table: Annotated[str, typer.Option(help="Nom de la table.")] = "record",
) -> None:
    """Proposer contrat, exemple et modèle de préparation d'une nouvelle source, d'après un de ses fichiers."""
    from ingestion.scaffold import SampleError, scaffold
    from lake.home import ROOT
    from orchestration import generate

    try:
        written = scaffold(source, sample, domain=domain, table=table, root=ROOT)
    except SampleError as error:
        raise typer.BadParameter(str(error), param_hint="--sample") from error
    for path in [*written, *generate.refresh()]:
        _say(f"écrit : {path.relative_to(ROOT)}")
    _say(
        "À faire : relire la clé et les unités, remplacer chaque « À COMPLÉTER », vérifier que l'exemple ne contient "
        f"aucune donnée personnelle, puis déposer des fichiers dans landing/{source}/ et lancer datanevers run."
    )


@app.command()
def datasets(as_json: AsJson = False) -> None:
    """Les jeux de données : norme, verdict, version publiée, lignes."""
    from orchestration.runs import datasets as listed

    found = listed()
    columns = {"id": "jeu de données", "standard": "norme", "verdict": "verdict"}
    columns |= {"published_version": "version", "rows": "lignes"}
    _emit(found) if as_json else _table("Jeux de données", found, columns)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="SQL en lecture seule ; les tables se nomment couche.table.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV sur la sortie standard.")] = False,
    as_json: AsJson = False,
) -> None:
    """Interroger le lac en lecture seule."""
    import duckdb

    from lake.engine import connect_read_only, select
    from orchestration.runs import rows

    with connect_read_only() as con:
        try:
            cursor = select(con, sql)
        except duckdb.Error as error:
            typer.echo(f"requête refusée : {error}", err=True)
            raise typer.Exit(1) from error
        if as_csv:
            _write_csv(cursor)
        elif as_json:
            _emit(rows(cursor))
        else:
            found = rows(cursor)
            _table("", found, {k: k for k in (found[0] if found else {})})


def _write_csv(cursor: Any) -> None:
    import pyarrow.csv as pacsv

    out = sys.stdout.buffer
    reader = cursor.to_arrow_reader(50_000)
    with pacsv.CSVWriter(out, reader.schema, write_options=pacsv.WriteOptions(quoting_style="needed")) as writer:
        for batch in reader:
            writer.write_batch(batch)


@app.command()
def serve(port: Annotated[int, typer.Option(min=1, max=65535)] = 8000) -> None:
    """Servir l'arborescence publiée."""
    from publication.serve import serve as start

    start(port)


def main() -> None:
    """Entry point: an unexpected error is one line on stderr and code 1; the whole story is in ops.failure."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the end of the process: whatever it is, a person has to be told
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        typer.echo(f"datanevers : {line}", err=True)
        _note_failure(error)
        sys.exit(1)


def _note_failure(error: Exception) -> None:
    import traceback
    from contextlib import suppress

    if landing_dir().parent.is_dir():
        run_id = f"command-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        story = "".join(traceback.format_exception(error))
        with suppress(Exception):  # it may be the lake itself that is broken, and the person has been told
            pipeline.fail(run_id, "command", " ".join(sys.argv[1:3]), story[-4000:])


__all__ = ["app", "home", "main"]

if __name__ == "__main__":
    main()
