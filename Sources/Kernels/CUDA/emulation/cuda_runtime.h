// The part of the CUDA runtime that the plug-in uses, on the CPU: blocks run one after the other, the threads of a block as fibres (fibres.cpp), and
// calls finish before they return. For checks without a GPU; nothing here says anything about time.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
// Blocks run one at a time, so that one copy serves all.
#define __shared__ static

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) float4 {
    float x, y, z, w;
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

// MARK: The host's side

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorInvalidConfiguration = 9 };
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount, cudaDevAttrL2CacheSize };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum { cudaStreamNonBlocking = 1, cudaHostAllocMapped = 2 };
struct cudaDeviceProp {
    char name[256];
    int major, minor, multiProcessorCount, l2CacheSize;
};
typedef struct EmulatedStream *cudaStream_t;
typedef struct EmulatedEvent *cudaEvent_t;
typedef struct EmulatedGraph *cudaGraph_t;
typedef struct EmulatedGraph *cudaGraphExec_t;

cudaError_t cudaGetLastError();
const char *cudaGetErrorString(cudaError_t);
cudaError_t cudaMalloc(void **, size_t);
template <class T> cudaError_t cudaMalloc(T **memory, size_t bytes) { return cudaMalloc(reinterpret_cast<void **>(memory), bytes); }
cudaError_t cudaFree(void *);
cudaError_t cudaMallocHost(void **, size_t);
cudaError_t cudaHostAlloc(void **, size_t, unsigned);
cudaError_t cudaFreeHost(void *);
cudaError_t cudaHostGetDevicePointer(void **, void *, unsigned);
cudaError_t cudaMemcpy(void *, const void *, size_t, cudaMemcpyKind);
cudaError_t cudaMemcpyAsync(void *, const void *, size_t, cudaMemcpyKind, cudaStream_t);
cudaError_t cudaMemset(void *, int, size_t);
cudaError_t cudaMemsetAsync(void *, int, size_t, cudaStream_t);
cudaError_t cudaMemGetInfo(size_t *, size_t *);
cudaError_t cudaDeviceGetAttribute(int *, cudaDeviceAttr, int);
cudaError_t cudaDeviceGetPCIBusId(char *, int, int);
cudaError_t cudaGetDeviceCount(int *);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *, int);
cudaError_t cudaRuntimeGetVersion(int *);
cudaError_t cudaSetDevice(int);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaFuncSetAttribute(const void *, cudaFuncAttribute, int);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *, unsigned);
cudaError_t cudaStreamDestroy(cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode);
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *, cudaGraph_t, unsigned long long);
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t);
cudaError_t cudaGraphDestroy(cudaGraph_t);
cudaError_t cudaEventCreate(cudaEvent_t *);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t);
cudaError_t cudaEventSynchronize(cudaEvent_t);
cudaError_t cudaEventElapsedTime(float *, cudaEvent_t, cudaEvent_t);

namespace emulated {

/// What stands between the three angle brackets of a launch.
struct Shape {
    dim3 grid, block;
    size_t sharedBytes;
    cudaStream_t stream;
    Shape(dim3 grid, dim3 block, size_t sharedBytes = 0, cudaStream_t stream = nullptr)
        : grid(grid), block(block), sharedBytes(sharedBytes), stream(stream) {}
};

/// Runs `body` as every thread of every block. Where the stream is being captured, the launch is noted.
void launch(const char *kernel, const Shape &, const std::function<void()> &body);
/// The order in which the threads of a block get their turns: 0 ascending, else shuffled by the number.
void setOrder(unsigned seed);
/// The block's dynamic shared memory, exactly as large as asked for.
void *dynamicShared();
/// Waits for all threads of the block, or of the warp.
void waitForBlock();
/// Gives 32 bits to the warp and takes those of another lane.
uint32_t exchange(uint32_t bits, unsigned fromLane);
unsigned lane();

} // namespace emulated

// MARK: The device's side

inline void __syncthreads() { emulated::waitForBlock(); }
template <class T> T __shfl_sync(unsigned, T value, int lane) {
    static_assert(sizeof(T) == 4);
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits = emulated::exchange(bits, unsigned(lane) & 31);
    memcpy(&value, &bits, 4);
    return value;
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int step) { return __shfl_sync(mask, value, int(emulated::lane() ^ unsigned(step))); }

// Between two places where threads wait nothing else runs.
inline float atomicAdd(float *to, float x) {
    float old = *to;
    *to = old + x;
    return old;
}
inline unsigned atomicAdd(unsigned *to, unsigned x) {
    unsigned old = *to;
    *to = old + x;
    return old;
}
inline int atomicMax(int *to, int x) {
    int old = *to;
    if (x > old) *to = x;
    return old;
}

using std::max;
using std::min;
inline size_t min(size_t a, int b) { return a < size_t(b) ? a : size_t(b); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline void __sincosf(float x, float *sine, float *cosine) {
    *sine = sinf(x);
    *cosine = cosf(x);
}
inline uint32_t __float_as_uint(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}
inline int __float_as_int(float x) { return int(__float_as_uint(x)); }
inline float emulatedFloat(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
inline int __float2int_rn(float x) { return int(nearbyintf(x)); }
