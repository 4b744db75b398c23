"""`summary`: the layers of a module, with the shapes and numbers that an input gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .mode import no_grad
from .tensor import Tensor
from .tree import leaves

__all__ = ["Layer", "Summary", "summary"]


@dataclass
class Layer:
    """One call of one module: its name, class, depth, shapes in and out, and own parameters."""

    name: str
    kind: str
    depth: int
    inputs: str
    outputs: str
    parameters: int


@dataclass
class Summary:
    """What `summary` found; its text is a table."""

    layers: list[Layer]
    parameters: int
    trainable: int
    parameter_bytes: int
    output_bytes: int

    def __str__(self) -> str:
        rows = []
        for row in self.layers:
            count = f"{row.parameters:,}" if row.parameters else "-"
            rows.append(("  " * row.depth + row.name, row.kind, row.inputs, row.outputs, count))
        titles = ("layer", "class", "input", "output", "parameters")
        widths = [max(len(row[i]) for row in (titles, *rows)) for i in range(5)]

        def line(row: tuple[str, ...]) -> str:
            cells = [cell.ljust(width) for cell, width in zip(row[:4], widths[:4], strict=True)]
            return "  ".join((*cells, row[4].rjust(widths[4]))).rstrip()

        rule = "-" * (sum(widths) + 8)
        fixed = self.parameters - self.trainable
        totals = (
            f"{self.parameters:,} parameters, {self.trainable:,} to be trained, {fixed:,} fixed",
            f"{self.parameter_bytes / 2**20:.2f} MiB of parameters",
            f"{self.output_bytes / 2**20:.2f} MiB of results in one forward pass",
        )
        return "\n".join((line(titles), rule, *(line(row) for row in rows), rule, *totals))


def _shapes(value: Any) -> str:
    """The shapes in a structure of tensors as text."""
    if isinstance(value, Tensor):
        return str(value.shape)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shapes(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return ", ".join(_shapes(part) for part in value)
    return type(value).__name__


def summary(module: Any, *inputs: Any, **kwargs: Any) -> Summary:
    """Run ``module(*inputs, **kwargs)`` once, unrecorded, and note every module that is called.

    Returns:
        A `Summary`; ``print`` shows it as a table. A module called twice has two rows, and its
        parameters count once.
    """
    layers: list[Layer] = []
    handles = []
    order: list[tuple[int, Layer]] = []
    names = {id(m): (name or type(module).__name__) for name, m in module.named_modules()}
    depth = [0]
    results = 0

    def before(layer: Any, args: Any) -> None:
        name = names[id(layer)]
        own = sum(p.numel() for p in layer.parameters(recurse=False))
        row = Layer(name, type(layer).__name__, depth[0], _shapes(args), "", own)
        layers.append(row)
        order.append((id(layer), row))
        depth[0] += 1

    def after(layer: Any, args: Any, result: Any) -> None:
        nonlocal results
        depth[0] -= 1
        _, row = order.pop()
        row.outputs = _shapes(result)
        if not list(layer.children()):
            results += sum(v.nbytes for v in leaves(result) if isinstance(v, Tensor))

    for _, part in module.named_modules():
        handles.append(part.register_forward_pre_hook(before))
        handles.append(part.register_forward_hook(after))
    try:
        with no_grad():
            module(*inputs, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    parameters = list(module.parameters())
    return Summary(
        layers,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(p.nbytes for p in parameters),
        results,
    )
