import threading
import time

from rvrt.training.waiting import watched


def test_items_that_come_are_handed_on_and_nothing_is_said():
    said = []
    assert list(watched(range(5), said.append, after=60)) == [0, 1, 2, 3, 4]
    assert said == []


def test_what_does_not_come_is_said_at_growing_distances():
    said, three = [], threading.Event()

    def say(seconds):
        said.append(seconds)
        if len(said) == 3:
            three.set()

    def items():
        yield 1
        assert three.wait(30)
        yield 2

    assert list(watched(items(), say, after=0.01)) == [1, 2]
    assert said[:3] == [0.01, 0.02, 0.04]


def test_its_threads_end_with_it():
    before = threading.active_count()
    for _ in watched(iter([1, 2]), print, after=60):
        break
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
