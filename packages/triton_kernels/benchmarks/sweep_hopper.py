"""Sweeps the tilings of attention's Hopper kernels beside cuDNN and FlashAttention-3.

    python benchmarks/sweep_hopper.py [--sizes 64 128 256] [--lengths 1024 4096 16384]

TFLOP/s of 16384 tokens of 2048 channels in bfloat16 (causal counted half, a backward 2.5 forwards;
delta is part of it). FlashAttention-3 is there if the package fa3-fwd is, forward only.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import torch
from measure import Rival, median_times, require_gpu
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from triton_kernels.ops.attention import hopper_backward, hopper_forward, portable_backward
from triton_kernels.ops.attention.features import UNBOUNDED, Features

try:
    from fa3_fwd_interface import flash_attn_func
except ImportError:
    flash_attn_func = None

F, B = hopper_forward.Tiling, hopper_backward.Tiling
FORWARD: dict[int, tuple[F | None, ...]] = {
    64: (
        None,
        F(keys=128, slots=4, v_slots=4),
        F(keys=128, slots=4, v_slots=4, anchored=True),
        F(keys=128, slots=4, v_slots=4, ping_pong=True),
        F(keys=128, parties=3, slots=3, v_slots=3, queries=6),
        F(keys=128, parties=3, slots=3, v_slots=3, queries=6, anchored=True),
    ),
    128: (
        None,
        F(keys=128, v_slots=3),
        F(keys=128, v_slots=3, anchored=True),
        F(keys=128),
        F(keys=128, v_slots=3, ping_pong=True),
    ),
    256: (
        None,
        F(keys=64, queries=2, halves=True),
        F(keys=64, queries=2, halves=True, kept=64),
        F(keys=64, queries=2, halves=True, ahead=True),
        F(keys=64, queries=2, halves=True, anchored=True),
        F(keys=64, queries=2),
    ),
}
"""None: what ``tiling`` chooses. What is anchored is ahead."""
BACKWARD: dict[int, tuple[B | None, ...]] = {
    64: (None, B(rows=128), B(rows=128, shift=1), B(rows=128, slots=3, split=True)),
    128: (
        None,
        B(rows=64, slots=3),
        B(rows=64, slots=3, shift=2),
        B(rows=64, slots=3, split=True),
        B(rows=64, slots=3, near=False, split=True),
    ),
    256: (None, B(rows=64, split=True), B(rows=64, near=False, split=True)),
}


def said(tile: F | B | None) -> str:
    """What is not as usual in a tiling."""
    if tile is None:
        return "ours"
    usual = tile._field_defaults
    return " ".join(f"{n}={x}" for n, x in tile._asdict().items() if x != usual.get(n))


def forward_rivals(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, f: Features) -> list[Rival]:
    causal = f.right != UNBOUNDED

    def cudnn() -> object:
        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            return scaled_dot_product_attention(q, k, v, is_causal=causal)

    rivals = [Rival("cuDNN", [cudnn])]
    if flash_attn_func is not None:
        positions = [x.transpose(1, 2).contiguous() for x in (q, k, v)]
        rivals.append(Rival("FA3", [lambda: flash_attn_func(*positions, causal=causal)]))
    return rivals + [
        Rival(said(tile), [lambda t=tile: hopper_forward.attend(q, k, v, f, t)])
        for tile in FORWARD[q.shape[-1]]
    ]


def backward_rivals(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, f: Features) -> list[Rival]:
    leaves = [x.detach().requires_grad_() for x in (q, k, v)]
    grad = torch.randn_like(q)
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        output = scaled_dot_product_attention(*leaves, is_causal=f.right != UNBOUNDED)
    theirs = torch.autograd.grad(output, leaves, grad, retain_graph=True)
    mine, lse = hopper_forward.attend(q, k, v, f)

    def ours(tile: B | None) -> tuple[torch.Tensor, ...]:
        delta = portable_backward.delta(grad, None, mine)
        return hopper_backward.gradients(grad, q, k, v, lse, delta, f, tile)

    for actual, wanted in zip(ours(None), theirs, strict=True):
        error = ((actual - wanted).float().norm() / wanted.float().norm()).item()
        assert error < 0.01, error

    def cudnn() -> object:
        return torch.autograd.grad(output, leaves, grad, retain_graph=True)

    tiles: list[Callable[[], object]] = [lambda t=t: ours(t) for t in BACKWARD[q.shape[-1]]]
    names = [said(t) for t in BACKWARD[q.shape[-1]]]
    return [Rival("cuDNN", [cudnn]), *(Rival(n, [t]) for n, t in zip(names, tiles, strict=True))]


def run(sizes: list[int], lengths: list[int]) -> None:
    for size, length, causal in itertools.product(sizes, lengths, (False, True)):
        shape = (16384 // length, 2048 // size, length, size)
        q, k, v = (torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(3))
        f = Features(scale=size**-0.5, right=0 if causal else UNBOUNDED, deterministic=False)
        flops = 4 * 16384 * 2048 * length / (2 if causal else 1)
        name = f"d{size} {length // 1024}k {'causal' if causal else 'full'}"
        for direction, rivals, work in (
            ("forward", forward_rivals(q, k, v, f), flops),
            ("backward", backward_rivals(q, k, v, f), 2.5 * flops),
        ):
            times = median_times(rivals, rounds=3)
            rates = (f"{who} {work / ms / 1e9:.0f}" for who, ms in times.items())
            print(f"{name} {direction}: " + "  ".join(rates), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256])
    parser.add_argument("--lengths", type=int, nargs="*", default=[1024, 4096, 16384])
    options = parser.parse_args()
    require_gpu()
    run(options.sizes, options.lengths)


if __name__ == "__main__":
    main()
