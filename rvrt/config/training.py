"""What a training is: frozen values, checked when they are built."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rvrt.config.network import Execution, NetworkConfig
from rvrt.errors import ConfigError

_FRAMES = 14  # of a septuplet mirrored in time
# Far beyond every training that was published; a slip of the finger is found before it starts.
_MOST_STEPS = 10**9
_MOST_SAMPLES = 65_536
_MOST_CROP, _MOST_WORKERS, _MOST_FRAMES = 4096, 1024, 1000
_MOST_SCALE = 2**40
_MOST_RATIO = 1000
TWO_CLIPS = 4  # frames; with fewer nothing is aligned, and alignment is not trained


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigError(message)


def _check_range(section: object, least: float, most: float, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        _check(value >= least, f"{name}={value}: expected {least} or more")
        _check(value <= most, f"{name}={value}: expected {most} or less")


@dataclass(frozen=True)
class StartConfig:
    """What the weights are before the first step. A resumed run does not read these files again.

    Attributes:
        spynet: weights file of the optical flow, converted by rvrt-convert; None: from scratch.
        init: weights file of a whole network, to be trained further; None: from scratch.
        resume_from: a saved state of another run, or its folder for the newest: weights, moments,
            counters and the place in the data are taken from there; None: from none.
    """

    spynet: str | None = None
    init: str | None = None
    resume_from: str | None = None

    def __post_init__(self) -> None:
        _check(
            [self.spynet, self.init, self.resume_from].count(None) >= 2,
            "spynet, init and resume_from: a state or a whole network brings its optical flow; "
            "give one of them",
        )


@dataclass(frozen=True)
class DataConfig:
    """Where sequences are, and what is drawn of them. Paths are relative to `root`.

    Attributes:
        root: the unpacked data set.
        layout: where frames lie in folders, a key of `vimeo_tools.data.layouts.LAYOUTS`.
        gt, lq: a folder of clips or a database; lq None: made from GT as it is read.
        train_list, test_list: clips to train on, and to validate on; None: by the layout, which
            trains on all but those that it holds out, as the four of REDS4.
        degradation: how LQ is made, a key of `vimeo_tools.DEGRADATIONS`; an LQ tree of which the
            record says otherwise is refused.
        convention: of bicubic, "double" or "uint8".
        crop: side of the square crop in LQ pixels.
        reverse, flip_horizontal, flip_vertical, transpose: probabilities, 0 to 1.
        mirror: seven frames are followed by the same in reverse order. Otherwise a sample is a
            window of a clip.
        frames: how many are trained on, an even number: of the 14 of mirrored ones the middle ones,
            which are a mirrored sequence too, so that half of their optical flow is free; else the
            frames of a window.
        intervals: from one frame of a window to the next; one of them is drawn for each sample.
        workers: processes that decode, for each rank; None: as many as there are processors for
            it, and at most 4.
    """

    root: str = "vimeo_septuplet"
    layout: str = "vimeo90k"
    gt: str = "sequences"
    lq: str | None = "BIx4"
    train_list: str | None = "sep_trainlist.txt"
    test_list: str | None = "sep_testlist.txt"
    degradation: str = "bicubic"
    convention: str = "double"
    crop: int = 64
    reverse: float = 0.5
    flip_horizontal: float = 0.5
    flip_vertical: float = 0.5
    transpose: float = 0.5
    mirror: bool = True
    frames: int = _FRAMES
    intervals: tuple[int, ...] = (1,)
    workers: int | None = None

    def __post_init__(self) -> None:
        _check(
            self.convention in ("double", "uint8"),
            f"convention={self.convention!r}: expected double or uint8",
        )
        _check_range(self, 1, _MOST_CROP, "crop")
        for name in ("reverse", "flip_horizontal", "flip_vertical", "transpose"):
            value = getattr(self, name)
            _check(0 <= value <= 1, f"{name}={value}: a probability is from 0 to 1")
        most = _FRAMES if self.mirror else _MOST_FRAMES
        _check(
            TWO_CLIPS <= self.frames <= most and self.frames % 2 == 0,
            f"frames={self.frames}: expected an even number from {TWO_CLIPS} to {most}"
            + f", or up to {_MOST_FRAMES} with mirror=false" * self.mirror,
        )
        _check(
            bool(self.intervals) and all(1 <= each <= _MOST_FRAMES for each in self.intervals),
            f"intervals={list(self.intervals)}: expected numbers from 1 to {_MOST_FRAMES}",
        )
        if self.workers is not None:
            _check_range(self, 1, _MOST_WORKERS, "workers")


@dataclass(frozen=True)
class LoopConfig:
    """The steps of a training.

    Attributes:
        steps: of the whole run.
        batch_size: samples of one step, over all devices.
        micro_batch: samples that one device works on at once. What is left of its share of the
            batch is worked on one after another, and the gradients are added up.
        clip_norm: largest norm of all gradients together; None: not clipped.
        ema: decay of the moving average of the weights, which is then what is validated and
            exported; None: no average.
        loss: a name in `rvrt.training.losses.LOSSES`: "charbonnier", "l1", "mse", or one's own.
        precision: "float32", or "float16" with the loss and normalisation in float32.
        loss_scale: of float16 at the start; it doubles after `loss_scale_window` steps without
            overflow, and is halved by one.
        max_bad_steps: so many steps in a row whose loss or gradients are not finite are too many,
            see `GuardConfig`.
        seed: of fresh weights, order and draws.
        recompute: parts that are computed again in the backward pass instead of being remembered,
            see `rvrt.config.network.Execution`.
        compile_blocks: None: as suits the device.
    """

    steps: int = 300_000
    batch_size: int = 8
    micro_batch: int = 1
    clip_norm: float | None = None
    ema: float | None = None
    loss: str = "charbonnier"
    precision: str = "float32"
    loss_scale: float = 65536.0
    loss_scale_window: int = 2000
    max_bad_steps: int = 20
    seed: int = 0
    recompute: tuple[str, ...] = ("all",)
    compile_blocks: bool | None = None

    def __post_init__(self) -> None:
        _check_range(self, 1, _MOST_STEPS, "steps", "loss_scale_window", "max_bad_steps")
        _check_range(self, 1, _MOST_SAMPLES, "batch_size", "micro_batch")
        _check_range(self, 1, _MOST_SCALE, "loss_scale")
        _check(
            self.batch_size % self.micro_batch == 0,
            f"batch_size={self.batch_size} is not a multiple of micro_batch={self.micro_batch}",
        )
        _check(
            self.clip_norm is None or 0 < self.clip_norm < math.inf,
            f"clip_norm={self.clip_norm}: expected a number above 0, or null for no clipping",
        )
        _check(
            self.ema is None or 0 < self.ema < 1,
            f"ema={self.ema}: expected a number between 0 and 1, or null for no average",
        )
        _check(
            self.precision in ("float32", "float16"),
            f"precision={self.precision!r}: expected float32 or float16",
        )
        Execution(recompute=self.recompute)  # it checks the names of the parts
        _check(0 <= self.seed < 2**32, f"seed={self.seed}: expected 0 to 4294967295")


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam and its rate, which falls along a cosine from `lr` to `min_lr` at the last step.

    Attributes:
        lr, min_lr: learning rates.
        betas, eps: Adam's.
        spynet_lr_ratio: the optical flow's rate begins at this times `lr`; it ends at `min_lr` too.
        spynet_freeze_steps: so many steps the optical flow is not trained, where it begins with
            weights of its own (start.spynet). Fresh weights and fine-tuning train all from step 0.
        freeze: parts that are not trained at all, as the names of their parameters begin, such as
            spynet, feat_extract or backbone.
    """

    lr: float = 2e-4
    min_lr: float = 1e-7
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-8
    spynet_lr_ratio: float = 0.25
    spynet_freeze_steps: int = 5000
    freeze: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(0 < self.lr <= 1, f"lr={self.lr}: expected a number above 0 and at most 1")
        _check(0 <= self.min_lr <= self.lr, f"min_lr={self.min_lr}: expected 0 to lr={self.lr}")
        for beta in self.betas:
            _check(0 < beta < 1, f"betas={self.betas}: expected two numbers between 0 and 1")
        _check(0 < self.eps < 1, f"eps={self.eps}: expected a number between 0 and 1")
        _check(
            0 < self.spynet_lr_ratio <= _MOST_RATIO,
            f"spynet_lr_ratio={self.spynet_lr_ratio}: expected above 0 and at most {_MOST_RATIO}",
        )
        _check_range(self, 0, _MOST_STEPS, "spynet_freeze_steps")


@dataclass(frozen=True)
class ValidationConfig:
    """Every `every` steps and at the end, on the first `clips` of the test list; 0 clips: never."""

    every: int = 5000
    clips: int = 4

    def __post_init__(self) -> None:
        _check_range(self, 1, _MOST_STEPS, "every")
        _check_range(self, 0, _MOST_STEPS, "clips")


@dataclass(frozen=True)
class GuardConfig:
    """What a training does about steps that go wrong.

    Attributes:
        spike: how many times the usual loss, the median of the 200 good steps before, the mean of
            the last 20 may be; beyond it, or after train.max_bad_steps, the training goes back to
            the last state saved before, once, and ends the second time; null: no such bound.
        lower_rate: from then on all rates are multiplied by this.
        patience: after so many validations in a row that are no better than the best before, or
            than bicubic, it is said, every time.
    """

    spike: float | None = 5.0
    lower_rate: float = 0.5
    patience: int = 5

    def __post_init__(self) -> None:
        _check(
            self.spike is None or 1 < self.spike < math.inf,
            f"spike={self.spike}: expected a number above 1, or null for no bound",
        )
        _check(
            0 < self.lower_rate <= 1, f"lower_rate={self.lower_rate}: expected above 0, at most 1"
        )
        _check_range(self, 1, _MOST_STEPS, "patience")


@dataclass(frozen=True)
class CheckpointConfig:
    """Every `every` steps and at the end; the last `keep` stay."""

    every: int = 1000
    keep: int = 3

    def __post_init__(self) -> None:
        _check_range(self, 1, _MOST_STEPS, "every", "keep")


@dataclass(frozen=True)
class JournalConfig:
    """A line in metrics.jsonl every `every` steps; TensorBoard events if wanted."""

    every: int = 20
    tensorboard: bool = False

    def __post_init__(self) -> None:
        _check_range(self, 1, _MOST_STEPS, "every")


@dataclass(frozen=True)
class TrainConfig:
    """A whole training. `preset` names what the other values started from."""

    preset: str
    model: NetworkConfig
    start: StartConfig = field(default_factory=StartConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: LoopConfig = field(default_factory=LoopConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    guards: GuardConfig = field(default_factory=GuardConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    journal: JournalConfig = field(default_factory=JournalConfig)

    def __post_init__(self) -> None:
        model = self.model
        _check(
            self.data.crop >= model.smallest_side,
            f"data.crop={self.data.crop}: {model.title} needs {model.smallest_side} or more",
        )
        _check(
            model.has_flow or self.start.spynet is None,
            f"start.spynet={self.start.spynet}: {model.title} has no optical flow; leave it out",
        )

    @property
    def frozen_steps(self) -> int:
        """Steps from the first in which the optical flow is not trained."""
        return self.optimiser.spynet_freeze_steps if self.start.spynet else 0


# What a resumed run may be given anew: none of it changes what the steps done have computed. The
# rate depends on the number of steps, so its curve has a kink where that changes.
MAY_CHANGE = frozenset(
    {
        "data.root",  # the state knows the clips by their keys
        "data.workers",
        "train.steps",
        "train.micro_batch",
        "train.max_bad_steps",
        "train.recompute",
        "train.compile_blocks",
        "validation.every",
        "validation.clips",
        "guards.spike",
        "guards.lower_rate",
        "guards.patience",
        "checkpoints.every",
        "checkpoints.keep",
        "journal.every",
        "journal.tensorboard",
    }
)
