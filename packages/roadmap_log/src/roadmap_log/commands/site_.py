"""`roadmap site`: the journey as a static site."""

from pathlib import Path

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json


@click.group()
def command() -> None:
    """Build the site of the journey: static pages that open from file:// without a network."""


@command.command()
@click.option("--out", type=click.Path(path_type=Path), help="Where to; else _site in the journey.")
@json_option
@click.pass_context
def build(ctx: click.Context, out: Path | None, as_json: bool) -> None:
    """Write the whole site; an older one in the same place is replaced at once."""
    journey = journey_of(ctx)
    from roadmap_log.site.build import build as build_site

    built = build_site(journey, out)
    if as_json:
        print_json(
            {
                "folder": str(built.folder),
                "pages": built.pages,
                "entries": built.entries,
                "seconds": round(built.seconds, 3),
                "left_out": [error.problem for error in built.left_out],
            }
        )
        return
    terminal.say(
        f"{terminal.paint('Built', 'green')} {built.pages} pages in {built.seconds:.1f} s; open "
        + terminal.paint(journey.short(built.folder / "index.html"), "bold")
    )
    for error in built.left_out:
        terminal.say(
            terminal.paint(f"left out: {terminal.clean(error.problem)}", "yellow"), err=True
        )
