"""rvrt-check as a user gives it."""

import json
import math

import pytest
from click.testing import CliRunner

from rvrt.checking import networks
from rvrt.checking.lines import Line, judged, tried
from rvrt.cli.check import main


def call(*arguments):
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def report(folder):
    return json.loads((folder / "rvrt-check.json").read_text())


def test_a_cpu_passes_and_both_files_say_so(tmp_path, monkeypatch):
    monkeypatch.setenv("RVRT_JIT", "")  # which the option sets
    done = call("--quick", "--jit", "O1", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = report(tmp_path / "out")
    assert found["facts"]["device"].startswith("CPU")
    assert (found["facts"]["jit"], found["facts"]["products"]) == ("O1", "float32")
    names = [(line["what"], line["dtype"]) for line in found["lines"]]
    assert ("operator MatMul", "float16") in names
    assert ("rvrt-debug forward 1x4x3x36x40", "float32") in names
    compared = [line for line in found["lines"] if "forward" in line["what"]]
    assert all(0 <= line["difference"] < 1e-4 and line["seconds"] > 0 for line in compared)
    text = (tmp_path / "out" / "rvrt-check.txt").read_text()
    assert text in done.output and text.count(" ok\n") == len(names)


@pytest.mark.slow
def test_what_differs_is_named_and_ends_with_1(tmp_path, monkeypatch):
    wrong = dict.fromkeys(networks.FIGURES, [0.5] * 26)
    monkeypatch.setattr(networks, "FIGURES", wrong)
    done = call("--quick", "--output", tmp_path)
    assert done.exit_code == 1
    assert "Failed: rvrt-debug forward 1x4x3x36x40 float32, rvrt-light" in done.output
    assert "differs by" in (tmp_path / "rvrt-check.txt").read_text()


@pytest.mark.parametrize(("found", "problem"), [(2.0, "differs by 2"), (math.nan, "not finite")])
def test_a_difference_beyond_the_bound_is_a_problem(found, problem):
    assert problem in judged(Line("x", "float32", difference=found, allowed=1.0)).problem


def test_what_the_device_raises_is_the_line():
    def run():
        raise RuntimeError("no such kernel")

    assert tried("operator X", "float16", run) == Line("operator X", "float16", "no such kernel")


def test_an_absent_device_is_a_message(tmp_path):
    done = call("--device", "Ascend", "--output", tmp_path / "out")
    assert done.exit_code == 1 and "Ascend" in done.output
    assert not (tmp_path / "out").exists()
