"""What all commands have: --plugin, --json, --quiet, --version, and words for missing extras."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import tree_bytes
from vimeo_tools import __version__, open_sequences
from vimeo_tools.errors import SettingsError

PLUGIN = """
from vimeo_tools import DEGRADATIONS, Degradation

class Nearest(Degradation):
    name, tag = "nearest", "NN"

    def apply(self, frame, scale):
        return frame[::scale, ::scale]

DEGRADATIONS["nearest"] = Nearest()
"""
COMMANDS = ["vimeo-prep", "rvrt-convert", "rvrt-restore", "rvrt-eval", "rvrt-train"]


@pytest.fixture
def plugin(septuplets):
    (septuplets / "mine.py").write_text(PLUGIN)
    return ["--plugin", "mine"]


# --- plugins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_degradation_of_a_plugin(vimeo_prep, septuplets, plugin, workers):
    make = ["--generate-lq", "--degradation", "nearest", "--workers", workers, *plugin]
    assert vimeo_prep(*make, cwd=septuplets).returncode == 0
    record = json.loads((septuplets / "NNx4" / "vimeo-prep.json").read_text())
    assert record["degradation"] == "nearest"
    done = vimeo_prep("verify", "sequences", "NNx4", *plugin, cwd=septuplets)
    assert done.returncode == 0
    assert "nearest: 21 of 21 frames exact" in done.stdout
    assert "made with nearest, every sample equal" in done.stdout


def test_a_tree_of_another_degradation_is_refused(vimeo_prep, septuplets, plugin):
    make = ["--generate-lq", "--output-dir", "lq"]
    assert vimeo_prep(*make, cwd=septuplets).returncode == 0
    before = tree_bytes(septuplets)
    done = vimeo_prep(*make, "--degradation", "nearest", *plugin, cwd=septuplets)
    assert done.returncode == 1
    assert "was made with convention double, scale 4" in done.stderr
    assert {k: v for k, v in tree_bytes(septuplets).items() if "pycache" not in k} == before


def test_blur_down(vimeo_prep, septuplets):
    assert vimeo_prep("--generate-lq", "--degradation", "bd", cwd=septuplets).returncode == 0
    verified = vimeo_prep("verify", "sequences", "BDx4", cwd=septuplets)
    assert (verified.returncode, "made with bd, every" in verified.stdout) == (0, True)
    other = ["--generate-lq", "--degradation", "bd", "--sigma", "1.2"]
    refused = vimeo_prep(*other, cwd=septuplets)
    assert (refused.returncode, "BDx4: was made with" in refused.stderr) == (1, True)
    assert vimeo_prep(*other, "--output-dir", "mine", cwd=septuplets).returncode == 0
    record = json.loads((septuplets / "mine" / "vimeo-prep.json").read_text())
    assert (record["degradation"], record["sigma"], record["kernel"]) == ("bd", 1.2, None)
    (septuplets / "BDx4" / "vimeo-prep.json").unlink()
    unknown = vimeo_prep("verify", "sequences", "BDx4", cwd=septuplets)
    assert "neither convention, but with: the blur of KAIR" in unknown.stdout
    wrong = vimeo_prep("--generate-lq", "--sigma", "1.2", cwd=septuplets)
    assert (wrong.returncode, "sigma is no parameter" in wrong.stderr) == (1, True)


LAYOUT = """
from vimeo_tools.data.layouts import LAYOUTS, Layout

LAYOUTS["tiny-reds"] = Layout(
    key="[0-9]{3}",
    key_words="three digits",
    frame="{key}/{number:08d}.png",
    numbers=tuple(range(5)),
    lists={"train": "train.txt", "test": "test.txt"},
    gt_folder="sharp",
    title="REDS",
)
"""


def test_noise(vimeo_prep, septuplets):
    options = ("--generate-lq", "--degradation", "noise", "--sigma", 10)
    assert vimeo_prep(*options, cwd=septuplets).returncode == 0
    record = json.loads((septuplets / "NOISE10" / "vimeo-prep.json").read_text())
    made = {"degradation": "noise", "sigma": 10, "seed": 0, "scale": 1}
    assert made.items() <= record.items()
    done = vimeo_prep(*options, "--seed", 3, cwd=septuplets)
    assert done.returncode == 1
    assert "was made with noise (sigma 10.0, seed 0), scale 1" in done.stderr


def test_a_layout_of_a_plugin(vimeo_prep, septuplets, tmp_path):
    root = tmp_path / "reds"
    for n, key in enumerate(["000", "011", "239"]):
        (root / "sharp" / key).mkdir(parents=True)
        for number in range(5):
            source = septuplets / "sequences" / "00001" / f"000{n + 1}" / f"im{number + 1}.png"
            shutil.copy(source, root / "sharp" / key / f"{number:08d}.png")
    (root / "reds.py").write_text(LAYOUT)
    (root / "train.txt").write_text("000\n239 5 (32,48,3)\n")
    (root / "test.txt").write_text("011\n../x\n")
    options = ["--plugin", "reds", "--layout", "tiny-reds"]

    done = vimeo_prep("--generate-lq", *options, cwd=root)
    assert done.returncode == 1
    assert "test.txt:2: '../x': a clip key is three digits" in done.stderr
    assert (root / "BIx4" / "239" / "00000004.png").is_file()
    annotation = root / "BIx4" / "meta_info_REDS_train_GT.txt"
    assert annotation.read_text() == "000 5 (32,48,3)\n239 5 (32,48,3)\n"

    verified = vimeo_prep("verify", "sharp", "BIx4", *options, "--split", "train", cwd=root)
    assert verified.returncode == 0
    assert "double: 10 of 10 frames exact" in verified.stdout

    assert vimeo_prep("pack-lmdb", *options, cwd=root).returncode == 0
    meta_info = (root / "reds_train_LR.lmdb" / "meta_info.txt").read_text().splitlines()
    assert meta_info[0] == "000/00000000.png (8,12,3) 1"
    assert len(meta_info) == 10
    assert "there are vimeo90k" in vimeo_prep("--layout", "redz", cwd=root).stderr


def test_a_database_of_blur_down_has_its_name(vimeo_prep, septuplets):
    vimeo_prep("--generate-lq", "--degradation", "bd", cwd=septuplets)
    pack = ["pack-lmdb", "--lq-root", "BDx4", "--content", "lq"]
    assert vimeo_prep(*pack, cwd=septuplets).returncode == 0
    assert (septuplets / "vimeo90k_train_BDLR7frames.lmdb" / "data.mdb").is_file()
    # It says how its frames were made, and is not mixed with others.
    done = vimeo_prep("verify", "sequences", "vimeo90k_train_BDLR7frames.lmdb", cwd=septuplets)
    assert (done.returncode, "made with bd, every sample equal" in done.stdout) == (0, True)
    assert vimeo_prep(*pack, cwd=septuplets).returncode == 0
    vimeo_prep("--generate-lq", cwd=septuplets)
    other = ["pack-lmdb", "--content", "lq", "--name", "vimeo90k_train_BDLR7frames.lmdb"]
    refused = vimeo_prep(*other, cwd=septuplets)
    assert (refused.returncode, "was made with made_of" in refused.stderr) == (1, True)
    with pytest.raises(SettingsError, match="was made with bd, scale 4; asked for is convention"):
        database = septuplets / "vimeo90k_train_BDLR7frames.lmdb"
        open_sequences(septuplets / "sequences", database, degradation="bicubic")


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_damaged_build_or_database_is_one_line(vimeo_prep, septuplets, share):
    (septuplets / "sequences" / "00001" / "0002" / "im7.png").rename(septuplets / "kept.png")
    assert vimeo_prep("pack-lmdb", cwd=septuplets).returncode == 1
    name = "vimeo90k_train_GT_all.lmdb"
    data = septuplets / f"{name}.partial" / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[: int(share * len(whole))])
    done = vimeo_prep("pack-lmdb", cwd=septuplets)
    assert (done.returncode, done.stderr.count("Error"), len(done.stderr.splitlines())) == (1, 1, 1)
    assert "cut short" in done.stderr

    data.write_bytes(whole)
    (septuplets / "kept.png").rename(septuplets / "sequences" / "00001" / "0002" / "im7.png")
    assert vimeo_prep("pack-lmdb", cwd=septuplets).returncode == 0
    data = septuplets / name / "data.mdb"
    data.write_bytes(data.read_bytes()[: int(share * len(whole))])
    vimeo_prep("--generate-lq", cwd=septuplets)
    done = vimeo_prep("verify", name, "BIx4", cwd=septuplets)
    assert (done.returncode, "cut short" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "there is no such module"),
        ("import nothing_of_that_name", "it needs the module nothing_of_that_name"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_had(vimeo_prep, septuplets, text, words):
    if text:
        (septuplets / "bad.py").write_text(text)
    done = vimeo_prep("--plugin", "bad", cwd=septuplets)
    assert done.returncode == 2
    assert words in done.stderr
    assert vimeo_prep("--plugin", "", cwd=septuplets).returncode == 2


def test_an_unknown_degradation_or_parameter(vimeo_prep, septuplets):
    done = vimeo_prep("--generate-lq", "--degradation", "bicubik", cwd=septuplets)
    assert (done.returncode, "did you mean bicubic" in done.stderr) == (1, True)


# --- the summary for programs -------------------------------------------------------------------


def test_json_of_every_command(vimeo_prep, tmp_path):
    def run(*arguments, code=0):
        done = vimeo_prep(*arguments, "--json", cwd=tmp_path / "drawn")
        assert done.returncode == code
        return json.loads(done.stdout)

    (tmp_path / "drawn").mkdir()
    drawn = run(
        "synthesize", "--clips", 2, "--test-clips", 1, "--size", "64x32", "--output-dir", "."
    )
    assert (drawn["clips"], drawn["done"], drawn["failed"]) == (2, 14, 0)
    assert "14 LQ frames" in " ".join(run("--generate-lq", "--dry-run")["dry_run"])
    assert run("--generate-lq")["done"] == 14
    assert run("detect", "BIx4")["convention"] == "double"
    packed = run("pack-lmdb")["databases"]
    assert [database["database"] for database in packed] == [
        "vimeo90k_train_GT_all.lmdb",
        "vimeo90k_train_LR7frames.lmdb",
    ]
    (tmp_path / "drawn" / "BIx4" / "00001" / "0001" / "im1.png").unlink()
    verified = run("verify", "--report", "off.txt", code=1)
    assert (verified["frames"], verified["convention"], verified["failed"]) == (13, "double", 1)
    assert verified["failures"][0]["reason"] == "the file is missing"
    assert verified["failures_file"] == "off.txt"


def test_quiet_says_failures_alone(vimeo_prep, septuplets):
    done = vimeo_prep("--generate-lq", "--quiet", cwd=septuplets)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (septuplets / "BIx4" / "00001" / "0001" / "im1.png").unlink()
    done = vimeo_prep("verify", "--quiet", cwd=septuplets)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the file is missing" in done.stderr


def test_verify_of_a_split(vimeo_prep, septuplets):
    vimeo_prep("--generate-lq", cwd=septuplets)
    done = vimeo_prep("verify", "--split", "test", cwd=septuplets)
    assert "7 frames compared" in done.stdout
    assert "sep_testlist.txt" in done.stdout
    both = vimeo_prep("verify", "--split", "test", "--list", "sep_testlist.txt", cwd=septuplets)
    assert (both.returncode, "give one of them" in both.stderr) == (1, True)


# --- versions and extras ------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_version(vimeo_prep, command):
    path = vimeo_prep.path.with_name(command)
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{command}, version {__version__}")


WITHOUT_EXTRAS = """
import sys
hidden = {"scipy", "matplotlib", "jinja2", "mindspore", "safetensors", "yaml", "av", "distributed"}

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
"""


def without_extras(code, *arguments, cwd=None):
    call = [sys.executable, "-c", WITHOUT_EXTRAS + code, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=60, cwd=cwd)


@pytest.mark.parametrize(
    "command, arguments, words",
    [
        ("convert", ["a.pth", "b.safetensors"], "rvrt-convert needs"),
        ("restore", ["a", "b", "--weights", "c.safetensors"], "rvrt-restore needs"),
        ("evaluate", ["--weights", "none", "--data", "x"], "rvrt-eval needs"),
        ("train", ["--output", "x"], "rvrt-train needs"),
    ],
)
def test_commands_of_a_plain_install_name_the_extra(tmp_path, command, arguments, words):
    code = f"from rvrt.cli.start import {command}; {command}()"
    done = without_extras(code, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {words}")
    assert "pip install 'vimeo-tools[" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["convert", "restore", "evaluate", "train"])
def test_commands_of_a_plain_install_know_their_version(command):
    done = without_extras(f"from rvrt.cli.start import {command}; {command}()", "--version")
    assert done.returncode == 0
    assert f", version {__version__}" in done.stdout


def test_parts_of_a_plain_install_name_the_extra():
    code = "import vimeo_tools; vimeo_tools.imresize; vimeo_tools.create_dataset"
    last = without_extras(code).stderr.splitlines()[-1]
    assert last == (
        "ModuleNotFoundError: vimeo_tools.create_dataset needs mindspore: "
        "pip install 'vimeo-tools[train]'"
    )


def test_vimeo_prep_of_a_plain_install(tmp_path):
    code = "from vimeo_tools.cli.main import main; main()"
    (tmp_path / "a.mp4").write_bytes(b"")
    for arguments, extra in (
        (["from-video", "a.mp4"], "[video]"),
        (["synthesize", "--size", "64x32"], None),
    ):
        done = without_extras(code, *arguments, cwd=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (int(extra is not None), False)
        assert extra is None or extra in done.stderr
