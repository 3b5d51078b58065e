import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from mindspore import Tensor

from rvrt.config.network import MODEL_PRESETS
from rvrt.evaluation.metrics import measure
from rvrt.models import build_network
from rvrt.restoration.pictures import save_picture
from rvrt.weights.checkpoint import Record, load_network, save_weights
from tests.oracles.makers import textured
from tests.rvrt.cli.evaluating import rvrt_eval
from tests.rvrt.conftest import ROOT, randomise
from vimeo_tools import degrade, downscale, imresize
from vimeo_tools.data.pictures import read_picture
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize

BASELINE = ("--weights", "none", "--baseline", "bicubic")
COMMAND = "from rvrt.cli.evaluate import main; main(prog_name='rvrt-eval')"


def command_line(*arguments, code=COMMAND):
    return [sys.executable, "-c", code, *map(str, arguments)]


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "vimeo_septuplet"
    synthesize(root, 13, test_clips=12, size=FrameSize(height=32, width=48), seed=1)
    return root


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    config = MODEL_PRESETS["rvrt-light-debug"]
    model = randomise(build_network(config), scale=0.1)
    path = tmp_path_factory.mktemp("weights") / "light.ckpt"
    save_weights(
        path, {p.name: p.asnumpy() for p in model.get_parameters()}, Record(config, "rvrt")
    )
    return path


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_the_baseline_runs_without_mindspore(twelve, tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys; sys.modules['mindspore'] = sys.modules['safetensors'] = None;"
        "from rvrt.cli.evaluate import main; main(standalone_mode=False);"
        "assert not [name for name in sys.modules if name.startswith('mindspore.')]"
    )
    run = command_line(*BASELINE, "--data", twelve, "--output-dir", out, code=code)
    done = subprocess.run(run, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert "bicubic, all (12)" in done.stdout and "RVRT, authors" in done.stdout
    assert f"to look at: {out / 'report.html'}" in done.stdout and (out / "report.html").exists()
    stored = results(out)
    assert stored["weights"] is None and stored["means"]["ours"] is None
    assert (stored["protocol"], stored["split"], stored["sequences"]) == (
        "vimeo-centre",
        "test",
        12,
    )
    rows = list(csv.DictReader((out / "per_sequence.csv").read_text().splitlines()))
    gt = read_picture(twelve / "sequences" / rows[0]["key"] / "im4.png")
    expected = measure(imresize(downscale(gt, 4), 4), gt)
    assert float(rows[0]["bicubic_psnr_y"]) == expected.psnr_y
    mean = sum(float(row["bicubic_ssim_rgb"]) for row in rows) / 12
    assert stored["means"]["bicubic"]["ssim_rgb"] == pytest.approx(mean)


def test_a_network_with_groups_and_a_part_of_the_list(twelve, light, tmp_path):
    keys = (twelve / "sep_testlist.txt").read_text().split()
    (tmp_path / "slow.txt").write_text("\n".join(keys[:6]))
    out = tmp_path / "out"
    arguments = (
        "--weights",
        light,
        "--data",
        twelve,
        "--output-dir",
        out,
        "--protocol",
        "vimeo-all",
    )
    chosen = ("--every-nth", 5, "--limit", 2, "--group", f"slow={tmp_path / 'slow.txt'}")
    done = rvrt_eval(*arguments, *chosen, "--preset", "rvrt-light-debug", "--save-images")
    assert done.exit_code == 0, done.output
    stored = results(out)
    assert (stored["sequences"], stored["frames"]) == (2, 14)
    assert stored["settings"]["limit"] == 2 and stored["settings"]["every_nth"] == 5
    assert stored["groups"]["slow"]["sequences"] == 2
    assert stored["weights"]["preset"] == "rvrt-light-debug"
    assert "rvrt-light-debug" in (out / "report.html").read_text()
    assert stored["means"]["ours"]["psnr_y"] > 0 and stored["seconds_per_call"] > 0
    assert {"mindspore", "scipy", "numpy"} <= stored["versions"].keys()
    rows = list(csv.DictReader((out / "per_sequence.csv").read_text().splitlines()))
    assert [(row["key"], row["group"]) for row in rows] == [(keys[0], "slow"), (keys[5], "slow")]
    scores = [
        measure(
            read_picture(out / "images" / keys[0] / f"im{number}.png"),
            read_picture(twelve / "sequences" / keys[0] / f"im{number}.png"),
        )
        for number in range(1, 8)
    ]
    assert float(rows[0]["psnr_y"]) == pytest.approx(sum(s.psnr_y for s in scores) / 7)
    # More of the list needs only the rest; other settings are refused.
    assert rvrt_eval(*arguments, "--save-images", "--limit", 2).exit_code == 0
    assert len((out / "records.jsonl").read_text().splitlines()) == 3
    other = rvrt_eval(*arguments, "--limit", 2)
    assert other.exit_code == 1 and "save_images true (now false)" in other.output


def without_times(folder):
    stored = results(folder)
    for name in ("seconds_per_call", "peak_memory_bytes"):
        del stored[name]
    return stored


def test_killed_half_way_and_run_again(twelve, light, tmp_path):
    def arguments(name):
        chosen = ("--data", twelve, "--limit", 3)
        return "--weights", light, *chosen, "--output-dir", tmp_path / name

    process = subprocess.Popen(
        command_line(*arguments("killed")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    records = tmp_path / "killed" / "records.jsonl"
    deadline = time.monotonic() + 120
    while not (records.exists() and records.read_bytes().count(b"\n") >= 1):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    measured = records.read_bytes()
    assert 1 <= measured.count(b"\n") < 3
    assert not (tmp_path / "killed" / "results.json").exists()
    assert rvrt_eval(*arguments("killed")).exit_code == 0
    assert records.read_bytes().startswith(measured[: measured.rfind(b"\n") + 1])
    assert rvrt_eval(*arguments("whole")).exit_code == 0
    assert without_times(tmp_path / "killed") == without_times(tmp_path / "whole")


def test_shards(twelve, tmp_path):
    arguments = (*BASELINE, "--data", twelve, "--output-dir")
    rvrt_eval(*arguments, tmp_path / "whole")
    first = rvrt_eval(*arguments, tmp_path / "shards", "--shard", "2/2")
    assert first.exit_code == 0
    assert "part 2 of 2 is done, 6 sequences are left to the others" in first.output
    assert rvrt_eval(*arguments, tmp_path / "shards", "--shard", "1/2").exit_code == 0
    for name in ("results.json", "per_sequence.csv"):
        assert (tmp_path / "shards" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_any_pair_of_folders(twelve, light, tmp_path):
    for key, count in (("first", 3), ("second", 1)):
        for number in range(1, count + 1):
            gt = read_picture(twelve / "sequences" / "00001/0001" / f"im{number}.png")
            save_picture(tmp_path / "gt" / key / f"{number}.png", gt)
            save_picture(tmp_path / "lq" / key / f"{number}.png", downscale(gt, 4))
    folders = ("--gt", tmp_path / "gt", "--lq", tmp_path / "lq")
    done = rvrt_eval("--weights", light, *folders, "--output-dir", tmp_path / "network")
    assert done.exit_code == 0, done.output
    stored = results(tmp_path / "network")
    assert (stored["sequences"], stored["frames"], stored["protocol"]) == (2, 4, "frames")
    done = rvrt_eval(*BASELINE, "--gt", tmp_path / "gt", "--output-dir", tmp_path / "baseline")
    assert done.exit_code == 0, done.output
    assert results(tmp_path / "baseline")["means"]["bicubic"] == stored["means"]["bicubic"]


def test_folders_are_measured_as_by_the_authors_and_results_say_so(twelve, light, tmp_path):
    for number in (1, 2, 3):  # odd in number, rows and columns
        gt = read_picture(twelve / "sequences" / "00001/0001" / f"im{number}.png")[:28, :44]
        save_picture(tmp_path / "gt" / f"{number}.png", gt)
        save_picture(tmp_path / "lq" / f"{number}.png", downscale(gt, 4))
    folders = ("--gt", tmp_path / "gt", "--lq", tmp_path / "lq", "--save-images")
    done = rvrt_eval("--weights", light, *folders, "--output-dir", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert results(tmp_path / "out")["settings"]["padding"] == "authors"
    cell, _ = load_network(light)
    lq = [read_picture(tmp_path / "lq" / f"{number}.png") for number in (1, 2, 3, 3)]
    clip = np.pad(np.stack(lq), [(0, 0), (0, 1), (0, 1), (0, 0)], mode="symmetric")  # 8 by 12
    clip = clip.transpose(0, 3, 1, 2)[None].astype(np.float32) / 255
    out = cell.set_train(False)(Tensor(clip)).asnumpy()[0].clip(0, 1) * 255
    for frame, number in zip(out, (1, 2, 3), strict=False):
        found = read_picture(tmp_path / "out" / "images" / "gt" / f"{number}.png")
        expected = np.rint(frame.transpose(1, 2, 0)[:28, :44])
        assert np.abs(found - expected).max() <= 1 and (found != expected).mean() < 0.01


def test_the_network_of_the_package_gains_on_clips_that_it_never_saw(twelve, tmp_path):
    arguments = ("--data", twelve, "--limit", 3, "--output-dir", tmp_path / "out")
    done = rvrt_eval("--weights", "rvrt-small", *arguments)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("rvrt-small on vimeo_septuplet test")
    means = results(tmp_path / "out")["means"]
    assert means["ours"]["psnr_y"] > means["bicubic"]["psnr_y"] + 0.5


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """Weights of a network that enlarges twice."""
    config = dataclasses.replace(MODEL_PRESETS["rvrt-light-debug"], upscale=2)
    model = randomise(build_network(config), scale=0.1)
    path = tmp_path_factory.mktemp("weights") / "twice.safetensors"
    arrays = {p.name: p.asnumpy() for p in model.get_parameters()}
    save_weights(path, arrays, Record(config, "rvrt"))
    return path


def test_networks_of_another_scale_have_lq_of_theirs(twelve, twice, vimeo_prep, tmp_path):
    root = shutil.copytree(twelve, tmp_path / "data")
    for scale in (2, 4):
        made = vimeo_prep(
            "--generate-lq", "--scale", scale, "--output-dir", f"BIx{scale}", cwd=root
        )
        assert made.returncode == 0, made.stderr
    arguments = ("--weights", twice, "--limit", 1, "--output-dir")
    done = rvrt_eval(*arguments, tmp_path / "out", "--data", root)
    assert done.exit_code == 0, done.output
    assert results(tmp_path / "out")["settings"]["lq"] == str(root / "BIx2")
    assert "twice on data test" in (tmp_path / "out" / "report.html").read_text()
    septuplets = ("--gt", root / "sequences", "--lq", root / "BIx4", "--list")
    done = rvrt_eval(*arguments, tmp_path / "no", *septuplets, root / "sep_testlist.txt")
    assert done.exit_code == 1 and "scale 4; asked for is" in done.output
    done = rvrt_eval(*arguments, tmp_path / "no", "--data", root, "--scale", 4)
    assert done.exit_code == 1 and "--scale 4: the network enlarges 2 times" in done.output
    assert not (tmp_path / "no").exists()


def test_weights_without_mindspore(twelve, light, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mindspore", None)
    monkeypatch.delitem(sys.modules, "rvrt.restoration.network", raising=False)
    done = rvrt_eval("--weights", light, "--data", twelve, "--output-dir", tmp_path / "out")
    assert done.exit_code == 1 and "weights need mindspore: pip install" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (BASELINE, "give either --data vimeo_septuplet, or --gt"),
        ((*BASELINE, "--data", "{data}", "--gt", "{data}"), "give either --data"),
        ((*BASELINE, "--data", "{data}", "--lq", "{data}"), "--data brings its own"),
        ((*BASELINE, "--data", "absent"), "absent: there is no such folder"),
        ((*BASELINE, "--gt", "absent"), "absent: there is no such folder"),
        ((*BASELINE, "--gt", "{pictures}", "--protocol", "vimeo-all"), "holds no septuplets"),
        ((*BASELINE, "--data", "{data}", "--protocol", "all"), "protocol 'all': there are vimeo-"),
        ((*BASELINE, "--data", "{data}", "--protocol", "duf"), "holds septuplets, protocol duf is"),
        ((*BASELINE, "--gt", "{pictures}", "--protocol", "deblur"), "deblur needs --lq"),
        ((*BASELINE, "--gt", "{pictures}", "--protocol", "reds4"), "000, 011, 015, 020 not there"),
        ((*BASELINE, "--data", "{data}", "--metric", "vmaf"), "metric 'vmaf': beside psnr_y"),
        ((*BASELINE, "--data", "{data}", "--preset", "rvrt"), "needs weights, not --weights none"),
        ((*BASELINE, "--data", "{data}", "--group", "slow"), "as in slow=sep_slow.txt"),
        ((*BASELINE, "--data", "{data}", "--group", "slow=absent"), "no such list"),
        ((*BASELINE, "--data", "{data}", "--shard", "3/2"), "give I/N"),
        ((*BASELINE, "--data", "{data}", "--tile", "50"), "50: give a multiple of 32 from 64 on"),
        ((*BASELINE, "--data", "{data}", "--output-dir", "{data}"), "holds the input"),
        (("--data", "{data}"), "Missing option '--weights'"),
        (("--weights", "absent.ckpt", "--data", "{data}"), "absent.ckpt"),
        (("--weights", "{data}/sep_testlist.txt", "--data", "{data}"), "sep_testlist.txt"),
        (("--weights", "{light}", "--data", "{data}", "--preset", "rvrt"), "not of rvrt;"),
    ],
)
def test_what_a_user_gets_wrong(twelve, light, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    pictures = twelve / "sequences" / "00001" / "0001"
    places = {"data": twelve, "light": light, "pictures": pictures}
    done = rvrt_eval(*(argument.format(**places) for argument in arguments))
    assert done.exit_code in (1, 2)
    assert message in done.output.replace("\n", " ") and "Error: " in done.output.splitlines()[-1]
    assert not (tmp_path / "rvrt-eval").exists()


def test_lq_frames_that_are_there_have_their_convention(twelve, tmp_path):
    lq = tmp_path / "lq"
    gt = read_picture(twelve / "sequences" / "00001/0001/im1.png")
    save_picture(tmp_path / "gt" / "1.png", gt)
    save_picture(lq / "1.png", downscale(gt, 4))
    arguments = (*BASELINE, "--gt", tmp_path / "gt", "--output-dir", tmp_path / "out")
    done = rvrt_eval(*arguments, "--lq", lq, "--convention", "uint8")
    assert done.exit_code == 1 and "LQ frames are there already" in done.output
    assert rvrt_eval(*arguments, "--convention", "uint8").exit_code == 0
    assert "convention uint8" in results(tmp_path / "out")["settings"]["lq"]


def test_results_are_verified_and_set_side_by_side(twelve, tmp_path):
    for name, protocol in (("a", "vimeo-centre"), ("b", "vimeo-centre"), ("c", "vimeo-all")):
        options = ("--protocol", protocol, "--limit", 2, "--save-images")
        done = rvrt_eval(*BASELINE, "--data", twelve, *options, "--output-dir", tmp_path / name)
        assert done.exit_code == 0, done.output
    done = rvrt_eval("--verify", tmp_path / "a" / "results.json", "--seed", 3, "--sample", 2)
    assert done.exit_code == 0 and "2 of 4 saved pictures" in done.output, done.output
    assert "seed 3: largest difference of a score 0\n" in done.output
    pair = (tmp_path / "a", tmp_path / "b")
    done = rvrt_eval("--compare", *pair, "--output-dir", tmp_path / "both")
    assert done.exit_code == 0 and (tmp_path / "both" / "compare.html").exists(), done.output
    done = rvrt_eval("--compare", tmp_path / "a", tmp_path / "c")
    assert done.exit_code == 1 and "by protocol vimeo-centre" in done.output
    for path in (tmp_path / "a" / "images").rglob("*.png"):
        save_picture(path, np.zeros((32, 48, 3), np.uint8))
    done = rvrt_eval("--verify", tmp_path / "a")
    assert done.exit_code == 1 and "scores differ by more than 1e-06" in done.output
    for wrong in (("--compare", tmp_path / "a"), ("--verify",), (*BASELINE, tmp_path / "a")):
        assert rvrt_eval(*wrong).exit_code == 2


def test_lq_frames_of_an_unusual_maker_are_warned_of(tmp_path):
    gt = textured(0)
    save_picture(tmp_path / "gt" / "1.png", gt)
    save_picture(tmp_path / "lq" / "1.png", degrade(gt, "bd-duf"))
    folders = ("--gt", tmp_path / "gt", "--lq", tmp_path / "lq", "--output-dir", tmp_path / "out")
    done = rvrt_eval(*BASELINE, *folders)
    assert done.exit_code == 0, done.output
    assert f"Warning: {tmp_path / 'lq'}: made with DUF's blur: its pixels lie" in done.output
