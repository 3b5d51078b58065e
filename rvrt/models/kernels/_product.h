/* Products of rows with weights, the rows read from wherever they lie: a convolution's taps, several
 * maps side by side or a window's tokens need no copy of them.
 */

#define W ((ptrdiff_t)(VECTOR_BYTES / sizeof(float)))
typedef float vec __attribute__((vector_size(VECTOR_BYTES)));
typedef float loose_vec __attribute__((vector_size(VECTOR_BYTES), aligned(4)));

/* c[r, :] (+)= sum over segments s and k of rows[s * stride + r][k] * b[..., :], for TILE rows and
 * `n` vectors of columns; everything that is summed stays in registers. */
#define DEFINE_TILE(NAME_N, N)                                                                    \
    static void NAME_N(const float *const *rows, ptrdiff_t stride, const int *lengths,     \
                              int segments, const float *b, float *c, ptrdiff_t ldc, int add) {   \
        vec sums[TILE][N];                                                                        \
        _Pragma("GCC unroll 8") for (int r = 0; r < TILE; r++)                                    \
            _Pragma("GCC unroll 8") for (int v = 0; v < N; v++)                                   \
                sums[r][v] = add ? *(const loose_vec *)(c + r * ldc + v * W) : (vec){0};          \
        for (int s = 0; s < segments; s++, rows += stride) {                                      \
            const float *a[TILE];                                                                 \
            _Pragma("GCC unroll 8") for (int r = 0; r < TILE; r++) a[r] = rows[r];                \
            for (ptrdiff_t k = 0, length = lengths[s]; k < length; k++, b += N * W) {             \
                vec column[N];                                                                    \
                _Pragma("GCC unroll 8") for (int v = 0; v < N; v++)                               \
                    column[v] = *(const vec *)(b + v * W);                                        \
                _Pragma("GCC unroll 8") for (int r = 0; r < TILE; r++) {                          \
                    vec x = a[r][k] - (vec){0};                                                   \
                    _Pragma("GCC unroll 8") for (int v = 0; v < N; v++)                           \
                        sums[r][v] += x * column[v];                                              \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
        _Pragma("GCC unroll 8") for (int r = 0; r < TILE; r++)                                    \
            _Pragma("GCC unroll 8") for (int v = 0; v < N; v++)                                   \
                *(loose_vec *)(c + r * ldc + v * W) = sums[r][v];                                 \
    }
DEFINE_TILE(tile_1, 1)
DEFINE_TILE(tile_2, 2)
DEFINE_TILE(tile_3, 3)
#undef DEFINE_TILE

/* c[r, :] (+)= sum over k of a[k * step + r] * b[k, :]: the rows are columns of a map. */
#define DEFINE_TURNED(NAME_N, N)                                                                  \
    static void NAME_N(const float *a, ptrdiff_t step, ptrdiff_t depth, const float *b, float *c, \
                       ptrdiff_t ldc, int add) {                                                  \
        vec sums[TILE][N];                                                                        \
        _Pragma("GCC unroll 8") for (int r = 0; r < TILE; r++)                                    \
            _Pragma("GCC unroll 8") for (int v = 0; v < N; v++)                                   \
                sums[r][v] = add ? *(const loose_vec *)(c + r * ldc + v * W) : (vec){0};          \
        for (ptrdiff_t k = 0; k < depth; k++, a += step, b += N * W) {                            \
            vec column[N];                                                                        \
            _Pragma("GCC unroll 8") for (int v = 0; v < N; v++) column[v] = *(const vec *)(b + v * W); \
            _Pragma("GCC unroll 8") for (int r = 0; r < TILE; r++) {                              \
                vec x = a[r] - (vec){0};                                                          \
                _Pragma("GCC unroll 8") for (int v = 0; v < N; v++) sums[r][v] += x * column[v];  \
            }                                                                                     \
        }                                                                                         \
        _Pragma("GCC unroll 8") for (int r = 0; r < TILE; r++)                                    \
            _Pragma("GCC unroll 8") for (int v = 0; v < N; v++)                                   \
                *(loose_vec *)(c + r * ldc + v * W) = sums[r][v];                                 \
    }
DEFINE_TURNED(turned_1, 1)
DEFINE_TURNED(turned_2, 2)
DEFINE_TURNED(turned_3, 3)
#undef DEFINE_TURNED

/* Columns of weights in panels of up to three vectors, each panel (depth, vectors * W), zeros behind
 * the last column. */
static ptrdiff_t columns_of(ptrdiff_t outputs) { return round_up(outputs, W); }

static int panels_of(ptrdiff_t outputs) { return (int)((columns_of(outputs) / W + 2) / 3); }

/* The first vector of panel p, in all. */
static ptrdiff_t panel_start(ptrdiff_t outputs, int p) {
    return columns_of(outputs) / W * p / panels_of(outputs);
}

/* weight[o * row + c * taps + t] to panel p, rows of the panel by (tap, channel). */
static void pack_panel(const float *weight, ptrdiff_t outputs, ptrdiff_t channels,
                              ptrdiff_t taps, ptrdiff_t row, int p, float *panels) {
    ptrdiff_t depth = channels * taps, from = panel_start(outputs, p) * W;
    ptrdiff_t width = panel_start(outputs, p + 1) * W - from;
    float *panel = panels + from * depth;
    for (ptrdiff_t o = 0; o < width; o++) {
        const float *source = weight + (from + o) * row;
        if (from + o >= outputs) {
            for (ptrdiff_t k = 0; k < depth; k++) panel[k * width + o] = 0;
        } else if (taps == 1) {
            for (ptrdiff_t k = 0; k < depth; k++) panel[k * width + o] = source[k];
        } else {
            for (ptrdiff_t c = 0; c < channels; c++)
                for (ptrdiff_t t = 0; t < taps; t++)
                    panel[(t * channels + c) * width + o] = source[c * taps + t];
        }
    }
}

/* c (count rows, rounded up to TILE; ldc apart) = rows x weights: their rows `start`.. of panels
 * `depth` deep. `rows` holds, for each segment, `stride` addresses, those behind the last row being
 * valid too. Pieces of the depth that fill PANEL_BYTES stay in the first cache for all of the rows. */
static void multiply_from(const float *const *rows, ptrdiff_t stride, ptrdiff_t count,
                          const int *lengths, int segments, const float *panels, ptrdiff_t depth,
                          ptrdiff_t start, ptrdiff_t outputs, float *c, ptrdiff_t ldc) {
    ptrdiff_t done = 0;
    int number = panels_of(outputs);
    for (int first = 0, last; first < segments; first = last) {
        ptrdiff_t piece = lengths[first];
        for (last = first + 1; last < segments; last++) {
            if ((piece + lengths[last]) * 3 * VECTOR_BYTES > PANEL_BYTES) break;
            piece += lengths[last];
        }
        for (int p = 0; p < number; p++) {
            ptrdiff_t from = panel_start(outputs, p), n = panel_start(outputs, p + 1) - from;
            const float *b = panels + (from * depth + (start + done) * n) * W;
            for (ptrdiff_t i = 0; i < count; i += TILE) {
                const float *const *some = rows + first * stride + i;
                float *target = c + i * ldc + from * W;
                const int *long_ = lengths + first;
                if (n == 3) tile_3(some, stride, long_, last - first, b, target, ldc, done > 0);
                else if (n == 2) tile_2(some, stride, long_, last - first, b, target, ldc, done > 0);
                else tile_1(some, stride, long_, last - first, b, target, ldc, done > 0);
            }
        }
        done += piece;
    }
}

/* The same with all of the weights. */
static void multiply(const float *const *rows, ptrdiff_t stride, ptrdiff_t count, const int *lengths,
                     int segments, const float *panels, ptrdiff_t outputs, float *c, ptrdiff_t ldc) {
    ptrdiff_t depth = 0;
    for (int s = 0; s < segments; s++) depth += lengths[s];
    multiply_from(rows, stride, count, lengths, segments, panels, depth, 0, outputs, c, ldc);
}

/* Addresses of `count` rows that lie `step` floats apart, and of the last one again up to `room`. */
static void row_addresses(const float *x, ptrdiff_t step, ptrdiff_t count, ptrdiff_t room,
                          const float **rows) {
    for (ptrdiff_t i = 0; i < room; i++) rows[i] = x + (i < count ? i : count - 1) * step;
}

/* A matrix (depth, outputs), its rows `step` apart, as panels. */
static void pack_rows(const float *x, ptrdiff_t step, ptrdiff_t depth, ptrdiff_t outputs, float *panels) {
    for (int p = 0; p < panels_of(outputs); p++) {
        ptrdiff_t from = panel_start(outputs, p) * W, width = panel_start(outputs, p + 1) * W - from;
        ptrdiff_t filled = outputs - from < width ? outputs - from : width;
        float *panel = panels + from * depth;
        for (ptrdiff_t k = 0; k < depth; k++) {
            for (ptrdiff_t o = 0; o < filled; o++) panel[k * width + o] = x[k * step + from + o];
            for (ptrdiff_t o = filled; o < width; o++) panel[k * width + o] = 0;
        }
    }
}

/* c (count rows, rounded up to TILE) (+)= the columns of x (depth, count), rows `step` apart, x
 * panels: the sum over rows of their outer products. Behind each row of x, TILE floats are read. */
static void multiply_turned(const float *x, ptrdiff_t step, ptrdiff_t depth, ptrdiff_t count,
                            const float *panels, ptrdiff_t outputs, float *c, int add) {
    ptrdiff_t ldc = columns_of(outputs);
    for (int p = 0; p < panels_of(outputs); p++) {
        ptrdiff_t from = panel_start(outputs, p), n = panel_start(outputs, p + 1) - from;
        const float *b = panels + from * depth * W;
        for (ptrdiff_t i = 0; i < count; i += TILE) {
            float *target = c + i * ldc + from * W;
            if (n == 3) turned_3(x + i, step, depth, b, target, ldc, add);
            else if (n == 2) turned_2(x + i, step, depth, b, target, ldc, add);
            else turned_1(x + i, step, depth, b, target, ldc, add);
        }
    }
}
