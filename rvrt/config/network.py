"""What a network is and how it is run: frozen values, checked when they are built."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from rvrt.config.sizes import rvrt_numbers, skeleton_numbers
from rvrt.errors import ConfigError

_Triple = tuple[int, int, int]

# Far beyond every network that was published, and far below what no machine holds.
_MOST_CHANNELS = 4096
_MOST_PARTS = 64
_MOST_TOKENS = 1024  # the attention of a window takes the square of it
_MOST_UPSCALE = 64
_MOST_PIXELS = 10_000


def require(holds: bool, message: str) -> None:
    """Raise ConfigError with this message where it does not hold."""
    if not holds:
        raise ConfigError(message)


def _whole(field: str, value: int, most: int) -> None:
    require(
        type(value) is int and 0 < value <= most,
        f"{field}={value!r}: expected a whole number from 1 to {most}",
    )


def _choice(field: str, value: str, allowed: tuple[str, ...]) -> None:
    require(value in allowed, f"{field}={value!r}: expected one of {', '.join(allowed)}")


@dataclass(frozen=True)
class NetworkConfig:
    """What every network says of itself. A network of your own is a frozen subclass of this and a
    cell, put together into `rvrt.models.NETWORKS`.

    Class attributes are facts of the architecture, fields are what a file of weights records.

    Attributes:
        title: what messages and reports call it.
        smallest_side: rows and columns that the network takes at least, in LQ pixels.
        padded_side: smaller frames are padded to so many rows and columns when they are restored.
        tile_grid: tiles that begin at multiples of this see the same pixels as the whole frame.
        flow_prefix: how the names of its optical flow's parameters begin; "" without such a part.
            The cell then has `optical_flows`, and takes its result as second argument.
        upscale: how many times as large its output is, along each side.
    """

    title: ClassVar[str] = "the network"
    smallest_side: ClassVar[int] = 1
    padded_side: ClassVar[int] = 1
    tile_grid: ClassVar[int] = 1
    flow_prefix: ClassVar[str] = ""

    upscale: int = 4

    def __post_init__(self) -> None:
        _whole("upscale", self.upscale, _MOST_UPSCALE)

    @property
    def numbers(self) -> int | None:
        """How many numbers its parameters hold; None: not known before it is built.

        A weights file of another size is refused before memory is taken for the network.
        """
        return None

    @property
    def multiples(self) -> _Triple:
        """Frames, rows and columns that the authors' test program extends sequences to multiples
        of: the attention's window."""
        return (2, 1, 1)

    @property
    def has_flow(self) -> bool:
        """Whether a part of it computes optical flow."""
        return bool(self.flow_prefix)

    @classmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        """Whether parameters of these names, in another program's file, are this network's."""
        return False


@dataclass(frozen=True)
class SkeletonConfig(NetworkConfig):
    """The skeleton that RVRT and RVRT Light share. Triples: (feature extraction, backbones,
    reconstruction).

    Attributes:
        embed_dim: channels of the features.
        window_size: frames, rows and columns of a window of attention; in feature extraction and
            reconstruction it has one frame.
        num_blocks: RSTBs of each part.
        depths: Swin layers of each RSTB.
        num_heads: of the attention in windows.
        mlp_ratio: hidden channels of an MLP, as times of its input's.
        attention_heads: of the attention that aligns.
        attention_window: rows and columns of the positions that it looks at.
        upsample_dim: channels at full resolution.
        clip_size: frames that are worked on together.
        gelu: "erf", exact, or "tanh", its approximation.
        layer_norm_eps: added to the variance.
        relative_position: whether attention in windows has a bias by relative position.
    """

    embed_dim: int = 144
    window_size: _Triple = (2, 8, 8)
    num_blocks: _Triple = (1, 2, 1)
    depths: _Triple = (2, 2, 2)
    num_heads: _Triple = (6, 6, 6)
    mlp_ratio: int = 2
    attention_heads: int = 12
    attention_window: tuple[int, int] = (3, 3)
    upsample_dim: int = 64
    clip_size: int = 2
    gelu: str = "erf"
    layer_norm_eps: float = 1e-5
    relative_position: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, length in (
            ("window_size", 3),
            ("num_blocks", 3),
            ("depths", 3),
            ("num_heads", 3),
            ("attention_window", 2),
        ):
            value = tuple(getattr(self, field))  # files give lists; a frozen value holds tuples
            object.__setattr__(self, field, value)
            require(
                len(value) == length
                and all(type(v) is int and 0 < v <= _MOST_PARTS for v in value),
                f"{field}={value}: expected {length} whole numbers from 1 to {_MOST_PARTS}",
            )
        layers = [
            number * depth for number, depth in zip(self.num_blocks, self.depths, strict=True)
        ]
        require(
            max(layers) <= _MOST_PARTS,
            f"num_blocks={self.num_blocks} of depths={self.depths} are {max(layers)} layers: "
            f"expected at most {_MOST_PARTS}",
        )
        require(
            math.prod(self.window_size) <= _MOST_TOKENS,
            f"window_size={self.window_size}: expected at most {_MOST_TOKENS} pixels in all",
        )
        for field in ("embed_dim", "attention_heads", "upsample_dim"):
            _whole(field, getattr(self, field), _MOST_CHANNELS)
        _whole("mlp_ratio", self.mlp_ratio, _MOST_PARTS)
        require(self.clip_size == 2, f"clip_size={self.clip_size}: RVRT works on clips of 2")
        require(
            self.upscale >= 2 and self.upscale & (self.upscale - 1) == 0,
            f"upscale={self.upscale}: expected a power of two, 2 or more",
        )
        for heads in self.num_heads:
            require(
                self.embed_dim % heads == 0,
                f"embed_dim={self.embed_dim} is not a multiple of num_heads={heads}",
            )
        require(
            all(side % 2 == 1 for side in self.attention_window),
            f"attention_window={self.attention_window}: expected odd sides",
        )
        require(
            self.attention_dim % self.attention_heads == 0,
            f"the attention works on 2 * embed_dim = {self.attention_dim} channels, which is not a "
            f"multiple of attention_heads={self.attention_heads}",
        )
        _choice("gelu", self.gelu, ("erf", "tanh"))
        require(
            0 < self.layer_norm_eps < 1e-2,
            f"layer_norm_eps={self.layer_norm_eps}: expected a number between 0 and 0.01",
        )

    @property
    def multiples(self) -> _Triple:
        """See NetworkConfig."""
        return self.window_size

    @property
    def attention_dim(self) -> int:
        """Channels of q, k and v in the alignment: twice the embedding's."""
        return 2 * self.embed_dim

    @property
    def numbers(self) -> int:
        """How many numbers its parameters hold."""
        return skeleton_numbers(self)


@dataclass(frozen=True)
class RVRTConfig(SkeletonConfig):
    """RVRT as the authors publish it; the defaults are the Vimeo90K network (002).

    Attributes:
        deformable_groups: parts of the channels of k and v that have offsets of their own.
        max_offset: pixels that an offset may be long, beside the optical flow.
        offset_dim: channels inside the part that finds the offsets.
    """

    title: ClassVar[str] = "RVRT"
    # The coarsest level of the flow of 32 pixels is one pixel, which no flow is read from.
    smallest_side: ClassVar[int] = 33
    padded_side: ClassVar[int] = 64  # the first from there on that the flow does not resize
    tile_grid: ClassVar[int] = 32  # the flow halves five times
    flow_prefix: ClassVar[str] = "spynet."

    deformable_groups: int = 12
    max_offset: float = 10.0
    offset_dim: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        groups = self.deformable_groups
        require(
            type(groups) is int and 0 < groups <= _MOST_CHANNELS and groups % 2 == 0,
            f"deformable_groups={groups!r}: expected an even number, half for k and half for v",
        )
        parts = math.lcm(groups // 2, self.attention_heads)
        require(
            self.attention_dim % parts == 0,
            f"deformable_groups={groups} and attention_heads={self.attention_heads} cut 2 * "
            f"embed_dim = {self.attention_dim} channels into {parts} parts, which are not equal",
        )
        require(
            0 < self.max_offset <= _MOST_PIXELS,
            f"max_offset={self.max_offset}: expected pixels, above 0 and at most {_MOST_PIXELS}",
        )
        _whole("offset_dim", self.offset_dim, _MOST_CHANNELS)

    @property
    def numbers(self) -> int:
        """How many numbers its parameters hold."""
        return super().numbers + rvrt_numbers(self)

    @classmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        """By its optical flow, which no other network has under this name."""
        return any(name.startswith(cls.flow_prefix) for name in names)


@dataclass(frozen=True)
class RVRTLightConfig(SkeletonConfig):
    """RVRT Light: no flow, no offsets; alignment by attention to the neighbourhood.

    Its published weights were trained with MindSpore's defaults, hence the other GELU and epsilon.
    """

    title: ClassVar[str] = "RVRT Light"
    tile_grid: ClassVar[int] = 32  # no need of its own, but the same tiles for both networks

    gelu: str = "tanh"
    layer_norm_eps: float = 1e-7
    relative_position: bool = False

    @classmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        """By its alignment, without any optical flow."""
        held = list(names)
        return any(name.startswith("deform_align.") for name in held) and not any(
            name.startswith(RVRTConfig.flow_prefix) for name in held
        )


def _debug(published: RVRTConfig | RVRTLightConfig) -> RVRTConfig | RVRTLightConfig:
    """The same network, small enough for a test or a demo."""
    return replace(
        published, embed_dim=24, window_size=(2, 4, 4), num_heads=(2, 2, 2), attention_heads=4
    )


MODEL_PRESETS: dict[str, NetworkConfig] = {
    "rvrt": RVRTConfig(),
    "rvrt-light": RVRTLightConfig(),
    "rvrt-debug": _debug(RVRTConfig(deformable_groups=4)),
    "rvrt-light-debug": _debug(RVRTLightConfig()),
}


# What can be computed again in the backward pass instead of being remembered, from input to output.
RECOMPUTABLE = ("feat_extract", "alignment", "backbone", "reconstruction", "upsampler")


@dataclass(frozen=True)
class Execution:
    """How a network is run; never what it computes. `rvrt.runtime.device.execution` picks
    one by target.

    compile_blocks: blocks go through mindspore.jit inside the ordinary Python loop.
    recompute: parts that are computed again in the backward pass instead of being remembered, names
        of RECOMPUTABLE; ("all",) means all of them, () none.
    dtype: float32, or float16 with the sums of normalisation and softmax, flows, offsets, samples
        and the sum with the upsampled input in float32; once the weights are held in float16 (see
        `Skeleton.hold_weights`), normalisation and softmax of windows take and give float16.
    whole_graph: the caller compiles the network as one graph, in which no decision can depend on
        values; for small networks, as a CPU takes 3 to 5 times the memory so.
    chunk_mb: bound on one temporary tensor of the alignment, the convolutions and the upsampler.
    native: convolutions, samples and fused sums by operators of the target's own, as cards have
        them, and all clips at once where they do not depend on each other: few launches, more
        memory; no position goes through a product. Otherwise by tables of rows and matrix products,
        positions among them, which suit a CPU and its whole float32.
    kernels: by this package's compiled part where it was built, gradients included where it has
        them: a CPU, float32, no graphs.
    fused_windows: attention in windows by Ascend's fused operator; native, float16, no gradients.
    """

    compile_blocks: bool = False
    recompute: tuple[str, ...] = ()
    dtype: str = "float32"
    whole_graph: bool = False
    chunk_mb: int = 256
    native: bool = False
    kernels: bool = False
    fused_windows: bool = False

    def __post_init__(self) -> None:
        parts = tuple(self.recompute)
        for part in parts:
            _choice("recompute", part, ("all", *RECOMPUTABLE))
        object.__setattr__(self, "recompute", RECOMPUTABLE if "all" in parts else parts)
        _choice("dtype", self.dtype, ("float32", "float16"))
        require(self.chunk_mb > 0, f"chunk_mb={self.chunk_mb}: expected 1 or more")
        others = self.compile_blocks or self.whole_graph or self.native
        require(
            not self.kernels or (self.dtype == "float32" and not others),
            "kernels: they compute in float32, and neither in graphs nor by a card's operators",
        )
        require(
            not self.fused_windows or (self.dtype == "float16" and self.native),
            "fused_windows: a card's operator, native=True, that takes dtype float16",
        )
