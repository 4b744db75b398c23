"""Where the learner stands: a pure fold of events over roadmaps. Nothing here is ever stored."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    """What the events say about one day of a track, or one box ticked by hand.

    `verified` is the time of the latest pass, `first_verified` of the first. `shares` are those of
    the roofline, by kernel, that were measured last.
    """

    started: datetime | None = None
    attempts: int = 0
    passes: int = 0
    last_passed: bool = False
    verified: datetime | None = None
    first_verified: datetime | None = None
    tests_hash: str = ""
    hints: dict[str, int] = field(default_factory=dict)
    solution_shown: bool = False
    gave_up: bool = False
    ticked: datetime | None = None
    latest: datetime | None = None
    failed: tuple[str, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def hints_used(self) -> int:
        """How many hints were shown, over all exercises."""
        return sum(self.hints.values())


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item with its status, why it has it, and the work done on it.

    Of the items of one `lane` the first that is not done is the next: a part, or the whole roadmap
    where its parts follow one another.
    """

    item: Item
    roadmap: str
    part: str
    status: Status
    why: str
    work: Work
    lane: str = ""

    @property
    def done(self) -> bool:
        """Whether it counts as progress."""
        return self.status in DONE

    @property
    def since(self) -> datetime | None:
        """When it was done for the first time; None if it is not done."""
        if not self.done:
            return None
        moments = [m for m in (self.work.first_verified, self.work.ticked) if m is not None]
        return min(moments, default=None)

    @property
    def mark(self) -> str:
        """What to show it as: its status, or "given up" if it passed after one had given up."""
        return "given up" if self.status == "verified" and self.work.gave_up else self.status

    @property
    def startable(self) -> bool:
        """Whether it is a day that can be handed out here and is not done."""
        return bool(self.item.day) and self.open

    @property
    def open(self) -> bool:
        """Whether it is not done and can be worked on here."""
        return not self.done and self.status not in ("planned", "blocked")


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
    days: dict[str, Work] = field(default_factory=dict)

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

    def work_on(self, day: Day) -> Work:
        """What was done on a day of a track, whether or not a roadmap has it."""
        return self.days.get(day_name(day)) or Work()

    def knows(self, day: Day) -> bool:
        """Whether an item is proved by this day, alone or together with others."""
        return any(
            each.item.day == day or day in each.item.practice for each in self.items.values()
        )


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
            lane = part.id if roadmap.order == "parallel" or part.beside else ""
            for item in part.all_items():
                work = _work_on(item, days)
                status, why = _status(item, work, days, available, tests_hash)
                each = ItemState(item, roadmap.name, part.id, status, why, work, lane)
                items[item.id] = each
    steps = streak(activity, cadence, today)
    return State(items, activity, entries, steps, today, history, days)


def _work_on(item: Item, days: dict[str, Work]) -> Work:
    """The work that counts for an item: on its day, on the days it is practised by, by hand."""
    if item.day:
        work = days.get(day_name(item.day)) or Work()
    elif item.practice:
        work = _together([days.get(day_name(day)) or Work() for day in item.practice])
    else:
        return days.get(item.id) or Work()
    if by_hand := days.get(item.id):
        work = replace(work, ticked=by_hand.ticked, started=work.started or by_hand.started)
        work.latest = max(filter(None, (work.latest, by_hand.latest)), default=None)
    return work


def _together(works: list[Work]) -> Work:
    """Several days as one work; it is verified when the last of them is."""

    def times(name: str) -> list[datetime]:
        return [moment for work in works if (moment := getattr(work, name)) is not None]

    whole = all(work.passes for work in works)
    return Work(
        started=min(times("started"), default=None),
        attempts=sum(work.attempts for work in works),
        passes=min(work.passes for work in works),
        last_passed=all(work.last_passed for work in works),
        verified=max(times("verified")) if whole else None,
        first_verified=max(times("first_verified")) if whole else None,
        hints={f"{n}/{key}": v for n, work in enumerate(works) for key, v in work.hints.items()},
        solution_shown=any(work.solution_shown for work in works),
        gave_up=any(work.gave_up for work in works),
        latest=max(times("latest"), default=None),
        failed=tuple(name for work in works for name in work.failed),
        shares={name: share for work in works for name, share in work.shares.items()},
    )


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
        case "item.started":
            work.started, work.latest = work.started or when, when
        case "item.ticked":
            work.ticked = when
        case "item.unticked":
            work.ticked = None


def _is_work(event: Event) -> bool:
    if event.data.get("imported") is True:
        return False  # done before the journey knew of it
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
        work.first_verified = work.first_verified or when
        work.shares.update(_shares(data.get("roofline")))


def _shares(scores: object) -> Iterator[tuple[str, float]]:
    """The shares of the roofline that an event tells of."""
    told = scores.get("shares") if isinstance(scores, dict) else None
    for each in told if isinstance(told, list) else []:
        share = each.get("share") if isinstance(each, dict) else None
        if isinstance(share, float | int) and 0 <= share < 100:
            yield kernel_name(str(each.get("name", ""))), share


def kernel_name(roofline: str) -> str:
    """What a roofline is shown as: "scaled copy" for RooflineScaledCopy."""
    words = roofline.removeprefix("Roofline")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in words).strip()


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _status(
    item: Item,
    work: Work,
    days: dict[str, Work],
    available: Availability,
    tests_hash: Callable[[Day], str | None],
) -> tuple[Status, str]:
    proofs = (item.day,) if item.day else item.practice
    if work.passes:
        if not work.last_passed:
            return "regressed", "the latest run did not pass: " + ", ".join(work.failed)
        for day in proofs:
            present = tests_hash(day)
            if present is not None and present != days[day_name(day)].tests_hash:
                return "stale", "its tests have changed since; run them again"
        return "verified", ""
    if work.ticked:
        return "claimed", "ticked by hand"
    here, why = available(item.day) if item.day else ("todo", "")
    if here != "todo":
        return here, why
    if any(_passed(day, days) for day in item.practice):
        missing = [day_name(day) for day in item.practice if not _passed(day, days)]
        return "attempted", "still to pass: " + ", ".join(missing)
    if work.attempts:
        return "attempted", "the latest run did not pass"
    return "todo", ""


def _passed(day: Day, days: dict[str, Work]) -> bool:
    work = days.get(day_name(day))
    return work is not None and bool(work.passes) and work.last_passed


def next_items(state: State) -> list[ItemState]:
    """What to do next: the best choice first, then one for each other lane of the roadmaps.

    What was begun and is not done comes before all; then the lane worked on last.
    """
    firsts: dict[tuple[str, str], ItemState] = {}
    latest: dict[tuple[str, str], float] = {}
    for each in state.items.values():
        lane = (each.roadmap, each.lane)
        kept = firsts.get(lane)
        if not each.done and (kept is None or _closer(each) > _closer(kept)):
            firsts[lane] = each
        if each.work.latest:
            latest[lane] = max(latest.get(lane, 0.0), each.work.latest.timestamp())

    def urgency(lane: tuple[str, str]) -> tuple[bool, bool, float]:
        each = firsts[lane]
        return (not each.open, not _begun(each), -latest.get(lane, 0.0))

    return [firsts[lane] for lane in sorted(firsts, key=urgency)]


def _closer(each: ItemState) -> tuple[bool, bool]:
    """Which of a lane's items comes first: one begun, else in a sequence one that can be begun."""
    return _begun(each), bool(not each.lane and each.open)


def _begun(each: ItemState) -> bool:
    return each.open and bool(each.work.started or each.work.attempts)
