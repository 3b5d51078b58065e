"""Pictures that MATLAB wrote, and each backend in turn."""

from pathlib import Path

import pytest

from vimeo_tools.resize import compiled


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def backend(request):
    """Forced for the tests of a module."""
    if request.param == "compiled" and not compiled.AVAILABLE:
        pytest.skip(f"the compiled part was not built here: {compiled.REASON}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIMEO_TOOLS_BACKEND", request.param)
        yield request.param


@pytest.fixture(scope="session")
def matlab_goldens():
    """Pictures that MATLAB itself resized; not part of the project."""
    for folder in Path(__file__).resolve().parents:
        goldens = folder / "shared" / "goldens" / "matlab"
        if goldens.is_dir():
            return goldens
    pytest.skip("reference pictures are not there: shared/goldens/matlab beside the repository")
