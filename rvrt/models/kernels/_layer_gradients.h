/* Gradients of a Swin layer, window by window: what the forward pass has in a window is computed again,
 * then everything backwards, and a window's outer products are added to the sums of its group. Groups
 * are the same for any number of threads, and so is every sum. */

enum { GROUPS = 8, NORM1 = 0, QKV = 2, PROJ = 4, NORM2 = 6, FC1 = 8, FC2 = 10, POSITIONS = 12 };

typedef struct {
    const float **rows;
    float *normal1, *qkv, *mixed, *x, *normal2, *raw, *hidden;         /* forward */
    float *out, *d_hidden, *d_normal, *d_x, *d_mixed, *d_qkv;          /* backward */
    float *panels, *shares, *d_shares, *keys, *values, *head, *result; /* of a product, of a head */
    ptrdiff_t room, c, c3, f, n, d;                                    /* columns */
} GradientScratch;

static ptrdiff_t lay_out_gradient(const Layer *l, float *at, GradientScratch *s) {
    ptrdiff_t used = 0, room = s->room = round_up(l->count, TILE) + TILE;
    s->c = columns_of(l->dim) + W, s->c3 = columns_of(3 * l->dim) + W, s->f = columns_of(l->hidden) + W;
    s->n = columns_of(l->count) + W, s->d = columns_of(l->dim / l->heads);
    ptrdiff_t widest = s->c3 > s->f ? s->c3 : s->f;
#define PLACE(FIELD, FLOATS)                    \
    s->FIELD = at ? (void *)(at + used) : NULL; \
    used += round_up(FLOATS, 16)
    PLACE(rows, 2 * room);
    PLACE(normal1, room * s->c);
    PLACE(qkv, room * s->c3);
    PLACE(mixed, room * s->c);
    PLACE(x, room * s->c);
    PLACE(normal2, room * s->c);
    PLACE(raw, room * s->f);
    PLACE(hidden, room * s->f);
    PLACE(out, room * s->c);
    PLACE(d_hidden, room * s->f);
    PLACE(d_normal, room * s->c);
    PLACE(d_x, room * s->c);
    PLACE(d_mixed, room * s->c);
    PLACE(d_qkv, room * s->c3);
    PLACE(panels, l->count * widest);
    PLACE(shares, room * s->n);
    PLACE(d_shares, room * s->n);
    PLACE(keys, l->dim / l->heads * s->n);
    PLACE(values, l->dim / l->heads * s->n);
    PLACE(head, l->count * s->d);
    PLACE(result, room * s->d);
#undef PLACE
    return used + 64;
}

/* target (N, outputs; step_out apart) = x (N, inputs; step apart) x panels. */
static void rows_product(const GradientScratch *s, ptrdiff_t n, const float *x, ptrdiff_t step,
                         ptrdiff_t inputs, const float *panels, ptrdiff_t outputs, float *target,
                         ptrdiff_t step_out) {
    int depth = (int)inputs;
    row_addresses(x, step, n, s->room, s->rows);
    multiply(s->rows, s->room, n, &depth, 1, panels, outputs, target, step_out);
}

/* Gradient of a normalised row, given its input; adds to those of scale and shift. */
static void normalise_back(const float *x, const float *grad, ptrdiff_t n, const Norm *norm,
                           float *scale_grad, float *shift_grad, float *out) {
    float mean = 0, variance = 0, sum = 0, dot_ = 0;
#pragma omp simd reduction(+ : mean)
    for (ptrdiff_t i = 0; i < n; i++) mean += x[i];
    mean /= (float)n;
#pragma omp simd reduction(+ : variance)
    for (ptrdiff_t i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    float scale = 1.0f / sqrtf(variance / (float)n + norm->epsilon);
#pragma omp simd reduction(+ : sum, dot_)
    for (ptrdiff_t i = 0; i < n; i++) {
        float normal = (x[i] - mean) * scale, t = grad[i] * norm->gamma[i];
        scale_grad[i] += grad[i] * normal;
        shift_grad[i] += grad[i];
        sum += t;
        dot_ += t * normal;
    }
    sum /= (float)n, dot_ /= (float)n;
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = scale * (grad[i] * norm->gamma[i] - sum - (x[i] - mean) * scale * dot_);
}

static void forward_head(const Layer *l, const GradientScratch *s, ptrdiff_t head, const float *mask) {
    ptrdiff_t d = l->dim / l->heads, n = l->count;
    const float *q = s->qkv + head * d, *k = q + l->dim;
    float scale = 1.0f / sqrtf((float)d);
    for (int p = 0; p < panels_of(n); p++) pack_panel(k, n, d, 1, s->c3, p, s->keys);
    rows_product(s, n, q, s->c3, d, s->keys, n, s->shares, s->n);
    for (ptrdiff_t i = 0; i < n; i++) {
        const float *bias = l->positions ? l->positions + (head * n + i) * n : NULL;
        float *row = s->shares + i * s->n;
        float sum = soften(row, n, scale, bias, mask ? mask + i * n : NULL);
#pragma omp simd
        for (ptrdiff_t j = 0; j < n; j++) row[j] *= sum;
    }
}

static void copy_columns(const float *x, ptrdiff_t step, ptrdiff_t n, ptrdiff_t d, float scale, float *out,
                         ptrdiff_t step_out) {
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < d; j++) out[i * step_out + j] = scale * x[i * step + j];
}

/* Forward: mixed. */
static void mix_head(const Layer *l, const GradientScratch *s, ptrdiff_t head, const float *mask) {
    ptrdiff_t d = l->dim / l->heads, n = l->count;
    forward_head(l, s, head, mask);
    pack_rows(s->qkv + 2 * l->dim + head * d, s->c3, n, d, s->head);
    rows_product(s, n, s->shares, s->n, n, s->head, d, s->result, s->d);
    copy_columns(s->result, s->d, n, d, 1.0f, s->mixed + head * d, s->c);
}

/* Backward: d_qkv of a head from d_mixed; adds to the gradient of its positions. */
static void head_back(const Layer *l, const GradientScratch *s, ptrdiff_t head, const float *mask,
                      float *positions) {
    ptrdiff_t d = l->dim / l->heads, n = l->count;
    const float *q = s->qkv + head * d, *k = q + l->dim, *v = k + l->dim, *d_out = s->d_mixed + head * d;
    float *d_q = s->d_qkv + head * d, scale = 1.0f / sqrtf((float)d);
    forward_head(l, s, head, mask);
    pack_rows(d_out, s->c, n, d, s->head);
    multiply_turned(s->shares, s->n, n, n, s->head, d, s->result, 0);
    copy_columns(s->result, s->d, n, d, 1.0f, d_q + 2 * l->dim, s->c3);
    for (int p = 0; p < panels_of(n); p++) pack_panel(v, n, d, 1, s->c3, p, s->values);
    rows_product(s, n, d_out, s->c, d, s->values, n, s->d_shares, s->n);
    for (ptrdiff_t i = 0; i < n; i++) {
        const float *share = s->shares + i * s->n;
        float *grad = s->d_shares + i * s->n, sum = dot(share, grad, n);
#pragma omp simd
        for (ptrdiff_t j = 0; j < n; j++) grad[j] = share[j] * (grad[j] - sum);
        if (positions) add(positions + (head * n + i) * n, grad, n, positions + (head * n + i) * n);
    }
    pack_rows(k, s->c3, n, d, s->head);
    rows_product(s, n, s->d_shares, s->n, n, s->head, d, s->result, s->d);
    copy_columns(s->result, s->d, n, d, scale, d_q, s->c3);
    pack_rows(q, s->c3, n, d, s->head);
    multiply_turned(s->d_shares, s->n, n, n, s->head, d, s->result, 0);
    copy_columns(s->result, s->d, n, d, scale, d_q + l->dim, s->c3);
}

/* What the forward pass has in a window. */
static void window_again(const Layer *l, const GradientScratch *s, const int32_t *tokens, const float *x,
                         const float *mask) {
    ptrdiff_t n = l->count, c = l->dim;
    for (ptrdiff_t i = 0; i < n; i++) {
        float *normal = s->normal1 + i * s->c;
        if (tokens[i] < 0) memset(normal, 0, (size_t)c * sizeof(float));
        else normalise(x + tokens[i] * c, c, &l->norm1, normal);
    }
    rows_product(s, n, s->normal1, s->c, c, l->qkv_panels, 3 * c, s->qkv, s->c3);
    for (ptrdiff_t i = 0; i < n; i++) add(s->qkv + i * s->c3, l->qkv_bias, 3 * c, s->qkv + i * s->c3);
    for (ptrdiff_t head = 0; head < l->heads; head++) mix_head(l, s, head, mask);
    rows_product(s, n, s->mixed, s->c, c, l->proj_panels, c, s->x, s->c);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *row = s->x + i * s->c, *normal = s->normal2 + i * s->c;
        memset(normal, 0, (size_t)c * sizeof(float));
        if (tokens[i] < 0) continue;
        add(row, l->proj_bias, c, row);
        add(row, x + tokens[i] * c, c, row);
        normalise(row, c, &l->norm2, normal);
    }
    rows_product(s, n, s->normal2, s->c, c, l->fc1_panels, l->hidden, s->raw, s->f);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *raw = s->raw + i * s->f;
        add(raw, l->fc1_bias, l->hidden, raw);
        for (ptrdiff_t j = 0; j < l->hidden; j++) s->hidden[i * s->f + j] = 0;
        activate(s->hidden + i * s->f, raw, l->hidden, l->gelu, 0, s->hidden + i * s->f);
    }
}

/* Adds to the gradients of a layer y = x W^T + b, both (N, ...) maps of a window. */
static void linear_back(const LayerGradient *g, float *sums, int which, const GradientScratch *s,
                        const float *grad, ptrdiff_t grad_step, const float *x, ptrdiff_t x_step) {
    ptrdiff_t n = g->layer.count, outputs = g->rows[which];
    float *bias = sums + g->place[which + 1];
    pack_rows(x, x_step, n, g->columns[which], s->panels);
    multiply_turned(grad, grad_step, n, outputs, s->panels, g->columns[which], sums + g->place[which], 1);
    for (ptrdiff_t i = 0; i < n; i++) add(bias, grad + i * grad_step, outputs, bias);
}

static void gelu_back(const Layer *l, const float *raw, float *grad) {
    if (l->gelu == GELU_ERF) {
#pragma omp simd
        for (ptrdiff_t j = 0; j < l->hidden; j++) grad[j] *= gelu_erf_slope_(raw[j]);
    } else {
#pragma omp simd
        for (ptrdiff_t j = 0; j < l->hidden; j++) grad[j] *= gelu_tanh_slope_(raw[j]);
    }
}

static void window_back(const LayerGradient *g, ptrdiff_t unit, const GradientScratch *s, float *sums) {
    const Layer *l = &g->layer;
    ptrdiff_t window = unit % l->windows, n = l->count, c = l->dim, first = unit / l->windows * l->size * c;
    const int32_t *tokens = l->tokens + window * n;
    int32_t kind = l->kinds[window];
    const float *mask = l->plain[kind] ? NULL : l->masks + kind * n * n, *x = l->x + first;
    window_again(l, s, tokens, x, mask);
    for (ptrdiff_t i = 0; i < n; i++) {
        if (tokens[i] < 0) memset(s->out + i * s->c, 0, (size_t)c * sizeof(float));
        else memcpy(s->out + i * s->c, g->grad + first + tokens[i] * c, (size_t)c * sizeof(float));
    }
    linear_back(g, sums, FC2, s, s->out, s->c, s->hidden, s->f);
    rows_product(s, n, s->out, s->c, c, g->fc2_rows, l->hidden, s->d_hidden, s->f);
    for (ptrdiff_t i = 0; i < n; i++) gelu_back(l, s->raw + i * s->f, s->d_hidden + i * s->f);
    linear_back(g, sums, FC1, s, s->d_hidden, s->f, s->normal2, s->c);
    rows_product(s, n, s->d_hidden, s->f, l->hidden, g->fc1_rows, c, s->d_normal, s->c);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *row = s->d_x + i * s->c;
        memset(row, 0, (size_t)c * sizeof(float));
        if (tokens[i] < 0) continue;
        normalise_back(s->x + i * s->c, s->d_normal + i * s->c, c, &l->norm2, sums + g->place[NORM2],
                       sums + g->place[NORM2 + 1], row);
        add(row, s->out + i * s->c, c, row);
    }
    linear_back(g, sums, PROJ, s, s->d_x, s->c, s->mixed, s->c);
    rows_product(s, n, s->d_x, s->c, c, g->proj_rows, c, s->d_mixed, s->c);
    for (ptrdiff_t head = 0; head < l->heads; head++)
        head_back(l, s, head, mask, l->positions ? sums + g->place[POSITIONS] : NULL);
    linear_back(g, sums, QKV, s, s->d_qkv, s->c3, s->normal1, s->c);
    rows_product(s, n, s->d_qkv, s->c3, 3 * c, g->qkv_rows, c, s->d_normal, s->c);
    for (ptrdiff_t i = 0; i < n; i++) {
        if (tokens[i] < 0) continue;
        float *row = g->x_grad + first + tokens[i] * c;
        normalise_back(x + tokens[i] * c, s->d_normal + i * s->c, c, &l->norm1, sums + g->place[NORM1],
                       sums + g->place[NORM1 + 1], row);
        add(row, s->d_x + i * s->c, c, row);
    }
}

static void gradient_group(const void *task, ptrdiff_t group, float *scratch) {
    const LayerGradient *g = task;
    GradientScratch s;
    ptrdiff_t windows = g->layer.batch * g->layer.windows;
    float *sums = g->sums + group * g->place[PARAMETERS];
    memset(scratch, 0, (size_t)lay_out_gradient(&g->layer, scratch, &s) * sizeof(float));
    memset(sums, 0, (size_t)g->place[PARAMETERS] * sizeof(float));
    for (ptrdiff_t unit = windows * group / GROUPS; unit < windows * (group + 1) / GROUPS; unit++)
        window_back(g, unit, &s, sums);
}

/* Sums of the groups of one parameter, in their order, without padding. */
static void join_groups(const void *task, ptrdiff_t which, float *scratch) {
    const LayerGradient *g = task;
    ptrdiff_t columns = g->columns[which], step = which == POSITIONS ? columns : columns_of(columns);
    (void)scratch;
    if (!g->out[which]) return;
    for (ptrdiff_t row = 0; row < g->rows[which]; row++) {
        float *out = g->out[which] + row * columns;
        memset(out, 0, (size_t)columns * sizeof(float));
        for (int group = 0; group < GROUPS; group++)
            add(out, g->sums + group * g->place[PARAMETERS] + g->place[which] + row * step, columns, out);
    }
}

/* 0, or -1 where there is no memory. */
static int layer_gradient(LayerGradient *g, int threads) {
    Layer *l = &g->layer;
    GradientScratch s;
    ptrdiff_t c = l->dim, f = l->hidden, n = l->count, used = 0;
    const ptrdiff_t rows[PARAMETERS] = {1, 1, 3 * c, 1, c, 1, 1, 1, f, 1, c, 1, l->heads * n};
    const ptrdiff_t columns[PARAMETERS] = {c, c, c, 3 * c, c, c, c, c, c, f, f, c, n};
    for (int i = 0; i < PARAMETERS; i++) {
        g->rows[i] = rows[i], g->columns[i] = columns[i], g->place[i] = used;
        used += round_up((rows[i] + (rows[i] > 1 ? TILE : 0)) * columns_of(columns[i]), 16);
    }
    g->place[PARAMETERS] = used;
    float *qkv = pack(l->qkv_weight, 3 * c, c, 1, threads), *proj = pack(l->proj_weight, c, c, 1, threads);
    float *fc1 = pack(l->fc1_weight, f, c, 1, threads);
    g->qkv_rows = floats(3 * c * columns_of(c)), g->proj_rows = floats(c * columns_of(c));
    g->fc1_rows = floats(f * columns_of(c)), g->fc2_rows = floats(c * columns_of(f));
    g->sums = floats(GROUPS * used);
    int failed = !qkv || !proj || !fc1 || !g->qkv_rows || !g->proj_rows || !g->fc1_rows || !g->fc2_rows || !g->sums;
    if (!failed) {
        l->qkv_panels = qkv, l->proj_panels = proj, l->fc1_panels = fc1;
        pack_rows(l->qkv_weight, c, 3 * c, c, g->qkv_rows);
        pack_rows(l->proj_weight, c, c, c, g->proj_rows);
        pack_rows(l->fc1_weight, c, f, c, g->fc1_rows);
        pack_rows(l->fc2_weight, f, c, f, g->fc2_rows);
        failed = in_parallel(gradient_group, g, GROUPS, lay_out_gradient(l, NULL, &s), threads) ||
                 in_parallel(join_groups, g, PARAMETERS, 0, threads);
    }
    free(qkv), free(proj), free(fc1), free(g->sums);
    free(g->qkv_rows), free(g->proj_rows), free(g->fc1_rows), free(g->fc2_rows);
    return failed ? -1 : 0;
}
