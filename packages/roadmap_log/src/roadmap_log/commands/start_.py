"""`roadmap start`: hand out a day and say how to go on."""

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, journey_of, json_option, print_json
from roadmap_log.journey import Journey
from roadmap_log.state import Day, day_name
from roadmap_log.work import Begun, Handout, begin, first_open, hand_out


@click.command()
@click.argument("day", required=False, shell_complete=completing.items)
@click.option("--notebook", is_flag=True, help="As a notebook (extra: notebook).")
@json_option
@click.pass_context
def command(ctx: click.Context, day: str | None, notebook: bool, as_json: bool) -> None:
    """Hand out a day: DAY is "autodiff/2", "2" for the track you are in, or left out for the next.

    An item of a roadmap, as "six-months/7", gives its task, and the day it is practised by. Work
    that is already there is never overwritten.
    """
    journey = journey_of(ctx)
    library, state = journey.library, journey.state
    each = first_open(journey) if day is None else library.item(day, state)
    if each is not None and not each.item.day:
        begun = begin(journey, each)
        if as_json:
            print_json(begun_json(begun))
            return
        terminal.say(how_to_do(journey, begun))
        return
    chosen = library.upcoming(state) if day is None else library.resolve(day, state)
    handout = hand_out(journey, chosen, notebook=notebook)
    if as_json:
        print_json(_handout_json(chosen, handout))
        return
    if not handout.new:
        terminal.say(f"{day_name(chosen)} is in your hands already; your work is untouched.\n")
    terminal.say(how_to_go_on(journey, chosen, handout))


def _handout_json(day: Day, handout: Handout) -> dict[str, object]:
    return {
        "day": day_name(day),
        "title": handout.day.title,
        "file": str(handout.file),
        "task": str(handout.task),
        "new": handout.new,
        "exercises": [{"number": e.number, "title": e.title} for e in handout.day.exercises],
    }


def begun_json(begun: Begun) -> dict[str, object]:
    """An item in hand for programs; with a day of practice what is said of that day, too."""
    told: dict[str, object] = {"item": begun.each.item.id, "title": begun.each.item.title}
    handout = begun.handout
    if handout is not None:
        day = next(d for d in _proofs(begun) if d[1] == handout.day.number)
        told |= _handout_json(day, handout)
    return told | ({"task": str(begun.task)} if begun.task else {})


def _proofs(begun: Begun) -> tuple[Day, ...]:
    item = begun.each.item
    return (item.day,) if item.day else item.practice


def how_to_do(journey: Journey, begun: Begun) -> str:
    """The screen of an item without a day of its own: what to learn, what to show, what to do."""
    item = begun.each.item
    minutes = f"   {terminal.span(item.minutes)}" if item.minutes else ""
    lines = [
        terminal.paint(f"{item.id}  {terminal.clean(item.title)}", "bold cyan")
        + terminal.paint(minutes, "dim")
    ]
    lines += [terminal.paint(line, "dim") for line in terminal.wrap(item.topic, 2) if item.topic]
    for label in ("Objectives", "Goals"):
        if texts := item.detail(label):
            lines += ["", terminal.paint(label, "bold")]
            for text in texts:
                first, *more = terminal.wrap(text, 4)
                lines += [f"  {'•' if terminal.unicode_marks() else '-'} {first.strip()}", *more]
    assert begun.task is not None
    steps = [("Read", journey.short(begun.task))]
    if begun.handout is not None:
        steps.append(("Solve the exercises in", journey.short(begun.handout.file)))
        steps.append(("Check your work", "roadmap test"))
    else:
        steps.append(("When it is done", f"roadmap tick {item.id}"))
    return "\n".join([*lines, "", *_steps(steps)])


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
    lines += ["", *_steps(steps)]
    lines.append(terminal.paint("  Stuck? roadmap hint", "dim"))
    return "\n".join(lines)


def _steps(steps: list[tuple[str, str]]) -> list[str]:
    room = max(len(what) for what, _ in steps) + 2
    return [
        "What to do now",
        *(
            f"  {number}. {what:<{room}}{terminal.paint(where, 'bold')}"
            for number, (what, where) in enumerate(steps, 1)
        ),
    ]
