"""The check of a device, line by line."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version

from rvrt.checking.lines import Line
from rvrt.checking.networks import published, small
from rvrt.checking.operators import operators
from rvrt.runtime import device, settings


def check(target: str, quick: bool) -> Iterator[Line]:
    """Run what the networks need on a device that `device.use` has selected.

    Args:
        target: "CPU", "GPU" or "Ascend".
        quick: without the published networks and without training.
    """
    yield from operators()
    yield from small(target, quick)
    if not quick:
        yield from published(target)


def facts(target: str) -> dict[str, str]:
    """What the figures depend on."""
    found = {name: version(name) for name in ("vimeo-tools", "mindspore", "numpy")}
    found |= {"python": platform.python_version(), "system": platform.platform()}
    if target == "CPU":
        name = f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    else:
        name = device.device_name(target)
        found["memory"] = f"{device.memory() / 2**30:.1f} GiB"
    found |= {"products": settings.products(), "jit": settings.jit_level()}
    return {"device": f"{target}: {name}", **found}
