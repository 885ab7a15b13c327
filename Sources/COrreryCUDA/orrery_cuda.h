/* What the CUDA plug-in offers to Orrery: plain C, so that the program needs nothing of CUDA to build or to run without it.
   Structures are passed by pointer and begin with their own size, so that either side can tell another version. */
#ifndef ORRERY_CUDA_H
#define ORRERY_CUDA_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORRERY_CUDA_ABI 1

/* Results of all functions. */
enum {
    ORRERY_CUDA_OK = 0,
    ORRERY_CUDA_FAILED = 1,      /* the device or a library refused; the text says why */
    ORRERY_CUDA_UNSUPPORTED = 2, /* this device or library version cannot do the call at all */
    ORRERY_CUDA_MEMORY = 3       /* the operands do not fit */
};

/* Kinds of calls with the meaning of `sizes`. */
enum {
    ORRERY_CUDA_GEMM = 1,               /* m, n, k, count: out[m][n] = a[m][k] b[k][n]; mode: 1 adds to a float32 result, 2 FP8 fast accumulation */
    ORRERY_CUDA_ATTENTION = 2,          /* batch, heads, kv_heads, queries, keys, head_dim, causal; mode: 0 plain, 1 cuDNN */
    ORRERY_CUDA_ATTENTION_BACKWARD = 3, /* likewise */
    ORRERY_CUDA_LAYERNORM = 4,          /* rows, width */
    ORRERY_CUDA_LAYERNORM_BACKWARD = 5,
    ORRERY_CUDA_RMSNORM = 6,
    ORRERY_CUDA_RMSNORM_BACKWARD = 7,
    ORRERY_CUDA_SOFTMAX = 8,            /* rows, width */
    ORRERY_CUDA_CROSS_ENTROPY = 9,      /* rows, classes: loss and gradient in one pass over the logits */
    ORRERY_CUDA_ADAMW = 10,             /* count: float32 parameters, moments and gradient, and the parameters in dtype */
    ORRERY_CUDA_SUM_SQUARES = 11,       /* count */
    ORRERY_CUDA_TOP_K = 12,             /* count, kept: positions and values of the largest magnitudes */
    ORRERY_CUDA_QUANTISE = 13,          /* rows, width; dtype: of the input; out: fp8 or int8; mode: 0 known scale, 1 current scale,
                                           2 a scale a row, 3 a scale for 128 elements, 4 known scale and a transposed copy */
    ORRERY_CUDA_ELEMENTWISE = 14,       /* count; mode: 0 add, 1 gelu, 2 gelu backward, 3 swiglu, 4 dropout, 5 rotary (pairs), 6 scale */
    ORRERY_CUDA_GATHER = 15,            /* rows, width, table rows */
    ORRERY_CUDA_SCATTER_ADD = 16,       /* likewise, adds in float32 */
    ORRERY_CUDA_COPY = 17,              /* bytes; mode: 0 device to device, 1 pinned host to device, 2 device to pinned host, 3 and 4 pageable */
    ORRERY_CUDA_LAUNCH = 18             /* kernels: empty ones in a row; mode: 0 eager, 1 as a graph */
};

/* Number formats. */
enum {
    ORRERY_CUDA_FP32 = 0,
    ORRERY_CUDA_TF32 = 1,
    ORRERY_CUDA_FP16 = 2,
    ORRERY_CUDA_BF16 = 3,
    ORRERY_CUDA_E4M3 = 4,
    ORRERY_CUDA_INT8 = 5
};

/* Transposition of a product's operands in the words of cuBLAS, first the one that is stored [n][k] or [k][n]. */
enum { ORRERY_CUDA_NN = 0, ORRERY_CUDA_NT = 1, ORRERY_CUDA_TN = 2, ORRERY_CUDA_TT = 3 };

typedef struct {
    uint64_t size;
    char name[128];
    char libraries[128]; /* "CUDA 12.4, cuBLAS 12.4.5" */
    int32_t major, minor; /* compute capability */
    int32_t units;        /* streaming multiprocessors */
    int32_t reserved;
    double memory_bytes;
    double free_bytes;
    double cache_bytes; /* second cache */
} orrery_cuda_device;

typedef struct {
    uint64_t size;
    int32_t kind, dtype, out, layout, mode;
    int32_t beside; /* blocks of a copy kernel that runs meanwhile, in place of a collective's; 0: none */
    int64_t sizes[8];
} orrery_cuda_call;

typedef struct {
    uint64_t size;
    double seconds;     /* no further repeat begins after these */
    double sustain;     /* the call runs so long before it is timed, so that clocks settle under its load */
    double half_width;  /* of the 95 % interval of the median, relative: narrow enough */
    int32_t least, most; /* repeats */
} orrery_cuda_rule;

typedef struct {
    uint64_t size;
    double median, spread, p99, least; /* seconds a call; spread: standard deviation over the median */
    int64_t repeats;
    double clock_hz, temperature_c, watts; /* 0: not readable */
} orrery_cuda_timing;

/* ORRERY_CUDA_ABI of the plug-in. */
int32_t orrery_cuda_abi(void);
/* The last failure on the calling thread, never NULL. */
const char *orrery_cuda_error(void);
int32_t orrery_cuda_device_count(int32_t *count);
int32_t orrery_cuda_device_query(int32_t device, orrery_cuda_device *result);
/* Times a call on `device`. */
int32_t orrery_cuda_time(int32_t device, const orrery_cuda_call *call, const orrery_cuda_rule *rule, orrery_cuda_timing *result);
/* Device memory, and copies of it: direction 0 device to device, 1 host to device, 2 device to host. */
int32_t orrery_cuda_alloc(int32_t device, uint64_t bytes, void **memory);
int32_t orrery_cuda_free(int32_t device, void *memory);
int32_t orrery_cuda_copy(int32_t device, void *target, const void *source, uint64_t bytes, int32_t direction);

#ifdef __cplusplus
}
#endif
#endif
