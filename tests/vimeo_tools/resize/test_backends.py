"""The compiled part and NumPy against each other, and how one of them is chosen."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimeo_tools import downscale, im2double, im2uint8, imresize
from vimeo_tools.errors import SettingsError
from vimeo_tools.resize import compiled
from vimeo_tools.resize.backends import backend
from vimeo_tools.resize.contributions import KERNELS

needs_compiled = pytest.mark.skipif(
    not compiled.AVAILABLE, reason=f"the compiled part was not built here: {compiled.REASON}"
)
DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "int32", "float32", "float64"]


def with_each(call):
    """What ``call`` returns with the compiled part and with NumPy."""
    results = []
    for name in ("compiled", "numpy"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VIMEO_TOOLS_BACKEND", name)
            results.append(call())
    return results


def assert_equal_bits(ours, theirs):
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@st.composite
def any_picture(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (
        draw(st.integers(1, 90)),
        draw(st.integers(1, 90)),
        draw(st.sampled_from([1, 2, 3, 4, 7, 40])),
    )
    name = draw(st.sampled_from(DTYPES))
    if name.startswith("float"):
        picture = (rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4)).astype(name)
        if draw(st.booleans()):
            picture.flat[:: 1 + picture.size // 3] = rng.choice([np.nan, np.inf, -np.inf, 0])
        return picture
    if name == "bool":
        return rng.random(shape) > rng.random()
    limits = np.iinfo(name)
    low, high = sorted(rng.integers(limits.min, limits.max, 2, endpoint=True))
    # all values, two neighbours (rich in exact halves), or the extremes
    ends = draw(st.sampled_from([(low, high), (low, min(low + 1, limits.max))]))
    if draw(st.booleans()):
        return rng.integers(*ends, shape, dtype=name, endpoint=True)
    return rng.choice(np.array([limits.min, limits.max], name), shape)


@needs_compiled
@settings(max_examples=150, deadline=None)
@given(
    any_picture(),
    st.one_of(
        st.sampled_from([1, 2, 3, 4, 1 / 2, 1 / 3, 1 / 4, 1 / 8, 0.02]),
        st.floats(0.1, 3),
        st.tuples(st.integers(1, 150), st.integers(1, 150)),
    ),
    st.sampled_from(list(KERNELS)),
    st.booleans(),
    st.sampled_from(["symmetric", "replicate"]),
)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_every_kind_of_picture_is_the_same_with_both(picture, scale, method, widen, border):
    ours, theirs = with_each(
        lambda: imresize(picture, scale, method, antialiasing=widen, border=border, channel_axis=-1)
    )
    assert_equal_bits(ours, theirs)


@needs_compiled
@settings(max_examples=60, deadline=None)
@given(any_picture(), st.integers(1, 9))
def test_both_conventions_are_the_same_with_both(picture, scale):
    if picture.dtype != np.uint8:
        picture = (np.nan_to_num(picture) > 0).astype(np.uint8) + np.uint8(scale)
    for convention in ("double", "uint8"):
        ours, theirs = with_each(lambda c=convention: downscale(picture, scale, c, channel_axis=-1))
        assert_equal_bits(ours, theirs)


@needs_compiled
def test_every_instruction_set_of_this_processor_is_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (150, 117, 3), dtype=np.uint8)
    flat = rng.choice(np.array([7, 8], np.uint8), (64, 64, 3))
    expected = None
    for name in compiled.known_instruction_sets():
        run = subprocess.run(
            [sys.executable, "-c", _PROBE],
            input=picture.tobytes() + flat.tobytes(),
            env={**os.environ, "VIMEO_TOOLS_INSTRUCTIONS": name, "VIMEO_TOOLS_BACKEND": "compiled"},
            capture_output=True,
            check=True,
        )
        used, digest = run.stdout.split()
        assert used.decode() == name
        expected = expected or digest
        assert digest == expected


_PROBE = """
import hashlib, sys
import numpy as np
from vimeo_tools import downscale, imresize, im2double
from vimeo_tools.resize.compiled import instruction_set
data = np.frombuffer(sys.stdin.buffer.read(), np.uint8)
picture, flat = data[:52650].reshape(150, 117, 3), data[52650:].reshape(64, 64, 3)
made = [f(a, s) for a in (picture, flat) for s in (2, 3, 4) for f in (downscale, imresize)]
made += [imresize(im2double(picture), s, m) for s in (0.3, 1.7) for m in ("bicubic", "lanczos3")]
print(instruction_set(), hashlib.sha256(b"".join(m.tobytes() for m in made)).hexdigest())
"""


@needs_compiled
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(width=64), min_size=1, max_size=40), st.sampled_from(["f4", "f8"]))
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_conversions_are_the_same_with_both(values, kind):
    array = np.array(values).astype(kind)
    for convert in (im2uint8, im2double):
        assert_equal_bits(*with_each(lambda c=convert: c(array)))
    for dtype in (np.uint8, np.uint16):
        integers = np.arange(np.iinfo(dtype).max + 1).astype(dtype)[::-1]
        assert_equal_bits(*with_each(lambda a=integers: im2double(a)))


def test_the_variable_forces_a_backend(monkeypatch):
    monkeypatch.setenv("VIMEO_TOOLS_BACKEND", "numpy")
    assert backend() == "numpy"
    monkeypatch.setenv("VIMEO_TOOLS_BACKEND", "fortran")
    with pytest.raises(SettingsError, match="compiled and numpy"):
        backend()
    monkeypatch.delenv("VIMEO_TOOLS_BACKEND")
    assert backend() == ("compiled" if compiled.AVAILABLE else "numpy")


def test_compiled_forced_and_absent_is_an_error(monkeypatch):
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    monkeypatch.setenv("VIMEO_TOOLS_BACKEND", "compiled")
    with pytest.raises(SettingsError, match="C compiler"):
        imresize(np.zeros((4, 4)), 2)
    monkeypatch.delenv("VIMEO_TOOLS_BACKEND")
    assert backend() == "numpy"
