"""Residual Swin Transformer blocks on rows: Liang et al. 2022, section 3.2."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, jit, nn, ops

from rvrt.config.network import Execution, SkeletonConfig
from rvrt.models.kernels import calls, tensors
from rvrt.models.linear import Conv, Linear
from rvrt.models.window_attention import (
    VideoShape,
    Window,
    WindowAttention,
    plan_bias_index,
    plan_windows,
)


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

    def arrays(self) -> tuple[calls.Array, calls.Array]:
        """Scale and shift."""
        return tensors.array(self.gamma), tensors.array(self.beta)


@lru_cache(maxsize=64)
def compiled_windows(size: tuple[int, int, int], window: Window, shifted: bool) -> calls.Windows:
    """`plan_windows` as the compiled part reads it."""
    plan = plan_windows(size, window, shifted)
    plain = ~plan.masks_MNN.any((1, 2))
    return calls.Windows(
        np.ascontiguousarray(plan.tokens_SN, np.int32),
        plan.kind_S.astype(np.int32),
        plain.astype(np.int32),
        plan.masks_MNN,
    )


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

    def by_kernels(self, x_RC: calls.Array) -> calls.Array:
        """x + mlp(x), by the compiled part."""
        hidden = self.fc1.by_kernels(x_RC, calls.After(calls.GELU[self.kind]))
        return self.fc2.by_kernels(hidden, calls.After(residual=x_RC))


class _CompiledLayer(nn.Cell):
    """A Swin layer by the compiled part, which computes it again for its gradients."""

    def __init__(self, attn: WindowAttention, epsilon: float, gelu_kind: str) -> None:
        super().__init__()
        self.window, self.shifted, self.heads = attn.window, attn.shifted, attn.heads
        self.epsilon, self.gelu = epsilon, calls.GELU[gelu_kind]

    def construct(self, x_RC: Tensor, *given: Tensor | int) -> Tensor:
        """(R, C) -> (R, C). `given`: scales and shifts, weights and biases in the order in which
        they are used, the table of position biases if there is one, B, T, H, W."""
        batch, windows, weights = self._read(*given)
        return tensors.tensor(calls.layer(tensors.array(x_RC), batch, windows, weights))

    def bprop(self, x_RC: Tensor, *given: Any) -> tuple[Any, ...]:
        """Gradients of the rows and of all that is given."""
        *inputs, _, dout = given
        batch, windows, weights = self._read(*inputs)
        x_grad, grads, positions = calls.layer_gradients(
            tensors.array(x_RC), batch, windows, weights, tensors.array(dout)
        )
        if positions is not None:
            index = plan_bias_index(self.window, self._size(inputs)).reshape(-1)
            entries = inputs[12].shape[0]
            sums = [np.bincount(index, grad.reshape(-1), entries) for grad in positions]
            grads.append(np.stack(sums, 1).astype(np.float32))
        return (tensors.tensor(x_grad), *map(tensors.tensor, grads), 0, 0, 0, 0)

    @staticmethod
    def _size(given: Sequence[Any]) -> tuple[int, int, int]:
        t, h, w = given[-3:]
        return t, h, w

    def _read(self, *given: Any) -> tuple[int, calls.Windows, calls.LayerWeights]:
        size = self._size(given)
        windows = compiled_windows(size, self.window, self.shifted)
        arrays = tuple(tensors.array(a) for a in given[:12])
        positions = None
        if len(given) > 16:
            entries = tensors.array(given[12]).T[:, plan_bias_index(self.window, size)]
            positions = np.ascontiguousarray(entries)
        weights = calls.LayerWeights(arrays, positions, self.heads, self.epsilon, self.gelu)
        return given[-4], windows, weights


class SwinLayer(nn.Cell):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(
        self, config: SkeletonConfig, window: Window, heads: int, shifted: bool, how: Execution
    ) -> None:
        super().__init__()
        dim, eps, native = config.embed_dim, config.layer_norm_eps, how.native
        self.kernels = how.kernels
        self.norm1 = RowNorm((dim,), epsilon=eps)
        self.attn = WindowAttention(
            dim, window, heads, shifted, config.relative_position, native, how.fused_windows
        )
        self.norm2 = RowNorm((dim,), epsilon=eps)
        self.mlp = Mlp(dim, config.mlp_ratio, config.gelu, native)
        self.compiled_layer = _CompiledLayer(self.attn, eps, config.gelu)

    def construct(self, x_RC: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, C) -> (R, C)."""
        if self.kernels:
            return self.compiled_layer(x_RC, *self._parameters(), *shape_BTHW)
        x_RC = x_RC + self.attn(self.norm1(x_RC), shape_BTHW)
        return x_RC + self.mlp(self.norm2(x_RC))

    def _parameters(self) -> list[Parameter]:
        """In the order in which they are used, the position biases last."""
        attn, mlp = self.attn, self.mlp
        norms = [[norm.gamma, norm.beta] for norm in (self.norm1, self.norm2)]
        linears = [[x.weight, x.bias] for x in (attn.qkv_self, attn.proj, mlp.fc1, mlp.fc2)]
        used = [norms[0], *linears[:2], norms[1], *linears[2:]]
        table = [attn.relative_position_bias_table] if attn.relative_position else []
        return [*(parameter for pair in used for parameter in pair), *table]


class SwinGroup(nn.Cell):
    """`depth` Swin layers, every second one with shifted windows."""

    def __init__(
        self, config: SkeletonConfig, window: Window, heads: int, depth: int, how: Execution
    ) -> None:
        super().__init__()
        self.blocks = nn.CellList(
            [SwinLayer(config, window, heads, i % 2 == 1, how) for i in range(depth)]
        )

    def construct(self, x_RC: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, C) -> (R, C)."""
        for block in self.blocks:
            x_RC = block(x_RC, shape_BTHW)
        return x_RC


class RSTB(nn.Cell):
    """x + linear(group of Swin layers)."""

    def __init__(
        self, config: SkeletonConfig, window: Window, heads: int, depth: int, how: Execution
    ) -> None:
        super().__init__()
        self.kernels = how.kernels
        self.residual_group = SwinGroup(config, window, heads, depth, how)
        self.linear = Linear(config.embed_dim, config.embed_dim)

    def construct(self, x_RC: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, C) -> (R, C)."""
        if self.kernels and tensors.wanted():
            out = tensors.array(self.residual_group(x_RC, shape_BTHW))
            after = calls.After(residual=tensors.array(x_RC))
            return tensors.tensor(self.linear.by_kernels(out, after))
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
        self.kernels = execution.kernels
        depth = config.window_size[0] if part == 1 else 1
        window = (depth, *config.window_size[1:])
        blocks = [
            RSTB(config, window, config.num_heads[part], config.depths[part], execution)
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

    def construct(self, maps: tuple[Tensor, ...], shape_BTHW: VideoShape) -> Tensor:
        """Maps side by side, (R, I) together -> (R, C)."""
        conv, norm, blocks, last_norm = self.main
        shape = (shape_BTHW[0] * shape_BTHW[1], shape_BTHW[2], shape_BTHW[3])
        if self.kernels and tensors.wanted():
            how = (*norm.arrays(), norm.epsilon)
            x_RC = tensors.tensor(conv.by_kernels([tensors.array(x) for x in maps], shape, how))
        else:
            x_RC = norm(conv(maps[0] if len(maps) == 1 else ops.cat(maps, 1), shape))
        for block in blocks:
            x_RC = block(x_RC, shape_BTHW)
        return last_norm(x_RC)
