"""Acts of the community council, as the assembly tool exports them after each session.

Belongs here: sessions, votes, what comes back from the prefecture, and the tool's habits. Does not: what is granted by
those acts (`grants`).
"""

# ruff: noqa: RUF001  the tool's users type the apostrophes and dashes that cp1252 has and ASCII has not

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from simulation.files import csv_text
from simulation.identifiers import siret
from simulation.truth import BAD_DATE, BAD_NUMBER

if TYPE_CHECKING:
    import numpy as np

    from simulation.job import Job

SOURCE = "deliberations"
HEADER = (
    "Collectivité", "SIRET", "N° de l'acte", "Date de séance", "Code matière", "Matière", "Objet", "Exercice", "Budget",
    "Réf. préfecture", "Reçu en préfecture le", "Effectif", "Votants", "Pour", "Contre", "Abstentions", "Résultat",
    "Lien",
)  # fmt: skip
GRANTS_MATTER = "7.5"
_SEATS, _ACTS = 54, 32
_EVERY = 28  # days between sessions
_PAST = 6  # sessions before the period, in the first file
# Codes of the national nomenclature of acts: 7.10 is not 7.1.
_MATTERS = (
    ("7.5", "Subventions"), ("1.1", "Marchés publics"), ("7.10", "Finances - divers"), ("8.7", "Transports"),
    ("7.1", "Décisions budgétaires"), ("8.8", "Environnement"), ("4.1", "Personnel titulaire"),
    ("8.4", "Aménagement du territoire"), ("5.7", "Intercommunalité"), ("3.1", "Acquisitions"),
)  # fmt: skip
_SUBJECTS = (
    "Attribution de subventions aux associations – exercice {year}",
    "Attribution du marché de fourniture de compteurs d’eau ; lots n° 1 et 2",
    "Fonds de concours : 125 000 € pour la réhabilitation de l’œuvre « Le Passage »",
    "Avenant n° 3 au contrat de mobilité",
    "Décision modificative n° 2 du budget annexe « Eau »",
    "Convention relative à la qualité de l’air intérieur",
    "Tableau des effectifs : créations et suppressions de postes",
    "Plan local d’urbanisme intercommunal :\nbilan de la concertation",
    "Rapport d’activité {year} de l’agglomération",
    "Acquisition d’une parcelle pour le pôle d’échanges",
)
_BUDGETS = ("Budget principal", "Budget annexe Eau", "Budget annexe Assainissement", "")


@dataclass(frozen=True)
class Act:
    """One deliberation, as it truly is. No date of receipt: the prefecture has not answered yet."""

    act_id: str
    session: date
    code: str
    matter: str
    subject: str
    budget: str
    received: date | None
    reference: str
    voters: int
    against: int
    abstentions: int
    result: str


def sessions(job: Job) -> list[date]:
    """Days of the sessions: six before the period, the others within it."""
    first = job.start + timedelta(days=2)
    count = _PAST + (job.days - 3) // _EVERY + 1
    return [first + timedelta(days=_EVERY * (n - _PAST)) for n in range(count)]


def acts(job: Job) -> list[list[Act]]:
    """Acts of each session."""
    return [_session(job, number, day) for number, day in enumerate(sessions(job))]


def write(job: Job) -> None:
    """One file of all past sessions, then one per session of the period, which repeats the acts of the one before.

    Acts that the prefecture has received since come back with its reference and date: a new revision.
    """
    series = acts(job)
    past = [_with_receipt(act) for session in series[:_PAST] for act in session]
    _write_file(job, job.start, past, again=[])
    latest = {act.act_id: act for act in past}
    for session in series[_PAST:]:
        earlier = [act for act in latest.values() if act.session == session[0].session - timedelta(days=_EVERY)]
        again = [_with_receipt(act) for act in earlier]
        _write_file(job, session[0].session, session, again=[(act, latest[act.act_id]) for act in again])
        latest |= {act.act_id: act for act in (*again, *session)}
    header = ("act_id", "session_date", "matter_code", "voters", "against", "abstentions", "result", "received_date")
    rows = [
        (a.act_id, a.session.isoformat(), a.code, a.voters, a.against, a.abstentions, a.result, a.received or "")
        for a in latest.values()
    ]
    job.truth.table("deliberations", header, sorted(rows))


def _session(job: Job, number: int, day: date) -> list[Act]:
    rng = job.rng(SOURCE, "session", number)
    return [_act(rng, number, day, rank) for rank in range(job.count(_ACTS, least=len(_MATTERS)))]


def _act(rng: np.random.Generator, number: int, day: date, rank: int) -> Act:
    code, matter = _MATTERS[rank % len(_MATTERS)]
    voters = _SEATS - int(rng.integers(0, 9))
    against = int(rng.integers(1, 12)) if rank % 4 == 3 else 0
    abstentions = int(rng.integers(1, 6)) if rank % 5 == 2 else 0
    result = "Adopté à la majorité" if against else "Adopté à l’unanimité"
    if rank % 17 == 9:
        voters, against, abstentions, result = 0, 0, 0, "Ajourné"
    return Act(
        act_id=f"DEL-{day:%Y}-{number + 1:02d}-{rank + 1:03d}",
        session=day,
        code=code,
        matter=matter,
        subject=_SUBJECTS[rank % len(_SUBJECTS)].format(year=day.year),
        budget=_BUDGETS[rank % len(_BUDGETS)],
        received=None,
        reference="",
        voters=voters,
        against=against,
        abstentions=abstentions,
        result=result,
    )


def _with_receipt(act: Act) -> Act:
    """The act once the prefecture has it; postponed ones are never sent."""
    if act.received or act.result == "Ajourné":
        return act
    return replace(act, received=act.session + timedelta(days=4), reference=f"058-{act.act_id[4:]}-DE")


def _write_file(job: Job, day: date, fresh: list[Act], *, again: list[tuple[Act, Act]]) -> None:
    """An export in cp1252; two lines of it were typed by hand and cannot be read."""
    rows = [_row(job, act) for act, _ in again] + [_row(job, act) for act in fresh]
    undated, mistyped = list(rows[-1]), list(rows[-2])
    undated[2:4] = [f"DEL-{day:%Y}-A", f"séance du {day.day} courant"]
    mistyped[2], mistyped[13] = f"DEL-{day:%Y}-B", "31 ou 32"
    name = f"deliberations_{day:%Y%m%d}.csv"
    text = csv_text(HEADER, [*rows, undated, mistyped], delimiter=";", end="\r\n")
    (job.folder(SOURCE) / name).write_bytes(text.encode("cp1252"))
    unchanged = sum(act == before for act, before in again)
    job.truth.file(SOURCE, name, read=len(rows) + 2, duplicate=unchanged, quarantined=2)
    for column, reason, row in (("Date de séance", BAD_DATE, undated), ("Pour", BAD_NUMBER, mistyped)):
        # a subject over two lines makes line and record differ
        line = text[: text.index(str(row[2]))].count("\n") + 1
        job.truth.refuse(SOURCE, name, line=line, column=column, reason=reason)


def _row(job: Job, act: Act) -> tuple[object, ...]:
    favour = act.voters - act.against - act.abstentions
    return (
        job.territory.legal_name, siret(job.territory.siren, 1), act.act_id, f"{act.session:%d/%m/%Y}", act.code,
        act.matter, act.subject, act.session.year if act.budget else "", act.budget, act.reference,
        f"{act.received:%d/%m/%Y}" if act.received else "", _SEATS, act.voters or "", favour or "",
        act.against if act.voters else "", act.abstentions if act.voters else "", act.result,
        f"https://actes.nevers-agglomeration.example/{act.act_id}.pdf",
    )  # fmt: skip
