"""MATLAB's imresize, transcribed rule by rule, one sample at a time. Slow; shares no code.

Coordinates are 1-based as in MATLAB. Every sum runs over plain Python floats in rising order.
"""

import math

import numpy as np


def cubic(x):
    a = abs(x)
    if a <= 1:
        return 1.5 * (a * a * a) - 2.5 * (a * a) + 1
    if a <= 2:
        return -0.5 * (a * a * a) + 2.5 * (a * a) - 4 * a + 2
    return 0.0


def triangle(x):
    if -1 <= x < 0:
        return x + 1
    return 1 - x if 0 <= x <= 1 else 0.0


def box(x):
    return 1.0 if -0.5 <= x < 0.5 else 0.0


def lanczos(x, lobes):
    if abs(x) >= lobes:
        return 0.0
    eps = 2.0**-52
    numerator = math.sin(math.pi * x) * math.sin(math.pi * x / lobes) + eps
    return numerator / (math.pi**2 * x**2 / lobes + eps)


KERNELS = {
    "nearest": (box, 1),
    "box": (box, 1),
    "bilinear": (triangle, 2),
    "triangle": (triangle, 2),
    "bicubic": (cubic, 4),
    "cubic": (cubic, 4),
    "lanczos2": (lambda x: lanczos(x, 2), 4),
    "lanczos3": (lambda x: lanczos(x, 3), 6),
}


def taps_of(x, n, scale, method, antialiasing, border):
    """[(1-based input sample, weight)] of the 1-based output sample x."""
    kernel, support = KERNELS[method]
    shrink = antialiasing and scale < 1 and method != "nearest"
    width = support / scale if shrink else support
    u = x / scale + 0.5 * (1 - 1 / scale)
    left = math.floor(u - width / 2)
    where = [left + p for p in range(math.ceil(width) + 2)]
    weights = [scale * kernel(scale * (u - i)) if shrink else kernel(u - i) for i in where]
    total = 0.0
    for weight in weights:
        total += weight
    if border == "replicate":
        samples = [min(max(i, 1), n) for i in where]
    else:
        mirrored = list(range(1, n + 1)) + list(range(n, 0, -1))
        samples = [mirrored[(i - 1) % (2 * n)] for i in where]
    return [(i, w / total) for i, w in zip(samples, weights, strict=True)]


def to_class(value, dtype):
    if dtype.kind == "f":
        return dtype.type(value)
    away_from_zero = math.floor(value + 0.5) if value >= 0 else -math.floor(-value + 0.5)
    return dtype.type(min(max(away_from_zero, np.iinfo(dtype).min), np.iinfo(dtype).max))


def resize_axis(image, axis, length, scale, options):
    source = np.moveaxis(image, axis, 0)
    out = np.empty((length, *source.shape[1:]), image.dtype)
    for x in range(1, length + 1):
        taps = taps_of(x, source.shape[0], scale, *options)
        for rest in np.ndindex(*source.shape[1:]):
            value = 0.0
            for i, weight in taps:
                value += weight * float(source[(i - 1, *rest)])
            out[(x - 1, *rest)] = to_class(value, image.dtype)
    return np.moveaxis(out, 0, axis)


def imresize(image, scale_or_size, method="bicubic", antialiasing=True, border="symmetric"):
    if isinstance(scale_or_size, tuple):
        size = scale_or_size
        scales = [size[k] / image.shape[k] for k in range(2)]
    else:
        scales = [scale_or_size] * 2
        size = [math.ceil(scale_or_size * image.shape[k]) for k in range(2)]
    for axis in [0, 1] if scales[0] <= scales[1] else [1, 0]:
        options = (method, antialiasing, border)
        image = resize_axis(image, axis, size[axis], scales[axis], options)
    return image


def downscale_double(image, scale):
    """im2uint8(imresize(im2double(image), 1/scale))."""
    resized = imresize(image / 255.0, 1 / scale)
    return np.floor(np.clip(resized, 0, 1) * 255 + 0.5).astype(np.uint8)
