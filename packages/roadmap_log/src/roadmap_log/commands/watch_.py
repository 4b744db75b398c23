"""`roadmap watch`: check the work whenever its file is saved, until it passes."""

import json

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, journey_of, json_option
from roadmap_log.state import day_name


@click.command()
@click.argument("day", required=False, shell_complete=completing.days)
@click.option("--poll", is_flag=True, help="Look at the file again and again (network drives).")
@json_option
@click.pass_context
def command(ctx: click.Context, day: str | None, poll: bool, as_json: bool) -> None:
    """Check your work on a day each time you save it; ends when it passes, or with Ctrl-C.

    With --json each run is one line.
    """
    from roadmap_log.commands.test_ import shown
    from roadmap_log.judging import judge, record, scored
    from roadmap_log.watching import Watch
    from roadmap_log.work import work_in_hand

    journey = journey_of(ctx)
    chosen = journey.library.resolve(day, journey.state)
    watch = Watch(work_in_hand(journey, chosen), poll=poll)
    terminal.say(
        f"Watching {journey.short(watch.path)} for {day_name(chosen)} "
        f"({watch.announced}). Save it to be checked; Ctrl-C ends.",
        err=True,
    )

    def say(text: str) -> None:
        terminal.say(text, err=True)

    changes = watch.changes(say)
    solution = ""
    while True:
        verdict = scored(journey, judge(journey, chosen), say)
        report = verdict.report
        if report.solution_hash != solution or report.passed:
            record(journey, verdict)  # saved without a change, it is no further attempt
        solution = report.solution_hash
        if as_json:
            click.echo(json.dumps(report.to_json(), ensure_ascii=False))
        else:
            terminal.say(terminal.paint(f"\nAt {journey.now():%H:%M:%S}", "bold"))
            for line in shown(journey, verdict):
                terminal.say(line)
        if report.passed or report.blocked:
            ctx.exit(0 if report.passed else 6)
        if not as_json:
            terminal.say(terminal.paint("\nWaiting for the next save …", "dim"))
        next(changes)
