"""`roadmap reset`: begin a day again; what was there is kept."""

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, journey_of, json_option, print_json
from roadmap_log.state import day_name
from roadmap_log.work import reset, undo_reset


@click.command()
@click.argument("day", required=False, shell_complete=completing.days)
@click.option("--undo", is_flag=True, help="Put back what the latest reset moved aside.")
@json_option
@click.pass_context
def command(ctx: click.Context, day: str | None, undo: bool, as_json: bool) -> None:
    """Put the skeleton of a day back. Your work is moved beside it, never deleted."""
    journey = journey_of(ctx)
    chosen = journey.library.resolve(day, journey.state)
    if undo:
        source, before = undo_reset(journey, chosen)
        if as_json:
            told = {"day": day_name(chosen), "restored": str(source), "backup": str(before)}
            print_json(told)
            return
        terminal.say(f"Your work is back, from {journey.short(source)}.")
        terminal.say(f"What stood there is kept in {journey.short(before)}")
        return
    backup = reset(journey, chosen)
    file = journey.work_file(*chosen).with_suffix(backup.suffix)
    if as_json:
        print_json({"day": day_name(chosen), "file": str(file), "backup": str(backup)})
        return
    terminal.say(f"{journey.short(file)} is the skeleton again.")
    terminal.say(f"Your work is kept in {journey.short(backup)}")
    terminal.say("Take it back: roadmap reset --undo")
