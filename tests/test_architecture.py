"""docs/architecture.md names rooms, files and things that are there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CHANGES = re.findall(r"^\| ([a-z][^|]*) \| \[[^]]*\]\(\.\./([^)]+)\)[^|]* \| (.*) \|$", PAGE, re.M)


def test_there_are_twelve_changes_and_more():
    assert len(CHANGES) >= 12


@pytest.mark.parametrize(("change", "file", "there"), CHANGES, ids=[row[0] for row in CHANGES])
def test_each_change_has_a_file_with_that_name_in_it(change, file, there):
    path = ROOT / file
    assert path.is_file()
    name = re.match(r"`(\w+)`", there)[1]
    if path.suffix == ".py":
        parts = Path(file).with_suffix("").parts
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        assert hasattr(module, name)
    else:
        assert name in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("package", ["vimeo_tools", "rvrt"])
def test_every_room_is_listed_and_no_other(package):
    table = PAGE.split(f"| `{package}/` | |")[1].split("\n\n")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", table, re.M))
    rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert listed == rooms


@pytest.mark.parametrize("path", re.findall(r"`([a-z]+/[a-z_]+)`", PAGE))
def test_every_module_on_the_way_is_there(path):
    assert (
        any((ROOT / package / f"{path}.py").is_file() for package in ("vimeo_tools", "rvrt"))
        or (ROOT / path).is_dir()
    )
