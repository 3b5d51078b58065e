"""The directions of imports, room by room, held against the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A room may import those of earlier lines and itself, not its neighbours on the same line.
LAYERS = {
    "vimeo_tools": [
        ["_version", "errors", "_lazy"],
        ["resize", "running"],
        ["degradations"],
        ["data"],
        ["preparation", "feed"],
        ["cli"],
    ],
    "rvrt": [
        ["errors"],
        ["config"],
        ["models", "runtime"],
        ["weights"],
        ["restoration"],
        ["evaluation"],
        ["training"],
        ["checking"],
        ["cli"],
    ],
}
LEVEL = {
    (package, room): level
    for package, layers in LAYERS.items()
    for level, rooms in enumerate(layers)
    for room in rooms
}


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported(path):
    """Full names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module in LAYERS:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


ALL = [path for package in LAYERS for path in modules(package)]
INSIDE_A_ROOM = [path for path in ALL if len(path.relative_to(ROOT).parts) > 2]


@pytest.mark.parametrize("path", INSIDE_A_ROOM, ids=dotted)
def test_rooms_import_one_way(path):
    package, room = path.relative_to(ROOT).parts[:2]
    for name in imported(path):
        other, _, rest = name.partition(".")
        wanted = rest.partition(".")[0]
        if other == package and wanted != room and (package, wanted) in LEVEL:
            assert LEVEL[package, wanted] < LEVEL[package, room], f"{dotted(path)} imports {name}"


def test_every_room_has_its_place():
    found = {path.relative_to(ROOT).parts[:2] for path in INSIDE_A_ROOM}
    assert found <= LEVEL.keys()


@pytest.mark.parametrize("path", modules("vimeo_tools"), ids=dotted)
def test_vimeo_tools_knows_no_rvrt_and_frameworks_where_they_are_named(path):
    allowed = {
        "mindspore": {
            "vimeo_tools.feed.dataset",
            "vimeo_tools.resize.mindspore",
            "vimeo_tools.data.mindrecord_store",  # when a file is written
        },
        "torch": {"vimeo_tools.resize.torch"},
        "jax": {"vimeo_tools.resize.jax"},
    }
    for name in imported(path):
        package = name.partition(".")[0]
        assert package != "rvrt"
        assert dotted(path) in allowed.get(package, {dotted(path)})


@pytest.mark.parametrize("path", modules("rvrt/models"), ids=dotted)
def test_models_import_themselves_and_their_config(path):
    for name in imported(path):
        package = name.partition(".")[0]
        assert package not in LAYERS or name.startswith(("rvrt.models", "rvrt.config"))


def test_there_is_no_drawer_for_everything():
    assert not {path.stem for path in ALL} & {"utils", "util", "helpers", "misc", "common"}


def test_importing_the_package_loads_numpy_alone():
    probe = (
        "import sys, vimeo_tools; from vimeo_tools import imresize;"
        "print(sorted({'mindspore', 'torch', 'lmdb', 'PIL', 'scipy', 'click', 'tqdm', 'av'}"
        " & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
