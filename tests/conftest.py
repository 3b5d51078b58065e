"""Shared by all tests: where reference data lies, small septuplet folders, and the command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# On newer processors oneDNN falls back to convolutions 70 times slower; only native networks, which
# are for cards, have any on a CPU.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import rvrt  # noqa: F401  before any module imports mindspore
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import SPLITS, split_list_path, write_split_lists
from vimeo_tools.preparation.synthetic import synthesize

GOLDENS = Path(__file__).resolve().parents[2] / "shared" / "goldens"
SIZE = FrameSize(height=32, width=48)
TRAIN = ["00001/0001", "00001/0002"]
TEST = ["00001/0003"]


def allowed():
    """The processors that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


ALL_PROCESSORS = allowed()


def keep_to_own_processors():
    """Under pytest-xdist each worker, with all that it starts, keeps to a share of the processors.

    MindSpore's threads wait for each other by turning round. Where two workers do so on the same
    processors, a forward pass takes twice the processor time.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and ALL_PROCESSORS:
        count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        first = int(worker.removeprefix("gw")) % len(ALL_PROCESSORS)
        os.sched_setaffinity(0, ALL_PROCESSORS[first::count])


keep_to_own_processors()  # before any test module loads MindSpore


@pytest.fixture
def all_processors():
    """For tests of what starts several workers, also under pytest-xdist."""
    share = allowed()
    if share:
        os.sched_setaffinity(0, ALL_PROCESSORS)
    yield
    if share:
        os.sched_setaffinity(0, share)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Two clips for training and one for testing, drawn once; not to be changed."""
    root = tmp_path_factory.mktemp("drawn") / "vimeo_septuplet"
    synthesize(root, 3, test_clips=1, size=SIZE, seed=5)
    return root


@pytest.fixture
def septuplets(drawn, tmp_path):
    """A copy of the drawn septuplet folder, to do anything with."""
    root = tmp_path / "vimeo_septuplet"
    root.mkdir()
    shutil.copytree(drawn / "sequences", root / "sequences")
    for split in SPLITS:
        shutil.copy(split_list_path(drawn, split), split_list_path(root, split))
    return root


@pytest.fixture
def many_clips(drawn, tmp_path):
    """Forty clips, copies of three."""
    root = tmp_path / "many"
    keys = [f"{folder:05d}/{clip:04d}" for folder in range(1, 5) for clip in range(1, 11)]
    for n, key in enumerate(keys):
        source = drawn / "sequences" / [*TRAIN, *TEST][n % 3]
        shutil.copytree(source, root / "sequences" / key)
    write_split_lists(root, keys, [])
    return root


@pytest.fixture
def vimeo_prep():
    """Runs the installed command as a user does; nothing it prints may be a traceback."""
    command = Path(sys.executable).with_name("vimeo-prep")

    def run(*arguments, cwd=None):
        call = [command, *map(str, arguments)]
        done = subprocess.run(call, cwd=cwd, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr + done.stdout
        return done

    run.path = command
    return run


def tree_bytes(root):
    """{relative path: content} of all files below ``root``."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
