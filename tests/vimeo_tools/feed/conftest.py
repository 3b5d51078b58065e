"""Feeds start as many workers as there are processors, so that these tests have all of them."""

import pytest


@pytest.fixture(autouse=True)
def _all_processors(all_processors):
    pass
