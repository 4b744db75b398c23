"""`roadmap plan`: when one will arrive, and what to do on which day."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from roadmap_log import planning, terminal
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.errors import JourneyError
from roadmap_log.journey import Journey
from roadmap_log.planning import Gap, Projection, Slot
from roadmap_log.state import ItemState, day_name

SHOWN_DAYS = 7


@click.command()
@click.option("--minutes", type=click.IntRange(10, 960), help="For a promised day; else 180.")
@click.option("--days", type=click.IntRange(0, 366), default=SHOWN_DAYS, help="Days to show.")
@click.option("--until", help="A date, as 2027-03-01: what it takes to be done by then.")
@click.option("--ical", type=click.Path(path_type=Path), help="Write the whole plan as a calendar.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    minutes: int | None,
    days: int,
    until: str | None,
    ical: Path | None,
    as_json: bool,
) -> None:
    """Foresee the finish, with its range, and lay the rest out over the days you promised.

    The plan is made anew from what is left each time; after a gap it begins again today.
    """
    journey = journey_of(ctx)
    settings, state = journey.settings, journey.state
    room = minutes or planning.MINUTES
    end = _date(until) if until else None
    ahead = planning.project(state, settings.cadence, settings.started, minutes=room)
    pause = planning.gap(state, settings.cadence, settings.started, minutes=room)
    slots = list(planning.schedule(state, settings.cadence, minutes=room))
    pace = planning.needed(state, settings.cadence, end) if end else None
    if ical is not None:
        _write_calendar(journey, slots, ical)
    if as_json:
        print_json(_json(journey, ahead, pause, slots, end, pace, days) | {"ical": ical})
        return
    lines = [*_heading(journey), "", *_projection(journey, ahead, room)]
    lines += _gap(pause) if pause else []
    lines += _deadline(end, pace) if end else []
    lines += _parts(journey, slots, room)
    lines += _days(slots, days, room)
    if ical is not None:
        lines += ["", f"{terminal.paint('Written', 'green')} {journey.short(ical.absolute())}"]
    for line in lines:
        terminal.say(line)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise JourneyError(
            f"{text!r} is not a date",
            expected="a date as 2027-03-01",
            fix="roadmap plan --until 2027-03-01",
        ) from None


def _shown(day: date | None) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}" if day else "out of sight"


def _heading(journey: Journey) -> list[str]:
    title = terminal.fit(journey.settings.title, terminal.columns() - 20).rstrip()
    return [terminal.paint("Plan  ", "bold") + terminal.paint(title, "bold cyan")]


def _projection(journey: Journey, ahead: Projection, room: int) -> list[str]:
    total = len(journey.state.items)
    if not ahead.items:
        return [terminal.paint("Everything is done.", "bold green")]
    hours = terminal.span((ahead.minutes[0], ahead.minutes[1]))
    week = terminal.duration(round(ahead.pace))
    if ahead.weeks:
        pace = f"{week} of estimated work a week, over the last {ahead.weeks} weeks"
    else:
        count = len(journey.settings.cadence)
        days = "day" if count == 1 else "days"
        pace = f"{terminal.duration(room)} on {count} {days} a week, as promised: too early to tell"
    lines = [
        *_row("Left", f"{ahead.items} of {total} items, {hours} by their estimates"),
        *_row("Pace", pace),
        *_row("Finish", _shown(ahead.likely), "bold green"),
    ]
    if ahead.early != ahead.late:
        lines += _row("", f"between {_shown(ahead.early)} and {_shown(ahead.late)}", "dim")
    return lines


def _row(label: str, text: str, style: str = "") -> list[str]:
    """A text behind its label, in as many lines as it takes."""
    first, *more = terminal.wrap(text, 10)
    return [
        f"  {label:<8}{terminal.paint(first.strip(), style)}",
        *(terminal.paint(line, style) for line in more),
    ]


def _gap(pause: Gap) -> list[str]:
    days = "day" if pause.missed == 1 else "days"
    told = f"{pause.missed} promised {days} since {_shown(pause.last)}; planned anew from today"
    lines = _row("Gap", told, "yellow")
    if pause.shift > 0:
        lines += _row("", f"the finish was {_shown(pause.before)}, {pause.shift} days earlier")
    return lines


def _deadline(end: date | None, pace: int | None) -> list[str]:
    if pace is None:
        return _row("Until", f"{_shown(end)}: no promised day is left before it", "red")
    return _row("Until", f"{_shown(end)}: {terminal.duration(pace)} on each promised day")


def _parts(journey: Journey, slots: list[Slot], minutes: int) -> list[str]:
    """When each part that is not done will be, if each promised day brings its minutes."""
    ends: dict[tuple[str, str], date] = {}
    for slot in slots:
        ends[slot.each.roadmap, slot.each.part] = slot.day
    lines: list[str] = []
    if ends:
        each = f"With {terminal.duration(minutes)} on each promised day"
        lines += ["", terminal.paint(each, "dim")]
    for roadmap in journey.roadmaps:
        rows = [
            (part, ends[roadmap.name, part.id])
            for part in roadmap.parts
            if (roadmap.name, part.id) in ends
        ]
        if rows:
            title = terminal.fit(roadmap.title, min(80, terminal.columns())).rstrip()
            lines.append(terminal.paint(title, "bold"))
        for part, day in rows:
            room = terminal.columns() - 19
            lines.append(f"  {terminal.fit(part.title, room)}  {_shown(day):>15}")
    return lines


def _days(slots: list[Slot], days: int, room: int) -> list[str]:
    if not slots or not days:
        return []
    lines = ["", terminal.paint(f"The next days, {terminal.duration(room)} each", "bold")]
    by_day: dict[date, list[Slot]] = {}
    for slot in slots:
        by_day.setdefault(slot.day, []).append(slot)
    for day in list(by_day)[:days]:
        label = f"{day:%a} {day.day:2d} {day:%b}"
        for slot in by_day[day]:
            name = _name(slot.each)
            told = f"{terminal.duration(slot.minutes)}{'' if slot.last else ', goes on'}"
            told += "" if slot.each.open else f", {slot.each.status} here"
            room = terminal.columns() - terminal.width(name) - len(told) - 18
            title = terminal.fit(slot.each.item.title, room).rstrip() if room >= 8 else ""
            lines.append(
                f"  {label:<12}{terminal.paint(terminal.clean(name), 'cyan')}  {title}"
                + f"  {terminal.paint(told, 'dim')}"
                if title
                else terminal.fit(f"  {label:<12}{name}", terminal.columns()).rstrip()
            )
            label = ""
    return lines


def _name(each: ItemState) -> str:
    return day_name(each.item.day) if each.item.day else each.item.id


def _write_calendar(journey: Journey, slots: list[Slot], path: Path) -> None:
    from roadmap_log.export.calendar import Appointment, calendar
    from roadmap_log.files import write_whole

    history = journey.history.events
    own = history[0].id.lower() if history else "journey"
    parts: dict[str, int] = {}
    entries: list[Appointment] = []
    for slot in slots:
        item = slot.each.item
        number = parts[item.id] = parts.get(item.id, 0) + 1
        more = f" ({number})" if number > 1 or not slot.last else ""
        told = [item.topic, *item.details, f"{terminal.duration(slot.minutes)} planned"]
        entries.append(
            Appointment(
                uid=f"{item.id}-{number}@{own}.roadmap-log",
                title=f"{item.title}{more}",
                begin=slot.day,
                text="\n".join(text for text in told if text),
                categories=(slot.each.roadmap,),
            )
        )
    write_whole(path, calendar(journey.settings.title, entries, journey.now()))


def _json(
    journey: Journey,
    ahead: Projection,
    pause: Gap | None,
    slots: list[Slot],
    end: date | None,
    pace: int | None,
    days: int,
) -> dict[str, Any]:
    chosen = list(dict.fromkeys(slot.day for slot in slots))[:days]
    return {
        "today": journey.state.today,
        "left": {"items": ahead.items, "minutes": list(ahead.minutes)},
        "pace": {"minutes_a_week": round(ahead.pace), "weeks": ahead.weeks},
        "finish": {"early": ahead.early, "likely": ahead.likely, "late": ahead.late},
        "gap": pause
        and {
            "last": pause.last,
            "missed": pause.missed,
            "finish_before": pause.before,
            "days_later": pause.shift,
        },
        "until": end and {"date": end, "minutes_a_day": pace},
        "days": [
            {
                "date": slot.day,
                "id": slot.each.item.id,
                "title": slot.each.item.title,
                "minutes": slot.minutes,
                "last": slot.last,
            }
            for slot in slots
            if slot.day in chosen
        ],
    }
