"""Attention of pixels to bilinear samples, without forming the samples.

With the four pixels around it as keys, a score is bilinear in their four products with the query,
and a weight spreads over their four values: one gather and one batched product stand for both.
"""

# Beyond the letters of rows.py: U sub-heads of a group, of D channels  S samples of a query
# Q queries (pixels)

from __future__ import annotations

import math

import numpy as np
from mindspore import Tensor, nn, ops

from rvrt.models.flow_warp import gather_corners
from rvrt.models.rows import Reals, Table, as_constant, gather_rows, with_zero_row


def plan_bilinear(samples: int) -> Reals:
    """Corner values (4, S) to the coefficients of 1, fx, fy, fx*fy, each (S): (4*S, 4*S)."""
    corner = np.array([[1, -1, -1, 1], [0, 1, 0, -1], [0, 0, 1, -1], [0, 0, 0, 1]], np.float32)
    matrix: Reals = np.einsum("st,cp->cspt", np.eye(samples, dtype=np.float32), corner)
    return matrix.reshape(4 * samples, 4 * samples)


def plan_sum(samples: int) -> Reals:
    """Sum of the four coefficients of each sample: (4*S, S)."""
    return np.tile(np.eye(samples, dtype=np.float32), (4, 1))


def plan_blocks(pixels: int, groups: int, subheads: int) -> Table:
    """Rows of sub-heads laid out block-diagonally, zero row elsewhere: (Q*G, U, U) int32."""
    rows = np.full((pixels * groups, subheads, subheads), pixels * groups * subheads)
    diagonal = np.arange(subheads)
    rows[:, diagonal, diagonal] = np.arange(pixels * groups * subheads).reshape(-1, subheads)
    return rows.reshape(-1).astype(np.int32)


def plan_diagonal(pixels: int, groups: int, subheads: int) -> Table:
    """Rows on the diagonal of (Q*G, U, U): (Q*G*U,) int32."""
    first = np.arange(pixels * groups)[:, None] * subheads * subheads
    return (first + np.arange(subheads) * (subheads + 1)).reshape(-1).astype(np.int32)


def plan_repeat(rows: int, times: int) -> Table:
    """Each row `times` times: (rows*times,) int32."""
    return np.repeat(np.arange(rows), times).astype(np.int32)


_bilinear = as_constant(plan_bilinear)
_sum = as_constant(plan_sum)
_blocks = as_constant(plan_blocks)
_diagonal = as_constant(plan_diagonal)
_repeat = as_constant(plan_repeat)


class SampledAttention(nn.Cell):
    """Attention of queries to bilinear samples of keys and values, one softmax over all samples.

    Heads cut the channels one way, groups another; a sub-head is a piece that lies in one head and
    one group.
    """

    def __init__(self, dim: int, heads: int, groups: int, samples: int) -> None:
        super().__init__()
        pieces = math.lcm(heads, groups)
        self.dim, self.heads, self.groups, self.samples = dim, heads, groups, samples
        self.subheads = pieces // groups
        self.pieces_of_head = pieces // heads
        self.piece = dim // pieces
        self.scale = (dim // heads) ** -0.5
        self.scores = ops.BatchMatMul(transpose_b=True)
        self.mix = ops.BatchMatMul()
        self.product = ops.MatMul()
        self.product_t = ops.MatMul(transpose_b=True)

    def construct(
        self,
        q_QC: Tensor,
        k_RD: Tensor,
        v_RD: Tensor,
        w: int,
        *places: Tensor,
    ) -> Tensor:
        """(Q, C) queries; k, v (rows, C/G) of frames `w` pixels wide, as `bordered` has them;
        places: row of the upper left pixel (int32), fy, fx for k, the same for v.

        Each of a place's three is (Q, G*S). They come one by one, because a recomputed cell gives
        no gradient to tensors in a tuple.
        """
        k_place, v_place = places[:3], places[3:]
        pixels, unit = q_QC.shape[0], self.groups * self.subheads
        q = with_zero_row((q_QC * self.scale).reshape(-1, self.piece))
        if self.subheads > 1:
            q = gather_rows(q, _blocks(pixels, self.groups, self.subheads))
        else:
            q = q[:-1]
        q = q.reshape(pixels * self.groups, self.subheads, -1)
        score = self.scores(q, self._corners(k_RD, k_place[0], w))
        score = ops.cast(score, k_place[1].dtype).reshape(pixels * unit, 4 * self.samples)
        score = self.product(score, _bilinear(self.samples)) * self._powers(k_place, pixels)
        score = self.product(score, _sum(self.samples))
        weight = self._softmax(score, pixels)
        weight = self.product_t(weight, _sum(self.samples)) * self._powers(v_place, pixels)
        weight = self.product_t(weight, _bilinear(self.samples))
        weight = ops.cast(weight, q.dtype).reshape(pixels * self.groups, self.subheads, -1)
        out = self.mix(weight, self._corners(v_RD, v_place[0], w)).reshape(-1, self.piece)
        if self.subheads > 1:
            out = gather_rows(out, _diagonal(pixels, self.groups, self.subheads))
        return out.reshape(pixels, self.dim)

    def _corners(self, x_RD: Tensor, rows: Tensor, w: int) -> Tensor:
        """The pixels around each sample as four keys: (Q*G, 4*S, C/G)."""
        return gather_corners(x_RD, rows.reshape(-1, self.samples), w, self.groups)

    def _powers(self, place: tuple[Tensor, Tensor, Tensor], pixels: int) -> Tensor:
        """1, fx, fy, fx*fy of each sample, once for each sub-head: (Q*G*U, 4*S)."""
        fy, fx = (f.reshape(pixels * self.groups, self.samples) for f in place[1:])
        powers = ops.cat((ops.ones_like(fx), fx, fy, fx * fy), 1)
        if self.subheads == 1:
            return powers
        return gather_rows(powers, _repeat(pixels * self.groups, self.subheads))

    def _softmax(self, score: Tensor, pixels: int) -> Tensor:
        """Softmax over the samples of a head, whose score is the sum over its pieces."""
        if self.pieces_of_head == 1:
            return ops.softmax(score, -1)
        shape = (pixels * self.heads, self.pieces_of_head, self.samples)
        weight = ops.softmax(ops.reduce_sum(score.reshape(shape), 1), -1)
        return gather_rows(weight, _repeat(shape[0], self.pieces_of_head))
