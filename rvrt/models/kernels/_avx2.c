/* The layers for processors with AVX2. */
#include "_parallel.h"
#include "_scalar.h"
#include "_tasks.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define VECTOR_BYTES 32
#define TILE 4
#define LEVEL avx2_level
#include "_set.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
