"""Rows and groups streamed through shared memory on Hopper, at every shape of the ring."""

import pytest
import torch
from triton_kernels import explain, group_norm, layer_norm, record_backends, rms_norm
from triton_kernels.ops.norms import backward, forward
from triton_kernels.ops.norms.streams import Stream, group_stream, row_stream

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("poisoned")]


def distance(actual, exact):
    """In units in the last place of the largest number, of the dtype that ``actual`` has."""
    assert actual.isfinite().all()
    unit = torch.finfo(actual.dtype).eps * exact.abs().max()
    return ((actual.double() - exact).abs().max() / unit).item()


def gradients(function, *inputs, dy):
    leaves = [x.detach().requires_grad_() for x in inputs]
    y = function(*leaves)
    return y.detach(), *torch.autograd.grad(y, leaves, dy)


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


# One program a row and several; the weight in registers and in shared memory.
STREAMS = [
    Stream(16384, 8, 3), Stream(8192, 8, 6, parts=4, resident=2), Stream(32768, 16, 3, stored=True),
    Stream(4096, 4, 4, parts=2, resident=4, stored=True), Stream(8192, 8, 6, resident=2),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("stream", STREAMS, ids=str)
def test_rows(stream, centered, dtype):
    from triton_kernels.ops.norms import hopper

    units = 2 if dtype is not torch.float32 else 16
    for n_rows, missing in ((1, 0), (700, 384)):
        columns = (stream.parts * stream.nbytes - missing) // dtype.itemsize
        x = torch.randn(n_rows, columns, device="cuda", dtype=dtype) + 3
        dy = torch.randn_like(x)
        weight, bias = torch.randn(2, columns, device="cuda", dtype=dtype).unbind()
        options = (0.0, "float32", centered)
        found = hopper.norm(
            x, None, weight, bias if centered else None, 1e-5, *options, stream=stream
        )
        dz, parameters = hopper.norm_backward(
            dy, None, x, weight, found[1], *options, True, centered, stream=stream
        )

        def of_torch(x, w, b):
            norm = torch.nn.functional
            if centered:
                return norm.layer_norm(x, x.shape[1:], w, b, 1e-5)
            return norm.rms_norm(x, x.shape[1:], w, 1e-5) + 0 * b

        exact = gradients(of_torch, *(t.double() for t in (x, weight, bias)), dy=dy.double())
        for actual, wanted in zip((found[0], dz, *parameters), exact, strict=False):
            assert distance(actual, wanted) < units


@pytest.mark.parametrize(("offset", "casting"), [(1.0, "float32"), (0.0, "llama")])
@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32, None])
@pytest.mark.parametrize("stream", STREAMS[1:3], ids=str)
def test_rows_of_every_kind_as_the_portable_ones(stream, weights, offset, casting):
    from triton_kernels.ops.norms import hopper

    columns = stream.parts * stream.nbytes // 2
    x, dy = torch.randn(2, 300, columns, device="cuda", dtype=torch.bfloat16).unbind()
    weight = None if weights is None else torch.randn(columns, device="cuda", dtype=weights)
    options = (offset, casting, False)
    y, statistics = forward.norm(x, None, weight, None, 1e-5, *options)
    inputs = (dy, None, x, weight, statistics, *options, weight is not None, False)
    expected = (y, statistics, *backward.norm_backward(*inputs))
    actual = hopper.norm(x, None, weight, None, 1e-5, *options, stream=stream)
    actual += hopper.norm_backward(*inputs, stream=stream)
    for found, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=2**-7, atol=2**-5)


@pytest.mark.parametrize("function", [rms_norm, layer_norm])
@pytest.mark.parametrize("columns", [12288, 16384, 30720, 32768, 65536])
def test_rows_are_streamed_where_that_pays(function, columns):
    x = torch.randn(3, columns, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    with record_backends() as record:
        y = function(x)
        y.backward(torch.randn_like(y))
    for (_, taken), backward_too in zip(record, (False, True), strict=True):
        streamed = row_stream(columns, 2, function is layer_norm, backward_too)
        assert (taken == "hopper") == (streamed is not None)
