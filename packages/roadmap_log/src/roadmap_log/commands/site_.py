"""`roadmap site`: the journey as a static site, and as Jekyll's sources."""

from pathlib import Path

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json


@click.group()
def command() -> None:
    """Build the site of the journey: static pages that open from file:// without a network."""


@command.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where to; else _site, or docs for Jekyll."
)
@click.option("--jekyll", is_flag=True, help="Write sources that GitHub Pages builds as they are.")
@json_option
@click.pass_context
def build(ctx: click.Context, out: Path | None, jekyll: bool, as_json: bool) -> None:
    """Write the site; pages that have not changed are kept, an older site is replaced at once."""
    journey = journey_of(ctx)
    from roadmap_log.site.build import build as build_site

    built = build_site(journey, out, jekyll=jekyll)
    if as_json:
        print_json(
            {
                "folder": str(built.folder),
                "pages": built.pages,
                "written": built.written,
                "entries": built.entries,
                "seconds": round(built.seconds, 3),
                "left_out": [error.problem for error in built.left_out],
            }
        )
        return
    kept = f", {built.written} of them new" if built.written < built.pages else ""
    where = "push" if jekyll else "open"
    target = built.folder if jekyll else built.folder / "index.html"
    terminal.say(
        f"{terminal.paint('Built', 'green')} {built.pages} pages{kept} in {built.seconds:.1f} s; "
        f"{where} {terminal.paint(journey.short(target), 'bold')}"
    )
    for error in built.left_out:
        terminal.say(
            terminal.paint(f"left out: {terminal.clean(error.problem)}", "yellow"), err=True
        )


@command.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.pass_context
def serve(ctx: click.Context, port: int) -> None:
    """Build the site, show it to this machine alone, and build again when something changes."""
    journey = journey_of(ctx)
    from roadmap_log.site.serve import serve as serve_site

    serve_site(journey, port)


@command.command()
@click.option("--out", type=click.Path(path_type=Path), help="The site; else _site in the journey.")
@json_option
@click.pass_context
def check(ctx: click.Context, out: Path | None, as_json: bool) -> None:
    """Look through a built site: every link leads somewhere, nothing runs, nothing is fetched."""
    journey = journey_of(ctx)
    from roadmap_log.site.check import check as check_site

    pages, problems = check_site(out or journey.root / "_site")
    if as_json:
        print_json({"pages": pages, "problems": problems})
    else:
        for problem in problems:
            terminal.say(f"{terminal.mark('regressed')} {terminal.clean(problem)}")
        verdict = f"{len(problems)} problems" if problems else "nothing to complain of"
        terminal.say(f"{pages} pages, {verdict}")
    ctx.exit(1 if problems else 0)
