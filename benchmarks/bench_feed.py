"""Training samples a second from folder, LMDB, MindRecord and GT alone, beside decoding the PNGs.

    python benchmarks/bench_feed.py [SEPTUPLET_FOLDER] [--workers N ...] [--rounds N]
    python benchmarks/bench_feed.py --memory

Without a folder 24 clips are synthesized. A sample is RVRT's: 7 frames, cropped 64 and 256, turned,
mirrored to 14, float32. The floor decodes the PNGs with Pillow in as many processes and does
nothing else. Where torch is installed, a DataLoader does the same with as many workers. Time runs
from the first sample to the last: a training run starts its workers once.
--memory goes through an epoch of 1,000 clips instead.
"""

import argparse
import statistics
import tempfile
import time
from concurrent.futures import wait
from pathlib import Path

import numpy as np
from PIL import Image
from timing import show

from vimeo_tools.data.septuplets import FRAME_NUMBERS, GT_FOLDER, find_keys, frame_path, usual_size
from vimeo_tools.degradations import Bicubic
from vimeo_tools.feed.augment import augment
from vimeo_tools.feed.dataset import Training, create_dataset, open_septuplets
from vimeo_tools.feed.order import Sample
from vimeo_tools.preparation.downsample import LqSettings, downsample_tree
from vimeo_tools.preparation.pack import pack
from vimeo_tools.preparation.pack_plan import FORMATS, PackPlan
from vimeo_tools.preparation.synthetic import synthesize
from vimeo_tools.resize.matlab import downscale
from vimeo_tools.running.jobs import available_workers, process_pool

try:
    import torch
except ImportError:
    torch = None


def prepare(folder, work, workers):
    """LQ, databases and MindRecord files of a folder; what the feed can be opened on, by name."""
    gt, lq = folder / GT_FOLDER, work / "BIx4"
    keys, size = find_keys(gt), usual_size(gt, find_keys(gt))
    with process_pool(workers) as pool:
        downsample_tree(gt, lq, keys, LqSettings(Bicubic(), 4, size), executor=pool)
    for form in FORMATS:
        pack(PackPlan(gt, work / f"gt.{form}", keys, FRAME_NUMBERS, size, format=form))
        small = size.divided_by(4)
        pack(PackPlan(lq, work / f"lq.{form}", keys, FRAME_NUMBERS, small, format=form))
    return {
        "folder": (gt, lq),
        "LMDB": (work / "gt.lmdb", work / "lq.lmdb"),
        "MindRecord": (work / "gt.mindrecord", work / "lq.mindrecord"),
        "LQ on the fly": (gt, None),
    }


# --- the floor ----------------------------------------------------------------------------------


def decode_clip(roots, key):
    for root in roots:
        for number in FRAME_NUMBERS:
            with Image.open(frame_path(root, key, number)) as image:
                image.load()


def run_floor(pool, roots, keys):
    start = time.perf_counter()
    if pool is None:
        for key in keys:
            decode_clip(roots, key)
    else:
        for future in wait([pool.submit(decode_clip, roots, key) for key in keys]).done:
            future.result()
    return time.perf_counter() - start


# --- a plain DataLoader -------------------------------------------------------------------------


def read_clip(root, key):
    return np.stack([np.asarray(Image.open(frame_path(root, key, n))) for n in FRAME_NUMBERS])


class PlainDataset:
    """The same samples by the shortest code, LQ from the folder or made on the fly."""

    def __init__(self, gt, lq, plan, steps):
        self.gt, self.lq, self.plan, self.steps = gt, lq, plan, steps
        self.keys = find_keys(gt)

    def __len__(self):
        return self.steps

    def __getitem__(self, i):
        key = self.keys[i % len(self.keys)]
        gt = read_clip(self.gt, key)
        lq = read_clip(self.lq, key) if self.lq else downscale(gt)
        rng = self.plan.rng(Sample(0, i))
        pair = augment(lq, gt, self.plan.augment, rng)
        return [torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).float() / 255 for a in pair]


# --- both ---------------------------------------------------------------------------------------


def steady_seconds(batches):
    """From the first to the last, for one more than are counted."""
    rest = iter(batches)
    next(rest)
    start = time.perf_counter()
    for _ in rest:
        pass
    return time.perf_counter() - start


def measure(calls, rounds):
    """As `timing.measure`, of calls that return their seconds."""
    seconds = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            taken = call()
            if turn:
                seconds[name].append(taken)
    return {name: statistics.median(times) for name, times in seconds.items()}


def bench(backings, workers, samples, rounds):
    gt, lq = backings["folder"]
    keys = find_keys(gt)
    keys = [keys[i % len(keys)] for i in range(samples)]
    plan = Training(steps=range(samples + 1))
    floors = dict.fromkeys(("folder", "LMDB", "MindRecord"), (gt, lq)) | {"LQ on the fly": (gt,)}
    with process_pool(workers) as pool:
        calls = {}
        for name, paths in backings.items():
            feed = create_dataset(open_septuplets(*paths), plan, workers)
            calls[f"floor, {name}"] = lambda roots=floors[name]: run_floor(pool, roots, keys)
            calls[f"ours, {name}"] = lambda feed=feed: steady_seconds(feed)
            if torch and name in ("folder", "LQ on the fly"):
                data = PlainDataset(*paths, plan, samples + 1)
                loader = torch.utils.data.DataLoader(data, num_workers=workers)
                calls[f"DataLoader, {name}"] = lambda loader=loader: steady_seconds(loader)
        medians = measure(calls, rounds)
    for name in backings:
        chosen = {call: seconds for call, seconds in medians.items() if call.endswith(name)}
        show(f"{samples} samples, {workers} workers: {name}", chosen, base=f"floor, {name}")
        print(f"  {samples / medians[f'ours, {name}']:.0f} samples/s")


# --- memory -------------------------------------------------------------------------------------


def megabytes(pid="self"):
    """The memory of a process, with its share of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def all_megabytes():
    children = Path("/proc/self/task").glob("*/children")
    return megabytes() + sum(
        megabytes(pid) for path in children for pid in path.read_text().split()
    )


def bench_memory(folder, work, clips, workers):
    """An epoch of ``clips`` clips, which are links to the few that there are."""
    keys = find_keys(folder / GT_FOLDER)
    linked = work / "linked"
    for i in range(clips):
        target = linked / f"00001/{i + 1:04d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(folder / GT_FOLDER / keys[i % len(keys)])
    feed = create_dataset(open_septuplets(linked), Training(), workers)
    print(f"\nmemory over an epoch of {clips} clips, {workers} workers, all processes")
    for i, _ in enumerate(feed, start=1):
        if i % (clips // 10) == 0:
            print(f"  after {i:5d} clips {all_megabytes():7.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, min(2, available_workers())])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if arguments.folder is None:
            arguments.folder = work / "septuplets"
            with process_pool(max(arguments.workers)) as pool:
                synthesize(arguments.folder, 24, executor=pool)
        if arguments.memory:
            bench_memory(arguments.folder, work, 1000, max(arguments.workers))
            return
        backings = prepare(arguments.folder, work, max(arguments.workers))
        for workers in sorted(set(arguments.workers)):
            bench(backings, workers, arguments.samples, arguments.rounds)


if __name__ == "__main__":
    main()
