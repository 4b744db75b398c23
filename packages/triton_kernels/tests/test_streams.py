"""What is streamed through shared memory fits into it, by the tables alone."""

import pytest
from triton_kernels.ops.norms import streams

PROCESSOR, PROGRAM, SYSTEM, SUMS = 228 * 1024, 227 * 1024, 1024, 512
"""Bytes of shared memory: a processor's, the most a program has, what each program costs beside,
and room for its barriers and the sums that its warps exchange."""


def fits(nbytes, resident):
    nbytes += SUMS
    return nbytes <= PROGRAM and resident * (nbytes + SYSTEM) <= PROCESSOR


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("centered", [False, True])
def test_rows_fit(centered, backward):
    found = 0
    for columns in (2**power for power in range(18)):
        stream = streams.row_stream(columns, 2, centered, backward)
        if stream is None:
            continue
        found += 1
        assert stream.parts * stream.nbytes == 2 * columns
        tensors = 2 if backward else 1
        assert fits(stream.nbytes * (tensors * stream.slots + stream.stored), stream.resident)
        # With parts a row is finished while the next is read and the one after it is on its way.
        assert stream.slots >= (3 if stream.parts > 1 else 2)
        threads = 32 * stream.warps * stream.resident
        assert streams.options(stream)["maxnreg"] * threads <= 65536
        assert streams.row_stream(3 * columns // 4, 2, centered, backward) is None
        assert streams.row_stream(columns, 4, centered, backward) is None
    assert found


@pytest.mark.parametrize("backward", [False, True])
def test_groups_fit(backward):
    for lines in range(1, 2000):
        stream = streams.group_stream(lines, backward)
        if stream is None:
            assert lines > 512
            continue
        nbytes = stream.groups * stream.lines * 128 * (2 if backward else 1)
        assert fits(nbytes * stream.slots, stream.resident)
        # One chunk more than a group has, or a slot would be filled that is still read.
        assert stream.chunks(lines) < stream.slots
        assert stream.chunks(lines) == 1 or stream.groups == 1
