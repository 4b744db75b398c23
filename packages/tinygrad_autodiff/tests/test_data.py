"""Datasets, samplers and collation. (Orders and dtypes against torch: parity/test_data.py.)"""

import copy
from collections import namedtuple

import numpy as np
import pytest
from tinygrad_autodiff import random
from tinygrad_autodiff.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)
from tinygrad_autodiff.data.dataset import columns
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError, DimError, ShapeError
from tinygrad_autodiff.tensor import Tensor


class Squares(Dataset):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return index * index


class Stream(IterableDataset):
    def __init__(self, *values):
        self.values = values

    def __iter__(self):
        return iter(self.values)


# ---- datasets ------------------------------------------------------------------------------------


def test_rows_of_tensors_and_arrays():
    data = TensorDataset(Tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([7, 8]))
    assert len(data) == 2
    x, y = data[1]
    assert isinstance(x, Tensor)
    assert x.tolist() == [3, 4]
    assert y == 8


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ((), ShapeError, "first dimensions of one size"),
        ((np.zeros((2, 3)), np.zeros(3)), ShapeError, r"shapes \(2, 3\), \(3,\)"),
        ((np.zeros(()),), ShapeError, r"shapes \(\)"),
        (([1, 2],), ArgumentTypeError, "tensors or arrays, got list"),
    ],
)
def test_wrong_tensors(tensors, error, message):
    with pytest.raises(error, match=message):
        TensorDataset(*tensors)


def test_datasets_side_by_side():
    numbers, letters = range(3), "abc"
    pairs = StackDataset(numbers, letters)
    assert [pairs[i] for i in range(len(pairs))] == [(0, "a"), (1, "b"), (2, "c")]
    named = StackDataset(x=numbers, y=letters)
    assert len(named) == 3
    assert next(iter(DataLoader(named, 2)))["x"].tolist() == [0, 1]
    for parts, names in (((), {}), ((numbers,), {"y": letters}), ((numbers, "ab"), {})):
        with pytest.raises(ArgumentError, match="StackDataset: expected datasets"):
            StackDataset(*parts, **names)


def test_subset_of_a_subset():
    inner = Subset(Squares(10), [9, 3, 5, 7])
    outer = Subset(inner, (2, 0))
    assert [outer[i] for i in range(len(outer))] == [25, 81]
    assert outer.__getitems__([1, 0]) == [81, 25]
    assert Subset(np.arange(10) * 2, [4, 2])[[1, 0]].tolist() == [4, 8]


def test_concatenation():
    data = Squares(3) + Squares(0) + Squares(2)
    assert [data[i] for i in range(len(data))] == [0, 1, 4, 0, 1]
    assert [data[-i] for i in range(1, 6)] == [1, 0, 4, 1, 0]
    for index in (5, -6):
        with pytest.raises(DimError, match=f"index {index} is out of range for 5 samples"):
            data[index]
    with pytest.raises(ArgumentError, match="at least one"):
        ConcatDataset([])
    with pytest.raises(ArgumentError, match="has no index"):
        ConcatDataset([Squares(2), Stream(1)])


def test_chain_of_streams():
    assert list(Stream(1, 2) + Stream() + Stream(3)) == [1, 2, 3]
    with pytest.raises(ArgumentTypeError, match="got Squares"):
        ChainDataset([Stream(1), Squares(2)])


def test_what_a_subclass_must_define():
    for use in (lambda: Dataset()[0], lambda: iter(IterableDataset()), lambda: iter(Sampler())):
        with pytest.raises(NotImplementedError, match="defines no __"):
            use()


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([3, 7], [3, 7]),
        ([0.5, 0.25, 0.25], [6, 2, 2]),
        ([0.25] * 4, [3, 3, 2, 2]),
        ([1.0], [10]),
    ],
)
def test_random_split_covers_everything_once(lengths, expected):
    parts = random_split(Squares(10), lengths, random.Generator().manual_seed(0))
    assert [len(part) for part in parts] == expected
    assert sorted(i for part in parts for i in part.indices) == list(range(10))
    again = random_split(Squares(10), lengths, random.Generator().manual_seed(0))
    assert [part.indices for part in again] == [part.indices for part in parts]
    assert [i for part in parts for i in part.indices] != list(range(10))


@pytest.mark.parametrize("lengths", [[3, 3], [11], [-1, 11], [0.5, 0.4], [1.5, -0.5], []])
def test_random_split_that_does_not_add_up(lengths):
    with pytest.raises(ArgumentError, match="random_split: "):
        random_split(Squares(10), lengths)


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="part 1 is empty"):
        random_split(Squares(2), [0.9, 0.1])


def test_columns_are_the_collated_samples():
    data = TensorDataset(np.arange(12.0).reshape(6, 2), np.arange(6), Tensor(np.eye(6)))
    part = Subset(Subset(data, range(1, 6)), [4, 0, 2, 3])
    for dataset, indices in ((data, [5, -1, 0]), (part, [2, 1]), (data, [3])):
        gathered = columns(dataset, indices)
        one_by_one = default_collate([dataset[i] for i in indices])
        for a, b in zip(gathered, one_by_one, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy(), strict=True)


def test_columns_only_where_nothing_is_overridden():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return (2 * super().__getitem__(index)[0],)

    data = TensorDataset(np.arange(4))
    assert columns(Doubled(np.arange(4)), [0]) is None
    assert columns(Subset(Doubled(np.arange(4)), [1]), [0]) is None
    for indices in ([], [0, 4], [-5], [True], [slice(2)], 0, [np.int64(1)]):
        assert columns(data, indices) is None
    assert columns(TensorDataset(np.array(["a"])), [0]) is None


# ---- samplers ------------------------------------------------------------------------------------


def test_sequential_and_batches():
    sampler = SequentialSampler(range(5))
    assert list(sampler) == [0, 1, 2, 3, 4]
    assert list(BatchSampler(sampler, 2, drop_last=False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(sampler, 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert [len(BatchSampler(sampler, 2, drop)) for drop in (False, True)] == [3, 2]
    assert list(BatchSampler("abc", 2, False)) == [["a", "b"], ["c"]]


def test_random_order_is_a_permutation_and_follows_the_seed():
    def epochs(seed):
        random.manual_seed(seed)
        sampler = RandomSampler(range(100))
        return [list(sampler) for _ in range(2)]

    first = epochs(0)
    assert first == epochs(0)
    assert first != epochs(1)
    assert first[0] != first[1]
    assert sorted(first[0]) == sorted(first[1]) == list(range(100))


def test_more_samples_than_there_are():
    random.manual_seed(0)
    found = list(RandomSampler(range(10), num_samples=25))
    assert [sorted(found[:10]), sorted(found[10:20])] == [list(range(10))] * 2
    assert len(set(found[20:])) == 5
    assert found[20:] != sorted(found[20:])
    drawn = list(RandomSampler(range(10), replacement=True, num_samples=1000))
    assert set(drawn) == set(range(10))
    assert len(drawn) == 1000


def test_subset_in_random_order():
    assert sorted(SubsetRandomSampler([5, 5, 9])) == [5, 5, 9]


def test_weights_are_probabilities():
    random.manual_seed(0)
    weights = np.array([1, 0, 3, 6])
    counts = np.bincount(list(WeightedRandomSampler(weights, 10_000)), minlength=4)
    deviation = np.sqrt(weights * (10 - weights) * 100)
    assert (abs(counts - 1000 * weights) <= 4 * deviation).all()


def test_weights_without_replacement():
    """The first of two draws follows the weights, the second what is then left."""
    random.manual_seed(0)
    draws = [tuple(WeightedRandomSampler([1, 0, 3], 2, replacement=False)) for _ in range(2000)]
    assert set(draws) == {(0, 2), (2, 0)}
    assert abs(draws.count((0, 2)) - 500) < 4 * np.sqrt(2000 * 0.25 * 0.75)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSampler([]), "num_samples should be a positive integer, got 0"),
        (lambda: RandomSampler([1], num_samples=-1), "got -1"),
        (lambda: RandomSampler([1], num_samples=1.5), "got 1.5"),
        (lambda: BatchSampler([1], 0, False), "batch_size should be a positive integer, got 0"),
        (lambda: BatchSampler([1], True, False), "got True"),
        (lambda: WeightedRandomSampler([1], 0), "num_samples should be"),
        (lambda: WeightedRandomSampler([1, -1], 1), "finite weights >= 0"),
        (lambda: WeightedRandomSampler([1, float("nan")], 1), "finite weights >= 0"),
        (lambda: WeightedRandomSampler([0, 0], 1), "not all 0"),
        (lambda: WeightedRandomSampler([[1]], 1), "a row of"),
        (lambda: WeightedRandomSampler([1, 0], 2, replacement=False), "only 1 weights are"),
    ],
)
def test_wrong_samplers(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


# ---- collation -----------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


def test_nested_batches():
    batch = [{"p": Point(i, (float(i), [np.ones(2, np.float32) * i])), "t": str(i)} for i in (1, 2)]
    found = default_collate(batch)
    assert found["t"] == ["1", "2"]
    assert isinstance(found["p"], Point)
    assert found["p"].x.tolist() == [1, 2]
    numbers, (arrays,) = found["p"].y
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(arrays.numpy(), np.float32([[1, 1], [2, 2]]), strict=True)


def test_a_batch_has_its_own_memory():
    samples = [np.zeros(2), np.ones(2)]
    batch = default_collate(samples)
    batch.numpy()[:] = 7
    assert samples[0].tolist() == [0, 0]


def test_gradients_flow_through_a_batch():
    x = Tensor([1.0, 2.0], requires_grad=True)
    default_collate([x[0], x[1] * 3]).sum().backward()
    assert x.grad.tolist() == [1, 3]


def test_a_mapping_keeps_its_type_and_attributes():
    class Record(dict):
        pass

    record = Record(a=1)
    record.origin = "here"
    found = default_collate([record, Record(a=2)])
    assert (type(found), found.origin, found["a"].tolist()) == (Record, "here", [1, 2])
    assert record == {"a": 1}


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([], ArgumentError, "the batch is empty"),
        ([object()], ArgumentTypeError, "got object; give the DataLoader a collate_fn"),
        ([None], ArgumentTypeError, "got NoneType"),
        ([np.array(["a"])], ArgumentTypeError, "got ndarray of <U1"),
        ([np.array([{}])], ArgumentTypeError, "got ndarray of object"),
        ([np.zeros(2), np.zeros(2), np.zeros(3)], ShapeError, r"shape \(2,\), sample 2 has \(3,\)"),
        ([[1, 2], [1]], ShapeError, r"equal size, got the lengths \[1, 2\]"),
        ([{"a": 1}, {"b": 1}], ArgumentError, "sample 1 has no 'a'"),
        ([np.zeros(2), "text"], ArgumentTypeError, "sample 1 of the batch is str, sample 0 is nd"),
        ([1, 2**70], ArgumentTypeError, "cannot make a tensor of list"),
        ([(1, 2), 3], ArgumentTypeError, "is int, sample 0 is tuple"),
    ],
)
def test_what_cannot_be_collated(batch, error, message):
    with pytest.raises(error, match=message):
        default_collate(batch)


def test_default_convert():
    found = default_convert({"a": np.arange(2), "b": [np.float32(1), "text"], "c": Point(1, None)})
    assert found["a"].tolist() == [0, 1]
    assert found["b"][0].dtype == np.float32
    assert found["b"][1] == "text"
    assert found["c"] == Point(1, None)
    assert default_convert(text := np.array(["a"])) is text


def test_datasets_can_be_copied():
    assert copy.deepcopy(TensorDataset(np.arange(3)))[2] == (2,)
