"""The documents' tables are those that the registry and the benchmark's results give."""

import importlib.util
import re
from pathlib import Path

import pytest
from triton_kernels.registry import op_names

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def table():
    spec = importlib.util.spec_from_file_location("table", PACKAGE / "benchmarks" / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documents_are_up_to_date(table):
    for document in table.documents():
        text = document.read_text(encoding="utf-8")
        assert text == table.filled(text), f"{document.name}: python benchmarks/table.py --write"


def test_every_op_has_its_place_in_a_page(table):
    def marked(document):
        return re.findall(r"<!-- (\w+): made by", document.read_text(encoding="utf-8"))

    readme, *pages = table.documents()
    assert marked(readme) == ["ops", "speed"]
    if pages:  # they are the repository's, not the source distribution's
        assert sorted(name for page in pages for name in marked(page)) == sorted(op_names())


def test_a_stale_table_is_made_anew(table):
    text = table.README.read_text(encoding="utf-8")
    stale = text.replace("| `vector_add` |", "| `vector_sub` |")
    assert stale != text
    assert table.filled(stale) == text


def test_the_speed_table_shows_losses(table, tmp_path):
    results = tmp_path / "results.jsonl"
    results.write_text(
        '{"device": "GPU", "torch": "2", "triton": "3", "copy_limit_gb_s": 4000.0}\n'
        '{"op": "softmax", "case": "8x8", "direction": "forward", "backend": "portable", '
        '"unit": "GB/s", "rates": {"ours": 3000.0, "eager": 4000.0}, "share": 0.75, '
        '"share_of": "copy limit", "best_peer": "eager", "ratio": 0.75}\n'
    )
    assert (
        "| softmax | 8x8 | 3,000 GB/s, 75% of the copy limit, 0.75x eager | – |"
        in table.speed_table(results)
    )
    assert "Not measured" in table.speed_table(tmp_path / "none.jsonl")


def test_every_op_is_in_the_changelog():
    text = (PACKAGE / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(name in text for name in op_names())
