"""Who made low-quality frames, and how: told from some GT frames and theirs.

Every maker that is known makes its own of the GT frames; the one that leaves no sample different is
found. Where none does, `vimeo_tools.degradations.fitting` says where the pixels lie.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.degradations import DEGRADATIONS
from vimeo_tools.degradations.base import Degradation, Frame
from vimeo_tools.degradations.bicubic import Bicubic
from vimeo_tools.degradations.blur import BORDERS, BlurDown
from vimeo_tools.degradations.detection import Crop, Detection, Fit
from vimeo_tools.degradations.fitting import Pairs, Shape, estimate, own_blurs
from vimeo_tools.degradations.others import OTHER_MAKERS, block_middle
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.resize.matlab import CONVENTIONS

# Frames of more LQ pixels are looked at in pieces: two corners, and where most is to be seen.
_WHOLE = 112 * 64 * 4
_SIDE = 96
_MARGIN = 8  # LQ pixels that a known kernel reaches at most
_OFFSETS = 64  # crops that are all tried
_PIECES_TO_FIT = 3
_WIDEST_SIGMA = 20
_WORDS = {
    "bd": "the blur of KAIR, BasicSR and RCAN",
    "bd-duf": "DUF's blur",
    "bd-sofvsr": "SOF-VSR's blur",
    "bd-tecogan": "TecoGAN's blur",
}


class _Piece(NamedTuple):
    """A part of a frame, and which of its LQ pixels no cut edge touches."""

    gt: Frame
    lq: Frame
    inside: tuple[slice, slice]


class _Candidate(NamedTuple):
    name: str
    words: str
    made: Degradation
    middle: float | None


def detect_degradation(
    gt: Frame | Sequence[Frame], lq: Frame | Sequence[Frame], scale: int | None = None
) -> Detection:
    """Who made ``lq`` of ``gt``, and how.

    Args:
        gt: uint8; one frame (H, W) or (H, W, C), a stack (N, H, W, C), or a sequence of frames.
        lq: the same frames, ``scale`` times smaller; C of RGB or BGR. GT may be larger than that:
            which part of it was used is found.
        scale: how many times smaller; None for what the sizes say.

    Raises:
        SettingsError: LQ frames are not GT frames made smaller, or of scale 1.
        FrameError: one is grey and the other in colour.
    """
    pairs = list(zip(_frames(gt), _frames(lq), strict=True))
    if not pairs:
        raise SettingsError("no frame to look at")
    for large, small in pairs:
        if large.ndim != small.ndim:
            raise FrameError("one of GT and LQ is grey, the other in colour")
    scale = scale or _scale(*pairs[0])
    crop, swapped = _view(pairs, scale)
    seen = [_seen(large, small, crop, swapped) for large, small in pairs]
    pieces = [list(_pieces(large, small, scale)) for large, small in seen]
    candidates = _candidates(scale)
    by_frame = [_fits(candidates, each, scale) for each in pieces]
    fits = sorted((sum(each[1:], each[0]) for each in zip(*by_frame, strict=True)), key=_order)
    detection = Detection(
        scale=scale,
        frames=len(pairs),
        fits=tuple(fits),
        each=tuple(min(found, key=_order) for found in by_frame),
        channels="grey" if pairs[0][1].ndim == 2 else "BGR" if swapped else "RGB",
        crop=crop,
    )
    return detection if detection.known else _estimated(detection, pieces)


def _frames(frames: Frame | Sequence[Frame]) -> Sequence[Frame]:
    single = isinstance(frames, np.ndarray) and frames.ndim < 4
    return [frames] if single else frames  # type: ignore[list-item, return-value]


def _scale(gt: Frame, lq: Frame) -> int:
    rows, columns = (large / small for large, small in zip(gt.shape[:2], lq.shape[:2], strict=True))
    scale = round(min(rows, columns))
    if gt.shape[:2] == lq.shape[:2]:
        raise SettingsError(
            f"GT and LQ frames are both of {gt.shape[1]}x{gt.shape[0]}: nobody made them smaller"
        )
    if scale < 2 or max(rows, columns) > 2 * scale:
        large, small = (f"{frame.shape[1]}x{frame.shape[0]}" for frame in (gt, lq))
        raise SettingsError(
            f"GT frames of {large} with LQ frames of {small}: LQ is not GT made smaller"
        )
    return scale


def _candidates(scale: int) -> list[_Candidate]:
    """All that are known at this scale, ours first."""
    middle: float | None = block_middle(scale)
    found = [
        _Candidate(f"bicubic-{name}", f"MATLAB's bicubic, {name} convention", Bicubic(name), middle)
        for name in CONVENTIONS
    ]
    for name, made in DEGRADATIONS.items():
        if scale in made.scales and not isinstance(made, Bicubic):
            middle = _blur_middle(made, scale) if isinstance(made, BlurDown) else None
            found.append(_Candidate(name, _WORDS.get(name, name), made, middle))
    others = (_Candidate(o.name, o.words, o, o.middle(scale)) for o in OTHER_MAKERS)
    return [*found, *others]


def _blur_middle(made: BlurDown, scale: int) -> float:
    blur = made.blur(scale)
    return blur.phase + (0.5 if blur.kernel % 2 == 0 else 0)


# --- what is looked at --------------------------------------------------------------------------


def _view(pairs: Sequence[tuple[Frame, Frame]], scale: int) -> tuple[Crop | None, bool]:
    """The part of GT that LQ shows, and whether channels are swapped, by one piece of a frame."""
    gt, lq = max(pairs, key=lambda pair: float(pair[1].std()))
    orders = [False, True] if lq.ndim == 3 and lq.shape[2] == 3 else [False]
    views = [(crop, swapped) for crop in _crops(gt, lq, scale) for swapped in orders]
    if len(views) == 1:
        return views[0]
    fits = []
    for crop, swapped in views:
        large, small = _seen(gt, lq, crop, swapped)
        piece = _most_varied(large, small, scale)
        fits.append(min(_fits(_candidates(scale), [piece], scale), key=_order))
        if not fits[-1].differing and fits[-1].samples:
            break
    best = min(range(len(fits)), key=lambda n: (fits[n].residual, n))
    return views[best]


def _crops(gt: Frame, lq: Frame, scale: int) -> list[Crop | None]:
    """Parts of GT that LQ may show, the likeliest first; None for all of it."""
    height, width = (scale * n for n in lq.shape[:2])
    more = gt.shape[0] - height, gt.shape[1] - width
    whole = all(-scale < n <= 0 for n in more)  # with a part of a block, as imresize makes it
    if whole or min(more) < 0:
        return [None]
    tops, lefts = ([*range(n + 1)] for n in more)
    if len(tops) * len(lefts) > _OFFSETS:
        tops, lefts = (sorted({0, n // 2, n}) for n in more)
    return [Crop(top, left, height, width) for top, left in product(tops, lefts)]


def _seen(gt: Frame, lq: Frame, crop: Crop | None, swapped: bool) -> tuple[Frame, Frame]:
    large = gt if crop is None else crop.of(gt)
    return large, (lq[..., ::-1] if swapped else lq)


def _pieces(gt: Frame, lq: Frame, scale: int) -> Iterator[_Piece]:
    height, width = lq.shape[:2]
    if height * width <= _WHOLE:
        yield _piece(gt, lq, scale, (0, 0), (height, width))
        return
    side = min(height, _SIDE), min(width, _SIDE)
    yield _piece(gt, lq, scale, (0, 0), side)
    if gt.shape[:2] == (scale * height, scale * width):
        yield _piece(gt, lq, scale, (height - side[0], width - side[1]), side)
    yield _most_varied(gt, lq, scale)


def _most_varied(gt: Frame, lq: Frame, scale: int) -> _Piece:
    """The part, of a grid of them, whose samples vary most."""
    height, width = lq.shape[:2]
    side = min(height, _SIDE), min(width, _SIDE)
    tops = range(0, height - side[0] + 1, max(side[0] // 2, 1))
    lefts = range(0, width - side[1] + 1, max(side[1] // 2, 1))

    def variation(corner: tuple[int, int]) -> float:
        part = lq[corner[0] :, corner[1] :][: side[0], : side[1]]
        return float(part.std(axis=(0, 1)).mean())

    return _piece(gt, lq, scale, max(product(tops, lefts), key=variation), side)


def _piece(
    gt: Frame, lq: Frame, scale: int, corner: tuple[int, int], side: tuple[int, int]
) -> _Piece:
    """A part with the margin that kernels need, where there is one."""
    cuts, inside = [], []
    for start, count, length in zip(corner, side, lq.shape[:2], strict=True):
        low, high = max(start - _MARGIN, 0), min(start + count + _MARGIN, length)
        cuts.append((low, high if high < length else None))
        inside.append(slice(start - low, start - low + count))
    (top, bottom), (left, right) = cuts
    large = gt[top * scale : bottom and bottom * scale, left * scale : right and right * scale]
    return _Piece(large, lq[top:bottom, left:right], (inside[0], inside[1]))


# --- comparing ----------------------------------------------------------------------------------


def _order(fit: Fit) -> tuple[int, int, float]:
    return fit.differing, fit.ties, fit.residual


def _fits(candidates: Sequence[_Candidate], pieces: Sequence[_Piece], scale: int) -> list[Fit]:
    """Of each candidate, over all pieces."""
    each = ([_fit(candidate, piece, scale) for piece in pieces] for candidate in candidates)
    return [sum(rest, first) for first, *rest in each]


def _fit(candidate: _Candidate, piece: _Piece, scale: int) -> Fit:
    lq = piece.lq[piece.inside]
    gap = np.full(lq.shape, 255.0)  # where it makes no frame of this size
    levels = np.empty(0)
    with contextlib.suppress(FrameError):
        levels = candidate.made.levels(piece.gt, scale)
    if levels.shape == piece.lq.shape:
        gap = np.abs(lq - np.clip(levels[piece.inside], 0, 255))
    tie = candidate.made.tie
    return Fit(
        candidate.name,
        candidate.words,
        candidate.made,
        candidate.middle,
        samples=gap.size,
        differing=int((gap > 0.5 + tie).sum()),
        ties=int((np.abs(gap - 0.5) <= tie).sum()) if tie else 0,
        largest=int(np.ceil(gap.max() - 0.5 - tie)),
        squares=float(np.square(gap).sum()),
    )


# --- makers that are not known ------------------------------------------------------------------


def _estimated(detection: Detection, pieces: Sequence[Sequence[_Piece]]) -> Detection:
    """The same with what can be said of an unknown maker."""
    scale = detection.scale
    if detection.flat or detection.mixed or not _whole_blocks(pieces[0][0], scale):
        return detection
    varied = sorted((piece for frame in pieces for piece in frame), key=_variation)
    some = varied[-_PIECES_TO_FIT:]
    greys: Pairs = [(_grey(piece.gt), _grey(piece.lq)) for piece in some]
    shape = estimate(greys, scale)
    own = _own_fit(greys, pieces[0], scale, shape)
    fits = list(detection.fits)
    if own is not None:
        each = [_fits([own], frame, scale)[0] for frame in pieces]
        fits = sorted([sum(each[1:], each[0]), *fits], key=_order)
    return replace(detection, shape=shape, fits=tuple(fits))


def _whole_blocks(piece: _Piece, scale: int) -> bool:
    return piece.gt.shape[:2] == tuple(scale * n for n in piece.lq.shape[:2])


def _variation(piece: _Piece) -> float:
    return float(piece.lq.std(axis=(0, 1)).mean())


def _grey(frame: Frame) -> npt.NDArray[np.float64]:
    grey: npt.NDArray[np.float64] = frame.reshape(*frame.shape[:2], -1).mean(axis=2)
    return grey


def _own_fit(greys: Pairs, pieces: Sequence[_Piece], scale: int, shape: Shape) -> _Candidate | None:
    """A Gaussian of the likeliest kernel, phase and border; None where it is none of ours."""
    tried = []
    for own in own_blurs(greys, scale, shape):
        for border in BORDERS if 0.1 <= own.sigma <= _WIDEST_SIGMA else ():
            made = BlurDown("bd", own.sigma, own.kernel, own.phase, border)
            words = (
                f"a Gaussian of sigma {own.sigma:g}, {own.kernel}x{own.kernel}, {border} border "
                f"(--degradation '{made}')"
            )
            candidate = _Candidate("own", words, made, _blur_middle(made, scale))
            tried.append((_order(_fits([candidate], pieces, scale)[0]), candidate))
    return min(tried, key=lambda one: one[0])[1] if tried else None
