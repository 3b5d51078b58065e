"""Stored pictures: which kinds, in which order, as which pixels."""

import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vimeo_tools.data.pictures import (
    ArraySequence,
    PictureSequence,
    decode_picture,
    find_pictures,
    read_picture,
)
from vimeo_tools.data.png import FrameSize
from vimeo_tools.errors import FrameError
from vimeo_tools.preparation.verify import verify


def picture(seed=0, height=20, width=24):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def deep_png(path, channels):
    """A 16-bit PNG of 4x4; Pillow itself writes none in colour."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = (b"\0" + bytes(range(8 * channels))) * 4

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 4, 4, 16, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def deep_tiff(path):
    """A 16-bit RGB TIFF of 4x4, little-endian, not compressed."""
    data = bytes(range(96))
    depth = struct.pack("<HHH", 16, 16, 16)
    tags = [
        (256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 3, 8 + len(data)), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 8), (277, 3, 1, 3), (278, 3, 1, 4), (279, 4, 1, len(data)),
    ]  # fmt: skip
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(depth))
    path.write_bytes(start + data + depth + table + struct.pack("<I", 0))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff", "webp", "jpg", "jpeg", "PNG"])
def test_formats(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    expected = np.asarray(Image.open(path)) if suffix.startswith("jp") else picture()
    np.testing.assert_array_equal(read_picture(path), expected)
    np.testing.assert_array_equal(PictureSequence(tmp_path).read(0, 1)[0], expected)


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA"])
def test_kinds_of_pixels(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), image.convert("RGB"))
    assert decode_picture(tmp_path / "a.png").ndim == (2 if mode in ("L", "1", "LA") else 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_not_cut_to_eight(tmp_path, channels):
    deep_png(tmp_path / "deep.png", channels)
    with pytest.raises(FrameError, match=r"deep\.png: the picture is of .*save it as 8-bit"):
        read_picture(tmp_path / "deep.png")
    with pytest.raises(FrameError, match="save it as 8-bit"):
        PictureSequence(tmp_path)
    (tmp_path / "lq").mkdir()
    Image.fromarray(picture(0, 1, 1)).save(tmp_path / "lq" / "deep.png")
    (failure,) = verify(tmp_path, tmp_path / "lq").failures
    assert "save it as 8-bit" in failure.reason


def test_sixteen_bits_of_tiff(tmp_path):
    deep_tiff(tmp_path / "deep.tif")
    with Image.open(tmp_path / "deep.tif") as image:
        assert image.mode == "RGB"  # which alone would look like eight bits
    with pytest.raises(FrameError, match="of more than 8 bits"):
        read_picture(tmp_path / "deep.tif")


def test_what_is_no_picture(tmp_path):
    clear = np.dstack([picture(), np.full((20, 24), 7, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    Image.fromarray(picture()).save(tmp_path / "whole.png")
    raw = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(raw[: len(raw) // 2])
    os.mkfifo(tmp_path / "pipe.png")
    Image.new("CMYK", (4, 4)).save(tmp_path / "print.jpg")
    for name, reason in {
        "clear.png": "is transparent",
        "cut.png": "cannot be decoded",
        "pipe.png": "not a regular file",
        "print.jpg": "of mode CMYK",
        "absent.png": "the file is missing",
    }.items():
        with pytest.raises(FrameError, match=f"{name}: .*{reason}"):
            read_picture(tmp_path / name)
    with pytest.raises(FrameError, match="is 24x20, need 6x5"):
        read_picture(tmp_path / "whole.png", FrameSize(5, 6))


def test_order_names_and_what_is_left_out(tmp_path):
    for number in (10, 9, 1):
        Image.fromarray(picture(number)).save(tmp_path / f"im{number}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".im2.part.png").write_bytes(b"left by a kill")
    frames = PictureSequence(tmp_path)
    assert frames.names == ["im1", "im9", "im10"]
    assert (frames.height, frames.width) == (20, 24)
    np.testing.assert_array_equal(frames.read(1, 3), [picture(9), picture(10)])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**30), min_size=2, max_size=8, unique=True))
def test_any_numbers_are_ordered_by_value(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("numbers")
    for number in numbers:
        (folder / f"frame_{number}.png").touch()
    assert [path.stem for path in find_pictures(folder)] == [
        f"frame_{number}" for number in sorted(numbers)
    ]


def test_sequences_that_cannot_be_used(tmp_path):
    with pytest.raises(FrameError, match="no pictures"):
        PictureSequence(tmp_path)
    Image.fromarray(picture()).save(tmp_path / "a.png")
    Image.fromarray(picture(height=16)).save(tmp_path / "b.png")
    with pytest.raises(FrameError, match=r"b\.png: the frame is 24x16, need 24x20"):
        PictureSequence(tmp_path).read(0, 2)
    Image.fromarray(picture()).save(tmp_path / "a.jpg")
    with pytest.raises(FrameError, match="two pictures are called a"):
        PictureSequence(tmp_path)


def test_frames_in_memory():
    frames = np.stack([picture(seed) for seed in range(3)])
    source = ArraySequence(frames)
    assert (len(source.names), source.height, source.width) == (3, 20, 24)
    np.testing.assert_array_equal(source.read(1, 3), frames[1:])
