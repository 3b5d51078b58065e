import collections
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rvrt.errors import CheckpointError
from rvrt.weights.torch_pickle import read_torch_file, write_torch_file


def with_storage(name: str, count: int, size: str, stride: str) -> bytes:
    """The pickle of one tensor, written out by hand in the text form of protocol 0."""
    return (
        f"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\n{name}\nV0\nVcpu\nI{count}\ntQI0\n"
        f"({size}t({stride}tI00\nccollections\nOrderedDict\n)RtR."
    ).encode()


def archive(path: Path, pickled: bytes, storage: bytes = b"", **records: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/data/0", storage)
        for name, content in records.items():
            file.writestr(f"archive/{name}", content)
    return path


def sample() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.standard_normal((4, 3, 1, 3, 3)).astype(np.float32),
        "half": rng.standard_normal(5).astype(np.float16),
        "index": np.arange(6).reshape(2, 3),
        "flag": np.array([True, False]),
        "scalar": np.array(2.5),
        "none": np.zeros((0, 4), np.float32),
    }


@pytest.mark.parametrize("name", ["official_subset.pth", "official_subset_legacy.pth"])
def test_reads_both_forms_as_torch_does(rvrt_goldens, name):
    torch = pytest.importorskip("torch")
    ours = read_torch_file(rvrt_goldens / name)
    theirs = torch.load(rvrt_goldens / name, weights_only=True)
    assert list(ours) == ["params"]
    assert list(ours["params"]) == list(theirs["params"])
    for key, tensor in theirs["params"].items():
        np.testing.assert_array_equal(ours["params"][key], tensor.numpy(), strict=True)


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_torch_writes_today(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    base = torch.arange(24.0).reshape(4, 6)
    saved = {
        "state_dict": torch.nn.Conv2d(3, 2, 3).state_dict(),  # an OrderedDict with _metadata
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "strided": base.t()[1:, ::2],
        "shared": [base[0], base[1]],
        "bfloat16": torch.tensor([[1.5, -2.25], [3e38, 0.0]], dtype=torch.bfloat16),
        "others": (torch.Size([1, 2]), torch.tensor(3), None, "text", 7, 0.5, True),
    }
    torch.save(saved, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    read = read_torch_file(tmp_path / "x.pth")
    for key, tensor in saved["state_dict"].items():
        np.testing.assert_array_equal(read["state_dict"][key], tensor.numpy(), strict=True)
    np.testing.assert_array_equal(read["parameter"], np.ones(2, np.float32), strict=True)
    np.testing.assert_array_equal(read["strided"], saved["strided"].numpy(), strict=True)
    np.testing.assert_array_equal(read["shared"], base[:2].numpy())
    np.testing.assert_array_equal(read["bfloat16"], saved["bfloat16"].float().numpy(), strict=True)
    assert read["others"] == ((1, 2), np.array(3), None, "text", 7, 0.5, True)


def test_torch_reads_what_we_write(tmp_path):
    torch = pytest.importorskip("torch")
    write_torch_file(tmp_path / "x.pth", "params", sample())
    for mmap in (False, True):
        read = torch.load(tmp_path / "x.pth", weights_only=True, mmap=mmap)["params"]
        assert type(read) is collections.OrderedDict
        assert list(read) == list(sample())
        for key, array in sample().items():
            np.testing.assert_array_equal(read[key].numpy(), array, strict=True)


def test_own_files_read_back_and_repeat_byte_for_byte(tmp_path):
    write_torch_file(tmp_path / "a.pth", "params", sample())
    write_torch_file(tmp_path / "b.pth", "params", sample())
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    read = read_torch_file(tmp_path / "a.pth")["params"]
    for key, array in sample().items():
        np.testing.assert_array_equal(read[key], array, strict=True)


class Payload:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_foreign_global_is_named_and_never_run(tmp_path, legacy):
    mark = tmp_path / "ran"
    harmful = pickle.dumps({"params": Payload(mark)}, protocol=2)
    if legacy:
        head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
        raw = b"".join(pickle.dumps(part, protocol=2) for part in head) + harmful
        (tmp_path / "x.pth").write_bytes(raw)
    else:
        archive(tmp_path / "x.pth", harmful)
    with pytest.raises(
        CheckpointError, match=r"asks for 'builtins\.getattr'|asks for '__builtin__"
    ):
        read_torch_file(tmp_path / "x.pth")
    assert not mark.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "torch.load",
        "numpy.dtype",
        "builtins.eval",
        "torch._utils._rebuild_tensor_v2.x",
    ],
)
def test_refused_globals(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    path = archive(tmp_path / "x.pth", f"c{module}\n{attribute}\n.".encode())
    with pytest.raises(CheckpointError, match=f"asks for '{name}'"):
        read_torch_file(path)


def test_a_state_given_to_an_object_is_dropped(tmp_path):
    # BUILD on one of the reader's own functions would otherwise change it for good.
    raw = b"ctorch._utils\n_rebuild_tensor_v2\n}Vcount\nI1\nsb0(dVok\nI1\ns."
    path = archive(tmp_path / "x.pth", raw)
    assert read_torch_file(path) == {"ok": 1}
    good = with_storage("FloatStorage", 2, "I2\n", "I1\n")
    assert read_torch_file(archive(path, good, bytes(8))).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("pickled", "storage"),
    [
        (with_storage("FloatStorage", 2, "I2\n", "I1\n"), bytes(4)),  # data cut short
        (with_storage("FloatStorage", 2, "I3\n", "I1\n"), bytes(8)),  # reads past the end
        (with_storage("FloatStorage", 2, "I2\n", "I-1\n"), bytes(8)),  # reads before it
        (with_storage("FloatStorage", 2, "I1000000000\n", "I0\n"), bytes(8)),  # fills memory
        (with_storage("FloatStorage", 2, "I2\nI1\n", "I1\n"), bytes(8)),
        (b"\x80\x02X\xff\xff\xff\xff.", b""),
        (b"\x80\x02r\xff\xff\xff\x7f.", b""),  # a memo of two billion places
        (b"\x80\x02\x82\x01.", b""),  # an extension code
        (b"", b""),
    ],
)
def test_damaged_pickles(tmp_path, pickled, storage):
    path = archive(tmp_path / "x.pth", pickled, storage)
    with pytest.raises(CheckpointError, match=r"x\.pth: damaged or cut short"):
        read_torch_file(path)


FEW = with_storage("FloatStorage", 2, "I2\n", "I1\n")[:-1]  # one tensor on the stack
LAUGH = b"]q\x00(K\x01K\x02e" + b"".join(
    b"](" + b"h" + bytes([n]) * 1 + (b"h" + bytes([n])) * 8 + b"eq" + bytes([n + 1])
    for n in range(40)
)
TUPLES = b"K\x01\x85q\x00" + b"".join(
    b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(60)
)


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (with_storage("FloatStorage", 1, "I1\n" * 33, "I1\n" * 33), "more than 32 dimensions"),
        (with_storage("FloatStorage", 1, "I1\n" * 64, "I0\n" * 64), "more than 32 dimensions"),
        (with_storage("FloatStorage", 1, "I1\n" * 500, "I1\n" * 500), "more than 32 dimensions"),
        (with_storage("FloatStorage", 2**62, "I1\n", "I1\n"), "storage 0 of another size"),
        (with_storage("FloatStorage", 1, f"I{2**80}\n", "I1\n"), "negative, too large"),
        (with_storage("FloatStorage", 1, "I1\n", "Vx\n"), "no whole number"),
        (b"\x80\x05\x96\xff\xff\xff\xff\x01\0\0\0.", "the operation 0x96"),  # BYTEARRAY8
        (b"\x80\x04\x8f(K\x01\x90.", "the operation 0x8f"),  # a set
        (b"\x80\x04\x8e\xff\xff\xff\xff\x01\0\0\0.", r"Ran out of input|EOFError"),
        (b"\x80\x02]q\0h\0a.", "nested deeper than 100, or within themselves"),
        (b"\x80\x02" + b"]" * 200 + b"a" * 199 + b".", "nested deeper than 100"),
        (b"\x80\x02}" + TUPLES + b"K\x01s.", "a name that is neither text nor a whole number"),
        (b"\x80\x02}(" + TUPLES + b"K\x01u.", "a name that is neither text nor a whole number"),
        (b"\x80\x02(" + TUPLES + b"K\x01d.", "a name that is neither text nor a whole number"),
        (b"\x80\x02ccollections\nOrderedDict\n(K\x01K\x02t\x85R.", "something that is no pair"),
        (b"\x80\x02" + TUPLES + b"Q.", "a reference to something that is no storage"),
        (b"\x80\x02}" + b"(" + b"N" * 9 + b"tR.", "a call with other arguments"),
        (b"\x80\x02})R.", "a call of something that cannot be called"),
    ],
)
def test_what_asks_for_more_than_the_file_holds(tmp_path, pickled, message):
    path = archive(tmp_path / "x.pth", pickled, bytes(4))
    with pytest.raises(CheckpointError, match=message) as caught:
        read_torch_file(path)
    assert str(caught.value).isprintable()


def test_shared_lists_are_shared(tmp_path):
    path = archive(tmp_path / "x.pth", b"\x80\x02" + LAUGH + b".")
    content = read_torch_file(path)  # unfolded, it would have 9 ** 40 numbers
    for _ in range(40):
        assert content[0] is content[8]
        content = content[0]
    assert content == [1, 2]


def test_many_tensors_of_one_storage(tmp_path):
    one = FEW.replace(b"I2\n", b"I50000\n")
    for count, taken in ((3, True), (2000, False)):
        pickled = b"(" + one * count + b"t."
        path = archive(tmp_path / "x.pth", pickled, bytes(4 * 50_000))
        if taken:
            assert len(read_torch_file(path)) == count
        else:
            with pytest.raises(CheckpointError, match="would take many times the file"):
                read_torch_file(path)


def test_archives_that_are_not_what_they_say(tmp_path):
    good = with_storage("FloatStorage", 2, "I2\n", "I1\n")
    path = archive(tmp_path / "x.pth", good, bytes(8))
    raw = path.read_bytes()
    entry = raw.index(b"PK\x01\x02")  # of data.pkl, in the directory at the end
    second = raw.index(b"PK\x01\x02", entry + 4)
    for at, value, message in [
        (entry + 8, b"\x01", "encrypted records"),
        (entry + 10, b"\x08", "compressed records"),
        (entry + 20, b"\xff\xff\xff\x7f", "compressed records"),
        (second + 42, b"\0\0\0\0", "records that overlap"),
    ]:
        path.write_bytes(raw[:at] + value + raw[at + len(value) :])
        with pytest.raises(CheckpointError, match=message):
            read_torch_file(path)
    both = raw[: entry + 20] + b"\xff\xff\xff\x7f" * 2 + raw[entry + 28 :]
    path.write_bytes(both)
    with pytest.raises(CheckpointError, match=r"records that overlap|ends after the file"):
        read_torch_file(path)


TENSOR = with_storage("FloatStorage", 2, "I2\n", "I1\n")[:-1]
PIECES = [
    *(bytes([code]) for code in b"(N])}aesudlt012bRQo\x85\x86\x87\x81\x88\x8f\x90\x93\x94"),
    *(b"K\x01", b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"X\x01\0\0\0a", b"h\x00h\x00\x86q\x00"),
    *(
        b"ccollections\nOrderedDict\n",
        b"ctorch\nSize\n",
        b"cos\nsystem\n",
        TENSOR,
        b"I99\n",
        b"V0\n",
    ),
    *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"Vstorage\n"),
    *(b"\x96" + b"\xff" * 7 + b"\0", b"\x8e" + b"\xff" * 7 + b"\0", b"r\xff\xff\xff\x7f"),
]


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40), data=st.sampled_from([b"", bytes(8)]))
def test_any_pickle_gives_what_the_file_holds_or_a_message(tmp_path_factory, pieces, data):
    path = archive(tmp_path_factory.getbasetemp() / "any.pth", b"".join(pieces) + b".", data)
    try:
        read_torch_file(path)
    except CheckpointError as error:
        assert str(error).isprintable()


@settings(max_examples=100, deadline=None)
@given(places=st.lists(st.integers(0, 10**6), min_size=1, max_size=4), value=st.binary(max_size=9))
def test_a_damaged_archive_gives_its_tensor_or_a_message(tmp_path_factory, places, value):
    path = archive(tmp_path_factory.getbasetemp() / "bad.pth", TENSOR + b".", bytes(8))
    raw = bytearray(path.read_bytes())
    for place in places:
        place %= len(raw)
        raw[place : place + len(value)] = value
    path.write_bytes(raw)
    try:
        content = read_torch_file(path)
    except CheckpointError as error:
        assert str(error).isprintable()
    else:
        np.testing.assert_array_equal(content, np.zeros(2, np.float32))


def test_pipes_and_folders(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "folder.pth").mkdir()
    for name in ("pipe.pth", "folder.pth"):
        with pytest.raises(CheckpointError, match="not a regular file"):
            read_torch_file(tmp_path / name)


def test_other_archives(tmp_path):
    good = with_storage("FloatStorage", 2, "I2\n", "I1\n")
    ones = np.ones(2, np.float32)
    np.testing.assert_array_equal(
        read_torch_file(archive(tmp_path / "good", good, ones.tobytes())), ones, strict=True
    )
    with pytest.raises(CheckpointError, match="big-endian"):
        read_torch_file(archive(tmp_path / "big", good, ones.tobytes(), byteorder=b"big"))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("hello.txt", "hello")
    with pytest.raises(CheckpointError, match=r"without exactly one data\.pkl"):
        read_torch_file(tmp_path / "other.zip")
    with pytest.raises(CheckpointError, match="no such file"):
        read_torch_file(tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("<html>not found</html>")
    with pytest.raises(CheckpointError, match="not a PyTorch file"):
        read_torch_file(tmp_path / "text.pth")


@pytest.mark.parametrize("name", ["official_subset.pth", "official_subset_legacy.pth"])
def test_every_cut_is_noticed(rvrt_goldens, tmp_path, name):
    raw = (rvrt_goldens / name).read_bytes()
    cut = tmp_path / name
    for length in [0, 1, 4, 20, 400, 5000, len(raw) // 2, len(raw) - 1000, len(raw) - 1]:
        cut.write_bytes(raw[:length])
        with pytest.raises(CheckpointError, match=r"cut short|not a PyTorch file"):
            read_torch_file(cut)


def test_flipped_bytes_give_arrays_or_a_message(rvrt_goldens, tmp_path):
    # The older form has no checksum: damage among the numbers cannot be seen, the rest must be.
    raw = (rvrt_goldens / "official_subset_legacy.pth").read_bytes()
    rng = np.random.default_rng(1)
    path = tmp_path / "x.pth"
    refused = 0
    for position in rng.integers(0, 6000, 400):
        damaged = bytearray(raw)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            read_torch_file(path)
        except CheckpointError:
            refused += 1
    assert refused > 200


def test_a_flipped_byte_in_an_archive_is_noticed(rvrt_goldens, tmp_path):
    raw = bytearray((rvrt_goldens / "official_subset.pth").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "x.pth").write_bytes(raw)
    with pytest.raises(CheckpointError, match="Bad CRC-32"):
        read_torch_file(tmp_path / "x.pth")
