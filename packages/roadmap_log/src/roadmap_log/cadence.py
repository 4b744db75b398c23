"""The days of the week one has promised oneself, and the streak kept by them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from roadmap_log.errors import JourneyError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMED = {"daily": WEEKDAYS, "weekdays": WEEKDAYS[:5]}


@dataclass(frozen=True, slots=True)
class Streak:
    """Working days in a row: now, and at best; `today` says whether today is already done."""

    current: int
    longest: int
    today: bool


def parse_cadence(text: str) -> frozenset[int]:
    """The days of the week (0 is Monday) that "daily", "weekdays" or "mon,wed,fri" stands for.

    Raises:
        JourneyError: not such a text.
    """
    known = {name: number % 7 for number, name in enumerate((*WEEKDAYS, *_FULL))}
    names = _NAMED.get(text.strip().lower()) or [part.strip().lower() for part in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise JourneyError(
            f"{text!r} is not a cadence ({unknown[0]!r} is no day of the week)",
            expected='"daily", "weekdays" or days as "mon,wed,fri"',
            fix="correct the cadence, in journey.toml or behind --cadence",
        )
    return frozenset(known[name] for name in names)


def streak(active: Collection[date], cadence: Collection[int], today: date) -> Streak:
    """Count promised days in a row on which something was done.

    A promised day without work ends the streak; a rest day neither ends it nor, unless one worked
    all the same, counts. Today may still be empty.
    """
    worked = {day for day in active if day <= today}
    if not worked:
        return Streak(0, 0, False)
    longest = run = 0
    day = min(worked)
    while day <= today:
        if day in worked:
            run += 1
        elif day.weekday() in cadence and day != today:
            run = 0
        longest = max(longest, run)
        day += timedelta(days=1)
    return Streak(run, longest, today in worked)
