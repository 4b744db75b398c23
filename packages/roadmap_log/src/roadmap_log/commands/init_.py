"""`roadmap init`: make a journey, hand out its first day, say what to do."""

from pathlib import Path

import click

from roadmap_log import terminal
from roadmap_log.commands import json_option, print_json
from roadmap_log.commands.start_ import begun_json, how_to_do, how_to_go_on
from roadmap_log.errors import UnknownItemError
from roadmap_log.journey import Journey
from roadmap_log.state import day_name
from roadmap_log.work import begin, first_open, hand_out


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--roadmap",
    "follow",
    multiple=True,
    help="A built-in roadmap or a Markdown file of yours; may be repeated.",
)
@click.option("--title", default="My journey", show_default=True, help="What to call it.")
@click.option(
    "--cadence",
    default="daily",
    show_default=True,
    help='The days you promise yourself: "daily", "weekdays", or "mon,wed,fri".',
)
@click.option("--time-zone", default="local", help='As "Europe/Berlin"; else the machine\'s.')
@json_option
def command(
    folder: Path, follow: tuple[str, ...], title: str, cadence: str, time_zone: str, as_json: bool
) -> None:
    """Begin a journey in a new folder and take its first day in hand."""
    journey = Journey.create(
        folder,
        title=title,
        cadence=cadence,
        time_zone=time_zone,
        follow=tuple(Path(each) if each.endswith(".md") or "/" in each else each for each in follow)
        or ("programme",),
    )
    each = first_open(journey)
    if each is not None and not each.item.day:
        begun = begin(journey, each)
        if as_json:
            print_json({"journey": str(journey.root), **begun_json(begun)})
            return
        terminal.say(_made(journey))
        terminal.say("")
        terminal.say(how_to_do(journey, begun))
        return
    try:
        first = journey.library.upcoming(journey.state)
        handout = hand_out(journey, first)
    except UnknownItemError as error:
        if as_json:
            print_json({"journey": str(journey.root), "day": None, "fix": error.fix})
            return
        terminal.say(_made(journey))
        terminal.say(f"\nNo day can be handed out yet: {error.problem}.\nDo next: {error.fix}")
        return
    if as_json:
        print_json(
            {
                "journey": str(journey.root),
                "day": day_name(first),
                "file": str(handout.file),
                "task": str(handout.task),
            }
        )
        return
    terminal.say(_made(journey))
    terminal.say("")
    terminal.say(how_to_go_on(journey, first, handout))


def _made(journey: Journey) -> str:
    lines = [
        terminal.paint(f"Your journey is ready in {journey.short(journey.root)}/", "bold green")
    ]
    for roadmap in journey.roadmaps:
        lines.append(f"  {terminal.clean(roadmap.title)}: {len(list(roadmap.items()))} items")
        for part in roadmap.parts:
            states = journey.state.of(part)
            ready = sum(each.startable for each in states)
            told = f"{len(states):3d}" + (f", {ready} ready here" if ready else "")
            title = terminal.fit(part.title, terminal.columns() - 23)
            lines.append(f"    {title}{terminal.paint(told, 'dim')}".rstrip())
            if not ready and (why := states[0].why):
                lines += [terminal.paint(line, "dim") for line in terminal.wrap(why, 6)]
    return "\n".join(lines)
