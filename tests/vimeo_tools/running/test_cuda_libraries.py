"""The libraries of [cuda11], with stand-ins: no GPU is needed, and none was there."""

import configparser
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import PIL
import pytest

from vimeo_tools.running.cuda_libraries import DRIVER, LIBRARIES, missing

ROOT = Path(__file__).resolve().parents[3]

# In a process of its own, as libraries cannot be unloaded. It says what MindSpore would find.
PROBE = """if True:
    import json, os, subprocess
    from vimeo_tools.running.cuda_libraries import offered
    with offered():
        home = os.environ.get("CUDA_HOME")
        found = {
            "home": home,
            "lazy": os.environ.get("CUDA_MODULE_LOADING"),
            "files": sorted({line.split("/")[-1].strip() for line in open("/proc/self/maps")}),
        }
        if home and os.path.exists(home + "/bin/nvcc"):
            found["nvcc"] = subprocess.check_output([home + "/bin/nvcc"], text=True)
    found["afterwards"] = os.environ.get("CUDA_HOME")
    print(json.dumps(found))
"""


@pytest.fixture
def folder(tmp_path):
    """Loadable files of the names that the packages and the driver have."""
    library = next(Path(PIL.__file__).parent.glob("_imagingmath*.so"))
    for package, name in LIBRARIES:
        path = tmp_path / "packages" / "nvidia" / package / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, path)
    (tmp_path / "driver").mkdir()
    shutil.copy(library, tmp_path / "driver" / DRIVER)
    return tmp_path


def python(code, folder, **more):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")}
    environment |= {"PYTHONPATH": str(folder / "packages"), **more}
    call = [sys.executable, "-c", code]
    return subprocess.run(
        call, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def offered(folder, **more):
    run = python(PROBE, folder, **more)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_every_library_is_loaded_and_nvcc_answers(folder):
    found = offered(folder, LD_LIBRARY_PATH=str(folder / "driver"))
    assert {DRIVER, *(name for _, name in LIBRARIES)} <= set(found["files"])
    assert found["lazy"] == "LAZY"
    assert "release 11.8," in found["nvcc"]
    assert found["afterwards"] is None and not Path(found["home"]).exists()


def test_what_is_missing_is_named(folder, tmp_path):
    assert missing([str(tmp_path / "none")]) == (
        "The CUDA 11 libraries are not installed: pip install 'vimeo-tools[cuda11]'"
    )
    packages = folder / "packages"
    (packages / "nvidia" / "cuda_nvrtc" / "lib" / "libnvrtc.so.11.2").unlink()
    assert "libnvrtc.so.11.2 of nvidia-cuda-nvrtc-cu11" in missing([str(packages)])
    assert offered(folder, LD_LIBRARY_PATH=str(folder / "driver"))["home"] is None


def test_without_a_driver_nothing_is_offered(folder):
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        assert f"driver is not installed: {DRIVER}" in missing([str(folder / "packages")])
        assert offered(folder)["home"] is None
    else:
        pytest.skip("a driver is installed here")


def test_a_cuda_of_the_users_own_is_left_alone(folder):
    home = str(folder / "cuda")
    found = offered(folder, LD_LIBRARY_PATH=str(folder / "driver"), CUDA_HOME=home)
    assert found["home"] == found["afterwards"] == home
    assert not {name for _, name in LIBRARIES} & set(found["files"])


def test_mindspore_still_asks_nvcc_while_it_is_imported(folder):
    """Libraries that hold nothing, so that its GPU plugin cannot load: it says what it tried."""
    probe = "from rvrt.runtime import device; print(device.available_targets())"
    run = python(probe, folder, LD_LIBRARY_PATH=str(folder / "driver"), GLOG_v="1")
    assert run.returncode == 0, run.stderr
    assert "Get cuda version [11.8]" in run.stdout + run.stderr


def test_the_extra_brings_each_package():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    listed = setup["options.extras_require"]["cuda11"].split()
    packages = {line.split(">=")[0] for line in listed}
    assert packages == {f"nvidia-{f.replace('_', '-')}-cu11" for f, _ in LIBRARIES}
