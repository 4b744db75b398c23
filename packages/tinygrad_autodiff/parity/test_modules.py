"""torch's module_db through the package's modules: state dicts, first values, results, gradients.

Every module is built twice from the same arguments and the same seed, and compared in training and
in evaluation: names, shapes and dtypes of the state dict, the values that it starts with, its text,
and, with torch's state dict loaded and everything in double precision, results and gradients of
inputs and parameters. ``python -m parity.test_modules`` prints the counts by module.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from .scoreboard.adapter import TORCH, Call, Library, UntranslatableError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of tools that it could use
    from torch.testing._internal.common_modules import module_db

pytestmark = pytest.mark.filterwarnings("default")  # torch's own
LIBRARY = Library("tinygrad_autodiff")
CHECKS = ("state", "start", "text", "values", "gradients")
MODES = (True, False)
MOST = 32  # about as many inputs of a module in each mode, spread over what module_db offers


def ours(value: Any) -> Any:
    """A constructor's argument as the package's: tensors, functions, modules, all else as it is."""
    if isinstance(value, torch.Tensor):
        return LIBRARY.tensor(value.detach().numpy().copy())
    if isinstance(value, torch.nn.Module):
        return rebuilt(value)
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        if value.__module__.startswith("torch"):
            return LIBRARY.resolve(f"nn.functional.{value.__name__}")
        return value
    return LIBRARY.translate(value)


def rebuilt(module: torch.nn.Module) -> Any:
    """A module that is an argument (a layer to be stacked, a norm), with its values."""
    kind = LIBRARY.resolve(f"nn.{type(module).__name__}")
    if isinstance(module, torch.nn.LayerNorm):
        made = kind(module.normalized_shape, module.eps)
    else:
        attention = module.self_attn
        made = kind(
            attention.embed_dim,
            attention.num_heads,
            module.linear1.out_features,
            module.dropout.p,
            module.activation.__name__,
            module.norm1.eps,
            attention.batch_first,
            module.norm_first,
            module.linear1.bias is not None,
        )
    made.to(LIBRARY.namesake(next(module.parameters()).dtype))
    made.load_state_dict(arrays(module.state_dict()))
    return made


def arrays(state: Any) -> dict[str, Any]:
    return {key: value.detach().numpy().copy() for key, value in state.items()}


class Pair:
    """One module of torch and ours, from the same arguments and the same seed."""

    def __init__(self, info: Any, given: Any, training: bool) -> None:
        self.call = self._call(given.forward_input)
        leaves, spec = tree_flatten((given.constructor_input.args, given.constructor_input.kwargs))
        args, kwargs = tree_unflatten([ours(leaf) for leaf in leaves], spec)
        torch.manual_seed(0)
        self.theirs = info.module_cls(
            *given.constructor_input.args, **given.constructor_input.kwargs
        )
        LIBRARY.seed()
        LIBRARY.module.manual_seed(0)
        self.ours = LIBRARY.resolve(f"nn.{info.module_cls.__name__}")(*args, **kwargs)
        if hasattr(self.theirs, "has_uninitialized_params"):  # lazy: they become what they are
            self.become()
        self.first = arrays(self.theirs.state_dict()), self._ours_state()
        self.theirs.double().train(training)
        self.ours.double().train(training)

    def become(self) -> None:
        """One call of each, from the same seed."""
        assert repr(self.ours) == repr(self.theirs)
        leaves = self.call.originals(), self.call.on(LIBRARY)
        modules = self.theirs.double(), self.ours.double()
        for lib, module, values in zip((TORCH, LIBRARY), modules, leaves, strict=True):
            lib.module.manual_seed(0)
            self.call.run(lib, module, values)

    @staticmethod
    def _call(given: Any) -> Call:
        args, kwargs = list(given.args), dict(given.kwargs)
        first = args.pop(0) if args else kwargs.pop("input")
        sample = types.SimpleNamespace(
            input=first, args=tuple(args), kwargs=kwargs, output_process_fn_grad=None
        )
        return Call(sample)

    def _ours_state(self) -> dict[str, Any]:
        return {key: np.array(value.numpy()) for key, value in self.ours.state_dict().items()}

    def state(self) -> None:
        """Names in torch's order, shapes and dtypes."""
        shapes = [
            [(key, value.shape, value.dtype) for key, value in state.items()]
            for state in self.first
        ]
        assert shapes[1] == shapes[0]

    def start(self) -> None:
        """The same numbers from the same seed."""
        for key, value in self.first[0].items():
            np.testing.assert_allclose(self.first[1][key], value, 2e-6, 3e-7, err_msg=key)

    def text(self) -> None:
        """The same text."""
        assert repr(self.ours) == repr(self.theirs)

    def run(self) -> tuple[Any, Any]:
        """Results and gradients of both, with torch's state in both."""
        self.ours.load_state_dict(arrays(self.theirs.state_dict()))
        found = []
        cotangents: list[torch.Tensor] = []
        for lib, module, leaves in (
            (TORCH, self.theirs, self.call.originals()),
            (LIBRARY, self.ours, self.call.on(LIBRARY)),
        ):
            outputs = lib.results(self.call.run(lib, module, leaves))
            if lib is TORCH:
                self.used = [
                    i
                    for i, v in enumerate(outputs)
                    if isinstance(v, torch.Tensor) and v.requires_grad
                ]
                torch.manual_seed(1)
                cotangents = [torch.randn_like(outputs[i]) for i in self.used]
            wanted = [leaves[i] for i in self.call.differentiable]
            wanted += [p for p in module.parameters() if p.requires_grad]
            grads: Any = []
            if self.used and wanted:
                grads = lib.grad(
                    [outputs[i] for i in self.used],
                    wanted,
                    [lib.tensor(c.numpy().copy()) for c in cotangents],
                )
            buffers = [value for _, value in module.named_buffers()]
            found.append(
                (
                    [lib.to_torch(v) for v in (*outputs, *buffers)],
                    [
                        lib.to_torch(w) * 0 if g is None else lib.to_torch(g)
                        for g, w in zip(grads, wanted, strict=True)
                    ],
                )
            )
        return found[0], found[1]


def same(found: list[Any], wanted: list[Any]) -> None:
    """Equal structure and dtypes, values within rounding of double precision."""
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        if isinstance(theirs, torch.Tensor):
            assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
            np.testing.assert_allclose(mine.numpy(), theirs.detach().numpy(), 1e-7, 1e-9)
        else:
            assert mine == theirs


def pairs(info: Any) -> Iterator[Any]:
    """A function that makes the pair, for every input of module_db in both modes."""
    for training in MODES:
        inputs = info.module_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
        )
        for given in inputs[:: max(1, len(inputs) // MOST)]:
            yield lambda given=given, training=training: Pair(info, given, training)


@cache
def outcome(name: str) -> dict[str, Any]:
    """How many inputs there are, how many pass each check, and why the first fails."""
    info = next(info for info in module_db if info.name == name)
    counts: dict[str, Any] = dict.fromkeys(("inputs", *CHECKS), 0)
    counts["reason"] = None
    torch.manual_seed(0)
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for make in pairs(info):
            try:
                pair = make()
            except UntranslatableError:
                continue  # nested tensors and the like
            except Exception as error:
                counts["inputs"] += 1
                counts["reason"] = counts["reason"] or f"{type(error).__name__}: {error}"
                continue
            counts["inputs"] += 1
            results: Any = None
            for check in CHECKS:
                try:
                    if check in ("values", "gradients"):
                        results = results or pair.run()
                        place = check == "gradients"
                        same(results[1][place], results[0][place])
                    else:
                        getattr(pair, check)()
                    counts[check] += 1
                except Exception as error:
                    text = " ".join(str(error).split())[:300]
                    counts["reason"] = (
                        counts["reason"] or f"{check}: {type(error).__name__}: {text}"
                    )
    return counts


@pytest.mark.parametrize("name", [info.name for info in module_db])
def test_module(name: str) -> None:
    counts = outcome(name)
    assert counts["inputs"], "module_db offers nothing"
    assert [counts[check] for check in CHECKS] == [counts["inputs"]] * len(CHECKS), counts["reason"]


def main() -> None:
    """The counts by module."""
    print(f"{'module':32} {'inputs':>6} " + " ".join(f"{check:>9}" for check in CHECKS))
    whole = 0
    for info in module_db:
        counts = outcome(info.name)
        row = " ".join(f"{counts[check]:9}" for check in CHECKS)
        print(f"{info.name:32} {counts['inputs']:6} {row}  {counts['reason'] or ''}"[:200])
        whole += all(counts[check] == counts["inputs"] for check in CHECKS)
    print(f"{whole} of {len(module_db)} modules pass every check on every input")


if __name__ == "__main__":
    main()
