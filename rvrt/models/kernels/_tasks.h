/* What is to be computed, for every instruction set the same. All arrays are contiguous float32. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 96,            /* rows of a map that are worked on at once */
    PANEL_BYTES = 28 << 10, /* of weights, which stay in the first cache */
    MOST_SOURCES = 8
};

typedef enum { NOTHING, GELU_ERF, GELU_TANH, LEAKY } Activation;

/* LayerNorm; gamma NULL for none. */
typedef struct {
    const float *gamma, *beta;
    float epsilon;
} Norm;

typedef struct {
    const float *weight;
    ptrdiff_t outputs, channels, taps;
    float *panels;
} Weights;

/* out (rows, outputs) = residual + norm(activation(bias + sum over taps and sources)): a convolution
 * of maps (rows, channels) that lie side by side, or with kh = kw = 1 a product. `shuffled`: the
 * outputs of a pixel are the 2 x 2 pixels that it becomes. */
typedef struct {
    int sources;
    const float *source[MOST_SOURCES];
    int channels[MOST_SOURCES];
    ptrdiff_t rows, h, w, kh, kw, outputs;
    const float *bias, *residual;
    Norm norm;
    Activation activation;
    float slope;
    int shuffled;
    float *out;
    /* made by product() */
    const int *lengths;
    const float *zeros, *panels;
} Product;

/* A Swin layer over windows of a (batch * size) map. tokens (windows, count): rows of the first
 * batch element, -1 beyond the map. kinds (windows), masks (kinds, count, count), plain (kinds): not
 * masked at all. positions (heads, count, count) or NULL. */
typedef struct {
    const float *x;
    float *out;
    ptrdiff_t batch, size, windows, count, dim, heads, hidden;
    const int32_t *tokens, *kinds, *plain;
    const float *masks, *positions;
    Norm norm1, norm2;
    const float *qkv_weight, *qkv_bias, *proj_weight, *proj_bias;
    const float *fc1_weight, *fc1_bias, *fc2_weight, *fc2_bias;
    Activation gelu;
    const float *qkv_panels, *proj_panels, *fc1_panels, *fc2_panels;
} Layer;

/* Guided deformable attention of B clips of two frames; see deform_attention.py for the layers
 * around it. Each of `flow` leads from a frame to slot 0 and 1: (P, 2) of (dx, dy). The last layer of
 * the offsets has outputs (slot, half, group, tap, yx). */
typedef struct {
    const float *q, *k, *v, *hidden, *weight, *bias, *flow[2];
    float *out, *improved[2];
    ptrdiff_t batch, h, w, channels, heads, groups, kh, kw, hidden_channels; /* groups: of a half */
    float most; /* pixels that an offset may reach */
    const float *panels;
} Samples;

/* Attention to the neighbourhood in both frames of a clip, zeros beyond the border taking part. */
typedef struct {
    const float *q, *k, *v;
    float *out;
    ptrdiff_t batch, h, w, channels, heads, kh, kw;
    const float *zeros;
} Neighbours;

/* Bilinear samples of maps at their pixels plus the flow (dx, dy). frames (n): the frame that each
 * frame of the flow reads. `edge`: beyond the frame its edge, otherwise zeros. */
typedef struct {
    const float *x, *flow;
    float *out;
    const int32_t *frames;
    ptrdiff_t n, h, w, channels;
    int edge;
} Warp;

/* Gradient of a convolution's weight: out (outputs, taps, channels) = sum over pixels of grad (the
 * outputs') and x (the taps'). */
typedef struct {
    const float *x, *grad;
    float *out;
    ptrdiff_t n, h, w, kh, kw, channels, outputs;
    /* made by weight_gradient(): maps with a border, their pixels in all, one tap's farthest reach */
    float *panels, *turned;
    ptrdiff_t pixels, reach;
} WeightGradient;

/* Gradients of a Swin layer, given that of its output: of x, and of what `Layer` names, in the order
 * norm1 (scale, shift), qkv (weight, bias), proj, norm2, fc1, fc2, positions (or NULL). */
enum { PARAMETERS = 13 };
typedef struct {
    Layer layer;
    const float *grad;
    float *x_grad, *out[PARAMETERS];
    /* made by layer_gradient() */
    float *sums, *qkv_rows, *proj_rows, *fc1_rows, *fc2_rows;
    ptrdiff_t place[PARAMETERS + 1], rows[PARAMETERS], columns[PARAMETERS];
} LayerGradient;

/* Gradients of `Samples`, given those of out and improved: of q, k, v, of each flow, and of what the
 * last layer of the offsets gives, before its tanh (P, outputs). `shares` and `scores`: room for
 * (P, samples, heads). */
typedef struct {
    Samples samples;
    const float *out_grad, *improved_grad[2];
    float *q_grad, *k_grad, *v_grad, *flow_grad[2], *raw_grad, *shares, *scores;
} SamplesGradient;

/* All of them for one instruction set; each returns 0, or -1 where there is no memory. */
typedef struct {
    int (*product)(Product *, const float *weight, int threads);
    int (*layer)(Layer *, int threads);
    int (*samples)(Samples *, int threads);
    int (*neighbours)(Neighbours *, int threads);
    int (*warp)(Warp *, int threads);
    int (*weight_gradient)(WeightGradient *, int threads);
    int (*layer_gradient)(LayerGradient *, int threads);
    int (*samples_gradient)(SamplesGradient *, int threads);
} Level;
