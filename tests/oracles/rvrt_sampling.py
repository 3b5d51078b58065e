"""Slow and plain: bilinear sampling, warping and deformable attention, one value at a time."""

import math

import numpy as np


def bilinear(plane, y, x, border=False):
    """Value of an (H, W) plane at a place; zero or the edge beyond it."""
    h, w = plane.shape
    if border:
        y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    value = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < h and 0 <= column < w:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row, column]
    return value


def warp(frames, flow, border=False):
    """(N, C, H, W) by a flow (N, 2, H, W) of (dx, dy)."""
    out = np.zeros_like(frames, dtype=np.float64)
    for n, c, y, x in np.ndindex(*frames.shape):
        place = y + flow[n, 1, y, x], x + flow[n, 0, y, x]
        out[n, c, y, x] = bilinear(frames[n, c], *place, border)
    return out


def deformable_attention(q, kv, offset, heads, groups, window):
    """One clip, unscaled q: q (2, C, H, W); kv (2, 2C, H, W); offset (2, 2*G*K*2, H, W)."""
    _, dim, h, w = q.shape
    taps = window[0] * window[1]
    offset = offset.reshape(2, 2, groups, taps, 2, h, w)
    wide, head = kv.shape[1] // groups, dim // heads
    out = np.zeros(q.shape)
    for j, y, x in np.ndindex(2, h, w):
        sampled = np.zeros((2 * taps, 2 * dim))
        for slot, tap, c in np.ndindex(2, taps, 2 * dim):
            dy, dx = offset[j, slot, c // wide, tap, :, y, x]
            place = (
                y + tap // window[1] - window[0] // 2 + dy,
                x + tap % window[1] - window[1] // 2 + dx,
            )
            sampled[slot * taps + tap, c] = bilinear(kv[(slot + j) % 2, c], *place)
        for n in range(heads):
            part = slice(n * head, (n + 1) * head)
            score = sampled[:, part] @ q[j, part, y, x] * head**-0.5
            weight = np.exp(score - score.max())
            value = sampled[:, dim + part.start : dim + part.stop]
            out[j, part, y, x] = weight / weight.sum() @ value
    return out


def clip_attention(q, k, v, heads, window):
    """One clip (2, C, H, W) each: attention to the zero-padded neighbourhood in both frames."""
    _, dim, h, w = q.shape
    my, mx = window[0] // 2, window[1] // 2
    margin = ((0, 0), (0, 0), (my, my), (mx, mx))
    k, v = np.pad(k, margin), np.pad(v, margin)
    head = dim // heads
    out = np.zeros(q.shape)
    for j, n, y, x in np.ndindex(2, heads, h, w):
        part = slice(n * head, (n + 1) * head)
        near = (slice(None), part, slice(y, y + window[0]), slice(x, x + window[1]))
        keys = np.moveaxis(k[near], 1, -1).reshape(-1, head)
        values = np.moveaxis(v[near], 1, -1).reshape(-1, head)
        score = keys @ q[j, part, y, x] * head**-0.5
        weight = np.exp(score - score.max())
        out[j, part, y, x] = weight / weight.sum() @ values
    return out
