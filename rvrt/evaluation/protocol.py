"""Protocols by name: what of a sequence is measured and averaged, and the figures of others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from rvrt.errors import EvaluationError
from rvrt.evaluation.temporal import Region
from vimeo_tools.data.septuplets import CENTRE_FRAME, FRAME_NUMBERS

# Index of the frame that the published figures are measured on.
CENTRE = CENTRE_FRAME - 1


@dataclass(frozen=True)
class Published:
    """Figures that others publish; PSNR in dB, None where they give none.

    Attributes:
        name: whose, and on what where the protocol is used on several sets.
        protocol: name of the protocol.
        psnr_y: and so on, by the names of the metrics.
        lq: how the LQ frames were made, a name of `vimeo_tools.DEGRADATIONS` or in words.
    """

    name: str
    protocol: str
    psnr_y: float | None = None
    ssim_y: float | None = None
    psnr_rgb: float | None = None
    ssim_rgb: float | None = None
    ssim_matlab: float | None = None
    lq: str = "bicubic"


@dataclass(frozen=True)
class Protocol:
    """What of a sequence is measured, and how it is averaged.

    Attributes:
        name: in `PROTOCOLS`.
        words: what is measured, for tables and reports.
        septuplets: numbers of the frames that are measured of septuplets, which are mirrored to 14
            frames and folded back; empty for sequences of any length, of which all are.
        members: the sequences that it is of, and no others; empty for all that there are.
        skip: frames at either end of a sequence that are restored and not measured.
        border: pixels at each side, at least, that are not measured.
        multiple: the measured sides are multiples of this, in the middle of the frame.
        more: metrics beside those of METRICS, by name.
        average: a mean over the means of sequences, or over all frames alike.
        channel: "y" or "rgb", whose PSNR and SSIM the published figures are.
        enlarges: LQ frames are smaller; without, they are as large, as for deblurring.
        published: figures of others by this protocol.
    """

    name: str
    words: str
    septuplets: tuple[int, ...] = ()
    members: tuple[str, ...] = ()
    skip: int = 0
    border: int = 0
    multiple: int = 1
    more: tuple[str, ...] = ()
    average: Literal["sequences", "frames"] = "sequences"
    channel: Literal["y", "rgb"] = "y"
    enlarges: bool = True
    published: tuple[Published, ...] = ()

    @property
    def main(self) -> tuple[str, str]:
        """PSNR and SSIM that the published figures are given in, by name."""
        ssim = "ssim_matlab" if "ssim_matlab" in self.more else f"ssim_{self.channel}"
        return f"psnr_{self.channel}", ssim

    def region(self, height: int, width: int) -> Region:
        """The part of a frame that is measured.

        Raises:
            EvaluationError: nothing is left of a frame of this size.
        """
        spans = []
        for side in (height, width):
            left = (side - 2 * self.border) // self.multiple * self.multiple
            if left < 1:
                raise EvaluationError(
                    f"frames of {width}x{height}: protocol {self.name} cuts {self.border} pixels "
                    f"at each side and measures multiples of {self.multiple}; nothing is left"
                )
            spans.append(slice((side - left) // 2, (side - left) // 2 + left))
        return Region(*spans)

    def measured(self, count: int) -> range:
        """Which of a sequence's frames are measured, by index.

        Raises:
            EvaluationError: none is left.
        """
        kept = range(self.skip, count - self.skip)
        if not kept:
            raise EvaluationError(
                f"a sequence of {count} frames: protocol {self.name} leaves out {self.skip} at "
                "either end; nothing is left"
            )
        return kept

    def choose(self, names: Collection[str]) -> list[str]:
        """The sequences that are measured, in order.

        Raises:
            EvaluationError: one that belongs to the protocol is missing.
        """
        missing = sorted(set(self.members) - set(names))
        if missing:
            raise EvaluationError(
                f"protocol {self.name} is of the sequences {', '.join(self.members)}: "
                f"{', '.join(missing)} not there"
            )
        return sorted(self.members) if self.members else list(names)

    def published_for(self, lq: str | None) -> tuple[Published, ...]:
        """Figures that were measured on LQ frames made in this way; all where it is not known."""
        return tuple(figures for figures in self.published if lq in (None, figures.lq))


# REDS and Vid4 are measured by the authors' program as any folders: nothing cut, means of means.
_MOTION = ("dpsnr_y",)
_FIRST_FOUR = [
    Protocol(
        "vimeo-centre",
        "centre frame of septuplets, Y",
        septuplets=(CENTRE_FRAME,),
        published=(
            Published("RVRT, authors", "vimeo-centre", 38.15, 0.9527),
            Published("RVRT, mindediting", "vimeo-centre", 38.12),
            Published("RVRT Light, mindediting", "vimeo-centre", 37.91),
            Published("bicubic", "vimeo-centre", 31.32, 0.8684),
        ),
    ),
    Protocol("vimeo-all", "all frames of septuplets, Y", septuplets=FRAME_NUMBERS, more=_MOTION),
    Protocol(
        "vid4",
        "Vid4, all frames, Y",
        members=("calendar", "city", "foliage", "walk"),
        more=_MOTION,
        published=(Published("RVRT, authors", "vid4", 27.99, 0.8462),),
    ),
    Protocol(
        "reds4",
        "REDS4, all frames, RGB",
        members=("000", "011", "015", "020"),
        more=_MOTION,
        channel="rgb",
        published=(Published("RVRT, authors", "reds4", psnr_rgb=32.75, ssim_rgb=0.9113),),
    ),
]
_OTHERS = [
    Protocol("udm10", "UDM10, all frames, Y", more=_MOTION),
    Protocol(
        "duf",
        "without 2 frames at either end and 8 pixels at each side, Y",
        skip=2,
        border=8,
        more=_MOTION,
    ),
    Protocol(
        "tecogan",
        "without 2 frames at either end, in the middle at multiples of 32 pixels, Y and tOF",
        skip=2,
        border=8,
        multiple=32,
        more=("dpsnr_y", "tof"),
        average="frames",
    ),
    Protocol(
        "deblur",
        "all frames of equal size, RGB, MATLAB's psnr and ssim",
        more=("ssim_matlab", "dpsnr_y"),
        average="frames",
        channel="rgb",
        enlarges=False,
        published=(
            Published(
                "RVRT, authors, DVD", "deblur", psnr_rgb=34.30, ssim_matlab=0.9655, lq="motion blur"
            ),
            Published(
                "RVRT, authors, GoPro",
                "deblur",
                psnr_rgb=34.92,
                ssim_matlab=0.9738,
                lq="motion blur",
            ),
        ),
    ),
    Protocol("frames", "all frames of any sequences, Y and RGB", more=_MOTION),
]
# By name; add your own: PROTOCOLS["mine"] = Protocol("mine", ...), in a --plugin.
PROTOCOLS: dict[str, Protocol] = {each.name: each for each in (*_FIRST_FOUR, *_OTHERS)}


def choose_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        EvaluationError: there is none.
    """
    if name not in PROTOCOLS:
        raise EvaluationError(f"protocol {name!r}: there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def protocol_of(names: Iterable[str]) -> Protocol:
    """That of a set that is known by the names of its sequences; else ``frames``."""
    names = set(names)
    known = (each for each in PROTOCOLS.values() if each.members and set(each.members) == names)
    return next(known, PROTOCOLS["frames"])
