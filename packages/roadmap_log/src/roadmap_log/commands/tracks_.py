"""`roadmap tracks`: the tracks that installed packages offer."""

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the tracks: installed, broken, and those the roadmaps speak of but nothing brings."""
    library = journey_of(ctx).library
    rows = []
    for name, known in library.tracks.items():
        days = list(library.days_of(name))
        rows.append({"track": name, **known, "days": days})
    for roadmap in library.roadmaps:
        for name, distribution in roadmap.tracks.items():
            if name not in library.tracks:
                rows.append({"track": name, "distribution": distribution, "missing": True})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        name = terminal.paint(f"{row['track']:<12}", "bold cyan")
        if "problem" in row:
            terminal.say(f"{name} broken: {terminal.clean(row['problem'])}")
        elif "missing" in row:
            fix = f"install {row['distribution']}"
            terminal.say(f"{name} {terminal.paint('not installed', 'yellow')}; {fix}")
        else:
            count = f"{len(row['days'])} of {row['planned']} days"
            source = terminal.paint(f"({row['distribution']} {row['version']})", "dim")
            terminal.say(f"{name} {count}  {row['title']} {source}")
            for line in terminal.wrap(row["summary"], 13):
                terminal.say(terminal.paint(line, "dim"))
