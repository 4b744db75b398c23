"""`roadmap doctor`: what is broken, what is odd, and how to mend it."""

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Look at everything the journey rests on. Exit status 3 if something is broken."""
    from roadmap_log.doctor import examine

    found = examine(journey_of(ctx))
    broken = sum(each.grade == "broken" for each in found)
    odd = sum(each.grade == "odd" for each in found)
    if as_json:
        print_json(
            [
                {"what": each.what, "grade": each.grade, "told": each.told, "fix": each.fix or None}
                for each in found
            ]
        )
        ctx.exit(3 if broken else 0)
    marks = {"fine": "verified", "odd": "attempted", "broken": "regressed"}
    for each in found:
        sign = terminal.mark(marks[each.grade])
        terminal.say(f"{sign} {each.what:<9} {terminal.clean(each.told)}")
        if each.fix:
            terminal.say(terminal.paint(f"{'':12}do next: {terminal.clean(each.fix)}", "dim"))
    summary = f"{broken} broken, {odd} odd" if broken or odd else "All is well."
    terminal.say(terminal.paint(summary, "red bold" if broken else "bold"))
    ctx.exit(3 if broken else 0)
