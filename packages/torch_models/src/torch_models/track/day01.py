"""
Day 01: Tensors
===============
Estimated time: 1-2 hours
Prerequisites: Python functions, the idea of a matrix

Learning objectives:
- say what a tensor is made of: one flat storage, an offset, a shape, strides, a dtype
- find the place of an element in the storage by hand, and predict the strides of a view
- tell which operations make a view and which copy, and why that decides correctness and speed
- make sliding windows without copying anything, and know what that costs when you write to them

Background:
A tensor looks like a box of numbers in n dimensions. What it really is:

- a **storage**: one flat run of memory,
- an **offset** into it, where the first element lies,
- a **shape** (s_0, …, s_{n-1}): how many indices each dimension has,
- **strides** (t_0, …, t_{n-1}): how many elements to step when that index grows by one,
- a **dtype**, the type of every element.

Element (i_0, …, i_{n-1}) lies at

    offset + i_0 t_0 + … + i_{n-1} t_{n-1}

in the storage, and there is nothing more to it. A tensor is **contiguous** (row-major) when the
last index steps by 1 and every other by the number of elements that the indices to its right span:

    t_{n-1} = 1,   t_d = s_{d+1} · t_{d+1}

Everything that only changes offset, shape and strides is free, whatever the size: `x.T` swaps two
strides, `x[3]` adds 3 t_0 to the offset and drops a dimension, `x[::2]` doubles a stride,
`x.expand(...)` sets a stride to 0, so that every index of that dimension reads the same element.
Such results are **views**: they share the storage. Write through one, and all the others change.
`clone`, `contiguous` (where needed), arithmetic, and indexing with lists or masks **copy**.

`reshape` gives a view where strides allow it and copies where they do not; `view` never copies and
raises instead. When do they allow it? Two neighbouring dimensions d, d + 1 can be merged into one
without moving anything exactly when one step in d is as far as all steps in d + 1 together:

    t_d = s_{d+1} · t_{d+1}

(a dimension of size 1 takes no step, so its stride does not matter). A tensor can be flattened to
one dimension as a view if this holds for all neighbours.

Strides decide speed as well. Memory is fetched in lines of 64 or 128 bytes: a loop that walks the
dimension of stride 1 uses every byte of a line, one that walks a stride of 4096 uses one element of
each. A GPU kernel is fast or slow by the same arithmetic; the Triton track is made of it.

Kinds of numbers mix by two rules (torch calls it **type promotion**). The category counts first,
bool < integer < floating: an integer tensor plus a floating one is floating. Within a category the
wider type wins. But a Python number never widens a tensor of its own category: float32 tensor + 1.5
stays float32, and int64 tensor + 1.5 becomes the default floating dtype, float32.

To read: Paszke et al., *PyTorch: An Imperative Style, High-Performance Deep Learning Library*
(NeurIPS 2019), section 5; E. Yang, *PyTorch internals* (2019), its first part; van der Walt,
Colbert & Varoquaux, *The NumPy Array* (2011), where strides come from. The professional version:
`c10/core/TensorImpl.h` and `aten/src/ATen/TensorUtils.cpp` (computeStride) in PyTorch's source.

Hints:
- `x.stride()`, `x.storage_offset()` and `x.untyped_storage().data_ptr()` show what x is made of.
- Draw the storage of a 2 × 3 matrix as six boxes, then its transpose over the same boxes.
- Run this file (python day01.py) to see how views of one storage differ.
"""

from itertools import pairwise

import torch


# Exercise 1: row-major strides
def contiguous_strides(shape):
    """Strides of a contiguous tensor.

    Args:
        shape: tuple of n ints > 0.

    Returns:
        Tuple of n ints, in elements; () for ().
    """
    # TODO: build the strides from the last dimension to the first
    # HINT: the last stride is 1; what does one step in the dimension before it jump over?
    # HINT: keep a running product of the sizes to the right
    # HINT: for (2, 3, 4) the answer is (12, 4, 1)
    # SOLUTION
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
        # MUTANT: step += size
        # MUTANT: step = size
    return tuple(reversed(strides))
    # MUTANT: return tuple(strides)
    # END SOLUTION


# Exercise 2: where an element lies
def element_at(storage, offset, strides, index):
    """The element of a tensor, read from its flat storage.

    Args:
        storage: one-dimensional tensor, the storage.
        offset: int, where the tensor's first element lies.
        strides: tuple of n ints.
        index: tuple of n ints >= 0.

    Returns:
        A Python number.
    """
    # TODO: the formula of the background, then one look into the storage
    # HINT: multiply each index by its stride, and sum
    # HINT: zip(index, strides) pairs them; .item() makes a Python number of a 0-d tensor
    # SOLUTION
    place = offset + sum(i * t for i, t in zip(index, strides, strict=True))
    # MUTANT: place = sum(i * t for i, t in zip(index, strides, strict=True))
    # MUTANT: place = offset + sum(i * t for i, t in zip(index, reversed(strides), strict=True))
    # MUTANT: place = offset + sum(index)
    return storage[place].item()
    # END SOLUTION


# Exercise 3: can it be flattened without a copy?
def flattens_as_view(shape, strides):
    """Whether a tensor can become one-dimensional without moving an element.

    Args:
        shape: tuple of n ints > 0.
        strides: tuple of n ints >= 0.

    Returns:
        bool.
    """
    # TODO: forget the dimensions of size 1, then look at all neighbours of those that are left
    # HINT: kept = [(s, t) for s, t in zip(shape, strides) if s != 1]
    # HINT: neighbours (s, t), (s2, t2) merge if t == s2 * t2; pairwise(kept) gives them
    # HINT: any stride is fine for a single dimension, even 2 or 0
    # SOLUTION
    kept = [(s, t) for s, t in zip(shape, strides, strict=True) if s != 1]
    # MUTANT: kept = list(zip(shape, strides, strict=True))
    return all(t == s2 * t2 for (_, t), (s2, t2) in pairwise(kept))
    # MUTANT: return tuple(strides) == contiguous_strides(shape)
    # MUTANT: return all(t == s * t2 for (s, t), (_, t2) in pairwise(kept))
    # MUTANT: return all(t >= t2 for (_, t), (_, t2) in pairwise(kept))
    # END SOLUTION


# Exercise 4: do two tensors share memory?
def shares_storage(a, b):
    """Whether writing to one of the tensors could change the other, judged by their storages.

    Args:
        a, b: tensors on the CPU, not empty.

    Returns:
        bool: True if both live in the same storage.
    """
    # TODO: compare where the storages begin, not where the tensors begin
    # HINT: x.data_ptr() is the address of the first element of x, which a slice moves
    # HINT: x.untyped_storage().data_ptr() is where its storage begins
    # SOLUTION
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    # MUTANT: return a.data_ptr() == b.data_ptr()
    # MUTANT: return a is b
    # MUTANT: return a.shape == b.shape and bool((a == b).all())
    # END SOLUTION


# Exercise 5: sliding windows for nothing
def windows(x, size, step=1):
    """All windows of a one-dimensional tensor, as the rows of a view.

    Args:
        x: tensor of shape (n,), with any stride.
        size: elements a window, 1 <= size <= n.
        step: distance between the beginnings of neighbouring windows, >= 1.

    Returns:
        View of shape (1 + (n - size) // step, size): row r is x[r·step : r·step + size].
    """
    # TODO: find shape and strides, and make the view with torch.as_strided
    # HINT: neighbouring elements of a window are as far apart as those of x: x.stride(0)
    # HINT: neighbouring windows begin step elements of x apart
    # HINT: torch.as_strided(x, shape, strides, x.storage_offset()); without the offset it starts
    #   at the beginning of the storage in some versions and at x in others
    # SOLUTION
    stride = x.stride(0)
    # MUTANT: stride = 1
    count = 1 + (len(x) - size) // step
    # MUTANT: count = len(x) // step
    return torch.as_strided(x, (count, size), (step * stride, stride), x.storage_offset())
    # MUTANT: return torch.as_strided(x, (count, size), (stride, stride), x.storage_offset())
    # MUTANT: return torch.as_strided(x, (count, size), (step * stride, stride), 0)
    # MUTANT: return torch.stack([x[r * step : r * step + size] for r in range(count)])
    # END SOLUTION


# Exercise 6: which dtype comes out?
RANK = {torch.bool: 0, torch.int32: 1, torch.int64: 1, torch.float32: 2, torch.float64: 2}


def promoted(dtype, other):
    """The dtype of tensor + other, for a tensor of at least one dimension.

    Args:
        dtype: the tensor's dtype, one of RANK.
        other: a dtype of RANK (another tensor of at least one dimension), or a Python bool, int or
            float.

    Returns:
        A dtype of RANK. The default floating dtype is float32, that of integers int64.
    """
    # TODO: the category decides first; within a category, width decides between tensors, and the
    #   tensor wins over a Python number
    # HINT: a Python bool is an int to isinstance: ask for bool first
    # HINT: give a Python number the default dtype of its category, and remember it was a number
    # HINT: dtype.itemsize is the width in bytes
    # SOLUTION
    number = not isinstance(other, torch.dtype)
    if number:
        other = {bool: torch.bool, int: torch.int64, float: torch.float32}[type(other)]
        # MUTANT: other = {bool: torch.bool, int: torch.int64, float: torch.float64}[type(other)]
    if RANK[dtype] != RANK[other]:
        return max(dtype, other, key=RANK.__getitem__)
    # MUTANT: pass
    if number:
        return dtype
    # MUTANT: pass
    return max(dtype, other, key=lambda kind: kind.itemsize)
    # MUTANT: return dtype
    # END SOLUTION


# TESTS
import itertools
import os

import pytest
import torch


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(int(os.environ.get("ROADMAP_SEED", "0")))


SHAPES = [(), (1,), (7,), (2, 3), (3, 2), (2, 3, 4), (5, 1, 2, 3)]


def views(generator):
    """Tensors of all kinds over storages that hold more than they show."""
    x = torch.randn(4, 6, 5, generator=generator)
    return {
        "whole": x,
        "transposed": x.transpose(0, 2),
        "row": x[2],
        "column": x[:, 3],
        "every other": x[::2, 1::3],
        "expanded": x[:, :1].expand(4, 6, 5),
        "permuted": x.permute(2, 0, 1)[1:],
        "diagonal": x[0, :5].diagonal(),
        "with ones": x[:, None, 1:2],
        "one element": x[3, 5, 4],
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_contiguous_strides_are_torchs(shape):
    assert contiguous_strides(shape) == torch.empty(shape).stride()


def test_element_at_finds_every_element_of_every_view(generator):
    for name, x in views(generator).items():
        storage = torch.as_strided(x, (4 * 6 * 5,), (1,), 0)
        for index in itertools.product(*map(range, x.shape)):
            found = element_at(storage, x.storage_offset(), x.stride(), index)
            assert isinstance(found, float), name
            assert found == x[index].item(), name


def test_flattens_as_view_agrees_with_torch(generator):
    verdicts = set()
    for name, x in views(generator).items():
        try:
            x.view(-1)
            expected = True
        except RuntimeError:
            expected = False
        verdicts.add(expected)
        assert flattens_as_view(tuple(x.shape), x.stride()) is expected, name
    assert verdicts == {True, False}


@pytest.mark.parametrize(
    ("shape", "strides", "expected"),
    [
        ((3, 4), (8, 2), True),
        ((3, 4), (4, 2), False),
        ((2, 3), (1, 2), False),
        ((3, 1, 4), (4, 99, 1), True),
        ((1, 5), (0, 3), True),
        ((2, 2), (0, 0), True),
        ((3, 2), (2, 3), False),
    ],
)
def test_flattens_as_view_by_hand(shape, strides, expected):
    assert flattens_as_view(shape, strides) is expected


def test_shares_storage(generator):
    x = torch.randn(4, 6, generator=generator)
    for view in (x, x.T, x[1:], x[:, 2], x.view(-1), x.expand(2, 4, 6), x[3, 5], x.detach()):
        assert shares_storage(x, view) is True
    for copied in (x.clone(), x + 0, x[[0, 1, 2, 3]], x.T.contiguous(), x[x > -99]):
        assert shares_storage(x, copied) is False


@pytest.mark.parametrize(("n", "size", "step"), [(8, 3, 1), (8, 8, 1), (9, 2, 3), (10, 4, 2)])
def test_windows_are_the_slices(n, size, step, generator):
    whole = torch.randn(3 * n + 2, generator=generator)
    for x in (whole[:n], whole[2 : 2 + n], whole[1 : 1 + 3 * n : 3]):
        seen = windows(x, size, step)
        assert seen.shape == (1 + (n - size) // step, size)
        for row in range(len(seen)):
            assert torch.equal(seen[row], x[row * step : row * step + size])


def test_windows_copy_nothing(generator):
    x = torch.randn(10, generator=generator)
    seen = windows(x, 3)
    x[4] = 99.0
    assert seen[2, 2] == seen[3, 1] == seen[4, 0] == 99.0


@pytest.mark.parametrize("dtype", RANK, ids=str)
@pytest.mark.parametrize("other", [*RANK, True, 3, 2.5], ids=str)
def test_promoted_agrees_with_torch(dtype, other):
    right = torch.ones(2, dtype=other) if isinstance(other, torch.dtype) else other
    assert promoted(dtype, other) is (torch.ones(2, dtype=dtype) + right).dtype


if __name__ == "__main__":
    x = torch.arange(24).view(2, 3, 4)
    for name, y in {"x": x, "x.mT": x.mT, "x[1]": x[1], "x[:, ::2]": x[:, ::2]}.items():
        line = f"{name:10} shape {tuple(y.shape)!s:10} strides {y.stride()!s:11}"
        verdict = flattens_as_view(tuple(y.shape), y.stride())
        print(f"{line} offset {y.storage_offset():2}  flattens as a view: {verdict}")
    print(windows(torch.arange(6), 3).tolist())
