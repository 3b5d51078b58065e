"""Each backend in turn."""

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
