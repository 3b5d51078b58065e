"""The libraries of [cuda11], with stand-ins: no GPU is needed, and none was there."""

import configparser
import ctypes
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from rvrt.runtime import cuda_libraries
from rvrt.runtime.cuda_libraries import DRIVER, LIBRARIES, missing, offered
from tests.rvrt.conftest import ROOT


@pytest.fixture
def folder(tmp_path):
    """Files of the names that the packages have."""
    for package, name in LIBRARIES:
        path = tmp_path / "nvidia" / package / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.fixture
def loaded(monkeypatch):
    """The base names of what is loaded; nothing is."""
    names = []

    def load(path, mode):
        assert mode == ctypes.RTLD_GLOBAL
        names.append(Path(path).name)

    fake = types.SimpleNamespace(CDLL=load, RTLD_GLOBAL=ctypes.RTLD_GLOBAL)
    monkeypatch.setattr(cuda_libraries, "ctypes", fake)
    return names


@pytest.fixture
def first_import(monkeypatch):
    """MindSpore not yet imported, and no CUDA."""
    monkeypatch.delitem(sys.modules, "mindspore")
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.setenv("CUDA_MODULE_LOADING", "")  # put back after the test
    monkeypatch.delenv("CUDA_MODULE_LOADING")


def test_everything_is_loaded_in_order_and_nvcc_answers(folder, loaded, first_import):
    with offered([str(folder)]):
        assert loaded == [DRIVER, *(name for _, name in LIBRARIES)]
        assert os.environ["CUDA_MODULE_LOADING"] == "LAZY"
        home = os.environ["CUDA_HOME"]
        said = subprocess.run([f"{home}/bin/nvcc"], capture_output=True, text=True, check=True)
        assert "release 11.8," in said.stdout
    assert "CUDA_HOME" not in os.environ
    assert not Path(home).exists()


def test_what_is_missing_is_named(tmp_path, folder, loaded, monkeypatch):
    assert missing([str(folder)]) is None
    assert missing([str(tmp_path / "none")]) == (
        "The CUDA 11 libraries are not installed: pip install 'vimeo-tools[cuda11]'"
    )
    (folder / "nvidia" / "cuda_nvrtc" / "lib" / "libnvrtc.so.11.2").unlink()
    assert "libnvrtc.so.11.2 of nvidia-cuda-nvrtc-cu11" in missing([str(folder)])


def test_without_a_driver_nothing_is_offered(folder, first_import, monkeypatch):
    monkeypatch.setattr(cuda_libraries, "DRIVER", "libcuda-that-is-not-there.so.1")
    assert "driver is not installed: libcuda-that" in missing([str(folder)])
    with offered([str(folder)]):
        assert "CUDA_HOME" not in os.environ


def test_a_cuda_of_the_users_own_is_left_alone(folder, loaded, first_import, monkeypatch):
    monkeypatch.setenv("CUDA_HOME", "/usr/local/cuda")
    with offered([str(folder)]):
        assert os.environ["CUDA_HOME"] == "/usr/local/cuda" and not loaded


def test_mindspore_still_asks_nvcc_while_it_is_imported():
    """Libraries that do not exist, so that its GPU plugin cannot load: it says what it tried."""
    probe = (
        "from rvrt.runtime import cuda_libraries as c;"
        "c.LIBRARIES = (); c.missing = lambda folders: None;"
        "from rvrt.runtime import device; print(device.available_targets())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_HOME"} | {"GLOG_v": "1"}
    run = subprocess.run(
        [sys.executable, "-c", probe], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Get cuda version [11.8]" in run.stdout + run.stderr


def test_the_extra_brings_each_package():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    listed = setup["options.extras_require"]["cuda11"].split()
    packages = {line.split(">=")[0] for line in listed}
    assert packages == {f"nvidia-{f.replace('_', '-')}-cu11" for f, _ in LIBRARIES}
