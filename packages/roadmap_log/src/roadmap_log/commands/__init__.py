"""The subcommands of `roadmap`, one module each, and what they share."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

import click

from roadmap_log.journey import Journey
from roadmap_log.state import ItemState, day_name

Command = TypeVar("Command", bound=Callable[..., Any])


def journey_of(ctx: click.Context) -> Journey:
    """The journey that the command is about."""
    return Journey.find(ctx.find_root().obj)


def json_option(function: Command) -> Command:
    """The option --json, on every command that shows something."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")(function)


def print_json(value: Any) -> None:
    """Print `value` for programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def item_json(each: ItemState) -> dict[str, Any]:
    """An item's standing for programs."""
    item, work = each.item, each.work
    return {
        "id": item.id,
        "title": item.title,
        "topic": item.topic,
        "roadmap": each.roadmap,
        "day": day_name(item.day) if item.day else None,
        "minutes": list(item.minutes) if item.minutes else None,
        "due": item.due or None,
        "practice": [day_name(day) for day in item.practice],
        "status": each.status,
        "why": each.why or None,
        "attempts": work.attempts,
        "hints": work.hints_used,
        "gave_up": work.gave_up,
        "roofline": work.shares or None,
        "started": work.started,
        "verified": work.verified,
    }
