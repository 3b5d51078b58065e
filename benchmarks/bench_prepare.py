"""LQ generation against its floor, packing against ``cp -r``, each in turn in one run.

    python benchmarks/bench_prepare.py [SEPTUPLET_FOLDER] [--workers N] [--rounds N]

Without a folder 24 clips are synthesized. The floor of LQ generation decodes the same PNGs and
encodes the same outputs with Pillow, in the same processes.
"""

import argparse
import io
import shutil
import subprocess
import tempfile
from concurrent.futures import wait
from pathlib import Path

from PIL import Image
from timing import measure, show

from vimeo_tools.data.septuplets import FRAME_NUMBERS, GT_FOLDER, find_keys, frame_path, usual_size
from vimeo_tools.degradations import Bicubic
from vimeo_tools.preparation.downsample import LqSettings, downsample_tree
from vimeo_tools.preparation.pack import PackPlan, pack
from vimeo_tools.preparation.synthetic import synthesize
from vimeo_tools.running.jobs import available_workers, process_pool


def floor_of_clip(gt_root, lq_root, out_root, key):
    """Decode seven GT frames, encode seven LQ frames."""
    (out_root / key).mkdir(parents=True)
    for number in FRAME_NUMBERS:
        with Image.open(frame_path(gt_root, key, number)) as gt:
            gt.load()
        with Image.open(frame_path(lq_root, key, number)) as lq:
            lq.load()
            buffer = io.BytesIO()
            lq.save(buffer, format="PNG")
        frame_path(out_root, key, number).write_bytes(buffer.getvalue())


def run_floor(pool, *roots, keys):
    tasks = [(*roots, key) for key in keys]
    if pool is None:
        for task in tasks:
            floor_of_clip(*task)
    else:
        for future in wait([pool.submit(floor_of_clip, *task) for task in tasks]).done:
            future.result()


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def bench_lq(gt_root, keys, work, workers, rounds):
    size = usual_size(gt_root, keys)
    lq_root, out = work / "lq", work / "out"
    double, uint8 = (LqSettings(Bicubic(convention), 4, size) for convention in ("double", "uint8"))
    with process_pool(workers) as pool:

        def run_ours(settings, folder):
            downsample_tree(gt_root, fresh(folder), keys, settings, executor=pool)

        run_ours(double, lq_root)
        calls = {
            "floor": lambda: run_floor(pool, gt_root, lq_root, fresh(out), keys=keys),
            "ours, double convention": lambda: run_ours(double, out),
            "ours, uint8 convention": lambda: run_ours(uint8, out),
        }
        medians = measure(calls, rounds)
    frames = len(keys) * len(FRAME_NUMBERS)
    show(f"LQ of {frames} frames with {workers} workers", medians, base="floor")
    print(f"  {frames / medians['ours, double convention']:.0f} frames/s")


def bench_pack(gt_root, keys, work, rounds):
    target, copy = work / "gt.lmdb", work / "copy"
    plan = PackPlan(gt_root, target, keys, FRAME_NUMBERS, usual_size(gt_root, keys))

    def run_pack():
        fresh(target)
        pack(plan)

    calls = {
        "cp -r": lambda: subprocess.run(["cp", "-r", gt_root, fresh(copy)], check=True),
        "pack-lmdb": run_pack,
    }
    megabytes = sum(path.stat().st_size for path in gt_root.rglob("*.png")) / 1e6
    show(f"packing {megabytes:.0f} MB", measure(calls, rounds), base="cp -r")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, default=available_workers())
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if arguments.folder is None:
            arguments.folder = work / "septuplets"
            with process_pool(arguments.workers) as pool:
                synthesize(arguments.folder, 24, executor=pool)
        gt_root = arguments.folder / GT_FOLDER
        keys = find_keys(gt_root)
        for workers in sorted({1, arguments.workers}):
            bench_lq(gt_root, keys, work, workers, arguments.rounds)
        bench_pack(gt_root, keys, work, arguments.rounds)


if __name__ == "__main__":
    main()
