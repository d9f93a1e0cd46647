"""Grants to associations, as the finance tool's workbook lists them, year by year.

Belongs here: beneficiaries, amounts, how a year's list changes, and what spreadsheets do to numbers. Does not: the acts
that decide them (`deliberations`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulation import deliberations
from simulation.deliberations import GRANTS_MATTER
from simulation.identifiers import siren, siret
from simulation.territory_files import Sheet, workbook
from simulation.truth import BAD_DATE, BAD_NUMBER

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "grants"
MISSING = "missing"
HEADER = (
    "N° dossier", "Exercice", "Bénéficiaire", "SIRET", "N° RNA", "Commune", "Objet", "Montant voté", "Nature",
    "Versement", "Premier versement", "Dernier versement", "Acte", "Date de décision", "Date de convention", "Aide UE",
    "Part",
)  # fmt: skip
SHEET = "Subventions"
_HEADER_ROW = 4
_GRANTS = 180
_AGAIN = 28  # days to the second list
_KINDS = (
    ("Club de canoë", "Fonctionnement de l'école de pagaie"), ("Harmonie municipale", "Concerts d'été"),
    ("Association des jardins partagés", "Composteurs collectifs"), ("Ciné-club", "Festival du court métrage"),
    ("Atelier vélo solidaire", "Atelier de réparation"), ("Régie de quartier", "Chantier d'insertion"),
    ("Amicale laïque", "Accueil de loisirs"), ("Comité des fêtes", "Fête patronale"),
    ("Ligue de protection des oiseaux", "Suivi des sternes de Loire"), ("Banque alimentaire", "Achat d'un véhicule"),
    ("Théâtre de la Loire", "Résidence d'artistes"), ("Épicerie solidaire", "Loyer du local"),
)  # fmt: skip
_AMOUNTS = (300, 500, 800, 1200, 1500.5, 2500, 4000, 7800.2, 12_500, 23_000, 45_000)


@dataclass(frozen=True)
class Grant:
    """One grant, as it truly is."""

    grant_id: str
    beneficiary: str
    siret: str
    rna: str
    insee: str
    town: str
    purpose: str
    amount: float
    nature: str
    payment: str
    paid: tuple[date, date | None]
    act: str
    decided: date
    signed: date
    share: float


def write(job: Job) -> None:
    """The year's list at the start, and once more four weeks later: one amount corrected, one withdrawn, one new."""
    known = [_grant(job, number) for number in range(job.count(_GRANTS, least=8))]
    _write_file(job, job.start, known)
    if job.days > _AGAIN:
        fresh = _grant(job, len(known))
        known = [replace(known[0], amount=known[0].amount + 250), *known[2:], fresh]
        _write_file(job, job.start + timedelta(days=_AGAIN), known)
    header = ("grant_id", "siret", "rna", "insee_code", "amount", "share", "act_id", "convention_date")
    rows = [(g.grant_id, g.siret, g.rna, g.insee, g.amount, g.share, g.act, g.signed.isoformat()) for g in known]
    job.truth.table("grants", header, sorted(rows))


def _grant(job: Job, number: int) -> Grant:
    """One grant; every twelfth goes to an association known by its RNA number alone."""
    rng = job.rng(SOURCE, "grant", number)
    acts = [act for session in deliberations.acts(job) for act in session if act.code == GRANTS_MATTER]
    past = [act for act in acts if act.session < job.start]
    act = past[number % len(past)]
    home = job.territory.communes[number % len(job.territory.communes)]
    name, purpose = _KINDS[number % len(_KINDS)]
    # every fifth SIREN begins with 0, which a spreadsheet's number loses
    owner = siren((0 if number % 5 == 2 else 70_000_000) + int(rng.integers(10**7)))
    first = act.session + timedelta(days=30)
    return Grant(
        grant_id=f"SUB{job.start:%y}-{number + 1:04d}",
        beneficiary=f"{name} de {home.name}",
        siret="" if number % 12 == 7 else siret(owner, 1 + int(rng.integers(4))),
        rna=f"W583{int(rng.integers(10**6)):06d}" if number % 3 == 1 else "",
        insee=home.insee,
        town=home.name,
        purpose=purpose,
        amount=float(_AMOUNTS[int(rng.integers(len(_AMOUNTS)))]),
        nature=("Numéraire", "Numéraire", "En nature", "Numéraire et nature")[number % 4],
        payment=("Unique", "Échelonné", "Unique", "Solde sur justificatifs")[number % 4],
        paid=(first, first + timedelta(days=240) if number % 4 == 1 else None),
        act=act.act_id,
        decided=act.session,
        signed=act.session + timedelta(days=12),
        share=(0.45, 0.55, 1.0, 1.0)[number % 4],
    )


def _write_file(job: Job, day: date, grants: list[Grant]) -> None:
    """A workbook with titles above the header, a sheet of notes, and below the list three lines that are no grants."""
    rows = [_row(job, grant, number) for number, grant in enumerate(grants)]
    as_text, undated = list(rows[-1]), list(rows[-2])
    total: list[object] = [None] * len(HEADER)
    as_text[0], as_text[7] = f"SUB{day:%y}-A", "1 500,00 €"
    undated[0], undated[13] = f"SUB{day:%y}-B", "conseil d'automne"
    total[2], total[7] = "TOTAL", sum(grant.amount for grant in grants)
    name = f"subventions_{job.start.year}_{day:%Y%m%d}.xlsx"
    titles = ("Communauté d'agglomération de Nevers", f"Subventions votées, exercice {job.start.year}")
    sheet = Sheet(SHEET, [HEADER, *rows, as_text, undated, total], titles, _HEADER_ROW, {7: "# ##0.00 €", 16: "0 %"})
    notes = Sheet("Lisez-moi", [("Colonne", "Sens"), ("Part", "Part du montant revenant au bénéficiaire")])
    workbook(job.folder(SOURCE) / name, [notes, sheet])
    part, last = f"{name}!{SHEET}", _HEADER_ROW + len(rows)
    job.truth.file(SOURCE, part, read=len(rows) + 3, quarantined=3)
    job.truth.refuse(SOURCE, part, line=last + 1, column="Montant voté", reason=BAD_NUMBER)
    job.truth.refuse(SOURCE, part, line=last + 2, column="Date de décision", reason=BAD_DATE)
    job.truth.refuse(SOURCE, part, line=last + 3, column="N° dossier", reason=MISSING)


def _row(job: Job, grant: Grant, number: int) -> tuple[object, ...]:
    """A line as it was typed: numbers for text, spaces in numbers, dates as text, each by somebody else."""
    code: object = grant.siret or None
    if grant.siret and number % 5 == 2:
        code = int(grant.siret)  # the leading zero is gone
    elif grant.siret and number % 7 == 3:
        code = f"{grant.siret[:3]} {grant.siret[3:6]} {grant.siret[6:9]} {grant.siret[9:]}"
    signed: object = f"{grant.signed:%d/%m/%Y}" if number % 6 == 4 else grant.signed
    return (
        grant.grant_id, job.start.year, grant.beneficiary, code, grant.rna or None, grant.town, grant.purpose,
        grant.amount, grant.nature, grant.payment, *grant.paid, grant.act, grant.decided, signed,
        "Oui" if number % 10 == 9 else "Non", grant.share,
    )  # fmt: skip
