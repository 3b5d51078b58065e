"""Settings beside the data."""

import json

import pytest

from vimeo_tools.errors import OutputError
from vimeo_tools.running.records import RECORD_NAME, claim, differences, read_record


def test_a_folder_is_claimed_once_for_one_way(tmp_path):
    folder = tmp_path / "out"
    claim(folder, {"seed": 1, "size": [4, 4]})
    claim(folder, {"seed": 1, "size": [4, 4]})
    assert read_record(folder) == {"seed": 1, "size": [4, 4]}
    assert json.loads((folder / RECORD_NAME).read_text())["made_by"].startswith("vimeo-tools ")
    with pytest.raises(OutputError, match=r"seed 1 \(now 2\)"):
        claim(folder, {"seed": 2, "size": [4, 4]})


def test_a_strangers_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputError, match="not empty"):
        claim(tmp_path, {"seed": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_differences():
    assert differences({"a": 1}, {"a": 1}) == ""
    assert differences({"a": 1, "b": 2}, {"a": 3}) == "a 1 (now 3), b 2 (now None)"
