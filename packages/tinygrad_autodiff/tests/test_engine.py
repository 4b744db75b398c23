"""The engine: order, memory, hooks, higher order, and torch's rules about graphs."""

import gc
import tracemalloc

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd
from tinygrad_autodiff.errors import ArgumentError, GraphError
from tinygrad_autodiff.registry import OPS


def leaf(*values, dtype=np.float64):
    return tg.tensor(np.array(values, dtype), requires_grad=True)


def test_a_chain_of_a_million_nodes_runs_and_is_freed():
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    y.backward(tg.tensor(np.ones(1)), retain_graph=True)
    assert x.grad.item() == 1
    del y  # frees a million nested nodes
    y = x
    for _ in range(200_000):
        y = y * 1.0  # these keep values
    del y


def test_many_paths_cost_no_more_than_their_nodes():
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    y.sum().backward()
    assert x.grad.item() == 2.0**60


def test_intermediates_are_released_while_the_pass_runs():
    size = 200_000
    x = tg.tensor(np.ones(size), requires_grad=True)

    def peak(retain):
        y = x
        for _ in range(20):
            y = tg.sin(y)
        loss = y.sum()
        del y
        gc.collect()
        tracemalloc.start()
        start = tracemalloc.get_traced_memory()[0]
        loss.backward(retain_graph=retain)
        used, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return (used - start) / (8 * size), (most - start) / (8 * size), loss

    left, most, loss = peak(False)
    assert most < 4.5  # arrays of the size of x at a time, of 20 saved
    assert loss.grad_fn.saved is None or not loss.grad_fn.frees
    assert left < 1.5  # x.grad


def test_data_of_inputs_that_no_rule_needs_is_not_kept():
    size = 200_000
    x = tg.tensor(np.ones(size), requires_grad=True)
    tracemalloc.start()
    y = x
    for _ in range(20):
        y = y + 1.0
    used = tracemalloc.get_traced_memory()[0] / (8 * size)
    tracemalloc.stop()
    assert used < 1.5  # the last result alone
    assert y.shape == (size,)


def test_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        x = tg.randn(4, 3, requires_grad=True)
        for create in (False, True):
            loss = (tg.exp(x) * tg.softmax(x, 1)).sum()
            tg.autograd.grad(loss, x, create_graph=create)
            del loss
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_gradients_accumulate_and_never_share_memory():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    assert x.grad.tolist() == y.grad.tolist() == [1, 1]
    assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())
    kept = x.grad
    (x * 2.0).sum().backward()
    assert kept is x.grad
    assert x.grad.tolist() == [3, 3]
    assert y.grad.tolist() == [1, 1]


def test_the_seed_is_not_changed():
    x = leaf(1.0, 2.0)
    seed = tg.tensor(np.ones(2))
    (x + x + x + x).backward(seed)
    assert seed.tolist() == [1, 1]
    assert x.grad.tolist() == [4, 4]
    x.grad.mul_(0)
    assert seed.tolist() == [1, 1]


def test_create_graph_to_the_fourth_order():
    x = leaf(0.7)
    y = tg.sin(x)
    expected = [np.cos(0.7), -np.sin(0.7), -np.cos(0.7), np.sin(0.7)]
    for value in expected:
        (y,) = autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == pytest.approx(value)


def test_gradient_penalty_reaches_the_weights():
    w, x = leaf(2.0, 3.0), leaf(0.5, -1.0)
    (g,) = autograd.grad(tg.tanh(w * x).sum(), x, create_graph=True)
    (g * g).sum().backward()
    tanh = np.tanh([1.0, -3.0])
    slope = 1 - tanh**2
    w_, x_ = np.array([2.0, 3.0]), np.array([0.5, -1.0])
    expected = 2 * w_ * slope * (slope + w_ * -2 * tanh * slope * x_)
    np.testing.assert_allclose(w.grad.numpy(), expected)


def test_backward_twice():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"second time.*Mul.*retain_graph=True"):
        y.backward()
    z = (x + 1.0).sum()  # saves nothing that could be freed
    z.backward()
    z.backward()
    kept = (x * x).sum()
    kept.backward(retain_graph=True)
    kept.backward()
    assert x.grad.item() == 4 + 2 + 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: (x * 2.0).backward(), r"only for scalar outputs.*\(2,\)"),
        (lambda x: x.detach().sum().backward(), "does not require grad"),
        (lambda x: (x * 2.0).backward(tg.ones(3)), r"\(3,\), the output \(2,\)"),
        (lambda x: autograd.grad(x.sum(), leaf(1.0)), "not have been used"),
        (lambda x: autograd.grad(x.sum(), tg.ones(1)), "inputs does not require grad"),
        (lambda x: autograd.grad(tg.ones(()), x), "no grad_fn"),
        (lambda x: autograd.grad([x.sum()], x, [None, None]), "1 outputs, but 2"),
        (lambda x: tg.ones(1).register_hook(print), "does not require gradient"),
        (lambda x: tg.ones(1).retain_grad(), "requires_grad=False"),
        (lambda x: x.numpy(), "requires grad"),
        (lambda x: (x * 2.0).requires_grad_(False), "leaf"),
        (lambda x: x.add_(1.0), "leaf tensor that requires grad"),
    ],
)
def test_errors_name_what_is_wrong(call, message):
    with pytest.raises(RuntimeError, match=message) as caught:
        call(leaf(1.0, 2.0))
    assert isinstance(caught.value, GraphError)


def test_grad_touches_no_leaf_and_prunes():
    x, w = leaf(1.0), leaf(2.0)
    ran = []

    class Watched(autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, g):
            ran.append(1)
            return g

    y = x * x
    z = (y + Watched.apply(w)).sum()
    gy, gx = autograd.grad(z, [y, x])
    assert (gy.item(), gx.item()) == (1, 2)
    assert x.grad is None
    assert w.grad is None
    assert not ran
    assert autograd.grad((x * x).sum(), w, allow_unused=True) == (None,)
    assert autograd.grad((x * x).sum(), w, materialize_grads=True)[0].item() == 0


def test_backward_into_chosen_inputs():
    x, w = leaf(1.0), leaf(2.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.item() == 1


def test_hooks_see_the_whole_gradient_and_may_replace_it():
    x = leaf(3.0)
    seen = []
    x.register_hook(lambda g: seen.append(("x", g.item())))
    y = x * 2.0
    handle = y.register_hook(lambda g: g * 10.0)
    y.register_hook(lambda g: seen.append(("y", g.item())))
    (y + y).sum().backward(retain_graph=True)
    assert seen == [("y", 20.0), ("x", 40.0)]
    assert x.grad.item() == 40
    handle.remove()
    handle.remove()
    x.grad = None
    (y + y).sum().backward()
    assert x.grad.item() == 4
    y.register_hook(lambda g: "text")
    with pytest.raises(TypeError, match="hook: expected None or a tensor"):
        y.sum().backward()


def test_a_hook_cannot_spoil_another_gradient():
    x, y = leaf(1.0), leaf(1.0)
    x.register_hook(lambda g: g.mul_(5.0))
    (x + y).sum().backward()
    assert (x.grad.item(), y.grad.item()) == (5, 1)


def test_what_a_hook_returns_stays_the_users():
    x, mine = leaf(1.0), tg.tensor(np.ones(1))
    x.register_hook(lambda g: mine)
    (x * 2.0 + x).sum().backward()
    (x * 2.0 + x).sum().backward()
    assert mine.item() == 1
    assert x.grad.item() == 2


def test_retain_grad():
    x = leaf(3.0)
    y = x * 2.0
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.item() == 12
    assert not y.is_leaf


def test_no_grad_enable_grad_and_decorators():
    x = leaf(1.0)
    with tg.no_grad():
        assert not (x * 2.0).requires_grad
        with tg.enable_grad():
            assert (x * 2.0).requires_grad
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()

    @tg.no_grad()
    def first():
        return x * 2.0

    @tg.no_grad
    def second():
        return x * 2.0

    assert not first().requires_grad
    assert not second().requires_grad
    with tg.set_grad_enabled(False):
        assert not (x * 2.0).requires_grad
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        raise ZeroDivisionError
    assert tg.is_grad_enabled()


def test_several_outputs_of_one_node():
    x = leaf(1.0, 2.0, 3.0, 4.0, 5.0)
    first, second, third = x.split(2)
    (first.sum() * 2.0 + third.sum() * 3.0).backward()
    assert x.grad.tolist() == [2, 2, 0, 0, 3]
    assert second.grad_fn.label == "Split"


def test_values_overwritten_before_the_backward_pass():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    z = (y * y).sum()
    with tg.no_grad():
        y.mul_(3.0)
    with pytest.raises(GraphError, match=r"Mul.*\(2,\).*inplace"):
        z.backward()
    view = (x * 1.0).clone()
    kept = tg.exp(view[0:1])
    with tg.no_grad():
        kept.zero_()
    with pytest.raises(GraphError, match="inplace"):
        kept.sum().backward()


def test_writing_in_place_is_recorded():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1.0
    y += x
    y[0] = 10.0
    y[1:] = y[1:] * tg.tensor(np.array([2.0, 4.0]))
    y.sum().backward()
    assert y.tolist() == [10, 8, 24]
    assert x.grad.tolist() == [0, 4, 8]


def test_saved_leaf_written_by_an_optimizer_step():
    w = leaf(2.0)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    tg.optim.SGD([w], lr=0.1).step()
    with pytest.raises(GraphError, match="modified by an inplace operation"):
        loss.backward()


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x * x * x * factor

    @staticmethod
    def backward(ctx, g):
        assert ctx.needs_input_grad == (True, False)
        (x,) = ctx.saved_tensors
        return g * x * x * (3.0 * ctx.factor), None

    @staticmethod
    def jvp(ctx, t, _):
        (x,) = ctx.saved_tensors
        return t * x * x * (3.0 * ctx.factor)


def test_custom_function():
    x = leaf(1.0, 2.0)
    assert autograd.gradcheck(lambda v: Cube.apply(v, 2.0), x, check_forward_ad=True)
    assert autograd.gradgradcheck(lambda v: Cube.apply(v, 2.0), x)
    y = Cube.apply(x, 2.0)
    assert y.grad_fn.label == "Cube"
    y.sum().backward()
    assert x.grad.tolist() == [6, 24]
    with pytest.raises(GraphError, match="second time"):
        y.sum().backward()


def test_custom_function_that_is_wrong():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g

    class Unfinished(autograd.Function):
        pass

    with pytest.raises(GraphError, match=r"Wrong\.backward returned 1 gradients for 2"):
        Wrong.apply(leaf(1.0), leaf(2.0)).sum().backward()
    with pytest.raises(NotImplementedError, match="forward"):
        Unfinished.apply(leaf(1.0))


def test_custom_function_returning_one_tensor_twice_and_several_outputs():
    class Both(autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b, a - b

        @staticmethod
        def backward(ctx, g, h):
            both = g + h
            return both, both

    a, b = leaf(1.0), leaf(2.0)
    total, _ = Both.apply(a, b)
    total.sum().backward()
    (a * 5.0).sum().backward()
    assert (a.grad.item(), b.grad.item()) == (6, 1)


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("wrong", ["value", "sign", "one", "dtype"])
def test_gradcheck_notices(wrong, fast_mode):
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            good = 2.0 * x * g
            one = good + tg.tensor([0.0, 0.0, 0.0, 0.01], dtype=tg.float64)
            mistakes = {"value": good * 1.01, "sign": -good, "one": one}
            return {**mistakes, "dtype": good.to(np.float32)}[wrong]

    x = leaf(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(RuntimeError, match="input 0"):
        autograd.gradcheck(Wrong.apply, x, fast_mode=fast_mode)
    assert not autograd.gradcheck(Wrong.apply, x, raise_exception=False, fast_mode=fast_mode)


@pytest.mark.parametrize(
    ("func", "got"),
    [
        (lambda v: None, "NoneType"),
        (lambda v: (), "an empty tuple"),
        (lambda v: v.detach().numpy(), "ndarray"),
        (lambda v: (v > 0, None), "bool tensor, NoneType"),
    ],
)
def test_gradcheck_wants_something_to_compare(func, got):
    for check in (autograd.gradcheck, autograd.gradgradcheck):
        with pytest.raises(ArgumentError, match=f"expected a floating tensor .*got {got}"):
            check(func, leaf(1.0, 2.0), raise_exception=False)


def test_gradgradcheck_wants_an_output_that_requires_grad():
    with pytest.raises(ArgumentError, match="requires grad from func, got float64 tensor"):
        autograd.gradgradcheck(lambda v: v.detach() * 2, leaf(1.0))


def test_gradcheck_wants_float64():
    with pytest.raises(ValueError, match="float32"):
        autograd.gradcheck(tg.exp, leaf(1.0, dtype=np.float32))
    with pytest.raises(ValueError, match="at least one"):
        autograd.gradcheck(tg.exp, tg.ones(2))


def test_custom_function_that_writes_in_place():
    class Double(autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.mark_dirty(x)
            x.mul_(y)
            ctx.save_for_backward(y)
            return x

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y, None

    x, two = leaf(1.0, 2.0), tg.tensor(2.0)
    y = x * 1.0
    first = y[:1]
    assert Double.apply(y, two) is y
    (y.sum() + first.sum()).backward()
    assert y.tolist() == [2, 4]
    assert x.grad.tolist() == [4, 2]
    with pytest.raises(GraphError, match=r"Double: a leaf tensor"):
        Double.apply(x, two)


def test_custom_function_options():
    seen = []

    class Options(autograd.Function):
        @staticmethod
        def forward(x, power):
            return x**power, x * 2.0, (x > 0).to(np.float64)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.power = inputs[1]
            ctx.set_materialize_grads(False)
            ctx.mark_non_differentiable(output[2])

        @staticmethod
        @autograd.function.once_differentiable
        def backward(ctx, g, h, _):
            (x,) = ctx.saved_tensors
            seen.append((h, ctx.needs_input_grad))
            return g * ctx.power * x ** (ctx.power - 1), None

    x = leaf(3.0)
    power, double, positive = Options.apply(x, 2)
    assert double.requires_grad
    assert not positive.requires_grad
    (g,) = autograd.grad(power.sum(), x, create_graph=True)
    assert g.item() == 6
    assert seen == [(None, (True, False))]
    with pytest.raises(GraphError, match="once_differentiable"):
        g.sum().backward()


def test_custom_function_with_a_gradient_of_another_shape():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g.sum()

    class Number(Wrong):
        @staticmethod
        def backward(ctx, g):
            return 3.0

    with pytest.raises(RuntimeError, match=r"Wrong\.backward: gradient 0 has shape \(\)"):
        Wrong.apply(leaf(1.0, 2.0)).sum().backward()
    with pytest.raises(TypeError, match=r"Number\.backward: .* got float"):
        Number.apply(leaf(1.0, 2.0)).sum().backward()


def test_hooks_after_accumulation_and_on_nodes():
    x = leaf(1.0, 2.0)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad.tolist()))
    (x * 2.0).sum().backward()
    (x * 2.0).sum().backward()
    handle.remove()
    (x * 2.0).sum().backward()
    assert seen == [[2, 2], [4, 4]]
    with pytest.raises(GraphError, match="non-leaf"):
        (x * 2.0).register_post_accumulate_grad_hook(print)

    y = x * x
    node = y.grad_fn
    node.register_prehook(lambda grads: (grads[0] * 10.0,))
    node.register_hook(lambda ins, outs: seen.append([len(ins), outs[0].tolist()]))
    node.register_hook(lambda ins, outs: (ins[0], ins[1] * 0.0))
    (g,) = autograd.grad(y.sum(), x)
    assert seen[-1] == [2, [10, 10]]
    assert g.tolist() == [10, 20]
    z = x * x
    z.grad_fn.register_hook(lambda ins, outs: ins[0])
    with pytest.raises(GraphError, match="expected None or 2 gradients, got 1"):
        z.sum().backward()


def test_the_graph_can_be_walked():
    x, w = leaf(1.0), leaf(2.0)
    y = (x * w).expand(2, 1).split(1)[1] * 2.0
    node, names, outputs = y.grad_fn, [], []
    for _ in range(3):
        names.append(node.name())
        node, output = node.next_functions[0]
        outputs.append(output)
    assert names == ["MulBackward", "SplitBackward", "ExpandBackward"]
    assert outputs == [1, 0, 0]
    ends = [edge.variable for edge, _ in node.next_functions]
    assert ends[0] is x
    assert ends[1] is w
    assert node.next_functions[0][0].name() == "AccumulateGrad"
    assert node.next_functions[0][0].next_functions == ()


def test_saved_tensors_hooks():
    x = leaf(1.0, 2.0)
    packed = []

    def pack(value):
        packed.append(value.shape)
        return value.numpy().astype(np.float32)

    with autograd.graph.saved_tensors_hooks(pack, lambda kept: tg.tensor(kept.astype(np.float64))):
        y = (tg.exp(x) * x).sum()
    z = tg.exp(x)
    assert packed == [(2,), (2,), (2,)]
    (g,) = autograd.grad(y, x, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), np.exp([1, 2]) * [2, 3], rtol=1e-6)
    (h,) = autograd.grad(g.sum(), x)
    np.testing.assert_allclose(h.numpy(), np.exp([1, 2]) * [3, 4], rtol=1e-6)
    z.sum().backward()


def test_inference_mode():
    x = leaf(1.0)
    with tg.inference_mode():
        assert tg.is_inference_mode_enabled()
        assert not (x * 2.0).requires_grad
        with tg.inference_mode(False):
            assert not tg.is_inference_mode_enabled()
    assert tg.is_grad_enabled()

    @tg.inference_mode
    def first():
        return x * 2.0

    @tg.inference_mode()
    def second():
        return x * 2.0

    assert not first().requires_grad
    assert not second().requires_grad
    assert (x * 2.0).requires_grad


def test_backward_wants_inputs_that_can_take_it():
    x, w = leaf(1.0), leaf(2.0)
    y = x * w
    y.backward(inputs=w, retain_graph=True)
    assert (x.grad, w.grad.item()) == (None, 1)
    for wrong, message in (([], "inputs is empty"), ([tg.ones(1)], "does not require grad")):
        with pytest.raises(GraphError, match=message):
            y.backward(inputs=wrong, retain_graph=True)


def test_what_a_rule_keeps_of_its_own_is_freed_too():
    found = [cls for cls in OPS.values() if cls.heavy]
    assert found
    for cls in found:
        args = [
            tg.tensor(value, requires_grad=value.dtype == np.float64)
            if isinstance(value, np.ndarray)
            else value
            for value in next(iter(cls.samples())).args
        ]
        out = cls.call(*args)
        node = out.grad_fn
        assert not set(cls.heavy) & set(vars(node)), cls.name
        out.sum().backward()
        assert node.saved is None


def test_bad_requests_in_torchs_classes():
    x = tg.tensor([0.5, 1.5], requires_grad=True)
    with pytest.raises(RuntimeError, match="inputs cannot be empty"):
        tg.autograd.grad(x.sum(), [])
    x.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match=r"hook: expected the shape \(2,\), got \(1,\)"):
        x.sum().backward()
    with pytest.raises(NotImplementedError, match=r'\[Module\] is missing the required "forward"'):
        tg.nn.Module()(x)
    with pytest.raises(RuntimeError, match=r"between 0 and 1, got from 0\.5 to 1\.5"):
        tg.nn.functional.binary_cross_entropy(x, tg.ones(2))
    with pytest.raises(RuntimeError, match="integers to negative integer powers"):
        tg.tensor([2]) ** -1
    with pytest.raises(NotImplementedError, match="mean"):
        tg.tensor([2]).mean()
