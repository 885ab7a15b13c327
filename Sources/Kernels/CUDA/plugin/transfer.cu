// Copies between host and device, and launches of empty kernels.
#include <cstdlib>
#include <cstring>

#include "task.h"

namespace orrery {
namespace {

/// Host memory, page-locked or not.
struct HostMemory {
    void *start = nullptr;
    bool isPinned;
    HostMemory(size_t bytes, bool isPinned) : isPinned(isPinned) {
        if (isPinned)
            check(cudaMallocHost(&start, bytes), "cudaMallocHost");
        else if (!(start = malloc(bytes)))
            throw Fault(ORRERY_CUDA_MEMORY, "no host memory");
        memset(start, 1, bytes);
    }
    HostMemory(const HostMemory &) = delete;
    ~HostMemory() {
        if (isPinned)
            cudaFreeHost(start);
        else
            free(start);
    }
};

struct Transfer {
    std::unique_ptr<Operands> device;
    std::unique_ptr<HostMemory> host;
};

__global__ void empty() {}

struct Launches {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t instance = nullptr;
    ~Launches() {
        if (instance) cudaGraphExecDestroy(instance);
        if (graph) cudaGraphDestroy(graph);
    }
};

} // namespace

Task makeTransfer(const orrery_cuda_call &call, const Device &device) {
    need(call, 1);
    size_t bytes = call.sizes[0];
    int mode = call.mode;
    if (mode < 0 || mode > 4) throw Fault(ORRERY_CUDA_FAILED, "a copy of mode " + std::to_string(mode));
    auto t = std::make_shared<Transfer>();
    t->device = std::make_unique<Operands>(std::vector<size_t>{bytes, mode == 0 ? bytes : 0}, device.cache);
    if (mode != 0) t->host = std::make_unique<HostMemory>(bytes, mode < 3);
    return Task{t, t->device->sets(), [=](int set, cudaStream_t stream) {
                    void *memory = t->device->at<void>(set, 0);
                    cudaError_t status;
                    if (mode == 0)
                        status = cudaMemcpyAsync(t->device->at<void>(set, 1), memory, bytes, cudaMemcpyDeviceToDevice, stream);
                    else if (mode % 2 == 1)
                        status = cudaMemcpyAsync(memory, t->host->start, bytes, cudaMemcpyHostToDevice, stream);
                    else
                        status = cudaMemcpyAsync(t->host->start, memory, bytes, cudaMemcpyDeviceToHost, stream);
                    check(status, "cudaMemcpyAsync");
                }};
}

Task makeLaunch(const orrery_cuda_call &call, const Device &) {
    need(call, 1);
    int count = int(std::min<int64_t>(call.sizes[0], 100000));
    auto launches = std::make_shared<Launches>();
    auto eager = [count](int, cudaStream_t stream) {
        for (int i = 0; i < count; i++) empty<<<1, 32, 0, stream>>>();
        checkLaunch("empty kernels");
    };
    if (call.mode != 1) return Task{launches, 1, eager};
    cudaStream_t stream;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    cudaError_t status = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    if (status == cudaSuccess) {
        for (int i = 0; i < count; i++) empty<<<1, 32, 0, stream>>>();
        status = cudaStreamEndCapture(stream, &launches->graph);
    }
    cudaStreamDestroy(stream);
    check(status, "capture");
    check(cudaGraphInstantiate(&launches->instance, launches->graph, 0), "cudaGraphInstantiate");
    return Task{launches, 1, [launches](int, cudaStream_t stream) { check(cudaGraphLaunch(launches->instance, stream), "cudaGraphLaunch"); }};
}

} // namespace orrery
