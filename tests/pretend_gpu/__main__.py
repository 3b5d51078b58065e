"""python -m tests.pretend_gpu FOLDER [PRESET fwd|step BxTx3xHxW ...]: builds it, measures on it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.pretend_gpu import generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("measure", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if why := generate.missing():
        sys.exit(f"no pretend GPU here: {why}")
    generate.build(given.folder)
    if given.measure:
        command = [sys.executable, "-m", "tests.pretend_gpu.measure", *given.measure]
        environment = generate.environment(given.folder, dict(os.environ))
        sys.exit(subprocess.run(command, env=environment).returncode)


main()
