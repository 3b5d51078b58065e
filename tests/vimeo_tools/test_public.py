"""The public names of vimeo_tools: all there, typed, and loaded when they are used."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vimeo_tools
from vimeo_tools.data.png import FrameSize

# What docs/data.md and README promise.
PUBLIC = [
    *("imresize", "imresize_batch", "downscale", "im2double", "im2uint8"),
    *("DEGRADATIONS", "Degradation", "degrade"),
    *("prepare", "pack", "verify", "cut_videos", "synthesize"),
    *("open_sequences", "create_dataset", "Training", "Evaluation"),
]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_there(name):
    if name == "create_dataset":
        pytest.importorskip("mindspore")
    value = getattr(vimeo_tools, name)
    assert name in vimeo_tools.__all__
    assert name in dir(vimeo_tools)
    assert not callable(value) or value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="imresise"):
        vimeo_tools.imresise  # noqa: B018


def probe(code):
    heavy = "{'mindspore', 'lmdb', 'PIL', 'scipy', 'click', 'tqdm', 'av'}"
    code = f"import sys, vimeo_tools; {code}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_degradations_need_numpy_alone():
    assert probe("vimeo_tools.degrade, vimeo_tools.DEGRADATIONS['bicubic']") == "[]"


def test_the_feed_loads_mindspore_only_where_batches_are_made():
    assert "mindspore" not in probe("vimeo_tools.open_sequences, vimeo_tools.Training")


def test_paths_may_be_text(tmp_path):
    root = str(tmp_path)
    assert vimeo_tools.synthesize(f"{root}/set", 2, test_clips=1, size=FrameSize(32, 48)).done == 14
    gt, out = f"{root}/set/sequences", f"{root}/out"
    lists = {"train": f"{root}/set/sep_trainlist.txt"}
    settings = vimeo_tools.PrepareSettings(gt, lists, out, generate_lq=True)
    assert vimeo_tools.prepare(settings).failures == []
    assert vimeo_tools.verify(gt, out, clip_list=lists["train"]).failures == []
    plan = vimeo_tools.PackPlan(gt, f"{root}/gt.lmdb", ["00001/0001"], [4], FrameSize(32, 48))
    assert vimeo_tools.pack(plan).done == 1
    source = vimeo_tools.open_sequences(f"{root}/gt.lmdb", out, lists["train"], gt_numbers=[4])
    assert source[0].gt.shape == (1, 3, 32, 48)


# --- what README shows ---------------------------------------------------------------------------

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def example(word):
    (found,) = [text for text in EXAMPLES if word in text]
    return found


def test_the_feed_of_the_readme_runs_as_pasted(tmp_path, vimeo_prep):
    pytest.importorskip("mindspore")
    vimeo_prep("synthesize", "--clips", 2, "--test-clips", 1, "--output-dir", ".", cwd=tmp_path)
    vimeo_prep("--generate-lq", cwd=tmp_path)
    text = example("create_dataset")
    assert "300_000" in text
    shapes = "print(batch['lq'].shape, batch['gt'].shape)"
    code = f"{text.replace('300_000', '2').rstrip()}\n    {shapes}\n"
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == 2 * ["(2, 14, 3, 64, 64) (2, 14, 3, 256, 256)"], done.stderr


def test_the_degradation_of_the_readme_runs_as_pasted(monkeypatch):
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), np.uint8)
    monkeypatch.setattr(vimeo_tools, "DEGRADATIONS", table := dict(vimeo_tools.DEGRADATIONS))
    names = {"frames": frames}
    exec(example("Nearest"), names)
    assert table["nearest"].folder(4) == "NNx4"
    assert names["lqs"].shape == (2, 8, 12, 3)
