"""Lists and meta-info files: three public forms and plain keys, good lines and bad."""

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import SIZE, TEST, TRAIN
from vimeo_tools.data.lists import (
    ANNOTATION_FORMS,
    ClipLine,
    annotation_name,
    in_both,
    look_at_clips,
    read_list,
    write_annotation,
)
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import frame_path
from vimeo_tools.errors import AnnotationError

LINES = {
    "basicsr": "00001/0001 7 (256,448,3)",
    "mmagic": "00001/0001 7 (256, 448, 3)",
    "mindediting": "00001/0001 (256, 448, 3)",
    "kair": "00001/0001 7 (256,448,3) 1",
}


@pytest.mark.parametrize("form", ANNOTATION_FORMS)
def test_forms_are_written_to_the_letter_and_read_back(tmp_path, form):
    path = tmp_path / annotation_name("train")
    assert path.name == "meta_info_Vimeo90K_train_GT.txt"
    lines = [ClipLine(key, 7, "1", FrameSize(256, 448)) for key in TRAIN]
    write_annotation(path, lines, form)
    assert path.read_text().splitlines()[0] == LINES[form]
    assert read_list(path) == (TRAIN, [])
    assert [line.split()[0] for line in path.read_text().splitlines()] == TRAIN  # as BasicSR


def test_crlf_bom_and_blank_lines_are_accepted(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf00001/0001\r\n\r\n  00001/0002  \r\n\r\n")
    assert read_list(path) == (TRAIN, [])


def test_bad_lines_are_listed_and_the_rest_is_read(tmp_path):
    path = tmp_path / "list.txt"
    bad = ["x/1", "../../etc/passwd", "/00001/0001", "00001/0001", "00001/0009 seven"]
    path.write_text("\n".join(["00001/0001", *bad, "00001/0002"]))
    keys, failures = read_list(path)
    assert keys == TRAIN
    assert [failure.path for failure in failures] == [f"{path}:{n}" for n in range(2, 7)]
    assert "five digits" in failures[0].reason
    assert "line 1 already" in failures[3].reason
    assert "00001/0001 7 (256,448,3)" in failures[4].reason


def test_a_list_without_clips_is_an_error(tmp_path):
    path = tmp_path / "list.txt"
    with pytest.raises(AnnotationError, match="no such list"):
        read_list(path)
    path.write_text("\n\n")
    with pytest.raises(AnnotationError, match="names no clip"):
        read_list(path)
    path.write_text("im1.png\n")
    with pytest.raises(AnnotationError, match=r"list.txt:1: 'im1.png'"):
        read_list(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnnotationError, match="not a text file"):
        read_list(path)
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_list(tmp_path)


def test_headers_are_checked(septuplets):
    root = septuplets / "sequences"
    lines, failures = look_at_clips(root, [*TRAIN, *TEST], SIZE)
    assert (failures, lines[TRAIN[0]]) == ([], ClipLine(TRAIN[0], 7, None, SIZE))
    frame_path(root, TRAIN[1], 3).unlink()
    frame_path(root, TEST[0], 7).write_bytes(b"not a picture")
    lines, failures = look_at_clips(root, [*TRAIN, *TEST], SIZE)
    assert list(lines) == TRAIN[:1]
    assert [failure.reason[:13] for failure in failures] == ["the file is m", "not a PNG fil"]
    assert failures[0].path.endswith("00001/0002/im3.png")


# --- hostile lists ------------------------------------------------------------------------------


def test_a_line_or_a_list_of_no_end(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"00001/0001\n" + b"x" * 1_000_000 + b"\n00001/0002 " + b"7" * 5000)
    keys, failures = read_list(path)
    assert keys == ["00001/0001"]
    assert [failure.reason for failure in failures] == [
        f"the line has {length} characters, a clip key has 10" for length in ("1,000,000", "5,011")
    ]
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(AnnotationError, match="it has 50,000,000 bytes"):
        read_list(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AnnotationError, match="a pipe, not a file"):
        read_list(tmp_path / "pipe")


def test_digits_of_other_scripts_are_no_digits(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(
        "00001/0001\n0000\u0661/0001\n00001/0002 \u0667 (256,448,3)\n00001/0003\u00a07\n"
    )
    keys, failures = read_list(path)
    assert (keys, len(failures)) == (["00001/0001"], 3)


def test_clips_in_both_lists(tmp_path):
    lists = {split: tmp_path / f"{split}.txt" for split in ("train", "test")}
    lists["train"].write_text("00001/0001\n00001/0002\n")
    lists["test"].write_text("00001/0003\n")
    assert in_both(lists) is None
    assert in_both({"test": lists["test"]}) is None
    lists["test"].write_text("00001/0003\n00001/0002 7 (256,448,3)\n")
    assert "1 of 2 test clips are trained on too, 00001/0002 for one" in in_both(lists)


KEYS = st.from_regex(r"0000[1-3]/000[1-3]", fullmatch=True)
SIZES = st.sampled_from(["", " (4, 4,3)", " (4,4,3) 0"])
GOOD = st.builds(
    "{}{}{}".format,
    KEYS,
    st.sampled_from(["", " 7"]),
    st.sampled_from(["", " (4, 4,3)", " (4,4,3) 0"]),
)
LINES_OF_ALL_KINDS = st.lists(
    st.one_of(GOOD, st.text(max_size=15), KEYS.map(lambda key: key + "x"))
)


@settings(max_examples=150, deadline=None)
@given(LINES_OF_ALL_KINDS, st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_text_is_read_line_by_line(tmp_path_factory, lines, end):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(end.join(lines).encode("utf-8", "surrogatepass"))
    text = end.join(lines).removeprefix("\ufeff")
    kept = [
        line.strip(" \t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ]
    form = r"([0-9]{5}/[0-9]{4})([ \t\n\v\f]+[0-9]+)?([ \t\v\f]+\([ 0-9,]*\)([ \t\v\f]+[0-9]+)?)?"
    keys = [match[1] for line in kept if (match := re.fullmatch(form, line))]
    try:
        found, failures = read_list(path)
    except AnnotationError:
        assert not keys or any("\ud800" <= letter <= "\udfff" for letter in text)
        return
    assert found == list(dict.fromkeys(keys))
    assert len(failures) == sum(map(bool, kept)) - len(found)
