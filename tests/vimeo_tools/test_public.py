"""The public names of vimeo_tools: all there, typed, and loaded when they are used."""

import subprocess
import sys

import pytest

import vimeo_tools

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
