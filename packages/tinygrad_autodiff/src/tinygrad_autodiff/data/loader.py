"""The DataLoader: batches of a dataset in some order, fetched here or by workers ahead of time."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import ArgumentError, ArgumentTypeError
from ..random import Generator
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, random_seed
from .worker import Answer, DataLoaderError, Epoch, Exhausted, Fetcher, Job, Pool, Task

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader:
    """Iterates over batches of a dataset; each ``for`` loop over it is one epoch.

    Names, order and defaults are torch's, and so are the orders from the same seed. What differs:
    workers are threads unless `multiprocessing_context` says how to start processes. Threads
    share the dataset's data, need no pickling and no ``if __name__ == "__main__"``, and serve
    well where NumPy does the work; processes serve where Python does. A dataset that draws random
    numbers in a thread should draw them from a generator of its own, seeded with
    ``get_worker_info().seed``; in a process the default generators are seeded with it.

    Args:
        dataset: Map from index to sample (anything with `__getitem__` and `__len__`), or an
            `IterableDataset`.
        batch_size: Samples in a batch; None for single samples, not collated.
        shuffle: Visit the samples in random order.
        sampler: Iterable of indices, in place of `shuffle`.
        batch_sampler: Iterable of lists of indices, in place of all the above and `drop_last`.
        num_workers: How many workers fetch ahead; 0 fetches each batch when it is asked for.
        collate_fn: From a list of samples to a batch; `default_collate` by default, and
            `default_convert` without batches.
        pin_memory: Accepted and ignored: there is no device to copy to.
        drop_last: Leave out a last batch that is smaller.
        timeout: Seconds to wait for a batch from a worker; 0 waits as long as it takes.
        worker_init_fn: Called in each worker with its number, before anything else.
        multiprocessing_context: None for threads, or how to start processes: ``"fork"``,
            ``"spawn"``, ``"forkserver"`` or a context of `multiprocessing`.
        generator: Source of the order and of the workers' base seed; by default the default one.
        prefetch_factor: Batches that each worker fetches ahead (default: 2).
        persistent_workers: Keep the workers from one epoch to the next.

    Raises:
        ArgumentError: Arguments that exclude each other, or are out of range.
    """

    _fixed = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _context(multiprocessing_context)
        self.generator = generator
        self.pin_memory = pin_memory
        self.persistent_workers = persistent_workers
        self._check_workers()
        _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None and batch_sampler is None:
            sampler = _default_sampler(dataset, bool(shuffle), generator)
        if sampler is not None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        batched = batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self._pool: Pool | None = None
        self._running: Callable[[], _Prefetched | None] = lambda: None
        self._epochs = 0
        self._fixed = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._fixed and name in _FIXED:
            raise ArgumentError(f"DataLoader: {name} cannot be changed any more; make a new loader")
        super().__setattr__(name, value)

    def _check_workers(self) -> None:
        if not isinstance(self.num_workers, int):
            raise ArgumentTypeError(
                f"DataLoader: num_workers: expected an int, got {self.num_workers!r}"
            )
        if self.num_workers < 0 or self.timeout < 0:
            raise ArgumentError(
                "DataLoader: num_workers and timeout must be at least 0, "
                f"got {self.num_workers} and {self.timeout}"
            )
        if self.prefetch_factor is not None and self.prefetch_factor < 1:
            raise ArgumentError(
                f"DataLoader: prefetch_factor must be at least 1, got {self.prefetch_factor}"
            )
        if self.num_workers == 0:
            for name in ("prefetch_factor", "persistent_workers", "timeout"):
                if getattr(self, name):
                    raise ArgumentError(f"DataLoader: {name} needs num_workers > 0")
            if self.multiprocessing_context is not None:
                raise ArgumentError("DataLoader: multiprocessing_context needs num_workers > 0")

    def __len__(self) -> int:
        """Batches in an epoch; a TypeError if the dataset or sampler has no length."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._indices())  # type: ignore[arg-type]
        samples = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return samples
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def _indices(self) -> Iterable[Any]:
        indices = self.sampler if self.batch_sampler is None else self.batch_sampler
        assert indices is not None
        return indices

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            random_seed(
                self.generator
            )  # torch draws a base seed for workers even if there are none
            return _serial(Fetcher(self._job(0)), iter(self._indices()))
        if not self.persistent_workers:
            return _Prefetched(self, self._start(), Epoch(0))
        if self._pool is None:
            self._pool = self._start()
            weakref.finalize(self, self._pool.stop)
        running = self._running()
        if running is not None:
            running.epoch.close()
        self._epochs += 1
        epoch = _Prefetched(self, self._pool, Epoch(self._epochs))
        self._running = weakref.ref(epoch)
        return epoch

    def _start(self) -> Pool:
        return Pool(self._job(random_seed(self.generator)), self.multiprocessing_context)

    def _job(self, base_seed: int) -> Job:
        return Job(
            self.dataset,
            self.collate_fn,
            self.batch_sampler is not None,
            self.drop_last,
            self.num_workers,
            base_seed,
            self.worker_init_fn,
        )


def _serial(fetch: Fetcher, indices: Iterator[Any]) -> Iterator[Any]:
    """The batches, fetched one by one as they are asked for."""
    for index in indices:
        try:
            batch = fetch(index)
        except Exhausted:
            return
        except StopIteration as error:
            _refuse(error)
        yield batch
        del batch  # or it would live while the next is made


class _Prefetched(Iterator[Any]):
    """The batches of one epoch, in order, from the workers of `pool`."""

    def __init__(self, loader: DataLoader, pool: Pool, epoch: Epoch) -> None:
        self._loader = loader  # persistent workers live as long as their loader
        self._indices = iter(loader._indices())
        self._tasks, self.epoch = pool.tasks, epoch
        self._answers: list[SimpleQueue[Answer]] = [SimpleQueue() for _ in pool.tasks]
        self._timeout = loader.timeout or None
        self._pending: deque[int] = deque()  # the worker of each task, in order
        self._turns = deque(range(len(pool.tasks)))  # workers that still give batches
        self._finish = weakref.finalize(self, _close, epoch, None if loader._pool else pool)
        try:
            for _ in range(len(pool.tasks) * (loader.prefetch_factor or 1)):
                self._ask()
        except BaseException:
            self._finish()
            raise

    def _ask(self) -> None:
        """Give the next index to the worker whose turn it is."""
        for index in self._indices if self._turns else ():
            worker = self._turns[0]
            self._turns.rotate(-1)
            self._tasks[worker].put(Task(self.epoch, index, self._answers[worker]))
            self._pending.append(worker)
            return

    def __next__(self) -> Any:
        try:
            while self._pending:
                worker = self._pending.popleft()
                answer = self._receive(worker)
                if answer.error is not None:
                    _refuse(answer.error, worker)
                if not answer.ended:
                    self._ask()
                    return answer.batch
                self._turns = deque(turn for turn in self._turns if turn != worker)
                self._pending = deque(turn for turn in self._pending if turn != worker)
                self._ask()
        except BaseException:
            self.close()
            raise
        self.close()
        raise StopIteration

    def _receive(self, worker: int) -> Answer:
        if not self.epoch.open:
            raise DataLoaderError(
                "this epoch was given up when the next one began; finish one loop over a loader "
                "with persistent workers before the next, or make two loaders"
            )
        try:
            return self._answers[worker].get(timeout=self._timeout)
        except Empty:
            raise DataLoaderError(
                f"worker {worker} gave no batch within {self._timeout} seconds"
            ) from None

    def close(self) -> None:
        """Give the epoch up, and end the workers unless they are persistent."""
        self._pending.clear()
        self._finish()


def _close(epoch: Epoch, pool: Pool | None) -> None:
    epoch.close()
    if pool is not None:
        pool.stop()


def _refuse(error: BaseException, worker: int | None = None) -> NoReturn:
    """Raise what a dataset or collate function raised, as itself wherever that is possible."""
    if worker is not None:
        error.add_note(f"Raised in worker {worker} of the DataLoader.")
    if isinstance(error, StopIteration):
        raise DataLoaderError(
            "the dataset raised StopIteration, which would have ended the epoch silently"
        ) from error
    try:
        raise error
    finally:
        del error  # its traceback holds this frame


def _context(chosen: Any) -> BaseContext | None:
    if chosen is None:
        return None
    import multiprocessing.context  # only where processes are asked for

    methods = multiprocessing.get_all_start_methods()
    if isinstance(chosen, multiprocessing.context.BaseContext):
        return chosen
    if chosen not in methods:
        raise ArgumentError(
            "DataLoader: multiprocessing_context: expected None for threads, a context of "
            f"multiprocessing or one of {methods}, got {chosen!r}"
        )
    found: BaseContext = multiprocessing.get_context(chosen)
    return found


def _check_order(
    dataset: Any,
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Any,
    batch_sampler: Any,
    drop_last: bool,
) -> None:
    stream = isinstance(dataset, IterableDataset)
    if not stream and not hasattr(dataset, "__getitem__"):
        raise ArgumentTypeError(
            "DataLoader: expected a dataset with __getitem__ and __len__, or an IterableDataset, "
            f"got {type(dataset).__name__}"
        )
    if stream and (shuffle or sampler is not None or batch_sampler is not None):
        raise ArgumentError(
            "DataLoader: an IterableDataset sets its own order; leave out shuffle, sampler and "
            "batch_sampler"
        )
    if sampler is not None and shuffle:
        raise ArgumentError("DataLoader: sampler and shuffle exclude each other")
    taken = batch_size != 1 or shuffle or sampler is not None or drop_last
    if batch_sampler is not None and taken:
        raise ArgumentError(
            "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last"
        )
    if batch_size is None and drop_last:
        raise ArgumentError("DataLoader: without batches (batch_size=None) there is none to drop")


def _default_sampler(dataset: Any, shuffle: bool, generator: Generator | None) -> Iterable[Any]:
    if isinstance(dataset, IterableDataset):
        return repeat(None)
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
