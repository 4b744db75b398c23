"""Weights computed before each call: by length and direction, or divided by their largest stretch.

The module keeps parameters from which a forward pre-hook computes the weight; the names in the
state dict are torch's.
"""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError
from ...mode import no_grad
from ...random import default_generator
from ...registry import op
from ...tensor import wrap
from ..module import Module
from ..parameter import Parameter


class _Computed:
    """A forward pre-hook that computes the weight `name`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Any) -> Any:
        """The weight, from what the module holds."""
        raise NotImplementedError

    def forget(self, module: Any) -> None:
        """Take away what `compute` needs."""
        raise NotImplementedError

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def install(self, module: Any) -> None:
        """Compute the weight now and before every call."""
        self(module, ())
        module.register_forward_pre_hook(self)


def _taken(module: Any, name: str) -> Parameter:
    """The parameter `name`, no longer registered."""
    if not isinstance(module._parameters.get(name), Parameter):
        raise ArgumentError(f"{type(module).__name__} has no parameter {name!r} to compute")
    taken: Parameter = module._parameters.pop(name)
    return taken


def _removed(module: Any, name: str, kind: type[_Computed]) -> Any:
    """`module` with the weight as a parameter again, of the present values."""
    for hook in tuple(module._hooks_before):
        if type(hook) is kind and hook.name == name:
            with no_grad():
                weight = hook.compute(module)
            hook.forget(module)
            module._hooks_before.remove(hook)
            delattr(module, name)
            module.register_parameter(name, Parameter(weight.detach()))
            return module
    raise ArgumentError(f"{type(module).__name__}: {name!r} is not computed in this way")


class _WeightNorm(_Computed):
    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def length(self, v: Any) -> Any:
        """The norm over all dimensions but `dim`."""
        dims = tuple(i for i in range(v.ndim) if self.dim is None or i != self.dim % v.ndim)
        length = op.sqrt(op.sum(v * v, dims, self.dim is not None))
        return length

    def compute(self, module: Any) -> Any:
        """``g·v/|v|``."""
        g, v = (getattr(module, f"{self.name}_{part}") for part in "gv")
        return v * (g / self.length(v))

    def forget(self, module: Any) -> None:
        """Without g and v."""
        for part in "gv":
            del module._parameters[f"{self.name}_{part}"]


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Any:
    """Learn the length ``<name>_g`` and the direction ``<name>_v`` of a weight apart.

    w = g·v/|v|, the norm over all dimensions but `dim` (None: over all).
    Source: Salimans & Kingma 2016, "Weight normalization".

    Raises:
        ArgumentError: The module has no such parameter.
    """
    hook = _WeightNorm(name, dim)
    weight = _taken(module, name).detach()
    module.register_parameter(f"{name}_g", Parameter(hook.length(weight)))
    module.register_parameter(f"{name}_v", Parameter(weight))
    hook.install(module)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Any:
    """Make the weight a parameter again."""
    return _removed(module, name, _WeightNorm)


class _SpectralNorm(_Computed):
    def __init__(self, name: str, iterations: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.iterations, self.eps, self.dim = iterations, eps, dim

    def matrix(self, weight: Any) -> Any:
        """`dim` against all other dimensions."""
        return op.reshape(op.movedim(weight, self.dim, 0), (weight.shape[self.dim], -1))

    def unit(self, vector: Any) -> Any:
        """Of length 1."""
        return op.normalize(vector, dim=0, eps=self.eps)

    def compute(self, module: Any) -> Any:
        """The weight over uᵀ·W·v; in training u and v go on towards the singular vectors."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = (getattr(module, f"{self.name}_{part}") for part in "uv")
        matrix = self.matrix(weight)
        if module.training:
            with no_grad():
                for _ in range(self.iterations):
                    v.copy_(self.unit(op.matmul(op.transpose(matrix, 0, 1), u)))
                    u.copy_(self.unit(op.matmul(matrix, v)))
            u, v = u.clone(), v.clone()  # a later call writes to them again
        return weight / op.dot(u, op.matmul(matrix, v))

    def forget(self, module: Any) -> None:
        """Without what it was computed from."""
        del module._parameters[f"{self.name}_orig"]
        for part in "uv":
            del module._buffers[f"{self.name}_{part}"]


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide a weight by its largest singular value, which power iterations estimate.

    ``<name>_orig`` is learned, ``<name>_u`` and ``<name>_v`` are buffers; `dim` is the one of the
    outputs (0, or 1 of transposed convolutions).
    Source: Miyato et al. 2018, "Spectral normalization for generative adversarial networks".

    Raises:
        ArgumentError: The module has no such parameter, or there are no iterations.
    """
    if n_power_iterations <= 0:
        raise ArgumentError(f"spectral_norm: expected iterations, got {n_power_iterations}")
    dim = int(getattr(module, "transposed", False)) if dim is None else dim
    hook = _SpectralNorm(name, n_power_iterations, eps, dim)
    weight = _taken(module, name)
    module.register_parameter(f"{name}_orig", weight)
    for part, size in zip("uv", hook.matrix(weight.detach()).shape, strict=True):
        draws = wrap(default_generator.normal(size, weight.dtype))
        module.register_buffer(f"{name}_{part}", hook.unit(draws))
    setattr(module, name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Any:
    """Make the weight a parameter again."""
    training = module.training
    try:
        return _removed(module.eval(), name, _SpectralNorm)
    finally:
        module.train(training)
