/* Gradients of guided deformable attention. First pixel by pixel: each sample's share of a head and the
 * gradient of its score, the queries', and the offsets. Then group by group, as many pixels add to one
 * key or value but each group has channels of its own: keys, values, positions. */

/* Writes shares, scores and q_grad. */
static void shares_pixel(const SamplesGradient *g, ptrdiff_t r, const float *offsets,
                         const SampleScratch *s) {
    const Samples *p = &g->samples;
    ptrdiff_t taps = p->kh * p->kw, plane = p->h * p->w, d = p->channels / p->heads, frame = r / plane;
    ptrdiff_t each = 2 * taps * p->heads;
    const float *q = p->q + r * p->channels, *out = g->out_grad + r * p->channels;
    float *shares = g->shares + r * each, *scores = g->scores + r * each;
    float *q_grad = g->q_grad + r * p->channels, scale = 1.0f / sqrtf((float)d);
    for (int step = 0; step < 3; step++) { /* scores; gradients of shares; of the queries */
        if (step == 1) soften_heads(shares, 2 * taps, p->heads);
        if (step == 2) {
            for (ptrdiff_t h = 0; h < p->heads; h++) {
                float sum = 0;
                for (ptrdiff_t i = h; i < each; i += p->heads) sum += shares[i] * scores[i];
                for (ptrdiff_t i = h; i < each; i += p->heads) scores[i] = shares[i] * (scores[i] - sum) * scale;
            }
            memset(q_grad, 0, (size_t)p->channels * sizeof(float));
        }
        for (ptrdiff_t n = 0; n < 2 * taps; n++) {
            ptrdiff_t slot = n / taps, read = frame / 2 * 2 + (frame + slot) % 2;
            const float *map = (step == 1 ? p->v : p->k) + read * plane * p->channels;
            take(p, map, r, (int)slot, n % taps, offsets + (slot * 2 + (step == 1)) * 2 * p->groups * taps,
                 s->sample);
            for (ptrdiff_t h = 0; h < p->heads; h++) {
                const float *sample = s->sample + h * d;
                ptrdiff_t place = n * p->heads + h;
                if (step == 0) shares[place] = dot(q + h * d, sample, d) * scale;
                else if (step == 1) scores[place] = dot(out + h * d, sample, d);
                else {
                    float weight = scores[place], *sum = q_grad + h * d;
#pragma omp simd
                    for (ptrdiff_t i = 0; i < d; i++) sum[i] += weight * sample[i];
                }
            }
        }
    }
}

/* For now raw_grad takes the offsets. */
static void shares_block(const void *task, ptrdiff_t unit, float *scratch) {
    const SamplesGradient *g = task;
    SampleScratch s;
    lay_out_samples(&g->samples, scratch, &s);
    ptrdiff_t count = find_offsets(&g->samples, unit, &s), outputs = outputs_of(&g->samples);
    for (ptrdiff_t i = 0; i < count; i++) {
        shares_pixel(g, unit * PIXELS + i, s.offsets + i * s.columns, &s);
        memcpy(g->raw_grad + (unit * PIXELS + i) * outputs, s.offsets + i * s.columns,
               (size_t)outputs * sizeof(float));
    }
}

/* Adds one sample's gradient `grad` (n channels) to the map's; returns those of its position. */
static void spread(const Corners *c, const float *map, float *map_grad, ptrdiff_t n, const float *grad,
                   float *y_grad, float *x_grad) {
    float dots[4];
    for (int i = 0; i < 4; i++) {
        float *target = map_grad + (c->at[i] - map), share = c->share[i];
        dots[i] = 0;
        if (!c->inside[i]) continue;
        dots[i] = dot(grad, c->at[i], n);
#pragma omp simd
        for (ptrdiff_t j = 0; j < n; j++) target[j] += share * grad[j];
    }
    float fy = c->fy, fx = c->fx;
    *y_grad = (1 - fx) * (dots[2] - dots[0]) + fx * (dots[3] - dots[1]);
    *x_grad = (1 - fy) * (dots[1] - dots[0]) + fy * (dots[3] - dots[2]);
}

/* Unit: half and group, of one clip. Scratch: the channels of a group. */
static void spread_group(const void *task, ptrdiff_t unit, float *scratch) {
    const SamplesGradient *g = task;
    const Samples *p = &g->samples;
    ptrdiff_t half = unit % 2, group = unit / 2 % p->groups, clip = unit / 2 / p->groups;
    ptrdiff_t taps = p->kh * p->kw, plane = p->h * p->w, width = p->channels / p->groups;
    ptrdiff_t outputs = outputs_of(p), d = p->channels / p->heads, from = group * width;
    const float *weights = half ? g->shares : g->scores, *pull = half ? g->out_grad : p->q;
    for (ptrdiff_t r = 2 * clip * plane; r < 2 * (clip + 1) * plane; r++) {
        ptrdiff_t frame = r / plane, y = r % plane / p->w, x = r % p->w;
        for (ptrdiff_t n = 0; n < 2 * taps; n++) {
            ptrdiff_t slot = n / taps, tap = n % taps, read = frame / 2 * 2 + (frame + slot) % 2;
            ptrdiff_t shift = read * plane * p->channels + from;
            const float *map = (half ? p->v : p->k) + shift;
            const float *weight = weights + (r * 2 * taps + n) * p->heads;
            float *offset = g->raw_grad + r * outputs + (((slot * 2 + half) * p->groups + group) * taps + tap) * 2;
            float at_y = p->flow[slot][2 * r + 1] + (float)(y + tap / p->kw - p->kh / 2) + offset[0];
            float at_x = p->flow[slot][2 * r] + (float)(x + tap % p->kw - p->kw / 2) + offset[1];
            float y_grad, x_grad;
            Corners c = corners(map, p->h, p->w, p->channels, at_y, at_x, 0);
            for (ptrdiff_t i = 0; i < width; i++) scratch[i] = weight[(from + i) / d] * pull[r * p->channels + from + i];
            spread(&c, map, (half ? g->v_grad : g->k_grad) + shift, width, scratch, &y_grad, &x_grad);
            int moves_y = at_y > -1 && at_y < (float)p->h, moves_x = at_x > -1 && at_x < (float)p->w;
            /* the offset is read no more: its place takes the gradient of the position */
            offset[0] = moves_y ? y_grad : 0;
            offset[1] = moves_x ? x_grad : 0;
        }
    }
}

/* From positions to flows and to what the last layer gives: tanh backwards. */
static void offsets_block(const void *task, ptrdiff_t unit, float *scratch) {
    const SamplesGradient *g = task;
    const Samples *p = &g->samples;
    SampleScratch s;
    lay_out_samples(p, scratch, &s);
    ptrdiff_t count = find_offsets(p, unit, &s), outputs = outputs_of(p), pairs = outputs / 4;
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t r = unit * PIXELS + i;
        const float *offsets = s.offsets + i * s.columns;
        float *raw = g->raw_grad + r * outputs;
        for (int slot = 0; slot < 2; slot++) {
            const float *improved = g->improved_grad[slot] + 2 * r;
            float *flow = g->flow_grad[slot] + 2 * r, y = 0, x = 0;
            float mean_y = improved[1] / (float)pairs, mean_x = improved[0] / (float)pairs;
            for (ptrdiff_t j = 2 * slot * pairs; j < 2 * (slot + 1) * pairs; j += 2) {
                y += raw[j], x += raw[j + 1];
                raw[j] = (raw[j] + mean_y) * (p->most - offsets[j] * offsets[j] / p->most);
                raw[j + 1] = (raw[j + 1] + mean_x) * (p->most - offsets[j + 1] * offsets[j + 1] / p->most);
            }
            flow[0] = improved[0] + x, flow[1] = improved[1] + y;
        }
    }
}

/* 0, or -1 where there is no memory. k_grad and v_grad are to hold zeros. */
static int samples_gradient(SamplesGradient *g, int threads) {
    Samples *p = &g->samples;
    SampleScratch s;
    float *panels = pack(p->weight, outputs_of(p), p->hidden_channels, 1, threads);
    if (!panels) return -1;
    p->panels = panels;
    ptrdiff_t units = (2 * p->batch * p->h * p->w + PIXELS - 1) / PIXELS, room = lay_out_samples(p, NULL, &s);
    int failed = in_parallel(shares_block, g, units, room, threads) ||
                 in_parallel(spread_group, g, 2 * p->groups * p->batch, p->channels / p->groups, threads) ||
                 in_parallel(offsets_block, g, units, room, threads);
    free(panels);
    return failed ? -1 : 0;
}
