"""The commands at the full size of Vimeo90K: 72,436 clips, whose frames are hard links to a few.

    python benchmarks/full_size.py make DIR        # 1.0 million links; about 1 GB of folders
    python benchmarks/full_size.py annotations DIR # a list and a header read of every frame
    python benchmarks/full_size.py resume DIR      # --generate-lq where 20 clips are missing
    python benchmarks/full_size.py lmdb DIR        # 452,284 LQ frames; 9 GB
    python benchmarks/full_size.py feed DIR        # opened on folders and on the database
    python benchmarks/full_size.py clean DIR

Each prints seconds by the clock and of processor time, of its processes together. All need what
`make` makes; `feed` takes the database too where `lmdb` has made it. `clean` removes what was made.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from vimeo_tools import open_sequences
from vimeo_tools.data.septuplets import write_split_lists
from vimeo_tools.preparation.synthetic import synthesize

TRAIN, TEST = 64_612, 7_824
SOURCES = 12  # clips; 72,436 / 12 links to each file, of which a file system allows 65,000
MISSING = 20
SMALL = "vimeo90k_train_LR7frames.lmdb"


def main() -> None:
    names = ("make", "annotations", "resume", "lmdb", "feed", "clean")
    if len(sys.argv) != 3 or sys.argv[1] not in names:
        sys.exit(__doc__)
    what, folder = sys.argv[1], Path(sys.argv[2])
    globals()[what](folder)


def keys_of(count: int, first_folder: int) -> list[str]:
    """As the official ones: up to 1,000 clips to a folder."""
    return [f"{first_folder + n // 1000:05d}/{n % 1000 + 1:04d}" for n in range(count)]


def make(folder: Path) -> None:
    """Trees of GT and LQ whose files are links to those of a few drawn clips; the two lists."""
    start = time.perf_counter()
    few = folder / "few"
    synthesize(few, SOURCES, test_clips=0, seed=1)
    prep("--generate-lq", "--workers", "1", cwd=few)
    train, test = keys_of(TRAIN, 1), keys_of(TEST, 71)
    for tree in ("sequences", "BIx4"):
        clips = sorted((few / tree).glob("*/*"))
        for n, key in enumerate((*train, *test)):
            target = folder / tree / key
            target.mkdir(parents=True)
            for frame in clips[n % SOURCES].iterdir():
                os.link(frame, target / frame.name)
    shutil.copy(few / "BIx4" / "vimeo-prep.json", folder / "BIx4")
    write_split_lists(folder, train, test)
    print(f"made {len(train) + len(test):,} clips twice in {time.perf_counter() - start:.0f} s")


def annotations(folder: Path) -> None:
    timed("annotations", folder, "--output-dir", "lists")
    lines = (folder / "lists" / "meta_info_Vimeo90K_train_GT.txt").read_text().splitlines()
    assert len(lines) == TRAIN


def resume(folder: Path) -> None:
    missing = keys_of(TRAIN, 1)[:: TRAIN // MISSING][:MISSING]
    for key in missing:
        shutil.rmtree(folder / "BIx4" / key, ignore_errors=True)
    timed(f"resume, {MISSING} clips missing", folder, "--generate-lq", "--output-dir", "BIx4")
    assert all(len(list((folder / "BIx4" / key).iterdir())) == 7 for key in missing)


def lmdb(folder: Path) -> None:
    timed("LMDB of 452,284 LQ frames", folder, "pack-lmdb", "--content", "lq")
    size = (folder / SMALL / "data.mdb").stat().st_size
    print(f"  {size / 1e9:.1f} GB")


def feed(folder: Path) -> None:
    for name, lq in (("folders", "BIx4"), ("LMDB", SMALL), ("LQ on the fly", None)):
        if lq and not (folder / lq).exists():
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        source = open_sequences(
            folder / "sequences", lq and folder / lq, folder / "sep_trainlist.txt"
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"feed opened, {name}: {wall:.2f} s, {cpu:.2f} s of processor; {len(source):,} clips")


def clean(folder: Path) -> None:
    for name in ("few", "sequences", "BIx4", "lists", SMALL, f"{SMALL}.partial"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("sep_trainlist.txt", "sep_testlist.txt"):
        (folder / name).unlink(missing_ok=True)


def prep(*arguments: str, cwd: Path) -> str:
    command = Path(sys.executable).with_name("vimeo-prep")
    call = [str(command), *arguments]
    return subprocess.run(call, cwd=cwd, check=True, capture_output=True, text=True).stdout


def timed(title: str, folder: Path, *arguments: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    said = prep(*arguments, cwd=folder)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    print(f"{title}: {wall:.1f} s, processor {user:.1f} + {system:.1f} s; {said.splitlines()[0]}")


if __name__ == "__main__":
    main()
