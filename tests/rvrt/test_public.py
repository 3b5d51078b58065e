"""The names at the root of rvrt, and what importing them loads."""

import subprocess
import sys

import pytest

import rvrt
from tests.rvrt.conftest import ROOT


def python(probe, **environment):
    run = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", **environment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_the_package_loads_nothing_until_a_name_is_used():
    heavy = "{'mindspore', 'numpy', 'safetensors', 'yaml', 'click', 'tqdm', 'matplotlib'}"
    assert python(f"import sys, rvrt; print(sorted({heavy} & set(sys.modules)))") == "[]"
    light = f"import sys, rvrt; rvrt.PRESETS, rvrt.TrainConfig; print({heavy} & set(sys.modules))"
    assert python(light) == "set()"


@pytest.mark.parametrize("name", rvrt.__all__)
def test_every_name_is_there_and_explained(name):
    value = getattr(rvrt, name)
    assert isinstance(value, dict | str) or value.__doc__
    assert name in dir(rvrt)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'build_netwerk'"):
        rvrt.build_netwerk  # noqa: B018


# Notes what it finds while it is imported; takes the place of MindSpore.
STAND_IN = """
import os
found = os.environ.get("CUDA_HOME"), os.environ.get("ONEDNN_MAX_CPU_ISA")
class device_context:
    class gpu:
        is_available = staticmethod(lambda: False)
"""
WITH_CUDA = (
    "from vimeo_tools.running import cuda_libraries as c\n"
    "c.LIBRARIES = (); c.missing = lambda *_: None\n"
)


@pytest.fixture
def stand_in(tmp_path):
    (tmp_path / "mindspore.py").write_text(STAND_IN)
    return f"{tmp_path}:{ROOT}"


@pytest.mark.parametrize(
    "first",
    [
        "import rvrt",
        "import rvrt.config.network",
        "import rvrt.errors",
        "import vimeo_tools.feed",
        "import vimeo_tools.feed.order",
        "from vimeo_tools import Training",
    ],
)
def test_whatever_of_ours_comes_first_mindspore_finds_its_libraries(stand_in, first):
    probe = f"{first}\n{WITH_CUDA}import mindspore; print(mindspore.found)"
    home, instructions = eval(python(probe, PYTHONPATH=stand_in))
    assert home is not None and instructions == "AVX512_CORE"


def test_a_look_at_where_mindspore_lies_does_not_count_as_its_import(stand_in):
    probe = (
        f"import rvrt, importlib.util\n{WITH_CUDA}importlib.util.find_spec('mindspore')\n"
        "import mindspore; print(mindspore.found[0] is not None)"
    )
    assert python(probe, PYTHONPATH=stand_in) == "True"


def test_mindspore_before_rvrt_is_said_where_it_costs_a_gpu(stand_in):
    """The libraries are there, the GPU is not: MindSpore looked for them too early."""
    probe = (
        "import mindspore, warnings, sys\n"
        "import vimeo_tools\n"
        "import importlib.util as u\n"
        "s = u.spec_from_file_location('vimeo_tools.running.cuda_libraries', "
        "'vimeo_tools/running/cuda_libraries.py')\n"
        "c = u.module_from_spec(s); s.loader.exec_module(c)\n"
        "c.missing = lambda *_: {missing}\n"
        "sys.modules['vimeo_tools.running.cuda_libraries'] = c\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import rvrt\n"
        "print([str(w.message) for w in caught])"
    )
    said = python(probe.format(missing="None"), PYTHONPATH=stand_in)
    assert "Put `import rvrt` before `import mindspore`" in said
    assert python(probe.format(missing="'no driver'"), PYTHONPATH=stand_in) == "[]"
