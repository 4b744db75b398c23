"""`roadmap experiment`: from a hypothesis to a result one can stand by."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.errors import UnknownItemError

if TYPE_CHECKING:
    from roadmap_log.experiments import Experiment, Table


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Keep experiments: hypothesis, design, runs, ablations, result.

    Without a command it lists them.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@command.command()
@click.argument("title")
@click.option("--hypothesis", required=True, help="What you claim, before the first run.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    required=True,
    help="What is measured: accuracy:higher, ms:lower. The first one decides.",
)
@click.option("--baseline", "baselines", multiple=True, help="A variant to compare with.")
@click.option("--tag", "tags", multiple=True)
@json_option
@click.pass_context
def new(
    ctx: click.Context,
    title: str,
    hypothesis: str,
    metrics: tuple[str, ...],
    baselines: tuple[str, ...],
    tags: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write down an experiment before its first run."""
    from roadmap_log import experiments
    from roadmap_log.experiments.experiment import metric

    journey = journey_of(ctx)
    made = experiments.begin(
        journey,
        title,
        hypothesis=hypothesis,
        metrics=tuple(map(metric, metrics)),
        baselines=baselines,
        tags=tags,
    )
    if as_json:
        print_json(_json(made))
        return
    terminal.say(f"{terminal.paint('Begun', 'green')} {made.title}")
    terminal.say(f"  its design:    edit {terminal.paint(journey.short(made.path), 'bold')}")
    values = " ".join(f"{each.name}=…" for each in made.metrics)
    line = f"roadmap experiment run {made.name} variant=… seed=0 {values}"
    terminal.say(f"  its runs:      {terminal.paint(line, 'bold')}")
    terminal.say(f"  from Python:   roadmap_log.experiments.record({made.name!r}, variant=…, …)")


@command.command()
@click.argument("name")
@click.argument("values", nargs=-1)
@click.option(
    "--file",
    "given",
    type=click.Path(path_type=Path),
    help="Take over the runs of a CSV or JSONL file; - reads JSON lines from stdin.",
)
@json_option
@click.pass_context
def run(
    ctx: click.Context, name: str, values: tuple[str, ...], given: Path | None, as_json: bool
) -> None:
    """Append a run: VALUES are name=value, as variant=full seed=0 accuracy=0.91."""
    from roadmap_log import experiments
    from roadmap_log.experiments import runs

    journey = journey_of(ctx)
    experiment = experiments.find(journey, name)
    pairs: list[dict[str, Any]] = [dict(map(_pair, values))] if values else []
    if given is not None:
        pairs += _rows(given)
    if not pairs:
        raise click.UsageError("say what came out: name=value …, or --file FILE", ctx)
    for each in pairs:
        runs.append(journey, experiment, each)
    total = len(runs.read_runs(experiment)[0])
    if as_json:
        print_json({"name": experiment.name, "appended": len(pairs), "runs": total})
        return
    noun = "run" if len(pairs) == 1 else "runs"
    terminal.say(
        f"{terminal.paint('Appended', 'green')} {len(pairs)} {noun}, {total} in all; "
        f"see them: roadmap experiment show {experiment.name}"
    )


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UnknownItemError(
            f"{text!r} is not name=value", expected="as accuracy=0.91", fix="nothing was written"
        )
    from roadmap_log.experiments.runs import number_of

    plain: Any = {"true": True, "false": False}.get(value.lower(), number_of(value))
    return name.strip(), plain


def _rows(path: Path) -> list[dict[str, Any]]:
    """All runs of a foreign file; with a single fault nothing is taken over."""
    from roadmap_log.experiments.runs import of_csv, of_lines
    from roadmap_log.files import storage_error

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8-sig", "replace")
    except OSError as error:
        raise storage_error("read", path, error) from error
    rows = []
    for number, values, fault in (of_csv if path.suffix == ".csv" else of_lines)(text):
        if values is None:
            raise UnknownItemError(
                f"{path}:{number}: {fault}",
                expected="CSV under a line of names, or one JSON object a line",
                fix="correct the line; nothing was taken over",
            )
        rows.append(dict(values))
    return rows


@command.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """Show all experiments with their outcomes."""
    from roadmap_log import experiments

    found, broken = experiments.every(journey_of(ctx))
    if as_json:
        print_json([_json(each) for each in found])
        return
    if not found and not broken:
        terminal.say(
            "No experiment yet. The first one:\n"
            '  roadmap experiment new "Does warm-up help?" --hypothesis "…" --metric loss:lower'
        )
    styles = {"confirmed": "green", "refuted": "red", "inconclusive": "yellow", "open": "dim"}
    for each in found:
        word = terminal.paint(f"{each.outcome:<13}", styles[each.outcome])
        terminal.say(f"{word} {terminal.paint(each.name, 'cyan')}  {terminal.clean(each.title)}")
    for error in broken:
        terminal.say(terminal.paint(f"! {terminal.clean(error.problem)}", "yellow"), err=True)


@command.command()
@click.argument("name")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show an experiment with its table of ablations."""
    from roadmap_log import experiments

    journey = journey_of(ctx)
    each = experiments.find(journey, name)
    runs, faults = experiments.read_runs(each)
    table = experiments.ablation(each, runs)
    if as_json:
        print_json(_json(each) | {"runs": len(runs), "faults": faults, "table": _rows_json(table)})
        return
    terminal.say(terminal.paint(terminal.clean(each.title), "bold"))
    for line in terminal.wrap(f"Hypothesis: {each.hypothesis or 'none was written down'}", 2):
        terminal.say(line)
    told = f"{each.outcome}, {len(runs)} runs, {journey.short(each.path)}"
    terminal.say(terminal.paint(f"  {terminal.clean(told)}", "dim"))
    for line in table_lines(table):
        terminal.say(line)
    if table.left_out:
        terminal.say(terminal.paint(f"! {table.left_out} values are no finite numbers", "yellow"))
    for fault in faults:
        terminal.say(terminal.paint(f"! {terminal.clean(fault)}; not counted", "yellow"))


def table_lines(table: "Table") -> list[str]:
    """The table of ablations in columns."""
    from roadmap_log.experiments.table import change_shown, shown

    if not table.rows:
        return ["", "  No run yet."]
    heads = ["variant", "runs"]
    for metric in table.metrics:
        heads += [f"{metric.name} {'↑' if metric.higher else '↓'}", "change"]
    lines, marks = [heads], [[""] * len(heads)]
    for row in table.rows:
        cells, styles = [terminal.clean(row.variant), str(row.runs)], ["", ""]
        for metric in table.metrics:
            cell = row.cells[metric.name]
            cells += [shown(cell), change_shown(cell)]
            styles += ["bold green" if cell.best else "", "dim" if not cell.clear else ""]
        lines.append(cells)
        marks.append(styles)
    widths = [max(map(terminal.width, column)) for column in zip(*lines, strict=True)]
    kept = [index for index in range(len(widths)) if any(line[index] for line in lines[1:])]
    told = []
    for number, (cells, styles) in enumerate(zip(lines, marks, strict=True)):
        parts = [
            terminal.paint(
                cells[at] + " " * (widths[at] - terminal.width(cells[at])),
                "dim" if number == 0 else styles[at],
            )
            for at in kept
        ]
        told.append("  " + "  ".join(parts).rstrip())
    base = table.compared_with()
    note = [terminal.paint(f"  change: against {terminal.clean(base)}", "dim")] if base else []
    return ["", *told, *note]


@command.command()
@click.argument("name")
@click.argument("outcome", type=click.Choice(["confirmed", "refuted", "inconclusive", "open"]))
@click.option("-m", "--message", default="", help="What came out, in words.")
@json_option
@click.pass_context
def conclude(ctx: click.Context, name: str, outcome: str, message: str, as_json: bool) -> None:
    """Say what came out of an experiment; "open" takes it up again."""
    from roadmap_log import experiments

    journey = journey_of(ctx)
    each = experiments.find(journey, name)
    changed = experiments.conclude(journey, each, outcome, message)  # type: ignore[arg-type]
    if as_json:
        print_json(_json(changed))
        return
    terminal.say(f"{terminal.paint(changed.outcome.capitalize(), 'green')} {changed.title}")
    runs = len(experiments.read_runs(changed)[0])
    if outcome != "open" and not runs:
        terminal.say(terminal.paint("! no run stands behind it", "yellow"))


def _json(each: "Experiment") -> dict[str, Any]:
    return {
        "name": each.name,
        "title": each.title,
        "hypothesis": each.hypothesis,
        "metrics": [{"name": m.name, "higher": m.higher} for m in each.metrics],
        "baselines": each.baselines,
        "outcome": each.outcome,
        "begun": each.begun,
        "concluded": each.concluded,
        "tags": each.tags,
        "file": str(each.path),
    }


def _rows_json(table: "Table") -> list[dict[str, Any]]:
    return [
        {
            "variant": row.variant,
            "runs": row.runs,
            "baseline": row.baseline,
            "metrics": {
                name: {
                    "number": cell.number,
                    "mean": None if cell.mean != cell.mean else cell.mean,
                    "deviation": cell.deviation,
                    "change": cell.change,
                    "clear": cell.clear,
                    "best": cell.best,
                }
                for name, cell in row.cells.items()
            },
        }
        for row in table.rows
    ]
