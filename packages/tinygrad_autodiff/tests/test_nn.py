"""Modules: registration, state, text, and what layers and losses compute."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.25), nn.Linear(4, 2, bias=False))


def test_names_order_and_counts():
    m = model()
    assert [name for name, _ in m.named_parameters()] == ["0.weight", "0.bias", "3.weight"]
    assert list(m.state_dict()) == ["0.weight", "0.bias", "3.weight"]
    assert [name for name, _ in m.named_modules()] == ["", "0", "1", "2", "3"]
    assert len(m) == 4
    assert isinstance(m[-1], nn.Linear)
    assert len(m[:2]) == 2
    with pytest.raises(IndexError):
        m[4]


def test_shared_parameters_count_once():
    layer = nn.Linear(2, 2)
    assert len(list(nn.Sequential(layer, layer).parameters())) == 2


def test_repr_is_torchs():
    assert repr(model()) == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Dropout(p=0.25, inplace=False)\n"
        "  (3): Linear(in_features=4, out_features=2, bias=False)\n"
        ")"
    )
    assert repr(nn.Parameter(tg.ones(1))) == (
        "Parameter containing:\ntensor([1.], requires_grad=True)"
    )


def test_state_dict_round_trip_and_errors():
    a, b = model(), model()
    assert b.load_state_dict(a.state_dict()) == ([], [])
    x = tg.rand(5, 3)
    assert tg.equal(a.eval()(x), b.eval()(x))
    state = dict(a.state_dict())
    state["0.weight"] = tg.zeros(4, 5)
    state["extra"] = tg.zeros(1)
    del state["3.weight"]
    before = a[0].weight.tolist()
    with pytest.raises(RuntimeError) as caught:
        a.load_state_dict(state)
    for part in ('"extra"', '"3.weight"', "size mismatch for 0.weight", "(4, 5)", "(4, 3)"):
        assert part in str(caught.value)
    assert a[0].weight.tolist() == before
    state["0.weight"] = tg.zeros(4, 3)
    missing, unexpected = a.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["3.weight"], ["extra"])
    assert not a[0].weight.detach().numpy().any()
    with pytest.raises(TypeError, match="dict"):
        a.load_state_dict([1])
    with pytest.raises(RuntimeError, match=r'"3\.weight": expected a tensor or an array, got str'):
        a.load_state_dict({**b.state_dict(), "3.weight": "text"})


def test_buffers_are_saved_but_not_trained():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", tg.zeros(1))
            self.scratch = nn.Buffer(tg.zeros(1), persistent=False)

    m = Counter()
    assert list(m.state_dict()) == ["count"]
    assert not list(m.parameters())
    assert [name for name, _ in m.named_buffers()] == ["count", "scratch"]
    m.count = tg.ones(1)
    assert m.state_dict()["count"].item() == 1


def test_attributes_are_guarded():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match="super"):
        Early()
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="'weight'"):
        layer.weight = tg.ones(2, 2)
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = layer.colour
    layer.weight = nn.Parameter(tg.ones(2, 2))
    assert layer.weight.sum().item() == 4
    layer.bias = None
    assert len(list(layer.parameters())) == 1
    del layer.weight
    assert not hasattr(layer, "weight")


def test_train_eval_apply_zero_grad_and_dtype():
    m = model()
    assert not any(part.training for part in m.eval().modules())
    assert all(part.training for part in m.train().modules())
    names = []
    m.apply(lambda part: names.append(type(part).__name__))
    assert names == ["Linear", "ReLU", "Dropout", "Linear", "Sequential"]
    m(tg.rand(2, 3)).sum().backward()
    m.double()
    assert {p.dtype for p in m.parameters()} == {p.grad.dtype for p in m.parameters()}
    assert m[0].weight.dtype == tg.float64
    m.zero_grad(set_to_none=False)
    assert not m[0].weight.grad.numpy().any()
    m.zero_grad()
    assert m[0].weight.grad is None
    assert not m.requires_grad_(False)[0].weight.requires_grad


def test_forward_hooks():
    layer = nn.Identity()
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    after = layer.register_forward_hook(lambda module, args, result: result + 1)
    assert layer(tg.tensor(3.0)).item() == 7
    before.remove()
    after.remove()
    assert layer(tg.tensor(3.0)).item() == 3


def test_dropout_keeps_the_mean_and_is_off_in_evaluation():
    tg.manual_seed(0)
    layer, x = nn.Dropout(0.3), tg.ones(20_000, requires_grad=True)
    y = layer(x)
    assert set(np.unique(y.detach().numpy())) == {np.float32(0), np.float32(1 / 0.7)}
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match=r"1\.5"):
        nn.Dropout(1.5)


def test_losses_have_the_values_of_their_formulas():
    x = np.array([[1.0, 2.0, 0.5], [0.1, -1.0, 3.0]])
    log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
    target = np.array([2, 0])
    loss = nn.CrossEntropyLoss()(tg.tensor(x), tg.tensor(target))
    assert loss.item() == pytest.approx(-(log_p[0, 2] + log_p[1, 0]) / 2)
    smooth = nn.CrossEntropyLoss(label_smoothing=0.1)(tg.tensor(x), tg.tensor(target))
    full = np.full((2, 3), 0.1 / 3) + 0.9 * np.eye(3)[target]
    assert smooth.item() == pytest.approx(-(full * log_p).sum(1).mean())
    soft = nn.CrossEntropyLoss()(tg.tensor(x), tg.tensor(full))
    assert soft.item() == pytest.approx(smooth.item())
    weight = tg.tensor(np.array([1.0, 1.0, 3.0]))
    weighted = nn.CrossEntropyLoss(weight)(tg.tensor(x), tg.tensor(target))
    assert weighted.item() == pytest.approx(-(3 * log_p[0, 2] + log_p[1, 0]) / 4)
    ignored = nn.CrossEntropyLoss(ignore_index=0)(tg.tensor(x), tg.tensor(target))
    assert ignored.item() == pytest.approx(-log_p[0, 2])
    assert nn.MSELoss()(tg.tensor(x), tg.tensor(x + 2)).item() == pytest.approx(4)


def test_cross_entropy_of_huge_scores_is_finite():
    x = tg.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = nn.functional.cross_entropy(x, tg.tensor([1]))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert x.grad.tolist() == [[1, -1, 0]]


def test_mse_warns_about_broadcasting():
    with pytest.warns(UserWarning, match=r"\(3, 1\)"):
        nn.functional.mse_loss(tg.ones(3), tg.ones(3, 1))


# torch 2.15 on the CPU after manual_seed(0): torch.nn.Linear(3, 2)
def test_linear_starts_as_torchs():
    tg.manual_seed(0)
    layer = nn.Linear(3, 2)
    weight = [
        [-0.004322517663240433, 0.3097158372402191, -0.4751853346824646],
        [-0.4248946011066437, -0.2223689705133438, 0.15482072532176971],
    ]
    assert layer.weight.tolist() == weight


def test_init():
    w = tg.zeros(200, 100)
    tg.manual_seed(1)
    assert nn.init.normal_(w, 1.0, 2.0).std().item() == pytest.approx(2, rel=0.05)
    assert nn.init.xavier_uniform_(w).abs().max().item() <= (6 / 300) ** 0.5
    assert nn.init.kaiming_normal_(w, nonlinearity="relu").std().item() == pytest.approx(
        (2 / 100) ** 0.5, rel=0.05
    )
    assert nn.init.ones_(w).sum().item() == 20_000
    with pytest.raises(ValueError, match="2 dimensions"):
        nn.init.xavier_normal_(tg.zeros(3))
    with pytest.raises(ValueError, match="'fan'"):
        nn.init.kaiming_uniform_(w, mode="fan")
    with pytest.raises(ValueError, match="'swish'"):
        nn.init.calculate_gain("swish")


def test_linear_wants_sizes_and_a_tensor():
    with pytest.raises(ArgumentError, match="in_features of at least 0, got -1"):
        nn.Linear(-1, 2)
    with pytest.raises(ArgumentTypeError, match="out_features as an int, got 'a'"):
        nn.Linear(2, "a")
    with pytest.raises(ArgumentTypeError, match=r"linear: expected a tensor.* got None"):
        nn.Linear(2, 3)(None)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0)])
def test_a_linear_layer_of_nothing_is_allowed_with_a_warning(sizes):
    with pytest.warns(UserWarning, match="zero-element"):
        layer = nn.Linear(*sizes)
    assert layer(tg.ones(2, sizes[0])).tolist() == [[0.0] * sizes[1]] * 2


def test_containers_want_modules():
    with pytest.raises(TypeError, match="expected a Module"):
        nn.Sequential(nn.Linear(1, 1), len)
    layers = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    assert len(layers[1:]) == 1
    assert len(list(layers.parameters())) == 4
    named = nn.Sequential({"first": nn.Linear(1, 2), "second": nn.ReLU()})
    assert list(named.state_dict()) == ["first.weight", "first.bias"]
