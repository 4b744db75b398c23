"""The bound of attention's results in 16 bits: torch's own loss in them, row by row.

A result may lose twice what torch loses in its dtype, a gradient three times, beside one unit in
the last place of the magnitude. Both are taken of each row of a head, for outputs and the gradients
of values; those of queries, keys and a bias vanish in some rows as sums of terms that cancel, in
torch's run exactly, so there the loss is the largest of a head's rows; of one key all cancel, and a
unit in the last place of the terms is the bound. Where there are numbers
enough their share in the exact ones must be 1, which notices what is too small everywhere.
"""

import itertools

import torch
from triton_kernels.ops.attention import samples

NAMES = ("output", "lse", "query", "key", "value", "bias")
"""What a call returns, and then its inputs' gradients."""


def agrees(actual, exact, yardstick, name, terms=0.0):
    """One result of the rows (..., head, row, number) is within the bound; NaN nowhere. ``terms``:
    how large those are that cancel in it."""
    if name == "lse":
        none = exact == -torch.inf
        assert torch.equal(actual == -torch.inf, none)
        torch.testing.assert_close(
            actual[~none].float(), exact[~none].float(), rtol=1e-4, atol=8e-3
        )
        return
    dtype = actual.dtype
    actual, exact, yardstick = (x.detach().float() for x in (actual, exact, yardstick))
    assert actual.shape == exact.shape == yardstick.shape
    assert actual.isfinite().all()
    if not actual.numel():
        return
    loss, error = ((x - exact).abs().amax(-1) for x in (yardstick, actual))
    if name not in ("output", "value"):
        loss = loss.amax(-1, keepdim=True)
    eps, size = torch.finfo(dtype).eps, exact.abs().amax(-1)
    bound = (2 if name == "output" else 3) * loss + eps * (size + terms) + eps**2 * size.max()
    worst = (error / bound.clamp(min=1e-30)).max().item()
    assert worst <= 1, f"{name}: {worst:.2f} of the bound"
    if actual.numel() > 1 << 15:
        share = ((actual * exact).sum() / exact.square().sum()).item()
        assert abs(share - 1) < 0.005, f"{name}: {share:.4f} of its size"


def all_agree(found, exacts, yardsticks, names=NAMES):
    """Results in the order of ``names``."""
    for each in zip(found, exacts, yardsticks, names, strict=True):
        agrees(*each)


def run(function, inputs, grads, **options):
    """Results, and the gradients of those of ``inputs`` that are there."""
    leaves = [None if x is None else x.detach().requires_grad_() for x in inputs]
    ys = function(*leaves, **options)
    ys = ys if isinstance(ys, tuple) else (ys,)
    grads = [g.to(y.dtype) for g, y in zip(grads, ys, strict=True)]
    wanted = [x for x in leaves if x is not None]
    return *(y.detach() for y in ys), *torch.autograd.grad(ys, wanted, grads)


def wide(inputs):
    """In float32, which adds errors of a thousandth of theirs."""
    return [None if x is None else x.float() for x in inputs]


def torch_packed(query, key, value, ends_q, ends_k, **options):
    """(T, H, D) as torch attends to one sequence after another; zeros and -inf where is none."""
    pairs = [list(itertools.pairwise(ends.tolist())) for ends in (ends_q, ends_k)]
    outputs, lses = [], []
    for own_q, own_k in zip(*pairs, strict=True):
        q, (k, v) = query[slice(*own_q)], (x[slice(*own_k)] for x in (key, value))
        if len(q) and len(k):
            heads = (x.transpose(0, 1)[None] for x in (q, k, v))
            output, lse = samples.torch_attention(*heads, return_lse=True, **options)
            outputs.append(output[0].transpose(0, 1))
            lses.append(lse[0])
        else:
            outputs.append(q.new_zeros((*q.shape[:2], value.shape[2])))
            lses.append(torch.full((q.shape[1], len(q)), -torch.inf, device=q.device))
    rest = len(query) - sum(map(len, outputs))
    outputs.append((query[len(query) - rest :] * 0)[..., : value.shape[2]])
    lses.append(torch.full((query.shape[1], rest), -torch.inf, device=query.device))
    # What no sequence has touched still has a gradient, of zeros.
    nothing = sum((x * 0).sum() for x in (query, key, value))
    return torch.cat(outputs) + nothing, torch.cat(lses, 1) + nothing
