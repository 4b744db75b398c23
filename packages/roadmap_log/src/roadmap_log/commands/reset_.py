"""`roadmap reset`: begin a day again; what was there is kept."""

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.state import day_name
from roadmap_log.work import reset


@click.command()
@click.argument("day", required=False)
@json_option
@click.pass_context
def command(ctx: click.Context, day: str | None, as_json: bool) -> None:
    """Put the skeleton of a day back. Your work is moved beside it, never deleted."""
    journey = journey_of(ctx)
    chosen = journey.library.resolve(day, journey.state)
    backup = reset(journey, chosen)
    file = journey.work_file(*chosen)
    if as_json:
        print_json({"day": day_name(chosen), "file": str(file), "backup": str(backup)})
        return
    terminal.say(f"{journey.short(file)} is the skeleton again.")
    terminal.say(f"Your work is kept in {journey.short(backup)}; to take it back:")
    terminal.say(f"  cp {journey.short(backup)} {journey.short(file)}")
