"""Publishing: audited gold tables in, the public tree out, in one atomic step.

Belongs here: what becomes of each dataset, its version and dates, and the record in ops.publication. Does not: the form
of files (export.py), what documents say (package.py, catalog.py, pages.py), the swap itself (tree.py).

A dataset whose newest audit failed, or that cannot be exported, keeps its last good files. Versions and times live in
the tree's own manifest (state.py), swapped with the files; ops.publication is brought level with it at the start and
at the end of every run, so a crash between the two is made good by the next run. When only the tree is lost, versions
go on from ops.publication.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ingestion.territory import Territory, load_territory
from lake import ops
from lake.engine import attach_table, connect
from lake.home import publication_dir
from lake.table import exists
from publication import catalog, departures, dictionary, facts, package, pages, tree
from publication.export import DataFile, Exported, ExportError, TableExport, fingerprint, write, write_archive
from publication.history import remember
from publication.pages import Portal
from publication.state import (
    CheckedRule,
    Entry,
    FailedCheck,
    LastAudit,
    PublishedDataset,
    PublishedFile,
    State,
    Tombstone,
    load_state,
)
from quality.standard import Standard, load_standard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import duckdb

    from publication.card import Card
    from quality.audit import Check, Verdict

Result = Literal["published", "unchanged", "held", "absent", "withdrawn"]


@dataclass(frozen=True)
class Outcome:
    """What became of one dataset.

    `published`: a new version; `unchanged`: the same data files; `held`: the last good version stays, for `reason`;
    `absent`: never published and not now either, for `reason`; `withdrawn`: it has no card any more.
    """

    dataset: str
    result: Result
    version: int | None
    reason: str = ""


@dataclass(frozen=True)
class PublishReport:
    """What a publication did. `swapped` is False when the tree was already as it should be."""

    outcomes: tuple[Outcome, ...]
    swapped: bool
    tree: Path


@dataclass
class _Draft:
    """One dataset on its way: its outcome, its manifest entry, and data files not in the current tree."""

    outcome: Outcome
    published: PublishedDataset | None
    fresh: dict[str, tree.NewFile] = field(default_factory=dict)

    @property
    def is_listed(self) -> bool:
        return self.published is not None and self.outcome.result not in ("absent", "withdrawn")


def publish(
    con: duckdb.DuckDBPyConnection,
    cards: Sequence[Card],
    verdicts: Mapping[str, Verdict],
    *,
    run_id: str,
    now: datetime | None = None,
    steps: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> PublishReport:
    """Make the published tree say what the gold tables and verdicts say; change nothing when it already does.

    Args:
        con: sees the gold tables as `gold.<model>`, and `silver.commune_contour` when the lake has it.
        cards: every dataset that may be published; one that is missing, also as `formerly`, is withdrawn.
        verdicts: newest verdict by dataset id; a dataset without one is left as it is.
        run_id: kept with the versions this run makes.
        now: the instant of publication (aware); the present by default.
        steps: (layer, model) on the way from the sources to each gold model, for the pages' account of it.

    Raises:
        publication.tree.TreeError: when another process keeps publishing, or the tree cannot be replaced.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    territory = load_territory()
    with tree.publishing() as scratch:
        before = load_state(publication_dir())
        recorded = _recorded()
        _follow(before, recorded)
        known = {**recorded.datasets, **before.datasets}
        run = _Run(con, before, known, recorded.versions, territory, scratch, moment, run_id)
        drafts = [(card, run.draft(card, verdicts.get(card.id))) for card in sorted(cards, key=lambda c: c.id)]
        entries = [
            Entry(card, load_standard(card.standard), draft.published)
            for card, draft in drafts
            if draft.is_listed and draft.published is not None
        ]
        left = departures.tombstones(before, known, cards, entries, moment)
        fresh = {p: f for _, draft in drafts for p, f in draft.fresh.items()}
        listing = departures.listing(before, entries, moment)
        files = _files(con, before, Portal(territory, entries, cards, steps or {}), fresh, left, listing.since)
        after = State(datasets=_remembered(known, drafts), tombstones=left, listing=listing)
        swapped = tree.replace(before, after, files)
        _follow(after, recorded)
    listed = {name for card in cards for name in (card.id, *card.formerly)}
    gone = [
        Outcome(name, "withdrawn", known[name].version, "no card any more")
        for name in sorted(before.datasets)
        if name not in listed and any(f.path in before.files for f in before.datasets[name].files)
    ]
    return PublishReport((*(draft.outcome for _, draft in drafts), *gone), swapped, publication_dir().resolve())


@dataclass(frozen=True)
class _Run:
    """What every dataset of one run shares."""

    con: duckdb.DuckDBPyConnection
    before: State
    known: Mapping[str, PublishedDataset]
    versions: set[tuple[str, int]]
    territory: Territory
    scratch: Path
    moment: datetime
    run_id: str

    def draft(self, card: Card, verdict: Verdict | None) -> _Draft:
        """Decide what becomes of one dataset, and write its files when they may have changed."""
        prior, kept = self._prior(card)
        if verdict is None:
            return self._keep(card, prior, kept, None, "unchanged", "not audited in this run")
        audit = self._audit(verdict, prior)
        if verdict.status == "failed":
            return self._keep(card, prior, kept, audit, "held", f"audit failed on {_named(verdict.failures)}")
        standard = load_standard(card.standard)
        exports = [_table_export(card, standard, table.name, self.territory) for table in card.tables]
        try:
            recipe = [fingerprint(self.con, e) for e in exports]
            recipe += [card.archive.model_dump_json()] if card.archive else []
            digest = hashlib.sha256("".join(recipe).encode()).hexdigest()
            if prior is not None and kept is not None and prior.fingerprint == digest:
                same = prior.model_copy(update={"audit": audit})
                return _Draft(Outcome(card.id, "unchanged", prior.version), same, kept)
            written = [(e, write(self.con, e, self.scratch)) for e in exports]
            bundle = write_archive(self.con, written, card.archive, self.scratch) if card.archive else None
        except ExportError as error:
            return self._keep(card, prior, kept, None, "held", str(error))
        return self._version(card, prior, audit, digest, written, bundle)

    def _version(
        self,
        card: Card,
        prior: PublishedDataset | None,
        audit: LastAudit,
        digest: str,
        written: Sequence[tuple[TableExport, Exported]],
        bundle: Path | None,
    ) -> _Draft:
        """The dataset with the files just written: a new version if, and only if, a file's bytes changed."""
        old = {file.path: file for file in prior.files} if prior is not None else {}
        fresh: dict[str, tree.NewFile] = {}
        files: list[PublishedFile] = []
        made = [(e.table.name, file) for e, x in written for file in x.files]
        if bundle is not None:
            made.append(("", DataFile("zip", bundle, sum(x.rows for _, x in written))))
        for table, file in made:
            target, new = f"{card.folder}/{file.path.name}", tree.from_path(file.path)
            fresh[target] = new
            same = target in old and old[target].sha256 == new.sha256
            files.append(
                PublishedFile(
                    path=target,
                    table=table,
                    format=file.format,
                    part=file.part,
                    sha256=new.sha256,
                    bytes=new.bytes,
                    rows=file.rows,
                    modified=old[target].modified if same else self._changed_at(old.get(target)),
                )
            )
        changed = {f.path: f.sha256 for f in files} != {f.path: f.sha256 for f in old.values()}
        # past every version ever recorded: the tree may have been restored from an older backup
        highest = max((v for name, v in self.versions if name in (card.id, *card.formerly)), default=0)
        version = max(highest, prior.version if prior else 0) + 1 if changed or prior is None else prior.version
        published = PublishedDataset(
            version=version,
            issued=prior.issued if prior else self.moment,
            run_id=self.run_id if prior is None or changed else prior.run_id,
            fingerprint=digest,
            days=_span([exported.days for _, exported in written]),
            files=tuple(files),
            audit=audit,
        )
        return _Draft(Outcome(card.id, "published" if changed else "unchanged", version), published, fresh)

    def _keep(
        self,
        card: Card,
        prior: PublishedDataset | None,
        kept: dict[str, tree.NewFile] | None,
        audit: LastAudit | None,
        result: Result,
        reason: str,
    ) -> _Draft:
        """The last good version, when there is one, with what the newest audit said."""
        if prior is None:
            return _Draft(Outcome(card.id, "absent", None, reason), None)
        published = prior if audit is None else prior.model_copy(update={"audit": audit})
        if kept is None:
            return _Draft(Outcome(card.id, "absent", prior.version, f"{reason}; its files are gone"), published)
        return _Draft(Outcome(card.id, result, prior.version, reason), published, kept)

    def _prior(self, card: Card) -> tuple[PublishedDataset | None, dict[str, tree.NewFile] | None]:
        """The last version, and those of its files that have to move as it was renamed; no files when some are gone."""
        name = departures.last_address(card, self.known, self.before.files)
        if name is None:
            return None, None
        prior, current = self.known[name], publication_dir()
        whole = all(tree.intact(current, file.path, self.before.files) for file in prior.files)
        if name == card.id:
            return prior, {} if whole else None
        renamed = departures.moved(prior, name, card)
        return renamed, departures.moved_files(prior, renamed, current, self.scratch) if whole else None

    def _changed_at(self, old: PublishedFile | None) -> datetime:
        """Now; a second later for a file that changed twice within one, as a time that stays says nothing changed."""
        return self.moment + timedelta(seconds=old is not None and old.modified == self.moment)

    def _audit(self, verdict: Verdict, prior: PublishedDataset | None) -> LastAudit:
        since = None
        if verdict.status == "failed":
            since = (prior.audit.refused_since if prior else None) or self.moment
        failed = tuple(
            FailedCheck(what=_subject(check), severity=check.severity, rows=check.unexpected_rows)
            for check in verdict.failures
        )
        return LastAudit(
            status=verdict.status,
            checks=len(verdict.checks),
            failed=failed,
            refused_since=since,
            rules=_rules(verdict.checks),
        )


def _rules(checks: Sequence[Check]) -> tuple[CheckedRule, ...]:
    """What was asked, by the name a rule has for people, in the order it was asked."""
    by_label: dict[str, list[Check]] = {}
    for check in checks:
        by_label.setdefault(check.message.split(" (table ", 1)[0], []).append(check)
    return tuple(
        CheckedRule(
            label=label,
            checks=len(found),
            errors=sum(not c.passed and c.severity == "error" for c in found),
            warnings=sum(not c.passed and c.severity == "warning" for c in found),
        )
        for label, found in by_label.items()
    )


def _remembered(
    known: Mapping[str, PublishedDataset], drafts: Sequence[tuple[Card, _Draft]]
) -> dict[str, PublishedDataset]:
    """What the manifest keeps: also withdrawn datasets, so that their versions go on; not the former ids of others."""
    former = {name for card, _ in drafts for name in card.formerly}
    datasets = {name: published for name, published in known.items() if name not in former}
    return datasets | {
        card.id: draft.published.model_copy(update={"title": card.title})
        for card, draft in drafts
        if draft.published is not None
    }


def _area(con: duckdb.DuckDBPyConnection) -> catalog.Box | None:
    """The envelope of the communes' contours; None as long as none were delivered."""
    if not exists("silver", "commune_contour"):
        return None
    sql = "SELECT min(west_deg), min(south_deg), max(east_deg), max(north_deg) FROM silver.commune_contour"
    sides = con.execute(sql).fetchone()
    return None if sides is None or None in sides else catalog.Box(*sides)


def _files(
    con: duckdb.DuckDBPyConnection,
    before: State,
    portal: Portal,
    fresh: Mapping[str, tree.NewFile],
    left: Mapping[str, Tombstone],
    listed_since: datetime | None,
) -> dict[str, tree.NewFile]:
    """Every file of the tree to be, by path."""
    territory, entries = portal.territory, portal.entries
    current = publication_dir()
    files: dict[str, tree.NewFile] = {}
    for entry in entries:
        for file in entry.published.files:
            files[file.path] = fresh.get(file.path) or tree.NewFile(None, file.sha256, file.bytes)
        texts = package.schemas(entry.card, entry.standard)
        texts[dictionary.FILE] = dictionary.render(entry)
        texts["datapackage.json"] = package.datapackage(entry, territory)
        files |= {f"{entry.card.folder}/{name}": tree.from_bytes(text) for name, text in texts.items()}

    def locate(file: PublishedFile) -> Path:
        new = fresh.get(file.path)
        return new.content if new is not None and isinstance(new.content, Path) else current / file.path

    found = facts.gather(con, territory, entries, locate, current, before)
    texts = catalog.files(territory, entries, area=_area(con), listed_since=listed_since)
    texts |= pages.render(portal, remember(entries), found.facts, locate) | pages.farewells(territory, left)
    return files | dict(found.files) | {path: tree.from_bytes(text) for path, text in texts.items()}


def _table_export(card: Card, standard: Standard, name: str, territory: Territory) -> TableExport:
    table = next(t for t in card.tables if t.name == name)
    return TableExport(
        relation=table.relation,
        table=standard.table(name),
        stem=card.stem(name),
        sort=table.sort,
        coordinates=table.coordinates,
        temporal=table.temporal,
        zone=territory.time_zone,
        sparse=standard.describes("geojson"),
    )


def _subject(check: Check) -> str:
    """What a check is about. Its message goes on with values found in the data, which was held back: they stay here."""
    return check.message.partition(" : ")[0]


def _named(checks: Sequence[Check]) -> str:
    return ", ".join(dict.fromkeys(f"{c.rule} ({c.table}{f'.{c.column}' if c.column else ''})" for c in checks))


def _span(days: Sequence[tuple[date, date] | None]) -> tuple[date, date] | None:
    dated = [pair for pair in days if pair is not None]
    return (min(first for first, _ in dated), max(last for _, last in dated)) if dated else None


@dataclass(frozen=True)
class _Recorded:
    """ops.publication: which versions it has, and each dataset's newest as a manifest entry without usable files."""

    versions: set[tuple[str, int]]
    datasets: dict[str, PublishedDataset]


def _recorded() -> _Recorded:
    """Read ops.publication: small, a few rows per version."""
    if not exists("ops", "publication"):
        return _Recorded(set(), {})
    with connect(attach=False) as con:
        attach_table(con, "ops", "publication")
        rows = con.execute(
            "SELECT dataset, version, file, sha256, bytes, rows, modified_time, run_id, "
            "min(modified_time) OVER (PARTITION BY dataset) AS issued, "
            "max(version) OVER (PARTITION BY dataset) = version AS newest FROM ops.publication ORDER BY ALL"
        ).fetchall()
    versions = {(row[0], row[1]) for row in rows}
    newest: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        if row[9]:
            newest.setdefault(row[0], []).append(row)
    return _Recorded(versions, {name: _revived(found) for name, found in newest.items()})


def _revived(rows: Sequence[tuple[object, ...]]) -> PublishedDataset:
    """A manifest entry from ops rows: enough to go on counting versions when the tree itself is lost."""
    files = [
        {"path": r[2], "table": "", "format": str(r[2]).rsplit(".", 1)[-1], "sha256": r[3], "bytes": r[4], "rows": r[5],
         "modified": r[6]}
        for r in rows
    ]  # fmt: skip
    return PublishedDataset.model_validate(
        {"version": rows[0][1], "issued": rows[0][8], "run_id": rows[0][7], "fingerprint": "", "days": None,
         "files": files, "audit": {"status": "passed", "checks": 0, "failed": []}}
    )  # fmt: skip


def _follow(state: State, recorded: _Recorded) -> None:
    """Write to ops.publication the versions of the manifest that it does not have yet."""
    missing = [
        {
            "dataset": name,
            "version": published.version,
            "file": file.path,
            "sha256": file.sha256,
            "bytes": file.bytes,
            "rows": file.rows,
            "modified_time": file.modified,
            "run_id": published.run_id,
        }
        for name, published in sorted(state.datasets.items())
        if (name, published.version) not in recorded.versions
        for file in published.files
    ]
    ops.record("publication", missing)
    recorded.versions.update((str(row["dataset"]), int(str(row["version"]))) for row in missing)
