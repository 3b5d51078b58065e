"""Small films of any kind, and what a film is made of, for tests."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest


def make_film(av, path, frames, *, codec="ffv1", layout="yuv420p", unit=None, ticks=None, **marks):
    """A film of (H, W, 3) uint8 frames, or of one list of planes for each frame.

    Args:
        av: PyAV.
        path: of the film.
        frames: RGB, or planes of the layout.
        codec: FFmpeg's name.
        layout: of pixels, FFmpeg's name.
        unit: seconds of a tick.
        ticks: of each frame.
        marks: colorspace, color_range, color_primaries, color_trc, aspect, turned.
    """
    aspect, turned = marks.pop("aspect", None), marks.pop("turned", 0)
    unit, ticks = unit or Fraction(1, 25), ticks or range(len(frames))
    height, width = frames[0][0].shape if isinstance(frames[0], list) else frames[0].shape[:2]
    options = {"qp": "0"} if codec == "libx264" else {}
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, layout
        context = stream.codec_context
        context.time_base = unit
        if aspect:
            context.sample_aspect_ratio = aspect
        if turned:
            if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
                pytest.skip("PyAV before 18 writes no rotation")
            stream.set_display_rotation(turned)
        for name, value in marks.items():
            setattr(context, name, value)
        for frame, tick in zip(frames, ticks, strict=True):
            picture = stored(av, frame, layout)
            picture.pts, picture.time_base = tick, unit
            for name, value in marks.items():
                setattr(picture, name, value)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def stored(av, frame, layout):
    """A frame, or planes, as a picture of PyAV."""
    if not isinstance(frame, list):
        return av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=layout)
    height, width = frame[0].shape
    picture = av.VideoFrame(width, height, layout)
    for plane, values in zip(picture.planes, frame, strict=True):
        np.frombuffer(plane, values.dtype).reshape(plane.height, -1)[:, : plane.width] = values
    return picture


class Told(NamedTuple):
    """What a stream says; PyAV 19 says nothing any more once the file is closed."""

    time_base: Fraction
    duration: int | None
    sample_aspect_ratio: Fraction | None
    codec: str


def look_at(av, path):
    """(pictures, `Told`) of a film."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.codec.canonical_name
        told = Told(stream.time_base, stream.duration, stream.sample_aspect_ratio, codec)
        return list(container.decode(stream)), told


def planes_of(picture, dtype=np.uint8):
    """Copies of the planes of a picture."""
    return [
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width].copy()
        for plane in picture.planes
    ]
