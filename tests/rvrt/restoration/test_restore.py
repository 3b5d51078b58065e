import math
import signal
import subprocess
import sys
import time
from fractions import Fraction

import mindspore as ms
import numpy as np
import pytest
from click.testing import CliRunner

from rvrt.cli.restore import main as restore_main
from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import MemoryLimitError, RestoreError
from rvrt.models import build_network
from rvrt.restoration.frames import to_uint8
from rvrt.restoration.jobs import Job, Summary
from rvrt.restoration.media import open_frames
from rvrt.restoration.memory import tile_memory
from rvrt.restoration.network import open_network
from rvrt.restoration.parts import Choice
from rvrt.restoration.pictures import save_picture
from rvrt.restoration.restore import restore
from rvrt.restoration.restorer import Cutting, Restorer
from rvrt.restoration.tiling import plan_tiles
from rvrt.weights.checkpoint import Record, save_weights
from tests.rvrt.conftest import ROOT
from tests.rvrt.restoration.test_media import write
from vimeo_tools.errors import OutputError

# So large that what the sums take beside the tiles does not count.
MEGA = 2**20
LIGHT = MODEL_PRESETS["rvrt-light-debug"]
DEBUG = MODEL_PRESETS["rvrt-debug"]


class Enlarge:
    """A network that looks at one pixel; as strict about its input as the real one."""

    config = DEBUG

    def __init__(self, before=lambda: None):
        self.before = before
        self.volumes = []

    def __call__(self, frames, flows=None):
        clip = frames.asnumpy()
        assert clip.dtype == np.float32 and clip.shape[1] % 2 == 0 and min(clip.shape[3:]) >= 33
        self.before()
        self.volumes.append(math.prod(clip.shape[1:]) // 3)
        return ms.Tensor(clip.repeat(4, axis=-1).repeat(4, axis=-2))

    def optical_flows(self, frames):
        _, count, _, height, width = frames.shape
        flat = ms.Tensor(np.zeros(((count - 1) * height * width, 2), np.float32))
        return flat, flat


def volume(frames, height, width):
    return MEGA * frames * height * width


ONE_SCENE = Choice(cuts="none")  # noise would be all cuts


def run(job, network=None, **cutting):
    cutting = {"memory": volume, "padding": "borders", "scratch": job.folder, **cutting}
    return restore(job, Restorer(network or Enlarge(), Cutting(**cutting)))


def write_frames(folder, count, height=40, width=70):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        save_picture(folder / f"im{index + 1}.png", frame)
    return frames


def restored(folder):
    reader = open_frames(folder)
    return reader.read(0, len(reader.names))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize(
    ("count", "height", "width"), [(1, 40, 70), (2, 40, 70), (7, 40, 70), (5, 8, 100), (3, 1, 1)]
)
def test_any_length_and_size(tmp_path, weights, count, height, width):
    frames = write_frames(tmp_path / "in", count, height, width)
    job = Job(tmp_path / "in", tmp_path / "out", weights)
    assert run(job) == Summary(count, 0)
    np.testing.assert_array_equal(restored(job.folder), frames.repeat(4, 1).repeat(4, 2))
    assert sorted(path.name for path in job.folder.glob("*.png")) == sorted(
        f"im{index + 1}.png" for index in range(count)
    )


@pytest.mark.parametrize("limit", [14 * 64 * 96.5, 6 * 64 * 64.5])
def test_tiles_under_a_limit(tmp_path, weights, limit):
    frames = write_frames(tmp_path / "in", 21, 100, 130)
    job, network = Job(tmp_path / "in", tmp_path / "out", weights), Enlarge()
    run(job, network, max_memory=MEGA * limit)
    assert len(network.volumes) > 1 and max(network.volumes) <= limit
    np.testing.assert_array_equal(restored(job.folder), frames.repeat(4, 1).repeat(4, 2))
    assert not list(job.folder.glob(".*.part*"))


def test_no_tile_small_enough(tmp_path, weights):
    write_frames(tmp_path / "in", 4)
    job = Job(tmp_path / "in", tmp_path / "out", weights)
    with pytest.raises(MemoryLimitError, match="--max-memory"):
        run(job, max_memory=10)


def test_a_stopped_run_goes_on_frame_by_frame(tmp_path, weights):
    frames = write_frames(tmp_path / "in", 60)
    job, limit = Job(tmp_path / "in", tmp_path / "out", weights, ONE_SCENE), MEGA * 14 * 64 * 72.5
    calls = iter(range(2))

    def stops_at_the_third():
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, Enlarge(stops_at_the_third), max_memory=limit)
    before = {path.name: path.stat().st_mtime_ns for path in job.folder.glob("*.png")}
    assert 10 < len(before) < 60
    (job.folder / ".im30.abc.part.png").write_bytes(b"left by a kill")
    network = Enlarge()
    found = Summary(60 - len(before), len(before))
    assert run(job, network, max_memory=limit) == found
    assert len(network.volumes) <= 5
    for name, changed in before.items():
        assert (job.folder / name).stat().st_mtime_ns == changed
    np.testing.assert_array_equal(restored(job.folder), frames.repeat(4, 1).repeat(4, 2))
    assert run(job, max_memory=limit) == Summary(0, 60)


def test_frames_of_two_jobs_never_mix(tmp_path, weights):
    write_frames(tmp_path / "in", 3)
    job = Job(tmp_path / "in", tmp_path / "out", weights)
    run(job)
    weights.write_bytes(b"others")
    with pytest.raises(OutputError, match="of another input, of other weights or of other set"):
        run(job)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "holiday.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="not made by this command"):
        run(Job(tmp_path / "in", tmp_path / "foreign", weights))
    with pytest.raises(OutputError, match="is the input"):
        run(Job(tmp_path / "in", tmp_path / "in", weights))
    with pytest.raises(OutputError, match="is a file"):
        run(Job(tmp_path / "in", weights, weights))
    with pytest.raises(RestoreError, match=r"videos are written as \.mp4"):
        run(Job(tmp_path / "in", tmp_path / "v.avi", weights))


def test_sums_that_are_too_large_for_the_memory(tmp_path, weights):
    frames = write_frames(tmp_path / "in", 4, 64, 64)
    job = Job(tmp_path / "in", tmp_path / "out", weights)
    run(job, max_memory=1_000_000, memory=lambda *_: 700_000)
    np.testing.assert_array_equal(restored(job.folder), frames.repeat(4, 1).repeat(4, 2))
    assert sorted(path.suffix for path in job.folder.iterdir()) == [".json", *[".png"] * 4]


class Broken(Enlarge):
    def __call__(self, frames, flows=None):
        return super().__call__(frames) * math.nan


def test_frames_that_are_no_picture_are_not_written(tmp_path, weights):
    write_frames(tmp_path / "in", 2)
    job = Job(tmp_path / "in", tmp_path / "out", weights)
    with pytest.raises(RestoreError, match="NaN or infinity"):
        run(job, Broken())
    assert not list(job.folder.glob("*.png"))


def test_video_to_video_with_resume(tmp_path, weights):
    pytest.importorskip("av")
    rows, columns = np.mgrid[0:48, 0:64]
    smooth = np.stack([rows * 4, columns * 3, 255 - rows * 4], axis=-1).astype(np.uint8)
    write(tmp_path / "in.mp4", [smooth] * 5, Fraction(24))
    job = Job(tmp_path / "in.mp4", tmp_path / "out.mkv", weights)

    def fails():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, Enlarge(fails))
    assert not job.folder.exists() and not job.target.exists()
    assert run(job) == Summary(5, 0)
    assert not job.folder.exists()
    reader = open_frames(job.target)
    assert (len(reader.names), reader.height, reader.width) == (5, 192, 256)
    assert reader.timing.rate == 24
    wanted = open_frames(job.source).read(0, 1)[0].repeat(4, 0).repeat(4, 1)
    assert np.abs(reader.read(0, 1)[0].astype(int) - wanted).mean() < 2
    assert run(job) == Summary(0, 5)
    assert not job.folder.exists()
    weights.write_bytes(b"others")
    with pytest.raises(RestoreError, match=r"out\.mkv: exists, and is no video that this command"):
        run(job)
    assert not job.folder.exists()


@pytest.fixture(scope="module")
def light_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "light.safetensors"
    ms.set_seed(1)
    arrays = {p.name: p.asnumpy() for p in build_network(LIGHT).get_parameters()}
    save_weights(path, arrays, Record(LIGHT, "rvrt"))
    return path


def test_command(tmp_path, light_weights):
    write_frames(tmp_path / "in", 3, 20, 24)
    command = [str(tmp_path / "in"), str(tmp_path / "out"), "--weights", str(light_weights)]
    command += ["--cuts", "none"]
    done = CliRunner().invoke(restore_main, command)
    assert done.exit_code == 0, done.output
    assert "3 frames restored" in done.output
    assert "tiles of 4 frames of 24x20: 100%" in done.output
    assert restored(tmp_path / "out").shape == (3, 80, 96, 3)
    again = CliRunner().invoke(restore_main, command)
    assert "0 frames restored, 3 were there already" in again.output


def test_command_without_weights_takes_those_of_the_package_and_says_so(tmp_path):
    frames = write_frames(tmp_path / "in", 2, 20, 24)
    command = [str(tmp_path / "in"), str(tmp_path / "out"), "--cuts", "none"]
    done = CliRunner().invoke(restore_main, command)
    assert done.exit_code == 0, done.output
    assert "weights: rvrt-small" in done.output
    assert "github.com/JingyunLiang/RVRT/releases" in done.output
    assert "rvrt-convert" in done.output
    network = open_network("rvrt-small")
    wanted = dict(Restorer(network.cell, Cutting(padding="borders")).restore(frames))
    for ours, expected in zip(restored(tmp_path / "out"), wanted.values(), strict=True):
        np.testing.assert_array_equal(ours, to_uint8(expected))
    again = CliRunner().invoke(restore_main, [*command, "--weights", "rvrt-small"])
    assert "0 frames restored, 2 were there already" in again.output
    assert "weights:" not in again.output


def test_command_with_weights_of_pytorch(tmp_path):
    write_frames(tmp_path / "in", 3)
    command = [str(tmp_path / "in"), str(tmp_path / "out"), "--weights", str(tmp_path / "w.pth")]
    done = CliRunner().invoke(restore_main, command)
    assert done.exit_code == 1
    assert "convert it first: rvrt-convert" in done.output
    assert not (tmp_path / "out").exists()


SLOW_NETWORK = """
import time
import mindspore as ms
from rvrt.cli.restore import main
from rvrt.weights import checkpoint
from rvrt.config.network import MODEL_PRESETS

class Slow(ms.nn.Cell):
    config = MODEL_PRESETS["rvrt-light-debug"]

    def construct(self, frames):
        time.sleep(0.5)
        return ms.Tensor(frames.asnumpy().repeat(4, -1).repeat(4, -2))

record = checkpoint.Record(Slow.config, "rvrt")
checkpoint.load_recorded = lambda path, execution: (Slow(), record)
main()
"""


def test_command_on_a_device_that_is_not_there(tmp_path, light_weights):
    write_frames(tmp_path / "in", 2, 20, 24)
    command = [str(tmp_path / "in"), str(tmp_path / "out"), "--weights", str(light_weights)]
    done = CliRunner().invoke(restore_main, [*command, "--device", "Ascend"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: device target Ascend")


def test_killed_and_started_again(tmp_path, weights):
    frames = write_frames(tmp_path / "in", 90, 8, 8)

    def start(out):
        return subprocess.Popen(
            [sys.executable, "-c", SLOW_NETWORK, tmp_path / "in", out, "--weights", weights],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )

    process = start(tmp_path / "out")
    deadline = time.monotonic() + 300
    while len(list((tmp_path / "out").glob("*.png"))) < 5:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list((tmp_path / "out").glob("*.png"))
    assert 5 <= len(left) < 90
    restored(tmp_path / "out")  # every one of them is whole
    assert start(tmp_path / "out").wait() == 0
    np.testing.assert_array_equal(restored(tmp_path / "out"), frames.repeat(4, 1).repeat(4, 2))


def test_no_tile_is_too_large_for_the_network():
    plan = plan_tiles(14, 1080, 1920, 32, tile_memory(MODEL_PRESETS["rvrt"]), math.inf)
    assert math.prod(plan.largest[1:]) <= 2**20


def test_the_process_stays_within_max_memory(tmp_path, light_weights):
    write_frames(tmp_path / "in", 2, 96, 96)
    # getrusage's maximum would be that of the parent, which a fork hands down.
    code = (
        "import re; from pathlib import Path; from rvrt.cli.restore import main as restore_main\n"
        "restore_main(standalone_mode=False)\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(int(re.search('VmHWM:\\\\s+([0-9]+)', status)[1]) * 1024)"
    )
    command = [
        tmp_path / "in",
        tmp_path / "out",
        "--weights",
        light_weights,
        "--max-memory",
        "0.85",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tiles of 2 frames of 64x64" in done.stderr
    assert int(done.stdout.split()[-1]) < 0.85 * 2**30
    assert restored(tmp_path / "out").shape == (2, 384, 384, 3)
