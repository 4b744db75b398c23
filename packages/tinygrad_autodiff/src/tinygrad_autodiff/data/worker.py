"""Workers: threads that fetch batches ahead of time, alone or each with a process of its own.

A worker answers its tasks in order, and the loader deals the tasks out in turn. So it knows which
worker the next batch comes from, and what a worker draws at random does not depend on timing.

A thread does the work itself. NumPy lets other threads run while it reads, copies and computes,
nothing has to be pickled, and a thread starts in microseconds. What pure Python does to a sample
does not get faster by threads; for that, the thread hands its tasks to a process and waits.
"""

from __future__ import annotations

import copy
import os
import pickle
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import AutodiffError
from ..random import manual_seed
from .collate import default_collate
from .dataset import Dataset, IterableDataset, columns, samples
from .pipe import receive, send

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

GRACE = 5.0  # seconds that workers get to finish what they are doing before they are abandoned


class DataLoaderError(AutodiffError, RuntimeError):
    """Batches that do not come: a worker that died or is silent, data that cannot be sent."""


@dataclass
class WorkerInfo:
    """What `get_worker_info` tells about the worker that a dataset is used in.

    Attributes:
        id: Number of the worker, from 0.
        num_workers: How many there are.
        seed: The loader's base seed plus `id`.
        dataset: The worker's own dataset: a copy in a process, a shallow copy in a thread.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker of a `DataLoader` in which this is called, or None outside of one."""
    return getattr(_here, "info", None)


@dataclass(frozen=True)
class Job:
    """What a loader wants done; everything that a worker needs to know."""

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batched: bool
    drop_last: bool
    num_workers: int = 0
    base_seed: int = 0
    init: Callable[[int], Any] | None = None


class Exhausted(Exception):
    """A stream has no more samples."""


class Fetcher:
    """From an index, or a list of them, to a collated batch, for one epoch."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stream = iter(job.dataset) if isinstance(job.dataset, IterableDataset) else None

    def __call__(self, index: Any) -> Any:
        """The batch at `index`; of a stream the next one, or `Exhausted`."""
        job = self._job
        indices = index if job.batched else [index]
        if self._stream is None:
            if job.batched and job.collate_fn is default_collate:
                batch = columns(job.dataset, index)
                if batch is not None:
                    return batch
            found = samples(job.dataset, indices)
        else:
            found = list(islice(self._stream, len(indices)))
            if not found or (job.drop_last and len(found) < len(indices)):
                raise Exhausted
        return job.collate_fn(found if job.batched else found[0])


class Answer(NamedTuple):
    """What comes back for a task: a batch, the end of a stream, or what went wrong."""

    batch: Any = None
    ended: bool = False
    error: BaseException | None = None


class Server:
    """Answers the tasks of one worker, in its thread or in its process."""

    def __init__(self, job: Job, worker: int) -> None:
        self._job, self._worker = job, worker
        self._entered = False
        self._epoch = -1
        self._fetch: Fetcher | None = None

    def __call__(self, epoch: int, index: Any) -> Answer:
        """The batch at `index`; the first task of an epoch starts a stream anew."""
        try:
            if not self._entered:
                self._enter()
            if self._fetch is None or epoch != self._epoch:
                self._fetch, self._epoch = Fetcher(self._job), epoch
            return Answer(self._fetch(index))
        except Exhausted:
            return Answer(ended=True)
        except BaseException as error:  # SystemExit too, or the loader would wait for ever
            return Answer(error=error)

    def _enter(self) -> None:
        job, worker = self._job, self._worker
        seed = job.base_seed + worker
        _here.info = WorkerInfo(worker, job.num_workers, seed, job.dataset)
        if job.init is not None:
            job.init(worker)
        self._entered = True

    def interrupt(self) -> None:
        """A thread cannot be interrupted."""

    def close(self) -> None:
        """A thread needs nothing closed."""

    def join(self) -> None:
        """The thread is joined by the pool."""


class RemoteServer:
    """Answers the tasks of one worker by a process of its own."""

    def __init__(self, job: Job, worker: int, context: BaseContext) -> None:
        self._pipe, end = context.Pipe()
        arguments = (end, self._pipe, job, worker)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)  # type: ignore[attr-defined]
        try:
            self._process.start()
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            self._pipe.close()
            raise DataLoaderError(
                f"the loader's dataset and functions cannot be sent to a process: {error}; define "
                "them at the top of a module, or leave out multiprocessing_context: threads need "
                "no sending"
            ) from error
        finally:
            end.close()

    def __call__(self, epoch: int, index: Any) -> Answer:
        """The answer of the process, or an error if it died."""
        try:
            send(self._pipe, (epoch, index))
            answer: Answer = receive(self._pipe)
            return answer
        except (EOFError, OSError):
            self._process.join(GRACE)
            code = self._process.exitcode
            signalled = f" (signal {-code}); was there enough memory?" if code and code < 0 else ""
            what = f"process {self._process.pid} ended unexpectedly with code {code}{signalled}"
            return Answer(error=DataLoaderError(what))
        except Exception as error:
            return Answer(error=DataLoaderError(f"a batch could not be received: {error!r}"))

    def interrupt(self) -> None:
        """End the process in the middle of what it is doing."""
        self._process.terminate()

    def close(self) -> None:
        """Tell the process to end."""
        with suppress(OSError):
            send(self._pipe, None)
        self._pipe.close()

    def join(self) -> None:
        """Wait for the process to end, and make it end if it does not."""
        self._process.join(GRACE)
        for end in (self._process.terminate, self._process.kill):
            if self._process.is_alive():
                end()
                self._process.join(1)
        self._process.close()


def _serve(pipe: Any, loaders_end: Any, job: Job, worker: int) -> None:
    """The main function of a worker process; it ends with the loader's end of the pipe."""
    loaders_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the loader's to answer
    seed = job.base_seed + worker
    random.seed(seed)
    np.random.seed(seed % 2**32)
    manual_seed(seed)
    server = Server(job, worker)
    with suppress(EOFError, OSError):
        while (task := receive(pipe)) is not None:
            answer = server(*task)
            if answer.error is not None:
                answer = Answer(error=_portable(answer.error))
            try:
                send(pipe, answer)
            except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
                send(pipe, Answer(error=DataLoaderError(f"a batch cannot be sent: {error}")))


def _portable(error: BaseException) -> BaseException:
    """`error`, or one that says the same, as it survives the pipe: with its traceback as text."""
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    error.add_note(f"Traceback in the worker process {os.getpid()}:\n{frames}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        said = DataLoaderError(f"{type(error).__name__}: {error}")
        for note in error.__notes__:
            said.add_note(note)
        return said
    return error


class Epoch:
    """One pass over the data; the tasks of a pass that is no longer open are not answered."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.open = True

    def close(self) -> None:
        """Give the pass up."""
        self.open = False


class Task(NamedTuple):
    """A batch to fetch, and where the answer goes."""

    epoch: Epoch
    index: Any
    answers: SimpleQueue[Answer]


class Pool:
    """The workers of a loader: `tasks[w]` is the queue of worker w.

    Args:
        job: What the workers do.
        context: How processes are started; None for threads alone.
    """

    def __init__(self, job: Job, context: BaseContext | None) -> None:
        self._owner = os.getpid()
        self._servers: list[Any] = []
        self._threads: list[threading.Thread] = []
        self.tasks: list[SimpleQueue[Task | None]] = []
        try:
            for worker in range(job.num_workers):  # processes first: a fork copies no thread
                self._servers.append(_server(job, worker, context))
            for worker, server in enumerate(self._servers):
                self.tasks.append(SimpleQueue())
                name = f"DataLoader worker {worker}"
                arguments = (self.tasks[-1], server)
                thread = threading.Thread(target=_answer, args=arguments, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all threads and processes; after `GRACE` threads are left alone, processes killed."""
        if os.getpid() != self._owner:
            return  # a copy of the pool in a forked process
        for queue in self.tasks:
            queue.put(None)
        deadline = time.monotonic() + GRACE
        for thread, server in zip(self._threads, self._servers, strict=False):
            if thread is not threading.current_thread():  # the garbage collector runs anywhere
                thread.join(max(0, deadline - time.monotonic()))
                if thread.is_alive():
                    server.interrupt()
                    thread.join(1 if isinstance(server, RemoteServer) else 0)
        for server in self._servers:
            server.close()
        for server in self._servers:
            server.join()
        self._threads, self._servers = [], []


def _server(job: Job, worker: int, context: BaseContext | None) -> Server | RemoteServer:
    if context is not None:
        return RemoteServer(job, worker, context)
    if isinstance(job.dataset, Dataset):  # so that a worker can set attributes of its own
        job = replace(job, dataset=copy.copy(job.dataset))
    return Server(job, worker)


def _answer(tasks: SimpleQueue[Task | None], server: Callable[[int, Any], Answer]) -> None:
    """The main function of a worker thread."""
    while (task := tasks.get()) is not None:
        if task.epoch.open:
            task.answers.put(server(task.epoch.number, task.index))
        del task  # or the last batch of an epoch would live until the next
