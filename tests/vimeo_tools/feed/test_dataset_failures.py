"""What goes wrong in the feed: broken frames, early ends, Ctrl-C; no hang, no process left."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.conftest import ALL_PROCESSORS
from tests.vimeo_tools.noise import write_noise
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import frame_path
from vimeo_tools.errors import FrameError
from vimeo_tools.feed.augment import AugmentConfig
from vimeo_tools.feed.opening import open_septuplets
from vimeo_tools.feed.order import Evaluation, Training

pytest.importorskip("mindspore")

from vimeo_tools.feed.dataset import create_dataset

# MindSpore forks its workers in a process with threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

KEYS = [f"00001/{n:04d}" for n in range(1, 8)]
CROP = AugmentConfig(crop=5)
needs_two = pytest.mark.skipif(len(ALL_PROCESSORS) < 2, reason="needs two processors")
WORKERS = [1, pytest.param(2, marks=needs_two)]


@pytest.fixture
def gt(tmp_path):
    """Seven clips of noise."""
    return write_noise(tmp_path / "sequences", KEYS, FrameSize(height=32, width=48))


def children():
    """Processes of this one, the workers of MindSpore among them."""
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # the thread has ended
            found.update(path.read_text().split())
    return found


@pytest.fixture(autouse=True)
def no_process_left():
    before = children()
    yield
    assert children() <= before


# --- broken frames ------------------------------------------------------------------------------


def break_frame(gt, key, how):
    path = frame_path(gt, key, 5)
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    return path


REASONS = {"missing": "is missing", "cut": "is truncated", "flipped": "is damaged"}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("how", REASONS)
def test_a_broken_frame_ends_the_run_with_its_path_and_reason(gt, workers, how):
    path = break_frame(gt, KEYS[4], how)
    seen = []
    with pytest.raises(FrameError, match=f"^{path}: .*{REASONS[how]}"):
        for batch in create_dataset(open_septuplets(gt), Evaluation(), workers):
            seen += batch["key"].tolist()
    assert seen == KEYS[:4]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_broken_frame_in_training(gt, workers):
    path = break_frame(gt, KEYS[2], "cut")
    with pytest.raises(FrameError, match=str(path)):
        list(create_dataset(open_septuplets(gt), Training(2, CROP), workers))


@needs_two
@pytest.mark.parametrize("leave", ["break", "raise"])
def test_leaving_early_ends_the_workers(gt, leave):
    before = children()
    feed = create_dataset(open_septuplets(gt), Training(1, CROP, steps=range(10_000)), 2)
    try:
        for _ in feed:
            assert children() > before
            if leave == "break":
                break
            raise ArithmeticError
    except ArithmeticError:
        pass
    assert children() == before


# --- the end of the process ---------------------------------------------------------------------

SCRIPT = """
    import sys
    from pathlib import Path
    from vimeo_tools.feed.dataset import Training, create_dataset, open_septuplets
    from vimeo_tools.feed.augment import AugmentConfig

    plan = Training(1, AugmentConfig(crop=5), steps=range(10_000_000))
    feed = create_dataset(open_septuplets(Path(sys.argv[1])), plan, 2)
    for i, _ in enumerate(feed):
        if i == 3:
            print("running", flush=True)
"""


def processes_of_session(leader):
    """Those that ``leader`` started, also if it is gone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@needs_two
@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C", "SIGINT to the parent alone"])
def test_after_an_interrupt_no_process_is_left(gt, to_all):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(gt)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == "running\n"
        assert len(processes_of_session(process.pid)) >= 3
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        _, printed = process.communicate(timeout=60)
        assert "KeyboardInterrupt" in printed
        assert process.returncode != 0
        assert wait_for(lambda: not processes_of_session(process.pid), 5)
    finally:
        for pid in processes_of_session(process.pid):
            os.kill(pid, signal.SIGKILL)
