"""`roadmap tui`: the journey in a terminal interface."""

import sys

import click

from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.errors import MachineError


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Walk through the journey: today, the plan, the log, papers, search. Needs the extra tui."""
    journey = journey_of(ctx)
    try:
        from roadmap_log.tui.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("textual", "rich"):
            raise
        raise MachineError(
            "the terminal interface needs textual, which is not installed",
            expected="the extra tui",
            fix="pip install 'roadmap-log[tui]'; everything else works without it",
        ) from error
    if as_json or not sys.stdout.isatty():
        if as_json:
            print_json({"journey": str(journey.root), "available": True})
            return
        raise MachineError(
            "the terminal interface needs a terminal",
            expected="a screen and a keyboard",
            fix="for pipes and programs there is: roadmap status --json",
        )
    run(journey)
