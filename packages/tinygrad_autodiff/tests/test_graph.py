"""Drawings of the graph, the profiler and the summary."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import graph, nn, profiler
from tinygrad_autodiff.errors import ArgumentError


def network():
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    x, w = tg.randn(3, 4), tg.randn(2, requires_grad=True)
    out = model(x)
    return model, x, ((out * w).sum() + out.split(1)[0].sum() * w[0] + out.split(1)[2].sum()).exp()


def test_svg():
    model, _, loss = network()
    text = graph.draw(loss, names=dict(model.named_parameters()))
    root = ElementTree.fromstring(text)
    boxes = [
        tuple(float(e.get(k)) for k in ("x", "y", "width", "height"))
        for e in root.iter()
        if e.tag.endswith("rect")
    ]
    for i, (x, y, width, _) in enumerate(boxes):
        assert x >= 0
        assert x + width <= float(root.get("width"))
        for other_x, other_y, other_width, _ in boxes[:i]:
            assert y != other_y or x >= other_x + other_width or other_x >= x + width
    lines = [e.get("points") for e in root.iter() if e.tag.endswith("polyline")]
    for line in lines:
        heights = [float(point.split(",")[1]) for point in line.split()]
        assert heights == sorted(heights)  # downwards
    words = {e.text for e in root.iter() if e.tag.endswith("text")}
    assert {"0.weight", "(8, 4)", "Tanh", "Exp", "result", "leaf"} <= words
    assert len(lines) >= len(boxes) - 1


def test_dot_and_mermaid():
    model, _, loss = network()
    names = {'a "name"': model[0].weight}
    dot, mermaid = (graph.draw(loss, kind, names) for kind in ("dot", "mermaid"))
    assert dot.startswith("digraph {")
    assert r"a \"name\"\n(8, 4)" in dot
    assert dot.count("->") == mermaid.count("-->")
    assert "#quot;name#quot;<br>(8, 4)" in mermaid
    assert len(re.findall(r"Split", mermaid)) == 2  # one node each, not one for each output
    assert "leaf" in graph.draw(tg.ones(2), "dot")
    with pytest.raises(ArgumentError, match="'png'"):
        graph.draw(loss, "png")
    y = tg.ones(1, requires_grad=True)
    for _ in range(2001):
        y = y + 1.0
    with pytest.raises(ArgumentError, match="more than 2000"):
        graph.draw(y)


def test_profile():
    model, x, _ = network()
    with profiler.profile() as prof:
        for _ in range(3):
            model(x).sum().backward()
        tg.exp(np.ones(3))  # on arrays alone: not an operation on tensors
    rows = {(row.op, row.phase): row for row in prof.rows()}
    assert rows["linear", "forward"].calls == rows["linear", "backward"].calls == 6
    assert rows["tanh", "forward"].calls == 3
    assert rows["tanh", "forward"].bytes == 3 * 3 * 8 * 4
    assert ("exp", "forward") not in rows
    assert 0 < sum(row.seconds for row in rows.values()) < prof.seconds
    assert [row.calls for row in prof.rows("calls")] == sorted(
        (row.calls for row in rows.values()), reverse=True
    )
    table = prof.table("op", row_limit=2)
    assert "linear" in table
    assert f"{len(rows) - 2} more" in table
    assert str(prof).count("\n") == len(rows) + 4
    with pytest.raises(ArgumentError, match="sort_by"):
        prof.rows("colour")
    calls = sum(row.calls for row in prof.rows())
    tg.ones(2).exp()
    assert sum(row.calls for row in prof.rows()) == calls


def test_time_within_an_operation_counts_once():
    class Twice(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2.0

        @staticmethod
        def backward(ctx, g):
            for _ in range(3):
                h = tg.exp(g)
            return h

    x = tg.ones(500_000, requires_grad=True)
    with profiler.profile() as prof:
        Twice.apply(x).sum().backward()
    rows = {(row.op, row.phase): row for row in prof.rows()}
    assert rows["exp", "forward"].calls == 3
    assert rows["Twice", "backward"].seconds < rows["exp", "forward"].seconds
    assert sum(row.seconds for row in rows.values()) <= prof.seconds


def test_summary():
    model, x, _ = network()
    model[0].weight.requires_grad_(False)
    found = tg.summary(model, x)
    assert (found.parameters, found.trainable) == (4 * 8 + 8 + 8 * 2 + 2, 8 + 8 * 2 + 2)
    assert [layer.outputs for layer in found.layers] == ["(3, 2)", "(3, 8)", "(3, 8)", "(3, 2)"]
    assert found.output_bytes == 4 * 3 * (8 + 8 + 2)
    text = str(found)
    assert "  0         Linear      (3, 4)  (3, 8)          40" in text
    assert "58 parameters, 26 to be trained, 32 fixed" in text
    before = str(tg.summary(model, x))
    assert before == text  # the hooks are gone
