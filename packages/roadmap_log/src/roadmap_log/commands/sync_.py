"""`roadmap sync`: exchange the journey with one's other machines through git."""

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json


@click.command()
@click.option("--init", "begin", is_flag=True, help="Make the journey a repository first.")
@click.option("--no-push", is_flag=True, help="Receive and merge, but send nothing.")
@json_option
@click.pass_context
def command(ctx: click.Context, begin: bool, no_push: bool, as_json: bool) -> None:
    """Commit the journey, merge what your other machines did, and send yours."""
    from roadmap_log import sync
    from roadmap_log.journey import Journey

    journey = journey_of(ctx)
    if begin:
        sync.init(journey)
    done = sync.sync(journey, send=not no_push)
    damage = Journey(journey.root).history.damage
    if as_json:
        print_json(
            {
                "committed": done.committed,
                "received": done.received,
                "sent": done.sent,
                "remote": done.remote or None,
                "both": [list(pair) for pair in done.both],
                "damage": [str(each) for each in damage],
            }
        )
        return
    files = "file" if done.committed == 1 else "files"
    terminal.say(f"{terminal.paint('Committed', 'green')} {done.committed} {files}")
    if not done.remote:
        terminal.say("No remote yet, so nothing was exchanged: git remote add origin ADDRESS")
        return
    commits = "commit" if done.received == 1 else "commits"
    sent = "sent yours" if done.sent else "sent nothing"
    terminal.say(f"Received {done.received} {commits} from {done.remote}, {sent}")
    for name, beside in done.both:
        told = f"! {name} was written on two machines; theirs is beside it, in {beside}"
        terminal.say(terminal.paint(terminal.clean(told), "yellow"))
    for each in damage:
        terminal.say(terminal.paint(f"! {terminal.clean(str(each))}", "yellow"), err=True)
