"""Handing out a day: the learner's file and its task, never over work that is already there."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log.days import worked_last
from roadmap_log.errors import UnknownItemError
from roadmap_log.files import storage_error, write_new, write_whole
from roadmap_log.state import Day, ItemState, day_name, next_items

if TYPE_CHECKING:
    from roadmap_log.dayfile import DayFile
    from roadmap_log.journey import Journey


@dataclass(frozen=True, slots=True)
class Handout:
    """A day in the learner's hands; `new` says whether its file was made just now."""

    day: "DayFile"
    file: Path
    task: Path
    new: bool


def hand_out(journey: "Journey", day: Day) -> Handout:
    """Write skeleton and task of a day into `work/`; work that is there already stays.

    Raises:
        UnknownItemError: the day is planned, or its track missing or broken.
        StorageError: the files cannot be written.
    """
    parsed = journey.library.day(day)
    file = journey.work_file(*day)
    task = file.with_suffix(".md")
    try:
        write_new(file, parsed.skeleton())
        new = True
    except FileExistsError:
        new = False
    with suppress(FileExistsError):  # one may have taken notes in it
        write_new(task, parsed.task_markdown())
    started = journey.state.work_on(day).started
    # Started once more after work on another day, it is the day in hand again.
    if new or started is None or worked_last(journey.state) != day:
        journey.record("day.started", day=day_name(day), file=str(file.relative_to(journey.root)))
    return Handout(parsed, file, task, new)


@dataclass(frozen=True, slots=True)
class Begun:
    """An item taken in hand: its task as a file, and the day of a track it is practised by."""

    each: ItemState
    task: Path | None
    handout: Handout | None


def begin(journey: "Journey", each: ItemState) -> Begun:
    """Take an item in hand: hand out its day, or write its task and hand out a day of practice.

    Raises:
        UnknownItemError: its day is planned, or its track missing or broken.
        StorageError: the files cannot be written.
    """
    if each.item.day:
        return Begun(each, None, hand_out(journey, each.item.day))
    task = journey.task_file(each.item.id)
    with suppress(FileExistsError):
        write_new(task, task_text(each))
    journey.record("item.started", item=each.item.id, file=str(task.relative_to(journey.root)))
    library, state = journey.library, journey.state
    for day in each.item.practice:
        if not state.work_on(day).passes and library.available(day)[0] == "todo":
            return Begun(each, task, hand_out(journey, day))
    return Begun(each, task, None)


def first_open(journey: "Journey") -> ItemState | None:
    """The item to be begun next, or None if nothing can be."""
    return next((each for each in next_items(journey.state) if each.open), None)


def task_text(each: ItemState) -> str:
    """The task of an item as Markdown: objectives, goals, where to practise and to read."""
    item = each.item
    minutes = item.minutes
    parts = [f"# {item.title}"]
    if minutes:
        hours = [f"{number / 60:.1f}".removesuffix(".0") for number in dict.fromkeys(minutes)]
        parts.append(f"Estimated time: {'-'.join(hours)} hours")
    if item.topic:
        parts.append(item.topic)
    known = ("Objectives", "Goals", "Practise")
    for label in known:
        if lines := item.detail(label):
            box = "[ ] " if label == "Goals" else ""
            parts += [f"## {label}", "\n".join(f"- {box}{line}" for line in lines)]
    others = [text for text in item.details if text.partition(":")[0] not in known]
    if others:
        parts += ["## Also", "\n".join(f"- {text}" for text in others)]
    parts.append(
        f"When it is done: `roadmap tick {item.id}`. "
        'What you have learnt belongs into the log: `roadmap log -m "…"`.'
    )
    return "\n\n".join(parts) + "\n"


def work_in_hand(journey: "Journey", day: Day) -> Path:
    """The learner's file of a day.

    Raises:
        UnknownItemError: it has not been handed out, or was removed.
    """
    file = journey.work_file(*day)
    if file.is_file():
        return file
    raise UnknownItemError(
        f"{day_name(day)} is not in your hands: there is no {journey.short(file)}",
        expected="a day that was started",
        fix=f"get it: roadmap start {day_name(day)}",
    )


def reset(journey: "Journey", day: Day) -> Path:
    """Put the skeleton back in place; the work so far is kept beside it and its path returned.

    Raises:
        UnknownItemError: the day is not in hand.
        StorageError: the files cannot be written; the work stands as it was.
    """
    file = work_in_hand(journey, day)
    skeleton = journey.library.day(day).skeleton()
    stamp = journey.now().strftime("%Y%m%d-%H%M%S")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise storage_error("read", file, error) from error
    for suffix in range(1, 1000):
        tail = "" if suffix == 1 else f"-{suffix}"
        backup = file.parent / "before-reset" / f"{file.stem}-{stamp}{tail}.py"
        try:
            write_new(backup, content)
            break
        except FileExistsError:
            continue
    write_whole(file, skeleton)
    journey.record("day.reset", day=day_name(day), backup=str(backup.relative_to(journey.root)))
    return backup
