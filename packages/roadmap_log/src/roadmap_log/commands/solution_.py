"""`roadmap solution`: the reference solution, after a pass or by giving up."""

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, journey_of, json_option, print_json
from roadmap_log.errors import UnknownItemError
from roadmap_log.state import day_name


@click.command()
@click.argument("day", required=False, shell_complete=completing.days)
@click.option("-e", "--exercise", type=int, help="Only this exercise.")
@click.option("--give-up", is_flag=True, help="Show it before you have passed; this is recorded.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, day: str | None, exercise: int | None, give_up: bool, as_json: bool
) -> None:
    """Show the reference solution of a day: after a pass, or before it with --give-up."""
    journey = journey_of(ctx)
    chosen = journey.library.resolve(day, journey.state)
    parsed = journey.library.day(chosen)
    numbers = [each.number for each in parsed.exercises]
    if exercise is not None and exercise not in numbers:
        raise UnknownItemError(
            f"{day_name(chosen)} has no exercise {exercise}",
            expected="one of " + ", ".join(map(str, numbers)),
            fix=f"roadmap solution {day_name(chosen)}",
        )
    passed = bool(journey.state.work_on(chosen).passes)
    if not passed and not give_up:
        raise UnknownItemError(
            f"{day_name(chosen)} has not passed yet, so its solution stays closed",
            expected="a pass first, or the decision to give up",
            fix=f"try a hint: roadmap hint; or: roadmap solution {day_name(chosen)} --give-up",
        )
    journey.record("solution.shown", day=day_name(chosen), exercise=exercise, gave_up=not passed)
    text = parsed.solution(exercise)
    if exercise is None:
        text = text.partition("\n# TESTS")[0].rstrip() + "\n"
    if as_json:
        print_json({"day": day_name(chosen), "exercise": exercise, "solution": text})
        return
    click.echo(text, nl=False)
    if not passed:
        note = "\nGiven up, and recorded. Read it, close it, write it yourself: roadmap test"
        terminal.say(terminal.paint(note, "yellow"), err=True)
