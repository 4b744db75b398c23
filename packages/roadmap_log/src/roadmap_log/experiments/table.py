"""The table of ablations: for every variant the mean of each metric, and its distance from the
baseline beside what chance alone would give."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from roadmap_log.experiments.experiment import Experiment, Metric
from roadmap_log.experiments.runs import Run, Scalar

_ASIDE = frozenset({"seed", "time", "variant"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A metric over the runs of a variant.

    Attributes:
        number: runs that have a finite value of it.
        mean: their mean; NaN if there is none.
        deviation: their sample standard deviation; 0 for one run.
        change: mean less the baseline's mean; None in the baseline and without one.
        clear: whether the change exceeds twice its standard error; None where one of the two has
            fewer than two runs, so that nothing can be said.
        best: whether no other variant has a better mean.
    """

    number: int
    mean: float
    deviation: float
    change: float | None = None
    clear: bool | None = None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A variant: its name, how many runs it has, whether it is a baseline, its cells by metric."""

    variant: str
    runs: int
    baseline: bool
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows, baselines first, then from best to worst by the first metric."""

    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]
    left_out: int

    def compared_with(self) -> str:
        """The baseline of the changes, or "" if there is none."""
        return next((row.variant for row in self.rows if row.baseline), "")


def ablation(experiment: Experiment, runs: Iterable[Run]) -> Table:
    """The table of an experiment.

    Runs belong together that have the same `variant`; without one, those with the same settings,
    of which only those that differ are named. `left_out` counts values that are no finite number.
    """
    runs = list(runs)
    names = {metric.name for metric in experiment.metrics}
    varied = _varied(runs, names)
    groups: dict[str, list[Run]] = {name: [] for name in experiment.baselines}
    for run in runs:
        groups.setdefault(_variant(run, varied), []).append(run)
    groups = {name: group for name, group in groups.items() if group}
    base = next((name for name in experiment.baselines if name in groups), "")
    measured: dict[str, dict[str, list[float]]] = {}
    left_out = 0
    for name, group in groups.items():
        measured[name] = {}
        for metric in experiment.metrics:
            given = [run.values[metric.name] for run in group if metric.name in run.values]
            finite = [value for value in map(_finite, given) if value is not None]
            left_out += len(given) - len(finite)
            measured[name][metric.name] = finite
    bests = {metric.name: _best(metric, measured) for metric in experiment.metrics}
    rows = [
        Row(
            name,
            len(group),
            name in experiment.baselines,
            {
                metric.name: _cell(name, base, measured, metric.name, bests[metric.name])
                for metric in experiment.metrics
            },
        )
        for name, group in groups.items()
    ]
    first = experiment.metrics[0] if experiment.metrics else None

    def order(row: Row) -> tuple[bool, float]:
        mean = row.cells[first.name].mean if first else math.nan
        worth = math.inf if math.isnan(mean) else -mean if first and first.higher else mean
        return (row.variant != base or not base, worth)

    return Table(experiment.metrics, tuple(sorted(rows, key=order)), left_out)


def _varied(runs: list[Run], metrics: set[str]) -> list[str]:
    """Settings that are not the same in all runs, in the order they are met."""
    seen: dict[str, set[Scalar]] = {}
    for run in runs:
        for name, value in run.values.items():
            if name not in metrics and name not in _ASIDE:
                seen.setdefault(name, set()).add(value)
    present = {name: sum(name in run.values for run in runs) for name in seen}
    return [name for name in seen if len(seen[name]) > 1 or present[name] < len(runs)]


def _variant(run: Run, varied: list[str]) -> str:
    if (given := run.values.get("variant")) is not None:
        return str(given)
    parts = [f"{name}={run.values[name]}" for name in varied if name in run.values]
    return ", ".join(parts) or "all runs"


def _finite(value: Scalar) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _best(metric: Metric, measured: dict[str, dict[str, list[float]]]) -> float | None:
    """The best mean of all variants; None where there is nothing to choose from."""
    means = [_moments(each[metric.name])[0] for each in measured.values() if each[metric.name]]
    return (max(means) if metric.higher else min(means)) if len(means) > 1 else None


def _cell(
    name: str,
    base: str,
    measured: dict[str, dict[str, list[float]]],
    metric: str,
    best_mean: float | None,
) -> Cell:
    values = measured[name][metric]
    if not values:
        return Cell(0, math.nan, 0.0)
    mean, deviation = _moments(values)
    best = mean == best_mean
    others = measured[base][metric] if base and base != name else []
    if not others:
        return Cell(len(values), mean, deviation, best=best)
    their_mean, their_deviation = _moments(others)
    change, clear = mean - their_mean, None
    if len(values) > 1 and len(others) > 1:
        error = math.sqrt(deviation**2 / len(values) + their_deviation**2 / len(others))
        clear = abs(change) > 2 * error
    return Cell(len(values), mean, deviation, change, clear, best)


def _moments(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def number(value: float, like: float | None = None) -> str:
    """A measured value with four significant digits, or with as many decimals as `like` has."""
    if math.isnan(value):
        return "–"
    size = abs(value if like is None else like)
    if size == 0:
        return "0" if value == 0 else f"{value:.2g}"
    if not 1e-3 <= size < 1e6:
        return f"{value:.3e}"
    text = f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}"
    hidden = value != 0 and not text.strip("-0.,")
    return f"{value:.1e}" if hidden else text


def shown(cell: Cell) -> str:
    """Mean and spread of a cell as one text."""
    spread = f" ± {number(cell.deviation, cell.mean)}" if cell.number > 1 else ""
    return number(cell.mean) + spread


def change_shown(cell: Cell) -> str:
    """The change against the baseline as one text; "" where there is none."""
    if cell.change is None:
        return ""
    sign = "+" if cell.change > 0 else "−" if cell.change < 0 else "±"
    doubt = {True: "", False: " (within noise)", None: " (too few runs)"}[cell.clear]
    return f"{sign}{number(abs(cell.change))}{doubt}"
