"""Shared by all tests: where reference data lies, and small septuplet trees."""

from pathlib import Path

import pytest

GOLDENS = Path(__file__).resolve().parents[2] / "shared" / "goldens"


@pytest.fixture(scope="session")
def matlab_goldens() -> Path:
    """Pictures that MATLAB itself resized; not part of the project."""
    folder = GOLDENS / "matlab"
    if not folder.is_dir():
        pytest.skip(f"reference pictures are not there: {folder}")
    return folder
