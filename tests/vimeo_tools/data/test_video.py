"""Videos as RGB: every matrix and range, turned upright, the same to all who read them."""

import contextlib
import itertools
from fractions import Fraction

import numpy as np
import pytest

from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.scenes import SceneCuts
from vimeo_tools.data.video import VideoPictures
from vimeo_tools.data.video_sequence import VideoSequence
from vimeo_tools.errors import VideoError
from vimeo_tools.preparation.video import CutSettings, septuplets_of

av = pytest.importorskip("av")

# The weights of red and blue in Y, and FFmpeg's number of the matrix.
MATRICES = {"bt709": (0.2126, 0.0722, 1), "bt601": (0.299, 0.114, 6)}
LIMITED, FULL = 1, 2
UNSPECIFIED = 2


def saturated(height, width):
    """Squares of 4x4 pixels, each of one random colour."""
    colours = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return colours.repeat(4, 0).repeat(4, 1)


def exact_yuv(rgb, matrix, full):
    """I420 planes by ITU's formulas, chroma of the squares' top left pixels."""
    red, blue, _ = MATRICES[matrix]
    r, g, b = np.moveaxis(rgb.astype(float), -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    planes = [y, cb[::2, ::2] + 128, cr[::2, ::2] + 128]
    if not full:
        planes = [
            16 + y * 219 / 255,
            128 + 224 / 255 * cb[::2, ::2],
            128 + 224 / 255 * cr[::2, ::2],
        ]
    flat = np.concatenate([plane.ravel() for plane in planes])
    return np.rint(flat).clip(0, 255).astype(np.uint8).reshape(-1, rgb.shape[1])


def write_yuv(path, planes, matrix, colour_range, count=1, turned=0):
    """A lossless film of I420 planes, with these marks."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    codec = ("ffv1", {}) if path.suffix == ".mkv" else ("libx264", {"qp": "0"})
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec[0], rate=25, options=codec[1])
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = colour_range
        if turned:
            if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
                pytest.skip("PyAV before 18 writes no rotation")
            stream.set_display_rotation(turned)
        for _ in range(count):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.colorspace, frame.color_range = matrix, colour_range
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("matrix", "full"), list(itertools.product(MATRICES, (False, True))), ids=str
)
def test_colours_are_rounded_to_nearest(tmp_path, matrix, full):
    rgb = saturated(256, 320)
    number = MATRICES[matrix][2]
    planes = exact_yuv(rgb, matrix, full)
    write_yuv(tmp_path / "v.mkv", planes, number, FULL if full else LIMITED)
    error = VideoSequence(tmp_path / "v.mkv").read(0, 1)[0].astype(float) - rgb
    # Pixels whose chroma has no neighbour of another colour.
    inside = error.reshape(64, 4, 80, 4, 3)[:, 1:3, :, 1:3]
    assert np.abs(inside.mean(axis=(0, 1, 2, 3))).max() < 0.05
    assert np.abs(inside).max() <= 2


@pytest.mark.parametrize(("height", "matrix"), [(576, "bt601"), (720, "bt709")])
def test_films_without_a_mark_follow_their_size(tmp_path, height, matrix):
    rgb = saturated(height, 64)
    planes = exact_yuv(rgb, matrix, full=False)
    write_yuv(tmp_path / "v.mkv", planes, UNSPECIFIED, 0, count=7)
    frame = VideoSequence(tmp_path / "v.mkv").read(0, 1)[0]
    inside = (frame.astype(float) - rgb).reshape(-1, 4, 16, 4, 3)[:, 1:3, :, 1:3]
    assert np.abs(inside).max() <= 2
    # from-video sees what rvrt-restore sees.
    (clip,) = septuplets_of(tmp_path / "v.mkv", CutSettings(FrameSize(height, 64)))
    np.testing.assert_array_equal(clip[0], frame)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_pictures_that_lie_down_are_turned_upright(tmp_path, degrees):
    planes = exact_yuv(saturated(64, 96), "bt709", full=False)
    for name, turned in (("flat.mov", 0), ("turned.mov", degrees)):
        write_yuv(tmp_path / name, planes, 1, LIMITED, 7, turned)
    flat, turned = (VideoSequence(tmp_path / name) for name in ("flat.mov", "turned.mov"))
    expected = np.rot90(flat.read(0, 1)[0], degrees // 90)
    assert (turned.height, turned.width) == expected.shape[:2]
    np.testing.assert_array_equal(turned.read(0, 1)[0], expected)
    size = FrameSize(*expected.shape[:2])
    (clip,) = septuplets_of(tmp_path / "turned.mov", CutSettings(size))
    np.testing.assert_array_equal(clip[0], expected)


def test_damaged_and_silent_videos(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"no film")
    with pytest.raises(VideoError, match=r"x\.mp4: cannot be read as a video"):
        VideoSequence(tmp_path / "x.mp4")
    with av.open(str(tmp_path / "s.mkv"), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.sample_rate = 16000
        out.mux([*stream.encode(block), *stream.encode(None)])
    with pytest.raises(VideoError, match=r"s\.mkv: the file holds no video"):
        VideoSequence(tmp_path / "s.mkv")
    with pytest.raises(VideoError, match="cannot be read as a video"), VideoPictures(tmp_path):
        pass


def by_ffmpeg(pictures, threshold):
    """Which pictures FFmpeg's select filter lets through."""
    graph = av.filter.Graph()
    first = pictures[0]
    chain = [
        graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=first.time_base
        ),
        graph.add("select", f"gt(scene,{threshold})"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*chain).configure()
    found = []
    for index, picture in enumerate(pictures):
        graph.push(picture)
        with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
            graph.pull()
            found.append(index)
    return found


@pytest.mark.parametrize("layout", ["yuv420p", "yuv444p", "rgb24", "gray"])
def test_scenes_begin_where_ffmpeg_says(layout):
    rng = np.random.default_rng(4)
    still = rng.integers(0, 256, (64, 96, 3))
    pictures = []
    for index in range(40):
        if index in (5, 6, 11, 20, 33):  # noise of more and more strength
            still = still + rng.normal(0, 30 * (index - 2), still.shape)
        frame = np.clip(still + rng.normal(0, 5, still.shape), 0, 255).astype(np.uint8)
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=layout)
        picture.pts, picture.time_base = index, Fraction(1, 25)
        pictures.append(picture)
    some = set()
    for threshold in (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5):
        cuts = SceneCuts(threshold)
        found = [index for index, picture in enumerate(pictures) if cuts.begins_with(picture)]
        assert found == by_ffmpeg(pictures, threshold)
        some.add(len(found))
    assert len(some) > 2
