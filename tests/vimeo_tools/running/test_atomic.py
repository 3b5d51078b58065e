"""A file is whole under its name or not there."""

import errno

import pytest

from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import read_json, remove_parts, whole_file, write_file, write_json


class Killed(BaseException):
    pass


def test_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_file(path, b"old")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize(
    "error, seen",
    [
        (OSError(errno.ENOSPC, "full"), OutputError),
        (OSError(errno.EACCES, "denied"), PermissionError),
        (Killed(), Killed),
    ],
)
def test_failure_keeps_the_old_file(tmp_path, monkeypatch, error, seen):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(seen):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_keeps_the_old_file(tmp_path):
    path = tmp_path / "new" / "a.ckpt"
    with whole_file(path) as part:
        part.write_bytes(b"old")
        assert part.suffix == ".ckpt"
        assert not path.exists()
    with pytest.raises(Killed), whole_file(path) as part:
        part.write_bytes(b"half")
        raise Killed
    with pytest.raises(OutputError, match="cannot be written: full"), whole_file(path):
        raise OSError(errno.ENOSPC, "full")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_parts_of_killed_writers_are_removed(tmp_path):
    (tmp_path / ".im1.png.00ff.part").write_bytes(b"half")
    (tmp_path / ".a.00ff.part.ckpt").write_bytes(b"half")
    (tmp_path / "im1.png").write_bytes(b"whole")
    remove_parts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["im1.png"]


def test_json(tmp_path):
    path = tmp_path / "record.json"
    assert read_json(path) is None
    write_json(path, {"scale": 4})
    assert read_json(path) == {"scale": 4}
    for text in ("{", "[1]", "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(OutputError, match=r"record.json"):
            read_json(path)
