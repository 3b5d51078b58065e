import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import CheckpointError
from rvrt.weights.checkpoint import Record, load_network, read_arrays, save_weights
from rvrt.weights.safetensors_file import read_safetensors_file, write_safetensors_file

ARRAYS = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.ones(3, np.float16),
    "double": np.array(2.5),
    "flag": np.array([True, False]),
    "index": np.arange(4, dtype=np.int64)[::2],
    "none": np.zeros((0, 4), np.float32),
    "small": np.arange(3, dtype=np.uint16),
}


def with_header(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_both_ways_with_the_library(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_safetensors_file(ours, ARRAYS, {"format": "ms", "more": "é"})
    with safe_open(ours, "np") as file:
        assert file.metadata() == {"format": "ms", "more": "é"}
        read = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({name: array.copy() for name, array in ARRAYS.items()}, theirs, {"a": "b"})
    again, texts = read_safetensors_file(theirs)
    assert texts == {"a": "b"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)
        np.testing.assert_array_equal(again[name], array, strict=True)


def test_bfloat16_is_widened(tmp_path):
    path = tmp_path / "x.safetensors"
    halves = (np.float32([1.5, -2.25]).view(np.uint32) >> 16).astype("<u2").tobytes()
    path.write_bytes(with_header({"w": entry("BF16", (2,), (0, 4))}, halves))
    np.testing.assert_array_equal(read_arrays(path)[0]["w"], np.float32([1.5, -2.25]), strict=True)


def test_written_twice_in_two_processes_the_bytes_are_equal(tmp_path):
    code = (
        "import sys; from pathlib import Path; import numpy as np;"
        "from rvrt.config.network import MODEL_PRESETS;"
        "from rvrt.weights.checkpoint import Record, save_weights;"
        "arrays = {n: np.ones(3, np.float32) for n in sys.argv[2]};"
        "save_weights(Path(sys.argv[1]), arrays, Record(MODEL_PRESETS['rvrt'], 'rvrt'))"
    )
    one, two = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    subprocess.run([sys.executable, "-c", code, one, "abc"], check=True)
    arrays = {name: np.ones(3, np.float32) for name in "cba"}
    save_weights(two, arrays, Record(MODEL_PRESETS["rvrt"], "rvrt"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_header({"w": entry("F8_E4M3")}, bytes(8)), "w is of dtype F8_E4M3; known are F64"),
        (with_header({"w": entry("F8_E8M0")}, bytes(8)), "w is of dtype F8_E8M0"),
        (with_header({"w": entry("F4")}, bytes(8)), "w is of dtype F4"),
        (with_header({"w": entry(["F32"])}, bytes(8)), "w is of dtype no text"),
        (with_header({"w": entry(shape=(3,))}, bytes(8)), r"8 bytes for the shape \[3\] of F32"),
        (with_header({"w": entry(shape=(-2,))}, bytes(8)), "no shape and place of whole numbers"),
        (with_header({"w": entry(shape=(True, 2))}, bytes(8)), "no shape and place"),
        (with_header({"w": entry(shape=(1,) * 33)}, bytes(8)), "no shape and place"),
        (with_header({"w": entry(offsets=(8, 16))}, bytes(16)), "does not begin where"),
        (with_header({"v": entry(), "w": entry()}, bytes(8)), "w does not begin where"),
        (with_header({"w": entry()}, bytes(7)), "7 bytes of numbers instead of 8"),
        (with_header({"w": entry()}, bytes(9)), "9 bytes of numbers instead of 8"),
        (with_header({"w": entry(shape=(2**40,), offsets=(0, 2**42))}), "0 bytes of numbers"),
        (with_header({"w": 5}), "w is not described by"),
        (with_header({"__metadata__": {"a": 5}}), "something else than texts"),
        (with_header(b'{"w": 1, "w": 2}'), "one name twice"),
        (with_header(b'{"w": NaN}'), "NaN in a header"),
        (with_header(b"[" * 200_000), "nested without end"),
        (with_header(b"[" + b"9" * 5000 + b"]"), "limit"),
        (with_header(b"[]"), "no object"),
        (b"\xff" * 8 + b"{}", "a header of 18446744073709551615 bytes"),
        (b"\x02", "a header of 2 bytes in a file of 1"),
        (b"", "a header of 0 bytes"),
    ],
)
def test_what_is_refused(tmp_path, content, message):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_arrays(path)
    assert str(caught.value).isprintable()


def recorded(path, record, arrays=None):
    """A file of ours whose record is made up, with a right checksum."""
    from rvrt.weights.checkpoint import write_safetensors

    text = record if isinstance(record, str) else json.dumps(record)
    write_safetensors(path, arrays or {"w": np.zeros(3, np.float32)}, text)
    return path


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"embed_dim": 240_000}, "embed_dim=240000: expected a whole number from 1 to 4096"),
        ({"num_blocks": [1, 10**7, 1]}, "num_blocks"),
        ({"embed_dim": 4080, "num_blocks": [32, 32, 32]}, "numbers, and the file holds 3"),
        ({"embed_dim": "144"}, "embed_dim='144'"),
        ({"max_offset": float("inf")}, "max_offset=inf"),
        ({"max_offset": "far"}, "damaged"),
        ({"window_size": 5}, "damaged"),
        ({"colour": 5}, "unexpected keyword argument 'colour'"),
    ],
)
def test_a_record_of_an_absurd_network_is_refused_unbuilt(tmp_path, config, message):
    record = {"model": "rvrt", "config": config, "origin": "rvrt", "part": "network"}
    path = recorded(tmp_path / "x.safetensors", record)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_network(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "record",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        "null",
        '{"model": [], "config": {}, "origin": "rvrt", "part": "network"}',
        '{"model": "rvrt", "config": [], "origin": "rvrt", "part": "network"}',
        '{"model": "rvrt", "config": {}, "origin": {}, "part": "network"}',
        '{"model": "rvrt", "config": {}, "origin": "rvrt", "part": "all"}',
    ],
)
def test_a_record_of_another_form(tmp_path, record):
    with pytest.raises(CheckpointError, match="damaged, cut short or of another form"):
        read_arrays(recorded(tmp_path / "x.safetensors", record))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "BOOL", "F8_E5M2"]) | JSON,
        "shape": st.lists(st.integers(0, 3) | st.integers(-(2**65), 2**65), max_size=4) | JSON,
        "data_offsets": st.lists(st.integers(0, 20), max_size=3) | JSON,
    }
)


@settings(max_examples=200, deadline=None)
@given(header=st.dictionaries(st.text(max_size=3), ENTRY | JSON, max_size=3), data=st.binary())
def test_any_header_gives_arrays_of_the_file_or_a_message(tmp_path_factory, header, data):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(with_header(header, data))
    try:
        arrays, _ = read_arrays(path)
    except CheckpointError as error:
        assert str(error).isprintable()
    else:
        assert all(array.size == math.prod(array.shape) for array in arrays.values())
        assert sum(array.nbytes for array in arrays.values()) <= 2 * len(data)
