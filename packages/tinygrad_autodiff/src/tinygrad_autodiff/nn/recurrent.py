"""Recurrent layers and their cells; the steps are in `ops.recurrent`.

Parameters are named as torch's (``weight_ih_l0``, ``weight_hh_l0_reverse``, …) and start uniform
in ±1/√hidden_size.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, RangeError, ShapeError
from ..registry import op
from . import init
from .module import Module
from .parameter import uninitialized
from .utils.rnn import PackedSequence


class RNNBase(Module):
    """Layers, directions and dropout around the steps of one kind of cell.

    Input (T, N, input_size), with `batch_first` (N, T, …), or (T, input_size) for one sample.
    """

    gates: ClassVar[int] = 1
    has_cell: ClassVar[bool] = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 <= dropout <= 1:
            raise ArgumentError(f"{name}: dropout is a probability in [0, 1], not {dropout}")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name}: dropout comes after all but the last layer, and there is only one",
                stacklevel=3,
            )
        if hidden_size <= 0 or num_layers <= 0:
            raise ArgumentError(f"{name}: hidden_size and num_layers must be greater than zero")
        if not 0 <= proj_size < hidden_size:
            raise ArgumentError(f"{name}: proj_size {proj_size} is not smaller than hidden_size")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        directions, out, rows = (
            1 + bidirectional,
            proj_size or hidden_size,
            self.gates * hidden_size,
        )
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                width = out * directions if layer else input_size
                shapes: dict[str, tuple[int, ...]]
                shapes = {"weight_ih": (rows, width), "weight_hh": (rows, out)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes |= {"weight_hr": (proj_size, hidden_size)}
                for key, shape in shapes.items():
                    self.register_parameter(key + suffix, uninitialized(*shape, dtype=dtype))
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _run(self, input: Any, states: Any, weights: list[Any], reverse: bool) -> Any:
        """Outputs (T, N, H) of one direction of a layer, and its last states."""
        raise NotImplementedError

    def _last(self, output: Any, reverse: bool) -> Any:
        return output[0 if reverse else -1]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The outputs of the last layer, and the last states of every layer and direction.

        Of a `PackedSequence` a packed one; the states are in the samples' old order.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.ndim not in (2, 3):
            raise RangeError(
                f"{type(self).__name__}: expected an input of 2 or 3 dimensions, "
                f"got {tuple(input.shape)}"
            )
        single = input.ndim == 2
        if single:
            input = op.unsqueeze(input, 1)
        elif self.batch_first:
            input = op.transpose(input, 0, 1)
        states = self._states(hx, input, input.shape[1], single)
        input, finals = self._through(input, states, self._run)
        if single:
            input, finals = op.squeeze(input, 1), tuple(op.squeeze(s, 1) for s in finals)
        elif self.batch_first:
            input = op.transpose(input, 0, 1)
        return input, finals if self.has_cell else finals[0]

    def _through(
        self, input: Any, states: Any, run: Callable[..., Any]
    ) -> tuple[Any, tuple[Any, ...]]:
        """All layers; `run` takes the input of one through the steps in one direction."""
        finals: list[list[Any]] = [[] for _ in states]
        directions = 1 + self.bidirectional
        for layer in range(self.num_layers):
            outputs = []
            for reverse, suffix in enumerate(self._suffixes(layer)):
                place = layer * directions + reverse
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
                weights = [getattr(self, name + suffix, None) for name in names]
                output, last = run(input, [s[place] for s in states], weights, bool(reverse))
                outputs.append(output)
                for final, value in zip(finals, last, strict=True):
                    final.append(value)
            input = op.cat(outputs, -1) if self.bidirectional else outputs[0]
            if layer < self.num_layers - 1:
                input = op.dropout(input, self.dropout, self.training)
        return input, tuple(op.stack(final) for final in finals)

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> Any:
        spans = list(packed.spans())
        states = self._states(hx, packed.data, spans[0][2], False)
        if packed.sorted_indices is not None:
            states = tuple(op.index_select(s, 1, packed.sorted_indices) for s in states)
        data, finals = self._through(packed.data, states, partial(self._run_packed, spans))
        if packed.unsorted_indices is not None:
            finals = tuple(op.index_select(s, 1, packed.unsorted_indices) for s in finals)
        return packed._replace(data=data), finals if self.has_cell else finals[0]

    def _run_packed(
        self,
        spans: list[tuple[int, int, int]],
        rows: Any,
        states: Any,
        weights: list[Any],
        reverse: bool,
    ) -> Any:
        """One direction of a layer, span by span: samples leave, or in reverse come in."""
        outputs: list[Any] = []
        left: list[list[Any]] = [[] for _ in states]  # the states of those that have left
        current = [state[: spans[-1][2] if reverse else spans[0][2]] for state in states]
        for start, steps, count in reversed(spans) if reverse else spans:
            before = current[0].shape[0]
            if before > count:
                for gone, state in zip(left, current, strict=True):
                    gone.insert(0, state[count:])
                current = [state[:count] for state in current]
            elif before < count:
                pairs = zip(current, states, strict=True)
                current = [op.cat([state, first[before:count]]) for state, first in pairs]
            part = op.reshape(rows[start : start + steps * count], (steps, count, -1))
            output, current = self._run(part, current, weights, reverse)
            outputs.append(op.reshape(output, (steps * count, -1)))
        finals = [op.cat([s, *gone]) for s, gone in zip(current, left, strict=True)]
        return op.cat(outputs[::-1] if reverse else outputs), finals

    def _states(self, hx: Any, input: Any, samples: int, single: bool) -> tuple[Any, ...]:
        """The first states of every layer and direction, zeros for None."""
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: input.size(-1) must be equal to input_size: expected "
                f"{self.input_size}, got {input.shape[-1]}"
            )
        layers = self.num_layers * (1 + self.bidirectional)
        widths = (self.proj_size or self.hidden_size, self.hidden_size)[: 1 + self.has_cell]
        if hx is None:
            return tuple(np.zeros((layers, samples, width), input.dtype) for width in widths)
        given = tuple(hx) if self.has_cell else (hx,)
        for name, state, width in zip(("hx", "cx"), given, widths, strict=False):
            wanted = (layers, width) if single else (layers, samples, width)
            if tuple(state.shape) != wanted:
                raise ShapeError(f"Expected {name} of shape {wanted}, got {tuple(state.shape)}")
        return tuple(op.unsqueeze(s, 1) if single else s for s in given)

    def extra_repr(self) -> str:
        """Sizes, and settings that are not the default."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


class LSTM(RNNBase):
    """Long short-term memory: ``c' = f·c + i·g`` and ``h' = o·tanh(c')``.

    The gates i, f, o are ``σ(W·x + U·h + biases)`` with weights of their own, g likewise with tanh;
    the rows of the weights stand in the order i, f, g, o. States (h, c).  Hochreiter & Schmidhuber
    1997, Sak et al. 2014.
    """

    gates, has_cell = 4, True

    def _run(self, input: Any, states: Any, weights: list[Any], reverse: bool) -> Any:
        if self.proj_size:
            output, cell = op.lstm_projected(input, *states, *weights, reverse)
        else:
            output, cell = op.lstm_layer(input, *states, *weights[:4], reverse)
        return output, (self._last(output, reverse), cell)


class GRU(RNNBase):
    """Gated recurrent units: ``h' = (1 - z)·n + z·h`` with ``n = tanh(W·x + b + r·(U·h + d))``.

    The gates r, z are ``σ(W·x + U·h + biases)`` with weights of their own; the rows of the weights
    stand in the order r, z, n.  Cho et al. 2014.
    """

    gates = 3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ArgumentError("GRU: proj_size is of the LSTM alone")
        super().__init__(*args, **kwargs)

    def _run(self, input: Any, states: Any, weights: list[Any], reverse: bool) -> Any:
        output = op.gru_layer(input, *states, *weights[:4], reverse)
        return output, (self._last(output, reverse),)


class RNN(RNNBase):
    """``h' = tanh(W·x + U·h + biases)``, or relu in the place of tanh (Elman 1990)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if "proj_size" in kwargs:
            raise ArgumentError("RNN: proj_size is of the LSTM alone")
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNN: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        super().__init__(input_size, hidden_size, num_layers, bias, *args, **kwargs)
        self.nonlinearity = nonlinearity

    def _run(self, input: Any, states: Any, weights: list[Any], reverse: bool) -> Any:
        output = op.rnn_layer(input, *states, *weights[:4], reverse, self.nonlinearity)
        return output, (self._last(output, reverse),)


class RNNCellBase(Module):
    """Weights of one step."""

    gates: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = uninitialized(rows, input_size, dtype=dtype)
        self.weight_hh = uninitialized(rows, hidden_size, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, uninitialized(rows, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _given(self, input: Any, *states: Any) -> list[Any]:
        """The states; zeros for None."""
        if input.ndim not in (1, 2):
            raise ArgumentError(
                f"{type(self).__name__}: expected input to be 1D or 2D, got {input.ndim}D instead"
            )
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: input has inconsistent input_size: got {input.shape[-1]}, "
                f"expected {self.input_size}"
            )
        shape = (*input.shape[:-1], self.hidden_size)
        for state in states:
            if state is not None and tuple(state.shape) != shape:
                raise ShapeError(
                    f"{type(self).__name__}: hidden has inconsistent shape: expected {shape}, got "
                    f"{tuple(state.shape)}"
                )
        return [np.zeros(shape, input.dtype) if s is None else s for s in states]

    def extra_repr(self) -> str:
        """Sizes, and settings that are not the default."""
        text = f"{self.input_size}, {self.hidden_size}"
        text += "" if self.bias else ", bias=False"
        kind = getattr(self, "nonlinearity", "tanh")
        return text if kind == "tanh" else f"{text}, nonlinearity={kind}"


class RNNCell(RNNCellBase):
    """One step of an `RNN`: (N, input_size) and (N, hidden_size) to (N, hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise RangeError(f"RNNCell: unknown nonlinearity: {nonlinearity}")
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next hidden state."""
        (hidden,) = self._given(input, hx)
        scores = op.linear(input, self.weight_ih, self.bias_ih)
        scores = scores + op.linear(hidden, self.weight_hh, self.bias_hh)
        return op.tanh(scores) if self.nonlinearity == "tanh" else op.relu(scores)


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`; the states are (h, c)."""

    gates = 4

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The next hidden and cell state."""
        hidden, cell = self._given(input, *((None, None) if hx is None else hx))
        scores = op.linear(input, self.weight_ih, self.bias_ih)
        scores = scores + op.linear(hidden, self.weight_hh, self.bias_hh)
        return op.lstm_step(scores, cell)  # type: ignore[no-any-return]


class GRUCell(RNNCellBase):
    """One step of a `GRU`: (N, input_size) and (N, hidden_size) to (N, hidden_size)."""

    gates = 3

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next hidden state."""
        (hidden,) = self._given(input, hx)
        from_input = op.linear(input, self.weight_ih, self.bias_ih)
        return op.gru_step(from_input, op.linear(hidden, self.weight_hh, self.bias_hh), hidden)
