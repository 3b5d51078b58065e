"""Clips that rvrt-small is trained and measured on, from videos and photographs in packages.

    python make_clips.py PACKAGES OUTPUT

PACKAGES holds what `fetch.sh` unpacks. OUTPUT gets data sets in the official layout:

    train   tiles of 160x160, many of them, for the list sep_trainlist.txt; whole frames of
            validation in sep_testlist.txt
    seen    whole frames of the videos trained on, from their last parts, which were not trained on
    unseen_* whole frames of videos that were not trained on at all

A photograph becomes a clip by a window that moves over it; a video's clips are cut by
`vimeo_tools.video`, at several sizes, and each gives the tiles that have most detail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vimeo_tools import imresize
from vimeo_tools.data.png import FrameSize, encode_png
from vimeo_tools.data.septuplets import frame_path, write_split_lists
from vimeo_tools.preparation.video import CutSettings, septuplets_of

Frames = list[NDArray[np.uint8]]

TILE = 160
KEEP = 0.6  # of a clip's tiles, those with most detail
HELD_OUT = 0.25  # of each video's clips, the last ones: first half validation, second half test
OFFICIAL = FrameSize(height=256, width=448)
# Video, and the sizes that it is scaled to.
TRAINED = {
    "bikes.mp4": [FrameSize(272, 640), OFFICIAL, FrameSize(160, 320)],
    "bigbuckbunny.mp4": [FrameSize(480, 848), OFFICIAL],
}
NEVER = {"carphone_pristine.mp4": FrameSize(144, 176), "cityCC0.mpg": OFFICIAL}
PHOTOS = {  # and how many windows of each
    "astronaut.png": 12,
    "chelsea.png": 8,
    "rocket.jpg": 6,
    "brick.png": 5,
    "grass.png": 5,
    "gravel.png": 5,
    "china.jpg": 14,
    "flower.jpg": 8,
}
FASTEST = 8  # pixels a frame


def main(packages: Path, output: Path) -> None:
    """Write the three data sets."""
    found = {path.name: path for path in packages.rglob("*") if path.is_file()}
    rng = np.random.default_rng(0)
    train: list[Frames] = []
    validation: list[list[Frames]] = []
    seen: list[list[Frames]] = []
    for name, sizes in TRAINED.items():
        for size in sizes:
            clips = list(septuplets_of(found[name], CutSettings(size=size)))
            held = round(HELD_OUT * len(clips))
            for clip in clips[: len(clips) - held]:
                train += tiles(clip)
            if size == OFFICIAL:
                first_test = len(clips) - held + held // 2
                validation.append(clips[len(clips) - held : first_test])
                seen.append(clips[first_test:])
    for name, windows in PHOTOS.items():
        train += list(moving_windows(found[name], windows, TILE, rng))
    # one of each in turn, as a training validates on the first few alone
    turns = [clip for turn in zip_longest(*validation) for clip in turn if clip is not None]
    write(output / "train", train, [turns])
    write(output / "seen", [], seen)
    unseen = 0
    for name, size in NEVER.items():
        clips = list(septuplets_of(found[name], CutSettings(size=size)))
        write(output / f"unseen_{Path(name).stem}", [], [clips])
        unseen += len(clips)
    print(
        f"{len(train)} tiles to train on; whole clips: {len(turns)} validation, "
        f"{sum(map(len, seen))} test of videos trained on, {unseen} of videos never trained on"
    )


def detail(frame: NDArray[np.uint8]) -> float:
    """Mean size of the differences between neighbouring pixels."""
    grey = frame.mean(2)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


def tiles(clip: Frames) -> list[Frames]:
    """The tiles of a clip that have most detail; spread evenly, they overlap where they must."""
    height, width = clip[0].shape[:2]
    rows, columns = (
        np.linspace(0, side - TILE, -(-side // TILE)).astype(int) for side in (height, width)
    )
    cut = [[f[y : y + TILE, x : x + TILE] for f in clip] for y in rows for x in columns]
    cut.sort(key=lambda tile: -detail(tile[3]))
    return cut[: max(1, round(KEEP * len(cut)))]


def moving_windows(
    photo: Path, count: int, side: int, rng: np.random.Generator
) -> Iterator[Frames]:
    """Windows that move over a photograph in a straight line, at whole pixels of the photograph.

    Every second one moves over twice the size and is scaled to a half, so that it moves by halves.
    """
    picture = np.asarray(Image.open(photo).convert("RGB"))
    for i in range(count):
        scale = 2 if i % 2 else 1
        large = side * scale
        room = [length - large for length in picture.shape[:2]]
        if min(room) < 0:
            scale, large, room = 1, side, [length - side for length in picture.shape[:2]]
        speed = [rng.integers(-FASTEST, FASTEST + 1) for _ in range(2)]
        speed = [int(np.clip(v, -(r // 6), r // 6)) for v, r in zip(speed, room, strict=True)]
        start = [
            int(rng.integers(max(0, -6 * v), r - max(0, 6 * v) + 1))
            for v, r in zip(speed, room, strict=True)
        ]
        clip = []
        for t in range(7):
            y, x = (s + v * t for s, v in zip(start, speed, strict=True))
            window = np.ascontiguousarray(picture[y : y + large, x : x + large])
            clip.append(window if scale == 1 else imresize(window, 1 / scale))
        yield clip


def write(root: Path, train: list[Frames], test: list[list[Frames]]) -> None:
    """Clips in the official layout; folder 00001 for those to train on, one for each group more."""
    groups = [train, *test]
    keys = [[f"{n:05}/{i:04}" for i in range(1, len(g) + 1)] for n, g in enumerate(groups, 1)]
    for key, clip in zip(chain(*keys), chain(*groups), strict=True):
        for number, frame in enumerate(clip, 1):
            path = frame_path(root / "sequences", key, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(np.ascontiguousarray(frame)))
    write_split_lists(root, keys[0], list(chain(*keys[1:])))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
