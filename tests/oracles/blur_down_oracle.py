"""Blur-down the slow way: a true two-dimensional sum for each sample, free of rounding.

Written from the scripts' description: im2double, fspecial, imfilter with a border, every so manieth
row and column, one rounding. Sums run in whole fractions of the float64 weights (math.fsum).
"""

import math


def outside(place, length, border):
    """The place in 0..length-1 that stands for one outside, step by step."""
    while not 0 <= place < length:
        if border == "replicate":
            place = 0 if place < 0 else length - 1
        elif border == "symmetric":
            place = -1 - place if place < 0 else 2 * length - 1 - place
        elif length == 1:
            place = 0
        else:
            place = -place if place < 0 else 2 * (length - 1) - place
    return place


def fspecial(sigma, taps):
    """MATLAB's fspecial('gaussian', taps, sigma) as rows."""
    offsets = [k - (taps - 1) / 2 for k in range(taps)]
    rows = [[math.exp(-(x * x + y * y) / (2 * sigma**2)) for x in offsets] for y in offsets]
    largest = max(map(max, rows))
    rows = [[0 if value < 2**-52 * largest else value for value in row] for row in rows]
    total = math.fsum(value for row in rows for value in row)
    return [[value / total for value in row] for row in rows]


def blur_down(frame, scale, sigma, taps, phase, border):
    """{(row, column, channel): level, not rounded} of a (H, W, C) picture."""
    height, width, channels = (frame.shape[0] // scale, frame.shape[1] // scale, frame.shape[2])
    kernel, middle = fspecial(sigma, taps), (taps - 1) // 2
    levels = {}
    for row in range(height):
        for column in range(width):
            rows, columns = (
                [
                    outside(scale * j + phase + k - middle, scale * count, border)
                    for k in range(taps)
                ]
                for j, count in ((row, height), (column, width))
            )
            for channel in range(channels):
                levels[row, column, channel] = math.fsum(
                    kernel[k][m] * int(frame[rows[k], columns[m], channel])
                    for k in range(taps)
                    for m in range(taps)
                )
    return levels
