/* imresize's sums, compiled: the ordered float64 sum of MATLAB, and the same in float32 where that is
 * exact. Called by compiled.py alone, which checks shapes and types and hands over addresses (the
 * stable ABI has no buffers before Python 3.11).
 *
 * Build without contraction of a * b + c (setup.py does): one rounding less is another last bit.
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "_pass.h"

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
