/* What is done to rows around products: normalising, activations, residuals; and the product of whole
 * maps, convolutions among them. */

static void normalise(const float *x, ptrdiff_t n, const Norm *norm, float *y) {
    float mean = 0, variance = 0;
#pragma omp simd reduction(+ : mean)
    for (ptrdiff_t i = 0; i < n; i++) mean += x[i];
    mean /= (float)n;
#pragma omp simd reduction(+ : variance)
    for (ptrdiff_t i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    float scale = 1.0f / sqrtf(variance / (float)n + norm->epsilon);
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale * norm->gamma[i] + norm->beta[i];
}

/* y = activation(x + bias); x and y may be the same. */
static void activate(const float *x, const float *bias, ptrdiff_t n, Activation kind,
                            float slope, float *y) {
    switch (kind) {
        case NOTHING:
#pragma omp simd
            for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] + bias[i];
            return;
        case GELU_ERF:
#pragma omp simd
            for (ptrdiff_t i = 0; i < n; i++) y[i] = gelu_erf_(x[i] + bias[i]);
            return;
        case GELU_TANH:
#pragma omp simd
            for (ptrdiff_t i = 0; i < n; i++) y[i] = gelu_tanh_(x[i] + bias[i]);
            return;
        case LEAKY:
#pragma omp simd
            for (ptrdiff_t i = 0; i < n; i++) {
                float v = x[i] + bias[i];
                y[i] = v > 0 ? v : v * slope;
            }
    }
}

static void add(const float *x, const float *y, ptrdiff_t n, float *sum) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++) sum[i] = x[i] + y[i];
}

/* Addresses of the rows that pixels `start`.. of a map read, for each tap and source in turn. */
static void tap_addresses(const Product *p, ptrdiff_t start, ptrdiff_t count,
                                 const float **rows) {
    for (ptrdiff_t i = 0; i < BLOCK; i++) {
        ptrdiff_t r = start + (i < count ? i : count - 1), plane = p->h * p->w;
        ptrdiff_t first = r / plane * plane, y = (r - first) / p->w, x = r % p->w;
        const float **place = rows + i;
        for (ptrdiff_t ty = y - p->kh / 2; ty < y - p->kh / 2 + p->kh; ty++)
            for (ptrdiff_t tx = x - p->kw / 2; tx < x - p->kw / 2 + p->kw; tx++) {
                int inside = ty >= 0 && ty < p->h && tx >= 0 && tx < p->w;
                for (int s = 0; s < p->sources; s++, place += BLOCK)
                    *place = inside ? p->source[s] + (first + ty * p->w + tx) * p->channels[s]
                                    : p->zeros;
            }
    }
}

/* One block of rows. Scratch: addresses, then BLOCK rows of columns_of(outputs). */
static void product_block(const void *task, ptrdiff_t unit, float *scratch) {
    const Product *p = task;
    ptrdiff_t start = unit * BLOCK, count = p->rows - start < BLOCK ? p->rows - start : BLOCK;
    ptrdiff_t ldc = columns_of(p->outputs), n = p->outputs, segments = p->kh * p->kw * p->sources;
    const float **rows = (const float **)scratch;
    float *c = scratch + round_up(segments * BLOCK * (ptrdiff_t)sizeof(float *), ALIGNMENT) / 4;
    tap_addresses(p, start, count, rows);
    multiply(rows, BLOCK, count, p->lengths, (int)segments, p->panels, n, c, ldc);
    for (ptrdiff_t i = 0; i < count; i++) {
        float *row = c + i * ldc, *out = p->out + (start + i) * n;
        activate(row, p->bias, n, p->activation, p->slope, row);
        if (p->norm.gamma) normalise(row, n, &p->norm, row);
        if (p->residual) add(row, p->residual + (start + i) * n, n, row);
        if (!p->shuffled) {
            memcpy(out, row, (size_t)n * sizeof(float));
        } else { /* two halves, to the pixels 2y and 2y + 1 from 2x on */
            ptrdiff_t r = start + i, line = r / p->w, x = r % p->w, half = n / 2;
            for (ptrdiff_t y = 0; y < 2; y++)
                memcpy(p->out + ((2 * line + y) * p->w + x) * half, row + y * half,
                       (size_t)half * sizeof(float));
        }
    }
}

static ptrdiff_t product_scratch(const Product *p) {
    ptrdiff_t segments = p->kh * p->kw * p->sources;
    return round_up(segments * BLOCK * (ptrdiff_t)sizeof(float *), ALIGNMENT) / 4 +
           (BLOCK + TILE) * columns_of(p->outputs);
}

static void pack_unit(const void *task, ptrdiff_t unit, float *scratch) {
    const Weights *w = task;
    (void)scratch;
    pack_panel(w->weight, w->outputs, w->channels, w->taps, w->channels * w->taps, (int)unit, w->panels);
}

static float *pack(const float *weight, ptrdiff_t outputs, ptrdiff_t channels, ptrdiff_t taps,
                   int threads) {
    Weights w = {weight, outputs, channels, taps, floats(columns_of(outputs) * channels * taps)};
    if (channels * taps * outputs < 1 << 16) threads = 1; /* done before a thread would begin */
    if (w.panels && in_parallel(pack_unit, &w, panels_of(outputs), 0, threads)) {
        free(w.panels);
        return NULL;
    }
    return w.panels;
}

/* 0, or -1 where there is no memory. */
static int product(Product *p, const float *weight, int threads) {
    ptrdiff_t inputs = 0, most = 0, segments = p->kh * p->kw * p->sources;
    for (int s = 0; s < p->sources; s++) {
        inputs += p->channels[s];
        if (p->channels[s] > most) most = p->channels[s];
    }
    int failed = -1, *lengths = malloc((size_t)segments * sizeof(int));
    float *zeros = floats(most), *panels = pack(weight, p->outputs, inputs, p->kh * p->kw, threads);
    if (lengths && zeros && panels) {
        memset(zeros, 0, (size_t)most * sizeof(float));
        for (ptrdiff_t s = 0; s < segments; s++) lengths[s] = p->channels[s % p->sources];
        p->lengths = lengths, p->zeros = zeros, p->panels = panels;
        failed = in_parallel(product_block, p, (p->rows + BLOCK - 1) / BLOCK, product_scratch(p), threads);
    }
    free(lengths), free(zeros), free(panels);
    return failed;
}
