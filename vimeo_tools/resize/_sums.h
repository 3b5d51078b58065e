/* One axis of imresize in one floating type for one instruction set; included once for each.
 *
 * Defines, for REAL (float or double), NAME(x) (x with a suffix), TARGET (a function attribute) and
 * VECTORS registers of VECTOR_BYTES: NAME(pass), which does what `Pass` in _pass.h describes.
 *
 * A pass works on blocks: some neighbouring input samples by LANES that need the same weights. A
 * block is converted to REAL once, summed tap by tap in the order of the taps, and rounded.
 */

#define LANES ((ptrdiff_t)(VECTORS * VECTOR_BYTES / sizeof(REAL)))
typedef REAL NAME(vector) __attribute__((vector_size(VECTOR_BYTES)));

/* target[i] = source[i] * 1, or / 255 and so on for the "unit" kinds. */
TARGET static void NAME(widen)(Kind kind, const void *source, ptrdiff_t count, REAL *target) {
#define WIDEN(TYPE, VALUE)                                            \
    {                                                                 \
        const TYPE *x = source;                                       \
        for (ptrdiff_t i = 0; i < count; i++) target[i] = (REAL)(VALUE); \
        return;                                                       \
    }
    switch (kind) {
        case UINT8: WIDEN(uint8_t, x[i])
        case INT8: WIDEN(int8_t, x[i])
        case UINT16: WIDEN(uint16_t, x[i])
        case INT16: WIDEN(int16_t, x[i])
        case INT32: WIDEN(int32_t, x[i])
        case FLOAT32: WIDEN(float, x[i])
        case FLOAT64: WIDEN(double, x[i])
        case UNIT8: WIDEN(uint8_t, x[i] / 255.0)
        case UNIT16: WIDEN(uint16_t, x[i] / 65535.0)
    }
#undef WIDEN
}

/* The class of the output: integers rounded, halves away from zero, and clipped. */
TARGET static void NAME(narrow)(Kind kind, const REAL *source, ptrdiff_t count, void *target) {
#define NARROW(TYPE, LOWEST, HIGHEST)                                  \
    {                                                                  \
        TYPE *y = target;                                              \
        for (ptrdiff_t i = 0; i < count; i++) {                        \
            REAL v = source[i] + (source[i] < 0 ? -(REAL)0.5 : (REAL)0.5); \
            v = v < (LOWEST) ? (LOWEST) : v;                           \
            v = v > (HIGHEST) ? (HIGHEST) : v;                         \
            y[i] = (TYPE)(int32_t)v;                                   \
        }                                                              \
        return;                                                        \
    }
    switch (kind) {
        case UINT8: NARROW(uint8_t, 0, 255)
        case INT8: NARROW(int8_t, -128, 127)
        case UINT16: NARROW(uint16_t, 0, 65535)
        case INT16: NARROW(int16_t, -32768, 32767)
        case INT32: NARROW(int32_t, (REAL)INT32_MIN, (REAL)INT32_MAX)
        case FLOAT32: {
            float *y = target;
            for (ptrdiff_t i = 0; i < count; i++) y[i] = (float)source[i];
            return;
        }
        case FLOAT64: {
            double *y = target;
            for (ptrdiff_t i = 0; i < count; i++) y[i] = source[i];
            return;
        }
        case UNIT8: { /* im2uint8 */
            uint8_t *y = target;
            for (ptrdiff_t i = 0; i < count; i++) {
                REAL v = source[i] > 0 ? source[i] : 0; /* NaN is 0 too */
                v = v > 1 ? 1 : v;
                y[i] = (uint8_t)(int32_t)(v * 255 + (REAL)0.5);
            }
            return;
        }
        case UNIT16: return; /* no output is of this kind */
    }
#undef NARROW
}

/* One output for `width` lanes, a multiple of LANES: the plain sum over the taps. `low`: the input
 * sample at which the block starts. `skip`: weights of 0 may be left out, which only infinities and
 * NaN would show. */
TARGET static void NAME(sum)(const REAL *block, ptrdiff_t width, const REAL *weights,
                             const int32_t *indices, ptrdiff_t taps, ptrdiff_t low, int skip,
                             REAL *out) {
    for (ptrdiff_t lane = 0; lane < width; lane += LANES) {
        NAME(vector) totals[VECTORS];
        for (int k = 0; k < VECTORS; k++) totals[k] = (NAME(vector)){0};
        for (ptrdiff_t tap = 0; tap < taps; tap++) {
            REAL w = weights[tap];
            if (skip && w == 0) continue;
            const NAME(vector) *x = (const NAME(vector) *)(block + (indices[tap] - low) * width + lane);
            for (int k = 0; k < VECTORS; k++) totals[k] += w * x[k];
        }
        NAME(vector) *y = (NAME(vector) *)(out + lane);
        for (int k = 0; k < VECTORS; k++) y[k] = totals[k];
    }
}

/* Exact halves among `count` sums: their places, `step` apart, are noted for who settles them. */
TARGET static void NAME(note_halves)(const Pass *p, const REAL *sums, ptrdiff_t count,
                                     ptrdiff_t place, ptrdiff_t step, Halves *halves) {
    int found = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        REAL v = sums[i] + (REAL)0.5;
        found |= (v == (REAL)(int32_t)v) & (v > 0) & (v < 256);
    }
    if (!found) return;
    for (ptrdiff_t i = 0; i < count; i++) {
        REAL v = sums[i] + (REAL)0.5;
        if (v == (REAL)(int32_t)v && v > 0 && v < 256) {
            if (halves->count < p->halves_room) p->halves[halves->count] = place + i * step;
            halves->count++;
        }
    }
}

/* Lanes are neighbours in memory: rows of a picture. */
TARGET static void NAME(along_inner)(const Pass *p, const Plan *plan, const Scratch *s,
                                     Halves *halves) {
    const REAL *weights = plan->weights;
    REAL *block = s->block, *sums = s->sums;
    for (ptrdiff_t outer = 0; outer < p->outer; outer++) {
        for (ptrdiff_t at = 0; at < p->inner; at += s->width) {
            ptrdiff_t used = p->inner - at < s->width ? p->inner - at : s->width;
            for (ptrdiff_t first = 0; first < p->out_length;) {
                ptrdiff_t low, high, stop = next_segment(p, plan, s->longest, first, &low, &high);
                for (ptrdiff_t i = low; i <= high; i++) {
                    const char *source = p->in + ((outer * p->in_length + i) * p->inner + at) * p->in_bytes;
                    NAME(widen)(p->in_kind, source, used, block + (i - low) * s->width);
                }
                for (ptrdiff_t j = first; j < stop; j++) {
                    ptrdiff_t place = (outer * p->out_length + j) * p->inner + at;
                    NAME(sum)(block, s->width, weights + j * p->taps,
                              p->indices + j * p->taps, p->taps, low, p->skip, sums);
                    if (p->halves) NAME(note_halves)(p, sums, used, place, 1, halves);
                    NAME(narrow)(p->out_kind, sums, used, p->out + place * p->out_bytes);
                }
                first = stop;
            }
        }
    }
}

/* Lanes are rows and the axis runs along them: a strip of rows, turned on its side and back. */
TARGET static void NAME(along_outer)(const Pass *p, const Plan *plan, const Scratch *s,
                                     Halves *halves) {
    const REAL *weights = plan->weights;
    REAL *block = s->block, *sums = s->sums;
    ptrdiff_t inner = p->inner, in_row = p->in_length * inner, out_row = p->out_length * inner;
    for (ptrdiff_t row = 0; row < p->outer; row += LANES) {
        ptrdiff_t used = p->outer - row < LANES ? p->outer - row : LANES;
        for (ptrdiff_t first = 0; first < p->out_length;) {
            ptrdiff_t low, high, stop = next_segment(p, plan, s->longest, first, &low, &high);
            ptrdiff_t end = (high + 1 - low) * inner;
            for (ptrdiff_t q = 0; q < end; q += TURNED) {
                ptrdiff_t count = end - q < TURNED ? end - q : TURNED;
                const char *source = p->in + (row * in_row + low * inner + q) * p->in_bytes;
                turn(source, used, count, in_row, s->turned, LANES, p->in_bytes);
                NAME(widen)(p->in_kind, s->turned, count * LANES, block + q * LANES);
            }
            for (ptrdiff_t j = first; j < stop; j += OUTPUTS) {
                ptrdiff_t count = stop - j < OUTPUTS ? stop - j : OUTPUTS;
                for (ptrdiff_t k = 0; k < count; k++)
                    NAME(sum)(block, s->width, weights + (j + k) * p->taps,
                              p->indices + (j + k) * p->taps, p->taps, low, p->skip,
                              sums + k * s->width);
                ptrdiff_t place = row * out_row + j * inner;
                if (p->halves)
                    for (ptrdiff_t q = 0; q < count * inner; q++)
                        NAME(note_halves)(p, sums + q * LANES, used, place + q, out_row, halves);
                NAME(narrow)(p->out_kind, sums, count * s->width, s->turned);
                turn_back(s->turned, LANES, used, count * inner, out_row,
                          p->out + place * p->out_bytes, p->out_bytes);
            }
            first = stop;
        }
    }
}

/* Returns the number of exact halves, or -1 where memory is short. */
TARGET static ptrdiff_t NAME(pass)(const Pass *p) {
    Halves halves = {0};
    Plan plan;
    Scratch scratch;
    int lanes_inner = 2 * p->inner >= LANES || p->outer <= p->inner;
    ptrdiff_t groups = (p->inner + LANES - 1) / LANES;
    ptrdiff_t width = LANES * (lanes_inner ? (groups < 4 ? groups : 4) : p->inner);
    if (!make_plan(&plan, p, sizeof(REAL))) return -1;
    if (!make_scratch(&scratch, p, &plan, width, LANES, sizeof(REAL))) {
        free_plan(&plan);
        return -1;
    }
    if (lanes_inner)
        NAME(along_inner)(p, &plan, &scratch, &halves);
    else
        NAME(along_outer)(p, &plan, &scratch, &halves);
    free_scratch(&scratch);
    free_plan(&plan);
    return halves.count;
}

#undef LANES
