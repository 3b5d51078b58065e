"""PNG files: what is accepted, what is told apart, and that damage anywhere is seen."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.vimeo_tools.png_files import assembled, chunk, saved
from vimeo_tools.data.png import (
    FrameSize,
    check_png,
    decode_png,
    encode_png,
    read_file,
    read_png_size,
)
from vimeo_tools.errors import FrameError, SettingsError

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
WHOLE = encode_png(PICTURE)


def sixteen_bit_rgb():
    """Pillow writes none, and reads it as 8-bit without a word."""
    header = b"IHDR" + (14).to_bytes(4, "big") + (9).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    rows = b"".join(b"\0" + bytes(14 * 6) for _ in range(9))
    return assembled(header, b"IDAT" + zlib.compress(rows), b"IEND")


def test_round_trip():
    assert (decode_png(WHOLE) == PICTURE).all()
    assert check_png(WHOLE) == FrameSize(9, 14)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "empty"),
        (b"GIF89a" + bytes(60), "not a PNG"),
        (saved(Image.fromarray(PICTURE), format="JPEG"), "not a PNG"),
        (WHOLE[:20], "truncated"),
        (saved(Image.fromarray(PICTURE[..., 0])), "8-bit grey"),
        (saved(Image.fromarray(PICTURE).quantize(8)), "palette"),
        (saved(Image.fromarray(PICTURE).convert("RGBA")), "RGB with alpha"),
        (saved(Image.fromarray(PICTURE).convert("LA")), "grey with alpha"),
        (saved(Image.fromarray(PICTURE[..., 0].astype(np.uint16))), "16-bit grey"),
        (sixteen_bit_rgb(), "16-bit RGB"),
    ],
)
def test_other_pictures_are_named(data, words):
    with pytest.raises(FrameError, match=words):
        check_png(data)
    with pytest.raises(FrameError, match=words):
        decode_png(data)


def test_cut_anywhere_is_seen():
    for length in range(len(WHOLE)):
        with pytest.raises(FrameError):
            check_png(WHOLE[:length])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(WHOLE) * 8 - 1))
def test_any_flipped_bit_is_seen(bit):
    damaged = bytearray(WHOLE)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        check_png(bytes(damaged))


def test_undecodable_data_with_right_checksums():
    data = WHOLE[:33] + chunk(b"IDAT" + b"not deflate") + WHOLE[-12:]
    assert check_png(data) == FrameSize(9, 14)
    with pytest.raises(FrameError, match="cannot be decoded"):
        decode_png(data)


def test_size_is_checked_before_decoding():
    with pytest.raises(FrameError, match="the frame is 14x9, need 448x256"):
        decode_png(WHOLE, FrameSize(256, 448))


def test_files(tmp_path):
    path = tmp_path / "im1.png"
    with pytest.raises(FrameError, match="missing"):
        read_file(path)
    with pytest.raises(FrameError, match="missing"):
        read_png_size(path)
    with pytest.raises(FrameError, match="cannot be read"):
        read_file(tmp_path)
    path.write_bytes(WHOLE)
    assert read_png_size(path) == FrameSize(9, 14)
    assert read_file(path) == WHOLE


def test_frame_size():
    assert FrameSize.parse("448x256") == FrameSize(height=256, width=448)
    assert str(FrameSize(256, 448)) == "448x256"
    assert FrameSize(256, 448).divided_by(4) == FrameSize(64, 112)
    with pytest.raises(SettingsError, match="multiples of 4"):
        FrameSize(255, 448).divided_by(4)
    for text in ("448", "448x", "0x4", "-1x4", "4x4x4", "4 x 4", "\u0661x4"):
        with pytest.raises(SettingsError, match="WIDTHxHEIGHT"):
            FrameSize.parse(text)
