"""The sheet of pictures: what is in it, where the detail is taken, sizes from small to large."""

import numpy as np
import pytest
from PIL import Image

from rvrt.evaluation.sheets import SheetRow, most_different, write_sheet

ORANGE = (255, 178, 36)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(60, 190, (height, width, 3), dtype=np.uint8)


def row(height=64, width=112, label="00001/0001"):
    gt = noise(height, width)
    ours = gt.copy()
    ours[..., 1] ^= 1
    bicubic = ours.copy()
    bicubic[height // 2 : height // 2 + 6, width // 2 : width // 2 + 9] = 255
    return SheetRow(label, bicubic, ours, gt)


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


def has_block(sheet, block):
    """Whether the block of pixels lies somewhere in the sheet."""
    height, width = block.shape[:2]
    corners = np.argwhere((sheet == block[0, 0]).all(axis=2))
    return any(
        np.array_equal(sheet[y : y + height, x : x + width], block)
        for y, x in corners
        if y + height <= len(sheet) and x + width <= sheet.shape[1]
    )


def test_the_detail_is_where_the_pictures_differ_most():
    a = noise(40, 60)
    b = a.copy()
    b[20:26, 30:40] = 255 - b[20:26, 30:40]
    top, left = most_different(a, b, (6, 10))
    assert (top, left) == (20, 30)


def test_the_detail_of_equal_pictures_is_the_centre():
    a = noise(40, 60)
    assert most_different(a, a, (10, 20)) == (15, 20)
    assert most_different(a, a, (40, 60)) == (0, 0)


def test_pictures_and_details_are_in_the_sheet_pixel_for_pixel(tmp_path):
    one = row()
    write_sheet(tmp_path / "sheet.png", [one])
    sheet = pixels(tmp_path / "sheet.png")
    # 112 wide: four times in the overview, sixteen times in the detail of a quarter.
    top, left = most_different(one.ours, one.bicubic, (16, 28))
    for picture in one.pictures():
        assert has_block(sheet, picture[:10, :10].repeat(4, 0).repeat(4, 1))
        detail = picture[top : top + 16, left : left + 28]
        assert has_block(sheet, detail.repeat(16, 0).repeat(16, 1))
    assert (sheet == ORANGE).all(axis=2).sum() >= 3 * 2 * 2 * (16 + 28) * 4


def test_each_row_is_below_the_other(tmp_path):
    write_sheet(tmp_path / "one.png", [row()])
    write_sheet(tmp_path / "two.png", [row(), row(label="<b>&\n")])
    one, two = pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png")
    assert two.shape[0] > 1.9 * one.shape[0] and two.shape[1] == one.shape[1]
    assert np.array_equal(two[: len(one)], one)


def test_the_psnr_is_that_of_the_pictures(tmp_path):
    def captions(bicubic):
        write_sheet(tmp_path / "sheet.png", [SheetRow("a", bicubic, gt, gt)])
        return pixels(tmp_path / "sheet.png")[-40:]

    gt = noise(64, 112)
    near, far = gt ^ 1, gt ^ 8
    assert not np.array_equal(captions(near), captions(far))
    assert np.array_equal(captions(near), captions(gt ^ 1))


@pytest.mark.parametrize("size", [(8, 8), (33, 47), (256, 448), (720, 1280), (8, 2000), (500, 9)])
def test_any_size_fits(tmp_path, size):
    write_sheet(tmp_path / "sheet.png", [row(*size)])
    assert pixels(tmp_path / "sheet.png").shape[1] <= 3 * 650 + 20


def test_identical_pictures_are_no_problem(tmp_path):
    gt = noise(32, 32)
    write_sheet(tmp_path / "sheet.png", [SheetRow("same", gt, gt, gt)])
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_pictures_of_another_shape_or_dtype_are_refused():
    gt = noise(32, 32)
    with pytest.raises(ValueError, match=r"clip: bicubic is uint8 \(16, 32, 3\); need uint8"):
        SheetRow("clip", gt[:16], gt, gt)
    with pytest.raises(ValueError, match="clip: ours is float64"):
        SheetRow("clip", gt, gt / 255, gt)
    with pytest.raises(ValueError, match="from 8x8"):
        SheetRow("clip", gt[..., 0], gt[..., 0], gt[..., 0])


def test_a_sheet_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one row or more"):
        write_sheet(tmp_path / "sheet.png", [])
