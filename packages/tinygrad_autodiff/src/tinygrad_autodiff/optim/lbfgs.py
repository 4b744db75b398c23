"""L-BFGS: a quasi-Newton method from the last few gradients, with a line search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError
from ..mode import enable_grad
from ..tensor import Tensor
from ..versions import written
from .optimizer import Optimizer, options


class Point(NamedTuple):
    """A place on the line that is searched."""

    t: float
    loss: float
    gradient: Array
    slope: float


class LBFGS(Optimizer):
    """Minimizes along directions -H·g, H the inverse Hessian estimated from `history_size` pairs.

    Needs a closure that computes loss and gradients anew. Each call makes up to `max_iter`
    iterations and `max_eval` evaluations. ``line_search_fn="strong_wolfe"`` finds a step of
    sufficient decrease and small slope; otherwise the step is `lr`.
    Source: Nocedal & Wright, Numerical Optimization, algorithms 7.4, 3.5 and 3.6, with the
    constants and stopping rules of torch.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, options(locals()))
        if len(self.param_groups) != 1:
            raise ArgumentError("LBFGS does not support groups of parameters")
        if line_search_fn not in (None, "strong_wolfe"):
            raise ArgumentError(f"line_search_fn: 'strong_wolfe' or None, not {line_search_fn!r}")

    def run(self, closure: Callable[[], Any] | None) -> Any:
        """One call of `step`: several iterations."""
        if closure is None:
            raise ArgumentError("LBFGS: step needs a closure that computes the loss")
        group = self.param_groups[0]
        state = self.state.setdefault(group["params"][0], {"func_evals": 0, "n_iter": 0})
        lr = group["lr"].item() if isinstance(group["lr"], Tensor) else group["lr"]
        first, loss = self._evaluate(closure)
        gradient, evaluations = self._gradient(), 1
        state["func_evals"] += 1
        if _largest(gradient) <= group["tolerance_grad"]:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, gradient, group["history_size"])
            state.update(d=direction, prev_flat_grad=gradient, prev_loss=loss)
            fresh = state["n_iter"] == 1
            t = min(1.0, 1.0 / float(np.abs(gradient).sum())) * lr if fresh else lr
            state["t"] = t
            slope = float(gradient @ direction)
            if slope > -group["tolerance_change"]:
                break
            used, before = 0, loss
            if group["line_search_fn"]:
                start = self._values()
                here = Point(0.0, loss, gradient, slope)

                def at(t: float, start: Any = start, along: Array = direction) -> Point:
                    self._move(start, t, along)
                    _, loss = self._evaluate(closure)
                    gradient = self._gradient()
                    return Point(t, loss, gradient, float(gradient @ along))

                budget = group["max_eval"] - evaluations
                found, used = strong_wolfe(at, here, t, _largest(direction), budget)
                t, loss, gradient = found.t, found.loss, found.gradient
                state["t"] = t
                self._move(start, t, direction)
            else:
                self._move(self._values(), t, direction)
                if iteration != group["max_iter"]:
                    _, loss = self._evaluate(closure)
                    gradient, used = self._gradient(), 1
            evaluations += used
            state["func_evals"] += used
            if (
                evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(direction) * abs(t) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first

    def _direction(self, state: dict[str, Any], gradient: Array, size: int) -> Array:
        """-H·g by the two loops over the pairs (s, y) of steps and changes of the gradient."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -gradient
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = float(y @ s)
        if curvature > 1e-10:
            for memory, new in ((changes, y), (steps, s), (inverses, 1 / curvature)):
                if len(memory) == size:
                    memory.pop(0)
                memory.append(new)
            state["H_diag"] = curvature / float(y @ y)
        pairs = list(zip(steps, changes, inverses, strict=True))
        q, shares = -gradient, []
        for s, y, inverse in reversed(pairs):
            shares.append(float(s @ q) * inverse)
            q = q - shares[-1] * y
        q = q * state["H_diag"]
        for s, y, inverse in pairs:
            q = q + (shares.pop() - float(y @ q) * inverse) * s
        return np.asarray(q)

    # ---- parameters as one vector --------------------------------------------------------------

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float]:
        with enable_grad():
            loss = closure()
        return loss, -float(loss) if self.param_groups[0]["maximize"] else float(loss)

    def _gradient(self) -> Array:
        parameters = self.param_groups[0]["params"]
        parts = [
            np.zeros(p.numel(), p.dtype) if p.grad is None else p.grad._data.reshape(-1)
            for p in parameters
        ]
        flat: Array = np.concatenate(parts)
        return -flat if self.param_groups[0]["maximize"] else flat

    def _values(self) -> list[Array]:
        return [p._data.copy() for p in self.param_groups[0]["params"]]

    def _move(self, start: list[Array], t: float, direction: Array) -> None:
        """Set the parameters to ``start + t·direction``."""
        place = 0
        for parameter, values in zip(self.param_groups[0]["params"], start, strict=True):
            part = direction[place : place + values.size].reshape(values.shape)
            np.add(values, t * part, out=parameter._data)
            written(parameter._data)
            place += values.size


def strong_wolfe(
    at: Callable[[float], Point], start: Point, t: float, size: float, budget: int
) -> tuple[Point, int]:
    """A point of sufficient decrease and small slope on a line, and how often `at` was called.

    loss(t) <= loss(0) + c₁·t·slope(0) and |slope(t)| <= c₂·|slope(0)|, c₁ = 1e-4, c₂ = 0.9. First
    the step grows until the end of an interval that holds such a point, then that shrinks.

    Args:
        at: Loss, gradient and slope at a step length.
        start: The same at 0.
        t: The first step length to try.
        size: Largest element of the direction; intervals below 1e-9 of it are not shrunk.
        budget: Calls of `at` beyond the first.
    """

    def too_high(point: Point) -> bool:
        return point.loss > start.loss + 1e-4 * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -0.9 * start.slope

    before, point, calls = start, at(t), 1
    ends = None
    while calls - 1 < budget:
        rising = too_high(point) or (calls > 2 and point.loss >= before.loss)
        if not rising and flat(point):
            return point, calls
        if rising or point.slope >= 0:
            ends = [before, point]
            break
        bounds = point.t + 0.01 * (point.t - before.t), point.t * 10
        t = cubic_minimum(before, point, bounds)
        before, point = point, at(t)
        calls += 1
    if ends is None:
        ends = [start, point]
    low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
    stuck = False
    while calls - 1 < budget:
        left, right = sorted(end.t for end in ends)
        if (right - left) * size < 1e-9:
            break
        t = cubic_minimum(ends[0], ends[1], (left, right))
        margin = 0.1 * (right - left)
        close = min(right - t, t - left) < margin
        if close and (stuck or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            stuck = False
        else:
            stuck = close
        point = at(t)
        calls += 1
        if too_high(point) or point.loss >= ends[low].loss:
            ends[high] = point
            low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
            continue
        done = flat(point)
        if not done and point.slope * (ends[high].t - ends[low].t) >= 0:
            ends[high] = ends[low]
        ends[low] = point
        if done:
            break
    return ends[low], calls


def cubic_minimum(first: Point, second: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through two points with their slopes is least, limited to `bounds`.

    Source: Nocedal & Wright, equation 3.59. The middle of the bounds if it has no minimum.
    """
    if first.t > second.t:
        first, second = second, first
    low, high = bounds
    gap = second.t - first.t
    d1 = first.slope + second.slope - 3 * (first.loss - second.loss) / (first.t - second.t)
    square = d1 * d1 - first.slope * second.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    bottom = second.slope - first.slope + 2 * d2
    least = second.t - gap * ((second.slope + d2 - d1) / bottom) if bottom else math.nan
    return min(max(least, low), high)


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0))
