/* Bilinear samples: warping, and attention to them without writing them down. */

enum { PIXELS = 32 }; /* that are worked on at once */

/* Four pixels around a place, and how much of each. */
typedef struct {
    const float *at[4];
    float share[4], fy, fx;
    int inside[4];
} Corners;

/* Of a map (h, w, channels) at (y, x): beyond it zeros, or with `edge` its edge. A place that is no
 * number counts as one beyond. */
static inline Corners corners(const float *map, ptrdiff_t h, ptrdiff_t w, ptrdiff_t channels, float y,
                              float x, int edge) {
    Corners c;
    float low = edge ? 0.0f : -1.0f, last_y = (float)(edge ? h - 1 : h), last_x = (float)(edge ? w - 1 : w);
    y = y > low ? y : low, y = y < last_y ? y : last_y;
    x = x > low ? x : low, x = x < last_x ? x : last_x;
    ptrdiff_t y0 = (ptrdiff_t)y, x0 = (ptrdiff_t)x;
    y0 -= (float)y0 > y, x0 -= (float)x0 > x; /* towards minus infinity */
    float fy = y - (float)y0, fx = x - (float)x0;
    for (int i = 0; i < 4; i++) {
        ptrdiff_t cy = y0 + i / 2, cx = x0 + i % 2;
        int inside = cy >= 0 && cy < h && cx >= 0 && cx < w;
        float share = (i / 2 ? fy : 1 - fy) * (i % 2 ? fx : 1 - fx);
        c.at[i] = map + (inside ? cy * w + cx : 0) * channels;
        c.share[i] = inside ? share : 0;
        c.inside[i] = inside;
    }
    c.fy = fy, c.fx = fx;
    return c;
}

static void blend(const Corners *c, ptrdiff_t from, ptrdiff_t n, float *out) {
    const float *a = c->at[0] + from, *b = c->at[1] + from, *d = c->at[2] + from, *e = c->at[3] + from;
    float sa = c->share[0], sb = c->share[1], sd = c->share[2], se = c->share[3];
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++) out[i] = sa * a[i] + sb * b[i] + sd * d[i] + se * e[i];
}

static void warp_block(const void *task, ptrdiff_t unit, float *scratch) {
    const Warp *p = task;
    (void)scratch;
    ptrdiff_t plane = p->h * p->w, end = (unit + 1) * BLOCK;
    if (end > p->n * plane) end = p->n * plane;
    for (ptrdiff_t r = unit * BLOCK; r < end; r++) {
        ptrdiff_t frame = r / plane, y = r % plane / p->w, x = r % p->w;
        const float *map = p->x + p->frames[frame] * plane * p->channels;
        Corners c = corners(map, p->h, p->w, p->channels, (float)y + p->flow[2 * r + 1],
                            (float)x + p->flow[2 * r], p->edge);
        blend(&c, 0, p->channels, p->out + r * p->channels);
    }
}

static int warp(Warp *p, int threads) {
    return in_parallel(warp_block, p, (p->n * p->h * p->w + BLOCK - 1) / BLOCK, 0, threads);
}

static float dot(const float *x, const float *y, ptrdiff_t n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (ptrdiff_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* Softmax over `n` scores of each head, the scores (n, heads). */
static void soften_heads(float *scores, ptrdiff_t n, ptrdiff_t heads) {
    for (ptrdiff_t h = 0; h < heads; h++) {
        float most = scores[h];
        for (ptrdiff_t i = 1; i < n; i++)
            most = scores[i * heads + h] > most ? scores[i * heads + h] : most;
        for (ptrdiff_t i = 0; i < n; i++) scores[i * heads + h] -= most;
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < n * heads; i++) scores[i] = exp_(scores[i]);
    for (ptrdiff_t h = 0; h < heads; h++) {
        float sum = 0;
        for (ptrdiff_t i = 0; i < n; i++) sum += scores[i * heads + h];
        sum = 1.0f / sum;
        for (ptrdiff_t i = 0; i < n; i++) scores[i * heads + h] *= sum;
    }
}

typedef struct {
    const float **rows;
    float *offsets, *sample, *scores;
    ptrdiff_t columns;
} SampleScratch;

/* Outputs of the offsets' last layer. */
static ptrdiff_t outputs_of(const Samples *p) { return 8 * p->groups * p->kh * p->kw; }

static ptrdiff_t lay_out_samples(const Samples *p, float *at, SampleScratch *s) {
    ptrdiff_t used = 0, taps = p->kh * p->kw;
    s->columns = columns_of(outputs_of(p));
#define PLACE(FIELD, FLOATS)                    \
    s->FIELD = at ? (void *)(at + used) : NULL; \
    used += round_up(FLOATS, 16)
    PLACE(rows, 2 * PIXELS);
    PLACE(offsets, (PIXELS + TILE) * s->columns);
    PLACE(sample, 2 * p->channels);
    PLACE(scores, 2 * taps * p->heads);
#undef PLACE
    return used;
}

/* Mean offset of each slot, added to its flow. */
static void improve(const Samples *p, ptrdiff_t r, const float *offsets) {
    ptrdiff_t pairs = 2 * p->groups * p->kh * p->kw;
    for (int slot = 0; slot < 2; slot++, offsets += 2 * pairs) {
        float y = 0, x = 0;
        for (ptrdiff_t i = 0; i < pairs; i++) y += offsets[2 * i], x += offsets[2 * i + 1];
        p->improved[slot][2 * r] = p->flow[slot][2 * r] + x / (float)pairs;
        p->improved[slot][2 * r + 1] = p->flow[slot][2 * r + 1] + y / (float)pairs;
    }
}

/* All channels of one sample of `map`, each group at its own place. */
static void take(const Samples *p, const float *map, ptrdiff_t r, int slot, ptrdiff_t tap,
                        const float *offsets, float *sample) {
    ptrdiff_t taps = p->kh * p->kw, width = p->channels / p->groups, x = r % p->w, y = r / p->w % p->h;
    float base_y = p->flow[slot][2 * r + 1] + (float)(y + tap / p->kw - p->kh / 2);
    float base_x = p->flow[slot][2 * r] + (float)(x + tap % p->kw - p->kw / 2);
    for (ptrdiff_t g = 0; g < p->groups; g++) {
        const float *offset = offsets + 2 * (g * taps + tap);
        Corners c = corners(map, p->h, p->w, p->channels, base_y + offset[0], base_x + offset[1], 0);
        blend(&c, g * width, width, sample + g * width);
    }
}

static void attend_samples(const Samples *p, ptrdiff_t r, const float *offsets,
                                  const SampleScratch *s) {
    ptrdiff_t taps = p->kh * p->kw, plane = p->h * p->w, d = p->channels / p->heads, frame = r / plane;
    const float *q = p->q + r * p->channels, scale = 1.0f / sqrtf((float)d);
    float *out = p->out + r * p->channels;
    for (int half = 0; half < 2; half++) {
        if (half) {
            soften_heads(s->scores, 2 * taps, p->heads);
            memset(out, 0, (size_t)p->channels * sizeof(float));
        }
        for (int slot = 0; slot < 2; slot++) {
            ptrdiff_t read = frame / 2 * 2 + (frame + slot) % 2;
            const float *map = (half ? p->v : p->k) + read * plane * p->channels;
            const float *own = offsets + (slot * 2 + half) * 2 * p->groups * taps;
            for (ptrdiff_t tap = 0; tap < taps; tap++) {
                float *scores = s->scores + (slot * taps + tap) * p->heads;
                take(p, map, r, slot, tap, own, s->sample);
                for (ptrdiff_t h = 0; h < p->heads; h++) {
                    const float *sample = s->sample + h * d;
                    if (!half) {
                        scores[h] = dot(q + h * d, sample, d) * scale;
                    } else {
                        float weight = scores[h], *sum = out + h * d;
#pragma omp simd
                        for (ptrdiff_t i = 0; i < d; i++) sum[i] += weight * sample[i];
                    }
                }
            }
        }
    }
}

/* Offsets of up to PIXELS pixels; returns how many these are. */
static ptrdiff_t find_offsets(const Samples *p, ptrdiff_t unit, const SampleScratch *s) {
    ptrdiff_t start = unit * PIXELS, count = 2 * p->batch * p->h * p->w - start;
    ptrdiff_t outputs = outputs_of(p);
    int depth = (int)p->hidden_channels;
    float most = p->most;
    if (count > PIXELS) count = PIXELS;
    row_addresses(p->hidden + start * depth, depth, count, PIXELS, s->rows);
    multiply(s->rows, PIXELS, count, &depth, 1, p->panels, outputs, s->offsets, s->columns);
    for (ptrdiff_t i = 0; i < count; i++) {
        float *offsets = s->offsets + i * s->columns;
#pragma omp simd
        for (ptrdiff_t j = 0; j < outputs; j++) offsets[j] = most * tanh_(offsets[j] + p->bias[j]);
    }
    return count;
}

static void samples_block(const void *task, ptrdiff_t unit, float *scratch) {
    const Samples *p = task;
    SampleScratch s;
    lay_out_samples(p, scratch, &s);
    ptrdiff_t count = find_offsets(p, unit, &s);
    for (ptrdiff_t i = 0; i < count; i++) {
        improve(p, unit * PIXELS + i, s.offsets + i * s.columns);
        attend_samples(p, unit * PIXELS + i, s.offsets + i * s.columns, &s);
    }
}

static int samples(Samples *p, int threads) {
    SampleScratch s;
    float *panels = pack(p->weight, outputs_of(p), p->hidden_channels, 1, threads);
    if (!panels) return -1;
    p->panels = panels;
    ptrdiff_t units = (2 * p->batch * p->h * p->w + PIXELS - 1) / PIXELS;
    int failed = in_parallel(samples_block, p, units, lay_out_samples(p, NULL, &s), threads);
    free(panels);
    return failed;
}

/* Scratch: addresses of the neighbours, then the scores (neighbours, heads). */
static void neighbours_block(const void *task, ptrdiff_t unit, float *scratch) {
    const Neighbours *p = task;
    ptrdiff_t taps = p->kh * p->kw, plane = p->h * p->w, d = p->channels / p->heads;
    const ptrdiff_t *place;
    ptrdiff_t *places = (ptrdiff_t *)scratch, end = (unit + 1) * PIXELS;
    float *scores = scratch + round_up(4 * taps, 16), scale = 1.0f / sqrtf((float)d);
    if (end > 2 * p->batch * plane) end = 2 * p->batch * plane;
    for (ptrdiff_t r = unit * PIXELS; r < end; r++) {
        ptrdiff_t first = r / (2 * plane) * 2 * plane, y = r % plane / p->w, x = r % p->w, n = 0;
        const float *q = p->q + r * p->channels;
        float *out = p->out + r * p->channels;
        for (ptrdiff_t slot = 0; slot < 2; slot++)
            for (ptrdiff_t t = 0; t < taps; t++, n++) {
                ptrdiff_t ty = y + t / p->kw - p->kh / 2, tx = x + t % p->kw - p->kw / 2;
                int inside = ty >= 0 && ty < p->h && tx >= 0 && tx < p->w;
                places[n] = inside ? (first + slot * plane + ty * p->w + tx) * p->channels : -1;
            }
        place = places;
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t h = 0; h < p->heads; h++)
                scores[i * p->heads + h] =
                    place[i] < 0 ? 0 : dot(q + h * d, p->k + place[i] + h * d, d) * scale;
        soften_heads(scores, n, p->heads);
        memset(out, 0, (size_t)p->channels * sizeof(float));
        for (ptrdiff_t i = 0; i < n; i++) {
            if (place[i] < 0) continue;
            for (ptrdiff_t h = 0; h < p->heads; h++) {
                const float *value = p->v + place[i] + h * d;
                float weight = scores[i * p->heads + h], *sum = out + h * d;
#pragma omp simd
                for (ptrdiff_t j = 0; j < d; j++) sum[j] += weight * value[j];
            }
        }
    }
}

static int neighbours(Neighbours *p, int threads) {
    ptrdiff_t taps = p->kh * p->kw, units = (2 * p->batch * p->h * p->w + PIXELS - 1) / PIXELS;
    ptrdiff_t scratch = round_up(4 * taps, 16) + 2 * taps * p->heads;
    return in_parallel(neighbours_block, p, units, scratch, threads);
}
