"""`roadmap paper`: the shelf of papers, toward fifty."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.errors import UnknownItemError

if TYPE_CHECKING:
    from roadmap_log.papers import Paper


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Keep the papers you read: add, note, mark as read, cite.

    Without a command it shows the shelf.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@command.command()
@click.argument("name", required=False)
@click.option("--bibtex", type=click.Path(path_type=Path), help="A file of BibTeX; - for stdin.")
@click.option("--title", help="Its title, since nothing is looked up.")
@click.option("--author", "authors", multiple=True, help="An author; may be repeated.")
@click.option("--year", type=click.IntRange(1, 9999))
@click.option("--tag", "tags", multiple=True, help="A tag; may be repeated.")
@json_option
@click.pass_context
def add(
    ctx: click.Context,
    name: str | None,
    bibtex: Path | None,
    title: str | None,
    authors: tuple[str, ...],
    year: int | None,
    tags: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add a paper by its arXiv id or DOI, or all papers of a BibTeX file. Needs no network."""
    from roadmap_log import papers

    journey = journey_of(ctx)
    if (name is None) == (bibtex is None):
        raise click.UsageError("say which paper: an arXiv id, a DOI, or --bibtex FILE", ctx)
    if bibtex is not None:
        found = _from_file(bibtex, journey.now())
    else:
        found = [papers.paper_of(str(name), journey.now())]
    added, there = [], papers.known(journey)
    for paper in found:
        paper = replace(
            paper,
            title=" ".join((title or paper.title).split()),
            authors=authors or paper.authors,
            year=year or paper.year,
            tags=(*paper.tags, *tags),
        )
        try:
            added.append(papers.add(journey, paper, there))
        except UnknownItemError as error:
            if len(found) == 1:
                raise
            terminal.say(terminal.paint(f"left out: {error.problem}", "yellow"), err=True)
    if as_json:
        print_json([_json(paper) for paper in added])
        return
    for paper in added:
        terminal.say(f"{terminal.paint('On the shelf', 'green')} {_line(paper)}")
    terminal.say(_meter(papers.shelf(journey)[0]))


def _from_file(path: Path, now: Any) -> list["Paper"]:
    from roadmap_log import bibtex, papers
    from roadmap_log.files import storage_error

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8", "replace")
    except OSError as error:
        raise storage_error("read", path, error) from error
    found = [papers.from_reference(each, now) for each in bibtex.parse(text)]
    if not found:
        raise UnknownItemError(
            f"there is no entry in {path}", expected="@article{key, title = {…}}", fix="correct it"
        )
    return found


@command.command("list")
@click.option("--status", type=click.Choice(["to read", "reading", "read"]))
@json_option
@click.pass_context
def list_(ctx: click.Context, status: str | None, as_json: bool) -> None:
    """Show the shelf: what you are reading, what waits, what is read."""
    from roadmap_log import papers

    shown, broken = papers.shelf(journey_of(ctx))
    every = shown
    if status:
        shown = [paper for paper in shown if paper.status == status]
    if as_json:
        print_json([_json(paper) for paper in shown])
        return
    if not every:
        terminal.say('No paper yet. The first one: roadmap paper add 1706.03762 --title "…"')
    for each in papers.STATUSES:
        these = [paper for paper in shown if paper.status == each]
        if these:
            terminal.say(terminal.paint(each.capitalize(), "bold"))
        for paper in these:
            terminal.say(f"  {_line(paper)}")
    if every:
        terminal.say(_meter(every))
    for error in broken:
        terminal.say(terminal.paint(f"! {terminal.clean(error.problem)}", "yellow"), err=True)


@command.command()
@click.argument("name")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show what is known of a paper, and your notes on it."""
    from roadmap_log import papers

    journey = journey_of(ctx)
    paper = papers.find(journey, name)
    if as_json:
        print_json({**_json(paper), "notes": paper.notes})
        return
    terminal.say(terminal.paint(terminal.clean(paper.title), "bold"))
    people = ", ".join(paper.authors)
    told = " · ".join(part for part in (people, str(paper.year or "")) if part)
    for line in filter(None, (told, paper.address, _standing(paper))):
        terminal.say(terminal.paint(terminal.clean(line), "dim"))
    for line in paper.notes.splitlines() or ["No notes yet: roadmap paper note " + paper.key]:
        terminal.say(f"  {terminal.clean(line)}")
    assert paper.path is not None
    terminal.say(terminal.paint(journey.short(paper.path), "dim"))


@command.command()
@click.argument("name")
@click.option("-m", "--message", help="A note to add; else your editor opens.")
@json_option
@click.pass_context
def note(ctx: click.Context, name: str, message: str | None, as_json: bool) -> None:
    """Add a note to a paper, which thereby counts as begun."""
    from roadmap_log import papers

    journey = journey_of(ctx)
    paper = papers.find(journey, name)
    if message is None and sys.stdin.isatty():
        written = click.edit(paper.notes + "\n", extension=".md")
        notes = paper.notes if written is None else written.strip("\n")
    else:
        more = sys.stdin.read() if message in (None, "-") else str(message)
        if not more.strip():
            raise UnknownItemError("the note is empty", expected="some text", fix="-m 'text'")
        notes = f"{paper.notes}\n\n{more.strip()}".strip("\n")
    status = "reading" if paper.status == "to read" else paper.status
    _told(papers.update(journey, paper, replace(paper, notes=notes, status=status)), as_json)


@command.command()
@click.argument("name")
@click.option("-m", "--message", default="", help="What you take from it; added to the notes.")
@click.option("--undo", is_flag=True, help="Put it back to those you are reading.")
@json_option
@click.pass_context
def read(ctx: click.Context, name: str, message: str, undo: bool, as_json: bool) -> None:
    """Mark a paper as read."""
    from roadmap_log import papers

    journey = journey_of(ctx)
    paper = papers.find(journey, name)
    notes = f"{paper.notes}\n\n{message}".strip("\n") if message else paper.notes
    if undo:
        changed = replace(paper, notes=notes, status="reading", read=None)
    else:
        when = paper.read or journey.now().replace(microsecond=0)
        changed = replace(paper, notes=notes, status="read", read=when)
    _told(papers.update(journey, paper, changed), as_json)
    if not as_json:
        terminal.say(_meter(papers.shelf(journey)[0]))


@command.command()
@click.argument("names", nargs=-1)
@click.pass_context
def bibtex(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Print BibTeX of the papers named, or of all."""
    from roadmap_log import bibtex as tex
    from roadmap_log import papers

    journey = journey_of(ctx)
    chosen = [papers.find(journey, name) for name in names] or papers.shelf(journey)[0]
    click.echo(tex.write(papers.to_reference(paper) for paper in chosen), nl=False)


def _told(paper: "Paper", as_json: bool) -> None:
    if as_json:
        print_json(_json(paper))
    else:
        terminal.say(f"{terminal.paint(paper.status.capitalize(), 'green')} {_line(paper)}")


def _line(paper: "Paper") -> str:
    year = f" ({paper.year})" if paper.year else ""
    key = terminal.fit(paper.key, 20)
    room = terminal.columns() - 38
    return f"{terminal.paint(key, 'cyan')} {terminal.fit(paper.title, room).rstrip()}{year}"


def _standing(paper: "Paper") -> str:
    told = f"read on {paper.read:%d %b %Y}" if paper.read else paper.status
    return " ".join([told, *(f"#{tag}" for tag in paper.tags)])


def _meter(shelf: list["Paper"]) -> str:
    """How far the shelf is read, toward the goal."""
    from roadmap_log import papers

    read = papers.counts(shelf)["read"]
    bar = terminal.bar([(min(read, papers.GOAL), "green")], papers.GOAL, 25)
    return f"{bar} {read} of {papers.GOAL} read"


def _json(paper: "Paper") -> dict[str, Any]:
    return {
        "key": paper.key,
        "title": paper.title,
        "authors": paper.authors,
        "year": paper.year or None,
        "arxiv": paper.arxiv or None,
        "doi": paper.doi or None,
        "address": paper.address or None,
        "status": paper.status,
        "added": paper.added,
        "read": paper.read,
        "tags": paper.tags,
        "file": str(paper.path),
    }
