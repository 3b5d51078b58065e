/* The layers for any processor. */
#include "_parallel.h"
#include "_scalar.h"
#include "_tasks.h"

#define VECTOR_BYTES 16
#define TILE 4
#define LEVEL baseline_level
#include "_set.h"
