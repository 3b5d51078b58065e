"""rvrt-restore as a user gives it: previews, parts, folders of videos, refusals."""

import numpy as np
import pytest
from click.testing import CliRunner

from rvrt.cli.restore import main
from rvrt.restoration.pictures import read_deep_picture
from tests.rvrt.restoration.films import look_at, make_film
from vimeo_tools.resize.matlab import imresize

av = pytest.importorskip("av")


def call(*arguments):
    done = CliRunner().invoke(main, [*map(str, arguments), "--weights", "rvrt-small"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def two_scenes(height=24, width=32):
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 9, (height, width, 3)) + level).astype(np.uint8)
        for level in (20, 20, 20, 20, 220, 220, 220)
    ]


@pytest.fixture
def film(tmp_path):
    make_film(av, tmp_path / "in.mkv", two_scenes(), layout="bgr0")
    return tmp_path / "in.mkv"


def test_the_summary_counts_scenes_and_frames_a_second(film, tmp_path):
    done = call(film, tmp_path / "out.mp4", "--scale", "2")
    assert done.exit_code == 0, done.output
    assert "out.mp4: 7 frames restored in 0:0" in done.output
    assert "frames/s; 2 scenes" in done.output
    pictures, _ = look_at(av, tmp_path / "out.mp4")
    assert [(p.height, p.width) for p in pictures] == [(48, 64)] * 7
    again = call(film, tmp_path / "out.mp4", "--scale", "2")
    assert "0 frames restored, 7 were there already; 2 scenes" in again.output
    one = call(film, tmp_path / "one", "--cuts", "none", "--end", "0:00.12")
    assert "3 frames restored" in one.output and "; 1 scene" in one.output
    assert len(list((tmp_path / "one").glob("*.png"))) == 3


def test_a_preview_shows_bicubic_on_the_left(film, tmp_path):
    done = call(film, tmp_path / "out.mp4", "--preview", "2")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.mkv", "out.preview.mp4", "out.preview.png",
    ]  # fmt: skip
    sheet = read_deep_picture(tmp_path / "out.preview.png")
    assert sheet.shape == (2 * 96, 2 * 128, 3)
    # The longer scene has four frames: its middle two.
    np.testing.assert_array_equal(sheet[:96, :128], imresize(two_scenes()[1], 4))
    assert not np.array_equal(sheet[:96, 128:], sheet[:96, :128])
    pictures, _ = look_at(av, tmp_path / "out.preview.mp4")
    assert [(p.height, p.width) for p in pictures] == [(96, 256)] * 2


def test_a_folder_of_videos(film, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    film.rename(folder / "b.mkv")
    make_film(av, folder / "c.avi", two_scenes()[:2], layout="bgr0")
    (folder / "a.mp4").write_bytes(b"no film")
    done = call(folder, tmp_path / "out")
    assert done.exit_code == 1
    assert "a.mp4: cannot be read as a video" in done.output
    assert "1 of 3 videos failed" in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.mkv", "c.mp4"]
    assert len(look_at(av, tmp_path / "out" / "b.mkv")[0]) == 7
    (folder / "a.mp4").unlink()
    again = call(folder, tmp_path / "out")
    assert again.exit_code == 0 and "0 frames restored, 7 were there already" in again.output
    for target, says in (("out.mp4", "need a folder"), ("films/out", "lies in the input")):
        refused = call(folder, tmp_path / target)
        assert refused.exit_code == 1 and says in refused.output


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--start", "soon"], 2, "'soon': need seconds as in 12.5, or 0:01:02.5"),
        (["--start", "9"], 1, "no frame between --start and --end"),
        (["--codec", "h265"], 2, "'h265' is not one of"),
        (["--codec", "prores"], 1, "it is stored in .mov or .mkv"),
        (["--pix-fmt", "rgb99"], 1, "--pix-fmt rgb99: h264"),
        (["--png-bits", "16"], 1, "--png-bits is for a folder"),
        (["--cuts", "absent.txt"], 1, "need auto, none or a file"),
        (["--tile", "40"], 1, "--tile 40: tiles overlap by 32; need at least 64"),
        (["--max-memory", "0.01"], 1, "the smallest tile needs about"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(tmp_path, options, code, says):
    make_film(av, tmp_path / "in.mkv", two_scenes(72, 80)[:2], layout="bgr0")
    done = call(tmp_path / "in.mkv", tmp_path / "out.mp4", *options)
    assert done.exit_code == code and says in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_tiles_of_a_side_of_ones_own(tmp_path):
    make_film(av, tmp_path / "in.mkv", two_scenes(72, 136)[:2], layout="bgr0")
    done = call(tmp_path / "in.mkv", tmp_path / "out", "--tile", "64")
    assert done.exit_code == 0, done.output
    assert "tiles of 2 frames of 64x64" in done.output
    assert read_deep_picture(tmp_path / "out" / "00000001.png").shape == (288, 544, 3)
