"""LQ generation and verify against their floors, packing against ``cp -r``, in turn in one run.

    python benchmarks/bench_prepare.py [SEPTUPLET_FOLDER] [--workers N] [--rounds N]
        [--degradation NAME]

Without a folder 24 clips are synthesized. The floor of LQ generation decodes the same PNGs and
encodes the same outputs with Pillow, in the same processes; that of verify decodes both. One worker
is this process, its times those of the processor, so that other work on the machine counts little.
"""

import argparse
import io
import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import wait
from pathlib import Path

from PIL import Image
from timing import measure, show

from vimeo_tools.data.codecs import CODECS, VARIABLE
from vimeo_tools.data.septuplets import FRAME_NUMBERS, GT_FOLDER, find_keys, frame_path, usual_size
from vimeo_tools.degradations import choose_degradation
from vimeo_tools.preparation.downsample import LqSettings, downsample_tree
from vimeo_tools.preparation.pack import pack
from vimeo_tools.preparation.pack_plan import PackPlan
from vimeo_tools.preparation.synthetic import synthesize
from vimeo_tools.preparation.verify import verify
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


def run_with(codec, call):
    """The workers of a pool, which started before, go by the encoder that is chosen here."""
    os.environ[VARIABLE] = codec
    try:
        call()
    finally:
        del os.environ[VARIABLE]


def decode_with_pillow(paths):
    for path in paths:
        with Image.open(path) as image:
            image.load()


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def bench_lq(gt_root, keys, work, workers, rounds, made):
    size = usual_size(gt_root, keys)
    lq_root, out = work / "lq", work / "out"
    settings = LqSettings(made, 4, size)
    alone = workers == 1
    usable = [name for name, codec in CODECS.items() if not codec.lacks]
    if not alone:  # pillow and zlib have one encoder: a worker would take zlib for both
        usable.remove("pillow")
    with process_pool(workers) as pool:

        def run_ours():
            downsample_tree(gt_root, fresh(out), keys, settings, executor=pool)

        downsample_tree(gt_root, fresh(lq_root), keys, settings, executor=pool)
        calls = {"floor": lambda: run_floor(pool, gt_root, lq_root, fresh(out), keys=keys)}
        calls |= {name: lambda name=name: run_with(name, run_ours) for name in usable}
        clock = time.process_time if alone else time.perf_counter
        medians = measure(calls, rounds, clock=clock)
        sizes = {name: size_of(out) for name, call in calls.items() if not call()}
    frames = len(keys) * len(FRAME_NUMBERS)
    show(f"LQ of {frames} frames with {workers} workers, {made}", medians, base="floor")
    for name, made in sizes.items():
        print(f"  {name}: {made / frames:.0f} bytes a frame, x {made / sizes['floor']:.3f}")
    if alone:
        bench_verify(gt_root, lq_root, usable, rounds)


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.png"))


def bench_verify(gt_root, lq_root, usable, rounds):
    paths = [*gt_root.rglob("*.png"), *lq_root.rglob("*.png")]
    calls = {"floor": lambda: decode_with_pillow(paths)}
    calls |= {n: lambda n=n: run_with(n, lambda: verify(gt_root, lq_root)) for n in usable}
    show("verify", measure(calls, rounds, clock=time.process_time), base="floor")


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
    parser.add_argument("--degradation", type=choose_degradation, default="bicubic")
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
            bench_lq(gt_root, keys, work, workers, arguments.rounds, arguments.degradation)
        bench_pack(gt_root, keys, work, arguments.rounds)


if __name__ == "__main__":
    main()
