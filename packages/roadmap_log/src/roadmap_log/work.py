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


def hand_out(journey: "Journey", day: Day, *, notebook: bool = False) -> Handout:
    """Write skeleton and task of a day into `work/`; work that is there already stays.

    With `notebook` the skeleton is a notebook instead of a Python file.

    Raises:
        UnknownItemError: the day is planned, or its track missing or broken.
        MachineError: a notebook is wanted, and jupytext is not installed.
        StorageError: the files cannot be written.
    """
    parsed = journey.library.day(day)
    file = journey.work_file(*day)
    task = file.with_suffix(".md")
    if notebook:
        file = file.with_suffix(".ipynb")
    elif not file.exists() and file.with_suffix(".ipynb").is_file():
        file = file.with_suffix(".ipynb")  # it is in hand as a notebook
    try:
        if file.is_file():
            raise FileExistsError
        write_new(file, skeleton_for(parsed, file))
        new = True
    except FileExistsError:
        new = False
    with suppress(FileExistsError):  # one may have taken notes in it
        write_new(task, parsed.task_markdown())
    started = journey.state.work_on(day).started
    # Started once more after work on another day, it is the day in hand again.
    if new or started is None or worked_last(journey.state) != day:
        journey.record(
            "day.started", day=day_name(day), file=file.relative_to(journey.root).as_posix()
        )
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
    journey.record(
        "item.started", item=each.item.id, file=task.relative_to(journey.root).as_posix()
    )
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


def skeleton_for(parsed: "DayFile", file: Path) -> str:
    """The skeleton of a day in the form of `file`: Python, or a notebook.

    Raises:
        MachineError: a notebook, and jupytext is not installed.
    """
    if file.suffix != ".ipynb":
        return parsed.skeleton()
    from roadmap_log.notebooks import to_notebook

    return to_notebook(parsed, parsed.skeleton())


def has_work(journey: "Journey", day: Day) -> bool:
    """Whether the learner has a file of this day."""
    file = journey.work_file(*day)
    return file.is_file() or file.with_suffix(".ipynb").is_file()


def work_in_hand(journey: "Journey", day: Day) -> Path:
    """The learner's file of a day; of a .py and a notebook the one that was saved last.

    Raises:
        UnknownItemError: it has not been handed out, or was removed.
    """
    file = journey.work_file(*day)
    forms = [path for path in (file, file.with_suffix(".ipynb")) if path.is_file()]
    if forms:
        return max(forms, key=lambda path: path.stat().st_mtime_ns)
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
    skeleton = skeleton_for(journey.library.day(day), file)
    backup = _backed_up(journey, file)
    write_whole(file, skeleton)
    journey.record(
        "day.reset", day=day_name(day), backup=backup.relative_to(journey.root).as_posix()
    )
    return backup


def undo_reset(journey: "Journey", day: Day) -> tuple[Path, Path]:
    """Put back what the latest reset moved aside; returns that backup and one of what was there.

    Undone twice, it is redone: the work that stood there becomes a backup like any other.

    Raises:
        UnknownItemError: the day was never reset, or the backup is gone.
        StorageError: the files cannot be written; the work stands as it was.
    """
    name = day_name(day)
    kept = [
        str(event.data.get("backup", ""))
        for event in journey.history.events
        if event.kind == "day.reset" and event.data.get("day") == name
    ]
    source = _inside(journey, kept[-1]) if kept else None
    if source is None or not source.is_file():
        raise UnknownItemError(
            f"the backup of {name} is gone: {kept[-1]}" if kept else f"{name} was never reset",
            expected="a day with a reset to be undone",
            fix=f"see what there is in {journey.short(journey.work_file(*day).parent)}",
        )
    file = journey.work_file(*day).with_suffix(source.suffix)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise storage_error("read", source, error) from error
    before = _backed_up(journey, file) if file.is_file() else source
    write_whole(file, content)
    journey.record(
        "day.reset",
        day=name,
        backup=before.relative_to(journey.root).as_posix(),
        restored=source.relative_to(journey.root).as_posix(),
    )
    return source, before


def _inside(journey: "Journey", name: str) -> Path | None:
    """The file that an event names, unless it lies outside the journey."""
    path = (journey.root / name).resolve()
    return path if path.is_relative_to(journey.root.resolve()) else None


def _backed_up(journey: "Journey", file: Path) -> Path:
    """A copy of `file` in `before-reset/`, under a name of its own."""
    stamp = journey.now().strftime("%Y%m%d-%H%M%S")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise storage_error("read", file, error) from error
    number = 1
    while True:
        tail = "" if number == 1 else f"-{number}"
        backup = file.parent / "before-reset" / f"{file.stem}-{stamp}{tail}{file.suffix}"
        try:
            write_new(backup, content)
            return backup
        except FileExistsError:
            number += 1
