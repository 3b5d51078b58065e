"""A folder taken: by one at a time, for one way of working, and never locked for good."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import tree_bytes
from vimeo_tools.errors import OutputError
from vimeo_tools.running.folders import clean, refuse_overlap, taken
from vimeo_tools.running.records import RECORD_NAME, Record, read_record

RED, BLUE = Record({"colour": "red"}), Record({"colour": "blue"})
HOLD = """
import sys
from pathlib import Path
from vimeo_tools.running.folders import taken
from vimeo_tools.running.records import Record
folder, colour, how = sys.argv[1:]
try:
    with taken(Path(folder), Record({"colour": colour}), **eval(how)):
        print("in", flush=True)
        sys.stdin.readline()
        (Path(folder) / f"{colour}.png").touch()
except Exception as error:
    print(error, flush=True)
"""


@pytest.fixture
def hold():
    """Starts processes that hold a folder until they are told to end; gives their first word."""
    started = []

    def start(folder, colour="red", how="{}"):
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, folder, colour, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child, child.stdout.readline().strip()

    yield start
    for child in started:
        child.kill()
        child.communicate()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make(folder, record, name="work.png"):
    with taken(folder, record):
        (folder / name).write_bytes(b"work")


def test_a_folder_is_made_recorded_and_left_without_a_lock(tmp_path):
    folder = tmp_path / "new" / "out"
    make(folder, RED)
    make(folder, RED)
    assert sorted(path.name for path in folder.iterdir()) == [RECORD_NAME, "work.png"]
    assert read_record(folder) == {"colour": "red"}
    assert json.loads((folder / RECORD_NAME).read_text())["made_by"].startswith("vimeo-tools ")


def test_work_of_other_settings_is_refused_and_stays(tmp_path):
    make(tmp_path / "out", RED)
    before = tree_bytes(tmp_path)
    with pytest.raises(OutputError, match=r"colour red \(now blue\); choose another --output-dir"):
        make(tmp_path / "out", BLUE, "other.png")
    assert tree_bytes(tmp_path) == before


def test_what_may_change_is_written_anew(tmp_path):
    make(tmp_path, RED)
    make(tmp_path, Record({"colour": "blue"}, may_change={"colour"}))
    assert read_record(tmp_path) == {"colour": "blue"}


@pytest.mark.parametrize("name", ["thesis.tex", "photos/2024/me.png"])
def test_a_strangers_folder_is_left_alone(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    before = tree_bytes(tmp_path)
    with pytest.raises(OutputError, match="not empty and not made by this command: it holds"):
        make(tmp_path, RED)
    assert tree_bytes(tmp_path) == before


def test_a_record_without_work_locks_nobody_out(tmp_path):
    """As a kill between the record and the first work leaves it; or a command that did nothing."""
    BLUE.write(tmp_path)
    (tmp_path / ".lock").touch()
    (tmp_path / "sequences" / "00001").mkdir(parents=True)
    (tmp_path / "vimeo-prep-failures.txt").write_text("a.mp4\tcannot be read\n")
    make(tmp_path, RED)
    assert read_record(tmp_path) == {"colour": "red"}


def test_an_error_before_any_work_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), taken(tmp_path / "a" / "b", RED):
        (tmp_path / "a" / "b" / "00001" / "0001").mkdir(parents=True)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), taken(tmp_path / "a", RED):
        (tmp_path / "a" / "work.png").touch()
        raise ZeroDivisionError
    assert names(tmp_path / "a") == [RECORD_NAME, "work.png"]


def test_two_at_once_of_two_settings_never_mix(tmp_path, hold):
    _, word = hold(tmp_path / "out")
    assert word == "in"
    _, word = hold(tmp_path / "out", "blue")
    assert "another process is at work there; wait until it has ended" in word
    _, word = hold(tmp_path / "out", "blue", "{'shared': True}")
    assert "another process is at work there" in word
    with pytest.raises(OutputError, match="another process is at work"):
        make(tmp_path / "out", RED)


def test_within_one_process_too(tmp_path):
    with taken(tmp_path, RED), pytest.raises(OutputError, match="is at work"):
        make(tmp_path, RED)
    make(tmp_path, RED)


def test_those_who_share_must_agree(tmp_path, hold):
    sharing = "{'shared': True}"
    first, word = hold(tmp_path / "out", "red", sharing)
    assert word == "in"
    second, word = hold(tmp_path / "out", "red", sharing)
    assert word == "in"
    assert "another process" in hold(tmp_path / "out", "red", "{}")[1]
    first.communicate("end\n")
    assert "colour red (now blue)" in hold(tmp_path / "out", "blue", sharing)[1]
    assert "another process" in hold(tmp_path / "out", "red", "{}")[1]
    second.communicate("end\n")
    assert names(tmp_path / "out") == ["red.png", RECORD_NAME]


def test_a_record_without_work_stays_while_it_is_used(tmp_path, hold):
    assert hold(tmp_path / "out", "red", "{'shared': True}")[1] == "in"
    assert "colour red (now blue)" in hold(tmp_path / "out", "blue", "{'shared': True}")[1]


def test_each_part_has_one_process(tmp_path, hold):
    assert hold(tmp_path, "red", "{'shared': True, 'part': (1, 2)}")[1] == "in"
    assert hold(tmp_path, "red", "{'shared': True, 'part': (2, 2)}")[1] == "in"
    assert hold(tmp_path, "red", "{'shared': True, 'part': (1, 3)}")[1] == "in"
    word = hold(tmp_path, "red", "{'shared': True, 'part': (2, 2)}")[1]
    assert "another process is at work there, at part 2 of 2" in word


def test_a_killed_process_locks_nobody_out(tmp_path, hold):
    child, word = hold(tmp_path / "out", "blue")
    assert word == "in"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert names(tmp_path / "out") == [".lock", RECORD_NAME]
    make(tmp_path / "out", RED)
    assert names(tmp_path / "out") == [RECORD_NAME, "work.png"]


def test_a_child_does_not_hold_the_lock_of_its_dead_parent(tmp_path):
    parent = """
import os, sys, time
from pathlib import Path
from vimeo_tools.running.folders import taken
from vimeo_tools.running.records import Record
with taken(Path(sys.argv[1]), Record({"colour": "red"})):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    print("in", flush=True)
    os.kill(os.getpid(), 9)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", parent, tmp_path / "forked"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout.readline() == "in\n"
        child.wait()
        make(tmp_path / "forked", BLUE)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.stdout.close()


def test_replaced_only_where_it_is_asked_for(tmp_path):
    make(tmp_path, RED)
    with taken(tmp_path, BLUE, replace=(tmp_path / "work.png").unlink):
        (tmp_path / "blue.png").touch()
    assert names(tmp_path) == ["blue.png", RECORD_NAME]
    assert read_record(tmp_path) == {"colour": "blue"}


def test_a_folder_can_get_its_name_and_go(tmp_path):
    with taken(tmp_path / "partial", RED) as place:
        (tmp_path / "partial" / "work.png").touch()
        (tmp_path / "whole").mkdir()
        place.rename(tmp_path / "whole")
    assert names(tmp_path) == ["whole"]
    assert names(tmp_path / "whole") == [RECORD_NAME, "work.png"]
    with taken(tmp_path / "whole", RED) as place:
        place.remove([tmp_path / "whole" / "work.png"])
    assert names(tmp_path) == []
    make(tmp_path / "kept", RED)
    (tmp_path / "kept" / "mine.txt").touch()
    with taken(tmp_path / "kept", RED) as place:
        place.remove([tmp_path / "kept" / "work.png"])
    assert names(tmp_path / "kept") == ["mine.txt"]


def test_clean_leaves_a_folder_in_use_alone(tmp_path, hold):
    (tmp_path / ".lock").touch()
    (tmp_path / ".a.png.0f0f.part").touch()
    clean(tmp_path)
    assert names(tmp_path) == []
    assert hold(tmp_path)[1] == "in"
    clean(tmp_path)
    assert ".lock" in names(tmp_path)


def test_a_damaged_record_is_a_message(tmp_path):
    (tmp_path / RECORD_NAME).write_bytes(b"{")
    (tmp_path / "work.png").touch()
    with pytest.raises(OutputError, match=r"vimeo-prep\.json: not readable as JSON"):
        make(tmp_path, RED)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "file: is a file, need a folder"),
        ("file/below", "cannot be written: Not a directory"),
        ("nul\0byte", "cannot be written: embedded null byte"),
        ("x" * 5000, "x...x.*: cannot be written: File name too long"),
        ("/dev/full/x", "cannot be written: Not a directory"),
        ("/proc/x", "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_a_folder_is_one_line(tmp_path, name, words):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(OutputError, match=words) as caught:
        make(tmp_path / name, RED)
    assert "\n" not in str(caught.value)
    assert tree_bytes(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("in", "is the input"),
        ("in/../in", "is the input"),
        ("link", "is the input"),
        ("in/deeper/new", "lies in the input"),
        ("link/new", "lies in the input"),
        (".", "holds the input"),
    ],
)
def test_an_output_apart_from_the_input(tmp_path, output, words):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")
    with pytest.raises(OutputError, match=words):
        refuse_overlap(tmp_path / output, tmp_path / "in")
    refuse_overlap(tmp_path / "in2", tmp_path / "in")
    refuse_overlap(tmp_path / "out", tmp_path / "in")
