"""A network on windows of a clip, its optical flow taken from the whole frame.

SpyNet's coarsest level sees the whole frame, so the flow of a window differs from the frame's even
far from the window's edge. It needs less memory than the rest; it is computed once for all windows.
"""

import math
from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from rvrt.tiling import Picture, Span


class WindowedNetwork:
    """Calls an RVRT or RVRT Light on windows; see `rvrt.tiling.Run`.

    Frames of more than `flow_pixels` pixels get the flow of each window.
    """

    def __init__(self, network: nn.Cell, flow_pixels: float = math.inf):
        self._network = network
        self._flow_pixels = flow_pixels
        self._clip: Picture | None = None
        self._flows: tuple[Picture, Picture]

    def __call__(self, clip: Picture, rows: Span, columns: Span) -> Picture:
        """(T, 3, H, W) float32 and spans -> (T, 3, scale*h, scale*w) float32 of the window."""
        window = np.ascontiguousarray(clip[:, :, slice(*rows), slice(*columns)])
        spynet = getattr(self._network, "spynet", None)
        too_large = math.prod(clip.shape[2:]) > self._flow_pixels
        if spynet is None or too_large or window.shape == clip.shape:
            return self._run(window)
        if self._clip is not clip:
            self._clip, self._flows = clip, whole_flows(spynet, clip)
        cropped = [maps[:, slice(*rows), slice(*columns)] for maps in self._flows]
        # The network's own flow, for the length of one call; its parameters stay as they are.
        spynet.construct = _given_flows(window, cropped)
        try:
            return self._run(window)
        finally:
            del spynet.construct

    def _run(self, window: Picture) -> Picture:
        restored: Picture = self._network(ms.Tensor(window[None])).asnumpy()[0]
        return restored


def whole_flows(spynet: nn.Cell, clip: Picture) -> tuple[Picture, Picture]:
    """Flow from each frame to the next and back, one pair at a time: two of (T-1, H, W, 2)."""
    _, _, height, width = clip.shape

    def flow(start: int, end: int) -> Picture:
        ref, supp = ms.Tensor(clip[start : start + 1]), ms.Tensor(clip[end : end + 1])
        rows: Picture = spynet(ref, supp).asnumpy()
        return rows.reshape(height, width, 2)

    pairs = range(len(clip) - 1)
    backward = np.stack([flow(index, index + 1) for index in pairs])
    return backward, np.stack([flow(index + 1, index) for index in pairs])


def _given_flows(window: Picture, flows: list[Picture]) -> Callable[[Tensor, Tensor], Tensor]:
    """What the network calls in place of SpyNet: first for flow to the next frames, then back."""
    expected = iter(zip((window[:-1], window[1:]), flows, strict=True))

    def construct(ref: Tensor, _supp: Tensor) -> Tensor:
        frames, maps = next(expected)
        if not np.array_equal(ref.asnumpy(), frames):
            raise RuntimeError("the network asks for flows in another order than it used to")
        return ms.Tensor(np.ascontiguousarray(maps).reshape(-1, 2))

    return construct
