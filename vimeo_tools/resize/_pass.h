/* What a pass over one axis needs besides the sums: its description, its memory, and the turning of
 * rows into lanes. The same for every type and instruction set.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The samples of an array. UNIT8 and UNIT16: integers that stand for 0..1, as im2double has it. */
typedef enum { UINT8, INT8, UINT16, INT16, INT32, FLOAT32, FLOAT64, UNIT8, UNIT16 } Kind;
static const ptrdiff_t BYTES[] = {1, 1, 2, 2, 4, 4, 8, 1, 2};

/* (outer, in_length, inner) -> (outer, out_length, inner), both contiguous:
 * out[o, j, i] = sum over t of weights[j, t] * in[o, indices[j, t], i], as out_kind. */
typedef struct {
    const char *in;
    char *out;
    Kind in_kind, out_kind;
    ptrdiff_t in_bytes, out_bytes;
    ptrdiff_t outer, in_length, out_length, inner, taps;
    const double *weights;
    const int32_t *indices;
    int skip;        /* samples are finite: weights of 0 need no product */
    int64_t *halves; /* NULL, or room for the places of sums that end in exactly 1/2 */
    ptrdiff_t halves_room;
} Pass;

typedef struct {
    ptrdiff_t count;
} Halves;

/* The weights as REAL, and the first and last input sample of each output. */
typedef struct {
    void *weights;
    int32_t *lowest, *highest;
    ptrdiff_t reach; /* most input samples from the first tap of an output to its last */
} Plan;

typedef struct {
    void *block;       /* (longest, width) of REAL: input samples */
    void *sums;        /* (OUTPUTS, width) of REAL */
    void *turned;      /* samples on their way between rows and lanes */
    ptrdiff_t longest; /* input samples along the axis in one block */
    ptrdiff_t width;
} Scratch;

enum {
    BLOCK_BYTES = 1 << 17, /* stays in the second cache of any processor of today */
    TURNED = 64,           /* samples of a row that are turned at once */
    OUTPUTS = 8,           /* outputs that are rounded and turned back at once */
    ALIGNMENT = 64
};

static void free_plan(Plan *plan) {
    free(plan->weights);
    free(plan->lowest);
    free(plan->highest);
}

static int make_plan(Plan *plan, const Pass *p, size_t real_bytes) {
    size_t count = (size_t)(p->out_length * p->taps), outputs = (size_t)p->out_length;
    plan->weights = malloc(count * real_bytes);
    plan->lowest = malloc(outputs * sizeof(int32_t));
    plan->highest = malloc(outputs * sizeof(int32_t));
    if (!plan->weights || !plan->lowest || !plan->highest) {
        free_plan(plan);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (real_bytes == sizeof(float))
            ((float *)plan->weights)[i] = (float)p->weights[i];
        else
            ((double *)plan->weights)[i] = p->weights[i];
    }
    plan->reach = 0;
    for (ptrdiff_t j = 0; j < p->out_length; j++) {
        const int32_t *at = p->indices + j * p->taps;
        int32_t low = at[0], high = at[0];
        for (ptrdiff_t t = 1; t < p->taps; t++) {
            low = at[t] < low ? at[t] : low;
            high = at[t] > high ? at[t] : high;
        }
        plan->lowest[j] = low;
        plan->highest[j] = high;
        if (high - low + 1 > plan->reach) plan->reach = high - low + 1;
    }
    return 1;
}

/* The outputs from `first` on whose inputs fit a block together: returns where they stop. */
static ptrdiff_t next_segment(const Pass *p, const Plan *plan, ptrdiff_t longest, ptrdiff_t first,
                              ptrdiff_t *low, ptrdiff_t *high) {
    ptrdiff_t stop = first + 1;
    *low = plan->lowest[first];
    *high = plan->highest[first];
    for (; stop < p->out_length; stop++) {
        ptrdiff_t l = plan->lowest[stop] < *low ? plan->lowest[stop] : *low;
        ptrdiff_t h = plan->highest[stop] > *high ? plan->highest[stop] : *high;
        if (h - l + 1 > longest) break;
        *low = l;
        *high = h;
    }
    return stop;
}

/* Zeroed, aligned memory; the address to free() stands before it. */
static void *aligned_zeros(size_t bytes) {
    char *raw = calloc(1, bytes + ALIGNMENT + sizeof(void *));
    if (!raw) return NULL;
    uintptr_t start = ((uintptr_t)raw + sizeof(void *) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    ((void **)start)[-1] = raw;
    return (void *)start;
}

static void aligned_free(void *memory) {
    if (memory) free(((void **)memory)[-1]);
}

static void free_scratch(Scratch *s) {
    aligned_free(s->block);
    aligned_free(s->sums);
    aligned_free(s->turned);
}

static int make_scratch(Scratch *s, const Pass *p, const Plan *plan, ptrdiff_t width,
                        ptrdiff_t lanes, size_t real_bytes) {
    ptrdiff_t fitting = BLOCK_BYTES / (width * (ptrdiff_t)real_bytes);
    s->width = width;
    s->longest = fitting > plan->reach ? fitting : plan->reach;
    if (s->longest > p->in_length) s->longest = p->in_length;
    ptrdiff_t turned = OUTPUTS * width > TURNED * lanes ? OUTPUTS * width : TURNED * lanes;
    s->block = aligned_zeros((size_t)(s->longest * width) * real_bytes);
    s->sums = aligned_zeros((size_t)(OUTPUTS * width) * real_bytes);
    s->turned = aligned_zeros((size_t)turned * sizeof(double));
    if (s->block && s->sums && s->turned) return 1;
    free_scratch(s);
    return 0;
}

/* `count` samples of `rows` rows -> (count, lanes). */
static void turn(const char *source, ptrdiff_t rows, ptrdiff_t count, ptrdiff_t stride, void *target,
                 ptrdiff_t lanes, ptrdiff_t bytes) {
#define TURN(TYPE)                                                           \
    for (ptrdiff_t r = 0; r < rows; r++) {                                   \
        const TYPE *x = (const TYPE *)source + r * stride;                   \
        TYPE *y = (TYPE *)target + r;                                        \
        for (ptrdiff_t q = 0; q < count; q++) y[q * lanes] = x[q];           \
    }
    if (bytes == 1) TURN(uint8_t)
    if (bytes == 2) TURN(uint16_t)
    if (bytes == 4) TURN(uint32_t)
    if (bytes == 8) TURN(uint64_t)
#undef TURN
}

/* (count, lanes) -> `count` samples of `rows` rows. */
static void turn_back(const void *source, ptrdiff_t lanes, ptrdiff_t rows, ptrdiff_t count,
                      ptrdiff_t stride, char *target, ptrdiff_t bytes) {
#define TURN(TYPE)                                                           \
    for (ptrdiff_t r = 0; r < rows; r++) {                                   \
        const TYPE *x = (const TYPE *)source + r;                            \
        TYPE *y = (TYPE *)target + r * stride;                               \
        for (ptrdiff_t q = 0; q < count; q++) y[q] = x[q * lanes];           \
    }
    if (bytes == 1) TURN(uint8_t)
    if (bytes == 2) TURN(uint16_t)
    if (bytes == 4) TURN(uint32_t)
    if (bytes == 8) TURN(uint64_t)
#undef TURN
}
