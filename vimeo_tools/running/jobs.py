"""Many small tasks: spread over an executor, counted, their failures collected, shown as they go.

Any `concurrent.futures.Executor` serves. `process_pool` makes one for this machine, `dask_executor`
one that reaches a cluster.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import connection
from queue import Empty, SimpleQueue
from typing import TypeVar

from vimeo_tools.errors import SettingsError, WorkerError
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")
# Enough to keep a cluster busy, few enough to stay small in memory and to stop soon.
_TASKS_IN_FLIGHT = 256
_SECONDS_TO_NOTICE_INTERRUPT = 0.1
# One thread a worker: the products of a resize are too small to be worth sharing.
_WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Outcome:
    """What one task did.

    Attributes:
        done: frames made.
        skipped: frames that were there already.
        failures: frames that could not be made.
        ties: samples made that the original program's own runs differ in.
    """

    done: int = 0
    skipped: int = 0
    failures: tuple[Failure, ...] = ()
    ties: int = 0


@dataclass
class Summary:
    """What all tasks of a run did; frames are counted, and samples at a tie.

    Notes are worth knowing, and no failures.
    """

    clips: int = 0
    done: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    ties: int = 0
    _started: float = field(default_factory=time.monotonic, repr=False)

    def add(self, outcome: Outcome) -> None:
        """Count one more clip."""
        self.clips += 1
        self.done += outcome.done
        self.skipped += outcome.skipped
        self.failures += outcome.failures
        self.ties += outcome.ties

    def end(self) -> Summary:
        """Set ``seconds`` to the time since this summary was made."""
        self.seconds = time.monotonic() - self._started
        return self

    def __str__(self) -> str:
        rate = self.done / self.seconds if self.seconds else 0.0
        ties = f"; {self.ties} samples at a tie, where the original's runs differ by one level"
        counts = (
            f"{self.clips} clips, {self.done} frames in {self.seconds:.1f} s "
            f"({rate:.0f} frames/s), {self.skipped} skipped, {len(self.failures)} failed"
            + ties
            * bool(self.ties)
        )
        return "\n  ".join((counts, *self.notes))


def run(
    task: Callable[[Item], Outcome],
    items: Sequence[Item],
    executor: Executor | None = None,
    label: str = "",
) -> Summary:
    """Do ``task`` for every item, one clip each, and add the outcomes up; see `each`."""
    summary = Summary()
    for outcome in each(task, items, executor, label):
        summary.add(outcome)
    return summary.end()


def each(
    task: Callable[[Item], Result],
    items: Sequence[Item],
    executor: Executor | None = None,
    label: str = "",
) -> Iterator[Result]:
    """Do ``task`` for every item; yield results as they come, with an executor in any order.

    Args:
        task: a picklable function, for an executor of other processes.
        items: one per task.
        executor: where tasks run; None for this thread.
        label: stands before the progress bar, which shows only on a terminal.

    Raises:
        WorkerError: a worker process died.
        VimeoToolsError: a task raised it: nothing further is started.
        KeyboardInterrupt: nothing further is started, running tasks have ended.
    """
    results = map(task, items) if executor is None else _spread(task, items, executor)
    with progress(len(items), "clip", label) as bar:
        for result in results:
            bar.update()
            yield result


def _spread(
    task: Callable[[Item], Result], items: Sequence[Item], executor: Executor
) -> Iterator[Result]:
    finished: SimpleQueue[Future[Result]] = SimpleQueue()
    running: set[Future[Result]] = set()
    rest = iter(items)
    with _deferred_interrupt() as check_interrupt:
        try:
            while True:
                for item in islice(rest, _TASKS_IN_FLIGHT - len(running)):
                    future = executor.submit(task, item)
                    running.add(future)
                    future.add_done_callback(finished.put)
                if not running:
                    return
                future = _next_finished(finished, check_interrupt)
                running.remove(future)
                yield future.result()
        except BrokenExecutor:
            raise WorkerError(
                "a worker process died, most often because memory ran out; what is done is kept: "
                "run the same command again, with fewer --workers if need be"
            ) from None
        finally:
            for future in running:
                future.cancel()
            for _ in running:
                finished.get()


def _next_finished(
    finished: SimpleQueue[Future[Result]], check_interrupt: Callable[[], None]
) -> Future[Result]:
    while True:
        check_interrupt()
        with contextlib.suppress(Empty):
            return finished.get(timeout=_SECONDS_TO_NOTICE_INTERRUPT)


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Within, Ctrl-C is raised by the function yielded and nowhere else.

    Raised inside an executor's own code it would leave locks taken that other threads wait for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    interrupts: list[int] = []

    def check_interrupt() -> None:
        if interrupts:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield check_interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def shard(items: Sequence[Item], index: int, count: int) -> Sequence[Item]:
    """Part ``index`` of ``count`` (from 1): disjoint, together complete, sizes within one.

    Raises:
        SettingsError: not ``1 <= index <= count``.
    """
    if not 1 <= index <= count:
        raise SettingsError(
            f"shard {index}/{count}: shards are numbered 1/{count} to {count}/{count}"
        )
    return items[index - 1 :: count]


def available_workers() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[Executor | None]:
    """An executor of ``workers`` processes, or None (for `run`: this thread) when it is one.

    The processes start fresh (no fork of a process that may have threads), leave Ctrl-C to their
    parent and end when it dies.

    Raises:
        SettingsError: fewer than one worker.
    """
    if workers < 1:
        raise SettingsError(f"{workers} workers: need at least 1")
    if workers == 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)
    try:
        with _worker_environment():
            # A task each starts all processes now, within this environment.
            ready = [pool.submit(os.getpid) for _ in range(workers)]
        with _deferred_interrupt() as check_interrupt:
            wait(ready)
            check_interrupt()
        yield pool
    finally:
        with _deferred_interrupt():
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a dask cluster as an executor; they must see the same paths.

    Raises:
        SettingsError: dask.distributed is not installed, or no scheduler answers at ``address``.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SettingsError(
            "--dask needs dask.distributed: pip install 'vimeo-tools[dask]'"
        ) from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise SettingsError(f"--dask {address}: no scheduler answers: {error}") from None
    with client:
        yield client.get_executor(pure=False)


@contextlib.contextmanager
def _worker_environment() -> Iterator[None]:
    """Variables and signal handling that the processes started within inherit."""
    before = {name: os.environ.get(name) for name in _WORKER_ENVIRONMENT}
    # Before its initializer runs, a worker would print a traceback on Ctrl-C.
    main_thread = threading.current_thread() is threading.main_thread()
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) if main_thread else None
    os.environ.update(_WORKER_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if main_thread:
            signal.signal(signal.SIGINT, on_interrupt)


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Without this, workers of a killed parent wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
