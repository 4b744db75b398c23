"""The `roadmap` command. Each subcommand's module is imported only when it is called."""

import json
import os
import sys
from importlib import import_module
from typing import Any

import click

from roadmap_log import terminal
from roadmap_log.errors import RoadmapError

COMMANDS = {
    "init": "Begin a journey in a new folder",
    "next": "Say what to do next",
    "start": "Hand out a day",
    "test": "Check your work on a day",
    "watch": "Check it whenever you save",
    "hint": "Show the next hint",
    "solution": "Show the reference solution",
    "verify": "Check everything again that once passed",
    "reset": "Put a day's skeleton back, keeping your work beside it",
    "tick": "Claim a box by hand, or take the claim back",
    "roadmaps": "List, take up, leave and export roadmaps",
    "import": "Take up a checklist, table or day list of others",
    "log": "Write a log entry",
    "paper": "Keep the papers you read",
    "experiment": "Keep experiments: hypothesis, runs, ablations, result",
    "search": "Find something in all that you wrote",
    "status": "Show the way come and the way ahead",
    "stats": "Show when you worked, what is left, where the time went",
    "plan": "Foresee the finish and lay the rest out over the days",
    "tracks": "List the tracks that are installed",
    "site": "Build the site of the journey",
    "export": "Write the journey as Markdown, JSON, CSV, iCal, Atom, OPML, BibTeX or zip",
    "sync": "Exchange the journey with your other machines through git",
    "doctor": "Look for what is broken, and say how to mend it",
    "tui": "Walk through the journey in a terminal interface",
    "dev": "Check the days of a track, for authors",
}
"""The subcommands with one line of help each; `name` lives in `roadmap_log.commands.name_`."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a learner's day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the module of one command."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"roadmap_log.commands.{name}_").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one is answered with the nearest name."""
        if args and args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean: roadmap {near[0]}" if near else "see roadmap --help"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from roadmap_log import __version__

        click.echo(f"roadmap-log {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.option(
    "--journey",
    metavar="PATH",
    envvar="ROADMAP_JOURNEY",
    help="The journey's folder; else it is looked for above and right below this one.",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version)
@click.pass_context
def cli(ctx: click.Context, journey: str | None) -> None:
    """The companion of a months-long learning journey.

    Without a command it shows where you are and what comes next.
    """
    ctx.obj = journey
    if ctx.invoked_subcommand is None:
        from roadmap_log.commands.status_ import show_short

        show_short(ctx)


def main(args: list[str] | None = None) -> None:
    """Run the command and exit; every foreseen error ends as three short lines."""
    args = sys.argv[1:] if args is None else args
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    screen = sys.stdout
    try:
        code = cli.main(args, prog_name="roadmap", standalone_mode=False)
        sys.stdout.flush()
    except RoadmapError as error:
        _report(error, as_json="--json" in args)
        code = error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt, EOFError):
        terminal.say("interrupted", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except SystemExit as ended:  # from click: completion, or a pipe that was closed
        code = ended.code if sys.stdout is screen else 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # silence the last flush
        code = 0
    raise SystemExit(code or 0)


def _report(error: RoadmapError, *, as_json: bool) -> None:
    fields: dict[str, Any] = {
        "problem": error.problem,
        "expected": error.expected,
        "fix": error.fix,
    }
    if as_json:
        fields["exit_code"] = error.exit_code
        click.echo(json.dumps({"error": fields}, ensure_ascii=False), err=True)
        return
    for label, key, style in (
        ("problem", "problem", "red bold"),
        ("expected", "expected", ""),
        ("do next", "fix", "bold"),
    ):
        if fields[key]:
            text = "\n          ".join(terminal.clean(line) for line in fields[key].splitlines())
            terminal.say(f"{terminal.paint(f'{label:>8}', style)}  {text}", err=True)
