"""The history of a scalar `Value` as a drawing."""

from __future__ import annotations

from .scalar import Value


class Graph:
    """The history of a Value as a drawing, for Graphviz or for Mermaid.

    Args:
        result: The Value to draw, with everything that it was made from.
    """

    def __init__(self, result: Value) -> None:
        self.nodes = result.history()[::-1]
        self._names = {node: f"v{i}" for i, node in enumerate(self.nodes)}

    def to_dot(self) -> str:
        """The drawing in Graphviz' language: ``dot -Tsvg``."""
        lines = ["digraph {", "  rankdir=LR", "  node [shape=box]"]
        for name, text in self._boxes():
            escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            lines.append(f'  {name} [label="{escaped}"]')
        lines += [f"  {start} -> {end}" for start, end in self._arrows()]
        return "\n".join([*lines, "}"])

    def to_mermaid(self) -> str:
        """The drawing in Mermaid's language, which Markdown viewers show."""
        lines = ["flowchart LR"]
        for name, text in self._boxes():
            escaped = text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")
            lines.append(f'  {name}["{escaped}"]'.replace("\n", "<br>"))
        return "\n".join([*lines, *(f"  {start} --> {end}" for start, end in self._arrows())])

    def _boxes(self) -> list[tuple[str, str]]:
        boxes = []
        for node, name in self._names.items():
            grad = "" if node.grad is None else f"\ngrad {node.grad.data:.4g}"
            title = " = ".join(filter(None, (node.label, node.op)))
            boxes.append((name, f"{title}\n{node.data:.4g}{grad}".lstrip("\n")))
            constants = ((i, arg) for i, arg in enumerate(node.args) if isinstance(arg, float))
            boxes += [(f"{name}c{i}", f"{arg:.4g}") for i, arg in constants]
        return boxes

    def _arrows(self) -> list[tuple[str, str]]:
        return [
            (self._names[arg] if isinstance(arg, Value) else f"{name}c{i}", name)
            for node, name in self._names.items()
            for i, arg in enumerate(node.args)
        ]
