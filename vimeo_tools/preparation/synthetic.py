"""Septuplets drawn by code: layered scenes that pan, turn and zoom, so that all runs undownloaded.

A texture is a "dead leaves" picture, discs of random size and colour covering one another: the
simplest scenes with edges, occlusions and detail at all sizes, as natural pictures have them
(Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 41, 2001).
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.png import FrameSize, encode_png
from vimeo_tools.data.septuplets import (
    FRAME_NUMBERS,
    FRAMES_PER_CLIP,
    GT_FOLDER,
    OFFICIAL_SIZE,
    frame_path,
    numbered_keys,
    write_split_lists,
)
from vimeo_tools.errors import SettingsError
from vimeo_tools.running.atomic import remove_parts, write_file
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import taken
from vimeo_tools.running.jobs import Outcome, Summary, run
from vimeo_tools.running.records import Record

Float32 = npt.NDArray[np.float32]

_TEXTURE_SIDE = 512
_DISCS = 900
_RADII = 3, 120  # pixels
_FOREGROUNDS = 3


@dataclass(frozen=True)
class Motion:
    """Where a texture is sampled: turned and zoomed about a point that moves.

    Attributes:
        origin: (y, x) of the frame's centre in the texture, pixels, at the first frame.
        velocity: (y, x) pixels per frame.
        angle: radians at the first frame; ``spin`` radians per frame.
        zoom: texture pixels per frame pixel at the first frame; times ``growth`` per frame.
    """

    origin: tuple[float, float]
    velocity: tuple[float, float]
    angle: float
    spin: float
    zoom: float
    growth: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Motion:
        """A random motion of up to 4 pixels, 1 degree and 1 per cent a frame."""
        y, x = rng.uniform(0, _TEXTURE_SIDE, 2)
        v, u = rng.uniform(-4, 4, 2)
        return cls(
            origin=(y, x),
            velocity=(v, u),
            angle=rng.uniform(0, 2 * np.pi),
            spin=rng.uniform(-np.pi, np.pi) / 180,
            zoom=rng.uniform(0.7, 1.3),
            growth=1 + rng.uniform(-0.01, 0.01),
        )

    def coordinates(self, size: FrameSize, frame: int) -> npt.NDArray[np.float64]:
        """(2, H, W): y and x in the texture of each pixel of frame ``frame`` (from 0)."""
        y, x = np.mgrid[: size.height, : size.width].astype(np.float64)
        y -= (size.height - 1) / 2
        x -= (size.width - 1) / 2
        angle = self.angle + self.spin * frame
        zoom = self.zoom * self.growth**frame
        cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
        v = self.origin[0] + self.velocity[0] * frame + cos * y - sin * x
        u = self.origin[1] + self.velocity[1] * frame + sin * y + cos * x
        return np.stack([v, u])


def synthesize(
    root: str | Path,
    clips: int,
    *,
    test_clips: int = 0,
    size: FrameSize = OFFICIAL_SIZE,
    seed: int = 0,
    executor: Executor | None = None,
) -> Summary:
    """Draw a septuplet folder: ``sequences/``, ``sep_trainlist.txt``, ``sep_testlist.txt``.

    Args:
        root: the folder; an interrupted run is continued.
        clips: how many in all.
        test_clips: how many of them, the last ones, stand in the test list.
        size: of the frames.
        seed: the same seed draws the same clips, whatever the executor.
        executor: see `vimeo_tools.running.jobs.run`.

    Raises:
        SettingsError: fewer than one clip for training, or more than can be numbered.
        OutputError: ``root`` holds something else, or the disk is full.
    """
    if not 0 <= test_clips < clips:
        raise SettingsError(
            f"{clips} clips, {test_clips} of them for testing: need at least one for training"
        )
    root = Path(root)
    keys = numbered_keys(1, clips)
    settings = {"clips": clips, "test_clips": test_clips, "size": asdict(size), "seed": seed}
    with taken(root, Record({"synthesized": settings})):
        summary = run(partial(_draw_missing, root, size, seed), keys, executor, label="clips")
        if not summary.failures:
            write_split_lists(root, keys[: clips - test_clips], keys[clips - test_clips :])
    return summary


def draw_clip(rng: np.random.Generator, size: FrameSize) -> npt.NDArray[np.uint8]:
    """(7, H, W, 3) uint8: a background and three shapes before it, each with its own motion."""
    texture = _draw_texture(rng)
    background = Motion.draw(rng)
    foregrounds = [(_Shape.draw(rng, size), Motion.draw(rng)) for _ in range(_FOREGROUNDS)]
    frames = []
    for frame in range(FRAMES_PER_CLIP):
        picture = _sample(texture, background.coordinates(size, frame))
        for shape, motion in foregrounds:
            _paint(picture, texture, shape, motion, frame)
        frames.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return np.stack(frames)


def _paint(picture: Float32, texture: Float32, shape: _Shape, motion: Motion, frame: int) -> None:
    """Lay the shape, filled with the moving texture, over the picture."""
    size = FrameSize(*picture.shape[:2])
    cover = shape.cover(size, frame, motion)
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    if not rows.size:
        return
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    filling = _sample(texture, motion.coordinates(size, frame)[:, window[0], window[1]])
    picture[window] += cover[window][..., None] * (filling - picture[window])


@dataclass(frozen=True)
class _Shape:
    """An ellipse that moves against its own texture's motion."""

    centre: tuple[float, float]
    radii: tuple[float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator, size: FrameSize) -> _Shape:
        short = min(size.height, size.width)
        return cls(
            centre=(rng.uniform(0, size.height), rng.uniform(0, size.width)),
            radii=(short * rng.uniform(0.1, 0.3), short * rng.uniform(0.1, 0.3)),
        )

    def cover(self, size: FrameSize, frame: int, motion: Motion) -> Float32:
        """(H, W) 0..1, with an edge a pixel wide."""
        y, x = np.mgrid[: size.height, : size.width].astype(np.float32)
        y -= self.centre[0] - motion.velocity[0] * frame
        x -= self.centre[1] - motion.velocity[1] * frame
        distance = np.hypot(y / self.radii[0], x / self.radii[1])
        edge: Float32 = np.clip((1 - distance) * min(self.radii) + 0.5, 0, 1)
        return edge


def draw_radii(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """(count,) radii of discs, pixels, with a density that falls with the square of the radius.

    Between 3 and 120 pixels, so that 1/radius is uniform. Small ones are many, and each octave of
    sizes still covers twice the area of the one before it: little of the background is left.
    """
    smallest, largest = _RADII
    return smallest / rng.uniform(smallest / largest, 1, count)


def _draw_texture(rng: np.random.Generator) -> Float32:
    """(S, S, 3) float32 in 0..255, without seams when repeated."""
    texture = np.empty((_TEXTURE_SIDE, _TEXTURE_SIDE, 3), np.float32)
    texture[:] = _draw_colour(rng)
    for radius in np.sort(draw_radii(rng, _DISCS))[::-1]:
        centre = rng.uniform(0, _TEXTURE_SIDE, 2)
        reach = np.arange(-int(radius) - 2, int(radius) + 3)
        rows, columns = (reach + int(c) for c in centre)
        distance = np.hypot(rows[:, None] - centre[0], columns - centre[1])
        cover = np.clip(radius - distance + 0.5, 0, 1)[..., None].astype(np.float32)
        window = np.ix_(rows % _TEXTURE_SIDE, columns % _TEXTURE_SIDE)
        texture[window] += cover * (_draw_colour(rng) - texture[window])
    grain = rng.normal(0, 4, texture.shape[:2]).astype(np.float32)
    textured: Float32 = np.clip(texture + grain[..., None], 0, 255)
    return textured


def _draw_colour(rng: np.random.Generator) -> Float32:
    """(3,): any brightness, mostly muted."""
    return (rng.uniform(10, 245) + rng.normal(0, 30, 3)).astype(np.float32)


def _sample(texture: Float32, coordinates: npt.NDArray[np.float64]) -> Float32:
    """(H, W, 3): bilinear, the texture repeated."""
    y, x = coordinates
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down = (y - top)[..., None].astype(np.float32)
    right = (x - left)[..., None].astype(np.float32)
    rows = top % _TEXTURE_SIDE, (top + 1) % _TEXTURE_SIDE
    columns = left % _TEXTURE_SIDE, (left + 1) % _TEXTURE_SIDE
    upper = texture[rows[0], columns[0]] * (1 - right) + texture[rows[0], columns[1]] * right
    lower = texture[rows[1], columns[0]] * (1 - right) + texture[rows[1], columns[1]] * right
    sampled: Float32 = upper * (1 - down) + lower * down
    return sampled


def _draw_missing(root: Path, size: FrameSize, seed: int, key: str) -> Outcome:
    targets = [frame_path(root / GT_FOLDER, key, number) for number in FRAME_NUMBERS]
    if all(target.is_file() for target in targets):
        return Outcome(skipped=len(targets))
    rng = np.random.default_rng([seed, *(int(part) for part in key.split("/"))])
    frames: Any = draw_clip(rng, size)
    folder = targets[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
        for target, frame in zip(targets, frames, strict=True):
            write_file(target, encode_png(frame))
    except OSError as error:
        return Outcome(failures=(Failure(str(folder), f"cannot be written: {error.strerror}"),))
    return Outcome(done=len(targets))
