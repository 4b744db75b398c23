"""What a shell offers behind a command: items, days in hand, names of roadmaps."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from roadmap_log.errors import RoadmapError
from roadmap_log.journey import Journey
from roadmap_log.state import ItemState, day_name

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def items(ctx: click.Context, _: click.Parameter, begun: str) -> list["CompletionItem"]:
    """Ids of what is not done, and days of tracks by their own names."""
    return _offered(ctx, begun, lambda each: not each.done)


def days(ctx: click.Context, _: click.Parameter, begun: str) -> list["CompletionItem"]:
    """Days that were handed out."""
    return _offered(ctx, begun, lambda each: bool(each.item.day and each.work.started))


def roadmaps(ctx: click.Context, _: click.Parameter, begun: str) -> list["CompletionItem"]:
    """Names of all roadmaps, followed or not."""
    from click.shell_completion import CompletionItem

    from roadmap_log.roadmaps import names

    journey = _journey(ctx)
    there = names(journey.root / "roadmaps") if journey else names()
    return [CompletionItem(name) for name in there if name.startswith(begun)]


def _offered(
    ctx: click.Context, begun: str, wanted: Callable[[ItemState], bool]
) -> list["CompletionItem"]:
    from click.shell_completion import CompletionItem

    journey = _journey(ctx)
    if journey is None:
        return []
    try:
        states = [each for each in journey.state.items.values() if wanted(each)]
    except RoadmapError:
        return []
    names = {
        day_name(each.item.day) if each.item.day else each.item.id: each.item.title
        for each in states
    }
    return [CompletionItem(n, help=text) for n, text in names.items() if n.startswith(begun)]


def _journey(ctx: click.Context) -> Journey | None:
    try:
        return Journey.find(ctx.find_root().params.get("journey"))
    except RoadmapError:
        return None  # a completion has no place for an error
