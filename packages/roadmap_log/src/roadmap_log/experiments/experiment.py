"""The file of an experiment: what is asked, what would count as an answer, what came out."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from roadmap_log import frontmatter
from roadmap_log.entries import slug, tidy_tags
from roadmap_log.errors import RoadmapError, UnknownItemError
from roadmap_log.files import storage_error, write_new, write_whole

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

FILE = "experiment.md"

Outcome = Literal["open", "confirmed", "refuted", "inconclusive"]
OUTCOMES: tuple[Outcome, ...] = ("open", "confirmed", "refuted", "inconclusive")

_METRIC = re.compile(r"([^\W\d][\w@./%-]*)(?::(higher|lower))?")
SKELETON = """\
## Design

What varies, what is held fixed, how many seeds, which data, what each baseline stands for:

## Threats

What else could explain the numbers:

## Result

"""


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quantity and the direction in which it is better."""

    name: str
    higher: bool = True


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment.

    Attributes:
        name: its folder's name.
        title: one line.
        hypothesis: what is claimed, before any run.
        metrics: what is measured; the first decides.
        baselines: values of `variant` that the others are compared with, the first above all.
        outcome: "open" until it is concluded.
        begun: when it was written down.
        concluded: when it was concluded, else None.
        tags: lower-case words.
        text: Markdown: design, threats, result.
        path: its file.
    """

    name: str
    title: str
    hypothesis: str
    metrics: tuple[Metric, ...]
    baselines: tuple[str, ...]
    outcome: Outcome
    begun: datetime
    concluded: datetime | None
    tags: tuple[str, ...]
    text: str
    path: Path

    @property
    def runs_folder(self) -> Path:
        """Where its runs lie."""
        return self.path.parent / "runs"


def metric(text: str) -> Metric:
    """The metric that "accuracy", "accuracy:higher" or "milliseconds:lower" stands for.

    Raises:
        UnknownItemError: not such a text.
    """
    found = _METRIC.fullmatch(text.strip())
    if not found or found[1] in ("variant", "seed", "time"):
        raise UnknownItemError(
            f"{text!r} is no metric",
            expected="a name, and in which direction it is better: accuracy:higher, ms:lower",
            fix="correct it; variant, seed and time name other columns",
        )
    return Metric(found[1], found[2] != "lower")


def begin(
    journey: "Journey",
    title: str,
    *,
    hypothesis: str,
    metrics: tuple[Metric, ...],
    baselines: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    text: str = SKELETON,
) -> Experiment:
    """Write down a new experiment, before its first run.

    Raises:
        UnknownItemError: there is one of that name, or title, hypothesis or metrics are missing.
        StorageError: it cannot be written.
    """
    title, hypothesis = " ".join(title.split()), " ".join(hypothesis.split())
    if not title or not hypothesis or not metrics:
        missing = "a title" if not title else "a hypothesis" if not hypothesis else "a metric"
        raise UnknownItemError(
            f"the experiment has no {missing.partition(' ')[2]}",
            expected=f"{missing}, said before the first run",
            fix='roadmap experiment new TITLE --hypothesis "…" --metric accuracy:higher',
        )
    name = slug(title)
    path = journey.root / "experiments" / name / FILE
    now = journey.now().replace(microsecond=0)
    experiment = Experiment(
        name,
        title,
        hypothesis,
        metrics,
        baselines,
        "open",
        now,
        None,
        tidy_tags(tags),
        text,
        path,
    )
    try:
        write_new(path, _rendered(experiment).encode("utf-8", "replace"))
        experiment.runs_folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise UnknownItemError(
            f"there is an experiment {name!r} already",
            expected="a title of its own",
            fix=f"see it: roadmap experiment show {name}",
        ) from None
    except OSError as error:
        raise storage_error("make", experiment.runs_folder, error) from error
    journey.record("experiment.begun", name=name, title=title)
    return experiment


def conclude(
    journey: "Journey", experiment: Experiment, outcome: Outcome, result: str = ""
) -> Experiment:
    """Say what came out; the text goes under the heading of the result.

    Raises:
        StorageError: it cannot be written.
    """
    when = None if outcome == "open" else journey.now().replace(microsecond=0)
    parts = [experiment.text.strip("\n")]
    if result.strip():
        heading = [] if "## Result" in experiment.text else ["## Result"]
        parts += [*heading, result.strip()]
    text = "\n\n".join(part for part in parts if part)
    changed = replace(experiment, outcome=outcome, concluded=when, text=text)
    write_whole(experiment.path, _rendered(changed).encode("utf-8", "replace"))
    if outcome not in ("open", experiment.outcome):
        journey.record(
            "experiment.concluded", name=changed.name, title=changed.title, outcome=outcome
        )
    return changed


def _rendered(experiment: Experiment) -> str:
    known: dict[str, Any] = {
        "title": experiment.title,
        "hypothesis": experiment.hypothesis,
        "metrics": [
            f"{each.name}:{'higher' if each.higher else 'lower'}" for each in experiment.metrics
        ],
        "baselines": experiment.baselines,
        "outcome": experiment.outcome,
        "begun": experiment.begun,
        "concluded": experiment.concluded,
        "tags": experiment.tags,
    }
    fields = {key: value for key, value in known.items() if value}
    return f"{frontmatter.dump(fields)}\n{experiment.text.strip(chr(10))}\n"


def read_experiment(path: Path) -> Experiment:
    """Read the file of an experiment.

    Raises:
        UnknownItemError: it is not UTF-8, its front matter is broken, or a metric is none.
    """
    header, text = frontmatter.split(path, frontmatter.read_text(path))
    return experiment_of(header, text, path)


def experiment_of(header: dict[str, Any], text: str, path: Path) -> Experiment:
    """The experiment that a header and a text make.

    Raises:
        UnknownItemError: one of its metrics is none.
    """
    outcome, begun = header.get("outcome"), frontmatter.moment_of(header.get("begun"))
    baselines = header.get("baselines")
    if isinstance(baselines, str):
        baselines = [baselines]
    return Experiment(
        name=path.parent.name,
        title=frontmatter.line_of(header.get("title"), path.parent.name),
        hypothesis=frontmatter.line_of(header.get("hypothesis")),
        metrics=tuple(map(metric, frontmatter.words_of(header.get("metrics")))),
        baselines=tuple(map(str, baselines)) if isinstance(baselines, list) else (),
        outcome=next((each for each in OUTCOMES if each == outcome), "open"),
        begun=begun or datetime.fromtimestamp(path.stat().st_mtime).astimezone(),
        concluded=frontmatter.moment_of(header.get("concluded")),
        tags=tidy_tags(frontmatter.words_of(header.get("tags"))),
        text=text,
        path=path,
    )


def every(journey: "Journey") -> tuple[list[Experiment], list[RoadmapError]]:
    """All experiments, oldest first, and the files that cannot be read."""
    found: list[Experiment] = []
    broken: list[RoadmapError] = []
    for path in sorted((journey.root / "experiments").glob(f"*/{FILE}")):
        try:
            found.append(read_experiment(path))
        except UnknownItemError as error:
            broken.append(error)
    return sorted(found, key=lambda each: (each.begun, each.name)), broken


def find(journey: "Journey", name: str) -> Experiment:
    """The experiment of that name, or the only one whose name begins so.

    Raises:
        UnknownItemError: none or several are meant, or its file is broken.
    """
    folder = journey.root / "experiments"
    names = sorted(path.parent.name for path in folder.glob(f"*/{FILE}"))
    meant = [each for each in names if each == name] or [
        each for each in names if name and each.startswith(name)
    ]
    if len(meant) == 1:
        return read_experiment(folder / meant[0] / FILE)
    found = ", ".join(meant[:5])
    raise UnknownItemError(
        f"{name!r} may be {found}" if meant else f"there is no experiment {name!r}",
        expected="one of " + ", ".join(names) if names else "an experiment that was begun",
        fix="see them all: roadmap experiment list"
        if names
        else 'begin one: roadmap experiment new TITLE --hypothesis "…" --metric accuracy:higher',
    )
