"""
Day 01: The first kernel
========================
Estimated time: 1-2 hours
Prerequisites: Python functions, PyTorch tensors at the level of a first tutorial
Requires: gpu | interpreter

Learning objectives:
- say what a program, a block, a grid and a pointer are, and which line of a kernel uses each
- compute the offsets that one program owns, and load and store them
- launch a kernel over a grid, and derive the grid from the size of the data
- move data in an order of your own: pointers are numbers, and you do the arithmetic

Background:
A GPU is fast because it does the same thing in very many places at once. A **kernel** is the
function that says what is done in one place. Launching it over a **grid** of n makes n
**programs**, all running the same code, in no order that you may rely on. The one thing that tells
them apart is

    pid = tl.program_id(0)          # 0, 1, …, n - 1

In CUDA a program would be a *thread block* and you would write what each of its threads does. In
Triton a program works on whole **blocks** of numbers, and the compiler deals them out to threads:

    offsets = pid * BLOCK + tl.arange(0, BLOCK)

is a block of BLOCK integers (BLOCK must be a power of two, known when the kernel is compiled, hence
`tl.constexpr`). With BLOCK = 4, program 0 gets 0 1 2 3, program 1 gets 4 5 6 7, and so on: the
programs tile the data, each element belongs to exactly one of them.

A tensor that is passed to a kernel arrives as a **pointer** to its first element. Adding integers
to a pointer gives pointers to other elements, counted in elements, not in bytes; so
`x_ptr + offsets` is a block of BLOCK pointers. Two functions touch memory:

    values = tl.load(x_ptr + offsets)          # from memory into registers
    tl.store(y_ptr + offsets, values)          # and back

Between the two you compute with whole blocks, elementwise, as with arrays. Nothing checks that a
pointer stays inside its tensor. A load beyond the end reads what happens to be there, a store
beyond the end destroys it; the tests put guards around every buffer to catch you. (Sizes that BLOCK
does not divide come tomorrow; today every size is a multiple.)

A kernel is launched from Python with the grid in square brackets,

    copy_kernel[(programs,)](x, y, BLOCK=256)

and returns at once: it has no return value, its results are what it stored.

No GPU? With TRITON_INTERPRET=1 in the environment, set before triton is imported, the programs of
a grid run one after another in Python on NumPy. It is slow, it is exact, and `print` and a debugger
work inside a kernel. `roadmap test` sets it for you where there is no GPU.

To read: Tillet, Kung & Cox, *Triton: An Intermediate Language and Compiler for Tiled Neural Network
Computations* (MAPL 2019), sections 2 and 3; the chapter on the programming model in NVIDIA's CUDA
programming guide, for what a program is made of. The professional version of today's kernels:
`torch.Tensor.copy_`, and in this package `triton_kernels.vector_add`.

On a GPU `roadmap test` also times your kernels once they are right. Copying computes nothing, so
all that counts is how fast memory is: the **roofline** is the time that this machine needs to read
and write so many bytes at its best, and you are shown your share of it. Each timed run gets inputs
of its own, and its result is checked like any other.

Hints:
- Write down on paper, for BLOCK = 4 and 8 elements, which program touches which element.
- In the interpreter, `print(offsets)` inside a kernel shows the block of every program.
- A kernel knows only pointers and numbers; how many elements there are is the launcher's business.
"""

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

import triton
import triton.language as tl

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


# Exercise 1: how many programs
def programs_for(elements, block):
    """How many programs of `block` elements each it takes to cover `elements`.

    Args:
        elements: an int >= 0.
        block: an int > 0.

    Returns:
        The smallest int n with n * block >= elements.
    """
    # TODO: a division that rounds up, in integers
    # HINT: a remainder, however small, needs a program of its own
    # HINT: elements // block rounds down; what must be added to elements first?
    # HINT: add block - 1; floating point would go wrong beyond 2**53
    # SOLUTION
    return (elements + block - 1) // block
    # MUTANT: return elements // block
    # MUTANT: return elements // block + 1
    # MUTANT: return -int(-elements / block // 1)
    # END SOLUTION


# Exercise 2: who am I
@triton.jit
def stamp_kernel(out_ptr):
    """Program number p stores p in element p of `out_ptr` (int32); one element a program."""
    # TODO: find out which program this is, and store that number in its place
    # HINT: tl.program_id(0) is this program's number
    # HINT: out_ptr + pid is the pointer to element pid; a single pointer works like a block
    # HINT: tl.store(pointer, value)
    # SOLUTION
    pid = tl.program_id(0)
    tl.store(out_ptr + pid, pid)
    # MUTANT: tl.store(out_ptr, pid)
    # MUTANT: tl.store(out_ptr + pid, pid + 1)
    # MUTANT: tl.store(out_ptr + 4 * pid, pid)
    # END SOLUTION


# Exercise 3: copy
@triton.jit
def copy_kernel(x_ptr, y_ptr, BLOCK: tl.constexpr):
    """Program p copies elements p·BLOCK … (p + 1)·BLOCK - 1 of x to y."""
    # TODO: compute this program's offsets, load them from x, store them to y
    # HINT: offsets = pid * BLOCK + tl.arange(0, BLOCK)
    # HINT: load from x_ptr + offsets, store to y_ptr + offsets
    # HINT: forget pid, and every program copies the first block
    # SOLUTION
    pid = tl.program_id(0)
    offsets = pid * BLOCK + tl.arange(0, BLOCK)
    # MUTANT: offsets = tl.arange(0, BLOCK)
    # MUTANT: offsets = pid + tl.arange(0, BLOCK)
    # MUTANT: offsets = (pid + 1) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x_ptr + offsets)
    tl.store(y_ptr + offsets, values)
    # MUTANT: tl.store(x_ptr + offsets, values)
    # END SOLUTION


# Exercise 4: launch it
def copy(x, block=256):
    """A new tensor with the elements of `x`, copied by `copy_kernel`.

    Args:
        x: contiguous tensor on DEVICE whose number of elements is a multiple of `block`.
        block: elements a program, a power of two.

    Returns:
        A tensor of x's shape, dtype and device, in memory of its own.
    """
    # TODO: make room for the result, and launch copy_kernel over a grid that covers all of x
    # HINT: torch.empty_like(x) makes room without filling it
    # HINT: x.numel() counts elements over all dimensions; len(x) does not
    # HINT: copy_kernel[(programs_for(x.numel(), block),)](x, y, BLOCK=block)
    # SOLUTION
    y = torch.empty_like(x)
    # MUTANT: y = x
    copy_kernel[(programs_for(x.numel(), block),)](x, y, BLOCK=block)
    # MUTANT: copy_kernel[(1,)](x, y, BLOCK=block)
    # MUTANT: copy_kernel[(x.numel(),)](x, y, BLOCK=block)
    # MUTANT: copy_kernel[(programs_for(len(x), block),)](x, y, BLOCK=block)
    return y
    # END SOLUTION


# Exercise 5: compute on the way
@triton.jit
def scale_kernel(x_ptr, y_ptr, factor, shift, BLOCK: tl.constexpr):
    """y = factor·x + shift, a block a program; factor and shift are numbers, not pointers."""
    # TODO: copy_kernel with arithmetic between the load and the store
    # HINT: blocks behave like arrays: factor * values + shift
    # HINT: factor and shift arrive as numbers; only tensors arrive as pointers
    # SOLUTION
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x_ptr + offsets)
    tl.store(y_ptr + offsets, factor * values + shift)
    # MUTANT: tl.store(y_ptr + offsets, factor * (values + shift))
    # MUTANT: tl.store(y_ptr + offsets, factor * offsets + shift)
    # MUTANT: tl.store(x_ptr + offsets, factor * values + shift)
    # END SOLUTION


# Exercise 6: pointers are arithmetic
@triton.jit
def reverse_kernel(x_ptr, y_ptr, elements, BLOCK: tl.constexpr):
    """y[i] = x[elements - 1 - i]; program p fills the p-th block of y."""
    # TODO: store to this program's own block, but load from the mirrored places
    # HINT: where does y[0] come from, where does y[elements - 1]?
    # HINT: mirrored = elements - 1 - offsets
    # HINT: the block of y at pid comes from another block of x, read backwards
    # SOLUTION
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mirrored = elements - 1 - offsets
    # MUTANT: mirrored = elements - offsets
    # MUTANT: mirrored = elements - BLOCK - tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    # MUTANT: mirrored = (tl.program_id(0) + 1) * BLOCK - 1 - tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + mirrored))
    # END SOLUTION


# TESTS
import os

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GUARD = 64
CANARY = -12345.0


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(int(os.environ.get("ROADMAP_SEED", "0")))


class Guarded:
    """A buffer of NaN between two guards that no kernel may touch."""

    def __init__(self, elements, dtype=torch.float32, fill=float("nan")):
        self.whole = torch.full((elements + 2 * GUARD,), CANARY, dtype=dtype, device=DEVICE)
        self.inner = self.whole[GUARD : GUARD + elements]
        self.inner.fill_(fill)

    def guards_hold(self):
        ends = torch.cat([self.whole[:GUARD], self.whole[len(self.inner) + GUARD :]])
        return bool((ends == CANARY).all())


def numbers(elements, generator):
    """Guarded random numbers, and a copy to compare with."""
    buffer = Guarded(elements)
    buffer.inner.copy_(torch.randn(elements, generator=generator))
    return buffer, buffer.inner.clone()


SIZES = [(4, 4), (64, 16), (96, 32), (1024, 256)]


@pytest.mark.parametrize("block", [1, 4, 256, 1000])
def test_programs_for_covers_and_wastes_nothing(block):
    for elements in (0, 1, block - 1, block, block + 1, 10 * block, 10 * block + 1, 2**60 + 1):
        n = programs_for(elements, block)
        assert isinstance(n, int)
        assert n * block >= elements > (n - 1) * block or (elements == 0 and n == 0)


@pytest.mark.parametrize("programs", [1, 2, 7, 32])
def test_stamp_writes_every_place_once(programs):
    out = Guarded(programs, torch.int32, fill=-1)
    stamp_kernel[(programs,)](out.inner)
    assert out.inner.tolist() == list(range(programs))
    assert out.guards_hold()


@pytest.mark.parametrize(("elements", "block"), SIZES)
def test_copy_kernel_copies_all_and_only_that(elements, block, generator):
    x, expected = numbers(elements, generator)
    y = Guarded(elements)
    copy_kernel[(elements // block,)](x.inner, y.inner, BLOCK=block)
    assert torch.equal(y.inner, expected)
    assert torch.equal(x.inner, expected)
    assert x.guards_hold()
    assert y.guards_hold()


def test_copy_kernel_touches_only_its_own_block(generator):
    x, expected = numbers(64, generator)
    y = Guarded(64)
    copy_kernel[(2,)](x.inner, y.inner, BLOCK=16)
    assert torch.equal(y.inner[:32], expected[:32])
    assert bool(y.inner[32:].isnan().all())


@pytest.mark.parametrize(("shape", "block"), [((8, 32), 64), ((256,), 256), ((2, 3, 64), 32)])
def test_copy_keeps_shape_and_has_memory_of_its_own(shape, block, generator):
    x = torch.randn(shape, generator=generator).to(DEVICE)
    before = x.clone()
    y = copy(x, block=block)
    assert y.shape == x.shape
    assert torch.equal(y, before)
    assert y.data_ptr() != x.data_ptr()


def test_copy_launches_no_program_too_many(generator, monkeypatch):
    grids = []
    real = copy_kernel

    class Recorded:
        def __getitem__(self, grid):
            grids.append(grid)
            return real[grid]

    monkeypatch.setitem(copy.__globals__, "copy_kernel", Recorded())
    copy(torch.randn(4, 32, generator=generator).to(DEVICE), block=32)
    assert grids == [(4,)]


@pytest.mark.parametrize(("elements", "block"), SIZES)
def test_scale_kernel(elements, block, generator):
    x, before = numbers(elements, generator)
    y = Guarded(elements)
    scale_kernel[(elements // block,)](x.inner, y.inner, 3.0, -0.5, BLOCK=block)
    torch.testing.assert_close(y.inner, 3.0 * before - 0.5)
    assert torch.equal(x.inner, before)
    assert y.guards_hold()


@pytest.mark.parametrize(("elements", "block"), SIZES)
def test_reverse_kernel(elements, block, generator):
    x, before = numbers(elements, generator)
    y = Guarded(elements)
    reverse_kernel[(elements // block,)](x.inner, y.inner, elements, BLOCK=block)
    assert torch.equal(y.inner, before.flip(0))
    assert x.guards_hold()
    assert y.guards_hold()


class RooflineCopy:
    """512 MiB copied: every element is read once and written once."""

    SIZE, SMALL = 2**27, 2**12

    def __init__(self, size):
        self.size = size
        self.bytes, self.flops = 2 * 4 * size, 0

    def inputs(self, generator):
        return (torch.randn(self.size, generator=generator, device=DEVICE),)

    def run(self, x):
        return copy(x, block=1024)

    def check(self, y, x):
        assert torch.equal(y, x), "y is not x"


class RooflineScale:
    """512 MiB scaled and shifted: as many bytes as the copy, and hardly more to compute."""

    SIZE, SMALL = 2**27, 2**12

    def __init__(self, size):
        self.size = size
        self.bytes, self.flops = 2 * 4 * size, 0

    def inputs(self, generator):
        x = torch.randn(self.size, generator=generator, device=DEVICE)
        return x, torch.full_like(x, float("nan"))

    def run(self, x, y):
        scale_kernel[(self.size // 1024,)](x, y, 3.0, -0.5, BLOCK=1024)
        return y

    def check(self, y, x, _):
        torch.testing.assert_close(y, 3.0 * x - 0.5)


if __name__ == "__main__":
    stamps = torch.empty(8, dtype=torch.int32, device=DEVICE)
    stamp_kernel[(8,)](stamps)
    print("stamps  ", stamps.tolist())
    line = torch.arange(8.0, device=DEVICE)
    print("copy    ", copy(line, block=4).tolist())
    turned = torch.empty_like(line)
    reverse_kernel[(2,)](line, turned, 8, BLOCK=4)
    print("reversed", turned.tolist())
