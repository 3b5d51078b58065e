import binascii
import math

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore.train.checkpoint_pb2 import Checkpoint

from rvrt.errors import CheckpointError
from rvrt.weights.checkpoint import read_arrays
from rvrt.weights.minds_ckpt import read_minds_ckpt, write_minds_ckpt

ARRAYS = {
    "conv.weight": np.arange(600, dtype=np.float32).reshape(2, 300),
    "number": np.array(3.0, np.float32),
    "half": np.ones(3, np.float16),
    "double": np.ones((1, 1, 2)),
    "flag": np.array([True, False]),
    "index": np.arange(200, dtype=np.uint16),
}
TEXTS = {"record": "héllo", "empty": ""}


def checkpoint(tag="a", dims=(2,), kind="Float32", content=bytes(8)):
    message = Checkpoint()
    value = message.value.add()
    value.tag, value.tensor.tensor_type, value.tensor.tensor_content = tag, kind, content
    value.tensor.dims.extend(dims)
    return message.SerializeToString()


def test_what_mindspore_writes_is_read_and_written_alike(tmp_path):
    theirs, ours = tmp_path / "theirs.ckpt", tmp_path / "ours.ckpt"
    entries = [{"name": name, "data": ms.Tensor(array)} for name, array in ARRAYS.items()]
    ms.save_checkpoint(entries, str(theirs), append_dict=dict(TEXTS), crc_check=True)
    write_minds_ckpt(ours, ARRAYS | TEXTS)
    assert ours.read_bytes() == theirs.read_bytes()
    read, summed = read_minds_ckpt(theirs)
    assert summed
    assert list(read) == [*ARRAYS, *TEXTS]
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)
    assert {name: read[name] for name in TEXTS} == TEXTS


def test_what_mindspore_writes_besides(tmp_path):
    path = tmp_path / "x.ckpt"
    entries = [{"name": "b", "data": ms.Tensor([[1.5, -2.25]], ms.bfloat16)}]
    ms.save_checkpoint(entries, str(path), append_dict={"epoch": 3, "rate": 0.5})
    read, summed = read_minds_ckpt(path)
    assert not summed
    np.testing.assert_array_equal(read["b"], np.float32([[1.5, -2.25]]), strict=True)
    assert (read["epoch"], read["rate"]) == (3, 0.5)


def test_pieces_of_one_tensor_and_older_numbers(tmp_path):
    path = tmp_path / "x.ckpt"
    first, second = np.float32([1, 2]).tobytes(), np.float32([3, 4]).tobytes()
    pieces = checkpoint("a", (2, 2), content=first) + checkpoint("a", (2, 2), content=second)
    path.write_bytes(pieces + checkpoint("n", (0,), "Int32", np.int32(7).tobytes()))
    read, _ = read_minds_ckpt(path)
    np.testing.assert_array_equal(read["a"], np.float32([[1, 2], [3, 4]]), strict=True)
    np.testing.assert_array_equal(read["n"], np.array(7, np.int32), strict=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (checkpoint(dims=(1,)), r"a holds 8 bytes, but its shape is \(1,\) of Float32"),
        (checkpoint(dims=(3,)), "a holds 8 bytes"),
        (checkpoint(dims=(2**40, 2**40)), "a holds 8 bytes"),
        (checkpoint(dims=()), "a holds 8 bytes"),
        (checkpoint(dims=(-2,)), "a has a negative dimension"),
        (checkpoint(dims=(1,) * 33), "more than 32 dimensions"),
        (checkpoint(kind="Float31"), "a is of type Float31; known are Float16, "),
        (checkpoint(kind="str", content=b"abc"), "truncated data"),
        (checkpoint() + checkpoint("b") + checkpoint(), "a is in it twice"),
        (checkpoint("\x1b[2J\n", (1,)), r"'\\x1b\[2J\\n' holds"),
        (b"\x0a\xff\xff\xff\xff\x0f" + bytes(9), "a field of 4294967295 bytes where 9 are left"),
        (b"\x0a" + b"\xff" * 12, "a number that does not end"),
        (b"\x0d\x00\x00\x00\x00", "wire type 5"),
        (b"\x0a\x05\x0a\x01a\x1a\x00", "hash table"),
        (b"\xd8^:\x7f" + bytes(90), "encrypted; load it in MindSpore with its key"),
        (b"\x1f\x8b" + bytes(90), "compressed by gzip; unpack it first"),
        (b"PK\x03\x04" + bytes(90), r"its name should end in \.pth"),
        (b"<html>", "a web page"),
        (b"", "empty"),
    ],
)
def test_what_is_refused(tmp_path, content, message):
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_arrays(path)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_wrong_checksum(tmp_path):
    content = checkpoint()
    path = tmp_path / "x.ckpt"
    for crc, whole in ((binascii.crc32(content), True), (7, False)):
        path.write_bytes(content + b"crc_num" + crc.to_bytes(10, "big"))
        if whole:
            assert list(read_arrays(path)[0]) == ["a"]
        else:
            with pytest.raises(CheckpointError, match="its checksum is wrong"):
                read_arrays(path)


@settings(max_examples=200, deadline=None)
@given(
    dims=st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 4), max_size=40),
    kind=st.sampled_from(["Float32", "Float64", "Bool", "Int8", "str", "x"]),
    content=st.binary(max_size=64),
    cut=st.integers(0, 90),
)
def test_any_tensor_is_of_its_bytes_or_refused(tmp_path_factory, dims, kind, content, cut):
    path = tmp_path_factory.getbasetemp() / "any.ckpt"
    path.write_bytes(checkpoint("a", dims, kind, content)[: 90 - cut])
    try:
        (array,) = read_arrays(path)[0].values() or (np.zeros(0),)
    except CheckpointError:
        return
    assert array.size == 0 or array.nbytes == len(content)
    assert array.size == math.prod(array.shape)
