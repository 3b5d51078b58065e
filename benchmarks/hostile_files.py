"""The files of hostile_weights.py: whole, damaged, and made up by the grammar of each form."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1)
NAMES = ("a", "spynet.basic_module.0", "rvrt_record", "", "x" * 300, "\x1b[2J", "é")


# Ways to damage a whole file.


def damaged(whole: bytes, rng: random.Random) -> bytes:
    out = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        rng.choice((_flip, _flip, _set_byte, _cut, _edge, _repeat, _insert))(out, rng)
    return bytes(out)


def _place(out: bytearray, rng: random.Random) -> int:
    # Most of what matters lies at the beginning, and at the end of an archive.
    near = min(len(out), 600)
    ranges = (range(len(out) or 1), range(near or 1), range(max(0, len(out) - near), len(out) or 1))
    return rng.choice(rng.choice(ranges))


def _flip(out: bytearray, rng: random.Random) -> None:
    if out:
        out[_place(out, rng)] ^= 1 << rng.randrange(8)


def _set_byte(out: bytearray, rng: random.Random) -> None:
    if out:
        out[_place(out, rng)] = rng.randrange(256)


def _cut(out: bytearray, rng: random.Random) -> None:
    del out[_place(out, rng) :]


def _edge(out: bytearray, rng: random.Random) -> None:
    at, form = _place(out, rng), rng.choice(["<H", "<I", "<Q", ">I"])
    raw = struct.pack(form, rng.choice(EDGES) % 2 ** (8 * struct.calcsize(form)))
    out[at : at + len(raw)] = raw


def _repeat(out: bytearray, rng: random.Random) -> None:
    at = _place(out, rng)
    piece = bytes(out[at : at + rng.randrange(1, 200)])
    out[at:at] = piece * rng.choice((1, 2, 50))


def _insert(out: bytearray, rng: random.Random) -> None:
    at = _place(out, rng)
    out[at:at] = rng.randbytes(rng.randrange(1, 40))


# Files after the grammar of each form.


def made_ckpt(rng: random.Random) -> bytes:
    from mindspore.train.checkpoint_pb2 import Checkpoint

    message = Checkpoint()
    for _ in range(rng.randrange(1, 4)):
        value = message.value.add()
        value.tag = rng.choice(NAMES)
        value.tensor.dims.extend(_sizes(rng))
        kinds = ("Float32", "Float64", "BFloat16", "Bool", "str", "Int4", "x", "")
        value.tensor.tensor_type = rng.choice(kinds)
        value.tensor.tensor_content = bytes(rng.choice((0, 1, 4, 8, 24, 4096)))
    return bytes(message.SerializeToString())


def _sizes(rng: random.Random) -> list[int]:
    count = rng.choice((0, 1, 1, 2, 3, 32, 33, 64))
    return [rng.choice((0, 1, 2, 3, 6, 1024, rng.choice(EDGES), -1)) for _ in range(count)]


def made_safetensors(rng: random.Random) -> bytes:
    header: dict[str, Any] = {}
    end = 0
    for _ in range(rng.randrange(4)):
        shape = rng.choice(([2], [], [0, 2**40], _sizes(rng)))
        length = rng.choice((8, 0, 4, rng.choice(EDGES)))
        dtype = rng.choice(("F32", "F16", "BF16", "F8_E8M0", "F4", "I64", "", None, [], {}))
        header[rng.choice(NAMES)] = {
            "dtype": dtype,
            "shape": rng.choice((shape, shape, None, "2", {"a": 1}, [[1]])),
            "data_offsets": rng.choice(([end, end + length], [end, end + length], [end], None)),
        }
        end += rng.choice((length, 0))
    if rng.random() < 0.3:  # true to the data, but of a dtype that NumPy may not have
        dtype = rng.choice(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "BF16", "U8"))
        size = 4 if dtype == "BF16" else 16 if dtype == "F4" else 8
        header, end = {"a": {"dtype": dtype, "shape": [size], "data_offsets": [0, 8]}}, 8
    if rng.random() < 0.5:
        header["__metadata__"] = rng.choice(({"rvrt_record": _record(rng)}, {"a": 1}, [], "x"))
    deep = rng.choice((None, None, None, b"[" * 10**5, b'{"a":' * 10**5, b"9" * 10**5))
    raw = deep or json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(min(end, 4096))


def _record(rng: random.Random) -> str:
    keys = ("embed_dim", "num_blocks", "depths", "window_size", "upscale", "gelu", "max_offset")
    values = (144, -1, 2**63, 240_000, 1e400, [1, 10**7, 1], [64, 64, 64], "x", None, {}, [[]])
    config = {rng.choice(keys): rng.choice(values) for _ in range(rng.randrange(4))}
    model = rng.choice(("rvrt", "rvrt-light", "x", None, []))
    part = rng.choice(("network", "spynet", 5))
    record = {"model": model, "config": config, "origin": "rvrt", "part": part}
    return rng.choice((json.dumps(record), json.dumps(record), "[" * 10**5, "null", "{"))


def made_pth(rng: random.Random) -> bytes:
    operations = rng.choice((_operations, _tensor))(rng)
    return _archive(b"\x80\x02" + operations + b".", bytes(rng.choice((0, 8, 8, 4096))))


def made_legacy(rng: random.Random) -> bytes:
    storage = struct.pack("<q", rng.choice(EDGES)) + bytes(64)
    return _legacy(
        b"\x80\x02" + _operations(rng) + b".", rng.choice((b"]", b"](X\1\0\0\x000e")), storage
    )


def _operations(rng: random.Random) -> bytes:
    pieces = [
        *(b"(", b"(", b"N", b"K\x01", b"]", b"}", b")", b"a", b"e", b"s", b"u", b"d", b"l", b"t"),
        *(b"\x85", b"\x86", b"\x87", b"0", b"1", b"2", b"b", b"R", b"Q", b"\x81", b"o", b"\x8f"),
        *(
            b"q\x00",
            b"q\x01",
            b"h\x00",
            b"h\x01",
            b"h\x00h\x00\x86q\x00",
            b"](h\x00h\x00h\x00eq\x00",
        ),
        *(
            b"X\x01\x00\x00\x00a",
            b"X\xff\xff\xff\xff",
            b"\x8b\xff\xff\xff\x7f",
            b"r\xff\xff\xff\x7f",
        ),
        b"\x96\xff\xff\xff\xff\x01\0\0\0",
        b"\x8e\xff\xff\xff\xff\x01\0\0\0",
        b"I" + b"9" * rng.choice((1, 20, 5000)) + b"\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch\nSize\n",
        b"cos\nsystem\n",
        _tensor(rng),
        _tensor(rng),
    ]
    return b"".join(rng.choice(pieces) for _ in range(rng.choice((3, 10, 40, 400))))


def _tensor(rng: random.Random) -> bytes:
    if rng.random() < 0.3:  # true to the data, but of any number of dimensions
        ones = "I1\n" * rng.choice((0, 1, 32, 33, 99, 500))
        return (
            "ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI2\ntQ"
            f"I0\n({ones}t({ones}tI00\n)tR"
        ).encode()
    size = "".join(f"I{n}\n" for n in _sizes(rng))
    stride = rng.choice((size, "".join(f"I{n}\n" for n in _sizes(rng))))
    kind = rng.choice(("FloatStorage", "BFloat16Storage", "DoubleStorage", "BoolStorage"))
    count = rng.choice((0, 1, 2, 1024, rng.choice(EDGES)))
    return (
        f"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\n{kind}\nV0\nVcpu\nI{count}\ntQ"
        f"I{rng.choice((0, 0, 1, -1, 2**62))}\n({size}t({stride}tI00\n)tR"
    ).encode()


def _archive(pickled: bytes, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a/data.pkl", pickled)
        file.writestr("a/data/0", data)
    return out.getvalue()


def _legacy(pickled: bytes, keys: bytes, storage: bytes) -> bytes:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    system = b"\x80\x02}X\x0d\0\0\0little_endian\x88s."
    return magic + b"\x80\x02M\xe9\x03." + system + pickled + b"\x80\x02" + keys + b"." + storage


def made_yaml(rng: random.Random) -> bytes:
    pieces = (
        *(
            "a",
            "train",
            "steps",
            "batch_size",
            "data",
            "root",
            "optimiser",
            "lr",
            "model",
            "preset",
        ),
        *(": ", ":", "\n", "\n  ", " ", "- ", "? ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: "),
        *("!!int ", "!!python/name:os.system ", "|", ">", "'", '"', "#", "%", "---", "...", "\t"),
        *(
            "1",
            "-1",
            "1e5",
            ".inf",
            ".nan",
            "0x1",
            "0b_",
            "1:30",
            "2020-01-01",
            "null",
            "true",
            "~",
        ),
        *("\x00", "\ufeff", "é", "\\ud800", "[" * 3000, "9" * 5000, "x" * 5000, "&b [*a, *a]"),
    )
    return "".join(rng.choice(pieces) for _ in range(rng.choice((2, 6, 12, 30)))).encode()


def whole_files(folder: Path) -> dict[str, bytes]:
    import numpy as np

    from rvrt.config.loading import to_yaml
    from rvrt.config.presets import TRAIN_PRESETS
    from rvrt.weights.minds_ckpt import write_minds_ckpt
    from rvrt.weights.safetensors_file import write_safetensors_file

    arrays = {
        f"part.{n}.weight": np.arange(n * 6, dtype=np.float32).reshape(2, 3, n) for n in range(1, 9)
    }
    # Without checksums, which would notice all damage at once.
    write_minds_ckpt(folder / "whole.ckpt", arrays | {"text": "é"})
    write_safetensors_file(folder / "whole.safetensors", arrays, {"format": "ms"})
    files = {kind: (folder / f"whole.{kind}").read_bytes() for kind in ("ckpt", "safetensors")}
    files["ckpt"] = files["ckpt"][:-17]
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI6\ntQI0\n"
        b"(I2\nI3\nt(I3\nI1\ntI00\nccollections\nOrderedDict\n)RtR"
    )
    files["pth"] = b"\x80\x02}X\x01\0\0\0w" + tensor + b"s."  # put into an archive when damaged
    files["legacy"] = _legacy(files["pth"], b"](X\1\0\0\x000e", struct.pack("<q", 6) + bytes(24))
    files["yaml"] = files["setting"] = to_yaml(TRAIN_PRESETS["rvrt-debug"]).encode()
    return files


def content_of(kind: str, whole: bytes, rng: random.Random) -> bytes:
    made: dict[str, Callable[[random.Random], bytes]] = {
        "ckpt": made_ckpt,
        "safetensors": made_safetensors,
        "pth": made_pth,
        "legacy": made_legacy,
        "yaml": made_yaml,
    }
    if kind == "setting":
        return made_yaml(rng)
    if kind == "pth" and rng.random() < 0.4:  # an archive has checksums: damaged inside
        return _archive(damaged(whole, rng), bytes(24))
    base = made[kind](rng) if rng.random() < 0.5 else whole
    if kind == "pth" and base is whole:
        return damaged(_archive(whole, bytes(24)), rng)
    return damaged(base, rng) if base is whole or rng.random() < 0.3 else base
