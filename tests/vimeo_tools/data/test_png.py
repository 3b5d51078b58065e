"""PNG files: what is accepted, what is told apart, and that damage anywhere is seen."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.vimeo_tools.png_files import assembled, chunk, saved
from vimeo_tools.data.codecs import CODECS, decode_with_pillow
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


# --- hostile files ------------------------------------------------------------------------------


def header(width=14, height=9, depth=8, colour=2, rest=(0, 0, 0)):
    sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"IHDR" + sides + bytes([depth, colour, *rest])


ROWS = b"".join(b"\0" + row.tobytes() for row in PICTURE)
DATA = b"IDAT" + zlib.compress(ROWS)
END = b"IEND"
ACTL = b"acTL" + (1).to_bytes(4, "big") + bytes(4)


@pytest.mark.parametrize(
    "contents, words",
    [
        ([header(), header(20, 20), DATA, END], "'IHDR'.* doubled"),
        ([header(), DATA, header(20, 20), END], "'IHDR'.* doubled"),
        ([header(), ACTL, DATA, END], "animation"),
        ([header(), b"fcTL" + bytes(26), DATA, END], "animation"),
        ([header(60000, 60000), DATA, END], "the PNG is 60000x60000; need 1 to"),
        ([header(0, 9), DATA, END], "the PNG is 0x9"),
        ([header(), DATA, b"tEXta\0b", DATA, END], "'IDAT'.* out of order"),
        ([header(), DATA, b"PLTE" + bytes(3), END], "'PLTE'.* out of order"),
        ([header(), END], "'IEND'.* out of order"),
        ([header(), DATA, END + b"more"], "last chunk is not empty"),
        ([header(), b"ABCD", DATA, END], "unknown chunk"),
        ([header(), b"\0\1\2\3", DATA, END], "unknown chunk"),
        ([header()[:-1], DATA, END], "begins with chunk"),
        ([DATA, header(), END], "begins with chunk"),
        ([header(rest=(1, 0, 0)), DATA, END], "unknown compression"),
        ([header(rest=(0, 0, 7)), DATA, END], "unknown compression"),
    ],
)
def test_what_decoders_would_read_unlike_is_refused(contents, words):
    with pytest.raises(FrameError, match=words):
        decode_png(assembled(*contents))


def test_chunks_that_say_nothing_of_pixels_change_nothing():
    """Pillow stumbles over them, MindSpore's libpng does not; or the other way round."""
    bomb = b"zTXtx\0\0" + zlib.compress(bytes(10_000_000))
    for content in (bomb, b"zTXtx\0\5junk", b"gAMA\1", b"tRNS" + bytes(6), b"eXIf", b"iCCPx\0\5"):
        data = assembled(header(), content, DATA, END) + b"what follows the end"
        assert np.array_equal(decode_png(data), PICTURE)


@pytest.mark.parametrize("height, interlaced", [(10, 0), (14, 0), (9, 1)])
def test_rows_that_are_not_there_are_not_black(height, interlaced):
    rest = (0, 0, interlaced)
    with pytest.raises(FrameError, match="cannot be decoded"):
        decode_png(assembled(header(height=height, rest=rest), DATA, END))


def test_black_and_interlaced_pictures_are_read():
    black = np.zeros((9, 14, 3), np.uint8)
    assert np.array_equal(decode_png(encode_png(black)), black)
    passes = [  # one pixel: it lies in the first of the seven passes
        assembled(header(1, 1, rest=(0, 0, 1)), b"IDAT" + zlib.compress(b"\0\1\2\3"), END)
    ]
    assert decode_png(passes[0]).tolist() == [[[1, 2, 3]]]


def test_the_shape_of_the_result_is_checked():
    with pytest.raises(FrameError, match="was decoded to"):
        decode_png(WHOLE, decode=lambda data: PICTURE[:1])


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2**28 + 1)
    for path, words in (
        (tmp_path / "pipe", "a pipe, not a file"),
        (tmp_path, "a folder, not a file"),
        (Path("/dev/zero"), "a device or socket, not a file"),
        (large, "268,435,457 bytes"),
        (tmp_path / "a\0b", "NUL"),
        (tmp_path / ("x" * 5000), "cannot be read"),
    ):
        for read in (read_file, read_png_size):
            with pytest.raises(FrameError, match=words):
                read(path)


CHUNKS = st.one_of(
    st.builds(
        header,
        st.sampled_from([14, 9, 1, 0, 40_000]),
        st.sampled_from([9, 14, 1, 0, 40_000]),
        st.sampled_from([8, 16]),
        st.sampled_from([2, 0, 3, 6]),
        st.tuples(st.just(0), st.just(0), st.integers(0, 2)),
    ),
    st.just(DATA),
    st.integers(1, len(DATA) - 5).map(lambda n: b"IDAT" + DATA[4:n]),
    st.tuples(st.integers(4, len(DATA) - 1), st.integers(0, 255)).map(
        lambda hit: DATA[: hit[0]] + bytes([hit[1]]) + DATA[hit[0] + 1 :]
    ),
    st.tuples(
        st.sampled_from([b"PLTE", b"tRNS", b"gAMA", b"acTL", b"fdAT", b"zTXt", b"iCCP", b"vpAg"]),
        st.binary(max_size=30),
    ).map(b"".join),
    st.just(END),
)
WHOLE_CHUNKS = [header(), DATA, END]


@st.composite
def mutated(draw):
    """A PNG with some chunks put in, taken out or replaced; all checksums right."""
    contents = list(WHOLE_CHUNKS)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(contents)))
        contents[place : place + draw(st.integers(0, 1))] = [draw(CHUNKS)]
    return assembled(*contents)


@pytest.fixture(scope="module")
def decoders():
    """Those that look at the end of the compressed stream."""
    ours = [c.decode for name, c in CODECS.items() if name != "pillow" and not c.lacks]
    return [*ours, pytest.importorskip("vimeo_tools.feed.dataset").decode_with_mindspore]


@settings(max_examples=150, deadline=None)
@given(mutated())
def test_mutated_pictures_are_read_alike_or_refused_by_all_decoders(decoders, data):
    try:
        check_png(data)
    except FrameError:
        return
    ours = decoded(data, decode_with_pillow)
    for decode in decoders:
        theirs = decoded(data, decode)
        if ours is None or theirs is None:
            # Pillow does not look at what follows the last row.
            assert ours is theirs or (theirs is None and np.array_equal(ours, PICTURE))
        else:
            assert np.array_equal(ours, theirs)


def decoded(data, decode):
    """The pixels, or None where they are refused."""
    try:
        return decode_png(data, None, decode)
    except FrameError:
        return None
