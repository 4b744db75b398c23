"""Layers: shapes, names, settings, hooks, and what they refuse."""

import copy

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError, ShapeError, StateDictError


def test_norms_of_another_number_of_channels():
    x = tg.ones(2, 4, 2, 2)
    instance = nn.functional.instance_norm
    for wrong in (
        lambda: nn.BatchNorm2d(3)(x),
        lambda: nn.BatchNorm2d(3).eval()(x),
        lambda: instance(x, weight=tg.ones(3)),
    ):
        with pytest.raises(ShapeError, match=r"of shape \(3,\) does not fit the 4 channels"):
            wrong()


def test_batch_norm_tracks_and_uses_the_moments():
    tg.manual_seed(0)
    layer = nn.BatchNorm1d(3, momentum=0.5)
    x = tg.randn(50, 3) * 2 + 1
    y = layer(x).detach().numpy()
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-4)
    np.testing.assert_allclose(layer.running_mean.numpy(), x.numpy().mean(0) / 2, rtol=1e-5)
    expected = 0.5 + x.numpy().var(0, ddof=1) / 2
    np.testing.assert_allclose(layer.running_var.numpy(), expected, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 1
    mean, var = layer.running_mean.numpy(), layer.running_var.numpy()
    found = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(found, (x.numpy() - mean) / np.sqrt(var + 1e-5), rtol=1e-4)
    assert list(layer.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    average = nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 2.0, 6.0):
        average(tg.tensor([[value], [value]]))
    assert average.running_mean.item() == pytest.approx(3)
    with pytest.raises(ValueError, match=r"2D or 3D input .*4D"):
        layer(tg.ones(1, 3, 1, 1))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer.train()(tg.ones(1, 3))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(kind):
    layer = kind(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    out, states = layer(tg.ones(5, 6, 3))
    hidden = states[0] if kind is nn.LSTM else states
    assert out.shape == (5, 6, 8)
    assert hidden.shape == (4, 5, 4)
    np.testing.assert_array_equal(
        hidden.detach().numpy()[2], out.detach().numpy()[:, -1, :4], "forward ends at the end"
    )
    np.testing.assert_array_equal(
        hidden.detach().numpy()[3], out.detach().numpy()[:, 0, 4:], "backward ends at the start"
    )
    single, _ = layer(tg.ones(6, 3))
    np.testing.assert_allclose(single.detach().numpy(), out.detach().numpy()[0], rtol=1e-5)
    assert "weight_hh_l1_reverse" in dict(layer.named_parameters())
    with pytest.raises(RuntimeError, match="expected 3, got 2"):
        layer(tg.ones(5, 6, 2))
    with pytest.raises(RuntimeError, match=r"Expected hx .*\(4, 5, 4\)"):
        layer(tg.ones(5, 6, 3), (tg.ones(1, 5, 4),) * 2 if kind is nn.LSTM else tg.ones(1, 5, 4))
    with pytest.raises(ValueError, match="probability"):
        kind(3, 4, dropout=2.0)


@pytest.mark.parametrize(
    ("layer", "cell"), [(nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell), (nn.RNN, nn.RNNCell)]
)
def test_a_layer_is_its_cell_step_by_step(layer, cell):
    layer, cell, states = layer(3, 4), cell(3, 4), None
    state = {key.removesuffix("_l0"): value for key, value in layer.state_dict().items()}
    assert str(cell.load_state_dict(state)) == "<All keys matched successfully>"
    x = tg.rand(5, 2, 3)
    out, _ = layer(x)
    for t in range(5):
        states = cell(x[t], states)
        hidden = states[0] if isinstance(states, tuple) else states
        np.testing.assert_allclose(hidden.detach().numpy(), out.detach().numpy()[t], rtol=2e-5)


def test_a_projected_lstm():
    layer = nn.LSTM(3, 4, proj_size=2)
    out, (hidden, cell) = layer(tg.ones(5, 1, 3))
    assert (out.shape, hidden.shape, cell.shape) == ((5, 1, 2), (1, 1, 2), (1, 1, 4))
    assert layer.weight_hr_l0.shape == (2, 4)
    assert repr(layer) == "LSTM(3, 4, proj_size=2)"


def test_attention_shapes_masks_and_weights():
    layer = nn.MultiheadAttention(8, 2, batch_first=True, kdim=3, vdim=5)
    out, weights = layer(tg.rand(4, 6, 8), tg.rand(4, 7, 3), tg.rand(4, 7, 5))
    assert (out.shape, weights.shape) == ((4, 6, 8), (4, 6, 7))
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1, rtol=1e-5)
    own = nn.MultiheadAttention(8, 2)
    x = tg.rand(6, 4, 8)
    causal = nn.Transformer.generate_square_subsequent_mask(6)
    first, weights = own(x, x, x, attn_mask=causal, average_attn_weights=False)
    assert weights.shape == (4, 2, 6, 6)
    assert not np.triu(weights.detach().numpy(), 1).any()
    second, none = own(x, x, x, attn_mask=causal, need_weights=False, is_causal=True)
    assert none is None
    np.testing.assert_allclose(
        first.detach().numpy(), second.detach().numpy(), rtol=1e-4, atol=1e-6
    )
    padding = tg.tensor([[False] * 5 + [True]] * 4)
    masked, _ = own(x, x, x, key_padding_mask=padding)
    shorter, _ = own(x, x[:5], x[:5])
    np.testing.assert_allclose(
        masked.detach().numpy(), shorter.detach().numpy(), rtol=1e-4, atol=1e-6
    )
    with pytest.raises(ValueError, match="divisible"):
        nn.MultiheadAttention(7, 2)
    with pytest.raises(RuntimeError, match="is_causal"):
        own(x, x, x, is_causal=True)


def test_a_transformer_decodes_causally():
    tg.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
    source, target = tg.rand(2, 5, 8), tg.rand(2, 4, 8)
    mask = model.generate_square_subsequent_mask(4)
    out = model(source, target, tgt_mask=mask)
    changed = target.clone()
    changed[:, 3] = 0
    again = model(source, changed, tgt_mask=mask)
    np.testing.assert_array_equal(out.detach().numpy()[:, :3], again.detach().numpy()[:, :3])
    assert np.abs(out.detach().numpy()[:, 3] - again.detach().numpy()[:, 3]).max() > 1e-4
    layers = model.decoder.layers
    assert layers[0] is not layers[1]
    with pytest.raises(RuntimeError, match="batch number"):
        model(source, tg.rand(3, 4, 8))


def test_embeddings():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert repr(layer) == "Embedding(5, 3, padding_idx=4)"
    assert not layer.weight.detach().numpy()[4].any()
    layer(tg.tensor([[0, 4], [4, 4]])).sum().backward()
    assert layer.weight.grad.sum(1).tolist() == [3, 0, 0, 0, 0]
    frozen = nn.Embedding.from_pretrained(tg.ones(2, 3))
    assert not frozen.weight.requires_grad
    short = nn.Embedding(3, 4, max_norm=1.0)
    rows = short(tg.tensor([0, 1])).detach().numpy()
    assert (np.linalg.norm(rows, axis=1) <= 1 + 1e-5).all()
    bag = nn.EmbeddingBag(5, 3, mode="sum")
    bag.load_state_dict({"weight": np.arange(15.0).reshape(5, 3)})
    assert bag(tg.tensor([0, 1, 4]), tg.tensor([0, 2, 2])).tolist() == [
        [3, 5, 7],
        [0, 0, 0],
        [12, 13, 14],
    ]
    with pytest.raises(IndexError, match=r"index 5 .* 5 rows"):
        layer(tg.tensor([5]))
    with pytest.raises(ValueError, match="padding_idx"):
        nn.Embedding(5, 3, padding_idx=5)


def test_backward_hooks_see_and_change_gradients():
    layer, seen = nn.Linear(2, 2), []
    layer.load_state_dict({"weight": np.eye(2), "bias": np.zeros(2)})

    def after(module, grad_input, grad_output):
        seen.append((module, grad_input[0].tolist(), grad_output[0].tolist()))
        return (grad_input[0] * 10,)

    handle = layer.register_full_backward_hook(after)
    first = layer.register_full_backward_pre_hook(lambda module, grads: (grads[0] * 2,))
    x = tg.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [(layer, [[2, 2]], [[2, 2]])]
    assert x.grad.tolist() == [[20, 20]]
    first.remove()
    handle.remove()
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.tolist() == [[1, 1]]
    layer.register_full_backward_hook(lambda module, grads, _: seen.append(grads))
    layer(tg.ones(1, 2)).sum().backward()
    assert seen[-1] == (None,)


def test_forward_hooks_with_keywords_and_in_front():
    layer, order = nn.Bilinear(1, 1, 1), []
    layer.register_forward_pre_hook(lambda *_: order.append("first"))
    layer.register_forward_pre_hook(lambda *_: order.append("front"), prepend=True)
    layer.register_forward_hook(
        lambda module, args, kwargs, result: order.append(sorted(kwargs)), with_kwargs=True
    )
    layer(input1=tg.ones(1, 1), input2=tg.ones(1, 1))
    assert order == ["front", "first", ["input1", "input2"]]


def test_state_dict_hooks_extra_state_and_assign():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.count = nn.Linear(1, 1), 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = Counter(), Counter()
    a.count = 7
    a.register_state_dict_post_hook(lambda module, state, prefix, _: state.update(more=tg.ones(1)))
    b.register_load_state_dict_pre_hook(lambda module, state, *_: state.pop("more"))
    b.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.append("told"))
    state = a.state_dict(prefix="")
    assert list(state) == ["_extra_state", "inner.weight", "inner.bias", "more"]
    assert b.load_state_dict(state).missing_keys == ["told"]
    assert b.count == 7
    half = {key: value.half() for key, value in nn.Linear(1, 1).state_dict().items()}
    layer = nn.Linear(1, 1)
    layer.load_state_dict(half, assign=True)
    assert layer.weight.dtype == tg.float16
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight
    with pytest.raises(StateDictError, match=r"Missing key\(s\) in state_dict: \"bias\"\. "):
        layer.load_state_dict({"weight": half["weight"]})


def test_containers():
    layers = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])
    assert repr(layers) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    layers.insert(0, nn.Sigmoid())
    del layers[1]
    assert [type(layer).__name__ for layer in layers] == ["Sigmoid", "ReLU", "Tanh"]
    assert list(layers._modules) == ["0", "1", "2"]
    assert isinstance(layers.pop(), nn.Tanh)
    named = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    assert list(named.keys()) == ["a", "b"]
    assert list(named.state_dict()) == ["a.weight", "a.bias"]
    assert "a" in named
    named.pop("a")
    assert len(named) == 1
    listed = nn.ParameterList([tg.ones(2), tg.zeros(1)])
    assert list(listed.state_dict()) == ["0", "1"]
    assert len(list(listed.append(tg.ones(1)).parameters())) == 3
    by_name = nn.ParameterDict({"x": tg.ones(2)})
    by_name["y"] = tg.ones(3)
    assert sorted(by_name.state_dict()) == ["x", "y"]
    assert by_name.get("z") is None
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU()) + nn.Sequential(nn.Linear(2, 1))
    assert len(model) == 3
    with pytest.raises(ArgumentTypeError, match="not a Module subclass"):
        named["c"] = 3
    with pytest.raises(KeyError, match=r"\."):
        named["a.b"] = nn.ReLU()
    with pytest.raises(IndexError, match="out of range"):
        layers[9]


def test_copies_are_deep_and_keep_what_is_saved():
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(tg.ones(2))
            self.scratch = nn.Buffer(tg.zeros(1), persistent=False)

    part = Part()
    other = copy.deepcopy(part)
    other.weight.data[0] = 5
    assert part.weight.tolist() == [1, 1]
    assert isinstance(other.weight, nn.Parameter)
    assert list(other.state_dict()) == ["weight"]


def test_places_are_passed_over_and_dtypes_found():
    layer = nn.Linear(1, 1)
    assert layer.to("cpu").weight.dtype == tg.float32
    assert layer.to("cpu", tg.float64).weight.dtype == tg.float64
    assert layer.to(tg.ones(1)).weight.dtype == tg.float32
    assert layer.get_parameter("weight") is layer.weight
    assert nn.Sequential(layer).get_submodule("0") is layer
    with pytest.raises(AttributeError, match="no attribute 'depth'"):
        layer.get_submodule("depth")


def test_settings_are_bound_as_in_a_signature():
    assert repr(nn.Hardtanh(-2.0, max_val=2.0)) == "Hardtanh(min_val=-2.0, max_val=2.0)"
    assert repr(nn.ReLU(inplace=True)) == "ReLU(inplace=True)"
    assert repr(nn.Threshold(0.1, 20)) == "Threshold(threshold=0.1, value=20)"
    with pytest.raises(ArgumentTypeError, match=r"Threshold: .*'value'"):
        nn.Threshold(0.1)
    with pytest.raises(ArgumentTypeError, match=r"ELU: .*beta"):
        nn.ELU(beta=1.0)
    with pytest.raises(ArgumentError, match="num_groups"):
        nn.GroupNorm(2, 3)
    with pytest.raises(ShapeError, match=r"\(4,\).*\(2, 3\)"):
        nn.LayerNorm(4)(tg.ones(2, 3))
    weighted = nn.CrossEntropyLoss(weight=tg.ones(3))
    assert list(weighted.state_dict()) == ["weight"]


@pytest.mark.parametrize("kind", [nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout])
def test_channels_are_dropped_as_a_whole(kind):
    tg.manual_seed(0)
    x = tg.ones(8, 16, *(3,) * {"Dropout1d": 1, "Dropout2d": 2}.get(kind.__name__, 3))
    y = kind(0.5)(x).numpy().reshape(8, 16, -1)
    assert (y == y[:, :, :1]).all()
    assert 30 < len(np.flatnonzero(y[:, :, 0] == y.min())) < 98


def test_alpha_dropout_keeps_mean_and_variance():
    tg.manual_seed(0)
    y = nn.AlphaDropout(0.3)(tg.randn(100_000)).numpy()
    assert y.mean() == pytest.approx(0, abs=0.02)
    assert y.std() == pytest.approx(1, abs=0.02)


def test_gumbel_softmax_draws_from_the_distribution():
    tg.manual_seed(0)
    logits = tg.tensor(np.log([0.2, 0.5, 0.3])).expand((5000, 3))
    hard = nn.functional.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(hard.numpy().mean(0), [0.2, 0.5, 0.3], atol=0.03)
    assert set(np.unique(hard.numpy().round(6))) == {0, 1}


def test_one_hot():
    assert nn.functional.one_hot(tg.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert nn.functional.one_hot(tg.tensor([1]), 3).dtype == tg.int64
