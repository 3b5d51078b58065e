import pytest

from rvrt.errors import EvaluationError
from rvrt.evaluation.groups import find_groups, read_groups
from vimeo_tools.errors import AnnotationError

KEYS = ["00001/0001", "00001/0002", "00002/0001"]


def write(path, *keys):
    path.write_text("".join(f"{key}\n" for key in keys))
    return path


def test_lists_are_found_by_name(tmp_path):
    for name in ("fast_testset.txt", "sep_slow.txt", "sep_testlist.txt", "breakfast.txt"):
        write(tmp_path / name, KEYS[0])
    found = find_groups(tmp_path)
    assert list(found) == ["slow", "fast"]
    assert found["fast"] == tmp_path / "fast_testset.txt"
    write(tmp_path / "slow_test.txt", KEYS[0])
    with pytest.raises(EvaluationError, match="both list slow clips"):
        find_groups(tmp_path)


def test_the_group_of_each_clip(tmp_path):
    lists = {
        "slow": write(tmp_path / "a", KEYS[0], "00099/0001"),
        "fast": write(tmp_path / "b", KEYS[2]),
    }
    groups = read_groups(lists, KEYS)
    assert {key: groups.get(key) for key in KEYS} == {
        KEYS[0]: "slow",
        KEYS[1]: None,
        KEYS[2]: "fast",
    }


def test_lists_that_are_wrong(tmp_path):
    one = write(tmp_path / "a", KEYS[0])
    with pytest.raises(EvaluationError, match="in group slow already"):
        read_groups({"slow": one, "fast": one}, KEYS)
    with pytest.raises(EvaluationError, match="group slow has none of the 1 sequences"):
        read_groups({"slow": one}, KEYS[1:2])
    with pytest.raises(EvaluationError, match=r"b:2: 'x'.*mend the list"):
        read_groups({"slow": write(tmp_path / "b", KEYS[0], "x")}, KEYS)
    with pytest.raises(AnnotationError, match="no such list"):
        read_groups({"slow": tmp_path / "absent"}, KEYS)
