"""The maintenance tool's weekly export of work orders on the water network.

Belongs here: orders, their life from call to repair, the workbook and what people type into it.
Does not: the pipes (`water_pipes`), the map that shows the repairs (`water_gis`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from simulation.truth import BAD_NUMBER
from simulation.water_district import DELEGATED
from simulation.water_pipes import EN_SERVICE, Pipe, pipes
from simulation.water_workbook import write_workbook

if TYPE_CHECKING:
    from simulation.job import Job

SOURCE = "water_work_orders"
SHEET = "Interventions"
ABOVE = ("Interventions sur le réseau d'eau potable", "Extraction hebdomadaire")
HEADER = (
    "N° OT", "Nature", "Objet", "Code INSEE", "Adresse", "Secteur", "Canalisation", "Demandeur", "Signalé le",
    "Localisé le", "Terminé le", "État", "Priorité", "Agent", "Durée (h)", "Coût (€ HT)",
)  # fmt: skip
TRUTH = (
    "order_id", "kind", "insee_code", "sector_id", "pipe_id", "reported_time", "located_date", "done_date", "status",
    "cost_eur",
)  # fmt: skip
LEAK_ON_MAIN = "Fuite canalisation"
# Nature, subject, how many a week on 400 km, hours of work, cost in euros, days to find it, days to mend it.
_KINDS: tuple[tuple[str, str, float, float, float, int, int], ...] = (
    (LEAK_ON_MAIN, "Fuite sur conduite", 1.4, 9.0, 2300.0, 3, 3),
    ("Fuite branchement", "Fuite sur branchement", 3.2, 4.0, 850.0, 2, 5),
    ("Recherche de fuite", "Écoute acoustique de secteur", 2.0, 6.0, 310.0, 4, 0),
    ("Manœuvre de vanne", "Exercice de vannes", 6.0, 1.5, 75.0, 0, 2),
    ("Renouvellement compteur", "Remplacement d'un compteur", 14.0, 0.8, 96.0, 0, 20),
    ("Contrôle poteau incendie", "Mesure débit et pression", 5.0, 0.7, 48.0, 0, 6),
    ("Purge", "Purge du réseau", 3.0, 1.2, 60.0, 0, 1),
)
_WITH_PIPE = {LEAK_ON_MAIN, "Manœuvre de vanne", "Purge"}
_OPEN, _UNDER_WAY, _DONE = "Ouverte", "En cours", "Terminée"
_BEFORE_DAYS = 30  # the first export holds the orders of the month before
_KEPT_DAYS = 14  # a finished order stays in the export that long
_WEEK = 7
_STREETS = ("rue de la République", "rue des Écoles", "route de Paris", "avenue du Bourg", "chemin des Vignes",
            "rue du Moulin", "place de l'Église", "allée des Tilleuls")  # fmt: skip
_CALLERS = ("M. Aubert", "Mme Baron", "M. Cordier", "Mme Doré", "M. Evrard", "Mme Ferry", "M. Girard", "Mme Huet")
_AGENTS = ("Lucas Morin", "Sarah Petit", "Karim Benali", "Julie Roche", "Thomas Leroux", "Inès Marchand")
_TYPED_SHARE = 0.04  # dates typed as text
_TO_BE_PRICED = "à chiffrer"


@dataclass(frozen=True)
class Order:
    """One work order; `typed` when somebody typed the date of the call instead of picking it."""

    order_id: str
    kind: str
    subject: str
    insee: str
    address: str
    sector: str | None
    pipe: Pipe | None
    caller: str | None
    reported: datetime
    located: date | None
    done: date
    urgent: bool
    agent: str
    hours: float
    cost: float
    typed: bool

    def cells(self, on: date) -> tuple[object, ...]:
        """The row in the export of a day: what is known by then."""
        finished, found = self.done <= on, self.located is not None and self.located <= on
        started = finished or found
        reported = f"{self.reported:%d/%m/%Y %H:%M}" if self.typed else self.reported
        return (
            self.order_id, self.kind, self.subject, int(self.insee), self.address, self.sector,
            self.pipe.code if self.pipe else None, self.caller, reported, self.located if found else None,
            self.done if finished else None, _DONE if finished else _UNDER_WAY if started else _OPEN,
            "Urgente" if self.urgent else "Normale", self.agent if started else None,
            self.hours if finished else None, self.cost if finished else None,
        )  # fmt: skip


def write(job: Job) -> None:
    """One workbook a week, named by its last day: the open orders and those finished lately."""
    known = orders(job, pipes(job))
    seen: set[tuple[object, ...]] = set()
    last_state: dict[str, tuple[object, ...]] = {}
    for week in range(0, job.days, _WEEK):
        day = job.start + timedelta(days=min(week + _WEEK, job.days) - 1)
        rows = [o.cells(day) for o in known if o.reported.date() <= day and o.done >= day - timedelta(days=_KEPT_DAYS)]
        name = f"interventions_{day:%Y%m%d}.xlsx"
        spoilt = _unpriced(rows, seen)
        total = sum(float(str(row[-1])) for row in rows if row[-1] is not None)
        shown = [(*row[:-1], _TO_BE_PRICED) if n == spoilt else row for n, row in enumerate(rows)]
        shown.append(("TOTAL", *[None] * (len(HEADER) - 2), round(total, 2)))
        write_workbook(job.folder(SOURCE) / name, SHEET, (*ABOVE, f"Édité le {day:%d/%m/%Y}"), HEADER, shown, day)
        good = [row for n, row in enumerate(rows) if n != spoilt]
        ledger = f"{name}!{SHEET}"
        job.truth.file(
            SOURCE, ledger, read=len(shown), duplicate=sum(row in seen for row in good),
            quarantined=len(shown) - len(good),
        )  # fmt: skip
        first = len(ABOVE) + 3  # line of the first row: titles, date of the export, header
        if spoilt is not None:
            job.truth.refuse(SOURCE, ledger, line=first + spoilt, column="Coût (€ HT)", reason=BAD_NUMBER)
        job.truth.refuse(SOURCE, ledger, line=first + len(rows), column="Nature", reason="missing")
        seen.update(good)
        last_state |= {str(row[0]): row for row in good}
    _tell(job, known, last_state)


def _unpriced(rows: list[tuple[object, ...]], seen: set[tuple[object, ...]]) -> int | None:
    """The first finished order that is new: its price is still to come; the next export has it."""
    return next((n for n, row in enumerate(rows) if row[-1] is not None and row not in seen), None)


def orders(job: Job, known: list[Pipe]) -> list[Order]:
    """All orders from a month before the period to its end, in order of the call."""
    rng = job.rng(SOURCE)
    used = [pipe for pipe in known if pipe.state == EN_SERVICE and pipe.sector and pipe.commune.name not in DELEGATED]
    size = sum(pipe.length_m for pipe in used) / 400_000
    span = _BEFORE_DAYS + job.days
    calls: list[tuple[datetime, int]] = []
    for kind, (_, _, weekly, *_) in enumerate(_KINDS):
        count = max(1, round(weekly * size * span / _WEEK))
        for rank in range(count):
            day = job.start + timedelta(days=int((rank + rng.random()) * span / count) - _BEFORE_DAYS)
            minutes = 7 * 60 + int(rng.integers(13 * 60))  # offices and emergency line: 7:00 to 20:00
            calls.append((datetime(day.year, day.month, day.day) + timedelta(minutes=minutes), kind))  # noqa: DTZ001
    return [_order(rng, used, number, when, kind) for number, (when, kind) in enumerate(sorted(calls), start=1)]


def _order(rng: np.random.Generator, used: list[Pipe], number: int, reported: datetime, kind: int) -> Order:
    nature, subject, _, hours, cost, finding, mending = _KINDS[kind]
    pipe = used[int(rng.integers(len(used)))]
    sector = pipe.sector.sector_id if pipe.sector else None
    leak = finding > 0
    located = reported.date() + timedelta(days=int(rng.integers(finding + 1))) if leak else None
    done = (located or reported.date()) + timedelta(days=int(rng.integers(mending + 1)))
    called = leak and bool(rng.random() < 0.5)
    phone = f"06 {int(rng.integers(100)):02d} {int(rng.integers(100)):02d} {int(rng.integers(100)):02d} 00"
    caller = f"{_CALLERS[int(rng.integers(len(_CALLERS)))]}, {phone}"
    return Order(
        f"OT-{reported.year}-{number:05d}",
        nature,
        subject,
        pipe.commune.insee,
        f"{int(rng.integers(1, 120))} {_STREETS[int(rng.integers(len(_STREETS)))]}",
        sector,
        pipe if nature in _WITH_PIPE and pipe.code else None,
        caller if called else None,
        reported,
        located,
        done,
        bool(leak and rng.random() < 0.4),
        _AGENTS[int(rng.integers(len(_AGENTS)))],
        round(hours * float(rng.uniform(0.5, 1.6)), 1),
        round(cost * float(rng.uniform(0.6, 1.7)), 2),
        bool(rng.random() < _TYPED_SHARE),
    )


def _tell(job: Job, known: list[Order], last_state: dict[str, tuple[object, ...]]) -> None:
    """The orders as the last good row about each says they are."""
    rows = []
    for order in known:
        if (row := last_state.get(order.order_id)) is None:
            continue
        reported = order.reported.replace(tzinfo=job.territory.zone)
        rows.append((
            order.order_id, order.kind, order.insee, order.sector or "", order.pipe.code if order.pipe else "",
            reported.isoformat(), row[9] or "", row[10] or "", row[11], row[15] if row[15] is not None else "",
        ))  # fmt: skip
    job.truth.table("water_work_orders", TRUTH, rows)
