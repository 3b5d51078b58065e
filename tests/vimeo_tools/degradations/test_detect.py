"""The detective on frames made by the very programs, and on frames that nobody makes."""

import numpy as np
import pytest

from tests.oracles.makers import MAKERS, bd, frames_of, from_expected, library_is_there, textured
from vimeo_tools import DEGRADATIONS, Degradation, degrade, detect_degradation, downscale
from vimeo_tools.degradations import BlurDown
from vimeo_tools.degradations.others import OTHER_MAKERS
from vimeo_tools.errors import FrameError, SettingsError

GTS = [textured(seed) for seed in range(2)]
TORCH = [maker for maker in MAKERS if maker.name.startswith("torch")]


def names(detection):
    return [fit.name for fit in detection.alike]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.made_with)
def test_makers_are_found(maker):
    maker = from_expected(maker)
    if not library_is_there(maker):
        pytest.skip(f"{maker.made_with}: not installed")
    gts = frames_of(maker)
    found = detect_degradation(gts, [maker.make(gt) for gt in gts])
    assert (found.known, found.best.differing, found.mixed) == (True, 0, {})
    assert maker.name in names(found)
    assert found.channels == maker.channels
    assert (found.crop is not None) == maker.cropped
    assert found.sentence().startswith("made with ")


def test_every_maker_of_the_list_is_one_that_is_looked_for():
    known = {maker.name for maker in OTHER_MAKERS} | {"bicubic-double", "bicubic-uint8"}
    assert {maker.name for maker in MAKERS} <= known | DEGRADATIONS.keys()


@pytest.mark.parametrize("maker", TORCH, ids=lambda maker: maker.made_with)
def test_what_torch_made_once_is_what_it_makes(maker):
    pytest.importorskip("torch")
    (gt,) = frames_of(maker)
    made, stored = maker.make(gt), from_expected(maker._replace(make=no_torch)).make(gt)
    assert np.array_equal(made, stored)


def no_torch(_frame):
    raise ImportError


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(
    "maker",
    [m for m in OTHER_MAKERS if "pillow" in m.name or "opencv" in m.name],
    ids=lambda maker: maker.name,
)
def test_formulas_are_the_programs(maker, scale):
    """Of noise, where every rounding shows, at sizes whose rows end in a vector's middle."""
    gt = np.random.default_rng(scale).integers(0, 256, (5 * scale, 9 * scale, 3), np.uint8)
    kind, _, how = maker.name.partition("-")
    size = 9, 5
    if kind == "pillow":
        from PIL import Image

        made = np.asarray(Image.fromarray(gt).resize(size, Image.Resampling[how.upper()]))
    else:
        cv2 = pytest.importorskip("cv2")
        made = cv2.resize(gt, size, interpolation=getattr(cv2, f"INTER_{how.upper()}"))
    gap = np.abs(made - np.clip(maker.levels(gt, scale), 0, 255))
    assert (gap <= 0.5 + maker.tie).all()
    if not maker.tie:
        assert np.array_equal(maker.apply(gt, scale), made)


@pytest.mark.parametrize("name, scale", [("bd", 2), ("bd", 3), ("bd", 8), ("bd-duf", 2)])
def test_other_scales(name, scale):
    gt = textured(3, 12 * scale, 16 * scale)
    found = detect_degradation(gt, degrade(gt, name, scale))
    assert (found.scale, names(found)) == (scale, [name])
    assert found.degradation == DEGRADATIONS[name]
    assert "RVRT" not in found.sentence()  # which is of x4


def test_one_from_outside_is_tried_too(monkeypatch):
    class Second(Degradation):
        name, tag = "second", "S"

        def apply(self, frame, scale):
            if min(frame.shape[:2]) < 60:
                raise FrameError("too small for it")
            return frame[1::scale, 2::scale]

    monkeypatch.setitem(DEGRADATIONS, "second", Second())
    found = detect_degradation(GTS, degrade(np.stack(GTS), "second"))
    assert (names(found), found.offset) == (["second"], None)
    assert found.sentence() == "made with second"
    assert names(detect_degradation(GTS[0][:48], degrade(GTS[0][:48], "bd"))) == ["bd"]


def test_what_is_said():
    said = detect_degradation(GTS, degrade(np.stack(GTS), "bd-duf")).sentence()
    assert said.startswith("made with DUF's blur: its pixels lie 1.5 GT pixels up and left of BDx4")
    assert "RVRT 003" in said and "10 dB" in said
    values = detect_degradation(GTS, degrade(np.stack(GTS), "bd-duf")).values()
    kernel = {"sigma": 1.6, "kernel": 13, "phase": 0, "border": "reflect"}
    assert {key: values[key] for key in kernel} == pytest.approx(kernel)
    assert (values["offset"], values["degradation"]) == ([-1.5, -1.5], "bd-duf")
    assert values["fits"][0]["differing"] == 0 < values["fits"][1]["differing"]
    double = detect_degradation(GTS, downscale(np.stack(GTS)))
    assert "double convention, as RVRT 001 and 002" in double.sentence()
    assert double.values()["convention"] == "double"
    assert "2 frames looked at" in str(double)


def test_a_few_wrong_samples_do_not_hide_the_maker():
    lq = degrade(np.stack(GTS), "bd")
    lq[0, 3, 4] ^= 8
    found = detect_degradation(GTS, lq)
    assert (found.known, found.best.name, found.best.differing) == (True, "bd", 3)
    assert "3 of 2304 samples differ all the same" in found.sentence()


@pytest.mark.parametrize(
    "own",
    [
        BlurDown("bd", 1.3, 9, 2, "symmetric"),
        BlurDown("bd", 2.0, 12, 1, "reflect"),
        BlurDown("bd", 0.85, 5, 0, "replicate"),
    ],
    ids=str,
)
def test_a_blur_of_ones_own_is_found_out(own):
    found = detect_degradation(GTS, [own.apply(gt, 4) for gt in GTS])
    assert found.known and found.degradation == own
    assert f"--degradation '{own}'" in found.sentence()


@pytest.mark.parametrize("row, column", [(1.5, 1.5), (0.3, 2.2), (-0.6, 1.0)])
def test_an_unknown_maker_is_said_to_be_unknown(row, column):
    """Waves through a Gaussian are waves; they may be sampled anywhere."""
    y, x = np.indices((96, 96))
    lq_y, lq_x = 4 * np.indices((24, 24)) + np.array([row, column])[:, None, None]
    sigma, gt, lq = 2.2, np.full((96, 96), 120.0), np.full((24, 24), 120.0)
    for fy, fx, phase in np.random.RandomState(0).uniform(0.05, 0.7, (12, 3)):
        gt += 14 * np.sin(fy * y + fx * x + 9 * phase)
        damped = 14 * np.exp(-(sigma**2) * (fy**2 + fx**2) / 2)
        lq += damped * np.sin(fy * lq_y + fx * lq_x + 9 * phase)
    gt, lq = (np.clip(np.rint(wave), 0, 255).astype(np.uint8) for wave in (gt, lq))
    lq[:, ::5] ^= 1  # as nobody's rounding is
    found = detect_degradation(gt, lq)
    assert not found.known and found.degradation is None
    assert found.offset == pytest.approx((row - 1.5, column - 1.5), abs=0.05)
    assert found.shape.sigma == pytest.approx(sigma, rel=0.05)
    said = found.sentence()
    assert "a maker that is not known: nearest is " in said and "residual" in said
    assert found.values()["maker"] is None and found.values()["estimate"]["residual"] < 1


def test_part_of_a_frame_and_channels():
    gt = textured(5, 63, 95)
    found = detect_degradation(gt, degrade(gt[2:62, 3:95], "bd-duf")[..., ::-1])
    assert (found.crop[:2], found.channels, names(found)) == ((2, 3), "BGR", ["bd-duf"])
    assert "92x60 of GT from row 2, column 3" in found.sentence()
    whole = detect_degradation(gt, downscale(gt))  # 24x16, with parts of blocks
    assert (whole.crop, names(whole)) == (None, ["bicubic-double"])


def test_grey_frames_large_ones_and_flat_ones():
    gt = textured(6)[..., 0]
    assert names(detect_degradation(gt, bd(gt[..., None])[..., 0])) == ["bd"]
    large = textured(7, 720, 720)
    large[:400] = 16  # nothing is to be seen in a corner
    assert names(detect_degradation(large, degrade(large, "bd-duf"))) == ["bd-duf"]
    flat = np.full((64, 64, 3), 77, np.uint8)
    found = detect_degradation(flat, flat[::4, ::4])
    assert not found.known and "too flat to tell" in found.sentence()
    assert found.made_with(DEGRADATIONS["bd"])


def test_frames_of_two_makers():
    gts = [*GTS, textured(2)]
    lqs = [degrade(gts[0], "bd"), degrade(gts[1], "bd"), downscale(gts[2])]
    found = detect_degradation(gts, lqs)
    assert not found.known
    assert "of 3 frames 2 by the blur of KAIR" in found.sentence()


@pytest.mark.parametrize(
    "gt, lq, words",
    [
        ((64, 96, 3), (64, 96, 3), "both of 96x64: nobody"),
        ((64, 96, 3), (16, 90, 3), "LQ is not GT made smaller"),
        ((16, 24, 3), (64, 96, 3), "LQ is not GT made smaller"),
    ],
)
def test_frames_that_are_no_pair(gt, lq, words):
    with pytest.raises(SettingsError, match=words):
        detect_degradation(np.zeros(gt, np.uint8), np.zeros(lq, np.uint8))


def test_grey_beside_colour():
    with pytest.raises(FrameError, match="one of GT and LQ is grey"):
        detect_degradation(GTS[0], downscale(GTS[0])[..., 0])
