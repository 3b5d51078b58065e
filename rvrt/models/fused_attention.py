"""Attention in windows by Ascend's fused operator, which writes no scores to memory.

`ops.flash_attention_score` (Ascend A2 and newer) takes float16 or bfloat16, heads of a multiple of
16 channels and up to 2,048 windows; position biases and masks are added to the scores as its
`real_shift`. Whether its gradient reaches them is not documented: training goes the plain way.
"""

# S windows  N tokens of a window  h heads  D channels of a head  E = D, padded

from __future__ import annotations

from functools import lru_cache

import numpy as np
from mindspore import Tensor, ops

from rvrt.config.network import require

_MOST_WINDOWS = 2048
_MULTIPLE = 16
ALLOWED = 2e-3  # of numbers up to 1 from float16: two of its roundings, twice


def pad_channels(x_RD: Tensor) -> Tensor:
    """Zeros behind the channels of each head, which change no product: (R, E)."""
    lacking = -x_RD.shape[1] % _MULTIPLE
    if not lacking:
        return x_RD
    return ops.cat((x_RD, ops.zeros((x_RD.shape[0], lacking), x_RD.dtype)), 1)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(q k^T + bias) v: (S, h, N, E), float16 as all that is given.

    Args:
        q, k, v: (S, h, N, E), q scaled already, E a multiple of 16.
        bias: (S, h, N, N), or (1, h, N, N) for all windows.
    """
    windows, heads = q.shape[:2]
    out = []
    for start in range(0, windows, _MOST_WINDOWS):
        part = slice(start, min(windows, start + _MOST_WINDOWS))
        shift = bias if bias is None or bias.shape[0] == 1 else bias[part]
        out += [
            ops.flash_attention_score(
                q[part], k[part], v[part], heads, real_shift=shift, input_layout="BNSD"
            )
        ]
    return out[0] if len(out) == 1 else ops.cat(tuple(out), 0)


@lru_cache(maxsize=1)
def require_agreement() -> None:
    """Raise ConfigError where the device has no such operator, or it computes something else."""
    difference = largest_difference()
    require(
        difference <= ALLOWED,
        f"the fused attention of windows differs from the plain way by {difference:.2g}, "
        f"{ALLOWED:g} is allowed: use --windows plain",
    )


def largest_difference() -> float:
    """Between both ways, on fixed windows with biases and masks.

    Raises:
        ConfigError: the device has no such operator.
    """
    windows, heads, tokens, channels = 3, 2, 32, 24
    rng = np.random.RandomState(0)
    q, k, v = rng.uniform(-1, 1, (3, windows, heads, tokens, channels)).astype(np.float16)
    bias = rng.uniform(-1, 1, (windows, heads, tokens, tokens)).astype(np.float16)
    bias[1, :, :, tokens // 2 :] -= 100
    q64, k64, v64, bias64 = (x.astype(np.float64) for x in (q, k, v, bias))
    score = np.exp(q64 @ k64.swapaxes(2, 3) + bias64)
    exact = score / score.sum(-1, keepdims=True) @ v64
    try:
        rows = (pad_channels(Tensor(x.reshape(-1, channels))) for x in (q, k, v))
        heads_q, heads_k, heads_v = (x.reshape(windows, heads, tokens, -1) for x in rows)
        found = attend(heads_q, heads_k, heads_v, Tensor(bias)).asnumpy()[..., :channels]
    except (RuntimeError, TypeError, ValueError) as error:
        why = str(error).strip().partition("\n")[0]
        require(False, f"no fused attention of windows here ({why}): use --windows plain")
    return float(np.abs(found - exact).max())
