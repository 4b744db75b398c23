"""`roadmap start`: hand out a day and say how to go on."""

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.journey import Journey
from roadmap_log.state import Day, day_name
from roadmap_log.work import Handout, hand_out


@click.command()
@click.argument("day", required=False)
@json_option
@click.pass_context
def command(ctx: click.Context, day: str | None, as_json: bool) -> None:
    """Hand out a day: DAY is "autodiff/2", "2" for the track you are in, or left out for the next.

    Work that is already there is never overwritten.
    """
    journey = journey_of(ctx)
    library, state = journey.library, journey.state
    chosen = library.upcoming(state) if day is None else library.resolve(day, state)
    handout = hand_out(journey, chosen)
    if as_json:
        exercises = [{"number": e.number, "title": e.title} for e in handout.day.exercises]
        print_json(
            {
                "day": day_name(chosen),
                "title": handout.day.title,
                "file": str(handout.file),
                "task": str(handout.task),
                "new": handout.new,
                "exercises": exercises,
            }
        )
        return
    if not handout.new:
        terminal.say(f"{day_name(chosen)} is in your hands already; your work is untouched.\n")
    terminal.say(how_to_go_on(journey, chosen, handout))


def how_to_go_on(journey: Journey, day: Day, handout: Handout) -> str:
    """The screen that says what the day is and which three steps come next."""
    parsed = handout.day
    lines = [
        terminal.paint(f"{day_name(day)}  {terminal.clean(parsed.title)}", "bold cyan")
        + terminal.paint(f"   {parsed.estimated_time}", "dim")
    ]
    for objective in parsed.objectives:
        first, *more = terminal.wrap(objective, 4)
        lines += [f"  {'•' if terminal.unicode_marks() else '-'} {first.strip()}", *more]
    count = len(parsed.exercises)
    noun = "exercise" if count == 1 else "exercises"
    steps = [
        ("Read", journey.short(handout.task)),
        (f"Solve the {count} {noun} in", journey.short(handout.file)),
        ("Check your work", "roadmap test"),
    ]
    room = max(len(what) for what, _ in steps) + 2
    lines += ["", "What to do now"]
    for number, (what, where) in enumerate(steps, 1):
        lines.append(f"  {number}. {what:<{room}}{terminal.paint(where, 'bold')}")
    lines.append(terminal.paint("  Stuck? roadmap hint", "dim"))
    return "\n".join(lines)
