"""A restored film: what it is besides its pictures, and its pictures as an encoder takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from rvrt.errors import RestoreError
from rvrt.restoration.encoding import Encoder
from vimeo_tools.data.colours import BT709, RGB, Colours, to_levels, yuv_from_rgb
from vimeo_tools.data.pictures import AnyFrame
from vimeo_tools.data.video_sequence import Timing

_BT709 = Colours()
_LIMITED, _FULL = 1, 2


@dataclass(frozen=True)
class Film:
    """What a video is besides its pictures.

    Attributes:
        timing: when each is shown.
        colours: what its numbers mean.
        pixel_aspect: width of a pixel over its height.
        copied: a file whose sound and subtitles are copied, or those of them that are wanted.
        sound: copy sound.
        subtitles: copy subtitles.
        begin: seconds of that file where the film begins; None for its own beginning.
        end: seconds of that file where the film ends; None for its end.
    """

    timing: Timing
    colours: Colours = _BT709
    pixel_aspect: Fraction = Fraction(1)
    copied: Path | None = None
    sound: bool = True
    subtitles: bool = True
    begin: Fraction | None = None
    end: Fraction | None = None


class Converter:
    """RGB frames of one size to the pixels of an encoder."""

    def __init__(self, av: Any, height: int, width: int, film: Film, encoder: Encoder) -> None:
        self._av, self._film, self._encoder = av, film, encoder
        self._layout = encoder.layout
        self.height, self.width = height, width
        self.colours = self._colours()
        self._check_sides()

    def describe(self, stream: Any, container: str) -> None:
        """Tell a stream what is coming."""
        stream.width, stream.height = self.width, self.height
        stream.pix_fmt = self._encoder.pix_fmt
        context = stream.codec_context
        context.time_base = self._film.timing.unit
        context.colorspace = self.colours.matrix
        context.color_primaries = self.colours.primaries
        context.color_trc = self.colours.transfer
        context.color_range = _FULL if self.colours.full_range else _LIMITED
        if self._film.pixel_aspect != 1:
            context.sample_aspect_ratio = self._film.pixel_aspect
        if self._encoder.name == "libx265" and container in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # as Apple's players want it

    def picture(self, frame: AnyFrame, ticks: int) -> Any:
        """A frame, shown at so many ticks."""
        name, bits = self._encoder.pix_fmt, self._encoder.bits
        if self._layout.is_rgb:
            most = np.float32((2**bits - 1) / np.iinfo(frame.dtype).max)
            red, green, blue = np.moveaxis(to_levels(frame * most, bits), -1, 0)
            planar = "gbrp" if bits == 8 else f"gbrp{bits}le"
            picture = self._filled(planar, (green, blue, red))
            if name != planar:
                picture = picture.reformat(format=name)
        else:
            planes = yuv_from_rgb(frame, bits, self.colours, self._across, self._down)
            picture = self._filled(name, planes)
        picture.pts, picture.time_base = ticks, self._film.timing.unit
        picture.colorspace = self.colours.matrix
        picture.color_range = _FULL if self.colours.full_range else _LIMITED
        picture.color_primaries = self.colours.primaries
        picture.color_trc = self.colours.transfer
        return picture

    def _filled(self, layout: str, planes: Iterable[AnyFrame]) -> Any:
        picture = self._av.VideoFrame(self.width, self.height, layout)
        for plane, values in zip(picture.planes, planes, strict=True):
            rows = np.frombuffer(plane, values.dtype).reshape(plane.height, -1)
            rows[:, : plane.width] = values
        return picture

    def _colours(self) -> Colours:
        source = self._film.colours
        if self._layout.is_rgb:
            return Colours(RGB, source.primaries, source.transfer, full_range=True)
        full = source.full_range and source.matrix != RGB and self._encoder.name != "prores_ks"
        matrix = BT709 if source.matrix == RGB else source.matrix
        return Colours(matrix, source.primaries, source.transfer, full)

    def _check_sides(self) -> None:
        layout = self._av.VideoFormat(self._encoder.pix_fmt, 16, 16)
        self._across, self._down = 16 // layout.chroma_width(), 16 // layout.chroma_height()
        if self.width % self._across or self.height % self._down:
            raise RestoreError(
                f"frames of {self.width}x{self.height} in {self._encoder.pix_fmt}, whose sides "
                f"must be multiples of {self._across} and {self._down}: choose another --pix-fmt "
                "or --scale"
            )
