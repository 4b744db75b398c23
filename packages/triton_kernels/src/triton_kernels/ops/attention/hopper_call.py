"""What every warp of a block of threads of the forward on Hopper is given."""

# mypy: ignore-errors
# No ``from __future__ import annotations``: an aggregate's annotations are its types.

from triton_kernels._gluon import aggregate, gl, gluon


@aggregate
class Call:
    """One argument for what would be forty: tensors and sizes in tuples, and constants.

    A tuple that is held in a variable loses its constants, this does not.
    """

    descriptors: gl.tuple
    """Of q, k, v, o, the bias, and v where a packed sequence ends."""
    beside: gl.tuple
    """Pointers: output, lse, sinks, slopes, packed sequences' tiles, which of them were taken, a
    mask's words and visits, and which warpgroups have strayed."""
    slots: gl.tuple
    """In shared memory, for what the descriptors describe."""
    signals: gl.tuple
    """Barriers, full and free, of the slots of q, k, v, bias, the turns of a ping-pong, and those
    that say which tile was taken."""
    work: gl.tuple
    """Tiles in all and of one head, heads, and the sizes that tiles are found by; how many tiles a
    program may take, and whether it does again those that it took in the launch before."""
    edges: gl.tuple
    """Rows and keys, and how far a row sees to the left and to the right."""
    scales: gl.tuple
    """The factor of scores for exp2, and that before tanh."""
    extras: gl.tuple
    """Batches, heads and rows of a mask; dropout's threshold, factor and seed."""
    LEFT: gl.constexpr
    RIGHT: gl.constexpr
    CAPPED: gl.constexpr
    SLOPED: gl.constexpr
    BIAS: gl.constexpr
    SINKS: gl.constexpr
    PACKED: gl.constexpr
    PING_PONG: gl.constexpr
    ONCE: gl.constexpr
    ORDER: gl.constexpr
    PARTIES: gl.constexpr
    KEPT: gl.constexpr
    AHEAD: gl.constexpr
    AFTER: gl.constexpr
    """Whether a row sees keys after its own."""
    BOUNDED: gl.constexpr
    """Whether scores are so small that exp2 needs no maximum."""
    SHARED: gl.constexpr
    """Whether half of the exponentials are multiplied out."""
    ANCHORED: gl.constexpr
    """Whether the maximum of a tile's first block serves for all of its blocks."""
    HIDES: gl.constexpr
    """Whether a row may see nothing of its first block, or next to nothing."""
    MASKED: gl.constexpr
    DROPS: gl.constexpr
    BENT: gl.constexpr
    """Whether a polynomial stands for a soft cap's tangent, as far as it can."""

    @gluon.constexpr_function
    def __init__(
        self, descriptors, beside, slots, signals, work, edges, scales, extras,
        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER, PARTIES, KEPT,
        AHEAD, AFTER, BOUNDED, SHARED, ANCHORED, HIDES, MASKED, DROPS, BENT,
    ):  # fmt: skip
        self.descriptors = descriptors
        self.beside = beside
        self.slots = slots
        self.signals = signals
        self.work = work
        self.edges = edges
        self.scales = scales
        self.extras = extras
        self.LEFT = gl.constexpr(LEFT)
        self.RIGHT = gl.constexpr(RIGHT)
        self.CAPPED = gl.constexpr(CAPPED)
        self.SLOPED = gl.constexpr(SLOPED)
        self.BIAS = gl.constexpr(BIAS)
        self.SINKS = gl.constexpr(SINKS)
        self.PACKED = gl.constexpr(PACKED)
        self.PING_PONG = gl.constexpr(PING_PONG)
        self.ONCE = gl.constexpr(ONCE)
        self.ORDER = gl.constexpr(ORDER)
        self.PARTIES = gl.constexpr(PARTIES)
        self.KEPT = gl.constexpr(KEPT)
        self.AHEAD = gl.constexpr(AHEAD)
        self.AFTER = gl.constexpr(AFTER)
        self.BOUNDED = gl.constexpr(BOUNDED)
        self.SHARED = gl.constexpr(SHARED)
        self.ANCHORED = gl.constexpr(ANCHORED)
        self.HIDES = gl.constexpr(HIDES)
        self.MASKED = gl.constexpr(MASKED)
        self.DROPS = gl.constexpr(DROPS)
        self.BENT = gl.constexpr(BENT)
