"""`roadmap import`: take up a checklist, a table or a list of days that others wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json

if TYPE_CHECKING:
    from roadmap_log.roadmaps.importing import Import

SHOWN_PLACES = 5
"""Damaged places that are listed one by one."""

_KINDS = ("box", "row", "heading", "bullet", "line")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it; else the file's name.")
@click.option("--take", type=click.Choice(_KINDS), multiple=True, help="Take these; repeatable.")
@click.option("--encoding", help="What the file is written in, if not in UTF-8: as cp1254.")
@click.option("--misread", help="What its UTF-8 was mistaken for, if that cannot be found out.")
@click.option("--replace", is_flag=True, help="Put it in the place of an earlier import.")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    name: str | None,
    take: tuple[str, ...],
    encoding: str | None,
    misread: str | None,
    replace: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import FILE, any Markdown checklist, table or list of days, as a roadmap of this journey.

    Boxes, bullets with a tick sign, rows of tables with days and headings of days are taken;
    damaged characters are repaired where that is exact. `roadmap roadmaps export` gives the file
    back, unchanged but for the ticks.
    """
    from roadmap_log import following
    from roadmap_log.roadmaps.importing import read
    from roadmap_log.roadmaps.outline import KINDS

    journey = journey_of(ctx)
    kinds = frozenset(kind for kind in KINDS if kind in take) or None
    found = read(file, name, encoding=encoding, misread=misread, take=kinds)
    if not dry_run:
        following.take_in(journey, found, file.name, replace=replace)
    if as_json:
        print_json(_json(found, dry_run))
        return
    for line in _screen(found, journey.short(file.absolute()), dry_run):
        terminal.say(line)


def _counts(found: "Import") -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in found.found:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    return counts


def _json(found: "Import", dry_run: bool) -> dict[str, object]:
    mended = found.repaired
    return {
        "roadmap": found.name,
        "title": found.title,
        "imported": not dry_run,
        "taken": _counts(found),
        "items": [
            {"id": found.ids[each.line], "title": each.title, "line": each.line, "done": each.done}
            for each in found.found
        ],
        "repaired": {"mistaken_for": mended.codec or None, "characters": mended.restored},
        "lost": [{"line": p.line, "column": p.column, "text": p.text} for p in mended.lost],
        "undecided_between": list(mended.rivals),
    }


def _screen(found: "Import", file: str, dry_run: bool) -> list[str]:
    plurals = {"box": "boxes"}
    taken = ", ".join(
        f"{number} {kind if number == 1 else plurals.get(kind, kind + 's')}"
        for kind, number in _counts(found).items()
    )
    verb = "Would import" if dry_run else "Imported"
    lines = [
        terminal.paint(f"{verb} {found.name}", "bold green") + f"  {terminal.clean(found.title)}",
        f"  {taken}" + (f"; {len(found.done)} ticked already" if found.done else ""),
    ]
    mended = found.repaired
    if mended.codec:
        noun = "character" if mended.restored == 1 else "characters"
        lines.append(f"  repaired exactly: {mended.restored} {noun}, misread as {mended.codec}")
    if mended.lost:
        noun = "place" if len(mended.lost) == 1 else "places"
        told = f"  {len(mended.lost)} {noun} not repaired, for bytes are missing; left as given:"
        lines.append(terminal.paint(told, "yellow"))
        lines += [
            f"    {file}:{place.line}:{place.column}  {terminal.clean(place.text)}"
            for place in mended.lost[:SHOWN_PLACES]
        ]
        if len(mended.lost) > SHOWN_PLACES:
            lines.append(f"    and {len(mended.lost) - SHOWN_PLACES} more (all of them: --json)")
    if mended.rivals:
        told = f"  it looks misread, as {' or as '.join(mended.rivals)}: choose by --misread"
        lines.append(terminal.paint(told, "yellow"))
    if dry_run:
        lines += [f"    {'x' if e.done else ' '} {terminal.clean(e.title)}" for e in found.found]
        return lines
    first = next((found.ids[each.line] for each in found.found if not each.done), None)
    lines += ["", "  Where you are    roadmap status"]
    lines += [f"  Tick a box       roadmap tick {first}"] if first else []
    return [*lines, f"  Get it back      roadmap roadmaps export {found.name}"]
