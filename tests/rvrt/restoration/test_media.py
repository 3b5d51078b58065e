import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rvrt.errors import RestoreError
from rvrt.restoration.encoding import Encoding, choose_encoder
from rvrt.restoration.film import Film
from rvrt.restoration.media import open_frames, write_video
from rvrt.restoration.pictures import save_picture
from vimeo_tools.data.video_sequence import Timing
from vimeo_tools.errors import VideoError


def picture(seed=0, height=48, width=64):
    """Smooth, so that a lossy codec keeps it."""
    rows, columns = np.mgrid[0:height, 0:width]
    parts = [np.sin((rows + seed * 3) / 25), np.cos(columns / 30), np.sin((rows + columns) / 40)]
    return np.round(127 + 100 * np.stack(parts, axis=-1)).astype(np.uint8)


def write(path, frames, rate=Fraction(25), *, timing=None, encoding=None, **film):
    timing = timing or Timing.even(Fraction(rate), len(frames))
    bits = 8 * frames[0].itemsize
    encoder = choose_encoder(encoding or Encoding(), path.suffix, bits)
    write_video(path, frames, Film(timing, **film), encoder)


def test_folders_and_what_is_not_there(tmp_path):
    save_picture(tmp_path / "a.png", picture())
    np.testing.assert_array_equal(open_frames(tmp_path).read(0, 1)[0], picture())
    with pytest.raises(RestoreError, match="no such folder or video"):
        open_frames(tmp_path / "absent")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_video_there_and_back(tmp_path, suffix):
    pytest.importorskip("av")
    frames = [picture(seed) for seed in range(12)]
    path = tmp_path / f"v{suffix}"
    write(path, frames, Fraction(30000, 1001))
    reader = open_frames(path)
    assert len(reader.names) == 12
    assert (reader.height, reader.width) == (48, 64)
    assert abs(reader.timing.rate - Fraction(30000, 1001)) < 0.03  # Matroska counts milliseconds
    for start, stop in ((0, 6), (4, 10), (8, 12)):
        got = reader.read(start, stop).astype(int)
        # Loss of H.264 and of halved chroma; a wrong colour matrix alone is off by 10 and more.
        assert np.abs(got - np.stack(frames[start:stop])).mean() < 2.5
    assert list(tmp_path.iterdir()) == [path]


def cloudy(height=256, width=320):
    """Colours of all strengths, at all distances, as in a photograph."""
    rng = np.random.default_rng(3)
    rows, columns = np.fft.fftfreq(height)[:, None, None], np.fft.rfftfreq(width)[:, None]
    waves = np.fft.rfft2(rng.normal(size=(height, width, 3)), axes=(0, 1))
    clouds = np.fft.irfft2(waves / (np.hypot(rows, columns) + 0.004), axes=(0, 1))
    clouds -= clouds.mean((0, 1))
    return np.clip(128 + 45 * clouds / clouds.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("make", [cloudy, lambda: picture(0, 256, 320)], ids=["clouds", "waves"])
def test_a_video_is_no_darker_than_its_frames(tmp_path, make):
    av = pytest.importorskip("av")
    frame = make()
    write(tmp_path / "v.mp4", [frame] * 12)
    back = open_frames(tmp_path / "v.mp4").read(0, 12).astype(float)
    assert abs((back - frame).mean()) < 0.05
    assert np.abs((back - frame).mean(axis=(0, 1, 2))).max() < 0.1  # half of it H.264's
    # Y by exact arithmetic, so that an error here and one of the reader cannot cancel out.
    with av.open(str(tmp_path / "v.mp4")) as file:
        stored = next(file.decode(video=0))
        assert (stored.colorspace, stored.color_range) == (1, 1)
    y = 16 + 219 / 255 * (frame @ [0.2126, 0.7152, 0.0722])
    assert abs((stored.to_ndarray()[:256] - y).mean()) < 0.05


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_are_shown_when_they_were(tmp_path, suffix):
    pytest.importorskip("av")
    ticks = np.array([0, 3600, 7200, 36000, 36090, 90000])
    timing = Timing(Fraction(1, 90000), ticks, Fraction(25))
    frames = [picture(seed) for seed in range(6)]
    write(tmp_path / f"v{suffix}", frames, timing=timing)
    found = open_frames(tmp_path / f"v{suffix}").timing
    assert [found.seconds(index) for index in range(6)] == [timing.seconds(i) for i in range(6)]
    assert found.unit == (timing.unit if suffix == ".mp4" else Fraction(1, 1000))


def tone(av, path, seconds=1):
    """A film of one frame a tenth of a second, with a tone."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("aac", rate=16000)
        wave = np.sin(np.arange(16000 * seconds) / 8).astype(np.float32)[None]
        block = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        block.sample_rate, block.pts = 16000, 0
        for index in range(10 * seconds):
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        out.mux([*sound.encode(block), *sound.encode(None), *video.encode(None)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_is_copied(tmp_path, suffix):
    av = pytest.importorskip("av")
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    tone(av, source)
    reader = open_frames(source)
    write(target, list(reader.read(0, 10)), timing=reader.timing, copied=source)
    packets, begins = {}, {}
    for path in (source, target):
        with av.open(str(path)) as file:
            packets[path] = [bytes(p) for p in file.demux(audio=0) if p.size]
        with av.open(str(path)) as file:
            first = [next(file.decode(video=0)).time]
        with av.open(str(path)) as file:
            begins[path] = next(file.decode(audio=0)).time - first[0]
    assert packets[source] == packets[target] and len(packets[source]) > 10
    assert begins[source] == pytest.approx(begins[target], abs=0.003)


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "x.mp4").write_bytes(b"film")
    with pytest.raises(VideoError, match=r"need PyAV: pip install 'vimeo-tools\[video\]'"):
        open_frames(tmp_path / "x.mp4")
    with pytest.raises(VideoError, match="need PyAV"):
        write(tmp_path / "y.mp4", [picture()])


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux schedules so")
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_encoding_leaves_this_process_its_scheduling(tmp_path, codec):
    """SVT-AV1 makes its own and its caller's threads real-time ones where it may."""
    pytest.importorskip("av")
    before = os.sched_getscheduler(0)
    seen = set()

    def frames():
        for seed in range(3):
            seen.update(policies())
            yield picture(seed, 128, 128)

    encoder = choose_encoder(Encoding(codec), ".mp4", 8)
    write_video(tmp_path / "out.mp4", frames(), Film(Timing.even(Fraction(25), 3)), encoder)
    assert seen | policies() == {before}


_ENCODES_LARGE_FRAMES = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from rvrt.restoration.encoding import Encoding, choose_encoder
from rvrt.restoration.film import Film
from vimeo_tools.data.video_sequence import Timing
from rvrt.restoration.media import write_video
coarse = np.random.default_rng(0).integers(0, 256, (280, 500, 3), np.uint8)
wide = coarse.repeat(8, 0).repeat(8, 1)
frames = (np.ascontiguousarray(wide[:2160, n : n + 3840]) for n in range(40))
film = Film(Timing.even(Fraction(25), 40))
write_video(Path(sys.argv[1]), frames, film, choose_encoder(Encoding("av1"), ".mp4", 8))
status = Path("/proc/self/status").read_text()  # a child's ru_maxrss begins with its parent's
print("\\n", int(status.split("VmHWM:")[1].split()[0]) / 2**20)
"""


@pytest.mark.slow
def test_av1_of_large_frames_stays_within_a_gibibyte(tmp_path):
    """It would take 1.6 GiB of them, and more with more processors."""
    pytest.importorskip("av")
    command = [sys.executable, "-c", _ENCODES_LARGE_FRAMES, str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) < 1.1


def policies():
    """Of all threads."""
    return {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()}
