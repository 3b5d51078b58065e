"""What tells a training that goes wrong from one that goes well; numbers in, verdicts out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from rvrt.config.training import GuardConfig

USUAL, RECENT = 200, 20  # steps


@dataclass(frozen=True)
class Trouble:
    """Steps that must not count.

    Attributes:
        first: the first of them, counted from 1: weights from before it are good.
        text: what is wrong.
    """

    first: int
    text: str


class Guards:
    """Sees every step and every validation of one training; the same on all ranks.

    Args:
        config: the bounds.
        max_bad_steps: so many steps in a row may not be without a finite loss and gradient.
    """

    def __init__(self, config: GuardConfig, max_bad_steps: int) -> None:
        self._config, self._max_bad = config, max_bad_steps
        self._losses: deque[float] = deque(maxlen=USUAL + RECENT)
        self._without_gain = self._below_bicubic = 0
        self._start: float | None = None
        self.rate_factor = 1.0
        self.went_back = False

    def after_step(self, done: int, loss: float, bad_in_a_row: int) -> Trouble | None:
        """Look at one step.

        Args:
            done: its number, from 1.
            loss: of the whole batch; one that is not finite is left out.
            bad_in_a_row: steps up to this one that changed nothing.
        """
        if bad_in_a_row >= self._max_bad:
            first = done - bad_in_a_row + 1
            return Trouble(
                first,
                f"steps {first} to {done}: loss or gradients were not finite, so they changed "
                f"nothing, and {self._max_bad} in a row are too many",
            )
        if math.isfinite(loss):
            self._losses.append(loss)
        return self._spike(done)

    def after_validation(self, done: int, psnr: float, bicubic: float, best: float) -> list[str]:
        """What a person should know after a validation.

        Args:
            done: steps; 0 for the weights that the training starts from.
            psnr, bicubic: dB on the same clips; a NaN is worse than everything.
            best: of the validations before; -inf for none.
        """
        if done == 0:
            self._start = psnr
            return [f"the weights to start from: {psnr:.2f} dB, bicubic {bicubic:.2f}"]
        said, patience = [], self._config.patience
        self._without_gain = 0 if psnr > best else self._without_gain + 1
        self._below_bicubic = 0 if psnr > bicubic else self._below_bicubic + 1
        if self._start is not None and not psnr >= self._start:
            said.append(
                f"step {done}: {psnr:.2f} dB, the weights that it started from had "
                f"{self._start:.2f}; a dip that does not pass asks for a lower optimiser.lr"
            )
        if self._below_bicubic >= patience:
            said.append(
                f"step {done}: {psnr:.2f} dB is not above bicubic's {bicubic:.2f}, for "
                f"{self._below_bicubic} validations in a row: are LQ and GT of the same frames, "
                "and is optimiser.lr neither far too high nor far too low?"
            )
        elif self._without_gain >= patience:
            said.append(
                f"step {done}: no validation is better than the best, {best:.2f} dB, for "
                f"{self._without_gain} in a row"
            )
        return said

    def go_back(self) -> None:
        """Note that the training goes back, which it does once."""
        self.went_back = True
        self.rate_factor *= self._config.lower_rate

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON holds it."""
        return {
            "losses": list(self._losses),
            "without_gain": self._without_gain,
            "below_bicubic": self._below_bicubic,
            "start": self._start,
            "rate_factor": self.rate_factor,
            "went_back": self.went_back,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` gave."""
        self._losses = deque(state["losses"], USUAL + RECENT)
        self._without_gain = state["without_gain"]
        self._below_bicubic = state["below_bicubic"]
        self._start = state["start"]
        self.rate_factor = state["rate_factor"]
        self.went_back = state["went_back"]

    def _spike(self, done: int) -> Trouble | None:
        spike = self._config.spike
        if spike is None or len(self._losses) < USUAL + RECENT:
            return None
        losses = list(self._losses)
        usual, recent = median(losses[:USUAL]), fmean(losses[USUAL:])
        if recent <= spike * usual:
            return None
        return Trouble(
            done - RECENT + 1,
            f"step {done}: the mean loss of the last {RECENT} steps is {recent:.3g}, "
            f"{recent / usual:.1f} times the {usual:.3g} of those before; guards.spike allows "
            f"{spike:g}",
        )
