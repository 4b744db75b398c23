"""Make the notebooks from the examples: ``python examples/notebooks.py``.

A script is cut where a line begins with ``# %%``, the percent format that Jupytext and editors
know. ``[markdown]`` begins text, in comments or as a docstring. The tag ``active-py`` marks what
only the script needs (its command line), ``active-ipynb`` what only the notebook runs (comments
in the script). Equal scripts make equal notebooks, without outputs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent
_CUT = re.compile(r"^# %%(.*)\n", re.MULTILINE)


def scripts() -> list[Path]:
    """The examples that are cut into cells."""
    return [path for path in sorted(FOLDER.glob("*.py")) if path.read_text().startswith("# %%")]


def cells(script: str) -> list[tuple[str, str]]:
    """Kind (markdown or code) and text of each cell of the notebook."""
    _, *parts = _CUT.split(script)
    found = []
    for head, body in zip(parts[::2], parts[1::2], strict=True):
        text = body.strip("\n")
        if "active-py" in head:
            continue
        if "[markdown]" in head:
            found.append(("markdown", _markdown(text)))
        else:
            found.append(("code", _uncommented(text) if "active-ipynb" in head else text))
    return found


def _markdown(text: str) -> str:
    """Comments or a docstring as text; a docstring's first line is the title."""
    if text.startswith('"""'):
        return "# " + text.strip('"\n')
    return _uncommented(text)


def _uncommented(text: str) -> str:
    return re.sub(r"^# ?", "", text, flags=re.MULTILINE)


def notebook(script: str) -> str:
    """The notebook of a script, as JSON in version 4.5 of Jupyter's format."""
    parts = []
    for number, (kind, text) in enumerate(cells(script), 1):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        parts.append(cell | {"source": text.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": parts, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in scripts():
        path.with_suffix(".ipynb").write_text(notebook(path.read_text()))
        print(path.with_suffix(".ipynb").name)
