/* The rows of an 8-bit RGB PNG: from differences to samples and back (PNG specification, section 9).
 * Called by codecs.py alone, which checks sizes and hands over addresses (the stable ABI has no
 * buffers before Python 3.11).
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PIXEL 3
enum { NONE, SUB, UP, AVERAGE, PAETH };

/* What of the samples to the left, above, and above to the left is nearest to a + b - c; a before b
 * before c. Where c is no further out than both of the others, a + b - c is beyond one of them. Where
 * it lies between them, 3 * c - a - b says which third of the way a + b - c has come. No branches: which
 * of the three it is changes from sample to sample. */
static inline int nearest(int a, int b, int c) {
    int low = a < b ? a : b, high = a < b ? b : a, turn = 3 * c - (a + b);
    int found = turn >= high ? low : c;
    return turn <= low ? high : found;
}

static void undo_paeth(const uint8_t *in, const uint8_t *above, uint8_t *out, ptrdiff_t length) {
    int a0 = 0, a1 = 0, a2 = 0, c0 = 0, c1 = 0, c2 = 0;
    for (ptrdiff_t i = 0; i < length; i += PIXEL) {
        int b0 = above[i], b1 = above[i + 1], b2 = above[i + 2];
        out[i] = (uint8_t)(a0 = (in[i] + nearest(a0, b0, c0)) & 255);
        out[i + 1] = (uint8_t)(a1 = (in[i + 1] + nearest(a1, b1, c1)) & 255);
        out[i + 2] = (uint8_t)(a2 = (in[i + 2] + nearest(a2, b2, c2)) & 255);
        c0 = b0, c1 = b1, c2 = b2;
    }
}

static void undo_average(const uint8_t *in, const uint8_t *above, uint8_t *out, ptrdiff_t length) {
    int a0 = 0, a1 = 0, a2 = 0;
    for (ptrdiff_t i = 0; i < length; i += PIXEL) {
        out[i] = (uint8_t)(a0 = (in[i] + (a0 + above[i]) / 2) & 255);
        out[i + 1] = (uint8_t)(a1 = (in[i + 1] + (a1 + above[i + 1]) / 2) & 255);
        out[i + 2] = (uint8_t)(a2 = (in[i + 2] + (a2 + above[i + 2]) / 2) & 255);
    }
}

static void undo_sub(const uint8_t *in, uint8_t *out, ptrdiff_t length) {
    uint8_t a0 = 0, a1 = 0, a2 = 0;
    for (ptrdiff_t i = 0; i < length; i += PIXEL) {
        out[i] = a0 = (uint8_t)(a0 + in[i]);
        out[i + 1] = a1 = (uint8_t)(a1 + in[i + 1]);
        out[i + 2] = a2 = (uint8_t)(a2 + in[i + 2]);
    }
}

static void undo_up(const uint8_t *in, const uint8_t *above, uint8_t *out, ptrdiff_t length) {
    for (ptrdiff_t i = 0; i < length; i++) out[i] = (uint8_t)(in[i] + above[i]);
}

/* Whether all filters are known. `above` is a row of zeros for the first. */
static int undo(const uint8_t *in, const uint8_t *above, uint8_t *out, ptrdiff_t rows, ptrdiff_t length) {
    for (; rows; rows--, in += length + 1, above = out, out += length) {
        switch (*in) {
            case NONE: memcpy(out, in + 1, (size_t)length); break;
            case SUB: undo_sub(in + 1, out, length); break;
            case UP: undo_up(in + 1, above, out, length); break;
            case AVERAGE: undo_average(in + 1, above, out, length); break;
            case PAETH: undo_paeth(in + 1, above, out, length); break;
            default: return 0;
        }
    }
    return 1;
}

static void do_paeth(const uint8_t *in, const uint8_t *above, uint8_t *out, ptrdiff_t rows, ptrdiff_t length) {
    for (; rows; rows--, above = in, in += length) {
        *out++ = PAETH;
        for (ptrdiff_t i = 0; i < PIXEL; i++) *out++ = (uint8_t)(in[i] - above[i]);
        for (ptrdiff_t i = PIXEL; i < length; i++)
            *out++ = (uint8_t)(in[i] - nearest(in[i - PIXEL], above[i], above[i - PIXEL]));
    }
}

static PyObject *from_rows(PyObject *self, PyObject *args) {
    (void)self;
    const char *in;
    Py_ssize_t size, start, out, rows, length;
    int known;
    if (!PyArg_ParseTuple(args, "y#nnnn", &in, &size, &start, &out, &rows, &length)) return NULL;
    if (start < 0 || start > size || length < PIXEL || length % PIXEL || rows < 0 ||
        rows > (size - start) / (length + 1))
        return PyErr_Format(PyExc_ValueError, "%zd rows of %zd are not in %zd bytes", rows, length, size);
    uint8_t *zeros = PyMem_Calloc((size_t)length, 1);
    if (!zeros) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    known = undo((const uint8_t *)in + start, zeros, (uint8_t *)out, rows, length);
    Py_END_ALLOW_THREADS
    PyMem_Free(zeros);
    return PyBool_FromLong(known);
}

static PyObject *to_rows(PyObject *self, PyObject *args) {
    (void)self;
    Py_ssize_t in, rows, length;
    if (!PyArg_ParseTuple(args, "nnn", &in, &rows, &length)) return NULL;
    uint8_t *zeros = PyMem_Calloc((size_t)length, 1);
    PyObject *out = zeros ? PyBytes_FromStringAndSize(NULL, rows * (length + 1)) : PyErr_NoMemory();
    if (out) {
        uint8_t *target = (uint8_t *)PyBytes_AsString(out);
        Py_BEGIN_ALLOW_THREADS
        do_paeth((const uint8_t *)in, zeros, target, rows, length);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(zeros);
    return out;
}

static PyMethodDef METHODS[] = {
    {"from_rows", from_rows, METH_VARARGS, "Filtered rows, where they begin, address of the samples, rows, bytes of one."},
    {"to_rows", to_rows, METH_VARARGS, "Address of the samples, rows, bytes of one; filtered rows."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_rows", "The rows of a PNG, compiled.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__rows(void) { return PyModule_Create(&MODULE); }
