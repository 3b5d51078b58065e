"""benchmarks/figures.py: each figure has a document that quotes it and a script that gives it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "benchmarks/figures.py"


def load():
    spec = importlib.util.spec_from_file_location("figures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIGURES = load().FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_it_is_quoted_where_it_says_and_its_script_is_there(name):
    figure = FIGURES[name]
    first = figure.command[0]
    script = figure.command[1].replace(".", "/") + ".py" if first == "-m" else first
    assert (ROOT / script).exists()
    for document in figure.quoted.split(", "):
        path = ROOT / (document if "." in document else f"{document}.md")
        words = [Path(script).name, figure.command[-1], "make figures"]
        words += figure.command[1:2]
        assert any(word in path.read_text() for word in words), (path, words)


def test_a_figure_is_written_with_its_command_and_machine(tmp_path):
    call = [sys.executable, SCRIPT, "metrics", "--output", tmp_path]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    text = (tmp_path / "metrics.txt").read_text()
    assert "command: python " in text and "metrics_elsewhere.py" in text
    assert "cores, load" in text and "numpy" in text


def test_an_unknown_one_is_refused():
    call = [sys.executable, SCRIPT, "nothing"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "expected some of imresize" in done.stderr
