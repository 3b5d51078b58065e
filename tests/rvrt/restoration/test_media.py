import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from rvrt.errors import RestoreError
from rvrt.restoration.media import open_frames, read_picture, save_picture, write_video


def picture(seed=0, height=48, width=64):
    """Smooth, so that a lossy codec keeps it."""
    rows, columns = np.mgrid[0:height, 0:width]
    parts = [np.sin((rows + seed * 3) / 25), np.cos(columns / 30), np.sin((rows + columns) / 40)]
    return np.round(127 + 100 * np.stack(parts, axis=-1)).astype(np.uint8)


def test_frames_of_a_folder_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 1):
        save_picture(tmp_path / f"im{number}.png", picture(number))
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".im2.part.png").write_bytes(b"left by a kill")
    reader = open_frames(tmp_path)
    assert reader.names == ["im1", "im9", "im10"]
    assert (reader.height, reader.width) == (48, 64)
    np.testing.assert_array_equal(reader.read(1, 3), [picture(9), picture(10)])


def test_kinds_of_pictures(tmp_path):
    frame = picture()
    for mode in ("L", "P", "1", "RGBA"):
        Image.fromarray(frame).convert(mode).save(tmp_path / f"{mode}.png")
        expected = Image.fromarray(frame).convert(mode).convert("RGB")
        np.testing.assert_array_equal(read_picture(tmp_path / f"{mode}.png"), expected)
    clear = np.dstack([frame, np.full((48, 64), 7, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    with pytest.raises(RestoreError, match=r"clear\.png: is transparent"):
        read_picture(tmp_path / "clear.png")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(RestoreError, match=r"deep\.png: pixels of kind I"):
        read_picture(tmp_path / "deep.png")
    raw = (tmp_path / "L.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(RestoreError, match=r"cut\.png: cannot be read as a picture"):
        read_picture(tmp_path / "cut.png")


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(RestoreError, match="no pictures"):
        open_frames(tmp_path)
    with pytest.raises(RestoreError, match="no such folder or video"):
        open_frames(tmp_path / "absent")
    save_picture(tmp_path / "a.png", picture())
    save_picture(tmp_path / "b.png", picture(height=40))
    with pytest.raises(RestoreError, match=r"b\.png: 64x40, but the first frame is 64x48"):
        open_frames(tmp_path).read(0, 2)
    Image.fromarray(picture()).save(tmp_path / "a.jpg")
    with pytest.raises(RestoreError, match="two pictures are called a"):
        open_frames(tmp_path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_video_there_and_back(tmp_path, suffix):
    pytest.importorskip("av")
    frames = [picture(seed) for seed in range(12)]
    path = tmp_path / f"v{suffix}"
    write_video(path, frames, Fraction(30000, 1001), sound=None)
    reader = open_frames(path)
    assert len(reader.names) == 12
    assert (reader.height, reader.width, reader.rate) == (48, 64, Fraction(30000, 1001))
    for start, stop in ((0, 6), (4, 10), (8, 12)):
        got = reader.read(start, stop).astype(int)
        # Loss of H.264 and of halved chroma; a wrong colour matrix alone is off by 10 and more.
        assert np.abs(got - np.stack(frames[start:stop])).mean() < 2.5
    assert list(tmp_path.iterdir()) == [path]


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


def test_sound_is_copied(tmp_path):
    av = pytest.importorskip("av")
    tone(av, tmp_path / "in.mp4")
    frames = list(open_frames(tmp_path / "in.mp4").read(0, 10))
    write_video(tmp_path / "out.mkv", frames, Fraction(10), sound=tmp_path / "in.mp4")
    packets = {}
    for name in ("in.mp4", "out.mkv"):
        with av.open(str(tmp_path / name)) as file:
            found = [bytes(p) for p in file.demux(audio=0) if p.size]
            packets[name] = found
    assert packets["in.mp4"] == packets["out.mkv"] and len(packets["in.mp4"]) > 10


def test_damaged_and_silent_videos(tmp_path):
    av = pytest.importorskip("av")
    (tmp_path / "x.mp4").write_bytes(b"no film")
    with pytest.raises(RestoreError, match=r"x\.mp4: cannot be read as video"):
        open_frames(tmp_path / "x.mp4")
    with av.open(str(tmp_path / "s.mkv"), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.sample_rate = 16000
        out.mux([*stream.encode(block), *stream.encode(None)])
    with pytest.raises(RestoreError, match=r"s\.mkv: no video in it"):
        open_frames(tmp_path / "s.mkv")


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "x.mp4").write_bytes(b"film")
    with pytest.raises(RestoreError, match=r"need PyAV: pip install 'vimeo-tools\[video\]'"):
        open_frames(tmp_path / "x.mp4")
    with pytest.raises(RestoreError, match="need PyAV"):
        write_video(tmp_path / "y.mp4", [], Fraction(25), None)
