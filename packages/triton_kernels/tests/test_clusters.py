"""Norms and softmax on Hopper: rows divided among the programs of a cluster, every kind of cluster
and row; groups streamed through shared memory, at every shape of the ring."""

import pytest
import torch
from triton_kernels import (
    dropout,
    explain,
    group_norm,
    layer_norm,
    log_softmax,
    record_backends,
    rms_norm,
    softmax,
)
from triton_kernels.ops.norms import backward, forward
from triton_kernels.ops.norms.streams import group_stream
from triton_kernels.ops.softmax import portable
from triton_kernels.ops.streams import Cluster

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("poisoned")]

# A program alone and several; fewer warps' numbers than a warp has lanes, as many, and more.
CLUSTERS = [
    Cluster(1, 4, 4),
    Cluster(1, 32, 2),
    Cluster(2, 16, 1),
    Cluster(4, 4, 4),
    Cluster(8, 16, 1),
]
PAIRS = [
    Cluster(1, 4, 4, 2),
    Cluster(1, 32, 1, 2),
    Cluster(2, 16, 1, 2),
    Cluster(4, 4, 4, 2),
    Cluster(8, 16, 1, 2),
]


def distance(actual, exact):
    """In units in the last place of the largest number, of the dtype that ``actual`` has."""
    assert actual.isfinite().all()
    unit = torch.finfo(actual.dtype).eps * exact.abs().max()
    return ((actual.double() - exact).abs().max() / unit).item()


def gradients(function, *inputs, dy):
    leaves = [x.detach().requires_grad_() for x in inputs]
    y = function(*leaves)
    return y.detach(), *torch.autograd.grad(y, leaves, dy)


def rows_for(cluster, dtype):
    """A row that fills the threads once, rows that leave some empty, rows of several turns."""
    fill = cluster.parts * cluster.warps * 512 // dtype.itemsize
    for n_rows, columns in ((1, fill), (500, fill - 48), (3, 3 * fill - 16), (2, 4 * fill)):
        x, dy = torch.randn(2, n_rows, columns, device="cuda", dtype=dtype).unbind()
        yield x + 3, dy


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_norms(cluster, centered, dtype):
    from triton_kernels.ops.norms import hopper

    units = 2 if dtype is not torch.float32 else 16
    for x, dy in rows_for(cluster, dtype):
        weight, bias = torch.randn(2, x.shape[1], device="cuda", dtype=dtype).unbind()
        options = (0.0, "float32", centered)
        found = hopper.norm(
            x, None, weight, bias if centered else None, 1e-5, *options, cluster=cluster
        )
        dz, parameters = hopper.norm_backward(
            dy, None, x, weight, found[1], *options, True, centered, cluster=cluster
        )

        def of_torch(x, w, b):
            norm = torch.nn.functional
            if centered:
                return norm.layer_norm(x, x.shape[1:], w, b, 1e-5)
            return norm.rms_norm(x, x.shape[1:], w, 1e-5) + 0 * b

        exact = gradients(of_torch, *(t.double() for t in (x, weight, bias)), dy=dy.double())
        for actual, wanted in zip((found[0], dz, *parameters), exact, strict=False):
            assert distance(actual, wanted) < units


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("cluster", PAIRS, ids=str)
def test_norms_two_rows_at_a_time(cluster, centered, dtype):
    from triton_kernels.ops.norms import hopper

    fill = cluster.columns_at_once(dtype.itemsize)
    for n_rows, columns in ((1, fill), (2, fill), (777, fill - 48), (1024, fill)):
        x, dy, dsum = torch.randn(3, n_rows, columns, device="cuda", dtype=dtype).unbind()
        x += 3
        weight = torch.randn(columns, device="cuda", dtype=dtype)
        options = (0.0, "float32", centered)
        _, statistics = forward.norm(x, None, weight, None, 1e-5, *options)
        given = [None if n_rows == 2 else dsum, x, weight, statistics, *options, True, centered]
        dz, parameters = hopper.norm_backward(dy, *given, cluster=cluster)
        again = hopper.norm_backward(dy, *given, cluster=cluster)
        assert torch.equal(dz, again[0])
        assert torch.equal(parameters, again[1])
        g, z, (rstd, *mean) = dy.double(), x.double(), statistics.double()
        normal = (z - (mean[0][:, None] if centered else 0)) * rstd[:, None]
        scaled = g * weight.double()
        exact = scaled - normal * (scaled * normal).mean(1, keepdim=True)
        exact = (exact - centered * scaled.mean(1, keepdim=True)) * rstd[:, None]
        exact += 0 if given[0] is None else dsum.double()
        assert distance(dz, exact) < 2
        for actual, wanted in zip(parameters, ((g * normal).sum(0), g.sum(0)), strict=False):
            assert distance(actual, wanted) < 2


@pytest.mark.parametrize(("offset", "casting"), [(1.0, "float32"), (0.0, "llama")])
@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32, None])
@pytest.mark.parametrize("cluster", PAIRS[1:4:2], ids=str)
def test_two_rows_of_every_kind_as_the_portable_ones(cluster, weights, offset, casting):
    from triton_kernels.ops.norms import hopper

    columns = cluster.columns_at_once(2)
    x, dy, dsum = torch.randn(3, 301, columns, device="cuda", dtype=torch.bfloat16).unbind()
    weight = None if weights is None else torch.randn(columns, device="cuda", dtype=weights)
    options = (offset, casting, False)
    _, statistics = forward.norm(x, None, weight, None, 1e-5, *options)
    inputs = (dy, dsum, x, weight, statistics, *options, weight is not None, False)
    expected = backward.norm_backward(*inputs)
    actual = hopper.norm_backward(*inputs, cluster=cluster)
    for found, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=2**-7, atol=2**-5)


FULL = [(2048, 301), (4096, 300), (8192, 33), (16384, 301), (32768, 300), (32768, 301)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize(("columns", "n_rows"), FULL)
def test_full_rows_beside_a_sum_and_what_was_dropped(columns, n_rows, centered, dtype):
    from triton_kernels.ops.norms import dropout_add_backward, hopper

    x, dy, dsum = torch.randn(3, n_rows, columns, device="cuda", dtype=dtype).unbind()
    weight = torch.randn_like(x[0])
    options = (0.0, "float32", centered)
    _, statistics = forward.norm(x, None, weight, None, 1e-5, *options)
    for added in (None, dsum):
        inputs = (dy, added, x, weight, statistics, *options, True, centered)
        wanted = backward.norm_backward(*inputs)
        dx, *found = dropout_add_backward.gradient_hopper(*inputs, 0.3, 2**40 + 7)
        assert torch.equal(dx, dropout(found[0], 0.3, 2**40 + 7))
        alone = hopper.norm_backward(*inputs) if columns > 8192 else found
        for results in (found, alone):
            for actual, expected in zip(results, wanted, strict=True):
                torch.testing.assert_close(actual, expected, rtol=2**-7, atol=2**-5)


def test_a_mean_far_from_zero_costs_no_digits():
    from triton_kernels.ops.norms import hopper

    x = torch.randn(5, 32768, device="cuda") + 1000
    x[:, :64] += 50  # nor do first columns unlike the others
    for columns, cluster in ((32768, CLUSTERS[1]), (32768, CLUSTERS[2]), (32752, CLUSTERS[2])):
        part = x[:, :columns].contiguous()
        exact = torch.stack((1 / part.double().std(1, correction=0), part.double().mean(1)))
        found = hopper.norm(part, None, None, None, 0.0, 0.0, "float32", True, cluster=cluster)
        torch.testing.assert_close(found[1].double(), exact, rtol=4e-6, atol=0)


@pytest.mark.parametrize(("offset", "casting"), [(1.0, "float32"), (0.0, "llama")])
@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32, None])
@pytest.mark.parametrize("cluster", CLUSTERS[1:3], ids=str)
def test_norms_of_every_kind_as_the_portable_ones(cluster, weights, offset, casting):
    from triton_kernels.ops.norms import hopper

    x, dy, dsum = torch.randn(3, 300, 8192, device="cuda", dtype=torch.bfloat16).unbind()
    weight = None if weights is None else torch.randn(8192, device="cuda", dtype=weights)
    options = (offset, casting, False)
    y, statistics = forward.norm(x, None, weight, None, 1e-5, *options)
    inputs = (dy, dsum, x, weight, statistics, *options, weight is not None, False)
    expected = (y, statistics, *backward.norm_backward(*inputs))
    actual = hopper.norm(x, None, weight, None, 1e-5, *options, cluster=cluster)
    actual += hopper.norm_backward(*inputs, cluster=cluster)
    for found, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=2**-7, atol=2**-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_softmax(cluster, dtype):
    from triton_kernels.ops.softmax import hopper

    units = 2 if dtype is not torch.float32 else 16
    for x, dy in rows_for(cluster, dtype):
        y = hopper.softmax(x, 1, cluster=cluster)
        dx = hopper.softmax_backward(dy, y, 1, cluster=cluster)
        log = hopper.softmax(x, 1, log=True, cluster=cluster)
        exact = gradients(lambda x: x.softmax(1), x.double(), dy=dy.double())
        assert distance(y, exact[0]) < units
        assert distance(dx, exact[1]) < units
        assert distance(log, x.double().log_softmax(1)) < units


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("cluster", [*CLUSTERS[1:], Cluster(8, 8, 4)], ids=str)
def test_softmax_of_what_is_not_finite(cluster, log):
    from triton_kernels.ops.softmax import hopper

    x = torch.randn(8, 8192, device="cuda") * 50
    x[0] = -torch.inf
    x[1, 5:] = -torch.inf
    x[2, :8000] = -torch.inf
    x[3, 77] = torch.inf
    x[4, 4000] = torch.nan
    x[5] = 88
    actual = hopper.softmax(x, 1, log, cluster=cluster)
    torch.testing.assert_close(actual, portable.softmax(x, 1, None, log), equal_nan=True)


@pytest.mark.parametrize("function", [rms_norm, layer_norm, softmax, log_softmax])
def test_two_runs_agree_and_clusters_are_taken(function):
    x = torch.randn(300, 32768, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    weight = [] if "softmax" in function.__name__ else [torch.randn_like(x[0]).requires_grad_()]
    runs = []
    for _ in range(2):
        with record_backends() as record:
            y = function(x, *weight)
            runs.append((y, *torch.autograd.grad(y, [x, *weight], x)))
    assert "hopper" in {backend for _, backend in record}
    assert all(map(torch.equal, *runs))


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (torch.empty(2, 32760), "multiple of 16"),
        (torch.empty(2, 65536)[:, ::2], "not contiguous"),
        (torch.empty(2 * 32768 + 1)[1:].view(2, 32768), "16 bytes"),
        (torch.empty(0, 32768), "empty"),
        (torch.empty(2, 32768), None),
    ],
)
def test_what_clusters_refuse(x, reason):
    like = torch.empty(x.untyped_storage().nbytes() // 4, device="cuda", dtype=torch.bfloat16)
    x = like.as_strided(x.shape, x.stride(), x.storage_offset())
    for op in ("rms_norm", "softmax"):
        found = explain(op, x).reasons["hopper"]
        assert (reason or "taken") in found


# --- groups ---------------------------------------------------------------------------------------

# One line a channel and many; whole chunks and a ragged end; more groups than programs take once.
IMAGES = [
    ((2, 6, 8, 8), 2), ((70, 64, 16, 16), 32), ((3, 96, 8, 16), 4), ((1, 8, 64, 64), 2),
    ((40, 40, 64, 64), 4), ((2, 80, 32, 32), 2), ((5, 12, 16, 32), 1), ((300, 32, 8, 8), 8),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("shape", "groups"), IMAGES, ids=str)
def test_group_norm(shape, groups, dtype):
    x = torch.randn(shape, device="cuda", dtype=dtype) + 3
    dy = torch.randn_like(x)
    weight, bias = torch.randn(2, shape[1], device="cuda", dtype=dtype).unbind()
    inputs = (x, weight, bias)
    refused = group_stream(x[0].numel() // groups * x.itemsize // 128, True) is None
    with record_backends() as record:
        actual = gradients(lambda x, w, b: group_norm(x, groups, w, b), *inputs, dy=dy)
    backward = "portable" if refused else "hopper"
    assert record == [("group_norm", "hopper"), ("group_norm_backward", backward)]

    def of_torch(x, w, b):
        return torch.nn.functional.group_norm(x, groups, w, b)

    exact = gradients(of_torch, *(t.double() for t in inputs), dy=dy.double())
    units = 2 if dtype is not torch.float32 else 16
    for found, wanted in zip(actual, exact, strict=True):
        assert distance(found, wanted) < units


def test_group_norm_without_parameters():
    x = torch.randn(3, 64, 16, 16, device="cuda")
    dy = torch.randn_like(x)
    actual = gradients(lambda x: group_norm(x, 4), x, dy=dy)
    exact = gradients(lambda x: torch.nn.functional.group_norm(x, 4), x.double(), dy=dy.double())
    for found, wanted in zip(actual, exact, strict=True):
        assert distance(found, wanted) < 16


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (torch.empty(2, 4, 7, 7), "128 bytes"),
        (torch.empty(2, 4, 8, 8, 2)[..., 0], "not contiguous"),
        (torch.empty(2 * 4 * 64 + 1)[1:].view(2, 4, 8, 8), "16 bytes"),
        (torch.empty(1, 4, 512, 512), "longer than"),
        (torch.empty(0, 4, 8, 8), "empty"),
    ],
)
def test_what_is_not_streamed(x, reason):
    x = x.cuda() if x.is_contiguous() and not x.storage_offset() else x
    if not x.is_cuda:
        x = torch.empty(x.untyped_storage().size() // 4, device="cuda").as_strided(
            x.shape, x.stride(), x.storage_offset()
        )
    assert reason in explain("group_norm", x, 2).reasons["hopper"]
