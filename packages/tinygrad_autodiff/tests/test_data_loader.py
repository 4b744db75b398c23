"""The DataLoader: the same batches however they are fetched, and workers that always end."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import numpy as np
import pytest
from tinygrad_autodiff import random
from tinygrad_autodiff.data import (
    DataLoader,
    DataLoaderError,
    Dataset,
    IterableDataset,
    TensorDataset,
    get_worker_info,
    worker,
)
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError

FORK = "fork"
THREADS = {"num_workers": 2}
FORKS = {"num_workers": 2, "multiprocessing_context": FORK}
WAYS = {
    "here": {},
    "one thread": {"num_workers": 1},
    "three threads": {"num_workers": 3, "prefetch_factor": 1},
    "persistent threads": {"num_workers": 2, "persistent_workers": True},
    "processes": FORKS,
    "persistent processes": FORKS | {"persistent_workers": True},
}
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


class Items(Dataset):
    """Indices as samples; `hook(index)` is called for each."""

    def __init__(self, size, hook=lambda index: None):
        self.size, self.hook = size, hook

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        self.hook(index)
        return index


class Stream(IterableDataset):
    """0 … size - 1, dealt out to the workers in turn."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, self.size, info.num_workers) if info else range(self.size))


def running():
    """Names of the threads and processes that the loaders of this test have left."""
    gc.collect()
    names = [t.name for t in threading.enumerate() if t.name.startswith("DataLoader")]
    return names + [process.name for process in multiprocessing.active_children()]


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert running() == []


def lists(loader):
    return [batch.tolist() for batch in loader]


def eventually(condition):
    """Whether it becomes true, given time on a busy machine."""
    for _ in range(1000):
        if condition():
            return True
        time.sleep(0.01)
    return False


# ---- the same batches ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_batches_come_in_order(way):
    loader = DataLoader(Items(10), batch_size=4, **WAYS[way])
    for _ in range(2):
        assert lists(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3


@pytest.mark.parametrize("way", WAYS)
def test_equal_seeds_give_equal_epochs(way):
    def epochs(seed):
        random.manual_seed(seed)
        loader = DataLoader(Items(20), batch_size=6, shuffle=True, drop_last=True, **WAYS[way])
        return [lists(loader) for _ in range(2)]

    first = epochs(1)
    assert first == epochs(1)
    assert first[0] != first[1]
    assert [len(batch) for batch in first[0]] == [6, 6, 6]


@pytest.mark.parametrize("way", WAYS)
def test_streams(way):
    loader = DataLoader(Stream(11), batch_size=2, **WAYS[way])
    for _ in range(2):
        assert sorted(number for batch in loader for number in batch.tolist()) == list(range(11))
    assert len(loader) == 6
    assert len(DataLoader(Stream(11), batch_size=2, drop_last=True)) == 5
    assert len(DataLoader(Stream(11), batch_size=None)) == 11


@pytest.mark.parametrize("way", WAYS)
def test_without_batches(way):
    rows = TensorDataset(np.arange(6.0).reshape(3, 2))
    loader = DataLoader(rows, batch_size=None, sampler=[2, 0], **WAYS[way])
    assert [row.tolist() for (row,) in loader] == [[4, 5], [0, 1]]
    assert list(DataLoader(Stream(3), batch_size=None, **WAYS[way], shuffle=False))[:1] == [0]


@pytest.mark.parametrize("way", WAYS)
def test_empty(way):
    assert lists(DataLoader(Items(0), **WAYS[way])) == []
    assert lists(DataLoader(Stream(0), **WAYS[way])) == []


@pytest.mark.parametrize("way", WAYS)
def test_own_samplers_and_collation(way):
    batches = [[3, 1], [], [2]]
    options = {"batch_sampler": batches, "collate_fn": tuple, **WAYS[way]}
    loader = DataLoader(Items(5), **options)
    assert list(loader) == [(3, 1), (), (2,)]
    assert (len(loader), loader.batch_size) == (3, None)
    assert lists(DataLoader(Items(5), 2, sampler=(4, 4, 0), **WAYS[way])) == [[4, 4], [0]]


def test_whatever_has_an_index_is_a_dataset():
    assert lists(DataLoader(np.arange(5) * 2, 2, **THREADS)) == [[0, 2], [4, 6], [8]]
    assert list(DataLoader("abc", 2)) == [["a", "b"], ["c"]]


def test_large_arrays_arrive_whole_and_writable():
    """More than a pipe holds, empty ones, and orders in memory that are not row-major."""
    arrays = [np.arange(600_000.0).reshape(2, -1), np.zeros((0, 3)), np.arange(6.0).reshape(2, 3).T]
    loader = DataLoader(arrays, batch_size=None, **FORKS)
    for found, array in zip(loader, arrays, strict=True):
        np.testing.assert_array_equal(found.numpy(), array, strict=True)
        found.numpy()[...] = 1


def test_spawned_processes():
    rows = TensorDataset(np.arange(5), np.eye(5))
    loader = DataLoader(rows, 2, num_workers=1, multiprocessing_context="spawn")
    assert [x.tolist() for x, _ in loader] == [[0, 1], [2, 3], [4]]


# ---- how they are fetched ------------------------------------------------------------------------


def test_uneven_workers_do_not_change_the_order():
    def slow(index):
        time.sleep(0.02 * (index % 3 == 0))

    assert lists(DataLoader(Items(9, slow), 1, num_workers=3)) == [[i] for i in range(9)]


def test_as_many_batches_are_fetched_ahead_as_asked():
    fetched = []
    done = threading.Semaphore(0)

    def hook(index):
        fetched.append(index)
        done.release()

    batches = iter(DataLoader(Items(20, hook), 1, num_workers=2, prefetch_factor=3))
    for _ in range(6):
        assert done.acquire(timeout=30)
    assert sorted(fetched) == [0, 1, 2, 3, 4, 5]
    next(batches)
    assert done.acquire(timeout=30)
    assert sorted(fetched) == [0, 1, 2, 3, 4, 5, 6]


def test_workers_work_at_the_same_time():
    together = threading.Barrier(3)
    loader = DataLoader(Items(3, lambda index: together.wait(30)), 1, num_workers=3)
    assert lists(loader) == [[0], [1], [2]]


class Batch:
    """Counts the batches that are alive, and the most there were."""

    alive = most = 0

    def __init__(self, found):
        Batch.alive += 1
        Batch.most = max(Batch.most, Batch.alive)

    def __del__(self):
        Batch.alive -= 1


@pytest.mark.parametrize(("options", "most"), [({}, 1), ({"num_workers": 1}, 4)])
def test_batches_are_not_kept_alive(options, most):
    Batch.most = 0
    for batch in DataLoader(Items(20), 1, collate_fn=Batch, **options):
        del batch  # or it would live while the next is made
    assert Batch.alive == 0
    assert Batch.most <= most  # prefetched: two that wait, one made, one just dropped


def test_batches_of_an_epoch_that_is_left_are_not_kept_alive():
    loader = DataLoader(Items(20), 1, collate_fn=Batch, persistent_workers=True, **THREADS)
    next(iter(loader))
    assert eventually(lambda: Batch.alive == 0)


def test_an_epoch_that_is_left_is_not_fetched_further():
    fetched, started, gate = [], threading.Event(), threading.Event()

    def hook(index):
        fetched.append(index)
        started.set()
        assert gate.wait(30)

    options = {"num_workers": 1, "prefetch_factor": 4, "persistent_workers": True}
    loader = DataLoader(Items(4, hook), 1, **options)
    epoch = iter(loader)
    assert started.wait(30)
    del epoch
    gate.set()
    assert lists(loader) == [[0], [1], [2], [3]]
    assert fetched == [0, 0, 1, 2, 3]


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_workers_know_who_they_are(options):
    class Informed(Items):
        def __getitem__(self, index):
            info = get_worker_info()
            return info.id, info.num_workers, info.seed, info.dataset is self, self.mark

    calls = []

    def init(number):
        get_worker_info().dataset.mark = 10 + number
        calls.append(number)

    random.manual_seed(0)
    data = Informed(6)
    found = list(DataLoader(data, 1, worker_init_fn=init, collate_fn=lambda b: b[0], **options))
    base = found[0][2]
    assert found == [(w, 2, base + w, True, 10 + w) for w in (0, 1, 0, 1, 0, 1)]
    assert not hasattr(data, "mark")
    assert sorted(calls) == ([0, 1] if options is THREADS else [])
    assert get_worker_info() is None


def test_processes_draw_their_own_numbers():
    class Noise(Items):
        def __getitem__(self, index):
            return np.random.rand(), random.default_generator.words(1)[0]

    def draws(seed):
        random.manual_seed(seed)
        return [b.tolist() for pair in DataLoader(Noise(6), 1, **FORKS) for b in pair]

    first = draws(0)
    assert first == draws(0)
    assert first != draws(1)
    assert len({value for (value,) in first}) == 12


# ---- what goes wrong -----------------------------------------------------------------------------


def fail(index):
    if index == 5:
        raise KeyError("no such picture")


@pytest.mark.parametrize("way", WAYS)
def test_an_error_says_where_it_came_from(way):
    with pytest.raises(KeyError) as caught:
        lists(DataLoader(Items(10, fail), batch_size=4, **WAYS[way]))
    text = "".join(traceback.format_exception(caught.value))
    assert "no such picture" in text
    assert "The sample was number 5 of Items." in text
    assert "in fail" in text
    assert ("Raised in worker 1 of the DataLoader." in text) == (way not in ("here", "one thread"))
    assert ("Traceback in the worker process" in text) == ("processes" in way)


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_batches_before_an_error_are_given(options):
    batches = iter(DataLoader(Items(10, fail), 2, **options))
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(KeyError):
        next(batches)
    assert running() == []
    with pytest.raises(StopIteration):
        next(batches)


class Awkward(Exception):
    """Cannot be unpickled: its arguments are not those of its __init__."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def test_an_error_that_cannot_travel():
    def hook(index):
        raise Awkward(1, 2)

    with pytest.raises(DataLoaderError, match="Awkward: 1 and 2") as caught:
        lists(DataLoader(Items(2, hook), **FORKS))
    assert "in hook" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [StopIteration, SystemExit])
def test_errors_that_would_pass_unseen(way, error):
    def hook(index):
        raise error

    expected = RuntimeError if error is StopIteration else SystemExit
    with pytest.raises(expected):
        lists(DataLoader(Items(3, hook), **WAYS[way]))


@pytest.mark.parametrize("options", [THREADS, FORKS, WAYS["persistent threads"]])
def test_an_init_function_that_fails(options):
    def init(number):
        raise ValueError(f"worker {number} cannot start")

    loader = DataLoader(Items(3), worker_init_fn=init, **options)
    for _ in range(2):
        with pytest.raises(ValueError, match="worker 0 cannot start"):
            lists(loader)


@pytest.mark.parametrize("end", [lambda: os._exit(7), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_a_process_that_dies(end):
    loader = DataLoader(Items(8, lambda index: end() if index == 5 else None), **FORKS)
    batches = iter(loader)
    assert [next(batches).item() for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(DataLoaderError, match=r"ended unexpectedly with code (7|-9 \(signal 9\))"):
        list(batches)


@pytest.fixture
def stuck(monkeypatch):
    """A function that does not return before the test is over, and little grace for it."""
    monkeypatch.setattr(worker, "GRACE", 0.1)
    over = threading.Event()
    yield lambda: over.wait(60)
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("DataLoader"):
            thread.join(30)


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_a_worker_that_is_silent(options, stuck):
    loader = DataLoader(Items(4, lambda index: stuck()), timeout=0.05, **options)
    with pytest.raises(DataLoaderError, match=r"worker 0 gave no batch within 0\.05 seconds"):
        lists(loader)
    assert multiprocessing.active_children() == []


def test_what_cannot_be_sent():
    collate = {"collate_fn": lambda batch: lambda: batch}
    with pytest.raises(DataLoaderError, match=r"a batch cannot be sent: .*lambda"):
        list(DataLoader(Items(3), **collate, **FORKS))
    with pytest.raises(DataLoaderError, match=r"cannot be sent to a process: .*; define them at"):
        iter(DataLoader(Items(3), **collate, num_workers=2, multiprocessing_context="spawn"))
    assert len(list(DataLoader(Items(3), **collate, **THREADS))) == 3


# ---- workers always end --------------------------------------------------------------------------

ENDLESS = 10**9


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_a_loop_that_is_left(options):
    for batch in DataLoader(Items(ENDLESS), 2, **options):
        assert running() != []
        if batch[0] >= 6:
            break
    assert running() == []


@pytest.mark.parametrize("options", [THREADS, FORKS])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_loop_that_is_interrupted(options, error):
    def loop():
        for _ in DataLoader(Items(ENDLESS), **options):
            raise error

    with pytest.raises(error):
        loop()
    assert running() == []


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_ctrl_c_while_waiting_for_a_batch(options, stuck):
    """A real SIGINT; the worker that the loader waits for would never answer."""
    parent = os.getpid()

    def hook(index):
        if index == 4:
            os.kill(parent, signal.SIGINT)
            stuck()

    with pytest.raises(KeyboardInterrupt):
        lists(DataLoader(Items(ENDLESS, hook), 1, **options))
    assert multiprocessing.active_children() == []


def test_workers_leave_ctrl_c_to_the_loader():
    """In a terminal the signal goes to the workers too."""

    def hook(index):
        os.kill(os.getpid(), signal.SIGINT)

    assert lists(DataLoader(Items(3, hook), **FORKS)) == [[0], [1], [2]]


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_an_iterator_that_is_never_used(options):
    iter(DataLoader(Items(5), **options))
    assert running() == []


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_persistent_workers_stay_until_their_loader_goes(options):
    loader = DataLoader(Items(4), persistent_workers=True, **options)
    assert running() == []
    assert lists(loader) == [[0], [1], [2], [3]]
    first = running()
    assert len(first) == (2 if options is THREADS else 4)  # a process has its thread
    for batch in loader:
        if batch == 1:
            break
    assert lists(loader) == [[0], [1], [2], [3]]
    assert running() == first
    del loader
    assert running() == []


@pytest.mark.parametrize("options", [THREADS, FORKS])
def test_a_loader_that_only_its_epoch_refers_to(options):
    options = options | {"persistent_workers": True, "timeout": 30}
    assert [batch.item() for batch in DataLoader(Items(9), **options)] == list(range(9))


def test_an_epoch_given_up_by_the_next_says_so():
    loader = DataLoader(Items(9), persistent_workers=True, **THREADS)
    first = iter(loader)
    next(first)
    second = iter(loader)
    with pytest.raises(DataLoaderError, match="given up when the next one began"):
        next(first)
    assert [batch.item() for batch in second] == list(range(9))


def test_two_epochs_at_once():
    loader = DataLoader(Items(4), **THREADS)
    assert [(a.item(), b.item()) for a, b in zip(loader, loader, strict=True)] == [
        (i, i) for i in range(4)
    ]


def script(source):
    """Run a program in a process of its own; its exit code and output."""
    program = textwrap.dedent(source)
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("options", [THREADS, FORKS, FORKS | {"persistent_workers": True}])
def test_a_program_that_ends_in_the_middle_of_an_epoch(options):
    code, out, err = script(f"""
        from tinygrad_autodiff.data import DataLoader
        batches = iter(DataLoader(range(10**9), 2, **{options}))
        print(next(batches).tolist())
    """)
    assert (code, out, err) == (0, "[0, 1]\n", "")


def test_processes_end_when_the_program_is_killed():
    code, out, _ = script("""
        import multiprocessing, os, signal
        from tinygrad_autodiff.data import DataLoader
        options = {"num_workers": 3, "multiprocessing_context": "fork"}
        batches = iter(DataLoader(range(10**9), 2, **options))
        next(batches)
        print(*[process.pid for process in multiprocessing.active_children()], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert code == -signal.SIGKILL
    workers = [int(pid) for pid in out.split()]
    assert len(workers) == 3
    assert eventually(lambda: not any(map(_alive, workers)))


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"  # a zombie awaits its parent
    except FileNotFoundError:
        return False


# ---- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "at least 0, got -1 and 0"),
        ({"timeout": -1, "num_workers": 1}, "got 1 and -1"),
        ({"timeout": 3}, "timeout needs num_workers > 0"),
        ({"prefetch_factor": 2}, "prefetch_factor needs num_workers"),
        ({"prefetch_factor": 0, "num_workers": 1}, "at least 1, got 0"),
        ({"persistent_workers": True}, "persistent_workers needs num_workers"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context needs num_workers"),
        ({"multiprocessing_context": "threads", "num_workers": 1}, "got 'threads'"),
        ({"multiprocessing_context": 3, "num_workers": 1}, "got 3"),
        ({"batch_size": 0}, "batch_size should be a positive integer, got 0"),
        ({"batch_size": 2.0}, "got 2.0"),
        ({"batch_size": None, "drop_last": True}, "there is none to drop"),
        ({"sampler": [0], "shuffle": True}, "sampler and shuffle exclude each other"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler excludes"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler excludes"),
        ({"batch_sampler": [[0]], "sampler": []}, "batch_sampler excludes"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler excludes"),
        ({"dataset": Stream(3), "shuffle": True}, "sets its own order"),
        ({"dataset": Stream(3), "sampler": []}, "sets its own order"),
        ({"dataset": Stream(3), "batch_sampler": []}, "sets its own order"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(ArgumentError, match=message):
        DataLoader(**({"dataset": Items(3)} | options))


def test_arguments_of_wrong_types():
    with pytest.raises(ArgumentTypeError, match=r"expected a dataset with __getitem__ .* got int"):
        DataLoader(5)
    with pytest.raises(ArgumentTypeError, match="num_workers: expected an int, got '2'"):
        DataLoader(Items(3), num_workers="2")
    with pytest.raises(TypeError, match="no len"):
        len(DataLoader(Items(3), sampler=iter([0])))


def test_what_cannot_be_changed():
    loader = DataLoader(Items(3))
    with pytest.raises(ArgumentError, match="batch_size cannot be changed any more"):
        loader.batch_size = 2
    loader.collate_fn = tuple
    assert list(loader) == [(0,), (1,), (2,)]
