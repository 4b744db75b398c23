"""The benchmark's plot of growth: one line a library, equal rows make equal files."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.examples,
    pytest.mark.filterwarnings("default"),  # other packages' warnings are not ours
]
PROGRAM = Path(__file__).parents[2] / "benchmarks" / "plot_growth.py"
LINES = ["case size", '{"python": "3"}', '{"case": "block", "library": "a", "size": 8}'] + [
    json.dumps(
        {"case": case, "library": name, "size": size, "peak_mb": size * cost, "seconds": size}
    )
    for case in ("chain", "mlp")
    for name, cost in (("ours", 1), ("theirs", 3))
    for size in (2000, 1000, 3000)
]


def test_it_draws_every_library(tmp_path):
    program = runpy.run_path(str(PROGRAM))
    rows = program["rows_of"](LINES)
    assert len(rows) == 12
    sizes, costs = program["points"](rows, "chain", "theirs", "peak_mb")
    np.testing.assert_allclose([sizes, costs], [[2, 4, 6], [3000, 6000, 9000]])
    for name in ("one.svg", "two.svg"):
        program["draw"](rows, tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert ">ours<" in text
    assert ">theirs<" in text
    assert text == (tmp_path / "two.svg").read_text()
