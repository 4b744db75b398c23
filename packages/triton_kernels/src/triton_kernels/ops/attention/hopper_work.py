"""What every warp of a block of threads of the backward on Hopper is given."""

# mypy: ignore-errors
# No ``from __future__ import annotations``: an aggregate's annotations are its types.

from triton_kernels._gluon import aggregate, gl, gluon


@aggregate
class Work:
    """One argument for what would be sixty: tensors and sizes in tuples, and constants.

    A tuple that is held in a variable loses its constants, this does not.
    """

    descriptors: gl.tuple
    """Of q, k, v, do, the rows' lse and delta, dk, dv, ds, and the bias."""
    beside: gl.tuple
    """Pointers: the buffer of dq, ALiBi's slopes, the bits of a mask and those of dropout."""
    slots: gl.tuple
    """In shared memory, for what the descriptors describe."""
    signals: gl.tuple
    """Barriers, full and free, of the slots."""
    place: gl.tuple
    """Batch, key head, first key; first block of rows, how many, where to begin; heads of a group,
    query heads of a batch and of all; where ds is kept."""
    starts: gl.tuple
    """Packed: where the sequence's queries, keys and rows begin; blocks of rows of a head."""
    features: gl.tuple
    """Batches and heads of the bias; the batch's slopes; the bits' strides."""
    edges: gl.tuple
    """Rows and keys, and how far a row sees to the left and to the right."""
    scales: gl.tuple
    """The factor of scores for exp2, that before tanh, and those of dk and dv."""
    LEFT: gl.constexpr
    RIGHT: gl.constexpr
    CAPPED: gl.constexpr
    PACKED: gl.constexpr
    SPLIT: gl.constexpr
    BIAS: gl.constexpr
    SLOPED: gl.constexpr
    MASKED: gl.constexpr
    DROPS: gl.constexpr
    WHOLE: gl.constexpr
    """Whether ds is kept as the bias's gradient, a row of it a row of scores."""
    ADDS: gl.constexpr
    """Whether ds is also added to the bias's gradient."""

    @gluon.constexpr_function
    def __init__(
        self, descriptors, beside, slots, signals, place, starts, features, edges, scales,
        LEFT, RIGHT, CAPPED, PACKED, SPLIT, BIAS, SLOPED, MASKED, DROPS, WHOLE, ADDS,
    ):  # fmt: skip
        self.descriptors = descriptors
        self.beside = beside
        self.slots = slots
        self.signals = signals
        self.place = place
        self.starts = starts
        self.features = features
        self.edges = edges
        self.scales = scales
        self.LEFT = gl.constexpr(LEFT)
        self.RIGHT = gl.constexpr(RIGHT)
        self.CAPPED = gl.constexpr(CAPPED)
        self.PACKED = gl.constexpr(PACKED)
        self.SPLIT = gl.constexpr(SPLIT)
        self.BIAS = gl.constexpr(BIAS)
        self.SLOPED = gl.constexpr(SLOPED)
        self.MASKED = gl.constexpr(MASKED)
        self.DROPS = gl.constexpr(DROPS)
        self.WHOLE = gl.constexpr(WHOLE)
        self.ADDS = gl.constexpr(ADDS)


@aggregate
class RowsWork:
    """The same of the kernel that makes the queries' gradient."""

    descriptors: gl.tuple
    """Of ds, k and dq."""
    sums: gl.tensor
    """The buffer of sums, a pointer."""
    slots: gl.tuple
    """In shared memory, for what the descriptors describe."""
    signals: gl.tuple
    """Barriers, full and free, of the slots."""
    place: gl.tuple
    """Batch, key head, head; the head as ds and as the sums count it; row, tiles, first tile."""
    starts: gl.tuple
    """Packed: where the sequence's queries and keys begin."""
    shelf: gl.tuple
    """Where ds is kept: see ``hopper_parts.tile_of``."""
    edges: gl.tuple
    """Rows and keys, and how far a row sees to the left and to the right."""
    scale: gl.tensor
    KEYS: gl.constexpr
    LEFT: gl.constexpr
    RIGHT: gl.constexpr
    ADD: gl.constexpr
    KEEP: gl.constexpr
    PACKED: gl.constexpr
    WHOLE: gl.constexpr
    """Whether ds is a bias's gradient, not in tiles."""

    @gluon.constexpr_function
    def __init__(
        self, descriptors, sums, slots, signals, place, starts, shelf, edges, scale,
        KEYS, LEFT, RIGHT, ADD, KEEP, PACKED, WHOLE,
    ):  # fmt: skip
        self.descriptors = descriptors
        self.sums = sums
        self.slots = slots
        self.signals = signals
        self.place = place
        self.starts = starts
        self.shelf = shelf
        self.edges = edges
        self.scale = scale
        self.KEYS = gl.constexpr(KEYS)
        self.LEFT = gl.constexpr(LEFT)
        self.RIGHT = gl.constexpr(RIGHT)
        self.ADD = gl.constexpr(ADD)
        self.KEEP = gl.constexpr(KEEP)
        self.PACKED = gl.constexpr(PACKED)
        self.WHOLE = gl.constexpr(WHOLE)
