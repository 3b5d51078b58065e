"""Feeds start as many workers as there are processors, so that these tests have all of them."""

import os

import pytest

from tests.conftest import ALL_PROCESSORS, allowed


@pytest.fixture(autouse=True)
def all_processors():
    """Also under pytest-xdist, which gives each of its workers a share."""
    share = allowed()
    if share:
        os.sched_setaffinity(0, ALL_PROCESSORS)
    yield
    if share:
        os.sched_setaffinity(0, share)
