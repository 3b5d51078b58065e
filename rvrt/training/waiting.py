"""What is waited for too long is said, while it is waited for: a disk or a worker may hang."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Say = Callable[[float], None]

_NOTHING = object()


def watched(items: Iterable[Item], say: Say, after: float) -> Iterator[Item]:
    """The items as they come.

    Args:
        items: what is waited for.
        say: is told, from another thread, for how many seconds the next one has not come.
        after: seconds until the first time; every further one takes twice as long as that before.
    """
    iterator = iter(items)
    while True:
        with _alarm(say, after):
            item = next(iterator, _NOTHING)
        if item is _NOTHING:
            return
        yield item  # type: ignore[misc]


@contextlib.contextmanager
def _alarm(say: Say, after: float) -> Iterator[None]:
    come = threading.Event()

    def wait() -> None:
        seconds = after
        waited = 0.0
        while not come.wait(seconds - waited):
            say(seconds)
            waited, seconds = seconds, 2 * seconds

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield
    finally:
        come.set()
        thread.join()
