"""Networks and commands run on a GPU as far as the host goes, and ask little of it.

See tests/pretend_gpu: nothing is computed there. A restored picture comes back black, a loss is
what lay in that memory before: nothing here shows whether a picture, a loss or a score is right,
nor how long a card takes.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rvrt.config.loading import override, to_yaml
from rvrt.config.network import MODEL_PRESETS
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.models import build_network
from rvrt.restoration.pictures import read_deep_picture, save_picture
from rvrt.weights.checkpoint import Record, save_weights
from tests.pretend_gpu import counting, generate
from tests.rvrt.conftest import ROOT
from tests.rvrt.tiny_training import TINY
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize

pytestmark = pytest.mark.slow  # each compiles a graph


@pytest.fixture(scope="session")
def pretend_gpu(tmp_path_factory):
    """Runs Python on the pretend GPU; what it prints."""
    if why := generate.missing():
        pytest.skip(f"no pretend GPU: {why}")
    folder = tmp_path_factory.mktemp("pretend_gpu")
    generate.build(folder)
    environment = generate.environment(folder, dict(os.environ))

    def run(*arguments, code=0, **variables):
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command,
            env={**environment, **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, done.stderr[-2000:]
        return done.stdout

    return run


def measured(pretend_gpu, *arguments):
    """What the third call asked for: {"launches": 2490, ...}; the first compiles."""
    printed = pretend_gpu("-m", "tests.pretend_gpu.measure", *arguments)
    last = [line for line in printed.splitlines() if line.startswith("call ")][-1]
    return {
        name: int(number)
        for number, name in re.findall(r"(\d+) (launches|uploads|waits|scatters)", last)
    }


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("preset", ["rvrt-debug", "rvrt-light-debug"])
def test_a_forward_asks_little(pretend_gpu, preset, dtype):
    found = measured(pretend_gpu, preset, "fwd", "1x6x3x40x48", "--dtype", dtype)
    assert found["waits"] <= 5
    assert found["uploads"] <= 150
    assert found["launches"] <= 2800


def test_a_step_waits_for_next_to_nothing(pretend_gpu):
    """Gradients, norm, clipping, Adam and the average of the weights; everything recomputed."""
    found = measured(pretend_gpu, "rvrt-light-debug", "step", "1x4x3x16x16")
    assert found["waits"] <= 10
    assert found["uploads"] <= 180
    assert found["launches"] <= 7300
    assert found["scatters"] == 0


def test_check_runs_every_line(pretend_gpu, tmp_path):
    """Nothing is computed here, so that numbers differ; whatever else fails would be ours."""
    command = "from rvrt.cli.check import main; main()"
    pretend_gpu("-c", command, "--device", "GPU", "--quick", "--output", tmp_path, code=1)
    found = json.loads((tmp_path / "rvrt-check.json").read_text())
    assert found["facts"]["device"] == "GPU: PRETEND sm_86"
    for line in found["lines"]:
        assert re.match("$|differs by|not finite", line["problem"]), line
        assert "forward" not in line["what"] or line["compiling"] > line["seconds"] > 0


NETWORKS = {
    "rvrt-debug": {**TINY["model"], "deformable_groups": 2},
    "rvrt-light-debug": TINY["model"],
}
BOTH = pytest.mark.parametrize("network", NETWORKS)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float16"])


@pytest.fixture(scope="session")
def command(pretend_gpu, tmp_path_factory):
    """Runs an installed command on the pretend GPU; what it prints, and what it asked for."""

    def run(name, *arguments, **variables):
        folder = tmp_path_factory.mktemp("counts")
        program = shutil.which(name, path=Path(sys.executable).parent)
        assert program, f"{name} is not installed beside {sys.executable}"
        zeros = {"PRETEND_ZEROS": "1"} if name in ("rvrt-eval", "rvrt-restore") else {}
        variables |= {"PRETEND_COUNTS": str(folder), **zeros}
        printed = pretend_gpu(program, *arguments, **variables)
        return printed, [counting.read(path) for path in folder.iterdir()]

    return run


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    """Weights of tiny networks by name, `gt` with two sequences of four frames, septuplets."""
    root = tmp_path_factory.mktemp("material")
    for name, sizes in NETWORKS.items():
        config = dataclasses.replace(MODEL_PRESETS[name], **sizes)
        arrays = {p.name: p.asnumpy() for p in build_network(config).get_parameters()}
        save_weights(root / f"{name}.safetensors", arrays, Record(config, "rvrt"))
    rng = np.random.default_rng(0)
    for sequence in "ab":
        for frame in range(4):
            picture = rng.integers(0, 256, (144, 160, 3), np.uint8)
            save_picture(root / "gt" / sequence / f"{frame}.png", picture)
    size = FrameSize(height=144, width=160)
    synthesize(root / "vimeo_septuplet", 2, test_clips=1, size=size, seed=1)
    return root


# Launches and waits of a whole process, most of them while it compiles: measured, and a tenth more.
MOST = {
    ("rvrt-eval", "rvrt-debug"): (2750, 1240),
    ("rvrt-eval", "rvrt-light-debug"): (1210, 600),
    ("rvrt-restore", "rvrt-debug"): (1390, 1250),
    ("rvrt-restore", "rvrt-light-debug"): (610, 600),
    ("rvrt-train", "rvrt-debug"): (19_700, 6_910),
    ("rvrt-train", "rvrt-light-debug"): (11_100, 3_620),
}


def asked_for_little(found, name, network):
    """One process has used the card, and within its bounds."""
    (counts,) = found
    launches, waits = MOST[name, network]
    assert counts.refused == 0
    assert counts.launches <= launches and counts.waits <= waits


@BOTH
@DTYPES
def test_eval_runs_on_a_card(command, material, tmp_path, network, dtype):
    """Black frames are measured like any others."""
    weights = material / f"{network}.safetensors"
    options = ["--device", "GPU", "--dtype", dtype, "--output-dir", tmp_path / "out"]
    printed, found = command("rvrt-eval", "--weights", weights, "--gt", material / "gt", *options)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["frames"], results["nan_frames"], results["device"]) == (8, 0, "GPU")
    assert "ours, all (2)" in printed
    assert "tiles of 4 frames of 40x36; " in printed and "s of compiling, 1 shape" in printed
    asked_for_little(found, "rvrt-eval", network)


@BOTH
@DTYPES
def test_restore_runs_on_a_card(command, material, tmp_path, network, dtype):
    weights = material / f"{network}.safetensors"
    options = ["--weights", weights, "--device", "GPU", "--dtype", dtype, "--cuts", "none"]
    printed, found = command("rvrt-restore", material / "gt" / "a", tmp_path / "out", *options)
    assert "4 frames restored" in printed and "of it compiling; 1 scene" in printed
    assert "tiles of 4 frames of 160x144 (GPU)" in printed
    pictures = sorted((tmp_path / "out").glob("*.png"))
    assert [read_deep_picture(path).shape for path in pictures] == [(576, 640, 3)] * 4
    asked_for_little(found, "rvrt-restore", network)


@BOTH
@DTYPES
def test_train_runs_on_a_card(command, material, tmp_path, network, dtype):
    """Nothing is learnt, but every graph of a step runs, and a state is saved."""
    crop = 36 if network == "rvrt-debug" else 8
    sections = {
        "model": NETWORKS[network],
        "data": {**TINY["data"], "root": str(material / "vimeo_septuplet"), "crop": crop},
        "train": {**TINY["train"], "steps": 3, "precision": dtype, "ema": 0.9},
    }
    (tmp_path / "tiny.yaml").write_text(
        to_yaml(override(TRAIN_PRESETS[network], {**TINY, **sections}))
    )
    options = ["--config", tmp_path / "tiny.yaml", "--output", tmp_path / "run", "--device", "GPU"]
    printed, found = command("rvrt-train", *options)
    assert "step 3 of 3" in printed
    asked_for_little(found, "rvrt-train", network)


def test_a_small_card_gets_smaller_tiles(command, material, tmp_path):
    network = ["--weights", material / "rvrt-light-debug.safetensors", "--device", "GPU"]
    frames, out = material / "gt" / "a", tmp_path / "out"
    restoring = [frames, out, *network, "--cuts", "none"]
    printed, found = command("rvrt-restore", *restoring, PRETEND_GB="4")
    width, height = map(int, re.search(r"tiles of 4 frames of (\d+)x(\d+)", printed).groups())
    assert width * height < 160 * 144 / 2
    data = ["--gt", out, "--lq", frames, "--output-dir", tmp_path / "results"]
    tiles = ["--tile", "64"]
    printed, found = command("rvrt-eval", *network, *data, *tiles, PRETEND_GB="4")
    assert "tiles of 4 frames of 64x64; " in printed and "s of compiling, 1 shape" in printed
    assert found[0].peak <= 3 << 30


# Prints what each tile asked for, and what each septuplet did.
TILES = """
import sys
import numpy as np
from rvrt.restoration.network import open_network
from rvrt.restoration.restorer import Cutting, Restorer
from tests.pretend_gpu.counting import counts, reset

def tell(*_):
    found = counts()
    print(len(wholes), tiled.graphs, found.uploads, found.waits, found.launches)
    reset()

cell, frames = open_network(sys.argv[1], target="GPU").cell, np.zeros((6, 72, 104, 3), np.uint8)
tiled, whole, wholes = Restorer(cell, Cutting(tile=64)), Restorer(cell), []
for _ in range(2):
    list(tiled.restore(frames, on_tile=tell))
for restored in (whole.restore, whole.restore, lambda x: whole.restore_mirrored(x[:3])) * 2:
    wholes.append(list(restored(frames)))
    tell()
"""


def test_tiles_share_a_graph_and_mirrored_frames_need_half_the_flow(pretend_gpu, material):
    printed = pretend_gpu("-c", TILES, material / "rvrt-debug.safetensors")
    rows = [tuple(map(int, line.split())) for line in printed.splitlines() if line[:1].isdigit()]
    tiles, (*_, other, _, mirrored) = rows[:12], rows[12:]
    assert len(tiles) == 12 and {graphs for _, graphs, *_ in tiles} == {2}  # one for whole flows
    for place, (_, _, uploads, waits, _) in enumerate(tiles[1:], 1):
        flows = place == 6  # the first of the next sequence: five pairs of whole frames
        assert uploads <= (240 if flows else 100) and waits <= (32 if flows else 9)
    assert other[3] <= 9 and mirrored[3] <= 9
    assert mirrored[4] < other[4]


def test_convert_asks_no_card_for_anything(command, material, tmp_path):
    weights = material / "rvrt-debug.safetensors"
    printed, found = command("rvrt-convert", weights, tmp_path / "out.pth", "--to", "pytorch")
    assert "parameters" in printed and (tmp_path / "out.pth").exists()
    assert found == []


@pytest.mark.parametrize(
    "first",
    [
        "import vimeo_tools, rvrt",
        "import rvrt.cli.evaluate",
        "import vimeo_tools.feed.samples, rvrt.training.trainer",
        "import vimeo_tools.feed.dataset, rvrt",
        "import rvrt, mindspore, vimeo_tools.feed.dataset",
    ],
)
def test_whatever_is_imported_first_a_card_can_be_chosen(pretend_gpu, first):
    chosen = "from rvrt.runtime import device; print(device.use('GPU'))"
    assert pretend_gpu("-c", f"{first}; {chosen}").split()[-1] == "GPU"
