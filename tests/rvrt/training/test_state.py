import json
import resource

import numpy as np
import pytest

from rvrt.errors import CheckpointError
from rvrt.training.state import Checkpoints, TrainState, read_state
from rvrt.weights import checkpoint
from vimeo_tools.errors import OutputError


def state(step, seed=0):
    rng = np.random.default_rng(seed + step)
    arrays = {
        "network/gain": rng.standard_normal((3, 4)).astype(np.float32),
        "main/beta1_power": np.asarray(np.float32(0.9**step)),
        "random_state": rng.integers(0, 256, 16, np.uint8),
    }
    return TrainState(step, arrays, {"counters": {"skipped": step}, "best": {}})


def assert_equal(got, expected):
    assert got.step == expected.step
    assert got.record == expected.record
    assert got.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        assert got.arrays[name].dtype == array.dtype
        assert got.arrays[name].shape == array.shape
        np.testing.assert_array_equal(got.arrays[name], array)


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def fail(message):
    raise AssertionError(message)


def test_the_last_k_stay_and_the_newest_comes_back(checkpoints):
    for step in (5, 10, 100_000_000):
        path = checkpoints.save(state(step))
        assert_equal(read_state(path), state(step))
    assert [read_state(path).step for path in checkpoints.paths()] == [10, 100_000_000]
    assert_equal(checkpoints.load_last(fail), state(100_000_000))


def test_what_a_kill_after_the_save_left_beyond_k_goes(checkpoints, tmp_path):
    many = Checkpoints(tmp_path / "checkpoints", keep=3)
    for step in (5, 10, 15):
        many.save(state(step))
    assert checkpoints.load_last(fail).step == 15
    assert [read_state(path).step for path in checkpoints.paths()] == [10, 15]


def test_nothing_saved_is_nothing(checkpoints, tmp_path):
    assert checkpoints.load_last(fail) is None
    (tmp_path / "checkpoints").mkdir()
    assert checkpoints.load_last(fail) is None


def damaged(kind, data):
    middle = len(data) // 2
    return {
        "empty": b"",
        "cut short": data[:middle],
        "one byte less": data[:-1],
        "a byte more": data + b"\0",
        "flipped": data[:-7] + bytes([data[-7] ^ 1]) + data[-6:],
        "flipped record": data.replace(b'\\"skipped\\": 10', b'\\"skipped\\": 11'),
        "another program's": b"PK\3\4" + data,
    }[kind]


KINDS = ["empty", "cut short", "one byte less", "a byte more", "flipped", "flipped record"]


@pytest.mark.parametrize("kind", [*KINDS, "another program's"])
def test_a_damaged_one_is_noticed_and_the_one_before_used(checkpoints, kind):
    checkpoints.save(state(5))
    path = checkpoints.save(state(10))
    data = path.read_bytes()
    assert damaged(kind, data) != data
    path.write_bytes(damaged(kind, data))
    said = []
    assert_equal(checkpoints.load_last(said.append), state(5))
    assert len(said) == 1
    assert path.name in said[0] and "the one before is used" in said[0]
    # It is out of the way: neither counted among the last K nor tried again.
    assert [p.name for p in checkpoints.paths()] == ["step_00000005.safetensors"]
    assert_equal(checkpoints.load_last(fail), state(5))
    checkpoints.save(state(10))
    assert_equal(checkpoints.load_last(fail), state(10))


def test_any_flipped_byte_is_noticed(tmp_path):
    path = Checkpoints(tmp_path, 1).save(state(3))
    data = path.read_bytes()
    for place in range(0, len(data), 5):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        try:
            got = read_state(path)
        except CheckpointError:
            continue
        assert_equal(got, state(3))  # a byte that carries nothing, such as padding


def test_all_damaged_is_an_error(checkpoints):
    for step in (5, 10):
        checkpoints.save(state(step)).write_bytes(b"")
    for _ in range(2):  # the second time, too: a run must not begin anew over them
        with pytest.raises(CheckpointError, match="none of its 2 states is whole"):
            checkpoints.load_last(fail)


@pytest.fixture
def full_disk():
    """The files of this process end after ten bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))

    yield fill
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_states_before(checkpoints, full_disk):
    checkpoints.save(state(5))
    checkpoints.save(state(10))
    before = {path: path.read_bytes() for path in checkpoints.paths()}
    full_disk()
    with pytest.raises(OutputError, match="cannot be written"):
        checkpoints.save(state(15))
    folder = next(iter(before)).parent
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert_equal(checkpoints.load_last(fail), state(10))


def test_what_a_kill_left_is_removed(checkpoints):
    path = checkpoints.save(state(5))
    left = path.with_name(".step_00000010.0123456789ab.part.safetensors")
    left.write_bytes(b"half")
    assert checkpoints.load_last(fail).step == 5
    assert list(path.parent.iterdir()) == [path]


def test_weights_are_no_state(tmp_path):
    checkpoint.write_safetensors(tmp_path / "w.safetensors", {}, json.dumps({"model": "rvrt"}))
    with pytest.raises(CheckpointError, match="of another form"):
        read_state(tmp_path / "w.safetensors")
