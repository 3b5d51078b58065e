import dataclasses

import numpy as np
import pytest

from rvrt.errors import EvaluationError
from rvrt.evaluation.evaluator import measure_sequence
from rvrt.evaluation.metrics import measure, ssim_matlab
from rvrt.evaluation.opening import open_folders
from rvrt.evaluation.protocol import CENTRE, PROTOCOLS, choose_protocol, protocol_of
from rvrt.restoration.pictures import save_picture
from vimeo_tools import downscale, imresize


def test_the_centre_frame_is_the_fourth():
    assert CENTRE == 3 and PROTOCOLS["vimeo-centre"].septuplets == (4,)


def test_published_figures_stand_beside_their_own_protocol_alone():
    centre = PROTOCOLS["vimeo-centre"].published
    assert centre[0].psnr_y == 38.15 and centre[1].ssim_y is None
    (vid4,) = protocol_of(["walk", "city", "calendar", "foliage"]).published
    assert (vid4.psnr_y, vid4.ssim_y) == (27.99, 0.8462)
    (reds4,) = protocol_of(["000", "011", "015", "020"]).published
    assert (reds4.psnr_y, reds4.psnr_rgb) == (None, 32.75)
    assert [(p.psnr_rgb, p.ssim_matlab) for p in PROTOCOLS["deblur"].published_for(None)] == [
        (34.30, 0.9655),
        (34.92, 0.9738),
    ]
    assert PROTOCOLS["deblur"].published_for("noise") == ()
    assert protocol_of(["a"]).name == "frames" and PROTOCOLS["vimeo-all"].published == ()
    for name, protocol in PROTOCOLS.items():
        assert {figures.protocol for figures in protocol.published} <= {name}
    # RVRT's figures are of bicubic frames; beside others they say nothing.
    assert PROTOCOLS["vid4"].published_for("bd") == ()
    assert PROTOCOLS["vid4"].published_for("bicubic") == PROTOCOLS["vid4"].published_for(None)


def tecogans_crop(side):
    """As their loop has it: multiples of 32 until 16 pixels are left over, in the middle."""
    kept = side // 32 * 32
    while kept > side - 16:
        kept -= 32
    return (side - kept) // 2, kept


@pytest.mark.parametrize(("height", "width"), [(480, 704), (576, 720), (79, 112), (65, 96)])
def test_regions(height, width):
    rows, columns = PROTOCOLS["tecogan"].region(height, width)
    for span, side in ((rows, height), (columns, width)):
        assert (span.start, span.stop - span.start) == tecogans_crop(side)
    rows, columns = PROTOCOLS["duf"].region(height, width)
    assert (rows.start, rows.stop, columns.stop) == (8, height - 8, width - 8)
    whole = np.zeros((height, width, 3))
    assert PROTOCOLS["vid4"].region(height, width).of(whole).shape == whole.shape


def test_what_a_protocol_leaves_nothing_of():
    with pytest.raises(EvaluationError, match="frames of 64x40: protocol tecogan cuts 8 pixels"):
        PROTOCOLS["tecogan"].region(40, 64)
    with pytest.raises(EvaluationError, match="of 4 frames: protocol duf leaves out 2"):
        PROTOCOLS["duf"].measured(4)
    with pytest.raises(EvaluationError, match="protocol 'dfu': there are vimeo-centre"):
        choose_protocol("dfu")
    with pytest.raises(EvaluationError, match="city, foliage, walk: walk not there"):
        PROTOCOLS["vid4"].choose(["calendar", "city", "foliage", "x"])


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for key, count in (("a", 7), ("b", 5)):
        for number in range(count):
            gt = rng.integers(0, 256, (48, 64, 3), np.uint8)
            save_picture(tmp_path / "gt" / key / f"{number}.png", gt)
    return tmp_path / "gt"


def test_duf_leaves_out_two_frames_and_eight_pixels(folders):
    sequence = open_folders(folders, protocol=PROTOCOLS["duf"]).read("a")
    record, shown = measure_sequence(sequence, None)
    assert record.per_frame.names == ["2", "3", "4"] and shown.middle.name == "3"
    truth = sequence.gt.read(0, 3)
    for gt, scores in zip(truth, record.per_frame.bicubic, strict=True):
        bicubic = imresize(downscale(gt, 4), 4)
        inner = slice(8, -8), slice(8, -8)
        expected = measure(bicubic[inner], gt[inner])._asdict()
        assert {name: scores[name] for name in expected} == expected
    assert record.bicubic["psnr_y"] == pytest.approx(
        np.mean([scores["psnr_y"] for scores in record.per_frame.bicubic])
    )
    assert "dpsnr_y" not in record.per_frame.bicubic[0] and "dpsnr_y" in record.bicubic


def test_some_of_many_sequences(folders):
    two = dataclasses.replace(PROTOCOLS["vid4"], members=("b",))
    assert open_folders(folders, protocol=two).keys == ["b"]


def test_deblurring_is_measured_at_equal_size_as_matlab_does(folders, tmp_path):
    for key, count in (("a", 7), ("b", 5)):
        for number in range(count):
            blurred = np.full((48, 64, 3), 100 + number, np.uint8)
            save_picture(tmp_path / "lq" / key / f"{number}.png", blurred)
    pairs = open_folders(folders, tmp_path / "lq", protocol=PROTOCOLS["deblur"])
    sequence = pairs.read("b")
    record, shown = measure_sequence(sequence, None)
    np.testing.assert_array_equal(shown.middle.bicubic, shown.middle.lq)
    gt, lq = sequence.gt.read(0, 5), sequence.lq.read(0, 5)
    expected = [ssim_matlab(a, b) for a, b in zip(lq, gt, strict=True)]
    assert record.bicubic["ssim_matlab"] == pytest.approx(np.mean(expected))
    with pytest.raises(EvaluationError, match="a whole multiple from 2 on"):
        open_folders(folders, tmp_path / "lq").read("b").check_scale(1)
