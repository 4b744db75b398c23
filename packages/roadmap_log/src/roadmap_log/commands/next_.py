"""`roadmap next`: what to do next, and what else one could do."""

import click

from roadmap_log import terminal
from roadmap_log.commands import item_json, journey_of, json_option, print_json
from roadmap_log.journey import Journey
from roadmap_log.state import ItemState, day_name, next_items


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Say what to do next: the day in hand, else the next one of each part of the roadmap."""
    journey = journey_of(ctx)
    choices = next_items(journey.state)
    if as_json:
        print_json([item_json(each) for each in choices])
        return
    for line in advice(journey, choices):
        terminal.say(line)


def advice(journey: Journey, choices: list[ItemState]) -> list[str]:
    """The lines that say what comes next: one thing to do, then the others in short."""
    if not choices:
        return [
            terminal.paint("Everything is done.", "bold green")
            + " Look back at it: roadmap status, roadmap site build"
        ]
    best, others = choices[0], choices[1:]
    lines = [terminal.paint("Next  ", "bold") + _headline(best)]
    if best.item.topic:
        lines += [terminal.paint(line, "dim") for line in terminal.wrap(best.item.topic, 6)]
    lines += [f"      {line}" for line in _what_to_do(journey, best)]
    for heading, these in (
        ("Also open", [each for each in others if each.startable or not each.item.day]),
        ("Not yet", [each for each in others if each.item.day and not each.startable]),
    ):
        lines += ["", terminal.paint(heading, "bold")] if these else []
        for each in these:
            lines.append(f"  {terminal.mark(each.status)} {_headline(each)}")
            lines += [f"    {line}" for line in _what_to_do(journey, each)]
    return lines


def _name(each: ItemState) -> str:
    return day_name(each.item.day) if each.item.day else each.item.id


def _headline(each: ItemState) -> str:
    minutes = each.item.minutes
    span = f"  {terminal.span(minutes)}" if minutes else ""
    span += f"  due {each.item.due}" if each.item.due else ""
    name = _name(each)
    room = terminal.columns() - terminal.width(name) - terminal.width(span) - len("Next    ")
    title = terminal.fit(each.item.title, max(8, room)).rstrip()
    return f"{terminal.paint(name, 'cyan')}  {title}{terminal.paint(span, 'dim')}"


def _what_to_do_by_hand(journey: Journey, each: ItemState) -> list[str]:
    item, state = each.item, journey.state
    tick = f"when it is done: {terminal.paint('roadmap tick ' + item.id, 'bold')}"
    if not item.details and not item.practice:
        return [tick]
    if each.work.started is None:
        return [terminal.paint(f"roadmap start {item.id}", "bold")]
    left = [day for day in item.practice if not state.work_on(day).passes]
    ready = next((day for day in left if journey.library.available(day)[0] == "todo"), None)
    if ready is None:
        return [tick]
    if journey.work_file(*ready).is_file():
        file = terminal.paint(journey.short(journey.work_file(*ready)), "bold")
        return [f"edit {file}, then {terminal.paint('roadmap test', 'bold')}"]
    return [terminal.paint(f"roadmap start {day_name(ready)}", "bold")]


def _what_to_do(journey: Journey, each: ItemState) -> list[str]:
    if not each.item.day:
        return _what_to_do_by_hand(journey, each)
    if not each.startable:
        return [terminal.paint(line.strip(), "dim") for line in terminal.wrap(each.why, 6)]
    file = journey.work_file(*each.item.day)
    if not file.is_file() and file.with_suffix(".ipynb").is_file():
        file = file.with_suffix(".ipynb")
    if each.work.started and file.is_file():
        edit = f"edit {terminal.paint(journey.short(file), 'bold')}, "
        edit += f"then {terminal.paint('roadmap test', 'bold')}"
        return terminal.beside(edit, terminal.paint("stuck? roadmap hint", "dim"), 6)
    return [terminal.paint(f"roadmap start {_name(each)}", "bold")]
