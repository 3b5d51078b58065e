// What of CUDA must do something for MindSpore to run on no card; see README.md.
// A function impl_NAME stands for the library's NAME; generate.py makes all others return success.

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NOT_SUPPORTED = 3, INVALID_VALUE = 7 };
enum { TO_DEVICE = 1, FROM_DEVICE = 2 };
enum { SMALL = 4096 };  // bytes that are really copied on the card: shapes and the like

typedef uint64_t u64;

extern u64 pretend_counts[];
extern const char *pretend_names[];
extern const long pretend_number;

// --- what is counted ----------------------------------------------------------------------------

static struct {
    u64 uploads, uploaded, downloads, downloaded, copies, copied, waits, refused;
} seen;
static u64 used, peak;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void pretend_reset(void) {
    memset(pretend_counts, 0, sizeof(u64) * pretend_number);
    memset(&seen, 0, sizeof seen);
    pthread_mutex_lock(&lock);
    peak = used;
    pthread_mutex_unlock(&lock);
}

void pretend_write(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) return;
    for (long i = 0; i < pretend_number; i++)
        if (pretend_counts[i]) fprintf(file, "%lu call %s\n", pretend_counts[i], pretend_names[i]);
    fprintf(file, "%lu seen uploads\n%lu seen uploaded\n", seen.uploads, seen.uploaded);
    fprintf(file, "%lu seen downloads\n%lu seen downloaded\n", seen.downloads, seen.downloaded);
    fprintf(file, "%lu seen copies\n%lu seen copied\n", seen.copies, seen.copied);
    fprintf(file, "%lu seen waits\n%lu seen refused\n%lu seen peak\n", seen.waits, seen.refused, peak);
    fclose(file);
}

// A process that has used the card leaves its counts in the folder PRETEND_COUNTS as it ends.
__attribute__((destructor)) static void leave_counts(void) {
    const char *folder = getenv("PRETEND_COUNTS");
    char path[4096];
    if (!folder || !seen.uploads) return;
    if (snprintf(path, sizeof path, "%s/%d", folder, (int)getpid()) < (int)sizeof path)
        pretend_write(path);
}

// --- memory: pages that the system gives when they are touched, which nothing here does --------

struct block { void *start; size_t bytes; struct block *next; };
static struct block *blocks;

static u64 card_bytes(void) {
    const char *gb = getenv("PRETEND_GB");
    return (u64)((gb ? atof(gb) : 24.0) * 1024) << 20;
}

int impl_cudaMalloc(void **start, size_t bytes) {
    int status = OUT_OF_MEMORY;
    pthread_mutex_lock(&lock);
    if (used + bytes <= card_bytes()) {
        void *pages = mmap(0, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pages != MAP_FAILED) {
            struct block *block = malloc(sizeof *block);
            *block = (struct block){pages, bytes, blocks};
            blocks = block;
            used += bytes;
            if (used > peak) peak = used;
            *start = pages;
            status = SUCCESS;
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}

int impl_cudaFree(void *start) {
    pthread_mutex_lock(&lock);
    for (struct block **at = &blocks; *at; at = &(*at)->next) {
        if ((*at)->start != start) continue;
        struct block *gone = *at;
        munmap(start, gone->bytes);
        used -= gone->bytes;
        *at = gone->next;
        free(gone);
        break;
    }
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

int impl_cudaMemGetInfo(size_t *unused, size_t *total) {
    *total = card_bytes();
    *unused = *total - used;
    return SUCCESS;
}

int impl_cudaHostAlloc(void **start, size_t bytes, unsigned flags) {
    *start = calloc(1, bytes ? bytes : 1);
    return *start ? SUCCESS : OUT_OF_MEMORY;
}

int impl_cudaFreeHost(void *start) { free(start); return SUCCESS; }

static void copy(void *to, const void *from, size_t bytes, int direction) {
    if (direction == TO_DEVICE) {
        seen.uploads++; seen.uploaded += bytes;
        memcpy(to, from, bytes);
    } else if (direction == FROM_DEVICE) {
        seen.downloads++; seen.downloaded += bytes;
        // A result is whatever lay there before, maybe weights; as zeros it is a number at least.
        if (bytes > SMALL && getenv("PRETEND_ZEROS")) memset(to, 0, bytes);
        else memcpy(to, from, bytes);
    } else {
        seen.copies++; seen.copied += bytes;
        if (bytes <= SMALL) memmove(to, from, bytes);
    }
}

int impl_cudaMemcpy(void *to, const void *from, size_t bytes, int direction) {
    copy(to, from, bytes, direction);
    return SUCCESS;
}

int impl_cudaMemcpyAsync(void *to, const void *from, size_t bytes, int direction, void *stream) {
    copy(to, from, bytes, direction);
    return SUCCESS;
}

int impl_cudaMemset(void *to, int value, size_t bytes) {
    if (bytes <= SMALL) memset(to, value, bytes);
    return SUCCESS;
}

int impl_cudaMemsetAsync(void *to, int value, size_t bytes, void *stream) {
    return impl_cudaMemset(to, value, bytes);
}

// --- handles, streams, events --------------------------------------------------------------------

int pretend_create(void **handle) { *handle = calloc(1, 4096); return SUCCESS; }

int impl_cudaStreamCreate(void **stream) { return pretend_create(stream); }
int impl_cudaStreamCreateWithFlags(void **stream, unsigned flags) { return pretend_create(stream); }
int impl_cudaStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    return pretend_create(stream);
}
int impl_cudaEventCreate(void **event) { return pretend_create(event); }
int impl_cudaEventCreateWithFlags(void **event, unsigned flags) { return pretend_create(event); }
int impl_cudaEventElapsedTime(float *milliseconds, void *a, void *b) {
    *milliseconds = 0.01f;
    return SUCCESS;
}
int impl_cudaStreamSynchronize(void *stream) { seen.waits++; return SUCCESS; }
int impl_cudaDeviceSynchronize(void) { seen.waits++; return SUCCESS; }
const char *impl_cudaGetErrorString(int error) { return "pretend GPU"; }
const char *impl_cudaGetErrorName(int error) { return "pretend GPU"; }
const char *impl_cudnnGetErrorString(int error) { return "pretend GPU"; }

// --- the card: a 3090-class one -------------------------------------------------------------------

int impl_cudaGetDeviceCount(int *number) { *number = 1; return SUCCESS; }

// Offsets of CUDA 11's cudaDeviceProp, 728 bytes.
int impl_cudaGetDeviceProperties(char *properties, int device) {
    static const struct { int offset; int value; } numbers[] = {
        {296, 49152},        // sharedMemPerBlock
        {304, 65536},        // regsPerBlock
        {308, 32},           // warpSize
        {312, 2147483647},   // memPitch
        {320, 1024},         // maxThreadsPerBlock
        {324, 1024}, {328, 1024}, {332, 64},               // maxThreadsDim
        {336, 2147483647}, {340, 65535}, {344, 65535},     // maxGridSize
        {348, 1860000},      // clockRate
        {352, 65536},        // totalConstMem
        {360, 8}, {364, 6},  // compute capability
        {368, 512},          // textureAlignment
        {388, 84},           // multiProcessorCount
        {400, 1},            // canMapHostMemory
        {576, 1},            // concurrentKernels
        {600, 1},            // asyncEngineCount
        {604, 1},            // unifiedAddressing
        {608, 10501000},     // memoryClockRate
        {612, 384},          // memoryBusWidth
        {616, 6291456},      // l2CacheSize
        {624, 1536},         // maxThreadsPerMultiProcessor
        {628, 1},            // streamPrioritiesSupported
        {640, 102400},       // sharedMemPerMultiprocessor
        {648, 65536},        // regsPerMultiprocessor
        {652, 1},            // managedMemory
        {688, 1},            // cooperativeLaunch
        {696, 101376},       // sharedMemPerBlockOptin
        {712, 16},           // maxBlocksPerMultiProcessor
    };
    memset(properties, 0, 728);
    strcpy(properties, "PRETEND sm_86");
    u64 bytes = card_bytes();
    memcpy(properties + 288, &bytes, sizeof bytes);
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        memcpy(properties + numbers[i].offset, &numbers[i].value, sizeof(int));
    return SUCCESS;
}

int impl_cuInit(unsigned flags) { return SUCCESS; }
int impl_cuDriverGetVersion(int *version) { *version = 11080; return SUCCESS; }
int impl_cuDeviceGetCount(int *number) { *number = 1; return SUCCESS; }
int impl_nvrtcVersion(int *major, int *minor) { *major = 11; *minor = 8; return SUCCESS; }
int impl_cuGetErrorName(int error, const char **name) { *name = "pretend GPU"; return SUCCESS; }
int impl_cuModuleLoadDataEx(void **module) { return pretend_create(module); }
int impl_cuModuleGetFunction(void **function, void *module, const char *name) {
    return pretend_create(function);
}

int impl_cuDeviceGetAttribute(int *value, int attribute, int device) {
    static const struct { int attribute; int value; } known[] = {
        {1, 1024}, {8, 49152}, {10, 32}, {12, 65536}, {16, 84}, {39, 1536},
        {75, 8}, {76, 6}, {81, 102400}, {82, 65536}, {97, 101376},
    };
    *value = 0;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].attribute == attribute) *value = known[i].value;
    return SUCCESS;
}

// --- cuBLAS: leading dimensions are checked --------------------------------------------------------

int impl_cublasCreate_v2(void **handle) { return pretend_create(handle); }
int impl_cublasGetMathMode(void *handle, int *mode) { *mode = 0; return SUCCESS; }

static int product(int ta, int tb, int m, int n, int k, int lda, int ldb, int ldc) {
    int fits = m >= 0 && n >= 0 && k >= 0 && lda >= 1 && ldb >= 1 && ldc >= 1;
    fits = fits && lda >= (ta ? k : m) && ldb >= (tb ? n : k) && ldc >= m;
    if (!fits) seen.refused++;
    return fits ? SUCCESS : INVALID_VALUE;
}

int impl_cublasGemmEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha,
                      const void *a, int at, int lda, const void *b, int bt, int ldb,
                      const void *beta, void *c, int ct, int ldc, int compute, int algorithm) {
    return product(ta, tb, m, n, k, lda, ldb, ldc);
}

int impl_cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k,
                                    const void *alpha, const void *a, int at, int lda,
                                    long long stride_a, const void *b, int bt, int ldb,
                                    long long stride_b, const void *beta, void *c, int ct, int ldc,
                                    long long stride_c, int batch, int compute, int algorithm) {
    return product(ta, tb, m, n, k, lda, ldb, ldc);
}

// --- cuDNN: tensors know their size, and none may have more than 2^31 - 1 numbers -------------------

enum { MOST_DIMENSIONS = 8 };
struct tensor { int type, dimensions; int size[MOST_DIMENSIONS], stride[MOST_DIMENSIONS]; };

static int describe(struct tensor *tensor, int type, int dimensions, const int *size,
                    const int *stride) {
    double numbers = 1;
    int fits = dimensions >= 3 && dimensions <= MOST_DIMENSIONS;
    for (int i = 0; fits && i < dimensions; i++) {
        tensor->size[i] = size[i];
        tensor->stride[i] = stride ? stride[i] : 0;
        numbers *= size[i];
        fits = size[i] >= 1 && numbers <= 2147483647.0;
    }
    tensor->type = type;
    tensor->dimensions = dimensions;
    if (!fits) seen.refused++;
    return fits ? SUCCESS : NOT_SUPPORTED;
}

int impl_cudnnCreate(void **handle) { return pretend_create(handle); }

int impl_cudnnSetTensor4dDescriptor(struct tensor *tensor, int format, int type, int n, int c,
                                    int h, int w) {
    int size[] = {n, c, h, w};
    return describe(tensor, type, 4, size, 0);
}

int impl_cudnnSetTensorNdDescriptor(struct tensor *tensor, int type, int dimensions,
                                    const int *size, const int *stride) {
    return describe(tensor, type, dimensions, size, stride);
}

int impl_cudnnSetTensorNdDescriptorEx(struct tensor *tensor, int format, int type, int dimensions,
                                      const int *size) {
    return describe(tensor, type, dimensions, size, 0);
}

static int bytes_of(int type) {
    switch (type) {
        case 1: case 10: return 8;  // double, int64
        case 2: case 9: return 2;   // half, bfloat16
        case 3: return 1;           // int8
        default: return 4;
    }
}

int impl_cudnnGetTensorSizeInBytes(struct tensor *tensor, size_t *bytes) {
    *bytes = bytes_of(tensor->type);
    for (int i = 0; i < tensor->dimensions; i++) *bytes *= tensor->size[i];
    return SUCCESS;
}

int impl_cudnnGetTensorNdDescriptor(struct tensor *tensor, int room, int *type, int *dimensions,
                                    int *size, int *stride) {
    *type = tensor->type;
    *dimensions = tensor->dimensions;
    for (int i = 0; i < room && i < tensor->dimensions; i++) {
        size[i] = tensor->size[i];
        stride[i] = tensor->stride[i];
    }
    return SUCCESS;
}

int impl_cudnnGetReductionWorkspaceSize(void *h, void *r, void *a, void *c, size_t *bytes) {
    *bytes = 1024;
    return SUCCESS;
}
int impl_cudnnGetReductionIndicesSize(void *h, void *r, void *a, void *c, size_t *bytes) {
    *bytes = 0;
    return SUCCESS;
}

static int no_workspace(size_t *bytes) { *bytes = 0; return SUCCESS; }
int impl_cudnnGetConvolutionForwardWorkspaceSize(void *h, void *x, void *w, void *c, void *y,
                                                 int algorithm, size_t *bytes) {
    return no_workspace(bytes);
}
int impl_cudnnGetConvolutionBackwardDataWorkspaceSize(void *h, void *w, void *y, void *c, void *x,
                                                      int algorithm, size_t *bytes) {
    return no_workspace(bytes);
}
int impl_cudnnGetConvolutionBackwardFilterWorkspaceSize(void *h, void *x, void *y, void *c,
                                                        void *w, int algorithm, size_t *bytes) {
    return no_workspace(bytes);
}

// cudnnConvolutionFwdAlgoPerf_t and its two sisters: 48 bytes, the algorithm first.
static int one_algorithm(int *number, char *result) {
    memset(result, 0, 48);
    *(int *)result = 1;
    *number = 1;
    return SUCCESS;
}
int impl_cudnnGetConvolutionForwardAlgorithm_v7(void *h, void *x, void *w, void *c, void *y,
                                                int asked, int *number, char *result) {
    return one_algorithm(number, result);
}
int impl_cudnnGetConvolutionBackwardDataAlgorithm_v7(void *h, void *w, void *y, void *c, void *x,
                                                     int asked, int *number, char *result) {
    return one_algorithm(number, result);
}
int impl_cudnnGetConvolutionBackwardFilterAlgorithm_v7(void *h, void *x, void *y, void *c, void *w,
                                                       int asked, int *number, char *result) {
    return one_algorithm(number, result);
}
