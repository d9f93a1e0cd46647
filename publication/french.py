"""How values are written for a French reader: days, sizes, numbers, punctuation, units.

Belongs here: the written form of one value. Does not: where it stands on a page (pages.py, templates/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime

    from ingestion.territory import Territory
    from publication.state import LastAudit

_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
# UCUM codes as people write them
_UNITS = {
    "m3": "m³",
    "m2": "m²",
    "deg": "°",
    "1": "sans unité",
    "Cel": "°C",
    "m3/h": "m³/h",
    "m3/s": "m³/s",
    "m3/km": "m³/km",
    "kW.h": "kWh",
    "[ppm]": "ppm",
    "By": "octets",
    "a": "ans",
    "d": "jours",
    "EUR": "€",
}
_NARROW, _FIXED = "\u202f", "\u00a0"  # no-break spaces: between thousands, before a unit


def french_day(day: date) -> str:
    """`1er mars 2026`."""
    number = "1er" if day.day == 1 else str(day.day)
    return f"{number}{_FIXED}{_MONTHS[day.month - 1]}{_FIXED}{day.year}"


def french_span(first: date, last: date) -> str:
    """`le 1er mars 2026`, or `du 1er mars 2026 au 3 mars 2026`."""
    return f"le {french_day(first)}" if first == last else f"du {french_day(first)} au {french_day(last)}"


def french_moment(moment: datetime, territory: Territory) -> str:
    """`1er mars 2026 à 06 h 14`, legal time of the territory."""
    local = moment.astimezone(territory.zone)
    return f"{french_day(local.date())} à {local:%H}{_FIXED}h{_FIXED}{local:%M}"


def french_number(value: float, decimals: int = 0) -> str:
    """`12 345`, `3,1`: at most so many decimals, none that says nothing."""
    text = f"{value:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", _NARROW).replace(".", ",")


def french_text(text: str) -> str:
    """Prose set the French way: curved apostrophes, no line that begins with a colon or a closing guillemet."""
    text = text.replace("'", "\u2019").replace("« ", f"«{_FIXED}").replace(" »", f"{_FIXED}»")
    for mark in ":;?!":
        text = text.replace(f" {mark}", f"{_FIXED}{mark}")
    return text


def french_size(size: int) -> str:
    """Bytes as people read them: `812 octets`, `12,4 Ko`, `3,1 Mo` (powers of 1000)."""
    if size < 1000:
        return f"{size}{_FIXED}octets"
    value, unit = float(size), "octets"
    for unit in ("Ko", "Mo", "Go", "To"):  # noqa: B007 - read after the loop
        value /= 1000
        if value < 999.95:
            break
    return f"{value:.1f}".replace(".", ",") + f"{_FIXED}{unit}"


def french_unit(code: str) -> str:
    """A UCUM code as people write it."""
    return _UNITS.get(code, code)


def verdict_words(audit: LastAudit) -> str:
    """The outcome of the last audit in a few words."""
    return VERDICTS[audit.status]


VERDICTS = {
    "passed": "Contrôlé, conforme",
    "warned": "Contrôlé, avec réserves",
    "failed": "Dernière version validée conservée",
}


def plural(count: int, one: str, several: str | None = None) -> str:
    """`1 jeu`, `35 jeux`: the number and its noun."""
    return f"{french_number(count)}{_FIXED}{one if count < 2 else several or one + 's'}"


def first_sentence(text: str) -> str:
    """What comes before the first full stop, with it."""
    return text.split(". ", maxsplit=1)[0].rstrip(".") + "."
