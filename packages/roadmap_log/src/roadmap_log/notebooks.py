"""Days as notebooks: the same skeleton in cells, and back to the Python that is judged.

Needs the extra `notebook` (jupytext). A notebook is never judged itself: its code cells become a
file, in which shell commands and magics stand as comments.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap_log.errors import MachineError, UnknownItemError
from roadmap_log.files import storage_error

if TYPE_CHECKING:
    from roadmap_log.dayfile import DayFile

_CELL = "# %%"
_STARTS = re.compile(r"^(?=# Exercise \d+: |# TESTS\s*$|if __name__ == )", re.MULTILINE)


def to_notebook(day: "DayFile", source: str) -> str:
    """The text of a notebook: the task, then a cell for each exercise and one for the tests.

    Args:
        day: the day.
        source: its skeleton, or another variant of it.

    Raises:
        MachineError: jupytext is not installed.
    """
    jupytext = _jupytext()
    docstring = re.match(r"\s*(\"\"\"|''').*?\1\n?", source, re.DOTALL)
    code = source[docstring.end() :] if docstring else source
    task = "".join(f"# {line}".rstrip() + "\n" for line in day.task_markdown().split("\n"))
    cells = [part for part in _STARTS.split(code) if part.strip()]
    text = f"{_CELL} [markdown]\n{task}" + "".join(f"\n{_CELL}\n{part.strip()}\n" for part in cells)
    made = jupytext.reads(text, fmt="py:percent")
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return str(jupytext.writes(made, fmt="ipynb")) + "\n"


def to_python(path: Path) -> str:
    """The code of a notebook as Python, its cells set apart by `# %%`.

    Raises:
        MachineError: jupytext is not installed.
        UnknownItemError: the file is no notebook.
        StorageError: it cannot be read.
    """
    jupytext = _jupytext()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise storage_error("read", path, error) from error
    except UnicodeDecodeError as error:
        raise _broken(path, error) from error
    try:
        notebook = jupytext.reads(text, fmt="ipynb")
        notebook.metadata = {"jupytext": {"notebook_metadata_filter": "-all"}}
        for cell in notebook.cells:
            cell.metadata = {}
        return str(jupytext.writes(notebook, fmt="py:percent"))
    except Exception as error:  # what a damaged notebook raises is nowhere said
        raise _broken(path, error) from error


def cell_of(source: str, line: int) -> int:
    """The number, from 1, of the cell that holds a line of what `to_python` made."""
    above = source.split("\n")[:line]
    return max(1, sum(text == _CELL or text.startswith(_CELL + " ") for text in above))


def _broken(path: Path, error: Exception) -> UnknownItemError:
    reason = str(error).split("\n")[0][:120] or type(error).__name__
    return UnknownItemError(
        f"{path} is no notebook: {reason}",
        expected="a file that Jupyter has saved",
        fix="open it in Jupyter and save it, or begin again: roadmap reset",
    )


def _jupytext() -> Any:
    try:
        return import_module("jupytext")
    except ImportError as error:
        raise MachineError(
            "notebooks need jupytext, which is not installed here",
            expected="roadmap-log with its extra notebook",
            fix='install "roadmap-log[notebook]", or work in the .py file: roadmap start',
        ) from error
