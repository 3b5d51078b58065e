/* The gradient of a convolution's weight, as products over pixels. In maps with a border of zeros every
 * tap is the same product at another place. */

enum { PIECE = 144, TURNED = 32 }; /* pixels summed at once; outputs turned at once */

static ptrdiff_t padded_pixel(const WeightGradient *g, ptrdiff_t frame, ptrdiff_t y, ptrdiff_t x) {
    ptrdiff_t width = g->w + g->kw - 1, height = g->h + g->kh - 1;
    return (frame * height + y + g->kh / 2) * width + x + g->kw / 2;
}

/* Panel `unit` of x, with room for a tap's reach before and behind. */
static void pad_panel(const void *task, ptrdiff_t unit, float *scratch) {
    const WeightGradient *g = task;
    ptrdiff_t depth = g->pixels + 2 * g->reach, from = panel_start(g->channels, (int)unit) * W;
    ptrdiff_t width = panel_start(g->channels, (int)unit + 1) * W - from, row = 0;
    ptrdiff_t filled = g->channels - from < width ? g->channels - from : width;
    float *panel = g->panels + from * depth;
    (void)scratch;
    memset(panel, 0, (size_t)(depth * width) * sizeof(float));
    for (ptrdiff_t frame = 0; frame < g->n; frame++)
        for (ptrdiff_t y = 0; y < g->h; y++)
            for (ptrdiff_t x = 0; x < g->w; x++, row++)
                memcpy(panel + (g->reach + padded_pixel(g, frame, y, x)) * width,
                       g->x + row * g->channels + from, (size_t)filled * sizeof(float));
}

/* TURNED outputs of grad as planes with a border. */
static void turn_outputs(const void *task, ptrdiff_t unit, float *scratch) {
    const WeightGradient *g = task;
    ptrdiff_t from = unit * TURNED, count = g->outputs - from < TURNED ? g->outputs - from : TURNED;
    ptrdiff_t row = 0;
    float *planes = g->turned + from * g->pixels;
    (void)scratch;
    memset(planes, 0, (size_t)(count * g->pixels) * sizeof(float));
    for (ptrdiff_t frame = 0; frame < g->n; frame++)
        for (ptrdiff_t y = 0; y < g->h; y++)
            for (ptrdiff_t x = 0; x < g->w; x++, row++) {
                float *place = planes + padded_pixel(g, frame, y, x);
                const float *source = g->grad + row * g->outputs + from;
                for (ptrdiff_t o = 0; o < count; o++) place[o * g->pixels] = source[o];
            }
}

static ptrdiff_t pieces_of(const WeightGradient *g) { return (g->pixels + PIECE - 1) / PIECE; }

/* One tap for BLOCK outputs. Scratch: addresses, lengths, then BLOCK rows of columns_of(channels). */
static void gradient_unit(const void *task, ptrdiff_t unit, float *scratch) {
    const WeightGradient *g = task;
    ptrdiff_t taps = g->kh * g->kw, tap = unit % taps, from = unit / taps * BLOCK;
    ptrdiff_t count = g->outputs - from < BLOCK ? g->outputs - from : BLOCK, pieces = pieces_of(g);
    ptrdiff_t ldc = columns_of(g->channels);
    const float **rows = (const float **)scratch;
    int *lengths = (int *)(scratch + 2 * pieces * BLOCK);
    float *c = scratch + round_up(2 * pieces * BLOCK + pieces, 16);
    for (ptrdiff_t s = 0; s < pieces; s++) {
        ptrdiff_t left = g->pixels - s * PIECE;
        lengths[s] = (int)(left < PIECE ? left : PIECE);
        row_addresses(g->turned + from * g->pixels + s * PIECE, g->pixels, count, BLOCK,
                      rows + s * BLOCK);
    }
    ptrdiff_t away = (tap / g->kw - g->kh / 2) * (g->w + g->kw - 1) + tap % g->kw - g->kw / 2;
    multiply_from(rows, BLOCK, count, lengths, (int)pieces, g->panels, g->pixels + 2 * g->reach,
                  g->reach + away, g->channels, c, ldc);
    for (ptrdiff_t o = 0; o < count; o++)
        memcpy(g->out + ((from + o) * taps + tap) * g->channels, c + o * ldc,
               (size_t)g->channels * sizeof(float));
}

/* 0, or -1 where there is no memory. */
static int weight_gradient(WeightGradient *g, int threads) {
    ptrdiff_t width = g->w + g->kw - 1, blocks = (g->outputs + BLOCK - 1) / BLOCK;
    g->pixels = g->n * (g->h + g->kh - 1) * width;
    g->reach = g->kh / 2 * width + g->kw / 2;
    g->panels = floats(columns_of(g->channels) * (g->pixels + 2 * g->reach));
    g->turned = floats(g->outputs * g->pixels);
    ptrdiff_t scratch = round_up(2 * pieces_of(g) * BLOCK + pieces_of(g), 16) +
                        (BLOCK + TILE) * columns_of(g->channels);
    int failed = !g->panels || !g->turned ||
                 in_parallel(pad_panel, g, panels_of(g->channels), 0, threads) ||
                 in_parallel(turn_outputs, g, (g->outputs + TURNED - 1) / TURNED, 0, threads) ||
                 in_parallel(gradient_unit, g, g->kh * g->kw * blocks, scratch, threads);
    free(g->panels), free(g->turned);
    return failed ? -1 : 0;
}
