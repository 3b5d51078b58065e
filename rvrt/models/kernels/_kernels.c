/* The layers of the networks, compiled: inference on a CPU. Called by calls.py alone, which checks
 * shapes and types and hands over addresses (the stable ABI has no buffers before Python 3.11).
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_tasks.h"

extern const Level baseline_level, avx2_level, avx512_level;

/* The most capable last; `used` is the one in use. */
static const struct {
    const char *name;
    const Level *level;
} LEVELS[] = {
    {"baseline", &baseline_level},
#if defined(__x86_64__)
    {"avx2", &avx2_level},
    {"avx512", &avx512_level},
#endif
};
static const Level *used = &baseline_level;

static int runs_here(int level) {
    if (level == 0) return 1;
#if defined(__x86_64__)
    if (level == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
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
        used = LEVELS[i].level;
        Py_RETURN_NONE;
    }
    return PyErr_Format(PyExc_ValueError, "%s: not an instruction set of this processor", name);
}

static PyObject *done(int failed) {
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *py_product(PyObject *self, PyObject *args) {
    (void)self;
    Product p = {0};
    PyObject *sources;
    Py_ssize_t bias, residual, gamma, beta, out, weight;
    int activation, threads;
    if (!PyArg_ParseTuple(args, "O!(nnnnnn)(nn)(nnf)(if)(nni)i", &PyTuple_Type, &sources, &p.rows, &p.h,
                          &p.w, &p.kh, &p.kw, &p.outputs, &weight, &bias, &gamma, &beta,
                          &p.norm.epsilon, &activation, &p.slope, &residual, &out, &p.shuffled, &threads))
        return NULL;
    p.sources = (int)PyTuple_Size(sources);
    if (p.sources > MOST_SOURCES) return PyErr_Format(PyExc_ValueError, "%d sources", p.sources);
    for (int i = 0; i < p.sources; i++) {
        Py_ssize_t address;
        if (!PyArg_ParseTuple(PyTuple_GetItem(sources, i), "ni", &address, &p.channels[i])) return NULL;
        p.source[i] = (const float *)address;
    }
    p.bias = (const float *)bias, p.residual = (const float *)residual, p.out = (float *)out;
    p.norm.gamma = (const float *)gamma, p.norm.beta = (const float *)beta;
    p.activation = (Activation)activation;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = used->product(&p, (const float *)weight, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

/* What calls.py's `_layer` gives; 0 with an exception where it is something else. */
static int read_layer(PyObject *args, Layer *l) {
    Py_ssize_t x, out, tokens, kinds, plain, masks, positions, a[12];
    int gelu;
    if (!PyArg_ParseTuple(args, "(nn)(nnnnnnn)(nnnnn)(nnnnnnnnnnnn)fi", &x, &out, &l->batch, &l->size,
                          &l->windows, &l->count, &l->dim, &l->heads, &l->hidden, &tokens, &kinds, &plain,
                          &masks, &positions, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &a[6], &a[7],
                          &a[8], &a[9], &a[10], &a[11], &l->norm1.epsilon, &gelu))
        return 0;
    const float *of[12];
    for (int i = 0; i < 12; i++) of[i] = (const float *)a[i];
    l->x = (const float *)x, l->out = (float *)out;
    l->tokens = (const int32_t *)tokens, l->kinds = (const int32_t *)kinds;
    l->plain = (const int32_t *)plain, l->masks = (const float *)masks;
    l->positions = (const float *)positions;
    l->norm1.gamma = of[0], l->norm1.beta = of[1], l->qkv_weight = of[2], l->qkv_bias = of[3];
    l->proj_weight = of[4], l->proj_bias = of[5], l->norm2.gamma = of[6], l->norm2.beta = of[7];
    l->fc1_weight = of[8], l->fc1_bias = of[9], l->fc2_weight = of[10], l->fc2_bias = of[11];
    l->norm2.epsilon = l->norm1.epsilon, l->gelu = (Activation)gelu;
    return 1;
}

static PyObject *py_layer(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given;
    Layer l = {0};
    int threads, failed;
    if (!PyArg_ParseTuple(args, "O!i", &PyTuple_Type, &given, &threads) || !read_layer(given, &l))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = used->layer(&l, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

static PyObject *py_layer_gradient(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given, *out;
    LayerGradient g = {0};
    Py_ssize_t grad, x_grad;
    int threads, failed;
    if (!PyArg_ParseTuple(args, "O!(nn)O!i", &PyTuple_Type, &given, &grad, &x_grad, &PyTuple_Type, &out,
                          &threads) ||
        !read_layer(given, &g.layer))
        return NULL;
    if (PyTuple_Size(out) != PARAMETERS) return PyErr_Format(PyExc_ValueError, "not %d", PARAMETERS);
    for (int i = 0; i < PARAMETERS; i++) {
        g.out[i] = (float *)PyLong_AsSsize_t(PyTuple_GetItem(out, i));
        if (PyErr_Occurred()) return NULL;
    }
    g.grad = (const float *)grad, g.x_grad = (float *)x_grad;
    Py_BEGIN_ALLOW_THREADS
    failed = used->layer_gradient(&g, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

/* What calls.py's `_samples` gives; 0 with an exception where it is something else. */
static int read_samples(PyObject *args, Samples *p) {
    Py_ssize_t q, k, v, hidden, weight, bias, flow[2];
    if (!PyArg_ParseTuple(args, "(nnnnnn)(nn)(nnnnnnnnn)f", &q, &k, &v, &hidden, &weight, &bias, &flow[0],
                          &flow[1], &p->batch, &p->h, &p->w, &p->channels, &p->heads, &p->groups, &p->kh,
                          &p->kw, &p->hidden_channels, &p->most))
        return 0;
    p->q = (const float *)q, p->k = (const float *)k, p->v = (const float *)v;
    p->hidden = (const float *)hidden, p->weight = (const float *)weight, p->bias = (const float *)bias;
    for (int i = 0; i < 2; i++) p->flow[i] = (const float *)flow[i];
    return 1;
}

static PyObject *py_samples(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given;
    Samples p = {0};
    Py_ssize_t out, improved[2];
    int threads, failed;
    if (!PyArg_ParseTuple(args, "O!(nnn)i", &PyTuple_Type, &given, &out, &improved[0], &improved[1],
                          &threads) ||
        !read_samples(given, &p))
        return NULL;
    p.out = (float *)out;
    for (int i = 0; i < 2; i++) p.improved[i] = (float *)improved[i];
    Py_BEGIN_ALLOW_THREADS
    failed = used->samples(&p, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

static PyObject *py_samples_gradient(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *given;
    SamplesGradient g = {0};
    Py_ssize_t out, improved[2], q, k, v, flow[2], raw, shares, scores;
    int threads, failed;
    if (!PyArg_ParseTuple(args, "O!(nnn)(nnnnnnnn)i", &PyTuple_Type, &given, &out, &improved[0],
                          &improved[1], &q, &k, &v, &flow[0], &flow[1], &raw, &shares, &scores, &threads) ||
        !read_samples(given, &g.samples))
        return NULL;
    g.out_grad = (const float *)out, g.raw_grad = (float *)raw;
    g.q_grad = (float *)q, g.k_grad = (float *)k, g.v_grad = (float *)v;
    g.shares = (float *)shares, g.scores = (float *)scores;
    for (int i = 0; i < 2; i++)
        g.improved_grad[i] = (const float *)improved[i], g.flow_grad[i] = (float *)flow[i];
    Py_BEGIN_ALLOW_THREADS
    failed = used->samples_gradient(&g, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

static PyObject *py_neighbours(PyObject *self, PyObject *args) {
    (void)self;
    Neighbours p;
    Py_ssize_t q, k, v, out;
    int threads;
    if (!PyArg_ParseTuple(args, "(nnnn)(nnnnnnn)i", &q, &k, &v, &out, &p.batch, &p.h, &p.w, &p.channels,
                          &p.heads, &p.kh, &p.kw, &threads))
        return NULL;
    p.q = (const float *)q, p.k = (const float *)k, p.v = (const float *)v, p.out = (float *)out;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = used->neighbours(&p, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

static PyObject *py_warp(PyObject *self, PyObject *args) {
    (void)self;
    Warp p;
    Py_ssize_t x, flow, frames, out;
    int threads;
    if (!PyArg_ParseTuple(args, "(nnnn)(nnnn)ii", &x, &flow, &frames, &out, &p.n, &p.h, &p.w, &p.channels,
                          &p.edge, &threads))
        return NULL;
    p.x = (const float *)x, p.flow = (const float *)flow, p.out = (float *)out;
    p.frames = (const int32_t *)frames;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = used->warp(&p, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

static PyObject *py_weight_gradient(PyObject *self, PyObject *args) {
    (void)self;
    WeightGradient g = {0};
    Py_ssize_t x, grad, out;
    int threads;
    if (!PyArg_ParseTuple(args, "(nnn)(nnnnnnn)i", &x, &grad, &out, &g.n, &g.h, &g.w, &g.kh, &g.kw,
                          &g.channels, &g.outputs, &threads))
        return NULL;
    g.x = (const float *)x, g.grad = (const float *)grad, g.out = (float *)out;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = used->weight_gradient(&g, threads);
    Py_END_ALLOW_THREADS
    return done(failed);
}

static PyMethodDef METHODS[] = {
    {"product", py_product, METH_VARARGS, "A convolution or product; see calls.py."},
    {"layer", py_layer, METH_VARARGS, "A Swin layer; see calls.py."},
    {"samples", py_samples, METH_VARARGS, "Attention to bilinear samples; see calls.py."},
    {"neighbours", py_neighbours, METH_VARARGS, "Attention to a neighbourhood; see calls.py."},
    {"warp", py_warp, METH_VARARGS, "Bilinear samples; see calls.py."},
    {"layer_gradient", py_layer_gradient, METH_VARARGS, "Of a Swin layer; see calls.py."},
    {"samples_gradient", py_samples_gradient, METH_VARARGS, "Of samples; see calls.py."},
    {"weight_gradient", py_weight_gradient, METH_VARARGS, "Of a convolution; see calls.py."},
    {"instruction_sets", instruction_sets, METH_NOARGS, "Those of this processor, best last."},
    {"use_instruction_set", use_instruction_set, METH_VARARGS, "One of instruction_sets()."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_kernels", "Layers, compiled.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernels(void) {
    for (int i = 0; i < (int)(sizeof LEVELS / sizeof *LEVELS); i++)
        if (runs_here(i)) used = LEVELS[i].level;
    return PyModule_Create(&MODULE);
}
