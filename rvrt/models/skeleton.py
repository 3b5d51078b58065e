"""What RVRT and RVRT Light have in common: everything but flows and alignment."""

from __future__ import annotations

from collections import OrderedDict

import mindspore as ms
from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution, NetworkConfig, SkeletonConfig
from rvrt.models import grids
from rvrt.models.flow_warp import resize
from rvrt.models.linear import Conv
from rvrt.models.propagation import BRANCHES, Branch, Clips, Flow, propagate
from rvrt.models.rows import Shape
from rvrt.models.rstb import RSTBWithInputConv
from rvrt.models.upsampler import Upsampler
from rvrt.models.window_attention import VideoShape

_FIRST_DETAIL = 0.1

# Optical flow between neighbouring frames, (B*(T-1)*H*W, 2) of (dx, dy) each: from each frame but
# the first to the one before, and from each but the last to the next.
Flows = tuple[Tensor, Tensor]


def check_input(x_BTCHW: Tensor, config: NetworkConfig) -> None:
    """Raise ValueError for frames that the network cannot take."""
    name, side = config.title, config.smallest_side
    shape = tuple(x_BTCHW.shape)
    if len(shape) != 5 or shape[2] != 3 or 0 in shape:
        raise ValueError(f"input of shape {shape}: {name} takes (batch, frames, 3, height, width)")
    if x_BTCHW.dtype != ms.float32:
        raise ValueError(f"input of type {x_BTCHW.dtype}: {name} takes float32 in 0..1")
    if shape[1] % 2:
        raise ValueError(
            f"{shape[1]} frames: {name} works on clips of 2, so their number must be even and at "
            f"least 2; repeat a frame and drop its result"
        )
    if min(shape[3:]) < side:
        raise ValueError(
            f"frames of {shape[3]}x{shape[4]}: {name} takes {side} pixels or more on each "
            f"side; pad the frames and crop the result"
        )


def split_clips(x_RC: Tensor, batch: int, size: int) -> Clips:
    """Rows of (B, `size`) clips as a list of `size`, each of B clips."""
    if size == 1:
        return [x_RC]
    clips = x_RC.reshape(batch, size, -1, x_RC.shape[1])
    return [clips[:, i].reshape(-1, x_RC.shape[1]) for i in range(size)]


def join_clips(clips: Clips, batch: int) -> Tensor:
    """The inverse of `split_clips`."""
    if len(clips) == 1:
        return clips[0]
    channels = clips[0].shape[1]
    apart = tuple(x.reshape(batch, -1, channels) for x in clips)
    return ops.stack(apart, 1).reshape(-1, channels)


class Skeleton(nn.Cell):
    """Feature extraction, four branches, reconstruction, upsampling.

    A network adds `_flows`, which gives what its alignments follow, and `_align`.
    """

    def __init__(self, config: SkeletonConfig, execution: Execution, align: type[nn.Cell]) -> None:
        super().__init__()
        self.config, self.execution = config, execution
        dim, native = config.embed_dim, execution.native
        self.resize = grids.resize if native else resize
        self.dtype = getattr(ms, execution.dtype)
        self.feat_extract = RSTBWithInputConv(config, execution, 3, part=0)
        self.backbone = nn.CellDict(
            OrderedDict(
                (branch.name, RSTBWithInputConv(config, execution, (2 + i) * dim, part=1))
                for i, branch in enumerate(BRANCHES)
            )
        )
        self.deform_align = nn.CellDict(
            OrderedDict((branch.name, align(config, execution)) for branch in BRANCHES)
        )
        inputs = (1 + len(BRANCHES)) * dim
        self.reconstruction = RSTBWithInputConv(config, execution, inputs, part=2)
        self.conv_before_upsampler = nn.SequentialCell(
            OrderedDict([("0", Conv(dim, config.upsample_dim, 1, slope=0.1, how=execution))])
        )
        self.upsampler = Upsampler(config.upsample_dim, config.upscale, execution)
        self.conv_last = Conv(config.upsample_dim, 3, 3, how=execution)
        for parameter in self.conv_last.get_parameters():  # begin near the bilinear enlargement
            parameter.set_data(parameter * _FIRST_DETAIL)
        self._recompute(execution.recompute)

    def _recompute(self, parts: tuple[str, ...]) -> None:
        cells = {
            "feat_extract": [self.feat_extract],
            "alignment": self.deform_align.values(),
            "backbone": self.backbone.values(),
            "reconstruction": [self.reconstruction],
            "upsampler": [self.upsampler],
        }
        for part in parts:
            for cell in cells[part]:
                cell.recompute()

    def hold_weights(self) -> None:
        """Hold the weights in the dtype that they compute in, so that no call casts them.

        For restoring alone: the small steps of a training are lost in float16. Cells that give
        positions (`in_float32`) keep theirs.
        """
        exact = {
            parameter.name
            for _, cell in self.cells_and_names()
            if getattr(cell, "in_float32", False)
            for parameter in cell.get_parameters()
        }
        for parameter in self.get_parameters():
            if parameter.name not in exact:
                parameter.set_dtype(self.dtype)

    def _flows(
        self,
        x_BTCHW: Tensor,
        given: Flows | None,
        mirrored: bool | None,
    ) -> tuple[list[Flow], list[Flow]]:
        """What the forward and what the backward branches follow, step by step of each: T/2-1.

        `given` and `mirrored` are as `construct` takes them.
        """
        raise NotImplementedError

    def _align(
        self,
        cell: nn.Cell,
        q_RC: Tensor,
        k_RC: Tensor,
        v_RC: Tensor,
        flow: Flow,
        shape_BHW: Shape,
    ) -> tuple[Tensor, Flow]:
        """Align the previous clip's features `v` (and `k`) to this clip's `q`, by one of the cells
        given as `align`; returns them and the flow as the alignment has improved it."""
        raise NotImplementedError

    def construct(
        self, x_BTCHW: Tensor, flows: Flows | None = None, mirrored: bool | None = None
    ) -> Tensor:
        """(B, T, 3, H, W) float32 in 0..1 -> (B, T, 3, s*H, s*W) float32.

        `flows` takes the place of RVRT's own optical flow: as `RVRT.optical_flows` gives them.
        `mirrored` says whether frame i equals frame T-1-i, so that half the flows come for nothing;
        None: the frames are looked at, which a compiled whole graph cannot do.
        """
        check_input(x_BTCHW, self.config)
        batch, frames, _, h, w = x_BTCHW.shape
        clip = (batch, 2, h, w)
        # Where clips do not depend on each other, a card takes all at once, a CPU one by one.
        size = frames // 2 if self.execution.native else 1
        starts, together = range(0, frames // 2, size), (batch * size, 2, h, w)
        inputs = [x_BTCHW[:, 2 * i : 2 * (i + size)].reshape(-1, 3, h, w) for i in starts]
        shallow: Clips = []
        for x in inputs:
            rows = self.feat_extract((self._rows(x),), together)
            shallow = [*shallow, *split_clips(rows, batch, size)]
        features = [shallow]
        forward, backward = self._flows(x_BTCHW, flows, mirrored)
        for branch in BRANCHES:
            past = backward if branch.backward else forward
            clips, updated = self._branch(branch, features, past, clip)
            features = [*features, clips]
            if branch.reuse_flow:
                continue
            if branch.backward:
                backward = updated
            else:
                forward = updated
        out: Clips = []
        for place, i in enumerate(starts):
            parts = tuple(join_clips(clips[i : i + size], batch) for clips in features)
            rows = self.reconstruction(parts, together)
            restored = self._upsample(rows, inputs[place], together)
            out = [*out, restored.reshape(batch, 2 * size, *restored.shape[2:])]
        return out[0] if len(out) == 1 else ops.cat(tuple(out), 1)

    def _rows(self, x_NCHW: Tensor) -> Tensor:
        rows = ops.transpose(x_NCHW, (0, 2, 3, 1)).reshape(-1, x_NCHW.shape[1])
        return ops.cast(rows, self.dtype)

    def _branch(
        self, branch: Branch, features: list[Clips], flows: list[Flow], clip: VideoShape
    ) -> tuple[Clips, list[Flow]]:
        cell, aligner = self.backbone[branch.name], self.deform_align[branch.name]
        shape = (clip[0], clip[2], clip[3])

        def backbone(maps: tuple[Tensor, ...]) -> Tensor:
            return cell(maps, clip)

        def align(q: Tensor, k: Tensor, v: Tensor, flow: Flow) -> tuple[Tensor, Flow]:
            return self._align(aligner, q, k, v, flow, shape)

        return propagate(branch, features, backbone, align, flows, clip[0])

    def _upsample(self, x: Tensor, lq: Tensor, clip: VideoShape) -> Tensor:
        """Features of one clip and its LQ frames (B*2, 3, H, W) to (B, 2, 3, s*H, s*W)."""
        batch, _, h, w = clip
        n, s = 2 * batch, self.config.upscale
        x = self.conv_before_upsampler[0](x, (n, h, w))
        x = self.conv_last(self.upsampler(x, (n, h, w)), (n, s * h, s * w))
        x = ops.transpose(ops.cast(x, ms.float32).reshape(n, s * h, s * w, 3), (0, 3, 1, 2))
        base = self.resize(lq.reshape(n * 3, h, w), s * h, s * w).reshape(x.shape)
        return (x + base).reshape(batch, 2, 3, s * h, s * w)
