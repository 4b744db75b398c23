"""The way ahead: when one will arrive at the present pace, and what to do on which day.

Nothing of a plan is kept: it is made anew from what is left, so that after a gap it simply begins
again today. The range of the finish comes from drawing past weeks at random, again and again, until
all is done; before there are weeks to draw from, from the estimates and the declared cadence.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from roadmap_log.state import ItemState, State

MINUTES = 180
"""Minutes a promised day is planned for, unless said otherwise."""

UNKNOWN = (60, 120)
"""The estimate of an item that has none."""

WEEKS = 12
"""How many past weeks are drawn from, at most; two at least, else the estimates speak."""

DRAWS = 400
LONGEST = 1040
"""Weeks after which a drawn way is given up as endless."""

GAP = 3
"""Promised days missed in a row that are called a gap."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Days without work up to today: since when, promised days missed, and what it cost."""

    last: date
    missed: int
    before: date | None
    shift: int


@dataclass(frozen=True, slots=True)
class Projection:
    """When the rest will be done.

    Attributes:
        items: how many are left.
        minutes: what their estimates add up to, least and most.
        early: the date that one of ten drawn ways reaches; None if it is out of sight.
        likely: the date that half of them reach.
        late: the date that nine of ten reach.
        pace: minutes of estimated work done in a week.
        weeks: past weeks that the pace is taken from; 0 if it is the declared one.
    """

    items: int
    minutes: tuple[int, int]
    early: date | None
    likely: date | None
    late: date | None
    pace: float
    weeks: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of a day: which item, how many minutes, and whether it is the item's last part."""

    day: date
    each: ItemState
    minutes: int
    last: bool


def estimate(each: ItemState) -> tuple[int, int]:
    """Minutes an item takes, least and most."""
    return each.item.minutes or UNKNOWN


def left_of(state: State) -> list[ItemState]:
    """What is not done, in the order of the roadmaps."""
    return [each for each in state.items.values() if not each.done]


def project(
    state: State,
    cadence: frozenset[int],
    started: date,
    *,
    minutes: int = MINUTES,
    today: date | None = None,
) -> Projection:
    """When what is left will be done.

    Args:
        state: the standing.
        cadence: the days of the week one has promised oneself (0 is Monday).
        started: the first day of the journey.
        minutes: what a promised day is good for, where there is no past to go by.
        today: the day from which to look ahead; what was done after it counts as not done.
    """
    now = today or state.today
    left = [
        each
        for each in state.items.values()
        if each.since is None or (today is not None and each.since.date() > now)
    ]
    least = sum(estimate(each)[0] for each in left)
    most = sum(estimate(each)[1] for each in left)
    weeks = _weeks(state, started, now)
    if sum(weeks):
        dates = _drawn(weeks, _middle(least, most), now)
        pace, basis = sum(weeks) / len(weeks), len(weeks)
    else:
        ends = (least, _middle(least, most), most)
        dates = [_by_cadence(work, cadence, minutes, now) for work in ends]
        pace, basis = float(minutes * len(cadence)), 0
    if not left:
        dates = [now, now, now]
    return Projection(len(left), (least, most), dates[0], dates[1], dates[2], pace, basis)


def _middle(least: int, most: int) -> int:
    return (least + most) // 2


def _weeks(state: State, started: date, now: date) -> list[int]:
    """Minutes of estimated work finished in each whole week before tomorrow, the latest first."""
    known = min([started, *(day for day in state.activity if day <= now)])
    count = min(WEEKS, ((now - known).days + 1) // 7)
    if count < 2:
        return []
    sums = [0] * count
    for each in state.items.values():
        if each.since is not None and each.since.date() <= now:
            week = (now - each.since.date()).days // 7
            if week < count:
                sums[week] += _middle(*estimate(each))
    return sums


def _drawn(weeks: Sequence[int], work: int, now: date) -> list[date | None]:
    """The 10th, 50th and 90th of a hundred ways to the end, made of past weeks at random."""
    chance = random.Random(0)  # the same question gets the same answer
    lengths = sorted(_one_way(chance, weeks, work) for _ in range(DRAWS))
    chosen = [lengths[DRAWS * share // 100] for share in (10, 50, 90)]
    return [
        now + timedelta(days=math.ceil(7 * length)) if length < LONGEST else None
        for length in chosen
    ]


def _one_way(chance: random.Random, weeks: Sequence[int], work: int) -> float:
    length = 0.0
    left = work
    while left > 0 and length < LONGEST:
        done = chance.choice(weeks)
        if done >= left:
            return length + left / done
        left -= done
        length += 1
    return length


def _by_cadence(work: int, cadence: frozenset[int], minutes: int, now: date) -> date | None:
    needed = math.ceil(work / minutes)
    weeks, days = divmod(needed, len(cadence))
    if weeks > LONGEST:
        return None
    day = now + timedelta(weeks=weeks)
    while days:
        day += timedelta(days=1)
        days -= day.weekday() in cadence
    return day


def gap(
    state: State, cadence: frozenset[int], started: date, *, minutes: int = MINUTES
) -> Gap | None:
    """The days without work up to today, if they are worth a word."""
    worked = [day for day, done in state.activity.items() if done.events and day <= state.today]
    if not worked:
        return None
    last = max(worked)
    days = (last + timedelta(days=n) for n in range(1, (state.today - last).days))
    missed = sum(day.weekday() in cadence for day in days)
    if missed < GAP:
        return None
    before = project(state, cadence, started, minutes=minutes, today=last).likely
    now = project(state, cadence, started, minutes=minutes).likely
    shift = (now - before).days if now and before else 0
    return Gap(last, missed, before, shift)


def needed(state: State, cadence: frozenset[int], until: date) -> int | None:
    """Minutes that each promised day must bring to be done by `until`; None if no day is left."""
    count = (until - state.today).days
    days = sum((state.today + timedelta(days=n)).weekday() in cadence for n in range(count + 1))
    work = sum(_middle(*estimate(each)) for each in left_of(state))
    return math.ceil(work / days) if days else None


def schedule(state: State, cadence: frozenset[int], *, minutes: int = MINUTES) -> Iterator[Slot]:
    """What to do on which promised day from today on, as long as something is left.

    Lanes take turns, so that parallel parts advance together; an item longer than a day goes on on
    the next one, and a second one is begun on a day only if it fits; one with a date of its own
    comes no earlier than that.
    """
    lanes: dict[tuple[str, str], list[ItemState]] = {}
    for each in state.items.values():
        if not each.done:
            lanes.setdefault((each.roadmap, each.lane), []).append(each)
    queue, left = list(lanes.values()), dict[str, int]()
    day = state.today
    if state.streak.today or day.weekday() not in cadence:
        day = _after(day, cadence)
    end = state.today + timedelta(weeks=LONGEST)
    while queue and day < end:
        room, turn = minutes, list(queue)
        while room > 0 and turn:
            lane = turn.pop(0)
            each = lane[0]
            if each.item.due > day.isoformat():
                continue
            todo = left.get(each.item.id, _middle(*estimate(each)))
            if todo > room and room < minutes:
                continue
            part = min(room, todo)
            room -= part
            left[each.item.id] = todo - part
            if part == todo:
                lane.pop(0)
            yield Slot(day, each, part, part == todo)
            queue.remove(lane)
            if part < todo <= part + minutes:
                queue.insert(0, lane)  # tomorrow it is finished before all else
            elif lane:
                queue.append(lane)  # its next turn comes after the others'
                turn.append(lane)
        day = _after(day, cadence)


def _after(day: date, cadence: frozenset[int]) -> date:
    day += timedelta(days=1)
    while day.weekday() not in cadence:
        day += timedelta(days=1)
    return day
