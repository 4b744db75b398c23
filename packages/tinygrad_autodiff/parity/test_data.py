"""The data package against torch.utils.data: the same orders, batches and draws from one seed."""

import itertools
import random
from collections import OrderedDict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest
import tinygrad_autodiff as tg
import tinygrad_autodiff.data as ours
import torch
import torch.utils.data as theirs

# torch's workers are processes; fork keeps the tests short
FORK = {"num_workers": 2, "multiprocessing_context": "fork"}
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


def both(make, seed=0):
    """`make(data module, tensor library)` from the same seed on either side."""
    tg.random.manual_seed(seed)
    torch.manual_seed(seed)
    return make(ours, tg), make(theirs, torch)


def entries(batches):
    """Batches as plain lists, single samples as they are."""
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in batches]


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"batch_size": 1}])
@pytest.mark.parametrize("seed", [0, 12345, 2**40 + 7])
def test_shuffled_epochs(size, options, seed):
    """Three epochs, and the state of the generator behind them."""

    def run(data, lib):
        loader = data.DataLoader(range(size), **({"batch_size": 3, "shuffle": True} | options))
        epochs = [entries(loader) for _ in range(3)]
        return epochs, lib.rand(3).tolist()

    first, second = both(run, seed)
    assert first == second


@pytest.mark.parametrize(
    "workers",
    [
        {"num_workers": 0},
        FORK,
        FORK | {"persistent_workers": True},
        FORK | {"num_workers": 3, "prefetch_factor": 4},
    ],
)
@pytest.mark.parametrize("generator", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_workers_draw_from_the_generator_as_torch_does(workers, generator, shuffle):
    """Orders of several epochs, and what the generators give after each."""

    def run(data, lib):
        chosen = lib.random.Generator() if lib is tg else lib.Generator()
        chosen.manual_seed(5)
        options = {"generator": chosen} if generator else {}
        loader = data.DataLoader(range(20), batch_size=3, shuffle=shuffle, **workers, **options)
        return [
            (entries(loader), lib.rand(1).item(), lib.rand(1, generator=chosen).item())
            for _ in range(3)
        ]

    first, second = both(run)
    assert first == second


def test_threads_give_the_same_orders():
    """Our threads against torch's processes."""
    tg.random.manual_seed(3)
    torch.manual_seed(3)
    first = ours.DataLoader(range(50), 4, shuffle=True, num_workers=3)
    second = theirs.DataLoader(range(50), 4, shuffle=True, num_workers=3)
    for _ in range(2):
        assert entries(first) == entries(second)


@pytest.mark.parametrize("size", [1, 10, 33, 1000])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"replacement": True},
        {"replacement": True, "num_samples": 101},
        {"num_samples": 7},
        {"num_samples": 64},
        {"num_samples": 2500},
    ],
)
@pytest.mark.parametrize("generator", [False, True])
def test_random_sampler(size, options, generator):
    """With and without replacement, more and fewer samples than there are."""

    def run(data, lib):
        chosen = (
            (lib.random if lib is tg else lib).Generator().manual_seed(9) if generator else None
        )
        sampler = data.RandomSampler(range(size), **options, generator=chosen)
        return list(sampler), list(sampler), len(sampler), lib.rand(2).tolist()

    first, second = both(run)
    assert first == second


@pytest.mark.parametrize("replacement", [False, True])
def test_weighted_and_subset_samplers(replacement):
    """Both take their draws from the default generator."""
    weights = [0.1, 0.9, 0.0, 0.7, 3.0, 0.6] * 5

    def run(data, lib):
        weighted = data.WeightedRandomSampler(weights, 12, replacement=replacement)
        subset = data.SubsetRandomSampler([3, 1, 4, 15, 9, 2, 6])
        return list(weighted), list(subset), list(weighted), lib.rand(2).tolist()

    for seed in range(20):
        first, second = both(run, seed)
        assert first == second


@pytest.mark.parametrize(
    "lengths", [[10, 20, 70], [0.3, 0.3, 0.4], [0.1] * 10, [1 / 3] * 3, [0.333, 0.667], [100, 0]]
)
def test_random_split(lengths):
    """Numbers and fractions."""

    def run(data, lib):
        return [list(part.indices) for part in data.random_split(range(100), lengths)]

    first, second = both(run)
    assert first == second


def uneven(data, sizes):
    """A stream whose workers end at different times; `sizes[w]` samples from worker w."""

    class Uneven(data.IterableDataset):
        def __iter__(self):
            worker = data.get_worker_info().id
            return (100 * worker + i for i in range(sizes[worker]))

    return Uneven()


@pytest.mark.parametrize("sizes", [(5, 5, 5), (1, 9, 4), (0, 3, 12), (7, 0, 0), (0, 0, 0)])
@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"batch_size": None}])
def test_streams_of_uneven_workers(sizes, options):
    """Batches come in torch's order while workers run dry one by one."""
    options = {"batch_size": 2, "num_workers": 3} | options
    forks = options | {"multiprocessing_context": "fork"}
    expected = entries(theirs.DataLoader(uneven(theirs, sizes), **forks))
    assert entries(ours.DataLoader(uneven(ours, sizes), **options)) == expected
    assert entries(ours.DataLoader(uneven(ours, sizes), **forks)) == expected


class Drawing:
    """Samples that are drawn at random in the worker."""

    def __init__(self, lib, data):
        self.lib, self.data = lib, data

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return self.lib.rand(2), self.data.get_worker_info().seed, random.random()


def test_draws_in_worker_processes():
    """The default generators are seeded as torch seeds them."""

    def run(data, lib):
        loader = data.DataLoader(Drawing(lib, data), batch_size=3, **FORK)
        return [[part.tolist() for part in batch] for batch in loader]

    first, second = both(run)
    assert first == second


Point = namedtuple("Point", "x y")
SAMPLES = {
    "array": lambda i: np.full((2, 3), i, np.float32),
    "array of ints": lambda i: np.arange(3) + i,
    "array of bools": lambda i: np.arange(3) == i,
    "no rows": lambda i: np.zeros((0, 3), np.float32),
    "no columns": lambda i: np.zeros((3, 0), np.float32),
    "0-d array": lambda i: np.array(i, np.int16),
    "transposed": lambda i: np.arange(6.0).reshape(2, 3).T + i,
    "float32": lambda i: np.float32(i),
    "float64": lambda i: np.float64(i),
    "int64": lambda i: np.int64(i),
    "bool_": lambda i: np.bool_(i % 2),
    "int": lambda i: i,
    "float": lambda i: i / 3,
    "bool": lambda i: i % 2 == 0,
    "text": lambda i: f"sample {i}",
    "bytes": lambda i: b"%d" % i,
    "tuple": lambda i: (i, float(i)),
    "list": lambda i: [i, np.ones(2) * i],
    "dict": lambda i: {"a": i, "b": (np.ones(2), str(i))},
    "OrderedDict": lambda i: OrderedDict(z=i, a=float(i)),
    "mapping": lambda i: MappingProxyType({"a": i}),
    "namedtuple": lambda i: Point(i, np.ones(2)),
    "nested": lambda i: [{"p": Point((i, [i]), "s")}, ()],
    "range": lambda i: range(i, i + 3),
    "mixed dtypes": lambda i: np.ones(2, [np.float32, np.int64, np.float16][i]),
}


def plain(value):
    """The same structure with tensors as (dtype, list), in either library."""
    if isinstance(value, (tg.Tensor, torch.Tensor)):
        return str(value.dtype).removeprefix("torch."), list(value.shape), value.tolist()
    if isinstance(value, (dict, MappingProxyType)):
        return type(value), {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [plain(entry) for entry in value]
    return value


@pytest.mark.parametrize("kind", SAMPLES)
def test_default_collate(kind):
    """Types, dtypes, shapes and values of a batch of three."""
    batch = [SAMPLES[kind](i) for i in range(3)]
    assert plain(ours.default_collate(batch)) == plain(theirs.default_collate(batch))


@pytest.mark.parametrize("kind", SAMPLES)
def test_default_convert(kind):
    """One sample, as a loader without batches gives it."""
    from torch.utils.data import default_convert

    assert plain(ours.default_convert(SAMPLES[kind](1))) == plain(default_convert(SAMPLES[kind](1)))


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_of_tensors(shuffle):
    """Our gather of whole batches against torch's samples one by one."""
    x = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)

    def run(data, lib):
        rows = data.TensorDataset(lib.from_numpy(x), lib.arange(23))
        part = data.Subset(data.Subset(rows, range(2, 23)), list(range(0, 20, 2)))
        loaders = [data.DataLoader(d, batch_size=4, shuffle=shuffle) for d in (rows, part)]
        return [plain(batch) for batch in itertools.chain(*loaders)]

    first, second = both(run)
    assert first == second


def test_lengths():
    """len() of loaders of every kind."""
    for size, batch, drop in itertools.product((0, 1, 9, 10), (1, 3, 10, None), (False, True)):
        if drop and batch is None:
            continue
        options = {"batch_size": batch, "drop_last": drop}
        first = ours.DataLoader(range(size), **options)
        assert len(first) == len(theirs.DataLoader(range(size), **options))
        assert entries(first) == entries(theirs.DataLoader(range(size), **options))
