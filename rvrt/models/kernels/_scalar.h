/* Functions of one number that compilers turn into vectors: no branches, no tables, no calls.
 *
 * Coefficients: minimax fits of our own (tests/oracles/kernel_fits.py). Errors, over all float32:
 * exp_ 1.2e-7 relative, erf_ 2e-7 absolute, tanh_ 2e-7 absolute.
 */
#include <stdint.h>
#include <string.h>

static inline float clamp_(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* e^x = 2^n e^r, n whole, |r| <= ln(2)/2; x is moved to -87..88. */
static inline float exp_(float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: the sum's low bits are the nearest whole number */
    x = clamp_(x, -87.0f, 88.0f);
    float t = x * 1.44269504f + shift, n = t - shift, r;
    r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 0.00138146081f;
    p = p * r + 0.00836871099f;
    p = p * r + 0.041668389f;
    p = p * r + 0.166665211f;
    p = p * r + 0.49999994f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    uint32_t bits;
    float power;
    memcpy(&bits, &t, 4);
    bits = (bits << 23) + 0x3f800000u;
    memcpy(&power, &bits, 4);
    return p * power;
}

/* erf(x) = x p(x^2) up to 3.92, beyond which it is 1 in float32. */
static inline float erf_(float x) {
    x = clamp_(x, -3.92f, 3.92f);
    float t = x * x * (2.0f / (3.92f * 3.92f)) - 1.0f, p = -0.000784486125f;
    p = p * t + 0.0020528459f;
    p = p * t - 0.00158925995f;
    p = p * t + 0.00206508371f;
    p = p * t - 0.00740961684f;
    p = p * t + 0.0140316021f;
    p = p * t - 0.0201562885f;
    p = p * t + 0.0298049506f;
    p = p * t - 0.0433828086f;
    p = p * t + 0.0583632849f;
    p = p * t - 0.0740288049f;
    p = p * t + 0.0906016305f;
    p = p * t - 0.109178595f;
    p = p * t + 0.134084314f;
    p = p * t - 0.180108637f;
    p = p * t + 0.360736817f;
    return x * p;
}

static inline float tanh_(float x) { return 1.0f - 2.0f / (exp_(2.0f * x) + 1.0f); }

static inline float gelu_erf_slope_(float x) {
    return 0.5f * (1.0f + erf_(x * 0.70710678f)) + x * 0.39894228f * exp_(-0.5f * x * x);
}

static inline float gelu_erf_(float x) { return 0.5f * x * (1.0f + erf_(x * 0.70710678f)); }

/* The approximation by tanh, 0.5 (1 + tanh u) written as 1 / (1 + e^-2u). */
static inline float gelu_tanh_(float x) {
    return x / (1.0f + exp_(-1.59576912f * (x + 0.044715f * x * x * x)));
}

static inline float gelu_tanh_slope_(float x) {
    float half = 1.0f / (1.0f + exp_(-1.59576912f * (x + 0.044715f * x * x * x)));
    return half + x * half * (1.0f - half) * 1.59576912f * (1.0f + 3 * 0.044715f * x * x);
}
