"""Lines that survive a kill, and numbers that JSON lacks."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimeo_tools.errors import OutputError
from vimeo_tools.running.json_lines import JsonLines, number, plain, read_lines

LINES = st.lists(st.dictionaries(st.text(), st.floats() | st.text() | st.integers()), max_size=5)


def values(path):
    return [value for _, value in read_lines(path)]


@settings(max_examples=60, deadline=None)
@given(lines=LINES, cut=st.integers(0, 40))
def test_whatever_is_cut_off_the_whole_lines_stay(tmp_path_factory, lines, cut):
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    writer = JsonLines(path)
    for line in lines:
        writer.append(line)
    whole = path.read_bytes() if lines else b""
    kept = whole[: max(0, len(whole) - cut)]
    path.write_bytes(kept)
    expected = [json.loads(line) for line in kept.split(b"\n")[:-1]]
    assert values(path) == expected
    JsonLines(path).append({"next": 1})
    assert values(path) == [*expected, {"next": 1}]
    assert expected == [plain(line) for line in lines][: len(expected)]


def test_nothing_is_made_before_the_first_line(tmp_path):
    JsonLines(tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []
    assert values(tmp_path / "a.jsonl") == []


def test_numbers_that_json_lacks(tmp_path):
    value = {"a": [math.inf, -math.inf, 1.5], "b": {"c": math.nan, "d": None}}
    assert plain(value) == {"a": ["inf", "-inf", 1.5], "b": {"c": "nan", "d": None}}
    assert plain(np.float64("nan")) == "nan"
    assert number("inf") == math.inf and math.isnan(number("nan")) and number(2) == 2
    JsonLines(tmp_path / "a.jsonl", durable=True).append(value)
    json.loads((tmp_path / "a.jsonl").read_text(), parse_constant=pytest.fail)


def test_lines_are_replaced_at_once(tmp_path):
    writer = JsonLines(tmp_path / "a.jsonl")
    for step in range(3):
        writer.append({"step": step})
    writer.replace([{"step": 0}])
    writer.append({"step": 1})
    assert values(tmp_path / "a.jsonl") == [{"step": 0}, {"step": 1}]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.jsonl"]


@pytest.mark.parametrize("bad", [b"loss 0.3", b"\xff", b"[" * 100_000, b""])
def test_a_damaged_line_is_named(tmp_path, bad):
    (tmp_path / "a.jsonl").write_bytes(b"{}\n" + bad + b"\n{}\n")
    with pytest.raises(OutputError, match=r"a\.jsonl:2: is damaged"):
        values(tmp_path / "a.jsonl")


def test_what_cannot_be_written_is_an_error_of_the_family(tmp_path):
    writer = JsonLines(tmp_path / "full.jsonl")
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"full\.jsonl: cannot be written: No space left"):
        writer.append({"a": 1})
    with pytest.raises(OutputError, match="Is a directory"):
        JsonLines(tmp_path)
