"""Settings beside the data."""

from vimeo_tools.running.records import differences


def test_differences():
    assert differences({"a": 1}, {"a": 1}) == ""
    assert differences({"a": 1, "b": 2}, {"a": 3}) == "a 1 (now 3), b 2 (now null)"
    assert differences({"a": [1, 2]}, {"a": (1, 2)}) == ""
    assert differences({"a": 1, "b": 2}, {"a": 2, "b": 3}, may_change={"a"}) == "b 2 (now 3)"
