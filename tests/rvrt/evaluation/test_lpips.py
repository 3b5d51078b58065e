import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.signal import correlate

from rvrt.cli.evaluate import main
from rvrt.errors import CheckpointError, MetricError
from rvrt.evaluation.lpips import Lpips
from rvrt.evaluation.metrics import MORE_METRICS
from rvrt.restoration.pictures import save_picture
from rvrt.weights.torch_pickle import write_torch_file
from vimeo_tools import downscale, imresize

# Of torchvision's AlexNet: place, outputs, inputs, kernel, stride, padding, pooled before.
LAYERS = [
    (0, 64, 3, 11, 4, 2, False),
    (3, 192, 64, 5, 1, 2, True),
    (6, 384, 192, 3, 1, 1, True),
    (8, 256, 384, 3, 1, 1, False),
    (10, 256, 256, 3, 1, 1, False),
]


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(0)
    network, linear = {}, {}
    for number, (place, outputs, inputs, side, *_) in enumerate(LAYERS):
        shape = outputs, inputs, side, side
        kernel = rng.normal(0, 1 / np.sqrt(inputs * side * side), shape)
        network[f"features.{place}.weight"] = kernel.astype(np.float32)
        network[f"features.{place}.bias"] = rng.normal(0, 0.1, outputs).astype(np.float32)
        linear[f"lin{number}.model.1.weight"] = rng.random((1, outputs, 1, 1), np.float32)
    return network, linear


def pooled(maps):
    """3x3 windows two apart, the last incomplete one left out, in loops."""
    height, width = ((side - 3) // 2 + 1 for side in maps.shape[1:])
    out = np.empty((len(maps), height, width))
    for y in range(height):
        for x in range(width):
            out[:, y, x] = maps[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3].max(axis=(1, 2))
    return out


def slow(weights, a, b):
    """By its definition in float64, a convolution from scipy for each map."""
    network, linear = weights
    shift, scale = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
    maps = []
    for picture in (a, b):
        rgb = picture / 127.5 - 1
        maps.append(np.stack([(rgb[..., c] - shift[c]) / scale[c] for c in range(3)]))
    total = 0.0
    for number, (place, _, _, _, stride, padding, pool) in enumerate(LAYERS):
        units = []
        for which in (0, 1):
            x = pooled(maps[which]) if pool else maps[which]
            x = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2))
            kernel = network[f"features.{place}.weight"].astype(np.float64)
            out = np.stack([correlate(x, one, "valid")[0, ::stride, ::stride] for one in kernel])
            out += network[f"features.{place}.bias"][:, None, None]
            maps[which] = np.maximum(out, 0)
            length = np.sqrt((maps[which] ** 2).sum(axis=0))
            units.append(maps[which] / (length + 1e-10))
        part = linear[f"lin{number}.model.1.weight"].ravel()
        total += np.mean(np.tensordot(part, (units[0] - units[1]) ** 2, 1))
    return total


@pytest.mark.slow
def test_a_slow_network_gives_the_same(weights):
    rng = np.random.default_rng(1)
    a = rng.integers(0, 256, (47, 60, 3), np.uint8)
    b = np.clip(a + rng.normal(0, 30, a.shape), 0, 255).astype(np.uint8)
    lpips = Lpips(*weights)
    assert lpips(a, b) == pytest.approx(slow(weights, a, b), rel=1e-5)
    assert lpips(a, b) == pytest.approx(lpips(b, a)) and lpips(a, a) == 0


def test_from_files_and_what_is_no_such_file(weights, tmp_path):
    for name, tensors in zip(("network", "linear"), weights, strict=True):
        write_torch_file(tmp_path / f"{name}.pth", "state_dict", tensors)
    files = tmp_path / "network.pth", tmp_path / "linear.pth"
    a = np.random.default_rng(2).integers(0, 256, (33, 40, 3), np.uint8)
    assert Lpips.of_files(*files)(a, a[::-1]) == Lpips(*weights)(a, a[::-1]) > 0
    with pytest.raises(CheckpointError, match=r"features\.0\.weight is missing"):
        Lpips.of_files(files[1], files[0])
    with pytest.raises(CheckpointError, match="no such file"):
        Lpips.of_files(tmp_path / "absent.pth", files[1])


def test_the_command_measures_it_by_the_users_weights(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(MORE_METRICS, "lpips", None)  # taken away again afterwards
    for name, tensors in zip(("network", "linear"), weights, strict=True):
        write_torch_file(tmp_path / f"{name}.pth", "state_dict", tensors)
    gt = np.random.default_rng(2).integers(0, 256, (32, 40, 3), np.uint8)
    save_picture(tmp_path / "gt" / "0.png", gt)
    files = ["--lpips", tmp_path / "network.pth", tmp_path / "linear.pth"]
    call = ["--weights", "none", "--gt", tmp_path / "gt", *files, "--output-dir", tmp_path / "out"]
    done = CliRunner().invoke(main, list(map(str, call)))
    assert done.exit_code == 0 and "LPIPS" in done.output, done.output
    found = json.loads((tmp_path / "out" / "results.json").read_text())["means"]["bicubic"]
    assert found["lpips"] == Lpips(*weights)(imresize(downscale(gt, 4), 4), gt)


def test_what_cannot_be_measured(weights):
    lpips, small = Lpips(*weights), np.zeros((31, 40, 3), np.uint8)
    with pytest.raises(MetricError, match="sides from 32"):
        lpips(small, small)
    with pytest.raises(MetricError, match=r"needs \(H, W, 3\) twice"):
        lpips(small, small[:, 1:])
