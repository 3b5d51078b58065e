/* The layers for processors with AVX-512. */
#include "_parallel.h"
#include "_scalar.h"
#include "_tasks.h"

#if defined(__x86_64__)
#define FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target(FEATURES))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#endif
#define VECTOR_BYTES 64
#define TILE 8
#define LEVEL avx512_level
#include "_set.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
