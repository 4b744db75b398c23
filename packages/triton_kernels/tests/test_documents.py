"""What documents and their programs say is what the registry, the results and the kernels give."""

import importlib.util
import inspect
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from triton_kernels import registry
from triton_kernels.registry import op_names

PACKAGE = Path(__file__).parents[1]


def program(name):
    spec = importlib.util.spec_from_file_location(name, PACKAGE / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table():
    return program("table")


@pytest.fixture(scope="module")
def figure():
    return program("figure")


def test_the_documents_are_up_to_date(table):
    for document in table.documents():
        text = document.read_text(encoding="utf-8")
        assert text == table.filled(text), f"{document.name}: python benchmarks/table.py --write"


def marked(document):
    return re.findall(r"<!-- (\w+): made by", document.read_text(encoding="utf-8"))


def test_every_op_has_its_place_in_its_page(table):
    readme, *pages = table.documents()
    assert marked(readme) == ["ops", "speed"]
    if pages:  # they are the repository's, not the source distribution's
        of_ops = {page.stem: marked(page) for page in pages if page.parent.name == "ops"}
        assert of_ops == {name: [name, f"code_of_{name}"] for name in op_names()}
        others = [name for page in pages if page.parent.name != "ops" for name in marked(page)]
        assert others == ["features"]  # what attention's features cost, a table of its own


HEADINGS = ["Maths", "Tiling", "Bytes and FLOPs", "How it got fast", "Backends"]


@pytest.mark.parametrize("name", op_names())
def test_the_page_of_an_op_is_whole(table, name):
    page = table.PAGES / "ops" / f"{name}.md"
    if not table.PAGES.exists():
        pytest.skip("the pages are the repository's, not the source distribution's")
    first, *parts = re.split(r"^## (.+)\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    assert parts[::2] == HEADINGS
    assert all(text.strip() for text in sections.values())
    assert first.startswith(f"# {name}\n\n")
    family = re.findall(r"\]\(\.\./([\w-]+\.md)", first)[-1]
    assert f"](ops/{name}.md)" in (table.PAGES / family).read_text(encoding="utf-8")
    site = table.PAGES.parents[1] / "mkdocs.yml"
    assert f"- {name}: triton_kernels/ops/{name}.md\n" in site.read_text(encoding="utf-8")
    drawings = re.findall(r"```text\n(.*?)```", sections["Tiling"], flags=re.DOTALL)
    assert drawings
    assert max(len(line) for drawing in drawings for line in drawing.splitlines()) <= 100
    assert f"<!-- {name}: made by" in sections["Bytes and FLOPs"]
    said, made, _ = sections["Backends"].partition(f"<!-- code_of_{name}: made by")
    assert made
    assert all(f"`{backend.name}`" in said for backend in registry.get(name).kernel.backends)


@pytest.mark.parametrize("name", op_names())
def test_the_docstring_of_an_op_is_whole(name):
    function = registry.get(name).function
    said = inspect.getdoc(function)
    parts = re.findall(r"^(Args|Returns|Raises):$", said, flags=re.MULTILINE)
    assert parts == ["Args", "Returns", "Raises"]
    told = set(re.findall(r"^    (\w+): ", said, flags=re.MULTILINE))
    assert told >= inspect.signature(function).parameters.keys()


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w-]+", "-", heading.lower()).strip("-") for heading in headings}


def test_links_between_the_pages_hold(table):
    for page in table.documents()[1:]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            found = page.parent / path
            assert found.is_file(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(found), f"{page.name}: {target}"


def test_a_stale_table_is_made_anew(table):
    text = table.README.read_text(encoding="utf-8")
    stale = text.replace("| `vector_add` |", "| `vector_sub` |")
    assert stale != text
    assert table.filled(stale) == text


def test_what_is_needed_is_said_with_its_intensity(table):
    assert table.needs(268_435_456, 335_544_320) == "268 MB, 336 MFLOP, 1.2 FLOP/B"
    assert table.needs(1_117_782_016, 8_607_406_981_120) == "1.12 GB, 8.61 TFLOP, 7,700 FLOP/B"
    assert table.needs(536_870_912, 0) == "537 MB"
    assert table.needs(0, 0) == "–"


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
    results.write_text(results.read_text().replace("0.75}\n", '0.75, "earlier": true}\n'))
    assert "0.75x eager † | – |" in table.speed_table(results)


def test_the_features_table_shows_bound_and_best_peer(table, tmp_path):
    facts = {"device": "GPU", "torch": "2", "triton": "3"}
    row = {
        "case": "window", "direction": "forward", "backend": "hopper", "unit": "TFLOP/s",
        "rates": {"ours": 500.0, "dense": 600.0, "FA3": 625.0}, "ratio": 0.833, "goal": 0.9,
        "best_peer": "FA3", "bound": 0.94,
    }  # fmt: skip
    results = tmp_path / "features.jsonl"
    results.write_text("\n".join(map(json.dumps, (facts, row))), encoding="utf-8")
    said = "| window | 500 TFLOP/s, **0.83** of 0.94, 0.80x FA3 (hopper) | – |"
    assert table.features_table(results).splitlines()[-1] == said


@pytest.mark.parametrize("size", [64, 128, 256])
def test_what_is_assembled_are_the_parameters_of_its_kernel(size):
    assembly = program("hopper_assembly")
    for case in assembly.CASES:
        found = assembly.attention(size, case)
        assert {"forward", "backward"} <= {kernel.__name__ for kernel, _, _ in found}
        for kernel, arguments, options in found:
            constants = {name: x for name, x in options.items() if name.isupper()}
            inspect.signature(kernel.fn).bind(*arguments, **constants)


@pytest.mark.parametrize("count", range(2, 7))
def test_rivals_come_behind_each_other_equally_often(count):
    turns = program("measure").orders(count)
    assert all(sorted(turn) == list(range(count)) for turn in turns)
    pairs = Counter(pair for turn in turns for pair in itertools.pairwise(turn))
    assert len(pairs) == count * (count - 1)
    assert len(set(pairs.values())) == 1


def test_the_pictures_are_up_to_date(figure):
    drawn = figure.figure(figure.RESULTS)
    for picture in figure.pictures() if drawn else ():
        assert picture.read_text(encoding="utf-8") == drawn, "python benchmarks/figure.py --write"


def test_a_picture_shows_and_tells_each_number(figure, tmp_path):
    results = tmp_path / "results.jsonl"
    results.write_text(
        '{"device": "GPU <9>", "torch": "2", "triton": "3"}\n'
        '{"op": "flash_attention", "case": "d128 4k, causal", "direction": "forward", '
        '"rates": {"ours": 601.2, "cuDNN": 300.6}}\n'
    )
    picture = ElementTree.fromstring(figure.figure(results))
    space = {"svg": "http://www.w3.org/2000/svg"}
    assert "forward d128 4k, causal: cuDNN 301, ours 601." in picture.find("svg:desc", space).text
    heights = {
        bar.find("svg:title", space).text.split(",")[0]: float(bar.get("height"))
        for bar in picture.findall("svg:rect", space)
        if bar.find("svg:title", space) is not None
    }
    assert heights.keys() == {"ours", "cuDNN"}
    assert heights["ours"] == pytest.approx(2 * heights["cuDNN"], rel=1e-2)
    results.write_text('{"device": "GPU"}\n')
    assert figure.figure(results) == ""


def test_every_op_is_in_the_changelog():
    text = (PACKAGE / "CHANGELOG.md").read_text(encoding="utf-8")
    assert not [name for name in op_names() if not re.search(rf"`{name}[`(]", text)]
