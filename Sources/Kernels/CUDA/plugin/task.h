// What the parts of the plug-in share.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "orrery_cuda.h"

namespace orrery {

/// A failure with its code of orrery_cuda.h.
struct Fault : std::runtime_error {
    int32_t code;
    Fault(int32_t code, const std::string &text) : std::runtime_error(text), code(code) {}
};

inline void check(cudaError_t status, const char *what) {
    if (status == cudaSuccess) return;
    // The error must not stick to the calls that follow.
    cudaGetLastError();
    throw Fault(status == cudaErrorMemoryAllocation ? ORRERY_CUDA_MEMORY : ORRERY_CUDA_FAILED,
                std::string(what) + ": " + cudaGetErrorString(status));
}
inline void checkLaunch(const char *what) { check(cudaGetLastError(), what); }

/// Device memory that frees itself.
class Memory {
public:
    Memory() = default;
    explicit Memory(size_t bytes) : bytes_(bytes) {
        if (bytes > 0) check(cudaMalloc(&start_, bytes), "cudaMalloc");
    }
    Memory(Memory &&other) noexcept : start_(other.start_), bytes_(other.bytes_) { other.start_ = nullptr; }
    Memory &operator=(Memory &&other) noexcept {
        std::swap(start_, other.start_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    Memory(const Memory &) = delete;
    ~Memory() {
        if (start_) cudaFree(start_);
    }
    template <class T> T *as() const { return static_cast<T *>(start_); }
    size_t bytes() const { return bytes_; }

private:
    void *start_ = nullptr;
    size_t bytes_ = 0;
};

/// Sets of operands that are used in turn, so that none is in the cache when its turn comes.
class Operands {
public:
    /// `bytes` of one set; as many sets as exceed twice the cache, at most 64, at least one.
    Operands(const std::vector<size_t> &bytes, size_t cache);
    int sets() const { return sets_; }
    template <class T> T *at(int set, int operand) const {
        return reinterpret_cast<T *>(memory_.as<char>() + set * stride_ + starts_[operand]);
    }
    /// Random numbers of the format in [-1, 1), the same each time, in every set.
    void fill(int operand, int32_t dtype, size_t count);

private:
    Memory memory_;
    std::vector<size_t> starts_;
    size_t stride_ = 0;
    int sets_ = 1;
};

/// A prepared call. `run` queues it on the stream with one set of operands.
struct Task {
    std::shared_ptr<void> owner;
    int sets = 1;
    std::function<void(int set, cudaStream_t stream)> run;
};

struct Device {
    int index;
    int units;
    size_t cache;
};

inline size_t bytesOf(int32_t dtype) {
    switch (dtype) {
    case ORRERY_CUDA_FP32:
    case ORRERY_CUDA_TF32: return 4;
    case ORRERY_CUDA_FP16:
    case ORRERY_CUDA_BF16: return 2;
    default: return 1;
    }
}

/// Sizes of a call that must be at least one.
inline void need(const orrery_cuda_call &call, int count) {
    for (int i = 0; i < count; i++)
        if (call.sizes[i] < 1 || call.sizes[i] > (int64_t(1) << 40))
            throw Fault(ORRERY_CUDA_FAILED, "size " + std::to_string(i) + " is " + std::to_string(call.sizes[i]));
}

Task makeGEMM(const orrery_cuda_call &, const Device &);
Task makeAttention(const orrery_cuda_call &, const Device &);
Task makeRows(const orrery_cuda_call &, const Device &);
Task makeElements(const orrery_cuda_call &, const Device &);
Task makeQuantise(const orrery_cuda_call &, const Device &);
Task makeTopK(const orrery_cuda_call &, const Device &);
Task makeTransfer(const orrery_cuda_call &, const Device &);
Task makeLaunch(const orrery_cuda_call &, const Device &);

/// The libraries that products go through: "cuBLAS 12.4.5".
std::string gemmLibrary();

// MARK: Numbers on the device

__device__ inline float wide(float x) { return x; }
__device__ inline float wide(__half x) { return __half2float(x); }
__device__ inline float wide(__nv_bfloat16 x) { return __bfloat162float(x); }
template <class T> __device__ inline T narrow(float x);
template <> __device__ inline float narrow<float>(float x) { return x; }
template <> __device__ inline __half narrow<__half>(float x) { return __float2half_rn(x); }
template <> __device__ inline __nv_bfloat16 narrow<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }

/// Calls `body` with a value of the format's type.
template <class Body> Task withType(int32_t dtype, Body body) {
    switch (dtype) {
    case ORRERY_CUDA_FP32: return body(float());
    case ORRERY_CUDA_FP16: return body(__half());
    case ORRERY_CUDA_BF16: return body(__nv_bfloat16());
    default: throw Fault(ORRERY_CUDA_UNSUPPORTED, "this kernel works in fp32, fp16 and bf16");
    }
}

__device__ inline float warpSum(float x) {
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}
__device__ inline float warpMax(float x) {
    for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}
/// Sum or maximum over a block of at most 1,024 threads; every thread gets it.
template <bool isMax> __device__ inline float blockReduce(float x) {
    __shared__ float parts[32];
    x = isMax ? warpMax(x) : warpSum(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    int warps = (blockDim.x + 31) / 32;
    float y = threadIdx.x % 32 < warps ? parts[threadIdx.x % 32] : (isMax ? -INFINITY : 0.0f);
    return isMax ? warpMax(y) : warpSum(y);
}

} // namespace orrery
