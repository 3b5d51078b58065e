"""A network on windows of a clip, its optical flow taken from the whole frame.

SpyNet's coarsest level sees the whole frame, so the flow of a window differs from the frame's even
far from the window's edge. It needs less memory than the rest; it is computed once for all windows.
"""

import math

import mindspore as ms
import numpy as np
from mindspore import nn

from rvrt.restoration.tiling import Picture, Span


class WindowedNetwork:
    """Calls an RVRT or RVRT Light on windows; see `rvrt.restoration.tiling.Run`.

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
        return self._run(window, *(maps[:, slice(*rows), slice(*columns)] for maps in self._flows))

    def _run(self, window: Picture, *flows: Picture) -> Picture:
        given = tuple(ms.Tensor(np.ascontiguousarray(maps).reshape(-1, 2)) for maps in flows)
        inputs = (ms.Tensor(window[None]), given) if given else (ms.Tensor(window[None]),)
        restored: Picture = self._network(*inputs).asnumpy()[0]
        return restored


def whole_flows(spynet: nn.Cell, clip: Picture) -> tuple[Picture, Picture]:
    """`RVRT.optical_flows` of a clip, one pair of frames at a time: (T-1, H, W, 2), twice."""
    _, _, height, width = clip.shape

    def flow(start: int, end: int) -> Picture:
        ref, supp = ms.Tensor(clip[start : start + 1]), ms.Tensor(clip[end : end + 1])
        rows: Picture = spynet(ref, supp).asnumpy()
        return rows.reshape(height, width, 2)

    pairs = range(len(clip) - 1)
    forward = np.stack([flow(index + 1, index) for index in pairs])
    return forward, np.stack([flow(index, index + 1) for index in pairs])
