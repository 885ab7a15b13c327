// Memory, streams, events and graphs of the emulated runtime. Everything is done when a call returns.
#include "runtime.h"

#include <chrono>
#include <cstdlib>
#include <utility>
#include <vector>

struct EmulatedGraph {
    std::vector<std::function<void()>> launches;
};
struct EmulatedStream {
    EmulatedGraph *capture = nullptr;
};
struct EmulatedEvent {
    std::chrono::steady_clock::time_point at;
};

namespace {
cudaError_t lastError = cudaSuccess;
void *latest = nullptr;
cudaError_t allocate(void **memory, size_t bytes) {
    // The contents are not zero by accident.
    *memory = malloc(bytes);
    if (!*memory) return cudaErrorMemoryAllocation;
    return memset(*memory, 0xa5, bytes), cudaSuccess;
}
} // namespace

namespace emulated {
bool isCapturing(cudaStream_t stream) { return stream && stream->capture; }
void note(cudaStream_t stream, std::function<void()> launch) { stream->capture->launches.push_back(std::move(launch)); }
void setLastError(cudaError_t status) { lastError = status; }
void *latestMemory() { return latest; }
} // namespace emulated

cudaError_t cudaGetLastError() { return std::exchange(lastError, cudaSuccess); }
const char *cudaGetErrorString(cudaError_t status) {
    switch (status) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    default: return "invalid argument";
    }
}
cudaError_t cudaMalloc(void **memory, size_t bytes) {
    cudaError_t status = allocate(memory, bytes);
    latest = *memory;
    return status;
}
cudaError_t cudaFree(void *memory) { return free(memory), cudaSuccess; }
cudaError_t cudaMallocHost(void **memory, size_t bytes) { return allocate(memory, bytes); }
cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned) { return allocate(memory, bytes); }
cudaError_t cudaFreeHost(void *memory) { return free(memory), cudaSuccess; }
cudaError_t cudaHostGetDevicePointer(void **seen, void *, unsigned) {
    // A kernel that waits for the host would wait for ever where launches return when they are done: the flag it looks at is set already.
    static int isSet = 1;
    *seen = &isSet;
    return cudaSuccess;
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind) { return memcpy(to, from, bytes), cudaSuccess; }
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) { return cudaMemcpy(to, from, bytes, kind); }
cudaError_t cudaMemset(void *memory, int value, size_t bytes) { return memset(memory, value, bytes), cudaSuccess; }
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t) { return cudaMemset(memory, value, bytes); }
cudaError_t cudaMemGetInfo(size_t *free, size_t *total) { return *free = *total = size_t(2) << 30, cudaSuccess; }
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr which, int) {
    *value = which == cudaDevAttrMultiProcessorCount ? 2 : 1;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char *, int, int) { return cudaErrorInvalidValue; }
cudaError_t cudaGetDeviceCount(int *count) { return *count = 1, cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
    *properties = cudaDeviceProp{"emulated GPU", 0, 0, 2, 1};
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = 0, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidValue; }
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaFuncSetAttribute(const void *, cudaFuncAttribute, int bytes) { return bytes <= 232448 ? cudaSuccess : cudaErrorInvalidValue; }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) { return *stream = new EmulatedStream, cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return delete stream, cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) { return stream->capture = new EmulatedGraph, cudaSuccess; }
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) { return *graph = std::exchange(stream->capture, nullptr), cudaSuccess; }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *instance, cudaGraph_t graph, unsigned long long) {
    return *instance = new EmulatedGraph(*graph), cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t) {
    for (auto &launch : instance->launches) launch();
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) { return delete instance, cudaSuccess; }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t *event) { return *event = new EmulatedEvent, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) { return event->at = std::chrono::steady_clock::now(), cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
    *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
    return cudaSuccess;
}
