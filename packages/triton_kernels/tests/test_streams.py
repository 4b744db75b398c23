"""Groups fit into shared memory, rows into the registers of clusters, by the tables alone."""

import pytest
from triton_kernels.ops.norms import streams
from triton_kernels.ops.softmax import shapes
from triton_kernels.ops.streams import Cluster

PROCESSOR, PROGRAM, SYSTEM, SUMS = 228 * 1024, 227 * 1024, 1024, 512
"""Bytes of shared memory: a processor's, the most a program has, what each program costs beside,
and room for its barriers and the sums that its warps exchange."""


def fits(nbytes, resident):
    nbytes += SUMS
    return nbytes <= PROGRAM and resident * (nbytes + SYSTEM) <= PROCESSOR


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("op", ["rms_norm", "layer_norm", "softmax"])
def test_rows_fit(op, backward):
    def cluster_for(columns, itemsize=2):
        if op == "softmax":
            return shapes.cluster_for(columns, itemsize, backward)
        return streams.row_cluster(columns, itemsize, op == "layer_norm", backward)

    found = 0
    for columns in (2**power for power in range(19)):
        cluster = cluster_for(columns)
        if cluster is None:
            continue
        found += 1
        assert cluster.columns(columns, 2) == columns  # no thread without columns
        assert cluster.columns(columns - 16, 2) == columns
        assert cluster.rows == 1 or cluster.columns_at_once(2) == columns
        options = cluster.options()
        threads = 32 * options["num_warps"] * cluster.resident
        assert options["maxnreg"] * threads <= 65536
        assert threads <= 2048
        assert options["num_ctas"] in (1, 2, 4, 8)  # more are not portable
        # An H200's: at most 16 of 18 multiprocessors of a group, if a cluster takes 4 or 8.
        assert cluster.at_once(132) * cluster.parts <= 132 * cluster.resident
        assert cluster_for(3 * columns // 4) is None
        wide = cluster_for(columns, 4)
        assert wide is None or wide.columns(columns, 4) == columns
    assert found


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("dropped", [False, True])
def test_full_rows_fit(added, dropped):
    for columns in (2**power for power in range(19)):
        cluster = streams.full_cluster(4, columns, 2, added, dropped)
        if cluster is None:
            continue
        assert cluster.columns(columns, 2) == columns
        assert cluster.options()["maxnreg"] * 32 * cluster.warps * cluster.resident <= 65536
        assert (streams.full_cluster(3, columns, 2, added, dropped) is None) == (cluster.teams == 2)
        assert streams.full_cluster(4, columns - 16, 2, added, dropped) is None
        assert streams.full_cluster(4, columns, 4, added, dropped) is None


def test_a_row_that_has_no_registers_is_read_twice():
    for power in range(11, 16):
        cluster = streams.row_cluster(2**power, 2, True, False)
        assert cluster.parts == 1
        assert cluster.holds(2**power, 2) == (power < 14)


def test_the_last_round_is_for_all():
    cluster = Cluster(2, 16, 1)
    assert cluster.at_once(132) == 66
    assert cluster.evenly(4096, 132) == 64  # of 66 four would take a 63rd row, and then wait
    assert [cluster.evenly(rows, 132) for rows in (1, 65, 66, 132)] == [1, 65, 66, 66]
    assert cluster.evenly(70, 132) == 66  # not half of them for two full rounds
    assert cluster._replace(parts=4).evenly(2048, 132) == 30


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
