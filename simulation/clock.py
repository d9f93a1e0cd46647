"""Instants, wall clocks and business days of the territory, as arrays.

Belongs here: the two nights a year when wall clock and time disagree, holidays, how clocks are spelt.
Does not: what happens at those times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

HOUR = 3600
DAY = 86400
_EPOCH = date(1970, 1, 1)
_FIXED_HOLIDAYS = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
_EASTER_HOLIDAYS = (1, 39, 50)  # days after Easter: Monday, Ascension, Whit Monday


@dataclass(frozen=True)
class Axis:
    """Instants and what the clock on the wall said: `local` is in seconds, as if the wall clock were UTC."""

    start: date
    days: int
    epoch: Ints
    local: Ints
    fold: Flags
    ambiguous: Flags

    @cached_property
    def day(self) -> Ints:
        """Number of the business day, 0 for `start`."""
        return self.local // DAY - (self.start - _EPOCH).days

    @cached_property
    def hour(self) -> Floats:
        """Hour of the wall clock, with its fraction."""
        return (self.local % DAY) / HOUR

    @cached_property
    def weekday(self) -> Ints:
        """0 for Monday."""
        return (self.local // DAY + 3) % 7  # 1970-01-01 was a Thursday

    @cached_property
    def working(self) -> Flags:
        """True on working days: neither weekend nor public holiday."""
        off = np.array([is_holiday(self.start + timedelta(days=d)) for d in range(self.days)], dtype=np.bool_)
        inside = np.clip(self.day, 0, self.days - 1)
        return (self.weekday < 5) & ~off[inside]

    def daily(self, amounts: Floats | Ints) -> Floats:
        """Sums per business day."""
        return np.bincount(self.day, weights=amounts, minlength=self.days).astype(np.float64)

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """First and past-the-last position of each business day."""
        edges = np.searchsorted(self.day, np.arange(self.days + 1))
        return [(int(begin), int(end)) for begin, end in pairwise(edges)]

    def shifted(self, seconds: int) -> Axis:
        """The same hours read `seconds` past each; only for shifts that stay within the hour."""
        return Axis(
            self.start, self.days, self.epoch + seconds, self.local + seconds, self.fold.copy(), self.ambiguous.copy()
        )


def axis(start: date, days: int, minutes: int, zone: ZoneInfo) -> Axis:
    """Instants every `minutes` from the local midnight of `start` to that of `start + days`, excluded."""
    first = midnight(start, zone)
    last = midnight(start + timedelta(days=days), zone)
    epoch = np.arange(first, last, minutes * 60, dtype=np.int64)
    return wall(start, days, epoch, zone)


def wall(start: date, days: int, epoch: Ints, zone: ZoneInfo) -> Axis:
    """What the clock on the wall said at `epoch`: clocks change on whole UTC hours, one look-up per hour is enough."""
    hours, where = np.unique(epoch // HOUR, return_inverse=True)
    offsets = np.empty(len(hours), dtype=np.int64)
    folds = np.zeros(len(hours), dtype=np.bool_)
    twice = np.zeros(len(hours), dtype=np.bool_)
    for number, hour in enumerate(hours.tolist()):
        moment = datetime.fromtimestamp(hour * HOUR, zone)
        offsets[number] = int((moment.utcoffset() or timedelta()).total_seconds())
        folds[number] = moment.fold == 1
        twice[number] = moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()
    return Axis(start, days, epoch, epoch + offsets[where], folds[where], twice[where])


def midnight(day: date, zone: ZoneInfo) -> int:
    """The instant a business day begins, in seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def iso(seconds: Ints) -> list[str]:
    """`2026-10-25T02:00:00`, of wall clocks or of instants."""
    return [str(text) for text in np.datetime_as_string(seconds.astype("datetime64[s]"))]


def french(seconds: Ints) -> list[str]:
    """`25/10/2026 02:00:00`."""
    return [f"{t[8:10]}/{t[5:7]}/{t[:4]} {t[11:]}" for t in iso(seconds)]


def utc(seconds: Ints) -> list[str]:
    """`2026-10-25T00:00:00Z`."""
    return [f"{t}Z" for t in iso(seconds)]


def utc_date(seconds: int) -> date:
    """The UTC day of an instant."""
    return datetime.fromtimestamp(seconds, UTC).date()


def is_holiday(day: date) -> bool:
    """French public holidays."""
    return (day.month, day.day) in _FIXED_HOLIDAYS or (day - _easter(day.year)).days in _EASTER_HOLIDAYS


def _easter(year: int) -> date:
    """Easter Sunday, Gregorian calendar (Butcher's algorithm)."""
    golden, century, rest = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * late + 114, 31)
    return date(year, month, day + 1)


def profile(hour: Floats, anchors: dict[float, float]) -> Floats:
    """A daily curve through `anchors` (hour -> level), straight between them, the same at 0 and 24."""
    marks = sorted(anchors)
    xs = [marks[-1] - 24, *marks, marks[0] + 24]
    ys = [anchors[marks[-1]], *(anchors[m] for m in marks), anchors[marks[0]]]
    return np.interp(hour, xs, ys)
