"""The directions of imports, held against the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each module of vimeo_tools may import those of earlier lines, not of its own or later ones.
LAYERS = [
    ["_version", "errors"],
    ["atomic", "classes", "contributions", "png"],
    ["failures", "records", "septuplets", "stencil"],
    ["imresize", "jobs", "lmdb_store", "augment"],
    ["annotations", "downsample", "order", "pack", "synthetic", "video"],
    ["frames", "prepare"],
    ["verify", "samples"],
    ["feed"],
    ["cli_options"],
    ["commands"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def imported(path):
    """Full names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module in ("vimeo_tools", "rvrt"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", modules("vimeo_tools"), ids=lambda path: path.stem)
def test_vimeo_tools_imports_one_way(path):
    for name in imported(path):
        package, _, module = name.partition(".")
        assert package != "rvrt"
        assert package != "mindspore" or path.stem == "feed"
        if package == "vimeo_tools" and path.stem != "__init__":
            assert LEVEL[module] < LEVEL[path.stem], f"{path.stem} imports {module}"


@pytest.mark.parametrize("path", modules("rvrt"), ids=lambda path: path.stem)
def test_rvrt_reaches_vimeo_tools_in_few_places(path):
    allowed = {"restore", "cli", "train_cli", "eval_cli", "cli_options"}
    # The trainer's and the evaluator's ways to the septuplets.
    allowed |= {"train_data", "evaluator", "sequences", "groups"}
    everywhere = {"vimeo_tools.errors", "vimeo_tools.atomic"}
    for name in imported(path):
        package = name.partition(".")[0]
        assert package != "vimeo_tools" or name in everywhere or path.stem in allowed
        if path.parent.name == "models":
            assert package != "rvrt" or name == "rvrt.config" or name.startswith("rvrt.models")


def test_there_is_no_drawer_for_everything():
    names = {path.stem for package in ("vimeo_tools", "rvrt") for path in modules(package)}
    assert not names & {"utils", "util", "helpers", "misc", "common"}


def test_importing_the_package_loads_numpy_alone():
    probe = (
        "import sys, vimeo_tools; from vimeo_tools import imresize;"
        "print(sorted({'mindspore', 'lmdb', 'PIL', 'scipy', 'click', 'tqdm', 'av'}"
        " & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
