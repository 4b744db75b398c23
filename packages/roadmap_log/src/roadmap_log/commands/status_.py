"""`roadmap status`: the way come and the way ahead; and in short, what `roadmap` alone shows."""

from datetime import timedelta
from typing import Any

import click

from roadmap_log import terminal
from roadmap_log.commands import item_json, journey_of, json_option, print_json
from roadmap_log.commands.next_ import advice
from roadmap_log.journey import Journey
from roadmap_log.roadmaps import Roadmap, Section
from roadmap_log.state import DONE, STATUSES, ItemState, State, count, next_items

LONGEST_STRIP = 8
"""Weeks of activity in the strip, at most."""


@click.command()
@click.option("--all", "every", is_flag=True, help="List every item, not only the weeks.")
@json_option
@click.pass_context
def command(ctx: click.Context, every: bool, as_json: bool) -> None:
    """Show progress by roadmap, part and week, the streak, and what comes next."""
    journey = journey_of(ctx)
    if as_json:
        print_json(status_json(journey))
        return
    for line in screen(journey, every=every):
        terminal.say(line)


def show_short(ctx: click.Context) -> None:
    """What `roadmap` alone prints: one line on where you are, then the next step."""
    journey = journey_of(ctx)
    terminal.say(
        "\n".join([*_heading(journey), "", *advice(journey, next_items(journey.state)[:1])])
    )
    terminal.say(terminal.paint("\nMore: roadmap status · roadmap --help", "dim"))


def screen(journey: Journey, *, every: bool = False) -> list[str]:
    """The lines of the whole screen."""
    state = journey.state
    lines = _heading(journey)
    for roadmap in journey.roadmaps:
        lines += ["", *_roadmap(roadmap, state, every)]
    if given_up := sum(each.mark == "given up" for each in state.items.values()):
        days = "day" if given_up == 1 else "days"
        note = f"{given_up} {days} passed after giving up: the solution was seen first"
        lines += ["", f"  {terminal.mark('given up')} {terminal.paint(note, 'dim')}"]
    lines += ["", _strip(state), "", *advice(journey, next_items(state))]
    return lines + _notes(journey)


def _heading(journey: Journey) -> list[str]:
    state, settings = journey.state, journey.settings
    title = terminal.fit(settings.title, min(60, terminal.columns() - 20)).rstrip()
    day = state.today.strftime("%a %d %b %Y")
    gap = " " * max(2, terminal.columns() - terminal.width(title) - len(day))
    done = sum(each.done for each in state.items.values())
    streak = state.streak
    words = [
        f"day {max(1, (state.today - settings.started).days + 1)}",
        f"{done} of {len(state.items)} done",
        f"streak {streak.current}" + (f" (best {streak.longest})" if streak.longest else ""),
    ]
    if state.today.weekday() not in settings.cadence:
        words.append("a rest day")
    if state.entries:
        noun = "entry" if len(state.entries) == 1 else "entries"
        words.append(f"{len(state.entries)} log {noun}, {terminal.duration(state.minutes)}")
    return [
        terminal.paint(title, "bold") + terminal.paint(gap + day, "dim"),
        *terminal.dotted(words),
    ]


def _roadmap(roadmap: Roadmap, state: State, every: bool) -> list[str]:
    states = [state.items[item.id] for item in roadmap.items()]
    done = f"{sum(each.done for each in states)} of {len(states)}"
    title = terminal.fit(roadmap.title, terminal.columns() - len(done) - 2)
    lines = [terminal.paint(title, "bold cyan") + "  " + terminal.paint(done, "dim")]
    coming = {each.item.id for each in next_items(state)}
    for part in roadmap.parts:
        current = any(item.id in coming for item in part.all_items())
        lines += _part(part, state, every, weeks=current)
    return lines


def _part(part: Section, state: State, every: bool, weeks: bool) -> list[str]:
    room = terminal.columns()
    states = state.of(part)
    totals = count(states)
    done = sum(totals[status] for status in DONE)
    amounts = [
        (totals["verified"], "green"),
        (totals["claimed"], "cyan"),
        (totals["stale"] + totals["attempted"] + totals["regressed"], "yellow"),
    ]
    length = room // 4
    title = terminal.fit(part.title, room - length - 12)
    bar = terminal.bar(amounts, len(states), length)
    lines = [f"  {title} {bar} {done:3d}/{len(states)}"]
    if every:
        for each in states:
            name = terminal.fit(f"{each.item.id:<12} {each.item.title}", room - 18)
            word = each.mark if each.mark != "todo" else ""
            lines.append(f"    {terminal.mark(each.mark)} {name} {terminal.paint(word, 'dim')}")
        return lines
    if all(each.status == "blocked" for each in states):
        return [*lines, "    " + terminal.paint(states[0].why, "dim")]
    if not weeks and (done == len(states) or all(each.status == "todo" for each in states)):
        return lines  # a part one is not in says enough in one line
    later: list[ItemState] = []
    for section in part.sections:
        week = state.of(section)
        if all(each.status in ("planned", "blocked") for each in week):
            later += week
            continue
        marks = "".join(terminal.mark(each.mark) for each in week)
        title = terminal.fit(section.title, room - 15).rstrip()
        lines.append(f"    {marks}{' ' * (7 - len(week))}  {terminal.paint(title, 'dim')}")
    if later:
        lines.append(
            "    " + terminal.paint(f"{len(later)} more days are still to be written", "dim")
        )
    return lines


def _strip(state: State) -> str:
    """The last weeks, a character a day, by how much was done."""
    levels = " ▂▄▆█" if terminal.unicode_marks() else " .:+#"
    empty = "·" if terminal.unicode_marks() else "."
    shown = min(LONGEST_STRIP, (terminal.columns() - len("Last 8 weeks  ")) // 8)
    first = state.today - timedelta(days=state.today.weekday() + 7 * (shown - 1))
    weeks = []
    for week in range(shown):
        text = ""
        for weekday in range(7):
            day = first + timedelta(days=7 * week + weekday)
            if day > state.today:
                text += " "
            elif done := state.activity.get(day):
                text += terminal.paint(levels[min(4, 1 + done.events // 3)], "green")
            else:
                text += terminal.paint(empty, "dim")
        weeks.append(text)
    return terminal.paint(f"Last {shown} weeks  ", "bold") + " ".join(weeks)


def _notes(journey: Journey) -> list[str]:
    """What should not go unseen: damaged lines, quarantined ones, events of a newer version."""
    history = journey.history
    notes = [
        f"{journey.short(damage.path)}:{damage.line}: {damage.reason}; this event is not counted"
        for damage in history.damage
    ]
    notes += [
        f"{journey.short(path)}: half-written by a crash, kept there, not counted"
        for path in journey.store.quarantined()
    ]
    notes += [
        f"{number} events of the kind {kind!r} are from a newer roadmap-log; they are kept"
        for kind, number in history.unknown_kinds.items()
    ]
    return [""] * bool(notes) + [terminal.paint(f"! {terminal.clean(n)}", "yellow") for n in notes]


def status_json(journey: Journey) -> dict[str, Any]:
    """The standing for programs."""
    state = journey.state
    return {
        "title": journey.settings.title,
        "folder": str(journey.root),
        "started": journey.settings.started,
        "today": state.today,
        "counts": state.counts,
        "streak": {"current": state.streak.current, "longest": state.streak.longest},
        "entries": len(state.entries),
        "minutes": state.minutes,
        "roadmaps": [
            {
                "name": roadmap.name,
                "title": roadmap.title,
                "version": roadmap.version,
                "parts": [
                    {"id": part.id, "title": part.title, "counts": count(state.of(part))}
                    for part in roadmap.parts
                ],
            }
            for roadmap in journey.roadmaps
        ],
        "next": [item_json(each) for each in next_items(state)],
        "items": [item_json(each) for each in state.items.values()],
        "damage": [str(damage) for damage in journey.history.damage],
        "quarantine": [str(path) for path in journey.store.quarantined()],
        "statuses": STATUSES,
    }
