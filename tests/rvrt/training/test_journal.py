"""A training's journal: lines that survive a kill, resume, TensorBoard, curves."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from rvrt.errors import ConfigError
from rvrt.training.journal import Journal, read, write_curves
from vimeo_tools.errors import OutputError


def write_steps(journal, steps):
    for step in steps:
        journal.write(step, loss=1 / step, rate=2e-4)


def test_each_line_is_in_the_file_at_once_and_reads_back(tmp_path):
    with Journal(tmp_path / "run") as journal:
        journal.write(1, loss=np.float32(0.5), skipped=2)
        assert read(tmp_path / "run") == [{"step": 1, "loss": 0.5, "skipped": 2}]
        journal.write(2, psnr_y=math.inf, loss=math.nan)
    first, second = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(first) == {"step": 1, "loss": 0.5, "skipped": 2}
    assert json.loads(second) == {"step": 2, "psnr_y": "inf", "loss": "nan"}
    line = read(tmp_path / "run")[1]
    assert line["psnr_y"] == math.inf and math.isnan(line["loss"])


def test_nothing_is_read_where_nothing_was_written(tmp_path):
    assert read(tmp_path) == []


def test_a_second_journal_goes_on_in_the_same_file(tmp_path):
    with Journal(tmp_path) as journal:
        write_steps(journal, [1, 2])
    with Journal(tmp_path) as journal:
        write_steps(journal, [3])
    assert [line["step"] for line in read(tmp_path)] == [1, 2, 3]


def test_rewind_forgets_what_a_resumed_run_will_write_again(tmp_path):
    with Journal(tmp_path) as journal:
        write_steps(journal, range(1, 8))
        journal.write(5, psnr_y=math.inf)
        journal.rewind(5)
        write_steps(journal, [6])
    assert [line["step"] for line in read(tmp_path)] == [1, 2, 3, 4, 5, 5, 6]
    assert read(tmp_path)[5]["psnr_y"] == math.inf
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_line_torn_by_a_kill_is_left_out_and_then_replaced(tmp_path):
    with Journal(tmp_path) as journal:
        write_steps(journal, [1, 2])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert [line["step"] for line in read(tmp_path)] == [1, 2]
    with Journal(tmp_path) as journal:
        write_steps(journal, [3])
    assert [line["step"] for line in read(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("bad", ["loss 0.3", "[1, 2]", '{"loss": 1}', '{"step": "one"}', ""])
def test_a_damaged_line_is_named(tmp_path, bad):
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 1}}\n{bad}\n{{"step": 3}}\n')
    with pytest.raises(OutputError, match=r"metrics\.jsonl:2: is damaged"):
        read(tmp_path)


def test_a_file_in_the_way_is_an_error_of_the_family(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match="run"):
        Journal(tmp_path / "run")


def test_a_full_disk_is_an_error_of_the_family(tmp_path):
    with Journal(tmp_path) as journal:
        (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
        with pytest.raises(OutputError, match="No space left"):
            journal.write(1, loss=1.0)


def events(folder):
    """(step, tag, value) of all event files, in TensorBoard's order."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted((folder / "tensorboard").iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):  # length (8 bytes), its sum (4), the event, its sum (4)
            length = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += length + 16
            yield from (
                (event.step, value.tag, value.simple_value) for value in event.summary.value
            )
            if event.HasField("session_log"):
                yield event.step, "purge", event.session_log.status


def test_tensorboard_gets_the_same_numbers_and_hides_what_was_rewound(tmp_path):
    pytest.importorskip("tensorboardX")
    with Journal(tmp_path, tensorboard=True) as journal:
        journal.write(1, loss=0.5)
        journal.write(2, loss=0.25)
        journal.rewind(1)
        journal.write(2, loss=0.125, psnr_y=30.0)
    assert list(events(tmp_path)) == [
        (1, "training/loss", 0.5),
        (2, "training/loss", 0.25),
        (2, "purge", 1),
        (2, "training/loss", 0.125),
        (2, "validation/psnr_y", 30.0),
    ]


def test_tensorboard_gets_the_sheets(tmp_path):
    pytest.importorskip("tensorboardX")
    sheet = tmp_path / "sheet.png"
    Image.new("RGB", (8, 6), (250, 10, 20)).save(sheet)
    with Journal(tmp_path / "run", tensorboard=True) as journal:
        journal.picture(5, sheet)
    assert [(step, tag) for step, tag, _ in events(tmp_path / "run")] == [(5, "validation/sheet")]


def test_pandas_reads_the_numbers_in_one_line(tmp_path):
    pandas = pytest.importorskip("pandas")
    with Journal(tmp_path) as journal:
        journal.write(1, loss=0.5, rate=1e-4)
        journal.write(2, loss=math.nan, rate=5e-5)
        journal.write(2, psnr_y=math.inf)
    table = pandas.read_json(tmp_path / "metrics.jsonl", lines=True)
    np.testing.assert_array_equal(table["loss"], [0.5, math.nan, math.nan])
    np.testing.assert_array_equal(table["psnr_y"], [math.nan, math.nan, math.inf])


def test_tensorboard_asked_for_and_absent_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r"vimeo-tools\[tensorboard\]"):
        Journal(tmp_path, tensorboard=True)


def test_curves_show_what_was_written(tmp_path):
    with Journal(tmp_path) as journal:
        for step in range(1, 101):
            journal.write(step, loss=1 / step, rate=2e-4)
        journal.write(50, psnr_y=30.0, bicubic_psnr_y=31.32)
        loss_and_psnr = write_curves(tmp_path)
    assert loss_and_psnr == tmp_path / "curves.png"
    with Image.open(loss_and_psnr) as picture:
        before = np.asarray(picture.convert("RGB")).astype(int)
    assert (np.ptp(before, axis=2) > 60).any(), "nothing is drawn in colour"
    with Journal(tmp_path) as journal:
        journal.write(100, psnr_y=33.0, bicubic_psnr_y=31.32)
    with Image.open(write_curves(tmp_path)) as picture:
        after = np.asarray(picture.convert("RGB")).astype(int)
    assert before.shape == after.shape and not np.array_equal(before, after)


def test_curves_leave_out_what_is_not_there_and_what_is_not_finite(tmp_path):
    with Journal(tmp_path) as journal:
        journal.write(1, loss=0.0, rate=0.0)
        journal.write(2, loss=math.nan, psnr_y=math.inf)
    with Image.open(write_curves(tmp_path)) as picture:
        assert picture.height < 0.7 * picture.width


def test_curves_of_nothing_are_not_drawn_and_stop_nothing(tmp_path):
    assert write_curves(tmp_path) is None
    with Journal(tmp_path) as journal:
        journal.write(1, loss=math.nan, psnr_y=math.nan)
    assert write_curves(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_importing_the_journal_loads_no_drawing_library():
    probe = (
        "import sys, rvrt.training.journal;"
        "print(sorted({'matplotlib', 'tensorboardX', 'mindspore', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
