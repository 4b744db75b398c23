"""`roadmap search`: find something in all that was written."""

from typing import TYPE_CHECKING

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json

if TYPE_CHECKING:
    from roadmap_log.search import Hit

_NO_BREAK = "\x03"


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("-n", "number", type=click.IntRange(1, 1000), default=10, show_default=True)
@json_option
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], number: int, as_json: bool) -> None:
    """Find WORDS in entries, papers, experiments and roadmaps, best first.

    All words must occur, as they begin: "atten" finds attention. A phrase stands in quotes;
    tag:kernels and kind:paper restrict, -word leaves out.
    """
    from roadmap_log.search import Index, find

    journey = journey_of(ctx)
    index = Index(journey)
    text = " ".join(f'"{word}"' if " " in word and '"' not in word else word for word in words)
    hits = find(index, text, number)
    if as_json:
        print_json(
            [
                {
                    "kind": hit.kind,
                    "name": hit.name,
                    "title": hit.title,
                    "file": str(hit.file) if hit.file else None,
                    "excerpt": _marked(hit.excerpt, "", ""),
                }
                for hit in hits
            ]
        )
        return
    if not hits:
        terminal.say("Nothing found. Fewer or shorter words find more.")
    for hit in hits:
        room = terminal.columns() - 12
        title = terminal.fit(hit.title, room).rstrip()
        terminal.say(f"{terminal.paint(f'{hit.kind:<11}', 'cyan')} {terminal.paint(title, 'bold')}")
        for line in _wrapped(hit):
            terminal.say(f"{'':12}{line}")
        place = journey.short(hit.file) if hit.file else hit.name
        terminal.say(terminal.paint(f"{'':12}{place}", "dim"))


def _wrapped(hit: "Hit") -> list[str]:
    """The excerpt in lines that fit, what was looked for painted."""
    from roadmap_log.search.query import BEGIN, END

    lines, room = [""], terminal.columns() - 12
    for word in _together(hit.excerpt).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and terminal.width(longer.replace(BEGIN, "").replace(END, "")) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    paints = ("\x1b[33m", "\x1b[0m") if terminal.coloured() else ("", "")
    return [_marked(line, *paints) for line in lines if line]


def _together(excerpt: str) -> str:
    """A phrase that was found, with characters for its spaces at which no line ends."""
    from roadmap_log.search.query import BEGIN, END

    parts = excerpt.replace(END, BEGIN).split(BEGIN)
    return "".join(
        f"{BEGIN}{part.replace(' ', _NO_BREAK)}{END}" if number % 2 else part
        for number, part in enumerate(parts)
    )


def _marked(excerpt: str, before: str, after: str) -> str:
    """An excerpt with what was looked for between `before` and `after`."""
    from roadmap_log.search.query import BEGIN, END

    parts = excerpt.replace(_NO_BREAK, " ").replace(END, BEGIN).split(BEGIN)
    return "".join(
        f"{before}{terminal.clean(part)}{after}" if number % 2 else terminal.clean(part)
        for number, part in enumerate(parts)
    )
