"""Recurrent layers: one step of each cell, and whole sequences.

A layer first multiplies the whole sequence by the input's weights, in one product. The LSTM layer
is fused: its steps run on arrays, and its backward pass gathers the gradients of all gates, so that
those of the weights are one product each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..op import Sample, compose, op
from ..samples import array
from .dims import add_reduce
from .fused import Fused


@compose(
    Sample((array((2, 8)), array((2, 2), seed=1))),
    spaces=(),
)
def lstm_step(gates: Any, cell: Any) -> tuple[Any, Any]:
    """Hidden and cell state from the gates' scores (…, 4·H) in the order i, f, g, o.

    c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c').  Hochreiter & Schmidhuber 1997.
    """
    i, f, g, o = op.chunk(gates, 4, -1)
    cell = op.sigmoid(f) * cell + op.sigmoid(i) * op.tanh(g)
    return op.sigmoid(o) * op.tanh(cell), cell


@compose(
    Sample((array((2, 6)), array((2, 6), seed=1), array((2, 2), seed=2))),
    spaces=(),
)
def gru_step(from_input: Any, from_hidden: Any, hidden: Any) -> Any:
    """Hidden state from both sides' scores (…, 3·H) in the order r, z, n.

    n = tanh(n_x + σ(r)·n_h), h' = (1 - σ(z))·n + σ(z)·h.  Cho et al. 2014.
    """
    r, z, n = op.chunk(from_input, 3, -1)
    hidden_r, hidden_z, hidden_n = op.chunk(from_hidden, 3, -1)
    new = op.tanh(n + op.sigmoid(r + hidden_r) * hidden_n)
    return new + op.sigmoid(z + hidden_z) * (hidden - new)


class LstmLayer(Fused, name="lstm_layer", spaces=()):
    """All steps of an LSTM over (T, N, input): the hidden states (T, N, H) and the last cell state.

    The reverse pass goes back through time once, for the gradients of the gates' scores; the
    gradients of weights and inputs are products of those with what came in.
    """

    kept = ("gates", "cells", "states")

    def forward(
        self,
        input: Array,
        hidden: Array,
        cell: Array,
        weight_ih: Array,
        weight_hh: Array,
        bias_ih: Array | None = None,
        bias_hh: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array]:
        """Values. Kept are the gates after their activations, and the states with the first."""
        steps, samples, size = len(input), *hidden.shape
        gates = np.matmul(input.reshape(steps * samples, input.shape[2]), weight_ih.T)
        if bias_ih is not None and bias_hh is not None:
            gates += bias_ih + bias_hh
        gates = gates.reshape(steps, samples, 4 * size)
        cells = np.empty((steps + 1, samples, size), input.dtype)
        states = np.empty_like(cells)
        order = range(steps - 1, -1, -1) if reverse else range(steps)
        first, shift = (steps, 1) if reverse else (0, 0)
        cells[first], states[first] = cell, hidden
        recurrent = np.ascontiguousarray(weight_hh.T)
        for t in order:
            before, after = t + shift, t + 1 - shift
            z = gates[t]
            z += np.matmul(states[before], recurrent)
            _activate(z, size)
            i, f, g, o = (z[:, k * size : (k + 1) * size] for k in range(4))
            np.multiply(f, cells[before], out=cells[after])
            cells[after] += i * g
            np.tanh(cells[after], out=states[after])
            states[after] *= o
        self.gates, self.cells, self.states = gates, cells, states
        last = 0 if reverse else steps
        return states[1 - shift :][:steps].copy(), cells[last].copy()

    def backward(
        self,
        g: Any,
        input: Any,
        weight_ih: Any,
        weight_hh: Any,
        bias_ih: Any,
        reverse: Any,
        gates: Any,
        cells: Any,
        states: Any,
    ) -> Any:
        """See the class."""
        for_states, for_cell = g
        steps, samples, size = gates.shape[0], gates.shape[1], cells.shape[2]
        shift = 1 if reverse else 0
        change = np.empty_like(gates)
        d_cell = np.zeros_like(cells[0]) if for_cell is None else for_cell.copy()
        d_hidden = np.zeros_like(cells[0])
        for t in range(steps) if reverse else range(steps - 1, -1, -1):
            before, after = t + shift, t + 1 - shift
            if for_states is not None:
                d_hidden += for_states[t]
            z, dz = gates[t], change[t]
            i, f, n, o = (z[:, k * size : (k + 1) * size] for k in range(4))
            di, df, dn, do = (dz[:, k * size : (k + 1) * size] for k in range(4))
            bent = np.tanh(cells[after])
            np.multiply(d_hidden, bent, out=do)
            d_hidden *= o
            bent *= bent
            np.subtract(1, bent, out=bent)
            bent *= d_hidden
            d_cell += bent
            np.multiply(d_cell, n, out=di)
            np.multiply(d_cell, cells[before], out=df)
            np.multiply(d_cell, i, out=dn)
            d_cell *= f
            _through_gates(dz, z, size)
            np.matmul(dz, weight_hh, out=d_hidden)
        flat = change.reshape(steps * samples, 4 * size)
        came = states[shift:][:steps].reshape(steps * samples, size)
        for_bias = add_reduce(flat, 0) if bias_ih is not None else None
        return (
            np.matmul(flat, weight_ih).reshape(input.shape) if self.needs[0] else None,
            d_hidden,
            d_cell,
            np.matmul(flat.T, input.reshape(steps * samples, -1)),
            np.matmul(flat.T, came),
            for_bias,
            None if for_bias is None else for_bias.copy(),
        )

    @staticmethod
    def composed(
        input: Any,
        hidden: Any,
        cell: Any,
        weight_ih: Any,
        weight_hh: Any,
        bias_ih: Any,
        bias_hh: Any,
        reverse: bool,
    ) -> Any:
        """Of `lstm_step`."""
        return _lstm(input, hidden, cell, weight_ih, weight_hh, bias_ih, bias_hh, None, reverse)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both directions, with and without biases."""
        x, h, c = array((3, 2, 2)), array((2, 2), seed=1), array((2, 2), seed=2)
        w, u, b = array((8, 2), seed=3), array((8, 2), seed=4), array((8,), seed=5)
        yield Sample((x, h, c, w, u, b, array((8,), seed=6)))
        yield Sample((x, h, c, w, u, None, None, True))


def _activate(z: Array, size: int) -> None:
    """Sigmoid of the gates i, f and o, tanh of g, in place."""
    g = z[:, 2 * size : 3 * size]
    bent = np.tanh(g)
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)
    g[...] = bent


def _through_gates(dz: Array, z: Array, size: int) -> None:
    """Gradients of the activated gates as those of their scores, in place."""
    slope = z * z
    np.subtract(z, slope, out=slope)
    g, bent = z[:, 2 * size : 3 * size], slope[:, 2 * size : 3 * size]
    np.multiply(g, g, out=bent)
    np.subtract(1, bent, out=bent)
    dz *= slope


def _stacked(states: list[Any], reverse: bool) -> Any:
    return op.stack(states[::-1] if reverse else states)


def _lstm(
    input: Any, hidden: Any, cell: Any, w: Any, u: Any, b: Any, d: Any, project: Any, reverse: bool
) -> tuple[Any, Any]:
    """States and last cell state, step by step; with `project` h' = project · h."""
    scores = op.linear(input, w, b)
    states = []
    for t in range(input.shape[0])[:: -1 if reverse else 1]:
        hidden, cell = op.lstm_step(scores[t] + op.linear(hidden, u, d), cell)
        if project is not None:
            hidden = op.linear(hidden, project)
        states.append(hidden)
    return _stacked(states, reverse), cell


@compose(
    Sample(
        (
            array((3, 2, 2)),
            array((2, 1), seed=1),
            array((2, 2), seed=2),
            array((8, 2), seed=3),
            array((8, 1), seed=4),
            None,
            None,
            array((1, 2), seed=5),
        )
    ),
    spaces=(),
)
def lstm_projected(
    input: Any,
    hidden: Any,
    cell: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any,
    bias_hh: Any,
    weight_hr: Any,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """`lstm_layer` whose hidden states are mapped by `weight_hr`.  Sak et al. 2014."""
    return _lstm(input, hidden, cell, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, reverse)


@compose(
    Sample(
        (
            array((3, 2, 2)),
            array((2, 2), seed=1),
            array((6, 2), seed=3),
            array((6, 2), seed=4),
            array((6,), seed=5),
            array((6,), seed=6),
            True,
        )
    ),
    spaces=(),
)
def gru_layer(
    input: Any,
    hidden: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    reverse: bool = False,
) -> Any:
    """All steps of a GRU over (T, N, input): the hidden states (T, N, H)."""
    scores = op.linear(input, weight_ih, bias_ih)
    states = []
    for t in range(input.shape[0])[:: -1 if reverse else 1]:
        hidden = op.gru_step(scores[t], op.linear(hidden, weight_hh, bias_hh), hidden)
        states.append(hidden)
    return _stacked(states, reverse)


@compose(
    Sample((array((3, 2, 2)), array((2, 2), seed=1), array((2, 2), seed=3), array((2, 2), seed=4))),
    spaces=(),
)
def rnn_layer(
    input: Any,
    hidden: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    reverse: bool = False,
    nonlinearity: str = "tanh",
) -> Any:
    """All steps of ``h' = tanh(W·x + U·h + biases)`` over (T, N, input): the states (T, N, H)."""
    bend = op.tanh if nonlinearity == "tanh" else op.relu
    scores = op.linear(input, weight_ih, bias_ih)
    states = []
    for t in range(input.shape[0])[:: -1 if reverse else 1]:
        hidden = bend(scores[t] + op.linear(hidden, weight_hh, bias_hh))
        states.append(hidden)
    return _stacked(states, reverse)
