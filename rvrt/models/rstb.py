"""Residual Swin Transformer blocks on rows: Liang et al. 2022, section 3.2."""

from __future__ import annotations

import math
from collections import OrderedDict

from mindspore import Tensor, jit, nn, ops

from rvrt.config.network import Execution, SkeletonConfig
from rvrt.models.linear import Conv, Linear
from rvrt.models.window_attention import VideoShape, Window, WindowAttention


def gelu(x: Tensor, kind: str, native: bool = False) -> Tensor:
    """The Gaussian error linear unit, exact ("erf") or by its tanh approximation.

    0.5 * (1 + tanh(u)) is sigmoid(2u), which MindSpore computes more closely on a CPU (its tanh is
    off by 1e-4 near 5).
    """
    if kind == "erf" and native:
        half = x * 0.5
        return ops.addcmul(half, half, ops.erf(x * math.sqrt(0.5)))
    if kind == "erf":
        return x * 0.5 * (ops.erf(x * math.sqrt(0.5)) + 1.0)
    slope = 2 * math.sqrt(2 / math.pi)
    return x * ops.sigmoid((x * x * (0.044715 * slope) + slope) * x)


class RowNorm(nn.LayerNorm):
    """LayerNorm over the channels of rows, computed in float32 whatever the dtype of the rows."""

    def construct(self, x_RC: Tensor) -> Tensor:
        """Normalise (R, C)."""
        out = super().construct(ops.cast(x_RC, self.gamma.dtype))
        return ops.cast(out, x_RC.dtype)


class Mlp(nn.Cell):
    """Two fully connected layers with a GELU between, on rows."""

    def __init__(self, dim: int, ratio: int, kind: str, native: bool = False) -> None:
        super().__init__()
        self.native = native
        self.fc1 = Linear(dim, ratio * dim)
        self.fc2 = Linear(ratio * dim, dim)
        self.kind = kind

    def construct(self, x_RC: Tensor) -> Tensor:
        """(R, C) -> (R, C)."""
        return self.fc2(gelu(self.fc1(x_RC), self.kind, self.native))


class SwinLayer(nn.Cell):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(
        self, config: SkeletonConfig, window: Window, heads: int, shifted: bool, native: bool
    ) -> None:
        super().__init__()
        dim, eps = config.embed_dim, config.layer_norm_eps
        self.norm1 = RowNorm((dim,), epsilon=eps)
        self.attn = WindowAttention(dim, window, heads, shifted, config.relative_position, native)
        self.norm2 = RowNorm((dim,), epsilon=eps)
        self.mlp = Mlp(dim, config.mlp_ratio, config.gelu, native)

    def construct(self, x_RC: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, C) -> (R, C)."""
        x_RC = x_RC + self.attn(self.norm1(x_RC), shape_BTHW)
        return x_RC + self.mlp(self.norm2(x_RC))


class SwinGroup(nn.Cell):
    """`depth` Swin layers, every second one with shifted windows."""

    def __init__(
        self, config: SkeletonConfig, window: Window, heads: int, depth: int, native: bool
    ) -> None:
        super().__init__()
        self.blocks = nn.CellList(
            [SwinLayer(config, window, heads, i % 2 == 1, native) for i in range(depth)]
        )

    def construct(self, x_RC: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, C) -> (R, C)."""
        for block in self.blocks:
            x_RC = block(x_RC, shape_BTHW)
        return x_RC


class RSTB(nn.Cell):
    """x + linear(group of Swin layers)."""

    def __init__(
        self, config: SkeletonConfig, window: Window, heads: int, depth: int, native: bool
    ) -> None:
        super().__init__()
        self.residual_group = SwinGroup(config, window, heads, depth, native)
        self.linear = Linear(config.embed_dim, config.embed_dim)

    def construct(self, x_RC: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, C) -> (R, C)."""
        return x_RC + self.linear(self.residual_group(x_RC, shape_BTHW))


class RSTBWithInputConv(nn.Cell):
    """A 3x3 convolution, LayerNorm, the part's RSTBs, LayerNorm; no residual around it.

    `part` is 0 for feature extraction, 1 for a backbone, 2 for reconstruction: the place of its
    sizes in the config. Only backbones attend across the frames of a clip.
    """

    def __init__(
        self, config: SkeletonConfig, execution: Execution, inputs: int, part: int
    ) -> None:
        super().__init__()
        dim, eps = config.embed_dim, config.layer_norm_eps
        depth = config.window_size[0] if part == 1 else 1
        window = (depth, *config.window_size[1:])
        blocks = [
            RSTB(config, window, config.num_heads[part], config.depths[part], execution.native)
            for _ in range(config.num_blocks[part])
        ]
        if execution.compile_blocks:
            for block in blocks:
                block.construct = jit(block.construct)  # type: ignore[method-assign]
        # the numbers are the authors' places in a sequence that also holds reshapes
        self.main = nn.SequentialCell(
            OrderedDict(
                [
                    ("1", Conv(inputs, dim, 3, how=execution)),
                    ("3", RowNorm((dim,), epsilon=eps)),
                    ("5", nn.SequentialCell(*blocks)),
                    ("7", RowNorm((dim,), epsilon=eps)),
                ]
            )
        )

    def recompute(self) -> None:
        """Compute the RSTBs again in the backward pass, one at a time."""
        for block in self.main[2]:
            block.recompute()

    def construct(self, x_RI: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, I) -> (R, C)."""
        conv, norm, blocks, last_norm = self.main
        x_RC = norm(conv(x_RI, (shape_BTHW[0] * shape_BTHW[1], shape_BTHW[2], shape_BTHW[3])))
        for block in blocks:
            x_RC = block(x_RC, shape_BTHW)
        return last_norm(x_RC)
