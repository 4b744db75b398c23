"""Runs: lines of JSON or CSV that any program may append, read with every fault named."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap_log.errors import EventError
from roadmap_log.experiments.experiment import Experiment, find
from roadmap_log.files import locked, storage_error, sync_folder

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its settings and what was measured, by name; `place` says where it is written."""

    values: Mapping[str, Scalar]
    place: str


def record(experiment: str, journey: "Journey | None" = None, **values: Scalar) -> None:
    """Append a run to an experiment; when this returns it is safely on the disk.

    Args:
        experiment: its name.
        journey: the journey; else the one around the working folder, or in ROADMAP_JOURNEY.
        values: settings and measurements, as `variant="no warmup", seed=0, accuracy=0.91`. NumPy's
            and torch's scalars are taken by their `item()`.

    Raises:
        UnknownItemError: there is no such experiment.
        EventError: a value is none that a table can hold; nothing was written.
        StorageError: it could not be written.
    """
    if journey is None:
        from roadmap_log.journey import Journey

        journey = Journey.find(os.environ.get("ROADMAP_JOURNEY"))
    append(journey, find(journey, experiment), values)


def append(journey: "Journey", experiment: Experiment, values: Mapping[str, Any]) -> None:
    """Append a run to this device's file of the experiment, so that merges never conflict.

    Raises:
        EventError: a value is none that a table can hold, or there is none; nothing was written.
        StorageError: it could not be written.
    """
    plain = {str(name): _scalar(name, value) for name, value in values.items()}
    if not plain:
        raise EventError(
            "the run says nothing", expected="name=value", fix="roadmap experiment run NAME a=1"
        )
    plain.setdefault("time", journey.now().isoformat(timespec="seconds"))
    line = json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    path = experiment.runs_folder / f"{journey.device}.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(journey.local / "runs.lock"):
            _append(path, line)
    except OSError as error:
        raise storage_error("write the run to", path, error) from error


def _scalar(name: object, value: Any) -> Scalar:
    if hasattr(value, "item") and not isinstance(value, str | int | float | bool):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number; it is shown, and no mean counts it
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise EventError(
        f"{name} = {value!r} cannot stand in a table",
        expected="a text, a number, true or false",
        fix="nothing was written; give one value a name",
    )


def _append(path: Path, line: bytes) -> None:
    """Append a whole line; one that a crash tore is ended first, so that it harms no other."""
    created = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size:
            os.lseek(handle, size - 1, os.SEEK_SET)
            if os.read(handle, 1) != b"\n":
                line = b"\n" + line
        try:
            rest = line
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if created:
        sync_folder(path.parent)


def read_runs(experiment: Experiment) -> tuple[list[Run], list[str]]:
    """All runs of an experiment, and the lines that are none, each with file, line and reason.

    Raises:
        StorageError: a file cannot be opened at all.
    """
    runs: list[Run] = []
    faults: list[str] = []
    for path in sorted(experiment.runs_folder.glob("*")):
        if path.suffix not in (".jsonl", ".csv") or not path.is_file():
            continue
        try:
            text = path.read_bytes().decode("utf-8-sig", "replace")
        except OSError as error:
            raise storage_error("read", path, error) from error
        reader = of_lines if path.suffix == ".jsonl" else of_csv
        for number, values, fault in reader(text):
            place = f"{path.name}:{number}"
            if values is None:
                faults.append(f"{place}: {fault}")
            else:
                runs.append(Run(values, place))
    return runs, faults


Read = Iterable[tuple[int, dict[str, Scalar] | None, str]]


def of_lines(text: str) -> Read:
    """The runs of JSON lines: line number, values or None, and what is wrong with the line."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            yield number, None, "not a whole JSON object"
            continue
        if not isinstance(values, dict):
            yield number, None, "not an object"
        elif any(isinstance(value, dict | list) for value in values.values()):
            yield number, None, "a value is a list or an object; a table needs plain ones"
        else:
            yield number, values, ""


def of_csv(text: str) -> Read:
    """The runs of CSV under a line of names, likewise."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    try:
        for row in rows:
            if not row:
                continue
            if not names:
                names = [name.strip() for name in row]
                if len(set(names)) != len(names) or "" in names:
                    yield rows.line_num, None, "the first line must name each column once"
                    return
            elif len(row) != len(names):
                yield rows.line_num, None, f"{len(row)} values under {len(names)} names"
            else:
                yield rows.line_num, dict(zip(names, map(number_of, row), strict=True)), ""
    except csv.Error as error:
        yield rows.line_num, None, f"not CSV from here on ({error})"


def number_of(text: str) -> Scalar:
    """`text` as a number where it is one."""
    for kind in (int, float):
        try:
            return kind(text) if "_" not in text else text
        except ValueError:
            continue
    return text
