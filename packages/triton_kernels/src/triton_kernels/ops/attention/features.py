"""The one description of what an attention does besides softmax(q·kᵀ)·v; every backend reads it.

Query i of a sequence of n queries and m keys stands at position i + m - n (bottom-right: the last
query beside the last key), key j at position j. With s = scale·q·k the score of a pair is

    t = soft_cap·tanh(s / soft_cap)  - slope·|position(i) - j|  + bias

or -inf where the mask is False or j lies outside [position(i) - left, position(i) + right]; causal
is right = 0. A head's sink is one more score, of a key without a value. Then p = softmax(t), p
after dropout is multiplied by the values, and lse = log Σ exp t, the sink included. A row that sees
no key is zeros, its lse -inf (or the sink).

A kernel's inputs are its tensors and then ``*Features``, so a backend is

    def forward(query, key, value, *features) -> (output, lse)
    def backward(grad, query, key, value, lse, delta, *features) -> (dquery, dkey, dvalue)

and begins with ``f = Features(*features)``. Shapes: query (B, H, Sq, D), key (B, Hk, Sk, D), value
(B, Hk, Sk, Dv), output and grad (B, H, Sq, Dv), lse and delta (B, H, Sq); any strides of query,
key, value and grad; the output's are ``empty_output``'s; lse and delta are contiguous, of float32
(float64 for float64 inputs), natural logarithms. Head h reads key head h // (H / Hk).

delta = Σ grad·output - grad_lse a row, made by a kernel of its own, so that dt = p·(dp - delta)
with dp = grad·valueᵀ (through dropout: zero or divided by 1 - p). The gradients of bias and sinks
are made elsewhere; those three are laid out as ``empty_like_dense`` of query, key and value.

Packed sequences (``cu_q`` given) have B = 1, sequence n being queries cu_q[n] to cu_q[n + 1] and
keys cu_k[n] to cu_k[n + 1]; what no sequence covers gives zeros and lse -inf, and its gradients are
zeros. They come without bias and mask.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

UNBOUNDED = -1
"""A window's side without an end."""


class Features(NamedTuple):
    """What ``checks`` has checked; the fields are the kernels' inputs after the value, in order."""

    bias: torch.Tensor | None = None
    """(B or 1, H or 1, Sq or 1, Sk or 1), of query's dtype or float32; differentiable."""
    sinks: torch.Tensor | None = None
    """(H,), of query's dtype or float32; differentiable."""
    mask: torch.Tensor | None = None
    """Bool, (B or 1, H or 1, Sq or 1, Sk or 1): True where a query may see a key."""
    alibi_slopes: torch.Tensor | None = None
    """Float32, (H,) or (B, H) (packed: (sequences, H)); constant."""
    cu_q: torch.Tensor | None = None
    """Packed sequences: int32, (sequences + 1,): where each one's queries begin."""
    cu_k: torch.Tensor | None = None
    """The same of its keys."""
    max_q: int = 0
    """Packed sequences: no fewer than the longest's queries."""
    max_k: int = 0
    """The same of keys."""
    scale: float = 1.0
    left: int = UNBOUNDED
    """How many keys before its own position a query sees; UNBOUNDED: all."""
    right: int = UNBOUNDED
    """How many after it: 0 is causal."""
    soft_cap: float = 0.0
    """0: none."""
    dropout: float = 0.0
    """The probability, below 1, that a weight is zeroed; the others are divided by 1 - p."""
    seed: int = 0
    """Chooses which: see ``kept``."""
    precision: str = "ieee"
    """How float32 is multiplied: ``ieee`` or ``tf32``."""
    deterministic: bool = False
    """Whether the backward must give the same bits in every run."""

    @property
    def tensors(self) -> tuple[torch.Tensor | None, ...]:
        """The fields that hold tensors, which are the first."""
        return self.bias, self.sinks, self.mask, self.alibi_slopes, self.cu_q, self.cu_k

    @property
    def windowed(self) -> bool:
        """Whether positions alone hide keys."""
        return self.left != UNBOUNDED or self.right != UNBOUNDED

    @property
    def packed(self) -> bool:
        """Whether sequences of several lengths lie one behind the other."""
        return self.cu_q is not None

    @property
    def plain(self) -> bool:
        """Whether there is nothing but scale, causal mask and window."""
        return all(x is None for x in self.tensors) and not (self.soft_cap or self.dropout)


SCHEMA = (
    "Tensor? bias, Tensor? sinks, Tensor? mask, Tensor? alibi_slopes, Tensor? cu_q, Tensor? cu_k, "
    "int max_q, int max_k, float scale, int left, int right, float soft_cap, float dropout, "
    "SymInt seed, str precision, bool deterministic"
)
"""The fields of ``Features`` in torch's words."""


def lse_dtype(dtype: torch.dtype) -> torch.dtype:
    """What sums are kept in: float32, or float64 for float64."""
    return torch.float64 if dtype is torch.float64 else torch.float32


def empty_output(query: torch.Tensor, width: int) -> torch.Tensor:
    """An output (B, H, Sq, width) in the memory order of the query: heads or positions outside.

    A query of (B, Sq, H, D) seen as (B, H, Sq, D) gets an output that is (B, Sq, H, Dv) in memory.
    """
    batch, heads, length, size = query.shape
    if size == width and query.is_contiguous():
        return torch.empty_like(query)  # in a third of the time
    if heads > 1 and length > 1 and query.stride(1) < query.stride(2):
        return query.new_empty((batch, length, heads, width)).transpose(1, 2)
    return query.new_empty((batch, heads, length, width))


def empty_like_dense(x: torch.Tensor) -> torch.Tensor:
    """A gradient of (B, H, S, D) in x's memory order: heads or positions outside."""
    return empty_output(x, x.shape[-1])


def empty_lse(query: torch.Tensor) -> torch.Tensor:
    """An lse (B, H, Sq), contiguous."""
    batch, heads, length, _ = query.shape
    return query.new_empty((batch, heads, length), dtype=lse_dtype(query.dtype))


# --- dropout --------------------------------------------------------------------------------------

ROUNDS = 7
"""Of Philox: the fewest that pass the tests its authors put it to."""


def threshold(p: float) -> int:
    """Of 15 random bits, as an integer: below it a weight is dropped."""
    return min(round(p * 2**15), 2**15 - 1)


def kept(seed: int, p: float, first: torch.Tensor, queries: int, keys: int) -> torch.Tensor:
    """Which weights dropout keeps.

    A counter of Philox 4x32-7, keyed by the seed, decides on eight weights, those that one thread
    holds of 16 by 16 scores: queries i and i + 8, keys j, j + 1, j + 8 and j + 9. Its words are
    the number of the keys, j div 16·4 + j mod 8 div 2, that of the queries, i div 16·8 + i mod 8,
    and the low and the high half of ``first``. Of the four words that come out the upper two are
    for queries i + 8, of two the upper one for keys j + 8, of a word the upper half for odd keys;
    15 bits of a half count.

    Args:
        seed: the generator's key.
        p: the probability to be dropped, kept to 15 bits.
        first: int64, any shape: the number of query 0, (batch·H + head)·Sq, or packed head·Tq +
            its place in the packed tensor.
        queries: how many.
        keys: how many.

    Returns:
        Bool, (*first.shape, queries, keys).
    """
    from triton_kernels.ops.foundations.dropout import philox

    i = torch.arange(queries, device=first.device)[:, None]
    j = torch.arange(keys, device=first.device)
    first = first[..., None, None]
    counter = [j // 16 * 4 + j % 8 // 2, i // 16 * 8 + i % 8, first % 2**32, first // 2**32]
    words = philox(counter, seed, ROUNDS)
    which = i // 8 % 2 * 2 + j // 8 % 2
    word = words.gather(-1, which.expand(words.shape[:-1])[..., None]).squeeze(-1)
    return (word >> j % 2 * 16) % 2**15 >= threshold(p)
