import dataclasses
import itertools
import math
import shutil
import threading
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from rvrt.config.loading import load_config, override
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.errors import CheckpointError, ConfigError, TrainingError
from rvrt.training.data import doubts_of, open_clips
from rvrt.training.journal import read
from rvrt.training.losses import LOSSES, charbonnier
from rvrt.training.schedule import cosine
from rvrt.training.state import Checkpoints, read_state
from rvrt.training.trainer import Trainer
from rvrt.weights.checkpoint import load_network, read_arrays
from tests.conftest import TEST, TRAIN
from tests.rvrt.tiny_training import tiny_config
from vimeo_tools import DEGRADATIONS, degrade
from vimeo_tools.data.png import FrameSize, decode_png, encode_png
from vimeo_tools.data.septuplets import frame_path
from vimeo_tools.degradations.base import Degradation
from vimeo_tools.errors import FrameError, OutputError, VimeoToolsError
from vimeo_tools.preparation.synthetic import synthesize

LATEST = "checkpoints/step_{:08d}.safetensors"


def fit(config, folder, stop=lambda: False):
    said = []
    summary = Trainer(config, folder, say=said.append).fit(stop)
    return summary, said


def stop_after(steps):
    """Asks to stop after so many steps; it is asked twice for each."""
    left = iter(range(2 * steps - 1, -1, -1))
    return lambda: next(left) == 0


def arrays(folder, step):
    return dict(read_state(folder / LATEST.format(step)).arrays)


def assert_equal_runs(one, other, step):
    a, b = arrays(one, step), arrays(other, step)
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], err_msg=name)
    untimed = [
        [{k: v for k, v in line.items() if k not in TIMES} for line in read(folder)]
        for folder in (one, other)
    ]
    assert untimed[0] == untimed[1]


TIMES = ("seconds_per_step", "waiting_share")


@pytest.fixture(scope="session")
def one_step(drawn, tmp_path_factory):
    """A training of one step; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("one_step") / "run"
    fit(tiny_config(drawn, train={"steps": 1}), folder)
    return folder


@pytest.fixture(scope="session")
def four_steps(drawn, tmp_path_factory):
    """A training of four steps, saved after every second; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("four_steps") / "run"
    fit(tiny_config(drawn, checkpoints={"every": 2}), folder)
    return folder


def test_a_whole_run_and_what_it_leaves(drawn, tmp_path):
    config = tiny_config(
        drawn,
        train={"steps": 6, "ema": 0.5},
        validation={"clips": 1, "every": 3},
        checkpoints={"every": 2, "keep": 2},
        journal={"every": 2},
    )
    folder = tmp_path / "run"
    summary, said = fit(config, folder)
    assert (summary.first_step, summary.last_step, summary.stopped) == (0, 6, False)
    assert said == []
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names == {
        "config.yaml",
        "metrics.jsonl",
        "curves.png",
        "best.safetensors",
        "last.safetensors",
        "sheets/step_00000003.png",
        "sheets/step_00000006.png",
        LATEST.format(4),
        LATEST.format(6),
    }
    assert load_config(file=folder / "config.yaml") == config
    lines = read(folder)
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6]
    assert [line["step"] for line in lines if "psnr_y" in line] == [3, 6]
    parts = [value for name, value in lines[0].items() if name.startswith("gradient_norm/")]
    assert len(parts) > 3 and min(parts) > 0 and max(parts) <= lines[0]["gradient_norm"]
    assert lines[-2]["rate"] == pytest.approx(1e-7)
    assert max(line.get("psnr_y", 0) for line in lines) == summary.best["psnr_y"]
    # What is exported is the average, which was validated, and rvrt.weights.checkpoint reads it.
    network, network_config = load_network(folder / "last.safetensors")
    assert network_config == config.model
    state = arrays(folder, 6)
    for parameter in network.get_parameters():
        np.testing.assert_array_equal(parameter.asnumpy(), state[f"ema/{parameter.name}"])


def test_stopped_and_resumed_equals_one_run(drawn, tmp_path):
    config = tiny_config(
        drawn,
        train={"steps": 6, "ema": 0.9, "clip_norm": 0.05, "batch_size": 2},
        validation={"clips": 1, "every": 2},
        checkpoints={"every": 2},
    )
    fit(config, tmp_path / "one")
    first, _ = fit(config, tmp_path / "two", stop_after(3))
    assert (first.last_step, first.stopped) == (3, True)
    second, said = fit(config, tmp_path / "two")
    assert said == ["resumed after step 3"]
    assert (second.first_step, second.last_step, second.stopped) == (3, 6, False)
    assert_equal_runs(tmp_path / "one", tmp_path / "two", 6)
    third, _ = fit(config, tmp_path / "two")
    assert (third.first_step, third.last_step) == (6, 6)


def test_a_damaged_state_is_noticed_and_the_one_before_used(drawn, four_steps, tmp_path):
    config = tiny_config(drawn, checkpoints={"every": 2})
    run = shutil.copytree(four_steps, tmp_path / "run")
    path = run / LATEST.format(4)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    _, said = fit(config, run)
    assert "damaged" in said[0] and said[1] == "resumed after step 2"
    assert_equal_runs(four_steps, run, 4)


def test_validation_disturbs_nothing(drawn, four_steps, tmp_path):
    fit(tiny_config(drawn, validation={"clips": 1, "every": 1}), tmp_path)
    with_, without = arrays(tmp_path, 4), arrays(four_steps, 4)
    assert all(np.array_equal(with_[name], without[name]) for name in without)


def test_another_config_is_refused_and_harmless_changes_are_not(drawn, tmp_path):
    config = tiny_config(drawn, train={"steps": 2})
    fit(config, tmp_path)
    before = (tmp_path / "config.yaml").read_text()
    changed = override(config, {"optimiser": {"lr": 1.0}, "data": {"crop": 4}})
    with pytest.raises(OutputError, match=r"data.crop 8 \(now 4\), optimiser.lr 0.001 \(now 1.0\)"):
        fit(changed, tmp_path)
    assert (tmp_path / "config.yaml").read_text() == before
    longer = override(config, {"train": {"steps": 3}, "checkpoints": {"every": 1, "keep": 1}})
    summary, _ = fit(longer, tmp_path)
    assert (summary.first_step, summary.last_step) == (2, 3)
    assert load_config(file=tmp_path / "config.yaml") == longer
    with pytest.raises(TrainingError, match=r"3 steps are done, more than train.steps=2"):
        fit(config, tmp_path)


def test_a_folder_of_something_else_is_refused(drawn, tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(OutputError, match="is not empty and not made by this command"):
        fit(tiny_config(drawn), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_other_clips_are_refused(one_step, septuplets, tmp_path):
    run = shutil.copytree(one_step, tmp_path / "run")
    (septuplets / "sep_trainlist.txt").write_text("00001/0002\n")
    with pytest.raises(TrainingError, match="was trained on other clips"):
        fit(tiny_config(septuplets, train={"steps": 2}), run)


def test_the_data_set_may_move(one_step, septuplets, tmp_path):
    run = shutil.copytree(one_step, tmp_path / "run")
    assert fit(tiny_config(septuplets, train={"steps": 2}), run)[0].last_step == 2


def test_frames_replaced_under_their_keys_are_noticed(septuplets, tmp_path):
    fit(tiny_config(septuplets, train={"steps": 1}), tmp_path / "run")
    first, second = (septuplets / "sequences" / key for key in ("00001/0001", "00001/0002"))
    first.rename(tmp_path / "aside")
    shutil.copytree(second, first)
    said = fit(tiny_config(septuplets, train={"steps": 2}), tmp_path / "run")[1]
    assert said[0] == (
        "the frames are not those of the steps before: of 2 clips looked at, 1 have others under "
        "the same key, 00001/0001 for one"
    )
    assert fit(tiny_config(septuplets, train={"steps": 3}), tmp_path / "run")[1][0].startswith(
        "resu"
    )


def nan_at(monkeypatch, *numbers):
    """The losses of those steps, counted from 0 over all that are computed, are not finite."""
    calls = itertools.count()

    def sometimes_nan(restored, gt):
        return charbonnier(restored, gt) * (math.nan if next(calls) in numbers else 1.0)

    monkeypatch.setitem(LOSSES, "charbonnier", sometimes_nan)


def test_bad_steps_in_a_row_send_the_training_back_once_with_a_lower_rate(
    drawn, tmp_path, monkeypatch
):
    nan_at(monkeypatch, 1, 3, 4)
    config = tiny_config(
        drawn,
        train={"steps": 6, "max_bad_steps": 2},
        checkpoints={"every": 3},
        journal={"every": 1},
    )
    summary, said = fit(config, tmp_path)
    assert summary.last_step == 6 and summary.skipped == 1
    assert "step 2: loss or gradients not finite" in said[0]
    key = Path(said[0].rpartition("saw ")[2].partition(" rows")[0])
    assert (drawn / "sequences" / key / "im1.png").exists()
    assert "steps 4 to 5: " in said[-1] and "back to step 3, with 0.5 times the rates" in said[-1]
    lines = read(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 3, 4, 5, 6]
    assert (lines[3]["went_back_from"], lines[3]["rate_factor"]) == (5, 0.5)
    optimiser = config.optimiser
    rates = [cosine(step, 6, optimiser.lr, optimiser.min_lr) for step in range(6)]
    factors = [line["rate"] / rates[line["step"] - 1] for line in lines if "rate" in line]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5])


@pytest.mark.slow
def test_the_second_time_it_ends_also_after_a_kill(drawn, tmp_path, monkeypatch):
    nan_at(monkeypatch, 3, 4, 7, 8)
    config = tiny_config(drawn, train={"steps": 9, "max_bad_steps": 2}, checkpoints={"every": 3})
    stopped, said = fit(config, tmp_path, stop_after(6))
    assert stopped.last_step == 4 and "back to step 3" in said[-1]
    # Two further bad steps, calls 7 and 8.
    with pytest.raises(TrainingError, match=r"steps 6 to 7: .*_00000004.* is the last good .*once"):
        fit(config, tmp_path)
    state = Checkpoints(tmp_path / "checkpoints", 3).load_last(print)
    assert state.record["guards"]["went_back"]


def test_bad_steps_before_any_state_end_the_training(drawn, tmp_path, monkeypatch):
    nan_at(monkeypatch, 0, 1)
    with pytest.raises(TrainingError, match=r"steps 1 to 2: .*no state was saved before"):
        fit(tiny_config(drawn, train={"max_bad_steps": 2}), tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_from_the_state_of_another_with_other_settings(drawn, four_steps, tmp_path):
    lower = tiny_config(
        drawn,
        train={"steps": 6},
        optimiser={"lr": 1e-4},
        start={"resume_from": str(four_steps)},
    )
    before = {path: path.stat().st_mtime_ns for path in four_steps.rglob("*")}
    summary, said = fit(lower, tmp_path / "run")
    assert (summary.first_step, summary.last_step) == (4, 6)
    assert "optimiser.lr 0.001, now 0.0001" in said[0] and "goes on from step 4 of" in said[1]
    assert [line["step"] for line in read(tmp_path / "run")] == [5, 6]
    assert before == {path: path.stat().st_mtime_ns for path in four_steps.rglob("*")}
    # The first two steps of the rest are those that the other run itself would do.
    same = tiny_config(
        drawn, train={"steps": 6}, start={"resume_from": str(four_steps / LATEST.format(4))}
    )
    fit(same, tmp_path / "same")
    longer = shutil.copytree(four_steps, tmp_path / "longer")
    fit(tiny_config(drawn, train={"steps": 6}, checkpoints={"every": 2}), longer)
    one, other = arrays(tmp_path / "same", 6), arrays(longer, 6)
    assert all(np.array_equal(one[name], other[name]) for name in one | other)


def test_a_state_to_go_on_from_must_be_one_and_of_this_network(drawn, four_steps, tmp_path):
    wider = tiny_config(drawn, model={"embed_dim": 16}, start={"resume_from": str(four_steps)})
    with pytest.raises(CheckpointError, match=r"another network: model.embed_dim 8, now 16"):
        fit(wider, tmp_path / "run")
    for place, message in ((drawn, "holds no state"), (drawn / "sep_trainlist.txt", "damaged")):
        config = tiny_config(drawn, start={"resume_from": str(place)})
        with pytest.raises(CheckpointError, match=message):
            fit(config, tmp_path / "run")


def test_frozen_parts_stay_and_the_others_move(drawn, one_step, tmp_path):
    config = tiny_config(
        drawn, train={"steps": 1}, optimiser={"freeze": ["feat_extract", "backbone"]}
    )
    fit(config, tmp_path)
    now, free = arrays(tmp_path, 1), arrays(one_step, 1)
    for name in (name for name in free if name.startswith("network/")):
        held = name.startswith(("network/feat_extract.", "network/backbone."))
        start = None if held else free[name]
        if held:
            moments = [other for other in now if name.removeprefix("network/") in other]
            assert moments == [name], moments
        else:
            assert now[name].shape == start.shape
    with pytest.raises(ConfigError, match=r"optimiser.freeze=spynet: no such part; .* backbone"):
        fit(tiny_config(drawn, optimiser={"freeze": ["spynet"]}), tmp_path / "other")


def test_fine_tuning_starts_from_given_weights(drawn, tmp_path):
    base = tmp_path / "base"
    fit(tiny_config(drawn, train={"steps": 1}), base)
    weights = base / "last.safetensors"
    # So low a rate that nothing is learned: what comes out is what went in.
    still = {"optimiser": {"lr": 1e-30, "min_lr": 0.0}, "train": {"steps": 1, "seed": 1}}
    config = tiny_config(drawn, start={"init": str(weights)}, **still)
    fit(config, tmp_path / "tuned")
    before, after = read_arrays(weights)[0], read_arrays(tmp_path / "tuned/last.safetensors")[0]
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    measured = override(config, {"validation": {"clips": 1, "every": 1}})
    _, said = fit(measured, tmp_path / "measured")
    first, last = (line for line in read(tmp_path / "measured") if "psnr_y" in line)
    assert (first["step"], last["step"]) == (0, 1) and first["psnr_y"] == last["psnr_y"]
    ours, bicubic = first["psnr_y"], first["bicubic_psnr_y"]
    assert said[0] == f"the weights to start from: {ours:.2f} dB, bicubic {bicubic:.2f}"
    other = override(config, {"model": {"gelu": "erf"}})
    with pytest.raises(CheckpointError, match="which differs from this training's"):
        fit(other, tmp_path / "other")


def test_weights_and_frames_made_otherwise_are_warned_of(drawn, one_step, septuplets, tmp_path):
    weights = one_step / "last.safetensors"
    assert read_arrays(weights)[1].degradation == "bicubic (convention double)"
    for number, key in itertools.product(range(1, 8), [*TRAIN, *TEST]):
        gt = decode_png(frame_path(septuplets / "sequences", key, number).read_bytes())
        path = frame_path(septuplets / "LQ", key, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(degrade(gt, "bd-duf")))
    data = {"lq": "LQ", "degradation": "bd"}
    config = tiny_config(septuplets, data=data, start={"init": str(weights)})
    _, said = fit(config, tmp_path / "run", stop=lambda: True)
    assert said[0].startswith(f"Warning: {septuplets / 'LQ'}: data.degradation says bd; these")
    assert "made with DUF's blur: its pixels lie 1.5 GT pixels up and left" in said[0]
    assert (
        said[1]
        == f"{weights}: was trained on bicubic (convention double); data.degradation says bd"
    )
    right = tiny_config(septuplets, data={"lq": "LQ", "degradation": "bd-duf"})
    assert list(doubts_of(open_clips(right.data, "train", right.model), right.data)) == []


def test_the_seed_decides_the_weights(drawn, tmp_path):
    runs = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(tiny_config(drawn, train={"steps": 1, "seed": seed}), tmp_path / name)
        runs[name] = read_arrays(tmp_path / name / "last.safetensors")[0]
        ms.ops.rand(3)  # someone else draws
    assert all(np.array_equal(runs["a"][name], runs["b"][name]) for name in runs["a"])
    assert not all(np.array_equal(runs["a"][name], runs["c"][name]) for name in runs["a"])


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"root": "absent"}}, "absent: no such file or folder; --data names"),
        ({"data": {"lq": "BIx4"}}, "BIx4: no such folder or database; make it with vimeo-prep"),
        ({"data": {"train_list": "my.txt"}}, "my.txt: no such file"),
        ({"model": {"upscale": 2}, "data": {"lq": "sequences"}}, "asked for is scale 2"),
    ],
)
def test_data_that_does_not_fit_is_refused(drawn, tmp_path, sections, message):
    with pytest.raises(VimeoToolsError, match=message):
        Trainer(tiny_config(drawn, **sections), tmp_path)


def test_a_missing_frame_ends_the_training_and_is_named(septuplets, tmp_path):
    config = tiny_config(septuplets, checkpoints={"every": 1})
    (septuplets / "sequences/00001/0002/im5.png").unlink()
    with pytest.raises(FrameError, match=r"0002/im5.png"):
        fit(config, tmp_path / "run")


class Hanging(Degradation):
    """Takes every fourth pixel; hangs where it is told to, as a disk does."""

    name, tag = "hanging", "H"
    go_on = threading.Event()

    def apply(self, frame, scale):
        assert self.go_on.wait(60)
        return frame[::scale, ::scale]


def test_data_that_do_not_come_are_named_and_the_training_goes_on_when_they_do(
    drawn, tmp_path, monkeypatch
):
    monkeypatch.setattr("rvrt.training.trainer._LATE_SECONDS", 0.2)
    monkeypatch.setitem(DEGRADATIONS, "hanging", Hanging())
    Hanging.go_on.set()
    said = []

    def say(line):
        said.append(line)
        Hanging.go_on.set()

    config = tiny_config(drawn, train={"steps": 2}, data={"degradation": "hanging"})
    trainer = Trainer(config, tmp_path / "run", say=say)
    Hanging.go_on.clear()
    assert trainer.fit().last_step == 2
    assert "step 1 has waited" in said[0] and "a disk may hang" in said[0]
    assert any(key in said[0] for key in TRAIN)


def test_a_data_set_that_vanishes_is_named_and_the_run_goes_on_when_it_is_back(
    septuplets, tmp_path
):
    config = tiny_config(septuplets, train={"steps": 4}, checkpoints={"every": 1})
    trainer = Trainer(config, tmp_path / "run")
    away = septuplets.rename(septuplets.with_name("away"))
    with pytest.raises(FrameError, match=r"im1\.png"):
        trainer.fit()
    away.rename(septuplets)
    assert fit(config, tmp_path / "run")[0].last_step == 4


def test_rvrt_trains_with_its_flow_frozen_and_then_not(tmp_path):
    data = tmp_path / "data"
    synthesize(data, 2, test_clips=1, size=FrameSize(136, 136), seed=5)
    small = dataclasses.asdict(tiny_config(data).model)
    del small["gelu"], small["layer_norm_eps"], small["relative_position"]
    base = override(
        TRAIN_PRESETS["rvrt-debug"],
        {
            "model": {**small, "deformable_groups": 2, "offset_dim": 8},
            "data": {"root": str(data), "crop": 33, "frames": 4, "workers": 1},
            "train": {"steps": 1, "batch_size": 1, "micro_batch": 1},
            "validation": {"clips": 0},
        },
    )
    _, said = fit(base, tmp_path / "base")
    assert said == ["optical flow: from scratch; --spynet WEIGHTS begins with a trained one"]
    weights = tmp_path / "base/last.safetensors"
    again = override(
        base,
        {
            "start": {"spynet": str(weights)},
            "train": {"steps": 3},
            "optimiser": {"spynet_freeze_steps": 1},
            "checkpoints": {"every": 1},
        },
    )
    _, said = fit(again, tmp_path / "run")
    assert said == []
    given = read_arrays(weights)[0]
    frozen, trained = arrays(tmp_path / "run", 1), arrays(tmp_path / "run", 2)
    flow = [name for name in given if name.startswith("spynet.")]
    assert len(flow) == 60
    for name in flow:
        np.testing.assert_array_equal(frozen[f"network/{name}"], given[name])
    moved = [n for n in flow if not np.array_equal(trained[f"network/{n}"], given[n])]
    assert len(moved) > 50, sorted(set(flow) - set(moved))


def test_a_state_of_the_former_rule_is_read_and_said_to_be_so(drawn, tmp_path):
    """States were written without a rule when Adam's epsilon came before the correction."""
    fit(tiny_config(drawn, train={"steps": 1}), tmp_path / "run")
    state = read_state(tmp_path / "run" / LATEST.format(1))
    record = {key: value for key, value in state.record.items() if key != "rule"}
    Checkpoints(tmp_path / "run" / "checkpoints", 1).save(dataclasses.replace(state, record=record))
    summary, said = fit(tiny_config(drawn, train={"steps": 2}), tmp_path / "run")
    assert summary.last_step == 2
    assert said[0] == "resumed after step 1" and "former rule" in said[1]
    _, said = fit(tiny_config(drawn, train={"steps": 3}), tmp_path / "run")
    assert said == ["resumed after step 2"]


def test_a_loss_of_ones_own_is_chosen_by_name(drawn, tmp_path, monkeypatch):
    monkeypatch.setitem(LOSSES, "mine", lambda restored, gt: charbonnier(restored, gt) + 7)
    config = tiny_config(drawn, train={"steps": 1, "loss": "mine"}, journal={"every": 1})
    fit(config, tmp_path / "run")
    assert read(tmp_path / "run")[-1]["loss"] > 7


def test_an_unknown_loss_ends_before_anything_is_written(drawn, tmp_path):
    with pytest.raises(ConfigError, match="expected one of charbonnier"):
        fit(tiny_config(drawn, train={"loss": "l3"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
