"""A look at what comes out, before hours are spent: some frames, MATLAB's bicubic beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from rvrt.restoration.encoding import Encoding, choose_encoder
from rvrt.restoration.film import Film
from rvrt.restoration.frames import finished
from rvrt.restoration.jobs import Job
from rvrt.restoration.media import write_video
from rvrt.restoration.parts import Part, open_material
from rvrt.restoration.pictures import save_picture
from rvrt.restoration.restorer import Restorer
from vimeo_tools.data.pictures import AnyFrame
from vimeo_tools.resize.matlab import imresize
from vimeo_tools.running.folders import refuse_overlap

_ROWS = 3  # of the sheet


def preview(job: Job, restorer: Restorer, count: int) -> list[Path]:
    """Restore frames from the middle of the longest scene.

    Args:
        job: whose input, choice and scale are taken, and the name of whose output.
        restorer: as for `restore`.
        count: of frames; all of the scene if it has fewer.

    Returns:
        The sheet, a PNG of up to three frames, and the clip, an H.264 .mp4; bicubic is on the left.

    Raises:
        VimeoToolsError: as `restore`.
    """
    name = job.target.stem if job.makes_video else job.target.name
    sheet, clip = (job.target.with_name(f"{name}.preview{suffix}") for suffix in (".png", ".mp4"))
    refuse_overlap(job.target, job.source)
    encoder = choose_encoder(Encoding(), ".mp4", 8)
    material = open_material(job.source, job.choice)
    longest = max(material.scenes, key=lambda scene: len(scene.names))
    start = longest.start + max(len(longest.names) - count, 0) // 2
    stop = min(start + count, longest.start + len(longest.names))
    lq = Part(material.source, start, stop).read(0, stop - start)
    video = material.video
    aspect = video.pixel_aspect if video else Fraction(1)
    film = Film(material.timing.part(start, stop), pixel_aspect=aspect)
    shown = set(np.linspace(0, len(lq) - 1, min(_ROWS, len(lq))).round().astype(int))
    rows: list[AnyFrame] = []

    def pairs() -> Iterator[AnyFrame]:
        for index, pair in enumerate(_pairs(job, restorer, lq)):
            if index in shown:
                rows.append(pair)
            yield pair

    write_video(clip, pairs(), film, encoder)
    save_picture(sheet, np.concatenate(rows))
    return [sheet, clip]


def _pairs(job: Job, restorer: Restorer, lq: AnyFrame) -> Iterator[AnyFrame]:
    """Bicubic and ours side by side, of each frame, (H, W, 3) uint8 of even sides."""
    scale = job.scale or restorer.scale
    for index, picture in restorer.restore(lq):
        ours = finished(picture, scale / restorer.scale, 8)
        plain = imresize(lq[index], scale)
        if plain.dtype != np.uint8:
            plain = np.rint(plain / 257).astype(np.uint8)
        pair = np.concatenate([plain, ours], axis=1)
        yield pair[: len(pair) // 2 * 2, : pair.shape[1] // 2 * 2]
