"""Where the learner stands: a pure fold of events over roadmaps. Nothing here is ever stored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from roadmap_log.cadence import Streak, streak
from roadmap_log.events import Event, History
from roadmap_log.roadmaps import Item, Roadmap, Section

Status = Literal[
    "todo", "planned", "blocked", "attempted", "regressed", "stale", "claimed", "verified"
]
STATUSES: dict[Status, str] = {
    "todo": "not yet begun",
    "planned": "its exercises are not written yet",
    "blocked": "cannot be worked on here (its track is missing or broken)",
    "attempted": "tests were run and did not pass",
    "regressed": "passed once, the latest run did not",
    "stale": "passed, but the tests have changed since",
    "claimed": "ticked by hand, without tests",
    "verified": "every test of the day passed",
}
"""Every status an item can have, with its meaning."""

DONE: frozenset[Status] = frozenset({"verified", "stale", "claimed"})
"""The statuses that count as progress."""

Day = tuple[str, int]
Availability = Callable[[Day], tuple[Status, str]]
"""Says of a day whether it can be worked on: ("todo", ""), ("planned", why) or ("blocked", why)."""


@dataclass(slots=True)
class Work:
    """What the events say about one day of a track, or one box ticked by hand."""

    started: datetime | None = None
    attempts: int = 0
    passes: int = 0
    last_passed: bool = False
    verified: datetime | None = None
    tests_hash: str = ""
    hints: dict[str, int] = field(default_factory=dict)
    solution_shown: bool = False
    gave_up: bool = False
    ticked: datetime | None = None
    latest: datetime | None = None
    failed: tuple[str, ...] = ()

    @property
    def hints_used(self) -> int:
        """How many hints were shown, over all exercises."""
        return sum(self.hints.values())


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item with its status, why it has it, and the work done on it."""

    item: Item
    roadmap: str
    part: str
    status: Status
    why: str
    work: Work

    @property
    def done(self) -> bool:
        """Whether it counts as progress."""
        return self.status in DONE

    @property
    def mark(self) -> str:
        """What to show it as: its status, or "given up" if it passed after one had given up."""
        return "given up" if self.status == "verified" and self.work.gave_up else self.status

    @property
    def startable(self) -> bool:
        """Whether it is a day that can be handed out here and is not done."""
        return bool(self.item.day) and not self.done and self.status not in ("planned", "blocked")


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry as its event tells of it."""

    file: str
    title: str
    when: datetime
    minutes: int
    tags: tuple[str, ...]
    day: str
    topics: tuple[str, ...] = ()


@dataclass(slots=True)
class Activity:
    """What was done on one calendar day."""

    events: int = 0
    minutes: int = 0
    verified: int = 0


@dataclass(slots=True)
class State:
    """The whole standing; every number shown anywhere is taken from here."""

    items: dict[str, ItemState]
    activity: dict[date, Activity]
    entries: list[Entry]
    streak: Streak
    today: date
    history: History

    @property
    def minutes(self) -> int:
        """Minutes written down in the log."""
        return sum(entry.minutes for entry in self.entries)

    @property
    def counts(self) -> dict[Status, int]:
        """How many items have each status."""
        return count(self.items.values())

    def of(self, section: Section) -> list[ItemState]:
        """The states of all boxes under a heading."""
        return [self.items[item.id] for item in section.all_items()]

    def by_day(self, day: Day) -> ItemState | None:
        """The item that a day of a track proves."""
        return next((each for each in self.items.values() if each.item.day == day), None)


def count(states: Iterable[ItemState]) -> dict[Status, int]:
    """How many of `states` have each status, in the order of `STATUSES`."""
    totals: dict[Status, int] = dict.fromkeys(STATUSES, 0)
    for state in states:
        totals[state.status] += 1
    return totals


def fold(
    history: History,
    roadmaps: Iterable[Roadmap],
    *,
    available: Availability,
    tests_hash: Callable[[Day], str | None],
    cadence: frozenset[int],
    today: date,
) -> State:
    """Compute the standing from the events.

    Args:
        history: every event, in order.
        roadmaps: the checklists of the journey.
        available: whether a day can be worked on here.
        tests_hash: the hash of a day's present tests, or None where it cannot be known.
        cadence: the days of the week one has promised oneself.
        today: the learner's date.
    """
    days: dict[str, Work] = {}
    activity: dict[date, Activity] = {}
    written: dict[str, Entry] = {}
    for event in history.events:
        if event.kind.startswith("log."):
            _write(event, written)
        else:
            _apply(event, days, activity)
    entries = sorted(written.values(), key=lambda entry: entry.when)
    for entry in entries:
        moved = activity.setdefault(entry.when.date(), Activity())
        moved.events += 1
        moved.minutes += entry.minutes
    items: dict[str, ItemState] = {}
    for roadmap in roadmaps:
        for part in roadmap.parts:
            for item in part.all_items():
                work = days.get(day_name(item.day), Work()) if item.day else Work()
                if by_hand := days.get(item.id):
                    work.ticked = by_hand.ticked
                status, why = _status(item, work, available, tests_hash)
                items[item.id] = ItemState(item, roadmap.name, part.id, status, why, work)
    return State(items, activity, entries, streak(activity, cadence, today), today, history)


def day_name(day: Day) -> str:
    """The name under which events and commands speak of a day: "autodiff/3"."""
    return f"{day[0]}/{day[1]}"


def _write(event: Event, written: dict[str, Entry]) -> None:
    """Follow what became of a log entry; the last word on a file counts."""
    data = event.data
    file, tags = str(data.get("file", "")), data.get("tags")
    if event.kind == "log.removed":
        written.pop(file, None)
        return
    try:
        when = datetime.fromisoformat(str(data.get("date")))
    except ValueError:
        when = event.time
    when = when if when.tzinfo else event.time
    tags = tuple(map(str, tags)) if isinstance(tags, list) else ()
    topics = tuple(map(str, told)) if isinstance(told := data.get("topics"), list) else ()
    minutes, day = _whole(data.get("minutes")), str(data.get("day") or "")
    written[file] = Entry(file, str(data.get("title", "")), when, minutes, tags, day, topics)


def _apply(event: Event, days: dict[str, Work], activity: dict[date, Activity]) -> None:
    data, when = event.data, event.time
    name = str(data.get("day") or data.get("item") or "")
    work = days.setdefault(name, Work())
    moved = activity.setdefault(when.date(), Activity()) if _is_work(event) else Activity()
    moved.events += 1
    match event.kind:
        case "day.started":
            work.started, work.latest = work.started or when, when
        case "day.tested":
            _tested(work, data, when, moved)
        case "day.reset":
            work.latest = when
        case "hint.shown":
            exercise = str(data.get("exercise", ""))
            work.hints[exercise] = max(work.hints.get(exercise, 0), _whole(data.get("level")))
            work.latest = when
        case "solution.shown":
            work.solution_shown, work.latest = True, when
            work.gave_up |= bool(data.get("gave_up"))
        case "item.ticked":
            work.ticked = when
        case "item.unticked":
            work.ticked = None


def _is_work(event: Event) -> bool:
    return event.kind in {"day.tested", "item.ticked", "paper.read", "experiment.concluded"}


def _tested(work: Work, data: Mapping[str, Any], when: datetime, moved: Activity) -> None:
    work.attempts += 1
    work.latest = when
    work.last_passed = data.get("passed") is True
    failed = data.get("failed")
    work.failed = tuple(map(str, failed)) if isinstance(failed, list) else ()
    if work.last_passed:
        moved.verified += not work.passes
        work.passes += 1
        work.verified, work.tests_hash = when, str(data.get("tests", ""))


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _status(
    item: Item,
    work: Work,
    available: Availability,
    tests_hash: Callable[[Day], str | None],
) -> tuple[Status, str]:
    if work.passes:
        if not work.last_passed:
            return "regressed", "the latest run did not pass: " + ", ".join(work.failed)
        present = tests_hash(item.day) if item.day else None
        if present is not None and present != work.tests_hash:
            return "stale", "its tests have changed since; run them again"
        return "verified", ""
    if work.ticked:
        return "claimed", "ticked by hand"
    here, why = available(item.day) if item.day else ("todo", "")
    if here != "todo":
        return here, why
    if work.attempts:
        return "attempted", "the latest run did not pass"
    return "todo", ""


def next_items(state: State) -> list[ItemState]:
    """What to do next: the best choice first, then one for each other part of the roadmaps.

    A day that was begun and is not done comes before all; then the part worked on last.
    """
    firsts: dict[tuple[str, str], ItemState] = {}
    for each in state.items.values():
        place = (each.roadmap, each.part)
        kept = firsts.get(place)
        if not each.done and (kept is None or (not _begun(kept) and _begun(each))):
            firsts[place] = each
    latest: dict[tuple[str, str], float] = {}
    for each in state.items.values():
        if each.work.latest:
            place = (each.roadmap, each.part)
            latest[place] = max(latest.get(place, 0.0), each.work.latest.timestamp())

    def urgency(place: tuple[str, str]) -> tuple[bool, bool, float]:
        each = firsts[place]
        idle = each.status in ("planned", "blocked")
        return (idle, not _begun(each), -latest.get(place, 0.0))

    return [firsts[place] for place in sorted(firsts, key=urgency)]


def _begun(each: ItemState) -> bool:
    return each.startable and bool(each.work.started or each.work.attempts)
