"""Where the examples are; they import what they share, `report`, from their own folder."""

from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples(monkeypatch):
    monkeypatch.syspath_prepend(_FOLDER)
    return _FOLDER
