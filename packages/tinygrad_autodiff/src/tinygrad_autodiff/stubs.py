"""Stubs of what the registry fills in: ``python -m tinygrad_autodiff.stubs`` writes them.

Methods and functions are set at import; type checkers, editors and the API pages read the .pyi
files beside the modules. A test fails when these are not what the registry says.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

from .api import PLACES, REFLECTED, names_in
from .destination import OPTIONAL
from .inplace import METHODS, functions
from .registry import OPS

_HEADER = """\
# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from {up}dtypes import Array as Array
from {up}tensor import Tensor

_Number = int | float | bool
_Bool = bool  # bool, int and float are methods too
_Int = int
_Float = float
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None
"""
_SEVERAL = """
    broadcast_tensors chunk dsplit hsplit meshgrid split split_with_sizes split_with_sizes_copy
    gradient std_mean tensor_split unbind unbind_copy unravel_index var_mean vsplit
"""
_WITH_OUT = ("", "special", "linalg", "fft")  # namespaces whose functions take `out`
_RETURNS = dict.fromkeys(_SEVERAL.split(), "tuple[Tensor, ...]")
_RETURNS |= {"allclose": "_Bool", "equal": "_Bool", "broadcast_shapes": "tuple[_Int, ...]"}
_LOOSE = {"max", "min", "norm", "vector_norm", "nonzero", "atleast_1d", "atleast_2d", "atleast_3d"}
_LOOSE |= {"aminmax", "cummax", "cummin", "kthvalue", "median", "mode", "nanmedian", "sort", "topk"}
_LOOSE |= {"histogram", "histogramdd", "unique", "unique_consecutive"}


def render() -> dict[str, str]:
    """Text of every stub, by its path in the package."""
    files = {"_methods.pyi": _methods()}
    for space, place in PLACES.items():
        up = "." * (place.count(".") + 1)
        header = _HEADER.format(up=up)
        if space == "linalg":
            error = "from .errors import LinAlgError as LinAlgError\n"
            header = header.replace("from .tensor", f"{error}from .tensor")
        parts = [header]
        for name, cls in sorted(names_in(space).items()):
            parts.append(_function(name, cls, method=False, out=space in _WITH_OUT))
        for name, method in sorted(functions(space).items()):
            text = _function(name, getattr(method, "op"), method=False)  # noqa: B009
            parts.append(_redocumented(text, method, "Tensor"))
        parts.append("__all__: list[str]\n")
        files[place.replace(".", "/") + ".pyi"] = "\n".join(parts)
    return {name: _marked(text) for name, text in files.items()}


def _marked(text: str) -> str:
    long = any(len(line) > 100 for line in text.splitlines())
    return "# ruff: noqa: E501\n" + text if long else text


def _methods() -> str:
    header = _HEADER.format(up=".").replace("as Any\n", "as Any\nfrom typing import Self\n")
    parts = [header, "class Methods:"]
    for name, cls in sorted(names_in("Tensor").items()):
        parts.append(textwrap.indent(_function(name, cls, method=True), "    "))
    for cls in sorted(OPS.values(), key=lambda cls: cls.name):
        if cls.operator is None:
            continue
        names = [f"__{cls.operator}__"]
        if cls.operator in REFLECTED:
            names.append(f"__r{cls.operator}__")
        for name in names:
            other = {"getitem": ", index: Any"}.get(
                cls.operator, ", other: _Operand" if len(cls.params) > 1 else ""
            )
            # Comparisons give tensors, and Python tries the other operand's mirror image first.
            ignore = {
                "eq": "[override]",
                "ne": "[override]",
                "lt": "[misc]",
                "le": "[misc]",
                "ge": "[misc]",
                "gt": "[misc]",
            }.get(cls.operator, "")
            ignore = f"  # type: ignore{ignore}" if ignore else ""
            parts.append(f"    def {name}(self{other}, /) -> Tensor: ...{ignore}")
    for name, method in sorted(METHODS.items()):
        parts.append(textwrap.indent(_in_place(name, method), "    "))
    return "\n".join(parts).rstrip() + "\n"


def _in_place(name: str, method: Any) -> str:
    cls = getattr(method, "op", None)
    if name.startswith("__"):
        if name == "__setitem__":
            return "def __setitem__(self, index: Any, value: Any, /) -> None: ..."
        return f"def {name}(self, other: _Operand, /) -> Self: ..."
    if cls is None:
        shown = str(inspect.signature(method)).replace("'", "").replace("self: Tensor", "self")
        shown = shown.replace("-> Tensor", "-> Self").replace("bool", "_Bool")
        return f'def {name}{shown}:\n    """{inspect.getdoc(method)}"""\n    ...\n'
    return _redocumented(_function(name, cls, method=True), method, "Self")


def _redocumented(text: str, method: Any, returns: str) -> str:
    return text[: text.index(" -> ")] + f' -> {returns}:\n    """{method.__doc__}"""\n    ...\n'


def _function(name: str, cls: Any, method: bool, out: bool = False) -> str:
    parameters = list(cls.signature.parameters.values())
    shown = [_parameter(p, cls) for p in parameters]
    if method:
        shown[0] = "self"
    if cls.packs:
        kind = "Any" if name in ("permute",) else "_Int | tuple[_Int, ...] | list[_Int]"
        shown[1:] = [f"*{parameters[1].name}: {kind}"]
    if cls.scales:
        shown += ["*", "alpha: _Number = 1"]
    if out and cls.name not in _SEVERAL:
        starred = any(part.startswith("*") for part in shown)
        shown += [*([] if starred else ["*"]), "out: Any = None"]
    if not method and cls.name in OPTIONAL:
        shown.append("inplace: _Bool = False")
    if cls.alone:
        shown[1:] = [
            part if part.startswith("*") or "=" in part else f"{part} = ..." for part in shown[1:]
        ]
    returns = "Any" if name in _LOOSE or cls.alone else _RETURNS.get(cls.name, "Tensor")
    text = inspect.getdoc(cls) or ""
    doc = textwrap.indent(f'"""{text}' + ("\n" if "\n" in text else "") + '"""', "    ")
    return f"def {name}({', '.join(shown)}) -> {returns}:\n{doc}\n    ...\n"


def _parameter(parameter: inspect.Parameter, cls: Any) -> str:
    annotation = str(parameter.annotation)
    stars: dict[Any, str] = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    star = stars.get(parameter.kind, "")
    if "Sequence" in annotation:
        annotation = "tuple[_Operand, ...] | list[_Operand] | list[Tensor]"
    elif "Array" in annotation:
        annotation = annotation.replace("Array", "_Operand")
    elif annotation == "Dims":
        annotation = "_Dims"
    elif annotation in ("float", "int"):
        annotation = "_Number"
    elif re.match(r"(int|float|bool) \| None", annotation):
        annotation = "_Number | None"
    elif annotation not in ("str", "bool"):
        annotation = "Any"
    annotation = re.sub(r"\b(bool|int|float)\b", lambda m: "_" + m[0].title(), annotation)
    text = f"{star}{parameter.name}: {annotation}"
    return text if parameter.default is parameter.empty else f"{text} = {parameter.default!r}"


def main() -> None:
    """Write the stubs into the package."""
    folder = Path(__file__).parent
    for name, text in render().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
