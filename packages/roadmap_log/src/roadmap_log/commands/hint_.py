"""`roadmap hint`: one more hint for an exercise, counted and remembered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, journey_of, json_option, print_json
from roadmap_log.errors import UnknownItemError
from roadmap_log.state import Work, day_name
from roadmap_log.work import work_in_hand

if TYPE_CHECKING:
    from roadmap_log.dayfile import Exercise


@click.command()
@click.argument("day", required=False, shell_complete=completing.days)
@click.option("-e", "--exercise", type=int, help="Number of the exercise; else the first unsolved.")
@click.option("--again", is_flag=True, help="Show the hints you have had once more.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, day: str | None, exercise: int | None, again: bool, as_json: bool
) -> None:
    """Show the next hint of an exercise. Hints go from faint to plain, and each one is counted."""
    journey = journey_of(ctx)
    chosen = journey.library.resolve(day, journey.state)
    written = work_in_hand(journey, chosen).read_text(encoding="utf-8", errors="replace")
    written = written.replace('\\"', '"')  # in a notebook every quote is escaped
    parsed = journey.library.day(chosen)
    hints = {each.number: each.hints for each in parsed.exercises}
    work = journey.state.work_on(chosen)
    number = exercise if exercise is not None else _stuck_at(parsed.exercises, written, work)
    if number not in hints:
        raise UnknownItemError(
            f"{day_name(chosen)} has no exercise {number}",
            expected="one of " + ", ".join(map(str, hints)),
            fix=f"roadmap hint {day_name(chosen)} --exercise {min(hints)}",
        )
    seen = min(work.hints.get(str(number), 0), len(hints[number]))
    level = seen if again else min(seen + 1, len(hints[number]))
    if level > seen:
        journey.record("hint.shown", day=day_name(chosen), exercise=str(number), level=level)
    shown = list(hints[number][:level])
    if as_json:
        print_json(
            {
                "day": day_name(chosen),
                "exercise": number,
                "hints": shown,
                "of": len(hints[number]),
            }
        )
        return
    title = next(each.title for each in parsed.exercises if each.number == number)
    terminal.say(terminal.paint(f"Exercise {number}: {terminal.clean(title)}", "bold cyan"))
    for position, text in enumerate(shown, 1):
        newest = position == level and level > seen
        first, *more = terminal.wrap(text, 7)
        for line in (f"  {position}/{len(hints[number])}  {first.strip()}", *more):
            terminal.say(terminal.paint(line, "" if newest else "dim"))
    if not shown:
        terminal.say("  no hint yet; the first one: roadmap hint")
    elif level < len(hints[number]):
        terminal.say(terminal.paint(f"\n  {len(hints[number]) - level} more: roadmap hint", "dim"))
    else:
        terminal.say(
            terminal.paint(
                "\n  That was the last hint of this exercise. Another exercise: "
                "roadmap hint -e N\n  Or see it solved: roadmap solution --give-up",
                "dim",
            )
        )


def _stuck_at(exercises: Sequence["Exercise"], written: str, work: Work) -> int:
    """The first exercise still refused in the learner's file, else the first with hints left."""
    for each in exercises:
        if f'"{each.label}"' in written:
            return each.number
    for each in exercises:
        if work.hints.get(str(each.number), 0) < len(each.hints):
            return each.number
    return exercises[-1].number
