"""Videos cut into septuplets: which frames, at scene cuts, in which lists."""

import sys

import numpy as np
import pytest

from tests.conftest import tree_bytes
from vimeo_tools.data.lists import read_list
from vimeo_tools.data.png import FrameSize, decode_png
from vimeo_tools.errors import OutputError, SettingsError, VideoError
from vimeo_tools.preparation.video import CutSettings, cut_videos, septuplets_of

av = pytest.importorskip("av")
SMALL = FrameSize(height=32, width=48)


def write_video(path, levels, height=64, width=96):
    """A lossless video whose frame n is a ramp of its own with mean about ``levels[n]``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "bgr0"
        for level in levels:
            picture = np.full((height, width, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def levels_of(clip):
    return [int(frame[0, 0, 0]) for frame in clip]


@pytest.fixture
def two_scenes(tmp_path):
    """17 dark frames, then 16 bright ones."""
    path = tmp_path / "scenes.mkv"
    write_video(path, [*range(10, 27), *range(200, 216)])
    return path


def test_no_septuplet_crosses_a_scene_cut(two_scenes):
    clips = [levels_of(clip) for clip in septuplets_of(two_scenes, CutSettings(SMALL))]
    assert clips == [
        list(range(10, 17)),
        list(range(17, 24)),
        list(range(200, 207)),
        list(range(207, 214)),
    ]


@pytest.mark.parametrize(
    "stride, starts", [(3, [10, 13, 16, 19, 200, 203, 206, 209]), (9, [10, 19, 200, 209])]
)
def test_strides(two_scenes, stride, starts):
    clips = [levels_of(c) for c in septuplets_of(two_scenes, CutSettings(SMALL, stride))]
    assert clips == [list(range(start, start + 7)) for start in starts if start != 21]


def test_without_scene_cuts(two_scenes):
    clips = list(septuplets_of(two_scenes, CutSettings(SMALL, scene_threshold=1)))
    assert len(clips) == 4
    assert levels_of(clips[2]) == [24, 25, 26, 200, 201, 202, 203]


def test_frames_are_scaled_to_cover_then_cropped(tmp_path):
    path = tmp_path / "wide.mkv"
    write_video(path, [50] * 7, height=64, width=160)
    (clip,) = septuplets_of(path, CutSettings(SMALL))
    assert {frame.shape for frame in clip} == {(32, 48, 3)}
    assert {int(frame.min()) for frame in clip} == {50}


def test_layout_lists_and_resume(two_scenes, tmp_path):
    other = tmp_path / "other.mkv"
    write_video(other, range(100, 121))
    root = tmp_path / "out"
    settings = CutSettings(SMALL, test_fraction=0.3)
    summary = cut_videos([two_scenes, other], root, settings)
    assert (summary.clips, summary.done, summary.failures) == (7, 49, [])
    assert read_list(root / "sep_trainlist.txt").keys == [
        "00001/0001", "00001/0002", "00001/0003", "00011/0001", "00011/0002",
    ]  # fmt: skip
    assert read_list(root / "sep_testlist.txt").keys == ["00001/0004", "00011/0003"]
    frame = decode_png((root / "sequences" / "00011" / "0003" / "im7.png").read_bytes())
    assert frame[0, 0, 0] == 120
    whole = tree_bytes(root)
    (root / "sequences" / "00001" / "0002" / "im2.png").unlink()
    assert cut_videos([two_scenes, other], root, settings).done == 7
    assert tree_bytes(root) == whole
    with pytest.raises(OutputError, match="stride 7"):
        cut_videos([two_scenes, other], root, CutSettings(SMALL, stride=3))


def test_overlapping_clips_are_not_in_both_lists(two_scenes, tmp_path):
    cut_videos([two_scenes], tmp_path / "out", CutSettings(SMALL, stride=3, test_fraction=0.25))
    train = read_list(tmp_path / "out" / "sep_trainlist.txt").keys
    test = read_list(tmp_path / "out" / "sep_testlist.txt").keys
    assert test == ["00001/0007", "00001/0008"]
    assert train == [f"00001/000{n}" for n in range(1, 5)]


def test_bad_videos_are_listed_and_the_rest_is_cut(two_scenes, tmp_path):
    text, short, tiny = (tmp_path / name for name in ("notes.mp4", "short.mkv", "tiny.mkv"))
    text.write_text("no video")
    write_video(short, range(6))
    write_video(tiny, range(9), height=16, width=16)
    missing = tmp_path / "missing.mp4"
    summary = cut_videos(
        [text, short, tiny, missing, two_scenes], tmp_path / "out", CutSettings(SMALL)
    )
    reasons = {failure.path: failure.reason for failure in summary.failures}
    assert "cannot be read as a video" in reasons[str(text)]
    assert "no scene of 7 frames" in reasons[str(short)]
    assert "16x16, need at least 48x32" in reasons[str(tiny)]
    assert "cannot be read" in reasons[str(missing)]
    assert summary.done == 28


def test_settings_and_missing_library(two_scenes, tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="stride 0"):
        CutSettings(stride=0)
    with pytest.raises(SettingsError, match="test_fraction 2"):
        CutSettings(test_fraction=2)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match=r"pip install 'vimeo-tools\[video\]'"):
        cut_videos([two_scenes], tmp_path / "out", CutSettings())


def test_long_sequences_keep_to_their_scenes(two_scenes, tmp_path):
    root = tmp_path / "REDS"
    settings = CutSettings(layout="reds", frames=10, least=6, test_fraction=0.4)
    summary = cut_videos([two_scenes], root, settings)
    # Of 17 frames 10 and 7, of 16 frames 10 and 6.
    assert (summary.clips, summary.done, summary.failures) == (4, 33, [])
    names = {clip.name: len(list(clip.iterdir())) for clip in (root / "train_sharp").iterdir()}
    assert names == {"000": 10, "001": 7, "002": 10, "003": 6}
    frames = sorted((root / "train_sharp" / "001").iterdir())
    assert [path.name for path in frames[:2]] == ["00000000.png", "00000001.png"]
    pictures = [decode_png(path.read_bytes()) for path in frames]
    assert levels_of(pictures) == list(range(20, 27))
    assert pictures[0].shape == (64, 96, 3)
    assert (root / "train.txt").read_text() == "000\n001\n"
    assert (root / "test.txt").read_text() == "002\n003\n"
    short = CutSettings(layout="reds", frames=10, least=8)
    assert cut_videos([two_scenes], tmp_path / "other", short).clips == 2
    with pytest.raises(SettingsError, match="sequences of 30 to 20 frames"):
        CutSettings(layout="reds", frames=20)


@pytest.mark.parametrize("layout", ["vimeo90k", "reds"])
def test_a_video_is_added_and_what_is_there_stays(two_scenes, tmp_path, layout):
    other = tmp_path / "other.mkv"
    write_video(other, range(100, 121))
    settings = CutSettings(SMALL, layout=layout, frames=10, least=6, test_fraction=0.3)
    together, one_by_one = tmp_path / "together", tmp_path / "one by one"
    cut_videos([two_scenes, other], together, settings)
    cut_videos([two_scenes], one_by_one, settings)
    before = {p: p.stat().st_mtime_ns for p in one_by_one.rglob("*.png")}
    summary = cut_videos([other], one_by_one, settings, add=True)
    assert summary.skipped == 0
    assert tree_bytes(one_by_one) == tree_bytes(together)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    again = cut_videos([other], one_by_one, settings, add=True)
    assert (again.done, tree_bytes(one_by_one)) == (0, tree_bytes(together))
    assert cut_videos([two_scenes, other], one_by_one, settings).done == 0
    with pytest.raises(OutputError, match="cut_from"):
        cut_videos([other], one_by_one, settings)


def test_a_video_that_was_begun_must_be_named_again(two_scenes, tmp_path):
    settings = CutSettings(SMALL, layout="reds", frames=10, least=6)
    cut_videos([two_scenes], tmp_path / "out", settings)
    record = (tmp_path / "out" / "vimeo-prep.json").read_text()
    (tmp_path / "out" / "vimeo-prep.json").write_text(record.replace("\n    4\n", "\n    null\n"))
    with pytest.raises(SettingsError, match=r"scenes.mkv \(.* was begun and is not whole"):
        cut_videos([], tmp_path / "out", settings, add=True)
