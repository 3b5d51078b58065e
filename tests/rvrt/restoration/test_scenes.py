"""Scene cuts as borders of the recurrence, and which part of a film is wanted."""

from fractions import Fraction

import mindspore as ms
import numpy as np
import pytest

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import RestoreError
from rvrt.restoration.jobs import Job
from rvrt.restoration.media import open_frames
from rvrt.restoration.parts import Choice, open_material, parse_time, read_cuts
from rvrt.restoration.pictures import read_deep_picture, save_picture
from rvrt.restoration.restore import restore
from rvrt.restoration.restorer import Cutting, Restorer
from tests.rvrt.restoration.films import make_film
from vimeo_tools.data.video_sequence import Timing

av = pytest.importorskip("av")


class Recurrent:
    """Every frame that comes out holds the mean of all that went in, and its own number."""

    config = MODEL_PRESETS["rvrt-light-debug"]

    def __call__(self, frames):
        clip = frames.asnumpy()
        number = np.arange(clip.shape[1], dtype=np.float32)[:, None, None, None] / 500
        mixed = clip / 2 + clip.mean(axis=1, keepdims=True) / 2 + number
        return ms.Tensor(mixed.repeat(4, -1).repeat(4, -2))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"weights")
    return path


def scenes(counts=(9, 8, 5), height=24, width=32):
    """A film whose scenes differ much, and whose frames differ little."""
    rng = np.random.default_rng(0)
    frames = []
    for number, count in enumerate(counts):
        still = rng.integers(0, 60, (height, width, 3)) + (180 if number % 2 else 0)
        frames += [(still + index).astype(np.uint8) for index in range(count)]
    return frames


def run(job):
    return restore(job, Restorer(Recurrent(), Cutting(padding="borders", scratch=job.folder)))


def restored(folder):
    return [read_deep_picture(path) for path in sorted(folder.glob("*.png"))]


def write_folder(folder, frames):
    for index, frame in enumerate(frames):
        save_picture(folder / f"{index:08d}.png", frame)


@pytest.mark.parametrize("kind", ["film", "folder"])
def test_frames_on_each_side_of_a_cut_do_not_know_each_other(tmp_path, weights, kind):
    frames = scenes()
    whole = tmp_path / "whole"
    if kind == "film":
        whole = tmp_path / "whole.mkv"
        make_film(av, whole, frames, layout="bgr0")
    else:
        write_folder(whole, frames)
    summary = run(Job(whole, tmp_path / "out", weights))
    assert summary.scenes == 3 and "3 scenes" in summary.text()
    apart = []
    for name, part in (("a", frames[:9]), ("b", frames[9:17]), ("c", frames[17:])):
        write_folder(tmp_path / name, part)
        run(Job(tmp_path / name, tmp_path / f"out_{name}", weights, Choice(cuts="none")))
        apart += restored(tmp_path / f"out_{name}")
    np.testing.assert_array_equal(restored(tmp_path / "out"), apart)
    run(Job(whole, tmp_path / "mixed", weights, Choice(cuts="none")))
    assert not np.array_equal(restored(tmp_path / "mixed")[0], apart[0])


def test_a_killed_run_goes_on_within_its_scenes(tmp_path, weights):
    write_folder(tmp_path / "in", scenes())
    job = Job(tmp_path / "in", tmp_path / "out", weights)
    run(job)
    whole = restored(job.folder)
    for index in (8, 9, 20):
        (job.folder / f"{index:08d}.png").unlink()
    again = run(job)
    assert (again.restored, again.found) == (3, 19)
    np.testing.assert_array_equal(restored(job.folder), whole)


def test_cuts_of_a_file(tmp_path, weights):
    make_film(av, tmp_path / "in.mkv", scenes((20,)), layout="bgr0")
    cuts = tmp_path / "cuts.txt"
    cuts.write_text("0\n4\n\n0.2   # five frames on\n0:00:00.401\n")
    material = open_material(tmp_path / "in.mkv", Choice(cuts=str(cuts)))
    assert list(material.cuts) == [4, 5, 10]
    assert [len(scene.names) for scene in material.scenes] == [4, 1, 5, 10]
    timing = Timing.even(Fraction(25), 20)
    for line in ("20", "-3", "soon", "7:99:12:3", "90.0"):
        cuts.write_text(f"3\n{line}\n")
        with pytest.raises(RestoreError, match=r"cuts\.txt, line 2: .* is no frame from 0 to 19"):
            read_cuts(cuts, timing, 20)
    with pytest.raises(RestoreError, match=r"cannot be read.*need auto, none or a file"):
        run(Job(tmp_path / "in.mkv", tmp_path / "out", weights, Choice(cuts="atuo")))
    assert not (tmp_path / "out").exists()


def test_another_choice_of_cuts_is_another_job(tmp_path, weights):
    write_folder(tmp_path / "in", scenes())
    run(Job(tmp_path / "in", tmp_path / "out", weights))
    with pytest.raises(Exception, match="of other settings"):
        run(Job(tmp_path / "in", tmp_path / "out", weights, Choice(cuts="none")))


def test_a_part_of_a_film(tmp_path, weights):
    frames = scenes((30,))
    make_film(av, tmp_path / "in.mkv", frames, layout="bgr0")
    choice = Choice(Fraction("0.4"), Fraction("0.6"), "none")
    run(Job(tmp_path / "in.mkv", tmp_path / "out", weights, choice))
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == [f"{index:08d}.png" for index in range(10, 15)]
    write_folder(tmp_path / "five", frames[10:15])
    run(Job(tmp_path / "five", tmp_path / "out_five", weights, Choice(cuts="none")))
    np.testing.assert_array_equal(restored(tmp_path / "out"), restored(tmp_path / "out_five"))
    with pytest.raises(RestoreError, match=r"no frame between --start and --end.* last at 1\.160"):
        open_material(tmp_path / "in.mkv", Choice(start=Fraction(7)))


def test_times():
    assert parse_time("12.5") == Fraction(25, 2) and parse_time("1:02:03.5") == Fraction("3723.5")
    assert parse_time("2:03") == 123 and parse_time(".25") == Fraction(1, 4)
    assert [parse_time(text) for text in ("", "1:2:3:4", "-1", "1e3", "nan")] == [None] * 5


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_film_that_was_cut_off(tmp_path, weights, suffix):
    whole, short = tmp_path / f"whole{suffix}", tmp_path / f"short{suffix}"
    rng = np.random.default_rng(1)
    noise = list(rng.integers(0, 256, (50, 48, 64, 3), np.uint8))
    with av.open(
        str(whole), "w", options={"movflags": "faststart"} if suffix == ".mp4" else {}
    ) as out:
        stream = out.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for frame in noise:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    data = whole.read_bytes()
    short.write_bytes(data[: len(data) * 6 // 10])
    job = Job(short, tmp_path / "out", weights, Choice(cuts="none"))
    with pytest.raises(Exception, match=r"short\.m.*damaged or cut off\. --end") as caught:
        run(job)
    assert not job.folder.exists()
    end = Fraction(str(caught.value).split("--end ")[1].split()[0])
    done = run(Job(short, tmp_path / "out", weights, Choice(end=end, cuts="none")))
    assert 20 < done.restored < 35
    assert len(open_frames(whole).names) == 50
