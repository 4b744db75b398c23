"""The graph: hooks on what it saves, as in `torch.autograd.graph`, and drawings of it.

The layout is layered (Sugiyama, Tagawa & Toda 1981): a node stands one layer below its lowest
input, edges over several layers pass through invisible nodes, and within a layer nodes are ordered
by the mean place of their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from itertools import pairwise
from types import TracebackType
from typing import Any

from .engine import AccumulateGrad, Node, Output
from .errors import ArgumentError
from .mode import mode
from .tensor import Tensor, array_of, wrap

__all__ = ["AccumulateGrad", "Node", "draw", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Inside, `pack_hook` is called with every value that is saved for the backward pass.

    What it returns is kept instead, and `unpack_hook` must make the tensor of it again; for
    compression, for files, or for computing it anew. An inner context hides an outer one.
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self._hooks = (
            lambda array: pack_hook(wrap(array)),
            lambda packed: array_of(unpack_hook(packed)),
        )
        self._outer: list[Any] = []

    def __enter__(self) -> None:
        self._outer.append(mode.packing)
        mode.packing = self._hooks

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.packing = self._outer.pop()


# ---- drawing -------------------------------------------------------------------------------------

_MOST = 2000  # boxes in one drawing


def draw(tensor: Tensor, format: str = "svg", names: Mapping[str, Tensor] | None = None) -> str:
    """The graph that made `tensor`, from the leaves above to the result below.

    Args:
        tensor: A tensor with a graph, or a leaf.
        format: "svg" (a picture of its own), "dot" (for Graphviz) or "mermaid" (for Markdown).
        names: Names of tensors, such as ``dict(model.named_parameters())``; leaves are labelled
            by them.

    Returns:
        The drawing as text.

    Raises:
        ArgumentError: Another format, or a graph of more than 2000 nodes.
    """
    formats = {"svg": _svg, "dot": _dot, "mermaid": _mermaid}
    if format not in formats:
        raise ArgumentError(f"draw: format is one of {sorted(formats)}, not {format!r}")
    labels, arrows = _collect(tensor, {id(value): key for key, value in (names or {}).items()})
    return formats[format](labels, arrows)


def _collect(tensor: Tensor, names: dict[int, str]) -> tuple[list[str], list[tuple[int, int]]]:
    """Labels of the boxes, the inputs of a box before it, and arrows between their numbers."""
    stack: list[Any] = [_whole(tensor._node) or tensor]
    found: dict[Any, int] = {}
    while stack:
        edge = stack.pop()
        if edge in found:
            continue
        found[edge] = 0
        if len(found) > _MOST:
            raise ArgumentError(f"draw: the graph has more than {_MOST} nodes")
        if isinstance(edge, Node):
            stack.extend(_whole(e) for e in edge.edges if e is not None)
    nodes = sorted(found, key=lambda edge: edge.seq if isinstance(edge, Node) else 0)
    number = {edge: i for i, edge in enumerate(nodes)}
    labels = [
        edge.label if isinstance(edge, Node) else f"{names.get(id(edge), 'leaf')}\n{edge.shape}"
        for edge in nodes
    ]
    arrows = [
        (number[_whole(edge)], number[node])
        for node in nodes
        if isinstance(node, Node)
        for edge in node.edges
        if edge is not None
    ]
    labels.append(f"result\n{tensor.shape} {tensor.dtype}")
    arrows.append((number[_whole(tensor._node) or tensor], len(nodes)))
    return labels, arrows


def _whole(edge: Any) -> Any:
    """The node itself for one of its outputs."""
    return edge.edges[0] if isinstance(edge, Output) else edge


def _dot(labels: list[str], arrows: list[tuple[int, int]]) -> str:
    lines = ["digraph {", "  node [shape=box]"]
    for i, label in enumerate(labels):
        text = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'  n{i} [label="{text}"]')
    return "\n".join([*lines, *(f"  n{a} -> n{b}" for a, b in arrows), "}"])


def _mermaid(labels: list[str], arrows: list[tuple[int, int]]) -> str:
    lines = ["flowchart TD"]
    for i, label in enumerate(labels):
        text = label.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")
        lines.append(f'  n{i}["{text}"]'.replace("\n", "<br>"))
    return "\n".join([*lines, *(f"  n{a} --> n{b}" for a, b in arrows)])


def _layers(count: int, arrows: list[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Boxes by layer, and each arrow as the boxes and invisible nodes that it passes."""
    depth = [0] * count
    for start, end in arrows:  # sorted by their end, whose inputs come before it
        depth[end] = max(depth[end], depth[start] + 1)
    for start in range(count):  # a leaf stands right above what it is for
        below = [depth[b] for a, b in arrows if a == start]
        if below and not any(b == start for _, b in arrows):
            depth[start] = min(below) - 1
    layers: list[list[int]] = [[] for _ in range(max(depth) + 1)]
    for box, layer in enumerate(depth):
        layers[layer].append(box)
    paths = []
    for start, end in dict.fromkeys(arrows):
        path = [start]
        for layer in range(depth[start] + 1, depth[end]):
            path.append(count)
            layers[layer].append(count)
            count += 1
        paths.append([*path, end])
    return layers, paths


def _ordered(layers: list[list[int]], paths: list[list[int]]) -> list[list[int]]:
    """The layers with few crossings: by the mean place of the neighbours, downwards and up."""
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for path in paths:
        for a, b in pairwise(path):
            above.setdefault(b, []).append(a)
            below.setdefault(a, []).append(b)
    for sweep in range(8):
        neighbours, order = (above, layers) if sweep % 2 == 0 else (below, layers[::-1])
        place = {box: i for layer in layers for i, box in enumerate(layer)}
        for layer in order:
            means = {
                box: sum(place[n] for n in found) / len(found)
                for box in layer
                if (found := neighbours.get(box))
            }
            layer.sort(key=lambda box, means=means: means.get(box, place[box]))  # type: ignore[misc]
            place.update((box, i) for i, box in enumerate(layer))
    return layers


def _svg(labels: list[str], arrows: list[tuple[int, int]]) -> str:
    layers, paths = _layers(len(labels), arrows)
    layers = _ordered(layers, paths)
    widths = [max(len(line) for line in label.split("\n")) * 7.5 + 16 for label in labels]
    gap, high, step = 16.0, 34.0, 64.0

    def width(box: int) -> float:
        return widths[box] if box < len(labels) else 4.0

    rows = [sum(width(box) + gap for box in layer) for layer in layers]
    total = max(rows) + gap
    middle: dict[int, tuple[float, float]] = {}
    for i, layer in enumerate(layers):
        x = (total - rows[i]) / 2 + gap
        for box in layer:
            middle[box] = (x + width(box) / 2, 12 + i * step + high / 2)
            x += width(box) + gap
    tall = 24 + (len(layers) - 1) * step + high
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {tall:.0f}" '
        f'width="{total:.0f}" height="{tall:.0f}" font-family="monospace" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>',
    ]
    for path in paths:
        points = [
            (x, y + side * high / 2)  # through an invisible node straight down
            for box in path
            for x, y in [middle[box]]
            for side in (-1, 1)
        ][1:-1]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="#667" marker-end="url(#tip)"/>'
        )
    for box, label in enumerate(labels):
        x, y = middle[box]
        lines = label.split("\n")
        colour = "#dff0d8" if len(lines) > 1 and box < len(labels) - 1 else "#eef"
        parts.append(
            f'<rect x="{x - widths[box] / 2:.1f}" y="{y - high / 2:.1f}" rx="5" '
            f'width="{widths[box]:.1f}" height="{high:.0f}" fill="{colour}" stroke="#667"/>'
        )
        for i, text in enumerate(lines):
            down = y + 4 + (i - (len(lines) - 1) / 2) * 14
            parts.append(
                f'<text x="{x:.1f}" y="{down:.1f}" text-anchor="middle">{escape(text)}</text>'
            )
    return "\n".join([*parts, "</svg>"])
