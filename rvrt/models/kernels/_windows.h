/* A Swin layer, window by window: everything from reading a window's rows to writing them stays in
 * the second cache. */

enum { QUERIES = 48 }; /* of a window whose scores are in work at once */

typedef struct {
    const float **rows;
    float *x, *normal, *qkv, *mixed, *keys, *values, *scores, *sums;
    ptrdiff_t room, c_columns, qkv_columns, hidden_columns, n_columns, d_columns;
} WindowScratch;

/* Floats that it takes; with `at` not NULL, `s` is laid out there. */
static ptrdiff_t lay_out(const Layer *l, float *at, WindowScratch *s) {
    ptrdiff_t d = l->dim / l->heads, used = 0;
    s->room = round_up(l->count, QUERIES) + TILE;
    s->c_columns = columns_of(l->dim), s->qkv_columns = columns_of(3 * l->dim);
    s->hidden_columns = columns_of(l->hidden), s->n_columns = columns_of(l->count);
    s->d_columns = columns_of(d);
    ptrdiff_t wide = s->qkv_columns > s->hidden_columns ? s->qkv_columns : s->hidden_columns;
#define PLACE(FIELD, FLOATS)                      \
    s->FIELD = at ? (void *)(at + used) : NULL;   \
    used += round_up(FLOATS, 16)
    PLACE(rows, 2 * (s->room + QUERIES));
    PLACE(x, s->room * s->c_columns);
    PLACE(normal, s->room * s->c_columns);
    PLACE(qkv, s->room * wide);
    PLACE(mixed, s->room * s->c_columns);
    PLACE(keys, d * s->n_columns);
    PLACE(values, l->count * s->d_columns);
    PLACE(scores, (QUERIES + TILE) * s->n_columns);
    PLACE(sums, (QUERIES + TILE) * s->d_columns);
#undef PLACE
    return used;
}

static ptrdiff_t layer_scratch(const Layer *l) {
    WindowScratch s;
    return lay_out(l, NULL, &s);
}

/* e^(score * scale + bias + mask), less the greatest; returns the reciprocal of the sum. */
static float soften(float *score, ptrdiff_t n, float scale, const float *bias,
                           const float *mask) {
    float most = -INFINITY, sum = 0;
    if (bias && mask) {
#pragma omp simd reduction(max : most)
        for (ptrdiff_t i = 0; i < n; i++) {
            float s = score[i] * scale + bias[i] + mask[i];
            score[i] = s;
            most = s > most ? s : most;
        }
    } else if (bias || mask) {
        const float *one = bias ? bias : mask;
#pragma omp simd reduction(max : most)
        for (ptrdiff_t i = 0; i < n; i++) {
            float s = score[i] * scale + one[i];
            score[i] = s;
            most = s > most ? s : most;
        }
    } else {
#pragma omp simd reduction(max : most)
        for (ptrdiff_t i = 0; i < n; i++) {
            float s = score[i] * scale;
            score[i] = s;
            most = s > most ? s : most;
        }
    }
#pragma omp simd reduction(+ : sum)
    for (ptrdiff_t i = 0; i < n; i++) {
        float e = exp_(score[i] - most);
        score[i] = e;
        sum += e;
    }
    return 1.0f / sum;
}

/* One head: mixed[:, head] = softmax(q k^T scale + bias + mask) v. */
static void attend(const Layer *l, const WindowScratch *s, ptrdiff_t head, const float *mask) {
    ptrdiff_t d = l->dim / l->heads, n = l->count;
    const float *q = s->qkv + head * d, *k = q + l->dim, *v = k + l->dim;
    float scale = 1.0f / sqrtf((float)d);
    for (int p = 0; p < panels_of(n); p++) pack_panel(k, n, d, 1, s->qkv_columns, p, s->keys);
    for (int p = 0; p < panels_of(d); p++) {
        ptrdiff_t from = panel_start(d, p) * W, width = panel_start(d, p + 1) * W - from;
        float *panel = s->values + from * n;
        for (ptrdiff_t j = 0; j < n; j++)
            for (ptrdiff_t i = 0; i < width; i++)
                panel[j * width + i] = from + i < d ? v[j * s->qkv_columns + from + i] : 0;
    }
    const float **rows = s->rows + s->room;
    int depth = (int)d, keys = (int)n;
    for (ptrdiff_t first = 0; first < n; first += QUERIES) {
        ptrdiff_t count = n - first < QUERIES ? n - first : QUERIES;
        float scales[QUERIES];
        row_addresses(q + first * s->qkv_columns, s->qkv_columns, count, QUERIES, rows);
        multiply(rows, QUERIES, count, &depth, 1, s->keys, n, s->scores, s->n_columns);
        for (ptrdiff_t i = 0; i < count; i++) {
            const float *bias = l->positions;
            if (bias) bias += (head * n + first + i) * n;
            scales[i] = soften(s->scores + i * s->n_columns, n, scale, bias,
                               mask ? mask + (first + i) * n : NULL);
        }
        row_addresses(s->scores, s->n_columns, count, QUERIES, rows);
        multiply(rows, QUERIES, count, &keys, 1, s->values, d, s->sums, s->d_columns);
        for (ptrdiff_t i = 0; i < count; i++) {
            const float *sum = s->sums + i * s->d_columns;
            float *out = s->mixed + (first + i) * s->c_columns + head * d;
            for (ptrdiff_t j = 0; j < d; j++) out[j] = sum[j] * scales[i];
        }
    }
}

/* target = x W, of all tokens of the window, rows `step` apart. */
static void window_product(const Layer *l, const WindowScratch *s, const float *x,
                                  ptrdiff_t step, ptrdiff_t inputs, const float *panels,
                                  ptrdiff_t outputs, float *target) {
    int depth = (int)inputs;
    row_addresses(x, step, l->count, s->room, s->rows);
    multiply(s->rows, s->room, l->count, &depth, 1, panels, outputs, target, columns_of(outputs));
}

static void layer_window(const void *task, ptrdiff_t unit, float *scratch) {
    const Layer *l = task;
    WindowScratch s;
    lay_out(l, scratch, &s);
    ptrdiff_t window = unit % l->windows, n = l->count, c = l->dim;
    const int32_t *tokens = l->tokens + window * n;
    const float *x = l->x + unit / l->windows * l->size * c;
    float *out = l->out + unit / l->windows * l->size * c;
    for (ptrdiff_t i = 0; i < n; i++) {
        float *normal = s.normal + i * s.c_columns;
        if (tokens[i] < 0) memset(normal, 0, (size_t)c * sizeof(float));
        else normalise(x + tokens[i] * c, c, &l->norm1, normal);
    }
    window_product(l, &s, s.normal, s.c_columns, c, l->qkv_panels, 3 * c, s.qkv);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *row = s.qkv + i * s.qkv_columns;
        add(row, l->qkv_bias, 3 * c, row);
    }
    int32_t kind = l->kinds[window];
    const float *mask = l->plain[kind] ? NULL : l->masks + kind * n * n;
    for (ptrdiff_t head = 0; head < l->heads; head++) attend(l, &s, head, mask);
    window_product(l, &s, s.mixed, s.c_columns, c, l->proj_panels, c, s.x);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *row = s.x + i * s.c_columns;
        if (tokens[i] < 0) continue;
        add(row, l->proj_bias, c, row);
        add(row, x + tokens[i] * c, c, row);
        normalise(row, c, &l->norm2, s.normal + i * s.c_columns);
    }
    window_product(l, &s, s.normal, s.c_columns, c, l->fc1_panels, l->hidden, s.qkv);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *row = s.qkv + i * s.hidden_columns;
        activate(row, l->fc1_bias, l->hidden, l->gelu, 0, row);
    }
    window_product(l, &s, s.qkv, s.hidden_columns, l->hidden, l->fc2_panels, c, s.mixed);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *row = s.mixed + i * s.c_columns;
        if (tokens[i] < 0) continue;
        add(row, l->fc2_bias, c, row);
        add(row, s.x + i * s.c_columns, c, out + tokens[i] * c);
    }
}

/* 0, or -1 where there is no memory. `x` and `out` may be the same. */
static int layer(Layer *l, int threads) {
    float *qkv = pack(l->qkv_weight, 3 * l->dim, l->dim, 1, threads);
    float *proj = pack(l->proj_weight, l->dim, l->dim, 1, threads);
    float *fc1 = pack(l->fc1_weight, l->hidden, l->dim, 1, threads);
    float *fc2 = pack(l->fc2_weight, l->dim, l->hidden, 1, threads);
    int failed = -1;
    l->qkv_panels = qkv, l->proj_panels = proj, l->fc1_panels = fc1, l->fc2_panels = fc2;
    if (qkv && proj && fc1 && fc2)
        failed = in_parallel(layer_window, l, l->batch * l->windows, layer_scratch(l), threads);
    free(qkv), free(proj), free(fc1), free(fc2);
    return failed;
}
