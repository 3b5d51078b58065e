"""Codecs that a restored video can be written with, and what of them was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rvrt.errors import RestoreError
from vimeo_tools.data.video import import_av

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov")


# x264 of 3840x2160 took 1.34 GiB with 40 frames looked ahead at, 0.56 GiB with 8: 3.1 bytes a pixel
# and frame, of which some 12 frames are held besides.
_AHEAD_BYTES, _BYTES_A_PIXEL_AHEAD, _AHEAD_BESIDE = 2**30, 3.1, 12
_X264_AHEAD, _X265_AHEAD, _LEAST_AHEAD = 40, 20, 6  # the first two are theirs
_FEW = 16  # frames
# SVT-AV1's memory grows with its threads too. 3840x2160 takes 0.83 GiB thus, 1.64 without.
_AV1_THREADS, _AV1_LARGE, _AV1_SPARING = 2, 2560 * 1440, ":lookahead=0:hierarchical-levels=2"


@dataclass(frozen=True)
class Codec:
    """A way to store videos.

    Attributes:
        encoders: FFmpeg's names, the first wanted most; of those installed the first is taken that
            has the pixel format.
        suffixes: of files that hold it.
        formats: of pixels, for a source of 8 bits and for one of more.
        crf: name of the scale of loss, its value if none is given, and the largest; None: no loss
            to choose.
        options: of the encoders.
        lossless: options and formats of coding without loss; None where there is none.
    """

    encoders: tuple[str, ...]
    suffixes: tuple[str, ...]
    formats: Mapping[int, str]
    crf: tuple[int, int] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    lossless: tuple[Mapping[str, str], Mapping[int, str]] | None = None


# crf: 14 of x264 keeps what a network added, at some three times the size of the usual 23; the
# others' are as far below their own usual one. Chroma, coded coarser by default, drifts by a tenth
# of a level on smooth pictures.
CODECS = {
    "h264": Codec(
        ("libx264", "libx264rgb"),
        VIDEO_SUFFIXES,
        {8: "yuv420p", 10: "yuv420p10le"},
        (14, 51),
        {"preset": "medium", "x264-params": "chroma-qp-offset=-6"},
        ({"qp": "0", "preset": "medium"}, {8: "rgb24", 10: "yuv444p10le"}),
    ),
    "hevc": Codec(
        ("libx265",),
        VIDEO_SUFFIXES,
        {8: "yuv420p", 10: "yuv420p10le"},
        (18, 51),
        {"preset": "medium", "x265-params": "log-level=error"},
        (
            {"preset": "medium", "x265-params": "log-level=error:lossless=1"},
            {8: "gbrp", 12: "gbrp12le"},
        ),
    ),
    "av1": Codec(
        ("libsvtav1", "libaom-av1"),
        (".mp4", ".mkv"),
        {8: "yuv420p", 10: "yuv420p10le"},
        (22, 63),
    ),
    "ffv1": Codec(
        ("ffv1",),
        (".mkv",),
        {8: "bgr0", 16: "gbrp16le"},
        lossless=({}, {8: "bgr0", 16: "gbrp16le"}),
    ),
    "prores": Codec(
        ("prores_ks",),
        (".mov", ".mkv"),
        {10: "yuv422p10le"},
        options={"profile": "3"},
    ),
}


@dataclass(frozen=True)
class Encoding:
    """How a video is to be encoded.

    Attributes:
        codec: a name in `CODECS`.
        crf: the codec's scale of loss; None for one that keeps what a network added.
        pix_fmt: FFmpeg's name of how pixels are stored; None: of 8 bits if the source is, else 10.
        lossless: whether decoded frames equal the encoded ones.
    """

    codec: str = "h264"
    crf: int | None = None
    pix_fmt: str | None = None
    lossless: bool = False


@dataclass(frozen=True)
class Encoder:
    """An encoder that is installed, ready to be used.

    Attributes:
        name: FFmpeg's.
        pix_fmt: FFmpeg's.
        options: FFmpeg's.
    """

    name: str
    pix_fmt: str
    options: dict[str, str]

    @property
    def layout(self) -> Any:
        """PyAV's description of the pixels."""
        return import_av().VideoFormat(self.pix_fmt, 16, 16)

    @property
    def bits(self) -> int:
        """Of a sample."""
        return int(max(component.bits for component in self.layout.components))

    def options_for(self, frames: int, height: int, width: int) -> dict[str, str]:
        """Its options for a film: large frames are looked ahead at less, for the memory's sake."""
        ahead = int(_AHEAD_BYTES / (_BYTES_A_PIXEL_AHEAD * height * width)) - _AHEAD_BESIDE
        if self.name == "libx264" and ahead < _X264_AHEAD:
            return {**self.options, "rc-lookahead": str(max(ahead, _LEAST_AHEAD))}
        if self.name == "libsvtav1":
            sparing = _AV1_SPARING if height * width > _AV1_LARGE else ""
            return {**self.options, "svtav1-params": f"lp={_AV1_THREADS}{sparing}"}
        if self.name != "libx265":
            return self.options
        more = ""
        if frames < _FEW:  # it leaves the order of so few open, which MP4 refuses
            more = ":bframes=0"
        elif ahead < _X265_AHEAD:
            more = f":rc-lookahead={max(ahead, _LEAST_AHEAD)}"
        return {**self.options, "x265-params": self.options["x265-params"] + more}

    def says_aspect(self, in_matroska: bool) -> bool:
        """Whether a file holds the shape of pixels; Matroska itself does not get it from PyAV."""
        return not in_matroska or self.name.startswith("libx26")


def choose_encoder(asked: Encoding, suffix: str, source_bits: int) -> Encoder:
    """The encoder for a file, so that what cannot be done is known before the first frame.

    Args:
        asked: by the user.
        suffix: of the file.
        source_bits: 8, or 16 for a source of more.

    Raises:
        RestoreError: codec, container, crf or pixels do not go together, or the PyAV that is
            installed has no such encoder.
        VideoError: PyAV is not installed.
    """
    codec = CODECS[asked.codec]
    if suffix not in codec.suffixes:
        raise RestoreError(
            f"--codec {asked.codec} in a {suffix} file: it is stored in {_either(codec.suffixes)}"
        )
    options, formats = dict(codec.options), codec.formats
    if asked.lossless:
        if codec.lossless is None:
            names = [name for name, other in CODECS.items() if other.lossless]
            raise RestoreError(f"--codec {asked.codec} --lossless: need one of {_either(names)}")
        options, formats = dict(codec.lossless[0]), codec.lossless[1]
    options |= _loss(asked, codec)
    return _installed(asked, codec, asked.pix_fmt or _usual(formats, source_bits), options)


def _loss(asked: Encoding, codec: Codec) -> dict[str, str]:
    if codec.crf is None or asked.lossless:
        if asked.crf is not None:
            why = "is lossless" if asked.lossless or codec.lossless else "has a fixed quality"
            raise RestoreError(
                f"--codec {asked.codec} --crf {asked.crf}: it {why}; leave --crf out"
            )
        return {}
    usual, largest = codec.crf
    crf = usual if asked.crf is None else asked.crf
    if not 0 <= crf <= largest:
        raise RestoreError(f"--crf {crf}: need 0 to {largest} for {asked.codec}")
    return {"crf": str(crf)}


def _usual(formats: Mapping[int, str], bits: int) -> str:
    return formats[8] if bits == 8 and 8 in formats else formats[max(formats)]


def _installed(asked: Encoding, codec: Codec, pix_fmt: str, options: dict[str, str]) -> Encoder:
    av = import_av(f"--codec {asked.codec}")
    allowed: list[str] = []
    found = []
    for name in codec.encoders:
        try:
            formats = av.Codec(name, "w").video_formats or []
        except ValueError:  # unknown to this build
            continue
        found.append(name)
        names = [layout.name for layout in formats if _holds_colour(layout)]
        if pix_fmt in names:
            return Encoder(name, pix_fmt, options)
        allowed += names
    if not found:
        raise RestoreError(
            f"--codec {asked.codec}: PyAV {av.__version__} as it is installed here has no encoder "
            f"{_either(codec.encoders)}; choose another codec, or install PyAV's own wheels: "
            "pip install --upgrade --force-reinstall av"
        )
    raise RestoreError(
        f"--pix-fmt {pix_fmt}: {asked.codec} ({', '.join(found)}) has {_either(allowed)}"
    )


def _holds_colour(layout: Any) -> bool:
    """No grey, no alpha, no full range by its name: pixels that frames can be turned into."""
    kinds = layout.components
    return (
        len(kinds) == 3
        and not any(component.is_alpha for component in kinds)
        and not layout.has_palette
        and not layout.is_big_endian
        and not layout.name.startswith(("yuvj", "nv", "p0", "yuv410", "yuv411", "gbrpf"))
    )


def _either(names: Any) -> str:
    *some, last = names
    return f"{', '.join(some)} or {last}" if some else str(last)
