"""Adam in float64, as the paper has it."""

import numpy as np


class NumpyAdam:
    """Kingma and Ba 2015, Algorithm 1: one tensor."""

    def __init__(self):
        self.t, self.m, self.v = 0, 0.0, 0.0

    def change(self, gradient, rate, betas=(0.9, 0.99), eps=1e-8):
        """What the next step adds to the tensor."""
        self.t += 1
        self.m = betas[0] * self.m + (1 - betas[0]) * gradient
        self.v = betas[1] * self.v + (1 - betas[1]) * gradient**2
        m, v = self.m / (1 - betas[0] ** self.t), self.v / (1 - betas[1] ** self.t)
        return -rate * m / (np.sqrt(v) + eps)
