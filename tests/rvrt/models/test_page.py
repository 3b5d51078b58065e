"""docs/models.md: its example runs, and the names and files of its table are there."""

import importlib
import re

import pytest

from tests.rvrt.conftest import ROOT

PAGE = (ROOT / "docs" / "models.md").read_text()
EXAMPLE = next(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "plan_" in b)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `plan_")]


def test_the_example_runs():
    assert EXAMPLE.count("assert") >= 10
    exec(compile(EXAMPLE, "docs/models.md", "exec"), {})


def attributes(paths):
    names = set()
    for path in paths:
        module = (ROOT / "docs" / path).resolve().relative_to(ROOT).with_suffix("")
        names |= set(vars(importlib.import_module(".".join(module.parts))))
    return names


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("`")[1])
def test_each_plan_cell_and_twin_of_the_table_is_where_it_says(row):
    plans, _, cells, twins = row.strip("| ").split(" | ")
    for cell in (cells, twins):
        files = re.findall(r"\((\.\./\S+\.py)\)", cell)
        assert files
        assert set(re.findall(r"`(\w+)`", cell)) <= attributes(files), cell
    files = re.findall(r"\((\.\./rvrt/\S+\.py)\)", cells)
    assert set(re.findall(r"`(\w+)`", plans)) <= attributes([*files, "../rvrt/models/rows.py"])
