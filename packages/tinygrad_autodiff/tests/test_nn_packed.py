"""Sequences of different lengths: packed ones through recurrent layers, padding and its undoing."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tinygrad_autodiff.nn.utils import rnn

LENGTHS = [2, 4, 1, 4]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_packed_batch_is_each_sample_alone(kind, batch_first):
    model = kind(3, 5, num_layers=2, bidirectional=True, batch_first=batch_first).double()
    x = tg.randn(4, 4, 3, dtype=tg.float64, requires_grad=True)
    h = tg.randn(4, 4, 5, dtype=tg.float64, requires_grad=True)
    given = (h, 2 * h) if kind is nn.LSTM else h
    packed = rnn.pack_padded_sequence(x, LENGTHS, batch_first, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [4, 3, 2, 2]
    out, last = model(packed, given)
    padded, lengths = rnn.pad_packed_sequence(out, batch_first, 0.5, total_length=6)
    assert lengths.tolist() == LENGTHS
    loss = (padded**2).sum() + sum((s**3).sum() for s in (last if kind is nn.LSTM else (last,)))
    found = tg.autograd.grad(loss, (x, h, *model.parameters()))
    expected = tg.zeros((), dtype=tg.float64)
    for i, length in enumerate(LENGTHS):
        one = x[i, :length] if batch_first else x[:length, i]
        state = (h[:, i], 2 * h[:, i]) if kind is nn.LSTM else h[:, i]
        alone, end = model(one, state)
        rows = (padded if batch_first else padded.transpose(0, 1))[i]
        np.testing.assert_allclose(rows[:length].detach(), alone.detach(), 1e-12)
        assert (rows[length:] == 0.5).all()
        expected = expected + (alone**2).sum() + (6 - length) * 10 * 0.25
        pairs = zip(last, end, strict=True) if kind is nn.LSTM else [(last, end)]
        for batched, s in pairs:
            np.testing.assert_allclose(batched[:, i].detach(), s.detach(), 1e-12)
            expected = expected + (s**3).sum()
    wanted = tg.autograd.grad(expected, (x, h, *model.parameters()))
    for a, b in zip((loss, *found), (expected, *wanted), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), 1e-9, 1e-11)


def test_samples_are_padded_and_come_back():
    samples = [tg.randn(n, 2) for n in (2, 3, 1)]
    padded = rnn.pad_sequence(samples, batch_first=True, padding_value=7.0)
    assert padded.shape == (3, 3, 2)
    assert padded[0, 2].tolist() == [7.0, 7.0]
    assert rnn.pad_sequence(samples, padding_side="left")[0, :, 0].tolist()[2] == 0
    for back in (
        rnn.unpad_sequence(padded, tg.tensor([2, 3, 1]), batch_first=True),
        rnn.unpack_sequence(rnn.pack_sequence(samples, enforce_sorted=False)),
    ):
        assert all(tg.equal(a, b) for a, b in zip(samples, back, strict=True))
    packed = rnn.pack_sequence([samples[1], samples[0]])
    assert packed.sorted_indices is None
    assert packed.to(tg.float64).data.dtype == tg.float64


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([1, 2], RuntimeError, "not sorted in decreasing order"),
        ([4, 2], RuntimeError, r"from 1 to 3, got \[4 2\]"),
        ([2, 0], RuntimeError, "from 1 to 3"),
        ([2], RuntimeError, "expected 2 lengths"),
    ],
)
def test_lengths_that_do_not_fit(lengths, error, message):
    with pytest.raises(error, match=message):
        rnn.pack_padded_sequence(tg.ones(3, 2), lengths)


def test_other_bad_input():
    packed = rnn.pack_padded_sequence(tg.ones(3, 2, 4), [3, 1])
    with pytest.raises(ValueError, match="longest sample has 3 steps"):
        rnn.pad_packed_sequence(packed, total_length=2)
    with pytest.raises(RuntimeError, match="expected 5, got 4"):
        nn.GRU(5, 2)(packed)
    with pytest.raises(ValueError, match="'left' or 'right'"):
        rnn.pad_sequence([tg.ones(2)], padding_side="top")
