"""Slow and plain: attention in shifted windows, with roll, pad and partition written out."""

import numpy as np


def window_attention(x, weights, window, heads, shifted, position=None):
    """(B, T, H, W, C) by (qkv weight, qkv bias, proj weight, proj bias) and a bias (h, N, N)."""
    b, *size, c = x.shape
    fitted = [min(s, w) for s, w in zip(size, window, strict=True)]
    pairs = list(zip(size, window, strict=True))
    shift = [0, *(w // 2 if shifted and s > w else 0 for s, w in pairs[1:])]
    padded = [-(-s // w) * w for s, w in zip(size, fitted, strict=True)]
    full = np.zeros((b, *padded, c))
    full[:, : size[0], : size[1], : size[2]] = x
    full = np.roll(full, [-s for s in shift], (1, 2, 3))
    where = np.stack(np.meshgrid(*map(np.arange, padded), indexing="ij"), -1)
    stripe = np.zeros(padded, int)
    for axis in range(3):
        if shift[axis]:
            place = where[..., axis]
            stripe = stripe * 3 + (place >= padded[axis] - fitted[axis])
            stripe = stripe + (place >= padded[axis] - shift[axis])
    out = np.zeros_like(full)
    for corner in np.ndindex(*(p // w for p, w in zip(padded, fitted, strict=True))):
        box = tuple(slice(i * w, (i + 1) * w) for i, w in zip(corner, fitted, strict=True))
        group = stripe[box].reshape(-1)
        mask = np.where(group[:, None] != group, -100.0, 0.0)
        for n in range(b):
            tokens = full[(n, *box)].reshape(-1, c)
            mixed = attend(tokens, weights, heads, mask, position)
            out[(n, *box)] = mixed.reshape(*fitted, c)
    out = np.roll(out, shift, (1, 2, 3))
    return out[:, : size[0], : size[1], : size[2]]


def attend(tokens, weights, heads, mask, position):
    """Self-attention of one window's tokens (N, C)."""
    w_qkv, b_qkv, w_proj, b_proj = weights
    n, c = tokens.shape
    q, k, v = (tokens @ w_qkv.T + b_qkv).reshape(n, 3, heads, c // heads).transpose(1, 2, 0, 3)
    score = q @ k.transpose(0, 2, 1) * (c // heads) ** -0.5 + mask
    if position is not None:
        score = score + position
    weight = np.exp(score - score.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    return (weight @ v).transpose(1, 0, 2).reshape(n, c) @ w_proj.T + b_proj


def position_index(window):
    """Entry of the bias table for two tokens, by their distance along each axis."""
    tokens = list(np.ndindex(*window))
    index = np.zeros((len(tokens), len(tokens)), int)
    for i, a in enumerate(tokens):
        for j, b in enumerate(tokens):
            steps = [p - q + w - 1 for p, q, w in zip(a, b, window, strict=True)]
            index[i, j] = np.ravel_multi_index(steps, [2 * w - 1 for w in window])
    return index
