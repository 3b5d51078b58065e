"""Lists and meta-info files: three public forms and plain keys, good lines and bad."""

import pytest

from tests.conftest import SIZE, TEST, TRAIN
from vimeo_tools.data.lists import (
    ANNOTATION_FORMS,
    annotation_name,
    check_headers,
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
}


@pytest.mark.parametrize("form", ANNOTATION_FORMS)
def test_forms_are_written_to_the_letter_and_read_back(tmp_path, form):
    path = tmp_path / annotation_name("train")
    assert path.name == "meta_info_Vimeo90K_train_GT.txt"
    write_annotation(path, TRAIN, FrameSize(256, 448), form)
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
    assert check_headers(root, [*TRAIN, *TEST], SIZE) == []
    frame_path(root, TRAIN[1], 3).unlink()
    frame_path(root, TEST[0], 7).write_bytes(b"not a picture")
    failures = check_headers(root, [*TRAIN, *TEST], SIZE)
    assert [failure.reason[:13] for failure in failures] == ["the file is m", "not a PNG fil"]
    assert failures[0].path.endswith("00001/0002/im3.png")
