"""What decodes and encodes: the same pixels whichever it is, the same refusals, and which it is."""

import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vimeo_tools.png_files import assembled
from vimeo_tools.data.codecs import CODECS, VARIABLE, choose_codec
from vimeo_tools.data.png import decode_png
from vimeo_tools.errors import FrameError, SettingsError

CAN = [codec for codec in CODECS.values() if not codec.lacks]
PASSES = [  # first row, first column, step down, step across
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
]  # fmt: skip


def nearest(a, b, c):
    """The PNG specification's Paeth predictor, word for word."""
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    if pa <= pb and pa <= pc:
        return a
    return b if pb <= pc else c


def filtered(row, above, kind):
    """A row of samples as differences, one by one."""
    out = bytearray([kind])
    for i, x in enumerate(row):
        a, b, c = (int(row[i - 3]) if i > 2 else 0), int(above[i]), 0
        c = int(above[i - 3]) if i > 2 else 0
        out.append((int(x) - (0, a, b, (a + b) // 2, nearest(a, b, c))[kind]) % 256)
    return bytes(out)


def png_of(picture, kinds, interlaced, pieces):
    """Of (H, W, 3) uint8, each row by one of the five filters, in several chunks of data."""
    rows, at = [], 0
    for top, left, down, across in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = picture[top::down, left::across]
        if not part.size:
            continue
        samples = part.reshape(len(part), -1)
        for y, row in enumerate(samples):
            above = samples[y - 1] if y else np.zeros_like(row)
            rows.append(filtered(row, above, kinds[at % len(kinds)]))
            at += 1
    data = zlib.compress(b"".join(rows))
    step = -(-len(data) // pieces)
    height, width, _ = picture.shape
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    chunks = [b"IDAT" + data[i : i + step] for i in range(0, len(data), step)]
    return assembled(head + bytes([8, 2, 0, 0, interlaced]), b"gAMA\0\0\xb1\x8f", *chunks, b"IEND")


@st.composite
def pictures(draw):
    """(H, W, 3) uint8, of noise or smooth, of few levels or many."""
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 12)), 3
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise = rng.integers(0, draw(st.sampled_from([2, 9, 256])), shape, dtype=np.uint8)
    return draw(st.sampled_from([noise, np.sort(noise, axis=0), 255 - noise, noise * 0]))


@settings(max_examples=60, deadline=None)
@given(
    pictures(),
    st.lists(st.integers(0, 4), min_size=1, max_size=9),
    st.booleans(),
    st.integers(1, 4),
)
def test_every_filter_and_pass_is_undone_alike(picture, kinds, interlaced, pieces):
    data = png_of(picture, kinds, interlaced, pieces)
    for codec in CAN:
        assert np.array_equal(decode_png(data, None, codec.decode), picture), codec.name


@settings(max_examples=30, deadline=None)
@given(pictures())
def test_what_one_encodes_all_decode(picture):
    for encoder in CAN:
        data = encoder.encode(picture[:, ::-1])
        for codec in CAN:
            assert np.array_equal(decode_png(data, None, codec.decode), picture[:, ::-1])


PICTURE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
ROWS = zlib.decompress(png_of(PICTURE, [4, 3, 2, 1, 0], 0, 1)[57:-16])


def of_stream(stream):
    return assembled(b"IHDR\0\0\0\7\0\0\0\5\x08\2\0\0\0", b"IDAT" + stream, b"IEND")


@pytest.mark.parametrize("codec", CAN, ids=lambda codec: codec.name)
def test_damaged_picture_data_are_refused(codec):
    assert np.array_equal(decode_png(of_stream(zlib.compress(ROWS)), None, codec.decode), PICTURE)
    unknown = bytearray(ROWS)
    unknown[22] = 5  # the second row's filter
    for stream in (
        b"",
        zlib.compress(ROWS[:-1]),
        zlib.compress(bytes(unknown)),
        zlib.compress(ROWS)[:60],
        b"y" + zlib.compress(ROWS)[1:],
        zlib.compress(b""),
    ):
        with pytest.raises(FrameError, match="cannot be decoded"):
            decode_png(of_stream(stream), None, codec.decode)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 8 * len(of_stream(zlib.compress(ROWS))) - 1))
def test_all_refuse_any_flipped_bit(bit):
    damaged = bytearray(of_stream(zlib.compress(ROWS)))
    damaged[bit // 8] ^= 1 << bit % 8
    for codec in CAN:
        with pytest.raises(FrameError):
            decode_png(bytes(damaged), None, codec.decode)


def test_memory_is_not_taken_for_what_is_too_much():
    """80 MB of rows that no picture has, in 80 KB; what comes before them is read."""
    data = of_stream(zlib.compress(ROWS + bytes(80_000_000)))
    for codec in CAN:
        assert np.array_equal(decode_png(data, None, codec.decode), PICTURE), codec.name


def test_which_is_used(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert choose_codec() is CAN[0]
    for codec in CAN:
        monkeypatch.setenv(VARIABLE, codec.name)
        assert choose_codec() is codec
    monkeypatch.setenv(VARIABLE, "gif")
    with pytest.raises(
        SettingsError, match="VIMEO_TOOLS_CODEC=gif: allowed are isal, zlib, pillow"
    ):
        choose_codec()


def test_a_worker_that_would_write_other_bytes_is_refused():
    assert choose_codec(CODECS["pillow"].encoder).encoder == CODECS["pillow"].encoder
    with pytest.raises(SettingsError, match=r"a worker encodes by .*, wanted is Pillow 1"):
        choose_codec("Pillow 1")


@pytest.mark.skipif(bool(CODECS["zlib"].lacks), reason="the compiled part was not built")
@pytest.mark.parametrize(
    "missing, found, words",
    [
        ("isal", "zlib", "isal is not installed: pip install 'vimeo-tools[fast]'"),
        ("vimeo_tools.data._rows", "pillow", "install with a C compiler at hand"),
    ],
)
def test_without_what_it_needs_the_next_one_is_used(missing, found, words):
    code = f"""
import os, sys
sys.modules[{missing!r}] = None
from vimeo_tools.data.codecs import choose_codec
print(choose_codec().name)
os.environ["{VARIABLE}"] = "isal"
try:
    choose_codec()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[0] == found
    assert done.stdout.splitlines()[1].startswith("SettingsError") and words in done.stdout
