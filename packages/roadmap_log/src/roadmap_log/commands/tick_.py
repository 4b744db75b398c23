"""`roadmap tick`: claim a box by hand."""

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, item_json, journey_of, json_option, print_json
from roadmap_log.errors import UnknownItemError
from roadmap_log.journey import Journey


@click.command()
@click.argument("item", shell_complete=completing.items)
@click.option("--undo", is_flag=True, help="Take the claim back.")
@json_option
@click.pass_context
def command(ctx: click.Context, item: str, undo: bool, as_json: bool) -> None:
    """Claim the box ITEM (its id, as "torch/05") without tests; it is shown as claimed."""
    journey = journey_of(ctx)
    meant = journey.library.item(item, journey.state)
    name = meant.item.id if meant else _of_day(journey, item)
    journey.record("item.unticked" if undo else "item.ticked", item=name)
    each = journey.state.items[name]
    if as_json:
        print_json(item_json(each))
        return
    terminal.say(f"{name} is now {each.status}: {each.item.title}")


def _of_day(journey: Journey, text: str) -> str:
    each = journey.state.by_day(journey.library.named(text, journey.state))
    if each is not None:
        return each.item.id
    raise UnknownItemError(
        f"no roadmap of this journey has an item {text!r}",
        expected="an id, as autodiff/03",
        fix="see them all: roadmap status --all",
    )
