"""`roadmap roadmaps`: which roadmaps there are and which the journey follows."""

from pathlib import Path

import click

from roadmap_log import roadmaps, terminal
from roadmap_log.commands import completing, journey_of, json_option, print_json
from roadmap_log.errors import UnknownItemError
from roadmap_log.journey import Journey


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the roadmaps: those of this journey and those one could take up."""
    if ctx.invoked_subcommand is not None:
        return
    journey = journey_of(ctx)
    rows = [_row(journey, name) for name in _all(journey)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        name = terminal.paint(f"{row['name']:<26}", "bold cyan" if row["followed"] else "")
        count = f"{row['done']} of {row['items']}" if row["followed"] else f"{row['items']} items"
        title = terminal.fit(str(row["title"]), terminal.columns() - 39).rstrip()
        terminal.say(f"{name}{count:<12} {title}")
        for line in terminal.wrap(str(row["summary"]), 26):
            terminal.say(terminal.paint(line, "dim"))
    if any(not row["followed"] for row in rows):
        terminal.say("\nTake one up beside the others: roadmap roadmaps add NAME")


def _all(journey: Journey) -> list[str]:
    from roadmap_log.following import unfollowed

    return [*journey.settings.roadmaps, *unfollowed(journey)]


def _row(journey: Journey, name: str) -> dict[str, object]:
    followed = name in journey.settings.roadmaps
    found = roadmaps.load(name, journey.root / "roadmaps")
    items = [item.id for item in found.items()]
    return {
        "name": name,
        "title": found.title,
        "summary": found.summary,
        "followed": followed,
        "items": len(items),
        "done": sum(journey.state.items[each].done for each in items) if followed else 0,
        "built_in": found.path.parent == roadmaps.BUILT_IN,
        "imported": "source" in found.header,
    }


@command.command()
@click.argument("name", shell_complete=completing.roadmaps)
@json_option
@click.pass_context
def add(ctx: click.Context, name: str, as_json: bool) -> None:
    """Follow NAME beside the others: a built-in roadmap, or a Markdown file in our own form.

    A file of any other form is taken up by `roadmap import`.
    """
    from roadmap_log import following

    journey = journey_of(ctx)
    if name.endswith(".md") or "/" in name:
        name = following.copy_own(journey, Path(name))
    chosen = following.follow(journey, name)
    if as_json:
        print_json(_row(journey, name))
        return
    count = len(list(chosen.items()))
    terminal.say(f"{terminal.paint('Following', 'green')} {chosen.title}: {count} items")
    terminal.say("See where to begin: roadmap next")


@command.command()
@click.argument("name", shell_complete=completing.roadmaps)
@json_option
@click.pass_context
def remove(ctx: click.Context, name: str, as_json: bool) -> None:
    """No longer follow NAME. Its file and what was done on it stay; add brings all back."""
    from roadmap_log import following

    journey = journey_of(ctx)
    following.leave(journey, name)
    if as_json:
        print_json({"removed": name, "roadmaps": journey.settings.roadmaps})
        return
    terminal.say(f"{name} is left; take it up again: roadmap roadmaps add {name}")


@command.command()
@click.argument("name", required=False, shell_complete=completing.roadmaps)
@click.option("--out", type=click.Path(path_type=Path), help="Write here; else to the screen.")
@json_option
@click.pass_context
def export(ctx: click.Context, name: str | None, out: Path | None, as_json: bool) -> None:
    """Give the checklist NAME back with today's ticks: of an import the original file.

    Nothing in it changes but the ticks.
    """
    from roadmap_log.files import write_whole
    from roadmap_log.roadmaps.importing import exported

    journey = journey_of(ctx)
    followed = journey.settings.roadmaps
    chosen = name or (followed[0] if len(followed) == 1 else "")
    found = next((each for each in journey.roadmaps if each.path.stem == chosen), None)
    if found is None:
        raise UnknownItemError(
            f"the journey does not follow {name!r}" if name else "there are several roadmaps",
            expected="one of " + ", ".join(followed),
            fix=f"roadmap roadmaps export {followed[0]}",
        )
    text = exported(found, [each.item.id for each in journey.state.items.values() if each.done])
    if out is not None:
        write_whole(out, text.encode())
    if as_json:
        print_json({"roadmap": chosen, "file": str(out) if out else None, "text": text})
    elif out is None:
        click.echo(text, nl=False)
    else:
        terminal.say(f"{terminal.paint('Written', 'green')} {journey.short(out.absolute())}")
