"""`roadmap export`: the journey in other programs' formats."""

import sys
from pathlib import Path

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json

NAMES = ("markdown", "json", "csv", "entries", "items", "ical", "atom", "opml", "bibtex", "zip")
_ALIASES = {"csv": "entries"}


@click.command()
@click.argument("format", type=click.Choice(NAMES), metavar="FORMAT")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; else it is shown.")
@json_option
@click.pass_context
def command(ctx: click.Context, format: str, out: Path | None, as_json: bool) -> None:
    """Write the journey as FORMAT: markdown, json, csv, ical, atom, opml, bibtex or zip.

    csv is the log as a table; "items" is the table of the roadmaps' items.
    """
    from roadmap_log.export import export
    from roadmap_log.files import write_whole

    journey = journey_of(ctx)
    if format == "zip" and out is None:
        out = Path(f"{journey.root.name}.zip")
    content = export(journey, _ALIASES.get(format, format))
    if as_json and out is None:
        print_json({"format": format, "file": None, "text": content.decode()})
        return
    if out is None:
        sys.stdout.flush()
        stream = getattr(sys.stdout, "buffer", None)
        if stream is None:
            sys.stdout.write(content.decode())
        else:
            stream.write(content)
        return
    write_whole(out, content)
    if as_json:
        print_json({"format": format, "file": str(out), "bytes": len(content)})
        return
    terminal.say(f"{terminal.paint('Written', 'green')} {journey.short(out)}")
