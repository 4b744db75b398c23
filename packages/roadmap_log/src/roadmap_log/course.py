"""The way come, in numbers: what was finished when, what was left, where the time went.

Everything is taken from the one fold (`state`); nothing is stored.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from roadmap_log.state import ItemState, State

_LONGEST = 20 * 366
UNNAMED = "other"
"""The topic of an entry that names none."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a whole journey.

    Attributes:
        days: calendar days on which something was done.
        runs: how often tests were run, and passes: how many of the runs passed.
        hints: hints shown, over all days.
        given_up: days passed after their solution was seen.
        minutes: minutes written down in the log.
        entries: log entries.
    """

    days: int
    runs: int
    passes: int
    hints: int
    given_up: int
    minutes: int
    entries: int


def finished(items: Iterable[ItemState]) -> list[date]:
    """The days on which items were finished, ascending; what is not done any more is left out."""
    return sorted(each.since.date() for each in items if each.since is not None)


def remaining(total: int, done: Sequence[date], start: date, today: date) -> list[tuple[date, int]]:
    """What was left at the start, at the end of each week (Sunday), and is left today.

    Args:
        total: how many items there are.
        done: when each finished one was finished.
        start: the first day of the journey.
        today: the last day to count.
    """
    start = min([start, today, *done[:1]])
    if (today - start).days > _LONGEST:  # a start that was never set
        start = min([today, *done[:1]])
    points = [(start, total - sum(day < start for day in done))] if start < today else []
    sunday = start + timedelta(days=6 - start.weekday())
    while sunday < today:
        points.append((sunday, total - sum(day <= sunday for day in done)))
        sunday += timedelta(days=7)
    return [*points, (today, total - sum(day <= today for day in done))]


def minutes_by_topic(state: State) -> dict[str, int]:
    """Minutes of the log by topic, most first; an entry with several topics counts for each."""
    spent: Counter[str] = Counter()
    for entry in state.entries:
        track = entry.day.partition("/")[0]
        for topic in dict.fromkeys(entry.topics or entry.tags or (track or UNNAMED,)):
            spent[topic] += entry.minutes
    return {topic: minutes for topic, minutes in spent.most_common() if minutes}


def events_by_weekday(state: State) -> list[int]:
    """How much was done on Mondays, Tuesdays and so on."""
    sums = [0] * 7
    for day, activity in state.activity.items():
        sums[day.weekday()] += activity.events
    return sums


def totals(state: State) -> Totals:
    """The sums over the whole journey."""
    works = state.days.values()
    return Totals(
        days=sum(activity.events > 0 for activity in state.activity.values()),
        runs=sum(work.attempts for work in works),
        passes=sum(work.passes for work in works),
        hints=sum(work.hints_used for work in works),
        given_up=sum(work.gave_up and work.passes > 0 for work in works),
        minutes=state.minutes,
        entries=len(state.entries),
    )
