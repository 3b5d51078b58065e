/* imresize's sums, compiled: the ordered float64 sum of MATLAB, and the same in float32 where that is
 * exact. Called by compiled.py alone, which checks shapes and types and hands over addresses (the
 * stable ABI has no buffers before Python 3.11).
 *
 * Build without contraction of a * b + c (setup.py does): one rounding less is another last bit.
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* Sums stay in registers: VECTORS of them leave half for the rest. */
#define TARGET
#define VECTORS 8
#define VECTOR_BYTES 16
#define REAL float
#define NAME(x) JOIN(x, _float)
#include "_sums.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) JOIN(x, _double)
#include "_sums.h"
#undef REAL
#undef NAME
#undef TARGET
#undef VECTOR_BYTES

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
#define VECTOR_BYTES 32
#define REAL float
#define NAME(x) JOIN(x, _float_avx2)
#include "_sums.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) JOIN(x, _double_avx2)
#include "_sums.h"
#undef REAL
#undef NAME
#undef TARGET
#undef VECTORS
#undef VECTOR_BYTES

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define VECTORS 4
#define VECTOR_BYTES 64
#define REAL float
#define NAME(x) JOIN(x, _float_avx512)
#include "_sums.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) JOIN(x, _double_avx512)
#include "_sums.h"
#undef REAL
#undef NAME
#undef TARGET
#endif

/* The instruction sets this was built for, the most capable last; `used` is the one in use. */
typedef struct {
    const char *name;
    ptrdiff_t (*pass_float)(const Pass *);
    ptrdiff_t (*pass_double)(const Pass *);
    void (*widen)(Kind, const void *, ptrdiff_t, double *);
    void (*narrow)(Kind, const double *, ptrdiff_t, void *);
} Level;

static const Level LEVELS[] = {
    {"baseline", pass_float, pass_double, widen_double, narrow_double},
#if defined(__x86_64__)
    {"avx2", pass_float_avx2, pass_double_avx2, widen_double_avx2, narrow_double_avx2},
    {"avx512", pass_float_avx512, pass_double_avx512, widen_double_avx512, narrow_double_avx512},
#endif
};
static const Level *used = LEVELS;

static int runs_here(int level) {
    if (level == 0) return 1;
#if defined(__x86_64__)
    if (level == 1) return __builtin_cpu_supports("avx2");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
    return 0;
#endif
}

static PyObject *instruction_sets(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    PyObject *names = PyList_New(0);
    for (int i = 0; names && i < (int)(sizeof LEVELS / sizeof *LEVELS); i++) {
        if (!runs_here(i)) continue;
        PyObject *name = PyUnicode_FromString(LEVELS[i].name);
        if (!name || PyList_Append(names, name)) Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyObject *use_instruction_set(PyObject *self, PyObject *args) {
    (void)self;
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    for (int i = 0; i < (int)(sizeof LEVELS / sizeof *LEVELS); i++) {
        if (strcmp(name, LEVELS[i].name) || !runs_here(i)) continue;
        used = &LEVELS[i];
        Py_RETURN_NONE;
    }
    return PyErr_Format(PyExc_ValueError, "%s: not an instruction set of this processor", name);
}

static PyObject *resize_axis(PyObject *self, PyObject *args) {
    (void)self;
    Pass p;
    Py_ssize_t in, out, weights, indices, halves, count;
    int in_kind, out_kind, single;
    if (!PyArg_ParseTuple(args, "(nini)(nnnnn)(nnii)(nn)", &in, &in_kind, &out, &out_kind, &p.outer,
                          &p.in_length, &p.inner, &p.out_length, &p.taps, &weights, &indices,
                          &single, &p.skip, &halves, &p.halves_room))
        return NULL;
    p.in = (const char *)in;
    p.out = (char *)out;
    p.in_kind = (Kind)in_kind;
    p.out_kind = (Kind)out_kind;
    p.in_bytes = BYTES[in_kind];
    p.out_bytes = BYTES[out_kind];
    p.weights = (const double *)weights;
    p.indices = (const int32_t *)indices;
    p.halves = (int64_t *)halves;
    Py_BEGIN_ALLOW_THREADS
    count = single ? used->pass_float(&p) : used->pass_double(&p);
    Py_END_ALLOW_THREADS
    if (count < 0) return PyErr_NoMemory();
    return PyLong_FromSsize_t(count);
}

static PyObject *convert(PyObject *self, PyObject *args) {
    (void)self;
    Py_ssize_t in, out, count;
    int in_kind, out_kind;
    if (!PyArg_ParseTuple(args, "ninin", &in, &in_kind, &out, &out_kind, &count)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    if (out_kind == FLOAT64) {
        used->widen((Kind)in_kind, (const void *)in, count, (double *)out);
    } else {
        double piece[1024];
        const char *source = (const char *)in;
        for (Py_ssize_t at = 0; at < count; at += 1024) {
            Py_ssize_t n = count - at < 1024 ? count - at : 1024;
            used->widen((Kind)in_kind, source + at * BYTES[in_kind], n, piece);
            used->narrow((Kind)out_kind, piece, n, (char *)out + at * BYTES[out_kind]);
        }
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"resize_axis", resize_axis, METH_VARARGS, "One axis; see compiled.py."},
    {"convert", convert, METH_VARARGS, "im2double and im2uint8; see compiled.py."},
    {"instruction_sets", instruction_sets, METH_NOARGS, "Those of this processor, best last."},
    {"use_instruction_set", use_instruction_set, METH_VARARGS, "One of instruction_sets()."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_compiled", "imresize's sums, compiled.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__compiled(void) {
    for (int i = 0; i < (int)(sizeof LEVELS / sizeof *LEVELS); i++)
        if (runs_here(i)) used = &LEVELS[i];
    return PyModule_Create(&MODULE);
}
